/* SPDX-License-Identifier: PostgreSQL
 *
 * sql_list.c: the commands on lists as functions of SQL: kv.rpush, kv.lpop and the like; see sql_elements.h.
 *
 * kv.lpop returns one element and not rows, of which PostgreSQL evaluates what stands beside them in a SELECT once more
 * than there are: kv.incr for one.  Several are kv.lmpop's, which is made for FROM.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/list.h"
#include "kv/sql_elements.h"

PGFIRST_FUNCTION(pgfirst_kv_lindex);
PGFIRST_FUNCTION(pgfirst_kv_linsert);
PGFIRST_FUNCTION(pgfirst_kv_list_of);
PGFIRST_FUNCTION(pgfirst_kv_llen);
PGFIRST_FUNCTION(pgfirst_kv_lmove);
PGFIRST_FUNCTION(pgfirst_kv_lmpop);
PGFIRST_FUNCTION(pgfirst_kv_lpop);
PGFIRST_FUNCTION(pgfirst_kv_lpush);
PGFIRST_FUNCTION(pgfirst_kv_lpushx);
PGFIRST_FUNCTION(pgfirst_kv_lrange);
PGFIRST_FUNCTION(pgfirst_kv_lrem);
PGFIRST_FUNCTION(pgfirst_kv_lset);
PGFIRST_FUNCTION(pgfirst_kv_ltrim);
PGFIRST_FUNCTION(pgfirst_kv_rpop);
PGFIRST_FUNCTION(pgfirst_kv_rpush);
PGFIRST_FUNCTION(pgfirst_kv_rpushx);

/* Opens the list that argument 0 is for a change. */
static KvList *
list_open(FunctionCallInfo fcinfo, int db, PgfirstKvAccess access, KvElements *elements)
{
	kv_sql_open_locked(fcinfo, db, access, KV_TYPE_LIST, elements);
	return &elements->of.list;
}

/* Which of two words argument n is, in any case. */
static bool
argument_is_second(FunctionCallInfo fcinfo, int n, const char *first, const char *second)
{
	char *word = text_to_cstring(PG_GETARG_TEXT_PP(n));
	bool is_second = pg_strcasecmp(word, second) == 0;

	if (!is_second && pg_strcasecmp(word, first) != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("\"%s\" is neither %s nor %s", word, first, second)));
	return is_second;
}

/* ---- ends -------------------------------------------------------------------------------- */

/* (key, element or elements, db): how many there are then. */
static Datum
push(FunctionCallInfo fcinfo, KvEnd end, bool only_if_there)
{
	KvSlices values = kv_sql_slices(fcinfo, 1, false);
	KvElements elements;
	KvList *list = list_open(fcinfo, 2, PGFIRST_KV_GROW, &elements);

	if (!only_if_there || kv_list_count(list) > 0)
		for (int i = 0; i < values.count; i++)
			kv_list_push(list, end, values.at[i]);
	kv_list_close(list);
	PG_RETURN_INT64((int64) kv_list_count(list));
}

/* kv.lpush(key, element, db) -> bigint; kv.lpush(key, elements, db) -> bigint */
Datum
pgfirst_kv_lpush(PG_FUNCTION_ARGS)
{
	return push(fcinfo, KV_HEAD, false);
}

/* kv.rpush(key, element, db) -> bigint; kv.rpush(key, elements, db) -> bigint */
Datum
pgfirst_kv_rpush(PG_FUNCTION_ARGS)
{
	return push(fcinfo, KV_TAIL, false);
}

/* kv.lpushx(key, element, db) -> bigint; kv.lpushx(key, elements, db) -> bigint */
Datum
pgfirst_kv_lpushx(PG_FUNCTION_ARGS)
{
	return push(fcinfo, KV_HEAD, true);
}

/* kv.rpushx(key, element, db) -> bigint; kv.rpushx(key, elements, db) -> bigint */
Datum
pgfirst_kv_rpushx(PG_FUNCTION_ARGS)
{
	return push(fcinfo, KV_TAIL, true);
}

/* Takes the element at an end away; the copy lives in the current context. */
static Datum
take(KvList *list, KvEnd end)
{
	Datum taken = pgfirst_kv_bytea(kv_list_peek(list, end));

	kv_list_drop(list, end);
	return taken;
}

/* (key, db) */
static Datum
pop(FunctionCallInfo fcinfo, KvEnd end)
{
	KvElements elements;
	KvList *list = list_open(fcinfo, 1, PGFIRST_KV_WRITE, &elements);
	Datum taken;

	if (kv_list_count(list) == 0)
		PG_RETURN_NULL();
	taken = take(list, end);
	kv_list_close(list);
	PG_RETURN_DATUM(taken);
}

