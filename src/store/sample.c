/* SPDX-License-Identifier: PostgreSQL
 *
 * sample.c: a record by chance.
 *
 * Of the records whose ids begin alike, and are spread over all numbers as hashes are, one leaf is taken by a number by
 * chance, and of its records each is as likely as the next.  A leaf is the more likely the more numbers it covers, and
 * that is, but for chance, the more the more records it has: so records differ by as much as the number of hashes in
 * a range does, one part in the square root of what a leaf has.
 *
 * The slots are drawn from, and what is drawn and is not what a reader sees (an older version, what the
 * transaction has deleted) is drawn again.  What the transaction has put stands on no leaf yet; whoever may have put
 * something goes another way, of which the caller knows.  To say so takes one bit for each of 256 beginnings of ids,
 * because it is to cost whoever puts nothing.
 *
 * Where several of one collection are drawn one behind the other, by one command or by many, the numbers of the next
 * ones are drawn before, and their leaves are on their way (prefetch.c): by chance nothing is in any cache, and that was
 * a fifth of what a pipelined SPOP takes.  So that the item is on its way, too, the number says which slot is drawn
 * first.
 *
 * Rejected: the first record behind the number (one behind a large gap comes as often as the gap is large); to go on from
 * there by a few records (as long as four looks at a record; and done only where a leaf has few, it hardly ever
 * comes to those behind a leaf that has many).
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/pg_prng.h"

#include "store/store_int.h"

#define DRAWS     16
#define AHEAD_MAX 32

/* Numbers that the next draws of the same records take; those before `next` have been taken. */
static struct
{
	Oid store;
	StoreKey first;
	int count;
	int next;
	uint64 numbers[AHEAD_MAX];
} ahead;

static uint64
number_draw(PgfirstStore *store, const StoreKey *first)
{
	StoreKey keys[AHEAD_MAX];

	if (ahead.store != store->oid || store_key_compare(&ahead.first, first) != 0)
	{
		ahead.store = store->oid;
		ahead.first = *first;
		ahead.count = ahead.next = 0;
	}
	if (ahead.next == ahead.count)
	{
		/* Who draws once pays for one. */
		ahead.count = ahead.count == 0 ? 1 : Min(ahead.count * 2, AHEAD_MAX);
		ahead.next = 0;
		for (int i = 0; i < ahead.count; i++)
		{
			ahead.numbers[i] =
			    pg_prng_uint64_range(&pg_global_prng_state, first->low, PG_UINT64_MAX);
			keys[i] = *first;
			keys[i].low = ahead.numbers[i];
		}
		if (ahead.count > 1)
			pgfirst_prefetch_drawn(store, keys, ahead.count);
	}
	return ahead.numbers[ahead.next++];
}

/* The bits that do not say which leaf it is. */
int
pgfirst_sample_slot(uint64 number, int count)
{
	return (int) ((uint64) murmurhash32((uint32) number) * (uint64) count >> 32);
}

/*
 * Draws among the slots of the leaf from `begin` to `end`, the first time as the number says; NULL if it met nothing.
 * *mine: the transaction knows more of it.
 */
static const StoreItem *
leaf_draw(PgfirstStore *store, const StoreLeaf *leaf, int begin, int end, uint64 number, bool *mine)
{
	for (int draw = 0; draw < DRAWS; draw++)
	{
		int slot = draw == 0 ? begin + pgfirst_sample_slot(number, end - begin)
		                     : (int) pg_prng_uint64_range(&pg_global_prng_state, (uint64) begin,
		                                                  (uint64) end - 1);
		const StoreItem *item = store_page_item(leaf->page, slot);
		StoreKey key = store_item_key(item);
		const StoreEntry *entry;
		StoreVersions versions;
		PgfirstId id;

		/* Nobody sees that version, whoever has deleted it; so nobody needs to know. */
		if (item->flags & STORE_ITEM_DELETED)
			continue;
		/* Of a second version only its tag counts, so the first one need not be looked for. */
		(void) pgfirst_versions_at(leaf->page, slot, &versions);
		if (versions.visible != item)
			continue;
		store_key_to_id(&key, &id);
		entry = pgfirst_writeset_find(store, &id);
		*mine = entry != NULL;
		if (entry != NULL && entry->change == STORE_DELETED)
			continue;
		pgfirst_together_note(store, &id, leaf, versions.tag);
		return item;
	}
	return NULL;
}

bool
pgfirst_store_sample(PgfirstStore *store, const PgfirstId *first, PgfirstRecord *record)
{
	StoreKey from = store_key_of_id(first);
	StoreKey behind = {.space = STORE_SPACE_RECORDS, .high = from.high + 1};
	StoreKey key = from;
	const StoreItem *item = NULL;
	StoreLeaf leaf;
	StoreCopy copy;
	PgfirstId id;
	int begin, end;
	bool mine;

	/* No beginning is behind the last one. */
	if (behind.high == 0 || pgfirst_writeset_may_have_put(first))
		return false;
	key.low = number_draw(store, &from);
	pgfirst_together_reserve();
	if (!pgfirst_leaf_lock(store, &key, BUFFER_LOCK_SHARE, &leaf))
		return false;
	/* What it does not cover is to the left of it, or to the right. */
	begin = store_page_covers(leaf.page, &from) ? pgfirst_page_search(leaf.page, &from) : 0;
	end = store_page_covers(leaf.page, &behind) ? pgfirst_page_search(leaf.page, &behind)
	                                            : store_page_count(leaf.page);
	if (end > begin)
		item = leaf_draw(store, &leaf, begin, end, key.low, &mine);
	if (item != NULL)
		memcpy(&copy, item, STORE_LEAF_HEADER + item->length);
	pgfirst_page_unlock(&leaf);
	if (item == NULL)
		return false;
	key = store_item_key(&copy.item);
	store_key_to_id(&key, &id);
	/* It is rare that more than a copy of it is needed. */
	if (mine || copy.item.flags & STORE_ITEM_LARGE)
		return pgfirst_store_get(store, &id, SIZE_MAX, record);
	pgfirst_position_read(store, &id);
	return pgfirst_item_read(store, &copy.item, SIZE_MAX, record);
}
