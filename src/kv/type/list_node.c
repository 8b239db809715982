/* SPDX-License-Identifier: PostgreSQL
 *
 * list_node.c: the nodes of a paged list; see list_node.h.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kv/id.h"
#include "kv/type/list_node.h"

#define SEARCH_STEP  8  /* so many times as far back each time */
#define SEARCH_FEW   32 /* nodes that are gone through */
#define MERGE_FEW    (KV_LIST_NODE_MAX / 4)
#define SPREAD_FIRST 16                  /* nodes that move apart, if that makes enough room */
#define SPREAD_ROOM  (KV_LIST_STEP >> 8) /* between two of them afterwards */

/* Elements of a node that is split, and the one that comes. */
#define SPLIT_MAX (KV_LIST_NODE_MAX / 2 + 1)

static const RespSlice nothing = {"", 0};

/* ---- records --------------------------------------------------------------------------------- */

/* What follows the head if it is all there, and where the elements are in it; false if the head does not fit to its length. */
static bool
node_run(const PgfirstRecord *record, KvListNodeHead *head, RespSlice *run)
{
	Size length = record->length - sizeof(*head);

	if (record->length <= sizeof(*head))
		return false;
	memcpy(head, record->data, sizeof(*head));
	*run = (RespSlice){record->data + sizeof(*head) + head->begin, head->bytes};
	if (head->bytes > 0)
		return length <= KV_LIST_NODE_MAX && (Size) head->begin + head->bytes <= length;
	run->length = length;
	return head->begin == 0 && (head->count == 1 || length <= KV_LIST_NODE_MAX);
}

const char *
kv_list_node_fault(const PgfirstRecord *record)
{
	KvListNodeHead head;
	KvPacked packed;
	uint64 count = 0;
	RespSlice run;

	if (kv_id_number(&record->id) == 0)
		return "is a node in the anchor's place";
	if (!node_run(record, &head, &run))
		return "is a node whose elements do not fit to its length";
	for (Size at = 0; at < run.length; at = packed.end)
	{
		if (!kv_packed_look(run.data, run.length, at, &packed))
			return "is a node with elements that are damaged";
		count++;
	}
	if (count != head.count)
		return "is a node that has not as many elements as it says";
	return NULL;
}

RespSlice
kv_list_node_read(const PgfirstRecord *record, KvListNodeHead *head)
{
	RespSlice run;

	if (record->kind != KV_KIND_ELEMENTS || !node_run(record, head, &run) || head->count == 0)
		kv_collection_damaged();
	return run;
}

bool
kv_list_node_get(const KvList *list, uint64 number, Size limit, PgfirstRecord *record)
{
	PgfirstId id;

	kv_id_of_part(list->at.root.incarnation, number, &id);
	return pgfirst_store_get(list->space->store, &id, limit, record);
}

static void
record_put(const KvList *list, uint64 number, const char *data, Size length)
{
	PgfirstRecord record = {.kind = KV_KIND_ELEMENTS, .data = data, .length = length};

	kv_id_of_part(list->at.root.incarnation, number, &record.id);
	pgfirst_store_put(list->space->store, &record);
}

static void
record_delete(const KvList *list, uint64 number)
{
	PgfirstId id;

	kv_id_of_part(list->at.root.incarnation, number, &id);
	(void) pgfirst_store_delete(list->space->store, &id);
}

/* ---- the open node --------------------------------------------------------------------------- */

void
kv_list_node_flush(KvList *list)
{
	KvListNode *node = &list->node;
	KvListNodeHead head = {
	    .index = node->index, .count = (uint32) node->count, .bytes = (uint16) node->bytes};
	char data[sizeof(head) + KV_LIST_NODE_MAX];

	if (!node->changed || list->layout == KV_LAYOUT_INLINE)
		return;
	node->changed = false;
	/* It has grown: will it again? */
	if (node->bytes > node->room)
		node->room = node->bytes + node->bytes / node->count <= KV_LIST_NODE_MAX ? KV_LIST_NODE_MAX
		                                                                         : node->bytes;
	if (node->number == list->at.first)
		head.begin = (uint16) (node->room - node->bytes);
	memset(data, 0, sizeof(head) + node->room);
	memcpy(data, &head, sizeof(head));
	memcpy(data + sizeof(head) + head.begin, list->packed, node->bytes);
	record_put(list, node->number, data, sizeof(head) + node->room);
}

