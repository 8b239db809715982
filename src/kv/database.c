/* SPDX-License-Identifier: PostgreSQL
 *
 * database.c: the numbered databases of the Redis door; see database.h.
 *
 * What is needed to reach a key stands in two small tables of the extension: `identity` with the
 * secret that keys the hash (a cluster's own, in no dump), and `database` with a store, a durability and
 * limits per number.  They are read directly (the loop may not use SPI) and kept until an invalidation of
 * one of them, or of a store, arrives; PostgreSQL delivers those when a lock is taken, that is, before
 * anything of a turn is read.
 *
 * Two databases may exchange their stores (see catalog.h).  Who does that locks both stores out for
 * everybody else until it has committed; so whoever has got the lock of a store looks whether there is news,
 * and if the number means another store by now, opens that one.  While it is open, it stays.
 *
 * The epoch of a database is a record of the store itself, so FLUSHDB is one write that takes no
 * lock on anything but that record.  It is read once per turn or SQL call, until the transaction changes
 * a key: from then on it stays in its epoch.  What it changes while another session flushes counts as
 * made before the flush, and is gone, all of it.
 *
 * All that is known of open databases and their epochs is known for each tenant: one turn of the loop
 * serves clients of several.
 *
 * The epoch belongs to the store's file.  TRUNCATE, and whatever copies a store row by row, begins at 0
 * again; what was learned about an epoch is kept with the number of the file, or for one transaction,
 * during which the file cannot be exchanged.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/keylock.h"
#include "kv/access.h"
#include "kv/database.h"
#include "kv/id.h"
#include "kv/limit.h"
#include "kv/position.h"
#include "kv/settings.h"
#include "kv/type/key.h"

typedef struct KvDatabase
{
	Oid relation; /* InvalidOid: no such database */
	Oid storage;
	KvSettings settings;
} KvDatabase;

/* What the tables say. */
typedef struct KvCatalog
{
	Oid schema;
	Oid identity_table;
	Oid database_table;
	int identities; /* rows: one, or the tables are damaged */
	uint8 secret[KV_SECRET_BYTES];
	KvDatabase databases[KV_DATABASES];
} KvCatalog;

/* An epoch as it was read, and what shows whether it is that still; see space_recall_epoch(). */
typedef struct KvEpoch
{
	bool valid;
	Oid storage;
	PgfirstStamp stamp;
	uint64 epoch;
	XLogRecPtr position; /* what knowing it depends on */
} KvEpoch;

static struct
{
	bool valid;
	bool callback_registered;
	uint64 invalidations; /* of any relation, to notice one that arrives while we read */
	KvCatalog catalog;
} cache;

/* The epoch of a database in which a transaction has begun to change keys. */
typedef struct KvPin
{
	LocalTransactionId transaction;
	Oid storage; /* the same transaction may TRUNCATE the table and go on */
	uint64 epoch;
} KvPin;

/* What one tenant has open, what is known of its epochs, and what it has begun, by database. */
typedef struct KvTenant
{
	uint32 number;                /* the key of the table of others */
	uint64 call;                  /* the turn or call whose spaces they are */
	KvSpace spaces[KV_DATABASES]; /* store NULL: not open */
	KvEpoch epochs[KV_DATABASES];
	KvPin pins[KV_DATABASES];
	LocalTransactionId writing; /* the transaction in which it last began to change keys */
} KvTenant;

#define TENANTS_KEPT 1024 /* of which more than the number is known at the beginning of a turn */

static struct
{
	KvTenant zero;
	KvTenant *current;
	HTAB *others;
	uint64 call;
	LocalTransactionId writing; /* the transaction in which a tenant has begun to change keys, */
	uint32 writer;              /* this one first, */
	bool mixed;                 /* and others too */
} tenants = {.current = &tenants.zero};

/* ---- the cache --------------------------------------------------------------------------- */

static void
cache_relation_changed(Datum arg, Oid relation)
{
	bool ours = relation == InvalidOid || relation == cache.catalog.identity_table ||
	            relation == cache.catalog.database_table || kv_database_number(relation) >= 0;

	cache.invalidations++;
	if (ours)
		cache.valid = false;
}

