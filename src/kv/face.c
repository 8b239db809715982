/* SPDX-License-Identifier: PostgreSQL
 *
 * face.c: the keys of a database as a function that SQL calls sees them; see kv.h.
 *
 * The functions of kv itself (sql.c) and those of the capabilities that are faces of kv go the same way to
 * the same records.  pgfirst_kv_open() is the only place where it is decided whose keys a call is about.
 *
 * Every read ends in pgfirst_kv_shown(): what others have committed may not be durable yet, and nobody is
 * told what a crash could take back.
 */
#include "postgres.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/flush.h"
#include "kv/cmd/command.h"
#include "kv/cmd/stats.h"
#include "kv/count.h"
#include "kv/database.h"
#include "kv/kv.h"
#include "kv/limit.h"
#include "kv/position.h"
#include "kv/type/collection.h"
#include "kv/type/key.h"

#define UNIX_EPOCH_USECS ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

#define READ_AHEAD 32 /* keys that are on their way while the first of them is read */

#define SWEEP_RECORDS 800 /* looked at in one step, fewer than a transaction may lock */
#define TIDY_LEAVES   256

/* ---- a call ------------------------------------------------------------------------------ */

static void
call_begin(PgfirstKvAccess access)
{
	kv_spaces_forget();
	kv_position_reset();
	if (kv_databases_ready(true) != KV_READY)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("extension pgfirst_kv is not installed in this database"),
		                errhint("CREATE EXTENSION pgfirst CASCADE installs it.")));
	if (access == PGFIRST_KV_READ)
		return;
	/* Before any lock: a standby has none of the kind that a writer takes. */
	PreventCommandIfReadOnly("a change of keys");
	PreventCommandIfParallelMode("a change of keys");
	PreventCommandDuringRecovery("a change of keys");
}

PgfirstKv *
pgfirst_kv_open(int number, PgfirstKvAccess access)
{
	KvSpace *space;

	call_begin(access);
	space = kv_space_open(number, access != PGFIRST_KV_READ, true);
	if (access == PGFIRST_KV_GROW)
		kv_limit_require(number);
	return space;
}

PgfirstKv *
pgfirst_kv_open_many(int number, PgfirstKvAccess access, Size keys)
{
	bool all = (Size) pgfirst_store_locks() + keys > PGFIRST_LOCKS_MAX;
	KvSpace *space;

	call_begin(access);
	/* Who may not write is not to wait for room or for writers, with others in line behind it. */
	kv_space_enter(number, true);
	if (access == PGFIRST_KV_GROW && kv_space_open(number, false, true))
		kv_limit_require(number);
	/* Before the lock that every writer takes, which two who then wanted this one would both hold. */
	if (all && kv_space_open(number, false, true))
	{
		LockRelationOid(kv_database_relation(number), ShareRowExclusiveLock);
		/* Opened anew, to stay in the epoch in which the transaction began to change keys. */
		kv_spaces_forget();
	}
	space = kv_space_open(number, true, true);
	if (all)
		(void) pgfirst_store_lock_all(space->store, true);
	return space;
}

void
pgfirst_kv_shown(void)
{
	/* What the transaction itself has changed is its own business until it commits. */
	pgfirst_flush_wait(kv_position_others());
}

/* ---- keys -------------------------------------------------------------------------------- */

static void
entry_set(PgfirstKvEntry *entry, bool found, const KvEntry *read)
{
	entry->found = found;
	if (!found)
		return;
	entry->type = kv_type_name(read->type);
	entry->expiry = read->expiry;
	entry->key = read->key;
	entry->value = read->value;
	entry->value_length = read->value_length;
}

bool
pgfirst_kv_read(PgfirstKv *kv, RespSlice key, int64 now_ms, PgfirstKvEntry *entry)
{
	return pgfirst_kv_read_part(kv, key, now_ms, SIZE_MAX, entry);
}

bool
pgfirst_kv_read_part(PgfirstKv *kv, RespSlice key, int64 now_ms, Size limit, PgfirstKvEntry *entry)
{
	KvEntry read;
	bool found = kv_key_read_part(kv, key, now_ms, limit, &read);

	pgfirst_kv_shown();
	if (found && read.type != KV_TYPE_STRING)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
		                errmsg("the key holds a %s, not a string", kv_type_name(read.type))));
	entry_set(entry, found, &read);
	return found;
}

bool
pgfirst_kv_find(PgfirstKv *kv, RespSlice key, int64 now_ms, PgfirstKvEntry *entry)
{
	KvEntry read;
	bool found = kv_key_read(kv, key, now_ms, false, &read);

	pgfirst_kv_shown();
	entry_set(entry, found, &read);
	return found;
}

void
pgfirst_kv_read_together(PgfirstKv *kv, int tries, void (*read)(void *context), void *context)
{
	MemoryContext values =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst values", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(values);

	do
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(values);
		pgfirst_store_together_begin(kv->store);
		read(context);
	} while (!pgfirst_store_together_end() && --tries > 0);
	MemoryContextSwitchTo(caller);
	pgfirst_kv_shown();
}

