/* SPDX-License-Identifier: PostgreSQL
 *
 * order.c: entries in the order of a score; see order.h.
 *
 * On the way down a node is read where get() has it.  It is copied when it is changed, and put; but where nothing changes
 * but how many entries are below a child, which is most of what happens above leaves, that is written where it stands, if
 * edit() allows it.  A node that has become too large
 * first loses its holes, and is divided if that is not enough: in the middle of its bytes, or, where entries come in
 * their order, behind all that it had, so that it stays full.  One that has become small takes over its neighbour under
 * the same parent, if both fit.
 *
 * A separator stays while entries come and go; only a long one, which says with a reference what it is, is the first entry
 * below its child, and is replaced when that goes.  That of the first child in a node is never looked at, and may say what
 * has gone: the one above does, which a node brings along when it goes to its neighbour.
 *
 * A node may be any bytes.  What lies outside of it reads as an entry of zeros, and a node that has more entries than
 * fit loses all of them; the tree is damaged then, and says so.
 */
#include "lib/order/order.h"

#include <string.h>

#define FORMAT     2
#define HEADER     8
#define SLOT       sizeof(uint16_t)
#define NUMBER     6 /* bytes of a child's number, and of how many entries are below it */
#define CHILD      (2 * NUMBER)
#define ENTRY_HEAD 9 /* score, length */
#define LONG       255
#define LONG_HEAD  (sizeof(uint32_t) + sizeof(uint64_t))
#define ENTRY_MAX  (CHILD + ENTRY_HEAD + LONG_HEAD + ORDER_KEPT)

/* A node that is being looked at or changed, with room for two entries too many. */
typedef struct Node
{
	const char *stored; /* what get() has returned */
	bool own;           /* the entries and slots are those below, not the stored ones */
	uint64_t number;
	int level;
	int count;
	size_t room; /* bytes of the node as it is stored */
	size_t live; /* bytes that the entries take */
	size_t end;  /* of the entries and the holes between them */
	uint16_t slots[ORDER_ENTRIES_MAX + 3];
	char data[ORDER_NODE_MAX + 2 * ENTRY_MAX];
} Node;

/* What a node has become: the second of two, and its separator. */
typedef struct Second
{
	bool there;
	Node node;
	OrderEntry low;
	char bytes[ORDER_KEPT];
} Second;

/* ---- entries --------------------------------------------------------------------------------- */

static const char nothing[CHILD + ENTRY_HEAD];

static size_t
kept_of(const OrderEntry *entry)
{
	return entry->length < ORDER_KEPT ? entry->length : ORDER_KEPT;
}

static size_t
entry_size(const OrderEntry *entry)
{
	return ENTRY_HEAD + (entry->length > ORDER_KEPT ? LONG_HEAD : 0) + kept_of(entry);
}

static void
entry_write(char *at, const OrderEntry *entry)
{
	uint32_t length = (uint32_t) entry->length;

	memcpy(at, &entry->score, sizeof(entry->score));
	at[8] = (char) (length > ORDER_KEPT ? LONG : length);
	at += ENTRY_HEAD;
	if (length > ORDER_KEPT)
	{
		memcpy(at, &length, sizeof(length));
		memcpy(at + sizeof(length), &entry->reference, sizeof(entry->reference));
		at += LONG_HEAD;
	}
	if (length > 0)
		memcpy(at, entry->bytes, kept_of(entry));
}

/* False if there is none that ends before `end`. */
static bool
entry_read(const char *at, const char *end, OrderEntry *entry)
{
	uint32_t length;

	if (end - at < ENTRY_HEAD)
		return false;
	memcpy(&entry->score, at, sizeof(entry->score));
	length = (uint8_t) at[8];
	at += ENTRY_HEAD;
	entry->reference = 0;
	if (length == LONG && end - at >= (ptrdiff_t) LONG_HEAD)
	{
		memcpy(&length, at, sizeof(length));
		memcpy(&entry->reference, at + sizeof(length), sizeof(entry->reference));
		at += LONG_HEAD;
		if (length <= ORDER_KEPT || entry->reference == 0)
			return false;
	}
	else if (length > ORDER_KEPT)
		return false;
	entry->length = length;
	entry->bytes = at;
	return end - at >= (ptrdiff_t) kept_of(entry);
}

