/* SPDX-License-Identifier: PostgreSQL
 *
 * hints.h: where leaves probably are, as far as this process knows.
 */
#ifndef PGFIRST_STORE_HINTS_H
#define PGFIRST_STORE_HINTS_H

#include "store/store_int.h"

/* Incarnations that this process may give out. */
typedef struct StoreBatch
{
	uint64 next;
	uint64 end;
} StoreBatch;

/* The leaves of the records whose ids begin with the same eight bytes; see hints.c. */
typedef struct StoreRun StoreRun;

#define HINT_SETS 16 /* a power of two */
#define HINT_WAYS 4

typedef struct StoreRuns
{
	uint64 high[HINT_WAYS]; /* what their ids begin with */
	uint64 last_use[HINT_WAYS];
	StoreRun *run[HINT_WAYS]; /* NULL: none */
} StoreRuns;

/* What a process knows of one store. */
struct StoreHints
{
	Oid relation;
	Oid storage;
	uint64 store_id; /* 0: not known yet, or the store is empty */
	uint64 last_use;
	BlockNumber blocks; /* the file has at least so many */
	int bits;
	uint32 misses; /* since the table has grown */
	StoreHint *table;
	StoreRuns runs[HINT_SETS];
	uint64 uses; /* of runs */
	StoreBatch batch;
};

/* The store's hints; those of the store that was not used for longest make room. */
extern StoreHints *pgfirst_hints(Relation relation);

/* Forgets all of them. */
extern void pgfirst_hints_forget(StoreHints *hints);

/*
 * Where the key's leaf probably is.  Good until the next leaf is learned or a store is opened; it may be forgotten in
 * place meanwhile, when PostgreSQL says that the relation has changed.
 */
extern StoreHint *pgfirst_hint(StoreHints *hints, const StoreKey *key);

/* Writes down that the key's leaf is this one, which is locked. */
extern void pgfirst_hint_learn(StoreHints *hints, const StoreKey *key, const StoreLeaf *leaf);

#endif