typedef struct ReadMany
{
	PgfirstKv *kv;
	const RespSlice *keys;
	int count;
	int64 now_ms;
	PgfirstKvEntry *entries;
} ReadMany;

static void
read_strings(void *context)
{
	ReadMany *many = context;

	for (int i = 0; i < many->count; i++)
	{
		KvEntry read;
		bool found;

		if (i % READ_AHEAD == 0)
			kv_keys_prefetch(many->kv, many->keys + i, NULL, Min(many->count - i, READ_AHEAD));
		found = kv_key_read(many->kv, many->keys[i], many->now_ms, true, &read) &&
		        read.type == KV_TYPE_STRING;
		entry_set(&many->entries[i], found, &read);
	}
}

void
pgfirst_kv_read_many(PgfirstKv *kv, const RespSlice *keys, int count, int64 now_ms,
                     PgfirstKvEntry *entries)
{
	ReadMany many = {kv, keys, count, now_ms, entries};

	/* As with MGET, only a call on very many keys gives up and tells what it has read last. */
	pgfirst_kv_read_together(kv, kv_tries_together(Max(count, 1)), read_strings, &many);
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(PgfirstId));
}

void
pgfirst_kv_lock(PgfirstKv *kv, const RespSlice *keys, int count, bool conditional)
{
	PgfirstId *ids;

	if (count == 1)
	{
		(void) kv_key_lock(kv, keys[0], conditional, true);
		return;
	}
	ids = MemoryContextAllocHuge(CurrentMemoryContext, Max(count, 1) * sizeof(PgfirstId));
	for (int i = 0; i < count; i++)
		kv_space_id(kv, keys[i].data, keys[i].length, &ids[i]);
	qsort(ids, (size_t) count, sizeof(PgfirstId), compare_ids);
	for (int i = 0; i < count; i++)
		(void) pgfirst_store_lock(kv->store, &ids[i], conditional, true);
	pfree(ids);
}

void
pgfirst_kv_put(PgfirstKv *kv, RespSlice key, RespSlice value, int64 expiry)
{
	kv_key_put(kv, key, value, expiry);
}

void
pgfirst_kv_expire(PgfirstKv *kv, RespSlice key, int64 expiry)
{
	kv_key_expire(kv, key, expiry);
}

void
pgfirst_kv_delete(PgfirstKv *kv, RespSlice key)
{
	kv_key_delete(kv, key);
}

/* ---- a database as a whole --------------------------------------------------------------- */

void
pgfirst_kv_flush(PgfirstKv *kv)
{
	(void) kv_space_flush_lock(kv, true);
	kv_space_flush(kv);
}

/* Longer keys are read again; values never are, but for what a paged one says of its size. */
#define EACH_HEAD (KV_HEAD_LIMIT(256) + sizeof(KvRoot))

/* Whether the record, of which the head was read, is a living key; brings a long key in. */
static bool
each_entry(KvSpace *space, PgfirstRecord *record, int64 now_ms, KvEntry *entry)
{
	PgfirstId id = record->id;
	KvRoot root;
	Size length;

	if (!kv_record_entry(space, record, now_ms, entry))
		return false;
	length = KV_HEAD_LIMIT(entry->key.length) + sizeof(root);
	if (length > EACH_HEAD && !(pgfirst_store_get(space->store, &id, length, record) &&
	                            kv_record_entry(space, record, now_ms, entry)))
		return false;
	if (entry->layout == KV_LAYOUT_PAGED && entry->value_length >= sizeof(root))
	{
		memcpy(&root, entry->value.data, sizeof(root));
		entry->value_length = root.bytes;
	}
	return true;
}

void
pgfirst_kv_each(PgfirstKv *kv, int64 now_ms,
                void (*each)(const PgfirstKvEntry *entry, void *context), void *context)
{
	MemoryContext per_key =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst key", ALLOCSET_DEFAULT_SIZES);
	PgfirstWalk *walk = pgfirst_store_walk(kv->store, NULL, EACH_HEAD);
	MemoryContext caller = MemoryContextSwitchTo(per_key);
	PgfirstRecord record;

	while (pgfirst_walk_next(walk, &record))
	{
		PgfirstKvEntry entry;
		KvEntry read;

		CHECK_FOR_INTERRUPTS();
		if (each_entry(kv, &record, now_ms, &read))
		{
			entry_set(&entry, true, &read);
			each(&entry, context);
		}
		MemoryContextReset(per_key);
	}
	MemoryContextSwitchTo(caller);
	pgfirst_walk_end(walk);
	MemoryContextDelete(per_key);
	pgfirst_kv_shown();
}

PgfirstKvSize
pgfirst_kv_size(PgfirstKv *kv)
{
	KvCount count;
	int64 bytes;

	/* Nobody keeps the number on a standby, nor where no Redis door is, nor of other tenants. */
	if (RecoveryInProgress() || kv->tenant != 0 || !kv_count_get(kv->number, &count))
		count = kv_count_walk(kv);
	bytes = DatumGetInt64(DirectFunctionCall2(pg_relation_size,
	                                          ObjectIdGetDatum(pgfirst_store_relation(kv->store)),
	                                          CStringGetTextDatum("main")));
	return (PgfirstKvSize){.keys = count.keys, .expires = count.expires, .bytes = bytes};
}

