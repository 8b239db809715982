/* SPDX-License-Identifier: PostgreSQL
 *
 * sql_key.c: the commands on keys of any type as functions of SQL: kv.expire, kv.ttl, kv.rename and the like.
 *
 * As in sql_string.c they do what the commands do, in the caller's transaction.  Durations are intervals and moments are
 * timestamps with time zone: what Redis says by -1 and -2 is said by infinity and NULL.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "kv/database.h"
#include "kv/limit.h"
#include "kv/ready.h"
#include "kv/sql.h"
#include "kv/type/elements.h"
#include "kv/type/key.h"

PGFIRST_FUNCTION(pgfirst_kv_copy);
PGFIRST_FUNCTION(pgfirst_kv_exists);
PGFIRST_FUNCTION(pgfirst_kv_expire_in);
PGFIRST_FUNCTION(pgfirst_kv_expireat);
PGFIRST_FUNCTION(pgfirst_kv_expiretime);
PGFIRST_FUNCTION(pgfirst_kv_move);
PGFIRST_FUNCTION(pgfirst_kv_persist);
PGFIRST_FUNCTION(pgfirst_kv_rename);
PGFIRST_FUNCTION(pgfirst_kv_renamenx);
PGFIRST_FUNCTION(pgfirst_kv_ttl);
PGFIRST_FUNCTION(pgfirst_kv_type);

/* ---- what there is ----------------------------------------------------------------------- */

/* Looks at the key that argument 0 is, in the database that argument 1 is. */
static bool
find(FunctionCallInfo fcinfo, int64 now_ms, PgfirstKvEntry *entry)
{
	RespSlice key = kv_sql_key(fcinfo, 0);

	return pgfirst_kv_find(pgfirst_kv_open(PG_GETARG_INT32(1), PGFIRST_KV_READ), key, now_ms,
	                       entry);
}

/* kv.exists(key, db) -> boolean */
Datum
pgfirst_kv_exists(PG_FUNCTION_ARGS)
{
	PgfirstKvEntry entry;

	PG_RETURN_BOOL(find(fcinfo, pgfirst_clock_wall_ms(), &entry));
}

/* kv.type(key, db) -> text; NULL if there is no such key. */
Datum
pgfirst_kv_type(PG_FUNCTION_ARGS)
{
	PgfirstKvEntry entry;

	if (!find(fcinfo, pgfirst_clock_wall_ms(), &entry))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(entry.type));
}

/* kv.ttl(key, db) -> interval; NULL if there is no such key, or if it never expires. */
Datum
pgfirst_kv_ttl(PG_FUNCTION_ARGS)
{
	int64 now_ms = pgfirst_clock_wall_ms();
	PgfirstKvEntry entry;
	Interval *left;

	if (!find(fcinfo, now_ms, &entry) || entry.expiry == 0 ||
	    TIMESTAMP_IS_NOEND(pgfirst_kv_timestamp(entry.expiry)))
		PG_RETURN_NULL();
	left = palloc0(sizeof(Interval));
	left->time = (entry.expiry - now_ms) * 1000;
	PG_RETURN_INTERVAL_P(left);
}

/* kv.expiretime(key, db) -> timestamptz; infinity if it never expires, NULL if there is no such key. */
Datum
pgfirst_kv_expiretime(PG_FUNCTION_ARGS)
{
	PgfirstKvEntry entry;

	if (!find(fcinfo, pgfirst_clock_wall_ms(), &entry))
		PG_RETURN_NULL();
	if (entry.expiry == 0)
		PG_RETURN_TIMESTAMPTZ(DT_NOEND);
	PG_RETURN_TIMESTAMPTZ(pgfirst_kv_timestamp(entry.expiry));
}

/* ---- expiry ------------------------------------------------------------------------------ */

typedef struct ExpireIf
{
	bool nx; /* only if the key has no expiry, */
	bool xx; /* if it has one, */
	bool gt; /* if the new one is later, where none is the latest, */
	bool lt; /* if it is earlier */
} ExpireIf;

static ExpireIf
argument_conditions(FunctionCallInfo fcinfo, int n)
{
	ExpireIf when = {PG_GETARG_BOOL(n), PG_GETARG_BOOL(n + 1), PG_GETARG_BOOL(n + 2),
	                 PG_GETARG_BOOL(n + 3)};

	if (when.nx && (when.xx || when.gt || when.lt))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("nx and xx, gt or lt exclude each other")));
	if (when.gt && when.lt)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("gt and lt exclude each other")));
	return when;
}

/* 0 is never. */
static bool
is_later(int64 one, int64 other)
{
	return other != 0 && (one == 0 || one > other);
}

static bool
expire_applies(ExpireIf when, int64 old, int64 new)
{
	return !(when.nx && old != 0) && !(when.xx && old == 0) && !(when.gt && !is_later(new, old)) &&
	       !(when.lt && !is_later(old, new));
}

