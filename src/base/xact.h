/* SPDX-License-Identifier: PostgreSQL
 *
 * xact.h: the one set of transaction callbacks of the library.
 *
 * PostgreSQL calls registered callbacks in an order that depends on who registered first.  Here
 * every module that must know about transactions hands in one PgfirstXactHooks, and the order is
 * the order of PgfirstXactOrder, written down once.  pre_commit runs first to last, everything
 * that takes something back (abort, commit, sub_*) last to first.
 *
 * What each hook may do:
 *   pre_commit   may fail: the transaction then aborts.  The only place where write sets go to
 *                pages.
 *   commit       the changes are visible and the locks are still held.  Cannot fail: what it
 *                needs is reserved before.  xact_position is the end of what the transaction wrote,
 *                or InvalidXLogRecPtr if that was nothing.
 *   abort        undo.  Cannot fail.
 *   released     locks are gone, also after an abort: the place to wake whoever waits for them.
 *                Called in every backend at the end of every top transaction, and only there; so
 *                it looks at one word of shared memory and returns.
 *   sub_released a savepoint is rolled back, and what was locked behind it is released.
 *   sub_*        of what is kept for the end of the transaction, what belongs to the child becomes
 *                the parent's (sub_commit) or is dropped (sub_abort).
 *   dirty        true if the transaction holds something that cannot be prepared; PREPARE
 *                TRANSACTION is then refused.
 */
#ifndef PGFIRST_XACT_H
#define PGFIRST_XACT_H

#include "postgres.h"

#include "access/xact.h"
#include "access/xlogdefs.h"

typedef enum PgfirstXactOrder
{
	PGFIRST_XACT_KV,      /* key counts: reads the write set before it goes */
	PGFIRST_XACT_PUBLISH, /* sends messages */
	PGFIRST_XACT_READY,   /* wakes those who wait for keys */
	PGFIRST_XACT_LIMIT,   /* tells the evictor of other limits */
	PGFIRST_XACT_STORE,   /* the write set */
	PGFIRST_XACT_KEYLOCK, /* whoever waits for a key */
	PGFIRST_XACT_MODULES
} PgfirstXactOrder;

typedef struct PgfirstXactHooks
{
	const char *name; /* for the error of PREPARE TRANSACTION: "changes of keys" */
	bool (*dirty)(void);
	void (*pre_commit)(void);
	void (*commit)(XLogRecPtr xact_position);
	void (*abort)(void);
	void (*released)(void);
	void (*sub_released)(void);
	void (*sub_start)(SubTransactionId child, SubTransactionId parent);
	void (*sub_commit)(SubTransactionId child, SubTransactionId parent);
	void (*sub_abort)(SubTransactionId child, SubTransactionId parent);
} PgfirstXactHooks;

/* hooks must live as long as the process; any member but name may be NULL. */
extern void pgfirst_xact_register(PgfirstXactOrder order, const PgfirstXactHooks *hooks);

/*
 * The caller asks for what the transaction under way writes to be flushed when it has committed, by whomever (see
 * flush.h), so PostgreSQL need not: without it, every asynchronous commit that fills a page of WAL wakes the WAL writer,
 * which then keeps the flush helper waiting for the lock that both need.  Only changes without a transaction id are
 * spared that.  Until the end of the transaction.
 */
extern void pgfirst_xact_asks_for_flush(void);

/* The end of what the last transaction of this process wrote; InvalidXLogRecPtr if that was nothing. */
extern XLogRecPtr pgfirst_xact_position(void);

/* Called once by _PG_init. */
extern void pgfirst_xact_init(void);

#endif
