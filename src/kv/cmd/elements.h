/* SPDX-License-Identifier: PostgreSQL
 *
 * elements.h: what the commands on collections share.
 */
#ifndef PGFIRST_KV_ELEMENTS_H
#define PGFIRST_KV_ELEMENTS_H

#include "kv/cmd/command.h"
#include "kv/cmd/reading.h"
#include "kv/type/elements.h"

/* The collection of any type that argument 1 is, of which it is known that it is there, and locked. */
extern void kv_elements_of_key(KvCall *call, KvType type, KvElements *elements);

/* Opens the collection that argument i is; false if it is of another type. */
extern bool kv_elements_are(KvCall *call, int i, KvType type, KvMembers *members);

/* The same; false after answering that. */
extern bool kv_elements_open(KvCall *call, int i, KvType type, KvMembers *members);

/*
 * Whether a change of what the arguments say has room, and the collection that it pages; false with what the command
 * returns.  _for: and so much more, as KV_REMOVAL_COST() says for parts that are taken away.
 */
extern bool kv_elements_room(KvCall *call, KvOutcome *outcome);
extern bool kv_elements_room_for(KvCall *call, Size bytes, KvOutcome *outcome);

#define KV_REMOVAL_COST(parts) ((parts) *KV_CHANGE_COST(0, 1))

/* What it takes to take away so many elements, whose parts may stay behind (collection.h). */
static inline Size
kv_removal_size(uint64 count, uint64 all)
{
	return kv_removal_is_whole(count, all) ? 0 : KV_REMOVAL_COST((Size) count);
}

/*
 * A change of many elements of which nobody can tell beforehand what it takes of the write set, as that depends on
 * which parts they share.  Mostly there is room at the beginning for as much as they can take, and then _room() says yes.
 * Else it says before each of them whether there is room for it, and for `bytes` of it; when there is none, the command
 * goes no further, and _end() takes back what it has done and written, and returns false with what the command
 * returns.  A function of SQL has no attempt (NULL), and always room: what is too much raises an error.
 */
typedef struct KvAttempt
{
	Size reply;  /* where its answer begins */
	bool marked; /* what it does can be taken back, as there may be too little room */
	bool good;
} KvAttempt;

/* elements: how many will be changed at most; bytes: what is asked for with them, all in all. */
#define KV_ATTEMPT_ANY PG_UINT64_MAX /* nobody knows */
extern KvAttempt kv_attempt_begin(KvCall *call, uint64 elements, Size bytes);
extern bool kv_attempt_room(KvAttempt *attempt, Size bytes);
extern bool kv_attempt_end(KvCall *call, const KvAttempt *attempt, KvOutcome *outcome);

/* kv_members_find() for many members: what the last one has brought in is given back. */
extern bool kv_elements_find(KvMembers *members, RespSlice member, RespSlice *value);

/* Adds a member to a set, if it is new. */
extern bool kv_elements_add(KvMembers *set, RespSlice member);

/* What is written of each member. */
#define KV_MEMBER 1
#define KV_VALUE  2

/* Writes all of them behind a head that says how many there are, for kv_reply_together(). */
typedef void (*KvElementsHead)(RespBuffer *reply, size_t count);
extern void kv_elements_write(KvCall *call, KvMembers *members, KvElementsHead head, int what);

/* Where a member by chance stands; false if there is none, or if it has gone while it was drawn. */
extern bool kv_elements_random(KvMembers *members, KvMembersPlace *place);

/* How many by chance argument i asks for; answers and returns false if it is no such number. */
extern bool kv_argument_random(KvCall *call, int i, int64 *count);

/*
 * Gives `each` so many different members by chance, or all there are; -count ones that may repeat, if it is negative.
 * It stops when `each` says false.
 */
typedef bool (*KvEachMember)(void *context, RespSlice member, RespSlice value);
extern void kv_elements_choose(KvMembers *members, int64 count, KvEachMember each, void *context);

/*
 * The same for kv_reply_together(): behind how many there will be, each of so many strings.  `each` gets the call as its
 * context, as _one(), which writes the member.
 */
extern void kv_elements_write_random(KvCall *call, KvMembers *members, int64 count, int strings,
                                     KvEachMember each);
extern bool kv_elements_write_one(void *context, RespSlice member, RespSlice value);

/* How many that will be. */
static inline int64
kv_elements_chosen(const KvMembers *members, int64 count)
{
	int64 there = (int64) members->count;

	return there == 0 ? 0 : count < 0 ? -count : Min(count, there);
}

/*
 * Makes places from 0, or from -1 at the end, proper ones of a list or an order of so many; false if nothing is between
 * them.  Unlike of a string's bytes, the last one may be before the beginning.
 */
extern bool kv_elements_range(int64 count, int64 *start, int64 *stop);

/*
 * HRANDFIELD and ZRANDMEMBER: key [count [word]], the word being "WITHVALUES" or its like.  Where it is there,
 * pair_write() gets the members, and the call as its context.
 */
extern void kv_elements_read_random(KvCall *call, KvType type, const char *word,
                                    KvEachMember pair_write);

/* Reads argument 2, how many are to be taken away; answers and returns false if it is no such number. */
extern bool kv_elements_pop_count(KvCall *call, int64 *count);

/* HLEN and SCARD; HSCAN, SSCAN and ZSCAN. */
extern KvOutcome kv_elements_count(KvCall *call, KvType type);
extern KvOutcome kv_elements_scan(KvCall *call, KvType type);

#endif
