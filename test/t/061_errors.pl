# SPDX-License-Identifier: PostgreSQL
#
# 061_errors.pl: docs/errors.md and the sources know the same errors, in both directions, and a good number of them are
# met: text and SQLSTATE are those of the page's row.
#
# What is wrong with an argument needs no row: SQLSTATEs of class 22, and the door's errors at the end of this file. The
# page says so. An error that is neither there nor in the page fails the test, and so does a row that no error has.
#
# Seen to fail: an error, a RAISE, a line of the log or a reply of the door reworded; another code of the door, another
# SQLSTATE, another exit code, in the sources or in the page; a new ereport() and a new reply without a row; a row that is
# dropped; ACL that does not ask whether the extension is there, PREPARE TRANSACTION that is not refused.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstErrors;
use PgfirstTest;
use Test::More;

# What Test::More prints is bytes here.
sub shown
{
	my ($text) = @_;

	$text =~ s/\x01/…/g;
	utf8::encode($text);
	return $text;
}

chomp(my $share = `pg_config --sharedir`);
my @sql = sql_errors($share);
my @door = door_errors();
my $hole = HOLE;

# The rows whose texts say this.
sub rows_for
{
	my ($error, @rows) = @_;

	return grep { grep { says($_, $error) } @{ $_->{texts} } } @rows;
}

# Each text of the rows is one of these errors.
sub all_there
{
	my ($name, $rows, @errors) = @_;
	my @gone = map { shown($_) } grep { my $text = $_; !grep { says($text, $_) } @errors } map { @{ $_->{texts} } } @$rows;

	is_deeply(\@gone, [], "$name: every text of the page stands in the sources");
}

# ---- the door --------------------------------------------------------------------------------

# Literals of the door that begin with a word in capitals and are no errors.
my %no_code = map { $_ => 1 } qw(CREATE DELETE GRANT JSON RESP SELECT);
# The memory error of Lua's library.
my @of_lua = ('ERR not enough memory script: x');

@door = grep { !$no_code{ $_->{code} } && $_->{text} !~ /^[A-Z]+ $hole+$/ } @door;
cmp_ok(scalar @door, '>', 200, 'the sources of the door are read');
my @rows = explained('Redis clients');
my @codes = grep { $_->{head} =~ /^code/ } @rows;
my @met = grep { $_->{head} =~ /^error/ } @rows;
my %sent = map { $_->{code} => 1 } @door;
is_deeply([ sort map { @{ $_->{texts} } } @codes ], [ sort keys %sent ], 'the page names exactly the codes that are sent');
all_there('Redis clients', \@met, @of_lua, map { $_->{text} } @door);

