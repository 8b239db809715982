# SPDX-License-Identifier: PostgreSQL
#
# 085_shrink.pl: what a store had needed and needs no more is given back: by VACUUM, and by upkeep without it; beside
# readers and writers, on a standby as on the primary; and what was begun and not ended is ended by the next one.
#
# Seen to fail: hints that are not withdrawn, or by the commit only (sessions behind the cancelled VACUUM); standbys
# that are not told; a left neighbour that still leads to the page that has moved; a place that an error left and nobody
# takes (errors while it moves); a front that others have written and nobody goes on with (what was begun and not ended);
# vacuum_truncate = off with a front that is left (the file grows); a cut that is asked for while somebody reads
# (transaction ids); upkeep that cuts whatever vacuum_truncate says; two that shrink at a time (another one leaves it to
# him); a VACUUM that gives way to nobody.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use Test::More;
use Time::HiRes qw(time);

my $node = watched_node('shrink', streaming => 1, workers => 2);
my $standby = standby_of($node, workers => 1);
my $redis = redis($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub pages
{
	my ($server, $number) = @_;

	return $server->safe_psql('postgres', "SELECT pg_relation_size('kv.database_$number') / 8192");
}

# As store_check(); upkeep may still move pages.
sub standby_check
{
	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
	wait_until('recovery pauses', sub { $standby->safe_psql('postgres', 'SELECT pg_get_wal_replay_pause_state()') eq 'paused' });
	my $found = store_check($standby);
	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
	return $found;
}

sub fill
{
	my ($client, $name, $count) = @_;

	$client->raw(join '', map { PgfirstTest::Redis::encode('SET', "$name:$_", "$name $_ " x 10) } 1 .. $count);
	$client->reply eq 'OK' or die for 1 .. $count;
}

# All but each tenth.
sub thin_out
{
	my ($client, $name, $count) = @_;

	for (my $from = 1; $from <= $count; $from += 1000)
	{
		$client->call('DEL', map { "$name:$_" } grep { $_ % 10 } $from .. $from + 999);
	}
}

# How many of the values are not as they are to be.
sub wrong
{
	my ($client, $name, $count) = @_;
	my $wrong = 0;

	for (my $from = 1; $from <= $count; $from += 1000)
	{
		my @numbers = $from .. $from + 999;
		my $values = $client->call('MGET', map { "$name:$_" } @numbers);
		for my $i (0 .. $#numbers)
		{
			my $expected = $numbers[$i] % 10 ? 'none' : "$name $numbers[$i] " x 10;
			$wrong++ if ($values->[$i] // 'none') ne $expected;
		}
	}
	return $wrong;
}

# ---- by upkeep -------------------------------------------------------------------------------------

my $count = 40_000;
my $session = PgfirstStore::Session->new($node);
my $reader = PgfirstStore::Session->new($standby);
fill($redis, 'a', $count);
my $full = pages($node, 0);
wait_for_standby($node, $standby);

# Both know where the leaves are.
$_->ask("SELECT count(kv.get('a:' || i)) FROM generate_series(1, $count) i") for $session, $reader;
thin_out($redis, 'a', $count);
wait_until('the file is shorter', sub { return pages($node, 0) < $full / 4; });
is(wrong($redis, 'a', $count), 0, 'upkeep makes the file of a store shorter that has lost nine tenths, and all that is left is there');
my $query = "SELECT count(*) FROM generate_series(1, $count) i WHERE kv.get('a:' || i)"
  . " IS DISTINCT FROM CASE WHEN i % 10 = 0 THEN convert_to(repeat('a ' || i || ' ', 10), 'UTF8') END";
is($session->ask($query), 0, '… for a session that knew where everything was');
wait_for_standby($node, $standby);
is($reader->ask($query), 0, '… and for one on a standby');
wait_until('the file of the standby is as long', sub { return pages($standby, 0) == pages($node, 0); });
pass('… whose file is as long');
is(store_check($node), '', 'kv.check()');
is(standby_check(), '', '… on the standby, too');

fill($redis, 'b', $count);
is(wrong($redis, 'a', $count), 0, 'it grows again, and what there was is there');
thin_out($redis, 'b', $count);
wait_until('the file is shorter', sub { return pages($node, 0) < $full / 3; });

sql('SELECT kv.configure(2, durability => $$volatile$$)');
my $volatile = redis($node);
$volatile->call('SELECT', 2);
fill($volatile, 'v', $count);
$full = pages($node, 2);
thin_out($volatile, 'v', $count);
wait_until('the file is shorter', sub { return pages($node, 2) < $full / 4; });
is(wrong($volatile, 'v', $count), 0, 'the same of one that is not logged');
sql('ALTER TABLE kv.database_2 SET (vacuum_truncate = off)'); # it is left alone from here on

# ---- by VACUUM, and what keeps it from it ----------------------------------------------------------

store_arm($node, 'hold', point => 'a place is aside', who => 'pgfirst upkeep');
fill($redis, 'c', $count);
$full = pages($node, 0);
thin_out($redis, 'c', $count);
wait_until('upkeep is held while it makes the file shorter', sub { return sql('SELECT store_test.held()') != 0; });
my $other = PgfirstStore::Session->new($node);
my $points = sub { return join ',', @{ store_points($node) }{ 'a place is aside', 'after a step of shrinking' }; };
my $before = $points->();
$other->send('VACUUM kv.database_0');
is(wrong($redis, 'c', $count), 0, 'nobody waits for who is held while he makes the file shorter');
$other->answer;
is($points->(), $before, '… but another one leaves it to him');
store_arm($node, 'raise', point => 'after a step of shrinking', who => 'pgfirst upkeep');
wait_until('upkeep ends it', sub { return pages($node, 0) < $full / 2; });
is(wrong($redis, 'c', $count), 0, 'what was begun and not ended is ended');
is(store_check($node), '', 'kv.check()');

# ---- what goes wrong -----------------------------------------------------------------------------------

sub held { return wait_until($_[0], sub { return sql('SELECT store_test.held()') != 0; }); }
sub let_go { return store_arm($node, 'raise', times => -1, who => 'nobody'); }

# Fills and thins out, and merges what is left.
sub make_room
{
	my ($name) = @_;

	fill($redis, $name, $count);
	my $long = pages($node, 0);
	thin_out($redis, $name, $count);
	sql('SELECT store_test.tidy(store) FROM kv.database WHERE number = 0');
	return $long;
}

# Upkeep leaves the file alone, and a VACUUM that is not asked for it does, too.  Upkeep has been there when it has
# made the file of another database shorter twice.
sql('ALTER TABLE kv.database_0 SET (vacuum_truncate = off)');
$full = make_room('i');
my $first = redis($node);
$first->call('SELECT', 1);
for (1 .. 2)
{
	fill($first, 'n', $count);
	my $long = pages($node, 1);
	thin_out($first, 'n', $count);
	wait_until('the file of another database is shorter', sub { return pages($node, 1) < $long / 3; });
}
sql('VACUUM kv.database_0');
cmp_ok(pages($node, 0), '>=', $full, 'vacuum_truncate = off keeps the file as it is');
# The cut is left for the next time while somebody, as upkeep, uses the store.
sub vacuum_until { my ($most) = @_; wait_until('VACUUM cuts the file', sub { sql('VACUUM (TRUNCATE) kv.database_0'); return pages($node, 0) < $most; }); }
vacuum_until($full / 2);
pass('… unless VACUUM is asked for it');

# What was begun is ended all the same: pages that are behind the front are of no use to writers.
make_room('j');
my $unfinished = PgfirstStore::Session->new($node);
store_arm($node, 'hold', point => 'a place is aside', who => 'client backend');
my $pid = $unfinished->ask('SELECT pg_backend_pid()');
$unfinished->send('VACUUM (TRUNCATE) kv.database_0');
held('VACUUM moves pages');
sql("SELECT pg_cancel_backend($pid)");
let_go();
like($unfinished->answer, qr/canceling statement/, 'a VACUUM that is cancelled in the middle');
$unfinished->end;
$full = pages($node, 0);
for (1 .. 4)
{
	sql('VACUUM kv.database_0');
	make_room('j');
}
cmp_ok(pages($node, 0), '<', $full * 1.5, '… leaves nothing that the file grows by, though it is not to be cut');

# A VACUUM that is cancelled when the file has been cut.
$full = make_room('d');
my $cancelled = PgfirstStore::Session->new($node);
$pid = $cancelled->ask('SELECT pg_backend_pid()');
store_arm($node, 'hold', point => 'after a cut', who => 'client backend');
$cancelled->send('VACUUM (TRUNCATE) kv.database_0');
held('VACUUM has cut the file');
sql("SELECT pg_cancel_backend($pid)");
let_go();
like($cancelled->answer, qr/canceling statement/, 'a VACUUM that is cancelled behind the cut');
cmp_ok(pages($node, 0), '<', $full / 2, '… has cut the file');
for my $worker (0, 1)
{
	my $client = redis_in_worker($node, $worker);
	is(wrong($client, 'd', $count), 0, "… and worker $worker finds everything");
}
is($session->ask($query), 0, '… and a session');
wait_for_standby($node, $standby);
is($reader->ask($query), 0, '… and one on the standby');
is(store_check($node), '', 'kv.check()');

# Others take the free pages meanwhile and give other ones back, behind the pages that have been looked at and before.
make_room('e');
store_arm($node, 'hold', point => 'a place is aside', who => 'client backend');
$other->send('VACUUM (TRUNCATE) kv.database_0');
held('VACUUM moves pages');
fill($redis, 'f', 60_000);
store_arm($node, 'hold', point => 'before pages are put back', who => 'client backend');
held('VACUUM puts pages back');
thin_out($redis, 'f', 60_000);
sql('SELECT store_test.tidy(store) FROM kv.database WHERE number = 0');
let_go();
$other->answer;
is(store_check($node), '', 'no page is lost that is freed while pages are put back');
is(wrong($redis, 'f', 60_000), 0, '… and no value');

# Somebody who waits for VACUUM has all others wait behind him.
$full = make_room('k');
store_arm($node, 'hold', point => 'a place is aside', who => 'client backend');
$other->send('VACUUM (TRUNCATE) kv.database_0');
held('VACUUM moves pages');
my $waits = PgfirstStore::Session->new($node);
$waits->send("BEGIN; LOCK TABLE kv.database_0 IN SHARE ROW EXCLUSIVE MODE");
wait_until('somebody waits for VACUUM', sub {
	return sql("SELECT count(*) FROM pg_locks WHERE relation = 'kv.database_0'::regclass AND NOT granted") == 1;
});
my $moves = sub { return store_points($node)->{'after a move'}; };
my $before_waiting = $moves->();
let_go();
$waits->answer;
cmp_ok($moves->() - $before_waiting, '<=', 64, 'VACUUM gives way to who waits for it, after a slice');
$waits->ask('COMMIT');
$waits->end;
$other->answer;
$before_waiting = $moves->();
sql('VACUUM (TRUNCATE) kv.database_0');
cmp_ok($moves->() - $before_waiting, '>', 64, '… and the next one goes on');
vacuum_until($full * 0.75);
pass('… to the end');

sql('ALTER TABLE kv.database_0 RESET (vacuum_truncate)');

# Errors between the place and the move.
store_arm($node, 'raise', point => 'a place is aside', times => 3, who => 'pgfirst upkeep');
fill($redis, 'g', $count);
$full = pages($node, 0);
thin_out($redis, 'g', $count);
wait_until('the file is shorter', sub { return pages($node, 0) < $full - 500; }, 180);
is(store_check($node), '', 'no page is lost by errors while it moves');

# Somebody who reads for long keeps the file from being cut, and nothing else.
fill($redis, 'h', $count);
$full = pages($node, 0);
$session->ask("BEGIN; SELECT kv.get('a:10')");
my $merges = store_points($node)->{'after a merge'};
$redis->call('DEL', map { "h:$_" } grep { $_ % 10 } $_ * 1000 + 1 .. $_ * 1000 + 1000) for 0 .. 19;
wait_until('upkeep merges pages', sub { return store_points($node)->{'after a merge'} > $merges + 100; });
$merges = store_points($node)->{'after a merge'};
thin_out($redis, 'h', $count);
wait_until('upkeep goes on', sub { return store_points($node)->{'after a merge'} > $merges + 100; });
cmp_ok(pages($node, 0), '>=', $full, 'beside a long transaction pages are merged, and the file is as long');
my $xid = sql('SELECT pg_current_xact_id()');
my $cuts = sub { return store_points($node)->{'before a cut'} // 0; };
my $tries = $cuts->() + 12;
wait_until('upkeep would cut the file', sub { return $cuts->() >= $tries; });
cmp_ok(sql('SELECT pg_current_xact_id()') - $xid, '<', 10, '… and the lock is not asked for with a transaction id each time');
$session->ask('COMMIT');
wait_until('the file is shorter', sub { return pages($node, 0) < $full - 300; });
is(wrong($redis, 'h', $count), 0, '… until it ends');

# ---- beside readers and writers ----------------------------------------------------------------------

# Each writer has keys of its own, of which it has most and then few, and knows what they hold.
my $stop = PostgreSQL::Test::Utils::tempdir() . '/stop';
my @pids;
for my $writer (1 .. 3)
{
	my $pid = fork // die;
	push @pids, $pid;
	next if $pid != 0;
	my $done = eval {
		my $client = redis($node);
		my %model;
		for (my $round = 0; !-e $stop; $round++)
		{
			my $grows = $round % 40 < 20;
			my @keys = map { "$writer/" . int(rand 6000) } 1 .. ($grows ? 300 : 900);
			if ($grows)
			{
				my %values = map { ($_, "$round " . 'x' x rand 400) } @keys;
				$client->call('MSET', %values);
				%model = (%model, %values);
			}
			else
			{
				$client->call('DEL', @keys);
				delete @model{@keys};
			}
			my @some = map { "$writer/" . int(rand 6000) } 1 .. 50;
			my $found = $client->call('MGET', @some);
			for my $i (0 .. $#some)
			{
				die "$some[$i] is another\n" if ($found->[$i] // 'none') ne ($model{ $some[$i] } // 'none');
			}
		}
		1;
	};
	warn $@ if !$done;
	require POSIX;
	POSIX::_exit($done ? 0 : 1);
}
my $moved = store_points($node)->{'after a move'};
my $begin = time;
until (time > $begin + 8 && store_points($node)->{'after a move'} > $moved + 100 || time > $begin + 120)
{
	sql('SELECT store_test.tidy(store) FROM kv.database WHERE number = 0');
	sql('VACUUM kv.database_0');
}
open(my $file, '>', $stop) or die;
close $file;
is(scalar(grep { waitpid($_, 0); $? != 0 } @pids), 0, 'while VACUUM after VACUUM makes the file shorter, three writers find what they wrote');
cmp_ok(store_points($node)->{'after a move'}, '>', $moved + 100, '… and pages were moved');
is(store_check($node), '', 'kv.check()');
wait_for_standby($node, $standby);
is(standby_check(), '', '… on the standby, too');

$_->end for $session, $reader, $other;
$standby->stop;
$node->stop;

done_testing();
