# SPDX-License-Identifier: PostgreSQL
#
# 074_pubsub.pl: SUBSCRIBE, PUBLISH and their like: what subscribers are told, in which order, of which transactions, and
# who is told nothing. With two workers.
#
# Seen to fail: kv_publish() that sends at once (who is told of a change does not find it); topic_key() without the tenant; message_send()
# to the own worker alone; kv_auth_log_in() that keeps subscriptions; pnstrdup() in unsubscribe_all(); kv_session_reset() without
# kv_pubsub_forget().

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use Test::More;

my $node = pgfirst_node('pubsub', workers => 2, conf => "autovacuum = off\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql("CREATE ROLE $_ LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA kv TO $_; SELECT kv.grant('$_', NULL, 'admin')") for qw(seven eight);
sql("SELECT kv.set_tenant('seven', 7), kv.set_tenant('eight', 8)");

# ---- clients ---------------------------------------------------------------------------------

# A client of this role in worker 0 or 1.
sub in_worker { my ($worker, $role) = @_; return redis_in_worker($node, $worker, user => $role // 'app'); }
my ($here, $there) = (in_worker(0), in_worker(1));

# The next replies, which have to be these.
sub told
{
	my ($name, $client, @expected) = @_;
	my @told;

	while (@told < @expected)
	{
		my ($what, $reply) = $client->outcome(10);
		push @told, $what eq 'reply' ? $reply : $what;
		last if $what ne 'reply';
	}
	is_deeply(\@told, \@expected, $name);
	die "everything after this would wait in vain\n" if @told && !ref $told[-1] && $told[-1] =~ /^(silent|closed)$/;
}

# Whatever has been on its way to the client would have come before this.
sub told_nothing
{
	my ($name, $publisher, @clients) = @_;

	$publisher->call('PUBLISH', 'mark', 'here');
	told($name, $_, [qw(message mark here)]) for @clients;
}

sub asks { my ($client, @words) = @_; $client->send(@words); return $client; }

sub exec_of
{
	my ($redis, @commands) = @_;

	$redis->call('MULTI') eq 'OK' or die;
	$redis->call(@$_) for @commands;
	return $redis->call('EXEC');
}

# ---- words -----------------------------------------------------------------------------------

my $client = in_worker(0);
told('SUBSCRIBE answers for each channel', asks($client, 'SUBSCRIBE', 'one', 'two', 'one'),
	[ 'subscribe', 'one', 1 ], [ 'subscribe', 'two', 2 ], [ 'subscribe', 'one', 2 ]);
told('PSUBSCRIBE counts on', asks($client, 'PSUBSCRIBE', 'o*', 't?o'), [ 'psubscribe', 'o*', 3 ], [ 'psubscribe', 't?o', 4 ]);
like($here->call('CLIENT', 'LIST'), qr/ flags=P db=0 sub=2 psub=2 /, 'CLIENT LIST shows who has subscribed');
is($here->call('PUBLISH', 'one', 'x'), 2, 'PUBLISH counts a channel and a pattern');
told('… the channel is told before the pattern', $client, [qw(message one x)], [qw(pmessage o* one x)]);
is($here->call('PUBLISH', 'none', 'x'), 0, '… and nobody');
is($here->call('PUBLISH', 'other', ''), 1, 'an empty message');
told('… comes by its pattern', $client, [ 'pmessage', 'o*', 'other', '' ]);
$here->call('PUBLISH', 'two', "a\r\n\0b" . 'x' x 100000);
told('bytes of any kind, and many', $client, map { [ @$_, 'two', "a\r\n\0b" . 'x' x 100000 ] } ['message'], [ 'pmessage', 't?o' ]);

for my $words ([qw(GET x)], [qw(SET x 1)], [qw(PUBLISH one x)], [qw(MULTI)], [qw(HELLO)], [qw(CLIENT ID)])
{
	my $name = lc $words->[0];
	$name = 'client|id' if $name eq 'client';
	is($client->call(@$words), "-ERR Can't execute '$name': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
		"$words->[0] is refused to who listens");
}
is_deeply($client->call('PING'), [ 'pong', '' ], 'PING is not');
is_deeply($client->call('PING', 'word'), [qw(pong word)], '… nor with a word');

told('UNSUBSCRIBE of one, and of what there is not', asks($client, 'UNSUBSCRIBE', 'one', 'none'),
	[ 'unsubscribe', 'one', 3 ], [ 'unsubscribe', 'none', 3 ]);
$client->send('PUNSUBSCRIBE');
my @left = map { $client->reply } 1, 2;
is_deeply([ sort map { $_->[1] } @left ], [qw(o* t?o)], 'PUNSUBSCRIBE of all patterns');
is_deeply([ map { $_->[2] } @left ], [ 2, 1 ], '… counts down');
told('UNSUBSCRIBE of all channels', asks($client, 'UNSUBSCRIBE'), [ 'unsubscribe', 'two', 0 ]);
told('… of none', asks($client, 'UNSUBSCRIBE'), [ 'unsubscribe', undef, 0 ]);
told('… nor patterns', asks($client, 'PUNSUBSCRIBE'), [ 'punsubscribe', undef, 0 ]);
is($client->call('GET', 'x'), undef, 'and then everything is allowed again');
is($here->call('PUBLISH', 'one', 'x'), 0, '… and nobody listens');
like($client->call('SUBSCRIBE'), qr/^-ERR wrong number of arguments for 'subscribe' command/, 'SUBSCRIBE to nothing');

told('SUBSCRIBE', asks($client, 'SUBSCRIBE', 'one'), [ 'subscribe', 'one', 1 ]);
is($client->call('RESET'), 'RESET', '… and RESET');
is($here->call('PUBLISH', 'one', 'x'), 0, '… which ends it');
is($client->call('AUTH', 'secret'), 'OK', '… as the log-in');

my $names = in_worker(0);
told('names with any bytes', asks($names, 'SUBSCRIBE', "a\0b", "a\0c", ''), [ 'subscribe', "a\0b", 1 ], [ 'subscribe', "a\0c", 2 ], [ 'subscribe', '', 3 ]);
is($here->call('PUBLISH', "a\0b", 'x'), 1, '… are told apart');
told('… each by its own', $names, [ 'message', "a\0b", 'x' ]);
$names->send('UNSUBSCRIBE');
is_deeply([ sort map { $names->reply->[1] } 1 .. 3 ], [ '', "a\0b", "a\0c" ], '… and are whole when all are given up');

# RESP3.
my $third = in_worker(0);
$third->call('HELLO', 3);
# The bytes that come until they end like this.
sub bytes_until
{
	my ($client, $end) = @_;
	my $bytes = '';

	wait_until("bytes that end in $end", sub {
		sysread($client->{socket}, $bytes, 65536, length $bytes) if $client->{select}->can_read(1);
		return $bytes =~ /\Q$end\E\z/;
	});
	return $bytes;
}

$third->send('SUBSCRIBE', 'one');
is(bytes_until($third, ":1\r\n"), ">3\r\n\$9\r\nsubscribe\r\n\$3\r\none\r\n:1\r\n", 'RESP3: SUBSCRIBE pushes its answer');
$here->call('PUBLISH', 'one', 'x');
is(bytes_until($third, "x\r\n"), ">3\r\n\$7\r\nmessage\r\n\$3\r\none\r\n\$1\r\nx\r\n", '… and messages');
is($third->call('SET', 'k', 'v'), 'OK', '… who listens does anything else as well');
is($third->call('PING'), 'PONG', '… PING answers as ever');
$third->send('PUBLISH', 'one', 'own');
is_deeply([ sort map { my $reply = $third->reply; ref $reply ? "@$reply" : $reply } 1, 2 ], [ 1, 'message one own' ], '… it hears itself');
$third->send('UNSUBSCRIBE', 'one');
is(bytes_until($third, ":0\r\n"), ">3\r\n\$11\r\nunsubscribe\r\n\$3\r\none\r\n:0\r\n", '… UNSUBSCRIBE pushes, too');
told('… PSUBSCRIBE', asks($third, 'PSUBSCRIBE', 'o*'), [ 'psubscribe', 'o*', 1 ]);
$third->close;
wait_until('it has left', sub { $here->call('PUBSUB', 'NUMPAT') == 0; });

# ---- PUBSUB ----------------------------------------------------------------------------------

my @listeners = map { in_worker(0) } 1 .. 3;
told('three listen', asks($listeners[0], 'SUBSCRIBE', 'news', 'weather'), [ 'subscribe', 'news', 1 ], [ 'subscribe', 'weather', 2 ]);
told('…', asks($listeners[1], 'SUBSCRIBE', 'news'), [ 'subscribe', 'news', 1 ]);
told('…', asks($listeners[2], 'PSUBSCRIBE', 'n*', 'w*'), [ 'psubscribe', 'n*', 1 ], [ 'psubscribe', 'w*', 2 ]);
is_deeply([ sort @{ $here->call('PUBSUB', 'CHANNELS') } ], [qw(news weather)], 'PUBSUB CHANNELS');
is_deeply($here->call('PUBSUB', 'CHANNELS', 'w*'), ['weather'], '… by a pattern');
is_deeply($here->call('PUBSUB', 'NUMSUB', 'news', 'weather', 'none'), [ 'news', 2, 'weather', 1, 'none', 0 ], 'PUBSUB NUMSUB');
is_deeply($here->call('PUBSUB', 'NUMSUB'), [], '… of nothing');
is($here->call('PUBSUB', 'NUMPAT'), 2, 'PUBSUB NUMPAT');
is($here->call('PUBLISH', 'news', 'x'), 3, 'PUBLISH counts those of its worker');
told('each is told', $_, [qw(message news x)]) for @listeners[ 0, 1 ];
told('… by the pattern as well', $listeners[2], [qw(pmessage n* news x)]);
$listeners[1]->close;
wait_until('a client that leaves', sub { $here->call('PUBSUB', 'NUMSUB', 'news')->[1] == 1; });
is($here->call('PUBLISH', 'news', 'y'), 2, 'who has left is not counted');
told('… and others are told', $listeners[0], [qw(message news y)]);
told('…', $listeners[2], [qw(pmessage n* news y)]);
$listeners[2]->close;
wait_until('its patterns', sub { $here->call('PUBSUB', 'NUMPAT') == 0; });

# ---- two workers -----------------------------------------------------------------------------

my @ears = map { in_worker($_) } 0, 1, 0, 1;
my $marker = in_worker(1);
for my $ear (@ears)
{
	told('subscribers in two workers', asks($ear, 'SUBSCRIBE', 'c', 'mark'), [ 'subscribe', 'c', 1 ], [ 'subscribe', 'mark', 2 ]);
}
for my $publisher ($here, $there)
{
	$publisher->raw(join '', map { PgfirstTest::Redis::encode('PUBLISH', 'c', $_) } 1 .. 2000);
	$publisher->reply for 1 .. 2000;
	told('all are told all, in the order of the publisher', $_, map { [ 'message', 'c', $_ ] } 1 .. 2000) for @ears;
}
# Two at once: each in its own order, and all subscribers of a worker hear the same.
for my $i (1 .. 500) { $here->send('PUBLISH', 'c', "here$i"); $there->send('PUBLISH', 'c', "there$i"); }
$_->reply for ($here, $there) x 500;
my @heard = map { my $ear = $_; [ map { $ear->reply(20)->[2] } 1 .. 1000 ] } @ears;
for my $ear (0 .. 3)
{
	for my $name (qw(here there))
	{
		is_deeply([ grep { /^$name/ } @{ $heard[$ear] } ], [ map { "$name$_" } 1 .. 500 ], "subscriber $ear hears $name in order");
	}
}
is_deeply($heard[0], $heard[2], 'those of one worker hear the same');
is_deeply($heard[1], $heard[3], '… and of the other');

# ---- transactions ----------------------------------------------------------------------------

for my $publisher ($here, $there)
{
	is_deeply(exec_of($publisher, [qw(PUBLISH c first)], [qw(SET k v)], [qw(PUBLISH c second)])->[1], 'OK', 'PUBLISH within MULTI');
	told('… is told in order', $_, [qw(message c first)], [qw(message c second)]) for @ears;
	$publisher->call('MULTI');
	is($publisher->call('PUBLISH', 'c', 'never'), 'QUEUED', 'PUBLISH behind MULTI is kept');
	told_nothing('… nobody is told', $marker, @ears);
	$publisher->call('DISCARD');
	told_nothing('… nor after DISCARD', $marker, @ears);
	$publisher->call('WATCH', 'k');
	$here->call('SET', 'k', 'w');
	is(exec_of($publisher, [qw(PUBLISH c never)]), undef, 'EXEC that fails');
	told_nothing('… publishes nothing', $marker, @ears);
	$publisher->call('EVAL', "redis.call('SET', 'k', 'x') for i = 1, 3 do redis.call('PUBLISH', 'c', i) end", 0);
	told('a script publishes', $_, map { [ 'message', 'c', $_ ] } 1 .. 3) for @ears;
	like($publisher->call('EVAL', "redis.call('PUBLISH', 'c', 'before') error('x')", 0), qr/^-ERR/, '… one that fails');
	told('… has published what it had', $_, [qw(message c before)]) for @ears;
	like($publisher->call('EVAL', "return redis.call('SUBSCRIBE', 'c')", 0), qr/not allowed from script/, '… none subscribes');
}
# Whoever is told of a change finds it.
my $missed = 0;
for my $i (1 .. 300)
{
	my ($publisher, $ear, $asks) = $i % 2 ? ($here, 1, $there) : ($there, 0, $here);
	$publisher->raw(join '', map { PgfirstTest::Redis::encode(@$_) } ['MULTI'], [ 'PUBLISH', 'c', $i ], [ 'SET', 'told', $i ], ['EXEC']);
	$ears[$ear]->reply(20);
	$missed++ if $asks->call('GET', 'told') ne $i;
	$publisher->reply for 1 .. 4;
	$ears[$_]->reply(20) for grep { $_ != $ear } 0 .. 3;
}
is($missed, 0, 'who is told of a change finds it, in another worker too');
is_deeply(exec_of(in_worker(0), [qw(SUBSCRIBE m)], [qw(PING)])->[0], [ 'subscribe', 'm', 1 ], 'SUBSCRIBE within MULTI');

# ---- tenants ---------------------------------------------------------------------------------

my ($seven, $seven_there, $eight) = (in_worker(0, 'seven'), in_worker(1, 'seven'), in_worker(0, 'eight'));
my ($seven_ear, $eight_ear) = (in_worker(1, 'seven'), in_worker(0, 'eight'));
for my $ear ($seven_ear, $eight_ear)
{
	told('subscribers of other tenants', asks($ear, 'SUBSCRIBE', 'c', 'mark'), [ 'subscribe', 'c', 1 ], [ 'subscribe', 'mark', 2 ]);
	told('… by patterns too', asks($ear, 'PSUBSCRIBE', 'c*'), [ 'psubscribe', 'c*', 3 ]);
}
$here->call('PUBLISH', 'c', 'of tenant 0');
told('a tenant hears its own', $_, [ 'message', 'c', 'of tenant 0' ]) for @ears;
told_nothing('… and no other tenant does', $seven_there, $seven_ear);
told_nothing('… nor a third', $eight, $eight_ear);
$seven->call('PUBLISH', 'c', 'of tenant 7');
told('… in another worker too', $seven_ear, [ 'message', 'c', 'of tenant 7' ], [ 'pmessage', 'c*', 'c', 'of tenant 7' ]);
told_nothing('… which the third does not hear', $eight, $eight_ear);
is_deeply($eight->call('PUBSUB', 'NUMSUB', 'c', 'news'), [ 'c', 1, 'news', 0 ], 'PUBSUB counts a tenant\'s own');
is_deeply([ sort @{ $eight->call('PUBSUB', 'CHANNELS') } ], [qw(c mark)], '… and lists them');
is($eight->call('PUBSUB', 'NUMPAT'), 1, '… patterns as well');
is($eight->call('PUBLISH', 'news', 'x'), 0, '… as PUBLISH does');

my $changes = in_worker(0, 'seven');
$changes->call('HELLO', 3);
told('who listens as one tenant', asks($changes, 'SUBSCRIBE', 'secrets'), [ 'subscribe', 'secrets', 1 ]);
is($changes->call('AUTH', 'eight', 'secret'), 'OK', '… and logs in as another');
$seven->call('PUBLISH', 'secrets', 'of tenant 7');
is(($changes->outcome(10))[0], 'closed', '… hears no more of the first, and is disconnected');

# ---- a restart ------------------------------------------------------------------------------

$node->restart;
wait_for_door($node);
my $again = redis($node);
told('after a restart', asks($again, 'SUBSCRIBE', 'c'), [ 'subscribe', 'c', 1 ]);
redis($node)->call('PUBLISH', 'c', 'x');
told('… messages come', $again, [qw(message c x)]);
$node->stop;
done_testing();
