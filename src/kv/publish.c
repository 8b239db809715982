/* SPDX-License-Identifier: PostgreSQL
 *
 * publish.c: messages on their way; see publish.h.
 *
 * Messages are in a dynamic shared area.  A message has a link for each worker, so at the commit, which cannot fail, it
 * is only hung into queues; the last worker that has told it gives it back.
 */
#include "postgres.h"

#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/dsa.h"
#include "utils/memutils.h"

#include "base/shmem.h"
#include "base/worker.h"
#include "base/xact.h"
#include "kv/publish.h"
#include "kv/settings.h"

#define WORKERS    64
#define PLACE_SIZE ((Size) 256 * 1024) /* of the area, before it takes segments */

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
	dsa_pointer first, last;
} Queue;

typedef struct PublishShared
{
	int tranche;
	pg_atomic_uint32 wanted; /* workers that want messages */
	pg_atomic_uint64 bytes;  /* of messages that are made and not given back */
	Queue queues[WORKERS];
	char place[PLACE_SIZE] pg_attribute_aligned(MAXIMUM_ALIGNOF);
} PublishShared;

static PublishShared *shared;

/* A message of the transaction under way. */
typedef struct Made
{
	dsa_pointer message;
	SubTransactionId owner; /* goes with it, if that is rolled back */
} Made;

static struct
{
	dsa_area *area;
	int number;       /* of this worker, 0 if it is none */
	dsa_pointer told; /* the message that was given out last */

	/* Of the transaction under way: in the order in which they were published. */
	Made *made;
	int count;
	int room;
	bool ended;
	bool committed;
	bool hurries;
	XLogRecPtr position;
} mine;

static void
area_attach(void)
{
	MemoryContext old;

	if (mine.area)
		return;
	LWLockRegisterTranche(shared->tranche, "pgfirst_publish");
	old = MemoryContextSwitchTo(TopMemoryContext);
	mine.area = dsa_attach_in_place(shared->place, NULL);
	dsa_pin_mapping(mine.area);
	MemoryContextSwitchTo(old);
}

static char *
message_bytes(Message *message)
{
	return (char *) &message->next[pgfirst_redis_workers];
}

static void
message_free(dsa_pointer pointer)
{
	Message *message = dsa_get_address(mine.area, pointer);

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

void
kv_publish(uint32 tenant, RespSlice channel, RespSlice bytes)
{
	Size head = offsetof(Message, next) + (Size) pgfirst_redis_workers * sizeof(dsa_pointer);
	Size size = head + channel.length + bytes.length;
	dsa_pointer pointer;
	Message *message;

	if (!kv_publish_wanted())
		return;
	area_attach();
	made_make_room();
	if (pg_atomic_add_fetch_u64(&shared->bytes, size) > KV_PUBLISH_MAX)
	{
		pg_atomic_fetch_sub_u64(&shared->bytes, size);
		ereport(ERROR,
		        (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		         errmsg("more than %zu bytes of messages wait for subscribers", KV_PUBLISH_MAX),
		         errdetail("They wait in the workers of the Redis door, or for this commit.")));
	}
	pointer = dsa_allocate_extended(mine.area, size, DSA_ALLOC_NO_OOM | DSA_ALLOC_HUGE);
	if (!DsaPointerIsValid(pointer))
	{
		pg_atomic_fetch_sub_u64(&shared->bytes, size);
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of shared memory"),
		                errdetail("A message of %zu bytes could not be published.", bytes.length)));
	}
	message = dsa_get_address(mine.area, pointer);
	pg_atomic_init_u32(&message->readers, 0);
	message->tenant = tenant;
	message->channel_length = (uint32) channel.length;
	message->message_length = (uint32) bytes.length;
	message->size = size;
	memcpy(message_bytes(message), channel.data, channel.length);
	memcpy(message_bytes(message) + channel.length, bytes.data, bytes.length);
	mine.made[mine.count++] = (Made){.message = pointer, .owner = GetCurrentSubTransactionId()};
}

void
kv_publish_waits(bool wait)
{
	mine.hurries = !wait;
}

