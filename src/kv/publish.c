/* SPDX-License-Identifier: PostgreSQL
 *
 * publish.c: messages on their way; see publish.h.
 *
 * Messages are in a dynamic shared area.  A message has a link for each worker, so at the commit, which cannot fail, it
 * is only hung into queues; the last worker that has told it gives it back.
 *
 * A queue is a stack: whoever sends touches the message and the queue's head, and nobody else's message, for which a
 * segment might have to be mapped, and that may fail.  The worker takes all there is at once, and turns it round.
 */
#include "postgres.h"

#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/spin.h"
#include "utils/memutils.h"

#include "base/area.h"
#include "base/shmem.h"
#include "base/worker.h"
#include "base/xact.h"
#include "kv/position.h"
#include "kv/publish.h"
#include "kv/settings.h"
#include "lib/hash/siphash.h"

#define WORKERS 64

typedef struct Message
{
	pg_atomic_uint32 readers; /* workers that have still to tell it */
	uint32 tenant;
	uint32 channel_length;
	uint32 message_length;
	XLogRecPtr position;
	Size size;
	dsa_pointer
	    next[FLEXIBLE_ARRAY_MEMBER]; /* in each worker's queue; the bytes stand behind them */
} Message;

typedef struct Queue
{
	slock_t lock;
	bool wants;
	dsa_pointer newest;
} Queue;

/* One that waits for the commit, where this process has it mapped. */
typedef struct Made
{
	dsa_pointer pointer;
	Message *message;
	SubTransactionId owner;
} Made;

typedef struct PublishShared
{
	uint8 key[PGFIRST_SIPHASH_KEY_BYTES]; /* see kv_publish_hash() */
	pg_atomic_uint32 wanted;              /* workers that want messages */
	pg_atomic_uint64 bytes;               /* of messages that are made and not given back */
	Queue queues[WORKERS];
	PgfirstArea area;
} PublishShared;

static PublishShared *shared;

static struct
{
	dsa_area *area;
	int number;       /* of this worker, 0 if it is none */
	dsa_pointer told; /* the message that was given out last */

	/* What it has taken out of its queue: the newest first, and those that are in their order already. */
	dsa_pointer taken;
	dsa_pointer ordered;

	/* Of the transaction under way: in the order in which they were published. */
	Made *made;
	int count;
	int room;
	bool committed;
	bool hurries;
	XLogRecPtr position;
} mine;

static void
area_attach(void)
{
	if (!mine.area)
		mine.area = pgfirst_area_attach(&shared->area, "pgfirst_publish");
}

static char *
message_bytes(Message *message)
{
	return (char *) &message->next[pgfirst_redis_workers];
}

static void
message_free(dsa_pointer pointer, Message *message)
{
	pg_atomic_fetch_sub_u64(&shared->bytes, message->size);
	dsa_free(mine.area, pointer);
}

/* ---- publishing ------------------------------------------------------------------------------ */

bool
kv_publish_wanted(void)
{
	return shared && pg_atomic_read_u32(&shared->wanted) > 0;
}

static void
made_make_room(void)
{
	if (mine.count < mine.room)
		return;
	mine.room = Max(mine.room * 2, 16);
	mine.made = mine.made ? repalloc(mine.made, (Size) mine.room * sizeof(Made))
	                      : MemoryContextAlloc(TopMemoryContext, (Size) mine.room * sizeof(Made));
}

/* Counts the bytes and takes them, or neither. */
static dsa_pointer
message_allocate(Size size, KvPublished *outcome)
{
	dsa_pointer pointer = InvalidDsaPointer;

	*outcome = KV_PUBLISH_FULL;
	if (pg_atomic_add_fetch_u64(&shared->bytes, size) <= KV_PUBLISH_MAX)
	{
		pointer = pgfirst_area_allocate(mine.area, size);
		*outcome = DsaPointerIsValid(pointer) ? KV_PUBLISHED : KV_PUBLISH_MEMORY;
	}
	if (!DsaPointerIsValid(pointer))
		pg_atomic_fetch_sub_u64(&shared->bytes, size);
	return pointer;
}

