/* SPDX-License-Identifier: PostgreSQL
 *
 * pubsub.c: SUBSCRIBE and its like, PUBLISH, PUBSUB.
 *
 * What is subscribed to is a topic: a channel, found by a keyed hash of its name, or a pattern, which every message of
 * its tenant is held against.  A topic has its subscriptions, and a session those that are its own; a hash of both finds
 * one.  Subscriptions and names are in the memory of the clients whose they are, of which pgfirst.redis_client_memory
 * is the limit.  How messages come here: publish.h; how others know what there is here, and this worker what they
 * have: topics.h.
 *
 * Time.  Whoever may subscribe to patterns, or publish to long names, can make each message as expensive as it likes.  So
 * messages are told in slices, between which the loop does everything else, and a pattern has a share of what the
 * patterns of its tenant may cost together: with what is more it does not match.  Not to take the share of one from the
 * others, it is the same for all.  PUBLISH counts whom the message goes to before it goes, in all workers; that has a
 * budget for the turn, and behind it only the subscribers of channels are counted.  While messages are left from the last slice,
 * PUBLISH waits, as it would in Redis for the one before it, or the messages would become more and more.
 *
 * A subscription is its tenant's.  When the session is of another one, or nobody any longer, all of them end, and the
 * connection does, as Redis ends those whose user may not hear a channel any more.  Most subscribers send nothing, so
 * this is looked at when there is something to tell, and now and then.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "kv/auth.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/pubsub.h"
#include "kv/cmd/server.h"
#include "kv/cmd/topics.h"
#include "kv/database.h"
#include "kv/settings.h"

#define PATTERN_BYTES_MAX 1024
#define PATTERNS_MAX      10000 /* of one client */

/* Steps of matching (lib/glob), of which a millisecond has some hundred thousand. */
#define STEPS_ALL   ((size_t) 4 * 1000 * 1000) /* for the patterns of a tenant */
#define STEPS_LEAST ((size_t) 4 * 1024)        /* for one */
#define STEPS_MOST  ((size_t) 64 * 1024)
#define PACE_US     ((int64) 100 * 1000)
#define STEPS_CHEAP ((size_t) 4 * 1024) /* of a command after which nobody need look at the clock */
#define STEPS_OTHER ((size_t) 256)      /* what it takes to come to a pattern of another worker */

typedef struct Topic
{
	KvTopicKey key;
	struct Tenant *tenant;
	dlist_node tenant_link;
	dlist_head subscriptions;
	int count;
	uint32 place; /* where others see it */
} Topic;

typedef struct Tenant
{
	uint32 number;
	dlist_head topics[2]; /* channels, and patterns */
	int patterns;
	int hidden[2]; /* topics that others do not see */
} Tenant;

typedef struct Subscription
{
	dlist_node topic_link;
	dlist_node session_link;
	Topic *topic;
	KvSession *session;
	size_t length;
	char name[FLEXIBLE_ARRAY_MEMBER];
} Subscription;

typedef struct PairKey
{
	Topic *topic;
	KvSession *session;
} PairKey;

typedef struct Pair
{
	PairKey key;
	Subscription *subscription;
} Pair;

static struct
{
	HTAB *tenants;
	HTAB *topics;
	HTAB *pairs;
	int64 count; /* of all subscriptions */

	/* The message that is being told. */
	bool telling;
	KvMessage message;
	Subscription *next; /* is to be told; NULL: the topic has no more */
	Topic *pattern;     /* is to be held against it; NULL: none is left */
	bool late;          /* the time of a slice did not suffice */

	/* The topic that PUBSUB CHANNELS looks at next. */
	Topic *listed;

	/* What counting receivers may still cost in the turn of this moment. */
	int64 turn_ms;
	size_t steps;
} all;

/* ---- topics ---------------------------------------------------------------------------------- */

static void
tables_make(void)
{
	HASHCTL tenants = {
	    .keysize = sizeof(uint32), .entrysize = sizeof(Tenant), .hcxt = TopMemoryContext};
	HASHCTL topics = {
	    .keysize = sizeof(KvTopicKey), .entrysize = sizeof(Topic), .hcxt = TopMemoryContext};
	HASHCTL pairs = {
	    .keysize = sizeof(PairKey), .entrysize = sizeof(Pair), .hcxt = TopMemoryContext};
	int flags = HASH_ELEM | HASH_BLOBS | HASH_CONTEXT;

	if (!all.tenants)
		all.tenants = hash_create("pgfirst topics' tenants", 16, &tenants, flags);
	if (!all.topics)
		all.topics = hash_create("pgfirst topics", 64, &topics, flags);
	if (!all.pairs)
		all.pairs = hash_create("pgfirst subscriptions", 64, &pairs, flags);
}

