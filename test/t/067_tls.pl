# SPDX-License-Identifier: PostgreSQL
#
# 067_tls.pl: the TLS port with the server's own certificates, how they are read and renewed, and that a
# reply waits there for its position as anywhere else.
#
# Seen to fail: a reload that does not read certificates; one that takes what is broken; a key that
# others may read, not refused; the certificates of clients not asked for, or the list of revoked ones not read; a
# TLS listener that is opened without a certificate; replies encrypted and sent before their position is durable.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use Certificates;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $certificates = Certificates->new;
my $authority = $certificates->file('authority.crt');
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $why = PostgreSQL::Test::Utils::tempdir . '/why';
my $node = pgfirst_node('tls', conf => "pgfirst.redis_tls_port = $port");
my $data = $node->data_dir;
my $plain = redis($node);
my $worker = worker_pid($node);

# A client by TLS that trusts the authority; undef if it cannot log in.
sub tls
{
	my (@arguments) = @_;

	return eval { redis($node, port => $port, timeout => 10, tls_log => $why, tls => [ '-CAfile', $authority,
		'-verify_return_error', '-verify_hostname', 'localhost', @arguments ]) };
}

# What openssl tells of a connection.
sub told
{
	my (@arguments) = @_;

	return scalar `openssl s_client -connect 127.0.0.1:$port @arguments 2>&1 </dev/null`;
}

sub subject
{
	return told() =~ /subject=\s*CN\s*=\s*(\w+)/ ? $1 : 'none';
}

# Appends settings, reloads, and waits until the worker has done so too: a setting of ours, which CONFIG GET
# tells, changes with them.
my $reloads = 1000;

sub reload
{
	my (%settings) = @_;

	$reloads++;
	$node->append_conf('postgresql.conf', "$_ = '$settings{$_}'") for sort keys %settings;
	$node->append_conf('postgresql.conf', "pgfirst.redis_tcp_keepalive = $reloads");
	$node->reload;
	wait_until('the reload', sub { $plain->call('CONFIG', 'GET', 'tcp-keepalive')->[1] == $reloads; });
	# The certificates are read just after the settings, before anything else is answered.
	$plain->call('PING');
	return;
}

# The pattern must stand in the log behind where it was.
sub logged
{
	my ($from, $pattern, $name) = @_;

	like(slurp_file($node->logfile, $from), $pattern, $name);
	return;
}

sub here { return -s $node->logfile; }

# ---- no certificate --------------------------------------------------------------------------------------

ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port), 'without a certificate the TLS port is closed');
logged(0, qr/could not load the server certificate "server.crt" \(ssl_cert_file\) for the Redis door: No such file/i,
	'… the log names the file and the setting');
logged(0, qr/The TLS port of the Redis door stays closed/, '… and what that means');
is($plain->call('SET', 'k', 'plain'), 'OK', '… the port without works');
$certificates->install($node, 'server');
reload();
my $first;
wait_until('the TLS port', sub { $first = tls(); });
is($first->call('GET', 'k'), 'plain', 'with one, after a reload, it is open, for the same keys');
is(worker_pid($node), $worker, '… and the worker has been the same all the while');
is($first->call('SET', 'k', 'tls'), 'OK', 'a change by TLS');
is($node->safe_psql('postgres', "SELECT kv.get_text('k')"), 'tls', '… is what SQL sees');
is($plain->call('GET', 'k'), 'tls', '… and who does not encrypt');
is_deeply($first->call('CONFIG', 'GET', 'tls-port'), [ 'tls-port', $port ], 'CONFIG GET tells the port');
is_deeply($first->call('CONFIG', 'GET', 'tls-cert-file'), [ 'tls-cert-file', 'server.crt' ], '… and the file');
like($first->call('CLIENT', 'INFO'), qr/laddr=127.0.0.1:$port /, 'CLIENT INFO tells by which port one has come');
like($first->call('INFO', 'pgfirst'), qr/pgfirst_tls_handshakes:[1-9]/, 'INFO counts handshakes');
is(tls('-CAfile', $certificates->file('another.crt'), '-no-CApath'), undef, 'who trusts somebody else does not come in');

