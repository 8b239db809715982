/* SPDX-License-Identifier: PostgreSQL
 *
 * api.c: the library `redis` of scripts.
 *
 *     call, pcall            run a command; an error is raised, or returned as a table
 *     error_reply, status_reply, sha1hex, log, setresp, acl_check_cmd
 *     replicate_commands, set_repl, breakpoint, debug
 *                            without effect: what is replicated is PostgreSQL's log, and nobody debugs here
 *     LOG_…, REPL_…, REDIS_VERSION, REDIS_VERSION_NUM
 *
 * A command's arguments are copied into one run of bytes, which the dispatch of commands takes as if a
 * client had sent it.  Its reply goes to a buffer of the run and is read back from there.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/server.h"
#include "kv/script/script_int.h"

#define LOG_LINES_A_MINUTE 100

/* ---- errors ------------------------------------------------------------------------------------ */

/* "-CODE words" is "CODE words", and what has no code gets ERR; as Redis puts error tables together. */
void
kv_lua_push_error(lua_State *lua, const char *words, Size length)
{
	lua_newtable(lua);
	while (length > 0 && (words[length - 1] == '\n' || words[length - 1] == '\r'))
		length--;
	if (length > 0 && words[0] == '-' && memchr(words, ' ', length))
		lua_pushlstring(lua, words + 1, length - 1);
	else
	{
		bool dash = length > 0 && words[0] == '-';

		lua_pushliteral(lua, "ERR ");
		lua_pushlstring(lua, words + dash, length - dash);
		lua_concat(lua, 2);
	}
	lua_setfield(lua, -2, "err");
}

int
kv_lua_raise(lua_State *lua, const char *words)
{
	kv_lua_push_error(lua, words, strlen(words));
	return lua_error(lua);
}

/* ---- redis.call, redis.pcall ------------------------------------------------------------------- */

/* What happens without Lua. */
typedef struct Command
{
	int argc;
	size_t *lengths;
	KvCall call;
	KvOutcome outcome;
} Command;

/* Room for so many bytes of arguments; in the run's memory. */
static void
command_reserve(void *context)
{
	Size size = *(const Size *) context;

	if (kv_run->arguments_size >= size)
		return;
	kv_run->arguments_size = Max(size, Min(kv_run->arguments_size * 2, 64 * 1024));
	if (kv_run->arguments)
		pfree(kv_run->arguments);
	kv_run->arguments = NULL;
	kv_run->arguments = MemoryContextAllocHuge(kv_run->context, kv_run->arguments_size);
}

/* A number as Redis has it in the arguments of a command: with all digits, which Lua's own conversion would lose. */
static void
number_words(lua_Number number, char *words, Size size)
{
	if (isfinite(number))
		snprintf(words, size, "%.17g", number);
	else
		snprintf(words, size, "%s%s", signbit(number) ? "-" : "", isnan(number) ? "nan" : "inf");
}

/* Copies the arguments on the stack to the run's; raises what is wrong with them. */
static void
command_arguments(lua_State *lua, Command *command)
{
	Size total = sizeof(size_t) * (Size) command->argc;
	char *at;

	for (int i = 1; i <= command->argc; i++)
	{
		char digits[64];

		if (lua_type(lua, i) == LUA_TNUMBER)
		{
			number_words(lua_tonumber(lua, i), digits, sizeof(digits));
			lua_pushstring(lua, digits);
			lua_replace(lua, i);
		}
		if (lua_type(lua, i) != LUA_TSTRING)
			kv_lua_raise(lua, "Lua redis lib command arguments must be strings or integers");
		total += lua_objlen(lua, i);
	}
	if (total > (Size) kv_script_memory_limit * 1024)
		kv_lua_raise(lua, "-OOM the arguments of a command would take more memory than "
		                  "pgfirst.redis_script_memory");
	if (!kv_run_guard(command_reserve, &total))
		kv_run_unwind(lua);
	command->lengths = (size_t *) kv_run->arguments;
	at = kv_run->arguments + sizeof(size_t) * (Size) command->argc;
	for (int i = 1; i <= command->argc; i++)
	{
		const char *argument = lua_tolstring(lua, i, &command->lengths[i - 1]);

		memcpy(at, argument, command->lengths[i - 1]);
		at += command->lengths[i - 1];
	}
}

