/* SPDX-License-Identifier: PostgreSQL
 *
 * user.c: becoming the cluster's user.
 *
 * When DIR has to be made in, or removed from, a directory that only root may write, a guard stays
 * behind as root.  It waits, passes signals on, returns the exit code, and removes DIR if it is
 * empty and should go; rmdir() cannot remove anything that holds something.
 */
#include "cli/common/user.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"
#include "cli/common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_USER "postgres"

static struct
{
	volatile sig_atomic_t child; /* whom the guard guards */
} guard;

/* Who a cluster in dir runs as. */
struct Owner
{
	uid_t uid;
	gid_t gid;
	char *name; /* NULL if the uid has no passwd entry */
	char *home;
};

char *
user_name(uid_t uid)
{
	struct passwd *entry = getpwuid(uid);

	return entry != NULL ? text_copy(entry->pw_name) : text_format("uid %u", (unsigned) uid);
}

static struct Owner
owner_find(const char *dir)
{
	char *path = text_copy(dir);
	struct passwd *entry;
	struct stat status;
	struct Owner owner = {0};

	while (stat(path, &status) != 0)
	{
		if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0)
			fail(EXIT_ERROR, NULL, "cannot look at %s: %s", path, strerror(errno));
		path = path_parent(path);
	}
	entry = status.st_uid != 0 ? getpwuid(status.st_uid) : getpwnam(DEFAULT_USER);
	if (entry != NULL)
	{
		owner.uid = entry->pw_uid;
		owner.gid = entry->pw_gid;
		owner.name = text_copy(entry->pw_name);
		owner.home = text_copy(entry->pw_dir);
	}
	else if (status.st_uid != 0)
	{
		owner.uid = status.st_uid;
		owner.gid = status.st_gid;
	}
	if (owner.uid == 0)
		fail(EXIT_ERROR,
		     text_format(
		         "Install PostgreSQL's package, which makes that user, or give the directory\n"
		         "to the user who shall run the cluster: install -d -o USER %s",
		         text_shell_quote(dir)),
		     "PostgreSQL does not run as root, and there is no user \"%s\"", DEFAULT_USER);
	return owner;
}

/* With the owner's rights in force: can every directory above dir be entered? */
static void
owner_check_path(const struct Owner *owner, const char *dir)
{
	char *path = path_parent(dir);
	char *closed = NULL;

	for (;;)
	{
		if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0 && errno == EACCES)
			closed = path;
		if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0)
			break;
		path = path_parent(path);
	}
	if (closed == NULL)
		return;
	fail(EXIT_ERROR,
	     text_format(
	         "As root, pgfirst runs the cluster as that user.  Choose a directory that it can\n"
	         "reach (--dir /var/lib/pgfirst), or open the way: chmod o+x %s",
	         text_shell_quote(closed)),
	     "user %s cannot enter %s", owner->name != NULL ? owner->name : user_name(owner->uid),
	     closed);
}

static void
guard_pass(int number)
{
	if (guard.child > 0)
		kill((pid_t) guard.child, number);
}

/* The guard's life; returns in the child only. */
static void
guard_stay(const char *dir, bool made_by_child, bool remove_after)
{
	static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
	struct sigaction action = {.sa_handler = guard_pass, .sa_flags = SA_RESTART};
	bool failed;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fail(EXIT_ERROR, NULL, "cannot start a process: %s", strerror(errno));
	if (pid == 0)
		return;
	guard.child = pid;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaction(passed[i], &action, NULL);
	/* Whoever gave us its terminal or pipe should see it end with the command, not with us. */
	while (waitpid(pid, &status, 0) < 0)
	{
		if (errno != EINTR)
			_exit(EXIT_ERROR);
	}
	failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	if ((made_by_child && failed) || (remove_after && !failed))
		(void) rmdir(dir);
	if (WIFSIGNALED(status))
		_exit(128 + WTERMSIG(status));
	_exit(WEXITSTATUS(status));
}

/* As root: makes dir, or takes an empty one of root's, and gives it to the owner. */
static void
owner_give_directory(const struct Owner *owner, const char *dir)
{
	static const char *const nothing[] = {NULL};
	struct stat status;
	int fd;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		fail(EXIT_ERROR, "Make the directory above it first, or choose another with --dir.",
		     "cannot make %s: %s", dir, strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) != 0)
		fail(EXIT_ERROR, "Choose another directory with --dir.", "%s: %s", dir, strerror(errno));
	if (status.st_uid == 0)
	{
		if (!directory_is_empty_but(dir, nothing, NULL))
			fail(EXIT_ERROR,
			     "pgfirst touches only what it made itself.  Choose another directory with --dir.",
			     "%s is not empty and was not made by pgfirst", dir);
		if (fchown(fd, owner->uid, owner->gid) != 0 || fchmod(fd, 0700) != 0)
			fail(EXIT_ERROR, NULL, "cannot give %s to user %s: %s", dir, user_name(owner->uid),
			     strerror(errno));
	}
	close(fd);
}

static void
owner_become(const struct Owner *owner)
{
	int failed = owner->name != NULL ? initgroups(owner->name, owner->gid) : setgroups(0, NULL);

	if (failed != 0 || setgid(owner->gid) != 0 || setuid(owner->uid) != 0 || setuid(0) == 0 ||
	    geteuid() == 0)
		fail(EXIT_ERROR, NULL, "cannot become user %s: %s", user_name(owner->uid), strerror(errno));
	if (owner->name != NULL)
	{
		setenv("USER", owner->name, 1);
		setenv("LOGNAME", owner->name, 1);
	}
	setenv("HOME", owner->home != NULL ? owner->home : "/", 1);
}

void
user_become_owner(const char *dir, UserPurpose purpose)
{
	bool missing = !file_exists(dir);
	struct Owner owner;

	umask(077);
	if (geteuid() != 0)
		return;
	owner = owner_find(dir);
	if (seteuid(owner.uid) != 0)
		fail(EXIT_ERROR, NULL, "cannot become user %s: %s", user_name(owner.uid), strerror(errno));
	owner_check_path(&owner, dir);
	if (seteuid(0) != 0)
		fail(EXIT_ERROR, NULL, "cannot become root again: %s", strerror(errno));

	if ((purpose == USER_CREATES && missing) || purpose == USER_DESTROYS)
	{
		pid_t parent = getpid();

		guard_stay(dir, purpose == USER_CREATES, purpose == USER_DESTROYS);
		if (purpose == USER_CREATES)
			owner_give_directory(&owner, dir);
		owner_become(&owner);
		/* Becoming somebody else clears this, so it comes after. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(EXIT_ERROR);
	}
	else
	{
		if (purpose == USER_CREATES)
			owner_give_directory(&owner, dir);
		owner_become(&owner);
	}
	/* The caller's directory may be closed to us now, and PostgreSQL's programs mind that. */
	if (chdir("/") != 0)
		fail(EXIT_ERROR, NULL, "cannot enter /: %s", strerror(errno));
}

void
user_borrow_owner(const char *dir)
{
	struct Owner owner;

	if (getuid() != 0)
		return;
	owner = owner_find(dir);
	if (setegid(owner.gid) != 0 || seteuid(owner.uid) != 0)
		fail(EXIT_ERROR, NULL, "cannot become user %s: %s", user_name(owner.uid), strerror(errno));
}

void
user_return(void)
{
	if (getuid() != 0)
		return;
	if (seteuid(0) != 0 || setegid(getgid()) != 0)
		fail(EXIT_ERROR, NULL, "cannot become root again: %s", strerror(errno));
}
