/* SPDX-License-Identifier: PostgreSQL
 *
 * generic.c: commands on keys of any type.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/xlog.h"
#include "common/int.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"

#include "base/clock.h"
#include "kv/cmd/commands.h"
#include "kv/position.h"
#include "lib/number/number.h"

/* Type and expiry; the bytes are forgotten, for there may be a million keys in one command. */
static bool
find_key(KvCall *call, int i, KvEntry *entry)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	bool found = kv_key_read(call->space, kv_argument(call, i), call->now_ms, false, entry);

	MemoryContextSwitchTo(old);
	entry->key = entry->value = (RespSlice){NULL, 0};
	(void) kv_scratch();
	return found;
}

/* DEL key [key ...] */
KvOutcome
kv_cmd_del(KvCall *call)
{
	int64 deleted = 0;
	KvEntry entry;

	for (int i = 1; i < call->argc; i++)
	{
		if (!find_key(call, i, &entry))
			continue;
		kv_key_delete(call->space, kv_argument(call, i));
		deleted++;
	}
	pgfirst_resp_write_integer(call->reply, deleted);
	return KV_DONE;
}

/* EXISTS key [key ...]: a key named twice counts twice. */
KvOutcome
kv_cmd_exists(KvCall *call)
{
	int tries = kv_tries_together(call->argc);
	int64 found;
	KvEntry entry;

	do
	{
		found = 0;
		pgfirst_store_together_begin(call->space->store);
		for (int i = 1; i < call->argc; i++)
			found += find_key(call, i, &entry);
	} while (!pgfirst_store_together_end() && --tries > 0);
	pgfirst_resp_write_integer(call->reply, found);
	return KV_DONE;
}

/* TYPE key */
KvOutcome
kv_cmd_type(KvCall *call)
{
	KvEntry entry;

	(void) find_key(call, 1, &entry);
	pgfirst_resp_write_simple(call->reply, kv_type_name(entry.type));
	return KV_DONE;
}

/* ---- expiry ------------------------------------------------------------------------------ */

typedef enum ExpireFlag
{
	EXPIRE_NX = 1, /* only if the key has no expiry */
	EXPIRE_XX = 2, /* only if it has one */
	EXPIRE_GT = 4, /* only if the new one is later; none counts as latest */
	EXPIRE_LT = 8  /* only if it is earlier */
} ExpireFlag;

static bool
expire_flags(KvCall *call, int *flags)
{
	static const struct
	{
		const char *word;
		int flag;
	} words[] = {{"NX", EXPIRE_NX}, {"XX", EXPIRE_XX}, {"GT", EXPIRE_GT}, {"LT", EXPIRE_LT}};

	*flags = 0;
	for (int i = 3; i < call->argc; i++)
	{
		int w = 0;

		while (w < (int) lengthof(words) && !kv_argument_is(call, i, words[w].word))
			w++;
		if (w == (int) lengthof(words))
		{
			RespSlice option = kv_argument(call, i);

			kv_reply_error(call, "ERR Unsupported option %.*s", (int) Min(option.length, 128),
			               option.data);
			return false;
		}
		*flags |= words[w].flag;
	}
	if ((*flags & EXPIRE_NX) && (*flags & ~EXPIRE_NX))
	{
		kv_reply_error(call, "ERR NX and XX, GT or LT options at the same time are not compatible");
		return false;
	}
	if ((*flags & EXPIRE_GT) && (*flags & EXPIRE_LT))
	{
		kv_reply_error(call, "ERR GT and LT options at the same time are not compatible");
		return false;
	}
	return true;
}

static bool
expire_applies(int flags, int64 old, int64 new)
{
	if ((flags & EXPIRE_NX) && old != 0)
		return false;
	if ((flags & EXPIRE_XX) && old == 0)
		return false;
	if ((flags & EXPIRE_GT) && (old == 0 || new <= old))
		return false;
	if ((flags & EXPIRE_LT) && old != 0 && new >= old)
		return false;
	return true;
}

