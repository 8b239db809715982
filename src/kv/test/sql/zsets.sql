-- The functions that are named as commands on sorted sets, and the view: results, errors, transactions. How they meet
-- Redis clients stands in test/t/072_sql_collections.pl.
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
	AS $$SELECT string_agg(convert_from(member, 'UTF8') || ':' || score, ' ') FROM kv.zrange(key, 0, -1, db)$$;

-- ---- adding -----------------------------------------------------------------------------------
SELECT kv.zadd('z', 'a', 1), kv.zadd('z', 'a', 2) AS again, kv.zadd('z', 'a', 3, ch => true) AS changed, kv.zadd('z', 'a', 3, ch => true) AS same, kv.zadd('z'::bytea, '\x62'::bytea, -1.5), shown('z');
SELECT kv.zadd('z', ARRAY['c', 'd', 'a'], ARRAY[5, 'infinity', 4]::float8[]), kv.zadd('z', ARRAY['c', 'e'], ARRAY[6, '-infinity']::float8[], ch => true),
	kv.zadd('z'::bytea, ARRAY['f']::bytea[], ARRAY[0.1]), kv.zadd('z', '{}'::text[], '{}'::float8[]) AS nothing, shown('z');
SELECT kv.zadd('z', 'a', 9, nx => true), kv.zadd('z', 'new', 9, xx => true), kv.zadd('z', 'a', 3, gt => true, ch => true), kv.zadd('z', 'a', 5, lt => true, ch => true),
	kv.zadd('z', 'a', 5, gt => true, ch => true), kv.zadd('z', 'a', 3, xx => true, lt => true, ch => true), kv.zadd('z', 'g', 7, gt => true), kv.zadd('z', 'h', 8, nx => true), shown('z');
SELECT kv.zincrby('z', 'a', 1.5), kv.zincrby('z'::bytea, 'i'::bytea, -3), kv.zscore('z', 'a'), kv.zincrby('z', 'd', 1);
SELECT kv.zrem('z', 'i'), kv.zrem('z', 'i') AS again, kv.zrem('z', ARRAY['h', 'none', 'h']), kv.zrem('z'::bytea, 'g'::bytea), kv.zrem('z'::bytea, ARRAY['f']::bytea[]), kv.zrem('none', 'a') AS none, shown('z');
SELECT kv.zadd('z', 'a', 1, 2), kv.zadd('z', 'b', 1, db => 2), shown('z', 2), kv.zcard('z', 2), kv.zcard('z'::bytea), kv.zcard('none');

-- ---- one member -------------------------------------------------------------------------------
SELECT kv.zscore('z', 'c'), kv.zscore('z'::bytea, 'd'::bytea), kv.zscore('z', 'none') IS NULL AS none, kv.zscore('none', 'a') IS NULL AS none,
	kv.zmscore('z', ARRAY['a', 'none', NULL, 'e']), kv.zmscore('z'::bytea, ARRAY['a']::bytea[]), kv.zmscore('none', ARRAY['a']), kv.zmscore('z', '{}'::text[]);
SELECT kv.zrank('z', 'e'), kv.zrank('z'::bytea, 'd'::bytea), kv.zrevrank('z', 'e'), kv.zrevrank('z'::bytea, 'd'::bytea), kv.zrank('z', 'none') IS NULL AS none, kv.zrevrank('none', 'a') IS NULL AS none;

-- ---- ranges -----------------------------------------------------------------------------------
SELECT kv.zadd('r', ARRAY['a', 'b', 'c', 'd', 'e'], ARRAY[1, 2, 2, 3, 4]);
SELECT * FROM kv.zrange('r', 1, -2);
SELECT * FROM kv.zrange('r'::bytea, 0, 1, rev => true);
SELECT * FROM kv.zrange('r', 3, 100);
SELECT * FROM kv.zrange('r', 4, 3);
SELECT * FROM kv.zrange('none', 0, -1);
SELECT kv.zcount('r', 2, 3), kv.zcount('r', 2, 3, min_open => true), kv.zcount('r', 2, 3, max_open => true), kv.zcount('r'::bytea, '-infinity', 'infinity'), kv.zcount('r', 5, 1), kv.zcount('none', 0, 1),
	kv.zcount('r', 2, 2, min_open => true) AS nothing;
SELECT * FROM kv.zrangebyscore('r', 2, 3);
SELECT * FROM kv.zrangebyscore('r', 2, 4, min_open => true, max_open => true);
SELECT * FROM kv.zrangebyscore('r'::bytea, '-infinity', 'infinity', rev => true, skip => 1, count => 2);
SELECT * FROM kv.zrangebyscore('r', 1, 4, skip => 3);
SELECT * FROM kv.zrangebyscore('r', 1, 4, count => 0);
SELECT * FROM kv.zrangebyscore('r', 1, 4, skip => 100);
SELECT * FROM kv.zrangebyscore('r', 4, 1);
SELECT * FROM kv.zpopmin('r');
SELECT * FROM kv.zpopmax('r', count => 2);
SELECT * FROM kv.zpopmin('r'::bytea, count => 0);
SELECT * FROM kv.zpopmax('none');
SELECT shown('r'), kv.zadd('r', ARRAY['a', 'd', 'e'], ARRAY[1, 3, 4]);
SELECT kv.zremrangebyscore('r', 1, 2, max_open => true), shown('r'), kv.zremrangebyrank('r', -1, -1), shown('r'), kv.zremrangebyrank('r'::bytea, 5, 9), kv.zremrangebyscore('r'::bytea, 5, 1), kv.zremrangebyscore('none', 1, 2), kv.zremrangebyrank('none', 0, -1);
SELECT count(*), kv.zcard('r') FROM kv.zpopmax('r', count => 100);
SELECT kv.exists('r') AS the_last_takes_the_key_with_it;

