# SPDX-License-Identifier: PostgreSQL
#
# 079_chaos_collections.pl: kills processes under a load on queues and other collections, and counts what was
# acknowledged, what was served, and to whom; see test/chaos/queues.py for what must hold. A few rounds here,
# CHAOS_ROUNDS of them by `make chaos`, in an order that CHAOS_SEED decides, on the servers of
# test/perl/PgfirstChaos.pm. The standby must have the same collections after each round.
#
# Seen to fail, in the round that stands behind it: a reply to BLPOP and its like that leaves before its change is
# durable (1); BLPOP that now and then does not write back the list that it took from (1); a push that does not write
# the root of a paged list (1); BLMOVE that does not write the list that it moves to (1); what belongs together read
# without looking whether it has changed meanwhile (1); records of one unit that become visible one by one, a
# millisecond apart (2); a push that does not wake clients of another worker (3).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstChaos;
use PgfirstTest;
use Test::More;
use Time::HiRes qw(time);

my $root = "$FindBin::RealBin/../..";
my $patience = 10; # seconds until who waits gets an element, from when the server serves again

chaos_load(sub { return ('python3', "$root/test/chaos/queues.py", redis_port($_[0]), 'secret', chaos_seed()); }, 100);

# All keys with all of their elements, as a dump has them.
sub contents
{
	return $_[0]->safe_psql('postgres',
		'SELECT key, piece, pieces, type, expiry, length(payload), md5(payload) FROM kv.database_0 ORDER BY key, piece');
}

# Nobody goes on waiting where there is something; the names of who does, '' if all are served.
sub not_served
{
	my ($server) = @_;
	my $said = 'waiting';

	chaos_order($server, 'mark', qr/^marked/);
	eval {
		wait_until('consumers', sub {
			$said = chaos_order($server, 'waiting', qr/^waiting/);
			return $said =~ /^waiting 0/;
		}, $patience);
	};
	return $said =~ s/^waiting 0$//r;
}

sub round
{
	my ($number, $server, $kind) = @_;

	chaos_order($server, 'go', qr/^running/);
	chaos_goes_on($server, 'the load');
	my $back = chaos_harm($server, $kind);
	my $served = time;
	my $not_served = not_served($server);
	$served = time - $served;

	chaos_order($server, 'stop', qr/^stopped/);
	my $checked = chaos_order($server, 'check', qr/^checked/);
	ok($checked =~ / 0 wrong$/ && chaos_damage($server) eq '',
		"round $number, $server->{name}: $kind; back after " . sprintf('%.1f s', $back));
	note $checked;
	is($not_served, '', '… and who waits is served, all within ' . sprintf('%.1f s', $served));
	my $standby = chaos_standby($server) or return;
	is(contents($standby), contents($server->{node}), '… and the standby has the same collections');
}

# No session of SQL takes part; and the few rounds are for what is harder than a process that is asked to end.
my @gentle = $ENV{CHAOS_ROUNDS} ? () : ('worker, gently', 'flush helper, gently');
my $rounds = chaos_rounds(3, \&round, 'backend', @gentle);
my $seed = chaos_seed();
my %sum = chaos_end();
cmp_ok($sum{served}, '>', 1000, "seed $seed, $rounds rounds: $sum{served} elements were served");
cmp_ok($sum{transactions}, '>', 100, "… and $sum{transactions} transactions were sent");
cmp_ok($sum{scripts}, '>', 100, "… and $sum{scripts} scripts");
is($sum{halves}, 0, '… and nobody was shown a half of what belongs together');
is($sum{wrong}, 0, "… and of $sum{acknowledged} acknowledged writes none is missing, but $sum{gone} elements that "
	  . "may have been served to $sum{lost} lost connections");
done_testing();
