/* SPDX-License-Identifier: PostgreSQL
 *
 * pubsub.h: which sessions of this worker have subscribed to what, and who is told of a message.
 */
#ifndef PGFIRST_KV_PUBSUB_H
#define PGFIRST_KV_PUBSUB_H

#include "kv/cmd/session.h"
#include "kv/publish.h"

/* Forgets all that the session has subscribed to, without telling it. */
extern void kv_pubsub_forget(KvSession *session);

/*
 * The session's role or tenant may be another one now.  What it has subscribed to is of the tenant that it was of: it
 * ends, and the connection with it, from which no answer would tell.
 */
extern void kv_pubsub_part(KvSession *session);

/*
 * How many channels, or patterns, the clients of its tenant have subscribed to, in all workers; none while nobody knows
 * of which tenant it is.
 */
extern int kv_pubsub_topics(const KvSession *session, bool pattern);

typedef void (*KvPubsubTell)(KvSession *session, RespSlice pattern, const KvMessage *message);

/* Whether there are messages to be told to this worker's clients. */
extern bool kv_pubsub_behind(void);

/*
 * Calls `tell` for every subscription that a message is for, with the pattern (data NULL: it is to the channel
 * itself), until all messages are told or this moment has come; the next call goes on.  Whoever is not who it was when it
 * subscribed is not told, and disconnected.  In a transaction.
 */
extern void kv_pubsub_tell(int64 until_us, KvPubsubTell tell);

/* Looks at all subscribers of whom something may have changed, for those to whom nobody sends.  Likewise. */
extern void kv_pubsub_look(void);

#endif
