/* SPDX-License-Identifier: PostgreSQL
 *
 * elements.c: what the commands on collections share; see elements.h.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/listing.h"
#include "kv/cmd/value.h"
#include "kv/id.h"
#include "lib/number/number.h"

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
	return kv_elements_room_for(call, 0, outcome);
}

bool
kv_elements_room_for(KvCall *call, Size bytes, KvOutcome *outcome)
{
	return kv_room_for(call, kv_arguments_cost(call) + KV_MEMBERS_COST + bytes, outcome);
}

/* ---- changes of which nobody knows what they take ---------------------------------------------- */

#define ATTEMPT_FEW 100000 /* elements: so many times what one takes is no number that wraps */

KvAttempt
kv_attempt_begin(KvCall *call, uint64 elements, Size bytes)
{
	bool certain =
	    elements <= ATTEMPT_FEW && pgfirst_store_room((Size) elements * KV_MEMBERS_COST + bytes);

	if (!certain)
		pgfirst_store_mark();
	return (KvAttempt){.reply = call->reply->length, .marked = !certain, .good = true};
}

bool
kv_attempt_room(KvAttempt *attempt, Size bytes)
{
	if (!attempt || !attempt->marked)
		return true;
	attempt->good = attempt->good && pgfirst_store_room(KV_MEMBERS_COST + bytes);
	return attempt->good;
}

