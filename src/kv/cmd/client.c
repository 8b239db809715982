/* SPDX-License-Identifier: PostgreSQL
 *
 * client.c: CLIENT and its subcommands.
 *
 * A worker knows its own clients. With several workers CLIENT LIST shows those of the worker that
 * answers; ids are unique over all of them.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/clock.h"
#include "kv/auth.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/server.h"
#include "lib/number/number.h"

bool
kv_client_name_valid(KvCall *call, RespSlice name, const char *what)
{
	for (size_t i = 0; i < name.length; i++)
	{
		if (name.data[i] < '!' || name.data[i] > '~')
		{
			kv_reply_error(call, "ERR %s cannot contain spaces, newlines or special characters.",
			               what);
			return false;
		}
	}
	return true;
}

/* CLIENT ID */
KvOutcome
kv_cmd_client_id(KvCall *call)
{
	pgfirst_resp_write_integer(call->reply, (int64) call->session->id);
	return KV_DONE;
}

/* CLIENT GETNAME */
KvOutcome
kv_cmd_client_getname(KvCall *call)
{
	if (call->session->name)
		pgfirst_resp_write_text(call->reply, call->session->name);
	else
		pgfirst_resp_write_null(call->reply);
	return KV_DONE;
}

/* Remembers one of the session's texts and answers. */
static void
remember(KvCall *call, char **where, RespSlice words)
{
	if (kv_session_set_text(call->session, where, words.data, words.length))
		kv_reply_ok(call);
	else
		kv_reply_error(call, "OOM the buffers of all clients together would exceed "
		                     "pgfirst.redis_client_memory");
}

/* CLIENT SETNAME connection-name */
KvOutcome
kv_cmd_client_setname(KvCall *call)
{
	RespSlice name = kv_argument(call, 2);

	if (kv_client_name_valid(call, name, "Client names"))
		remember(call, &call->session->name, name);
	return KV_DONE;
}

/* CLIENT SETINFO <LIB-NAME libname | LIB-VER libver> */
KvOutcome
kv_cmd_client_setinfo(KvCall *call)
{
	RespSlice option = kv_argument(call, 2);
	RespSlice value = kv_argument(call, 3);

	if (kv_argument_is(call, 2, "LIB-NAME"))
	{
		if (kv_client_name_valid(call, value, "lib-name"))
			remember(call, &call->session->library_name, value);
	}
	else if (kv_argument_is(call, 2, "LIB-VER"))
	{
		if (kv_client_name_valid(call, value, "lib-ver"))
			remember(call, &call->session->library_version, value);
	}
	else
		kv_reply_error(call, "ERR Unrecognized option '%.*s'", (int) Min(option.length, 128),
		               option.data);
	return KV_DONE;
}

/* ---- the line of a client ---------------------------------------------------------------- */

static const char *
client_flags(const KvSession *session)
{
	bool local = session->local_address[0] == '/';

	if (kv_multi_is_open(session))
		return local ? "xU" : "x";
	return local ? "U" : "N";
}

static void
append_client(StringInfo line, const KvSession *session)
{
	int64 now = pgfirst_clock_monotonic_us();
	const char *name = session->name ? session->name : "";
	const KvCommand *last = session->last_command;

	appendStringInfo(line, "id=" UINT64_FORMAT " addr=%s laddr=%s fd=%d name=%s age=%d idle=%d ",
	                 session->id, session->address, session->local_address, session->fd, name,
	                 (int) ((now - session->created_us) / 1000000),
	                 (int) ((now - session->active_us) / 1000000));
	appendStringInfo(line,
	                 "flags=%s db=%d sub=0 psub=0 ssub=0 multi=%d watch=%d qbuf=%zu qbuf-free=0 "
	                 "argv-mem=0 multi-mem=0 rbs=%zu rbp=0 obl=%zu oll=0 omem=%zu tot-mem=%zu "
	                 "events=r cmd=%s%s%s user=%s redir=-1 resp=%d lib-name=%s lib-ver=%s\n",
	                 client_flags(session), session->database, kv_multi_commands(session),
	                 kv_multi_watched(session), session->input_bytes, session->reply.capacity,
	                 session->reply.length, session->reply.capacity,
	                 sizeof(*session) + session->input_bytes + session->reply.capacity,
	                 last && last->container ? last->container : "",
	                 last && last->container ? "|" : "", last ? last->name : "NULL",
	                 kv_auth_role_name(session), session->reply.protocol,
	                 session->library_name ? session->library_name : "",
	                 session->library_version ? session->library_version : "");
}

static void
reply_lines(KvCall *call, StringInfo lines)
{
	pgfirst_resp_write_verbatim(call->reply, "txt", lines->data, (size_t) lines->len);
	pfree(lines->data);
}

/* CLIENT INFO */
KvOutcome
kv_cmd_client_info(KvCall *call)
{
	StringInfoData line;

	initStringInfo(&line);
	append_client(&line, call->session);
	reply_lines(call, &line);
	return KV_DONE;
}

static int
compare_ids(const void *left, const void *right)
{
	uint64 a = *(const uint64 *) left;
	uint64 b = *(const uint64 *) right;

	return a < b ? -1 : a > b;
}

/*
 * The ids behind ID, sorted, for a million of them may meet ten thousand sessions.  NULL after
 * answering that one is none.
 */
static uint64 *
list_ids(KvCall *call, Size *count)
{
	uint64 *ids = MemoryContextAllocHuge(CurrentMemoryContext, call->argc * sizeof(uint64));

	*count = 0;
	for (int i = 3; i < call->argc; i++)
	{
		RespSlice argument = kv_argument(call, i);
		int64 id;

		if (!pgfirst_int64_parse(argument.data, argument.length, &id))
		{
			kv_reply_error(call, "ERR Invalid client ID");
			return NULL;
		}
		ids[(*count)++] = (uint64) id;
	}
	qsort(ids, *count, sizeof(uint64), compare_ids);
	return ids;
}

/* CLIENT LIST [TYPE normal | master | replica | pubsub] [ID id [id ...]] */
KvOutcome
kv_cmd_client_list(KvCall *call)
{
	StringInfoData lines;
	dlist_iter iterator;
	bool none = false;
	uint64 *ids = NULL;
	Size ids_count = 0;

	if (call->argc == 4 && kv_argument_is(call, 2, "TYPE"))
	{
		RespSlice type = kv_argument(call, 3);

		none = kv_argument_is(call, 3, "master") || kv_argument_is(call, 3, "replica") ||
		       kv_argument_is(call, 3, "slave") || kv_argument_is(call, 3, "pubsub");
		if (!none && !kv_argument_is(call, 3, "normal"))
		{
			kv_reply_error(call, "ERR Unknown client type '%.*s'", (int) Min(type.length, 128),
			               type.data);
			return KV_DONE;
		}
	}
	else if (call->argc > 3 && kv_argument_is(call, 2, "ID"))
	{
		ids = list_ids(call, &ids_count);
		if (!ids)
			return KV_DONE;
	}
	else if (call->argc != 2)
	{
		kv_reply_syntax(call);
		return KV_DONE;
	}

	initStringInfo(&lines);
	dlist_foreach (iterator, &kv_sessions.list)
	{
		const KvSession *session = dlist_container(KvSession, link, iterator.cur);

		if (none || session->tenant != call->session->tenant)
			continue;
		if (!ids || bsearch(&session->id, ids, ids_count, sizeof(uint64), compare_ids))
			append_client(&lines, session);
	}
	reply_lines(call, &lines);
	return KV_DONE;
}
