/* SPDX-License-Identifier: PostgreSQL
 *
 * collection.c: what all collections are; see collection.h.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kv/id.h"
#include "kv/type/collection.h"
#include "kv/type/packed.h"

void
kv_collection_damaged(void)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
	                errmsg("the record of a collection in the store is damaged")));
}

/* ---- where members are, probably ----------------------------------------------------------------- */

#define REMEMBERED 64

static struct
{
	PgfirstId key;
	uint64 incarnation; /* 0: none */
} remembered[REMEMBERED];

static int
remembered_place(const PgfirstId *key)
{
	return key->bytes[sizeof(key->bytes) - 1] % REMEMBERED;
}

void
kv_collection_note(const PgfirstId *key, RespSlice value)
{
	int place = remembered_place(key);

	if (value.length < sizeof(uint64))
		return;
	remembered[place].key = *key;
	memcpy(&remembered[place].incarnation, value.data, sizeof(uint64));
}

bool
kv_collection_member(const PgfirstId *key, RespSlice member, PgfirstId *id)
{
	int place = remembered_place(key);

	if (remembered[place].incarnation == 0 ||
	    memcmp(&remembered[place].key, key, sizeof(*key)) != 0)
		return false;
	kv_id_of_member(remembered[place].incarnation, member.data, member.length, id);
	return true;
}

/* ---- members by hash --------------------------------------------------------------------------- */

bool
kv_member_get(KvSpace *space, uint64 incarnation, RespSlice member, PgfirstRecord *record)
{
	PgfirstId id;

	kv_id_of_member(incarnation, member.data, member.length, &id);
	if (!pgfirst_store_get(space->store, &id, SIZE_MAX, record))
	{
		*record = (PgfirstRecord){.id = id, .kind = KV_KIND_MEMBERS};
		return false;
	}
	if (record->kind != KV_KIND_MEMBERS)
		kv_collection_damaged();
	return true;
}

void
kv_member_replace(KvSpace *space, const PgfirstRecord *record, Size begin, Size end,
                  const RespSlice *member, const RespSlice *value)
{
	Size more = member ? kv_packed_size(*member, *value) : 0;
	PgfirstRecord changed = *record;
	char *data;

	changed.length = record->length - (end - begin) + more;
	if (changed.length == 0)
	{
		pgfirst_store_delete_known(space->store, record);
		return;
	}
	data = MemoryContextAllocHuge(CurrentMemoryContext, changed.length);
	if (begin > 0)
		memcpy(data, record->data, begin);
	if (member)
		(void) kv_packed_write(data + begin, *member, *value);
	if (end < record->length)
		memcpy(data + begin + more, record->data + end, record->length - end);
	changed.data = data;
	pgfirst_store_put(space->store, &changed);
	pfree(data);
}

/* ---- anchors --------------------------------------------------------------------------------------- */

void
kv_anchor_put(KvSpace *space, RespSlice key, uint64 incarnation)
{
	PgfirstRecord anchor = {.kind = KV_KIND_ANCHOR};
	PgfirstId owner;

	kv_space_id(space, key.data, key.length, &owner);
	kv_id_of_part(incarnation, 0, &anchor.id);
	anchor.data = (char *) owner.bytes;
	anchor.length = sizeof(owner.bytes);
	pgfirst_store_put(space->store, &anchor);
}

void
kv_anchor_delete(KvSpace *space, uint64 incarnation)
{
	PgfirstId id;

	kv_id_of_part(incarnation, 0, &id);
	(void) pgfirst_store_delete(space->store, &id);
}

/*
 * Every change of a collection ends in its close, which puts the root, within the command that changes the parts. The
 * anchor is no part in this sense: RENAME changes it for the sake of whoever looks from it to its owner.
 */
void
kv_collections_init(void)
{
	pgfirst_store_parts(KV_KIND_MEMBERS, KV_KIND_ELEMENTS);
}

/* ---- what is left of a collection -------------------------------------------------------------- */

/* Whether the record is a key's whose collection has this incarnation. */
static bool
leads_to(const PgfirstRecord *record, uint64 incarnation)
{
	KvHead head;
	KvRoot root;

	if (record->kind != KV_KIND_DIRECTORY)
		return false;
	kv_record_head(record, &head);
	if (head.layout != KV_LAYOUT_PAGED ||
	    record->length < KV_HEAD_LIMIT(head.key_length) + sizeof(root))
		return false;
	memcpy(&root, record->data + KV_HEAD_LIMIT(head.key_length), sizeof(root));
	return root.incarnation == incarnation;
}

/*
 * RENAME changes owner and anchor together, so both must be of one moment.  An incarnation without an anchor is
 * over: the anchor came with the first part, and goes with the last one or before it.
 */
static bool
incarnation_is_over(PgfirstStore *store, uint64 incarnation)
{
	PgfirstRecord record;
	PgfirstId id;
	bool over = true;

	pgfirst_store_together_begin(store);
	kv_id_of_part(incarnation, 0, &id);
	if (pgfirst_store_get(store, &id, SIZE_MAX, &record))
	{
		if (record.kind != KV_KIND_ANCHOR || record.length != sizeof(id.bytes))
			kv_collection_damaged();
		memcpy(id.bytes, record.data, sizeof(id.bytes));
		over = !pgfirst_store_get(store, &id, SIZE_MAX, &record) || !leads_to(&record, incarnation);
	}
	return pgfirst_store_together_end() && over;
}

bool
kv_part_is_garbage(const PgfirstRecord *record, KvPartsMet *met)
{
	uint64 incarnation = kv_id_incarnation(&record->id);

	if (met->incarnation != incarnation)
	{
		met->incarnation = incarnation;
		met->garbage = incarnation_is_over(met->store, incarnation);
	}
	return met->garbage;
}
