# SPDX-License-Identifier: PostgreSQL
#
# 064_heap_and_back.pl: what a store holds goes into ordinary tables and comes back, with values that a
# heap cannot keep on its pages: pieces of a megabyte that nothing compresses go into a TOAST table.
# Every byte of every value comes back, by CREATE TABLE AS, ALTER TABLE, INSERT and COPY.
#
# ALTER TABLE gives a heap a TOAST table only where the table has one before, so a store says that it wants
# one while it is being altered.
#
# Seen to fail: scan_give_piece() in src/store/am_scan.c that gives each piece from the beginning of the
# value; slot_bytes() in src/store/am_rows.c that takes a value as it stands in the tuple, without
# PostgreSQL's detoasting; am_needs_toast_table() that says no (a row is too big).

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = pgfirst_node('heap', conf => "autovacuum = off\nwal_consistency_checking = 'all'\n");
my $redis = redis($node, timeout => 120);
my $dir = $node->basedir;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# ---- keys ------------------------------------------------------------------------------------------

# Bytes of which no two pieces are alike and none can be compressed (xorshift).
sub bytes
{
	my ($length, $seed) = @_;
	my @words;
	my $word = $seed * 2654435761 % 2**32 || 1;

	for (1 .. ($length + 3) / 4)
	{
		$word ^= $word << 13 & 0xffffffff;
		$word ^= $word >> 17;
		$word ^= $word << 5 & 0xffffffff;
		push @words, $word;
	}
	return substr pack('N*', @words), 0, $length;
}

# Around what fits into a row of a heap, into one part of a store's record, into one piece.
my $piece = 1024 * 1024;
my @lengths = (0, 1, 1990, 2040, 8100, 8192, 100_000, $piece - 1, $piece, $piece + 1, 3 * $piece, 5 * $piece + 12_345);
my %values = map { ("bytes:$lengths[$_]" => bytes($lengths[$_], $_ + 1)) } 0 .. $#lengths;
$values{"even:$_"} = 'x' x $_ for 3000, 300_000, 2 * $piece + 1;
$values{"small:$_"} = "value $_" for 1 .. 1000;
my %digests = map { ($_ => md5_hex($values{$_})) } keys %values;
my $pieces = 0;
$pieces += length $_ ? int((length($_) + $piece - 1) / $piece) : 1 for values %values;

for my $key (sort keys %values)
{
	$redis->send('SET', $key, $values{$key}, $key =~ /[13]$/ ? ('EX', 100_000) : ());
}
is(join(' ', map { $redis->reply } keys %values), join(' ', map { 'OK' } keys %values), 'keys, with values up to 5 MB');

# ---- what must be the same ---------------------------------------------------------------------------

# A table's rows make the values, piece by piece.
sub rows_are_right
{
	my ($table, $name) = @_;
	my %found = map { split /\|/ } split /\n/, sql("SELECT convert_from(key, 'UTF8'), md5(string_agg(payload, ''::bytea ORDER BY piece))"
		. " FROM $table GROUP BY key HAVING count(*) = max(pieces) AND count(DISTINCT piece) = max(pieces) AND min(piece) = 1");

	is_deeply(\%found, \%digests, "$name: every value, byte by byte");
	is(sql("SELECT count(*), count(DISTINCT expiry) > 0, count(*) FILTER (WHERE length(payload) > $piece) FROM $table"),
		"$pieces|t|0", '… in pieces of a megabyte');
}

