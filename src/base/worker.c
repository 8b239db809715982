/* SPDX-License-Identifier: PostgreSQL
 *
 * worker.c: what every background process of the library does alike; see worker.h.
 *
 * The bell is safe against lost wake-ups because both sides cross a full barrier between writing
 * their word and reading the other's: who waits sets its bit and looks at the condition again, who
 * has news changes the condition and looks at the bits.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

#include "base/shmem.h"
#include "base/worker.h"

#define WORKER_SLOTS 80

typedef struct WorkerSlot
{
	Latch *latch; /* NULL: free. Of a PGPROC, which is shared memory that outlives the process. */
	pg_atomic_uint32 wanted; /* a bit per bell */
	pg_atomic_uint32 rung;   /* the bells that have rung since the process looked */
} WorkerSlot;

typedef struct WorkerShared
{
	slock_t lock;                            /* guards taking and freeing slots */
	pg_atomic_uint32 waiting[PGFIRST_BELLS]; /* how many slots have the bit */
	WorkerSlot slots[WORKER_SLOTS];
} WorkerShared;

static WorkerShared *shared;
static WorkerSlot *my_slot;

static void
worker_shared_init(void *fresh)
{
	WorkerShared *fresh_shared = fresh;

	SpinLockInit(&fresh_shared->lock);
	for (int i = 0; i < PGFIRST_BELLS; i++)
		pg_atomic_init_u32(&fresh_shared->waiting[i], 0);
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		pg_atomic_init_u32(&fresh_shared->slots[i].wanted, 0);
		pg_atomic_init_u32(&fresh_shared->slots[i].rung, 0);
	}
}

static void
worker_slot_free(int code, Datum arg)
{
	for (int bell = 0; bell < PGFIRST_BELLS; bell++)
		pgfirst_bell_want((PgfirstBell) bell, false);
	SpinLockAcquire(&shared->lock);
	my_slot->latch = NULL;
	SpinLockRelease(&shared->lock);
	my_slot = NULL;
}

static void
worker_slot_take(void)
{
	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < WORKER_SLOTS && !my_slot; i++)
	{
		if (!shared->slots[i].latch)
		{
			my_slot = &shared->slots[i];
			my_slot->latch = &MyProc->procLatch;
		}
	}
	SpinLockRelease(&shared->lock);
	if (!my_slot)
		elog(FATAL, "no slot left for a background process of pgfirst");
	before_shmem_exit(worker_slot_free, 0);
}

void
pgfirst_worker_register(const char *title, const char *function, int number)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, title, BGW_MAXLEN);
	strlcpy(worker.bgw_type, title, BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 1;
	strlcpy(worker.bgw_library_name, "pgfirst", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, function, sizeof(worker.bgw_function_name));
	worker.bgw_main_arg = Int32GetDatum(number);
	RegisterBackgroundWorker(&worker);
}

void
pgfirst_worker_start(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	worker_slot_take();
}

void
pgfirst_worker_interrupts(void)
{
	HOLD_CANCEL_INTERRUPTS();
	CHECK_FOR_INTERRUPTS();
	RESUME_CANCEL_INTERRUPTS();
	QueryCancelPending = false;
}

bool
pgfirst_worker_reload(void)
{
	if (!ConfigReloadPending)
		return false;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	return true;
}

void
pgfirst_bell_want(PgfirstBell bell, bool wanted)
{
	uint32 bit = (uint32) 1 << bell;
	bool has = (pg_atomic_read_u32(&my_slot->wanted) & bit) != 0;

	if (has == wanted)
		return;
	if (wanted)
	{
		pg_atomic_fetch_or_u32(&my_slot->wanted, bit);
		pg_atomic_fetch_add_u32(&shared->waiting[bell], 1);
	}
	else
	{
		pg_atomic_fetch_and_u32(&my_slot->wanted, ~bit);
		pg_atomic_fetch_sub_u32(&shared->waiting[bell], 1);
	}
	pg_memory_barrier();
}

void
pgfirst_bell_ring(PgfirstBell bell)
{
	uint32 bit = (uint32) 1 << bell;

	pg_memory_barrier();
	if (pg_atomic_read_u32(&shared->waiting[bell]) == 0)
		return;
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &shared->slots[i];
		Latch *latch = slot->latch;

		if (latch && slot != my_slot && (pg_atomic_read_u32(&slot->wanted) & bit))
		{
			pg_atomic_fetch_or_u32(&slot->rung, bit);
			SetLatch(latch);
		}
	}
}

bool
pgfirst_bell_rung(PgfirstBell bell)
{
	uint32 bit = (uint32) 1 << bell;

	if (!(pg_atomic_read_u32(&my_slot->rung) & bit))
		return false;
	pg_atomic_fetch_and_u32(&my_slot->rung, ~bit);
	return true;
}

void
pgfirst_worker_init(void)
{
	pgfirst_shmem_request("pgfirst workers", sizeof(WorkerShared), (void **) &shared,
	                      worker_shared_init);
}
