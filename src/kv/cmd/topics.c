/* SPDX-License-Identifier: PostgreSQL
 *
 * topics.c: what the clients of all workers have subscribed to; see topics.h.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"

#include "base/shmem.h"
#include "kv/cmd/topics.h"
#include "kv/settings.h"

#define TOPICS_MAX     (256 * 1024) /* cells: 32 MB */
#define BUCKETS        (64 * 1024)
#define TENANT_BUCKETS 1024
#define TENANT_SHARE   4 /* times what is left free */
#define NONE           0 /* no cell has this number */

/* What a walk reads, and what it passes, while it holds the lock. */
#define READ_TOPICS 256
#define READ_BYTES  (16 * 1024)

typedef enum CellKind
{
	CELL_FREE,
	CELL_TOPIC,
	CELL_TENANT,
	CELL_NAME
} CellKind;

/* What one worker shows of a topic. */
typedef struct TopicCell
{
	uint64 number; /* grows in its tenant's list, and never comes again */
	KvTopicKey key;
	uint32 worker;
	pg_atomic_uint32 count; /* of subscriptions; changed by its worker without the lock */
	uint32 tenant;
	uint32 before; /* in its tenant's list */
	uint32 behind;
	uint32 length; /* of the name */
	uint32 more;   /* cells of it */
	char name[60];
} TopicCell;

typedef struct TenantCell
{
	uint32 number;
	uint32 cells;
	struct
	{
		uint32 first;
		uint32 last;
		int topics; /* different ones, whatever number of workers shows them */
	} kinds[2];     /* channels, and patterns */
} TenantCell;

typedef struct Cell
{
	uint32 kind;
	uint32 next; /* in its bucket, of the tenants, of the name, of the free ones */
	union
	{
		TopicCell topic;
		TenantCell tenant;
		char name[120];
	};
} Cell;

StaticAssertDecl(sizeof(Cell) == 128, "a cell is two lines of a cache");

typedef struct TopicsShared
{
	LWLock lock;
	uint32 used; /* cells */
	uint32 made; /* that have ever been used: the first ones */
	uint32 free;
	uint64 number; /* of the last topic that was shown */
	uint32 tenants[TENANT_BUCKETS];
	uint32 patterns[TENANT_BUCKETS]; /* that the workers show, of tenants in this bucket */
	uint32 buckets[BUCKETS];
} TopicsShared;

static TopicsShared *shared; /* NULL: there is one worker */
static Cell *cells;

static struct
{
	uint32 worker;                   /* 0: this process shows and counts nothing */
	uint32 patterns[TENANT_BUCKETS]; /* that it shows itself */

	/* What the walk under way has read ahead. */
	KvTopicShown read[READ_TOPICS];
	char names[READ_BYTES];
} mine;

/* ---- cells --------------------------------------------------------------------------------- */

static uint32
cell_take(CellKind kind)
{
	uint32 place = shared->free;

	if (place != NONE)
		shared->free = cells[place].next;
	else
		place = ++shared->made;
	shared->used++;
	cells[place].kind = kind;
	cells[place].next = NONE;
	return place;
}

static void
cell_give_back(uint32 place)
{
	cells[place].kind = CELL_FREE;
	cells[place].next = shared->free;
	shared->free = place;
	shared->used--;
}

/* Takes the cell out of a list that is linked one way. */
static void
cell_unlink(uint32 *first, uint32 place)
{
	uint32 *link = first;

	while (*link != place)
		link = &cells[*link].next;
	*link = cells[place].next;
}

/* ---- tenants ------------------------------------------------------------------------------- */

static uint32
tenant_bucket(uint32 number)
{
	return murmurhash32(number) % TENANT_BUCKETS;
}

static uint32
tenant_find(uint32 number)
{
	uint32 place = shared->tenants[tenant_bucket(number)];

	while (place != NONE && cells[place].tenant.number != number)
		place = cells[place].next;
	return place;
}

static uint32
tenant_make(uint32 number)
{
	uint32 *bucket = &shared->tenants[tenant_bucket(number)];
	uint32 place = cell_take(CELL_TENANT);

	cells[place].tenant = (TenantCell){.number = number, .cells = 1};
	cells[place].next = *bucket;
	*bucket = place;
	return place;
}

