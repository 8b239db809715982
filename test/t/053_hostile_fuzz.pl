# SPDX-License-Identifier: PostgreSQL
#
# Damaged streams of commands over many connections, and hostile scripts from many clients. FUZZ_SEED and
# FUZZ_SECONDS choose others, and longer ones.
#
# Alone: it measures how long others wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../hostile";
use Hostile;
use Test::More;

# Buffers so small that they run out now and then.
my $server = Hostile::server('fuzz', 'pgfirst.redis_client_memory' => '32MB');

my @how = ('--seed', $ENV{FUZZ_SEED} || 1, '--seconds', $ENV{FUZZ_SECONDS} || 8);

$server->attack('fuzz_port', @how);
$server->node->stop;

# Two workers, because scripts of one are killed through the other.
$server = Hostile::server('fuzz_scripts', 'pgfirst.redis_workers' => 2,
	'pgfirst.redis_script_timeout' => '100ms', 'pgfirst.redis_script_memory' => '32MB');
$server->attack('fuzz_scripts', @how);

done_testing();
