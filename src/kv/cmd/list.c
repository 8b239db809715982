/* SPDX-License-Identifier: PostgreSQL
 *
 * list.c: commands on lists.  What a list is stands in type/list.h.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kv/cmd/blocking.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/list.h"
#include "kv/cmd/value.h"
#include "kv/type/list.h"
#include "lib/number/number.h"

static bool
list_fits(KvCall *call, int i, KvList *list)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	bool fits = kv_list_open(call->space, kv_argument(call, i), call->now_ms, list);

	MemoryContextSwitchTo(old);
	return fits;
}

/* Opens the list that argument i is; false after answering that it is none. */
static bool
list_open(KvCall *call, int i, KvList *list)
{
	bool fits = list_fits(call, i, list);

	if (!fits)
		kv_reply_wrong_type(call);
	return fits;
}

static bool
slices_equal(RespSlice a, RespSlice b)
{
	return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

bool
kv_argument_end(KvCall *call, int i, KvEnd *end)
{
	*end = kv_argument_is(call, i, "RIGHT") ? KV_TAIL : KV_HEAD;
	if (*end == KV_TAIL || kv_argument_is(call, i, "LEFT"))
		return true;
	kv_reply_syntax(call);
	return false;
}

/* ---- pushing --------------------------------------------------------------------------------- */

static KvOutcome
push(KvCall *call, KvEnd end, bool only_if_there)
{
	KvOutcome outcome = KV_DONE;
	KvList list;

	if (!list_open(call, 1, &list) || !kv_elements_room(call, &outcome))
		return outcome;
	if (!only_if_there || kv_list_count(&list) > 0)
		for (int i = 2; i < call->argc; i++)
			kv_list_push(&list, end, kv_argument(call, i));
	kv_list_close(&list);
	pgfirst_resp_write_integer(call->reply, (int64) kv_list_count(&list));
	return KV_DONE;
}

/* LPUSH key element [element ...] */
KvOutcome
kv_cmd_lpush(KvCall *call)
{
	return push(call, KV_HEAD, false);
}

/* RPUSH key element [element ...] */
KvOutcome
kv_cmd_rpush(KvCall *call)
{
	return push(call, KV_TAIL, false);
}

/* LPUSHX key element [element ...] */
KvOutcome
kv_cmd_lpushx(KvCall *call)
{
	return push(call, KV_HEAD, true);
}

/* RPUSHX key element [element ...] */
KvOutcome
kv_cmd_rpushx(KvCall *call)
{
	return push(call, KV_TAIL, true);
}

/* ---- popping --------------------------------------------------------------------------------- */

void
kv_list_pop(KvCall *call, KvList *list, KvEnd end)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());

	kv_reply_slice(call, kv_list_peek(list, end));
	kv_list_drop(list, end);
	MemoryContextSwitchTo(old);
}

static void
element_write(void *call, RespSlice value)
{
	kv_reply_slice(call, value);
}

bool
kv_list_pop_room(KvCall *call, const KvList *list, int64 count, KvOutcome *outcome)
{
	uint64 all = kv_list_count(list);

	return kv_elements_room_for(call, kv_removal_size(Min((uint64) count, all), all), outcome);
}

void
kv_list_pop_many(KvCall *call, KvList *list, KvEnd end, int64 count)
{
	count = Min(count, (int64) kv_list_count(list));
	pgfirst_resp_write_array(call->reply, (size_t) count);
	kv_list_drop_many(list, end, (uint64) count, element_write, call);
	kv_list_close(list);
}

static KvOutcome
pop(KvCall *call, KvEnd end)
{
	KvOutcome outcome = KV_DONE;
	int64 count = 1;
	KvList list;

	if (call->argc > 3)
	{
		kv_reply_error(call, "ERR wrong number of arguments for '%s' command", call->command->name);
		return KV_DONE;
	}
	if (call->argc == 3 && !kv_elements_pop_count(call, &count))
		return KV_DONE;
	if (!list_open(call, 1, &list) || !kv_list_pop_room(call, &list, count, &outcome))
		return outcome;
	if (call->argc == 3 && kv_list_count(&list) == 0)
		pgfirst_resp_write_null_array(call->reply);
	else if (call->argc == 3)
		kv_list_pop_many(call, &list, end, count);
	else if (kv_list_count(&list) == 0)
		pgfirst_resp_write_null(call->reply);
	else
	{
		kv_list_pop(call, &list, end);
		kv_list_close(&list);
	}
	return KV_DONE;
}

