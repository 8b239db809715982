# SPDX-License-Identifier: PostgreSQL
#
# 056_server.pl: the commands about clients and the server where a stream of commands cannot show them: two
# workers, clients that wait, a standby, a checkpointer that does not come to an end.
#
# Seen to fail, each by the tests of its section:
#   a CLIENT UNPAUSE that does not ring; kv_turn_unpark_late() that does not ask kv_pause_lifted();
#   run_command() that keeps the deadline of who waited for news; client_interest() without EPOLLRDHUP;
#   kv_turn_run() without kv_clients_take_killed(); position_known() that does not look at `wrote`;
#   settle_committed() that does not note the position; a WAIT that counts what was sent, not flushed;
#   kv_pause_holds() that does not ask kv_multi_writes();
#   append_flags() that does not look at `waits`, or at subscriptions; client_is() that is always true; a BLPOP that is refused in
#   scripts; a name of a channel copied up to its first zero; kv_value_read_to() that counts each reading;
#   begin_save() with CHECKPOINT_WAIT; kv_slowlog_may_be() that compares with another clock; drop_oldest() that does not look at bytes; is_secret() that is
#   always false.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(time);

my $node = pgfirst_node('server', workers => 2, streaming => 1,
	conf => "pgfirst.redis_lock_timeout = '60s'\nmax_wal_senders = 4\nautovacuum = off\n");

# Clients of both workers, by the process that serves them.
my %clients;
for (1 .. 200)
{
	my $client = redis($node);
	my ($pid) = $client->call('INFO', 'server') =~ /^process_id:(\d+)/m;
	push @{ $clients{$pid} }, $client;
	last if keys %clients == 2 && !grep { @$_ < 3 } values %clients;
}
is(scalar keys %clients, 2, 'clients of both workers');
my ($pid, $other_pid) = sort keys %clients;
my ($here, $here_too, $victim) = @{ $clients{$pid} };
my ($there, $there_too) = @{ $clients{$other_pid} };

sub silent
{
	my ($client, $name) = @_;
	my ($what, $reply) = $client->outcome(0.4);

	is($what, 'silent', $name) or diag($reply);
}

sub at_once
{
	my ($client, $answer, $name) = @_;
	my $began = time;

	is($client->reply(20), $answer, $name);
	cmp_ok(time - $began, '<', 10, '… and not when the pause would have ended');
}

# ---- CLIENT PAUSE ---------------------------------------------------------------------------

is($here->call('SET', 'read', 'before'), 'OK', 'a key for the reads');
is($here->call('CLIENT', 'PAUSE', 60000, 'WRITE'), 'OK', 'a pause for changes');
is($_->call('GET', 'k'), undef, 'reads go on') for $here, $there;
$_->send('SET', 'k', 1) for $here_too, $there_too;
silent($_, 'changes wait, in both workers') for $here_too, $there_too;
like($here->call('INFO', 'clients'), qr/^blocked_clients:2\r$/m, 'INFO counts them');
is($here->call('CLIENT', 'PAUSE', 1, 'ALL'), 'OK', 'a shorter and stronger pause');
$there->send('GET', 'read');
silent($there, 'makes the first one stronger and not shorter');
is($here->call('CLIENT', 'UNPAUSE'), 'OK', 'CLIENT UNPAUSE is never paused itself');
at_once($_, 'OK', 'then changes are made, in both workers') for $here_too, $there_too;
at_once($there, 'before', '… and reads answered');

# Something else may wake the other worker, each second or two; so several times.
my $late = 0;
for (1 .. 8)
{
	$here->call('CLIENT', 'PAUSE', 60000);
	$there->send('PING');
	silent($there, 'a client waits');
	$here->call('CLIENT', 'UNPAUSE');
	my $lifted = time;
	$there->reply(20);
	$late += time - $lifted;
}
cmp_ok($late, '<', 4, sprintf('who waits in another worker is woken at once (%.2f s in all)', $late));

my $began = time;
$here->call('CLIENT', 'PAUSE', 700);
$there->send('PING');
is($there->reply, 'PONG', 'a pause ends by itself');
cmp_ok(time - $began, '>', 0.6, '… at its time');

