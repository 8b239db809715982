/* SPDX-License-Identifier: PostgreSQL
 *
 * slow_sync.c: makes this machine's disk as slow as a cloud's, for one program.
 *
 *   LD_PRELOAD=build/shim/slow_sync.so PGFIRST_SLOW_SYNC_US=1000 pg_ctl start …
 *
 *   PGFIRST_SLOW_SYNC_US    microseconds added to every fdatasync and fsync (1000)
 *   PGFIRST_SLOW_SYNC_FILE  a file that holds the number instead: it can be changed while the
 *                           program runs, and is read at every call
 *   PGFIRST_SLOW_WAL_US     microseconds that every write to a file in pg_wal waits first (0). What
 *                           PostgreSQL has not handed to the kernel is lost when its processes are
 *                           killed, so that a kill -9 takes back as much as a power cut would.
 *
 * The time is slept, not burned: a disk that is slow leaves the processor to others.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at);
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at);

static void
nap(long microseconds)
{
	struct timespec left = {microseconds / 1000000, microseconds % 1000000 * 1000};
	int error = errno;

	/* A signal does not make a disk faster. */
	while (microseconds > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
		;
	errno = error;
}

static long
number_of(const char *variable, long otherwise)
{
	const char *text = getenv(variable);

	return text && *text ? atol(text) : otherwise;
}

static long
sync_delay(void)
{
	const char *path = getenv("PGFIRST_SLOW_SYNC_FILE");
	char text[32];
	ssize_t got;
	int fd;

	if (!path || !*path)
		return number_of("PGFIRST_SLOW_SYNC_US", 1000);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	return atol(text);
}

int
fdatasync(int fd)
{
	static int (*next)(int);

	if (!next)
		next = (int (*)(int)) dlsym(RTLD_NEXT, "fdatasync");
	nap(sync_delay());
	return next(fd);
}

int
fsync(int fd)
{
	static int (*next)(int);

	if (!next)
		next = (int (*)(int)) dlsym(RTLD_NEXT, "fsync");
	nap(sync_delay());
	return next(fd);
}

static void
wal_nap(int fd)
{
	long delay = number_of("PGFIRST_SLOW_WAL_US", 0);
	char link[64];
	char path[4096];
	ssize_t length;

	if (delay <= 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	if (strstr(path, "/pg_wal/"))
		nap(delay);
}

/* Both names: a program compiled for large files calls the second. */
ssize_t
pwrite(int fd, const void *bytes, size_t count, off_t at)
{
	static ssize_t (*next)(int, const void *, size_t, off_t);

	if (!next)
		next = (ssize_t(*)(int, const void *, size_t, off_t)) dlsym(RTLD_NEXT, "pwrite");
	wal_nap(fd);
	return next(fd, bytes, count, at);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
	static ssize_t (*next)(int, const void *, size_t, off64_t);

	if (!next)
		next = (ssize_t(*)(int, const void *, size_t, off64_t)) dlsym(RTLD_NEXT, "pwrite64");
	wal_nap(fd);
	return next(fd, bytes, count, at);
}
