/* SPDX-License-Identifier: PostgreSQL
 *
 * script.c: EVAL, EVALSHA, their _RO forms, and SCRIPT.  What a script is and how it runs stands in
 * kv/script/.
 */
#include "postgres.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/server.h"
#include "kv/script/script.h"
#include "lib/number/number.h"

/* ---- EVAL -------------------------------------------------------------------------------- */

/* How many keys the command declares; false after answering. */
static bool
keys_declared(KvCall *call, int *keys)
{
	int64 number;

	if (!kv_argument_integer(call, 2, &number))
		return false;
	if (number > call->argc - 3)
		kv_reply_error(call, "ERR Number of keys can't be greater than number of args");
	else if (number < 0)
		kv_reply_error(call, "ERR Number of keys can't be negative");
	else
	{
		*keys = (int) number;
		return true;
	}
	return false;
}

static KvOutcome
eval(KvCall *call, bool by_sha)
{
	KvScriptRequest request = {.first_key = 3, .reads_only = (call->command->flags & KV_READ) != 0};

	if (!keys_declared(call, &request.keys))
		return KV_DONE;
	if (!by_sha)
	{
		request.body = kv_argument(call, 1);
		if (kv_script_too_large(call, request.body))
			return KV_DONE;
		kv_sha_of(request.body, &request.sha);
	}
	else if (!kv_sha_parse(kv_argument(call, 1), &request.sha))
	{
		kv_reply_error(call, "NOSCRIPT No matching script. Please use EVAL.");
		return KV_DONE;
	}
	return kv_script_run(call, &request);
}

/* EVAL script numkeys [key ...] [arg ...], EVAL_RO */
KvOutcome
kv_cmd_eval(KvCall *call)
{
	return eval(call, false);
}

/* EVALSHA sha1 numkeys [key ...] [arg ...], EVALSHA_RO */
KvOutcome
kv_cmd_evalsha(KvCall *call)
{
	return eval(call, true);
}

/* ---- SCRIPT ------------------------------------------------------------------------------ */

/* SCRIPT LOAD script */
KvOutcome
kv_cmd_script_load(KvCall *call)
{
	kv_script_load(call, kv_argument(call, 2));
	return KV_DONE;
}

/* SCRIPT EXISTS sha1 [sha1 ...] */
KvOutcome
kv_cmd_script_exists(KvCall *call)
{
	pgfirst_resp_write_array(call->reply, (size_t) call->argc - 2);
	for (int i = 2; i < call->argc; i++)
	{
		KvSha sha;

		pgfirst_resp_write_integer(call->reply, kv_sha_parse(kv_argument(call, i), &sha) &&
		                                            kv_script_exists(call, &sha));
	}
	return KV_DONE;
}

/* SCRIPT FLUSH [ASYNC | SYNC]: both are done at once. */
KvOutcome
kv_cmd_script_flush(KvCall *call)
{
	if (call->argc > 3 ||
	    (call->argc == 3 && !kv_argument_is(call, 2, "ASYNC") && !kv_argument_is(call, 2, "SYNC")))
	{
		kv_reply_error(call, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
		return KV_DONE;
	}
	kv_script_flush(call);
	return KV_DONE;
}

/* SCRIPT KILL */
KvOutcome
kv_cmd_script_kill(KvCall *call)
{
	if (kv_script_kill(call) == KV_KILL_NONE)
		kv_reply_error(call, "NOTBUSY No scripts in execution right now.");
	else
		kv_reply_ok(call);
	return KV_DONE;
}

/* SCRIPT DEBUG YES | SYNC | NO */
KvOutcome
kv_cmd_script_debug(KvCall *call)
{
	if (kv_argument_is(call, 2, "NO"))
		kv_reply_ok(call);
	else
		kv_reply_error(call, "ERR scripts cannot be debugged here");
	return KV_DONE;
}
