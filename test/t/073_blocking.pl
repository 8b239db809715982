# SPDX-License-Identifier: PostgreSQL
#
# 073_blocking.pl: commands that wait for an element: who is served, in which order, by whose push, and what ends the wait
# otherwise. With two workers.
#
# Seen to fail: kv_waits_begin() that pushes at the head (LIFO); slot_ring() that rings no other worker; serve_key() that stops at a client that
# waits for another type; argument_of_step() that looks at no key first; wait_for_keys() that begins the time anew; kv_list_carry() that
# answers WRONGTYPE to who has waited; pause_is_lifted() that leaves the deadlines (whose time is up waits for the end of the pause).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use Test::More;
use Time::HiRes qw(time);

my $node = pgfirst_node('blocking', workers => 2, conf => "autovacuum = off\n");
my $wrong_type = '-WRONGTYPE Operation against a key holding the wrong kind of value';

# ---- clients ---------------------------------------------------------------------------------

# A client in worker 0 or 1.
sub in_worker { my ($worker) = @_; return redis_in_worker($node, $worker); }
my ($here, $there) = (in_worker(0), in_worker(1));

sub waiting { return $here->call('INFO', 'clients') =~ /^blocked_clients:(\d+)/m ? $1 : die; }
sub wait_for_waiting { my ($count) = @_; wait_until("$count clients wait", sub { waiting() == $count; }); return; }

# Sends a command that waits, and returns when it does.
sub waits
{
	my ($client, @words) = @_;
	my $before = waiting();

	$client->send(@words);
	wait_for_waiting($before + 1);
	return $client;
}

# Several clients that wait, one after the other; each a worker and its command.
sub all_wait { return map { my ($worker, @words) = @$_; waits(in_worker($worker), @words) } @_; }

sub served
{
	my ($name, $client, $expected) = @_;

	my ($what, @reply) = $client->outcome(10);
	is_deeply([ $what, @reply ], [ 'reply', $expected ], $name);
	die "everything after this would wait in vain\n" if $what ne 'reply';
}

sub still_waits { my ($name, $client) = @_; is(($client->outcome(0.1))[0], 'silent', $name); }

sub exec_of
{
	my ($redis, @commands) = @_;

	$redis->call('MULTI') eq 'OK' or die;
	$redis->call(@$_) for @commands;
	return $redis->call('EXEC');
}

# ---- time ------------------------------------------------------------------------------------

for my $command ([qw(BLPOP q r)], [qw(BRPOP q)], [qw(BLMOVE q r LEFT RIGHT)], [qw(BRPOPLPUSH q r)], [qw(BZPOPMIN q r)], [qw(BZPOPMAX q)],
	[qw(BLMPOP 0.1 2 q r LEFT)], [qw(BZMPOP 0.1 1 q MIN)])
{
	my @words = $command->[0] =~ /MPOP/ ? @$command : (@$command, '0.1');
	my $begun = time;
	is($here->call(@words), undef, "$words[0]: null when its time is up");
	my $took = time - $begun;
	ok($took >= 0.1 && $took < 10, '… and not before') or diag($took);
}
is(waiting(), 0, '… and nobody waits');

my $begun = time;
my $patient = in_worker(0);
waits($patient, 'BLPOP', 'q', '0.5');
for (1 .. 5)
{
	$there->call('ZADD', 'q', 1, 'x');
	$there->call('DEL', 'q');
	$here->call('SET', 'q', 1);
	$here->call('DEL', 'q');
}
served('what others do in vain', $patient, undef);
ok(time - $begun >= 0.5, '… makes the wait no shorter');
ok(time - $begun < 10, '… and no longer');

# ---- order -----------------------------------------------------------------------------------