my $holder = PgfirstStore::Session->new($node);
is($holder->ask("BEGIN; SELECT kv.set('held', '5'::text)"), 't', 'SQL holds a key');
$here->call('CLIENT', 'PAUSE', 300, 'WRITE');
$there->send('SET', 'held', 'mine');
my ($what, $reply) = $there->outcome(1.5);
is($what, 'silent', 'who has waited for a pause still has all its patience with a lock') or diag($reply);
$holder->ask('COMMIT');
is($there->reply, 'OK', '… and gets it');

my ($connected) = $here->call('INFO', 'clients') =~ /^connected_clients:(\d+)/m;
my $leaver = redis($node);
$here->call('CLIENT', 'PAUSE', 60000, 'WRITE');
$leaver->send('SET', 'left', 1);
silent($leaver, 'a client waits for a pause');
$leaver->close;
wait_until('who leaves during a pause is noticed', sub {
	my ($now) = $here->call('INFO', 'clients') =~ /^connected_clients:(\d+)/m;
	return $now == $connected; }, 20);
pass('who leaves during a pause is noticed');
$here->call('CLIENT', 'UNPAUSE');
is($here->call('GET', 'left'), undef, '… and what it asked for is not done');

# A transaction that was begun before the pause; what a transaction holds never waits within it.
for my $case ([ 'SET', 'GET' ], [ 'GET', 'SET' ])
{
	my ($waits) = $case->[0] eq 'SET';
	$there->call('MULTI');
	$there->call($case->[0], 'm', $waits ? 'x' : ());
	$there->call('WAIT', 1, 0);
	$here->call('CLIENT', 'PAUSE', 60000, 'WRITE');
	$there->send('EXEC');
	silent($there, 'EXEC of a change waits for the end of the pause') if $waits;
	is_deeply($there->reply, [ 'x', 0 ], 'EXEC of a read does not wait, nor does WAIT within it') if !$waits;
	$here->call('CLIENT', 'UNPAUSE');
	is_deeply($there->reply, [ 'OK', 0 ], '… and then is done, and WAIT within it does not wait') if $waits;
}

# ---- CLIENT KILL ----------------------------------------------------------------------------

$here->call('CLIENT', 'PAUSE', 60000, 'WRITE');
my $id = $victim->call('CLIENT', 'ID');
$victim->send('SET', 'k', 'killed');
silent($victim, 'a client waits');
is($here->call('CLIENT', 'KILL', 'ID', $id), 1, '… and is killed');
($what) = $victim->outcome(20);
is($what, 'closed', '… at once, without an answer');
$here->call('CLIENT', 'UNPAUSE');
is($here->call('GET', 'k'), 1, '… and has changed nothing');
is($here->call('CLIENT', 'KILL', 'ID', $id), 0, 'nobody is killed twice');

# ---- CLIENT REPLY and WAIT ------------------------------------------------------------------

is($here->call('WAIT', 0, 0), 0, 'without standbys WAIT counts none');
$began = time;
is($here->call('WAIT', 1, 500), 0, '… and gives up');
cmp_ok(time - $began, '>', 0.45, '… when its time is over');

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf',
	PgfirstTest::settings($standby, PostgreSQL::Test::Cluster::get_free_port()));
$here->send('WAIT', 1, 0);
silent($here, 'WAIT without a timeout waits for a standby');
is($here_too->call('PING'), 'PONG', '… while others are served');
$standby->start;
is($here->reply(60), 1, '… and counts it when it is there');
is($here->call('SET', 'w', 1), 'OK', 'a change');
is($here->call('WAIT', 1, 0), 1, '… that the standby has');
is_deeply($here->call('WAITAOF', 1, 1, 0), [ 1, 1 ], '… and WAITAOF says, this server too');

# The process that flushes on the standby stands still.
my $receiver = wait_until('the receiver', sub { return worker_pid($standby, 'walreceiver'); });
kill 'STOP', $receiver;
$here->raw(PgfirstTest::Redis::encode('SET', 'w', 2) . PgfirstTest::Redis::encode('WAIT', 1, 300));
is($here->reply, 'OK', 'a change that the standby does not flush is answered, for it is asynchronous');
is($here->reply, 0, '… and WAIT in the same pipeline does not count it');
is($there->call('WAIT', 1, 0), 1, 'who has changed nothing has nothing to wait for');
$here->raw(join '', map { PgfirstTest::Redis::encode(@$_) }
	[ 'CLIENT', 'REPLY', 'OFF' ], [ 'SET', 'w', 3 ], [ 'CLIENT', 'REPLY', 'ON' ], [ 'WAITAOF', 1, 0, 0 ], [ 'WAIT', 1, 0 ]);
