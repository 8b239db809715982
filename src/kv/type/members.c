/* SPDX-License-Identifier: PostgreSQL
 *
 * members.c: what hashes and sets are; see members.h.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "utils/memutils.h"

#include "kv/id.h"
#include "kv/type/members.h"

static const RespSlice nothing = {"", 0};

/* ---- the key's record ------------------------------------------------------------------------ */

static void
members_count_inline(KvMembers *members)
{
	KvPacked packed;

	for (Size at = 0; kv_packed_next(members->packed, members->bytes, at, &packed); at = packed.end)
		members->count++;
}

static void
members_begin(KvSpace *space, RespSlice key, KvType type, KvMembers *members)
{
	members->space = space;
	members->key = key;
	members->type = type;
	members->layout = KV_LAYOUT_INLINE;
	members->expiry = 0;
	members->changed = false;
	members->count = members->bytes = members->incarnation = members->revision = 0;
}

void
kv_members_new(KvSpace *space, RespSlice key, KvType type, KvMembers *members)
{
	members_begin(space, key, type, members);
	members->changed = true;
}

bool
kv_members_open(KvSpace *space, RespSlice key, KvType type, int64 now_ms, KvMembers *members)
{
	KvEntry entry;
	KvRoot root;

	members_begin(space, key, type, members);
	if (!kv_key_read_collection(space, key, now_ms, KV_INLINE_MAX, &entry))
		return true;
	if (entry.type != type)
		return false;
	members->layout = entry.layout;
	members->expiry = entry.expiry;
	if (entry.layout == KV_LAYOUT_INLINE)
	{
		if (entry.value_length > KV_INLINE_MAX)
			kv_collection_damaged();
		members->bytes = entry.value_length;
		memcpy(members->packed, entry.value.data, members->bytes);
		members_count_inline(members);
		return true;
	}
	/* A sorted set's root only begins like this. */
	if (type == KV_TYPE_ZSET ? entry.value_length < sizeof(root)
	                         : entry.value_length != sizeof(root))
		kv_collection_damaged();
	memcpy(&root, entry.value.data, sizeof(root));
	members->incarnation = root.incarnation;
	members->revision = root.revision;
	members->count = root.count;
	members->bytes = root.bytes;
	return true;
}

/* What stands in the key's record; `root` is memory for it. */
static RespSlice
members_value(const KvMembers *members, KvRoot *root)
{
	if (members->layout == KV_LAYOUT_INLINE)
		return (RespSlice){members->packed, members->bytes};
	*root = (KvRoot){.incarnation = members->incarnation,
	                 .count = members->count,
	                 .bytes = members->bytes,
	                 .revision = members->revision};
	return (RespSlice){(char *) root, sizeof(*root)};
}

void
kv_members_record(const KvMembers *members, int64 expiry, PgfirstRecord *record)
{
	KvRoot root;

	kv_key_record_of(members->space, members->key, members->type, members->layout,
	                 members_value(members, &root), expiry, record);
}

void
kv_members_close(KvMembers *members)
{
	KvRoot root;

	if (!members->changed)
		return;
	members->changed = false;
	if (members->count == 0)
	{
		kv_key_delete(members->space, members->key);
		if (members->layout == KV_LAYOUT_PAGED)
			kv_anchor_delete(members->space, members->incarnation);
		return;
	}
	members->revision++;
	kv_key_put_collection(members->space, members->key, members->type, members->layout,
	                      members_value(members, &root), members->expiry);
}

/* ---- paged members --------------------------------------------------------------------------- */

/* Everything that is inline gets records of its own. */
static void
members_page(KvMembers *members)
{
	KvPacked packed;

	members->incarnation = pgfirst_store_incarnation(members->space->store);
	members->layout = KV_LAYOUT_PAGED;
	kv_anchor_put(members->space, members->key, members->incarnation);
	for (Size at = 0; kv_packed_next(members->packed, members->bytes, at, &packed); at = packed.end)
	{
		PgfirstRecord record;

		/* Another one may have the same hash. */
		(void) kv_member_get(members->space, members->incarnation, packed.member, &record);
		kv_member_replace(members->space, &record, record.length, record.length, &packed.member,
		                  &packed.value);
	}
}

/* ---- one member ------------------------------------------------------------------------------ */

bool
kv_members_look(KvMembers *members, RespSlice member, KvMembersPlace *place)
{
	const char *run = members->packed;
	Size length = members->bytes;

	if (members->layout == KV_LAYOUT_PAGED)
	{
		length = kv_member_get(members->space, members->incarnation, member, &place->record)
		             ? place->record.length
		             : 0;
		run = place->record.data;
	}
	place->found = kv_packed_find(run, length, member, &place->packed);
	if (!place->found)
		place->packed = (KvPacked){.begin = length, .end = length};
	return place->found;
}

bool
kv_members_find(KvMembers *members, RespSlice member, RespSlice *value)
{
	KvMembersPlace place;
	bool found = kv_members_look(members, member, &place);

	*value = found ? place.packed.value : nothing;
	return found;
}

/* Replaces the bytes from `begin` to `end` of what is inline; false if that does not fit. */
static bool
inline_replace(KvMembers *members, Size begin, Size end, const RespSlice *member,
               const RespSlice *value)
{
	Size more = member ? kv_packed_size(*member, *value) : 0;
	Size length = members->bytes - (end - begin) + more;

	if (length > KV_INLINE_MAX)
		return false;
	memmove(members->packed + begin + more, members->packed + end, members->bytes - end);
	if (member)
		(void) kv_packed_write(members->packed + begin, *member, *value);
	members->bytes = length;
	return true;
}

