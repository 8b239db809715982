/* SPDX-License-Identifier: PostgreSQL
 *
 * slowlog.c: SLOWLOG: the commands that took longest; see slowlog.h.
 *
 * Entries are of very different lengths: most have three short words, some have thirty-two long ones.
 * So they stand one behind the other in a ring of bytes, and a ring of places says where:
 *
 *     places   [first % PLACES] … [next % PLACES]     position, length, tenant, number
 *     bytes    … | 12 | 13 | 14 | <- end (positions count on for ever, modulo the ring's size)
 *
 * What is written overwrites the oldest, which then is not there any more.  Slow commands are rare; one
 * lock for all workers is enough, and nothing is done under it but copying.
 *
 * As in Redis an entry has at most 32 arguments, of 128 bytes each, and says what it leaves out; and
 * what is measured is the execution: neither the waiting for a lock, a turn or the disk.
 *
 * To read the clock twice for each command would cost a pipeline of small ones several percent.  A command
 * that takes longer than a tick of the kernel sees the coarse clock move, which is cheap to read; so only
 * who has seen that reads the exact one.  When the command began is then known from when the loop last
 * looked, at most some dozens of quick commands earlier.  Where less than a tick counts as slow, the clock
 * is read after every command.
 *
 * Passwords are not logged: the arguments of AUTH and HELLO are not.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "port/atomics.h"
#include "storage/lwlock.h"

#include "base/clock.h"
#include "base/shmem.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/server.h"
#include "kv/cmd/slowlog.h"
#include "lib/number/number.h"

#define SLOWLOG_BYTES      (512 * 1024)
#define SLOWLOG_PLACES     1024
#define SLOWLOG_ARGUMENTS  32
#define SLOWLOG_WORD       128
#define SLOWLOG_SLOWER     10000 /* microseconds, as in Redis */
#define SLOWLOG_LENGTH     128
#define SLOWLOG_GET_NUMBER 10

typedef struct SlowlogPlace
{
	uint64 position; /* of the entry's first byte */
	uint32 length;
	uint32 tenant;
	uint64 number;
	bool gone; /* its tenant has emptied the log */
} SlowlogPlace;

typedef struct SlowlogShared
{
	pg_atomic_uint64 slower_than; /* of an int64 */
	pg_atomic_uint64 max_len;
	int tranche;

	LWLock lock;  /* guards what follows */
	uint64 first; /* places [first, next) are in use */
	uint64 next;
	uint64 end; /* position behind the last entry */
	SlowlogPlace places[SLOWLOG_PLACES];
	char bytes[SLOWLOG_BYTES];
} SlowlogShared;

/* What an entry's bytes begin with; words follow, each as a length and its bytes. */
typedef struct SlowlogHead
{
	int64 at; /* seconds since 1970 */
	int64 took_us;
	uint32 words; /* arguments, then the address and the name of the client */
} SlowlogHead;

static SlowlogShared *shared;

bool
kv_slowlog_may_be(void)
{
	static int64 tick_us;
	static int64 seen_us;
	int64 slower_than = (int64) pg_atomic_read_u64(&shared->slower_than);
	int64 before_us = seen_us;

	if (slower_than < 0)
		return false;
	if (tick_us == 0)
		tick_us = pgfirst_clock_tick_us();
	if (slower_than < tick_us)
		return true;
	seen_us = pgfirst_clock_coarse_us();
	return seen_us != before_us;
}

/* ---- writing ----------------------------------------------------------------------------- */

static void
put_word(StringInfo entry, const char *bytes, Size length)
{
	uint32 size = (uint32) length;

	appendBinaryStringInfo(entry, (const char *) &size, sizeof(size));
	appendBinaryStringInfo(entry, bytes, (int) length);
}

static void
put_text(StringInfo entry, const char *words)
{
	put_word(entry, words, strlen(words));
}

static bool
is_secret(const KvCommand *command)
{
	return command->function == kv_cmd_auth || command->function == kv_cmd_hello;
}

