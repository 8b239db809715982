-- The functions that are named as commands on hashes, and the view: results, errors, transactions. How they meet Redis
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

-- ---- changing -------------------------------------------------------------------------------
SELECT kv.hset('h', 'a', '1'), kv.hset('h', 'a', '2') AS again, kv.hset('h', 'b', '\xff00'::bytea), kv.hset('h'::bytea, '\xfe'::bytea, '\x31'::bytea);
SELECT kv.hset('h', ARRAY['c', 'd', 'a'], ARRAY['3', '4', '5']), kv.hset('h', ARRAY['e'], ARRAY['\x00']::bytea[]),
	kv.hset('h'::bytea, ARRAY['f']::bytea[], ARRAY['x']::bytea[]), kv.hset('h', '{}'::text[], '{}'::text[]) AS nothing;
SELECT kv.hset('h', ARRAY['g', 'g'], ARRAY['1', '2']) AS twice, kv.hget('h', 'g'), kv.hset('h', '', ''::text) AS empty, kv.hget('h', '') = '' AS empty;
SELECT kv.hsetnx('h', 'a', 'no'), kv.hsetnx('h', 'h', 'yes'), kv.hsetnx('h', 'i', '\x00'::bytea), kv.hsetnx('h'::bytea, 'i'::bytea, '\x01'::bytea);
SELECT kv.hdel('h', 'i'), kv.hdel('h', 'i') AS again, kv.hdel('h', ARRAY['h', '', 'g', 'none', 'g']), kv.hdel('h'::bytea, '\xfe'::bytea),
	kv.hdel('h'::bytea, ARRAY['f', 'e']::bytea[]), kv.hdel('none', 'a') AS none;
SELECT kv.hincrby('h', 'n', 5), kv.hincrby('h'::bytea, 'n'::bytea, -7), kv.hget('h', 'n'), kv.hincrby('new', 'n', 1), kv.hlen('new');
SELECT kv.hincrbyfloat('h', 'r', 0.1), kv.hincrbyfloat('h'::bytea, 'r'::bytea, 10), convert_from(kv.hget('h', 'r'), 'UTF8'), kv.hincrbyfloat('h', 'n', 0.5);
SELECT kv.hset('h', 'a', 'elsewhere', 2), kv.hset('h', 'b', 'elsewhere', db => 2), kv.hlen('h', 2), kv.hlen('h');
SELECT kv.hset(NULL::text, 'a', 'x') IS NULL AS nothing, kv.hset('h', 'a', NULL::text) IS NULL AS nothing, kv.hincrby('h', 'n', NULL) IS NULL AS nothing;

-- ---- reading --------------------------------------------------------------------------------
SELECT kv.hget('h', 'a'), kv.hget('h'::bytea, 'a'::bytea), kv.hget('h', 'none') IS NULL AS none, kv.hget('none', 'a') IS NULL AS none, kv.hget('h', 'a', 2);
SELECT kv.hmget('h', ARRAY['a', 'none', NULL, 'b', 'a']), kv.hmget('h'::bytea, ARRAY['a']::bytea[]), kv.hmget('h', '{}'::text[]), kv.hmget('none', ARRAY['a']);
SELECT kv.hexists('h', 'a'), kv.hexists('h'::bytea, 'a'::bytea), kv.hexists('h', 'none'), kv.hexists('none', 'a'), kv.hlen('h'), kv.hlen('h'::bytea), kv.hlen('none');
SELECT * FROM kv.hgetall('h') ORDER BY field;
SELECT count(*) FROM kv.hgetall('h'::bytea);
SELECT * FROM kv.hgetall('none');
SELECT kv.hgetall('new'), 1 AS beside;

-- ---- large ones -----------------------------------------------------------------------------
SELECT kv.hset('large', array_agg('field ' || i), array_agg(repeat('x', i))) FROM generate_series(1, 2000) i;
SELECT kv.hlen('large'), length(kv.hget('large', 'field 2000')), kv.hset('large', 'field 1', 'new'), kv.hdel('large', ARRAY['field 2', 'field 3']), kv.hlen('large');
SELECT count(*), sum(length(value)) FROM kv.hgetall('large');
SELECT type, bytes > 2000000 AS large FROM kv.keys WHERE key = 'large';
SELECT kv.rename('large', 'renamed'), kv.hlen('large') AS gone, kv.hlen('renamed'), kv.copy('renamed', 'copied'), kv.copy('renamed', 'copied', to_db => 1), kv.move('renamed', 2);
SELECT kv.hlen('copied'), kv.hlen('copied', 1), kv.hlen('renamed', 2), kv.hget('copied', 'field 1', 1), kv.hlen('renamed') AS gone;
SELECT kv.expire('copied', '1 hour'), kv.hset('copied', 'more', '1'), kv.ttl('copied') IS NOT NULL AS keeps_its_expiry, kv.del('copied'), kv.hlen('copied');

