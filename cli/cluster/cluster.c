/* SPDX-License-Identifier: PostgreSQL
 *
 * cluster.c: the directory: its marker, its lock, its removal.
 *
 * The marker is a few lines "name=value":
 *
 *   state=ready            or creating
 *   version=0.1.0          of the program that made it
 *   postgresql=15
 *
 * Removal takes the names of this list and nothing else, then the directory if that leaves it
 * empty.  So what a user has put beside them survives even `destroy`.
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"
#include "cli/common/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKER    "PGFIRST_CLUSTER"
#define LOCK_FILE "pgfirst.lock"

#define LOCK_WAIT_SECONDS 60

#define MARKER_BEGUN "PGFIRST_CLUSTER.tmp"

/* In the order of removal: the marker goes last but for the lock, so an interrupted one resumes. */
static const char *const made_names[] = {"data",
                                         "run",
                                         "log",
                                         "server.lock",
                                         "pgfirst.conf",
                                         "pgfirst.conf.tmp",
                                         "pgfirst.env",
                                         "pgfirst.env.tmp",
                                         "superuser.password",
                                         "superuser.password.tmp",
                                         MARKER_BEGUN,
                                         MARKER,
                                         NULL};

Cluster *
cluster_at(const char *dir)
{
	Cluster *cluster = memory_take(sizeof(Cluster));

	cluster->dir = dir;
	cluster->dir_given = true;
	cluster->lock = cluster->server_lock = -1;
	cluster->data = text_format("%s/data", dir);
	cluster->settings = text_format("%s/pgfirst.conf", dir);
	cluster->env_file = text_format("%s/pgfirst.env", dir);
	cluster->superuser = text_format("%s/superuser.password", dir);
	cluster->log = text_format("%s/log", dir);
	return cluster;
}

void
cluster_read_marker(Cluster *cluster)
{
	char *text = file_read(text_format("%s/" MARKER, cluster->dir));
	char *line;

	cluster->state = CLUSTER_NONE;
	if (text == NULL)
	{
		if (errno == EACCES)
			fail(EXIT_ERROR, "Run pgfirst as the user who owns the directory, or as root.",
			     "user %s may not look into %s", user_name(geteuid()), cluster->dir);
		return;
	}
	cluster->state = CLUSTER_CREATING;
	while ((line = strsep(&text, "\n")) != NULL)
	{
		if (strcmp(line, "state=ready") == 0)
			cluster->state = CLUSTER_READY;
		else if (text_starts(line, "version="))
			cluster->made_by = line + strlen("version=");
		else if (text_starts(line, "postgresql="))
			cluster->pg_major = atoi(line + strlen("postgresql="));
	}
}

void
cluster_write_marker(Cluster *cluster, ClusterState state, int pg_major)
{
	file_write(text_format("%s/" MARKER, cluster->dir), 0600,
	           text_format("# pgfirst made this directory, and \"pgfirst destroy\" removes it.\n"
	                       "# Without this file, pgfirst leaves it alone.\n"
	                       "state=%s\nversion=%s\npostgresql=%d\n",
	                       state == CLUSTER_READY ? "ready" : "creating", PGFIRST_VERSION,
	                       pg_major));
	cluster->state = state;
	cluster->pg_major = pg_major;
}

Cluster *
cluster_find(const Arguments *arguments, UserPurpose purpose)
{
	Cluster *cluster = cluster_at(arguments->dir);
	struct stat status;

	cluster->dir_given = arguments->dir_given;
	if (stat(cluster->dir, &status) == 0)
	{
		if (!S_ISDIR(status.st_mode))
			fail(EXIT_ERROR, "Choose another directory with --dir.", "%s is not a directory",
			     cluster->dir);
		if (geteuid() != 0 && status.st_uid != geteuid())
			fail(
			    EXIT_ERROR,
			    text_format("Run pgfirst as that user or as root, or choose another directory with "
			                "--dir."),
			    "%s belongs to user %s, not to %s", cluster->dir, user_name(status.st_uid),
			    user_name(geteuid()));
	}
	else if (purpose != USER_CREATES)
	{
		if (errno != ENOENT && errno != ENOTDIR)
			fail(EXIT_ERROR, NULL, "cannot look at %s: %s", cluster->dir, strerror(errno));
		return cluster;
	}
	user_become_owner(cluster->dir, purpose);
	cluster_read_marker(cluster);
	return cluster;
}

Cluster *
cluster_open(const Arguments *arguments, UserPurpose purpose)
{
	Cluster *cluster = cluster_find(arguments, purpose);

	if (cluster->state == CLUSTER_NONE)
		fail(EXIT_NO_CLUSTER,
		     text_format(
		         "Make one with \"%s\", or name another directory with --dir or PGFIRST_DIR.",
		         cluster_command(cluster, "up")),
		     "there is no cluster of pgfirst in %s", cluster->dir);
	if (cluster->state == CLUSTER_CREATING)
		fail(EXIT_NO_CLUSTER,
		     text_format(
		         "If nobody is making it just now, \"%s\" clears that away and makes it anew.",
		         cluster_command(cluster, "up")),
		     "the cluster in %s is not finished", cluster->dir);
	return cluster;
}

