/* SPDX-License-Identifier: PostgreSQL
 *
 * list.c: what lists are; see list.h.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kv/id.h"
#include "kv/type/list.h"
#include "kv/type/packed.h"

#define SEARCH_FEW   32                  /* elements that are gone through */
#define SPREAD_FIRST 16                  /* elements that move apart, if that makes enough room */
#define SPREAD_ROOM  (KV_LIST_STEP >> 8) /* between two of them afterwards */

#define ENOUGH_PART 64 /* of an uneven list: so many of its end are found in one go */

static const RespSlice nothing = {"", 0};

/* ---- the key's record ------------------------------------------------------------------------ */

void
kv_list_new(KvSpace *space, RespSlice key, KvList *list)
{
	list->space = space;
	list->key = key;
	list->layout = KV_LAYOUT_INLINE;
	list->expiry = 0;
	list->changed = true;
	list->at = (KvListRoot){.even = 1};
}

static void
list_count_inline(KvList *list)
{
	KvPacked packed;

	for (Size at = 0; kv_packed_next(list->packed, list->at.root.bytes, at, &packed);
	     at = packed.end)
		list->at.root.count++;
}

bool
kv_list_open(KvSpace *space, RespSlice key, int64 now_ms, KvList *list)
{
	KvEntry entry;

	kv_list_new(space, key, list);
	list->changed = false;
	if (!kv_key_read_part(space, key, now_ms, KV_INLINE_MAX, &entry))
		return true;
	if (entry.type != KV_TYPE_LIST)
		return false;
	list->layout = entry.layout;
	list->expiry = entry.expiry;
	if (entry.layout == KV_LAYOUT_PAGED)
	{
		if (entry.value_length != sizeof(list->at))
			kv_collection_damaged();
		memcpy(&list->at, entry.value.data, sizeof(list->at));
		return true;
	}
	if (entry.value_length > KV_INLINE_MAX)
		kv_collection_damaged();
	list->at.root.bytes = entry.value_length;
	memcpy(list->packed, entry.value.data, entry.value_length);
	list_count_inline(list);
	return true;
}

static RespSlice
list_value(const KvList *list)
{
	if (list->layout == KV_LAYOUT_INLINE)
		return (RespSlice){list->packed, list->at.root.bytes};
	return (RespSlice){(const char *) &list->at, sizeof(list->at)};
}

void
kv_list_record(const KvList *list, int64 expiry, PgfirstRecord *record)
{
	kv_key_record_of(list->space, list->key, KV_TYPE_LIST, list->layout, list_value(list), expiry,
	                 record);
}

void
kv_list_close(KvList *list)
{
	if (!list->changed)
		return;
	list->changed = false;
	if (list->at.root.count == 0)
	{
		kv_key_delete(list->space, list->key);
		if (list->layout == KV_LAYOUT_PAGED)
			kv_anchor_delete(list->space, list->at.root.incarnation);
		return;
	}
	list->at.root.revision++;
	kv_key_put_collection(list->space, list->key, KV_TYPE_LIST, list->layout, list_value(list),
	                      list->expiry);
}

/* ---- inline elements ------------------------------------------------------------------------- */

/* Replaces what is inline from `begin` to `end` by an element, or by nothing; false if that does not fit. */
static bool
inline_replace(KvList *list, Size begin, Size end, const RespSlice *value)
{
	Size more = value ? kv_packed_size(*value, nothing) : 0;
	Size length = list->at.root.bytes;

	if (length - (end - begin) + more > KV_INLINE_MAX)
		return false;
	memmove(list->packed + begin + more, list->packed + end, length - end);
	if (value)
		(void) kv_packed_write(list->packed + begin, *value, nothing);
	list->at.root.bytes = length - (end - begin) + more;
	return true;
}

/* The element that begins there. */
static KvPacked
inline_at(const KvList *list, Size at)
{
	KvPacked packed;

	if (!kv_packed_next(list->packed, list->at.root.bytes, at, &packed))
		kv_collection_damaged();
	return packed;
}

