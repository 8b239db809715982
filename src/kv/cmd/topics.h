/* SPDX-License-Identifier: PostgreSQL
 *
 * topics.h: what the clients of all workers have subscribed to, for PUBLISH and PUBSUB to count.
 *
 * A worker has the subscriptions of its own clients only (pubsub.c).  Where there are several workers, each shows in
 * shared memory which topics its clients have subscribed to, and how many times.  Who counts adds what others show to
 * what it has itself, so the number is that of the moment, also within MULTI and scripts, and nobody is waited for.
 *
 *     buckets, by the hash of the name           tenants, by number
 *        |                                          |
 *        v            same topic                    v       channels    patterns
 *      [ topic of worker 1 ]                     [ tenant ] -----+---------+
 *        |                                                       |         |
 *        v                                        in order: [ topic ]   [ topic ]
 *      [ topic of worker 2 ]                                 [ topic ]
 *
 * All of it are cells of 128 bytes in shared memory of a fixed size, so nothing can fail when it is needed, and a cell
 * costs no memory before its first use.  A topic has one for each worker that shows it, and more if its name does not fit.
 * Only its worker changes it.  One lock guards how they hang together; the number of subscriptions is changed without.
 *
 * PUBLISH to who has no subscribers takes no lock: the head of a bucket that is empty says that nobody has subscribed to the
 * channel, and a number beside the tenants' that no other worker has patterns.
 *
 * Room.  There is room for TOPICS_MAX cells.  A tenant may have four times of what is left free, so whoever takes all that it
 * gets leaves room for the next.  A topic that finds none is counted by its own worker only, until somebody else
 * subscribes to it and there is room; messages reach it all the same.  Of a name that is longer than
 * KV_TOPIC_NAME_KEPT only the hash is kept: it is counted, and PUBSUB CHANNELS of other workers does not list it.
 *
 * A worker that ends takes what it shows away; one that is killed takes the server, and all of this, with it.
 *
 * Rejected: counters by the hash of the channel alone, which know no names, count for others what has the same hash,
 * and cannot tell what a worker that ended had counted; an area that grows (area.h), where a change could fail for want of a
 * mapping when a client has already gone; a table for each worker, of which every question would have to look at all.
 */
#ifndef PGFIRST_KV_TOPICS_H
#define PGFIRST_KV_TOPICS_H

#include "lib/resp/resp.h"
#include "store/store.h"

#define KV_TOPIC_NAME_KEPT 1024

typedef struct KvTopicKey
{
	PgfirstId id; /* of the name; see kv_publish_hash() */
	uint32 tenant;
	uint32 pattern; /* 1: it is one */
} KvTopicKey;

#define KV_TOPIC_HIDDEN 0 /* the place of a topic that others do not see */

/* ---- for whose clients they are ------------------------------------------------------------ */

/*
 * How many subscriptions this worker's clients have to a topic, at least one, and where it was shown until now; returns
 * where it is.  With one worker that is nowhere.
 */
extern uint32 kv_topics_show(const KvTopicKey *key, RespSlice name, uint32 place, int count);
extern void kv_topics_hide(uint32 place);

/* ---- for who counts ------------------------------------------------------------------------ */

/* The subscriptions of other workers' clients. */
extern int64 kv_topics_count(const KvTopicKey *key);

/* How many topics of a tenant are shown, this worker's own among them, each counted once. */
extern int kv_topics_number(uint32 tenant, bool pattern);

typedef struct KvTopicsWalk
{
	uint32 tenant;
	bool pattern;
	bool ended;
	uint32 place; /* of the topic it has come to */
	uint64 number;
	uint32 passed; /* topics, this worker's own among them */
	int next;      /* of those that it has read ahead */
	int read;
} KvTopicsWalk;

/* As other workers show it. */
typedef struct KvTopicShown
{
	KvTopicKey key;
	RespSlice name;
	int64 count; /* of their subscriptions */
} KvTopicShown;

/* All topics of this kind that other workers show the names of, each once, in no order that others may rely on. */
extern void kv_topics_walk(KvTopicsWalk *walk, uint32 tenant, bool pattern);

/* The next one, good until the next call; false if there is none.  One walk at a time. */
extern bool kv_topics_next(KvTopicsWalk *walk, KvTopicShown *topic);

/* ---- start --------------------------------------------------------------------------------- */

/* Worker `number`, from 1, begins. */
extern void kv_topics_begin(int number);

/* Called once by kv's init. */
extern void kv_topics_init(void);

#endif
