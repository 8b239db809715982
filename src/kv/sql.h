/* SPDX-License-Identifier: PostgreSQL
 *
 * sql.h: how the functions of the SQL door read their arguments.
 */
#ifndef PGFIRST_KV_SQL_H
#define PGFIRST_KV_SQL_H

#include "postgres.h"

#include "fmgr.h"

#include "kv/kv.h"

/* Argument n, a text or a bytea, as a key or as a value; raises program_limit_exceeded if it is too long. */
extern RespSlice kv_sql_key(FunctionCallInfo fcinfo, int n);
extern RespSlice kv_sql_value(FunctionCallInfo fcinfo, int n);

/*
 * Argument n as values: one, or those of an array.  Where nulls are kept an element that is null has no data; otherwise it
 * raises null_value_not_allowed.
 */
typedef struct KvSlices
{
	RespSlice *at;
	int count;
} KvSlices;

extern KvSlices kv_sql_slices(FunctionCallInfo fcinfo, int n, bool keep_nulls);

/* Argument n, a double precision, as the decimal number that is meant; raises where it is none or infinite. */
extern long double kv_sql_float(FunctionCallInfo fcinfo, int n);

/* How often what changes meanwhile is read again. */
#define KV_SQL_TRIES 1000

/* Opens a database for a change that depends on what is there, and locks the key; or both, which may be the same. */
extern PgfirstKv *kv_sql_change(int number, PgfirstKvAccess access, RespSlice key);
extern PgfirstKv *kv_sql_change_two(int number, PgfirstKvAccess access, RespSlice one,
                                    RespSlice other);

static inline bool
kv_sql_same(RespSlice one, RespSlice other)
{
	return one.length == other.length && memcmp(one.data, other.data, one.length) == 0;
}

/*
 * Raises null_value_not_allowed, with these words and perhaps a hint, if one of the first `count` arguments is null, but
 * for the one that may be.
 */
extern void kv_sql_refuse_nulls(FunctionCallInfo fcinfo, int count, int but, const char *words,
                                const char *hint);

#endif
