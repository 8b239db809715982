/* SPDX-License-Identifier: PostgreSQL
 *
 * acl.c: ACL: who there is and what they may, as Redis's clients ask for it.
 *
 * A user is a role of PostgreSQL that may log in and has USAGE on the extension's schema.  What is read here is
 * made from roles and grants; what is written there is refused with the command of PostgreSQL that does
 * it, because there is no second list of users.  One tenant sees its own users only.
 *
 * Redis's rules know no databases, so a user's rules are those in the database that the client has selected:
 *
 *     read     +@read +@connection      read-only commands, and those that touch no key
 *     write    and +@write               those that change keys
 *     admin    +@all                     in every database
 *
 * A password is never shown, not even as what verifies it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_namespace.h"
#include "lib/stringinfo.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "kv/auth.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/server.h"
#include "lib/number/number.h"

#define GENPASS_BITS     256
#define GENPASS_BITS_MAX 4096

/* What is shown of a role. */
typedef struct AclUser
{
	Oid role;
	const char *name;
	bool on; /* may log in */
	KvLevels levels;
} AclUser;

/* ---- users ------------------------------------------------------------------------------- */

/* Whether the role is a user, of the caller's tenant; fills `user` in. */
static bool
acl_take_user(const KvCall *call, HeapTuple tuple, AclUser *user)
{
	Form_pg_authid form = (Form_pg_authid) GETSTRUCT(tuple);

	if (!form->rolcanlogin || kv_auth_tenant(form->oid) != call->session->tenant ||
	    object_aclcheck(NamespaceRelationId, kv_schema(), form->oid, ACL_USAGE) != ACLCHECK_OK)
		return false;
	*user = (AclUser){.role = form->oid,
	                  .name = pstrdup(NameStr(form->rolname)),
	                  .on = true,
	                  .levels = kv_access_levels(form->oid)};
	return true;
}

/* The user of this name. */
static bool
acl_find_user(const KvCall *call, int i, AclUser *user)
{
	RespSlice argument = kv_argument(call, i);
	char *name = pnstrdup(argument.data, argument.length);
	HeapTuple tuple;
	bool found;

	if (argument.length >= NAMEDATALEN || strlen(name) != argument.length)
		return false;
	tuple = SearchSysCache1(AUTHNAME, CStringGetDatum(name));
	if (!HeapTupleIsValid(tuple))
		return false;
	found = acl_take_user(call, tuple, user);
	ReleaseSysCache(tuple);
	return found;
}

/* All users, in the order in which they were made; *count of them. */
static AclUser *
acl_users(const KvCall *call, int *count)
{
	Relation roles = table_open(AuthIdRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(roles, AuthIdOidIndexId, true, NULL, 0, NULL);
	int capacity = 64;
	AclUser *users = palloc(capacity * sizeof(AclUser));
	HeapTuple tuple;

	*count = 0;
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (*count == capacity)
			users = repalloc(users, (capacity *= 2) * sizeof(AclUser));
		*count += acl_take_user(call, tuple, &users[*count]);
	}
	systable_endscan(scan);
	table_close(roles, AccessShareLock);
	return users;
}

/* The rules that describe what the user may in the client's database. */
static const char *
acl_rules(const KvCall *call, const AclUser *user)
{
	if (kv_access_everywhere(user->levels))
		return "+@all";
	switch (kv_level_in(user->levels, call->session->database))
	{
		case KV_LEVEL_ADMIN:
		case KV_LEVEL_WRITE:
			return "-@all +@read +@write +@connection";
		case KV_LEVEL_READ:
			return "-@all +@read +@connection";
		case KV_LEVEL_NONE:
			break;
	}
	return "-@all +@connection";
}

/* Whether the tables of rights can be had; otherwise *outcome is what the command returns. */
static bool
acl_ready(KvCall *call, KvOutcome *outcome)
{
	*outcome = KV_DONE;
	if (!call->available)
	{
		kv_reply_not_installed(call);
		return false;
	}
	if (kv_access_ready(false))
		return true;
	*outcome = kv_locked_out(call, 0, "the list of rights");
	return false;
}

/* ---- reading ----------------------------------------------------------------------------- */