# ---- programs --------------------------------------------------------------------------------------------

my @cli = ('redis-cli', '-p', $port, '--tls', '--no-auth-warning', '-a', 'secret');
is(`@cli --cacert $authority GET k`, "tls\n", 'redis-cli');
like(`@cli GET k 2>&1`, qr/SSL_connect failed: certificate verify failed/, '… which trusts nobody by itself');
is(scalar(() = `@cli --cacert $authority -r 500 INCR counted` =~ /\n/g), 500, '… five hundred times');
SKIP:
{
	skip 'redis-benchmark is not here', 1 if system('redis-benchmark --version >/dev/null 2>&1') != 0;
	my $out = `redis-benchmark -p $port --tls --cacert $authority -a secret -t set,get -n 3000 -c 20 -P 16 -d 3000 -q 2>&1`;
	like($out, qr/SET: .*requests per second.*GET: .*requests per second/s, 'redis-benchmark');
}

# ---- renewal ---------------------------------------------------------------------------------------------

is(subject(), 'server', 'the certificate');
$certificates->install($node, 'renewed');
is(subject(), 'server', '… replaced by another is still in use');
reload();
is(subject(), 'renewed', '… until the configuration is reloaded');
is($first->call('GET', 'k'), 'tls', '… and who is connected stays');

sub broken
{
	my ($name, $break, $pattern) = @_;
	my $from = here();

	$break->();
	reload();
	logged($from, $pattern, "$name: the log says so");
	logged($from, qr/The Redis door goes on with what it had loaded before/, '… and what happens');
	is(subject(), 'renewed', '… the old one is kept');
	ok(tls(), '… and new clients come in');
	$certificates->install($node, 'renewed');
	return;
}

sub spoil
{
	my ($file, $content) = @_;

	unlink "$data/$file";
	append_to_file("$data/$file", $content) if defined $content;
	chmod 0600, "$data/$file";
	return;
}

broken('a missing certificate', sub { spoil('server.crt'); }, qr/server certificate "server.crt" \(ssl_cert_file\)/);
broken('a broken certificate', sub { spoil('server.crt', "nothing\n"); }, qr/server certificate "server.crt" \(ssl_cert_file\)/);
broken('a missing key', sub { spoil('server.key'); }, qr/private key "server.key" \(ssl_key_file\)/);
broken('a broken key', sub { spoil('server.key', "nothing\n"); }, qr/private key "server.key" \(ssl_key_file\)/);
broken('a key that others may read', sub { chmod 0644, "$data/server.key"; }, qr/"server.key" has group or world access/);
broken('a key of another certificate', sub {
	spoil('server.key', slurp_file($certificates->file('server.key'))); },
	qr/private key "server.key" \(ssl_key_file\) for the Redis door: key values mismatch/);
system_or_bail('openssl', 'rsa', '-aes128', '-passout', 'pass:word', '-in', $certificates->file('renewed.key'), '-out',
	$certificates->file('locked.key'));
broken('a key with a passphrase', sub { spoil('server.key', slurp_file($certificates->file('locked.key'))); },
	qr/it has a passphrase, which is asked for only when the server starts/);
is($first->call('GET', 'k'), 'tls', 'who is connected has noticed nothing of all that');

# ---- protocols -------------------------------------------------------------------------------------------

my %usual = (ssl_max_protocol_version => '', ssl_ciphers => 'HIGH:MEDIUM:+3DES:!aNULL', ssl_ecdh_curve => 'prime256v1',
	ssl_min_protocol_version => 'TLSv1.2');
