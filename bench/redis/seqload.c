/* SPDX-License-Identifier: PostgreSQL
 *
 * seqload.c: sequences of commands over the Redis protocol, which redis-benchmark cannot send.
 *
 *   seqload -h HOST -p PORT -u USER -a PASSWORD [-s SOCKET] [-b DATABASE] [-c CLIENTS] [-n SEQUENCES]
 *           [-r KEYS] [-d BYTES] COMMAND…
 *
 * Each argument is a command, its words parted by blanks; the word KEY stands for key:000000000123, random
 * below KEYS in each place, AGAIN for the last one that this client was given in this sequence, NOW for a clock's
 * milliseconds as twelve digits, the word VALUE for so many bytes.  A client sends the whole sequence in
 * one piece, waits for as many replies, and sends it again with other keys.  The argument / divides it: what
 * is behind is sent when all replies to what is before have come.  A reply that is an error, or null where
 * an array was, ends the program: what is measured has been done.
 *
 * It prints what pgload prints: sequences, seconds, and milliseconds of p50, p95 and p99.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 1000
#define PLACES_MAX  256
#define PIECES_MAX  16
#define DIGITS      12
#define INPUT       (64 * 1024)

typedef enum
{
	PLACE_KEY,
	PLACE_AGAIN,
	PLACE_NOW
} PlaceKind;

/* Digits that are other ones each time. */
typedef struct Place
{
	PlaceKind kind;
	size_t at;
} Place;

/* What is sent at once: up to where it goes, in commands, in bytes of the text and in places. */
typedef struct Piece
{
	int commands, places;
	size_t length;
} Piece;

typedef struct Client
{
	int fd;
	int piece;   /* that is under way */
	int replies; /* that are still to come */
	uint64_t key;
	int64_t began;
	char input[INPUT];
	size_t length;
} Client;

static struct
{
	const char *host, *user, *password, *path;
	int port, database, clients, bytes;
	int64_t sequences, keys;
	char *text; /* the sequence as it is sent */
	size_t length;
	Place places[PLACES_MAX];
	Piece pieces[PIECES_MAX + 1]; /* behind a first one that is empty */
	int piece_count;
	int64_t begun, done;
	uint32_t *latencies; /* microseconds */
	uint64_t random;
} all = {.host = "127.0.0.1",
         .port = 6379,
         .clients = 50,
         .sequences = 100000,
         .keys = 100000,
         .bytes = 100};

__attribute__((noreturn, format(printf, 1, 2))) static void
fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "seqload: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	exit(1);
}

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static uint64_t
next_random(void)
{
	all.random ^= all.random << 13;
	all.random ^= all.random >> 7;
	all.random ^= all.random << 17;
	return all.random;
}

/* ---- the sequence -------------------------------------------------------------------------------- */

static void
append(const char *bytes, size_t length)
{
	all.text = realloc(all.text, all.length + length);
	if (!all.text)
		fail("out of memory");
	memcpy(all.text + all.length, bytes, length);
	all.length += length;
}

static void
append_place(PlaceKind kind)
{
	Piece *piece = &all.pieces[all.piece_count];

	if (piece->places == PLACES_MAX)
		fail("more than %d keys", PLACES_MAX);
	all.places[piece->places++] = (Place){.kind = kind, .at = all.length};
	append("000000000000", DIGITS);
}

static void
append_word(const char *word)
{
	bool key = strcmp(word, "KEY") == 0, again = strcmp(word, "AGAIN") == 0;
	bool now = strcmp(word, "NOW") == 0;
	bool value = strcmp(word, "VALUE") == 0;
	size_t length = key || again ? 4 + DIGITS
	                : now        ? DIGITS
	                : value      ? (size_t) all.bytes
	                             : strlen(word);
	char head[64];

	append(head, (size_t) snprintf(head, sizeof(head), "$%zu\r\n", length));
	if (key || again)
		append("key:", 4);
	if (key || again || now)
		append_place(key ? PLACE_KEY : again ? PLACE_AGAIN : PLACE_NOW);
	else if (value)
		for (int i = 0; i < all.bytes; i++)
			append("x", 1);
	else
		append(word, length);
	append("\r\n", 2);
}

