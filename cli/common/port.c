/* SPDX-License-Identifier: PostgreSQL
 *
 * port.c: a port is free if we can listen on it; /proc/net/tcp and /proc/PID/fd say who has it.
 *
 * Asking by bind() is the only answer that holds for listeners of every kind (0.0.0.0, ::, other
 * users', those in TIME_WAIT).  Between asking and PostgreSQL's own bind somebody else may be
 * quicker; PostgreSQL's message then says so.
 */
#include "cli/common/port.h"

#include "cli/common/file.h"
#include "cli/common/process.h"
#include "cli/common/text.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define TCP_LISTEN 0x0A

/* Random ports come from below Linux's ephemeral range, which outgoing connections use. */
#define RANDOM_FIRST 23000
#define RANDOM_COUNT 9000

int
port_reserve(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons((uint16_t) port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int yes = 1;
	int error;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *) &address, sizeof(address)) == 0 && listen(fd, 1) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

bool
port_is_free(int port)
{
	int fd = port_reserve(port);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* The inode and owner of the socket that listens on the port. */
static bool
port_socket(const char *table, int port, unsigned long *inode, unsigned int *owner)
{
	FILE *file = fopen(table, "re");
	bool found = false;
	char line[512];

	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file) != NULL)
	{
		unsigned int local_port;
		unsigned int socket_state;

		/* sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode */
		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%X %*[0-9A-Fa-f]:%*X %X %*s %*s %*s %u %*d %lu",
		           &local_port, &socket_state, owner, inode) == 4)
			found = local_port == (unsigned int) port && socket_state == TCP_LISTEN;
	}
	fclose(file);
	return found;
}

struct SocketSearch
{
	char *wanted; /* "socket:[123]" */
	pid_t found;
};

static bool
process_has_socket(pid_t pid, pid_t parent, void *context)
{
	struct SocketSearch *search = context;
	char *path = text_format("/proc/%d/fd", (int) pid);
	DIR *directory = opendir(path);
	struct dirent *entry;

	(void) parent;
	if (directory == NULL)
		return true;
	while (search->found == 0 && (entry = readdir(directory)) != NULL)
	{
		char target[64];
		ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);

		if (length > 0)
		{
			target[length] = '\0';
			if (strcmp(target, search->wanted) == 0)
				search->found = pid;
		}
	}
	closedir(directory);
	return search->found == 0;
}

char *
port_holder(int port)
{
	struct SocketSearch search = {0};
	struct passwd *user;
	unsigned long inode;
	unsigned int owner;

	if (!port_socket("/proc/net/tcp", port, &inode, &owner) &&
	    !port_socket("/proc/net/tcp6", port, &inode, &owner))
		return text_copy("another process");
	search.wanted = text_format("socket:[%lu]", inode);
	process_each(process_has_socket, &search);
	if (search.found > 0)
		return text_format("%s (process %d)", process_name(search.found), (int) search.found);
	user = getpwuid(owner);
	if (user != NULL)
		return text_format("a process of user %s", user->pw_name);
	return text_format("a process of uid %u", owner);
}

int
port_next_free(int first, int except)
{
	for (int port = first; port <= 65535; port++)
	{
		if (port != except && port_is_free(port))
			return port;
	}
	return 0;
}

int
port_random_free(int except)
{
	for (int attempt = 0; attempt < 200; attempt++)
	{
		uint32_t number;
		int port;

		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			break;
		port = RANDOM_FIRST + (int) (number % RANDOM_COUNT);
		if (port != except && port_is_free(port))
			return port;
	}
	return port_next_free(RANDOM_FIRST, except);
}
