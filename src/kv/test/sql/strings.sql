-- The functions that are named as commands on strings and keys: results, errors, transactions. What Redis answers to the same
-- stands in test/t/054_strings.pl and 055_keys.pl.
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

-- ---- numbers --------------------------------------------------------------------------------
SELECT kv.incr('n'), kv.incr('n'), kv.incrby('n', 40), kv.decr('n'), kv.decrby('n', 11), kv.get_text('n');
SELECT kv.incr('n'::bytea), kv.decr('n'::bytea), kv.incrby('n'::bytea, -5), kv.decrby('n'::bytea, -5);
SELECT kv.incr('n', 2), kv.incr('n', db => 2), kv.get_text('n', 2), kv.get_text('n');
SELECT kv.set('e', '9', ttl => '1 hour'), kv.incr('e'), kv.ttl('e') BETWEEN '59 minutes' AND '1 hour' AS keeps_its_expiry;
SELECT kv.set('large', '9223372036854775806'), kv.incr('large'), kv.set('small', '-9223372036854775807'), kv.decr('small');
SELECT kv.set('f', '10.50'), kv.incrbyfloat('f', 0.1), kv.get_text('f'), kv.incrbyfloat('f', -5), kv.get_text('f');
SELECT kv.incrbyfloat('f'::bytea, 1e3), kv.get_text('f'), kv.incrbyfloat('new', 3), kv.get_text('new');
SELECT kv.set('f', '5.0e3'), kv.incrbyfloat('f', 200), kv.get_text('f');
SELECT kv.incr(NULL::text) IS NULL AS nothing, kv.incrby('n', NULL) IS NULL AS nothing, kv.get_text('n');

-- ---- parts ----------------------------------------------------------------------------------
SELECT kv.append('s', 'Hello'), kv.append('s', ' World'::text), kv.append('s'::bytea, '\x21'::bytea), kv.append('s', '\x0a'::bytea);
SELECT kv.get('s'), kv.strlen('s'), kv.strlen('s'::bytea), kv.strlen('none');
SELECT convert_from(kv.getrange('s', 0, 4), 'UTF8'), convert_from(kv.getrange('s', -6, -2), 'UTF8'), kv.getrange('s'::bytea, -1, -1);
SELECT kv.getrange('s', 5, 3) = '' AS nothing, kv.getrange('s', 100, 200) = '' AS behind, kv.getrange('none', 0, -1) = '' AS none,
	convert_from(kv.getrange('s', -100, 1), 'UTF8'), length(kv.getrange('s', 0, 9223372036854775807)), kv.getrange('s', -1, -100) = '' AS backward;
SELECT kv.setrange('s', 6, 'Redis'), convert_from(kv.getrange('s', 0, 10), 'UTF8');
SELECT kv.setrange('zeros', 3, 'x'::text), kv.get('zeros'), kv.setrange('zeros'::bytea, 1, '\xff'::bytea), kv.get('zeros');
SELECT kv.setrange('no', 5, ''), kv.exists('no'), kv.setrange('zeros', 100, ''), kv.append('made', ''), kv.exists('made');
SELECT kv.set('e', 'x', ttl => '1 hour'), kv.append('e', 'y'), kv.setrange('e', 0, 'z'), kv.ttl('e') IS NOT NULL AS keeps_its_expiry, kv.get_text('e');

-- ---- get, and then something else -------------------------------------------------------------
SELECT kv.getset('g', 'one') IS NULL AS nothing, kv.getset('g', 'two'::text), kv.getset('g', '\x33'::bytea), kv.getset('g'::bytea, '\x34'::bytea), kv.get('g');
SELECT kv.set('g', 'x', ttl => '1 hour'), kv.getset('g', 'y'), kv.ttl('g') IS NULL AS lives_for_ever;
SELECT kv.getdel('g'), kv.getdel('g') IS NULL AS nothing, kv.exists('g');
SELECT kv.set('g', 'x'), kv.getdel('g'::bytea), kv.exists('g'::bytea);
SELECT kv.set('g', 'x'), kv.getex('g'), kv.ttl('g') IS NULL AS unchanged, kv.getex('g', '1 hour'), kv.ttl('g') IS NOT NULL AS expires;
SELECT kv.getex('g'::bytea), kv.ttl('g'::bytea) IS NOT NULL AS unchanged, kv.getex('g', persist => true), kv.ttl('g') IS NULL AS persists,
	kv.getex('none', '1 hour') IS NULL AS nothing;
