# SPDX-License-Identifier: PostgreSQL
#
# 049_store_ids.pl: transaction ids go round.
#
# The server runs on, with the same worker, while ids go 2.4 thousand million ahead, more than half of
# all there are, in steps; between these everything is frozen, as it must be in any database. What stands
# on pages under the tags of transactions, committed and rolled back, is read before and after each
# step. At the end a transaction is held between its changes and its commit, with an id that looks
# as if it were in the past to whoever has not noticed the time go by.
#
# Nothing else clears tags away here: upkeep fails whenever it begins.
#
# Seen to fail: pgfirst_tag_state() that does not ask whether the transaction is running (others clear
# away what it has written); VACUUM that does not call pgfirst_leaf_settle() (tags of transactions that
# PostgreSQL has forgotten).  Not seen to fail: a worker that takes no snapshot while it is idle
# (stay_current() in src/kv/net/worker.c), because the VACUUM of the catalog, without which ids cannot go
# round, makes it take one when it next opens the store.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use Test::More;
use Time::HiRes qw(sleep);

my $node = watched_node('ids', conf => "fsync = off\nlog_min_messages = fatal\n");
my $redis = redis($node);
my $session = PgfirstStore::Session->new($node);
store_arm($node, 'raise', times => -1, who => 'pgfirst upkeep');
$node->safe_psql('postgres', 'ALTER DATABASE template0 ALLOW_CONNECTIONS true');

my %expected;

# Leaves all sorts of tags on pages.
sub change
{
	my ($round) = @_;

	for my $number (1 .. 40)
	{
		$redis->call('SET', "$_:$number", "door $round") for qw(set deleted rolled kept);
	}
	my $sets = "SELECT count(kv.set('set:' || i, 'sql $round'::text)), count(kv.del('deleted:' || i)), "
	  . "count(kv.set('new:$round:' || i, repeat('x', i * 100))) FROM generate_series(1, 40) i";
	is($session->ask($sets), '40|40|40', "round $round: a transaction changes keys");
	$session->ask("SELECT store_test.arm('raise', 'after the changes', 0, 1, 'client backend')");
	like($session->ask("SELECT count(kv.set('rolled:' || i, 'sql'::text)), count(kv.del('kept:' || i)) "
			  . 'FROM generate_series(1, 40) i'), qr/injected/, '… another fails when its changes stand on pages');
	store_arm($node, 'raise', times => -1, who => 'pgfirst upkeep');
	for my $number (1 .. 40)
	{
		$expected{"set:$number"} = "sql $round";
		$expected{"deleted:$number"} = undef;
		$expected{"$_:$number"} = "door $round" for qw(rolled kept);
		$expected{"new:$round:$number"} = 'x' x ($number * 100);
	}
}

sub look
{
	my ($when) = @_;
	my @keys = sort keys %expected;
	my $values = $redis->call('MGET', @keys);

	return fail("$when: the door reads: $values") if !ref $values;
	is(join(' ', grep { ($values->[$_] // '-') ne ($expected{ $keys[$_] } // '-') } 0 .. $#keys), '',
		"$when: the door reads what is right");
	my $wrong = 0;
	for my $key (@keys)
	{
		next if $key =~ /:[^1]$/;
		$wrong++ if $session->ask("SELECT kv.get_text('$key')") ne ($expected{$key} // '');
	}
	is($wrong, 0, '… and SQL');
	is($session->ask('SELECT count(*) FROM kv.keys'), grep({ defined } values %expected), '… and a walk');
	is(store_check($node), '', '… from a sound store');
}

my $worker = worker_pid($node);
my $first = $node->safe_psql('postgres', 'SELECT pg_current_xact_id()');
change(0);
look('at first');
for my $round (1 .. 3)
{
	$node->safe_psql('postgres', 'SELECT store_test.skip_ids(800000000)');
	$node->safe_psql('postgres', 'SELECT pg_current_xact_id()');
	look("$round: 800 million ids later");
	change($round);
	look("$round: after changes");
	$node->safe_psql($_, 'VACUUM (FREEZE)') for qw(template0 template1 postgres);
	# Recovery learns from checkpoints alone how old ids may be; there is one every few minutes.
	$node->safe_psql('postgres', 'CHECKPOINT');
	cmp_ok($node->safe_psql('postgres', 'SELECT max(age(datfrozenxid)) FROM pg_database'),
		'<', 100_000_000, '… all is frozen');
	look("$round: frozen");
}
my $last = $node->safe_psql('postgres', 'SELECT pg_current_xact_id()');
cmp_ok($last - $first, '>', 2**31, 'ids have gone more than half around');
is(worker_pid($node), $worker, '… under the same worker');

# ---- a transaction whose id looks old ------------------------------------------------------------------

# The worker has time to notice.  Nothing can be asked for here: it is about time.
sleep 6;
$redis->call('SET', 'held', 'before');
$expected{held} = 'after';
store_arm($node, 'hold', point => 'after the changes', who => 'client backend');
$session->send("SELECT kv.set('held', 'after'::text), kv.set('held too', 'after'::text)");
wait_until('the transaction is held', sub {
	return $node->safe_psql('postgres', 'SELECT store_test.held()') != 0;
});
is($redis->call('GET', 'held'), 'before', 'what a transaction has written is not read before its commit');
is($redis->call('EXISTS', 'held too'), 0, '… nor what it has added');
# Enough that each leaf is rebuilt and split.
for my $number (1 .. 2000)
{
	$redis->call('SET', "beside:$number", $expected{"beside:$number"} = "beside $number" x 20);
}
is($redis->call('GET', 'held'), 'before', '… whoever changes pages around it');
store_arm($node, 'raise', times => -1, who => 'pgfirst upkeep');
is($session->answer, 't|t', 'it commits');
is($redis->call('GET', 'held'), 'after', '… and then it is');
is($redis->call('GET', 'held too'), 'after', '… all of it');
$expected{'held too'} = 'after';
look('at the end');

$node->stop('immediate');
$node->start;
wait_for_door($node);
$redis = redis($node);
$session = PgfirstStore::Session->new($node);
look('after a crash');
$session->end;
$node->stop;

done_testing();
