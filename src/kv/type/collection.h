/* SPDX-License-Identifier: PostgreSQL
 *
 * collection.h: what all collections are, whatever their elements.
 *
 * A small one is inline: its elements stand in its key's record.  One that outgrows KV_INLINE_MAX is paged, for as
 * long as it lives: its elements are records of their own, parts, whose ids begin with an incarnation that no
 * other collection ever had.  The key's record then holds a root, which begins as KvRoot does; and
 * (incarnation, 0) is the anchor, the id of the key's record.
 *
 * Every change of a part writes the key's record as well, in the same command, and counts its revision: who watches
 * the key, and who reads several parts as of one moment, looks at that record alone, and nobody is shown a change
 * of a part otherwise (pgfirst_store_parts).  What changes parts alone is either of nobody's yet (RESTORE and COPY put
 * them before they put the root) or of nobody's any more (the sweep).  The key's lock is the lock of all parts.
 *
 * Whatever ends a paged collection (DEL, SET, expiry, FLUSHDB, eviction) only takes away or replaces the key's
 * record, which takes the same time however many parts there are.  They are garbage from then on: nothing leads to
 * them, and nothing ever will.  The anchor says whose they were, so that the sweep, when it comes across them, can tell.
 * It comes when there are more anchors than roots (count.h).
 *
 * Rejected: a list of dropped incarnations (every writer that may replace a collection would have to read what it
 * replaces first, SET included).
 */
#ifndef PGFIRST_KV_COLLECTION_H
#define PGFIRST_KV_COLLECTION_H

#include "postgres.h"

#include "base/compat.h"
#include "kv/type/key.h"

/* Bytes of elements that stand in their key's record. */
#define KV_INLINE_MAX 1000

/*
 * Who takes all elements of a collection away deletes their parts one by one, if they are no more than this: else the
 * key's record goes, and the rest is garbage.
 */
#define KV_DELETE_FEW 1000

/* Whether to take away `count` elements of so many is that. */
static inline bool
kv_removal_is_whole(uint64 count, uint64 all)
{
	return count == all && count > KV_DELETE_FEW;
}

/* How the value of a key begins whose collection is paged. */
typedef struct KvRoot
{
	uint64 incarnation;
	uint64 count;
	uint64 bytes;    /* of the elements as they would be inline */
	uint64 revision; /* counts the changes of elements */
} KvRoot;

StaticAssertDecl(sizeof(KvRoot) == 32, "KvRoot is stored");

/*
 * Whether nothing leads to a part any more.  Mostly parts are asked about in their order, so what was found out
 * last is remembered; after a change of the transaction's own it is to be found out anew, from zero.
 */
typedef struct KvPartsMet
{
	PgfirstStore *store;
	uint64 incarnation;
	bool garbage;
} KvPartsMet;

extern bool kv_part_is_garbage(const PgfirstRecord *record, KvPartsMet *met);

/*
 * Remembers which collection a key led to when it was read last, of a few; value begins with its root.  The key's id gives
 * the id of a member's record, if that is remembered: a guess, by which nothing may be read, but brought nearer.
 */
extern void kv_collection_note(const PgfirstId *key, RespSlice value);
extern bool kv_collection_member(const PgfirstId *key, RespSlice member, PgfirstId *id);

/*
 * The record of a paged collection in which the member stands, packed (packed.h), beside others that have its hash.  False
 * if there is none; then it is a new one without data.
 */
extern bool kv_member_get(KvSpace *space, uint64 incarnation, RespSlice member,
                          PgfirstRecord *record);

/* Puts that record with its bytes from `begin` to `end` replaced by a member, or by nothing; empty, it is deleted. */
extern void kv_member_replace(KvSpace *space, const PgfirstRecord *record, Size begin, Size end,
                              const RespSlice *member, const RespSlice *value);

/* Puts the anchor of the collection that this key leads to. */
extern void kv_anchor_put(KvSpace *space, RespSlice key, uint64 incarnation);
extern void kv_anchor_delete(KvSpace *space, uint64 incarnation);

/* Tells the store which records are parts. */
extern void kv_collections_init(void);

/* Raises data_corrupted. */
pg_noreturn extern void kv_collection_damaged(void);

#endif
