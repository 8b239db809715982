# SPDX-License-Identifier: PostgreSQL
#
# 047_store_time.pl: recovery to a point in time, with traffic that carries no transaction ids.
#
# Recovery tells the time by commit records alone. A client of the Redis door writes what time it is,
# one key at a time, which takes no transaction id; so the server commits an empty transaction each
# second (flush_tick() in src/base/flush.c). A restore to T then has everything written a second before
# T and nothing written a second after it.
#
# Seen to fail: flush_tick() that commits nothing (the restore has everything up to the next
# transaction of somebody else, three seconds later and more).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

use constant SECONDS => 9;

my $conf = "fsync = off\nautovacuum = off\nwal_consistency_checking = 'all'\n";
my $node = pgfirst_node('time', streaming => 1, conf => $conf, start => 0);
$node->enable_archiving;
$node->start;
pgfirst_install($node);
wait_for_door($node);
my $redis = redis($node);
$redis->call('SET', 'now', 0);
$node->backup('base');

# ---- what is written, and when -------------------------------------------------------------------------

sub next_id
{
	return $node->safe_psql('postgres', 'SELECT pg_snapshot_xmax(pg_current_snapshot())');
}

my $first_id = next_id();
my $began = time;
my %written;    # number => when it was sent, and when it was answered
my $number = 0;
while (time < $began + SECONDS)
{
	my $sent = time;
	$number++;
	$redis->call('SET', 'now', $number) eq 'OK' or die;
	$redis->call('SET', 'n' . $number % 100, $number) eq 'OK' or die;
	$written{$number} = [ $sent, time ];
	sleep 0.01;
}
my $ids = next_id() - $first_id;
cmp_ok($number, '>', 100, 'a client writes all the time');
cmp_ok($ids, '<=', SECONDS + 2, '… and nobody takes more than one transaction id a second');
cmp_ok($ids, '>=', SECONDS - 3, '… which somebody does');

# Somebody's transaction, much later, ends a recovery that has found no other to tell the time by.
sleep 2;
$node->safe_psql('postgres', 'CREATE TABLE somebody ()');
my $segment = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
$node->poll_query_until('postgres',
	"SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver") or die;
$node->stop;

# ---- restores -------------------------------------------------------------------------------------------

for my $after (2.5, 5.2)
{
	my $target = $began + $after;
	my $restored = PostgreSQL::Test::Cluster->new("restored_$after");
	my ($seconds, $micros) = (int $target, ($target - int $target) * 1_000_000);
	my @time = gmtime $seconds;
	my $text = sprintf('%04d-%02d-%02d %02d:%02d:%02d.%06d+00', $time[5] + 1900, $time[4] + 1,
		@time[ 3, 2, 1, 0 ], $micros);

	$restored->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
	$restored->append_conf('postgresql.conf',
		PgfirstTest::settings($restored, PostgreSQL::Test::Cluster::get_free_port(), conf => $conf));
	$restored->append_conf('postgresql.conf', <<CONF);
archive_mode = off
recovery_target_time = '$text'
recovery_target_action = 'promote'
CONF
	$restored->start;
	wait_for_door($restored);
	wait_until('the end of recovery',
		sub { return $restored->safe_psql('postgres', 'SELECT pg_is_in_recovery()') eq 'f'; });
	my $there = redis($restored);
	my $last = $there->call('GET', 'now');
	note sprintf('%.3f s: written until %.3f s', $after, $written{$last}[1] - $began);
	cmp_ok($written{$last}[0], '<', $target + 1, "restored to $after s: nothing was written a second later");
	my $next = $written{ $last + 1 };
	cmp_ok($next->[1], '>', $target - 1, '… and nothing is missing that was written a second before');
	my $wrong = 0;
	for my $old ($last - 98 .. $last - 1)
	{
		$wrong++ if $old > 0 && $there->call('GET', 'n' . $old % 100) != $old;
	}
	is($wrong, 0, '… of what was written one after the other');
	is($there->call('SET', 'now', 'again'), 'OK', '… and writing goes on');
	$restored->stop;
}

done_testing();
