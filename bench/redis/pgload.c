/* SPDX-License-Identifier: PostgreSQL
 *
 * pgload.c: what redis-benchmark does, for plain PostgreSQL.
 *
 *   pgload -d CONNINFO -o get|mget|set|mset|incr [-t TABLE] [-c CLIENTS] [-P DEPTH] [-n REQUESTS]
 *          [-r KEYS] [-s BYTES]
 *
 * The yardstick of those who stay with an ordinary table: fifty connections, prepared statements,
 * values in binary, one process that waits for all of them with epoll.  It says "ready" when every
 * connection stands and has prepared its statement, begins at the first line on standard input,
 * prints
 *
 *   requests <tab> seconds <tab> p50 <tab> p95 <tab> p99      (latencies in milliseconds)
 *
 * and keeps its connections until standard input ends.  So whoever measures the server measures
 * neither fifty logins nor fifty ends.
 *
 * Where a choice had to be made, it is PostgreSQL's side that gains:
 *   - With a depth above 1, libpq's pipeline mode sends that many statements and one Sync.  They are
 *     one transaction then and commit once.  (Redis promises less: they are not one unit.)
 *   - The keys of such a group, and those of one MSET, are sorted: groups in any other order would
 *     deadlock with each other.  The client pays for the sorting, not the server.
 *   - INCR counts in a bigint of a table of its own instead of decoding the value.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define CLIENTS_MAX  1000
#define DEPTH_MAX    256
#define KEYS_AT_ONCE 10 /* of MGET and MSET, as in redis-benchmark */
#define KEY_BYTES    17 /* key: and twelve digits, and the end */
#define HISTOGRAM_US 4000000

typedef struct Operation
{
	const char *name;
	int keys;
	bool has_value;
	const char *prefix;
	const char *sql; /* %s is the table */
} Operation;

static const Operation operations[] = {
    {"get", 1, false, "key",
     "SELECT value FROM %s WHERE key = $1::text AND (expiry IS NULL OR expiry > now())"},
    {"mget", KEYS_AT_ONCE, false, "key",
     "SELECT key, value FROM %s WHERE key = ANY ($1::text[]) "
     "AND (expiry IS NULL OR expiry > now())"},
    {"set", 1, true, "key",
     "INSERT INTO %s (key, value) VALUES ($1::text, $2::bytea) "
     "ON CONFLICT (key) DO UPDATE SET value = excluded.value, expiry = NULL"},
    {"mset", KEYS_AT_ONCE, true, "key",
     "INSERT INTO %s (key, value) SELECT key, $2::bytea FROM unnest($1::text[]) AS key "
     "ON CONFLICT (key) DO UPDATE SET value = excluded.value, expiry = NULL"},
    {"incr", 1, false, "counter",
     "INSERT INTO %s AS c (key, value) VALUES ($1::text, 1) "
     "ON CONFLICT (key) DO UPDATE SET value = c.value + 1 RETURNING value"},
    {"ping", 1, false, "key", "SELECT $1::text"}, /* a round trip: nothing is looked up */
};

typedef struct Client
{
	PGconn *connection;
	int waiting; /* statements of the group without a result */
	uint64_t sent_us;
} Client;

static struct
{
	const Operation *operation;
	const char *conninfo;
	const char *table;
	int clients;
	int depth;
	int64_t requests;
	uint32_t keys;
	int bytes;

	int epoll;
	int64_t sent;
	int64_t done;
	uint64_t random;
	char *value;
	Client client[CLIENTS_MAX];
	uint32_t histogram[HISTOGRAM_US + 1];
} load = {
    .table = "kv", .clients = 50, .depth = 1, .requests = 100000, .keys = 100000, .bytes = 100};

