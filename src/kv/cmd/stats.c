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

#define SAMPLE_US ((int64) 1000000)

void
kv_stats_sample(int64 now_us)
{
	static struct
	{
		int64 at_us;
		uint64 commands, input, output;
	} last;
	uint64 commands = pg_atomic_read_u64(&kv_stats->commands_processed);
	uint64 input = pg_atomic_read_u64(&kv_stats->input_bytes);
	uint64 output = pg_atomic_read_u64(&kv_stats->output_bytes);
	int64 passed_us = now_us - last.at_us;

	if (passed_us < SAMPLE_US)
		return;
	/* CONFIG RESETSTAT may have set them back. */
	if (last.at_us != 0 && commands >= last.commands && input >= last.input &&
	    output >= last.output)
	{
		pg_atomic_write_u64(&kv_stats->commands_rate,
		                    (commands - last.commands) * SAMPLE_US / (uint64) passed_us);
		pg_atomic_write_u64(&kv_stats->input_rate,
		                    (input - last.input) * SAMPLE_US / (uint64) passed_us);
		pg_atomic_write_u64(&kv_stats->output_rate,
		                    (output - last.output) * SAMPLE_US / (uint64) passed_us);
	}
	last.at_us = now_us;
	last.commands = commands;
	last.input = input;
	last.output = output;
}

void
kv_stats_init(void)
{
	StaticAssertStmt(sizeof(pg_atomic_uint64) == sizeof(uint64), "counters are plain words");
	pgfirst_shmem_request("pgfirst kv stats", sizeof(KvStats), (void **) &kv_stats,
	                      stats_shared_init);
}
