/* SPDX-License-Identifier: PostgreSQL
 *
 * worker.c: the process that serves the Redis door.
 *
 * It reads from top to bottom: connect to the database, open the door, and then for ever: send what has become
 * durable, take what the sockets have, run a turn, and sleep only when there is nothing of all that.
 *
 * All sockets stand in one epoll set, which is itself one entry of PostgreSQL's wait event set beside
 * the latch and the death of the postmaster; a plain epoll_wait would not hear the latch.  The latch
 * is set for locks released elsewhere, for positions that have become durable, and for signals.
 *
 * Between two requests the worker mostly sleeps for some microseconds only, and waiting for a set that is in another
 * one costs a call and a look at both each time.  So it dozes first: in epoll_wait() alone, with the signal by which
 * other processes wake one whose latch they set as an entry of the set.  A signal handler of its own that sets the
 * latch just before is not heard there, which is why it dozes for DOZE_US and then sleeps in PostgreSQL's way.
 */
#include "postgres.h"

#include <errno.h>
#include <signal.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/rel.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/flush.h"
#include "base/shmem.h"
#include "base/worker.h"
#include "kv/cmd/pubsub.h"
#include "kv/cmd/roster.h"
#include "kv/cmd/stats.h"
#include "kv/cmd/topics.h"
#include "kv/net/client.h"
#include "kv/net/listener.h"
#include "kv/net/process.h"
#include "kv/net/tls.h"
#include "kv/net/tls_context.h"
#include "kv/net/turn.h"
#include "kv/net/worker.h"
#include "kv/publish.h"
#include "kv/ready.h"
#include "kv/script/script.h"
#include "kv/settings.h"
#include "store/store.h"

#define EVENTS_AT_ONCE 256
#define EVENTS_FEW     8
#define DOOR_RETRY_US  ((int64) 1000000)
#define DOZE_US        ((int64) 4000)
#define HORIZON_US     ((int64) 5000000)
#define IDLE_LOOK_US   ((int64) 1000000)
#define KEPT_MEMORY    (4 * 1024 * 1024)
#define LARGE_MEMORY   (1024 * 1024)

extern PGDLLEXPORT void pgfirst_redis_main(Datum arg);

static struct
{
	int number; /* 1 is the first worker */
	int epoll;
	int wakes; /* reads that another process has set the latch */
	WaitEventSet *events;
	bool dozed;      /* in vain, since there was something to do */
	bool handshakes; /* are to be gone on with */
	bool door_open;
	int64 next_door_try;
	int64 next_horizon;
	int64 next_idle_look; /* for clients that do nothing */
	int64 next_tick;
	XLogRecPtr durable_seen;
	uint64 interruptions_seen;
} worker;

/* ---- start ------------------------------------------------------------------------------- */

static void
worker_leaves(int code, Datum arg)
{
	pgfirst_flush_later_end();
	kv_listener_close();
	kv_stats_add(&kv_stats->connected_clients, -(int64) kv_sessions.count);
	kv_stats_add(&kv_stats->client_memory, -(int64) kv_clients.memory_published);
	kv_stats_add(&kv_stats->blocked_clients, -(int64) kv_clients.blocked);
}

/*
 * What a turn gives back, some hundred kilobytes, the next one takes again: the C library is not to return it to
 * the system in between, as it would from 128 kB on, page by page.  Large values still are.
 */
static void
keep_memory(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
	(void) mallopt(M_MMAP_THRESHOLD, LARGE_MEMORY);
#endif
}

/* Latches of other processes are set by SIGURG, which all of PostgreSQL's processes block. */
static void
prepare_dozing(void)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &worker.wakes};
	sigset_t wakes;

	sigemptyset(&wakes);
	sigaddset(&wakes, SIGURG);
	worker.wakes = signalfd(-1, &wakes, SFD_NONBLOCK | SFD_CLOEXEC);
	if (worker.wakes < 0 || epoll_ctl(worker.epoll, EPOLL_CTL_ADD, worker.wakes, &event) != 0)
		ereport(FATAL, (errcode_for_socket_access(), errmsg("could not wait for signals: %m")));
}

