/* SPDX-License-Identifier: PostgreSQL
 *
 * waits.c: the clients of a worker that wait for keys; see waits.h.
 */
#include "postgres.h"

#include "kv/net/waits.h"
#include "kv/ready.h"

typedef struct KvWait
{
	dlist_node link; /* among those of the slot */
	KvClient *client;
	uint32 slot;
	uint32 lap;        /* of kv_waits_keys() that has come by */
	const char *group; /* of the command: what type it waits for */
	PgfirstId id;
} KvWait;

static dlist_head waiting[KV_READY_SLOTS]; /* all zero: empty */

bool
kv_waits_begin(KvClient *client, const KvCall *call)
{
	RespAllocator allocator = client->session.reply.allocator;
	int count = call->waits_last - call->waits_first + 1;

	if (client->waits)
		return false;
	client->waits = allocator.resize(allocator.context, NULL, (Size) count * sizeof(KvWait));
	if (!client->waits)
	{
		client->broken = true;
		return false;
	}
	client->waits_count = count;
	for (int i = 0; i < count; i++)
	{
		RespSlice key = kv_argument(call, call->waits_first + i);
		KvWait *wait = &client->waits[i];

		kv_space_id(call->space, key.data, key.length, &wait->id);
		wait->client = client;
		wait->slot = kv_ready_slot(&wait->id);
		wait->lap = 0;
		wait->group = call->command->group;
		dlist_push_tail(&waiting[wait->slot], &wait->link);
		kv_ready_wait(wait->slot);
	}
	return true;
}

void
kv_waits_end(KvClient *client)
{
	RespAllocator allocator = client->session.reply.allocator;

	if (!client->waits)
		return;
	for (int i = 0; i < client->waits_count; i++)
	{
		dlist_delete(&client->waits[i].link);
		kv_ready_leave(client->waits[i].slot);
	}
	(void) allocator.resize(allocator.context, client->waits, 0);
	client->waits = NULL;
	client->waits_count = 0;
}

static bool
ids_equal(const PgfirstId *a, const PgfirstId *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Who waits for the key behind a client (NULL: the first), unless what it waits for is `but`. */
static KvClient *
behind_but(const PgfirstId *id, const KvClient *client, const char *but)
{
	bool behind = client == NULL;
	dlist_iter iterator;

	dlist_foreach (iterator, &waiting[kv_ready_slot(id)])
	{
		KvWait *wait = dlist_container(KvWait, link, iterator.cur);

		if (behind && wait->client != client && ids_equal(&wait->id, id) &&
		    (!but || strcmp(wait->group, but) != 0))
			return wait->client;
		behind |= wait->client == client;
	}
	return NULL;
}

KvClient *
kv_waits_first(const PgfirstId *id)
{
	return behind_but(id, NULL, NULL);
}

KvClient *
kv_waits_behind(const PgfirstId *id, const KvClient *client)
{
	return behind_but(id, client, NULL);
}

KvClient *
kv_waits_other(const PgfirstId *id, const KvClient *client)
{
	return behind_but(id, client, client->waits[0].group);
}

/* What `each` does may change the list, so it is begun anew after it. */
void
kv_waits_keys(uint32 slot, void (*each)(const PgfirstId *id))
{
	static uint32 lap;
	dlist_iter iterator;
	bool found;

	lap++;
	do
	{
		PgfirstId id;

		found = false;
		dlist_foreach (iterator, &waiting[slot])
		{
			KvWait *wait = dlist_container(KvWait, link, iterator.cur);

			if (!found && wait->lap != lap)
			{
				id = wait->id;
				found = true;
			}
			if (found && ids_equal(&wait->id, &id))
				wait->lap = lap;
		}
		if (found)
			each(&id);
	} while (found);
}
