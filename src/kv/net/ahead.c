/* SPDX-License-Identifier: PostgreSQL
 *
 * ahead.c: a look at the commands that come next; see ahead.h.
 *
 * A record is five or six cache misses away, one behind the other.  A turn has many commands in its
 * buffers, so it can wait for the misses of thirty of them at once (see store/prefetch.c).  What a look has found of a
 * command, its arguments and its row of the table, is kept until it runs, so that it is parsed and looked up
 * once; within a turn nothing is received, so its bytes stay where they are.
 *
 * Records are asked for only of commands that read one, be it to change it, under a key that stands where most keys
 * stand, and of the member of a collection that they name beside it; and only in a database that this turn has opened
 * already: looking must open, lock and answer nothing.  A guess that is wrong costs a few wasted loads.  Where looks
 * find no reads, they become rarer.
 *
 * What strangers send is held to narrower limits than a look knows, and parsed again.
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

/* A command that has been looked at. */
typedef struct Looked
{
	const KvClient *client;
	Size begin; /* in the client's input */
	Size consumed;
	const KvCommand *command; /* NULL: it is not known, or has subcommands */
	int argc;
	struct RespArgument arguments[ARGUMENTS_MAX];
} Looked;

static struct
{
	RespParser parser;
	int vain; /* commands to pass over, because the last looks have found no reads */

	/* In the order in which they will run; those before `next` have run, or were passed over. */
	int next;
	int commands;
	Looked looked[COMMANDS_AT_ONCE];

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
take_key(const KvClient *client, const KvCommand *command, const char *data)
{
	int first, last, step;

	if (!(command->flags & (KV_READ | KV_WRITE)) || (command->flags & KV_BLIND) ||
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

/* Keeps what the parser has found at `data`. */
static void
keep(const KvClient *client, const char *data)
{
	Looked *looked = &ahead.looked[ahead.commands++];
	const KvCommand *command = NULL;

	looked->client = client;
	looked->begin = (Size) (data - client->input);
	looked->consumed = ahead.parser.consumed;
	looked->argc = (int) ahead.parser.argc;
	for (int i = 0; i < looked->argc; i++)
	{
		RespSlice argument = pgfirst_resp_argument(&ahead.parser, data, (size_t) i);

		looked->arguments[i] =
		    (struct RespArgument){(Size) (argument.data - data), argument.length};
	}
	if (looked->argc > 0)
		command = kv_command_find(NULL, pgfirst_resp_argument(&ahead.parser, data, 0));
	if (command && looked->argc > 1)
		take_key(client, command, data);
	looked->command = command && !(command->flags & KV_SUBCOMMANDS) ? command : NULL;
}

/* Parses what the client has sent and not yet been answered. */
static void
look_at_client(const KvClient *client)
{
	const char *data = client->input + client->input_start;
	Size left = client->input_end - client->input_start;

	while (ahead.commands < COMMANDS_AT_ONCE && left > 0)
	{
		pgfirst_resp_parser_reset(&ahead.parser);
		if (pgfirst_resp_parse(&ahead.parser, data, left) != RESP_COMMAND ||
		    ahead.parser.inline_used)
			break;
		keep(client, data);
		data += ahead.parser.consumed;
		left -= ahead.parser.consumed;
	}
}

int
kv_ahead_look(dlist_head *ready)
{
	dlist_iter iterator;
	KvSpace *space;

	ahead.next = ahead.commands = ahead.count = 0;
	dlist_foreach (iterator, ready)
	{
		if (ahead.commands == COMMANDS_AT_ONCE)
			break;
		look_at_client(dlist_container(KvClient, state_link, iterator.cur));
	}
	if (ahead.count > 1)
		kv_tenant_use(ahead.tenant);
	space = ahead.count > 1 ? kv_space_opened(ahead.number) : NULL;
	if (space)
		kv_keys_prefetch(space, ahead.keys, ahead.members, ahead.count);
	ahead.vain = ahead.count > 0 ? 0 : Min(Max(ahead.vain * 2, 1), COMMANDS_VAIN);
	return Max(ahead.commands, 1) + ahead.vain;
}

void
kv_ahead_forget(void)
{
	ahead.next = ahead.commands = 0;
}

/* What a look has kept of the client's next command, NULL if it has not met it. */
static const Looked *
looked_take(const KvClient *client)
{
	for (int i = ahead.next; i < ahead.commands; i++)
	{
		const Looked *looked = &ahead.looked[i];

		if (looked->client != client || looked->begin != client->input_start)
			continue;
		ahead.next = i + 1;
		return looked;
	}
	return NULL;
}

RespStatus
kv_ahead_parse(KvClient *client, const KvCommand **command)
{
	const Looked *looked = OidIsValid(client->session.role) ? looked_take(client) : NULL;

	*command = NULL;
	if (!looked || !pgfirst_resp_parser_take(&client->parser, looked->arguments,
	                                         (size_t) looked->argc, looked->consumed))
		return pgfirst_resp_parse(&client->parser, client->input + client->input_start,
		                          client->input_end - client->input_start);
	*command = looked->command;
	return RESP_COMMAND;
}
