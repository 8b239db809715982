/* SPDX-License-Identifier: PostgreSQL
 *
 * sql_zset.c: the commands on sorted sets as functions of SQL: kv.zadd, kv.zrange and the like; see sql_elements.h.
 *
 * A member comes before its score or its increment, as a field does before its value, and unlike in ZADD.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"

#include "base/compat.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/zset.h"
#include "kv/sql_elements.h"

PGFIRST_FUNCTION(pgfirst_kv_zadd);
PGFIRST_FUNCTION(pgfirst_kv_zadd_many);
PGFIRST_FUNCTION(pgfirst_kv_zcard);
PGFIRST_FUNCTION(pgfirst_kv_zcount);
PGFIRST_FUNCTION(pgfirst_kv_zincrby);
PGFIRST_FUNCTION(pgfirst_kv_zmscore);
PGFIRST_FUNCTION(pgfirst_kv_zpopmax);
PGFIRST_FUNCTION(pgfirst_kv_zpopmin);
PGFIRST_FUNCTION(pgfirst_kv_zrange);
PGFIRST_FUNCTION(pgfirst_kv_zrangebyscore);
PGFIRST_FUNCTION(pgfirst_kv_zrank);
PGFIRST_FUNCTION(pgfirst_kv_zrem);
PGFIRST_FUNCTION(pgfirst_kv_zrem_many);
PGFIRST_FUNCTION(pgfirst_kv_zremrangebyrank);
PGFIRST_FUNCTION(pgfirst_kv_zremrangebyscore);
PGFIRST_FUNCTION(pgfirst_kv_zrevrank);
PGFIRST_FUNCTION(pgfirst_kv_zscore);
PGFIRST_FUNCTION(pgfirst_kv_zset_of);

/* Opens the sorted set that argument 0 is for a change. */
static KvZset *
zset_open(FunctionCallInfo fcinfo, int db, PgfirstKvAccess access, KvElements *elements)
{
	kv_sql_open_locked(fcinfo, db, access, KV_TYPE_ZSET, elements);
	return &elements->of.zset;
}

/* ---- adding ------------------------------------------------------------------------------ */

/* Adds a member, or raises where its score would be no number. */
static KvAdded
add_member(const KvZaddHow *how, KvZset *zset, RespSlice member, double *score)
{
	KvAdded added = kv_zset_add(how, zset, member, score);

	if (added == KV_ADDED_NAN)
		ereport(ERROR,
		        (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("the score would be NaN")));
	return added;
}

/* The scores of argument 2: one, or those of an array. */
static double *
argument_scores(FunctionCallInfo fcinfo, bool array, int *count)
{
	double *scores;
	Datum *elements;
	bool *nulls;

	if (!array)
	{
		scores = palloc(sizeof(double));
		*scores = PG_GETARG_FLOAT8(2);
		*count = 1;
		return scores;
	}
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
	                  TYPALIGN_DOUBLE, &elements, &nulls, count);
	scores = MemoryContextAllocHuge(CurrentMemoryContext, (Size) Max(*count, 1) * sizeof(double));
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			                errmsg("the elements of an array must not be null")));
		scores[i] = DatumGetFloat8(elements[i]);
	}
	return scores;
}

static KvZaddHow
argument_how(FunctionCallInfo fcinfo, int n)
{
	KvZaddHow how = {.nx = PG_GETARG_BOOL(n),
	                 .xx = PG_GETARG_BOOL(n + 1),
	                 .gt = PG_GETARG_BOOL(n + 2),
	                 .lt = PG_GETARG_BOOL(n + 3)};

	if (how.nx && (how.xx || how.gt || how.lt))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("nx and xx, gt or lt exclude each other")));
	if (how.gt && how.lt)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("gt and lt exclude each other")));
	return how;
}

/* (key, member or members, score or scores, db, nx, xx, gt, lt, ch): how many are new, or with ch, new or changed. */
static int64
add_members(FunctionCallInfo fcinfo, bool array)
{
	KvSlices members = kv_sql_slices(fcinfo, 1, false);
	KvZaddHow how = argument_how(fcinfo, 4);
	bool changed = PG_GETARG_BOOL(8);
	KvElements elements;
	KvZset *zset;
	int count;
	double *scores = argument_scores(fcinfo, array, &count);
	int64 told = 0;

	if (members.count != count)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("there are %d members and %d scores", members.count, count)));
	zset = zset_open(fcinfo, 3, PGFIRST_KV_GROW, &elements);
	for (int i = 0; i < count; i++)
	{
		KvAdded added = add_member(&how, zset, members.at[i], &scores[i]);

		told += added == KV_ADDED_NEW || (changed && added == KV_ADDED_CHANGED);
	}
	kv_zset_close(zset);
	return told;
}

