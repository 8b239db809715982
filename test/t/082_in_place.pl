# SPDX-License-Identifier: PostgreSQL
#
# 082_in_place.pl: what is written again stays where it is, and what belongs together goes there together.
#
# Of a record that is written over only the bytes that differ are logged, on a standby it is the same; a leaf that is full
# because a list grows, at either end, stays full; and a turn whose records share a leaf needs no transaction id.
#
# Seen to fail, each by the tests of its section:
#   item_same() that finds nothing the same (whole values are logged), and one that says one byte more at the
#   end (the standby has other values); split_slot() that always halves (files are nearly twice as large);
#   plan_gone() that finds nothing (pops leave twice as many slots as there were);
#   pgfirst_ops_apply_together() that makes room for one record at a time (turns take transaction ids).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = pgfirst_node('place', streaming => 1, conf => "autovacuum = off\nfull_page_writes = off");
my $standby = standby_of($node, workers => 1);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub client
{
	my ($number) = @_;
	my $client = redis($node);

	$client->call('SELECT', $number) eq 'OK' or die;
	return $client;
}

# As one pipeline, which is one turn or a few.
sub pipeline
{
	my ($client, @commands) = @_;

	$client->raw(join '', map { PgfirstTest::Redis::encode(@$_) } @commands);
	return map { $client->reply } @commands;
}

# ---- what is logged ----------------------------------------------------------------------------

my $redis = client(0);
my $value = join '', map { chr(33 + $_ % 90) } 1 .. 1000;

sub logged
{
	my ($count, $each) = @_;
	my $before = sql("SELECT pg_current_wal_insert_lsn() - '0/0'");

	$each->($_) for 1 .. $count;
	return (sql("SELECT pg_current_wal_insert_lsn() - '0/0'") - $before) / $count;
}

$redis->call('SET', 'text', $value);
for my $place (0, 499, 999)
{
	cmp_ok(logged(200, sub { substr($value, $place, 1) = chr(33 + $_[0] % 90); $redis->call('SET', 'text', $value); }),
		'<', 300, "one byte of a thousand that changes is logged with little else: byte $place");
}
cmp_ok(logged(200, sub { $value = chr(33 + $_[0] % 90) . substr($value, 1, 998) . chr(33 + ($_[0] + 1) % 90); $redis->call('SET', 'text', $value); }),
	'>', 1000, '… and two that are far from each other with what is between them');

# Values whose beginnings and ends are the same as before, in all lengths, and with an expiry or without.
srand 8;
for my $n (1 .. 3000)
{
	my $key = 'cut' . int rand 20;
	my $cut = substr(join('', map { chr(97 + int rand 2) } 1 .. 3) x 200, int(rand 3), int rand 600);

	$redis->call('SET', $key, $cut, rand() < 0.2 ? ('EX', 1000 + $n) : ());
	$redis->call('APPEND', $key, 'z' x int rand 4) if rand() < 0.3;
	$redis->call('SETRANGE', $key, int rand 50, 'y' x int rand 9) if rand() < 0.3;
}
wait_for_standby($node, $standby);
my $replica = redis($standby);
is_deeply([ map { $replica->call('GET', "cut$_") } 0 .. 19 ], [ map { $redis->call('GET', "cut$_") } 0 .. 19 ],
	'a standby has the same after many changes of few bytes');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM kv.check()'), '0', '… page by page');

# ---- leaves that stay full ---------------------------------------------------------------------

sql("SELECT kv.configure(2, durability => 'volatile')");
sql("SELECT kv.configure(3, durability => 'volatile')");
my $element = 'e' x 100;
for my $case ([ 0, 'LPUSH' ], [ 1, 'RPUSH' ], [ 2, 'LPUSH' ], [ 3, 'RPUSH' ])
{
	my ($number, $command) = @$case;
	my $client = client($number);

	pipeline($client, map { [ $command, 'list', $element ] } 1 .. 40) for 1 .. 500;
	is($client->call('LLEN', 'list'), 20_000, "$command in database $number");
	wait_until('counted', sub { return sql("SELECT coalesce(bytes, 0) FROM kv.databases WHERE db = $number") > 2_000_000; });
	my ($bytes, $file) = split /\|/, sql("SELECT bytes, file_bytes FROM kv.databases WHERE db = $number");
	cmp_ok($file, '<', 1.65 * $bytes, '… leaves full leaves behind');
	is_deeply($client->call('LRANGE', 'list', -2, -1), [ ($element) x 2 ], '… and all of them');
}

# ---- what is gone ---------------------------------------------------------------------------------

# Slots of all pages of a database, by their heads.
sub slots
{
	my ($number) = @_;
	my $path = sql("CHECKPOINT; SELECT pg_relation_filepath('kv.database_$number')");
	my $file = slurp_file($node->data_dir . "/$path");
	my $slots = 0;

	for (my $at = 8192; $at < length $file; $at += 8192)
	{
		my $lower = unpack 'S', substr $file, $at + 12, 2;
		$slots += ($lower - 24) / 4 if $lower > 24;
	}
	return $slots;
}

# A deletion with a transaction id leaves two items for one; of those only the last of a leaf are there, though nobody
# tidies.
{
	my $upkeep = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgfirst upkeep'");

	stop_at_rest($node, $upkeep);
	for my $case ([ 0, 'SPOP' ], [ 1, 'ZPOPMIN' ])
	{
		my ($number, $pop) = @$case;
		my $client = client($number);

		for my $n (1 .. 200)
		{
			$client->call($pop eq 'SPOP' ? 'SADD' : 'ZADD', $pop, map { ($pop eq 'SPOP' ? () : $n, "member:$n:$_") } 1 .. 100);
		}
		my $added = slots($number);
		my %popped;
		for my $pipeline (1 .. 18)
		{
			$popped{ ref $_ ? $_->[0] : $_ }++ for pipeline($client, map { [ $pop, $pop ] } 1 .. 1000);
		}
		cmp_ok(slots($number) - $added, '<', -10_000, "what $pop takes from a leaf goes");
		$popped{$_}++ for @{ $pop eq 'SPOP' ? $client->call('SMEMBERS', $pop) : $client->call('ZRANGE', $pop, 0, -1) };
		is_deeply([ scalar keys %popped, (sort { $b <=> $a } values %popped)[0] ], [ 20_000, 1 ], '… and nothing else');
	}
	kill 'CONT', $upkeep;
	wait_for_standby($node, $standby);
	my $replica = redis($standby);
	is_deeply([ sort @{ $replica->call('SMEMBERS', 'SPOP') } ], [ sort @{ client(0)->call('SMEMBERS', 'SPOP') } ], 'a standby has the same');
	is($standby->safe_psql('postgres', 'SELECT count(*) FROM kv.check()'), '0', '… page by page');
}

# ---- what goes to a leaf together --------------------------------------------------------------

{
	my $client = client(2);
	my $before = sql('SELECT pg_snapshot_xmax(pg_current_snapshot())');

	pipeline($client, map { [ 'LPUSH', 'list', $element ] } 1 .. 40) for 1 .. 500;
	cmp_ok(sql('SELECT pg_snapshot_xmax(pg_current_snapshot())') - $before, '<', 50,
		'turns that put several records on a leaf take no transaction id');
}
is(sql('SELECT count(*) FROM kv.check()'), '0', 'the stores are sound');

done_testing();