static void
tenant_end(uint32 place)
{
	const TenantCell *tenant = &cells[place].tenant;

	if (tenant->kinds[false].first != NONE || tenant->kinds[true].first != NONE)
		return;
	cell_unlink(&shared->tenants[tenant_bucket(tenant->number)], place);
	cell_give_back(place);
}

/* Whether a tenant, NONE if it is new, gets that many cells. */
static bool
tenant_has_room(uint32 tenant, uint32 wanted)
{
	uint64 left = TOPICS_MAX - shared->used;
	uint64 has = tenant == NONE ? 1 : cells[tenant].tenant.cells;

	wanted += tenant == NONE;
	return wanted <= left && has + wanted <= TENANT_SHARE * (left - wanted);
}

/* ---- names --------------------------------------------------------------------------------- */

#define NAME_FIRST (sizeof(((TopicCell *) NULL)->name))
#define NAME_NEXT  (sizeof(((Cell *) NULL)->name))

static bool
name_is_kept(size_t length)
{
	return length <= KV_TOPIC_NAME_KEPT;
}

/* How many cells a topic takes. */
static uint32
cells_for(size_t length)
{
	if (!name_is_kept(length) || length <= NAME_FIRST)
		return 1;
	return (uint32) (1 + (length - NAME_FIRST + NAME_NEXT - 1) / NAME_NEXT);
}

static void
name_write(TopicCell *topic, RespSlice name)
{
	size_t done = Min(name.length, NAME_FIRST);
	uint32 *link = &topic->more;

	topic->length = (uint32) name.length;
	topic->more = NONE;
	if (!name_is_kept(name.length))
		return;
	memcpy(topic->name, name.data, done);
	while (done < name.length)
	{
		size_t part = Min(name.length - done, NAME_NEXT);

		*link = cell_take(CELL_NAME);
		memcpy(cells[*link].name, name.data + done, part);
		link = &cells[*link].next;
		done += part;
	}
}

static void
name_read(const TopicCell *topic, char *name)
{
	size_t done = Min(topic->length, NAME_FIRST);

	memcpy(name, topic->name, done);
	for (uint32 place = topic->more; place != NONE; place = cells[place].next)
	{
		size_t part = Min(topic->length - done, NAME_NEXT);

		memcpy(name + done, cells[place].name, part);
		done += part;
	}
}

static void
name_end(const TopicCell *topic)
{
	uint32 place = topic->more;

	while (place != NONE)
	{
		uint32 next = cells[place].next;

		cell_give_back(place);
		place = next;
	}
}

/* ---- topics -------------------------------------------------------------------------------- */

/* Channels of one name are many if there are many tenants. */
static uint32 *
bucket_of(const KvTopicKey *key)
{
	uint32 hash;

	memcpy(&hash, key->id.bytes, sizeof(hash));
	return &shared->buckets[(hash ^ murmurhash32(key->tenant)) % BUCKETS];
}

static bool
keys_are_equal(const KvTopicKey *one, const KvTopicKey *other)
{
	return memcmp(one, other, sizeof(KvTopicKey)) == 0;
}

/* The next in the bucket that is of this topic, from `place` on. */
static uint32
topic_from(uint32 place, const KvTopicKey *key)
{
	while (place != NONE && !keys_are_equal(&cells[place].topic.key, key))
		place = cells[place].next;
	return place;
}

/* The subscriptions of other workers' clients; *first becomes the first of these cells. */
static int64
topic_count(const KvTopicKey *key, uint32 *first)
{
	uint32 place = topic_from(*bucket_of(key), key);
	int64 count = 0;

	*first = NONE;
	for (; place != NONE; place = topic_from(cells[place].next, key))
	{
		if (cells[place].topic.worker == mine.worker)
			continue;
		if (*first == NONE)
			*first = place;
		count += pg_atomic_read_u32(&cells[place].topic.count);
	}
	return count;
}

static void
topic_link(uint32 place)
{
	TopicCell *topic = &cells[place].topic;
	TenantCell *tenant = &cells[topic->tenant].tenant;
	uint32 *bucket = bucket_of(&topic->key);
	uint32 pattern = topic->key.pattern;

	tenant->kinds[pattern].topics += topic_from(*bucket, &topic->key) == NONE;
	cells[place].next = *bucket;
	*bucket = place;
	topic->before = tenant->kinds[pattern].last;
	topic->behind = NONE;
	if (topic->before != NONE)
		cells[topic->before].topic.behind = place;
	else
		tenant->kinds[pattern].first = place;
	tenant->kinds[pattern].last = place;
}

