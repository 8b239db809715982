# SPDX-License-Identifier: PostgreSQL
# shellcheck shell=bash
#
# prepare.sh: sourced by bench/*/run, from the checkout's root: everything before the first
# measurement, and what must happen after the last however that ended.
#
#   bench_prepare NAME          packages, build, a work directory on a real disk
#   bench_python SCRIPT ARG…    runs a script of bench/ there, as a user who may run servers
#
# Servers refuse to run as root and should not. As root, what is run is copied into the work
# directory (a checkout may lie where only root may enter) and belongs to the user postgres from
# then on; results come out through $work/out. As anybody else it runs in place.
#
# The work directory is in BENCH_DIR, by default /var/tmp: /tmp is memory on many machines, and
# a durable write to memory is not one.
. tools/steps.sh

bench_prepare()
{
	tools/install-deps build bench || return 1
	step build "built, and installed into build/pg" build_private || return 1
	bench_config=$(private_tree)
	step bench-tools "built the load generator" \
		make -s PG_CONFIG="$bench_config" build/bench/pgload build/bench/seqload || return 1
	# The slow disk is a tool of the tests; without it those rows are left out, and said to be.
	if [ -z "${BENCH_SLOW_SYNC:-}" ] &&
		make -s PG_CONFIG="$bench_config" build/shim/slow_sync.so >build/logs/bench-shim.log 2>&1; then
		BENCH_SLOW_SYNC=build/shim/slow_sync.so
	fi

	work=$(mktemp -d "${BENCH_DIR:-/var/tmp}/pgfirst-$1-XXXXXX") || return 1
	trap bench_clean_up EXIT
	mkdir -p "$work/out" build/bench
	chmod 755 "$work"
	bench_tree=$PWD
	bench_user=()
	if [ "$(id -u)" = 0 ]; then
		local user=postgres
		id "$user" >/dev/null 2>&1 || user=nobody
		bench_tree=$work/tree
		mkdir -p "$bench_tree/build"
		cp -r bench "$bench_tree/"
		cp -r build/pg build/pgfirst build/bench "$bench_tree/build/"
		if [ -n "${BENCH_SLOW_SYNC:-}" ]; then
			cp "$BENCH_SLOW_SYNC" "$bench_tree/slow_sync.so"
			BENCH_SLOW_SYNC=$bench_tree/slow_sync.so
		fi
		chown -R "$user:" "$work"
		bench_user=(setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups)
	elif [ -n "${BENCH_SLOW_SYNC:-}" ]; then
		BENCH_SLOW_SYNC=$(realpath "$BENCH_SLOW_SYNC")
	fi
}

# What a killed run left running in the work directory, and only that; then the directory.
bench_clean_up()
{
	local file pid
	while read -r file; do
		pid=$(head -n 1 "$file" 2>/dev/null)
		[[ $pid =~ ^[0-9]+$ ]] && [ "$(readlink "/proc/$pid/cwd")" = "$(realpath "${file%/*}")" ] &&
			kill -QUIT "$pid" 2>/dev/null && echo "stopped what was left running: $pid" >&2
	done < <(find "$work" -name postmaster.pid -o -name redis.pid 2>/dev/null)
	if [ -n "${KEEP:-}" ]; then
		echo "left for you: $work" >&2
	else
		rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work"; }
	fi
}

bench_python()
{
	local child code bin peers commit variable
	local -a settings=()
	for variable in "${!BENCH_@}" "${!SOAK_@}"; do
		settings+=("$variable=${!variable}")
	done
	bin=$("$bench_config" --bindir)
	bin=${bin/#$PWD/$bench_tree}
	peers=$(tools/peer-path) || return 1
	commit=$(git describe --always 2>/dev/null)
	# Ten thousand connections need as many open files, in the servers and in who holds them.
	ulimit -n "$(ulimit -Hn)"
	(cd "$bench_tree" && exec "${bench_user[@]}" env -i LANG=C LC_ALL=C TZ=UTC HOME="$work" \
		PATH="$bin:$peers:/usr/local/bin:/usr/bin:/bin" \
		PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$bench_tree/bench" \
		PGFIRST_PG_BINDIR="$bin" BENCH_SLOW_SYNC="${BENCH_SLOW_SYNC:-}" "${settings[@]}" \
		BENCH_WORK="$work" BENCH_COMMIT="$commit" \
		/usr/bin/python3 "$@") &
	child=$!
	# The script stops what it has started; we wait until it has.
	trap 'kill -TERM $child 2>/dev/null' INT TERM HUP
	wait $child
	code=$?
	while kill -0 $child 2>/dev/null; do
		wait $child
		code=$?
	done
	trap - INT TERM HUP
	return $code
}
