# SPDX-License-Identifier: PostgreSQL
#
# pgfirst run: a cluster for one command, and nothing left of it, however the command ends.
use strict;
use warnings;
use Test::More;
use FindBin;
require "$FindBin::Bin/020_program_common.pl";
our ($root, $top, $program, $bindir, $place);

my ($code, $out, $err);
my $tmp = "$place/tmp";
mkdir $tmp;
chmod 01777, $tmp;
$ENV{TMPDIR} = $tmp;

# The cluster may need a moment after the program, when that was killed.
sub nothing_left
{
	my ($name) = @_;
	ok(wait_until(sub { !processes_in($tmp) && !glob "$tmp/*" }, 20), "$name: nothing is left")
		or diag(`ls -la $tmp/*; ps -ef | grep $tmp`);
}

($code, $out, $err) = pgfirst('run', '--', 'sh', '-c',
	'echo "$DATABASE_URL"; echo "$REDIS_URL"; "$0/psql" -XAtc "SELECT current_user"; id -u', $bindir);
is($code, 0, 'run');
is($err, '', 'says nothing of its own');
like($out, qr{^postgresql://app:\w+\@127\.0\.0\.1:\d+/app\nredis://app:\w+\@127\.0\.0\.1:\d+/0\napp\n$>\n$},
	'sets the URLs and PG* and runs the command as the caller');
nothing_left('run');

($code) = pgfirst('run', '--', 'sh', '-c', 'exit 42');
is($code, 42, 'it returns the exit code');
($code) = pgfirst('run', '--', 'sh', '-c', 'kill -KILL $$');
is($code, 137, 'or 128 and the signal');
($code, $out, $err) = pgfirst('run', '--', "$place/no-such-command");
is($code, 127, 'or 127 for a command that is not there');
like($err, qr/cannot run .*no-such-command/, 'and says so');
($code, $out) = pgfirst('run', 'echo', '--json', '--memory', 'x');
is($out, "--json --memory x\n", 'the command\'s options are its own');
nothing_left('failing commands');

# Two at once have nothing in common.
my @runs = map { start($program, 'run', '--', 'sh', '-c', 'echo $PGPORT; sleep 0.5') } 1 .. 2;
my @ports = map { my ($status, $port) = finish($_); is($status, 0, 'two at once'); $port } @runs;
isnt($ports[0], $ports[1], 'on different ports');
nothing_left('two at once');

# Signals go to the command.
my $run = start($program, 'run', '--', 'sh', '-c',
	"trap 'echo got it; exit 5' TERM; echo waiting; while :; do sleep 0.05; done");
ok(wait_until(sub { slurp($run->{out}) =~ /waiting/ }), 'a command waits');
kill 'TERM', $run->{pid};
($code, $out) = finish($run);
is($code, 5, 'SIGTERM is passed on to it');
like($out, qr/got it/, 'and it decides');
nothing_left('SIGTERM');

# Killed at any time.
$run = start($program, 'run', '--', 'sh', '-c', 'echo waiting; exec sleep 2');
ok(wait_until(sub { slurp($run->{out}) =~ /waiting/ }), 'another waits');
kill 'KILL', $run->{pid};
finish($run);
nothing_left('kill -9');
for my $moment (0.05, 0.2, 0.5)
{
	$run = start($program, 'run', '--', 'sleep', '1');
	sleep $moment;
	kill 'KILL', $run->{pid};
	finish($run);
	nothing_left("kill -9 after $moment s");
}

{
	local $ENV{PGFIRST_PG_BINDIR} = "$place/no-such-programs";
	($code, $out, $err) = pgfirst('run', '--', 'true');
	is($code, 1, 'a cluster that cannot be made');
	like($err, qr/PostgreSQL's program initdb is not in/, 'says why');
	nothing_left('a failure');
}

done_testing();