SELECT kv.mget(ARRAY['g', 'none', NULL, 'n', 'g']), kv.mget(ARRAY['g', '\x6e']::bytea[]), kv.mget('{}'::text[]), kv.mget(ARRAY['n'], 2);

-- ---- keys -----------------------------------------------------------------------------------
SELECT kv.exists('g'), kv.exists('none'), kv.type('g'), kv.type('none') IS NULL AS none, kv.type('g'::bytea);
SELECT kv.ttl('none') IS NULL AS none, kv.expiretime('none') IS NULL AS none, kv.expiretime('g'), kv.ttl('g') IS NULL AS for_ever;
SELECT kv.expire('g', '1 hour'), kv.ttl('g') BETWEEN '59 minutes' AND '1 hour' AS an_hour,
	kv.expiretime('g') BETWEEN now() + '59 minutes' AND now() + '61 minutes' AS in_an_hour, kv.expiretime('g'::bytea) = kv.expiretime('g') AS same;
SELECT kv.expire('g', '2 hours', nx => true), kv.expire('g', '2 hours', xx => true), kv.expire('g', '1 hour', gt => true),
	kv.expire('g', '3 hours', lt => true), kv.expire('g', '3 hours', gt => true), kv.expire('g', '1 hour', xx => true, lt => true);
SELECT kv.persist('g'), kv.persist('g') AS again, kv.persist('none') AS none;
SELECT kv.expire('g', '1 hour', xx => true), kv.expire('g', '1 hour', gt => true) AS never_is_latest, kv.expire('g', '1 hour', lt => true),
	kv.expireat('g', 'infinity', lt => true) AS not_earlier, kv.expireat('g', 'infinity', gt => true) AS later, kv.expiretime('g');
SELECT kv.expireat('g'::bytea, '2099-01-01 00:00+00'), kv.expiretime('g') = '2099-01-01 00:00+00' AS then, kv.persist('g'::bytea), kv.expire('none', '1 hour');
SELECT kv.expire('g'::bytea, '-1 second') AS over, kv.exists('g');
SELECT kv.set('g', 'x'), kv.expireat('g', '1969-01-01'), kv.exists('g'), kv.set('g', 'x'), kv.expireat('g', '-infinity'), kv.exists('g');
SELECT kv.set('g', 'x'), kv.expire('g', '0'), kv.exists('g');

SELECT kv.set('r', 'x', ttl => '1 hour'), kv.set('taken', 'y');
SELECT kv.renamenx('r', 'taken') AS taken, kv.renamenx('r', 'q'), kv.get_text('q'), kv.exists('r');
SELECT kv.rename('q', 'taken'), kv.get_text('taken'), kv.ttl('taken') IS NOT NULL AS keeps_its_expiry, kv.exists('q');
SELECT kv.rename('taken', 'taken'), kv.renamenx('taken', 'taken') AS is_there, kv.rename('taken'::bytea, 'r'::bytea), kv.renamenx('r'::bytea, 'q'::bytea);
SELECT kv.copy('q', 'c'), kv.copy('q', 'c') AS is_there, kv.copy('q', 'c', replace => true), kv.copy('none', 'd'), kv.get_text('c'), kv.ttl('c') IS NOT NULL AS its_expiry;
SELECT kv.copy('q', 'q', to_db => 1), kv.get_text('q', 1), kv.copy('q'::bytea, 'z'::bytea, db => 1, to_db => 0), kv.get_text('z');
SELECT kv.move('c', 2), kv.exists('c'), kv.get_text('c', 2), kv.move('c'::bytea, 0, db => 2), kv.get_text('c'), kv.move('q', 1) AS is_there, kv.move('none', 1) AS none;

-- ---- the view ---------------------------------------------------------------------------------
SELECT kv.set('\xff'::bytea, '\x00'::bytea, db => 3), kv.set('text', 'ünïcode', db => 3, ttl => '1 hour'), kv.set('half', '\xfe'::bytea, db => 3);
SELECT db, key, value, expires_at > now() AS expires, key_bytes, value_bytes FROM kv.strings WHERE db = 3 ORDER BY key_bytes;