for my $worker (0, 1)
{
	my $where = $worker ? 'of another worker' : 'of the same worker';
	my @clients = all_wait([ 0, 'BLPOP', 'q', 0 ], [ 0, 'BRPOP', 'r', 'q', 0 ], [ 0, 'BLMPOP', 0, 2, 'q', 'r', 'LEFT' ],
		[ 0, 'BLMOVE', 'q', 'moved', 'LEFT', 'RIGHT', 0 ], [ 0, 'BRPOPLPUSH', 'q', 'moved', 0 ]);
	is(waiting(), 5, 'five clients wait');
	like($here->call('CLIENT', 'LIST'), qr/ flags=b /, '… as CLIENT LIST shows');
	my $pusher = $worker ? $there : $here;
	is($pusher->call('RPUSH', 'q', 1 .. 4), 4, "a push of a client $where");
	served('… serves who came first', $clients[0], [qw(q 1)]);
	served('… then the next, from its end', $clients[1], [qw(q 4)]);
	served('… and the next', $clients[2], [ 'q', ['2'] ]);
	served('… and the next', $clients[3], '3');
	still_waits('… until there is nothing', $clients[4]);
	is($pusher->call('LPUSH', 'q', 'late'), 1, 'another push');
	served('… serves the last', $clients[4], 'late');
	is_deeply($pusher->call('LRANGE', 'moved', 0, -1), [qw(late 3)], '… and what was moved is there');
	$pusher->call('DEL', 'moved');
	is(waiting(), 0, 'nobody waits');

	@clients = all_wait(map { [ 0, $_, 'z', 0 ] } qw(BZPOPMIN BZPOPMAX BZPOPMIN));
	is($pusher->call('ZADD', 'z', 1, 'a', 2, 'b', 3, 'c', 4, 'd'), 4, "members of a sorted set, from a client $where");
	served('… the lowest', $clients[0], [qw(z a 1)]);
	served('… the highest', $clients[1], [qw(z d 4)]);
	served('… the lowest of what is left', $clients[2], [qw(z b 2)]);
	is_deeply($pusher->call('ZRANGE', 'z', 0, -1), ['c'], '… in which nothing else has changed');
	$pusher->call('DEL', 'z');
	@clients = all_wait([ 0, 'BZMPOP', 0, 2, 'none', 'z', 'MAX', 'COUNT', 2 ]);
	$pusher->call('ZADD', 'z', 1, 'a', 2, 'b', 3, 'c');
	my ($what, $reply) = $clients[0]->outcome(10);
	is(join(' ', $reply->[0], map { @$_ } @{ $reply->[1] }), 'z c 3 b 2', 'BZMPOP takes as many as it wants');
	$pusher->call('DEL', 'z');
}

# Who has waited longest for one key, and not who was first in the list of another one.
my @several = all_wait([ 0, 'BLPOP', 'x', 'y', 0 ], [ 0, 'BLPOP', 'y', 0 ], [ 0, 'BLPOP', 'x', 0 ]);
$here->call('RPUSH', 'x', 'x1');
served('the first of those who wait for a key', $several[0], [qw(x x1)]);
$here->call('RPUSH', 'x', 'x2');
served('… then the next', $several[2], [qw(x x2)]);
$here->call('RPUSH', 'y', 'y1');
served('… who has been served is in nobody\'s way', $several[1], [qw(y y1)]);
$here->call('RPUSH', $_, "$_ has") for qw(one two);
is_deeply($here->call('BLPOP', 'none', 'two', 'one', 0), [ 'two', 'two has' ], 'of several lists that have something, the first as they are named');
is_deeply($here->call('BLPOP', 'none', 'two', 'one', 0), [ 'one', 'one has' ], '… then the next');
@several = all_wait([ 0, 'BLPOP', 'x', 'y', 0 ]);
exec_of($here, [qw(RPUSH y 1)], [qw(RPUSH x 1)]);
served('of those that get something at once, the one that got it first', $several[0], [qw(y 1)]);
$here->call('DEL', 'x');

# Two types.
@several = all_wait([ 0, 'BZPOPMIN', 'k', 0 ], [ 0, 'BLPOP', 'k', 0 ], [ 0, 'BZPOPMAX', 'k', 0 ]);
$there->call('RPUSH', 'k', 1);
served('who waits for a sorted set is in nobody\'s way who waits for a list', $several[1], [qw(k 1)]);
$there->call('ZADD', 'k', 1, 'a', 2, 'b');
served('… and is served when it is one', $several[0], [qw(k a 1)]);
served('… in order', $several[2], [qw(k b 2)]);

# ---- many ------------------------------------------------------------------------------------

my @crowd = map { in_worker($_ % 2) } 1 .. 40;
$_->send('BLPOP', 'm1', 'm2', 0) for @crowd;
wait_for_waiting(40);
for my $round (0 .. 9)
{
	$here->send('RPUSH', 'm' . (1 + $round % 2), map { "here:$round:$_" } 1 .. 2);
	$there->send('RPUSH', 'm' . (2 - $round % 2), map { "there:$round:$_" } 1 .. 2);
}
my %got;
for my $client (@crowd)
{
	my ($what, $reply) = $client->outcome(10);
	$got{ $what eq 'reply' ? $reply->[1] : $what }++;
}
is_deeply([ sort keys %got ], [ sort map { my $end = $_; map { ("$end:$_:1", "$end:$_:2") } 0 .. 9 } qw(here there) ],
	'forty clients in two workers, and forty elements from both: each gets one');