/* Ends a piece, which has something in it. */
static void
piece_end(void)
{
	if (all.pieces[all.piece_count].commands == all.pieces[all.piece_count - 1].commands)
		fail("there is nothing before, behind or between \"/\"");
}

/* Begins one behind those that there are. */
static void
piece_begin(void)
{
	if (all.piece_count == PIECES_MAX)
		fail("more than %d pieces", PIECES_MAX);
	all.piece_count++;
	all.pieces[all.piece_count] = all.pieces[all.piece_count - 1];
}

static void
append_command(const char *command)
{
	char *copy = strdup(command);
	char *words[64];
	int count = 0;
	char head[32];

	for (char *word = strtok(copy, " "); word && count < 64; word = strtok(NULL, " "))
		words[count++] = word;
	append(head, (size_t) snprintf(head, sizeof(head), "*%d\r\n", count));
	for (int i = 0; i < count; i++)
		append_word(words[i]);
	free(copy);
	all.pieces[all.piece_count].commands++;
	all.pieces[all.piece_count].length = all.length;
}

/* ---- replies ------------------------------------------------------------------------------------- */

/* The length of the reply at the beginning of `bytes`, 0 if it is not all there. */
static size_t
reply_length(const char *bytes, size_t length)
{
	const char *end = memchr(bytes, '\n', length);
	size_t used = end ? (size_t) (end - bytes) + 1 : 0;
	long number;

	if (used == 0)
		return 0;
	if (bytes[0] == '-')
		fail("the server said %.*s", (int) used - 2, bytes);
	number = atol(bytes + 1);
	if ((bytes[0] == '*' && number < 0))
		fail(
		    "the server said null; a transaction was not carried out, or there was nothing to pop");
	if (bytes[0] == '$' && number >= 0)
		return length >= used + (size_t) number + 2 ? used + (size_t) number + 2 : 0;
	if (bytes[0] != '*')
		return used;
	for (long i = 0; i < number; i++)
	{
		size_t more = reply_length(bytes + used, length - used);

		if (more == 0)
			return 0;
		used += more;
	}
	return used;
}

/* ---- clients ------------------------------------------------------------------------------------- */

static void
put_all(int fd, const char *bytes, size_t length)
{
	while (length > 0)
	{
		ssize_t put = send(fd, bytes, length, MSG_NOSIGNAL);

		if (put < 0 && errno != EINTR)
			fail("the connection is lost: %s", strerror(errno));
		if (put > 0)
			bytes += put, length -= (size_t) put;
	}
}

/* The digits of the next piece as this client sends them. */
static void
client_number(Client *client, const Place *place)
{
	char *digits = all.text + place->at;
	uint64_t number;

	if (place->kind == PLACE_KEY)
		client->key = next_random() % (uint64_t) all.keys;
	number = place->kind == PLACE_NOW ? (uint64_t) now_us() / 1000 : client->key;
	for (int d = DIGITS - 1; d >= 0; d--, number /= 10)
		digits[d] = (char) ('0' + number % 10);
}

static void
client_send_piece(Client *client)
{
	const Piece *before = &all.pieces[client->piece], *piece = before + 1;

	for (int i = before->places; i < piece->places; i++)
		client_number(client, &all.places[i]);
	client->piece++;
	client->replies = piece->commands - before->commands;
	put_all(client->fd, all.text + before->length, piece->length - before->length);
}

static void
client_send(Client *client)
{
	client->piece = 0;
	client->began = now_us();
	all.begun++;
	client_send_piece(client);
}

static void
client_receive(Client *client)
{
	ssize_t got = recv(client->fd, client->input + client->length, INPUT - client->length, 0);
	size_t at = 0, used;

	if (got <= 0)
		fail("the connection is lost");
	client->length += (size_t) got;
	while (client->replies > 0 &&
	       (used = reply_length(client->input + at, client->length - at)) > 0)
	{
		at += used;
		client->replies--;
	}
	memmove(client->input, client->input + at, client->length - at);
	client->length -= at;
	if (client->length == INPUT)
		fail("a reply is too long");
	if (client->replies > 0)
		return;
	if (client->piece < all.piece_count)
	{
		client_send_piece(client);
		return;
	}
	all.latencies[all.done++] = (uint32_t) (now_us() - client->began);
	if (all.begun < all.sequences)
		client_send(client);
}

