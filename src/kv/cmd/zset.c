/* SPDX-License-Identifier: PostgreSQL
 *
 * zset.c: commands on sorted sets.  What a sorted set is stands in type/zset.h.
 *
 * Every range, by rank, score or bytes, becomes one of ranks first; what is done with it then is the same.
 */
#include "postgres.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

#include "kv/cmd/commands.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/value.h"
#include "kv/cmd/zset.h"
#include "lib/number/number.h"

#define SCORE_TEXT 128 /* bytes of a number that is read */

bool
kv_zset_of(KvCall *call, int i, bool strict, KvZset *zset)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	bool fits = kv_zset_open(call->space, kv_argument(call, i), call->now_ms, zset);

	MemoryContextSwitchTo(old);
	if (!fits && strict)
		kv_reply_wrong_type(call);
	else if (!fits)
		kv_zset_new(call->space, kv_argument(call, i), zset);
	zset->changed = false;
	return fits || !strict;
}

static bool
zset_open(KvCall *call, int i, KvZset *zset)
{
	return kv_zset_of(call, i, true, zset);
}

/* What strtod() takes whole, but for what is no number or too large for one. */
bool
kv_zset_score_parse(RespSlice number, double *score)
{
	char digits[SCORE_TEXT];
	char *end;

	if (number.length == 0 || number.length >= sizeof(digits) ||
	    isspace((unsigned char) number.data[0]))
		return false;
	memcpy(digits, number.data, number.length);
	digits[number.length] = '\0';
	errno = 0;
	*score = strtod(digits, &end);
	if (end != digits + number.length || isnan(*score))
		return false;
	return errno != ERANGE || (isfinite(*score) && *score != 0);
}

/* ---- adding ---------------------------------------------------------------------------------- */

typedef struct Add
{
	KvZaddHow how;
	bool changed; /* those count as well */
	int first;    /* argument of the first score */
	int count;    /* of members */
	double *scores;
} Add;

/* Reads the options and scores; false after answering. */
static bool
add_options(KvCall *call, Add *add)
{
	int i = 2;

	for (; i < call->argc; i++)
	{
		if (kv_argument_is(call, i, "NX"))
			add->how.nx = true;
		else if (kv_argument_is(call, i, "XX"))
			add->how.xx = true;
		else if (kv_argument_is(call, i, "GT"))
			add->how.gt = true;
		else if (kv_argument_is(call, i, "LT"))
			add->how.lt = true;
		else if (kv_argument_is(call, i, "CH"))
			add->changed = true;
		else if (kv_argument_is(call, i, "INCR"))
			add->how.increment = true;
		else
			break;
	}
	add->first = i;
	add->count = (call->argc - i) / 2;
	if (add->count == 0 || (call->argc - i) % 2 != 0)
		kv_reply_syntax(call);
	else if (add->how.nx && add->how.xx)
		kv_reply_error(call, "ERR XX and NX options at the same time are not compatible");
	else if ((add->how.gt && add->how.nx) || (add->how.lt && add->how.nx) ||
	         (add->how.gt && add->how.lt))
		kv_reply_error(call, "ERR GT, LT, and/or NX options at the same time are not compatible");
	else if (add->how.increment && add->count > 1)
		kv_reply_error(call, "ERR INCR option supports a single increment-element pair");
	else
		return true;
	return false;
}

static bool
add_scores(KvCall *call, Add *add)
{
	add->scores = MemoryContextAllocHuge(CurrentMemoryContext, (Size) add->count * sizeof(double));
	for (int i = 0; i < add->count; i++)
	{
		if (kv_zset_score_parse(kv_argument(call, add->first + 2 * i), &add->scores[i]))
			continue;
		kv_reply_error(call, "ERR value is not a valid float");
		return false;
	}
	return true;
}