/* kv.lpop(key, db) -> bytea; NULL if there is no list. */
Datum
pgfirst_kv_lpop(PG_FUNCTION_ARGS)
{
	return pop(fcinfo, KV_HEAD);
}

/* kv.rpop(key, db) -> bytea; NULL if there is no list. */
Datum
pgfirst_kv_rpop(PG_FUNCTION_ARGS)
{
	return pop(fcinfo, KV_TAIL);
}

/* The first of the lists that there is; false if there is none. */
static bool
open_first(PgfirstKv *kv, KvSlices keys, RespSlice *key, KvElements *elements)
{
	for (int i = 0; i < keys.count; i++)
	{
		*key = keys.at[i];
		kv_sql_open(kv, *key, KV_TYPE_LIST, elements);
		if (kv_list_count(&elements->of.list) > 0)
			return true;
	}
	return false;
}

/* kv.lmpop(keys, wherefrom, db, count): (key, element) of each */
Datum
pgfirst_kv_lmpop(PG_FUNCTION_ARGS)
{
	KvSlices keys = kv_sql_slices(fcinfo, 0, false);
	KvEnd end = argument_is_second(fcinfo, 1, "LEFT", "RIGHT") ? KV_TAIL : KV_HEAD;
	int64 count = kv_sql_count(fcinfo, 3);
	KvElements elements;
	RespSlice key;
	KvSqlRows rows;
	PgfirstKv *kv;
	bool found;

	kv_sql_rows_begin(fcinfo, &rows);
	kv = pgfirst_kv_open_many(PG_GETARG_INT32(2), PGFIRST_KV_WRITE, (Size) keys.count);
	pgfirst_kv_lock(kv, keys.at, keys.count, true);
	found = open_first(kv, keys, &key, &elements);
	pgfirst_kv_shown();
	if (!found)
		return (Datum) 0;
	for (; count > 0 && kv_list_count(&elements.of.list) > 0; count--)
	{
		MemoryContext old = MemoryContextSwitchTo(kv_scratch());

		kv_sql_put_bytes(&rows, key);
		kv_sql_put_bytes(&rows, kv_list_peek(&elements.of.list, end));
		kv_sql_row_end(&rows);
		kv_list_drop(&elements.of.list, end);
		MemoryContextSwitchTo(old);
	}
	kv_list_close(&elements.of.list);
	return (Datum) 0;
}

/* kv.lmove(source, destination, wherefrom, whereto, db) -> bytea; NULL if there is no element. */
Datum
pgfirst_kv_lmove(PG_FUNCTION_ARGS)
{
	RespSlice source = kv_sql_key(fcinfo, 0);
	RespSlice destination = kv_sql_key(fcinfo, 1);
	KvEnd from_end = argument_is_second(fcinfo, 2, "LEFT", "RIGHT") ? KV_TAIL : KV_HEAD;
	KvEnd to_end = argument_is_second(fcinfo, 3, "LEFT", "RIGHT") ? KV_TAIL : KV_HEAD;
	KvElements from, to;
	KvList *target = &from.of.list;
	PgfirstKv *kv;

	kv = kv_sql_change_two(PG_GETARG_INT32(4), PGFIRST_KV_GROW, source, destination);
	kv_sql_open(kv, source, KV_TYPE_LIST, &from);
	pgfirst_kv_shown();
	if (kv_list_count(&from.of.list) == 0)
		PG_RETURN_NULL();
	if (!kv_sql_same(source, destination))
	{
		kv_sql_open(kv, destination, KV_TYPE_LIST, &to);
		target = &to.of.list;
	}
	PG_RETURN_DATUM(pgfirst_kv_bytea(kv_list_pass(
	    &from.of.list, from_end, kv_list_peek(&from.of.list, from_end), target, to_end)));
}

/* ---- in between -------------------------------------------------------------------------- */

static void
refuse_index(void)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("index out of range"),
	                errhint("The first element is 0, the last one -1.")));
}

/* kv.lset(key, index, element, db) */
Datum
pgfirst_kv_lset(PG_FUNCTION_ARGS)
{
	int64 index = PG_GETARG_INT64(1);
	RespSlice element = kv_sql_value(fcinfo, 2);
	KvElements elements;
	KvList *list = list_open(fcinfo, 3, PGFIRST_KV_GROW, &elements);

	if (kv_list_count(list) == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("no such key")));
	if (!kv_list_index(list, &index))
		refuse_index();
	kv_list_set(list, index, element);
	kv_list_close(list);
	PG_RETURN_VOID();
}

