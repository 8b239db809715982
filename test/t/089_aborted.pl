# SPDX-License-Identifier: PostgreSQL
#
# 089_aborted.pl: a turn that cannot be committed. Whoever was part of it is told that what it has said has failed, and
# nothing of it has happened, nor does it stay on the connection: who was told that SELECT has failed must not write
# into that database, so a connection that has become another one is closed behind its errors. Others notice nothing.
#
# Seen to fail: kv_client_abort() that closes nobody; one that closes whoever is part of it; own_reshapes that is not
# forgotten with a turn that is committed, or that counts what stands before the first change; turn_failed() that does not
# ask what the command that fails has changed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use Test::More;

my $node = watched_node('aborted', workers => 1);
my $redis = redis($node);
my $error = qr/^-ERR injected at "before a record"/;

$node->safe_psql('postgres', "CREATE ROLE other LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA kv TO other; SELECT kv.grant('other', NULL, 'admin')");
sub encode { return PgfirstTest::Redis::encode(@_); }
sub fail_next { store_arm($node, 'raise', point => 'before a record', who => 'pgfirst redis'); }

# A change and these commands, all in one turn, which fails: what is said until the end, or until nothing is said.
sub aborted
{
	my ($client, @commands) = @_;
	my @heard;

	fail_next();
	$client->raw(join '', map { encode(@$_) } [ 'SET', 'lost', 1 ], @commands);
	for (0 .. @commands)
	{
		my ($what, $reply) = $client->outcome(20);
		push @heard, $what eq 'reply' ? $reply : $what;
		last if $what ne 'reply';
	}
	return @heard;
}

my %reshapes = (
	'SELECT' => [ 'SELECT', 2 ], 'MULTI' => ['MULTI'], 'HELLO' => [ 'HELLO', 3 ], 'AUTH' => [ 'AUTH', 'other', 'secret' ],
	'RESET' => ['RESET'], 'WATCH' => [ 'WATCH', 'k' ], 'UNWATCH' => ['UNWATCH'], 'SUBSCRIBE' => [ 'SUBSCRIBE', 'news' ],
	'PSUBSCRIBE' => [ 'PSUBSCRIBE', 'n*' ], 'CLIENT SETNAME' => [ 'CLIENT', 'SETNAME', 'n' ], 'CLIENT SETINFO' => [ 'CLIENT', 'SETINFO', 'LIB-NAME', 'l' ],
	'CLIENT NO-TOUCH' => [ 'CLIENT', 'NO-TOUCH', 'ON' ], 'CLIENT NO-EVICT' => [ 'CLIENT', 'NO-EVICT', 'ON' ]);

for my $name (sort keys %reshapes)
{
	my $client = redis($node);
	my @heard = aborted($client, $reshapes{$name});
	is(scalar(grep { /$error/ } @heard), 2, "$name behind a change that fails: both are told so") or diag("@heard");
	is(($client->outcome(20))[0], 'closed', '… and the connection is closed');
}

# The same within a transaction.
my $client = redis($node);
my @heard = aborted($client, ['MULTI'], [ 'SELECT', 2 ], ['EXEC']);
is(scalar(grep { /$error/ } @heard), 4, 'SELECT in a transaction behind a change') or diag("@heard");
is(($client->outcome(20))[0], 'closed', '… likewise');

# … and where the transaction itself is what fails, in another command than SELECT.
my $worker = worker_pid($node);
$client = redis($node);
$client->raw(join '', map { encode(@$_) } ['MULTI'], [ 'SELECT', 2 ], [ 'EVAL', 'while true do end', 0 ], ['EXEC']);
my ($what, $reply) = ('silent');
while ($what eq 'silent')
{
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($worker)");
	($what, $reply) = $client->outcome(0.2);
}
like(join(' ', $reply, map { $client->reply } 1 .. 3), qr/^OK QUEUED QUEUED -ERR canceling/, 'SELECT in a transaction that is cancelled');
is(($client->outcome(20))[0], 'closed', '… and the connection is closed');

# What only asks is told so, too, for it may have seen what was not to be; the connection stays as it was.
$client = redis($node);
$client->call('SELECT', 1);
@heard = aborted($client, ['PING'], [ 'GET', 'lost' ], [ 'ECHO', 'x' ], [ 'CLIENT', 'GETNAME' ]);
is(scalar(grep { /$error/ } @heard), 5, 'commands that change nothing of the connection') or diag("@heard");
is($client->call('GET', 'lost'), undef, '… have changed nothing');
is($client->call('SET', 'k', 'of 1'), 'OK', '… and it goes on');

# Before the first change nothing depends on the commit: the reply stands, and so does what it says.
fail_next();
$client->raw(encode('SELECT', 3) . encode('SET', 'k', 'lost'));
is($client->reply, 'OK', 'SELECT before a change that fails is done');
like($client->reply, $error, '… the change is not');
is($client->call('SET', 'k', 'of 3'), 'OK', '… and the connection stays');
# … and what was committed is over.
$client->raw(encode('SET', 'k', 'of 3') . encode('SELECT', 1));
is($client->reply . $client->reply, 'OKOK', 'a change and SELECT');
fail_next();
like($client->call('SET', 'k', 'lost'), $error, '… in another turn than a change that fails');
is($client->call('GET', 'k'), 'of 1', '… stays, with the connection');

# Those who are in the same turn with nothing that depends on it.
my $bystander = redis($node);
fail_next();
stop_at_rest($node, $worker);
$client->send('SET', 'k', 'lost');
$bystander->send('SELECT', 1);
kill 'CONT', $worker;
like($client->reply, $error, 'a change that fails');
is($bystander->reply, 'OK', '… is nothing to others');
is($bystander->call('GET', 'k'), 'of 1', '… who stay');

is($redis->call('EXISTS', 'lost'), 0, 'nothing of all that is there');
is(store_check($node), '', 'and the store is sound');
$node->stop;
done_testing();
