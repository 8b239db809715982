# SPDX-License-Identifier: PostgreSQL
#
# Two artefacts: the shared library pgfirst.so with its extensions (by PGXS), and the program
# build/pgfirst (cli/cli.mk). `make help` lists the targets.
#
#   make                      build both
#   make run                  install what is missing, build, start a cluster here, show it working
#   make test                 install what is missing, build, run every test
#   sudo make install         into the PostgreSQL that PG_CONFIG names
#
# Every part brings its own targets in a fragment beside it; what stands here is what they share.

# Not VERSION: PGXS has one of its own, PostgreSQL's.
PGFIRST_VERSION := 0.1.0
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

# ---- the library ---------------------------------------------------------------------------

MODULE_big = pgfirst
SOURCES := $(sort $(wildcard src/*.c src/*/*.c src/*/*/*.c lib/*/*.c))
OBJS := $(SOURCES:.c=.o)
EXTENSION = src/pgfirst src/store/pgfirst_store src/kv/pgfirst_kv src/cache/pgfirst_cache
DATA := $(sort $(wildcard src/*--*.sql src/*/*--*.sql))
# TLS of the Redis door.
SHLIB_LINK = -lssl -lcrypto

WARNINGS := -Wall -Wextra -Wmissing-prototypes -Wshadow -Wvla -Wno-unused-parameter
WERROR ?= -Werror
# PostgreSQL's own headers compare signs and shadow in macros; they are not ours to mend.
PG_CFLAGS := -std=gnu11 -fvisibility=hidden $(WARNINGS) -Wno-sign-compare $(WERROR)
# Hidden unless exported: before PostgreSQL 16 its own mark for entry points means nothing to gcc.
PG_CPPFLAGS := -D'PGDLLEXPORT=__attribute__((visibility("default")))' -I$(CURDIR) -I$(CURDIR)/src -DPGFIRST_VERSION='"$(PGFIRST_VERSION)"'

# Lua 5.1 of the distribution, for the scripts; pkg-config may be missing, its answer is always this.
LUA_CPPFLAGS := $(shell pkg-config --cflags lua5.1 2>/dev/null || echo -I/usr/include/lua5.1)
LUA_LIBS := $(shell pkg-config --libs lua5.1 2>/dev/null || echo -llua5.1)
PG_CPPFLAGS += $(LUA_CPPFLAGS)
SHLIB_LINK += $(LUA_LIBS)

# JIT has nothing to inline here, and its bitcode would double the build.
override with_llvm = no

.DEFAULT_GOAL := all

ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
else
all install uninstall clean::
	@echo 'make: PostgreSQL server headers are missing ($(PG_CONFIG) --pgxs says nothing).' >&2
	@echo '      "make run" and "make test" install what is missing; or install' >&2
	@echo '      postgresql-server-dev-15 and name its pg_config with PG_CONFIG=…' >&2
	@exit 1
endif

# A command runs through some sixty small functions of as many files, so what gcc can do across files is worth a fifth
# of it (ARCHITECTURE.md).  Only what is exported can be replaced from outside, so nothing within needs to go through the
# PLT.  gcc alone: clang wants a linker of its own for that.  What may be uninitialized is judged a file at a time
# (tools/check-lint); across files it is guessed.  `make OPTIMIZE=` does without, and links at once instead of in half
# a minute.
ifneq ($(findstring gcc version,$(shell LC_ALL=C $(CC) -v 2>&1 | tail -1)),)
OPTIMIZE ?= -O3 -flto=auto -fno-semantic-interposition -fno-plt -Wno-maybe-uninitialized
endif
override CFLAGS += $(OPTIMIZE)

# Headers are few and small: any change rebuilds what includes anything.
HEADERS := $(wildcard src/*.h src/*/*.h src/*/*/*.h lib/*/*.h)
$(OBJS): $(HEADERS) Makefile

# ---- everything else -----------------------------------------------------------------------

include $(wildcard cli/cli.mk test/test.mk test/*/*.mk bench/bench.mk tools/tools.mk)
