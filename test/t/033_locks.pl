# SPDX-License-Identifier: PostgreSQL
#
# 033_locks.pl: an SQL transaction that holds keys delays those who want these keys, and nobody else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = pgfirst_node('locks',
	conf => "pgfirst.redis_lock_timeout = '60s'\nmax_prepared_transactions = 2\nautovacuum = off");
my $redis = redis($node);

sub session
{
	my $psql = $node->background_psql('postgres', timeout => 120);
	$psql->{pid} = $psql->query_safe('SELECT pg_backend_pid()');
	return $psql;
}

# Returns when the worker has read it: who is parked before that keeps the old patience. It shows in another
# setting, which is changed beside it.
my $max_clients = 1000;
sub lock_timeout
{
	my ($value) = @_;

	$max_clients++;
	$node->append_conf('postgresql.conf',
		"pgfirst.redis_lock_timeout = '$value'\npgfirst.redis_max_clients = $max_clients");
	$node->reload;
	wait_until('the new setting', sub { $redis->call('INFO', 'clients') =~ /^maxclients:$max_clients\r?$/m; });
}

# SETs and GETs of other keys for so many seconds; returns the seconds that each took.
sub others
{
	my ($seconds, $client) = @_;
	my $end = time + $seconds;
	my @took;

	for (my $i = 0; time < $end; $i++)
	{
		my $sent = time;
		$i % 2 ? $client->call('GET', "other:" . $i % 100) : $client->call('SET', "other:" . $i % 100, $i);
		push @took, time - $sent;
	}
	return @took;
}

# ---- one key, held for seconds -----------------------------------------------------------------------

my $holder = session();
$redis->call('MSET', 'K', 'old', 'other', 'o');
my @idle = others(2, $redis);
$holder->query_safe("BEGIN; SELECT kv.set('K', 'new')");

my %waiting = map { $_->[0] => [ redis($node), $_ ] } (
	[ 'SET', 'K', 'mine' ], [ 'DEL', 'K' ], [ 'INCR', 'K' ], [ 'MSET', 'other', 'p', 'K', 'q' ], [ 'EXPIRE', 'K', 100 ]);
$_->[0]->send(@{ $_->[1] }) for values %waiting;
my $bystander = redis($node);
is($bystander->call('GET', 'K'), 'old', 'a key that SQL holds is read, as it is committed');
is($bystander->call('SET', 'other', 'x'), 'OK', '… and a key that waits together with it is free');
my @busy = others(6, $bystander);
note sprintf('others: p50 %.2f ms, p99 %.2f ms, worst %.2f ms; before: p50 %.2f ms, p99 %.2f ms',
	(map { $_ * 1000 } percentile(0.5, @busy), percentile(0.99, @busy), percentile(1, @busy)),
	(map { $_ * 1000 } percentile(0.5, @idle), percentile(0.99, @idle)));
cmp_ok(percentile(0.99, @busy), '<', 0.25, 'others are not delayed by it');
for my $command (sort keys %waiting)
{
	my ($what) = $waiting{$command}[0]->outcome(0);
	is($what, 'silent', "… $command of it waits");
}
like($redis->call('INFO', 'clients'), qr/^blocked_clients:5\r?$/m, '… as INFO says');

# In which order they then come is nobody's promise; each comes once.
my $released = time;
$holder->query_safe('COMMIT');
my %answers = map { $_ => $waiting{$_}[0]->reply } sort keys %waiting;
cmp_ok(time - $released, '<', 5, 'after COMMIT all of them proceed');
note "answers: " . join(', ', map { "$_ $answers{$_}" } sort keys %answers);
is($answers{SET}, 'OK', '… SET');
is($answers{MSET}, 'OK', '… MSET');

# ---- promptness: after COMMIT and after ROLLBACK, also of a savepoint ------------------------------------

sub delay_after
{
	my ($begin, $end, $expected) = @_;
	my $client = redis($node);

	$client->call('SET', 'K', 'old');
	$holder->query_safe($begin);
	$client->send('SET', 'K', 'client', 'GET');
	my ($what) = $client->outcome(0.3);
	is($what, 'silent', "$begin: a client waits");
	# From when the server has done it, as seen by the one who did: psql's answer takes no time here.
	my $before = time;
	$holder->query_safe($end);
	is($client->reply, $expected, "… $end: it proceeds, and sees what it should");
	return time - $before;
}

