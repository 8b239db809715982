/* SPDX-License-Identifier: PostgreSQL
 *
 * state.c: a Lua state for each tenant, and the scripts that it has compiled.
 *
 * A state is made when a tenant's first script comes and kept, because making one costs more than most
 * scripts.  Tenants share none: what one could leave behind in spite of the sandbox, another cannot find.
 * Of more tenants than STATES_MAX the one that has waited longest starts anew.
 *
 * Lua's memory is malloc's, because an allocation that fails must return to Lua; it is counted, and
 * limited by pgfirst.redis_script_memory.  Lua 5.1 does not collect when an allocation fails, so it is
 * made to collect before (kv_lua_collect).
 *
 * Compiled scripts are remembered by the SHA-1 of their text, the last SCRIPTS_MAX that were used.  Who
 * asks by SHA-1 for one that has gone hears NOSCRIPT, as after a restart of Redis, unless it was loaded
 * (shared.c); clients then send the text.
 *
 * The parser is handed a text in pieces, and between two of them the run under way looks whether it may go
 * on.  A text can take it long: it looks for each name in every function around, level by level, and goes
 * through all jumps out of an expression to add one (500 kB of "a or a or …" took 29 seconds).
 *
 * The SHA-1 is a name and protects nothing: who knows one may only run what its own tenant has sent.
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "common/pg_prng.h"
#include "common/string.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "kv/script/script_int.h"

#define STATES_MAX  8
#define SCRIPTS_MAX 500
#define CHUNK_NAME  "@user_script"
#define PIECE       256 /* bytes of a text; most take nanoseconds each, some 60 us */

static struct
{
	KvLua *states[STATES_MAX];
	uint64 uses;
} lua;

/* ---- names ------------------------------------------------------------------------------------- */

void
kv_sha_of(RespSlice bytes, KvSha *sha)
{
	StaticAssertStmt(sizeof(sha->bytes) == 20, "SHA-1 has 20 bytes");

	/* Into our own bytes: no memory, no resource owner. */
	if (EVP_Digest(bytes.data, bytes.length, sha->bytes, NULL, EVP_sha1(), NULL) != 1)
		memset(sha->bytes, 0, sizeof(sha->bytes));
}

void
kv_sha_text(const KvSha *sha, char *digits)
{
	hex_encode((const char *) sha->bytes, sizeof(sha->bytes), digits);
	digits[2 * KV_SHA_BYTES] = '\0';
}

bool
kv_sha_parse(RespSlice word, KvSha *sha)
{
	if (word.length != 2 * KV_SHA_BYTES)
		return false;
	for (int i = 0; i < KV_SHA_BYTES; i++)
	{
		int digits[2];

		for (int j = 0; j < 2; j++)
		{
			char c = (char) pg_tolower((unsigned char) word.data[2 * i + j]);

			if (c >= '0' && c <= '9')
				digits[j] = c - '0';
			else if (c >= 'a' && c <= 'f')
				digits[j] = c - 'a' + 10;
			else
				return false;
		}
		sha->bytes[i] = (uint8) (digits[0] << 4 | digits[1]);
	}
	return true;
}

/* ---- memory ------------------------------------------------------------------------------------ */

static void *
lua_memory_resize(void *context, void *block, size_t before, size_t size)
{
	KvLua *state = context;

	if (size == 0)
	{
		free(block);
		state->bytes -= before;
		return NULL;
	}
	if (size > before)
	{
		if (!state->unprotected &&
		    state->bytes + (size - before) > (Size) kv_script_memory_limit * 1024)
			return NULL;
		state->fresh += size - before;
	}
	block = realloc(block, size);
	if (block)
		state->bytes = state->bytes - before + size;
	return block;
}

void
kv_lua_collect(KvLua *state, lua_State *thread)
{
	Size limit = (Size) kv_script_memory_limit * 1024;

	if (state->bytes < limit / 2 || state->bytes < state->collected + limit / 16)
		return;
	lua_gc(thread, LUA_GCCOLLECT, 0);
	state->collected = state->bytes;
}

