/* SPDX-License-Identifier: PostgreSQL
 *
 * script.c: what commands ask of scripts beside running them; settings.  See script.h.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "base/clock.h"
#include "kv/script/script_int.h"

int kv_script_timeout = 5000;
int kv_script_memory_limit = 128 * 1024;
int kv_script_cache_size = 4 * 1024;

void
kv_script_load(KvCall *call, RespSlice body)
{
	KvLua *state = kv_lua_of(call, call->session->tenant);
	char digits[2 * KV_SHA_BYTES + 1];
	KvSha sha;

	if (!state || kv_script_too_large(call, body))
		return;
	kv_sha_of(body, &sha);
	if (!kv_lua_script(state, &sha) && !kv_run_compile(call, state, &sha, body))
		return;
	if (!kv_shared_script_add(state->tenant, &sha, body))
	{
		kv_reply_error(call, "OOM loaded scripts would take more than pgfirst.redis_script_cache; "
		                     "SCRIPT FLUSH makes room");
		return;
	}
	kv_sha_text(&sha, digits);
	pgfirst_resp_write_text(call->reply, digits);
}

bool
kv_script_exists(KvCall *call, const KvSha *sha)
{
	uint32 tenant = call->session->tenant;
	KvLua *state = kv_lua_known(tenant);

	return (state && kv_lua_script(state, sha)) || kv_shared_script_exists(tenant, sha);
}

int64
kv_script_until(const KvCall *call)
{
	if (call->until_us != 0)
		return call->until_us;
	return pgfirst_clock_monotonic_us() + (int64) kv_script_timeout * 1000;
}

void
kv_script_reply_late(KvCall *call)
{
	kv_reply_error(call,
	               "EXECABORT Transaction discarded because of: it has run for longer than "
	               "pgfirst.redis_script_timeout (%d ms)",
	               kv_script_timeout);
}

bool
kv_script_too_large(KvCall *call, RespSlice body)
{
	if (body.length < (Size) kv_script_memory_limit * 1024)
		return false;
	kv_reply_error(call, "ERR Error compiling script (new function): not enough memory within "
	                     "pgfirst.redis_script_memory");
	return true;
}

void
kv_script_flush(KvCall *call)
{
	kv_shared_scripts_drop(call->session->tenant);
	kv_reply_ok(call);
}

KvKill
kv_script_kill(KvCall *call)
{
	return kv_shared_kill(call->session->tenant) > 0 ? KV_KILL_DONE : KV_KILL_NONE;
}

static void
settings_define(void)
{
	DefineCustomIntVariable(
	    "pgfirst.redis_script_timeout",
	    "Sets how long a script or an EXEC of a client of the Redis door may run.",
	    "A worker serves nobody else meanwhile. Compiling is part of it. What a "
	    "script or an EXEC that is ended has changed is not kept.",
	    &kv_script_timeout, 5000, 1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pgfirst.redis_script_memory",
	                        "Sets the memory that scripts take in one worker of the Redis door.",
	                        "For each tenant; a script that wants more gets an error.",
	                        &kv_script_memory_limit, 128 * 1024, 4 * 1024, INT_MAX, PGC_SIGHUP,
	                        GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("pgfirst.redis_script_cache",
	                        "Sets the shared memory for the texts that SCRIPT LOAD has brought.",
	                        NULL, &kv_script_cache_size, 4 * 1024, 64, 1024 * 1024, PGC_POSTMASTER,
	                        GUC_UNIT_KB, NULL, NULL, NULL);
}

void
kv_script_init(void)
{
	settings_define();
	kv_shared_init();
}
