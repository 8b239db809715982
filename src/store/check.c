/* SPDX-License-Identifier: PostgreSQL
 *
 * check.c: whether a store is what page.h, tree.c and meta.c say that it is.
 *
 *   check_page.c   a page by itself: header, places of items, their order, versions
 *   check_parts.c  every large record and its parts
 *   here           the tree, the free list, and that every block is in one of them, once
 *
 * The tree is followed from the root, downwards and from left to right, so leaves come in the order of
 * their keys.  Each page must be on the level below its parent's, have exactly the fences that its parent
 * gives it, and be where the right link of its left neighbour leads.  A block is followed once,
 * and a child only to a lower level: so this ends, whatever the pages say.  Where a page cannot be
 * followed, what lies below is unknown and said to be so in one line, instead of one for each block.
 *
 * Meanwhile ExclusiveLock on the relation keeps all writers out, and whoever tidies; readers go on.  Rejected: to
 * check beside writers (every page may be split, merged or reused between two looks, and
 * each finding would have to be doubted and looked at again).  Pages are read through a small ring of
 * buffers, so that a large store does not push everything else out of memory.
 *
 * The memory it takes is a bit for each block, and maintenance_work_mem.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/compat.h"
#include "store/check_int.h"

static const StoreKey key_first = {.space = STORE_SPACE_RECORDS};
static const StoreKey key_end = {.space = STORE_SPACE_END};

void
pgfirst_check_report(StoreCheck *check, BlockNumber block, const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	(void) vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	check->caller->problem(block, line, check->caller->context);
}

/* Notes that a block has been reached; false if it had been before. */
static bool
block_reach(StoreCheck *check, BlockNumber block)
{
	uint8 bit = (uint8) (1 << block % 8);
	bool first = !(check->seen[block / 8] & bit);

	check->seen[block / 8] |= bit;
	return first;
}

/* ---- records --------------------------------------------------------------------------------- */

/* Brings more of a large record in; NULL if its parts are not all there, which is found elsewhere. */
static char *
record_bytes(StoreCheck *check, const StoreItem *item, Size wanted)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char *volatile data = MemoryContextAllocHuge(context, wanted);
	volatile bool good = false;
	StoreLarge large;

	memcpy(&large, item->data, STORE_LARGE_HEADER);
	memcpy(data, item->data + STORE_LARGE_HEADER, STORE_LARGE_PREFIX);
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		good = pgfirst_large_read(check->store, &large, wanted, data);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (geterrcode() != ERRCODE_DATA_CORRUPTED)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (!good)
	{
		pfree(data);
		return NULL;
	}
	return data;
}

/* Asks the caller what it thinks of a version of a record.  whole: its parts must be there. */
static void
record_check(StoreCheck *check, BlockNumber block, int slot, const StoreItem *item, bool whole)
{
	PgfirstRecord record = {
	    .kind = item->kind, .expiry = item->expiry, .data = item->data, .length = item->length};
	StoreKey key = store_item_key(item);
	Size available = item->length;
	Size wanted = 0;
	const char *fault;
	char *data = NULL;

	if (check->caller->record == NULL)
		return;
	store_key_to_id(&key, &record.id);
	if (item->flags & STORE_ITEM_LARGE)
	{
		StoreLarge large;

		memcpy(&large, item->data, STORE_LARGE_HEADER);
		record.data += STORE_LARGE_HEADER;
		record.length = large.length;
		available = STORE_LARGE_PREFIX;
	}
	fault = check->caller->record(&record, available, &wanted, check->caller->context);
	if (fault == NULL && wanted > available && wanted <= record.length && whole)
	{
		data = record_bytes(check, item, wanted);
		if (data != NULL)
		{
			record.data = data;
			fault = check->caller->record(&record, wanted, &wanted, check->caller->context);
			pfree(data);
		}
	}
	if (fault != NULL)
		pgfirst_check_report(check, block, "the record of item %d %s", slot, fault);
}

/* Whether this version, if it is a large record, has parts: it is committed, or may yet be. */
static bool
version_stays(const StoreVersions *versions, const StoreItem *item)
{
	if (versions->tag == STORE_TAG_RUNNING || versions->tag == STORE_TAG_MINE)
		return true;
	return item == versions->current;
}

