# SPDX-License-Identifier: PostgreSQL
#
# 039_whole_lock.pl: a worker whose turns change many keys locks the whole store for a turn instead of each
# key, and nobody notices: keys that SQL holds are waited for, who writes in SQL gets its turn, upkeep
# goes on, and with two workers it does not happen.
#
# Seen to fail: lock_whole() that takes the store for locked whatever the lock manager says (the key that
# SQL holds is overwritten); lock_whole() that is never called (the lock is never seen); turn_start() that asks for
# the lock with any number of workers (two workers are seen with it); SQL that does not share the lock (the key that
# it holds is overwritten); pgfirst_store_locks() that does not count what the lock stands for (fewer turns); a command
# of many keys that heeds the sign (it has a lock for each); tidying that takes no lock of its own (the check finds
# damage), or does nothing (it is waited for in vain).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $KEYS = 400; # of a pipeline: more than a turn locks one by one

# Processes that send pipelines of SETs until they are ended, each with keys of its own.
sub start_load
{
	my ($node, $processes) = @_;
	my @pids;

	for my $number (1 .. $processes)
	{
		my $pid = fork // die "fork: $!";
		if ($pid == 0)
		{
			# Whoever ends the test ends this too: the server goes away.
			my $redis = redis($node);
			my $batch = join '', map { PgfirstTest::Redis::encode('SET', "load:$number:$_", 'v') } 1 .. $KEYS;
			while ($redis->raw($batch))
			{
				$redis->reply for 1 .. $KEYS;
			}
			require POSIX;
			POSIX::_exit(0);
		}
		push @pids, $pid;
	}
	return @pids;
}

sub stop_load
{
	kill 'KILL', @_;
	waitpid $_, 0 for @_;
}

# How often a worker was seen with the lock of the whole store, in so many looks.
sub seen
{
	my ($session, $looks) = @_;
	my $seen = 0;

	$seen += $session->query_safe(<<'SQL') for 1 .. $looks;
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
 WHERE locktype = 'object' AND objsubid = 32766 AND mode = 'ExclusiveLock' AND granted AND backend_type LIKE 'pgfirst redis%'
SQL
	return $seen;
}

my $node = pgfirst_node('one');
# Of the whole session, which takes its time with sanitizers.
my $session = $node->background_psql('postgres', timeout => 550);
my $redis = redis($node);
$redis->call('SET', 'K', 'before');

# ---- it happens ------------------------------------------------------------------------------------------

my @load = start_load($node, 2);
ok(wait_until('the lock is seen', sub { return seen($session, 20); }), 'a turn with many keys locks the store');

# ---- who writes in SQL -----------------------------------------------------------------------------------

my @took = map {
	my $begin = time;
	$session->query_safe("SELECT kv.set('of sql', '$_')");
	time - $begin
} 1 .. 200;
is($session->query_safe("SELECT kv.get_text('of sql')"), 200, 'SQL writes beside it');
cmp_ok((sort { $a <=> $b } @took)[-1], '<', 5, '… and is not kept waiting');

# ---- a key that SQL holds ----------------------------------------------------------------------------------

# Set many keys, at once.
sub pipeline
{
	my ($client, $prefix) = @_;

	$client->raw(join '', map { PgfirstTest::Redis::encode('SET', "$prefix:$_", 'v') } 1 .. $KEYS);
	return join ' ', map { $client->reply } 1 .. $KEYS;
}

# The session has left its sign, for a tenth of a second; after that the worker would lock the store.
$session->query_safe("BEGIN; SELECT kv.set('K', 'of sql')");
my ($other, $held) = (redis($node), time);
pipeline($other, 'others') while time < $held + 0.3;
my $waiting = redis($node);
$waiting->raw(join '', (map { PgfirstTest::Redis::encode('SET', "mine:$_", 'v') } 1 .. $KEYS),
	PgfirstTest::Redis::encode('SET', 'K', 'of the door'));
is(join(' ', map { $waiting->reply } 1 .. $KEYS), join(' ', ('OK') x $KEYS), 'many keys are set');
is(($waiting->outcome(1))[0], 'silent', '… and the one that SQL holds is waited for');
is($redis->call('GET', 'K'), 'before', '… and not changed');
is(pipeline($other, 'others'), join(' ', ('OK') x $KEYS), '… while others go on');
$node->safe_psql('postgres', "SELECT kv.set('of another', 'v')");
is($redis->call('GET', 'of another'), 'v', '… in SQL too');
$session->query_safe('COMMIT');
is($waiting->reply, 'OK', 'then it is set');
is($redis->call('GET', 'K'), 'of the door', '… by who came later');