-- ---- transactions -----------------------------------------------------------------------------
SELECT kv.set('t', '1'), kv.del('u');
BEGIN;
SELECT kv.incr('t'), kv.append('t', '0'), kv.rename('t', 'u'), kv.incr('u'), kv.exists('t');
SAVEPOINT one;
SELECT kv.expire('u', '1 hour'), kv.move('u', 1), kv.exists('u');
ROLLBACK TO one;
SELECT kv.get_text('u'), kv.ttl('u') IS NULL AS no_expiry, kv.exists('u', 1);
SELECT kv.getdel('u'), kv.copy('n', 'u');
ROLLBACK;
SELECT kv.get_text('t'), kv.exists('u');
BEGIN;
SELECT kv.incr('t'), kv.mget(ARRAY['t', 'u']), (SELECT value FROM kv.strings WHERE db = 0 AND key = 't');
COMMIT;
SELECT kv.get_text('t');
SELECT count(kv.incr('many')) FROM generate_series(1, 2000);
SELECT kv.get_text('many');

-- ---- errors -----------------------------------------------------------------------------------
\set VERBOSITY default
SELECT kv.set('word', 'x'), kv.set('long', '123456789012345678901'), kv.set('zero', '007');
SELECT kv.incr('word');
SELECT kv.incr('long');
SELECT kv.decrby('zero', 1);
SELECT kv.incr('large');
SELECT kv.decr('small');
SELECT kv.decrby('n', -9223372036854775808);
SELECT kv.incrbyfloat('word', 1);
SELECT kv.incrbyfloat('n', 'NaN');
SELECT kv.incrbyfloat('n', 'infinity');
SELECT kv.set('huge', '1.7e308'), kv.incrbyfloat('huge', 1.7e308);
SELECT kv.setrange('s', -1, 'x');
SELECT kv.setrange('s', 536870912, 'x');
SELECT kv.setrange('s', 9223372036854775807, 'x');
SELECT kv.getex('s', '-1 hour');
SELECT kv.getex('s', '1 hour', persist => true);
SELECT kv.getex(NULL::text);
SELECT kv.expire('s', '1 hour', nx => true, gt => true);
SELECT kv.expire('s', '1 hour', gt => true, lt => true);
SELECT kv.rename('none', 'other');
SELECT kv.renamenx('none', 'other');
SELECT kv.copy('s', 's');
SELECT kv.copy('s', 's', to_db => 0);
SELECT kv.copy(NULL::text, 's');
SELECT kv.copy('s', 's', to_db => 9);
SELECT kv.copy('s', 's', db => 9, to_db => 0);
SELECT kv.move('s', 0);
SELECT kv.move('s', 9);
SELECT kv.incr('n', 16);
\set VERBOSITY sqlstate
SELECT kv.incr('word');
SELECT kv.incrbyfloat('word', 1);
SELECT kv.incr('large');
SELECT kv.setrange('s', 536870912, 'x');
SELECT kv.setrange('s', -1, 'x');
SELECT kv.rename('none', 'other');
SELECT kv.expire('s', '1 hour', gt => true, lt => true);
SELECT kv.copy(NULL::text, 's');
\set VERBOSITY terse
SELECT kv.get_text('large'), kv.get_text('small'), kv.get_text('huge') IS NULL AS not_set, kv.strlen('s');

-- ---- who may only read ------------------------------------------------------------------------
CREATE ROLE regress_kv_strings;
GRANT USAGE ON SCHEMA kv TO regress_kv_strings;
SELECT kv.revoke('public', NULL), kv.grant('regress_kv_strings', 0, 'read'), kv.grant('regress_kv_strings', 1, 'write');
SET ROLE regress_kv_strings;
SELECT kv.copy('n', 'copied', db => 0, to_db => 1), kv.get_text('copied', 1);
SELECT kv.copy('n', 'copied');
SELECT kv.copy('copied', 'copied', db => 1, to_db => 0);
SELECT kv.copy('n', 'copied', db => 2, to_db => 1);
SELECT kv.move('n', 1);
SELECT kv.move('copied', 0, db => 1);
SELECT DISTINCT db FROM kv.strings ORDER BY db;
RESET ROLE;

SELECT * FROM kv.check();
DROP EXTENSION pgfirst_kv CASCADE;
DROP SCHEMA kv CASCADE;
DROP ROLE regress_kv_strings;
