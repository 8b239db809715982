/* SPDX-License-Identifier: PostgreSQL
 *
 * database.h: the numbered databases of the Redis door and what is needed to reach a key in one.
 *
 * A database is a store, named in the extension's table `database`.  What the tables say is cached
 * per process and read again when PostgreSQL's invalidation says that one of them changed.
 */
#ifndef PGFIRST_KV_DATABASE_H
#define PGFIRST_KV_DATABASE_H

#include "postgres.h"

#include "lib/evict/victims.h"
#include "store/store.h"

#define KV_DATABASES 16

/* What is given up when a database would become larger than it may; see limit.h. */
typedef enum KvEviction
{
	KV_EVICT_NOTHING,
	KV_EVICT_ALLKEYS_LRU,
	KV_EVICT_ALLKEYS_LFU,
	KV_EVICT_ALLKEYS_RANDOM,
	KV_EVICT_VOLATILE_LRU, /* only keys with an expiry */
	KV_EVICT_VOLATILE_LFU,
	KV_EVICT_VOLATILE_RANDOM,
	KV_EVICT_VOLATILE_TTL
} KvEviction;

#define KV_EVICTIONS (KV_EVICT_VOLATILE_TTL + 1)

/* What can be configured of a database. */
typedef struct KvSettings
{
	PgfirstDurability durability;
	int64 max_size; /* bytes; 0: no limit */
	KvEviction eviction;
} KvSettings;

/*
 * A key's hash mixes tenant and epoch in, so tenants and flushed epochs never meet.  It takes nothing of
 * the database: each is a store of its own, and rows that are restored into another table find
 * their places there.
 */
typedef struct KvSpace
{
	int number;    /* of the database; -1: of a store that is none */
	uint32 tenant; /* 0 is the default tenant */
	uint64 epoch;  /* raised by FLUSHDB */
	PgfirstStore *store;
	PgfirstDurability durability;
	bool writable;
	XLogRecPtr position; /* what knowing the epoch depends on */
	Usage *usage;        /* where uses of keys are noted; NULL: nobody will want to know */
	unsigned half_life;
	uint32 salt; /* tells its keys from those of the same ids elsewhere */
} KvSpace;

typedef enum KvReady
{
	KV_READY,
	KV_NO_EXTENSION, /* pgfirst_kv does not exist in this database (yet) */
	KV_BUSY          /* a lock that is needed to find out cannot be had now */
} KvReady;

/*
 * Makes sure that the cache is valid.  Inside a transaction.  wait false never waits for a lock.
 */
extern KvReady kv_databases_ready(bool wait);

/* Whether database `number` was there when the cache was last filled. */
extern bool kv_database_exists(int number);

/* Whether it is this PostgreSQL database that the Redis door serves. */
extern bool kv_door_is_here(void);

/* The highest number of a database, plus one; 0 if there is none. */
extern int kv_database_count(void);

/* How an existing database is configured. */
extern const KvSettings *kv_database_settings(int number);
extern PgfirstDurability kv_database_durability(int number);

/* The names, as the table and CONFIG have them.  _find: false if there is no such name, in any case. */
extern const char *kv_durability_name(PgfirstDurability durability);
extern const char *kv_eviction_name(KvEviction eviction);
extern bool kv_eviction_find(const char *name, Size length, KvEviction *eviction);

/* The database whose store is `relation`, -1 if none. */
extern int kv_database_number(Oid relation);

/* The store of a number, InvalidOid if there is none. */
extern Oid kv_database_relation(int number);

/*
 * The number of its file, which changes when its records are exchanged as a whole (TRUNCATE, VACUUM FULL,
 * SET LOGGED): what was known of them, counts for one, is about the file.
 */
extern Oid kv_database_storage(int number);

/* The schema of the extension, valid after kv_databases_ready(). */
extern Oid kv_schema(void);

/*
 * From now on it is this tenant's keys that are reached.  Whoever serves clients says so for each command;
 * in SQL kv_access_enter() does.
 */
extern void kv_tenant_use(uint32 tenant);

/* Raises what kv_space_open() would raise, and opens nothing: before something else is waited for. */
extern void kv_space_enter(int number, bool writable);

/*
 * Opens a database, of the tenant in use, for the rest of the transaction.  NULL when wait is false and its
 * relation is locked now; raises undefined_object when there is no such database, and in SQL
 * insufficient_privilege when the current user may not.
 */
extern KvSpace *kv_space_open(int number, bool writable, bool wait);

/*
 * The space of a tenant in a store that is open in some way, perhaps of no database: where its rows are
 * read and written.  The cache must be valid; `writable` as in kv_space_open().
 */
extern void kv_space_of_store(KvSpace *space, PgfirstStore *store, uint32 tenant, bool writable);

/* Reads the epoch again. */
extern void kv_space_refresh(KvSpace *space);

/* The database, of the tenant in use, if this turn or call has opened it already, or NULL. */
extern KvSpace *kv_space_opened(int number);

/*
 * The epochs of all databases at a mark of the write set, and back to them when what followed has been
 * undone.
 */
typedef struct KvEpochs
{
	bool open[KV_DATABASES];
	uint64 epoch[KV_DATABASES];
} KvEpochs;

extern void kv_spaces_note(KvEpochs *epochs);
extern void kv_spaces_return(const KvEpochs *epochs);

/* Forgets the open spaces: at the start of a turn, and of a call from SQL.  Tenant 0 is in use then. */
extern void kv_spaces_forget(void);

/* One of them: its settings have changed. */
extern void kv_space_forget(int number);

/* Two of them have exchanged their stores. */
extern void kv_spaces_exchanged(int a, int b);

/* The two tables of the extension, valid after kv_databases_ready(). */
extern Oid kv_identity_table(void);
extern Oid kv_database_table(void);

/* Why the last kv_space_open returned NULL: the process that is in the way, 0 if it is gone. */
extern int kv_space_holder(int number);

/* Some process that has a key of the database locked or is changing it, 0 if there is none. */
extern int kv_space_writer(int number);

/*
 * Whether emptying a database would concern changes of the tenant in use in the transaction under way that
 * cannot be told from other tenants': it comes in another transaction then.
 */
extern bool kv_space_flush_mixed(void);

/* Whether another tenant has begun to change keys in the transaction under way. */
extern bool kv_space_others_write(void);

/* Locks the epoch until the end of the transaction; false if somebody has it and wait is false. */
extern bool kv_space_flush_lock(KvSpace *space, bool wait);

/*
 * Empties the database for this tenant by raising its epoch: one record, whatever the size.  The caller has
 * locked the epoch.
 */
extern void kv_space_flush(KvSpace *space);

/*
 * The record of an epoch.  The default tenant's has only the first of these fields; for whoever meets the
 * record without knowing whose it is, the others' have all.
 */
typedef struct KvEpochRecord
{
	uint64 epoch;
	uint32 tenant;
	uint32 zero;
} KvEpochRecord;

StaticAssertDecl(sizeof(KvEpochRecord) == 16, "KvEpochRecord is stored");

/* Looks into it; false if it is none. */
extern bool kv_epoch_record(const PgfirstRecord *record, KvEpochRecord *epoch);

/* The id of the record that holds the epoch of the space's tenant and database. */
extern void kv_space_epoch_id(const KvSpace *space, PgfirstId *id);

/* The id of a key in this space. */
extern void kv_space_id(const KvSpace *space, const char *key, Size length, PgfirstId *id);

#endif
