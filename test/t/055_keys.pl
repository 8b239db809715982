# SPDX-License-Identifier: PostgreSQL
#
# 055_keys.pl: commands on keys, as far as random streams of commands cannot show it: a key that is
# carried to another database while somebody has something there, while the server is killed, when it is
# large; what their replies wait for; a random key among dead ones; cursors of clients that keep them as numbers; the
# door of a standby.
#
# Seen to fail: prepare() that locks what a command needs elsewhere always last (two workers that wait keep
# each other busy); lock_others() that does nothing (a key that SQL holds is overwritten, FLUSHALL passes a
# transaction); units_across_stores() that returns NULL (half a MOVE, half a FLUSHALL after a crash);
# carry() that keeps what it has read until its end (three copies of a large value); kv_room_for() that says
# yes (the whole turn fails); reply_depends_on() that does nothing (a reply before its change is durable);
# random_slice() that does not go on at the beginning (null beside a living key); space_read_epoch() that
# resets the position (half a FLUSHALL); kv_space_flush() that leaves the position as it is (an empty
# database is shown before that is durable); kv_cursor_at() that keeps all 64 bits (such a client misses elements).

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $speed = PostgreSQL::Test::Utils::tempdir . '/disk';
disk(0);
my $node = pgfirst_node('keys', streaming => 1, preload => [ shim('slow_sync') ],
	env => { PGFIRST_SLOW_SYNC_FILE => $speed }, conf => <<CONF);
autovacuum = off
shared_buffers = 16MB
pgfirst.redis_lock_timeout = '60s'
CONF
$node->safe_psql('postgres', "SELECT kv.create_database(4, 'relaxed')");
my $redis = redis($node, timeout => 120);
my $there = redis($node, timeout => 120);
my $bystander = redis($node);
$there->call('SELECT', 1);

# How long a sync of the disk takes.
sub disk
{
	my ($milliseconds) = @_;

	unlink "$speed.new";
	append_to_file("$speed.new", $milliseconds * 1000);
	rename "$speed.new", $speed or die $!;
}

# ---- waiting for another database ----------------------------------------------------------------

my $sql = PgfirstStore::Session->new($node);

# What SQL holds keeps the command waiting, and nobody else; then it goes on.
sub waits
{
	my ($name, $begin, $expected, @command) = @_;

	$sql->ask("BEGIN; $begin");
	$redis->send(@command);
	my ($what, $early) = $redis->outcome(0.5);
	if (!is($what, 'silent', "$name: it waits"))
	{
		$sql->ask('COMMIT');
		return is($early, $expected, '… and goes on');
	}
	my ($end, $worst) = (time + 1, 0);
	while (time < $end)
	{
		my $sent = time;
		($what, $early) = $redis->outcome(0.1);
		last if $what ne 'silent';
		$bystander->call('SET', 'other', 1);
		$worst = time - $sent - 0.1 if time - $sent - 0.1 > $worst;
	}
	cmp_ok($worst, '<', 0.5, '… others do not');
	$sql->ask('COMMIT');
	is($what eq 'silent' ? $redis->reply : "$early, too early", $expected, '… then it goes on');
}

$redis->call('MSET', 'a', 1, 'b', 2, 'c', 3, 'd', 4);
$there->call('SET', 'x', 'there');
waits('MOVE to a key that SQL sets', "SELECT kv.set('a', 'sql', db => 1)", 0, 'MOVE', 'a', 1);
is_deeply([ $redis->call('GET', 'a'), $there->call('GET', 'a') ], [ 1, 'sql' ],
	'… to where it is taken: nothing happened');
waits('MOVE to a key that SQL deletes', "SELECT kv.del('a', db => 1)", 1, 'MOVE', 'a', 1);
is_deeply([ $redis->call('GET', 'a'), $there->call('GET', 'a') ], [ undef, 1 ], '… to where it is free: moved');
waits('COPY over a key that SQL sets', "SELECT kv.set('x', 'sql', db => 1)", 1, 'COPY', 'b', 'x', 'DB', 1, 'REPLACE');
is($there->call('GET', 'x'), 2, '… replaces it');
waits('MOVE from a key that SQL sets', "SELECT kv.set('c', 'sql')", 1, 'MOVE', 'c', 1);
is($there->call('GET', 'c'), 'sql', '… takes what it has become');
waits('RENAME over a key that SQL sets', "SELECT kv.set('b', 'sql')", 'OK', 'RENAME', 'd', 'b');
is($redis->call('GET', 'b'), 4, '… replaces it');
waits('MOVE to a database that SQL has locked', 'LOCK TABLE kv.database_1 IN ACCESS EXCLUSIVE MODE', 1, 'MOVE', 'b', 1);
is($there->call('GET', 'b'), 4, '… moved');
$redis->call('SET', 'k', 1);
waits('FLUSHALL while SQL loads', "SELECT count(kv.set('load:' || i, 'x', db => 2, nx => true)) FROM generate_series(1, 1500) i",
	'OK', 'FLUSHALL');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kv.keys'), '0',
	'… and then empties every database');
