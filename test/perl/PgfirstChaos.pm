# SPDX-License-Identifier: PostgreSQL
#
# PgfirstChaos: servers, each under a load that knows what was acknowledged, whose processes are killed; what the
# tests of that share. The load is a program that is told words on its standard input; see
# test/chaos/load.h and test/chaos/queues.py.
#
# The servers differ in what they make likely:
#
#   one    a worker on this machine's disk, and a standby
#   two    two workers: one shows what the other has written
#   slow   two workers, a millisecond for every sync and three for every write of WAL, so that what
#          has not been made durable is still in the memory of the processes, and killed with them
#
# Killed are only processes of these servers. How many rounds there are and in which order is said by CHAOS_ROUNDS and
# CHAOS_SEED.
package PgfirstChaos;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use IPC::Open2;
use List::Util qw(shuffle);
use PgfirstTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(chaos_seed chaos_load chaos_order chaos_goes_on chaos_harm chaos_rounds chaos_standby
  chaos_damage chaos_end);

my %options = (
	one => { streaming => 1 },
	two => { workers => 2 },
	slow => {
		workers => 2, preload => [ shim('slow_sync') ],
		env => { PGFIRST_SLOW_SYNC_US => 1000, PGFIRST_SLOW_WAL_US => 3000 } });
my $seed = $ENV{CHAOS_SEED} || 1;
my ($command, $some);
my %servers;
my $standby;
srand $seed;

sub chaos_seed { return $seed; }

# Says which load it is: a function that is given a server, and returns the words of its command; and how many writes
# are some, of which it acknowledges as many in a good tenth of a second.
sub chaos_load { ($command, $some) = @_; }

# ---- the servers and their loads -----------------------------------------------------------------

sub server
{
	my ($name) = @_;

	return $servers{$name} //= do
	{
		my $node = pgfirst_node($name, %{ $options{$name} }, conf => 'checkpoint_timeout = 30s');
		$standby = standby_of($node) if $options{$name}{streaming};
		my $pid = open2(my $from, my $to, $command->($node));
		{ node => $node, from => $from, to => $to, pid => $pid, name => $name };
	};
}

# The standby of the server, when it has replayed what the server has; undef if that has none.
sub chaos_standby
{
	my ($server) = @_;
	my $node = $server->{node};

	return undef if !$standby || $server->{name} ne 'one';
	eval { wait_for_standby($node, $standby); 1; }
	  or die $@, 'the standby said: ', substr(PostgreSQL::Test::Utils::slurp_file($standby->logfile), -3000);
	return $standby;
}

# Tells the load a word and reads the line that answers it; notes go to the test's log.
sub chaos_order
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

sub progress { return chaos_order($_[0], 'progress', qr/^progress/) =~ /(\d+)/ ? $1 : die; }

# Waits until some more writes are acknowledged.
sub chaos_goes_on
{
	my ($server, $what) = @_;
	my $at = progress($server);

	wait_until($what, sub { return progress($server) > $at + $some; });
}

# What kv.check() says, '' if nothing.
sub chaos_damage
{
	my ($server) = @_;
	my $damage = $server->{node}->safe_psql('postgres', 'SELECT db, block, problem FROM kv.check()');

	diag $damage if $damage ne '';
	return $damage;
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

# A backend is one that calls itself "chaos sql".
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

# Harms the server in the middle of its load; returns after how many seconds the load goes on.
sub chaos_harm
{
	my ($server, $kind) = @_;

	sleep 0.1 + rand 0.7;
	my $began = time;
	$harm{$kind}->($server);
	chaos_goes_on($server, "writes go on after $kind");
	return time - $began;
}

# Calls round(NUMBER, SERVER, KIND) as often as CHAOS_ROUNDS says, or `few` times; every kind of harm in turn but those
# that the test has nobody for, in shuffled order, and the servers too.
sub chaos_rounds
{
	my ($few, $round, @without) = @_;
	my %without = map { $_ => 1 } @without;
	my $rounds = $ENV{CHAOS_ROUNDS} || $few;
	my (@kinds, @names);

	for my $number (1 .. $rounds)
	{
		@kinds = shuffle grep { !$without{$_} } sort keys %harm if !@kinds;
		@names = shuffle sort keys %options if !@names;
		$round->($number, server(shift @names), shift @kinds);
	}
	return $rounds;
}

# Ends servers and loads; returns the sums of what these say they have counted, as a hash.
sub chaos_end
{
	my %sum;

	$standby->stop if $standby;
	for my $server (values %servers)
	{
		my $total = chaos_order($server, 'quit', qr/^total/);
		waitpid $server->{pid}, 0;
		note "$server->{name}: $total";
		$sum{$2} += $1 while $total =~ /(\d+) ([a-z]+)/g;
		$server->{node}->stop;
	}
	return %sum;
}

1;