/* LPOP key [count] */
KvOutcome
kv_cmd_lpop(KvCall *call)
{
	return pop(call, KV_HEAD);
}

/* RPOP key [count] */
KvOutcome
kv_cmd_rpop(KvCall *call)
{
	return pop(call, KV_TAIL);
}

RespSlice
kv_list_pass(KvList *from, KvEnd from_end, RespSlice peeked, KvList *to, KvEnd to_end)
{
	RespSlice value = kv_slice_copy(peeked);

	kv_list_drop(from, from_end);
	kv_list_push(to, to_end, value);
	kv_list_close(from);
	if (to != from)
		kv_list_close(to);
	return value;
}

bool
kv_list_carry(KvCall *call, KvEnd from_end, KvEnd to_end, KvOutcome *outcome)
{
	KvList from, to;
	RespSlice value;
	bool same = slices_equal(kv_argument(call, 1), kv_argument(call, 2));

	*outcome = KV_DONE;
	if (!list_fits(call, 1, &from))
	{
		/* Who has waited already does not mind what the source has become. */
		if (kv_has_waited(call))
			return false;
		kv_reply_wrong_type(call);
		return true;
	}
	if (kv_list_count(&from) == 0)
		return false;
	if (!same && !list_open(call, 2, &to))
		return true;
	value = kv_list_peek(&from, from_end);
	if (!kv_elements_room_for(call, KV_CHANGE_COST(value.length, 2), outcome))
		return true;
	value = kv_list_pass(&from, from_end, value, same ? &from : &to, to_end);
	kv_reply_slice(call, value);
	pfree(unconstify(char *, value.data));
	return true;
}

static KvOutcome
move_element(KvCall *call, KvEnd from, KvEnd to)
{
	KvOutcome outcome;

	if (!kv_list_carry(call, from, to, &outcome))
		pgfirst_resp_write_null(call->reply);
	return outcome;
}

/* LMOVE source destination LEFT | RIGHT LEFT | RIGHT */
KvOutcome
kv_cmd_lmove(KvCall *call)
{
	KvEnd from, to;

	if (!kv_argument_end(call, 3, &from) || !kv_argument_end(call, 4, &to))
		return KV_DONE;
	return move_element(call, from, to);
}

/* RPOPLPUSH source destination */
KvOutcome
kv_cmd_rpoplpush(KvCall *call)
{
	return move_element(call, KV_TAIL, KV_HEAD);
}

bool
kv_lmpop_options(KvCall *call, int at, int *keys, KvEnd *end, int64 *count)
{
	RespSlice number = kv_argument(call, at);
	int64 named;

	*count = 1;
	if (!pgfirst_int64_parse(number.data, number.length, &named) || named < 1)
	{
		kv_reply_error(call, "ERR numkeys should be greater than 0");
		return false;
	}
	if (named > call->argc - at - 2)
	{
		kv_reply_syntax(call);
		return false;
	}
	*keys = (int) named;
	if (!kv_argument_end(call, at + 1 + *keys, end))
		return false;
	if (call->argc == at + 2 + *keys)
		return true;
	if (call->argc >= at + 4 + *keys && kv_argument_is(call, at + 2 + *keys, "COUNT"))
	{
		number = kv_argument(call, at + 3 + *keys);
		if (!pgfirst_int64_parse(number.data, number.length, count) || *count < 1)
		{
			kv_reply_error(call, "ERR count should be greater than 0");
			return false;
		}
		if (call->argc == at + 4 + *keys)
			return true;
	}
	kv_reply_syntax(call);
	return false;
}

