/* SPDX-License-Identifier: PostgreSQL
 *
 * pause.c: CLIENT PAUSE and CLIENT UNPAUSE; see pause.h.
 *
 * Operators stop the clients for a moment to move them to another server.  Two words in shared memory
 * say until when and what: every worker's dispatch looks at them before a command that they concern, and
 * parks its client.  A pause ends by its time without anybody doing anything; one that is lifted
 * raises a counter, and the bell of released locks, to which whoever has parked clients listens, wakes
 * the other workers.
 *
 * A worker that needs something to itself, for which the turns of the others leave no gap, asks them to begin
 * no command on keys for some milliseconds.  It asks again and again until it has it, and not for longer
 * than clients wait for locks.
 *
 * As in Redis a second pause makes the first one neither shorter nor weaker.  Unlike there CLIENT
 * UNPAUSE is never paused itself, or nobody could take back a mistaken CLIENT PAUSE ALL.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"

#include "base/clock.h"
#include "base/shmem.h"
#include "base/worker.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/pause.h"
#include "kv/cmd/server.h"

typedef struct PauseShared
{
	pg_atomic_uint64 until_us; /* monotonic; 0: there is none */
	pg_atomic_uint32 all;      /* commands that only read too */
	pg_atomic_uint64 lifted;   /* how many pauses have been */
	pg_atomic_uint64 brief_us; /* until when another worker should be let in; 0: there is none */
	pg_atomic_uint32 brief_by; /* that worker's process */
} PauseShared;

#define BRIEF_US 3000

static PauseShared *shared;
static uint64 lifted_seen;

void
kv_pause_briefly(int64 now_us)
{
	pg_atomic_write_u32(&shared->brief_by, (uint32) MyProcPid);
	pg_atomic_write_u64(&shared->brief_us, (uint64) now_us + BRIEF_US);
}

static bool
brief_holds(const KvCommand *command, uint64 brief, int64 *until_us)
{
	if (pg_atomic_read_u32(&shared->brief_by) == (uint32) MyProcPid)
		return false;
	if (pgfirst_clock_monotonic_us() >= (int64) brief)
	{
		(void) pg_atomic_compare_exchange_u64(&shared->brief_us, &brief, 0);
		return false;
	}
	*until_us = (int64) brief;
	return (command->flags & (KV_READ | KV_WRITE)) != 0 || command->function == kv_cmd_exec;
}

bool
kv_pause_holds(const KvCall *call, int64 *until_us)
{
	const KvCommand *command = call->command;
	uint64 until = pg_atomic_read_u64(&shared->until_us);
	uint64 brief = pg_atomic_read_u64(&shared->brief_us);

	if (brief != 0 && brief_holds(command, brief, until_us))
		return true;
	if (until == 0 || command->function == kv_cmd_client_unpause)
		return false;
	if (pg_atomic_read_u32(&shared->all) == 0 && !(command->flags & KV_WRITE) &&
	    !(command->function == kv_cmd_exec && kv_multi_writes(call->session)))
		return false;
	*until_us = (int64) until;
	return pgfirst_clock_monotonic_us() < (int64) until;
}

bool
kv_pause_lifted(void)
{
	uint64 lifted = pg_atomic_read_u64(&shared->lifted);
	bool news = lifted != lifted_seen;

	lifted_seen = lifted;
	return news;
}

/* CLIENT PAUSE timeout [WRITE | ALL] */
KvOutcome
kv_cmd_client_pause(KvCall *call)
{
	bool all = call->argc == 3 || kv_argument_is(call, 3, "ALL");
	int64 now_us = pgfirst_clock_monotonic_us();
	int64 timeout_ms, until_us;
	uint64 old;

	if (call->argc > 4)
	{
		kv_reply_subcommand_syntax(call);
		return KV_DONE;
	}
	if (!all && !kv_argument_is(call, 3, "WRITE"))
	{
		kv_reply_error(call, "ERR CLIENT PAUSE mode must be WRITE or ALL");
		return KV_DONE;
	}
	if (!kv_argument_timeout(call, 2, &timeout_ms))
		return KV_DONE;

	until_us = kv_timeout_end(now_us, timeout_ms);
	old = pg_atomic_read_u64(&shared->until_us);
	if ((int64) old <= now_us)
		pg_atomic_write_u32(&shared->all, all);
	else if (all)
		pg_atomic_write_u32(&shared->all, 1);
	while ((int64) old < until_us &&
	       !pg_atomic_compare_exchange_u64(&shared->until_us, &old, (uint64) until_us))
		;
	kv_reply_ok(call);
	return KV_DONE;
}

/* CLIENT UNPAUSE */
KvOutcome
kv_cmd_client_unpause(KvCall *call)
{
	pg_atomic_write_u64(&shared->until_us, 0);
	pg_atomic_fetch_add_u64(&shared->lifted, 1);
	pgfirst_bell_ring(PGFIRST_BELL_LOCK);
	kv_reply_ok(call);
	return KV_DONE;
}

static void
pause_shared_init(void *fresh)
{
	PauseShared *fresh_shared = fresh;

	pg_atomic_init_u64(&fresh_shared->until_us, 0);
	pg_atomic_init_u32(&fresh_shared->all, 0);
	pg_atomic_init_u64(&fresh_shared->lifted, 0);
	pg_atomic_init_u64(&fresh_shared->brief_us, 0);
	pg_atomic_init_u32(&fresh_shared->brief_by, 0);
}

void
kv_pause_init(void)
{
	pgfirst_shmem_request("pgfirst kv pause", sizeof(PauseShared), (void **) &shared,
	                      pause_shared_init);
}
