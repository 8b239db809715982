# SPDX-License-Identifier: PostgreSQL
#
# 057_multi.pl: MULTI, EXEC, WATCH: all or nothing for every client, and after kill -9; and what is watched
# is watched whoever changes it, SQL too.
#
# Seen to fail: pgfirst_store_stamp_holds() that always says yes (lost counts, and every case of WATCH);
# watch_holds() without pgfirst_store_changes() (a change in the same turn is missed); kv_cmd_watch() that
# does not wait for the turn (its own earlier SET makes EXEC fail); watches_hold() without locks (both of two
# transactions that watch what the other changes succeed); pgfirst_unit_next() for each command of EXEC
# (halves are seen); STORE_CHANGE_PAGES of 4 (forty keys that are not logged take an id); batch_change() that unlocks each
# leaf when it has changed it (halves of a volatile database are seen); space_read_epoch() that begins a new unit (what EXEC sets before its FLUSHDB is seen);
# pgfirst_store_together_end() that lets a brief read hold (halves are seen); ahead_copy() without the write set, and
# ahead_versions() that compares no keys (what is set around a FLUSHDB is seen by half); watch() that does not look at the next epoch,
# and pgfirst_store_drop_changes() that raises no stamp (what comes and goes behind FLUSHDB, and with it, is not noticed).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = pgfirst_node('multi', streaming => 1, conf => <<CONF);
autovacuum = off
pgfirst.redis_workers = 2
pgfirst.redis_client_memory = '64MB'
CONF
my $a = redis($node);
my $b = redis($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub exec_of
{
	my ($redis, @commands) = @_;

	$redis->call('MULTI') eq 'OK' or die;
	$redis->call(@$_) for @commands;
	return $redis->call('EXEC');
}

# ---- words -----------------------------------------------------------------------------------

is($a->call('EXEC'), '-ERR EXEC without MULTI', 'EXEC alone');
is($a->call('DISCARD'), '-ERR DISCARD without MULTI', 'DISCARD alone');
is($a->call('MULTI'), 'OK', 'MULTI');
is($a->call('MULTI'), '-ERR MULTI calls can not be nested', '… is not nested');
is($a->call('WATCH', 'a'), '-ERR WATCH inside MULTI is not allowed', '… nor is WATCH');
is($a->call('SET', 'a', 1), 'QUEUED', 'a command is kept');
is($b->call('GET', 'a'), undef, '… and not run');
is($a->call('INCR', 'a'), 'QUEUED', 'another');
is($a->call('GET', 'a'), 'QUEUED', 'a read too');
like($b->call('CLIENT', 'LIST'), qr/multi=3 |multi=-1 /, 'CLIENT LIST counts them, if it is the same worker');
is_deeply($a->call('EXEC'), [ 'OK', 2, '2' ], 'EXEC answers for all');
is($b->call('GET', 'a'), '2', '… and has changed the key');
is_deeply(exec_of($a), [], 'an empty one');
is_deeply(exec_of($a, [ 'SET', 't', 'x' ], [ 'INCR', 't' ], [ 'SET', 'u', 'y' ]),
	[ 'OK', '-ERR value is not an integer or out of range', 'OK' ], 'a command that fails does not stop the others');
is_deeply(exec_of($a, [ 'SELECT', 1 ], [ 'SET', 'a', 'of 1' ], [ 'SELECT', 0 ], [ 'GET', 'a' ]),
	[ 'OK', 'OK', 'OK', '2' ], 'two databases');
is($a->call('GET', 'a'), '2', '… and it is in the first again');
is_deeply(exec_of($a, [ 'SELECT', 1 ], [ 'GET', 'a' ]), [ 'OK', 'of 1' ], 'SELECT stays');
is($a->call('SELECT', 0), 'OK', 'back');

# Who has subscribed may not say everything any more; what EXEC does was said before.
for my $subscribes ('SUBSCRIBE', 'PSUBSCRIBE')
{
	my $listener = redis($node);
	is_deeply(exec_of($listener, [ $subscribes, 'news' ], [ 'SET', 'behind', $subscribes ], [ 'GET', 'behind' ]),
		[ [ lc $subscribes, 'news', 1 ], 'OK', $subscribes ], "$subscribes in a transaction");
	like($listener->call('GET', 'behind'), qr/^-ERR Can't execute 'get'/, '… holds behind it');
	$listener->close;
}

for my $case ([ 'NOSUCH' ], [ 'GET' ], [ 'AUTH', 'secret' ], [ 'HELLO', 3 ])
{
	$a->call('MULTI');
	$a->call('SET', 'broken', 1);
	like($a->call(@$case), qr/^-ERR /, "$case->[0] is refused at once");
	is($a->call('EXEC'), '-EXECABORT Transaction discarded because of previous errors.', '… and so is EXEC');
}
is($b->call('GET', 'broken'), undef, '… and nothing was done');
$a->call('MULTI');
$a->call('SET', 'discarded', 1);
is($a->call('DISCARD'), 'OK', 'DISCARD');
is($a->call('EXEC'), '-ERR EXEC without MULTI', '… ends it');
$a->call('MULTI');
is($a->call('RESET'), 'RESET', 'RESET too');
$a->call('AUTH', 'secret');
is($a->call('GET', 'a'), '2', '… and commands are run again');

# ---- what needs the whole database -----------------------------------------------------------------

$a->call('FLUSHDB');
$a->call('SET', "k$_", $_) for 1 .. 20;
wait_until('it is counted', sub { $a->call('DBSIZE') == 20 });
my $all = exec_of($a, [ 'SET', 'k21', 1 ], [ 'DBSIZE' ], [ 'KEYS', 'k2*' ], [ 'FLUSHDB' ], [ 'DBSIZE' ], [ 'SET', 'k1', 'new' ],
	[ 'GET', 'k1' ], [ 'GET', 'k2' ], [ 'DBSIZE' ], [ 'KEYS', '*' ]);
is($all->[1], 21, 'DBSIZE sees what the transaction has changed');
is_deeply([ sort @{ $all->[2] } ], [ 'k2', 'k20', 'k21' ], 'KEYS too');
is_deeply([ @$all[ 3 .. 8 ] ], [ 'OK', 0, 'OK', 'new', undef, 1 ], 'after FLUSHDB it goes on in an empty database');
is_deeply($all->[9], ['k1'], '… and KEYS as well');
is($b->call('GET', 'k1'), 'new', 'which others see');
is($b->call('GET', 'k3'), undef, '… all of it');

# ---- WATCH -----------------------------------------------------------------------------------------

my %change = (
	'SET by another' => sub { $b->call('SET', 'w', 'other') },
	'the same bytes again' => sub { $b->call('SET', 'w', 'old') },
	'SET by itself' => sub { $a->call('SET', 'w', 'own') },
	'DEL' => sub { $b->call('DEL', 'w') },
	'EXPIRE' => sub { $b->call('EXPIRE', 'w', 100) },
	'an EXEC of another' => sub { exec_of($b, [ 'SET', 'w', 'x' ], [ 'SET', 'v', 'x' ]) },
	'SQL' => sub { sql("SELECT kv.set('w', 'sql')") },
	'SQL, a transaction of many keys' =>
	  sub { sql("SELECT count(kv.set('w' || CASE n WHEN 7 THEN '' ELSE n::text END, 'sql')) FROM generate_series(1, 200) n") },
	'FLUSHDB' => sub { $b->call('FLUSHDB') },
	'TRUNCATE' => sub { sql('TRUNCATE kv.database_0') });
for my $what (sort keys %change)
{
	$a->call('SET', 'w', 'old');
	is($a->call('WATCH', 'x', 'w', 'y'), 'OK', "WATCH, $what");
	$change{$what}->();
	is(exec_of($a, [ 'SET', 'w', 'mine' ], [ 'SET', 'result', $what ]), undef, '… and EXEC answers null');
	isnt($b->call('GET', 'w') // '', 'mine', '… and does nothing');
	is_deeply(exec_of($a, [ 'SET', 'w', 'mine' ]), ['OK'], '… the next one watches nothing');
}

my %harmless = (
	'nothing' => sub { },
	'a read' => sub { $b->call('GET', 'w'); sql("SELECT kv.get('w')") },
	'another key' => sub { $b->call('SET', 'other', 1) },
	'SQL that is rolled back' => sub { sql("BEGIN; SELECT kv.set('w', 'sql'); ROLLBACK") },
	'UNWATCH' => sub { $b->call('SET', 'w', 'other'); $a->call('UNWATCH') },
	'DISCARD' => sub { $b->call('SET', 'w', 'other'); $a->call('MULTI'); $a->call('DISCARD') },
	'the same key in another database' => sub { $b->call('SELECT', 1); $b->call('SET', 'w', 1); $b->call('SELECT', 0) });
for my $what (sort keys %harmless)
{
	$a->call('SET', 'w', 'old');
	$a->call('WATCH', 'w');
	$harmless{$what}->();
	is_deeply(exec_of($a, [ 'SET', 'w', 'mine' ]), ['OK'], "WATCH, $what: EXEC succeeds");
}

$a->call('DEL', 'w');
$a->call('WATCH', 'w');
is_deeply(exec_of($a, [ 'GET', 'w' ]), [undef], 'a key that is not there is watched');
$a->call('WATCH', 'w');
$b->call('SET', 'w', 1);
is(exec_of($a, [ 'GET', 'w' ]), undef, '… and noticed when it comes');
$a->call('SET', 'w', 1, 'PX', 60);
$a->call('WATCH', 'w');
wait_until('it expires', sub { !defined $b->call('GET', 'w') });
is(exec_of($a, [ 'GET', 'w' ]), undef, 'a key that expires has changed');
$a->call('DEL', 'w');
$a->call('WATCH', 'w');
$b->call('FLUSHDB');
is_deeply(exec_of($a, [ 'GET', 'w' ]), [undef], 'FLUSHDB does not change what is not there');
$a->call('WATCH', 'w');
$b->call('FLUSHDB');
$b->call('SET', 'w', 1);
$b->call('DEL', 'w');
is(exec_of($a, [ 'GET', 'w' ]), undef, '… but what comes and goes behind it has changed');
$a->call('WATCH', 'w');
exec_of($b, [ 'SET', 'w', 1 ], ['FLUSHDB']);
is(exec_of($a, [ 'GET', 'w' ]), undef, '… and what comes and goes with it');

# In one packet, so in one turn.
sub pipeline
{
	my ($redis, @commands) = @_;

	$redis->raw(join '', map { PgfirstTest::Redis::encode(@$_) } @commands);
	return [ map { $redis->reply } @commands ];
}

my $wrong = 0;
for my $n (1 .. 200)
{
	my $answers = pipeline($a, [ 'SET', 'p', $n ], [ 'WATCH', 'p' ], [ 'MULTI' ], [ 'GET', 'p' ], [ 'SET', 'p', 'x' ], [ 'EXEC' ]);
	$wrong++ if ref $answers->[5] ne 'ARRAY' || $answers->[5][0] ne $n;
}
is($wrong, 0, 'SET, WATCH, MULTI and EXEC in one packet: nothing has changed in between');
is(pipeline($a, [ 'WATCH', 'p' ], [ 'SET', 'p', 'y' ], [ 'MULTI' ], [ 'SET', 'p', 'x' ], [ 'EXEC' ])->[4], undef,
	'WATCH and SET in one packet: something has');

# ---- locks -----------------------------------------------------------------------------------------

my $holder = PgfirstStore::Session->new($node);
$a->call('SET', 'h', 'old');
$holder->ask("BEGIN;\nSELECT kv.set('h', 'sql');\n");
$a->send($_) for 'MULTI';
$a->send('SET', 'before', 1);
$a->send('SET', 'h', 'redis');
$a->send('EXEC');
$a->reply for 1 .. 3;
is(($a->outcome(0.5))[0], 'silent', 'EXEC waits for a key that SQL holds');
is($b->call('GET', 'before'), undef, '… having done nothing');
is($b->call('SET', 'free', 1), 'OK', '… and keeps nobody waiting');
$holder->ask("COMMIT;\n");
is_deeply($a->reply, [ 'OK', 'OK' ], '… until SQL commits');
$a->call('WATCH', 'h');
$holder->ask("BEGIN;\nSELECT kv.set('h', 'sql');\n");
$a->send('MULTI');
$a->send('SET', 'before', 2);
$a->send('EXEC');
$a->reply for 1 .. 2;
is(($a->outcome(0.5))[0], 'silent', 'EXEC waits for a watched key as well');
$holder->ask("COMMIT;\n");
is($a->reply, undef, '… and then finds it changed');
$holder->end;

is_deeply(exec_of($a, map { [ 'SET', "many$_", $_ ] } 1 .. 1500), [ ('OK') x 1500 ], 'more keys than there are locks');
is($b->call('GET', 'many1500'), '1500', '… are all changed');

# ---- many clients ----------------------------------------------------------------------------------

# Runs CODE in so many processes, each with its number; returns how many failed.
sub in_processes
{
	my ($count, $code) = @_;
	my @pids;

	for my $number (1 .. $count)
	{
		my $pid = fork // die;
		if ($pid == 0)
		{
			my $done = eval { $code->($number); 1; };
			warn $@ if !$done;
			require POSIX;
			POSIX::_exit($done ? 0 : 1);
		}
		push @pids, $pid;
	}
	return scalar grep { waitpid($_, 0); $? != 0 } @pids;
}

$a->call('SET', 'count', 0);
my $failed = in_processes(4, sub {
	my $redis = redis($node);
	for (1 .. 300)
	{
		while (1)
		{
			$redis->call('WATCH', 'count');
			my $next = $redis->call('GET', 'count') + 1;
			last if defined exec_of($redis, [ 'SET', 'count', $next ]);
		}
	}
});
is("$failed " . $a->call('GET', 'count'), '0 1200', 'four clients count with WATCH, and no count is lost');

# Each watches what the other changes: in no order of the two may both find what they have seen.
my $both = 0;
for (1 .. 300)
{
	$a->call('MSET', 'left', 0, 'right', 0);
	$_->call('WATCH', 'left', 'right') for $a, $b;
	$a->raw(join '', map { PgfirstTest::Redis::encode(@$_) } [ 'MULTI' ], [ 'SET', 'left', 1 ], [ 'EXEC' ]);
	$b->raw(join '', map { PgfirstTest::Redis::encode(@$_) } [ 'MULTI' ], [ 'SET', 'right', 1 ], [ 'EXEC' ]);
	my @done = map { $_->reply; $_->reply; $_->reply } $a, $b;
	$both++ if defined $done[0] && defined $done[1];
}
is($both, 0, 'of two that watch what the other changes, one fails');

# Among so many that forty are on more leaves than one record of the log changes; and where nothing is logged.
sql("SELECT kv.create_database(5, 'volatile')");
for my $database (0, 5)
{
	my $redis = redis($node);
	$redis->call('SELECT', $database);
	$redis->call('MSET', map { ("beside$_", 'x' x 100) } $_ * 200 .. $_ * 200 + 199) for 1 .. 100;
	for my $keys (3, 40)
	{
		my $end = time + 4;
		$redis->call('MSET', map { ("together$_", 0) } 1 .. $keys);
		$failed = in_processes(4, sub {
			my ($number) = @_;
			my $redis = redis($node);
			$redis->call('SELECT', $database);
			for (my $n = 1; time < $end; $n++)
			{
				if ($number <= 2)
				{
					exec_of($redis, map { [ 'SET', "together$_", "$number/$n" ] } 1 .. $keys);
					next;
				}
				my $seen = $redis->call('MGET', map { "together$_" } 1 .. $keys);
				$seen = exec_of($redis, map { [ 'GET', "together$_" ] } 1 .. $keys) if $n % 2;
				die "half: @$seen\n" if grep { $_ ne $seen->[0] } @$seen;
			}
		});
		is($failed, 0, "$keys keys of database $database that are changed together are seen together");
	}

	# The first id is the question's own. Other processes take some now and then.
	my $ids;
	for (1 .. 20)
	{
		my $before = sql('SELECT pg_current_xact_id()');
		exec_of($redis, map { [ 'SET', "together$_", 'end' ] } 1 .. 40);
		$ids = sql('SELECT pg_current_xact_id()') - $before - 1;
		last if $ids == 0;
	}
	if ($database == 0) { cmp_ok($ids, '>', 0, 'forty keys that are logged take a transaction id') }
	else { is($ids, 0, '… that are not logged take none') }
}

# The same across a FLUSHDB in the middle: the old keys or the new ones, whoever asks, and never none.
{
	my $end = time + 3;
	$a->call('MSET', map { ("around$_", 0) } 1 .. 3);
	$failed = in_processes(3, sub {
		my ($number) = @_;
		my $redis = redis($node);
		for (my $n = 1; time < $end; $n++)
		{
			if ($number == 1)
			{
				exec_of($redis, [ 'SET', 'around1', "gone $n" ], [ 'FLUSHDB' ], map { [ 'SET', "around$_", $n ] } 1 .. 3);
				next;
			}
			my $seen = $redis->call('MGET', map { "around$_" } 1 .. 3);
			die "half: " . join(' ', map { $_ // 'none' } @$seen) . "\n"
			  if grep { !defined $_ || $_ ne $seen->[0] } @$seen;
		}
	});
	is($failed, 0, 'what is set around a FLUSHDB is seen as a whole');
}

# ---- kill -9 ---------------------------------------------------------------------------------------

for my $round (1 .. 5)
{
	my $keys = $round % 2 ? 3 : 30;
	my $file = $node->basedir . "/acknowledged";
	$a = redis($node);
	$a->call('MSET', map { ("crash$_", 0) } 1 .. $keys);
	my $pid = fork // die;
	if ($pid == 0)
	{
		my $redis = redis($node);
		open(my $out, '>', $file) or die;
		for (my $n = 1; ; $n++)
		{
			my $done = eval { exec_of($redis, map { [ 'INCR', "crash$_" ] } 1 .. $keys) };
			last if ref $done ne 'ARRAY';
			syswrite($out, "$done->[0]\n");
		}
		require POSIX;
		POSIX::_exit(0);
	}
	wait_until('some are acknowledged', sub { -s $file && slurp_file($file) =~ /\n(?:.*\n){200}/ });
	PgfirstTest::crash($node);
	waitpid($pid, 0);
	my ($acknowledged) = slurp_file($file) =~ /(\d+)\n\z/;
	unlink $file;
	$node->start;
	wait_for_door($node);
	$a = redis($node);
	my $after = $a->call('MGET', map { "crash$_" } 1 .. $keys);
	is(scalar(grep { $_ ne $after->[0] } @$after), 0, "kill -9: no half of $keys keys");
	cmp_ok($after->[0], '>=', $acknowledged, '… and nothing that was acknowledged is lost');
}

# ---- memory ----------------------------------------------------------------------------------------

$a->call('MULTI');
my $answer = 'QUEUED';
for (1 .. 200)
{
	$answer = $a->call('SET', 'big', 'x' x 1_000_000);
	last if $answer ne 'QUEUED';
}
like($answer, qr/^-OOM /, 'what is kept is bounded');
like($a->call('EXEC'), qr/^-EXECABORT/, '… and EXEC refuses the rest');
is($a->call('GET', 'big'), undef, '… having done nothing');
is_deeply(exec_of($a, [ 'SET', 'big', 'x' x 1_000_000 ]), ['OK'], '… and the memory is there again');

# ---- a standby -------------------------------------------------------------------------------------

$a->call('SET', 'count', 1200);
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('multi_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
my $port = PostgreSQL::Test::Cluster::get_free_port();
$standby->append_conf('postgresql.conf', PgfirstTest::settings($standby, $port));
$standby->start;
wait_for_door($standby);
wait_for_standby($node, $standby);
my $reader = redis($standby);
is_deeply(exec_of($reader, [ 'GET', 'count' ]), ['1200'], 'a standby reads in EXEC');
$reader->call('WATCH', 'count');
$a->call('SET', 'count', 5);
wait_for_standby($node, $standby);
is(exec_of($reader, [ 'GET', 'count' ]), undef, '… and notices what changes');
$reader->call('MULTI');
like($reader->call('SET', 'count', 1), qr/^-READONLY/, '… and refuses to write');
like($reader->call('EXEC'), qr/^-EXECABORT/, '… the whole');

is(sql('SELECT count(*) FROM kv.check()'), 0, 'and the store is sound');
done_testing();
