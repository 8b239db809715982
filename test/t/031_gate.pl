# SPDX-License-Identifier: PostgreSQL
#
# 031_gate.pl: a reply leaves when everything that it tells is durable, and not a moment later.
#
# The server runs on a disk that is as slow as a file says (test/shim/slow_sync.c). With two workers:
# what one has written and not flushed, the other must not show either.
#
# Seen to fail: all_is_durable() that always says yes (every sort of read is shown before it is durable).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $speed = PostgreSQL::Test::Utils::tempdir . '/disk';
disk(0);
my $node = pgfirst_node('gate', workers => 2,
	# Nothing but the door shall wait for the disk or wake anybody.
	conf => "autovacuum = off\ncheckpoint_timeout = 1h\nbgwriter_lru_maxpages = 0",
	preload => [ shim('slow_sync') ], env => { PGFIRST_SLOW_SYNC_FILE => $speed });

sub disk
{
	my ($milliseconds) = @_;

	unlink "$speed.new";
	append_to_file("$speed.new", $milliseconds * 1000);
	rename "$speed.new", $speed or die $!;
}

# Two clients of different workers.
my %by_worker;
wait_until('clients of both workers', sub {
	my $redis = redis($node);
	my ($pid) = $redis->call('INFO', 'server') =~ /^process_id:(\d+)/m;
	push @{ $by_worker{$pid} }, $redis;
	return keys %by_worker == 2 && !grep { @$_ < 2 } values %by_worker;
});
my ($ours, $theirs) = values %by_worker;
my ($writer, $near, $far) = ($ours->[0], $ours->[1], $theirs->[0]);

# ---- one unflushed write, and who must wait for it ---------------------------------------------

use constant SLOW => 0.8;    # seconds that the disk takes in this part

# Does WRITE on a slow disk, then asks each reader; returns for each the seconds from the write to
# the answer, and the answers, as long as the write's own reply is outstanding.
sub race
{
	my ($write, @asked) = @_;
	my @answers;

	# Everything before is durable: an answer to a write says so.
	disk(0);
	$writer->call('SET', 'fence', time);
	disk(SLOW * 1000);
	my $begin = time;
	$writer->send(@$write);
	# The write has happened when the slow flush has begun; nothing tells a client so. A fifth of the
	# disk's time is plenty, and if it were not, the readers' answers would be wrong below.
	sleep SLOW / 5;
	$_->[0]->send(@{ $_->[1] }) for @asked;
	for my $question (@asked)
	{
		my $answer = $question->[0]->reply;
		push @answers, { after => time - $begin, answer => $answer };
	}
	my ($what) = $writer->outcome(0);
	push @answers, { pending => $what eq 'silent' };
	$writer->reply if $what eq 'silent';
	push @answers, { after => time - $begin };
	disk(0);
	return @answers;
}

