# SPDX-License-Identifier: PostgreSQL
#
# Damaged streams of commands over many connections. FUZZ_SEED and FUZZ_SECONDS choose others, and
# longer ones.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../hostile";
use Hostile;
use Test::More;

# Buffers so small that they run out now and then.
my $server = Hostile::server('fuzz', 'pgfirst.redis_client_memory' => '32MB');

$server->attack('fuzz_port', '--seed', $ENV{FUZZ_SEED} // 1, '--seconds', $ENV{FUZZ_SECONDS} // 10);

done_testing();
