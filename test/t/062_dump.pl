# SPDX-License-Identifier: PostgreSQL
#
# pg_dump carries the keys, as rows, and nothing of the cluster that they come from: restored into
# another database, or another cluster, every key is where it is looked for there. And functions of kv in a
# parallel plan, as the first of a session.

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

# Two pieces or more, and more than goes into memory or into a thousand locks.
my $big = join '', map { pack('N', ($_ * 2654435761) % 2**32) } 1 .. 1310720;
is($redis->call('SET', 'big', $big), 'OK', 'a value of 5 MB');
$node->safe_psql('postgres', "SELECT count(kv.set('many' || i, repeat('m' || i, 20), db => 3)) FROM generate_series(1, 50000) i");
is($redis->call('SELECT', 3), 'OK', 'another database');
is($redis->call('DBSIZE'), 50000, '… of 50,000 keys');

# Of each type one that is small and one that is not, of which one is larger than what goes into memory.
my ($hash, $list) = ([ map { ("f$_", "v$_") } 1 .. 20_000 ], [ map { "element $_" } 1 .. 30_000 ]);
is($redis->call('SELECT', 2), 'OK', 'a third one');
is($redis->call('HSET', 'small:hash', 'a', 1, 'b', ''), 2, '… of a hash');
is($redis->call('SADD', 'small:set', 'x', "\xff\x00"), 2, '… a set');
is($redis->call('RPUSH', 'small:list', 'one', 'two', 'two'), 3, '… a list');
is($redis->call('ZADD', 'small:zset', 1.5, 'm', '-inf', 'n'), 2, '… a sorted set');
is($redis->call('HSET', 'hash', @$hash), 20_000, '… and large ones');
is($redis->call('SADD', 'set', 1 .. 20_000), 20_000, '… of numbers');
is($redis->call('RPUSH', 'list', @$list), 30_000, '… of texts');
is($redis->call('LREM', 'list', 1, 'element 700') . $redis->call('LINSERT', 'list', 'BEFORE', 'element 701', 'between'),
	'130000', '… of which one has been replaced');
is($redis->call('ZADD', 'zset', map { ($_ % 997, "m$_") } 1 .. 20_000), 20_000, '… and of scores');
is($redis->call('EXPIRE', 'zset', 1000), 1, '… with an expiry');
my $vast = $redis->call('EVAL', <<'LUA', 1, 'vast');
	for i = 1, 60000 do redis.call('RPUSH', KEYS[1], string.rep('vast ' .. i, 30)) end
	return redis.call('LLEN', KEYS[1])
LUA
is($vast, 60_000, '… and of 15 MB');

sub sorted_pairs
{
	my %pairs = @_;
	return [ map { ($_, $pairs{$_}) } sort keys %pairs ];
}

# Everything that the collections hold.
sub collections
{
	my ($client) = @_;
	$client->call('SELECT', 2) eq 'OK' or die;
	return [
		(map { sorted_pairs(@{ $client->call('HGETALL', $_) }) } qw(small:hash hash)),
		(map { [ sort @{ $client->call('SMEMBERS', $_) } ] } qw(small:set set)),
		(map { $client->call('LRANGE', $_, 0, -1) } qw(small:list list vast)),
		(map { $client->call('ZRANGE', $_, 0, -1, 'WITHSCORES') } qw(small:zset zset)),
		(map { $client->call('TTL', $_) > 0 } qw(zset hash)) ];
}
my $collections = collections($redis);

