/* SPDX-License-Identifier: PostgreSQL
 *
 * file.c: files, directories and paths.
 */
#include "cli/common/file.h"

#include "cli/common/fail.h"
#include "cli/common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TAIL_BYTES 65536

/* Reads from fd's position to its end. */
static char *
descriptor_read(int fd)
{
	TextBuffer text = {0};
	char block[8192];
	ssize_t got;

	text_append(&text, "");
	while ((got = read(fd, block, sizeof(block))) > 0)
		text_append_bytes(&text, block, (size_t) got);
	return text.data;
}

char *
file_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;

	if (fd < 0)
		return NULL;
	text = descriptor_read(fd);
	close(fd);
	return text;
}

const char *
file_tail(const char *path, int lines)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	char *text;

	if (fd < 0)
		return "";
	if (fstat(fd, &status) == 0 && status.st_size > TAIL_BYTES)
		(void) lseek(fd, -TAIL_BYTES, SEEK_END);
	text = descriptor_read(fd);
	close(fd);
	return text_tail(text, lines);
}

static bool
descriptor_write(int fd, const char *text)
{
	size_t length = strlen(text);

	while (length > 0)
	{
		ssize_t written = write(fd, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		text += written;
		length -= (size_t) written;
	}
	return true;
}

void
file_write(const char *path, mode_t mode, const char *text)
{
	char *beside = text_format("%s.tmp", path);
	int directory;
	int fd;

	/* O_EXCL with the final mode: the content is never readable by more than it should be. */
	(void) unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0 || fchmod(fd, mode) != 0 || !descriptor_write(fd, text) || fsync(fd) != 0 ||
	    close(fd) != 0 || rename(beside, path) != 0)
	{
		int error = errno;

		(void) unlink(beside);
		fail(EXIT_ERROR,
		     error == ENOSPC ? "Make room there, or choose another directory with --dir." : NULL,
		     "cannot write %s: %s", path, strerror(error));
	}
	directory = open(path_parent(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory >= 0)
	{
		(void) fsync(directory);
		close(directory);
	}
}

void
file_update(const char *path, mode_t mode, const char *text)
{
	char *old = file_read(path);

	if (!text_equals(old, text))
		file_write(path, mode, text);
}

bool
file_exists(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

bool
directory_exists(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool
name_is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

bool
directory_is_empty_but(const char *path, const char *const *except, char **found)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	bool empty = true;

	if (directory == NULL)
		return false;
	while (empty && (entry = readdir(directory)) != NULL)
	{
		bool known = name_is_dots(entry->d_name);

		for (int i = 0; !known && except[i] != NULL; i++)
			known = strcmp(entry->d_name, except[i]) == 0;
		if (!known)
		{
			empty = false;
			if (found != NULL)
				*found = text_copy(entry->d_name);
		}
	}
	closedir(directory);
	return empty;
}

/* Relative to an open directory throughout, so that a path swapped meanwhile is not followed. */
static bool
tree_remove_at(int parent, const char *name)
{
	bool removed = true;
	struct dirent *entry;
	DIR *directory;
	int fd;

	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return true;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	directory = fdopendir(fd);
	if (directory == NULL)
	{
		close(fd);
		return false;
	}
	while ((entry = readdir(directory)) != NULL)
	{
		if (!name_is_dots(entry->d_name) && !tree_remove_at(fd, entry->d_name))
			removed = false;
	}
	closedir(directory);
	return removed && unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

bool
tree_remove(const char *path)
{
	return tree_remove_at(AT_FDCWD, path);
}

static int64_t
tree_size_at(int parent, const char *name)
{
	struct stat status;
	struct dirent *entry;
	DIR *directory;
	int64_t size;
	int fd;

	if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	size = (int64_t) status.st_blocks * 512;
	if (!S_ISDIR(status.st_mode))
		return size;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	directory = fd >= 0 ? fdopendir(fd) : NULL;
	if (directory == NULL)
		return size;
	while ((entry = readdir(directory)) != NULL)
	{
		if (!name_is_dots(entry->d_name))
			size += tree_size_at(fd, entry->d_name);
	}
	closedir(directory);
	return size;
}

int64_t
tree_size(const char *path)
{
	return tree_size_at(AT_FDCWD, path);
}

char *
path_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return text_copy(".");
	if (slash == path)
		return text_copy("/");
	return text_format("%.*s", (int) (slash - path), path);
}

char *
path_absolute(const char *path)
{
	char *trimmed = text_copy(path);
	size_t length = strlen(trimmed);
	char resolved[PATH_MAX];
	const char *name;
	char *parent;

	while (length > 1 && trimmed[length - 1] == '/')
		trimmed[--length] = '\0';
	if (realpath(trimmed, resolved) != NULL)
		return text_copy(resolved);

	/* What does not exist yet is named by its parent, which usually does. */
	parent = path_parent(trimmed);
	name = strrchr(trimmed, '/');
	name = name != NULL ? name + 1 : trimmed;
	if (realpath(parent, resolved) != NULL)
		return text_format("%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved, name);
	if (trimmed[0] == '/' || getcwd(resolved, sizeof(resolved)) == NULL)
		return trimmed;
	return text_format("%s/%s", resolved, trimmed);
}

int64_t
disk_free(const char *path)
{
	struct statvfs status;

	if (statvfs(path, &status) != 0)
		return -1;
	return (int64_t) status.f_bavail * (int64_t) status.f_frsize;
}
