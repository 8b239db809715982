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

/* Whether a change has room; false with what the command returns. */
extern bool kv_elements_room(KvCall *call, KvOutcome *outcome);

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

/* A member by chance; good until the next call of kv_scratch(). */
extern bool kv_elements_random(KvMembers *members, RespSlice *member, RespSlice *value);

/* How many by chance argument i asks for; answers and returns false if it is no such number. */
extern bool kv_argument_random(KvCall *call, int i, int64 *count);

/*
 * Gives `each` so many different members by chance, or all there are; -count ones that may repeat, if it is negative.
 * It stops when `each` says false.
 */
typedef bool (*KvEachMember)(void *context, RespSlice member, RespSlice value);
extern void kv_elements_choose(KvMembers *members, int64 count, KvEachMember each, void *context);

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

/* For these: writes the member; the context is the call. */
extern bool kv_elements_write_one(void *context, RespSlice member, RespSlice value);

/*
 * HRANDFIELD and ZRANDMEMBER: key [count [word]], the word being "WITHVALUES" or its like.  Where it is there,
 * pair_write() gets the members, and the call as its context.
 */
extern void kv_elements_read_random(KvCall *call, KvType type, const char *word,
                                    KvEachMember pair_write);

/* HLEN and SCARD; HSCAN, SSCAN and ZSCAN. */
extern KvOutcome kv_elements_count(KvCall *call, KvType type);
extern KvOutcome kv_elements_scan(KvCall *call, KvType type);

#endif