/* LMPOP numkeys key [key ...] LEFT | RIGHT [COUNT count] */
KvOutcome
kv_cmd_lmpop(KvCall *call)
{
	KvOutcome outcome;
	KvList list;
	KvEnd end;
	int64 count;
	int keys;

	if (!kv_lmpop_options(call, 1, &keys, &end, &count))
		return KV_DONE;
	for (int i = 2; i < 2 + keys; i++)
	{
		if (!list_open(call, i, &list))
			return KV_DONE;
		if (kv_list_count(&list) == 0)
			continue;
		if (!kv_list_pop_room(call, &list, count, &outcome))
			return outcome;
		pgfirst_resp_write_array(call->reply, 2);
		kv_reply_slice(call, kv_argument(call, i));
		kv_list_pop_many(call, &list, end, count);
		return KV_DONE;
	}
	pgfirst_resp_write_null_array(call->reply);
	return KV_DONE;
}

/* ---- changing what is in between ------------------------------------------------------------- */

bool
kv_list_index(const KvList *list, int64 *index)
{
	if (*index < 0)
		*index += (int64) kv_list_count(list);
	return *index >= 0 && *index < (int64) kv_list_count(list);
}

void
kv_list_set(KvList *list, int64 index, RespSlice element)
{
	kv_list_replace(list, kv_list_position(list, (uint64) index), element);
}

/* LSET key index element */
KvOutcome
kv_cmd_lset(KvCall *call)
{
	KvOutcome outcome;
	KvListPosition position;
	KvList list;
	int64 index;

	if (!list_open(call, 1, &list))
		return KV_DONE;
	if (kv_list_count(&list) == 0)
	{
		kv_reply_error(call, "ERR no such key");
		return KV_DONE;
	}
	if (!kv_argument_integer(call, 2, &index))
		return KV_DONE;
	if (!kv_list_index(&list, &index))
	{
		kv_reply_error(call, "ERR index out of range");
		return KV_DONE;
	}
	position = kv_list_position(&list, (uint64) index);
	if (!kv_elements_room_for(call, kv_list_replace_size(&list, position, kv_argument(call, 3)),
	                          &outcome))
		return outcome;
	kv_list_replace(&list, position, kv_argument(call, 3));
	kv_list_close(&list);
	kv_reply_ok(call);
	return KV_DONE;
}

/* The position of the first element that is equal to this one; false if there is none. */
static bool
find_first(KvList *list, RespSlice element, KvListPosition *position)
{
	bool found = false;
	KvListWalk walk;
	RespSlice value;

	kv_list_walk(list, 0, &walk);
	while (!found && kv_list_next(&walk, &value))
		found = slices_equal(value, element);
	*position = walk.position;
	kv_list_walk_end(&walk);
	return found;
}

bool
kv_list_insert_at(KvList *list, bool before, RespSlice pivot, RespSlice element)
{
	KvListPosition position;

	if (!find_first(list, pivot, &position))
		return false;
	kv_list_insert(list, position, before, element);
	return true;
}

/* LINSERT key BEFORE | AFTER pivot element */
KvOutcome
kv_cmd_linsert(KvCall *call)
{
	KvOutcome outcome = KV_DONE;
	bool before = kv_argument_is(call, 2, "BEFORE");
	KvListPosition position;
	KvList list;
	bool found;

	if (!before && !kv_argument_is(call, 2, "AFTER"))
	{
		kv_reply_syntax(call);
		return KV_DONE;
	}
	if (!list_open(call, 1, &list))
		return KV_DONE;
	if (kv_list_count(&list) == 0)
	{
		pgfirst_resp_write_integer(call->reply, 0);
		return KV_DONE;
	}
	found = find_first(&list, kv_argument(call, 3), &position);
	if (found &&
	    !kv_elements_room_for(
	        call, kv_list_insert_size(&list, position, before, kv_argument(call, 4)), &outcome))
		return outcome;
	if (found)
		kv_list_insert(&list, position, before, kv_argument(call, 4));
	kv_list_close(&list);
	pgfirst_resp_write_integer(call->reply, found ? (int64) kv_list_count(&list) : -1);
	return KV_DONE;
}

static void
positions_add(KvListFound *positions, KvListPosition position)
{
	if (positions->count == positions->room)
	{
		positions->room = Max(positions->room * 2, 64);
		positions->at = positions->at
		                    ? repalloc_huge(positions->at, positions->room * sizeof(*positions->at))
		                    : MemoryContextAllocHuge(CurrentMemoryContext,
		                                             positions->room * sizeof(*positions->at));
	}
	positions->at[positions->count++] = position;
}