static void
client_open(Client *client)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) all.port)};
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	int on = 1;
	char line[512];
	int length;

	client->fd = socket(all.path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (all.path)
		snprintf(path.sun_path, sizeof(path.sun_path), "%s", all.path);
	else if (inet_pton(AF_INET, all.host, &address.sin_addr) != 1)
		fail("no address: %s", all.host);
	if (connect(client->fd, all.path ? (struct sockaddr *) &path : (struct sockaddr *) &address,
	            all.path ? sizeof(path) : sizeof(address)) != 0)
		fail("cannot connect: %s", strerror(errno));
	if (!all.path)
		setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	length = snprintf(line, sizeof(line), "AUTH %s %s\r\nSELECT %d\r\n", all.user, all.password,
	                  all.database);
	put_all(client->fd, line, (size_t) length);
	for (client->replies = 2; client->replies > 0;)
	{
		ssize_t got = recv(client->fd, client->input + client->length, INPUT - client->length, 0);
		size_t used;

		if (got <= 0)
			fail("the connection is lost");
		client->length += (size_t) got;
		while (client->replies > 0 && (used = reply_length(client->input, client->length)) > 0)
		{
			memmove(client->input, client->input + used, client->length - used);
			client->length -= used;
			client->replies--;
		}
	}
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

static double
percentile_ms(double part)
{
	return all.latencies[(size_t) ((double) (all.done - 1) * part)] / 1000.0;
}

static void
run(Client *clients)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[64];
	int64_t began = now_us();
	double seconds;

	for (int i = 0; i < all.clients; i++)
	{
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event) != 0)
			fail("epoll: %s", strerror(errno));
		if (all.begun < all.sequences)
			client_send(&clients[i]);
	}
	while (all.done < all.sequences)
	{
		int count = epoll_wait(epoll, events, 64, -1);

		if (count < 0 && errno != EINTR)
			fail("epoll: %s", strerror(errno));
		for (int i = 0; i < count; i++)
			client_receive(events[i].data.ptr);
	}
	seconds = (double) (now_us() - began) / 1e6;
	qsort(all.latencies, (size_t) all.done, sizeof(uint32_t), by_value);
	printf("%" PRId64 "\t%f\t%f\t%f\t%f\n", all.done, seconds, percentile_ms(0.5),
	       percentile_ms(0.95), percentile_ms(0.99));
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	Client *clients;
	char line[64];
	int option;

	while ((option = getopt(argc, argv, "h:p:u:a:s:b:c:n:r:d:")) != -1)
		switch (option)
		{
			case 'h':
				all.host = optarg;
				break;
			case 'p':
				all.port = atoi(optarg);
				break;
			case 'u':
				all.user = optarg;
				break;
			case 'a':
				all.password = optarg;
				break;
			case 's':
				all.path = optarg;
				break;
			case 'b':
				all.database = atoi(optarg);
				break;
			case 'c':
				all.clients = atoi(optarg);
				break;
			case 'n':
				all.sequences = atoll(optarg);
				break;
			case 'r':
				all.keys = atoll(optarg);
				break;
			case 'd':
				all.bytes = atoi(optarg);
				break;
			default:
				return 2;
		}
	if (optind == argc || !all.user || !all.password || all.clients < 1 ||
	    all.clients > CLIENTS_MAX || all.sequences < 1 || all.keys < 1 || all.bytes < 0)
		fail("what is it to send, and as whom? see the head of seqload.c");
	piece_begin();
	for (int i = optind; i < argc; i++)
		if (strcmp(argv[i], "/") == 0)
		{
			piece_end();
			piece_begin();
		}
		else
			append_command(argv[i]);
	piece_end();
	all.random = UINT64_C(0x9E3779B97F4A7C15);
	all.latencies = malloc((size_t) all.sequences * sizeof(uint32_t));
	clients = calloc((size_t) all.clients, sizeof(Client));
	if (!all.latencies || !clients)
		fail("out of memory");
	for (int i = 0; i < all.clients; i++)
		client_open(&clients[i]);
	printf("ready\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 0;
	run(clients);
	while (fgets(line, sizeof(line), stdin))
		;
	return 0;
}
