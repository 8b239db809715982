/* SPDX-License-Identifier: PostgreSQL
 *
 * packed.h: members and their values, one behind the other in a run of bytes.
 *
 *     length of the member, length of its value, the member, the value; and so on
 *
 * Lengths take a byte for every seven of their bits, the lowest first, the last byte without its highest bit.
 * The order is that in which members came, and a value is replaced where it stands.  To find one is
 * to go through them, so runs are short.
 */
#ifndef PGFIRST_KV_PACKED_H
#define PGFIRST_KV_PACKED_H

#include "postgres.h"

#include "lib/resp/resp.h"

#define KV_PACKED_LENGTHS 10 /* bytes of the two lengths at most */

typedef struct KvPacked
{
	Size begin; /* where it stands, and where the next one does */
	Size end;
	RespSlice member;
	RespSlice value;
} KvPacked;

/*
 * The member that begins at `at`; false at the end of the run.  Raises data_corrupted if the bytes there are none.
 */
extern bool kv_packed_next(const char *run, Size length, Size at, KvPacked *packed);

/* The same for bytes that may be anything: false if they are none. */
extern bool kv_packed_look(const char *run, Size length, Size at, KvPacked *packed);

extern bool kv_packed_find(const char *run, Size length, RespSlice member, KvPacked *packed);

/* What a member and its value take. */
extern Size kv_packed_size(RespSlice member, RespSlice value);

/* Writes them; returns the end. */
extern char *kv_packed_write(char *at, RespSlice member, RespSlice value);

#endif
