# SPDX-License-Identifier: PostgreSQL
#
# The program and the TLS port of its cluster: what status, doctor, env and redis-cli make of it.
use strict;
use warnings;
use Test::More;
use FindBin;
require "$FindBin::Bin/020_program_common.pl";
our ($root, $top, $program, $bindir, $place);

my $dir = "$place/tls";
my ($pg_port, $redis_port, $tls_port) = (free_port(), free_port(), free_port());
my ($code, $out, $err) = pgfirst('up', '--dir', $dir, '--pg-port', $pg_port, '--redis-port', $redis_port,
	'--memory', '256MB');
is($code, 0, 'up makes a cluster') or diag($out, $err);
my $settings = slurp("$dir/pgfirst.conf");
like($settings, qr/^pgfirst\.redis_tls_port = 0$/m, 'TLS is off, and explained');

$settings =~ s/^pgfirst\.redis_tls_port = 0$/pgfirst.redis_tls_port = $tls_port/m;
open my $file, '>', "$dir/pgfirst.conf" or die $!;
print $file $settings;
close $file;
($code, $out, $err) = pgfirst('restart', '--dir', $dir);
is($code, 0, 'without a certificate the cluster starts all the same') or diag($out, $err);
($code, $out) = pgfirst('status', '--dir', $dir);
is($code, 1, 'status fails');
like($out, qr/^Redis, TLS +nothing listens on port $tls_port/m, '… and says that TLS is closed');
($code, $out) = pgfirst('doctor', '--dir', $dir);
like($out, qr/finding  the TLS port of the Redis door is closed: nothing listens on port $tls_port/, 'so does doctor');

system("openssl req -new -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=localhost -keyout $dir/data/server.key"
	  . " -out $dir/data/server.crt 2>/dev/null") == 0 or die 'openssl';
chmod 0600, "$dir/data/server.key";
chown((stat $dir)[4, 5], "$dir/data/server.key", "$dir/data/server.crt") if $root;
pgfirst('psql', '--superuser', '--dir', $dir, '-c', 'SELECT pg_reload_conf()');
for (1 .. 200)
{
	($code, $out) = pgfirst('status', '--dir', $dir);
	last if $code == 0;
	select undef, undef, undef, 0.1;
}
is($code, 0, 'with one, after a reload, status is content');
like($out, qr{^Redis, TLS +rediss://app\@127\.0\.0\.1:$tls_port/0, listens$}m, '… and shows the URL');
($code, $out) = pgfirst('status', '--json', '--dir', $dir);
my $json = decode_json($out);
is_deeply([ @$json{qw(redis_tls_port redis_tls_listens)} ], [ $tls_port, JSON::PP::true() ], '… as JSON too');
like(slurp("$dir/pgfirst.env"), qr{^REDIS_URL=redis://}m, 'REDIS_URL is of the port without');

($code, $out, $err) = pgfirst('restart', '--dir', $dir, '--redis-port', 0);
is($code, 0, 'the port without is closed') or diag($out, $err);
like(slurp("$dir/pgfirst.env"), qr{^REDIS_URL=rediss://app:\w+\@127\.0\.0\.1:$tls_port/0$}m, '… and REDIS_URL is of TLS');
SKIP:
{
	skip 'redis-cli is not installed', 1 if system('command -v redis-cli > /dev/null') != 0;
	($code, $out, $err) = pgfirst('redis-cli', '--dir', $dir, 'PING');
	is($out, "PONG\n", '… and redis-cli uses it') or diag($err);
}
($code, $out, $err) = pgfirst('restart', '--dir', $dir, '--redis-port', $tls_port);
is($code, 2, 'one port for both is refused');
like($err, qr/pgfirst.redis_tls_port is $tls_port already/, '… and why');

done_testing();
