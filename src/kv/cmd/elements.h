/* SPDX-License-Identifier: PostgreSQL
 *
 * elements.h: what the commands on collections share.
 */
#ifndef PGFIRST_KV_ELEMENTS_H
#define PGFIRST_KV_ELEMENTS_H

#include "kv/cmd/command.h"
#include "kv/type/elements.h"

/*
 * Answers with what `read` writes, as of one moment: it is called again when something that it has read has
 * changed meanwhile.  Only when that goes on and on is what it has read last left to stand.
 */
extern KvOutcome kv_reply_together(KvCall *call, void (*read)(KvCall *call));

/* The collection of any type that argument 1 is, of which it is known that it is there, and locked. */
extern void kv_elements_of_key(KvCall *call, KvType type, KvElements *elements);

/* Opens the collection that argument i is; false after answering that it is of another type. */
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

/* Writes all of them. */
extern void kv_elements_write(KvCall *call, KvMembers *members, int what);

/* A member by chance; good until the next call of kv_scratch(). */
extern bool kv_elements_random(KvMembers *members, RespSlice *member, RespSlice *value);

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

/* HLEN and SCARD; HSCAN and SSCAN. */
extern KvOutcome kv_elements_count(KvCall *call, KvType type);
extern KvOutcome kv_elements_scan(KvCall *call, KvType type);

#endif
