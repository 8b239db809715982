/* SPDX-License-Identifier: PostgreSQL
 *
 * list.h: what lists are.
 *
 * A small one is inline: its elements stand packed (packed.h, without values) in its key's record.  A paged one
 * (collection.h) has a record for each element:
 *
 *     the key's record             KvListRoot: also the first and last position, and how many are in between in vain
 *     (incarnation, 0)             the anchor
 *     (incarnation, position)      an element
 *
 * Positions are KV_LIST_STEP from one element to the next, in both directions from the middle of all numbers, so
 * a push or a pop at either end changes the key's record and one other, however long the list is, and elements that are
 * neighbours stand next to each other on their leaves.  As long as no step is left out (`even`), the element with an
 * index is found by its position, at once.
 *
 * LINSERT takes a position between two others.  Each such place halves what is left there, so where nothing is
 * left some elements behind it move apart.  From then on, and after LREM, the list is uneven: an
 * index is counted from the first element.  An empty list is even again.
 *
 * Rejected: nodes of many elements, as Redis has them (a push would rewrite a node, 2 kB of WAL for 20 bytes; and
 * neighbours stand together on a leaf anyway); a tree that counts (each push would change a path of it).
 */
#ifndef PGFIRST_KV_LIST_H
#define PGFIRST_KV_LIST_H

#include "postgres.h"

#include "kv/type/collection.h"
#include "kv/type/key.h"

#define KV_LIST_STEP   (UINT64CONST(1) << 16)
#define KV_LIST_MIDDLE (UINT64CONST(1) << 63)

typedef struct KvListRoot
{
	KvRoot root;
	uint64 first; /* positions of elements that are there */
	uint64 last;
	uint64 even; /* 1: they are KV_LIST_STEP apart, all of them */
} KvListRoot;

StaticAssertDecl(sizeof(KvListRoot) == 56, "KvListRoot is stored");

typedef enum KvEnd
{
	KV_HEAD,
	KV_TAIL
} KvEnd;

/* A list that a command has opened. */
typedef struct KvList
{
	KvSpace *space;
	RespSlice key;
	KvLayout layout;
	int64 expiry;
	bool changed;
	KvListRoot at; /* of an inline one, only count and bytes */
	char packed[KV_INLINE_MAX];
} KvList;

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

/* The key's record that this would put, with another expiry; in the current context. */
extern void kv_list_record(const KvList *list, int64 expiry, PgfirstRecord *record);

extern void kv_list_push(KvList *list, KvEnd end, RespSlice value);

/*
 * The element at an end, of a list that has one, until the next change or call of kv_scratch(); _drop takes it
 * away.
 */
extern RespSlice kv_list_peek(KvList *list, KvEnd end);
extern void kv_list_drop(KvList *list, KvEnd end);

/*
 * Takes `count` elements at an end away, of a list that has so many, from the outermost on; each is shown to `each`
 * before (NULL: to nobody).  In one walk for all of them.
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
	uint64 position; /* of the element that was returned; inline: where it begins */
	Size next;       /* inline: where the next one does */
	uint64 skip;     /* elements still to be passed over */
} KvListWalk;

extern void kv_list_walk(KvList *list, uint64 index, KvListWalk *walk);

/* The same from a position on that a walk over the same paged list has had. */
extern void kv_list_walk_at(KvList *list, uint64 position, KvListWalk *walk);
extern bool kv_list_next(KvListWalk *walk, RespSlice *value); /* good until the next call */
extern void kv_list_walk_end(KvListWalk *walk);

/*
 * Changes of the element that a walk has returned, by its position.  What was inline may have moved after any of them, and after an
 * insertion what is behind it.
 */
extern void kv_list_replace(KvList *list, uint64 position, RespSlice value);
extern void kv_list_remove(KvList *list, uint64 position);
extern void kv_list_insert(KvList *list, uint64 position, bool before, RespSlice value);

/* What an insertion there moves of other elements, as it takes of the write set at most. */
extern Size kv_list_insert_size(KvList *list, uint64 position, bool before);

/* As of kv_members_move() and its neighbours. */
extern void kv_list_move(KvList *from, RespSlice key);
extern void kv_list_copy(KvList *from, KvSpace *space, RespSlice key);
extern Size kv_list_copy_size(const KvList *from);

#endif