/* The oid of the schema of pgfirst_kv, InvalidOid if the extension is not there. */
static Oid
cache_find_schema(void)
{
	Oid extension = get_extension_oid("pgfirst_kv", true);
	Relation catalog;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple tuple;
	Oid schema = InvalidOid;

	if (!OidIsValid(extension))
		return InvalidOid;
	catalog = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
	            ObjectIdGetDatum(extension));
	scan = systable_beginscan(catalog, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return schema;
}

/*
 * Calls `each` for the rows of a small table; false if its lock cannot be had now.  With the catalog's
 * snapshot, which parallel mode allows too.
 */
static bool
cache_read_table(Oid table, bool wait, KvCatalog *catalog,
                 void (*each)(HeapTuple tuple, TupleDesc shape, KvCatalog *catalog))
{
	Relation relation;
	SysScanDesc scan;
	HeapTuple tuple;

	if (!wait && !ConditionalLockRelationOid(table, AccessShareLock))
		return false;
	relation = table_open(table, wait ? AccessShareLock : NoLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		each(tuple, RelationGetDescr(relation), catalog);
	systable_endscan(scan);
	table_close(relation, NoLock);
	return true;
}

static void
cache_take_identity(HeapTuple tuple, TupleDesc shape, KvCatalog *catalog)
{
	bool null;
	bytea *secret = DatumGetByteaPP(heap_getattr(tuple, 1, shape, &null));

	catalog->identities++;
	if (!null && VARSIZE_ANY_EXHDR(secret) == KV_SECRET_BYTES)
		memcpy(catalog->secret, VARDATA_ANY(secret), KV_SECRET_BYTES);
	else
		catalog->identities = -1;
}

/* The file of a table; InvalidOid if there is no such table. */
static Oid
cache_find_storage(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid storage;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	storage = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
	ReleaseSysCache(tuple);
	return storage;
}

static void
cache_take_database(HeapTuple tuple, TupleDesc shape, KvCatalog *catalog)
{
	bool null;
	int number = DatumGetInt32(heap_getattr(tuple, 1, shape, &null));
	Oid relation = DatumGetObjectId(heap_getattr(tuple, 2, shape, &null));
	char *durability = TextDatumGetCString(heap_getattr(tuple, 3, shape, &null));
	Datum max_size = heap_getattr(tuple, 4, shape, &null);
	KvSettings settings = {.max_size = null ? 0 : DatumGetInt64(max_size)};
	char *eviction = TextDatumGetCString(heap_getattr(tuple, 5, shape, &null));

	if (number < 0 || number >= KV_DATABASES)
		return;
	settings.durability = strcmp(durability, "durable") == 0   ? PGFIRST_DURABLE
	                      : strcmp(durability, "relaxed") == 0 ? PGFIRST_RELAXED
	                                                           : PGFIRST_VOLATILE;
	/* The table allows no other names. */
	(void) kv_eviction_find(eviction, strlen(eviction), &settings.eviction);
	catalog->databases[number].relation = relation;
	catalog->databases[number].storage = cache_find_storage(relation);
	catalog->databases[number].settings = settings;
}

static KvReady
cache_fill(bool wait, KvCatalog *catalog)
{
	memset(catalog, 0, sizeof(*catalog));
	catalog->schema = cache_find_schema();
	if (!OidIsValid(catalog->schema))
		return KV_NO_EXTENSION;
	catalog->identity_table = get_relname_relid("identity", catalog->schema);
	catalog->database_table = get_relname_relid("database", catalog->schema);
	if (!OidIsValid(catalog->identity_table) || !OidIsValid(catalog->database_table))
		return KV_NO_EXTENSION;
	if (!cache_read_table(catalog->identity_table, wait, catalog, cache_take_identity) ||
	    !cache_read_table(catalog->database_table, wait, catalog, cache_take_database))
		return KV_BUSY;
	if (catalog->identities != 1)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
		                errmsg("the secret of extension pgfirst_kv is damaged"),
		                errdetail("Its table \"identity\" must have one row of %d bytes.",
		                          KV_SECRET_BYTES)));
	return KV_READY;
}

