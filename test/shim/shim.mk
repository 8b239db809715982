# SPDX-License-Identifier: PostgreSQL
#
# Libraries for LD_PRELOAD that make a server's disk slow or its clock wrong, or leave it without memory.
# Tests and benchmarks build what they need: make build/shim/slow_sync.so

SHIM_CC ?= cc

build/shim/%.so: test/shim/%.c
	@mkdir -p $(@D)
	$(SHIM_CC) -std=c11 -O2 -Wall -Wextra -Wmissing-prototypes -Werror -fPIC -shared -o $@.new $< -ldl
	@mv $@.new $@
