/* SPDX-License-Identifier: PostgreSQL
 *
 * kv.h: what other capabilities may use of kv: its start, and the keys of a database as a function that
 * SQL calls sees them.
 *
 * Such a call begins with pgfirst_kv_open(), which decides whose keys they are and what the caller may do
 * with them; nothing below can reach others.  What it gives is good until the next one.  Reads show the
 * newest committed state merged with the transaction's own changes, and return only when no crash can
 * take back what they tell.  Who wants to change a key locks it first, and reads it after that if the
 * change depends on what is there.  Changes are seen by others, Redis clients included, when the
 * transaction commits.
 *
 * Moments are in milliseconds since 1970 UTC, 0 for never.
 */
#ifndef PGFIRST_KV_H
#define PGFIRST_KV_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "lib/resp/resp.h"
#include "store/store.h"

/* Called once by _PG_init: settings, counts, the workers of the door `redis`. */
extern void pgfirst_kv_init(void);

/* ---- a call ------------------------------------------------------------------------------ */

typedef struct KvSpace PgfirstKv;

typedef enum PgfirstKvAccess
{
	PGFIRST_KV_READ,
	PGFIRST_KV_WRITE, /* changes that take no room */
	PGFIRST_KV_GROW /* others: they wait for the evictor, or are refused, where the database is full */
} PgfirstKvAccess;

/*
 * Begins a call on the keys of database `number` that belong to the caller.  Raises undefined_object where
 * there is none; for changes what PostgreSQL raises in read-only transactions, on a standby and in parallel
 * mode; for PGFIRST_KV_GROW configuration_limit_exceeded where the database is full.
 */
extern PgfirstKv *pgfirst_kv_open(int number, PgfirstKvAccess access);

/*
 * The same for who is going to lock that many keys: with more of them than one transaction may lock, all
 * other writers of the database wait until it ends, and are locked out first, so that two such calls wait
 * for each other instead of failing.
 */
extern PgfirstKv *pgfirst_kv_open_many(int number, PgfirstKvAccess access, Size keys);

/*
 * Nobody is shown what a crash could take back: waits until what was read is durable.  For who reads otherwise than by
 * what follows, which does so.
 */
extern void pgfirst_kv_shown(void);

/* ---- keys -------------------------------------------------------------------------------- */

typedef struct PgfirstKvEntry
{
	bool found;       /* false: no such key, or expired; nothing else is set then */
	const char *type; /* Redis's name of it */
	int64 expiry;
	RespSlice key;
	RespSlice value; /* if it was asked for */
	Size value_length;
} PgfirstKvEntry;

/* Reads a string and its value; false if it is not there.  Raises wrong_object_type for other types. */
extern bool pgfirst_kv_read(PgfirstKv *kv, RespSlice key, int64 now_ms, PgfirstKvEntry *entry);

/* The same with the first `limit` bytes of the value, or as many as there are; value_length is that of all. */
extern bool pgfirst_kv_read_part(PgfirstKv *kv, RespSlice key, int64 now_ms, Size limit,
                                 PgfirstKvEntry *entry);

/* Whether there is a key of any type; without its value. */
extern bool pgfirst_kv_find(PgfirstKv *kv, RespSlice key, int64 now_ms, PgfirstKvEntry *entry);

/*
 * Reads many strings as of one moment, however many others write, unless they are very many keys: an entry
 * for each key, found only where there is a string.  The values are in the current memory context.
 */
extern void pgfirst_kv_read_many(PgfirstKv *kv, const RespSlice *keys, int count, int64 now_ms,
                                 PgfirstKvEntry *entries);

/*
 * Calls `read`, again and again, until all that it has read was of one moment; only after so many tries what it has read last is
 * left to stand.  What it allocates lives in the current memory context.
 */
extern void pgfirst_kv_read_together(PgfirstKv *kv, int tries, void (*read)(void *context),
                                     void *context);

