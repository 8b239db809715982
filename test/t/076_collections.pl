# SPDX-License-Identifier: PostgreSQL
#
# 076_collections.pl: large collections: what a reader is shown of one that others change, on the primary and on a
# standby; what is left of those that have gone; and that they do not grow under an old snapshot.
#
# Seen to fail: readings that take no notice of the revision, and revisions that do not count (what changes together is
# shown apart); a reading whose collection goes between two slices, and whose reply then has two ends; RENAME without
# an anchor for the new key (what lives is swept); a sweep that ends when nothing more is counted as dropped (something
# is left for ever); sweep_is_due() that does not ask for what is counted as dropped (a sweep that rests does not come).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = pgfirst_node('collections', streaming => 1, workers => 2, conf => "autovacuum = off");
my $redis = redis($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# ---- as of one moment ----------------------------------------------------------------------------

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', PgfirstTest::settings($standby, PostgreSQL::Test::Cluster::get_free_port()));
$standby->start;
wait_for_door($standby);

# One script is one unit: every field, member and element is of one generation.
my $change = <<'LUA';
	local generation = ARGV[1]
	redis.call('DEL', KEYS[2], KEYS[4])
	for at = 0, 19999, 500 do
		local fields, scores, elements = {}, {}, {}
		for i = at, at + 499 do
			fields[#fields + 1] = 'f' .. i
			fields[#fields + 1] = generation
			scores[#scores + 1] = generation
			scores[#scores + 1] = 'm' .. i
			elements[#elements + 1] = generation
			if i % 4 == 0 then redis.call('XADD', KEYS[4], i .. '-1', 'f', generation) end
		end
		redis.call('HSET', KEYS[1], unpack(fields))
		redis.call('RPUSH', KEYS[2], unpack(elements))
		redis.call('ZADD', KEYS[3], unpack(scores))
	end
	return generation
LUA
my @keys = qw(hash list zset stream);
is($redis->call('EVAL', $change, 4, @keys, 1), 1, 'three collections of twenty thousand, and a stream of five');
my $there = redis($standby);
wait_until('the standby has them', sub { $there->call('LLEN', 'list') eq '20000' });

# The generations that a reply shows.
my %reads = (
	HGETALL => [ sub { ('HGETALL', 'hash') }, sub { @_[ grep { $_ % 2 } 0 .. $#_ ] } ],
	HVALS => [ sub { ('HVALS', 'hash') }, sub { @_ } ],
	LRANGE => [ sub { ('LRANGE', 'list', 0, -1) }, sub { @_ } ],
	XRANGE => [ sub { ('XRANGE', 'stream', '-', '+') }, sub { map { $_->[1][1] } @_ } ],
	ZRANGE => [ sub { ('ZRANGE', 'zset', 0, -1, 'WITHSCORES') }, sub { @_[ grep { $_ % 2 } 0 .. $#_ ] } ]);

sub shown
{
	my ($client, $what) = @_;
	my ($command, $generations) = @{ $reads{$what} };
	my @is = $generations->(@{ $client->call($command->()) });
	my %different = map { $_ => 1 } @is;
	return (scalar @is, sort { $a <=> $b } keys %different);
}

my @readers = map { { where => $_->[0], client => redis($_->[1]), last => 0, wrong => 0, many => 0 } }
  ([ primary => $node ], [ standby => $standby ]);
my $writer = redis($node);
my $end = time + 240;
my $generation = 1;
my %seen = (primary => {}, standby => {});
$writer->send('EVAL', $change, 4, @keys, ++$generation);
while ((grep { keys %{ $seen{$_} } < 8 } keys %seen) && time < $end)
{
	for my $reader (@readers)
	{
		for my $what (sort keys %reads)
		{
			my ($count, @generations) = shown($reader->{client}, $what);
			$reader->{many}++ if $count != ($what eq 'XRANGE' ? 5_000 : 20_000);
			$reader->{wrong}++ if @generations != 1;
			$seen{ $reader->{where} }{ $generations[0] } = 1;
		}
	}
	my ($answer) = $writer->outcome(0.01);
	$writer->send('EVAL', $change, 4, @keys, ++$generation) if $answer ne 'silent';
}
for my $reader (@readers)
{
	is($reader->{many}, 0, "on the $reader->{where}, every reply has all elements");
	is($reader->{wrong}, 0, '… of one generation');
	cmp_ok(scalar keys %{ $seen{ $reader->{where} } }, '>=', 8, '… and generations have come by');
}
$writer->reply if ($writer->outcome(30))[0] eq 'silent';

# Readers of the same worker, who are served meanwhile, and a key that goes or becomes another one between slices.
my $pipe = redis($node);
$pipe->raw(join '', map { PgfirstTest::Redis::encode(@$_) } ([ 'HGETALL', 'hash' ]) x 3, [ 'PING' ]);
is_deeply([ map { my $reply = $pipe->reply; ref $reply ? scalar @$reply : $reply } 1 .. 4 ], [ (40_000) x 3, 'PONG' ],
	'replies in slices come in their order');

# Two elements that change together, while all are read.
my $apart = 0;
my $together = redis($node);
for my $case (
	[ [ 'LRANGE', 'list', 0, -1 ], sub { [ 'LSET', 'list', $_[0], $_[1] ] }, 0, -1 ],
	[ [ 'HGETALL', 'hash' ], sub { [ 'HSET', 'hash', "f$_[0]", $_[1] ] }, 0, 19_999 ],
	[ [ 'ZRANGE', 'zset', 0, -1, 'WITHSCORES' ], sub { [ 'ZADD', 'zset', -$_[1], $_[0] ? 'last' : 'first' ] }, 0, 1 ])
{
	my ($read, $change_of, @both) = @$case;
	for my $round (1 .. 20)
	{
		$pipe->send(@$read);
		$together->raw(join '', map { PgfirstTest::Redis::encode(@$_) }
			([ 'MULTI' ], (map { $change_of->($_, "1$round") } @both), [ 'EXEC' ]));
		$together->reply for 1 .. 2 + @both;
		my @is = @{ $pipe->reply };
		my %is = $read->[0] eq 'LRANGE' ? () : @is;
		my ($first, $last) = $read->[0] eq 'LRANGE' ? @is[ 0, -1 ]
		  : $read->[0] eq 'HGETALL' ? @is{qw(f0 f19999)} : @is{qw(first last)};
		$apart++ if ($first // '') ne ($last // '');
	}
}
is($apart, 0, 'what changes together is shown together, also between slices');

# As many entries as there are, one behind the other, while each that is added takes one away.
my $holes = 0;
for my $round (1 .. 20)
{
	my @read = $round % 2 ? (qw(XRANGE stream - +)) : (qw(XREVRANGE stream + -));
	$pipe->send(@read);
	$together->raw(join '', map { PgfirstTest::Redis::encode('XADD', 'stream', 'MAXLEN', '=', 5_000, "3000$round-*", 'f', 'v') } 1 .. 3);
	$together->reply for 1 .. 3;
	my @ids = map { $_->[0] } @{ $pipe->reply };
	my %different = map { $_ => 1 } @ids;
	$holes++ if keys %different != 5_000 || @ids != 5_000;
}
is($holes, 0, 'a stream that is trimmed meanwhile is shown as it was at one moment');

# Sends `read` of a collection of 20,000 and, while it is answered, has another client do `end`.
my $one = <<'LUA';
	for at = 0, 19999, 500 do
		local words = {}
		for i = at, at + 499 do
			words[#words + 1] = i
			if ARGV[1] ~= 'list' then words[#words + 1] = i end
			if ARGV[1] == 'stream' then redis.call('XADD', KEYS[1], i .. '-1', 'f', 'v') end
		end
		if ARGV[1] ~= 'stream' then
			redis.call(({ hash = 'HSET', list = 'RPUSH', zset = 'ZADD' })[ARGV[1]], KEYS[1], unpack(words))
		end
	end
LUA
my $wrong = 0;
my $ended = redis($node);
for my $case (
	[ [ 'LRANGE', 'list', 0, -1 ], [ 'DEL', 'list' ] ], [ [ 'LRANGE', 'list', 10, -1 ], [ 'LTRIM', 'list', 0, 5 ] ],
	[ [ 'LRANGE', 'list', 0, -1 ], [ 'SET', 'list', 'x' ] ], [ [ 'HGETALL', 'hash' ], [ 'SET', 'hash', 'x' ] ],
	[ [ 'ZRANGE', 'zset', 0, -1 ], [ 'SET', 'zset', 'x' ] ], [ [ 'ZRANGE', 'zset', 0, -1 ], [ 'DEL', 'zset' ] ],
	[ [ 'XRANGE', 'stream', '-', '+' ], [ 'DEL', 'stream' ] ], [ [ 'XRANGE', 'stream', '-', '+' ], [ 'XTRIM', 'stream', 'MAXLEN', 0 ] ],
	[ [ 'XREVRANGE', 'stream', '+', '-' ], [ 'SET', 'stream', 'x' ] ], [ [ 'XREVRANGE', 'stream', '+', '-' ], [ 'XTRIM', 'stream', 'MAXLEN', 0 ] ])
{
	my ($read, $end) = @$case;
	for my $round (1 .. 3)
	{
		$redis->call('DEL', @keys);
		$redis->call('EVAL', $one, 1, $read->[1], $read->[1]);
		$pipe->raw(PgfirstTest::Redis::encode(@$read) . PgfirstTest::Redis::encode('PING'));
		$ended->call(@$end);
		my $reply = $pipe->reply;
		my $count = ref $reply ? @$reply : -1;
		my $pong = $pipe->reply;
		$wrong++ if ref $pong || $pong ne 'PONG' || !($count <= 0 || $count == 40_000 || $count >= 19_990);
	}
}
is($wrong, 0, 'what ends between slices ends no reply in its middle');
$redis->call('DEL', @keys);
$redis->call('EVAL', $change, 4, @keys, 1);
is($redis->call('DEL', 'hash') . $redis->call('DEL', 'zset'), '11', 'deleted');
is_deeply($redis->call('HGETALL', 'hash'), [], '… they are empty');

# ---- what is left ---------------------------------------------------------------------------------

sub records { return sql('SELECT records FROM kv.space WHERE db = 0'); }

is($redis->call('FLUSHDB'), 'OK', 'from the beginning');
wait_until('the sweep has taken all away', sub { records() <= 1 }, 120);
my $nothing = records();

# Everything that ends a collection, and as many that stay: alone, renamed, and copied.
my @kinds = (
	[ HSET => sub { map { ("f$_", 'x' x 20) } 1 .. 300 } ],
	[ SADD => sub { map { "member $_ " . 'x' x 10 } 1 .. 300 } ],
	[ RPUSH => sub { map { "element $_ " . 'x' x 10 } 1 .. 300 } ],
	[ ZADD => sub { map { ($_, "member $_ " . 'x' x 10) } 1 .. 300 } ]);
my %ends = (
	deleted => sub { $redis->call('DEL', $_[0]) },
	set => sub { $redis->call('SET', $_[0], 'string') },
	expired => sub { $redis->call('PEXPIRE', $_[0], 1) },
	overwritten => sub { $redis->call('SET', 'other', 1); $redis->call('RENAME', 'other', $_[0]) },
	copied_over => sub { $redis->call('SET', 'other', 1); $redis->call('COPY', 'other', $_[0], 'REPLACE') });
for my $kind (@kinds)
{
	my ($command, $elements) = @$kind;
	$redis->call($command, "$_:$command", $elements->()) for keys %ends, qw(stays before source);
	$redis->call('RENAME', "before:$command", "renamed:$command");
	$redis->call('COPY', "source:$command", "copy:$command");
	$redis->call('DEL', "source:$command");
	$ends{$_}->("$_:$command") for keys %ends;
}
sub whole
{
	my %is;
	for my $key (map { "$_:HSET" } qw(stays renamed copy)) { $is{$key} = [ sort @{ $redis->call('HGETALL', $key) } ]; }
	for my $key (map { "$_:SADD" } qw(stays renamed copy)) { $is{$key} = [ sort @{ $redis->call('SMEMBERS', $key) } ]; }
	for my $key (map { "$_:RPUSH" } qw(stays renamed copy)) { $is{$key} = $redis->call('LRANGE', $key, 0, -1); }
	for my $key (map { "$_:ZADD" } qw(stays renamed copy)) { $is{$key} = $redis->call('ZRANGE', $key, 0, -1, 'WITHSCORES'); }
	return \%is;
}
my $whole = whole();
is(scalar(grep { @$_ == 300 || @$_ == 600 } values %$whole), 12, 'twelve stay');

# For each that stays its key, an anchor and 300 parts, or 15 with twenty elements each, and nodes of sorted sets; for each end but
# two a string.
my $expected = $nothing + 9 * 302 + 3 * 17 + 3 * 4;
wait_until('the sweep has taken away what has ended', sub { records() < $expected + 3 * 20 });
cmp_ok(records(), '>=', $expected, 'and what lives is there');
is_deeply(whole(), $whole, '… with every element');
is(sql('SELECT count(*) FROM kv.check()'), 0, '… on sound pages');
is($redis->call('FLUSHDB'), 'OK', 'flushed');
wait_until('the sweep takes all away', sub { records() <= $nothing });
pass('nothing is left of anything');

# The sweep rests when a whole pass has found nothing, and comes by itself only after ten minutes. What ends then makes it come,
# however it ends. Nothing says that it rests; should it not yet, this can only fail to notice that it is not called.
my %rests = (%ends, 'all popped' => sub { $redis->call('EVAL', "redis.call('LTRIM', KEYS[1], 1, 0)", 1, $_[0]) });
delete $rests{expired};
for my $how (sort keys %rests)
{
	$redis->call('DEL', $how, 'other');
	$redis->call('RPUSH', $how, map { "element $_ " . 'x' x 10 } 1 .. 3000);
	sleep 6; # the sweep looks every two seconds
	cmp_ok(records(), '>', $nothing + 150, "a large list, $how while the sweep rests");
	$rests{$how}->($how);
	wait_until('the sweep comes', sub { records() < $nothing + 10 }, 60);
}
pass('… is taken away soon');
is($redis->call('FLUSHDB'), 'OK', 'flushed again');
wait_until('the sweep takes all away', sub { records() <= $nothing });

# ---- under an old snapshot ------------------------------------------------------------------------

my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id(), count(*) FROM kv.keys');

# What a broker does for a task: a queue, and what is unacknowledged.
sub tasks
{
	my ($from, $to) = @_;
	for (my $task = $from; $task < $to; $task += 100)
	{
		my @tasks = ($task .. $task + 99);
		$redis->raw(join '', map { PgfirstTest::Redis::encode(@$_) } map { (
			[ 'LPUSH', 'queue', 'task ' . 'x' x 500 . $_ ],
			[ 'BRPOP', 'queue', 1 ],
			[ 'ZADD', 'unacked_index', $_, $_ ],
			[ 'HSET', 'unacked', $_, 'x' x 500 ],
			[ 'ZREM', 'unacked_index', $_ - 50 ],
			[ 'HDEL', 'unacked', $_ - 50 ]) } @tasks);
		$redis->reply for 1 .. 6 * @tasks;
	}
	return;
}
tasks(1000, 3000);
my $before = sql('SELECT bytes FROM kv.space WHERE db = 0');
tasks(3000, 13_000);
my $after = sql('SELECT bytes FROM kv.space WHERE db = 0');
cmp_ok($after, '<=', $before + 64 * 8192, 'ten thousand tasks under an old snapshot take no more room than two thousand');
is($redis->call('LLEN', 'queue') . ' ' . $redis->call('HLEN', 'unacked') . ' ' . $redis->call('ZCARD', 'unacked_index'),
	'0 50 50', '… and all is as it should be');
$holder->query_safe('COMMIT');
$holder->quit;

# The standby has the same.
my $rows = q{SELECT md5(string_agg(md5(r::text), '' ORDER BY r::text)) FROM kv.database_0 AS r};
my $is = sql($rows);
my $position = sql('SELECT pg_current_wal_insert_lsn()');
wait_until('the standby has replayed', sub { $standby->safe_psql('postgres', "SELECT pg_last_wal_replay_lsn() >= '$position'") eq 't' });
is($standby->safe_psql('postgres', $rows), $is, 'the standby has the same');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM kv.check()'), 0, '… on sound pages');

$standby->stop;
$node->stop;
done_testing();
