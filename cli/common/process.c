/* SPDX-License-Identifier: PostgreSQL
 *
 * process.c: fork, exec, and what /proc says.
 */
#include "cli/common/process.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"
#include "cli/common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void
environment_clean(void)
{
	TextList names = {0};

	/* PG_COLOR, PG_OOM_ADJUST_FILE and the like are the machine's business; PGFIRST_* is ours. */
	for (char **entry = environ; *entry != NULL; entry++)
	{
		size_t length = strcspn(*entry, "=");

		if (text_starts(*entry, "PG") && !text_starts(*entry, "PG_") &&
		    !text_starts(*entry, "PGFIRST_"))
			text_list_add(&names, text_format("%.*s", (int) length, *entry));
	}
	for (int i = 0; i < names.count; i++)
		unsetenv(names.items[i]);
}

/* In the child: output to the pipe, nothing to read, ordinary signals, dead with its parent. */
static _Noreturn void
process_become(char *const argv[], int output, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	execv(argv[0], argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int
process_run(char *const argv[], char **output)
{
	TextBuffer text = {0};
	pid_t parent = getpid();
	int ends[2];
	int status;
	pid_t pid;

	text_append(&text, "");
	fflush(NULL);
	if (pipe2(ends, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		fail(EXIT_ERROR, NULL, "cannot start %s: %s", argv[0], strerror(errno));
	if (pid == 0)
		process_become(argv, ends[1], parent);
	close(ends[1]);
	for (;;)
	{
		char block[4096];
		ssize_t got = read(ends[0], block, sizeof(block));

		if (got > 0)
			text_append_bytes(&text, block, (size_t) got);
		else if (got == 0)
			break;
		else if (errno == EINTR && interrupt_signal() != 0)
		{
			kill(pid, SIGTERM);
			break;
		}
	}
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0)
	{
		if (errno != EINTR)
			fail(EXIT_ERROR, NULL, "lost %s: %s", argv[0], strerror(errno));
	}
	interrupt_check();
	if (output != NULL)
		*output = text.data;
	return status;
}

char *
process_describe(int status)
{
	if (WIFEXITED(status))
		return text_format("exited with code %d", WEXITSTATUS(status));
	return text_format("was ended by signal %d (%s)", WTERMSIG(status),
	                   strsignal(WTERMSIG(status)));
}

/* "State", "PPid", … of /proc/PID/status; NULL if the process is gone. */
static char *
process_field(pid_t pid, const char *file, const char *field)
{
	char *text = file_read(text_format("/proc/%d/%s", (int) pid, file));
	size_t length = strlen(field);
	char *line = text;

	while (line != NULL && *line != '\0')
	{
		char *next = strchr(line, '\n');

		if (next != NULL)
			*next++ = '\0';
		if (strncmp(line, field, length) == 0)
			return text_trim(line + length);
		line = next;
	}
	return NULL;
}

bool
process_alive(pid_t pid)
{
	char *state = process_field(pid, "status", "State:");

	/* A zombie has ended; it only waits for somebody to ask how. */
	return state != NULL && *state != 'Z' && *state != 'X';
}

bool
process_works_in(pid_t pid, const char *directory)
{
	struct stat theirs;
	struct stat ours;

	return stat(text_format("/proc/%d/cwd", (int) pid), &theirs) == 0 &&
	       stat(directory, &ours) == 0 && theirs.st_dev == ours.st_dev &&
	       theirs.st_ino == ours.st_ino;
}

char *
process_name(pid_t pid)
{
	char *name = file_read(text_format("/proc/%d/comm", (int) pid));

	return name != NULL ? text_trim(name) : NULL;
}

char *
process_title(pid_t pid)
{
	int fd = open(text_format("/proc/%d/cmdline", (int) pid), O_RDONLY | O_CLOEXEC);
	char title[1024];
	ssize_t length;

	if (fd < 0)
		return process_name(pid);
	length = read(fd, title, sizeof(title) - 1);
	close(fd);
	if (length <= 0)
		return process_name(pid);
	title[length] = '\0';
	for (ssize_t i = 0; i < length; i++)
	{
		if (title[i] == '\0')
			title[i] = ' ';
	}
	return text_copy(text_trim(title));
}

int64_t
process_open_files_limit(pid_t pid, bool hard)
{
	char *limits = process_field(pid, "limits", "Max open files");
	char soft_text[32];
	char hard_text[32];

	if (limits == NULL || sscanf(limits, "%31s %31s", soft_text, hard_text) != 2)
		return -1;
	if (strcmp(hard ? hard_text : soft_text, "unlimited") == 0)
		return -1;
	return strtoll(hard ? hard_text : soft_text, NULL, 10);
}

int64_t
process_memory(pid_t pid)
{
	char *anonymous = process_field(pid, "status", "RssAnon:");

	return anonymous != NULL ? strtoll(anonymous, NULL, 10) * 1024 : -1;
}

void
process_each(ProcessVisitor visit, void *context)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
	{
		pid_t pid = (pid_t) strtol(entry->d_name, NULL, 10);
		char *parent = pid > 0 ? process_field(pid, "status", "PPid:") : NULL;

		if (parent != NULL && !visit(pid, (pid_t) strtol(parent, NULL, 10), context))
			break;
	}
	closedir(directory);
}

void
sleep_ms(int milliseconds)
{
	(void) poll(NULL, 0, milliseconds);
}

double
clock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}
