/* SPDX-License-Identifier: PostgreSQL
 *
 * client.c: CLIENT and its subcommands.
 *
 * CLIENT LIST, KILL and UNBLOCK are about the clients of all workers (roster.h) that are of the caller's tenant.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/acl.h"

#include "base/clock.h"
#include "kv/auth.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/roster.h"
#include "kv/cmd/server.h"
#include "kv/settings.h"
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

/*
 * In Redis's order: has subscribed to something, is in a transaction, waits for a key, is on the Unix socket, marked
 * by CLIENT NO-EVICT, by NO-TOUCH; N: none.
 */
static void
append_flags(StringInfo line, const KvPortrait *client)
{
	int before = line->len;

	if (client->channels + client->patterns > 0)
		appendStringInfoChar(line, 'P');
	if (client->queued >= 0)
		appendStringInfoChar(line, 'x');
	if (client->waits)
		appendStringInfoChar(line, 'b');
	if (client->local_address[0] == '/')
		appendStringInfoChar(line, 'U');
	if (client->no_evict)
		appendStringInfoChar(line, 'e');
	if (client->no_touch)
		appendStringInfoChar(line, 'T');
	if (line->len == before)
		appendStringInfoChar(line, 'N');
}

static void
append_client(StringInfo line, const KvPortrait *client)
{
	int64 now = pgfirst_clock_monotonic_us();
	const KvCommand *last = client->last_command;

	appendStringInfo(line, "id=" UINT64_FORMAT " addr=%s laddr=%s fd=%d name=%s age=%d idle=%d ",
	                 client->id, client->address, client->local_address, client->fd, client->name,
	                 (int) ((now - client->created_us) / 1000000),
	                 (int) ((now - client->active_us) / 1000000));
	appendStringInfoString(line, "flags=");
	append_flags(line, client);
	appendStringInfo(
	    line,
	    " db=%d sub=%d psub=%d ssub=0 multi=%d watch=%d qbuf=%zu qbuf-free=0 "
	    "argv-mem=0 multi-mem=0 rbs=%zu rbp=0 obl=%zu oll=0 omem=%zu tot-mem=%zu "
	    "events=r cmd=%s%s%s user=%s redir=-1 resp=%d lib-name=%s lib-ver=%s\n",
	    client->database, client->channels, client->patterns, client->queued, client->watched,
	    client->input, client->reply_capacity, client->reply, client->output_capacity,
	    sizeof(KvSession) + client->input + client->output_capacity,
	    last && last->container ? last->container : "", last && last->container ? "|" : "",
	    last ? last->name : "NULL", kv_auth_name(client->role), client->protocol,
	    client->library_name, client->library_version);
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
	KvPortrait own;

	initStringInfo(&line);
	kv_portrait_take(call->session, &own);
	append_client(&line, &own);
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

/* Of Redis's types there are two: who has subscribed to something, and everybody else. */
typedef enum ClientType
{
	CLIENT_ANY, /* nothing is asked for */
	CLIENT_NORMAL,
	CLIENT_PUBSUB,
	CLIENT_NONE /* a master or a replica is */
} ClientType;

/* What argument i asks for; false after answering that it is no type. */
static bool
client_type(KvCall *call, int i, ClientType *type)
{
	RespSlice word = kv_argument(call, i);

	*type = kv_argument_is(call, i, "normal")    ? CLIENT_NORMAL
	        : kv_argument_is(call, i, "pubsub")  ? CLIENT_PUBSUB
	        : kv_argument_is(call, i, "master")  ? CLIENT_NONE
	        : kv_argument_is(call, i, "replica") ? CLIENT_NONE
	        : kv_argument_is(call, i, "slave")   ? CLIENT_NONE
	                                             : CLIENT_ANY;
	if (*type != CLIENT_ANY)
		return true;
	kv_reply_error(call, "ERR Unknown client type '%.*s'", (int) Min(word.length, 128), word.data);
	return false;
}

static bool
client_is(const KvPortrait *client, ClientType type)
{
	bool listens = client->channels + client->patterns > 0;

	return type == CLIENT_ANY || type == (listens ? CLIENT_PUBSUB : CLIENT_NORMAL);
}

/* Where the line of a client stands among the lines of all. */
typedef struct ClientLine
{
	uint64 id; /* first, for compare_ids() */
	int start;
	int length;
} ClientLine;

/* Answers with the lines of those of the caller's tenant that are meant, the oldest first. */
static void
reply_clients(KvCall *call, ClientType type, const uint64 *ids, Size ids_count)
{
	Size count = 0, room = 64;
	ClientLine *lines = palloc(room * sizeof(ClientLine));
	StringInfoData unsorted, sorted;
	KvRosterWalk walk;
	KvPortrait client;

	initStringInfo(&unsorted);
	initStringInfo(&sorted);
	kv_roster_walk(&walk, call->session->tenant);
	while (kv_roster_next(&walk, &client))
	{
		int start = unsorted.len;

		if (client.killed || !client_is(&client, type) ||
		    (ids && !bsearch(&client.id, ids, ids_count, sizeof(uint64), compare_ids)))
			continue;
		append_client(&unsorted, &client);
		if (count == room)
			lines = repalloc_huge(lines, (room *= 2) * sizeof(ClientLine));
		lines[count++] = (ClientLine){client.id, start, unsorted.len - start};
	}
	qsort(lines, count, sizeof(ClientLine), compare_ids);
	for (Size i = 0; i < count; i++)
		appendBinaryStringInfo(&sorted, unsorted.data + lines[i].start, lines[i].length);
	pfree(unsorted.data);
	pfree(lines);
	reply_lines(call, &sorted);
}

/* CLIENT LIST [TYPE normal | master | replica | pubsub] [ID id [id ...]] */
KvOutcome
kv_cmd_client_list(KvCall *call)
{
	ClientType type = CLIENT_ANY;
	uint64 *ids = NULL;
	Size ids_count = 0;

	if (call->argc == 4 && kv_argument_is(call, 2, "TYPE"))
	{
		if (!client_type(call, 3, &type))
			return KV_DONE;
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

	reply_clients(call, type, ids, ids_count);
	return KV_DONE;
}

/* ---- CLIENT KILL ------------------------------------------------------------------------- */

/* What a client must be to be killed; what is not asked for is 0, or NULL as data. */
typedef struct KillFilter
{
	RespSlice address;
	RespSlice local_address;
	int64 id;
	ClientType type;
	RespSlice user;
	Oid role;
	bool role_is_default; /* then also who has not logged in */
	bool spare_self;
} KillFilter;

static void
reply_no_user(KvCall *call, RespSlice user)
{
	kv_reply_error(call, "ERR No such user '%.*s'", (int) Min(user.length, 128), user.data);
}

/* Sets the filter's role; false after answering that there is no such user. */
static bool
kill_user(KvCall *call, int i, KillFilter *filter)
{
	RespSlice user = kv_argument(call, i);
	char *name = pnstrdup(user.data, user.length);

	filter->user = user;
	filter->role_is_default = strcmp(name, "default") == 0;
	filter->role = filter->role_is_default ? get_role_oid(pgfirst_redis_default_role, true)
	               : strlen(name) == user.length && user.length < NAMEDATALEN
	                   ? get_role_oid(name, true)
	                   : InvalidOid;
	if (OidIsValid(filter->role) || filter->role_is_default)
		return true;
	reply_no_user(call, user);
	return false;
}

/*
 * Whether the user, of whom no client was met, is one of the caller's tenant; if not, false after answering, or with
 * what the command returns.  What others call their users is not told; but who has changed tenants may have left
 * clients behind, so they come first.
 */
static bool
kill_knows(KvCall *call, const KillFilter *filter, KvOutcome *outcome)
{
	*outcome = KV_DONE;
	if (!filter->user.data || filter->role_is_default || !call->available)
		return true;
	if (!kv_access_ready(false))
		*outcome = kv_locked_out(call, 0, "the list of rights");
	else if (kv_auth_tenant(filter->role) == call->session->tenant)
		return true;
	else
		reply_no_user(call, filter->user);
	return false;
}

/* One option and its value at i; false after answering. */
static bool
kill_option(KvCall *call, int i, KillFilter *filter)
{
	RespSlice value = {NULL, 0};
	bool more = i + 1 < call->argc;

	if (more)
		value = kv_argument(call, i + 1);
	if (more && kv_argument_is(call, i, "ID"))
	{
		if (pgfirst_int64_parse(value.data, value.length, &filter->id) && filter->id > 0)
			return true;
		kv_reply_error(call, "ERR client-id should be greater than 0");
		return false;
	}
	if (more && kv_argument_is(call, i, "TYPE"))
		return client_type(call, i + 1, &filter->type);
	if (more && kv_argument_is(call, i, "USER"))
		return kill_user(call, i + 1, filter);
	if (more && kv_argument_is(call, i, "ADDR"))
		filter->address = value;
	else if (more && kv_argument_is(call, i, "LADDR"))
		filter->local_address = value;
	else if (more && kv_argument_is(call, i, "SKIPME") &&
	         (kv_argument_is(call, i + 1, "yes") || kv_argument_is(call, i + 1, "no")))
		filter->spare_self = kv_argument_is(call, i + 1, "yes");
	else
	{
		kv_reply_syntax(call);
		return false;
	}
	return true;
}

static bool
slice_is(RespSlice slice, const char *words)
{
	return slice.length == strlen(words) && memcmp(slice.data, words, slice.length) == 0;
}

static bool
kill_meets(const KvCall *call, const KillFilter *filter, const KvPortrait *client)
{
	if (!client_is(client, filter->type) || client->killed)
		return false;
	if (filter->address.data && !slice_is(filter->address, client->address))
		return false;
	if (filter->local_address.data && !slice_is(filter->local_address, client->local_address))
		return false;
	if (filter->id != 0 && (uint64) filter->id != client->id)
		return false;
	if (filter->user.data &&
	    !(OidIsValid(client->role) ? client->role == filter->role : filter->role_is_default))
		return false;
	return !filter->spare_self || client->id != call->session->id;
}

/* CLIENT KILL addr:port | <[ID id] [TYPE type] [USER user] [ADDR addr] [LADDR addr] [SKIPME yes|no]> */
KvOutcome
kv_cmd_client_kill(KvCall *call)
{
	KillFilter filter = {.spare_self = call->argc > 3};
	KvRosterWalk walk;
	KvPortrait client;
	KvOutcome outcome;
	int64 killed = 0;

	if (call->argc == 3)
		filter.address = kv_argument(call, 2);
	for (int i = 2; call->argc > 3 && i < call->argc; i += 2)
		if (!kill_option(call, i, &filter))
			return KV_DONE;

	kv_roster_walk(&walk, call->session->tenant);
	while (kv_roster_next(&walk, &client))
	{
		if (!kill_meets(call, &filter, &client))
			continue;
		/* Who kills itself still gets the answer. */
		if (client.id == call->session->id)
			call->session->close = true;
		else if (!kv_roster_kill(&walk))
			continue;
		killed++;
	}
	if (killed == 0 && !kill_knows(call, &filter, &outcome))
		return outcome;
	if (call->argc > 3)
		pgfirst_resp_write_integer(call->reply, killed);
	else if (killed > 0)
		kv_reply_ok(call);
	else
		kv_reply_error(call, "ERR No such client");
	return KV_DONE;
}

/* ---- switches ---------------------------------------------------------------------------- */

/* CLIENT UNBLOCK client-id [TIMEOUT | ERROR] */
KvOutcome
kv_cmd_client_unblock(KvCall *call)
{
	bool error = call->argc == 4 && kv_argument_is(call, 3, "ERROR");
	uint32 tenant = call->session->tenant;
	int64 id;

	if (call->argc > 4)
		kv_reply_subcommand_syntax(call);
	else if (call->argc == 4 && !error && !kv_argument_is(call, 3, "TIMEOUT"))
		kv_reply_error(call, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
	else if (kv_argument_integer(call, 2, &id))
		pgfirst_resp_write_integer(call->reply, kv_session_unblock((uint64) id, tenant, error) ||
		                                            kv_roster_unblock((uint64) id, tenant, error));
	return KV_DONE;
}

/* CLIENT REPLY ON | OFF | SKIP */
KvOutcome
kv_cmd_client_reply(KvCall *call)
{
	KvSession *session = call->session;

	if (kv_argument_is(call, 2, "ON"))
	{
		session->reply_off = session->reply_skip = false;
		kv_reply_ok(call);
	}
	else if (kv_argument_is(call, 2, "OFF"))
		session->reply_off = true;
	else if (kv_argument_is(call, 2, "SKIP"))
	{
		/* This one has no reply either. */
		session->reply_skip = true;
		session->reply_skip_next = !session->reply_off;
	}
	else
		kv_reply_syntax(call);
	return KV_DONE;
}

/* Sets one of the session's switches from ON or OFF. */
static KvOutcome
set_switch(KvCall *call, bool *which)
{
	bool on = kv_argument_is(call, 2, "ON");

	if (!on && !kv_argument_is(call, 2, "OFF"))
	{
		kv_reply_syntax(call);
		return KV_DONE;
	}
	*which = on;
	kv_reply_ok(call);
	return KV_DONE;
}

/* CLIENT NO-EVICT ON | OFF: who needs memory for buffers most goes first all the same. */
KvOutcome
kv_cmd_client_no_evict(KvCall *call)
{
	return set_switch(call, &call->session->no_evict);
}

/* CLIENT NO-TOUCH ON | OFF: nothing is noted of when a key was last read. */
KvOutcome
kv_cmd_client_no_touch(KvCall *call)
{
	return set_switch(call, &call->session->no_touch);
}

/* CLIENT GETREDIR: nothing is tracked, so nothing redirected. */
KvOutcome
kv_cmd_client_getredir(KvCall *call)
{
	pgfirst_resp_write_integer(call->reply, -1);
	return KV_DONE;
}

/* CLIENT TRACKINGINFO */
KvOutcome
kv_cmd_client_trackinginfo(KvCall *call)
{
	pgfirst_resp_write_map(call->reply, 3);
	pgfirst_resp_write_text(call->reply, "flags");
	pgfirst_resp_write_set(call->reply, 1);
	pgfirst_resp_write_text(call->reply, "off");
	pgfirst_resp_write_text(call->reply, "redirect");
	pgfirst_resp_write_integer(call->reply, -1);
	pgfirst_resp_write_text(call->reply, "prefixes");
	pgfirst_resp_write_array(call->reply, 0);
	return KV_DONE;
}
