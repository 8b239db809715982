# SPDX-License-Identifier: PostgreSQL
#
# The program, when something is wrong: it says what, and what to do, and leaves nothing half-made.
use strict;
use warnings;
use Test::More;
use Fcntl qw(:flock);
use FindBin;
require "$FindBin::Bin/020_program_common.pl";
our ($root, $top, $program, $bindir, $place);

my ($code, $out, $err);

# Every message is one line that says what is wrong, and at least one that says what to do.
sub refused
{
	my ($name, $wanted_code, $what, $remedy) = @_;
	is($code, $wanted_code, "$name: exit code") or diag($out, $err);
	like($err, qr/^pgfirst: .*$what/m, "$name: says what is wrong");
	like($err, qr/^  .*$remedy/m, "$name: says what to do");
}

# ---- the command line ----------------------------------------------------------------------

my $dir = "$place/bad";
for my $case (
	[['sing'], 'unknown command "sing"', 'pgfirst help'],
	[['up', '--loud'], 'unknown option "--loud"', 'pgfirst help up'],
	[['up', 'now'], 'unexpected argument "now"', 'pgfirst help up'],
	[['up', '--dir'], 'a value is missing', 'pgfirst help up'],
	[['up', '--json=1'], 'takes no value', 'pgfirst help up'],
	[['up', '--dir', ''], '--dir needs a directory', 'pgfirst-data'],
	[['up', '--dir', "a\nb"], 'control character', 'another'],
	[['up', '--pg-port', 'x'], '--pg-port does not take "x"', 'from 1 to 65535'],
	[['up', '--pg-port', '70000'], '--pg-port does not take "70000"', 'from 1 to 65535'],
	[['up', '--pg-port', '0'], '--pg-port does not take "0"', 'from 1 to 65535'],
	[['up', '--redis-port', '-1'], '--redis-port does not take "-1"', 'from 0 to 65535'],
	[['up', '--dir', $dir, '--pg-port', '22222', '--redis-port', '22222'], 'both 22222', 'two'],
	[['up', '--memory', '512'], '--memory does not take "512"', 'unit'],
	[['up', '--memory', 'lots'], '--memory does not take "lots"', 'unit'],
	[['up', '--dir', $dir, '--memory', '1MB'], 'too little', 'least is 128 MB'],
	[['up', '--dir', $dir, '--memory', '900TB'], 'more than', 'three quarters'],
	[['env', '--dir', $dir, '--format', 'xml'], 'does not take "xml"', 'dotenv, shell or json'],
	[['run'], 'which command', 'pgfirst run -- make test'],)
{
	my ($arguments, $what, $remedy) = @$case;
	($code, $out, $err) = pgfirst(@$arguments);
	refused("@$arguments", 2, quotemeta $what, quotemeta $remedy);
}
ok(!-e $dir, 'nothing was made');
for my $command (qw(down restart status doctor env logs psql redis-cli))
{
	($code, $out, $err) = pgfirst($command, '--dir', "$place/nothing");
	refused("$command without a cluster", 4, 'there is no cluster of pgfirst in', 'pgfirst up --dir');
}
($code, $out, $err) = pgfirst('destroy', '--yes', '--dir', "$place/nothing");
refused('destroy without a cluster', 4, 'there is no cluster', 'only what it made itself');

# ---- ports ---------------------------------------------------------------------------------

my ($taken, $listener) = taken_port();
for my $option ('--pg-port', '--redis-port')
{
	($code, $out, $err) = pgfirst('up', '--dir', $dir, $option, $taken);
	refused("$option taken", 1, "port $taken is taken by \\S+", "Choose another with $option");
	like($err, qr/perl \(process $$\)/, "$option taken: names the process")
		if !$root || slurp('/proc/self/status') =~ /^CapEff:\s+0*$/m;
	ok(!-e $dir, "$option taken: nothing is left");
}
($code, $out, $err) = pgfirst('up', '--dir', $dir, ports());
is($code, 0, 'a cluster');
my ($pg_port) = slurp("$dir/pgfirst.conf") =~ /^port = (\d+)/m;
pgfirst('down', '--dir', $dir);
my $thief = listen_on($pg_port, '0.0.0.0');
($code, $out, $err) = pgfirst('up', '--dir', $dir);
refused('its port taken meanwhile', 1, "port $pg_port of this cluster is taken by",
	'pgfirst up --dir .* --pg-port PORT');
