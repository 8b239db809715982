/* SPDX-License-Identifier: PostgreSQL
 *
 * introspection.c: COMMAND and its subcommands: the command table, as clients ask for it.
 */
#include "postgres.h"

#include "utils/formatting.h"

#include "kv/cmd/commands.h"

/* Writes the words that apply as a set; two passes, because the count comes first. */
static void
reply_words(RespBuffer *reply, const char *const *words, const bool *apply, int count)
{
	size_t applying = 0;

	for (int i = 0; i < count; i++)
		applying += apply[i];
	pgfirst_resp_write_set(reply, applying);
	for (int i = 0; i < count; i++)
		if (apply[i])
			pgfirst_resp_write_simple(reply, words[i]);
}

static void
reply_flags(RespBuffer *reply, const KvCommand *command)
{
	static const char *const words[] = {"readonly",    "write",    "fast",    "no_auth",
	                                    "loading",     "admin",    "denyoom", "noscript",
	                                    "movablekeys", "blocking", "pubsub"};
	const bool apply[] = {(command->flags & KV_READ) != 0,
	                      (command->flags & KV_WRITE) != 0,
	                      (command->flags & KV_FAST) != 0,
	                      (command->flags & KV_NO_AUTH) != 0,
	                      (command->flags & KV_LOADING) != 0,
	                      (command->flags & KV_ADMIN) != 0,
	                      (command->flags & KV_GROWS) != 0,
	                      (command->flags & KV_NO_SCRIPT) != 0,
	                      (command->flags & (KV_SCRIPT | KV_COUNTED | KV_STREAMS)) != 0,
	                      (command->flags & KV_WAITS) != 0,
	                      strcmp(command->group, "pubsub") == 0 && command->function &&
	                          command->function != kv_cmd_help};

	reply_words(reply, words, apply, lengthof(words));
}

/* Redis's categories that have commands: of those with a flag, or of those of a group. */
static const struct
{
	const char *word;
	uint32 flag;
	const char *group;
} categories[] = {{"@read", KV_READ, NULL},
                  {"@write", KV_WRITE, NULL},
                  {"@fast", KV_FAST, NULL},
                  {"@slow", 0, NULL},
                  {"@keyspace", 0, "generic"},
                  {"@connection", 0, "connection"},
                  {"@string", 0, "string"},
                  {"@bitmap", 0, "bitmap"},
                  {"@hash", 0, "hash"},
                  {"@list", 0, "list"},
                  {"@set", 0, "set"},
                  {"@sortedset", 0, "sorted-set"},
                  {"@stream", 0, "stream"},
                  {"@pubsub", 0, "pubsub"},
                  {"@blocking", KV_WAITS, NULL},
                  {"@transaction", 0, "transactions"},
                  {"@scripting", 0, "scripting"},
                  {"@admin", KV_ADMIN, NULL},
                  {"@dangerous", KV_ADMIN, NULL}};

static bool
in_category(const KvCommand *command, int i)
{
	if (categories[i].group)
		return strcmp(command->group, categories[i].group) == 0;
	/* Slow is what is not fast. */
	return categories[i].flag != 0 ? (command->flags & categories[i].flag) != 0
	                               : (command->flags & KV_FAST) == 0;
}

static void
reply_categories(RespBuffer *reply, const KvCommand *command)
{
	const char *words[lengthof(categories)];
	bool apply[lengthof(categories)];

	for (int i = 0; i < (int) lengthof(categories); i++)
	{
		words[i] = categories[i].word;
		apply[i] = in_category(command, i);
	}
	reply_words(reply, words, apply, lengthof(categories));
}

/* "type" and "spec", with so many numbers to follow. */
static void
reply_specification(RespBuffer *reply, const char *name, const char *type, size_t numbers)
{
	pgfirst_resp_write_text(reply, name);
	pgfirst_resp_write_map(reply, 2);
	pgfirst_resp_write_text(reply, "type");
	pgfirst_resp_write_text(reply, type);
	pgfirst_resp_write_text(reply, "spec");
	pgfirst_resp_write_map(reply, numbers);
}

