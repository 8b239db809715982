/* SPDX-License-Identifier: PostgreSQL
 *
 * auth.c: who a client of the Redis door is; see auth.h.
 *
 * Verifying a SCRAM secret takes milliseconds by design, and a client library logs in on every
 * connection of its pool. So a turn verifies one password at most (the others come in later turns,
 * in order), and a success is remembered as a keyed hash over the role's stored secret and the
 * password: when the role's password changes, so does the hash, and nothing has to be invalidated.
 * The key is random and never leaves the process.
 *
 * pg_hba.conf does not apply here. Checked are what the role says of itself: LOGIN, VALID UNTIL,
 * the password, and CONNECT on the database.  Clients stay connected for months, so all of these but the
 * password are looked at again, at the next command, when something has changed: who may not log in any more is
 * logged out.  PostgreSQL lets its own sessions live; they are short, or can be terminated one by one.  A changed
 * password ends no session, here as in Redis.
 *
 * Failures are slowed by the address that they come from; see throttle.h.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_db_role_setting.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "libpq/crypt.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "kv/access.h"
#include "kv/auth.h"
#include "kv/cmd/command.h"
#include "kv/cmd/pubsub.h"
#include "kv/database.h"
#include "kv/settings.h"
#include "lib/hash/siphash.h"

#define REMEMBERED_ROLES_MAX 1024

/* Each of the verification's thousands of rounds reads the whole password. */
#define PASSWORD_BYTES_MAX 1024

#define UNIX_EPOCH_USECS ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

typedef struct RememberedRole
{
	Oid role;
	uint8 proof[PGFIRST_SIPHASH_RESULT_BYTES];
} RememberedRole;

static struct
{
	HTAB *remembered;
	uint8 key[PGFIRST_SIPHASH_KEY_BYTES];
	char *nobody; /* the secret of a role that does not exist, of a password nobody knows */
} auth;

/* The stored form of a random password. */
static char *
auth_make_nobody(void)
{
	uint8 random[16];
	char word[2 * sizeof(random) + 1];

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not get random bytes")));
	hex_encode((const char *) random, sizeof(random), word);
	word[sizeof(word) - 1] = '\0';
	return MemoryContextStrdup(TopMemoryContext,
	                           encrypt_password(PASSWORD_TYPE_SCRAM_SHA_256, "", word));
}

