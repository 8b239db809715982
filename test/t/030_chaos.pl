# SPDX-License-Identifier: PostgreSQL
#
# 030_chaos.pl: kills processes under load and counts what was acknowledged; see test/chaos/load.h for
# what is known and compared. A few rounds here, CHAOS_ROUNDS of them by `make chaos`, in an order
# that CHAOS_SEED decides.
#
# The servers differ in what they make likely:
#
#   one    a worker on this machine's disk, and a standby, which must have the same keys in the end
#   two    two workers: one shows what the other has written
#   slow   two workers, a millisecond for every sync and three for every write of WAL, so that what
#          has not been made durable is still in the memory of the processes, and killed with them
#
# Killed are only processes of these servers.
#
# Seen to fail, within as many rounds as stand behind it: a script of which each command is a unit of its own (7);
# units_across_stores() that finds none (9); run_attempt() that keeps what it should undo (7), or does not look at
# what it has read once more (6); a reply to EVAL that leaves before what it wrote is durable (21);
# kv_shared_script() that finds nothing (4).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use IPC::Open2;
use List::Util qw(shuffle);
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $rounds = $ENV{CHAOS_ROUNDS} || 5;
my $seed = $ENV{CHAOS_SEED} || 1;
my $root = "$FindBin::RealBin/../..";
srand $seed;

system('make', '-s', '-C', $root, 'build/chaos/load') == 0 or die "cannot build the load\n";

# ---- the servers and their loads -----------------------------------------------------------------

my %options = (
	one => { streaming => 1 },
	two => { workers => 2 },
	slow => {
		workers => 2, preload => [ shim('slow_sync') ],
		env => { PGFIRST_SLOW_SYNC_US => 1000, PGFIRST_SLOW_WAL_US => 3000 } });
my %servers;

sub server
{
	my ($name) = @_;

	return $servers{$name} //= do
	{
		my $node = pgfirst_node($name, %{ $options{$name} }, conf => 'checkpoint_timeout = 30s');
		standby_of($node) if $options{$name}{streaming};
		my $pid = open2(my $from, my $to, "$root/build/chaos/load", redis_port($node), 'secret', 30, 10, $seed);
		{ node => $node, from => $from, to => $to, pid => $pid, name => $name, sql => 0, sql_lost => 0 };
	};
}

my $standby;

sub standby_of
{
	my ($node) = @_;

	$node->backup('base');
	$standby = PostgreSQL::Test::Cluster->new($node->name . '_standby');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->append_conf('postgresql.conf',
		PgfirstTest::settings($standby, PostgreSQL::Test::Cluster::get_free_port()));
	$standby->start;
}

# Everything that a server has, keys, values and expiries, as one number.
sub contents
{
	return $_[0]->safe_psql('postgres',
		q{SELECT count(*), md5(string_agg(key || '=' || kv.get_text(key, db) || expires_at::text, ',' ORDER BY db, key_bytes)),
			md5(string_agg(key || '=' || kv.get_text(key, db), ',' ORDER BY db, key_bytes)) FROM kv.keys});
}

# Tells the load a word and reads the line that answers it; notes go to the test's log.
sub order
{
	my ($server, $word, $answer) = @_;

	print { $server->{to} } "$word\n";
	$server->{to}->flush;
	while (defined(my $line = readline $server->{from}))
	{
		chomp $line;
		return $line if $line =~ $answer;
		diag "$server->{name}: $line";
	}
	die "the load has ended\n";
}

sub progress { return order($_[0], 'progress', qr/^progress/) =~ /(\d+)/ ? $1 : die; }

# A session that sets keys through SQL, one after the other, and writes down what was acknowledged.
sub sql_begin
{
	my ($server) = @_;
	my $node = $server->{node};
	my $script = $node->basedir . '/sql';
	my $first = $server->{sql} + 1;

	open(my $file, '>', $script) or die $!;
	print $file "SELECT 'acked ' || $_ FROM (SELECT kv.set('sql:' || $_ % 10, '$_')) AS done;\n"
	  for $first .. $first + 50000;
	close $file;
	my $pid = fork // die $!;
	if ($pid == 0)
	{
		open(STDOUT, '>', "$script.out") or die $!;
		open(STDERR, '>', "$script.err") or die $!;
		exec 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-f', $script,
		  $node->connstr('postgres') . " application_name='chaos sql'";
	}
	$server->{sql_pid} = $pid;
}

