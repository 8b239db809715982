/* SPDX-License-Identifier: PostgreSQL
 *
 * listing.c: commands that look for keys: KEYS, SCAN and RANDOMKEY.
 *
 * All walk the store in id order, which is the order of the keys' hashes.  SCAN's cursor is the
 * beginning of the next id (listing.h): it needs no memory in the server, stays valid for ever, and
 * a key that is there throughout is returned exactly once.  RANDOMKEY begins at a random id, returns
 * the first key that lives, and goes on at the beginning when it comes to the end.
 *
 * None of them keeps the loop for longer than a slice, and all that take several share one a turn.
 * SCAN returns before it has seen COUNT keys, as it always may; KEYS goes on in the next turn from where
 * it was, and so promises of what changes meanwhile what SCAN does; so does RANDOMKEY where most records
 * are of dead keys.  Within an EXEC or a script they cannot, and take as long as that may.  Values are not
 * brought in, and what is found is memory of the client, not of the server.  It is not copied in the end
 * either: of ten million keys it is 200 MB, and others would feel a tenth of a second of copying.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/xlog.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"

#include "base/clock.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/listing.h"
#include "kv/id.h"
#include "kv/position.h"

#define LISTING_SLICE_US 2000
#define LISTING_LOOK     64                 /* records between two looks at the clock */
#define LISTING_STEPS    100000             /* of matching between two of them */
#define SCAN_AT_LEAST    1000               /* records of a SCAN that asks for as many */
#define LISTING_HEAD     KV_HEAD_LIMIT(256) /* longer keys are read again */
#define LISTING_COPIED   ((Size) 64 * 1024) /* what is no more than this is copied to the reply */

typedef struct KvListing
{
	uint64 command; /* the client's number of commands: the same one goes on */
	bool under_way;
	PgfirstId next;
	PgfirstId start;   /* of RANDOMKEY */
	bool wrapped;      /* it has come to the end and goes on until there */
	RespSlice pattern; /* data NULL: all */
	size_t steps;      /* of matching, since the last look at the clock */
	bool endless;      /* a match was given up */
	bool typed;
	KvType type;
	RespBuffer found; /* bulk strings, to go behind the count */
	size_t count;
	bool counts; /* keys, and returns none */
} KvListing;

void
kv_session_drop_listing(KvSession *session)
{
	KvListing *listing = session->listing;

	session->listing = NULL;
	if (!listing)
		return;
	pgfirst_resp_buffer_free(&listing->found);
	session->reply.allocator.resize(session->reply.allocator.context, listing, 0);
}

void
kv_reply_no_memory(KvCall *call)
{
	kv_reply_error(call, "OOM the buffers of all clients together would exceed "
	                     "pgfirst.redis_client_memory");
}

/* NULL after answering that there is no memory. */
static KvListing *
listing_begin(KvCall *call)
{
	RespAllocator allocator = call->session->reply.allocator;
	KvListing *listing;

	kv_session_drop_listing(call->session);
	listing = allocator.resize(allocator.context, NULL, sizeof(KvListing));
	if (!listing)
	{
		kv_reply_no_memory(call);
		return NULL;
	}
	memset(listing, 0, sizeof(*listing));
	pgfirst_resp_buffer_init(&listing->found, allocator, call->reply->protocol);
	listing->command = call->session->commands;
	call->session->listing = listing;
	return listing;
}

static bool
listing_next(PgfirstWalk *walk, PgfirstRecord *record)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	bool there = pgfirst_walk_next(walk, record);

	/* The parts of a collection stand next to each other, and there may be a million. */
	while (there && kv_record_is_part(record))
	{
		PgfirstId id;
		uint64 incarnation = kv_id_incarnation(&record->id);

		there = incarnation < PG_UINT64_MAX;
		if (!there)
			break;
		kv_id_of_part(incarnation + 1, 0, &id);
		pgfirst_walk_seek(walk, &id);
		there = pgfirst_walk_next(walk, record);
	}
	MemoryContextSwitchTo(old);
	CHECK_FOR_INTERRUPTS();
	return there;
}

