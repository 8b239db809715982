/* SPDX-License-Identifier: PostgreSQL
 *
 * pubsub.h: which sessions of this worker have subscribed to what.
 */
#ifndef PGFIRST_KV_PUBSUB_H
#define PGFIRST_KV_PUBSUB_H

#include "kv/cmd/session.h"
#include "kv/publish.h"

/* Forgets all that the session has subscribed to, without telling it. */
extern void kv_pubsub_forget(KvSession *session);

/* The same of what it has subscribed to as another tenant. */
extern void kv_pubsub_forget_others(KvSession *session);

/*
 * Calls `tell` for every subscription that the message is for, with the pattern (data NULL: it is to the channel
 * itself).
 */
extern void kv_pubsub_tell(const KvMessage *message,
                           void (*tell)(KvSession *session, RespSlice pattern,
                                        const KvMessage *message));

#endif
