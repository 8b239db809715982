/* SPDX-License-Identifier: PostgreSQL
 *
 * load.c: the loop, and the words that the driver says; see load.h.
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
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include "load.h"

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
			client_watch(client);
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
		client_close(&all.clients[i]);
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
check(void)
{
	Client *client = &all.clients[0];
	int64_t before = all.wrong;

	client_connect(client);
	check_answer(client);
	for (int i = 0; i < all.writers * SLOTS && client->fd >= 0; i++)
		check_key(client, &all.keys[i]);
	for (int i = 0; i < SHARED && client->fd >= 0; i++)
	{
		ask_shared(client, i);
		check_answer(client);
	}
	client_close(client);
	printf("checked %d keys, %lld acknowledged, %lld shown, %lld wrong\n",
	       all.writers * (KEYS + GROUP + MANY + WIDE + 1) + SHARED, (long long) all.acknowledged,
	       (long long) all.shown, (long long) (all.wrong - before));
}

/* Where a line of SQL belongs; NULL: it is of no key of a writer. */
static int64_t *
sql_state(int64_t (*states)[WIDE], const char *name)
{
	int writer, slot, part = 0;

	if (sscanf(name, "chaos:%d:group:%d", &writer, &part) == 2)
		slot = GROUPED;
	else if (sscanf(name, "chaos:%d:large:%d", &writer, &part) == 2)
		slot = LARGE;
	else if (sscanf(name, "chaos:%d:spread:%d", &writer, &part) == 2)
		slot = SPREAD;
	else if (sscanf(name, "chaos:%d:%d", &writer, &slot) == 2)
		part = 0;
	else if (sscanf(name, "chaos:%d:count", &writer) == 1)
		slot = COUNTER;
	else
		return NULL;
	return &states[writer * SLOTS + slot][part];
}

/* What SQL says, a line "key<TAB>value" each, ended by an empty one; all others are absent. */
static void
sql(void)
{
	int keys = all.writers * SLOTS;
	int64_t(*states)[WIDE] = malloc((size_t) keys * sizeof(*states));
	int64_t before = all.wrong;
	int count = 0, counter;
	long long value;
	char line[512];

	for (int i = 0; i < keys; i++)
		for (int part = 0; part < WIDE; part++)
			states[i][part] = i % SLOTS == COUNTER ? 0 : -1;
	while (fgets(line, sizeof(line), stdin) && line[0] != '\n')
	{
		const char *tab = strchr(line, '\t');
		int64_t *state = sql_state(states, line);

		count++;
		if (state && tab)
			*state = atoll(tab + 1);
		else if (sscanf(line, "chaos:shared:%d\t%lld", &counter, &value) == 2)
			shared_shown(counter, value);
	}
	for (int i = 0; i < keys; i++)
		group_shown(&all.keys[i], all.keys[i].floor, states[i], "SQL");
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
		printf("total %lld acknowledged, %lld scripts, %lld transactions, %lld shown, %lld groups, "
		       "%lld halves, %lld unloaded, %lld connections lost, %lld errors, %lld wrong\n",
		       (long long) all.acknowledged, (long long) all.scripts, (long long) all.transactions,
		       (long long) all.shown, (long long) all.groups, (long long) all.halves,
		       (long long) all.unloaded, (long long) all.lost_connections, (long long) all.errors,
		       (long long) all.wrong);
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
