# SPDX-License-Identifier: PostgreSQL
#
# 088_reading.pl: whatever way bytes come, all of them are read, and so is the end: much or little of them at once, with
# the end behind them or later, while nothing is read of a client, and behind it.
#
# Epoll tells the worker once of what has come to a socket that is only read (client.c), so whatever it does not read
# then would stay where it is.  How many sockets a turn takes depends on what there is to share.  PGFIRST_SEED repeats
# the random part.
#
# Seen to fail: receive_plain() that says of a short read, or of one that stops at a limit, that nothing is behind it;
# client_watch() that tells epoll only of a change of interest, or does not ask for urgent bytes; wait_for_sockets() that
# takes few always, or many always; turn_commit() that looks at the log alone, or at the commands alone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use Socket qw(MSG_OOB SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(time);

my $seed = $ENV{PGFIRST_SEED} || int(time() * 1000) % 1_000_000_000;
note "PGFIRST_SEED=$seed";
srand($seed);

my $node = pgfirst_node('reading', conf => "autovacuum = off\npgfirst.redis_lock_timeout = '60s'");
my $redis = redis($node);
my $worker = worker_pid($node);

sub encode { return PgfirstTest::Redis::encode(@_); }
sub end_of { my ($client) = @_; shutdown($client->{socket}, 1) or die $!; }
sub count { my ($type) = @_; return $redis->call('INFO', 'clients') =~ /^$type:(\d+)\r?$/m ? $1 : die; }

my %connect = (
	'TCP' => sub { return redis($node); },
	'a Unix socket' => sub { return redis($node, path => redis_socket($node)); });

# Bytes of a SET and three PINGs, so many in all if that is enough for them.
sub pipeline
{
	my ($bytes) = @_;
	my $rest = encode('PING') x 3;
	my $value = $bytes - length($rest) - length(encode('SET', 'pad', ''));

	$value-- while $value > 0 && length(encode('SET', 'pad', 'v' x $value)) + length($rest) > $bytes;
	return encode('SET', 'pad', 'v' x ($value > 0 ? $value : 0)) . $rest;
}

# What is said until the end, or silence.
sub hear
{
	my ($client, $replies) = @_;
	my @heard;

	for (1 .. $replies)
	{
		my ($what, $reply) = $client->outcome(20);
		push @heard, $what eq 'reply' ? $reply : $what;
		last if $what ne 'reply';
	}
	return "@heard";
}

# ---- sizes -----------------------------------------------------------------------------------

# What fits into the socket comes while the worker stands still, so that it finds all of it at once.
sub say
{
	my ($client, $bytes, $ends) = @_;
	my $fits = length($bytes) <= 150_000;

	stop_at_rest($node, $worker) if $fits;
	$client->raw($bytes) or die $!;
	end_of($client) if $ends;
	kill 'CONT', $worker if $fits;
}

my @sizes = ((map { my $near = $_; map { $near + $_ } -1, 0, 1 } 16384, 32768, 65536, 131072, 2 * 1024 * 1024),
	(map { 40 + int rand 140_000 } 1 .. 20), map { int rand 5_000_000 } 1 .. 6);

for my $way (sort keys %connect)
{
	my @wrong;

	for my $size (@sizes)
	{
		last if @wrong > 2;    # each takes its time
		for my $ends (0, 1)
		{
			my $client = $connect{$way}->();
			say($client, pipeline($size), $ends);
			my $heard = hear($client, 4 + $ends);
			push @wrong, "$size bytes" . ($ends ? ' and the end' : '') . ": $heard"
			  if $heard ne 'OK PONG PONG PONG' . ($ends ? ' closed' : '');
			next if $ends;
			end_of($client);
			$heard = hear($client, 1);
			push @wrong, "$size bytes, and the end later: $heard" if $heard ne 'closed';
		}
	}
	is_deeply(\@wrong, [], "$way: " . @sizes . ' sizes, with the end and without');
}

# ---- ends ------------------------------------------------------------------------------------

