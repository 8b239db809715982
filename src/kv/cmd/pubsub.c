/* SPDX-License-Identifier: PostgreSQL
 *
 * pubsub.c: SUBSCRIBE and its like, PUBLISH, PUBSUB.
 *
 * What is subscribed to is a topic: a channel, found by a keyed hash of its name, or a pattern, which every message is
 * held against.  A topic has its subscriptions, and a session those that are its own.  How messages come here: publish.h.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/pubsub.h"
#include "kv/cmd/server.h"
#include "kv/id.h"

typedef struct TopicKey
{
	PgfirstId id; /* of the name; see kv_id_of_topic() */
	uint32 tenant;
	uint32 pattern; /* 1: it is one */
} TopicKey;

typedef struct Topic
{
	TopicKey key;
	dlist_head subscriptions;
	int count;
	RespSlice name;
} Topic;

typedef struct Subscription
{
	dlist_node topic_link;
	dlist_node session_link;
	Topic *topic;
	KvSession *session;
} Subscription;

static HTAB *topics;
static int patterns; /* topics that are patterns */

/* ---- topics ---------------------------------------------------------------------------------- */

static TopicKey
topic_key(uint32 tenant, RespSlice name, bool pattern)
{
	TopicKey key = {.tenant = tenant, .pattern = pattern};

	kv_id_of_topic(name.data, name.length, &key.id);
	return key;
}

