/* SPDX-License-Identifier: PostgreSQL
 *
 * wal.c: every change of a page, and its WAL record.
 *
 * Records are those of PostgreSQL's generic resource manager, written by hand: for each page a list of
 * (offset, length, bytes).  Any server replays them, a standby or a restore without this library
 * too.  GenericXLogRegisterBuffer and _Finish copy each page twice and compare it byte by byte, at
 * ten times the cost; who has just changed a page knows what has changed, or compares one record.  What the replay expects
 * (src/backend/access/transam/generic_xlog.c) makes the rules:
 *
 *   1. At most four pages.  Replay keeps their buffers in an array of four and does not check; a
 *      fifth would overrun its stack.  So we do, in every build.
 *   2. Whatever may fail comes first: reading and locking pages, making room, extending the file.
 *      Then pgfirst_record_change() enters a critical section, in which nothing may raise, until the
 *      record is inserted.  What is not certain to succeed is tried on a copy.
 *   3. No byte of a logged page changes without being in the record.  There are no hint bits:
 *      replay of the next record over a page that has some leaves other bytes than here.
 *   4. Replay fills the hole between pd_lower and pd_upper with zeros.  So nothing lives there, and
 *      both are in the record whenever they move.
 *   5. A page that is new, compacted or reused is logged whole (REGBUF_FORCE_IMAGE), never as
 *      differences to whatever stood there.
 *   6. Buffers are marked dirty before they are registered; a checkpoint that begins in between
 *      would miss them.
 *   7. All pages of a record stay locked until their LSN is set.  Nothing else is done under the lock.
 *
 * A record is atomic: replay applies all its pages or, where the record is not complete, none.
 * That is the unit in which a store changes without a transaction id.
 *
 * Stores that are not logged take the same path around the insertion, and have room for more pages: they
 * are empty after a crash, so that a change is whole for whoever looks once its pages are unlocked. Built with
 * PGFIRST_GENERIC_XLOG, the records are written by PostgreSQL's own calls, as whole pages: slow, and
 * there for the day on which a version of PostgreSQL changes what the replay expects.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/xloginsert.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "store/store_int.h"
#include "store/wal.h"

/* An (offset, length) pair in front of each piece. */
#define PIECE_HEADER (2 * sizeof(OffsetNumber))

#ifndef PGFIRST_GENERIC_XLOG
static struct
{
	char bytes[STORE_RECORD_PAGES][STORE_EDIT_BYTES + STORE_EDIT_PIECES * PIECE_HEADER];
} delta;
#endif

void
pgfirst_record_begin(StoreRecord *record, Relation relation)
{
	record->relation = relation;
	record->logged = RelationNeedsWAL(relation);
	record->limit = pgfirst_record_limit(relation);
	record->pages = 0;
}

StoreEdit *
pgfirst_record_page(StoreRecord *record, Buffer buffer)
{
	StoreEdit *edit;

	if (record->pages >= record->limit)
		elog(ERROR, "a change of a store takes more than %d pages", record->limit);
	edit = &record->edits[record->pages++];
	edit->buffer = buffer;
	edit->page = BufferGetPage(buffer);
	edit->image = !record->logged; /* nobody asks what has changed */
	edit->pieces = 0;
	return edit;
}

void
pgfirst_record_change(StoreRecord *record)
{
	pgfirst_store_point("before a record");
#ifdef PGFIRST_GENERIC_XLOG
	if (record->logged)
		record->generic = GenericXLogStart(record->relation);
#endif
	START_CRIT_SECTION();
	for (int i = 0; i < record->pages; i++)
		MarkBufferDirty(record->edits[i].buffer);
}

#ifndef PGFIRST_GENERIC_XLOG
/* Puts the changed pieces of a page one behind the other; 0 if there are none, or the whole page is to be logged. */
static Size
edit_delta(StoreEdit *edit, char *to)
{
	char *at = to;

	for (int i = 0; i < edit->pieces && !edit->image; i++)
	{
		OffsetNumber offset = edit->piece[i].offset;
		OffsetNumber length = edit->piece[i].length;

		if ((Size) (at - to) + PIECE_HEADER + length > sizeof(delta.bytes[0]))
		{
			edit->image = true;
			break;
		}
		memcpy(at, &offset, sizeof(offset));
		memcpy(at + sizeof(offset), &length, sizeof(length));
		memcpy(at + PIECE_HEADER, (char *) edit->page + offset, length);
		at += PIECE_HEADER + length;
	}
	return edit->image ? 0 : (Size) (at - to);
}

static XLogRecPtr
record_write(StoreRecord *record)
{
	XLogRecPtr end;

	XLogBeginInsert();
	for (int i = 0; i < record->pages; i++)
	{
		StoreEdit *edit = &record->edits[i];
		Size length = edit_delta(edit, delta.bytes[i]);

		XLogRegisterBuffer((uint8) i, edit->buffer,
		                   REGBUF_STANDARD | (edit->image ? REGBUF_FORCE_IMAGE : 0));
		if (length > 0)
			XLogRegisterBufData((uint8) i, delta.bytes[i], (uint32) length);
	}
	end = XLogInsert(RM_GENERIC_ID, 0);
	for (int i = 0; i < record->pages; i++)
		PageSetLSN(record->edits[i].page, end);
	return end;
}
#else
static XLogRecPtr
record_write(StoreRecord *record)
{
	for (int i = 0; i < record->pages; i++)
	{
		StoreEdit *edit = &record->edits[i];
		Page copy =
		    GenericXLogRegisterBuffer(record->generic, edit->buffer, GENERIC_XLOG_FULL_IMAGE);

		memcpy(copy, edit->page, BLCKSZ);
	}
	return GenericXLogFinish(record->generic);
}
#endif

