# SPDX-License-Identifier: PostgreSQL
#
# Every test through one runner. Each layer's own targets stand in the fragment beside it.

## test            install what is missing, build, run every test (LAYER="tap unit" TEST=name: some)
## soak            flat latency, memory and size under steady load for an hour (SOAK_SECONDS)

.PHONY: test

test:
	@test/run
