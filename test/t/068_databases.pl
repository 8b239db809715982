# SPDX-License-Identifier: PostgreSQL
#
# 068_databases.pl: databases are configured and exchanged for all clients and for SQL at one moment; what CONFIG
# and INFO say of them is what they are.
#
# Seen to fail, each by the tests of its section:
#   space_open_store() that does not look whether the number means another store by now; kv_catalog_swap_lock() that
#   takes AccessShareLock (an exchange does not wait for SQL); kv_cmd_swapdb() that does not note its own position
#   (it is answered before it is durable); kv_catalog_swap() without pgfirst_store_commands_together() (a crash leaves
#   what EXEC has changed, and the old numbers); kv_configure() that does not lock the table; kv_count_swap() that
#   does nothing; length_parts_bytes() that forgets the parts in the middle.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(time);

my $node = pgfirst_node('databases', workers => 2, streaming => 1, conf => <<CONF);
pgfirst.redis_lock_timeout = '60s'
max_wal_senders = 4
autovacuum = off
CONF

# A client of each worker.
sub clients
{
	my %clients;

	wait_until('there are clients of both workers', sub {
		my $client = redis($node);
		my ($pid) = $client->call('INFO', 'server') =~ /^process_id:(\d+)/m;
		$clients{$pid} //= $client;
		return keys %clients == 2;
	});
	return @clients{ sort keys %clients };
}

