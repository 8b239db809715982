# SPDX-License-Identifier: PostgreSQL
#
# 078_waiting.pl: clients that wait for keys, where it is difficult: who meets a lock while it waits, very many at
# once, databases that are emptied or exchanged, waiters for another type in front, and what does not come by a command.
#
# Seen to fail: a lock whose end wakes nobody who waits for keys as well; a wait that ends only if nothing else kept the client from its key meanwhile; notes of which the last
# are forgotten; waits that are of an epoch; waiters that end the round for all behind them; rows that tell nobody; a
# timeout that begins with the first of two commands of a transaction.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = pgfirst_node('waiting', conf => "pgfirst.redis_lock_timeout = '60s'");
my $redis = redis($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Connections whose command waits, in this order.
sub waiters
{
	my ($count, @command) = @_;
	my $is = sub { $redis->call('INFO', 'clients') =~ /^blocked_clients:(\d+)/m ? $1 : die };
	my $begun = $is->();
	my @waiters;
	for my $i (1 .. $count)
	{
		push @waiters, my $client = redis($node);
		$client->send(map { ref $_ ? $_->($i) : $_ } @command);
		wait_until('it waits', sub { $is->() == $begun + $i });
	}
	return @waiters;
}

sub answer
{
	my ($client) = @_;
	my ($what, $reply) = $client->outcome(10);
	return $what eq 'silent' ? 'nothing' : ref $reply ? "@$reply" : $reply // 'nil';
}

# ---- a lock ----------------------------------------------------------------------------------------

my ($waiter) = waiters(1, 'BLPOP', 'locked', 'other', 0);
my $holder = $node->background_psql('postgres');
$holder->query_safe("BEGIN; SELECT kv.set('locked', 'x')");
is($redis->call('RPUSH', 'other', 'one'), 1, 'while SQL has one of two keys, the other is given something');
$holder->query_safe('ROLLBACK');
is(answer($waiter), 'other one', '… and when it lets go, the client is served');
is($redis->call('RPUSH', 'other', 'two'), 1, '… and waits no longer');
is($redis->call('LLEN', 'other'), 1, '… for anything');
is_deeply($waiter->call('BLPOP', 'other', 0), [ 'other', 'two' ], 'it goes on');

# ---- very many -------------------------------------------------------------------------------------

my @many = waiters(150, 'BLPOP', 'many', 0);
$redis->raw(join '', map { PgfirstTest::Redis::encode('RPUSH', 'many', $_) } 1 .. 150);
$redis->reply for 1 .. 150;
is_deeply([ map { answer($_) } @many ], [ map { "many $_" } 1 .. 150 ], 'a hundred and fifty are served in their order');
@many = waiters(1, 'BLPOP', 'key 130', 0);
$redis->call('MULTI');
$redis->call('RPUSH', "key $_", 'x') for 1 .. 150;
$redis->call('EXEC');
is(answer($many[0]), 'key 130 x', 'of a hundred and fifty keys of one transaction, each counts');

# ---- what is no command ----------------------------------------------------------------------------------

my $copy = $node->basedir . '/copy';
is($redis->call('RPUSH', 'restored', 'a', 'b'), 2, 'a list');
sql("COPY kv.database_0 TO '$copy'");
is($redis->call('FLUSHDB'), 'OK', '… is gone');
my ($restored) = waiters(1, 'BLPOP', 'restored', 0);
sql("COPY kv.database_0 FROM '$copy'");
is(answer($restored), 'restored a', '… and restored, for one who waits');

# ---- databases ---------------------------------------------------------------------------------------

my ($flushed) = waiters(1, 'BRPOP', 'flushed', 0);
is($redis->call('FLUSHDB'), 'OK', 'a database is emptied');
is($redis->call('LPUSH', 'flushed', 'new'), 1, '… and given something');
is(answer($flushed), 'flushed new', '… for which who waited before waits still');
($flushed) = waiters(1, 'BRPOP', 'flushed', 0);
is($redis->call('FLUSHALL'), 'OK', 'all are emptied');
is($redis->call('LPUSH', 'flushed', 'new'), 1, '… and given something');
is(answer($flushed), 'flushed new', '… likewise');

my ($swapped) = waiters(1, 'BLPOP', 'swapped', 0);
$redis->call('SELECT', 1);
is($redis->call('RPUSH', 'swapped', 'from one'), 1, 'in another database nobody waits');
is($redis->call('SWAPDB', 0, 1), 'OK', '… until it is exchanged');
is(answer($swapped), 'swapped from one', '… and then it is served');
$redis->call('SELECT', 0);

my ($zero) = waiters(1, 'BLPOP', 'numbered', 0);
my $one = redis($node);
$one->call('SELECT', 2);
my ($two) = do
{
	$one->send('BLPOP', 'numbered', 0);
	wait_until('both wait', sub { $redis->call('INFO', 'clients') =~ /^blocked_clients:2/m });
	$one;
};
my $third = redis($node);
$third->call('SELECT', 2);
is($third->call('RPUSH', 'numbered', 'two'), 1, 'a key of the same name elsewhere');
is(answer($two), 'numbered two', '… is for those who wait there');
is($redis->call('RPUSH', 'numbered', 'zero'), 1, 'and this one');
is(answer($zero), 'numbered zero', '… for those who wait here');

# ---- types --------------------------------------------------------------------------------------------

my ($list) = waiters(1, 'BLPOP', 'typed', 0);
my ($zset) = waiters(1, 'BZPOPMIN', 'typed', 0);
is($redis->call('ZADD', 'typed', 1, 'm'), 1, 'behind one who waits for a list,');
is(answer($zset), 'typed m 1', '… one who waits for a sorted set is served');
is($redis->call('RPUSH', 'typed', 'e'), 1, 'and then');
is(answer($list), 'typed e', '… the other');

$redis->call('SET', 'string', 1);
is_deeply([ map { $redis->call(@$_) } [ 'MULTI' ], [ 'BLPOP', 'empty', 1 ], [ 'BLPOP', 'string', 1 ] ], [ 'OK', 'QUEUED', 'QUEUED' ],
	'in a transaction nobody waits');
my $replies = $redis->call('EXEC');
is($replies->[0], undef, '… for what is empty');
like($replies->[1], qr/^-WRONGTYPE/, '… and what is no list is an error, in the second place, too');

# ---- the end ----------------------------------------------------------------------------------------------

is($redis->call('INFO', 'clients') =~ /^blocked_clients:(\d+)/m ? $1 : '', 0, 'nobody waits in the end');

$holder->quit;
$node->stop;
done_testing();
