# SPDX-License-Identifier: PostgreSQL
#
# 040_ddl_queue.pl: TRUNCATE and ALTER TABLE that queue behind an SQL transaction which has read the
# store, or written to it, while clients of the door run. Clients of this database wait behind the
# statement, those of others notice nothing; when the reader ends the statement is carried out,
# and everybody goes on, in a store that is empty, or has what it had.
#
# Each client knows what its keys hold and looks at every answer. While a TRUNCATE is under way there is
# one moment, between two of its commands, at which the keys may have become none; all answers must be
# explained by one such moment.
#
# Seen to fail: count_is_of() in src/kv/count.c without the storage (DBSIZE); pgfirst_store_open() in
# src/store/store.c that waits for the lock of the relation whatever it is told (other databases stand
# still); pgfirst_hints() in src/store/tree.c that neither asks for the file nor hears of another one
# (GET fails after TRUNCATE).

use strict;
use warnings;

use FindBin;
use IO::Select;
use POSIX ();
use Socket;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant CLIENTS => 5;
use constant KEYS => 40;       # of each client
use constant STAYING => 1500;  # keys that no client touches
use constant LIMIT => 200;     # seconds; whoever waits so long waits for ever

my $node = pgfirst_node('queue', workers => 2,
	conf => "pgfirst.redis_lock_timeout = '190s'\nautovacuum = off\nwal_consistency_checking = 'all'\n");
my ($reader, $statement, $behind) = map { PgfirstStore::Session->new($node) } 1 .. 3;
my $redis = redis($node, timeout => LIMIT);
my $elsewhere = redis($node);
$elsewhere->call('SELECT', 1);

# ---- what a client believes -------------------------------------------------------------------------

# What the keys may hold: without the TRUNCATE that is under way, or with it at one moment or another.
sub beliefs { return { truncates => 0, all => [ { truncated => 0, keys => {} } ] }; }