$_->reply for ($here, $there) x 10;
is($here->call('EXISTS', 'm1', 'm2'), 0, '… and nothing is left');
is(waiting(), 0, '… nor anybody');

# ---- MULTI and scripts -----------------------------------------------------------------------

is_deeply(exec_of($here, [qw(BLPOP none 0)], [qw(BLMOVE none q LEFT LEFT 0)], [qw(BZPOPMIN none 0)], [qw(BZMPOP 0 1 none MIN)], ['PING']),
	[ undef, undef, undef, undef, 'PONG' ], 'within MULTI nothing waits');
is($here->call('EVAL', "return redis.call('BLMPOP', 0, 1, 'none', 'LEFT')", 0), undef, '… nor in a script');
# Seen to fail: with who has waited told by a time to wait until, which WAIT has set.
$here->call('SET', 'string', 'x');
is_deeply(exec_of($here, [qw(WAIT 1 1)], [qw(LMOVE string q LEFT LEFT)], [qw(BLPOP string 0)], [qw(BZPOPMIN string 0)]),
	[ 0, ($wrong_type) x 3 ], '… and behind WAIT a key of another type is one');
$here->call('DEL', 'string');
$here->call('RPUSH', 'q', 1, 2);
is_deeply(exec_of($here, [qw(BLPOP q 0)], [qw(BRPOP none q 0)]), [ [qw(q 1)], [qw(q 2)] ], '… and what is there is taken');

for my $worker (0, 1)
{
	my $pusher = $worker ? $there : $here;
	my @clients = all_wait(map { [ 0, 'BLPOP', 'q', 0 ] } 1 .. 2);
	is_deeply(exec_of($pusher, [qw(RPUSH q 1)], [qw(LPUSH q 2 3)], [qw(LPOP q)], [qw(LLEN q)]), [ 1, 3, 3, 2 ],
		'a transaction that pushes and pops sees what it has pushed');
	served('… what it leaves is for who waits', $clients[0], [qw(q 2)]);
	served('… in order', $clients[1], [qw(q 1)]);
	@clients = all_wait([ 0, 'BLPOP', 'q', 0 ]);
	is_deeply(exec_of($pusher, [qw(RPUSH q 1)], [qw(DEL q)]), [ 1, 1 ], 'a transaction that takes back what it has pushed');
	still_waits('… serves nobody', $clients[0]);
	is($pusher->call('EVAL', "redis.call('RPUSH', 'q', 'a') return redis.call('RPUSH', 'q', 'b')", 0), 2, 'a script that pushes');
	served('… serves who waits, when it is over', $clients[0], [qw(q a)]);
	$pusher->call('DEL', 'q');
}

# A push and what comes behind it in one pipeline.
my ($first) = all_wait([ 0, 'BRPOP', 'q', 0 ]);
$here->raw(join '', map { PgfirstTest::Redis::encode(@$_) } [qw(LPUSH q 1)], [qw(LPOP q)], [qw(LLEN q)]);
is_deeply([ map { $here->reply } 1 .. 3 ], [ 1, undef, 0 ], 'who waits comes before the next command of who has pushed');
served('… and is served', $first, [qw(q 1)]);
$first->raw(join '', map { PgfirstTest::Redis::encode(@$_) } [qw(BLPOP q q 0)], ['PING'], [qw(BLPOP q 0)]);
wait_for_waiting(1);
$there->call('RPUSH', 'q', 1, 2);
is_deeply([ map { $first->reply } 1 .. 3 ], [ [qw(q 1)], 'PONG', [qw(q 2)] ], 'what follows the command that waits is answered behind it');

# ---- WATCH -----------------------------------------------------------------------------------

for my $worker (0, 1)
{
	my $watcher = in_worker($worker);
	$watcher->call('WATCH', 'q');
	my ($client) = all_wait([ 0, 'BLPOP', 'q', 0 ]);
	$there->call('RPUSH', 'q', 1);
	served('a watched list gets an element, which is taken at once', $client, [qw(q 1)]);
	is(exec_of($watcher, ['PING']), undef, '… it has changed');
	$watcher->call('WATCH', 'target');
	($client) = all_wait([ 0, 'BLMOVE', 'q', 'target', 'LEFT', 'LEFT', 0 ]);
	$there->call('RPUSH', 'q', 1);
	served('an element is moved to a watched list', $client, '1');
	is(exec_of($watcher, ['PING']), undef, '… it has changed');
	$watcher->call('WATCH', 'quiet');
	($client) = all_wait([ 0, 'BLPOP', 'quiet', 0 ]);
	$here->call('CLIENT', 'UNBLOCK', $here->call('CLIENT', 'LIST') =~ /^id=(\d+) .* flags=b /m);
	served('a wait that ends', $client, undef);
	is_deeply(exec_of($watcher, ['PING']), ['PONG'], '… has changed nothing');
	$there->call('DEL', 'target');
}

