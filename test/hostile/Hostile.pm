# SPDX-License-Identifier: PostgreSQL
#
# Hostile.pm: a server with a Redis door for the programs in test/hostile, and what must hold after
# each of them: the same postmaster, the same worker, and a log without a crash.

package Hostile;

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $here = "$FindBin::RealBin/../hostile";

# A started server with the extension, a role and an open door. Its settings as name => value.
sub server
{
	my ($name, %settings) = @_;

	# All clients come from one address, whose own passwords nobody is to slow; see throttle.c.
	$settings{'pgfirst.redis_auth_delay'} //= 0;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $self = bless {
		node => $node,
		port => PostgreSQL::Test::Cluster::get_free_port(),
		tls_port => delete $settings{'pgfirst.redis_tls_port'} }, __PACKAGE__;
	my $tls_port = $self->{tls_port} // 0;

	$node->init;
	$node->append_conf('postgresql.conf',
		join '', map { "$_ = '$settings{$_}'\n" } sort keys %settings);
	$node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = 'pgfirst, pgfirst_store_watch'
pgfirst.redis_port = $self->{port}
pgfirst.redis_tls_port = $tls_port
pgfirst.redis_default_role = 'app'
max_connections = 30
CONF
	$node->start;
	$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pgfirst CASCADE;
CREATE EXTENSION pgfirst_store_test;
CREATE ROLE app LOGIN PASSWORD 'secret';
GRANT USAGE ON SCHEMA kv TO app;
SELECT kv.grant('app', NULL, 'admin');
SQL
	$self->wait_for_door;
	return $self;
}

sub node { return $_[0]->{node}; }

# The databases are made a moment after the extension.
sub wait_for_door
{
	my ($self) = @_;

	$self->{node}->poll_query_until('postgres',
		"SELECT count(*) = 4 FROM kv.database WHERE number < 4") or die 'no databases';
	$self->{node}->poll_query_until('postgres',
		"SELECT count(*) = current_setting('pgfirst.redis_workers')::int FROM pg_stat_activity
		WHERE backend_type LIKE 'pgfirst redis%'") or die 'no worker';
	return;
}

# What must not change: when the server started, and the workers' pids.
sub identity
{
	my ($self) = @_;

	return $self->{node}->safe_psql('postgres', <<'SQL');
SELECT pg_postmaster_start_time(), string_agg(pid::text, ' ' ORDER BY backend_type)
FROM pg_stat_activity WHERE backend_type LIKE 'pgfirst redis%'
SQL
}

# Runs test/hostile/$program.py and passes its tests on.
sub attack
{
	my ($self, $program, @arguments) = @_;
	my $before = $self->identity;
	my ($pid) = $before =~ /\|(\d+)/ or die "no worker: $before";
	my $log_from = -s $self->{node}->logfile;

	local $ENV{PGHOST} = $self->{node}->host;
	local $ENV{PGPORT} = $self->{node}->port;
	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	unshift @arguments, '--tls-port', $self->{tls_port} if $self->{tls_port};
	open my $out, '-|', 'python3', "$here/$program.py", '--port', $self->{port}, '--pid', $pid,
	  @arguments
	  or die "$program.py: $!";
	my $tests = 0;
	while (my $line = <$out>)
	{
		chomp $line;
		if ($line =~ /^(not )?ok - (.*)$/)
		{
			ok(!$1, $2);
			$tests++;
		}
		else
		{
			note($line =~ s/^# //r);
		}
	}
	close $out;
	ok($tests > 0 && $? >> 8 <= 1 && !($? & 127), "$program ran to its end ($tests tests)");

	is($self->identity, $before, "$program: the server and the worker are the same as before");
	my $log = slurp_file($self->{node}->logfile, $log_from);
	unlike($log, qr/PANIC|was terminated by signal|TRAP:|AddressSanitizer|exited with exit code/,
		"$program: nothing in the log speaks of a crash");
	return $log;
}

1;
