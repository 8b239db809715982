/* SPDX-License-Identifier: PostgreSQL
 *
 * members.h: what hashes and sets are: members, each there once, of which those of a hash have a value.
 *
 * A small one is inline: its members stand packed (packed.h) in its key's record, in the order in which they
 * came.  One that outgrows KV_INLINE_MAX is paged, for as long as it lives:
 *
 *     the key's record    KvRoot: an incarnation, the number of members and their size
 *     (incarnation, 0)    the anchor, see collection.h
 *     (incarnation, h)    the members whose keyed hash is h: packed, and nearly always one
 *
 * A change of one member rewrites that member and the key's record, which are two pages at most and so need no
 * transaction id, however many members there are.  The key's record is written at every change, also when the number stays:
 * who watches the key, and who reads several members as of one moment, looks at that record alone.
 *
 * The members of a paged one are walked in the order of their hashes; a place in that order is a cursor that stays
 * good whatever is added and removed.
 *
 * What ends one, and what becomes of its parts then: collection.h.
 *
 * Rejected: members with a serial number and an index (two records more
 * for each); a tree of members in one record (a change would rewrite it).
 */
#ifndef PGFIRST_KV_MEMBERS_H
#define PGFIRST_KV_MEMBERS_H

#include "postgres.h"

#include "kv/type/collection.h"
#include "kv/type/key.h"
#include "kv/type/packed.h"

/* What a change may write beyond the bytes of its arguments: a collection that is paged by it. */
#define KV_MEMBERS_COST ((Size) 64 * 1024)

/* A collection that a command has opened. */
typedef struct KvMembers
{
	KvSpace *space;
	RespSlice key;
	KvType type;
	KvLayout layout;
	int64 expiry;
	bool changed;
	uint64 count;       /* 0: there is no such key */
	uint64 incarnation; /* 0: inline */
	uint64 revision;
	uint64 bytes; /* of the members as they are packed, inline or not */
	char packed[KV_INLINE_MAX];
} KvMembers;

/*
 * Opens the collection under the key, which may be missing; false if the key is of another type.  A sorted set may be
 * opened as well, to be read as one whose values are scores: what it has beside its members (zset.h) stands before them.
 */
extern bool kv_members_open(KvSpace *space, RespSlice key, KvType type, int64 now_ms,
                            KvMembers *members);

/* A new one, which takes the place of whatever the key is when it is closed; without members it only takes that away. */
extern void kv_members_new(KvSpace *space, RespSlice key, KvType type, KvMembers *members);

/* Where a member stands, or would stand; good until the next call of kv_scratch() or the next change. */
typedef struct KvMembersPlace
{
	bool found;
	KvPacked packed;      /* the member and its value, if it is found */
	PgfirstRecord record; /* in which that is; of a paged collection */
} KvMembersPlace;

/* False if it is no member. */
extern bool kv_members_look(KvMembers *members, RespSlice member, KvMembersPlace *place);

/* The same for who wants the value only. */
extern bool kv_members_find(KvMembers *members, RespSlice member, RespSlice *value);

/*
 * Adds the member or replaces its value; true if it is new.  Nothing is written before kv_members_close() that
 * anybody could see.  The caller has locked the key.
 */
extern bool kv_members_put(KvMembers *members, RespSlice member, RespSlice value);

/* Takes the member away; false if it is none. */
extern bool kv_members_remove(KvMembers *members, RespSlice member);

/* Both where the last look has found it, or has not. */
extern void kv_members_put_at(KvMembers *members, RespSlice member, RespSlice value,
                              KvMembersPlace *place);
extern void kv_members_remove_at(KvMembers *members, KvMembersPlace *place);

/* Writes what has been changed: the last member takes the key with it. */
extern void kv_members_close(KvMembers *members);

/* The key's record that this would put, with another expiry; in the current context. */
extern void kv_members_record(const KvMembers *members, int64 expiry, PgfirstRecord *record);

/*
 * Puts the whole collection, of `from` as it is read, under another key, with its expiry.  _move: the first key
 * goes, and both are in one store, so that the parts may stay.  kv_members_copy_size() is what a copy takes of the
 * write set at most.
 */
extern void kv_members_move(KvMembers *from, RespSlice key);
extern void kv_members_copy(KvMembers *from, KvSpace *space, RespSlice key);
extern Size kv_members_copy_size(const KvMembers *from);

/* The members, from a place in their order on; 0 is the first. */
typedef struct KvMembersWalk
{
	KvMembers *members;
	PgfirstWalk *walk; /* NULL: inline */
	MemoryContext context;
	uint64 place; /* of `run` */
	RespSlice run;
	Size at;
} KvMembersWalk;

extern void kv_members_walk(KvMembers *members, uint64 from, KvMembersWalk *walk);

/* Both are good until the next call. */
extern bool kv_members_next(KvMembersWalk *walk, RespSlice *member, RespSlice *value);
extern void kv_members_walk_end(KvMembersWalk *walk);

/*
 * A member of a paged collection by chance, in the current context.  False where it has to be tried once more, or only a
 * walk can say (store.h, pgfirst_store_sample).
 */
extern bool kv_members_sample(KvMembers *members, KvMembersPlace *place);

#endif
