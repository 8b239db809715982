/* SPDX-License-Identifier: PostgreSQL
 *
 * publish.h: messages on their way from who publishes, in whatever process, to the workers whose clients have subscribed.
 *
 * A message is made when it is published, in shared memory, and goes to the queue of each worker that has
 * subscribers when the transaction commits; if that fails there has been no message, nor if the savepoint behind which
 * it was made is rolled back.  So a client that is told of a result finds it, and PUBLISH behind MULTI or in SQL is part
 * of the transaction.  A reply that depends on a change waits until that is durable, and so does a message.
 *
 * All messages take this way, those of a worker to its own clients too, so that all subscribers see those of one
 * publisher in one order.  What waits in queues is bounded: when it is KV_PUBLISH_MAX, nothing more is published until
 * some of it has been told.
 */
#ifndef PGFIRST_KV_PUBLISH_H
#define PGFIRST_KV_PUBLISH_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "lib/resp/resp.h"
#include "store/store.h"

#define KV_PUBLISH_MAX ((Size) 64 * 1024 * 1024)

typedef struct KvMessage
{
	uint32 tenant;
	RespSlice channel;
	RespSlice message;
	XLogRecPtr position; /* that must be durable before anybody is told */
} KvMessage;

typedef enum KvPublished
{
	KV_PUBLISHED,
	KV_PUBLISH_LARGE, /* it never fits */
	KV_PUBLISH_FULL,  /* too much waits to be told, or for this commit */
	KV_PUBLISH_MEMORY /* the server has no shared memory for it now */
} KvPublished;

/*
 * Publishes when the transaction commits.  What the command under way has read of other transactions is durable
 * before anybody is told (position.h).
 */
extern KvPublished kv_publish(uint32 tenant, RespSlice channel, RespSlice message);

/* What the transaction has published until now; and takes back what it has published since. */
extern int kv_publish_mark(void);
extern void kv_publish_take_back(int mark);

/* Whether what the transaction under way publishes waits until its changes are durable; it does if nothing is said. */
extern void kv_publish_waits(bool wait);

/*
 * A hash of the name of a channel or pattern, keyed by chance for as long as the server runs: subscribers outlive the
 * extension, and the secret that its keys are hashed with.
 */
extern void kv_publish_hash(RespSlice name, PgfirstId *id);

/* Whether anybody has subscribed to anything, in any worker. */
extern bool kv_publish_wanted(void);

/* For a worker: whether its clients have subscribed to anything. */
extern void kv_publish_subscribed(bool any);

/* For a worker: whether there is a message for it. */
extern bool kv_publish_waiting(void);

/*
 * The next message for this worker's clients, good until the next call; false if there is none.  NULL only gives the
 * last one back.
 */
extern bool kv_publish_next(KvMessage *message);

/* Worker `number`, from 1, begins. */
extern void kv_publish_begin(int number);

/* Called once by _PG_init. */
extern void kv_publish_init(void);

#endif
