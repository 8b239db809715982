/* SPDX-License-Identifier: PostgreSQL
 *
 * elements.h: a collection of whatever type, as a whole: it is moved, copied, dumped and restored.
 */
#ifndef PGFIRST_KV_TYPE_ELEMENTS_H
#define PGFIRST_KV_TYPE_ELEMENTS_H

#include "kv/type/list.h"
#include "kv/type/members.h"
#include "kv/type/stream.h"
#include "kv/type/zset.h"

typedef struct KvElements
{
	KvType type;
	union
	{
		KvMembers members;
		KvList list;
		KvZset zset;
		KvStream stream;
	} of;
} KvElements;

/* The collection of this type under a key; false if there is none. */
extern bool kv_elements_find_key(KvSpace *space, RespSlice key, KvType type, int64 now_ms,
                                 KvElements *elements);

/* As in members.h. */
extern void kv_elements_move(KvElements *from, RespSlice key);
extern void kv_elements_copy(KvElements *from, KvSpace *space, RespSlice key);
extern Size kv_elements_copy_size(const KvElements *from);

/*
 * All elements as they would be inline (packed.h), in the current context: what a dump has.  Whoever reads without the
 * key's lock does so together with the key's record.
 */
extern RespSlice kv_elements_dump(KvElements *elements);

/*
 * Makes the collection of what was dumped, and the record of its key, which the caller puts.  Parts are put at once, and
 * those of a large one go to the pages before the transaction ends, for a codec of rows (store.h).  Raises
 * invalid_parameter_value for bytes that are none.
 */
extern void kv_elements_restore(KvSpace *space, RespSlice key, KvType type, RespSlice dumped,
                                int64 expiry, PgfirstRecord *record);

#endif
