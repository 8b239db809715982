-- SPDX-License-Identifier: PostgreSQL
-- Thin: one function for each function of store.h. A record is told as 'kind,expiry,length,sum',
-- where sum is the FNV-1a of the first `bytes` bytes of its data.

CREATE FUNCTION make(name text, logged boolean) RETURNS oid
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_make';
CREATE FUNCTION open(store regclass, for_write boolean, wait boolean) RETURNS boolean
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_open';
CREATE FUNCTION lock(store regclass, id uuid, conditional boolean DEFAULT true,
	wait boolean DEFAULT false) RETURNS boolean
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_lock';
CREATE FUNCTION holder(store regclass, id uuid) RETURNS integer
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_holder';
-- reset: begin a new command first.
CREATE FUNCTION get(store regclass, id uuid, bytes bigint DEFAULT -1, reset boolean DEFAULT true)
	RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_get';
CREATE FUNCTION put(store regclass, id uuid, kind integer, expiry bigint, seed bigint,
	length bigint) RETURNS boolean LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_put';
CREATE FUNCTION expire(store regclass, id uuid, expiry bigint) RETURNS boolean
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_expire';
CREATE FUNCTION del(store regclass, id uuid) RETURNS boolean
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_delete';
-- With places: a walk over parts that goes on, after each record, at the next of them that is behind it.
CREATE FUNCTION walk(store regclass, first uuid DEFAULT NULL, bytes bigint DEFAULT -1,
	places uuid[] DEFAULT NULL, OUT id uuid, OUT record text) RETURNS SETOF record
	LANGUAGE c AS 'MODULE_PATHNAME', 'test_walk';
-- The id, a space, and the record.
CREATE FUNCTION sample(store regclass, first uuid) RETURNS text
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_sample';
CREATE FUNCTION incarnation(store regclass) RETURNS bigint
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_incarnation';
-- Kind 77 is garbage.
CREATE FUNCTION sweep(store regclass, cursor uuid, max_records bigint, now_ms bigint,
	OUT seen bigint, OUT deleted bigint, OUT wrapped boolean, OUT next uuid,
	OUT garbage bigint)
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_sweep';
-- Clears the whole store away; how many pages were merged.
CREATE FUNCTION tidy(store regclass) RETURNS bigint LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_tidy';
-- What is wrong with the store.
CREATE FUNCTION "check"(store regclass) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_check';
-- How many records there were, the sum of their expiries, how often at_rest was called.
CREATE FUNCTION census(store regclass, wait boolean, OUT records bigint, OUT expiries bigint,
	OUT at_rest integer) LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_census';
CREATE FUNCTION changed() RETURNS boolean LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_changed';
CREATE FUNCTION room(bytes bigint) RETURNS boolean
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_room';
-- PGFIRST_POSITION_OWN is FFFFFFFF/FFFFFFFF.
CREATE FUNCTION read_position() RETURNS pg_lsn LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_position';
CREATE FUNCTION reset() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_reset';
-- Watches this session's changes (false: stops) and tells what it has seen since it was asked last.
CREATE FUNCTION observe(watch boolean) RETURNS void
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_observe';
CREATE FUNCTION observed() RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_observed';

-- One record with its expiry counted up; the lock is waited for.
CREATE FUNCTION count_up(store regclass, id uuid) RETURNS bigint
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_count_up';
-- Puts a record whose expiry is the end of WAL right now.
CREATE FUNCTION put_position(store regclass, id uuid) RETURNS void
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_put_position';
-- Reads such records until it finds one newer than its position; true if all were in order.
CREATE FUNCTION check_positions(store regclass, id uuid, rounds integer, walk boolean)
	RETURNS boolean LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_check_positions';

-- What pgfirst_store_watch.c does at a point of the store's code, if it is preloaded: after so many
-- passes, so many times (-1: for ever), in processes whose backend_type begins with `who`.
CREATE FUNCTION arm(action text, point text DEFAULT '', passes bigint DEFAULT 0,
	times bigint DEFAULT 1, who text DEFAULT '') RETURNS void
	LANGUAGE c STRICT AS '$libdir/pgfirst_store_watch', 'watch_arm';
-- Puts so many pages into a WAL record, and forgets it.
CREATE FUNCTION record(pages integer) RETURNS integer
	LANGUAGE c STRICT AS '$libdir/pgfirst_store_watch', 'watch_record';
-- Goes so many transaction ids ahead.
CREATE FUNCTION skip_ids(ids bigint) RETURNS void
	LANGUAGE c STRICT AS '$libdir/pgfirst_store_watch', 'watch_skip_ids';
CREATE FUNCTION held() RETURNS integer
	LANGUAGE c STRICT AS '$libdir/pgfirst_store_watch', 'watch_holder';
CREATE FUNCTION passed(OUT point text, OUT passed bigint) RETURNS SETOF record
	LANGUAGE c STRICT AS '$libdir/pgfirst_store_watch', 'watch_passed';

-- The next time that this session comes to the point, which must lie outside of all page locks, it waits
-- until the advisory lock is free.
CREATE FUNCTION stop_at(point text, lock bigint) RETURNS void
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'test_stop_at';
