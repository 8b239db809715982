/* SPDX-License-Identifier: PostgreSQL
 *
 * answer.c: what comes back, and what it says of what was asked; see load.h.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "load.h"

#define NOTES 5 /* errors that are printed */

/* One reply of the kinds that occur here. */
typedef struct Reply
{
	char kind;
	int elements;          /* of an array */
	int count;             /* of numbers */
	int64_t numbers[WIDE]; /* that the bulk strings begin with, -1 for null */
	int64_t integer;       /* the last one */
	char text[128];        /* its first line */
	char error[128];       /* the first error in it, or "" */
	char body[SHA + 1];    /* what the last bulk string begins with */
} Reply;

/* The length of one reply that is no array; 0 if it is not complete. */
static int
reply_item(const char *bytes, int length, Reply *reply)
{
	const char *end = length > 0 ? memmem(bytes, (size_t) length, "\r\n", 2) : NULL;
	int line = end ? (int) (end - bytes) + 2 : 0;
	int64_t number;

	if (!end)
		return 0;
	number = atoll(bytes + 1);
	if (bytes[0] == '-' && reply->error[0] == '\0')
		snprintf(reply->error, sizeof(reply->error), "%.*s", line - 2, bytes);
	if (bytes[0] == ':')
		reply->integer = number;
	if (bytes[0] != '$')
		return line;
	if (number >= 0)
	{
		int body = (int) number;

		if (length < line + body + 2)
			return 0;
		number = atoll(bytes + line);
		snprintf(reply->body, sizeof(reply->body), "%.*s", body, bytes + line);
		line += body + 2;
	}
	if (reply->count < WIDE)
		reply->numbers[reply->count++] = number;
	return line;
}

static int
reply_parse(const char *bytes, int length, Reply *reply)
{
	const char *end = length > 0 ? memmem(bytes, (size_t) length, "\r\n", 2) : NULL;
	int used = end ? (int) (end - bytes) + 2 : 0;

	*reply = (Reply){.kind = bytes[0]};
	if (!end)
		return 0;
	snprintf(reply->text, sizeof(reply->text), "%.*s", used - 2, bytes);
	if (bytes[0] != '*')
		return reply_item(bytes, length, reply);
	reply->elements = atoi(bytes + 1);
	for (int i = 0; i < reply->elements; i++)
	{
		int more = reply_item(bytes + used, length - used, reply);

		if (more == 0)
			return 0;
		used += more;
	}
	return used;
}

/* ---- writes ---------------------------------------------------------------------------------- */

/* That a script is not loaded is no answer where it was loaded before, and is. */
static void
not_loaded(Client *client, const Request *request)
{
	all.loaded = false;
	all.unloaded++;
	request->key->refused[request->number % WINDOW] = true;
	if (request->known)
		wrong("a loaded script was not there, client %d", (int) (client - all.clients));
}

/* An error, in EXEC's answer too; true if it is one that the script was told to end with. */
static bool
error_is_meant(Client *client, const Request *request, Reply *reply)
{
	const char *meant = request->fails ? strstr(reply->error, ": meant ") : NULL;

	if (meant)
	{
		reply->integer = atoll(meant + strlen(": meant "));
		return true;
	}
	if (request->scripted && strncmp(reply->error, "-HALF", 5) == 0)
		half_shown(request->key, "a script", reply->error);
	else if (request->scripted && strncmp(reply->error, "-NOSCRIPT", 9) == 0)
		not_loaded(client, request);
	else if (reply->kind == '*')
		wrong("EXEC was answered with %s", reply->error);
	else if (all.errors++ < NOTES)
		printf("note: %s\n", reply->error);
	return false;
}

static void
counter_answered(const Request *request, int64_t count)
{
	Key *key = request->key;
	char name[64];

	if (count <= request->number || count > key->sent)
	{
		key_name(key, 0, name, sizeof(name));
		wrong("INCR of %s was answered %lld, when asked it was %lld, sent %lld", name,
		      (long long) count, (long long) request->number, (long long) key->sent);
	}
	if (count > key->floor)
		key->floor = count;
}

static void
write_answered(Client *client, const Request *request, Reply *reply)
{
	if (reply->error[0] != '\0' && !error_is_meant(client, request, reply))
		return;
	if (request->fails && reply->error[0] == '\0')
		wrong("a script that ends with an error was answered %s", reply->text);
	if (request->elements > 0 && reply->elements != request->elements)
		wrong("EXEC of %d commands was answered %s", request->elements, reply->text);
	all.acknowledged++;
	all.transactions += request->elements > 0;
	all.scripts += request->scripted;
	if (request->counter >= 0)
		shared_answered(request->counter, reply->integer);
	if (key_slot(request->key) == COUNTER)
		counter_answered(request, reply->integer);
	else if (request->number > request->key->floor)
		request->key->floor = request->number;
}

static void
load_answered(const Reply *reply)
{
	if (strspn(reply->body, "0123456789abcdef") != SHA ||
	    (all.sha[0] != '\0' && strcmp(all.sha, reply->body) != 0))
		wrong("SCRIPT LOAD was answered %s", reply->body);
	memcpy(all.sha, reply->body, sizeof(all.sha));
	all.loaded = true;
	all.loaded_since = ++all.events;
}

/* ---- everything ------------------------------------------------------------------------------ */

/* Refused, so it never happens; a key's numbers may have gaps.  A write says more of it. */
static void
refused(Client *client, const Request *request, const Reply *reply)
{
	if (all.errors++ < NOTES)
		printf("note: %s\n", reply->error);
	if (request->kind == LOGIN || strncmp(reply->error, "-LOADING", 8) == 0)
		client_lose(client);
}

static void
answered(Client *client, Reply *reply)
{
	Request request = client->under_way[client->first];

	client->first = (client->first + 1) % RING;
	client->count--;
	if (reply->kind == '-' && (request.kind != WRITE || strncmp(reply->error, "-LOADING", 8) == 0))
	{
		refused(client, &request, reply);
		return;
	}
	switch (request.kind)
	{
		case LOGIN:
			client->since = ++all.events;
			break;
		case PART:
			break;
		case LOAD:
			load_answered(reply);
			break;
		case WRITE:
			write_answered(client, &request, reply);
			break;
		case SHARED_INCR:
			shared_answered((int) request.number, reply->integer);
			break;
		case READ:
			/* A counter that nobody has counted is absent, and stands at nothing. */
			if (key_slot(request.key) == COUNTER && reply->numbers[0] < 0)
				reply->numbers[0] = 0;
			key_shown(request.key, request.number, reply->numbers[0]);
			break;
		case READ_GROUP:
			if (reply->count != key_parts(request.key))
				wrong("of %d keys %d were shown: %s %s", key_parts(request.key), reply->count,
				      reply->text, reply->error);
			else
				group_shown(request.key, request.number, reply->numbers, "a reader");
			break;
		case READ_SHARED:
			shared_shown((int) request.number, reply->numbers[0]);
			break;
	}
}

void
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
	while (client->fd >= 0 && client->count > 0 && at < client->in_length)
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
