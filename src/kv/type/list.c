/* SPDX-License-Identifier: PostgreSQL
 *
 * list.c: what lists are; see list.h.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kv/id.h"
#include "kv/type/list.h"
#include "kv/type/list_node.h"
#include "kv/type/packed.h"

#define ORIGIN                                                                                     \
	(UINT64CONST(1) << 47) /* where the indexes of a list begin, and by KV_LIST_STEP its numbers */

#define DROP_FEW 32   /* elements at an end that are dropped one by one */
#define END_PART 8    /* of an uneven list: so many of its end are counted from there, */
#define END_MOST 1024 /* and no more than these */

static const RespSlice nothing = {"", 0};

/* ---- the key's record ------------------------------------------------------------------------ */

/* Of a list without elements, to which the next push brings one. */
static void
list_begin_anew(KvList *list)
{
	list->at.index = ORIGIN;
	list->at.even = 1;
}

void
kv_list_new(KvSpace *space, RespSlice key, KvList *list)
{
	list->space = space;
	list->key = key;
	list->layout = KV_LAYOUT_INLINE;
	list->expiry = 0;
	list->changed = true;
	list->at = (KvListRoot){0};
	list->node = (KvListNode){0};
}

static void
list_count_inline(KvList *list)
{
	KvPacked packed;

	for (Size at = 0; kv_packed_next(list->packed, list->node.bytes, at, &packed); at = packed.end)
		list->at.root.count++;
}

bool
kv_list_open(KvSpace *space, RespSlice key, int64 now_ms, KvList *list)
{
	KvEntry entry;

	kv_list_new(space, key, list);
	list->changed = false;
	if (!kv_key_read_collection(space, key, now_ms, KV_INLINE_MAX, &entry))
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
		/* In the anchor's place there is no node; and none is open whose number is 0. */
		if (list->at.first == 0 || list->at.first > list->at.last)
			kv_collection_damaged();
		return true;
	}
	if (entry.value_length > KV_INLINE_MAX)
		kv_collection_damaged();
	list->at.root.bytes = list->node.bytes = entry.value_length;
	memcpy(list->packed, entry.value.data, entry.value_length);
	list_count_inline(list);
	return true;
}

static RespSlice
list_value(const KvList *list)
{
	if (list->layout == KV_LAYOUT_INLINE)
		return (RespSlice){list->packed, list->node.bytes};
	return (RespSlice){(const char *) &list->at, sizeof(list->at)};
}

