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

my $server = Hostile::server('fuzz');

$server->attack('fuzz_port', '--seed', $ENV{FUZZ_SEED} // 1, '--seconds', $ENV{FUZZ_SECONDS} // 10);

done_testing();
