/* SPDX-License-Identifier: PostgreSQL
 *
 * writeset.c: what this transaction will write, in memory until it commits.
 *
 * An entry for each changed record, found through a hash table by (store, id).  Entries are never
 * removed and never move before the transaction ends, so that a walk may keep pointers to them; a
 * change that is rolled back leaves an entry without a change.  A million entries of small records
 * cost some 150 bytes each beside their bodies.  Walks have them in their order: ordered.c.
 *
 *   entry   64 bytes    id, store, change, kind, expiry, body
 *   table   8 bytes     for each place, half to three quarters of them free
 *   body    as a bytea with its header
 *
 * Savepoints.  The first time that a subtransaction changes an entry, what was there before goes
 * onto the undo stack under the subtransaction's id.  Rolled back, its part of the stack is played
 * back; released, its part becomes the parent's, except what the parent has saved itself before,
 * and the top transaction needs none at all.  The entry knows the newest subtransaction that has
 * saved it, and each piece of undo knows the one before, so that nothing is searched.
 *
 * Bytes that were put since the newest savepoint or mark are nobody's undo: a put of as many is written over them, and
 * pgfirst_store_edit() hands them out.  What a record was read as is good until it is changed, and no longer, for this too.
 *
 * Marks are savepoints of a loop's transaction, which has none of PostgreSQL's: those cost more than a
 * command.  A mark plays the part of a subtransaction, with a number above the top transaction's.
 *
 * Units.  Where each command of a transaction stands for itself, what it changes gets its number, and
 * two commands that touch the same record become one unit (union-find), because the second has seen
 * or replaced what the first did: it must not outlive it.
 *
 * A transaction that loads much applies its write set before it ends (pgfirst_apply_early) and goes on
 * with an empty one.  Then entries do go away, and the generation says so to whoever keeps pointers.
 *
 * What is allocated counts against pgfirst.write_set_limit, bodies that undo keeps included.
 * Whatever can fail is allocated before the first change, so that an error leaves the write set as
 * it was.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "store/store_int.h"

#define FIRST_PLACES  64  /* of the hash table */
#define CHUNK_ENTRIES 512 /* entries are allocated by so many, the first few by fewer */
#define ENTRY_COST    (sizeof(StoreEntry) + 3 * sizeof(StoreEntry *) + PGFIRST_ORDERED_COST)
#define CHUNK_HEADER  16 /* what the allocator adds to a body */

typedef struct StoreUndo
{
	StoreEntry *entry;
	bytea *body;
	int64 expiry;
	SubTransactionId owner; /* whose rollback restores this */
	SubTransactionId saved_in_before;
	uint16 kind;
	uint8 change;
} StoreUndo;

static int write_set_limit; /* kB */

static struct
{
	MemoryContext context; /* NULL until the first change of the transaction */
	Size bytes;
	StoreEntry **table;
	uint32 places;
	uint32 count;   /* of entries */
	uint32 changes; /* of entries that hold one */
	StoreEntry *chunk;
	uint32 chunk_free;
	uint32 chunk_size;
	StoreUndo *undo;
	uint32 undo_count;
	uint32 undo_room;
	uint32 marks;        /* within each other */
	bool apart;          /* each command stands for itself */
	uint32 unit;         /* the command under way, 0: it has changed nothing yet */
	uint32 units;        /* given out */
	uint32 *unit_parent; /* of each unit, itself for the first of those that belong together */
	uint32 units_room;
	uint64 parts[4];   /* a bit for the first byte of the id of each part that was put */
	uint64 generation; /* of pointers to entries; the only thing that outlives the transaction */
} set;

/* ---- the table -------------------------------------------------------------------------------- */

/*
 * An id is a keyed hash, or an incarnation, which is spread, and a hash or a number behind it.  Numbers in a row differ
 * when the halves are put together, and then are spread as well.
 */
