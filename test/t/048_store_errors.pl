# SPDX-License-Identifier: PostgreSQL
#
# 048_store_errors.pl: something fails in the middle of a change. Whoever asked is told, nothing is there
# by half, the store is sound, no process goes down, and the next change succeeds.
#
# First an error is raised at each point of the store's code, in turn, under a random workload. Then
# the disk is full: the processes of the server may write no file beyond some size (prlimit), until
# there is room again.
#
# Seen to fail: pgfirst_record_change() that enters its critical section before the point (the server
# goes down); batch_change() with a record for each leaf (half of an MSET); apply_with_id() with
# InvalidTransactionId for xid (half of a transaction of SQL); pgfirst_record_page() without its
# check (a fifth page).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# ---- an error at each point ------------------------------------------------------------------------------

my $node = watched_node('errors', workers => 2, conf => <<CONF);
fsync = off
shared_buffers = 2MB
log_min_messages = fatal
CONF
my $load = PgfirstStore::Load->new($node, seed => 21, errors => 1);
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
my @pids = map { worker_pid($node, "pgfirst $_") } 'redis 1', 'redis 2', 'upkeep', 'flush';

is($node->safe_psql('postgres', 'SELECT store_test.record(4)'), 4, 'a record takes four pages');
my ($code, $out, $error) = $node->psql('postgres', 'SELECT store_test.record(5)');
like($error, qr/takes more than 4 pages/, '… and refuses a fifth');

$load->open;
$load->step for 1 .. 30;
is($load->wrong, '', 'before anything fails');

for my $case (
	[ 'pgfirst redis', 'before a record', 30 ], [ 'pgfirst redis', 'after a split', 12 ],
	[ 'pgfirst redis', 'after the changes', 12 ],
	[ 'client backend', 'before a record', 30 ], [ 'client backend', 'after a split', 12 ],
	[ 'client backend', 'after the changes', 6 ], [ 'client backend', 'after a merge', 6 ])
{
	my ($who, $point, $count) = @$case;
	my @wrong;

	@$load{qw(failed refused)} = ([], []);
	for my $passes (0 .. $count - 1)
	{
		my $heard = @{ $load->{failed} } + @{ $load->{refused} };
		$load->{session}->ask("SELECT store_test.arm('raise', '$point', " . $passes % 7 . ", 1, '$who')");
		for (1 .. 500)
		{
			$load->step or die "the server went away\n";
			last if @{ $load->{failed} } + @{ $load->{refused} } > $heard;
		}
		my $wrong = $load->wrong;
		push @wrong, $wrong if $wrong ne '';
	}
	my @heard = ($who eq 'pgfirst redis' ? @{ $load->{failed} } : @{ $load->{refused} });
	cmp_ok(scalar @heard, '>=', $count, "$who fails $point, and says so");
	is(join(' ', grep { !/injected at "$point"/ } @heard), '', '… and nothing else');
	is(join("\n", @wrong), '', '… with nothing there by half');
}

# A value that does not fit into the file: it needs more pages than there are.
for my $who ('pgfirst redis', 'client backend')
{
	for my $try (1 .. 2)
	{
		my $size = 1_000_000 + $node->safe_psql('postgres',
			'SELECT pg_relation_size(store) FROM kv.database WHERE number = 0');
		store_arm($node, 'raise', point => 'before an extension', who => $who);
		my $answer =
		    $who eq 'client backend'
		  ? $load->{session}->ask("SELECT kv.set('extends', repeat('x', $size))")
		  : $load->{clients}[0]->call('SET', 'extends', 'x' x $size);
		like($answer, qr/injected at "before an extension"/, "$who fails to extend the file, and says so");
		is($load->{clients}[1]->call('EXISTS', 'extends'), 0, '… and has changed nothing');
		is($load->wrong, '', '… at all');
	}
}
store_arm($node, 'nothing');
@$load{qw(failed refused)} = ([], []);
$load->step for 1 .. 20;
is(@{ $load->{failed} } + @{ $load->{refused} }, 0, 'then everything succeeds');
is($load->wrong, '', '… and is there');
$load->close;

