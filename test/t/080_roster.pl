# SPDX-License-Identifier: PostgreSQL
#
# 080_roster.pl: CLIENT LIST, KILL and UNBLOCK are about the clients of all workers, at once, and of one tenant. With two
# workers.
#
# Seen to fail: walk_book() and seat_ask() that do not look at the tenant; no kv_roster_heed(); waits_no_longer() that is never true,
# with serve_key() that asks whom CLIENT UNBLOCK has met; no roster_close(); kv_roster_leave() that
# frees a seat which is listed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = pgfirst_node('roster', workers => 2, conf => "autovacuum = off\npgfirst.redis_auth_delay = 0\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql("CREATE ROLE $_ LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA kv TO $_; SELECT kv.grant('$_', NULL, 'admin')") for qw(seven other);
sql("SELECT kv.set_tenant('seven', 7)");

# ---- clients ---------------------------------------------------------------------------------

sub in { my ($worker, $role) = @_; return redis_in_worker($node, $worker, user => $role // 'app'); }
sub id { return $_[0]->call('CLIENT', 'ID'); }

# What CLIENT LIST shows a client, by id: a hash for each line.
sub list
{
	my ($client, @words) = @_;
	my $lines = $client->call('CLIENT', 'LIST', @words);
	my @ids = $lines =~ /^id=(\d+) /mg;
	my %clients = map { my %fields = map { split /=/, $_, 2 } split / /; ($fields{id} => \%fields) } split /\n/, $lines;

	is("@ids", join(' ', sort { $a <=> $b } keys %clients), 'CLIENT LIST shows each once, the oldest first') if !@words;
	return \%clients;
}

sub blocked { my ($client) = @_; return $client->call('INFO', 'clients') =~ /^blocked_clients:(\d+)/m ? $1 : die; }

# Sends a command that waits, and returns when it does.
sub waits
{
	my ($client, $asks, @words) = @_;
	my $before = blocked($asks);

	$client->send(@words);
	wait_until('it waits', sub { blocked($asks) == $before + 1; });
	return;
}

sub closed { my ($name, $client) = @_; is(($client->outcome(10))[0], 'closed', $name); return; }

sub exec_of
{
	my ($redis, @commands) = @_;

	$redis->call('MULTI') eq 'OK' or die;
	$redis->call(@$_) for @commands;
	return $redis->call('EXEC');
}

# Has the worker of a client busy with a script for so long.
sub busies
{
	my ($client, $seconds) = @_;

	$client->send('EVAL', "local now = function() local t = redis.call('TIME') return t[1] + t[2] / 1000000 end
		redis.call('SET', 'busy', 1) local e = now() + ARGV[1] while now() < e do end return 'done'", 0, $seconds);
	sleep 0.2;
	return;
}

my @here = map { in($_) } 0, 1;

# ---- CLIENT LIST -----------------------------------------------------------------------------

for my $worker (0, 1)
{
	my ($asks, $there) = ($here[$worker], in(1 - $worker));
	my $id = id($there);
	my $missed = 0;

	for my $i (1 .. 200)
	{
		$there->call('CLIENT', 'SETNAME', "name-$i");
		$missed++ if $asks->call('CLIENT', 'LIST', 'ID', $id) !~ / name=name-$i /;
	}
	is($missed, 0, "what a client is told is there is seen by worker $worker");
	$there->call('HELLO', 3);
	$there->call('SELECT', 2);
	$there->call('CLIENT', 'SETINFO', 'LIB-NAME', 'some-library');
	$there->call('CLIENT', 'SETINFO', 'LIB-VER', '1.2.3');
	$there->call('CLIENT', 'NO-EVICT', 'ON');
	$there->call('CLIENT', 'NO-TOUCH', 'ON');
	$there->call('PSUBSCRIBE', $_) for qw(p q);
	$there->call('SUBSCRIBE', 'c');
	$there->call('WATCH', 'x', 'y', 'z');
	$there->call('MULTI');
	$there->call('GET', 'x');
	my $own = $there->call('CLIENT', 'ID') eq 'QUEUED' ? list($asks)->{$id} : die;
	my %expected = (name => 'name-200', db => 2, sub => 1, psub => 2, multi => 2, watch => 3, resp => 3, user => 'app',
		'lib-name' => 'some-library', 'lib-ver' => '1.2.3', flags => 'PxeT', cmd => 'client|id', idle => 0,
		addr => $there->{socket}->sockhost . ':' . $there->{socket}->sockport,
		laddr => $there->{socket}->peerhost . ':' . $there->{socket}->peerport);
	is_deeply({ map { $_ => $own->{$_} } keys %expected }, \%expected, '… with all that CLIENT LIST says');
	$there->close;
	wait_until('it has gone', sub { !list($asks, 'ID', $id)->{$id}; });
	pass('… until it goes');
}
my @both = map { list($_) } @here;
is_deeply([ sort keys %{ $both[0] } ], [ sort keys %{ $both[1] } ], 'both workers show the same');
ok($both[$_]{ id($here[1 - $_]) }, '… the other\'s too') for 0, 1;
my $ear = in(1);
$ear->call('SUBSCRIBE', 'c');
is_deeply([ map { $_->{sub} } values %{ list($here[0], 'TYPE', 'pubsub') } ], [1], 'TYPE chooses among them');
ok(exec_of($here[0], [ 'CLIENT', 'LIST' ])->[0] =~ /^id=${\ id($here[1])} /m, 'CLIENT LIST behind MULTI shows them');

# More than there is room for at first.
my @many = map { redis($node) } 1 .. 400;
my @ids = map { id($_) } @many;
for my $asks (@here)
{
	my $all = list($asks);
	is(scalar(grep { $all->{$_} } @ids), 400, 'many clients are shown');
}
$_->close for @many;
wait_until('they have gone', sub { my $all = list($here[0], 'TYPE', 'normal'); !grep { $all->{$_} } @ids; });
wait_until('… for both', sub { my $all = list($here[1], 'TYPE', 'normal'); !grep { $all->{$_} } @ids; });

# ---- CLIENT UNBLOCK --------------------------------------------------------------------------

for my $pair ([ 0, 0 ], [ 0, 1 ], [ 1, 0 ])
{
	my ($asks, $client) = ($here[ $pair->[0] ], in($pair->[1]));
	my $id = id($client);
	my $what = "from worker $pair->[0] to $pair->[1]";

	is($asks->call('CLIENT', 'UNBLOCK', $id), 0, "CLIENT UNBLOCK $what of one that does not wait");
	waits($client, $asks, 'BLPOP', 'q', 0);
	is(list($asks, 'ID', $id)->{$id}{flags}, 'b', '… that it waits is seen');
	is($asks->call('CLIENT', 'UNBLOCK', $id), 1, '… of one that does');
	is($client->reply, undef, '… its time is up');
	is($asks->call('CLIENT', 'UNBLOCK', $id), 0, '… of one that does not any more');
	waits($client, $asks, 'BLMOVE', 'q', 'r', 'LEFT', 'LEFT', 0);
	is($asks->call('CLIENT', 'UNBLOCK', $id, 'ERROR'), 1, '… ERROR');
	is($client->reply, '-UNBLOCKED client unblocked via CLIENT UNBLOCK', '… it is told why');
	waits($client, $asks, 'BZPOPMIN', 'q', 0);
	is_deeply(exec_of($asks, [ 'CLIENT', 'UNBLOCK', $id, 'TIMEOUT' ], [ 'CLIENT', 'UNBLOCK', $id ]), [ 1, 0 ], '… behind MULTI, and once');
	is($client->reply, undef, '… likewise');

	my $slowest = 0;
	for (1 .. 5)
	{
		waits($client, $asks, 'BLPOP', 'q', 0);
		my $began = time;
		$asks->call('CLIENT', 'UNBLOCK', $id);
		$client->reply;
		$slowest = time - $began if time - $began > $slowest;
	}
	cmp_ok($slowest, '<', 0.5, '… at once');

	# What comes after the answer is not for it any more.
	my @wrong;
	for my $words ([qw(BLPOP q 0)], [qw(BRPOPLPUSH q r 0)], [qw(BLMPOP 0 1 q LEFT)], [qw(XREAD BLOCK 0 STREAMS q $)])
	{
		my $adds = $words->[0] eq 'XREAD' ? [qw(XADD q 1-1 f v)] : [qw(RPUSH q v)];
		for (1 .. 20)
		{
			waits($client, $asks, @$words);
			$asks->raw(join '', map { PgfirstTest::Redis::encode(@$_) } [ 'CLIENT', 'UNBLOCK', $id ], $adds, [qw(DEL q)]);
			my @told = map { $asks->reply } 1 .. 3;
			push @wrong, "@told" if "@told" !~ /^1 1(-1)? 1$/ || defined $client->reply;
		}
	}
	is_deeply(\@wrong, [], '… an element that comes behind it stays');
}
is($here[0]->call('CLIENT', 'UNBLOCK', $_), 0, "CLIENT UNBLOCK of $_, which is nobody") for 0, -1, 1000000;

# While its worker is busy.
my ($waiting, $victim, $runs) = map { in(1) } 1 .. 3;
my ($waiting_id, $victim_id) = map { id($_) } $waiting, $victim;
waits($waiting, $here[0], 'BLPOP', 'q', 0);
busies($runs, 1.5);
my $began = time;
is($here[0]->call('CLIENT', 'UNBLOCK', $waiting_id), 1, 'whose worker is busy is unblocked');
is($here[0]->call('CLIENT', 'KILL', 'ID', $victim_id), 1, '… and killed');
is($here[0]->call('CLIENT', 'KILL', 'ID', $victim_id), 0, '… once');
ok(!list($here[0], 'ID', $victim_id)->{$victim_id}, '… and is seen no more');
cmp_ok(time - $began, '<', 1, '… without waiting for it');
is(($runs->outcome(0))[0], 'silent', '(it was busy)');
$victim->send('SET', 'killed', 1);
$here[0]->call('RPUSH', 'q', 'late');
is($runs->reply, 'done', '(and goes on)');
is($waiting->reply, undef, '… its time is up');
closed('… it is closed', $victim);
is($here[0]->call('EXISTS', 'killed'), 0, '… and has done nothing more');
is_deeply($here[1]->call('LPOP', 'q'), 'late', '… nor taken anything');

# ---- CLIENT KILL -----------------------------------------------------------------------------

for my $pair ([ 0, 1 ], [ 1, 0 ], [ 0, 0 ])
{
	my ($asks, $worker) = ($here[ $pair->[0] ], $pair->[1]);
	my $client = in($worker);
	my $address = list($asks)->{ id($client) }{addr};

	is($asks->call('CLIENT', 'KILL', $address), 'OK', "CLIENT KILL from worker $pair->[0] to $worker by address");
	closed('… it is closed', $client);
	is($asks->call('CLIENT', 'KILL', $address), '-ERR No such client', '… then there is none');
	$client = in($worker);
	is($asks->call('CLIENT', 'KILL', 'ID', id($client), 'USER', 'other'), 0, '… by what it is not');
	is($asks->call('CLIENT', 'KILL', 'ID', id($client), 'USER', 'app'), 1, '… by id and user');
	closed('… it is closed', $client);
	my @others = map { redis($node, user => 'other') } 1 .. 12;
	is($asks->call('CLIENT', 'KILL', 'USER', 'other'), 12, '… by user, in both workers');
	closed('… it is closed', $_) for @others;
	my @ears = map { in($_) } 0, 1;
	$_->call('SUBSCRIBE', 'c') for @ears;
	is(exec_of($asks, [ 'CLIENT', 'KILL', 'TYPE', 'pubsub' ])->[0], $worker == 1 && $pair->[0] == 0 ? 3 : 2, '… by type, behind MULTI');
	closed('… it is closed', $_) for @ears;
	$client = in($worker);
	waits($client, $asks, 'BLPOP', 'q', 0);
	is($asks->call('CLIENT', 'KILL', 'ID', id($asks), 'SKIPME', 'yes'), 0, '… not itself');
	my ($id) = map { $_->{id} } grep { $_->{flags} eq 'b' } values %{ list($asks) };
	is($asks->call('CLIENT', 'KILL', 'ID', $id), 1, '… one that waits');
	closed('… it is closed', $client);
	$asks->call('RPUSH', 'q', 'v');
	is($asks->call('LPOP', 'q'), 'v', '… and takes nothing');
}
closed('who had subscribed has been closed, too', $ear);

# Who leaves while it is killed.
for (1 .. 100)
{
	my @leave = map { redis($node) } 1 .. 4;
	my @leave_ids = map { id($_) } @leave;
	$here[0]->send('CLIENT', 'KILL', 'ID', $_) for @leave_ids;
	$_->close for @leave[ 0, 1 ];
	$here[0]->reply for @leave_ids;
	$_->close for @leave;
}
wait_until('all have gone', sub { scalar(keys %{ list($here[1], 'TYPE', 'normal') }) == scalar(keys %{ list($here[0], 'TYPE', 'normal') }); });
# … in the turn in which its worker was busy.
my ($first, $second, $leaves) = map { in(1) } 1 .. 3;
my $leaves_id = id($leaves);
busies($first, 0.5);
$leaves->send('QUIT');
busies($second, 1);
sleep 0.5;
is($here[0]->call('CLIENT', 'KILL', 'ID', $leaves_id), 1, 'who is about to leave is killed');
is($leaves->reply, 'OK', '… and leaves');
is($_->reply, 'done', '… in the turn in which its worker was busy') for $first, $second;
my @after = map { redis($node) } 1 .. 30;
my $seen = list($here[0]);
is(scalar(grep { !$seen->{ id($_) } } @after), 0, 'all who come then have seats of their own');
my $fresh = in(1);
is($here[0]->call('CLIENT', 'KILL', 'ID', id($fresh)), 1, 'a seat that was left is taken again');
closed('… and who has it can be killed', $fresh);

# ---- tenants ---------------------------------------------------------------------------------

my ($seven, $seven_there, $mine) = (in(0, 'seven'), in(1, 'seven'), in(1));
my $seven_ids = list($seven);
ok($seven_ids->{ id($_) }, 'a tenant sees its own clients') for $seven, $seven_there;
is_deeply([ grep { $_->{user} ne 'seven' } values %$seven_ids ], [], '… and no others');
is_deeply([ grep { $_->{user} eq 'seven' } values %{ list($here[0]) } ], [], '… nor others them');
is($seven->call('CLIENT', 'KILL', 'ID', id($mine)), 0, '… kills none of others');
my $mine_id = id($mine);
waits($mine, $here[0], 'BLPOP', 'q', 0);
is($seven->call('CLIENT', 'UNBLOCK', $mine_id), 0, '… nor unblocks one');
is($here[0]->call('CLIENT', 'UNBLOCK', $mine_id), 1, '… which its own can');
is($mine->reply, undef, '… it could be');
is($seven->call('CLIENT', 'KILL', 'TYPE', 'normal'), scalar(keys %$seven_ids) - 1, '… of all clients it kills its own');
closed('… in the other worker', $seven_there);
is($_->call('PING'), 'PONG', '… and nobody else') for @here, $mine;
is($mine->call('AUTH', 'seven', 'secret'), 'OK', 'who logs in as another tenant');
$mine->call('PING');
ok(list($seven)->{$mine_id}, '… is seen there');
ok(!list($here[0])->{$mine_id}, '… and where it was no more');

# ---- a worker that ends ----------------------------------------------------------------------

my $stays = $here[0];
my @there = ($here[1], map { in(1) } 1 .. 5);
my @there_ids = map { id($_) } @there;
my ($pid) = $here[1]->call('INFO', 'server') =~ /^process_id:(\d+)/m;
sql("SELECT pg_terminate_backend($pid)");
closed('a worker ends', $here[1]);
wait_until('its clients are not shown any more', sub { !list($stays, 'ID', $there_ids[0])->{ $there_ids[0] }; });
ok(!list($stays)->{$_}, '… none of them') for @there_ids;
my $again;
wait_until('it begins anew', sub {
	$again = redis($node);
	return ($again->call('INFO', 'server') =~ /^process_id:(\d+)/m)[0] ne ($stays->call('INFO', 'server') =~ /^process_id:(\d+)/m)[0];
});
ok(list($stays)->{ id($again) }, '… its new clients are shown');
is($stays->call('CLIENT', 'KILL', 'ID', id($again)), 1, '… and can be killed');
closed('… they are closed', $again);

$node->stop;
done_testing();
