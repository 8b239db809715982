# SPDX-License-Identifier: PostgreSQL
#
# 038_store_garbage.pl: the parts of large values that have been replaced are deleted, and those of
# others are not, whatever happens to the table's file meanwhile.
#
# Seen to fail: garbage that names the relation and not the file, with incarnations that begin at 1 in
# each (52 of 60 values were gone after the rollback); pgfirst_parts_delete() that stops at the end of
# the first leaf (the file grows with every value that is replaced).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = pgfirst_node('garbage');
my $redis = redis($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub value { return "$_[0]/" x 4000; }

sub set_all
{
	my ($prefix, $count) = @_;
	$redis->call('SET', "$prefix$_", value("$prefix$_")) eq 'OK' or die for 1 .. $count;
	return;
}

sub lost
{
	my ($prefix, $count) = @_;
	return scalar grep { ($redis->call('GET', "$prefix$_") // '') ne value("$prefix$_") } 1 .. $count;
}

sub sound { return is(sql('SELECT count(*) FROM kv.check()'), '0', $_[0]); }

# Until what was queued has been dealt with: the garbage of the database is what its pages hold at most.
sub quiet
{
	my $before = -1;
	wait_until('nothing more is cleared away', sub {
		my $now = sql('SELECT garbage_bytes FROM kv.space WHERE db = 0');
		my $same = $now == $before;
		$before = $now;
		sleep 1 if !$same;
		return $same;
	});
	return;
}

# ---- replaced, again and again ---------------------------------------------------------------

set_all('r', 40) for 1 .. 10;
quiet();
my ($live, $file) = split /\|/, sql('SELECT live_bytes, bytes FROM kv.space WHERE db = 0');
cmp_ok($file, '<', 4 * $live, 'ten times replaced, the file is no ten times as large');
is(lost('r', 40), 0, 'and everything is there');
sound('and sound');

# ---- a file that comes back -------------------------------------------------------------------

my $copy = $node->basedir . '/copy';
sql("COPY kv.database_0 TO '$copy'");
sql('TRUNCATE kv.database_0');
set_all('b', 60);
sql("BEGIN; TRUNCATE kv.database_0; COPY kv.database_0 FROM '$copy'; ROLLBACK");
set_all('x', 3);
quiet();
is(lost('b', 60), 0, 'a TRUNCATE and a COPY that are rolled back take nothing with them');
sound('and the store is sound');

# ---- a file that does not ------------------------------------------------------------------------

set_all('k', 40) for 1 .. 2;
sql('TRUNCATE kv.database_0');
set_all('n', 80);
quiet();
is(lost('n', 80), 0, 'what was queued before a TRUNCATE touches nothing after it');
sound('nor the store');

sql("SELECT kv.set('n' || i, 'short') FROM generate_series(1, 40) i");
sql("BEGIN; SAVEPOINT s; TRUNCATE kv.database_0; COPY kv.database_0 FROM '$copy'; ROLLBACK TO s; COMMIT");
quiet();
is($redis->call('GET', 'n40'), 'short', 'a savepoint takes its TRUNCATE back');
is(lost('r', 1), 1, 'and its rows');
is(scalar(grep { $redis->call('GET', "n$_") ne value("n$_") } 41 .. 80), 0, 'and touches nothing else');
sound('and leaves it sound');

$node->stop;
done_testing();
