/* SPDX-License-Identifier: PostgreSQL
 *
 * stream.c: what streams are; see stream.h.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kv/id.h"
#include "kv/type/packed.h"
#include "kv/type/stream.h"

#define DROP_BATCH 128
#define WIDTH_FEW  8  /* numbers of the first look backwards */
#define WIDTH_MANY 32 /* and of those after it */
#define HEAD_ROOM  (sizeof(KvStreamHead) + KV_PACKED_LENGTHS)

/* No entry takes less: two lengths, an id, a field and a value without bytes. */
StaticAssertDecl(KV_INLINE_MAX / (2 + sizeof(KvStreamId) + 2) < KV_STREAM_WINDOW,
                 "all entries of an inline stream fit a window");

static const RespSlice nothing = {"", 0};

/* ---- ids ------------------------------------------------------------------------------------- */

bool
kv_stream_id_next(KvStreamId *id)
{
	if (++id->seq > 0)
		return true;
	return ++id->ms > 0;
}

bool
kv_stream_id_before(KvStreamId *id)
{
	if (id->seq-- > 0)
		return true;
	return id->ms-- > 0;
}

/* ---- the key's record ------------------------------------------------------------------------ */

void
kv_stream_new(KvSpace *space, RespSlice key, KvStream *stream)
{
	stream->space = space;
	stream->key = key;
	stream->layout = KV_LAYOUT_INLINE;
	stream->expiry = 0;
	stream->there = stream->changed = true;
	stream->at = (KvStreamRoot){.groups = 0};
}

RespSlice
kv_stream_head_slice(const KvStream *stream)
{
	return (RespSlice){(const char *) &stream->at.head, sizeof(stream->at.head)};
}

bool
kv_stream_head_read(RespSlice dumped, KvStreamHead *head, Size *end)
{
	KvPacked packed;

	if (dumped.length == 0 || !kv_packed_look(dumped.data, dumped.length, 0, &packed) ||
	    packed.member.length != sizeof(*head) || packed.value.length != 0)
		return false;
	memcpy(head, packed.member.data, sizeof(*head));
	*end = packed.end;
	return true;
}

/* Both parts of a packed entry, which stand one behind the other. */
static RespSlice
entry_of(const KvPacked *packed)
{
	if (packed->member.length != sizeof(KvStreamId))
		kv_collection_damaged();
	return (RespSlice){packed->member.data, packed->member.length + packed->value.length};
}

static void
open_inline(KvStream *stream, RespSlice value)
{
	KvPacked packed;
	Size begin;

	if (!kv_stream_head_read(value, &stream->at.head, &begin) ||
	    value.length - begin > KV_INLINE_MAX)
		kv_collection_damaged();
	stream->at.root.bytes = value.length - begin;
	memcpy(stream->packed, value.data + begin, value.length - begin);
	for (Size at = 0; kv_packed_next(stream->packed, stream->at.root.bytes, at, &packed);
	     at = packed.end)
	{
		RespSlice entry = entry_of(&packed);

		if (stream->at.root.count++ == 0)
			stream->at.first_id = kv_stream_entry_id(entry);
	}
}

bool
kv_stream_open(KvSpace *space, RespSlice key, int64 now_ms, KvStream *stream)
{
	KvEntry entry;

	kv_stream_new(space, key, stream);
	stream->there = stream->changed = false;
	if (!kv_key_read_collection(space, key, now_ms, KV_INLINE_MAX + HEAD_ROOM, &entry))
		return true;
	if (entry.type != KV_TYPE_STREAM)
		return false;
	stream->there = true;
	stream->layout = entry.layout;
	stream->expiry = entry.expiry;
	if (entry.layout == KV_LAYOUT_INLINE)
	{
		if (entry.value_length > KV_INLINE_MAX + HEAD_ROOM)
			kv_collection_damaged();
		open_inline(stream, (RespSlice){entry.value.data, entry.value_length});
		return true;
	}
	if (entry.value_length != sizeof(stream->at))
		kv_collection_damaged();
	memcpy(&stream->at, entry.value.data, sizeof(stream->at));
	return true;
}

/* What stands in the key's record; room: for what is inline. */
static RespSlice
stream_value(const KvStream *stream, char room[KV_INLINE_MAX + HEAD_ROOM])
{
	char *end;

	if (stream->layout == KV_LAYOUT_PAGED)
		return (RespSlice){(const char *) &stream->at, sizeof(stream->at)};
	end = kv_packed_write(room, kv_stream_head_slice(stream), nothing);
	memcpy(end, stream->packed, stream->at.root.bytes);
	return (RespSlice){room, (Size) (end - room) + stream->at.root.bytes};
}