/* ACL WHOAMI */
KvOutcome
kv_cmd_acl_whoami(KvCall *call)
{
	pgfirst_resp_write_text(call->reply, kv_auth_role_name(call->session));
	return KV_DONE;
}

/* ACL USERS */
KvOutcome
kv_cmd_acl_users(KvCall *call)
{
	KvOutcome outcome;
	AclUser *users;
	int count;

	if (!acl_ready(call, &outcome))
		return outcome;
	users = acl_users(call, &count);
	pgfirst_resp_write_array(call->reply, (size_t) count);
	for (int i = 0; i < count; i++)
		pgfirst_resp_write_text(call->reply, users[i].name);
	return KV_DONE;
}

/* ACL LIST */
KvOutcome
kv_cmd_acl_list(KvCall *call)
{
	KvOutcome outcome;
	AclUser *users;
	int count;

	if (!acl_ready(call, &outcome))
		return outcome;
	users = acl_users(call, &count);
	pgfirst_resp_write_array(call->reply, (size_t) count);
	for (int i = 0; i < count; i++)
		pgfirst_resp_write_text(call->reply, psprintf("user %s on sanitize-payload ~* &* %s",
		                                              users[i].name, acl_rules(call, &users[i])));
	return KV_DONE;
}

/* ACL GETUSER username */
KvOutcome
kv_cmd_acl_getuser(KvCall *call)
{
	RespBuffer *reply = call->reply;
	KvOutcome outcome;
	AclUser user;

	if (!acl_ready(call, &outcome))
		return outcome;
	if (!acl_find_user(call, 2, &user))
	{
		pgfirst_resp_write_null(reply);
		return KV_DONE;
	}
	pgfirst_resp_write_map(reply, 6);
	pgfirst_resp_write_text(reply, "flags");
	pgfirst_resp_write_set(reply, 2);
	pgfirst_resp_write_text(reply, "on");
	pgfirst_resp_write_text(reply, "sanitize-payload");
	pgfirst_resp_write_text(reply, "passwords");
	pgfirst_resp_write_array(reply, 0);
	pgfirst_resp_write_text(reply, "commands");
	pgfirst_resp_write_text(reply, acl_rules(call, &user));
	pgfirst_resp_write_text(reply, "keys");
	pgfirst_resp_write_text(reply, "~*");
	pgfirst_resp_write_text(reply, "channels");
	pgfirst_resp_write_text(reply, "&*");
	pgfirst_resp_write_text(reply, "selectors");
	pgfirst_resp_write_array(reply, 0);
	return KV_DONE;
}

/* The command that begins at argument i, or its subcommand; NULL if there is none. */
static const KvCommand *
acl_command(const KvCall *call, int i)
{
	const KvCommand *command = kv_command_find(NULL, kv_argument(call, i));

	if (!command || !(command->flags & KV_SUBCOMMANDS) || i + 1 >= call->argc)
		return command;
	return kv_command_find(command->name, kv_argument(call, i + 1));
}

/* ACL DRYRUN username command [argument ...]: in the client's database. */
KvOutcome
kv_cmd_acl_dryrun(KvCall *call)
{
	RespSlice name = kv_argument(call, 2);
	RespSlice word = kv_argument(call, 3);
	const KvCommand *command = acl_command(call, 3);
	int argc = call->argc - 3;
	KvOutcome outcome;
	AclUser user;

	if (!acl_ready(call, &outcome))
		return outcome;
	if (!acl_find_user(call, 2, &user))
		kv_reply_error(call, "ERR User '%.*s' not found", (int) Min(name.length, 128), name.data);
	else if (!command)
		kv_reply_error(call, "ERR Command '%.*s' not found", (int) Min(word.length, 128),
		               word.data);
	else if (command->arity >= 0 ? argc != command->arity : argc < -command->arity)
		kv_reply_error(call, "ERR wrong number of arguments for '%s' command",
		               kv_command_name(command));
	else if (kv_command_allowed(command, NULL, user.levels, call->session->database))
		kv_reply_ok(call);
	else
		pgfirst_resp_write_text(call->reply,
		                        psprintf("User %s has no permissions to run the '%s' command",
		                                 user.name, kv_command_name(command)));
	return KV_DONE;
}