is($here->reply, 'OK', 'CLIENT REPLY ON answers');
is_deeply($here->reply, [ 1, 0 ], 'a change without a reply: flushed here, says WAITAOF, not there');
silent($here, '… and WAIT waits for it');
kill 'CONT', $receiver;
is($here->reply, 1, '… until the standby has it');

wait_until('the door of the standby', sub { return eval { redis($standby)->call('PING') } });
my $away = redis($standby);
like($away->call('WAIT', 0, 0), qr/^-ERR WAIT cannot be used with replica instances/, 'a standby: WAIT is refused');
like($away->call('WAITAOF', 0, 0, 0), qr/^-ERR WAITAOF cannot be used with replica instances/, '… and WAITAOF');
like($away->call($_), qr/^-ERR a standby makes no checkpoints of its own; send $_ to the primary$/, "… and $_")
  for 'SAVE', 'BGSAVE';
like($away->call('LASTSAVE'), qr/^\d+$/, '… LASTSAVE is answered');
$standby->stop;

# ---- SAVE -----------------------------------------------------------------------------------

my $before = $node->safe_psql('postgres', 'SELECT redo_lsn FROM pg_control_checkpoint()');
is($here->call('SET', 's', 1), 'OK', 'a change');
is($here->call('SAVE'), 'OK', 'SAVE');
is($node->safe_psql('postgres', "SELECT redo_lsn > '$before' FROM pg_control_checkpoint()"), 't',
	'… has made a checkpoint');
cmp_ok(abs($here->call('LASTSAVE') - time), '<', 60, '… of which LASTSAVE tells');

my $checkpointer = worker_pid($node, 'checkpointer');
kill 'STOP', $checkpointer;
$here->send('SAVE');
silent($here, 'SAVE waits for a checkpoint that does not come to an end');
is($here_too->call('SET', 's', 2), 'OK', '… and others are served');
is($there->call('BGSAVE'), '-ERR Background save already in progress', '… and another one is not begun');
like($there->call('INFO', 'persistence'), qr/^rdb_bgsave_in_progress:1\r$/m, '… and INFO says so');
kill 'CONT', $checkpointer;
is($here->reply, 'OK', '… until it is done');
like($there->call('INFO', 'persistence'), qr/^rdb_bgsave_in_progress:0\r$/m, '… and then none is under way');
is($there->call('BGSAVE'), 'Background saving started', 'BGSAVE');
wait_until('BGSAVE is done',
	sub { return $there->call('INFO', 'persistence') =~ /^rdb_bgsave_in_progress:0\r$/m; });
like($here->call('SHUTDOWN', 'NOSAVE'), qr/^-ERR SHUTDOWN is refused/, 'SHUTDOWN is refused');

# ---- SLOWLOG --------------------------------------------------------------------------------

# The first login of each worker has been slow.
is($there->call('SLOWLOG', 'RESET'), 'OK', 'SLOWLOG RESET');
is($here->call('CONFIG', 'SET', 'slowlog-log-slower-than', 0, 'slowlog-max-len', 1000000), 'OK', 'every command is slow');
$here->call('GET', 'from here');
my @entries = grep { $_->[3][0] eq 'GET' } @{ $there->call('SLOWLOG', 'GET', -1) };
is($entries[0][3][1], 'from here', 'a slow command of one worker is shown by the other');
$here->call('AUTH', 'app', 'a wrong secret');
$here->call('HELLO', 2, 'AUTH', 'app', 'secret');
@entries = @{ $there->call('SLOWLOG', 'GET', -1) };
is(scalar(grep { $_->[3][0] =~ /^(AUTH|HELLO)$/ } @entries), 2, 'logins are logged');
is(scalar(grep { "@{ $_->[3] }" =~ /secret/ } @entries), 0, '… without their passwords');

