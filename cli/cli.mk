# SPDX-License-Identifier: PostgreSQL
#
# The program: build/pgfirst, from cli/ alone and libpq.
#
# It remembers where the PostgreSQL that it was built for has its programs; PGFIRST_PG_BINDIR in
# the environment names others.  PROGRAM_DIR and PROGRAM_MANDIR say where install puts it.

PROGRAM_DIR ?= /usr/local/bin
PROGRAM_MANDIR ?= /usr/local/share/man

CLI_SOURCES := $(sort $(wildcard cli/*.c cli/*/*.c))
CLI_OBJS := $(CLI_SOURCES:%.c=build/%.o)
CLI_HEADERS := $(wildcard cli/*/*.h)
CLI_BINDIR := $(shell $(PG_CONFIG) --bindir 2>/dev/null)
CLI_LIBPQ := $(shell pkg-config --cflags libpq 2>/dev/null || echo -I`$(PG_CONFIG) --includedir`)
CLI_LIBS := $(shell pkg-config --libs libpq 2>/dev/null || echo -L`$(PG_CONFIG) --libdir` -lpq)

CLI_CFLAGS := -std=c11 -O2 -g -fPIE -fstack-protector-strong -Wall -Wextra -Wmissing-prototypes \
	-Wshadow -Wvla $(WERROR) $(CLI_EXTRA_CFLAGS)
CLI_CPPFLAGS := -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -I$(CURDIR) $(CLI_LIBPQ) \
	$(filter -DPGFIRST_VERSION=%,$(PG_CPPFLAGS)) -DPGFIRST_PG_BINDIR='"$(CLI_BINDIR)"'

# A change of what is compiled in (another PG_CONFIG) is a change of the program.
build/cli/flags: FORCE_CLI
	@mkdir -p $(@D)
	@echo '$(CC) $(CLI_CFLAGS) $(CLI_CPPFLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(CLI_CFLAGS) $(CLI_CPPFLAGS)' > $@

build/cli/%.o: cli/%.c $(CLI_HEADERS) cli/cli.mk build/cli/flags
	@mkdir -p $(@D)
	$(CC) $(CLI_CFLAGS) $(CLI_CPPFLAGS) -c $< -o $@

build/pgfirst: $(CLI_OBJS)
	$(CC) $(CLI_CFLAGS) -pie -Wl,-z,relro,-z,now $(CLI_OBJS) $(CLI_LIBS) -o $@

.PHONY: program install-program uninstall-program clean-program docs-program FORCE_CLI
program: build/pgfirst

install-program: build/pgfirst
	install -d '$(DESTDIR)$(PROGRAM_DIR)' '$(DESTDIR)$(PROGRAM_MANDIR)/man1'
	install -m 755 build/pgfirst '$(DESTDIR)$(PROGRAM_DIR)/pgfirst'
	install -m 644 cli/pgfirst.1 '$(DESTDIR)$(PROGRAM_MANDIR)/man1/pgfirst.1'

uninstall-program:
	rm -f '$(DESTDIR)$(PROGRAM_DIR)/pgfirst' '$(DESTDIR)$(PROGRAM_MANDIR)/man1/pgfirst.1'

clean-program:
	rm -rf build/cli build/pgfirst

# The reference pages, after a change of the tables in cli/main.c.
docs-program: build/pgfirst
	build/pgfirst do docs > docs/cli.md
	build/pgfirst do docs man > cli/pgfirst.1

# Without PGXS these are double-colon targets that say what is missing.
ifneq ($(wildcard $(PGXS)),)
all: build/pgfirst
install: install-program
uninstall: uninstall-program
clean: clean-program
endif
