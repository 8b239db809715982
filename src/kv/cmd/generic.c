/* SPDX-License-Identifier: PostgreSQL
 *
 * generic.c: commands on keys of any type.
 */
#include "postgres.h"

#include <ctype.h>

#include "common/int.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"

#include "kv/cmd/commands.h"
#include "lib/glob/glob.h"
#include "lib/number/number.h"

static bool
find_key(KvCall *call, int i, KvEntry *entry)
{
	return kv_key_read(call->space, kv_argument(call, i), call->now_ms, false, entry);
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
	int64 found = 0;
	KvEntry entry;

	for (int i = 1; i < call->argc; i++)
		found += find_key(call, i, &entry);
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
 */
typedef struct Listing
{
	RespSlice pattern; /* data NULL: all */
	bool typed;
	KvType type;
	RespBuffer found; /* bulk strings, to go behind the count */
	size_t count;
} Listing;

static void
listing_begin(KvCall *call, Listing *listing)
{
	memset(listing, 0, sizeof(*listing));
	pgfirst_resp_buffer_init(&listing->found, kv_turn_memory, call->reply->protocol);
}

static void
listing_add(KvCall *call, Listing *listing, const PgfirstRecord *record)
{
	KvEntry entry;

	if (!kv_record_entry(call->space, record, call->now_ms, &entry))
		return;
	if (listing->typed && listing->type != entry.type)
		return;
	if (listing->pattern.data && !pgfirst_glob_match(listing->pattern.data, listing->pattern.length,
	                                                 entry.key.data, entry.key.length, false))
		return;
	pgfirst_resp_write_bulk(&listing->found, entry.key.data, entry.key.length);
	listing->count++;
}

static void
listing_end(KvCall *call, Listing *listing)
{
	pgfirst_resp_write_array(call->reply, listing->count);
	pgfirst_resp_write_raw(call->reply, listing->found.data, listing->found.length);
	pgfirst_resp_buffer_free(&listing->found);
}

static uint64
id_upper(const PgfirstId *id)
{
	uint64 upper;

	memcpy(&upper, id->bytes, sizeof(upper));
	return pg_ntoh64(upper);
}

/* KEYS pattern */
KvOutcome
kv_cmd_keys(KvCall *call)
{
	Listing listing;
	PgfirstRecord record;
	PgfirstWalk *walk = pgfirst_store_walk(call->space->store, NULL, SIZE_MAX);

	listing_begin(call, &listing);
	listing.pattern = kv_argument(call, 1);
	while (pgfirst_walk_next(walk, &record))
	{
		CHECK_FOR_INTERRUPTS();
		listing_add(call, &listing, &record);
	}
	pgfirst_walk_end(walk);
	listing_end(call, &listing);
	return KV_DONE;
}

static bool
scan_options(KvCall *call, Listing *listing, int64 *count)
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

/* Adds what `count` records from *cursor on hold; *cursor becomes the next one, 0 at the end. */
static void
scan_batch(KvCall *call, Listing *listing, int64 count, uint64 *cursor)
{
	uint64 from_upper = pg_hton64(*cursor);
	PgfirstId from = {{0}};
	PgfirstRecord record;
	PgfirstWalk *walk;
	uint64 last = 0;
	int64 seen = 0;

	memcpy(from.bytes, &from_upper, sizeof(from_upper));
	walk = pgfirst_store_walk(call->space->store, &from, SIZE_MAX);
	*cursor = 0;
	while (pgfirst_walk_next(walk, &record))
	{
		uint64 upper = id_upper(&record.id);

		CHECK_FOR_INTERRUPTS();
		if (seen >= count && upper != last)
		{
			*cursor = upper;
			break;
		}
		listing_add(call, listing, &record);
		last = upper;
		seen++;
	}
	pgfirst_walk_end(walk);
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
	Listing listing;
	uint64 cursor;
	int64 count;
	char digits[24];

	if (!scan_cursor(call, &cursor))
		return KV_DONE;
	listing_begin(call, &listing);
	if (!scan_options(call, &listing, &count))
		return KV_DONE;
	scan_batch(call, &listing, count, &cursor);
	pgfirst_resp_write_array(call->reply, 2);
	snprintf(digits, sizeof(digits), UINT64_FORMAT, cursor);
	pgfirst_resp_write_text(call->reply, digits);
	listing_end(call, &listing);
	return KV_DONE;
}