/*
 * Locks keys until the end of the transaction, or of the savepoint that is rolled back; in an order that is
 * the same for all who do so.  conditional: whether the change depends on what is read under the lock.
 */
extern void pgfirst_kv_lock(PgfirstKv *kv, const RespSlice *keys, int count, bool conditional);

/* Make the locked key a string; change when it expires, if it is there; delete it. */
extern void pgfirst_kv_put(PgfirstKv *kv, RespSlice key, RespSlice value, int64 expiry);
extern void pgfirst_kv_expire(PgfirstKv *kv, RespSlice key, int64 expiry);
extern void pgfirst_kv_delete(PgfirstKv *kv, RespSlice key);

/* ---- a database as a whole --------------------------------------------------------------- */

/* Deletes every key of the caller's, in one record; see kv_space_flush(). */
extern void pgfirst_kv_flush(PgfirstKv *kv);

/* Gives each living key, without its value, to `each`; memory is taken back after each. */
extern void pgfirst_kv_each(PgfirstKv *kv, int64 now_ms,
                            void (*each)(const PgfirstKvEntry *entry, void *context),
                            void *context);

typedef struct PgfirstKvSize
{
	int64 keys;    /* expired ones included that the sweep has not taken yet */
	int64 expires; /* of them with an expiry */
	int64 bytes;   /* of the file, in which other callers' keys may be as well */
} PgfirstKvSize;

extern PgfirstKvSize pgfirst_kv_size(PgfirstKv *kv);

/*
 * Reads of keys by Redis clients and, where their callers say so, by SQL, since the server started.  They
 * are counted in the PostgreSQL database that the Redis door serves.
 */
typedef struct PgfirstKvLookups
{
	bool counted;
	int64 hits;
	int64 misses;
	TimestampTz since;
} PgfirstKvLookups;

extern void pgfirst_kv_count_lookups(const PgfirstKv *kv, int64 hits, int64 misses);
extern PgfirstKvLookups pgfirst_kv_lookups(const PgfirstKv *kv);

extern PgfirstDurability pgfirst_kv_durability(const PgfirstKv *kv);

/*
 * One step of clearing away what has expired, of all callers', in a transaction of its own, with nothing
 * opened before.  Waits for no lock: whoever is in the way is told, or passed over if it is only a key.
 */
typedef struct PgfirstKvSweep
{
	PgfirstId cursor; /* zero: from the beginning */
	PgfirstTidyCursor tidy;
	bool swept; /* all keys have been looked at; their space is being tidied */
	bool done;
	uint64 deleted;
} PgfirstKvSweep;

/* False if the database cannot be opened now. */
extern bool pgfirst_kv_sweep(int number, PgfirstKvSweep *sweep);

/* ---- how SQL values become keys and values, and back ------------------------------------- */

/* A text, which becomes UTF-8, or a bytea. */
extern RespSlice pgfirst_kv_bytes(Datum value, bool is_text);

/* The same, raising program_limit_exceeded where it is too long for a key, or for a value. */
extern RespSlice pgfirst_kv_key(Datum key, bool is_text);
extern RespSlice pgfirst_kv_value(Datum value, bool is_text);

/* A text from UTF-8; raises character_not_in_repertoire, with that hint, where it is none. */
extern Datum pgfirst_kv_text(RespSlice bytes, const char *hint);
extern bool pgfirst_kv_is_text(RespSlice bytes);

extern Datum pgfirst_kv_bytea(RespSlice bytes);

/* The moment that lies an interval after now; raises, with that hint, where it does not. */
extern int64 pgfirst_kv_expiry(Datum ttl, int64 now_ms, const char *hint);

/* The same in two steps, wherever the moment lies; infinity is never, and the time before 1970 its beginning. */
extern TimestampTz pgfirst_kv_after(Datum interval, int64 now_ms);
extern int64 pgfirst_kv_moment(TimestampTz moment);
extern TimestampTz pgfirst_kv_timestamp(int64 expiry);

#endif
