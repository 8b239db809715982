/* SPDX-License-Identifier: PostgreSQL
 *
 * order.h: entries in the order of a score, and of their bytes where scores are equal; each can be found by its
 * rank.
 *
 * A B+ tree in which every inner entry counts what is below it, so rank and entry lead to each other in as many steps as
 * the tree is high.  Nodes are runs of bytes under numbers, which the caller keeps wherever it likes; the tree asks for
 * one and gives one back whole.  Nothing is kept between two calls but what stands in Order.
 *
 * A node:      level (0: leaf), format, number of entries, bytes that they take, where they end; entries; a slot for each
 *              entry; zeros
 * Of a leaf:   score, length of the bytes, bytes; of a long one score, 255, length, reference, the first ORDER_KEPT bytes
 * Above:       the child's number, entries below it, and its separator: an entry that is above all that are before the
 *              child, and not above any that is below it
 *
 * Slots stand in the order of entries, entries in the order in which they came.  So an entry that comes or goes changes
 * bytes at the end of the entries and no others, and what has gone leaves a hole, until the room is needed.  A node that
 * grows out of its room gets another quarter of its maximum at once, so that its keeper can mostly write it where it is.
 * A separator is the score alone, or with as many bytes as it takes: nodes above leaves have many children, and a tree is
 * low.
 *
 * An entry's bytes may be long.  A node has only the first ORDER_KEPT of them, and a reference that means
 * something to the caller; where that is not enough to tell two entries apart, the caller is asked.  So a node takes
 * ORDER_NODE_MAX bytes at most, and has many entries; a leaf ORDER_LEAF_MAX, because most changes concern another leaf each,
 * and the same few nodes above.
 *
 * Numbers of nodes are given out by the caller and never come back after order_delete() has dropped them.
 */
#ifndef PGFIRST_ORDER_H
#define PGFIRST_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORDER_NODE_MAX    1800
#define ORDER_LEAF_MAX    600
#define ORDER_ENTRIES_MAX 162 /* of a node: of entries without bytes, with their slots */
#define ORDER_KEPT        128
#define ORDER_HEIGHT      16

typedef struct OrderEntry
{
	double score; /* not NaN; -0 and 0 are equal */
	const char *bytes;
	size_t length;      /* of all bytes, of which ORDER_KEPT at most are looked at here */
	uint64_t reference; /* to all of them, if there are more; of one that is stored not 0 */
} OrderEntry;

/*
 * Where nodes are kept.  What get() returns is good for as long as the call of order_…(), or until a cursor's last entry, or
 * until that node is put or dropped.
 */
typedef struct OrderNodes
{
	void *context;
	/* NULL: there is no such node, so that the tree is damaged. */
	const char *(*get)(void *context, uint64_t node, size_t *length);
	void (*put)(void *context, uint64_t node, const char *data, size_t length);
	/* What get() has returned of a node, to be changed there instead of a put; NULL: it has to be put. */
	char *(*edit)(void *context, uint64_t node);
	void (*drop)(void *context, uint64_t node);
	uint64_t (*fresh)(void *context);
	/* The order of two entries of the same score whose first ORDER_KEPT bytes are equal; as memcmp. */
	int (*compare)(void *context, const OrderEntry *a, const OrderEntry *b);
} OrderNodes;

typedef struct Order
{
	const OrderNodes *nodes;
	uint64_t root; /* 0: empty */
	uint64_t count;
	bool damaged; /* set for good when something is not as it must be; results mean nothing then */
} Order;

/* The caller knows that the entry is not there; and that it is.  False if that is not so. */
extern bool pgfirst_order_insert(Order *order, const OrderEntry *entry);
extern bool pgfirst_order_delete(Order *order, const OrderEntry *entry);

/* How many entries are before this one, which need not be there. */
extern uint64_t pgfirst_order_rank(Order *order, const OrderEntry *entry);

/* How many have a lower score; or one that is no higher. */
extern uint64_t pgfirst_order_rank_of_score(Order *order, double score, bool or_equal);

/* Entries one after the other, from a rank on, forwards or backwards. */
typedef struct OrderCursor
{
	Order *order;
	uint64_t rank; /* of the next one */
	bool back;
	const char *leaf; /* whose entries are at hand */
	size_t length;
	uint64_t first; /* rank of the first of them */
	uint32_t count;
	uint16_t slots[ORDER_ENTRIES_MAX];
} OrderCursor;

extern void pgfirst_order_seek(Order *order, uint64_t rank, bool back, OrderCursor *cursor);
extern bool pgfirst_order_next(OrderCursor *cursor, OrderEntry *entry);

#endif
