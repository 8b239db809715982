/* SPDX-License-Identifier: PostgreSQL
 *
 * server.h: what several of the commands about clients and the server share.
 */
#ifndef PGFIRST_KV_SERVER_H
#define PGFIRST_KV_SERVER_H

#include "kv/cmd/command.h"

/* The Redis version whose behaviour and words this is; clients decide by it what they send. */
#define KV_REDIS_VERSION "7.2.0"

/*
 * Whether a client's name, or another of its texts, has only printable characters without spaces.
 * Answers and returns false if not; `what` begins the error.
 */
extern bool kv_client_name_valid(KvCall *call, RespSlice name, const char *what);

/* A subcommand that exists, with more arguments than it has. */
extern void kv_reply_subcommand_syntax(KvCall *call);

/* Reads argument i as a number of milliseconds, 0 or more; answers and returns false if it is none. */
extern bool kv_argument_timeout(KvCall *call, int i, int64 *milliseconds);

/* When so many milliseconds will be over; a hundred years of them at most. */
extern int64 kv_timeout_end(int64 now_us, int64 milliseconds);

/* How many standbys stream from this server. */
extern int kv_replicas_count(void);

#endif
