# SPDX-License-Identifier: PostgreSQL
#
# 057_multi_collections.pl: WATCH and collections whose elements are records: every change of an element is noticed, by whichever
# client or by SQL, and none is taken for a change of another key.
#
# Seen to fail: pgfirst_position_touch() that raises the stamp for parts as well (nearly all of the keys that are watched look
# changed); kv_list_close() that puts the root only if there are more or fewer elements than before (LSET is missed).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use Test::More;

my $node = pgfirst_node('multi_collections', workers => 2, conf => "autovacuum = off\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub worker_of { return $_[0]->call('INFO', 'server') =~ /^process_id:(\d+)/m ? $1 : die; }

# A client of the same worker as the first one, and a client of another.
my $watcher = redis($node);
my @beside;
for (1 .. 200)
{
	my $client = redis($node);
	$beside[ worker_of($client) eq worker_of($watcher) ? 0 : 1 ] //= $client;
	last if $beside[0] && $beside[1];
}
my ($here, $there) = @beside;
die "no client in another worker\n" if !$there;

# Whether the keys are as they were, as EXEC finds.
sub holds
{
	my ($keys, $change) = @_;

	$watcher->call('WATCH', @$keys) eq 'OK' or die;
	$change->();
	$watcher->call('MULTI') eq 'OK' or die;
	$watcher->call('PING');
	return defined $watcher->call('EXEC');
}

# ---- what changes is noticed ---------------------------------------------------------------------

my $count = 5000;

sub fill
{
	my ($client) = @_;

	$client->call('FLUSHDB');
	for (my $from = 0; $from < $count; $from += 1000)
	{
		my @numbers = $from .. $from + 999;
		$client->call('HSET', 'hash', map { ("f$_", "v$_") } @numbers);
		$client->call('SADD', 'set', map { "m$_" } @numbers);
		$client->call('RPUSH', 'list', map { "e$_" } @numbers);
		$client->call('ZADD', 'zset', map { ($_, "m$_") } @numbers);
		$client->raw(join '', map { PgfirstTest::Redis::encode('XADD', 'stream', $_ + 1 . '-1', 'field', $_) } @numbers);
		$client->reply for @numbers;
	}
	return;
}

fill($here);
is_deeply([ map { $here->call(@$_) } [ 'HLEN', 'hash' ], [ 'SCARD', 'set' ], [ 'LLEN', 'list' ], [ 'ZCARD', 'zset' ], [ 'XLEN', 'stream' ] ],
	[ ($count) x 5 ], 'a large collection of each type');

my @changes = (
	[qw(HSET hash f2500 other)], [qw(HSET hash f2500 other)], [qw(HSET hash new 1)], [qw(HDEL hash new)], [qw(HINCRBY hash number 5)],
	[qw(SADD set new)], [qw(SREM set new)], [qw(SPOP set)],
	[qw(LSET list 2500 other)], [qw(LSET list 2500 other)], [qw(RPUSH list new)], [qw(RPOP list)], [qw(LINSERT list BEFORE e100 new)],
	[qw(LREM list 1 new)], [qw(LTRIM list 1 -1)],
	[qw(ZADD zset 2500.5 m2500)], [qw(ZADD zset 1 new)], [qw(ZREM zset new)], [qw(ZINCRBY zset 1 m7)], [qw(ZPOPMIN zset)],
	[qw(XADD stream 9000-1 field new)], [qw(XDEL stream 9000-1)], [qw(XDEL stream 2500-1)], [qw(XTRIM stream MAXLEN 4000)]);
for my $case ([ 'of the same worker', $here ], [ 'of another worker', $there ])
{
	my ($who, $client) = @$case;

	fill($here);
	for my $words (@changes)
	{
		ok(!holds([ $words->[1] ], sub { isnt($client->call(@$words), undef, "@$words by a client $who") }), '… is noticed');
	}
}

fill($here);
for my $change ("kv.hset('hash', 'f2500', 'other')", "kv.hset('hash', 'new', 'x')", "kv.hdel('hash', 'new')", "kv.sadd('set', 'new')", "kv.srem('set', 'new')",
	"kv.lset('list', 2500, 'other')", "kv.rpush('list', 'new')", "kv.lrem('list', 1, 'new')", "kv.zadd('zset', 'm2500', 2500.5)",
	"kv.zadd('zset', 'new', 1)", "kv.zrem('zset', 'new')")
{
	my ($key) = $change =~ /\('(\w+)'/;

	ok(!holds([$key], sub { sql("SELECT $change") }), "$change is noticed");
}
ok(!holds([ 'hash', 'set' ], sub { sql("SELECT count(kv.hset('hash', 'g' || n, 'x')) FROM generate_series(1, 3000) n") }),
	'thousands of elements that SQL changes in one transaction are noticed');
ok(!holds(['list'], sub { sql("BEGIN; SELECT kv.lset('list', 7, 'x'); SAVEPOINT s; SELECT kv.rpush('list', 'y'); ROLLBACK TO s; COMMIT") }),
	'… and what is left of one with a savepoint');

# ---- and nothing else ----------------------------------------------------------------------------

# Of so many elements each would be a chance of one in 65,536 to look like a change of each key. Now and then one of the few other
# records that a copy writes does, so a case is tried again.
my @watched = map { "watched$_" } 1 .. 40;
$here->call('MSET', map { ($_, 1) } @watched);
fill($here);
for my $key (qw(hash set list zset stream))
{
	my %changes = (
		'a copy' => sub { $there->call('COPY', $key, 'copied', 'REPLACE') for 1 .. 8 },
		'its elements that go one by one' => sub {
			my @words =
				$key eq 'hash' ? ('HDEL', map { "f$_" } 1 .. 900)
			  : $key eq 'set' ? ('SREM', map { "m$_" } 1 .. 900)
			  : $key eq 'list' ? ('LPOP', 900)
			  : $key eq 'zset' ? ('ZPOPMIN', 900)
			  : ('XTRIM', 'MAXLEN', 100);
			for (1 .. 8)
			{
				$there->call('COPY', $key, 'copied', 'REPLACE');
				$there->call($words[0], 'copied', @words[ 1 .. $#words ]);
			}
		});
	for my $what (sort keys %changes)
	{
		my $held = 0;

		for (1 .. 3)
		{
			$held = holds(\@watched, $changes{$what});
			last if $held;
		}
		ok($held, "$what of a large $key is no change of other keys");
	}
}

done_testing();