static void
put_argument(StringInfo entry, const KvCall *call, int i, int shown)
{
	RespSlice argument = kv_argument(call, i);

	if (i == shown - 1 && shown < call->argc)
		put_text(entry, psprintf("... (%d more arguments)", call->argc - shown + 1));
	else if (i > 0 && is_secret(call->command))
		put_text(entry, "(redacted)");
	else if (argument.length > SLOWLOG_WORD)
	{
		char more[64];
		int length =
		    snprintf(more, sizeof(more), "... (%zu more bytes)", argument.length - SLOWLOG_WORD);
		uint32 size = SLOWLOG_WORD + (uint32) length;

		appendBinaryStringInfo(entry, (const char *) &size, sizeof(size));
		appendBinaryStringInfo(entry, argument.data, SLOWLOG_WORD);
		appendBinaryStringInfo(entry, more, length);
	}
	else
		put_word(entry, argument.data, argument.length);
}

/* Copies to or from the ring, across its end if need be. */
static void
ring_copy(uint64 position, char *bytes, Size length, bool to_ring)
{
	while (length > 0)
	{
		Size at = position % SLOWLOG_BYTES;
		Size piece = Min(length, SLOWLOG_BYTES - at);

		if (to_ring)
			memcpy(shared->bytes + at, bytes, piece);
		else
			memcpy(bytes, shared->bytes + at, piece);
		position += piece;
		bytes += piece;
		length -= piece;
	}
}

/* Drops the oldest until no more than this number of places and bytes are in use. */
static void
drop_oldest(uint64 places, uint64 bytes)
{
	while (shared->next - shared->first > places ||
	       (shared->first < shared->next &&
	        shared->end - shared->places[shared->first % SLOWLOG_PLACES].position > bytes))
		shared->first++;
}

static uint64
places_max(void)
{
	return Min(pg_atomic_read_u64(&shared->max_len), SLOWLOG_PLACES);
}

static void
entry_append(StringInfo entry, uint32 tenant)
{
	SlowlogPlace *place;
	uint64 places = places_max();

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	if (places > 0)
		drop_oldest(places - 1, SLOWLOG_BYTES - (uint64) entry->len);
	place = &shared->places[shared->next % SLOWLOG_PLACES];
	/* A number is given also to what is not kept. */
	*place = (SlowlogPlace){shared->end, (uint32) entry->len, tenant, shared->next, false};
	ring_copy(shared->end, entry->data, (Size) entry->len, true);
	shared->end += (uint64) entry->len;
	shared->next++;
	drop_oldest(places, SLOWLOG_BYTES);
	LWLockRelease(&shared->lock);
}

void
kv_slowlog_note(const KvCall *call, int64 took_us)
{
	int64 slower_than = (int64) pg_atomic_read_u64(&shared->slower_than);
	int shown = Min(call->argc, SLOWLOG_ARGUMENTS);
	SlowlogHead head;
	StringInfoData entry;

	if (slower_than < 0 || took_us < slower_than)
		return;
	head = (SlowlogHead){pgfirst_clock_wall_us() / 1000000, took_us, (uint32) shown + 2};
	initStringInfo(&entry);
	appendBinaryStringInfo(&entry, (const char *) &head, sizeof(head));
	for (int i = 0; i < shown; i++)
		put_argument(&entry, call, i, shown);
	put_text(&entry, call->session->address);
	put_text(&entry, call->session->name ? call->session->name : "");
	entry_append(&entry, call->session->tenant);
	pfree(entry.data);
}

/* ---- reading ----------------------------------------------------------------------------- */

static bool
is_of(const SlowlogPlace *place, const KvCall *call)
{
	return !place->gone && place->tenant == call->session->tenant;
}

/* Writes the word at *bytes and moves on. */
static void
reply_word(RespBuffer *reply, const char **bytes)
{
	uint32 length;

	memcpy(&length, *bytes, sizeof(length));
	pgfirst_resp_write_bulk(reply, *bytes + sizeof(length), length);
	*bytes += sizeof(length) + length;
}

static void
reply_entry(RespBuffer *reply, uint64 number, const char *bytes)
{
	SlowlogHead head;

	memcpy(&head, bytes, sizeof(head));
	bytes += sizeof(head);
	pgfirst_resp_write_array(reply, 6);
	pgfirst_resp_write_integer(reply, (int64) number);
	pgfirst_resp_write_integer(reply, head.at);
	pgfirst_resp_write_integer(reply, head.took_us);
	pgfirst_resp_write_array(reply, head.words - 2);
	for (uint32 i = 0; i < head.words; i++)
		reply_word(reply, &bytes);
}

