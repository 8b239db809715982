# SPDX-License-Identifier: PostgreSQL
#
# libFuzzer on every parser of lib/. Everything goes under build/fuzz/; the committed seeds in
# test/fuzz/corpus/ are read, what is found goes to build/fuzz/corpus/ and is used again.
#
#   make fuzz                 run each for FUZZ_SECONDS; an input that fails stays in build/fuzz/
#   make fuzz-<name>          one of them

FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
FUZZ_NAMES := $(patsubst test/fuzz/fuzz_%.c,%,$(sort $(wildcard test/fuzz/fuzz_*.c)))
FUZZ_LIB := $(sort $(wildcard lib/*/*.c))
FUZZ_HEADERS := $(wildcard lib/*/*.h test/unit/*.h test/fuzz/*.h)
FUZZ_CFLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L -I. $(LUA_CPPFLAGS) -g -O1 -fno-omit-frame-pointer -Wall -Wextra \
	-Wmissing-prototypes -Wshadow -Wvla -Werror \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

.PHONY: fuzz $(FUZZ_NAMES:%=fuzz-%)

fuzz: $(FUZZ_NAMES:%=fuzz-%)

$(FUZZ_NAMES:%=build/fuzz/fuzz_%): build/fuzz/%: test/fuzz/%.c $(FUZZ_LIB) $(FUZZ_HEADERS) \
		test/fuzz/fuzz.mk
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $< $(FUZZ_LIB) -o $@ $(LUA_LIBS) -lm

$(FUZZ_NAMES:%=fuzz-%): fuzz-%: build/fuzz/fuzz_%
	@mkdir -p build/fuzz/corpus/$*
	./$< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=4096 -verbosity=0 -print_final_stats=1 \
		-artifact_prefix=build/fuzz/$*- build/fuzz/corpus/$* test/fuzz/corpus/$*
