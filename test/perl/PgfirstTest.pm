# SPDX-License-Identifier: PostgreSQL
#
# PgfirstTest: what tests of the running server share. A test begins with
#
#   use FindBin;
#   use lib "$FindBin::RealBin/../perl";
#   use PgfirstTest;
#
#   my $node = pgfirst_node('primary', workers => 2, conf => "pgfirst.redis_lock_timeout = '1s'");
#   my $redis = redis($node);
#   is($redis->call('SET', 'k', 'v'), 'OK');
#
# and runs through test/run. Servers listen on free ports of the loopback interface and on a Unix
# socket in a directory of PostgreSQL::Test::Cluster's, and are stopped when the test ends. The
# environment may name where to look for free ports: PGFIRST_TEST_FIRST_PORT.
#
# The client is plain sockets and no library: a test must not share a mistake with one.
package PgfirstTest;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(pgfirst_node pgfirst_install pgfirst_environment redis redis_in_worker redis_port redis_socket
  wait_until wait_for_door standby_of wait_for_standby worker_pid stop_at_rest processes crash shim median percentile log_count ticks);

$PostgreSQL::Test::Cluster::last_port_assigned = $ENV{PGFIRST_TEST_FIRST_PORT} - 1
  if $ENV{PGFIRST_TEST_FIRST_PORT};

my $root = "$FindBin::RealBin/../..";

# ---- servers ---------------------------------------------------------------------------------

=pod

pgfirst_node(NAME, option => value, ...) makes and starts a server whose Redis door answers.

  workers    how many processes serve the door (1)
  conf       more lines of postgresql.conf, which win
  extension  create the extension, and the role app with the password secret, which may all (1)
  streaming  allow standbys (0)
  start      0: only make it
  preload    libraries for LD_PRELOAD, an array; see shim()
  env        environment of the server, a hash
  database   pgfirst.redis_database (postgres)
  initdb     more options of initdb, an array

Unlike PostgreSQL::Test::Cluster's servers it does sync and does restart after a crash.

=cut

