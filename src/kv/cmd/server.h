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

#endif