static KvPacked
inline_end(const KvList *list, KvEnd end)
{
	KvPacked packed = inline_at(list, 0);

	while (end == KV_TAIL && packed.end < list->at.root.bytes)
		packed = inline_at(list, packed.end);
	return packed;
}

/* ---- paged elements -------------------------------------------------------------------------- */

static void
element_put(const KvList *list, uint64 position, RespSlice value)
{
	PgfirstRecord record = {.kind = KV_KIND_ELEMENT, .data = value.data, .length = value.length};

	kv_id_of_part(list->at.root.incarnation, position, &record.id);
	pgfirst_store_put(list->space->store, &record);
}

static RespSlice
element_get(const KvList *list, uint64 position)
{
	PgfirstRecord record;
	PgfirstId id;

	kv_id_of_part(list->at.root.incarnation, position, &id);
	/* Where nobody has locked the key it may be gone; then what is read is read again. */
	if (!pgfirst_store_get(list->space->store, &id, SIZE_MAX, &record))
		return nothing;
	if (record.kind != KV_KIND_ELEMENT)
		kv_collection_damaged();
	return (RespSlice){record.data, record.length};
}

static void
element_delete(const KvList *list, uint64 position)
{
	PgfirstId id;

	kv_id_of_part(list->at.root.incarnation, position, &id);
	(void) pgfirst_store_delete(list->space->store, &id);
}

/* What an element counts for in `bytes`. */
static uint64
element_bytes(RespSlice value)
{
	return kv_packed_size(value, nothing);
}

/* A paged list without elements, to which the next push brings one. */
static void
list_begin_anew(KvList *list)
{
	list->at.even = 1;
	list->at.first = KV_LIST_MIDDLE;
	list->at.last = KV_LIST_MIDDLE - KV_LIST_STEP;
}

/* Everything that is inline gets records of its own. */
static void
list_page(KvList *list)
{
	uint64 position = KV_LIST_MIDDLE;
	KvPacked packed;

	list->layout = KV_LAYOUT_PAGED;
	list->at.root.incarnation = pgfirst_store_incarnation(list->space->store);
	list_begin_anew(list);
	kv_anchor_put(list->space, list->key, list->at.root.incarnation);
	for (Size at = 0; kv_packed_next(list->packed, list->at.root.bytes, at, &packed);
	     at = packed.end)
	{
		element_put(list, position, packed.member);
		list->at.last = position;
		position += KV_LIST_STEP;
	}
}

/* ---- neighbours of uneven elements ----------------------------------------------------------- */

/*
 * The last of at most `most` elements from `from` to `end`, which is not included, and how many there were; false if
 * there was none.
 */
static bool
last_between(KvList *list, uint64 from, uint64 end, int most, uint64 *position, int *count)
{
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst list search", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	PgfirstRecord record;
	PgfirstWalk *walk;
	PgfirstId id;

	kv_id_of_part(list->at.root.incarnation, from, &id);
	walk = pgfirst_store_walk_parts(list->space->store, &id, 0);
	for (*count = 0; *count < most && pgfirst_walk_next(walk, &record); (*count)++)
	{
		if (kv_id_incarnation(&record.id) != list->at.root.incarnation ||
		    kv_id_number(&record.id) >= end)
			break;
		*position = kv_id_number(&record.id);
		MemoryContextReset(context);
	}
	pgfirst_walk_end(walk);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return *count > 0;
}

/*
 * The position in front of one that is not the first.  The way there leads forwards only: steps back, each twice as
 * long as the one before, until there is something in between, and then halves of the last one until that is
 * little.
 */
static uint64
position_before(KvList *list, uint64 position)
{
	uint64 distance = KV_LIST_STEP;
	uint64 high = position; /* nothing is from here on */
	uint64 low = position - Min(distance, position - list->at.first);
	uint64 found;
	int count;

	while (!last_between(list, low, position, 1, &found, &count))
	{
		if (low == list->at.first)
			kv_collection_damaged();
		high = low;
		distance *= 2;
		low = position - Min(distance, position - list->at.first);
	}
	while (last_between(list, low, position, SEARCH_FEW, &found, &count) && count == SEARCH_FEW)
	{
		uint64 middle = low + (high - low) / 2;

		if (last_between(list, middle, position, 1, &found, &count))
			low = middle;
		else
			high = middle;
	}
	return found;
}