like(told(), qr/New, TLSv1.3/, 'TLS 1.3 is usual');
like(told('-tls1_2'), qr/New, TLSv1.2, Cipher is ECDHE/, '… and 1.2 possible');
like(told('-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'), qr/Cipher is \(NONE\)/, '… and 1.1 is not');
like(told('-tls1_2', '-cipher', 'DHE'), qr/Cipher is \(NONE\)/, '… nor Diffie-Hellman over integers');
reload(ssl_max_protocol_version => 'TLSv1.2', ssl_ciphers => 'ECDHE-RSA-AES128-GCM-SHA256', ssl_ecdh_curve => 'secp384r1');
like(told(), qr/New, TLSv1.2, Cipher is ECDHE-RSA-AES128-GCM-SHA256/, 'version and cipher are the settings\'');
like(told(), qr/Server Temp Key: ECDH, .*384/, '… and the curve');
for my $case ([ 'ssl_ciphers', 'nonsense', qr/could not use ssl_ciphers = "nonsense" for the Redis door: no cipher match/ ],
	[ 'ssl_ecdh_curve', 'nonsense', qr/could not use ssl_ecdh_curve = "nonsense"/ ],
	[ 'ssl_min_protocol_version', 'TLSv1.3', qr/could not use ssl_min_protocol_version = "TLSv1.3".*ssl_max_protocol_version is less/ ])
{
	my ($name, $value, $pattern) = @$case;
	my $from = here();

	reload($name => $value);
	logged($from, $pattern, "$name = $value is refused");
	like(told(), qr/New, TLSv1.2, Cipher is ECDHE-RSA-AES128-GCM-SHA256/, '… and all is as it was');
	reload($name => $name eq 'ssl_ciphers' ? 'ECDHE-RSA-AES128-GCM-SHA256' : $usual{$name});
}
reload(%usual);
like(told(), qr/New, TLSv1.3/, 'and as usual again');

# ---- the certificates of clients -------------------------------------------------------------------------

sub certified
{
	my ($name) = @_;
	my ($certificate, $key) = $certificates->files($name);

	return tls('-cert', $certificate, '-key', $key);
}

my $from = here();
reload('pgfirst.redis_tls_auth_clients' => 'required');
logged($from, qr/could not use pgfirst.redis_tls_auth_clients = "required" for the Redis door: ssl_ca_file is empty/,
	'certificates of clients need an authority');
reload(ssl_ca_file => "$data/absent");
logged($from, qr/could not load the certificates of authorities ".*absent" \(ssl_ca_file\)/, '… that is there');
reload(ssl_ca_file => $authority);
is_deeply($plain->call('CONFIG', 'GET', 'tls-auth-clients'), [ 'tls-auth-clients', 'yes' ], 'required');
is(tls(), undef, '… who has none does not come in');
my $certain = certified('client');
ok($certain, '… who has one does');
is(certified('stranger'), undef, '… not with one of another authority');
ok(certified('revoked'), '… with a revoked one, as long as nobody has said that it is revoked');
reload(ssl_crl_file => $certificates->file('crl'));
is(certified('revoked'), undef, '… and not with the list of those');
ok(certified('client'), '… which has not the good ones');
reload(ssl_crl_file => "$data/absent");
ok(!certified('revoked'), '… nor when the list is missing at a reload');
reload(ssl_crl_file => '', 'pgfirst.redis_tls_auth_clients' => 'optional');
ok(tls(), 'optional: one may have none');
ok(certified('client'), '… or a good one');
is(certified('stranger'), undef, '… but not a bad one');
reload('pgfirst.redis_tls_auth_clients' => 'off');
ok(certified('stranger'), 'off: nobody looks');
is($certain->call('GET', 'k'), 'tls', 'who has come in stays in');

# ---- expiry ----------------------------------------------------------------------------------------------

$from = here();
$certificates->install($node, 'expired');
reload();
logged($from, qr/the server certificate "server.crt" has expired/, 'an expired certificate is logged');
is(subject(), 'expired', '… and used');
is(tls(), undef, '… and clients that look refuse it');
like(slurp_file($why), qr/certificate has expired/, '… for that reason');
$certificates->install($node, 'server');
reload();

# ---- starts ----------------------------------------------------------------------------------------------

