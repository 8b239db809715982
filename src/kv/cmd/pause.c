/* SPDX-License-Identifier: PostgreSQL
 *
 * pause.c: CLIENT PAUSE and CLIENT UNPAUSE; see pause.h.
 *
 * Operators stop the clients for a moment to move them to another server.  Shared memory holds until when
 * and what, for each tenant that has a pause, because nobody stops another tenant's clients: every worker's
 * dispatch looks there before a command, and parks its client.  One word says when the last of the pauses
 * ends, so that without one nobody looks further.  A pause ends by its time without anybody doing anything; one that is
 * lifted raises a counter, and the bells of released locks, to which whoever has parked clients listens, and of keys
 * that are waited for wake the other workers.
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
#include "storage/spin.h"

#include "base/clock.h"
#include "base/shmem.h"
#include "base/worker.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/pause.h"
#include "kv/cmd/server.h"

#define PAUSES_MAX 32 /* tenants that can have one at a time */

typedef struct Pause
{
	int64 until_us; /* monotonic; 0: none */
	uint32 tenant;
	bool all; /* commands that only read too */
} Pause;

typedef struct PauseShared
{
	pg_atomic_uint64 last_us; /* when the last of them ends; 0: there is none */
	pg_atomic_uint64 lifted;  /* how many have been */
	slock_t lock;
	Pause pauses[PAUSES_MAX];
	pg_atomic_uint64 brief_us; /* until when another worker should be let in; 0: there is none */
	pg_atomic_uint32 brief_by; /* that worker's process */
} PauseShared;

#define BRIEF_US 3000

static PauseShared *shared;
static uint64 lifted_seen;

/* The tenant's pause; none, all zero, if it has ended. */
static Pause
pause_of(uint32 tenant, int64 now_us)
{
	Pause found = {0};

	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < PAUSES_MAX; i++)
		if (shared->pauses[i].tenant == tenant && shared->pauses[i].until_us > now_us)
			found = shared->pauses[i];
	SpinLockRelease(&shared->lock);
	return found;
}

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
	uint64 last = pg_atomic_read_u64(&shared->last_us);
	uint64 brief = pg_atomic_read_u64(&shared->brief_us);
	int64 now_us;
	Pause pause;

	if (brief != 0 && brief_holds(command, brief, until_us))
		return true;
	/* Whose client it is, and so whose pause holds it, is known when it has logged in. */
	if (last == 0 || command->function == kv_cmd_client_unpause || (command->flags & KV_NO_AUTH))
		return false;
	now_us = pgfirst_clock_monotonic_us();
	if ((int64) last <= now_us)
	{
		/* Unless somebody has begun another one just now. */
		(void) pg_atomic_compare_exchange_u64(&shared->last_us, &last, 0);
		return false;
	}
	pause = pause_of(call->session->tenant, now_us);
	if (!pause.all && !(command->flags & KV_WRITE) && !kv_command_is_writing_script(command) &&
	    !(command->function == kv_cmd_exec && kv_multi_writes(call->session)))
		return false;
	*until_us = pause.until_us;
	return pause.until_us != 0;
}

bool
kv_pause_lifted(void)
{
	uint64 lifted = pg_atomic_read_u64(&shared->lifted);
	bool news = lifted != lifted_seen;

	lifted_seen = lifted;
	return news;
}

/* Begins a pause, or adds to the one that there is; false if too many tenants have one. */
static bool
pause_begin(uint32 tenant, bool all, int64 now_us, int64 until_us)
{
	Pause *mine = NULL;

	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < PAUSES_MAX; i++)
	{
		Pause *pause = &shared->pauses[i];

		if (pause->until_us > now_us && pause->tenant == tenant)
		{
			mine = pause;
			break;
		}
		if (!mine && pause->until_us <= now_us)
			mine = pause;
	}
	if (mine && mine->until_us <= now_us)
		*mine = (Pause){.tenant = tenant};
	if (mine)
	{
		mine->all |= all;
		mine->until_us = Max(mine->until_us, until_us);
		if ((int64) pg_atomic_read_u64(&shared->last_us) < mine->until_us)
			pg_atomic_write_u64(&shared->last_us, (uint64) mine->until_us);
	}
	SpinLockRelease(&shared->lock);
	return mine != NULL;
}

/* CLIENT PAUSE timeout [WRITE | ALL] */
KvOutcome
kv_cmd_client_pause(KvCall *call)
{
	bool all = call->argc == 3 || kv_argument_is(call, 3, "ALL");
	int64 now_us = pgfirst_clock_monotonic_us();
	int64 timeout_ms;

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
	if (pause_begin(call->session->tenant, all, now_us, kv_timeout_end(now_us, timeout_ms)))
		kv_reply_ok(call);
	else
		kv_reply_error(call, "ERR %d tenants have paused their clients, which is as many as can",
		               PAUSES_MAX);
	return KV_DONE;
}

/* CLIENT UNPAUSE */
KvOutcome
kv_cmd_client_unpause(KvCall *call)
{
	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < PAUSES_MAX; i++)
		if (shared->pauses[i].tenant == call->session->tenant)
			shared->pauses[i].until_us = 0;
	SpinLockRelease(&shared->lock);
	pg_atomic_fetch_add_u64(&shared->lifted, 1);
	pgfirst_bell_ring(PGFIRST_BELL_LOCK);
	pgfirst_bell_ring(PGFIRST_BELL_READY);
	kv_reply_ok(call);
	return KV_DONE;
}

static void
pause_shared_init(void *fresh)
{
	PauseShared *fresh_shared = fresh;

	SpinLockInit(&fresh_shared->lock);
	pg_atomic_init_u64(&fresh_shared->last_us, 0);
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