# What keeps the store in order meets errors too, and comes back to what it has not done.
store_arm($node, 'raise', times => 3, who => 'pgfirst upkeep');
my $redis = redis($node);
$redis->call('SET', "key:$_", 'x' x 200, 'PX', 1) for 0 .. 299;
$load->{model} = {};
wait_until('the upkeep', sub { return $redis->call('DBSIZE') eq '0'; });
is($load->wrong, '', 'upkeep that fails goes on later');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'no crash');
is(join(' ', map { worker_pid($node, "pgfirst $_") } 'redis 1', 'redis 2', 'upkeep', 'flush'), "@pids",
	'… of any process');
$node->stop('immediate');
$node->start;
wait_for_door($node);
is($load->wrong, '', 'a crash after all that leaves it sound');
$node->stop;

# ---- a full disk -----------------------------------------------------------------------------------------

my $full = watched_node('full', workers => 2, conf => <<CONF, initdb => ['--wal-segsize=1']);
fsync = off
shared_buffers = 2MB
log_min_messages = fatal
max_wal_size = 4MB
min_wal_size = 2MB
CONF
my $file = $full->data_dir . '/' . $full->safe_psql('postgres',
	'SELECT pg_relation_filepath(store) FROM kv.database WHERE number = 0');

# No process of the server may write beyond so many bytes of a file.
sub limit
{
	my ($bytes) = @_;

	for my $pid (processes($full))
	{
		system('prlimit', "--pid=$pid", "--fsize=$bytes:unlimited") == 0 or kill(0, $pid) == 0 or die;
	}
}

$started = $full->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
@pids = map { worker_pid($full, "pgfirst $_") } 'redis 1', 'redis 2', 'upkeep', 'flush';
$load = PgfirstStore::Load->new($full, seed => 22, errors => 1, keys => 3000, large => 40_000);
for my $round (1 .. 3)
{
	# In the middle of a block, and between two.
	my $room = ($round == 1 ? 2_800_000 : -s $file) + 200_000;
	$room -= $room % 8192;
	$room += 4096 if $round == 2;
	limit($room);
	@$load{qw(failed refused)} = ([], []);
	$load->open;
	my @wrong;
	for (1 .. 2000)
	{
		$load->{steps} %= 20;    # it only grows
		$load->step or die "the server went away\n";
		my $wrong = @{ $load->{pending} } ? $load->wrong : '';
		push @wrong, $wrong if $wrong ne '';
		last if @{ $load->{failed} } > 5 && @{ $load->{refused} } > 2;
	}
	my @heard = (@{ $load->{failed} }, @{ $load->{refused} });
	cmp_ok(scalar @heard, '>', 7, "room for $room bytes: then the disk is full");
	is(join("\n", grep { !/could not extend file|File too large/ } @heard), '', '… says whoever needs more');
	cmp_ok(-s $file, '<=', $room, '… and has it not');
	is(join("\n", @wrong, $load->wrong), '', '… nothing is there by half');
	my $there = redis($full);
	my ($key) = grep { defined $load->{model}{$_} } sort keys %{ $load->{model} };
	is($there->call('DEL', $key), 1, '… keys can be deleted');
	$load->{model}{$key} = undef;
	is($load->wrong, '', '… which is all that happens');
	limit('unlimited');
	@$load{qw(failed refused)} = ([], []);
	$load->step for 1 .. 20;
	is(join("\n", @{ $load->{failed} }, @{ $load->{refused} }), '', '… and when there is room again, all goes on');
	is($load->wrong, '', '… and is there');
	$load->close;
}
is($full->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'no crash');
is(join(' ', map { worker_pid($full, "pgfirst $_") } 'redis 1', 'redis 2', 'upkeep', 'flush'), "@pids",
	'… of any process');
$full->stop('immediate');
$full->start;
wait_for_door($full);
is($load->wrong, '', 'a crash after all that leaves it sound');
$full->stop;

done_testing();
