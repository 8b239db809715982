# SPDX-License-Identifier: PostgreSQL
#
# 070_cache.pl: the functions of cache beside Redis clients, writers, crashes, a standby, and in a dump; what a
# clean-up gives back.
#
# Seen to fail: pgfirst_kv_read_many() that reads once (half of what was set together); result_durable() that does
# nothing (what a crash could take back is shown); pgfirst_kv_sweep() that is done without tidying (no space is
# free); process_wait() without TerminateBackgroundWorker() (a cancelled clean-up goes on); lookups_are_ours() that is
# always true (figures of another database); a role without its tenant (all that is tried with what is another's);
# pgfirst_kv_open_many() that asks for rights behind its locks; call_begin() without PreventCommandIfReadOnly().

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = pgfirst_node('cache', streaming => 1, conf => "autovacuum = off\nwal_consistency_checking = 'all'\n");
my $redis = redis($node, timeout => 120);
my $session = PgfirstStore::Session->new($node);
my $dir = $node->basedir;

$redis->call('SELECT', 1);
sub sql { return $node->safe_psql('postgres', $_[0]); }

# What a statement is refused with; '' if it is not.
sub refused
{
	my ($where, $statement, $database) = @_;
	my (undef, undef, $error) = $where->psql($database // 'postgres', $statement);

	return $error;
}

# ---- two doors -------------------------------------------------------------------------------------

is($redis->call('SET', 'from redis', 'hello'), 'OK', 'a Redis client sets a key');
is(sql("SELECT cache.get('from redis')"), 'hello', '… SQL gets it');
sql("SELECT cache.set('from sql', 'wörld', '1 hour')");
is($redis->call('GET', 'from sql'), 'wörld', 'SQL sets an entry, a Redis client gets it');
my $left = $redis->call('PTTL', 'from sql');
ok($left > 3_500_000 && $left <= 3_600_000, '… with its expiry');
is(sql("SELECT cache.set('json', jsonb_build_object('a', 1))"), '', 'jsonb');
is($redis->call('GET', 'json'), '{"a": 1}', '… is its text');
is($redis->call('SET', 'json', '{"b":[2]}', 'PX', 100_000), 'OK', 'and JSON that a client sets');
is(sql("SELECT cache.get_json('json')->'b'->>0, expires_at > now() FROM cache.entries WHERE key = 'json'"), '2|t', '… is jsonb');
is(sql("SELECT cache.touch('json', NULL)") . $redis->call('TTL', 'json'), 't-1', 'touched, it stays');
is($redis->call('EXPIRE', 'json', 5000) . sql("SELECT expires_at - now() > '1 hour' FROM cache.entries WHERE key = 'json'"),
	'1t', '… and EXPIRE is seen');
is($redis->call('DEL', 'from sql') . sql("SELECT cache.get('from sql') IS NULL"), '1t', 'DEL deletes the entry');
is(sql("SELECT cache.delete('from redis')") . ($redis->call('GET', 'from redis') // 'nil'), 'tnil', '… and cache.delete the key');
$redis->call('SET', "\xff\x00", "\xfe");
is(sql("SELECT key IS NULL, key_bytes, type, bytes FROM cache.entries WHERE key_bytes = '\\xff00'"),
	't|\xff00|string|1', 'a key that is no text is listed');
is(sql("SELECT cache.add('counter', '41')") . $redis->call('INCR', 'counter') . sql("SELECT cache.get('counter')"),
	't4242', 'INCR counts on');
is($redis->call('MGET', 'json', 'counter')->[1] . sql("SELECT count(*) FROM cache.get_many('{json,counter,absent}')"), '422', 'many');

$session->ask("BEGIN; SELECT cache.set('counter', 'open')");
is($redis->call('GET', 'counter'), '42', 'nobody sees what is not committed');
$redis->send('SET', 'counter', 'waits');
is(($redis->outcome(0.3))[0], 'silent', 'a client that wants to change it waits');
$session->ask('ROLLBACK');
is($redis->reply, 'OK', '… until the transaction ends');
is(sql("SELECT cache.get('counter')"), 'waits', '… whose change was never there');
$redis->call('WATCH', 'counter');
sql("SELECT cache.set('counter', '1')");
$redis->call('MULTI');
$redis->call('SET', 'counter', '2');
is($redis->call('EXEC'), undef, 'a watched key that SQL has set is changed');
is($redis->call('GET', 'counter'), '1', '… and EXEC does nothing');
is($redis->call('WATCH', 'counter') . sql('SELECT cache.clear()') . $redis->call('MULTI') . $redis->call('SET', 'a', 1), 'OKOKQUEUED', 'a cleared cache');
is($redis->call('EXEC'), undef, '… is a change too');
is($redis->call('DBSIZE'), 0, '… and empty');
sql("SELECT cache.set('a', '1')");
is($redis->call('FLUSHDB') . sql("SELECT count(*) FROM cache.entries"), 'OK0', 'FLUSHDB clears it as well');

# ---- figures ---------------------------------------------------------------------------------------

my ($hits, $misses) = split /\|/, sql('SELECT hits, misses FROM cache.stats()');
sql("SELECT cache.set_many('{a,b}'::text[], '{1,2}'::text[], '1 hour'), cache.set('c', '3')");
sql("SELECT cache.get('a'), cache.get('absent'), count(*) FROM cache.get_many('{a,b,absent}')");
$redis->call('GET', 'c');
$redis->call('MGET', 'a', 'absent', 'absent');
is(sql('SELECT db, durability, entries, expiring, hits, misses, bytes = pg_relation_size((SELECT store FROM kv.database WHERE number = 1)) FROM cache.stats()'),
	join('|', 1, 'durable', 3, 2, $hits + 5, $misses + 4, 't'), 'stats counts entries, and reads through both doors');

# ---- beside others ---------------------------------------------------------------------------------

# Runs scripts of pgbench, each with so many clients; returns what it complained of.
sub pgbench
{
	my ($seconds, @scripts) = @_;
	my @files;

	for my $script (@scripts)
	{
		my $file = "$dir/script" . @files;
		unlink $file;
		append_to_file($file, "$script;\n");
		push @files, '-f', $file;
	}
	my ($out, $error) = ('', '');
	IPC::Run::run([ 'pgbench', '-n', '-c', 6, '-j', 2, '-T', $seconds, @files, $node->connstr('postgres') ], '>', \$out, '2>', \$error,
		IPC::Run::timeout(120));
	return $error =~ s/^pgbench \(.*\n//r;
}

# So many that reading them takes a while, in which others commit.
sub together { return "(SELECT array_agg('k' || i ORDER BY i $_[0]) FROM generate_series(1, 400) i)"; }
my $error = pgbench(4,
	"\\set v random(1, 1000000)\nSELECT cache.set_many(@{[ together('') ]}, array_fill(:v::text, ARRAY[400]))",
	"\\set v random(1, 1000000)\nSELECT cache.set_many(@{[ together('DESC') ]}, array_fill(:v::text, ARRAY[400]))",
	"SELECT cache.delete_many(@{[ together('DESC') ]})",
	"SELECT 1 / (count(DISTINCT value) <= 1 AND count(*) IN (0, 400))::int FROM cache.get_many(@{[ together('') ]})");
is($error, '', 'entries that are set, read and deleted together, in any order: nobody fails, and readers see all or nothing');
$error = pgbench(4,
	"SELECT cache.set_many(array_agg('l' || i), array_agg('x'::text)) FROM generate_series(1, 1200) i",
	"SELECT cache.delete_many(array_agg('l' || i)) FROM generate_series(1200, 1, -1) i",
	"\\set v random(1, 1200)\nSELECT cache.set('l' || :v, 'y')");
is($error, '', '… of more entries than a transaction may lock');

my $writer = PgfirstStore::Session->new($node);
$writer->ask("BEGIN; SELECT cache.set('held', 'x')");
my $begun = time;
is(sql('SELECT cache.clear()'), '', 'clear beside a writer');
cmp_ok(time - $begun, '<', 5, '… does not wait for it');
$writer->ask('COMMIT');
is(sql('SELECT count(*) FROM cache.entries'), '0', '… and what it wrote was before');
$error = pgbench(4, "\\set v random(1, 1000)\nSELECT cache.set('w' || :v, 'x', '1 hour')", 'SELECT cache.clear()',
	"\\set v random(1, 1000)\nSELECT cache.add('w' || :v, 'x'), cache.delete('w' || :v)");
is($error, '', 'many who clear and write');
sql('SELECT cache.clear()');
is($redis->call('DBSIZE') . sql('SELECT count(*) FROM cache.entries'), '00', '… and in the end it is empty');
is(sql('SELECT * FROM kv.check(1)'), '', '… on sound pages');

# ---- what a crash could take back -------------------------------------------------------------------

# On a disk that takes its time; see 031_gate.pl.
{
	my $speed = PostgreSQL::Test::Utils::tempdir . '/disk';
	my $disk = sub {
		unlink "$speed.new";
		append_to_file("$speed.new", $_[0] * 1000);
		rename "$speed.new", $speed or die $!;
	};
	$disk->(0);
	my $slow = pgfirst_node('slow', preload => [ shim('slow_sync') ], env => { PGFIRST_SLOW_SYNC_FILE => $speed },
		conf => "autovacuum = off\ncheckpoint_timeout = 1h\nbgwriter_lru_maxpages = 0");
	my $client = redis($slow);
	my $reader = PgfirstStore::Session->new($slow);

	$client->call('SELECT', 1);
	for my $read ("cache.get('k')", "cache.get_json('k')", "convert_from(cache.get_bytes('k'), 'UTF8')",
		"(SELECT value FROM cache.get_many('{k}'))", "(SELECT count(*) * 2 FROM cache.entries WHERE key = 'k')",
		"CASE WHEN cache.touch('k', '1 hour') THEN 2 END")
	{
		my ($answer, $after);
		# Nothing tells a client when a change has happened that is not on disk yet; so it looks now and then.
		for (1 .. 10)
		{
			$disk->(0);
			$client->call('DEL', 'k');
			$disk->(800);
			my $begun = time;
			$client->send('SET', 'k', 2);
			sleep 0.1;
			$answer = $reader->ask("BEGIN; SELECT $read; ROLLBACK");
			$after = time - $begun;
			$client->reply;
			last if $answer eq '2';
		}
		is($answer, '2', "$read finds what is not on disk yet");
		cmp_ok($after, '>', 0.7, '… and tells it when it is');
	}
	$disk->(0);
	$reader->end;
	$slow->stop;
}

# ---- clean-up, where no background sweep is ---------------------------------------------------------

my $many = 30_000;
sub elsewhere { return $node->safe_psql('elsewhere', $_[0]); }
sub space { return split /\|/, elsewhere('SELECT records, bytes, live_bytes, free_bytes FROM kv.space WHERE db = 1'); }
sub fill { elsewhere("SELECT cache.set_many(array_agg('e' || i), array_agg(repeat('v', 500)), '$_[0]') FROM generate_series(1, $many) i"); }

sql('CREATE DATABASE elsewhere');
elsewhere('CREATE EXTENSION pgfirst CASCADE; SELECT kv.create_database(1)');
elsewhere("SELECT cache.set('stays', 'x', '1 hour')");
fill('1 millisecond');
my @before = space();
is($before[0], $many + 1, 'expired entries, where no background sweep is, are there still');
is(elsewhere("SELECT count(*) FROM cache.entries"), '1', '… and nobody sees them');
is(elsewhere('SELECT cache.cleanup()'), $many, 'a clean-up tells how many it has deleted');
my @after = space();
is($after[0], 1, '… all of them');
cmp_ok($after[2], '<', $before[2] / 50, '… their bytes are free');
cmp_ok($after[3], '>', $before[1] * 0.9, '… nearly the whole file');
# Pages that fill up again are split anew, and differently; so a round more, then it stays as it is.
my @sizes;
for (1 .. 4)
{
	fill('1 millisecond');
	push @sizes, (space())[1];
	elsewhere('SELECT cache.cleanup()');
}
cmp_ok($sizes[3], '<=', $sizes[0] * 1.02, "… and is used again: @sizes bytes");
fill('1 hour');
is(elsewhere("SELECT cache.get('stays'), cache.cleanup()"), 'x|0', 'a living entry stays');
is(elsewhere('SELECT hits IS NULL, entries FROM cache.stats()'), 't|' . ($many + 1), 'without a door there are figures too');
is(elsewhere('SELECT * FROM kv.check(1)'), '', 'sound pages');
like(refused($node, "BEGIN; SELECT cache.set_many(array_agg('f' || i), array_agg('x'::text)) FROM generate_series(1, 1100) i; SELECT cache.cleanup()", 'elsewhere'),
	qr/database 1 is locked/, 'a clean-up behind what its own transaction has locked is refused');
is(elsewhere("BEGIN; SELECT cache.touch('e1', '1 millisecond') AND cache.touch('e2', '1 millisecond'); SELECT cache.cleanup(); COMMIT"),
	"t\n0", '… and passes over single entries');
is(elsewhere('SELECT cache.cleanup()'), '2', '… until they are free');

# Cancelled, it takes its process along. On a busy machine that may have been quicker.
for my $try (1 .. 5)
{
	fill('1 millisecond');
	my $said = refused($node, "SET statement_timeout = '20ms'; SELECT cache.cleanup()", 'elsewhere');
	wait_until('the process of the clean-up ends', sub {
		sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pgfirst cleanup'") eq '0' });
	next if $try < 5 && (space())[0] == 1;
	like($said, qr/statement timeout/, 'a clean-up is cancelled');
	last;
}
cmp_ok((space())[0], '>', 1, '… with its process');
cmp_ok(elsewhere('SELECT cache.cleanup()'), '>', 0, '… and another one finishes');
is((space())[0], 1, '… the work');

# ---- who may not -----------------------------------------------------------------------------------

# Each function, what it needs in the cache's database, and a call for an entry that is another's.
my %functions = (
	(map { $_->[0] => [ 'read', $_->[1] ] }
		[ 'get(text)', "cache.get('theirs')" ], [ 'get_json(text)', "cache.get_json('json')" ], [ 'get_bytes(text)', "cache.get_bytes('theirs')" ],
		[ 'get_many(text[])', "cache.get_many('{theirs}')" ], [ 'get_many_bytes(text[])', "cache.get_many_bytes('{theirs}')" ],
		[ 'stats()', 'cache.stats()' ], [ 'live_entries()', 'cache.live_entries()' ]),
	(map { $_->[0] => [ 'write', $_->[1] ] }
		map({ ([ "set(text,$_,interval)", "cache.set('theirs', '1'::$_)" ], [ "add(text,$_,interval)", "cache.add('new', '1'::$_)" ],
			[ "set_many(text[],$_\[],interval)", "cache.set_many('{theirs}', '{1}'::$_\[])" ]) } qw(text jsonb bytea)),
		[ 'set_many(jsonb,interval)', q{cache.set_many('{"theirs": 1}')} ],
		[ 'touch(text,interval)', "cache.touch('theirs', '1 hour')" ], [ 'delete(text)', "cache.delete('theirs')" ],
		[ 'delete_many(text[])', "cache.delete_many('{theirs}')" ], [ 'clear()', 'cache.clear()' ], [ 'cleanup()', 'cache.cleanup()' ]));
my @functions = split /\n/, sql(<<'SQL');
SELECT regexp_replace(p.oid::regprocedure::text, '^cache\.', '') FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid WHERE e.extname = 'pgfirst_cache'
SQL
is_deeply([ sort keys %functions ], [ sort @functions ], 'every function has a case here, and no other');

sql("CREATE ROLE $_ LOGIN") for qw(stranger nobody reader seven);
sql(<<'SQL');
GRANT USAGE ON SCHEMA cache, kv TO nobody, reader, seven;
SELECT kv.revoke('public', 1), kv.grant('reader', 1, 'read'), kv.grant('seven', 1, 'write'), kv.set_tenant('seven', 7);
SELECT cache.set('theirs', 'treasure'), cache.set('json', '"treasure"'::jsonb);
SQL
sub all { return sql("SELECT key, bytes, expires_at, cache.get(key) FROM cache.entries ORDER BY key"); }
sub of { my ($role, $statement) = @_; return ($node->psql('postgres', $statement, extra_params => [ '-U', $role ]))[ 1, 2 ]; }

$node->backup('theirs');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'theirs', has_streaming => 1);
$standby->append_conf('postgresql.conf', PgfirstTest::settings($standby, PostgreSQL::Test::Cluster::get_free_port()));
$standby->start;
wait_for_standby($node, $standby);

my $before = all();
for my $name (sort @functions)
{
	my ($needs, $call) = @{ $functions{$name} };
	my ($out, $error) = of('stranger', "SELECT $call");
	like($error, qr/permission denied for schema cache/, "$name without USAGE");
	($out, $error) = of('nobody', "SELECT $call");
	like($error, qr/ERROR:  role "nobody" may not \w+.* database 1\nHINT:  SELECT kv\.grant\('nobody', 1, '$needs'\)/,
		'… without the grant');
	is($out, '', '… shows nothing');
	like((of('reader', "SELECT $call"))[1], $needs eq 'read' ? qr/^$/ : qr/ERROR:  role "reader" may not write to database 1/, '… with that to read');
	($out) = of('seven', "SELECT $call");
	unlike($out, qr/treasure|7472656173757265|theirs|json/, '… as another tenant shows nothing of others');
	is(all(), $before, '… and changes nothing');
	$node->safe_psql('postgres', 'SELECT cache.clear()', extra_params => [ '-U', 'seven' ]);
	for ([ 'in a read-only transaction', refused($node, "BEGIN READ ONLY; SELECT $call; COMMIT") ],
		[ 'on a standby', refused($standby, "SELECT $call") ])
	{
		my ($where, $said) = @$_;
		like($said, $needs eq 'read' ? qr/^$/ : qr/cannot execute a change of keys in a read-only transaction/, "… $where");
	}
	is(all(), $before, '… which changes nothing');
}
# More entries than a transaction may lock: all writers are waited for, and later ones wait behind.
my $holds = PgfirstStore::Session->new($node);
$holds->ask("BEGIN; SELECT cache.set('new', 'x')");
like((of('reader', "SET statement_timeout = '5s'; SELECT cache.$_"))[1], qr/ERROR:  role "reader" may not write to database 1/,
	'who may not write waits for no writer either')
  for "set_many(array_agg('n' || i), array_agg('x'::text)) FROM generate_series(1, 1200) i", "delete_many(array_agg('n' || i)) FROM generate_series(1, 1200) i";
$holds->ask('ROLLBACK');
$holds->end;
is($node->safe_psql('postgres', "SELECT cache.set('theirs', 'mine'); SELECT key FROM cache.entries", extra_params => [ '-U', 'seven' ]), "\ntheirs",
	'a tenant has its own');
$node->safe_psql('postgres', 'SELECT cache.clear()', extra_params => [ '-U', 'seven' ]);
like(refused($node, 'SET ROLE stranger; SELECT * FROM cache.entries'), qr/permission denied for schema cache/, 'the view without USAGE');

sql("SELECT cache.clear(), kv.grant('public', 1, 'write')");

# ---- a standby ------------------------------------------------------------------------------------

sql("SELECT cache.set_many('{a,b}'::text[], '{1,2}'::text[], '1 hour'), cache.set('dead', 'x', '1 millisecond')");
wait_for_standby($node, $standby);
is($standby->safe_psql('postgres', "SELECT cache.get('a'), cache.get('dead') IS NULL, (SELECT count(*) FROM cache.get_many('{a,b}'))"),
	'1|t|2', 'a standby is read');
like($standby->safe_psql('postgres', "SELECT (SELECT count(*) FROM cache.entries), (cache.stats()).entries"), qr/^2\|[23]$/,
	'… as a whole too');
sql("SELECT cache.set('a', 'changed'), cache.delete('b')");
wait_for_standby($node, $standby);
is($standby->safe_psql('postgres', "SELECT cache.get('a'), cache.get('b') IS NULL"), 'changed|t', '… and follows');
$standby->stop;

# ---- a dump ----------------------------------------------------------------------------------------

sql(q{SELECT cache.set('bytes', '\x00ff'::bytea), cache.set('json', '{"a": [1, 2]}'::jsonb, '1 hour')});
command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", $node->connstr('postgres') ], 'pg_dump');
sql('CREATE DATABASE restored');
command_ok([ 'pg_restore', '--exit-on-error', '--single-transaction', '-d', $node->connstr('restored'), "$dir/dump" ], 'pg_restore');
my $what = q{SELECT cache.get('a'), cache.get_bytes('bytes'), cache.get_json('json')->'a'->>1,
	(SELECT count(*) FROM cache.entries), (SELECT expires_at FROM cache.entries WHERE key = 'json')};
is($node->safe_psql('restored', $what), sql($what), 'every entry is there, with its expiry');
like(sql($what), qr/^changed\|\\x00ff\|2\|3\|20/, '… and they are these');
is($node->safe_psql('restored', "SELECT cache.set('a', 'other'); SELECT cache.get('a')"), "\nother", '… and can be changed');
is(sql("SELECT cache.get('a')"), 'changed', '… apart from the original');
sql('ALTER EXTENSION pgfirst_cache UPDATE');
is(sql($what), $node->safe_psql('postgres', $what), 'ALTER EXTENSION UPDATE leaves it as it is');
sql('DROP EXTENSION pgfirst_cache CASCADE; CREATE EXTENSION pgfirst CASCADE');
is(sql("SELECT cache.get('a')"), 'changed', 'entries outlive the extension');

# ---- a crash ---------------------------------------------------------------------------------------

sql("SELECT cache.set('acknowledged', 'x'), cache.delete('bytes')");
crash($node);
$node->start;
wait_for_door($node);
is(sql("SELECT cache.get('acknowledged'), cache.get_bytes('bytes') IS NULL, count(*) FROM cache.entries"), 'x|t|3', 'a crash takes nothing that was answered');
sql('SELECT cache.clear()');
crash($node);
$node->start;
wait_for_door($node);
is(sql("SELECT count(*) FROM cache.entries"), '0', '… nor brings back what was cleared');

# ---- without processes ------------------------------------------------------------------------------

# The door, upkeep and flush of pgfirst, and PostgreSQL's own launcher.
$node->append_conf('postgresql.conf', 'max_worker_processes = 4');
$node->restart;
like(refused($node, 'SELECT cache.cleanup()'), qr/no background process is free .*increase max_worker_processes/s,
	'a clean-up that finds no process says what mends it');
$node->append_conf('postgresql.conf', "max_worker_processes = 8\npgfirst.cache_database = 2");
$node->restart;
wait_for_door($node);
sql("SELECT cache.set('a', 'in 2')");
my $again = redis($node);
$again->call('SELECT', 2);
is($again->call('GET', 'a') . sql('SHOW pgfirst.cache_database'), 'in 22', 'another database is the cache where the setting says so');

$node->stop;
done_testing();
