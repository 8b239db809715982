# SPDX-License-Identifier: PostgreSQL
#
# Ten thousand clients that say nothing, also where a process may have 1,024 open files unless it
# asks for more; floods of connections and of wrong passwords; and more clients than there is room.
#
# Alone: ten thousand clients, and how fast they are let in.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../hostile";
use Hostile;
use PostgreSQL::Test::Utils;
use Test::More;

# For this process and all that it starts. A hard limit, once lowered, stays.
sub limit_files
{
	my ($limit) = @_;

	system_or_bail('prlimit', '--pid', $$, "--nofile=$limit");
	return;
}

limit_files('1024:');
my $server = Hostile::server('crowds');
$server->attack('crowds', '--seconds', '3');

$server->node->append_conf('postgresql.conf', 'pgfirst.redis_max_clients = 100');
$server->node->reload;
$server->attack('crowds', '--allowed', '100');

$server->node->append_conf('postgresql.conf', 'pgfirst.redis_max_clients = 10000');
limit_files('600:600');
$server->node->restart;
$server->wait_for_door;
my $log = slurp_file($server->node->logfile);
like($log, qr/serves at most 344 clients: the limit of open files is 600/, 'a low limit is logged');
$server->attack('crowds', '--allowed', '344');

done_testing();
