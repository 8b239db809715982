# SPDX-License-Identifier: PostgreSQL
#
# 083_read_again.pl: what a transaction has read of a collection is kept for the next command on it, and is never older
# than what there is: whatever others commit in between shows, however they commit it.
#
# Seen to fail, each by the tests of its section: kept_is_it() that asks for no stamp; hot_get() that keeps what a
# transaction was changing, or that keeps something of any store; tag_unless_ended() that keeps those that have ended;
# pgfirst_position_stamps() that is true on a standby; stores_close() that forgets nothing; is_noted() that does not ask for
# running tags.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use Test::More;

my $node = watched_node('again', streaming => 1, conf => "autovacuum = off\n");
my $standby = standby_of($node, workers => 1);
my $redis = redis($node);
my $session = PgfirstStore::Session->new($node);
my $other = PgfirstStore::Session->new($node);

sub length_is { my ($who, $is, $what) = @_; return is($who->ask("SELECT kv.hlen('h')"), $is, $what); }

# So many that it is paged.
$redis->call('HSET', 'h', map { ("field $_", 'v' x 50) } 1 .. 100);

# ---- what others commit ------------------------------------------------------------------------

$session->ask('BEGIN');
length_is($session, 100, 'as it is') for 1 .. 2;
$redis->call('HSET', 'h', 'by a client', 1);
length_is($session, 101, 'what a client has added since is there');
is($session->ask("SELECT kv.hexists('h', 'by a client')"), 't', '… itself');
$other->ask("SELECT kv.hset('h', 'by SQL', '1'::text)");
length_is($session, 102, '… and what another transaction has');
$redis->call('SET', 'beside', 1);
length_is($session, 102, '… and what is beside it changes nothing');
$redis->call('HDEL', 'h', 'by a client', 'by SQL');
length_is($session, 100, 'what has gone is not there');
$session->ask('SAVEPOINT s');
$session->ask("SELECT kv.hset('h', 'own', '1'::text)");
length_is($session, 101, 'its own changes are');
$session->ask('ROLLBACK TO s');
length_is($session, 100, '… until it takes them back');
$redis->call('RENAME', 'h', 'g');
length_is($session, 0, 'no more than there is');
$redis->call('RENAME', 'g', 'h');
length_is($session, 100, '… and what there is again');
$session->ask('COMMIT');

# ---- what somebody is about to commit ----------------------------------------------------------

store_arm($node, 'hold', point => 'after the changes', who => 'client backend');
$other->send("SELECT kv.hset('h', 'held', '1'::text), kv.set('held', '1'::text)");
wait_until('the transaction is held', sub { return $node->safe_psql('postgres', 'SELECT store_test.held()') != 0; });
$session->ask('BEGIN');
length_is($session, 100, 'what is written and not committed is not there') for 1 .. 2;
store_arm($node, 'raise', times => -1, who => 'pgfirst upkeep');
$other->answer;
length_is($session, 101, '… and then it is, though its commit changes no page');
$session->ask('COMMIT');

# Two sets, of which one was changed last by a transaction with an id, and the other is being changed by one.
$redis->call('SADD', $_, map { "member $_" } 1 .. 200) for qw(one two);
$other->ask("SELECT kv.sadd('one', 'more'), kv.set('beside', '2'::text)");
store_arm($node, 'hold', point => 'after the changes', who => 'client backend');
$other->send("SELECT kv.sadd('two', 'most'), kv.set('beside', '3'::text)");
wait_until('the transaction is held', sub { return $node->safe_psql('postgres', 'SELECT store_test.held()') != 0; });
for my $round (1 .. 3)
{
	is(scalar @{ $redis->call('SUNION', 'one', 'one', 'two') }, 201, "$round: who reads one set twice, and one that is being changed, does not wait");
}
store_arm($node, 'raise', times => -1, who => 'pgfirst upkeep');
$other->answer;
is(scalar @{ $redis->call('SUNION', 'one', 'one', 'two') }, 202, '… and then has what was committed');

# Who reads many records tells what was there at one moment, though the commit of what is being changed comes in between
# and shows in no stamp.
$redis->call('SET', $_, 0) for qw(first last);
my @between = (q(nothing)) x 100_000;
my ($torn, $early, $late) = (0, 0, 0);
for my $round (1 .. 12)
{
	store_arm($node, 'hold', point => 'after the changes', who => 'client backend');
	$other->send("SELECT kv.set('first', '$round'::text), kv.set('last', '$round'::text)");
	wait_until('the transaction is held', sub { return $node->safe_psql('postgres', 'SELECT store_test.held()') != 0; });
	$redis->send('MGET', 'first', @between, 'last');
	store_arm($node, 'raise', times => -1, who => 'pgfirst upkeep');
	my $values = $redis->reply;
	$other->answer;
	$torn++ if $values->[0] ne $values->[-1];
	$values->[0] eq $round ? $late++ : $early++;
}
is($torn, 0, 'what is committed while many records are read is there as a whole or not at all');
diag("$early times not, $late times so") if $torn;

# ---- on a standby -------------------------------------------------------------------------------

wait_for_standby($node, $standby);
my $reader = PgfirstStore::Session->new($standby);
$reader->ask('BEGIN');
length_is($reader, 101, 'a standby reads it') for 1 .. 2;
$redis->call('HSET', 'h', 'replayed', 1);
wait_for_standby($node, $standby);
length_is($reader, 102, '… and in the same transaction what was replayed since');
$reader->ask('COMMIT');

# ---- other transactions --------------------------------------------------------------------------

$session->ask('BEGIN');
length_is($session, 102, 'read');
$session->ask('COMMIT');
my $store = $node->safe_psql('postgres', "SELECT c.oid::regclass FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'pgfirst_store' ORDER BY pg_relation_size(c.oid) DESC LIMIT 1");
$node->safe_psql('postgres', "TRUNCATE $store");
$session->ask('BEGIN');
length_is($session, 0, 'nothing of it in the next');
$session->ask('COMMIT');

$redis->call('HSET', 'h', map { ("field $_", 'v' x 50) } 1 .. 100);
is($session->ask("BEGIN; SELECT count(*) > 0 FROM $store; TRUNCATE $store; SELECT kv.hlen('h')"), "t\n0", '… nor where the transaction itself empties the store');
$session->ask('COMMIT');

$_->end for $session, $other, $reader;
is($node->safe_psql('postgres', 'SELECT count(*) FROM kv.check()'), '0', 'kv.check()');
$standby->stop;
$node->stop;

done_testing();
