/* SPDX-License-Identifier: PostgreSQL
 *
 * run.c: one run of a script.
 *
 *     mark        in the write set: what follows can be taken back
 *     run         each command locks the keys it names, those it reads too, and never waits
 *     keep        the changes, which become visible with the turn's command, as one unit
 *
 * Others may not change what a script has read before it is done, so it locks that as well; scripts that
 * are known to change nothing (the _RO forms, no-writes, and any that changed nothing when it ran last)
 * lock nothing, and run again until all they have read was true at one moment.  One that then changes
 * something after all begins again, with locks.
 *
 * Keys that a script does not declare are locked as it comes to them.  When somebody has a key, what the
 * script has changed is taken back, the client is parked as for any command, and the script begins again
 * when the key is free.  It has been nowhere but in the write set, so nobody can tell, but for lines of
 * redis.log().  A script that fails keeps what it has changed before, as in Redis; one that is ended, by
 * time or by SCRIPT KILL, keeps nothing, which Redis cannot do.
 *
 * A script keeps the worker, as it keeps Redis, but for no longer than pgfirst.redis_script_timeout, which an
 * EXEC has with all its scripts together.  A hook looks at the clock every few instructions, sooner where there is
 * much memory that one of them could be about; functions in C that may take long do so themselves, and so does
 * every command, and the parser from one piece of a text to the next.  To compile is a part of the run, and for
 * SCRIPT LOAD a run of its own.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "kv/cmd/commands.h"
#include "kv/publish.h"
#include "kv/script/script_int.h"

#define HOOK_INSTRUCTIONS 100
#define LOOK_COUNTS       50                   /* hooks between two looks at the clock */
#define LOOK_STEPS        256                  /* values between two of them */
#define LOOK_BYTES        ((Size) 1024 * 1024) /* that Lua takes; copying them takes as long */
#define READ_AGAIN_US     ((int64) 20 * 1000)  /* from when on a script that reads locks as well */

/* The key that a script could not lock. */
struct KvScriptKey
{
	int database;
	Size length;
	char key[FLEXIBLE_ARRAY_MEMBER];
};

KvRun *kv_run;

/* ---- ending Lua from within -------------------------------------------------------------------- */

int
kv_run_unwind(lua_State *lua)
{
	lua_pushlightuserdata(lua, &kv_run);
	return lua_error(lua);
}

int
kv_run_stop(lua_State *lua, KvStop stop)
{
	kv_run->stop = stop;
	return kv_run_unwind(lua);
}

bool
kv_run_guard(void (*function)(void *context), void *context)
{
	MemoryContext old = CurrentMemoryContext;
	volatile bool good = true;

	PG_TRY();
	{
		function(context);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(kv_run->context);
		kv_run->error = CopyErrorData();
		FlushErrorState();
		kv_run->stop = KV_STOP_ERROR;
		good = false;
		MemoryContextSwitchTo(old);
	}
	PG_END_TRY();
	return good;
}

static void
serve_interrupts(void *context)
{
	CHECK_FOR_INTERRUPTS();
}

void
kv_run_check(lua_State *lua)
{
	KvRun *run = kv_run;

	if (run->stop != KV_STOP_NOT)
		kv_run_unwind(lua);
	if (unlikely(INTERRUPTS_PENDING_CONDITION()) && !kv_run_guard(serve_interrupts, NULL))
		kv_run_unwind(lua);
	if (pgfirst_clock_monotonic_us() >= run->deadline_us)
		kv_run_stop(lua, KV_STOP_TIME);
	if (kv_shared_run_killed())
		kv_run_stop(lua, KV_STOP_KILLED);
}

void
kv_run_look(lua_State *lua)
{
	KvRun *run = kv_run;

	run->counts = 0;
	run->state->fresh = 0;
	kv_run_check(lua);
	if (!run->state->parsing)
		kv_lua_collect(run->state, lua);
}

static void
run_hook(lua_State *lua, lua_Debug *where)
{
	/* An instruction may take as long as there is memory: where there is much, it looks sooner. */
	kv_run->counts += 1 + (int) (kv_run->state->bytes / LOOK_BYTES * 4);
	if (kv_run->counts >= LOOK_COUNTS || kv_run->state->fresh >= LOOK_BYTES ||
	    kv_run->stop != KV_STOP_NOT)
		kv_run_look(lua);
}

