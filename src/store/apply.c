/* SPDX-License-Identifier: PostgreSQL
 *
 * apply.c: the write set goes to the pages, before the transaction commits.
 *
 * There are two ways.
 *
 * Without a transaction id.  In a transaction of which each command stands for itself
 * (pgfirst_store_commands_apart: a worker's turn) what belongs together is made visible by one WAL
 * record, which is atomic.  A record changes up to four leaves, and where nothing is logged 64 can be changed at
 * once: those of one command that changes several records, or those of up to four and more commands that change
 * one record each, in the order of their keys.  Each such change is final when its record is inserted; if a later one fails
 * (a full disk), the earlier ones stay, and who is told of a failure has been told of a change that may
 * have happened, as by any connection that breaks.
 *
 * With one.  What takes more leaves, and everything of other transactions, which can still
 * fail after this, is written as next versions tagged with the transaction's id, a leaf at a time,
 * and becomes visible as a whole when the transaction commits.
 *
 * How ops get to their leaves is in batch.c.
 *
 * What is applied with an id may be applied before the end of the transaction as well: nobody else sees
 * it, an abort leaves it as garbage, and a later change of the same record finds the transaction's own
 * tag and replaces what is there.  Commands that load more than fits into memory do so.  Announced
 * positions and locks stay until the transaction ends.  It cannot be taken back by a savepoint; so it is
 * done where there is none.
 *
 * The order of the records of a turn is not the order of its commands.  Until it is told, nobody
 * knows that a command was carried out, and replies leave when everything of their turn is durable;
 * so a crash may leave any of the unanswered commands of a turn, each whole, and without others
 * that came before.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "store/store_int.h"

#define OPS_AT_ONCE  256 /* that are prepared at a time */
#define AHEAD        32  /* entries whose positions are on their way */
#define TAGGED_MAX   32
#define UNIT_OPS_MAX 128 /* more are hardly on as few leaves; fits into OPS_AT_ONCE */
#define UNIT_PARTS   3   /* of a large record that is written without a transaction id */

/*
 * The ops under way: of records, and beside them of the parts of one.  They stay, because they would take as long to get
 * and to give back in each turn as to fill.
 */
static StoreOp ops_at_once[OPS_AT_ONCE];
static StoreOp parts_at_once[OPS_AT_ONCE];

static struct
{
	bool early; /* something of this transaction is on pages before its end */

	/*
	 * Stores in which the transaction has left tags.  There is something to tidy when it has ended,
	 * and then nothing can be allocated; of more stores than this the last one stands for the
	 * others, which wait for the next change.
	 */
	int tagged_count;
	Oid tagged[TAGGED_MAX];
} applied;

bool
pgfirst_applied_early(void)
{
	return applied.early;
}

/* At the end of the transaction. */
void
pgfirst_apply_forget(void)
{
	applied.early = false;
}

static void
tagged_add(Oid store)
{
	for (int i = 0; i < applied.tagged_count; i++)
		if (applied.tagged[i] == store)
			return;
	if (applied.tagged_count == TAGGED_MAX)
		applied.tagged_count--;
	applied.tagged[applied.tagged_count++] = store;
}

void
pgfirst_apply_ended(void)
{
	for (int i = 0; i < applied.tagged_count; i++)
		pgfirst_tidy_wanted(applied.tagged[i]);
	applied.tagged_count = 0;
}

/* ---- from entries to ops --------------------------------------------------------------------- */

static bool
entry_is_large(const StoreEntry *entry)
{
	return entry->change == STORE_PUT && VARSIZE(entry->body) - VARHDRSZ > STORE_INLINE_MAX;
}

static uint32
entry_parts(const StoreEntry *entry)
{
	return entry_is_large(entry) ? pgfirst_large_parts(VARSIZE(entry->body) - VARHDRSZ) : 0;
}