static void
reply_number(RespBuffer *reply, const char *name, int number)
{
	pgfirst_resp_write_text(reply, name);
	pgfirst_resp_write_integer(reply, number);
}

/* What all specifications of keys begin with. */
static void
reply_keys_use(RespBuffer *reply, const char *use)
{
	pgfirst_resp_write_map(reply, 3);
	pgfirst_resp_write_text(reply, "flags");
	pgfirst_resp_write_set(reply, 1);
	pgfirst_resp_write_simple(reply, use);
}

static void
reply_keys_begin(RespBuffer *reply, const char *use, int index)
{
	reply_keys_use(reply, use);
	reply_specification(reply, "begin_search", "index", 1);
	reply_number(reply, "index", index);
}

/* limit: 2, they are the first half of what is left. */
static void
reply_keys_to(RespBuffer *reply, int last, int step, int limit)
{
	reply_specification(reply, "find_keys", "range", 3);
	reply_number(reply, "lastkey", last);
	reply_number(reply, "keystep", step);
	reply_number(reply, "limit", limit);
}

static void
reply_keys_range(RespBuffer *reply, const char *use, const KvCommand *command)
{
	int last = command->last_key;

	reply_keys_begin(reply, use, command->first_key);
	reply_keys_to(reply, last < 0 ? last : last - command->first_key, command->key_step, 0);
}

/* Keys that are the first half of what follows the word STREAMS. */
static void
reply_keys_of_streams(RespBuffer *reply, const char *use, const KvCommand *command)
{
	reply_keys_use(reply, use);
	reply_specification(reply, "begin_search", "keyword", 2);
	pgfirst_resp_write_text(reply, "keyword");
	pgfirst_resp_write_text(reply, "STREAMS");
	reply_number(reply, "startfrom", command->first_key);
	reply_keys_to(reply, -1, 1, 2);
}

/* Keys whose number argument `index` is. */
static void
reply_keys_counted(RespBuffer *reply, const char *use, int index)
{
	reply_keys_begin(reply, use, index);
	reply_specification(reply, "find_keys", "keynum", 3);
	reply_number(reply, "keynumidx", 0);
	reply_number(reply, "firstkey", 1);
	reply_number(reply, "keystep", 1);
}

/* Whether all keys of a command follow the argument that says how many there are. */
static bool
keys_are_counted(const KvCommand *command)
{
	return (command->flags & KV_SCRIPT) ||
	       ((command->flags & KV_COUNTED) && command->last_key == 0);
}

static void
reply_key_specification(RespBuffer *reply, const KvCommand *command)
{
	bool writes = (command->flags & KV_WRITE) || kv_command_is_writing_script(command);
	const char *use = writes ? "RW" : "RO";

	if (keys_are_counted(command))
	{
		pgfirst_resp_write_set(reply, 1);
		reply_keys_counted(reply, use, command->flags & KV_SCRIPT ? 2 : command->first_key - 1);
	}
	else if (command->flags & KV_COUNTED)
	{
		pgfirst_resp_write_set(reply, 2);
		reply_keys_range(reply, "OW", command);
		reply_keys_counted(reply, "RO", command->last_key + 1);
	}
	else if (command->flags & KV_STREAMS)
	{
		pgfirst_resp_write_set(reply, 1);
		reply_keys_of_streams(reply, use, command);
	}
	else if (command->first_key > 0)
	{
		pgfirst_resp_write_set(reply, 1);
		reply_keys_range(reply, use, command);
	}
	else
		pgfirst_resp_write_set(reply, 0);
}

static size_t
count_subcommands(const KvCommand *command)
{
	size_t count = 0;

	for (int i = 0; i < kv_commands_count; i++)
		count += kv_commands[i].container && !command->container &&
		         strcmp(kv_commands[i].container, command->name) == 0;
	return count;
}