static void
command_run(void *context)
{
	Command *command = context;
	MemoryContext old = MemoryContextSwitchTo(kv_run->each);

	MemoryContextReset(kv_run->each);
	if (!pgfirst_resp_parser_put(&kv_run->parser, command->lengths, (size_t) command->argc))
		elog(ERROR, "no memory for a command of %d arguments", command->argc);
	kv_run->reply.length = 0;
	kv_run->reply.failed = false;
	kv_run->reply.protocol = kv_run->protocol;
	command->call = *kv_run->call;
	command->call.command = NULL;
	command->call.reply = &kv_run->reply;
	command->call.parser = &kv_run->parser;
	command->call.data = kv_run->arguments + sizeof(size_t) * (Size) command->argc;
	command->call.argc = command->argc;
	command->call.space = NULL;
	command->call.wrote = command->call.durable = false;
	command->call.atomic = true;
	command->call.prepared = false;
	command->call.until_us = kv_run->deadline_us;
	command->call.locks_reads = kv_run->locks;
	command->call.reads_only = kv_run->reads_only;
	command->call.last_try = false; /* it is the whole script that has waited long enough */
	command->outcome = kv_command_run_scripted(&command->call);
	kv_run->call->wrote |= command->call.wrote;
	kv_run->call->durable |= command->call.durable;
	kv_run->wrote |= command->call.wrote;
	MemoryContextSwitchTo(old);
}

/* Runs the command on the stack and leaves its reply there. */
static void
command_call(lua_State *lua)
{
	Command command = {.argc = lua_gettop(lua)};

	kv_run_look(lua);
	if (command.argc == 0)
		kv_lua_raise(lua, "Please specify at least one argument for this redis lib call");
	command_arguments(lua, &command);
	if (!kv_run_guard(command_run, &command))
		kv_run_unwind(lua);
	if (command.outcome != KV_DONE)
	{
		kv_run->outcome = command.outcome;
		kv_run_stop(lua, KV_STOP_PARK);
	}
	/* It began as one that only reads, and what it has read is not locked. */
	if (command.call.wrote && !kv_run->locks)
		kv_run_stop(lua, KV_STOP_LOCKS);
	/* The error may be that the time of the run is over. */
	if (kv_run->reply.length > 0 && kv_run->reply.data[0] == '-')
		kv_run_look(lua);
	if (kv_run->reply.failed)
		kv_lua_raise(lua, "-OOM the reply to a command would take more memory than "
		                  "pgfirst.redis_script_memory");
	kv_reply_to_lua(lua, kv_run->reply.data, kv_run->reply.length);
}

/* redis.pcall(command, ...) */
static int
api_pcall(lua_State *lua)
{
	command_call(lua);
	return 1;
}

/* redis.call(command, ...) */
static int
api_call(lua_State *lua)
{
	command_call(lua);
	if (kv_run->reply.data[0] == '-')
		return lua_error(lua);
	return 1;
}

/*
 * What is wrong with the arguments of redis.pcall() is returned, too.  The function that is called is
 * upvalue 1.
 */
static int
api_pcall_protected(lua_State *lua)
{
	lua_pushvalue(lua, lua_upvalueindex(1));
	lua_insert(lua, 1);
	if (lua_pcall(lua, lua_gettop(lua) - 1, 1, 0) == 0)
		return 1;
	if (kv_run->stop != KV_STOP_NOT)
		kv_run_unwind(lua);
	return lua_istable(lua, -1) ? 1 : lua_error(lua);
}

/* ---- replies ----------------------------------------------------------------------------------- */

static bool
is_one_string(lua_State *lua)
{
	if (lua_gettop(lua) == 1 && lua_type(lua, 1) == LUA_TSTRING)
		return true;
	lua_settop(lua, 0);
	kv_lua_push_error(lua, "wrong number or type of arguments", 33);
	return false;
}

