# SPDX-License-Identifier: PostgreSQL
#
# Every test through one runner. Each layer's own targets stand in the fragment beside it.

## test            install what is missing, build, run every test (LAYER="tap unit" TEST=name: some)
## check-asan      the unit tests and the server with ASan and UBSan (the fuzzers always have them)

.PHONY: test check-asan check-asan-server

test:
	@test/run

check-asan: check-unit-asan check-asan-server

# The library is built with both sanitizers and preloaded into an otherwise ordinary PostgreSQL, a private copy of
# its own; PostgreSQL's memory contexts stay as they are.
check-asan-server:
	@SANITIZE=1 LAYER="$${LAYER:-regress isolation tap clients}" test/run
