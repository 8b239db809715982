/* SPDX-License-Identifier: PostgreSQL
 *
 * zset.h: what sorted sets are: members, each there once, with a score, in the order of scores and, where these are
 * equal, of their bytes.
 *
 * A small one is inline: its members stand packed in its key's record, in their order, with scores as values.  A paged one
 * (collection.h) has each member twice:
 *
 *     the key's record       KvZsetRoot
 *     (incarnation, 0)       the anchor
 *     (incarnation, h)       the members whose keyed hash is h, packed, with their scores: as of a set (members.h)
 *     (incarnation, n)       node n of a counted tree (lib/order), which has the members in their order
 *
 * So a member's score is found at once, a rank or a range in as many steps as the tree is high; a change writes the key's
 * record, the member's, and a node on each level.
 *
 * Rejected: the order of ids as the order of scores (a rank would have to be counted, and equal scores leave no room for
 * the member in eight bytes); nodes without counts (ZRANK and ranges by rank would count).
 */
#ifndef PGFIRST_KV_ZSET_H
#define PGFIRST_KV_ZSET_H

#include "postgres.h"

#include "kv/type/collection.h"
#include "kv/type/key.h"
#include "lib/order/order.h"

typedef struct KvZsetRoot
{
	KvRoot root;
	uint64 tree;  /* its root node */
	uint64 nodes; /* numbers of nodes that were given out */
} KvZsetRoot;

StaticAssertDecl(sizeof(KvZsetRoot) == 48, "KvZsetRoot is stored");

/* A sorted set that a command has opened. */
typedef struct KvZset
{
	KvSpace *space;
	RespSlice key;
	KvLayout layout;
	int64 expiry;
	bool changed;
	KvZsetRoot at; /* of an inline one, only count and bytes */
	char packed[KV_INLINE_MAX];
} KvZset;

/* As of a list; see list.h. */
extern bool kv_zset_open(KvSpace *space, RespSlice key, int64 now_ms, KvZset *zset);
extern void kv_zset_new(KvSpace *space, RespSlice key, KvZset *zset);
extern void kv_zset_close(KvZset *zset);
extern void kv_zset_record(const KvZset *zset, int64 expiry, PgfirstRecord *record);
extern void kv_zset_move(KvZset *from, RespSlice key);
extern void kv_zset_copy(KvZset *from, KvSpace *space, RespSlice key);
extern Size kv_zset_copy_size(const KvZset *from);

/* What a set of so many members takes of the write set at most; `bytes` as of KvRoot. */
extern Size kv_zset_size(uint64 count, uint64 bytes);

/* The score that stands as value beside a packed member. */
extern double kv_zset_score_of(RespSlice value);

/* The order of members of one score. */
extern int kv_zset_compare(RespSlice a, RespSlice b);

static inline uint64
kv_zset_count(const KvZset *zset)
{
	return zset->at.root.count;
}

/* The member's score; false if it is no member. */
extern bool kv_zset_find(KvZset *zset, RespSlice member, double *score);

/* Where a member is or belongs: good until the set is changed, in the memory context of kv_zset_look(). */
typedef struct KvZsetPlace
{
	bool found;
	double score;
	PgfirstRecord part; /* of a paged one: the record, which may have nothing yet */
	Size begin;         /* where the member stands in it, or inline */
	Size end;
} KvZsetPlace;

extern void kv_zset_look(KvZset *zset, RespSlice member, KvZsetPlace *place);

/* Adds the member with this score, which is a number, or gives it this one; `place` is its. */
extern void kv_zset_put(KvZset *zset, RespSlice member, double score, KvZsetPlace *place);

/* Takes the member away; false if it is none. */
extern bool kv_zset_remove(KvZset *zset, RespSlice member);

/* How many members are before one that is there with this score. */
extern uint64 kv_zset_rank(KvZset *zset, RespSlice member, double score);

/* How many have a lower score, or one that is no higher. */
extern uint64 kv_zset_rank_of_score(KvZset *zset, double score, bool or_equal);

/* A bound of a range by score or by bytes. */
typedef struct KvZsetBound
{
	double score;
	RespSlice bytes;
	int infinite; /* of bytes: -1 before all, 1 behind all */
	bool exclusive;
} KvZsetBound;

/*
 * The ranks of the members between two bounds by bytes: from *first on, before *end.  This has a meaning only where all
 * members have the same score.  Where they have not, an inline set gives what Redis gives, which reads a small one from
 * its beginning, or from its end if `back`: the members that follow each other within the bounds from the first one on
 * that has passed the nearer bound; none if the first or the last member of all is beyond both.  A paged one gives any.
 */
extern void kv_zset_ranks_of_bytes(KvZset *zset, const KvZsetBound *low, const KvZsetBound *high,
                                   bool back, uint64 *first, uint64 *end);

/* Members from a rank on, forwards or backwards. */
typedef struct KvZsetWalk
{
	KvZset *zset;
	MemoryContext context;
	bool back;
	uint64 rank; /* inline: of the next one */
	Order order;
	OrderCursor cursor;
	uint16 places[KV_INLINE_MAX / 10 + 1]; /* inline: where members begin */
} KvZsetWalk;

extern void kv_zset_walk(KvZset *zset, uint64 rank, bool back, KvZsetWalk *walk);
extern bool kv_zset_next(KvZsetWalk *walk, RespSlice *member,
                         double *score); /* good until the end of the walk */
extern void kv_zset_walk_end(KvZsetWalk *walk);

#define KV_ZSET_AHEAD 16

/* Says that the members from a rank on are looked for soon, KV_ZSET_AHEAD of them. */
extern void kv_zset_prefetch(KvZset *zset, uint64 rank, bool back);

#endif