static KvTopicKey
topic_key(uint32 tenant, RespSlice name, bool pattern)
{
	KvTopicKey key = {.tenant = tenant, .pattern = pattern};

	kv_publish_hash(name, &key.id);
	return key;
}

/* NULL if no client of this worker has subscribed to it. */
static Topic *
topic_at(const KvTopicKey *key)
{
	Topic *topic = all.count > 0 ? hash_search(all.topics, key, HASH_FIND, NULL) : NULL;

	return topic && topic->count > 0 ? topic : NULL;
}

static Topic *
topic_find(uint32 tenant, RespSlice name, bool pattern)
{
	KvTopicKey key = topic_key(tenant, name, pattern);

	return topic_at(&key);
}

static Tenant *
tenant_find(uint32 number, bool make)
{
	Tenant *tenant;
	bool found;

	if (!make)
		return all.count > 0 ? hash_search(all.tenants, &number, HASH_FIND, NULL) : NULL;
	tenant = hash_search(all.tenants, &number, HASH_ENTER, &found);
	if (!found)
	{
		tenant->patterns = 0;
		tenant->hidden[false] = tenant->hidden[true] = 0;
		dlist_init(&tenant->topics[false]);
		dlist_init(&tenant->topics[true]);
	}
	return tenant;
}

/* It is in its tenant's list when it has a subscription. */
static Topic *
topic_make(uint32 number, RespSlice name, bool pattern)
{
	KvTopicKey key = topic_key(number, name, pattern);
	Tenant *tenant = tenant_find(number, true);
	bool found;
	Topic *topic = hash_search(all.topics, &key, HASH_ENTER, &found);

	topic->tenant = tenant;
	if (found)
		return topic;
	topic->count = 0;
	topic->place = KV_TOPIC_HIDDEN;
	dlist_init(&topic->subscriptions);
	return topic;
}

/* Of its first subscription, of which there is one. */
static RespSlice
topic_name(Topic *topic)
{
	Subscription *first = dlist_head_element(Subscription, topic_link, &topic->subscriptions);

	return (RespSlice){first->name, first->length};
}

/* Shows others how many subscriptions it has. */
static void
topic_show(Topic *topic)
{
	uint32 before = topic->place;

	topic->place = kv_topics_show(&topic->key, topic_name(topic), before, topic->count);
	if (before == KV_TOPIC_HIDDEN && topic->place != KV_TOPIC_HIDDEN)
		topic->tenant->hidden[topic->key.pattern]--;
}

/* It has one subscription more. */
static void
topic_grow(Topic *topic)
{
	if (topic->count++ == 0)
	{
		dlist_push_tail(&topic->tenant->topics[topic->key.pattern], &topic->tenant_link);
		topic->tenant->patterns += (int) topic->key.pattern;
		topic->tenant->hidden[topic->key.pattern]++;
	}
	topic_show(topic);
}

/* The first topic of this kind, and the one behind; NULL if there is none. */
static Topic *
topic_first(Tenant *tenant, bool pattern)
{
	if (!tenant || dlist_is_empty(&tenant->topics[pattern]))
		return NULL;
	return dlist_head_element(Topic, tenant_link, &tenant->topics[pattern]);
}

static Topic *
topic_behind(Topic *topic)
{
	dlist_head *topics = &topic->tenant->topics[topic->key.pattern];

	if (!dlist_has_next(topics, &topic->tenant_link))
		return NULL;
	return dlist_container(Topic, tenant_link, dlist_next_node(topics, &topic->tenant_link));
}

static Subscription *
subscription_behind(Subscription *subscription)
{
	dlist_head *subscriptions = &subscription->topic->subscriptions;
	dlist_node *node = &subscription->topic_link;

	if (!dlist_has_next(subscriptions, node))
		return NULL;
	return dlist_container(Subscription, topic_link, dlist_next_node(subscriptions, node));
}