static uint32
entry_hash(PgfirstStore *store, const PgfirstId *id)
{
	uint64 half[2];
	uint64 both;

	memcpy(half, id->bytes, sizeof(half));
	both = half[0] ^ half[1];
	return murmurhash32((uint32) both ^ (uint32) (both >> 32) ^ store->oid);
}

static StoreEntry **
table_place(uint32 hash, PgfirstStore *store, const PgfirstId *id)
{
	uint32 place = hash & (set.places - 1);

	for (;;)
	{
		StoreEntry *entry = set.table[place];

		if (entry == NULL || (entry->hash == hash && entry->store == store &&
		                      memcmp(entry->id.bytes, id->bytes, sizeof(id->bytes)) == 0))
			return &set.table[place];
		place = (place + 1) & (set.places - 1);
	}
}

static void
table_grow(uint32 places)
{
	StoreEntry **old = set.table;
	uint32 old_places = set.places;
	StoreEntry **fresh = MemoryContextAllocExtended(set.context, places * sizeof(StoreEntry *),
	                                                MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (uint32 i = 0; i < old_places; i++)
	{
		uint32 place;

		if (old[i] == NULL)
			continue;
		place = old[i]->hash & (places - 1);
		while (fresh[place] != NULL)
			place = (place + 1) & (places - 1);
		fresh[place] = old[i];
	}
	set.table = fresh;
	set.places = places;
	if (old != NULL)
		pfree(old);
}

StoreEntry *
pgfirst_writeset_find(PgfirstStore *store, const PgfirstId *id)
{
	if (set.count == 0)
		return NULL;
	return *table_place(entry_hash(store, id), store, id);
}

bool
pgfirst_store_changes(PgfirstStore *store, const PgfirstId *id)
{
	const StoreEntry *entry = pgfirst_writeset_find(store, id);

	return entry != NULL && entry->change != STORE_UNCHANGED;
}

bool
pgfirst_writeset_may_have_put(const PgfirstId *id)
{
	return set.parts[id->bytes[0] / 64] & UINT64CONST(1) << id->bytes[0] % 64;
}

/* The entry of id, made if there is none. */
static StoreEntry *
entry_make(PgfirstStore *store, const PgfirstId *id)
{
	uint32 hash = entry_hash(store, id);
	StoreEntry **place;
	StoreEntry *entry;

	if (set.context == NULL)
		set.context = AllocSetContextCreate(TopTransactionContext, "pgfirst write set",
		                                    ALLOCSET_DEFAULT_SIZES);
	if (set.count + set.count / 3 + 1 >= set.places)
		table_grow(set.places == 0 ? FIRST_PLACES : set.places * 2);
	place = table_place(hash, store, id);
	if (*place != NULL)
		return *place;

	if (set.chunk_free == 0)
	{
		uint32 size = set.chunk_size == 0 ? 16 : Min(set.chunk_size * 2, CHUNK_ENTRIES);

		set.chunk = MemoryContextAlloc(set.context, size * sizeof(StoreEntry));
		set.chunk_size = set.chunk_free = size;
	}
	entry = &set.chunk[set.chunk_size - set.chunk_free];
	memset(entry, 0, sizeof(*entry));
	entry->id = *id;
	entry->store = store;
	entry->hash = hash;
	entry->saved_in = TopSubTransactionId;
	entry->change = STORE_UNCHANGED;
	pgfirst_ordered_add(set.context, entry);
	set.chunk_free--;
	set.count++;
	set.bytes += ENTRY_COST;
	*place = entry;
	return entry;
}

/* ---- the limit -------------------------------------------------------------------------------- */

/* An upper bound of what a body takes; the allocator rounds small ones up to a power of two. */
static Size
body_cost(Size length)
{
	Size size = VARHDRSZ + length;

	if (size <= 8192)
	{
		Size rounded = 16;

		while (rounded < size)
			rounded *= 2;
		size = rounded;
	}
	return size + CHUNK_HEADER;
}

static void
body_free(bytea *body)
{
	if (body == NULL)
		return;
	set.bytes -= body_cost(VARSIZE(body) - VARHDRSZ);
	pfree(body);
}

bool
pgfirst_store_room(Size bytes)
{
	return set.bytes + body_cost(bytes) + ENTRY_COST + sizeof(StoreUndo) <=
	       (Size) write_set_limit * 1024;
}

static void
writeset_check(PgfirstStore *store, Size length)
{
	if (!store->for_write)
		elog(ERROR, "store %u is not open for writing", store->oid);
	PreventCommandIfReadOnly("a change of keys");
	PreventCommandIfParallelMode("a change of keys");
	PreventCommandDuringRecovery("a change of keys");

	if (length > PGFIRST_RECORD_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("a record of %zu bytes is too large", length),
		                errdetail("A record has at most %zu bytes.", PGFIRST_RECORD_MAX)));
	if (!pgfirst_store_room(length))
		ereport(ERROR,
		        (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		         errmsg("the transaction changes too much at once"),
		         errdetail("Its changes are kept in memory until it commits. They take %zu kB, and "
		                   "%zu bytes more would exceed pgfirst.write_set_limit (%d kB).",
		                   set.bytes / 1024, length, write_set_limit),
		         errhint("Make the changes in several transactions, or increase "
		                 "pgfirst.write_set_limit.")));
}