$there->call('SET', 'x', 1);
is($redis->call('FLUSHALL', 'ASYNC'), 'OK', '… at once when nobody is in the way');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kv.keys'), '0', '… all of it');

# Two workers that wait must not wake each other by what they take in vain.
{
	my $two = pgfirst_node('keys_two', workers => 2, conf => "pgfirst.redis_lock_timeout = '60s'");
	my $holder = PgfirstStore::Session->new($two);
	my %client;

	wait_until('a client of each worker', sub {
		my $client = redis($two);
		my ($pid) = $client->call('INFO', 'server') =~ /^process_id:(\d+)/m;
		$client{$pid} //= $client;
		return keys %client == 2;
	});
	my ($one, $other) = map { $client{$_} } sort keys %client;
	for my $case (
		[ "SELECT kv.set('a', 'sql', db => 1), kv.set('b', 'sql', db => 1)", [ 'MOVE', 'a', 1 ], [ 'MOVE', 'b', 1 ] ],
		[ 'LOCK TABLE kv.database_2 IN ACCESS EXCLUSIVE MODE', [ 'MOVE', 'a', 2 ], [ 'FLUSHALL' ] ])
	{
		my ($begin, @commands) = @$case;

		$one->call('MSET', 'a', 1, 'b', 2);
		$holder->ask("BEGIN; $begin");
		$one->send(@{ $commands[0] });
		$other->send(@{ $commands[1] });
		is(($one->outcome(0.5))[0] . ($other->outcome(0))[0], 'silentsilent', "@{ $commands[0] } and @{ $commands[1] } wait");
		my $before = 0;
		$before += ticks($_) for keys %client;
		($one->outcome(2))[0] eq 'silent' or fail('… to the end');
		my $used = -$before;
		$used += ticks($_) for keys %client;
		cmp_ok($used, '<', 50, "… and the workers rest: $used hundredths of a second in two seconds");
		$holder->ask('COMMIT');
		$_->reply for $one, $other;
	}
	$holder->end;
	$two->stop;
}

# In the end it is told who has it.
$node->append_conf('postgresql.conf', "pgfirst.redis_lock_timeout = '300ms'\npgfirst.redis_max_clients = 1001");
$node->reload;
wait_until('the new setting', sub { $redis->call('INFO', 'clients') =~ /^maxclients:1001\r?$/m; });
$redis->call('SET', 'a', 1);
my $pid = $sql->ask("BEGIN; SELECT pg_backend_pid()");
$sql->ask("SELECT kv.set('a', 'sql', db => 1)");
like($redis->call('MOVE', 'a', 1), qr/^-ERR the key is locked by the transaction of process $pid, /,
	'MOVE is told who has the key');
$sql->ask('COMMIT; BEGIN; LOCK TABLE kv.database_2 IN ACCESS EXCLUSIVE MODE');
like($redis->call('FLUSHALL'), qr/^-ERR the database is locked by the transaction of process $pid, /,
	'FLUSHALL is told who has a database');
$sql->ask('COMMIT');
is_deeply([ $redis->call('GET', 'a'), $there->call('GET', 'a') ], [ 1, 'sql' ], '… and neither has done anything');
$sql->end;

# ---- what a reply waits for ------------------------------------------------------------------------

my $relaxed = redis($node);
$relaxed->call('SELECT', 4);

# Seconds until the answer, on a disk that takes a third of a second for a sync.
sub seconds
{
	my ($client, $expected, @command) = @_;

	disk(333);
	my $sent = time;
	is($client->call(@command), $expected, "@command");
	my $took = time - $sent;
	disk(0);
	return $took;
}