/* (key, …, db, nx, xx, gt, lt) */
static Datum
expire(FunctionCallInfo fcinfo, int64 expiry, int64 now_ms)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	ExpireIf when = argument_conditions(fcinfo, 3);
	PgfirstKv *kv = pgfirst_kv_open(PG_GETARG_INT32(2), PGFIRST_KV_WRITE);
	PgfirstKvEntry entry;

	pgfirst_kv_lock(kv, &key, 1, true);
	if (!pgfirst_kv_find(kv, key, now_ms, &entry) || !expire_applies(when, entry.expiry, expiry))
		PG_RETURN_BOOL(false);
	if (expiry != 0 && expiry <= now_ms)
		pgfirst_kv_delete(kv, key);
	else
		pgfirst_kv_expire(kv, key, expiry);
	PG_RETURN_BOOL(true);
}

/*
 * kv.expire(key, ttl, db, nx, xx, gt, lt) -> boolean: whether it was changed; a ttl that is over deletes.  Its name is
 * taken in C, by kv.h.
 */
Datum
pgfirst_kv_expire_in(PG_FUNCTION_ARGS)
{
	int64 now_ms = pgfirst_clock_wall_ms();

	return expire(fcinfo, pgfirst_kv_moment(pgfirst_kv_after(PG_GETARG_DATUM(1), now_ms)), now_ms);
}

/* kv.expireat(key, at, db, nx, xx, gt, lt) -> boolean */
Datum
pgfirst_kv_expireat(PG_FUNCTION_ARGS)
{
	return expire(fcinfo, pgfirst_kv_moment(PG_GETARG_TIMESTAMPTZ(1)), pgfirst_clock_wall_ms());
}

/* kv.persist(key, db) -> boolean: whether it had an expiry. */
Datum
pgfirst_kv_persist(PG_FUNCTION_ARGS)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	PgfirstKv *kv = pgfirst_kv_open(PG_GETARG_INT32(1), PGFIRST_KV_WRITE);
	PgfirstKvEntry entry;

	pgfirst_kv_lock(kv, &key, 1, true);
	if (!pgfirst_kv_find(kv, key, pgfirst_clock_wall_ms(), &entry) || entry.expiry == 0)
		PG_RETURN_BOOL(false);
	pgfirst_kv_expire(kv, key, 0);
	PG_RETURN_BOOL(true);
}

/* ---- elsewhere --------------------------------------------------------------------------- */

/* A collection that is read and not locked. */
typedef struct Unlocked
{
	PgfirstKv *kv;
	RespSlice key;
	int64 now_ms;
	KvEntry entry; /* what it is by now */
	RespSlice dump;
} Unlocked;

static void
read_unlocked(void *context)
{
	Unlocked *source = context;
	KvElements elements;

	if (!kv_key_read(source->kv, source->key, source->now_ms, true, &source->entry))
		source->entry.type = KV_TYPE_NONE;
	else if (source->entry.type == KV_TYPE_STRING)
		source->dump = source->entry.value;
	else if (kv_elements_find_key(source->kv, source->key, source->entry.type, source->now_ms,
	                              &elements))
		source->dump = kv_elements_dump(&elements);
}

/* Copies a key of another database, which is not locked, as of one moment. */
static bool
carry_unlocked(PgfirstKv *from, RespSlice key, PgfirstKv *to, RespSlice to_key, int64 now_ms)
{
	Unlocked source = {.kv = from, .key = key, .now_ms = now_ms};
	PgfirstRecord record;

	pgfirst_kv_read_together(from, KV_SQL_TRIES, read_unlocked, &source);
	if (source.entry.type == KV_TYPE_NONE)
		return false;
	if (source.entry.type == KV_TYPE_STRING)
		kv_key_record(to, to_key, source.dump, source.entry.expiry, &record);
	else
		kv_elements_restore(to, to_key, source.entry.type, source.dump, source.entry.expiry,
		                    &record);
	pgfirst_store_put(to->store, &record);
	if (kv_type_is_waited_for(source.entry.type))
		kv_ready_note(to, to_key);
	return true;
}

/* Gives `to_key` what `key` holds, with its expiry; false if there is no such key. */
static bool
carry(PgfirstKv *from, RespSlice key, PgfirstKv *to, RespSlice to_key, int64 now_ms)
{
	PgfirstKvEntry found;
	KvElements elements;
	KvEntry entry;

	if (!pgfirst_kv_find(from, key, now_ms, &found) ||
	    !kv_key_read(from, key, now_ms, true, &entry))
		return false;
	if (entry.type == KV_TYPE_STRING)
		pgfirst_kv_put(to, to_key, entry.value, entry.expiry);
	else if (kv_elements_find_key(from, key, entry.type, now_ms, &elements))
		kv_elements_copy(&elements, to, to_key);
	return true;
}