/* ---- units ----------------------------------------------------------------------------------- */

void
pgfirst_store_commands_apart(void)
{
	set.apart = true;
}

void
pgfirst_store_commands_together(void)
{
	set.apart = false;
}

bool
pgfirst_units_apart(void)
{
	return set.apart;
}

void
pgfirst_unit_next(void)
{
	set.unit = 0;
}

uint32
pgfirst_unit_count(void)
{
	return set.units;
}

static uint32
unit_root(uint32 unit)
{
	while (set.unit_parent[unit] != unit)
		unit = set.unit_parent[unit] = set.unit_parent[set.unit_parent[unit]];
	return unit;
}

uint32
pgfirst_unit_of(const StoreEntry *entry)
{
	return unit_root(entry->unit);
}

/* The command under way touches the entry. */
void
pgfirst_unit_joins(StoreEntry *entry)
{
	if (!set.apart || (entry->unit != 0 && entry->unit == set.unit))
		return;
	if (set.unit == 0)
	{
		if (set.units + 2 > set.units_room)
		{
			uint32 room = set.units_room == 0 ? 64 : set.units_room * 2;

			set.unit_parent = set.units_room == 0
			                      ? MemoryContextAlloc(set.context, room * sizeof(uint32))
			                      : repalloc_huge(set.unit_parent, room * sizeof(uint32));
			set.units_room = room;
		}
		set.unit = ++set.units;
		set.unit_parent[set.unit] = set.unit;
	}
	if (entry->unit == 0)
		entry->unit = set.unit;
	else
		set.unit_parent[unit_root(entry->unit)] = unit_root(set.unit);
}

/* ---- changes ---------------------------------------------------------------------------------- */

/* On whose behalf things are changed now, for undo. */
static SubTransactionId
change_owner(void)
{
	return set.marks == 0 ? GetCurrentSubTransactionId() : TopSubTransactionId + set.marks;
}

/*
 * Gives the entry a change.  Takes the body over.  If a savepoint has been set since it was changed
 * last, what is there now goes onto the undo stack.
 */