# Many large entries: the ring of bytes goes round several times, over its end in the middle of entries.
for my $number (1 .. 400)
{
	$here->call('EXISTS', $number, map { sprintf('%02d', $_) . 'x' x (90 + $number % 29) } 3 .. 33);
}
@entries = grep { $_->[3][0] eq 'EXISTS' } @{ $there->call('SLOWLOG', 'GET', -1) };
cmp_ok(scalar @entries, '>', 50, 'as many large entries as fit (' . @entries . ')');
cmp_ok(scalar @entries, '<', 400, '… and no more');
my $wrong = 0;
for my $i (0 .. $#entries)
{
	my $number = 400 - $i;
	my @words = map { sprintf('%02d', $_) . 'x' x (90 + $number % 29) } 3 .. 31;
	my $is = "@{ $entries[$i][3] }";

	$wrong++ if $is ne "EXISTS $number @words ... (2 more arguments)" ;
}
is($wrong, 0, '… each of them whole');
$here->call('PING') for 1 .. 1500;
is($there->call('SLOWLOG', 'LEN'), 1024, 'small ones: 1,024, whatever slowlog-max-len says');

# Behind many quick ones, whose time is not its own, and with a limit above a tick of the kernel.
$here->call('CONFIG', 'SET', 'slowlog-log-slower-than', 20000);
$here->call('SLOWLOG', 'RESET');
$began = time;
$here->raw(PgfirstTest::Redis::encode('PING') x 1000 . PgfirstTest::Redis::encode('EXISTS', ('slow') x 300000)
	  . PgfirstTest::Redis::encode('PING') x 1000);
$here->reply for 1 .. 2001;
my $took = (time - $began) * 1e6;
my ($slow, @more) = grep { $_->[3][0] eq 'EXISTS' } @{ $there->call('SLOWLOG', 'GET') };
is(scalar @more, 0, 'a command that takes long is logged once');
cmp_ok($slow->[2], '>=', 20000, "… with its time ($slow->[2] us)");
cmp_ok($slow->[2], '<', $took, '… and no more than that');
is($here->call('CONFIG', 'SET', 'slowlog-log-slower-than', -1), 'OK', 'none is slow');
is($here->call('SLOWLOG', 'RESET'), 'OK', 'SLOWLOG RESET');
is_deeply($there->call('SLOWLOG', 'GET', -1), [], '… forgets all of them, and none comes any more');

# ---- clients that wait, or listen -----------------------------------------------------------

my $id = $here_too->call('CLIENT', 'ID');
sub line { return $here->call('CLIENT', 'LIST', 'ID', $id); }

$here_too->send('BLPOP', 'nothing', 0);
wait_until('a client that waits', sub { line() =~ / flags=b / });
is($there->call('CLIENT', 'UNBLOCK', $id), 1, 'CLIENT UNBLOCK by another worker');
is($here_too->reply(20), undef, '… ends it as its time would');
is($here->call('CLIENT', 'UNBLOCK', $id), 0, '… once');
like(line(), qr/ flags=N /, '… and it waits no more');
is($here->call('EVAL', 'return redis.call("BLPOP", KEYS[1], 0)', 1, 'nothing'), undef, 'within a script nothing waits');
is($here->call('EVAL', 'return redis.call("BZPOPMIN", KEYS[1], 0)', 1, 'nothing'), undef, '… of whatever type');
$here->call('RPUSH', 'something', 'x');
is_deeply($here->call('EVAL', 'return redis.call("BRPOP", KEYS[1], KEYS[2], 0)', 2, 'nothing', 'something'), [ 'something', 'x' ],
	'… and what is there is taken');

is_deeply($here_too->call('SUBSCRIBE', "c\0d"), [ 'subscribe', "c\0d", 1 ], 'a channel whose name is any bytes');
like(line(), qr/ flags=P db=0 sub=1 psub=0 /, '… shows in CLIENT LIST');
like($here->call('CLIENT', 'LIST', 'TYPE', 'pubsub'), qr/^id=$id [^\n]*\n\z/, '… where TYPE knows it');
unlike($here->call('CLIENT', 'LIST', 'TYPE', 'normal'), qr/^id=$id /m, '… for what it is');
is($here->call('CLIENT', 'LIST', 'TYPE', 'replica'), '', '… and nobody else for others');
is($here->call('CLIENT', 'KILL', 'TYPE', 'replica'), 0, '… nor does CLIENT KILL');
is_deeply($here->call('PUBSUB', 'CHANNELS'), ["c\0d"], 'PUBSUB CHANNELS');
like($here->call('PUBSUB', 'CHANNELS', 'a', 'b'), qr/^-ERR unknown subcommand or wrong number of arguments for 'channels'/i, '… of two patterns');
is_deeply($here_too->call('UNSUBSCRIBE'), [ 'unsubscribe', "c\0d", 0 ], 'UNSUBSCRIBE from all says from what');
is($here->call('CLIENT', 'LIST', 'TYPE', 'pubsub'), '', '… and is seen');

my ($info) = @{ $here->call('COMMAND', 'INFO', 'blpop') };
is_deeply([ sort @{ $info->[2] } ], [qw(blocking write)], 'COMMAND INFO of a command that waits');
is_deeply([ sort @{ $info->[6] } ], [qw(@blocking @list @slow @write)], '… its categories');
($info) = @{ $here->call('COMMAND', 'INFO', 'publish') };
is_deeply([ sort @{ $info->[2] } ], [qw(fast loading pubsub)], '… of one about messages');
is_deeply([ sort @{ $here->call('COMMAND', 'LIST', 'FILTERBY', 'ACLCAT', 'blocking') } ],
	[qw(blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin xread)], 'COMMAND LIST of a category');
is_deeply([ grep { /^h/ } @{ $here->call('ACL', 'CAT', 'hash') } ], $here->call('ACL', 'CAT', 'hash'), '… of a type');
is_deeply($here->call('COMMAND', 'GETKEYSANDFLAGS', 'LMOVE', 'a', 'b', 'LEFT', 'RIGHT'),
	[ [ 'a', [qw(RW access delete)] ], [ 'b', [qw(RW insert)] ] ], 'COMMAND GETKEYSANDFLAGS of a move');
is_deeply($here->call('COMMAND', 'GETKEYS', 'XREAD', 'COUNT', 5, 'BLOCK', 1, 'STREAMS', 'a', 'streams', 1, '$'), [qw(a streams)],
	'COMMAND GETKEYS of what is read from streams');
like($here->call('COMMAND', 'GETKEYS', 'XREAD', 'COUNT', 5, 'STREAMS'), qr/^-ERR Invalid arguments specified for command/, '… of none');
($info) = @{ $here->call('COMMAND', 'INFO', 'xread') };
is_deeply([ @$info[ 3 .. 5 ] ], [ 0, 0, 0 ], '… whose places COMMAND INFO cannot tell');
my %specification = @{ $info->[8][0] };
my %search = @{ $specification{begin_search} };
my %found = @{ $specification{find_keys} };
is_deeply({ @{ $search{spec} } }, { keyword => 'STREAMS', startfrom => 1 }, '… but behind which word they are');
is_deeply({ @{ $found{spec} } }, { lastkey => -1, keystep => 1, limit => 2 }, '… the first half of the rest');

# ---- CONFIG RESETSTAT -----------------------------------------------------------------------

$here->call('CONFIG', 'RESETSTAT');
my ($commands) = $there->call('INFO', 'stats') =~ /^total_commands_processed:(\d+)/m;
cmp_ok($commands, '<', 10, 'CONFIG RESETSTAT: the counters begin anew');

# Commands that read more than once look the key up once.
$here->call('SET', 'looked', 'abcdefgh');
$here->call('DEL', 'missing');
for ([ 1, 'GET looked' ], [ 1, 'GETRANGE looked 0 2' ], [ 1, 'GETRANGE looked 0 -3' ], [ 1, 'GETRANGE looked -5 -3' ],
	[ 1, 'BITCOUNT looked 0 -3' ], [ 1, 'BITPOS looked 1 0 -3' ], [ 0, 'GETRANGE missing 0 -3' ])
{
	my ($found, $line) = @$_;

	$here->call('CONFIG', 'RESETSTAT');
	$here->call(split / /, $line);
	my ($hits, $misses) = $here->call('INFO', 'stats') =~ /^keyspace_hits:(\d+)\r\nkeyspace_misses:(\d+)/m;
	is("$hits $misses", $found ? '1 0' : '0 1', "$line is one lookup");
}

is($_->call('PING'), 'PONG', 'both workers are there still') for $here, $there;
$node->stop;
done_testing();