/* Outside of a protected call, where even a collection may ask for memory. */
static void
collect_all(KvLua *state)
{
	state->unprotected = true;
	lua_gc(state->lua, LUA_GCCOLLECT, 0);
	state->unprotected = false;
	state->collected = state->bytes;
}

void
kv_lua_tidy(KvLua *state)
{
	Size limit = (Size) kv_script_memory_limit * 1024;

	if (state->bytes < limit / 4 || state->bytes < state->collected + limit / 16)
		return;
	collect_all(state);
	/* What is left is the scripts themselves. */
	if (state->bytes >= limit / 4)
	{
		kv_lua_forget_scripts(state);
		collect_all(state);
	}
}

/* ---- states ------------------------------------------------------------------------------------ */

/* Everything runs within protected calls. */
static int
lua_panic(lua_State *state)
{
	elog(FATAL, "an error of Lua was not caught");
	return 0;
}

static int
open_protected(lua_State *state)
{
	kv_sandbox_open(state);
	return 0;
}

static void
state_free(KvLua *state)
{
	if (state->scripts)
		hash_destroy(state->scripts);
	if (state->lua)
		lua_close(state->lua);
	pfree(state);
}

static KvLua *
state_make(uint32 tenant)
{
	HASHCTL shape = {
	    .keysize = sizeof(KvSha), .entrysize = sizeof(KvScript), .hcxt = TopMemoryContext};
	KvLua *state = MemoryContextAllocZero(TopMemoryContext, sizeof(KvLua));

	state->tenant = tenant;
	state->scripts =
	    hash_create("pgfirst scripts", 64, &shape, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	state->flushes_seen = kv_shared_flushes(tenant);
	state->random = pg_prng_uint64(&pg_global_prng_state);
	state->lua = lua_newstate(lua_memory_resize, state);
	if (!state->lua)
	{
		state_free(state);
		return NULL;
	}
	lua_atpanic(state->lua, lua_panic);
	state->inside = true;
	if (lua_cpcall(state->lua, open_protected, NULL) != 0)
	{
		ereport(LOG, (errmsg("could not make a Lua state: %s", lua_tostring(state->lua, -1))));
		state_free(state);
		return NULL;
	}
	state->inside = false;
	return state;
}

/* Where the tenant's state is or may be made: what is there and is another's goes. */
static KvLua **
state_place(uint32 tenant)
{
	KvLua **place = &lua.states[0];

	for (int i = 0; i < STATES_MAX; i++)
	{
		KvLua *state = lua.states[i];

		if (state && state->tenant == tenant)
			return &lua.states[i];
		if (*place && (!state || state->last_used < (*place)->last_used))
			place = &lua.states[i];
	}
	if (*place)
	{
		state_free(*place);
		*place = NULL;
	}
	return place;
}

KvLua *
kv_lua_of(KvCall *call, uint32 tenant)
{
	KvLua **place = state_place(tenant);
	KvLua *state = *place;

	if (state && state->inside)
	{
		/* An error of PostgreSQL has left Lua in the middle of something: it cannot even be closed. */
		ereport(LOG, (errmsg("a Lua state was left behind with %zu kB", state->bytes / 1024)));
		*place = state = NULL;
	}
	if (!state)
		state = *place = state_make(tenant);
	if (!state)
	{
		kv_reply_error(call, "OOM no memory for scripts within pgfirst.redis_script_memory");
		return NULL;
	}
	state->last_used = ++lua.uses;
	if (state->flushes_seen != kv_shared_flushes(tenant))
		kv_lua_forget_scripts(state);
	return state;
}

KvLua *
kv_lua_known(uint32 tenant)
{
	for (int i = 0; i < STATES_MAX; i++)
	{
		KvLua *state = lua.states[i];

		if (!state || state->tenant != tenant || state->inside)
			continue;
		if (state->flushes_seen != kv_shared_flushes(tenant))
			kv_lua_forget_scripts(state);
		return state;
	}
	return NULL;
}

Size
kv_script_memory(void)
{
	Size bytes = 0;

	for (int i = 0; i < STATES_MAX; i++)
		bytes += lua.states[i] ? lua.states[i]->bytes : 0;
	return bytes;
}

int
kv_script_count(void)
{
	long count = 0;

	for (int i = 0; i < STATES_MAX; i++)
		count += lua.states[i] ? hash_get_num_entries(lua.states[i]->scripts) : 0;
	return (int) count;
}

/* ---- scripts ----------------------------------------------------------------------------------- */

KvScript *
kv_lua_script(KvLua *state, const KvSha *sha)
{
	KvScript *script = hash_search(state->scripts, sha, HASH_FIND, NULL);

	if (script)
		script->last_used = state->runs;
	return script;
}

static void
script_forget(KvLua *state, KvScript *script)
{
	state->unprotected = true;
	luaL_unref(state->lua, LUA_REGISTRYINDEX, script->function);
	state->unprotected = false;
	hash_search(state->scripts, &script->sha, HASH_REMOVE, NULL);
}

void
kv_lua_forget_scripts(KvLua *state)
{
	HASH_SEQ_STATUS all;
	KvScript *script;

	hash_seq_init(&all, state->scripts);
	while ((script = hash_seq_search(&all)) != NULL)
		script_forget(state, script);
	state->flushes_seen = kv_shared_flushes(state->tenant);
}

/* Makes room for one more. */
static void
scripts_trim(KvLua *state)
{
	HASH_SEQ_STATUS all;
	KvScript *script, *oldest = NULL;

	if (hash_get_num_entries(state->scripts) < SCRIPTS_MAX)
		return;
	hash_seq_init(&all, state->scripts);
	while ((script = hash_seq_search(&all)) != NULL)
		if (!oldest || script->last_used < oldest->last_used)
			oldest = script;
	if (oldest)
		script_forget(state, oldest);
}

/* ---- compiling --------------------------------------------------------------------------------- */

/* The next word of a line, behind spaces; false at its end. */
static bool
word_next(RespSlice *line, char separator, RespSlice *word)
{
	while (line->length > 0 && line->data[0] == separator)
		*line = (RespSlice){line->data + 1, line->length - 1};
	*word = (RespSlice){line->data, 0};
	while (word->length < line->length && line->data[word->length] != separator)
		word->length++;
	*line = (RespSlice){line->data + word->length, line->length - word->length};
	return word->length > 0;
}

static bool
word_is(RespSlice word, const char *expected)
{
	return word.length == strlen(expected) && memcmp(word.data, expected, word.length) == 0;
}

/* The flags of "flags=a,b"; NULL, or what is wrong. */
static char *
flags_read(RespSlice words, KvScriptFlags *flags)
{
	static const char *const without_effect[] = {"allow-oom", "allow-stale", "no-cluster",
	                                             "allow-cross-slot-keys"};
	RespSlice word;

	while (word_next(&words, ',', &word))
	{
		bool known = word_is(word, "no-writes");

		flags->no_writes |= known;
		for (int i = 0; i < (int) lengthof(without_effect); i++)
			known |= word_is(word, without_effect[i]);
		if (!known)
			return psprintf("Unexpected flag in script shebang: %.*s", (int) Min(word.length, 128),
			                word.data);
	}
	return NULL;
}

/*
 * Reads "#!lua flags=…" and takes it from the body, but for the end of the line, so that lines keep their
 * numbers.  NULL, or what is wrong.
 */
static char *
shebang_read(RespSlice *body, KvScriptFlags *flags)
{
	const char *end = memchr(body->data, '\n', body->length);
	RespSlice line, word;
	char *wrong = NULL;

	if (!end)
		return pstrdup("Invalid script shebang");
	line = (RespSlice){body->data, (size_t) (end - body->data)};
	if (line.length > 0 && line.data[line.length - 1] == '\r')
		line.length--;
	flags->declared = true;
	if (!word_next(&line, ' ', &word) || !word_is(word, "#!lua"))
		return psprintf("Unexpected engine in script shebang: %.*s", (int) Min(word.length, 128),
		                word.data);
	while (!wrong && word_next(&line, ' ', &word))
	{
		if (word.length < 6 || memcmp(word.data, "flags=", 6) != 0)
			wrong = psprintf("Unknown lua shebang option: %.*s", (int) Min(word.length, 128),
			                 word.data);
		else
			wrong = flags_read((RespSlice){word.data + 6, word.length - 6}, flags);
	}
	body->length -= (size_t) (end - body->data);
	body->data = end;
	return wrong;
}

typedef struct Compilation
{
	RespSlice body; /* what the parser has not got yet */
	int function;   /* LUA_NOREF: not compiled */
} Compilation;

/* Hands out the next piece; an error that is raised here ends the parser as one of its own does. */
static const char *
piece_read(lua_State *lua_state, void *context, size_t *length)
{
	Compilation *compilation = context;
	const char *piece = compilation->body.data;

	kv_run_check(lua_state);
	*length = Min(compilation->body.length, PIECE);
	compilation->body.data += *length;
	compilation->body.length -= *length;
	return *length > 0 ? piece : NULL;
}

/* Leaves what is wrong on the stack.  Lua's parser must not be interrupted by its collector. */
static int
compile_protected(lua_State *state)
{
	Compilation *compilation = lua_touserdata(state, 1);
	int status;

	lua_gc(state, LUA_GCSTOP, 0);
	status = lua_load(state, piece_read, compilation, CHUNK_NAME);
	lua_gc(state, LUA_GCRESTART, 0);
	if (status != 0)
		return lua_error(state);
	compilation->function = luaL_ref(state, LUA_REGISTRYINDEX);
	return 0;
}

/* NULL, or what is wrong. */
static char *
compile(KvLua *state, RespSlice body, int *function)
{
	Compilation compilation = {.body = body, .function = LUA_NOREF};
	char *wrong = NULL;

	if (body.length > 0 && body.data[0] == LUA_SIGNATURE[0])
		return pstrdup("precompiled code is refused");
	state->inside = true;
	if (lua_cpcall(state->lua, compile_protected, &compilation) != 0)
	{
		lua_gc(state->lua, LUA_GCRESTART, 0);
		wrong = pstrdup(lua_tostring(state->lua, -1) ? lua_tostring(state->lua, -1) : "unknown");
	}
	lua_settop(state->lua, 0);
	state->inside = false;
	*function = compilation.function;
	return wrong;
}

KvScript *
kv_lua_compile(KvLua *state, const KvSha *sha, RespSlice body, char **wrong)
{
	KvScriptFlags flags = {0};
	KvScript *script;
	int function = LUA_NOREF;

	*wrong = NULL;
	if (body.length >= 2 && memcmp(body.data, "#!", 2) == 0)
	{
		*wrong = shebang_read(&body, &flags);
		if (*wrong)
			return NULL;
	}
	*wrong = compile(state, body, &function);
	if (*wrong && strcmp(*wrong, "not enough memory") == 0)
	{
		kv_lua_forget_scripts(state);
		collect_all(state);
		*wrong = compile(state, body, &function);
	}
	if (*wrong)
	{
		kv_lua_tidy(state);
		*wrong = psprintf("Error compiling script (new function): %s", *wrong);
		return NULL;
	}
	scripts_trim(state);
	script = hash_search(state->scripts, sha, HASH_ENTER, NULL);
	script->flags = flags;
	script->function = function;
	script->reads_only = flags.no_writes;
	script->last_used = state->runs;
	return script;
}
