# SPDX-License-Identifier: PostgreSQL
#
# What can be done to the TLS port, beside an innocent client of the port without: see test/hostile/tls.py.
# FUZZ_SEED and FUZZ_SECONDS choose other damages, and more of them.
#
# Alone: it measures how long others wait.
#
# Seen to fail: handshakes taken as they come, without a millisecond's limit (burst); no BEGUN_MAX (half_open);
# nobody late dropped (late); a read that ends with the input that is wanted, and not with the wire
# (pipelines); messages not counted (new_keys); no goodbye at the close (goodbye); OpenSSL's memory not counted
# (idle); the first byte not looked at (plain_text, tls_on_the_other_port).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../hostile";
use lib "$FindBin::RealBin/../perl";
use Certificates;
use Hostile;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = Hostile::server('tls', 'pgfirst.redis_tls_port' => PostgreSQL::Test::Cluster::get_free_port());
my $node = $server->node;
my $certificates = Certificates->new;

sub setting
{
	my ($name, $value) = @_;

	$node->append_conf('postgresql.conf', "$name = '$value'");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('$name') = '$value'") or die $name;
	return;
}

$certificates->install($node, 'server');
$node->reload;
wait_for_tls();

sub wait_for_tls
{
	for (1 .. 600)
	{
		return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->{tls_port});
		Time::HiRes::sleep(0.1);
	}
	die 'no TLS';
}

my $log = $server->attack('tls', '--seed', $ENV{FUZZ_SEED} || 1, '--seconds', $ENV{FUZZ_SECONDS} || 10);
my $failures = () = $log =~ /no TLS with it/g;
my $others = () = $log =~ /it speaks TLS on the port without/g;
cmp_ok($failures, '<=', 4, 'thousands of failures are a line a minute in the log');
cmp_ok($failures, '>', 0, '… which is there');
is($others, 1, '… and so is TLS on the port without');

setting('authentication_timeout', '3s');
$server->attack('tls', '--timeout', 3);
setting('authentication_timeout', '1min');

setting('pgfirst.redis_max_clients', 50);
$server->attack('tls', '--allowed', 50);
setting('pgfirst.redis_max_clients', 10000);

# 20 kB each.
setting('pgfirst.redis_client_memory', '16MB');
$server->attack('tls', '--fits', 820);

done_testing();