KvReady
kv_databases_ready(bool wait)
{
	KvCatalog fresh;
	KvReady ready;
	uint64 before;

	AcceptInvalidationMessages();
	if (cache.valid)
		return KV_READY;
	if (!cache.callback_registered)
	{
		CacheRegisterRelcacheCallback(cache_relation_changed, (Datum) 0);
		cache.callback_registered = true;
	}

	/* What has been there stays until what replaces it is complete, whatever fails on the way. */
	before = cache.invalidations;
	ready = cache_fill(wait, &fresh);
	if (ready == KV_BUSY)
		return KV_BUSY;
	cache.catalog = fresh;
	kv_access_forget();
	kv_ids_begin(cache.catalog.secret);
	cache.valid = ready == KV_READY && cache.invalidations == before;
	return ready;
}

bool
kv_database_exists(int number)
{
	return number >= 0 && number < KV_DATABASES &&
	       OidIsValid(cache.catalog.databases[number].relation);
}

bool
kv_door_is_here(void)
{
	static Oid asked; /* for this database, and once is enough */
	static bool here;

	if (asked != MyDatabaseId)
	{
		const char *name = get_database_name(MyDatabaseId);

		here = name && strcmp(name, pgfirst_redis_database) == 0;
		asked = MyDatabaseId;
	}
	return here;
}

int
kv_database_count(void)
{
	int count = 0;

	for (int i = 0; i < KV_DATABASES; i++)
		if (OidIsValid(cache.catalog.databases[i].relation))
			count = i + 1;
	return count;
}

int
kv_database_number(Oid relation)
{
	for (int i = 0; i < KV_DATABASES; i++)
		if (OidIsValid(relation) && cache.catalog.databases[i].relation == relation)
			return i;
	return -1;
}

Oid
kv_database_relation(int number)
{
	return cache.catalog.databases[number].relation;
}

Oid
kv_database_storage(int number)
{
	return cache.catalog.databases[number].storage;
}

const KvSettings *
kv_database_settings(int number)
{
	return &cache.catalog.databases[number].settings;
}

PgfirstDurability
kv_database_durability(int number)
{
	return cache.catalog.databases[number].settings.durability;
}

Oid
kv_identity_table(void)
{
	return cache.catalog.identity_table;
}

Oid
kv_database_table(void)
{
	return cache.catalog.database_table;
}

const char *
kv_durability_name(PgfirstDurability durability)
{
	return durability == PGFIRST_DURABLE   ? "durable"
	       : durability == PGFIRST_RELAXED ? "relaxed"
	                                       : "volatile";
}

static const char *const eviction_names[KV_EVICTIONS] = {
    [KV_EVICT_NOTHING] = "noeviction",
    [KV_EVICT_ALLKEYS_LRU] = "allkeys-lru",
    [KV_EVICT_ALLKEYS_LFU] = "allkeys-lfu",
    [KV_EVICT_ALLKEYS_RANDOM] = "allkeys-random",
    [KV_EVICT_VOLATILE_LRU] = "volatile-lru",
    [KV_EVICT_VOLATILE_LFU] = "volatile-lfu",
    [KV_EVICT_VOLATILE_RANDOM] = "volatile-random",
    [KV_EVICT_VOLATILE_TTL] = "volatile-ttl",
};

const char *
kv_eviction_name(KvEviction eviction)
{
	return eviction_names[eviction];
}

bool
kv_eviction_find(const char *name, Size length, KvEviction *eviction)
{
	for (int i = 0; i < KV_EVICTIONS; i++)
	{
		if (strlen(eviction_names[i]) != length ||
		    pg_strncasecmp(eviction_names[i], name, length) != 0)
			continue;
		*eviction = (KvEviction) i;
		return true;
	}
	return false;
}

Oid
kv_schema(void)
{
	return cache.catalog.schema;
}

/* ---- tenants ----------------------------------------------------------------------------- */