static void
entry_change(StoreEntry *entry, StoreChange change, uint16 kind, int64 expiry, bytea *body)
{
	SubTransactionId current = change_owner();

	pgfirst_unit_joins(entry);
	if (entry->saved_in != current)
	{
		StoreUndo *undo;

		if (set.undo_count == set.undo_room)
		{
			uint32 room = set.undo_room == 0 ? 64 : set.undo_room * 2;

			set.undo = set.undo_room == 0
			               ? MemoryContextAlloc(set.context, room * sizeof(StoreUndo))
			               : repalloc_huge(set.undo, room * sizeof(StoreUndo));
			set.undo_room = room;
		}
		undo = &set.undo[set.undo_count++];
		undo->entry = entry;
		undo->body = entry->body;
		undo->expiry = entry->expiry;
		undo->kind = entry->kind;
		undo->change = entry->change;
		undo->owner = current;
		undo->saved_in_before = entry->saved_in;
		set.bytes += sizeof(StoreUndo);
		entry->saved_in = current;
	}
	else
		body_free(entry->body);

	set.changes += (change != STORE_UNCHANGED) - (entry->change != STORE_UNCHANGED);
	entry->change = change;
	entry->kind = kind;
	entry->expiry = expiry;
	entry->body = body;
	if (body != NULL)
		set.bytes += body_cost(VARSIZE(body) - VARHDRSZ);
}

/* Whether the entry's bytes may be changed where they are: they were put, and nobody can want them back. */
static bool
entry_is_open(const StoreEntry *entry)
{
	return entry->change == STORE_PUT && entry->saved_in == change_owner();
}

void
pgfirst_store_put(PgfirstStore *store, const PgfirstRecord *record)
{
	StoreEntry *entry;
	bytea *body;

	writeset_check(store, record->length);
	entry = entry_make(store, &record->id);
	/* The record with which a collection begins is put at each change of its elements, and stays as long. */
	if (entry_is_open(entry) && VARSIZE(entry->body) == VARHDRSZ + record->length)
	{
		pgfirst_unit_joins(entry);
		if (record->length > 0)
			memmove(VARDATA(entry->body), record->data, record->length);
		entry->kind = record->kind;
		entry->expiry = record->expiry;
		return;
	}
	body = MemoryContextAlloc(set.context, VARHDRSZ + record->length);
	SET_VARSIZE(body, VARHDRSZ + record->length);
	if (record->length > 0)
		memcpy(VARDATA(body), record->data, record->length);
	if (pgfirst_kind_is_part(record->kind))
		set.parts[record->id.bytes[0] / 64] |= UINT64CONST(1) << record->id.bytes[0] % 64;
	entry_change(entry, STORE_PUT, record->kind, record->expiry, body);
}

char *
pgfirst_store_edit(PgfirstStore *store, const PgfirstId *id)
{
	StoreEntry *entry = pgfirst_writeset_find(store, id);

	if (entry == NULL || !entry_is_open(entry))
		return NULL;
	pgfirst_unit_joins(entry);
	return VARDATA(entry->body);
}

bool
pgfirst_store_expire(PgfirstStore *store, const PgfirstId *id, int64 expiry)
{
	StoreEntry *entry = pgfirst_writeset_find(store, id);
	PgfirstRecord record;

	writeset_check(store, 0);
	if (!pgfirst_store_get(store, id, 0, &record))
		return false;
	if (entry != NULL && entry->change == STORE_PUT)
	{
		/* The bytes stay; only undo needs a copy of them. */
		bytea *body = entry->body;

		if (!entry_is_open(entry))
		{
			writeset_check(store, VARSIZE(body) - VARHDRSZ);
			body = MemoryContextAlloc(set.context, VARSIZE(body));
			memcpy(body, entry->body, VARSIZE(entry->body));
			entry_change(entry, STORE_PUT, entry->kind, expiry, body);
		}
		else
		{
			pgfirst_unit_joins(entry);
			entry->expiry = expiry;
		}
		return true;
	}

	entry = entry_make(store, id);
	entry_change(entry, STORE_EXPIRY, record.kind, expiry, NULL);
	return true;
}

void
pgfirst_store_delete_known(PgfirstStore *store, const PgfirstRecord *record)
{
	writeset_check(store, 0);
	entry_change(entry_make(store, &record->id), STORE_DELETED, record->kind, 0, NULL);
}

bool
pgfirst_store_delete(PgfirstStore *store, const PgfirstId *id)
{
	PgfirstRecord record;

	writeset_check(store, 0);
	if (!pgfirst_store_get(store, id, 0, &record))
		return false;
	pgfirst_store_delete_known(store, &record);
	return true;
}

