# SPDX-License-Identifier: PostgreSQL
#
# 045_store_large.pl: a store with a thousand times more pages than there are buffers for, beyond the
# first gigabyte, where PostgreSQL begins another file; ids that differ in the last bit; many
# records read while others write them.
#
# Seen to fail: store_key_compare() that does not look at the last bit (records are lost, others come
# twice); pgfirst_large_read() that leaves out the last parts (other sums); pgfirst_leaf_lock_at() that takes
# whatever leaf has the number of the next one by now (a walk leaves records out).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = watched_node('large', conf => <<CONF);
fsync = off
shared_buffers = 1MB
max_wal_size = 8GB
checkpoint_timeout = 1h
CONF
sub sql { return $node->safe_psql('postgres', $_[0]); }
sql("SELECT store_test.make('$_', " . ($_ =~ /^v/ ? 'false' : 'true') . ')') for qw(vast near busy);

# ---- ids that differ in the last bit ----------------------------------------------------------------------

# The first half is the same for all, so they share a lock; the last bit is the only difference of
# each pair.
my $id = q{('c0ffee00-c0ff-ee00-8000-' || lpad(to_hex(i), 12, '0'))::uuid};
is( sql("BEGIN; SELECT count(store_test.lock('near', $id, true, true)) FROM generate_series(0, 4999) i;
		SELECT count(store_test.put('near', $id, i % 100, i, i, i % 300)) FROM generate_series(0, 4999) i;
		COMMIT"),
	"5000\n5000", 'ids that differ in the last bit');
my $all = 'SELECT count(*), count(DISTINCT id), bool_and(id > before OR before IS NULL) FROM '
  . "(SELECT id, lag(id) OVER () AS before FROM store_test.walk('near')) w";
is(sql($all), '5000|5000|t', '… are all there, in order');
is( sql("SELECT count(*) FROM generate_series(0, 4999) i
		WHERE store_test.get('near', $id) LIKE i % 100 || ',' || i || ',' || i % 300 || ',%'"),
	5000, '… each as itself');
sql("SELECT count(store_test.lock('near', $id, true, true)), count(store_test.del('near', $id))
	FROM generate_series(0, 4999, 2) i");
is(sql($all), '2500|2500|t', '… of which every second one is deleted');
is( sql("SELECT count(store_test.get('near', $id)), sum(i) FILTER (WHERE store_test.get('near', $id) IS NOT NULL)
		FROM generate_series(0, 4999) i"),
	'2500|6250000', '… and no other');

# ---- beyond a gigabyte ---------------------------------------------------------------------------------------

my $began = time;
for my $number (1 .. 12)
{
	my $large = sprintf('%08x-0000-0000-0000-000000000000', $number * 0x11111111);
	sql("BEGIN; SELECT store_test.lock('vast', '$large');
		SELECT store_test.put('vast', '$large', 1, $number, " . $number % 3 . ', 95000000); COMMIT');
}
my $size = sql("SELECT pg_relation_size('vast')");
cmp_ok($size, '>', 1_100_000_000, 'a store of more than a gigabyte');
ok(-e $node->data_dir . '/' . sql("SELECT pg_relation_filepath('vast')") . '.1', '… in two files');
is( sql("SELECT count(*), count(DISTINCT split_part(record, ',', 4)), sum(split_part(record, ',', 3)::bigint)
		FROM store_test.walk('vast')"),
	'12|3|1140000000', '… is read, through buffers for a thousandth of it, as it was written');
note sprintf('%.1f s', time - $began);
is( sql("SELECT count(store_test.lock('vast', id)), count(store_test.del('vast', id)) FROM store_test.walk('vast', NULL, 0)
		WHERE record NOT LIKE '1,12,%'"),
	'11|11', 'what is deleted');
$began = time;
sql("SELECT store_test.tidy('vast')");
sql("BEGIN; SELECT store_test.lock('vast', '01000000-0000-0000-0000-000000000000');
	SELECT store_test.put('vast', '01000000-0000-0000-0000-000000000000', 1, 13, 0, 95000000); COMMIT");
is(sql("SELECT pg_relation_size('vast')"), $size, '… gives its pages back to the store');
is( sql("SELECT count(*), count(DISTINCT split_part(record, ',', 4)) FROM store_test.walk('vast')"),
	'2|1', '… on both sides of the border');
note sprintf('%.1f s', time - $began);
is(sql("SELECT store_test.check('vast') || store_test.check('near')"), '', 'stores that are sound');

# ---- many records, while others write ----------------------------------------------------------------------

# Those with an odd number are never touched; those with an even one come and go, so that leaves are split and
# merged below whoever reads.
my $spread = q{(md5(i::text))::uuid};
sql("SELECT count(store_test.lock('busy', $spread, false, true)),
	count(store_test.put('busy', $spread, 1, i, i, 200)) FROM generate_series(1, 20000) i");
my $still = sql("SELECT count(*), md5(string_agg(record, ' ' ORDER BY id))
	FROM store_test.walk('busy') WHERE split_part(record, ',', 2)::int % 2 = 1");

# A walk that rests between two leaves, until most of what is to its right has been deleted, merged and
# used again.
my $walker = PgfirstStore::Session->new($node);
for my $passes (5, 60, 200)
{
	store_arm($node, 'hold', point => 'before a leaf of a walk', passes => $passes);
	$walker->send("SELECT count(*), md5(string_agg(record, ' ' ORDER BY id))
		FROM store_test.walk('busy') WHERE split_part(record, ',', 2)::int % 2 = 1");
	wait_until('a walk rests', sub { return sql('SELECT store_test.held()') != 0; });
	sql("SELECT count(store_test.lock('busy', $spread, false, true)), count(store_test.del('busy', $spread))
		FROM generate_series(2, 20000, 2) i");
	sql("SELECT store_test.tidy('busy')");
	sql("SELECT count(store_test.lock('busy', $spread, false, true)),
		count(store_test.put('busy', $spread, 1, i, i, 200)) FROM generate_series(2, 20000, 2) i");
	store_arm($node, 'nothing');
	is($walker->answer, $still, "a walk that rests after $passes leaves finds all when it goes on");
}
$walker->end;
my $stop = PostgreSQL::Test::Utils::tempdir . '/stop';
my $writer = fork // die $!;
if ($writer == 0)
{
	my $session = PgfirstStore::Session->new($node);
	my $rounds = 0;
	while (!-e $stop)
	{
		my $from = 2 * (1 + int rand 9000);
		for my $what ("del('busy', $spread)", "put('busy', $spread, 1, i, i, 200)")
		{
			my $answer = $session->ask("SELECT count(store_test.lock('busy', $spread, false, true)), "
				  . "count(store_test.$what) FROM generate_series($from, " . ($from + 1600) . ', 2) i');
			POSIX::_exit(1) if $answer !~ /^801\|/;
			$session->ask("SELECT store_test.tidy('busy')");
		}
		$rounds++;
	}
	POSIX::_exit($rounds > 2 ? 0 : 2);
}
my ($wrong, $walks) = ('', 0);
$began = time;
while ($wrong eq '' && time < $began + 5)
{
	my $now = sql("SELECT count(*), md5(string_agg(record, ' ' ORDER BY id))
		FROM store_test.walk('busy') WHERE split_part(record, ',', 2)::int % 2 = 1");
	$wrong = "a walk finds $now instead of $still" if $now ne $still;
	my $twice = sql("SELECT count(*) - count(DISTINCT id) FROM store_test.walk('busy', NULL, 0)");
	$wrong = "a walk finds $twice records twice" if $twice != 0;
	my $read = sql("SELECT count(store_test.get('busy', $spread)) FROM generate_series(1, 20000, 2) i");
	$wrong = "$read of 10000 are read" if $read != 10_000;
	$walks++;
}
append_to_file($stop, '');
waitpid $writer, 0;
is($?, 0, 'somebody writes');
is($wrong, '', '… while others read what nobody touches');
cmp_ok($walks, '>', 2, '… several times');
is(sql("SELECT store_test.check('busy')"), '', '… in a sound store');

$node->stop;
done_testing();
