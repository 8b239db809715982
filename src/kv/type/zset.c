/* SPDX-License-Identifier: PostgreSQL
 *
 * zset.c: what sorted sets are; see zset.h.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kv/id.h"
#include "kv/type/packed.h"
#include "kv/type/zset.h"

/* ---- the key's record ------------------------------------------------------------------------ */

void
kv_zset_new(KvSpace *space, RespSlice key, KvZset *zset)
{
	zset->space = space;
	zset->key = key;
	zset->layout = KV_LAYOUT_INLINE;
	zset->expiry = 0;
	zset->changed = true;
	zset->at = (KvZsetRoot){.tree = 0};
}

double
kv_zset_score_of(RespSlice value)
{
	double score;

	if (value.length != sizeof(score))
		kv_collection_damaged();
	memcpy(&score, value.data, sizeof(score));
	return score;
}

static RespSlice
score_slice(const double *score)
{
	return (RespSlice){(const char *) score, sizeof(*score)};
}

bool
kv_zset_open(KvSpace *space, RespSlice key, int64 now_ms, KvZset *zset)
{
	KvEntry entry;
	KvPacked packed;

	kv_zset_new(space, key, zset);
	zset->changed = false;
	if (!kv_key_read_collection(space, key, now_ms, KV_INLINE_MAX, &entry))
		return true;
	if (entry.type != KV_TYPE_ZSET)
		return false;
	zset->layout = entry.layout;
	zset->expiry = entry.expiry;
	if (entry.layout == KV_LAYOUT_PAGED)
	{
		if (entry.value_length != sizeof(zset->at))
			kv_collection_damaged();
		memcpy(&zset->at, entry.value.data, sizeof(zset->at));
		return true;
	}
	if (entry.value_length > KV_INLINE_MAX)
		kv_collection_damaged();
	zset->at.root.bytes = entry.value_length;
	memcpy(zset->packed, entry.value.data, entry.value_length);
	for (Size at = 0; kv_packed_next(zset->packed, zset->at.root.bytes, at, &packed);
	     at = packed.end)
		zset->at.root.count++;
	return true;
}

static RespSlice
zset_value(const KvZset *zset)
{
	if (zset->layout == KV_LAYOUT_INLINE)
		return (RespSlice){zset->packed, zset->at.root.bytes};
	return (RespSlice){(const char *) &zset->at, sizeof(zset->at)};
}

void
kv_zset_record(const KvZset *zset, int64 expiry, PgfirstRecord *record)
{
	kv_key_record_of(zset->space, zset->key, KV_TYPE_ZSET, zset->layout, zset_value(zset), expiry,
	                 record);
}

void
kv_zset_close(KvZset *zset)
{
	if (!zset->changed)
		return;
	zset->changed = false;
	if (zset->at.root.count == 0)
	{
		kv_key_delete(zset->space, zset->key);
		if (zset->layout == KV_LAYOUT_PAGED)
			kv_anchor_delete(zset->space, zset->at.root.incarnation);
		return;
	}
	zset->at.root.revision++;
	kv_key_put_collection(zset->space, zset->key, KV_TYPE_ZSET, zset->layout, zset_value(zset),
	                      zset->expiry);
}

/* ---- the tree ---------------------------------------------------------------------------------- */

static const char *
nodes_get(void *context, uint64_t node, size_t *length)
{
	const KvZset *zset = context;
	PgfirstRecord record;
	PgfirstId id;

	kv_id_of_part(zset->at.root.incarnation, node, &id);
	if (!pgfirst_store_get(zset->space->store, &id, SIZE_MAX, &record) ||
	    record.kind != KV_KIND_NODE)
		return NULL;
	*length = record.length;
	return record.data;
}

static void
nodes_put(void *context, uint64_t node, const char *data, size_t length)
{
	const KvZset *zset = context;
	PgfirstRecord record = {.kind = KV_KIND_NODE, .data = data, .length = length};

	kv_id_of_part(zset->at.root.incarnation, node, &record.id);
	pgfirst_store_put(zset->space->store, &record);
}

static char *
nodes_edit(void *context, uint64_t node)
{
	const KvZset *zset = context;
	PgfirstId id;

	kv_id_of_part(zset->at.root.incarnation, node, &id);
	return pgfirst_store_edit(zset->space->store, &id);
}

static void
nodes_drop(void *context, uint64_t node)
{
	const KvZset *zset = context;
	PgfirstId id;

	kv_id_of_part(zset->at.root.incarnation, node, &id);
	(void) pgfirst_store_delete(zset->space->store, &id);
}

