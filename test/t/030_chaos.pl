# SPDX-License-Identifier: PostgreSQL
#
# 030_chaos.pl: kills processes under load and counts what was acknowledged; see test/chaos/load.h for
# what is known and compared. A few rounds here, CHAOS_ROUNDS of them by `make chaos`, in an order
# that CHAOS_SEED decides, on the servers of test/perl/PgfirstChaos.pm. The standby must have the same keys
# after each round.
#
# Seen to fail, within as many rounds as stand behind it: a script of which each command is a unit of its own (7);
# units_across_stores() that finds none (9); run_attempt() that keeps what it should undo (7), or does not look at
# what it has read once more (6); a reply to EVAL that leaves before what it wrote is durable (21);
# kv_shared_script() that finds nothing (4).

use strict;
use warnings;

use FindBin;
use List::Util qw(sum0);
use lib "$FindBin::RealBin/../perl";
use PgfirstChaos;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my %sql; # the last number that was acknowledged through SQL, by the server's name

system('make', '-s', '-C', $root, 'build/chaos/load') == 0 or die "cannot build the load\n";
chaos_load(sub { return ("$root/build/chaos/load", redis_port($_[0]), 'secret', 30, 10, chaos_seed()); }, 300);

# Everything that a server has, keys, values and expiries, as one number.
sub contents
{
	return $_[0]->safe_psql('postgres',
		q{SELECT count(*), md5(string_agg(key || '=' || kv.get_text(key, db) || expires_at::text, ',' ORDER BY db, key_bytes)),
			md5(string_agg(key || '=' || kv.get_text(key, db), ',' ORDER BY db, key_bytes)) FROM kv.keys});
}

# A session that sets keys through SQL, one after the other, and writes down what was acknowledged.
sub sql_begin
{
	my ($server) = @_;
	my $node = $server->{node};
	my $script = $node->basedir . '/sql';
	my $first = ($server->{sql} //= 0) + 1;

	open(my $file, '>', $script) or die $!;
	print $file "SELECT 'acked ' || $_ FROM (SELECT kv.set('sql:' || $_ % 10, '$_')) AS done;\n"
	  for $first .. $first + 50000;
	close $file;
	my $pid = fork // die $!;
	if ($pid == 0)
	{
		open(STDOUT, '>', "$script.out") or die $!;
		open(STDERR, '>', "$script.err") or die $!;
		exec 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-f', $script,
		  $node->connstr('postgres') . " application_name='chaos sql'";
	}
	$server->{sql_pid} = $pid;
}

sub sql_end
{
	my ($server) = @_;
	my $node = $server->{node};

	kill 'TERM', $server->{sql_pid};
	waitpid $server->{sql_pid}, 0;
	my @acked = PostgreSQL::Test::Utils::slurp_file($node->basedir . '/sql.out') =~ /acked (\d+)\n/g;
	$server->{sql} = $acked[-1] if @acked;
	my $is = $node->safe_psql('postgres',
		"SELECT string_agg(kv.get_text('sql:' || k) , ' ' ORDER BY k) FROM generate_series(0, 9) k");
	my %is = map { $_ % 10 => $_ } split ' ', $is;
	my $wrong = 0;
	for my $n (0 .. 9)
	{
		# The last number that was acknowledged for this key; one more may have happened.
		my $wanted = $server->{sql} - ($server->{sql} - $n) % 10;
		next if $wanted <= 0;
		my $value = $is{$n} // 0;
		next if $value >= $wanted && $value <= $server->{sql} + 1;
		diag "sql:$n is $value, $wanted was acknowledged, $server->{sql} as the last";
		$wrong++;
	}
	# What happened and was not acknowledged is taken as done.
	$server->{sql}++ if ($is{ ($server->{sql} + 1) % 10 } // 0) == $server->{sql} + 1;
	return $wrong;
}

# ---- the rounds ------------------------------------------------------------------------------------

sub round
{
	my ($number, $server, $kind) = @_;
	my $node = $server->{node};

	chaos_order($server, 'go', qr/^writing/);
	sql_begin($server);
	chaos_goes_on($server, 'the load');
	wait_until('the load of SQL', sub { return -s $node->basedir . '/sql.out'; });
	my $back = chaos_harm($server, $kind);

	chaos_order($server, 'stop', qr/^stopped/);
	my $sql_wrong = sql_end($server);
	$sql{ $server->{name} } = $server->{sql};
	my $checked = chaos_order($server, 'check', qr/^checked/);
	my $shown = $node->safe_psql('postgres',
		"SELECT key || E'\\t' || split_part(kv.get_text(key, db), ' ', 1) FROM kv.keys WHERE key LIKE 'chaos:%'");
	my $by_sql = chaos_order($server, "sql\n$shown\n", qr/^sql/);

	ok($checked =~ / 0 wrong$/ && $by_sql =~ / 0 wrong$/ && $sql_wrong == 0 && chaos_damage($server) eq '',
		"round $number, $server->{name}: $kind; back after " . sprintf('%.1f s', $back));
	note "$checked; $by_sql";
	my $standby = chaos_standby($server) or return;
	is(contents($standby), contents($node), '… and the standby has the same keys');
}

my $rounds = chaos_rounds(5, \&round);
my $seed = chaos_seed();
my %sum = chaos_end();
my $acknowledged = $sum{acknowledged} + sum0(values %sql);
cmp_ok($sum{scripts}, '>', 100, "seed $seed, $rounds rounds: $sum{scripts} acknowledged scripts");
cmp_ok($sum{transactions}, '>', 100, "… and $sum{transactions} acknowledged transactions");
is($sum{halves}, 0, "… and nobody was shown a half of one, of $sum{groups} times that somebody looked");
is($sum{wrong}, 0, "… and of $acknowledged acknowledged writes and $sum{shown} shown values none is missing");
done_testing();
