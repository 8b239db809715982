/* SPDX-License-Identifier: PostgreSQL
 *
 * listener.c: the listening sockets of the Redis door, and who comes in through them.
 *
 * With several workers each listens on the same TCP port (SO_REUSEPORT) and the kernel deals out the
 * connections.  The option would also let a second server of the same user listen on the port
 * unnoticed, so a single worker goes without, and of several the first one checks without it.
 * The Unix socket belongs to the first worker.
 *
 * One descriptor is kept in reserve: when the process has none left, it is given up for the moment
 * it takes to accept a client and to tell it so.
 *
 * The TLS port is another port of the same addresses.  It is opened when there is a certificate: at the
 * start, or at the reload that brings one.  Whoever is one too many there hears it when hands have been
 * shaken, for which some descriptors and a part of the handshakes are set aside; beyond those it is
 * only disconnected.
 */
#include "postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/ip.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "kv/cmd/session.h"
#include "kv/cmd/stats.h"
#include "kv/net/client.h"
#include "kv/net/listener.h"
#include "kv/net/tls.h"
#include "kv/net/tls_context.h"
#include "kv/settings.h"

#define LISTENERS_MAX   32
#define BACKLOG         4096
#define ACCEPTS_AT_ONCE 64
#define OWN_FILES       256 /* descriptors that PostgreSQL itself is left */

typedef struct Listener
{
	int fd;
	bool local; /* a Unix socket */
	bool tls;
	char address[KV_ADDRESS_TEXT];
} Listener;

static struct
{
	Listener open[LISTENERS_MAX];
	int count;
	int reserve; /* a descriptor to give up */
	int capacity;
	int capacity_for; /* the value of pgfirst.redis_max_clients that it was found for */
	bool complained;
} listeners = {.reserve = -1};

/* ---- opening ----------------------------------------------------------------------------- */

static bool
listener_is_open(const char *address)
{
	for (int i = 0; i < listeners.count; i++)
		if (strcmp(listeners.open[i].address, address) == 0)
			return true;
	return false;
}

static void
complain(const char *address, const char *what, const char *setting)
{
	int error = errno;

	if (listeners.complained)
		return;
	errno = error;
	ereport(LOG,
	        (errcode_for_socket_access(),
	         errmsg("could not %s the Redis door at %s: %m; it will be tried again", what, address),
	         error == EADDRINUSE ? errhint("Is another server, or Redis, running there? If not, "
	                                       "%s moves the door.",
	                                       setting)
	                             : 0));
}

static bool
listener_add(int epoll, int fd, Listener kind, const char *address)
{
	Listener *listener = &listeners.open[listeners.count];
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};

	if (listen(fd, BACKLOG) != 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
	{
		complain(address, "listen for", "pgfirst.redis_port");
		close(fd);
		return false;
	}
	*listener = kind;
	listener->fd = fd;
	strlcpy(listener->address, address, sizeof(listener->address));
	listeners.count++;
	ereport(LOG, (errmsg("the Redis door listens at %s%s", address, kind.tls ? " for TLS" : "")));
	return true;
}