bool
kv_attempt_end(KvCall *call, const KvAttempt *attempt, KvOutcome *outcome)
{
	*outcome = KV_DONE;
	if (attempt->good)
	{
		if (attempt->marked)
			pgfirst_store_mark_keep();
		return true;
	}
	pgfirst_store_mark_undo();
	call->reply->length = attempt->reply;
	*outcome = kv_no_room(call);
	return false;
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
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	KvMembersPlace place;

	if (!kv_members_look(set, member, &place))
		kv_members_put_at(set, member, (RespSlice){"", 0}, &place);
	MemoryContextSwitchTo(old);
	return !place.found;
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

bool
kv_elements_pop_count(KvCall *call, int64 *count)
{
	RespSlice argument = kv_argument(call, 2);

	if (pgfirst_int64_parse(argument.data, argument.length, count) && *count >= 0)
		return true;
	kv_reply_error(call, "ERR value is out of range, must be positive");
	return false;
}

/* ---- by chance ------------------------------------------------------------------------------- */

/*
 * A paged collection is entered at a place by chance, and one of the members of the page there is taken (store.h,
 * pgfirst_store_sample): members of a hundred bytes differ by an eighth, those of a thousand by a third; of a collection
 * that has just lost most of its own, until its pages are merged, a few that stand alone on one come up to ten times as
 * often.  Where some are not stored yet, or several such pages have none left, a walk begins at another one.  Were its
 * next member taken, one behind a large gap would come too often; so one of the next RANDOM_WINDOW is, and members differ
 * by a quarter, as they do in Redis's tables.
 *
 * To enter takes as long as to go through a dozen members, so a command that wants a good part of all goes through
 * all of them instead.
 */
#define RANDOM_LEAVES  4 /* are tried: of one, nearly all may have been taken a moment ago */
#define RANDOM_WINDOW  16
#define RANDOM_ENTRY   8         /* members are passed as fast as one is drawn */
#define RANDOM_REPEATS 100       /* in a row: not by chance */
#define RANDOM_BATCH   (1 << 20) /* draws that are gathered at once, and members that there may be */
#define RANDOM_BYTES   (32 << 20) /* that those members may have: they are copied */

static bool
random_walked(KvMembers *members, RespSlice *member)
{
	uint64 from = pg_prng_uint64(&pg_global_prng_state) | KV_ID_MEMBER;
	int passed = (int) pg_prng_uint64_range(&pg_global_prng_state, 0, RANDOM_WINDOW - 1);
	bool there = false;

	/* At the end it goes on from the beginning: with one member as often as it takes, and the first lap may meet none. */
	for (int lap = 0; lap <= RANDOM_WINDOW && !there; lap++)
	{
		KvMembersWalk walk;
		RespSlice value;

		kv_members_walk(members, from, &walk);
		while (!there && kv_members_next(&walk, member, &value))
			there = passed-- == 0;
		if (there)
			*member = kv_slice_copy(*member);
		kv_members_walk_end(&walk);
		from = 0;
	}
	return there;
}

/* False if there is none, or, where nobody has locked the key, if it has gone again. */
static bool
random_paged(KvMembers *members, KvMembersPlace *place)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	bool there = false;
	RespSlice member;

	for (int leaf = 0; leaf < RANDOM_LEAVES && !there; leaf++)
		there = kv_members_sample(members, place);
	if (!there)
		there = random_walked(members, &member) && kv_members_look(members, member, place);
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
inline_at(const KvMembers *members, Size at, KvPacked *packed)
{
	if (!kv_packed_next(members->packed, members->bytes, at, packed))
		elog(ERROR, "a member of a collection has gone");
}

bool
kv_elements_random(KvMembers *members, KvMembersPlace *place)
{
	uint16 places[KV_INLINE_MAX];
	int count;

	if (members->layout == KV_LAYOUT_PAGED)
		return random_paged(members, place);
	count = inline_places(members, places);
	place->found = count > 0;
	if (count > 0)
		inline_at(members,
		          places[pg_prng_uint64_range(&pg_global_prng_state, 0, (uint64) count - 1)],
		          &place->packed);
	return count > 0;
}

/* Members that are drawn, and who gets them. */
typedef struct Draw
{
	KvMembers *members;
	KvReadingAt at; /* at.left of them are still to be drawn */
	KvCall *call;   /* whose reading pauses; NULL: nothing does */
	KvEachMember each;
	void *context;
} Draw;

static bool
draw_pauses(const Draw *draw)
{
	return draw->call && kv_reading_pause(draw->call, &draw->at);
}

/* Members that may repeat, of one that is inline. */
static void
repeated_inline(Draw *draw)
{
	uint16 places[KV_INLINE_MAX];
	int all = inline_places(draw->members, places);
	KvPacked packed;

	for (; draw->at.left > 0; draw->at.left--)
	{
		inline_at(draw->members,
		          places[pg_prng_uint64_range(&pg_global_prng_state, 0, (uint64) all - 1)],
		          &packed);
		if (!draw->each(draw->context, packed.member, packed.value))
			return;
	}
}

/* Likewise, each drawn for itself. */
static void
repeated_drawn(Draw *draw)
{
	KvMembersPlace place;

	for (; draw->at.left > 0 && !draw_pauses(draw); draw->at.left--)
	{
		/* When they have gone meanwhile, what is read is read again. */
		if (!random_paged(draw->members, &place) ||
		    !draw->each(draw->context, place.packed.member, place.packed.value))
			return;
	}
}

typedef struct RandomPair
{
	RespSlice member;
	RespSlice value;
} RandomPair;

/* Puts a copy of each member into `drawn` as often as `times` says.  Returns how many those are. */
static uint64
gather(KvMembers *members, const uint32 *times, RandomPair **drawn)
{
	uint64 all = members->count;
	RespSlice member, value;
	KvMembersWalk walk;
	uint64 count = 0;

	kv_members_walk(members, 0, &walk);
	for (uint64 i = 0; i < all && kv_members_next(&walk, &member, &value); i++)
	{
		RandomPair *pair;

		if (times[i] == 0)
			continue;
		pair = palloc(sizeof(*pair));
		*pair = (RandomPair){kv_slice_copy(member), kv_slice_copy(value)};
		for (uint32 time = 0; time < times[i]; time++)
			drawn[count++] = pair;
	}
	kv_members_walk_end(&walk);
	return count;
}

/*
 * Members that may repeat, of which RANDOM_BATCH at most are wanted: numbers are drawn first, and one way through
 * all members finds those that have them; they come in an order by chance.  False if no more are wanted, or if there were
 * fewer; then what is read is read again.
 */
static bool
repeated_batch(const Draw *draw, uint64 count)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgfirst members drawn",
	                                              ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	uint64 all = draw->members->count;
	uint32 *times = palloc0(all * sizeof(*times));
	RandomPair **drawn = palloc(count * sizeof(RandomPair *));
	bool more;

	for (uint64 i = 0; i < count; i++)
		times[pg_prng_uint64_range(&pg_global_prng_state, 0, all - 1)]++;
	more = gather(draw->members, times, drawn) == count;
	MemoryContextSwitchTo(old);
	for (uint64 i = 0; i < count && more; i++)
	{
		uint64 other = pg_prng_uint64_range(&pg_global_prng_state, i, count - 1);
		RandomPair *pair = drawn[other];

		drawn[other] = drawn[i];
		more = draw->each(draw->context, pair->member, pair->value);
	}
	MemoryContextDelete(context);
	return more;
}