# ---- what ends it ----------------------------------------------------------------------------

for my $worker (0, 1)
{
	my ($other, $client) = (in_worker(1 - $worker), in_worker($worker));
	my $id = $client->call('CLIENT', 'ID');
	is($other->call('CLIENT', 'UNBLOCK', $id), 0, "CLIENT UNBLOCK, in worker $worker, of one that does not wait");
	waits($client, 'BLPOP', 'q', 0);
	is($other->call('CLIENT', 'UNBLOCK', $id), 1, '… of one that does');
	served('… it is told that its time is up', $client, undef);
	waits($client, 'BLMOVE', 'q', 'r', 'LEFT', 'LEFT', 0);
	is($other->call('CLIENT', 'UNBLOCK', $id, 'TIMEOUT'), 1, '… TIMEOUT');
	served('… likewise', $client, undef);
	waits($client, 'BZPOPMIN', 'q', 0);
	is($other->call('CLIENT', 'UNBLOCK', $id, 'ERROR'), 1, '… ERROR');
	served('… it is told why', $client, '-UNBLOCKED client unblocked via CLIENT UNBLOCK');
	is($client->call('RPUSH', 'q', 1), 1, '… and goes on');
	is_deeply($client->call('BLPOP', 'q', 0), [qw(q 1)], '… waiting as well');

	my ($leaves, $killed) = (in_worker($worker), in_worker($worker));
	$id = $killed->call('CLIENT', 'ID');
	waits($_, 'BLPOP', 'q', 0) for $leaves, $killed;
	my ($stays) = all_wait([ $worker, 'BLPOP', 'q', 0 ]);
	$leaves->close;
	wait_for_waiting(2);
	is($other->call('CLIENT', 'KILL', 'ID', $id), 1, 'one that waits is killed');
	wait_for_waiting(1);
	$there->call('RPUSH', 'q', 1, 2);
	is(($killed->outcome(10))[0], 'closed', '… it is disconnected');
	served('who leaves, and who is killed, takes nothing along', $stays, [qw(q 1)]);
	is_deeply($other->call('LRANGE', 'q', 0, -1), ['2'], '… and what is over is there');
	$other->call('DEL', 'q');
}

# ---- CLIENT PAUSE ----------------------------------------------------------------------------

# Those that are asked during a pause are kept until its end; when it is lifted, the first finds nothing, and nobody asks the others.
for my $worker (0, 1)
{
	my ($forever, $second, $third) = all_wait([ $worker, 'BLPOP', 'q', 0 ], [ $worker, 'BLPOP', 'q', 2 ], [ $worker, 'BLMOVE', 'q', 'r', 'LEFT', 'LEFT', 2 ]);
	my $begun = time;
	is($here->call('CLIENT', 'PAUSE', 600000), 'OK', 'a pause');
	$node->safe_psql('postgres', "SELECT kv.rpush('q', 'x')");
	still_waits('… in which a push serves nobody', $forever);
	$node->safe_psql('postgres', "SELECT kv.lpop('q')");
	is($here->call('CLIENT', 'UNPAUSE'), 'OK', '… and which is lifted, when there is nothing any more');
	served('… whose time is up is told so', $second, undef);
	served('… each of them', $third, undef);
	cmp_ok(time - $begun, '>', 1.9, '… and not before');
	still_waits('… the first waits on', $forever);
	$there->call('RPUSH', 'q', 1);
	served('… until there is something', $forever, [qw(q 1)]);
}

# ---- chains ----------------------------------------------------------------------------------

for my $workers ([ 0, 0, 0 ], [ 0, 1, 0 ], [ 1, 0, 1 ])
{
	my ($one, $two, $three) = all_wait([ $workers->[0], 'BLMOVE', 'a', 'b', 'RIGHT', 'LEFT', 0 ],
		[ $workers->[1], 'BRPOPLPUSH', 'b', 'c', 0 ], [ $workers->[2], 'BLPOP', 'c', 0 ]);
	$here->call('LPUSH', 'a', 'v');
	served("a chain of moves through the workers @$workers", $one, 'v');
	served('… its middle', $two, 'v');
	served('… its end', $three, [qw(c v)]);
	is($here->call('EXISTS', qw(a b c)), 0, '… and nothing is left');
}
my ($back, $forth) = all_wait([ 0, 'BLMOVE', 'a', 'a', 'LEFT', 'RIGHT', 0 ]);
$here->call('RPUSH', 'a', 1, 2);
served('a list that turns', $back, '1');
is_deeply($here->call('LRANGE', 'a', 0, -1), [ 2, 1 ], '… has turned once');
$here->call('DEL', 'a');

