# SPDX-License-Identifier: PostgreSQL
#
# 084_pipelines.pl: commands that come many at once are parsed ahead of their turn, and answered as if each had come alone.
#
# PGFIRST_SEED repeats a run.  Seen to fail: kv_ahead_parse() that takes over what a stranger has sent; looked_take() that
# takes the next one, whosever it is; keep() that says which command it is where its subcommand decides.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use Test::More;
use Time::HiRes qw(time);

my $seed = $ENV{PGFIRST_SEED} || int(time() * 1000) % 1_000_000_000;
note "PGFIRST_SEED=$seed";
srand($seed);

my $node = pgfirst_node('pipelines', workers => 1, conf => "autovacuum = off");
my $redis = redis($node);

sub encode { return PgfirstTest::Redis::encode(@_); }

# Bytes, and nothing else: references become what they hold.
sub said { my ($reply) = @_; return ref $reply ? '[' . join(' ', map { said($_) } @$reply) . ']' : $reply // '(nil)'; }

# ---- alone, and with others ----------------------------------------------------------------------

# Commands of client $n, each of which says the same whatever others do, as bytes.
sub command
{
	my ($n) = @_;
	my $key = "$n:" . int rand 5;
	my $text = 'v' x (rand() < 0.9 ? rand 60 : rand 5000);
	my @kinds = (
		sub { encode('SET', $key, $text) }, sub { encode('get', $key) }, sub { encode('INCR', "$n:number") },
		sub { encode('HSET', "$n:hash", 'f' . int rand 50, $text) }, sub { encode('HGET', "$n:hash", 'f' . int rand 50) },
		sub { encode('MSET', map { ("$n:m$_", $_) } 1 .. 10) }, sub { encode('MGET', map { "$n:m$_" } 1 .. 12) },
		sub { encode('RPUSH', "$n:list", map { "e$_" } 1 .. 1 + rand 9) }, sub { encode('LRANGE', "$n:list", 0, 3) },
		sub { encode('OBJECT', 'ENCODING', $key) }, sub { encode('Client', 'SETNAME', "name$n") }, sub { encode('CLIENT', 'GETNAME') },
		sub { encode('OBJECT', 'NOTHING', $key) }, sub { encode('CLIENT') }, sub { encode('CONFIG', 'GET', 'maxmemory-policy') },
		sub { encode('NOTHING', $key) }, sub { encode('GET') }, sub { encode('GET', $key, 'more') }, sub { encode('SET', $key, $text, 'EX', 'x') },
		sub { "PING inline\r\n" }, sub { "\r\nECHO \"a b\"\r\n" }, sub { "*0\r\n" . encode('PING') },
		sub { join '', encode('MULTI'), encode('SET', $key, 'm'), encode('GET', $key), encode(rand() < 0.5 ? 'EXEC' : 'DISCARD') },
		sub { encode('EVAL', 'local n = 0 for i = 1, 200000 do n = n + i end return n', 0) });

	return $kinds[ rand @kinds ]->();
}

my $clients = 8;
my @commands = map { my $n = $_; [ map { command($n) } 1 .. 400 ] } 1 .. $clients;
my $stop = 'STOP' . '!' x 20;

# What all of it says until the echo of $stop.
sub answers
{
	my ($client) = @_;
	my @answers;

	$client->raw(encode('ECHO', $stop));
	while (1)
	{
		my $answer = said($client->reply);

		return @answers if $answer eq $stop;
		push @answers, $answer;
	}
}

my @expected;
for my $n (1 .. $clients)
{
	my $client = redis($node);

	for my $command (@{ $commands[ $n - 1 ] })
	{
		$client->raw($command);
		push @{ $expected[ $n - 1 ] }, answers($client);
	}
	$client->close;
}
for my $round (1 .. 3)
{
	my @all = map { redis($node) } 1 .. $clients;
	my @left = map { join '', @$_ } @commands;

	$redis->call('FLUSHALL');
	# In pieces that end anywhere.
	while (grep { $_ ne '' } @left)
	{
		for my $n (0 .. $clients - 1)
		{
			$all[$n]->raw(substr $left[$n], 0, 1 + int rand 20_000, '') if $left[$n] ne '';
		}
	}
	my @wrong = grep { join("\n", answers($all[$_])) ne join("\n", @{ $expected[$_] }) } 0 .. $clients - 1;
	is("@wrong", '', "round $round: $clients clients with 400 commands each, pipelined, are answered as one by one");
	$_->close for @all;
}

# ---- who is a stranger from now on ---------------------------------------------------------------

my $stranger = PgfirstTest::Redis->new(port => redis_port($node));
$stranger->raw(join '', encode('PING'), encode('AUTH', 'nobody', 'wrong'), encode('GET', 'key'), map { encode('GET', 'k' x 20_000) } 1 .. 2);
like($stranger->reply, qr/^-NOAUTH/, 'a stranger');
like($stranger->reply, qr/^-WRONGPASS/, '… whom nobody knows');
like($stranger->reply, qr/^-NOAUTH/, '… may not read');
is($stranger->reply, '-ERR Protocol error: unauthenticated bulk length', '… nor send much, though it has all come at once');
is($stranger->outcome(30), 'closed', '… and is closed');
$stranger = redis($node);
$stranger->raw(join '', encode('PING'), encode('RESET'), encode('GET', 'key'), encode('GET', 'k' x 20_000), encode('PING'));
is($stranger->reply, 'PONG', 'one who is known');
is($stranger->reply, 'RESET', '… and is not any more');
like($stranger->reply, qr/^-NOAUTH/, '… may not read');
is($stranger->reply, '-ERR Protocol error: unauthenticated bulk length', '… nor send much, though it was there before');
is($stranger->outcome(30), 'closed', '… and is closed');

# ---- who is answered otherwise from now on ---------------------------------------------------------

my $silent = redis($node);
$silent->raw(join '', encode('CLIENT', 'REPLY', 'SKIP'), encode('INCR', 'silent'), encode('CLIENT', 'REPLY', 'OFF'),
	(map { encode('INCR', 'silent') } 1 .. 5), encode('CLIENT', 'REPLY', 'ON'), encode('GET', 'silent'));
is($silent->reply, 'OK', 'who wants no replies');
is($silent->reply, 6, '… has none until it does, and its commands are done');
$silent->raw(join '', encode('SUBSCRIBE', 'channel'), encode('GET', 'silent'), encode('PING'), encode('UNSUBSCRIBE', 'channel'), encode('GET', 'silent'));
is_deeply($silent->reply, [ 'subscribe', 'channel', 1 ], 'who subscribes');
like($silent->reply, qr/^-ERR Can't execute 'get'/, '… only listens');
is_deeply($silent->reply, [ 'pong', '' ], '… and may ask whether anybody is there');
is_deeply($silent->reply, [ 'unsubscribe', 'channel', 0 ], '… until it does not');
is($silent->reply, 6, '… and is answered again');

# ---- who waits within -----------------------------------------------------------------------------

my $waiter = redis($node);
$waiter->raw(join '', encode('INCR', 'before'), encode('BLPOP', 'queue', 0), map { encode('INCR', 'behind') } 1 .. 20);
is($waiter->reply, 1, 'what is in front of a command that waits');
$redis->raw(join '', map { encode(@$_) } [ 'GET', 'behind' ], [ 'RPUSH', 'queue', 'one' ], map { [ 'INCR', 'beside' ] } 1 .. 20);
is($redis->reply, undef, '… is done, and what is behind it is not');
is($redis->reply, 1, 'it is given what it waits for');
is_deeply([ map { $redis->reply } 1 .. 20 ], [ 1 .. 20 ], '… within a pipeline');
is_deeply($waiter->reply, [ 'queue', 'one' ], '… gets it');
is_deeply([ map { $waiter->reply } 1 .. 20 ], [ 1 .. 20 ], '… and goes on with what is behind');

is($node->safe_psql('postgres', 'SELECT count(*) FROM kv.check()'), '0', 'kv.check()');
$node->stop;

done_testing();