$writer->call('MSET', 'old', 'o', 'gone', 'g', 'changed', 'before');
for my $reader ([ 'its own worker', $near ], [ 'another worker', $far ])
{
	my ($who, $redis) = @$reader;
	my @was = race([ 'SET', 'new', 'n' ], [ $redis, [ 'GET', 'old' ] ]);
	is($was[0]{answer}, 'o', "through $who: an old key is read");
	cmp_ok($was[0]{after}, '<', SLOW * 0.8, "… while the disk is busy");
	ok($was[1]{pending}, '… and the write is not acknowledged yet');
	cmp_ok($was[2]{after}, '>=', SLOW, '… but when the disk is done');

	for my $case (
		[ 'a new key', [ 'SET', 'new', time ], [ 'GET', 'new' ], qr/^\d/ ],
		[ 'a changed key', [ 'SET', 'changed', 'after' ], [ 'GET', 'changed' ], qr/^after$/ ],
		[ 'the absence of a deleted key', [ 'DEL', 'gone' ], [ 'EXISTS', 'gone' ], qr/^0$/ ],
		[ 'an expiry', [ 'PEXPIRE', 'changed', 1000000 ], [ 'PTTL', 'changed' ], qr/^9\d{5}$/ ],
		[ 'one of many keys', [ 'SET', 'many', 'm' ], [ 'MGET', 'old', 'many' ], undef ],
		[ 'all keys', [ 'SET', "all$who", 'a' ], [ 'SCAN', 0, 'COUNT', 1000 ], undef ],
		[ 'a failed condition', [ 'SET', "nx$who", 'a' ], [ 'SET', "nx$who", 'b', 'NX' ], qr/^$/ ])
	{
		my ($name, $write, $read, $answer) = @$case;
		my @seen = race($write, [ $redis, $read ]);

		cmp_ok($seen[0]{after}, '>=', SLOW, "through $who: $name is shown only when durable");
		like($seen[0]{answer} // '', $answer, '… and right') if $answer;
		$writer->call('SET', 'gone', 'g');
	}
}

# The same for what SQL has committed and not flushed: such a session asks for no durability itself,
# but a client of a durable database is promised it.
{
	my $psql = $node->background_psql('postgres', timeout => 60);
	$psql->query_safe("SET synchronous_commit = off");
	disk(0);
	$writer->call('SET', 'fence', 2);
	disk(SLOW * 1000);
	my $begin = time;
	$psql->query_safe("SELECT kv.set('sql', 'value')");
	is($far->call('GET', 'old'), 'o', 'an old key is read while what SQL has committed is not durable');
	cmp_ok(time - $begin, '<', SLOW * 0.8, '… without waiting');
	is($far->call('GET', 'sql'), 'value', "what SQL has set is read");
	cmp_ok(time - $begin, '>=', SLOW, '… only when durable');
	disk(0);
	$psql->quit;
}

# A pipeline: replies leave in order, and those before the write need not wait for it.
{
	disk(0);
	$near->call('SET', 'fence', 3);
	disk(SLOW * 1000);
	my $begin = time;
	$near->send(@$_) for [ 'GET', 'old' ], [ 'SET', 'piped', 1 ], [ 'GET', 'old' ];
	is($near->reply, 'o', 'in a pipeline, the read before a write');
	cmp_ok(time - $begin, '<', SLOW * 0.8, '… is answered at once');
	is($near->reply, 'OK', '… the write');
	cmp_ok(time - $begin, '>=', SLOW, '… when durable');
	is($near->reply, 'o', '… and the read behind it after it');
	disk(0);
}

# ---- a full load of durable writes --------------------------------------------------------------

# GETs of a key that nobody writes, one after the other, for so many seconds, while fifty clients write.
sub gets_under_load
{
	my ($milliseconds, $seconds) = @_;

	disk($milliseconds);
	my $load = fork // die $!;
	if ($load == 0)
	{
		open(STDOUT, '>', '/dev/null');
		open(STDERR, '>', '/dev/null');
		exec 'redis-benchmark', '-p', redis_port($node), '-a', 'secret', '-t', 'set', '-c', '50',
		  '-d', '100', '-r', '100000', '-n', '100000000', '-q';
	}
	my $idle = commands();
	wait_until('the load runs', sub { return commands() > $idle + 500; });
	my ($begin, $first) = (time, commands());
	my @seconds;
	while (time < $begin + $seconds)
	{
		my $sent = time;
		$near->call('GET', 'old');
		push @seconds, time - $sent;
	}
	my $writes = (commands() - $first - @seconds) / (time - $begin);
	kill 'TERM', $load;
	waitpid $load, 0;
	disk(0);
	note sprintf('disk of %d ms: GET p50 %.3f ms, p99 %.3f ms under %d writes a second',
		$milliseconds, 1000 * median(@seconds), 1000 * percentile(0.99, @seconds), $writes);
	return { p50 => median(@seconds), writes => $writes };
}

sub commands
{
	return $near->call('INFO', 'stats') =~ /^total_commands_processed:(\d+)/m ? $1 : die;
}

SKIP:
{
	skip 'redis-benchmark is not here', 4 if system('redis-benchmark --version >/dev/null 2>&1') != 0;

	# The figure of one millisecond is a benchmark's. Here the disk is so slow that even a busy machine
	# cannot hide whether a read waited for it: the flush under way takes half its time on the average.
	gets_under_load(1, 2);
	for my $milliseconds (20, 200)
	{
		my $slow = gets_under_load($milliseconds, 2);
		cmp_ok($slow->{p50} * 1000, '<', $milliseconds / 3,
			"on a disk of $milliseconds ms reads do not wait for the writes of others");
		cmp_ok($slow->{writes}, '>', 5000 / $milliseconds, '… of which there were many');
	}
}

$node->stop;
done_testing();
