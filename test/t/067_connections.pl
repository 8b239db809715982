# SPDX-License-Identifier: PostgreSQL
#
# 067_connections.pl: where the Redis door listens, whom the Unix socket lets in, and how long and with how
# much unread a client may stay.
#
# Seen to fail: permissions not set; a file that is no socket removed; idle clients not looked for, or looked for
# among those that wait or are sent something; unread replies not compared with the limit; the kernel not told to
# ask.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use IO::Socket::IP;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = pgfirst_node('doors', conf => "pgfirst.redis_listen_addresses = '127.0.0.1, localhost'");
my $port = redis_port($node);
my $socket = redis_socket($node);
my $redis = redis($node);

sub told { return $redis->call('CONFIG', 'GET', $_[0])->[1]; }

# Appends settings and reloads, or restarts.
sub reload
{
	my (%settings) = @_;

	$node->append_conf('postgresql.conf', "$_ = '$settings{$_}'") for sort keys %settings;
	$node->reload;
	return;
}

sub restart
{
	my (%settings) = @_;

	$node->append_conf('postgresql.conf', "$_ = '$settings{$_}'") for sort keys %settings;
	$node->restart;
	wait_for_door($node);
	$redis = redis($node);
	return;
}

sub mode { return sprintf '%04o', (stat $_[0])[2] & 07777; }

# ---- what CONFIG GET tells -------------------------------------------------------------------------------

for my $case ([ 'port', $port ], [ 'bind', '127.0.0.1 localhost' ], [ 'unixsocket', $socket ], [ 'unixsocketperm', '777' ],
	[ 'maxclients', 20000 ], [ 'timeout', 0 ], [ 'tcp-keepalive', 300 ], [ 'tls-port', 0 ], [ 'tls-auth-clients', 'no' ],
	[ 'client-output-buffer-limit', 'normal 0 0 0 slave 0 0 0 pubsub 33554432 0 0' ])
{
	is(told($case->[0]), $case->[1], "CONFIG GET $case->[0]");
}
for my $case ([ 'timeout', 5, 'pgfirst.redis_timeout' ], [ 'tls-port', 1, 'pgfirst.redis_tls_port' ],
	[ 'unixsocketperm', '700', 'pgfirst.redis_unix_socket_permissions' ],
	[ 'client-output-buffer-limit', 'normal 1 0 0',
		'pgfirst.redis_client_output_limit and pgfirst.redis_pubsub_output_limit' ])
{
	my ($name, $value, $setting) = @$case;

	is($redis->call('CONFIG', 'SET', $name, $value),
		"-ERR CONFIG SET failed (possibly related to argument '$name') - can't set it here; it follows $setting",
		"CONFIG SET $name names the setting");
}

# ---- addresses -------------------------------------------------------------------------------------------

my $six = IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
close $six if $six;

sub answers
{
	my ($host) = @_;
	my $client = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Timeout => 5) or return 0;

	print $client "PING\r\n";
	return (readline($client) // '') =~ /^-NOAUTH/ ? 1 : 0;
}

is(answers('127.0.0.1'), 1, 'it listens where it was told');
is(answers('127.0.0.2'), 0, '… and nowhere else');
restart('pgfirst.redis_listen_addresses' => '*');
is(answers('127.0.0.2'), 1, '*: everywhere');
SKIP:
{
	skip 'there is no IPv6 here', 4 if !$six;
	is(answers('::1'), 1, '… by IPv6 as well');
	restart('pgfirst.redis_listen_addresses' => '::1, 127.0.0.1');
	is(answers('::1'), 1, 'IPv6 by its address');
	is(answers('127.0.0.1'), 1, '… and IPv4 beside it');
	is(answers('127.0.0.2'), 0, '… nothing else');
}
my $from = -s $node->logfile;
restart('pgfirst.redis_listen_addresses' => '127.0.0.1, no-such-host.invalid');
sleep 3;
is(answers('127.0.0.1'), 1, 'a name that is none does not close the others');
is(log_count($node, 'could not find the address "no-such-host.invalid"', $from), 1, '… and is logged, once');
restart('pgfirst.redis_listen_addresses' => '127.0.0.1');