static void
topic_unlink(uint32 place)
{
	TopicCell *topic = &cells[place].topic;
	TenantCell *tenant = &cells[topic->tenant].tenant;
	uint32 *bucket = bucket_of(&topic->key);
	uint32 pattern = topic->key.pattern;

	cell_unlink(bucket, place);
	tenant->kinds[pattern].topics -= topic_from(*bucket, &topic->key) == NONE;
	if (topic->before != NONE)
		cells[topic->before].topic.behind = topic->behind;
	else
		tenant->kinds[pattern].first = topic->behind;
	if (topic->behind != NONE)
		cells[topic->behind].topic.before = topic->before;
	else
		tenant->kinds[pattern].last = topic->before;
}

/* How many patterns this worker shows, for who looks without the lock. */
static void
patterns_add(const KvTopicKey *key, int number)
{
	if (!key->pattern)
		return;
	shared->patterns[tenant_bucket(key->tenant)] += number;
	mine.patterns[tenant_bucket(key->tenant)] += number;
}

/* KV_TOPIC_HIDDEN if there is no room. */
static uint32
topic_add(const KvTopicKey *key, RespSlice name, int count)
{
	uint32 wanted = cells_for(name.length);
	uint32 tenant = tenant_find(key->tenant);
	uint32 place;
	TopicCell *topic;

	if (!tenant_has_room(tenant, wanted))
		return KV_TOPIC_HIDDEN;
	if (tenant == NONE)
		tenant = tenant_make(key->tenant);
	cells[tenant].tenant.cells += wanted;
	place = cell_take(CELL_TOPIC);
	topic = &cells[place].topic;
	topic->number = ++shared->number;
	topic->key = *key;
	topic->worker = mine.worker;
	topic->tenant = tenant;
	pg_atomic_init_u32(&topic->count, (uint32) count);
	name_write(topic, name);
	topic_link(place);
	patterns_add(key, 1);
	return place;
}

static void
topic_remove(uint32 place)
{
	const TopicCell *topic = &cells[place].topic;
	uint32 tenant = topic->tenant;

	patterns_add(&topic->key, -1);
	topic_unlink(place);
	name_end(topic);
	cells[tenant].tenant.cells -= cells_for(topic->length);
	cell_give_back(place);
	tenant_end(tenant);
}

uint32
kv_topics_show(const KvTopicKey *key, RespSlice name, uint32 place, int count)
{
	if (mine.worker == 0)
		return KV_TOPIC_HIDDEN;
	if (place != KV_TOPIC_HIDDEN)
	{
		pg_atomic_write_u32(&cells[place].topic.count, (uint32) count);
		return place;
	}
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	place = topic_add(key, name, count);
	LWLockRelease(&shared->lock);
	return place;
}

void
kv_topics_hide(uint32 place)
{
	if (mine.worker == 0 || place == KV_TOPIC_HIDDEN)
		return;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	topic_remove(place);
	LWLockRelease(&shared->lock);
}

/* ---- who counts ---------------------------------------------------------------------------- */

/* What is looked at without the lock: whoever has been told that it has subscribed is there. */
static bool
may_be_shown(const uint32 *word, uint32 own)
{
	return *(const volatile uint32 *) word != own;
}

int64
kv_topics_count(const KvTopicKey *key)
{
	uint32 first;
	int64 count;

	if (mine.worker == 0 || !may_be_shown(bucket_of(key), NONE))
		return 0;
	LWLockAcquire(&shared->lock, LW_SHARED);
	count = topic_count(key, &first);
	LWLockRelease(&shared->lock);
	return count;
}

int
kv_topics_number(uint32 tenant, bool pattern)
{
	uint32 place;
	int topics;

	if (mine.worker == 0 || !may_be_shown(&shared->tenants[tenant_bucket(tenant)], NONE))
		return 0;
	LWLockAcquire(&shared->lock, LW_SHARED);
	place = tenant_find(tenant);
	topics = place == NONE ? 0 : cells[place].tenant.kinds[pattern].topics;
	LWLockRelease(&shared->lock);
	return topics;
}