static void
random_repeated(Draw *draw)
{
	const KvMembers *members = draw->members;
	uint64 batch;

	if (members->layout == KV_LAYOUT_INLINE)
		repeated_inline(draw);
	else if (members->count > RANDOM_BATCH || members->bytes > RANDOM_BYTES ||
	         draw->at.left < members->count / RANDOM_ENTRY)
		repeated_drawn(draw);
	else
		for (; draw->at.left > 0; draw->at.left -= batch)
		{
			batch = Min(draw->at.left, RANDOM_BATCH);
			if (!repeated_batch(draw, batch))
				break;
		}
}

/* Members of one that is inline: the first of its places after a shuffle that is no longer than it needs to be. */
static void
random_inline(const Draw *draw)
{
	uint16 places[KV_INLINE_MAX];
	int all = inline_places(draw->members, places);
	int most = (int) Min(draw->at.left, (uint64) all);
	KvPacked packed;

	for (int i = 0; i < most; i++)
	{
		int other = (int) pg_prng_uint64_range(&pg_global_prng_state, (uint64) i, (uint64) all - 1);
		uint16 place = places[other];

		places[other] = places[i];
		places[i] = place;
		inline_at(draw->members, place, &packed);
		if (!draw->each(draw->context, packed.member, packed.value))
			return;
	}
}

/* Tells the members of a paged collection apart. */
typedef struct DrawnPlace
{
	PgfirstId record;
	uint64 end; /* of the member, in its record */
} DrawnPlace;

/*
 * Draws until there are enough different ones, which are few of all; so many repeats in a row mean that members have
 * gone meanwhile, and what is read is read again.
 */