/* The position behind one that is not the last. */
static uint64
position_behind(KvList *list, uint64 position)
{
	uint64 found;
	int count;

	if (!last_between(list, position + 1, PG_UINT64_MAX, 1, &found, &count))
		kv_collection_damaged();
	return found;
}

/* ---- ends ------------------------------------------------------------------------------------ */

void
kv_list_push(KvList *list, KvEnd end, RespSlice value)
{
	Size place = end == KV_HEAD ? 0 : list->at.root.bytes;

	list->changed = true;
	list->at.root.count++;
	if (list->layout == KV_LAYOUT_INLINE)
	{
		if (inline_replace(list, place, place, &value))
			return;
		list_page(list);
	}
	list->at.root.bytes += element_bytes(value);
	if (end == KV_HEAD)
		list->at.first -= KV_LIST_STEP;
	else
		list->at.last += KV_LIST_STEP;
	element_put(list, end == KV_HEAD ? list->at.first : list->at.last, value);
}

RespSlice
kv_list_peek(KvList *list, KvEnd end)
{
	if (list->layout == KV_LAYOUT_INLINE)
		return inline_end(list, end).member;
	return element_get(list, end == KV_HEAD ? list->at.first : list->at.last);
}

void
kv_list_drop(KvList *list, KvEnd end)
{
	uint64 position = end == KV_HEAD ? list->at.first : list->at.last;
	KvPacked packed;

	if (list->layout == KV_LAYOUT_PAGED)
	{
		kv_list_remove(list, position);
		return;
	}
	packed = inline_end(list, end);
	kv_list_remove(list, packed.begin);
}

/* ---- anywhere -------------------------------------------------------------------------------- */

void
kv_list_replace(KvList *list, uint64 position, RespSlice value)
{
	KvPacked packed;

	list->changed = true;
	if (list->layout == KV_LAYOUT_INLINE)
	{
		uint64 index = 0;

		packed = inline_at(list, position);
		if (inline_replace(list, packed.begin, packed.end, &value))
			return;
		for (Size at = 0; at < position; at = packed.end)
		{
			packed = inline_at(list, at);
			index++;
		}
		list_page(list);
		position = list->at.first + index * KV_LIST_STEP;
	}
	list->at.root.bytes += element_bytes(value) - element_bytes(element_get(list, position));
	element_put(list, position, value);
}

/* The first or last element of a paged list has gone, and there are others. */
static void
list_find_end(KvList *list, KvEnd end)
{
	if (list->at.even && end == KV_HEAD)
		list->at.first += KV_LIST_STEP;
	else if (list->at.even)
		list->at.last -= KV_LIST_STEP;
	else if (end == KV_HEAD)
		list->at.first = position_behind(list, list->at.first);
	else
		list->at.last = position_before(list, list->at.last);
}

void
kv_list_remove(KvList *list, uint64 position)
{
	list->changed = true;
	list->at.root.count--;
	if (list->layout == KV_LAYOUT_INLINE)
	{
		KvPacked packed = inline_at(list, position);

		(void) inline_replace(list, packed.begin, packed.end, NULL);
		return;
	}
	list->at.root.bytes -= element_bytes(element_get(list, position));
	element_delete(list, position);
	if (list->at.root.count == 0)
		list_begin_anew(list);
	else if (position == list->at.first)
		list_find_end(list, KV_HEAD);
	else if (position == list->at.last)
		list_find_end(list, KV_TAIL);
	else
		list->at.even = 0;
}

/* ---- many at an end -------------------------------------------------------------------------- */

