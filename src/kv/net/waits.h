/* SPDX-License-Identifier: PostgreSQL
 *
 * waits.h: the clients of a worker that wait for keys, in the order in which they came.
 */
#ifndef PGFIRST_KV_WAITS_H
#define PGFIRST_KV_WAITS_H

#include "kv/net/client.h"

/*
 * The client waits for these arguments of its call, from now until kv_waits_end().  Who waits already stays where it is in
 * the order; returns whether it has begun just now.  Without memory it is broken.
 */
extern bool kv_waits_begin(KvClient *client, const KvCall *call);
extern void kv_waits_end(KvClient *client);

/* The client that waits for the key longest; NULL if none does. */
extern KvClient *kv_waits_first(const PgfirstId *id);

/* The same of those behind a client that waits for it. */
extern KvClient *kv_waits_behind(const PgfirstId *id, const KvClient *client);

/* The same, if it waits for another type than that client does. */
extern KvClient *kv_waits_other(const PgfirstId *id, const KvClient *client);

/* Calls `each` once for every key of the slot that is waited for. */
extern void kv_waits_keys(uint32 slot, void (*each)(const PgfirstId *id));

#endif
