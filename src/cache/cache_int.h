/* SPDX-License-Identifier: PostgreSQL
 *
 * cache_int.h: what the functions of cache share.
 */
#ifndef PGFIRST_CACHE_INT_H
#define PGFIRST_CACHE_INT_H

#include "postgres.h"

#include "fmgr.h"

#include "kv/kv.h"

/* As what SQL gives or takes a value.  In the record they are all bytes; see cache.c. */
typedef enum CacheKind
{
	CACHE_TEXT,
	CACHE_JSON, /* as its text */
	CACHE_BYTES
} CacheKind;

extern int pgfirst_cache_database;

/* The entries of the caller, ready to be read or changed; for _many of that many keys. */
extern PgfirstKv *cache_open(PgfirstKvAccess access);
extern PgfirstKv *cache_open_many(PgfirstKvAccess access, Size keys);

extern RespSlice cache_key(Datum key);
extern RespSlice cache_value(Datum value, CacheKind kind);

/* The value of an entry as SQL wants it; raises what is wrong with it, naming the entry. */
extern Datum cache_result(const PgfirstKvEntry *entry, CacheKind kind);

/* When an entry expires that is set now with argument n as its ttl; 0 if that is NULL. */
extern int64 cache_expiry(FunctionCallInfo fcinfo, int n);

/* An argument that may not be NULL although the function is called with NULLs. */
extern void cache_refuse_null(FunctionCallInfo fcinfo, int n, const char *function);

/* The shared memory of clean-ups. */
extern void cache_cleanup_init(void);

#endif
