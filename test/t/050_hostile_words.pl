# SPDX-License-Identifier: PostgreSQL
#
# What is malformed, too large, wrong or cut off at the Redis door gets Redis's words; who does not
# read, does not finish or leaves in the middle costs little and delays nobody.
#
# Alone: it measures how long others wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../hostile";
use Hostile;
use Test::More;

my $server = Hostile::server('words');

like($server->attack('words'), qr/is disconnected: it speaks HTTP/, 'HTTP is logged');
$server->attack('streams');

done_testing();