static void
random_drawn(const Draw *draw)
{
	HASHCTL control = {.keysize = sizeof(DrawnPlace),
	                   .entrysize = sizeof(DrawnPlace),
	                   .hcxt = CurrentMemoryContext};
	uint64 left = draw->at.left;
	HTAB *drawn = hash_create("pgfirst members drawn", (long) left, &control,
	                          HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	int repeats = 0;

	while (left > 0 && repeats < RANDOM_REPEATS)
	{
		KvMembersPlace place;
		DrawnPlace key;
		bool before;

		if (!random_paged(draw->members, &place))
			break;
		key = (DrawnPlace){.record = place.record.id, .end = place.packed.end};
		(void) hash_search(drawn, &key, HASH_ENTER, &before);
		repeats = before ? repeats + 1 : 0;
		if (before)
			continue;
		if (!draw->each(draw->context, place.packed.member, place.packed.value))
			break;
		left--;
	}
	hash_destroy(drawn);
}

/* Goes through all members, and takes each with the chance that makes at.left in the end. */
static void
random_sampled(Draw *draw)
{
	KvReadingAt *at = &draw->at;
	RespSlice member, value;
	KvMembersWalk walk;

	kv_members_walk(draw->members, at->place, &walk);
	while (at->left > 0 && kv_members_next(&walk, &member, &value))
	{
		bool begins = walk.place != at->place;

		at->place = walk.place;
		if (begins && draw_pauses(draw))
			break;
		if (at->rest > 0 && pg_prng_uint64_range(&pg_global_prng_state, 1, at->rest--) > at->left)
			continue;
		if (!draw->each(draw->context, member, value))
			break;
		at->left--;
	}
	kv_members_walk_end(&walk);
}

/* Which way it goes does not depend on what is left, which is less after a pause. */
static void
draw_members(Draw *draw, int64 count)
{
	const KvMembers *members = draw->members;

	if (count < 0)
		random_repeated(draw);
	else if (members->layout == KV_LAYOUT_INLINE)
		random_inline(draw);
	else if ((uint64) kv_elements_chosen(members, count) <= members->count / RANDOM_ENTRY)
		random_drawn(draw);
	else
		random_sampled(draw);
}

void
kv_elements_choose(KvMembers *members, int64 count, KvEachMember each, void *context)
{
	Draw draw = {.members = members, .each = each, .context = context};

	draw.at.left = (uint64) kv_elements_chosen(members, count);
	draw.at.rest = members->count;
	draw_members(&draw, count);
}

void
kv_elements_write_random(KvCall *call, KvMembers *members, int64 count, int strings,
                         KvEachMember each)
{
	Draw draw = {.members = members, .call = call, .each = each, .context = call};
	int64 chosen = kv_elements_chosen(members, count);

	if (!kv_reading_resume(call, members->incarnation, members->revision, &draw.at))
	{
		pgfirst_resp_write_array(call->reply, (size_t) chosen * (size_t) strings);
		draw.at = (KvReadingAt){.left = (uint64) chosen, .rest = members->count};
	}
	draw_members(&draw, count);
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
	bool values = call->argc == 4;
	KvMembersPlace place;
	KvMembers members;
	int64 count = 1;

	if (!random_options(call, word, &count) || !kv_elements_open(call, 1, type, &members))
		return;
	kv_count_lookup(call, members.count > 0);
	if (call->argc > 2)
		kv_elements_write_random(call, &members, count,
		                         values && call->reply->protocol != 3 ? 2 : 1,
		                         values ? pair_write : kv_elements_write_one);
	else if (members.count > 0 && kv_elements_random(&members, &place))
		kv_reply_slice(call, place.packed.member);
	else
		pgfirst_resp_write_null(call->reply);
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

/* Adds members from the hash `from` on; returns the next cursor, 0 at the end. */
static uint64
scan_members(KvCall *call, Scan *scan, KvMembers *members, uint64 from)
{
	int64 deadline_us = pgfirst_clock_monotonic_us() + SCAN_TIME_US;
	RespSlice member, value;
	KvMembersWalk walk;
	int64 seen = 0;
	uint64 cursor = 0;
	uint64 last = 0;

	kv_members_walk(members, from, &walk);
	while (scan->steps > 0 && kv_members_next(&walk, &member, &value))
	{
		if (seen % SCAN_LOOK == SCAN_LOOK - 1 && pgfirst_clock_monotonic_us() >= deadline_us)
			scan->count = seen;
		if (seen >= scan->count && kv_cursor_at(walk.place) != last)
		{
			cursor = kv_cursor_at(walk.place);
			break;
		}
		last = kv_cursor_at(walk.place);
		seen++;
		scan_add(call, scan, members->type, member, value);
	}
	kv_members_walk_end(&walk);
	return cursor;
}

KvOutcome
kv_elements_scan(KvCall *call, KvType type)
{
	Scan scan = {.steps = KV_PATTERN_STEPS};
	KvMembers members;
	uint64 from;
	uint64 cursor = 0;

	if (!kv_scan_cursor(call, 2, &from) || !kv_elements_open(call, 1, type, &members))
		return KV_DONE;
	if (members.count > 0 && !scan_options(call, &scan))
		return KV_DONE;
	/* Scores are strings here, in RESP3 as well. */
	pgfirst_resp_buffer_init(&scan.found, call->reply->allocator, 2);
	if (members.count > 0)
		cursor = scan_members(call, &scan, &members, from);
	if (scan.steps == 0)
		kv_reply_pattern(call);
	else
	{
		pgfirst_resp_write_array(call->reply, 2);
		kv_scan_write_cursor(call, cursor);
		pgfirst_resp_write_array(call->reply, scan.written);
		pgfirst_resp_write_raw(call->reply, scan.found.data, scan.found.length);
		call->reply->failed |= scan.found.failed;
	}
	pgfirst_resp_buffer_free(&scan.found);
	return KV_DONE;
}
