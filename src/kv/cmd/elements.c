/* SPDX-License-Identifier: PostgreSQL
 *
 * elements.c: what the commands on collections share; see elements.h.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "utils/hsearch.h"

#include "base/clock.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/listing.h"
#include "kv/cmd/value.h"
#include "kv/id.h"

void
kv_elements_of_key(KvCall *call, KvType type, KvElements *elements)
{
	if (!kv_elements_find_key(call->space, kv_argument(call, 1), type, call->now_ms, elements))
		elog(ERROR, "a key that is locked has gone");
}

bool
kv_elements_are(KvCall *call, int i, KvType type, KvMembers *members)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	bool fits = kv_members_open(call->space, kv_argument(call, i), type, call->now_ms, members);

	MemoryContextSwitchTo(old);
	return fits;
}

bool
kv_elements_open(KvCall *call, int i, KvType type, KvMembers *members)
{
	if (kv_elements_are(call, i, type, members))
		return true;
	kv_reply_wrong_type(call);
	return false;
}

bool
kv_elements_room(KvCall *call, KvOutcome *outcome)
{
	return kv_room_for(call, KV_MEMBERS_COST, outcome);
}

bool
kv_elements_find(KvMembers *members, RespSlice member, RespSlice *value)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	bool found = kv_members_find(members, member, value);

	MemoryContextSwitchTo(old);
	return found;
}

bool
kv_elements_add(KvMembers *set, RespSlice member)
{
	RespSlice value;

	if (set->count > 0 && kv_elements_find(set, member, &value))
		return false;
	return kv_members_put(set, member, (RespSlice){"", 0});
}

void
kv_elements_write(KvCall *call, KvMembers *members, KvElementsHead head, int what)
{
	KvReadingAt at = {0};
	RespSlice member, value;
	KvMembersWalk walk;
	bool begins;

	if (!kv_reading_resume(call, members->incarnation, members->revision, &at))
		head(call->reply, members->count);
	kv_members_walk(members, at.place, &walk);
	while (!call->reply->failed && kv_members_next(&walk, &member, &value))
	{
		begins = walk.place != at.place;
		at.place = walk.place;
		if (begins && kv_reading_pause(call, &at))
			break;
		if (what & KV_MEMBER)
			kv_reply_slice(call, member);
		if (what & KV_VALUE)
			kv_reply_slice(call, value);
	}
	kv_members_walk_end(&walk);
}

KvOutcome
kv_elements_count(KvCall *call, KvType type)
{
	KvMembers members;

	if (!kv_elements_open(call, 1, type, &members))
		return KV_DONE;
	kv_count_lookup(call, members.count > 0);
	pgfirst_resp_write_integer(call->reply, (int64) members.count);
	return KV_DONE;
}

/* ---- by chance ------------------------------------------------------------------------------- */

/*
 * A paged collection is entered at a place by chance.  Were the next member taken, one behind a large gap would come
 * too often; so one of the next RANDOM_WINDOW is, and members differ by a quarter, as they do in Redis's tables.
 */
#define RANDOM_WINDOW 16

/* Tells the members of a paged collection apart. */
typedef struct RandomPlace
{
	uint64 place;
	uint64 at; /* in its record */
} RandomPlace;

static bool
random_paged(KvMembers *members, RespSlice *member, RespSlice *value, RandomPlace *place)
{
	int passed = (int) pg_prng_uint64_range(&pg_global_prng_state, 0, RANDOM_WINDOW - 1);
	uint64 from = pg_prng_uint64(&pg_global_prng_state) | KV_ID_MEMBER;
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	bool there = false;

	/* At the end it goes on from the beginning: with one member as often as it takes, and the first lap may meet none. */
	for (int lap = 0; lap <= RANDOM_WINDOW && !there; lap++)
	{
		KvMembersWalk walk;

		kv_members_walk(members, from, &walk);
		while (!there && kv_members_next(&walk, member, value))
			there = passed-- == 0;
		if (there)
		{
			*place = (RandomPlace){walk.place, walk.at};
			*member = kv_slice_copy(*member);
			*value = kv_slice_copy(*value);
		}
		kv_members_walk_end(&walk);
		from = 0;
	}
	MemoryContextSwitchTo(old);
	return there;
}

/* Where the members of one that is inline begin; returns how many there are. */
static int
inline_places(const KvMembers *members, uint16 places[KV_INLINE_MAX])
{
	KvPacked packed;
	int count = 0;

	for (Size at = 0; kv_packed_next(members->packed, members->bytes, at, &packed); at = packed.end)
		places[count++] = (uint16) at;
	return count;
}

static void
inline_at(const KvMembers *members, Size at, RespSlice *member, RespSlice *value)
{
	KvPacked packed;

	if (!kv_packed_next(members->packed, members->bytes, at, &packed))
		elog(ERROR, "a member of a collection has gone");
	*member = packed.member;
	*value = packed.value;
}

