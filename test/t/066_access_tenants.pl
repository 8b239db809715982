# SPDX-License-Identifier: PostgreSQL
#
# 066_access_tenants.pl: two tenants of one server: whose keys and clients each reaches, where a tenant comes from, and
# what one does to the other's changes, counts and space, which is nothing. With two workers.
#
# Seen to fail: kv_space_flush() that drops all changes of the turn; count_observe() that takes every epoch for
# the default tenant's; sweep_is_garbage() that knows the default tenant alone; kv_count_others() that knows no flushes;
# auth_set_tenant() that finds nothing, or the database's before the role's, or not that for all roles;
# kv_auth_has_tenants() that looks at no settings; kv_access_has_tenants() that takes dropped roles for roles;
# forget_dropped_roles() that does nothing; watch_holds() that does not compare the
# tenant; census_each() that counts the default tenant's keys for all (cache.stats); pause_of() that takes anybody's; kv_auth_look() that takes who cannot be looked up for the default tenant's; a new
# session in standing() that waits for nothing; a PUBSUB NUMPAT of
# all tenants; the epoch record of another tenant without its tenant (kv.check).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use Test::More;

my $node = pgfirst_node('tenants', workers => 2, conf => "pgfirst.redis_auth_delay = 0\nautovacuum = off\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub as { my ($role) = @_; return redis($node, user => $role); }

sql("CREATE ROLE $_ LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA kv TO $_; SELECT kv.grant('$_', NULL, 'admin')")
  for qw(seven seven_too eight setting);
sql("SELECT kv.set_tenant('seven', 7), kv.set_tenant('seven_too', 7), kv.set_tenant('eight', 8)");

# Clients of one role, one in each worker.
sub pair
{
	my ($role) = @_;
	my %pair;

	for (1 .. 200)
	{
		my $client = as($role);
		my ($pid) = $client->call('INFO', 'server') =~ /^process_id:(\d+)/m;
		$pair{$pid} //= $client;
		last if keys %pair == 2;
	}
	return map { $pair{$_} } sort keys %pair;
}

my ($zero, $zero_too) = pair('app');
my ($seven, $seven_too) = pair('seven');
my ($eight) = pair('eight');

# ---- keys ------------------------------------------------------------------------------------

is($zero->call('MSET', map { ("k$_", "zero$_") } 1 .. 100), 'OK', 'keys of tenant 0');
is($seven->call('MSET', map { ("k$_", "seven$_") } 1 .. 50), 'OK', 'of tenant 7, with the same names');
is($zero_too->call('GET', 'k1'), 'zero1', 'each reads its own');
is($seven_too->call('GET', 'k1'), 'seven1', '… in both workers');
is($eight->call('GET', 'k1'), undef, '… and a third has none');
is(as('seven_too')->call('GET', 'k2'), 'seven2', 'two roles of one tenant share them');
is($zero->call('DBSIZE'), 100, 'DBSIZE of tenant 0');
is($seven->call('DBSIZE'), 50, '… of tenant 7');
is($eight->call('DBSIZE'), 0, '… of tenant 8');
is_deeply($eight->call('SCAN', 0, 'COUNT', 1000), [ 0, [] ], '… whose SCAN finds nothing');
is($eight->call('RANDOMKEY'), undef, '… nor RANDOMKEY');
my ($cursor, %seen) = (0);
do
{
	my $batch = $seven->call('SCAN', $cursor, 'COUNT', 7);
	$cursor = $batch->[0];
	$seen{$_}++ for @{ $batch->[1] };
} until $cursor eq '0';
is_deeply([ sort keys %seen ], [ sort map { "k$_" } 1 .. 50 ], 'SCAN returns each of its own');
is(scalar(grep { $_ != 1 } values %seen), 0, '… once');
is(scalar @{ $seven->call('KEYS', '*') }, 50, 'KEYS too');
like($zero->call('INFO', 'keyspace'), qr/^db0:keys=100,/m, 'INFO counts those of tenant 0');
unlike($seven->call('INFO', 'keyspace'), qr/^db/m, '… for which others have to ask DBSIZE');

sql('GRANT USAGE ON SCHEMA cache TO seven; SELECT count(kv.set($$c$$ || n, $$x$$, db => 1)) FROM generate_series(1, 5) n');
is($node->safe_psql('postgres', "SELECT kv.set('mine', 'x', db => 1); SELECT entries FROM cache.stats()", extra_params => [ '-U', 'seven' ]),
	"t\n1", 'cache.stats() counts the own entries of a tenant');
is($seven->call('FLUSHDB'), 'OK', 'FLUSHDB of tenant 7');
is($seven_too->call('DBSIZE'), 0, '… empties its own');
is($zero->call('DBSIZE'), 100, '… and no other, by count');
is($zero_too->call('GET', 'k1'), 'zero1', '… and by reading');
$seven->call('SET', 'again', 1);
is($eight->call('FLUSHALL'), 'OK', 'FLUSHALL of tenant 8');
is($seven->call('GET', 'again'), 1, '… leaves tenant 7');
is($zero->call('DBSIZE'), 100, '… and tenant 0');
$zero->call('FLUSHDB');
is($seven->call('GET', 'again'), 1, 'FLUSHDB of tenant 0 leaves tenant 7');
is($zero->call('DBSIZE'), 0, '… and empties its own');
is(sql("SELECT count(*) FROM kv.check()"), 0, 'kv.check finds nothing wrong');

# ---- one turn --------------------------------------------------------------------------------

# One tenant sets keys while another sets and flushes. A third client keeps the worker busy meanwhile, so that the next
# turn has the changes of both.
my @busy = pair('app');
my @setters = pair('app');
my @flushers = pair('seven');
my @rounds = (0 .. 49);
for my $round (@rounds)
{
	for my $i (0, 1)
	{
		$busy[$i]->raw(PgfirstTest::Redis::encode('EXISTS', 'k') x 500);
		$setters[$i]->raw(join '', map { PgfirstTest::Redis::encode('SET', "t$i:$round:$_", 'x') } 1 .. 40);
		$flushers[$i]->raw(join '', map { PgfirstTest::Redis::encode(@$_) }
			(['FLUSHDB'], [ 'SET', "f$i", $round ], ['FLUSHDB'], ['MULTI'], [ 'SET', "f$i", 'm' ], ['FLUSHDB'], [ 'SET', "g$i", $round ], ['EXEC'], [ 'SET', "g$i", 'y' ]) x 5);
	}
}
my ($wrong, $last) = (0, '');
for my $i (0, 1)
{
	for (@rounds)
	{
		$busy[$i]->reply for 1 .. 500;
		for (1 .. 40) { my $reply = $setters[$i]->reply; $wrong++ if $reply ne 'OK'; }
		for my $expected (('OK', 'OK', 'OK', 'OK', 'QUEUED', 'QUEUED', 'QUEUED', 'OK,OK,OK', 'OK') x 5)
		{
			my $reply = $flushers[$i]->reply;
			my $is = ref $reply ? join ',', @$reply : $reply;
			($wrong, $last) = ($wrong + 1, $is) if $is ne $expected;
		}
	}
}
is($wrong, 0, 'setting and flushing side by side') or diag($last);
is($zero->call('EXISTS', map { my $i = $_; map { my $round = $_; map { "t$i:$round:$_" } 1 .. 40 } @rounds } 0, 1), 4000,
	'… every key that was set is there');
is($zero->call('DBSIZE'), 4000, '… and counted');
is($seven->call('EXISTS', 'f0', 'f1'), 0, '… and what was flushed is not');

# ---- WATCH and MULTI -------------------------------------------------------------------------

$seven->call('SET', 'w', 1);
is($seven->call('WATCH', 'w'), 'OK', 'a watched key');
$zero->call('SET', 'w', 'other');
is_deeply([ map { $seven->call(@$_) } ['MULTI'], [ 'INCR', 'w' ], ['EXEC'] ]->[2], [2], '… of the same name in another tenant is another');
# In a database that nobody has flushed, or the epochs would tell the two apart.
$seven->call('SELECT', 3);
is($seven->call('SET', 'w', 1), 'OK', 'a key');
is($seven->call('WATCH', 'w'), 'OK', '… is watched');
is($seven->call('AUTH', 'app', 'secret'), 'OK', '… and another role logs in');
is([ map { $seven->call(@$_) } ['MULTI'], [ 'SET', 'w', 1 ], ['EXEC'] ]->[2], undef, '… is not the one that is watched');
$seven->call('AUTH', 'seven', 'secret');
$seven->call('SELECT', 0);

my $moved = as('seven_too');
$moved->call('SET', 'mine', 'seven');
$moved->call('MULTI');
$moved->call('SET', 'mine', 'moved');
sql("SELECT kv.set_tenant('seven_too', 8)");
like($moved->call('EXEC'), qr/^-EXECABORT /, 'a role that gets another tenant: what it has begun is refused');
is($moved->call('GET', 'mine'), undef, '… and it reaches the other keys');
is($eight->call('EXISTS', 'mine'), 0, '… in which nothing has changed');
sql("SELECT kv.set_tenant('seven_too', 7)");
is($moved->call('GET', 'mine'), 'seven', '… and back');

# The list of databases is locked, and has to be read anew, and so have rights: nobody can tell whose tenant a role is.
my $holder = PgfirstStore::Session->new($node);
$seven->call('SET', 'mine', 'of seven');
$holder->ask('BEGIN; LOCK TABLE kv.database IN ACCESS EXCLUSIVE MODE');
is($seven->call('MULTI'), 'OK', 'MULTI of a client of a tenant');
is($seven->call('GET', 'mine'), 'QUEUED', '… keeps a command');
sql('GRANT SELECT ON kv.database TO eight; ALTER ROLE eight CONNECTION LIMIT 100');
is($seven->call('PING'), 'QUEUED', '… goes on while rights change and databases are locked');
my $unknown = as('eight');
$unknown->send('SUBSCRIBE', 'c1');
is(($unknown->outcome(0.3))[0], 'silent', '… who logs in meanwhile waits, for whose tenant it is nobody can say');
my $loads = as('eight');
$loads->send('SCRIPT', 'LOAD', 'return 1');
is(($loads->outcome(0.3))[0], 'silent', '… nor may anybody leave a script, for whom nobody can say either');
$holder->ask('ROLLBACK');
is_deeply($unknown->reply(20), [ 'subscribe', 'c1', 1 ], '… and then subscribes');
is($loads->reply(20), 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db', '… and is told its name');
is($zero->call('PUBLISH', 'c1', 'of zero') + $zero_too->call('PUBLISH', 'c1', 'of zero'), 0, '… not to what another tenant publishes');
$holder->ask('BEGIN; LOCK TABLE kv.access IN ACCESS EXCLUSIVE MODE');
sql('GRANT SELECT ON kv.access TO eight');
$unknown = as('eight');
$unknown->send('CLIENT', 'LIST');
is(($unknown->outcome(0.3))[0], 'silent', '… nor is anybody shown to it while rights are locked');
$holder->ask('ROLLBACK');
unlike($unknown->reply(20), qr/ user=app /, '… who is another tenant\'s');
is_deeply($seven->call('EXEC'), [ 'of seven', 'PONG' ], '… and is carried out when they are not');
sql('REVOKE SELECT ON kv.database, kv.access FROM eight; ALTER ROLE eight CONNECTION LIMIT -1');

# ---- clients ---------------------------------------------------------------------------------

my ($seven_id, $zero_id) = map { $_->call('CLIENT', 'ID') } $seven, $zero;
my $list = $seven->call('CLIENT', 'LIST');
like($list, qr/^id=$seven_id /m, 'CLIENT LIST shows a tenant its clients');
unlike($list, qr/ user=(app|eight) /, '… and no others');
is($seven->call('CLIENT', 'KILL', 'ID', $zero_id), 0, 'CLIENT KILL meets none of another tenant');
is($zero->call('CLIENT', 'LIST', 'ID', $seven_id), '', '… nor does CLIENT LIST');
is($zero->call('PING'), 'PONG', '… which lives');
is($seven->call('CLIENT', 'PAUSE', 60000), 'OK', 'CLIENT PAUSE');
$seven_too->send('GET', 'w');
is(($seven_too->outcome(0.3))[0], 'silent', '… holds its clients');
is($zero->call('SET', 'unpaused', 1), 'OK', '… and no others');
is($zero_too->call('CLIENT', 'UNPAUSE'), 'OK', 'CLIENT UNPAUSE of another tenant');
is(($seven_too->outcome(0.3))[0], 'silent', '… ends it not');
is($seven->call('CLIENT', 'UNPAUSE'), 'OK', '… but its own');
is($seven_too->reply(20), 2, '… does');

$zero->call('CONFIG', 'SET', 'slowlog-log-slower-than', 0);
$seven->call('SET', 'slow-of-seven', 1);
$zero->call('CONFIG', 'SET', 'slowlog-log-slower-than', -1);
my $log = join ' ', map { @{ $_->[3] } } @{ $zero->call('SLOWLOG', 'GET', -1) };
unlike($log, qr/slow-of-seven/, 'SLOWLOG shows nothing of another tenant');
like(join(' ', map { @{ $_->[3] } } @{ $seven->call('SLOWLOG', 'GET', -1) }), qr/slow-of-seven/, '… and its own');

is_deeply($zero_too->call('PSUBSCRIBE', 'c*'), [ 'psubscribe', 'c*', 1 ], 'PSUBSCRIBE');
is_deeply($zero_too->call('SUBSCRIBE', 'c1'), [ 'subscribe', 'c1', 2 ], '… and SUBSCRIBE');
is($seven_too->call('PUBSUB', 'NUMPAT'), 0, 'PUBSUB NUMPAT counts the patterns of a tenant');
is_deeply($seven_too->call('PUBSUB', 'CHANNELS'), [], '… PUBSUB CHANNELS knows its channels');
is_deeply($seven_too->call('PUBSUB', 'NUMSUB', 'c1'), [ 'c1', 0 ], '… and NUMSUB its subscribers');
is($seven_too->call('PUBLISH', 'c1', 'of seven'), 0, '… whom PUBLISH reaches');
is(($zero_too->outcome(0.3))[0], 'silent', '… and no others');
$zero_too->call('RESET');
$zero_too->call('AUTH', 'app', 'secret');

# ---- where a tenant comes from ---------------------------------------------------------------

sub tenant_of
{
	my $by_sql = $node->safe_psql('postgres', 'SELECT kv.tenant()', extra_params => [ '-U', 'setting' ]);
	my $client = as('setting');
	$client->call('SET', 'whose', 'x');
	my $by_redis = sql("SELECT string_agg(tenant::text, ' ') FROM kv.database_0 WHERE key = 'whose'");
	$client->call('DEL', 'whose');
	return "$by_sql $by_redis";
}

is(tenant_of(), '0 0', 'a tenant by default');
sql("SELECT kv.set_tenant('setting', 11)");
is(tenant_of(), '11 11', '… by kv.set_tenant');
sql('ALTER DATABASE postgres SET pgfirst.tenant = 12');
is(tenant_of(), '12 12', '… by a setting of the database');
sql('ALTER ROLE setting SET pgfirst.tenant = 13');
is(tenant_of(), '13 13', '… of the role');
my $lives = as('setting');
$lives->call('SET', 'lives', 1);
sql('ALTER ROLE setting IN DATABASE postgres SET pgfirst.tenant = 14');
is(tenant_of(), '14 14', '… of the role in the database');
is($lives->call('GET', 'lives'), 1, 'a living session keeps the setting that it began with');
sql('ALTER ROLE setting IN DATABASE postgres SET pgfirst.tenant = 0');
is(tenant_of(), '0 0', '… 0 is a tenant, too');
sql('ALTER ROLE setting IN DATABASE postgres RESET ALL; ALTER ROLE setting RESET ALL; ALTER DATABASE postgres RESET ALL');
is(tenant_of(), '11 11', '… and without settings the role\'s again');
my (undef, undef, $error) = $node->psql('postgres', 'ALTER ROLE setting SET pgfirst.tenant = 7', extra_params => [ '-U', 'setting' ]);
like($error, qr/permission denied to set parameter "pgfirst\.tenant"/, 'a role cannot set its own');
(undef, undef, $error) = $node->psql('postgres', 'SELECT 1', connstr => $node->connstr('postgres') . " user=setting options='-c pgfirst.tenant=7'");
like($error, qr/permission denied to set parameter "pgfirst\.tenant"/, '… not when it connects');

sql('ALTER ROLE ALL SET pgfirst.tenant = 15; ALTER ROLE app SET pgfirst.tenant = 0');
is(tenant_of(), '15 15', '… by a setting for all roles');
sql('ALTER ROLE setting SET pgfirst.tenant = -1');
is(tenant_of(), '11 11', '… which the role\'s own comes before, also when it says: as kv.set_tenant does');
sql('ALTER ROLE ALL RESET ALL; ALTER ROLE app RESET ALL; ALTER ROLE setting RESET ALL');

# ---- SWAPDB, and roles that are dropped ------------------------------------------------------

my $swap_refused = qr/^-ERR SWAPDB would exchange the databases of all tenants/;
sub tenancies { return sql('SELECT count(*) FROM kv.tenancy'); }

like($zero->call('SWAPDB', 2, 3), $swap_refused, 'SWAPDB is refused where there are tenants');
sql("SELECT kv.set_tenant(rolname, 0) FROM pg_roles WHERE oid IN (SELECT role FROM kv.tenancy)");
is($zero->call('SWAPDB', 2, 3), 'OK', '… and not where there are none');
for my $how ('ROLE setting', 'ROLE setting IN DATABASE postgres', 'DATABASE postgres', 'ROLE ALL')
{
	sql("ALTER $how SET pgfirst.tenant = 16");
	like($zero->call('SWAPDB', 2, 3), $swap_refused, "… ALTER $how makes one");
	sql("ALTER $how SET pgfirst.tenant = 0");
	is($zero->call('SWAPDB', 2, 3), 'OK', '… unless it is the default tenant');
	sql("ALTER $how RESET ALL");
}
sql("CREATE DATABASE elsewhere; ALTER DATABASE elsewhere SET pgfirst.tenant = 16");
is($zero->call('SWAPDB', 2, 3), 'OK', '… or in another database');
sql('DROP DATABASE elsewhere');

sql("CREATE ROLE leaves; SELECT kv.set_tenant('leaves', 17), kv.grant('leaves', 1, 'admin')");
like($zero->call('SWAPDB', 2, 3), $swap_refused, 'a role with a tenant');
sql('DROP ROLE leaves');
is($zero->call('SWAPDB', 2, 3), 'OK', '… is dropped, and in nobody\'s way');
wait_until('what was said of it is forgotten', sub { return tenancies() eq '0'; });
is(sql('SELECT count(*) FROM kv.access a WHERE grantee <> 0 AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = grantee)'), '0',
	'… its rights as well');
sql("SELECT kv.set_tenant('seven', 7), kv.set_tenant('seven_too', 7), kv.set_tenant('eight', 8), kv.set_tenant('setting', 11)");
is_deeply([ sort @{ $seven->call('ACL', 'USERS') } ], [qw(seven seven_too)], 'ACL USERS knows whose users they are');
sql('ALTER ROLE eight SET pgfirst.tenant = 7');
is_deeply([ sort @{ $seven->call('ACL', 'USERS') } ], [qw(eight seven seven_too)], '… by settings, too');
sql('ALTER ROLE eight RESET ALL');

# ---- space -----------------------------------------------------------------------------------

$_->call('SELECT', 2) for $seven, $zero;
$zero->call('SET', 'stays', 1);
sub records { return sql('SELECT records FROM kv.space WHERE db = 2'); }
my $before = records();
$seven->call('MSET', map { ("flushed$_", 'x' x 100) } 1 .. 500);
cmp_ok(records(), '>=', $before + 500, 'keys of a tenant');
$seven->call('FLUSHDB');
wait_until('the sweep', sub { records() <= $before + 1 }, 120);
pass('… are swept after its FLUSHDB');
$seven->call('PSETEX', "expired$_", 1, 'x') for 1 .. 200;
wait_until('the sweep', sub { records() <= $before + 1 }, 120);
pass('… and when they have expired');
is($zero->call('GET', 'stays'), 1, '… others stay');
is($zero->call('DBSIZE'), 1, '… and are counted');
is(sql("SELECT count(*) FROM kv.check()"), 0, 'kv.check finds nothing wrong');

$node->restart;
wait_for_door($node);
($zero, $seven) = map { as($_) } qw(app seven);
is($zero->call('DBSIZE'), sql("SELECT count(*) FROM kv.database_0 WHERE tenant = 0"), 'after a restart, the count');
$seven->call('MULTI');
$seven->call('DBSIZE');
is($seven->call('EXEC')->[0], sql("SELECT count(*) FROM kv.database_0 WHERE tenant = 7"), '… of the others, in EXEC too');

$node->stop;
done_testing();
