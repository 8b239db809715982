# SPDX-License-Identifier: PostgreSQL
#
# PgfirstErrors: the errors that the sources can report, and those that docs/errors.md explains.
#
#   for my $error (sql_errors($share)) { … }   a hash each: at, level, state, text
#   for my $error (door_errors()) { … }        a hash each: at, code, text
#   my @rows = explained('SQL');               the rows of the tables of a section of the page: head, cells, texts
#   says($row_text, $error_text)               whether the text of a row is that of an error
#
# Sources are read as text, not compiled: comments are taken away, literals that stand beside each other are one,
# and what a format fills in is the character HOLE. So a text is found wherever it stands in a call, and one
# that is made of variables alone is not.
package PgfirstErrors;

use strict;
use warnings;
use utf8;

use Exporter 'import';
use FindBin;

our @EXPORT = qw(sql_errors door_errors exit_codes explained says HOLE);

use constant HOLE => "\x01";

my $root = "$FindBin::RealBin/../..";

sub slurp
{
	my ($name) = @_;

	open my $file, '<:utf8', $name or die "$name: $!";
	local $/;
	return <$file>;
}

# The checked-in sources below these directories.
sub sources
{
	my ($pattern, @directories) = @_;
	my @found;

	for my $directory (@directories)
	{
		opendir my $entries, "$root/$directory" or die "$directory: $!";
		for my $entry (sort readdir $entries)
		{
			next if $entry =~ /^\./ || $entry eq 'test';
			push @found, "$directory/$entry" if $entry =~ $pattern;
			push @found, sources($pattern, "$directory/$entry") if -d "$root/$directory/$entry";
		}
	}
	return @found;
}

# ---- C ---------------------------------------------------------------------------------------

my $literal = qr/"(?:[^"\\]|\\.)*"/s;

# Macros that stand for a literal, or for a piece of one.
my %macros = (UINT64_FORMAT => '"%d"', INT64_FORMAT => '"%d"');