void
kv_stream_record(const KvStream *stream, int64 expiry, PgfirstRecord *record)
{
	char room[KV_INLINE_MAX + HEAD_ROOM];

	kv_key_record_of(stream->space, stream->key, KV_TYPE_STREAM, stream->layout,
	                 stream_value(stream, room), expiry, record);
}

void
kv_stream_close(KvStream *stream)
{
	char room[KV_INLINE_MAX + HEAD_ROOM];

	if (!stream->changed)
		return;
	stream->changed = false;
	stream->at.root.revision++;
	kv_key_put_collection(stream->space, stream->key, KV_TYPE_STREAM, stream->layout,
	                      stream_value(stream, room), stream->expiry);
}

/* ---- entries that are records ---------------------------------------------------------------- */

/* What an entry counts for in `bytes`. */
static uint64
entry_bytes(Size length)
{
	return kv_packed_size((RespSlice){NULL, sizeof(KvStreamId)},
	                      (RespSlice){NULL, length - sizeof(KvStreamId)});
}

static void
entry_put(const KvStream *stream, uint64 number, RespSlice entry)
{
	PgfirstRecord record = {.kind = KV_KIND_ENTRY, .data = entry.data, .length = entry.length};

	kv_id_of_part(stream->at.root.incarnation, number, &record.id);
	pgfirst_store_put(stream->space->store, &record);
}

static void
entry_delete(const KvStream *stream, uint64 number)
{
	PgfirstId id;

	kv_id_of_part(stream->at.root.incarnation, number, &id);
	(void) pgfirst_store_delete(stream->space->store, &id);
}

/* The next record of a walk, if it is an entry of this stream with a number before `end`. */
static bool
entries_next(const KvStream *stream, PgfirstWalk *walk, uint64 end, PgfirstRecord *record)
{
	if (!pgfirst_walk_next(walk, record) ||
	    kv_id_incarnation(&record->id) != stream->at.root.incarnation ||
	    kv_id_number(&record->id) >= end)
		return false;
	if (record->kind != KV_KIND_ENTRY || record->length < sizeof(KvStreamId))
		kv_collection_damaged();
	return true;
}

static PgfirstWalk *
entries_walk(const KvStream *stream, uint64 from, Size limit)
{
	PgfirstId id;

	kv_id_of_part(stream->at.root.incarnation, from, &id);
	return pgfirst_store_walk_parts(stream->space->store, &id, limit);
}

/* The first entry from a number on; false if there is none. */
static bool
entry_from(const KvStream *stream, uint64 from, uint64 *number, KvStreamId *id, Size *length)
{
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst stream", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	PgfirstWalk *walk = entries_walk(stream, from, sizeof(KvStreamId));
	PgfirstRecord record;
	bool there = entries_next(stream, walk, stream->at.next, &record);

	if (there)
	{
		*number = kv_id_number(&record.id);
		*id = kv_stream_entry_id((RespSlice){record.data, record.length});
		*length = record.length;
	}
	pgfirst_walk_end(walk);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return there;
}

/* The numbers of entries from `low` on and before `high`, at most `most`; returns how many, and adds up their bytes. */
static int
numbers_between(const KvStream *stream, uint64 low, uint64 high, uint64 *numbers, int most,
                uint64 *bytes)
{
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst stream", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	PgfirstWalk *walk = entries_walk(stream, low, 0);
	PgfirstRecord record;
	int count = 0;

	while (count < most && entries_next(stream, walk, high, &record))
	{
		numbers[count++] = kv_id_number(&record.id);
		*bytes += entry_bytes(record.length);
	}
	pgfirst_walk_end(walk);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return count;
}

/* Whether there is an entry from this number on, and the first of them is before this id. */
static bool
begins_before(const KvStream *stream, uint64 from, KvStreamId id)
{
	KvStreamId there;
	uint64 number;
	Size length;

	return entry_from(stream, from, &number, &there, &length) &&
	       kv_stream_id_compare(there, id) < 0;
}

