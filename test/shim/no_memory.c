/* SPDX-License-Identifier: PostgreSQL
 *
 * no_memory.c: takes memory away from what asks realloc() for a first block, for one program.
 *
 *   LD_PRELOAD=build/shim/no_memory.so PGFIRST_NO_MEMORY_FILE=/some/file pg_ctl start …
 *
 * While the file is there, realloc(NULL, size) returns NULL.  That is how a Lua state is given its memory, and
 * hardly anything else: PostgreSQL's own memory comes from malloc(), and so the server goes on.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

void *
realloc(void *block, size_t size)
{
	static void *(*next)(void *, size_t);
	const char *path;
	int error = errno;

	if (!next)
		next = (void *(*) (void *, size_t)) dlsym(RTLD_NEXT, "realloc");
	if (!block && (path = getenv("PGFIRST_NO_MEMORY_FILE")) != NULL && access(path, F_OK) == 0)
	{
		errno = ENOMEM;
		return NULL;
	}
	errno = error;
	return next(block, size);
}
