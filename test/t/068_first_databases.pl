# SPDX-License-Identifier: PostgreSQL
#
# 068_first_databases.pl: the Redis door makes those of databases 0 to 3 that were never made, whatever else there
# is, and none that somebody has dropped; nor do these come back by a dump.
#
# Seen to fail: make_first_databases() that looks whether there is any database (0 to 3 never come); drop_database
# that writes nothing to `dropped` (2 comes back); `dropped` that is no table of configuration (2 comes with the dump);
# make_first_databases() without kv_catalog_lock() (upkeep waits for SQL, and evicts and sweeps nothing meanwhile);
# kv_process_connect() without its search_path (somebody else's operators run with upkeep's rights).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = pgfirst_node('first', extension => 0);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub databases
{
	my ($where) = @_;
	return ($where // $node)->safe_psql('postgres', "SELECT string_agg(number::text, ' ' ORDER BY number) FROM kv.database");
}

sub become
{
	my ($expected, $name, $where) = @_;
	wait_until("databases $expected", sub { return databases($where) eq $expected; });
	is(databases($where), $expected, $name);
}

# ---- with operators of somebody's own --------------------------------------------------------

# Who owns the database may say what "=" means in it, and upkeep may do everything.
$node->safe_psql('postgres', <<'SQL');
CREATE SCHEMA own;
CREATE TABLE own.ran (process text);
CREATE FUNCTION own.same(int, int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO own.ran SELECT a.backend_type FROM pg_catalog.pg_stat_activity a
		WHERE a.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid();
	RETURN $1 OPERATOR(pg_catalog.=) $2;
END $$;
CREATE OPERATOR own.= (LEFTARG = int, RIGHTARG = int, FUNCTION = own.same);
ALTER DATABASE postgres SET search_path = own, pg_catalog;
SQL
$node->restart;
$node->safe_psql('postgres', 'SELECT 1 = 1');
$node->safe_psql('postgres', 'CREATE EXTENSION pgfirst CASCADE');
become('0 1 2 3', 'the first databases are made');
looked('2 3');
is(sql("SELECT string_agg(DISTINCT r.process, ' ') FROM own.ran r"), 'client backend', '… and nobody else has said what is done then');
sql('ALTER DATABASE postgres RESET search_path');
$node->restart;
sql('DROP EXTENSION pgfirst_kv CASCADE; DROP SCHEMA kv CASCADE; DROP EXTENSION IF EXISTS pgfirst CASCADE; DROP EXTENSION IF EXISTS pgfirst_store CASCADE');

# ---- whatever else there is ------------------------------------------------------------------

# In one transaction with the extension: the door has made none yet.
$node->safe_psql('postgres', 'BEGIN; CREATE EXTENSION pgfirst CASCADE; SELECT kv.create_database(5); COMMIT');
become('0 1 2 3 5', 'a database that somebody has made first keeps none of the others from being made');
sql("CREATE ROLE app LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA kv TO app; SELECT kv.grant('app', NULL, 'admin')");
wait_for_door($node);
is(redis($node)->call('SET', 'k', 'v'), 'OK', '… and the door serves them');

# ---- what was dropped ------------------------------------------------------------------------

# Upkeep has looked when it has made what nobody has dropped, but who may write the tables has taken away.
sub looked
{
	my ($rest) = @_;
	sql('DELETE FROM kv.database WHERE number = 1');
	become("0 1 $rest", '… when the door has looked again');
}

sql('SELECT kv.drop_database(2)');
looked('3 5');
$node->restart;
looked('3 5');
sql('SELECT kv.create_database(2)');
is(databases(), '0 1 2 3 5', 'who wants it again makes it');
is(sql('SELECT count(*) FROM kv.dropped'), '0', '… and it counts as dropped no more');
sql('BEGIN; SELECT kv.drop_database(2), kv.drop_database(3); ROLLBACK');
is(sql('SELECT count(*) FROM kv.dropped'), '0', 'nor does one whose dropping was rolled back');
sql('SELECT kv.drop_database(2)');

# Before the door has made it: then it never does.
$node->safe_psql('postgres', 'DROP EXTENSION pgfirst_kv CASCADE; DROP SCHEMA kv CASCADE');
$node->safe_psql('postgres', <<'SQL');
BEGIN; CREATE EXTENSION pgfirst CASCADE;
SELECT kv.create_database(2); SELECT kv.drop_database(2); COMMIT
SQL
become('0 1 3', 'one that was dropped before the door has looked for the first time');

# ---- nobody is waited for --------------------------------------------------------------------

{
	my $session = PgfirstStore::Session->new($node);

	$session->ask('BEGIN; LOCK TABLE kv.database IN ROW EXCLUSIVE MODE');
	sql('SELECT kv.drop_database(0); DELETE FROM kv.dropped WHERE number = 0; TRUNCATE kv.database_3');
	$session->ask('SELECT kv.create_database(0)');
	wait_until('upkeep has looked, and counted', sub { return sql('SELECT count(keys) FROM kv.databases WHERE db = 3') eq '1'; });
	pass('upkeep does not wait for who makes a database');
	$session->ask('COMMIT');
	become('0 1 3', '… whose it is then');
	$session->end;
}

# ---- a dump ----------------------------------------------------------------------------------

sql('SELECT kv.drop_database(3)');
my $file = $node->basedir . '/first.dump';
command_ok([ 'pg_dump', '-Fc', '-f', $file, $node->connstr('postgres') ], 'pg_dump');
my $other = pgfirst_node('other', extension => 0);
$other->safe_psql('postgres', 'CREATE ROLE app');
command_ok([ 'pg_restore', '--single-transaction', '-d', $other->connstr('postgres'), $file ], 'restored under another door');
$other->safe_psql('postgres', 'DELETE FROM kv.database WHERE number = 1');
become('0 1', '… which makes what nobody has dropped, and no more', $other);

$_->stop for $node, $other;
done_testing();
