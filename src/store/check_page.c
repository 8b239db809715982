/* SPDX-License-Identifier: PostgreSQL
 *
 * check_page.c: whether a page is in itself what page.h says.
 *
 * The page may hold anything.  It is copied first, and every offset, length and count is held against
 * the bounds of the copy before it is followed; what does not lie within them is reported and left
 * out, and the rest is looked at.  Nothing here calls what raises data_corrupted elsewhere.
 *
 * PostgreSQL itself refuses a page whose header or checksum is wrong, by an error, and may have left
 * the buffer in the middle of being read.  So each read is a subtransaction, which tidies that up.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "store/check_int.h"

/* ---- reading --------------------------------------------------------------------------------- */

/* What came of the error that has just been caught; raises it again if it is not about the page. */
static void
read_failed(StoreCheck *check, BlockNumber block, MemoryContext context, ResourceOwner owner)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED && error->sqlerrcode != ERRCODE_IO_ERROR)
		PG_RE_THROW();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	pgfirst_check_report(check, block, "PostgreSQL cannot read it: %s", error->message);
	FreeErrorData(error);
}

bool
pgfirst_check_read_raw(StoreCheck *check, BlockNumber block, CheckPage *page)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool good = false;

	CHECK_FOR_INTERRUPTS();
	page->block = block;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		Buffer buffer = ReadBufferExtended(check->store->relation, MAIN_FORKNUM, block, RBM_NORMAL,
		                                   check->strategy);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		memcpy(page->copy.data, BufferGetPage(buffer), BLCKSZ);
		UnlockReleaseBuffer(buffer);
		ReleaseCurrentSubTransaction();
		good = true;
	}
	PG_CATCH();
	{
		read_failed(check, block, context, owner);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return good;
}

/* What is wrong with the header and the tail; NULL: nothing. */
static const char *
page_fault(StoreCheck *check, CheckPage *page)
{
	PageHeader header = (PageHeader) page->copy.data;
	StoreTail *tail = store_page_tail(page->copy.data);

	if (PageIsNew((Page) page->copy.data))
		return "it is zero";
	if (header->pd_special != STORE_TAIL_OFFSET || tail->magic != STORE_MAGIC ||
	    tail->format != STORE_FORMAT)
		return "it is not a page of a store";
	if (check->store_id != 0 && tail->store_id != check->store_id)
		return "it belongs to another store";
	if (tail->block != page->block)
		return "it belongs to another place";
	if (header->pd_lower < SizeOfPageHeaderData ||
	    (header->pd_lower - SizeOfPageHeaderData) % STORE_SLOT != 0 ||
	    header->pd_lower > header->pd_upper || header->pd_upper > header->pd_special ||
	    header->pd_upper % 8 != 0)
		return "its header is wrong";
	if (check->wal_end != 0 && PageGetLSN((Page) page->copy.data) > check->wal_end)
		return "it says that it was changed behind the end of the log";
	return NULL;
}

bool
pgfirst_check_read(StoreCheck *check, BlockNumber block, CheckPage *page)
{
	const char *fault;

	if (!pgfirst_check_read_raw(check, block, page))
		return false;
	fault = page_fault(check, page);
	if (fault != NULL)
		pgfirst_check_report(check, block, "%s", fault);
	return fault == NULL;
}

/* ---- places ---------------------------------------------------------------------------------- */

static int
offset_compare(const void *a, const void *b)
{
	return (int) *(const uint16 *) a - (int) *(const uint16 *) b;
}

/* Takes up the slots whose items lie where items lie; and a search must find them. */
static void
items_find(StoreCheck *check, CheckPage *page)
{
	Page copy = (Page) page->copy.data;
	uint16 upper = ((PageHeader) copy)->pd_upper;
	bool leaf = store_page_tail(copy)->level == 0;
	int slots = store_page_count(copy);

	page->count = 0;
	for (int slot = 0; slot < slots; slot++)
	{
		uint16 offset = store_page_slots(copy)[slot].offset;
		const StoreItem *item = (const StoreItem *) (page->copy.data + offset);

		if (offset < upper || offset % 8 != 0 || offset + STORE_INNER_SIZE > STORE_TAIL_OFFSET)
			pgfirst_check_report(check, page->block, "slot %d leads outside of the items", slot);
		else if (leaf && (item->length > STORE_INLINE_MAX ||
		                  offset + store_leaf_size(item->length) > STORE_TAIL_OFFSET))
			pgfirst_check_report(check, page->block, "item %d is %u bytes long", slot,
			                     item->length);
		else if (!leaf && item->length != sizeof(BlockNumber))
			pgfirst_check_report(check, page->block, "item %d is no child", slot);
		else
		{
			StoreKey key = store_item_key(item);

			if (store_page_slots(copy)[slot].mark !=
			    store_page_mark(copy, (uint8) key.space, key.high, key.low))
				pgfirst_check_report(check, page->block, "slot %d has another mark than its key",
				                     slot);
			page->offset[page->count++] = offset;
		}
	}
	page->whole = page->count == slots;
}

