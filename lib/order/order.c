/* SPDX-License-Identifier: PostgreSQL
 *
 * order.c: entries in the order of a score; see order.h.
 *
 * On the way down a node is copied from what get() returns, changed in the copy, and put.  A node that has become too large
 * is divided in the middle of its bytes; one that has become small takes over its neighbour under the same parent, if both
 * fit.  An inner entry's lowest entry is the first one below that child, and is there as long as the child's: of a long
 * one all bytes are asked for.  So when the first entry of a leaf goes, the next one takes its place above, which may make a
 * node there too large.  Of the very first child on each level nobody looks at it.
 */
#include "lib/order/order.h"

#include <string.h>

#define HEADER      4
#define ENTRY_HEAD  16 /* score, length, kept, zero */
#define REFERENCE   8
#define CHILD       16 /* of an inner entry: the child and its count */
#define ENTRY_MAX   (CHILD + ENTRY_HEAD + REFERENCE + ORDER_KEPT)
#define ENTRIES_MAX ((ORDER_NODE_MAX + 2 * ENTRY_MAX) / ENTRY_HEAD)
#define MERGE_BELOW (ORDER_NODE_MAX / 3)
#define MERGED_MAX  (ORDER_NODE_MAX / 4 * 3)

/* A node that is being looked at or changed, with room for two entries too many. */
typedef struct Node
{
	uint64_t number;
	int level;
	int count;
	size_t length;
	uint16_t at[ENTRIES_MAX + 1];
	char data[ORDER_NODE_MAX + 2 * ENTRY_MAX];
} Node;

/* ---- entries --------------------------------------------------------------------------------- */

static size_t
kept_of(const OrderEntry *entry)
{
	return entry->length < ORDER_KEPT ? entry->length : ORDER_KEPT;
}

static size_t
entry_size(const OrderEntry *entry)
{
	return ENTRY_HEAD + (entry->length > ORDER_KEPT ? REFERENCE : 0) + kept_of(entry);
}

static void
entry_write(char *at, const OrderEntry *entry)
{
	uint32_t length = (uint32_t) entry->length;
	uint16_t kept = (uint16_t) kept_of(entry);

	memset(at, 0, ENTRY_HEAD);
	memcpy(at, &entry->score, sizeof(entry->score));
	memcpy(at + 8, &length, sizeof(length));
	memcpy(at + 12, &kept, sizeof(kept));
	at += ENTRY_HEAD;
	if (length > kept)
	{
		memcpy(at, &entry->reference, REFERENCE);
		at += REFERENCE;
	}
	if (kept > 0)
		memcpy(at, entry->bytes, kept);
}

