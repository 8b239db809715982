-- The functions that are named as commands on streams, and the view: results, errors, transactions. How they meet Redis
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
	AS $$SELECT string_agg(id, ' ') FROM kv.xrange(key, '-', '+', db)$$;

-- ---- adding -----------------------------------------------------------------------------------
SELECT kv.xadd('s', 'f', 'v', id => '1-1'), kv.xadd('s', 'f', '\xff00'::bytea, id => '1-*'), kv.xadd('s'::bytea, 'f'::bytea, 'v'::bytea, id => '2'),
	kv.xadd('s', ARRAY['a', 'b', 'a'], ARRAY['1', '2', ''], id => '2-*'), kv.xadd('s', ARRAY['a'], ARRAY['\x00']::bytea[], id => '3-5'),
	kv.xadd('s'::bytea, ARRAY['x']::bytea[], ARRAY['y']::bytea[], id => '3-*'), shown('s');
SELECT kv.xadd('clock', 'f', 'v') ~ '^\d{13}-\d+$' AS an_id, kv.xadd('clock', 'f', 'v') > kv.xadd('clock', 'f', 'v') AS higher_before;
SELECT split_part(kv.xadd('clock', 'f', 'v'), '-', 1)::bigint BETWEEN extract(epoch FROM clock_timestamp()) * 1000 - 60000
	AND extract(epoch FROM clock_timestamp()) * 1000 + 60000 AS of_now, kv.xlen('clock');
SELECT kv.xadd('two', 'f', 'v', 2, '5-5'), shown('two', 2), kv.xlen('two', 2), kv.xlen('two');

-- ---- reading ----------------------------------------------------------------------------------
SELECT * FROM kv.xrange('s', '-', '+');
SELECT * FROM kv.xrange('s'::bytea, '1-2', '(3-5');
SELECT id FROM kv.xrange('s', '(1-1', '2', rev => true);
SELECT id FROM kv.xrange('s', '-', '+', count => 2);
SELECT id FROM kv.xrange('s', '-', '+', rev => true, count => 2);
SELECT id FROM kv.xrange('s', '-', '+', count => 0);
SELECT id FROM kv.xrange('s', '5', '4');
SELECT id FROM kv.xrange('s', '-', '(0-0');
SELECT id FROM kv.xrange('s', '(18446744073709551615-18446744073709551615', '+');
SELECT id FROM kv.xrange('none', '-', '+');
SELECT kv.xlen('s'), kv.xlen('s'::bytea), kv.xlen('none');

-- ---- taking away ------------------------------------------------------------------------------
SELECT kv.xdel('s', '1-1'), kv.xdel('s', '1-1'), kv.xdel('s'::bytea, '1-2'), kv.xdel('s', ARRAY['2-0', '9-9', '2-0']), kv.xdel('s'::bytea, ARRAY['2-1']), kv.xdel('none', '1-1'), shown('s');
SELECT kv.xtrim('s', 1), kv.xtrim('s'::bytea, 5), shown('s'), kv.xtrim('s', 0), kv.xlen('s'), kv.exists('s') AS an_empty_one_stays, kv.xtrim('none', 0), kv.exists('none');
SELECT kv.xadd('m', 'f', i::text, id => i || '-0') FROM generate_series(1, 6) i;
SELECT kv.xtrim('m', minid => '3'), kv.xtrim('m'::bytea, minid => '3-1'), kv.xtrim('m', '1'), kv.xtrim('none', minid => '3'), shown('m');

-- ---- large ones -------------------------------------------------------------------------------
SELECT count(kv.xadd('large', ARRAY['field', 'more'], ARRAY[i::text, repeat('x', i % 50)], id => i || '-' || i)) FROM generate_series(1, 3000) i;
SELECT count(*), min(convert_from(field_values[1], 'UTF8')::int), max(convert_from(field_values[1], 'UTF8')::int) FROM kv.xrange('large', '100', '2899');
SELECT id FROM kv.xrange('large', '100', '200', rev => true, count => 3);
SELECT type, bytes > 50000 AS large FROM kv.keys WHERE key = 'large';
SELECT kv.copy('large', 'copied'), kv.copy('large', 'copied', to_db => 1), kv.rename('large', 'renamed'), kv.xlen('copied'), kv.xlen('copied', 1), kv.xlen('renamed'), kv.xlen('large');
SELECT kv.xtrim('copied', 3), shown('copied'), kv.xdel('renamed', array_agg(i || '-' || i)), kv.xlen('renamed') FROM generate_series(1, 4000, 2) i;
SELECT kv.xtrim('renamed', minid => '2990'), shown('renamed'), kv.expire('renamed', '1 hour'), kv.xadd('renamed', 'f', 'v', id => '3001'), kv.ttl('renamed') IS NOT NULL AS keeps_its_expiry;

