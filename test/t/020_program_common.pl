# SPDX-License-Identifier: PostgreSQL
#
# What the tests of the program share: running it, a place for its clusters, and cleaning up.
#
# They run as root and as an ordinary user.  PGFIRST_PROGRAM names the program (else build/pgfirst),
# PG_CONFIG the PostgreSQL that pgfirst is installed in.
use strict;
use warnings;

unless (caller)
{
	print "1..0 # SKIP this file is what the other tests of the program share\n";
	exit 0;
}

use Cwd qw(abs_path getcwd);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

our $root = $> == 0;
our $top = abs_path(dirname(__FILE__) . '/../..');
our $program = abs_path($ENV{PGFIRST_PROGRAM} || "$top/build/pgfirst");
our $bindir = `@{[ $ENV{PG_CONFIG} || 'pg_config' ]} --bindir`;
chomp $bindir;
$ENV{PGFIRST_PG_BINDIR} = $bindir;
delete $ENV{PGFIRST_DIR};

# As root the clusters belong to another user, who has to get to them.
our $place = tempdir('pgfirst-test-XXXXXX', DIR => '/tmp', CLEANUP => 0);
chmod 0755, $place;
my $owner_of_place = $$;
my @to_kill;

sub background_kill_later
{
	push @to_kill, @_;
}

END
{
	if ($$ == $owner_of_place)
	{
		my $code = $?;
		kill 'KILL', @to_kill if @to_kill;
		for my $dir (glob "$place/*")
		{
			next unless -d $dir;
			system($program, 'destroy', '--yes', '--dir', $dir) if -e "$dir/PGFIRST_CLUSTER";
		}
		chdir '/';
		system('rm', '-rf', $place);
		$? = $code;
	}
}

sub slurp
{
	my ($path) = @_;
	open my $file, '<', $path or return '';
	local $/;
	my $text = <$file>;
	return $text // '';
}

sub spew
{
	my ($path, $text) = @_;
	open my $file, '>', $path or die "$path: $!";
	print $file $text;
	close $file;
}

# Starts a program in the background; ->(code, stdout, stderr) when asked with finish().
my $runs = 0;

sub start
{
	my (@command) = @_;
	my $number = $runs++;
	my $run = { out => "$place/.out$number", err => "$place/.err$number" };
	my $pid = fork();
	die "fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', $run->{out} or POSIX::_exit(99);
		open STDERR, '>', $run->{err} or POSIX::_exit(99);
		exec @command or POSIX::_exit(98);
	}
	$run->{pid} = $pid;
	return $run;
}

sub finish
{
	my ($run) = @_;
	waitpid $run->{pid}, 0;
	my $status = $?;
	my $code = $status & 127 ? 128 + ($status & 127) : $status >> 8;
	return ($code, slurp($run->{out}), slurp($run->{err}));
}

sub run_command
{
	return finish(start(@_));
}

sub pgfirst
{
	return run_command($program, @_);
}

# Waits for a condition, with a limit.
sub wait_until
{
	my ($condition, $seconds) = @_;
	my $deadline = time + ($seconds || 30);
	until ($condition->())
	{
		return 0 if time > $deadline;
		sleep 0.01;
	}
	return 1;
}

sub listen_on
{
	my ($port, $address) = @_;
	return IO::Socket::INET->new(
		LocalAddr => $address || '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1);
}

sub port_is_free
{
	return listen_on(@_) ? 1 : 0;
}

my $next_port = 21000 + ($$ * 7) % 1700;

sub free_port
{
	while (1)
	{
		$next_port = 21000 if ++$next_port > 22999;
		return $next_port if port_is_free($next_port);
	}
}

# A port that somebody else listens on, until the returned socket goes.
sub taken_port
{
	my $port = free_port();
	my $socket = listen_on($port) or die $!;
	return ($port, $socket);
}

sub ports
{
	return ('--pg-port', free_port(), '--redis-port', free_port(), '--memory', '256MB');
}

sub postmaster_pid
{
	my ($dir) = @_;
	my $text = slurp("$dir/data/postmaster.pid") or return 0;
	my ($pid) = $text =~ /^(\d+)/;
	return $pid && kill(0, $pid) ? $pid : 0;
}

# Who a cluster made by this test runs as.
sub cluster_user
{
	return $root ? 'postgres' : scalar getpwuid($>);
}

# A command as the cluster's user.
sub as_cluster_user
{
	my (@command) = @_;
	return @command unless $root;
	return ('setpriv', '--reuid', 'postgres', '--regid', 'postgres', '--init-groups', @command);
}

# The process that does the work: behind root's guard, its child. Who is not root has no guard, and a child of
# such a process is what it is about to become, initdb say, not yet under its own name.
sub worker_pid
{
	my ($pid) = @_;
	return $pid unless $root;
	my $children = slurp("/proc/$pid/task/$pid/children") || '';
	for my $child (split ' ', $children)
	{
		my $exe = readlink("/proc/$child/exe") || '';
		return $child if $exe eq $program;
	}
	return $pid;
}

sub processes_in
{
	my ($dir) = @_;
	return grep { (readlink("/proc/$_/cwd") || '') =~ /^\Q$dir\E(?:\/|$)/ }
		map { m{/proc/(\d+)$} ? $1 : () } glob '/proc/[0-9]*';
}

1;
