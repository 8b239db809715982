# SPDX-License-Identifier: PostgreSQL
#
# 058_multi_limits.pl: transactions that ask for too much, that come at a bad moment, or that wait: what they cost
# the others, and what is left of the client.
#
# Seen to fail, all on one build: run_kept() without a context for each command (1.7 GB after 1,500 GETs of one
# megabyte); client_free_buffers() without kv_multi_forget() (several clients are disconnected instead of
# one); kv_multi_keep() that goes on when the transaction is broken; kv_cmd_exec() that sets `spent` only before
# it runs (commands are still kept after an error); kv_client_abort() without kv_multi_break() (what had been
# answered with an error happens); EXEC without the whole database's lock (one key 1,500 times); read_kept() that
# does not look at what is watched again, and pgfirst_together_note() that knows one store. How often workers
# wake each other, and the FLUSHDB between many, were not seen to fail here.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = pgfirst_node('limits', conf => <<CONF);
autovacuum = off
pgfirst.redis_workers = 1
pgfirst.redis_client_memory = '64MB'
pgfirst.redis_lock_timeout = '20s'
CONF

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub bytes { return join '', map { PgfirstTest::Redis::encode(@$_) } @_; }
sub told { my ($redis) = @_; my ($what, $reply) = $redis->outcome(20); return $what eq 'reply' ? $reply : $what; }

# All in one packet; returns the last answer.
sub exec_of
{
	my ($redis, @commands) = @_;

	$redis->raw(bytes([ 'MULTI' ], @commands, [ 'EXEC' ]));
	told($redis) for 0 .. @commands;
	return told($redis);
}

sub workers { return grep { defined } map { worker_pid($node, "pgfirst redis $_") } 1, 2; }

# kB that the workers have in memory.
sub resident
{
	my $sum = 0;
	$sum += (slurp_file("/proc/$_/status") =~ /^VmRSS:\s+(\d+)/m)[0] for workers();
	return $sum;
}

sub keep
{
	my ($redis, $megabytes) = @_;
	$redis->call('MULTI');
	for (1 .. $megabytes)
	{
		my $answer = $redis->call('SET', 'big', 'x' x 1_000_000);
		die "$answer\n" if $answer ne 'QUEUED';
	}
	return;
}

# ---- memory ----------------------------------------------------------------------------------------

my $redis = redis($node);
$redis->call('SET', 'megabyte', 'x' x 1_000_000);
my $before = resident();
my $highest = 0;
$redis->raw(bytes([ 'MULTI' ], map { [ 'GET', 'megabyte' ] } 1 .. 1500));
told($redis) for 0 .. 1500;
$redis->send('EXEC');
for (1 .. 200)
{
	my $now = resident();
	$highest = $now if $now > $highest;
	my ($what) = $redis->outcome(0.05);
	last if $what ne 'silent';
}
cmp_ok($highest - $before, '<', 200_000, 'many reads of a large value in one EXEC cost no more than its replies may');
is(redis($node)->call('STRLEN', 'megabyte'), 1_000_000, 'and the worker goes on');

{
	my ($large, $middle, $new) = map { redis($node) } 1 .. 3;
	keep($large, 31);
	keep($middle, 15);
	$new->send('SET', 'b', 'y' x 20_000_000);
	is(told($new), 'OK', 'who asks for memory gets it at the cost of who has most');
	$middle->send('PING');
	is(told($middle), 'QUEUED', '… and of nobody else');
	$_->close for $large, $middle, $new;
}

$redis = redis($node);
$redis->call('MULTI');
$redis->call('NOSUCH');
sub used { return (redis($node)->call('INFO', 'memory') =~ /^mem_clients_normal:(\d+)/m)[0]; }
$redis->call('SET', 'big', 'x' x 1_000_000) for 1 .. 20;
cmp_ok(used(), '<', 30_000_000, 'what EXEC will refuse anyway is not kept');
like($redis->call('EXEC'), qr/^-EXECABORT/, '… and refused');

# ---- errors ----------------------------------------------------------------------------------------

my $third = redis($node);
$third->call('SELECT', 3);
$third->call('SET', 'x', 1);
my $path = sql("SELECT pg_relation_filepath('kv.database_3')");
sql('CHECKPOINT');
$node->stop;
open(my $file, '+<', $node->data_dir . "/$path") or die;
for my $page (0 .. (-s $file) / 8192 - 1)
{
	seek $file, 8192 * $page + 100, 0;
	print $file 'garbage!' x 50;
}
close $file;
$node->start;
wait_for_door($node);

$redis = redis($node);
like(exec_of($redis, [ 'SELECT', 3 ], [ 'GET', 'x' ]), qr/^-ERR/, 'EXEC that cannot read');
is($redis->call('GET', 'none'), undef, '… and the client is outside of the transaction');
$redis->call('SELECT', 0);

