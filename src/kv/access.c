/* SPDX-License-Identifier: PostgreSQL
 *
 * access.c: what a role may do in which database, and which tenant it belongs to; see access.h.
 *
 * USAGE on the schema is the outer gate of both doors.  Behind it a role has a level in each database:
 *
 *     read    what only looks at keys
 *     write   what changes them, FLUSHDB included: as in Redis, that is a cache's daily bread
 *     admin   what concerns other clients, all databases at once, or the server
 *
 * Levels stand in the extension's table `access`, a row for a role (or PUBLIC) and a database (or all of them,
 * those included that are made later); kv.grant and kv.revoke write it.  They are inherited as any privilege of
 * PostgreSQL is.  Superusers, and whoever has the extension's owner's privileges, may all.  What
 * concerns more than one database (FLUSHALL, CLIENT KILL, SLOWLOG, …) needs admin in every one that there is.
 *
 * kv.create_database gives PUBLIC `write` in what it makes.  So USAGE alone, which nobody has by default, lets an
 * application read and write, which is what it has always meant, and an administrator who wants more
 * revokes PUBLIC's row and grants.  Rejected: to begin with nothing (a first step would have two commands,
 * and the second tells nothing that the first has not); to have no row and a rule in its place (what cannot be
 * seen cannot be revoked).  Admin is never PUBLIC's: it reaches other people's connections.
 *
 * A tenant is a number.  It is part of the hash of every key, so the keys of two tenants never meet, and it
 * comes from the role (kv.set_tenant writes the table `tenancy`) or from pgfirst.tenant, which only an
 * administrator can set, for a role, a database or a session, and which comes first.  Nothing that a client
 * sends chooses it.  A role's tenant is its own and not inherited: of two groups it could not be said which.
 * Nothing need be made for a tenant before its first key.
 *
 * PostgreSQL tells nobody that a role is dropped, and may give its number to another one, one day.  The rows of
 * such roles are passed over at once where they would matter, and upkeep deletes them within seconds; so do kv.grant
 * and its like, for databases that no Redis door serves.
 *
 * On a command's way stands one comparison: what was found out for a session or for the current user is good
 * as long as the generation is, which every invalidation raises that may concern a right.  The tables are
 * read directly, because the loop may not use SPI.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "kv/access.h"
#include "kv/settings.h"

PGFIRST_FUNCTION(pgfirst_kv_may);
PGFIRST_FUNCTION(pgfirst_kv_tenant);

#define ALL_DATABASES (-1)            /* in the table's column */
#define ADMIN_OF_ALL  ((KvLevels) -1) /* two bits each */

typedef struct AccessGrant
{
	Oid role; /* InvalidOid: PUBLIC */
	int number;
	KvLevel level;
} AccessGrant;

typedef struct AccessTenancy
{
	Oid role;
	uint32 tenant;
} AccessTenancy;

/* What the tables say. */
typedef struct AccessTables
{
	MemoryContext context; /* of the arrays, and of this */
	Oid access_table;
	Oid tenancy_table;
	Oid owner; /* of the extension's schema */
	int grants_count;
	AccessGrant *grants;
	int tenancies_count;
	AccessTenancy *tenancies;
} AccessTables;

static struct
{
	bool registered;
	bool valid;
	bool trusted;
	uint64 generation;
	AccessTables *tables; /* NULL: never read */

	/* Of the current user of SQL. */
	uint64 mine_generation;
	Oid mine_role;
	KvLevels mine;
	uint32 mine_tenant;
} rights = {.generation = 1};

const char *
kv_level_name(KvLevel level)
{
	static const char *const names[] = {"none", "read", "write", "admin"};

	return names[level];
}

/* KV_LEVEL_NONE: it is no such word. */
static KvLevel
level_of(const char *name)
{
	for (int level = KV_LEVEL_READ; level <= KV_LEVEL_ADMIN; level++)
		if (strcmp(kv_level_name((KvLevel) level), name) == 0)
			return (KvLevel) level;
	return KV_LEVEL_NONE;
}

/* ---- the cache --------------------------------------------------------------------------- */

static void
access_relation_changed(Datum arg, Oid relation)
{
	if (!rights.tables || relation == InvalidOid || relation == rights.tables->access_table ||
	    relation == rights.tables->tenancy_table)
		kv_access_forget();
}

static void
access_catalog_changed(Datum arg, int cache, uint32 hash)
{
	rights.generation++;
}

