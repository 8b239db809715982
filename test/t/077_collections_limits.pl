# SPDX-License-Identifier: PostgreSQL
#
# 077_collections_limits.pl: commands on collections that change more than a turn may hold; lists into whose middle much is
# inserted; and members by chance.
#
# Seen to fail: a list whose last nodes have moved apart and that looks for the last one where it was; half of
# the draws giving the first members; draws that go on until there are enough different ones of members that have gone;
# members whose bytes end at a zero byte; nodes of an uneven list numbered by what they say of their place; commands that ask for no room, or for less than they take: LPOP, RPOP, LMPOP,
# LTRIM, LINSERT, LREM, ZADD, ZREM (the turn fails, with others' changes in it).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = pgfirst_node('limits', workers => 2, conf => "autovacuum = off");
my $redis = redis($node);

sub commands
{
	my ($client, @commands) = @_;
	$client->raw(join '', map { PgfirstTest::Redis::encode(@$_) } @commands);
	return map { $client->reply } @commands;
}

# The bytes of a long reply: to parse one that is not yet whole again and again takes longer than to make it.
sub unparsed
{
	my ($command) = @_;
	my $bytes = '';
	$redis->raw(PgfirstTest::Redis::encode(@$command) . PgfirstTest::Redis::encode('PING'));
	while (substr($bytes, -7) ne "+PONG\r\n" && $redis->{select}->can_read(60))
	{
		sysread($redis->{socket}, $bytes, 1 << 20, length $bytes) or last;
	}
	return $bytes;
}

# In portions that a turn holds.
sub fill
{
	my ($command, $key, $elements, $portion) = @_;
	my @left = @$elements;
	$redis->call($command, $key, splice(@left, 0, $portion)) while @left;
	return;
}

# ---- inserting ------------------------------------------------------------------------------------

# Around one place, which is near an end or in the middle.  What has 600 bytes stands in a node of its own, so numbers between nodes
# come to an end soon; what is small goes to nodes that are split.
sub insert_model
{
	my ($seed, $length, $place, $times, $more) = @_;
	my $key = "list $seed $place $more";
	my @model = map { "element $_ " . 'x' x 30 } 1 .. $length;
	my $pivot = $model[$place];
	my (@commands, @expected);
	srand $seed;
	fill('RPUSH', $key, \@model, 1000);
	for my $i (1 .. $times)
	{
		my $before = rand() < 0.7;
		my ($at) = grep { $model[$_] eq $pivot } 0 .. $#model;
		my $new = "new $i " . 'x' x $more;
		splice @model, $before ? $at : $at + 1, 0, $new;
		push @commands, [ 'LINSERT', $key, $before ? 'BEFORE' : 'AFTER', $pivot, $new ],
		  [ 'LINDEX', $key, 0 ], [ 'LINDEX', $key, -1 ];
		push @expected, scalar @model, $model[0], $model[-1];
		next if $i % 10;
		push @commands, [ 'RPOP', $key ], [ 'RPUSH', $key, "end $i" ], [ 'LPOP', $key ], [ 'LPUSH', $key, "begin $i" ];
		push @expected, pop @model, scalar @model + 1;
		push @model, "end $i";
		push @expected, shift @model, scalar @model + 1;
		unshift @model, "begin $i";
	}
	is_deeply([ commands($redis, @commands) ], \@expected, "$times insertions of $more at $place of $length: both ends");
	is_deeply($redis->call('LRANGE', $key, 0, -1), \@model, '… and all elements in their order');
	return;
}
for my $more (0, 600)
{
	insert_model(1, 40, 24, 40, $more);
	insert_model(2, 40, 23, 200, $more);
	insert_model(3, 40, 8, 200, $more);
	insert_model($_, 100, 100 - 2**$_, 150, $more) for 3 .. 6;
}

