/* SPDX-License-Identifier: PostgreSQL
 *
 * connection.c: commands about the connection itself.
 */
#include "postgres.h"

#include <limits.h>

#include "base/clock.h"
#include "kv/auth.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/server.h"
#include "kv/database.h"
#include "kv/throttle.h"
#include "lib/number/number.h"

/* PING [message] */
KvOutcome
kv_cmd_ping(KvCall *call)
{
	if (call->argc > 2)
		kv_reply_error(call, "ERR wrong number of arguments for 'ping' command");
	else if (kv_session_only_listens(call->session))
	{
		/* What comes between messages looks like one. */
		pgfirst_resp_write_array(call->reply, 2);
		pgfirst_resp_write_text(call->reply, "pong");
		if (call->argc == 2)
			kv_reply_slice(call, kv_argument(call, 1));
		else
			pgfirst_resp_write_text(call->reply, "");
	}
	else if (call->argc == 2)
		kv_reply_slice(call, kv_argument(call, 1));
	else
		pgfirst_resp_write_simple(call->reply, "PONG");
	return KV_DONE;
}

/* ECHO message */
KvOutcome
kv_cmd_echo(KvCall *call)
{
	kv_reply_slice(call, kv_argument(call, 1));
	return KV_DONE;
}

/* QUIT */
KvOutcome
kv_cmd_quit(KvCall *call)
{
	kv_reply_ok(call);
	call->session->close = true;
	return KV_DONE;
}

/* RESET */
KvOutcome
kv_cmd_reset(KvCall *call)
{
	kv_session_reset(call->session);
	pgfirst_resp_write_simple(call->reply, "RESET");
	return KV_DONE;
}

int
kv_select_target(const KvCall *call, int number)
{
	RespSlice argument;
	int64 target;

	if (call->argc != 2)
		return number;
	argument = kv_argument(call, 1);
	if (!pgfirst_int64_parse(argument.data, argument.length, &target) || target < 0 ||
	    target >= KV_DATABASES || !kv_database_exists((int) target))
		return number;
	return (int) target;
}

/* SELECT index */
KvOutcome
kv_cmd_select(KvCall *call)
{
	int64 number;

	if (call->busy && !call->last_try)
		return KV_PARK_LOCK;
	if (!kv_argument_integer(call, 1, &number))
		return KV_DONE;
	if (number < INT_MIN || number > INT_MAX)
		kv_reply_error(call, "ERR value is out of range, value must between %d and %d", INT_MIN,
		               INT_MAX);
	else if (number < 0 || number >= KV_DATABASES ||
	         (call->available && !kv_database_exists((int) number)))
		kv_reply_error(call, "ERR DB index is out of range");
	else
	{
		call->session->database = (int) number;
		kv_reply_ok(call);
	}
	return KV_DONE;
}

/* ---- who is it --------------------------------------------------------------------------- */

/*
 * Whether the address has its turn to try a password; false after answering, or with *outcome KV_PARK_NEWS.
 * When it is asked again, session->wait_until_us is the moment that it has reserved.  Who has reserved none, because the
 * address has failed seldom, asks again if it is not looked at in this turn: before the next it may have failed too often.
 */
static bool
login_has_turn(KvCall *call, KvOutcome *outcome)
{
	KvSession *session = call->session;
	int64 now_us = pgfirst_clock_monotonic_us();
	int64 turn_us = now_us;

	if (session->wait_until_us == 0)
	{
		switch (kv_throttle_ask(session->address, now_us, &turn_us))
		{
			case KV_THROTTLE_NEVER:
				kv_reply_error(
				    call, "ERR too many failed logins from this address; try again in %d seconds",
				    KV_THROTTLE_AGAIN_S);
				return false;
			case KV_THROTTLE_NOW:
				return true;
			case KV_THROTTLE_WAIT:
				session->wait_until_us = turn_us;
				break;
		}
	}
	if (session->wait_until_us <= now_us)
		return true;
	session->call_again_us = session->wait_until_us;
	*outcome = KV_PARK_NEWS;
	return false;
}

/* Logs the session in; false after answering, or with *outcome other than KV_DONE. */
static bool
log_in(KvCall *call, RespSlice user, RespSlice password, KvOutcome *outcome)
{
	KvAuth verdict;
	Oid role;

	*outcome = KV_DONE;
	if (!login_has_turn(call, outcome))
		return false;
	verdict = kv_auth_verify(user, password, call->auth_used, &role);
	if (verdict == KV_AUTH_LATER)
	{
		*outcome = KV_PARK_TURN;
		return false;
	}
	if (call->session->wait_until_us != 0)
		kv_throttle_looked(call->session->address, pgfirst_clock_monotonic_us());
	if (verdict == KV_AUTH_YES)
	{
		kv_auth_log_in(call->session, role);
		return true;
	}
	kv_throttle_failed(call->session->address, pgfirst_clock_monotonic_us());
	kv_reply_error(call, "WRONGPASS invalid username-password pair or user is disabled.");
	return false;
}