bool
kv_elements_random(KvMembers *members, RespSlice *member, RespSlice *value)
{
	uint16 places[KV_INLINE_MAX];
	RandomPlace place;
	int count;

	if (members->layout == KV_LAYOUT_PAGED)
		return random_paged(members, member, value, &place);
	count = inline_places(members, places);
	if (count == 0)
		return false;
	inline_at(members, places[pg_prng_uint64_range(&pg_global_prng_state, 0, (uint64) count - 1)],
	          member, value);
	return true;
}

/* Members that may repeat. */
static void
random_repeated(KvMembers *members, int64 count, KvEachMember each, void *context)
{
	RespSlice member, value;

	for (; count > 0; count--)
		if (kv_elements_random(members, &member, &value) && !each(context, member, value))
			return;
}

/* The first `count` of the places after a shuffle that is no longer than it needs to be. */
static void
random_inline(KvMembers *members, int64 count, KvEachMember each, void *context)
{
	uint16 places[KV_INLINE_MAX];
	int all = inline_places(members, places);
	RespSlice member, value;

	for (int i = 0; i < Min(count, all); i++)
	{
		int other = (int) pg_prng_uint64_range(&pg_global_prng_state, (uint64) i, (uint64) all - 1);
		uint16 place = places[other];

		places[other] = places[i];
		places[i] = place;
		inline_at(members, place, &member, &value);
		if (!each(context, member, value))
			return;
	}
}

/*
 * Draws until there are enough different ones; they are a third of all at most, so very many repeats in a row mean that
 * members have gone meanwhile.  Then what is read is read again.
 */
#define RANDOM_REPEATS 1000

