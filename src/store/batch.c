/* SPDX-License-Identifier: PostgreSQL
 *
 * batch.c: changes of records go to their leaves, up to four leaves in one WAL record; and more at once where
 * nothing is logged.
 *
 * Room is made before anything is changed, and a leaf is locked only while it is looked at, changed and
 * logged.  Nobody else can change the records meanwhile, because their locks are held or the whole
 * store's is; but others change records next to them, so nothing that was known of a leaf before it
 * was locked counts.
 *
 *     prefetch    the leaves of the next ops are on their way
 *     locate      where each op's leaf probably is
 *     add         locks a leaf, and plans on it as many of the ops as belong there and fit
 *     change      one critical section: all leaves of the batch, one record; then positions and stamps,
 *                 still under the locks of the leaves; then whoever counts hears of it
 *
 * The first leaf of a batch is waited for, the others are only tried: what is taken for a leaf may be a
 * page above those that are held by now.  What could not be added begins the next batch, and is
 * looked for from the root there; a leaf that is full is split in between.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/compat.h"
#include "base/flush.h"
#include "store/hints.h"
#include "store/store_int.h"

#define OPS_AHEAD  32 /* whose leaves are on their way */
#define RUN_MIN    8  /* ops for one leaf, from which on it is filled from left to right */
#define UNIT_TRIES 16
#define ROOM_TRIES 1000 /* others may take the room that was made, but not so often */

static struct
{
	PgfirstObserver observer; /* NULL: nobody counts */
	bool applied_apart;       /* in this transaction */
} changes;

void
pgfirst_store_observe(PgfirstObserver function, Size limit)
{
	if (limit > STORE_OBSERVED_MAX)
		elog(ERROR, "an observer is given %d bytes at most", STORE_OBSERVED_MAX);
	changes.observer = function;
}

bool
pgfirst_store_applied_apart(void)
{
	return changes.applied_apart;
}

void
pgfirst_batch_begin(void)
{
	changes.applied_apart = false;
}

/* Finds out, while the leaf is locked, whether the observer is to hear of the changes. */
static void
plan_observe(StorePlan *plan)
{
	for (int i = 0; i < plan->count; i++)
		plan->ops[i].observed = plan->ops[i].entry != NULL && changes.observer != NULL &&
		                        pgfirst_census_passed(plan->ops[i].store, &plan->ops[i].key);
}

/* Whoever keeps counts hears of what has happened. */
static void
ops_happened(StoreOp *ops, int count)
{
	for (int i = 0; i < count; i++)
	{
		StoreOp *op = &ops[i];

		op->done = true;
		if (op->observed && changes.observer != NULL && (op->before_there || op->after_there))
			changes.observer(op->store->oid, op->before_there ? &op->before : NULL,
			                 op->after_there ? &op->after : NULL);
	}
}

static Size
op_room(const StoreOp *op)
{
	Size length =
	    op->change == STORE_EXPIRY ? STORE_INLINE_MAX : (Size) op->lengths[0] + op->lengths[1];

	return store_leaf_size(length) + STORE_SLOT;
}

/* ---- a record ---------------------------------------------------------------------------- */

/* Leaves with their ops, to be changed by one record. */
typedef struct Batch
{
	PgfirstStore *store;
	TransactionId xid; /* InvalidTransactionId: the changes are final */
	int run;           /* how many ops would have gone to the leaf that was added last */
	int limit;         /* of plans */
	int plans;
	StorePlan plan[STORE_CHANGE_PAGES];
} Batch;

/* Pages of the plans of the batch that there is. */
static PGAlignedBlock images[STORE_CHANGE_PAGES];

/* Sets what must be: the plans are set when they are made, and would take longer to clear than to make. */
static void
batch_begin(Batch *batch, PgfirstStore *store, TransactionId xid)
{
	batch->store = store;
	batch->xid = xid;
	batch->run = 0;
	batch->limit = pgfirst_record_limit(store->relation);
	batch->plans = 0;
}

static void
batch_unlock(Batch *batch)
{
	for (int i = 0; i < batch->plans; i++)
		pgfirst_page_unlock(&batch->plan[i].leaf);
	batch->plans = 0;
}

/* Whether less stands on the leaves than before. */
static bool
batch_deletes(const Batch *batch)
{
	for (int i = 0; i < batch->plans; i++)
		for (int j = 0; j < batch->plan[i].count; j++)
			if (batch->plan[i].ops[j].change == STORE_DELETED)
				return true;
	return false;
}

