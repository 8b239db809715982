-- kv.create_database, kv.configure, kv.drop_database, kv.swap_databases, kv.databases: results, errors, privileges.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION pgfirst CASCADE;
RESET client_min_messages;

-- Upkeep makes databases 0 to 3 on its own, and counts keys where a table has been written anew.
CREATE PROCEDURE wait_until_counted() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..600 LOOP
		EXIT WHEN (SELECT count(keys) = count(*) AND count(*) >= 4 FROM kv.databases);
		PERFORM pg_sleep(0.05);
		COMMIT;
	END LOOP;
END
$$;
CALL wait_until_counted();
SELECT * FROM kv.databases ORDER BY db;

-- ---- configure ------------------------------------------------------------------------------
SELECT kv.set('a', 'of 1', db => 1), kv.set('t', 'soon gone', ttl => '1 hour', db => 1);
SELECT keys, expiring_keys, bytes > 0 AS has_bytes, file_bytes > 0 AS has_file FROM kv.databases WHERE db = 1;
SELECT kv.configure(1, 'relaxed');
SELECT kv.configure(1, max_size => '256MB', eviction => 'allkeys-lfu');
SELECT durability, max_size, eviction FROM kv.databases WHERE db = 1;
SELECT kv.configure(1, max_size => 1000000);
SELECT kv.configure(1, 2000000, eviction => 'volatile-ttl');
SELECT durability, max_size, eviction FROM kv.databases WHERE db = 1;
SELECT kv.configure(1);
SELECT kv.configure(1, durability => NULL, max_size => NULL, eviction => NULL);
SELECT durability, max_size, eviction FROM kv.databases WHERE db = 1;
SELECT kv.configure(1, 'volatile', '0', 'noeviction');
SELECT durability, max_size, eviction FROM kv.databases WHERE db = 1;
SELECT relpersistence FROM pg_class WHERE oid = 'kv.database_1'::regclass;
SELECT kv.get_text('a', 1);
BEGIN;
SELECT kv.configure(1, 'durable');
SELECT kv.get_text('a', 1);
ROLLBACK;
SELECT durability, relpersistence FROM kv.databases, pg_class WHERE db = 1 AND oid = 'kv.database_1'::regclass;
SELECT kv.configure(1, 'durable');
SELECT durability, relpersistence FROM kv.databases, pg_class WHERE db = 1 AND oid = 'kv.database_1'::regclass;
SELECT key, expires_at IS NOT NULL AS expires FROM kv.keys WHERE db = 1 ORDER BY key;

-- ---- a limit --------------------------------------------------------------------------------
CALL wait_until_counted();
SELECT kv.configure(1, max_size => 1);
SELECT kv.set('b', 'x', db => 1);
SELECT kv.set('b', 'x', db => 0);
SELECT kv.get_text('a', 1), kv.del('a', 1), kv.del('t', 1);
SELECT kv.set('b', 'x', db => 1);
SELECT kv.set('c', 'x', db => 1);
SELECT kv.set('b', 'y', db => 1), 'what makes it no larger is refused as well' AS note;
SELECT kv.del('b', 1), kv.del('b', 0);
SELECT kv.configure(1, max_size => 0);

-- ---- swap -----------------------------------------------------------------------------------
SELECT kv.configure(2, 'relaxed', '1GB', 'allkeys-lru');
SELECT kv.set('s', 'of 1', db => 1), kv.set('s', 'of 2', db => 2);
SELECT kv.swap_databases(1, 2);
SELECT kv.get_text('s', 1) AS of_1, kv.get_text('s', 2) AS of_2;
SELECT db, durability, max_size, eviction, keys FROM kv.databases ORDER BY db;
BEGIN;
SELECT kv.set('u', 'uncommitted', db => 1);
SELECT kv.swap_databases(1, 2);
SELECT kv.get_text('u', 1) AS of_1, kv.get_text('u', 2) AS of_2;
SELECT kv.swap_databases(2, 1);
SELECT kv.get_text('u', 1) AS of_1, kv.get_text('u', 2) AS of_2;
SELECT kv.swap_databases(1, 2);
ROLLBACK;
SELECT kv.get_text('s', 1) AS of_1, kv.get_text('s', 2) AS of_2, kv.get_text('u', 1) AS rolled_back;
SELECT kv.swap_databases(1, 1);
SELECT kv.swap_databases(1, 2);
SELECT kv.swap_databases(1, NULL) IS NULL AS nothing;

