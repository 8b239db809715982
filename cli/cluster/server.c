/* SPDX-License-Identifier: PostgreSQL
 *
 * server.c: the postmaster: is it running, start it, stop it, what does it say.
 *
 * It is started directly and not by pg_ctl: as its parent we see it end, and how, instead of
 * guessing from a pid file.  Running means: the process that postmaster.pid names is alive and
 * its current directory is this cluster's data.  A pid alone proves nothing; after a reboot or in
 * a container it soon belongs to somebody else, and PostgreSQL then refuses to start.
 *
 * So the server also holds a lock (flock) on DIR/server.lock, inherited by all its children and
 * gone with the last of them.  Who gets that lock knows that nobody works on the data, whatever
 * the pid file says, and removes a stale one.  Who does not get it sees a server that /proc does
 * not show, in another container, say, which PostgreSQL's own checks would overlook.
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"
#include "cli/common/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Line 8 of postmaster.pid says how far it is (src/include/utils/pidfile.h). */
#define PID_LINE_STATUS 8

/* With less than a few segments of log, this is probably why. */
#define DISK_NEARLY_FULL ((int64_t) 128 * 1024 * 1024)

#define STOP_SECONDS    120
#define TELL_SECONDS    10
#define REMNANT_SECONDS 10

static char *
pid_file(const Cluster *cluster)
{
	return text_format("%s/postmaster.pid", cluster->data);
}

pid_t
server_pid(const Cluster *cluster)
{
	char *text = file_read(pid_file(cluster));
	pid_t pid = text != NULL ? (pid_t) atoi(text) : 0;

	if (pid > 0 && process_alive(pid) && process_works_in(pid, cluster->data))
		return pid;
	return 0;
}

/* ---- what it says ------------------------------------------------------------------------ */

static char *
startup_log(const Cluster *cluster)
{
	return text_format("%s/startup.log", cluster->log);
}

char *
server_log_file(const Cluster *cluster)
{
	DIR *directory = opendir(cluster->log);
	struct timespec newest = {0};
	struct dirent *entry;
	char *found = NULL;

	if (directory == NULL)
		return NULL;
	while ((entry = readdir(directory)) != NULL)
	{
		struct stat status;

		if (!text_starts(entry->d_name, "postgresql-") ||
		    fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(status.st_mode))
			continue;
		if (found == NULL || status.st_mtim.tv_sec > newest.tv_sec ||
		    (status.st_mtim.tv_sec == newest.tv_sec && status.st_mtim.tv_nsec > newest.tv_nsec))
		{
			newest = status.st_mtim;
			found = text_format("%s/%s", cluster->log, entry->d_name);
		}
	}
	closedir(directory);
	return found;
}

const char *
server_log_tail(const Cluster *cluster, int lines)
{
	const char *startup = file_tail(startup_log(cluster), lines);
	char *file = server_log_file(cluster);

	/* What goes wrong before the logging collector runs stands in the first. */
	if (file == NULL || strstr(startup, "FATAL") != NULL)
		return startup;
	return file_tail(file, lines);
}

const char *
server_disk_words(const Cluster *cluster)
{
	int64_t left = disk_free(cluster->dir);

	return left >= 0 && left < DISK_NEARLY_FULL ? "; the disk is nearly full" : "";
}

/* ---- starting ---------------------------------------------------------------------------- */

struct Remnant
{
	const Cluster *cluster;
	pid_t pid;
	int signal;
};

static bool
remnant_visit(pid_t pid, pid_t parent, void *context)
{
	struct Remnant *remnant = context;

	(void) parent;
	if (pid == getpid() || !process_works_in(pid, remnant->cluster->data) || !process_alive(pid))
		return true;
	remnant->pid = pid;
	if (remnant->signal == 0)
		return false;
	kill(pid, remnant->signal);
	return true;
}

/* A process that still works in the data directory, 0 if none; sends each a signal if not 0. */
static pid_t
remnant_find(const Cluster *cluster, int signal_number)
{
	struct Remnant remnant = {.cluster = cluster, .signal = signal_number};

	process_each(remnant_visit, &remnant);
	return remnant.pid;
}