$relaxed->call('SET', 'k', 1);
# Of several, because a sync that is under way for something else may be in between.
my ($fast) = sort { $a <=> $b } map { seconds($relaxed, 'OK', 'SET', 'k', $_) } 1 .. 5;
cmp_ok($fast, '<', 0.25, 'a change of a relaxed database is answered at once');
cmp_ok(seconds($relaxed, 1, 'COPY', 'k', 'k', 'DB', 0), '>', 0.3,
	'… but not one of a durable database, whatever is selected');
cmp_ok(seconds($relaxed, 1, 'MOVE', 'k', 2), '>', 0.3, '… MOVE');
cmp_ok(seconds($relaxed, 'OK', 'FLUSHALL'), '>', 0.3, '… FLUSHALL');

# Nor does anybody else see an empty database before it will stay empty. The two come together because
# the worker is stopped while they are sent.
my ($empty, $early) = (0, 0);
for my $round (1 .. 5)
{
	$redis->call('SET', 'k', $round);
	my $worker = worker_pid($node);
	kill 'STOP', $worker;
	$redis->send('FLUSHDB');
	$bystander->send('GET', 'k');
	disk(333);
	my $sent = time;
	kill 'CONT', $worker;
	my $found = $bystander->reply;
	my $took = time - $sent;
	is($redis->reply, 'OK', 'FLUSHDB, and GET of another client in the same turn');
	disk(0);
	next if defined $found;
	$empty++;
	$early++ if $took < 0.3;
}
cmp_ok($empty, '>', 0, '… which finds nothing');
is($early, 0, '… and says so when that is durable');

# ---- large values --------------------------------------------------------------------------------

my $value = join('', map { pack('N', ($_ * 2654435761) % 2**32) } 1 .. 256 * 1024) x 100;
is($redis->call('SET', 'big', $value, 'EX', 1000), 'OK', 'a value of 100 MB');

# By how many MB the worker's memory grows at most while the command runs.
sub growth
{
	my ($client, @command) = @_;
	my $worker = worker_pid($node);
	my $is = sub { slurp_file("/proc/$worker/status") =~ /^$_[0]:\s+(\d+) kB/m ? $1 / 1024 : die; };

	append_to_file("/proc/$worker/clear_refs", '5');
	my $before = $is->('VmRSS');
	my $answer = $client->call(@command);
	return ($answer, $is->('VmHWM') - $before);
}

my ($answer, $grown) = growth($redis, 'RENAME', 'big', 'bigger');
is($answer, 'OK', 'RENAME of it');
cmp_ok($grown, '<', 250, sprintf('… takes no more than two copies: %.0f MB', $grown));
is(md5_hex($redis->call('GET', 'bigger')), md5_hex($value), '… every byte is there');
cmp_ok($redis->call('TTL', 'bigger'), '>', 900, '… with its expiry');
is($redis->call('EXISTS', 'big'), 0, '… under its new name only');
is($redis->call('OBJECT', 'ENCODING', 'bigger'), 'raw', '… OBJECT ENCODING');
($answer, $grown) = growth($redis, 'MOVE', 'bigger', 1);
is($answer, 1, 'MOVE of it');
cmp_ok($grown, '<', 250, sprintf('… takes no more: %.0f MB', $grown));
is($there->call('COPY', 'bigger', 'copy', 'DB', 0), 1, 'COPY of it');
is(md5_hex($redis->call('GET', 'copy')), md5_hex($value), '… every byte is there');
is(md5_hex($there->call('GET', 'bigger')), md5_hex($value), '… and where it came from');
cmp_ok($redis->call('TTL', 'copy'), '>', 900, '… with its expiry');

# Values that were written can be larger than what may be changed now.
$node->append_conf('postgresql.conf', "pgfirst.write_set_limit = '50MB'");
$node->reload;
wait_until('the new limit', sub {
	return $there->call('RENAME', 'bigger', 'bigger2') =~ /^-OOM /
	  || $there->call('RENAME', 'bigger2', 'bigger') =~ /^-OOM /;
});
my ($aborted) = $redis->call('INFO', 'pgfirst') =~ /^pgfirst_turns_aborted:(\d+)/m;
my ($name) = grep { $there->call('EXISTS', $_) } 'bigger', 'bigger2';
my @commands = ([ 'SET', 'a', 1 ], [ 'COPY', $name, 'x', 'DB', 0 ], [ 'MOVE', $name, 2 ],
	[ 'RENAMENX', $name, 'z' ], [ 'GET', 'a' ]);
