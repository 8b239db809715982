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
 * Raises null_value_not_allowed, with these words and perhaps a hint, if one of the first `count` arguments is null, but
 * for the one that may be.
 */
extern void kv_sql_refuse_nulls(FunctionCallInfo fcinfo, int count, int but, const char *words,
                                const char *hint);

#endif
