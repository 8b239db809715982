/* SPDX-License-Identifier: PostgreSQL
 *
 * catalog.c: changing what the table `database` says; see catalog.h.
 *
 * CONFIG SET and SWAPDB come from clients of the Redis door, in the middle of a turn, which may neither run
 * SQL nor wait.  So they change the rows as PostgreSQL changes rows of its own catalogs, by the heap's
 * functions, in the turn's transaction: what they change is committed, rolled back, logged and replicated
 * with it.  A lock on the table that keeps other writers of it away is tried first; who has it meets
 * no row that somebody else is changing, and so waits for nobody.
 *
 * Everybody reads the table again when the transaction has committed, as after a change by SQL; the
 * process that made it reads it at once, since the commands behind it in the same transaction see it.
 *
 * An exchange gives the rows each other's numbers, and with them the stores, their durability and their
 * limits: what was in database 1 is in database 2 with all that was configured for it.  While it is under way
 * nobody else has either store open, readers included, on a standby neither; so all see it at one
 * moment, and nobody sees half of it.  See the head of database.c for who comes just behind it.
 *
 * The rows of all tenants are in the same stores.  As long as there is only the default one, an exchange is
 * theirs alone.
 *
 * Rejected: to hand the change to another process and park the client (EXEC could not do it together with
 * the rest); to exchange the records; to exchange an offset of numbers per client.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/keylock.h"
#include "kv/catalog.h"
#include "kv/count.h"
#include "kv/limit.h"
#include "kv/ready.h"
#include "store/store.h"

PGFIRST_FUNCTION(pgfirst_kv_swap_databases);

#define COLUMNS 5 /* number, store, durability, max_size, eviction */

static bool
lock_relation(Oid relation, LOCKMODE mode, bool wait)
{
	if (wait)
		LockRelationOid(relation, mode);
	else if (!ConditionalLockRelationOid(relation, mode))
		return false;
	return true;
}

/* Readers of the table are not disturbed. */
bool
kv_catalog_lock(bool wait)
{
	pgfirst_keylock_loud();
	return lock_relation(kv_identity_table(), AccessShareLock, wait) &&
	       lock_relation(kv_database_table(), ShareRowExclusiveLock, wait) &&
	       kv_databases_ready(wait) == KV_READY;
}

/* A copy of the row of a database. */
static HeapTuple
find_row(Relation table, int number)
{
	SysScanDesc scan = systable_beginscan(table, InvalidOid, false, NULL, 0, NULL);
	HeapTuple found = NULL;
	HeapTuple tuple;
	bool null;

	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		if (DatumGetInt32(heap_getattr(tuple, 1, RelationGetDescr(table), &null)) == number)
			found = heap_copytuple(tuple);
	systable_endscan(scan);
	if (!found)
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("database %d does not exist", number)));
	return found;
}

/* All others read the table when this commits, and this process now. */
static void
table_changed(Relation table)
{
	CacheInvalidateRelcache(table);
	kv_limit_configured();
	CommandCounterIncrement();
	table_close(table, NoLock);
	/* The locks that this needs are there. */
	if (kv_databases_ready(false) != KV_READY)
		elog(ERROR, "the list of databases could not be read again");
}

void
kv_catalog_configure(int number, const KvSettings *settings)
{
	Datum values[COLUMNS] = {0};
	bool nulls[COLUMNS] = {false};
	bool replace[COLUMNS] = {false, false, true, true, true};
	Relation table = table_open(kv_database_table(), NoLock);
	HeapTuple row = find_row(table, number);

	values[2] = CStringGetTextDatum(kv_durability_name(settings->durability));
	values[3] = Int64GetDatum(settings->max_size);
	nulls[3] = settings->max_size == 0;
	values[4] = CStringGetTextDatum(kv_eviction_name(settings->eviction));
	CatalogTupleUpdate(table, &row->t_self,
	                   heap_modify_tuple(row, RelationGetDescr(table), values, nulls, replace));
	table_changed(table);
	kv_space_forget(number);
}

bool
kv_catalog_swap_lock(int a, int b, bool wait)
{
	Oid store_a = kv_database_relation(a);
	Oid store_b = kv_database_relation(b);

	pgfirst_keylock_loud();
	return lock_relation(Min(store_a, store_b), AccessExclusiveLock, wait) &&
	       lock_relation(Max(store_a, store_b), AccessExclusiveLock, wait) &&
	       kv_catalog_lock(wait) && kv_database_relation(a) == store_a &&
	       kv_database_relation(b) == store_b;
}

int
kv_catalog_swap_holder(int a, int b)
{
	int holder = pgfirst_keylock_relation_holder(kv_database_relation(a), AccessExclusiveLock);

	if (holder == 0)
		holder = pgfirst_keylock_relation_holder(kv_database_relation(b), AccessExclusiveLock);
	return holder != 0
	           ? holder
	           : pgfirst_keylock_relation_holder(kv_database_table(), ShareRowExclusiveLock);
}

static HeapTuple
row_with_number(Relation table, HeapTuple row, int number)
{
	Datum values[COLUMNS] = {Int32GetDatum(number)};
	bool nulls[COLUMNS] = {false};
	bool replace[COLUMNS] = {true};

	return heap_modify_tuple(row, RelationGetDescr(table), values, nulls, replace);
}

void
kv_catalog_swap(int a, int b)
{
	Relation table = table_open(kv_database_table(), NoLock);
	HeapTuple row_a = find_row(table, a);
	HeapTuple row_b = find_row(table, b);

	/* Both go before one comes: a number is there once. */
	CatalogTupleDelete(table, &row_a->t_self);
	CatalogTupleDelete(table, &row_b->t_self);
	CatalogTupleInsert(table, row_with_number(table, row_a, b));
	CatalogTupleInsert(table, row_with_number(table, row_b, a));
	kv_count_swap(a, b);
	kv_ready_note_all();
	/* What a crash leaves is all of the transaction or nothing: not some keys, and the old numbers. */
	pgfirst_store_commands_together();
	table_changed(table);
	kv_spaces_exchanged(a, b);
}

static void
refuse_missing(int number)
{
	if (!kv_database_exists(number))
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("database %d does not exist", number)));
}

/* kv.swap_databases(a, b) */
Datum
pgfirst_kv_swap_databases(PG_FUNCTION_ARGS)
{
	int a = PG_GETARG_INT32(0);
	int b = PG_GETARG_INT32(1);

	PreventCommandIfReadOnly("kv.swap_databases()");
	kv_spaces_forget();
	do
	{
		if (kv_databases_ready(true) != KV_READY)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
			                errmsg("extension pgfirst_kv is not installed in this database"),
			                errhint("CREATE EXTENSION pgfirst CASCADE installs it.")));
		refuse_missing(a);
		refuse_missing(b);
	} while (a != b && !kv_catalog_swap_lock(a, b, true));
	if (a != b)
		kv_catalog_swap(a, b);
	PG_RETURN_VOID();
}