# A node that LINSERT has made between two others becomes the first, or the last, and is split then.
sub split_at_end
{
	my ($end, $expected, @commands) = @_;
	my $key = "split at the $end";

	fill('RPUSH', $key, [ 'A' x 500, 'B' x 500, 'C' x 500 ], 3);
	$redis->call($_->[0], $key, @$_[ 1 .. $#$_ ]) for [ 'LINSERT', 'BEFORE', 'B' x 500, 'v' x 600 ], @commands;
	is(join(' ', map { substr($_, 0, 1) . length } @{ $redis->call('LRANGE', $key, 0, -1) }), $expected, "a node is split at the $end");
	is($redis->call('LPUSH', $key, 'n') . ' ' . $redis->call('RPUSH', $key, 'o'), join(' ', map { $_ + split ' ', $expected } 1, 2),
		'… which takes more');
	is($redis->call('LINDEX', $key, 0) . $redis->call('LINDEX', $key, -1), 'no', '… at both ends');
	return;
}
split_at_end('head', 'c400 b200 B500 C500', [ 'LSET', 1, 'a' x 200 ], [ 'LINSERT', 'AFTER', 'a' x 200, 'b' x 200 ],
	['LPOP'], [ 'LSET', 0, 'c' x 400 ]);
split_at_end('tail', 'a1 w480 i1 i1 i1 i1' . ' D1000' x 8, [ 'LSET', 1, 'a' ], ['LPOP'], ([ 'LINSERT', 'AFTER', 'a', 'i' ]) x 5,
	['RPOP'], ['RPOP'], [ 'LSET', 1, 'w' x 480 ], ([ 'RPUSH', 'D' x 1000 ]) x 8);

# ---- by chance ------------------------------------------------------------------------------------

fill('SADD', 'many', [ map { "member $_" } 1 .. 10_000 ], 1000);

sub drawn_most
{
	my ($what, @members) = @_;
	my %times;
	$times{$_}++ for @members;
	my $most = 0;
	$most += $_ for (sort { $b <=> $a } values %times)[ 0 .. 15 ];
	cmp_ok($most, '<', @members * 0.05, "$what: no sixteen members are drawn much more often than others");
	return;
}
drawn_most('SRANDMEMBER one by one', commands($redis, ([ 'SRANDMEMBER', 'many' ]) x 4000));
drawn_most('SRANDMEMBER -500', map { @$_ } commands($redis, ([ 'SRANDMEMBER', 'many', -500 ]) x 8));
drawn_most('SRANDMEMBER -4000', @{ $redis->call('SRANDMEMBER', 'many', -4000) });
drawn_most('SRANDMEMBER 100', map { @$_ } commands($redis, ([ 'SRANDMEMBER', 'many', 100 ]) x 40));

# Of every way to draw, what and how many.
for my $count (1, 100, 1250, 1251, 9999, 10_000, 20_000, -1, -1249, -1250, -30_000)
{
	my $members = $redis->call('SRANDMEMBER', 'many', $count);
	my %different = map { $_ => 1 } @$members;
	my $expected = $count < 0 ? -$count : $count > 10_000 ? 10_000 : $count;
	is(scalar @$members, $expected, "SRANDMEMBER $count has as many as it should");
	is(scalar keys %different, $expected, '… and they are different') if $count > 0;
	is(scalar(grep { !/^member \d+$/ } keys %different), 0, '… and members');
}
my @half = @{ $redis->call('SRANDMEMBER', 'many', -20_000) };
my %first = map { $_ => 1 } @half[ 0 .. 9999 ];
my %common = map { $_ => 1 } grep { $first{$_} } @half[ 10_000 .. 19_999 ];
cmp_ok(scalar keys %common, '>', 2000, 'what is drawn at once comes in no order');

# What takes long leaves the worker to others.
fill('HSET', 'hash', [ map { ("field $_", $_) } 1 .. 100_000 ], 10_000);
my $begin = time;
my $all = unparsed([ 'HRANDFIELD', 'hash', -1_000_000, 'WITHVALUES' ]);
cmp_ok(time - $begin, '<', 30, 'a million fields are drawn in seconds');
my %fields = $all =~ /\$\d+\r\nfield (\d+)\r\n\$\d+\r\n(\d+)\r\n/g;
is(scalar(() = $all =~ /field/g), 1_000_000, '… as many as they should be');
is(scalar(grep { $_ != $fields{$_} } keys %fields), 0, '… each with its value');
cmp_ok(scalar keys %fields, '>', 99_000, '… and nearly all come by');

# Bytes.
my @zeros = map { "a\0b$_\0" . 'x' x 20 } 1 .. 200;
fill('SADD', 'zeros', \@zeros, 200);
is(scalar(grep { !/^a\0b\d+\0x{20}$/s } commands($redis, ([ 'SRANDMEMBER', 'zeros' ]) x 50)), 0, 'zero bytes are drawn');
my @popped = commands($redis, ([ 'SPOP', 'zeros' ]) x 100);
push @popped, @{ $redis->call('SPOP', 'zeros', 100) };
is_deeply([ sort @popped ], [ sort @zeros ], '… and taken away');
is($redis->call('EXISTS', 'zeros'), 0, '… until nothing is left');

# Members that go away meanwhile.
my $other = redis($node);
for my $round (1 .. 3)
{
	my @members = 1 .. 200_000;
	fill('SADD', 'going', \@members, 20_000);
	$other->raw(PgfirstTest::Redis::encode('SREM', 'going', 101 .. 200_000));
	my $longest = 0;
	my $wrong = 0;
	my $left = 200_000;
	while ($left > 100 && $longest < 10)
	{
		my $start = time;
		$redis->send('SRANDMEMBER', 'going', 24_000);
		my $reply = ($redis->outcome(10))[1];
		$longest = time - $start if time - $start > $longest;
		last if !ref $reply;
		my %different = map { $_ => 1 } @$reply;
		$wrong++ if keys %different != @$reply || (@$reply != 24_000 && @$reply != 100);
		$left = @$reply;
	}
	cmp_ok($longest, '<', 10, "round $round: a draw of members that go is answered");
	is($wrong, 0, '… with different members, as many as there are');
	is($other->reply, 199_900, '… and they went');
	last if $longest >= 10;
}

# ---- more than a turn holds -------------------------------------------------------------------------

$redis->call('FLUSHDB');
fill('SADD', 'set', [ 1 .. 120_000 ], 20_000);
fill('RPUSH', 'list', [ 1 .. 120_000 ], 20_000);
fill('RPUSH', 'uneven', [ 1 .. 20_000 ], 20_000);
$redis->call('RPUSH', 'uneven', 'x' x 1_000_000) for 1 .. 12;
# One of them in each node.
fill('RPUSH', 'spread', [ map { ('goes', 'x' x 440) } 1 .. 15_000 ], 2000);
fill('RPUSH', 'large', [ map { "$_ " . 'x' x 999_990 } 1 .. 20 ], 20);
fill('ZADD', 'zset', [ map { (($_ * 7919) % 60_000, "member $_ " . 'x' x 30) } 1 .. 120_000 ], 20_000);
fill('HSET', 'hash', [ map { ("field $_", $_) } 1 .. 1000 ], 1000);
commands($redis, map { [ 'XADD', 'stream', "$_-0", 'f', $_ > 2000 ? 'x' x 1_000_000 : $_ ] } 1 .. 2012);
# In front of the fifth there is no place any more: the next insertion there moves sixteen megabytes.  None of them shares a node.
my $new = 'new ' . 'x' x 600;
commands($redis, ([ 'LINSERT', 'large', 'BEFORE', $redis->call('LINDEX', 'large', 4), $new ]) x 16);

$node->append_conf('postgresql.conf', "pgfirst.write_set_limit = '8MB'");
$node->reload;
wait_until('the limit is in force', sub { ($redis->call('SET', 'k', 'x' x 10_000_000) // '') =~ /^-?OOM/ });
is($redis->call('LLEN', 'large'), 36, 'elements were inserted');

# Each is sent together with others' changes, which are made and answered whatever becomes of it.
my @crowd = map { redis($node) } 1 .. 6;
my $number = 0;

sub beside_others
{
	my ($what, $expected, @command) = @_;
	my ($start, $key) = (time, "beside " . ++$number);
	my $there = -s $node->logfile;
	$_->raw(join '', map { PgfirstTest::Redis::encode('APPEND', $key, $_) } 1 .. 30) for @crowd[ 0 .. 2 ];
	$redis->raw(PgfirstTest::Redis::encode(@command));
	$_->raw(join '', map { PgfirstTest::Redis::encode('APPEND', $key, $_) } 1 .. 30) for @crowd[ 3 .. 5 ];
	my $reply = eval { $redis->reply } // 'nothing';
	my $answer = ref $reply ? scalar @$reply : $reply;
	like($answer, $expected, "$what: answered");
	my @wrong = grep { !/^\d+$/ } map { my $client = $_; map { eval { $client->reply } // 'nothing' } 1 .. 30 } @crowd;
	is("@wrong", '', '… and others as well');
	is($redis->call('STRLEN', $key), 6 * 51, '… whose changes are there');
	is(log_count($node, qr/ERROR|FATAL|PANIC/, $there), 0, '… and no turn has failed');
	return $reply;
}

my $refused = qr/OOM command not allowed/;
my $done = qr/^\d+$/;
beside_others('SPOP', qr/$refused|^110000$/, 'SPOP', 'set', 110_000);
beside_others('LPOP', qr/$refused|^110000$/, 'LPOP', 'list', 110_000);
beside_others('RPOP', qr/$refused|^110000$/, 'RPOP', 'list', 110_000);
beside_others('LMPOP', qr/$refused|^2$/, 'LMPOP', 1, 'list', 'LEFT', 'COUNT', 110_000);
beside_others('LTRIM', $refused, 'LTRIM', 'uneven', -12, -1);
is($redis->call('LLEN', 'uneven'), 20_012, '… and nothing was done');
beside_others('LREM', $refused, 'LREM', 'spread', 0, 'goes');
is($redis->call('LLEN', 'spread'), 30_000, '… and nothing was done');
beside_others('LREM of few', qr/^1000$/, 'LREM', 'spread', -1000, 'goes');
beside_others('LTRIM of little', qr/^OK$/, 'LTRIM', 'uneven', -3, -1);
beside_others('XTRIM', $refused, 'XTRIM', 'stream', 'MAXLEN', 12);
is($redis->call('XLEN', 'stream'), 2012, '… and nothing was done');
beside_others('XTRIM to little', qr/^2009$/, 'XTRIM', 'stream', 'MAXLEN', 3);
my $fifth = $redis->call('LINDEX', 'large', 20);
beside_others('LINSERT', $refused, 'LINSERT', 'large', 'BEFORE', $fifth, $new);
is($redis->call('LLEN', 'large'), 36, '… and nothing was done');
my @pairs = map { (($_ * 104_729) % 60_000, "other $_ " . 'x' x 30) } 1 .. 10_000;
beside_others('ZADD', qr/$refused|$done/, 'ZADD', 'zset', @pairs);
beside_others('ZADD of others', qr/$refused|$done/, 'ZADD', 'zset', map { (60_000 - ($_ * 7919) % 60_000, "member $_ " . 'x' x 30) } 1 .. 8000);
my $size = $redis->call('ZCARD', 'zset');
beside_others('ZREM', qr/$refused|$done/, 'ZREM', 'zset', map { "member $_ " . 'x' x 30 } 1 .. 12_000);
beside_others('ZPOPMAX of few', qr/^2000$/, 'ZPOPMAX', 'zset', 1000);
beside_others('ZREMRANGEBYRANK of few', qr/^1000$/, 'ZREMRANGEBYRANK', 'zset', 5000, 5999);
$size = $redis->call('ZCARD', 'zset');
my $most = $size - 1000;
beside_others($_->[0], $refused, @$_) for [ 'ZREMRANGEBYRANK', 'zset', 500, $most ], [ 'ZPOPMIN', 'zset', $most ],
  [ 'ZMPOP', 1, 'zset', 'MAX', 'COUNT', $most ], [ 'ZREMRANGEBYSCORE', 'zset', '-inf', '+inf' ];
is($redis->call('ZCARD', 'zset'), $size, '… and nothing was done');
is(scalar @{ $redis->call('ZRANGE', 'zset', 0, -1) }, $redis->call('ZCARD', 'zset'), 'the sorted set is whole');
is($redis->call('ZCOUNT', 'zset', '-inf', '+inf'), $redis->call('ZCARD', 'zset'), '… and its counts');
is($redis->call('LLEN', 'list'), scalar @{ $redis->call('LRANGE', 'list', 0, -1) }, 'so is the list');
is($redis->call('SCARD', 'set'), scalar @{ $redis->call('SMEMBERS', 'set') }, '… and the set');

# Within a transaction what has no room is answered, and what was before it stays.
is_deeply([ commands($redis, ['MULTI'], [ 'SET', 'in', 1 ], [ 'LTRIM', 'large', 0, 0 ], [ 'INCR', 'in' ], ['EXEC']) ]->[4][2], 2,
	'a transaction goes on');

# Others leave so little that these have to wait for the next turn.
my $rest = 0;
for my $bytes (map { 7_000_000 + 20_000 * $_ } 0 .. 60)
{
	my @replies = commands($redis, [ 'SET', 'filler', 'x' x $bytes ], [ 'HSETNX', 'hash', "new $bytes", 1 ],
		[ 'HINCRBY', 'hash', 'counter', 1 ], [ 'HINCRBYFLOAT', 'hash', 'float', '0.5' ], ['PING']);
	$rest++ if !($replies[0] =~ /^OK|OOM/ && $replies[1] eq '1' && $replies[2] =~ /^\d+$/ && $replies[3] =~ /^[\d.]+$/ && $replies[4] eq 'PONG');
}
is($rest, 0, 'HSETNX, HINCRBY and HINCRBYFLOAT are answered when a turn has no room');
is($redis->call('HGET', 'hash', 'counter'), 61, '… and done once');

is($node->safe_psql('postgres', 'SELECT count(*) FROM kv.check()'), 0, 'the pages are sound');
$node->stop;
done_testing();