/* kv.zadd(key, member, score, db, nx, xx, gt, lt, ch) -> boolean */
Datum
pgfirst_kv_zadd(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(add_members(fcinfo, false) > 0);
}

/* kv.zadd(key, members, scores, db, nx, xx, gt, lt, ch) -> bigint */
Datum
pgfirst_kv_zadd_many(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(add_members(fcinfo, true));
}

/* kv.zincrby(key, member, increment, db) -> double precision: the score that it has then. */
Datum
pgfirst_kv_zincrby(PG_FUNCTION_ARGS)
{
	RespSlice member = kv_sql_value(fcinfo, 1);
	double score = PG_GETARG_FLOAT8(2);
	KvZaddHow how = {.increment = true};
	KvElements elements;
	KvZset *zset = zset_open(fcinfo, 3, PGFIRST_KV_GROW, &elements);

	(void) add_member(&how, zset, member, &score);
	kv_zset_close(zset);
	PG_RETURN_FLOAT8(score);
}

/* ---- taking away ------------------------------------------------------------------------- */

/* (key, member or members, db): how many were there. */
static int64
remove_members(FunctionCallInfo fcinfo)
{
	KvSlices members = kv_sql_slices(fcinfo, 1, false);
	KvElements elements;
	KvZset *zset = zset_open(fcinfo, 2, PGFIRST_KV_WRITE, &elements);
	int64 removed = 0;

	for (int i = 0; i < members.count && kv_zset_count(zset) > 0; i++)
		removed += kv_zset_remove(zset, members.at[i]);
	kv_zset_close(zset);
	return removed;
}

/* kv.zrem(key, member, db) -> boolean */
Datum
pgfirst_kv_zrem(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(remove_members(fcinfo) > 0);
}

/* kv.zrem(key, members, db) -> bigint */
Datum
pgfirst_kv_zrem_many(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(remove_members(fcinfo));
}

static void
put_scored(KvSqlRows *rows, RespSlice member, double score)
{
	kv_sql_put_bytes(rows, member);
	kv_sql_put_float(rows, score);
	kv_sql_row_end(rows);
}

/* (key, db, count): a row for each that is taken away. */
static Datum
pop(FunctionCallInfo fcinfo, bool highest)
{
	int64 count = kv_sql_count(fcinfo, 2);
	KvElements elements;
	KvZset *zset = zset_open(fcinfo, 1, PGFIRST_KV_WRITE, &elements);
	KvSqlRows rows;

	kv_sql_rows_begin(fcinfo, &rows);
	for (; count > 0 && kv_zset_count(zset) > 0; count--)
	{
		double score;
		RespSlice member = kv_zset_take(zset, highest ? kv_zset_count(zset) - 1 : 0, &score);

		put_scored(&rows, member, score);
		pfree(unconstify(char *, member.data));
	}
	kv_zset_close(zset);
	return (Datum) 0;
}

/* kv.zpopmin(key, db, count): (member, score) of each */
Datum
pgfirst_kv_zpopmin(PG_FUNCTION_ARGS)
{
	return pop(fcinfo, false);
}

/* kv.zpopmax(key, db, count): (member, score) of each */
Datum
pgfirst_kv_zpopmax(PG_FUNCTION_ARGS)
{
	return pop(fcinfo, true);
}

/* ---- one member -------------------------------------------------------------------------- */

typedef struct ReadScores
{
	KvSqlRead call;
	KvSlices members;
	KvSqlArray scores;
} ReadScores;

static void
read_scores(KvSqlRead *call)
{
	ReadScores *read = (ReadScores *) call;

	for (int i = 0; i < read->members.count; i++)
	{
		double score = 0;

		read->scores.nulls[i] =
		    !read->members.at[i].data ||
		    !kv_zset_score(&call->elements.of.zset, read->members.at[i], &score);
		read->scores.values[i] = Float8GetDatum(score);
	}
}

/* The scores of the member, or members, that argument 1 has. */
static KvSqlArray
get_scores(FunctionCallInfo fcinfo)
{
	ReadScores read = {.call = {.fcinfo = fcinfo, .type = KV_TYPE_ZSET, .read = read_scores}};

	read.members = kv_sql_slices(fcinfo, 1, true);
	read.scores = kv_sql_array(read.members.count);
	kv_sql_read(&read.call, 2);
	return read.scores;
}

/* kv.zscore(key, member, db) -> double precision; NULL if there is no such member. */
Datum
pgfirst_kv_zscore(PG_FUNCTION_ARGS)
{
	KvSqlArray scores = get_scores(fcinfo);

	if (scores.nulls[0])
		PG_RETURN_NULL();
	PG_RETURN_DATUM(scores.values[0]);
}