/* A topic without subscriptions goes; whoever would look at it next looks at the one behind. */
static void
topic_end(Topic *topic)
{
	Tenant *tenant = topic->tenant;

	if (all.pattern == topic)
		all.pattern = topic_behind(topic);
	if (all.listed == topic)
		all.listed = topic_behind(topic);
	dlist_delete(&topic->tenant_link);
	tenant->patterns -= (int) topic->key.pattern;
	if (topic->place == KV_TOPIC_HIDDEN)
		tenant->hidden[topic->key.pattern]--;
	kv_topics_hide(topic->place);
	(void) hash_search(all.topics, &topic->key, HASH_REMOVE, NULL);
	if (dlist_is_empty(&tenant->topics[false]) && dlist_is_empty(&tenant->topics[true]))
		(void) hash_search(all.tenants, &tenant->number, HASH_REMOVE, NULL);
}

/* It has one subscription less. */
static void
topic_shrink(Topic *topic)
{
	if (--topic->count == 0)
		topic_end(topic);
	else
		topic_show(topic);
}

/* ---- subscriptions --------------------------------------------------------------------------- */

static int *
subscriptions_count(KvSession *session, bool pattern)
{
	return pattern ? &session->patterns : &session->channels;
}

static void
subscription_end(Subscription *subscription)
{
	Topic *topic = subscription->topic;
	KvSession *session = subscription->session;
	const RespAllocator *allocator = &session->reply.allocator;
	PairKey key = {topic, session};

	if (all.next == subscription)
		all.next = subscription_behind(subscription);
	dlist_delete(&subscription->topic_link);
	dlist_delete(&subscription->session_link);
	--*subscriptions_count(session, topic->key.pattern);
	(void) hash_search(all.pairs, &key, HASH_REMOVE, NULL);
	allocator->resize(allocator->context, subscription, 0);
	topic_shrink(topic);
	if (--all.count == 0)
		kv_publish_subscribed(false);
}

static Subscription *
subscription_find(KvSession *session, RespSlice name, bool pattern)
{
	PairKey key = {topic_find(session->tenant, name, pattern), session};
	Pair *pair = key.topic ? hash_search(all.pairs, &key, HASH_FIND, NULL) : NULL;

	return pair ? pair->subscription : NULL;
}

/* Subscribes to what it has not subscribed to; false, and nothing is changed, without memory. */
static bool
subscribe(KvSession *session, RespSlice name, bool pattern)
{
	const RespAllocator *allocator = &session->reply.allocator;
	Subscription *subscription;
	PairKey key = {.session = session};
	Pair *pair;

	tables_make();
	/* First: it may take the subscriptions of another client for it. */
	subscription = allocator->resize(allocator->context, NULL,
	                                 offsetof(Subscription, name) + Max(name.length, 1));
	if (!subscription)
		return false;
	key.topic = topic_make(session->tenant, name, pattern);
	pair = hash_search(all.pairs, &key, HASH_ENTER, NULL);
	pair->subscription = subscription;
	subscription->topic = key.topic;
	subscription->session = session;
	subscription->length = name.length;
	memcpy(subscription->name, name.data, name.length);
	dlist_push_tail(&key.topic->subscriptions, &subscription->topic_link);
	dlist_push_tail(&session->subscriptions[pattern], &subscription->session_link);
	topic_grow(key.topic);
	++*subscriptions_count(session, pattern);
	if (all.count++ == 0)
		kv_publish_subscribed(true);
	return true;
}

/* The session's first subscription of this kind; NULL if it has none. */
static Subscription *
subscription_first(KvSession *session, bool pattern)
{
	if (dlist_is_empty(&session->subscriptions[pattern]))
		return NULL;
	return dlist_head_element(Subscription, session_link, &session->subscriptions[pattern]);
}

void
kv_pubsub_forget(KvSession *session)
{
	for (int pattern = false; pattern <= true; pattern++)
		while (!dlist_is_empty(&session->subscriptions[pattern]))
			subscription_end(subscription_first(session, pattern));
}