/* A pid file and sockets whose server is gone; PostgreSQL asks only whether the pid is in use. */
static void
remove_stale_files(const Cluster *cluster)
{
	char *run_dir = settings_run_dir(cluster);
	struct dirent *entry;
	DIR *directory;

	if (unlink(pid_file(cluster)) != 0 && errno != ENOENT)
		fail(EXIT_ERROR, NULL, "cannot remove the stale %s: %s", pid_file(cluster),
		     strerror(errno));
	if (run_dir == NULL || !socket_dir_is_good(cluster, run_dir) ||
	    (directory = opendir(run_dir)) == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
	{
		if (text_starts(entry->d_name, ".s.PGSQL."))
			(void) unlinkat(dirfd(directory), entry->d_name, 0);
	}
	closedir(directory);
}

void
server_clear_way(Cluster *cluster)
{
	const char *path = text_format("%s/server.lock", cluster->dir);
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	double deadline = clock_seconds() + REMNANT_SECONDS;

	if (fd < 0)
		fail(EXIT_ERROR, NULL, "cannot write %s: %s", path, strerror(errno));
	/* Children of a killed postmaster end by themselves when they look up from their work. */
	for (;;)
	{
		bool free_to_take = flock(fd, LOCK_EX | LOCK_NB) == 0;
		pid_t remnant = remnant_find(cluster, 0);

		if (free_to_take && remnant == 0)
			break;
		if (clock_seconds() > deadline && remnant != 0)
			fail(EXIT_ERROR, text_format("Wait for it to end, or end it: kill %d", (int) remnant),
			     "process %d of a server that was killed still works in %s", (int) remnant,
			     cluster->data);
		if (clock_seconds() > deadline)
			fail(EXIT_ERROR, "Stop it where it was started, perhaps in another container.",
			     "a server that cannot be seen from here is running on %s", cluster->data);
		sleep_ms(20);
		interrupt_check();
	}
	remove_stale_files(cluster);
	cluster->server_lock = fd;
}

/* The Redis door serves one client per open file, so the server gets as many as we may have. */
static void
start_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max)
	{
		limit.rlim_cur = limit.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void
start_set(TextList *argv, const char *setting)
{
	text_list_add(argv, "-c");
	text_list_add(argv, setting);
}

static _Noreturn void
start_become(const Cluster *cluster, const char *program, ServerStart how, int output, pid_t parent)
{
	TextList argv = {0};
	int null = open("/dev/null", O_RDONLY);

	text_list_add(&argv, program);
	text_list_add(&argv, "-D");
	text_list_add(&argv, cluster->data);
	if (how.foreground && !how.quiet)
		start_set(&argv, "logging_collector=off");
	if (how.closed)
	{
		start_set(&argv, "listen_addresses=");
		start_set(&argv, "pgfirst.redis_port=0");
		start_set(&argv, "pgfirst.redis_unix_socket=");
	}
	if (how.foreground || how.closed)
	{
		prctl(PR_SET_PDEATHSIG, SIGINT);
		if (getppid() != parent)
			_exit(1);
	}
	else
		setsid();
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	start_raise_limit();
	(void) fcntl(cluster->server_lock, F_SETFD, 0);
	execv(program, argv.items);
	dprintf(STDERR_FILENO, "FATAL: cannot run %s: %s\n", program, strerror(errno));
	_exit(127);
}

static bool
start_is_ready(const Cluster *cluster, pid_t pid)
{
	char *text = file_read(pid_file(cluster));
	char *line = NULL;
	bool ready = false;
	char *rest = text;

	if (text != NULL && atoi(text) == (int) pid)
	{
		for (int i = 0; i < PID_LINE_STATUS; i++)
			line = strsep(&rest, "\n");
		ready = line != NULL && text_starts(line, "ready");
	}
	free(text);
	return ready;
}

static void
start_undo(void *argument)
{
	server_stop(argument, false);
}

pid_t
server_start(Cluster *cluster, ServerStart how)
{
	char *program = install_program("postgres");
	pid_t parent = getpid();
	int output = STDERR_FILENO;
	double told = clock_seconds();
	pid_t pid;

	if (cluster->server_lock < 0)
		server_clear_way(cluster);
	if (mkdir(cluster->log, 0700) != 0 && errno != EEXIST)
		fail(EXIT_ERROR, NULL, "cannot make %s: %s", cluster->log, strerror(errno));
	if (!how.foreground || how.quiet)
	{
		output =
		    open(startup_log(cluster), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (output < 0)
			fail(EXIT_ERROR, NULL, "cannot write %s: %s", startup_log(cluster), strerror(errno));
	}
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fail(EXIT_ERROR, NULL, "cannot start a process: %s", strerror(errno));
	if (pid == 0)
		start_become(cluster, program, how, output, parent);
	close(cluster->server_lock);
	cluster->server_lock = -1;
	if (output != STDERR_FILENO)
		close(output);
	fail_undo(start_undo, cluster);
	/* However long crash recovery takes: it is at work as long as it lives. */
	while (!start_is_ready(cluster, pid))
	{
		int status;

		if (waitpid(pid, &status, WNOHANG) == pid)
			fail(EXIT_ERROR, server_log_tail(cluster, 12), "PostgreSQL did not start: it %s%s",
			     process_describe(status), server_disk_words(cluster));
		if (clock_seconds() - told > TELL_SECONDS)
		{
			told = clock_seconds();
			warn("still waiting for PostgreSQL (process %d): it is recovering from a crash",
			     (int) pid);
		}
		sleep_ms(10);
		interrupt_check();
	}
	return pid;
}

/* ---- stopping ---------------------------------------------------------------------------- */

void
server_stop(const Cluster *cluster, bool immediately)
{
	pid_t pid = server_pid(cluster);
	double begun = clock_seconds();
	double told = begun;

	if (pid == 0)
		return;
	if (kill(pid, immediately ? SIGQUIT : SIGINT) != 0 && errno != ESRCH)
		fail(EXIT_ERROR, "Run pgfirst as that user, or as root.",
		     "cannot stop the server (process %d): %s", (int) pid, strerror(errno));
	for (;;)
	{
		double now = clock_seconds();

		(void) waitpid(pid, NULL, WNOHANG);
		if (!process_alive(pid))
			break;
		if (immediately && now - begun > REMNANT_SECONDS)
			kill(pid, SIGKILL);
		if (!immediately && now - begun > STOP_SECONDS)
			fail(EXIT_ERROR,
			     text_format("It goes on.  To end it at once, with recovery at the next start: "
			                 "kill -QUIT %d",
			                 (int) pid),
			     "the server (process %d) has not stopped in %d seconds", (int) pid, STOP_SECONDS);
		if (now - told > TELL_SECONDS)
		{
			told = now;
			warn("still waiting for the server (process %d) to stop", (int) pid);
		}
		sleep_ms(10);
	}
}

void
server_end_remnants(const Cluster *cluster)
{
	double patience = clock_seconds() + REMNANT_SECONDS;

	/* Children of a postmaster that has just ended are about to follow it. */
	while (remnant_find(cluster, clock_seconds() > patience ? SIGKILL : 0) != 0)
		sleep_ms(20);
}
