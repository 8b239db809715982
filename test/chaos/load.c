/* SPDX-License-Identifier: PostgreSQL
 *
 * load.c: a load on the Redis door that knows every write that was acknowledged and everything that
 * a reader was shown, and finds out what of it is missing after a crash.
 *
 *   load PORT PASSWORD WRITERS READERS SEED
 *
 * It is told on standard input what to do, a word a line, and answers a line each:
 *
 *   go        opens the connections and writes; a connection that is lost is opened again, for ever
 *   stop      lets what was sent be answered, or be lost, and pauses
 *   check     reads every key back and compares
 *   sql       compares what SQL shows, a line "key<TAB>value" each behind it, and an empty one
 *   progress  says how many writes were acknowledged
 *   quit      says how much it was
 *
 * What is known.  Every key has one writer, which numbers its operations on the key 1, 2, 3, … and
 * writes the number: SET, SET EX, MSET and the SETs of a transaction as the value, INCR as the count, DEL
 * as the absence.  So
 *
 *     floor  the highest number that was acknowledged, or shown to a reader
 *     sent   the highest number that was sent
 *
 * and the key must be, whenever it is read, in the state of an operation from floor to sent: what is
 * below is lost, what is above was never written.  A reader is held to the floor as it was when it
 * asked: a write that was answered before is seen, by everybody, and nothing that was once shown
 * is taken back by a crash.  Keys of a group are set by one MSET, or between MULTI and EXEC, and must
 * always be equal, also to an MGET; one group is of few keys, which one WAL record can change, one of many.  Every answer of the counters that all writers share must be given once only.
 *
 * Plain sockets and no client library: the checker must not share a mistake with one.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEYS    12 /* of a writer: simple ones */
#define GROUP   4  /* keys of its small group */
#define MANY    14 /* keys of its large one */
#define SLOTS   (KEYS + 3)
#define GROUPED KEYS       /* the slot of the small group */
#define LARGE   (KEYS + 1) /* the slot of the large one */
#define COUNTER (KEYS + 2) /* the slot of its own counter */
#define SHARED  4          /* counters that all writers share */
#define WINDOW  64         /* operations of a key between floor and sent, at most */
#define DEPTH   16         /* requests of a connection under way, at most; and a transaction */
#define RING    (DEPTH + MANY + 2)
#define BUFFER  65536
#define RETRY   20 /* milliseconds between attempts to connect */

typedef struct Key
{
	int64_t floor;
	int64_t sent;
	bool deletes[WINDOW]; /* whether operation n, at n % WINDOW, deletes */
} Key;

typedef enum Kind
{
	WRITE,
	PART, /* of a transaction: MULTI, or what it keeps */
	SHARED_INCR,
	READ,
	READ_GROUP,
	READ_SHARED,
	LOGIN
} Kind;

typedef struct Request
{
	Kind kind;
	Key *key;
	/* WRITE: of the operation; of a counter, and READ: the floor when asked; SHARED: which counter. */
	int64_t number;
} Request;

typedef struct Client
{
	int fd; /* -1: not connected */
	bool writes;
	int number; /* of the writer */
	int depth;
	int64_t retry_at;
	bool watches_room; /* in the socket's buffer */
	Request under_way[RING];
	int first, count;
	char in[BUFFER];
	int in_length;
	char out[BUFFER];
	int out_length;
} Client;

static struct
{
	int port;
	const char *password;
	int writers, readers;
	Key *keys; /* SLOTS of each writer */
	Client *clients;
	int epoll;
	bool running;
	/* The shared counters. */
	int64_t shared_sent[SHARED], shared_acknowledged[SHARED], shared_highest[SHARED];
	uint8_t *shared_seen[SHARED];
	int64_t shared_room[SHARED];
	/* What happened. */
	int64_t acknowledged, shown, lost_connections, errors, wrong;
	uint64_t random;
} all;

