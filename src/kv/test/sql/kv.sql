-- kv.get, kv.get_text, kv.set, kv.del, kv.keys: results, errors, privileges, transactions.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION pgfirst CASCADE;
RESET client_min_messages;

-- The worker makes databases 0 to 3 on its own.
DO $$
BEGIN
	FOR i IN 1..600 LOOP
		EXIT WHEN (SELECT count(*) = 4 FROM kv.database);
		PERFORM pg_sleep(0.05);
		COMMIT;
	END LOOP;
END
$$;
SELECT number, store, durability FROM kv.database ORDER BY number;

-- ---- results --------------------------------------------------------------------------------
SELECT kv.get('a') IS NULL AS absent, kv.get_text('a') IS NULL AS absent_text;
SELECT kv.set('a', 'one');
SELECT kv.get('a'), kv.get_text('a');
SELECT kv.set('a', 'two', nx => true), kv.get_text('a');
SELECT kv.set('a', 'two', xx => true), kv.get_text('a');
SELECT kv.set('absent', 'x', xx => true), kv.get('absent') IS NULL AS still_absent;
SELECT kv.set('bytes', '\x00ff0a'::bytea), kv.get('bytes');
SELECT kv.set('\x00ff'::bytea, '\x01'::bytea), kv.get('\x00ff'::bytea);
SELECT kv.set('', 'the empty key'), kv.get_text('');
SELECT kv.set('empty', ''), kv.get('empty') = '' AS empty_value;
SELECT kv.set('ünïcode', 'wörld ☃'), kv.get_text('ünïcode');
SELECT kv.set('other', 'in database 2', db => 2), kv.get_text('other', 2), kv.get('other') IS NULL AS not_in_0;
SELECT kv.set('t', 'x', ttl => '1 hour');
SELECT expires_at BETWEEN now() + '59 minutes' AND now() + '61 minutes' AS in_an_hour
	FROM kv.keys WHERE key = 't';
SELECT kv.set('t', 'y', keep_ttl => true), kv.get_text('t');
SELECT expires_at IS NOT NULL AS kept FROM kv.keys WHERE key = 't';
SELECT kv.set('t', 'z');
SELECT expires_at IS NULL AS gone FROM kv.keys WHERE key = 't';
SELECT kv.set('soon', 'x', ttl => '1 millisecond');
SELECT pg_sleep(0.02);
SELECT kv.get('soon') IS NULL AS expired, (SELECT count(*) FROM kv.keys WHERE key = 'soon') AS listed;
SELECT kv.set('soon', 'again', nx => true) AS free_again;
SELECT kv.del('a'), kv.del('a') AS twice, kv.get('a') IS NULL AS gone;
SELECT db, key, key_bytes, type, expires_at, bytes FROM kv.keys ORDER BY db, key_bytes;

-- ---- errors ---------------------------------------------------------------------------------
\set VERBOSITY default
SELECT kv.set('a', NULL::text);
SELECT kv.set('a', 'x', nx => true, xx => true);
SELECT kv.set('a', 'x', ttl => '1 hour', keep_ttl => true);
SELECT kv.set('a', 'x', ttl => '-1 hour');
SELECT kv.set('a', 'x', db => 7);
SELECT kv.get('a', -1);
SELECT kv.get_text('bytes');
SELECT kv.create_database(16);
SELECT kv.create_database(3);
SELECT kv.create_database(5, 'sometimes');
\set VERBOSITY terse
BEGIN READ ONLY;
SELECT kv.set('a', 'x');
ROLLBACK;
BEGIN;
SELECT kv.set('a', 'x');
PREPARE TRANSACTION 'p';

-- ---- transactions ---------------------------------------------------------------------------
BEGIN;
SELECT kv.set('r', 'rolled back'), kv.get_text('r');
ROLLBACK;
SELECT kv.get('r') IS NULL AS rolled_back;

BEGIN;
SELECT kv.set('s', 'kept');
SAVEPOINT one;
SELECT kv.set('s', 'changed'), kv.set('s2', 'new'), kv.del('other', 2);
SAVEPOINT two;
SELECT kv.set('s', 'changed again');
RELEASE two;
SELECT kv.get_text('s');
ROLLBACK TO one;
SELECT kv.get_text('s'), kv.get('s2') IS NULL AS gone, kv.get_text('other', 2);
COMMIT;
SELECT kv.get_text('s'), kv.get('s2') IS NULL AS gone, kv.get_text('other', 2);

