# SPDX-License-Identifier: PostgreSQL
#
# 032_standby.pl: a synchronous standby, stopped and started again under clients of the Redis door;
# the door of the standby; its promotion.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $primary = pgfirst_node('primary', streaming => 1,
	conf => "synchronous_commit = on\nautovacuum = off");
my $redis = redis($primary);
$redis->call('MSET', map { ("old:$_", $_) } 1 .. 100);

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf',
	PgfirstTest::settings($standby, PostgreSQL::Test::Cluster::get_free_port(),
		conf => "synchronous_standby_names = ''"));
$standby->start;
$primary->append_conf('postgresql.conf', "synchronous_standby_names = 'standby'");
$primary->reload;
wait_until('the standby is synchronous', sub {
	return $primary->safe_psql('postgres',
		"SELECT sync_state FROM pg_stat_replication WHERE application_name = 'standby'") eq 'sync';
});

# ---- both are there ----------------------------------------------------------------------------

is($redis->call('SET', 'both', 1), 'OK', 'with the standby, a write is acknowledged');
is($redis->call('GET', 'both'), 1, '… and read');

# The standby's own door. A standby has applied a write a little later than it has flushed it.
my $there;
wait_until('the door of the standby', sub { $there = eval { redis($standby) }; });
wait_until('the write is applied', sub { return ($there->call('GET', 'both') // '') eq '1'; });
pass('the standby reads what the primary has written');
is($there->call('GET', 'old:7'), 7, '… and what was there before');
like($there->call('SET', 'x', 1), qr/^-READONLY /, 'a write to the standby is refused');
like($there->call('DEL', 'both'), qr/^-READONLY /, '… a deletion too');
is($there->call('EXISTS', 'both'), 1, '… and does nothing');
like($there->call('INFO', 'replication'), qr/^role:slave/m, 'it calls itself a replica');
like($redis->call('INFO', 'replication'), qr/^role:master/m, '… and the primary a master');
my $size;
wait_until('the standby counts its keys', sub { ($size = $there->call('DBSIZE')) =~ /^\d+$/; }, 30);
is($size, 101, 'DBSIZE on the standby');
my ($code, $out, $err) = $standby->psql('postgres', "SELECT kv.set('x', 'y')");
like($err, qr/read-only transaction/, 'kv.set on the standby is refused');
is($standby->safe_psql('postgres', "SELECT kv.get_text('old:7')"), '7', '… and kv.get_text reads');

# ---- the standby is stopped ---------------------------------------------------------------------

$standby->stop('immediate');
$there->close;

my $writer = redis($primary);
my $began = time;
$writer->send('SET', 'waits', 'w');
my ($what) = $writer->outcome(4);
is($what, 'silent', 'without the standby, a durable write is not acknowledged for four seconds');
is($redis->call('GET', 'old:1'), 1, '… while old keys are read');
my @gets;
for (1 .. 500)
{
	my $sent = time;
	$redis->call('GET', 'old:' . (1 + $_ % 100));
	push @gets, time - $sent;
}
note sprintf('GET p50 %.3f ms, p99 %.3f ms while the standby is away', 1000 * median(@gets),
	1000 * percentile(0.99, @gets));
cmp_ok(median(@gets), '<', 0.05, '… quickly');
is($redis->call('PING'), 'PONG', '… and what needs no data is answered');
my $reader = redis($primary);
$reader->send('GET', 'waits');
($what) = $reader->outcome(1);
is($what, 'silent', 'what the standby has not got is not shown either');

my $offset = -s $standby->logfile;
$standby->start;
is($writer->reply, 'OK', 'the standby comes back: the write is acknowledged');
is($reader->reply, 'w', '… and shown');

# ---- the wait is interrupted ----------------------------------------------------------------------

# pg_terminate_backend and pg_cancel_backend of the process that waits for the standby.
for my $how ('pg_terminate_backend', 'pg_cancel_backend')
{
	wait_until('the standby is synchronous', sub {
		return $primary->safe_psql('postgres', "SELECT sync_state FROM pg_stat_replication") eq 'sync';
	});
	is($writer->call('SET', 'before', $how), 'OK', "$how: it works before");
	$standby->stop('immediate');
	my $counted = $redis->call('GET', 'counter') // 0;
	my ($first, $later, $looking) = map { redis($primary) } 1 .. 3;
	$first->send('SET', "unanswered:$how", 1);
	wait_until('the helper waits for the standby', sub {
		return $primary->safe_psql('postgres', "SELECT wait_event FROM pg_stat_activity"
			. " WHERE backend_type = 'pgfirst flush'") eq 'SyncRep';
	});
	$later->send('INCR', 'counter');
	$looking->send('GET', "unanswered:$how");
	for my $client ($first, $later, $looking)
	{
		($what) = $client->outcome(0.5);
		is($what, 'silent', '… clients wait');
	}
	my $helper = worker_pid($primary, 'pgfirst flush');
	is($primary->safe_psql('postgres', "SELECT $how($helper)"), 't', "… $how");
	($what) = $first->outcome(20);
	is($what, 'closed', '… the client whose write was waited for is closed without an answer');
	($what) = $looking->outcome(20);
	is($what, 'closed', '… and who wanted to read it');
	is($redis->call('GET', 'old:2'), 2, '… others live on');
	is($redis->call('PING'), 'PONG', '… really');
	wait_until('the helper is back', sub { return worker_pid($primary, 'pgfirst flush'); });

	# What comes now waits again, and the helper's return does not make it durable.
	my $next = redis($primary);
	$next->send('SET', 'next', $how);
	($what) = $next->outcome(1.5);
	is($what, 'silent', '… the next write waits again');
	$reader = redis($primary);
	$reader->send('GET', "unanswered:$how");
	($what) = $reader->outcome(1.5);
	is($what, 'silent', '… and what was interrupted is not shown');
	$standby->start;
	is($next->reply, 'OK', '… until the standby is there');
	is($reader->reply, 1, '… which has both');
	# It waited for a later position than the one that was given up, and goes on waiting for it.
	is($later->reply, $counted + 1, '… and what was waited for behind the interrupted is answered too');
}

# The worker goes away while its clients wait for the standby: none is answered, and what they have
# changed, without transaction ids, is there and is not shown before the standby has it.
#
# Seen to fail: pgfirst_position_raise() that does nothing; the first to see it is the reader above.
wait_until('the standby is synchronous', sub {
	return $primary->safe_psql('postgres', "SELECT sync_state FROM pg_stat_replication") eq 'sync';
});
is($writer->call('SET', 'before', 'worker'), 'OK', 'the worker: it works before');
$standby->stop('immediate');
my $id = $primary->safe_psql('postgres', 'SELECT pg_snapshot_xmax(pg_current_snapshot())');
my %waiting = map { ($_, redis($primary)) } qw(one several parts);
$waiting{one}->send('SET', 'idless', 'o');
$waiting{several}->send('MSET', 'idless1', 's', 'idless2', 's');
$waiting{parts}->send('SET', 'idless parts', 'p' x 5000);
wait_until('the helper waits for the standby', sub {
	return $primary->safe_psql('postgres', "SELECT wait_event FROM pg_stat_activity"
		. " WHERE backend_type = 'pgfirst flush'") eq 'SyncRep';
});
for my $name (sort keys %waiting)
{
	($what) = $waiting{$name}->outcome(0.5);
	is($what, 'silent', "… a client waits that has set $name");
}
cmp_ok($primary->safe_psql('postgres', 'SELECT pg_snapshot_xmax(pg_current_snapshot())') - $id,
	'<=', 3, '… with no transaction id but those that tell the time');
my $ended = worker_pid($primary);
is($primary->safe_psql('postgres', "SELECT pg_terminate_backend($ended)"), 't', '… the worker is terminated');
for my $name (sort keys %waiting)
{
	($what) = $waiting{$name}->outcome(20);
	is($what, 'closed', "… who has set $name is closed without an answer");
}
wait_until('another worker', sub { return (worker_pid($primary) // $ended) != $ended; });
my %looking;
wait_until('the door', sub { $looking{old} = eval { redis($primary) }; });
is($looking{old}->call('GET', 'old:1'), 1, '… another worker reads old keys');
my @changed = ('idless', 'idless1', 'idless2', 'idless parts');
for my $key (@changed)
{
	$looking{$key} = redis($primary);
	$looking{$key}->send('GET', $key);
}
for my $key (@changed)
{
	($what) = $looking{$key}->outcome(0.5);
	is($what, 'silent', "… and does not show $key");
}
$standby->start;
is(substr($looking{$_}->reply // '', 0, 1), { 'idless' => 'o', 'idless parts' => 'p' }->{$_} // 's',
	"… $_ is there when the standby has it") for @changed;
($writer, $redis) = map { redis($primary) } 1 .. 2;

# Whoever gives the standby up by the settings lets the replies go.
$standby->stop('immediate');
$writer->send('SET', 'given', 'up');
($what) = $writer->outcome(1);
is($what, 'silent', 'the standby is away once more');
$primary->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$primary->reload;
is($writer->reply(15), 'OK', 'without synchronous_standby_names replies go on');
$standby->start;

# ---- promotion -----------------------------------------------------------------------------------

$redis->call('DEL', 'old:1', 'old:2');
my $keys = $redis->call('DBSIZE');
is($keys, $primary->safe_psql('postgres', 'SELECT count(*) FROM kv.keys'), 'DBSIZE before the promotion');
wait_for_standby($primary, $standby);
wait_until('the door of the standby', sub { $there = eval { redis($standby) }; });
my $worker = worker_pid($standby);
$primary->stop('immediate');
like($there->call('SET', 'mine', 1), qr/^-READONLY /, 'before the promotion the standby is read-only');
$standby->promote;
$began = time;
wait_until('the promoted door writes', sub { return $there->call('SET', 'mine', 1) eq 'OK'; }, 30);
note sprintf('the door writes %.2f s after the promotion', time - $began);
is($there->call('GET', 'mine'), 1, 'after it, it writes, on the same connection');
is(worker_pid($standby), $worker, '… with the same process');
# Not asked again and again: the question itself must wake up when the keys have been counted.
$began = time;
is($there->call('DBSIZE'), $keys + 1, '… and DBSIZE is right');
cmp_ok(time - $began, '<', 20, '… without waiting long');
is($standby->safe_psql('postgres', "SELECT kv.get_text('mine')"), 1, '… and SQL sees it');
is($standby->safe_psql('postgres', "SELECT count(*) FROM kv.keys"), $keys + 1, '… all of it');
like($there->call('INFO', 'replication'), qr/^role:master/m, '… and it calls itself a master');
is($there->call('PEXPIRE', 'mine', 1), 1, '… and expires');
wait_until('the sweep of the promoted server', sub { return $there->call('DBSIZE') == $keys; }, 60);
pass('… and sweeps');

$standby->stop;
done_testing();