void
pgfirst_kv_count_lookups(const PgfirstKv *kv, int64 hits, int64 misses)
{
	/* The numbers are about the database that is served. */
	if (kv_door_is_here())
		kv_stats_count_lookups(kv->number, kv->tenant, hits, misses);
}

PgfirstKvLookups
pgfirst_kv_lookups(const PgfirstKv *kv)
{
	PgfirstKvLookups lookups = {.counted = kv->tenant == 0 && kv_door_is_here(),
	                            .since = kv_stats->counted_from};

	if (lookups.counted)
	{
		lookups.hits = (int64) pg_atomic_read_u64(&kv_stats->lookups[kv->number].hits);
		lookups.misses = (int64) pg_atomic_read_u64(&kv_stats->lookups[kv->number].misses);
	}
	return lookups;
}

PgfirstDurability
pgfirst_kv_durability(const PgfirstKv *kv)
{
	return kv->durability;
}

bool
pgfirst_kv_sweep(int number, PgfirstKvSweep *sweep)
{
	KvSpace *space;

	kv_spaces_forget();
	kv_position_reset();
	if (kv_databases_ready(false) != KV_READY || !kv_database_exists(number))
		return false;
	space = kv_space_open(number, true, false);
	if (!space)
		return false;
	if (!sweep->swept)
	{
		PgfirstSweep slice =
		    pgfirst_store_sweep(space->store, &sweep->cursor, SWEEP_RECORDS,
		                        pgfirst_clock_wall_ms(), NULL, NULL, sizeof(KvHead));

		sweep->deleted += slice.deleted;
		sweep->swept = slice.wrapped;
	}
	else
		sweep->done = pgfirst_store_tidy(space->store, &sweep->tidy, TIDY_LEAVES).wrapped;
	return true;
}

/* ---- SQL values -------------------------------------------------------------------------- */

RespSlice
pgfirst_kv_bytes(Datum value, bool is_text)
{
	bytea *packed = DatumGetByteaPP(value);
	RespSlice bytes = {VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed)};

	if (is_text && GetDatabaseEncoding() != PG_UTF8)
	{
		char *utf8 = pg_server_to_any(bytes.data, (int) bytes.length, PG_UTF8);

		if (utf8 != bytes.data)
			bytes = (RespSlice){utf8, strlen(utf8)};
	}
	return bytes;
}

RespSlice
pgfirst_kv_key(Datum key, bool is_text)
{
	RespSlice bytes = pgfirst_kv_bytes(key, is_text);

	if (bytes.length > KV_KEY_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("a key cannot be longer than %zu bytes", KV_KEY_MAX)));
	return bytes;
}

RespSlice
pgfirst_kv_value(Datum value, bool is_text)
{
	RespSlice bytes = pgfirst_kv_bytes(value, is_text);

	if (bytes.length > KV_VALUE_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("a value cannot be longer than %zu bytes", KV_VALUE_MAX)));
	return bytes;
}

bool
pgfirst_kv_is_text(RespSlice bytes)
{
	return pg_verify_mbstr(PG_UTF8, bytes.data, (int) bytes.length, true);
}

Datum
pgfirst_kv_text(RespSlice bytes, const char *hint)
{
	if (!pgfirst_kv_is_text(bytes))
		ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
		                errmsg("the value is not valid UTF-8"), errhint("%s", hint)));
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		char *server = pg_any_to_server(bytes.data, (int) bytes.length, PG_UTF8);

		if (server != bytes.data)
			return CStringGetTextDatum(server);
	}
	return PointerGetDatum(cstring_to_text_with_len(bytes.data, (int) bytes.length));
}

Datum
pgfirst_kv_bytea(RespSlice bytes)
{
	return PointerGetDatum(cstring_to_text_with_len(bytes.data, (int) bytes.length));
}

TimestampTz
pgfirst_kv_after(Datum interval, int64 now_ms)
{
	return DatumGetTimestampTz(DirectFunctionCall2(
	    timestamptz_pl_interval, TimestampTzGetDatum(now_ms * 1000 - UNIX_EPOCH_USECS), interval));
}

int64
pgfirst_kv_moment(TimestampTz moment)
{
	if (TIMESTAMP_IS_NOEND(moment))
		return 0;
	if (TIMESTAMP_IS_NOBEGIN(moment))
		return 1;
	/* The last years have no more room in microseconds since 1970. */
	return Max(moment / 1000 + UNIX_EPOCH_USECS / 1000, 1);
}

int64
pgfirst_kv_expiry(Datum ttl, int64 now_ms, const char *hint)
{
	int64 expiry = pgfirst_kv_moment(pgfirst_kv_after(ttl, now_ms));

	if (expiry != 0 && expiry <= now_ms)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("ttl must be at least one millisecond"), errhint("%s", hint)));
	return expiry;
}

TimestampTz
pgfirst_kv_timestamp(int64 expiry)
{
	return expiry >= PG_INT64_MAX / 1000 ? DT_NOEND : expiry * 1000 - UNIX_EPOCH_USECS;
}