void
kv_topics_walk(KvTopicsWalk *walk, uint32 tenant, bool pattern)
{
	uint32 bucket = tenant_bucket(tenant);

	*walk = (KvTopicsWalk){.tenant = tenant, .pattern = pattern, .place = NONE};
	walk->ended = mine.worker == 0 ||
	              (pattern && !may_be_shown(&shared->patterns[bucket], mine.patterns[bucket]));
}

/* Where it goes on; if the topic it had come to has gone meanwhile, behind where that was. */
static uint32
walk_place(const KvTopicsWalk *walk)
{
	const Cell *last = &cells[walk->place];
	uint32 tenant = tenant_find(walk->tenant);
	uint32 place = tenant == NONE ? NONE : cells[tenant].tenant.kinds[walk->pattern].first;

	if (walk->place == NONE)
		return place;
	if (last->kind == CELL_TOPIC && last->topic.number == walk->number)
		return last->topic.behind;
	while (place != NONE && cells[place].topic.number <= walk->number)
		place = cells[place].topic.behind;
	return place;
}

/* Reads the topic of this cell, unless another one stands for it; its name goes to `to`. */
static bool
walk_read(KvTopicsWalk *walk, uint32 place, char *to)
{
	const TopicCell *topic = &cells[place].topic;
	KvTopicShown *shown = &mine.read[walk->read];
	uint32 first;

	if (topic->worker == mine.worker || !name_is_kept(topic->length))
		return false;
	shown->count = topic_count(&topic->key, &first);
	if (first != place)
		return false;
	shown->key = topic->key;
	shown->name = (RespSlice){to, topic->length};
	name_read(topic, to);
	walk->read++;
	return true;
}

/* Reads ahead, as much as it may while it holds the lock. */
static void
walk_on(KvTopicsWalk *walk)
{
	size_t bytes = 0;
	uint32 place;

	walk->next = walk->read = 0;
	LWLockAcquire(&shared->lock, LW_SHARED);
	place = walk_place(walk);
	for (int i = 0; i < READ_TOPICS && place != NONE; i++, walk->passed++)
	{
		if (bytes + KV_TOPIC_NAME_KEPT > READ_BYTES)
			break;
		if (walk_read(walk, place, mine.names + bytes))
			bytes += cells[place].topic.length;
		walk->place = place;
		walk->number = cells[place].topic.number;
		place = cells[place].topic.behind;
	}
	LWLockRelease(&shared->lock);
	walk->ended = place == NONE;
}

bool
kv_topics_next(KvTopicsWalk *walk, KvTopicShown *topic)
{
	while (walk->next == walk->read && !walk->ended)
		walk_on(walk);
	if (walk->next == walk->read)
		return false;
	*topic = mine.read[walk->next++];
	return true;
}

/* ---- start and end ------------------------------------------------------------------------- */

/* Takes away what this worker shows, a piece at a time; its sessions may still end behind this. */
static void
topics_leave(int code, Datum arg)
{
	uint32 place = 1;
	bool more = true;

	while (more)
	{
		LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
		for (int i = 0; i < READ_TOPICS && place <= shared->made; i++, place++)
			if (cells[place].kind == CELL_TOPIC && cells[place].topic.worker == mine.worker)
				topic_remove(place);
		more = place <= shared->made;
		LWLockRelease(&shared->lock);
	}
	mine.worker = 0;
}

void
kv_topics_begin(int number)
{
	if (!shared)
		return;
	LWLockRegisterTranche(shared->lock.tranche, "pgfirst_topics");
	mine.worker = (uint32) number;
	before_shmem_exit(topics_leave, 0);
}

static void
topics_shared_init(void *fresh)
{
	TopicsShared *all = fresh;

	LWLockInitialize(&all->lock, LWLockNewTrancheId());
}

void
kv_topics_init(void)
{
	if (pgfirst_redis_workers == 1)
		return;
	pgfirst_shmem_request("pgfirst kv topics", sizeof(TopicsShared), (void **) &shared,
	                      topics_shared_init);
	pgfirst_shmem_reserve("pgfirst kv topics' cells", (Size) (TOPICS_MAX + 1) * sizeof(Cell),
	                      (void **) &cells);
}
