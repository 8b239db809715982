/* SPDX-License-Identifier: PostgreSQL
 *
 * stats.h: what INFO reports of the Redis door; in shared memory, summed over its workers.
 */
#ifndef PGFIRST_KV_STATS_H
#define PGFIRST_KV_STATS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"

#include "kv/database.h"

typedef struct KvStats
{
	pg_atomic_uint64 next_client_id;
	pg_atomic_uint64 connections_received;
	pg_atomic_uint64 connections_rejected;
	pg_atomic_uint64 connected_clients;
	pg_atomic_uint64 blocked_clients;
	pg_atomic_uint64 commands_processed;
	pg_atomic_uint64 error_replies;
	pg_atomic_uint64 input_bytes;
	pg_atomic_uint64 output_bytes;
	pg_atomic_uint64 keyspace_hits;
	pg_atomic_uint64 keyspace_misses;
	pg_atomic_uint64 expired_keys;
	pg_atomic_uint64 evicted_keys;
	pg_atomic_uint64 turns;
	pg_atomic_uint64 turns_aborted;
	pg_atomic_uint64 tls_handshakes; /* that have succeeded */
	pg_atomic_uint64 tls_failed;     /* that have not */
	pg_atomic_uint64 output_limit_disconnections;
	pg_atomic_uint64 client_memory; /* bytes in clients' buffers */
	pg_atomic_uint64 started_us;    /* of the monotonic clock; of the first worker */
	pg_atomic_uint64 commands_rate; /* in the last second or so, each second */
	pg_atomic_uint64 input_rate;
	pg_atomic_uint64 output_rate;

	/*
	 * Reads of the default tenant's keys by database, through the door and by SQL where it is the door's
	 * PostgreSQL database.  CONFIG RESETSTAT leaves them.
	 */
	TimestampTz counted_from;
	struct
	{
		pg_atomic_uint64 hits;
		pg_atomic_uint64 misses;
	} lookups[KV_DATABASES];
} KvStats;

extern KvStats *kv_stats;

extern uint64 kv_stats_next_client_id(void);

static inline void
kv_stats_add(pg_atomic_uint64 *counter, int64 more)
{
	pg_atomic_fetch_add_u64(counter, more);
}

static inline void
kv_stats_count_lookups(int number, uint32 tenant, int64 hits, int64 misses)
{
	if (tenant != 0)
		return;
	if (hits != 0)
		kv_stats_add(&kv_stats->lookups[number].hits, hits);
	if (misses != 0)
		kv_stats_add(&kv_stats->lookups[number].misses, misses);
}
/* Works out the rates, once a second: one process calls it now and then. */
extern void kv_stats_sample(int64 now_us);

/* Called once by kv's init. */
extern void kv_stats_init(void);

#endif
