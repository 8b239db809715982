/* SPDX-License-Identifier: PostgreSQL
 *
 * buffers.c: the memory of the Redis door's clients; see buffers.h.
 *
 * All buffers together stay within pgfirst.redis_client_memory.  When they would exceed it, somebody
 * is disconnected, and not whoever asks last: that would let one client take all but a byte and have
 * everybody else thrown out.  It is the client that takes most, and as long as there are any, one
 * that has not logged in.
 *
 * A few buffers that nobody needs just now stay, for the next who says something: with one command at a time, getting
 * and giving back one for each was 3 % of the worker's time.  They count, and go before anybody is disconnected.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/clock.h"
#include "kv/net/buffers.h"
#include "kv/settings.h"

#define INPUT_SPARE 64 /* buffers of KV_INPUT_START bytes that stay */

static struct
{
	int spares;
	char *spare[INPUT_SPARE]; /* of KV_INPUT_START bytes, of no client */
	Size spare_bytes;
} memory;

bool
kv_buffers_note_is_due(void)
{
	static int64 noted_us;
	int64 now_us = pgfirst_clock_monotonic_us();

	if (noted_us != 0 && now_us - noted_us < 1000000)
		return false;
	noted_us = now_us;
	return true;
}

void
kv_buffers_note(const KvClient *client)
{
	if (!kv_buffers_note_is_due())
		return;
	ereport(
	    LOG,
	    (errcode(ERRCODE_OUT_OF_MEMORY),
	     errmsg("client %s of the Redis door is disconnected: the buffers of all clients do not "
	            "fit into pgfirst.redis_client_memory",
	            client->session.address),
	     errdetail("Its own take %zu kB.", client->memory / 1024)));
}

void
kv_buffers_refuse(KvClient *client)
{
	static const char refusal[] = "-OOM the buffers of all clients together would exceed "
	                              "pgfirst.redis_client_memory\r\n";

	kv_buffers_note(client);
	if (client->session.reply.length == client->sent)
		(void) kv_client_send(client, refusal, sizeof(refusal) - 1);
	client->broken = true;
}

/* Whether `client` is to go before `other`. */
static bool
memory_goes_first(const KvClient *client, const KvClient *other, Size other_more)
{
	bool stranger = !OidIsValid(client->session.role);
	bool other_stranger = !OidIsValid(other->session.role);

	if (stranger != other_stranger)
		return stranger;
	return client->memory > other->memory + other_more;
}

static KvClient *
memory_find_prey(void)
{
	KvClient *prey = NULL;
	dlist_iter iterator;

	dlist_foreach (iterator, &kv_sessions.list)
	{
		KvClient *client = dlist_container(KvClient, session.link, iterator.cur);

		if (!client->broken && client->memory > 0 && (!prey || memory_goes_first(client, prey, 0)))
			prey = client;
	}
	return prey;
}

static void
spare_free(void)
{
	char *input = memory.spare[--memory.spares];

	memory.spare_bytes -= GetMemoryChunkSpace(input);
	pfree(input);
}

/* Makes `more` bytes for the client fit into the limit, if need be at the cost of another. */
static bool
memory_make_room(const KvClient *client, Size more)
{
	while (kv_clients.memory + memory.spare_bytes + more >
	       (Size) pgfirst_redis_client_memory * 1024)
	{
		KvClient *prey;

		if (memory.spares > 0)
		{
			spare_free();
			continue;
		}
		prey = memory_find_prey();
		if (!prey || prey == client || !memory_goes_first(prey, client, more))
			return false;
		kv_buffers_refuse(prey);
		kv_client_free_buffers(prey);
		kv_client_touch(prey);
	}
	return true;
}

/* NULL, and the block as it was, if the machine has no memory. */
static void *
memory_take(void *block, Size size)
{
	MemoryContext caller = CurrentMemoryContext;
	void *volatile taken = NULL;

	if (!block)
		return MemoryContextAllocExtended(kv_clients.context, size,
		                                  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	PG_TRY();
	{
		taken = repalloc_huge(block, size);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_OUT_OF_MEMORY)
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		FlushErrorState();
	}
	PG_END_TRY();
	return taken;
}

void *
kv_buffers_resize(void *context, void *block, size_t size)
{
	KvClient *client = context;
	Size before = block ? GetMemoryChunkSpace(block) : 0;
	Size after = 0;

	if (size == 0)
	{
		if (block)
			pfree(block);
		block = NULL;
	}
	else
	{
		if (size > before && !memory_make_room(client, size - before))
			return NULL;
		block = memory_take(block, size);
		if (!block)
			return NULL;
		after = GetMemoryChunkSpace(block);
	}
	client->memory += after - before;
	kv_clients.memory += after - before;
	return block;
}

bool
kv_buffers_count(KvClient *client, int64 more)
{
	if (more > 0 && !memory_make_room(client, (Size) more))
		return false;
	client->memory += (Size) more;
	kv_clients.memory += (Size) more;
	return true;
}

/* A spare becomes the client's, or the other way round: the sum stays. */
static void
spare_moves(KvClient *client, char *input, bool to_client)
{
	Size size = GetMemoryChunkSpace(input);

	memory.spare_bytes += to_client ? -size : size;
	kv_clients.memory += to_client ? size : -size;
	client->memory += to_client ? size : -size;
}

char *
kv_buffers_take_input(KvClient *client)
{
	char *input;

	if (memory.spares == 0)
		return kv_buffers_resize(client, NULL, KV_INPUT_START);
	input = memory.spare[--memory.spares];
	spare_moves(client, input, true);
	return input;
}

void
kv_buffers_drop_input(KvClient *client)
{
	if (client->input && client->input_capacity == KV_INPUT_START && memory.spares < INPUT_SPARE)
	{
		spare_moves(client, client->input, false);
		memory.spare[memory.spares++] = client->input;
	}
	else
		kv_buffers_resize(client, client->input, 0);
	client->input = NULL;
	client->input_start = client->input_end = client->input_capacity = 0;
}