# What is Redis's own, or says what is wrong with a command's words, needs no row.
my @plain = grep { /\S/ } map { s/\R//r } <DATA>;
utf8::decode($_) for @plain;
is_deeply([ map { "$_->{at}: " . shown($_->{text}) }
	grep { my $text = $_->{text}; !rows_for($text, @met) && !grep { says($_, $text) } @plain } @door ], [],
	'every error of the door has a row, or is plain');
is_deeply([ map { shown($_) } grep { my $text = $_; !grep { says($text, $_->{text}) } @door } @plain ], [], 'and all plain ones are there');

# ---- SQL -------------------------------------------------------------------------------------

# What no SQL of a user's can raise.
my @inner = ('catalog_changed is a trigger function');

my @errors = grep { $_->{level} =~ /^(ERROR|WARNING)$/ && $_->{state} ne '' } @sql;
cmp_ok(scalar @errors, '>', 100, 'the sources of the library are read');
@rows = grep { $_->{head} =~ /^error/ } explained('SQL');
my @foreign = grep { my $row = $_; !grep { my $error = $_; grep { says($_, $error->{text}) } @{ $row->{texts} } } @errors } @rows;
my @own = grep { my $row = $_; !grep { $_ == $row } @foreign } @rows;
is_deeply([ map { shown($_) } grep { !/^(permission denied|cannot execute|canceling|deadlock|schema "kv")/ } map { @{ $_->{texts} } } @foreign ], [],
	'SQL: every row of the page is of an error in the sources, or of PostgreSQL');
all_there('SQL', \@own, map { $_->{text} } @errors);
my (@missing, @other);
for my $error (@errors)
{
	next if grep { $_ eq $error->{text} } @inner;
	my @here = rows_for($error->{text}, @own);
	push @missing, "$error->{at}: $error->{state} " . shown($error->{text}) if !@here && $error->{state} !~ /^22/;
	push @other, "$error->{at}: $error->{state} " . shown($error->{text}) . " is $_->{cells}[1] in the page"
	  for grep { $_->{cells}[1] ne $error->{state} } @here;
}
is_deeply(\@missing, [], 'SQL: every error has a row, but those of class 22');
is_deeply(\@other, [], 'SQL: and its SQLSTATE');

my @rows_of_sql = @rows;

# ---- the log ---------------------------------------------------------------------------------

# What is no error: what the door is doing, and what scripts write.
my @news = ("the Redis door listens at $hole$hole", "script: $hole", 'could not get random bytes');

my @logged = map { $_->{text} } grep { $_->{level} =~ /^(LOG|FATAL)$/ || ($_->{level} eq 'ERROR' && $_->{state} eq '') } @sql;
@rows = explained("The server's log");
all_there('the log', \@rows, @logged);
is_deeply([ map { shown($_) } grep { my $text = $_; !rows_for($text, @rows) && !grep { $_ eq $text } @news } @logged ], [],
	'the log: every error has a row');

# ---- the program -----------------------------------------------------------------------------

is_deeply([ map { $_->{cells}[0] } explained('The program') ], [ exit_codes() ], 'the program: its exit codes');

# ---- met at the door -------------------------------------------------------------------------

my $node = pgfirst_node('errors', extension => 0, conf => <<'CONF');
autovacuum = off
max_prepared_transactions = 1
pgfirst.redis_auth_delay = 0
pgfirst.redis_lock_timeout = '1s'
pgfirst.redis_script_timeout = '500ms'
pgfirst.redis_script_memory = '8MB'
CONF
my $loop = 'while true do end';

# The reply is an error that the page explains with this text, and nothing else in it is.
sub answers
{
	my ($reply, $text) = @_;
	my ($row) = grep { grep { $_ eq $text } @{ $_->{texts} } } @met;

	ok($row, shown("the page has: $text"));
	utf8::decode($reply);
	ok(says($text, $reply =~ s/^-//r), shown('… and the door says so')) or diag(shown($reply));
}

$node->safe_psql('postgres', "CREATE ROLE app LOGIN SUPERUSER PASSWORD 'secret'");
answers(redis($node)->call('GET', 'k'),
	'LOADING extension pgfirst_kv is not installed in database "…"; CREATE EXTENSION pgfirst CASCADE installs it');
answers(redis($node)->call('ACL', 'LIST'),
	'LOADING extension pgfirst_kv is not installed in database "…"; CREATE EXTENSION pgfirst CASCADE installs it');
$node->safe_psql('postgres', 'DROP ROLE app');
pgfirst_install($node);
wait_for_door($node);
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE stranger LOGIN PASSWORD 'secret';
CREATE ROLE outsider LOGIN PASSWORD 'secret';
GRANT USAGE ON SCHEMA kv TO stranger;
SELECT kv.revoke('public', NULL), kv.create_database(5), kv.configure(5, max_size => '1'), kv.grant('app', NULL, 'admin');
SELECT kv.set('held', 'v'), kv.rpush('list', 'x'), cache.set('bytes', '\xff'::bytea);
SQL

my $redis = redis($node);
answers(redis($node, password => undef)->call('GET', 'k'), 'NOAUTH Authentication required.');
answers($redis->call('AUTH', 'app', 'wrong'), 'WRONGPASS invalid username-password pair or user is disabled.');
answers(redis($node, user => $_)->call('GET', 'k'), "NOPERM User … has no permissions to run the '…' command; …")
  for qw(stranger outsider);
answers($redis->call(@{ $_->[0] }), $_->[1]) for (
	[ [ 'SELECT', '9' ], 'ERR DB index is out of range' ],
	[ [ 'EVALSHA', 'f' x 40, '0' ], 'NOSCRIPT No matching script. Please use EVAL.' ],
	[ [ 'EVAL', $loop, '0' ],
		'ERR the script has run for longer than pgfirst.redis_script_timeout (… ms); nothing of it was kept. script: …' ],
	[ [ 'EVAL', "local s = 'x' while true do s = s .. s end", '0' ], 'ERR not enough memory script: …' ],
	[ [ 'EVAL', '--' . 'x' x (8 * 1024 * 1024), '0' ],
		'ERR Error compiling script (new function): not enough memory within pgfirst.redis_script_memory' ],
	[ [ 'SCRIPT', 'DEBUG', 'YES' ], 'ERR scripts cannot be debugged here' ],
	[ [ 'PSUBSCRIBE', 'x' x 1025 ], 'ERR a pattern may have at most … bytes' ],
	[ [ 'ACL', 'SETUSER', 'x' ], 'ERR ACL SETUSER is refused: …' ],
	[ [ 'ACL', 'DELUSER', 'x' ], 'ERR ACL DELUSER is refused: …' ],
	[ [ 'ACL', 'LOAD' ], 'ERR There is no file of users: …' ],
	[ [ 'ACL', 'LOG' ], 'ERR ACL LOG is refused: …' ],
	[ [ 'CONFIG', 'SET', 'port', '1' ],
		"ERR CONFIG SET failed (possibly related to argument '…') - can't set it here; it follows …" ],
	[ [ 'SHUTDOWN' ],
		'ERR SHUTDOWN is refused: the door ends with the server, which pg_ctl stop or the service manager stops' ]);
$redis->call('MULTI');
$redis->call('EVAL', $loop, '0');
answers($redis->call('EXEC'),
	'EXECABORT Transaction discarded because of: it has run for longer than pgfirst.redis_script_timeout (… ms)');
$redis->call('SELECT', '5');
$redis->call('SET', 'first', 'x' x 10000);
wait_until('the database is full', sub { return $redis->call('SET', 'k', 'v') ne 'OK'; });
answers($redis->call('SET', 'k', 'v'), "OOM command not allowed when used memory > 'maxmemory'.");
$redis->call('SELECT', '0');

# Of those that are Redis's own the code is in the page.
$redis->call('MULTI');
$redis->call('NO SUCH COMMAND');
for ([ [ 'EXEC' ], 'EXECABORT' ], [ [ 'GET', 'list' ], 'WRONGTYPE' ], [ [ 'SCRIPT', 'KILL' ], 'NOTBUSY' ], [ [ 'HELLO', '9' ], 'NOPROTO' ])
{
	my ($words, $code) = @$_;
	like($redis->call(@$words), qr/^-$code /, "@$words: $code");
	ok(scalar(grep { $_->{texts}[0] eq $code } @codes), 'and it is in the page');
}

# ---- met in SQL ------------------------------------------------------------------------------

# The statement fails, or warns, as a row of the page says; options: role, database.
sub fails
{
	my ($statement, $text, %options) = @_;
	my ($row) = grep { grep { $_ eq $text } @{ $_->{texts} } } @rows_of_sql;
	my (undef, undef, $said) = $node->psql($options{database} // 'postgres', "\\set VERBOSITY verbose\nSET statement_timeout = '30s';\n$statement",
		extra_params => [ '-U', $options{role} // (getpwuid $<)[0] ]);
	my ($state, $words) = $said =~ /(?:ERROR|WARNING): +(\w{5}): (.*)/;

	utf8::decode($words) if defined $words;
	ok($row, shown("the page has: $text"));
	ok(says($text, $words // ''), shown('… and PostgreSQL says so')) or diag($said);
	is($state, $row && $row->{cells}[1], shown('… with this SQLSTATE'));
}

my $holder = $node->background_psql('postgres');
$holder->query_safe("BEGIN; SELECT kv.set('held', 'other')");
answers($redis->call('SET', 'held', 'v'),
	'ERR … is locked by the transaction of process …, for longer than pgfirst.redis_lock_timeout; pg_stat_activity shows what it does');
fails("SET lock_timeout = '100ms'; SELECT kv.set('held', 'v')", 'canceling statement due to lock timeout');
fails('SELECT * FROM kv.check(0, wait => false)', 'database … is being written to');
$holder->query_safe('COMMIT');
$holder->quit;

fails("SELECT kv.get('k', db => 9)", 'database … does not exist');
fails('SELECT kv.create_database(5)', 'database … exists already');
fails("SELECT kv.set('k', 'v', db => 5)", 'database … is full');
fails("BEGIN; SELECT kv.get('k', db => 5); SELECT kv.drop_database(5)",
	'database … has been used by this transaction and cannot be dropped in it');
fails("SELECT kv.grant('nobody', 0, 'read')", 'role "…" does not exist');
fails("SELECT kv.revoke('app', 0)", '… still has … in all databases');
fails("SELECT kv.get('k')", 'role "…" may not … database …', role => 'stranger');
fails("SELECT kv.get('k')", 'permission denied for schema …', role => 'outsider');
fails("SELECT kv.grant('stranger', 0, 'admin')", 'permission denied for function …', role => 'stranger');
fails("BEGIN READ ONLY; SELECT kv.set('k', 'v')", 'cannot execute … in a read-only transaction');
fails("BEGIN; SELECT kv.set('k', 'v'); PREPARE TRANSACTION 'one'", 'cannot PREPARE a transaction that holds …');
fails("SET pgfirst.write_set_limit = '1MB'; SELECT kv.set('k', repeat('x', 2000000))", 'the transaction changes too much at once');
fails("SELECT kv.publish('channel', repeat('x', 67108865))", 'more than … bytes of messages would wait for subscribers');
fails("SELECT cache.get('bytes')", 'the value is not valid UTF-8');
fails("SELECT kv.get('list')", 'the key holds a …, not a string');
fails("SELECT kv.hget('list', 'f')", 'the key holds a …, not a …');
fails("SELECT kv.rename('none', 'other')", 'no such key');
fails("SELECT kv.xadd('s', 'f', 'v', id => '18446744073709551615-18446744073709551615'), kv.xadd('s', 'f', 'v')",
	'the stream has had the highest ID and takes no more entries');
fails('DELETE FROM kv.database_0', 'cannot … store "…"');
fails('SELECT xmin FROM kv.database_0', 'rows of a pgfirst store have no system columns');
fails('INSERT INTO kv.database_0 SELECT * FROM kv.database_0', 'store "…" has this key already');
fails('CREATE TEMPORARY TABLE t (LIKE kv.database_0) USING pgfirst_store', 'a pgfirst store cannot be temporary');
fails('INSERT INTO kv.database_0 VALUES (NULL)', 'column "…" of a row of a store cannot be null');
$node->safe_psql('postgres', 'CREATE DATABASE bare');
fails("SELECT kv.get('k')", 'schema "kv" does not exist', database => 'bare');
fails('CREATE SCHEMA kv CREATE TABLE t (); CREATE EXTENSION pgfirst CASCADE',
	'schema "…" exists already and is not empty, or is somebody else\'s', database => 'bare');

$node->stop;
done_testing();

__DATA__
ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to …
ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.
ERR BITOP NOT must be called with a single source key.
ERR Background save already in progress
ERR CLIENT PAUSE mode must be WRITE or ALL
ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR
ERR CONFIG SET failed (possibly related to argument '…') - …
ERR Can not execute a script with write flag using *_ro command.
ERR Can't execute '…': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context
ERR Command '…' not found
ERR Command not allowed inside a transaction
ERR DISCARD without MULTI
ERR EXEC without MULTI
ERR GT and LT options at the same time are not compatible
ERR GT, LT, and/or NX options at the same time are not compatible
ERR INCR option supports a single increment-element pair
ERR Invalid arguments specified for command
ERR Invalid client ID
ERR Invalid command specified
ERR Invalid number of arguments specified for command
ERR Invalid stream ID specified as stream command argument
ERR MULTI calls can not be nested
ERR NX and XX, GT or LT options at the same time are not compatible
ERR No such client
ERR No such user '…'
ERR Number of keys can't be greater than number of args
ERR Number of keys can't be negative
ERR Protocol error: expected '$', got '…'
ERR Protocol error: invalid bulk length
ERR Protocol error: invalid multibulk length
ERR Protocol error: too big bulk count string
ERR Protocol error: too big inline request
ERR Protocol error: too big mbulk count string
ERR Protocol error: unauthenticated bulk length
ERR Protocol error: unauthenticated multibulk length
ERR Protocol error: unbalanced quotes in request
ERR Protocol version is not an integer or out of range
ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list
ERR SCRIPT FLUSH only support SYNC|ASYNC option
ERR Script killed by user with SCRIPT KILL. script: …
ERR Syntax error in HELLO option '…'
ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.
ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.
ERR The ID specified in XADD is equal or smaller than the target stream top item
ERR The ID specified in XADD must be greater than 0-0
ERR The ID specified in XSETID is smaller than current max_deleted_entry_id
ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id
ERR The ID specified in XSETID is smaller than the target stream top item
ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.
ERR The bit argument must be 1 or 0.
ERR The command has no key arguments
ERR The entries_added specified in XSETID is smaller than the target stream length
ERR The server is running without a config file
ERR The stream has exhausted the last possible ID, unable to add more items
ERR The … argument must be >= 0.
ERR This Redis command is not allowed from script
ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.
ERR Unknown Redis command called from script
ERR Unknown category '…'
ERR Unknown client type '…'
ERR Unknown option or number of arguments for CONFIG SET - '…'
ERR Unrecognized option '…'
ERR Unsupported option …
ERR User '…' not found
ERR WATCH inside MULTI is not allowed
ERR Write commands are not allowed from read-only scripts.
ERR Wrong number of args calling Redis command from script
ERR XX and NX options at the same time are not compatible
ERR at least 1 input key is needed for '…' command
ERR bit is not an integer or out of range
ERR bit offset is not an integer or out of range
ERR client-id should be greater than 0
ERR count should be greater than 0
ERR count should be greater than or equal to -1
ERR decrement would overflow
ERR entries_added must be positive
ERR hash value is not a float
ERR hash value is not an integer
ERR increment or decrement would overflow
ERR increment would produce NaN or Infinity
ERR index out of range
ERR invalid cursor
ERR invalid expire time in '…' command
ERR invalid first DB index
ERR invalid second DB index
ERR invalid … ID for the interval
ERR min or max is not a float
ERR min or max not valid string range item
ERR no such key
ERR numkeys should be greater than 0
ERR offset is out of range
ERR reached lua stack limit
ERR resulting score is not a number (NaN)
ERR source and destination objects are the same
ERR string exceeds maximum allowed size (proto-max-bulk-len)
ERR syntax error
ERR syntax error, LIMIT cannot be used without specifying a trimming strategy
ERR syntax error, LIMIT cannot be used without the special ~ option
ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX
ERR syntax error, MAXLEN and MINID options at the same time are not compatible
ERR syntax error, WITHSCORES not supported in combination with BYLEX
ERR syntax error, XTRIM must be called with a trimming strategy
ERR timeout is negative
ERR timeout is not a float or out of range
ERR timeout is not an integer or out of range
ERR timeout is out of range
ERR unknown command '…', with args beginning with: …
ERR unknown error
ERR unknown subcommand '…'. Try … HELP.
ERR unknown subcommand or wrong number of arguments for '…'. Try … HELP.
ERR value is NaN or Infinity
ERR value is not a valid float
ERR value is not an integer or out of range
ERR value is out of range
ERR value is out of range, must be positive
ERR value is out of range, value must between … and …
ERR weight value is not a float
ERR wrong number of arguments for '…' command
ERR … can't be negative
ERR … cannot be used with replica instances. Please also note that …writes to replicas are just local and are not propagated.
ERR … cannot contain spaces, newlines or special characters.
ERR … command is not allowed with BLOCK option from scripts
EXECABORT Transaction discarded because of previous errors.
NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time
NOPROTO unsupported protocol version
NOTBUSY No scripts in execution right now.
UNBLOCKED client unblocked via CLIENT UNBLOCK
WRONGTYPE Operation against a key holding the wrong kind of value
