/* SPDX-License-Identifier: PostgreSQL
 *
 * keylock.h: one writer at a time for one record.
 *
 * A key's lock is a heavyweight lock of PostgreSQL's lock manager under (database, 64 bits of the
 * record's id), held until the end of the transaction.  SQL waits for it as SQL waits for
 * everything, in a queue and with deadlock detection; a worker's loop only tries, and parks the
 * client whose key is taken.
 *
 * Parking and waking.  The worker announces that it has parked clients, tries once more, and only
 * then sleeps; a transaction that ends releases its locks and then looks whether any worker has
 * announced.  One of the two sees the other, so that no wake-up is lost.  The look is one load of
 * shared memory at the end of each transaction of each backend, because whoever holds a lock that
 * stops us (an ALTER TABLE, say) need not be a user of ours.
 */
#ifndef PGFIRST_KEYLOCK_H
#define PGFIRST_KEYLOCK_H

#include "postgres.h"

/* The lock's tag is of a type that no advisory lock function can reach. */
typedef struct PgfirstKey
{
	Oid relation; /* of the store */
	uint64 bits;  /* of the record's id */
} PgfirstKey;

/* Takes the lock until the end of the transaction, waiting as lock_timeout allows. */
extern void pgfirst_keylock_acquire(const PgfirstKey *key);

/* Takes it only if it is free now and the lock table has room.  150 to 220 ns. */
extern bool pgfirst_keylock_try(const PgfirstKey *key);

/* The process that holds it now, 0 if none. */
extern int pgfirst_keylock_holder(const PgfirstKey *key);

/* The process that holds a lock on the relation that conflicts with this lock mode, 0 if none. */
extern int pgfirst_keylock_relation_holder(Oid relation, int mode);

/*
 * Announces (true) or withdraws (false) that the calling worker has parked clients, to be woken by
 * its latch whenever locks are released anywhere.
 */
extern void pgfirst_keylock_park(bool parked);

/*
 * The transaction under way takes no locks that somebody could wait for but those of this file:
 * unless it takes one, its end wakes nobody.  Without this, two workers whose parked clients try in
 * vain would wake each other for ever.
 */
extern void pgfirst_keylock_quiet(void);

/* It has taken another lock all the same, and its end wakes whoever waits. */
extern void pgfirst_keylock_loud(void);

/* Called once by _PG_init. */
extern void pgfirst_keylock_init(void);

#endif
