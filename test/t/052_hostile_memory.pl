# SPDX-License-Identifier: PostgreSQL
#
# Who takes more than there is: of the clients' buffers, of a turn's write set, of a command; and
# who waits for a key that somebody else has.
#
# Seen to fail: a worker that withdraws what it has announced while a client is about to try once more (it is kept busy).
#
# Alone: it measures how long others wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../hostile";
use Hostile;
use Test::More;

my $server = Hostile::server('memory', 'pgfirst.redis_lock_timeout' => '2s');

like($server->attack('memory'),
	qr/is disconnected: the buffers of all clients do not fit into pgfirst\.redis_client_memory/,
	'who is disconnected for memory is logged');
$server->attack('parked');

done_testing();