void
kv_run_step(lua_State *lua)
{
	if (++kv_run->steps % LOOK_STEPS == 0)
		kv_run_look(lua);
}

/* ---- within Lua -------------------------------------------------------------------------------- */

/*
 * Gives an error that nobody caught its place; the error is a table of ours afterwards, with what the script's
 * has itself: neither may a metatable of the script's have a say here, nor may a table that others see change.
 */
static int
error_with_place(lua_State *lua)
{
	lua_Debug where;
	bool known;

	if (kv_run->stop != KV_STOP_NOT)
		return 1;
	known = lua_getstack(lua, 1, &where) && lua_getinfo(lua, "Sl", &where);
	if (known && strcmp(where.what, "C") == 0)
		known = lua_getstack(lua, 2, &where) && lua_getinfo(lua, "Sl", &where);
	lua_settop(lua, 1);
	lua_newtable(lua);
	if (lua_istable(lua, 1))
	{
		lua_pushliteral(lua, "err");
		lua_rawget(lua, 1);
	}
	else
	{
		const char *words = lua_tostring(lua, 1);

		lua_pushfstring(lua, "ERR %s", words ? words : luaL_typename(lua, 1));
	}
	lua_setfield(lua, 2, "err");
	if (known)
	{
		lua_pushstring(lua, where.source);
		lua_setfield(lua, 2, "source");
		lua_pushinteger(lua, where.currentline);
		lua_setfield(lua, 2, "line");
	}
	return 1;
}

/* Answers with the error on top, whatever it is. */
static void
answer_error(lua_State *lua, RespBuffer *reply)
{
	char sha[2 * KV_SHA_BYTES + 1];
	const char *words = NULL, *source = NULL;
	int line = 0;
	size_t length;

	kv_sha_text(&kv_run->script->sha, sha);
	if (lua_istable(lua, -1))
	{
		lua_getfield(lua, -1, "err");
		lua_getfield(lua, -2, "source");
		lua_getfield(lua, -3, "line");
		words = lua_tostring(lua, -3);
		source = lua_tostring(lua, -2);
		line = (int) lua_tointeger(lua, -1);
		if (!words)
			words = "ERR unknown error";
	}
	else
		words = lua_pushfstring(lua, "ERR %s", lua_tostring(lua, -1));
	if (source)
		words = lua_pushfstring(lua, "%s script: %s, on %s:%d.", words, sha, source, line);
	else
		words = lua_pushfstring(lua, "%s script: %s", words, sha);
	lua_tolstring(lua, -1, &length);
	pgfirst_resp_write_error(reply, words, length);
}

/* Leaves a table of `count` arguments of the call. */
static void
push_arguments(lua_State *lua, int first, int count)
{
	const KvCall *call = kv_run->call;

	lua_createtable(lua, count, 0);
	for (int i = 0; i < count; i++)
	{
		RespSlice argument = kv_argument(call, first + i);

		kv_run_step(lua);
		lua_pushlstring(lua, argument.data, argument.length);
		lua_rawseti(lua, -2, i + 1);
	}
}

static void
forget_arguments(lua_State *lua)
{
	lua_pushnil(lua);
	kv_sandbox_global(lua, "KEYS");
	lua_pushnil(lua);
	kv_sandbox_global(lua, "ARGV");
}

