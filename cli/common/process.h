/* SPDX-License-Identifier: PostgreSQL
 *
 * process.h: starting other programs and looking at processes.
 *
 * Programs are started by fork and exec with an argument vector, never through a shell, so that no
 * path or password is ever read as syntax.
 */
#ifndef PGFIRST_CLI_PROCESS_H
#define PGFIRST_CLI_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Removes what of the caller's environment would steer PostgreSQL's programs: PGDATA, PGHOST, … */
extern void environment_clean(void);

/*
 * Runs a program to its end and returns its wait status.  Its output (both streams) goes to
 * *output, if that is not NULL.  An interrupt ends the program and then the command.  The program
 * dies with us, even when we are killed with -9; so nothing goes on making what nobody wants.
 */
extern int process_run(char *const argv[], char **output);

/* "exited with code 1", "was ended by signal 9 (Killed)". */
extern char *process_describe(int status);

extern bool process_alive(pid_t pid);
extern bool process_works_in(pid_t pid, const char *directory); /* its current directory */
extern char *process_name(pid_t pid);                           /* "redis-server" or NULL */
extern char *process_title(pid_t pid);                          /* command line as ps shows it */
extern int64_t process_open_files_limit(pid_t pid, bool hard);  /* -1 unknown, or unlimited */
extern int64_t process_memory(pid_t pid); /* resident bytes that are its own, -1 unknown */

/* Calls back for every process; stops when the callback returns false. */
typedef bool (*ProcessVisitor)(pid_t pid, pid_t parent, void *context);
extern void process_each(ProcessVisitor visit, void *context);

extern void sleep_ms(int milliseconds); /* shorter if a signal comes */
extern double clock_seconds(void);      /* monotonic */

#endif