KvPublished
kv_publish(uint32 tenant, RespSlice channel, RespSlice bytes)
{
	Size head = offsetof(Message, next) + (Size) pgfirst_redis_workers * sizeof(dsa_pointer);
	Size size = head + channel.length + bytes.length;
	KvPublished outcome;
	dsa_pointer pointer;
	Message *message;

	if (size > KV_PUBLISH_MAX)
		return KV_PUBLISH_LARGE;
	if (!kv_publish_wanted())
		return KV_PUBLISHED;
	area_attach();
	made_make_room();
	pointer = message_allocate(size, &outcome);
	if (outcome != KV_PUBLISHED)
		return outcome;
	message = dsa_get_address(mine.area, pointer);
	pg_atomic_init_u32(&message->readers, 0);
	message->tenant = tenant;
	message->channel_length = (uint32) channel.length;
	message->message_length = (uint32) bytes.length;
	message->size = size;
	message->position = kv_position_others();
	memcpy(message_bytes(message), channel.data, channel.length);
	memcpy(message_bytes(message) + channel.length, bytes.data, bytes.length);
	mine.made[mine.count++] = (Made){pointer, message, GetCurrentSubTransactionId()};
	return KV_PUBLISHED;
}

int
kv_publish_mark(void)
{
	return mine.count;
}

void
kv_publish_take_back(int mark)
{
	while (mine.count > mark)
	{
		const Made *made = &mine.made[--mine.count];

		message_free(made->pointer, made->message);
	}
}

void
kv_publish_waits(bool wait)
{
	mine.hurries = !wait;
}

/* Hangs the message into the queues of all who want it; false if nobody does. */
static bool
message_send(dsa_pointer pointer, Message *message)
{
	bool wanted = false;

	message->position = Max(message->position, mine.position);
	/* Ours, until all have it: whoever is quick must not give it back before. */
	pg_atomic_write_u32(&message->readers, 1);
	for (int i = 0; i < pgfirst_redis_workers; i++)
	{
		Queue *queue = &shared->queues[i];

		message->next[i] = InvalidDsaPointer;
		SpinLockAcquire(&queue->lock);
		if (queue->wants)
		{
			pg_atomic_fetch_add_u32(&message->readers, 1);
			message->next[i] = queue->newest;
			queue->newest = pointer;
			wanted = true;
		}
		SpinLockRelease(&queue->lock);
	}
	if (pg_atomic_sub_fetch_u32(&message->readers, 1) == 0)
		message_free(pointer, message);
	return wanted;
}

static void
publish_commit(XLogRecPtr position)
{
	mine.committed = true;
	mine.position = mine.hurries ? InvalidXLogRecPtr : position;
}

static void
publish_abort(void)
{
	mine.committed = false;
}

static void
publish_released(void)
{
	bool ring = false;

	for (int i = 0; i < mine.count && mine.committed; i++)
		ring |= message_send(mine.made[i].pointer, mine.made[i].message);
	if (mine.committed)
		mine.count = 0;
	kv_publish_take_back(0);
	mine.committed = mine.hurries = false;
	if (ring)
		pgfirst_bell_ring(PGFIRST_BELL_PUBLISH);
}

/* What a savepoint's end concerns is the last: what was made behind it. */
static bool
publish_dirty(void)
{
	return mine.count > 0;
}

static void
publish_sub_commit(SubTransactionId child, SubTransactionId parent)
{
	for (int i = mine.count - 1; i >= 0 && mine.made[i].owner == child; i--)
		mine.made[i].owner = parent;
}

static void
publish_sub_abort(SubTransactionId child, SubTransactionId parent)
{
	int first = mine.count;

	while (first > 0 && mine.made[first - 1].owner == child)
		first--;
	kv_publish_take_back(first);
}

void
kv_publish_hash(RespSlice name, PgfirstId *id)
{
	pgfirst_siphash(shared->key, name.data, name.length, id->bytes);
}

/* ---- workers --------------------------------------------------------------------------------- */