bool
kv_list_node_open(KvList *list, uint64 number)
{
	KvListNodeHead head;
	PgfirstRecord record;
	RespSlice run;

	if (list->node.number == number)
		return true;
	kv_list_node_flush(list);
	list->node = (KvListNode){0};
	if (!kv_list_node_get(list, number, sizeof(head) + KV_LIST_NODE_MAX, &record))
		return false;
	run = kv_list_node_read(&record, &head);
	list->node = (KvListNode){
	    .number = number, .index = head.index, .count = head.count, .bytes = run.length};
	list->node.large = run.length > KV_LIST_NODE_MAX;
	if (list->node.large)
		return true;
	list->node.room = record.length - sizeof(head);
	memcpy(list->packed, run.data, run.length);
	return true;
}

void
kv_list_node_need(KvList *list, uint64 number)
{
	if (!kv_list_node_open(list, number))
		kv_collection_damaged();
}

void
kv_list_node_delete(KvList *list, uint64 number)
{
	record_delete(list, number);
	if (list->node.number == number)
		list->node = (KvListNode){0};
}

/* ---- its elements ---------------------------------------------------------------------------- */

static KvPacked
element_at(const KvList *list, Size at)
{
	KvPacked packed = {.begin = 0, .end = list->node.bytes, .member = nothing, .value = nothing};

	if (!list->node.large && !kv_packed_next(list->packed, list->node.bytes, at, &packed))
		kv_collection_damaged();
	return packed;
}

KvPacked
kv_list_node_element(const KvList *list, uint64 index)
{
	KvPacked packed = element_at(list, 0);

	for (; index > 0; index--)
		packed = element_at(list, packed.end);
	return packed;
}

void
kv_list_node_elements(const KvList *list, const KvListPosition *positions, Size count,
                      KvPacked *elements)
{
	KvPacked packed = element_at(list, 0);
	uint64 index = 0;

	for (Size i = 0; i < count; i++)
	{
		for (; index < positions[i].index; index++)
			packed = element_at(list, packed.end);
		elements[i] = packed;
	}
}

KvPacked
kv_list_node_end(KvList *list, KvEnd end)
{
	KvPacked packed;

	if (end == KV_HEAD)
		return element_at(list, 0);
	/* A pop looks for it twice. */
	packed = element_at(list, list->node.tail);
	while (packed.end < list->node.bytes)
		packed = element_at(list, packed.end);
	list->node.tail = packed.begin;
	return packed;
}

bool
kv_list_node_fits(const KvList *list, Size begin, Size end, RespSlice value)
{
	Size most = list->layout == KV_LAYOUT_INLINE ? KV_INLINE_MAX : KV_LIST_NODE_MAX;

	return list->node.bytes - (end - begin) + kv_packed_size(value, nothing) <= most;
}

bool
kv_list_node_replace(KvList *list, Size begin, Size end, const RespSlice *value)
{
	KvListNode *node = &list->node;
	Size more = value ? kv_packed_size(*value, nothing) : 0;

	if (value && !kv_list_node_fits(list, begin, end, *value))
		return false;
	/* Of one that is larger than a node all goes. */
	if (!node->large)
		memmove(list->packed + begin + more, list->packed + end, node->bytes - end);
	node->large = false;
	if (value)
		(void) kv_packed_write(list->packed + begin, *value, nothing);
	node->bytes = node->bytes - (end - begin) + more;
	node->tail = 0;
	node->changed = true;
	return true;
}

void
kv_list_node_make(KvList *list, uint64 number, uint64 index, const RespSlice *elements, int count)
{
	char *data, *end;
	Size length = sizeof(KvListNodeHead) + kv_packed_size(elements[0], nothing);
	KvListNodeHead head = {.index = index, .count = 1};

	if (list->node.number != number)
		kv_list_node_flush(list);
	list->node = (KvListNode){.number = number, .index = index};
	if (length <= sizeof(head) + KV_LIST_NODE_MAX)
	{
		for (int i = 0; i < count; i++)
			(void) kv_list_node_replace(list, list->node.bytes, list->node.bytes, &elements[i]);
		list->node.count = (uint64) count;
		return;
	}
	Assert(count == 1);
	data = MemoryContextAllocHuge(CurrentMemoryContext, length);
	memcpy(data, &head, sizeof(head));
	end = kv_packed_write(data + sizeof(head), elements[0], nothing);
	record_put(list, number, data, (Size) (end - data));
	pfree(data);
	list->node = (KvListNode){0};
}

/* ---- neighbours ------------------------------------------------------------------------------ */

/*
 * The last of at most `most` nodes from `from` to `end`, which is not included, and how many there were; false if
 * there was none.
 */
