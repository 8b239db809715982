/* SPDX-License-Identifier: PostgreSQL
 *
 * change.c: what becomes of the items of a leaf when records change.
 *
 * A plan is a leaf, exclusively locked, and what is to change on it.  First everything is looked up:
 * which versions there are, whose they are, how many bytes the change needs.  That may fail (a
 * damaged page, a record that somebody else is changing) and changes nothing.  Then, in the critical
 * section, the ops are carried out from the last slot to the first, so that none moves the slots of
 * those to come.
 *
 *                     without an id                         with an id
 *     put             in place if an item is large          the committed item stays,
 *                     enough, else into the hole            the next one goes into the hole
 *     delete          all items go                          a tagged item that says so
 *     expiry          in place                              a tagged copy
 *
 * Whatever other transactions have left under the key (a tag that has ended) is settled in passing, and
 * its place taken: a record that is written again and again moves between two places.  When the hole
 * is too small, the place of what is left over under a neighbour is taken: on a leaf that is too full for
 * two versions of everything, the places there are go round, and nothing is written but the change.
 * When there is none either, the leaf is rebuilt in private memory: everything that has ended is
 * settled, dead bytes go, the ops are carried out there, and the page is logged whole.  What does not
 * fit even then waits for a split.
 *
 * Hardly anybody comes by a record that is gone.  So a deletion with an id, which leaves two items, takes away the two
 * that another one has left nearby; single items are left to tidying.  Without that, what is popped from a set by
 * pipelines stays until tidying comes by, and whoever draws from its leaves meets little else.
 */
#include "postgres.h"

#include "access/xact.h"

#include "store/store_int.h"

#define SPARE_NONE    (-1)
#define GONE_DISTANCE 64 /* slots to both sides that are looked at: mostly all of a leaf */

/* ---- looking ----------------------------------------------------------------------------- */

static Size
op_length(const StoreOp *op)
{
	return (Size) op->lengths[0] + op->lengths[1];
}

/* Whether the item's place is large enough for so much data. */
static bool
item_takes(const StoreItem *item, Size length)
{
	return item != NULL && store_leaf_size(item->length) >= store_leaf_size(length);
}

/*
 * The item under the key that no reader needs any more beside a tag: what was replaced by a version
 * that has committed, or what was rolled back.  NULL if there is none.
 */
static StoreItem *
versions_leftover(const StoreVersions *versions)
{
	if (versions->items < 2)
		return NULL;
	if (versions->tag == STORE_TAG_ABORTED)
		return versions->tagged;
	if (versions->tag == STORE_TAG_COMMITTED && versions->current == versions->tagged)
		return versions->settled;
	return NULL;
}

/* The item that a put writes over. */
static StoreItem *
op_place(const StoreOp *op, TransactionId xid)
{
	const StoreVersions *versions = &op->versions;
	Size length = op_length(op);
	StoreItem *place = versions->tagged;

	if (op->change != STORE_PUT)
		return NULL;
	if (xid == InvalidTransactionId && item_takes(versions->settled, length))
		return versions->settled;
	if (xid != InvalidTransactionId && versions->tag != STORE_TAG_MINE)
		place = versions_leftover(versions);
	return item_takes(place, length) ? place : NULL;
}

static Size
op_need(const StoreOp *op, TransactionId xid)
{
	const StoreVersions *versions = &op->versions;
	Size length = op_length(op);

	if (op->place != NULL)
		return 0;
	if (xid == InvalidTransactionId || versions->tag == STORE_TAG_MINE)
	{
		if (op->change != STORE_PUT)
			return 0;
	}
	else if (op->change == STORE_DELETED)
		length = 0;
	else if (op->change == STORE_EXPIRY)
		length = versions->current != NULL ? versions->current->length : 0;
	return store_leaf_size(length) + STORE_SLOT;
}

static bool
plan_changes(const StorePlan *plan, const StoreKey *key)
{
	for (int i = 0; i < plan->count; i++)
		if (store_key_compare(&plan->ops[i].key, key) == 0)
			return true;
	return false;
}

/* Whether one of the first `count` ops takes what is in this slot. */
static bool
spare_taken(const StorePlan *plan, int count, int spare)
{
	for (int i = 0; i < count; i++)
		if (plan->ops[i].spare == spare)
			return true;
	return false;
}