__attribute__((format(printf, 1, 2))) static _Noreturn void
fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("pgload: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

/* ---- keys -------------------------------------------------------------------------------- */

/* xorshift64*: the keys need to be spread, not to be unpredictable. */
static uint32_t
random_key(void)
{
	load.random ^= load.random >> 12;
	load.random ^= load.random << 25;
	load.random ^= load.random >> 27;
	return (uint32_t) ((load.random * UINT64_C(2685821657736338717)) >> 32) % load.keys;
}

static int
compare_keys(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *) left;
	uint32_t b = *(const uint32_t *) right;

	return (a > b) - (a < b);
}

static void
random_keys(uint32_t *keys, int count)
{
	for (int i = 0; i < count; i++)
		keys[i] = random_key();
	if (count > 1)
		qsort(keys, (size_t) count, sizeof(*keys), compare_keys);
}

/* One key, or an array of them without repetitions: an upsert refuses to touch a row twice. */
static void
write_keys(char *text, size_t size, const uint32_t *keys)
{
	size_t length = 0;

	if (load.operation->keys == 1)
	{
		snprintf(text, size, "%s:%012" PRIu32, load.operation->prefix, keys[0]);
		return;
	}
	text[length++] = '{';
	for (int i = 0; i < load.operation->keys; i++)
		if (i == 0 || keys[i] != keys[i - 1])
			length += (size_t) snprintf(text + length, size - length, "%s%s:%012" PRIu32,
			                            i > 0 ? "," : "", load.operation->prefix, keys[i]);
	snprintf(text + length, size - length, "}");
}

/* ---- a group of statements --------------------------------------------------------------- */

static void
send_statement(Client *client, const uint32_t *keys)
{
	char text[KEYS_AT_ONCE * (KEY_BYTES + 8) + 3];
	const char *const values[] = {text, load.value};
	const int lengths[] = {0, load.bytes};
	const int formats[] = {0, 1};

	write_keys(text, sizeof(text), keys);
	if (!PQsendQueryPrepared(client->connection, "s", load.operation->has_value ? 2 : 1, values,
	                         lengths, formats, 1))
		fail("%s", PQerrorMessage(client->connection));
}

static void
send_group(Client *client)
{
	uint32_t keys[DEPTH_MAX * KEYS_AT_ONCE];
	int64_t left = load.requests - load.sent;
	int depth = left < load.depth ? (int) left : load.depth;
	int flushed;

	if (depth == 0)
		return;
	random_keys(keys, depth * load.operation->keys);
	client->sent_us = now_us();
	client->waiting = depth;
	load.sent += depth;
	for (int i = 0; i < depth; i++)
		send_statement(client, keys + i * load.operation->keys);
	if (load.depth > 1 && !PQpipelineSync(client->connection))
		fail("%s", PQerrorMessage(client->connection));
	while ((flushed = PQflush(client->connection)) == 1)
	{
		struct pollfd writable = {.fd = PQsocket(client->connection), .events = POLLOUT};

		(void) poll(&writable, 1, -1);
	}
	if (flushed < 0)
		fail("%s", PQerrorMessage(client->connection));
}

static void
count_result(Client *client, const PGresult *result)
{
	uint64_t took = now_us() - client->sent_us;
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		fail("%s", PQresultErrorMessage(result));
	/* A read that finds nothing is cheaper than one that does, and not what is measured. */
	if (status == PGRES_TUPLES_OK && PQntuples(result) == 0)
		fail("a key is missing: fill the table first");
	load.histogram[took < HISTOGRAM_US ? took : HISTOGRAM_US]++;
	client->waiting--;
	load.done++;
}

/*
 * Takes the results that are there; a group that is complete is followed by the next.  Alone, a
 * statement is over when its results end; a pipeline is over at its Sync, and there the end of
 * results only stands between two statements.
 */
static void
receive(Client *client)
{
	bool over = false;

	if (!PQconsumeInput(client->connection))
		fail("%s", PQerrorMessage(client->connection));
	while (!over && !PQisBusy(client->connection))
	{
		PGresult *result = PQgetResult(client->connection);

		if (result == NULL)
			over = load.depth == 1;
		else if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
			over = true;
		else
			count_result(client, result);
		PQclear(result);
	}
	if (over)
		send_group(client);
}