/* NULL if nothing is known of the tenant and `make` is false. */
static KvTenant *
tenant_find(uint32 number, bool make)
{
	KvTenant *tenant;
	bool found;

	if (number == 0)
		return &tenants.zero;
	if (!tenants.others)
	{
		HASHCTL shape = {
		    .keysize = sizeof(uint32), .entrysize = sizeof(KvTenant), .hcxt = TopMemoryContext};

		if (!make)
			return NULL;
		tenants.others =
		    hash_create("pgfirst tenants", 16, &shape, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	tenant = hash_search(tenants.others, &number, make ? HASH_ENTER : HASH_FIND, &found);
	if (tenant && !found)
	{
		memset(tenant, 0, sizeof(*tenant));
		tenant->number = number;
	}
	return tenant;
}

void
kv_tenant_use(uint32 tenant)
{
	if (tenants.current->number != tenant)
		tenants.current = tenant_find(tenant, true);
}

/* The place of the open database; the store is NULL if this turn or call has not opened it. */
static KvSpace *
tenant_space(KvTenant *tenant, int number)
{
	if (tenant->call != tenants.call)
	{
		for (int i = 0; i < KV_DATABASES; i++)
			tenant->spaces[i].store = NULL;
		tenant->call = tenants.call;
	}
	return &tenant->spaces[number];
}

/* Forgets tenants, but not what the transaction under way has begun. */
static void
tenants_forget(void)
{
	HASH_SEQ_STATUS all;
	KvTenant *tenant;

	hash_seq_init(&all, tenants.others);
	while ((tenant = hash_seq_search(&all)) != NULL)
		if (tenant->writing != MyLocalTransactionId())
			hash_search(tenants.others, &tenant->number, HASH_REMOVE, NULL);
}

/* ---- spaces ------------------------------------------------------------------------------ */

bool
kv_epoch_record(const PgfirstRecord *record, KvEpochRecord *epoch)
{
	*epoch = (KvEpochRecord){0};
	if (record->kind != KV_KIND_EPOCH ||
	    (record->length != sizeof(epoch->epoch) && record->length != sizeof(*epoch)))
		return false;
	memcpy(epoch, record->data, record->length);
	return (epoch->tenant != 0) == (record->length == sizeof(*epoch));
}

/*
 * Every turn reads the epochs of its databases, which hardly ever change.  While the stamp of the record
 * stands still, and nobody was changing it when it was taken, what was read is what is there.
 */
static bool
space_recall_epoch(KvSpace *space, const PgfirstId *id, const KvEpoch *known)
{
	if (!known->valid || known->storage != pgfirst_store_storage(space->store) ||
	    memcmp(&known->stamp.id, id, sizeof(*id)) != 0 || RecoveryInProgress() ||
	    !pgfirst_store_stamp_stands(space->store, &known->stamp) ||
	    pgfirst_store_changes(space->store, id))
		return false;
	space->epoch = known->epoch;
	space->position = known->position;
	kv_position_note(space->position);
	return true;
}

static void
space_read_epoch(KvSpace *space)
{
	KvTenant *tenant = space->number >= 0 ? tenant_find(space->tenant, false) : NULL;
	bool keeps = tenant != NULL;
	KvEpoch *known = keeps ? &tenant->epochs[space->number] : NULL;
	PgfirstRecord record;
	PgfirstStamp stamp;
	PgfirstId id;

	kv_space_epoch_id(space, &id);
	if (keeps && space_recall_epoch(space, &id, known))
		return;
	if (keeps)
		pgfirst_store_stamp(space->store, &id, &stamp);
	space->epoch = 0;
	if (pgfirst_store_get(space->store, &id, SIZE_MAX, &record))
	{
		KvEpochRecord stored;

		if (!kv_epoch_record(&record, &stored) || stored.tenant != space->tenant)
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
			                errmsg("the record of a store's epoch is damaged")));
		space->epoch = stored.epoch;
	}
	/* Of what this command has read before, too: that may make replies wait longer, never shorter. */
	space->position = kv_position();
	if (keeps)
		*known = (KvEpoch){.valid = !stamp.running && space->position != PGFIRST_POSITION_OWN,
		                   .storage = pgfirst_store_storage(space->store),
		                   .stamp = stamp,
		                   .epoch = space->epoch,
		                   .position = space->position};
}

/*
 * A transaction that has begun to change keys stays in the epoch in which it began, whoever else flushes
 * meanwhile: its changes belong together, and it sees them.  What it flushes itself is a record in its write
 * set, which goes again with the savepoint behind which it was made.
 */
static void
space_pin_epoch(const KvSpace *space)
{
	KvTenant *tenant = tenant_find(space->tenant, true);
	LocalTransactionId transaction = MyLocalTransactionId();

	tenant->pins[space->number] = (KvPin){.transaction = transaction,
	                                      .storage = pgfirst_store_storage(space->store),
	                                      .epoch = space->epoch};
	tenant->writing = transaction;
	if (tenants.writing != transaction)
	{
		tenants.writing = transaction;
		tenants.writer = space->tenant;
		tenants.mixed = false;
	}
	tenants.mixed |= tenants.writer != space->tenant;
}