void
kv_publish_subscribed(bool any)
{
	Queue *queue = &shared->queues[mine.number - 1];
	bool changed;

	SpinLockAcquire(&queue->lock);
	changed = queue->wants != any;
	queue->wants = any;
	SpinLockRelease(&queue->lock);
	if (!changed)
		return;
	pg_atomic_fetch_add_u32(&shared->wanted, any ? 1 : -1);
	pgfirst_bell_want(PGFIRST_BELL_PUBLISH, any);
}

static void
told_give_back(void)
{
	dsa_pointer told = mine.told;
	Message *message;

	if (!DsaPointerIsValid(told))
		return;
	message = dsa_get_address(mine.area, told);
	mine.told = InvalidDsaPointer;
	if (pg_atomic_sub_fetch_u32(&message->readers, 1) == 0)
		message_free(told, message);
}

bool
kv_publish_waiting(void)
{
	volatile Queue *queue = &shared->queues[mine.number - 1];

	return DsaPointerIsValid(mine.ordered) || DsaPointerIsValid(mine.taken) ||
	       DsaPointerIsValid(queue->newest);
}

/* Brings what is in the queue into its order.  It may fail at any message, and then goes on with that one. */
static void
queue_take(void)
{
	Queue *queue = &shared->queues[mine.number - 1];

	if (!DsaPointerIsValid(mine.taken))
	{
		SpinLockAcquire(&queue->lock);
		mine.taken = queue->newest;
		queue->newest = InvalidDsaPointer;
		SpinLockRelease(&queue->lock);
	}
	while (DsaPointerIsValid(mine.taken))
	{
		Message *message = dsa_get_address(mine.area, mine.taken);
		dsa_pointer *next = &message->next[mine.number - 1];
		dsa_pointer older = *next;

		*next = mine.ordered;
		mine.ordered = mine.taken;
		mine.taken = older;
	}
}

bool
kv_publish_next(KvMessage *message)
{
	Message *first;

	told_give_back();
	if (!message)
		return false;
	if (!DsaPointerIsValid(mine.ordered) || DsaPointerIsValid(mine.taken))
		queue_take();
	if (!DsaPointerIsValid(mine.ordered))
		return false;
	first = dsa_get_address(mine.area, mine.ordered);
	mine.told = mine.ordered;
	mine.ordered = first->next[mine.number - 1];
	*message = (KvMessage){
	    .tenant = first->tenant,
	    .channel = {message_bytes(first), first->channel_length},
	    .message = {message_bytes(first) + first->channel_length, first->message_length},
	    .position = first->position};
	return true;
}

/* What is in its queue nobody will tell. */
static void
publish_leave(int code, Datum arg)
{
	KvMessage message;

	kv_publish_subscribed(false);
	while (kv_publish_next(&message))
		;
}

void
kv_publish_begin(int number)
{
	mine.number = number;
	area_attach();
	before_shmem_exit(publish_leave, 0);
}

static void
publish_shared_init(void *fresh)
{
	PublishShared *all = fresh;

	if (!pg_strong_random(all->key, sizeof(all->key)))
		ereport(FATAL, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not get random bytes")));
	pg_atomic_init_u32(&all->wanted, 0);
	pg_atomic_init_u64(&all->bytes, 0);
	for (int i = 0; i < WORKERS; i++)
		SpinLockInit(&all->queues[i].lock);
	pgfirst_area_init(&all->area);
}

void
kv_publish_init(void)
{
	static const PgfirstXactHooks hooks = {.name = "messages",
	                                       .commit = publish_commit,
	                                       .abort = publish_abort,
	                                       .dirty = publish_dirty,
	                                       .released = publish_released,
	                                       .sub_commit = publish_sub_commit,
	                                       .sub_abort = publish_sub_abort};

	pgfirst_shmem_request("pgfirst kv publish", sizeof(PublishShared), (void **) &shared,
	                      publish_shared_init);
	pgfirst_xact_register(PGFIRST_XACT_PUBLISH, &hooks);
}
