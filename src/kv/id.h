/* SPDX-License-Identifier: PostgreSQL
 *
 * id.h: from a key to the id of its record.
 */
#ifndef PGFIRST_KV_ID_H
#define PGFIRST_KV_ID_H

#include "postgres.h"

#include "store/store.h"

#define KV_SECRET_BYTES 16

/* From now on ids are made with this secret. */
extern void kv_ids_begin(const uint8 secret[KV_SECRET_BYTES]);

/* The id of a key of this tenant in this epoch of its database. */
extern void kv_id(uint32 tenant, uint64 epoch, const char *key, Size length, PgfirstId *id);

/* The id of the record that holds the epoch of the tenant's keys. */
extern void kv_id_of_epoch(uint32 tenant, PgfirstId *id);

/*
 * The first eight bytes are the same of all parts of a collection; those of a member are followed by a keyed
 * hash of it, whose highest bit is set.  Other parts have numbers below that.
 */
#define KV_ID_MEMBER (UINT64CONST(1) << 63)

extern void kv_id_of_part(uint64 incarnation, uint64 number, PgfirstId *id);
extern void kv_id_of_member(uint64 incarnation, const char *member, Size length, PgfirstId *id);

/* The two halves of the id of a part. */
extern uint64 kv_id_incarnation(const PgfirstId *id);
extern uint64 kv_id_number(const PgfirstId *id);

#endif
