# SPDX-License-Identifier: PostgreSQL
#
# Reads what gcov --stdout says about one source file, prints the share of its lines that ran and
# every line that did not, and fails if there is one.

BEGIN {
	FS = ":"
}

{
	count = $1
	gsub(/[ *]/, "", count)
}

$2 + 0 == 0 || count == "-" {
	next
}

{
	lines++
	if (count ~ /^[#=]/)
		missed[++misses] = $0
}

END {
	printf "%6.2f %% of %4d lines  %s\n", lines ? 100 * (lines - misses) / lines : 0, lines, source
	for (i = 1; i <= misses; i++)
		print missed[i]
	exit misses > 0 || !lines
}