/* Calls `reply_one` for the command's subcommands. */
static void
reply_subcommands(RespBuffer *reply, const KvCommand *command,
                  void (*reply_one)(RespBuffer *, const KvCommand *))
{
	for (int i = 0; i < kv_commands_count; i++)
		if (kv_commands[i].container && strcmp(kv_commands[i].container, command->name) == 0)
			reply_one(reply, &kv_commands[i]);
}

static void
reply_info(RespBuffer *reply, const KvCommand *command)
{
	size_t subcommands = count_subcommands(command);
	bool move = keys_are_counted(command) || (command->flags & KV_STREAMS);

	pgfirst_resp_write_array(reply, 10);
	pgfirst_resp_write_text(reply, kv_command_name(command));
	pgfirst_resp_write_integer(reply, command->arity);
	reply_flags(reply, command);
	pgfirst_resp_write_integer(reply, move ? 0 : command->first_key);
	pgfirst_resp_write_integer(reply, move ? 0 : command->last_key);
	pgfirst_resp_write_integer(reply, move ? 0 : command->key_step);
	reply_categories(reply, command);
	pgfirst_resp_write_set(reply, 0); /* tips */
	reply_key_specification(reply, command);
	if (subcommands > 0)
	{
		pgfirst_resp_write_array(reply, subcommands);
		reply_subcommands(reply, command, reply_info);
	}
	else
		pgfirst_resp_write_set(reply, 0);
}

static void
reply_docs(RespBuffer *reply, const KvCommand *command)
{
	size_t subcommands = count_subcommands(command);

	pgfirst_resp_write_text(reply, kv_command_name(command));
	pgfirst_resp_write_map(reply, subcommands > 0 ? 6 : 5);
	pgfirst_resp_write_text(reply, "summary");
	pgfirst_resp_write_text(reply, command->summary);
	pgfirst_resp_write_text(reply, "since");
	pgfirst_resp_write_text(reply, command->since);
	pgfirst_resp_write_text(reply, "group");
	pgfirst_resp_write_text(reply, command->group);
	pgfirst_resp_write_text(reply, "complexity");
	pgfirst_resp_write_text(reply, command->complexity);
	/* Redis describes each argument; this is a line for people. */
	pgfirst_resp_write_text(reply, "syntax");
	pgfirst_resp_write_text(reply, command->arguments);
	if (subcommands == 0)
		return;
	pgfirst_resp_write_text(reply, "subcommands");
	pgfirst_resp_write_map(reply, subcommands);
	reply_subcommands(reply, command, reply_docs);
}

static size_t
count_commands(void)
{
	size_t count = 0;

	for (int i = 0; i < kv_commands_count; i++)
		count += kv_commands[i].container == NULL;
	return count;
}

/* The command that argument i names, "config|get" included. */
static const KvCommand *
named_command(KvCall *call, int i)
{
	RespSlice name = kv_argument(call, i);
	const char *bar = memchr(name.data, '|', name.length);
	const KvCommand *container;

	if (!bar)
		return kv_command_find(NULL, name);
	container = kv_command_find(NULL, (RespSlice){name.data, (size_t) (bar - name.data)});
	if (!container)
		return NULL;
	return kv_command_find(container->name,
	                       (RespSlice){bar + 1, name.length - (size_t) (bar - name.data) - 1});
}

/* COMMAND */
KvOutcome
kv_cmd_command(KvCall *call)
{
	pgfirst_resp_write_array(call->reply, count_commands());
	for (int i = 0; i < kv_commands_count; i++)
		if (!kv_commands[i].container)
			reply_info(call->reply, &kv_commands[i]);
	return KV_DONE;
}

/* COMMAND COUNT */
KvOutcome
kv_cmd_command_count(KvCall *call)
{
	pgfirst_resp_write_integer(call->reply, (int64) count_commands());
	return KV_DONE;
}

/* COMMAND INFO [command-name [command-name ...]] */
KvOutcome
kv_cmd_command_info(KvCall *call)
{
	if (call->argc == 2)
		return kv_cmd_command(call);
	pgfirst_resp_write_array(call->reply, (size_t) call->argc - 2);
	for (int i = 2; i < call->argc; i++)
	{
		const KvCommand *command = named_command(call, i);

		if (command)
			reply_info(call->reply, command);
		else
			pgfirst_resp_write_null(call->reply);
	}
	return KV_DONE;
}

