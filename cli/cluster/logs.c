/* SPDX-License-Identifier: PostgreSQL
 *
 * logs.c: `pgfirst logs`: the last lines of the newest log file, and what comes after them.
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
#include <sys/stat.h>
#include <unistd.h>

#define LINES_DEFAULT 40
#define FOLLOW_MS     200

/* Where the last `lines` lines begin. */
static off_t
tail_offset(int fd, int64_t lines)
{
	off_t end = lseek(fd, 0, SEEK_END);
	off_t at = end;
	char block[4096];

	if (lines == 0)
		return end;
	while (at > 0)
	{
		size_t size = at > (off_t) sizeof(block) ? sizeof(block) : (size_t) at;

		if (pread(fd, block, size, at - (off_t) size) != (ssize_t) size)
			return 0;
		for (size_t i = size; i > 0; i--)
		{
			off_t here = at - (off_t) size + (off_t) i;

			/* The line end that closes the file begins no line. */
			if (block[i - 1] == '\n' && here != end && --lines == 0)
				return here;
		}
		at -= (off_t) size;
	}
	return 0;
}

static void
copy_rest(int fd)
{
	char block[8192];
	ssize_t got;

	while ((got = read(fd, block, sizeof(block))) > 0)
	{
		if (fwrite(block, 1, (size_t) got, stdout) != (size_t) got)
			exit(EXIT_ERROR);
	}
	fflush(stdout);
}

static void
print_json(const char *path, int fd, off_t offset)
{
	JsonWriter json = {0};
	TextBuffer text = {0};
	char block[8192];
	ssize_t got;
	char *line;

	text_append(&text, "");
	(void) lseek(fd, offset, SEEK_SET);
	while ((got = read(fd, block, sizeof(block))) > 0)
		text_append_bytes(&text, block, (size_t) got);
	json_object(&json, NULL);
	json_text(&json, "file", path);
	json_array(&json, "lines");
	while ((line = strsep(&text.data, "\n")) != NULL)
	{
		if (*line != '\0')
			json_text(&json, NULL, line);
	}
	json_array_end(&json);
	json_object_end(&json);
	json_print(&json);
}

/*
 * Prints what is added until Ctrl-C.  At midnight another file becomes the newest; it is then read
 * from its beginning.  A file that has become shorter was truncated for a new week.
 */
static void
follow(const Cluster *cluster, const char *path, int fd)
{
	struct stat status;

	while (interrupt_signal() == 0)
	{
		char *newest;

		copy_rest(fd);
		sleep_ms(FOLLOW_MS);
		newest = server_log_file(cluster);
		if (newest != NULL && strcmp(newest, path) != 0)
		{
			int next = open(newest, O_RDONLY | O_CLOEXEC);

			if (next >= 0)
			{
				copy_rest(fd);
				close(fd);
				fd = next;
				path = newest;
				continue;
			}
		}
		free(newest);
		if (fstat(fd, &status) == 0 && status.st_size < lseek(fd, 0, SEEK_CUR))
			(void) lseek(fd, 0, SEEK_SET);
	}
}

int
command_logs(const Arguments *arguments)
{
	int64_t lines = arguments->lines >= 0 ? arguments->lines : LINES_DEFAULT;
	Cluster *cluster;
	off_t offset;
	char *path;
	int fd;

	if (arguments->json && arguments->follow)
		fail(EXIT_USAGE, "Leave one of them out.", "--json ends and --follow does not");
	cluster = cluster_open(arguments, USER_READS);
	path = server_log_file(cluster);
	fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		fail(EXIT_ERROR,
		     "A cluster that runs in the foreground writes to the terminal, container or service\n"
		     "that started it.",
		     "there is no log file in %s", cluster->log);
	offset = tail_offset(fd, lines);
	if (arguments->json)
	{
		print_json(path, fd, offset);
		return EXIT_OK;
	}
	(void) lseek(fd, offset, SEEK_SET);
	copy_rest(fd);
	if (arguments->follow)
	{
		interrupt_watch();
		follow(cluster, path, fd);
	}
	return EXIT_OK;
}
