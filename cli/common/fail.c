/* SPDX-License-Identifier: PostgreSQL
 *
 * fail.c: messages, the list of what is to be undone, and interrupts.
 *
 * Undoing runs with interrupts still only noted, so a second Ctrl-C cannot leave half of a half.
 */
#include "cli/common/fail.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNDO_MAX 16

static struct
{
	struct
	{
		UndoFunction function;
		void *argument;
	} undo[UNDO_MAX];
	int undos;
	volatile sig_atomic_t interrupted;
} state;

static void
undo_all(void)
{
	while (state.undos > 0)
	{
		state.undos--;
		state.undo[state.undos].function(state.undo[state.undos].argument);
	}
}

void
fail(ExitCode code, const char *remedy, const char *format, ...)
{
	va_list arguments;

	/* What was asked for on stdout so far must not appear behind the error. */
	fflush(stdout);
	fputs("pgfirst: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	while (remedy != NULL && *remedy != '\0')
	{
		const char *end = strchr(remedy, '\n');
		int length = end != NULL ? (int) (end - remedy) : (int) strlen(remedy);

		fprintf(stderr, "  %.*s\n", length, remedy);
		remedy += length + (end != NULL ? 1 : 0);
	}
	undo_all();
	exit((int) code);
}

void
warn(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("pgfirst: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

void
fail_undo(UndoFunction undo, void *argument)
{
	if (state.undos == UNDO_MAX)
		abort();
	state.undo[state.undos].function = undo;
	state.undo[state.undos].argument = argument;
	state.undos++;
}

void
fail_undo_forget(void)
{
	state.undos = 0;
}

static void
interrupt_note(int number)
{
	state.interrupted = number;
}

void
interrupt_watch(void)
{
	struct sigaction action = {.sa_handler = interrupt_note};

	/* Without SA_RESTART: sleeping and waiting calls return, and their loops look at the flag. */
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

int
interrupt_signal(void)
{
	return state.interrupted;
}

void
interrupt_check(void)
{
	int number = state.interrupted;

	if (number == 0)
		return;
	fail((ExitCode) (128 + number), NULL, "stopped by %s", strsignal(number));
}
