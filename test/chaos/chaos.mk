# SPDX-License-Identifier: PostgreSQL
#
## chaos           fifty rounds of kill -9 under each load, counted (CHAOS_ROUNDS, CHAOS_SEED)

.PHONY: chaos

chaos:
	@test/chaos/rounds

CHAOS_LOAD := $(addprefix test/chaos/,load.c known.c ask.c answer.c)

build/chaos/load: $(CHAOS_LOAD) test/chaos/load.h
	@mkdir -p $(@D)
	$(SHIM_CC) -std=c11 -O2 -Wall -Wextra -Wmissing-prototypes -Wshadow -Wvla -Werror -o $@.new $(CHAOS_LOAD)
	@mv $@.new $@
