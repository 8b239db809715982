/* SPDX-License-Identifier: PostgreSQL
 *
 * ask.c: connections, and what they are asked; see load.h.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define RETRY  20  /* milliseconds between attempts to connect */
#define FILLED 200 /* bytes behind the number, at most */

/*
 * Changes parts ARGV[3] to ARGV[4] of a group to ARGV[1], or deletes them if that is empty.  ARGV[2] is what
 * their names begin with; KEYS are the first of them, as many as are declared; from ARGV[5] on they are in
 * database 1.  ARGV[6] is a shared counter to count in between, or empty; ARGV[7], unless empty, an error to
 * end with.
 */
#define CHANGES_GROUP                                                                              \
	"local value, prefix, first = ARGV[1], ARGV[2], tonumber(ARGV[3])\n"                           \
	"local last, other = tonumber(ARGV[4]), tonumber(ARGV[5])\n"                                   \
	"local function key(part) return KEYS[part - first + 1] or prefix .. part end\n"               \
	"local was, count = redis.call('GET', key(first)), 0\n"                                        \
	"for part = first + 1, last do\n"                                                              \
	"  if part == other then redis.call('SELECT', 1) end\n"                                        \
	"  local is = redis.call('GET', key(part))\n"                                                  \
	"  if is ~= was then\n"                                                                        \
	"    return redis.error_reply('HALF ' .. key(part) .. ' is ' .. tostring(is) .. ', not ' .. "  \
	"tostring(was))\n"                                                                             \
	"  end\n"                                                                                      \
	"end\n"                                                                                        \
	"redis.call('SELECT', 0)\n"                                                                    \
	"local middle = math.floor((first + math.min(last, other - 1)) / 2)\n"                         \
	"for part = first, last do\n"                                                                  \
	"  if part == other then redis.call('SELECT', 1) end\n"                                        \
	"  if value == '' then redis.call('DEL', key(part)) else redis.call('SET', key(part), value) " \
	"end\n"                                                                                        \
	"  if part == middle and ARGV[6] ~= '' then count = redis.call('INCR', ARGV[6]) end\n"         \
	"end\n"                                                                                        \
	"if ARGV[7] ~= '' then error(ARGV[7] .. ' ' .. count) end\n"                                   \
	"return count"

/* The one that is loaded has another name, so that nobody knows it who was not told. */
static const char loaded_script[] = CHANGES_GROUP;
static const char sent_script[] = "\n" CHANGES_GROUP;

/*
 * Answers with the values of ARGV[2] keys, of which those from ARGV[3] on are in database 1; slowly, so that others
 * change them meanwhile.
 */
static const char reads_group[] =
    "local values = {}\n"
    "for part = 0, tonumber(ARGV[2]) - 1 do\n"
    "  if part == tonumber(ARGV[3]) then redis.call('SELECT', 1) end\n"
    "  values[part + 1] = redis.call('GET', ARGV[1] .. part)\n"
    "  for pause = 1, 500 do end\n"
    "end\n"
    "return values";

/* ---- connections ----------------------------------------------------------------------------- */

static void
watch(Client *client, int operation)
{
	struct epoll_event event = {.data.ptr = client};
	bool room = client->out_length > 0;

	if (operation == EPOLL_CTL_MOD && room == client->watches_room)
		return;
	event.events = EPOLLIN | (room ? EPOLLOUT : 0);
	epoll_ctl(all.epoll, operation, client->fd, &event);
	client->watches_room = room;
}

void
client_watch(Client *client)
{
	watch(client, EPOLL_CTL_MOD);
}

void
client_close(Client *client)
{
	if (client->fd < 0)
		return;
	close(client->fd);
	client->fd = -1;
	client->count = client->first = client->in_length = client->out_length = 0;
	client->retry_at = now_ms() + RETRY;
}

/* What was sent may have happened; the keys remember it. */
void
client_lose(Client *client)
{
	if (client->fd >= 0)
		all.lost_connections++;
	client_close(client);
}

__attribute__((format(printf, 2, 3))) static void
say(Client *client, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	client->out_length += vsnprintf(client->out + client->out_length,
	                                BUFFER - (size_t) client->out_length, format, arguments);
	va_end(arguments);
}

/* What begins a command of so many words. */
static void
say_count(Client *client, int words)
{
	say(client, "*%d\r\n", words);
}

static void
say_word(Client *client, const char *word)
{
	say(client, "$%zu\r\n%s\r\n", strlen(word), word);
}

static void
say_number(Client *client, int number)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%d", number);
	say_word(client, digits);
}