/* The op of the record itself.  incarnation: of its parts, if it is large. */
static void
op_of_entry(StoreOp *op, StoreEntry *entry, uint64 incarnation)
{
	op->key = store_key_of_id(&entry->id);
	op->store = entry->store;
	op->entry = entry;
	op->change = entry->change;
	op->flags = 0;
	op->kind = entry->kind;
	op->expiry = entry->expiry;
	op->lengths[0] = op->lengths[1] = 0;
	op->data[0] = op->data[1] = "";
	op->done = false;
	op->hint.block = InvalidBlockNumber;
	if (entry->change != STORE_PUT)
		return;
	if (entry_is_large(entry))
	{
		StoreLarge large = {.incarnation = incarnation,
		                    .length = (uint32) (VARSIZE(entry->body) - VARHDRSZ)};
		char *header = palloc(STORE_LARGE_HEADER);

		memcpy(header, &large, STORE_LARGE_HEADER);
		op->flags = STORE_ITEM_LARGE;
		op->data[0] = header;
		op->lengths[0] = STORE_LARGE_HEADER;
		op->data[1] = VARDATA(entry->body);
		op->lengths[1] = STORE_LARGE_PREFIX;
	}
	else
	{
		op->data[0] = VARDATA(entry->body);
		op->lengths[0] = (uint16) (VARSIZE(entry->body) - VARHDRSZ);
	}
}

static void
op_of_part(StoreOp *op, StoreEntry *entry, uint64 incarnation, uint32 number)
{
	Size from, to;

	pgfirst_large_range(VARSIZE(entry->body) - VARHDRSZ, number, &from, &to);
	op->key = (StoreKey){.space = STORE_SPACE_PARTS, .high = incarnation, .low = number};
	op->store = entry->store;
	op->entry = NULL;
	op->change = STORE_PUT;
	op->flags = 0;
	op->kind = 0;
	op->expiry = 0;
	op->replaced.incarnation = 0;
	op->done = false;
	op->hint.block = InvalidBlockNumber;
	op->data[0] = (const char *) entry->id.bytes;
	op->lengths[0] = number == 0 ? STORE_PART_OWNER : 0;
	op->data[1] = VARDATA(entry->body) + from;
	op->lengths[1] = (uint16) (to - from);
}

/* ---- with a transaction id ------------------------------------------------------------------- */

static uint64
apply_parts(StoreEntry *entry, TransactionId xid)
{
	uint64 incarnation = pgfirst_incarnation_next(entry->store);
	uint32 parts = entry_parts(entry);
	StoreLarge large = {.incarnation = incarnation,
	                    .length = (uint32) (VARSIZE(entry->body) - VARHDRSZ)};

	pgfirst_garbage_by_abort(entry->store, &large);
	pgfirst_garbage_keep_pace(entry->store, parts);
	for (uint32 first = 0; first < parts; first += OPS_AT_ONCE)
	{
		int count = (int) Min(parts - first, OPS_AT_ONCE);

		for (int i = 0; i < count; i++)
			op_of_part(&parts_at_once[i], entry, incarnation, first + (uint32) i);
		pgfirst_ops_apply_each(parts_at_once, count, xid);
	}
	return incarnation;
}

