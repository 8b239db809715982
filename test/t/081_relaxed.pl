# SPDX-License-Identifier: PostgreSQL
#
# 081_relaxed.pl: nobody waits for what a relaxed database has changed, and yet it is on disk soon, for which
# PostgreSQL's WAL writer is not woken at each change.
#
# Seen to fail: turns that commit as PostgreSQL does (the WAL writer is woken 3,000 times); nobody who tells the WAL writer
# (a second passes, until the next tick); a worker that ends without telling it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant TRIES => 9;
use constant SOON => 0.5;    # seconds; the tick, which would do it as well, comes each second
use constant CHANGES => 3000;

# Nothing but the door shall write.
my $node = pgfirst_node('relaxed',
	conf => "autovacuum = off\ncheckpoint_timeout = 1h\nbgwriter_lru_maxpages = 0\nwal_writer_delay = '20ms'");
my $sql = $node->background_psql('postgres');
my $redis = redis($node);

$sql->query("SELECT kv.configure(0, durability => 'relaxed')");

sub lsn { return $sql->query("SELECT pg_current_wal_$_[0]_lsn() - '0/0'"); }

# How long it takes until what was written before is on disk.
sub flushed_after
{
	my $begin = time;
	my $written = lsn('insert');

	wait_until('it is on disk', sub { return lsn('flush') >= $written; });
	return time - $begin;
}

# The seconds of the last of three changes: of the first two the WAL writer is told at once, and the tick is done
# with the first.
sub last_change
{
	my ($then) = @_;

	wait_for_door($node);
	$redis = redis($node);
	$redis->call('SET', 'first', time);
	flushed_after();
	$redis->call('SET', $_, time) for 'second', 'third';
	$then->() if $then;
	return flushed_after();
}

my @times = map { last_change() } 1 .. TRIES;
ok(median(@times) < SOON, 'a change is on disk soon, though nothing comes behind it')
  or diag("@times");

@times = map {
	# Looked for before, because a change is told of within a hundredth of a second.
	my $pid;
	wait_until('a worker', sub { return $pid = worker_pid($node); });
	last_change(sub {
		kill 'TERM', $pid;
		wait_until('the worker ends', sub { return !kill 0, $pid; });
	});
} 1 .. TRIES;
ok(median(@times) < SOON, '… and so is that of a worker that ends behind it') or diag("@times");

# ---- who is woken for it -----------------------------------------------------------------------

sub sleeps
{
	my $pid = $sql->query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");
	my ($count) = slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m;

	return $count;
}

wait_for_door($node);
$redis = redis($node);
my $before = sleeps();
my $begin = time;
$redis->call('SET', "key$_", 'x' x 100) for 1 .. CHANGES;
# Told of them a hundred times a second, it looks fifty times a second itself.
my $most = (time - $begin) * 300 + 100;
my $slept = sleeps() - $before;
ok($slept < $most, 'the WAL writer sleeps on meanwhile') or diag("$slept times, of $most");
note("$slept times woken by " . CHANGES . ' changes');

$sql->quit;
$node->stop;
done_testing();
