/* SPDX-License-Identifier: PostgreSQL
 *
 * auth.h: who a client of the Redis door is.
 *
 * A login is a PostgreSQL role with a password.  What it may do is one question: USAGE on the
 * extension's schema, the same gate as for SQL.
 */
#ifndef PGFIRST_KV_AUTH_H
#define PGFIRST_KV_AUTH_H

#include "postgres.h"

#include "kv/cmd/session.h"
#include "lib/resp/resp.h"

typedef enum KvAuth
{
	KV_AUTH_YES,
	KV_AUTH_NO,
	KV_AUTH_LATER /* a password has been verified in this turn already */
} KvAuth;

/*
 * Checks user and password; user "default" or empty means pgfirst.redis_default_role.  Needs a
 * transaction.  *used says whether this turn has verified a password, and is set when this does.
 */
extern KvAuth kv_auth_verify(RespSlice user, RespSlice password, bool *used, Oid *role);

/* Whether the session's role may use the keys.  Needs a transaction; remembered until rights change. */
extern bool kv_auth_may_use(KvSession *session);

/* The name of the session's role, for messages; in the current memory context. */
extern const char *kv_auth_role_name(const KvSession *session);

#endif