/* The same in one database, for which the parts of a collection stay where they are; `key` is no more. */
static void
carry_name(PgfirstKv *kv, RespSlice key, RespSlice to_key, int64 now_ms)
{
	KvElements elements;
	KvEntry entry;

	if (kv_key_read(kv, key, now_ms, false, &entry) && entry.type != KV_TYPE_STRING &&
	    kv_elements_find_key(kv, key, entry.type, now_ms, &elements))
	{
		kv_elements_move(&elements, to_key);
		return;
	}
	(void) carry(kv, key, kv, to_key, now_ms);
	pgfirst_kv_delete(kv, key);
}

/* False if there is a key of the new name and that is not wanted; raises where there is none of the old. */
static bool
rename_key(FunctionCallInfo fcinfo, bool replace)
{
	RespSlice keys[] = {kv_sql_key(fcinfo, 0), kv_sql_key(fcinfo, 1)};
	PgfirstKv *kv = pgfirst_kv_open(PG_GETARG_INT32(2), PGFIRST_KV_WRITE);
	int64 now_ms = pgfirst_clock_wall_ms();
	bool same = kv_sql_same(keys[0], keys[1]);
	PgfirstKvEntry entry;

	pgfirst_kv_lock(kv, keys, same ? 1 : 2, true);
	if (!pgfirst_kv_find(kv, keys[0], now_ms, &entry))
		ereport(
		    ERROR,
		    (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("no such key"),
		     errhint("Only a key that is there can be renamed; kv.exists says whether it is.")));
	if (same || (!replace && pgfirst_kv_find(kv, keys[1], now_ms, &entry)))
		return replace;
	carry_name(kv, keys[0], keys[1], now_ms);
	return true;
}

/* kv.rename(key, newkey, db) */
Datum
pgfirst_kv_rename(PG_FUNCTION_ARGS)
{
	(void) rename_key(fcinfo, true);
	PG_RETURN_VOID();
}

/* kv.renamenx(key, newkey, db) -> boolean: false if there is a key of that name. */
Datum
pgfirst_kv_renamenx(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(rename_key(fcinfo, false));
}

/*
 * kv.copy(source, destination, db, to_db, replace) -> boolean.  Not strict: to_db may be NULL, for the same
 * database.  Of another one that is only read, nothing is locked: what is copied is what is committed.
 */
Datum
pgfirst_kv_copy(PG_FUNCTION_ARGS)
{
	int64 now_ms = pgfirst_clock_wall_ms();
	PgfirstKvEntry entry;
	PgfirstKv *from, *to;
	RespSlice keys[2];
	int db, to_db;

	kv_sql_refuse_nulls(fcinfo, 5, 3, "only to_db may be null in kv.copy", NULL);
	keys[0] = kv_sql_key(fcinfo, 0);
	keys[1] = kv_sql_key(fcinfo, 1);
	db = PG_GETARG_INT32(2);
	to_db = PG_ARGISNULL(3) ? db : PG_GETARG_INT32(3);
	if (db == to_db && kv_sql_same(keys[0], keys[1]))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("source and destination are the same")));
	to = pgfirst_kv_open(to_db, PGFIRST_KV_GROW);
	from = db == to_db ? to : kv_space_open(db, false, true);
	if (from == to)
		pgfirst_kv_lock(to, keys, 2, true);
	else
		pgfirst_kv_lock(to, &keys[1], 1, true);
	if (!PG_GETARG_BOOL(4) && pgfirst_kv_find(to, keys[1], now_ms, &entry))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(from == to ? carry(from, keys[0], to, keys[1], now_ms)
	                          : carry_unlocked(from, keys[0], to, keys[1], now_ms));
}

/* kv.move(key, to_db, db) -> boolean: false if it is not there, or one of its name is in the other database. */
Datum
pgfirst_kv_move(PG_FUNCTION_ARGS)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	int to_db = PG_GETARG_INT32(1);
	int db = PG_GETARG_INT32(2);
	int64 now_ms = pgfirst_clock_wall_ms();
	PgfirstKvEntry entry;
	PgfirstKv *from, *to;

	if (db == to_db)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("source and destination are the same")));
	from = pgfirst_kv_open(db, PGFIRST_KV_WRITE);
	to = kv_space_open(to_db, true, true);
	kv_limit_require(to_db);
	/* In an order that is the same for all. */
	pgfirst_kv_lock(db < to_db ? from : to, &key, 1, true);
	pgfirst_kv_lock(db < to_db ? to : from, &key, 1, true);
	if (pgfirst_kv_find(to, key, now_ms, &entry) || !carry(from, key, to, key, now_ms))
		PG_RETURN_BOOL(false);
	pgfirst_kv_delete(from, key);
	PG_RETURN_BOOL(true);
}