static bool
last_between(KvList *list, uint64 from, uint64 end, int most, uint64 *number, int *count)
{
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst list search", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	PgfirstRecord record;
	PgfirstWalk *walk;
	PgfirstId id;

	kv_list_node_flush(list);
	kv_id_of_part(list->at.root.incarnation, from, &id);
	walk = pgfirst_store_walk_parts(list->space->store, &id, 0);
	for (*count = 0; *count < most && pgfirst_walk_next(walk, &record); (*count)++)
	{
		if (kv_id_incarnation(&record.id) != list->at.root.incarnation ||
		    kv_id_number(&record.id) >= end)
			break;
		*number = kv_id_number(&record.id);
		MemoryContextReset(context);
	}
	pgfirst_walk_end(walk);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return *count > 0;
}

/*
 * The way there leads forwards only: steps back, each longer than the one before, until there is something in between,
 * and then halves of the last one until that is little.
 */
bool
kv_list_node_before(KvList *list, uint64 number, uint64 *before)
{
	uint64 farthest = number - list->at.first;
	uint64 distance = kv_list_node_reach(list) * KV_LIST_STEP;
	uint64 high = number; /* nothing is from here on */
	uint64 low = number - Min(distance, farthest);
	int count;

	while (!last_between(list, low, number, SEARCH_FEW, before, &count))
	{
		if (low == list->at.first)
			return false;
		high = low;
		distance = distance < farthest / SEARCH_STEP ? distance * SEARCH_STEP : farthest;
		low = number - Min(distance, farthest);
	}
	/* Where nobody has locked the key more may come behind what is known to be empty: then it ends all the same. */
	while (count == SEARCH_FEW && high - low > 1)
	{
		uint64 middle = low + (high - low) / 2;
		int found;

		if (last_between(list, middle, number, SEARCH_FEW, before, &found))
		{
			low = middle;
			count = found;
		}
		else
			high = middle;
	}
	return true;
}

bool
kv_list_node_behind(KvList *list, uint64 number, uint64 *behind)
{
	int count;

	return last_between(list, number + 1, PG_UINT64_MAX, 1, behind, &count);
}

/*
 * A push at the end of a list gives a node that it makes a number by the index of the node's first element, and one at the
 * beginning by that of its last.  The element that a node at an end has lost last was its innermost, with the index before
 * `first`, or `behind`; so it can be told in which way the node was made, and its neighbour probably as well, with as
 * many elements as nodes mostly have.
 */
static uint64
neighbour_guess(const KvList *list, uint64 number, KvEnd end)
{
	uint64 first = list->at.index;
	uint64 behind = list->at.index + list->at.root.count;
	uint64 elements = Max(kv_list_node_reach(list) - 1, 1);

	if (end == KV_HEAD)
		return number == (first - 1) * KV_LIST_STEP ? number + elements * KV_LIST_STEP
		                                            : first * KV_LIST_STEP;
	return number == behind * KV_LIST_STEP ? number - elements * KV_LIST_STEP
	                                       : (behind - 1) * KV_LIST_STEP;
}

bool
kv_list_node_inwards(KvList *list, uint64 number, KvEnd end, uint64 *neighbour)
{
	KvListNodeHead head;
	PgfirstRecord record;
	uint64 guess = neighbour_guess(list, number, end);

	if (list->at.even && guess >= list->at.first && guess <= list->at.last && guess != number &&
	    kv_list_node_get(list, guess, sizeof(head), &record))
	{
		(void) kv_list_node_read(&record, &head);
		/* Its indexes are next to what the list has lost: no other node's are. */
		if (end == KV_HEAD ? head.index == list->at.index
		                   : head.index + head.count == list->at.index + list->at.root.count)
		{
			*neighbour = guess;
			return true;
		}
	}
	return end == KV_HEAD ? kv_list_node_behind(list, number, neighbour)
	                      : kv_list_node_before(list, number, neighbour);
}

void
kv_list_node_merge(KvList *list)
{
	KvListNode *node = &list->node;
	KvListNodeHead head;
	PgfirstRecord record;
	uint64 behind;
	RespSlice run;

	if (node->number == 0 || node->number == list->at.last || node->bytes > MERGE_FEW)
		return;
	if (!kv_list_node_behind(list, node->number, &behind) ||
	    !kv_list_node_get(list, behind, sizeof(head) + KV_LIST_NODE_MAX, &record))
		kv_collection_damaged();
	run = kv_list_node_read(&record, &head);
	if (run.length > KV_LIST_NODE_MAX - node->bytes)
		return;
	memcpy(list->packed + node->bytes, run.data, run.length);
	node->bytes += run.length;
	node->count += head.count;
	node->changed = true;
	record_delete(list, behind);
	if (behind == list->at.last)
		list->at.last = node->number;
}

