# SPDX-License-Identifier: PostgreSQL
#
# pg_dump carries the keys, with the secret that places them: restored into another database, every
# key is where it is looked for. And functions of kv in a parallel plan, as the first of a session.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = pgfirst_node('dump');
my $redis = redis($node);

# ---- parallel ------------------------------------------------------------------------------

my $forced = $node->safe_psql('postgres', q{
	SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')});
is($node->safe_psql('postgres', "SET $forced = on; SELECT kv.get('absent') IS NULL"),
	't', 'the first call of a session in a parallel plan');

# ---- dump and restore ----------------------------------------------------------------------

is($redis->call('MSET', map { ("key$_", "value$_") } 1 .. 500), 'OK', 'five hundred keys');
is($redis->call('SET', "\x00\xff", "\xfe" x 100_000, 'EX', 1000), 'OK', 'one of bytes, with an expiry');
is($redis->call('FLUSHDB'), 'OK', 'flushed: the epoch is a record too');
is($redis->call('MSET', map { ("key$_", "new$_") } 1 .. 500), 'OK', 'and again');
is($redis->call('SET', "\x00\xff", "\xfe" x 100_000, 'EX', 1000), 'OK', 'with the one of bytes');

my $file = $node->basedir . '/keys.dump';
command_ok([ 'pg_dump', '-Fc', '-f', $file, $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $file ], 'pg_restore');

is($node->safe_psql('restored', 'SELECT count(*) FROM kv.identity'), '1', 'one secret');
is($node->safe_psql('restored', "SELECT kv.get_text('key7'), count(*) FROM kv.keys"),
	'new7|501', 'every key is there');
is($node->safe_psql('restored',
		"SELECT length(kv.get('\\x00ff'::bytea)), expires_at IS NOT NULL FROM kv.keys WHERE key IS NULL"),
	'100000|t', 'bytes and expiry too');
is($node->safe_psql('restored', "SELECT kv.set('key7', 'changed'), kv.get_text('key7')"),
	't|changed', 'and is changed');
is($redis->call('GET', 'key7'), 'new7', 'while the original stays');

# ---- somebody else's schema ------------------------------------------------------------------

$node->safe_psql('postgres', q{
	CREATE DATABASE foreign_schema;
	CREATE ROLE stranger});
$node->safe_psql('foreign_schema', 'CREATE SCHEMA kv AUTHORIZATION stranger');
my ($code, undef, $error) = $node->psql('foreign_schema', 'CREATE EXTENSION pgfirst CASCADE');
isnt($code, 0, 'an empty schema that belongs to somebody else');
like($error, qr/schema "kv" exists already and is not empty, or is somebody else's/, 'is refused');

$node->stop;
done_testing();
