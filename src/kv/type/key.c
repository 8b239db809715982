/* SPDX-License-Identifier: PostgreSQL
 *
 * key.c: a key's directory record; see key.h.
 *
 * Records only: no pages, no SQL, no sockets.  An expired key is a dead key on every path here; its
 * record goes when it is overwritten or when the sweep finds it.
 *
 * Where keys are evicted, each use is noted (see limit.h): a read, of a key that is not there as well,
 * and a write.
 */
#include "postgres.h"

#include "kv/id.h"
#include "kv/ready.h"
#include "kv/type/collection.h"

static struct
{
	bool spared;   /* what is read now is not to count as used */
	uint32 writes; /* since the last tick */
} uses;

void
kv_keys_spare(bool spare)
{
	uses.spared = spare;
}

static inline void
key_use(const KvSpace *space, const PgfirstId *id)
{
	if (unlikely(space->usage != NULL) && !uses.spared)
		pgfirst_usage_touch(space->usage, id->bytes, space->salt, space->half_life);
}

static inline void
key_written(const KvSpace *space, const PgfirstId *id)
{
	key_use(space, id);
	if (unlikely(space->usage != NULL) && ++uses.writes % PGFIRST_USAGE_WRITES == 0)
		pgfirst_usage_tick(space->usage);
}

const char *
kv_type_name(KvType type)
{
	switch (type)
	{
		case KV_TYPE_STRING:
			return "string";
		case KV_TYPE_HASH:
			return "hash";
		case KV_TYPE_SET:
			return "set";
		case KV_TYPE_LIST:
			return "list";
		case KV_TYPE_ZSET:
			return "zset";
		case KV_TYPE_STREAM:
			return "stream";
		case KV_TYPE_NONE:
			break;
	}
	return "none";
}

KvType
kv_type_of(RespSlice name)
{
	for (KvType type = KV_TYPE_NONE + 1; type < KV_TYPES; type++)
		if (strlen(kv_type_name(type)) == name.length &&
		    pg_strncasecmp(kv_type_name(type), name.data, name.length) == 0)
			return type;
	return KV_TYPE_NONE;
}

void
kv_record_head(const PgfirstRecord *record, KvHead *head)
{
	/* Copied: the bytes of a record are not aligned. */
	if (record->length >= sizeof(KvHead))
		memcpy(head, record->data, sizeof(KvHead));
	if (record->length < sizeof(KvHead) || head->format != KV_HEAD_FORMAT ||
	    record->length - sizeof(KvHead) < head->key_length)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
		                errmsg("a key's record in the store is not of a known format")));
}

bool
kv_record_entry(const KvSpace *space, const PgfirstRecord *record, int64 now_ms, KvEntry *entry)
{
	KvHead head;

	entry->type = KV_TYPE_NONE;
	if (record->kind != KV_KIND_DIRECTORY)
		return false;
	kv_record_head(record, &head);
	if (head.tenant != space->tenant || head.epoch != space->epoch)
		return false;
	if (record->expiry != 0 && record->expiry <= now_ms)
		return false;
	entry->type = (KvType) head.type;
	entry->layout = (KvLayout) head.layout;
	entry->expiry = record->expiry;
	entry->key = (RespSlice){record->data + sizeof(KvHead), head.key_length};
	entry->value_length = record->length - sizeof(KvHead) - head.key_length;
	entry->value =
	    (RespSlice){record->data + sizeof(KvHead) + head.key_length, entry->value_length};
	return true;
}

/* What the record of a key says; an entry of no type if that is not alive. */
static inline bool
key_entry(const KvSpace *space, RespSlice key, const PgfirstRecord *record, int64 now_ms,
          KvEntry *entry)
{
	if (!kv_record_entry(space, record, now_ms, entry))
		return false;
	if (entry->key.length != key.length || memcmp(entry->key.data, key.data, key.length) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
		                errmsg("a key's record in the store holds another key")));
	return true;
}

typedef bool (*KeyGet)(PgfirstStore *store, const PgfirstId *id, Size limit, PgfirstRecord *record);