static int
entry_compare(const Order *order, const OrderEntry *a, const OrderEntry *b)
{
	size_t a_kept = kept_of(a);
	size_t b_kept = kept_of(b);
	size_t both = a_kept < b_kept ? a_kept : b_kept;
	int bytes;

	if (a->score != b->score)
		return a->score < b->score ? -1 : 1;
	bytes = both > 0 ? memcmp(a->bytes, b->bytes, both) : 0;
	if (bytes != 0)
		return bytes;
	if (a->length > ORDER_KEPT && b->length > ORDER_KEPT)
		return order->nodes->compare(order->nodes->context, a, b);
	return a->length < b->length ? -1 : a->length > b->length;
}

/* The shortest entry that is above `left` and not above `right`, which follows it. */
static OrderEntry
entry_between(const OrderEntry *left, const OrderEntry *right)
{
	OrderEntry low = *right;
	size_t same = 0;

	if (left->score == right->score)
	{
		while (same < kept_of(left) && same < kept_of(right) &&
		       left->bytes[same] == right->bytes[same])
			same++;
		same++;
	}
	if (same <= kept_of(right))
	{
		low.length = same;
		low.reference = 0;
	}
	return low;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static bool
damaged(Order *order)
{
	order->damaged = true;
	return false;
}

static size_t
node_max(int level)
{
	return level > 0 ? ORDER_NODE_MAX : ORDER_LEAF_MAX;
}

/* Without its holes. */
static size_t
node_length(const Node *node)
{
	return HEADER + node->live + (size_t) node->count * SLOT;
}

static void
node_begin(Node *node, uint64_t number, int level)
{
	node->stored = NULL;
	node->own = true;
	node->number = number;
	node->level = level;
	node->count = 0;
	node->room = node->live = 0;
	node->end = HEADER;
}

static bool
node_get(Order *order, uint64_t number, Node *node)
{
	size_t length;
	const char *data = order->nodes->get(order->nodes->context, number, &length);
	uint16_t count, live, end;
	size_t slots;

	if (data == NULL || length < HEADER || length > ORDER_NODE_MAX || data[1] != FORMAT)
		return damaged(order);
	memcpy(&count, data + 2, sizeof(count));
	memcpy(&live, data + 4, sizeof(live));
	memcpy(&end, data + 6, sizeof(end));
	slots = count * SLOT;
	node->stored = data;
	node->own = false;
	node->number = number;
	node->level = (uint8_t) data[0];
	node->count = count;
	node->room = length;
	node->live = live;
	node->end = end;
	if (count == 0 || count > ORDER_ENTRIES_MAX || node->level >= ORDER_HEIGHT ||
	    HEADER + live > end || end + slots > length)
		return damaged(order);
	return true;
}

/* Before it is changed. */
static void
node_own(Node *node)
{
	if (node->own)
		return;
	memcpy(node->data, node->stored, node->end);
	memcpy(node->slots, node->stored + node->end, (size_t) node->count * SLOT);
	node->own = true;
}

static const char *
node_data(const Node *node)
{
	return node->own ? node->data : node->stored;
}

static size_t
node_slot(const Node *node, int i)
{
	uint16_t slot;

	if (node->own)
		return node->slots[i];
	memcpy(&slot, node->stored + node->end + (size_t) i * SLOT, SLOT);
	return slot;
}

static void
node_put(Order *order, Node *node)
{
	uint16_t count = (uint16_t) node->count;
	uint16_t live = (uint16_t) node->live;
	uint16_t end = (uint16_t) node->end;
	size_t length = node->end + count * SLOT;
	size_t step = node_max(node->level) / 4;

	if (length > ORDER_NODE_MAX)
		(void) damaged(order);
	/* What is changed from now on is worth nothing. */
	if (order->damaged)
		return;
	node->data[0] = (char) node->level;
	node->data[1] = FORMAT;
	memcpy(node->data + 2, &count, sizeof(count));
	memcpy(node->data + 4, &live, sizeof(live));
	memcpy(node->data + 6, &end, sizeof(end));
	memcpy(node->data + end, node->slots, count * SLOT);
	while (node->room < length)
		node->room += step - node->room % step;
	memset(node->data + length, 0, node->room - length);
	order->nodes->put(order->nodes->context, node->number, node->data, node->room);
}

/* The number of a new node, of which there must be none: it would be written over, while it may be being read. */
static uint64_t
node_fresh(Order *order)
{
	uint64_t number = order->nodes->fresh(order->nodes->context);
	size_t length;

	if (order->nodes->get(order->nodes->context, number, &length) != NULL)
		(void) damaged(order);
	return number;
}

/* Where the entry itself begins, behind what an inner one has in front. */
static size_t
entry_place(int level)
{
	return level > 0 ? CHILD : 0;
}

static const char *
node_place(Order *order, const Node *node, int i)
{
	size_t at = node_slot(node, i);

	if (at >= HEADER && at + entry_place(node->level) <= node->end)
		return node_data(node) + at;
	(void) damaged(order);
	return nothing;
}

static OrderEntry
node_entry(Order *order, const Node *node, int i)
{
	const char *place = node_place(order, node, i);
	const char *end = place == nothing ? nothing + sizeof(nothing) : node_data(node) + node->end;
	OrderEntry entry;

	if (!entry_read(place + entry_place(node->level), end, &entry))
	{
		(void) damaged(order);
		return (OrderEntry){.bytes = ""};
	}
	return entry;
}

static uint64_t
number_read(const char *at)
{
	uint32_t low;
	uint16_t high;

	memcpy(&low, at, sizeof(low));
	memcpy(&high, at + sizeof(low), sizeof(high));
	return (uint64_t) high << 32 | low;
}

static void
number_write(char *at, uint64_t number)
{
	uint32_t low = (uint32_t) number;
	uint16_t high = (uint16_t) (number >> 32);

	memcpy(at, &low, sizeof(low));
	memcpy(at + sizeof(low), &high, sizeof(high));
}

static uint64_t
node_child(Order *order, const Node *node, int i)
{
	return number_read(node_place(order, node, i));
}

static uint64_t
node_below(Order *order, const Node *node, int i)
{
	return number_read(node_place(order, node, i) + NUMBER);
}

static void
node_set_below(Order *order, Node *node, int i, uint64_t below)
{
	node_own(node);
	if (node_place(order, node, i) != nothing)
		number_write(node->data + node->slots[i] + NUMBER, below);
}

/* So many entries more are below child i, and nothing else has changed in the node. */
static void
node_count_below(Order *order, Node *node, int i, int more)
{
	const OrderNodes *nodes = order->nodes;
	uint64_t below = node_below(order, node, i) + (uint64_t) (int64_t) more;
	char *data = nodes->edit(nodes->context, node->number);

	if (data == NULL)
	{
		node_set_below(order, node, i, below);
		node_put(order, node);
	}
	else if (!order->damaged)
		number_write(data + node_slot(node, i) + NUMBER, below);
}

/* All that is below the node. */
static uint64_t
node_total(Order *order, const Node *node)
{
	uint64_t total = 0;

	if (node->level == 0)
		return (uint64_t) node->count;
	for (int i = 0; i < node->count; i++)
		total += node_below(order, node, i);
	return total;
}

/* The first entry that is not below this one; `or_equal`: that is above it. */
static int
node_search(Order *order, const Node *node, int from, const OrderEntry *entry, bool or_equal)
{
	int low = from;
	int high = node->count;

	while (low < high)
	{
		int middle = (low + high) / 2;
		OrderEntry there = node_entry(order, node, middle);
		int compared = entry_compare(order, &there, entry);

		if (compared < 0 || (or_equal && compared == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The child in which the entry belongs. */
static int
node_child_of(Order *order, const Node *node, const OrderEntry *entry)
{
	return node_search(order, node, 1, entry, true) - 1;
}

/* Makes room for an entry of so many bytes at place i; returns where it belongs. */
static char *
node_open(Order *order, Node *node, int i, size_t size)
{
	char *place;

	node_own(node);
	if (node->end + size > sizeof(node->data) || node->count > ORDER_ENTRIES_MAX + 1)
	{
		(void) damaged(order);
		node_begin(node, node->number, node->level);
		i = 0;
	}
	place = node->data + node->end;
	memmove(&node->slots[i + 1], &node->slots[i], (size_t) (node->count - i) * SLOT);
	node->slots[i] = (uint16_t) node->end;
	node->count++;
	node->live += size;
	node->end += size;
	return place;
}

static size_t
node_size(Order *order, const Node *node, int i)
{
	OrderEntry entry = node_entry(order, node, i);

	return entry_place(node->level) + entry_size(&entry);
}

static void
node_close(Order *order, Node *node, int i)
{
	node_own(node);
	node->live -= node_size(order, node, i);
	node->count--;
	memmove(&node->slots[i], &node->slots[i + 1], (size_t) (node->count - i) * SLOT);
}

/* Copies entries of one node behind those of another. */
static void
node_append(Order *order, Node *node, const Node *from, int first, int count)
{
	for (int i = first; i < first + count; i++)
	{
		size_t size = node_size(order, from, i);

		memcpy(node_open(order, node, node->count, size), node_place(order, from, i), size);
	}
}

/* Takes the holes out, and entries from place `count` on. */
static void
node_compact(Order *order, Node *node, int count)
{
	Node whole;

	node_begin(&whole, node->number, node->level);
	whole.room = node->room;
	node_append(order, &whole, node, 0, count);
	*node = whole;
}

static void
node_add_child(Order *order, Node *node, int i, uint64_t child, uint64_t below,
               const OrderEntry *low)
{
	char *place = node_open(order, node, i, CHILD + entry_size(low));

	number_write(place, child);
	number_write(place + NUMBER, below);
	entry_write(place + CHILD, low);
}

/* ---- inserting ------------------------------------------------------------------------------- */

/* Moves entries to another node: the second half of the bytes, or only the last one. */
static void
node_divide(Order *order, Node *node, bool at_the_end, Second *second)
{
	size_t before = 0;
	int half = 0;
	OrderEntry low;

	while (half < node->count - 1 && (at_the_end || before < node->live / 2))
		before += node_size(order, node, half++);
	node_begin(&second->node, node_fresh(order), node->level);
	node_append(order, &second->node, node, half, node->count - half);
	low = node_entry(order, &second->node, 0);
	if (node->level == 0)
	{
		OrderEntry last = node_entry(order, node, half - 1);

		low = entry_between(&last, &low);
	}
	second->low = low;
	second->low.bytes = memcpy(second->bytes, low.bytes, kept_of(&low));
	node_compact(order, node, half);
}

static bool
node_is_full(const Node *node)
{
	return node->end + (size_t) node->count * SLOT > node_max(node->level);
}

/* Puts a node that was changed, in two if it has become too large; at_the_end: by an entry behind all others of the tree. */
static void
node_finish(Order *order, Node *node, bool at_the_end, Second *second)
{
	if (node_is_full(node))
		node_compact(order, node, node->count);
	second->there = node_is_full(node);
	if (second->there)
	{
		node_divide(order, node, at_the_end, second);
		node_put(order, &second->node);
	}
	node_put(order, node);
}

/* Inserts below the node, which is put; last: it is the last one of its level. */
static bool
insert_below(Order *order, uint64_t number, int level, const OrderEntry *entry, bool last,
             Second *second)
{
	Node node;
	int i;

	if (!node_get(order, number, &node) || (level >= 0 && node.level != level))
		return damaged(order);
	if (node.level == 0)
	{
		i = node_search(order, &node, 0, entry, false);
		if (i < node.count)
		{
			OrderEntry there = node_entry(order, &node, i);

			if (entry_compare(order, &there, entry) == 0)
				return false;
		}
		entry_write(node_open(order, &node, i, entry_size(entry)), entry);
	}
	else
	{
		Second below;
		uint64_t total;

		i = node_child_of(order, &node, entry);
		if (!insert_below(order, node_child(order, &node, i), node.level - 1, entry,
		                  last && i == node.count - 1, &below))
			return false;
		if (!below.there)
		{
			node_count_below(order, &node, i, 1);
			second->there = false;
			return true;
		}
		total = node_total(order, &below.node);
		node_set_below(order, &node, i, node_below(order, &node, i) + 1 - total);
		node_add_child(order, &node, ++i, below.node.number, total, &below.low);
	}
	node_finish(order, &node, last && i == node.count - 1, second);
	return true;
}

/* The root has become two nodes. */
static void
root_raise(Order *order, const Second *second)
{
	uint64_t total = node_total(order, &second->node);
	OrderEntry none = {.bytes = ""};
	Node node;

	node_begin(&node, node_fresh(order), second->node.level + 1);
	node_add_child(order, &node, 0, order->root, order->count - total, &none);
	node_add_child(order, &node, 1, second->node.number, total, &second->low);
	node_put(order, &node);
	order->root = node.number;
}

bool
pgfirst_order_insert(Order *order, const OrderEntry *entry)
{
	Second second;
	Node node;

	if (order->root == 0)
	{
		node_begin(&node, node_fresh(order), 0);
		entry_write(node_open(order, &node, 0, entry_size(entry)), entry);
		node_put(order, &node);
		order->root = node.number;
		order->count = 1;
		return true;
	}
	if (!insert_below(order, order->root, -1, entry, true, &second))
		return false;
	order->count++;
	if (second.there)
		root_raise(order, &second);
	return !order->damaged;
}

/* ---- deleting -------------------------------------------------------------------------------- */

/* What a deletion has done to a node, for the one above. */
typedef struct Deleted
{
	size_t before; /* length of the node */
	size_t length; /* and now, 0: it has been dropped */
	bool first;    /* its first entry is another one, which is `entry` */
	OrderEntry entry;
	char bytes[ORDER_KEPT];
} Deleted;

/* Lets child i take over the one behind it, if there is one and both fit. */
static bool
children_merge(Order *order, Node *parent, int i, Node *left, Node *right)
{
	if (i < 0 || i + 1 >= parent->count)
		return true;
	if (!node_get(order, node_child(order, parent, i), left) ||
	    !node_get(order, node_child(order, parent, i + 1), right))
		return false;
	if (left->level != right->level ||
	    node_length(left) + node_length(right) - HEADER > node_max(left->level) / 4 * 3)
		return true;
	node_compact(order, left, left->count);
	if (left->level > 0)
	{
		OrderEntry low = node_entry(order, parent, i + 1);

		node_add_child(order, left, left->count, node_child(order, right, 0),
		               node_below(order, right, 0), &low);
	}
	node_append(order, left, right, left->level > 0, right->count - (left->level > 0));
	node_put(order, left);
	order->nodes->drop(order->nodes->context, right->number);
	node_set_below(order, parent, i,
	               node_below(order, parent, i) + node_below(order, parent, i + 1));
	node_close(order, parent, i + 1);
	return true;
}

static void
deleted_note_first(Order *order, Deleted *deleted, const Node *node)
{
	OrderEntry entry = node_entry(order, node, 0);

	deleted->first = true;
	deleted->entry = entry;
	deleted->entry.bytes = memcpy(deleted->bytes, entry.bytes, kept_of(&entry));
}

/* The separator of child i goes, if it is a long entry. */
static void
node_set_low(Order *order, Node *node, int i, const OrderEntry *low)
{
	uint64_t child = node_child(order, node, i);
	uint64_t below = node_below(order, node, i);

	if (node_entry(order, node, i).length <= ORDER_KEPT)
		return;
	node_close(order, node, i);
	node_add_child(order, node, i, child, below, low);
}

/*
 * How often a third of a node has to be halved for one of that length.  A node that loses entry after entry asks its
 * neighbours when this changes, and not each time: mostly they have no room for it.  A tree that is emptied from one end
 * reads a fifth fewer nodes so, and one that loses entries everywhere has up to an eighth more of them.
 */
static int
times_halved(int level, size_t length)
{
	int times = 0;

	for (size_t bound = node_max(level) / 3; bound > length; bound /= 2)
		times++;
	return times;
}

/* Whether one entry less below child i is all that changes in the node. */
static bool
child_only_lost(Order *order, const Node *node, int i, const Deleted *deleted)
{
	return deleted->length > 0 &&
	       times_halved(node->level - 1, deleted->length) ==
	           times_halved(node->level - 1, deleted->before) &&
	       !(deleted->first && i > 0 && node_entry(order, node, i).length > ORDER_KEPT);
}

/* Brings a node that is not a leaf up to what has become of its child i; `deleted` says what has, and then what of the node. */
static bool
delete_above(Order *order, Node *node, int i, Deleted *deleted)
{
	Node one, other;
	int before;

	node_set_below(order, node, i, node_below(order, node, i) - 1);
	if (deleted->length == 0)
	{
		node_close(order, node, i);
		deleted->first = false;
		if (i == 0 && node->count > 0)
			deleted_note_first(order, deleted, node);
		return true;
	}
	if (deleted->first && i > 0)
		node_set_low(order, node, i, &deleted->entry);
	deleted->first &= i == 0;
	before = node->count;
	return times_halved(node->level - 1, deleted->length) ==
	           times_halved(node->level - 1, deleted->before) ||
	       (children_merge(order, node, i, &one, &other) &&
	        (node->count < before || children_merge(order, node, i - 1, &one, &other)));
}

static bool
delete_below(Order *order, uint64_t number, int level, const OrderEntry *entry, Deleted *deleted)
{
	Node node;
	size_t before;
	int i;

	if (!node_get(order, number, &node) || (level >= 0 && node.level != level))
		return damaged(order);
	before = node_length(&node);
	if (node.level == 0)
	{
		OrderEntry there;

		i = node_search(order, &node, 0, entry, false);
		if (i == node.count)
			return false;
		there = node_entry(order, &node, i);
		if (entry_compare(order, &there, entry) != 0)
			return false;
		node_close(order, &node, i);
		deleted->first = false;
		if (i == 0 && node.count > 0)
			deleted_note_first(order, deleted, &node);
	}
	else
	{
		i = node_child_of(order, &node, entry);
		if (!delete_below(order, node_child(order, &node, i), node.level - 1, entry, deleted))
			return false;
		if (child_only_lost(order, &node, i, deleted))
		{
			node_count_below(order, &node, i, -1);
			deleted->first &= i == 0;
			deleted->before = deleted->length = before;
			return true;
		}
		if (!delete_above(order, &node, i, deleted))
			return false;
	}
	if (node.count == 0)
	{
		deleted->length = 0;
		order->nodes->drop(order->nodes->context, number);
		return true;
	}
	deleted->before = before;
	deleted->length = node_length(&node);
	if (node_is_full(&node))
		node_compact(order, &node, node.count);
	node_put(order, &node);
	return true;
}

bool
pgfirst_order_delete(Order *order, const OrderEntry *entry)
{
	Deleted deleted;

	if (order->root == 0 || !delete_below(order, order->root, -1, entry, &deleted))
		return false;
	order->count--;
	if (deleted.length == 0)
	{
		order->root = 0;
		return !order->damaged;
	}
	/* A root with one child is none. */
	for (;;)
	{
		Node root;

		if (!node_get(order, order->root, &root))
			return false;
		if (root.level == 0 || root.count > 1)
			return !order->damaged;
		order->root = node_child(order, &root, 0);
		order->nodes->drop(order->nodes->context, root.number);
	}
}

/* ---- ranks ----------------------------------------------------------------------------------- */

uint64_t
pgfirst_order_rank(Order *order, const OrderEntry *entry)
{
	uint64_t number = order->root;
	uint64_t rank = 0;

	for (int steps = 0; number != 0 && steps < ORDER_HEIGHT; steps++)
	{
		Node node;
		int i;

		if (!node_get(order, number, &node))
			return 0;
		if (node.level == 0)
			return rank + (uint64_t) node_search(order, &node, 0, entry, false);
		i = node_child_of(order, &node, entry);
		for (int k = 0; k < i; k++)
			rank += node_below(order, &node, k);
		number = node_child(order, &node, i);
	}
	if (number != 0)
		(void) damaged(order);
	return rank;
}

/* How many entries of the node are passed over. */
static int
node_search_score(Order *order, const Node *node, int from, double score, bool or_equal)
{
	int low = from;
	int high = node->count;

	while (low < high)
	{
		int middle = (low + high) / 2;
		double there = node_entry(order, node, middle).score;

		if (there < score || (or_equal && there == score))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t
pgfirst_order_rank_of_score(Order *order, double score, bool or_equal)
{
	uint64_t number = order->root;
	uint64_t rank = 0;

	for (int steps = 0; number != 0 && steps < ORDER_HEIGHT; steps++)
	{
		Node node;
		int i;

		if (!node_get(order, number, &node))
			return 0;
		if (node.level == 0)
			return rank + (uint64_t) node_search_score(order, &node, 0, score, or_equal);
		i = node_search_score(order, &node, 1, score, or_equal) - 1;
		for (int k = 0; k < i; k++)
			rank += node_below(order, &node, k);
		number = node_child(order, &node, i);
	}
	if (number != 0)
		(void) damaged(order);
	return rank;
}

/* ---- cursors --------------------------------------------------------------------------------- */

void
pgfirst_order_seek(Order *order, uint64_t rank, bool back, OrderCursor *cursor)
{
	cursor->order = order;
	cursor->rank = rank;
	cursor->back = back;
	cursor->leaf = NULL;
	cursor->count = 0;
	cursor->first = 0;
}

/* Brings the leaf at hand in which the next entry is. */
static bool
cursor_leaf(OrderCursor *cursor)
{
	Order *order = cursor->order;
	uint64_t number = order->root;
	uint64_t rank = cursor->rank;

	for (int steps = 0; number != 0 && steps < ORDER_HEIGHT; steps++)
	{
		Node node;
		int i = 0;

		if (!node_get(order, number, &node))
			return false;
		if (node.level == 0)
		{
			if (rank >= (uint64_t) node.count)
				return damaged(order);
			cursor->leaf = node.stored;
			cursor->length = node.end;
			cursor->first = cursor->rank - rank;
			cursor->count = (uint32_t) node.count;
			memcpy(cursor->slots, node.stored + node.end, (size_t) node.count * SLOT);
			return true;
		}
		while (i < node.count && rank >= node_below(order, &node, i))
			rank -= node_below(order, &node, i++);
		if (i == node.count)
			return damaged(order);
		number = node_child(order, &node, i);
	}
	return damaged(order);
}

bool
pgfirst_order_next(OrderCursor *cursor, OrderEntry *entry)
{
	size_t at;

	if (cursor->rank >= cursor->order->count)
		return false;
	if ((cursor->rank < cursor->first || cursor->rank >= cursor->first + cursor->count) &&
	    !cursor_leaf(cursor))
		return false;
	at = cursor->slots[cursor->rank - cursor->first];
	if (at < HEADER || at > cursor->length ||
	    !entry_read(cursor->leaf + at, cursor->leaf + cursor->length, entry))
		return damaged(cursor->order);
	/* Below the first one nothing is left, and this ends. */
	cursor->rank =
	    cursor->back ? (cursor->rank == 0 ? UINT64_MAX : cursor->rank - 1) : cursor->rank + 1;
	return true;
}
