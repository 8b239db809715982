# SPDX-License-Identifier: PostgreSQL
#
# 037_parking.pl: a holder of a key that commits just between a worker's try for its lock and the parking
# of the client. The worker pauses there for a second; the client must be served as soon as it goes on,
# and not when its patience ends, which is a minute here, or when somebody else's transaction ends
# later, which upkeep's do every two seconds. So several races are run, and none may be late.
#
# Seen to fail: park() in src/kv/net/turn.c that does not try once more when it announces;
# keylock_released() that does not ring for who has announced.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use Test::More;
use Time::HiRes qw(time);

my $node = watched_node('parking', conf => "fsync = off\npgfirst.redis_lock_timeout = '60s'\n");
my ($client, $parked) = map { redis($node) } 1 .. 2;
my ($holder, $other) = map { PgfirstStore::Session->new($node) } 1 .. 2;

# Commits what holds the key while the worker is on its way from the try to the parking.
sub race
{
	my ($name, $command, $answer) = @_;

	$client->call('SET', 'K', 1);
	is($holder->ask("BEGIN; SELECT kv.set('K', '5'::text)"), 't', "$name: SQL holds a key");
	store_arm($node, 'pause', point => 'after a lock refused', who => 'pgfirst redis');
	my $sent = time;
	$client->send(@$command);
	wait_until('the worker has tried',
		sub { return $node->safe_psql('postgres', 'SELECT store_test.held()') != 0; });
	$holder->ask('COMMIT');
	my $committed = time - $sent;
	my ($what, $reply) = $client->outcome(20);
	is($what, 'reply', "… which is given back before $command->[0] is parked: it is served");
	is($reply, $answer, '… rightly');
	cmp_ok(time - $sent, '<', 1.5, sprintf('… at once (given back after %.2f s)', $committed));
}

for my $case ([ [ 'SET', 'K', 'mine' ], 'OK' ], [ [ 'INCR', 'K' ], 6 ], [ [ 'DEL', 'K' ], 1 ],
	[ [ 'EXPIRE', 'K', 100 ], 1 ], [ [ 'MSET', 'L', 1, 'K', 2 ], 'OK' ])
{
	race('nobody else waits', @$case);
}

# Others wait already, so the worker has announced itself long before.
$other->ask("BEGIN; SELECT kv.set('other', 'held'::text)");
$parked->send('SET', 'other', 'mine');
my ($what) = $parked->outcome(0.5);
is($what, 'silent', 'another client waits for another key');
for my $case ([ [ 'SET', 'K', 'mine' ], 'OK' ], [ [ 'DEL', 'K' ], 1 ])
{
	race('somebody waits already', @$case);
}
($what) = $parked->outcome(0);
is($what, 'silent', 'the other client still waits');
$other->ask('COMMIT');
($what) = $parked->outcome(20);
is($what, 'reply', '… until its key is given back');

$_->end for $holder, $other;
$node->stop;
done_testing();
