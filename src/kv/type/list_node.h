/* SPDX-License-Identifier: PostgreSQL
 *
 * list_node.h: the nodes of a paged list, for list.c; what they are stands in list.h.
 *
 * One node at a time is open: its elements are in memory, where they are changed, and are put when another one is opened,
 * a walk begins, or the list is closed.  So a command that changes many elements of a node writes it once.  The elements
 * of an inline list are an open node as well.
 */
#ifndef PGFIRST_KV_LIST_NODE_H
#define PGFIRST_KV_LIST_NODE_H

#include "postgres.h"

#include "kv/type/list.h"
#include "kv/type/packed.h"

/*
 * How the record of a node begins.  One that has grown, and may grow again, has room for KV_LIST_NODE_MAX bytes: so it keeps
 * its place on its page, where a larger one would need another.  The first node's elements stand at the end of the room and
 * those of all others at its beginning: a push or a pop at the end of a list of several moves none of them, and only what has
 * changed is logged.
 */
typedef struct KvListNodeHead
{
	uint64 index; /* of its first element */
	uint32 count;
	uint16 begin; /* of the elements, behind the head */
	uint16 bytes; /* 0: they are all that follows the head */
} KvListNodeHead;

StaticAssertDecl(sizeof(KvListNodeHead) == 16, "KvListNodeHead is stored");

/* Bytes of packed elements: with the head, and that of the write set, 512. */
#define KV_LIST_NODE_MAX (512 - sizeof(KvListNodeHead) - VARHDRSZ)

StaticAssertDecl(KV_LIST_NODE_MAX <= KV_INLINE_MAX, "a node has room where an inline list has");

/* What is wrong with the record of a node, whose bytes are all there; or NULL. */
extern const char *kv_list_node_fault(const PgfirstRecord *record);

/* Its elements; raises data_corrupted if the head does not fit to them.  They are there if they were read. */
extern RespSlice kv_list_node_read(const PgfirstRecord *record, KvListNodeHead *head);

/* The record of a node, with its first `limit` bytes; false if it is not there, as nobody has locked the key. */
extern bool kv_list_node_get(const KvList *list, uint64 number, Size limit, PgfirstRecord *record);

/* Opens a node; false if it is not there.  The second raises data_corrupted then. */
extern bool kv_list_node_open(KvList *list, uint64 number);
extern void kv_list_node_need(KvList *list, uint64 number);

/*
 * A node of these elements, which fit into one, or a single one that does not; new, or instead of what it was.  And puts
 * what has been changed of the open one.
 */
extern void kv_list_node_make(KvList *list, uint64 number, uint64 index, const RespSlice *elements,
                              int count);
extern void kv_list_node_flush(KvList *list);

/* Deletes a node. */
extern void kv_list_node_delete(KvList *list, uint64 number);

/* After elements of the open node have gone: if it has only a few, those of the next one come to it. */
extern void kv_list_node_merge(KvList *list);

/*
 * Elements of the open node: the one with an index in it, those at positions in it, in their order, the one at an end.  Of a
 * large one, only how long it is.
 */
extern KvPacked kv_list_node_element(const KvList *list, uint64 index);
extern void kv_list_node_elements(const KvList *list, const KvListPosition *positions, Size count,
                                  KvPacked *elements);
extern KvPacked kv_list_node_end(KvList *list, KvEnd end);

/*
 * Replaces what is in the open node from `begin` to `end` by an element, or by nothing (NULL), and counts neither; false if
 * that does not fit.
 */
extern bool kv_list_node_fits(const KvList *list, Size begin, Size end, RespSlice value);
extern bool kv_list_node_replace(KvList *list, Size begin, Size end, const RespSlice *value);

/* The same where it does not fit: the elements go to several nodes. */
extern void kv_list_node_split(KvList *list, Size begin, Size end, RespSlice value);

/* An element in a node of its own, between two that are neighbours. */
extern void kv_list_node_between(KvList *list, uint64 low, uint64 high, RespSlice value);

/* What it takes of the write set, at most, to find `count` numbers between two that are neighbours. */
extern Size kv_list_node_room_size(KvList *list, uint64 low, uint64 high, int count);

/* The neighbours of a node that has one on that side; false if it has gone, as nobody has locked the key. */
extern bool kv_list_node_before(KvList *list, uint64 number, uint64 *before);
extern bool kv_list_node_behind(KvList *list, uint64 number, uint64 *behind);

/* The neighbour of the node at an end of a list of several, whose elements have just been taken away. */
extern bool kv_list_node_inwards(KvList *list, uint64 number, KvEnd end, uint64 *neighbour);

/* What a change of a node takes of the write set, and of the next one with it. */
#define KV_LIST_NODE_COST ((Size) 1536)

/* Nodes that a split makes of one at most. */
#define KV_LIST_PIECES 3

/* About how many elements a node has, and how many steps it is to its neighbour, if the list is even. */
static inline uint64
kv_list_node_reach(const KvList *list)
{
	return list->at.root.count * KV_LIST_NODE_MAX / Max(list->at.root.bytes, 1) + 1;
}

/* The number of a new node at an end, whose first (at the beginning: last) element has this index. */
static inline uint64
kv_list_node_number_behind(uint64 last, uint64 index)
{
	return Max(index * KV_LIST_STEP, last + KV_LIST_STEP);
}

static inline uint64
kv_list_node_number_before(uint64 first, uint64 index)
{
	return Min(index * KV_LIST_STEP, first - KV_LIST_STEP);
}

#endif
