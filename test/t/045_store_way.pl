# SPDX-License-Identifier: PostgreSQL
#
# 045_store_way.pl: whoever is on the way to a leaf, and finds that its page has become one far to the left, begins
# again at the root. To go on to the right would lead there, too, over every leaf in between.
#
# Seen to fail: tree_descend() that goes to the right wherever the key is above the page, as one would after a split.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = watched_node('way');
sub sql { return $node->safe_psql('postgres', $_[0]); }
sql("SELECT store_test.make('way', true)");

# 800 leaves below two levels: record i stands before record i + 1.
my $RECORDS = 30_000;
my $id = q{(lpad(to_hex(i), 8, '0') || repeat('0', 24))::uuid};
sub lock_and
{
	my ($function, $from, $to) = @_;
	return "SELECT count(store_test.lock('way', $id, false, true)), count(store_test.$function)
		FROM generate_series($from, $to) i";
}
sub put { return sql(lock_and("put('way', $id, 1, 0, i, 200)", @_)); }
sub del { my $session = shift; return $session->ask(lock_and("del('way', $id)", @_) . "; SELECT store_test.tidy('way')"); }

put(1, $RECORDS);
my $session = PgfirstStore::Session->new($node);
my $wanted = 25_000;
my $read = "SELECT left(store_test.get('way', i), 20) FROM (SELECT $id FROM (VALUES ($wanted)) v(i)) w(i)";
my $record = sql($read);

# What the buffers are that a query touches, in a session that knows no leaf.
my $explain = "EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) $read";
sub hits { return $_[0] =~ /shared hit=(\d+)/ ? $1 : die $_[0]; }
my $new = PgfirstStore::Session->new($node);
my $direct = hits($new->ask($explain));

# Another one stands before that of the record, having read the page above.
my $reader = PgfirstStore::Session->new($node);
store_arm($node, 'hold', point => 'before a child', passes => 1, who => 'client backend');
$reader->send($explain);
wait_until('the reader stands', sub { return sql('SELECT store_test.held()') != 0; });

# All leaves around it go, what was on it moves to the left, and the pages are used again for what comes first: those
# that were given up last are taken first.
del($session, 20_000, $wanted - 1);
del($session, $wanted + 1, $RECORDS);
sql(lock_and("put('way', (lpad(to_hex(i), 8, '0') || repeat('1', 24))::uuid, 1, 0, i, 200)", 1, 15_000));

store_arm($node, 'nothing');
my $hits = hits($reader->answer);
cmp_ok($hits, '>', $direct, 'a page on the way has become another one');
cmp_ok($hits, '<', 50, 'whoever was on the way does not go over the leaves in between');
is($reader->ask($read), $record, '… and finds the record');
$_->end for $new, $reader, $session;
$node->stop;
done_testing();