static uint64_t
nodes_fresh(void *context)
{
	KvZset *zset = context;

	return ++zset->at.nodes;
}

/* All bytes of an entry: those that stand in the node, or those of the member that it refers to. */
static RespSlice
entry_member(const KvZset *zset, const OrderEntry *entry)
{
	PgfirstRecord record;
	KvPacked packed;
	PgfirstId id;

	if (entry->length <= ORDER_KEPT)
		return (RespSlice){entry->bytes, entry->length};
	/* One that is looked for is not stored, and has all of its bytes. */
	if (entry->reference == 0)
		return (RespSlice){entry->bytes, entry->length};
	kv_id_of_part(zset->at.root.incarnation, entry->reference, &id);
	if (pgfirst_store_get(zset->space->store, &id, SIZE_MAX, &record))
		for (Size at = 0; kv_packed_next(record.data, record.length, at, &packed); at = packed.end)
			if (packed.member.length == entry->length &&
			    memcmp(packed.member.data, entry->bytes, ORDER_KEPT) == 0)
				return packed.member;
	/* Where nobody has locked the key it may be gone; then what is read is read again. */
	return (RespSlice){entry->bytes, ORDER_KEPT};
}

int
kv_zset_compare(RespSlice a, RespSlice b)
{
	int order = memcmp(a.data, b.data, Min(a.length, b.length));

	return order != 0 ? order : a.length < b.length ? -1 : a.length > b.length;
}

static int
nodes_compare(void *context, const OrderEntry *a, const OrderEntry *b)
{
	return kv_zset_compare(entry_member(context, a), entry_member(context, b));
}

static OrderNodes nodes = {.get = nodes_get,
                           .put = nodes_put,
                           .edit = nodes_edit,
                           .drop = nodes_drop,
                           .fresh = nodes_fresh,
                           .compare = nodes_compare};

/* The tree of the set, for one call; whoever has changed it brings its root back. */
static Order
order_of(KvZset *zset)
{
	nodes.context = zset;
	return (Order){.nodes = &nodes, .root = zset->at.tree, .count = zset->at.root.count};
}

static OrderEntry
order_entry(const KvZset *zset, RespSlice member, double score)
{
	OrderEntry entry = {.score = score, .bytes = member.data, .length = member.length};

	if (member.length > ORDER_KEPT)
	{
		PgfirstId id;

		kv_id_of_member(zset->at.root.incarnation, member.data, member.length, &id);
		entry.reference = kv_id_number(&id);
	}
	return entry;
}