/* AUTH [username] password */
KvOutcome
kv_cmd_auth(KvCall *call)
{
	RespSlice user = {"", 0};
	KvOutcome outcome;

	if (call->argc > 3)
	{
		kv_reply_syntax(call);
		return KV_DONE;
	}
	if (call->argc == 3)
		user = kv_argument(call, 1);
	if (log_in(call, user, kv_argument(call, call->argc - 1), &outcome))
		kv_reply_ok(call);
	return outcome;
}

typedef struct HelloOptions
{
	int64 protocol; /* 0: as it is */
	bool auth;
	RespSlice user, password;
	RespSlice name; /* data NULL: as it is */
} HelloOptions;

static bool
hello_options(KvCall *call, HelloOptions *options)
{
	RespSlice argument;

	memset(options, 0, sizeof(*options));
	if (call->argc < 2)
		return true;
	argument = kv_argument(call, 1);
	if (!pgfirst_int64_parse(argument.data, argument.length, &options->protocol))
	{
		kv_reply_error(call, "ERR Protocol version is not an integer or out of range");
		return false;
	}
	if (options->protocol < 2 || options->protocol > 3)
	{
		kv_reply_error(call, "NOPROTO unsupported protocol version");
		return false;
	}
	for (int i = 2; i < call->argc; i++)
	{
		if (kv_argument_is(call, i, "AUTH") && i + 2 < call->argc)
		{
			options->auth = true;
			options->user = kv_argument(call, ++i);
			options->password = kv_argument(call, ++i);
		}
		else if (kv_argument_is(call, i, "SETNAME") && i + 1 < call->argc)
			options->name = kv_argument(call, ++i);
		else
		{
			argument = kv_argument(call, i);
			kv_reply_error(call, "ERR Syntax error in HELLO option '%.*s'",
			               (int) Min(argument.length, 128), argument.data);
			return false;
		}
	}
	return true;
}

static void
reply_hello(KvCall *call)
{
	RespBuffer *reply = call->reply;

	pgfirst_resp_write_map(reply, 7);
	pgfirst_resp_write_text(reply, "server");
	pgfirst_resp_write_text(reply, "redis");
	pgfirst_resp_write_text(reply, "version");
	pgfirst_resp_write_text(reply, KV_REDIS_VERSION);
	pgfirst_resp_write_text(reply, "proto");
	pgfirst_resp_write_integer(reply, reply->protocol);
	pgfirst_resp_write_text(reply, "id");
	pgfirst_resp_write_integer(reply, (int64) call->session->id);
	pgfirst_resp_write_text(reply, "mode");
	pgfirst_resp_write_text(reply, "standalone");
	pgfirst_resp_write_text(reply, "role");
	pgfirst_resp_write_text(reply, call->read_only ? "replica" : "master");
	pgfirst_resp_write_text(reply, "modules");
	pgfirst_resp_write_array(reply, 0);
}

/* HELLO [protover [AUTH username password] [SETNAME clientname]] */
KvOutcome
kv_cmd_hello(KvCall *call)
{
	HelloOptions options;
	KvOutcome outcome;

	if (!hello_options(call, &options))
		return KV_DONE;
	if (options.name.data && !kv_client_name_valid(call, options.name, "Client names"))
		return KV_DONE;
	if (options.auth && !log_in(call, options.user, options.password, &outcome))
		return outcome;
	if (!OidIsValid(call->session->role))
	{
		kv_reply_error(call,
		               "NOAUTH HELLO must be called with the client already authenticated, "
		               "otherwise the HELLO <proto> AUTH <user> <pass> option can be used to "
		               "authenticate the client and select the RESP protocol version at the same "
		               "time");
		return KV_DONE;
	}
	if (options.name.data && !kv_session_set_text(call->session, &call->session->name,
	                                              options.name.data, options.name.length))
	{
		kv_reply_error(call, "OOM the buffers of all clients together would exceed "
		                     "pgfirst.redis_client_memory");
		return KV_DONE;
	}
	if (options.protocol != 0)
		call->reply->protocol = (int) options.protocol;
	reply_hello(call);
	return KV_DONE;
}