# Without comments and with each row of literals as one; the number of lines stays.
sub c_source
{
	my ($name) = @_;
	my $text = slurp("$root/$name");

	# A character may be a quotation mark.
	$text =~ s{($literal)|'(?:[^'\\]|\\.)+'|(/\*.*?\*/)|//[^\n]*}
		{ my ($kept, $gone) = ($1, $2 // '0'); $gone =~ s/[^\n]//g if defined $2; $kept // $gone }gsex;
	while ($text =~ /^#define\s+([A-Z_]+)(?:[ \t]|\\\n)+($literal(?:(?:\s|\\\n)*$literal)*)[ \t]*$/gm)
	{
		my ($macro, $words) = ($1, $2);
		$macros{$macro} = '"' . joined($words) . '"';
	}
	$text =~ s/^(#define\s+)([A-Z_]+)/$1 . lc $2/gme;
	return $text;
}

sub joined
{
	my ($words) = @_;

	return join '', map { substr $_, 1, -1 } $words =~ /$literal/g;
}

# The text of a literal, with a HOLE for each thing that the format fills in.
sub filled
{
	my ($words) = @_;

	$words =~ s/\\r\\n$//;
	$words =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ge;
	$words =~ s/%%|(%[-+ #0]*(?:\d+\$)?(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|z|j|t)?[a-zA-Z])/defined $1 ? HOLE : '%'/ge;
	return $words;
}

# A literal, or several beside each other, macros among them.
sub texts_in
{
	my ($text) = @_;
	my @texts;

	my $names = join '|', map { "\\b$_\\b" } sort keys %macros;
	while ($text =~ /((?:$names|$literal)(?:\s*(?:$names|$literal))*)/g)
	{
		my ($row, $start) = ($1, $-[1]);
		$row =~ s/($names)/$macros{$1}/g if $row !~ /^$literal$/;
		push @texts, [ filled(joined($row)), $start ];
	}
	return @texts;
}

# What stands between the parenthesis at this place and the one that closes it.
sub enclosed
{
	my ($text, $open) = @_;
	my $depth = 0;

	pos($text) = $open;
	while ($text =~ /\G(?:$literal|([()])|.)/gs)
	{
		next if !defined $1;
		$depth += $1 eq '(' ? 1 : -1;
		return substr $text, $open + 1, pos($text) - $open - 2 if $depth == 0;
	}
	die 'a parenthesis is not closed';
}

sub line_of { return 1 + (substr($_[0], 0, $_[1]) =~ tr/\n//); }

# ---- errors of SQL ---------------------------------------------------------------------------

# Names of conditions and of ERRCODE_ macros to SQLSTATEs, as PostgreSQL installs them.
sub states
{
	my ($share) = @_;
	my %states;

	for (split /\n/, slurp("$share/errcodes.txt"))
	{
		next if !/^(\w{5})\s+[EWS]\s+ERRCODE_(\w+)(?:\s+(\w+))?/;
		# Two may have one name, of which PL/pgSQL takes the first.
		$states{$2} //= $1;
		$states{$3} //= $1 if defined $3;
	}
	return \%states;
}

# A call may choose between texts that share a code, or that have one each; a warning has a code anyway.
sub each_of
{
	my ($at, $level, $codes, $texts) = @_;

	$level //= '';
	$codes = ['01000'] if !@$codes && $level eq 'WARNING';
	die "$at: " . @$codes . ' codes for ' . @$texts . ' texts' if @$codes > 1 && @$codes != @$texts;
	return map { { at => $at, level => $level, text => $texts->[$_], state => $codes->[@$codes > 1 ? $_ : 0] // '' } }
	  grep { $texts->[$_] ne HOLE } 0 .. $#$texts;
}

# Every ereport() of the sources and every RAISE of the extensions' scripts. SHARE is pg_config --sharedir.
sub sql_errors
{
	my ($share) = @_;
	my $states = states($share);
	my @errors;

	for my $name (sources(qr/\.[ch]$/, 'src'))
	{
		my $text = c_source($name);
		while ($text =~ /\bereport\s*\(/g)
		{
			my $at = "$name:" . line_of($text, $-[0]);
			my $call = enclosed($text, $+[0] - 1);
			my ($level) = $call =~ /^\s*(\w+)\s*,/;
			my @codes = map { $states->{$_} // die "$at: $_" } $call =~ /ERRCODE_(\w+)/g;
			my @texts;
			while ($call =~ /\berrmsg(?:_plural|_internal)?\s*\(/g)
			{
				# Only the format: what comes behind it are arguments.
				my ($first) = texts_in(enclosed($call, $+[0] - 1));
				push @texts, $first->[0] if $first && $first->[1] == 0;
			}
			push @errors, each_of($at, $level, \@codes, \@texts);
		}
	}
	for my $name (sources(qr/\.sql$/, 'src'))
	{
		my $text = slurp("$root/$name");
		while ($text =~ /\bRAISE\s+(\w+)\s+USING\s+(.*?);$/gsm)
		{
			my ($level, $options, $at) = ($1, $2, "$name:" . line_of($text, $-[0]));
			my ($code) = $options =~ /ERRCODE\s*=(.*?),\s*MESSAGE/s;
			my ($message) = $options =~ /MESSAGE\s*=(.*?)(?:,\s*HINT\b.*)?$/s;
			my @texts;
			while ($message =~ /'((?:[^']|'')*)'/g)
			{
				my $words = $1;
				next if substr($message, 0, $-[0]) =~ /coalesce\([^)]*$/;
				$words =~ s/''/'/g;
				$words =~ s/%[sIL]|\@extschema\@/HOLE/ge;
				push @texts, $words;
			}
			my @codes = map { $states->{$_} // die "$at: $_" } ($code // '') =~ /'(\w+)'/g;
			push @errors, each_of($at, $level eq 'EXCEPTION' ? 'ERROR' : $level, \@codes, \@texts);
		}
	}
	return @errors;
}

# ---- errors of the door ----------------------------------------------------------------------

# Every literal of the door that begins as an error does, "CODE words" or "-CODE words". What else begins with a word
# in capitals is SQL, or is help.
sub door_errors
{
	my @errors;

	for my $name (sources(qr/\.[ch]$/, 'src/kv', 'lib/resp', 'lib/lua'))
	{
		next if $name eq 'src/kv/cmd/table.c';
		my $text = c_source($name);
		for (texts_in($text))
		{
			my ($words, $start) = @$_;
			next if $words !~ /^-?(([A-Z]{2,}) \S.*)/s;
			push @errors, { at => "$name:" . line_of($text, $start), code => $2, text => $1 };
		}
	}
	return @errors;
}

# ---- the program -----------------------------------------------------------------------------

sub exit_codes
{
	my ($codes) = c_source('cli/common/fail.h') =~ /enum ExitCode\s*\{(.*?)\}/s;

	return $codes =~ /= (\d+)/g;
}

# ---- the page --------------------------------------------------------------------------------

sub explained
{
	my ($section) = @_;
	my @rows;

	my ($part) = slurp("$root/docs/errors.md") =~ /^## \Q$section\E\n(.*?)(?=^## |\z)/ms;
	while (defined $part && $part =~ /^\| (.*?) \|\n\| ---.*\n((?:\|.*\n)+)/mg)
	{
		my ($head, $body) = ($1, $2);
		for my $row (split /\n/, $body)
		{
			my @cells = split /\s*\|\s*/, $row =~ s/^\|\s*//r;
			push @rows, { head => $head, cells => \@cells, texts => [ $cells[0] =~ /`([^`]+)`/g ] };
		}
	}
	return @rows;
}

# Whether the text of a row, in which … stands for what varies, is that of an error of the sources or of the server.
sub says
{
	my ($row, $error) = @_;
	my $pattern = join '.+', map { quotemeta } split /…/, $row, -1;

	return $error =~ /^$pattern$/s;
}

1;
