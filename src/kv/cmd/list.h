/* SPDX-License-Identifier: PostgreSQL
 *
 * list.h: what the commands on lists share with those that wait (blocking.c) and with the functions of SQL.
 */
#ifndef PGFIRST_KV_CMD_LIST_H
#define PGFIRST_KV_CMD_LIST_H

#include "kv/cmd/elements.h"
#include "kv/type/list.h"

/* LEFT or RIGHT at argument i; answers and returns false if it is another word. */
extern bool kv_argument_end(KvCall *call, int i, KvEnd *end);

/* Writes the element at an end, and takes it away; the second so many, with their number, and closes the list. */
extern void kv_list_pop(KvCall *call, KvList *list, KvEnd end);
extern void kv_list_pop_many(KvCall *call, KvList *list, KvEnd end, int64 count);

/* Whether so many can be taken away; false with what the command returns. */
extern bool kv_list_pop_room(KvCall *call, const KvList *list, int64 count, KvOutcome *outcome);

/*
 * Moves an element from an end of the list that argument 1 is to an end of that of argument 2, and answers with it; false, and no
 * answer, if there is none.
 */
extern bool kv_list_carry(KvCall *call, KvEnd from, KvEnd to, KvOutcome *outcome);

/* Reads numkeys, which argument `at` is, and what follows the keys; answers and returns false if something is wrong. */
extern bool kv_lmpop_options(KvCall *call, int at, int *keys, KvEnd *end, int64 *count);

/* ---- on lists that are open ------------------------------------------------------------------ */

/* Makes an index from the end one from the beginning; false if there is no such element. */
extern bool kv_list_index(const KvList *list, int64 *index);

/* The element with an index that there is, as of kv_list_peek(); false if it has gone meanwhile. */
extern bool kv_list_at(KvList *list, int64 index, RespSlice *value);
extern void kv_list_set(KvList *list, int64 index, RespSlice element);

/* Puts an element beside the first one that is equal to `pivot`; false if there is none. */
extern bool kv_list_insert_at(KvList *list, bool before, RespSlice pivot, RespSlice element);

/* Moves the element at an end, which was peeked at, and closes both lists; they may be the same.  Returns a copy of it. */
extern RespSlice kv_list_pass(KvList *from, KvEnd from_end, RespSlice peeked, KvList *to,
                              KvEnd to_end);

/*
 * Leaves `kept` elements from `start` on, and closes the list.  Where that is a new list it goes no further than the attempt
 * has room (elements.h).
 */
extern void kv_list_trim(KvList *list, int64 start, int64 kept, KvAttempt *attempt);

/* Positions of elements; or of what is told to a client, indexes in the list. */
typedef struct KvListFound
{
	KvListPosition *at;
	Size count;
	Size room;
} KvListFound;

/*
 * The first `count` elements that are equal to this one, the last ones if it is negative, all if it is 0; and they go, and
 * the list is closed.
 */
extern KvListFound kv_list_find_equal(KvList *list, int64 count, RespSlice element);
extern void kv_list_remove_found(KvList *list, KvListFound *found);

#endif