# Carries out a command on what the keys hold; returns the answer that it must have.
sub expected
{
	my ($keys, $verb, @words) = @_;

	return $keys->{ $words[0] } // 'null' if $verb eq 'GET';
	return join ' ', map { $keys->{$_} // 'null' } @words if $verb eq 'MGET';
	return defined delete $keys->{ $words[0] } ? 1 : 0 if $verb eq 'DEL';
	return $keys->{ $words[0] } = ($keys->{ $words[0] } // 0) + 1 if $verb eq 'INCR';
	%$keys = (%$keys, @words);
	return 'OK';
}

# Keeps the beliefs that explain the answer; dies when there are none.
sub learn
{
	my ($beliefs, $command, $answer) = @_;
	my @all = @{ $beliefs->{all} };

	push @all, { truncated => 1, keys => {} } if $beliefs->{truncates} && grep { !$_->{truncated} } @all;
	$answer = join ' ', map { $_ // 'null' } ref $answer ? @$answer : $answer;
	my @kept = grep { expected($_->{keys}, @$command) eq $answer } @all;
	die sprintf("%s was answered %.60s, and not %.60s\n", "@{$command}[ 0, 1 ]", $answer,
		join ' or ', map { expected({ %{ $_->{keys} } }, @$command) } @all) if !@kept;
	$beliefs->{all} = \@kept;
}

# ---- clients ----------------------------------------------------------------------------------------

sub commands
{
	my ($name) = @_;
	my $key = sub { return "$name:" . int rand KEYS; };
	my $value = sub { return "$name " . ('v' . int rand 1e6) x (rand() < 0.05 ? 3000 : 1 + rand 20); };

	return map {
		my $kind = rand;
		    $kind < 0.3  ? [ 'SET', $key->(), $value->() ]
		  : $kind < 0.6  ? [ 'GET', $key->() ]
		  : $kind < 0.7  ? [ 'DEL', $key->() ]
		  : $kind < 0.8  ? [ 'INCR', "$name:n" . int rand 5 ]
		  : $kind < 0.9  ? [ 'MSET', "$name:0", $value->(), "$name:1", $value->(), "$name:2", $value->() ]
		  :                [ 'MGET', "$name:0", "$name:1", "$name:2" ]
	} 1 .. 1 + int rand 20;
}

sub run_commands
{
	my ($door, $beliefs, @commands) = @_;

	$door->raw(join '', map { PgfirstTest::Redis::encode(@$_) } @commands);
	learn($beliefs, $_, $door->reply) for @commands;
}

# A client's process does commands, and between them what it is told to: "truncate": from now on the keys
# may go; "stop": looks at all its keys, answers how many there are, and waits; "go".
sub client
{
	my ($name, $control) = @_;
	my $door = redis($node, timeout => LIMIT);
	my $beliefs = beliefs();
	my $told = IO::Select->new($control);

	srand unpack '%32C*', $name;
	while (1)
	{
		run_commands($door, $beliefs, commands($name));
		next if !$told->can_read(0);
		my $what = readline($control) // return;
		if ($what eq "truncate\n")
		{
			$beliefs->{truncates} = 1;
		}
		elsif ($what eq "stop\n")
		{
			run_commands($door, $beliefs, map { [ 'GET', $_ ] } (map { "$name:$_" } 0 .. KEYS - 1), map { "$name:n$_" } 0 .. 4);
			my @all = grep { $_->{truncated} == $beliefs->{truncates} } @{ $beliefs->{all} };
			die "keys of before the TRUNCATE are there\n" if !@all;
			syswrite $control, scalar(keys %{ $all[0]{keys} }) . "\n";
			readline($control) // return;
			$beliefs = { truncates => 0, all => [ { truncated => 0, keys => $all[0]{keys} } ] };
		}
		syswrite $control, "\n";
	}
}

my %clients;

sub start_client
{
	my ($name) = @_;

	socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
	my $pid = fork // die $!;
	if ($pid == 0)
	{
		close $ours;
		close $_->{control} for values %clients;
		eval { client($name, $theirs) };
		print STDERR "# client $name: $@" if $@;
		POSIX::_exit($@ ? 1 : 0);
	}
	close $theirs;
	$clients{$name} = { pid => $pid, control => $ours };
}

# Tells all clients; returns the sum of what they answer.
sub order
{
	my ($order) = @_;
	my $sum = 0;

	# Each answers before it is told the next thing, so that no line is read ahead of select().
	syswrite $_->{control}, "$order\n" for values %clients;
	for my $name (sort keys %clients)
	{
		my $answer = readline $clients{$name}{control};
		die "client $name is gone\n" if !defined $answer;
		$sum += $answer if $answer =~ /\d/;
	}
	return $sum;
}

# A test that fails in the middle must not wait for those who wait for the server.
END
{
	my $status = $?;

	kill 'KILL', map { $_->{pid} } values %clients;
	for my $session (grep { defined && !$_->{ended} } $reader, $statement, $behind)
	{
		eval { $session->{harness}->kill_kill(grace => 1) };
	}
	$? = $status;
}

# ---- one statement ----------------------------------------------------------------------------------

sub stay { return map { ("stay:$_", "stay $_ " x (1 + $_ % 500)) } 0 .. STAYING - 1; }

sub blocked { return $elsewhere->call('INFO', 'clients') =~ /^blocked_clients:(\d+)/m ? $1 : die; }

sub waits_for_lock
{
	my ($session) = @_;

	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation' AND pid = $session->{pid}") > 0;
}

# What readers do before the statement is sent, and while it waits.
my %readers = (
	cursor => {
		begin => 'BEGIN; DECLARE c CURSOR FOR SELECT key FROM kv.database_0; MOVE 10 FROM c',
		begun => '',
		goes_on => "CREATE TEMP TABLE rest (key bytea) USING heap; DO \$\$ DECLARE c refcursor = 'c'; k bytea; BEGIN LOOP"
		  . ' FETCH c INTO k; EXIT WHEN NOT FOUND; INSERT INTO rest VALUES (k); END LOOP; END $$;'
		  . " SELECT count(*) = count(DISTINCT key) AND count(*) > 1400 FROM rest WHERE key LIKE 'stay:%'; DROP TABLE rest",
		answer => 't' },
	reader => {
		begin => "BEGIN; SELECT length(kv.get('stay:0')) > 0",
		begun => 't',
		goes_on => "SELECT kv.get_text('stay:1') = 'stay 1 stay 1 '",
		answer => 't' },
	writer => {
		begin => "BEGIN; SELECT kv.set('written', 'first'::text)",
		begun => 't',
		goes_on => "SELECT kv.set('written', 'then'::text), kv.get_text('stay:1') = 'stay 1 stay 1 '",
		answer => 't|t' });

sub file { return $node->safe_psql('postgres', "SELECT pg_relation_filepath('kv.database_0')"); }

my $number = 0;
my %extra; # keys that neither clients nor stay() have

# Clients of another database, through both workers: how many answers were wrong.
sub others_wrong
{
	my $wrong = 0;
	my @others = map { redis($node, timeout => LIMIT) } 1 .. 4;

	$_->call('SELECT', 1) for @others;
	for my $i (1 .. 200)
	{
		$_->send('SET', "other:$i", "$number $i") for @others;
		$wrong += ($_->reply // '') ne 'OK' for @others;
		$_->send('GET', "other:$i") for @others;
		$wrong += ($_->reply // '') ne "$number $i" for @others;
	}
	return $wrong;
}

# The reader reads, the statement waits for it, clients wait for both; then the reader ends, or the
# statement gives up.
sub queue
{
	my ($sql, $by, %options) = @_;
	my $name = "$sql behind a $by";
	my $truncates = $sql =~ /TRUNCATE/ && !$options{cancel};
	my $file = file();

	$number++;
	order('truncate') if $truncates;
	is($reader->ask($readers{$by}{begin}), $readers{$by}{begun}, "$name: it has begun");
	$statement->send($sql);
	wait_until("$name: it queues", sub { waits_for_lock($statement) }, LIMIT);
	$behind->send("SELECT kv.set('behind:$number', 'b'::text)");
	$redis->send('GET', "behind:$number");
	wait_until("$name: everybody waits", sub { blocked() == CLIENTS + 1 && waits_for_lock($behind) }, LIMIT);

	is(others_wrong(), 0, '… clients of another database go on');
	is($reader->ask($readers{$by}{goes_on}), $readers{$by}{answer}, "… and the $by itself");
	ok(waits_for_lock($statement), '… the statement waits');
	is(blocked(), CLIENTS + 1, '… and clients of its database do');

	if ($options{cancel})
	{
		$node->safe_psql('postgres', "SELECT pg_cancel_backend($statement->{pid})");
		like($statement->answer, qr/canceling statement/, '… until it is cancelled');
		cmp_ok(order('stop'), '>', 0, '… clients go on beside the reader');
		order('go');
	}
	is($reader->ask('COMMIT'), '', "… the $by ends");
	is($statement->answer, '', '… the statement is carried out') if !$options{cancel};
	like($redis->reply // 'null', qr/^(b|null)$/, '… clients go on');
	is($behind->answer, 't', '… sessions of SQL too');
	$extra{written} = 'then' if $by eq 'writer';
	%extra = () if $truncates;
	$extra{"behind:$number"} = 'b';
	look($truncates, $options{cancel}, $file);
}

# Everybody stops; what is there must be what everybody believes.
sub look
{
	my ($truncated, $cancelled, $file) = @_;
	my $count = order('stop') + keys %extra;
	my %stay = stay();
	my @stay = sort keys %stay;

	is(join(' ', map { $_ // 'null' } @{ $redis->call('MGET', @stay) }), join(' ', map { $truncated ? 'null' : $stay{$_} } @stay),
		$truncated ? '… every key is gone' : '… every key is there');
	is_deeply([ map { $redis->call('GET', $_) } sort keys %extra ], [ map { $extra{$_} } sort keys %extra ],
		'… what SQL has written comes before and behind it');
	$count += STAYING if !$truncated;
	is($redis->call('DBSIZE'), $count, '… DBSIZE');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM kv.keys WHERE db = 0'), $count, '… and the keys');
	is(store_check($node), '', '… and the pages are sound');
	$cancelled ? is(file(), $file, '… the file is the same') : isnt(file(), $file, '… the file is another one');
	is($redis->call('MSET', %stay), 'OK', '… what is gone is set again') if $truncated;
	order('go');
}

# ---- the statements ---------------------------------------------------------------------------------

my $dir = $node->basedir . '/space';
mkdir $dir;
$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '$dir'");
$_->{pid} = $_->ask('SELECT pg_backend_pid()') for $reader, $statement, $behind;
# An epoch that other files do not begin with.
$redis->call('FLUSHDB') for 1 .. 3;
$redis->call('MSET', stay());
start_client("client$_") for 1 .. CLIENTS;

queue('TRUNCATE kv.database_0', 'cursor');
queue('ALTER TABLE kv.database_0 SET UNLOGGED', 'writer');
queue('ALTER TABLE kv.database_0 SET LOGGED', 'reader');
queue('ALTER TABLE kv.database_0 SET TABLESPACE space', 'cursor');
queue('TRUNCATE kv.database_0', 'writer', cancel => 1);
queue('VACUUM FULL kv.database_0', 'cursor');
queue('TRUNCATE kv.database_0', 'writer');
queue('TRUNCATE kv.database_0', 'reader');

# ---- clients that do not wait for ever ----------------------------------------------------------------

order('stop');
$node->append_conf('postgresql.conf', "pgfirst.redis_lock_timeout = '1s'");
$node->reload;
$reader->ask($readers{cursor}{begin});
$statement->send('TRUNCATE kv.database_0');
wait_until('TRUNCATE queues', sub { waits_for_lock($statement) }, LIMIT);
for my $command ([ 'GET', 'stay:1' ], [ 'SET', 'stay:1', 'late' ], [ 'DBSIZE' ])
{
	wait_until("$command->[0] and the setting", sub {
		my $client = redis($node);
		$client->send(@$command);
		my ($what, $answer) = $client->outcome(10);
		return 0 if $what eq 'silent';
		note "$command->[0]: $answer";
		like($answer, qr/^-ERR the database is locked/, "$command->[0] behind TRUNCATE behind a cursor, after redis_lock_timeout: an error");
		is($client->call('PING'), 'PONG', '… the connection lives');
		return 1;
	}, LIMIT);
}
$reader->ask('COMMIT');
is($statement->answer, '', 'TRUNCATE is carried out');
is($redis->call('DBSIZE'), 0, '… and nothing of what clients gave up is done after it');

for my $name (sort keys %clients)
{
	close $clients{$name}{control};
	waitpid $clients{$name}{pid}, 0;
	is($?, 0, $name);
}
%clients = ();
$_->end, $_->{ended} = 1 for $reader, $statement, $behind;
$node->stop;
done_testing();
