# SPDX-License-Identifier: PostgreSQL
#
# 035_clock.pl: the wall clock steps, forwards and back, under a running server. Expiries are moments
# of the wall clock and move with it, as the docs say; whatever waits, waits by the monotonic clock.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $clock = PostgreSQL::Test::Utils::tempdir . '/clock';
my $node = pgfirst_node('clock', conf => "pgfirst.redis_lock_timeout = '1500ms'\nautovacuum = off",
	preload => [ shim('step_clock') ], env => { PGFIRST_CLOCK_FILE => $clock });
my $redis = redis($node);
my $worker = worker_pid($node);

# Seconds that the server's clock is ahead of the machine's.
sub step
{
	my ($seconds) = @_;

	unlink "$clock.new";
	append_to_file("$clock.new", $seconds);
	rename "$clock.new", $clock or die $!;
	my ($now) = @{ $redis->call('TIME') };
	cmp_ok(abs($now - time - $seconds), '<', 3, "the server's clock is $seconds s ahead");
}

sub between { my ($value, $low, $high, $what) = @_; ok($value >= $low && $value <= $high, "$what: $value"); }

step(0);
$redis->call('SET', 'minute', 'm', 'EX', 60);
$redis->call('SET', 'stays', 's');

for my $back (-3600, -86400 * 400)
{
	step($back);
	is($redis->call('GET', 'minute'), 'm', 'the clock steps back: a key that had a minute is there');
	between($redis->call('TTL', 'minute'), 58 - $back - 30, 61 - $back, '… and lives until the moment it was given');
	is($redis->call('SET', 'short', 1, 'PX', 300), 'OK', '… a short expiry');
	wait_until('it expires', sub { !defined $redis->call('GET', 'short'); }, 10);
	pass('… is short by the stepped clock');
	$redis->call('SET', 'swept', 1, 'PX', 100);
	wait_until('the sweep', sub { $redis->call('DBSIZE') == 2; }, 30);
	pass('… and the sweep goes on');
	between($redis->call('INFO', 'server') =~ /^uptime_in_seconds:(-?\d+)/m ? $1 : -1, 0, 600, '… uptime');
	like($redis->call('CLIENT', 'LIST'), qr/ age=\d+ idle=\d+ /, '… the ages of clients');
}

# A wait under way when the clock steps, and one begun after it.
for my $seconds (-7200, 7200)
{
	my $holder = $node->background_psql('postgres', timeout => 60);
	$holder->query_safe("BEGIN; SELECT kv.set('stays', 'held')");
	my $client = redis($node);
	my $sent = time;
	$client->send('SET', 'stays', 'x');
	my ($what) = $client->outcome(0.4);
	is($what, 'silent', 'a client waits for a lock');
	step($seconds);
	my ($then, $answer) = $client->outcome(20);
	like($answer // $then, qr/^-ERR .*locked/, "… the clock steps by $seconds s: its patience ends");
	between(time - $sent, 1.4, 4, '… when it would have');
	$holder->query_safe('ROLLBACK');
	$holder->quit;
}

# Two hours ahead, the minute is over; an hour back it had not begun, but nothing that has been
# found expired comes back.
is($redis->call('GET', 'minute'), undef, 'the clock steps forwards: the key has expired');
wait_until('the sweep', sub { $redis->call('DBSIZE') == 1; }, 30);
step(0);
is($redis->call('GET', 'minute'), undef, '… and swept, it does not come back with the clock');
is($redis->call('GET', 'stays'), 's', '… what has no expiry stays');
is(worker_pid($node), $worker, 'the worker has lived through it all');
$node->stop;
$node->start;
wait_for_door($node);
is(redis($node)->call('GET', 'stays'), 's', '… and so has the data');
$node->stop;
done_testing();
