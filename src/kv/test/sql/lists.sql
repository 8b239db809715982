-- The functions that are named as commands on lists, and the view: results, errors, transactions. How they meet Redis
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
	AS $$SELECT string_agg(convert_from(e, 'UTF8'), ' ') FROM kv.lrange(key, 0, -1, db) e$$;

-- ---- ends -------------------------------------------------------------------------------------
SELECT kv.rpush('l', 'b'), kv.lpush('l', 'a'), kv.rpush('l', ARRAY['c', 'd']), kv.lpush('l', ARRAY['z', 'y']), shown('l');
SELECT kv.rpush('l', '\x65'::bytea), kv.rpush('l'::bytea, '\x66'::bytea), kv.rpush('l', ARRAY['g']::bytea[]), kv.lpush('l'::bytea, ARRAY['x']::bytea[]),
	kv.lpush('l', '\x77'::bytea), kv.lpush('l'::bytea, 'v'::bytea), kv.lpush('l', ARRAY['u']::bytea[]), kv.rpush('l'::bytea, ARRAY['h', 'i']::bytea[]), shown('l');
SELECT kv.rpushx('l', 'j'), kv.lpushx('l', ARRAY['t', 's']), kv.rpushx('none', 'x'), kv.lpushx('none', ARRAY['x']), kv.exists('none'), kv.rpush('l', '{}'::text[]) AS same, shown('l');
SELECT kv.rpushx('l', '\x6b'::bytea), kv.lpushx('l'::bytea, ARRAY['r']::bytea[]), kv.rpush('none', '{}'::text[]) AS nothing, kv.exists('none');
SELECT kv.lpop('l'), kv.rpop('l'), kv.lpop('l'::bytea), kv.rpop('l'::bytea), kv.lpop('none') IS NULL AS none, shown('l');
SELECT convert_from(key, 'UTF8') AS key, convert_from(element, 'UTF8') AS element FROM kv.lmpop(ARRAY['none', 'l', 'other'], 'RIGHT', count => 3);
SELECT * FROM kv.lmpop(ARRAY['l', 'l']::bytea[], 'left');
SELECT * FROM kv.lmpop(ARRAY['none', 'nothing'], 'left', count => 3);
SELECT * FROM kv.lmpop(ARRAY['l'], 'left', count => 0);
SELECT * FROM kv.lmpop('{}'::text[], 'left');
SELECT kv.rpush('two', ARRAY['1', '2', '3'], 2), kv.lpop('two', 2), kv.rpop('two', db => 2), shown('two', 2);
SELECT * FROM kv.lmpop(ARRAY['two'], 'LEFT', 2, 9);
SELECT kv.lmove('l', 'm', 'LEFT', 'RIGHT'), kv.lmove('l', 'm', 'right', 'left'), shown('m'), kv.lmove('m', 'm', 'LEFT', 'RIGHT'), shown('m'),
	kv.lmove('m'::bytea, 'l'::bytea, 'LEFT', 'LEFT'), kv.lmove('none', 'l', 'LEFT', 'LEFT') IS NULL AS none, shown('m');

-- ---- in between -------------------------------------------------------------------------------
SELECT kv.del('l'), kv.rpush('l', ARRAY['a', 'b', 'a', 'c', 'a', 'b']), kv.lset('l', 1, 'B'), kv.lset('l', -1, '\x5a'::bytea), kv.lset('l'::bytea, 3, 'C'::bytea), shown('l');
SELECT kv.linsert('l', 'BEFORE', 'B', 'x'), kv.linsert('l', 'after', 'a', 'y'), kv.linsert('l', 'BEFORE', '\x5a'::bytea, 'w'::bytea),
	kv.linsert('l'::bytea, 'AFTER', 'Z'::bytea, '!'::bytea), kv.linsert('l', 'AFTER', 'none', 'y'), kv.linsert('none', 'AFTER', 'a', 'y'), shown('l');
SELECT kv.lrem('l', 1, 'a'), shown('l'), kv.lrem('l', -1, 'a'), shown('l'), kv.lrem('l', 0, '\x78'::bytea), kv.lrem('l'::bytea, 5, 'y'::bytea), kv.lrem('l', 0, 'none'), kv.lrem('none', 0, 'a'), shown('l');
SELECT kv.ltrim('l', 1, -2), shown('l'), kv.ltrim('l'::bytea, -2, 100), shown('l'), kv.ltrim('none', 0, 1), kv.ltrim('l', 5, 3), kv.exists('l');

-- ---- reading ----------------------------------------------------------------------------------
SELECT kv.rpush('r', ARRAY['a', 'b', 'c', 'd']), kv.llen('r'), kv.llen('r'::bytea), kv.llen('none'), kv.lindex('r', 0), kv.lindex('r'::bytea, -1), kv.lindex('r', 4) IS NULL AS behind, kv.lindex('none', 0) IS NULL AS none;
SELECT * FROM kv.lrange('r', 1, -2);
SELECT * FROM kv.lrange('r'::bytea, -100, 0);
SELECT * FROM kv.lrange('r', 2, 100) WITH ORDINALITY;
SELECT * FROM kv.lrange('r', 3, 2);
SELECT * FROM kv.lrange('none', 0, -1);