($code, $out) = pgfirst('doctor', '--dir', $dir);
like($out, qr/^finding  port $pg_port of this cluster is taken by/m, 'doctor says so, too');
close $thief;
my $settings = slurp("$dir/pgfirst.conf");
($code, $out, $err) = pgfirst('up', '--dir', $dir, '--pg-port', $taken);
refused('moving to a taken port', 1, "port $taken of this cluster is taken", '--pg-port PORT');
is(slurp("$dir/pgfirst.conf"), $settings, 'and the settings are as before');
($code) = pgfirst('up', '--dir', $dir);
($code, $out, $err) = pgfirst('restart', '--dir', $dir, '--redis-port', $taken);
refused('restart with a taken port', 1, "port $taken of this cluster is taken", '--redis-port PORT');
ok(postmaster_pid($dir), 'and the cluster still runs');
close $listener;
SKIP:
{
	my @free = grep { port_is_free($_) } (5432 .. 5440, 6379);
	skip 'the standard ports are in use', 4 if @free < 3 || $free[0] != 5432 || $free[-1] != 6379;
	my $next = $free[1];
	my $holder = listen_on(5432);
	($code, $out) = pgfirst('up', '--dir', "$place/standard", '--json', '--memory', '256MB');
	is(decode_json($out)->{pg_port}, $next, 'without --pg-port: the next free one');
	is(decode_json($out)->{redis_port}, 6379, 'without --redis-port: the standard one, if free');
	close $holder;
	pgfirst('down', '--dir', "$place/standard");
	($code, $out) = pgfirst('up', '--dir', "$place/standard", '--json');
	is(decode_json($out)->{pg_port}, $next, 'and that is remembered');
	($code) = pgfirst('destroy', '--yes', '--dir', "$place/standard");
	is($code, 0, 'removed');
}

# ---- directories that are not ours ---------------------------------------------------------

mkdir "$place/full";
chown((getpwnam(cluster_user()))[2, 3], "$place/full") if $root;
spew("$place/full/letter", 'dear');
($code, $out, $err) = pgfirst('up', '--dir', "$place/full", ports());
refused('a directory with something in it', 1, 'is not empty and was not made by pgfirst: it holds letter',
	'Choose another directory');
is_deeply([map { s{.*/}{}r } glob "$place/full/*"], ['letter'], 'it is left alone');
($code, $out, $err) = pgfirst('destroy', '--yes', '--dir', "$place/full");
refused('destroy of that', 4, 'no cluster', 'only what it made');
is(slurp("$place/full/letter"), 'dear', 'it is left alone by destroy');
($code, $out, $err) = pgfirst('up', '--dir', "$place/full/letter", ports());
refused('a file', 1, 'is not a directory', 'Choose another directory');
($code, $out, $err) = pgfirst('up', '--dir', "$place/missing/deep", ports());
refused('a directory without parent', 1, 'cannot make', 'Make the directory above it first');

# A PostgreSQL of somebody else, running.
my $foreign = "$place/foreign";
my $foreign_port = free_port();
mkdir $foreign;
chown((getpwnam(cluster_user()))[2, 3], $foreign) if $root;
run_command(as_cluster_user("$bindir/initdb", '-D', $foreign, '-A', 'trust', '-N', '-U', 'x'));
run_command(as_cluster_user("$bindir/pg_ctl", '-D', $foreign, '-w', '-l', "$foreign/log", '-o',
		"-p $foreign_port -c listen_addresses= -c unix_socket_directories=$foreign", 'start'));
