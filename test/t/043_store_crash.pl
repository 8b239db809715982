# SPDX-License-Identifier: PostgreSQL
#
# 043_store_crash.pl: the server is killed at the N-th WAL record of the store in a random workload, for
# many N. After recovery everything acknowledged is there, nothing is there by half, the store is
# sound, and writing goes on. Replay compares every page with an image of it
# (wal_consistency_checking).
#
#   PGFIRST_CRASH=all     at every record, and half as many times without a flush (hours)
#   PGFIRST_CRASH=all:30  the same for a workload of so many steps (220): an hour, so with LIMIT=6000
#   PGFIRST_CRASH=7:40    forty times, of seed 7 (1:24), and fourteen times where the file is made shorter
#
# Seen to fail: pgfirst_edit_touch() of pd_lower and pd_upper left out of edit_bounds() (replay finds
# another page); batch_change() with a record for each leaf (half of an MSET); apply_with_id()
# with InvalidTransactionId for xid (half of a transaction of SQL); pgfirst_flush_position() that
# says everything is durable (acknowledged, and gone after a cut); split_level() that compacts a
# parent only if its dead bytes alone are enough (it looks for room for ever).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $which = $ENV{PGFIRST_CRASH} || '1:24';
my ($steps) = $which =~ /^all:(\d+)$/ ? $1 : 220;
my $part = $steps / 220;
my ($seed, $rounds) = $which =~ /^(\d+):(\d+)$/ ? ($1, $2) : (1, undef);
my $node = watched_node('crash', workers => 2, conf => <<CONF);
fsync = off
wal_writer_delay = '10s'
shared_buffers = 2MB
CONF

# ---- where every round begins, and how many records there are ---------------------------------------

# A second level of inner pages needs some three hundred leaves; parts of large values make most of them.
my $redis = redis($node);
my $load = PgfirstStore::Load->new($node, seed => $seed, others => 4);
my @large = map { "large $_ " x 55_000 } 0 .. 3;
$redis->call('SET', "large:$_", $large[$_]) for 0 .. 3;
$redis->close;
my $file = $node->safe_psql('postgres',
	'SELECT pg_relation_filepath(store) FROM kv.database WHERE number = 0');
$node->stop;
my $base = $node->basedir . '/base';
system('cp', '-a', $node->data_dir, $base) == 0 or die;

sub begin
{
	system('rm', '-rf', $node->data_dir) == 0 or die;
	system('cp', '-a', $base, $node->data_dir) == 0 or die;
	$node->start;
	wait_for_door($node);
}

# The level of the root: byte 51 of the 64 at the end of block 1 (src/store/page.h).
sub root_level
{
	my ($directory) = @_;

	return unpack('x51 C', substr(slurp_file("$directory/$file"), 2 * 8192 - 64, 64));
}

begin();
my $first = $load->copy;
$first->open;
$first->step or die 'the server went away' for 1 .. $steps;
$first->close;
my $points = store_points($node);
is($first->wrong, '', 'the workload by itself');
note join ', ', map { "$_: $points->{$_}" } sort keys %$points;
cmp_ok($points->{'after a split'}, '>', 50 * $part, '… splits pages');
cmp_ok($points->{'after a split'}, '<', 3000, '… not in vain');
cmp_ok($points->{'after a merge'}, '>', 50 * $part, '… merges them');
cmp_ok($points->{'before an extension'}, '>', 5 * $part, '… extends the file');
cmp_ok($points->{'after a move'} // 0, '>', 20 * $part, '… moves pages to the front') if $part >= 1;
cmp_ok($points->{'after a cut'} // 0, '>', 0, '… and makes the file shorter') if $part >= 1;
my $records = $points->{'after a record'};
cmp_ok($records, '>', 500 * $part, '… and writes many records');
$node->stop('immediate');

# ---- the rounds -----------------------------------------------------------------------------------

my %levels;    # of the root, at the end of recovery

sub round
{
	my ($action, $at, $point) = @_;
	my $name = $point ? "$action $point, $at" : "$action at record $at";

	begin();
	my $mine = $load->copy;
	$mine->open;
	store_arm($node, $action, point => $point // 'after a record', passes => $at - 1);
	my @processes = processes($node);
	my $alive = 1;
	$alive = $mine->step while $alive && $mine->{steps} < 2 * $steps;
	$mine->close;
	return fail("$name: the server did not crash") if $alive;
	wait_until('all processes are gone', sub { return !grep { kill 0, $_ } @processes; });
	$node->{_pid} = undef;

	my $unknown = @{ $mine->{pending} };
	if (!$node->start(fail_ok => 1))
	{
		my $log = slurp_file($node->logfile);
		return fail("$name: recovery failed: " . ($log =~ /.*(FATAL: .*)/s ? $1 : ''));
	}
	wait_for_door($node);
	$levels{root_level($node->data_dir)}++;
	my $wrong = $mine->wrong;
	my $found = redis($node)->call('MGET', map { "large:$_" } 0 .. 3);
	$wrong .= 'large values have changed' if "@$found" ne "@large";
	if ($wrong eq '' && $point)
	{
		$node->safe_psql('postgres', 'VACUUM kv.database_0');
		$wrong = $mine->wrong;
	}
	if ($wrong eq '')
	{
		# And goes on, under other caches, with pages that recovery has made.
		$mine->open;
		$mine->step or $wrong = 'the server went away' for 1 .. 5;
		$mine->close;
		$wrong .= $mine->wrong;
	}
	is($wrong, '', "$name, in step $mine->{steps}, $unknown commands under way");
	$node->stop('immediate');
	return $wrong eq '';
}

my $began = time;
my $draw = PgfirstStore::Load->new($node, seed => $seed + 1000);
my @rounds = defined $rounds
  ? map { [ $draw->random(3) ? 'crash' : 'cut', 1 + $draw->random($records * 0.95) ] } 1 .. $rounds
  : map { ([ 'crash', $_ ], $_ % 2 ? [ 'cut', $_ ] : ()) } 1 .. $records;
# Where the file is being made shorter, which is seldom. What was begun is ended by the next VACUUM.
if (defined $rounds)
{
	my $step = 'after a step of shrinking';
	push @rounds, [ $draw->random(3) ? 'crash' : 'cut', 1 + $draw->random($points->{$_}), $_ ]
	  for ($step) x ($rounds / 4), 'a place is aside', 'after a move';
	# With all of the log, and with what has been flushed of it.
	push @rounds, [ $_, 1 + $draw->random($points->{'after a cut'}), 'after a cut' ] for 'crash', 'cut';
}
for my $round (@rounds)
{
	last if !round(@$round) && defined $rounds;
}
note sprintf('%d rounds, %.1f s', scalar @rounds, time - $began);

is(join(',', sort keys %levels), '1,2', 'with trees of two heights') if $part == 1;

done_testing();