static void
auth_begin(void)
{
	HASHCTL shape = {
	    .keysize = sizeof(Oid), .entrysize = sizeof(RememberedRole), .hcxt = TopMemoryContext};

	if (auth.remembered)
		return;
	if (!pg_strong_random(auth.key, sizeof(auth.key)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not get random bytes")));
	auth.nobody = auth_make_nobody();
	auth.remembered = hash_create("pgfirst verified passwords", 64, &shape,
	                              HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
auth_proof(const char *secret, const char *password, uint8 *proof)
{
	SipHash hash;

	pgfirst_siphash_begin(&hash, auth.key);
	pgfirst_siphash_add(&hash, secret, strlen(secret) + 1);
	pgfirst_siphash_add(&hash, password, strlen(password));
	pgfirst_siphash_end(&hash, proof);
}

static void
auth_remember(Oid role, const uint8 *proof)
{
	RememberedRole *entry;

	if (hash_get_num_entries(auth.remembered) >= REMEMBERED_ROLES_MAX)
	{
		HASH_SEQ_STATUS all;

		hash_seq_init(&all, auth.remembered);
		while ((entry = hash_seq_search(&all)) != NULL)
			hash_search(auth.remembered, &entry->role, HASH_REMOVE, NULL);
	}
	entry = hash_search(auth.remembered, &role, HASH_ENTER, NULL);
	memcpy(entry->proof, proof, sizeof(entry->proof));
}

/* The role's oid if it may log in to this database at all. */
static Oid
auth_find_role(const char *name)
{
	HeapTuple tuple = SearchSysCache1(AUTHNAME, CStringGetDatum(name));
	Form_pg_authid form;
	Oid role = InvalidOid;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	form = (Form_pg_authid) GETSTRUCT(tuple);
	if (form->rolcanlogin)
		role = form->oid;
	ReleaseSysCache(tuple);
	if (OidIsValid(role) &&
	    object_aclcheck(DatabaseRelationId, MyDatabaseId, role, ACL_CONNECT) != ACLCHECK_OK)
		return InvalidOid;
	return role;
}

KvAuth
kv_auth_verify(RespSlice user, RespSlice password, bool *used, Oid *role)
{
	char *name;
	char *word;
	const char *detail = NULL;
	char *secret;
	uint8 proof[PGFIRST_SIPHASH_RESULT_BYTES];
	RememberedRole *remembered;

	auth_begin();
	*role = InvalidOid;
	if (password.length > PASSWORD_BYTES_MAX || user.length >= NAMEDATALEN)
		return KV_AUTH_NO;
	/* As C strings they would be what stands before the zero byte: another name or password. */
	name = pnstrdup(user.data, user.length);
	word = pnstrdup(password.data, password.length);
	if (strlen(name) != user.length || strlen(word) != password.length)
		return KV_AUTH_NO;
	if (name[0] == '\0' || strcmp(name, "default") == 0)
		name = pgfirst_redis_default_role;
	*role = auth_find_role(name);
	/* NULL also when VALID UNTIL has passed. */
	secret = OidIsValid(*role) ? get_role_password(name, &detail) : NULL;
	/* Who may not log in is refused as slowly as who has the wrong password. */
	if (!secret)
		secret = auth.nobody;
	auth_proof(secret, word, proof);
	remembered = hash_search(auth.remembered, role, HASH_FIND, NULL);
	if (remembered && memcmp(remembered->proof, proof, sizeof(proof)) == 0)
		return KV_AUTH_YES;
	if (*used)
		return KV_AUTH_LATER;
	*used = true;
	if (plain_crypt_verify(name, secret, word, &detail) != STATUS_OK || secret == auth.nobody)
		return KV_AUTH_NO;
	auth_remember(*role, proof);
	return KV_AUTH_YES;
}

/* ---- after the login --------------------------------------------------------------------- */

#define NOTHING_SAID PG_INT32_MIN

/* "pgfirst.tenant=7" of a row of pg_db_role_setting. */
static int32
auth_setting_tenant(HeapTuple tuple, TupleDesc shape)
{
	static const char name[] = "pgfirst.tenant=";
	bool null;
	Datum settings = heap_getattr(tuple, Anum_pg_db_role_setting_setconfig, shape, &null);
	Datum *items;
	int count;

	if (null)
		return NOTHING_SAID;
	deconstruct_array(DatumGetArrayTypeP(settings), TEXTOID, -1, false, TYPALIGN_INT, &items, NULL,
	                  &count);
	for (int i = 0; i < count; i++)
	{
		char *item = TextDatumGetCString(items[i]);

		/* What is set there has been checked when it was set. */
		if (pg_strncasecmp(item, name, sizeof(name) - 1) == 0)
			return (int32) strtol(item + sizeof(name) - 1, NULL, 0);
	}
	return NOTHING_SAID;
}

/*
 * What ALTER ROLE and ALTER DATABASE say of pgfirst.tenant, as a connection of this role to this database would
 * follow it: for the role here, for the role, for the database, for all roles.  -1 if nothing is said, or that.
 */
static int32
auth_set_tenant(Oid role)
{
	const struct
	{
		Oid database;
		Oid role;
	} places[] = {{MyDatabaseId, role},
	              {InvalidOid, role},
	              {MyDatabaseId, InvalidOid},
	              {InvalidOid, InvalidOid}};
	Relation settings = table_open(DbRoleSettingRelationId, AccessShareLock);
	int32 tenant = NOTHING_SAID;

	for (int i = 0; i < (int) lengthof(places) && tenant == NOTHING_SAID; i++)
	{
		ScanKeyData keys[2];
		SysScanDesc scan;
		HeapTuple tuple;

		ScanKeyInit(&keys[0], Anum_pg_db_role_setting_setdatabase, BTEqualStrategyNumber, F_OIDEQ,
		            ObjectIdGetDatum(places[i].database));
		ScanKeyInit(&keys[1], Anum_pg_db_role_setting_setrole, BTEqualStrategyNumber, F_OIDEQ,
		            ObjectIdGetDatum(places[i].role));
		scan = systable_beginscan(settings, DbRoleSettingDatidRolidIndexId, true, NULL, 2, keys);
		tuple = systable_getnext(scan);
		if (HeapTupleIsValid(tuple))
			tenant = auth_setting_tenant(tuple, RelationGetDescr(settings));
		systable_endscan(scan);
	}
	table_close(settings, AccessShareLock);
	return Max(tenant, -1);
}

uint32
kv_auth_tenant(Oid role)
{
	int32 set = auth_set_tenant(role);

	return set >= 0 ? (uint32) set : kv_access_tenant(role);
}

bool
kv_auth_has_tenants(void)
{
	Relation settings;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	if (kv_access_has_tenants())
		return true;
	settings = table_open(DbRoleSettingRelationId, AccessShareLock);
	scan = systable_beginscan(settings, InvalidOid, false, NULL, 0, NULL);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid database = ((Form_pg_db_role_setting) GETSTRUCT(tuple))->setdatabase;

		found = (database == MyDatabaseId || database == InvalidOid) &&
		        auth_setting_tenant(tuple, RelationGetDescr(settings)) > 0;
	}
	systable_endscan(scan);
	table_close(settings, AccessShareLock);
	return found;
}

void
kv_auth_log_in(KvSession *session, Oid role)
{
	int tenant = auth_set_tenant(role);

	kv_session_log_out(session);
	session->role = role;
	session->tenant_set = tenant;
}

/* Whether the role may still log in here, and until when, in milliseconds since 1970. */
static bool
auth_role_lives(Oid role, int64 *until_ms)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	TimestampTz until;
	bool may, forever;

	if (!HeapTupleIsValid(tuple))
		return false;
	may = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	until = DatumGetTimestampTz(
	    SysCacheGetAttr(AUTHOID, tuple, Anum_pg_authid_rolvaliduntil, &forever));
	ReleaseSysCache(tuple);
	if (forever || TIMESTAMP_IS_NOEND(until))
		*until_ms = PG_INT64_MAX;
	else
		*until_ms = TIMESTAMP_IS_NOBEGIN(until) ? 0 : (until + UNIX_EPOCH_USECS) / 1000;
	return may &&
	       object_aclcheck(DatabaseRelationId, MyDatabaseId, role, ACL_CONNECT) == ACLCHECK_OK;
}

KvStanding
kv_auth_look(KvSession *session, bool available, int64 now_ms)
{
	uint64 generation = kv_access_generation();
	uint32 tenant;
	int64 until_ms;

	if (!auth_role_lives(session->role, &until_ms) || now_ms >= until_ms)
	{
		kv_multi_break(session);
		kv_session_drop_slices(session);
		kv_session_log_out(session);
		kv_pubsub_part(session);
		return KV_STANDING_LOST;
	}
	if (available && !kv_access_ready(false))
		return KV_STANDING_BUSY;
	session->usage = available && object_aclcheck(NamespaceRelationId, kv_schema(), session->role,
	                                              ACL_USAGE) == ACLCHECK_OK;
	session->levels = available                      ? kv_access_levels(session->role)
	                  : superuser_arg(session->role) ? PG_UINT32_MAX
	                                                 : 0;
	/* What cannot be read just now is as it was; it is looked up again as soon as it can be. */
	tenant = session->tenant_set >= 0 ? (uint32) session->tenant_set
	         : available              ? kv_access_tenant(session->role)
	                                  : session->tenant;
	if (tenant != session->tenant)
	{
		/* What was begun was meant for the other tenant's keys. */
		kv_multi_break(session);
		kv_session_drop_slices(session);
		session->tenant = tenant;
	}
	kv_pubsub_part(session);
	session->granted = generation;
	session->granted_until_ms = until_ms;
	return KV_STANDING_GOOD;
}

const char *
kv_auth_name(Oid role)
{
	const char *name = OidIsValid(role) ? GetUserNameFromId(role, true) : NULL;

	return name ? name : "default";
}

const char *
kv_auth_role_name(const KvSession *session)
{
	return kv_auth_name(session->role);
}
