# SPDX-License-Identifier: PostgreSQL
#
# 077_collections_many.pl: commands that take many elements away at once, against a model; and that what they take
# grows no faster than the number of elements.
#
# PGFIRST_SEED repeats a run.  Seen to fail: the write set sorted for each walk (the script is stopped, and what it took
# is there again); a last node that is not the one that stays; kv_list_node_inwards() that takes what it guesses for
# the neighbour, whatever its indexes; nodes that keep the single element that LREM has left them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seed = $ENV{PGFIRST_SEED} || int(time() * 1000) % 1_000_000_000;
note "PGFIRST_SEED=$seed";
srand($seed);

my $node = pgfirst_node('many', workers => 1, conf => "autovacuum = off");
my $redis = redis($node);

sub fill
{
	my ($command, $key, @elements) = @_;
	$redis->call($command, $key, splice(@elements, 0, 1000)) while @elements;
	return;
}

# ---- lists ---------------------------------------------------------------------------------------

my $serial = 0;
my @model;
my $wrong = '';
for my $round (1 .. 12)
{
	@model = map { 'element ' . ++$serial } 1 .. ($round % 3 == 0 ? 3 + int rand 60 : 1000 + int rand 3000);
	$redis->call('DEL', 'list');
	fill('RPUSH', 'list', @model);
	if ($round % 4 != 1)
	{
		my ($gone) = splice @model, rand @model, 1;
		$redis->call('LREM', 'list', 1, $gone);
	}
	while (@model && $wrong eq '')
	{
		my $count = 1 + int rand(rand(@model) + 2);
		my $kind = int rand 5;
		my ($is, @expected);
		if ($kind == 0)
		{
			my ($first, $last) = (int rand(@model / 3), int rand(@model / 3));
			$redis->call('LTRIM', 'list', $first, -1 - $last);
			splice @model, 0, $first;
			splice @model, @model - $last, $last if $last;
		}
		elsif ($kind < 3)
		{
			@expected = splice @model, 0, $count;
			$is = $redis->call('LPOP', 'list', $count);
		}
		else
		{
			$count = @model if $count > @model;
			@expected = reverse splice @model, @model - $count, $count;
			$is = $redis->call('RPOP', 'list', $count);
		}
		$wrong = "round $round: " . @expected . ' popped' if $kind > 0 && "@$is" ne "@expected";
		$wrong = "round $round, kind $kind: what stays" if join(' ', @{ $redis->call('LRANGE', 'list', 0, -1) }) ne "@model";
		next if !@model;
		$wrong = "round $round, kind $kind: the last one" if $redis->call('LINDEX', 'list', -1) ne $model[-1];
		my $pushed = 'element ' . ++$serial;
		next if rand > 0.3;
		$redis->call(rand > 0.5 ? ('RPUSH', 'list', $pushed) : ('LPUSH', 'list', $pushed));
		@model = @{ $redis->call('LRANGE', 'list', 0, -1) };
	}
	$wrong = "round $round: the key stays" if $wrong eq '' && $redis->call('EXISTS', 'list') != 0;
}
is($wrong, '', 'lists are as the model is');

# One by one: a node at an end that is empty has a neighbour with more elements than most, or fewer.
$wrong = '';
for my $round (1 .. 12)
{
	@model = ();
	for (1 .. 30)
	{
		my $length = (1, 8, 60, 200, 400, 700)[ rand 6 ];
		my $tail = rand > 0.5;
		for (1 .. 1 + rand 30)
		{
			my $pushed = ++$serial . 'x' x $length;
			if ($tail) { push @model, $pushed; }
			else { unshift @model, $pushed; }
			$redis->call($tail ? 'RPUSH' : 'LPUSH', 'list', $pushed);
		}
	}
	if ($round % 4 == 0)
	{
		my $at = @model / 2;
		$redis->call('LINSERT', 'list', 'BEFORE', $model[$at], 'between');
		splice @model, $at, 0, 'between';
		my ($gone) = splice @model, @model / 3, 1;
		$redis->call('LREM', 'list', 1, $gone);
	}
	while (@model && $wrong eq '')
	{
		my $tail = $round % 3 == 0 ? rand > 0.5 : $round % 3 == 1;
		my $expected = $tail ? pop @model : shift @model;
		my $is = $redis->call($tail ? 'RPOP' : 'LPOP', 'list') // 'nothing';
		$wrong = "round $round: $is instead of $expected" if $is ne $expected;
	}
	$redis->call('DEL', 'list');
}
is($wrong, '', 'elements of many lengths come out one by one as they went in');

# ---- sets ----------------------------------------------------------------------------------------

for my $size (5, 900, 5000)
{
	my %there = map { ("member $_" => 1) } 1 .. $size;
	fill('SADD', 'set', keys %there);
	my ($twice, $strange) = (0, 0);
	while (%there)
	{
		my $count = 1 + int rand(keys %there);
		my $popped = $redis->call('SPOP', 'set', $count);
		$strange++ if @$popped != $count;
		for (@$popped) { $twice++ if !delete $there{$_}; }
		$strange++ if $redis->call('SCARD', 'set') != keys %there;
		$strange++ if join(' ', sort @{ $redis->call('SMEMBERS', 'set') }) ne join(' ', sort keys %there);
	}
	is("$twice $strange", '0 0', "a set of $size: SPOP gives each member once");
	is($redis->call('EXISTS', 'set'), 0, '… and the last ones take the key with them');
}

# ---- many ----------------------------------------------------------------------------------------

sub within
{
	my ($seconds, $what, @command) = @_;
	my $begin = time;
	$redis->send(@command);
	my ($answer) = $redis->outcome($seconds);
	isnt($answer, 'silent', "$what has come to an end");
	note sprintf('%s: %.1f s', $what, time - $begin);
	BAIL_OUT('the next answers would be another command\'s') if $answer eq 'silent';
	return;
}

fill('RPUSH', 'long', 1 .. 60_000);
$redis->call('LREM', 'long', 1, 30_000);
within(60, 'a loop of walks and changes', 'EVAL', 'for i = 1, 20000 do redis.call("LPOP", KEYS[1]) end return 1', 1, 'long');
within(60, 'LPOP of an uneven list', 'LPOP', 'long', 20_000);
is($redis->call('LINDEX', 'long', 0), 40_002, '… leads to the next one');

# What LREM leaves of the nodes stands together.
sub records
{
	return $node->safe_psql('postgres', 'SELECT records FROM kv.space WHERE db = 0');
}
my $records = records();
fill('RPUSH', 'thin', map { $_ % 50 ? 'goes' : "stays $_" } 1 .. 50_000);
cmp_ok(records() - $records, '<', 1200, 'elements share records');
is($redis->call('LREM', 'thin', 0, 'goes'), 49_000, 'LREM of nearly all');
is_deeply($redis->call('LRANGE', 'thin', 0, -1), [ map { 'stays ' . 50 * $_ } 1 .. 1000 ], '… leaves the others in their order');
is_deeply([ map { $redis->call('LINDEX', 'thin', $_) } 0, 500, 998, -1 ], [ map { "stays $_" } 50, 25_050, 49_950, 50_000 ],
	'… where they are counted');
cmp_ok(records() - $records, '<', 120, '… and they share records again');

fill('SADD', 'large', 1 .. 60_000);
within(60, 'SPOP of two thirds', 'SPOP', 'large', 40_000);
is($redis->call('SCARD', 'large'), 20_000, '… leaves the others');

done_testing();