XLogRecPtr
pgfirst_record_insert(StoreRecord *record)
{
	XLogRecPtr end = InvalidXLogRecPtr;

	if (record->logged)
		end = record_write(record);
	END_CRIT_SECTION();
	pgfirst_store_point("after a record");
	return end;
}

/* ---- edits ------------------------------------------------------------------------------- */

void
pgfirst_edit_touch(StoreEdit *edit, const void *start, Size length)
{
	uint16 offset = (uint16) ((const char *) start - (char *) edit->page);
	int last = edit->pieces - 1;

	if (edit->image || length == 0)
		return;
	for (int i = last; i >= 0; i--)
	{
		uint16 from = edit->piece[i].offset;
		uint16 to = from + edit->piece[i].length;

		/* Those that touch each other become one; what lies inside of another needs none. */
		if (offset > to || offset + length < from)
			continue;
		edit->piece[i].offset = Min(from, offset);
		edit->piece[i].length = Max(to, offset + length) - edit->piece[i].offset;
		return;
	}
	if (edit->pieces == STORE_EDIT_PIECES)
	{
		edit->image = true;
		return;
	}
	edit->piece[edit->pieces].offset = offset;
	edit->piece[edit->pieces++].length = (uint16) length;
}

static void
edit_bounds(StoreEdit *edit)
{
	PageHeader header = (PageHeader) edit->page;

	pgfirst_edit_touch(edit, &header->pd_lower,
	                   sizeof(header->pd_lower) + sizeof(header->pd_upper));
}

void
pgfirst_edit_replace(StoreEdit *edit, Page image)
{
	XLogRecPtr position = PageGetLSN(edit->page);

	memcpy(edit->page, image, BLCKSZ);
	PageSetLSN(edit->page, position);
	edit->image = true;
}

void
pgfirst_edit_dead(StoreEdit *edit, Size bytes)
{
	StoreTail *tail = store_page_tail(edit->page);

	tail->dead += bytes;
	pgfirst_edit_touch(edit, &tail->dead, sizeof(tail->dead));
}

StoreItem *
pgfirst_edit_insert(StoreEdit *edit, int slot, const StoreKey *key, Size size)
{
	PageHeader header = (PageHeader) edit->page;
	StoreSlot *slots = store_page_slots(edit->page);
	int count = store_page_count(edit->page);
	StoreItem *item;

	Assert(store_page_hole(edit->page) >= size + STORE_SLOT);
	memmove(&slots[slot + 1], &slots[slot], (Size) (count - slot) * STORE_SLOT);
	header->pd_lower += STORE_SLOT;
	header->pd_upper -= size;
	slots[slot].offset = header->pd_upper;
	slots[slot].mark = store_page_mark(edit->page, (uint8) key->space, key->high, key->low);
	item = (StoreItem *) ((char *) edit->page + header->pd_upper);
	memset(item, 0, size);
	item->high = key->high;
	item->low = key->low;
	item->space = (uint8) key->space;
	edit_bounds(edit);
	pgfirst_edit_touch(edit, &slots[slot], (Size) (count + 1 - slot) * STORE_SLOT);
	pgfirst_edit_touch(edit, item, size);
	return item;
}

void
pgfirst_edit_remove(StoreEdit *edit, int slot)
{
	PageHeader header = (PageHeader) edit->page;
	StoreSlot *slots = store_page_slots(edit->page);
	int count = store_page_count(edit->page);
	const StoreItem *item = (const StoreItem *) ((char *) edit->page + slots[slot].offset);
	Size size = store_item_size(edit->page, item);

	memmove(&slots[slot], &slots[slot + 1], (Size) (count - slot - 1) * STORE_SLOT);
	header->pd_lower -= STORE_SLOT;
	slots[count - 1] = (StoreSlot){0, 0}; /* in the hole now */
	edit_bounds(edit);
	pgfirst_edit_touch(edit, &slots[slot], (Size) (count - slot - 1) * STORE_SLOT);
	pgfirst_edit_dead(edit, size);
}

StoreItem *
pgfirst_edit_take(StoreEdit *edit, int from, int to, const StoreKey *key, Size size)
{
	StoreSlot *slots = store_page_slots(edit->page);
	StoreSlot slot = slots[from];
	StoreItem *item = (StoreItem *) ((char *) edit->page + slot.offset);
	Size before = store_item_size(edit->page, item);

	slot.mark = store_page_mark(edit->page, (uint8) key->space, key->high, key->low);
	if (from < to)
		memmove(&slots[from], &slots[from + 1], (Size) (to - from) * STORE_SLOT);
	else
		memmove(&slots[to + 1], &slots[to], (Size) (from - to) * STORE_SLOT);
	slots[to] = slot;
	memset(item, 0, size);
	item->high = key->high;
	item->low = key->low;
	item->space = (uint8) key->space;
	pgfirst_edit_touch(edit, &slots[Min(from, to)], (Size) (abs(from - to) + 1) * STORE_SLOT);
	pgfirst_edit_touch(edit, item, size);
	if (before > size)
		pgfirst_edit_dead(edit, before - size);
	return item;
}

void
pgfirst_edit_swap(StoreEdit *edit, int slot)
{
	StoreSlot *slots = store_page_slots(edit->page);
	StoreSlot first = slots[slot];

	slots[slot] = slots[slot + 1];
	slots[slot + 1] = first;
	pgfirst_edit_touch(edit, &slots[slot], 2 * STORE_SLOT);
}
