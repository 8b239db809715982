# SPDX-License-Identifier: PostgreSQL
#
# 071_latency.pl: what others feel of a client that asks for all keys there are, that sends a transaction of a
# million commands, or that goes in the middle of one.
#
#   PGFIRST_KEYS=10000000 LAYER=tap TEST=071 make test     with ten million keys instead of a million
#
# Others are two clients that send a GET and a SET in turn, about one a millisecond. How long they waited is noted
# for each part; the limits are wide, because machines are slow at times. docs/limits.md has the figures of a quiet
# machine.
#
# Alone: it measures how long others wait.
#
# Seen to fail:
#   slice_deadline() that is always far away (all of "a hundred KEYS at a time" and "eight"); list_all() that gives a
#   slice to each client in every turn (others wait 850 ms at p99 beside a hundred); kv_client_ends_with_peer() without
#   slices (the hundred do not go); listing_end() that copies (KEYS needs its reply twice: the client is
#   disconnected); output_take_tail() that forgets the tail; kv_session_take_back() that keeps it; kept_is_late() that is
#   always false (all that has to end in time); run_kept() that does not undo (what was answered EXECABORT has happened);
#   kv_multi_forget() that keeps the commands (memory is not given back).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use POSIX qw(WNOHANG);
use PostgreSQL::Test::Utils;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(time sleep);

my $keys = $ENV{PGFIRST_KEYS} || 1_000_000;
my $commands = 1_000_000;

# The reply to KEYS takes 19 bytes a key, in a buffer that grows by doubling up to 64 MB and by a quarter from then on.
my $memory = $keys > 2_000_000 ? '256MB' : '48MB';
my $node = pgfirst_node('latency', conf => <<CONF);
autovacuum = off
shared_buffers = 256MB
max_wal_size = 4GB
pgfirst.redis_client_memory = '$memory'
pgfirst.write_set_limit = '1GB'
pgfirst.redis_script_timeout = '120s'
CONF

my $redis = redis($node, timeout => 120);
my $pid = worker_pid($node);
my $max_clients = 1000;

# The worker has read it when INFO shows what came with it.
sub setting
{
	my ($name, $value) = @_;

	$max_clients++;
	$node->append_conf('postgresql.conf', "$name = '$value'\npgfirst.redis_max_clients = $max_clients");
	$node->reload;
	wait_until('the new setting', sub { $redis->call('INFO', 'clients') =~ /^maxclients:$max_clients\r?$/m; });
}

sub info { my ($section, $name) = @_; return ($redis->call('INFO', $section) =~ /^$name:(\d+)/m)[0]; }

# kB of the worker's own memory.
sub memory_kb
{
	my $status = slurp_file("/proc/$pid/status");
	my ($own) = $status =~ /^RssAnon:\s+(\d+)/m;

	return $own;
}

# ---- others ------------------------------------------------------------------------------------------

# Does something in another process; returns it, with a file handle from which comes what that returns.
sub elsewhere
{
	my ($work) = @_;

	pipe(my $read, my $write) or die $!;
	my $child = fork // die $!;
	if ($child == 0)
	{
		close $read;
		my $result = eval { $work->() } // "died: $@";
		syswrite($write, $result);
		POSIX::_exit(0);
	}
	close $write;
	return ($child, $read);
}