void
kv_members_put_at(KvMembers *members, RespSlice member, RespSlice value, KvMembersPlace *place)
{
	members->changed = true;
	members->count += !place->found;
	if (members->layout == KV_LAYOUT_INLINE)
	{
		if (inline_replace(members, place->packed.begin, place->packed.end, &member, &value))
			return;
		members_page(members);
		(void) kv_members_look(members, member, place);
	}
	kv_member_replace(members->space, &place->record, place->packed.begin, place->packed.end,
	                  &member, &value);
	members->bytes += kv_packed_size(member, value) - (place->packed.end - place->packed.begin);
}

bool
kv_members_put(KvMembers *members, RespSlice member, RespSlice value)
{
	KvMembersPlace place;

	(void) kv_members_look(members, member, &place);
	kv_members_put_at(members, member, value, &place);
	return !place.found;
}

void
kv_members_remove_at(KvMembers *members, KvMembersPlace *place)
{
	if (members->layout == KV_LAYOUT_INLINE)
		(void) inline_replace(members, place->packed.begin, place->packed.end, NULL, NULL);
	else
	{
		kv_member_replace(members->space, &place->record, place->packed.begin, place->packed.end,
		                  NULL, NULL);
		members->bytes -= place->packed.end - place->packed.begin;
	}
	members->changed = true;
	members->count--;
}

bool
kv_members_remove(KvMembers *members, RespSlice member)
{
	KvMembersPlace place;

	if (!kv_members_look(members, member, &place))
		return false;
	kv_members_remove_at(members, &place);
	return true;
}

/* ---- all members ----------------------------------------------------------------------------- */

void
kv_members_walk(KvMembers *members, uint64 from, KvMembersWalk *walk)
{
	PgfirstId id;

	*walk = (KvMembersWalk){.members = members, .run = nothing};
	if (members->layout == KV_LAYOUT_INLINE)
	{
		/* One place for all of them. */
		if (from == 0)
			walk->run = (RespSlice){members->packed, members->bytes};
		return;
	}
	/* Behind the anchor. */
	kv_id_of_part(members->incarnation, Max(from, KV_ID_MEMBER), &id);
	walk->context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst members", ALLOCSET_DEFAULT_SIZES);
	walk->walk = pgfirst_store_walk_parts(members->space->store, &id, SIZE_MAX);
}

/* The next record of the collection; false if there is none. */
static bool
walk_part(KvMembersWalk *walk)
{
	PgfirstRecord record;
	MemoryContext old;
	bool there;

	if (!walk->walk)
		return false;
	MemoryContextReset(walk->context);
	old = MemoryContextSwitchTo(walk->context);
	there = pgfirst_walk_next(walk->walk, &record) &&
	        kv_id_incarnation(&record.id) == walk->members->incarnation;
	MemoryContextSwitchTo(old);
	if (!there)
		return false;
	if (record.kind != KV_KIND_MEMBERS)
		kv_collection_damaged();
	walk->place = kv_id_number(&record.id);
	walk->run = (RespSlice){record.data, record.length};
	walk->at = 0;
	return true;
}

bool
kv_members_next(KvMembersWalk *walk, RespSlice *member, RespSlice *value)
{
	KvPacked packed;

	while (!kv_packed_next(walk->run.data, walk->run.length, walk->at, &packed))
		if (!walk_part(walk))
			return false;
	walk->at = packed.end;
	*member = packed.member;
	*value = packed.value;
	return true;
}

void
kv_members_walk_end(KvMembersWalk *walk)
{
	if (!walk->walk)
		return;
	pgfirst_walk_end(walk->walk);
	MemoryContextDelete(walk->context);
}

bool
kv_members_sample(KvMembers *members, KvMembersPlace *place)
{
	PgfirstId first;
	KvPacked packed;
	uint64 seen = 0;

	kv_id_of_part(members->incarnation, KV_ID_MEMBER, &first);
	if (!pgfirst_store_sample(members->space->store, &first, &place->record))
		return false;
	if (place->record.kind != KV_KIND_MEMBERS)
		kv_collection_damaged();
	for (Size end = 0; kv_packed_next(place->record.data, place->record.length, end, &packed);
	     end = packed.end)
		if (seen++ == 0 || pg_prng_uint64_range(&pg_global_prng_state, 0, seen - 1) == 0)
			place->packed = packed;
	place->found = seen > 0;
	return place->found;
}

/* ---- under another key ------------------------------------------------------------------------- */

void
kv_members_move(KvMembers *from, RespSlice key)
{
	kv_key_delete(from->space, from->key);
	from->key = key;
	from->changed = true;
	if (from->layout == KV_LAYOUT_PAGED)
		kv_anchor_put(from->space, from->key, from->incarnation);
	kv_members_close(from);
}

Size
kv_members_copy_size(const KvMembers *from)
{
	return 2 * from->bytes + from->count * 256;
}

void
kv_members_copy(KvMembers *from, KvSpace *space, RespSlice key)
{
	KvMembers to = *from;
	RespSlice member, value;
	KvMembersWalk walk;

	to.space = space;
	to.key = key;
	to.changed = true;
	if (from->layout == KV_LAYOUT_PAGED)
	{
		to.layout = KV_LAYOUT_INLINE;
		to.count = to.bytes = 0;
		kv_members_walk(from, 0, &walk);
		while (kv_members_next(&walk, &member, &value))
			(void) kv_members_put(&to, member, value);
		kv_members_walk_end(&walk);
	}
	kv_members_close(&to);
}