KvListFound
kv_list_find_equal(KvList *list, int64 count, RespSlice element)
{
	Size most = count == 0 ? SIZE_MAX : count > 0 ? (Size) count : (Size) - (count + 1) + 1;
	KvListFound found = {0};
	KvListWalk walk;
	RespSlice value;

	kv_list_walk(list, 0, &walk);
	while ((count < 0 || found.count < most) && kv_list_next(&walk, &value))
		if (slices_equal(value, element))
			positions_add(&found, walk.position);
	kv_list_walk_end(&walk);
	if (found.count > most)
	{
		memmove(found.at, found.at + (found.count - most), most * sizeof(*found.at));
		found.count = most;
	}
	return found;
}

void
kv_list_remove_found(KvList *list, KvListFound *found)
{
	kv_list_remove_all(list, found->at, found->count);
	if (found->at)
		pfree(found->at);
	kv_list_close(list);
}

/* LREM key count element: the last ones, if the count is negative, and all if it is 0. */
KvOutcome
kv_cmd_lrem(KvCall *call)
{
	KvListFound found;
	KvOutcome outcome;
	KvList list;
	int64 count;

	if (!kv_argument_integer(call, 2, &count) || !list_open(call, 1, &list))
		return KV_DONE;
	found = kv_list_find_equal(&list, count, kv_argument(call, 3));
	if (!kv_elements_room_for(call, kv_list_remove_size(found.at, found.count), &outcome))
		return outcome;
	kv_list_remove_found(&list, &found);
	pgfirst_resp_write_integer(call->reply, (int64) found.count);
	return KV_DONE;
}

/* Whether those that stay are pushed to a new list, instead of taking the others away. */
static bool
trim_copies(const KvList *list, int64 kept)
{
	int64 count = (int64) kv_list_count(list);

	return count - kept > KV_DELETE_FEW && kept < count - kept;
}

void
kv_list_trim(KvList *list, int64 start, int64 kept, KvAttempt *attempt)
{
	int64 count = (int64) kv_list_count(list);
	KvListWalk walk;
	RespSlice value;
	KvList rest;

	if (!trim_copies(list, kept))
	{
		kv_list_drop_many(list, KV_TAIL, (uint64) (kept == 0 ? count : count - start - kept), NULL,
		                  NULL);
		kv_list_drop_many(list, KV_HEAD, (uint64) (kept == 0 ? 0 : start), NULL, NULL);
		kv_list_close(list);
		return;
	}
	kv_list_new(list->space, list->key, &rest);
	rest.expiry = list->expiry;
	kv_list_walk(list, (uint64) start, &walk);
	for (; kept > 0 && kv_list_next(&walk, &value) &&
	       kv_attempt_room(attempt, KV_CHANGE_COST(value.length, 1));
	     kept--)
		kv_list_push(&rest, KV_TAIL, value);
	kv_list_walk_end(&walk);
	if (kv_attempt_room(attempt, 0))
		kv_list_close(&rest);
}

