-- The functions of cache: results, NULLs, errors, transactions, savepoints, privileges.
--
-- Seen to fail: kv_space_flush() that pins the new epoch behind a savepoint too (what is set after ROLLBACK TO is
-- gone); pgfirst_store_drop_changes() that drops without undo (ROLLBACK TO does not bring back); the SQL file
-- with PARALLEL SAFE for cache.get (the store refuses it in a worker); call_begin() that lets readers begin a change
-- (add and touch then answer in a read-only transaction).
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
SHOW pgfirst.cache_database;

-- ---- one entry ------------------------------------------------------------------------------
SELECT cache.get('a') IS NULL AS absent, cache.get_json('a') IS NULL AS json, cache.get_bytes('a') IS NULL AS bytes;
SELECT cache.set('a', 'one');
SELECT cache.get('a'), cache.get_bytes('a');
SELECT kv.get_text('a', db => 1) AS in_database_1, kv.get('a') IS NULL AS not_in_0;
SELECT cache.set('a', 'two', '1 hour'), cache.get('a');
SELECT cache.set('j', jsonb_build_object('name', 'Ada', 'n', 7), ttl => '5 minutes');
SELECT cache.get('j'), cache.get_json('j')->>'name' AS name;
SELECT cache.set('b', '\x00ff0a'::bytea), cache.get_bytes('b');
SELECT cache.set('string', '"quoted"'::jsonb), cache.get('string'), cache.get_json('string') #>> '{}' AS string;
SELECT cache.set('number', to_jsonb(1.50)), cache.get('number'), cache.get_json('number');
SELECT cache.set('null', 'null'::jsonb), cache.get('null'), cache.get_json('null');
SELECT cache.set('', 'the empty key'), cache.get('');
SELECT cache.set('empty', ''), cache.get('empty') = '' AS empty_value, cache.get_bytes('empty');
SELECT cache.set('ünïcode', 'wörld ☃'), cache.get('ünïcode'), cache.get_bytes('ünïcode');
SELECT cache.set('large', repeat('v', 3000000)), length(cache.get('large')), octet_length(cache.get_bytes('large'));

SELECT cache.add('new', 'first'), cache.add('new', 'second'), cache.get('new');
SELECT cache.add('new json', '{"a": 1}'::jsonb, '1 hour'), cache.add('new bytes', '\x01'::bytea), cache.get_bytes('new json'), cache.get_bytes('new bytes');

SELECT cache.touch('new', '1 hour'), cache.touch('absent', '1 hour');
SELECT expires_at BETWEEN now() + '59 minutes' AND now() + '61 minutes' AS in_an_hour FROM cache.entries WHERE key = 'new';
SELECT cache.touch('new', NULL), cache.get('new');
SELECT expires_at FROM cache.entries WHERE key = 'new';
SELECT cache.set('new', 'again', '1 hour');
SELECT cache.set('new', 'without ttl');
SELECT expires_at FROM cache.entries WHERE key = 'new';
SELECT cache.set('new', 'x', '290000 years'), cache.get('new');
SELECT expires_at > 'epoch'::timestamptz + '290000 years' AS in_290000_years FROM cache.entries WHERE key = 'new';
SELECT cache.delete('new'), cache.delete('new') AS twice, cache.get('new') IS NULL AS gone;

-- ---- expiry ---------------------------------------------------------------------------------
SELECT cache.set('soon', 'x', '1 millisecond');
SELECT pg_sleep(0.02);
SELECT cache.get('soon') IS NULL AS expired, cache.touch('soon', '1 hour') AS touched, cache.delete('soon') AS deleted,
	(SELECT count(*) FROM cache.entries WHERE key = 'soon') AS listed, (SELECT count(*) FROM cache.get_many('{soon}')) AS got;
SELECT cache.add('soon', 'again') AS free_again;

-- ---- many -----------------------------------------------------------------------------------
SELECT cache.set_many(ARRAY['m1', 'm2', 'm3'], ARRAY['one', 'two', 'three'], '1 hour');
SELECT * FROM cache.get_many(ARRAY['m3', 'absent', NULL, 'm1', 'm3']);
SELECT * FROM cache.get_many_bytes('{b,m1}');
SELECT cache.set_many('{"m1": {"a": [1, 2]}, "m4": "text", "m5": null, "": 5}', ttl => '1 hour');
SELECT * FROM cache.get_many('{m1,m4,m5,""}');
SELECT cache.set_many('{j1,j2}', ARRAY['{"x":1}', '2']::jsonb[]), cache.set_many('{b1,b2}', ARRAY['\x01', '\x02']::bytea[]);
SELECT cache.get('j1'), cache.get('j2'), cache.get_bytes('b1'), cache.get_bytes('b2');
SELECT cache.set_many('{d,d}'::text[], '{first,last}'::text[]), cache.get('d') AS the_last_counts;
SELECT cache.set_many('{}'::text[], '{}'::text[]) AS none, cache.set_many('{}'::jsonb) AS none_either;
SELECT count(*) FROM cache.get_many('{}');
SELECT count(*) AS expiring FROM cache.entries WHERE key ~ '^m[1-5]$' AND expires_at > now();
SELECT cache.delete_many(ARRAY['m1', 'm2', 'absent', NULL, 'm1']), cache.delete_many('{}');
SELECT * FROM cache.get_many('{m1,m2,m3}');

