/* SPDX-License-Identifier: PostgreSQL
 *
 * sql_elements.h: what the functions of SQL on collections share (sql_hash.c, sql_list.c, sql_set.c,
 * sql_stream.c, sql_zset.c).
 *
 * They are thin: what a command does to an open collection is in type/ and cmd/.  A function that changes one locks its key
 * first.  One that only looks reads all of it as of one moment, whatever others do meanwhile, and waits for nobody.
 *
 * Whatever has many elements comes as rows, in a tuplestore, which goes to disk when it is large.  Only what is as long as
 * an argument is an array.
 */
#ifndef PGFIRST_KV_SQL_ELEMENTS_H
#define PGFIRST_KV_SQL_ELEMENTS_H

#include "postgres.h"

#include "utils/tuplestore.h"

#include "kv/sql.h"
#include "kv/type/elements.h"

/* ---- collections ------------------------------------------------------------------------- */

/*
 * Opens a collection, which may be missing; raises wrong_object_type if the key holds something else.  Before anything is told
 * of it pgfirst_kv_shown() is called.
 */
extern void kv_sql_open(PgfirstKv *kv, RespSlice key, KvType type, KvElements *elements);

/* Both, of the key that argument 0 is, which is locked for a change, in the database that argument `db` is. */
extern void kv_sql_open_locked(FunctionCallInfo fcinfo, int db, PgfirstKvAccess access, KvType type,
                               KvElements *elements);

/* ---- results ----------------------------------------------------------------------------- */

#define KV_SQL_COLUMNS 5

typedef struct KvSqlRows
{
	Tuplestorestate *store; /* NULL: the result is no set of rows */
	TupleDesc shape;
	MemoryContext row;
	int columns; /* of the row under way */
	Datum values[KV_SQL_COLUMNS];
	bool nulls[KV_SQL_COLUMNS];
} KvSqlRows;

extern void kv_sql_rows_begin(FunctionCallInfo fcinfo, KvSqlRows *rows);

/* The next column of a row; _both: two, its text (NULL where it is not valid UTF-8) and its bytes. */
extern void kv_sql_put(KvSqlRows *rows, Datum value);
extern void kv_sql_put_bytes(KvSqlRows *rows, RespSlice bytes);
extern void kv_sql_put_both(KvSqlRows *rows, RespSlice bytes);
extern void kv_sql_put_number(KvSqlRows *rows, int64 number);
extern void kv_sql_put_float(KvSqlRows *rows, double number);
extern void kv_sql_row_end(KvSqlRows *rows);

/* A row of one bytea; as kv_elements_choose() calls it. */
extern bool kv_sql_row(void *rows, RespSlice member, RespSlice value);

/* An array as long as an argument. */
typedef struct KvSqlArray
{
	Datum *values;
	bool *nulls;
	int count;
} KvSqlArray;

extern KvSqlArray kv_sql_array(int count);
extern Datum kv_sql_array_datum(KvSqlArray *array, Oid type);

/* ---- reading ----------------------------------------------------------------------------- */

/* A function that only looks; what it needs beyond this it embeds it in. */
typedef struct KvSqlRead KvSqlRead;
struct KvSqlRead
{
	FunctionCallInfo fcinfo;
	KvType type;
	void (*read)(KvSqlRead *call); /* called once for each try */
	bool lenient;                  /* a key of another type is as good as none */

	PgfirstKv *kv;
	RespSlice key;
	KvElements elements; /* open */
	KvSqlRows rows;      /* of this try */
};

/* Reads the collection that argument 0 is, in the database that argument `db` is. */
extern void kv_sql_read(KvSqlRead *call, int db);

/* The same for a set of rows, which it returns. */
extern Datum kv_sql_read_rows(FunctionCallInfo fcinfo, int db, KvType type,
                              void (*read)(KvSqlRead *call));

/* Behind a view: argument 0 is a key that was of this type a moment ago, argument 1 its database. */
extern Datum kv_sql_read_view(FunctionCallInfo fcinfo, KvType type, void (*read)(KvSqlRead *call));

/* Raises invalid_parameter_value for a negative count. */
extern int64 kv_sql_count(FunctionCallInfo fcinfo, int n);

#endif
