/* SPDX-License-Identifier: PostgreSQL
 *
 * replicas.c: WAIT and WAITAOF: who else has the client's last change.
 *
 * A replica is a physical standby that streams, and has is what it has flushed: more than Redis
 * promises, whose replicas acknowledge what is in their memory.  Standbys that must have a change before
 * it is answered are PostgreSQL's synchronous ones; of the others these commands count.
 *
 * The numbers are what the standbys report, and nobody is told when they do.  So a client that waits is
 * parked, and its command looks again every few milliseconds until there are enough or its time is up.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/spin.h"

#include "base/clock.h"
#include "base/flush.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/server.h"
#include "lib/number/number.h"

#define LOOK_US ((int64) 5000)

/* Logical replication has a database, a standby has none. */
static bool
is_standby(pid_t walsender)
{
	PGPROC *proc = BackendPidGetProc(walsender);

	return proc && !OidIsValid(proc->databaseId);
}

/* How many standbys have flushed this position. */
static int64
standbys_with(XLogRecPtr position)
{
	int64 count = 0;

	for (int i = 0; i < max_wal_senders; i++)
	{
		WalSnd *walsender = &WalSndCtl->walsnds[i];
		pid_t pid;
		WalSndState state;
		XLogRecPtr flushed;

		SpinLockAcquire(&walsender->mutex);
		pid = walsender->pid;
		state = walsender->state;
		flushed = walsender->flush;
		SpinLockRelease(&walsender->mutex);
		if (pid != 0 && state == WALSNDSTATE_STREAMING && !XLogRecPtrIsInvalid(flushed) &&
		    flushed >= position && is_standby(pid))
			count++;
	}
	return count;
}

int
kv_replicas_count(void)
{
	return (int) standbys_with(1);
}

static bool
refused_on_standby(KvCall *call, const char *name, const char *note)
{
	if (call->read_only)
		kv_reply_error(
		    call,
		    "ERR %s cannot be used with replica instances. Please also note that %swrites "
		    "to replicas are just local and are not propagated.",
		    name, note);
	return call->read_only;
}

/* Whether the client has waited as long as it wanted; otherwise, when it is asked again. */
static bool
time_is_up(KvCall *call, int64 timeout_ms)
{
	KvSession *session = call->session;
	int64 now_us = pgfirst_clock_monotonic_us();

	/* What comes behind it in an EXEC has not waited. */
	if (call->atomic)
		return true;
	if (session->wait_until_us == 0)
		session->wait_until_us =
		    timeout_ms == 0 ? PG_INT64_MAX : kv_timeout_end(now_us, timeout_ms);
	session->call_again_us = Min(session->wait_until_us, now_us + LOOK_US);
	return call->last_try || now_us >= session->wait_until_us;
}

/*
 * What the client has changed in this very turn has no position yet.  What has one is flushed now, also
 * where no reply waits for that: standbys are sent only what is flushed here.
 */
static bool
position_known(const KvCall *call)
{
	const KvSession *session = call->session;

	/* Within EXEC nothing waits, as in Redis. */
	if (session->wrote && !call->atomic)
		return false;
	if (session->write_position > pgfirst_flush_position())
		pgfirst_flush_request(session->write_position);
	return true;
}

/* WAIT numreplicas timeout */
KvOutcome
kv_cmd_wait(KvCall *call)
{
	int64 wanted, timeout_ms, have;

	if (refused_on_standby(
	        call, "WAIT",
	        "since Redis 4.0 if a replica is configured to be writable (which is not "
	        "the default) "))
		return KV_DONE;
	if (!kv_argument_integer(call, 1, &wanted) || !kv_argument_timeout(call, 2, &timeout_ms))
		return KV_DONE;
	if (!position_known(call))
		return KV_PARK_TURN;
	have = standbys_with(call->session->write_position);
	if (have < wanted && !time_is_up(call, timeout_ms))
		return KV_PARK_NEWS;
	pgfirst_resp_write_integer(call->reply, have);
	return KV_DONE;
}

/* Reads the numbers of WAITAOF; false after answering. */
static bool
waitaof_arguments(KvCall *call, int64 *local, int64 *wanted, int64 *timeout_ms)
{
	if (!kv_argument_integer(call, 1, local))
		return false;
	if (*local < 0 || *local > 1)
	{
		kv_reply_error(call, "ERR value is out of range, value must between 0 and 1");
		return false;
	}
	if (!kv_argument_integer(call, 2, wanted))
		return false;
	if (*wanted < 0)
	{
		kv_reply_error(call, "ERR value is out of range, must be positive");
		return false;
	}
	return kv_argument_timeout(call, 3, timeout_ms);
}

/* WAITAOF numlocal numreplicas timeout */
KvOutcome
kv_cmd_waitaof(KvCall *call)
{
	KvSession *session = call->session;
	int64 local, wanted, timeout_ms, have;
	bool here;

	if (!waitaof_arguments(call, &local, &wanted, &timeout_ms) ||
	    refused_on_standby(call, "WAITAOF", ""))
		return KV_DONE;
	if (!position_known(call))
		return KV_PARK_TURN;
	have = standbys_with(session->write_position);
	here = session->write_position <= GetFlushRecPtr(NULL);
	if ((have < wanted || here < local) && !time_is_up(call, timeout_ms))
		return KV_PARK_NEWS;
	pgfirst_resp_write_array(call->reply, 2);
	pgfirst_resp_write_integer(call->reply, here);
	pgfirst_resp_write_integer(call->reply, have);
	return KV_DONE;
}
