/* SPDX-License-Identifier: PostgreSQL
 *
 * key.h: a key's directory record.
 *
 * The record stands at the keyed hash of (tenant, epoch, key) and says what the key is:
 * type, expiry (the record's own), the key itself to compare with, and small values inline.  Its
 * bytes:
 *
 *     offset  size  field
 *          0     1  format, KV_HEAD_FORMAT
 *          1     1  type, KvType
 *          2     1  layout, KvLayout
 *          3     1  zero
 *          4     4  tenant
 *          8     8  epoch
 *         16     4  length of the key
 *         20     4  zero
 *         24     k  the key
 *       24+k     v  the value
 *
 * (a collection that is paged has there what leads to its parts, see members.h)
 *
 * in the byte order of the machine, as everything else on PostgreSQL's pages.  Tenant and epoch are
 * there for whoever meets the record without knowing its key: counts and the sweep.
 */
#ifndef PGFIRST_KV_KEY_H
#define PGFIRST_KV_KEY_H

#include "postgres.h"

#include "kv/database.h"
#include "lib/resp/resp.h"
#include "store/store.h"

/* Kinds of records in a database's store. */
typedef enum KvKind
{
	KV_KIND_EPOCH = 1,     /* the tenant's epoch of this database: a uint64 */
	KV_KIND_DIRECTORY = 2, /* a key */
	KV_KIND_ANCHOR = 3,    /* says to which key the parts behind it belong */
	KV_KIND_MEMBERS = 4,   /* members of a hash or set */
	/* 5 was an element of a list */
	KV_KIND_NODE = 6,    /* of the order of a sorted set */
	KV_KIND_ENTRY = 7,   /* of a stream */
	KV_KIND_ELEMENTS = 8 /* a node of elements of a list */
} KvKind;

typedef enum KvType
{
	KV_TYPE_NONE = 0,
	KV_TYPE_STRING = 1,
	KV_TYPE_HASH = 2,
	KV_TYPE_SET = 3,
	KV_TYPE_LIST = 4,
	KV_TYPE_ZSET = 5,
	KV_TYPE_STREAM = 6
} KvType;

#define KV_TYPES (KV_TYPE_STREAM + 1)

/* Whether there are commands that wait for keys of this type to have something. */
static inline bool
kv_type_is_waited_for(KvType type)
{
	return type == KV_TYPE_LIST || type == KV_TYPE_ZSET || type == KV_TYPE_STREAM;
}

/* Where the elements of a collection are: in its record, or in records of their own. */
typedef enum KvLayout
{
	KV_LAYOUT_INLINE = 0,
	KV_LAYOUT_PAGED = 1
} KvLayout;

#define KV_HEAD_FORMAT 1

typedef struct KvHead
{
	uint8 format;
	uint8 type;
	uint8 layout;
	uint8 zero;
	uint32 tenant;
	uint64 epoch;
	uint32 key_length;
	uint32 zero_too;
} KvHead;

StaticAssertDecl(sizeof(KvHead) == 24, "KvHead is stored");

/* Redis's limits. */
#define KV_KEY_MAX   ((Size) 512 * 1024 * 1024)
#define KV_VALUE_MAX ((Size) 512 * 1024 * 1024)

/* What a read found. */
typedef struct KvEntry
{
	KvType type; /* KV_TYPE_NONE: no such key, or expired */
	KvLayout layout;
	int64 expiry;    /* 0: never */
	RespSlice key;   /* as stored */
	RespSlice value; /* set if it was asked for */
	Size value_length;
} KvEntry;

/* Redis's name of a type; and the type of a name, in any case, KV_TYPE_NONE if there is none. */
extern const char *kv_type_name(KvType type);
extern KvType kv_type_of(RespSlice name);

/* Whether the record is a part of a collection, which stands at its incarnation, and no key. */
static inline bool
kv_record_is_part(const PgfirstRecord *record)
{
	return record->kind >= KV_KIND_ANCHOR && record->kind <= KV_KIND_ELEMENTS;
}