my ($foreign_pid) = slurp("$foreign/postmaster.pid") =~ /^(\d+)/;
ok(kill(0, $foreign_pid), 'a foreign server runs');
($code, $out, $err) = pgfirst('up', '--dir', $foreign, ports());
refused('a PostgreSQL already running there', 1,
	"holds the data of a PostgreSQL \\d+ that pgfirst did not make, and its server is running \\(process $foreign_pid\\)",
	'Choose another directory');
($code, $out, $err) = pgfirst('destroy', '--yes', '--dir', $foreign);
is($code, 4, 'destroy refuses it');
ok(kill(0, $foreign_pid), 'the foreign server still runs');
run_command(as_cluster_user("$bindir/pg_ctl", '-D', $foreign, '-m', 'immediate', 'stop'));

# An owner who is not the caller.
my @somebody = $root ? ('setpriv', '--reuid', 'nobody', '--clear-groups', '--regid', 'nogroup') : ();
($code, $out, $err) = run_command(@somebody, $program, 'up', '--dir', $root ? $dir : '/usr/share', ports());
refused('a directory of another owner', 1, 'belongs to user \w+, not to \w+', 'Run pgfirst as that user');
($code, $out, $err) = run_command(@somebody, $program, 'up', '--dir', '/usr/pgfirst-test', ports());
refused('a place where one may not write', 1, 'cannot make /usr/pgfirst-test', 'another directory');

# Another version.
($code) = pgfirst('down', '--dir', $dir);
my $version = slurp("$dir/data/PG_VERSION");
spew("$dir/data/PG_VERSION", "9\n");
($code, $out, $err) = pgfirst('up', '--dir', $dir);
refused('data of another version', 1, 'was made by PostgreSQL 9, and .* is PostgreSQL \d+',
	'PGFIRST_PG_BINDIR');
($code, $out) = pgfirst('doctor', '--dir', $dir);
like($out, qr/^finding  the data is of PostgreSQL 9/m, 'doctor says so, too');
spew("$dir/data/PG_VERSION", $version);

# ---- what is missing -----------------------------------------------------------------------

my $new = "$place/new";
{
	local $ENV{PGFIRST_PG_BINDIR} = "$place/no-such-programs";
	($code, $out, $err) = pgfirst('up', '--dir', $new, ports());
	refused('PostgreSQL not installed', 1, "PostgreSQL's program initdb is not in", 'apt install postgresql');
	ok(!-e $new, 'nothing is left');
}

# Programs that stand in for the real ones: the first argument is what each does before.
sub stand_ins
{
	my (%before) = @_;
	my $stand_in = "$place/bin" . ++our $stand_ins;
	mkdir $stand_in;
	for my $name (qw(initdb postgres pg_config psql))
	{
		my $first = $before{$name} || '';
		spew("$stand_in/$name", "#!/bin/sh\n$first\nexec '$bindir/$name' \"\$\@\"\n");
		chmod 0755, "$stand_in/$name";
	}
	return $stand_in;
}
{
	local $ENV{PGFIRST_PG_BINDIR} = stand_ins(pg_config => "echo $place; exit 0");
	($code, $out, $err) = pgfirst('up', '--dir', $new, ports());
	refused('the library not installed', 1, 'PostgreSQL has no library pgfirst', 'make install');
	ok(!-e $new, 'nothing is left');
}

# ---- no disk space -------------------------------------------------------------------------

SKIP:
{
	mkdir "$place/small";
	my @mount = ('unshare', $root ? '-m' : '-Urm', 'sh', '-c',
		"mount -t tmpfs -o size=64m,mode=777 none $place/small && shift 0 && exec \"\$0\" \"\$\@\"");
	skip 'mounting is not allowed here', 3 if (run_command(@mount, 'true'))[0] != 0;
	# In a user namespace we would be root, which has no other user to become.
	skip 'only root can mount here', 3 unless $root;
	($code, $out, $err) = run_command(@mount, $program, 'up', '--dir', "$place/small/d", ports());
	refused('a disk that is too small', 1, 'only 64 MB are free in .*; a cluster needs 256 MB',
		'Make room there');
}
# A file that may not grow is as good as a disk that is full, and needs no root.
($code, $out, $err) = run_command('bash', '-c', 'ulimit -f 8192; exec "$0" "$@"', $program, 'up',
	'--dir', $new, ports());