-- More than one transaction may lock.
SELECT cache.set_many(array_agg('n' || i), array_agg(i::text)) FROM generate_series(1, 3000) i;
SELECT count(*), sum(value::int) FROM cache.get_many((SELECT array_agg('n' || i) FROM generate_series(0, 3001) i));
SELECT cache.delete_many(array_agg('n' || i)) FROM generate_series(0, 3001) i;

-- ---- NULLs ----------------------------------------------------------------------------------
SELECT cache.get(NULL), cache.get_json(NULL), cache.get_bytes(NULL), cache.delete(NULL), cache.delete_many(NULL);
SELECT * FROM cache.get_many(NULL);
\set VERBOSITY default
SELECT cache.set(NULL, 'x');
SELECT cache.set('a', NULL::text);
SELECT cache.add('a', NULL::jsonb);
SELECT cache.touch(NULL, '1 hour');
SELECT cache.set_many(NULL::text[], '{x}'::text[]);
SELECT cache.set_many('{a}'::text[], NULL::text[]);
SELECT cache.set_many(NULL::jsonb);
SELECT cache.set_many('{a,NULL}'::text[], '{x,y}'::text[]);
SELECT cache.set_many('{a,b}'::text[], '{x,NULL}'::text[]);

-- ---- errors ---------------------------------------------------------------------------------
\set SHOW_CONTEXT always
SELECT cache.set('a', 'x', '0');
SELECT cache.add('a', 'x', '-1 hour');
SELECT cache.touch('a', '-1 microsecond');
SELECT cache.set('a', 'x', '300000 years');
SELECT cache.get('b');
SELECT cache.get_json('b');
SELECT cache.set('a', 'no json'), cache.get_json('a');
SELECT cache.set_many('{a,b}'::text[], '{x}'::text[]);
SELECT cache.set_many('[1]'::jsonb);
SELECT cache.get_many('{b}');
SET pgfirst.cache_database = 16;
SET pgfirst.cache_database = 9;
SELECT cache.get('a');
SELECT cache.cleanup();
RESET pgfirst.cache_database;
\set SHOW_CONTEXT never

-- Nothing of what failed is there.
SELECT cache.get('a');

-- ---- read-only, prepared, parallel -------------------------------------------------------------
BEGIN READ ONLY;
SELECT cache.get('a'), (SELECT count(*) > 0 FROM cache.entries) AS listed, (cache.stats()).db;
SAVEPOINT s;
SELECT cache.set('a', 'x');
ROLLBACK TO s;
SELECT cache.add('a', 'x');
ROLLBACK TO s;
SELECT cache.touch('absent', '1 hour');
ROLLBACK TO s;
SELECT cache.delete('absent');
ROLLBACK TO s;
SELECT cache.set_many('{"a": 1}');
ROLLBACK TO s;
SELECT cache.delete_many('{absent}');
ROLLBACK TO s;
SELECT cache.clear();
ROLLBACK TO s;
SELECT cache.cleanup();
ROLLBACK;
SELECT cache.get('a');
BEGIN;
SELECT cache.set('a', 'x');
PREPARE TRANSACTION 'p';
CREATE TABLE parallel_keys AS SELECT 'p' || i AS key FROM generate_series(1, 20000) i;
ANALYZE parallel_keys;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
BEGIN;
SELECT count(cache.set(key, 'x')) FROM parallel_keys WHERE key LIKE 'p1%';
SELECT count(*) AS seen FROM parallel_keys WHERE cache.get(key) = 'x';
ROLLBACK;
RESET min_parallel_table_scan_size;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
SELECT proname, proparallel, provolatile, proisstrict FROM pg_proc WHERE pronamespace = 'cache'::regnamespace
	GROUP BY 1, 2, 3, 4 ORDER BY 1;

-- ---- transactions -----------------------------------------------------------------------------
BEGIN;
SELECT cache.set('r', 'rolled back'), cache.get('r');
ROLLBACK;
SELECT cache.get('r') IS NULL AS rolled_back;
BEGIN;
SELECT cache.set('s', 'kept');
SAVEPOINT one;
SELECT cache.set('s', 'changed'), cache.set('s2', 'new'), cache.delete('a'), cache.touch('m3', NULL);
SELECT * FROM cache.get_many('{a,s,s2}');
ROLLBACK TO one;
SELECT * FROM cache.get_many('{a,s,s2}');
SELECT key, expires_at IS NOT NULL AS expires FROM cache.entries WHERE key IN ('a', 's', 's2', 'm3') ORDER BY key;
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT cache.get('s');
SELECT cache.set('s', 'in repeatable read'), cache.get('s');
COMMIT;
SELECT cache.get('s');

