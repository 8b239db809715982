# SPDX-License-Identifier: PostgreSQL
#
# 066_access_logins.pl: passwords that are tried: slowed by the address that they come from, in both workers together,
# and nobody else notices. The loopback network has many addresses; each part of the test comes from its own.
#
# Seen to fail: kv_throttle_ask() that always answers KV_THROTTLE_NOW, or that counts for each worker alone;
# place_of() that keeps the port, or that has one place for all; login_has_turn() behind kv_auth_verify(), which lets
# the right password through at once; or that asks only once, though another password is looked at in this turn; a
# patience without end (the crowd's clients are never answered).
#
# Alone: it measures how long others wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use Test::More;
use Time::HiRes qw(time);

my $node = pgfirst_node('logins', workers => 2, conf => "pgfirst.redis_max_clients = 2000\n");
my $wrong = '-WRONGPASS invalid username-password pair or user is disabled.';

sub stranger { return PgfirstTest::Redis->new(port => redis_port($node), timeout => 60, @_); }

# How long a call takes, and what it answers.
sub timed
{
	my ($client, @words) = @_;
	my $began = time;
	my $reply = $client->call(@words);

	return (time - $began, $reply);
}

# ---- one after the other ---------------------------------------------------------------------

# On ever new connections, which the kernel deals out to both workers.
my @took;
for (1 .. 20)
{
	my ($took, $reply) = timed(stranger(from => '127.0.0.2'), 'AUTH', "wrong$_");
	is($reply, $wrong, "wrong password $_");
	push @took, $took;
}
note(join ' ', map { sprintf '%.0f', 1000 * $_ } @took);
cmp_ok(median(@took[0 .. 9]), '<', 0.2, 'the first failures cost nothing');
cmp_ok($took[$_], '>', 0.3, 'the ' . ($_ + 1) . 'th waits for its turn') for 16 .. 19;
my ($took, $reply) = timed(stranger(from => '127.0.0.2'), 'AUTH', 'secret');
is($reply, 'OK', 'the right password from this address');
cmp_ok($took, '>', 0.3, '… waits too, or it could be told from wrong ones');
($took, $reply) = timed(stranger(from => '127.0.0.2'), 'HELLO', 3, 'AUTH', 'app', 'secret');
cmp_ok($took, '>', 0.3, '… HELLO as well');
# The quickest of several, because the machine may be slow for a moment.
sub quickest { return (sort { $a <=> $b } map { (timed($_, 'AUTH', 'secret'))[0] } @_)[0]; }
cmp_ok(quickest(map { stranger(from => '127.0.0.3') } 1 .. 5), '<', 0.25, 'from another address it does not');
is(stranger(from => '127.0.0.3')->call('AUTH', 'secret'), 'OK', '… as it is right');
cmp_ok(quickest(map { PgfirstTest::Redis->new(path => redis_socket($node)) } 1 .. 5), '<', 0.25, '… nor on the Unix socket');

# ---- who leaves, and who waits in vain -------------------------------------------------------

my $leaver = stranger(from => '127.0.0.2');
$leaver->send('AUTH', 'wrong');
my ($what) = $leaver->outcome(0.1);
is($what, 'silent', 'who waits for its turn');
$leaver->close;
is(redis($node)->call('PING'), 'PONG', '… may leave');

my @many = map { stranger(from => '127.0.0.2') } 1 .. 40;
$_->send('AUTH', 'secret') for @many;
my @answers = map { $_->reply } @many;
my @refused = grep { $_ eq '-ERR too many failed logins from this address; try again in 3 seconds' } @answers;
my @let_in = grep { $_ eq 'OK' } @answers;
is(@refused + @let_in, 40, 'of forty at once each is let in or told to come again') or diag("@answers");
cmp_ok(scalar(@let_in), '<', 20, '… most of them the latter');
cmp_ok(scalar(@let_in), '>', 0, '… and some not');
wait_until('time forgives', sub { (timed(stranger(from => '127.0.0.2'), 'AUTH', 'secret'))[0] < 0.02 }, 60);
pass('time forgives');

# ---- all at once -----------------------------------------------------------------------------

# Each sends its password before any of them is looked at, so before anybody has failed.
my @burst = map { stranger(from => '127.0.0.7') } 1 .. 150;
my $began = time;
$_->send('AUTH', 'guess') for @burst;
my ($guessed, $late) = (0, 0);
for my $client (@burst)
{
	my ($got, $answer) = $client->outcome(30);
	$guessed++ if $got eq 'reply' && $answer eq $wrong;
	$late++ if $got ne 'reply';
}
# What is free, about two a second, and one more for each worker that has looked in the meantime.
my $seconds = time - $began;
note("$guessed looked at in $seconds s");
cmp_ok($guessed, '<', 20 + 3 * $seconds, 'of a hundred and fifty at once few are looked at');
cmp_ok($guessed, '>=', 10, '… as many as are free');
is($late, 0, '… and all are answered');
$_->close for @burst;

# ---- ten thousand ----------------------------------------------------------------------------

# A hundred connections send a hundred wrong passwords each, as fast as they are taken.
my $innocent = redis($node);
my $other = redis($node);
$innocent->call('SET', 'k', 'v');
my @crowd = map { stranger(from => '127.0.0.4') } 1 .. 100;
my ($slowest, @latencies, @logins) = (0);
for my $client (@crowd)
{
	$client->raw(join '', map { PgfirstTest::Redis::encode('AUTH', "wrong$_") } 1 .. 100);
	push @latencies, (timed($innocent, 'SET', 'k', 'v'))[0], (timed($other, 'GET', 'k'))[0];
}
my $end = time + 8;
while (time < $end)
{
	push @latencies, (timed($innocent, 'SET', 'k', 'v'))[0], (timed($other, 'GET', 'k'))[0];
	push @logins, (timed(stranger(from => '127.0.0.5'), 'AUTH', 'secret'))[0] if @latencies % 50 == 0;
}
note(sprintf '%d commands, p50 %.1f ms, p99 %.1f ms, slowest %.1f ms; %d logins, slowest %.1f ms', scalar @latencies,
	map({ 1000 * $_ } median(@latencies), percentile(0.99, @latencies), percentile(1, @latencies)),
	scalar @logins, 1000 * percentile(1, @logins));
cmp_ok(percentile(0.99, @latencies), '<', 0.25, 'while ten thousand passwords are tried, others are served');
cmp_ok(percentile(1, @latencies), '<', 2, '… always');
cmp_ok(scalar @logins, '>', 5, '… log in');
cmp_ok(percentile(1, @logins), '<', 2, '… at once');
my ($tried, $told) = (0, 0);
for my $client (@crowd)
{
	while ((my ($got, $answer) = $client->outcome(0))[0] eq 'reply')
	{
		$answer eq $wrong ? $tried++ : $told++;
	}
}
note("$tried tried, $told refused unseen");
cmp_ok($tried, '>', 10, 'some passwords are tried');
cmp_ok($tried, '<', 100, '… few, whatever the number of connections');
cmp_ok($told, '>', 1000, '… and most are refused unseen');
$_->close for @crowd;

# ---- the setting -----------------------------------------------------------------------------

$node->append_conf('postgresql.conf', 'pgfirst.redis_auth_delay = 0');
$node->reload;
wait_until('no delay', sub { (timed(stranger(from => '127.0.0.4'), 'AUTH', 'secret'))[0] < 0.1 });
my @quick = map { (timed(stranger(from => '127.0.0.6'), 'AUTH', 'wrong'))[0] } 1 .. 30;
cmp_ok(median(@quick), '<', 0.2, 'without a delay nobody waits');

$node->stop;
done_testing();
