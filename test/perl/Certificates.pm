# SPDX-License-Identifier: PostgreSQL
#
# Certificates: an authority of the test's own, and what it signs, made by the program openssl.
#
#   my $certificates = Certificates->new;
#   $certificates->install($node, 'server');              as server.crt and server.key of the node
#   my ($certificate, $key) = $certificates->files('client');
#
# Those it knows: server; renewed, for the same name; expired, since yesterday; client; revoked, a client's
# that stands in the list of revoked ones, crl; stranger, a client's of another authority. All are for
# localhost and 127.0.0.1.
package Certificates;

use strict;
use warnings;

use File::Copy;
use PostgreSQL::Test::Utils;

sub new
{
	my ($class) = @_;
	my $self = bless { dir => PostgreSQL::Test::Utils::tempdir() }, $class;

	for my $authority ('authority', 'another')
	{
		$self->openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
			'-subj', "/CN=$authority", '-days', 30, '-keyout', "$authority.key", '-out', "$authority.crt",
			'-addext', 'keyUsage=critical,keyCertSign,cRLSign');
	}
	append_to_file("$self->{dir}/ca.conf", <<CONF);
[ca]
default_ca = one
[one]
dir = $self->{dir}
database = $self->{dir}/index
serial = $self->{dir}/serial
new_certs_dir = $self->{dir}
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
CONF
	append_to_file("$self->{dir}/index", '');
	append_to_file("$self->{dir}/serial", "01\n");
	$self->make($_) for qw(server renewed client revoked);
	$self->make('expired', 'authority', '-startdate', '200101000000Z', '-enddate', '210101000000Z');
	$self->make('stranger', 'another');
	$self->openssl('ca', '-config', 'ca.conf', '-keyfile', 'authority.key', '-cert', 'authority.crt',
		'-revoke', 'revoked.crt');
	$self->openssl('ca', '-config', 'ca.conf', '-keyfile', 'authority.key', '-cert', 'authority.crt',
		'-gencrl', '-out', 'crl');
	return $self;
}

# Runs openssl in the directory of the certificates.
sub openssl
{
	my ($self, @words) = @_;
	my ($out, $err) = ('', '');
	my $child = fork // die $!;

	if ($child == 0)
	{
		chdir $self->{dir} or die $!;
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>>', 'openssl.log');
		open(STDERR, '>>', 'openssl.log');
		exec 'openssl', @words;
	}
	waitpid $child, 0;
	die "openssl @words: " . slurp_file("$self->{dir}/openssl.log") if $? != 0;
	return;
}

sub make
{
	my ($self, $name, $authority, @more) = @_;

	$authority //= 'authority';
	$self->openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-subj', "/CN=$name",
		'-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', "$name.key", '-out', "$name.csr");
	$self->openssl('ca', '-batch', '-config', 'ca.conf', '-keyfile', "$authority.key", '-cert', "$authority.crt",
		'-in', "$name.csr", '-out', "$name.crt", '-notext', @more);
	chmod 0600, "$self->{dir}/$name.key";
	return;
}

sub file { return "$_[0]->{dir}/$_[1]"; }

sub files
{
	my ($self, $name) = @_;

	return ($self->file("$name.crt"), $self->file("$name.key"));
}

# As the server's own, under the names that PostgreSQL looks for.
sub install
{
	my ($self, $node, $name) = @_;
	my @files = $self->files($name);

	for my $kind ('crt', 'key')
	{
		my $where = $node->data_dir . "/server.$kind";

		copy(shift @files, "$where.new") or die $!;
		chmod 0600, "$where.new";
		rename "$where.new", $where or die $!;
	}
	return;
}

1;
