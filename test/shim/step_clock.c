/* SPDX-License-Identifier: PostgreSQL
 *
 * step_clock.c: sets the wall clock of one program, while it runs.
 *
 *   LD_PRELOAD=build/shim/step_clock.so PGFIRST_CLOCK_FILE=/some/file pg_ctl start …
 *
 * The file holds the seconds to add to the wall clock, negative to step it back; no file means none.
 * It is looked at in every call, so a step is as sudden as that of a real clock. The monotonic
 * clock is not touched: it never steps on a real machine either.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t
step(void)
{
	const char *path = getenv("PGFIRST_CLOCK_FILE");
	int error = errno;
	char text[32];
	ssize_t got;
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
	{
		errno = error;
		return 0;
	}
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	errno = error;
	text[got > 0 ? got : 0] = '\0';
	return (time_t) atoll(text);
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*next)(clockid_t, struct timespec *);
	int result;

	if (!next)
		next = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
	result = next(clock, now);
	if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += step();
	return result;
}

int
gettimeofday(struct timeval *now, void *zone)
{
	static int (*next)(struct timeval *, void *);
	int result;

	if (!next)
		next = (int (*)(struct timeval *, void *)) dlsym(RTLD_NEXT, "gettimeofday");
	result = next(now, zone);
	if (result == 0)
		now->tv_sec += step();
	return result;
}

time_t
time(time_t *result)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (result)
		*result = now.tv_sec;
	return now.tv_sec;
}