/* Reads a key; true if it is there and alive at now_ms. */
extern bool kv_key_read(KvSpace *space, RespSlice key, int64 now_ms, bool with_value,
                        KvEntry *entry);

/*
 * The same with at least the first `limit` bytes of the value, which is brought in no further: entry's
 * value has what is there of them, value_length is that of the whole.
 */
extern bool kv_key_read_part(KvSpace *space, RespSlice key, int64 now_ms, Size limit,
                             KvEntry *entry);

/* The same for whoever opens a collection: many commands at once work on some of them. */
extern bool kv_key_read_collection(KvSpace *space, RespSlice key, int64 now_ms, Size limit,
                                   KvEntry *entry);

/* entry, of KV_TYPE_NONE if there is no such key, is valid until this returns: whether to go on. */
typedef bool (*KvKeyRead)(void *context, const KvEntry *entry);

#define KV_KEYS_EACH 32

/*
 * Reads up to so many keys one after the other, values and all; large ones into `scratch`, which is emptied.  False if
 * `read` did not go on.
 */
extern bool kv_keys_read_each(KvSpace *space, const RespSlice *keys, int count, int64 now_ms,
                              MemoryContext scratch, KvKeyRead read, void *context);

/* Whether what is read from now on counts as used, where keys are evicted: true: no (CLIENT NO-TOUCH). */
extern void kv_keys_spare(bool spare);

/*
 * Says that these keys will be read soon; and beside each of them a member of the collection that it leads to. members may be
 * NULL, one without data is none.
 */
extern void kv_keys_prefetch(KvSpace *space, const RespSlice *keys, const RespSlice *members,
                             int count);

/*
 * Takes the key's lock until the end of the transaction; false when somebody has it and wait is
 * false.  conditional: see pgfirst_store_lock().
 */
extern bool kv_key_lock(KvSpace *space, RespSlice key, bool conditional, bool wait);

/* The process that has the lock. */
extern int kv_key_lock_holder(KvSpace *space, RespSlice key);

/* The record of a string: what kv_key_put() puts.  Its data is allocated in the current context. */
extern void kv_key_record(const KvSpace *space, RespSlice key, RespSlice value, int64 expiry,
                          PgfirstRecord *record);

/* Makes the key a collection: `value` is its elements, or leads to them.  The caller has its lock. */
extern void kv_key_put_collection(KvSpace *space, RespSlice key, KvType type, KvLayout layout,
                                  RespSlice value, int64 expiry);

/* The record that this puts; its data is allocated in the current context. */
extern void kv_key_record_of(const KvSpace *space, RespSlice key, KvType type, KvLayout layout,
                             RespSlice value, int64 expiry, PgfirstRecord *record);

/* Makes the key a string with this value.  The caller has its lock. */
extern void kv_key_put(KvSpace *space, RespSlice key, RespSlice value, int64 expiry);

/*
 * The same in two steps, for who puts a value together and need not hold it twice: the first returns
 * where `length` bytes of value belong, the second puts the record, once they are there, and frees it.
 */
extern char *kv_key_draft(const KvSpace *space, RespSlice key, Size length, int64 expiry,
                          PgfirstRecord *record);
extern void kv_key_put_draft(KvSpace *space, PgfirstRecord *record);

/* Changes when the key expires (0: never); the caller has its lock and has seen it alive. */
extern void kv_key_expire(KvSpace *space, RespSlice key, int64 expiry);

/* Deletes the key, dead or alive. */
extern void kv_key_delete(KvSpace *space, RespSlice key);

/* What the record takes in the write set. */
extern Size kv_key_size(RespSlice key, RespSlice value);

/* Looks into a record of kind KV_KIND_DIRECTORY; raises data_corrupted if it is none. */
extern void kv_record_head(const PgfirstRecord *record, KvHead *head);

/* Whether a directory record is of this space and alive; fills entry (value if the record has it). */
extern bool kv_record_entry(const KvSpace *space, const PgfirstRecord *record, int64 now_ms,
                            KvEntry *entry);

/* How much of a record a reader of heads must ask for, given the key's length. */
#define KV_HEAD_LIMIT(key_length) (sizeof(KvHead) + (key_length))

#endif
