# SPDX-License-Identifier: PostgreSQL
#
# 063_dump_under_load.pl: pg_dump, and COPY out, one after the other while clients push and pop all the
# time. Every dump restores into a store that kv.check() accepts, and each key is in it as a whole.
#
# There are no lists at the door yet: a push is a SET of a key with the next number, a pop a DEL of the
# oldest one. Several clients do that, pipelined, and one in transactions of SQL; their queues grow and
# shrink, so that leaves are split, emptied, unlinked and merged under the dumps. Of each ten keys one is
# set again, a hundred pushes after it was pushed. Values have from 64 bytes to 300 kB, and say whose
# they are, which of the two they are, how long they are, and the digest of all of it. One client has
# a short queue of many large values, so that some are popped while a dump reads their parts.
#
# Before and after each dump the clients are asked how far they are, at a moment when nothing of theirs
# is under way. So it is known what must be in the dump (what was there all the time, and as it was
# set last), what may be in it (what was there for a part of the time), and that nothing else is.
#
#   PGFIRST_DUMP=1000000   so many pushes and pops (200,000)
#
# Seen to fail: pgfirst_item_read() in src/store/store.c that returns a record although parts of it are
# gone (values whose digest is wrong, in the dump that is read slowly); walk_items() in src/store/walk.c
# that takes the version that is settled, where another has committed (keys are missing).

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use FindBin;
use IO::Select;
use POSIX ();
use Socket;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant CLIENTS => 4;      # of the door; and one of SQL, and one with large values
use constant LONGEST => 1500;   # a queue
use constant SHORTEST => 50;
use constant LARGE => 0.01;     # values
use constant STAYING => 2000;   # keys that nobody changes
use constant BEHIND => 100;     # pushes, after which a key is set again
use constant RESTORED => 16;    # dumps at most, or the test takes minutes

my $operations = $ENV{PGFIRST_DUMP} || 200_000;
my $node = pgfirst_node('load', workers => 2);
my $dir = $node->basedir;

# ---- values ----------------------------------------------------------------------------------------

# Where values are cut from: bytes of all sorts that nothing compresses.
my $bytes = join '', map { pack('N', ($_ * 2654435761) % 2**32) } 1 .. 100_000;

sub value
{
	my ($key, $version, $large) = @_;
	my $length =
	    rand() < $large ? int 5000 * 60**rand
	  : rand() < 0.8    ? 64 + int rand 200
	  :                   300 + int rand 4000;
	my $value = sprintf('%-20s %d %8d ', $key, $version, $length)
	  . substr($bytes, int rand 90_000, $length - 64);

	return $value . md5_hex($value);
}

# ---- clients ---------------------------------------------------------------------------------------

# The next few pushes and pops of a queue, as [ key, value ], or [ key ] for a pop.
sub next_changes
{
	my ($queue, $count) = @_;
	my @changes;

	while (@changes < $count)
	{
		my $length = $queue->{pushed} - $queue->{popped};
		$queue->{grows} = 1 if $length <= SHORTEST;
		$queue->{grows} = 0 if $length >= $queue->{longest};
		if ($length > 0 && rand() < ($queue->{grows} ? 0.3 : 0.7))
		{
			push @changes, [ "$queue->{name}:" . $queue->{popped}++ ];
			next;
		}
		my $again = $queue->{pushed} - BEHIND;
		push @changes, [ "$queue->{name}:$queue->{pushed}", value("$queue->{name}:$queue->{pushed}", 0, $queue->{large}) ];
		$queue->{pushed}++;
		push @changes, [ "$queue->{name}:$again", value("$queue->{name}:$again", 1, $queue->{large}) ]
		  if $again % 10 == 0 && $again >= $queue->{popped};
	}
	return @changes;
}

sub change_by_door
{
	my ($redis, @changes) = @_;

	$redis->raw(join '', map { PgfirstTest::Redis::encode(@$_ == 2 ? ('SET', @$_) : ('DEL', @$_)) } @changes);
	for my $change (@changes)
	{
		my $reply = $redis->reply // 'null';
		die "$change->[0]: $reply\n" if $reply ne (@$change == 2 ? 'OK' : 1);
	}
}

sub change_by_sql
{
	my ($session, @changes) = @_;
	my $answer = $session->ask(join ';', 'BEGIN',
		(map { @$_ == 2 ? "SELECT kv.set('$_->[0]', '\\x" . unpack('H*', $_->[1]) . "'::bytea)" : "SELECT kv.del('$_->[0]')" } @changes),
		'COMMIT');

	die "SQL: $answer\n" if $answer ne join "\n", ('t') x @changes;
}