/* kv.zmscore(key, members, db) -> double precision[] */
Datum
pgfirst_kv_zmscore(PG_FUNCTION_ARGS)
{
	KvSqlArray scores = get_scores(fcinfo);

	PG_RETURN_DATUM(kv_sql_array_datum(&scores, FLOAT8OID));
}

typedef struct ReadRank
{
	KvSqlRead call;
	RespSlice member;
	bool found;
	uint64 rank;
	uint64 behind; /* members after it */
} ReadRank;

static void
read_rank(KvSqlRead *call)
{
	ReadRank *read = (ReadRank *) call;
	KvZset *zset = &call->elements.of.zset;
	double score;

	read->found = kv_zset_score(zset, read->member, &score);
	if (!read->found)
		return;
	read->rank = kv_zset_rank(zset, read->member, score);
	read->behind = kv_zset_count(zset) - 1 - read->rank;
}

/* (key, member, db); false if there is no such member. */
static bool
find_rank(FunctionCallInfo fcinfo, ReadRank *read)
{
	*read = (ReadRank){.call = {.fcinfo = fcinfo, .type = KV_TYPE_ZSET, .read = read_rank},
	                   .member = kv_sql_value(fcinfo, 1)};
	kv_sql_read(&read->call, 2);
	return read->found;
}

/* kv.zrank(key, member, db) -> bigint; NULL if there is no such member. */
Datum
pgfirst_kv_zrank(PG_FUNCTION_ARGS)
{
	ReadRank read;

	if (!find_rank(fcinfo, &read))
		PG_RETURN_NULL();
	PG_RETURN_INT64((int64) read.rank);
}

/* kv.zrevrank(key, member, db) -> bigint; NULL if there is no such member. */
Datum
pgfirst_kv_zrevrank(PG_FUNCTION_ARGS)
{
	ReadRank read;

	if (!find_rank(fcinfo, &read))
		PG_RETURN_NULL();
	PG_RETURN_INT64((int64) read.behind);
}

static void
read_nothing(KvSqlRead *call)
{
}

/* kv.zcard(key, db) -> bigint */
Datum
pgfirst_kv_zcard(PG_FUNCTION_ARGS)
{
	KvSqlRead call = {.fcinfo = fcinfo, .type = KV_TYPE_ZSET, .read = read_nothing};

	kv_sql_read(&call, 1);
	PG_RETURN_INT64((int64) kv_zset_count(&call.elements.of.zset));
}

/* ---- ranges ------------------------------------------------------------------------------ */

/* Scores from min to max; an open end does not belong to it. */
typedef struct Scores
{
	double min, max;
	bool min_open, max_open;
} Scores;

static Scores
argument_range(FunctionCallInfo fcinfo, int n, int open)
{
	Scores range = {.min = PG_GETARG_FLOAT8(n),
	                .max = PG_GETARG_FLOAT8(n + 1),
	                .min_open = PG_GETARG_BOOL(open),
	                .max_open = PG_GETARG_BOOL(open + 1)};

	if (isnan(range.min) || isnan(range.max))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("min and max must be numbers")));
	return range;
}

/* The rank of the first one in the range, and how many there are. */
static uint64
range_ranks(KvZset *zset, const Scores *range, uint64 *first)
{
	uint64 end;

	*first = 0;
	if (kv_zset_count(zset) == 0)
		return 0;
	*first = kv_zset_rank_of_score(zset, range->min, range->min_open);
	end = kv_zset_rank_of_score(zset, range->max, !range->max_open);
	return end > *first ? end - *first : 0;
}

typedef struct ReadRange
{
	KvSqlRead call;
	Scores scores;
	uint64 count;
} ReadRange;

static void
read_count(KvSqlRead *call)
{
	ReadRange *read = (ReadRange *) call;
	uint64 first;

	read->count = range_ranks(&call->elements.of.zset, &read->scores, &first);
}

/* kv.zcount(key, min, max, db, min_open, max_open) -> bigint */
Datum
pgfirst_kv_zcount(PG_FUNCTION_ARGS)
{
	ReadRange read = {.call = {.fcinfo = fcinfo, .type = KV_TYPE_ZSET, .read = read_count},
	                  .scores = argument_range(fcinfo, 1, 4)};

	kv_sql_read(&read.call, 3);
	PG_RETURN_INT64((int64) read.count);
}

/* Rows of so many from a rank on, in a direction. */
static void
read_ranks(KvSqlRead *call, uint64 from, uint64 count, bool back)
{
	RespSlice member;
	KvZsetWalk walk;
	double score;

	if (count == 0)
		return;
	kv_zset_walk(&call->elements.of.zset, from, back, &walk);
	for (; count > 0 && kv_zset_next(&walk, &member, &score); count--)
		put_scored(&call->rows, member, score);
	kv_zset_walk_end(&walk);
}