/* LTRIM key start stop */
KvOutcome
kv_cmd_ltrim(KvCall *call)
{
	KvOutcome outcome = KV_DONE;
	int64 start, stop, count, kept;
	KvList list;

	if (!kv_argument_integer(call, 2, &start) || !kv_argument_integer(call, 3, &stop) ||
	    !list_open(call, 1, &list))
		return KV_DONE;
	count = (int64) kv_list_count(&list);
	kept = kv_elements_range(count, &start, &stop) ? stop - start + 1 : 0;
	if (trim_copies(&list, kept))
	{
		KvAttempt attempt = kv_attempt_begin(call, KV_ATTEMPT_ANY, 0);

		kv_list_trim(&list, start, kept, &attempt);
		if (!kv_attempt_end(call, &attempt, &outcome))
			return outcome;
	}
	else if (kv_elements_room_for(call, KV_REMOVAL_COST((Size) (count - kept)), &outcome))
		kv_list_trim(&list, start, kept, NULL);
	else
		return outcome;
	kv_reply_ok(call);
	return KV_DONE;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* LLEN key */
KvOutcome
kv_cmd_llen(KvCall *call)
{
	KvList list;

	if (!list_open(call, 1, &list))
		return KV_DONE;
	kv_count_lookup(call, kv_list_count(&list) > 0);
	pgfirst_resp_write_integer(call->reply, (int64) kv_list_count(&list));
	return KV_DONE;
}

static bool
range_pauses(KvCall *call, const KvListWalk *walk, KvReadingAt *at)
{
	at->place = walk->position.node;
	at->skip = walk->position.index;
	return kv_reading_pause(call, at);
}

/* What is in front of the first element; false if it pauses meanwhile. */
static bool
pass_over(KvCall *call, KvListWalk *walk, KvReadingAt *at)
{
	while (kv_list_walk_pass(walk))
		if (range_pauses(call, walk, at))
			return false;
	return true;
}

static void
read_lrange(KvCall *call)
{
	int64 start, stop;
	KvListWalk walk;
	KvReadingAt at;
	RespSlice value;
	KvList list;

	if (!kv_argument_integer(call, 2, &start) || !kv_argument_integer(call, 3, &stop) ||
	    !list_open(call, 1, &list))
		return;
	kv_count_lookup(call, kv_list_count(&list) > 0);
	if (!kv_elements_range((int64) kv_list_count(&list), &start, &stop))
	{
		pgfirst_resp_write_array(call->reply, 0);
		return;
	}
	if (kv_reading_resume(call, list.at.root.incarnation, list.at.root.revision, &at))
		kv_list_walk_at(&list, (KvListPosition){at.place, at.skip}, &walk);
	else
	{
		pgfirst_resp_write_array(call->reply, (size_t) (stop - start + 1));
		kv_list_walk(&list, (uint64) start, &walk);
		at = (KvReadingAt){.left = (uint64) (stop - start + 1)};
	}
	if (pass_over(call, &walk, &at))
		while (at.left > 0 && kv_list_next(&walk, &value) && !call->reply->failed)
		{
			if (range_pauses(call, &walk, &at))
				break;
			kv_reply_slice(call, value);
			at.left--;
		}
	kv_list_walk_end(&walk);
}

/* LRANGE key start stop */
KvOutcome
kv_cmd_lrange(KvCall *call)
{
	return kv_reply_together(call, read_lrange);
}

bool
kv_list_at(KvList *list, int64 index, RespSlice *value)
{
	KvListWalk walk;
	bool there;

	if (index == 0 || index == (int64) kv_list_count(list) - 1)
	{
		*value = kv_list_peek(list, index == 0 ? KV_HEAD : KV_TAIL);
		return true;
	}
	kv_list_walk(list, (uint64) index, &walk);
	there = kv_list_next(&walk, value);
	if (there && list->layout == KV_LAYOUT_PAGED)
		*value = kv_slice_copy(*value);
	kv_list_walk_end(&walk);
	return there;
}

static void
read_lindex(KvCall *call)
{
	MemoryContext old;
	RespSlice value;
	KvList list;
	int64 index;
	bool there;

	if (!list_open(call, 1, &list))
		return;
	kv_count_lookup(call, kv_list_count(&list) > 0);
	if (kv_list_count(&list) == 0)
	{
		pgfirst_resp_write_null(call->reply);
		return;
	}
	if (!kv_argument_integer(call, 2, &index))
		return;
	if (!kv_list_index(&list, &index))
	{
		pgfirst_resp_write_null(call->reply);
		return;
	}
	old = MemoryContextSwitchTo(kv_scratch());
	there = kv_list_at(&list, index, &value);
	MemoryContextSwitchTo(old);
	if (there)
		kv_reply_slice(call, value);
	else
		pgfirst_resp_write_null(call->reply); /* gone meanwhile, so it is read again */
}

/* LINDEX key index */
KvOutcome
kv_cmd_lindex(KvCall *call)
{
	return kv_reply_together(call, read_lindex);
}

typedef struct Search
{
	int64 rank;    /* of the first match that counts; negative: from the end */
	int64 count;   /* of matches; 0: all; -1: one, told as a number */
	int64 longest; /* elements that are compared; 0: all */
} Search;

/* Answers and returns false if the number at argument i is none, or is negative. */
static bool
search_number(KvCall *call, int i, const char *name, int64 *number)
{
	RespSlice argument = kv_argument(call, i);

	if (pgfirst_int64_parse(argument.data, argument.length, number) && *number >= 0)
		return true;
	kv_reply_error(call, "ERR %s can't be negative", name);
	return false;
}

static bool
search_options(KvCall *call, Search *search)
{
	*search = (Search){.rank = 1, .count = -1};
	for (int i = 3; i < call->argc; i += 2)
	{
		bool good;

		if (i + 1 == call->argc)
			good = false;
		else if (kv_argument_is(call, i, "RANK"))
		{
			if (!kv_argument_integer(call, i + 1, &search->rank))
				return false;
			good = true;
			if (search->rank == 0 || search->rank == PG_INT64_MIN)
			{
				kv_reply_error(call, search->rank == 0
				                         ? "ERR RANK can't be zero: use 1 to start from the first "
				                           "match, 2 from the second ... or use negative to start "
				                           "from the end of the list"
				                         : "ERR value is out of range, value must between "
				                           "-9223372036854775807 and 9223372036854775807");
				return false;
			}
		}
		else if (kv_argument_is(call, i, "COUNT"))
		{
			if (!search_number(call, i + 1, "COUNT", &search->count))
				return false;
			good = true;
		}
		else if (kv_argument_is(call, i, "MAXLEN"))
		{
			if (!search_number(call, i + 1, "MAXLEN", &search->longest))
				return false;
			good = true;
		}
		else
			good = false;
		if (!good)
		{
			kv_reply_syntax(call);
			return false;
		}
	}
	return true;
}

/* The indexes of what matches, in the order of the search. */
static void
search_list(KvCall *call, KvList *list, const Search *search, KvListFound *found)
{
	uint64 count = kv_list_count(list);
	uint64 compared = search->longest == 0 ? count : Min((uint64) search->longest, count);
	uint64 first = search->rank < 0 ? count - compared : 0;
	Size wanted = search->count == 0 ? SIZE_MAX : (Size) Max(search->count, 1);
	Size passed = (Size) (search->rank < 0 ? -search->rank : search->rank) - 1;
	KvListWalk walk;
	RespSlice value;

	kv_list_walk(list, first, &walk);
	for (uint64 i = first; i < first + compared && kv_list_next(&walk, &value); i++)
	{
		if (!slices_equal(value, kv_argument(call, 2)))
			continue;
		if (search->rank > 0 && passed > 0)
			passed--;
		else
			positions_add(found, (KvListPosition){.index = i});
		if (search->rank > 0 && found->count == wanted)
			break;
	}
	kv_list_walk_end(&walk);
	if (search->rank > 0)
		return;
	/* From the end: turned around, without the first ones. */
	for (Size i = 0; i < found->count / 2; i++)
	{
		KvListPosition other = found->at[found->count - 1 - i];

		found->at[found->count - 1 - i] = found->at[i];
		found->at[i] = other;
	}
	passed = Min(passed, found->count);
	found->count = Min(found->count - passed, wanted);
	if (passed > 0)
		memmove(found->at, found->at + passed, found->count * sizeof(*found->at));
}

static void
read_lpos(KvCall *call)
{
	KvListFound found = {0};
	Search search;
	KvList list;

	if (!search_options(call, &search) || !list_open(call, 1, &list))
		return;
	kv_count_lookup(call, kv_list_count(&list) > 0);
	if (kv_list_count(&list) > 0)
		search_list(call, &list, &search, &found);
	if (search.count >= 0)
		pgfirst_resp_write_array(call->reply, found.count);
	else if (found.count == 0)
		pgfirst_resp_write_null(call->reply);
	for (Size i = 0; i < found.count; i++)
		pgfirst_resp_write_integer(call->reply, (int64) found.at[i].index);
	if (found.at)
		pfree(found.at);
}

/* LPOS key element [RANK rank] [COUNT count] [MAXLEN longest] */
KvOutcome
kv_cmd_lpos(KvCall *call)
{
	return kv_reply_together(call, read_lpos);
}
