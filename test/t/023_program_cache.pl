# SPDX-License-Identifier: PostgreSQL
#
# pgfirst cache stats, cleanup, clear and test: on a cluster that works, on one that does not, and said wrongly.
#
# Seen to fail: tidy() in cli/cache/test.c that deletes nothing; cache_test() that returns EXIT_OK whatever it
# has found; cache_door() without a look at the server (exit code 1 instead of 3).
use strict;
use warnings;
use Test::More;
use FindBin;
require "$FindBin::Bin/020_program_common.pl";
our ($root, $top, $program, $bindir, $place);

my ($code, $out, $err);
my $dir = "$place/cache";

sub cache { ($code, $out, $err) = pgfirst('cache', @_, '--dir', $dir); return $code; }

sub sql
{
	my ($statement, @options) = @_;
	my (undef, $answer) = pgfirst('psql', '--dir', $dir, @options, '-XAtqc', $statement);

	chomp $answer;
	return $answer;
}

sub refused
{
	my ($name, $wanted_code, $what, $remedy) = @_;
	is($code, $wanted_code, "$name: exit code") or diag($out, $err);
	is($out, '', "$name: nothing on stdout");
	like($err, qr/^pgfirst: .*$what/m, "$name: says what is wrong");
	like($err, qr/^  .*$remedy/m, "$name: says what to do");
}

# ---- the command line ------------------------------------------------------------------------

for my $case (
	[ [], 'cache: a command is missing', 'stats, cleanup, clear, test' ],
	[ ['sing'], 'cache: unknown command "sing"', 'stats, cleanup, clear, test' ],
	[ [ '--dir', $dir ], 'cache: unknown command "--dir"', 'stats, cleanup, clear, test' ],
	[ [ 'stats', 'now' ], 'cache stats: unexpected argument "now"', 'pgfirst help cache stats' ],
	[ [ 'stats', '--yes' ], 'cache stats: unknown option "--yes"', 'pgfirst help cache stats' ],
	[ [ 'clear', '--json=1' ], 'takes no value', 'pgfirst help cache clear' ],
	[ [ 'test', '--dir' ], 'a value is missing', 'pgfirst help cache test' ])
{
	my ($arguments, $what, $remedy) = @$case;
	($code, $out, $err) = pgfirst('cache', @$arguments);
	refused("cache @$arguments", 2, quotemeta $what, quotemeta $remedy);
}
for my $words ([ 'help', 'cache' ], [ 'cache', '--help' ])
{
	($code, $out, $err) = pgfirst(@$words);
	is($code, 0, "@$words");
	is(scalar(() = $out =~ /^pgfirst cache (?:stats|cleanup|clear|test) +\w/mg), 4, '… lists all four');
}
($code, $out, $err) = pgfirst('help', 'cache', 'sing');
is($code, 2, 'help of a command that is none');
for my $verb (qw(stats cleanup clear test))
{
	($code, $out, $err) = pgfirst('help', 'cache', $verb);
	like($out, qr/^pgfirst cache $verb \[--dir DIR\].*^Exit codes:\n  0 /ms, "help cache $verb");
	cache($verb, $verb eq 'clear' ? '--yes' : ());
	refused("cache $verb without a cluster", 4, 'there is no cluster of pgfirst in', 'pgfirst up --dir');
}

# ---- a cluster ---------------------------------------------------------------------------------

($code, $out, $err) = pgfirst('up', '--dir', $dir, ports());
is($code, 0, 'a cluster') or diag($out, $err);
sql("SELECT cache.set('a', '1', '1 hour'), cache.set('b', '2')");
sql("SELECT cache.get('a'), cache.get('a'), cache.get('a'), cache.get('absent')");