/* The same after it has flushed: where no savepoint can take that back any more. */
static void
space_pin_flushed(const KvSpace *space)
{
	if (GetCurrentSubTransactionId() == TopSubTransactionId)
		space_pin_epoch(space);
}

static bool
space_use_pinned_epoch(KvSpace *space)
{
	const KvTenant *tenant = tenant_find(space->tenant, false);
	const KvPin *pin = tenant ? &tenant->pins[space->number] : NULL;
	PgfirstId id;

	if (!pin || pin->transaction != MyLocalTransactionId() ||
	    pin->storage != pgfirst_store_storage(space->store))
		return false;
	kv_space_epoch_id(space, &id);
	if (pgfirst_store_changes(space->store, &id))
	{
		space_read_epoch(space);
		space_pin_flushed(space);
		return true;
	}
	space->epoch = pin->epoch;
	space->position = PGFIRST_POSITION_OWN;
	return true;
}

bool
kv_space_others_write(void)
{
	return tenants.writing == MyLocalTransactionId() &&
	       (tenants.mixed || tenants.writer != tenants.current->number);
}

bool
kv_space_flush_mixed(void)
{
	return kv_space_others_write() && tenants.current->writing == tenants.writing;
}

static void
space_refuse_missing(int number)
{
	if (!kv_database_exists(number))
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("database %d does not exist", number),
		         errhint("SELECT %s.create_database(%d) makes it.",
		                 quote_identifier(get_namespace_name(cache.catalog.schema)), number)));
	if (kv_database_durability(number) == PGFIRST_VOLATILE && RecoveryInProgress())
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("database %d is volatile: a standby does not have it", number)));
}

/* Opens the store that the number means, also if it has come to mean another one meanwhile. */
static PgfirstStore *
space_open_store(int number, bool writable, bool wait)
{
	for (;;)
	{
		Oid relation = kv_database_relation(number);
		PgfirstStore *store;

		space_refuse_missing(number);
		store = pgfirst_store_open(relation, kv_database_durability(number), writable, wait);
		if (!store || cache.valid)
			return store;
		if (kv_databases_ready(wait) == KV_BUSY)
			return NULL;
		if (kv_database_relation(number) == relation)
			return store;
	}
}

void
kv_space_enter(int number, bool writable)
{
	if (number < 0 || number >= KV_DATABASES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("a database's number is between 0 and %d", KV_DATABASES - 1)));
	space_refuse_missing(number);
	kv_access_enter(number, writable);
}

KvSpace *
kv_space_open(int number, bool writable, bool wait)
{
	KvSpace *space;
	PgfirstStore *store;

	kv_space_enter(number, writable);
	space = tenant_space(tenants.current, number);
	if (space->store)
		kv_position_note(space->position);
	if (space->store && (space->writable || !writable))
		return space;
	store = space_open_store(number, writable, wait);
	if (!store)
		return NULL;
	if (space->store)
	{
		space->writable = true;
		space_pin_epoch(space);
		return space;
	}
	/* Under the lock: the file may have been exchanged since the cache was filled. */
	cache.catalog.databases[number].storage = pgfirst_store_storage(store);
	space->number = number;
	space->tenant = tenants.current->number;
	space->store = store;
	space->durability = kv_database_durability(number);
	space->writable = writable;
	kv_limit_attach(space);
	if (space_use_pinned_epoch(space))
		return space;
	space_read_epoch(space);
	if (writable)
		space_pin_epoch(space);
	return space;
}

KvSpace *
kv_space_opened(int number)
{
	KvSpace *space = tenant_space(tenants.current, number);

	return space->store ? space : NULL;
}

void
kv_space_of_store(KvSpace *space, PgfirstStore *store, uint32 tenant, bool writable)
{
	*space = (KvSpace){.number = kv_database_number(pgfirst_store_relation(store)),
	                   .tenant = tenant,
	                   .store = store,
	                   .writable = writable};
	if (space->number >= 0)
		cache.catalog.databases[space->number].storage = pgfirst_store_storage(store);
	/* Of any number of tenants: what a dump restores is not remembered for each. */
	if (space->number < 0 || !tenant_find(tenant, false))
	{
		space_read_epoch(space);
		return;
	}
	if (space_use_pinned_epoch(space))
		return;
	space_read_epoch(space);
	if (writable)
		space_pin_epoch(space);
}

