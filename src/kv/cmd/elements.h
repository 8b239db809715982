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

/* A copy of it in the current context. */
extern RespSlice kv_elements_copied(RespSlice slice);

/* Adds a member to a set, if it is new. */
extern bool kv_elements_add(KvMembers *set, RespSlice member);

/* What is written of each member. */
#define KV_MEMBER 1
#define KV_VALUE  2

/* Writes all of them. */
extern void kv_elements_write(KvCall *call, KvMembers *members, int what);

/* A member by chance; good until the next call of kv_scratch(). */
extern bool kv_elements_random(KvMembers *members, RespSlice *member, RespSlice *value);

/* How many by chance argument i asks for; answers and returns false if it is no such number. */
extern bool kv_argument_random(KvCall *call, int i, int64 *count);

/*
 * Writes an array of `count` different members by chance, or of all there are; of -count ones that may repeat, if
 * it is negative.
 */
extern void kv_elements_write_random(KvCall *call, KvMembers *members, int64 count, bool values,
                                     void (*write)(KvCall *call, RespSlice member, RespSlice value,
                                                   bool values));

/* HLEN and SCARD; HSCAN and SSCAN. */
extern KvOutcome kv_elements_count(KvCall *call, KvType type);
extern KvOutcome kv_elements_scan(KvCall *call, KvType type);

#endif