refused('no space in the middle', 1, 'initdb exited with code', '(?:File too large|signal 25|File size limit)');
ok(!-e $new, 'nothing is left');
{
	local $ENV{PGFIRST_PG_BINDIR} = stand_ins(initdb => 'mkdir -p "${1#--pgdata=}"; : > "${1#--pgdata=}/half";'
		. ' echo "could not write: No space left on device" >&2; exit 1');
	mkdir $new;
	($code, $out, $err) = pgfirst('up', '--dir', $new, ports());
	refused('initdb fails', 1, 'initdb exited with code 1', 'No space left on device');
	is_deeply([glob "$new/* $new/.??*"], [], 'a directory that was there is left, empty');
	rmdir $new;
}
{
	local $ENV{PGFIRST_PG_BINDIR} = stand_ins(
		postgres => 'case " $* " in *" --version "*|*" --boot "*|*" --single "*|*" --check "*|*" -C "*|*" -V "*) ;; *) '
			. 'echo "FATAL:  it is Sunday" >&2; exit 1;; esac');
	($code, $out, $err) = pgfirst('up', '--dir', $new, ports());
	refused('the server does not start', 1, 'PostgreSQL did not start: it exited with code 1', 'it is Sunday');
	ok(!-e $new, 'nothing is left');
}

# ---- two at once, and interrupted ones -----------------------------------------------------

my @ports = ports();
my $first = start($program, 'up', '--dir', $new, @ports);
ok(wait_until(sub { -s "$new/pgfirst.lock" }), 'one is at work');
($code, $out, $err) = pgfirst('up', '--dir', $new);
is($code, 0, 'a second up at once');
like($err, qr/another pgfirst \(process \d+\) is working on/, 'says that it waits');
like($out, qr/was running already/, 'and finds it running');
is((finish($first))[0], 0, 'the first is not disturbed');
pgfirst('destroy', '--yes', '--dir', $new);

# Two directories at once: each gets ports of its own, without being told.
my @both = map { start($program, 'up', '--dir', "$place/both$_", '--memory', '256MB', '--json') } 1 .. 2;
my @answers = map { my ($status, $answer, $why) = finish($_); is($status, 0, 'two directories at once') or diag($why);
	$status ? {} : decode_json($answer) } @both;
isnt($answers[0]{pg_port}, $answers[1]{pg_port}, 'they get two ports for PostgreSQL');
isnt($answers[0]{redis_port}, $answers[1]{redis_port}, 'and two for Redis');
pgfirst('destroy', '--yes', '--dir', "$place/both$_") for 1 .. 2;

my @moments = (
	['before initdb has begun', sub { -e "$new/PGFIRST_CLUSTER" }],
	['during initdb', sub { -e "$new/data/PG_VERSION" }],
	['when the server starts', sub { -e "$new/data/postmaster.pid" && -e "$new/log/startup.log" }],
	['when the server runs', sub { -S "$new/run/.s.PGSQL.$ports[1]" }]);