/* The slot of what is left over under the key that begins at `slot`, if op number i may take its place. */
static int
spare_at(const StorePlan *plan, int i, Page page, int slot)
{
	const StoreSlot *slots = store_page_slots(page);
	const StoreItem *leftover;
	StoreVersions versions;
	StoreKey key;

	if (slot < 0 || slot + 1 >= store_page_count(page) || slots[slot].mark != slots[slot + 1].mark)
		return SPARE_NONE;
	key = store_item_key(store_page_item(page, slot));
	if (plan_changes(plan, &key))
		return SPARE_NONE;
	(void) pgfirst_versions_at(page, slot, &versions);
	leftover = versions_leftover(&versions);
	if (!item_takes(leftover, op_length(&plan->ops[i])))
		return SPARE_NONE;
	return leftover == versions.settled ? slot : slot + 1;
}

/*
 * The nearest slot, because what lies between moves, of an item that is left over under another key,
 * and whose place op number i can take.
 */
static int
plan_spare(const StorePlan *plan, int i, Page page)
{
	int count = store_page_count(page);
	int here = plan->ops[i].versions.slot;

	for (int distance = 1; distance <= count; distance++)
		for (int side = -1; side <= 1; side += 2)
		{
			int spare = spare_at(plan, i, page, here + side * distance);

			if (spare != SPARE_NONE && !spare_taken(plan, i, spare))
				return spare;
		}
	return SPARE_NONE;
}

/* Whether at `slot` begins a record that no op changes, and of which a deletion that has committed left two items. */
static bool
gone_at(const StorePlan *plan, Page page, int slot)
{
	const StoreSlot *slots = store_page_slots(page);
	StoreVersions versions;
	StoreKey key;

	if (slot < 0 || slot + 1 >= store_page_count(page) ||
	    slots[slot].mark != slots[slot + 1].mark ||
	    !(store_page_item(page, slot + 1)->flags & STORE_ITEM_DELETED))
		return false;
	(void) pgfirst_versions_at(page, slot, &versions);
	if (versions.items != 2 || versions.tag != STORE_TAG_COMMITTED || versions.current != NULL)
		return false;
	for (int i = 0; i < plan->gone; i++)
		if (plan->gone_slots[i] == slot)
			return false;
	key = store_item_key(versions.settled);
	return !plan_changes(plan, &key);
}

/* For each deletion the nearest of those, because what lies between moves. */
static void
plan_gone(StorePlan *plan, Page page)
{
	for (int i = 0; i < plan->count && plan->gone < STORE_GONE_MAX; i++)
	{
		const StoreOp *op = &plan->ops[i];
		int here = op->versions.slot;
		bool found = op->change != STORE_DELETED;

		for (int distance = 1; distance <= GONE_DISTANCE && !found; distance++)
			for (int side = -1; side <= 1 && !found; side += 2)
			{
				found = gone_at(plan, page, here + side * distance);
				if (found)
					plan->gone_slots[plan->gone++] = here + side * distance;
			}
		if (!found)
			break;
	}
}

/*
 * How many ops fit into the hole of the page, which is the leaf or a copy of it.  Everything that the
 * changes rely on is found out here, once: on a damaged page items may overlap, and one change may
 * turn another item into something else.
 */
static int
plan_look(StorePlan *plan, Page page, TransactionId xid)
{
	bool settled = page != plan->leaf.page; /* nothing is left over */
	Size hole = store_page_hole(page);
	int next = 0;

	for (int i = 0; i < plan->count; i++)
	{
		StoreOp *op = &plan->ops[i];

		pgfirst_versions_find(page, &op->key, &op->versions);
		if (op->versions.tag == STORE_TAG_RUNNING ||
		    (op->versions.tag == STORE_TAG_MINE && xid == InvalidTransactionId))
			ereport(ERROR,
			        (errcode(ERRCODE_DATA_CORRUPTED),
			         errmsg("a record of store \"%s\" is being changed by transaction %u",
			                RelationGetRelationName(op->store->relation), op->versions.tagged->xid),
			         errdetail("That transaction does not hold the record's lock.")));
		/* The ops are in order, and so are the slots that they change, from the last to the first. */
		if (unlikely(op->versions.slot < next))
			pgfirst_page_damaged_at(page, "its records are not in order");
		next = op->versions.slot + op->versions.items;
		op->place = op_place(op, xid);
		op->need = op_need(op, xid);
		op->spare = SPARE_NONE;
		if (op->need > hole && op->change == STORE_PUT && !settled)
			op->spare = plan_spare(plan, i, page);
		if (op->spare != SPARE_NONE)
			op->need = 0;
		if (op->need > hole)
			return i;
		hole -= op->need;
	}
	return plan->count;
}