is(cache('stats'), 0, 'stats');
like($out, qr/^database +1 of the Redis door, durable$/m, '… which database');
like($out, qr/^entries +2, of which 1 expire$/m, '… entries');
like($out, qr/^reads +3 found, 1 did not: 75\.0 % hits$/m, '… reads');
is(cache('stats', '--json'), 0, 'stats --json');
my $stats = decode_json($out);
is_deeply([ @$stats{qw(database durability entries expiring hits misses hit_ratio)} ], [ 1, 'durable', 2, 1, 3, 1, 0.75 ], '… the same');
ok($stats->{bytes} >= 8192, '… and bytes');
like($stats->{since}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, '… and since when');

is(cache('test'), 0, 'test') or diag($out, $err);
is(scalar(() = $out =~ /^ok /mg), 10, '… ten checks');
like($out, qr/^ok +expiry +an entry of 200 ms was gone after \d{3,} ms$/m, '… expiry among them');
like($out, qr/^ok +redis +a Redis client of database 1/m, '… and the other door');
like($out, qr/^speed .*: \d+ gets, \d+ sets a second \(durable\)$/m, '… and speed');
is(cache('test', '--json'), 0, 'test --json') or diag($out, $err);
my $report = decode_json($out);
ok($report->{ok} && @{ $report->{checks} } == 10 && !grep({ !$_->{ok} } @{ $report->{checks} }), '… the same');
ok($report->{per_second}{$_} > 0, "… $_ a second") for qw(get set get_within_a_query);
is(sql('SELECT string_agg(key, $$,$$ ORDER BY key) FROM cache.entries'), 'a,b', '… and nothing is left behind');

is(cache('cleanup'), 0, 'cleanup');
like($out, qr/^\d+ expired entries were deleted\.$/, '… says how many');
is(cache('cleanup', '--json'), 0, 'cleanup --json');
is_deeply(decode_json($out), { deleted => 0 }, '… none any more');

cache('clear');
refused('clear without a terminal', 2, 'it wants --yes', 'pgfirst cache clear --yes --dir');
is(sql('SELECT count(*) FROM cache.entries'), '2', '… does nothing');
is(cache('clear', '--yes', '--json'), 0, 'clear --yes');
is(decode_json($out)->{entries_before}, 2, '… says how many there were');
is(sql('SELECT count(*) FROM cache.entries'), '0', '… and they are gone');

# ---- when something is wrong --------------------------------------------------------------------

sql('REVOKE USAGE ON SCHEMA cache FROM app', '--superuser');
cache('stats');
is($code, 1, 'without the right');
like($err, qr/^pgfirst: .*permission denied for schema cache/m, '… PostgreSQL says so');
is(cache('test'), 1, '… and the test fails');
unlike($out, qr/^ok/m, '… in every check');
unlike($out, qr/^speed/m, '… and measures nothing');
sql('GRANT USAGE ON SCHEMA cache TO app', '--superuser');
sql('DROP EXTENSION pgfirst; DROP EXTENSION pgfirst_cache', '--superuser');
cache('stats');
refused('without the extension', 1, 'does not have the extension pgfirst_cache', "CREATE EXTENSION pgfirst_cache CASCADE");
sql('CREATE EXTENSION pgfirst CASCADE', '--superuser');
sql('GRANT USAGE ON SCHEMA cache TO app', '--superuser');
sql("ALTER ROLE app SET pgfirst.cache_database = 9", '--superuser');
is(cache('test', '--json'), 1, 'a database that is not there');
$report = decode_json($out);
ok(!$report->{ok} && !exists $report->{per_second}, '… is no success');
sql("ALTER ROLE app RESET pgfirst.cache_database", '--superuser');
pgfirst('restart', '--dir', $dir, '--redis-port', 0);
is(cache('test'), 0, 'with the Redis door closed') or diag($out, $err);
like($out, qr/^ok +redis +the Redis door of this cluster is closed: not tried$/m, '… that is said');
pgfirst('down', '--dir', $dir);
for my $verb (qw(stats cleanup clear test))
{
	cache($verb, $verb eq 'clear' ? '--yes' : ());
	refused("cache $verb of a cluster that is stopped", 3, 'is not running', 'pgfirst up --dir');
}

done_testing();
