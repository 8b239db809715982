/* SPDX-License-Identifier: PostgreSQL
 *
 * ordered.c: the entries of the write set in the order of stores and ids, for walks.
 *
 * A skip list (Pugh 1990), made of what is there when the first walk of a transaction begins that has changed
 * something; from then on each new entry is added.  So who never walks pays nothing, and who walks after each
 * change, as a command does that pops from a list in a loop, pays the logarithm of what the transaction
 * has changed and not all of it.
 *
 * It has every entry, with or without a change: entries never go away before the generation changes, hence
 * no rollback is of any concern here, and a walk may stay at a place whatever is put in front of it or behind.
 * An entry that is added while a walk is under way is met if it belongs behind the walk's place.
 *
 * How high a node is comes by chance: nobody who chooses ids can make the list slow.
 *
 * Rejected: sorting for each walk (a loop that changes and walks takes the square of its steps); a sorted
 * array with a tail that is merged now and then (places move, and each merge costs a copy of everything); links in the
 * entries (everybody would pay for them).
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "port/pg_bitutils.h"

#include "store/store_int.h"

#define HEIGHT_MAX  12   /* a quarter of the nodes of each level stand on the next one */
#define CHUNK_FIRST 1024 /* bytes of nodes that are allocated at once, the first time */
#define CHUNK_MAX   (64 * 1024)

struct StorePlace
{
	StoreEntry *entry;
	StorePlace *next[FLEXIBLE_ARRAY_MEMBER]; /* as many as the node is high */
};

/* Gone with the write set. */
static struct
{
	bool built;
	StorePlace *first[HEIGHT_MAX];
	char *chunk;
	Size chunk_size;
	Size chunk_free;
} ordered;

/* The link of a level that leads on from a node; NULL is what is before the first one. */
static inline StorePlace **
link_of(StorePlace *node, int level)
{
	return node == NULL ? &ordered.first[level] : &node->next[level];
}

/* Finds on each level the last node before (store, id). */
static void
path_find(Oid store, const PgfirstId *id, StorePlace *path[HEIGHT_MAX])
{
	StorePlace *node = NULL;
	const StorePlace *beyond = NULL; /* known not to be before it */

	for (int level = HEIGHT_MAX - 1; level >= 0; level--)
	{
		StorePlace *next;

		while ((next = *link_of(node, level)) != beyond)
		{
			const StoreEntry *entry = next->entry;

			if (entry->store->oid > store ||
			    (entry->store->oid == store &&
			     memcmp(entry->id.bytes, id->bytes, sizeof(id->bytes)) >= 0))
				break;
			node = next;
		}
		path[level] = node;
		beyond = next;
	}
}

/* The only step that can fail. */
static StorePlace *
node_make(MemoryContext context, StoreEntry *entry, int *height)
{
	uint32 chance = pg_prng_uint32(&pg_global_prng_state);
	StorePlace *node;
	Size size;

	*height = 1 + Min(pg_rightmost_one_pos32(chance | (uint32) 1 << 31) / 2, HEIGHT_MAX - 1);
	size = offsetof(StorePlace, next) + (Size) *height * sizeof(StorePlace *);
	if (ordered.chunk_free < size)
	{
		Size chunk = ordered.chunk_size == 0 ? CHUNK_FIRST : Min(ordered.chunk_size * 2, CHUNK_MAX);

		ordered.chunk = MemoryContextAlloc(context, chunk);
		ordered.chunk_size = ordered.chunk_free = chunk;
	}
	node = (StorePlace *) (ordered.chunk + (ordered.chunk_size - ordered.chunk_free));
	ordered.chunk_free -= size;
	node->entry = entry;
	return node;
}

/* Links the node in behind the path, which then leads to it. */
static void
node_link(StorePlace *node, int height, StorePlace *path[HEIGHT_MAX])
{
	for (int level = 0; level < height; level++)
	{
		StorePlace **link = link_of(path[level], level);

		node->next[level] = *link;
		*link = node;
		path[level] = node;
	}
}

void
pgfirst_ordered_add(MemoryContext context, StoreEntry *entry)
{
	StorePlace *path[HEIGHT_MAX];
	StorePlace *node;
	int height;

	if (!ordered.built)
		return;
	node = node_make(context, entry, &height);
	path_find(entry->store->oid, &entry->id, path);
	node_link(node, height, path);
}

void
pgfirst_ordered_build(MemoryContext context, StoreEntry **sorted, Size count)
{
	StorePlace *path[HEIGHT_MAX] = {NULL};

	/* What an attempt has left that ran out of memory is begun again. */
	memset(ordered.first, 0, sizeof(ordered.first));
	for (Size i = 0; i < count; i++)
	{
		int height;
		StorePlace *node = node_make(context, sorted[i], &height);

		node_link(node, height, path);
	}
	ordered.built = true;
}

bool
pgfirst_ordered_built(void)
{
	return ordered.built;
}

static StorePlace *
place_in(StorePlace *place, const PgfirstStore *store)
{
	return place != NULL && place->entry->store == store ? place : NULL;
}

StorePlace *
pgfirst_ordered_seek(const PgfirstStore *store, const PgfirstId *id)
{
	StorePlace *path[HEIGHT_MAX];

	path_find(store->oid, id, path);
	return place_in(*link_of(path[0], 0), store);
}

StorePlace *
pgfirst_ordered_next(StorePlace *place)
{
	return place_in(place->next[0], place->entry->store);
}

StoreEntry *
pgfirst_ordered_entry(const StorePlace *place)
{
	return place->entry;
}

void
pgfirst_ordered_forget(void)
{
	memset(&ordered, 0, sizeof(ordered));
}