-- ---- drop -----------------------------------------------------------------------------------
SELECT kv.create_database(7, 'volatile');
SELECT kv.set('k', 'v', db => 7);
SELECT durability FROM kv.databases WHERE db = 7;
SELECT kv.drop_database(7);
SELECT kv.get('k', 7);
SELECT kv.create_database(7);
SELECT kv.get('k', 7) IS NULL AS empty;
SELECT kv.drop_database(7);
-- Numbers say nothing of the names of tables: where databases were exchanged, the name may be taken.
SELECT kv.create_database(7);
SELECT kv.swap_databases(3, 7);
SELECT kv.drop_database(7);
SELECT kv.create_database(7);
SELECT kv.set('k', 'v', db => 7), kv.get_text('k', 3) IS NULL AS not_there;
SELECT kv.swap_databases(3, 7);
SELECT kv.drop_database(3);
SELECT kv.create_database(3);
SELECT count(*) FROM kv.databases;

-- ---- errors ---------------------------------------------------------------------------------
\set VERBOSITY default
SELECT kv.configure(9, 'durable');
SELECT kv.configure(NULL, 'durable');
SELECT kv.configure(0, 'for ever');
SELECT kv.configure(0, eviction => 'whatever');
SELECT kv.configure(0, max_size => -1);
SELECT kv.configure(0, max_size => 'much');
SELECT kv.drop_database(9);
SELECT kv.drop_database(NULL);
SELECT kv.swap_databases(0, 9);
SELECT kv.swap_databases(-1, 0);
BEGIN READ ONLY;
SELECT kv.swap_databases(0, 1);
ROLLBACK;
BEGIN READ ONLY;
SELECT kv.configure(0, 'relaxed');
ROLLBACK;
BEGIN;
SELECT kv.set('x', 'y', db => 1);
SELECT kv.configure(1, 'volatile');
ROLLBACK;
BEGIN;
SELECT kv.set('x', 'y', db => 1);
SELECT kv.drop_database(1);
ROLLBACK;
BEGIN;
SELECT kv.get('x', db => 1);
SELECT kv.drop_database(1);
ROLLBACK;
SELECT kv.configure(1, max_size => 1);
CALL wait_until_counted();
SELECT kv.set('a', 'b', db => 1);
\set VERBOSITY terse
SELECT kv.configure(1, max_size => 0);

-- ---- privileges -----------------------------------------------------------------------------
CREATE ROLE regress_kv_databases;
GRANT USAGE ON SCHEMA kv TO regress_kv_databases;
SET ROLE regress_kv_databases;
SELECT db, durability FROM kv.databases ORDER BY db;
SELECT kv.configure(0, 'relaxed');
SELECT kv.configure(0, max_size => 100);
SELECT kv.drop_database(0);
SELECT kv.swap_databases(0, 1);
RESET ROLE;

-- ---- every object says what it is -------------------------------------------------------------
SELECT pg_describe_object(classid, objid, 0) AS without_comment
	FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	WHERE e.extname LIKE 'pgfirst%' AND d.deptype = 'e'
	AND classid IN ('pg_class'::regclass, 'pg_proc'::regclass) AND obj_description(objid, classid::regclass::name) IS NULL;

SELECT * FROM kv.check();
DROP EXTENSION pgfirst_kv CASCADE;
DROP SCHEMA kv CASCADE;
DROP ROLE regress_kv_databases;
DROP PROCEDURE wait_until_counted();
