# SPDX-License-Identifier: PostgreSQL
#
# 034_worker.pl: everything comes back by itself: the worker after it was killed, the door after its
# port, its database or its extension was missing; roles and settings that change are heard.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use IO::Socket::INET;
use PgfirstTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = pgfirst_node('worker');
my $redis = redis($node);
is($redis->call('SET', 'kept', 'k'), 'OK', 'the door works');

sub connects { return eval { redis($node, @_) }; }

sub back
{
	my ($what) = @_;
	my $began = time;
	my $client = wait_until("the door after $what", \&connects, 60);

	is($client->call('GET', 'kept'), 'k', "after $what the door is back, with what it had");
	is($client->call('SET', 'again', $what), 'OK', '… and writes');
	note sprintf('back %.2f s after %s', time - $began, $what);
	return $client;
}

# ---- connections -------------------------------------------------------------------------------------

SKIP:
{
	skip 'ss is not installed', 1 if !grep { -x "$_/ss" } split /:/, "$ENV{PATH}:/usr/sbin:/sbin";
	local $ENV{PATH} = "$ENV{PATH}:/usr/sbin:/sbin";
	my ($seen) = run_command([ 'ss', '-tinH', 'state', 'established', 'sport', '=', ':' . redis_port($node) ]);
	like($seen, qr/\breno\b/, 'a connection within the machine uses reno, whatever the system does');
}

# ---- processes that end -----------------------------------------------------------------------------

for my $process ('pgfirst redis 1', 'pgfirst flush')
{
	my $pid = worker_pid($node, $process);
	my $idle = connects();
	is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)"), 't', "$process is terminated");
	wait_until("another $process", sub {
		my $now = worker_pid($node, $process);
		return defined $now && $now != $pid;
	});
	if ($process eq 'pgfirst flush')
	{
		is($idle->call('GET', 'kept'), 'k', '… connections live on without the flush helper');
	}
	else
	{
		my ($what) = $idle->outcome(5);
		is($what, 'closed', '… its connections are closed');
	}
	$redis = back("$process was terminated");

	$pid = worker_pid($node, $process);
	kill 9, $pid;
	wait_until("$process is gone", sub { !kill 0, $pid; });
	$redis = back("$process was killed");
}
# As an administrator does with whatever pg_stat_activity shows.
for my $process ('pgfirst redis 1', 'pgfirst flush')
{
	my $pid = worker_pid($node, $process);
	for (1 .. 20)
	{
		$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
		$redis->call('SET', 'kept', 'k');
	}
	is($redis->call('GET', 'kept'), 'k', "$process is cancelled: connections live on");
	is(worker_pid($node, $process), $pid, '… and so does the process');
}

# The Unix socket, left behind by a kill -9 of everything.
sub through_socket { return eval { PgfirstTest::Redis->new(path => redis_socket($node), password => 'secret') }; }
is(through_socket()->call('GET', 'kept'), 'k', 'the Unix socket answers');
crash($node, postmaster_only => 1);
$node->start;
$redis = back('a kill -9 of the postmaster');
crash($node);
ok(-S redis_socket($node), 'the file of the Unix socket is left when all processes are killed');
$node->start;
$redis = back('a kill -9 of all processes');
wait_until('the Unix socket', \&through_socket);
is(through_socket()->call('GET', 'kept'), 'k', '… the Unix socket too');
$node->stop('fast');
ok(!-e redis_socket($node), 'an orderly stop removes the file');
$node->start;
$redis = back('a restart');

# ---- the extension -----------------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE TABLE meanwhile (x int)');
$node->safe_psql('postgres', 'DROP EXTENSION pgfirst_kv CASCADE');
like($redis->call('GET', 'kept'), qr/^-LOADING .*CREATE EXTENSION/, 'without the extension: LOADING, and what to do');
is($redis->call('PING'), 'PONG', '… and PING is answered');
like($redis->call('SET', 'a', 'b'), qr/^-LOADING /, '… a write is refused');
like(connects()->call('DBSIZE'), qr/^-LOADING /, '… a new client too');
ok(defined worker_pid($node), '… and the worker lives');
my @stores = split /\n/, $node->safe_psql('postgres',
	"SELECT oid::regclass FROM pg_class WHERE relname ~ '^database_' AND relkind = 'r'");