-- ---- the view ---------------------------------------------------------------------------------
SELECT kv.hset('\xff'::bytea, 'f'::bytea, 'v'::bytea, db => 3), kv.hset('text', 'ünï', '\xfe'::bytea, db => 3), kv.hset('text'::bytea, '\xfd'::bytea, 'v'::bytea, db => 3);
SELECT * FROM kv.hash_fields WHERE db = 3 ORDER BY key_bytes, field_bytes;
SELECT db, key, count(*) FROM kv.hash_fields GROUP BY 1, 2 ORDER BY 1, 2;

-- ---- transactions -----------------------------------------------------------------------------
BEGIN;
SELECT kv.hset('t', 'a', '1'), kv.hset('h', 'a', 'changed');
SAVEPOINT one;
SELECT kv.hset('t', 'b', '2'), kv.hdel('h', 'a'), kv.hlen('t');
ROLLBACK TO one;
SELECT kv.hlen('t'), kv.hget('h', 'a'), (SELECT count(*) FROM kv.hash_fields WHERE key = 't');
ROLLBACK;
SELECT kv.hlen('t'), kv.hget('h', 'a');
BEGIN;
SELECT kv.hset('t', 'a', '1'), kv.hset('t', 'b', '2');
COMMIT;
SELECT * FROM kv.hgetall('t');
SELECT kv.hdel('t', ARRAY['a', 'b']), kv.exists('t') AS the_last_takes_the_key_with_it;
-- What has failed behind a savepoint leaves nothing, and what is read afterwards is as it is.
DO $$
BEGIN
	PERFORM kv.set('string', 'x');
	PERFORM kv.hset('kept', 'a', '1');
	BEGIN
		PERFORM kv.hset('kept', 'b', '2');
		PERFORM kv.hgetall('string');
	EXCEPTION WHEN wrong_object_type THEN
		RAISE NOTICE '% field', kv.hlen('kept');
	END;
	RAISE NOTICE '%', (SELECT string_agg(field::text, ',') FROM kv.hgetall('kept'));
END
$$;

-- ---- errors -----------------------------------------------------------------------------------
\set VERBOSITY default
SELECT kv.hset('string', 'a', '1');
SELECT kv.hget('string', 'a');
SELECT * FROM kv.hgetall('string');
SELECT kv.hlen('string');
SELECT kv.hdel('string', 'a');
SELECT kv.get('h');
SELECT kv.incr('h');
SELECT kv.hset('h', ARRAY['a', 'b'], ARRAY['1']);
SELECT kv.hset('h', ARRAY['a', NULL], ARRAY['1', '2']);
SELECT kv.hset('h', ARRAY['a'], ARRAY[NULL]::text[]);
SELECT kv.hdel('h', ARRAY[NULL]::text[]);
SELECT kv.hset('h', 'word', 'x');
SELECT kv.hincrby('h', 'word', 1);
SELECT kv.hincrbyfloat('h', 'word', 1);
SELECT kv.hset('h', 'most', '9223372036854775807'), kv.hincrby('h', 'most', 1);
SELECT kv.hincrbyfloat('h', 'r', 'NaN');
SELECT kv.hset('h', 'huge', '1.7e308'), kv.hincrbyfloat('h', 'huge', 1.7e308);
SELECT kv.hset('h', 'a', 'x', 9);
\set VERBOSITY sqlstate
SELECT kv.hset('string', 'a', '1');
SELECT kv.hset('h', ARRAY['a', 'b'], ARRAY['1']);
SELECT kv.hset('h', ARRAY['a', NULL], ARRAY['1', '2']);
SELECT kv.hincrby('h', 'word', 1);
SELECT kv.hincrby('h', 'most', 9223372036854775807), kv.hincrby('h', 'most', 9223372036854775807);
\set VERBOSITY terse

-- ---- who may only read, and where nothing can be changed ---------------------------------------
CREATE ROLE regress_kv_hashes;
GRANT USAGE ON SCHEMA kv TO regress_kv_hashes;
SELECT kv.revoke('public', NULL), kv.grant('regress_kv_hashes', 0, 'read');
SET ROLE regress_kv_hashes;
SELECT kv.hlen('h');
SELECT kv.hset('h', 'x', 'y');
SELECT DISTINCT db FROM kv.hash_fields;
RESET ROLE;
BEGIN READ ONLY;
SELECT kv.hlen('h');
SELECT kv.hset('h', 'x', 'y');
ROLLBACK;

SELECT * FROM kv.check();
DROP EXTENSION pgfirst_kv CASCADE;
DROP SCHEMA kv CASCADE;
DROP ROLE regress_kv_hashes;
