# SPDX-License-Identifier: PostgreSQL
#
# The checks that keep the house in order can fail: each rule meets a small tree that breaks it,
# and a tree that keeps it.

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use Test::More;

my $tools = "$FindBin::RealBin/../../tools";

# A tree of these files (path => content), beside an ARCHITECTURE.md with one edge.
sub tree
{
	my %files = @_;
	my $dir = tempdir(CLEANUP => 1);

	$files{'ARCHITECTURE.md'} //= "```edges\ncache -> kv\n```\n";
	foreach my $path (keys %files)
	{
		make_path(dirname("$dir/$path"));
		open my $file, '>', "$dir/$path" or die "$path: $!";
		print $file $files{$path};
		close $file;
	}
	return $dir;
}

# Runs a tool over a tree; returns its exit code and what it said.
sub verdict
{
	my ($tool, %files) = @_;
	my $dir = tree(%files);
	my $said = `"$tools/$tool" "$dir" 2>&1`;
	return ($? >> 8, $said);
}

sub accepts
{
	my ($tool, $name, %files) = @_;
	my ($code, $said) = verdict($tool, %files);
	is($code, 0, "$tool accepts $name") or diag($said);
}

sub refuses
{
	my ($tool, $name, $words, %files) = @_;
	my ($code, $said) = verdict($tool, %files);
	ok($code != 0 && $said =~ $words, "$tool refuses $name") or diag("exit $code: $said");
}

# ---- check-layers ----------------------------------------------------------------------------