/* Hangs the message into the queues of all who want it; false if nobody does. */
static bool
message_send(dsa_pointer pointer)
{
	Message *message = dsa_get_address(mine.area, pointer);
	bool wanted = false;

	message->position = mine.position;
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
			if (DsaPointerIsValid(queue->last))
				((Message *) dsa_get_address(mine.area, queue->last))->next[i] = pointer;
			else
				queue->first = pointer;
			queue->last = pointer;
			wanted = true;
		}
		SpinLockRelease(&queue->lock);
	}
	if (pg_atomic_sub_fetch_u32(&message->readers, 1) == 0)
		message_free(pointer);
	return wanted;
}

static void
publish_commit(XLogRecPtr position)
{
	mine.ended = mine.committed = true;
	mine.position = mine.hurries ? InvalidXLogRecPtr : position;
}

static void
publish_abort(void)
{
	mine.ended = true;
	mine.committed = false;
}

/* Those of a savepoint are the last ones. */
static void
publish_sub_commit(SubTransactionId child, SubTransactionId parent)
{
	for (int i = mine.count - 1; i >= 0 && mine.made[i].owner == child; i--)
		mine.made[i].owner = parent;
}

static void
publish_sub_abort(SubTransactionId child, SubTransactionId parent)
{
	for (; mine.count > 0 && mine.made[mine.count - 1].owner == child; mine.count--)
		message_free(mine.made[mine.count - 1].message);
}

static bool
publish_dirty(void)
{
	return mine.count > 0;
}

static void
publish_released(void)
{
	bool ring = false;

	if (!mine.ended)
		return;
	for (int i = 0; i < mine.count; i++)
	{
		if (mine.committed)
			ring |= message_send(mine.made[i].message);
		else
			message_free(mine.made[i].message);
	}
	mine.count = 0;
	mine.ended = mine.committed = mine.hurries = false;
	if (ring)
		pgfirst_bell_ring(PGFIRST_BELL_PUBLISH);
}

/* ---- workers --------------------------------------------------------------------------------- */

void
kv_publish_subscribed(bool any)
{
	Queue *queue = &shared->queues[mine.number - 1];
	bool changed;

	area_attach();
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
	mine.told = InvalidDsaPointer;
	message = dsa_get_address(mine.area, told);
	if (pg_atomic_sub_fetch_u32(&message->readers, 1) == 0)
		message_free(told);
}

bool
kv_publish_next(KvMessage *message)
{
	Queue *queue = &shared->queues[mine.number - 1];
	Message *first = NULL;

	told_give_back();
	if (!message || !mine.area)
		return false;
	SpinLockAcquire(&queue->lock);
	mine.told = queue->first;
	if (DsaPointerIsValid(mine.told))
	{
		first = dsa_get_address(mine.area, mine.told);
		queue->first = first->next[mine.number - 1];
		if (!DsaPointerIsValid(queue->first))
			queue->last = InvalidDsaPointer;
	}
	SpinLockRelease(&queue->lock);
	if (!first)
		return false;
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
	before_shmem_exit(publish_leave, 0);
}

static void
publish_shared_init(void *fresh)
{
	PublishShared *all = fresh;
	dsa_area *area;

	all->tranche = LWLockNewTrancheId();
	pg_atomic_init_u32(&all->wanted, 0);
	pg_atomic_init_u64(&all->bytes, 0);
	for (int i = 0; i < WORKERS; i++)
		SpinLockInit(&all->queues[i].lock);
	/* The postmaster has no segments: what does not fit into the place waits for somebody else. */
	area = dsa_create_in_place(all->place, PLACE_SIZE, all->tranche, NULL);
	dsa_pin(area);
	dsa_detach(area);
}

void
kv_publish_init(void)
{
	static const PgfirstXactHooks hooks = {.name = "messages",
	                                       .dirty = publish_dirty,
	                                       .commit = publish_commit,
	                                       .abort = publish_abort,
	                                       .released = publish_released,
	                                       .sub_commit = publish_sub_commit,
	                                       .sub_abort = publish_sub_abort};

	pgfirst_shmem_request("pgfirst kv publish", sizeof(PublishShared), (void **) &shared,
	                      publish_shared_init);
	pgfirst_xact_register(PGFIRST_XACT_PUBLISH, &hooks);
}