void
kv_list_record(KvList *list, int64 expiry, PgfirstRecord *record)
{
	kv_list_node_flush(list);
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
	kv_list_node_flush(list);
	list->at.root.revision++;
	kv_key_put_collection(list->space, list->key, KV_TYPE_LIST, list->layout, list_value(list),
	                      list->expiry);
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* What an element counts for in `bytes`. */
static uint64
element_bytes(RespSlice value)
{
	return kv_packed_size(value, nothing);
}

/* Everything that is inline goes to nodes. */
static void
list_page(KvList *list)
{
	char run[KV_INLINE_MAX];
	Size length = list->node.bytes;
	KvPacked packed;

	memcpy(run, list->packed, length);
	list->layout = KV_LAYOUT_PAGED;
	list->at = (KvListRoot){.root.incarnation = pgfirst_store_incarnation(list->space->store),
	                        .root.revision = list->at.root.revision};
	list->node = (KvListNode){0};
	list_begin_anew(list);
	kv_anchor_put(list->space, list->key, list->at.root.incarnation);
	for (Size at = 0; kv_packed_next(run, length, at, &packed); at = packed.end)
		kv_list_push(list, KV_TAIL, packed.member);
}

static uint64
end_number(const KvList *list, KvEnd end)
{
	return list->layout == KV_LAYOUT_INLINE ? 0 : end == KV_HEAD ? list->at.first : list->at.last;
}

/* Whether the element has room in the open node, and is there now. */
static bool
end_add(KvList *list, KvEnd end, RespSlice value)
{
	Size place = end == KV_HEAD ? 0 : list->node.bytes;

	if (!kv_list_node_replace(list, place, place, &value))
		return false;
	list->node.count++;
	if (end == KV_HEAD)
		list->node.index--;
	return true;
}

/* A new node for it. */
static void
end_make(KvList *list, KvEnd end, RespSlice value)
{
	uint64 index = end == KV_HEAD ? list->at.index - 1 : list->at.index + list->at.root.count;
	uint64 number = index * KV_LIST_STEP;

	if (list->at.root.count == 0)
		list->at.first = list->at.last = number;
	else if (end == KV_HEAD)
		number = list->at.first = kv_list_node_number_before(list->at.first, index);
	else
		number = list->at.last = kv_list_node_number_behind(list->at.last, index);
	kv_list_node_make(list, number, index, &value, 1);
}

static void
paged_push(KvList *list, KvEnd end, RespSlice value)
{
	if (list->at.root.count > 0)
		kv_list_node_need(list, end_number(list, end));
	if (list->at.root.count == 0 || !end_add(list, end, value))
		end_make(list, end, value);
	if (end == KV_HEAD)
		list->at.index--;
}

void
kv_list_push(KvList *list, KvEnd end, RespSlice value)
{
	list->changed = true;
	if (list->layout == KV_LAYOUT_INLINE && !end_add(list, end, value))
		list_page(list);
	if (list->layout == KV_LAYOUT_PAGED)
		paged_push(list, end, value);
	list->at.root.count++;
	list->at.root.bytes += element_bytes(value);
}

/* The element of the open node, which has only this one. */
static RespSlice
large_read(const KvList *list)
{
	KvListNodeHead head;
	PgfirstRecord record;
	KvPacked packed;
	RespSlice run;

	if (!kv_list_node_get(list, list->node.number, SIZE_MAX, &record))
		return nothing;
	run = kv_list_node_read(&record, &head);
	(void) kv_packed_next(run.data, run.length, 0, &packed);
	return packed.member;
}

RespSlice
kv_list_peek(KvList *list, KvEnd end)
{
	/* Where nobody has locked the key it may be gone; then what is read is read again. */
	if (!kv_list_node_open(list, end_number(list, end)))
		return nothing;
	if (list->node.large)
		return large_read(list);
	return kv_list_node_end(list, end).member;
}

/*
 * The open node has no elements any more.  Its neighbour is looked for while it is still there: else the search would go
 * over all that has been dropped behind it and not been cleared away.
 */
static void
node_gone(KvList *list)
{
	uint64 number = list->node.number;
	bool there = true;

	list->node = (KvListNode){0};
	if (list->at.root.count == 0)
		list_begin_anew(list);
	else if (number == list->at.first)
		there = kv_list_node_inwards(list, number, KV_HEAD, &list->at.first);
	else if (number == list->at.last)
		there = kv_list_node_inwards(list, number, KV_TAIL, &list->at.last);
	if (!there)
		kv_collection_damaged();
	kv_list_node_delete(list, number);
}

/* Takes an element of the open node away. */
static void
element_remove(KvList *list, KvPacked packed)
{
	bool first = list->node.number == list->at.first;
	bool last = list->node.number == list->at.last;

	list->changed = true;
	list->at.root.count--;
	list->at.root.bytes -= packed.end - packed.begin;
	(void) kv_list_node_replace(list, packed.begin, packed.end, NULL);
	if (list->layout == KV_LAYOUT_INLINE)
		return;
	list->node.count--;
	if (first && (!last || packed.begin == 0))
	{
		list->at.index++;
		list->node.index++;
	}
	else if (!last)
		list->at.even = 0;
	if (list->node.count == 0)
		node_gone(list);
}

void
kv_list_drop(KvList *list, KvEnd end)
{
	kv_list_node_need(list, end_number(list, end));
	element_remove(list, kv_list_node_end(list, end));
}

/* ---- walks ----------------------------------------------------------------------------------- */

/* Goes to the next node. */
static bool
walk_node(KvListWalk *walk)
{
	KvListNodeHead head;
	PgfirstRecord record;
	MemoryContext old;
	bool there;

	MemoryContextReset(walk->context);
	old = MemoryContextSwitchTo(walk->context);
	there = pgfirst_walk_next(walk->walk, &record) &&
	        kv_id_incarnation(&record.id) == walk->list->at.root.incarnation;
	MemoryContextSwitchTo(old);
	walk->run = nothing;
	walk->next = 0;
	if (!there)
		return false;
	walk->run = kv_list_node_read(&record, &head);
	walk->position = (KvListPosition){kv_id_number(&record.id), 0};
	walk->count = head.count;
	walk->index = head.index;
	return true;
}

/* Passes over what is to be passed over there; false if that is more than there is. */
static bool
walk_into(KvListWalk *walk)
{
	KvPacked packed;

	walk->next = 0;
	walk->passed = Min(walk->skip, walk->count);
	walk->position.index = walk->skip;
	walk->skip -= walk->passed;
	if (walk->passed == walk->count)
	{
		walk->next = walk->run.length;
		return false;
	}
	for (uint64 i = 0; i < walk->passed; i++)
	{
		(void) kv_packed_next(walk->run.data, walk->run.length, walk->next, &packed);
		walk->next = packed.end;
	}
	return true;
}

void
kv_list_walk_at(KvList *list, KvListPosition position, KvListWalk *walk)
{
	PgfirstId id;

	kv_list_node_flush(list);
	*walk =
	    (KvListWalk){.list = list, .position = position, .skip = position.index, .run = nothing};
	kv_id_of_part(list->at.root.incarnation, position.node, &id);
	walk->context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst list", ALLOCSET_DEFAULT_SIZES);
	walk->walk = pgfirst_store_walk_parts(list->space->store, &id, SIZE_MAX);
}

/*
 * Numbers are not exactly what the indexes say: so it begins so far in front as a node may reach, and farther where that
 * was not enough.
 */
static void
walk_even(KvList *list, uint64 index, KvListWalk *walk)
{
	uint64 target = list->at.index + index;
	uint64 distance = kv_list_node_reach(list);

	for (;; distance *= 8)
	{
		uint64 from = Min((target - Min(distance, target)) * KV_LIST_STEP, list->at.last);

		if (from <= list->at.first)
			break;
		kv_list_walk_at(list, (KvListPosition){from, 0}, walk);
		if (walk_node(walk) && walk->index <= target)
		{
			walk->skip = target - walk->index;
			(void) walk_into(walk);
			return;
		}
		kv_list_walk_end(walk);
	}
	kv_list_walk_at(list, (KvListPosition){list->at.first, index}, walk);
}

/* Whether the element with an index is so close to the end that it is found from there. */
static bool
near_end(KvList *list, uint64 index, KvListPosition *position)
{
	uint64 left = list->at.root.count - index; /* elements from it on */
	uint64 number = list->at.last;
	KvListNodeHead head;
	PgfirstRecord record;

	if (left > Min(index / END_PART, END_MOST))
		return false;
	kv_list_node_flush(list);
	for (;;)
	{
		if (!kv_list_node_get(list, number, sizeof(head), &record))
			return false;
		(void) kv_list_node_read(&record, &head);
		if (left <= head.count)
			break;
		left -= head.count;
		if (number == list->at.first || !kv_list_node_before(list, number, &number))
			return false;
	}
	*position = (KvListPosition){number, head.count - left};
	return true;
}

void
kv_list_walk(KvList *list, uint64 index, KvListWalk *walk)
{
	KvListPosition position;

	if (list->layout == KV_LAYOUT_INLINE)
	{
		*walk = (KvListWalk){.list = list,
		                     .skip = index,
		                     .run = {list->packed, list->node.bytes},
		                     .count = list->at.root.count};
		(void) walk_into(walk);
		return;
	}
	if (list->at.even)
	{
		walk_even(list, index, walk);
		return;
	}
	if (!near_end(list, index, &position))
		position = (KvListPosition){list->at.first, index};
	kv_list_walk_at(list, position, walk);
}

bool
kv_list_walk_pass(KvListWalk *walk)
{
	return walk->skip > 0 && walk->walk && walk_node(walk) && !walk_into(walk);
}

bool
kv_list_next(KvListWalk *walk, RespSlice *value)
{
	KvPacked packed;

	while (walk->next >= walk->run.length)
	{
		if (!walk->walk || !walk_node(walk))
			return false;
		(void) walk_into(walk);
	}
	(void) kv_packed_next(walk->run.data, walk->run.length, walk->next, &packed);
	walk->next = packed.end;
	walk->position.index = walk->passed++;
	*value = packed.member;
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

KvListPosition
kv_list_position(KvList *list, uint64 index)
{
	KvListWalk walk;
	RespSlice value;

	kv_list_walk(list, index, &walk);
	if (!kv_list_next(&walk, &value))
		kv_collection_damaged();
	kv_list_walk_end(&walk);
	return walk.position;
}

/* ---- many at an end -------------------------------------------------------------------------- */

/* Elements that are dropped. */
typedef struct Drop
{
	KvList *list;
	bool whole; /* all of it, and too many to be deleted */
	KvListEach each;
	void *context;
} Drop;

static void
drop_show(const Drop *drop, KvEnd end, RespSlice run)
{
	RespSlice values[KV_LIST_NODE_MAX / 2];
	KvPacked packed;
	int count = 0;

	if (!drop->each)
		return;
	for (Size at = 0; kv_packed_next(run.data, run.length, at, &packed); at = packed.end)
	{
		if (count == lengthof(values))
			kv_collection_damaged();
		values[count++] = packed.member;
	}
	for (int i = 0; i < count; i++)
		drop->each(drop->context, values[end == KV_HEAD ? i : count - 1 - i]);
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

/* Whole nodes from the first one on; returns how many elements of the next one are left to be dropped. */
static uint64
drop_first(Drop *drop, uint64 count)
{
	KvList *list = drop->list;
	KvListWalk walk;
	bool there;

	kv_list_walk_at(list, (KvListPosition){list->at.first, 0}, &walk);
	while ((there = walk_node(&walk)) && walk.count <= count)
	{
		MemoryContext old = MemoryContextSwitchTo(walk.context);

		drop_show(drop, KV_HEAD, walk.run);
		count -= walk.count;
		if (!drop->whole)
		{
			list->at.index += walk.count;
			list->at.root.count -= walk.count;
			list->at.root.bytes -= walk.run.length;
			kv_list_node_delete(list, walk.position.node);
		}
		MemoryContextSwitchTo(old);
	}
	if (there)
		list->at.first = walk.position.node;
	else if (count > 0 || (!drop->whole && list->at.root.count > 0))
		kv_collection_damaged();
	kv_list_walk_end(&walk);
	return count;
}

/* The same from the last one on. */
static uint64
drop_last(Drop *drop, uint64 count)
{
	KvList *list = drop->list;
	uint64 number = list->at.last;
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst list end", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	while (count > 0)
	{
		uint64 gone = number;
		KvListNodeHead head;
		PgfirstRecord record;
		RespSlice run;

		if (!kv_list_node_get(list, gone, SIZE_MAX, &record))
			kv_collection_damaged();
		run = kv_list_node_read(&record, &head);
		if (head.count > count)
			break;
		/* While it is there, as above. */
		if (gone != list->at.first && !kv_list_node_before(list, gone, &number))
			kv_collection_damaged();
		drop_show(drop, KV_TAIL, run);
		count -= head.count;
		if (!drop->whole)
		{
			list->at.root.count -= head.count;
			list->at.root.bytes -= run.length;
			kv_list_node_delete(list, gone);
		}
		MemoryContextReset(context);
	}
	if (!drop->whole)
		list->at.last = number;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return count;
}

void
kv_list_drop_many(KvList *list, KvEnd end, uint64 count, KvListEach each, void *context)
{
	Drop drop = {.list = list, .each = each, .context = context};

	drop.whole = kv_removal_is_whole(count, list->at.root.count);
	if (count > DROP_FEW && list->layout == KV_LAYOUT_PAGED)
	{
		list->changed = true;
		kv_list_node_flush(list);
		list->node = (KvListNode){0};
		count = end == KV_HEAD ? drop_first(&drop, count) : drop_last(&drop, count);
		if (drop.whole)
		{
			/* Its parts and its anchor stay behind. */
			list->layout = KV_LAYOUT_INLINE;
			list->at = (KvListRoot){0};
		}
		else if (list->at.root.count == 0)
			list_begin_anew(list);
	}
	drop_each(&drop, end, count);
}

/* ---- anywhere -------------------------------------------------------------------------------- */

void
kv_list_replace(KvList *list, KvListPosition position, RespSlice value)
{
	KvPacked packed;

	list->changed = true;
	kv_list_node_need(list, position.node);
	packed = kv_list_node_element(list, position.index);
	if (list->layout == KV_LAYOUT_INLINE &&
	    !kv_list_node_fits(list, packed.begin, packed.end, value))
	{
		list_page(list);
		position = kv_list_position(list, position.index);
		kv_list_node_need(list, position.node);
		packed = kv_list_node_element(list, position.index);
	}
	list->at.root.bytes += element_bytes(value) - (packed.end - packed.begin);
	if (!kv_list_node_replace(list, packed.begin, packed.end, &value))
		kv_list_node_split(list, packed.begin, packed.end, value);
}

/* The elements at these positions, which are in one node. */
static void
remove_from_node(KvList *list, const KvListPosition *positions, Size count)
{
	KvPacked *elements = palloc(count * sizeof(KvPacked));

	kv_list_node_need(list, positions[0].node);
	kv_list_node_elements(list, positions, count, elements);
	/* From the last one on: those behind the one that goes move. */
	for (Size i = count; i > 0; i--)
		element_remove(list, elements[i - 1]);
	kv_list_node_merge(list);
	pfree(elements);
}

void
kv_list_remove_all(KvList *list, const KvListPosition *positions, Size count)
{
	while (count > 0)
	{
		Size first = count - 1;

		while (first > 0 && positions[first - 1].node == positions[first].node)
			first--;
		remove_from_node(list, &positions[first], count - first);
		count = first;
	}
}

Size
kv_list_remove_size(const KvListPosition *positions, Size count)
{
	Size nodes = 0;

	for (Size i = 0; i < count; i++)
		nodes += i == 0 || positions[i].node != positions[i - 1].node;
	return nodes * KV_LIST_NODE_COST;
}

/* ---- in between ------------------------------------------------------------------------------ */

/* Where an element that is inserted goes. */
typedef enum GapKind
{
	GAP_HEAD, /* is pushed */
	GAP_TAIL,
	GAP_NODE,   /* into a node, behind `index` of its elements */
	GAP_BETWEEN /* into one of its own, between two */
} GapKind;

typedef struct Gap
{
	GapKind kind;
	uint64 node;
	uint64 index;
	uint64 low, high;
} Gap;

static uint64
neighbour(KvList *list, uint64 number, bool before)
{
	uint64 beside;

	if (before ? !kv_list_node_before(list, number, &beside)
	           : !kv_list_node_behind(list, number, &beside))
		kv_collection_damaged();
	return beside;
}

/* A large element is not written anew because of what is inserted beside it. */
static Gap
gap_beside_large(KvList *list, uint64 large, bool before)
{
	uint64 beside = neighbour(list, large, before);

	kv_list_node_need(list, beside);
	if (list->node.large)
		return (Gap){
		    .kind = GAP_BETWEEN, .low = before ? beside : large, .high = before ? large : beside};
	return (Gap){.kind = GAP_NODE, .node = beside, .index = before ? list->node.count : 0};
}

static Gap
gap_find(KvList *list, KvListPosition position, bool before)
{
	uint64 index = position.index + (before ? 0 : 1);

	kv_list_node_need(list, position.node);
	if (position.node == list->at.first && index == 0)
		return (Gap){.kind = GAP_HEAD};
	if (position.node == list->at.last && index == list->node.count)
		return (Gap){.kind = GAP_TAIL};
	if (list->node.large)
		return gap_beside_large(list, position.node, before);
	return (Gap){.kind = GAP_NODE, .node = position.node, .index = index};
}

/* Opens the node; returns where in it the element goes. */
static Size
gap_open(KvList *list, const Gap *gap)
{
	kv_list_node_need(list, gap->node);
	return gap->index == 0 ? 0 : kv_list_node_element(list, gap->index - 1).end;
}

/* What it may move to split the open node. */
static Size
split_size(KvList *list, Size begin, Size end, RespSlice value)
{
	uint64 number = list->node.number;

	if (kv_list_node_fits(list, begin, end, value) || number == list->at.first ||
	    number == list->at.last)
		return 0;
	return kv_list_node_room_size(list, number, neighbour(list, number, false), KV_LIST_PIECES - 1);
}

Size
kv_list_replace_size(KvList *list, KvListPosition position, RespSlice value)
{
	KvPacked packed;

	if (list->layout == KV_LAYOUT_INLINE)
		return 0;
	kv_list_node_need(list, position.node);
	if (list->node.large)
		return 0;
	packed = kv_list_node_element(list, position.index);
	return split_size(list, packed.begin, packed.end, value);
}

Size
kv_list_insert_size(KvList *list, KvListPosition position, bool before, RespSlice value)
{
	Size place;
	Gap gap;

	if (list->layout == KV_LAYOUT_INLINE)
		return 0;
	gap = gap_find(list, position, before);
	if (gap.kind == GAP_BETWEEN)
		return kv_list_node_room_size(list, gap.low, gap.high, 1);
	if (gap.kind != GAP_NODE)
		return 0;
	place = gap_open(list, &gap);
	return split_size(list, place, place, value);
}

static void
node_insert(KvList *list, const Gap *gap, RespSlice value)
{
	Size place = gap_open(list, gap);

	if (gap->node == list->at.first && gap->node != list->at.last)
	{
		list->at.index--;
		list->node.index--;
	}
	else if (gap->node != list->at.last)
		list->at.even = 0;
	if (kv_list_node_replace(list, place, place, &value))
		list->node.count++;
	else
		kv_list_node_split(list, place, place, value);
}

static void
paged_insert(KvList *list, KvListPosition position, bool before, RespSlice value)
{
	Gap gap = gap_find(list, position, before);

	if (gap.kind == GAP_HEAD || gap.kind == GAP_TAIL)
	{
		kv_list_push(list, gap.kind == GAP_HEAD ? KV_HEAD : KV_TAIL, value);
		return;
	}
	if (gap.kind == GAP_NODE)
		node_insert(list, &gap, value);
	else
	{
		list->at.even = 0;
		kv_list_node_between(list, gap.low, gap.high, value);
	}
	list->at.root.count++;
	list->at.root.bytes += element_bytes(value);
}

void
kv_list_insert(KvList *list, KvListPosition position, bool before, RespSlice value)
{
	list->changed = true;
	if (list->layout == KV_LAYOUT_INLINE)
	{
		KvPacked packed = kv_list_node_element(list, position.index);
		Size place = before ? packed.begin : packed.end;

		if (kv_list_node_replace(list, place, place, &value))
		{
			list->at.root.count++;
			list->at.root.bytes += element_bytes(value);
			return;
		}
		list_page(list);
		position = kv_list_position(list, position.index);
	}
	paged_insert(list, position, before, value);
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
