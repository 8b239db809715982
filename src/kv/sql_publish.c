/* SPDX-License-Identifier: PostgreSQL
 *
 * sql_publish.c: kv.publish: a message to the clients of the Redis door that have subscribed; see publish.h.
 *
 * It is sent when the caller's transaction commits, so how many get it is known to nobody before, and it returns nothing.
 * As PUBLISH does it reaches the caller's tenant and needs no right in any database.  In a PostgreSQL database that
 * no Redis door serves nobody listens.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "kv/access.h"
#include "kv/publish.h"
#include "kv/sql.h"

PGFIRST_FUNCTION(pgfirst_kv_publish);

static void
publish(RespSlice channel, RespSlice message)
{
	KvPublished published = kv_publish(kv_access_my_tenant(), channel, message);

	if (published == KV_PUBLISH_MEMORY)
		ereport(ERROR,
		        (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of shared memory"),
		         errdetail("A message of %zu bytes could not be published.", message.length)));
	if (published != KV_PUBLISHED)
		ereport(
		    ERROR,
		    (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		     errmsg("more than %zu bytes of messages would wait for subscribers", KV_PUBLISH_MAX),
		     errdetail("They wait in the workers of the Redis door, or for this commit.")));
}

/* kv.publish(channel, message) */
Datum
pgfirst_kv_publish(PG_FUNCTION_ARGS)
{
	RespSlice channel = kv_sql_key(fcinfo, 0);
	RespSlice message = kv_sql_value(fcinfo, 1);

	PreventCommandIfParallelMode("kv.publish()");
	if (kv_databases_ready(true) == KV_READY && kv_door_is_here())
		publish(channel, message);
	PG_RETURN_VOID();
}