/* COMMAND DOCS [command-name [command-name ...]]: what is not known is left out. */
KvOutcome
kv_cmd_command_docs(KvCall *call)
{
	size_t known = 0;

	if (call->argc == 2)
	{
		pgfirst_resp_write_map(call->reply, count_commands());
		for (int i = 0; i < kv_commands_count; i++)
			if (!kv_commands[i].container)
				reply_docs(call->reply, &kv_commands[i]);
		return KV_DONE;
	}
	for (int i = 2; i < call->argc; i++)
		known += named_command(call, i) != NULL;
	pgfirst_resp_write_map(call->reply, known);
	for (int i = 2; i < call->argc; i++)
	{
		const KvCommand *command = named_command(call, i);

		if (command)
			reply_docs(call->reply, command);
	}
	return KV_DONE;
}

/* ---- COMMAND GETKEYS --------------------------------------------------------------------- */

/*
 * What commands do with their keys, as Redis has it: a letter of each word of key_words.  `others` is for
 * the second key and those behind it, where they are different.  What is not listed here reads
 * its keys (Ra), or reads and updates them (Wau).
 */
static const struct
{
	const char *name;
	const char *first;
	const char *others;
} key_uses[] = {
    {"append", "Wi", NULL},
    {"bitop", "Ou", "Ra"},
    {"blmove", "Wad", "Wi"},
    {"blmpop", "Wad", NULL},
    {"blpop", "Wad", NULL},
    {"brpop", "Wad", NULL},
    {"brpoplpush", "Wad", "Wi"},
    {"bzmpop", "Wad", NULL},
    {"bzpopmax", "Wad", NULL},
    {"bzpopmin", "Wad", NULL},
    {"copy", "Ra", "Ou"},
    {"del", "Md", NULL},
    {"exists", "R", NULL},
    {"expire", "Wu", NULL},
    {"expireat", "Wu", NULL},
    {"getdel", "Wad", NULL},
    {"hdel", "Wd", NULL},
    {"hexists", "R", NULL},
    {"hlen", "R", NULL},
    {"hmset", "Wu", NULL},
    {"hset", "Wu", NULL},
    {"hsetnx", "Wi", NULL},
    {"hstrlen", "R", NULL},
    {"linsert", "Wi", NULL},
    {"llen", "R", NULL},
    {"lmove", "Wad", "Wi"},
    {"lmpop", "Wad", NULL},
    {"lpop", "Wad", NULL},
    {"lpush", "Wi", NULL},
    {"lpushx", "Wi", NULL},
    {"lrem", "Wd", NULL},
    {"lset", "Wu", NULL},
    {"ltrim", "Wd", NULL},
    {"mset", "Ou", NULL},
    {"msetnx", "Oi", NULL},
    {"object", "R", NULL},
    {"persist", "Wu", NULL},
    {"pexpire", "Wu", NULL},
    {"pexpireat", "Wu", NULL},
    {"psetex", "Ou", NULL},
    {"rename", "Wad", "Ou"},
    {"renamenx", "Wad", "Oi"},
    {"restore", "Ou", NULL},
    {"rpop", "Wad", NULL},
    {"rpoplpush", "Wad", "Wi"},
    {"rpush", "Wi", NULL},
    {"rpushx", "Wi", NULL},
    {"sadd", "Wi", NULL},
    {"scard", "R", NULL},
    {"sdiffstore", "Ou", "Ra"},
    {"set", "Ou", NULL},
    {"setex", "Ou", NULL},
    {"setnx", "Oi", NULL},
    {"setrange", "Wu", NULL},
    {"sinterstore", "Ou", "Ra"},
    {"sismember", "R", NULL},
    {"smove", "Wad", "Wi"},
    {"spop", "Wad", NULL},
    {"srem", "Wd", NULL},
    {"strlen", "R", NULL},
    {"sunionstore", "Ou", "Ra"},
    {"touch", "R", NULL},
    {"type", "R", NULL},
    {"unlink", "Md", NULL},
    {"watch", "R", NULL},
    {"xadd", "Wu", NULL},
    {"xdel", "Wd", NULL},
    {"xlen", "R", NULL},
    {"xsetid", "Wu", NULL},
    {"xtrim", "Wd", NULL},
    {"zadd", "Wu", NULL},
    {"zcard", "R", NULL},
    {"zdiffstore", "Ou", "Ra"},
    {"zinterstore", "Ou", "Ra"},
    {"zmpop", "Wad", NULL},
    {"zpopmax", "Wad", NULL},
    {"zpopmin", "Wad", NULL},
    {"zrangestore", "Ou", "Ra"},
    {"zrem", "Wd", NULL},
    {"zremrangebylex", "Wd", NULL},
    {"zremrangebyrank", "Wd", NULL},
    {"zremrangebyscore", "Wd", NULL},
    {"zunionstore", "Ou", "Ra"},
};