void
kv_space_refresh(KvSpace *space)
{
	space_read_epoch(space);
}

void
kv_spaces_note(KvEpochs *epochs)
{
	for (int i = 0; i < KV_DATABASES; i++)
	{
		const KvSpace *space = tenant_space(tenants.current, i);

		epochs->open[i] = space->store != NULL;
		epochs->epoch[i] = space->epoch;
	}
}

void
kv_spaces_return(const KvEpochs *epochs)
{
	for (int i = 0; i < KV_DATABASES; i++)
	{
		KvSpace *space = tenant_space(tenants.current, i);

		if (!space->store || (epochs->open[i] && epochs->epoch[i] == space->epoch))
			continue;
		if (epochs->open[i])
			space->epoch = epochs->epoch[i];
		else
			space_read_epoch(space);
		if (space->writable)
			space_pin_epoch(space);
	}
}

void
kv_spaces_forget(void)
{
	tenants.call++;
	tenants.current = &tenants.zero;
	if (tenants.others && hash_get_num_entries(tenants.others) > TENANTS_KEPT)
		tenants_forget();
}

void
kv_space_forget(int number)
{
	tenant_space(tenants.current, number)->store = NULL;
}

static void
tenant_exchange(KvTenant *tenant, int a, int b)
{
	KvPin pin = tenant->pins[a];

	tenant->pins[a] = tenant->pins[b];
	tenant->pins[b] = pin;
	tenant_space(tenant, a)->store = NULL;
	tenant_space(tenant, b)->store = NULL;
}

/* If a savepoint takes it back, the pins are about other files than those they are asked for. */
void
kv_spaces_exchanged(int a, int b)
{
	tenant_exchange(&tenants.zero, a, b);
	if (tenants.others)
	{
		HASH_SEQ_STATUS all;
		KvTenant *tenant;

		hash_seq_init(&all, tenants.others);
		while ((tenant = hash_seq_search(&all)) != NULL)
			tenant_exchange(tenant, a, b);
	}
}

int
kv_space_holder(int number)
{
	return pgfirst_keylock_relation_holder(cache.catalog.databases[number].relation,
	                                       RowExclusiveLock);
}

int
kv_space_writer(int number)
{
	return pgfirst_keylock_relation_holder(cache.catalog.databases[number].relation,
	                                       ShareRowExclusiveLock);
}

void
kv_space_epoch_id(const KvSpace *space, PgfirstId *id)
{
	kv_id_of_epoch(space->tenant, id);
}

void
kv_space_id(const KvSpace *space, const char *key, Size length, PgfirstId *id)
{
	kv_id(space->tenant, space->epoch, key, length, id);
}

bool
kv_space_flush_lock(KvSpace *space, bool wait)
{
	PgfirstId id;

	kv_space_epoch_id(space, &id);
	return pgfirst_store_lock(space->store, &id, true, wait);
}

void
kv_space_flush(KvSpace *space)
{
	PgfirstRecord record = {.kind = KV_KIND_EPOCH};
	KvEpochRecord next = {.tenant = space->tenant};

	/* Under the lock: somebody may have flushed since we looked. */
	space_read_epoch(space);
	next.epoch = space->epoch + 1;
	/*
	 * What this turn has changed before belongs to the old epoch.  Nobody would see it afterwards; but who
	 * has read the epoch just before and reads keys just after would see that and not the rest.  Other tenants'
	 * changes stay; where they are mixed with our own, we have waited for another turn.
	 */
	if (!kv_space_others_write())
		pgfirst_store_drop_changes(space->store);
	kv_space_epoch_id(space, &record.id);
	record.data = (const char *) &next;
	record.length = space->tenant == 0 ? sizeof(next.epoch) : sizeof(next);
	pgfirst_store_put(space->store, &record);
	space->epoch = next.epoch;
	/* Whoever finds the database empty in this turn depends on its commit. */
	space->position = PGFIRST_POSITION_OWN;
	space_pin_flushed(space);
}