/* Each byte behind the hole belongs to one item or is counted as dead. */
static void
items_account(StoreCheck *check, CheckPage *page)
{
	Page copy = (Page) page->copy.data;
	PageHeader header = (PageHeader) copy;
	uint16 *sorted = palloc(sizeof(uint16) * (Size) Max(page->count, 1));
	Size used = 0;
	Size end = 0;

	memcpy(sorted, page->offset, sizeof(uint16) * (Size) page->count);
	qsort(sorted, (size_t) page->count, sizeof(uint16), offset_compare);
	for (int i = 0; i < page->count; i++)
	{
		Size size = store_item_size(copy, (const StoreItem *) (page->copy.data + sorted[i]));

		if (sorted[i] < end)
			pgfirst_check_report(check, page->block, "items overlap at byte %u", sorted[i]);
		end = Max(end, sorted[i] + size);
		used += size;
	}
	pfree(sorted);
	if (page->whole &&
	    used + store_page_tail(copy)->dead != (Size) (header->pd_special - header->pd_upper))
		pgfirst_check_report(
		    check, page->block,
		    "its items take %zu bytes and %u are dead, which are not the %d there are", used,
		    store_page_tail(copy)->dead, header->pd_special - header->pd_upper);
	for (Size i = header->pd_lower; i < header->pd_upper; i++)
		if (page->copy.data[i] != 0)
		{
			pgfirst_check_report(check, page->block, "its hole is not empty at byte %zu", i);
			break;
		}
}

/* ---- order ----------------------------------------------------------------------------------- */

static void
items_order(StoreCheck *check, CheckPage *page)
{
	StoreKey low = store_page_low((Page) page->copy.data);
	StoreKey high = store_page_high((Page) page->copy.data);
	bool leaf = store_page_tail((Page) page->copy.data)->level == 0;
	int same = 0;

	for (int i = 0; i < page->count; i++)
	{
		StoreKey key = store_item_key(check_item(page, i));
		StoreKey before = i > 0 ? store_item_key(check_item(page, i - 1)) : low;
		int order = store_key_compare(&before, &key);

		same = i > 0 && order == 0 ? same + 1 : 0;
		if (i == 0 ? order > 0 : order > 0 || (order == 0 && !leaf) || same > 1)
			pgfirst_check_report(check, page->block,
			                     i == 0 ? "item %d is below the page's low fence"
			                            : "item %d is not behind the one before it",
			                     i);
		if (store_key_compare(&key, &high) >= 0)
			pgfirst_check_report(check, page->block, "item %d is not below the page's high fence",
			                     i);
	}
}

void
pgfirst_check_items(StoreCheck *check, CheckPage *page)
{
	StoreKey low = store_page_low((Page) page->copy.data);
	StoreKey high = store_page_high((Page) page->copy.data);

	if (store_key_compare(&low, &high) >= 0)
		pgfirst_check_report(check, page->block, "its fences are not in order");
	items_find(check, page);
	items_account(check, page);
	items_order(check, page);
}

/* ---- versions -------------------------------------------------------------------------------- */

static bool
tag_is_possible(StoreCheck *check, TransactionId xid)
{
	return TransactionIdIsNormal(xid) && !TransactionIdPrecedes(xid, check->oldest) &&
	       TransactionIdPrecedes(xid, check->next);
}

static const char *
item_fault(StoreCheck *check, const StoreItem *item)
{
	bool deleted = item->flags & STORE_ITEM_DELETED;
	StoreLarge large;

	if (item->xid != InvalidTransactionId && !tag_is_possible(check, item->xid))
		return "has the tag of a transaction that there cannot be";
	if (item->xid != InvalidTransactionId && check->meta.tags == STORE_TAGS_NONE)
		return "has a tag, and the first page says that there are none";
	if (item->flags & ~(STORE_ITEM_DELETED | STORE_ITEM_LARGE))
		return "has unknown flags";
	if (deleted && (item->xid == InvalidTransactionId || item->length != 0))
		return "is a deletion without a transaction";
	if (item->expiry < 0)
		return "expires before there was time";
	if (item->space == STORE_SPACE_PARTS)
	{
		if ((item->flags & STORE_ITEM_LARGE) || item->expiry != 0 || item->kind != 0 ||
		    item->low > PG_UINT32_MAX)
			return "is a part and has what only records have";
		if (!deleted && item->low == 0 && item->length < STORE_PART_OWNER)
			return "is a first part without an owner";
		return NULL;
	}
	if (!(item->flags & STORE_ITEM_LARGE))
		return NULL;
	if (item->length != STORE_LARGE_HEADER + STORE_LARGE_PREFIX)
		return "is a large record without a head";
	memcpy(&large, item->data, STORE_LARGE_HEADER);
	if (large.length <= STORE_INLINE_MAX || large.length > PGFIRST_RECORD_MAX)
		return "is a large record of an impossible length";
	if (pgfirst_incarnation_count(large.incarnation) == 0 ||
	    pgfirst_incarnation_count(large.incarnation) >= check->meta.incarnations)
		return "is a large record of an incarnation that was not given out";
	return NULL;
}

bool
pgfirst_check_versions(StoreCheck *check, CheckPage *page, int *i, StoreVersions *versions)
{
	StoreItem *first = check_item(page, *i);
	StoreItem *second = *i + 1 < page->count ? check_item(page, *i + 1) : NULL;
	StoreKey key = store_item_key(first);
	const char *fault = item_fault(check, first);
	int at = *i;

	*versions = (StoreVersions){.slot = at, .items = 1};
	if (first->xid == InvalidTransactionId)
		versions->settled = first;
	else
		versions->tagged = first;
	if (second != NULL && store_item_compare(second, &key) == 0)
	{
		versions->items = 2;
		versions->tagged = second;
		if (fault == NULL && item_fault(check, second) != NULL)
		{
			fault = item_fault(check, second);
			at++;
		}
		if (fault == NULL &&
		    (first->xid != InvalidTransactionId || second->xid == InvalidTransactionId))
			fault = "and the next are versions that exclude each other";
	}
	*i += versions->items;
	if (fault != NULL)
	{
		pgfirst_check_report(check, page->block, "item %d %s", at, fault);
		return false;
	}
	/* The tag has been looked at, so this does not raise. */
	pgfirst_versions_resolve(versions);
	return true;
}
