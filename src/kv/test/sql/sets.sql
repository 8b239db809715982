-- The functions that are named as commands on sets, and the view: results, errors, transactions. How they meet Redis
-- clients stands in test/t/072_sql_collections.pl.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION pgfirst CASCADE;
RESET client_min_messages;
DO $$
BEGIN
	FOR i IN 1..600 LOOP
		EXIT WHEN (SELECT count(*) = 4 FROM kv.database);
		PERFORM pg_sleep(0.05);
		COMMIT;
	END LOOP;
END
$$;

CREATE FUNCTION shown(key text, db integer DEFAULT 0) RETURNS text LANGUAGE sql VOLATILE
	AS $$SELECT string_agg(convert_from(m, 'UTF8'), ' ' ORDER BY m) FROM kv.smembers(key, db) m$$;

-- ---- changing ---------------------------------------------------------------------------------
SELECT kv.sadd('s', 'a'), kv.sadd('s', 'a') AS again, kv.sadd('s', ARRAY['b', 'c', 'b', 'a']), kv.sadd('s'::bytea, '\x64'::bytea), kv.sadd('s'::bytea, ARRAY['e', 'f']::bytea[]),
	kv.sadd('s', '{}'::text[]) AS nothing, kv.sadd('s', '') AS empty, shown('s');
SELECT kv.srem('s', 'a'), kv.srem('s', 'a') AS again, kv.srem('s', ARRAY['b', 'none', 'b']), kv.srem('s'::bytea, ''::bytea), kv.srem('s'::bytea, ARRAY['e']::bytea[]), kv.srem('none', 'a') AS none, shown('s');
SELECT kv.smove('s', 't', 'c'), kv.smove('s', 't', 'c') AS again, kv.smove('s'::bytea, 's'::bytea, 'd'::bytea) AS same, kv.smove('none', 't', 'c') AS none, shown('s'), shown('t');
SELECT kv.smove('s', 't', 'd'), kv.smove('s', 't', 'f'), kv.exists('s') AS the_last_takes_the_key_with_it, shown('t');
SELECT kv.sadd('s', 'a', 2), kv.sadd('s', 'b', db => 2), shown('s', 2), kv.exists('s');

-- ---- by chance --------------------------------------------------------------------------------
SELECT kv.sadd('chance', array_agg(i::text)) FROM generate_series(1, 20) i;
SELECT count(DISTINCT m) FROM kv.srandmember('chance', count => 7) m;
SELECT count(DISTINCT m) FROM kv.srandmember('chance', count => 100) m;
SELECT count(*), bool_and(kv.sismember('chance'::bytea, m)) FROM kv.srandmember('chance'::bytea, count => -100) m;
SELECT count(*) FROM kv.srandmember('chance');
SELECT count(*) FROM kv.srandmember('none', count => -5);
SELECT count(DISTINCT kv.spop('chance')) FROM generate_series(1, 15);
SELECT kv.scard('chance'), count(kv.spop('chance'::bytea)) FROM generate_series(1, 10);
SELECT kv.exists('chance'), kv.spop('chance') IS NULL AS nothing;

-- ---- reading ----------------------------------------------------------------------------------
SELECT kv.sismember('t', 'c'), kv.sismember('t'::bytea, 'c'::bytea), kv.sismember('t', 'none'), kv.sismember('none', 'c'), kv.scard('t'), kv.scard('t'::bytea), kv.scard('none');
SELECT kv.smismember('t', ARRAY['c', 'none', NULL, 'd']), kv.smismember('t'::bytea, ARRAY['c']::bytea[]), kv.smismember('none', ARRAY['c']), kv.smismember('t', '{}'::text[]);
SELECT * FROM kv.smembers('t') ORDER BY 1;
SELECT count(*) FROM kv.smembers('none');
SELECT count(*) FROM kv.smembers('t'::bytea);
SELECT kv.sadd('a', ARRAY['1', '2', '3']), kv.sadd('b', ARRAY['2', '3', '4']), kv.sadd('c', ARRAY['3', '5']);
SELECT string_agg(convert_from(m, 'UTF8'), ' ' ORDER BY m) FROM kv.sinter(ARRAY['a', 'b']) m;
SELECT string_agg(convert_from(m, 'UTF8'), ' ' ORDER BY m) FROM kv.sinter(ARRAY['a', 'b', 'c']::bytea[]) m;
SELECT string_agg(convert_from(m, 'UTF8'), ' ' ORDER BY m) FROM kv.sunion(ARRAY['a', 'none', 'b', 'c', 'a']) m;
SELECT string_agg(convert_from(m, 'UTF8'), ' ' ORDER BY m) FROM kv.sunion(ARRAY['a']::bytea[]) m;
SELECT string_agg(convert_from(m, 'UTF8'), ' ' ORDER BY m) FROM kv.sdiff(ARRAY['a', 'c', 'none']) m;
SELECT string_agg(convert_from(m, 'UTF8'), ' ' ORDER BY m) FROM kv.sdiff(ARRAY['b', 'a']::bytea[]) m;
SELECT (SELECT count(*) FROM kv.sinter(ARRAY['a', 'none'])), (SELECT count(*) FROM kv.sinter('{}'::text[])), (SELECT count(*) FROM kv.sdiff(ARRAY['none', 'a'])), (SELECT count(*) FROM kv.sunion(ARRAY['a'], 2));