# ---- upkeep ------------------------------------------------------------------------------------------------

sub expired { return $redis->call('INFO', 'stats') =~ /^expired_keys:(\d+)/m ? $1 : die; }
my $expired = expired();
$redis->raw(join '', map { PgfirstTest::Redis::encode('SET', "mortal:$_", 'v', 'PX', 1) } 1 .. 2000);
$redis->reply for 1 .. 2000;
ok(wait_until('the sweep', sub { return expired() >= $expired + 2000; }), 'what has expired is swept beside it');
$node->safe_psql('postgres', 'VACUUM kv.database_0; ANALYZE kv.database_0');
ok(wait_until('the lock is seen', sub { return seen($session, 20); }), 'and when they have gone it happens again');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kv.check()'), 0, 'the store is sound');
stop_load(@load);
is($redis->call('DBSIZE'), $session->query_safe('SELECT count(DISTINCT key) FROM kv.database_0'), '… and counted');

# ---- tidying -----------------------------------------------------------------------------------------------

# It is not kept out by the loop's lock, as writers are, but by the check, to which it would look like damage.
# Every change leaves something, and is checked until that has been tidied away.
my $untidy = 40_000;
my ($checks, $damage) = (0, '');
sub garbage { return $session->query_safe('SELECT garbage_bytes FROM kv.space WHERE db = 0'); }
$session->query_safe("SELECT count(kv.set('untidy:' || i, repeat('x', 100))) FROM generate_series(1, $untidy) i");
while ($checks < 100)
{
	for my $change ("kv.set('untidy:' || i, repeat('y', 100))", "kv.del('untidy:' || i)",
		"kv.set('untidy:' || i, repeat('x', 100))")
	{
		$session->query_safe("SELECT count($change) FROM generate_series(1, $untidy) i");
		wait_until('tidying', sub {
			$damage .= $session->query_safe('SELECT block, problem FROM kv.check(0)');
			$checks++;
			return garbage() < $untidy * 25;
		}, 180);
	}
}
is($damage, '', "what is being tidied is sound in $checks checks");
$session->quit;
$node->stop;

# ---- how much a turn does ----------------------------------------------------------------------------------

# However many keys are there at once, a turn takes a thousand at most: others wait for its end.
$node = pgfirst_node('bounded');
my @clients = map { redis($node) } 1 .. 20;
my $turns = sub { return $clients[0]->call('INFO', 'pgfirst') =~ /^pgfirst_turns:(\d+)/m ? $1 : die; };
my $before = $turns->();
my $worker = worker_pid($node);
kill 'STOP', $worker;
for my $number (1 .. @clients)
{
	$clients[$number - 1]->raw(
		join '', map { PgfirstTest::Redis::encode('SET', "k:$number:$_", 'v') } 1 .. 1000);
}
kill 'CONT', $worker;
for my $client (@clients) { $client->reply for 1 .. 1000; }
cmp_ok($turns->() - $before, '>=', 20, 'twenty thousand keys that are there at once take twenty turns');

# A command of many keys has them one by one, and that of the store from the 257th on, though SQL has just written.
$session = $node->background_psql('postgres', timeout => 180);
my $script = "for i = 1, 600 do redis.call('SET', 'many:' .. i, 'v') end local n = 0 for i = 1, 30000000 do n = n + i end return n > 0";
my $locks = <<'SQL';
SELECT count(*) FILTER (WHERE locktype = 'userlock') || ' ' ||
	count(*) FILTER (WHERE locktype = 'object' AND objsubid = 32766 AND mode = 'ExclusiveLock')
  FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE granted AND backend_type LIKE 'pgfirst redis%'
SQL
ok(wait_until('a command with both kinds of locks', sub {
	my $both = 0;

	$session->query_safe("SELECT kv.set('of sql', 'v')");
	$clients[0]->raw(PgfirstTest::Redis::encode('EVAL', $script, 0));
	while (($clients[0]->outcome(0.01))[0] eq 'silent')
	{
		$both ||= $session->query_safe($locks) eq '256 1';
	}
	return $both;
}), 'a command of 600 keys has locked 256 of them, and then the store');
$session->quit;
$node->stop;

# ---- two workers -------------------------------------------------------------------------------------------

my $two = pgfirst_node('two', workers => 2);
$session = $two->background_psql('postgres', timeout => 120);
@load = start_load($two, 4);
is(seen($session, 300), 0, 'of two workers none locks the store');
stop_load(@load);
$session->quit;
$two->stop;

done_testing();
