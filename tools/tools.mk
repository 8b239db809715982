# SPDX-License-Identifier: PostgreSQL
#
# What keeps the house: the show, the checks, the format.

## run             install what is missing, build, start a cluster in ./pgfirst-data, show it working
## format          bring every C file into the shape of .clang-format
## check-layers    every #include points the right way
## check-headers   compile against the server headers of PostgreSQL 17 and 18
## matrix          the tests on PostgreSQL 17 and 18, in throw-away roots (as root, with debootstrap)
## check-lint      warnings of gcc and clang as errors, clang-tidy
## install-deps    install the packages that building and running need (make run does it by itself)

.PHONY: run format matrix check-layers check-size check-words check-format check-headers check-lint \
	install-deps help

run:
	@tools/run

install-deps:
	@tools/install-deps build run

format:
	@tools/format

check-format:
	@tools/format --check

matrix check-layers check-size check-words check-headers check-lint:
	@tools/$@

help:
	@echo 'make TARGET, where TARGET is one of'
	@sed -n 's/^## /  /p' $(filter-out /%,$(MAKEFILE_LIST))
