# SPDX-License-Identifier: PostgreSQL
#
# 042_vacuum.pl: VACUUM of a store: what it settles, up to where it freezes, when it has nothing to do,
# and that it misses no writer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = pgfirst_node('vacuum', conf => <<CONF);
autovacuum = off
wal_consistency_checking = 'all'
max_prepared_transactions = 2
CONF
$node->safe_psql('postgres', 'CREATE EXTENSION pgfirst_store_test');

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub session { return $node->background_psql('postgres', timeout => 120); }

# A store that no upkeep looks after, so that only VACUUM settles it.
sql("CREATE TABLE rows (LIKE kv.database_0) USING pgfirst_store");
sub keys_sql { return "SELECT 0, convert_to('$_[0]' || i, 'UTF8'), 1, 1, 'string', NULL, repeat('v', 100)::bytea"
	. " FROM generate_series(1, $_[1]) i"; }

# Vacuums and returns (records, dead versions removed, changes under way).
sub vacuum
{
	my ($table, $options) = @_;
	my ($code, $out, $error) = $node->psql('postgres', "VACUUM (VERBOSE" . ($options // '') . ") $table");

	is($code, 0, "VACUUM of $table") or diag $error;
	return ($1, $2, $3)
	  if $error =~ /: (\d+) records, (\d+) dead versions removed\nDETAIL:\s+(\d+) changes are under way/;
	return ("what it said was: $error");
}

sub frozen_age { return sql("SELECT age(relfrozenxid) FROM pg_class WHERE oid = '$_[0]'::regclass"); }
sub burn { sql(join '', map { 'SELECT pg_current_xact_id();' } 1 .. $_[0]); }

# ---- what it settles -----------------------------------------------------------------------------

is_deeply([ vacuum('rows') ], [ 0, 0, 0 ], 'an empty store');
# Seen to fail: pgfirst_versions_dead() without aborted tags.
$node->psql('postgres', "BEGIN; INSERT INTO rows " . keys_sql('gone', 300) . "; ROLLBACK");
is_deeply([ vacuum('rows') ], [ 0, 300, 0 ], 'what was rolled back after it had gone to the pages');
is_deeply([ vacuum('rows') ], [ 0, 0, 0 ], '… is gone');
sql("INSERT INTO rows " . keys_sql('key', 1000));
is_deeply([ vacuum('rows') ], [ 1000, 0, 0 ], 'what was committed stays');
is(sql('SELECT count(*) FROM rows'), 1000, '… all of it');
is(sql("SELECT reltuples FROM pg_class WHERE relname = 'rows'"), 1000, '… and is counted');
is(sql("SELECT n_live_tup, n_dead_tup FROM pg_stat_all_tables WHERE relname = 'rows'"), '1000|0',
	'… for the statistics too');

my $open = session();
$open->query_safe("BEGIN; INSERT INTO rows " . keys_sql('open', 10));
is_deeply([ vacuum('rows') ], [ 1000, 0, 10 ], 'what is under way is left alone');
is($open->query_safe("COMMIT; SELECT count(*) FROM rows"), 1010, '… and commits');
is_deeply([ vacuum('rows') ], [ 1010, 0, 0 ], '… and is settled then');

# ---- nothing to do ---------------------------------------------------------------------------------

sub wal { return sql('SELECT pg_current_wal_insert_lsn()'); }
sub tags { return sql("SELECT get_byte(pg_read_binary_file(pg_relation_filepath('rows'), 44, 1), 0)"); }
sql('CHECKPOINT');
is(tags(), 0, 'the store says that no page has a tag');
my $reads = "SELECT sum(heap_blks_read + heap_blks_hit) FROM pg_statio_all_tables WHERE relname = 'rows'";
sql('SELECT pg_stat_force_next_flush()');
my $before = sql($reads);
vacuum('rows');
sql('SELECT pg_stat_force_next_flush()');
# Seen to fail: VACUUM that does not look at the word in the meta page.
cmp_ok(sql($reads) - $before, '<', 10, 'VACUUM of an unchanged store reads its first page and no leaves');
is((vacuum('rows', ', DISABLE_PAGE_SKIPPING'))[0], 1010, '… unless it is told to');

# ---- a writer that VACUUM has not seen ---------------------------------------------------------------

# It looks at the word, which says that pages may have tags, and stops before it tags any.  VACUUM
# goes through all leaves and finds none.  It must not conclude that there are none.
# Seen to fail: writers_are_new() that returns true.
sql("SELECT store_test.make('late', true)");
my $id = '80000000-0000-0000-0000-000000000001';
sql("SELECT store_test.put('late', '$id', 50, 0, 1, 100)");
# Three parts, so that the first thing that the writer needs is another page.
sql("SELECT store_test.put('late', '90000000-0000-0000-0000-000000000001', 50, 0, 1, 6000)");
my $holder = session();
$holder->query_safe('SELECT pg_advisory_lock(77)');
my $writer = session();
$writer->query_safe("SELECT store_test.stop_at('before an extension', 77)");
$writer->query_safe("BEGIN; SELECT store_test.put('late', '$id', 50, 0, 2, 100);"
	. " SELECT store_test.put('late', '70000000-0000-0000-0000-000000000001', 50, 0, 3, 200000)");
$writer->query_until(qr/begun/, "\\echo begun\nCOMMIT;\n\\echo done\n");
wait_until('the writer has looked', sub {
	sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 77"); });
is_deeply([ vacuum('late') ], [ 2, 0, 0 ], 'VACUUM while a writer is about to tag');
$holder->query_safe('SELECT pg_advisory_unlock(77)');
$writer->query_until(qr/done/, '');
is_deeply([ vacuum('late') ], [ 3, 1, 0 ], '… and the next one settles what it has tagged');
is_deeply([ vacuum('late') ], [ 3, 0, 0 ], '… so that nothing is left');

# ---- how far it freezes ----------------------------------------------------------------------------

# Seen to fail: OldestXmin instead of the oldest running transaction.
my $snapshot = session();
$snapshot->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
burn(300);
sql("INSERT INTO rows " . keys_sql('later', 1));
cmp_ok(frozen_age('rows'), '>', 300, 'transactions have gone by');
vacuum('rows');
cmp_ok(frozen_age('rows'), '<', 20, 'an old snapshot does not hold freezing back');
$snapshot->query_safe('COMMIT');

# Seen to fail: the next transaction's id instead of the oldest that is running.
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
my $elsewhere = $node->background_psql('elsewhere', timeout => 120);
my $running = $elsewhere->query_safe('BEGIN; SELECT pg_current_xact_id()');
burn(300);
vacuum('rows', ', FREEZE');
is(sql("SELECT relfrozenxid FROM pg_class WHERE relname = 'rows'"), $running,
	'a transaction that runs in another database does');
$elsewhere->query_safe('COMMIT');
sql("BEGIN; CREATE TABLE other(a int); PREPARE TRANSACTION 'p'");
burn(10);
vacuum('rows');
cmp_ok(frozen_age('rows'), '>=', 10, 'and one that is prepared');
sql("ROLLBACK PREPARED 'p'");
vacuum('rows');
cmp_ok(frozen_age('rows'), '<', 10, '… until it has ended');
burn(50);
vacuum('rows');
cmp_ok(frozen_age('rows'), '<', 10, 'a store without tags freezes as well');
is(sql("SELECT mxid_age(relminmxid) FROM pg_class WHERE relname = 'rows'"), 0, 'multixacts too');

# ---- VACUUM beside writers -------------------------------------------------------------------------

my $redis = redis($node);
my @writers = map { my $n = $_; my $s = session();
	$s->query_until(qr/begun/, "\\echo begun\n" . join('', map {
		"BEGIN; SELECT kv.set('w$n:' || i % 97, 'v$_') FROM generate_series(1, 50) i; "
		. ($_ % 3 ? 'COMMIT' : 'ROLLBACK') . ";\n" } 1 .. 200) . "\\echo done\n"); $s } 1 .. 3;
my $rounds = 0;
for (1 .. 30)
{
	$node->safe_psql('postgres', 'VACUUM kv.database_0');
	$redis->call('SET', "r:$_", $_);
	$rounds++;
}
$_->query_until(qr/done/, '') for @writers;
is($rounds, 30, 'VACUUM beside writers');
is(sql("SELECT count(*) FROM kv.keys WHERE key LIKE 'r:%' AND kv.get_text(key) = substr(key, 3)"), 30,
	'… loses nothing of the door');
is(sql("SELECT count(*), min(kv.get_text(key)), max(kv.get_text(key)) FROM kv.keys WHERE key LIKE 'w%'"),
	'150|v200|v200', '… nor of SQL');
is($redis->call('DBSIZE'), 180, '… and counts nothing twice');
is(sql("SELECT string_agg(problem, '; ') FROM kv.check(0)"), '', '… and leaves sound pages');
$_->quit for @writers;

# ---- autovacuum for wraparound ------------------------------------------------------------------------

$_->quit for $open, $holder, $writer, $snapshot, $elsewhere;
$node->append_conf('postgresql.conf', "autovacuum = on\nautovacuum_freeze_max_age = 100000\n"
	. "autovacuum_naptime = 1s");
$node->restart;
wait_for_door($node);
sql('CREATE TEMP TABLE t(a int);
	DO $$ BEGIN FOR i IN 1 .. 110000 LOOP
		BEGIN INSERT INTO t VALUES (1); EXCEPTION WHEN division_by_zero THEN NULL; END;
	END LOOP; END $$');
wait_until('autovacuum freezes every store', sub {
	return sql("SELECT max(age(relfrozenxid)) < 100000 FROM pg_class c JOIN pg_am a ON a.oid = c.relam"
		. " WHERE a.amname = 'pgfirst_store'") eq 't'; }, 120);
pass('autovacuum freezes stores');
is(redis($node)->call('GET', 'r:7'), '7', '… and everything is there');

$node->stop;
done_testing();
