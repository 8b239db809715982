/* SPDX-License-Identifier: PostgreSQL
 *
 * count.h: how many keys a database has and how many bytes they take, without counting them.
 *
 * For DBSIZE, INFO and limits.  Shared memory holds the numbers per database, of the default tenant and of all others
 * together.  Whoever commits changes adds what they changed; after a start of the server the first worker counts once (a census), and what
 * is committed meanwhile is added as usual.  Until then the number is unknown, and says so.
 */
#ifndef PGFIRST_KV_COUNT_H
#define PGFIRST_KV_COUNT_H

#include "postgres.h"

#include "kv/database.h"

typedef struct KvCount
{
	int64 keys;    /* that are there; the expired count until the sweep has taken them */
	int64 expires; /* of them with an expiry */
	int64 bytes;   /* that their records take of the file */
	int64
	    dropped; /* collections that have parts and no key; of all tenants, and in KvCountOthers only */
} KvCount;

/* False while the number is not known yet. */
extern bool kv_count_get(int number, KvCount *count);

/* Of the keys of all other tenants; what they have flushed counts until the sweep has taken it. */
typedef struct KvCountOthers
{
	KvCount count;
	uint64 flushes; /* how often one has emptied the database since the start of the server */
} KvCountOthers;

/* Likewise. */
extern bool kv_count_others(int number, KvCountOthers *others);

/* Of the keys of all tenants.  False while it is not known. */
extern bool kv_count_all(int number, KvCount *count);

/* The bytes alone of all tenants, as a hint without a lock; 0 while they are not known. */
extern int64 kv_count_bytes(int number);

/* Keys of the database were evicted; and how many were since the server started. */
extern void kv_count_evicted(int number, int64 keys);
extern int64 kv_count_evictions(int number);

/* When the transaction commits, the two databases will have exchanged their stores. */
extern void kv_count_swap(int a, int b);

/*
 * Counts the database if its number is unknown.  Inside a transaction of its own.  False if it has
 * to be tried again later because somebody writes just now.
 */
extern bool kv_count_census(KvSpace *space);

/*
 * Counts the keys here and now, by a walk: for a standby, where no commit hook runs and nobody keeps
 * the number.
 */
extern KvCount kv_count_walk(KvSpace *space);

/* Called once by _PG_init. */
extern void kv_count_init(void);

#endif