/* A number which entries before this id have lower ones than, and no other has. */
static uint64
number_of(const KvStream *stream, KvStreamId id)
{
	uint64 low = stream->at.first; /* an entry before the id has this number, or a higher one */
	uint64 high = stream->at.next; /* none has */

	if (stream->at.root.count == 0 || kv_stream_id_compare(id, stream->at.head.last) > 0)
		return high;
	if (kv_stream_id_compare(id, stream->at.first_id) <= 0)
		return low;
	for (uint64 step = 1; high - low > step; step *= 2)
	{
		if (begins_before(stream, high - step, id))
		{
			low = high - step;
			break;
		}
		high -= step;
	}
	while (high - low > 1)
	{
		uint64 middle = low + (high - low) / 2;

		if (begins_before(stream, middle, id))
			low = middle;
		else
			high = middle;
	}
	return high;
}

/* Everything that is inline gets records of its own. */
static void
stream_page(KvStream *stream)
{
	KvPacked packed;

	stream->layout = KV_LAYOUT_PAGED;
	stream->at.root.incarnation = pgfirst_store_incarnation(stream->space->store);
	stream->at.first = stream->at.next = 1;
	kv_anchor_put(stream->space, stream->key, stream->at.root.incarnation);
	for (Size at = 0; kv_packed_next(stream->packed, stream->at.root.bytes, at, &packed);
	     at = packed.end)
		entry_put(stream, stream->at.next++, entry_of(&packed));
}

/* The first entry may be another one. */
static void
first_find(KvStream *stream)
{
	KvPacked packed;
	Size length;

	stream->at.first_id = (KvStreamId){0, 0};
	if (stream->at.root.count == 0)
		stream->at.first = stream->at.next;
	else if (stream->layout == KV_LAYOUT_INLINE)
	{
		if (!kv_packed_next(stream->packed, stream->at.root.bytes, 0, &packed))
			kv_collection_damaged();
		stream->at.first_id = kv_stream_entry_id(entry_of(&packed));
	}
	else if (!entry_from(stream, stream->at.first, &stream->at.first, &stream->at.first_id,
	                     &length))
		kv_collection_damaged();
}

/* ---- adding ---------------------------------------------------------------------------------- */

RespSlice
kv_stream_entry_new(KvStreamId id, Size pairs, char **end)
{
	char *data = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(id) + pairs);

	memcpy(data, &id, sizeof(id));
	*end = data + sizeof(id);
	return (RespSlice){data, sizeof(id) + pairs};
}

void
kv_stream_append(KvStream *stream, RespSlice entry)
{
	KvStreamId id = kv_stream_entry_id(entry);
	uint64 more = entry_bytes(entry.length);

	stream->there = stream->changed = true;
	stream->at.head.last = id;
	stream->at.head.added++;
	if (stream->layout == KV_LAYOUT_INLINE && stream->at.root.bytes + more > KV_INLINE_MAX)
		stream_page(stream);
	if (stream->at.root.count++ == 0)
	{
		stream->at.first_id = id;
		stream->at.first = stream->at.next;
	}
	if (stream->layout == KV_LAYOUT_INLINE)
		(void) kv_packed_write(stream->packed + stream->at.root.bytes,
		                       (RespSlice){entry.data, sizeof(id)}, kv_stream_entry_pairs(entry));
	else
		entry_put(stream, stream->at.next++, entry);
	stream->at.root.bytes += more;
}

/* ---- taking away ----------------------------------------------------------------------------- */

/* Takes away what is inline from `begin` to `end`. */
static void
inline_cut(KvStream *stream, Size begin, Size end)
{
	memmove(stream->packed + begin, stream->packed + end, stream->at.root.bytes - end);
	stream->at.root.bytes -= end - begin;
}

/* An entry that is to be taken away, and has been found. */
typedef struct Doomed
{
	uint64 number;
	KvStreamId id;
	Size length;
} Doomed;

static void
delete_note(KvStream *stream, KvStreamId id, bool *first)
{
	stream->at.root.count--;
	if (kv_stream_id_compare(id, stream->at.head.deleted) > 0)
		stream->at.head.deleted = id;
	*first |= kv_stream_id_compare(id, stream->at.first_id) == 0;
}

static void
delete_inline(KvStream *stream, const KvStreamId *ids, Size count, bool *first)
{
	KvPacked packed;

	for (Size i = 0; i < count; i++)
		if (kv_packed_find(stream->packed, stream->at.root.bytes,
		                   (RespSlice){(const char *) &ids[i], sizeof(ids[i])}, &packed))
		{
			inline_cut(stream, packed.begin, packed.end);
			delete_note(stream, ids[i], first);
		}
}

static int
doomed_compare(const void *a, const void *b)
{
	uint64 one = ((const Doomed *) a)->number;
	uint64 other = ((const Doomed *) b)->number;

	return one < other ? -1 : one > other;
}