/* ---- changing ---------------------------------------------------------------------------- */

static void
item_fill(StoreItem *item, const StoreOp *op, TransactionId xid)
{
	Size length = op_length(op);
	char *end = (char *) item + store_leaf_size(length);

	item->high = op->key.high;
	item->low = op->key.low;
	item->space = (uint8) op->key.space;
	item->flags = op->flags;
	item->length = (uint16) length;
	item->xid = xid;
	item->expiry = op->expiry;
	item->kind = op->kind;
	memcpy(item->data, op->data[0], op->lengths[0]);
	if (op->lengths[1] > 0)
		memcpy(item->data + op->lengths[0], op->data[1], op->lengths[1]);
	memset(item->data + length, 0, (Size) (end - (item->data + length)));
}

static Size
same_at_the_start(const char *a, const char *b, Size length)
{
	Size same = 0;

	while (same + sizeof(uint64) <= length && memcmp(a + same, b + same, sizeof(uint64)) == 0)
		same += sizeof(uint64);
	while (same < length && a[same] == b[same])
		same++;
	return same;
}

static Size
same_at_the_end(const char *a, const char *b, Size length)
{
	Size left = length;

	while (left >= sizeof(uint64) &&
	       memcmp(a + left - sizeof(uint64), b + left - sizeof(uint64), sizeof(uint64)) == 0)
		left -= sizeof(uint64);
	while (left > 0 && a[left - 1] == b[left - 1])
		left--;
	return length - left;
}

/*
 * How many bytes of data an item has in common with what the op puts, at the start and, if both are as long, at the end.  Most
 * changes of a collection change a few bytes of a record.
 */
static void
item_same(const StoreItem *item, const StoreOp *op, Size *start, Size *end)
{
	Size both = Min(item->length, op_length(op));
	Size first = Min(op->lengths[0], both);

	*start = same_at_the_start(item->data, op->data[0], first);
	if (*start == first)
		*start += same_at_the_start(item->data + first, op->data[1], both - first);
	*end = 0;
	if (item->length != op_length(op))
		return;
	*end = same_at_the_end(item->data + first, op->data[1], both - first);
	if (*end == both - first)
		*end += same_at_the_end(item->data, op->data[0], first);
	*end = Min(*end, both - *start);
}

/* Writes over an item that is large enough; its key stays.  What is the same as before is not logged. */
static void
item_overwrite(StoreEdit *edit, StoreItem *item, const StoreOp *op, TransactionId xid)
{
	Size before = store_leaf_size(item->length);
	Size after = store_leaf_size(op_length(op));
	char head[STORE_LEAF_HEADER];
	Size start = 0;
	Size end = 0;

	memcpy(head, item, STORE_LEAF_HEADER);
	if (!edit->image)
		item_same(item, op, &start, &end);
	/* What fills the last eight bytes up is zero, as it was. */
	if (!edit->image && item->length == op_length(op))
		end += after - STORE_LEAF_HEADER - item->length;
	item_fill(item, op, xid);
	if (memcmp(head, item, STORE_LEAF_HEADER) != 0)
		pgfirst_edit_touch(edit, &item->flags, STORE_LEAF_HEADER - offsetof(StoreItem, flags));
	pgfirst_edit_touch(edit, item->data + start, after - STORE_LEAF_HEADER - start - end);
	if (before > after)
		pgfirst_edit_dead(edit, before - after);
}

static void
item_insert(StoreEdit *edit, int slot, const StoreOp *op, TransactionId xid)
{
	item_fill(pgfirst_edit_insert(edit, slot, &op->key, store_leaf_size(op_length(op))), op, xid);
}

static void
item_set_expiry(StoreEdit *edit, StoreItem *item, int64 expiry)
{
	item->expiry = expiry;
	pgfirst_edit_touch(edit, &item->expiry, sizeof(item->expiry));
}

static void
item_settle(StoreEdit *edit, StoreItem *item)
{
	if (item->xid == InvalidTransactionId)
		return;
	item->xid = InvalidTransactionId;
	pgfirst_edit_touch(edit, &item->xid, sizeof(item->xid));
}