/* The parts of what the batch has replaced, or replaces when its transaction commits. */
static void
batch_leaves_garbage(const Batch *batch)
{
	for (int i = 0; i < batch->plans; i++)
		for (int j = 0; j < batch->plan[i].count; j++)
		{
			const StoreLarge *replaced = &batch->plan[i].ops[j].replaced;

			if (replaced->incarnation == 0)
				continue;
			if (batch->xid == InvalidTransactionId)
				pgfirst_garbage_now(batch->store, replaced);
			else
				pgfirst_garbage_by_commit(batch->store, replaced);
		}
}

/* Whoever reads several records must notice; the leaves are still locked. */
static void
batch_touch(const Batch *batch)
{
	for (int i = 0; i < batch->plans; i++)
		for (int j = 0; j < batch->plan[i].count; j++)
		{
			const StoreEntry *entry = batch->plan[i].ops[j].entry;

			if (entry != NULL)
				pgfirst_position_touch(batch->store, &entry->id, entry->kind);
		}
}

/* The changes are final, but their leaves are still locked. */
static void
batch_is_final(Batch *batch, XLogRecPtr end)
{
	for (int i = 0; i < batch->plans; i++)
		for (int j = 0; j < batch->plan[i].count; j++)
			if (batch->plan[i].ops[j].entry != NULL)
				pgfirst_position_raise(batch->store, &batch->plan[i].ops[j].entry->id, end);
	changes.applied_apart = true;
	if (end != InvalidXLogRecPtr)
		pgfirst_flush_note_idless();
	if (batch_deletes(batch))
		pgfirst_tidy_wanted(batch->store->oid);
}

/* Makes the changes of all plans, and unlocks. */
static void
batch_change(Batch *batch)
{
	StoreRecord record;
	XLogRecPtr end;

	pgfirst_record_begin(&record, batch->store->relation);
	for (int i = 0; i < batch->plans; i++)
		(void) pgfirst_record_page(&record, batch->plan[i].leaf.buffer);
	pgfirst_record_change(&record);
	for (int i = 0; i < batch->plans; i++)
		pgfirst_plan_change(&batch->plan[i], &record.edits[i], batch->xid);
	end = pgfirst_record_insert(&record);
	batch_touch(batch);
	if (batch->xid == InvalidTransactionId)
		batch_is_final(batch, end);
	for (int i = 0; i < batch->plans; i++)
		plan_observe(&batch->plan[i]);
	for (int i = 0; i < batch->plans; i++)
		pgfirst_page_unlock(&batch->plan[i].leaf);
	for (int i = 0; i < batch->plans; i++)
		ops_happened(batch->plan[i].ops, batch->plan[i].count);
	batch_leaves_garbage(batch);
	batch->plans = 0;
}

/* Looks for the leaf from the root. */
static void
op_locate(StoreOp *op)
{
	op->hint =
	    (StoreHint){.block = pgfirst_leaf_block(op->store, &op->key), .buffer = InvalidBuffer};
}

/* Has the leaves of the ops on their way, and finds out where each probably is. */
static void
ops_prepare(StoreOp *ops, int count)
{
	for (int i = 0; i < count; i += OPS_AHEAD)
		pgfirst_ops_prefetch(&ops[i], Min(count - i, OPS_AHEAD));
	for (int i = 0; i < count; i++)
		if (ops[i].hint.block == InvalidBlockNumber)
			op_locate(&ops[i]);
}

/*
 * Adds the leaf of ops[0], and as many of the ops behind it as belong there, to the batch.  Returns how
 * many; 0 when it was not possible now.
 */
static int
batch_add(Batch *batch, StoreOp *ops, int count)
{
	StorePlan *plan = &batch->plan[batch->plans];
	int mode = batch->plans == 0 ? BUFFER_LOCK_EXCLUSIVE : STORE_LOCK_TRY;
	int n = 1;

	if (!pgfirst_leaf_try(ops[0].store, &ops[0].hint, &ops[0].key, mode, &plan->leaf))
		return 0;
	while (n < count && store_page_covers(plan->leaf.page, &ops[n].key))
		n++;
	plan->ops = ops;
	plan->image = images[batch->plans].data;
	plan->count = batch->run = n;
	batch->plans++;
	pgfirst_plan_make(plan, batch->xid);
	if (plan->count == 0)
	{
		pgfirst_page_unlock(&plan->leaf);
		batch->plans--;
	}
	return plan->count;
}