# ---- what a key becomes ----------------------------------------------------------------------

for my $worker (0, 1)
{
	my $other = $worker ? $there : $here;
	my ($client) = all_wait([ 0, 'BLPOP', 'q', 0 ]);
	$other->call('SET', 'q', 'x');
	still_waits('a key that becomes a string: who waits goes on', $client);
	is($other->call('BLPOP', 'q', 0), $wrong_type, '… who comes is told');
	is($other->call('BLPOP', 'none', 'q', 0), $wrong_type, '… also if it is not the first key');
	is($other->call('BZPOPMIN', 'q', 0), $wrong_type, '… whatever the command');
	$other->call('DEL', 'q');
	$other->call('RPUSH', 'q', 1);
	served('… until it is a list', $client, [qw(q 1)]);

	# Each is called again when the key may have something for it, and when its time is up.
	my @become = ([qw(SET q x)], [qw(SADD q x)], [qw(ZADD q 1 x)], [qw(HSET q f x)]);
	for my $words ([qw(BLMOVE q moved LEFT LEFT)], [qw(BRPOPLPUSH q moved)])
	{
		for my $become (@become)
		{
			($client) = all_wait([ 0, @$words, 0 ]);
			$other->call(@$become);
			still_waits("$words->[0] and a key that becomes another type by $become->[0]: it goes on", $client);
			exec_of($other, [qw(DEL q)], [qw(RPUSH q 1)], [qw(DEL q)], $become);
			still_waits('… also if it was a list in between', $client);
			$other->call('DEL', 'q');
			$other->call('RPUSH', 'q', 1);
			served('… until it is one', $client, '1');
		}
		($client) = all_wait([ 0, @$words, '0.3' ]);
		$other->call(qw(SET q x));
		served("$words->[0]: null when its time is up", $client, undef);
		is($other->call(@$words, '0.3'), $wrong_type, '… who comes is told');
		$other->call('DEL', 'q', 'moved');
	}

	my $begin = sub { ($client) = all_wait([ 0, 'BLPOP', 'q', 0 ]); };
	$begin->();
	$other->call('RPUSH', 'source', 'named');
	is($other->call('RENAME', 'source', 'q'), 'OK', 'RENAME of a list to a key that is waited for');
	served('… serves', $client, [qw(q named)]);
	$begin->();
	$other->call('RPUSH', 'source', 'copied');
	is($other->call('COPY', 'source', 'q'), 1, 'COPY');
	served('… serves', $client, [qw(q copied)]);
	$begin->();
	$other->call('SELECT', 1);
	$other->call('RPUSH', 'q', 'of another database');
	still_waits('a push to the same name in another database serves nobody', $client);
	is($other->call('MOVE', 'q', 0), 1, 'MOVE');
	$other->call('SELECT', 0);
	served('… serves', $client, [ 'q', 'of another database' ]);
	$begin->();
	$other->call('SADD', 'q', 1);
	$other->call('DEL', 'q', 'source');
	$other->call('RPUSH', 'source', 1, 2);
	$other->call('SET', 'q', 'replaced');
	$other->call('LMOVE', 'source', 'q', 'LEFT', 'LEFT');
	still_waits('what fails serves nobody', $client);
	$other->call('DEL', 'q');
	$other->call('LMOVE', 'source', 'q', 'LEFT', 'LEFT');
	served('LMOVE serves', $client, [qw(q 1)]);
	$other->call('DEL', 'source');
	$begin->();
	$other->call('RPUSH', 'source', 3, 1, 2);
	$other->call('SET', 'barred', 1);
	my ($barred, $next) = all_wait([ 0, 'BLMOVE', 'from', 'barred', 'LEFT', 'LEFT', 0 ], [ 0, 'BLPOP', 'from', 0 ]);
	$other->call('RPUSH', 'from', 1);
	served('a destination that is no list', $barred, $wrong_type);
	served('… costs nothing', $next, [qw(from 1)]);
	$other->call('RPUSH', 'q', 'last');
	served('LPUSH serves', $client, [qw(q last)]);
	$other->call('DEL', 'source', 'barred');
}

is(waiting(), 0, 'at the end nobody waits');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kv.check()'), '0', 'kv.check finds nothing wrong');
$node->stop;
done_testing();
