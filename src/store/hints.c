/* SPDX-License-Identifier: PostgreSQL
 *
 * hints.c: where leaves probably are, as far as this process knows.
 *
 * Whoever follows a hint looks at the fences of the page it leads to (tree.c), so a hint may be wrong, and nobody is told
 * when a leaf is split, merged or moved.  Each process keeps hints of its own, for each store two kinds:
 *
 *     table    a flat table from the first bits of a key to the block and the buffer of its leaf.  Ids of records are
 *              uniform hashes, so bits of them spread as leaves do.  The table grows with what it misses.
 *     runs     ids that all begin with the same eight bytes, as those of a large collection's parts do, have one place
 *              in that table, and may have thousands of leaves: numbers in a row, or hashes, or both.  Such a run has a
 *              directory: its leaves by their low fences, in order, which is searched by halves.
 *
 * A run is made for a leaf that begins and ends within it: of those that have two or three, there may be too many, and the
 * table with a step to the right does for them.  So it does for a run that had to make room.  A leaf that is
 * learned takes the place of all that were known between its fences.  What has moved away for good stays (a queue's
 * elements wander through the numbers and leave such places behind), until the directory is full and begins anew, which
 * costs each of its leaves one way from the root.
 *
 * Which run an id belongs to is asked before each look into the table, so that has to cost nearly nothing: a set of four,
 * chosen by bits of the id, whose first bytes stand in one cache line.  The one that was not used for longest makes
 * room in its set.
 *
 * Rejected: bits of both halves of an id, mixed, as place in the table (numbers in a row differ in their last bits, hashes in
 * their first; and the neighbours of a leaf that is learned have places elsewhere); inner pages kept by each process
 * (splits would have to be noticed, and the way through them is what costs).  Without runs, HGET on a hash of 100,000
 * fields spent half its time on the way from the root to leaves: see README.md.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "store/hints.h"

#define HINTS_STORES    32 /* stores whose leaves a process remembers */
#define HINTS_BITS_MIN  6
#define HINTS_BITS_MAX  22
#define HINTS_BITS_STEP 2
#define HINTS_AROUND    64 /* places that are filled beside one that was missed, each way */

#define RUN_LEAVES_MIN 32
#define RUN_LEAVES_MAX 16384 /* a million elements of a hundred bytes */

typedef struct StoreRunLeaf
{
	uint64 low; /* no id of this run on the leaf has a lower second half */
	StoreHint hint;
} StoreRunLeaf;

struct StoreRun
{
	int count; /* one at least, the first with low 0 */
	int room;
	StoreRunLeaf leaves[FLEXIBLE_ARRAY_MEMBER];
};

static struct
{
	StoreHints stores[HINTS_STORES];
	uint64 uses;
	bool callback_registered;
} known;

static const StoreHint nothing = {.block = InvalidBlockNumber, .buffer = InvalidBuffer};

static void
run_clear(StoreRun *run)
{
	run->count = 1;
	run->leaves[0] = (StoreRunLeaf){.low = 0, .hint = nothing};
}

/* ---- stores ---------------------------------------------------------------------------------- */

void
pgfirst_hints_forget(StoreHints *hints)
{
	hints->store_id = 0;
	hints->blocks = 0;
	hints->batch = (StoreBatch){0, 0};
	for (Size i = 0; i < (Size) 1 << hints->bits; i++)
		hints->table[i] = nothing;
	/* Somebody may be about to write down where the block was that a hint has led to: no memory is given back. */
	for (int set = 0; set < HINT_SETS; set++)
		for (int way = 0; way < HINT_WAYS; way++)
			if (hints->runs[set].run[way] != NULL)
				run_clear(hints->runs[set].run[way]);
}

/* What another store has needed may be much. */
static void
runs_free(StoreHints *hints)
{
	for (int set = 0; set < HINT_SETS; set++)
		for (int way = 0; way < HINT_WAYS; way++)
			if (hints->runs[set].run[way] != NULL)
				pfree(hints->runs[set].run[way]);
	memset(hints->runs, 0, sizeof(hints->runs));
}