static void
leaf_check(StoreCheck *check, CheckPage *page)
{
	for (int i = 0; i < page->count;)
	{
		StoreVersions versions;
		int slot = i;

		if (!pgfirst_check_versions(check, page, &i, &versions))
			continue;
		for (int n = 0; n < versions.items; n++)
		{
			StoreItem *item = check_item(page, slot + n);
			bool stays = version_stays(&versions, item);

			if (item->flags & STORE_ITEM_DELETED)
				continue;
			if (item->space == STORE_SPACE_PARTS && stays)
				pgfirst_check_part(check, page->block, item);
			if (item->space != STORE_SPACE_RECORDS)
				continue;
			if (stays && (item->flags & STORE_ITEM_LARGE))
				pgfirst_check_large(check, page->block, item);
			record_check(check, page->block, slot + n, item, stays);
		}
	}
}

/* ---- the tree -------------------------------------------------------------------------------- */

/* What lies below a page that cannot be followed is not known, nor who is whose neighbour there. */
static void
level_lost(StoreCheck *check, int level)
{
	check->parents_lost += level > 0;
	for (int i = 0; i <= level; i++)
		check->levels[i].known = false;
}

static void
neighbour_check(StoreCheck *check, CheckPage *page)
{
	Page copy = (Page) page->copy.data;
	CheckLevel *level = &check->levels[store_page_tail(copy)->level];
	StoreKey low = store_page_low(copy);

	if (level->known && level->right != page->block)
		pgfirst_check_report(check, level->block, "its right link leads to page %u instead of %u",
		                     level->right, page->block);
	if (level->known && store_key_compare(&level->high, &low) != 0)
		pgfirst_check_report(check, page->block,
		                     "it does not begin where its left neighbour, page %u, ends",
		                     level->block);
	level->known = true;
	level->block = page->block;
	level->right = store_page_tail(copy)->right;
	level->high = store_page_high(copy);
}

/* low and high: the fences that its parent gives it, NULL where that is not known. */
static bool
tree_page_fits(StoreCheck *check, CheckPage *page, int level, const StoreKey *low,
               const StoreKey *high)
{
	StoreTail *tail = store_page_tail((Page) page->copy.data);
	StoreKey own_low = store_page_low((Page) page->copy.data);
	StoreKey own_high = store_page_high((Page) page->copy.data);

	if (tail->kind != STORE_PAGE_TREE)
		pgfirst_check_report(check, page->block,
		                     "the tree leads to it, and it is no page of a tree");
	else if (level >= 0 && tail->level != level)
		pgfirst_check_report(check, page->block, "it is on level %d, and its parent on level %d",
		                     tail->level, level + 1);
	else
	{
		if (low != NULL && store_key_compare(low, &own_low) != 0)
			pgfirst_check_report(check, page->block, "its low fence is not what its parent says");
		if (high != NULL && store_key_compare(high, &own_high) != 0)
			pgfirst_check_report(check, page->block, "its high fence is not what its parent says");
		return true;
	}
	return false;
}

static void tree_children(StoreCheck *check, CheckPage *page);

/* level -1: the root's, whatever it is. */
static void
tree_page(StoreCheck *check, BlockNumber block, int level, const StoreKey *low,
          const StoreKey *high)
{
	CheckPage *page = palloc(sizeof(CheckPage));
	StoreTail *tail = store_page_tail((Page) page->copy.data);

	check_stack_depth();
	if (!pgfirst_check_read(check, block, page) || !tree_page_fits(check, page, level, low, high))
	{
		/* A root of unknown height has everything below it. */
		level_lost(check, level >= 0 ? level : CHECK_LEVELS - 1);
		pfree(page);
		return;
	}
	neighbour_check(check, page);
	pgfirst_check_items(check, page);
	if (tail->level == 0)
		leaf_check(check, page);
	else
		tree_children(check, page);
	pfree(page);
}