static void
access_register(void)
{
	if (rights.registered)
		return;
	rights.registered = true;
	CacheRegisterRelcacheCallback(access_relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, access_catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, access_catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, access_catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(DATABASEOID, access_catalog_changed, (Datum) 0);
}

uint64
kv_access_generation(void)
{
	access_register();
	return rights.generation;
}

void
kv_access_forget(void)
{
	rights.generation++;
	rights.valid = false;
}

/* One more element for an array that grows by doubling. */
static void *
access_grow(MemoryContext context, void *array, int count, Size size)
{
	if (!array)
		return MemoryContextAlloc(context, 8 * size);
	if (count >= 8 && (count & (count - 1)) == 0)
		return repalloc(array, 2 * (Size) count * size);
	return array;
}

static void
access_take_grant(HeapTuple tuple, TupleDesc shape, AccessTables *tables)
{
	bool null;
	AccessGrant *grant;
	char *level = TextDatumGetCString(heap_getattr(tuple, 3, shape, &null));

	tables->grants =
	    access_grow(tables->context, tables->grants, tables->grants_count, sizeof(AccessGrant));
	grant = &tables->grants[tables->grants_count++];
	grant->role = DatumGetObjectId(heap_getattr(tuple, 1, shape, &null));
	grant->number = DatumGetInt32(heap_getattr(tuple, 2, shape, &null));
	grant->level = level_of(level);
	pfree(level);
}

static void
access_take_tenancy(HeapTuple tuple, TupleDesc shape, AccessTables *tables)
{
	bool null;
	AccessTenancy *tenancy;

	tables->tenancies = access_grow(tables->context, tables->tenancies, tables->tenancies_count,
	                                sizeof(AccessTenancy));
	tenancy = &tables->tenancies[tables->tenancies_count++];
	tenancy->role = DatumGetObjectId(heap_getattr(tuple, 1, shape, &null));
	tenancy->tenant = (uint32) DatumGetInt32(heap_getattr(tuple, 2, shape, &null));
}

/* Calls `each` for the rows of a table; false if its lock cannot be had now. */
static bool
access_read_table(Oid table, bool wait, AccessTables *tables,
                  void (*each)(HeapTuple tuple, TupleDesc shape, AccessTables *tables))
{
	Relation relation;
	SysScanDesc scan;
	HeapTuple tuple;

	if (!wait && !ConditionalLockRelationOid(table, AccessShareLock))
		return false;
	relation = table_open(table, wait ? AccessShareLock : NoLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		each(tuple, RelationGetDescr(relation), tables);
	systable_endscan(scan);
	table_close(relation, NoLock);
	return true;
}

static Oid
schema_owner(Oid schema)
{
	HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid owner = InvalidOid;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* What the tables say, in a memory context of its own; NULL if a lock cannot be had now. */
static AccessTables *
access_read(bool wait)
{
	/* Given back with the transaction if reading fails; otherwise it becomes the cache's. */
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst kv access", ALLOCSET_SMALL_SIZES);
	AccessTables *tables = MemoryContextAllocZero(context, sizeof(AccessTables));
	Oid schema = kv_schema();

	tables->context = context;
	if (!OidIsValid(schema))
		return tables;
	tables->owner = schema_owner(schema);
	tables->access_table = get_relname_relid("access", schema);
	tables->tenancy_table = get_relname_relid("tenancy", schema);
	/* Without one of them the extension is on its way out: nobody but its owner may anything. */
	if ((OidIsValid(tables->access_table) &&
	     !access_read_table(tables->access_table, wait, tables, access_take_grant)) ||
	    (OidIsValid(tables->tenancy_table) &&
	     !access_read_table(tables->tenancy_table, wait, tables, access_take_tenancy)))
	{
		MemoryContextDelete(context);
		return NULL;
	}
	return tables;
}

bool
kv_access_ready(bool wait)
{
	uint64 before = kv_access_generation();
	AccessTables *tables;

	if (rights.valid)
		return true;
	tables = access_read(wait);
	if (!tables)
		return false;
	if (rights.tables)
		MemoryContextDelete(rights.tables->context);
	MemoryContextSetParent(tables->context, TopMemoryContext);
	rights.tables = tables;
	/* What changes while it is read is read again next time; whoever asks now has this. */
	rights.valid = rights.generation == before;
	return true;
}

KvLevels
kv_access_levels(Oid role)
{
	const AccessTables *tables = rights.tables;
	KvLevels levels = 0;

	if (superuser_arg(role) ||
	    (OidIsValid(tables->owner) && has_privs_of_role(role, tables->owner)))
		return ADMIN_OF_ALL;
	for (int i = 0; i < tables->grants_count; i++)
	{
		const AccessGrant *grant = &tables->grants[i];

		if (OidIsValid(grant->role) && !has_privs_of_role(role, grant->role))
			continue;
		for (int number = 0; number < KV_DATABASES; number++)
		{
			if (grant->number != ALL_DATABASES && grant->number != number)
				continue;
			if (grant->level > kv_level_in(levels, number))
			{
				levels &= ~((KvLevels) 3 << (2 * number));
				levels |= (KvLevels) grant->level << (2 * number);
			}
		}
	}
	return levels;
}

uint32
kv_access_tenant(Oid role)
{
	for (int i = 0; i < rights.tables->tenancies_count; i++)
		if (rights.tables->tenancies[i].role == role)
			return rights.tables->tenancies[i].tenant;
	return 0;
}

static bool
role_exists(Oid role)
{
	return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role));
}

bool
kv_access_has_tenants(void)
{
	for (int i = 0; rights.tables && i < rights.tables->tenancies_count; i++)
		if (role_exists(rights.tables->tenancies[i].role))
			return true;
	return false;
}

bool
kv_access_lock_dropped(void)
{
	const AccessTables *tables = rights.tables;
	bool dropped = false;

	for (int i = 0; i < tables->tenancies_count && !dropped; i++)
		dropped = !role_exists(tables->tenancies[i].role);
	for (int i = 0; i < tables->grants_count && !dropped; i++)
		dropped = OidIsValid(tables->grants[i].role) && !role_exists(tables->grants[i].role);
	return dropped && OidIsValid(tables->access_table) && OidIsValid(tables->tenancy_table) &&
	       ConditionalLockRelationOid(tables->access_table, ShareRowExclusiveLock) &&
	       ConditionalLockRelationOid(tables->tenancy_table, ShareRowExclusiveLock);
}

bool
kv_access_everywhere(KvLevels levels)
{
	int there = kv_database_count();

	if (there == 0)
		return levels == ADMIN_OF_ALL;
	for (int number = 0; number < there; number++)
		if (kv_database_exists(number) && kv_level_in(levels, number) < KV_LEVEL_ADMIN)
			return false;
	return true;
}

/* ---- SQL --------------------------------------------------------------------------------- */

void
kv_access_trust(void)
{
	rights.trusted = true;
}

/* Finds out about the current user, unless that is known. */
static void
access_mine(void)
{
	Oid role = GetUserId();
	uint64 generation = kv_access_generation();

	if (rights.mine_generation == generation && rights.mine_role == role)
		return;
	(void) kv_access_ready(true);
	rights.mine = kv_access_levels(role);
	rights.mine_tenant = kv_access_tenant(role);
	rights.mine_role = role;
	rights.mine_generation = generation;
}

uint32
kv_access_my_tenant(void)
{
	access_mine();
	return pgfirst_tenant >= 0 ? (uint32) pgfirst_tenant : rights.mine_tenant;
}

bool
kv_access_may_read(int number)
{
	access_mine();
	return kv_level_in(rights.mine, number) >= KV_LEVEL_READ;
}

void
kv_access_enter(int number, bool writable)
{
	KvLevel needed = writable ? KV_LEVEL_WRITE : KV_LEVEL_READ;

	if (rights.trusted)
		return;
	kv_tenant_use(kv_access_my_tenant());
	if (kv_level_in(rights.mine, number) >= needed)
		return;
	ereport(ERROR,
	        (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
	         errmsg("role \"%s\" may not %s database %d", GetUserNameFromId(GetUserId(), false),
	                writable ? "write to" : "read", number),
	         errhint("SELECT %s.grant(%s, %d, '%s') lets it.",
	                 quote_identifier(get_namespace_name(kv_schema())),
	                 quote_literal_cstr(GetUserNameFromId(GetUserId(), false)), number,
	                 kv_level_name(needed))));
}

static void
need_extension(void)
{
	if (kv_databases_ready(true) != KV_READY)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("extension pgfirst_kv is not installed in this database"),
		                errhint("CREATE EXTENSION pgfirst CASCADE installs it.")));
}

/* kv.may(db, level) -> boolean: whether the current user may. */
Datum
pgfirst_kv_may(PG_FUNCTION_ARGS)
{
	int number = PG_GETARG_INT32(0);
	KvLevel level = level_of(text_to_cstring(PG_GETARG_TEXT_PP(1)));

	if (level == KV_LEVEL_NONE || number < 0 || number >= KV_DATABASES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                level == KV_LEVEL_NONE
		                    ? errmsg("level is read, write or admin")
		                    : errmsg("a database's number is between 0 and %d", KV_DATABASES - 1)));
	need_extension();
	access_mine();
	PG_RETURN_BOOL(kv_level_in(rights.mine, number) >= level);
}

/* kv.tenant() -> integer: the current user's tenant, through either door. */
Datum
pgfirst_kv_tenant(PG_FUNCTION_ARGS)
{
	need_extension();
	PG_RETURN_INT32((int32) kv_access_my_tenant());
}
