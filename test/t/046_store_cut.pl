# SPDX-License-Identifier: PostgreSQL
#
# 046_store_cut.pl: the power goes; whatever anybody was shown before is still there.
#
# A client of one worker writes without waiting for answers, on a disk that takes a tenth of a second to
# flush; clients of another worker read all the time, each another key, so that none waits for what
# another depends on. Then everything is killed, and the WAL that had not been flushed by then is wiped
# out, as a power cut would. What the readers were shown, and what the writer was answered, must have
# come back.
#
# Seen to fail: pgfirst_position_raise() that does nothing (what has no transaction id is shown before
# it is durable); pgfirst_position_announce() that does nothing (the same for what has one).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $speed = PostgreSQL::Test::Utils::tempdir . '/disk';
disk(0);
my $node = watched_node('cut', workers => 2, preload => [ shim('slow_sync') ],
	env => { PGFIRST_SLOW_SYNC_FILE => $speed }, conf => <<CONF);
checkpoint_timeout = 1h
bgwriter_lru_maxpages = 0
CONF

sub disk
{
	my ($milliseconds) = @_;

	unlink "$speed.new";
	append_to_file("$speed.new", $milliseconds * 1000);
	rename "$speed.new", $speed or die $!;
}

# A client of one worker, and COUNT of the other.
sub clients_of_both_workers
{
	my ($count) = @_;
	my %by_worker;

	wait_until('clients of both workers', sub {
		my $redis = redis($node);
		my ($pid) = $redis->call('INFO', 'server') =~ /^process_id:(\d+)/m;
		push @{ $by_worker{$pid} }, $redis;
		return keys %by_worker == 2 && !grep { @$_ < $count } values %by_worker;
	});
	my ($ours, $theirs) = values %by_worker;
	return ($ours->[0], @$theirs[ 0 .. $count - 1 ]);
}

# Wipes out the WAL from a position on.
sub wipe
{
	my ($position) = @_;
	my ($high, $low) = map { hex } split m{/}, $position;
	my $size = 16 * 1024 * 1024;
	my $segment = ($high << 32 | $low) / $size;
	my $wiped = 0;

	for my $path (glob $node->data_dir . '/pg_wal/' . '[0-9A-F]' x 24)
	{
		my ($log, $part) = $path =~ /[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})$/;
		my $number = hex($log) * 256 + hex($part);
		next if $number < int $segment;
		my $from = $number == int $segment ? $low % $size : 0;
		open(my $file, '+<:raw', $path) or die $!;
		seek($file, $from, 0);
		local $/;
		my $rest = <$file>;
		$wiped += ($rest =~ tr/\0//c);
		seek($file, $from, 0);
		print $file "\0" x length $rest;
		close($file) or die $!;
	}
	return $wiped;
}

# What each round does with number N, and how the number is read again.
my %kinds = (
	'one key' => sub { [ 'SET', 'one', $_[0] ] },
	'two keys at once' => sub { [ 'MSET', 'left', $_[0], 'right', $_[0] ] },
	'a key in parts' => sub { [ 'SET', 'parts', "$_[0]:" . 'x' x 5000 ] },
	'a long key' => sub { [ 'SET', 'long', "$_[0]:" . 'x' x 60_000 ] },
	'a counter' => sub { [ 'INCR', 'counter' ] },
	'a deletion' => sub { $_[0] % 2 ? [ 'DEL', 'gone' ] : [ 'SET', 'gone', $_[0] ] });
my @names = qw(one left right parts long counter sql);

sub number_of { return ($_[0] // '') =~ /^(\d+)/ ? $1 : 0; }

my ($wiped, $shown_count, $number) = (0, 0, 0);
for my $round (1 .. 6)
{
	my ($writer, @readers) = clients_of_both_workers(scalar @names);
	my $observer = PgfirstStore::Session->new($node);
	my $sql = PgfirstStore::Session->new($node);
	$sql->ask('SET synchronous_commit = off');
	$writer->call('SET', 'fence', $round);
	disk(100);

	my $end = time + 0.4 + $round * 0.03;
	my %shown = map { ($_, 0) } @names;
	my $answered = 0;
	my @sent;
	$readers[$_]->send('GET', $names[$_]) for 0 .. $#names;
	while (time < $end)
	{
		$number++;
		my $command = $kinds{ (sort keys %kinds)[ $number % keys %kinds ] }->($number);
		push @sent, $command;
		$writer->send(@$command);
		$sql->ask("SELECT kv.set('sql', '$number'::text)") if $number % 10 == 0;
		for my $i (0 .. $#names)
		{
			my ($what, $reply) = $readers[$i]->outcome(0);
			next if $what ne 'reply';
			$shown{ $names[$i] } = number_of($reply);
			$shown_count++;
			$readers[$i]->send('GET', $names[$i]);
		}
		while (1)
		{
			my ($what, $answer) = $writer->outcome(0.001);
			last if $what ne 'reply';
			die "$answer\n" if $answer =~ /^-/;
			$answered++;
		}
	}
	my $flushed = $observer->ask('SELECT pg_current_wal_flush_lsn()');
	crash($node);
	$_->end for $observer, $sql;
	$wiped += wipe($flushed);

	disk(0);
	pgfirst_environment($node, sub { $node->start; });
	wait_for_door($node);
	my $redis = redis($node);
	my %found = map { ($_, number_of($redis->call('GET', $_))) } @names;
	is(join(' ', map { "$_ $shown{$_}, now $found{$_}" } grep { $found{$_} < $shown{$_} } @names), '',
		"round $round: what was shown is there, or newer");
	is($found{left}, $found{right}, '… and a pair is a pair');

	# What was answered, in the order in which it was sent: the last of each key or newer.
	my %acknowledged;
	for my $command (@sent[ 0 .. $answered - 1 ])
	{
		my ($n) = ($command->[2] // 0) =~ /^(\d+)/;
		$acknowledged{ $command->[1] } = $n if $command->[0] =~ /SET/ && $command->[1] ne 'gone';
	}
	is(join(' ', grep { $found{$_} < $acknowledged{$_} } sort keys %acknowledged), '',
		"… and what was acknowledged ($answered of " . @sent . ')');
	is(store_check($node), '', '… in a store that is sound');
	# The next round's numbers begin above whatever is there.
	$redis->call('SET', 'counter', $number += 10);
}
cmp_ok($shown_count, '>', 50, 'somebody was shown something');
cmp_ok($wiped, '>', 10_000, '… while much was not durable yet');

$node->stop;
done_testing();