static KvOutcome
expire(KvCall *call, int64 unit_ms)
{
	RespSlice key = kv_argument(call, 1);
	KvEntry entry;
	int64 expiry;
	int flags;

	if (!expire_flags(call, &flags) || !kv_argument_integer(call, 2, &expiry))
		return KV_DONE;
	if (pg_mul_s64_overflow(expiry, unit_ms, &expiry) ||
	    pg_add_s64_overflow(expiry, call->now_ms, &expiry))
	{
		kv_reply_error(call, "ERR invalid expire time in '%s' command", call->command->name);
		return KV_DONE;
	}
	if (!find_key(call, 1, &entry) || !expire_applies(flags, entry.expiry, expiry))
	{
		pgfirst_resp_write_integer(call->reply, 0);
		return KV_DONE;
	}
	if (expiry <= call->now_ms)
		kv_key_delete(call->space, key);
	else
		kv_key_expire(call->space, key, expiry);
	pgfirst_resp_write_integer(call->reply, 1);
	return KV_DONE;
}

/* EXPIRE key seconds [NX | XX | GT | LT] */
KvOutcome
kv_cmd_expire(KvCall *call)
{
	return expire(call, 1000);
}

/* PEXPIRE key milliseconds [NX | XX | GT | LT] */
KvOutcome
kv_cmd_pexpire(KvCall *call)
{
	return expire(call, 1);
}

/* PERSIST key */
KvOutcome
kv_cmd_persist(KvCall *call)
{
	KvEntry entry;
	bool change = find_key(call, 1, &entry) && entry.expiry != 0;

	if (change)
		kv_key_expire(call->space, kv_argument(call, 1), 0);
	pgfirst_resp_write_integer(call->reply, change);
	return KV_DONE;
}

/* -2: no such key, -1: no expiry. */
static int64
time_to_live_ms(KvCall *call)
{
	KvEntry entry;

	if (!find_key(call, 1, &entry))
		return -2;
	return entry.expiry == 0 ? -1 : entry.expiry - call->now_ms;
}

/* TTL key: rounded to the nearest second, as Redis does */
KvOutcome
kv_cmd_ttl(KvCall *call)
{
	int64 ms = time_to_live_ms(call);

	pgfirst_resp_write_integer(call->reply, ms < 0 ? ms : (ms + 500) / 1000);
	return KV_DONE;
}

/* PTTL key */
KvOutcome
kv_cmd_pttl(KvCall *call)
{
	pgfirst_resp_write_integer(call->reply, time_to_live_ms(call));
	return KV_DONE;
}

/* ---- KEYS and SCAN ----------------------------------------------------------------------- */

/*
 * Both walk the store in id order, which is the order of the keys' hashes.  SCAN's cursor is the
 * upper half of the next id: it needs no memory in the server, stays valid for ever, and a key that
 * is there throughout is returned exactly once.  Records whose ids share the upper half are
 * returned together.
 *
 * Neither keeps the loop for longer than a slice.  SCAN returns before it has seen COUNT keys,
 * as it always may; KEYS goes on in the next turn from where it was, and so promises of what
 * changes meanwhile what SCAN does; within EXEC it cannot, and takes as long as it takes.  Values are not brought in, and what is found is memory of the
 * client, not of the server.
 */
#define LISTING_SLICE_US 2000
#define LISTING_LOOK     64                 /* records between two looks at the clock */
#define LISTING_STEPS    100000             /* of matching between two of them */
#define SCAN_AT_LEAST    1000               /* records of a SCAN that asks for as many */
#define LISTING_HEAD     KV_HEAD_LIMIT(256) /* longer keys are read again */

typedef struct KvListing
{
	uint64 command; /* the client's number of commands: the same one goes on */
	bool under_way;
	PgfirstId next;
	RespSlice pattern; /* data NULL: all */
	size_t steps;      /* of matching, since the last look at the clock */
	bool endless;      /* a match was given up */
	bool typed;
	KvType type;
	RespBuffer found; /* bulk strings, to go behind the count */
	size_t count;
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

static void
reply_no_memory(KvCall *call)
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
		reply_no_memory(call);
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
	if (KV_HEAD_LIMIT(entry.key.length) > LISTING_HEAD && !listing_whole_key(call, record, &entry))
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
	pgfirst_resp_write_bulk(&listing->found, entry.key.data, entry.key.length);
	listing->count++;
	return true;
}

