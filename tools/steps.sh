# SPDX-License-Identifier: PostgreSQL
# shellcheck shell=sh
#
# tools/steps.sh: sourced by the scripts that do things one line a step (make run, make test, CI).
#
#   step NAME TEXT COMMAND…   runs the command with its output in build/logs/NAME.log and prints one
#                             line with its seconds; on failure what failed and the log's end, and returns 1
#   private_tree              prints the pg_config of this checkout's own copy of PostgreSQL
#
# The caller stands in the checkout's root.

# As root, files that are built must be readable for the user that servers run as.
umask 022
mkdir -p build/logs

# The PostgreSQL that private trees are copies of; asked once, before PG_CONFIG names a copy.
source_config=$(tools/pg-major --config)

now_ms()
{
	date +%s%3N
}

# 1234 -> "1.2 s"
seconds()
{
	printf '%d.%d s' "$(($1 / 1000))" "$(($1 % 1000 / 100))"
}

# What of a log says that something failed, with what tests and servers say about it, then its end, where the reason
# usually is.
wrong_of()
{
	{ awk '/^ *not ok|^ *# a server|FAILED|rror:|timed out/ { print; said = 12; next }
		/^ *#/ && said > 0 { print; said--; next }
		/^$/ { next } # Test::More begins with one what it says under a harness
		{ said = 0 }' "$1" | cut -c1-300 | head -n 60
	  echo "…"; tail -n 25 "$1"; } | sed 's/^/    /'
	echo "    (all of it: $1)"
}

step()
{
	step_log=build/logs/$1.log
	step_text=$2
	shift 2
	step_begin=$(now_ms)
	if "$@" >"$step_log" 2>&1 </dev/null; then
		printf '%8s  %s\n' "$(seconds $(($(now_ms) - step_begin)))" "$step_text"
		return 0
	fi
	printf '%8s  %s\n' FAILED "$step_text"
	wrong_of "$step_log"
	return 1
}

# Where a copy of the installed PostgreSQL stands for building and testing; see tools/pgtree.
private_tree()
{
	PG_CONFIG=$source_config tools/pgtree "${PRIVATE_TREE:-$PWD/build/pg}"
}

# Builds everything and installs it into the private tree. Needs the packages of `build`.
build_private()
{
	build_config=$(private_tree) || return 1
	make -s -j"$(nproc)" PG_CONFIG="$build_config" all || return 1
	make -s PG_CONFIG="$build_config" PROGRAM_DIR="$("$build_config" --bindir)" \
		PROGRAM_MANDIR="$("$build_config" --mandir)" install
}

# What this script calls make for is its own business: no flags, no job server from above.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