# A turn that fails takes the answers of everybody in it back; so what MULTI has kept must not happen, and who was told
# that MULTI has failed must not find himself in a transaction.
my $worker = worker_pid($node);
my $theirs = redis($node);
$theirs->call('SELECT', 3);
my ($failed, $open) = (0, 0);
for my $try (1 .. 10)
{
	my $mine = redis($node);
	kill 'STOP', $worker;
	$mine->raw(bytes([ 'SET', 'one', 1 ], [ 'MULTI' ], [ 'SET', 'two', $try ]));
	$theirs->send('GET', 'x');
	sleep 0.05; # both are in the sockets
	kill 'CONT', $worker;
	my @answers = map { told($mine) } 1 .. 3;
	told($theirs);
	next if $answers[2] eq 'QUEUED';
	$failed++;
	$open++ if ($mine->outcome(20))[0] ne 'closed';
}
cmp_ok($failed, '>', 0, 'turns have failed');
is($open, 0, '… which ends the connections that they have changed');
is($redis->call('GET', 'two'), undef, '… and nothing that was answered with an error has happened');

# ---- waiting ---------------------------------------------------------------------------------------

sql("ALTER SYSTEM SET pgfirst.redis_workers = 2");
$node->restart;
wait_for_door($node);
my $holder = PgfirstStore::Session->new($node);
$holder->ask("BEGIN;\nSELECT kv.set('held', 'sql');\n");
my @waiting = map { redis($node) } 1 .. 8;
for my $i (0 .. 7)
{
	$waiting[$i]->raw(bytes([ 'MULTI' ], [ 'SET', "own$i", 1 ], [ 'SET', 'held', 1 ], [ 'EXEC' ]));
	told($waiting[$i]) for 1 .. 3;
}
sub turns { return (redis($node)->call('INFO', 'pgfirst') =~ /^pgfirst_turns:(\d+)/m)[0]; }
my $turns = turns();
is(($waiting[0]->outcome(2))[0], 'silent', 'EXECs wait for a key');
$turns = turns() - $turns;
cmp_ok($turns, '<', 1000, '… and do not wake each other all the time');
note("$turns turns");
$holder->ask("COMMIT;\n");
is_deeply([ map { told($_) } @waiting ], [ ([ 'OK', 'OK' ]) x 8 ], '… until it is free');

# More keys than there are locks, or the same one as often, while SQL has another key of the database.
$holder->ask("BEGIN;\nSELECT kv.set('elsewhere', 'sql');\n");
my %large = (
	'one key 1,500 times' => [ [ 'DEL', ('k') x 1500 ], [ 'SET', 'k', 1 ] ],
	'a FLUSHDB between many' => [ (map { [ 'SET', "f$_", 1 ] } 1 .. 600), ['FLUSHDB'], map { [ 'SET', "g$_", 1 ] } 1 .. 600 ]);
for my $what (sort keys %large)
{
	$redis = redis($node);
	$redis->raw(bytes([ 'MULTI' ], @{ $large{$what} }, [ 'EXEC' ]));
	told($redis) for 0 .. @{ $large{$what} };
	is(($redis->outcome(0.5))[0], 'silent', "$what: EXEC waits for the database");
	$holder->ask("COMMIT;\n");
	my $answers = told($redis);
	is(ref $answers eq 'ARRAY' ? scalar(grep { /^-/ } map { $_ // '' } @$answers) : $answers, 0, '… and then does all of it');
	$holder->ask("BEGIN;\nSELECT kv.set('elsewhere', 'sql');\n");
}
$holder->ask("COMMIT;\n");

# ---- reading ---------------------------------------------------------------------------------------

my $number = 0;
$redis = redis($node);
$redis->call('SELECT', 1);
$redis->call('MSET', map { ("fill$_", 'x') } 1 .. 5000) for 1;
$redis->call('MSET', 'w', 0, map { ("t$_", 0) } 1 .. 300);
my $end = time + 6;
my @children;
for my $part (1 .. 3)
{
	my $pid = fork // die;
	if ($pid == 0)
	{
		my $client = redis($node);
		$client->call('SELECT', 1);
		my $wrong = 0;
		for (my $n = 1; time < $end; $n++)
		{
			if ($part == 1)
			{
				exec_of($client, map { [ 'SET', $_, $n ] } 'w', map { "t$_" } 1 .. 300);
			}
			elsif ($part == 2)
			{
				# Watches, reads, and reads again for long.
				$client->call('WATCH', 'w');
				my $value = $client->call('GET', 'w');
				my $answer = exec_of($client, [ 'KEYS', 'nothing*' ], [ 'GET', 'w' ]);
				$wrong++ if defined $answer && $answer->[1] ne $value;
			}
			else
			{
				# From one database into another.
				$client->call('SELECT', 0);
				my $answer = exec_of($client, [ 'GET', 'none' ], [ 'SELECT', 1 ], [ 'MGET', map { "t$_" } 1 .. 300 ]);
				$wrong++ if grep { $_ ne $answer->[2][0] } @{ $answer->[2] };
			}
		}
		warn "part $part: $wrong wrong\n" if $wrong;
		require POSIX;
		POSIX::_exit($wrong > 0);
	}
	push @children, $pid;
}
my @codes = map { waitpid($_, 0); $? } @children;
is($codes[1], 0, 'EXEC that reads shows nothing newer than what it watched');
is($codes[2], 0, 'what it reads in another database is of one moment');

done_testing();