/* Applies entries of one store, in the order of their ids. */
static void
apply_with_id(StoreEntry **entries, Size count)
{
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst apply tagged", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TransactionId xid = GetTopTransactionId();

	for (Size i = 0; i < count; i++)
	{
		if (i + AHEAD < count)
			pgfirst_position_ahead(entries[i]->store, &entries[i + AHEAD]->id, true);
		pgfirst_position_announce(entries[i]->store, &entries[i]->id);
	}
	pgfirst_meta_tags(entries[0]->store, STORE_TAGS_SOME);
	tagged_add(entries[0]->store->oid);
	for (Size i = 0; i < count;)
	{
		int n = 0;

		while (i < count && n < OPS_AT_ONCE)
		{
			uint64 incarnation = entry_is_large(entries[i]) ? apply_parts(entries[i], xid) : 0;

			op_of_entry(&ops_at_once[n++], entries[i++], incarnation);
		}
		pgfirst_ops_apply_each(ops_at_once, n, xid);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* ---- changes that go together, without one ------------------------------------------------------- */

static int
op_compare(const void *a, const void *b)
{
	return store_key_compare(&((const StoreOp *) a)->key, &((const StoreOp *) b)->key);
}

/* Makes the ops of the entries of one unit, in the order of their keys; 0 if they are too many. */
static int
unit_ops(StoreEntry **entries, uint32 count)
{
	StoreOp *ops = ops_at_once;
	Size total = 0;
	int n = 0;

	for (uint32 i = 0; i < count; i++)
	{
		total += 1 + entry_parts(entries[i]);
		if (entry_parts(entries[i]) > UNIT_PARTS || total > UNIT_OPS_MAX)
			return 0;
	}
	for (uint32 i = 0; i < count; i++)
	{
		uint64 incarnation = 0;
		uint32 parts = entry_parts(entries[i]);

		if (parts > 0)
		{
			pgfirst_garbage_keep_pace(entries[i]->store, parts);
			incarnation = pgfirst_incarnation_next(entries[i]->store);
		}
		op_of_entry(&ops[n++], entries[i], incarnation);
		for (uint32 number = 0; number < parts; number++)
			op_of_part(&ops[n++], entries[i], incarnation, number);
	}
	if (total > count)
		qsort(ops, total, sizeof(StoreOp), op_compare);
	return n;
}

/* Applies those of the entries that stand for themselves, `count` of one store. */
static void
apply_singles(StoreEntry **entries, Size count)
{
	for (Size first = 0; first < count; first += OPS_AT_ONCE)
	{
		int n = (int) Min(count - first, OPS_AT_ONCE);

		for (int i = 0; i < n; i++)
			op_of_entry(&ops_at_once[i], entries[first + (Size) i], 0);
		pgfirst_ops_apply_each(ops_at_once, n, InvalidTransactionId);
	}
}

/*
 * Units with entries of several stores, which one WAL record could change but one plan does not: they
 * take a transaction id.  NULL if there are none.
 */
static bool *
units_across_stores(StoreEntry **entries, Size count)
{
	PgfirstStore **stores;
	bool *across;

	if (entries[0]->store == entries[count - 1]->store)
		return NULL;
	stores = palloc0((pgfirst_unit_count() + 1) * sizeof(PgfirstStore *));
	across = palloc0(pgfirst_unit_count() + 1);
	for (Size i = 0; i < count; i++)
	{
		uint32 unit = pgfirst_unit_of(entries[i]);

		across[unit] |= stores[unit] != NULL && stores[unit] != entries[i]->store;
		stores[unit] = entries[i]->store;
	}
	pfree(stores);
	return across;
}

/* Whether the entry's unit, of so many members, is one op. */
static bool
stands_alone(const StoreEntry *entry, const uint32 *members, const bool *across)
{
	uint32 unit = pgfirst_unit_of(entry);

	return members[unit] == 1 && !entry_is_large(entry) && !(across != NULL && across[unit]);
}

/* Sorts entries by their units; those of one remain in their order.  ends[u] is where unit u ends. */
static StoreEntry **
group_by_unit(StoreEntry **entries, Size count, const uint32 *members, Size *ends, uint32 units)
{
	StoreEntry **grouped = palloc_extended(count * sizeof(StoreEntry *), MCXT_ALLOC_HUGE);
	Size end = 0;

	for (uint32 unit = 0; unit < units; unit++)
	{
		ends[unit] = end;
		end += members[unit];
	}
	for (Size i = 0; i < count; i++)
		grouped[ends[pgfirst_unit_of(entries[i])]++] = entries[i];
	return grouped;
}

/*
 * Applies entries of one store, in the order of their ids, as far as possible without a transaction
 * id.  Returns how many are left, which then stand first, in the same order.
 */
static Size
apply_apart(StoreEntry **entries, Size count, const bool *across)
{
	uint32 units = pgfirst_unit_count() + 1;
	uint32 *members = palloc0(units * sizeof(uint32));
	Size *ends = palloc(units * sizeof(Size));
	StoreEntry **some = palloc_extended(count * sizeof(StoreEntry *), MCXT_ALLOC_HUGE);
	Size n = 0;

	for (Size i = 0; i < count; i++)
		members[pgfirst_unit_of(entries[i])]++;
	for (Size i = 0; i < count; i++)
		if (stands_alone(entries[i], members, across))
			some[n++] = entries[i];
	apply_singles(some, n);
	if (n == count)
		return 0;

	some = group_by_unit(entries, count, members, ends, units);
	for (uint32 unit = 0; unit < units; unit++)
	{
		StoreEntry **first = &some[ends[unit] - members[unit]];
		int ops;

		if (members[unit] == 0 || stands_alone(first[0], members, across))
			continue;
		ops = across != NULL && across[unit] ? 0 : unit_ops(first, members[unit]);
		if (ops > 0 && pgfirst_ops_apply_together(ops_at_once, ops))
			members[unit] = 0;
	}
	n = 0;
	for (Size i = 0; i < count; i++)
		if (members[pgfirst_unit_of(entries[i])] > 0 && !stands_alone(entries[i], members, across))
			entries[n++] = entries[i];
	return n;
}

/* ---- the write set ----------------------------------------------------------------------------- */

/* Applies the entries of one store, in the order of their ids. */
static void
apply_store(StoreEntry **entries, Size count, const bool *across)
{
	PgfirstStore *store = entries[0]->store;

	if (pgfirst_tree_id(store) == 0)
		pgfirst_tree_create(store);
	if (pgfirst_tree_id(store) == 0)
		elog(ERROR, "store %u could not be made", store->oid);
	if (pgfirst_units_apart())
		count = apply_apart(entries, count, across);
	if (count > 0)
		apply_with_id(entries, count);
}

/* Applies entries that are in the order of stores and ids. */
static void
apply_entries(StoreEntry **entries, Size count)
{
	const bool *across = pgfirst_units_apart() ? units_across_stores(entries, count) : NULL;
	Size end;

	for (Size i = 0; i < count; i++)
		if (i == 0 || entries[i]->store != entries[i - 1]->store)
			pgfirst_lock_before_apply(entries[i]->store);
	for (Size first = 0; first < count; first = end)
	{
		end = first + 1;
		while (end < count && entries[end]->store == entries[first]->store)
			end++;
		apply_store(&entries[first], end - first, across);
	}
	pgfirst_store_point("after the changes");
}

void
pgfirst_apply(void)
{
	MemoryContext context;
	MemoryContext old;
	StoreEntry **entries;
	Size count;

	if (!pgfirst_store_changed())
		return;

	context = AllocSetContextCreate(CurrentMemoryContext, "pgfirst apply", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	entries = pgfirst_writeset_sorted(NULL, &count);
	apply_entries(entries, count);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

bool
pgfirst_apply_early(PgfirstStore *store)
{
	bool all = GetCurrentTransactionNestLevel() == 1;
	SubTransactionId current = GetCurrentSubTransactionId();
	MemoryContext context;
	MemoryContext old;
	StoreEntry **entries;
	Size count;

	if (pgfirst_units_apart() || !(all || store->relation->rd_createSubid == current ||
	                               store->relation->rd_newRelfilelocatorSubid == current))
		return false;
	context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst apply early", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	entries = pgfirst_writeset_sorted(all ? NULL : store, &count);
	if (count > 0)
	{
		applied.early = true;
		apply_entries(entries, count);
		pgfirst_writeset_applied(all ? NULL : store);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return true;
}