# What a process of a client does: it pushes and pops, and in between says how far it is when asked to.
sub client
{
	my ($name, $count, $change, $batch, $parent) = @_;
	my $queue = { name => $name, pushed => 0, popped => 0,
		longest => $name eq 'large' ? 300 : LONGEST, large => $name eq 'large' ? 0.2 : LARGE };
	my $asked = IO::Select->new($parent);
	my $made = 0;

	srand unpack '%32C*', $name;
	while (1)
	{
		if ($asked->can_read($made < $count ? 0 : undef))
		{
			sysread($parent, my $question, 1) or return;
			syswrite $parent, join(' ', $queue->{popped}, $queue->{pushed}, $made, $made < $count ? 0 : 1) . "\n";
		}
		next if $made >= $count;
		my @changes = next_changes($queue, 1 + int rand $batch);
		$change->(@changes);
		$made += @changes;
	}
}

my %clients;

sub start_client
{
	my ($name, $count) = @_;
	my $sql = $name eq 'sql';
	my $batch = $sql ? 20 : $name eq 'large' ? 10 : 100;

	socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
	my $pid = fork // die $!;
	if ($pid == 0)
	{
		close $ours;
		close $_->{socket} for values %clients;
		eval {
			my $door = $sql ? PgfirstStore::Session->new($node) : redis($node, timeout => 120);
			client($name, $count, sub { $sql ? change_by_sql($door, @_) : change_by_door($door, @_) }, $batch, $theirs);
			$door->end if $sql;
		};
		print STDERR "# client $name: $@" if $@;
		POSIX::_exit($@ ? 1 : 0);
	}
	close $theirs;
	$clients{$name} = { pid => $pid, socket => $ours };
}

# How far everybody is: name => [popped, pushed, changes made, whether that is all].
sub state_of_clients
{
	my %state;

	syswrite $clients{$_}{socket}, '?' for keys %clients;
	for my $name (keys %clients)
	{
		my $answer = readline $clients{$name}{socket};
		die "client $name is gone\n" if !defined $answer;
		$state{$name} = [ split ' ', $answer ];
	}
	return \%state;
}

sub made
{
	my ($state) = @_;
	my $made = 0;

	$made += $_->[2] for values %$state;
	return $made;
}

# ---- dumps -----------------------------------------------------------------------------------------

# One of them reads as slowly as a network may: then records of a leaf are popped, and their parts
# collected, between the moment at which the leaf was read and the one at which they are given.
my $slowly = "$dir/slowly.pl";
append_to_file($slowly, <<'PERL');
open(my $to, '>', $ARGV[0]) or die;
while (sysread STDIN, my $bytes, 65536)
{
	syswrite($to, $bytes) == length $bytes or die;
	select undef, undef, undef, 0.03;
}
PERL
my @ways = (
	{ name => 'pg_dump -Fc', dump => [ 'pg_dump', '-Fc', '-Z0', '-f' ] },
	{ name => 'COPY, read slowly', to => "PROGRAM '$^X $slowly %s'", copy => '' },
	{ name => 'pg_dump', dump => [ 'pg_dump', '-Fp', '-f' ] },
	{ name => 'COPY', to => "'%s'", copy => 'WITH (FORMAT binary)' });

sub dump_now
{
	my ($number) = @_;
	my $dump = { %{ $ways[ $number % @ways ] }, file => "$dir/dump.$number", number => $number, before => state_of_clients() };

	my $good = $dump->{dump}
	  ? run_log([ @{ $dump->{dump} }, $dump->{file}, $node->connstr('postgres') ])
	  : $node->psql('postgres', sprintf "COPY kv.database_0 TO $dump->{to} $dump->{copy}", $dump->{file}) == 0;
	$dump->{after} = state_of_clients();
	fail("dump $number, by $dump->{name}"), done_testing(), exit if !$good;
	return $dump;
}

# Puts a dump where nothing is; returns the name of the database.
sub restore
{
	my ($dump) = @_;
	my $target = 'restored';
	my $name = "dump $dump->{number}, by $dump->{name}";

	if ($dump->{dump})
	{
		$target = "restored_$dump->{number}";
		$node->safe_psql('postgres', "CREATE DATABASE $target");
		command_ok($dump->{name} eq 'pg_dump'
			? [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump->{file}, $node->connstr($target) ]
			: [ 'pg_restore', '--exit-on-error', '-d', $node->connstr($target), $dump->{file} ],
			"$name, is restored");
	}
	else
	{
		is($node->psql('restored', "TRUNCATE kv.database_0; COPY kv.database_0 FROM '$dump->{file}' $dump->{copy}"), 0,
			"$name, is read");
	}
	return $target;
}

# ---- what a dump must hold ---------------------------------------------------------------------------