bool
pgfirst_store_changed(void)
{
	return set.changes > 0;
}

/* The record of an entry that holds STORE_PUT. */
void
pgfirst_writeset_record(const StoreEntry *entry, PgfirstRecord *record)
{
	record->id = entry->id;
	record->kind = entry->kind;
	record->expiry = entry->expiry;
	record->data = VARDATA(entry->body);
	record->length = VARSIZE(entry->body) - VARHDRSZ;
}

/* The id lies beside the entry as two numbers, so that sorting touches no entry. */
typedef struct SortEntry
{
	uint64 high;
	uint64 low;
	StoreEntry *entry;
} SortEntry;

static inline int
sort_compare_one_store(const SortEntry *left, const SortEntry *right)
{
	if (left->high != right->high)
		return left->high < right->high ? -1 : 1;
	return left->low < right->low ? -1 : left->low > right->low;
}

static inline int
sort_compare(const SortEntry *left, const SortEntry *right)
{
	if (left->entry->store != right->entry->store)
		return left->entry->store->oid < right->entry->store->oid ? -1 : 1;
	return sort_compare_one_store(left, right);
}

#define ST_SORT         sort_stores
#define ST_ELEMENT_TYPE SortEntry
#define ST_COMPARE      sort_compare
#define ST_SCOPE        static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT         sort_one_store
#define ST_ELEMENT_TYPE SortEntry
#define ST_COMPARE      sort_compare_one_store
#define ST_SCOPE        static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Those of one store, or of all, at most `most`: with the others, or only those that hold a change. */
static StoreEntry **
entries_sorted(PgfirstStore *store, bool unchanged, uint32 most, Size *count)
{
	SortEntry *all = MemoryContextAllocHuge(CurrentMemoryContext, Max(most, 1) * sizeof(SortEntry));
	StoreEntry **sorted = (StoreEntry **) all;
	bool one_store = true;
	Size n = 0;

	for (uint32 i = 0; i < set.places; i++)
	{
		StoreEntry *entry = set.table[i];
		StoreKey key;

		if (entry == NULL || (entry->change == STORE_UNCHANGED && !unchanged) ||
		    (store != NULL && entry->store != store))
			continue;
		key = store_key_of_id(&entry->id);
		all[n] = (SortEntry){.high = key.high, .low = key.low, .entry = entry};
		one_store &= entry->store == all[0].entry->store;
		n++;
	}
	if (one_store)
		sort_one_store(all, n);
	else
		sort_stores(all, n);
	for (Size i = 0; i < n; i++)
		sorted[i] = all[i].entry;
	*count = n;
	return sorted;
}

StoreEntry **
pgfirst_writeset_sorted(PgfirstStore *store, Size *count)
{
	if (set.changes > 0)
		return entries_sorted(store, false, set.changes, count);
	*count = 0;
	return NULL;
}

StorePlace *
pgfirst_writeset_seek(PgfirstStore *store, const PgfirstId *id)
{
	if (!pgfirst_ordered_built())
	{
		StoreEntry **sorted;
		Size count;

		if (set.changes == 0)
			return NULL;
		sorted = entries_sorted(NULL, true, set.count, &count);
		pgfirst_ordered_build(set.context, sorted, count);
		pfree(sorted);
	}
	return pgfirst_ordered_seek(store, id);
}

/* ---- transactions ----------------------------------------------------------------------------- */

/* After commit or abort; the memory goes with the transaction's. */
void
pgfirst_writeset_forget(void)
{
	uint64 generation = set.generation;

	memset(&set, 0, sizeof(set));
	set.generation = generation + 1;
	pgfirst_ordered_forget();
}

uint64
pgfirst_writeset_generation(void)
{
	return set.generation;
}

bool
pgfirst_writeset_is_empty(void)
{
	return set.count == 0;
}

