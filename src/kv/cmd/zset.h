/* SPDX-License-Identifier: PostgreSQL
 *
 * zset.h: what the commands on sorted sets share with those on several (zset_combine.c), those that wait (blocking.c) and
 * the functions of SQL.
 */
#ifndef PGFIRST_KV_CMD_ZSET_H
#define PGFIRST_KV_CMD_ZSET_H

#include "kv/cmd/command.h"
#include "kv/type/zset.h"

/*
 * Opens the sorted set that argument i is.  strict: false after answering that it is none; otherwise that is as good
 * as an empty one.
 */
extern bool kv_zset_of(KvCall *call, int i, bool strict, KvZset *zset);

/* Reads a score; false if it is none, which "nan" is not either. */
extern bool kv_zset_score_parse(RespSlice number, double *score);

/* Adds a member that is not there. */
extern void kv_zset_put_new(KvZset *zset, RespSlice member, double score);

/* Writes how many members follow, and one of them; `scores`: with its score, in RESP3 as a pair. */
extern void kv_zset_write_count(KvCall *call, uint64 count, bool scores);
extern void kv_zset_write(KvCall *call, RespSlice member, double score, bool scores);

/* Takes away one from an end, for which kv_elements_room() has been asked, writes it with its score, and closes the set. */
extern void kv_zset_pop(KvCall *call, KvZset *zset, bool highest);

/* ZMPOP's answer, of the set that argument i is. */
extern KvOutcome kv_zset_pop_many(KvCall *call, int i, KvZset *zset, bool highest, int64 count);

/* Reads numkeys, which argument `at` is, and what follows the keys; answers and returns false if something is wrong. */
extern bool kv_zmpop_options(KvCall *call, int at, int *keys, bool *highest, int64 *count);

/* ---- on sorted sets that are open ------------------------------------------------------------ */

/* How ZADD adds: to members that are new or not, to higher or lower scores, or to the score that is there. */
typedef struct KvZaddHow
{
	bool nx, xx, gt, lt, increment;
} KvZaddHow;

typedef enum KvAdded
{
	KV_ADDED_NOT,
	KV_ADDED_SAME, /* it has this score already */
	KV_ADDED_NEW,
	KV_ADDED_CHANGED,
	KV_ADDED_NAN
} KvAdded;

/* Adds a member; *score becomes the one that it has then. */
extern KvAdded kv_zset_add(const KvZaddHow *how, KvZset *zset, RespSlice member, double *score);

/* The member's score; what that has brought in is given back. */
extern bool kv_zset_score(KvZset *zset, RespSlice member, double *score);

/* Takes the member of this rank away, which is there: a copy of it, in the current context. */
extern RespSlice kv_zset_take(KvZset *zset, uint64 rank, double *score);

#endif