static void
listing_end(KvCall *call, KvListing *listing)
{
	pgfirst_resp_write_array(call->reply, listing->count);
	pgfirst_resp_write_raw(call->reply, listing->found.data, listing->found.length);
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
		reply_no_memory(call);
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

/* One slice; true when all have been seen, or when there is no memory for more. */
static bool
keys_slice(KvCall *call, KvListing *listing)
{
	int64 deadline_us =
	    call->atomic ? PG_INT64_MAX : pgfirst_clock_monotonic_us() + LISTING_SLICE_US;
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

/* KEYS pattern */
KvOutcome
kv_cmd_keys(KvCall *call)
{
	KvListing *listing = call->session->listing;

	/* What a slice sees must not be undone before the next one. */
	if (pgfirst_store_changed() && !call->atomic)
		return KV_PARK_TURN;
	if (!listing || !listing->under_way || listing->command != call->session->commands)
		listing = listing_begin(call);
	if (!listing)
		return KV_DONE;
	listing->under_way = false;
	listing->pattern = kv_argument(call, 1);
	if (!keys_slice(call, listing))
	{
		listing->under_way = true;
		return KV_PARK_TURN;
	}
	if (listing_failed(call, listing))
		return KV_DONE;
	/* Earlier slices have read what is committed since, and is perhaps not yet durable. */
	if (!call->read_only && call->space->durability == PGFIRST_DURABLE)
		kv_position_note(GetXLogInsertRecPtr());
	listing_end(call, listing);
	return KV_DONE;
}

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
			listing->type = kv_argument_is(call, i + 1, "string") ? KV_TYPE_STRING : KV_TYPE_NONE;
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
 * Adds those of the next `count` keys from *cursor on that match; *cursor becomes the next one, 0 at
 * the end.  What the sweep has still to take away does not count, or a client would call in vain
 * again and again after FLUSHDB.
 */
static void
scan_batch(KvCall *call, KvListing *listing, int64 count, uint64 *cursor)
{
	int64 deadline_us = pgfirst_clock_monotonic_us() + LISTING_SLICE_US;
	uint64 from_upper = pg_hton64(*cursor);
	PgfirstId from = {{0}};
	PgfirstRecord record;
	PgfirstWalk *walk;
	uint64 last = 0;
	int64 seen = 0;
	int64 keys = 0;

	memcpy(from.bytes, &from_upper, sizeof(from_upper));
	walk = pgfirst_store_walk(call->space->store, &from, LISTING_HEAD);
	*cursor = 0;
	while (listing_next(walk, &record))
	{
		uint64 upper = id_upper(&record.id);

		/* Records are cheap to see, patterns may not be. */
		if ((seen >= SCAN_AT_LEAST || listing->steps >= LISTING_STEPS) &&
		    listing_pauses(listing, seen, deadline_us))
			count = keys;
		if (keys >= count && seen > 0 && upper != last)
		{
			*cursor = upper;
			break;
		}
		keys += listing_add(call, listing, &record);
		last = upper;
		seen++;
	}
	pgfirst_walk_end(walk);
	(void) kv_scratch();
}

static bool
scan_cursor(KvCall *call, uint64 *cursor)
{
	RespSlice argument = kv_argument(call, 1);
	char digits[24];
	char *end;

	if (argument.length > 0 && argument.length <= 20 && isdigit((unsigned char) *argument.data))
	{
		memcpy(digits, argument.data, argument.length);
		digits[argument.length] = '\0';
		errno = 0;
		*cursor = strtoull(digits, &end, 10);
		if (errno == 0 && *end == '\0')
			return true;
	}
	kv_reply_error(call, "ERR invalid cursor");
	return false;
}

/* SCAN cursor [MATCH pattern] [COUNT count] [TYPE type] */
KvOutcome
kv_cmd_scan(KvCall *call)
{
	KvListing *listing;
	uint64 cursor;
	int64 count;
	char digits[24];

	if (!scan_cursor(call, &cursor) || !(listing = listing_begin(call)))
		return KV_DONE;
	if (!scan_options(call, listing, &count))
	{
		kv_session_drop_listing(call->session);
		return KV_DONE;
	}
	scan_batch(call, listing, count, &cursor);
	if (listing_failed(call, listing))
		return KV_DONE;
	pgfirst_resp_write_array(call->reply, 2);
	snprintf(digits, sizeof(digits), UINT64_FORMAT, cursor);
	pgfirst_resp_write_text(call->reply, digits);
	listing_end(call, listing);
	return KV_DONE;
}