KvAdded
kv_zset_add(const KvZaddHow *how, KvZset *zset, RespSlice member, double *score)
{
	MemoryContext old_context = MemoryContextSwitchTo(kv_scratch());
	KvAdded added = KV_ADDED_NOT;
	KvZsetPlace place;

	kv_zset_look(zset, member, &place);
	if (place.found && how->increment && !how->nx)
		*score += place.score;
	if (isnan(*score))
		added = KV_ADDED_NAN;
	else if (place.found ? !how->nx && !(how->gt && *score <= place.score) &&
	                           !(how->lt && *score >= place.score)
	                     : !how->xx)
	{
		added = !place.found            ? KV_ADDED_NEW
		        : *score != place.score ? KV_ADDED_CHANGED
		                                : KV_ADDED_SAME;
		if (added != KV_ADDED_SAME)
			kv_zset_put(zset, member, *score, &place);
	}
	MemoryContextSwitchTo(old_context);
	return added;
}

static KvOutcome
add_all(KvCall *call, Add *add)
{
	KvOutcome outcome = KV_DONE;
	KvAdded added = KV_ADDED_NOT;
	KvAttempt attempt;
	int64 reply = 0;
	KvZset zset;

	if (!add_scores(call, add) || !zset_open(call, 1, &zset) || !kv_elements_room(call, &outcome))
		return outcome;
	attempt = kv_attempt_begin(call, (uint64) add->count, kv_arguments_cost(call));
	for (int i = 0; i < add->count && added != KV_ADDED_NAN; i++)
	{
		RespSlice member = kv_argument(call, add->first + 2 * i + 1);

		if (!kv_attempt_room(&attempt, KV_CHANGE_COST(member.length, 1)))
			break;
		added = kv_zset_add(&add->how, &zset, member, &add->scores[i]);
		reply += added == KV_ADDED_NEW || (add->changed && added == KV_ADDED_CHANGED);
	}
	if (attempt.good && added != KV_ADDED_NAN)
		kv_zset_close(&zset);
	if (!kv_attempt_end(call, &attempt, &outcome))
		return outcome;
	if (added == KV_ADDED_NAN)
		kv_reply_error(call, "ERR resulting score is not a number (NaN)");
	else if (!add->how.increment)
		pgfirst_resp_write_integer(call->reply, reply);
	else if (added == KV_ADDED_NOT)
		pgfirst_resp_write_null(call->reply);
	else
		pgfirst_resp_write_double(call->reply, add->scores[0]);
	pfree(add->scores);
	return KV_DONE;
}

/* ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...] */
KvOutcome
kv_cmd_zadd(KvCall *call)
{
	Add add = {0};

	return add_options(call, &add) ? add_all(call, &add) : KV_DONE;
}

/* ZINCRBY key increment member */
KvOutcome
kv_cmd_zincrby(KvCall *call)
{
	Add add = {.how.increment = true, .first = 2, .count = 1};

	return add_all(call, &add);
}

/* ZREM key member [member ...] */
KvOutcome
kv_cmd_zrem(KvCall *call)
{
	KvOutcome outcome;
	KvAttempt attempt;
	KvZset zset;
	int64 removed = 0;

	if (!zset_open(call, 1, &zset))
		return KV_DONE;
	attempt = kv_attempt_begin(call, (uint64) call->argc - 2, 0);
	for (int i = 2; i < call->argc && kv_zset_count(&zset) > 0 && kv_attempt_room(&attempt, 0); i++)
	{
		MemoryContext old = MemoryContextSwitchTo(kv_scratch());

		removed += kv_zset_remove(&zset, kv_argument(call, i));
		MemoryContextSwitchTo(old);
	}
	if (attempt.good)
		kv_zset_close(&zset);
	if (!kv_attempt_end(call, &attempt, &outcome))
		return outcome;
	pgfirst_resp_write_integer(call->reply, removed);
	return KV_DONE;
}

/* ---- one member ------------------------------------------------------------------------------ */