static uint64_t
chance(uint64_t below)
{
	all.random ^= all.random << 13;
	all.random ^= all.random >> 7;
	all.random ^= all.random << 17;
	return all.random % below;
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

__attribute__((format(printf, 1, 2))) static void
wrong(const char *format, ...)
{
	va_list arguments;

	all.wrong++;
	if (all.wrong > 20)
		return;
	va_start(arguments, format);
	printf("wrong: ");
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
}

static Key *
key_of(int writer, int slot)
{
	return &all.keys[writer * SLOTS + slot];
}

/* How many keys stand in the slot. */
static int
key_parts(const Key *key)
{
	int slot = (int) (key - all.keys) % SLOTS;

	return slot == GROUPED ? GROUP : slot == LARGE ? MANY : 1;
}

/* What a key is called; part is the number within a group. */
static void
key_name(const Key *key, int part, char *name, size_t size)
{
	int index = (int) (key - all.keys);
	int writer = index / SLOTS, slot = index % SLOTS;

	if (slot == GROUPED || slot == LARGE)
		snprintf(name, size, "chaos:%d:%s:%d", writer, slot == LARGE ? "large" : "group", part);
	else if (slot == COUNTER)
		snprintf(name, size, "chaos:%d:count", writer);
	else
		snprintf(name, size, "chaos:%d:%d", writer, slot);
}

/* Whether the key may be in this state, -1 for absent, for who asked when the floor was `floor`. */
static bool
key_may_be(const Key *key, int64_t floor, int64_t state)
{
	if (state >= 0)
		return state >= floor && state <= key->sent &&
		       (state == 0 || !key->deletes[state % WINDOW] || key->sent - state >= WINDOW);
	for (int64_t n = floor; n <= key->sent; n++)
		if (n == 0 || key->deletes[n % WINDOW])
			return true;
	return false;
}

/* Takes notice of what a reader was shown. */
static void
key_shown(Key *key, int64_t floor, int64_t state)
{
	char name[64];

	all.shown++;
	if (!key_may_be(key, floor, state))
	{
		key_name(key, 0, name, sizeof(name));
		wrong("%s was shown as %lld, acknowledged %lld when asked, sent %lld", name,
		      (long long) state, (long long) floor, (long long) key->sent);
		return;
	}
	/* An absence is the first deletion that it can be. */
	if (state < 0)
		for (state = floor; state > 0 && !key->deletes[state % WINDOW]; state++)
			;
	if (state > key->floor)
		key->floor = state;
}

/* ---- connections ----------------------------------------------------------------------------- */

static void
client_watch(Client *client, int operation)
{
	struct epoll_event event = {.data.ptr = client};
	bool room = client->out_length > 0;

	if (operation == EPOLL_CTL_MOD && room == client->watches_room)
		return;
	event.events = EPOLLIN | (room ? EPOLLOUT : 0);
	epoll_ctl(all.epoll, operation, client->fd, &event);
	client->watches_room = room;
}

/* What was sent may have happened; the keys remember it. */
static void
client_lose(Client *client)
{
	if (client->fd < 0)
		return;
	close(client->fd);
	client->fd = -1;
	client->count = client->first = client->in_length = client->out_length = 0;
	client->retry_at = now_ms() + RETRY;
	all.lost_connections++;
}

__attribute__((format(printf, 2, 3))) static void
client_say(Client *client, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	client->out_length += vsnprintf(client->out + client->out_length,
	                                BUFFER - (size_t) client->out_length, format, arguments);
	va_end(arguments);
}

static void
client_word(Client *client, const char *word)
{
	client_say(client, "$%zu\r\n%s\r\n", strlen(word), word);
}

static void
client_push(Client *client, Kind kind, Key *key, int64_t number)
{
	client->under_way[(client->first + client->count++) % RING] = (Request){kind, key, number};
}

static void
client_connect(Client *client)
{
	struct sockaddr_in where = {.sin_family = AF_INET,
	                            .sin_port = htons((uint16_t) all.port),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	client->retry_at = now_ms() + RETRY;
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *) &where, sizeof(where)) != 0)
	{
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	client->fd = fd;
	client_say(client, "*2\r\n");
	client_word(client, "AUTH");
	client_word(client, all.password);
	client_push(client, LOGIN, NULL, 0);
	client_watch(client, EPOLL_CTL_ADD);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void
say_mset(Client *client, const Key *key, const char *value)
{
	char name[64];

	client_say(client, "*%d\r\n", 1 + 2 * key_parts(key));
	client_word(client, "MSET");
	for (int part = 0; part < key_parts(key); part++)
	{
		key_name(key, part, name, sizeof(name));
		client_word(client, name);
		client_word(client, value);
	}
}

static void
say_transaction(Client *client, const Key *key, const char *value)
{
	char name[64];

	client_say(client, "*1\r\n$5\r\nMULTI\r\n");
	client_push(client, PART, NULL, 0);
	for (int part = 0; part < key_parts(key); part++)
	{
		key_name(key, part, name, sizeof(name));
		client_say(client, "*3\r\n$3\r\nSET\r\n");
		client_word(client, name);
		client_word(client, value);
		client_push(client, PART, NULL, 0);
	}
	client_say(client, "*1\r\n$4\r\nEXEC\r\n");
}

static void
ask_write(Client *client)
{
	int slot = (int) chance(SLOTS + 1);
	Key *key = slot < SLOTS ? key_of(client->number, slot) : NULL;
	char name[64], value[32];

	if (!key)
	{
		int counter = (int) chance(SHARED);

		snprintf(name, sizeof(name), "chaos:shared:%d", counter);
		client_say(client, "*2\r\n");
		client_word(client, "INCR");
		client_word(client, name);
		all.shared_sent[counter]++;
		client_push(client, SHARED_INCR, NULL, counter);
		return;
	}
	if (key->sent - key->floor >= WINDOW - 1)
		return;
	key->sent++;
	key->deletes[key->sent % WINDOW] = slot < KEYS && chance(8) == 0;
	snprintf(value, sizeof(value), "%lld", (long long) key->sent);
	key_name(key, 0, name, sizeof(name));
	if (slot == COUNTER)
	{
		client_say(client, "*2\r\n");
		client_word(client, "INCR");
		client_word(client, name);
	}
	else if (key_parts(key) > 1 && chance(2) == 0)
		say_transaction(client, key, value);
	else if (key_parts(key) > 1)
		say_mset(client, key, value);
	else if (key->deletes[key->sent % WINDOW])
	{
		client_say(client, "*2\r\n");
		client_word(client, "DEL");
		client_word(client, name);
	}
	else
	{
		bool expires = chance(4) == 0;

		client_say(client, "*%d\r\n", expires ? 5 : 3);
		client_word(client, "SET");
		client_word(client, name);
		client_word(client, value);
		if (expires)
		{
			client_word(client, "EX");
			client_word(client, "86400");
		}
	}
	/* A counter's answer is compared with what had been answered when it was asked. */
	client_push(client, WRITE, key, slot == COUNTER ? key->floor : key->sent);
}

static void
ask_read(Client *client, Key *key)
{
	int parts = key_parts(key);
	char name[64];

	client_say(client, "*%d\r\n", 1 + parts);
	client_word(client, parts > 1 ? "MGET" : "GET");
	for (int part = 0; part < parts; part++)
	{
		key_name(key, part, name, sizeof(name));
		client_word(client, name);
	}
	client_push(client, parts > 1 ? READ_GROUP : READ, key, key->floor);
}

static void
client_ask(Client *client)
{
	while (all.running && client->fd >= 0 && client->count < client->depth &&
	       client->out_length < BUFFER / 2)
	{
		/* Writers look at what they wrote, too. */
		if (client->writes && chance(10) > 0)
			ask_write(client);
		else if (client->writes)
			ask_read(client, key_of(client->number, (int) chance(SLOTS)));
		else
			ask_read(client, key_of((int) chance((uint64_t) all.writers), (int) chance(SLOTS)));
	}
}

/* ---- answers --------------------------------------------------------------------------------- */

/* One reply of the kinds that occur here: up to MANY numbers, -1 for null. */
typedef struct Reply
{
	char kind;
	int count;
	int64_t numbers[MANY];
	char text[128];
} Reply;

/* The length of one simple reply or bulk string; 0 if it is not complete. */
static int
reply_item(const char *bytes, int length, Reply *reply, int64_t *number)
{
	const char *end = memmem(bytes, (size_t) length, "\r\n", 2);
	int line = end ? (int) (end - bytes) + 2 : 0;
	int body;

	if (!end)
		return 0;
	reply->kind = bytes[0];
	snprintf(reply->text, sizeof(reply->text), "%.*s", line - 2, bytes);
	*number = atoll(bytes + 1);
	if (bytes[0] != '$' || *number < 0)
		return line;
	body = (int) *number;
	if (length < line + body + 2)
		return 0;
	*number = atoll(bytes + line);
	return line + body + 2;
}

static int
reply_parse(const char *bytes, int length, Reply *reply)
{
	int64_t number = 0;
	int used = length > 0 ? reply_item(bytes, length, reply, &number) : 0;

	reply->count = 1;
	reply->numbers[0] = number;
	if (used == 0 || bytes[0] != '*')
		return used;
	for (reply->count = 0; reply->count < number && reply->count < MANY; reply->count++)
	{
		int more = reply_item(bytes + used, length - used, reply, &reply->numbers[reply->count]);

		if (more == 0)
			return 0;
		used += more;
	}
	reply->kind = '*';
	return used;
}

static void
shared_answered(int counter, int64_t value)
{
	if (value >= all.shared_room[counter])
	{
		int64_t room = value * 2 + 1024;

		all.shared_seen[counter] = realloc(all.shared_seen[counter], (size_t) room);
		memset(all.shared_seen[counter] + all.shared_room[counter], 0,
		       (size_t) (room - all.shared_room[counter]));
		all.shared_room[counter] = room;
	}
	if (value < 1 || value > all.shared_sent[counter])
		wrong("INCR of shared counter %d was answered %lld", counter, (long long) value);
	else if (all.shared_seen[counter][value]++)
		wrong("INCR of shared counter %d was answered %lld twice", counter, (long long) value);
	if (value > all.shared_highest[counter])
		all.shared_highest[counter] = value;
	all.shared_acknowledged[counter]++;
	all.acknowledged++;
}

static void
shared_shown(int counter, int64_t value)
{
	if (value < 0)
		value = 0;
	if (value < all.shared_highest[counter] || value < all.shared_acknowledged[counter] ||
	    value > all.shared_sent[counter])
		wrong("shared counter %d is %lld, %lld were acknowledged up to %lld, %lld sent", counter,
		      (long long) value, (long long) all.shared_acknowledged[counter],
		      (long long) all.shared_highest[counter], (long long) all.shared_sent[counter]);
}

static void
write_answered(const Request *request, const Reply *reply)
{
	Key *key = request->key;
	int slot = (int) (key - all.keys) % SLOTS;
	char name[64];

	all.acknowledged++;
	if (slot == COUNTER)
	{
		if (reply->numbers[0] <= request->number || reply->numbers[0] > key->sent)
		{
			key_name(key, 0, name, sizeof(name));
			wrong("INCR of %s was answered %lld, when asked it was %lld, sent %lld", name,
			      (long long) reply->numbers[0], (long long) request->number,
			      (long long) key->sent);
		}
		if (reply->numbers[0] > key->floor)
			key->floor = reply->numbers[0];
		return;
	}
	if (request->number > key->floor)
		key->floor = request->number;
}

static void
answered(Client *client, const Reply *reply)
{
	Request request = client->under_way[client->first];

	client->first = (client->first + 1) % RING;
	client->count--;
	if (reply->kind == '-')
	{
		/* Refused, so it never happens; a key's numbers may have gaps. */
		if (all.errors++ < 5)
			printf("note: %s\n", reply->text);
		if (request.kind == LOGIN || strncmp(reply->text, "-LOADING", 8) == 0)
			client_lose(client);
		return;
	}
	switch (request.kind)
	{
		case LOGIN:
		case PART:
			break;
		case WRITE:
			if (reply->kind == '*' && reply->count != key_parts(request.key))
				wrong("EXEC was answered %s", reply->text);
			write_answered(&request, reply);
			break;
		case SHARED_INCR:
			shared_answered((int) request.number, reply->numbers[0]);
			break;
		case READ:
			/* A counter that nobody has counted is absent, and stands at nothing. */
			if ((request.key - all.keys) % SLOTS == COUNTER && reply->numbers[0] < 0)
				key_shown(request.key, request.number, 0);
			else
				key_shown(request.key, request.number, reply->numbers[0]);
			break;
		case READ_GROUP:
			for (int part = 1; part < key_parts(request.key); part++)
				if (reply->numbers[part] != reply->numbers[0])
					wrong("MGET shows half of what belongs together of writer %d: %lld and %lld",
					      (int) (request.key - all.keys) / SLOTS, (long long) reply->numbers[0],
					      (long long) reply->numbers[part]);
			key_shown(request.key, request.number, reply->numbers[0]);
			break;
		case READ_SHARED:
			shared_shown((int) request.number, reply->numbers[0]);
			break;
	}
}

static void
client_receive(Client *client)
{
	ssize_t got =
	    recv(client->fd, client->in + client->in_length, BUFFER - (size_t) client->in_length, 0);
	int at = 0;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
	{
		client_lose(client);
		return;
	}
	client->in_length += (int) got;
	while (client->fd >= 0 && client->count > 0)
	{
		Reply reply;
		int used = reply_parse(client->in + at, client->in_length - at, &reply);

		if (used == 0)
			break;
		at += used;
		answered(client, &reply);
	}
	if (client->fd < 0)
		return;
	memmove(client->in, client->in + at, (size_t) (client->in_length - at));
	client->in_length -= at;
}

static void
client_send(Client *client)
{
	ssize_t put = send(client->fd, client->out, (size_t) client->out_length, MSG_NOSIGNAL);

	if (put < 0 && errno != EAGAIN && errno != EINTR)
	{
		client_lose(client);
		return;
	}
	if (put > 0)
	{
		memmove(client->out, client->out + put, (size_t) (client->out_length - put));
		client->out_length -= (int) put;
	}
}

static void
turn(int milliseconds)
{
	struct epoll_event events[256];
	int count = epoll_wait(all.epoll, events, 256, milliseconds);

	for (int i = 0; i < count; i++)
		if (events[i].data.ptr && ((Client *) events[i].data.ptr)->fd >= 0)
			client_receive(events[i].data.ptr);
	for (int i = 0; i < all.writers + all.readers; i++)
	{
		Client *client = &all.clients[i];

		if (client->fd < 0 && all.running && now_ms() >= client->retry_at)
			client_connect(client);
		if (client->fd < 0)
			continue;
		client_ask(client);
		if (client->out_length > 0)
			client_send(client);
		if (client->fd >= 0)
			client_watch(client, EPOLL_CTL_MOD);
	}
}

/* ---- what the driver asks for ---------------------------------------------------------------- */

static void
stop(void)
{
	int64_t end = now_ms() + 60000;
	int busy = 1;

	all.running = false;
	while (busy > 0 && now_ms() < end)
	{
		busy = 0;
		for (int i = 0; i < all.writers + all.readers; i++)
			busy += all.clients[i].fd >= 0 && all.clients[i].count > 0;
		if (busy > 0)
			turn(10);
	}
	if (busy > 0)
		wrong("%d connections got no answer within a minute", busy);
	for (int i = 0; i < all.writers + all.readers; i++)
	{
		int64_t lost = all.lost_connections;

		client_lose(&all.clients[i]);
		all.lost_connections = lost;
	}
	printf("stopped\n");
}

/* Waits for what was asked. */
static void
check_answer(Client *client)
{
	int64_t end = now_ms() + 30000;

	if (client->fd >= 0)
		client_send(client);
	while (client->fd >= 0 && client->count > 0 && now_ms() < end)
		turn(100);
	if (client->fd < 0 || client->count > 0)
		wrong("no answer during the check");
}

static void
check_key(Client *client, Key *key)
{
	ask_read(client, key);
	check_answer(client);
	/* Nothing is under way: operations that were lost never come, and their numbers are free. */
	key->sent = key->floor;
}

static void
check_shared(Client *client, int counter)
{
	char name[64];

	snprintf(name, sizeof(name), "chaos:shared:%d", counter);
	client_say(client, "*2\r\n");
	client_word(client, "GET");
	client_word(client, name);
	client_push(client, READ_SHARED, NULL, counter);
	check_answer(client);
}

static void
check(void)
{
	Client *client = &all.clients[0];
	int64_t before = all.wrong;

	client_connect(client);
	check_answer(client);
	for (int i = 0; i < all.writers * SLOTS && client->fd >= 0; i++)
		check_key(client, &all.keys[i]);
	for (int i = 0; i < SHARED && client->fd >= 0; i++)
		check_shared(client, i);
	if (client->fd >= 0)
	{
		int64_t lost = all.lost_connections;

		client_lose(client);
		all.lost_connections = lost;
	}
	printf("checked %d keys, %lld acknowledged, %lld shown, %lld wrong\n",
	       all.writers * (SLOTS - 2 + GROUP + MANY) + SHARED, (long long) all.acknowledged,
	       (long long) all.shown, (long long) (all.wrong - before));
}

/* What SQL says, a line "key<TAB>value" each, ended by an empty one; all others are absent. */
static void
sql(void)
{
	int keys = all.writers * SLOTS;
	int64_t(*states)[MANY] = malloc((size_t) keys * sizeof(*states));
	int64_t before = all.wrong;
	int count = 0;
	char line[256];

	for (int i = 0; i < keys; i++)
		for (int part = 0; part < MANY; part++)
			states[i][part] = i % SLOTS == COUNTER ? 0 : -1;
	while (fgets(line, sizeof(line), stdin) && line[0] != '\n')
	{
		int writer, slot, part;
		long long value;

		count++;
		if (sscanf(line, "chaos:%d:group:%d\t%lld", &writer, &part, &value) == 3)
			states[writer * SLOTS + GROUPED][part] = value;
		else if (sscanf(line, "chaos:%d:large:%d\t%lld", &writer, &part, &value) == 3)
			states[writer * SLOTS + LARGE][part] = value;
		else if (sscanf(line, "chaos:%d:%d\t%lld", &writer, &slot, &value) == 3)
			states[writer * SLOTS + slot][0] = value;
		else if (sscanf(line, "chaos:%d:count\t%lld", &writer, &value) == 2)
			states[writer * SLOTS + COUNTER][0] = value;
		else if (sscanf(line, "chaos:shared:%d\t%lld", &slot, &value) == 2 &&
		         value < all.shared_highest[slot])
			wrong("SQL shows shared counter %d as %lld", slot, value);
	}
	for (int i = 0; i < keys; i++)
	{
		for (int part = 1; part < key_parts(&all.keys[i]); part++)
			if (states[i][part] != states[i][0])
				wrong("SQL shows half of what belongs together of writer %d", i / SLOTS);
		key_shown(&all.keys[i], all.keys[i].floor, states[i][0]);
	}
	free(states);
	printf("sql %d keys, %lld wrong\n", count, (long long) (all.wrong - before));
}

static bool
obey(void)
{
	char word[64];

	if (!fgets(word, sizeof(word), stdin))
		return false;
	word[strcspn(word, "\n")] = '\0';
	if (strcmp(word, "go") == 0)
	{
		all.running = true;
		printf("writing\n");
	}
	else if (strcmp(word, "progress") == 0)
		printf("progress %lld\n", (long long) all.acknowledged);
	else if (strcmp(word, "stop") == 0)
		stop();
	else if (strcmp(word, "check") == 0)
		check();
	else if (strcmp(word, "sql") == 0)
		sql();
	else
	{
		printf(
		    "total %lld acknowledged, %lld shown, %lld connections lost, %lld errors, %lld wrong\n",
		    (long long) all.acknowledged, (long long) all.shown, (long long) all.lost_connections,
		    (long long) all.errors, (long long) all.wrong);
		return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	struct epoll_event commands = {.events = EPOLLIN};
	bool on = true;

	if (argc != 6)
	{
		fprintf(stderr, "usage: load PORT PASSWORD WRITERS READERS SEED\n");
		return 2;
	}
	all.port = atoi(argv[1]);
	all.password = argv[2];
	all.writers = atoi(argv[3]);
	all.readers = atoi(argv[4]);
	all.random = strtoull(argv[5], NULL, 10) * 2654435761u + 88172645463325252u;
	all.keys = calloc((size_t) all.writers * SLOTS, sizeof(Key));
	all.clients = calloc((size_t) (all.writers + all.readers), sizeof(Client));
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(all.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &commands);
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Lines are read one by one: nothing may wait in a buffer where epoll does not see it. */
	setvbuf(stdin, NULL, _IONBF, 0);
	for (int i = 0; i < all.writers + all.readers; i++)
	{
		all.clients[i].fd = -1;
		all.clients[i].writes = i < all.writers;
		all.clients[i].number = i;
		/* A third of them pipeline. */
		all.clients[i].depth = i % 3 == 0 ? DEPTH : 1;
	}
	while (on)
	{
		fd_set input;
		struct timeval none = {0, 0};

		FD_ZERO(&input);
		FD_SET(STDIN_FILENO, &input);
		if (select(STDIN_FILENO + 1, &input, NULL, NULL, all.running ? &none : NULL) > 0)
			on = obey();
		else
			turn(20);
	}
	return all.wrong > 0;
}
