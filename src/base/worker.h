/* SPDX-License-Identifier: PostgreSQL
 *
 * worker.h: what every background process of the library does alike.
 *
 * Start-up, signals and shutdown; and the bell: a slot in shared memory per process with the
 * process's latch and the reasons for which it wants to be woken.  Whoever has news rings for a
 * reason, and exactly those that wait for it are woken.  Ringing when nobody waits is one load.
 */
#ifndef PGFIRST_WORKER_H
#define PGFIRST_WORKER_H

#include "postgres.h"

#include "storage/latch.h"

typedef enum PgfirstBell
{
	PGFIRST_BELL_LOCK,    /* locks were released somewhere */
	PGFIRST_BELL_FLUSH,   /* the durable position has moved, or a wait was interrupted */
	PGFIRST_BELL_PUBLISH, /* there are messages; see kv/publish.h */
	PGFIRST_BELL_CLIENTS, /* something is asked of a client; see kv/cmd/roster.h */
	PGFIRST_BELL_READY,   /* keys have something for those who wait; see kv/ready.h */
	PGFIRST_BELLS
} PgfirstBell;

/*
 * Registers a process that the postmaster starts and, after it ends, starts again a second later.
 * `function` is an exported function of this library.  Only from _PG_init.
 */
extern void pgfirst_worker_register(const char *title, const char *function, int number);

/*
 * First thing in a worker's main function: signal handlers (SIGHUP reloads, SIGTERM ends, SIGINT
 * cancels the piece of work under way), the slot of its bell.
 */
extern void pgfirst_worker_start(void);

/*
 * Serves interrupts between two pieces of work: a loop calls it where it has nothing under way.  A
 * cancellation then has nothing to cancel and is forgotten, as in an idle session.
 */
extern void pgfirst_worker_interrupts(void);

/* Reloads the configuration if SIGHUP asked for it; true if it did. */
extern bool pgfirst_worker_reload(void);

/* Whether the calling process wants to be woken for this reason from now on. A full barrier. */
extern void pgfirst_bell_want(PgfirstBell bell, bool wanted);

/* Wakes every other process that wants this bell.  A full barrier comes first. */
extern void pgfirst_bell_ring(PgfirstBell bell);

/* Whether this bell has rung for the calling process since it asked last. */
extern bool pgfirst_bell_rung(PgfirstBell bell);

/* Called once by _PG_init. */
extern void pgfirst_worker_init(void);

#endif