static int
tcp_bind(const struct addrinfo *where, bool share)
{
	int on = 1;
	int fd = socket(where->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
	    (where->ai_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
	    bind(fd, where->ai_addr, where->ai_addrlen) != 0)
	{
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static void
address_text(const struct sockaddr *address, socklen_t length, char *words)
{
	char host[NI_MAXHOST] = "";
	char service[NI_MAXSERV] = "";

	if (getnameinfo(address, length, host, sizeof(host), service, sizeof(service),
	                NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		strlcpy(words, "?:0", KV_ADDRESS_TEXT);
	else
		snprintf(words, KV_ADDRESS_TEXT, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
		         service);
}

/* True if there is nothing more to try: "*" also means IPv6 where the machine has none. */
static bool
tcp_open(int epoll, int worker, const struct addrinfo *where, bool tls)
{
	const char *setting = tls ? "pgfirst.redis_tls_port" : "pgfirst.redis_port";
	bool share = pgfirst_redis_workers > 1;
	char address[KV_ADDRESS_TEXT];
	int fd;

	address_text(where->ai_addr, where->ai_addrlen, address);
	if (listener_is_open(address) || listeners.count == LISTENERS_MAX)
		return true;
	if (share && worker == 1)
	{
		/* A look, before our own other workers can be in the way: is the port somebody else's? */
		fd = tcp_bind(where, false);
		if (fd < 0 && pg_atomic_read_u64(&kv_stats->started_us) == 0)
		{
			complain(address, "open", setting);
			return false;
		}
		if (fd >= 0)
			close(fd);
	}
	fd = tcp_bind(where, share);
	if (fd < 0 && errno == EAFNOSUPPORT)
		return true;
	if (fd < 0)
	{
		complain(address, "open", setting);
		return false;
	}
	return listener_add(epoll, fd, (Listener){.tls = tls}, address);
}

static bool
tcp_open_host(int epoll, int worker, const char *host, bool tls)
{
	struct addrinfo wanted = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found = NULL;
	char port[16];
	bool complete = true;
	int result;

	snprintf(port, sizeof(port), "%d", tls ? pgfirst_redis_tls_port : pgfirst_redis_port);
	result = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &wanted, &found);
	if (result != 0)
	{
		if (!listeners.complained)
			ereport(LOG, (errmsg("could not find the address \"%s\" for the Redis door: %s", host,
			                     gai_strerror(result))));
		return false;
	}
	for (struct addrinfo *where = found; where; where = where->ai_next)
		if (!tcp_open(epoll, worker, where, tls))
			complete = false;
	freeaddrinfo(found);
	return complete;
}

/* One port at all the configured addresses. */
static bool
tcp_open_all(int epoll, int worker, bool tls)
{
	char *hosts = pstrdup(pgfirst_redis_listen_addresses);
	List *names = NIL;
	ListCell *cell;
	bool complete = true;

	if (!SplitGUCList(hosts, ',', &names))
		ereport(FATAL, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("pgfirst.redis_listen_addresses is not a list of addresses")));
	foreach (cell, names)
		if (!tcp_open_host(epoll, worker, lfirst(cell), tls))
			complete = false;
	list_free(names);
	pfree(hosts);
	return complete;
}

/*
 * Removes the file that a dead server has left; a living one answers.  Returns false, with errno
 * set, if the name is taken.
 */
static bool
unix_clear(const struct sockaddr_un *where)
{
	struct stat file;
	int fd;
	int error;

	if (lstat(where->sun_path, &file) != 0)
		return errno == ENOENT;
	if (!S_ISSOCK(file.st_mode))
	{
		errno = EEXIST;
		return false;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	error = connect(fd, (const struct sockaddr *) where, sizeof(*where)) == 0 ? 0 : errno;
	close(fd);
	if (error != ECONNREFUSED)
	{
		errno = EADDRINUSE;
		return false;
	}
	return unlink(where->sun_path) == 0;
}

static bool
unix_open(int epoll)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	const char *path = pgfirst_redis_unix_socket;
	int fd;

	if (path[0] == '\0' || listener_is_open(path))
		return true;
	if (strlen(path) >= sizeof(where.sun_path))
	{
		if (!listeners.complained)
			ereport(LOG, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			              errmsg("pgfirst.redis_unix_socket is longer than %zu bytes",
			                     sizeof(where.sun_path) - 1),
			              errhint("Choose a shorter directory.")));
		return false;
	}
	strlcpy(where.sun_path, path, sizeof(where.sun_path));
	if (!unix_clear(&where) ||
	    (fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
	{
		complain(path, "open", "pgfirst.redis_unix_socket");
		return false;
	}
	if (bind(fd, (struct sockaddr *) &where, sizeof(where)) != 0 ||
	    chmod(path, (mode_t) pgfirst_redis_unix_socket_permissions) != 0)
	{
		complain(path, "open", "pgfirst.redis_unix_socket");
		close(fd);
		return false;
	}
	return listener_add(epoll, fd, (Listener){.local = true}, path);
}

/* Raises the limit of open files as far as it may; returns how many clients fit. */
static int
find_capacity(void)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t) pgfirst_redis_max_clients + OWN_FILES;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return Min(pgfirst_redis_max_clients, 512);
	if (limit.rlim_cur < wanted)
	{
		limit.rlim_cur = Min(wanted, limit.rlim_max);
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			getrlimit(RLIMIT_NOFILE, &limit);
	}
	limit.rlim_cur = Max(Min(limit.rlim_cur, wanted), OWN_FILES);
	if (limit.rlim_cur < wanted)
		ereport(LOG, (errmsg("the Redis door serves at most %d clients: the limit of open files is "
		                     "%lu",
		                     (int) limit.rlim_cur - OWN_FILES, (unsigned long) limit.rlim_cur),
		              errhint("Raise the hard limit of open files (ulimit -Hn, LimitNOFILE).")));
	return Min(pgfirst_redis_max_clients, (int) limit.rlim_cur - OWN_FILES);
}

/* How many clients fit; found anew when the setting has changed. */
static int
capacity(void)
{
	if (listeners.capacity_for != pgfirst_redis_max_clients)
	{
		listeners.capacity = find_capacity();
		listeners.capacity_for = pgfirst_redis_max_clients;
	}
	return listeners.capacity;
}

bool
kv_listener_open(int epoll, int worker)
{
	bool complete = true;

	/* The first worker finds out whether the port is free; it says so by having started. */
	if (worker != 1 && pg_atomic_read_u64(&kv_stats->started_us) == 0)
		return false;
	(void) capacity();
	if (listeners.reserve < 0)
		listeners.reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (pgfirst_redis_port != 0 && !tcp_open_all(epoll, worker, false))
		complete = false;
	/* Without a certificate it is not missing; a reload will have us called again. */
	if (pgfirst_redis_tls_port != 0 && kv_tls_context() && !tcp_open_all(epoll, worker, true))
		complete = false;
	if (worker == 1 && !unix_open(epoll))
		complete = false;
	listeners.complained = !complete;
	return complete;
}

void
kv_listener_close(void)
{
	for (int i = 0; i < listeners.count; i++)
	{
		close(listeners.open[i].fd);
		if (listeners.open[i].local)
			unlink(listeners.open[i].address);
	}
	listeners.count = 0;
}

/* ---- accepting --------------------------------------------------------------------------- */

bool
kv_listener_owns(const void *pointer)
{
	const Listener *listener = pointer;

	return listener >= listeners.open && listener < listeners.open + LISTENERS_MAX;
}

static void
turn_away(const Listener *listener, int fd)
{
	static const char refusal[] = "-ERR max number of clients reached\r\n";

	/* Best effort, then the client is gone. */
	if (!listener->tls)
		(void) send(fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
	kv_stats_add(&kv_stats->connections_rejected, 1);
}

/* No descriptor is left: gives up the reserve to be able to say so. */
static void
turn_away_for_want_of_files(const Listener *listener)
{
	int fd;

	if (listeners.reserve >= 0)
		close(listeners.reserve);
	fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		turn_away(listener, fd);
	listeners.reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * Has the kernel ask, after so long of silence, whether the other side is still there: three times, over as
 * long again.
 */
static void
keep_alive(int fd)
{
	int on = pgfirst_redis_tcp_keepalive > 0;
	int idle = pgfirst_redis_tcp_keepalive;
	int interval = Max(idle / 3, 1);
	int count = 3;

	/* Worth having, not worth refusing a client for. */
	(void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (!on)
		return;
	(void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	(void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static bool
is_loopback(const struct sockaddr_storage *peer)
{
	struct sockaddr_in four;
	struct sockaddr_in6 six;

	memcpy(&four, peer, sizeof(four));
	memcpy(&six, peer, sizeof(six));
	return peer->ss_family == AF_INET
	           ? ntohl(four.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET
	           : IN6_IS_ADDR_LOOPBACK(&six.sin6_addr);
}

/*
 * Nothing is congested within a machine.  Of the congestion controls "reno" has least to do for each reply that is
 * acknowledged, and every Linux allows it; "bbr" measures each of them, on the client's time, and spreads them.
 */
static void
use_reno(int fd)
{
	/* Worth having, not worth refusing a client for. */
	(void) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

static void
take_in(const Listener *listener, int fd, bool welcome)
{
	struct sockaddr_storage peer = {0};
	socklen_t length = sizeof(peer);
	char address[KV_ADDRESS_TEXT];
	KvClientKind kind = !listener->tls ? KV_CLIENT_PLAIN
	                    : welcome      ? KV_CLIENT_TLS
	                                   : KV_CLIENT_TLS_UNWELCOME;
	int on = 1;

	if (listener->local)
		snprintf(address, sizeof(address), "%s:0", listener->address);
	else
	{
		(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		keep_alive(fd);
		if (getpeername(fd, (struct sockaddr *) &peer, &length) != 0)
		{
			close(fd); /* it has left already */
			return;
		}
		if (is_loopback(&peer))
			use_reno(fd);
		address_text((struct sockaddr *) &peer, length, address);
	}
	if (!kv_client_open(fd, kind, address, listener->local ? address : listener->address))
		turn_away(listener, fd);
}

void
kv_listener_accept(const void *pointer)
{
	const Listener *listener = pointer;

	for (int i = 0; i < ACCEPTS_AT_ONCE; i++)
	{
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0 && kv_sessions.count - kv_tls_unwelcome() < capacity())
			take_in(listener, fd, true);
		else if (fd >= 0 && listener->tls && kv_tls_has_room_for_unwelcome())
			take_in(listener, fd, false);
		else if (fd >= 0)
			turn_away(listener, fd);
		else if (errno == EMFILE || errno == ENFILE)
		{
			turn_away_for_want_of_files(listener);
			return;
		}
		else if (errno != EINTR && errno != ECONNABORTED)
			return; /* EAGAIN: that was all */
	}
}
