# SPDX-License-Identifier: PostgreSQL
#
# 072_sql_collections.pl: collections and messages by SQL and by Redis clients: what one door writes the other reads, a
# commit wakes who waits for it and sends what it has published, and a rollback does neither. What each function does
# stands in src/kv/test/sql/hashes.sql, lists.sql, sets.sql, streams.sql and zsets.sql. With two workers.
#
# Seen to fail, each by the tests of its section: pgfirst_kv_read_together() that reads once; store_sub_abort() that leaves
# a read under way; ready_released() and publish_released() that take the end of a savepoint for that of the transaction;
# publish_sub_abort() and publish_sub_commit() that do nothing; publish_abort() that sends; messages of tenant 0
# whoever publishes, or from whichever database; messages that may be prepared; kv_key_put_collection() that notes no
# sorted set.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = pgfirst_node('sqlcollections', workers => 2, conf => "max_prepared_transactions = 2\nautovacuum = off\n");
my $app = redis($node);
my $session = PgfirstStore::Session->new($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# ---- both doors --------------------------------------------------------------------------------

# As text, or null.
sub text { return "convert_from($_[0], 'UTF8')"; }

$app->call('HSET', 'h', 'a', 1, 'b', 2);
$app->call('RPUSH', 'l', 'x', 'y', 'z');
$app->call('SADD', 's', 'm', 'n');
$app->call('ZADD', 'z', 1.5, 'one', 'inf', 'two');
$app->call('XADD', 'st', '1-1', 'f', 'v', 'g', "\xff");
is(sql("SELECT field, value FROM kv.hash_fields WHERE key = 'h' ORDER BY 1"), "a|1\nb|2", 'a hash of a client, in SQL');
is(sql("SELECT string_agg(" . text('e') . ", ',') FROM kv.lrange('l', 0, -1) e"), 'x,y,z', 'a list');
is(sql("SELECT string_agg(member, ',' ORDER BY member) FROM kv.set_members WHERE key = 's'"), 'm,n', 'a set');
is(sql("SELECT member, score, rank FROM kv.zset_members"), "one|1.5|0\ntwo|Infinity|1", 'a sorted set');
is(sql("SELECT id, fields, field_values, field_values_bytes FROM kv.stream_entries WHERE key = 'st'"), '1-1|{f,g}|{v,NULL}|{"\\\\x76","\\\\xff"}', 'a stream');
sql(<<'SQL');
SELECT kv.hset('h', 'c', '\xff00'::bytea), kv.hdel('h', 'a'), kv.lpush('l', ARRAY['w', 'v']), kv.rpop('l'), kv.sadd('s', 'o'),
	kv.srem('s', 'm'), kv.zadd('z', 'three', -2), kv.zincrby('z', 'one', 0.5), kv.xadd('st', ARRAY['h', 'h'], ARRAY['1', '2'], id => '2-*'), kv.xdel('st', '1-1')
SQL
is_deeply({ @{ $app->call('HGETALL', 'h') } }, { b => 2, c => "\xff\0" }, 'the hash changed by SQL, to a client');
is_deeply($app->call('LRANGE', 'l', 0, -1), [qw(v w x y)], 'the list');
is_deeply([ sort @{ $app->call('SMEMBERS', 's') } ], [qw(n o)], 'the set');
is_deeply($app->call('ZRANGE', 'z', 0, -1, 'WITHSCORES'), [qw(three -2 one 2 two inf)], 'the sorted set');
is_deeply($app->call('XRANGE', 'st', '-', '+'), [ [ '2-0', [qw(h 1 h 2)] ] ], 'the stream');

# So many that they are paged.
sql(<<'SQL');
SELECT kv.hset('H', array_agg('f' || i), array_agg('v' || i)), kv.rpush('L', array_agg('e' || i ORDER BY i)), kv.sadd('S', array_agg('m' || i)),
	kv.zadd('Z', array_agg('m' || i), array_agg(i::float8)) FROM generate_series(1, 3000) i;
SELECT kv.xadd('X', 'f', 'e' || i, id => i || '-0') FROM generate_series(1, 3000) i
SQL
is($app->call($_->[0], $_->[1]), 3000, "$_->[0] of what SQL has made") for [ HLEN => 'H' ], [ LLEN => 'L' ], [ SCARD => 'S' ], [ ZCARD => 'Z' ],
	[ XLEN => 'X' ];
is($app->call('LINDEX', 'L', 1234), 'e1235', '… in its order');
is_deeply($app->call('ZRANGE', 'Z', 1000, 1001), [qw(m1001 m1002)], '… and the other one');
is(sql("SELECT count(*) FROM kv.hash_fields WHERE key = 'H' AND substr(field, 2) = substr(value, 2)"), 3000, 'the view of fields');
is(sql("SELECT count(*) FROM kv.list_items WHERE key = 'L' AND value = 'e' || position + 1"), 3000, 'the view of elements');
is(sql("SELECT count(DISTINCT member) FROM kv.set_members WHERE key = 'S'"), 3000, 'the view of members');
is(sql("SELECT count(*) FROM kv.zset_members WHERE key = 'Z' AND member = 'm' || score AND rank = score - 1"), 3000, 'the view of scored members');
is(sql("SELECT count(*) FROM kv.stream_entries WHERE key = 'X' AND 'e' || id = field_values[1] || '-0'"), 3000, 'the view of entries');

# Under other names.
sql("SELECT kv.rename('H', 'h2'), kv.copy('L', 'l2', to_db => 1), kv.copy('S', 's2'), kv.move('Z', 1), kv.move('X', 1)");
is($app->call('HGET', 'h2', 'f7'), 'v7', 'kv.rename of a hash');
is_deeply([ $app->call('EXISTS', 'H'), $app->call('SCARD', 's2'), $app->call('EXISTS', 'Z') ], [ 0, 3000, 0 ], 'kv.copy of a set');
$app->call('SELECT', 1);
is_deeply([ $app->call('LLEN', 'l2'), $app->call('LINDEX', 'l2', -1) ], [ 3000, 'e3000' ], 'kv.copy of a list to another database');
is_deeply([ $app->call('ZCARD', 'Z'), $app->call('ZSCORE', 'Z', 'm5') ], [ 3000, 5 ], 'kv.move of a sorted set');
is_deeply([ $app->call('XLEN', 'X'), $app->call('XREVRANGE', 'X', '+', '-', 'COUNT', 1) ], [ 3000, [ [ '3000-0', [ 'f', 'e3000' ] ] ] ], 'kv.move of a stream');
$app->call('SELECT', 0);

# ---- who watches, and what is read -------------------------------------------------------------

for my $change ("kv.hset('h', 'd', '1')", "kv.rpush('l', 'x')", "kv.sadd('s', 'x')", "kv.zadd('z', 'x', 1)", "kv.xadd('st', 'f', 'x')", "kv.hset('h2', 'f7', 'changed')")
{
	my ($key) = $change =~ /\('(\w+)'/;

	$app->call('WATCH', $key);
	$session->ask("BEGIN; SELECT $change; ROLLBACK");
	$app->call('MULTI');
	$app->call('PING');
	is_deeply($app->call('EXEC'), ['PONG'], "$change, rolled back, changes nothing for who watches");
	$app->call('WATCH', $key);
	sql("SELECT $change");
	$app->call('MULTI');
	$app->call('PING');
	is($app->call('EXEC'), undef, '… committed, it does');
}

$session->ask("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class");
$app->call('HSET', 'h', 'new', 'newest');
$app->call('RPUSH', 'l', 'newest');
$app->call('SADD', 's', 'newest');
$app->call('ZADD', 'z', 99, 'newest');
is($session->ask("SELECT " . text("kv.hget('h', 'new')") . ", " . text("kv.lindex('l', -1)") . ", kv.sismember('s', 'newest'), kv.zscore('z', 'newest')"),
	'newest|newest|t|99', 'REPEATABLE READ reads the newest');
is($session->ask("SELECT value FROM kv.hash_fields WHERE key = 'h' AND field = 'new'"), 'newest', '… through the views as well');
is($session->ask("SELECT kv.hincrby('h', 'b', 5)"), 7, '… and changes it');
$session->ask('COMMIT');

# ---- as of one moment --------------------------------------------------------------------------

# While a client changes several elements at once, again and again, SQL never sees some of them before and some after.
sub one_moment
{
	my ($name, $command, $condition) = @_;
	my $changes = 0;

	$session->send(<<SQL);
DO \$\$
BEGIN
	FOR i IN 1..300 LOOP
		IF NOT ($condition) THEN
			RAISE 'not of one moment: %', i;
		END IF;
	END LOOP;
END
\$\$
SQL
	until ($session->{out} =~ /^\Q$session->{mark}\E$/m)
	{
		my $reply = $app->call(@{ $command->(++$changes) });

		die "$name: $reply" if ($reply // '') =~ /^-/;
		$session->{harness}->pump_nb;
	}
	is($session->answer, '', "$name: all of it of one moment, $changes changes meanwhile");
}

my @fields = map { "field:$_" } 1 .. 400;
my @some = @fields[ map { 40 * $_ } 0 .. 9 ];
my $hset = sub { my ($n) = @_; [ 'HSET', 'moment:h', map { ($_, "value:$n") } @some ] };
$app->call('HSET', 'moment:h', map { ($_, 'value') } @fields);
$app->call(@{ $hset->(0) });
one_moment('kv.hgetall', $hset, "SELECT count(DISTINCT value) = 2 FROM kv.hgetall('moment:h')");
# A read that has failed, behind a savepoint, does not spoil those behind it.
$app->call('SET', 'string', 'x');
$session->ask("BEGIN; DO 'BEGIN PERFORM kv.hgetall(''string''); EXCEPTION WHEN wrong_object_type THEN NULL; END'");
one_moment('kv.hgetall behind an error', $hset, "SELECT count(DISTINCT value) = 2 FROM kv.hgetall('moment:h')");
$session->ask('COMMIT');
one_moment('kv.hash_fields', $hset, "SELECT count(DISTINCT value) = 2 FROM kv.hash_fields WHERE key = 'moment:h'");
my $zadd = sub { my ($n) = @_; [ 'ZADD', 'moment:z', map { ($n, $_) } @some ] };
$app->call('ZADD', 'moment:z', map { (-1, $_) } @fields);
$app->call(@{ $zadd->(0) });
one_moment('kv.zrange', $zadd, "SELECT count(*) = 400 AND count(DISTINCT score) = 2 FROM kv.zrange('moment:z', 0, -1)");
# A list that is turned, and a member that moves from one set to another.
$app->call('RPUSH', 'moment:l', @fields);
one_moment('kv.lrange', sub { [ 'LMOVE', 'moment:l', 'moment:l', 'LEFT', 'RIGHT' ] },
	"SELECT count(*) = 400 AND count(DISTINCT e) = 400 FROM kv.lrange('moment:l', 0, -1) e");
$app->call('XADD', 'moment:x', '*', 'f', $_) for @fields;
one_moment('kv.xrange', sub { [ qw(XADD moment:x MAXLEN = 400 * f v) ] }, "SELECT count(*) = 400 FROM kv.xrange('moment:x', '-', '+')");
$app->call('SADD', 'moment:s', @fields);
$app->call('SADD', 'moment:t', map { "other:$_" } 1 .. 200);
one_moment('kv.sunion', sub { my ($n) = @_; [ 'SMOVE', $n % 2 ? qw(moment:s moment:t) : qw(moment:t moment:s), 'field:7' ] },
	"SELECT count(*) = 600 FROM kv.sunion(ARRAY['moment:s', 'moment:t'])");

# ---- who waits ---------------------------------------------------------------------------------

# A client that has logged in and waits.
sub waiting
{
	my (@words) = @_;
	my ($before) = $app->call('INFO', 'clients') =~ /^blocked_clients:(\d+)/m;
	my $client = redis($node);

	$client->send(@words);
	wait_until("$words[0] waits", sub {
		my ($now) = $app->call('INFO', 'clients') =~ /^blocked_clients:(\d+)/m;
		return $now > $before; });
	return $client;
}

my $waits = waiting('BLPOP', 'q', 0);
$session->ask("BEGIN; SELECT kv.rpush('q', 'x')");
is(($waits->outcome(0))[0], 'silent', 'what is not committed wakes nobody');
$session->ask('COMMIT');
is_deeply($waits->reply, [qw(q x)], '… committed it does');

# The second event says that the first was none: BLPOP looks at its keys in their order.
$waits = waiting('BLPOP', 'q', 'second', 0);
$session->ask("BEGIN; SELECT kv.rpush('q', 'x'); ROLLBACK");
sql("SELECT kv.rpush('second', 'y')");
is_deeply($waits->reply, [qw(second y)], 'what is rolled back wakes nobody');

$waits = waiting('BLPOP', 'q', 'second', 0);
$session->ask("BEGIN; SELECT kv.rpush('second', 'kept'); SAVEPOINT one; SELECT kv.rpush('q', 'x'); ROLLBACK TO one; COMMIT");
is_deeply($waits->reply, [qw(second kept)], 'a savepoint takes back what is behind it, and no more');

for my $case (
	[ "kv.lpush('q', 'v')", [qw(BLPOP q 0)], [qw(q v)] ],
	[ "kv.rpush('q', ARRAY['v', 'w']), kv.lpop('q')", [qw(BRPOP q 0)], [qw(q w)] ],
	[ "kv.rpush('other', 'v'), kv.lmove('other', 'q', 'left', 'right')", [qw(BLMOVE q taken LEFT LEFT 0)], 'v' ],
	[ "kv.rpush('other', 'v'), kv.rename('other', 'q')", [qw(BLMPOP 0 1 q LEFT)], [ 'q', ['v'] ] ],
	[ "kv.rpush('other', 'v'), kv.copy('other', 'q', replace => true)", [qw(BRPOP q 0)], [qw(q v)] ],
	[ "kv.zadd('zq', 'm', 2)", [qw(BZPOPMIN zq 0)], [qw(zq m 2)] ],
	[ "kv.zincrby('zq', 'm', 3)", [qw(BZPOPMAX zq 0)], [qw(zq m 3)] ],
	[ "kv.xadd('xq', 'f', 'v', id => '5-1')", [qw(XREAD BLOCK 0 STREAMS xq $)], [ [ 'xq', [ [ '5-1', [qw(f v)] ] ] ] ] ],
	[ "kv.xadd('new', 'f', 'v', id => '7-1'), kv.rename('new', 'xq')", [qw(XREAD BLOCK 0 STREAMS xq $)], [ [ 'xq', [ [ '7-1', [qw(f v)] ] ] ] ] ])
{
	my ($change, $words, $reply) = @$case;

	$waits = waiting(@$words);
	sql("SELECT $change");
	is_deeply($waits->reply, $reply, "$words->[0] is woken by $change");
}

# As many as are pushed, in both workers, the first one first.
my @all = map { waiting('BLPOP', 'q', 0) } 1 .. 4;
sql("SELECT kv.rpush('q', ARRAY['1', '2', '3'])");
my %got;
wait_until('three have got one', sub {
	for my $i (0 .. $#all)
	{
		my ($what, $reply) = $all[$i]->outcome(0);
		$got{$i} = $reply->[1] if $what eq 'reply';
	}
	return keys %got == 3; });
is_deeply([ sort values %got ], [ 1, 2, 3 ], 'each element wakes one');
sql("SELECT kv.rpush('q', '4')");
my ($left) = grep { !exists $got{$_} } 0 .. $#all;
is_deeply($all[$left]->reply, [qw(q 4)], '… and the next one the last');

# ---- messages ----------------------------------------------------------------------------------

my $listens = redis($node);
$listens->call('SUBSCRIBE', 'news');
$listens->call('PSUBSCRIBE', 'w*');
$session->ask("BEGIN; SELECT kv.publish('news', 'one')");
$app->call('PUBLISH', 'news', 'two');
is_deeply($listens->reply, [qw(message news two)], 'nothing is told before the commit');
$session->ask('COMMIT');
is_deeply($listens->reply, [qw(message news one)], '… and with it, it is');
$session->ask("BEGIN; SELECT kv.publish('news', 'taken back'); ROLLBACK; BEGIN; SELECT kv.publish('news', 'after'); COMMIT");
is_deeply($listens->reply, [qw(message news after)], 'a rollback takes back what was published');
sql("SELECT kv.publish('weather', '\\x00ff'::bytea), kv.publish('\\x77ff'::bytea, 'x'::bytea), kv.publish('', ''), kv.publish('news', '')");
is_deeply($listens->reply, [ qw(pmessage w* weather), "\0\xff" ], 'bytes, by a pattern');
is_deeply($listens->reply, [ qw(pmessage w*), "w\xff", 'x' ], '… of a channel');
is_deeply($listens->reply, [ qw(message news), '' ], '… and nothing, which is a message');

$session->ask(<<'SQL');
BEGIN; SELECT kv.publish('news', 'a'); SAVEPOINT one; SELECT kv.publish('news', 'b'); ROLLBACK TO one; SELECT kv.publish('news', 'c');
SAVEPOINT two; SELECT kv.publish('news', 'd'); SAVEPOINT three; SELECT kv.publish('news', 'e'); RELEASE three; ROLLBACK TO two;
SAVEPOINT four; SELECT kv.publish('news', 'f'); RELEASE four; SELECT kv.publish('news', 'g'); COMMIT
SQL
is_deeply([ map { $listens->reply->[2] } 1 .. 4 ], [qw(a c f g)], 'savepoints');

$session->ask("BEGIN; SELECT kv.set('told', 'there'), kv.publish('news', 'look'); COMMIT");
is($listens->reply->[2], 'look', 'who is told');
is($app->call('GET', 'told'), 'there', '… finds it');
like($session->ask("BEGIN; SELECT kv.publish('news', 'never'); PREPARE TRANSACTION 'p'"), qr/cannot PREPARE a transaction that holds messages/,
	'it is not prepared');
$session->ask('ROLLBACK');
sql("BEGIN READ ONLY; SELECT kv.publish('news', 'read only'); COMMIT");
is($listens->reply->[2], 'read only', 'a transaction that only reads may publish');

# Only the same tenant's.
sql("CREATE ROLE other LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA kv TO other; SELECT kv.set_tenant('other', 7)");
my $other = redis($node, user => 'other');
$other->call('SUBSCRIBE', 'news');
sql("SELECT kv.publish('news', 'ours')");
$node->safe_psql('postgres', "SELECT kv.publish('news', 'theirs')", extra_params => [ '-U', 'other' ]);
sql("SELECT kv.publish('news', 'last')");
is_deeply($other->reply, [qw(message news theirs)], 'messages of another tenant');
is_deeply([ map { $listens->reply->[2] } 1 .. 2 ], [qw(ours last)], '… stay with it');

# Nobody listens in a database that no door serves.
sql('CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', "CREATE EXTENSION pgfirst_kv CASCADE; SELECT kv.publish('news', 'elsewhere')");
sql("SELECT kv.publish('news', 'here')");
is($listens->reply->[2], 'here', 'a message of another database goes nowhere');

is(store_check($node), '', 'the store is good');
$session->end;
$node->stop;
done_testing();