-- ---- large ones -------------------------------------------------------------------------------
SELECT kv.rpush('large', array_agg(i || repeat('x', i % 50) ORDER BY i)) FROM generate_series(1, 3000) i;
SELECT convert_from(kv.lindex('large', 1999), 'UTF8') LIKE '2000%' AS there, kv.linsert('large', 'BEFORE', '2000', 'new'), convert_from(kv.lindex('large', 1999), 'UTF8'), kv.lrem('large', 0, 'new');
SELECT count(*), min(length(e)), max(length(e)) FROM kv.lrange('large', 100, 2899) e;
SELECT type, bytes > 50000 AS large FROM kv.keys WHERE key = 'large';
SELECT kv.copy('large', 'copied'), kv.copy('large', 'copied', to_db => 1), kv.rename('large', 'renamed'), kv.llen('copied'), kv.llen('copied', 1), kv.llen('renamed'), kv.llen('large');
SELECT kv.ltrim('copied', 10, 12), shown('copied'), kv.ltrim('renamed', 0, 2995), kv.llen('renamed'), kv.expire('renamed', '1 hour'), kv.rpush('renamed', 'x'), kv.ttl('renamed') IS NOT NULL AS keeps_its_expiry;
SELECT count(*) FROM kv.lmpop(ARRAY['renamed'], 'LEFT', count => 2990);
SELECT kv.llen('renamed'), count(kv.lpop('renamed')) FROM generate_series(1, 10);
SELECT kv.exists('renamed') AS the_last_takes_the_key_with_it;

-- ---- the view ---------------------------------------------------------------------------------
SELECT kv.rpush('\xff'::bytea, 'v'::bytea, db => 3), kv.rpush('text', ARRAY['ünï', 'b'], db => 3), kv.rpush('text', '\xfe'::bytea, db => 3);
SELECT * FROM kv.list_items WHERE db = 3 ORDER BY key_bytes, position;
SELECT db, key, count(*) FROM kv.list_items GROUP BY 1, 2 ORDER BY 1, 2;

-- ---- transactions -----------------------------------------------------------------------------
BEGIN;
SELECT kv.rpush('t', ARRAY['1', '2']), kv.lpop('r');
SAVEPOINT one;
SELECT kv.lpop('t'), kv.lmove('t', 'r', 'LEFT', 'LEFT'), shown('r'), kv.exists('t');
ROLLBACK TO one;
SELECT shown('t'), shown('r'), (SELECT count(*) FROM kv.list_items WHERE key = 't');
ROLLBACK;
SELECT shown('t') IS NULL AS nothing, shown('r');
BEGIN;
SELECT kv.rpush('t', ARRAY['1', '2']), kv.lpop('r');
COMMIT;
SELECT shown('t'), shown('r');

-- ---- errors -----------------------------------------------------------------------------------
\set VERBOSITY default
SELECT kv.set('string', 'x');
SELECT kv.rpush('string', 'a');
SELECT kv.lpop('string');
SELECT * FROM kv.lrange('string', 0, -1);
SELECT kv.llen('string');
SELECT kv.lindex('string', 0);
SELECT kv.lmove('string', 'r', 'LEFT', 'LEFT');
SELECT kv.lmove('r', 'string', 'LEFT', 'LEFT');
SELECT kv.lmove('r', 'r', 'LEFT', 'UP');
SELECT * FROM kv.lmpop(ARRAY['none', 'string', 'r'], 'LEFT');
SELECT * FROM kv.lmpop(ARRAY['r'], 'LEFT', count => -1);
SELECT kv.linsert('r', 'BESIDE', 'a', 'b');
SELECT kv.lset('none', 0, 'a');
SELECT kv.lset('r', 3, 'a');
SELECT kv.rpush('r', ARRAY['a', NULL]);
SELECT kv.hset('r', 'a', 'b');
SELECT kv.append('r', 'x');
\set VERBOSITY sqlstate
SELECT kv.rpush('string', 'a');
SELECT kv.lmove('r', 'r', 'LEFT', 'UP');
SELECT kv.lset('none', 0, 'a');
SELECT kv.lset('r', 3, 'a');
SELECT kv.rpush('r', ARRAY['a', NULL]);
\set VERBOSITY terse
SELECT shown('r');

-- ---- who may only read, and where nothing can be changed ---------------------------------------
CREATE ROLE regress_kv_lists;
GRANT USAGE ON SCHEMA kv TO regress_kv_lists;
SELECT kv.revoke('public', NULL), kv.grant('regress_kv_lists', 0, 'read');
SET ROLE regress_kv_lists;
SELECT kv.llen('r');
SELECT kv.lpop('r');
SELECT DISTINCT db FROM kv.list_items;
RESET ROLE;
BEGIN READ ONLY;
SELECT kv.llen('r');
SELECT kv.lpop('r');
ROLLBACK;
DROP FUNCTION shown(text, integer);

SELECT * FROM kv.check();
DROP EXTENSION pgfirst_kv CASCADE;
DROP SCHEMA kv CASCADE;
DROP ROLE regress_kv_lists;
