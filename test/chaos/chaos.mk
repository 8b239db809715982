# SPDX-License-Identifier: PostgreSQL
#
## chaos           fifty rounds of kill -9 under load, counted (CHAOS_ROUNDS, CHAOS_SEED)

.PHONY: chaos

chaos:
	@test/chaos/rounds

build/chaos/load: test/chaos/load.c
	@mkdir -p $(@D)
	$(SHIM_CC) -std=c11 -O2 -Wall -Wextra -Wmissing-prototypes -Wshadow -Wvla -Werror -o $@.new $<
	@mv $@.new $@