/* Brings in a long key, of which the walk has read only the beginning. */
static bool
listing_whole_key(KvCall *call, const PgfirstRecord *record, KvEntry *entry)
{
	Size length = KV_HEAD_LIMIT(entry->key.length);
	PgfirstId id = record->id;
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	PgfirstRecord whole;
	bool there = pgfirst_store_get(call->space->store, &id, length, &whole);

	MemoryContextSwitchTo(old);
	return there && kv_record_entry(call->space, &whole, call->now_ms, entry);
}

/* Adds the record's key if it matches; false if it is no living key of this space at all. */
static bool
listing_add(KvCall *call, KvListing *listing, const PgfirstRecord *record)
{
	KvEntry entry;

	if (!kv_record_entry(call->space, record, call->now_ms, &entry))
		return false;
	if (!listing->counts && KV_HEAD_LIMIT(entry.key.length) > LISTING_HEAD &&
	    !listing_whole_key(call, record, &entry))
		return false;
	listing->steps += entry.key.length;
	if (listing->typed && listing->type != entry.type)
		return true;
	if (listing->pattern.data)
	{
		size_t steps = KV_PATTERN_STEPS;
		bool matches = kv_pattern_matches(listing->pattern, entry.key, false, &steps);

		listing->steps += KV_PATTERN_STEPS - steps;
		listing->endless |= steps == 0;
		if (!matches)
			return true;
	}
	if (!listing->counts)
		pgfirst_resp_write_bulk(&listing->found, entry.key.data, entry.key.length);
	listing->count++;
	return true;
}

static void
listing_end(KvCall *call, KvListing *listing)
{
	pgfirst_resp_write_array(call->reply, listing->count);
	if (call->atomic || call->reply->failed || listing->found.length <= LISTING_COPIED)
		pgfirst_resp_write_raw(call->reply, listing->found.data, listing->found.length);
	else
		kv_session_hand_over(call->session, &listing->found);
	kv_session_drop_listing(call->session);
}

/* Whether it is to end, or to go on in another turn. */
static bool
listing_pauses(KvListing *listing, int64 seen, int64 deadline_us)
{
	if (listing->found.failed || listing->endless)
		return true;
	if (seen % LISTING_LOOK != 0 && listing->steps < LISTING_STEPS)
		return false;
	listing->steps = 0;
	return pgfirst_clock_monotonic_us() >= deadline_us;
}

/* Answers if there is nothing else to answer. */
static bool
listing_failed(KvCall *call, KvListing *listing)
{
	bool no_memory = listing->found.failed;

	if (!no_memory && !listing->endless)
		return false;
	kv_session_drop_listing(call->session);
	if (no_memory)
		kv_reply_no_memory(call);
	else
		kv_reply_pattern(call);
	return true;
}

static uint64
id_upper(const PgfirstId *id)
{
	uint64 upper;

	memcpy(&upper, id->bytes, sizeof(upper));
	return pg_ntoh64(upper);
}

/* Until when a slice may go on: within an EXEC or a script there is no other one. */
static int64
slice_deadline(const KvCall *call)
{
	return call->atomic ? call->until_us : pgfirst_clock_monotonic_us() + LISTING_SLICE_US;
}

/* There is more to see: in the next turn, unless this was all the time there is. */
static KvOutcome
listing_go_on(KvCall *call)
{
	if (!call->atomic)
		return KV_PARK_SLICE;
	kv_session_drop_listing(call->session);
	kv_reply_error(call, "ERR there are more keys than can be looked at within "
	                     "pgfirst.redis_script_timeout");
	return KV_DONE;
}

/* One slice; true when all have been seen, or when there is no memory for more. */
static bool
keys_slice(KvCall *call, KvListing *listing)
{
	int64 deadline_us = slice_deadline(call);
	PgfirstWalk *walk = pgfirst_store_walk(call->space->store, &listing->next, LISTING_HEAD);
	PgfirstRecord record;
	bool all = true;

	/* One at least, or a slow machine would never get on. */
	for (int64 seen = 1; listing_next(walk, &record); seen++)
	{
		if (seen > 1 && listing_pauses(listing, seen, deadline_us))
		{
			listing->next = record.id;
			all = listing->found.failed || listing->endless;
			break;
		}
		listing_add(call, listing, &record);
	}
	pgfirst_walk_end(walk);
	(void) kv_scratch();
	return all;
}

void
kv_slices_note_position(KvCall *call)
{
	if (!call->read_only && call->space->durability == PGFIRST_DURABLE)
		kv_position_note(GetXLogInsertRecPtr());
}