-- ---- large ones -------------------------------------------------------------------------------
SELECT kv.zadd('large', array_agg('member ' || i), array_agg(i::float8)) FROM generate_series(1, 3000) i;
SELECT kv.zcard('large'), kv.zscore('large', 'member 2999'), kv.zrank('large', 'member 2999'), kv.zrevrank('large', 'member 2999'), kv.zcount('large', 100, 199), kv.zincrby('large', 'member 1', 5000), kv.zrevrank('large', 'member 1');
SELECT count(*), bool_and(score = n + 1001) AS in_order FROM kv.zrange('large', 1000, 1999) WITH ORDINALITY AS r(member, score, n);
SELECT count(*), min(score), max(score) FROM kv.zrangebyscore('large', 500, 600, rev => true, skip => 10, count => 50);
SELECT kv.copy('large', 'copied'), kv.copy('large', 'copied', to_db => 1), kv.rename('large', 'renamed'), kv.zcard('copied'), kv.zcard('copied', 1), kv.zcard('renamed'), kv.zcard('large');
SELECT kv.zremrangebyscore('copied', 1000, 1999), kv.zremrangebyrank('copied', 0, 99), kv.zcard('copied');
SELECT count(*), min(score), max(score) FROM kv.zpopmin('copied', count => 500);

-- ---- the view ---------------------------------------------------------------------------------
SELECT kv.zadd('\xff'::bytea, '\x61'::bytea, 1, db => 3), kv.zadd('text', ARRAY['ünï', 'b'], ARRAY[2, 'infinity']::float8[], db => 3), kv.zadd('text'::bytea, '\xfe'::bytea, 0, db => 3);
SELECT * FROM kv.zset_members WHERE db = 3 ORDER BY key_bytes, rank;
SELECT db, key, count(*) FROM kv.zset_members GROUP BY 1, 2 ORDER BY 1, 2;

-- ---- transactions -----------------------------------------------------------------------------
BEGIN;
SELECT kv.zadd('t', 'a', 1), kv.zincrby('z', 'a', 100);
SAVEPOINT one;
SELECT kv.zadd('t', 'b', 2), kv.zrem('z', 'a'), shown('t');
ROLLBACK TO one;
SELECT shown('t'), kv.zscore('z', 'a'), (SELECT count(*) FROM kv.zset_members WHERE key = 't');
ROLLBACK;
SELECT shown('t') IS NULL AS nothing, kv.zscore('z', 'a');
BEGIN;
SELECT kv.zadd('t', 'a', 1), kv.zincrby('z', 'a', 100);
COMMIT;
SELECT shown('t'), kv.zscore('z', 'a');

-- ---- errors -----------------------------------------------------------------------------------
\set VERBOSITY default
SELECT kv.sadd('set', 'x');
SELECT kv.zadd('set', 'a', 1);
SELECT kv.zincrby('set', 'a', 1);
SELECT kv.zrem('set', 'a');
SELECT kv.zscore('set', 'a');
SELECT * FROM kv.zrange('set', 0, -1);
SELECT * FROM kv.zpopmin('set');
SELECT kv.zadd('z', 'a', 'NaN'::float8);
SELECT kv.zincrby('z', 'd', '-infinity');
SELECT kv.zadd('z', ARRAY['a', 'b'], ARRAY[1.0]);
SELECT kv.zadd('z', ARRAY['a', NULL], ARRAY[1.0, 2.0]);
SELECT kv.zadd('z', ARRAY['a', 'b'], ARRAY[1.0, NULL]);
SELECT kv.zadd('z', 'a', 1, nx => true, xx => true);
SELECT kv.zadd('z', 'a', 1, gt => true, lt => true);
SELECT kv.zcount('z', 'NaN', 1);
SELECT * FROM kv.zrangebyscore('z', 1, 2, skip => -1);
SELECT * FROM kv.zpopmin('z', count => -1);
SELECT kv.sadd('z', 'a');
\set VERBOSITY sqlstate
SELECT kv.zadd('set', 'a', 1);
SELECT kv.zadd('z', 'a', 'NaN'::float8);
SELECT kv.zadd('z', ARRAY['a', 'b'], ARRAY[1.0]);
SELECT kv.zadd('z', 'a', 1, gt => true, lt => true);
\set VERBOSITY terse
SELECT shown('z');

-- ---- who may only read, and where nothing can be changed ---------------------------------------
CREATE ROLE regress_kv_zsets;
GRANT USAGE ON SCHEMA kv TO regress_kv_zsets;
SELECT kv.revoke('public', NULL), kv.grant('regress_kv_zsets', 0, 'read');
SET ROLE regress_kv_zsets;
SELECT kv.zcard('z');
SELECT kv.zincrby('z', 'a', 1);
SELECT DISTINCT db FROM kv.zset_members;
RESET ROLE;
BEGIN READ ONLY;
SELECT kv.zcard('z');
SELECT kv.zincrby('z', 'a', 1);
ROLLBACK;
DROP FUNCTION shown(text, integer);

SELECT * FROM kv.check();
DROP EXTENSION pgfirst_kv CASCADE;
DROP SCHEMA kv CASCADE;
DROP ROLE regress_kv_zsets;