static const char *const key_words[] = {"RO",     "RW",     "OW",     "RM",
                                        "access", "update", "insert", "delete"};
static const char key_letters[] = "RWOMauid";

/* The letters for one key of the command that begins at argument 2. */
static const char *
key_use(const KvCall *call, const KvCommand *command, bool is_first)
{
	const char *name = command->container ? command->container : command->name;

	/* SET with GET reads too. */
	if (strcmp(name, "set") == 0)
		for (int i = 5; i < call->argc; i++)
			if (kv_argument_is(call, i, "GET"))
				return "Wau";
	for (int i = 0; i < (int) lengthof(key_uses); i++)
		if (strcmp(key_uses[i].name, name) == 0)
			return is_first || !key_uses[i].others ? key_uses[i].first : key_uses[i].others;
	return (command->flags & KV_WRITE) || kv_command_is_writing_script(command) ? "Wau" : "Ra";
}

static void
reply_key_use(RespBuffer *reply, const char *use)
{
	bool apply[lengthof(key_words)];

	for (int i = 0; i < (int) lengthof(key_words); i++)
		apply[i] = strchr(use, key_letters[i]) != NULL;
	reply_words(reply, key_words, apply, lengthof(key_words));
}

/* The command that begins at argument 2; NULL after answering. */
static const KvCommand *
inner_command(KvCall *call)
{
	const KvCommand *command = kv_command_find(NULL, kv_argument(call, 2));
	int argc = call->argc - 2;

	if (command && (command->flags & KV_SUBCOMMANDS) && argc > 1)
		command = kv_command_find(command->name, kv_argument(call, 3));
	if (!command)
		kv_reply_error(call, "ERR Invalid command specified");
	else if (command->first_key == 0 && !(command->flags & KV_SCRIPT))
		kv_reply_error(call, "ERR The command has no key arguments");
	else if (command->arity >= 0 ? argc != command->arity : argc < -command->arity)
		kv_reply_error(call, "ERR Invalid number of arguments specified for command");
	else
		return command;
	return NULL;
}

static KvOutcome
getkeys(KvCall *call, bool with_flags)
{
	const KvCommand *command = inner_command(call);
	KvKeys keys;

	if (!command)
		return KV_DONE;
	/* A script need not have keys, and what cannot be told of its keys is none, as in Redis. */
	if (kv_command_keys_of(command, call, 2, &keys) <= 0 && !(command->flags & KV_SCRIPT))
	{
		kv_reply_error(call, "ERR Invalid arguments specified for command");
		return KV_DONE;
	}
	pgfirst_resp_write_array(call->reply, (size_t) Max(keys.count, 0));
	for (int i = 0; i < keys.count; i++)
	{
		if (with_flags)
			pgfirst_resp_write_array(call->reply, 2);
		kv_reply_slice(call, kv_argument(call, kv_key_argument(&keys, i) + 2));
		if (with_flags)
			reply_key_use(call->reply, key_use(call, command, i == 0));
	}
	return KV_DONE;
}