for my $moment (@moments)
{
	my ($name, $condition) = @$moment;
	for my $signal ('KILL', 'INT')
	{
		# Somebody else on the machine may take a port between our look and its use: then again.
		my ($up, $reached);
		for my $try (1 .. 3)
		{
			@ports = ports();
			$up = start($program, 'up', '--dir', $new, @ports);
			wait_until(sub { $reached = $condition->(); $reached || !-e "/proc/$up->{pid}/exe" }, 20);
			last if $reached;
			diag((finish($up))[2]);
		}
		ok($reached, "reached: $name") or next;
		kill $signal, $signal eq 'KILL' ? worker_pid($up->{pid}) : $up->{pid};
		($code, $out, $err) = finish($up);
		next if -e "$new/PGFIRST_CLUSTER" && slurp("$new/PGFIRST_CLUSTER") =~ /state=ready/;
		if ($signal eq 'INT')
		{
			is($code, 130, "Ctrl-C $name ends it");
			ok(!-e $new, "Ctrl-C $name leaves nothing") or diag(`ls -la $new`);
			next;
		}
		($code, $out, $err) = pgfirst('status', '--dir', $new);
		is($code, 4, "kill -9 $name: status says so");
		like($err, qr/is not finished\n.*up.* makes it anew/, "kill -9 $name: and what to do");
		($code, $out, $err) = pgfirst('up', '--dir', $new, @ports);
		is($code, 0, "kill -9 $name: the next up makes it") or diag($out, $err);
		like($out, qr/removed what an interrupted/, "kill -9 $name: and clears up");
		($code, $out) = pgfirst('psql', '--dir', $new, '-XAtc', 'SELECT 1');
		is($out, "1\n", "kill -9 $name: and it works");
	}
	continue
	{
		pgfirst('destroy', '--yes', '--dir', $new) if -e $new;
	}
}

# ---- stale pid files -----------------------------------------------------------------------

($code, $out, $err) = pgfirst('up', '--dir', $dir);
is($code, 0, 'running again') or diag($err);
# Nobody is called 0: that would be the processes of this test.
my $postmaster = postmaster_pid($dir) or die "there is no server to kill\n";
kill 'KILL', $postmaster;
ok(wait_until(sub { !-e "/proc/$postmaster/exe" }), 'the server is gone');
($code, $out, $err) = pgfirst('up', '--dir', $dir);
is($code, 0, 'after kill -9 of the server: up works') or diag($out, $err);
pgfirst('down', '--dir', $dir);
my $sleeper = start(as_cluster_user('sleep', '600'));
background_kill_later($sleeper->{pid});
my $data = "$dir/data";
spew("$data/postmaster.pid", "$sleeper->{pid}\n$data\n1700000000\n$pg_port\n$dir/run\n127.0.0.1\n 1 1\nready   \n");
chown((getpwnam(cluster_user()))[2, 3], "$data/postmaster.pid") if $root;
($code, $out) = pgfirst('status', '--dir', $dir);
is($code, 3, 'a pid file that names a stranger: status is not deceived');
($code, $out, $err) = pgfirst('down', '--dir', $dir);
ok(kill(0, $sleeper->{pid}), 'down does not stop the stranger');
($code, $out, $err) = pgfirst('up', '--dir', $dir);
is($code, 0, 'a pid file that names a stranger: up works') or diag($out, $err);
ok(kill(0, $sleeper->{pid}), 'and the stranger lives');

# A server on the same files that /proc does not show holds the lock all the same.
pgfirst('down', '--dir', $dir);
open my $elsewhere, '<', "$dir/server.lock" or die $!;
flock $elsewhere, LOCK_EX or die $!;
($code, $out, $err) = pgfirst('up', '--dir', $dir);
refused('a server in another container', 1, 'a server that cannot be seen from here is running on', 'Stop it where');
close $elsewhere;

# ---- lost files ----------------------------------------------------------------------------

($code) = pgfirst('up', '--dir', $dir);
is($code, 0, 'running once more');
rename "$dir/superuser.password", "$place/kept";
($code, $out, $err) = pgfirst('doctor', '--dir', $dir);
is($code, 5, 'doctor without the superuser\'s password still works') or diag($err);
like($out, qr/^finding  .*superuser\.password is missing$/m, 'and misses it');
($code, $out, $err) = pgfirst('status', '--dir', $dir);
is($code, 0, 'status, too');
($code, $out, $err) = pgfirst('psql', '--dir', $dir, '--superuser', '-c', 'SELECT 1');
refused('psql --superuser without it', 1, 'cannot read .*superuser\.password', 'postgres --single');
rename "$place/kept", "$dir/superuser.password";
chmod 0644, "$dir/pgfirst.env";
($code, $out) = pgfirst('doctor', '--dir', $dir);
like($out, qr/^finding  .*pgfirst\.env holds a password, and others may read it\n +chmod 600 /m,
	'doctor minds who may read a password');
