# SPDX-License-Identifier: PostgreSQL
#
# Side-by-side runs against real peers, and the long run at a fixed load. bench/README.md says how
# they are meant and which variables they take.

## bench           run beside real peers, write docs/benchmarks.md (BENCH_QUICK=1: a trial, no page)
## soak            fixed load beside an idle transaction, a line a minute (SOAK_MINUTES=10)

BENCH_CC ?= cc
BENCH_LIBPQ := $(shell pkg-config --cflags --libs libpq 2>/dev/null || \
	echo -I`$(PG_CONFIG) --includedir` -L`$(PG_CONFIG) --libdir` -lpq)

build/bench/pgload: bench/redis/pgload.c bench/bench.mk
	@mkdir -p $(@D)
	$(BENCH_CC) -std=c11 -O2 -g $(WARNINGS) $(WERROR) -D_GNU_SOURCE $< -o $@ $(BENCH_LIBPQ)

build/bench/seqload: bench/redis/seqload.c bench/bench.mk
	@mkdir -p $(@D)
	$(BENCH_CC) -std=c11 -O2 -g $(WARNINGS) $(WERROR) -D_GNU_SOURCE $< -o $@

.PHONY: bench bench-report soak

bench:
	@bench/redis/run $(STAGES)

bench-report:
	@bench/redis/run report

soak:
	@bench/soak/run