/* ---- the run ----------------------------------------------------------------------------- */

static void
connect_client(Client *client)
{
	char sql[512];
	PGresult *result;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

	client->connection = PQconnectdb(load.conninfo);
	if (PQstatus(client->connection) != CONNECTION_OK)
		fail("%s", PQerrorMessage(client->connection));
	snprintf(sql, sizeof(sql), load.operation->sql, load.table);
	result = PQprepare(client->connection, "s", sql, 0, NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail("%s", PQresultErrorMessage(result));
	PQclear(result);
	if (load.depth > 1 && !PQenterPipelineMode(client->connection))
		fail("%s", PQerrorMessage(client->connection));
	if (PQsetnonblocking(client->connection, 1) != 0 ||
	    epoll_ctl(load.epoll, EPOLL_CTL_ADD, PQsocket(client->connection), &event) != 0)
		fail("cannot wait for a connection");
}

static double
percentile_ms(int percent)
{
	uint64_t wanted = ((uint64_t) load.done * (uint64_t) percent + 99) / 100;
	uint64_t seen = 0;

	for (int us = 0; us <= HISTOGRAM_US; us++)
		if ((seen += load.histogram[us]) >= wanted)
			return us / 1000.0;
	return HISTOGRAM_US / 1000.0;
}

static void
run(void)
{
	struct epoll_event events[CLIENTS_MAX];
	uint64_t begin = now_us();

	for (int i = 0; i < load.clients; i++)
		send_group(&load.client[i]);
	while (load.done < load.requests)
	{
		int count = epoll_wait(load.epoll, events, CLIENTS_MAX, -1);

		if (count < 0 && errno != EINTR)
			fail("epoll_wait: %s", strerror(errno));
		for (int i = 0; i < count; i++)
			receive(events[i].data.ptr);
	}
	printf("%" PRId64 "\t%.6f\t%.3f\t%.3f\t%.3f\n", load.done, (double) (now_us() - begin) / 1e6,
	       percentile_ms(50), percentile_ms(95), percentile_ms(99));
}

static void
read_arguments(int argc, char **argv)
{
	int option;
	const char *name = "";

	while ((option = getopt(argc, argv, "d:o:t:c:P:n:r:s:")) != -1)
	{
		switch (option)
		{
			case 'd':
				load.conninfo = optarg;
				break;
			case 'o':
				name = optarg;
				break;
			case 't':
				load.table = optarg;
				break;
			case 'c':
				load.clients = atoi(optarg);
				break;
			case 'P':
				load.depth = atoi(optarg);
				break;
			case 'n':
				load.requests = atoll(optarg);
				break;
			case 'r':
				load.keys = (uint32_t) atol(optarg);
				break;
			case 's':
				load.bytes = atoi(optarg);
				break;
			default:
				exit(2);
		}
	}
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (strcmp(operations[i].name, name) == 0)
			load.operation = &operations[i];
	if (load.operation == NULL || load.conninfo == NULL || load.clients < 1 ||
	    load.clients > CLIENTS_MAX || load.depth < 1 || load.depth > DEPTH_MAX || load.keys < 1 ||
	    load.bytes < 1)
		fail("wrong arguments; its head comment says which it takes");
}

int
main(int argc, char **argv)
{
	char line[16];

	read_arguments(argc, argv);
	load.random = now_us() | 1;
	load.value = malloc((size_t) load.bytes);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (load.value == NULL || load.epoll < 0)
		fail("out of memory or files");
	memset(load.value, 'x', (size_t) load.bytes);
	setvbuf(stdout, NULL, _IOLBF, 0);

	for (int i = 0; i < load.clients; i++)
		connect_client(&load.client[i]);
	puts("ready");
	if (fgets(line, sizeof(line), stdin) == NULL)
		return 1;
	run();
	while (fgets(line, sizeof(line), stdin) != NULL)
		;
	for (int i = 0; i < load.clients; i++)
		PQfinish(load.client[i].connection);
	return 0;
}