# What is wrong with one key, from a line of the restored database; '' if nothing.
sub key_wrong
{
	my ($dump, $line) = @_;
	my ($key, $head, $length, $sound, $found) = split /\|/, $line;
	my ($whose, $version, $told) = $head =~ /^(\S+) +(\d) +(\d+) $/;
	my ($name, $number) = split /:/, $key;

	return 'a value that is none' if !defined $told;
	return "the value of $whose" if $whose ne $key;
	return "$length bytes of a value of $told" if $length != $told;
	return 'a value whose digest is wrong' if $sound ne 't';
	return 'is not found by kv.get' if $found ne 't';
	return $number < STAYING && $version == 0 ? '' : 'nobody set it' if $name eq 'stay';

	my ($before, $after) = map { $dump->{$_}{$name} } 'before', 'after';
	return 'nobody has it' if !defined $before;
	return 'was popped before the dump began' if $number < $before->[0];
	return 'was pushed after the dump had ended' if $number >= $after->[1];
	return 'was never set again' if $version > 0 && ($number % 10 > 0 || $number + BEHIND >= $after->[1]);
	return 'was set again before' if $version == 0 && $number % 10 == 0 && $number + BEHIND < $before->[1];
	return '';
}

# Everything that is wrong with a restored dump, a line each, some ten of them.
sub wrong
{
	my ($dump, $database) = @_;
	my @wrong;
	my %there;

	# Bytes from the 33rd last on are the digest.
	my @lines = split /\n/, $node->safe_psql($database, q{
		SELECT encode(key, 'escape'), encode(substr(payload, 1, 32), 'escape'), length(payload),
			encode(substr(payload, length(payload) - 31), 'escape') = md5(substr(payload, 1, length(payload) - 32)),
			kv.get(key) = payload AND piece = 1 AND pieces = 1
		FROM kv.database_0});
	for my $line (@lines)
	{
		my ($key) = $line =~ /^([^|]*)/;
		my $problem = $there{$key}++ ? 'is there twice' : key_wrong($dump, $line);
		push @wrong, "$key: $problem" if $problem ne '';
	}
	for my $name ('stay', sort keys %clients)
	{
		my ($from, $to) = $name eq 'stay' ? (0, STAYING) : ($dump->{after}{$name}[0], $dump->{before}{$name}[1]);
		push @wrong, map { "$_ is missing" } grep { !$there{$_} } map { "$name:$_" } $from .. $to - 1;
	}
	$dump->{keys} = @lines;
	$#wrong = 9 if @wrong > 10;
	return join "\n", @wrong;
}

# ---- the test --------------------------------------------------------------------------------------

srand 1;
change_by_door(redis($node), map { [ "stay:$_", value("stay:$_", 0, LARGE) ] } 0 .. STAYING - 1);
start_client("door$_", $operations * 0.9 / CLIENTS) for 1 .. CLIENTS;
start_client('large', $operations * 0.06);
start_client('sql', $operations * 0.04);

my @dumps;
my $began = time;
while (1)
{
	push @dumps, dump_now(scalar @dumps);
	last if @dumps > @ways && !grep { !$_->[3] } values %{ $dumps[-1]{before} };
}
note sprintf('%d pushes and pops in %.0f s, %d dumps', made($dumps[-1]{after}), time - $began, scalar @dumps);
cmp_ok(made($dumps[-1]{after}), '>=', $operations, 'everybody has pushed and popped to the end');
my $during = 0;
$during += made($_->{after}) - made($_->{before}) for @dumps;
cmp_ok($during, '>', $operations / 2, '… most of it while a dump was made');
for my $name (sort keys %clients)
{
	close $clients{$name}{socket};
	waitpid $clients{$name}{pid}, 0;
	is($?, 0, "client $name");
}

# The first and the last, and the others at equal distances.
my $number = @dumps < RESTORED ? @dumps : RESTORED;
my @chosen = map { $dumps[ int($_ * $#dumps / ($number - 1)) ] } 0 .. $number - 1;
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->safe_psql('restored', 'CREATE EXTENSION pgfirst CASCADE; SELECT kv.create_database(0)');
my ($least, $most);
for my $dump (@chosen)
{
	my $database = restore($dump);
	is($node->safe_psql($database, 'SELECT * FROM kv.check()'), '', '… on sound pages');
	is(wrong($dump, $database), '', '… with every key that was there, whole');
	$least = $dump->{keys} if !defined $least || $dump->{keys} < $least;
	$most = $dump->{keys} if !defined $most || $dump->{keys} > $most;
	$node->safe_psql('postgres', "DROP DATABASE $database") if $dump->{dump};
}
note "$number dumps restored, of $least to $most keys";
is($node->safe_psql('postgres', 'SELECT * FROM kv.check()'), '', 'the pages that were dumped are sound');
my $left = STAYING;
$left += $_->[1] - $_->[0] for values %{ $dumps[-1]{after} };
is(redis($node)->call('DBSIZE'), $left, '… and the door counts what is left');

$node->stop;
done_testing();