for my $case (
	[ "BEGIN; SELECT kv.set('K', 'new')", 'COMMIT', 'new' ],
	[ "BEGIN; SELECT kv.set('K', 'new')", 'ROLLBACK', 'old' ],
	[ "BEGIN; SELECT kv.del('K')", 'COMMIT', undef ])
{
	my $best = 10;
	for (1 .. 3)
	{
		my $took = delay_after(@$case);
		$best = $took if $took < $best;
	}
	note sprintf('%s: the client proceeds within %.1f ms', $case->[1], $best * 1000);
	cmp_ok($best, '<', 0.1, "… at once");
}
{
	my $client = redis($node);
	$client->call('SET', 'K', 'old');
	$holder->query_safe("BEGIN; SAVEPOINT s; SELECT kv.set('K', 'new')");
	$client->send('SET', 'K', 'client', 'GET');
	my ($what) = $client->outcome(0.3);
	is($what, 'silent', 'a key is set behind a savepoint: a client waits');
	my $before = time;
	$holder->query_safe('ROLLBACK TO s');
	($what, my $answer) = $client->outcome(5);
	is($answer // $what, 'old', '… ROLLBACK TO SAVEPOINT lets it proceed, in the middle of the transaction');
	note sprintf('after %.1f ms', 1000 * (time - $before));
	$holder->query_safe('COMMIT');
}
is($redis->call('GET', 'K'), 'client', '… and nothing of the savepoint is left');

# ---- waiting ends ----------------------------------------------------------------------------------------

lock_timeout('700ms');
$holder->query_safe("BEGIN; SELECT kv.set('K', 'held')");
{
	my $client = redis($node);
	my $sent = time;
	like($client->call('SET', 'K', 'late'), qr/^-ERR .*process $holder->{pid}\b.*redis_lock_timeout/,
		'after redis_lock_timeout: an error that names the holder');
	cmp_ok(time - $sent, '>=', 0.65, '… not before');
	is($client->call('GET', 'K'), 'client', '… the connection lives');
}
# A pipeline behind a parked command waits with it, in order, and survives its failure.
{
	my $client = redis($node);
	$client->send(@$_) for [ 'SET', 'first', 1 ], [ 'SET', 'K', 'late' ], [ 'GET', 'first' ];
	is($client->reply, 'OK', 'a pipeline: what is before the locked key');
	like($client->reply, qr/^-ERR .*locked/, '… the locked key');
	is($client->reply, 1, '… and what is behind it');
}
# Who leaves while parked leaves nothing behind.
{
	my $client = redis($node);
	$client->send('SET', 'K', 'of a client that left');
	my ($what) = $client->outcome(0.2);
	is($what, 'silent', 'a client waits');
	$client->close;
	wait_until('its connection is forgotten', sub { $redis->call('INFO', 'clients') =~ /^blocked_clients:0\r?$/m; }, 20);
	pass('… and leaves');
}
$holder->query_safe('COMMIT');
is($redis->call('GET', 'K'), 'held', 'what clients gave up, or errors refused, was not done');
lock_timeout('60s');

# A holder that is killed gives its keys back.
$holder->query_safe("BEGIN; SELECT kv.set('K', 'killed')");
{
	my $client = redis($node);
	$client->send('GET', 'x');
	$client->reply;
	$client->send('SET', 'K', 'mine', 'GET');
	my ($what) = $client->outcome(0.3);
	is($what, 'silent', 'a client waits for a session');
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($holder->{pid})");
	is($client->reply(10), 'held', '… that is terminated: it proceeds, and nothing of the session is there');
}
eval { $holder->quit };
$holder = session();

# ---- thousands of short transactions on one key ------------------------------------------------------------

# Whether a holder that commits between a client's try and its parking is missed: a client that is not
# woken would stand still until its patience ends, which is a minute here.
{
	my $sessions = 2;
	my $each = 1500;
	my $script = PostgreSQL::Test::Utils::tempdir . '/incr';
	# The key is locked first, by a kv.set that only sets if absent, then read, then set.
	append_to_file($script, <<'SQL');
BEGIN;
SELECT kv.set('hot', 'absent', nx => true);
SELECT kv.set('hot', (kv.get_text('hot')::bigint + 1)::text);
COMMIT;
SQL
	$redis->call('SET', 'hot', 0);
	my @children;
	for (1 .. $sessions)
	{
		my $pid = fork // die $!;
		if ($pid == 0)
		{
			open(STDOUT, '>', '/dev/null');
			exec 'pgbench', '-n', '-f', $script, '-c', 1, '-t', $each, $node->connstr('postgres');
		}
		push @children, $pid;
	}
	my @clients = map { redis($node) } 1 .. 4;
	my ($worst, $done) = (0, 0);
	my %sent = map { my $c = $_; $c->send('INCR', 'hot'); ("$c" => time) } @clients;
	my $alive = @children;
	while ($alive)
	{
		for my $client (@clients)
		{
			my ($what, $answer) = $client->outcome(0.001);
			next if $what eq 'silent' && time - $sent{"$client"} < 30;
			die "INCR: $what " . ($answer // '') if $what ne 'reply' || $answer =~ /^-/;
			my $took = time - $sent{"$client"};
			$worst = $took if $took > $worst;
			$done++;
			$client->send('INCR', 'hot');
			$sent{"$client"} = time;
		}
		for my $child (@children)
		{
			next if !$child || waitpid($child, 1) != $child;
			is($?, 0, 'short SQL transactions on one key all commit');
			$child = 0;
			$alive--;
		}
	}
	for my $client (@clients)
	{
		my $answer = $client->reply;
		$done++ if $answer =~ /^\d+$/;
	}
	is($redis->call('GET', 'hot'), $done + $sessions * $each, 'INCR and SQL on one key: every one is counted');
	# How many depends on how the machine deals out its time: 78 to 852 were seen.
	cmp_ok($done, '>', 20, '… of both');
	cmp_ok($worst, '<', 5, '… and no client stood still');
	note sprintf('%d INCR beside %d transactions, the slowest %.0f ms', $done, $sessions * $each, $worst * 1000);
}

# ---- a million keys ------------------------------------------------------------------------------------------

{
	my $big = session();
	my $client = redis($node);
	my $million = 1_000_000;
	my $began = time;

	$client->call('SET', 'fresh', 0);
	$big->query_safe("BEGIN");
	$big->query_until(qr/filling/, "\\echo filling\nSELECT count(kv.set('million:' || g, g::text)) FROM generate_series(1, $million) g;\n\\echo filled\n");
	# While it fills its memory nobody notices it.
	my @took;
	my $filled = 0;
	while (!$filled)
	{
		push @took, others(0.5, $client);
		$filled = $node->safe_psql('postgres',
			"SELECT state = 'idle in transaction' FROM pg_stat_activity WHERE pid = $big->{pid}") eq 't';
	}
	note sprintf('filling took %.1f s; others p50 %.2f ms, p99 %.1f ms, worst %.1f ms', time - $began,
		map { $_ * 1000 } percentile(0.5, @took), percentile(0.99, @took), percentile(1, @took));
	cmp_ok(percentile(0.99, @took), '<', 0.5, 'while a transaction sets a million keys, others go on');
	is($redis->call('GET', 'million:5'), undef, '… and see none of them');
	# Written, in order to be woken when it is over; read, to be compared.
	my $reader = redis($node);
	$began = time;
	$big->query_until(qr/committing/, "\\echo committing\nCOMMIT;\n\\echo committed\n");
	my ($worst_write, $worst_read, $reads) = (0, 0, 0);
	my $over = 0;
	$client->send('SET', 'fresh', 1);
	my $sent = time;
	while (!$over)
	{
		my $asked = time;
		$reader->call('GET', 'other');
		$worst_read = time - $asked if time - $asked > $worst_read;
		$reads++;
		my ($what) = $client->outcome(0.005);
		if ($what eq 'reply')
		{
			$worst_write = time - $sent if time - $sent > $worst_write;
			$client->send('SET', 'fresh', 1);
			$sent = time;
			$over = ($reader->call('GET', "million:$million") // '') eq $million;
		}
		die "the commit takes for ever\n" if time - $began > 300;
	}
	my $commit = time - $began;
	$client->reply;
	note sprintf('the commit took %.1f s; the slowest SET of another key %.1f s, GET %.3f s, of %d', $commit, $worst_write, $worst_read, $reads);
	cmp_ok($worst_write, '<=', $commit + 1, 'its commit delays writers no longer than it takes');
	cmp_ok($worst_read, '<', 2, '… and readers not at all');
	is($redis->call('GET', 'million:5'), 5, 'afterwards all of them are there');
	my $last = $redis->call('DBSIZE');
	cmp_ok($last, '>=', $million, '… and counted');
	$big->quit;
}

# ---- savepoints, PREPARE ----------------------------------------------------------------------------------------

$node->safe_psql('postgres', <<'SQL');
BEGIN;
SELECT kv.set('sp:1', 'before');
SAVEPOINT a;
SELECT kv.set('sp:1', 'inside'), kv.set('sp:2', 'inside');
ROLLBACK TO a;
SAVEPOINT b;
SELECT kv.set('sp:3', 'kept');
RELEASE b;
COMMIT;
SQL
is($redis->call('GET', 'sp:1'), 'before', 'a savepoint that is rolled back: the value before it');
is($redis->call('GET', 'sp:2'), undef, '… its own keys are not there');
is($redis->call('GET', 'sp:3'), 'kept', '… those of one that is released are');
$node->safe_psql('postgres', "BEGIN; SELECT kv.set('rolled', 'back'); ROLLBACK");
is($redis->call('GET', 'rolled'), undef, 'kv.set that is rolled back');
my (undef, undef, $error) = $node->psql('postgres', "BEGIN; SELECT kv.set('two', 'phases'); PREPARE TRANSACTION 'x'");
like($error, qr/cannot PREPARE a transaction that holds/, 'PREPARE TRANSACTION after kv.set is refused');
is($redis->call('SET', 'two', 'free'), 'OK', '… and the key is free');
is($node->psql('postgres', "BEGIN; SELECT kv.get('two'); PREPARE TRANSACTION 'reads'"), 0, '… after a read it is not');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'reads'");

# ---- locks on the table -----------------------------------------------------------------------------------------

my $store = $node->safe_psql('postgres', 'SELECT store FROM kv.database WHERE number = 0');
my $dump = session();
my $alter = session();
my $one = redis($node);
$one->call('SELECT', 1);
# What pg_dump does, and an ALTER that queues behind it: whoever asks for any lock queues behind that.
$dump->query_safe("BEGIN; LOCK TABLE $store IN ACCESS SHARE MODE");
$alter->query_until(qr/altering/, "\\echo altering\nALTER TABLE $store ALTER COLUMN payload SET STORAGE EXTERNAL;\n\\echo altered\n");
wait_until('the ALTER queues', sub {
	return $node->safe_psql('postgres', "SELECT wait_event_type FROM pg_stat_activity WHERE pid = $alter->{pid}") eq 'Lock';
});
$redis->send('GET', 'sp:1');
my $set = redis($node);
$set->send('SET', 'sp:1', 'after');
my @took = others(2, $one);
cmp_ok(percentile(0.99, @took), '<', 0.25, 'an ALTER TABLE that queues behind pg_dump: other databases go on');
my ($what, $answer) = $set->outcome(0);
note "a write of the altered database is " . ($answer // $what) . " meanwhile";
$dump->query_safe('COMMIT');
like($redis->reply, qr/^(before|after)$/, '… and its own readers go on behind it');
is($what eq 'silent' ? $set->reply : $answer, 'OK', '… writers too');
$alter->quit;

# LOCK TABLE, for ever.
lock_timeout('500ms');
$dump->query_safe("BEGIN; LOCK TABLE $store IN ACCESS EXCLUSIVE MODE");
like(redis($node)->call('GET', 'sp:1'), qr/^-ERR the database is locked .*process $dump->{pid}\b/, 'LOCK TABLE: an error that names the holder');
@took = others(2, $one);
cmp_ok(percentile(0.99, @took), '<', 0.25, '… and other databases go on');
$dump->query_safe('COMMIT');
is($redis->call('GET', 'sp:1'), 'after', '… and afterwards all is well');

$node->stop;
done_testing();