void
kv_pubsub_part(KvSession *session)
{
	Subscription *first = subscription_first(session, false);

	if (!first)
		first = subscription_first(session, true);
	if (!first || (OidIsValid(session->role) && session->tenant == first->topic->key.tenant))
		return;
	kv_pubsub_forget(session);
	kv_session_kill(session);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* What each of so many patterns of a tenant may cost. */
static size_t
steps_share(int patterns)
{
	size_t share = STEPS_ALL / (size_t) Max(patterns, 1);

	return Min(Max(share, STEPS_LEAST), STEPS_MOST);
}

/* Whether one of so many patterns matches; *steps becomes what is left of them. */
static bool
pattern_matches(RespSlice pattern, int patterns, RespSlice channel, size_t *steps)
{
	size_t share = Min(steps_share(patterns), *steps);
	size_t left = share;
	bool matches = kv_pattern_matches(pattern, channel, false, &left);

	*steps -= share - left;
	return matches;
}

static bool
topic_matches(Topic *topic, RespSlice channel, size_t *steps)
{
	return pattern_matches(topic_name(topic), topic->tenant->patterns, channel, steps);
}

/* Whether the subscriber is still who it was. */
static bool
may_hear(KvSession *session, bool available, int64 now_ms)
{
	/* Nobody can say now of which tenant it is that has just logged in. */
	if (session->killed || session->close || (session->granted == 0 && !available))
		return false;
	if (!kv_auth_is_current(session, now_ms) &&
	    kv_auth_look(session, available, now_ms) == KV_STANDING_BUSY)
		return false;
	return !session->killed;
}

bool
kv_pubsub_behind(void)
{
	return all.telling || kv_publish_waiting();
}

/* The next message: who is to be told first of all? */
static bool
message_begin(void)
{
	Topic *topic;

	if (!kv_publish_next(&all.message))
		return false;
	topic = topic_find(all.message.tenant, all.message.channel, false);
	all.next = topic ? dlist_head_element(Subscription, topic_link, &topic->subscriptions) : NULL;
	all.pattern = topic_first(tenant_find(all.message.tenant, false), true);
	all.telling = true;
	return true;
}

/* The next topic that has subscribers to be told; or the message is told. */
static void
message_next_topic(void)
{
	Topic *topic = all.pattern;
	size_t steps = STEPS_MOST;

	all.telling = topic != NULL;
	if (!topic)
		return;
	all.pattern = topic_behind(topic);
	if (topic_matches(topic, all.message.channel, &steps))
		all.next = dlist_head_element(Subscription, topic_link, &topic->subscriptions);
}

void
kv_pubsub_tell(int64 until_us, KvPubsubTell tell)
{
	bool available = kv_databases_ready(false) == KV_READY;
	int64 now_ms = pgfirst_clock_wall_ms();

	while ((all.telling || message_begin()) && pgfirst_clock_monotonic_us() < until_us)
	{
		Subscription *subscription = all.next;
		RespSlice pattern = {NULL, 0};

		if (!subscription)
		{
			message_next_topic();
			continue;
		}
		/* It may end while it is told, and so may others, whose memory is taken for it. */
		all.next = subscription_behind(subscription);
		if (!may_hear(subscription->session, available, now_ms))
			continue;
		if (subscription->topic->key.pattern)
			pattern = (RespSlice){subscription->name, subscription->length};
		tell(subscription->session, pattern, &all.message);
	}
	all.late = kv_pubsub_behind();
	if (!all.telling)
		(void) kv_publish_next(NULL);
}

void
kv_pubsub_look(void)
{
	bool available = kv_databases_ready(false) == KV_READY;
	int64 now_ms = pgfirst_clock_wall_ms();
	dlist_iter iterator;

	dlist_foreach (iterator, &kv_sessions.list)
	{
		KvSession *session = dlist_container(KvSession, link, iterator.cur);

		if (session->channels + session->patterns > 0)
			(void) may_hear(session, available, now_ms);
	}
}

/* Whether it is known whose tenant the session is; it may be that after AUTH that cannot be found out at once. */
static bool
tenant_known(KvCall *call, KvOutcome *outcome)
{
	*outcome = KV_DONE;
	if (call->session->granted != 0)
		return true;
	*outcome = kv_locked_out(call, 0, "the list of rights");
	return false;
}

/* ---- PUBLISH --------------------------------------------------------------------------------- */

/* How many subscriptions a channel has. */
static int64
subscribers(uint32 tenant, RespSlice channel)
{
	KvTopicKey key = topic_key(tenant, channel, false);
	const Topic *topic = topic_at(&key);

	return (topic ? topic->count : 0) + kv_topics_count(&key);
}

/* How many subscriptions to patterns that match; those of this worker's clients, and of the others'. */
static int64
own_by_pattern(uint32 tenant, RespSlice channel)
{
	int64 count = 0;

	for (Topic *topic = topic_first(tenant_find(tenant, false), true); topic && all.steps > 0;
	     topic = topic_behind(topic))
		if (topic_matches(topic, channel, &all.steps))
			count += topic->count;
	return count;
}

static int64
others_by_pattern(uint32 tenant, RespSlice channel)
{
	KvTopicsWalk walk;
	KvTopicShown topic;
	int patterns = -1;
	int64 count = 0;
	uint32 passed = 0;

	kv_topics_walk(&walk, tenant, true);
	while (all.steps > 0 && kv_topics_next(&walk, &topic))
	{
		if (patterns < 0)
			patterns = kv_topics_number(tenant, true);
		all.steps -= Min(all.steps, STEPS_OTHER * (walk.passed - passed));
		passed = walk.passed;
		if (pattern_matches(topic.name, patterns, channel, &all.steps))
			count += topic.count;
	}
	return count;
}

/* How many subscriptions the message will go to. */
static int64
receivers(KvCall *call, RespSlice channel)
{
	uint32 tenant = call->session->tenant;
	int64 count;
	size_t before;

	if (!kv_publish_wanted())
		return 0;
	if (all.turn_ms != call->now_ms)
		all.steps = STEPS_ALL;
	all.turn_ms = call->now_ms;
	before = all.steps;
	count = subscribers(tenant, channel);
	count += own_by_pattern(tenant, channel);
	count += others_by_pattern(tenant, channel);
	call->lengthy |= before - all.steps > STEPS_CHEAP;
	return count;
}

/* For how long the command has been waiting. */
static int64
publish_waited_us(KvCall *call, int64 now_us)
{
	if (call->session->wait_until_us == 0)
		call->session->wait_until_us = now_us;
	return now_us - call->session->wait_until_us;
}

/* Not for ever: other workers may send more than this one can tell. */
static bool
publish_paces(KvCall *call)
{
	return all.late && !call->atomic &&
	       publish_waited_us(call, pgfirst_clock_monotonic_us()) < PACE_US;
}

/* What waits will be told; after pgfirst.redis_lock_timeout it answers that it is not. */
static KvOutcome
publish_later(KvCall *call)
{
	KvSession *session = call->session;
	int64 now_us = pgfirst_clock_monotonic_us();

	if (call->atomic ||
	    publish_waited_us(call, now_us) >= (int64) pgfirst_redis_lock_timeout * 1000)
	{
		kv_reply_error(call, "OOM %zu bytes of messages wait for subscribers, and more may not",
		               KV_PUBLISH_MAX);
		return KV_DONE;
	}
	/* Part of it may be what this turn has published. */
	call->ends_turn = true;
	session->call_again_us = now_us + 1000;
	return KV_PARK_NEWS;
}

/* PUBLISH channel message */
KvOutcome
kv_cmd_publish(KvCall *call)
{
	RespSlice channel = kv_argument(call, 1);
	KvOutcome outcome;

	if (!tenant_known(call, &outcome))
		return outcome;
	if (publish_paces(call))
		return KV_PARK_TURN;
	/* Also where nobody is counted: who subscribes before the commit may have looked for what it is about in vain. */
	switch (kv_publish(call->session->tenant, channel, kv_argument(call, 2)))
	{
		case KV_PUBLISHED:
			pgfirst_resp_write_integer(call->reply, receivers(call, channel));
			break;
		case KV_PUBLISH_LARGE:
			kv_reply_error(call, "ERR a message may have at most %zu bytes", KV_PUBLISH_MAX);
			break;
		case KV_PUBLISH_FULL:
			return publish_later(call);
		case KV_PUBLISH_MEMORY:
			kv_reply_error(call, "OOM the server has no shared memory for the message");
			break;
	}
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
	KvOutcome outcome;

	if (!tenant_known(call, &outcome))
		return outcome;
	for (int i = 1; i < call->argc; i++)
	{
		RespSlice name = kv_argument(call, i);

		if (!subscription_find(call->session, name, pattern) &&
		    !subscribe(call->session, name, pattern))
		{
			kv_reply_error(call, "OOM the buffers of all clients together would exceed "
			                     "pgfirst.redis_client_memory");
			return KV_DONE;
		}
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
	for (int i = 1; i < call->argc; i++)
		if (kv_argument(call, i).length > PATTERN_BYTES_MAX)
		{
			kv_reply_error(call, "ERR a pattern may have at most %d bytes", PATTERN_BYTES_MAX);
			return KV_DONE;
		}
	if (call->session->patterns + call->argc - 1 > PATTERNS_MAX)
	{
		kv_reply_error(call, "ERR a client may subscribe to at most %d patterns", PATTERNS_MAX);
		return KV_DONE;
	}
	return subscribe_all(call, true);
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
		RespSlice name = kv_slice_copy((RespSlice){subscription->name, subscription->length});

		subscription_end(subscription);
		reply_subscribed(call, kind, name);
		pfree(unconstify(char *, name.data));
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

int
kv_pubsub_topics(const KvSession *session, bool pattern)
{
	const Tenant *tenant;

	if (session->granted == 0)
		return 0;
	tenant = tenant_find(session->tenant, false);
	return (tenant ? tenant->hidden[pattern] : 0) + kv_topics_number(session->tenant, pattern);
}

/* The most that a reply has around a name. */
#define NAME_FRAME 64

/* What PUBSUB CHANNELS has found. */
typedef struct Found
{
	RespSlice pattern; /* data NULL: all */
	size_t steps;
	size_t count;
	RespBuffer names;
} Found;

static void
channel_add(Found *found, RespSlice name)
{
	if (found->pattern.data && !kv_pattern_matches(found->pattern, name, false, &found->steps))
		return;
	pgfirst_resp_write_bulk(&found->names, name.data, name.length);
	found->count++;
}

/* The memory for a name may be taken from who has subscribed to it: then the topic that is listed is the one behind. */
static void
channels_add_own(Found *found, uint32 tenant)
{
	all.listed = topic_first(tenant_find(tenant, false), false);
	while (all.listed && found->steps > 0)
	{
		Topic *topic = all.listed;

		if (!pgfirst_resp_reserve(&found->names, topic_name(topic).length + NAME_FRAME))
			return;
		if (all.listed != topic)
			continue;
		channel_add(found, topic_name(topic));
		all.listed = topic_behind(topic);
	}
}

static void
channels_add_others(Found *found, uint32 tenant)
{
	KvTopicsWalk walk;
	KvTopicShown topic;

	kv_topics_walk(&walk, tenant, false);
	while (found->steps > 0 && kv_topics_next(&walk, &topic))
		if (!topic_at(&topic.key))
			channel_add(found, topic.name);
}

/* PUBSUB CHANNELS [pattern] */
KvOutcome
kv_cmd_pubsub_channels(KvCall *call)
{
	Found found = {.steps = KV_PATTERN_STEPS};
	KvOutcome outcome;

	if (call->argc > 3)
	{
		kv_reply_subcommand_syntax(call);
		return KV_DONE;
	}
	if (!tenant_known(call, &outcome))
		return outcome;
	if (call->argc > 2)
		found.pattern = kv_argument(call, 2);
	pgfirst_resp_buffer_init(&found.names, call->reply->allocator, call->reply->protocol);
	channels_add_own(&found, call->session->tenant);
	channels_add_others(&found, call->session->tenant);
	if (found.steps > 0)
	{
		pgfirst_resp_write_array(call->reply, found.count);
		pgfirst_resp_write_raw(call->reply, found.names.data, found.names.length);
		call->reply->failed |= found.names.failed;
	}
	else
		kv_reply_pattern(call);
	pgfirst_resp_buffer_free(&found.names);
	return KV_DONE;
}

/* PUBSUB NUMSUB [channel ...] */
KvOutcome
kv_cmd_pubsub_numsub(KvCall *call)
{
	KvOutcome outcome;

	if (!tenant_known(call, &outcome))
		return outcome;
	pgfirst_resp_write_array(call->reply, (size_t) (call->argc - 2) * 2);
	for (int i = 2; i < call->argc; i++)
	{
		RespSlice name = kv_argument(call, i);

		kv_reply_slice(call, name);
		pgfirst_resp_write_integer(call->reply, subscribers(call->session->tenant, name));
	}
	return KV_DONE;
}

/* PUBSUB NUMPAT: patterns, not their subscribers. */
KvOutcome
kv_cmd_pubsub_numpat(KvCall *call)
{
	KvOutcome outcome;

	if (!tenant_known(call, &outcome))
		return outcome;
	pgfirst_resp_write_integer(call->reply, kv_pubsub_topics(call->session, true));
	return KV_DONE;
}