bool
kv_zset_score(KvZset *zset, RespSlice member, double *score)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	bool found = kv_zset_count(zset) > 0 && kv_zset_find(zset, member, score);

	MemoryContextSwitchTo(old);
	return found;
}

static void
read_zmscore(KvCall *call)
{
	KvZset zset;

	if (!zset_open(call, 1, &zset))
		return;
	kv_count_lookup(call, kv_zset_count(&zset) > 0);
	if (call->command->function == kv_cmd_zmscore)
		pgfirst_resp_write_array(call->reply, (size_t) call->argc - 2);
	for (int i = 2; i < call->argc; i++)
	{
		double score;

		if (kv_zset_score(&zset, kv_argument(call, i), &score))
			pgfirst_resp_write_double(call->reply, score);
		else
			pgfirst_resp_write_null(call->reply);
	}
}

/* ZMSCORE key member [member ...] */
KvOutcome
kv_cmd_zmscore(KvCall *call)
{
	return kv_reply_together(call, read_zmscore);
}

/* ZSCORE key member */
KvOutcome
kv_cmd_zscore(KvCall *call)
{
	return kv_reply_together(call, read_zmscore);
}

static void
read_zrank(KvCall *call)
{
	bool reverse = call->command->function == kv_cmd_zrevrank;
	KvZset zset;
	double score;
	uint64 rank;

	if (call->argc > 4 || (call->argc == 4 && !kv_argument_is(call, 3, "WITHSCORE")))
	{
		kv_reply_syntax(call);
		return;
	}
	if (!zset_open(call, 1, &zset))
		return;
	kv_count_lookup(call, kv_zset_count(&zset) > 0);
	if (!kv_zset_score(&zset, kv_argument(call, 2), &score))
	{
		if (call->argc == 4)
			pgfirst_resp_write_null_array(call->reply);
		else
			pgfirst_resp_write_null(call->reply);
		return;
	}
	rank = kv_zset_rank(&zset, kv_argument(call, 2), score);
	if (call->argc == 4)
		pgfirst_resp_write_array(call->reply, 2);
	pgfirst_resp_write_integer(call->reply,
	                           (int64) (reverse ? kv_zset_count(&zset) - 1 - rank : rank));
	if (call->argc == 4)
		pgfirst_resp_write_double(call->reply, score);
}

/* ZRANK key member [WITHSCORE] */
KvOutcome
kv_cmd_zrank(KvCall *call)
{
	return kv_reply_together(call, read_zrank);
}

/* ZREVRANK key member [WITHSCORE] */
KvOutcome
kv_cmd_zrevrank(KvCall *call)
{
	return kv_reply_together(call, read_zrank);
}

