# SPDX-License-Identifier: PostgreSQL
#
# Into a server that is there already: without the library at server start the extension says what
# is missing; with it, docs/install.md's steps lead to a door that answers.

use strict;
use warnings;

use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('existing');
$node->init;
$node->start;
$node->safe_psql('postgres', "CREATE TABLE mine (k text); INSERT INTO mine VALUES ('greeting')");

my ($code, $out, $error) = $node->psql('postgres', 'CREATE EXTENSION pgfirst CASCADE');
isnt($code, 0, 'without preloading, the extension is refused');
like($error, qr/pgfirst is not loaded at server start/, 'and says why');
like($error, qr/shared_preload_libraries/, 'and what to do');

my $port = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport;
$node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = 'pgfirst'
pgfirst.redis_port = $port
pgfirst.redis_database = 'postgres'
pgfirst.redis_default_role = 'app'
CONF
$node->restart;
$node->safe_psql('postgres',
	"CREATE EXTENSION pgfirst CASCADE; CREATE ROLE app LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA kv, cache TO app");
$node->poll_query_until('postgres', 'SELECT count(*) = 4 FROM kv.database')
  or die 'databases 0 to 3 were not made';

my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10)
  or die "the Redis door does not listen: $!";
my $ask = sub {
	my ($command) = @_;
	print {$socket} "$command\r\n";
	my $line = <$socket>;
	$line .= <$socket> if $line =~ /^\$\d/;
	$line =~ s/\r\n//g;
	return $line;
};
is($ask->('PING'), '-NOAUTH Authentication required.', 'the door is closed to strangers');
is($ask->('AUTH app secret'), '+OK', 'a role logs in with its password');
is($ask->('SET greeting hello'), '+OK', 'and writes');
is($node->safe_psql('postgres', 'SELECT k, kv.get_text(k) FROM mine'),
	'greeting|hello', 'what it wrote joins with a table');
$node->safe_psql('postgres', "SELECT kv.set('greeting', 'from SQL')");
is($ask->('GET greeting'), '$8from SQL', 'and SQL writes back');

($code, $out, $error) = $node->psql('postgres', "SET pgfirst.another = 1");
like($error, qr/invalid configuration parameter name/, 'a misspelt setting is an error');

$node->stop;
done_testing();