for my $way (sort keys %connect)
{
	wait_until('nobody else is there', sub { count('connected_clients') == 1 });
	my @clients = map { $connect{$way}->() } 1 .. 10;
	wait_until('they are there', sub { count('connected_clients') == 11 });

	stop_at_rest($node, $worker);
	end_of($clients[0]);
	$clients[1]->close;
	$clients[2]->raw(encode('SET', 'last', "of $way"));
	$clients[2]->close;
	$clients[3]->raw('*1');
	$clients[3]->close;
	# With what it has sent still unread, the other side is told that the connection is reset.
	setsockopt($clients[4]{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) or die $!;
	$clients[4]->raw(encode('PING'));
	$clients[4]->close;
	$clients[5]->raw(encode('BLPOP', 'nothing', 0));
	$clients[5]->close;
	$clients[6]->raw(encode('CLIENT', 'REPLY', 'OFF') . encode('PING') x 3);
	$clients[6]->close;
	kill 'CONT', $worker;
	is(hear($clients[0], 1), 'closed', "$way: who ends without a word is answered with the end");
	wait_until('those are gone that have ended, in seven ways', sub { count('connected_clients') <= 4 });
	is(count('connected_clients'), 4, '… and nobody else');
	is($redis->call('GET', 'last'), "of $way", '… what was said before is done');
	is(join(' ', map { $_->call('PING') } @clients[7 .. 9]), 'PONG PONG PONG', '… and others stay');
}

# ---- urgent bytes ----------------------------------------------------------------------------

# A read stops before an urgent byte, whatever is behind it; the byte itself is not read.
{
	my $client = redis($node);

	stop_at_rest($node, $worker);
	$client->raw("*1\r\n\$4\r\nPI");
	send($client->{socket}, 'x', MSG_OOB) or die $!;
	$client->raw("NG\r\n" . encode('ECHO', 'behind'));
	kill 'CONT', $worker;
	is(hear($client, 2), 'PONG behind', 'what is behind an urgent byte is read');
	send($client->{socket}, 'x', MSG_OOB) or die $!;
	is($client->call('PING'), 'PONG', '… and goes on');
}

# ---- while nothing is read of a client -----------------------------------------------------------

for my $way (sort keys %connect)
{
	my $client = $connect{$way}->();
	my $words = encode('BLPOP', "list:$way", 0);

	# Behind a command that waits: in the buffer already, and in the socket.
	$client->raw($words . encode('ECHO', 'with it'));
	wait_until('it waits', sub { count('blocked_clients') == 1 });
	$client->raw(encode('ECHO', 'while it waits') . encode('SET', 'pad', 'v' x 100_000) . encode('ECHO', 'last'));
	$redis->call('RPUSH', "list:$way", 'element');
	is_deeply([ map { $client->reply } 1 .. 5 ], [ [ "list:$way", 'element' ], 'with it', 'while it waits', 'OK', 'last' ],
		"$way: what comes while a client waits is read afterwards");

	$client->raw($words);
	wait_until('it waits again', sub { count('blocked_clients') == 1 });
	$client->close;
	wait_until('it has gone', sub { count('blocked_clients') == 0 });
	is($redis->call('RPUSH', "list:$way", 'stays'), 1, '… and who goes while it waits gets nothing');

	# Replies that nobody reads stop it; then all are read.
	$client = $connect{$way}->();
	$redis->call('SET', 'large', 'l' x 100_000);
	my $asked = 400;
	my $sender = fork // die $!;
	if (!$sender)
	{
		$client->raw(encode('GET', 'large') x $asked . encode('ECHO', 'end'));
		end_of($client);
		# Nothing of the test's is to be tidied up by it.
		kill 'KILL', $$;
	}
	wait_until('its replies wait', sub {
		return grep { /cmd=get/ && /omem=(\d+)/ && $1 > 1_000_000 } split /\n/, $redis->call('CLIENT', 'LIST');
	});
	my @lengths = map { length $client->reply } 1 .. $asked;
	is(scalar(grep { $_ == 100_000 } @lengths), $asked, "$way: replies that nobody has read for a while, all of them");
	is(hear($client, 2), 'end closed', '… with what was asked behind them, and the end');
	waitpid $sender, 0;

	# A pause ends with who waits for its end, and what others have sent in it comes behind it.
	my @paused = map { $connect{$way}->() } 1 .. 2;
	$_->call('PING') for @paused;
	$redis->call('CLIENT', 'PAUSE', 100_000, 'WRITE');
	$paused[0]->raw(encode('SET', 'paused', 'gone'));
	$paused[1]->raw(encode('SETNX', 'paused', $way) . encode('PING'));
	wait_until('two wait', sub { count('blocked_clients') == 2 });
	$paused[1]->raw(encode('SET', 'pad', 'v' x 100_000) . encode('DEL', 'paused'));
	end_of($paused[0]);
	is(hear($paused[0], 1), 'closed', "$way: who ends in a pause is not answered");
	$redis->call('CLIENT', 'UNPAUSE');
	is(hear($paused[1], 4), '1 PONG OK 1', '… and what it wanted is not done; what came in a pause is done behind it');
}

# ---- how many of them at a time ------------------------------------------------------------------

# How many turns the last command of this connection, then these bytes of each of many clients, and a look at the count take.
sub turns
{
	my ($clients, $bytes, @last) = @_;
	my $count = sub { return $redis->call('INFO', 'pgfirst') =~ /^pgfirst_turns:(\d+)/m ? $1 : die; };
	my $replies = () = $bytes =~ /PING/g;
	my $before = $count->();

	$redis->call(@last);
	stop_at_rest($node, $worker);
	$_->raw($bytes) for @$clients;
	kill 'CONT', $worker;
	hear($_, $replies) eq join(' ', ('PONG') x $replies) or die 'no PONG' for @$clients;
	return $count->() - $before;
}

my @many = map { $connect{TCP}->() } 1 .. 40;
$_->call('PING') for @many;
my $least = @many / 8;
cmp_ok(turns(\@many, encode('PING'), 'PING'), '>', $least, 'where each says one command and nothing is written, few in a turn');
cmp_ok(turns(\@many, encode('PING'), 'SET', 'key', 'value'), '<', $least, '… behind a turn that has written, many');
cmp_ok(turns(\@many, encode('PING') x 3, 'PING'), '<', $least, '… and where they say more than one');

is($node->safe_psql('postgres', 'SELECT count(*) FROM kv.check()'), 0, 'and the store is sound');
$node->stop;
done_testing();
