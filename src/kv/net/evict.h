/* SPDX-License-Identifier: PostgreSQL
 *
 * evict.h: what makes room in databases that have become too large.
 */
#ifndef PGFIRST_KV_EVICT_H
#define PGFIRST_KV_EVICT_H

#include "postgres.h"

#include "kv/database.h"

/* What a slice has done; it counts only when its transaction has committed. */
typedef struct KvEvicted
{
	int64 evicted;
	int64 expired;
	bool fruitless; /* nothing was found that may go */
} KvEvicted;

/*
 * Evicts from the database what its limit asks for, as far as one slice goes.  Inside a transaction of its
 * own; false if the database is locked now.
 */
extern bool kv_evict_slice(int number, KvEvicted *result);

#endif
