# SPDX-License-Identifier: PostgreSQL
#
# Unit tests of lib/ with cmocka, one program per folder of lib/. Everything goes under build/unit/.
#
#   make check-unit           build with warnings as errors, run all
#   make check-unit-asan      the same with AddressSanitizer and UndefinedBehaviorSanitizer
#   make coverage             run all and say how much of lib/ ran; fails below 100 % of lines

UNIT_CC ?= gcc
UNIT_TESTS := $(patsubst test/unit/%.c,%,$(sort $(wildcard test/unit/test_*.c)))
UNIT_LIB := $(sort $(wildcard lib/*/*.c))
UNIT_HEADERS := $(wildcard lib/*/*.h test/unit/*.h)
UNIT_CFLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L -I. $(LUA_CPPFLAGS) -g -Wall -Wextra -Wmissing-prototypes \
	-Wshadow -Wvla -Werror

UNIT_PLAIN := -O2
UNIT_ASAN := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_COVERAGE := -O0 --coverage

# $(call unit_variant,name,flags): objects and test programs under build/unit/<name>/.
define unit_variant
build/unit/$(1)/%.o: %.c $(UNIT_HEADERS) test/unit/unit.mk
	@mkdir -p $$(@D)
	$(UNIT_CC) $(UNIT_CFLAGS) $(2) -c $$< -o $$@

$(UNIT_TESTS:%=build/unit/$(1)/%): build/unit/$(1)/%: build/unit/$(1)/test/unit/%.o \
		$(UNIT_LIB:%.c=build/unit/$(1)/%.o)
	$(UNIT_CC) $(2) $$^ -o $$@ -lcmocka $(LUA_LIBS) -lm

.SECONDARY: $(UNIT_TESTS:%=build/unit/$(1)/test/unit/%.o) $(UNIT_LIB:%.c=build/unit/$(1)/%.o)
endef
$(eval $(call unit_variant,plain,$(UNIT_PLAIN)))
$(eval $(call unit_variant,asan,$(UNIT_ASAN)))
$(eval $(call unit_variant,coverage,$(UNIT_COVERAGE)))

# Runs every program even if one fails, so that one report shows all.
unit_run = status=0; for test in $^; do ./$$test || status=1; done; exit $$status

.PHONY: check-unit check-unit-asan check-unit-coverage coverage

check-unit: $(UNIT_TESTS:%=build/unit/plain/%)
	@$(unit_run)

check-unit-asan: $(UNIT_TESTS:%=build/unit/asan/%)
	@$(unit_run)

check-unit-coverage: $(UNIT_TESTS:%=build/unit/coverage/%)
	@find build/unit/coverage -name '*.gcda' -delete
	@$(unit_run)

coverage: check-unit-coverage
	@status=0; for source in $(UNIT_LIB); do \
		gcov --stdout --object-directory build/unit/coverage/$${source%/*} $$source | \
			awk -v source=$$source -f test/unit/coverage.awk || status=1; \
	done; exit $$status