static Topic *
topic_find(uint32 tenant, RespSlice name, bool pattern, bool make)
{
	TopicKey key = topic_key(tenant, name, pattern);
	Topic *topic;
	bool found;
	char *copy;

	if (!topics)
	{
		HASHCTL control = {
		    .keysize = sizeof(TopicKey), .entrysize = sizeof(Topic), .hcxt = TopMemoryContext};

		topics = hash_create("pgfirst topics", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	if (!make)
		return hash_search(topics, &key, HASH_FIND, NULL);
	/* First what may fail. */
	copy = MemoryContextAlloc(TopMemoryContext, Max(name.length, 1));
	topic = hash_search(topics, &key, HASH_ENTER, &found);
	if (found)
	{
		pfree(copy);
		return topic;
	}
	memcpy(copy, name.data, name.length);
	topic->name = (RespSlice){copy, name.length};
	topic->count = 0;
	dlist_init(&topic->subscriptions);
	patterns += pattern;
	return topic;
}

static void
subscription_end(Subscription *subscription)
{
	Topic *topic = subscription->topic;

	dlist_delete(&subscription->topic_link);
	dlist_delete(&subscription->session_link);
	if (topic->key.pattern)
		subscription->session->patterns--;
	else
		subscription->session->channels--;
	pfree(subscription);
	if (--topic->count > 0)
		return;
	patterns -= topic->key.pattern;
	pfree(unconstify(char *, topic->name.data));
	(void) hash_search(topics, &topic->key, HASH_REMOVE, NULL);
	if (hash_get_num_entries(topics) == 0)
		kv_publish_subscribed(false);
}

static Subscription *
subscription_find(KvSession *session, RespSlice name, bool pattern)
{
	Topic *topic = topic_find(session->tenant, name, pattern, false);
	dlist_iter iterator;

	if (!topic)
		return NULL;
	dlist_foreach (iterator, &session->subscriptions)
	{
		Subscription *subscription = dlist_container(Subscription, session_link, iterator.cur);

		if (subscription->topic == topic)
			return subscription;
	}
	return NULL;
}

static void
subscribe(KvSession *session, RespSlice name, bool pattern)
{
	Subscription *subscription = MemoryContextAlloc(TopMemoryContext, sizeof(Subscription));

	subscription->topic = topic_find(session->tenant, name, pattern, true);
	subscription->session = session;
	dlist_push_tail(&subscription->topic->subscriptions, &subscription->topic_link);
	dlist_push_tail(&session->subscriptions, &subscription->session_link);
	subscription->topic->count++;
	if (pattern)
		session->patterns++;
	else
		session->channels++;
	if (hash_get_num_entries(topics) == 1)
		kv_publish_subscribed(true);
}

void
kv_pubsub_forget(KvSession *session)
{
	while (!dlist_is_empty(&session->subscriptions))
		subscription_end(
		    dlist_container(Subscription, session_link, dlist_head_node(&session->subscriptions)));
}

void
kv_pubsub_forget_others(KvSession *session)
{
	dlist_mutable_iter iterator;

	dlist_foreach_modify (iterator, &session->subscriptions)
	{
		Subscription *subscription = dlist_container(Subscription, session_link, iterator.cur);

		if (subscription->topic->key.tenant != session->tenant)
			subscription_end(subscription);
	}
}

/* ---- messages -------------------------------------------------------------------------------- */

static void
topic_tell(Topic *topic, const KvMessage *message,
           void (*tell)(KvSession *session, RespSlice pattern, const KvMessage *message))
{
	RespSlice pattern = topic->key.pattern ? topic->name : (RespSlice){NULL, 0};
	dlist_iter iterator;

	dlist_foreach (iterator, &topic->subscriptions)
		tell(dlist_container(Subscription, topic_link, iterator.cur)->session, pattern, message);
}

void
kv_pubsub_tell(const KvMessage *message,
               void (*tell)(KvSession *session, RespSlice pattern, const KvMessage *message))
{
	Topic *topic = topic_find(message->tenant, message->channel, false, false);
	HASH_SEQ_STATUS all;

	if (topic)
		topic_tell(topic, message, tell);
	if (patterns == 0)
		return;
	hash_seq_init(&all, topics);
	while ((topic = hash_seq_search(&all)) != NULL)
	{
		size_t steps = KV_PATTERN_STEPS;

		if (topic->key.pattern && topic->key.tenant == message->tenant &&
		    kv_pattern_matches(topic->name, message->channel, false, &steps))
			topic_tell(topic, message, tell);
	}
}

/* How many subscriptions of this worker the message would go to. */
static int64
receivers(uint32 tenant, RespSlice channel)
{
	Topic *topic = topics ? topic_find(tenant, channel, false, false) : NULL;
	int64 count = topic ? topic->count : 0;
	HASH_SEQ_STATUS all;

	if (patterns == 0)
		return count;
	hash_seq_init(&all, topics);
	while ((topic = hash_seq_search(&all)) != NULL)
	{
		size_t steps = KV_PATTERN_STEPS;

		if (topic->key.pattern && topic->key.tenant == tenant &&
		    kv_pattern_matches(topic->name, channel, false, &steps))
			count += topic->count;
	}
	return count;
}

/* PUBLISH channel message */
KvOutcome
kv_cmd_publish(KvCall *call)
{
	RespSlice channel = kv_argument(call, 1);
	uint32 tenant = call->session->tenant;

	kv_publish(tenant, channel, kv_argument(call, 2));
	pgfirst_resp_write_integer(call->reply, receivers(tenant, channel));
	return KV_DONE;
}

/* ---- subscribing ----------------------------------------------------------------------------- */

static void
reply_subscribed(KvCall *call, const char *kind, RespSlice name)
{
	pgfirst_resp_write_push(call->reply, 3);
	pgfirst_resp_write_text(call->reply, kind);
	if (name.data)
		kv_reply_slice(call, name);
	else
		pgfirst_resp_write_null(call->reply);
	pgfirst_resp_write_integer(call->reply, call->session->channels + call->session->patterns);
}

static KvOutcome
subscribe_all(KvCall *call, bool pattern)
{
	for (int i = 1; i < call->argc; i++)
	{
		RespSlice name = kv_argument(call, i);

		if (!subscription_find(call->session, name, pattern))
			subscribe(call->session, name, pattern);
		reply_subscribed(call, pattern ? "psubscribe" : "subscribe", name);
	}
	return KV_DONE;
}

/* SUBSCRIBE channel [channel ...] */
KvOutcome
kv_cmd_subscribe(KvCall *call)
{
	return subscribe_all(call, false);
}

/* PSUBSCRIBE pattern [pattern ...] */
KvOutcome
kv_cmd_psubscribe(KvCall *call)
{
	return subscribe_all(call, true);
}

/* The session's first subscription of this kind. */
static Subscription *
subscription_first(KvSession *session, bool pattern)
{
	dlist_iter iterator;

	dlist_foreach (iterator, &session->subscriptions)
	{
		Subscription *subscription = dlist_container(Subscription, session_link, iterator.cur);

		if (subscription->topic->key.pattern == (uint32) pattern)
			return subscription;
	}
	return NULL;
}

/* Those that are named, or all; of which there must be at least one answer. */
static KvOutcome
unsubscribe_all(KvCall *call, bool pattern)
{
	const char *kind = pattern ? "punsubscribe" : "unsubscribe";
	Subscription *subscription;

	for (int i = 1; i < call->argc; i++)
	{
		subscription = subscription_find(call->session, kv_argument(call, i), pattern);
		if (subscription)
			subscription_end(subscription);
		reply_subscribed(call, kind, kv_argument(call, i));
	}
	if (call->argc > 1)
		return KV_DONE;
	subscription = subscription_first(call->session, pattern);
	if (!subscription)
		reply_subscribed(call, kind, (RespSlice){NULL, 0});
	for (; subscription; subscription = subscription_first(call->session, pattern))
	{
		RespSlice name = subscription->topic->name;
		RespSlice copy = kv_slice_copy(name);

		subscription_end(subscription);
		reply_subscribed(call, kind, copy);
		pfree(unconstify(char *, copy.data));
	}
	return KV_DONE;
}

/* UNSUBSCRIBE [channel ...] */
KvOutcome
kv_cmd_unsubscribe(KvCall *call)
{
	return unsubscribe_all(call, false);
}

/* PUNSUBSCRIBE [pattern ...] */
KvOutcome
kv_cmd_punsubscribe(KvCall *call)
{
	return unsubscribe_all(call, true);
}

/* ---- PUBSUB ---------------------------------------------------------------------------------- */

/* PUBSUB CHANNELS [pattern] */
KvOutcome
kv_cmd_pubsub_channels(KvCall *call)
{
	RespBuffer found;
	size_t count = 0;
	HASH_SEQ_STATUS all;
	Topic *topic;

	if (call->argc > 3)
	{
		kv_reply_subcommand_syntax(call);
		return KV_DONE;
	}
	pgfirst_resp_buffer_init(&found, call->reply->allocator, call->reply->protocol);
	if (topics)
	{
		hash_seq_init(&all, topics);
		while ((topic = hash_seq_search(&all)) != NULL)
		{
			size_t steps = KV_PATTERN_STEPS;

			if (topic->key.pattern || topic->key.tenant != call->session->tenant ||
			    (call->argc > 2 &&
			     !kv_pattern_matches(kv_argument(call, 2), topic->name, false, &steps)))
				continue;
			pgfirst_resp_write_bulk(&found, topic->name.data, topic->name.length);
			count++;
		}
	}
	pgfirst_resp_write_array(call->reply, count);
	pgfirst_resp_write_raw(call->reply, found.data, found.length);
	call->reply->failed |= found.failed;
	pgfirst_resp_buffer_free(&found);
	return KV_DONE;
}

/* PUBSUB NUMSUB [channel ...] */
KvOutcome
kv_cmd_pubsub_numsub(KvCall *call)
{
	pgfirst_resp_write_array(call->reply, (size_t) (call->argc - 2) * 2);
	for (int i = 2; i < call->argc; i++)
	{
		RespSlice name = kv_argument(call, i);
		Topic *topic = topics ? topic_find(call->session->tenant, name, false, false) : NULL;

		kv_reply_slice(call, name);
		pgfirst_resp_write_integer(call->reply, topic ? topic->count : 0);
	}
	return KV_DONE;
}

/* PUBSUB NUMPAT: patterns of the tenant, not their subscribers. */
KvOutcome
kv_cmd_pubsub_numpat(KvCall *call)
{
	int64 count = 0;
	HASH_SEQ_STATUS all;
	Topic *topic;

	if (patterns > 0)
	{
		hash_seq_init(&all, topics);
		while ((topic = hash_seq_search(&all)) != NULL)
			count += topic->key.pattern && topic->key.tenant == call->session->tenant;
	}
	pgfirst_resp_write_integer(call->reply, count);
	return KV_DONE;
}
