/* SPDX-License-Identifier: PostgreSQL
 *
 * fail.h: how the program ends badly.
 *
 * An error is an interface: one line that says what is wrong, naming the thing, and one or more
 * that say what to do.  Both go to stderr, never to stdout, and the exit code is one of the
 * documented ones.  Whatever a command has half-made registers its undoing, so that every way out
 * (an error anywhere below, Ctrl-C, SIGTERM) takes it back.
 */
#ifndef PGFIRST_CLI_FAIL_H
#define PGFIRST_CLI_FAIL_H

#include <stdbool.h>

/* The exit codes of all commands; 3 is the LSB's "not running". */
typedef enum ExitCode
{
	EXIT_OK = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_STOPPED = 3,
	EXIT_NO_CLUSTER = 4,
	EXIT_FINDINGS = 5
} ExitCode;

/* Prints "pgfirst: <message>" and the remedy (may be NULL), undoes, exits. */
extern _Noreturn void fail(ExitCode code, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A line to stderr that is not the end. */
extern void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * What is to be undone when the program fails, last registered first.  fail_undo_forget() drops
 * all of it: what was made is now whole.
 */
typedef void (*UndoFunction)(void *argument);
extern void fail_undo(UndoFunction undo, void *argument);
extern void fail_undo_forget(void);

/*
 * Ctrl-C and SIGTERM set a flag instead of ending the program, so that waiting loops can end in
 * order: they call interrupt_check(), which fails (and undoes) if one has come.
 */
extern void interrupt_watch(void);
extern int interrupt_signal(void); /* 0, or the number of the signal */
extern void interrupt_check(void);

#endif