static void
prepare_waiting(void)
{
	worker.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (worker.epoll < 0)
		ereport(FATAL, (errcode_for_socket_access(), errmsg("could not make an epoll set: %m")));
	prepare_dozing();
	worker.events = CreateWaitEventSetCompat(TopMemoryContext, 3);
	AddWaitEventToSet(worker.events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(worker.events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(worker.events, WL_SOCKET_READABLE, worker.epoll, NULL, NULL);
	kv_clients_begin(worker.epoll);
	kv_tls_begin();
	kv_turn_begin();
}

static void
try_door(int64 now_us)
{
	if (worker.door_open || now_us < worker.next_door_try)
		return;
	worker.door_open = kv_listener_open(worker.epoll, worker.number);
	worker.next_door_try = now_us + DOOR_RETRY_US;
	if (worker.door_open && pg_atomic_read_u64(&kv_stats->started_us) == 0)
		pg_atomic_write_u64(&kv_stats->started_us, (uint64) pgfirst_clock_monotonic_us());
}

/* ---- the loop ---------------------------------------------------------------------------- */

/* What woke us stands in the latch. */
static void
take_wakes(void)
{
	struct signalfd_siginfo wakes[4];

	if (read(worker.wakes, wakes, sizeof(wakes)) < 0 && errno != EAGAIN && errno != EINTR)
		ereport(ERROR, (errcode_for_socket_access(), errmsg("could not read signals: %m")));
}

static void
socket_event(const struct epoll_event *event)
{
	KvClient *client = event->data.ptr;

	if (event->data.ptr == &worker.wakes)
	{
		take_wakes();
		return;
	}
	if (kv_listener_owns(client))
	{
		kv_listener_accept(client);
		return;
	}
	if (unlikely(client->tls) && kv_tls_shakes_hands(client))
	{
		kv_tls_event(client);
		return;
	}
	kv_client_touch(client);
	if (event->events & EPOLLIN)
		kv_client_receive(client, (event->events & (EPOLLRDHUP | EPOLLPRI)) != 0);
	/* As in Redis, what waits for news ends with who asked for it; and so does what goes through all keys. */
	if ((event->events & EPOLLRDHUP) && kv_client_ends_with_peer(client))
		client->broken = true;
	/* Hung up: what has been received still runs, but nobody reads what it answers. */
	if ((event->events & (EPOLLHUP | EPOLLERR)) &&
	    (!(event->events & EPOLLIN) || client->peer_closed))
		client->broken |= client->state == KV_CLIENT_IDLE || client->state == KV_CLIENT_PARKED ||
		                  client->state == KV_CLIENT_STALLED;
}

/*
 * What the sockets have; waits so long for it.  Where there is nothing to share, few of them at a time: their clients
 * have the replies sooner, and read them and ask again while the next ones are served.  Of the PINGs of 50 clients that
 * were 2 to 5 % more a second; of durable INCRs it would be 11 % less.
 */
static int
wait_for_sockets(struct epoll_event *events, int wait_ms)
{
	int most = kv_turn_shared() ? EVENTS_AT_ONCE : EVENTS_FEW;
	int count = epoll_wait(worker.epoll, events, most, wait_ms);

	if (count < 0 && errno != EINTR)
		ereport(ERROR, (errcode_for_socket_access(), errmsg("could not wait for sockets: %m")));
	return Max(count, 0);
}

/* Sends what has become durable, and closes who waited for what never may. */
static void
take_flush_news(void)
{
	XLogRecPtr durable = pgfirst_flush_position();
	XLogRecPtr interrupted_at;
	uint64 interruptions = pgfirst_flush_interruptions(&interrupted_at);
	bool interrupted = interruptions != worker.interruptions_seen;
	dlist_iter iterator;

	if (durable == worker.durable_seen && !interrupted)
		return;
	worker.durable_seen = durable;
	worker.interruptions_seen = interruptions;
	dlist_foreach (iterator, &kv_clients.gated)
	{
		KvClient *client = dlist_container(KvClient, gated_link, iterator.cur);

		if (kv_client_waits_for(client, durable))
			kv_client_touch(client);
		else if (interrupted && kv_client_waits_for(client, interrupted_at))
		{
			client->broken = true;
			kv_client_touch(client);
		}
	}
}

/* Certificates are read anew at every reload, because a renewed one has the old one's name. */
static void
take_reload(void)
{
	bool had = kv_tls_context() != NULL;

	if (pgfirst_redis_tls_port != 0 && kv_tls_context_load(false) && !had)
	{
		worker.door_open = false;
		worker.next_door_try = 0;
	}
}

static void
take_latch(void)
{
	if (!MyLatch->is_set)
		return;
	ResetLatch(MyLatch);
	pgfirst_worker_interrupts();
	if (pgfirst_worker_reload())
		take_reload();
	if (pgfirst_bell_rung(PGFIRST_BELL_LOCK))
		kv_turn_lock_free();
	if (pgfirst_bell_rung(PGFIRST_BELL_READY))
		kv_ready_heard();
	(void) pgfirst_bell_rung(PGFIRST_BELL_PUBLISH);
	(void) pgfirst_bell_rung(PGFIRST_BELL_CLIENTS);
}

/* When there is something to do without news. */
static int64
wake_time(void)
{
	int64 wake_us = Min(worker.next_horizon, worker.next_tick);
	int64 deadline = kv_turn_next_deadline();
	int64 handshake_deadline = kv_tls_next_deadline();

	if (!worker.door_open)
		wake_us = Min(wake_us, worker.next_door_try);
	if (deadline != 0)
		wake_us = Min(wake_us, deadline);
	if (handshake_deadline != 0)
		wake_us = Min(wake_us, handshake_deadline);
	if (pgfirst_redis_timeout != 0 && kv_sessions.count > 0)
		wake_us = Min(wake_us, worker.next_idle_look);
	return wake_us;
}

/* Where there seems to be nothing: announces what news are wanted of, and then looks once more. */
static bool
nothing_to_do(void)
{
	if (kv_turn_wanted() || kv_pubsub_behind() || worker.handshakes)
		return false;
	kv_turn_announce();
	pgfirst_bell_want(PGFIRST_BELL_FLUSH, !dlist_is_empty(&kv_clients.gated));
	take_flush_news();
	return !kv_turn_wanted();
}

/* As wait_for_sockets(events, 0), but waits a while if there is nothing to do. */
static int
doze(struct epoll_event *events, int64 now_us)
{
	int count;

	if (worker.dozed || wake_time() - now_us <= DOZE_US || !nothing_to_do())
		return wait_for_sockets(events, 0);
	MyLatch->maybe_sleeping = true;
	/* Who sets the latch sees that it has to wake us, or we see the latch. */
	pg_memory_barrier();
	pgstat_report_wait_start(PG_WAIT_EXTENSION);
	count = wait_for_sockets(events, MyLatch->is_set ? 0 : DOZE_US / 1000);
	pgstat_report_wait_end();
	MyLatch->maybe_sleeping = false;
	worker.dozed = count == 0;
	return count;
}

/* Takes what the sockets have; true if there was anything. */
static bool
take_socket_events(int64 now_us)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int count = doze(events, now_us);

	for (int i = 0; i < count; i++)
		socket_event(&events[i]);
	return count > 0;
}

static void
sleep_until_news(void)
{
	int64 sleep_us = wake_time() - pgfirst_clock_monotonic_us();
	WaitEvent event;

	if (nothing_to_do())
		(void) WaitEventSetWait(worker.events, Max((sleep_us + 999) / 1000, 0), &event, 1,
		                        PG_WAIT_EXTENSION);
}

static void
look_for_idle(int64 now_us)
{
	if (now_us < worker.next_idle_look)
		return;
	kv_clients_take_idle(now_us);
	worker.next_idle_look = now_us + IDLE_LOOK_US;
}

/* An idle process takes a snapshot now and then, or its RecentXmin would stand still for ever. */
static void
stay_current(int64 now_us)
{
	StartTransactionCommand();
	(void) GetLatestSnapshot();
	CommitTransactionCommand();
	worker.next_horizon = now_us + HORIZON_US;
}

static void
one_round(void)
{
	int64 now_us = pgfirst_clock_monotonic_us();
	bool busy;

	/* A round without sleep would not hear of it. */
	if (!PostmasterIsAlive())
		proc_exit(1);
	pgfirst_worker_interrupts();
	take_latch();
	kv_turn_heed();
	kv_turn_tell();
	try_door(now_us);
	/* First: what these clients ask for next may be in the turn that is about to begin. */
	take_flush_news();
	kv_turn_send();
	kv_turn_unpark_late(now_us);
	busy = take_socket_events(now_us);
	now_us = pgfirst_clock_monotonic_us();
	worker.handshakes = kv_tls_run(now_us);
	if (now_us >= worker.next_horizon)
		stay_current(now_us);
	look_for_idle(now_us);
	if (kv_turn_wanted())
	{
		kv_turn_run();
		busy = true;
	}
	worker.next_tick = pgfirst_flush_tick(now_us);
	if (busy)
		worker.dozed = false;
	else
		sleep_until_news();
}

void
pgfirst_redis_main(Datum arg)
{
	worker.number = DatumGetInt32(arg);
	pgfirst_worker_start();
	keep_memory();
	kv_process_connect(worker.number, "pgfirst redis");
	kv_process_bound_waits();
	kv_script_begin(worker.number);
	kv_publish_begin(worker.number);
	kv_ready_begin(worker.number);
	kv_roster_begin(worker.number);
	kv_topics_begin(worker.number);
	pgfirst_bell_want(PGFIRST_BELL_READY, true);
	pgfirst_bell_want(PGFIRST_BELL_CLIENTS, true);
	before_shmem_exit(worker_leaves, 0);
	prepare_waiting();
	if (pgfirst_redis_tls_port != 0)
		(void) kv_tls_context_load(true);
	for (;;)
		one_round();
}

void
kv_worker_init(void)
{
	if (pgfirst_redis_port == 0 && pgfirst_redis_tls_port == 0 &&
	    pgfirst_redis_unix_socket[0] == '\0')
		return;
	if (pgfirst_redis_tls_port != 0 && pgfirst_redis_tls_port == pgfirst_redis_port)
		ereport(FATAL, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("pgfirst.redis_tls_port and pgfirst.redis_port are both %d",
		                       pgfirst_redis_port),
		                errhint("Give TLS a port of its own, or set pgfirst.redis_port to 0.")));
	/* Of two each would keep the other out. */
	if (pgfirst_redis_workers == 1)
		pgfirst_store_expect_loop();
	for (int number = 1; number <= pgfirst_redis_workers; number++)
		pgfirst_worker_register(psprintf("pgfirst redis %d", number), "pgfirst_redis_main", number);
}
