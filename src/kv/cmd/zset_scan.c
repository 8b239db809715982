/* SPDX-License-Identifier: PostgreSQL
 *
 * zset_scan.c: commands to which a sorted set is members whose values are scores, in no order that matters.
 */
#include "postgres.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/zset.h"

static bool
pair_write(void *context, RespSlice member, RespSlice value)
{
	KvCall *call = context;

	kv_zset_write(call, member, kv_zset_score_of(value), true);
	return !call->reply->failed;
}

static void
read_zrandmember(KvCall *call)
{
	kv_elements_read_random(call, KV_TYPE_ZSET, "WITHSCORES", pair_write);
}

/* ZRANDMEMBER key [count [WITHSCORES]] */
KvOutcome
kv_cmd_zrandmember(KvCall *call)
{
	return kv_reply_together(call, read_zrandmember);
}

/* ZSCAN key cursor [MATCH pattern] [COUNT count] */
KvOutcome
kv_cmd_zscan(KvCall *call)
{
	return kv_elements_scan(call, KV_TYPE_ZSET);
}
