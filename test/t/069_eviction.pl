# SPDX-License-Identifier: PostgreSQL
#
# 069_eviction.pl: a database that is full refuses what takes room, or evicts: it stays within its limit
# under load, what is used stays, and what goes is deleted as by DEL.
#
# Seen to fail, each by the tests of its section:
#   key_use() that notes nothing (hot keys go); room_ready() and kv_limit_require() that find room everywhere (EXEC and
#   SQL are not refused); kv_keys_spare() that does nothing; take() that deletes without the key's lock; kv_limit_worth()
#   that takes keys without an expiry as well; kv_limit_room() that never lets a writer wait; kv_count_bytes() of the
#   default tenant alone (another tenant's keys have no limit); is_key() that takes the default tenant's alone (only they
#   go, whoever fills the database); count_record() that counts nothing of other tenants (kv.databases disagrees with
#   the pages); limit_released() that wakes nobody, or evict_slices() that does not look (kv.configure is heard late);
#   is_flushed() that says no (what lives goes before what another tenant has flushed).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(time sleep);

my $oom = "-OOM command not allowed when used memory > 'maxmemory'.";
my $aborted = '-EXECABORT Transaction discarded because of: ' . substr($oom, 1);
my $node = pgfirst_node('eviction', workers => 2, streaming => 1, conf => <<CONF);
pgfirst.redis_lock_timeout = '60s'
max_wal_senders = 4
autovacuum = off
CONF
my $redis = redis($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub configure { my ($number, $how) = @_; sql("SELECT kv.configure($number, $how)"); }

sub database
{
	my ($number, $column) = @_;
	return sql("SELECT $column FROM kv.databases WHERE db = $number");
}

sub info
{
	my ($client, $section) = @_;
	my %fields = map { /^([^:#]+):(.*)$/ ? ($1, $2) : () } split /\r\n/, $client->call('INFO', $section);

	return \%fields;
}

# A client that has selected the database.
sub client
{
	my ($number) = @_;
	my $client = redis($node);

	$client->call('SELECT', $number) eq 'OK' or die;
	return $client;
}

# Waits until writers are held back no more; the evictor goes on for a while, down to a 64th below the limit.
sub at_rest
{
	my ($client) = @_;

	wait_until('eviction rests', sub {
		my $memory = info($client, 'memory');
		return $memory->{used_memory} <= $memory->{maxmemory};
	});
}

# The keys, in order, with what $look gave while none of them was evicted.
sub undisturbed
{
	my ($client, $look) = @_;
	my ($keys, $seen);

	at_rest($client);
	wait_until('a look while nothing is evicted', sub {
		$keys = [ sort @{ $client->call('KEYS', '*') } ];
		$seen = $look->();
		return "@$keys" eq join ' ', sort @{ $client->call('KEYS', '*') };
	});
	return ($keys, $seen);
}

# Sets so many keys, a pipeline of a hundred at a time by all of the clients, and calls $between between them.
my $next = 0;
sub flood
{
	my ($clients, $count, $between, @options) = @_;

	while ($count > 0)
	{
		for my $client (@$clients)
		{
			$client->raw(join '', map { PgfirstTest::Redis::encode('SET', 'cold' . ++$next, 'v' x 100, @options) } 1 .. 100);
		}
		for my $client (@$clients)
		{
			for (1 .. 100)
			{
				my $reply = $client->reply(90); # writers wait for 60 s
				die "SET: $reply" if $reply ne 'OK';
			}
		}
		$count -= 100 * @$clients;
		$between->() if $between;
	}
}

# ---- without eviction ------------------------------------------------------------------------

my $full = client(3);
my $there = client(3);
configure(3, "max_size => '200kB'");
my $set = 0;
$set++ while $set < 5000 && $full->call('SET', "k$set", 'x' x 100) eq 'OK';
cmp_ok($set, '>', 500, 'a limited database takes keys');
cmp_ok($set, '<', 2000, '… until it is full');
cmp_ok(database(3, 'bytes'), '<', 220_000, '… which is its limit');
is($full->call(@$_), $oom, "$_->[0] is refused")
  for [ 'SET', 'k1', 'x' ], [ 'SETEX', 'a', 9, 'b' ], [ 'PSETEX', 'a', 9, 'b' ], [ 'SETNX', 'a', 'b' ], [ 'MSET', 'a', 'b' ],
  [ 'MSETNX', 'a', 'b' ], [ 'APPEND', 'k1', 'y' ], [ 'INCR', 'n' ], [ 'DECR', 'n' ], [ 'INCRBY', 'n', 2 ], [ 'DECRBY', 'n', 2 ],
  [ 'INCRBYFLOAT', 'n', 2 ], [ 'SETRANGE', 'k1', 1, 'z' ], [ 'SETBIT', 'k1', 1, 1 ], [ 'GETSET', 'k1', 'x' ],
  [ 'BITOP', 'NOT', 'a', 'k1' ], [ 'COPY', 'k1', 'k2' ];
is($full->call('GET', 'k1'), 'x' x 100, 'what reads goes on');
is($full->call('EXPIRE', 'k1', 100), 1, '… and EXPIRE');
is($full->call('PERSIST', 'k1'), 1, '… PERSIST');
is($full->call('RENAME', 'k1', 'K1'), 'OK', '… RENAME');
is($full->call('GETDEL', 'K1'), 'x' x 100, '… GETDEL');
is($full->call('DEL', 'k2'), 1, '… DEL');
is($redis->call('SET', 'elsewhere', 1), 'OK', 'other databases are not concerned');
is((grep { $_ eq 'denyoom' } @{ $full->call('COMMAND', 'INFO', $_)->[0][2] }) ? 1 : 0, $_ eq 'set' ? 1 : 0, "COMMAND INFO $_")
  for 'set', 'del';

configure(3, "max_size => '100kB'");
is($full->call('MULTI'), 'OK', 'MULTI');
is($full->call('SET', 'a', 'b'), $oom, '… does not keep what is refused');
is($full->call('EXEC'), '-EXECABORT Transaction discarded because of previous errors.', '… and EXEC refuses all');
configure(3, 'max_size => 0');
is($full->call('MULTI'), 'OK', 'MULTI');
is($full->call(@$_), 'QUEUED', '…') for [ 'DEL', 'k3' ], [ 'SET', 'a', 'b' ];
configure(3, "max_size => '100kB'");
is($full->call('EXEC'), $aborted, 'EXEC of a database that has become full');
is($there->call('EXISTS', 'k3'), 1, '… changes nothing');
is($full->call('EXEC'), '-ERR EXEC without MULTI', '… and is over');
is($full->call('MULTI') . $full->call('DEL', 'k3'), 'OKQUEUED', 'what takes no room');
is_deeply($full->call('EXEC'), [1], '… goes on');

my ($code, $out, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT kv.set('a', 'b', db => 3)");
like($error, qr/ERROR:  53400: database 3 is full\nDETAIL:  Its keys take \d+ bytes; its max_size is 102400\.\nHINT:  .*kv\.configure\(3/,
	'SQL is refused as well');
is(sql("SELECT kv.del('k4', 3)"), 't', '… but may delete');
$full->call('FLUSHDB');
is($full->call('SET', 'a', 'b'), 'OK', 'there is room again');

# ---- eviction under load ---------------------------------------------------------------------

my $limit = 2 * 1024 * 1024;
# What FLUSHDB leaves is the sweep's to clear away; until then it takes room in the file, and a look among the
# records finds it in place of keys.
sub emptied
{
	my ($client) = @_;

	$client->call('FLUSHDB');
	wait_until('what was flushed is swept', sub { sql('SELECT records FROM kv.space WHERE db = 1') <= 1; }, 60);
}

sub pressed
{
	my ($eviction, $uses) = @_;
	my @clients = map { client(1) } 1 .. 6;
	my ($largest, $before) = (0, database(1, 'evicted_keys'));

	emptied($clients[0]);
	configure(1, "max_size => $limit, eviction => '$eviction'");
	$clients[0]->call('SET', "hot$_", 'h' x 100) for 1 .. 100;
	flood(\@clients, 30_000, sub {
		my $bytes = info($clients[0], 'memory')->{used_memory};

		$largest = $bytes if $bytes > $largest;
		$clients[0]->call('MGET', map { "hot$_" } 1 .. 100) if $uses;
	});
	cmp_ok($largest, '<', 1.2 * $limit, "$eviction: the database stays within its limit under load");
	cmp_ok($largest, '>', 0.9 * $limit, '… and uses it');
	cmp_ok(database(1, 'evicted_keys') - $before, '>', 10_000, '… keys are evicted');
	my ($keys, $size) = undisturbed($clients[0], sub { $clients[0]->call('DBSIZE') });
	is($size, scalar @$keys, '… and counted');
	my @hot = grep { defined } @{ $clients[0]->call('MGET', map { "hot$_" } 1 .. 100) };
	return scalar @hot;
}

cmp_ok(pressed('allkeys-lfu', 1), '>=', 95, 'allkeys-lfu: what is used stays');
cmp_ok(pressed('allkeys-lru', 1), '>=', 90, 'allkeys-lru: what is used stays');
cmp_ok(pressed('allkeys-lru', 0), '<=', 5, 'allkeys-lru: what is not used goes');
cmp_ok(pressed('allkeys-random', 1), '<', 90, 'allkeys-random: anything goes');
is(info(client(1), 'stats')->{evicted_keys}, database(1, 'evicted_keys'), 'INFO counts them');
is(sql('SELECT count(*) FROM kv.check(1)'), '0', 'the store is sound');
cmp_ok(database(1, 'file_bytes'), '<', 4 * $limit, 'the file does not grow for ever');
$redis->call('CONFIG', 'RESETSTAT');
is(info($redis, 'stats')->{evicted_keys}, 0, 'CONFIG RESETSTAT sets the counter back');

# ---- only what expires -----------------------------------------------------------------------

{
	my @clients = map { client(1) } 1 .. 2;
	my $client = $clients[0];

	emptied($client);
	configure(1, "max_size => '1MB', eviction => 'volatile-lfu'");
	$client->call('SET', "stay$_", 's' x 100) for 1 .. 500;
	flood(\@clients, 12_000, undef, 'EX', 10_000);
	is(scalar(grep { defined } @{ $client->call('MGET', map { "stay$_" } 1 .. 500) }), 500,
		'volatile-lfu: keys without an expiry stay');
	cmp_ok(database(1, 'bytes'), '<', 1.2 * 1024 * 1024, '… and the others make room');

	emptied($client);
	configure(1, "eviction => 'volatile-ttl'");
	$client->call('SET', "soon$_", 's' x 100, 'EX', 1000) for 1 .. 500;
	$client->call('SET', "late$_", 's' x 100, 'EX', 100_000) for 1 .. 500;
	flood(\@clients, 12_000, undef, 'EX', 50_000);
	my $soon = grep { defined } @{ $client->call('MGET', map { "soon$_" } 1 .. 500) };
	my $late = grep { defined } @{ $client->call('MGET', map { "late$_" } 1 .. 500) };
	cmp_ok($soon, '<=', 10, 'volatile-ttl: what expires first goes first');
	cmp_ok($late, '>=', 490, '… and what expires last stays');

	$client->call('FLUSHDB');
	configure(1, "eviction => 'volatile-random'");
	my $reply = 'OK';
	for (my $i = 0; $i < 20_000 && $reply eq 'OK'; $i++) { $reply = $client->call('SET', "p$i", 'v' x 100); }
	is($reply, $oom, 'where nothing expires, nothing is evicted');
	($code, $out, $error) = $node->psql('postgres', "SELECT kv.set('a', 'b', db => 1)");
	like($error, qr/database 1 is full/, '… for SQL neither');
}

# ---- as by DEL -------------------------------------------------------------------------------

{
	my @clients = map { client(1) } 1 .. 2;
	my ($watcher, $session) = (client(1), PgfirstStore::Session->new($node));

	$clients[0]->call('FLUSHDB');
	configure(1, "max_size => '1MB', eviction => 'allkeys-lru'");
	$clients[0]->call('SET', 'watched', 'w');
	$clients[0]->call('SET', "held$_", 'h') for 1 .. 20;
	$watcher->call('WATCH', 'watched');
	$session->ask("BEGIN; SELECT kv.set('held' || n, 'changed', db => 1) FROM generate_series(1, 20) n");
	flood(\@clients, 16_000);
	is($clients[0]->call('EXISTS', 'watched'), 0, 'a key that was watched is evicted');
	$watcher->call('MULTI');
	$watcher->call('PING');
	is($watcher->call('EXEC'), undef, '… and EXEC notices');
	is($clients[0]->call('EXISTS', map { "held$_" } 1 .. 20), 20, 'keys that a transaction has locked are passed over');
	at_rest($clients[0]);
	$session->ask('COMMIT');
	is(sql("SELECT count(*) FROM generate_series(1, 20) n WHERE kv.get_text('held' || n, 1) = 'changed'"), '20', '… and are what it made them');
	$session->end;
}

# CLIENT NO-TOUCH
{
	my @clients = map { client(1) } 1 .. 2;
	my ($quiet, $loud) = (client(1), client(1));

	$loud->call('FLUSHDB');
	$quiet->call('CLIENT', 'NO-TOUCH', 'ON');
	$loud->call('SET', "quiet$_", 'q' x 100) && $loud->call('SET', "loud$_", 'l' x 100) for 1 .. 100;
	flood(\@clients, 16_000, sub {
		$quiet->call('MGET', map { "quiet$_" } 1 .. 100);
		$loud->call('MGET', map { "loud$_" } 1 .. 100);
	});
	my $kept = grep { defined } @{ $quiet->call('MGET', map { "quiet$_" } 1 .. 100) };
	cmp_ok($kept, '<=', 10, 'CLIENT NO-TOUCH: what it reads is not kept for it');
	$kept = grep { defined } @{ $loud->call('MGET', map { "loud$_" } 1 .. 100) };
	cmp_ok($kept, '>=', 90, '… as for others');
}

# ---- tenants: the limit is the database's ------------------------------------------------------

{
	sql("CREATE ROLE seven LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA kv TO seven; SELECT kv.set_tenant('seven', 7)");
	my @sevens = map { my $client = redis($node, user => 'seven'); $client->call('SELECT', 2); $client } 1 .. 2;
	my ($seven, $zero) = ($sevens[0], client(2));
	my $pages = 'SELECT live_bytes FROM kv.space WHERE db = 2';

	configure(2, "max_size => '200kB'");
	my ($set, $reply) = (0, 'OK');
	while ($set < 5000 && ($reply = $seven->call('SET', "s$set", 'x' x 100)) eq 'OK') { $set++; }
	is($reply, $oom, 'the keys of another tenant fill a database');
	is($zero->call('SET', 'a', 'b'), $oom, '… for everybody');
	is(database(2, 'bytes'), sql($pages), '… and count in kv.databases as they do on the pages');
	is(info($zero, 'memory')->{used_memory}, database(2, 'bytes'), '… and in INFO');
	crash($node);
	$node->start;
	wait_for_door($node);
	wait_until('counted', sub { return database(2, 'keys') ne ''; });
	is(database(2, 'bytes'), sql($pages), '… after a restart as well');
	is(database(2, 'keys'), '0', '… while those of keys are the default tenant\'s');
	@sevens = map { my $client = redis($node, user => 'seven'); $client->call('SELECT', 2); $client } 1 .. 2;
	($seven, $zero, $redis) = ($sevens[0], client(2), redis($node));
	$seven->call('FLUSHDB');
	wait_until('what another tenant has flushed makes room', sub { return $zero->call('SET', 'a', 'b') eq 'OK'; });

	$zero->call('SET', "stay$_", 's' x 100) for 1 .. 100;
	configure(2, "max_size => '1MB', eviction => 'allkeys-lfu'");
	flood(\@sevens, 16_000, sub { $zero->call('MGET', map { "stay$_" } 1 .. 100); });
	cmp_ok(database(2, 'bytes'), '<', 1.2 * 1024 * 1024, 'another tenant stays within the limit');
	cmp_ok(database(2, 'evicted_keys'), '>', 5000, '… by eviction');
	my $stayed = grep { defined } @{ $zero->call('MGET', map { "stay$_" } 1 .. 100) };
	cmp_ok($stayed, '>=', 90, '… of what is not used, whose ever it is');
	at_rest($zero);
	cmp_ok($seven->call('DBSIZE'), '>', 1000, '… and has the rest');

	my $evicted = database(2, 'evicted_keys');
	$seven->call('FLUSHDB');
	$zero->call('SET', "fresh$_", 's' x 100) for 1 .. 1000;
	at_rest($zero);
	cmp_ok(database(2, 'evicted_keys') - $evicted, '<=', 50, 'what it has flushed goes before what lives');

	$_->call('FLUSHDB') for $seven, $zero;
	wait_until('what was flushed is swept', sub { return database(2, 'bytes') == 0; });
	configure(2, "eviction => 'volatile-ttl'");
	for my $n (1 .. 50)
	{
		$seven->call('SET', "soon$n", 's' x 100, 'EX', 1000);
		$seven->call('SET', "late$n", 's' x 100, 'EX', 100_000);
	}
	flood([$zero], 12_000, undef, 'EX', 50_000);
	cmp_ok(scalar(grep { defined } @{ $seven->call('MGET', map { "soon$_" } 1 .. 50) }), '<=', 5, 'volatile-ttl: of all tenants what expires first');
	cmp_ok(scalar(grep { defined } @{ $seven->call('MGET', map { "late$_" } 1 .. 50) }), '>=', 45, '… and not what expires last');
	$_->call('FLUSHDB') for $seven, $zero;
	configure(2, "max_size => 0, eviction => 'noeviction'");
}

# ---- kv.configure is seen at once --------------------------------------------------------------

# Nobody writes, so nobody tells the evictor but who configures.
{
	my ($client, $session, $prompt, $rounds) = (client(2), PgfirstStore::Session->new($node), 0, 20);

	for my $round (1 .. $rounds)
	{
		$client->call('SET', "c$_", 'c' x 100) for 1 .. 50;
		my $before = database(2, 'evicted_keys');
		$session->ask("SELECT kv.configure(2, max_size => 1000, eviction => 'allkeys-random')");
		my $began = time;
		wait_until('eviction', sub { return $session->ask('SELECT evicted_keys FROM kv.databases WHERE db = 2') > $before; });
		$prompt++ if time - $began < 0.8;
		$session->ask("SELECT kv.configure(2, max_size => 0, eviction => 'noeviction')");
	}
	cmp_ok($prompt, '>=', 0.65 * $rounds, 'a limit that is set is kept at once, also when nobody writes');

	# … and by CONFIG SET, for the default policy of a database.
	$client->call('SET', "c$_", 'c' x 100) for 1 .. 50;
	my $before = database(2, 'evicted_keys');
	$prompt = 0;
	for my $round (1 .. $rounds)
	{
		$client->call('SET', "c$_", 'c' x 100) for 1 .. 50;
		$before = database(2, 'evicted_keys');
		$client->call('CONFIG', 'SET', 'maxmemory', 1000, 'maxmemory-policy', 'allkeys-random');
		my $began = time;
		wait_until('eviction', sub { return $session->ask('SELECT evicted_keys FROM kv.databases WHERE db = 2') > $before; });
		$prompt++ if time - $began < 0.8;
		$client->call('CONFIG', 'SET', 'maxmemory', 0, 'maxmemory-policy', 'noeviction');
	}
	cmp_ok($prompt, '>=', 0.65 * $rounds, '… by CONFIG SET, too');
	$session->end;
}

# ---- writers that are faster than eviction -----------------------------------------------------

# How long writers wait; both workers show by another setting that they have read it.
my $max_clients = 5000;
sub patience
{
	my ($limit) = @_;

	$max_clients++;
	$node->append_conf('postgresql.conf', "pgfirst.redis_lock_timeout = '$limit'\npgfirst.redis_max_clients = $max_clients");
	$node->reload;
	for my $worker (0, 1)
	{
		my $there = redis_in_worker($node, $worker);
		wait_until('the new settings', sub { return info($there, 'clients')->{maxclients} == $max_clients; });
	}
}

{
	my $client = client(1);
	my $upkeep = worker_pid($node, 'pgfirst upkeep');
	my $limit = 1024 * 1024;

	stop_at_rest($node, $upkeep);
	my ($sent, $what) = (0, 'reply');
	while ($sent < 5000 && $what eq 'reply')
	{
		$client->send('SET', 'fast' . ++$sent, 'v' x 1000);
		($what) = $client->outcome(2);
	}
	is($what, 'silent', 'a writer that is too fast waits for the evictor');
	cmp_ok(database(1, 'bytes'), '<', 1.1 * $limit, '… so the database stays within its limit');
	is(client(1)->call('GET', 'none'), undef, '… and readers go on');
	kill 'CONT', $upkeep;
	is($client->reply(60), 'OK', '… then it goes on');

	patience('300ms');
	stop_at_rest($node, $upkeep);
	my $reply = 'OK';
	for (my $i = 0; $i < 10_000 && $reply eq 'OK'; $i++) { $reply = $client->call('SET', "late$i", 'v' x 1000); }
	is($reply, $oom, 'it is refused when it has waited as long as for a lock');
	kill 'CONT', $upkeep;
	patience('60s');
}

# ---- crash and standby -------------------------------------------------------------------------

{
	my @clients = map { client(1) } 1 .. 2;

	flood(\@clients, 4000);
	my $standby = standby_of($node, workers => 1);
	flood(\@clients, 8000);
	my $replica = redis($standby);
	$replica->call('SELECT', 1);
	my ($keys, $there) = undisturbed($clients[0], sub {
		wait_for_standby($node, $standby);
		return [ sort @{ $replica->call('KEYS', '*') } ];
	});
	is_deeply($there, $keys, 'a standby has what was not evicted, and no more');
	$standby->stop;

	crash($node);
	$node->start;
	wait_for_door($node);
	@clients = map { client(1) } 1 .. 2;
	wait_until('counted', sub { return database(1, 'keys') ne ''; });
	is(database(1, 'eviction'), 'allkeys-lru', 'what was configured survives a crash');
	flood(\@clients, 8000);
	cmp_ok(database(1, 'bytes'), '<', 1.2 * 1024 * 1024, '… and the limit holds');
	($keys, my $size) = undisturbed($clients[0], sub { $clients[0]->call('DBSIZE') });
	is($size, scalar @$keys, '… and the counts');
	is(sql('SELECT count(*) FROM kv.check()'), '0', 'the stores are sound');
}

done_testing();