/* Goes through all keys, slice by slice; NULL if *outcome is what the command returns. */
static KvListing *
list_all(KvCall *call, RespSlice pattern, bool counts, KvOutcome *outcome)
{
	KvListing *listing = call->session->listing;

	/* What a slice sees must not be undone before the next one. */
	if (!call->atomic && (*call->sliced || pgfirst_store_changed()))
	{
		*outcome = KV_PARK_SLICE;
		return NULL;
	}
	*call->sliced = true;
	*outcome = KV_DONE;
	if (!listing || !listing->under_way || listing->command != call->session->commands)
		listing = listing_begin(call);
	if (!listing)
		return NULL;
	listing->under_way = false;
	listing->pattern = pattern;
	listing->counts = counts;
	if (!keys_slice(call, listing))
	{
		listing->under_way = true;
		*outcome = listing_go_on(call);
		return NULL;
	}
	if (listing_failed(call, listing))
		return NULL;
	kv_slices_note_position(call);
	return listing;
}

/* KEYS pattern */
KvOutcome
kv_cmd_keys(KvCall *call)
{
	KvOutcome outcome;
	KvListing *listing = list_all(call, kv_argument(call, 1), false, &outcome);

	if (listing)
		listing_end(call, listing);
	return outcome;
}

KvOutcome
kv_listing_count(KvCall *call)
{
	KvOutcome outcome;
	KvListing *listing = list_all(call, (RespSlice){NULL, 0}, true, &outcome);

	if (listing)
	{
		pgfirst_resp_write_integer(call->reply, (int64) listing->count);
		kv_session_drop_listing(call->session);
	}
	return outcome;
}

/* ---- RANDOMKEY --------------------------------------------------------------------------- */

/*
 * Goes on from listing->next to the end of the store, or to where it began; true if that was all, or
 * if it has found a key.
 */
static bool
random_walk(KvCall *call, KvListing *listing, int64 deadline_us)
{
	PgfirstWalk *walk = pgfirst_store_walk(call->space->store, &listing->next, LISTING_HEAD);
	PgfirstRecord record;
	bool all = true;

	for (int64 seen = 1; listing->count == 0 && listing_next(walk, &record); seen++)
	{
		if (listing->wrapped && memcmp(&record.id, &listing->start, sizeof(PgfirstId)) >= 0)
			break;
		if (seen > 1 && listing_pauses(listing, seen, deadline_us))
		{
			listing->next = record.id;
			all = listing->found.failed;
			break;
		}
		listing_add(call, listing, &record);
	}
	pgfirst_walk_end(walk);
	(void) kv_scratch();
	return all;
}

/* One slice; true at the end of the search. */
static bool
random_slice(KvCall *call, KvListing *listing)
{
	int64 deadline_us = slice_deadline(call);

	if (!random_walk(call, listing, deadline_us))
		return false;
	if (listing->count > 0 || listing->wrapped)
		return true;
	listing->wrapped = true;
	memset(&listing->next, 0, sizeof(listing->next));
	return random_walk(call, listing, deadline_us);
}

/* RANDOMKEY */
KvOutcome
kv_cmd_randomkey(KvCall *call)
{
	KvListing *listing = call->session->listing;
	bool goes_on = listing && listing->under_way && listing->command == call->session->commands;

	/* What a slice sees must not be undone before the next one; mostly one is enough. */
	if (goes_on && (*call->sliced || pgfirst_store_changed()))
		return KV_PARK_SLICE;
	if (!goes_on)
	{
		uint64 random[2] = {pg_prng_uint64(&pg_global_prng_state),
		                    pg_prng_uint64(&pg_global_prng_state)};

		listing = listing_begin(call);
		if (!listing)
			return KV_DONE;
		memcpy(&listing->start, random, sizeof(listing->start));
		listing->next = listing->start;
	}
	listing->under_way = false;
	*call->sliced |= goes_on;
	if (!random_slice(call, listing))
	{
		listing->under_way = !pgfirst_store_changed();
		return listing_go_on(call);
	}
	if (listing_failed(call, listing))
		return KV_DONE;
	if (goes_on)
		kv_slices_note_position(call);
	if (listing->count > 0)
		pgfirst_resp_write_raw(call->reply, listing->found.data, listing->found.length);
	else
		pgfirst_resp_write_null(call->reply);
	kv_session_drop_listing(call->session);
	return KV_DONE;
}