/* Leaves of the key's items only `keep` (NULL: none). */
static void
items_remove_but(StoreEdit *edit, const StoreVersions *versions, const StoreItem *keep)
{
	StoreItem *items[2];

	items[0] = versions->settled != NULL ? versions->settled : versions->tagged;
	items[1] = versions->tagged;
	for (int i = versions->items - 1; i >= 0; i--)
		if (items[i] != keep)
			pgfirst_edit_remove(edit, versions->slot + i);
}

void
pgfirst_versions_settle(StoreEdit *edit, const StoreVersions *versions)
{
	items_remove_but(edit, versions, versions->current);
	if (versions->current != NULL)
		item_settle(edit, versions->current);
}

static void
op_change_settled(StoreEdit *edit, const StoreOp *op)
{
	const StoreVersions *versions = &op->versions;
	StoreItem *keep;

	if (op->change == STORE_PUT)
	{
		items_remove_but(edit, versions, op->place);
		if (op->place != NULL)
			item_overwrite(edit, op->place, op, InvalidTransactionId);
		else if (op->spare == SPARE_NONE)
			item_insert(edit, versions->slot, op, InvalidTransactionId);
		return;
	}
	keep = op->change == STORE_EXPIRY ? versions->current : NULL;
	items_remove_but(edit, versions, keep);
	if (keep != NULL)
	{
		item_settle(edit, keep);
		item_set_expiry(edit, keep, op->expiry);
	}
}

/* The committed item with another expiry, tagged. */
static void
item_insert_copy(StoreEdit *edit, int slot, const StoreItem *item, Size size, int64 expiry,
                 TransactionId xid)
{
	StoreKey key = store_item_key(item);
	StoreItem *copy = pgfirst_edit_insert(edit, slot, &key, size);

	memcpy(copy, item, size);
	copy->xid = xid;
	copy->expiry = expiry;
}

static void
op_change_tagged(StoreEdit *edit, const StoreOp *op, TransactionId xid)
{
	const StoreVersions *versions = &op->versions;
	StoreItem *current = versions->current;
	StoreItem *mine = versions->tag == STORE_TAG_MINE ? versions->tagged : NULL;
	int slot = versions->slot + (current != NULL);

	if (mine == NULL && op->place != NULL)
	{
		/* The committed item first, then the next one, in the place of what is left over. */
		if (current != NULL)
			item_settle(edit, current);
		if (op->place == versions->settled)
			pgfirst_edit_swap(edit, versions->slot);
	}
	else if (mine == NULL)
		pgfirst_versions_settle(edit, versions);

	if (op->change == STORE_PUT)
	{
		if (op->place != NULL)
			item_overwrite(edit, op->place, op, xid);
		else
		{
			if (mine != NULL)
				pgfirst_edit_remove(edit, slot);
			if (op->spare == SPARE_NONE)
				item_insert(edit, slot, op, xid);
		}
	}
	else if (op->change == STORE_EXPIRY)
	{
		if (mine != NULL)
			item_set_expiry(edit, mine, op->expiry);
		else if (current != NULL)
			item_insert_copy(edit, slot, current, op->need - STORE_SLOT, op->expiry, xid);
	}
	else if (mine != NULL)
	{
		StoreOp gone = {
		    .change = STORE_DELETED, .flags = STORE_ITEM_DELETED, .key = op->key, .data = {"", ""}};

		item_overwrite(edit, mine, &gone, xid);
	}
	else if (current != NULL)
	{
		StoreOp gone = {
		    .change = STORE_DELETED, .flags = STORE_ITEM_DELETED, .key = op->key, .data = {"", ""}};

		item_insert(edit, slot, &gone, xid);
	}
}

/*
 * Before other changes, and behind the other items of their keys, which are then changed as usual.  What an op
 * or a spare stands at is counted anew for each item that has moved from one slot to another.
 */
static void
ops_take_spares(StorePlan *plan, StoreEdit *edit, TransactionId xid)
{
	for (int i = 0; i < plan->count; i++)
	{
		StoreOp *op = &plan->ops[i];
		int from = op->spare;
		int to = op->versions.slot + op->versions.items;

		if (from == SPARE_NONE)
			continue;
		to -= to > from;
		item_fill(pgfirst_edit_take(edit, from, to, &op->key, store_leaf_size(op_length(op))), op,
		          xid);
		for (int j = 0; j < plan->count; j++)
		{
			StoreOp *other = &plan->ops[j];

			other->versions.slot += (j > i) - (other->versions.slot > from);
			if (j > i && other->spare != SPARE_NONE)
			{
				other->spare -= other->spare > from;
				other->spare += other->spare >= to;
			}
		}
	}
}

