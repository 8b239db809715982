/* SPDX-License-Identifier: PostgreSQL
 *
 * list.h: what the commands on lists share with those that wait (blocking.c).
 */
#ifndef PGFIRST_KV_CMD_LIST_H
#define PGFIRST_KV_CMD_LIST_H

#include "kv/cmd/command.h"
#include "kv/type/list.h"

/* LEFT or RIGHT at argument i; answers and returns false if it is another word. */
extern bool kv_argument_end(KvCall *call, int i, KvEnd *end);

/* Writes the element at an end, and takes it away; the second so many, with their number, and closes the list. */
extern void kv_list_pop(KvCall *call, KvList *list, KvEnd end);
extern void kv_list_pop_many(KvCall *call, KvList *list, KvEnd end, int64 count);

/*
 * Moves an element from an end of the list that argument 1 is to an end of that of argument 2, and answers with it; false, and no
 * answer, if there is none.
 */
extern bool kv_list_carry(KvCall *call, KvEnd from, KvEnd to, KvOutcome *outcome);

/* Reads numkeys, which argument `at` is, and what follows the keys; answers and returns false if something is wrong. */
extern bool kv_lmpop_options(KvCall *call, int at, int *keys, KvEnd *end, int64 *count);

#endif
