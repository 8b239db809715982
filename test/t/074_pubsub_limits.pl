# SPDX-License-Identifier: PostgreSQL
#
# 074_pubsub_limits.pl: what publishers and subscribers can do to others, which is nothing: expensive patterns, too many
# messages, many channels, not reading; and who has subscribed does not hear what it may not hear any more.
#
# Seen to fail: PUBLISH that raises an error (the changes of others are gone); patterns held against a message without a
# share of steps, and all at once; subscriptions found in a list; scripts and EXECs that begin again without taking back
# what they have published; no limit for subscribers; subscribers that are never looked at; topics hashed with the secret of the extension.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = pgfirst_node('pubsub', conf => "pgfirst.redis_auth_delay = 0\nautovacuum = off\n");
my $redis = redis($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub as { my ($role) = @_; return redis($node, user => $role); }

sub subscriber
{
	my ($role, @words) = @_;
	my $client = as($role);

	$client->call('HELLO', 3);
	$client->call(@words);
	return $client;
}

sub disconnections
{
	return $redis->call('INFO', 'stats') =~ /^client_output_buffer_limit_disconnections:(\d+)/m ? $1 : die;
}

# What a client hears next: the message, or 'closed' or 'silent'.
sub hears
{
	my ($client, $seconds) = @_;
	my ($what, $reply) = $client->outcome($seconds // 10);

	return $what eq 'reply' ? $reply->[-1] : $what;
}

# The longest that this client waits for an answer until the other one has its own.
sub longest_wait
{
	my ($other, @words) = @_;
	my $client = redis($node);
	my $longest = 0;
	my @outcome = ('silent');

	$other->send(@words);
	while ($outcome[0] eq 'silent')
	{
		my $began = time;
		$client->call('PING');
		my $took = time - $began;
		$longest = $took if $took > $longest;
		@outcome = $other->outcome(0.001);
	}
	return ($longest, $outcome[1]);
}

# ---- patterns ------------------------------------------------------------------------------------

my @dear = map { subscriber('app', 'PSUBSCRIBE', '*' . 'a' x (900 + $_) . 'b') } 1 .. 100;
my $cheap = subscriber('app', 'PSUBSCRIBE', 'aaa*');
my ($wait) = longest_wait($redis, 'PUBLISH', 'a' x 20_000, 'long');
cmp_ok($wait, '<', 0.3, 'a hundred expensive patterns keep nobody waiting');
is(hears($cheap), 'long', '… and a cheap one beside them matches');
$_->close for @dear;
wait_until('they have gone', sub { $redis->call('PUBSUB', 'NUMPAT') == 1 });
like($cheap->call('PSUBSCRIBE', 'x', 'y' x 1025), qr/^-ERR a pattern may have at most 1024 bytes/, 'a pattern may not be longer');
is($redis->call('PUBSUB', 'NUMPAT'), 1, '… of which nothing is left');
my @many = map { "p$_" } 1 .. 10_000;
like($cheap->call('PSUBSCRIBE', @many), qr/^-ERR a client may subscribe to at most 10000 patterns/, 'nor be more than that');
$cheap->close;

# ---- channels ------------------------------------------------------------------------------------

my $many = redis($node);
my @channels = map { "c$_" } 1 .. 20_000;
$many->send('SUBSCRIBE', @channels);
$many->reply for @channels;
($wait) = longest_wait($many, 'SUBSCRIBE', @channels);
cmp_ok($wait, '<', 0.5, '20,000 channels a second time');
$many->reply for 2 .. @channels;
is(scalar @{ $redis->call('PUBSUB', 'CHANNELS') }, 20_000, '… are there once');
is(scalar @{ $redis->call('PUBSUB', 'CHANNELS', 'c1?') }, 10, '… and found by a pattern');
$redis->call('PUBLISH', 'c777', 'found');
is(hears($many), 'found', '… and hear');
$many->send('UNSUBSCRIBE');
is_deeply($many->reply, [ 'unsubscribe', 'c1', 19_999 ], 'UNSUBSCRIBE ends them in their order');
$many->reply for 2 .. @channels;
is_deeply($redis->call('PUBSUB', 'CHANNELS'), [], '… all of them');

# ---- order ---------------------------------------------------------------------------------------

my $listener = subscriber('app', 'SUBSCRIBE', 'order');
my @publishers = map { redis($node) } 1 .. 2;
$_->raw(join '', map { PgfirstTest::Redis::encode('PUBLISH', 'order', $_) } 1 .. 5000) for @publishers;
my %next = map { $_ => 0 } 1 .. 5000;
my $broken = 0;
my $last = 0;
for (1 .. 10_000)
{
	my $number = hears($listener);
	$next{$number}++;
	$broken++ if $number > 1 && $next{$number - 1} < $next{$number};
}
is($broken, 0, 'what one publishes comes in its order');
is(scalar(grep { $_ != 2 } values %next), 0, '… and all of it');
for my $publisher (@publishers) { $publisher->reply for 1 .. 5000; }

# A message behind a large reply, which nobody reads yet.
$redis->call('RPUSH', 'list', map { 'x' x 100 } 1 .. 10_000) for 1 .. 10;
my $reader = subscriber('app', 'SUBSCRIBE', 'tail');
$reader->send('LRANGE', 'list', 0, -1);
wait_until('the reply is there', sub { $redis->call('CLIENT', 'LIST') =~ /cmd=lrange .*omem=\d{6}/ || $redis->call('CLIENT', 'LIST') =~ /omem=\d{6}.*cmd=lrange/; });
is($redis->call('PUBLISH', 'tail', 'behind'), 1, 'a message to who reads something large');
is(scalar @{ $reader->reply }, 100_000, '… which is whole');
$reader->{select}->can_read(10) && sysread($reader->{socket}, $reader->{input}, 1000) if $reader->{input} eq '';
is($reader->{input}, ">3\r\n\$7\r\nmessage\r\n\$4\r\ntail\r\n\$6\r\nbehind\r\n", '… and the message comes behind it');
$reader->close;

# ---- scripts -------------------------------------------------------------------------------------

my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN');
$holder->query_safe("SELECT kv.set('held', 'x')");
my $script = "redis.call('PUBLISH', 'order', ARGV[1]) return redis.call('SET', ARGV[2], 'y')";
my $runner = redis($node);
$runner->send('EVAL', $script, 0, 'script', 'held');
wait_until('the script waits', sub { $redis->call('INFO', 'clients') =~ /^blocked_clients:1/m });
my $in_multi = redis($node);
$in_multi->call('MULTI');
$in_multi->call('EVAL', $script, 0, 'multi', 'held');
$in_multi->send('EXEC');
wait_until('so does the other', sub { $redis->call('INFO', 'clients') =~ /^blocked_clients:2/m });
is(hears($listener, 0.5), 'silent', 'a script that has to begin again has published nothing');
$holder->query_safe('COMMIT');
$holder->quit;
is($runner->reply, 'OK', '… until it comes to its end');
is_deeply($in_multi->reply, ['OK'], '… and so in EXEC');
is_deeply([ sort(hears($listener), hears($listener)) ], [ 'multi', 'script' ], '… and then once');
is(hears($listener, 0.5), 'silent', '… and no more');

# ---- too much ------------------------------------------------------------------------------------

my $worker = worker_pid($node);
my @innocent = map { redis($node) } 1 .. 10;
my $million = 'x' x 1_000_000;
my $greedy = redis($node, timeout => 60);
$greedy->call('MULTI');
for (1 .. 100) { $greedy->call('PUBLISH', 'order', $million); }

# The end of a client's command comes together with what others write.
sub together
{
	my ($client, $end, $what) = @_;

	kill 'STOP', $worker;
	$innocent[$_]->send('SET', "innocent$_", 1) for 0 .. 4;
	$client->raw($end);
	$innocent[$_]->send('SET', "innocent$_", 1) for 5 .. 9;
	kill 'CONT', $worker;
	is_deeply([ map { $_->reply } @innocent ], [ ('OK') x 10 ], "$what: others write");
}

my $large = PgfirstTest::Redis::encode('PUBLISH', 'order', 'x' x (65 * 1024 * 1024));
$redis->raw(substr($large, 0, -2));
wait_until('all but its end is there', sub { $innocent[0]->call('CLIENT', 'LIST') =~ / qbuf=681\d{5} / });
together($redis, "\r\n", 'a message that is too large');
like($redis->reply, qr/^-ERR a message may have at most \d+ bytes/, '… and is refused');
together($greedy, "EXEC\r\n", '100 MB of messages in one MULTI');
my $answers = $greedy->reply;
is(scalar(grep { $_ eq '1' } @$answers), 67, '… as many are published as there is room for');
like($answers->[99], qr/^-OOM \d+ bytes of messages wait for subscribers/, '… and the others are told so');
$listener->close;
$listener = subscriber('app', 'SUBSCRIBE', 'order');
$redis->call('PUBLISH', 'order', 'after');
is(hears($listener), 'after', 'and then it goes on');

# ---- who does not read ---------------------------------------------------------------------------

is_deeply($redis->call('CONFIG', 'GET', 'client-output-buffer-limit'),
	[ 'client-output-buffer-limit', 'normal 0 0 0 slave 0 0 0 pubsub 33554432 0 0' ], 'the limit of subscribers');
my $deaf = subscriber('app', 'SUBSCRIBE', 'deaf');
my $limited = disconnections();
my $sent = 0;
while ($sent < 80 && $redis->call('PUBSUB', 'NUMSUB', 'deaf')->[1] == 1)
{
	$redis->call('PUBLISH', 'deaf', $million);
	$sent++;
}
cmp_ok($sent, '<', 60, 'a subscriber that does not read is disconnected');
cmp_ok($sent, '>', 30, '… at its limit');
cmp_ok(disconnections(), '>', $limited, '… which INFO counts');
like(slurp_file($node->logfile), qr/it has not read \d+ kB of replies, more than pgfirst.redis_pubsub_output_limit/, '… and the log tells of');

# ---- roles and tenants ---------------------------------------------------------------------------

sql("CREATE ROLE $_ LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA kv TO $_; SELECT kv.grant('$_', NULL, 'write')")
  for qw(gone silent moved eight);
sql("SELECT kv.set_tenant('eight', 8)");
my $gone = subscriber('gone', 'SUBSCRIBE', 'order');
my $silent = subscriber('silent', 'SUBSCRIBE', 'nothing');
my $moved = subscriber('moved', 'SUBSCRIBE', 'order');
my $eight = subscriber('eight', 'PSUBSCRIBE', '*');
is($redis->call('PUBSUB', 'NUMPAT'), 0, "NUMPAT does not count another tenant's");
is($eight->call('PUBSUB', 'NUMPAT'), 1, '… but its own');
$redis->call('PUBLISH', 'order', 'before');
is(hears($_), 'before', 'who may hear does') for $gone, $moved;
is(hears($eight, 0.2), 'silent', '… who is another tenant does not');
sql('ALTER ROLE gone NOLOGIN');
$redis->call('PUBLISH', 'order', 'secret');
is(hears($gone), 'closed', 'whose role may not log in any more is disconnected and hears nothing');
is(hears($moved), 'secret', '… but others do');
sql("SELECT kv.set_tenant('moved', 9)");
$redis->call('PUBLISH', 'order', 'secret');
is(hears($moved), 'closed', '… and so is who is of another tenant');
sql("REVOKE ALL ON SCHEMA kv FROM silent; DROP ROLE silent");
is(hears($silent, 10), 'closed', '… also if nobody sends anything');
$moved = subscriber('eight', 'SUBSCRIBE', 'order');
$moved->send('AUTH', 'app', 'secret');
my ($what) = $moved->outcome(10);
($what) = $moved->outcome(10) if $what eq 'reply';
is($what, 'closed', 'and who logs in as another tenant');
is($redis->call('PUBLISH', 'order', 'last'), 1, 'nothing of it is left');

# ---- the extension anew --------------------------------------------------------------------------

sub subscribed { return $redis->call('PUBSUB', 'NUMSUB', 'order')->[1]; }

my $before = subscriber('app', 'SUBSCRIBE', 'order');
is(subscribed(), 2, 'a subscriber');
sql('DROP EXTENSION pgfirst_kv CASCADE; DROP SCHEMA kv CASCADE; DROP EXTENSION IF EXISTS pgfirst CASCADE');
sql("CREATE EXTENSION pgfirst CASCADE; GRANT USAGE ON SCHEMA kv TO app; SELECT kv.grant('app', NULL, 'admin')");
wait_for_door($node);
my $after = subscriber('app', 'SUBSCRIBE', 'order');
is(subscribed(), 3, '… is known when the extension was dropped and made again');
is($redis->call('PUBLISH', 'order', 'anew'), 3, '… is counted');
is(hears($_), 'anew', '… and hears') for $before, $after;
$before->send('UNSUBSCRIBE', 'order');
wait_until('it has unsubscribed', sub { subscribed() == 2; });

# ---- memory --------------------------------------------------------------------------------------

# What a list of channels takes is taken from who has subscribed to them.
$node->append_conf('postgresql.conf', "pgfirst.redis_client_memory = 16MB\npgfirst.redis_timeout = 7777");
$node->reload;
wait_until('the limit', sub { $redis->call('CONFIG', 'GET', 'timeout')->[1] == 7777; });
my $large_names = as('app');
$large_names->call('SUBSCRIBE', chr(ord('a') + $_) x 2_000_000) for 0 .. 4;
my $listed = eval { $redis->call('PUBSUB', 'CHANNELS') };
is(scalar(grep { $_ ne substr($_, 0, 1) x length && $_ ne 'order' } @{ $listed // ['none'] }), 0, 'channels are listed whole');
like($large_names->reply, qr/^-OOM/, '… though who had subscribed to them has made room for the list');

done_testing();