/* ---- SCAN -------------------------------------------------------------------------------- */

static bool
scan_options(KvCall *call, KvListing *listing, int64 *count)
{
	*count = 10;
	for (int i = 2; i < call->argc; i += 2)
	{
		if (i + 1 >= call->argc)
		{
			kv_reply_syntax(call);
			return false;
		}
		if (kv_argument_is(call, i, "MATCH"))
			listing->pattern = kv_argument(call, i + 1);
		else if (kv_argument_is(call, i, "TYPE"))
		{
			listing->typed = true;
			listing->type = kv_type_of(kv_argument(call, i + 1));
		}
		else if (!kv_argument_is(call, i, "COUNT"))
		{
			kv_reply_syntax(call);
			return false;
		}
		else if (!kv_argument_integer(call, i + 1, count))
			return false;
		else if (*count < 1)
		{
			kv_reply_syntax(call);
			return false;
		}
	}
	return true;
}

/*
 * Adds those of the next `count` keys from the hash `begin` on that match; returns the next cursor, 0 at
 * the end.  What the sweep has still to take away does not count, or a client would call in vain
 * again and again after FLUSHDB.
 */
static uint64
scan_batch(KvCall *call, KvListing *listing, int64 count, uint64 begin)
{
	int64 deadline_us = pgfirst_clock_monotonic_us() + LISTING_SLICE_US;
	uint64 from_upper = pg_hton64(begin);
	PgfirstId from = {{0}};
	PgfirstRecord record;
	PgfirstWalk *walk;
	uint64 cursor = 0;
	uint64 last = 0;
	int64 seen = 0;
	int64 keys = 0;

	memcpy(from.bytes, &from_upper, sizeof(from_upper));
	walk = pgfirst_store_walk(call->space->store, &from, LISTING_HEAD);
	while (listing_next(walk, &record))
	{
		uint64 here = kv_cursor_at(id_upper(&record.id));

		/* Records are cheap to see, patterns may not be. */
		if ((seen >= SCAN_AT_LEAST || listing->steps >= LISTING_STEPS) &&
		    listing_pauses(listing, seen, deadline_us))
			count = keys;
		if (keys >= count && seen > 0 && here != last)
		{
			cursor = here;
			break;
		}
		keys += listing_add(call, listing, &record);
		last = here;
		seen++;
	}
	pgfirst_walk_end(walk);
	(void) kv_scratch();
	return cursor;
}

bool
kv_scan_cursor(KvCall *call, int i, uint64 *from)
{
	RespSlice argument = kv_argument(call, i);
	uint64 cursor;
	char digits[24];
	char *end;

	if (argument.length > 0 && argument.length <= 20 && isdigit((unsigned char) *argument.data))
	{
		memcpy(digits, argument.data, argument.length);
		digits[argument.length] = '\0';
		errno = 0;
		cursor = strtoull(digits, &end, 10);
		if (errno == 0 && *end == '\0')
		{
			/* Higher ones were never given: nothing is there, or hardly anything. */
			*from = cursor >> KV_CURSOR_BITS ? PG_UINT64_MAX : cursor << (64 - KV_CURSOR_BITS);
			return true;
		}
	}
	kv_reply_error(call, "ERR invalid cursor");
	return false;
}

void
kv_scan_write_cursor(KvCall *call, uint64 cursor)
{
	char digits[24];

	snprintf(digits, sizeof(digits), UINT64_FORMAT, cursor);
	pgfirst_resp_write_text(call->reply, digits);
}

/* SCAN cursor [MATCH pattern] [COUNT count] [TYPE type] */
KvOutcome
kv_cmd_scan(KvCall *call)
{
	KvListing *listing;
	uint64 from;
	uint64 cursor;
	int64 count;

	if (!kv_scan_cursor(call, 1, &from) || !(listing = listing_begin(call)))
		return KV_DONE;
	if (!scan_options(call, listing, &count))
	{
		kv_session_drop_listing(call->session);
		return KV_DONE;
	}
	cursor = scan_batch(call, listing, count, from);
	if (listing_failed(call, listing))
		return KV_DONE;
	pgfirst_resp_write_array(call->reply, 2);
	kv_scan_write_cursor(call, cursor);
	listing_end(call, listing);
	return KV_DONE;
}
