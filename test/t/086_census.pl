# SPDX-License-Identifier: PostgreSQL
#
# 086_census.pl: keys are counted beside whoever changes them, and who counts does not wait for a transaction that
# goes on for long: it has other things to do.
#
# Seen to fail: a census that waits for each transaction (nothing is swept); one that passes by its tags (counted too early).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use Test::More;

my $node = watched_node('census');
my $redis = redis($node);
my $count = 20_000;

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub rows
{
	my ($name) = @_;

	return "INSERT INTO kv.database_0 SELECT 0, convert_to('$name' || i, 'UTF8'), 1, 1, 'string', NULL, '\\x61'"
	  . " FROM generate_series(1, 200) i";
}

sql("SELECT count(kv.set('key' || i, 'v')) FROM generate_series(1, $count) i");
is($redis->call('DBSIZE'), $count, 'keys are counted');

# A table that has been written anew is counted anew.
store_arm($node, 'hold', point => 'a leaf is counted', passes => 3, who => 'pgfirst upkeep');
sql('VACUUM FULL kv.database_0');
wait_until('the census is under way', sub { return sql('SELECT store_test.held()') != 0; });
my $loads = PgfirstStore::Session->new($node);
$loads->ask('BEGIN; ' . rows('committed'));
my $aborts = PgfirstStore::Session->new($node);
$aborts->ask('BEGIN; ' . rows('aborted'));
store_arm($node, 'raise', times => -1, who => 'nobody');

# Meanwhile upkeep does what it has to do elsewhere.
my $other = redis($node);
$other->call('SELECT', 1);
$other->call('SET', "other$_", 'o') for 1 .. 100;
$other->call('FLUSHDB');
wait_until('what was flushed is swept', sub { return sql('SELECT records FROM kv.space WHERE db = 1') <= 1; });
pass('beside a transaction that has changed pages and goes on, the other databases are kept in order');
is(sql('SELECT keys IS NULL FROM kv.databases WHERE db = 0'), 't', '… and its own is not counted yet');
$aborts->ask('ROLLBACK');
$loads->ask('COMMIT');
wait_until('the keys are counted', sub { return sql('SELECT keys IS NOT NULL FROM kv.databases WHERE db = 0') eq 't'; });
is($redis->call('DBSIZE'), $count + 200, '… before it has ended');
$_->end for $loads, $aborts;

done_testing();