# Does something in another process and returns what that returns; meanwhile others go on. What they waited is
# noted, and returned: the longest time, in seconds, and how much memory the worker had at most.
sub beside
{
	my ($name, $work) = @_;
	my @others = map { redis($node, timeout => 120) } 1 .. 2;
	my (%took, $own);
	my ($child, $read) = elsewhere($work);
	my $began = time;

	for (my $i = 0; waitpid($child, WNOHANG) != $child; $i++)
	{
		my @command = $i % 2 ? ('GET', 'other:' . $i % 100) : ('SET', 'other:' . $i % 100, $i);
		my $sent = time;
		my $reply = $others[$i % 2]->call(@command);
		push @{ $took{ $command[0] } }, time - $sent;
		die "$command[0]: $reply\n" if ($reply // '') =~ /^-/;
		my $now = $i % 50 ? 0 : memory_kb();
		$own = $now if $now > ($own // 0);
		sleep 0.001;
	}
	my $seconds = time - $began;
	my $result = do { local $/; <$read> };
	for my $command (sort keys %took)
	{
		note sprintf('%s took %.2f s; %d %ss of others: p50 %.2f ms, p99 %.2f ms, longest %.1f ms', $name, $seconds,
			scalar @{ $took{$command} }, $command,
			map { 1000 * percentile($_, @{ $took{$command} }) } 0.5, 0.99, 1);
	}
	note sprintf("the worker's own memory at most: %.0f MB", ($own // 0) / 1024);
	return ($result, percentile(1, map { @$_ } values %took), percentile(0.99, map { @$_ } values %took), $own);
}

# What the server has sent; undef if it has disconnected, or sends nothing for a minute.
sub some_bytes
{
	my ($client) = @_;

	my $bytes;

	return undef if !$client->{select}->can_read(60) || !sysread($client->{socket}, $bytes, 1 << 20);
	return $bytes;
}

# Sends KEYS, reads its reply and returns how many there are; does not keep them.
sub keys_counted
{
	my ($client, $pattern) = @_;
	my ($begin, $count, $lines) = ('', undef, 0);

	$client->send('KEYS', $pattern);
	while (!defined $count || $lines < 2 * $count + 1)
	{
		my $bytes = some_bytes($client) // return 'disconnected';
		$lines += $bytes =~ tr/\n//;
		$begin .= $bytes if !defined $count;
		return $begin if $begin =~ /^-/;
		$count = $1 if $begin =~ /^\*(\d+)\r\n/;
	}
	return $count;
}

# Sends a command so many times, in packets of thousands, and reads the replies, which have one line each.
sub many
{
	my ($client, $times, $command) = @_;
	my $lines = 0;

	for (my $i = 0; $i < $times; $i += 1000)
	{
		$client->raw(join '', map { PgfirstTest::Redis::encode($command->($_)) } $i .. $i + 999);
		while ($lines < $i + 1000)
		{
			my $bytes = some_bytes($client) // return 0;
			$lines += $bytes =~ tr/\n//;
		}
	}
	return $lines;
}

# ---- loading -----------------------------------------------------------------------------------------

my $began = time;
$node->safe_psql('postgres', <<SQL);
DO \$\$
BEGIN
	FOR start IN 0 .. $keys - 1 BY 200000 LOOP
		PERFORM kv.set('key:' || lpad(g::text, 8, '0'), 'value')
		FROM generate_series(start, least(start + 200000, $keys) - 1) g;
		COMMIT;
	END LOOP;
END
\$\$;
SQL
note sprintf('%d keys were loaded in %.1f s', $keys, time - $began);
$redis->call('MSET', map { ("other:$_", 0) } 0 .. 99);
my $all = $redis->call('DBSIZE');
is($all, $keys + 100, 'all keys are there');
my ($result, $longest, $p99, $own) = beside('nothing', sub { sleep 2; return 1; });

# ---- KEYS --------------------------------------------------------------------------------------------

($result, $longest, $p99, $own) = beside('KEYS *', sub { return keys_counted(redis($node), '*'); });
is($result, $all, 'KEYS * finds all of them, with the memory of one reply');
cmp_ok($longest, '<', 0.5, '… and nobody waits long for it');
cmp_ok($p99, '<', 0.1, '… nor often');
($result, $longest) = beside('KEYS of nothing', sub { return keys_counted(redis($node), '*none*'); });
is($result, 0, 'KEYS that finds none');
cmp_ok($longest, '<', 0.5, '… keeps nobody waiting');
($result, $longest) = beside('eight KEYS at a time', sub {
	my @clients = map { redis($node) } 1 .. 8;
	$_->send('KEYS', 'key:0000*1') for @clients;
	return join ' ', map { scalar @{ $_->reply(120) } } @clients; });
is($result, join(' ', (1000) x 8), 'eight at a time');
cmp_ok($longest, '<', 0.5, '… take turns with others');
($result, $longest, $p99) = beside('a hundred KEYS at a time', sub {
	my @clients = map { redis($node) } 1 .. 100;
	$_->send('KEYS', '*none*') for @clients;
	sleep 5;
	# One of few keys is not behind all the others.
	my $few = redis($node);
	$few->call('SELECT', 2);
	$few->call('SET', 'few', 1);
	return join ' ', @{ $few->call('KEYS', '*') }; });
is($result, 'few', 'a hundred at a time');
cmp_ok($p99, '<', 0.1, '… cost others no more than one');
# Those hundred have gone, but their KEYS would take long.
wait_until('they end with who asked for them', sub { return info('clients', 'connected_clients') == 1; }, 10);
pass('… and end with who asked for them');

# What is behind a large reply comes behind it.
my $lot = redis($node, timeout => 120);
$lot->send(@$_) for [ 'ECHO', 'before' ], [ 'KEYS', 'key:000*' ], [ 'ECHO', 'behind' ], [ 'KEYS', 'key:0000*' ], [ 'PING' ];
my $bytes = '';
while ($bytes !~ /PONG\r\n\z/) { $bytes .= some_bytes($lot) // last; }
my $elements = qr/((?:\$12\r\nkey:[0-9]{8}\r\n)*)/;
my @found = $bytes =~ /\A\$6\r\nbefore\r\n\*100000\r\n$elements\$6\r\nbehind\r\n\*10000\r\n$elements\+PONG\r\n\z/;
is(scalar @found, 2, 'a pipeline with large replies: each is where it belongs');
my %distinct = map { $_ => 1 } ($found[0] // '') =~ /key:000[0-9]{5}/g;
is(scalar keys %distinct, 100_000, '… and whole');
$lot->call('CLIENT', 'REPLY', 'ON');
$lot->send(@$_) for [ 'CLIENT', 'REPLY', 'SKIP' ], [ 'KEYS', 'key:000*' ], [ 'ECHO', 'not silent' ];
is($lot->reply, 'not silent', 'a large reply that nobody wants is not sent');
$lot->send('KEYS', 'key:000*');
$lot->close;
wait_until('who does not read it is forgotten', sub { info('memory', 'mem_clients_normal') < 4_000_000; });

# ---- a transaction of a million commands ---------------------------------------------------------------

sub transaction
{
	my ($command, $lines_each) = @_;
	my $client = redis($node, timeout => 120);
	my $began = time;

	$client->call('MULTI');
	return 'not kept' if many($client, $commands, $command) != $commands;
	my $kept = time - $began;
	$client->send('EXEC');
	my ($lines, $begin, $end) = (0, '', '');
	while ($lines < ($begin =~ /^-/ ? 1 : $commands * $lines_each + 1))
	{
		my $bytes = some_bytes($client) // return 'disconnected';
		$begin ||= substr $bytes, 0, 200;
		$lines += $bytes =~ tr/\n//;
	}
	return sprintf '%s (kept in %.1f s, EXEC took %.2f s)', $begin =~ s/\r\n.*//sr, $kept, time - $began - $kept;
}

my $set = sub { return ('SET', "million:$_[0]", $_[0]); };
setting('pgfirst.redis_client_memory', '256MB');
($result, $longest) = beside('a million SETs, kept', sub {
	my $client = redis($node, timeout => 120);
	$client->call('MULTI');
	return many($client, $commands, $set); });
is($result, $commands, 'a million commands are kept');
cmp_ok($longest, '<', 0.5, '… and nobody waits long for them');
wait_until('their client has gone', sub { info('memory', 'mem_clients_normal') < 4_000_000; });

my @reads = ('reads', sub { return ('GET', sprintf 'key:%08d', $_[0] % 1000); }, 2);
for my $kind (\@reads, [ 'writes', sub { return ('SET', 'few:' . $_[0] % 1000, $_[0]); }, 1 ])
{
	my ($name, @how) = @$kind;
	($result, $longest) = beside("a million $name", sub { return transaction(@how); });
	note $result;
	my ($exec) = $result =~ /EXEC took ([0-9.]+) s/;
	like($result, qr/^\*$commands /, "EXEC of a million $name is carried out");
	cmp_ok($longest, '<', ($exec // 0) + 1, '… and delays others for no longer than it takes');
}
is($redis->call('GET', 'few:999'), $commands - 1, '… all of it');

setting('pgfirst.redis_script_timeout', '200ms');
for my $kind (\@reads, [ 'writes', $set, 1 ])
{
	my ($name, @how) = @$kind;
	($result, $longest) = beside("a million $name, ended", sub { return transaction(@how); });
	note $result;
	like($result, qr/^-EXECABORT Transaction discarded because of: it has run for longer than pgfirst\.redis_script_timeout \(200 ms\)/,
		"EXEC of a million $name ends in time");
	cmp_ok($longest, '<', 2, '… and nobody waits longer');
}
is($redis->call('EXISTS', map { "million:$_" } 0 .. 999), 0, '… and nothing of it has happened');

# ---- all keys, where there is but one turn for them ------------------------------------------------------

$redis->call('SELECT', 1);
$redis->call('SET', 'in1', 'old');
$redis->call('SELECT', 0);
my $late = qr/^-EXECABORT .*it has run for longer than pgfirst\.redis_script_timeout/;
my %endless = (
	'KEYS in EXEC' => [ [ 'SET', 'lost', 1 ], ([ 'KEYS', '*none*' ]) x 20 ],
	'KEYS in an EXEC that reads' => [ ([ 'KEYS', '*none*' ]) x 20 ],
	'DBSIZE behind a change' => [ [ 'SET', 'lost', 1 ], ([ 'DBSIZE' ]) x 20 ],
	'KEYS behind FLUSHDB' => [ [ 'SELECT', 1 ], [ 'FLUSHDB' ], [ 'SET', 'in1', 'lost' ], [ 'SELECT', 0 ], ([ 'KEYS', '*none*' ]) x 20 ]);
for my $what (sort keys %endless)
{
	($result, $longest) = beside($what, sub {
		my $client = redis($node, timeout => 120);
		$client->call('MULTI');
		$client->call(@$_) for @{ $endless{$what} };
		my $reply = $client->call('EXEC');
		return (ref $reply ? 'carried out' : $reply) . ' ' . $client->call('PING'); });
	like($result, $late, "$what ends in time");
	like($result, qr/ PONG$/, '… and the client goes on');
	cmp_ok($longest, '<', 2, '… and nobody waits longer');
}
($result, $longest) = beside('KEYS in a script', sub {
	return redis($node, timeout => 120)->call('EVAL', 'redis.call("SET", "lost", 1) for i = 1, 20 do redis.pcall("KEYS", "*none*") end return 1', 0); });
like($result, qr/^-ERR the script has run for longer than pgfirst\.redis_script_timeout/, 'KEYS in a script ends in time');
cmp_ok($longest, '<', 2, '… and nobody waits longer');
is($redis->call('GET', 'lost'), undef, 'nothing of them has happened');
$redis->call('SELECT', 1);
is($redis->call('GET', 'in1'), 'old', '… not even that a database was flushed');
$redis->call('SELECT', 0);
setting('pgfirst.redis_script_timeout', '120s');

# ---- a client that goes between MULTI and EXEC -----------------------------------------------------------

my $clients = info('clients', 'connected_clients');

# What is sent by a client that then goes in some way.
my %going = (
	'is killed' => sub { kill 'KILL', $$; },
	'resets the connection' => sub { my ($client) = @_; setsockopt($client->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)); $client->close; POSIX::_exit(0); },
	'closes it' => sub { my ($client) = @_; $client->close; POSIX::_exit(0); });
my %sent = (
	'nothing more' => '',
	'half a command' => "*3\r\n\$3\r\nSET\r\n\$4\r\ngone\r\n\$1000\r\nx",
	'half an EXEC' => "*1\r\n\$4\r\nEXE");
for my $way (sort keys %going)
{
	for my $last (sort keys %sent)
	{
		my ($child, $read) = elsewhere(sub {
			my $client = redis($node);
			$client->call('WATCH', 'watched', 'gone');
			$client->call('MULTI');
			$client->call('SET', 'gone', 1);
			$client->call('INCR', 'watched');
			$client->raw($sent{$last});
			$going{$way}->($client); });
		waitpid($child, 0);
		wait_until('it is noticed', sub { info('clients', 'connected_clients') == $clients; });
		my $asked = time;
		is_deeply([ map { $redis->call(@$_) } [ 'EXISTS', 'gone', 'watched' ], [ 'SET', 'gone', 'free', 'GET' ], [ 'GETDEL', 'gone' ] ],
			[ 0, undef, 'free' ], "a client $way between MULTI and EXEC, having sent $last: nothing has happened");
		cmp_ok(time - $asked, '<', 5, '… and nothing is locked');
	}
}

# Behind EXEC all of it happens or nothing.
for my $way (sort keys %going)
{
	my ($child, $read) = elsewhere(sub {
		my $client = redis($node);
		$client->raw(join '', map { PgfirstTest::Redis::encode(@$_) } [ 'MULTI' ], (map { [ 'SET', "half:$_", 1 ] } 1 .. 200), [ 'EXEC' ]);
		$going{$way}->($client); });
	waitpid($child, 0);
	wait_until('it is noticed', sub { info('clients', 'connected_clients') == $clients; });
	like($redis->call('DEL', map { "half:$_" } 1 .. 200), qr/^(0|200)$/, "a client $way behind EXEC: all of it or nothing");
}

# In the middle of a large one, and of a large argument: what was kept is given back.
my $before = info('memory', 'mem_clients_normal');
for my $way (sort keys %going)
{
	($result, $longest) = beside("a client that has sent much and $way", sub {
		my $client = redis($node, timeout => 120);
		$client->call('MULTI');
		many($client, 200_000, $set);
		$client->raw("*3\r\n\$3\r\nSET\r\n\$4\r\ngone\r\n\$50000000\r\n" . 'x' x 20_000_000);
		$going{$way}->($client); });
	cmp_ok($longest, '<', 0.5, "a client that has sent much and $way keeps nobody waiting");
	wait_until('it is noticed', sub { info('clients', 'connected_clients') == $clients; });
	wait_until('its memory is given back', sub { info('memory', 'mem_clients_normal') < $before + 1_000_000; });
	is($redis->call('EXISTS', 'gone', map { "million:$_" } 0 .. 999), 0, '… and nothing has happened');
}
is(worker_pid($node), $pid, 'all this time it was the same process');

$node->stop;
done_testing();