/* ---- moving apart ---------------------------------------------------------------------------- */

/* Which nodes move apart, and how. */
typedef struct Spread
{
	uint64 *numbers; /* of those that move, in their order */
	int count;
	Size bytes;    /* of them */
	uint64 before; /* the number of the node in front of them */
	uint64 room;   /* between two of them afterwards */
} Spread;

/* At most `most` nodes from a number on. */
static void
spread_read(KvList *list, uint64 number, int most, Spread *spread)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext context =
	    AllocSetContextCreate(old, "pgfirst list spread", ALLOCSET_DEFAULT_SIZES);
	PgfirstWalk *walk;
	PgfirstRecord record;
	PgfirstId id;

	spread->numbers = MemoryContextAllocHuge(old, (Size) most * sizeof(uint64));
	spread->count = 0;
	spread->bytes = 0;
	kv_id_of_part(list->at.root.incarnation, number, &id);
	MemoryContextSwitchTo(context);
	walk = pgfirst_store_walk_parts(list->space->store, &id, 0);
	while (spread->count < most && pgfirst_walk_next(walk, &record) &&
	       kv_id_incarnation(&record.id) == list->at.root.incarnation)
	{
		spread->numbers[spread->count++] = kv_id_number(&record.id);
		spread->bytes += record.length;
	}
	pgfirst_walk_end(walk);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * To make room before the node `number`, whose neighbour in front is `before`: the nodes from it on move apart, as few
 * as there must be to leave each SPREAD_ROOM.
 */
static Spread
spread_plan(KvList *list, uint64 before, uint64 number)
{
	Spread spread = {.before = before};

	kv_list_node_flush(list);
	for (int most = SPREAD_FIRST;; most *= 2)
	{
		uint64 end;

		spread_read(list, number, most, &spread);
		if (spread.count == 0)
			kv_collection_damaged();
		end = spread.numbers[spread.count - 1];
		if (spread.count < most)
			end += (uint64) spread.count * KV_LIST_STEP;
		spread.room = (end - before) / ((uint64) spread.count + 1);
		if (spread.room >= SPREAD_ROOM)
			return spread;
		pfree(spread.numbers);
	}
}

/* Moves them; returns the number of the first of them. */
static uint64
spread_move(KvList *list, const Spread *spread)
{
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst list spread", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	RespSlice *nodes = MemoryContextAllocHuge(context, (Size) spread->count * sizeof(RespSlice));

	/* All go before the first one comes, so that none takes the place of one that has not moved. */
	for (int i = 0; i < spread->count; i++)
	{
		PgfirstRecord record;
		char *copy;

		if (!kv_list_node_get(list, spread->numbers[i], SIZE_MAX, &record))
			kv_collection_damaged();
		copy = MemoryContextAllocHuge(context, record.length);
		memcpy(copy, record.data, record.length);
		nodes[i] = (RespSlice){copy, record.length};
		record_delete(list, spread->numbers[i]);
	}
	for (int i = 0; i < spread->count; i++)
		record_put(list, spread->before + spread->room * ((uint64) i + 2), nodes[i].data,
		           nodes[i].length);
	if (spread->numbers[spread->count - 1] == list->at.last)
		list->at.last = spread->before + spread->room * ((uint64) spread->count + 1);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return spread->before + spread->room * 2;
}

Size
kv_list_node_room_size(KvList *list, uint64 low, uint64 high, int count)
{
	Spread spread;

	if (high - low > (uint64) count)
		return 0;
	spread = spread_plan(list, low, high);
	pfree(spread.numbers);
	return 2 * spread.bytes + (Size) spread.count * 512;
}

/* Numbers between two neighbours.  What is open is none of the nodes behind. */
static void
numbers_between(KvList *list, uint64 low, uint64 high, int count, uint64 *numbers)
{
	if (high - low <= (uint64) count)
	{
		Spread spread = spread_plan(list, low, high);

		high = spread_move(list, &spread);
		pfree(spread.numbers);
	}
	for (int i = 0; i < count; i++)
		numbers[i] = low + (high - low) / ((uint64) count + 1) * ((uint64) i + 1);
}