/* kv.linsert(key, place, pivot, element, db) -> bigint: how many there are then; -1 without pivot, 0 without list. */
Datum
pgfirst_kv_linsert(PG_FUNCTION_ARGS)
{
	bool before = !argument_is_second(fcinfo, 1, "BEFORE", "AFTER");
	RespSlice pivot = kv_sql_value(fcinfo, 2);
	RespSlice element = kv_sql_value(fcinfo, 3);
	KvElements elements;
	KvList *list = list_open(fcinfo, 4, PGFIRST_KV_GROW, &elements);

	if (kv_list_count(list) == 0)
		PG_RETURN_INT64(0);
	if (!kv_list_insert_at(list, before, pivot, element))
		PG_RETURN_INT64(-1);
	kv_list_close(list);
	PG_RETURN_INT64((int64) kv_list_count(list));
}

/* kv.lrem(key, count, element, db) -> bigint: how many were there; the last ones, if the count is negative. */
Datum
pgfirst_kv_lrem(PG_FUNCTION_ARGS)
{
	RespSlice element = kv_sql_value(fcinfo, 2);
	KvElements elements;
	KvList *list = list_open(fcinfo, 3, PGFIRST_KV_WRITE, &elements);
	KvListFound found = kv_list_find_equal(list, PG_GETARG_INT64(1), element);

	kv_list_remove_found(list, &found);
	PG_RETURN_INT64((int64) found.count);
}

/* kv.ltrim(key, start, stop, db) */
Datum
pgfirst_kv_ltrim(PG_FUNCTION_ARGS)
{
	int64 start = PG_GETARG_INT64(1);
	int64 stop = PG_GETARG_INT64(2);
	KvElements elements;
	KvList *list = list_open(fcinfo, 3, PGFIRST_KV_WRITE, &elements);
	bool any = kv_elements_range((int64) kv_list_count(list), &start, &stop);

	kv_list_trim(list, start, any ? stop - start + 1 : 0, NULL);
	PG_RETURN_VOID();
}

/* ---- reading ----------------------------------------------------------------------------- */

static void
read_nothing(KvSqlRead *call)
{
}

/* kv.llen(key, db) -> bigint */
Datum
pgfirst_kv_llen(PG_FUNCTION_ARGS)
{
	KvSqlRead call = {.fcinfo = fcinfo, .type = KV_TYPE_LIST, .read = read_nothing};

	kv_sql_read(&call, 1);
	PG_RETURN_INT64((int64) kv_list_count(&call.elements.of.list));
}

typedef struct ReadIndex
{
	KvSqlRead call;
	int64 index;
	bool found;
	RespSlice value;
} ReadIndex;

static void
read_index(KvSqlRead *call)
{
	ReadIndex *read = (ReadIndex *) call;
	int64 index = read->index;

	read->found = kv_list_index(&call->elements.of.list, &index) &&
	              kv_list_at(&call->elements.of.list, index, &read->value);
}

/* kv.lindex(key, index, db) -> bytea; NULL if there is no such element. */
Datum
pgfirst_kv_lindex(PG_FUNCTION_ARGS)
{
	ReadIndex read = {.call = {.fcinfo = fcinfo, .type = KV_TYPE_LIST, .read = read_index},
	                  .index = PG_GETARG_INT64(1)};

	kv_sql_read(&read.call, 2);
	if (!read.found)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(pgfirst_kv_bytea(read.value));
}

static void
read_range(KvSqlRead *call)
{
	FunctionCallInfo fcinfo = call->fcinfo;
	KvList *list = &call->elements.of.list;
	int64 start = call->lenient ? 0 : PG_GETARG_INT64(1);
	int64 stop = call->lenient ? -1 : PG_GETARG_INT64(2);
	KvListWalk walk;
	RespSlice value;

	if (!kv_elements_range((int64) kv_list_count(list), &start, &stop))
		return;
	kv_list_walk(list, (uint64) start, &walk);
	for (int64 i = start; i <= stop && kv_list_next(&walk, &value); i++)
	{
		if (call->lenient)
		{
			kv_sql_put_number(&call->rows, i);
			kv_sql_put_both(&call->rows, value);
		}
		else
			kv_sql_put_bytes(&call->rows, value);
		kv_sql_row_end(&call->rows);
	}
	kv_list_walk_end(&walk);
}

/* kv.lrange(key, start, stop, db): setof bytea */
Datum
pgfirst_kv_lrange(PG_FUNCTION_ARGS)
{
	return kv_sql_read_rows(fcinfo, 3, KV_TYPE_LIST, read_range);
}

/* Behind the view kv.list_items: (position, value, value_bytes) of one key. */
Datum
pgfirst_kv_list_of(PG_FUNCTION_ARGS)
{
	return kv_sql_read_view(fcinfo, KV_TYPE_LIST, read_range);
}