/* Memory for what one change of a tree reads; what an error has left there goes with the next one. */
static MemoryContext
order_scratch(void)
{
	static MemoryContext scratch;

	if (!scratch)
		scratch = AllocSetContextCreate(TopMemoryContext, "pgfirst order", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(scratch);
	return scratch;
}

/*
 * Inserts an entry or deletes it.  What the nodes of one change take of memory is given back; the member's record must be
 * there, for who compares.
 */
static void
order_change(KvZset *zset, RespSlice member, double score, bool insert)
{
	MemoryContext old = MemoryContextSwitchTo(order_scratch());
	OrderEntry entry = order_entry(zset, member, score);
	Order order = order_of(zset);
	bool done;

	done = insert ? pgfirst_order_insert(&order, &entry) : pgfirst_order_delete(&order, &entry);
	if (!done || order.damaged)
		kv_collection_damaged();
	zset->at.tree = order.root;
	zset->at.root.count = order.count;
	MemoryContextReset(CurrentMemoryContext);
	MemoryContextSwitchTo(old);
}

/* ---- inline members ---------------------------------------------------------------------------- */

static bool
inline_replace(KvZset *zset, Size begin, Size end, const RespSlice *member, double score)
{
	RespSlice value = score_slice(&score);
	Size more = member ? kv_packed_size(*member, value) : 0;
	Size length = zset->at.root.bytes;

	if (length - (end - begin) + more > KV_INLINE_MAX)
		return false;
	memmove(zset->packed + begin + more, zset->packed + end, length - end);
	if (member)
		(void) kv_packed_write(zset->packed + begin, *member, value);
	zset->at.root.bytes = length - (end - begin) + more;
	return true;
}

/* Where a member of this score belongs, and how many are before it. */
static Size
inline_place(const KvZset *zset, RespSlice member, double score, uint64 *rank)
{
	KvPacked packed;
	Size at = 0;

	*rank = 0;
	while (kv_packed_next(zset->packed, zset->at.root.bytes, at, &packed))
	{
		double there = kv_zset_score_of(packed.value);

		if (there > score || (there == score && kv_zset_compare(packed.member, member) >= 0))
			break;
		at = packed.end;
		(*rank)++;
	}
	return at;
}

/* Everything that is inline gets records of its own. */
static void
zset_page(KvZset *zset)
{
	uint64 length = zset->at.root.bytes;
	KvPacked packed;

	zset->layout = KV_LAYOUT_PAGED;
	zset->at.root.incarnation = pgfirst_store_incarnation(zset->space->store);
	zset->at.root.count = 0;
	kv_anchor_put(zset->space, zset->key, zset->at.root.incarnation);
	for (Size at = 0; kv_packed_next(zset->packed, length, at, &packed); at = packed.end)
	{
		PgfirstRecord record;
		double score = kv_zset_score_of(packed.value);

		(void) kv_member_get(zset->space, zset->at.root.incarnation, packed.member, &record);
		kv_member_replace(zset->space, &record, record.length, record.length, &packed.member,
		                  &packed.value);
		order_change(zset, packed.member, score, true);
	}
}

/* ---- one member -------------------------------------------------------------------------------- */

static void
place_take(KvZsetPlace *place, const KvPacked *packed)
{
	place->score = kv_zset_score_of(packed->value);
	place->begin = packed->begin;
	place->end = packed->end;
}

/* Of a paged one. */
static void
part_look(const KvZset *zset, RespSlice member, KvZsetPlace *place)
{
	KvPacked packed;

	place->found = kv_member_get(zset->space, zset->at.root.incarnation, member, &place->part) &&
	               kv_packed_find(place->part.data, place->part.length, member, &packed);
	place->begin = place->end = place->part.length;
	if (place->found)
		place_take(place, &packed);
}

void
kv_zset_look(KvZset *zset, RespSlice member, KvZsetPlace *place)
{
	KvPacked packed;

	if (zset->layout != KV_LAYOUT_INLINE)
	{
		part_look(zset, member, place);
		return;
	}
	*place =
	    (KvZsetPlace){.found = kv_packed_find(zset->packed, zset->at.root.bytes, member, &packed)};
	if (place->found)
		place_take(place, &packed);
}

bool
kv_zset_find(KvZset *zset, RespSlice member, double *score)
{
	KvZsetPlace place;

	kv_zset_look(zset, member, &place);
	if (place.found)
		*score = place.score;
	return place.found;
}

static bool
inline_put(KvZset *zset, RespSlice member, double score, const KvZsetPlace *place)
{
	RespSlice value = score_slice(&score);
	uint64 rank;
	Size at;

	if (place->found)
		(void) inline_replace(zset, place->begin, place->end, NULL, 0);
	else if (zset->at.root.bytes + kv_packed_size(member, value) > KV_INLINE_MAX)
		return false;
	at = inline_place(zset, member, score, &rank);
	(void) inline_replace(zset, at, at, &member, score);
	return true;
}

void
kv_zset_put(KvZset *zset, RespSlice member, double score, KvZsetPlace *place)
{
	RespSlice value = score_slice(&score);

	zset->changed = true;
	if (zset->layout == KV_LAYOUT_INLINE)
	{
		if (inline_put(zset, member, score, place))
		{
			zset->at.root.count += !place->found;
			return;
		}
		zset_page(zset);
		part_look(zset, member, place);
	}
	if (place->found)
		order_change(zset, member, place->score, false);
	kv_member_replace(zset->space, &place->part, place->begin, place->end, &member, &value);
	if (!place->found)
		zset->at.root.bytes += kv_packed_size(member, value);
	order_change(zset, member, score, true);
}

bool
kv_zset_remove(KvZset *zset, RespSlice member)
{
	KvZsetPlace place;

	kv_zset_look(zset, member, &place);
	if (!place.found)
		return false;
	zset->changed = true;
	if (zset->layout == KV_LAYOUT_INLINE)
	{
		(void) inline_replace(zset, place.begin, place.end, NULL, 0);
		zset->at.root.count--;
		return true;
	}
	order_change(zset, member, place.score, false);
	kv_member_replace(zset->space, &place.part, place.begin, place.end, NULL, NULL);
	zset->at.root.bytes -= place.end - place.begin;
	return true;
}

/* ---- ranks ------------------------------------------------------------------------------------- */

/* A question to the tree: memory for the nodes on the way is given back. */
typedef struct Asking
{
	MemoryContext context;
	MemoryContext old;
} Asking;

static Asking
asking_begin(void)
{
	Asking asking = {.context = AllocSetContextCreate(CurrentMemoryContext, "pgfirst order",
	                                                  ALLOCSET_DEFAULT_SIZES)};

	asking.old = MemoryContextSwitchTo(asking.context);
	return asking;
}

/* Where nobody has locked the key, damage may be a change meanwhile: then the record of the key has changed as well. */
static void
asking_end(Asking *asking)
{
	MemoryContextSwitchTo(asking->old);
	MemoryContextDelete(asking->context);
}

uint64
kv_zset_rank(KvZset *zset, RespSlice member, double score)
{
	Asking asking;
	OrderEntry entry;
	Order order;
	uint64 rank;

	if (zset->layout == KV_LAYOUT_INLINE)
	{
		(void) inline_place(zset, member, score, &rank);
		return rank;
	}
	asking = asking_begin();
	entry = (OrderEntry){.score = score, .bytes = member.data, .length = member.length};
	order = order_of(zset);
	rank = pgfirst_order_rank(&order, &entry);
	asking_end(&asking);
	return rank;
}

uint64
kv_zset_rank_of_score(KvZset *zset, double score, bool or_equal)
{
	Asking asking;
	KvPacked packed;
	uint64 rank = 0;
	Order order;

	if (zset->layout == KV_LAYOUT_INLINE)
	{
		for (Size at = 0; kv_packed_next(zset->packed, zset->at.root.bytes, at, &packed);
		     at = packed.end)
		{
			double there = kv_zset_score_of(packed.value);

			rank += there < score || (or_equal && there == score);
		}
		return rank;
	}
	asking = asking_begin();
	order = order_of(zset);
	rank = pgfirst_order_rank_of_score(&order, score, or_equal);
	asking_end(&asking);
	return rank;
}

/* ---- walks ------------------------------------------------------------------------------------- */

void
kv_zset_walk(KvZset *zset, uint64 rank, bool back, KvZsetWalk *walk)
{
	walk->zset = zset;
	walk->back = back;
	walk->rank = rank;
	walk->context = NULL;
	if (zset->layout == KV_LAYOUT_INLINE)
	{
		KvPacked packed;
		int count = 0;

		memset(walk->places, 0, sizeof(walk->places));
		for (Size at = 0; kv_packed_next(zset->packed, zset->at.root.bytes, at, &packed);
		     at = packed.end)
			walk->places[count++] = (uint16) at;
		return;
	}
	walk->context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst zset", ALLOCSET_DEFAULT_SIZES);
	walk->order = order_of(zset);
	pgfirst_order_seek(&walk->order, rank, back, &walk->cursor);
}

bool
kv_zset_next(KvZsetWalk *walk, RespSlice *member, double *score)
{
	KvZset *zset = walk->zset;
	MemoryContext old;
	OrderEntry entry;
	bool there;

	if (!walk->context)
	{
		KvPacked packed;

		if (walk->rank >= zset->at.root.count ||
		    !kv_packed_next(zset->packed, zset->at.root.bytes, walk->places[walk->rank], &packed))
			return false;
		walk->rank =
		    walk->back ? (walk->rank == 0 ? PG_UINT64_MAX : walk->rank - 1) : walk->rank + 1;
		*member = packed.member;
		*score = kv_zset_score_of(packed.value);
		return true;
	}
	old = MemoryContextSwitchTo(walk->context);
	nodes.context = zset;
	there = pgfirst_order_next(&walk->cursor, &entry);
	if (there)
	{
		*member = entry_member(zset, &entry);
		*score = entry.score;
	}
	MemoryContextSwitchTo(old);
	return there;
}

void
kv_zset_walk_end(KvZsetWalk *walk)
{
	if (walk->context)
		MemoryContextDelete(walk->context);
}

void
kv_zset_prefetch(KvZset *zset, uint64 rank, bool back)
{
	uint64 incarnation = zset->at.root.incarnation;
	PgfirstId ids[KV_ZSET_AHEAD];
	MemoryContext old;
	OrderEntry entry;
	KvZsetWalk walk;
	int count = 0;

	if (zset->layout == KV_LAYOUT_INLINE)
		return;
	kv_zset_walk(zset, rank, back, &walk);
	old = MemoryContextSwitchTo(walk.context);
	for (; count < KV_ZSET_AHEAD && pgfirst_order_next(&walk.cursor, &entry); count++)
		if (entry.length <= ORDER_KEPT)
			kv_id_of_member(incarnation, entry.bytes, entry.length, &ids[count]);
		else
			kv_id_of_part(incarnation, entry.reference, &ids[count]);
	MemoryContextSwitchTo(old);
	kv_zset_walk_end(&walk);
	pgfirst_store_prefetch(zset->space->store, ids, count);
}

/* ---- ranges by bytes --------------------------------------------------------------------------- */

static bool
within_low(RespSlice member, const KvZsetBound *low)
{
	int order = low->infinite != 0 ? -low->infinite : kv_zset_compare(member, low->bytes);

	return order > 0 || (order == 0 && !low->exclusive);
}

static bool
within_high(RespSlice member, const KvZsetBound *high)
{
	int order = high->infinite != 0 ? -high->infinite : kv_zset_compare(member, high->bytes);

	return order < 0 || (order == 0 && !high->exclusive);
}

/* Of an inline set, member by member in the direction of the range. */
static void
inline_ranks_of_bytes(KvZset *zset, const KvZsetBound *low, const KvZsetBound *high, bool back,
                      uint64 *first, uint64 *end)
{
	uint64 count = kv_zset_count(zset);
	uint64 begin = count;
	uint64 stop = count;
	bool none = false;
	RespSlice member;
	KvZsetWalk walk;
	double score;

	kv_zset_walk(zset, back ? count - 1 : 0, back, &walk);
	for (uint64 at = 0; kv_zset_next(&walk, &member, &score); at++)
	{
		bool reached = back ? within_high(member, high) : within_low(member, low);
		bool within = back ? within_low(member, low) : within_high(member, high);

		if (begin == count && reached)
			begin = at;
		if (begin < count && stop == count && !within)
			stop = at;
		none = none || (at == 0 && !within) || (at == count - 1 && !reached);
	}
	kv_zset_walk_end(&walk);
	if (none)
		begin = stop = 0;
	*first = back ? count - stop : begin;
	*end = back ? count - begin : stop;
}

/* Of members that all have this score: how many are before the bound, or `behind` it, up to it. */
static uint64
rank_of_bound(KvZset *zset, const KvZsetBound *bound, bool behind, double score)
{
	uint64 rank;

	if (bound->infinite != 0)
		return bound->infinite < 0 ? 0 : kv_zset_count(zset);
	rank = kv_zset_rank(zset, bound->bytes, score);
	return rank + (behind && kv_zset_find(zset, bound->bytes, &score));
}

void
kv_zset_ranks_of_bytes(KvZset *zset, const KvZsetBound *low, const KvZsetBound *high, bool back,
                       uint64 *first, uint64 *end)
{
	RespSlice member;
	KvZsetWalk walk;
	double score;
	bool there;

	*first = *end = 0;
	if (zset->at.root.count == 0)
		return;
	if (zset->layout == KV_LAYOUT_INLINE)
	{
		inline_ranks_of_bytes(zset, low, high, back, first, end);
		return;
	}
	/* They have the score of the first one. */
	kv_zset_walk(zset, 0, false, &walk);
	there = kv_zset_next(&walk, &member, &score);
	kv_zset_walk_end(&walk);
	if (!there)
		return;
	*first = rank_of_bound(zset, low, low->exclusive, score);
	*end = rank_of_bound(zset, high, !high->exclusive, score);
}

/* ---- under another key ------------------------------------------------------------------------- */

void
kv_zset_move(KvZset *from, RespSlice key)
{
	kv_key_delete(from->space, from->key);
	from->key = key;
	from->changed = true;
	if (from->layout == KV_LAYOUT_PAGED)
		kv_anchor_put(from->space, key, from->at.root.incarnation);
	kv_zset_close(from);
}

Size
kv_zset_size(uint64 count, uint64 bytes)
{
	return 4 * bytes + count * 512;
}

Size
kv_zset_copy_size(const KvZset *from)
{
	return kv_zset_size(from->at.root.count, from->at.root.bytes);
}

void
kv_zset_copy(KvZset *from, KvSpace *space, RespSlice key)
{
	RespSlice member;
	KvZsetPlace place;
	KvZsetWalk walk;
	double score;
	KvZset to;

	kv_zset_new(space, key, &to);
	to.expiry = from->expiry;
	kv_zset_walk(from, 0, false, &walk);
	while (kv_zset_next(&walk, &member, &score))
	{
		kv_zset_look(&to, member, &place);
		kv_zset_put(&to, member, score, &place);
	}
	kv_zset_walk_end(&walk);
	kv_zset_close(&to);
}