DO $$
BEGIN
	PERFORM kv.set('block', 'outer');
	BEGIN
		PERFORM kv.set('block', 'inner');
		RAISE EXCEPTION 'oops';
	EXCEPTION WHEN raise_exception THEN
		RAISE NOTICE 'in the handler: %', kv.get_text('block');
	END;
END
$$;
SELECT kv.get_text('block');

BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT kv.get_text('s');
SELECT kv.set('s', 'in repeatable read'), kv.get_text('s');
COMMIT;
SELECT kv.get_text('s');

-- ---- durability -----------------------------------------------------------------------------
SELECT kv.create_database(4, 'relaxed');
SELECT kv.create_database(5, 'volatile');
SELECT d.number, d.durability, c.relpersistence FROM kv.database d JOIN pg_class c ON c.oid = d.store
	WHERE number >= 4 ORDER BY 1;
SELECT kv.set('k', 'v4', db => 4), kv.set('k', 'v5', db => 5);
SELECT db, key, bytes FROM kv.keys WHERE db >= 4 ORDER BY db;

-- ---- large ----------------------------------------------------------------------------------
SELECT kv.set(repeat('k', 100000), repeat('v', 3000000));
SELECT length(kv.get_text(repeat('k', 100000)));
SELECT length(key), bytes FROM kv.keys WHERE bytes > 1000000;
SELECT kv.del(repeat('k', 100000));
SELECT count(kv.set('n' || i, i::text)) FROM generate_series(1, 5000) i;
SELECT count(*), sum(kv.get_text(key)::int) FROM kv.keys WHERE key LIKE 'n%' AND key ~ '^n\d+$';
SELECT count(*) FILTER (WHERE kv.del('n' || i)) FROM generate_series(1, 5000) i;

-- ---- privileges -----------------------------------------------------------------------------
CREATE ROLE regress_kv_stranger;
CREATE ROLE regress_kv_user;
GRANT USAGE ON SCHEMA kv TO regress_kv_user;
SET ROLE regress_kv_stranger;
SELECT kv.get('s');
SET ROLE regress_kv_user;
SELECT kv.get_text('s'), kv.set('mine', 'x'), (SELECT count(*) > 0 FROM kv.keys) AS keys;
SELECT kv.create_database(6);
SELECT kv.create_store('kv', 'x', true);
SELECT * FROM kv.check();
SELECT * FROM kv.space;
SELECT * FROM kv.identity;
SELECT * FROM kv.database;
SELECT * FROM kv.database_0;
INSERT INTO kv.database_0 VALUES (0, 'mine', 1, 1, 'string', NULL, 'x');
RESET ROLE;

-- ---- upkeep -----------------------------------------------------------------------------------
SELECT * FROM kv.check();
SELECT * FROM kv.check(2, wait => true);
SELECT * FROM kv.check(db => 9);
SELECT db, blocks > 0 AS has_blocks, bytes = 8192 * blocks AS whole, records > 0 AS has_records, depth > 0 AS has_root,
	bytes = live_bytes + free_bytes + garbage_bytes + overhead_bytes AS accounted FROM kv.space ORDER BY db;

-- ---- every object says what it is -------------------------------------------------------------
SELECT pg_describe_object(classid, objid, 0) AS without_comment
	FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	WHERE e.extname LIKE 'pgfirst%' AND d.deptype = 'e'
	AND classid IN ('pg_class'::regclass, 'pg_proc'::regclass) AND obj_description(objid, classid::regclass::name) IS NULL;

-- ---- gone and back ----------------------------------------------------------------------------
DROP EXTENSION pgfirst_kv CASCADE;
DROP SCHEMA kv CASCADE;
CREATE SCHEMA kv;
CREATE TABLE kv.foreign_table ();
CREATE EXTENSION pgfirst_kv CASCADE;
DROP SCHEMA kv CASCADE;
DROP ROLE regress_kv_stranger, regress_kv_user;
