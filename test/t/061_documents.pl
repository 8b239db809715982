# SPDX-License-Identifier: PostgreSQL
#
# The pages say what the server says: docs/kv.md names every command and every SQL function and no
# other, docs/settings.md every setting with its description and default.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use Test::More;

my $node = pgfirst_node('documents');
my $redis = redis($node);

sub page
{
	my ($name) = @_;
	open my $file, '<', "$FindBin::RealBin/../../docs/$name" or die "docs/$name: $!";
	local $/;
	return <$file>;
}

# ---- commands ------------------------------------------------------------------------------

# "client|list" of COMMAND LIST against "CLIENT (GETNAME … LIST …)" of the page's table.
my %said;
my ($table) = page('kv.md') =~ /^\| group \| commands \|\n(.*?)\n\n/ms;
for my $row (split /\n/, $table)
{
	my (undef, undef, $commands) = split /\|/, $row;
	next if $commands =~ /---/;
	while ($commands =~ /\b([A-Z_]+)\b(?: \(([-A-Z ]+)\))?/g)
	{
		my ($command, $subcommands) = (lc $1, lc($2 // ''));
		$said{$command} = 1;
		$said{"$command|$_"} = 1 for split / /, $subcommands;
	}
}
my %is = map { $_ => 1 } @{ $redis->call('COMMAND', 'LIST') };
is_deeply([ sort keys %said ], [ sort keys %is ], 'docs/kv.md names exactly the commands there are');

# ---- functions -----------------------------------------------------------------------------

my $kv = page('kv.md');
for my $function (split /\n/, $node->safe_psql('postgres', <<'SQL'))
	SELECT DISTINCT 'kv.' || proname FROM pg_proc p
	WHERE pronamespace = 'kv'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')
	AND prorettype <> 'trigger'::regtype AND proname NOT IN ('live_keys', 'string_of', 'hash_of', 'list_of', 'set_of', 'zset_of',
		'stream_of', 'database_counts')
	UNION SELECT unnest('{kv.create_database,kv.configure,kv.drop_database,kv.swap_databases}'::text[])
SQL
{
	like($kv, qr/\Q$function\E\(/, "docs/kv.md describes $function");
}

# ---- settings ------------------------------------------------------------------------------

my $settings = page('settings.md');
for my $row (split /\n/, $node->safe_psql('postgres',
	"SELECT name, short_desc FROM pg_settings WHERE name LIKE 'pgfirst.%'"))
{
	my ($name, $description) = split /\|/, $row;
	like($settings, qr/^## \Q$name\E\n\n\Q$description\E/m, "docs/settings.md describes $name");
}
my $named = () = $settings =~ /^## pgfirst\./mg;
is($named, $node->safe_psql('postgres', "SELECT count(*) FROM pg_settings WHERE name LIKE 'pgfirst.%'"),
	'and no other');

$node->stop;
done_testing();
