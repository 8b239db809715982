/* SPDX-License-Identifier: PostgreSQL
 *
 * zset.h: what the commands on sorted sets share with those on several (zset_combine.c) and those that wait (blocking.c).
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

/* Takes away so many from an end, which are there, writes them with their scores, and closes the set. */
extern void kv_zset_pop(KvCall *call, KvZset *zset, bool highest, uint64 count, bool pairs);

/* ZMPOP's answer, of the set that argument i is. */
extern KvOutcome kv_zset_pop_many(KvCall *call, int i, KvZset *zset, bool highest, int64 count);

/* Reads numkeys, which argument `at` is, and what follows the keys; answers and returns false if something is wrong. */
extern bool kv_zmpop_options(KvCall *call, int at, int *keys, bool *highest, int64 *count);

#endif