/* Reads at least the first `limit` bytes of the key's record. */
static inline bool
key_read(KvSpace *space, RespSlice key, int64 now_ms, Size limit, KeyGet get, KvEntry *entry)
{
	PgfirstRecord record;
	PgfirstId id;
	bool found;

	entry->type = KV_TYPE_NONE;
	kv_space_id(space, key.data, key.length, &id);
	key_use(space, &id);
	found = get(space->store, &id, limit, &record);
	if (!found || !key_entry(space, key, &record, now_ms, entry))
		return false;
	if (entry->layout == KV_LAYOUT_PAGED && limit >= KV_HEAD_LIMIT(key.length) + sizeof(KvRoot))
		kv_collection_note(&id, entry->value);
	return true;
}

bool
kv_key_read(KvSpace *space, RespSlice key, int64 now_ms, bool with_value, KvEntry *entry)
{
	return key_read(space, key, now_ms, with_value ? SIZE_MAX : KV_HEAD_LIMIT(key.length),
	                pgfirst_store_get, entry);
}

static bool
key_read_part(KvSpace *space, RespSlice key, int64 now_ms, Size limit, KeyGet get, KvEntry *entry)
{
	limit = Min(limit, PGFIRST_RECORD_MAX);
	if (!key_read(space, key, now_ms, KV_HEAD_LIMIT(key.length) + limit, get, entry))
		return false;
	entry->value.length = Min(entry->value_length, limit);
	return true;
}

bool
kv_key_read_part(KvSpace *space, RespSlice key, int64 now_ms, Size limit, KvEntry *entry)
{
	return key_read_part(space, key, now_ms, limit, pgfirst_store_get, entry);
}

bool
kv_key_read_collection(KvSpace *space, RespSlice key, int64 now_ms, Size limit, KvEntry *entry)
{
	return key_read_part(space, key, now_ms, limit, pgfirst_store_get_hot, entry);
}

void
kv_keys_prefetch(KvSpace *space, const RespSlice *keys, const RespSlice *members, int count)
{
	PgfirstId ids[32];
	int n = 0;

	for (int i = 0; i < count; i++)
	{
		PgfirstId id;

		kv_space_id(space, keys[i].data, keys[i].length, &id);
		if (unlikely(space->usage != NULL))
			pgfirst_usage_prefetch(space->usage, id.bytes, space->salt);
		ids[n++] = id;
		if (members && members[i].data && kv_collection_member(&id, members[i], &ids[n]))
			n++;
		if (n + 1 >= (int) lengthof(ids) || i == count - 1)
		{
			pgfirst_store_prefetch(space->store, ids, n);
			n = 0;
		}
	}
}

typedef struct ReadEach
{
	const KvSpace *space;
	const RespSlice *keys;
	int64 now_ms;
	KvKeyRead read;
	void *context;
} ReadEach;

static bool
each_read(void *context, int i, const PgfirstRecord *record)
{
	const ReadEach *each = context;
	KvEntry entry = {.type = KV_TYPE_NONE};

	if (record)
		(void) key_entry(each->space, each->keys[i], record, each->now_ms, &entry);
	return each->read(each->context, &entry);
}

bool
kv_keys_read_each(KvSpace *space, const RespSlice *keys, int count, int64 now_ms,
                  MemoryContext scratch, KvKeyRead read, void *context)
{
	ReadEach each = {space, keys, now_ms, read, context};
	PgfirstId ids[KV_KEYS_EACH];

	Assert(count <= KV_KEYS_EACH);
	for (int i = 0; i < count; i++)
	{
		kv_space_id(space, keys[i].data, keys[i].length, &ids[i]);
		key_use(space, &ids[i]);
	}
	return pgfirst_store_get_each(space->store, ids, count, scratch, each_read, &each);
}

bool
kv_key_lock(KvSpace *space, RespSlice key, bool conditional, bool wait)
{
	PgfirstId id;

	kv_space_id(space, key.data, key.length, &id);
	return pgfirst_store_lock(space->store, &id, conditional, wait);
}