/* Everything that a run does in Lua. */
static int
run_protected(lua_State *lua)
{
	const KvScriptRequest *request = kv_run->request;
	KvCall *call = kv_run->call;
	int behind = request->first_key + request->keys;

	lua_settop(lua, 0);
	/* Those of the run before may take as much memory as there is. */
	forget_arguments(lua);
	lua_pushcfunction(lua, error_with_place);
	push_arguments(lua, request->first_key, request->keys);
	kv_sandbox_global(lua, "KEYS");
	push_arguments(lua, behind, call->argc - behind);
	kv_sandbox_global(lua, "ARGV");
	lua_rawgeti(lua, LUA_REGISTRYINDEX, kv_run->script->function);
	lua_sethook(lua, run_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
	if (lua_pcall(lua, 0, 1, 1) == 0)
		kv_lua_to_reply(lua, call->reply);
	else if (kv_run->stop == KV_STOP_NOT)
		answer_error(lua, call->reply);
	forget_arguments(lua);
	return 0;
}

/* ---- one attempt ------------------------------------------------------------------------------- */

/* Arguments of and reply to a command of the script; an error of PostgreSQL's is caught there (kv_run_guard). */
static void *
reply_resize(void *context, void *block, size_t size)
{
	if (size == 0)
	{
		if (block)
			pfree(block);
		return NULL;
	}
	if (size > (Size) kv_script_memory_limit * 1024)
		return NULL;
	return block ? repalloc_huge(block, size) : MemoryContextAllocHuge(context, size);
}

static void
run_lua(KvRun *run)
{
	KvLua *state = run->state;
	Size start = run->call->reply->length;
	int status;

	run->stop = KV_STOP_NOT;
	run->wrote = false;
	run->protocol = 2;
	run->counts = 0;
	state->fresh = 0;
	state->inside = true;
	status = lua_cpcall(state->lua, run_protected, NULL);
	lua_sethook(state->lua, NULL, 0, 0);
	if (status != 0 && run->stop == KV_STOP_NOT)
	{
		/* Not even the reply could be put together. */
		run->call->reply->length = start;
		kv_reply_error(run->call, "ERR %s within pgfirst.redis_script_memory",
		               lua_tostring(state->lua, -1) ? lua_tostring(state->lua, -1)
		                                            : "not enough memory");
	}
	lua_settop(state->lua, 0);
	state->inside = false;
}

/* Runs it once; what it has changed is kept, or taken back if it is to begin again or was ended. */
static void
run_attempt(KvRun *run, PgfirstStore *store, bool *same)
{
	int database = run->call->session->database;
	bool wrote = run->call->wrote;
	KvEpochs epochs;

	kv_spaces_note(&epochs);
	pgfirst_store_mark();
	if (!run->locks && store)
		pgfirst_store_together_begin(store);
	run_lua(run);
	run->call->session->database = database;
	/* The transaction goes, and all marks with it; until then no page may be looked at. */
	if (run->stop == KV_STOP_ERROR)
		return;
	*same = run->locks || !store || pgfirst_store_together_end();
	if (run->stop == KV_STOP_NOT)
	{
		pgfirst_store_mark_keep();
		return;
	}
	pgfirst_store_mark_undo();
	kv_spaces_return(&epochs);
	run->call->wrote = wrote;
}

/*
 * Runs it until it comes to an end: again at once if it has to lock what it reads, and again if what it
 * has read was not true at one moment, for as long as that may take.
 */
static void
run_attempts(KvRun *run, PgfirstStore *store)
{
	int64 again_until_us = pgfirst_clock_monotonic_us() + READ_AGAIN_US;
	Size start = run->call->reply->length;
	int messages = kv_publish_mark();

	for (;;)
	{
		bool same = true;

		run->call->reply->length = start;
		kv_publish_take_back(messages);
		run_attempt(run, store, &same);
		if (run->stop == KV_STOP_LOCKS ||
		    (run->stop == KV_STOP_NOT && !same && !run->call->read_only &&
		     pgfirst_clock_monotonic_us() >= again_until_us))
			run->locks = true;
		else if (run->stop != KV_STOP_NOT || same || run->call->reply->failed ||
		         pgfirst_clock_monotonic_us() >= again_until_us)
			break;
	}
	if (run->stop == KV_STOP_NOT)
		return;
	run->call->reply->length = start;
	kv_publish_take_back(messages);
}

/* ---- what is in the way ------------------------------------------------------------------------ */

void
kv_session_drop_script_key(KvSession *session)
{
	const RespAllocator *allocator = &session->reply.allocator;

	if (session->script_key)
		allocator->resize(allocator->context, session->script_key, 0);
	session->script_key = NULL;
}

/* Remembers the key that the last command of the run could not lock, if it was one in its own database. */
static void
key_remember(KvRun *run, int database)
{
	KvSession *session = run->call->session;
	const RespAllocator *allocator = &session->reply.allocator;
	int argument = session->blocked_argument;
	struct KvScriptKey *blocked;
	RespSlice key;

	session->blocked_argument = 0;
	kv_session_drop_script_key(session);
	if (argument <= 0 || argument >= (int) run->parser.argc)
		return;
	key = pgfirst_resp_argument(&run->parser, run->arguments + sizeof(size_t) * run->parser.argc,
	                            (size_t) argument);
	blocked = allocator->resize(allocator->context, NULL,
	                            offsetof(struct KvScriptKey, key) + Max(key.length, 1));
	if (!blocked)
		return; /* without, it only tries in another order */
	blocked->database = database;
	blocked->length = key.length;
	memcpy(blocked->key, key.data, key.length);
	session->script_key = blocked;
}

bool
kv_script_unblocked(KvCall *call, KvOutcome *outcome)
{
	const struct KvScriptKey *blocked = call->session->script_key;
	RespSlice key;
	KvSpace *space;
	int holder;

	if (!blocked || call->read_only || !kv_database_exists(blocked->database))
		return true;
	key = (RespSlice){blocked->key, blocked->length};
	space = kv_space_open(blocked->database, true, false);
	if (space && kv_key_lock(space, key, true, false))
	{
		kv_session_drop_script_key(call->session);
		return true;
	}
	holder = space ? kv_key_lock_holder(space, key) : kv_space_holder(blocked->database);
	*outcome = kv_locked_out(call, holder, space ? "a key" : "the database");
	if (*outcome == KV_DONE)
		kv_session_drop_script_key(call->session);
	return false;
}

/* ---- the end ----------------------------------------------------------------------------------- */

/* Answers that the run was ended, or ends the turn if that is why. */
static void
answer_ended(KvRun *run, const KvSha *sha)
{
	char digits[2 * KV_SHA_BYTES + 1];

	kv_sha_text(sha, digits);
	if (run->stop == KV_STOP_ERROR)
		ReThrowError(run->error);
	else if (run->stop == KV_STOP_KILLED)
		kv_reply_error(run->call, "ERR Script killed by user with SCRIPT KILL. script: %s", digits);
	else
		kv_reply_error(run->call,
		               "ERR the script has run for longer than pgfirst.redis_script_timeout "
		               "(%d ms); nothing of it was kept. script: %s",
		               kv_script_timeout, digits);
}

/* ---- compiling --------------------------------------------------------------------------------- */

/* As a part of the run under way; NULL after answering. */
static KvScript *
run_compile(KvRun *run, const KvSha *sha, RespSlice body)
{
	char *wrong;
	KvScript *script = kv_lua_compile(run->state, sha, body, &wrong);

	if (script)
		return script;
	if (run->stop != KV_STOP_NOT)
		answer_ended(run, sha);
	else
		kv_reply_error(run->call, "ERR %s", wrong);
	return NULL;
}

static void
run_begin(KvRun *run)
{
	run->deadline_us = kv_script_until(run->call);
	kv_run = run;
	kv_shared_run_begin(run->state->tenant);
}

static void
run_end(void)
{
	kv_run = NULL;
	kv_shared_run_end();
}

KvScript *
kv_run_compile(KvCall *call, KvLua *state, const KvSha *sha, RespSlice body)
{
	KvRun run = {.call = call, .state = state, .context = CurrentMemoryContext};

	run_begin(&run);
	PG_TRY();
	{
		run.script = run_compile(&run, sha, body);
	}
	PG_FINALLY();
	{
		run_end();
	}
	PG_END_TRY();
	return run.script;
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* The compiled script, or NULL after answering. */
static KvScript *
find_script(KvRun *run)
{
	const KvScriptRequest *request = run->request;
	KvScript *script = kv_lua_script(run->state, &request->sha);
	RespSlice body = request->body;

	if (script)
		return script;
	if (!body.data)
		body = kv_shared_script(run->state->tenant, &request->sha);
	if (body.data)
		return run_compile(run, &request->sha, body);
	kv_reply_error(run->call, "NOSCRIPT No matching script. Please use EVAL.");
	return NULL;
}

/* Whether this script may run here at all; answers if not. */
static bool
may_run(KvCall *call, const KvScript *script, const KvScriptRequest *request)
{
	if (!script->flags.declared || script->flags.no_writes)
		return true;
	if (request->reads_only)
		kv_reply_error(call, "ERR Can not execute a script with write flag using *_ro command.");
	else if (call->read_only)
		kv_reply_error(call, "READONLY Can not run script with write flag on readonly replica.");
	else
		return true;
	return false;
}

/* The run has come to its end; what has it come to? */
static KvOutcome
run_settle(KvRun *run, int database)
{
	switch (run->stop)
	{
		case KV_STOP_NOT:
		case KV_STOP_LOCKS:
			run->script->reads_only = !run->wrote;
			break;
		case KV_STOP_PARK:
			if (run->outcome == KV_PARK_TURN)
				return run->outcome;
			if (run->outcome != KV_PARK_LOCK)
				elog(ERROR, "a command could not be finished within a script");
			key_remember(run, database);
			if (!run->call->last_try || run->call->atomic)
				return run->outcome;
			if (kv_script_unblocked(run->call, &run->outcome))
				kv_reply_error(run->call, "ERR what the script needs is locked for longer than "
				                          "pgfirst.redis_lock_timeout");
			kv_session_drop_script_key(run->call->session);
			break;
		case KV_STOP_TIME:
		case KV_STOP_KILLED:
		case KV_STOP_ERROR:
			answer_ended(run, &run->script->sha);
			break;
	}
	return KV_DONE;
}

/* Where what the script reads most will be; without a database it will say so itself. */
static bool
open_home(KvCall *call, PgfirstStore **store, KvOutcome *outcome)
{
	int number = call->session->database;
	KvSpace *space;

	*store = NULL;
	if (!call->available || !kv_database_exists(number))
		return true;
	space = kv_space_open(number, false, false);
	if (space)
		*store = space->store;
	else
		*outcome = kv_locked_out(call, kv_space_holder(number), "the database");
	return space != NULL;
}

static KvOutcome
run_whole(KvRun *run)
{
	const KvScriptRequest *request = run->request;
	KvCall *call = run->call;
	int database = call->session->database;
	KvOutcome outcome = KV_DONE;
	PgfirstStore *store;

	run->script = find_script(run);
	if (!run->script || !may_run(call, run->script, request))
		return KV_DONE;
	if (!kv_script_unblocked(call, &outcome) || !open_home(call, &store, &outcome))
		return outcome;
	run->reads_only = request->reads_only || run->script->flags.no_writes;
	/* An EXEC that changes something locks all that it reads, too; one that does not has its own way. */
	run->locks =
	    !call->read_only &&
	    (call->prepared ? call->locks_reads : !run->reads_only && !run->script->reads_only);
	run->each =
	    AllocSetContextCreate(run->context, "pgfirst script command", ALLOCSET_DEFAULT_SIZES);
	pgfirst_resp_buffer_init(&run->reply,
	                         (RespAllocator){.resize = reply_resize, .context = run->context}, 2);
	pgfirst_resp_parser_init(&run->parser,
	                         (RespAllocator){.resize = reply_resize, .context = run->context},
	                         (RespLimits){0});
	run_attempts(run, store);
	return run_settle(run, database);
}

KvOutcome
kv_script_run(KvCall *call, const KvScriptRequest *request)
{
	KvLua *state = kv_lua_of(call, call->session->tenant);
	KvRun run = {.call = call, .state = state, .request = request};
	KvOutcome outcome = KV_DONE;

	if (!state)
		return KV_DONE;
	state->runs++;
	run.context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst script", ALLOCSET_DEFAULT_SIZES);
	run_begin(&run);
	PG_TRY();
	{
		outcome = run_whole(&run);
		/* Not between attempts: it may forget the script. */
		state->inside = true;
		kv_lua_tidy(state);
		state->inside = false;
	}
	PG_FINALLY();
	{
		run_end();
	}
	PG_END_TRY();
	MemoryContextDelete(run.context);
	return outcome;
}