/* ZCARD key */
KvOutcome
kv_cmd_zcard(KvCall *call)
{
	KvZset zset;

	if (!zset_open(call, 1, &zset))
		return KV_DONE;
	kv_count_lookup(call, kv_zset_count(&zset) > 0);
	pgfirst_resp_write_integer(call->reply, (int64) kv_zset_count(&zset));
	return KV_DONE;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

typedef enum RangeBy
{
	BY_RANK,
	BY_SCORE,
	BY_BYTES
} RangeBy;

typedef struct Range
{
	RangeBy by;
	bool reverse;
	bool scores; /* are written */
	KvZsetBound low;
	KvZsetBound high;
	int64 start; /* by rank */
	int64 stop;
	int64 offset; /* LIMIT */
	int64 limit;  /* -1: none */
} Range;

static bool
bound_of_score(KvCall *call, int i, KvZsetBound *bound)
{
	RespSlice argument = kv_argument(call, i);

	bound->exclusive = argument.length > 0 && argument.data[0] == '(';
	bound->score = 0;
	argument.data += bound->exclusive;
	argument.length -= bound->exclusive;
	/* As strtod() has it, other than with scores: nothing is 0, and blanks may come first. */
	if (argument.length == 0)
		return true;
	while (argument.length > 0 && isspace((unsigned char) *argument.data))
	{
		argument.data++;
		argument.length--;
	}
	if (kv_zset_score_parse(argument, &bound->score))
		return true;
	kv_reply_error(call, "ERR min or max is not a float");
	return false;
}

static bool
bound_of_bytes(KvCall *call, int i, KvZsetBound *bound)
{
	RespSlice argument = kv_argument(call, i);
	char first = argument.length > 0 ? argument.data[0] : '\0';

	bound->infinite =
	    argument.length == 1 && first == '-' ? -1 : argument.length == 1 && first == '+';
	bound->exclusive = first == '(';
	if (bound->infinite != 0)
		return true;
	if (first == '(' || first == '[')
	{
		bound->bytes = (RespSlice){argument.data + 1, argument.length - 1};
		return true;
	}
	kv_reply_error(call, "ERR min or max not valid string range item");
	return false;
}

/* Reads the two arguments from i on; the first is the higher one if the range is reversed, but by rank. */
static bool
range_bounds(KvCall *call, int i, Range *range)
{
	KvZsetBound *first = range->reverse ? &range->high : &range->low;
	KvZsetBound *second = range->reverse ? &range->low : &range->high;

	if (range->by == BY_RANK)
		return kv_argument_integer(call, i, &range->start) &&
		       kv_argument_integer(call, i + 1, &range->stop);
	if (range->by == BY_SCORE)
		return bound_of_score(call, i, first) && bound_of_score(call, i + 1, second);
	return bound_of_bytes(call, i, first) && bound_of_bytes(call, i + 1, second);
}

/* The options from argument i on, of which ZRANGE has all, ZRANGESTORE nearly, and the others a few. */
static bool
range_options(KvCall *call, int i, bool all, Range *range)
{
	bool stores = (call->command->flags & KV_WRITE) != 0;

	range->limit = -1;
	for (; i < call->argc; i++)
	{
		if (kv_argument_is(call, i, "WITHSCORES") && (all ? !stores : range->by != BY_BYTES))
			range->scores = true;
		else if (kv_argument_is(call, i, "LIMIT") && i + 2 < call->argc &&
		         (all || range->by != BY_RANK))
		{
			if (!kv_argument_integer(call, i + 1, &range->offset) ||
			    !kv_argument_integer(call, i + 2, &range->limit))
				return false;
			i += 2;
		}
		else if (all && !range->reverse && kv_argument_is(call, i, "REV"))
			range->reverse = true;
		else if (all && range->by == BY_RANK && kv_argument_is(call, i, "BYSCORE"))
			range->by = BY_SCORE;
		else if (all && range->by == BY_RANK && kv_argument_is(call, i, "BYLEX"))
			range->by = BY_BYTES;
		else
		{
			kv_reply_syntax(call);
			return false;
		}
	}
	/* Of ranks a limit that is none is let pass, with its offset, which then means nothing. */
	if (range->by == BY_RANK)
		range->offset = 0;
	if (range->limit != -1 && range->by == BY_RANK)
		kv_reply_error(call, "ERR syntax error, LIMIT is only supported in combination with "
		                     "either BYSCORE or BYLEX");
	else if (range->scores && range->by == BY_BYTES)
		kv_reply_error(call,
		               "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
	else
		return true;
	return false;
}

/* The ranks of the range, as they are in the order of scores: from *first on, before *end.  Without LIMIT. */
static void
range_ranks(KvZset *zset, const Range *range, uint64 *first, uint64 *end)
{
	int64 count = (int64) kv_zset_count(zset);

	*first = *end = 0;
	if (count == 0)
		return;
	if (range->by == BY_SCORE)
	{
		*first = kv_zset_rank_of_score(zset, range->low.score, range->low.exclusive);
		*end = kv_zset_rank_of_score(zset, range->high.score, !range->high.exclusive);
	}
	else if (range->by == BY_BYTES)
		kv_zset_ranks_of_bytes(zset, &range->low, &range->high, range->reverse, first, end);
	else
	{
		int64 start = range->start;
		int64 stop = range->stop;

		if (!kv_elements_range(count, &start, &stop))
			return;
		*first = (uint64) (range->reverse ? count - 1 - stop : start);
		*end = (uint64) (range->reverse ? count - start : stop + 1);
	}
	*end = Max(*end, *first);
}

/* The rank with which the range begins in its direction, and how many there are, within LIMIT. */
static void
range_cut(KvZset *zset, const Range *range, uint64 *from, uint64 *count)
{
	uint64 first, end;

	range_ranks(zset, range, &first, &end);
	*count = end - first;
	if (range->offset < 0 || (uint64) range->offset >= *count)
		*count = range->offset == 0 ? *count : 0;
	else
		*count -= (uint64) range->offset;
	if (range->limit >= 0)
		*count = Min(*count, (uint64) range->limit);
	*from = *count == 0      ? 0
	        : range->reverse ? end - 1 - (uint64) range->offset
	                         : first + (uint64) range->offset;
}

void
kv_zset_write(KvCall *call, RespSlice member, double score, bool scores)
{
	if (scores && call->reply->protocol == 3)
		pgfirst_resp_write_array(call->reply, 2);
	kv_reply_slice(call, member);
	if (scores)
		pgfirst_resp_write_double(call->reply, score);
}

void
kv_zset_write_count(KvCall *call, uint64 count, bool scores)
{
	pgfirst_resp_write_array(call->reply,
	                         (size_t) count * (scores && call->reply->protocol != 3 ? 2 : 1));
}

static void
read_range(KvCall *call, Range *range, bool all)
{
	KvReadingAt at = {0};
	RespSlice member;
	KvZsetWalk walk;
	double score;
	KvZset zset;

	if (!range_options(call, 4, all, range) || !range_bounds(call, 2, range) ||
	    !zset_open(call, 1, &zset))
		return;
	kv_count_lookup(call, kv_zset_count(&zset) > 0);
	if (!kv_reading_resume(call, zset.at.root.incarnation, zset.at.root.revision, &at))
	{
		range_cut(&zset, range, &at.place, &at.left);
		kv_zset_write_count(call, at.left, range->scores);
	}
	if (at.left == 0)
		return;
	kv_zset_walk(&zset, at.place, range->reverse, &walk);
	while (at.left > 0 && !call->reply->failed && kv_zset_next(&walk, &member, &score))
	{
		if (kv_reading_pause(call, &at))
			break;
		kv_zset_write(call, member, score, range->scores);
		at.place += range->reverse ? -1 : 1;
		at.left--;
	}
	kv_zset_walk_end(&walk);
}

static void
read_zrange(KvCall *call)
{
	Range range = {.by = BY_RANK};

	read_range(call, &range, true);
}

/* ZRANGE key min max [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES] */
KvOutcome
kv_cmd_zrange(KvCall *call)
{
	return kv_reply_together(call, read_zrange);
}

static void
read_zrevrange(KvCall *call)
{
	Range range = {.by = BY_RANK, .reverse = true};

	read_range(call, &range, false);
}

/* ZREVRANGE key start stop [WITHSCORES] */
KvOutcome
kv_cmd_zrevrange(KvCall *call)
{
	return kv_reply_together(call, read_zrevrange);
}

static void
read_zrangebyscore(KvCall *call)
{
	Range range = {.by = BY_SCORE};

	read_range(call, &range, false);
}

/* ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count] */
KvOutcome
kv_cmd_zrangebyscore(KvCall *call)
{
	return kv_reply_together(call, read_zrangebyscore);
}

static void
read_zrevrangebyscore(KvCall *call)
{
	Range range = {.by = BY_SCORE, .reverse = true};

	read_range(call, &range, false);
}

/* ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count] */
KvOutcome
kv_cmd_zrevrangebyscore(KvCall *call)
{
	return kv_reply_together(call, read_zrevrangebyscore);
}

static void
read_zrangebylex(KvCall *call)
{
	Range range = {.by = BY_BYTES};

	read_range(call, &range, false);
}

/* ZRANGEBYLEX key min max [LIMIT offset count] */
KvOutcome
kv_cmd_zrangebylex(KvCall *call)
{
	return kv_reply_together(call, read_zrangebylex);
}

static void
read_zrevrangebylex(KvCall *call)
{
	Range range = {.by = BY_BYTES, .reverse = true};

	read_range(call, &range, false);
}

/* ZREVRANGEBYLEX key max min [LIMIT offset count] */
KvOutcome
kv_cmd_zrevrangebylex(KvCall *call)
{
	return kv_reply_together(call, read_zrevrangebylex);
}

static void
read_zcount(KvCall *call)
{
	Range range = {.by = call->command->function == kv_cmd_zcount ? BY_SCORE : BY_BYTES};
	uint64 first, end;
	KvZset zset;

	if (!range_bounds(call, 2, &range) || !zset_open(call, 1, &zset))
		return;
	kv_count_lookup(call, kv_zset_count(&zset) > 0);
	range_ranks(&zset, &range, &first, &end);
	pgfirst_resp_write_integer(call->reply, (int64) (end - first));
}

/* ZCOUNT key min max */
KvOutcome
kv_cmd_zcount(KvCall *call)
{
	return kv_reply_together(call, read_zcount);
}

/* ZLEXCOUNT key min max */
KvOutcome
kv_cmd_zlexcount(KvCall *call)
{
	return kv_reply_together(call, read_zcount);
}

/* ---- storing a range ------------------------------------------------------------------------- */

void
kv_zset_put_new(KvZset *zset, RespSlice member, double score)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	KvZsetPlace place;

	kv_zset_look(zset, member, &place);
	kv_zset_put(zset, member, score, &place);
	MemoryContextSwitchTo(old);
}

/* What so many members from a rank on take of the write set at most. */
static Size
range_size(KvZset *zset, uint64 from, uint64 count, bool back)
{
	RespSlice member;
	KvZsetWalk walk;
	Size bytes = 0;
	double score;

	if (count == 0 || count == kv_zset_count(zset))
		return kv_zset_size(count, count == 0 ? 0 : zset->at.root.bytes);
	kv_zset_walk(zset, from, back, &walk);
	for (uint64 i = 0; i < count && kv_zset_next(&walk, &member, &score); i++)
		bytes += member.length;
	kv_zset_walk_end(&walk);
	return kv_zset_size(count, bytes);
}

/* ZRANGESTORE destination source min max [BYSCORE | BYLEX] [REV] [LIMIT offset count] */
KvOutcome
kv_cmd_zrangestore(KvCall *call)
{
	Range range = {.by = BY_RANK};
	KvOutcome outcome = KV_DONE;
	uint64 from, count, left;
	KvZset source, stored;
	RespSlice member;
	KvZsetWalk walk;
	double score;

	if (!range_options(call, 5, true, &range) || !range_bounds(call, 3, &range) ||
	    !zset_open(call, 2, &source))
		return KV_DONE;
	range_cut(&source, &range, &from, &count);
	if (!kv_elements_room_for(call, range_size(&source, from, count, range.reverse), &outcome))
		return outcome;
	kv_zset_new(call->space, kv_argument(call, 1), &stored);
	if (count > 0)
	{
		kv_zset_walk(&source, from, range.reverse, &walk);
		for (left = count; left > 0 && kv_zset_next(&walk, &member, &score); left--)
			kv_zset_put_new(&stored, member, score);
		kv_zset_walk_end(&walk);
	}
	kv_zset_close(&stored);
	pgfirst_resp_write_integer(call->reply, (int64) count);
	return KV_DONE;
}

/* ---- removing ranges ------------------------------------------------------------------------- */

typedef enum Take
{
	TAKE_SILENTLY,
	TAKE_FLAT,  /* member and score, also in RESP3 */
	TAKE_PAIRS, /* in RESP3 */
	TAKE_NESTED /* pairs in both protocols */
} Take;

RespSlice
kv_zset_take(KvZset *zset, uint64 rank, double *score)
{
	MemoryContext scratch = kv_scratch();
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	RespSlice member;
	KvZsetWalk walk;

	kv_zset_walk(zset, rank, false, &walk);
	if (!kv_zset_next(&walk, &member, score))
		kv_collection_damaged();
	MemoryContextSwitchTo(caller);
	member = kv_slice_copy(member);
	MemoryContextSwitchTo(scratch);
	kv_zset_walk_end(&walk);
	(void) kv_zset_remove(zset, member);
	MemoryContextSwitchTo(caller);
	return member;
}

/*
 * Takes away so many members from a rank on, while there is room.  Who takes one mostly takes the next ones as well, with
 * this command or others; so one in KV_ZSET_AHEAD says which those are, whatever the set's size.
 */
static void
take_range(KvCall *call, KvAttempt *attempt, KvZset *zset, uint64 first, uint64 count, bool back,
           Take take)
{
	for (; count > 0 && kv_attempt_room(attempt, 0); count--)
	{
		static uint32 taken;
		double score;
		RespSlice member;

		if (taken++ % KV_ZSET_AHEAD == 0)
			kv_zset_prefetch(zset, first, back);
		member = kv_zset_take(zset, first, &score);

		if (take == TAKE_NESTED)
			pgfirst_resp_write_array(call->reply, 2);
		if (take == TAKE_PAIRS)
			kv_zset_write(call, member, score, true);
		else if (take != TAKE_SILENTLY)
		{
			kv_reply_slice(call, member);
			pgfirst_resp_write_double(call->reply, score);
		}
		pfree(unconstify(char *, member.data));
		if (back)
			first--;
	}
	if (attempt->good)
		kv_zset_close(zset);
}

static KvOutcome
remove_range(KvCall *call, RangeBy by)
{
	Range range = {.by = by};
	uint64 first, end;
	KvOutcome outcome;
	KvAttempt attempt;
	KvZset zset;

	if (!range_bounds(call, 2, &range) || !zset_open(call, 1, &zset))
		return KV_DONE;
	range_ranks(&zset, &range, &first, &end);
	attempt = kv_attempt_begin(call, end - first, 0);
	take_range(call, &attempt, &zset, first, end - first, false, TAKE_SILENTLY);
	if (!kv_attempt_end(call, &attempt, &outcome))
		return outcome;
	pgfirst_resp_write_integer(call->reply, (int64) (end - first));
	return KV_DONE;
}

/* ZREMRANGEBYRANK key start stop */
KvOutcome
kv_cmd_zremrangebyrank(KvCall *call)
{
	return remove_range(call, BY_RANK);
}

/* ZREMRANGEBYSCORE key min max */
KvOutcome
kv_cmd_zremrangebyscore(KvCall *call)
{
	return remove_range(call, BY_SCORE);
}

/* ZREMRANGEBYLEX key min max */
KvOutcome
kv_cmd_zremrangebylex(KvCall *call)
{
	return remove_range(call, BY_BYTES);
}

/* ---- popping --------------------------------------------------------------------------------- */

static uint64
rank_of_end(const KvZset *zset, bool highest)
{
	return highest && kv_zset_count(zset) > 0 ? kv_zset_count(zset) - 1 : 0;
}

void
kv_zset_pop(KvCall *call, KvZset *zset, bool highest)
{
	KvAttempt attempt = {.good = true};

	take_range(call, &attempt, zset, rank_of_end(zset, highest), 1, highest, TAKE_FLAT);
}

KvOutcome
kv_zset_pop_many(KvCall *call, int i, KvZset *zset, bool highest, int64 count)
{
	KvAttempt attempt = kv_attempt_begin(call, Min((uint64) count, kv_zset_count(zset)), 0);
	KvOutcome outcome;

	count = Min(count, (int64) kv_zset_count(zset));
	pgfirst_resp_write_array(call->reply, 2);
	kv_reply_slice(call, kv_argument(call, i));
	pgfirst_resp_write_array(call->reply, (size_t) count);
	take_range(call, &attempt, zset, rank_of_end(zset, highest), (uint64) count, highest,
	           TAKE_NESTED);
	(void) kv_attempt_end(call, &attempt, &outcome);
	return outcome;
}

bool
kv_zmpop_options(KvCall *call, int at, int *keys, bool *highest, int64 *count)
{
	RespSlice number = kv_argument(call, at);
	int64 named;

	*count = 1;
	if (!pgfirst_int64_parse(number.data, number.length, &named) || named < 1)
	{
		kv_reply_error(call, "ERR numkeys should be greater than 0");
		return false;
	}
	if (named <= call->argc - at - 2)
	{
		int where = at + 1 + (int) named;

		*keys = (int) named;
		*highest = kv_argument_is(call, where, "MAX");
		if (*highest || kv_argument_is(call, where, "MIN"))
		{
			if (call->argc == where + 1)
				return true;
			if (call->argc >= where + 3 && kv_argument_is(call, where + 1, "COUNT"))
			{
				number = kv_argument(call, where + 2);
				if (!pgfirst_int64_parse(number.data, number.length, count) || *count < 1)
				{
					kv_reply_error(call, "ERR count should be greater than 0");
					return false;
				}
				if (call->argc == where + 3)
					return true;
			}
		}
	}
	kv_reply_syntax(call);
	return false;
}

/* ZMPOP numkeys key [key ...] MIN | MAX [COUNT count] */
KvOutcome
kv_cmd_zmpop(KvCall *call)
{
	bool highest;
	int64 count;
	KvZset zset;
	int keys;

	if (!kv_zmpop_options(call, 1, &keys, &highest, &count))
		return KV_DONE;
	for (int i = 2; i < 2 + keys; i++)
	{
		if (!zset_open(call, i, &zset))
			return KV_DONE;
		if (kv_zset_count(&zset) > 0)
			return kv_zset_pop_many(call, i, &zset, highest, count);
	}
	pgfirst_resp_write_null_array(call->reply);
	return KV_DONE;
}

static KvOutcome
pop(KvCall *call, bool highest)
{
	int64 count = 1;
	KvOutcome outcome;
	KvAttempt attempt;
	KvZset zset;

	if (call->argc > 3)
	{
		kv_reply_syntax(call);
		return KV_DONE;
	}
	if ((call->argc == 3 && !kv_elements_pop_count(call, &count)) || !zset_open(call, 1, &zset))
		return KV_DONE;
	count = Min(count, (int64) kv_zset_count(&zset));
	attempt = kv_attempt_begin(call, (uint64) count, 0);
	if (call->argc == 3)
		kv_zset_write_count(call, (uint64) count, true);
	else
		pgfirst_resp_write_array(call->reply, (size_t) count * 2);
	take_range(call, &attempt, &zset, rank_of_end(&zset, highest), (uint64) count, highest,
	           call->argc == 3 ? TAKE_PAIRS : TAKE_FLAT);
	(void) kv_attempt_end(call, &attempt, &outcome);
	return outcome;
}

/* ZPOPMIN key [count] */
KvOutcome
kv_cmd_zpopmin(KvCall *call)
{
	return pop(call, false);
}

/* ZPOPMAX key [count] */
KvOutcome
kv_cmd_zpopmax(KvCall *call)
{
	return pop(call, true);
}