/* redis.error_reply(words): "words", "CODE words" and "-CODE words" all begin with a code afterwards. */
static int
api_error_reply(lua_State *lua)
{
	size_t length;
	const char *words;

	if (!is_one_string(lua))
		return 1;
	words = lua_tolstring(lua, 1, &length);
	if (length == 0 || words[0] != '-')
	{
		lua_pushliteral(lua, "-");
		lua_insert(lua, 1);
		lua_concat(lua, 2);
		words = lua_tolstring(lua, 1, &length);
	}
	kv_lua_push_error(lua, words, length);
	return 1;
}

/* redis.status_reply(words) */
static int
api_status_reply(lua_State *lua)
{
	if (!is_one_string(lua))
		return 1;
	lua_newtable(lua);
	lua_insert(lua, 1);
	lua_setfield(lua, 1, "ok");
	return 1;
}

/* redis.setresp(2 or 3) */
static int
api_setresp(lua_State *lua)
{
	if (lua_gettop(lua) != 1)
		return kv_lua_raise(lua, "redis.setresp() requires one argument.");
	if (lua_tonumber(lua, 1) != 2 && lua_tonumber(lua, 1) != 3)
		return kv_lua_raise(lua, "RESP version must be 2 or 3.");
	kv_run->protocol = (int) lua_tonumber(lua, 1);
	return 0;
}

/* ---- the rest ---------------------------------------------------------------------------------- */

/* redis.sha1hex(text) */
static int
api_sha1hex(lua_State *lua)
{
	char digits[2 * KV_SHA_BYTES + 1];
	size_t length;
	const char *bytes;
	KvSha sha;

	if (lua_gettop(lua) != 1)
		return kv_lua_raise(lua, "wrong number of arguments");
	bytes = lua_tolstring(lua, 1, &length);
	if (bytes && length > 64 * 1024)
		kv_run_look(lua);
	kv_sha_of((RespSlice){bytes, bytes ? length : 0}, &sha);
	kv_sha_text(&sha, digits);
	lua_pushstring(lua, digits);
	return 1;
}

typedef struct LogLine
{
	int level;
	const char *text;
	size_t length;
} LogLine;

/* Scripts could fill the disk: so many lines a minute, and then one that says so. */
static bool
log_allows(bool *last)
{
	static struct
	{
		int64 minute_us;
		int lines;
	} budget;
	int64 now_us = pgfirst_clock_monotonic_us();

	if (budget.minute_us == 0 || now_us - budget.minute_us >= 60 * 1000000)
	{
		budget.minute_us = now_us;
		budget.lines = 0;
	}
	budget.lines++;
	*last = budget.lines == LOG_LINES_A_MINUTE;
	return budget.lines <= LOG_LINES_A_MINUTE;
}

static void
log_write(void *context)
{
	const LogLine *line = context;
	bool last;

	if (line->level < LOG || !log_allows(&last))
	{
		ereport(line->level < LOG ? line->level : DEBUG1,
		        (errmsg_internal("script: %.*s", (int) Min(line->length, 1024), line->text)));
		return;
	}
	ereport(LOG, (errmsg("script: %.*s", (int) Min(line->length, 1024), line->text),
	              last ? errdetail("Further lines of scripts are left out for a minute.") : 0));
}

/* redis.log(level, text, ...) */
static int
api_log(lua_State *lua)
{
	static const int levels[] = {DEBUG2, DEBUG1, LOG, LOG};
	int count = lua_gettop(lua);
	LogLine line;
	int level;
	luaL_Buffer words;

	if (count < 2)
		return kv_lua_raise(lua, "redis.log() requires two arguments or more.");
	if (lua_type(lua, 1) != LUA_TNUMBER)
		return kv_lua_raise(lua, "First argument must be a number (log level).");
	level = (int) lua_tonumber(lua, 1);
	if (level < 0 || level >= (int) lengthof(levels))
		return kv_lua_raise(lua, "Invalid debug level.");
	luaL_buffinit(lua, &words);
	for (int i = 2; i <= count; i++)
	{
		if (!lua_isstring(lua, i))
			continue;
		if (i > 2)
			luaL_addchar(&words, ' ');
		lua_pushvalue(lua, i);
		luaL_addvalue(&words);
	}
	luaL_pushresult(&words);
	line.level = levels[level];
	line.text = lua_tolstring(lua, -1, &line.length);
	if (!kv_run_guard(log_write, &line))
		kv_run_unwind(lua);
	return 0;
}

