/* SPDX-License-Identifier: PostgreSQL
 *
 * up.c: `pgfirst up`: make or start, report, and perhaps stay.
 *
 * --foreground is for containers and service managers: PostgreSQL stays our child, logs to our
 * stderr, and SIGTERM becomes its fast shutdown.  `pgfirst run` uses the same with --throw-away:
 * then the end of stdin means that run has ended, by whatever means, and the cluster is removed.
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"
#include "cli/common/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_BACKUP "there is no backup yet; whoever loses this disk loses the data"

/* "redis://app:…@…" with the password hidden: what a container prints ends up in log files. */
static char *
url_without_password(const char *url)
{
	const char *name = strstr(url, "://");
	const char *colon = name != NULL ? strchr(name + 3, ':') : NULL;
	const char *at = colon != NULL ? strchr(colon, '@') : NULL;

	if (at == NULL)
		return text_copy(url);
	return text_format("%.*s***%s", (int) (colon + 1 - url), url, at);
}

static void
report_json(const Cluster *cluster, pid_t pid, bool created, StepLog *steps)
{
	char *run_dir = settings_run_dir(cluster);
	int redis_port = settings_get_port(cluster, "pgfirst.redis_port");
	JsonWriter json = {0};

	json_object(&json, NULL);
	json_text(&json, "state", "running");
	json_text(&json, "dir", cluster->dir);
	json_boolean(&json, "created", created);
	json_integer(&json, "pid", pid);
	json_text(&json, "version", PGFIRST_VERSION);
	json_text(&json, "postgresql_version", install_version());
	json_integer(&json, "pg_port", settings_get_port(cluster, "port"));
	json_integer(&json, "redis_port", redis_port);
	json_text(&json, "socket_directory", run_dir);
	json_text(&json, "database_url", secret_env(cluster, "DATABASE_URL"));
	json_text(&json, "redis_url", secret_env(cluster, "REDIS_URL"));
	json_number(&json, "seconds", clock_seconds() - steps->begun);
	json_array(&json, "not_yet_safe");
	json_text(&json, NULL, NO_BACKUP);
	json_array_end(&json);
	json_object_end(&json);
	json_print(&json);
}

static void
report_text(const Cluster *cluster, bool created, bool hide, StepLog *steps)
{
	char *database_url = secret_env(cluster, "DATABASE_URL");
	char *redis_url = secret_env(cluster, "REDIS_URL");

	printf("%6.1f s  in all: the cluster in %s %s\n\n", clock_seconds() - steps->begun,
	       cluster->dir, created ? "is made and running" : "is running");
	if (database_url != NULL)
		printf("DATABASE_URL=%s\n", hide ? url_without_password(database_url) : database_url);
	if (redis_url != NULL)
		printf("REDIS_URL=%s\n", hide ? url_without_password(redis_url) : redis_url);
	printf("\n  %s\n", cluster_command(cluster, "psql"));
	if (redis_url != NULL)
		printf("  %s\n", cluster_command(cluster, "redis-cli"));
	printf("  %s       (\"pgfirst help\" lists what else)\n\n", cluster_command(cluster, "status"));
	printf("Not yet safe: " NO_BACKUP ".\n");
	fflush(stdout);
}

/* What `run` reads: the variables, then a line that says that it may go. */
static void
report_run(const Cluster *cluster)
{
	fputs(file_read(cluster->env_file), stdout);
	printf("PGHOST=127.0.0.1\nPGPORT=%d\nPGUSER=" CLUSTER_ROLE "\nPGDATABASE=" CLUSTER_DATABASE
	       "\n",
	       settings_get_port(cluster, "port"));
	printf("PGPASSWORD=%s\nready\n", secret_app_password(cluster));
	fflush(stdout);
}

/* ---- staying ----------------------------------------------------------------------------- */