static bool
batch_has(const Batch *batch, BlockNumber block)
{
	for (int i = 0; i < batch->plans; i++)
		if (batch->plan[i].leaf.block == block)
			return true;
	return false;
}

/* ---- changes that need not go together ------------------------------------------------------------ */

void
pgfirst_ops_apply_each(StoreOp *ops, int count, TransactionId xid)
{
	int first = 0;
	int ahead = 0;
	int tries = 0;
	Batch batch;

	batch_begin(&batch, ops[0].store, xid);
	while (first < count)
	{
		int done;

		CHECK_FOR_INTERRUPTS();
		if (first >= ahead)
		{
			ahead = Min(first + OPS_AHEAD, count);
			ops_prepare(&ops[first], ahead - first);
		}
		done = batch_add(&batch, &ops[first], ahead - first);
		if (done == 0)
		{
			/* Its leaf is another one, or full. */
			op_locate(&ops[first]);
			done = batch_add(&batch, &ops[first], ahead - first);
			if (done == 0)
			{
				/* A page whose account of its room is wrong has room whenever it is asked, and none. */
				if (++tries > ROOM_TRIES)
					pgfirst_page_damaged("room that was made on it is not there");
				pgfirst_tree_make_room(batch.store, &ops[first].key, op_room(&ops[first]),
				                       batch.run >= RUN_MIN);
				continue;
			}
		}
		tries = 0;
		first += done;
		/* What did not fit on a leaf that is in the batch already begins the next one. */
		while (first < ahead && batch.plans < STORE_RECORD_PAGES &&
		       !batch_has(&batch, ops[first].hint.block))
		{
			done = batch_add(&batch, &ops[first], ahead - first);
			if (done == 0)
				break;
			first += done;
		}
		batch_change(&batch);
	}
}

/* ---- changes that go together, without a transaction id ------------------------------------------ */

/*
 * Puts all ops, sorted by key, into one batch.  Returns NULL, or the one for which a leaf has no room beside those in front of
 * it, of which none is there yet: *room is what it takes with them.
 */
static StoreOp *
unit_collect(Batch *batch, StoreOp *ops, int count, Size *room)
{
	int i = 0;

	batch->plans = 0;
	while (i < count)
	{
		int before = batch->plans;
		int done = batch->plans < batch->limit ? batch_add(batch, &ops[i], count - i) : 0;

		i += done;
		if (done > 0 &&
		    (i == count || !store_page_covers(batch->plan[before].leaf.page, &ops[i].key)))
			continue;
		batch_unlock(batch);
		*room = op_room(&ops[i]);
		for (int j = i - done; j < i; j++)
			*room += ops[j].need;
		return &ops[i];
	}
	return NULL;
}

static int
unit_leaves(const StoreOp *ops, int count)
{
	int leaves = 0;

	for (int i = 0; i < count; i++)
		leaves += i == 0 || ops[i].hint.block != ops[i - 1].hint.block;
	return leaves;
}

/* A leaf has so much room at the latest when it has one item or two. */
#define UNIT_ROOM (STORE_PAGE_ROOM / 2)

bool
pgfirst_ops_apply_together(StoreOp *ops, int count)
{
	const StoreOp *crowded = NULL; /* its leaf has had UNIT_ROOM, which is not enough */
	Batch batch;

	batch_begin(&batch, ops[0].store, InvalidTransactionId);
	/* A guess may be wrong, but hardly so that few leaves look like many. */
	ops_prepare(ops, count);
	if (unit_leaves(ops, count) > batch.limit)
		return false;
	for (int tries = 0; tries < UNIT_TRIES; tries++)
	{
		StoreOp *full;
		Size room;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < count && tries > 0; i++)
			op_locate(&ops[i]);
		if (unit_leaves(ops, count) > batch.limit)
			return false;
		full = unit_collect(&batch, ops, count, &room);
		if (full == NULL)
		{
			batch_change(&batch);
			return true;
		}
		if (room > UNIT_ROOM && full == crowded)
			return false;
		if (room > UNIT_ROOM)
			crowded = full;
		pgfirst_tree_make_room(batch.store, &full->key, Min(room, UNIT_ROOM), false);
	}
	return false;
}
