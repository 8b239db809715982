# SPDX-License-Identifier: PostgreSQL
#
# The program, when all is well: every command once and more, and what it promises about files,
# rights, ports and exit codes.
use strict;
use warnings;
use Test::More;
use FindBin;
require "$FindBin::Bin/020_program_common.pl";
our ($root, $top, $program, $bindir, $place);

my ($code, $out, $err);
my $dir = "$place/one";
my $pg_port = free_port();
my $redis_port = free_port();

# ---- made ----------------------------------------------------------------------------------

my $begun = time;
($code, $out, $err) = pgfirst('up', '--dir', $dir, '--pg-port', $pg_port, '--redis-port',
	$redis_port, '--memory', '512MB');
is($code, 0, 'up makes a cluster') or diag($out, $err);
cmp_ok(time - $begun, '<', 60, 'in less than a minute');
like($out, qr/^ +\d+\.\d s  both doors answer$/m, 'it says each step with its seconds');
like($out, qr{^DATABASE_URL=postgresql://app:\w{32}\@127\.0\.0\.1:$pg_port/app$}m, 'it prints DATABASE_URL');
like($out, qr{^REDIS_URL=redis://app:\w{32}\@127\.0\.0\.1:$redis_port/0$}m, 'and REDIS_URL');
like($out, qr/^  pgfirst psql --dir /m, 'and how to get a prompt');
like($out, qr/^  pgfirst redis-cli --dir /m, 'of both kinds');
like($out, qr/no backup yet/, 'and what is not yet safe');

# ---- files and rights ----------------------------------------------------------------------

is(scalar getpwuid((stat $dir)[4]), cluster_user(), 'it belongs to an unprivileged user');
for my $entry (['pgfirst.env', 0600], ['superuser.password', 0600], ['run', 0700], ['data', 0700],
	['.', 0700])
{
	my ($name, $mode) = @$entry;
	is(sprintf('%o', (stat "$dir/$name")[2] & 07777), sprintf('%o', $mode), "mode of $name");
}
my $settings = slurp("$dir/pgfirst.conf");
my @unexplained = grep { !/^#/ } ($settings =~ /^(.*)\n[a-z][\w.]* = /mg);
is_deeply(\@unexplained, [], 'every setting is explained');
my @elsewhere = grep { !/^(#.*|include .*)?$/ } split /\n/, slurp("$dir/data/postgresql.conf");
is_deeply(\@elsewhere, [], 'and stands in one file');
my $owner = (stat "/proc/" . postmaster_pid($dir))[4];
is(scalar getpwuid($owner), cluster_user(), 'the server runs as that user');
my $arguments = join '', map { slurp("/proc/$_/cmdline") || '' } processes_in($dir);
my ($password) = slurp("$dir/pgfirst.env") =~ /:(\w{32})@/;
unlike($arguments, qr/$password/, 'no command line holds the password');

# ---- inside --------------------------------------------------------------------------------

sub sql
{
	my ($statement, @options) = @_;
	my ($status, $answer, $error) = pgfirst('psql', '--dir', $dir, @options, '-XAtc', $statement);
	diag($error) if $error;
	chomp $answer;
	return $answer;
}

is(sql('SELECT current_user, current_database()'), 'app|app', 'psql is role app in database app');
is(sql('SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user'),
	'f|f|f', 'which is no superuser');
is(sql("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'app'"), 'app',
	'and owns its database');
is(sql('CREATE TABLE t AS SELECT 1 AS x; SELECT x FROM t'), "SELECT 1\n1", 'and can make tables');
is(sql('SELECT current_user', '--superuser'), 'postgres', 'psql --superuser is the superuser');
is(sql('SHOW data_checksums', '--superuser'), 'on', 'data checksums');
is(sql('SHOW server_encoding', '--superuser'), 'UTF8', 'UTF-8');
is(sql('SHOW listen_addresses', '--superuser'), '127.0.0.1', 'loopback only');
is(sql("SELECT count(*) FROM pg_authid WHERE rolname IN ('app', 'postgres') "
		. "AND rolpassword LIKE 'SCRAM-SHA-256\$%'", '--superuser'), '2', 'SCRAM passwords');
is(sql("SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'", '--superuser'),
	'0', 'and no way in without');
is(sql("SELECT extname FROM pg_extension WHERE extname = 'pgfirst'"), 'pgfirst', 'the extension is there');
is(sql("SELECT has_schema_privilege('kv', 'USAGE')"), 't', 'and its schema can be used');
cmp_ok(sql("SELECT sum(pg_size_bytes(current_setting(s))) / 1048576 FROM unnest(ARRAY['shared_buffers',"
			. " 'pgfirst.redis_client_memory', 'pgfirst.write_set_limit']) s"),
	'<=', 384, '--memory is kept to');
is(sql('SHOW log_filename', '--superuser'), 'postgresql-%a.log', 'logs, a file a weekday');

# ---- redis-cli -----------------------------------------------------------------------------

SKIP:
{
	skip 'redis-cli is not installed', 1 if system('command -v redis-cli > /dev/null') != 0;
	($code, $out, $err) = pgfirst('redis-cli', '--dir', $dir, 'PING');
	is($out, "PONG\n", 'redis-cli is let in, with the password') or diag($err);
}

# ---- env -----------------------------------------------------------------------------------

my $database_url = "postgresql://app:$password\@127.0.0.1:$pg_port/app";
my $redis_url = "redis://app:$password\@127.0.0.1:$redis_port/0";
($code, $out) = pgfirst('env', '--dir', $dir);
is($out, "DATABASE_URL=$database_url\nREDIS_URL=$redis_url\n", 'env');
($code, $out) = pgfirst('env', '--dir', $dir, '--format', 'shell');
is(`$out echo "\$DATABASE_URL \$REDIS_URL"`, "$database_url $redis_url\n", 'env for a shell');
($code, $out) = pgfirst('env', '--dir', $dir, '--format=json');
is_deeply(decode_json($out), { DATABASE_URL => $database_url, REDIS_URL => $redis_url }, 'env as JSON');
{
	local $ENV{PGFIRST_DIR} = $dir;
	($code, $out) = pgfirst('env');
	like($out, qr/\Q$database_url\E/, 'PGFIRST_DIR names the directory');
}
is(`'$bindir/psql' -XAtc 'SELECT 1' '$database_url'`, "1\n", 'the URL works');

# ---- status, doctor, logs ------------------------------------------------------------------

($code, $out) = pgfirst('status', '--dir', $dir);
is($code, 0, 'status: running is 0');
like($out, qr/^PostgreSQL +port $pg_port, answers$/m, 'status tells the ports');
($code, $out) = pgfirst('status', '--dir', $dir, '--json');
my $status = decode_json($out);
is($status->{state}, 'running', 'status as JSON');
is($status->{pid}, postmaster_pid($dir), 'with the process');
ok($status->{pg_answers} && $status->{redis_answers}, 'and the doors');
ok($status->{open_files_limit} > 0 && $status->{disk_free_bytes} > 0, 'and the machine');
is($status->{oldest_transaction_seconds}, undef, 'and no transaction');
ok((grep { $_->{title} =~ /checkpointer/ } @{ $status->{processes} }), 'and the processes');
($code, $out) = pgfirst('doctor', '--dir', $dir);
is($code, 0, 'doctor finds nothing') or diag($out);
like($out, qr/^note +there is no backup yet/m, 'and notes that there is no backup');

sql('ALTER SYSTEM SET fsync = off', '--superuser');
sql('ALTER SYSTEM SET max_connections = 90', '--superuser');
sql('SELECT pg_reload_conf()', '--superuser');
ok(wait_until(sub { sql('SHOW fsync') eq 'off' }), 'a harmful setting is set');
($code, $out) = pgfirst('doctor', '--dir', $dir);
is($code, 5, 'doctor: findings are 5');
like($out, qr/^finding  fsync = off: a crash of the machine destroys the cluster\n +fsync = on$/m,
	'it says what it costs and what mends it');
like($out, qr/max_connections waits for a restart/, 'and what waits for a restart');
($code, $out) = pgfirst('status', '--dir', $dir, '--json');
is_deeply(decode_json($out)->{harmful_settings}, ['fsync = off'], 'status lists it, too');
sql('ALTER SYSTEM RESET ALL', '--superuser');

($code, $out) = pgfirst('logs', '--dir', $dir, '-n', '2');
is(($out =~ tr/\n//), 2, 'logs: the last lines');
($code, $out) = pgfirst('logs', '--dir', $dir, '-n', '3', '--json');
is(scalar @{ decode_json($out)->{lines} }, 3, 'as JSON');
my $follow = start($program, 'logs', '--dir', $dir, '-f', '-n', '0');
sleep 0.3;
sql("DO 'BEGIN RAISE LOG ''here it comes''; END'");
ok(wait_until(sub { slurp($follow->{out}) =~ /here it comes/ }), 'logs -f goes on');
kill 'INT', $follow->{pid};
($code) = finish($follow);
is($code, 0, 'until it is interrupted');

# ---- up again, down, restart ---------------------------------------------------------------

my $before = postmaster_pid($dir);
($code, $out) = pgfirst('up', '--dir', $dir);
is($code, 0, 'up again is no error');
is(postmaster_pid($dir), $before, 'and changes nothing');
like($out, qr/was running already/, 'and says so');

($code, $out) = pgfirst('down', '--dir', $dir);
is($code, 0, 'down');
is(postmaster_pid($dir), 0, 'the server has stopped');
($code) = pgfirst('down', '--dir', $dir);
is($code, 0, 'down again is no error');
($code, $out) = pgfirst('status', '--dir', $dir, '--json');
is($code, 3, 'status: stopped is 3');
is(decode_json($out)->{state}, 'stopped', 'as JSON');
($code, $out) = pgfirst('doctor', '--dir', $dir);
is($code, 5, 'doctor: stopped is a finding');
like($out, qr/is not running/, 'it says so');
($code, $out, $err) = pgfirst('psql', '--dir', $dir, '-c', 'SELECT 1');
is($code, 3, 'psql: stopped is 3');
like($err, qr/is not running\n  Start it with: pgfirst up --dir /, 'and says what to do');

$begun = Time::HiRes::time();
($code, $out) = pgfirst('up', '--dir', $dir, '--json');
cmp_ok(Time::HiRes::time() - $begun, '<', 3, 'up of an existing cluster takes less than 3 s');
my $up = decode_json($out);
is($up->{pg_port}, $pg_port, 'on the same ports');
ok(!$up->{created}, 'not made anew');
is(sql('SELECT x FROM t'), '1', 'with its data');

my $moved = free_port();
($code, $out, $err) = pgfirst('up', '--dir', $dir, '--pg-port', $moved);
is($code, 1, 'another port for a running cluster is an error');
like($err, qr/a change needs a restart/, 'that says so');
($code) = pgfirst('restart', '--dir', $dir, '--pg-port', $moved, '--memory', '1GB');
is($code, 0, 'restart moves it');
($code, $out) = pgfirst('env', '--dir', $dir);
like($out, qr/:$moved\/app$/m, 'the URL follows');
is(sql('SHOW shared_buffers'), '256MB', '--memory is taken over');
my $edited = slurp("$dir/pgfirst.conf");
$edited =~ s/^(port|shared_buffers|work_mem|maintenance_work_mem|autovacuum_work_mem|effective_cache_size|pgfirst\.redis_client_memory|pgfirst\.write_set_limit) = .*$/$1/mg;
(my $original = $settings) =~ s/^(port|shared_buffers|work_mem|maintenance_work_mem|autovacuum_work_mem|effective_cache_size|pgfirst\.redis_client_memory|pgfirst\.write_set_limit) = .*$/$1/mg;
is($edited, $original, 'and nothing else in the settings file is touched');

# ---- --foreground --------------------------------------------------------------------------

pgfirst('down', '--dir', $dir);
my $foreground = start($program, 'up', '--dir', $dir, '--foreground');
ok(wait_until(sub { slurp($foreground->{out}) =~ /Not yet safe/ }), 'up --foreground');
unlike(slurp($foreground->{out}), qr/$password/, 'it does not print the password');
like(slurp($foreground->{err}), qr/database system is ready/, 'it logs to stderr');
is(waitpid($foreground->{pid}, POSIX::WNOHANG()), 0, 'it stays');
kill 'TERM', $foreground->{pid};
($code) = finish($foreground);
is($code, 0, 'SIGTERM stops it in order');
is(postmaster_pid($dir), 0, 'and the server');
like(slurp($foreground->{err}), qr/database system is shut down/, 'by a fast shutdown');
$foreground = start($program, 'up', '--dir', $dir, '--foreground');
ok(wait_until(sub { slurp($foreground->{out}) =~ /Not yet safe/ }), 'up --foreground again');
kill 'KILL', worker_pid($foreground->{pid});
finish($foreground);
ok(wait_until(sub { !postmaster_pid($dir) }), 'kill -9 of it takes the server down');

# ---- moved ---------------------------------------------------------------------------------

rename $dir, "$place/moved" or die $!;
$dir = "$place/moved";
($code, $out, $err) = pgfirst('up', '--dir', $dir);
is($code, 0, 'a directory may be moved') or diag($err);
is(sql('SELECT x FROM t', '--superuser'), '1', 'its sockets move along');

# ---- destroy -------------------------------------------------------------------------------

($code, $out, $err) = pgfirst('destroy', '--dir', $dir);
is($code, 2, 'destroy without a terminal wants --yes');
ok(postmaster_pid($dir), 'and does nothing');
spew("$dir/mine", "precious\n");
($code, $out) = pgfirst('destroy', '--dir', $dir, '--yes');
is($code, 0, 'destroy --yes');
like($out, qr/it holds mine, which pgfirst did not make/, 'it spares what it did not make');
is(slurp("$dir/mine"), "precious\n", 'really');
is_deeply([map { s{.*/}{}r } glob "$dir/* $dir/.??*"], ['mine'], 'and removes all else');
unlink "$dir/mine";
($code) = pgfirst('up', '--dir', $dir, ports());
is($code, 0, 'an empty directory is made into a cluster');
($code) = pgfirst('destroy', '--dir', $dir, '--yes');
ok(!-e $dir, 'destroy removes the directory, too');
is_deeply([processes_in($dir)], [], 'and no process is left');

# ---- help and the reference pages ----------------------------------------------------------

($code, $out) = pgfirst('--version');
like($out, qr/^pgfirst \d+\.\d+\.\d+$/, '--version');
($code, $out) = pgfirst('help');
my @commands = $out =~ /^  ((?:cache )?[a-z-]+) /mg;
is_deeply([sort @commands],
	[sort qw(up down restart status doctor env logs psql redis-cli run destroy help),
		map { "cache $_" } qw(stats cleanup clear test)], 'help lists all');
for my $command (@commands)
{
	($code, $out) = pgfirst('help', split / /, $command);
	is($code, 0, "help $command");
	like($out, qr/^pgfirst \Q$command\E.*Exit codes:/s, "explains $command");
}
($code, $out) = pgfirst('do', 'docs');
is($out, slurp("$top/docs/cli.md"), 'docs/cli.md is what the program says ("make docs-program" writes it)');
($code, $out) = pgfirst('do', 'docs', 'man');
is($out, slurp("$top/cli/pgfirst.1"), 'and so is the man page');

done_testing();
