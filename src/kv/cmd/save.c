/* SPDX-License-Identifier: PostgreSQL
 *
 * save.c: SAVE, BGSAVE, LASTSAVE and SHUTDOWN; see save.h.
 *
 * Nothing needs to be saved here: an answered change of a durable database is on disk.  What Redis calls
 * a save has its counterpart in a checkpoint, after which recovery has nothing to replay of what was
 * before.  Scripts that make backups send BGSAVE and watch LASTSAVE, so both must mean something.
 *
 * The checkpointer makes checkpoints; a worker only asks it to and goes on.  One is over when the control
 * file names a redo position at or behind the end of the log at the time of asking.  SAVE's client is
 * parked, its command looks again every few milliseconds.  A checkpoint that fails (the disk is full)
 * is never over, so after some minutes nobody waits for it any more and another one may be asked for.
 *
 * The control file is read under its lock, which is held while it is being written: it is tried, never
 * waited for.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "postmaster/bgwriter.h"
#include "storage/lwlock.h"
#include "utils/formatting.h"

#include "base/clock.h"
#include "base/shmem.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/save.h"
#include "kv/cmd/server.h"

#define LOOK_US     ((int64) 20 * 1000)
#define PATIENCE_US ((int64) 600 * 1000 * 1000)

typedef struct SaveShared
{
	pg_atomic_uint64
	    position; /* the end of the log when a checkpoint was last asked for; 0: never */
	pg_atomic_uint64 until_us; /* monotonic; then that one is given up */
} SaveShared;

static SaveShared *shared;

/* The last checkpoint; false if somebody writes it just now. */
static bool
last_checkpoint(CheckPoint *checkpoint)
{
	ControlFileData *control;
	bool sound;

	if (!LWLockConditionalAcquire(ControlFileLock, LW_SHARED))
		return false;
	control = get_controlfile(DataDir, &sound);
	LWLockRelease(ControlFileLock);
	*checkpoint = control->checkPointCopy;
	pfree(control);
	return sound;
}

int64
kv_save_last(void)
{
	static int64 seen;
	CheckPoint checkpoint;

	if (last_checkpoint(&checkpoint))
		seen = (int64) checkpoint.time;
	return seen;
}

/* Whether the last checkpoint has everything that was before this position. */
static bool
is_saved(XLogRecPtr position)
{
	CheckPoint checkpoint;

	return last_checkpoint(&checkpoint) && checkpoint.redo >= position;
}

bool
kv_save_in_progress(void)
{
	XLogRecPtr position = pg_atomic_read_u64(&shared->position);

	if (XLogRecPtrIsInvalid(position))
		return false;
	if (pgfirst_clock_monotonic_us() < (int64) pg_atomic_read_u64(&shared->until_us) &&
	    !is_saved(position))
		return true;
	/* Looking at the file once is enough, unless another one has been asked for meanwhile. */
	(void) pg_atomic_compare_exchange_u64(&shared->position, &position, InvalidXLogRecPtr);
	return false;
}

/* Asks for a checkpoint; InvalidXLogRecPtr after answering that it cannot be had. */
static XLogRecPtr
begin_save(KvCall *call)
{
	XLogRecPtr position;

	if (call->read_only)
	{
		kv_reply_error(call,
		               "ERR a standby makes no checkpoints of its own; send %s to the primary",
		               asc_toupper(call->command->name, strlen(call->command->name)));
		return InvalidXLogRecPtr;
	}
	if (kv_save_in_progress())
	{
		kv_reply_error(call, "ERR Background save already in progress");
		return InvalidXLogRecPtr;
	}
	position = GetXLogInsertRecPtr();
	pg_atomic_write_u64(&shared->until_us, (uint64) (pgfirst_clock_monotonic_us() + PATIENCE_US));
	pg_atomic_write_u64(&shared->position, position);
	RequestCheckpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
	return position;
}

/* SAVE */
KvOutcome
kv_cmd_save(KvCall *call)
{
	KvSession *session = call->session;
	int64 now_us = pgfirst_clock_monotonic_us();

	if (call->atomic || call->last_try)
	{
		kv_reply_error(call,
		               "ERR SAVE waits for a checkpoint and cannot do so here; BGSAVE does not");
		return KV_DONE;
	}
	/* What the client has changed in this turn is to be in it. */
	if (session->wrote)
		return KV_PARK_TURN;
	if (session->wait_until_us == 0)
	{
		session->wait_position = begin_save(call);
		if (XLogRecPtrIsInvalid(session->wait_position))
			return KV_DONE;
		session->wait_until_us = now_us + PATIENCE_US;
	}
	else if (is_saved(session->wait_position))
	{
		kv_reply_ok(call);
		return KV_DONE;
	}
	else if (now_us >= session->wait_until_us)
	{
		kv_reply_error(
		    call, "ERR the checkpoint has not ended in ten minutes; the server's log says why");
		return KV_DONE;
	}
	session->call_again_us = now_us + LOOK_US;
	return KV_PARK_NEWS;
}

/* BGSAVE [SCHEDULE] */
KvOutcome
kv_cmd_bgsave(KvCall *call)
{
	if (call->argc > 2 || (call->argc == 2 && !kv_argument_is(call, 1, "SCHEDULE")))
	{
		kv_reply_syntax(call);
		return KV_DONE;
	}
	if (call->session->wrote && !call->atomic)
		return KV_PARK_TURN;
	if (!XLogRecPtrIsInvalid(begin_save(call)))
		pgfirst_resp_write_simple(call->reply, "Background saving started");
	return KV_DONE;
}

/* LASTSAVE */
KvOutcome
kv_cmd_lastsave(KvCall *call)
{
	int64 seconds = kv_save_last();

	/* The file is being written: there is an answer in the next turn. */
	if (seconds == 0 && !call->atomic)
		return KV_PARK_TURN;
	pgfirst_resp_write_integer(call->reply, seconds);
	return KV_DONE;
}

/* SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT] */
KvOutcome
kv_cmd_shutdown(KvCall *call)
{
	kv_reply_error(call,
	               "ERR SHUTDOWN is refused: the door ends with the server, which pg_ctl stop or "
	               "the service manager stops");
	return KV_DONE;
}

static void
save_shared_init(void *fresh)
{
	SaveShared *fresh_shared = fresh;

	pg_atomic_init_u64(&fresh_shared->position, InvalidXLogRecPtr);
	pg_atomic_init_u64(&fresh_shared->until_us, 0);
}

void
kv_save_init(void)
{
	pgfirst_shmem_request("pgfirst kv save", sizeof(SaveShared), (void **) &shared,
	                      save_shared_init);
}
