/* SPDX-License-Identifier: PostgreSQL
 *
 * script_int.h: what the files of this folder share; see script.h.
 */
#ifndef PGFIRST_KV_SCRIPT_INT_H
#define PGFIRST_KV_SCRIPT_INT_H

#include "postgres.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "utils/hsearch.h"

#include "kv/script/script.h"

extern int kv_script_timeout;      /* pgfirst.redis_script_timeout, ms */
extern int kv_script_memory_limit; /* pgfirst.redis_script_memory, kB */
extern int kv_script_cache_size;   /* pgfirst.redis_script_cache, kB */

/* ---- states -------------------------------------------------------------------------------- */

/* A compiled script; in a state's table, found by its sha. */
typedef struct KvScript
{
	KvSha sha; /* the hash key */
	KvScriptFlags flags;
	int function;     /* a reference in Lua's registry */
	bool reads_only;  /* when it ran last, it changed nothing */
	uint64 last_used; /* of the state's runs */
} KvScript;

typedef struct KvLua
{
	lua_State *lua;
	uint32 tenant;
	uint64 last_used;    /* of all runs */
	uint64 flushes_seen; /* see shared.c */
	uint64 runs;
	Size bytes;       /* that Lua has */
	Size fresh;       /* taken since the last look at the clock */
	Size collected;   /* what was left when everything was collected last */
	bool inside;      /* Lua is running: if a run finds it set, the one before did not come back */
	bool unprotected; /* nobody would catch an error: memory has no limit */
	bool parsing;     /* a text of the script's: the collector stands still */
	HTAB *scripts;
	uint64 random; /* the generator behind math.random */
} KvLua;

/* The state of the tenant, made if need be; NULL after answering that there is no memory. */
extern KvLua *kv_lua_of(KvCall *call, uint32 tenant);

/* The same if it is there, else NULL. */
extern KvLua *kv_lua_known(uint32 tenant);

/*
 * The compiled script, or NULL.  `compile` takes a body, as a part of the run under way, which may end
 * meanwhile; otherwise what is wrong with it is in *wrong, palloc'd.
 */
extern KvScript *kv_lua_script(KvLua *state, const KvSha *sha);
extern KvScript *kv_lua_compile(KvLua *state, const KvSha *sha, RespSlice body, char **wrong);
extern void kv_lua_forget_scripts(KvLua *state);

/* Collects Lua's garbage if there may be much of it: during a run, and after it. */
extern void kv_lua_collect(KvLua *state, lua_State *thread);
extern void kv_lua_tidy(KvLua *state);

/* ---- the run under way --------------------------------------------------------------------- */

/* Why Lua is being unwound without asking the script. */
typedef enum KvStop
{
	KV_STOP_NOT,
	KV_STOP_PARK,  /* with `outcome`: it begins again */
	KV_STOP_LOCKS, /* it begins again at once, and locks what it reads */
	KV_STOP_TIME,
	KV_STOP_KILLED,
	KV_STOP_ERROR /* PostgreSQL's, in `error` */
} KvStop;

typedef struct KvRun
{
	KvCall *call; /* EVAL's */
	KvLua *state;
	KvScript *script;
	const KvScriptRequest *request; /* NULL: it only compiles */
	bool reads_only;                /* may not change anything */
	bool locks;                     /* locks what it reads */
	bool wrote;
	int protocol; /* of replies to the script: redis.setresp() */
	int64 deadline_us;
	int counts; /* of instructions, since the last look at the clock */
	int steps;  /* of kv_run_step() */
	KvStop stop;
	KvOutcome outcome;
	ErrorData *error;
	MemoryContext context; /* of the run */
	MemoryContext each;    /* of the command under way; its reply is in `context` */
	RespBuffer reply;      /* of the command under way */
	RespParser parser;     /* its arguments */
	char *arguments;       /* their bytes */
	Size arguments_size;
} KvRun;

/* NULL outside of a run. */
extern KvRun *kv_run;

/*
 * Calls `function`, which may raise PostgreSQL's errors and must not touch Lua.  False: it has, the run
 * has stopped, and the caller unwinds with kv_run_unwind().
 */
extern bool kv_run_guard(void (*function)(void *context), void *context);

/* Ends the run from within Lua: raises what nothing in the script catches. */
extern int kv_run_unwind(lua_State *lua);
extern int kv_run_stop(lua_State *lua, KvStop stop);

/*
 * Looks at clock, interrupts and kills; unwinds if the run has to end.  kv_run_look() also collects garbage
 * if there may be much of it, which the parser must not see happen.
 */
extern void kv_run_check(lua_State *lua);
extern void kv_run_look(lua_State *lua);

/*
 * Compiles the body as a run of its own; NULL after answering what is wrong with it, or that it has taken too
 * long.
 */
extern KvScript *kv_run_compile(KvCall *call, KvLua *state, const KvSha *sha, RespSlice body);

/* The same now and then: for each value of something that may be long. */
extern void kv_run_step(lua_State *lua);

/* ---- Lua's side ---------------------------------------------------------------------------- */

/* Makes everything that scripts find; within a protected call. */
extern void kv_sandbox_open(lua_State *lua);

/* Sets the globals KEYS and ARGV: the table on top, which goes away. */
extern void kv_sandbox_global(lua_State *lua, const char *name);

/*
 * Makes the table on top unchangeable for scripts: in its place comes an empty one that shows it and refuses
 * changes.
 */
extern void kv_sandbox_protect(lua_State *lua);

/* Leaves the library `redis` on the stack. */
extern int kv_api_open(lua_State *lua);

/* Leaves what the reply says on the stack; the whole buffer is one reply. */
extern void kv_reply_to_lua(lua_State *lua, const char *data, Size length);

/* Writes the value on top as a reply, and takes it away. */
extern void kv_lua_to_reply(lua_State *lua, RespBuffer *reply);

/* Raises a table with the field err, as the commands' errors are; a leading "-" is left out. */
extern int kv_lua_raise(lua_State *lua, const char *words);
extern void kv_lua_push_error(lua_State *lua, const char *words, Size length);

/* ---- shared with other workers ------------------------------------------------------------- */

/* The body of a loaded script, in CurrentMemoryContext; data NULL: there is none. */
extern RespSlice kv_shared_script(uint32 tenant, const KvSha *sha);
extern bool kv_shared_script_exists(uint32 tenant, const KvSha *sha);

/* False without room. */
extern bool kv_shared_script_add(uint32 tenant, const KvSha *sha, RespSlice body);
extern void kv_shared_scripts_drop(uint32 tenant);

/* A number that moves when the tenant's scripts are flushed. */
extern uint64 kv_shared_flushes(uint32 tenant);

/* This process begins and ends a run; whether somebody wants it to end. */
extern void kv_shared_run_begin(uint32 tenant);
extern void kv_shared_run_end(void);
extern bool kv_shared_run_killed(void);

/* Ends the runs of a tenant in other processes; how many there are. */
extern int kv_shared_kill(uint32 tenant);

extern void kv_shared_init(void);

#endif
