/* SPDX-License-Identifier: PostgreSQL
 *
 * limit.h: how large a database may become, and what happens when it would become larger.
 */
#ifndef PGFIRST_KV_LIMIT_H
#define PGFIRST_KV_LIMIT_H

#include "postgres.h"

#include "kv/database.h"

/* Redis's words. */
#define KV_OOM_WORDS "OOM command not allowed when used memory > 'maxmemory'."

typedef enum KvRoom
{
	KV_ROOM,      /* go on */
	KV_ROOM_SOON, /* keys are being evicted: wait for a moment */
	KV_ROOM_NONE  /* nothing makes room but whoever deletes */
} KvRoom;

/* Whether what takes room may be done in the database.  Wakes the evictor if it has to do something. */
extern KvRoom kv_limit_room(int number);

/* The same for SQL: waits for a moment, as long as a client of the Redis door would, and raises. */
extern void kv_limit_require(int number);

/* Where the uses of a space's keys are noted: fills in usage and half_life. */
extern void kv_limit_attach(KvSpace *space);

/* The transaction changes what is configured: when it has committed, the evictor hears of it. */
extern void kv_limit_configured(void);

/* The calling process is the evictor from now on. */
extern void kv_limit_evictor(void);

/* Whether somebody has woken it since it asked last. */
extern bool kv_limit_asked(void);

/* How many bytes are to be evicted from the database now; 0: none. */
extern int64 kv_limit_excess(int number);

/* What its policy says of a record: false if it may not be evicted; else how much it is worth. */
extern bool kv_limit_worth(const KvSpace *space, const PgfirstRecord *record, uint64 *worth);

/* Called once by kv's init, after the settings. */
extern void kv_limit_init(void);

#endif
