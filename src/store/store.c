/* SPDX-License-Identifier: PostgreSQL
 *
 * store.c: stores that are open, single reads, and what belongs to the transaction.
 *
 * A store stays open until its transaction ends.  Its relation belongs to a resource owner of ours
 * below the top transaction's, because a store that is opened inside a savepoint, or inside a
 * PL/pgSQL block that fails, must still be open after it; and because letting go of that owner at the
 * end closes everything at once, whatever an error has left half done.  The relation's locks belong
 * to the top transaction's own owner: PostgreSQL releases them after the commit, as it does all
 * others.  Pages are pinned and locked only inside of one call.
 *
 * An open store keeps its relation from being dropped or truncated by the same transaction, as a
 * cursor would ("is being used by active queries in this session").  One case remains: a store that
 * was made and opened inside a savepoint goes away with it, and is closed before PostgreSQL
 * forgets it.
 *
 * The end of a transaction: at pre-commit the write set is applied and all is closed.  At commit,
 * which cannot fail, only positions are left to write down.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/relation.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "storage/lockdefs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/xact.h"
#include "store/hints.h"
#include "store/store_int.h"

static const PgfirstStoreApi store_api = {
#define PGFIRST_MEMBER(name) .name = pgfirst_##name,
    PGFIRST_STORE_FUNCTIONS(PGFIRST_MEMBER)
#undef PGFIRST_MEMBER
};

PgfirstStoreWatch pgfirst_store_watch = {.record_page = pgfirst_record_page};

static struct
{
	MemoryContext context;
	ResourceOwner owner;
	PgfirstStore *stores; /* the one used last comes first */
} transaction;

MemoryContext
pgfirst_store_context(void)
{
	if (transaction.context == NULL)
		transaction.context =
		    AllocSetContextCreate(TopTransactionContext, "pgfirst store", ALLOCSET_DEFAULT_SIZES);
	return transaction.context;
}

ResourceOwner
pgfirst_store_owner(void)
{
	if (transaction.owner == NULL)
		transaction.owner = ResourceOwnerCreate(TopTransactionResourceOwner, "pgfirst store");
	return transaction.owner;
}

/*
 * The record with which a collection begins is read by each command on it.  What was found last is kept within the
 * transaction, and is what there is for as long as nobody changes any record of the store: that would raise the store's
 * stamp (position.c).  Not kept is what somebody was changing, who commits without raising it; nothing where nobody
 * raises stamps; and nothing of a store that is not open, and so may be emptied by the transaction itself.
 */
typedef struct StoreKept
{
	Oid store;    /* InvalidOid: nothing is kept */
	uint32 stamp; /* of the store, before the record was read */
	PgfirstRecord record;
	char data[STORE_INLINE_MAX];
} StoreKept;

#define KEPT 4

static StoreKept kept_records[KEPT];

static void
kept_forget(void)
{
	for (int i = 0; i < KEPT; i++)
		kept_records[i].store = InvalidOid;
}

/* ---- opening ---------------------------------------------------------------------------------- */

static void
store_close(PgfirstStore *store)
{
	ResourceOwner old = CurrentResourceOwner;

	kept_forget();
	CurrentResourceOwner = pgfirst_store_owner();
	relation_close(store->relation, NoLock);
	CurrentResourceOwner = old;
}

/* Opens the relation, whose lock is held. */
static PgfirstStore *
store_open_locked(Oid oid)
{
	Relation relation = try_relation_open(oid, NoLock);
	PgfirstStore *store;

	if (relation == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
		                errmsg("the store with OID %u does not exist any more", oid)));
	if (!pgfirst_relation_is_store(relation))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
		                errmsg("\"%s\" is not a pgfirst store", RelationGetRelationName(relation)),
		                errdetail("A store is a table with the access method pgfirst_store.")));
	store = MemoryContextAllocZero(pgfirst_store_context(), sizeof(PgfirstStore));
	store->oid = oid;
	store->relation = relation;
	return store;
}

PgfirstStore *
pgfirst_store_if_open(Oid oid)
{
	for (PgfirstStore **link = &transaction.stores; *link != NULL; link = &(*link)->next)
	{
		PgfirstStore *store = *link;

		if (store->oid != oid)
			continue;
		*link = store->next;
		store->next = transaction.stores;
		transaction.stores = store;
		return store;
	}
	return NULL;
}

