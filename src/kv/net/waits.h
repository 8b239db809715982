/* SPDX-License-Identifier: PostgreSQL
 *
 * waits.h: the clients of a worker that wait for keys, in the order in which they came.
 */
#ifndef PGFIRST_KV_WAITS_H
#define PGFIRST_KV_WAITS_H

#include "kv/net/client.h"
#include "kv/ready.h"
#include "kv/type/key.h"

/*
 * The client waits for the arguments of its call that it names, from now until kv_waits_end().  Who waits already stays
 * where it is in the order; returns whether it has begun just now.  Without memory it is broken.
 */
extern bool kv_waits_begin(KvClient *client, const KvCall *call);
extern void kv_waits_end(KvClient *client);

/*
 * The client that waits for the key longest, behind `client` unless that is NULL, and for a type whose bit is not in
 * `without`; NULL if none does.
 */
extern KvClient *kv_waits_next(const KvReadyKey *key, const KvClient *client, uint32 without);

/* The type that a client waits for. */
extern KvType kv_waits_type(const KvClient *client);

/* Calls `each` once for every key of the slot that is waited for. */
extern void kv_waits_keys(uint32 slot, void (*each)(const KvReadyKey *key));

#endif