static void
push(Client *client, Request request)
{
	client->under_way[(client->first + client->count++) % RING] = request;
}

void
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
	client->since = UINT64_MAX;
	say_count(client, 2);
	say_word(client, "AUTH");
	say_word(client, all.password);
	push(client, (Request){.kind = LOGIN});
	watch(client, EPOLL_CTL_ADD);
}

void
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

/* ---- groups ---------------------------------------------------------------------------------- */

/* A word that a transaction keeps: MULTI, or what comes behind. */
static void
say_kept(Client *client, const char *word, const char *argument)
{
	say_count(client, argument ? 2 : 1);
	say_word(client, word);
	if (argument)
		say_word(client, argument);
	push(client, (Request){.kind = PART});
}

/* The names of all parts, and the value behind each if there is one. */
static void
say_parts(Client *client, const char *word, const Key *key, const char *value)
{
	char name[64];

	say_count(client, 1 + key_parts(key) * (value ? 2 : 1));
	say_word(client, word);
	for (int part = 0; part < key_parts(key); part++)
	{
		key_name(key, part, name, sizeof(name));
		say_word(client, name);
		if (value)
			say_word(client, value);
	}
}

/* GET or, with a value, SET or DEL of each part up to `end`, for a transaction; how many commands. */
static int
say_each(Client *client, const Key *key, int end, const char *word, const char *value)
{
	char name[64];
	int commands = end;

	for (int part = 0; part < end; part++)
	{
		if (part == key_parts_here(key))
		{
			say_kept(client, "SELECT", "1");
			commands++;
		}
		key_name(key, part, name, sizeof(name));
		say_count(client, value ? 3 : 2);
		say_word(client, word);
		say_word(client, name);
		if (value)
			say_word(client, value);
		push(client, (Request){.kind = PART});
	}
	if (end > key_parts_here(key))
	{
		say_kept(client, "SELECT", "0");
		commands++;
	}
	return commands;
}

/* EVAL or EVALSHA for the parts from `first` on; value "" deletes them. */
static void
say_script(Client *client, const Key *key, int first, const char *value, const Request *request,
           bool by_sha)
{
	const int declared[] = {0, 1, key_parts_here(key) - first};
	int keys = declared[chance(3)];
	char name[64];

	say_count(client, 3 + keys + 7);
	say_word(client, by_sha ? "EVALSHA" : "EVAL");
	say_word(client, by_sha ? all.sha : sent_script);
	say_number(client, keys);
	for (int part = first; part < first + keys; part++)
	{
		key_name(key, part, name, sizeof(name));
		say_word(client, name);
	}
	say_word(client, value);
	key_prefix(key, name, sizeof(name));
	say_word(client, name);
	say_number(client, first);
	say_number(client, key_parts(key) - 1);
	say_number(client, key_parts_here(key));
	name[0] = '\0';
	if (request->counter >= 0)
		snprintf(name, sizeof(name), "chaos:shared:%d", request->counter);
	say_word(client, name);
	say_word(client, request->fails ? "meant" : "");
}

static void
ask_load(Client *client)
{
	say_count(client, 3);
	say_word(client, "SCRIPT");
	say_word(client, "LOAD");
	say_word(client, loaded_script);
	push(client, (Request){.kind = LOAD});
}

/* By its name, if it is loaded: which one client does for all, whoever serves them. */
static bool
by_sha(Client *client, Request *request)
{
	if (client->number == 0 && (!all.loaded || chance(100) == 0))
	{
		ask_load(client);
		return all.sha[0] != '\0';
	}
	if (!all.loaded)
		return false;
	request->known = all.loaded_since > client->since;
	return true;
}

/* The script alone, or between MULTI and EXEC, or for what commands before it leave of the group. */
static void
ask_script(Client *client, const Key *key, const char *value, bool deletes, Request *request)
{
	bool transaction = chance(2) == 0;
	bool mixed = transaction && chance(2) == 0;
	bool named = !mixed && chance(2) == 0 && by_sha(client, request);
	int first = mixed ? 1 + (int) chance((uint64_t) key_parts_here(key) - 1) : 0;

	request->scripted = true;
	request->counter = chance(2) == 0 ? (int) chance(SHARED) : -1;
	request->fails = chance(8) == 0;
	if (request->counter >= 0)
		all.shared_sent[request->counter]++;
	if (transaction)
		say_kept(client, "MULTI", NULL);
	if (mixed)
		request->elements =
		    say_each(client, key, first, deletes ? "DEL" : "SET", deletes ? NULL : value);
	say_script(client, key, first, deletes ? "" : value, request, named);
	if (!transaction)
		return;
	push(client, (Request){.kind = PART});
	request->elements++;
	say_count(client, 1);
	say_word(client, "EXEC");
}