/* SLOWLOG GET [count] */
KvOutcome
kv_cmd_slowlog_get(KvCall *call)
{
	int64 wanted = SLOWLOG_GET_NUMBER;
	SlowlogPlace *places;
	char *copies;
	Size used = 0;
	int count = 0;

	if (call->argc > 3)
	{
		kv_reply_subcommand_syntax(call);
		return KV_DONE;
	}
	if (call->argc == 3)
	{
		RespSlice argument = kv_argument(call, 2);

		if (!pgfirst_int64_parse(argument.data, argument.length, &wanted) || wanted < -1)
		{
			kv_reply_error(call, "ERR count should be greater than or equal to -1");
			return KV_DONE;
		}
	}
	if (wanted < 0 || wanted > SLOWLOG_PLACES)
		wanted = SLOWLOG_PLACES;

	places = palloc(sizeof(SlowlogPlace) * SLOWLOG_PLACES);
	copies = palloc(SLOWLOG_BYTES);
	LWLockAcquire(&shared->lock, LW_SHARED);
	for (uint64 i = shared->next; i-- > shared->first && count < wanted;)
	{
		const SlowlogPlace *place = &shared->places[i % SLOWLOG_PLACES];

		if (!is_of(place, call))
			continue;
		ring_copy(place->position, copies + used, place->length, false);
		used += place->length;
		places[count++] = *place;
	}
	LWLockRelease(&shared->lock);

	pgfirst_resp_write_array(call->reply, (size_t) count);
	used = 0;
	for (int i = 0; i < count; i++)
	{
		reply_entry(call->reply, places[i].number, copies + used);
		used += places[i].length;
	}
	pfree(copies);
	pfree(places);
	return KV_DONE;
}

/* SLOWLOG LEN */
KvOutcome
kv_cmd_slowlog_len(KvCall *call)
{
	int64 count = 0;

	LWLockAcquire(&shared->lock, LW_SHARED);
	for (uint64 i = shared->first; i < shared->next; i++)
		count += is_of(&shared->places[i % SLOWLOG_PLACES], call);
	LWLockRelease(&shared->lock);
	pgfirst_resp_write_integer(call->reply, count);
	return KV_DONE;
}

/* SLOWLOG RESET: the numbers go on. */
KvOutcome
kv_cmd_slowlog_reset(KvCall *call)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	for (uint64 i = shared->first; i < shared->next; i++)
	{
		SlowlogPlace *place = &shared->places[i % SLOWLOG_PLACES];

		place->gone |= place->tenant == call->session->tenant;
	}
	LWLockRelease(&shared->lock);
	kv_reply_ok(call);
	return KV_DONE;
}

/* ---- settings and start ------------------------------------------------------------------ */

void
kv_slowlog_set_slower_than(int64 microseconds)
{
	pg_atomic_write_u64(&shared->slower_than, (uint64) microseconds);
}

void
kv_slowlog_set_max_len(int64 entries)
{
	pg_atomic_write_u64(&shared->max_len, (uint64) entries);
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	drop_oldest(places_max(), SLOWLOG_BYTES);
	LWLockRelease(&shared->lock);
}

static void
slowlog_shared_init(void *fresh)
{
	SlowlogShared *fresh_shared = fresh;

	pg_atomic_init_u64(&fresh_shared->slower_than, SLOWLOG_SLOWER);
	pg_atomic_init_u64(&fresh_shared->max_len, SLOWLOG_LENGTH);
	fresh_shared->tranche = LWLockNewTrancheId();
	LWLockRegisterTranche(fresh_shared->tranche, "pgfirst_slowlog");
	LWLockInitialize(&fresh_shared->lock, fresh_shared->tranche);
}

void
kv_slowlog_init(void)
{
	pgfirst_shmem_request("pgfirst kv slowlog", sizeof(SlowlogShared), (void **) &shared,
	                      slowlog_shared_init);
}