$there->raw(join '', map { PgfirstTest::Redis::encode(@$_) } @commands);
my @answers = map { $there->reply } @commands;
is_deeply([ @answers[ 0, 4 ] ], [ 'OK', 1 ], 'beyond pgfirst.write_set_limit: others of the turn are carried out');
is(scalar(grep { /^-OOM command not allowed / } @answers[ 1 .. 3 ]), 3, '… and it is told so');
is(md5_hex($there->call('GET', $name)), md5_hex($value), '… the value is where it was');
is($redis->call('INFO', 'pgfirst') =~ /^pgfirst_turns_aborted:(\d+)/m && $1, $aborted, '… and no turn has failed');
$redis->call('FLUSHALL');

# ---- RANDOMKEY among dead keys ---------------------------------------------------------------------

# The sweep takes what FLUSHALL leaves; while it has not, there are thousands of them in the way.
my ($turns, $slow, $wrong) = (0, 0, 0);
for my $round (1 .. 5)
{
	$redis->send('MSET', map { ("dead:$round:$_", 'x') } 1 .. 50_000);
	$redis->reply;
	$redis->call('FLUSHDB');
	$redis->call('SET', 'alive', $round);
	my ($before) = $redis->call('INFO', 'pgfirst') =~ /^pgfirst_turns:(\d+)/m;
	$wrong++ if ($redis->call('RANDOMKEY') // '') ne 'alive';
	my ($after) = $redis->call('INFO', 'pgfirst') =~ /^pgfirst_turns:(\d+)/m;
	$turns = $after - $before if $after - $before > $turns;
	# In a pipeline, behind changes of the same turn.
	$redis->raw(PgfirstTest::Redis::encode('SET', 'alive', 2) . PgfirstTest::Redis::encode('RANDOMKEY')
		  . PgfirstTest::Redis::encode('DEL', 'alive') . PgfirstTest::Redis::encode('RANDOMKEY'));
	my @got = map { $redis->reply } 1 .. 4;
	$wrong++ if ($got[1] // '') ne 'alive' || defined $got[3];
}
is($wrong, 0, 'RANDOMKEY finds the only key that lives, and nothing when there is none');
cmp_ok($turns, '>', 3, "… in $turns turns, so that others are served");

# ---- cursors ---------------------------------------------------------------------------------------

# A client may keep a cursor in a double, as node-redis 4 does, or in a signed integer.
$redis->call('FLUSHDB');
my @names = map { "name:$_" } 1 .. 1000;
$redis->call('MSET', map { ($_, 'x') } @names);
$there->call('FLUSHDB');
$there->call('HSET', 'hash', map { ($_, 'x') } @names);
$there->call('SADD', 'set', @names);
$there->call('ZADD', 'zset', map { (1, $_) } @names);
for my $scan ([ $redis, 'SCAN' ], [ $there, 'HSCAN', 'hash' ], [ $there, 'SSCAN', 'set' ], [ $there, 'ZSCAN', 'zset' ])
{
	my ($end, @command) = @$scan;
	my ($cursor, $calls, %seen) = (0, 0);

	do
	{
		($cursor, my $batch) = @{ $end->call(@command, $cursor, 'COUNT', 7) };
		$cursor = sprintf('%.0f', unpack('d', pack('d', $cursor)));
		$seen{$_}++ for @$batch;
	} while ($cursor ne '0' && ++$calls < 1000);
	is(scalar(grep { ($seen{$_} // 0) == 1 } @names), 1000, "$command[0]: by cursors that were doubles every element comes once");
	cmp_ok($calls, '>', 50, '… in small steps');
	is($end->call(@command, '18446744073709551615')->[0], 0, '… and the highest cursor is behind them');
}
$redis->call('FLUSHDB');
$there->call('FLUSHDB');

# ---- the door of a standby -------------------------------------------------------------------------

$redis->call('SET', 'k', 41, 'PXAT', 4102444800000);
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('keys_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', PgfirstTest::settings($standby, PostgreSQL::Test::Cluster::get_free_port()));
$standby->start;
my $reader;
wait_until('the door of the standby', sub {
	$reader = eval { redis($standby) };
	return $reader && ($reader->call('GET', 'k') // '') eq '41';
});
like($reader->call(@$_), qr/^-READONLY /, "on a standby, @$_ is refused")
  for [ 'COPY', 'k', 'l' ], [ 'COPY', 'k', 'k', 'DB', 1 ], [ 'MOVE', 'k', 1 ], [ 'RENAME', 'k', 'l' ],
  [ 'RENAMENX', 'k', 'l' ], [ 'UNLINK', 'k' ], ['FLUSHALL'], [ 'EXPIREAT', 'k', 1 ], [ 'PEXPIREAT', 'k', 1 ];
is_deeply([ $reader->call('TOUCH', 'k', 'none'), $reader->call('RANDOMKEY'), $reader->call('OBJECT', 'ENCODING', 'k'),
		$reader->call('EXPIRETIME', 'k'), $reader->call('PEXPIRETIME', 'k') ],
	[ 1, 'k', 'int', 4102444800, 4102444800000 ], '… and those that read are answered');
$standby->stop;
$node->stop;

# ---- the server is killed ----------------------------------------------------------------------------

# At every WAL record of these commands, all of which go out together.
my $crashed = watched_node('keys_crash', conf => <<CONF);
fsync = off
wal_writer_delay = '10s'
CONF
my @values = ('small', 'x' x 3000, 'v' x 9000, 'y' x 500);

sub client
{
	my ($database) = @_;
	my $client = redis($crashed);

	$client->call('SELECT', $database);
	return $client;
}

# Sends the commands, which the server does not survive at record AT; false if it does.
sub dies_at
{
	my ($at, @sent) = @_;
	my @processes = processes($crashed);
	my $client = client(0);

	store_arm($crashed, 'crash', point => 'after a record', passes => $at - 1, who => 'pgfirst redis');
	$client->raw(join '', map { PgfirstTest::Redis::encode(@$_) } @sent);
	for (@sent)
	{
		my ($what) = $client->outcome(60);
		last if $what eq 'closed';
		next if $_ != $sent[-1];
		store_arm($crashed, 'nothing');
		return 0;
	}
	wait_until('all processes are gone', sub { return !grep { kill 0, $_ } @processes; });
	$crashed->{_pid} = undef;
	$crashed->start;
	wait_for_door($crashed);
	return 1;
}

my ($rounds, $moved, $stayed, @half) = (0, 0, 0);
while (1)
{
	my ($here, $elsewhere) = (client(0), client(1));
	$here->call('FLUSHALL');
	$here->call('MSET', map { ("move:$_", $values[$_], "name:$_", $values[$_], "copy:$_", $values[$_]) } 0 .. 3);
	$elsewhere->call('MSET', map { ("copy:$_", 'old') } 0 .. 3);
	$rounds++;
	my $died = dies_at($rounds,
		map { ([ 'MOVE', "move:$_", 1 ], [ 'RENAME', "name:$_", "renamed:$_" ],
			[ 'COPY', "copy:$_", "copy:$_", 'DB', 1, 'REPLACE' ]) } 0 .. 3);
	($here, $elsewhere) = (client(0), client(1));
	for my $n (0 .. 3)
	{
		my @places = grep { defined } $here->call('GET', "move:$n"), $elsewhere->call('GET', "move:$n");
		push @half, "record $rounds: MOVE move:$n: in " . @places . ' databases' if @places != 1 || $places[0] ne $values[$n];
		$here->call('EXISTS', "move:$n") ? $stayed++ : $moved++;
		@places = grep { defined } @{ $here->call('MGET', "name:$n", "renamed:$n") };
		push @half, "record $rounds: RENAME name:$n: " . @places . ' names' if @places != 1 || $places[0] ne $values[$n];
		my $copy = $elsewhere->call('GET', "copy:$n") // 'nothing';
		push @half, "record $rounds: COPY copy:$n" if $here->call('GET', "copy:$n") ne $values[$n]
		  || ($copy ne 'old' && $copy ne $values[$n]);
	}
	last if !$died || $rounds > 200;
}
is_deeply(\@half, [], "killed at each of $rounds records: no half of a MOVE, RENAME or COPY");
ok($rounds > 5 && $moved > 0 && $stayed > 0, "… of which $moved were carried out and $stayed were not");

my ($flushed, $kept);
for my $at (1 .. 100)
{
	client($_)->call('SET', 'k', 1) for 0 .. 3;
	my $died = dies_at($at, ['FLUSHALL']);
	my $left = grep { client($_)->call('EXISTS', 'k') } 0 .. 3;
	push @half, "record $at: $left databases of 4 are left" if $left != 0 && $left != 4;
	$left ? $kept++ : $flushed++;
	last if !$died;
}
is_deeply(\@half, [], '… nor of a FLUSHALL');
ok($flushed && $kept, "… which has happened $flushed times and has not $kept times");
is(store_check($crashed), '', '… in stores that are sound');

$crashed->stop;
done_testing();