my $file = $node->basedir . '/keys.dump';
my $plain = $node->basedir . '/keys.sql';
command_ok([ 'pg_dump', '-Fc', '-f', $file, $node->connstr('postgres') ], 'pg_dump -Fc');
command_ok([ 'pg_dump', '-f', $plain, $node->connstr('postgres') ], 'pg_dump');
my $dump = slurp_file($plain);
like($dump, qr/^COPY kv\.database_0 \(tenant, key, piece, pieces, type, expiry, payload\)/m, 'keys are in it');
like($dump, qr/^COPY kv\.database \(/m, '… and which databases there are');
# Seen to fail: identity as a table of configuration.
unlike($dump, qr/COPY kv\.identity/, '… and no secret');

# The same everywhere: counts, values, expiries, and that what is there can be changed.
sub restored
{
	my ($where, $database, $how) = @_;
	my $ask = sub { return $where->safe_psql($database, "SET pgfirst.write_set_limit = '8MB';" . $_[0]); };

	is($ask->('SELECT count(*) FROM kv.identity'), '1', "$how: one secret");
	is($ask->("SELECT db, count(*) FROM kv.keys GROUP BY 1 ORDER BY 1"), "0|502\n2|9\n3|50000", '… every key is there');
	is($ask->("SELECT kv.get_text('key7')"), 'new7', '… and is found');
	is($ask->("SELECT count(*) FROM generate_series(1, 50000) i WHERE kv.get_text('many' || i, 3) = repeat('m' || i, 20)"),
		50000, '… one by one');
	is($ask->("SELECT length(kv.get('\\x00ff'::bytea)), expires_at IS NOT NULL FROM kv.keys WHERE key IS NULL"),
		'100000|t', '… bytes and expiry too');
	is($ask->("SELECT md5(kv.get('big'))"), $node->safe_psql('postgres', "SELECT md5(kv.get('big'))"), '… and the large one');
	is($ask->("SELECT string_agg(problem, '; ') FROM kv.check()"), '', '… on sound pages');
	is($ask->("SELECT kv.set('key7', 'changed'), kv.get_text('key7')"), 't|changed', '… and is changed');
}

# With less memory than there is to restore.
$ENV{PGOPTIONS} = '-c pgfirst.write_set_limit=8MB';
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(custom single plain);
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('custom'), $file ], 'pg_restore');
restored($node, 'custom', 'pg_restore');
command_ok([ 'pg_restore', '--single-transaction', '-d', $node->connstr('single'), $file ], 'pg_restore in one transaction');
restored($node, 'single', 'in one transaction');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $plain, $node->connstr('plain') ], 'psql');
restored($node, 'plain', 'psql');
isnt($node->safe_psql('postgres', 'SELECT encode(secret, $$hex$$) FROM kv.identity'),
	$node->safe_psql('plain', 'SELECT encode(secret, $$hex$$) FROM kv.identity'), 'with a secret of its own');
is($redis->call('SELECT', 0), 'OK', 'meanwhile');
is($redis->call('GET', 'key7'), 'new7', 'the original stays');

# A data-only dump into a cluster whose databases are there already, beside the door.
my $second = pgfirst_node('second');
my $keys = $node->basedir . '/data.dump';
command_ok([ 'pg_dump', '-Fc', '--data-only', '--table=kv.database_0', '--table=kv.database_2', '--table=kv.database_3', '-f', $keys, $node->connstr('postgres') ],
	'pg_dump of three tables');
command_ok([ 'pg_restore', '--exit-on-error', '--data-only', '-d', $second->connstr('postgres'), $keys ], '… into another cluster');
my $other = redis($second);
is($other->call('DBSIZE'), 502, '… whose door counts the keys');
is($other->call('GET', 'big'), $big, '… and finds them');
is($other->call('SELECT', 3), 'OK', '… in each database');
is($other->call('DBSIZE'), 50000, '… all of them');
is($other->call('GET', 'many4711'), 'm4711' x 20, '… by name');
is_deeply(collections($other), $collections, '… and whole collections');
is($other->call('LPUSH', 'list', 'first') . $other->call('ZADD', 'zset', 7, 'new') . $other->call('HDEL', 'hash', 'f7'), '3000111',
	'… which can be changed');
is($second->safe_psql('postgres', 'SELECT count(*) FROM kv.check()'), 0, '… and are sound');

# A whole dump where the door waits: in one transaction, or it would make databases of its own first.
my $third = pgfirst_node('third', extension => 0, database => 'postgres');
$third->safe_psql('postgres', "CREATE ROLE app LOGIN PASSWORD 'secret'");
command_ok([ 'pg_restore', '--single-transaction', '-d', $third->connstr('postgres'), $file ], 'under a door that waits for its databases');
wait_for_door($third);
$other = redis($third);
is($other->call('DBSIZE'), 502, '… which counts the keys then');
is($other->call('GET', 'key9'), 'new9', '… and finds them');
is_deeply(collections($other), $collections, '… and collections');
$other->call('SELECT', 0);
restored($third, 'postgres', 'in the other cluster');
delete $ENV{PGOPTIONS};
$_->stop for $second, $third;

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
