/* SPDX-License-Identifier: PostgreSQL
 *
 * list.h: what lists are.
 *
 * A small one is inline: its elements stand packed (packed.h, without values) in its key's record.  A paged one
 * (collection.h) has its elements in nodes, some in each:
 *
 *     the key's record             KvListRoot: also the first and last node, and the index of the first element
 *     (incarnation, 0)             the anchor
 *     (incarnation, number)        a node: KvListNodeHead, and its elements packed
 *
 * A node has at least one element, and no more than KV_LIST_NODE_MAX bytes of them, or a single one that is larger.
 * Numbers of nodes are in the order of the elements.  They begin in the middle of all numbers and go outward at both
 * ends, so a push or a pop changes the key's record and one node, however long the list is: two pages, which take no
 * transaction id.
 *
 * Elements have indexes, which begin in the middle as well, and do not change by what is done at the ends, the first and
 * the last node included.  Each node knows that of its first element, and its number is about KV_LIST_STEP times as
 * much; so an element is found by its index in one look, or a few.  That holds as long as no node in between has
 * got more elements or fewer (`even`).  After that, and until the list is empty, one counts from node to node, from the
 * first one or, if that is close, from the last one.
 *
 * LINSERT and LSET into a node that is full make two or three of it.  In between these take numbers between their
 * neighbours', of which half are left each time; where there is none some nodes behind move apart.  What LREM leaves
 * of a node goes to the next one's elements if it is little and both fit into one node.
 *
 * Rejected: a record for each element (a slot, a header and padding take 40 bytes of a page for each, and a delete costs more
 * than a node that is written anew.  Of 16 pipelined commands on a volatile database, with elements of 10 bytes, LPUSH took
 * 6.6 us of the server, with nodes 2.9; LPOP 5.0 and 2.7; RPOP 5.1 and 3.3; LRANGE of 100 elements 20 and 9); nodes
 * of 2 kB and more, as Redis has them (each push would copy as much); nodes that know their neighbours (a new one changes
 * two others); a tree that counts (each push would change a path of it).
 */
#ifndef PGFIRST_KV_LIST_H
#define PGFIRST_KV_LIST_H

#include "postgres.h"

#include "kv/type/collection.h"
#include "kv/type/key.h"

#define KV_LIST_STEP (UINT64CONST(1) << 16)

typedef struct KvListRoot
{
	KvRoot root;
	uint64 first; /* numbers of nodes that are there */
	uint64 last;
	uint64 index; /* of the first element */
	uint64 even;  /* 1: the indexes that nodes know are right */
} KvListRoot;

StaticAssertDecl(sizeof(KvListRoot) == 64, "KvListRoot is stored");

typedef enum KvEnd
{
	KV_HEAD,
	KV_TAIL
} KvEnd;

/*
 * The node of a paged list that is looked at or changed; of an inline one, all elements, under the number 0.  They stand
 * in `packed` of the list.
 */
typedef struct KvListNode
{
	uint64 number; /* 0 of a paged list: none is open */
	uint64 index;
	uint64 count;
	Size bytes;
	Size room;    /* for bytes, in its record as it is */
	Size tail;    /* an element begins there, the last one if that was looked for */
	bool large;   /* one element that is larger than a node, and was not read */
	bool changed; /* and not put yet */
} KvListNode;

/* A list that a command has opened. */
typedef struct KvList
{
	KvSpace *space;
	RespSlice key;
	KvLayout layout;
	int64 expiry;
	bool changed;
	KvListRoot at; /* of an inline one, only count and bytes */
	KvListNode node;
	char packed[KV_INLINE_MAX];
} KvList;

/*
 * Where an element is: the number of a node, and how many elements are in front of it there.  If these are more than
 * the node has, it is in one of those behind.  Of an inline list the number is 0.
 */
typedef struct KvListPosition
{
	uint64 node;
	uint64 index;
} KvListPosition;

/* Opens the list under the key, which may be missing; false if the key is of another type. */
extern bool kv_list_open(KvSpace *space, RespSlice key, int64 now_ms, KvList *list);

/* An empty one, which takes the place of whatever the key is when it is closed. */
extern void kv_list_new(KvSpace *space, RespSlice key, KvList *list);

static inline uint64
kv_list_count(const KvList *list)
{
	return list->at.root.count;
}

/* Writes what has been changed: the last element takes the key with it.  The caller has locked the key. */
extern void kv_list_close(KvList *list);

/* Writes what has been changed but the key's record: that is the record, with another expiry; in the current context. */
extern void kv_list_record(KvList *list, int64 expiry, PgfirstRecord *record);

extern void kv_list_push(KvList *list, KvEnd end, RespSlice value);

/*
 * The element at an end, of a list that has one, until the next change or call of kv_scratch(); _drop takes it
 * away.
 */
extern RespSlice kv_list_peek(KvList *list, KvEnd end);
extern void kv_list_drop(KvList *list, KvEnd end);

/*
 * Takes `count` elements at an end away, of a list that has so many, from the outermost on; each is shown to `each`
 * before (NULL: to nobody).
 */
typedef void (*KvListEach)(void *context, RespSlice value);
extern void kv_list_drop_many(KvList *list, KvEnd end, uint64 count, KvListEach each,
                              void *context);

/* Elements from an index on. */
typedef struct KvListWalk
{
	KvList *list;
	PgfirstWalk *walk; /* NULL: inline */
	MemoryContext context;
	KvListPosition position; /* of the element that was returned, or that is passed over */
	uint64 skip;             /* elements still to be passed over */
	RespSlice run;           /* the node's elements, */
	uint64 count;            /* how many they are, */
	uint64 index;            /* the index of the first */
	Size next;               /* and where the one to be returned begins */
	uint64 passed;           /* those in front of it */
} KvListWalk;

extern void kv_list_walk(KvList *list, uint64 index, KvListWalk *walk);

/* The same from a position on that a walk over the same paged list has had. */
extern void kv_list_walk_at(KvList *list, KvListPosition position, KvListWalk *walk);

/*
 * kv_list_next() passes over what is in front of the first element that it returns.  For who cannot wait so long: passes over a
 * node at most; false if none is to be passed over any more.
 */
extern bool kv_list_walk_pass(KvListWalk *walk);
extern bool kv_list_next(KvListWalk *walk, RespSlice *value); /* good until the next call */
extern void kv_list_walk_end(KvListWalk *walk);

/* The position of an element that there is, by its index. */
extern KvListPosition kv_list_position(KvList *list, uint64 index);

/*
 * Changes of the element that a walk has returned, by its position.  After any of them positions are others from there on, and
 * all of them if the list was inline.
 */
extern void kv_list_replace(KvList *list, KvListPosition position, RespSlice value);
extern void kv_list_insert(KvList *list, KvListPosition position, bool before, RespSlice value);

/* The elements at positions that are in their order go. */
extern void kv_list_remove_all(KvList *list, const KvListPosition *positions, Size count);

/* What that moves of other elements, as it takes of the write set at most. */
extern Size kv_list_replace_size(KvList *list, KvListPosition position, RespSlice value);
extern Size kv_list_insert_size(KvList *list, KvListPosition position, bool before,
                                RespSlice value);
extern Size kv_list_remove_size(const KvListPosition *positions, Size count);

/* As of kv_members_move() and its neighbours. */
extern void kv_list_move(KvList *from, RespSlice key);
extern void kv_list_copy(KvList *from, KvSpace *space, RespSlice key);
extern Size kv_list_copy_size(const KvList *from);

#endif