typedef struct Check
{
	const char *name;
	size_t length;
	const KvCommand *command;
	bool allowed;
} Check;

static void
acl_check(void *context)
{
	Check *check = context;

	check->command = kv_command_find(NULL, (RespSlice){check->name, check->length});
	check->allowed =
	    check->command && kv_command_allowed(check->command, NULL, kv_run->call->session->levels,
	                                         kv_run->call->session->database);
}

/* redis.acl_check_cmd(command, ...): whether the client may run it. */
static int
api_acl_check_cmd(lua_State *lua)
{
	Check check = {0};

	if (lua_gettop(lua) == 0)
		return kv_lua_raise(lua, "Please specify at least one argument for this "
		                         "redis.acl_check_cmd() call");
	check.name = lua_tolstring(lua, 1, &check.length);
	if (!check.name)
		return kv_lua_raise(lua, "redis.acl_check_cmd() require at least one argument");
	if (!kv_run_guard(acl_check, &check))
		kv_run_unwind(lua);
	if (!check.command)
		return kv_lua_raise(lua, "Invalid command passed to redis.acl_check_cmd()");
	lua_pushboolean(lua, check.allowed);
	return 1;
}

/* redis.replicate_commands() */
static int
api_replicate_commands(lua_State *lua)
{
	lua_pushboolean(lua, 1);
	return 1;
}

/* redis.set_repl(what) */
static int
api_set_repl(lua_State *lua)
{
	if (lua_gettop(lua) != 1)
		return kv_lua_raise(lua, "redis.set_repl() requires one argument.");
	if (((int) lua_tonumber(lua, 1) & ~3) != 0)
		return kv_lua_raise(lua, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, "
		                         "REPL_ALL or REPL_NONE.");
	return 0;
}

/* redis.breakpoint() */
static int
api_breakpoint(lua_State *lua)
{
	lua_pushboolean(lua, 0);
	return 1;
}

/* redis.debug(...) */
static int
api_debug(lua_State *lua)
{
	return 0;
}

static void
set_number(lua_State *lua, const char *name, int value)
{
	lua_pushnumber(lua, value);
	lua_setfield(lua, -2, name);
}

int
kv_api_open(lua_State *lua)
{
	static const luaL_Reg functions[] = {{"call", api_call},
	                                     {"error_reply", api_error_reply},
	                                     {"status_reply", api_status_reply},
	                                     {"sha1hex", api_sha1hex},
	                                     {"log", api_log},
	                                     {"setresp", api_setresp},
	                                     {"acl_check_cmd", api_acl_check_cmd},
	                                     {"replicate_commands", api_replicate_commands},
	                                     {"set_repl", api_set_repl},
	                                     {"breakpoint", api_breakpoint},
	                                     {"debug", api_debug},
	                                     {NULL, NULL}};
	int major, minor, patch;

	lua_newtable(lua);
	for (const luaL_Reg *function = functions; function->name; function++)
	{
		lua_pushcfunction(lua, function->func);
		lua_setfield(lua, -2, function->name);
	}
	lua_pushcfunction(lua, api_pcall);
	lua_pushcclosure(lua, api_pcall_protected, 1);
	lua_setfield(lua, -2, "pcall");
	set_number(lua, "LOG_DEBUG", 0);
	set_number(lua, "LOG_VERBOSE", 1);
	set_number(lua, "LOG_NOTICE", 2);
	set_number(lua, "LOG_WARNING", 3);
	set_number(lua, "REPL_NONE", 0);
	set_number(lua, "REPL_AOF", 1);
	set_number(lua, "REPL_SLAVE", 2);
	set_number(lua, "REPL_REPLICA", 2);
	set_number(lua, "REPL_ALL", 3);
	lua_pushliteral(lua, KV_REDIS_VERSION);
	lua_setfield(lua, -2, "REDIS_VERSION");
	if (sscanf(KV_REDIS_VERSION, "%d.%d.%d", &major, &minor, &patch) == 3)
		set_number(lua, "REDIS_VERSION_NUM", major << 16 | minor << 8 | patch);
	return 1;
}