static void
tree_children(StoreCheck *check, CheckPage *page)
{
	Page copy = (Page) page->copy.data;
	int level = store_page_tail(copy)->level - 1;
	StoreKey low = store_page_low(copy);
	StoreKey high = store_page_high(copy);

	if (page->count == 0 && page->whole)
		pgfirst_check_report(check, page->block, "it has no children");
	if (!page->whole || page->count == 0)
		level_lost(check, level + 1);
	for (int i = 0; i < page->count; i++)
	{
		StoreItem *item = check_item(page, i);
		BlockNumber child = item->child;
		StoreKey from = store_item_key(item);
		StoreKey to = i + 1 < page->count ? store_item_key(check_item(page, i + 1)) : high;

		if (i == 0 && page->whole && store_key_compare(&from, &low) != 0)
			pgfirst_check_report(check, page->block,
			                     "its first child does not begin at its low fence");
		if (item->flags != 0)
			pgfirst_check_report(check, page->block, "item %d has flags", i);
		if (child <= STORE_ROOT_BLOCK || child >= check->meta.used || child >= check->blocks)
		{
			pgfirst_check_report(check, page->block, "item %d leads to page %u, which is none", i,
			                     child);
			level_lost(check, level);
		}
		else if (!block_reach(check, child))
		{
			pgfirst_check_report(check, page->block,
			                     "item %d leads to page %u, to which something else leads", i,
			                     child);
			level_lost(check, level);
		}
		else
			tree_page(check, child, level, page->whole ? &from : NULL, page->whole ? &to : NULL);
	}
}

static void
tree_check(StoreCheck *check)
{
	(void) block_reach(check, STORE_ROOT_BLOCK);
	pgfirst_check_parts_begin(check);
	tree_page(check, STORE_ROOT_BLOCK, -1, &key_first, &key_end);
	pgfirst_check_parts_end(check);
	for (int i = 0; i < CHECK_LEVELS; i++)
	{
		CheckLevel *level = &check->levels[i];

		if (level->known && level->right != InvalidBlockNumber)
			pgfirst_check_report(
			    check, level->block,
			    "it is the last page of its level, and a right link leads on to page %u",
			    level->right);
	}
}

/* ---- everything else ------------------------------------------------------------------------- */

/* The meta page; false if nothing can be checked, or nothing is there to be. */
static bool
meta_check(StoreCheck *check, CheckPage *page)
{
	StoreTail *tail = store_page_tail((Page) page->copy.data);

	if (check->blocks == 0)
		return false;
	if (!pgfirst_check_read_raw(check, STORE_META_BLOCK, page))
		return false;
	if (PageIsNew((Page) page->copy.data) && check->blocks <= STORE_ROOT_BLOCK + 1)
	{
		/* A store that has never been changed, as long as the root is zero, too. */
		if (check->blocks == STORE_ROOT_BLOCK ||
		    (pgfirst_check_read_raw(check, STORE_ROOT_BLOCK, page) &&
		     PageIsNew((Page) page->copy.data)))
			return false;
	}
	if (!pgfirst_check_read(check, STORE_META_BLOCK, page))
		return false;
	if (tail->kind != STORE_PAGE_META || tail->store_id == 0 ||
	    ((PageHeader) page->copy.data)->pd_lower != SizeOfPageHeaderData + sizeof(StoreMeta))
	{
		pgfirst_check_report(check, STORE_META_BLOCK, "it is not the first page of a store");
		return false;
	}
	check->store_id = tail->store_id;
	check->meta = *store_page_meta((Page) page->copy.data);
	if (check->meta.used > check->blocks || check->meta.used <= STORE_ROOT_BLOCK)
	{
		pgfirst_check_report(check, STORE_META_BLOCK, "it counts %u pages, and the file has %u",
		                     check->meta.used, check->blocks);
		check->meta.used = check->blocks;
	}
	if (check->meta.front > check->meta.used ||
	    (check->meta.place != 0 && check->meta.place >= check->meta.front))
		pgfirst_check_report(check, STORE_META_BLOCK,
		                     "it says that the file is being made shorter to %u pages, by page %u",
		                     check->meta.front, check->meta.place);
	if (check->meta.tags > STORE_TAGS_VACUUM)
		pgfirst_check_report(check, STORE_META_BLOCK, "it says %u of tags", check->meta.tags);
	if (check->meta.incarnations == 0)
		pgfirst_check_report(check, STORE_META_BLOCK, "it counts no incarnations");
	(void) block_reach(check, STORE_META_BLOCK);
	return check->blocks > STORE_ROOT_BLOCK;
}