/* The relation may have other pages by now (TRUNCATE, VACUUM FULL), or fewer. */
static void
hints_relation_changed(Datum arg, Oid relation)
{
	for (int i = 0; i < HINTS_STORES; i++)
		if (known.stores[i].table != NULL &&
		    (relation == InvalidOid || known.stores[i].relation == relation))
			pgfirst_hints_forget(&known.stores[i]);
}

static void
hints_resize(StoreHints *hints, int bits)
{
	StoreHint *table =
	    MemoryContextAllocHuge(TopMemoryContext, sizeof(StoreHint) * ((Size) 1 << bits));

	for (Size i = 0; i < (Size) 1 << bits; i++)
		table[i] = hints->table ? hints->table[i >> (bits - hints->bits)] : nothing;
	if (hints->table != NULL)
		pfree(hints->table);
	hints->table = table;
	hints->bits = bits;
	hints->misses = 0;
}

StoreHints *
pgfirst_hints(Relation relation)
{
	StoreHints *oldest = &known.stores[0];

	if (!known.callback_registered)
	{
		CacheRegisterRelcacheCallback(hints_relation_changed, (Datum) 0);
		known.callback_registered = true;
	}
	known.uses++;
	for (int i = 0; i < HINTS_STORES; i++)
	{
		StoreHints *hints = &known.stores[i];

		if (hints->table != NULL && hints->relation == RelationGetRelid(relation))
		{
			hints->last_use = known.uses;
			if (hints->storage != RelationStorageNumber(relation))
			{
				pgfirst_hints_forget(hints);
				hints->storage = RelationStorageNumber(relation);
			}
			return hints;
		}
		if (hints->last_use < oldest->last_use)
			oldest = hints;
	}
	if (oldest->table == NULL)
		hints_resize(oldest, HINTS_BITS_MIN);
	runs_free(oldest);
	pgfirst_hints_forget(oldest);
	oldest->relation = RelationGetRelid(relation);
	oldest->storage = RelationStorageNumber(relation);
	oldest->last_use = known.uses;
	return oldest;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static inline StoreRuns *
runs_of(StoreHints *hints, uint64 high)
{
	return &hints->runs[high >> 60 & (HINT_SETS - 1)];
}

/*
 * The last leaf that begins no later.  Numbers by chance are looked for, so no branch would be foreseen: there is none but
 * the loop's.
 */
static int
run_search(const StoreRun *run, uint64 low)
{
	const StoreRunLeaf *at = run->leaves;

	for (int left = run->count; left > 1;)
	{
		int half = left / 2;

		at = at[half].low <= low ? &at[half] : at;
		left -= half;
	}
	return (int) (at - run->leaves);
}

/* The place of the run of the ids that begin so; NULL if there is none. */
static inline StoreRun **
run_find(StoreHints *hints, const StoreKey *key)
{
	StoreRuns *runs = runs_of(hints, key->high);

	for (int way = 0; way < HINT_WAYS; way++)
		if (runs->high[way] == key->high && runs->run[way] != NULL &&
		    key->space == STORE_SPACE_RECORDS)
		{
			runs->last_use[way] = ++hints->uses;
			return &runs->run[way];
		}
	return NULL;
}

static StoreRun **
run_make(StoreHints *hints, uint64 high)
{
	StoreRuns *runs = runs_of(hints, high);
	int way = 0;

	for (int i = 1; i < HINT_WAYS; i++)
		if (runs->last_use[i] < runs->last_use[way])
			way = i;
	if (runs->run[way] == NULL)
	{
		runs->run[way] = MemoryContextAlloc(
		    TopMemoryContext, offsetof(StoreRun, leaves) + RUN_LEAVES_MIN * sizeof(StoreRunLeaf));
		runs->run[way]->room = RUN_LEAVES_MIN;
	}
	run_clear(runs->run[way]);
	runs->high[way] = high;
	runs->last_use[way] = ++hints->uses;
	return &runs->run[way];
}

/* One leaf in the place of those from `at` to `end`. */
static void
run_replace(StoreRun **place, int at, int end, StoreRunLeaf leaf)
{
	StoreRun *run = *place;

	if (run->count - (end - at) + 1 > RUN_LEAVES_MAX)
	{
		run_clear(run);
		at = leaf.low > 0 ? 1 : 0;
		end = 1;
	}
	if (at == end && run->count == run->room)
	{
		run = repalloc(run, offsetof(StoreRun, leaves) + 2 * run->room * sizeof(StoreRunLeaf));
		run->room *= 2;
		*place = run;
	}
	memmove(&run->leaves[at + 1], &run->leaves[end], (run->count - end) * sizeof(StoreRunLeaf));
	run->count += 1 - (end - at);
	run->leaves[at] = leaf;
}

static void
run_learn(StoreRun **place, const StoreKey *key, const StoreKey *low, const StoreKey *high,
          StoreHint hint)
{
	uint64 begin = low->high == key->high ? low->low : 0;
	int at = run_search(*place, begin);
	int end;

	if ((*place)->leaves[at].low < begin)
		at++;
	for (end = at; end < (*place)->count; end++)
		if (high->high == key->high && (*place)->leaves[end].low >= high->low)
			break;
	run_replace(place, at, end, (StoreRunLeaf){.low = begin, .hint = hint});
}

/* ---- hints ----------------------------------------------------------------------------------- */

static inline StoreHint *
table_place(StoreHints *hints, const StoreKey *key)
{
	/* Incarnations are spread as ids are; both share the table. */
	uint64 high = key->space == STORE_SPACE_RECORDS ? key->high : ~key->high;

	return &hints->table[high >> (64 - hints->bits)];
}

StoreHint *
pgfirst_hint(StoreHints *hints, const StoreKey *key)
{
	StoreRun **run = run_find(hints, key);

	if (run != NULL)
		return &(*run)->leaves[run_search(*run, key->low)].hint;
	return table_place(hints, key);
}

/*
 * For the key's place of the table and for those around it whose keys are all on the leaf.  A large table has a dozen
 * places for a leaf; one by one they would be learned by as many descents.
 */
static void
table_learn(StoreHints *hints, const StoreKey *key, const StoreKey *low, const StoreKey *high,
            StoreHint hint)
{
	StoreHint *own, *first, *end;

	if (++hints->misses > (uint32) 1 << hints->bits && hints->bits < HINTS_BITS_MAX)
		hints_resize(hints, hints->bits + HINTS_BITS_STEP);
	own = table_place(hints, key);
	*own = hint;
	if (low->space != STORE_SPACE_RECORDS || high->space != STORE_SPACE_RECORDS)
		return;
	/* The places of the fences themselves are shared with the neighbours. */
	first = table_place(hints, low);
	end = table_place(hints, high);
	for (StoreHint *at = own; at > first + 1 && own - at < HINTS_AROUND;)
		*--at = hint;
	for (StoreHint *at = own + 1; at < end && at - own < HINTS_AROUND; at++)
		*at = hint;
}

/* Whether the run to which the key may belong goes on beyond this fence of its leaf. */
static bool
is_within(const StoreKey *key, const StoreKey *fence)
{
	return fence->space == STORE_SPACE_RECORDS && key->space == STORE_SPACE_RECORDS &&
	       fence->high == key->high && fence->low > 0;
}

void
pgfirst_hint_learn(StoreHints *hints, const StoreKey *key, const StoreLeaf *leaf)
{
	StoreHint hint = {.block = leaf->block, .buffer = leaf->buffer};
	StoreKey low = store_page_low(leaf->page);
	StoreKey high = store_page_high(leaf->page);
	StoreRun **run = run_find(hints, key);

	if (run == NULL)
	{
		table_learn(hints, key, &low, &high, hint);
		if (is_within(key, &low) && is_within(key, &high))
			run = run_make(hints, key->high);
	}
	if (run != NULL)
		run_learn(run, key, &low, &high, hint);
}