void
kv_list_node_between(KvList *list, uint64 low, uint64 high, RespSlice value)
{
	uint64 number;

	kv_list_node_flush(list);
	list->node = (KvListNode){0};
	numbers_between(list, low, high, 1, &number);
	kv_list_node_make(list, number, 0, &value, 1);
}

/* ---- splitting ------------------------------------------------------------------------------- */

/* The elements that a node would have if it had room for them, and which of them go to which node. */
typedef struct Split
{
	char run[KV_LIST_NODE_MAX];
	RespSlice elements[SPLIT_MAX];
	int count;
	Size bytes;
	int begin[KV_LIST_PIECES + 1];
	int pieces;
	uint64 numbers[KV_LIST_PIECES];
} Split;

static void
split_add(Split *split, RespSlice element)
{
	split->elements[split->count++] = element;
	split->bytes += kv_packed_size(element, nothing);
}

static void
split_gather(const KvList *list, Size begin, Size end, RespSlice value, Split *split)
{
	KvPacked packed;
	Size at = 0;

	split->count = 0;
	split->bytes = 0;
	if (!list->node.large)
		memcpy(split->run, list->packed, list->node.bytes);
	for (; at < begin; at = packed.end)
	{
		(void) kv_packed_next(split->run, begin, at, &packed);
		split_add(split, packed.member);
	}
	split_add(split, value);
	for (at = end; at < list->node.bytes; at = packed.end)
	{
		(void) kv_packed_next(split->run, list->node.bytes, at, &packed);
		split_add(split, packed.member);
	}
}

/* Halves, so that each has room for more; but as many as it takes to let each fit. */
static void
split_cut(Split *split)
{
	Size bytes = 0; /* of the piece under way */

	split->pieces = 1;
	split->begin[0] = 0;
	for (int i = 0; i < split->count; i++)
	{
		Size more = kv_packed_size(split->elements[i], nothing);

		if (bytes > 0 &&
		    (bytes + more > KV_LIST_NODE_MAX || (split->pieces == 1 && bytes >= split->bytes / 2)))
		{
			Assert(split->pieces < KV_LIST_PIECES);
			split->begin[split->pieces++] = i;
			bytes = 0;
		}
		bytes += more;
	}
	split->begin[split->pieces] = split->count;
}

/*
 * The number of a piece at an end, whose first (at the beginning: last) element has this index.  What is uneven has no
 * indexes that say anything, and what its nodes say may be far off.
 */
static uint64
piece_number(const KvList *list, KvEnd end, uint64 neighbour, uint64 index)
{
	if (end == KV_HEAD)
		return list->at.even ? kv_list_node_number_before(neighbour, index)
		                     : neighbour - KV_LIST_STEP;
	return list->at.even ? kv_list_node_number_behind(neighbour, index) : neighbour + KV_LIST_STEP;
}

/* At an end the new numbers go outward, where there is always room; one of the pieces keeps the node's. */
static void
split_number(KvList *list, uint64 number, uint64 index, Split *split)
{
	int pieces = split->pieces;
	uint64 behind;

	if (pieces == 1)
		split->numbers[0] = number;
	else if (number == list->at.last)
	{
		split->numbers[0] = number;
		for (int i = 1; i < pieces; i++)
			split->numbers[i] = piece_number(list, KV_TAIL, split->numbers[i - 1],
			                                 index + (uint64) split->begin[i]);
		list->at.last = split->numbers[pieces - 1];
	}
	else if (number == list->at.first)
	{
		split->numbers[pieces - 1] = number;
		for (int i = pieces - 2; i >= 0; i--)
			split->numbers[i] = piece_number(list, KV_HEAD, split->numbers[i + 1],
			                                 index + (uint64) split->begin[i + 1] - 1);
		list->at.first = split->numbers[0];
	}
	else
	{
		if (!kv_list_node_behind(list, number, &behind))
			kv_collection_damaged();
		split->numbers[0] = number;
		numbers_between(list, number, behind, pieces - 1, split->numbers + 1);
	}
}

void
kv_list_node_split(KvList *list, Size begin, Size end, RespSlice value)
{
	uint64 number = list->node.number;
	uint64 index = list->node.index;
	Split split;

	split_gather(list, begin, end, value, &split);
	split_cut(&split);
	/* All of the node is put anew. */
	list->node = (KvListNode){0};
	split_number(list, number, index, &split);
	for (int i = 0; i < split.pieces; i++)
		kv_list_node_make(list, split.numbers[i], index + (uint64) split.begin[i],
		                  split.elements + split.begin[i], split.begin[i + 1] - split.begin[i]);
}