static void
free_list_check(StoreCheck *check, CheckPage *page)
{
	BlockNumber block = check->meta.free_head;
	BlockNumber from = STORE_META_BLOCK;
	uint32 count = 0;

	while (block != InvalidBlockNumber)
	{
		StoreTail *tail = store_page_tail((Page) page->copy.data);

		if (block <= STORE_ROOT_BLOCK || block >= check->meta.used || block >= check->blocks)
		{
			pgfirst_check_report(check, from,
			                     "the free list leads from it to page %u, which is none", block);
			break;
		}
		if (!block_reach(check, block))
		{
			pgfirst_check_report(
			    check, from,
			    "the free list leads from it to page %u, to which something else leads", block);
			break;
		}
		if (!pgfirst_check_read(check, block, page))
			break;
		if (tail->kind != STORE_PAGE_FREE || store_page_count((Page) page->copy.data) != 0)
		{
			pgfirst_check_report(check, block, "it is on the free list and not free");
			break;
		}
		count++;
		from = block;
		block = tail->right;
	}
	if (block != InvalidBlockNumber)
		check->parents_lost++;
	else if (count != check->meta.free_count)
		pgfirst_check_report(check, STORE_META_BLOCK,
		                     "it counts %u free pages, and the free list has %u",
		                     check->meta.free_count, count);
}

/* Whether the page is one to which nothing has to lead, because it is on its way. */
static bool
is_aside(StoreCheck *check, BlockNumber block, CheckPage *page)
{
	const StoreMeta *meta = &check->meta;

	return meta->front != 0 && (block >= meta->front || block == meta->place) &&
	       pgfirst_check_read(check, block, page) &&
	       store_page_tail((Page) page->copy.data)->kind == STORE_PAGE_ASIDE;
}

/* The same of one behind the pages that are used. */
static bool
is_left_aside(StoreCheck *check, BlockNumber block, CheckPage *page)
{
	const StoreTail *tail = store_page_tail((Page) page->copy.data);

	return tail->magic == STORE_MAGIC && tail->kind == STORE_PAGE_ASIDE &&
	       tail->store_id == check->store_id && tail->block == block;
}

/* Each block in use has been reached, and behind them there is nothing that somebody uses. */
static void
blocks_check(StoreCheck *check, CheckPage *page)
{
	BlockNumber unknown = 0;
	BlockNumber beyond = 0;

	for (BlockNumber block = 0; block < check->meta.used; block++)
	{
		if (block % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		if (check->seen[block / 8] & (1 << block % 8))
			continue;
		if (is_aside(check, block, page))
			continue;
		if (check->parents_lost > 0)
			unknown++;
		else
			pgfirst_check_report(check, block, "nothing leads to it");
	}
	if (unknown > 0)
		pgfirst_check_report(
		    check, PGFIRST_NO_BLOCK,
		    "%u more pages could not be checked, because nothing that is whole leads "
		    "to them",
		    unknown);
	for (BlockNumber block = check->meta.used; block < check->blocks; block++)
		if (pgfirst_check_read_raw(check, block, page) && !PageIsNew((Page) page->copy.data) &&
		    !is_left_aside(check, block, page) && beyond++ == 0)
			pgfirst_check_report(check, block,
			                     "it is in use, and the first page counts it as unused");
	if (beyond > 1)
		pgfirst_check_report(check, PGFIRST_NO_BLOCK, "%u more pages behind it are in use, too",
		                     beyond - 1);
}

static void
store_check(StoreCheck *check)
{
	CheckPage *page = palloc(sizeof(CheckPage));

	check->blocks = RelationGetNumberOfBlocks(check->store->relation);
	check->strategy = GetAccessStrategy(BAS_BULKREAD);
	check->seen = MemoryContextAllocExtended(CurrentMemoryContext, check->blocks / 8 + 1,
	                                         MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	check->oldest = check->store->relation->rd_rel->relfrozenxid;
	if (!TransactionIdIsNormal(check->oldest))
		check->oldest = TransamVariables->oldestXid;
	check->next = ReadNextTransactionId();
	/* A record that has just filled a page of WAL ends behind the next one's header. */
	if (!RecoveryInProgress())
		check->wal_end = GetXLogInsertRecPtr() + XLOG_BLCKSZ;
	if (meta_check(check, page))
	{
		tree_check(check);
		free_list_check(check, page);
		blocks_check(check, page);
	}
	FreeAccessStrategy(check->strategy);
}

bool
pgfirst_store_check(PgfirstStore *store, bool wait, const PgfirstCheck *caller)
{
	MemoryContext context;
	MemoryContext old;
	StoreCheck *check;
	bool locked = !RecoveryInProgress();

	if (locked && !pgfirst_lock_relation(store->oid, ExclusiveLock, wait))
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "pgfirst check", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	check = palloc0(sizeof(StoreCheck));
	check->store = store;
	check->caller = caller;
	store_check(check);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	if (locked)
		pgfirst_unlock_relation(store->oid, ExclusiveLock);
	return true;
}
