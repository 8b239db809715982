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
 * the password, and CONNECT on the database.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "libpq/crypt.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "kv/auth.h"
#include "kv/database.h"
#include "kv/settings.h"
#include "lib/hash/siphash.h"

#define REMEMBERED_ROLES_MAX 1024

/* Each of the verification's thousands of rounds reads the whole password. */
#define PASSWORD_BYTES_MAX 1024

typedef struct RememberedRole
{
	Oid role;
	uint8 proof[PGFIRST_SIPHASH_RESULT_BYTES];
} RememberedRole;

static struct
{
	HTAB *remembered;
	uint8 key[PGFIRST_SIPHASH_KEY_BYTES];
	uint64 generation; /* of rights: raised whenever roles or schemas change */
	char *nobody;      /* the secret of a role that does not exist, of a password nobody knows */
} auth;

static void
auth_rights_changed(Datum arg, int cache, uint32 hash)
{
	auth.generation++;
}

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
	CacheRegisterSyscacheCallback(AUTHOID, auth_rights_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, auth_rights_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, auth_rights_changed, (Datum) 0);
	auth.generation = 1;
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

bool
kv_auth_may_use(KvSession *session)
{
	auth_begin();
	if (session->granted == auth.generation)
		return true;
	if (object_aclcheck(NamespaceRelationId, kv_schema(), session->role, ACL_USAGE) != ACLCHECK_OK)
		return false;
	session->granted = auth.generation;
	return true;
}

const char *
kv_auth_role_name(const KvSession *session)
{
	const char *name = OidIsValid(session->role) ? GetUserNameFromId(session->role, true) : NULL;

	return name ? name : "default";
}