# What the door says of the same.
sub door_is_right
{
	my ($name) = @_;
	my %found = map { my $value = $redis->call('GET', $_); ($_ => md5_hex($value // 'nothing')) } keys %values;

	is_deeply(\%found, \%digests, "$name: the door finds every value");
	is($redis->call('DBSIZE'), scalar(keys %values), '… and counts the keys');
	is(join(' ', map { $redis->call('TTL', $_) > 90_000 ? 1 : 0 } sort keys %values),
		join(' ', map { /[13]$/ ? 1 : 0 } sort keys %values), '… which expire as before');
	is(store_check($node), '', '… on sound pages');
}

sub method_of
{
	my ($table) = @_;

	return sql("SELECT a.amname, c.reltoastrelid <> 0 FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.oid = '$table'::regclass");
}

door_is_right('to begin with');
rows_are_right('kv.database_0', 'as a store');

# ---- ALTER TABLE to a heap -------------------------------------------------------------------------------

sql('CREATE TABLE copy USING pgfirst_store AS TABLE kv.database_0');
is(method_of('copy'), 'pgfirst_store|f', 'a store that is made has no TOAST table');
sql('ALTER TABLE copy SET ACCESS METHOD heap');
is(method_of('copy'), 'heap|t', 'SET ACCESS METHOD heap, with values that need TOAST');
rows_are_right('copy', '… as before');
sql('ALTER TABLE copy SET ACCESS METHOD pgfirst_store');
is(method_of('copy'), 'pgfirst_store|f', '… and back');
rows_are_right('copy', '… as before');
sql('ALTER TABLE copy SET UNLOGGED');
is(method_of('copy'), 'pgfirst_store|f', 'nor has one that is rewritten');
rows_are_right('copy', '… as before');
door_is_right('and then');

# What fits, compressed where it can be, goes there and back.
sql("CREATE TABLE fits USING pgfirst_store AS SELECT * FROM kv.database_0 WHERE pieces = 1 AND (length(payload) <= 8000 OR key = 'even:300000')");
my $fits = sql('SELECT count(*) FROM fits');
cmp_ok($fits, '>', 1000, 'keys whose values fit into a row');
for my $round (1 .. 2)
{
	sql('ALTER TABLE fits SET ACCESS METHOD heap');
	is(method_of('fits'), 'heap|t', "round $round: SET ACCESS METHOD heap");
	is(sql('SELECT count(*) FROM (TABLE fits INTERSECT TABLE kv.database_0) s'), $fits, '… with every one of them');
	sql('ALTER TABLE fits SET ACCESS METHOD pgfirst_store');
	is(method_of('fits'), 'pgfirst_store|f', '… and back');
	is(sql('SELECT count(*) FROM (TABLE fits INTERSECT TABLE kv.database_0) s'), $fits, '… with every one of them');
}

# ---- a heap with a TOAST table, and back -------------------------------------------------------------------

sql('CREATE TABLE plain USING heap AS TABLE kv.database_0');
is(method_of('plain'), 'heap|t', 'CREATE TABLE USING heap AS: with a TOAST table');
cmp_ok(sql("SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'plain'::regclass"), '>', 10 * $piece,
	'… in which the large values are');
rows_are_right('plain', 'as a heap');
sql('CREATE TABLE back USING heap AS TABLE plain; ALTER TABLE back SET ACCESS METHOD pgfirst_store');
is(method_of('back'), 'pgfirst_store|f', 'SET ACCESS METHOD pgfirst_store: the TOAST table is gone');
rows_are_right('back', 'as a store');
is(sql('SELECT count(*) FROM (TABLE back EXCEPT TABLE kv.database_0) d'), 0, '… rows are as they were');

# ---- the database of the door, from a heap and from files -------------------------------------------------

# In the order of the pieces; what a heap gives is in any.
sql('TRUNCATE kv.database_0; INSERT INTO kv.database_0 SELECT * FROM plain ORDER BY key, piece');
door_is_right('INSERT of what a heap has');
for my $format ('text', 'binary')
{
	sql("COPY (SELECT * FROM plain ORDER BY key DESC, piece) TO '$dir/plain.$format' (FORMAT $format)");
	sql("TRUNCATE kv.database_0; COPY kv.database_0 FROM '$dir/plain.$format' (FORMAT $format)");
	door_is_right("COPY of what a heap has, as $format");
}
my ($code, undef, $said) = $node->psql('postgres', "CREATE TABLE bad USING pgfirst_store AS SELECT * FROM plain ORDER BY piece DESC, key");
isnt($code, 0, 'pieces in the wrong order');
like($said, qr/ERROR: .*without those before it/, '… are refused');
is(sql("SELECT to_regclass('bad') IS NULL"), 't', '… and nothing of them is there');

$node->stop;
done_testing();
