/* SPDX-License-Identifier: PostgreSQL
 *
 * store.c: stores that are open, and what belongs to the transaction.
 *
 * A store stays open until its transaction ends: relation, index, one scan, one slot.  They belong
 * to a resource owner of ours below the top transaction's, because a store that is opened inside a
 * savepoint, or inside a PL/pgSQL block that fails, must still be open after it; and because
 * letting go of that owner at the end closes everything at once, whatever an error has left half
 * done.  The relation's locks belong to the top transaction's own owner: PostgreSQL releases them
 * after the commit, as it does all others.
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

#include "access/genam.h"
#include "access/parallel.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "storage/lockdefs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/xact.h"
#include "store/store_api.h"
#include "store/store_int.h"
#include "store/table.h"

static const PgfirstStoreApi store_api = {
#define PGFIRST_MEMBER(name) .name = pgfirst_##name,
    PGFIRST_STORE_FUNCTIONS(PGFIRST_MEMBER)
#undef PGFIRST_MEMBER
};

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

/* ---- opening ---------------------------------------------------------------------------------- */

static bool
relation_is_store(Relation relation)
{
	static const struct
	{
		const char *name;
		Oid type;
	} columns[STORE_COLUMNS] = {
	    {"id", UUIDOID}, {"kind", INT2OID}, {"expiry", INT8OID}, {"body", BYTEAOID}};
	TupleDesc descriptor = RelationGetDescr(relation);

	if (relation->rd_rel->relkind != RELKIND_RELATION ||
	    relation->rd_rel->relam != HEAP_TABLE_AM_OID || descriptor->natts != STORE_COLUMNS)
		return false;
	for (int i = 0; i < STORE_COLUMNS; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (attribute->attisdropped || attribute->atttypid != columns[i].type ||
		    strcmp(NameStr(attribute->attname), columns[i].name) != 0)
			return false;
	}
	return true;
}

/* The primary key's index, or InvalidOid. */
static Oid
relation_index(Relation relation)
{
	list_free(RelationGetIndexList(relation));
	return relation->rd_pkindex;
}

static void
store_close(PgfirstStore *store)
{
	ResourceOwner old = CurrentResourceOwner;

	CurrentResourceOwner = pgfirst_store_owner();
	if (store->slot != NULL)
		ExecDropSingleTupleTableSlot(store->slot);
	if (store->scan != NULL)
		index_endscan(store->scan);
	index_close(store->index, NoLock);
	relation_close(store->relation, NoLock);
	CurrentResourceOwner = old;
}

/* Opens the relation, whose lock is held; NULL when its index's lock cannot be had now. */
static PgfirstStore *
store_open_locked(Oid oid, int mode, bool wait)
{
	Relation relation = try_relation_open(oid, NoLock);
	PgfirstStore *store;
	Oid index;

	if (relation == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
		                errmsg("the store with OID %u does not exist any more", oid)));
	index = relation_is_store(relation) ? relation_index(relation) : InvalidOid;
	if (!OidIsValid(index))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
		                errmsg("\"%s\" is not a pgfirst store", RelationGetRelationName(relation)),
		                errdetail("A store is a table with the columns id uuid, kind smallint, "
		                          "expiry bigint and body bytea, and a primary key on id.")));
	if (!pgfirst_lock_relation(index, mode, wait))
	{
		relation_close(relation, NoLock);
		return NULL;
	}

	store = MemoryContextAllocZero(pgfirst_store_context(), sizeof(PgfirstStore));
	store->oid = oid;
	store->index_oid = index;
	store->relation = relation;
	store->index = index_open(index, NoLock);
	ItemPointerSetInvalid(&store->read_tid);
	return store;
}