/* Passes signals on until the server has ended; returns its wait status. */
static int
stay(pid_t server, bool until_eof)
{
	struct pollfd events[2] = {{.events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	sigset_t signals;
	int status;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	events[0].fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (events[0].fd < 0)
		fail(EXIT_ERROR, NULL, "cannot wait for signals: %s", strerror(errno));
	/* One may have come just before they were blocked. */
	if (interrupt_signal() != 0)
		kill(server, SIGINT);
	for (;;)
	{
		struct signalfd_siginfo info;
		pid_t ended;

		/* As the first process of a container we also inherit orphans, and bury them. */
		while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
		{
			if (ended == server)
				return status;
		}
		if (poll(events, until_eof ? 2 : 1, -1) < 0)
			continue;
		if (until_eof && events[1].revents != 0)
		{
			kill(server, SIGINT);
			until_eof = false;
		}
		if (events[0].revents != 0 && read(events[0].fd, &info, sizeof(info)) == sizeof(info) &&
		    info.ssi_signo != SIGCHLD)
			kill(server, info.ssi_signo == SIGHUP ? SIGHUP : SIGINT);
	}
}

static int
stay_to_the_end(Cluster *cluster, pid_t server, const Arguments *arguments)
{
	int status = stay(server, arguments->throw_away);

	if (arguments->throw_away)
	{
		cluster_lock(cluster);
		cluster_remove(cluster);
		cluster_remove_lock(cluster);
		(void) rmdir(cluster->dir);
		return EXIT_OK;
	}
	if (status != 0)
		fail(EXIT_ERROR, NULL, "PostgreSQL %s", process_describe(status));
	return EXIT_OK;
}

/* ---- the command ------------------------------------------------------------------------- */

static void
remove_made_directory(void *argument)
{
	Cluster *cluster = argument;

	cluster_remove_lock(cluster);
	(void) rmdir(cluster->dir);
}

static void
remove_lock(void *argument)
{
	cluster_remove_lock(argument);
}

/* The directory, made if it is missing, locked, and known to be ours or empty. */
static void
up_take_directory(Cluster *cluster)
{
	bool made = false;

	if (cluster->state == CLUSTER_NONE)
	{
		cluster_check_vacant(cluster);
		made = mkdir(cluster->dir, 0700) == 0;
		if (!made && errno != EEXIST)
			fail(EXIT_ERROR,
			     errno == ENOENT
			         ? "Make the directory above it first, or choose another with --dir."
			         : "Choose another directory with --dir.",
			     "cannot make %s: %s", cluster->dir, strerror(errno));
	}
	cluster_lock(cluster);
	/* Somebody who had the lock before us may have made it meanwhile. */
	cluster_read_marker(cluster);
	if (cluster->state != CLUSTER_NONE)
		return;
	fail_undo(made ? remove_made_directory : remove_lock, cluster);
	cluster_check_vacant(cluster);
}

/* What a creation that was killed has left; we have the lock, so nobody is at it any more. */
static void
up_clear_remains(Cluster *cluster, StepLog *steps)
{
	cluster_remove(cluster);
	cluster->state = CLUSTER_NONE;
	fail_undo(remove_lock, cluster);
	step_done(steps, "removed what an interrupted \"pgfirst up\" had left");
}

static void
up_check_running(const Cluster *cluster, const Arguments *arguments, pid_t pid)
{
	int pg_port = settings_get_port(cluster, "port");
	int redis_port = settings_get_port(cluster, "pgfirst.redis_port");

	if (arguments->foreground)
		fail(EXIT_ERROR, text_format("Stop it first: %s", cluster_command(cluster, "down")),
		     "the cluster in %s is already running (process %d)", cluster->dir, (int) pid);
	if ((arguments->pg_port >= 0 && arguments->pg_port != pg_port) ||
	    (arguments->redis_port >= 0 && arguments->redis_port != redis_port) ||
	    arguments->memory >= 0)
		fail(EXIT_ERROR,
		     text_format("Use the same options with: %s", cluster_command(cluster, "restart")),
		     "the cluster in %s is running (process %d), on ports %d and %d; a change needs a "
		     "restart",
		     cluster->dir, (int) pid, pg_port, redis_port);
}

int
command_up(const Arguments *arguments)
{
	Cluster *cluster;
	StepLog steps;
	bool created = false;
	pid_t pid;

	interrupt_watch();
	cluster = cluster_find(arguments, USER_CREATES);
	step_begin(&steps, arguments->throw_away ? NULL : arguments->json ? stderr : stdout);
	if (cluster->state != CLUSTER_READY)
		install_check(cluster);
	up_take_directory(cluster);
	if (cluster->state == CLUSTER_CREATING)
		up_clear_remains(cluster, &steps);
	if (cluster->state == CLUSTER_NONE)
	{
		pid = cluster_create(cluster, arguments, &steps);
		created = true;
	}
	else if ((pid = server_pid(cluster)) != 0)
	{
		up_check_running(cluster, arguments, pid);
		door_wait(cluster);
		step_done(&steps, "was running already (process %d)", (int) pid);
	}
	else
		pid = cluster_start(cluster, arguments, &steps);
	cluster_unlock(cluster);

	if (arguments->throw_away)
		report_run(cluster);
	else if (arguments->json)
		report_json(cluster, pid, created, &steps);
	else
		report_text(cluster, created, arguments->foreground, &steps);
	if (arguments->foreground)
		return stay_to_the_end(cluster, pid, arguments);
	return EXIT_OK;
}