PgfirstStore *
pgfirst_store_open(Oid oid, PgfirstDurability durability, bool for_write, bool wait)
{
	PgfirstStore *store = pgfirst_store_if_open(oid);

	if (store == NULL)
	{
		ResourceOwner old = CurrentResourceOwner;

		if (transaction.stores == NULL)
			pgfirst_batch_begin();
		if (IsParallelWorker())
			ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
			                errmsg("a pgfirst store cannot be used in a parallel worker"),
			                errhint("Declare the function that uses it PARALLEL RESTRICTED.")));
		if (!(for_write ? pgfirst_lock_to_write(oid, wait)
		                : pgfirst_lock_relation(oid, AccessShareLock, wait)))
			return NULL;
		CurrentResourceOwner = pgfirst_store_owner();
		store = store_open_locked(oid);
		CurrentResourceOwner = old;
		store->durability = durability;
		store->for_write = for_write;
		store->hints = pgfirst_hints(store->relation);
		store->next = transaction.stores;
		transaction.stores = store;
		return store;
	}

	if (for_write && !store->for_write)
	{
		if (!pgfirst_lock_to_write(oid, wait))
			return NULL;
		store->for_write = true;
	}
	store->hints = pgfirst_hints(store->relation);
	store->rows_only = false;
	/* Whoever asks for more gets it for the whole transaction. */
	store->durability = Min(store->durability, durability);
	return store;
}

void
pgfirst_store_borrow(PgfirstStore *store, Relation relation)
{
	*store =
	    (PgfirstStore){.oid = RelationGetRelid(relation),
	                   .durability = relation->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT
	                                     ? PGFIRST_DURABLE
	                                     : PGFIRST_VOLATILE,
	                   .relation = relation,
	                   .hints = pgfirst_hints(relation)};
}

void
pgfirst_store_close(PgfirstStore *store)
{
	Assert(store == transaction.stores);
	transaction.stores = store->next;
	store_close(store);
	pfree(store);
}

Oid
pgfirst_store_relation(const PgfirstStore *store)
{
	return store->oid;
}

Oid
pgfirst_store_storage(const PgfirstStore *store)
{
	return RelationStorageNumber(store->relation);
}

