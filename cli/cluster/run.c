/* SPDX-License-Identifier: PostgreSQL
 *
 * run.c: `pgfirst run -- COMMAND`: a cluster for as long as a command runs.
 *
 * Three processes.  This one stays the caller, runs the command and waits for it.  A second one is
 * `pgfirst up --foreground --throw-away` in a session of its own, which makes the cluster, drops
 * root where there is root to drop, and keeps PostgreSQL as its child.  A pipe ties it to us: when
 * we end, by whatever means, its stdin ends, and it stops the server and removes the directory.
 * So even after kill -9 of this process nothing is left behind.
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"
#include "cli/common/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct
{
	volatile sig_atomic_t command; /* to whom signals are passed */
} run;

static void
run_pass(int number)
{
	if (run.command > 0)
		kill((pid_t) run.command, number);
}

static char *
run_make_directory(void)
{
	const char *temporary = getenv("TMPDIR");
	char *dir = text_format("%s/pgfirst-run-XXXXXX",
	                        temporary != NULL && *temporary == '/' ? temporary : "/tmp");

	if (mkdtemp(dir) == NULL)
		fail(EXIT_ERROR, "Name a directory that can be written in TMPDIR.", "cannot make %s: %s",
		     dir, strerror(errno));
	return dir;
}

static _Noreturn void
run_become_holder(const char *dir, const Arguments *arguments, int life, int out)
{
	TextList argv = {0};

	text_list_add(&argv, "pgfirst");
	text_list_add(&argv, "up");
	text_list_add(&argv, "--foreground");
	text_list_add(&argv, "--throw-away");
	text_list_add(&argv, "--dir");
	text_list_add(&argv, dir);
	if (arguments->memory >= 0)
	{
		text_list_add(&argv, "--memory");
		text_list_add(&argv, text_format("%lldkB", (long long) (arguments->memory / 1024)));
	}
	/* Ctrl-C at the terminal is for the command; the cluster goes when the command has gone. */
	setsid();
	dup2(life, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execv("/proc/self/exe", argv.items);
	dprintf(STDERR_FILENO, "pgfirst: cannot run itself: %s\n", strerror(errno));
	_exit(EXIT_ERROR);
}

/* Reads NAME=value lines into the environment; true when the cluster is ready. */
static bool
run_read_environment(FILE *in)
{
	char line[4096];

	while (fgets(line, sizeof(line), in) != NULL)
	{
		char *value = strchr(line, '=');

		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "ready") == 0)
			return true;
		if (value != NULL)
		{
			*value = '\0';
			setenv(line, value + 1, 1);
		}
	}
	return false;
}

static int
run_command(const Arguments *arguments)
{
	static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
	struct sigaction action = {.sa_handler = run_pass, .sa_flags = SA_RESTART};
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fail(EXIT_ERROR, NULL, "cannot start a process: %s", strerror(errno));
	if (pid == 0)
	{
		execvp(arguments->rest[0], arguments->rest);
		fprintf(stderr, "pgfirst: cannot run %s: %s\n", arguments->rest[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	run.command = pid;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaction(passed[i], &action, NULL);
	while (waitpid(pid, &status, 0) < 0)
	{
		if (errno != EINTR)
			fail(EXIT_ERROR, NULL, "lost the command: %s", strerror(errno));
	}
	run.command = 0;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int
command_run(const Arguments *arguments)
{
	char *dir;
	int life[2];
	int out[2];
	pid_t holder;
	FILE *in;
	int code;

	if (arguments->count == 0)
		fail(EXIT_USAGE, "For example: pgfirst run -- make test", "run: which command?");
	if (arguments->memory >= 0)
		settings_check_memory(arguments->memory);
	dir = run_make_directory();
	if (pipe2(life, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 ||
	    (fflush(NULL), holder = fork()) < 0)
		fail(EXIT_ERROR, NULL, "cannot start a process: %s", strerror(errno));
	if (holder == 0)
		run_become_holder(dir, arguments, life[0], out[1]);
	close(life[0]);
	close(out[1]);
	in = fdopen(out[0], "r");
	if (in == NULL || !run_read_environment(in))
	{
		/* It has said why, and has undone what it did. */
		while (waitpid(holder, NULL, 0) < 0 && errno == EINTR)
			;
		(void) rmdir(dir);
		return EXIT_ERROR;
	}
	code = run_command(arguments);
	close(life[1]);
	while (waitpid(holder, NULL, 0) < 0 && errno == EINTR)
		;
	(void) rmdir(dir);
	return code;
}
