/* SPDX-License-Identifier: PostgreSQL
 *
 * waits.c: the clients of a worker that wait for keys; see waits.h.
 */
#include "postgres.h"

#include "kv/net/waits.h"

#define SAME_LOOKS                                                                                 \
	8 /* at what the client waits for already; a repeated key is most often repeated at once */

typedef struct KvWait
{
	dlist_node link; /* among those of the slot; of a key that is repeated, nowhere */
	KvClient *client;
	uint32 slot;
	uint32 lap; /* of kv_waits_keys() that has come by */
	KvType type;
	bool repeated;
	KvReadyKey key;
} KvWait;

static dlist_head waiting[KV_READY_SLOTS]; /* all zero: empty */

/* Whether the client waits for this key by one of its waits of before. */
static bool
wait_is_repeated(const KvWait *wait, const KvWait *first)
{
	const KvWait *stop = wait - Min(wait - first, SAME_LOOKS);

	for (const KvWait *before = wait; before > stop;)
		if (kv_ready_same(&(--before)->key, &wait->key))
			return true;
	return false;
}

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
		KvWait *wait = &client->waits[i];

		*wait =
		    (KvWait){.client = client,
		             .type = call->waits_type,
		             .key = kv_ready_key(call->space, kv_argument(call, call->waits_first + i))};
		wait->slot = kv_ready_slot(&wait->key);
		wait->repeated = wait_is_repeated(wait, client->waits);
		if (wait->repeated)
			continue;
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
		if (client->waits[i].repeated)
			continue;
		dlist_delete(&client->waits[i].link);
		kv_ready_leave(client->waits[i].slot);
	}
	(void) allocator.resize(allocator.context, client->waits, 0);
	client->waits = NULL;
	client->waits_count = 0;
}

/* By which a client waits for this key. */
static KvWait *
wait_of(const KvClient *client, const KvReadyKey *key)
{
	KvWait *wait = client->waits;

	while (wait->repeated || !kv_ready_same(&wait->key, key))
		wait++;
	return wait;
}

KvClient *
kv_waits_next(const KvReadyKey *key, const KvClient *client, uint32 without)
{
	dlist_head *line = &waiting[kv_ready_slot(key)];
	dlist_node *place = dlist_is_empty(line) ? &line->head : line->head.next;

	if (client)
		place = wait_of(client, key)->link.next;
	for (; place != &line->head; place = place->next)
	{
		KvWait *wait = dlist_container(KvWait, link, place);

		if (wait->client != client && !(without & ((uint32) 1 << wait->type)) &&
		    kv_ready_same(&wait->key, key))
			return wait->client;
	}
	return NULL;
}

KvType
kv_waits_type(const KvClient *client)
{
	return client->waits ? client->waits[0].type : KV_TYPE_NONE;
}

/* What `each` does may change the list, so it is begun anew after it. */
void
kv_waits_keys(uint32 slot, void (*each)(const KvReadyKey *key))
{
	static uint32 lap;
	dlist_iter iterator;
	bool found;

	lap++;
	do
	{
		KvReadyKey key;

		found = false;
		dlist_foreach (iterator, &waiting[slot])
		{
			KvWait *wait = dlist_container(KvWait, link, iterator.cur);

			if (!found && wait->lap != lap)
			{
				key = wait->key;
				found = true;
			}
			if (found && kv_ready_same(&wait->key, &key))
				wait->lap = lap;
		}
		if (found)
			each(&key);
	} while (found);
}