int
kv_key_lock_holder(KvSpace *space, RespSlice key)
{
	PgfirstId id;

	kv_space_id(space, key.data, key.length, &id);
	return pgfirst_store_lock_holder(space->store, &id);
}

Size
kv_key_size(RespSlice key, RespSlice value)
{
	return sizeof(KvHead) + key.length + value.length;
}

/* Fills in everything of a record at `data` but its value's bytes; returns where they belong. */
static char *
key_record(const KvSpace *space, RespSlice key, KvType type, KvLayout layout, Size length,
           int64 expiry, char *data, PgfirstRecord *record)
{
	KvHead head = {.format = KV_HEAD_FORMAT,
	               .type = (uint8) type,
	               .layout = (uint8) layout,
	               .tenant = space->tenant,
	               .epoch = space->epoch,
	               .key_length = (uint32) key.length};

	*record = (PgfirstRecord){.kind = KV_KIND_DIRECTORY,
	                          .expiry = expiry,
	                          .data = data,
	                          .length = KV_HEAD_LIMIT(key.length) + length};
	memcpy(data, &head, sizeof(head));
	memcpy(data + sizeof(head), key.data, key.length);
	kv_space_id(space, key.data, key.length, &record->id);
	key_written(space, &record->id);
	return data + KV_HEAD_LIMIT(key.length);
}

char *
kv_key_draft(const KvSpace *space, RespSlice key, Size length, int64 expiry, PgfirstRecord *record)
{
	char *data = MemoryContextAllocHuge(CurrentMemoryContext, KV_HEAD_LIMIT(key.length) + length);

	return key_record(space, key, KV_TYPE_STRING, KV_LAYOUT_INLINE, length, expiry, data, record);
}

void
kv_key_put_draft(KvSpace *space, PgfirstRecord *record)
{
	pgfirst_store_put(space->store, record);
	pfree(unconstify(char *, record->data));
	record->data = NULL;
}

void
kv_key_record(const KvSpace *space, RespSlice key, RespSlice value, int64 expiry,
              PgfirstRecord *record)
{
	memcpy(kv_key_draft(space, key, value.length, expiry, record), value.data, value.length);
}

static void
key_put(KvSpace *space, RespSlice key, KvType type, KvLayout layout, RespSlice value, int64 expiry)
{
	Size length = kv_key_size(key, value);
	PgfirstRecord record;
	char small[512];
	char *data = small;

	if (length > sizeof(small))
		data = MemoryContextAllocHuge(CurrentMemoryContext, length);
	memcpy(key_record(space, key, type, layout, value.length, expiry, data, &record), value.data,
	       value.length);
	pgfirst_store_put(space->store, &record);
	if (data != small)
		pfree(data);
}

void
kv_key_put(KvSpace *space, RespSlice key, RespSlice value, int64 expiry)
{
	key_put(space, key, KV_TYPE_STRING, KV_LAYOUT_INLINE, value, expiry);
}

void
kv_key_record_of(const KvSpace *space, RespSlice key, KvType type, KvLayout layout, RespSlice value,
                 int64 expiry, PgfirstRecord *record)
{
	char *data = MemoryContextAllocHuge(CurrentMemoryContext, kv_key_size(key, value));

	memcpy(key_record(space, key, type, layout, value.length, expiry, data, record), value.data,
	       value.length);
}

void
kv_key_put_collection(KvSpace *space, RespSlice key, KvType type, KvLayout layout, RespSlice value,
                      int64 expiry)
{
	key_put(space, key, type, layout, value, expiry);
	if (kv_type_is_waited_for(type))
		kv_ready_note(space, key);
}

void
kv_key_expire(KvSpace *space, RespSlice key, int64 expiry)
{
	PgfirstId id;

	kv_space_id(space, key.data, key.length, &id);
	(void) pgfirst_store_expire(space->store, &id, expiry);
}

void
kv_key_delete(KvSpace *space, RespSlice key)
{
	PgfirstId id;

	kv_space_id(space, key.data, key.length, &id);
	(void) pgfirst_store_delete(space->store, &id);
}