/* Returns the end of the entry, NULL if it does not end before `end`. */
static const char *
entry_read(const char *at, const char *end, OrderEntry *entry)
{
	uint32_t length;
	uint16_t kept;

	if (end - at < ENTRY_HEAD)
		return NULL;
	memcpy(&entry->score, at, sizeof(entry->score));
	memcpy(&length, at + 8, sizeof(length));
	memcpy(&kept, at + 12, sizeof(kept));
	at += ENTRY_HEAD;
	entry->length = length;
	entry->reference = 0;
	if (kept != (length < ORDER_KEPT ? length : ORDER_KEPT) ||
	    end - at < (length > kept ? REFERENCE : 0) + kept)
		return NULL;
	if (length > kept)
	{
		memcpy(&entry->reference, at, REFERENCE);
		at += REFERENCE;
	}
	entry->bytes = at;
	return at + kept;
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

/* ---- nodes ----------------------------------------------------------------------------------- */

static bool
damaged(Order *order)
{
	order->damaged = true;
	return false;
}

/* Where the entry itself begins, behind what an inner one has in front. */
static size_t
entry_place(int level)
{
	return level > 0 ? CHILD : 0;
}

static bool
node_index(Order *order, Node *node)
{
	const char *end = node->data + node->length;
	const char *at = node->data + HEADER;
	OrderEntry entry;

	for (int i = 0; i < node->count; i++)
	{
		node->at[i] = (uint16_t) (at - node->data);
		if (end - at < (ptrdiff_t) entry_place(node->level) ||
		    (at = entry_read(at + entry_place(node->level), end, &entry)) == NULL)
			return damaged(order);
	}
	node->at[node->count] = (uint16_t) (at - node->data);
	return at == end || damaged(order);
}

static bool
node_get(Order *order, uint64_t number, Node *node)
{
	size_t length;
	const char *data = order->nodes->get(order->nodes->context, number, &length);
	uint16_t count;

	if (data == NULL || length < HEADER || length > ORDER_NODE_MAX)
		return damaged(order);
	memcpy(node->data, data, length);
	memcpy(&count, data + 2, sizeof(count));
	node->number = number;
	node->level = (uint8_t) data[0];
	node->count = count;
	node->length = length;
	if (count == 0 || count > ENTRIES_MAX || node->level >= ORDER_HEIGHT)
		return damaged(order);
	return node_index(order, node);
}

static void
node_put(Order *order, Node *node)
{
	uint16_t count = (uint16_t) node->count;

	node->data[0] = (char) node->level;
	node->data[1] = 0;
	memcpy(node->data + 2, &count, sizeof(count));
	order->nodes->put(order->nodes->context, node->number, node->data, node->length);
}

static OrderEntry
node_entry(const Node *node, int i)
{
	OrderEntry entry;

	(void) entry_read(node->data + node->at[i] + entry_place(node->level),
	                  node->data + node->length, &entry);
	return entry;
}

static uint64_t
node_child(const Node *node, int i)
{
	uint64_t child;

	memcpy(&child, node->data + node->at[i], sizeof(child));
	return child;
}

static uint64_t
node_below(const Node *node, int i)
{
	uint64_t below;

	memcpy(&below, node->data + node->at[i] + sizeof(uint64_t), sizeof(below));
	return below;
}

static void
node_set_below(Node *node, int i, uint64_t below)
{
	memcpy(node->data + node->at[i] + sizeof(uint64_t), &below, sizeof(below));
}

/* All that is below the node. */
static uint64_t
node_total(const Node *node)
{
	uint64_t total = 0;

	if (node->level == 0)
		return (uint64_t) node->count;
	for (int i = 0; i < node->count; i++)
		total += node_below(node, i);
	return total;
}

/* The first entry that is not below this one; `or_equal`: that is above it. */
static int
node_search(const Order *order, const Node *node, int from, const OrderEntry *entry, bool or_equal)
{
	int low = from;
	int high = node->count;

	while (low < high)
	{
		int middle = (low + high) / 2;
		OrderEntry there = node_entry(node, middle);
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
node_child_of(const Order *order, const Node *node, const OrderEntry *entry)
{
	return node_search(order, node, 1, entry, true) - 1;
}

/* Makes room for an entry of so many bytes at place i; returns where it belongs. */
static char *
node_open(Node *node, int i, size_t size)
{
	char *place = node->data + node->at[i];

	memmove(place + size, place, node->length - node->at[i]);
	memmove(&node->at[i + 1], &node->at[i], (size_t) (node->count - i + 1) * sizeof(node->at[0]));
	node->count++;
	node->length += size;
	for (int k = i + 1; k <= node->count; k++)
		node->at[k] = (uint16_t) (node->at[k] + size);
	return place;
}

static void
node_close(Node *node, int i)
{
	size_t size = (size_t) node->at[i + 1] - node->at[i];

	memmove(node->data + node->at[i], node->data + node->at[i + 1], node->length - node->at[i + 1]);
	memmove(&node->at[i], &node->at[i + 1], (size_t) (node->count - i) * sizeof(node->at[0]));
	node->count--;
	node->length -= size;
	for (int k = i; k <= node->count; k++)
		node->at[k] = (uint16_t) (node->at[k] - size);
}

static void
node_begin(Node *node, uint64_t number, int level)
{
	node->number = number;
	node->level = level;
	node->count = 0;
	node->length = node->at[0] = HEADER;
}

static void
node_add_child(Node *node, int i, const Node *child, const OrderEntry *low)
{
	uint64_t below = node_total(child);
	char *place = node_open(node, i, CHILD + entry_size(low));

	memcpy(place, &child->number, sizeof(child->number));
	memcpy(place + sizeof(child->number), &below, sizeof(below));
	entry_write(place + CHILD, low);
}

/* ---- inserting ------------------------------------------------------------------------------- */

/* Moves the second half of a node's bytes to another one. */
static void
node_divide(Order *order, Node *node, Node *right)
{
	int half = 1;

	while (half < node->count - 1 && node->at[half] < node->length / 2)
		half++;
	node_begin(right, order->nodes->fresh(order->nodes->context), node->level);
	memcpy(right->data + HEADER, node->data + node->at[half], node->length - node->at[half]);
	right->length = HEADER + node->length - node->at[half];
	right->count = node->count - half;
	for (int i = 0; i <= right->count; i++)
		right->at[i] = (uint16_t) (node->at[half + i] - node->at[half] + HEADER);
	node->count = half;
	node->length = node->at[half];
}

/* Puts a node that was changed, in two if it has become too large. */
static void
node_finish(Order *order, Node *node, Node *right, bool *divided)
{
	*divided = node->length > ORDER_NODE_MAX;
	if (*divided)
	{
		node_divide(order, node, right);
		node_put(order, right);
	}
	node_put(order, node);
}

/*
 * Inserts below the node; true in *divided if it has become two, of which `right` is the second.  Both are put.
 */
static bool
insert_below(Order *order, uint64_t number, int level, const OrderEntry *entry, Node *right,
             bool *divided)
{
	Node node;

	if (!node_get(order, number, &node) || (level >= 0 && node.level != level))
		return damaged(order);
	if (node.level == 0)
	{
		int i = node_search(order, &node, 0, entry, false);
		OrderEntry there;

		if (i < node.count)
		{
			there = node_entry(&node, i);
			if (entry_compare(order, &there, entry) == 0)
				return false;
		}
		entry_write(node_open(&node, i, entry_size(entry)), entry);
	}
	else
	{
		int i = node_child_of(order, &node, entry);
		Node second;
		bool two;

		if (!insert_below(order, node_child(&node, i), node.level - 1, entry, &second, &two))
			return false;
		node_set_below(&node, i, node_below(&node, i) + 1);
		if (two)
		{
			OrderEntry low = node_entry(&second, 0);

			node_set_below(&node, i, node_below(&node, i) - node_total(&second));
			node_add_child(&node, i + 1, &second, &low);
		}
	}
	node_finish(order, &node, right, divided);
	return true;
}

/* The root has become two nodes. */
static bool
root_raise(Order *order, const Node *right)
{
	Node node, left;
	OrderEntry low;

	if (!node_get(order, order->root, &left))
		return false;
	node_begin(&node, order->nodes->fresh(order->nodes->context), right->level + 1);
	low = node_entry(&left, 0);
	node_add_child(&node, 0, &left, &low);
	low = node_entry(right, 0);
	node_add_child(&node, 1, right, &low);
	node_put(order, &node);
	order->root = node.number;
	return true;
}

bool
pgfirst_order_insert(Order *order, const OrderEntry *entry)
{
	Node right, node;
	bool divided;

	if (order->root == 0)
	{
		node_begin(&node, order->nodes->fresh(order->nodes->context), 0);
		entry_write(node_open(&node, 0, entry_size(entry)), entry);
		node_put(order, &node);
		order->root = node.number;
		order->count = 1;
		return true;
	}
	if (!insert_below(order, order->root, -1, entry, &right, &divided))
		return false;
	order->count++;
	return !divided || root_raise(order, &right);
}

/* ---- deleting -------------------------------------------------------------------------------- */

/* What a deletion has done to a node, for the one above. */
typedef struct Deleted
{
	size_t length; /* of the node, 0: it has been dropped */
	bool divided;  /* `right` is the second half */
	bool first;    /* its first entry is another one, which stands in `entry` */
	Node right;
	char entry[ENTRY_HEAD + REFERENCE + ORDER_KEPT];
} Deleted;

/* Lets child i take over the one behind it, if there is one and both fit. */
static bool
children_merge(Order *order, Node *parent, int i, Node *left, Node *right)
{
	if (i < 0 || i + 1 >= parent->count)
		return true;
	if (!node_get(order, node_child(parent, i), left) ||
	    !node_get(order, node_child(parent, i + 1), right))
		return false;
	if (left->level != right->level || left->length + right->length - HEADER > MERGED_MAX)
		return true;
	memcpy(left->data + left->length, right->data + HEADER, right->length - HEADER);
	left->length += right->length - HEADER;
	left->count += right->count;
	node_put(order, left);
	order->nodes->drop(order->nodes->context, right->number);
	node_set_below(parent, i, node_below(parent, i) + node_below(parent, i + 1));
	node_close(parent, i + 1);
	return true;
}

static void
deleted_note_first(Deleted *deleted, const Node *node)
{
	OrderEntry entry = node_entry(node, 0);

	deleted->first = true;
	entry_write(deleted->entry, &entry);
}

/* Child i has another first entry. */
static void
node_set_low(Node *node, int i, const char *low)
{
	char head[CHILD];
	OrderEntry entry;

	(void) entry_read(low, low + ENTRY_HEAD + REFERENCE + ORDER_KEPT, &entry);
	memcpy(head, node->data + node->at[i], CHILD);
	node_close(node, i);
	memcpy(node_open(node, i, CHILD + entry_size(&entry)), head, CHILD);
	entry_write(node->data + node->at[i] + CHILD, &entry);
}

/* Brings a node that is not a leaf up to what has become of its child i. */
static bool
delete_above(Order *order, Node *node, int i, const Deleted *below, bool *first)
{
	Node one, other;
	int before;

	node_set_below(node, i, node_below(node, i) - 1);
	*first = i == 0 && (below->first || below->length == 0);
	if (below->length == 0)
	{
		node_close(node, i);
		return true;
	}
	if (below->first)
		node_set_low(node, i, below->entry);
	if (below->divided)
	{
		OrderEntry low = node_entry(&below->right, 0);

		node_set_below(node, i, node_below(node, i) - node_total(&below->right));
		node_add_child(node, i + 1, &below->right, &low);
		return true;
	}
	before = node->count;
	return below->length >= MERGE_BELOW ||
	       (children_merge(order, node, i, &one, &other) &&
	        (node->count < before || children_merge(order, node, i - 1, &one, &other)));
}

static bool
delete_below(Order *order, uint64_t number, int level, const OrderEntry *entry, Deleted *deleted)
{
	Node node;
	OrderEntry there;
	bool first;
	int i;

	if (!node_get(order, number, &node) || (level >= 0 && node.level != level))
		return damaged(order);
	if (node.level == 0)
	{
		i = node_search(order, &node, 0, entry, false);
		if (i == node.count)
			return false;
		there = node_entry(&node, i);
		if (entry_compare(order, &there, entry) != 0)
			return false;
		node_close(&node, i);
		first = i == 0;
	}
	else
	{
		Deleted below;

		i = node_child_of(order, &node, entry);
		if (!delete_below(order, node_child(&node, i), node.level - 1, entry, &below) ||
		    !delete_above(order, &node, i, &below, &first))
			return false;
	}
	deleted->divided = deleted->first = false;
	deleted->length = node.count == 0 ? 0 : node.length;
	if (node.count == 0)
	{
		order->nodes->drop(order->nodes->context, number);
		return true;
	}
	if (first)
		deleted_note_first(deleted, &node);
	node_finish(order, &node, &deleted->right, &deleted->divided);
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
		return true;
	}
	if (deleted.divided)
		return root_raise(order, &deleted.right);
	/* A root with one child is none. */
	for (;;)
	{
		Node root;

		if (!node_get(order, order->root, &root))
			return false;
		if (root.level == 0 || root.count > 1)
			return true;
		order->nodes->drop(order->nodes->context, root.number);
		order->root = node_child(&root, 0);
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
			rank += node_below(&node, k);
		number = node_child(&node, i);
	}
	if (number != 0)
		(void) damaged(order);
	return rank;
}

/* How many entries of the node are passed over. */
static int
node_search_score(const Node *node, int from, double score, bool or_equal)
{
	int low = from;
	int high = node->count;

	while (low < high)
	{
		int middle = (low + high) / 2;
		double there = node_entry(node, middle).score;

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
			return rank + (uint64_t) node_search_score(&node, 0, score, or_equal);
		i = node_search_score(&node, 1, score, or_equal) - 1;
		for (int k = 0; k < i; k++)
			rank += node_below(&node, k);
		number = node_child(&node, i);
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
			cursor->leaf = order->nodes->get(order->nodes->context, number, &cursor->length);
			cursor->first = cursor->rank - rank;
			cursor->count = (uint32_t) node.count;
			memcpy(cursor->at, node.at, (size_t) node.count * sizeof(node.at[0]));
			return true;
		}
		while (i < node.count && rank >= node_below(&node, i))
			rank -= node_below(&node, i++);
		if (i == node.count)
			return damaged(order);
		number = node_child(&node, i);
	}
	return damaged(order);
}

bool
pgfirst_order_next(OrderCursor *cursor, OrderEntry *entry)
{
	if (cursor->rank >= cursor->order->count)
		return false;
	if ((cursor->rank < cursor->first || cursor->rank >= cursor->first + cursor->count) &&
	    !cursor_leaf(cursor))
		return false;
	(void) entry_read(cursor->leaf + cursor->at[cursor->rank - cursor->first],
	                  cursor->leaf + cursor->length, entry);
	/* Below the first one nothing is left, and this ends. */
	cursor->rank =
	    cursor->back ? (cursor->rank == 0 ? UINT64_MAX : cursor->rank - 1) : cursor->rank + 1;
	return true;
}