Oid
pgfirst_store_create(const char *schema, const char *name, bool logged)
{
	StringInfoData sql;
	const char *table = quote_qualified_identifier(schema, name);

	initStringInfo(&sql);
	appendStringInfo(&sql,
	                 "CREATE %s TABLE %s (%s) USING pgfirst_store;"
	                 "COMMENT ON TABLE %s IS 'pgfirst store; written only by pgfirst'",
	                 logged ? "" : "UNLOGGED", table, pgfirst_am_columns(), table);

	SPI_connect();
	if (SPI_execute(sql.data, false, 0) < 0)
		elog(ERROR, "cannot make the store %s", table);
	SPI_finish();
	pfree(sql.data);
	return get_relname_relid(name, get_namespace_oid(schema, false));
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* The record of a leaf item without its data, of which `large` says where they are if they are not here. */
static void
record_of_item(const StoreItem *item, PgfirstRecord *record, StoreLarge *large)
{
	pgfirst_item_record(item, record);
	if (!(item->flags & STORE_ITEM_LARGE))
		return;
	if (item->length != STORE_LARGE_HEADER + STORE_LARGE_PREFIX)
		pgfirst_page_damaged("a large record has no head");
	memcpy(large, item->data, STORE_LARGE_HEADER);
	if (large->length <= STORE_INLINE_MAX || large->length > PGFIRST_RECORD_MAX)
		pgfirst_page_damaged("a large record has an impossible length");
	record->length = large->length;
}

bool
pgfirst_item_read(PgfirstStore *store, const StoreItem *item, Size limit, PgfirstRecord *record)
{
	StoreLarge large;
	Size wanted;
	char *data;

	record_of_item(item, record, &large);
	wanted = Min(limit, record->length);
	data = MemoryContextAllocHuge(CurrentMemoryContext, Max(wanted, 1));
	record->data = data;
	if (!(item->flags & STORE_ITEM_LARGE))
	{
		memcpy(data, item->data, wanted);
		return true;
	}
	memcpy(data, item->data + STORE_LARGE_HEADER, Min(wanted, STORE_LARGE_PREFIX));
	if (wanted <= STORE_LARGE_PREFIX || pgfirst_large_read(store, &large, wanted, data))
		return true;
	pfree(data);
	return false;
}

/* *tag: whose the record's next version was, if it has one. */
static bool
committed_read(PgfirstStore *store, const PgfirstId *id, Size limit, PgfirstRecord *record,
               StoreTag *tag)
{
	StoreKey key = store_key_of_id(id);
	uint64 missed = 0;

	for (;;)
	{
		StoreCopy copy;
		StoreVersions versions;
		StoreLeaf leaf;
		StoreLarge large;

		pgfirst_together_reserve();
		*tag = STORE_TAG_NONE;
		if (!pgfirst_leaf_lock(store, &key, BUFFER_LOCK_SHARE, &leaf))
		{
			pgfirst_together_note(store, id, NULL, STORE_TAG_NONE);
			return false;
		}
		pgfirst_versions_find(leaf.page, &key, &versions);
		*tag = versions.tag;
		pgfirst_together_note(store, id, &leaf, versions.tag);
		if (versions.visible != NULL)
			memcpy(&copy, versions.visible, STORE_LEAF_HEADER + versions.visible->length);
		pgfirst_page_unlock(&leaf);
		if (versions.visible == NULL)
			return false;
		if (pgfirst_item_read(store, &copy.item, limit, record))
			return true;
		/* Replaced since, so the next look finds another; or its parts are lost. */
		memcpy(&large, copy.item.data, STORE_LARGE_HEADER);
		if (large.incarnation == missed)
			pgfirst_page_damaged("a part of a large record is missing");
		missed = large.incarnation;
	}
}

bool
pgfirst_committed_get(PgfirstStore *store, const PgfirstId *id, Size limit, PgfirstRecord *record)
{
	StoreTag tag;

	return committed_read(store, id, limit, record, &tag);
}

static bool
kept_is_it(const StoreKept *kept, PgfirstStore *store, const PgfirstId *id)
{
	uint32 stamp;

	if (kept->store != store->oid ||
	    memcmp(kept->record.id.bytes, id->bytes, sizeof(id->bytes)) != 0)
		return false;
	/* What is noted of it is older than what the store's says: so no change since is taken for the one that was read. */
	stamp = pgfirst_position_stamp(store, id);
	pg_read_barrier();
	if (pgfirst_position_stamp_of_store(store) != kept->stamp)
		return false;
	pgfirst_together_note_kept(store, id, stamp);
	return true;
}

static bool
hot_get(PgfirstStore *store, const PgfirstId *id, Size limit, PgfirstRecord *record)
{
	StoreKept *kept = &kept_records[id->bytes[0] % KEPT];
	bool stamps = pgfirst_position_stamps() && pgfirst_store_if_open(store->oid) == store;
	uint32 stamp;
	StoreTag tag;

	if (stamps && kept_is_it(kept, store, id))
	{
		Size wanted = Min(limit, kept->record.length);
		char *data = palloc(Max(wanted, 1));

		memcpy(data, kept->data, wanted);
		*record = kept->record;
		record->data = data;
		return true;
	}
	stamp = pgfirst_position_stamp_of_store(store);
	pg_read_barrier();
	if (!committed_read(store, id, limit, record, &tag))
		return false;
	if (!stamps || tag == STORE_TAG_RUNNING || tag == STORE_TAG_MINE ||
	    record->length > Min(limit, sizeof(kept->data)))
		return true;
	kept->store = store->oid;
	kept->stamp = stamp;
	kept->record = *record;
	memcpy(kept->data, record->data, record->length);
	return true;
}

static inline bool
store_get(PgfirstStore *store, const PgfirstId *id, Size limit, bool hot, PgfirstRecord *record)
{
	StoreEntry *entry = pgfirst_writeset_find(store, id);
	bool found;

	if (entry != NULL && entry->change != STORE_UNCHANGED)
	{
		pgfirst_unit_joins(entry);
		pgfirst_position_read_own();
	}
	if (entry != NULL && entry->change == STORE_PUT)
	{
		pgfirst_writeset_record(entry, record);
		return true;
	}
	if (entry != NULL && entry->change == STORE_DELETED)
		return false;

	found =
	    hot ? hot_get(store, id, limit, record) : pgfirst_committed_get(store, id, limit, record);
	if (entry != NULL && entry->change == STORE_EXPIRY)
		record->expiry = entry->expiry;
	else
		pgfirst_position_read(store, id);
	return found;
}

bool
pgfirst_store_get(PgfirstStore *store, const PgfirstId *id, Size limit, PgfirstRecord *record)
{
	return store_get(store, id, limit, false, record);
}

bool
pgfirst_store_get_hot(PgfirstStore *store, const PgfirstId *id, Size limit, PgfirstRecord *record)
{
	return store_get(store, id, limit, true, record);
}

/* ---- transactions ----------------------------------------------------------------------------- */

/* Closes all stores.  Cannot fail, and complains of nothing that an error left behind. */
static void
stores_close(void)
{
	if (transaction.owner != NULL)
	{
		ResourceOwnerRelease(transaction.owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
		ResourceOwnerRelease(transaction.owner, RESOURCE_RELEASE_LOCKS, false, false);
		ResourceOwnerRelease(transaction.owner, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
		ResourceOwnerDelete(transaction.owner);
		transaction.owner = NULL;
	}
	transaction.stores = NULL;
	kept_forget();
}

static bool
store_dirty(void)
{
	if (pgfirst_store_changed() || pgfirst_applied_early() || pgfirst_rows_pending() ||
	    pgfirst_store_locks() > 0)
		return true;

	/* Reading does not stop PREPARE TRANSACTION, which is the end of this session's part. */
	stores_close();
	transaction.context = NULL;
	pgfirst_writeset_forget();
	return false;
}

static void
store_pre_commit(void)
{
	pgfirst_rows_pre_commit();
	pgfirst_apply();
	pgfirst_writeset_forget();
	stores_close();
}

/* Whatever still stands belongs to a transaction that is over. */
static void
store_forget(void)
{
	pgfirst_lock_forget();
	pgfirst_together_forget();
	pgfirst_writeset_forget();
	pgfirst_apply_forget();
	pgfirst_rows_forget();
	pgfirst_am_scans_forget();
	transaction.context = NULL;
}

static void
store_commit(XLogRecPtr xact_position)
{
	pgfirst_position_end(xact_position);
	pgfirst_garbage_end(true);
	pgfirst_apply_ended();
	stores_close();
	store_forget();
}

static void
store_abort(void)
{
	pgfirst_position_end(InvalidXLogRecPtr);
	pgfirst_garbage_end(false);
	pgfirst_apply_ended();
	transaction.owner = NULL; /* released and deleted with its parent */
	stores_close();
	store_forget();
}

static void
store_sub_commit(SubTransactionId child, SubTransactionId parent)
{
	pgfirst_writeset_sub_commit(child, parent);
	pgfirst_rows_sub_commit(child, parent);
	pgfirst_lock_sub_commit(child, parent);
}

static void
store_sub_abort(SubTransactionId child, SubTransactionId parent)
{
	pgfirst_writeset_sub_abort(child);
	pgfirst_rows_sub_abort(child);
	pgfirst_lock_sub_abort(child);
	/* A read that the error has ended: whoever reads next is not within it. */
	pgfirst_together_forget();
	for (PgfirstStore **link = &transaction.stores; *link != NULL;)
	{
		PgfirstStore *store = *link;

		if (store->relation->rd_createSubid == child)
		{
			*link = store->next;
			store_close(store);
		}
		else
			link = &store->next;
	}
}

void
pgfirst_store_init(void)
{
	static const PgfirstXactHooks hooks = {.name = "changes or locks of keys",
	                                       .dirty = store_dirty,
	                                       .pre_commit = store_pre_commit,
	                                       .commit = store_commit,
	                                       .abort = store_abort,
	                                       .sub_commit = store_sub_commit,
	                                       .sub_abort = store_sub_abort};

	*find_rendezvous_variable(PGFIRST_STORE_WATCH) = &pgfirst_store_watch;
	pgfirst_writeset_init();
	pgfirst_position_init();
	pgfirst_lock_init();
	pgfirst_census_init();
	pgfirst_tidy_init();
	pgfirst_garbage_init();
	pgfirst_xact_register(PGFIRST_XACT_STORE, &hooks);
	*find_rendezvous_variable(PGFIRST_STORE_API) = unconstify(PgfirstStoreApi *, &store_api);
}