-- ---- large ones -------------------------------------------------------------------------------
SELECT kv.sadd('large', array_agg('member ' || i)) FROM generate_series(1, 3000) i;
SELECT kv.scard('large'), kv.sismember('large', 'member 2999'), kv.srem('large', 'member 5'), count(DISTINCT m) FROM kv.smembers('large') m;
SELECT count(DISTINCT m) FROM kv.srandmember('large', count => 100) m;
SELECT count(DISTINCT m) FROM kv.srandmember('large', count => 2500) m;
SELECT count(DISTINCT kv.spop('large')) FROM generate_series(1, 500);
SELECT kv.copy('large', 'copied'), kv.copy('large', 'copied', to_db => 1), kv.rename('large', 'renamed'), kv.scard('copied'), kv.scard('copied', 1), kv.scard('renamed'), kv.scard('large');
SELECT (SELECT count(*) FROM kv.sinter(ARRAY['copied', 'renamed'])), (SELECT count(*) FROM kv.sdiff(ARRAY['copied', 'renamed'])), (SELECT count(*) FROM kv.sunion(ARRAY['copied', 'a', 'renamed']));

-- ---- the view ---------------------------------------------------------------------------------
SELECT kv.sadd('\xff'::bytea, '\x61'::bytea, db => 3), kv.sadd('text', ARRAY['ünï', 'b'], db => 3), kv.sadd('text'::bytea, '\xfe'::bytea, db => 3);
SELECT * FROM kv.set_members WHERE db = 3 ORDER BY key_bytes, member_bytes;
SELECT db, key, count(*) FROM kv.set_members GROUP BY 1, 2 ORDER BY 1, 2;

-- ---- transactions -----------------------------------------------------------------------------
BEGIN;
SELECT kv.sadd('x', '1'), kv.srem('a', '1');
SAVEPOINT one;
SELECT kv.smove('x', 'a', '1'), shown('a'), kv.exists('x');
ROLLBACK TO one;
SELECT shown('x'), shown('a'), (SELECT count(*) FROM kv.set_members WHERE key = 'x');
ROLLBACK;
SELECT shown('x') IS NULL AS nothing, shown('a');
BEGIN;
SELECT kv.sadd('x', '1'), kv.srem('a', '1');
COMMIT;
SELECT shown('x'), shown('a');

-- ---- errors -----------------------------------------------------------------------------------
\set VERBOSITY default
SELECT kv.rpush('list', 'x');
SELECT kv.sadd('list', 'a');
SELECT kv.srem('list', 'a');
SELECT kv.spop('list');
SELECT kv.smembers('list');
SELECT kv.smove('list', 'a', 'x');
SELECT kv.smove('a', 'list', '2');
SELECT * FROM kv.sinter(ARRAY['none', 'list']);
SELECT * FROM kv.sunion(ARRAY['a', NULL]);
SELECT kv.sadd('a', ARRAY['x', NULL]);
SELECT kv.srandmember('a', count => -9223372036854775808);
SELECT kv.zadd('a', 'x', 1);
\set VERBOSITY sqlstate
SELECT kv.sadd('list', 'a');
SELECT kv.sadd('a', ARRAY['x', NULL]);
\set VERBOSITY terse
SELECT shown('a');

-- ---- who may only read, and where nothing can be changed ---------------------------------------
CREATE ROLE regress_kv_sets;
GRANT USAGE ON SCHEMA kv TO regress_kv_sets;
SELECT kv.revoke('public', NULL), kv.grant('regress_kv_sets', 0, 'read');
SET ROLE regress_kv_sets;
SELECT kv.scard('a');
SELECT kv.spop('a');
SELECT DISTINCT db FROM kv.set_members;
RESET ROLE;
BEGIN READ ONLY;
SELECT kv.scard('a');
SELECT kv.spop('a');
ROLLBACK;
DROP FUNCTION shown(text, integer);

SELECT * FROM kv.check();
DROP EXTENSION pgfirst_kv CASCADE;
DROP SCHEMA kv CASCADE;
DROP ROLE regress_kv_sets;