Size
pgfirst_writeset_bytes(void)
{
	return set.bytes;
}

/* The entries stay, without a change. */
static void
changes_drop(PgfirstStore *store)
{
	for (uint32 i = 0; i < set.places; i++)
	{
		StoreEntry *entry = set.table[i];

		if (entry == NULL || entry->store != store || entry->change == STORE_UNCHANGED)
			continue;
		body_free(entry->body);
		entry->body = NULL;
		entry->change = STORE_UNCHANGED;
		set.changes--;
	}
}

void
pgfirst_writeset_applied(PgfirstStore *store)
{
	bool others = false;

	for (uint32 i = 0; i < set.places && store != NULL && !others; i++)
		others = set.table[i] != NULL && set.table[i]->store != store;
	if (!others)
	{
		if (set.context != NULL)
			MemoryContextDelete(set.context);
		pgfirst_writeset_forget();
		return;
	}

	/* Entries of other stores stay, and with them the table. */
	changes_drop(store);
	set.generation++;
}

/* Who watches one of these records is told, although nobody else has seen it changed. */
void
pgfirst_store_drop_changes(PgfirstStore *store)
{
	bool all = change_owner() == TopSubTransactionId;

	for (uint32 i = 0; i < set.places; i++)
	{
		StoreEntry *entry = set.table[i];

		if (entry == NULL || entry->store != store || entry->change == STORE_UNCHANGED)
			continue;
		pgfirst_position_touch(store, &entry->id, entry->kind);
		if (!all)
			entry_change(entry, STORE_UNCHANGED, 0, 0, NULL);
	}
	if (all)
		changes_drop(store);
}

void
pgfirst_writeset_sub_commit(SubTransactionId child, SubTransactionId parent)
{
	uint32 first = set.undo_count;
	uint32 kept;

	while (first > 0 && set.undo[first - 1].owner == child)
		first--;

	kept = first;
	for (uint32 i = first; i < set.undo_count; i++)
	{
		StoreUndo *undo = &set.undo[i];

		undo->entry->saved_in = parent;
		if (parent == TopSubTransactionId || undo->saved_in_before == parent)
		{
			body_free(undo->body);
			set.bytes -= sizeof(StoreUndo);
			continue;
		}
		undo->owner = parent;
		set.undo[kept++] = *undo;
	}
	set.undo_count = kept;
}

void
pgfirst_writeset_sub_abort(SubTransactionId child)
{
	while (set.undo_count > 0 && set.undo[set.undo_count - 1].owner == child)
	{
		StoreUndo *undo = &set.undo[--set.undo_count];
		StoreEntry *entry = undo->entry;

		body_free(entry->body);
		set.changes += (undo->change != STORE_UNCHANGED) - (entry->change != STORE_UNCHANGED);
		entry->body = undo->body;
		entry->expiry = undo->expiry;
		entry->kind = undo->kind;
		entry->change = undo->change;
		entry->saved_in = undo->saved_in_before;
		set.bytes -= sizeof(StoreUndo);
	}
}

/* ---- marks ------------------------------------------------------------------------------------ */

void
pgfirst_store_mark(void)
{
	if (!set.apart || GetCurrentSubTransactionId() != TopSubTransactionId)
		elog(ERROR, "a mark is for a loop's transaction, which has no savepoints");
	set.marks++;
}

void
pgfirst_store_mark_keep(void)
{
	pgfirst_writeset_sub_commit(change_owner(), change_owner() - 1);
	set.marks--;
}

void
pgfirst_store_mark_undo(void)
{
	pgfirst_writeset_sub_abort(change_owner());
	set.marks--;
}

void
pgfirst_writeset_init(void)
{
	DefineCustomIntVariable(
	    "pgfirst.write_set_limit", "Sets the memory that the changes of one transaction may take.",
	    "A transaction keeps its changes of keys in memory until it commits.", &write_set_limit,
	    640 * 1024, 1024, 16 * 1024 * 1024, PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
}
