# SPDX-License-Identifier: PostgreSQL
#
# Every test through one runner. Each layer's own targets stand in the fragment beside it.

## test            install what is missing, build, run every test (LAYER="tap unit" TEST=name: some)
## check-asan      the unit tests, the fuzzers and the server with ASan and UBSan

.PHONY: test check-asan check-asan-server

test:
	@test/run

# The server's part: the library is built with both sanitizers and preloaded into an otherwise
# ordinary PostgreSQL, a private copy of its own; PostgreSQL's memory contexts stay as they are.
check-asan: check-unit-asan
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=$${FUZZ_SECONDS:-10}
	@SANITIZE=1 LAYER="$${LAYER:-regress isolation tap clients}" test/run

check-asan-server:
	@SANITIZE=1 LAYER="$${LAYER:-regress isolation tap clients}" test/run
