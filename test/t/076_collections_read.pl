# SPDX-License-Identifier: PostgreSQL
#
# 076_collections_read.pl: a large collection is read as of one moment, and in the end, while others change it without a pause.
#
# Seen to fail: kv_reply_together() that reads it in one go, again and again, until nobody has come between (the other clients of
# the worker wait for seconds); the same with one try (what is read is of two moments).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use Test::More;
use Time::HiRes qw(time);

my $count = 60_000;
my $node = pgfirst_node('read', workers => 2, conf => "autovacuum = off\n");
my $redis = redis($node);

sub fill
{
	for (my $from = 0; $from < $count; $from += 1000)
	{
		my @numbers = $from .. $from + 999;
		$redis->call('HSET', 'hash', map { ("f$_", "v$_") } @numbers);
		$redis->call('ZADD', 'zset', map { ($_ + 10, "m$_") } @numbers);
		$redis->call('RPUSH', 'list', map { "e$_" } @numbers);
	}
	$redis->call('HSET', 'hash', 'a', 0, 'b', 0);
	$redis->call('ZADD', 'zset', 1, 'a', 1, 'b');
	$redis->call('LPUSH', 'list', 0);
	$redis->call('RPUSH', 'list', 0);
	return;
}

# What each of these changes in one go is read in one go: two elements that are equal, and how many there are.
sub writer
{
	my ($number) = @_;
	my $redis = redis($node);

	for (my $n = 1; ; $n++)
	{
		my $mark = "$number$n";
		my @commands = (
			[ 'HSET', 'hash', 'a', $mark, 'b', $mark, "new$number", 1 ], [ 'HDEL', 'hash', "new$number" ],
			[ 'ZADD', 'zset', $mark, 'a', $mark, 'b', 5, "new$number" ], [ 'ZREM', 'zset', "new$number" ],
			[ 'EVAL', "redis.call('LSET', KEYS[1], 0, ARGV[1]) redis.call('LSET', KEYS[1], -1, ARGV[1])", 1, 'list', $mark ]);
		my @all = map { PgfirstTest::Redis::encode(@$_) } (@commands) x 10;
		$redis->raw(join '', @all);
		$redis->reply for @all;
	}
}

fill();
my @pids;
for my $number (1 .. 3)
{
	my $pid = fork // die;
	if ($pid == 0)
	{
		eval { writer($number); 1; };
		require POSIX;
		POSIX::_exit(0);
	}
	push @pids, $pid;
}

# Asks the worker of this one for something else again and again, until it is told to end; says how long it has waited at most.
sub worker_of { return $_[0]->call('INFO', 'server') =~ /^process_id:(\d+)/m ? $1 : die; }

my $beside = redis($node);
$beside = redis($node) while worker_of($beside) ne worker_of($redis);
pipe(my $from, my $to) or die;
my $asker = fork // die;
if ($asker == 0)
{
	my $ends = 0;
	my $longest = 0;

	local $SIG{TERM} = sub { $ends = 1 };
	while (!$ends)
	{
		my $begun = time;
		$beside->call('PING');
		$longest = time - $begun if time - $begun > $longest;
		select undef, undef, undef, 0.02;
	}
	syswrite $to, "$longest\n";
	require POSIX;
	POSIX::_exit(0);
}

my @reads = (
	[ [ 'HGETALL', 'hash' ], sub { my %all = @{ $_[0] }; keys %all >= $count + 2 && $all{a} eq $all{b} && keys(%all) * 2 == @{ $_[0] } } ],
	[ [ 'ZRANGE', 'zset', 0, -1, 'WITHSCORES' ], sub { my %all = @{ $_[0] }; keys %all >= $count + 2 && $all{a} eq $all{b} } ],
	[ [ 'LRANGE', 'list', 0, -1 ], sub { my @all = @{ $_[0] }; @all == $count + 2 && $all[0] eq $all[-1] } ],
	[ [ 'HMGET', 'hash', 'a', map({ "f$_" } 1 .. 500), 'b' ], sub { $_[0][0] eq $_[0][-1] } ]);
for my $round (1 .. 2)
{
	for my $read (@reads)
	{
		my ($words, $holds) = @$read;
		my $begun = time;

		$redis->send(@$words);
		my ($what, $reply) = $redis->outcome(40);
		is($what, 'reply', "$words->[0] is answered") or last;
		ok(ref $reply eq 'ARRAY' && $holds->($reply), '… as of one moment') or diag(ref $reply ? scalar @$reply : $reply);
		note sprintf '%.2f s', time - $begun;
	}
}
kill 'TERM', $asker;
chomp(my $longest = <$from>);
cmp_ok($longest, '<', 3, 'the other clients of its worker are served');
note sprintf '%.2f s', $longest;
kill 'TERM', @pids;
waitpid($_, 0) for $asker, @pids;
is($redis->call('HLEN', 'hash') >= $count + 2, 1, 'the session goes on');
$node->stop;
done_testing();
