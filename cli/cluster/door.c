/* SPDX-License-Identifier: PostgreSQL
 *
 * door.c: asking the doors, as the application would: over TCP, as role app, with its password.
 *
 * For Redis this is as much of a client as is needed: three commands out, three lines in.  The
 * door answers -LOADING until the extension is there and its databases are made, so "answers"
 * means that DBSIZE gives a number.
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DOOR_SECONDS   30
#define REDIS_PATIENCE 3000 /* milliseconds for one answer */

static void
ignore_notice(void *context, const PGresult *result)
{
	(void) context;
	(void) result;
}

/* Everything is said, so that nothing of the caller's environment or service files counts. */
static PGconn *
door_connect(const char *host, int port, const char *user, const char *password,
             const char *database)
{
	const char *port_text = text_format("%d", port);
	const char *const names[] = {"host",
	                             "port",
	                             "user",
	                             "password",
	                             "dbname",
	                             "application_name",
	                             "connect_timeout",
	                             "sslmode",
	                             "gssencmode",
	                             "client_encoding",
	                             "options",
	                             NULL};
	const char *const values[] = {host, port_text, user,      password, database, "pgfirst",
	                              "5",  "disable", "disable", "UTF8",   "",       NULL};
	PGconn *connection = PQconnectdbParams(names, values, 0);

	if (connection != NULL)
		PQsetNoticeReceiver(connection, ignore_notice, NULL);
	return connection;
}

/* libpq's message without its line ends. */
static char *
door_words(const char *message)
{
	char *words = text_trim(text_copy(message));

	for (char *c = words; *c != '\0'; c++)
	{
		if (*c == '\n')
			*c = ' ';
	}
	return words;
}

PGconn *
door_superuser_try(const Cluster *cluster, const char *database, char **problem)
{
	char *password = secret_superuser_password_try(cluster, problem);
	char *run_dir = settings_run_dir(cluster);
	PGconn *connection;

	if (password == NULL)
		return NULL;
	connection =
	    door_connect(run_dir != NULL ? run_dir : "127.0.0.1", settings_get_port(cluster, "port"),
	                 CLUSTER_SUPERUSER, password, database);
	if (PQstatus(connection) == CONNECTION_OK)
		return connection;
	*problem = door_words(PQerrorMessage(connection));
	PQfinish(connection);
	return NULL;
}

PGconn *
door_superuser(const Cluster *cluster, const char *database)
{
	char *problem = NULL;
	PGconn *connection = door_superuser_try(cluster, database, &problem);

	if (connection == NULL)
		fail(EXIT_ERROR,
		     text_format("See what the server says: %s", cluster_command(cluster, "logs")),
		     "cannot connect as superuser: %s", problem);
	return connection;
}

PGconn *
door_app(const Cluster *cluster)
{
	PGconn *connection = door_connect("127.0.0.1", settings_get_port(cluster, "port"), CLUSTER_ROLE,
	                                  secret_app_password(cluster), CLUSTER_DATABASE);

	if (PQstatus(connection) != CONNECTION_OK)
		fail(EXIT_ERROR,
		     text_format("See what the server says: %s", cluster_command(cluster, "logs")),
		     "cannot connect as role " CLUSTER_ROLE ": %s", door_words(PQerrorMessage(connection)));
	return connection;
}

PGresult *
door_query(PGconn *connection, const char *sql)
{
	PGresult *result = PQexec(connection, sql);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
	{
		char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
		char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

		fail(EXIT_ERROR,
		     text_format("%s%s%s", detail != NULL ? detail : "",
		                 detail != NULL && hint != NULL ? "\n" : "", hint != NULL ? hint : ""),
		     "PostgreSQL refused (%.60s): %s", sql,
		     PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) != NULL
		         ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)
		         : door_words(PQerrorMessage(connection)));
	}
	return result;
}

char *
door_value(PGconn *connection, const char *sql)
{
	PGresult *result = PQexec(connection, sql);
	char *value = NULL;

	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0 &&
	    !PQgetisnull(result, 0, 0))
		value = text_copy(PQgetvalue(result, 0, 0));
	PQclear(result);
	return value;
}

char *
door_sql_problem(const Cluster *cluster)
{
	char *problem = NULL;
	char *password = secret_app_password_try(cluster, &problem);
	PGconn *connection;

	if (password == NULL)
		return problem;
	connection = door_connect("127.0.0.1", settings_get_port(cluster, "port"), CLUSTER_ROLE,
	                          password, CLUSTER_DATABASE);
	if (PQstatus(connection) != CONNECTION_OK || door_value(connection, "SELECT 1") == NULL)
		problem = door_words(PQerrorMessage(connection));
	PQfinish(connection);
	return problem;
}