note "left by DROP EXTENSION … CASCADE: @stores";
my $pid = worker_pid($node);
my (undef, undef, $refused) = $node->psql('postgres', 'CREATE EXTENSION pgfirst_kv CASCADE');
like($refused, qr/not empty.*Rename or drop/s, '… whose data has stayed, and is not taken over by accident');
$node->safe_psql('postgres', 'DROP SCHEMA kv CASCADE');
$node->safe_psql('postgres', 'CREATE EXTENSION pgfirst_kv CASCADE');
$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA kv TO app');
wait_until('the extension is found', sub { ($redis->call('SET', 'made', 'anew') // '') eq 'OK'; }, 30);
pass('a new extension is found, on the same connection');
is($redis->call('GET', 'kept'), undef, '… and it is empty');
is($redis->call('GET', 'made'), 'anew', '… but works');
is($node->safe_psql('postgres', "SELECT kv.get_text('made')"), 'anew', '… from SQL, too');
is(worker_pid($node), $pid, '… by the same process');
is($redis->call('DBSIZE'), 1, '… and counts');

# The extension in another database, where the door is not.
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', 'CREATE EXTENSION pgfirst CASCADE; SELECT kv.create_database(0)');
$node->safe_psql('elsewhere', "SELECT kv.set('made', 'elsewhere'), kv.set('another', 'key')");
is($node->safe_psql('elsewhere', "SELECT kv.get_text('made')"), 'elsewhere', 'another database has keys of its own');
is($redis->call('GET', 'made'), 'anew', '… which the door does not serve');
is($redis->call('DBSIZE'), 1, '… and does not count');

# A database's table dropped under the clients' feet.
my $offset = -s $node->logfile;
$redis->call('SELECT', 1);
is($redis->call('SET', 'one', 1), 'OK', 'database 1');
my $store = $node->safe_psql('postgres', 'SELECT store FROM kv.database WHERE number = 1');
$node->safe_psql('postgres', "DROP TABLE $store");
like($redis->call('GET', 'one') // 'nothing', qr/^-/, 'its table is dropped: an error');
like($redis->call('SET', 'one', 1), qr/^-/, '… for a write too');
$redis->call('SELECT', 0);
is($redis->call('GET', 'made'), 'anew', '… and other databases work on the same connection');
is(worker_pid($node), $pid, '… by the same process');
$node->safe_psql('postgres', 'DELETE FROM kv.database WHERE number = 1; SELECT kv.create_database(1)');
$redis->call('SELECT', 1);
wait_until('database 1', sub { ($redis->call('SET', 'one', 2) // '') eq 'OK'; }, 30);
is($redis->call('GET', 'one'), 2, 'made anew, it works');
cmp_ok(log_count($node, 'ERROR', $offset), '<', 30, '… and the log is not flooded');
$redis->call('SELECT', 0);

# ---- roles ---------------------------------------------------------------------------------------------

sub login
{
	my (@words) = @_;
	my $client = PgfirstTest::Redis->new(port => redis_port($node));

	return ($client->call('AUTH', @words), $client);
}

sub sql { return $node->safe_psql('postgres', $_[0]); }

is((login('secret'))[0], 'OK', 'the default role logs in');
is((login('app', 'secret'))[0], 'OK', '… and by its name');
is((login('default', 'secret'))[0], 'OK', '… and as "default"');
like((login('wrong'))[0], qr/^-WRONGPASS /, '… not with a wrong password');
like((login('nobody', 'secret'))[0], qr/^-WRONGPASS /, '… and nobody not at all');

my (undef, $before) = login('secret');
sql("ALTER ROLE app PASSWORD 'changed'");
like((login('secret'))[0], qr/^-WRONGPASS /, 'a changed password: the old one is refused');
is((login('changed'))[0], 'OK', '… the new one is not');
is($before->call('GET', 'made'), 'anew', '… who has logged in stays');
sql("ALTER ROLE app PASSWORD 'secret'");

sql("ALTER ROLE app NOLOGIN");
like((login('secret'))[0], qr/^-WRONGPASS /, 'NOLOGIN');
sql("ALTER ROLE app LOGIN VALID UNTIL '2001-01-01'");
like((login('secret'))[0], qr/^-WRONGPASS /, 'VALID UNTIL has passed');
sql("ALTER ROLE app VALID UNTIL 'infinity'");
is((login('secret'))[0], 'OK', '… and is lifted');
sql("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
like((login('secret'))[0], qr/^-WRONGPASS /, 'no CONNECT on the database');
sql("GRANT CONNECT ON DATABASE postgres TO PUBLIC");

sql("REVOKE USAGE ON SCHEMA kv FROM app");
like($before->call('GET', 'made'), qr/^-NOPERM .*GRANT USAGE/, 'without USAGE on the schema: NOPERM, on a connection that had it');
is($before->call('PING'), 'PONG', '… PING is free');
sql("GRANT USAGE ON SCHEMA kv TO app");
is($before->call('GET', 'made'), 'anew', '… and given back');
sql("CREATE ROLE via LOGIN PASSWORD 'secret'; GRANT app TO via");
is((login('via', 'secret'))[1]->call('GET', 'made'), 'anew', 'through a role that it is a member of');
my (undef, $member) = login('via', 'secret');
sql("REVOKE app FROM via");
like($member->call('GET', 'made'), qr/^-NOPERM /, '… until it is not');
sql("DROP ROLE via");
like($member->call('GET', 'made'), qr/^-NO/, 'a dropped role may do nothing');

# ---- settings --------------------------------------------------------------------------------------------

sub setting
{
	my ($name, $value) = @_;

	$node->append_conf('postgresql.conf', "$name = $value");
	$node->reload;
}

sql("CREATE ROLE other LOGIN PASSWORD 'different'; GRANT USAGE ON SCHEMA kv TO other");
setting('pgfirst.redis_default_role', "'other'");
wait_until('the new default role', sub { (login('different'))[0] eq 'OK'; });
like((login('secret'))[0], qr/^-WRONGPASS /, 'a changed default role: the old one is not meant any more');
setting('pgfirst.redis_default_role', "''");
wait_until('no default role', sub { (login('different'))[0] =~ /^-WRONGPASS/; });
is((login('app', 'secret'))[0], 'OK', 'without one, names are still good');
setting('pgfirst.redis_default_role', "'app'");
wait_until('the default role', sub { (login('secret'))[0] eq 'OK'; });

$_->close for $before, $member;
setting('pgfirst.redis_max_clients', 3);
my @clients = ($redis);
wait_until('the limit of clients', sub {
	my $client = PgfirstTest::Redis->new(port => redis_port($node));
	$client->send('PING');
	my ($what, $reply) = $client->outcome(5);
	return $reply if $what eq 'reply' && $reply =~ /^-ERR max number of clients/;
	push @clients, $client;
	return 0;
});
cmp_ok(scalar(@clients), '<=', 4, 'more clients than the limit are turned away');
is($redis->call('PING'), 'PONG', '… who is in stays');
$_->close for @clients;
wait_until('room for a client', \&connects);
setting('pgfirst.redis_max_clients', 1000);
wait_until('room for ten', sub { my @ten = map { connects() } 1 .. 10; return !grep { !defined } @ten; });
pass('… and the limit is raised without a restart');
$node->stop;

# ---- no database, no extension, no port ---------------------------------------------------------------------

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $squatter = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 5, ReuseAddr => 1)
  or die "cannot take port $port: $!";
my $late = pgfirst_node('late', database => 'later', start => 0);
$late->{pgfirst_port} = $port;
$late->append_conf('postgresql.conf', "pgfirst.redis_port = $port");
$late->start;
sleep 3;
is(log_count($late, 'FATAL|ERROR|PANIC'), log_count($late, 'database "later" does not exist'),
	'a database that is missing at the start');
cmp_ok(log_count($late, 'database "later" does not exist'), '<=', 2, '… is complained of once');
cmp_ok(log_count($late, 'pgfirst redis'), '<', 10, '… and the log is not flooded');
$late->safe_psql('postgres', 'CREATE DATABASE later');
wait_until('the taken port is logged', sub { log_count($late, "could not open the Redis door at 127.0.0.1:$port"); });
sleep 3;
is(log_count($late, 'could not open the Redis door at 127.0.0.1'), 1, 'a port that is taken is complained of once');
like(PostgreSQL::Test::Utils::slurp_file($late->logfile), qr/pgfirst.redis_port moves the door/, '… with a hint');
my $by_socket;
wait_until('the Unix socket beside it', sub {
	$by_socket = eval { PgfirstTest::Redis->new(path => redis_socket($late)) };
});
is($by_socket->call('PING'), '-NOAUTH Authentication required.', '… while the Unix socket is open');
close $squatter;
wait_until('the door opens', sub { eval { PgfirstTest::Redis->new(port => $port) }; }, 30);
pass('… and when it is free, the door opens');

$late->safe_psql('postgres', "CREATE ROLE app LOGIN PASSWORD 'secret'");
my $client = redis($late);
like($client->call('GET', 'k'), qr/^-LOADING .*"later"/, 'without the extension: LOADING');
$late->safe_psql('later', 'CREATE EXTENSION pgfirst CASCADE; GRANT USAGE ON SCHEMA kv TO app');
wait_until('the extension', sub { ($client->call('SET', 'k', 'v') // '') eq 'OK'; }, 30);
is($client->call('GET', 'k'), 'v', '… and with it, without a restart, all is well');

my $seen = -s $late->logfile;
$late->safe_psql('postgres', 'DROP DATABASE later WITH (FORCE)');
my ($what) = $client->outcome(10);
is($what, 'closed', 'DROP DATABASE … WITH (FORCE): clients are disconnected');
sleep 3;
cmp_ok(log_count($late, "\n", $seen), '<', 25, '… and the log is not flooded');
$late->safe_psql('postgres', 'CREATE DATABASE later');
$late->safe_psql('later', 'CREATE EXTENSION pgfirst CASCADE; GRANT USAGE ON SCHEMA kv TO app');
wait_until('the new database', sub {
	my $again = eval { redis($late) } or return 0;
	return (eval { $again->call('SET', 'k', 'w') } // '') eq 'OK';
}, 30);
pass('… and when it is there again, so is the door');
is($late->safe_psql('later', "SELECT kv.get_text('k')"), 'w', '… with SQL behind it');

$late->stop;
done_testing();