static void
read_zrange(KvSqlRead *call)
{
	FunctionCallInfo fcinfo = call->fcinfo;
	int64 count = (int64) kv_zset_count(&call->elements.of.zset);
	int64 start = PG_GETARG_INT64(1);
	int64 stop = PG_GETARG_INT64(2);
	bool reverse = PG_GETARG_BOOL(4);

	if (kv_elements_range(count, &start, &stop))
		read_ranks(call, (uint64) (reverse ? count - 1 - start : start),
		           (uint64) (stop - start + 1), reverse);
}

/* kv.zrange(key, start, stop, db, rev): (member, score) of each */
Datum
pgfirst_kv_zrange(PG_FUNCTION_ARGS)
{
	return kv_sql_read_rows(fcinfo, 3, KV_TYPE_ZSET, read_zrange);
}

static void
read_zrangebyscore(KvSqlRead *call)
{
	FunctionCallInfo fcinfo = call->fcinfo;
	Scores scores = argument_range(fcinfo, 1, 5);
	uint64 skip = (uint64) PG_GETARG_INT64(7);
	int64 most = PG_GETARG_INT64(8);
	bool reverse = PG_GETARG_BOOL(4);
	uint64 first;
	uint64 count = range_ranks(&call->elements.of.zset, &scores, &first);
	uint64 taken;

	if (skip >= count)
		return;
	taken = most < 0 ? count - skip : Min(count - skip, (uint64) most);
	read_ranks(call, reverse ? first + count - 1 - skip : first + skip, taken, reverse);
}

/* kv.zrangebyscore(key, min, max, db, rev, min_open, max_open, skip, count): (member, score) of each */
Datum
pgfirst_kv_zrangebyscore(PG_FUNCTION_ARGS)
{
	if (PG_GETARG_INT64(7) < 0)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("skip must not be negative")));
	return kv_sql_read_rows(fcinfo, 3, KV_TYPE_ZSET, read_zrangebyscore);
}

/* Takes so many away from a rank on. */
static Datum
remove_ranks(KvZset *zset, uint64 first, uint64 count)
{
	for (uint64 i = 0; i < count; i++)
	{
		double score;
		RespSlice member = kv_zset_take(zset, first, &score);

		pfree(unconstify(char *, member.data));
		CHECK_FOR_INTERRUPTS();
	}
	kv_zset_close(zset);
	PG_RETURN_INT64((int64) count);
}

/* kv.zremrangebyscore(key, min, max, db, min_open, max_open) -> bigint: how many there were. */
Datum
pgfirst_kv_zremrangebyscore(PG_FUNCTION_ARGS)
{
	Scores scores = argument_range(fcinfo, 1, 4);
	KvElements elements;
	KvZset *zset = zset_open(fcinfo, 3, PGFIRST_KV_WRITE, &elements);
	uint64 first;
	uint64 count = range_ranks(zset, &scores, &first);

	return remove_ranks(zset, first, count);
}

/* kv.zremrangebyrank(key, start, stop, db) -> bigint: how many there were. */
Datum
pgfirst_kv_zremrangebyrank(PG_FUNCTION_ARGS)
{
	int64 start = PG_GETARG_INT64(1);
	int64 stop = PG_GETARG_INT64(2);
	KvElements elements;
	KvZset *zset = zset_open(fcinfo, 3, PGFIRST_KV_WRITE, &elements);
	bool any = kv_elements_range((int64) kv_zset_count(zset), &start, &stop);

	return remove_ranks(zset, (uint64) start, any ? (uint64) (stop - start + 1) : 0);
}

/* ---- the view ---------------------------------------------------------------------------- */

static void
read_all(KvSqlRead *call)
{
	RespSlice member;
	KvZsetWalk walk;
	double score;

	if (kv_zset_count(&call->elements.of.zset) == 0)
		return;
	kv_zset_walk(&call->elements.of.zset, 0, false, &walk);
	for (int64 rank = 0; kv_zset_next(&walk, &member, &score); rank++)
	{
		kv_sql_put_number(&call->rows, rank);
		kv_sql_put_both(&call->rows, member);
		kv_sql_put_float(&call->rows, score);
		kv_sql_row_end(&call->rows);
	}
	kv_zset_walk_end(&walk);
}

/* Behind the view kv.zset_members: (rank, member, member_bytes, score) of one key. */
Datum
pgfirst_kv_zset_of(PG_FUNCTION_ARGS)
{
	return kv_sql_read_view(fcinfo, KV_TYPE_ZSET, read_all);
}
