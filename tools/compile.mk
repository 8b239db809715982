# SPDX-License-Identifier: PostgreSQL
#
# Compiles without linking, outside of the tree, with any compiler and any server's headers: for
# tools/check-headers and tools/check-lint, because PGXS knows one installed PostgreSQL only.
#
#   make -f tools/compile.mk CC=clang PG_SERVER_HEADERS=… OBJECTS=build/… server program
#
# The flags are the Makefile's own; `make -f tools/compile.mk print-server-flags` prints them.

include Makefile
.DEFAULT_GOAL := server

PG_SERVER_HEADERS ?= $(shell $(PG_CONFIG) --includedir-server)
OBJECTS ?= build/objects

PROGRAM_SOURCES := $(sort $(wildcard cli/*.c cli/*/*.c))
# Headers that were configured for gcc mark printf-like functions in a way that clang ignores, and says so.
SERVER_FLAGS := $(PG_CFLAGS) $(if $(findstring clang,$(CC)),-Wno-ignored-attributes) -fPIC -D_GNU_SOURCE -isystem $(PG_SERVER_HEADERS) $(PG_CPPFLAGS)
PROGRAM_FLAGS := $(CLI_CFLAGS) $(CLI_CPPFLAGS)

.PHONY: server program library print-server-flags print-program-flags
server: $(SOURCES:%.c=$(OBJECTS)/%.o)
program: $(PROGRAM_SOURCES:%.c=$(OBJECTS)/%.o)

# The library itself, with SANITIZE='-fsanitize=…' for make check-asan.
library: $(OBJECTS)/pgfirst.so
$(OBJECTS)/pgfirst.so: $(SOURCES:%.c=$(OBJECTS)/%.o)
	$(CC) -shared $(SANITIZE) -o $@ $^ $(SHLIB_LINK)

# -O2, because gcc's warnings about values need the optimizer.
$(SOURCES:%.c=$(OBJECTS)/%.o): $(OBJECTS)/%.o: %.c $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(CC) -O2 $(SANITIZE) $(SERVER_FLAGS) -c -o $@ $<

$(PROGRAM_SOURCES:%.c=$(OBJECTS)/%.o): $(OBJECTS)/%.o: %.c $(wildcard cli/*.h cli/*/*.h) $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(CC) -O2 $(PROGRAM_FLAGS) -c -o $@ $<

# One flag a line, unquoted, for xargs.
print-server-flags:
	@printf '%s\n' $(SERVER_FLAGS)
print-program-flags:
	@printf '%s\n' $(PROGRAM_FLAGS)