/*
 * All are found before one is taken away: from then on a look passes over everything that this transaction has taken away
 * in front of what it finds.
 */
static void
delete_paged(KvStream *stream, const KvStreamId *ids, Size count, bool *first)
{
	Doomed *doomed = MemoryContextAllocHuge(CurrentMemoryContext, (count + 1) * sizeof(Doomed));
	Size found = 0;

	for (Size i = 0; i < count; i++)
	{
		Doomed *one = &doomed[found];

		if (entry_from(stream, number_of(stream, ids[i]), &one->number, &one->id, &one->length) &&
		    kv_stream_id_compare(one->id, ids[i]) == 0)
			found++;
	}
	qsort(doomed, found, sizeof(Doomed), doomed_compare);
	for (Size i = 0; i < found; i++)
	{
		if (i > 0 && doomed[i].number == doomed[i - 1].number)
			continue;
		entry_delete(stream, doomed[i].number);
		stream->at.root.bytes -= entry_bytes(doomed[i].length);
		delete_note(stream, doomed[i].id, first);
	}
	pfree(doomed);
}

uint64
kv_stream_delete(KvStream *stream, const KvStreamId *ids, Size count)
{
	uint64 before = kv_stream_count(stream);
	bool first = false;

	(stream->layout == KV_LAYOUT_INLINE ? delete_inline : delete_paged)(stream, ids, count, &first);
	stream->changed |= kv_stream_count(stream) < before;
	if (first)
		first_find(stream);
	return before - kv_stream_count(stream);
}

uint64
kv_stream_count_before(KvStream *stream, KvStreamId id, uint64 most)
{
	uint64 count = 0;

	most = Min(most, kv_stream_count(stream));
	if (stream->layout == KV_LAYOUT_INLINE)
	{
		KvPacked packed;

		for (Size at = 0;
		     count < most && kv_packed_next(stream->packed, stream->at.root.bytes, at, &packed);
		     at = packed.end)
		{
			if (kv_stream_id_compare(kv_stream_entry_id(entry_of(&packed)), id) >= 0)
				break;
			count++;
		}
	}
	else if (most > 0 && kv_stream_id_compare(stream->at.first_id, id) < 0)
	{
		uint64 numbers[DROP_BATCH];
		uint64 from = stream->at.first;
		uint64 end = number_of(stream, id);
		uint64 bytes = 0;
		int found;

		/* With none left out, it is known. */
		if (stream->at.next - stream->at.first == kv_stream_count(stream))
			return Min(most, end - from);
		while (count < most &&
		       (found = numbers_between(stream, from, end, numbers,
		                                (int) Min(most - count, DROP_BATCH), &bytes)) > 0)
		{
			count += (uint64) found;
			from = numbers[found - 1] + 1;
		}
	}
	return count;
}

static void
drop_one_by_one(KvStream *stream, uint64 count)
{
	while (count > 0)
	{
		uint64 numbers[DROP_BATCH];
		uint64 bytes = 0;
		int found = numbers_between(stream, stream->at.first, stream->at.next, numbers,
		                            (int) Min(count, DROP_BATCH), &bytes);

		if (found == 0)
			kv_collection_damaged();
		for (int i = 0; i < found; i++)
			entry_delete(stream, numbers[i]);
		stream->at.first = numbers[found - 1] + 1;
		stream->at.root.bytes -= bytes;
		stream->at.root.count -= (uint64) found;
		count -= (uint64) found;
	}
}

/* Makes a new stream of the entries behind the first `count`. */
static void
drop_incarnation(KvStream *stream, uint64 count)
{
	KvStream *rest = palloc(sizeof(KvStream));
	KvStreamWalk walk;
	RespSlice entry;

	kv_stream_new(stream->space, stream->key, rest);
	rest->expiry = stream->expiry;
	kv_stream_walk(stream, stream->at.first_id, KV_STREAM_ID_MAX, false, &walk);
	while (count < kv_stream_count(stream) && kv_stream_next(&walk, &entry))
		if (count > 0)
			count--;
		else
			kv_stream_append(rest, entry);
	kv_stream_walk_end(&walk);
	rest->at.head = stream->at.head;
	rest->at.root.revision = stream->at.root.revision;
	rest->at.groups = stream->at.groups;
	*stream = *rest;
	pfree(rest);
}

static bool
drop_is_costly(const KvStream *stream, uint64 count)
{
	return stream->layout == KV_LAYOUT_PAGED && count > KV_DELETE_FEW &&
	       kv_stream_count(stream) - count < count;
}