/* First of all; whatever stands behind it moves two slots to the front. */
static void
gone_remove(StorePlan *plan, StoreEdit *edit)
{
	for (int i = 0; i < plan->gone; i++)
	{
		int slot = plan->gone_slots[i];

		pgfirst_edit_remove(edit, slot + 1);
		pgfirst_edit_remove(edit, slot);
		for (int j = i + 1; j < plan->gone; j++)
			plan->gone_slots[j] -= 2 * (plan->gone_slots[j] > slot);
		for (int j = 0; j < plan->count; j++)
		{
			plan->ops[j].versions.slot -= 2 * (plan->ops[j].versions.slot > slot);
			if (plan->ops[j].spare != SPARE_NONE)
				plan->ops[j].spare -= 2 * (plan->ops[j].spare > slot);
		}
	}
}

static void
ops_change(StorePlan *plan, StoreEdit *edit, TransactionId xid)
{
	gone_remove(plan, edit);
	ops_take_spares(plan, edit, xid);
	for (int i = plan->count - 1; i >= 0; i--)
	{
		if (xid == InvalidTransactionId)
			op_change_settled(edit, &plan->ops[i]);
		else
			op_change_tagged(edit, &plan->ops[i], xid);
	}
}

/* ---- what the observer is told --------------------------------------------------------------- */

static void
observe_item(const StoreItem *item, PgfirstRecord *record, char *data)
{
	StoreLarge large;
	const char *from = item->data;
	Size length = item->length;

	record->kind = item->kind;
	record->expiry = item->expiry;
	record->length = length;
	if ((item->flags & STORE_ITEM_LARGE) && length >= STORE_LARGE_HEADER)
	{
		memcpy(&large, item->data, STORE_LARGE_HEADER);
		record->length = large.length;
		from += STORE_LARGE_HEADER;
		length -= STORE_LARGE_HEADER;
	}
	record->data = data;
	memcpy(data, from, Min(length, STORE_OBSERVED_MAX));
}

static void
op_observe(StoreOp *op)
{
	StoreItem *visible = op->versions.visible;

	op->before_there = visible != NULL;
	op->after_there = op->change == STORE_PUT || (op->change == STORE_EXPIRY && visible != NULL);
	op->replaced.incarnation = 0;
	if (op->entry == NULL)
		return;
	if (visible != NULL && op->change != STORE_EXPIRY && (visible->flags & STORE_ITEM_LARGE))
		memcpy(&op->replaced, visible->data, STORE_LARGE_HEADER);
	if (visible != NULL)
	{
		store_key_to_id(&op->key, &op->before.id);
		observe_item(visible, &op->before, op->before_data);
	}
	if (op->change == STORE_PUT)
	{
		pgfirst_writeset_record(op->entry, &op->after);
	}
	else if (op->after_there)
	{
		op->after = op->before;
		op->after.expiry = op->expiry;
	}
}

/* ---- plans ------------------------------------------------------------------------------- */

void
pgfirst_plan_make(StorePlan *plan, TransactionId xid)
{
	int fit = plan_look(plan, plan->leaf.page, xid);

	plan->rebuild = false;
	plan->gone = 0;
	if (fit < plan->count)
	{
		StoreEdit copy = {.page = plan->image, .image = true};

		(void) pgfirst_page_settle(plan->image, plan->leaf.page);
		plan->count = plan_look(plan, plan->image, xid);
		plan->rebuild = true;
		for (int i = 0; i < plan->count; i++)
			op_observe(&plan->ops[i]);
		ops_change(plan, &copy, xid);
		return;
	}
	for (int i = 0; i < plan->count; i++)
		op_observe(&plan->ops[i]);
	if (xid != InvalidTransactionId)
		plan_gone(plan, plan->leaf.page);
}

void
pgfirst_plan_change(StorePlan *plan, StoreEdit *edit, TransactionId xid)
{
	if (plan->rebuild)
		pgfirst_edit_replace(edit, plan->image);
	else
		ops_change(plan, edit, xid);
}