/* COMMAND GETKEYS command [argument ...] */
KvOutcome
kv_cmd_command_getkeys(KvCall *call)
{
	return getkeys(call, false);
}

/* COMMAND GETKEYSANDFLAGS command [argument ...] */
KvOutcome
kv_cmd_command_getkeysandflags(KvCall *call)
{
	return getkeys(call, true);
}

/* ---- COMMAND LIST ------------------------------------------------------------------------ */

typedef enum ListFilter
{
	LIST_ALL,
	LIST_MODULE, /* there are none */
	LIST_CATEGORY,
	LIST_PATTERN
} ListFilter;

bool
kv_command_in_category(const KvCommand *command, RespSlice category)
{
	for (int i = 0; i < (int) lengthof(categories); i++)
		if (strlen(categories[i].word + 1) == category.length &&
		    pg_strncasecmp(categories[i].word + 1, category.data, category.length) == 0)
			return in_category(command, i);
	return false;
}

static bool
listed(const KvCommand *command, ListFilter filter, RespSlice value, size_t *steps)
{
	const char *name = kv_command_name(command);

	switch (filter)
	{
		case LIST_ALL:
			return true;
		case LIST_MODULE:
			return false;
		case LIST_CATEGORY:
			return kv_command_in_category(command, value);
		case LIST_PATTERN:
			return kv_pattern_matches(value, (RespSlice){name, strlen(name)}, true, steps);
	}
	return false;
}

/* COMMAND LIST [FILTERBY <MODULE name | ACLCAT category | PATTERN pattern>] */
KvOutcome
kv_cmd_command_list(KvCall *call)
{
	ListFilter filter = LIST_ALL;
	RespSlice value = {NULL, 0};
	size_t steps = KV_PATTERN_STEPS;
	size_t count = 0;

	if (call->argc == 5 && kv_argument_is(call, 2, "FILTERBY"))
	{
		value = kv_argument(call, 4);
		filter = kv_argument_is(call, 3, "MODULE")    ? LIST_MODULE
		         : kv_argument_is(call, 3, "ACLCAT")  ? LIST_CATEGORY
		         : kv_argument_is(call, 3, "PATTERN") ? LIST_PATTERN
		                                              : LIST_ALL;
	}
	if (call->argc != 2 && filter == LIST_ALL)
	{
		kv_reply_syntax(call);
		return KV_DONE;
	}
	for (int i = 0; i < kv_commands_count; i++)
		count += listed(&kv_commands[i], filter, value, &steps);
	if (steps == 0)
	{
		kv_reply_pattern(call);
		return KV_DONE;
	}
	steps = KV_PATTERN_STEPS;
	pgfirst_resp_write_array(call->reply, count);
	for (int i = 0; i < kv_commands_count; i++)
		if (listed(&kv_commands[i], filter, value, &steps))
			pgfirst_resp_write_text(call->reply, kv_command_name(&kv_commands[i]));
	return KV_DONE;
}

/* ---- HELP ------------------------------------------------------------------------------------ */

/* HELP of a command with subcommands: what the table says of them. */
KvOutcome
kv_cmd_help(KvCall *call)
{
	const char *container = call->command->container;
	const KvCommand *whole = kv_command_find(NULL, (RespSlice){container, strlen(container)});

	pgfirst_resp_write_array(call->reply, 1 + 2 * count_subcommands(whole));
	pgfirst_resp_write_simple(call->reply,
	                          psprintf("%s <subcommand> [<argument> ...]. Subcommands are:",
	                                   asc_toupper(container, strlen(container))));
	for (int i = 0; i < kv_commands_count; i++)
	{
		const KvCommand *command = &kv_commands[i];

		if (!command->container || strcmp(command->container, container) != 0)
			continue;
		pgfirst_resp_write_simple(
		    call->reply, psprintf("%s %s", asc_toupper(command->name, strlen(command->name)),
		                          command->arguments));
		pgfirst_resp_write_simple(call->reply, psprintf("    %s", command->summary));
	}
	return KV_DONE;
}