spew("$dir/pgfirst.env", "OTHER=1\n");
($code, $out, $err) = pgfirst('status', '--dir', $dir);
is($code, 1, 'status without URLs: a door does not answer');
like($out, qr/does not answer: .*pgfirst\.env holds no DATABASE_URL/, 'and says why');
($code, $out, $err) = pgfirst('psql', '--dir', $dir, '-c', 'SELECT 1');
refused('psql without URLs', 1, 'holds no DATABASE_URL', 'Set a new one');

# ---- paths ---------------------------------------------------------------------------------

for my $name ('with  two spaces', q{o'clock "quoted" \\ $HOME}, "umlaut-\xc3\xa4", 'comma,separated',
	'l' x (120 - length $place))
{
	my $odd = "$place/$name";
	($code, $out, $err) = pgfirst('up', '--dir', $odd, ports(), '--json');
	is($code, 0, "a path: $name") or diag($err);
	my $answer = $code == 0 ? decode_json($out) : {};
	my $sockets = $answer->{socket_directory} || '';
	cmp_ok(length "$sockets/.s.PGSQL.65535", '<=', 107, 'its sockets are in reach');
	($code, $out, $err) = pgfirst('psql', '--dir', $odd, '--superuser', '-XAtc', 'SELECT 1');
	is($out, "1\n", 'they work') or diag($err);
	($code) = pgfirst('restart', '--dir', $odd);
	is($code, 0, 'it restarts');
	($code, $out) = pgfirst('status', '--dir', $odd, '--json');
	is(decode_json($out)->{socket_directory}, $sockets, 'the place of the sockets is remembered');
	if ($sockets !~ /^\Q$place\E/)
	{
		is(sprintf('%o', (stat $sockets)[2] & 0777), '700', 'it is private');
		pgfirst('down', '--dir', $odd);
		system('rm', '-rf', $sockets);
		($code, $out, $err) = pgfirst('up', '--dir', $odd, '--json');
		is($code, 0, 'when it is gone, another is made') or diag($err);
		$sockets = decode_json($out)->{socket_directory};
	}
	($code) = pgfirst('destroy', '--yes', '--dir', $odd);
	ok(!-e $odd && !-e $sockets, 'destroy removes all of it');
}

# ---- users ---------------------------------------------------------------------------------

SKIP:
{
	my $uid = 54321;
	my @stranger = $root ? ('setpriv', '--reuid', $uid, '--regid', $uid, '--clear-groups')
		: ('unshare', '--user', "--map-user=$uid");
	skip 'no other uid can be had here', 3 if (run_command(@stranger, 'true'))[0] != 0;
	my $home = "$place/stranger";
	mkdir $home;
	chown $uid, $uid, $home if $root;
	($code, $out, $err) = run_command(@stranger, $program, 'up', '--dir', "$home/d", ports());
	refused('a uid without passwd entry', 1, "uid $uid has no entry in /etc/passwd", "add it: echo");
	ok(!-e "$home/d", 'nothing is left');
}
SKIP:
{
	skip 'only root drops root', 5 unless $root;
	mkdir "$place/closed";
	chmod 0700, "$place/closed";
	($code, $out, $err) = pgfirst('up', '--dir', "$place/closed/d", ports());
	refused('root, in a directory that others cannot enter', 1, 'user postgres cannot enter .*/closed',
		'chmod o\\+x');
	ok(!-e "$place/closed/d", 'nothing is left');

	my $home = "$place/daemon-home";
	mkdir $home;
	chown((getpwnam('daemon'))[2, 3], $home);
	($code, $out, $err) = pgfirst('up', '--dir', "$home/d", ports());
	is($code, 0, 'root, in somebody\'s directory') or diag($err);
	is(scalar getpwuid((stat "$home/d")[4]), 'daemon', 'makes it that user\'s');
	pgfirst('destroy', '--yes', '--dir', "$home/d");
	ok(!-e "$home/d", 'and removes it');
}

done_testing();