# ---- the Unix socket -------------------------------------------------------------------------------------

is(mode($socket), '0777', 'anybody may connect, and has to log in');
is(PgfirstTest::Redis->new(path => $socket)->call('GET', 'k'), '-NOAUTH Authentication required.', '… which he has to');
restart('pgfirst.redis_unix_socket_permissions' => '0700');
is(mode($socket), '0700', 'permissions are the setting\'s');
is(told('unixsocketperm'), '700', '… which CONFIG GET tells');
is($node->safe_psql('postgres', 'SHOW pgfirst.redis_unix_socket_permissions'), '0700', '… and SHOW');
crash($node);
ok(-S $socket, 'kill -9 leaves the file');
$node->start;
wait_for_door($node);
ok(eval { PgfirstTest::Redis->new(path => $socket, password => 'secret') }, '… which is in nobody\'s way');
$node->stop;
ok(!-e $socket, 'an orderly stop removes it');
append_to_file($socket, 'precious');
$from = -s $node->logfile;
$node->start;
wait_until('the complaint', sub { log_count($node, "could not open the Redis door at \Q$socket\E: File exists", $from); });
is(slurp_file($socket), 'precious', 'a file that is no socket is left alone, and complained of');
unlink $socket;
wait_until('the socket', sub { -S $socket; });
wait_for_door($node);
$redis = redis($node);

# ---- clients that do nothing -----------------------------------------------------------------------------

sub value { return 'x' x $_[0]; }

my $busy = redis($node);
my $idle = redis($node);
my $stranger = PgfirstTest::Redis->new(port => $port);
my $paused = redis($node);
my $reader = redis($node);
my ($listens, $matches, $listened, $blocked) = map { redis($node) } 1 .. 4;
$redis->call('SET', 'large', value(8 << 20));
$_->call('SUBSCRIBE', 'channel') for $listens, $listened;
$matches->call('PSUBSCRIBE', 'c*');
$listened->call('UNSUBSCRIBE', 'channel');
$blocked->send('BLPOP', 'list', 0);
reload('pgfirst.redis_timeout' => 2);
wait_until('the timeout', sub { told('timeout') == 2; });
# A slow reader is not idle. It asks for 32 MB, and takes a few at a time.
$reader->send('GET', 'large') for 1 .. 4;
$redis->call('CLIENT', 'PAUSE', 8000, 'WRITE');
$paused->send('SET', 'paused', 1);
my %closed;
for (1 .. 24)
{
	sleep 0.25;
	is($busy->call('PING'), 'PONG', 'who asks now and then stays') if $_ % 8 == 0;
	sysread($reader->{socket}, $reader->{input}, 300000, length $reader->{input});
	$closed{idle} //= $_ if ($idle->outcome(0))[0] eq 'closed';
	$closed{stranger} //= $_ if ($stranger->outcome(0))[0] eq 'closed';
	$closed{listened} //= $_ if ($listened->outcome(0))[0] eq 'closed';
	$redis->call('PING');
}
ok($closed{idle} && $closed{idle} >= 6, 'who does nothing is disconnected, when its time is up');
ok($closed{stranger}, '… also who has never said anything');
ok($closed{listened}, '… or has nothing subscribed to any more');
is($redis->call('PUBLISH', 'channel', 'news'), 2, 'who has subscribed is not idle');
is(($_->outcome(10))[1][-1], 'news', '… and hears') for $listens, $matches;
is($paused->reply(20), 'OK', 'who waits is not idle');
$redis->call('RPUSH', 'list', 'element');
is_deeply($blocked->reply, [qw(list element)], '… for an element either');
is($reader->reply, value(8 << 20), 'nor is who reads slowly');
$reader->close;
my $stalled = redis($node);
$stalled->send('GET', 'large') for 1 .. 4;
wait_until('it has asked', sub { $redis->call('CLIENT', 'LIST') =~ /cmd=get /; });
wait_until('the one that takes nothing', sub { $redis->call('CLIENT', 'LIST') !~ /cmd=get /; }, 20);
pass('who takes nothing is idle, whatever is kept for it');
reload('pgfirst.redis_timeout' => 0);
wait_until('no timeout', sub { told('timeout') == 0; });