my ($a, $b) = clients();

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub sql_error
{
	my ($statement) = @_;
	my ($code, $out, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statement");

	return $error;
}

sub config { my ($client, $name) = @_; return $client->call('CONFIG', 'GET', $name)->[1]; }

sub info
{
	my ($client, $section) = @_;
	my %fields = map { /^([^:#]+):(.*)$/ ? ($1, $2) : () } split /\r\n/, $client->call('INFO', $section);

	return \%fields;
}

sub exec_of
{
	my ($redis, @commands) = @_;

	$redis->call('MULTI') eq 'OK' or die;
	$redis->call(@$_) for @commands;
	return $redis->call('EXEC');
}

sub database
{
	my ($number, $column) = @_;
	return sql("SELECT $column FROM kv.databases WHERE db = $number");
}

# What the counts say, once they say anything.
sub counted
{
	my ($number) = @_;

	wait_until("database $number is counted", sub { return database($number, 'keys') ne ''; });
	return database($number, "keys || ' ' || expiring_keys");
}

# ---- CONFIG ----------------------------------------------------------------------------------

is(config($a, 'appendfsync'), 'always', 'a durable database is flushed always');
is(config($a, 'appendonly'), 'yes', '… and logged');
is(config($a, 'maxmemory'), '0', 'no limit');
is(config($a, 'maxmemory-policy'), 'noeviction', 'nothing is evicted');

is($a->call('CONFIG', 'SET', 'maxmemory', '100mb', 'maxmemory-policy', 'allkeys-LRU'), 'OK', 'CONFIG SET of two');
is(config($b, 'maxmemory'), '104857600', '… holds in the other worker');
is(config($b, 'maxmemory-policy'), 'allkeys-lru', '… both of them');
is(database(0, 'max_size'), '104857600', '… and in SQL');
is(database(0, 'eviction'), 'allkeys-lru', '… likewise');
is(database(1, "coalesce(max_size::text, 'none') || eviction"), 'nonenoeviction', 'another database is as it was');
$b->call('SELECT', 1);
is(config($b, 'maxmemory'), '0', 'CONFIG speaks of the selected database');
$b->call('SELECT', 0);

like($a->call('CONFIG', 'SET', 'maxmemory', '1mb', 'maxmemory-policy', 'most-liked'),
	qr/^-ERR CONFIG SET failed .*'maxmemory-policy'.*one of the following/, 'an unknown policy');
is(config($a, 'maxmemory'), '104857600', '… changes nothing of the rest');
like($a->call('CONFIG', 'SET', 'maxmemory', 'much'), qr/^-ERR CONFIG SET failed .*memory value/, 'no number of bytes');
is($a->call('CONFIG', 'SET', 'maxmemory', $_->[0]), 'OK', "maxmemory $_->[0]") && is(config($a, 'maxmemory'), $_->[1], '…')
  for [ '10k', 10000 ], [ '10Kb', 10240 ], [ '3g', 3000000000 ], [ '2GB', 2147483648 ], [ '7', 7 ];

is($a->call('CONFIG', 'SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction'), 'OK', 'no limit again');
is(database(0, "coalesce(max_size::text, 'none')"), 'none', '… is null in SQL');

is($a->call('CONFIG', 'SET', 'appendfsync', 'everysec'), 'OK', 'relaxed by CONFIG');
is(database(0, 'durability'), 'relaxed', '… is relaxed');
is(info($b, 'pgfirst')->{pgfirst_durability}, 'relaxed', '… for all');
is($a->call('CONFIG', 'SET', 'appendfsync', 'always'), 'OK', 'and durable');
is(config($b, 'appendfsync'), 'always', '… for all');
is($a->call('CONFIG', 'SET', 'appendonly', 'yes', 'save', ''), 'OK', 'what is so already');
like($a->call('CONFIG', 'SET', 'appendonly', 'no'), qr/kv\.configure\(0, durability => 'volatile'\)/,
	'what would write everything anew is refused with the SQL that does it');
like($a->call('CONFIG', 'SET', 'save', '60 1'), qr/checkpoints/, 'save is refused');
is_deeply(exec_of($a, [ 'SET', 'x', 1 ], [ 'CONFIG', 'SET', 'maxmemory', '1gb' ], [ 'CONFIG', 'GET', 'maxmemory' ],
	[ 'CONFIG', 'SET', 'maxmemory', '0' ]), [ 'OK', 'OK', [ 'maxmemory', 1 << 30 ], 'OK' ], 'within EXEC');

# Somebody who is changing the table is waited for, and nobody else waits meanwhile.
{
	my $session = PgfirstStore::Session->new($node);

	$session->ask("BEGIN; SELECT kv.configure(3, max_size => 1000)");
	$a->send('CONFIG', 'SET', 'maxmemory', '5mb');
	my ($what) = $a->outcome(0.5);
	is($what, 'silent', 'CONFIG SET waits for SQL that configures');
	is($b->call('SET', 'x', 2), 'OK', '… others do not');
	$session->ask('COMMIT');
	is($a->reply(30), 'OK', '… until it ends');
	is(config($b, 'maxmemory'), '5242880', '… and is done');
	is(database(3, 'max_size'), '1000', '… as was what SQL did');
	$session->end;
	$a->call('CONFIG', 'SET', 'maxmemory', '0');
	sql('SELECT kv.configure(3, max_size => 0)');
}

# ---- kv.configure ----------------------------------------------------------------------------

$a->call('SELECT', 2);
$b->call('SELECT', 2);
$a->call('SET', "k$_", 'v' x 100) for 1 .. 300;
$a->call('SET', 'large', 'l' x 3000000);
$a->call('EXPIRE', 'k1', 1000);
is(counted(2), '301 1', 'keys are counted');
is(database(2, 'bytes'), sql('SELECT live_bytes FROM kv.space WHERE db = 2'), '… and their bytes are those of the pages');
cmp_ok(database(2, 'bytes'), '>', 3_030_000, '… all of them');
cmp_ok(database(2, 'bytes'), '<', 3_200_000, '… and no others');
sql("SELECT kv.configure(2, 'volatile', '64MB', 'volatile-ttl')");
is(sql("SELECT relpersistence FROM pg_class WHERE oid = 'kv.database_2'::regclass"), 'u', 'volatile is not logged');
is($b->call('GET', 'k300'), 'v' x 100, 'its keys are there');
is(length $b->call('GET', 'large'), 3000000, '… the large one, too');
is(counted(2), '301 1', '… and counted');
is(config($b, 'appendonly'), 'no', '… CONFIG says so');
like($b->call('CONFIG', 'SET', 'appendfsync', 'always'), qr/kv\.configure\(2, durability => 'durable'\)/, '… and not more');
sql("SELECT kv.configure(2, durability => 'durable')");
is(sql("SELECT relpersistence FROM pg_class WHERE oid = 'kv.database_2'::regclass"), 'p', 'durable is logged');
is($b->call('GET', 'k300'), 'v' x 100, 'its keys are there');
is(database(2, "durability || ' ' || max_size || ' ' || eviction"), 'durable 67108864 volatile-ttl', 'the rest stays as it was');
is(sql('SELECT count(*) FROM kv.check()'), '0', 'the stores are sound');
sql("SELECT kv.configure(2, max_size => 0, eviction => 'noeviction')");

# What has been answered before and after the change survives a crash.
$a->call('SET', 'last', 'durable');
crash($node);
$node->start;
wait_for_door($node);
($a, $b) = clients();
$_->call('SELECT', 2) for $a, $b;
is($a->call('GET', 'last'), 'durable', 'what was answered after SET LOGGED survives a crash');
is(counted(2), '302 1', '… with all of the database');

# ---- SWAPDB ----------------------------------------------------------------------------------

is($a->call('SWAPDB', 'x', 1), '-ERR invalid first DB index', 'no number');
is($a->call('SWAPDB', 1, 'x'), '-ERR invalid second DB index', '… nor this');
is($a->call('SWAPDB', 0, 16), '-ERR DB index is out of range', 'too large a number');
is($a->call('SWAPDB', 0, -1), '-ERR DB index is out of range', '… too small a one');
is($a->call('SWAPDB', 1, 1), 'OK', 'with itself');

$a->call('SELECT', 0);
$b->call('SELECT', 1);
$a->call('FLUSHALL');
$a->call('MSET', map { ("a$_", 'in 0') } 1 .. 100);
$b->call('MSET', map { ("b$_", 'in 1') } 1 .. 50);
sql("SELECT kv.configure(1, 'relaxed', '1GB', 'allkeys-lfu')");
is(counted(0), '100 0', 'a hundred keys');
is(counted(1), '50 0', 'and fifty');
is($a->call('SWAPDB', 0, 1), 'OK', 'SWAPDB');
is(database(0, 'keys') . ' ' . database(1, 'keys'), '50 100', 'what is counted goes along at once');
is($a->call('GET', 'b1'), 'in 1', 'who has selected the first sees the second');
is($a->call('GET', 'a1'), undef, '… and not the first');
is($b->call('GET', 'a1'), 'in 0', 'so do clients of the other worker');
is(sql("SELECT kv.get_text('b1') || kv.get_text('a1', 1)"), 'in 1in 0', 'and SQL');
is($a->call('DBSIZE') . $b->call('DBSIZE'), '50100', 'DBSIZE is that of the other');
is(database(0, "durability || ' ' || eviction"), 'relaxed allkeys-lfu', 'what was configured goes along');
$a->call('SET', 'b51', 'x');
is($a->call('DBSIZE'), 51, '… and the count goes on');
is($a->call('SWAPDB', 1, 0), 'OK', 'back');
is($a->call('GET', 'a1'), 'in 0', '… all is as it was');
is(counted(1), '51 0', '… but for what was changed');

# Pipelined: each command sees what those before it have done.
$a->send('SET', 'p', 'first');
$a->send('SWAPDB', 0, 1);
$a->send('GET', 'p');
$a->send('SET', 'q', 'second');
$a->send('SWAPDB', 0, 1);
$a->send('MGET', 'p', 'q');
is_deeply([ map { $a->reply(10) } 1 .. 6 ], [ 'OK', 'OK', undef, 'OK', 'OK', [ 'first', undef ] ], 'pipelined');
is($b->call('GET', 'q'), 'second', '… in the database that it was');

# EXEC
is_deeply(exec_of($a, [ 'SET', 'm', 'before' ], [ 'SWAPDB', 0, 1 ], [ 'GET', 'm' ], [ 'SET', 'n', 'behind' ],
	[ 'SELECT', 1 ], [ 'GET', 'm' ], [ 'SELECT', 0 ], [ 'SWAPDB', 0, 99 ]),
	[ 'OK', 'OK', undef, 'OK', 'OK', 'before', 'OK', '-ERR DB index is out of range' ], 'within EXEC');
is($b->call('GET', 'm'), 'before', '… seen by others');
is($a->call('GET', 'n'), 'behind', '… both sides');
$a->call('SWAPDB', 0, 1);

# WATCH
$a->call('WATCH', 'a1');
$b->call('SWAPDB', 0, 1);
is(exec_of($a, [ 'PING' ]), undef, 'a watched key of either database has changed');
$b->call('WATCH', 'b1');
$a->call('SWAPDB', 2, 3);
is_deeply(exec_of($b, [ 'PING' ]), [ 'PONG' ], '… that of another has not');
$a->call('SWAPDB', 0, 1);
$a->call('SWAPDB', 2, 3);

# SQL
is(sql("BEGIN; SELECT kv.set('s', 'x'); SELECT kv.swap_databases(0, 1); SELECT kv.get_text('s') IS NULL, kv.get_text('s', 1); COMMIT"),
	"t\n\nt|x", 'a transaction sees its own exchange');
is($b->call('GET', 's'), 'x', '… and others see it');
is(database(0, 'keys') . ' ' . database(1, 'keys'), '53 103', '… counted at once');
sql("BEGIN; SELECT kv.swap_databases(0, 1); ROLLBACK");
is($b->call('GET', 's'), 'x', 'one that is rolled back');
sql("BEGIN; SAVEPOINT s; SELECT kv.swap_databases(0, 1); SELECT kv.set('t', 'x'); ROLLBACK TO s; SELECT kv.set('u', 'y'); COMMIT");
is(sql("SELECT kv.get_text('u') || (kv.get_text('t') IS NULL)::text || (kv.get_text('t', 1) IS NULL)"), 'ytruetrue', '… to a savepoint');
wait_until('counted anew', sub { return database(0, 'keys') eq $a->call('DBSIZE'); });
is(scalar @{ $a->call('KEYS', '*') }, $a->call('DBSIZE'), 'the number of keys is right then');
like(sql_error('SELECT kv.swap_databases(0, 15)'), qr/42704.*database 15 does not exist/, 'one that is missing');
sql('SELECT kv.swap_databases(1, 0)');
like(sql_error("SET ROLE app; SELECT kv.swap_databases(0, 1)"), qr/42501/, 'not for everybody');

# Whoever uses one of them is waited for, and nobody else waits for that.
{
	my $session = PgfirstStore::Session->new($node);
	my $free = redis($node);

	$session->ask("BEGIN; SELECT kv.set('held', 'x', db => 1)");
	$a->send('SWAPDB', 0, 1);
	my ($what) = $a->outcome(0.5);
	is($what, 'silent', 'SWAPDB waits for SQL');
	my $began = time;
	is($free->call('SET', 'x', 3), 'OK', '… others of its worker do not, nor of the other');
	is($b->call('SET', 'y', 3), 'OK', '… in the same database') for 1 .. 20;
	cmp_ok(time - $began, '<', 20, '… not for long');
	$session->ask('COMMIT');
	is($a->reply(30), 'OK', '… until it ends');
	is($a->call('GET', 'held'), 'x', '… and has what it did');
	$a->call('SWAPDB', 0, 1);
	$session->end;
}

# SQL that waits for a database, while it becomes another one, finds the other one.
{
	my ($exchanging, @waiting) = map { PgfirstStore::Session->new($node) } 1 .. 3;

	sql("SELECT kv.set('which', 'of 0'), kv.set('which', 'of 1', db => 1)");
	$exchanging->ask('BEGIN; SELECT kv.swap_databases(0, 1)');
	$waiting[0]->send("SELECT kv.get_text('which')");
	$waiting[1]->send("SELECT kv.set('written', 'to 0')");
	wait_until('both wait', sub { return sql("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'") eq '2'; });
	$exchanging->ask('COMMIT');
	is($waiting[0]->answer, 'of 1', 'who has waited reads the database that it is now');
	$waiting[1]->answer;
	is(sql("SELECT kv.get_text('written') || (kv.get('written', 1) IS NULL)"), 'to 0true', '… and who has waited writes it');
	$_->end for $exchanging, @waiting;
	$a->call('SWAPDB', 0, 1);
}

# Two workers under load: nobody sees one database as the other, or half of an exchange.
{
	my ($wrong, $exchanges) = (0, 0);
	my @load = map { redis($node) } 1 .. 8;

	$a->call('FLUSHALL');
	$a->call('SELECT', $_) && $a->call('SET', 'me', $_) && $a->call('SET', 'too', $_) for 1, 0;
	for my $round (1 .. 60)
	{
		for my $client (@load)
		{
			$client->send('MULTI');
			$client->send('SELECT', 0);
			$client->send('MGET', 'me', 'too');
			$client->send('SELECT', 1);
			$client->send('MGET', 'me', 'too');
			$client->send('EXEC');
		}
		$exchanges++ if $a->call('SWAPDB', 0, 1) eq 'OK';
		for my $client (@load)
		{
			$client->reply(30) for 1 .. 5;
			my $seen = $client->reply(30);
			my $words = join ' ', @{ $seen->[1] }, @{ $seen->[3] };
			$wrong++ if $words ne '0 0 1 1' && $words ne '1 1 0 0';
		}
	}
	is($exchanges, 60, 'exchanged under load');
	is($wrong, 0, 'every transaction has seen both as they were at one moment');
}

# A write that was answered before an exchange is there behind it, whichever worker did what.
{
	my $lost = 0;

	$_->call('SELECT', 0) for $a, $b;
	for my $round (1 .. 200)
	{
		$b->call('SET', 'w', $round);
		$a->call('SWAPDB', 0, 1);
		$b->call('SELECT', 1);
		$lost++ if ($b->call('GET', 'w') // '') ne $round;
		$b->call('SELECT', 0);
	}
	is($lost, 0, 'what was set before is in the other database behind it');
}

# ---- crash and standby -----------------------------------------------------------------------

$a->call('FLUSHALL');
is_deeply(exec_of($a, [ 'SET', 'c', 'in 0' ], [ 'SWAPDB', 0, 1 ], [ 'SET', 'd', 'in 0 now' ]), [ ('OK') x 3 ], 'exchanged');
crash($node);
$node->start;
wait_for_door($node);
($a, $b) = clients();
is($a->call('GET', 'd') // '', 'in 0 now', 'an exchange that was answered survives a crash');
$a->call('SELECT', 1);
is($a->call('GET', 'c') // '', 'in 0', '… with what was changed with it');
$a->call('SELECT', 0);

my $standby = PostgreSQL::Test::Cluster->new('standby');
$node->backup('base');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', PgfirstTest::settings($standby, PostgreSQL::Test::Cluster::get_free_port(), workers => 1));
$standby->start;
wait_for_door($standby);
my $replica = redis($standby);
$a->call('FLUSHALL');
$a->call('SET', 'r', 'here');
$a->call('SWAPDB', 0, 1);
$a->call('CONFIG', 'SET', 'maxmemory', '77mb');
wait_for_standby($node, $standby);
wait_until('the standby has exchanged them', sub { $replica->call('SELECT', 1); return ($replica->call('GET', 'r') // '') eq 'here'; });
$replica->call('SELECT', 0);
is($replica->call('GET', 'r'), undef, '… both');
is(config($replica, 'maxmemory'), '80740352', '… and what was configured');
like($replica->call('CONFIG', 'SET', 'maxmemory', '1mb'), qr/^-READONLY/, 'it is not configured there');
like($replica->call('SWAPDB', 0, 1), qr/^-READONLY/, '… nor exchanged');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM kv.databases WHERE keys IS NULL'), '4', 'kv.databases has no counts there');
is(info($a, 'replication')->{connected_slaves}, 1, 'the primary counts its standby');
$standby->stop;

# What is answered is durable, on the standby too: without it nothing is.
{
	my ($writer, $what);

	$node->append_conf('postgresql.conf', "synchronous_standby_names = 'standby'");
	$node->reload;
	wait_until('replies wait for the standby', sub {
		$writer = redis($node);
		$writer->send('SET', 'w', 1);
		($what) = $writer->outcome(1);
		return $what eq 'silent';
	});
	$a->send('SWAPDB', 0, 1);
	($what) = $a->outcome(1);
	is($what, 'silent', 'SWAPDB is answered when it is durable');
	$b->send('CONFIG', 'SET', 'maxmemory', '78mb');
	($what) = $b->outcome(1);
	is($what, 'silent', '… CONFIG SET as well');
	$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	$node->reload;
	is_deeply([ map { $_->reply(30) } $writer, $a, $b ], [ ('OK') x 3 ], '… and then both are');
	$a->call('SWAPDB', 0, 1);
}

# ---- INFO ------------------------------------------------------------------------------------

$a->call('FLUSHDB');
$a->call('CONFIG', 'SET', 'maxmemory', '100mb', 'maxmemory-policy', 'volatile-lru');
$a->call('SET', "i$_", 'x' x 1000) for 1 .. 100;
$a->call('EXPIRE', 'i1', 100);
my $memory = info($a, 'memory');
is($memory->{used_memory}, database(0, 'bytes'), 'used_memory are the bytes of the database');
is($memory->{used_memory_rss}, database(0, 'file_bytes'), 'used_memory_rss are those of its file');
is($memory->{used_memory_human}, sprintf('%.2fK', $memory->{used_memory} / 1024), 'human');
is("$memory->{maxmemory} $memory->{maxmemory_human} $memory->{maxmemory_policy}", '104857600 100.00M volatile-lru', 'its limit');
like($memory->{mem_fragmentation_ratio}, qr/^\d+\.\d\d$/, 'a ratio');
like(info($a, 'keyspace')->{db0}, qr/^keys=100,expires=1,avg_ttl=0$/, 'keyspace') or diag(explain(info($a, 'keyspace')));
is(info($a, 'stats')->{evicted_keys}, 0, 'evicted_keys');
ok(exists info($a, 'stats')->{instantaneous_ops_per_sec}, 'a rate');
is(info($a, 'persistence')->{aof_enabled}, 1, 'a durable database has a log');

# ---- drop ------------------------------------------------------------------------------------

sql('SELECT kv.create_database(9)');
is($a->call('SELECT', 9), 'OK', 'a new database');
$a->call('SET', 'k', 'v');
sql('SELECT kv.drop_database(9)');
like($a->call('GET', 'k'), qr/^-LOADING database 9 is not there/, 'who had selected it is told');
sql('SELECT kv.create_database(9)');
is($a->call('GET', 'k'), undef, 'a new one is empty');
like(sql_error('SELECT kv.drop_database(10)'), qr/42704.*database 10 does not exist/, 'one that is missing');
sql('SELECT kv.create_database(10)');
sql('DROP TABLE kv.database_10');
sql('SELECT kv.drop_database(10); SELECT kv.create_database(10)');
is(sql("SELECT kv.set('k', 'v', db => 10)"), 't', 'one whose table somebody has dropped is mended by dropping and making it');
sql('SELECT kv.drop_database(10)');
is(sql('SELECT count(*) FROM kv.check()'), '0', 'the stores are sound');
$node->stop;

# ---- the server is killed at every WAL record of an EXEC with SWAPDB -----------------------------

my $crashed = watched_node('databases_crash', conf => <<CONF);
fsync = off
wal_writer_delay = '10s'
CONF
my ($at, $none, @half) = (0, 0);
while (1)
{
	my @processes = processes($crashed);
	my $client = redis($crashed);

	$client->call('FLUSHALL');
	store_arm($crashed, 'crash', point => 'after a record', passes => $at++, who => 'pgfirst redis');
	$client->raw(join '', map { PgfirstTest::Redis::encode(@$_) } [ 'MULTI' ], [ 'INCR', 'n' ], [ 'SWAPDB', 0, 1 ], [ 'EXEC' ]);
	my ($what, $reply);
	for (1 .. 4)
	{
		($what, $reply) = $client->outcome(60);
		last if $what eq 'closed';
	}
	if ($what ne 'closed')
	{
		is_deeply($reply, [ 1, 'OK' ], 'EXEC');
		store_arm($crashed, 'nothing');
		last;
	}
	wait_until('all processes are gone', sub { return !grep { kill 0, $_ } @processes; });
	$crashed->{_pid} = undef;
	$crashed->start;
	wait_for_door($crashed);
	$client = redis($crashed);
	my $here = $client->call('GET', 'n') // 'none';
	$client->call('SELECT', 1);
	my $there = $client->call('GET', 'n') // 'none';
	$none++ if "$here $there" eq 'none none';
	push @half, "record $at: $here $there" if "$here $there" ne 'none none' && "$here $there" ne 'none 1';
}
cmp_ok($at, '>', 1, "it was killed at $at records");
cmp_ok($none, '>', 0, '… and had happened not at all');
is("@half", '', '… or as a whole');
$crashed->stop;

done_testing();