static void
random_drawn(KvMembers *members, int64 count, KvEachMember each, void *context)
{
	HASHCTL control = {.keysize = sizeof(RandomPlace),
	                   .entrysize = sizeof(RandomPlace),
	                   .hcxt = CurrentMemoryContext};
	HTAB *drawn = hash_create("pgfirst members drawn", count, &control,
	                          HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	for (int repeats = 0; count > 0 && repeats < RANDOM_REPEATS;)
	{
		RespSlice member, value;
		RandomPlace place;
		bool before;

		if (!random_paged(members, &member, &value, &place))
			break;
		(void) hash_search(drawn, &place, HASH_ENTER, &before);
		repeats = before ? repeats + 1 : 0;
		if (before)
			continue;
		if (!each(context, member, value))
			break;
		count--;
	}
	hash_destroy(drawn);
}

/* Goes through all `left` members, and takes each with the chance that makes `count` in the end. */
static void
random_sampled(KvMembers *members, int64 count, KvEachMember each, void *context)
{
	uint64 left = members->count;
	RespSlice member, value;
	KvMembersWalk walk;

	kv_members_walk(members, 0, &walk);
	while (count > 0 && kv_members_next(&walk, &member, &value))
	{
		if (pg_prng_uint64_range(&pg_global_prng_state, 1, left--) > (uint64) count)
			continue;
		if (!each(context, member, value))
			break;
		count--;
	}
	kv_members_walk_end(&walk);
}

void
kv_elements_choose(KvMembers *members, int64 count, KvEachMember each, void *context)
{
	int64 chosen = kv_elements_chosen(members, count);

	if (count < 0)
		random_repeated(members, chosen, each, context);
	else if (members->layout == KV_LAYOUT_INLINE)
		random_inline(members, chosen, each, context);
	else if (chosen <= (int64) members->count / 3)
		random_drawn(members, chosen, each, context);
	else
		random_sampled(members, chosen, each, context);
}

/* ---- places ---------------------------------------------------------------------------------- */

bool
kv_elements_range(int64 count, int64 *start, int64 *stop)
{
	if (*start < 0)
		*start = Max(*start + count, 0);
	if (*stop < 0)
		*stop += count;
	*stop = Min(*stop, count - 1);
	return *start <= *stop;
}

bool
kv_elements_write_one(void *context, RespSlice member, RespSlice value)
{
	KvCall *call = context;

	kv_reply_slice(call, member);
	return !call->reply->failed;
}

bool
kv_argument_random(KvCall *call, int i, int64 *count)
{
	if (!kv_argument_integer(call, i, count))
		return false;
	if (*count > PG_INT64_MIN)
		return true;
	kv_reply_error(call, "ERR value is out of range, value must between -9223372036854775807 and "
	                     "9223372036854775807");
	return false;
}

/* Answers and returns false if the arguments are wrong. */
static bool
random_options(KvCall *call, const char *word, int64 *count)
{
	bool values = call->argc == 4;

	if (call->argc > 2 && !kv_argument_random(call, 2, count))
		return false;
	if (call->argc > 4 || (values && !kv_argument_is(call, 3, word)))
		kv_reply_syntax(call);
	else if (values && (*count < -PG_INT64_MAX / 2 || *count > PG_INT64_MAX / 2))
		kv_reply_error(call, "ERR value is out of range");
	else
		return true;
	return false;
}

void
kv_elements_read_random(KvCall *call, KvType type, const char *word, KvEachMember pair_write)
{
	RespSlice member, value;
	KvMembers members;
	int64 count = 1;

	if (!random_options(call, word, &count) || !kv_elements_open(call, 1, type, &members))
		return;
	kv_count_lookup(call, members.count > 0);
	if (call->argc > 2)
	{
		int strings = call->argc == 4 && call->reply->protocol != 3 ? 2 : 1;

		pgfirst_resp_write_array(call->reply,
		                         (size_t) kv_elements_chosen(&members, count) * (size_t) strings);
		kv_elements_choose(&members, count, call->argc == 4 ? pair_write : kv_elements_write_one,
		                   call);
	}
	else if (members.count > 0 && kv_elements_random(&members, &member, &value))
		kv_reply_slice(call, member);
	else
		pgfirst_resp_write_null(call->reply);
}

/* ---- HSCAN, SSCAN and ZSCAN ------------------------------------------------------------------ */

#define SCAN_TIME_US 2000 /* after which what there is is enough */
#define SCAN_LOOK    64   /* members between two looks at the clock */

typedef struct Scan
{
	RespSlice pattern; /* data NULL: all */
	int64 count;
	size_t steps; /* of all patterns that are left */
	RespBuffer found;
	size_t written; /* strings */
} Scan;

/* Answers and returns false if the options are wrong. */
static bool
scan_options(KvCall *call, Scan *scan)
{
	scan->count = 10;
	for (int i = 3; i < call->argc; i += 2)
	{
		if (i + 1 < call->argc && kv_argument_is(call, i, "MATCH"))
			scan->pattern = kv_argument(call, i + 1);
		else if (i + 1 == call->argc || !kv_argument_is(call, i, "COUNT"))
		{
			kv_reply_syntax(call);
			return false;
		}
		else if (!kv_argument_integer(call, i + 1, &scan->count))
			return false;
		else if (scan->count < 1)
		{
			kv_reply_syntax(call);
			return false;
		}
	}
	return true;
}

static void
scan_add(KvCall *call, Scan *scan, KvType type, RespSlice member, RespSlice value)
{
	if (scan->pattern.data && !kv_pattern_matches(scan->pattern, member, false, &scan->steps))
		return;
	pgfirst_resp_write_bulk(&scan->found, member.data, member.length);
	scan->written++;
	if (type == KV_TYPE_SET)
		return;
	if (type == KV_TYPE_ZSET)
		pgfirst_resp_write_double(&scan->found, kv_zset_score_of(value));
	else
		pgfirst_resp_write_bulk(&scan->found, value.data, value.length);
	scan->written++;
}

/* Adds members from *cursor on; *cursor becomes where to go on, 0 at the end. */
static void
scan_members(KvCall *call, Scan *scan, KvMembers *members, uint64 *cursor)
{
	int64 deadline_us = pgfirst_clock_monotonic_us() + SCAN_TIME_US;
	RespSlice member, value;
	KvMembersWalk walk;
	int64 seen = 0;
	uint64 last = 0;

	kv_members_walk(members, *cursor, &walk);
	*cursor = 0;
	while (scan->steps > 0 && kv_members_next(&walk, &member, &value))
	{
		if (seen % SCAN_LOOK == SCAN_LOOK - 1 && pgfirst_clock_monotonic_us() >= deadline_us)
			scan->count = seen;
		if (seen >= scan->count && walk.place != last)
		{
			*cursor = walk.place;
			break;
		}
		last = walk.place;
		seen++;
		scan_add(call, scan, members->type, member, value);
	}
	kv_members_walk_end(&walk);
}

KvOutcome
kv_elements_scan(KvCall *call, KvType type)
{
	Scan scan = {.steps = KV_PATTERN_STEPS};
	KvMembers members;
	char digits[24];
	uint64 cursor;

	if (!kv_scan_cursor(call, 2, &cursor) || !kv_elements_open(call, 1, type, &members))
		return KV_DONE;
	if (members.count == 0)
		cursor = 0;
	else if (!scan_options(call, &scan))
		return KV_DONE;
	/* Scores are strings here, in RESP3 as well. */
	pgfirst_resp_buffer_init(&scan.found, call->reply->allocator, 2);
	if (members.count > 0)
		scan_members(call, &scan, &members, &cursor);
	if (scan.steps == 0)
		kv_reply_pattern(call);
	else
	{
		snprintf(digits, sizeof(digits), UINT64_FORMAT, cursor);
		pgfirst_resp_write_array(call->reply, 2);
		pgfirst_resp_write_text(call->reply, digits);
		pgfirst_resp_write_array(call->reply, scan.written);
		pgfirst_resp_write_raw(call->reply, scan.found.data, scan.found.length);
		call->reply->failed |= scan.found.failed;
	}
	pgfirst_resp_buffer_free(&scan.found);
	return KV_DONE;
}