/* ---- categories -------------------------------------------------------------------------- */

/* Redis's, those included that have no commands here yet. */
static const char *const categories[] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

static bool
acl_is_category(RespSlice word)
{
	for (int i = 0; i < (int) lengthof(categories); i++)
		if (strlen(categories[i]) == word.length &&
		    pg_strncasecmp(categories[i], word.data, word.length) == 0)
			return true;
	return false;
}

/* ACL CAT [category] */
KvOutcome
kv_cmd_acl_cat(KvCall *call)
{
	RespSlice category;
	size_t count = 0;

	if (call->argc == 2)
	{
		pgfirst_resp_write_array(call->reply, lengthof(categories));
		for (int i = 0; i < (int) lengthof(categories); i++)
			pgfirst_resp_write_text(call->reply, categories[i]);
		return KV_DONE;
	}
	category = kv_argument(call, 2);
	if (call->argc > 3)
		kv_reply_subcommand_syntax(call);
	else if (!acl_is_category(category))
		kv_reply_error(call, "ERR Unknown category '%.*s'", (int) Min(category.length, 128),
		               category.data);
	else
	{
		for (int i = 0; i < kv_commands_count; i++)
			count += kv_command_in_category(&kv_commands[i], category);
		pgfirst_resp_write_array(call->reply, count);
		for (int i = 0; i < kv_commands_count; i++)
			if (kv_command_in_category(&kv_commands[i], category))
				pgfirst_resp_write_text(call->reply, kv_command_name(&kv_commands[i]));
	}
	return KV_DONE;
}

/* ---- passwords --------------------------------------------------------------------------- */

/* ACL GENPASS [bits] */
KvOutcome
kv_cmd_acl_genpass(KvCall *call)
{
	uint8 random[GENPASS_BITS_MAX / 8];
	char digits[2 * sizeof(random)];
	int64 bits = GENPASS_BITS;
	Size length;

	if (call->argc > 3)
	{
		kv_reply_subcommand_syntax(call);
		return KV_DONE;
	}
	if (call->argc == 3 &&
	    (!pgfirst_int64_parse(kv_argument(call, 2).data, kv_argument(call, 2).length, &bits) ||
	     bits <= 0 || bits > GENPASS_BITS_MAX))
	{
		kv_reply_error(call,
		               "ERR ACL GENPASS argument must be the number of bits for the output "
		               "password, a positive number up to %d",
		               GENPASS_BITS_MAX);
		return KV_DONE;
	}
	length = (Size) (bits + 3) / 4;
	if (!pg_strong_random(random, (length + 1) / 2))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not get random bytes")));
	hex_encode((const char *) random, (length + 1) / 2, digits);
	pgfirst_resp_write_bulk(call->reply, digits, length);
	return KV_DONE;
}

/* ---- what PostgreSQL does ---------------------------------------------------------------- */

/* ACL SETUSER username [rule ...] */
KvOutcome
kv_cmd_acl_setuser(KvCall *call)
{
	kv_reply_error(call,
	               "ERR ACL SETUSER is refused: a user is a role of PostgreSQL; CREATE ROLE ... "
	               "LOGIN PASSWORD makes one, and kv.grant() gives it rights");
	return KV_DONE;
}

/* ACL DELUSER username [username ...] */
KvOutcome
kv_cmd_acl_deluser(KvCall *call)
{
	kv_reply_error(call, "ERR ACL DELUSER is refused: a user is a role of PostgreSQL; DROP ROLE "
	                     "takes it away, and kv.revoke() its rights");
	return KV_DONE;
}

/* ACL LOAD and ACL SAVE */
KvOutcome
kv_cmd_acl_load(KvCall *call)
{
	kv_reply_error(call, "ERR There is no file of users: they are roles of PostgreSQL, which keeps "
	                     "them, and kv.grant() gives them rights");
	return KV_DONE;
}

/* ACL LOG [count | RESET] */
KvOutcome
kv_cmd_acl_log(KvCall *call)
{
	kv_reply_error(call, "ERR ACL LOG is refused: what is denied is answered and not recorded");
	return KV_DONE;
}