my $pg = qq{#include "postgres.h"\n};
my %house = (
	'lib/hash/hash.h' => "",
	'lib/hash/hash.c' => qq{#include "hash.h"\n#include <stdint.h>\n},
	'src/base/guc.h' => "",
	'src/base/compat.h' => "#if PG_VERSION_NUM < 170000\n#endif\n",
	'src/store/store.h' => "",
	'src/store/tree_int.h' => "",
	'src/kv/kv.h' => "",
	'src/kv/kv_int.h' => "",
	'src/kv/cmd/table.h' => "",
	'src/cache/cache.h' => "",
	'src/kv/kv.c' => $pg
	  . qq{#include "lib/hash/hash.h"\n#include "base/guc.h"\n#include "store/store.h"\n#include "kv_int.h"\n},
	'src/cache/cache.c' => $pg . qq{#include "kv/kv.h"\n},
	'src/pgfirst.c' => $pg . qq{#include "kv/kv.h"\n#include "cache/cache.h"\n}
	  . "extern PGDLLEXPORT void _PG_init(void);\n",
	'cli/main.c' => qq{#include <libpq-fe.h>\n#include "lib/hash/hash.h"\n},
	'test/unit/hash.c' => qq{#include "lib/hash/hash.h"\n});

accepts('check-layers', 'arrows that point down', %house);

my @wrong = (
	[ 'lib on PostgreSQL', qr/lib is pure/, 'lib/hash/x.c' => $pg ],
	[ 'lib on sockets', qr/lib is pure/, 'lib/hash/x.c' => "#include <sys/socket.h>\n" ],
	[ 'lib on src', qr/lib may include lib only/, 'lib/hash/x.c' => qq{#include "src/base/guc.h"\n} ],
	[ 'base on store', qr/base may not include/, 'src/base/x.c' => $pg . qq{#include "store/store.h"\n} ],
	[ 'store on a capability', qr/store may not include/, 'src/store/x.c' => $pg . qq{#include "kv/kv.h"\n} ],
	[ 'a capability on the inside of store', qr/private to store/,
		'src/kv/x.c' => $pg . qq{#include "store/tree_int.h"\n} ],
	[ 'an edge that nobody wrote down', qr/no edge kv -> cache/,
		'src/kv/x.c' => $pg . qq{#include "cache/cache.h"\n} ],
	[ 'the private header of another capability', qr/private to kv/,
		'src/cache/x.c' => $pg . qq{#include "kv/kv_int.h"\n} ],
	[ 'another capability below its front door', qr/is not public/,
		'src/cache/x.c' => $pg . qq{#include "kv/cmd/table.h"\n} ],
	[ 'data types on commands', qr/knows records only/,
		'src/kv/type/x.c' => $pg . qq{#include "kv/cmd/table.h"\n} ],
	[ 'base on the table of contents\' parts', qr/base may not include/,
		'src/base/x.c' => $pg . qq{#include "cache/cache.h"\n} ],
	[ 'the program on the server', qr/cli may include lib only/, 'cli/x.c' => qq{#include "src/kv/kv.h"\n} ],
	[ 'the program on postgres.h', qr/no part of the server/, 'cli/x.c' => $pg ],
	[ 'a unit test on the server', qr/unit may include lib only/, 'test/unit/x.c' => qq{#include "src/kv/kv.h"\n} ],
	[ 'a second compatibility header', qr/belongs in src\/base\/compat\.h/,
		'src/kv/x.c' => $pg . "#if PG_VERSION_NUM > 1\n#endif\n" ],
	[ 'a borrowed declaration', qr/extern in a \.c file/, 'src/kv/x.c' => $pg . "extern int kv_count;\n" ],
	[ 'postgres.h in second place', qr/postgres\.h comes first/,
		'src/kv/x.c' => qq{#include "base/guc.h"\n$pg} ],
	[ 'an include with odd spacing', qr/store may not include/,
		'src/store/x.c' => $pg . qq{  #  include   "kv/kv.h"\n} ],);

foreach my $case (@wrong)
{
	my ($name, $words, @files) = @$case;
	refuses('check-layers', $name, $words, %house, @files);
}

# Without the list of edges there is none.
refuses('check-layers', 'an edge without ARCHITECTURE.md', qr/no edge cache -> kv/,
	%house, 'ARCHITECTURE.md' => "");

# ---- check-size ------------------------------------------------------------------------------

sub function_of { return "static void\nf(void)\n{\n" . "\tg();\n" x ($_[0] - 2) . "}\n"; }

accepts('check-size', 'a function of 150 lines', 'a.c' => function_of(150));
refuses('check-size', 'a function of 151 lines', qr/a\.c:3: function of 151 lines/,
	'a.c' => function_of(151));
accepts('check-size', 'a long table', 'a.c' => "static const int t[] =\n{\n" . "\t1,\n" x 400 . "};\n");
accepts('check-size', 'a file of 1,000 lines', 'a.h' => "\n" x 1000);
refuses('check-size', 'a file of 1,001 lines without a reason', qr/does not say why/, 'a.h' => "\n" x 1001);
accepts('check-size', 'a file of 1,001 lines with a reason', 'a.h' => "/* Size: one table. */\n" . "\n" x 1000);
refuses('check-size', 'a file of 1,501 lines whatever it says', qr/at most 1,500/,
	'a.h' => "/* Size: one table. */\n" . "\n" x 1500);

# ---- check-words -----------------------------------------------------------------------------

accepts('check-words', 'ordinary text', 'a.md' => "See https://www.postgresql.org/docs/ and ~/x.\n");
refuses('check-words', 'a blank at the end of a line', qr/a\.md:1: blank/, 'a.md' => "word \n");
refuses('check-words', 'a carriage return', qr/carriage return/, 'a.md' => "word\r\n");
refuses('check-words', 'a last line without its end', qr/no end/, 'a.md' => "word");
refuses('check-words', 'a left-over of a merge', qr/merge/, 'a.md' => ">>>>>>> theirs\n");
refuses('check-words', 'a home directory', qr/home directory/, 'a.md' => "cd /" . "home/alice/src\n");
refuses('check-words', 'an unknown host', qr/does not know: mirror\.lan/, 'a.md' => "http://" . "mirror.lan/pool\n");

done_testing();
