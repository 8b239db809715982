/* SPDX-License-Identifier: PostgreSQL
 *
 * auth.h: who a client of the Redis door is.
 *
 * A login is a PostgreSQL role with a password.  What it may do then is asked in access.h.
 */
#ifndef PGFIRST_KV_AUTH_H
#define PGFIRST_KV_AUTH_H

#include "postgres.h"

#include "kv/access.h"
#include "kv/cmd/session.h"
#include "lib/resp/resp.h"

typedef enum KvAuth
{
	KV_AUTH_YES,
	KV_AUTH_NO,
	KV_AUTH_LATER /* a password has been verified in this turn already */
} KvAuth;

/* What has become of a session that had logged in. */
typedef enum KvStanding
{
	KV_STANDING_GOOD,
	KV_STANDING_LOST, /* its role may not log in any more: it is logged out */
	KV_STANDING_BUSY  /* a lock that is needed to find out what it may cannot be had now */
} KvStanding;

/*
 * Checks user and password; user "default" or empty means pgfirst.redis_default_role.  Needs a
 * transaction.  *used says whether this turn has verified a password, and is set when this does.
 */
extern KvAuth kv_auth_verify(RespSlice user, RespSlice password, bool *used, Oid *role);

/* The session is this role's from now on; KvStanding is to be asked for.  Needs a transaction. */
extern void kv_auth_log_in(KvSession *session, Oid role);

/* Whether what is known of the session is what there is to know: asked for every command. */
static inline bool
kv_auth_is_current(const KvSession *session, int64 now_ms)
{
	return session->granted == kv_access_generation() && now_ms < session->granted_until_ms;
}

/*
 * Finds out what a session may that has logged in, and which tenant's it is.  Needs a transaction;
 * `available` says that the databases are ready.
 */
extern KvStanding kv_auth_look(KvSession *session, bool available, int64 now_ms);

/* The tenant that a new connection of the role would have.  Needs a transaction, and the rights to be ready. */
extern uint32 kv_auth_tenant(Oid role);

/* Whether anybody has a tenant of its own, by kv.set_tenant or by a setting; as above. */
extern bool kv_auth_has_tenants(void);

/* The name of a role, or of the session's, for messages; in the current memory context. */
extern const char *kv_auth_name(Oid role);
extern const char *kv_auth_role_name(const KvSession *session);

#endif