/* ---- Redis ------------------------------------------------------------------------------- */

static int
redis_connect(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons((uint16_t) port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval patience = {.tv_sec = REDIS_PATIENCE / 1000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
	{
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* One line of the answer, without its line end; false when the door closed or kept silent. */
static bool
redis_line(int fd, char *line, size_t size)
{
	size_t length = 0;

	while (length + 1 < size)
	{
		if (recv(fd, line + length, 1, 0) != 1)
			return false;
		if (line[length] == '\n')
			break;
		length++;
	}
	while (length > 0 && line[length - 1] == '\r')
		length--;
	line[length] = '\0';
	return true;
}

/*
 * Logs in as role app, sends the rest of the commands, and reads a line for each; the answers must begin as
 * wanted, up to a NULL.  Returns the connection, or -1 after saying why.
 */
static int
redis_ask(const Cluster *cluster, const char *commands, const char *const *wanted, char **problem)
{
	char *password = secret_app_password_try(cluster, problem);
	char *request;
	char line[512];
	int fd;

	if (password == NULL)
		return -1;
	fd = redis_connect(settings_get_port(cluster, "pgfirst.redis_port"));
	if (fd < 0)
	{
		*problem = text_format("nothing listens on port %d: %s",
		                       settings_get_port(cluster, "pgfirst.redis_port"), strerror(errno));
		return -1;
	}
	request = text_format("*3\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n%s",
	                      strlen(CLUSTER_ROLE), CLUSTER_ROLE, strlen(password), password, commands);
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		*problem = text_format("it does not take a command: %s", strerror(errno));
	for (int i = 0; *problem == NULL && wanted[i] != NULL; i++)
	{
		if (!redis_line(fd, line, sizeof(line)))
			*problem = text_copy("it took the connection and does not answer");
		else if (!text_starts(line, wanted[i]))
			*problem = text_format("it answers: %s", line);
	}
	if (*problem == NULL)
		return fd;
	close(fd);
	return -1;
}

char *
door_redis_problem(const Cluster *cluster)
{
	static const char *const wanted[] = {"+OK", "+PONG", ":", NULL};
	char *problem = NULL;
	int fd = redis_ask(cluster, "*1\r\n$4\r\nPING\r\n*1\r\n$6\r\nDBSIZE\r\n", wanted, &problem);

	if (fd >= 0)
		close(fd);
	return problem;
}

/* Without a certificate that can be used the port is closed, and the server's log says why. */
char *
door_tls_problem(const Cluster *cluster)
{
	int port = settings_get_port(cluster, "pgfirst.redis_tls_port");
	int fd = redis_connect(port);

	if (fd < 0)
		return text_format("nothing listens on port %d: %s", port, strerror(errno));
	close(fd);
	return NULL;
}

char *
door_redis_get(const Cluster *cluster, int database, const char *key, char **problem)
{
	static const char *const wanted[] = {"+OK", "+OK", "$", NULL};
	char *number = text_format("%d", database);
	char line[512];
	int fd;

	*problem = NULL;
	fd = redis_ask(cluster,
	               text_format("*2\r\n$6\r\nSELECT\r\n$%zu\r\n%s\r\n"
	                           "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n*1\r\n$4\r\nPING\r\n",
	                           strlen(number), number, strlen(key), key),
	               wanted, problem);
	if (fd < 0)
		return NULL;
	/* Null has no second line; then this is the next answer. */
	if (!redis_line(fd, line, sizeof(line)))
		*problem = text_copy("it took the connection and does not answer");
	else if (strcmp(line, "+PONG") == 0)
		*problem = text_copy("it has no such key");
	close(fd);
	return *problem == NULL ? text_copy(line) : NULL;
}

void
door_wait(const Cluster *cluster)
{
	int redis_port = settings_get_port(cluster, "pgfirst.redis_port");
	double deadline = clock_seconds() + DOOR_SECONDS;
	char *problem = door_sql_problem(cluster);

	if (problem != NULL)
		fail(EXIT_ERROR, server_log_tail(cluster, 6), "PostgreSQL does not answer role %s: %s",
		     CLUSTER_ROLE, problem);
	if (redis_port == 0)
		return;
	while ((problem = door_redis_problem(cluster)) != NULL)
	{
		if (clock_seconds() > deadline)
			fail(EXIT_ERROR, server_log_tail(cluster, 6),
			     "the Redis door does not answer on port %d after %d seconds: %s", redis_port,
			     DOOR_SECONDS, problem);
		sleep_ms(20);
		interrupt_check();
	}
}
