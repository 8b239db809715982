/* SPDX-License-Identifier: PostgreSQL
 *
 * stats.c: what INFO reports of the Redis door; see stats.h.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/shmem.h"
#include "kv/cmd/stats.h"

KvStats *kv_stats;

uint64
kv_stats_next_client_id(void)
{
	return pg_atomic_fetch_add_u64(&kv_stats->next_client_id, 1) + 1;
}

/* Zeroed memory is a valid start of the rest: counters are initialized as plain 64-bit words. */
static void
stats_shared_init(void *fresh)
{
	((KvStats *) fresh)->counted_from = GetCurrentTimestamp();
}

void
kv_stats_init(void)
{
	StaticAssertStmt(sizeof(pg_atomic_uint64) == sizeof(uint64), "counters are plain words");
	pgfirst_shmem_request("pgfirst kv stats", sizeof(KvStats), (void **) &kv_stats,
	                      stats_shared_init);
}
