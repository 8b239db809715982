# SPDX-License-Identifier: PostgreSQL
#
# 074_pubsub_workers.pl: PUBLISH and PUBSUB count the subscribers of all workers' clients, at once, each once, and of one
# tenant. With three workers.
#
# Seen to fail: messages that are not made where nobody is counted; no topics_leave(); topics compared, and their buckets found, without the tenant; topic_count() that counts the
# own worker's; walk_read() that does not ask whether the cell is the first of its topic; kv_topics_hide() that does
# nothing; a walk that goes on where a cell is another topic's now; name_end() that keeps the cells; a tenant's number
# of topics that counts each worker's; kv_topics_show() that leaves the number as it was, or takes no lock; no share of a
# tenant; a worker's number of patterns that is everybody's; messages that are not made where nobody is counted; topics that are shown and still taken for hidden.

use strict;
use warnings;

use FindBin;
use List::Util qw(shuffle);
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use Test::More;

my $node = pgfirst_node('pubsub_workers', workers => 3, conf => "autovacuum = off\npgfirst.redis_auth_delay = 0\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub make_roles
{
	sql("GRANT USAGE ON SCHEMA kv TO $_; SELECT kv.grant('$_', NULL, 'admin')") for qw(app seven moves);
	sql("SELECT kv.set_tenant('seven', 7)");
}
sql("CREATE ROLE $_ LOGIN PASSWORD 'secret'") for qw(seven moves);
make_roles();

# ---- clients ---------------------------------------------------------------------------------

# A client of this role in this worker.
sub in { my ($worker, $role) = @_; return redis_in_worker($node, $worker, user => $role // 'app'); }

# One that has subscribed: RESP3, so it may do anything else as well.
sub ear
{
	my ($worker, $role, @subscribes) = @_;
	my $client = in($worker, $role);

	$client->call('HELLO', 3);
	asks($client, @$_) for @subscribes;
	return $client;
}

# The next reply that is no message.
sub answer
{
	my ($client) = @_;
	my $reply = $client->reply;

	$reply = $client->reply while ref $reply && ($reply->[0] // '') =~ /^p?message$/;
	return $reply;
}

# Sends a command that is answered for each of its words, and waits for that.
sub asks
{
	my ($client, @words) = @_;

	$client->send(@words);
	answer($client) for 2 .. @words;
	return;
}

my @here = map { in($_) } 0 .. 2;

# What each of the workers answers, if they answer alike.
sub everywhere
{
	my (@words) = @_;
	my @answers = map { my $reply = $_->call(@words); ref $reply ? join(' ', $words[1] eq 'CHANNELS' ? sort @$reply : @$reply) : $reply } @here;

	return $answers[0] eq $answers[1] && $answers[1] eq $answers[2] ? $answers[0] : "different: @{[ map { qq('$_') } @answers ]}";
}

# What INFO counts: channels and patterns.
sub info
{
	my @answers = map { join ' ', $_->call('INFO', 'stats') =~ /^pubsub_\w+:(\d+)/mg } @_ ? @_ : @here;

	return (grep { $_ ne $answers[0] } @answers) ? "different: @answers" : $answers[0];
}

sub exec_of
{
	my ($redis, @commands) = @_;

	$redis->call('MULTI') eq 'OK' or die;
	$redis->call(@$_) for @commands;
	return $redis->call('EXEC');
}

# ---- channels --------------------------------------------------------------------------------

is(everywhere('PUBLISH', 'c', 'x'), 0, 'nobody');
is(everywhere('PUBSUB', 'CHANNELS'), '', '… has subscribed to anything');
is(everywhere('PUBSUB', 'NUMPAT'), 0, '… nor to patterns');
my @ears = map { ear($_, 'app', [ 'SUBSCRIBE', 'c', "of $_" ]) } 0, 1, 1, 2;
is(everywhere('PUBLISH', 'c', 'x'), 4, 'PUBLISH counts subscribers in all workers');
is(everywhere('PUBLISH', "of $_", 'x'), $_ == 1 ? 2 : 1, "… and those in worker $_") for 0 .. 2;
is(everywhere('PUBLISH', 'd', 'x'), 0, '… of this channel');
is(everywhere('PUBSUB', 'NUMSUB', 'c', 'd', 'of 1', 'of 2'), 'c 4 d 0 of 1 2 of 2 1', 'so does PUBSUB NUMSUB');
is(everywhere('PUBSUB', 'CHANNELS'), 'c of 0 of 1 of 2', 'PUBSUB CHANNELS shows each channel once');
is(everywhere('PUBSUB', 'CHANNELS', 'of [12]'), 'of 1 of 2', '… by a pattern');
is(everywhere('PUBSUB', 'CHANNELS', ''), '', '… that matches nothing');
is_deeply(exec_of($_, [qw(PUBLISH c y)], [qw(PUBSUB NUMSUB c)], [qw(PUBSUB NUMPAT)]), [ 4, [ 'c', 4 ], 0 ], 'behind MULTI they count alike') for @here;
is($_->call('EVAL', "return redis.call('PUBLISH', 'c', 'z')", 0), 4, '… and in scripts') for @here;
for my $ear (@ears)
{
	my %told;
	$told{ $ear->reply->[1] }++ for 1 .. 12;
	is($told{c}, 9, 'a subscriber is told each message once');
}

# Who subscribes and then looks, as those who wait for results do, sees what it looks for or is told of it: also when it comes
# between PUBLISH, which counts nobody, and the end of its transaction.
my ($result, $late) = (in(0), ear(1));
$result->call('MULTI');
$result->call(@$_) for [ 'SET', 'result', 'done' ], [ 'PUBLISH', 'result', 'done' ],
  [ 'EVAL', 'for i = 1, 6e7 do end return 1', 0 ];
my $busy = pid_of($here[0]);
my $ticks = ticks($busy);
$result->send('EXEC');
wait_until('the script runs', sub { return ticks($busy) >= $ticks + 3; });
asks($late, 'SUBSCRIBE', 'result');
my $seen = $here[1]->call('GET', 'result');
is_deeply($result->reply, [ 'OK', 0, 1 ], 'PUBLISH counts nobody');
is($seen, undef, '… somebody subscribes before its transaction has ended');
is_deeply($late->reply, [ 'message', 'result', 'done' ], '… and is told');
$late->close;
wait_until('it has left', sub { return everywhere('PUBSUB', 'NUMSUB', 'result') eq 'result 0'; });

asks($ears[1], 'UNSUBSCRIBE', 'c');
is(everywhere('PUBLISH', 'c', 'x'), 3, 'one of two of a worker unsubscribes');
asks($ears[2], 'UNSUBSCRIBE', 'c');
is(everywhere('PUBLISH', 'c', 'x'), 2, '… and the other');
is(everywhere('PUBSUB', 'CHANNELS', 'c'), 'c', '… the channel is still there');
$ears[0]->send('RESET');
answer($ears[0]);
is(everywhere('PUBSUB', 'NUMSUB', 'c', 'of 0'), 'c 1 of 0 0', 'RESET');
$ears[3]->close;
wait_until('a client that leaves', sub { everywhere('PUBLISH', 'c', 'x') eq '0'; });
is(everywhere('PUBSUB', 'CHANNELS'), 'of 1', '… takes its channels along');
$_->close for @ears[ 1, 2 ];
wait_until('so do the others', sub { everywhere('PUBSUB', 'CHANNELS') eq ''; });

# At once.
my $wrong = 0;
my ($one, $two) = map { ear($_, 'app') } 1, 2;
for my $i (1 .. 300)
{
	my ($ear, $asks) = $i % 2 ? ($one, $here[2]) : ($two, $here[0]);
	asks($ear, 'SUBSCRIBE', "at-once-$i");
	$wrong++ if $asks->call('PUBSUB', 'NUMSUB', "at-once-$i")->[1] != 1;
	$wrong++ if $asks->call('PUBLISH', "at-once-$i", 'told') != 1;
	$wrong++ if join(' ', @{ $ear->reply }) ne "message at-once-$i told";
	asks($ear, 'UNSUBSCRIBE', "at-once-$i");
	$wrong++ if $asks->call('PUBLISH', "at-once-$i", 'x') != 0;
}
is($wrong, 0, 'what has been answered is counted elsewhere, and told');

# ---- patterns --------------------------------------------------------------------------------

@ears = (ear(0, 'app', [ 'PSUBSCRIBE', 'n*', 'news' ]), ear(1, 'app', [ 'PSUBSCRIBE', 'n*', 'w*' ]), ear(1, 'app', [ 'PSUBSCRIBE', 'n*' ]), ear(2, 'app', [ 'SUBSCRIBE', 'news', 'n*' ]));
is(everywhere('PUBLISH', 'news', 'x'), 5, 'PUBLISH counts patterns in all workers');
is(everywhere('PUBLISH', 'weather', 'x'), 1, '… that match');
is(everywhere('PUBLISH', 'other', 'x'), 0, '… and only those');
is(everywhere('PUBSUB', 'NUMPAT'), 3, 'PUBSUB NUMPAT counts each pattern once');
is(info(), '2 3', '… as INFO does');
is(everywhere('PUBSUB', 'CHANNELS'), 'n* news', 'PUBSUB CHANNELS shows no patterns');
is(everywhere('PUBSUB', 'NUMSUB', 'n*'), 'n* 1', 'nor does NUMSUB count them');
$ears[0]->send('PUNSUBSCRIBE');
answer($ears[0]) for 1, 2;
is(everywhere('PUBSUB', 'NUMPAT'), 2, 'PUNSUBSCRIBE of all');
is(everywhere('PUBLISH', 'news', 'x'), 3, '… leaves the others');
asks($ears[1], 'PUNSUBSCRIBE', 'n*');
is(everywhere('PUBLISH', 'news', 'x'), 2, '… of one');
$ears[2]->close;
wait_until('a client that leaves', sub { everywhere('PUBSUB', 'NUMPAT') eq '1'; });
is(everywhere('PUBLISH', 'news', 'x'), 1, '… takes its patterns along');
$_->close for @ears[ 0, 1, 3 ];
wait_until('so do the others', sub { everywhere('PUBSUB', 'NUMPAT') . everywhere('PUBSUB', 'CHANNELS') eq '0'; });

# Among many patterns one may cost less when it is counted than it may where it is told.
my $costs = ear(1, 'app', [ 'PSUBSCRIBE', '*' . 'a' x 20 . 'b' ]);
$ears[0] = ear(2, 'app', [ 'PSUBSCRIBE', map { "cheap-$_" } 1 .. 300 ]);
$here[0]->call('PUBLISH', 'a' x 1200 . 'b', 'x');
is(($costs->outcome(10))[0], 'reply', 'a pattern that is too expensive to be counted is told all the same');
$_->close for $costs, $ears[0];
wait_until('they leave', sub { everywhere('PUBSUB', 'NUMPAT') eq '0'; });

# ---- names -----------------------------------------------------------------------------------

my @lengths = (0, 1, 59 .. 61, 179 .. 181, 1023, 1024);
my @names = map { join '', map { chr(($_ * 7) % 256) } 1 .. $_ } @lengths;
my $long = 'l' x 1025;
my $named = ear(1, 'app', [ 'SUBSCRIBE', @names, $long ]);
is(everywhere('PUBSUB', 'CHANNELS', "[^l]*"), join(' ', sort @names[ 1 .. $#names ]), 'names of any bytes and lengths');
is($_->call('PUBSUB', 'NUMSUB', '')->[1], 1, '… the empty one too') for @here;
is(everywhere('PUBSUB', 'NUMSUB', $long), "$long 1", 'a longer name is counted everywhere');
is(everywhere('PUBLISH', $long, 'x'), 1, '… by PUBLISH too');
is_deeply($here[$_]->call('PUBSUB', 'CHANNELS', 'l*'), $_ == 1 ? [$long] : [], '… and shown by its own worker') for 0 .. 2;
my $pattern = '?' x 1024;
my $patterned = ear(1, 'app', [ 'PSUBSCRIBE', $pattern ]);
is(everywhere('PUBLISH', 'l' x 1024, 'x'), 1, 'a pattern of as many bytes as it may have');
is(everywhere('PUBLISH', $long, 'x'), 1, '… is held against names');
$_->close for $named, $patterned;
wait_until('they leave', sub { everywhere('PUBSUB', 'NUMPAT') . everywhere('PUBSUB', 'CHANNELS') eq '0'; });

# ---- many ------------------------------------------------------------------------------------

my @many = map { "many-$_" } 1 .. 3000;
$_ = ear($_, 'app', [ 'SUBSCRIBE', @many ]) for my @crowd = (0 .. 2);
is(everywhere('PUBSUB', 'CHANNELS'), join(' ', sort @many), 'many channels in all workers');
asks($crowd[0], 'UNSUBSCRIBE', @many[ 0 .. 1999 ]);
asks($crowd[1], 'UNSUBSCRIBE', @many[ 1000 .. 2999 ]);
asks($crowd[2], 'UNSUBSCRIBE', @many[ 0 .. 2499 ]);
is(everywhere('PUBSUB', 'CHANNELS'), join(' ', sort @many[ 0 .. 999, 2000 .. 2999 ]), '… of which some are given up');
is(everywhere('PUBSUB', 'NUMSUB', @many[ 999, 1000, 2000, 2999 ]), 'many-1000 1 many-1001 0 many-2001 1 many-3000 2', '… are counted');
$_->close for @crowd;
wait_until('they leave', sub { everywhere('PUBSUB', 'CHANNELS') eq ''; });

$_ = ear($_, 'app', [ 'PSUBSCRIBE', map { "$_*" } 'p', @many ]) for @crowd = (1, 2);
is(everywhere('PUBSUB', 'NUMPAT'), 3001, 'many patterns');
is(everywhere('PUBLISH', 'many-2999', 'x'), 8, '… that match');

# While others come and go, who stays is shown, and once: also where a list was left in between. The names are so long that it
# is left often, and those that go stand among those that stay.
my @go = map { "go-$_-" . 'x' x 1000 } 1 .. 60;
my @stay = map { "stay-$_" } 1 .. 10;
my $toggles = ear(1, 'app', [ 'SUBSCRIBE', @go, @stay ]);
sub toggle { return join '', map { PgfirstTest::Redis::encode('UNSUBSCRIBE', $_) . PgfirstTest::Redis::encode('SUBSCRIBE', $_) } @_; }
my %stays;
for (1 .. 400)
{
	$toggles->raw(toggle(shuffle(@go, @stay)));
	answer($toggles) for 1 .. 2 * (@go + @stay);
	$here[0]->raw(PgfirstTest::Redis::encode('PUBSUB', 'CHANNELS', 's*') x 30);
	$toggles->raw(toggle(shuffle(@go)));
	$stays{ join ' ', sort @{ $here[0]->reply } }++ for 1 .. 30;
	answer($toggles) for 1 .. 2 * @go;
}
is_deeply(\%stays, { join(' ', sort @stay) => 12_000 }, 'whoever stays is shown each time, and once, while others come and go');
$_->close for @crowd, $toggles;
wait_until('they leave', sub { everywhere('PUBSUB', 'NUMPAT') . everywhere('PUBSUB', 'CHANNELS') eq '0'; });

# All workers take room and give it back at the same time.
@crowd = map { ear($_, 'app') } 0 .. 2;
for my $round (1 .. 15)
{
	for my $i (0 .. 2)
	{
		my @mine = map { "room-$i-$_" } 1 .. 1000;
		$crowd[$i]->raw(PgfirstTest::Redis::encode('SUBSCRIBE', @mine) . PgfirstTest::Redis::encode('UNSUBSCRIBE', @mine));
	}
	for my $client (@crowd) { answer($client) for 1 .. 2000; }
}
is(everywhere('PUBSUB', 'CHANNELS'), '', 'all workers at once: they come and go');
$_->close for @crowd;

# All workers change the same topics at the same time.
@crowd = map { ear($_ % 3, 'app') } 1 .. 12;
my @has;
for my $client (@crowd)
{
	my @commands = map { [ (qw(SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE))[ int rand 4 ], 'same-' . int rand 20 ] } 1 .. 4000;
	my %has;
	for (@commands)
	{
		my ($command, $name) = @$_;
		my $kind = $command =~ /^P/ ? 'patterns' : 'channels';
		if ($command =~ /UN/) { delete $has{$kind}{$name}; }
		else { $has{$kind}{$name} = 1; }
	}
	push @has, \%has;
	$client->raw(join '', map { PgfirstTest::Redis::encode(@$_) } @commands);
}
for my $client (@crowd) { answer($client) for 1 .. 4000; }
my (%channels, %patterns);
for my $has (@has)
{
	$channels{$_}++ for keys %{ $has->{channels} };
	$patterns{$_}++ for keys %{ $has->{patterns} };
}
is(everywhere('PUBSUB', 'CHANNELS'), join(' ', sort keys %channels), 'all workers at once: the channels');
is(everywhere('PUBSUB', 'NUMSUB', sort keys %channels), join(' ', map { "$_ $channels{$_}" } sort keys %channels), '… their subscribers');
is(everywhere('PUBSUB', 'NUMPAT'), scalar(keys %patterns), '… the patterns');
for my $name (map { "same-$_" } 0 .. 19)
{
	is(everywhere('PUBLISH', $name, 'x'), ($channels{$name} // 0) + ($patterns{$name} // 0), "… who is told of $name");
}
$_->close for @crowd;
wait_until('they leave', sub { everywhere('PUBSUB', 'NUMPAT') . everywhere('PUBSUB', 'CHANNELS') eq '0'; });

# ---- tenants ---------------------------------------------------------------------------------

my @seven = map { in($_, 'seven') } 0 .. 2;
my @of_seven = map { ear($_, 'seven', [ 'SUBSCRIBE', 'c', 'secret' ], [ 'PSUBSCRIBE', 'c*' ]) } 0, 1;
is(everywhere('PUBLISH', 'c', 'x'), 0, 'PUBLISH counts none of another tenant');
is(everywhere('PUBSUB', 'NUMSUB', 'c', 'secret'), 'c 0 secret 0', '… nor does NUMSUB');
is(everywhere('PUBSUB', 'CHANNELS'), '', '… nor does CHANNELS show theirs');
is(everywhere('PUBSUB', 'NUMPAT'), 0, '… nor NUMPAT count them');
my $of_app = ear(2, 'app', [ 'SUBSCRIBE', 'c' ], [ 'PSUBSCRIBE', '*' ]);
is(everywhere('PUBLISH', 'c', 'x'), 2, 'beside them PUBLISH counts its own');
is(everywhere('PUBSUB', 'CHANNELS'), 'c', '… and CHANNELS');
is(everywhere('PUBSUB', 'NUMPAT'), 1, '… and NUMPAT');
is(info(), '1 1', '… and INFO');
is(info(@seven), '2 1', '… of whoever asks');
for my $asks (@seven)
{
	is($asks->call('PUBLISH', 'c', 'x'), 4, 'the other tenant counts its own');
	is($asks->call('PUBLISH', 'secret', 'x'), 2, '… all of them');
	is(join(' ', sort @{ $asks->call('PUBSUB', 'CHANNELS') }), 'c secret', '… and is shown them');
	is($asks->call('PUBSUB', 'NUMPAT'), 1, '… patterns as well');
}
my $moves = ear(1, 'moves', [ 'SUBSCRIBE', 'moves' ], [ 'PSUBSCRIBE', 'm*' ]);
is(everywhere('PUBLISH', 'moves', 'x'), 3, 'who is of this tenant');
sql("SELECT kv.set_tenant('moves', 7)");
wait_until('… and is of another one then is counted no more', sub { everywhere('PUBLISH', 'moves', 'x') eq '1'; });
is($seven[0]->call('PUBLISH', 'moves', 'x'), 0, '… nor in that one');

# ---- the extension anew ----------------------------------------------------------------------

is(everywhere('PUBLISH', 'c', 'x'), 2, 'before the extension is dropped');
sql('DROP EXTENSION pgfirst_kv CASCADE; DROP SCHEMA kv CASCADE; DROP EXTENSION IF EXISTS pgfirst CASCADE');
sql('CREATE EXTENSION pgfirst CASCADE');
make_roles();
wait_for_door($node);
is(everywhere('PUBLISH', 'c', 'x'), 2, '… and when it has been made again its subscribers are counted');
is(everywhere('PUBSUB', 'CHANNELS'), 'c', '… their channels shown');
asks($of_app, 'UNSUBSCRIBE', 'c');
is(everywhere('PUBLISH', 'c', 'x'), 1, '… until they unsubscribe');
$_->close for @of_seven, $of_app;
wait_until('they leave', sub { everywhere('PUBSUB', 'NUMPAT') eq '0' && $seven[0]->call('PUBSUB', 'NUMPAT') == 0; });

# ---- a worker that ends ----------------------------------------------------------------------

sub pid_of { return $_[0]->call('INFO', 'server') =~ /^process_id:(\d+)/m ? $1 : die; }

@ears = map { my $worker = $_; ear($worker, 'app', [ 'SUBSCRIBE', 'c', map { "of-$worker-$_" } 1 .. 1000 ], [ 'PSUBSCRIBE', 'c*', "p$worker" ]) } 0 .. 2;
is(everywhere('PUBLISH', 'c', 'x'), 6, 'subscribers in each worker');
is(everywhere('PUBSUB', 'NUMPAT'), 4, '… and patterns');
my $ended = pid_of($here[1]);
sql("SELECT pg_terminate_backend($ended)");
$here[1] = $here[0];
wait_until('a worker ends', sub { sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $ended") eq '0'; });
is(everywhere('PUBLISH', 'c', 'x'), 4, '… and what its clients had subscribed to is not counted any more');
is(everywhere('PUBSUB', 'NUMSUB', 'c'), 'c 2', '… nor by NUMSUB');
is(everywhere('PUBSUB', 'NUMPAT'), 3, '… nor its patterns');
is(everywhere('PUBSUB', 'CHANNELS', 'of-1*'), '', '… nor are its channels shown');
my %before = map { pid_of($_) => 1 } @here;
wait_until('another one begins in its place', sub { !$before{ pid_of(redis($node)) }; });
$here[1] = in(3); # The fourth that is seen.
is(everywhere('PUBLISH', 'c', 'x'), 4, '… which counts the others');
my $anew = ear(3, 'app', [ 'SUBSCRIBE', 'c', 'anew' ], [ 'PSUBSCRIBE', 'c*' ]);
is(everywhere('PUBLISH', 'c', 'x'), 6, '… and they its clients');
is(everywhere('PUBSUB', 'NUMSUB', 'anew'), 'anew 1', '… and their channels');
is(everywhere('PUBSUB', 'NUMPAT'), 3, '… and patterns');
$_->close for @ears, $anew;
wait_until('they leave', sub { everywhere('PUBSUB', 'NUMPAT') . everywhere('PUBSUB', 'CHANNELS') eq '0'; });

# ---- no room ---------------------------------------------------------------------------------

# Four fifths of all cells, less one for the tenant: what has been given up before has left nothing behind.
my $room = 209_714;
my $hog = ear(0, 'seven');
for my $from (0 .. 21) { asks($hog, 'SUBSCRIBE', map { 'hog-' . ($from * 10_000 + $_) } 0 .. 9999); }
is(scalar @{ $seven[2]->call('PUBSUB', 'CHANNELS') }, $room, 'a tenant is shown so many channels of other workers');
is(scalar @{ $seven[0]->call('PUBSUB', 'CHANNELS') }, 220_000, '… and in its own worker all');
my ($last, $hidden) = map { "hog-$_" } $room - 1, $room;
is_deeply($seven[2]->call('PUBSUB', 'NUMSUB', $last, $hidden), [ $last, 1, $hidden, 0 ], '… what has found no room is not counted');
is_deeply($seven[0]->call('PUBSUB', 'NUMSUB', $last, $hidden), [ $last, 1, $hidden, 1 ], '… but in its own worker');
is($seven[2]->call('PUBLISH', $hidden, 'x'), 0, '… nor by PUBLISH');
is_deeply($hog->reply, [ 'message', $hidden, 'x' ], '… though it is told');
asks($hog, 'PSUBSCRIBE', 'hidden*');
is(info($seven[0]), '220000 1', '… INFO counts those of its own worker');
is(info($seven[2]), "$room 0", '… and of the others those that have found room');
is($_->call('PUBSUB', 'NUMPAT') . $_->call('PUBLISH', 'hidden', 'x'), $_ == $seven[0] ? '11' : '00', '… nor is a pattern') for @seven[ 0, 2 ];
my $other = ear(0, 'app', [ 'SUBSCRIBE', map { "app-$_" } 1 .. 1000 ], [ 'PSUBSCRIBE', 'app-*' ]);
is(scalar @{ $here[2]->call('PUBSUB', 'CHANNELS') }, 1000, 'another tenant has room');
is(everywhere('PUBLISH', 'app-1000', 'x'), 2, '… and is counted');
asks($hog, 'UNSUBSCRIBE', map { "hog-$_" } 0 .. 9999);
is_deeply($seven[2]->call('PUBSUB', 'NUMSUB', $hidden), [ $hidden, 0 ], 'when there is room again');
my $second = ear(0, 'seven', [ 'SUBSCRIBE', $hidden ], [ 'PSUBSCRIBE', 'hidden*' ]);
is_deeply($_->call('PUBSUB', 'NUMSUB', $hidden), [ $hidden, 2 ], '… whoever subscribes next brings it to light') for @seven[ 0, 2 ];
is($_->call('PUBSUB', 'NUMPAT') . $_->call('PUBLISH', 'hidden', 'x'), '12', '… and a pattern') for @seven[ 0, 2 ];
$hog->close;
wait_until('the one that had so many leaves', sub { @{ $seven[2]->call('PUBSUB', 'CHANNELS') } == 1; });
is($seven[2]->call('PUBLISH', 'hidden', 'x'), 1, '… and the other is still counted');

# ---- a crash ---------------------------------------------------------------------------------

kill 'KILL', pid_of($here[2]);
my $ends;
do { ($ends) = $second->outcome(30); } while $ends eq 'reply';
is($ends, 'closed', 'a worker that is killed takes the server with it');
wait_for_door($node);
$node->{pgfirst_workers} = $node->{pgfirst_spare} = undef;
my %pids;
wait_until('all workers begin anew', sub { $pids{ pid_of(redis($node)) } = 1; return keys %pids == 3; });
@here = map { in($_) } 0 .. 2;
is(everywhere('PUBSUB', 'CHANNELS') . everywhere('PUBSUB', 'NUMPAT'), '0', '… and all subscriptions');
my $after = ear(1, 'app', [ 'SUBSCRIBE', 'c' ]);
is(everywhere('PUBLISH', 'c', 'x'), 1, '… until somebody subscribes');

$node->stop;
done_testing();
