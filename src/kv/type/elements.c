/* SPDX-License-Identifier: PostgreSQL
 *
 * elements.c: a collection of whatever type, as a whole; see elements.h.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "kv/type/elements.h"
#include "kv/type/packed.h"

static const RespSlice nothing = {"", 0};

bool
kv_elements_find_key(KvSpace *space, RespSlice key, KvType type, int64 now_ms, KvElements *elements)
{
	elements->type = type;
	if (type == KV_TYPE_LIST)
		return kv_list_open(space, key, now_ms, &elements->of.list) &&
		       kv_list_count(&elements->of.list) > 0;
	if (type == KV_TYPE_ZSET)
		return kv_zset_open(space, key, now_ms, &elements->of.zset) &&
		       kv_zset_count(&elements->of.zset) > 0;
	if (type == KV_TYPE_STREAM)
		return kv_stream_open(space, key, now_ms, &elements->of.stream) &&
		       elements->of.stream.there;
	return kv_members_open(space, key, type, now_ms, &elements->of.members) &&
	       elements->of.members.count > 0;
}

void
kv_elements_move(KvElements *from, RespSlice key)
{
	if (from->type == KV_TYPE_LIST)
		kv_list_move(&from->of.list, key);
	else if (from->type == KV_TYPE_ZSET)
		kv_zset_move(&from->of.zset, key);
	else if (from->type == KV_TYPE_STREAM)
		kv_stream_move(&from->of.stream, key);
	else
		kv_members_move(&from->of.members, key);
}

void
kv_elements_copy(KvElements *from, KvSpace *space, RespSlice key)
{
	if (from->type == KV_TYPE_LIST)
		kv_list_copy(&from->of.list, space, key);
	else if (from->type == KV_TYPE_ZSET)
		kv_zset_copy(&from->of.zset, space, key);
	else if (from->type == KV_TYPE_STREAM)
		kv_stream_copy(&from->of.stream, space, key);
	else
		kv_members_copy(&from->of.members, space, key);
}

Size
kv_elements_copy_size(const KvElements *from)
{
	return from->type == KV_TYPE_LIST     ? kv_list_copy_size(&from->of.list)
	       : from->type == KV_TYPE_ZSET   ? kv_zset_copy_size(&from->of.zset)
	       : from->type == KV_TYPE_STREAM ? kv_stream_copy_size(&from->of.stream)
	                                      : kv_members_copy_size(&from->of.members);
}

/* ---- dumps ----------------------------------------------------------------------------------- */

/* A run of packed elements that grows. */
typedef struct Run
{
	char *data;
	Size length;
	Size room;
} Run;

static void
run_add(Run *run, RespSlice member, RespSlice value)
{
	Size more = kv_packed_size(member, value);

	if (run->length + more > run->room)
	{
		run->room = Max(run->room * 2, run->length + more);
		run->data = repalloc_huge(run->data, run->room);
	}
	(void) kv_packed_write(run->data + run->length, member, value);
	run->length += more;
}

static void
dump_stream(KvStream *stream, Run *run)
{
	KvStreamWalk walk;
	RespSlice entry;

	run_add(run, kv_stream_head_slice(stream), nothing);
	kv_stream_walk(stream, stream->at.first_id, KV_STREAM_ID_MAX, false, &walk);
	while (kv_stream_next(&walk, &entry))
		run_add(run, (RespSlice){entry.data, sizeof(KvStreamId)}, kv_stream_entry_pairs(entry));
	kv_stream_walk_end(&walk);
}

RespSlice
kv_elements_dump(KvElements *elements)
{
	Size bytes = elements->type == KV_TYPE_LIST     ? elements->of.list.at.root.bytes
	             : elements->type == KV_TYPE_ZSET   ? elements->of.zset.at.root.bytes
	             : elements->type == KV_TYPE_STREAM ? elements->of.stream.at.root.bytes + 64
	                                                : elements->of.members.bytes;
	Run run = {.room = Max(bytes, 1)};
	RespSlice member, value;

	run.data = MemoryContextAllocHuge(CurrentMemoryContext, run.room);
	if (elements->type == KV_TYPE_LIST)
	{
		KvListWalk walk;

		kv_list_walk(&elements->of.list, 0, &walk);
		while (kv_list_next(&walk, &value))
			run_add(&run, value, nothing);
		kv_list_walk_end(&walk);
	}
	else if (elements->type == KV_TYPE_ZSET)
	{
		KvZsetWalk walk;
		double score;

		kv_zset_walk(&elements->of.zset, 0, false, &walk);
		while (kv_zset_next(&walk, &member, &score))
			run_add(&run, member, (RespSlice){(const char *) &score, sizeof(score)});
		kv_zset_walk_end(&walk);
	}
	else if (elements->type == KV_TYPE_STREAM)
		dump_stream(&elements->of.stream, &run);
	else
	{
		KvMembersWalk walk;

		kv_members_walk(&elements->of.members, 0, &walk);
		while (kv_members_next(&walk, &member, &value))
			run_add(&run, member, value);
		kv_members_walk_end(&walk);
	}
	return (RespSlice){run.data, run.length};
}