-- ---- the view ---------------------------------------------------------------------------------
SELECT kv.xadd('\xff'::bytea, 'f'::bytea, 'v'::bytea, db => 3, id => '1-1'), kv.xadd('text', ARRAY['ünï', 'b'], ARRAY['1', '2'], db => 3, id => '1-1'),
	kv.xadd('text', ARRAY['f', 'g'], ARRAY['\xfe', '\x78']::bytea[], db => 3, id => '2-1');
SELECT * FROM kv.stream_entries WHERE db = 3 ORDER BY key_bytes, id;
SELECT db, key, count(*) FROM kv.stream_entries GROUP BY 1, 2 ORDER BY 1, 2;

-- ---- transactions -----------------------------------------------------------------------------
BEGIN;
SELECT kv.xadd('t', 'f', 'v', id => '1-1'), kv.xdel('m', '4-0');
SAVEPOINT one;
SELECT kv.xadd('t', 'f', 'v', id => '2-1'), shown('t'), kv.xtrim('m', 1), shown('m');
ROLLBACK TO one;
SELECT shown('t'), shown('m'), (SELECT count(*) FROM kv.stream_entries WHERE key = 't');
ROLLBACK;
SELECT shown('t') IS NULL AS nothing, shown('m');
BEGIN;
SELECT kv.xadd('t', 'f', 'v', id => '1-1'), kv.xdel('m', '4-0');
COMMIT;
SELECT shown('t'), shown('m');

-- ---- errors -----------------------------------------------------------------------------------
\set VERBOSITY default
SELECT kv.set('string', 'x');
SELECT kv.xadd('string', 'f', 'v');
SELECT kv.xlen('string');
SELECT kv.xrange('string', '-', '+');
SELECT kv.xdel('string', '1-1');
SELECT kv.xtrim('string', 1);
SELECT kv.xadd('t', 'f', 'v', id => '1-1');
SELECT kv.xadd('t', 'f', 'v', id => '0-0');
SELECT kv.xadd('t', 'f', 'v', id => 'x');
SELECT kv.xadd('t', 'f', 'v', id => '');
SELECT kv.xadd('t', '{}'::text[], '{}'::text[]);
SELECT kv.xadd('t', ARRAY['a', 'b'], ARRAY['1']);
SELECT kv.xadd('t', ARRAY['a', NULL], ARRAY['1', '2']);
SELECT kv.xadd('full', 'f', 'v', id => '18446744073709551615-18446744073709551615');
SELECT kv.xadd('full', 'f', 'v');
SELECT kv.xrange('t', 'x', '+');
SELECT kv.xrange('t', '-', '(-');
SELECT kv.xdel('t', '-');
SELECT kv.xdel('t', ARRAY['1-1', 'x']);
SELECT kv.xtrim('t', -1);
SELECT kv.xtrim('t', minid => '+');
SELECT kv.rpush('t', 'x');
\set VERBOSITY sqlstate
SELECT kv.xadd('string', 'f', 'v');
SELECT kv.xadd('t', 'f', 'v', id => '1-1');
SELECT kv.xadd('t', 'f', 'v', id => 'x');
SELECT kv.xadd('full', 'f', 'v');
SELECT kv.xadd('t', ARRAY['a', NULL], ARRAY['1', '2']);
\set VERBOSITY terse
SELECT shown('t');

-- ---- who may only read, and where nothing can be changed ---------------------------------------
CREATE ROLE regress_kv_streams;
GRANT USAGE ON SCHEMA kv TO regress_kv_streams;
SELECT kv.revoke('public', NULL), kv.grant('regress_kv_streams', 0, 'read');
SET ROLE regress_kv_streams;
SELECT kv.xlen('m');
SELECT kv.xadd('m', 'f', 'v');
SELECT kv.xtrim('m', 0);
SELECT DISTINCT db FROM kv.stream_entries;
RESET ROLE;
BEGIN READ ONLY;
SELECT kv.xlen('m');
SELECT kv.xdel('m', '3-0');
ROLLBACK;
DROP FUNCTION shown(text, integer);

SELECT * FROM kv.check();
DROP EXTENSION pgfirst_kv CASCADE;
DROP SCHEMA kv CASCADE;
DROP ROLE regress_kv_streams;