static void
ask_group(Client *client, Key *key, const char *number, bool deletes)
{
	Request request = {.kind = WRITE, .key = key, .number = key->sent, .counter = -1};
	char value[32 + FILLED + 2];
	int filled = chance(4) == 0 ? (int) chance(FILLED) : 0;
	int way = (int) chance(4);

	snprintf(value, sizeof(value), "%s%s%.*s", number, filled > 0 ? " " : "", filled,
	         "................................................................................"
	         "................................................................................"
	         "........................................");
	/* One command for two databases does not exist. */
	if (way == 0 && key_parts_here(key) == key_parts(key))
		say_parts(client, deletes ? "DEL" : "MSET", key, deletes ? NULL : value);
	else if (way <= 1)
	{
		say_kept(client, "MULTI", NULL);
		request.elements =
		    say_each(client, key, key_parts(key), deletes ? "DEL" : "SET", deletes ? NULL : value);
		say_count(client, 1);
		say_word(client, "EXEC");
	}
	else
		ask_script(client, key, value, deletes, &request);
	push(client, request);
}

static void
ask_group_read(Client *client, Key *key)
{
	int way = (int) chance(3);
	char prefix[48];

	if (way == 0 && key_parts_here(key) == key_parts(key))
		say_parts(client, "MGET", key, NULL);
	else if (way <= 1)
	{
		say_kept(client, "MULTI", NULL);
		(void) say_each(client, key, key_parts(key), "GET", NULL);
		say_count(client, 1);
		say_word(client, "EXEC");
	}
	else
	{
		key_prefix(key, prefix, sizeof(prefix));
		say_count(client, 6);
		say_word(client, "EVAL_RO");
		say_word(client, reads_group);
		say_number(client, 0);
		say_word(client, prefix);
		say_number(client, key_parts(key));
		say_number(client, key_parts_here(key));
	}
	push(client, (Request){.kind = READ_GROUP, .key = key, .number = key->floor});
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void
say_shared(Client *client, const char *word, int counter)
{
	char name[64];

	snprintf(name, sizeof(name), "chaos:shared:%d", counter);
	say_count(client, 2);
	say_word(client, word);
	say_word(client, name);
}

void
ask_shared(Client *client, int counter)
{
	say_shared(client, "GET", counter);
	push(client, (Request){.kind = READ_SHARED, .number = counter});
}

static void
ask_write(Client *client)
{
	/* Groups, which take several keys, more often than a key of its own. */
	int slot = chance(3) == 0 ? GROUPED + (int) chance(3) : (int) chance(SLOTS + 1);
	Key *key = slot < SLOTS ? key_of(client->number, slot) : NULL;
	char name[64], value[32];
	bool deletes;

	if (!key)
	{
		int counter = (int) chance(SHARED);

		say_shared(client, "INCR", counter);
		all.shared_sent[counter]++;
		push(client, (Request){.kind = SHARED_INCR, .number = counter});
		return;
	}
	if (key->sent - key->floor >= WINDOW - 1)
		return;
	key->sent++;
	deletes = slot != COUNTER && chance(8) == 0;
	key->deletes[key->sent % WINDOW] = deletes;
	key->refused[key->sent % WINDOW] = false;
	snprintf(value, sizeof(value), "%lld", (long long) key->sent);
	if (key_parts(key) > 1)
	{
		ask_group(client, key, value, deletes);
		return;
	}
	key_name(key, 0, name, sizeof(name));
	if (slot == COUNTER || deletes)
	{
		say_count(client, 2);
		say_word(client, deletes ? "DEL" : "INCR");
		say_word(client, name);
	}
	else
	{
		bool expires = chance(4) == 0;

		say_count(client, expires ? 5 : 3);
		say_word(client, "SET");
		say_word(client, name);
		say_word(client, value);
		if (expires)
		{
			say_word(client, "EX");
			say_word(client, "86400");
		}
	}
	/* A counter's answer is compared with what had been answered when it was asked. */
	push(client, (Request){.kind = WRITE,
	                       .key = key,
	                       .number = slot == COUNTER ? key->floor : key->sent,
	                       .counter = -1});
}

void
ask_read(Client *client, Key *key)
{
	char name[64];

	if (key_parts(key) > 1)
	{
		ask_group_read(client, key);
		return;
	}
	key_name(key, 0, name, sizeof(name));
	say_count(client, 2);
	say_word(client, "GET");
	say_word(client, name);
	push(client, (Request){.kind = READ, .key = key, .number = key->floor});
}

void
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