/* The positions of the last `count` elements of a paged list. */
static void
positions_last(KvList *list, uint64 count, uint64 *positions)
{
	uint64 skip = list->at.even ? 0 : list->at.root.count - count;
	uint64 from = list->at.even ? list->at.last - (count - 1) * KV_LIST_STEP : list->at.first;
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst list search", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	PgfirstRecord record;
	PgfirstWalk *walk;
	PgfirstId id;

	kv_id_of_part(list->at.root.incarnation, from, &id);
	walk = pgfirst_store_walk_parts(list->space->store, &id, 0);
	for (uint64 i = 0; i < skip + count; i++)
	{
		if (!pgfirst_walk_next(walk, &record) ||
		    kv_id_incarnation(&record.id) != list->at.root.incarnation)
			kv_collection_damaged();
		if (i >= skip)
			positions[i - skip] = kv_id_number(&record.id);
		MemoryContextReset(context);
	}
	pgfirst_walk_end(walk);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Elements of a paged list that are dropped. */
typedef struct Drop
{
	KvList *list;
	bool whole; /* all of it, and too many to be deleted */
	KvListEach each;
	void *context;
} Drop;

static void
drop_one(Drop *drop, uint64 position, RespSlice value)
{
	if (drop->each)
		drop->each(drop->context, value);
	if (drop->whole)
		return;
	drop->list->at.root.count--;
	drop->list->at.root.bytes -= element_bytes(value);
	element_delete(drop->list, position);
}

static void
drop_first(Drop *drop, uint64 count)
{
	KvList *list = drop->list;
	bool all = count == list->at.root.count;
	RespSlice value;
	KvListWalk walk;
	bool there;

	kv_list_walk_at(list, list->at.first, &walk);
	for (; (there = kv_list_next(&walk, &value)) && count > 0; count--)
	{
		MemoryContext old = MemoryContextSwitchTo(walk.context);

		drop_one(drop, walk.position, value);
		MemoryContextSwitchTo(old);
	}
	if (count > 0 || there == all)
		kv_collection_damaged();
	if (there)
		list->at.first = walk.position;
	kv_list_walk_end(&walk);
}

static void
drop_last(Drop *drop, uint64 count)
{
	KvList *list = drop->list;
	uint64 stays = count < list->at.root.count; /* one of those that stay is looked at */
	uint64 *positions =
	    MemoryContextAllocHuge(CurrentMemoryContext, (count + stays) * sizeof(uint64));
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst list end", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;

	positions_last(list, count + stays, positions);
	old = MemoryContextSwitchTo(context);
	for (uint64 i = count + stays; i > stays; i--)
	{
		drop_one(drop, positions[i - 1], element_get(list, positions[i - 1]));
		MemoryContextReset(context);
	}
	if (stays)
		list->at.last = positions[0];
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	pfree(positions);
}

/* One after the other. */
static void
drop_each(Drop *drop, KvEnd end, uint64 count)
{
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst list end", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	for (; count > 0; count--)
	{
		if (drop->each)
			drop->each(drop->context, kv_list_peek(drop->list, end));
		kv_list_drop(drop->list, end);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
kv_list_drop_many(KvList *list, KvEnd end, uint64 count, KvListEach each, void *context)
{
	Drop drop = {.list = list, .each = each, .context = context};

	drop.whole = kv_removal_is_whole(count, list->at.root.count);
	if (count <= 1 || list->layout == KV_LAYOUT_INLINE ||
	    (end == KV_TAIL && !list->at.even && count < list->at.root.count / ENOUGH_PART))
	{
		drop_each(&drop, end, count);
		return;
	}
	list->changed = true;
	if (end == KV_HEAD)
		drop_first(&drop, count);
	else
		drop_last(&drop, count);
	if (drop.whole)
	{
		/* Its parts and its anchor stay behind. */
		list->layout = KV_LAYOUT_INLINE;
		list->at = (KvListRoot){.even = 1};
	}
	else if (list->at.root.count == 0)
		list_begin_anew(list);
}

/* ---- in between ------------------------------------------------------------------------------ */

/* Which elements move apart, and how. */
typedef struct Spread
{
	uint64 *positions; /* of those that move, in their order */
	int count;
	Size bytes;    /* of them */
	uint64 before; /* the position in front of them */
	uint64 room;   /* between two of them afterwards */
} Spread;

/* At most `most` elements from a position on. */
static void
spread_read(KvList *list, uint64 position, int most, Spread *spread)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext context =
	    AllocSetContextCreate(old, "pgfirst list spread", ALLOCSET_DEFAULT_SIZES);
	PgfirstWalk *walk;
	PgfirstRecord record;
	PgfirstId id;

	spread->positions = MemoryContextAllocHuge(old, (Size) most * sizeof(uint64));
	spread->count = 0;
	spread->bytes = 0;
	kv_id_of_part(list->at.root.incarnation, position, &id);
	MemoryContextSwitchTo(context);
	walk = pgfirst_store_walk_parts(list->space->store, &id, 0);
	while (spread->count < most && pgfirst_walk_next(walk, &record) &&
	       kv_id_incarnation(&record.id) == list->at.root.incarnation)
	{
		spread->positions[spread->count++] = kv_id_number(&record.id);
		spread->bytes += record.length;
	}
	pgfirst_walk_end(walk);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * To make room before the element at `position`, whose neighbour in front is at `before`: the elements from it on move
 * apart, as few as there must be to leave each SPREAD_ROOM.
 */
static Spread
list_spread_plan(KvList *list, uint64 before, uint64 position)
{
	Spread spread = {.before = before};

	for (int most = SPREAD_FIRST;; most *= 2)
	{
		uint64 end;

		spread_read(list, position, most, &spread);
		if (spread.count == 0)
			kv_collection_damaged();
		end = spread.positions[spread.count - 1];
		if (spread.count < most)
			end += (uint64) spread.count * KV_LIST_STEP;
		spread.room = (end - before) / ((uint64) spread.count + 1);
		if (spread.room >= SPREAD_ROOM)
			return spread;
		pfree(spread.positions);
	}
}

/* Moves them; returns the position that is free. */
static uint64
list_spread(KvList *list, const Spread *spread)
{
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst list spread", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	RespSlice *values = MemoryContextAllocHuge(context, (Size) spread->count * sizeof(RespSlice));

	/* All go before the first one comes, so that none takes the place of one that has not moved. */
	for (int i = 0; i < spread->count; i++)
	{
		RespSlice value = element_get(list, spread->positions[i]);
		char *copy = MemoryContextAllocHuge(context, Max(value.length, 1));

		memcpy(copy, value.data, value.length);
		values[i] = (RespSlice){copy, value.length};
		element_delete(list, spread->positions[i]);
	}
	for (int i = 0; i < spread->count; i++)
		element_put(list, spread->before + spread->room * ((uint64) i + 2), values[i]);
	if (spread->positions[spread->count - 1] == list->at.last)
		list->at.last = spread->before + spread->room * ((uint64) spread->count + 1);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return spread->before + spread->room;
}

/* The neighbours between which an element goes beside one that has one on that side; false if it has none. */
static bool
insert_between(KvList *list, uint64 position, bool before, uint64 *low, uint64 *high)
{
	if (position == (before ? list->at.first : list->at.last))
		return false;
	*low = before ? position_before(list, position) : position;
	*high = before ? position : position_behind(list, position);
	return true;
}

Size
kv_list_insert_size(KvList *list, uint64 position, bool before)
{
	uint64 low, high;
	Spread spread;

	if (list->layout == KV_LAYOUT_INLINE || !insert_between(list, position, before, &low, &high) ||
	    high - low >= 2)
		return 0;
	spread = list_spread_plan(list, low, high);
	pfree(spread.positions);
	return 2 * spread.bytes + (Size) spread.count * 512;
}

static void
paged_insert(KvList *list, uint64 position, bool before, RespSlice value)
{
	uint64 low, high;

	if (!insert_between(list, position, before, &low, &high))
	{
		kv_list_push(list, before ? KV_HEAD : KV_TAIL, value);
		return;
	}
	list->at.even = 0;
	list->at.root.count++;
	list->at.root.bytes += element_bytes(value);
	if (high - low < 2)
	{
		Spread spread = list_spread_plan(list, low, high);

		element_put(list, list_spread(list, &spread), value);
		pfree(spread.positions);
		return;
	}
	element_put(list, low + (high - low) / 2, value);
}

void
kv_list_insert(KvList *list, uint64 position, bool before, RespSlice value)
{
	list->changed = true;
	if (list->layout == KV_LAYOUT_INLINE)
	{
		KvPacked packed = inline_at(list, position);
		Size place = before ? packed.begin : packed.end;
		uint64 index = 0;

		if (inline_replace(list, place, place, &value))
		{
			list->at.root.count++;
			return;
		}
		for (Size at = 0; at < position; at = packed.end)
		{
			packed = inline_at(list, at);
			index++;
		}
		list_page(list);
		position = list->at.first + index * KV_LIST_STEP;
	}
	paged_insert(list, position, before, value);
}

/* ---- walks ----------------------------------------------------------------------------------- */

void
kv_list_walk(KvList *list, uint64 index, KvListWalk *walk)
{
	if (list->layout == KV_LAYOUT_INLINE)
		*walk = (KvListWalk){.list = list, .skip = index};
	else if (list->at.even)
		kv_list_walk_at(list, list->at.first + index * KV_LIST_STEP, walk);
	else
	{
		kv_list_walk_at(list, list->at.first, walk);
		walk->skip = index;
	}
}

void
kv_list_walk_at(KvList *list, uint64 position, KvListWalk *walk)
{
	PgfirstId id;

	*walk = (KvListWalk){.list = list};
	kv_id_of_part(list->at.root.incarnation, position, &id);
	walk->context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst list", ALLOCSET_DEFAULT_SIZES);
	walk->walk = pgfirst_store_walk_parts(list->space->store, &id, SIZE_MAX);
}

static bool
walk_inline(KvListWalk *walk, RespSlice *value)
{
	KvPacked packed;

	if (!kv_packed_next(walk->list->packed, walk->list->at.root.bytes, walk->next, &packed))
		return false;
	walk->position = packed.begin;
	walk->next = packed.end;
	*value = packed.member;
	return true;
}

static bool
walk_paged(KvListWalk *walk, RespSlice *value)
{
	PgfirstRecord record;
	MemoryContext old;
	bool there;

	MemoryContextReset(walk->context);
	old = MemoryContextSwitchTo(walk->context);
	there = pgfirst_walk_next(walk->walk, &record) &&
	        kv_id_incarnation(&record.id) == walk->list->at.root.incarnation;
	MemoryContextSwitchTo(old);
	if (!there)
		return false;
	if (record.kind != KV_KIND_ELEMENT)
		kv_collection_damaged();
	walk->position = kv_id_number(&record.id);
	*value = (RespSlice){record.data, record.length};
	return true;
}

bool
kv_list_next(KvListWalk *walk, RespSlice *value)
{
	do
	{
		if (!(walk->walk ? walk_paged(walk, value) : walk_inline(walk, value)))
			return false;
	} while (walk->skip > 0 && walk->skip-- > 0);
	return true;
}

void
kv_list_walk_end(KvListWalk *walk)
{
	if (!walk->walk)
		return;
	pgfirst_walk_end(walk->walk);
	MemoryContextDelete(walk->context);
}

/* ---- under another key ----------------------------------------------------------------------- */

void
kv_list_move(KvList *from, RespSlice key)
{
	kv_key_delete(from->space, from->key);
	from->key = key;
	from->changed = true;
	if (from->layout == KV_LAYOUT_PAGED)
		kv_anchor_put(from->space, key, from->at.root.incarnation);
	kv_list_close(from);
}

Size
kv_list_copy_size(const KvList *from)
{
	return 2 * from->at.root.bytes + from->at.root.count * 256;
}

void
kv_list_copy(KvList *from, KvSpace *space, RespSlice key)
{
	RespSlice value;
	KvListWalk walk;
	KvList to;

	kv_list_new(space, key, &to);
	to.expiry = from->expiry;
	kv_list_walk(from, 0, &walk);
	while (kv_list_next(&walk, &value))
		kv_list_push(&to, KV_TAIL, value);
	kv_list_walk_end(&walk);
	kv_list_close(&to);
}
