# SPDX-License-Identifier: PostgreSQL
#
# 073_zset_combine.pl: commands on several sorted sets, what they store, and ranges that are stored, on small sets and on
# large ones; which keys they lock; members by chance and ZSCAN.
#
# Seen to fail:
#   - is_of_result() in combine.c that does not tell the values of inputs behind: the sums of a union;
#   - inputs in the order of the arguments: infinities that meet in another order;
#   - score_add() in zset_combine.c without isnan(): scores that are no number;
#   - kv_command_keys_of() in command.c without keys->apart, or only with it: a destination or an input that is locked is
#     changed or read;
#   - store_members() that adds to the destination as it was;
#   - members by chance that are copied as texts: those with zero bytes are cut off.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use Test::More;

my $node = pgfirst_node('combine');
my $redis = redis($node);

sub call { return $redis->call(map { ref ? @$_ : split } @_); }
sub is_reply { my ($command, $expected, $name) = @_; return is_deeply(call($command), $expected, $name // $command); }

# Members that nobody names, so that the set is paged.
sub enlarge { my ($key) = @_; return $redis->call('ZADD', $key, map { ($_, "$key:$_") } 1 .. 200); }

# ---- what they answer --------------------------------------------------------------------------

call('SET text x');
for my $large (0, 1)
{
	call('DEL a b c s inf');
	call('ZADD a 1 one 2 two 3 three');
	call('ZADD b 10 two 20 three 30 four');
	call('ZADD c -inf one 5 two 5 aaa 6 bbb');
	call('ZADD inf inf one');
	call('ZADD neg -inf one 1 other');
	call('SADD s one four five');
	my $of = $large ? ', large' : '';
	enlarge('b'), enlarge('c') if $large;

	is_reply('ZINTER 2 a b WITHSCORES', [qw(two 12 three 23)], "ZINTER adds scores$of");
	is_reply('ZINTER 2 a b WEIGHTS 2 -1 AGGREGATE MIN WITHSCORES', [qw(three -20 two -10)], "… with weights, the lower one$of");
	is_reply('ZINTER 3 a b nokey', [], "… nothing with what is not there$of");
	is_reply('ZINTER 2 a s WITHSCORES', [qw(one 2)], "a member of a set has the score 1$of");
	is_reply('ZDIFF 2 a b WITHSCORES', [qw(one 1)], "ZDIFF$of");
	is_reply('ZDIFF 3 a b s', [], "… of three$of");
	is_reply('ZUNION 3 a s nokey AGGREGATE MAX WITHSCORES', [qw(five 1 four 1 one 1 two 2 three 3)], "ZUNION, equal scores by bytes$of");
	is(call('ZINTERCARD 2 a b'), 2, "ZINTERCARD$of");
	is(call('ZINTERCARD 2 a b LIMIT 1'), 1, "… with a limit$of");
	is_reply('ZINTER 2 inf c WITHSCORES', [qw(one 0)], "both infinities are 0$of");
	is_reply('ZUNION 2 inf s WEIGHTS 0 5 AGGREGATE MAX WITHSCORES', [qw(five 5 four 5 one 5)], "… and so is 0 times infinity$of");
	is_reply('ZINTER 3 inf s neg WITHSCORES', [qw(one 1)], "the smallest sets come first$of");
	my %union = @{ call('ZUNION 3 a b c WITHSCORES') };
	is_deeply([ scalar(keys %union), @union{qw(one two three four)} ], [ $large ? 406 : 6, qw(-inf 17 23 30) ], "the sums of a union$of");

	# What they store.
	call('SET stored x EX 100');
	is(call('ZUNIONSTORE stored 2 a b'), $large ? 204 : 4, "ZUNIONSTORE$of");
	is(call('TTL stored'), -1, "… has no expiry$of");
	is_deeply([ map { call("ZSCORE stored $_") } qw(one two three four) ], [qw(1 12 23 30)], "… is what ZUNION answers$of");
	is(call('ZINTERSTORE stored 2 a stored WEIGHTS 1 2'), 3, "… into what it reads$of");
	is_reply('ZRANGE stored 0 -1 WITHSCORES', [qw(one 3 two 26 three 49)], "… which has only that$of");
	is(call('ZDIFFSTORE stored 2 a b'), 1, "ZDIFFSTORE$of");
	is(call('ZRANGESTORE stored b 10 30 BYSCORE LIMIT 1 2'), 2, "ZRANGESTORE$of");
	is(call('ZRANGESTORE stored stored 0 0 REV'), 1, "… into itself$of");
	is(call('ZDIFFSTORE stored 2 a a'), 0, "nothing is stored$of");
	is(call('EXISTS stored'), 0, "… and what was there is gone$of");
	is(call('ZRANGESTORE b nokey 0 -1'), 0, "… of a range as well$of");
	is(call('EXISTS b'), 0, "… a sorted set as well$of");
}
is(call('ZUNIONSTORE large 2 c c'), 204, 'a large one is stored');
is(call('ZRANK large c:200'), 203, '… in its order');
is(call('OBJECT ENCODING large'), 'skiplist', '… is large');

# ---- what they refuse --------------------------------------------------------------------------

sub refused { my ($command, $words) = @_; my $reply = call($command); return is("$reply", "-$words", $command); }

refused('ZUNION x a', 'ERR value is not an integer or out of range');
refused('ZUNION 0 a', "ERR at least 1 input key is needed for 'zunion' command");
refused('ZDIFFSTORE d 0 a', "ERR at least 1 input key is needed for 'zdiffstore' command");
refused('ZINTER 3 a b', 'ERR syntax error');
refused('ZINTER 1 text FOO', 'WRONGTYPE Operation against a key holding the wrong kind of value');
refused('ZUNIONSTORE d 2 a b WEIGHTS 1 nan', 'ERR weight value is not a float');
refused('ZUNIONSTORE d 2 a b WITHSCORES', 'ERR syntax error');
refused('ZDIFF 2 a b WEIGHTS 1 2', 'ERR syntax error');
refused('ZINTERCARD 2 a b LIMIT -1', "ERR LIMIT can't be negative");
refused('ZRANGESTORE d a 0 -1 WITHSCORES', 'ERR syntax error');
refused('COMMAND GETKEYS ZUNIONSTORE d 3 a b', 'ERR Invalid arguments specified for command');
refused('COMMAND GETKEYS SINTERCARD 3 a b', 'ERR Invalid arguments specified for command');
is_reply('COMMAND GETKEYS ZUNIONSTORE d 2 a b WEIGHTS 1 2', [qw(d a b)]);
is_reply('COMMAND GETKEYS ZINTERCARD 2 a b LIMIT 3', [qw(a b)]);

# ---- what they lock ----------------------------------------------------------------------------

my $holder = PgfirstStore::Session->new($node);
my @whole = (
	[ 'ZUNIONSTORE d 2 a b' ],
	[ [ 'EVAL', "return redis.call('ZUNIONSTORE', 'd', 2, 'a', 'b')", 0 ] ],
	[ 'MULTI', 'ZUNIONSTORE d 2 a b', 'EXEC' ]);
for my $held (qw(d a b))
{
	for my $commands (@whole)
	{
		call("DEL d a b");
		call('ZADD a 1 m'), call('ZADD b 2 m');
		$holder->ask("BEGIN; SELECT kv.set('$held', 'sql')");
		$redis->send(ref $_ ? @$_ : split) for @$commands;
		$redis->reply for 1 .. @$commands - 1;
		is(($redis->outcome(0.2))[0], 'silent', "$held is waited for, $commands->[0]");
		$holder->ask('COMMIT');
		my $reply = $redis->reply;
		$reply = $reply->[0] if ref $reply eq 'ARRAY';
		$held eq 'd' ? is($reply, 1, '… and replaced') : like("$reply", qr/WRONGTYPE/, '… and is none');
	}
}
$holder->end;

# ---- by chance, and in the order of hashes -----------------------------------------------------

for my $count (20, 600)
{
	my %scores = map { ("m\0$_", $_) } 1 .. $count;

	call([ 'DEL', 'z', 's' ]);
	call([ 'ZADD', 'z', map { ($scores{$_}, $_) } keys %scores ]);
	call([ 'SADD', 's', keys %scores ]);
	is(scalar(grep { !defined $scores{ call('ZRANDMEMBER z') } } 1 .. 20), 0, "$count: ZRANDMEMBER");
	for my $how (-30, 5, $count - 1, $count, $count + 1)
	{
		my @drawn = @{ call("ZRANDMEMBER z $how WITHSCORES") };
		my %drawn = @drawn;

		is(scalar(@drawn), 2 * ($how < 0 ? -$how : $how > $count ? $count : $how), "… $how of them");
		is(scalar(keys %drawn), @drawn / 2, '… all different') if $how > 0;
		is(scalar(grep { ($scores{$_} // '') ne $drawn{$_} } keys %drawn), 0, '… with their scores');
	}
	my ($cursor, $calls, %seen) = (0, 0);
	do
	{
		my $reply = call("ZSCAN z $cursor COUNT 50");

		%seen = (%seen, @{ $reply->[1] });
		$cursor = $reply->[0];
		$calls++;
	} while ($cursor ne '0');
	is_deeply(\%seen, \%scores, "ZSCAN has seen all, in $calls calls");
	is(scalar(@{ call([ 'ZSCAN', 'z', 0, 'MATCH', "m\0[12]?", 'COUNT', 1000 ])->[1] }), 2 * ($count == 20 ? 11 : 20), '… or some');
	my %popped = map { $_ => 1 } @{ call("SPOP s $count") };
	is(scalar(grep { $scores{$_} } keys %popped), $count, 'SPOP pops all');
	is(call('EXISTS s'), 0, '… and leaves none');
}

done_testing();