static PgfirstStore *
store_find(Oid oid)
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
	PgfirstStore *store = store_find(oid);
	int mode = for_write ? RowExclusiveLock : AccessShareLock;

	if (store == NULL)
	{
		ResourceOwner old = CurrentResourceOwner;

		if (IsParallelWorker())
			ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
			                errmsg("a pgfirst store cannot be used in a parallel worker"),
			                errhint("Declare the function that uses it PARALLEL RESTRICTED.")));
		if (!pgfirst_lock_relation(oid, mode, wait))
			return NULL;
		CurrentResourceOwner = pgfirst_store_owner();
		store = store_open_locked(oid, mode, wait);
		CurrentResourceOwner = old;
		if (store == NULL)
			return NULL;
		store->durability = durability;
		store->for_write = for_write;
		store->next = transaction.stores;
		transaction.stores = store;
		return store;
	}

	if (for_write && !store->for_write)
	{
		if (!pgfirst_lock_relation(oid, mode, wait) ||
		    !pgfirst_lock_relation(store->index_oid, mode, wait))
			return NULL;
		store->for_write = true;
	}
	/* Whoever asks for more gets it for the whole transaction. */
	store->durability = Min(store->durability, durability);
	return store;
}

Oid
pgfirst_store_create(const char *schema, const char *name, bool logged)
{
	StringInfoData sql;
	const char *table = quote_qualified_identifier(schema, name);

	initStringInfo(&sql);
	appendStringInfo(&sql,
	                 "CREATE %s TABLE %s (id pg_catalog.uuid PRIMARY KEY,"
	                 " kind pg_catalog.int2 NOT NULL, expiry pg_catalog.int8 NOT NULL,"
	                 " body pg_catalog.bytea NOT NULL) USING heap WITH (fillfactor = 80);"
	                 "ALTER TABLE %s ALTER COLUMN body SET STORAGE EXTERNAL;"
	                 "COMMENT ON TABLE %s IS 'pgfirst store; written only by pgfirst'",
	                 logged ? "" : "UNLOGGED", table, table, table);

	SPI_connect();
	if (SPI_execute(sql.data, false, 0) < 0)
		elog(ERROR, "cannot make the store %s", table);
	SPI_finish();
	pfree(sql.data);
	return get_relname_relid(name, get_namespace_oid(schema, false));
}

/* ---- reading ---------------------------------------------------------------------------------- */

bool
pgfirst_store_get(PgfirstStore *store, const PgfirstId *id, Size limit, PgfirstRecord *record)
{
	StoreEntry *entry = pgfirst_writeset_find(store, id);
	StoreRow row;
	bool found;

	if (entry != NULL && entry->change == STORE_PUT)
	{
		pgfirst_position_read_own();
		pgfirst_writeset_record(entry, record);
		return true;
	}
	if (entry != NULL && entry->change == STORE_DELETED)
	{
		pgfirst_position_read_own();
		return false;
	}

	found = pgfirst_heap_find(store, id, &row);
	if (found)
		pgfirst_heap_record(&row, limit, record);
	pgfirst_heap_release(store);
	if (entry != NULL && entry->change == STORE_EXPIRY)
	{
		pgfirst_position_read_own();
		record->expiry = entry->expiry;
	}
	else
		pgfirst_position_read(store, id);
	return found;
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
	pgfirst_snapshot_forget();
	transaction.stores = NULL;
}

static bool
store_dirty(void)
{
	if (pgfirst_store_changed() || pgfirst_store_locks() > 0)
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
	pgfirst_apply();
	pgfirst_writeset_forget();
	stores_close();
}

/* Whatever still stands belongs to a transaction that is over. */
static void
store_forget(void)
{
	pgfirst_lock_forget();
	pgfirst_writeset_forget();
	transaction.context = NULL;
}

static void
store_commit(XLogRecPtr xact_position)
{
	pgfirst_position_end(xact_position);
	stores_close();
	store_forget();
}

static void
store_abort(void)
{
	pgfirst_position_end(InvalidXLogRecPtr);
	transaction.owner = NULL; /* released and deleted with its parent */
	stores_close();
	store_forget();
}

static void
store_sub_commit(SubTransactionId child, SubTransactionId parent)
{
	pgfirst_writeset_sub_commit(child, parent);
	pgfirst_lock_sub_commit(child, parent);
}

static void
store_sub_abort(SubTransactionId child, SubTransactionId parent)
{
	pgfirst_writeset_sub_abort(child);
	pgfirst_lock_sub_abort(child);
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

	pgfirst_writeset_init();
	pgfirst_position_init();
	pgfirst_xact_register(PGFIRST_XACT_STORE, &hooks);
	*find_rendezvous_variable(PGFIRST_STORE_API) = unconstify(PgfirstStoreApi *, &store_api);
}
