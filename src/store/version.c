/* SPDX-License-Identifier: PostgreSQL
 *
 * version.c: which bytes of a record are the committed ones.
 *
 * Whoever comes to a tagged item asks, in this order: is its transaction still running, has it
 * committed?  (The other order would take one that commits in between for aborted.)  No snapshot
 * is consulted.  A crashed transaction is neither, hence aborted.  Asking costs some 45 ns, and is
 * asked again by everybody until somebody changes the page for a reason of its own and writes the
 * answer down: an answer that is only a hint may not be written at all, see rule 3 of wal.c.
 *
 * So each process remembers how transactions ended, because a leaf that MULTI or MSET has been at has a tag on
 * every other record.  How one ended never changes; but its id is given to another one, four billion later. Before
 * that PostgreSQL has forgotten it and its oldest id has moved, and whenever that moves all is asked again.
 *
 * Tags are ids of top-level transactions: what a savepoint has changed is in memory until commit.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "storage/procarray.h"

#include "base/compat.h"
#include "store/store_int.h"

#define ENDED_MAX 1024 /* a power of two */

/* How transactions ended, by the low bits of their ids. */
static struct
{
	TransactionId oldest; /* that PostgreSQL remembered when this was begun */
	TransactionId xid[ENDED_MAX];
	StoreTag tag[ENDED_MAX];
} ended;

/*
 * A damaged tag may name a transaction that there has not been yet, which counts as running, for ever;
 * or one so old that PostgreSQL does not remember how it ended, and would fail to open its file.  Tags are
 * settled before they are so old.
 */
StoreTag
pgfirst_tag_state(TransactionId xid)
{
	TransactionId oldest = TransamVariables->oldestXid;
	uint32 place = xid % ENDED_MAX;
	StoreTag tag;

	if (xid == GetTopTransactionIdIfAny())
		return STORE_TAG_MINE;
	if (unlikely(ended.oldest != oldest))
	{
		memset(ended.xid, 0, sizeof(ended.xid));
		ended.oldest = oldest;
	}
	if (ended.xid[place] == xid)
		return ended.tag[place];
	if (TransactionIdIsInProgress(xid))
	{
		if (unlikely(TransactionIdFollowsOrEquals(xid, ReadNextTransactionId())))
			pgfirst_page_damaged("a version belongs to a transaction of the future");
		return STORE_TAG_RUNNING;
	}
	if (unlikely(TransactionIdPrecedes(xid, oldest)))
		pgfirst_page_damaged("a version belongs to a transaction that is forgotten");
	tag = TransactionIdDidCommit(xid) ? STORE_TAG_COMMITTED : STORE_TAG_ABORTED;
	/* Not before: asking may fail, and what is remembered then must not be the answer the next time. */
	ended.xid[place] = xid;
	ended.tag[place] = tag;
	return tag;
}

void
pgfirst_versions_resolve(StoreVersions *versions)
{
	StoreItem *next;

	versions->tag = STORE_TAG_NONE;
	versions->current = versions->visible = versions->settled;
	if (versions->tagged == NULL)
		return;
	next = versions->tagged->flags & STORE_ITEM_DELETED ? NULL : versions->tagged;
	versions->tag = pgfirst_tag_state(versions->tagged->xid);
	if (versions->tag == STORE_TAG_COMMITTED)
		versions->current = versions->visible = next;
	else if (versions->tag == STORE_TAG_MINE)
		versions->visible = next;
}

int
pgfirst_versions_at(Page page, int slot, StoreVersions *versions)
{
	const StoreSlot *slots = store_page_slots(page);
	StoreItem *first = store_page_item(page, slot);
	StoreItem *second = NULL;

	/* Items of one key have one mark; mostly that saves the look at another record's item. */
	if (slot + 1 < store_page_count(page) && slots[slot + 1].mark == slots[slot].mark)
		second = store_page_item(page, slot + 1);

	versions->slot = slot;
	versions->items = 1;
	versions->settled = versions->tagged = NULL;
	if (second != NULL && second->low == first->low && second->high == first->high &&
	    second->space == first->space)
	{
		if (first->xid != InvalidTransactionId || second->xid == InvalidTransactionId)
			pgfirst_page_damaged_at(page, "a record has versions that exclude each other");
		versions->items = 2;
		versions->settled = first;
		versions->tagged = second;
	}
	else if (first->xid == InvalidTransactionId)
		versions->settled = first;
	else
		versions->tagged = first;

	pgfirst_versions_resolve(versions);
	return slot + versions->items;
}

void
pgfirst_versions_find(Page page, const StoreKey *key, StoreVersions *versions)
{
	int slot = pgfirst_page_search(page, key);

	if (slot < store_page_count(page) && store_item_compare(store_page_item(page, slot), key) == 0)
		(void) pgfirst_versions_at(page, slot, versions);
	else
		*versions = (StoreVersions){.slot = slot};
}

int
pgfirst_versions_dead(const StoreVersions *versions)
{
	if (versions->tag == STORE_TAG_COMMITTED)
		return versions->items - (versions->current != NULL);
	return versions->tag == STORE_TAG_ABORTED;
}

bool
pgfirst_page_settle(Page copy, Page page)
{
	int count = store_page_count(page);
	bool changed = false;

	pgfirst_page_init_like(copy, page);
	for (int slot = 0; slot < count;)
	{
		StoreVersions versions;

		slot = pgfirst_versions_at(page, slot, &versions);
		if (versions.tagged == NULL || versions.tag == STORE_TAG_RUNNING ||
		    versions.tag == STORE_TAG_MINE)
		{
			if (versions.settled != NULL)
				pgfirst_page_append(copy, versions.settled);
			if (versions.tagged != NULL)
				pgfirst_page_append(copy, versions.tagged);
			continue;
		}
		changed = true;
		if (versions.current != NULL)
		{
			pgfirst_page_append(copy, versions.current);
			store_page_item(copy, store_page_count(copy) - 1)->xid = InvalidTransactionId;
		}
	}
	return changed;
}
