/* SPDX-License-Identifier: PostgreSQL
 *
 * ahead.c: a look at the commands that come next; see ahead.h.
 *
 * A record is five or six cache misses away, one behind the other.  A turn has many commands in its
 * buffers, so it can wait for the misses of thirty of them at once (see store/prefetch.c).  For that
 * the commands are parsed twice, which costs a tenth of what it saves.
 *
 * Only commands that read a record, be it to change it, under a key that stands where most keys stand, and the
 * member of a collection that they name beside it; and only in a database that this turn has opened already: looking
 * must open, lock and answer nothing.  A guess that is wrong costs a few wasted loads.  Where looks find no reads, they
 * become rarer.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kv/cmd/command.h"
#include "kv/database.h"
#include "kv/net/ahead.h"
#include "kv/net/client.h"
#include "kv/type/key.h"

#define COMMANDS_AT_ONCE 32
#define ARGUMENTS_MAX    8   /* of a command that is looked at */
#define COMMANDS_VAIN    256 /* passed over without a look when looks find nothing */

static struct
{
	RespParser parser;
	int vain;   /* commands to pass over, because the last looks have found no reads */
	int number; /* of the database whose keys are collected */
	uint32 tenant;
	int count;
	RespSlice keys[COMMANDS_AT_ONCE];
	RespSlice members[COMMANDS_AT_ONCE]; /* of collections under these keys; without data: none */
} ahead;

static void *
ahead_resize(void *context, void *block, size_t size)
{
	if (size == 0)
	{
		if (block)
			pfree(block);
		return NULL;
	}
	return block ? repalloc(block, size) : MemoryContextAlloc(TopMemoryContext, size);
}

void
kv_ahead_begin(void)
{
	RespAllocator allocator = {.resize = ahead_resize};

	pgfirst_resp_parser_init(
	    &ahead.parser, allocator,
	    (RespLimits){.bulk = KV_VALUE_MAX, .arguments = ARGUMENTS_MAX, .inline_len = 1024});
}

/* The member that the command names, or the first of them. */
static RespSlice
member_of(const KvCommand *command, const char *data)
{
	int i = command->flags & KV_NAMES_MEMBER ? 2 : command->flags & KV_NAMES_SCORED ? 3 : 0;

	if (i == 0 || i >= (int) ahead.parser.argc)
		return (RespSlice){NULL, 0};
	return pgfirst_resp_argument(&ahead.parser, data, (size_t) i);
}

static void
take_key(const KvClient *client, const char *data)
{
	RespSlice name = pgfirst_resp_argument(&ahead.parser, data, 0);
	const KvCommand *command = kv_command_find(NULL, name);
	int first, last, step;

	if (!command || !(command->flags & (KV_READ | KV_WRITE)) || (command->flags & KV_BLIND) ||
	    kv_command_keys(command, (int) ahead.parser.argc, &first, &last, &step) == 0 || first != 1)
		return;
	if (ahead.count > 0 &&
	    (ahead.number != client->session.database || ahead.tenant != client->session.tenant))
		return;
	ahead.number = client->session.database;
	ahead.tenant = client->session.tenant;
	ahead.members[ahead.count] = member_of(command, data);
	ahead.keys[ahead.count++] = pgfirst_resp_argument(&ahead.parser, data, 1);
}

/* Parses what the client has sent and not yet been answered; returns how many commands. */
static int
look_at_client(const KvClient *client, int max)
{
	const char *data = client->input + client->input_start;
	Size left = client->input_end - client->input_start;
	int commands = 0;

	while (commands < max && left > 0)
	{
		pgfirst_resp_parser_reset(&ahead.parser);
		if (pgfirst_resp_parse(&ahead.parser, data, left) != RESP_COMMAND)
			break;
		if (ahead.parser.argc > 1 && !ahead.parser.inline_used)
			take_key(client, data);
		data += ahead.parser.consumed;
		left -= ahead.parser.consumed;
		commands++;
	}
	return commands;
}

int
kv_ahead_look(dlist_head *ready)
{
	int commands = 0;
	dlist_iter iterator;
	KvSpace *space;

	ahead.count = 0;
	dlist_foreach (iterator, ready)
	{
		if (commands >= COMMANDS_AT_ONCE)
			break;
		commands += look_at_client(dlist_container(KvClient, state_link, iterator.cur),
		                           COMMANDS_AT_ONCE - commands);
	}
	if (ahead.count > 1)
		kv_tenant_use(ahead.tenant);
	space = ahead.count > 1 ? kv_space_opened(ahead.number) : NULL;
	if (space)
		kv_keys_prefetch(space, ahead.keys, ahead.members, ahead.count);
	ahead.vain = ahead.count > 0 ? 0 : Min(Max(ahead.vain * 2, 1), COMMANDS_VAIN);
	return Max(commands, 1) + ahead.vain;
}