sub pgfirst_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $port = PostgreSQL::Test::Cluster::get_free_port();

	$node->init(allows_streaming => $options{streaming} // 0,
		extra => [ '--data-checksums', @{ $options{initdb} // [] } ]);
	$node->append_conf('postgresql.conf', settings($node, $port, %options));
	$node->{pgfirst_environment} =
	  { %{ $options{env} // {} }, LD_PRELOAD => join(':', @{ $options{preload} // [] }) };
	return $node if !($options{start} // 1);
	pgfirst_environment($node, sub { $node->start; });
	if ($options{extension} // 1)
	{
		pgfirst_install($node, $options{database});
		wait_for_door($node);
	}
	return $node;
}

# Also for a standby, which has copied its primary's settings and needs ports of its own.
sub settings
{
	my ($node, $port, %options) = @_;
	my $workers = $options{workers} // 1;
	my $database = $options{database} // 'postgres';

	$node->{pgfirst_port} = $port;
	$node->{pgfirst_socket} = $node->host . "/redis-$port.sock";
	# What a standby has not fetched yet outlives the checkpoint that ends a recovery.
	my $keep = $options{streaming} ? "wal_keep_size = 1GB\n" : '';
	return <<CONF . $keep . ($options{conf} // '') . "\n";
shared_preload_libraries = 'pgfirst'
fsync = on
restart_after_crash = on
log_statement = none
log_min_messages = warning
pgfirst.redis_port = $port
pgfirst.redis_unix_socket = '$node->{pgfirst_socket}'
pgfirst.redis_workers = $workers
pgfirst.redis_database = '$database'
pgfirst.redis_default_role = 'app'
CONF
}

# Calls what starts a server, in the environment that the server was made for.
sub pgfirst_environment
{
	my ($node, $starts) = @_;
	local %ENV = (%ENV, %{ $node->{pgfirst_environment} // {} });

	delete $ENV{LD_PRELOAD} if ($ENV{LD_PRELOAD} // '') eq '';
	$starts->();
}

sub pgfirst_install
{
	my ($node, $database) = @_;

	$node->safe_psql($database // 'postgres', <<'SQL');
CREATE EXTENSION pgfirst CASCADE;
CREATE ROLE app LOGIN PASSWORD 'secret';
GRANT USAGE ON SCHEMA kv, cache TO app;
SELECT kv.grant('app', NULL, 'admin');
SQL
}

sub redis_port { return $_[0]->{pgfirst_port}; }
sub redis_socket { return $_[0]->{pgfirst_socket}; }

# Waits until the door answers a client that has logged in: PONG, and not -LOADING to a read.
sub wait_for_door
{
	my ($node, $limit) = @_;

	wait_until("the door of " . $node->name . " answers", sub {
		my $redis = eval { redis($node, timeout => 5) } or return 0;
		my $size = eval { $redis->call('DBSIZE') } // '-';
		return $size =~ /^\d+$/;
	}, $limit);
}

# A streaming standby of the server, whose door answers; options as those of pgfirst_node.
sub standby_of
{
	my ($primary, %options) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($primary->name . '_standby');

	$primary->backup('base');
	$standby->init_from_backup($primary, 'base', has_streaming => 1);
	$standby->append_conf('postgresql.conf',
		settings($standby, PostgreSQL::Test::Cluster::get_free_port(), %options));
	$standby->start;
	wait_for_door($standby);
	return $standby;
}

# Waits until the standby has replayed all that its primary has inserted, also what nobody has flushed yet:
# relaxed changes, and what is evicted.
sub wait_for_standby
{
	my ($primary, $standby) = @_;

	return $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
}

# The process that pg_stat_activity calls TYPE ("pgfirst redis 1", "pgfirst flush"); undef if none, or if
# the server does not answer just now: a psql that is refused may end before it was told what to ask,
# for which IPC::Run dies.
sub worker_pid
{
	my ($node, $type) = @_;
	my ($code, $out) = eval { $node->psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = '" . ($type // 'pgfirst redis 1') . "'"); };

	return defined $out && $out =~ /^(\d+)$/ ? $1 : undef;
}

# Stops one of the server's processes, until it is sent CONT or the test ends, where it waits for something to do:
# anywhere else it may hold a lock that all others wait for.
my %stopped;
END { my $code = $?; kill 'CONT', keys %stopped; $? = $code; }
sub stop_at_rest
{
	my ($node, $pid) = @_;
	my $rests = sub {
		my ($code, $out) = $node->psql('postgres',
			"SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND wait_event_type IN ('Activity', 'Extension')",
			timeout => 10, timed_out => \my $late);
		return !$late && $code == 0 && $out eq '1';
	};

	wait_until("process $pid is at rest", sub {
		return 0 if !$rests->();
		kill 'STOP', $pid;
		$stopped{$pid} = 1;
		return 1 if $rests->();
		kill 'CONT', $pid;
		return 0;
	});
}

# The postmaster of this server and its children.
sub processes
{
	my ($node) = @_;
	my $postmaster = (split /\n/, PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my @all = ($postmaster);

	for my $stat (glob '/proc/[0-9]*/stat')
	{
		open(my $file, '<', $stat) or next;
		my $line = <$file> // '';
		push @all, $1 if $line =~ /^(\d+) .*\) \S $postmaster /;
	}
	return @all;
}

# Kills the postmaster with kill -9, and unless told otherwise everything that it has started at the
# same moment, so that nobody can tidy up; waits until all are gone. Only this server's processes.
sub crash
{
	my ($node, %options) = @_;
	my @all = processes($node);

	# Stopped first, or the postmaster would see its children die; killed last, or they would see it.
	kill 'STOP', $all[0];
	@all = processes($node);
	kill 'KILL', $options{postmaster_only} ? $all[0] : reverse @all;
	wait_until('all processes are gone', sub { !grep { kill 0, $_ } @all; });
	$node->{_pid} = undef;
}

# How often PATTERN stands in the server's log from byte OFFSET on.
sub log_count
{
	my ($node, $pattern, $offset) = @_;
	my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset // 0);

	return scalar(() = $log =~ /$pattern/g);
}

# The library build/shim/NAME.so, built if it is not there yet.
sub shim
{
	my ($name) = @_;

	system('make', '-s', '-C', $root, "build/shim/$name.so") == 0
	  or die "cannot build the shim $name\n";
	my $path = `realpath "$root/build/shim/$name.so"`;
	chomp $path;
	return $path;
}

# ---- waiting and measuring -------------------------------------------------------------------

# Returns what CONDITION returned when it was true; dies when it was not within LIMIT seconds.
sub wait_until
{
	my ($what, $condition, $limit) = @_;
	my $end = time + ($limit // 60);

	while (1)
	{
		my $result = $condition->();
		return $result if $result;
		die "$what: not within " . ($limit // 60) . " s\n" if time > $end;
		sleep 0.02;
	}
}

sub percentile
{
	my ($part, @values) = @_;
	my @sorted = sort { $a <=> $b } @values;

	return $sorted[ int($part * $#sorted + 0.5) ];
}

sub median { return percentile(0.5, @_); }

# What a process has used of processors, in hundredths of a second.
sub ticks
{
	my ($pid) = @_;
	my @fields = split ' ', PostgreSQL::Test::Utils::slurp_file("/proc/$pid/stat") =~ s/.*\) //r;

	return $fields[11] + $fields[12];
}

# ---- the client ------------------------------------------------------------------------------

# A client that has logged in; options as for PgfirstTest::Redis->new.
sub redis
{
	my ($node, %options) = @_;

	return PgfirstTest::Redis->new(port => $node->{pgfirst_port}, password => 'secret', %options);
}

# One of worker 0, 1, …, which are numbered in the order in which they were met; the kernel chooses who serves whom.
sub redis_in_worker
{
	my ($node, $worker, %options) = @_;
	my $known = $node->{pgfirst_workers} //= [];
	my $spare = $node->{pgfirst_spare}{ join ' ', %options } //= {};

	for (1 .. 200)
	{
		return shift @{ $spare->{$worker} } if @{ $spare->{$worker} // [] };
		my $client = redis($node, %options);
		my ($pid) = $client->call('INFO', 'server') =~ /^process_id:(\d+)/m;
		push @$known, $pid if !grep { $_ eq $pid } @$known;
		my ($at) = grep { $known->[$_] eq $pid } 0 .. $#$known;
		push @{ $spare->{$at} }, $client;
	}
	die "no client in worker $worker\n";
}

package PgfirstTest::Redis;

use strict;
use warnings;

use Errno;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(IPPROTO_TCP TCP_NODELAY AF_UNIX SOCK_STREAM PF_UNSPEC);
use Time::HiRes qw(time);

=pod

PgfirstTest::Redis->new(port => N or path => SOCKET, option => value, ...)

  user, password  to log in with; no password: does not
  tls             arguments of openssl s_client, an array: it does the encryption, and says in
                  the file tls_log why it could not
  from            the address that it comes from ("127.0.0.2")
  timeout         seconds that call() and reply() wait (30)

A reply is a string or number, undef for null, an array reference for lists (maps and sets
flattened); an error is its line with the leading "-".

=cut

sub new
{
	my ($class, %options) = @_;
	my $socket =
	  $options{tls} ? encrypted(%options)
	  : $options{path}
	  ? IO::Socket::UNIX->new(Peer => $options{path})
	  : IO::Socket::INET->new(PeerAddr => $options{host} // '127.0.0.1', PeerPort => $options{port},
		$options{from} ? (LocalAddr => $options{from}) : ());

	die "cannot connect: $!\n" if !$socket;
	setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1) if !$options{path} && !$options{tls};
	my $self = bless {
		socket => $socket, select => IO::Select->new($socket), input => '', closed => 0,
		timeout => $options{timeout} // 30 }, $class;
	if (defined $options{password})
	{
		my $answer = $self->call('AUTH', $options{user} // (), $options{password});
		die "AUTH was answered $answer\n" if $answer ne 'OK';
	}
	return $self;
}

# One end of a pair of sockets; at the other is openssl, which ends when ours is closed.
sub encrypted
{
	my (%options) = @_;

	socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or return undef;
	my $child = fork // return undef;
	if ($child == 0)
	{
		open(STDIN, '<&', $theirs) or die $!;
		open(STDOUT, '>&', $theirs) or die $!;
		open(STDERR, '>', $options{tls_log} // '/dev/null') or die $!;
		CORE::close($ours);
		exec 'openssl', 's_client', '-quiet', '-connect',
		  ($options{host} // '127.0.0.1') . ":$options{port}", @{ $options{tls} };
		die "openssl: $!";
	}
	CORE::close($theirs);
	return bless $ours, 'IO::Handle';
}

sub encode
{
	my (@words) = @_;
	my $bytes = '*' . scalar(@words) . "\r\n";

	$bytes .= '$' . length($_) . "\r\n$_\r\n" for @words;
	return $bytes;
}

# Sends commands' words, or with raw() any bytes, and does not wait for an answer.
sub send { my ($self, @words) = @_; return $self->raw(encode(@words)); }

sub raw
{
	my ($self, $bytes) = @_;
	my $at = 0;
	local $SIG{PIPE} = 'IGNORE';

	while ($at < length $bytes)
	{
		my $put = syswrite($self->{socket}, $bytes, length($bytes) - $at, $at);
		return 0 if !defined $put && !$!{EINTR};
		$at += $put // 0;
	}
	return 1;
}

# What became of the next reply: ('reply', it), ('closed') or, after so many seconds, ('silent').
sub outcome
{
	my ($self, $seconds) = @_;
	my $end = time + $seconds;

	while (1)
	{
		my $at = 0;
		my $reply = eval { $self->parse(\$at) };
		if ($@ eq '')
		{
			substr($self->{input}, 0, $at, '');
			return ('reply', $reply);
		}
		die $@ if $@ ne "more\n";
		return ('closed') if $self->{closed};
		# A child that ends interrupts the wait: PostgreSQL's test library has handled SIGCHLD since 16.
		my $left = $end - time;
		if (!$self->{select}->can_read($left > 0 ? $left : 0))
		{
			return ('silent') if time >= $end;
			next;
		}
		my $got = sysread($self->{socket}, $self->{input}, 1 << 20, length $self->{input});
		$self->{closed} = 1 if !$got && !(!defined $got && $!{EINTR});
	}
}

sub reply
{
	my ($self, $seconds) = @_;
	my ($what, $reply) = $self->outcome($seconds // $self->{timeout});

	return $reply if $what eq 'reply';
	die $what eq 'closed' ? "the server closed the connection\n" : "no reply in time\n";
}

sub call { my ($self, @words) = @_; $self->send(@words); return $self->reply; }

sub close { my ($self) = @_; CORE::close($self->{socket}); $self->{closed} = 1; }

sub line
{
	my ($self, $at) = @_;
	my $end = index($self->{input}, "\r\n", $$at);

	die "more\n" if $end < 0;
	my $line = substr($self->{input}, $$at, $end - $$at);
	$$at = $end + 2;
	return $line;
}

sub parse
{
	my ($self, $at) = @_;
	my $line = $self->line($at);
	my ($kind, $rest) = (substr($line, 0, 1), substr($line, 1));

	return $rest if $kind =~ /[+:,(]/;
	return $line if $kind eq '-';
	return undef if $kind eq '_' || ($kind =~ /[\$*]/ && $rest == -1);
	return $rest eq 't' ? 1 : 0 if $kind eq '#';
	if ($kind =~ /[\$=!]/)
	{
		die "more\n" if length($self->{input}) < $$at + $rest + 2;
		my $value = substr($self->{input}, $$at, $rest);
		$$at += $rest + 2;
		return $value;
	}
	die "a reply that is none: $line\n" if $kind !~ /[*%~>]/;
	my $count = $kind eq '%' ? 2 * $rest : $rest;
	return [ map { $self->parse($at) } 1 .. $count ];
}

1;