static void
restore_refuse(KvType type)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
	                errmsg("the payload of a row is no %s", kv_type_name(type)),
	                errdetail("It must be what reading such a key from a store gives.")));
}

/* False if the member is there already, or its value is no score. */
static bool
restore_scored(KvZset *zset, const KvPacked *packed)
{
	KvZsetPlace place;
	double score;

	if (packed->value.length != sizeof(score))
		return false;
	memcpy(&score, packed->value.data, sizeof(score));
	kv_zset_look(zset, packed->member, &place);
	if (isnan(score) || place.found)
		return false;
	kv_zset_put(zset, packed->member, score, &place);
	return true;
}

/* False if it is no entry, or is not behind those before it. */
static bool
restore_entry(KvStream *stream, const KvPacked *packed)
{
	RespSlice entry = {packed->member.data, packed->member.length + packed->value.length};
	KvPacked pair;
	Size at;

	if (packed->member.length != sizeof(KvStreamId) || packed->value.length == 0 ||
	    kv_stream_id_compare(kv_stream_entry_id(entry), stream->at.head.last) <= 0)
		return false;
	for (at = 0; at < packed->value.length; at = pair.end)
		if (!kv_packed_look(packed->value.data, packed->value.length, at, &pair))
			return false;
	kv_stream_append(stream, entry);
	return true;
}

/* Of a stream, what was dumped begins with the head, from which the entries follow. */
static Size
restore_head(RespSlice dumped, KvStreamHead *head)
{
	Size begin;

	if (!kv_stream_head_read(dumped, head, &begin))
		restore_refuse(KV_TYPE_STREAM);
	return begin;
}

static void
restore_whole(KvStream *stream, const KvStreamHead *head)
{
	if (head->added < kv_stream_count(stream) ||
	    kv_stream_id_compare(head->last, stream->at.head.last) < 0 ||
	    kv_stream_id_compare(head->last, head->deleted) < 0)
		restore_refuse(KV_TYPE_STREAM);
	stream->at.head = *head;
}

static void
restore_one(KvElements *elements, const KvPacked *packed)
{
	bool good = true;

	if (elements->type == KV_TYPE_LIST)
		kv_list_push(&elements->of.list, KV_TAIL, packed->member);
	else if (elements->type == KV_TYPE_ZSET)
		good = restore_scored(&elements->of.zset, packed);
	else if (elements->type == KV_TYPE_STREAM)
		good = restore_entry(&elements->of.stream, packed);
	else
		good = kv_members_put(&elements->of.members, packed->member, packed->value);
	if (!good)
		restore_refuse(elements->type);
}

void
kv_elements_restore(KvSpace *space, RespSlice key, KvType type, RespSlice dumped, int64 expiry,
                    PgfirstRecord *record)
{
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst restore", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KvElements elements = {.type = type};
	KvStreamHead head;
	KvPacked packed;
	Size begin = 0;

	if (type == KV_TYPE_LIST)
		kv_list_new(space, key, &elements.of.list);
	else if (type == KV_TYPE_ZSET)
		kv_zset_new(space, key, &elements.of.zset);
	else if (type == KV_TYPE_STREAM)
	{
		kv_stream_new(space, key, &elements.of.stream);
		begin = restore_head(dumped, &head);
	}
	else
		kv_members_new(space, key, type, &elements.of.members);
	if (dumped.length == 0)
		restore_refuse(type);
	for (Size at = begin; at < dumped.length; at = packed.end)
	{
		CHECK_FOR_INTERRUPTS();
		if (!kv_packed_look(dumped.data, dumped.length, at, &packed))
			restore_refuse(type);
		restore_one(&elements, &packed);
		pgfirst_rows_spill(space->store);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	if (type == KV_TYPE_LIST)
		kv_list_record(&elements.of.list, expiry, record);
	else if (type == KV_TYPE_ZSET)
		kv_zset_record(&elements.of.zset, expiry, record);
	else if (type == KV_TYPE_STREAM)
	{
		restore_whole(&elements.of.stream, &head);
		kv_stream_record(&elements.of.stream, expiry, record);
	}
	else
		kv_members_record(&elements.of.members, expiry, record);
}