# ---- keepalive -------------------------------------------------------------------------------------------

# Seconds until the kernel asks, for the door's end of this client's connection; undef if it does not.
sub keepalive
{
	my ($client) = @_;
	my $mine = sprintf '%04X', $client->{socket}->sockport;
	my $theirs = sprintf '%04X', $port;

	for my $line (split /\n/, slurp_file('/proc/net/tcp'))
	{
		my @fields = split ' ', $line;
		next if $fields[1] !~ /:$theirs$/ || $fields[2] !~ /:$mine$/;
		my ($timer, $when) = split /:/, $fields[5];
		return $timer eq '02' ? hex($when) / 100 : undef;
	}
	die 'no such connection';
}

sub keepalive_of_new
{
	my $client = redis($node);

	$client->call('PING');
	# Just after an answer the timer may be that of its acknowledgement.
	my $seconds;
	for (1 .. 20)
	{
		$seconds = keepalive($client);
		last if defined $seconds;
		sleep 0.05;
	}
	return $seconds;
}

cmp_ok(keepalive_of_new() // 0, '>', 200, 'the kernel asks after silence of 300 seconds');
reload('pgfirst.redis_tcp_keepalive' => 60);
wait_until('the setting', sub { told('tcp-keepalive') == 60; });
my $seconds = keepalive_of_new() // 0;
ok($seconds > 30 && $seconds <= 60, '… or what the setting says');
reload('pgfirst.redis_tcp_keepalive' => 0);
wait_until('the setting', sub { told('tcp-keepalive') == 0; });
is(keepalive_of_new(), undef, '… or never');

# ---- unread replies --------------------------------------------------------------------------------------

sub stat_of { return $redis->call('INFO', 'stats') =~ /^$_[0]:(\d+)/m ? $1 : die; }

my $patient = redis($node);
$patient->send('GET', 'large');
sleep 0.5;
reload('pgfirst.redis_client_output_limit' => '4MB');
wait_until('the limit', sub { told('client-output-buffer-limit') eq 'normal 4194304 0 0 slave 0 0 0 pubsub 33554432 0 0'; });
$from = -s $node->logfile;
my $greedy = redis($node);
$greedy->send('GET', 'large');
wait_until('it is disconnected', sub { stat_of('client_output_buffer_limit_disconnections') >= 1; });
wait_until('… and forgotten', sub { $redis->call('CLIENT', 'LIST') !~ /addr=127.0.0.1:@{[ $greedy->{socket}->sockport ]} /; });
like(slurp_file($node->logfile, $from), qr/it has not read \d+ kB of replies, more than pgfirst.redis_client_output_limit/,
	'who has more unread than the limit is disconnected, and logged');
$redis->call('SET', 'small', value(3 << 20));
is($redis->call('GET', 'small'), value(3 << 20), 'a reply below it is sent');
my $many = redis($node);
$many->send('GET', 'small') for 1 .. 5;
is($many->reply, value(3 << 20), 'so are many') for 1 .. 5;
reload('pgfirst.redis_client_output_limit' => 0);
wait_until('no limit', sub { told('client-output-buffer-limit') =~ /^normal 0 /; });
my $free = redis($node);
$free->send('GET', 'large');
sleep 0.5;
is($free->reply, value(8 << 20), 'without a limit one may take one\'s time');
$node->stop;

done_testing();
