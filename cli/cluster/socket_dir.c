/* SPDX-License-Identifier: PostgreSQL
 *
 * socket_dir.c: where the unix sockets are.
 *
 * DIR/run, as long as that works.  The kernel takes 107 bytes of path for a socket, and libpq reads
 * a comma as the end of a host; then it is a short directory elsewhere, private to the cluster's
 * user and remembered in pgfirst.conf: below $XDG_RUNTIME_DIR, else below /tmp.  Others can write
 * in /tmp, so such a directory is only used while it is a real directory, ours, closed to others.
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The longest name in it. */
#define LONGEST_SOCKET "/.s.PGSQL.65535"

static bool
path_fits(const char *run_dir)
{
	return strlen(run_dir) + strlen(LONGEST_SOCKET) <
	           sizeof(((struct sockaddr_un *) 0)->sun_path) &&
	       strchr(run_dir, ',') == NULL;
}

static bool
directory_is_private(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
	       (status.st_mode & 077) == 0;
}

static char *
run_dir_inside(const Cluster *cluster)
{
	return text_format("%s/run", cluster->dir);
}

static char *
run_dir_elsewhere(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *path;

	if (runtime != NULL && directory_is_private(runtime))
	{
		path = text_format("%s/pgfirst-XXXXXX", runtime);
		if (path_fits(path) && mkdtemp(path) != NULL)
			return path;
	}
	path = text_copy("/tmp/pgfirst-XXXXXX");
	if (mkdtemp(path) == NULL)
		fail(
		    EXIT_ERROR, "Choose a shorter directory with --dir.",
		    "the cluster's path is too long for a unix socket, and no directory for it can be made "
		    "in /tmp: %s",
		    strerror(errno));
	return path;
}

char *
socket_dir_make(const Cluster *cluster)
{
	char *path = run_dir_inside(cluster);

	if (!path_fits(path))
		return run_dir_elsewhere();
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		fail(EXIT_ERROR, NULL, "cannot make %s: %s", path, strerror(errno));
	if (!directory_is_private(path))
		fail(EXIT_ERROR, text_format("Mend that with: chmod 700 %s", text_shell_quote(path)),
		     "%s is not a private directory of user %s", path, user_name(geteuid()));
	return path;
}

bool
socket_dir_is_good(const Cluster *cluster, const char *run_dir)
{
	/* One that was inside the cluster's directory stays inside it when that is moved. */
	if (run_dir == NULL || !directory_is_private(run_dir))
		return false;
	return strcmp(run_dir, run_dir_inside(cluster)) == 0 || !path_fits(run_dir_inside(cluster));
}

void
socket_dir_remove(const Cluster *cluster)
{
	char *run_dir = settings_run_dir(cluster);
	const char *name = run_dir != NULL ? strrchr(run_dir, '/') : NULL;

	/* Only what run_dir_elsewhere() makes: the setting may have been pointed anywhere. */
	if (name != NULL && text_starts(name, "/pgfirst-") && directory_is_private(run_dir))
		(void) tree_remove(run_dir);
}
