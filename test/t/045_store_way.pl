# SPDX-License-Identifier: PostgreSQL
#
# 045_store_way.pl: whoever is on the way to a leaf, and finds that its page has become one far to the left, begins
# again at the root. To go on to the right would lead there, too, over every leaf in between. And who has been to a leaf
# before goes straight to it, also where thousands of records have ids that begin with the same eight bytes.
#
# Seen to fail: tree_descend() that goes to the right wherever the key is above the page, as one would after a split;
# pgfirst_hint_learn() that makes no runs (4 pages for each record of one); run_replace() that does not move what is behind; a
# directory that begins anew with each 50th leaf (RUN_LEAVES_MAX); runs made for whatever has two leaves, and then not in
# the table (3.5 pages for each record of many small ones).

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

# ---- ids that begin alike ----------------------------------------------------------------------

# Six runs of 3,500 records, a hundred leaves each; what a session needs to know is learned by a first look at everything.
my $RUN = 3_500;
sub run_id { return "('f" . $_[0] . "cdefabcdefabcd' || lpad(to_hex(i), 16, '0'))::uuid"; }
sub run_put
{
	my ($run, $from, $to, $length) = @_;
	my $of = run_id($run);
	return sql("SELECT count(store_test.lock('way', $of, false, true)), count(store_test.put('way', $of, 1, 0, i, $length))
		FROM generate_series($from, $to) i");
}
run_put($_, 1, $RUN, 200) for 0 .. 5;
my $looker = PgfirstStore::Session->new($node);
# Pages touched by reading each third record of a run, in no order, for each of them.
sub pages_each
{
	my ($run) = @_;
	my $reads = "SELECT store_test.get('way', @{[ run_id($run) ]}) FROM
		(SELECT i FROM generate_series(1, $RUN, 3) i ORDER BY i * 1009 % $RUN) n";
	return hits($looker->ask($explain =~ s/SELECT .*/$reads/sr)) / ($RUN / 3);
}
pages_each($_) for 0 .. 3;
cmp_ok(pages_each($_), '<', 1.2, "run $_: one page for each record") for 0 .. 3;

# A fifth and a sixth run in the place of others: what is forgotten is found from the root, and learned again.
pages_each($_) for 4, 5, 4, 5;
cmp_ok(pages_each($_), '<', 1.2, "run $_: the same") for 4, 5;
pages_each(0);
cmp_ok(pages_each(0), '<', 1.2, 'run 0: the same again');

# Many runs that lie on two or three leaves each, more than are remembered by their own: one page, or the one beside it.
sql("SELECT count(store_test.lock('way', id, false, true)), count(store_test.put('way', id, 1, 0, 1, 200)) FROM (SELECT
	(substr(md5(r::text), 1, 16) || lpad(to_hex(i), 16, '0'))::uuid FROM generate_series(1, 300) r, generate_series(1, 60) i) n(id)");
my $mixed = "SELECT store_test.get('way', (substr(md5(r::text), 1, 16) || lpad(to_hex(i), 16, '0'))::uuid) FROM
	(SELECT r, i FROM generate_series(1, 300) r, generate_series(1, 60, 7) i ORDER BY (r * 7 + i) * 1009 % 3001) n";
hits($looker->ask($explain =~ s/SELECT .*/$mixed/sr)) for 1 .. 2;
cmp_ok(hits($looker->ask($explain =~ s/SELECT .*/$mixed/sr)) / 2700, '<', 3, 'many small runs: few pages for each record');

# Leaves are split, and emptied, by others.
run_put(0, 1, $RUN, 900);
pages_each(0);
cmp_ok(pages_each(0), '<', 1.2, 'run 0 with larger records: the same');
sql("SELECT count(store_test.lock('way', @{[ run_id(0) ]}, false, true)), count(store_test.del('way', @{[ run_id(0) ]})) FROM generate_series(1, $RUN) i WHERE i % 40 <> 1");
sql("SELECT store_test.tidy('way')");
my $some = "SELECT count(*), sum(length(store_test.get('way', @{[ run_id(0) ]}))) FROM generate_series(1, $RUN, 40) i";
is($looker->ask($some), sql($some), 'run 0 with few records: found');
pages_each(0);
cmp_ok(pages_each(0), '<', 1.2, '… the same');
$_->end for $new, $reader, $session, $looker;
$node->stop;
done_testing();
