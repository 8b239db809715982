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
 * Rejected: the first record behind the number (one behind a large gap comes as often as the gap is large); to go on from
 * there by a few records (as long as four looks at a record; and done only where a leaf has few, it hardly ever
 * comes to those behind a leaf that has many).
 */
#include "postgres.h"

#include "common/pg_prng.h"

#include "store/store_int.h"

#define SAMPLE_DRAWS 16

/* Draws among the slots of the leaf from `begin` to `end`; false if it met nothing that is there. */
static bool
leaf_draw(PgfirstStore *store, Page page, int begin, int end, PgfirstId *id)
{
	for (int draw = 0; draw < SAMPLE_DRAWS; draw++)
	{
		int slot =
		    (int) pg_prng_uint64_range(&pg_global_prng_state, (uint64) begin, (uint64) end - 1);
		const StoreItem *item = store_page_item(page, slot);
		StoreKey key = store_item_key(item);
		const StoreEntry *entry;
		StoreVersions versions;

		/* Nobody sees that version, whoever has deleted it; so nobody needs to know. */
		if (item->flags & STORE_ITEM_DELETED)
			continue;
		/* Of a second version only its tag counts, so the first one need not be looked for. */
		(void) pgfirst_versions_at(page, slot, &versions);
		if (versions.visible != item)
			continue;
		store_key_to_id(&key, id);
		entry = pgfirst_writeset_find(store, id);
		if (entry == NULL || entry->change != STORE_DELETED)
			return true;
	}
	return false;
}

bool
pgfirst_store_sample(PgfirstStore *store, const PgfirstId *at, const PgfirstId *first,
                     PgfirstId *id)
{
	StoreKey key = store_key_of_id(at);
	StoreKey from = store_key_of_id(first);
	StoreKey behind = {.space = STORE_SPACE_RECORDS, .high = from.high + 1};
	StoreLeaf leaf;
	int begin, end;
	bool drawn;

	/* No beginning is behind the last one. */
	if (behind.high == 0 || pgfirst_writeset_may_have_put(first))
		return false;
	if (!pgfirst_leaf_lock(store, &key, BUFFER_LOCK_SHARE, &leaf))
		return false;
	/* What it does not cover is to the left of it, or to the right. */
	begin = store_page_covers(leaf.page, &from) ? pgfirst_page_search(leaf.page, &from) : 0;
	end = store_page_covers(leaf.page, &behind) ? pgfirst_page_search(leaf.page, &behind)
	                                            : store_page_count(leaf.page);
	drawn = end > begin && leaf_draw(store, leaf.page, begin, end, id);
	pgfirst_page_unlock(&leaf);
	return drawn;
}