/* Whoever has the lock wrote its process id into it. */
static char *
lock_holder(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0 || atoi(text) <= 0)
		return text_copy("");
	return text_format(" (process %d)", atoi(text));
}

static bool
lock_is_current(int fd, const char *path)
{
	struct stat held;
	struct stat there;

	return fstat(fd, &held) == 0 && stat(path, &there) == 0 && held.st_ino == there.st_ino;
}

void
cluster_lock(Cluster *cluster)
{
	const char *path = text_format("%s/" LOCK_FILE, cluster->dir);
	double deadline = clock_seconds() + LOCK_WAIT_SECONDS;
	bool told = false;
	int fd = -1;

	for (;;)
	{
		if (fd < 0)
			fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0)
			fail(EXIT_ERROR, "Choose another directory with --dir.", "cannot write in %s: %s",
			     cluster->dir, strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		{
			if (lock_is_current(fd, path))
				break;
			/* Its holder was `destroy`, which has removed the file that we opened. */
			close(fd);
			fd = -1;
			if (!directory_exists(cluster->dir))
				fail(EXIT_NO_CLUSTER, NULL, "%s has just been removed", cluster->dir);
			continue;
		}
		if (clock_seconds() > deadline)
			fail(EXIT_ERROR, "Try again when it has finished.",
			     "another pgfirst%s is working on %s", lock_holder(fd), cluster->dir);
		if (!told)
			warn("another pgfirst%s is working on %s; waiting for it", lock_holder(fd),
			     cluster->dir);
		told = true;
		sleep_ms(50);
		interrupt_check();
	}
	cluster->lock = fd;
	if (ftruncate(fd, 0) == 0)
		(void) !dprintf(fd, "%d\n", (int) getpid());
}

void
cluster_lock_inherit(Cluster *cluster, bool inherit)
{
	(void) fcntl(cluster->lock, F_SETFD, inherit ? 0 : FD_CLOEXEC);
}

void
cluster_unlock(Cluster *cluster)
{
	if (cluster->lock >= 0)
		close(cluster->lock);
	cluster->lock = -1;
}

void
cluster_remove(Cluster *cluster)
{
	if (server_pid(cluster) != 0)
		server_stop(cluster, true);
	server_end_remnants(cluster);
	socket_dir_remove(cluster);
	for (int i = 0; made_names[i] != NULL; i++)
	{
		const char *path = text_format("%s/%s", cluster->dir, made_names[i]);

		if (!tree_remove(path))
			fail(EXIT_ERROR, "Mend that, then run the same command again.", "cannot remove %s: %s",
			     path, strerror(errno));
	}
}

void
cluster_remove_lock(Cluster *cluster)
{
	(void) unlink(text_format("%s/" LOCK_FILE, cluster->dir));
	cluster_unlock(cluster);
}

/* A data directory of somebody else's deserves a clearer word than "not empty". */
static void
check_foreign_server(const char *dir)
{
	char *version = file_read(text_format("%s/PG_VERSION", dir));
	char *pid_text = file_read(text_format("%s/postmaster.pid", dir));
	pid_t pid = pid_text != NULL ? (pid_t) atoi(pid_text) : 0;
	const char *running = "";

	if (version == NULL)
		return;
	if (pid > 0 && process_alive(pid))
		running = text_format(", and its server is running (process %d)", (int) pid);
	fail(
	    EXIT_ERROR,
	    "pgfirst touches only what it made itself.  Choose another directory with --dir.  (To add\n"
	    "pgfirst to that server: shared_preload_libraries = 'pgfirst', a restart, and in the\n"
	    "database CREATE EXTENSION pgfirst CASCADE.)",
	    "%s holds the data of a PostgreSQL %s that pgfirst did not make%s", dir, text_trim(version),
	    running);
}

void
cluster_check_vacant(const Cluster *cluster)
{
	static const char *const allowed[] = {LOCK_FILE, MARKER_BEGUN, NULL};
	char *found = NULL;

	if (!directory_exists(cluster->dir))
		return;
	check_foreign_server(cluster->dir);
	if (!directory_is_empty_but(cluster->dir, allowed, &found))
		fail(EXIT_ERROR,
		     "pgfirst touches only what it made itself.  Choose another directory with --dir.",
		     "%s is not empty and was not made by pgfirst%s%s", cluster->dir,
		     found != NULL ? ": it holds " : "", found != NULL ? found : "");
}

char *
cluster_command(const Cluster *cluster, const char *name)
{
	if (!cluster->dir_given)
		return text_format("pgfirst %s", name);
	return text_format("pgfirst %s --dir %s", name, text_shell_quote(cluster->dir));
}