-- ---- clear --------------------------------------------------------------------------------------
BEGIN;
SELECT cache.clear();
SELECT count(*) FROM cache.entries;
SELECT cache.set('after', 'x'), cache.get('after'), cache.get('s') IS NULL AS cleared;
ROLLBACK;
SELECT cache.get('s'), cache.get('after') IS NULL AS not_there;

-- A savepoint takes it back, with what was set before and after it.
BEGIN;
SELECT cache.set('before', '1');
SAVEPOINT one;
SELECT cache.set('between', '2'), cache.set('before', 'changed');
SELECT cache.clear();
SELECT cache.set('after', '3');
SELECT key FROM cache.entries;
ROLLBACK TO one;
SELECT * FROM cache.get_many('{before,between,after,s}');
SELECT cache.set('later', '4');
COMMIT;
SELECT * FROM cache.get_many('{before,between,after,s,later}');
BEGIN;
SAVEPOINT one;
SELECT cache.clear();
ROLLBACK TO one;
SELECT cache.set('later', '5');
COMMIT;
SELECT * FROM cache.get_many('{before,s,later}');

BEGIN;
SAVEPOINT one;
SELECT cache.clear();
SELECT cache.set_many(array_agg('n' || i), array_agg(i::text)) FROM generate_series(1, 1500) i;
ROLLBACK TO one;
SELECT cache.set('later', '6');
COMMIT;
SELECT * FROM cache.get_many('{before,s,later,n1}');

-- Released, it holds, and once more within it.
BEGIN;
SELECT cache.set('gone', '1');
SAVEPOINT one;
SELECT cache.clear();
SELECT cache.set('first', '2');
SAVEPOINT two;
SELECT cache.clear();
SELECT cache.set('second', '3');
ROLLBACK TO two;
SELECT key FROM cache.entries ORDER BY key;
SELECT cache.set('third', '4');
RELEASE one;
SELECT cache.set('fourth', '5');
COMMIT;
SELECT key FROM cache.entries ORDER BY key;
SELECT kv.set('elsewhere', 'x'), cache.clear();
SELECT count(*) FROM cache.entries;
SELECT kv.get_text('elsewhere') AS other_databases_stay;

-- ---- cleanup, stats -----------------------------------------------------------------------------
SET pgfirst.cache_database = 5;
SELECT kv.create_database(5, 'relaxed');
SELECT cache.set_many(array_agg('e' || i), array_agg('x'::text), '1 millisecond') FROM generate_series(1, 2500) i;
SELECT cache.set('stays', 'x', '1 hour'), cache.set('stays too', 'x');
SELECT pg_sleep(0.02);
-- The background sweep has perhaps taken some of them.
SELECT cache.cleanup() <= 2500 AS cleaned_up, cache.cleanup() AS nothing_left;
SELECT * FROM cache.get_many('{stays,e1}');
SELECT records - 2 AS left_on_pages FROM kv.space WHERE db = 5;
SELECT db, durability, entries, expiring, bytes > 0 AS has_file, hits, misses, since < now() AS since FROM cache.stats();
SELECT cache.get('stays'), cache.get('absent');
SELECT hits, misses FROM cache.stats();
SELECT * FROM kv.check(5);
RESET pgfirst.cache_database;

-- ---- privileges -----------------------------------------------------------------------------
CREATE ROLE regress_cache_stranger;
CREATE ROLE regress_cache_user;
GRANT USAGE ON SCHEMA cache TO regress_cache_user;
SET ROLE regress_cache_stranger;
SELECT cache.get('s');
SELECT cache.set('s', 'x');
SELECT * FROM cache.entries;
SET ROLE regress_cache_user;
SELECT cache.set('mine', 'x'), cache.get('mine'), cache.add('mine', 'y'), cache.touch('mine', '1 hour');
SELECT key FROM cache.entries;
SELECT cache.cleanup(), (cache.stats()).entries, cache.delete('mine'), cache.clear();
SET pgfirst.cache_database = 0;
SELECT kv.get('elsewhere');
RESET ROLE;

-- ---- every object says what it is -------------------------------------------------------------
SELECT pg_describe_object(classid, objid, 0) AS without_comment
	FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	WHERE e.extname = 'pgfirst_cache' AND d.deptype = 'e'
	AND classid IN ('pg_class'::regclass, 'pg_proc'::regclass) AND obj_description(objid, classid::regclass::name) IS NULL;

-- ---- gone and back ----------------------------------------------------------------------------
SELECT cache.set('survives', 'x');
DROP EXTENSION pgfirst;
DROP EXTENSION pgfirst_cache;
DROP SCHEMA cache;
CREATE SCHEMA cache;
CREATE TABLE cache.foreign_table ();
CREATE EXTENSION pgfirst_cache;
DROP SCHEMA cache CASCADE;
CREATE EXTENSION pgfirst_cache;
ALTER EXTENSION pgfirst_cache UPDATE;
SELECT cache.get('survives');
DROP ROLE regress_cache_stranger;
DROP OWNED BY regress_cache_user;
DROP ROLE regress_cache_user;
