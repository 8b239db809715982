/* SPDX-License-Identifier: PostgreSQL
 *
 * process.h: how the processes of kv come to their database.
 */
#ifndef PGFIRST_KV_PROCESS_H
#define PGFIRST_KV_PROCESS_H

#define KV_UPKEEP_SLOT 0 /* the workers' slots are their numbers, from 1 */

/*
 * Connects to pgfirst.redis_database, or waits quietly until it exists and ends the process, to be
 * started anew.  Settings of the server or the database that would change what a transaction means
 * do not reach the process.
 */
extern void kv_process_connect(int slot, const char *name);

/* For a loop: what should not wait for a lock, and does all the same, fails after a moment. */
extern void kv_process_bound_waits(void);

/* Called once by kv's init. */
extern void kv_process_init(void);

#endif