/* A number that none of the first `count` entries has, nor a higher one, but all others have. */
static uint64
number_behind(const KvStream *stream, uint64 count)
{
	uint64 from = stream->at.first;
	uint64 numbers[DROP_BATCH];
	uint64 bytes = 0;

	/* With none left out, it is known. */
	if (stream->at.next - from == kv_stream_count(stream))
		return from + count;
	while (count > 0)
	{
		int found = numbers_between(stream, from, stream->at.next, numbers,
		                            (int) Min(count, DROP_BATCH), &bytes);

		if (found == 0)
			kv_collection_damaged();
		from = numbers[found - 1] + 1;
		count -= (uint64) found;
	}
	return from;
}

Size
kv_stream_drop_size(const KvStream *stream, uint64 count)
{
	uint64 numbers[DROP_BATCH];
	uint64 bytes = 0;
	uint64 from;
	int found;

	if (stream->layout == KV_LAYOUT_INLINE)
		return 0;
	if (!drop_is_costly(stream, count))
		return (Size) count * 256;
	/* Those that stay are written anew, and may be larger than the others. */
	from = number_behind(stream, count);
	while ((found = numbers_between(stream, from, stream->at.next, numbers, DROP_BATCH, &bytes)) >
	       0)
		from = numbers[found - 1] + 1;
	return 2 * bytes + (kv_stream_count(stream) - count) * 256 + HEAD_ROOM;
}

void
kv_stream_drop(KvStream *stream, uint64 count)
{
	if (count == 0)
		return;
	stream->changed = true;
	if (drop_is_costly(stream, count))
	{
		drop_incarnation(stream, count);
		return;
	}
	if (stream->layout == KV_LAYOUT_PAGED)
		drop_one_by_one(stream, count);
	else
	{
		KvPacked packed = {.end = 0};

		stream->at.root.count -= count;
		for (; count > 0; count--)
			(void) kv_packed_next(stream->packed, stream->at.root.bytes, packed.end, &packed);
		inline_cut(stream, 0, packed.end);
	}
	first_find(stream);
}

/* ---- walks ----------------------------------------------------------------------------------- */

static void
walk_begin_inline(KvStreamWalk *walk)
{
	const KvStream *stream = walk->stream;
	KvPacked packed;

	for (Size at = 0; kv_packed_next(stream->packed, stream->at.root.bytes, at, &packed);
	     at = packed.end)
		walk->found[walk->count++] = at;
	walk->at = walk->back ? walk->count - 1 : 0;
}

void
kv_stream_walk_at(KvStream *stream, KvStreamId from, KvStreamId to, bool back, uint64 place,
                  KvStreamWalk *walk)
{
	walk->stream = stream;
	walk->from = from;
	walk->to = to;
	walk->back = back;
	walk->context = NULL;
	walk->walk = NULL;
	walk->place = 0;
	walk->count = 0;
	if (stream->layout == KV_LAYOUT_INLINE)
	{
		walk_begin_inline(walk);
		return;
	}
	walk->context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst stream", ALLOCSET_DEFAULT_SIZES);
	if (!back)
		walk->walk = entries_walk(stream, place, SIZE_MAX);
	walk->at = -1;
	walk->width = WIDTH_FEW;
	walk->low = back ? place + 1 : 0;
}

void
kv_stream_walk(KvStream *stream, KvStreamId from, KvStreamId to, bool back, KvStreamWalk *walk)
{
	KvStreamId behind = to;
	uint64 place = 0;

	if (stream->layout == KV_LAYOUT_PAGED)
		place = !back                        ? number_of(stream, from)
		        : kv_stream_id_next(&behind) ? number_of(stream, behind) - 1
		                                     : stream->at.next - 1;
	kv_stream_walk_at(stream, from, to, back, place, walk);
}

static bool
walk_inline(KvStreamWalk *walk, RespSlice *entry)
{
	KvStream *stream = walk->stream;
	KvPacked packed;

	if (walk->at < 0 || walk->at >= walk->count)
		return false;
	if (!kv_packed_next(stream->packed, stream->at.root.bytes, walk->found[walk->at], &packed))
		kv_collection_damaged();
	*entry = entry_of(&packed);
	walk->at += walk->back ? -1 : 1;
	return true;
}