sub sql_end
{
	my ($server) = @_;
	my $node = $server->{node};

	kill 'TERM', $server->{sql_pid};
	waitpid $server->{sql_pid}, 0;
	my @acked = PostgreSQL::Test::Utils::slurp_file($node->basedir . '/sql.out') =~ /acked (\d+)\n/g;
	$server->{sql} = $acked[-1] if @acked;
	my $is = $node->safe_psql('postgres',
		"SELECT string_agg(kv.get_text('sql:' || k) , ' ' ORDER BY k) FROM generate_series(0, 9) k");
	my %is = map { $_ % 10 => $_ } split ' ', $is;
	my $wrong = 0;
	for my $n (0 .. 9)
	{
		# The last number that was acknowledged for this key; one more may have happened.
		my $wanted = $server->{sql} - ($server->{sql} - $n) % 10;
		next if $wanted <= 0;
		my $value = $is{$n} // 0;
		next if $value >= $wanted && $value <= $server->{sql} + 1;
		diag "sql:$n is $value, $wanted was acknowledged, $server->{sql} as the last";
		$wrong++;
	}
	# What happened and was not acknowledged is taken as done.
	$server->{sql}++ if ($is{ ($server->{sql} + 1) % 10 } // 0) == $server->{sql} + 1;
	return $wrong;
}

# ---- what is done to them --------------------------------------------------------------------------

sub of_type
{
	my ($server, $type) = @_;
	my $node = $server->{node};
	my @pids = split /\n/, $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type LIKE '$type'");

	return $pids[ rand @pids ];
}

# The postmaster then ends all others and starts again. Writes may go on for a moment before it does:
# that is not yet being back.
sub kill_process
{
	my ($server, $pid) = @_;
	my $node = $server->{node};
	my $before = worker_pid($node, 'pgfirst flush');

	die "nothing to kill\n" if !$pid || !defined $before;
	kill 'KILL', $pid;
	wait_until('the server starts again', sub {
		my $now = worker_pid($node, 'pgfirst flush');
		return defined $now && $now != $before;
	});
}

my %harm = (
	postmaster => sub { crash($_[0]{node}, postmaster_only => 1); $_[0]{node}->start; },
	everything => sub { crash($_[0]{node}); $_[0]{node}->start; },
	worker => sub { kill_process($_[0], of_type($_[0], 'pgfirst redis%')); },
	'flush helper' => sub { kill_process($_[0], of_type($_[0], 'pgfirst flush')); },
	backend => sub {
		kill_process($_[0], $_[0]{node}->safe_psql('postgres',
			"SELECT pid FROM pg_stat_activity WHERE application_name = 'chaos sql'"));
	},
	'worker, gently' => sub {
		$_[0]{node}->safe_psql('postgres', 'SELECT pg_terminate_backend(' . of_type($_[0], 'pgfirst redis%') . ')');
	},
	'flush helper, gently' => sub {
		$_[0]{node}->safe_psql('postgres', 'SELECT pg_terminate_backend(' . of_type($_[0], 'pgfirst flush') . ')');
	});

# The whole server is started in the environment that it was made for.
for my $kind ('postmaster', 'everything')
{
	my $inner = $harm{$kind};
	$harm{$kind} = sub { my ($server) = @_; pgfirst_environment($server->{node}, sub { $inner->($server); }); };
}

sub round
{
	my ($number, $name, $kind) = @_;
	my $server = server($name);
	my $node = $server->{node};

	order($server, 'go', qr/^writing/);
	sql_begin($server);
	my $before = progress($server);
	wait_until('the load', sub { return progress($server) > $before + 300; });
	wait_until('the load of SQL', sub { return -s $node->basedir . '/sql.out'; });
	sleep 0.1 + rand 0.7;

	my $began = time;
	$harm{$kind}->($server);
	my $at = progress($server);
	wait_until("writes go on after $kind", sub { return progress($server) > $at + 300; });
	my $back = time - $began;

	order($server, 'stop', qr/^stopped/);
	my $sql_wrong = sql_end($server);
	my $checked = order($server, 'check', qr/^checked/);
	my $shown = $node->safe_psql('postgres',
		"SELECT key || E'\\t' || split_part(kv.get_text(key, db), ' ', 1) FROM kv.keys WHERE key LIKE 'chaos:%'");
	my $by_sql = order($server, "sql\n$shown\n", qr/^sql/);

	my $damage = $node->safe_psql('postgres', 'SELECT db, block, problem FROM kv.check()');
	diag $damage if $damage ne '';

	ok($checked =~ / 0 wrong$/ && $by_sql =~ / 0 wrong$/ && $sql_wrong == 0 && $damage eq '',
		"round $number, $name: $kind; back after " . sprintf('%.1f s', $back));
	note "$checked; $by_sql";
}

# Every kind of harm in turn, in shuffled order, and the servers too.
my (@kinds, @names);
for my $number (1 .. $rounds)
{
	@kinds = shuffle sort keys %harm if !@kinds;
	@names = shuffle sort keys %options if !@names;
	round($number, shift @names, shift @kinds);
}

if ($standby)
{
	my $node = $servers{one}{node};
	eval { $node->wait_for_catchup($standby, 'replay', $node->lsn('insert')); 1; }
	  or die $@, 'the standby said: ', substr(PostgreSQL::Test::Utils::slurp_file($standby->logfile), -3000);
	is(contents($standby), contents($node), 'the standby has the same keys');
	$standby->stop;
}

my %sum = (acknowledged => 0);
for my $server (values %servers)
{
	my $total = order($server, 'quit', qr/^total/);
	waitpid $server->{pid}, 0;
	note "$server->{name}: $total, $server->{sql} through SQL";
	$sum{$2} += $1 while $total =~ /(\d+) ([a-z]+)/g;
	$sum{acknowledged} += $server->{sql};
	$server->{node}->stop;
}
cmp_ok($sum{scripts}, '>', 100, "seed $seed, $rounds rounds: $sum{scripts} acknowledged scripts");
cmp_ok($sum{transactions}, '>', 100, "… and $sum{transactions} acknowledged transactions");
is($sum{halves}, 0, "… and nobody was shown a half of one, of $sum{groups} times that somebody looked");
is($sum{wrong}, 0, "… and of $sum{acknowledged} acknowledged writes and $sum{shown} shown values none is missing");
done_testing();