$certificates->install($node, 'renewed');
spoil('server.key', slurp_file($certificates->file('locked.key')));
$node->append_conf('postgresql.conf', "ssl_passphrase_command = 'echo word'");
$node->restart;
wait_for_door($node);
wait_until('the TLS port', sub { tls(); });
is(subject(), 'renewed', 'a key with a passphrase, which ssl_passphrase_command tells at the start');
$plain = redis($node);
broken('… and not at a reload', sub { 1; }, qr/it has a passphrase, which is asked for only when the server starts/);
my $acknowledged = tls();
is($acknowledged->call('SET', 'acknowledged', $_), 'OK', 'an answer by TLS') for 1 .. 3;
crash($node);
is(($acknowledged->outcome(10))[0], 'closed', 'kill -9 of everything: clients are disconnected');
$node->start;
wait_for_door($node);
wait_until('the TLS port', sub { tls(); });
is(tls()->call('GET', 'acknowledged'), 3, '… and what was answered is there');
$node->append_conf('postgresql.conf', "pgfirst.redis_port = $port");
$node->stop;
ok(!$node->start(fail_ok => 1), 'one port for both is refused');
logged(0, qr/pgfirst.redis_tls_port and pgfirst.redis_port are both $port/, '… with a reason');
$node->append_conf('postgresql.conf', "pgfirst.redis_port = 0");
$node->start;
wait_until('the TLS port alone', sub { tls(); });
like(tls()->call('INFO', 'server'), qr/tcp_port:$port\r/, 'TLS alone, which INFO tells');
$node->stop;

# ---- the gate --------------------------------------------------------------------------------------------

use constant SLOW => 0.8;    # seconds that the disk takes
my $speed = PostgreSQL::Test::Utils::tempdir . '/disk';

sub disk
{
	my ($milliseconds) = @_;

	unlink "$speed.new";
	append_to_file("$speed.new", $milliseconds * 1000);
	rename "$speed.new", $speed or die $!;
	return;
}

disk(0);
$port = PostgreSQL::Test::Cluster::get_free_port();
$node = pgfirst_node('gate', workers => 2,
	conf => "pgfirst.redis_tls_port = $port\nautovacuum = off\ncheckpoint_timeout = 1h\nbgwriter_lru_maxpages = 0",
	preload => [ shim('slow_sync') ], env => { PGFIRST_SLOW_SYNC_FILE => $speed });
$certificates->install($node, 'server');
$node->reload;
my %by_worker;
wait_until('TLS clients of both workers', sub {
	my $redis = tls() or return 0;
	my ($pid) = $redis->call('INFO', 'server') =~ /^process_id:(\d+)/m;
	push @{ $by_worker{$pid} }, $redis;
	return keys %by_worker == 2 && !grep { @$_ < 2 } values %by_worker;
});
my ($ours, $theirs) = values %by_worker;
my ($writer, $near, $far) = ($ours->[0], $ours->[1], $theirs->[0]);
$writer->call('MSET', 'old', 'o', 'new', 'before');
for my $reader ([ 'its own worker', $near ], [ 'another worker', $far ])
{
	my ($who, $redis) = @$reader;

	disk(0);
	$writer->call('SET', 'fence', time);
	disk(SLOW * 1000);
	my $begin = time;
	my $value = "after $who";
	$writer->send('SET', 'new', $value);
	sleep SLOW / 5;
	is($redis->call('GET', 'old'), 'o', "through $who: an old key is read");
	cmp_ok(time - $begin, '<', SLOW * 0.8, '… while the disk is busy');
	is(($writer->outcome(0))[0], 'silent', '… and the write is not acknowledged yet');
	is($redis->call('GET', 'new'), $value, '… the new value is shown');
	cmp_ok(time - $begin, '>=', SLOW, '… when it is durable');
	is($writer->reply, 'OK', '… as is the write');
	disk(0);
}

# Two workers, one certificate: each reads it.
$certificates->install($node, 'renewed');
$node->reload;
my $in_a_row = 0;
wait_until('both workers have the new one', sub {
	$in_a_row = subject() eq 'renewed' ? $in_a_row + 1 : 0;
	return $in_a_row == 20;
});
pass('a reload reaches all workers');
$node->stop;

done_testing();