static bool
walk_forwards(KvStreamWalk *walk, RespSlice *entry)
{
	PgfirstRecord record;

	if (!entries_next(walk->stream, walk->walk, walk->stream->at.next, &record))
		return false;
	walk->place = kv_id_number(&record.id);
	*entry = (RespSlice){record.data, record.length};
	return true;
}

/*
 * Finds the entries in front of `low`, some of them at least.  The way there leads forwards only: steps back, each
 * twice as long as the one before, until there is something in between, and halves of that until that is little.
 */
static bool
window_find(KvStreamWalk *walk)
{
	const KvStream *stream = walk->stream;
	uint64 first = stream->at.first;
	uint64 high = walk->low;
	uint64 end = high; /* nothing is from there on and before `high` */
	uint64 bytes = 0;
	uint64 one;

	for (walk->count = 0; walk->count == 0; walk->width *= 2)
	{
		if (walk->low <= first)
			return false;
		end = walk->low;
		walk->low = high - Min(walk->width, high - first);
		walk->count =
		    numbers_between(stream, walk->low, high, walk->found, KV_STREAM_WINDOW, &bytes);
	}
	while (walk->count == KV_STREAM_WINDOW)
	{
		uint64 middle = walk->low + (end - walk->low) / 2;

		if (numbers_between(stream, middle, high, &one, 1, &bytes) == 0)
			end = middle;
		else
		{
			walk->low = middle;
			walk->count =
			    numbers_between(stream, middle, high, walk->found, KV_STREAM_WINDOW, &bytes);
		}
	}
	walk->width = WIDTH_MANY;
	walk->at = walk->count - 1;
	return true;
}

static bool
walk_backwards(KvStreamWalk *walk, RespSlice *entry)
{
	const KvStream *stream = walk->stream;
	PgfirstRecord record;
	PgfirstId id;

	if (walk->at < 0 && !window_find(walk))
		return false;
	walk->place = walk->found[walk->at--];
	kv_id_of_part(stream->at.root.incarnation, walk->place, &id);
	/* Where nobody has locked the key it may be gone; then what is read is read again. */
	if (!pgfirst_store_get(stream->space->store, &id, SIZE_MAX, &record))
		return false;
	if (record.kind != KV_KIND_ENTRY || record.length < sizeof(KvStreamId))
		kv_collection_damaged();
	*entry = (RespSlice){record.data, record.length};
	return true;
}

static bool
walk_paged(KvStreamWalk *walk, RespSlice *entry)
{
	MemoryContext old;
	bool there;

	MemoryContextReset(walk->context);
	old = MemoryContextSwitchTo(walk->context);
	there = (walk->back ? walk_backwards : walk_forwards)(walk, entry);
	MemoryContextSwitchTo(old);
	return there;
}

bool
kv_stream_next(KvStreamWalk *walk, RespSlice *entry)
{
	while ((walk->context ? walk_paged : walk_inline)(walk, entry))
	{
		KvStreamId id = kv_stream_entry_id(*entry);
		bool early = kv_stream_id_compare(id, walk->from) < 0;
		bool late = kv_stream_id_compare(id, walk->to) > 0;

		if (walk->back ? early : late)
			return false;
		if (!early && !late)
			return true;
	}
	return false;
}

void
kv_stream_walk_end(KvStreamWalk *walk)
{
	if (!walk->context)
		return;
	if (walk->walk)
		pgfirst_walk_end(walk->walk);
	MemoryContextDelete(walk->context);
}

/* ---- under another key ----------------------------------------------------------------------- */

void
kv_stream_move(KvStream *from, RespSlice key)
{
	kv_key_delete(from->space, from->key);
	from->key = key;
	from->changed = true;
	if (from->layout == KV_LAYOUT_PAGED)
		kv_anchor_put(from->space, key, from->at.root.incarnation);
	kv_stream_close(from);
}

Size
kv_stream_copy_size(const KvStream *from)
{
	return 2 * from->at.root.bytes + from->at.root.count * 256 + HEAD_ROOM;
}

void
kv_stream_copy(KvStream *from, KvSpace *space, RespSlice key)
{
	KvStream *to = palloc(sizeof(KvStream));
	KvStreamWalk walk;
	RespSlice entry;

	kv_stream_new(space, key, to);
	to->expiry = from->expiry;
	kv_stream_walk(from, from->at.first_id, KV_STREAM_ID_MAX, false, &walk);
	while (kv_stream_next(&walk, &entry))
		kv_stream_append(to, entry);
	kv_stream_walk_end(&walk);
	to->at.head = from->at.head;
	kv_stream_close(to);
	pfree(to);
}
