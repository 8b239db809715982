/* SPDX-License-Identifier: PostgreSQL
 *
 * configure.c: the parameters of CONFIG that are about one database; see configure.h.
 *
 * Redis has one memory and one log for all databases; here each has its own limit and its own durability, and
 * CONFIG speaks of the selected one:
 *
 *     durability   appendonly   appendfsync   save
 *     durable      yes          always        ""
 *     relaxed      yes          everysec      ""
 *     volatile     no           no            ""
 *
 * maxmemory is max_size and maxmemory-policy is eviction, for all workers and for SQL, at once and for
 * good.  From and to volatile a database is written anew, with everybody locked out: a command that looks
 * harmless should not do that, so it is refused with the SQL that does.
 */
#include "postgres.h"

#include "kv/catalog.h"
#include "kv/cmd/configure.h"
#include "kv/position.h"
#include "lib/number/number.h"

static bool
is_word(RespSlice value, const char *word)
{
	return value.length == strlen(word) && pg_strncasecmp(value.data, word, value.length) == 0;
}

KvSettings
kv_configure_settings(const KvCall *call)
{
	return call->available && kv_database_exists(call->session->database)
	           ? *kv_database_settings(call->session->database)
	           : (KvSettings){PGFIRST_DURABLE, 0, KV_EVICT_NOTHING};
}

const char *
kv_configure_value(const KvCall *call, const char *name)
{
	KvSettings settings = kv_configure_settings(call);

	if (strcmp(name, "maxmemory") == 0)
		return psprintf(INT64_FORMAT, settings.max_size);
	if (strcmp(name, "maxmemory-policy") == 0)
		return kv_eviction_name(settings.eviction);
	if (strcmp(name, "appendonly") == 0)
		return settings.durability == PGFIRST_VOLATILE ? "no" : "yes";
	return settings.durability == PGFIRST_DURABLE   ? "always"
	       : settings.durability == PGFIRST_RELAXED ? "everysec"
	                                                : "no";
}

/* Redis's way of writing bytes: k is a thousand, kb is 1024, and so on. */
static bool
parse_bytes(RespSlice value, int64 *bytes)
{
	static const struct
	{
		const char *unit;
		int64 bytes;
	} units[] = {{"", 1},
	             {"b", 1},
	             {"k", 1000},
	             {"kb", 1024},
	             {"m", 1000 * 1000},
	             {"mb", 1024 * 1024},
	             {"g", 1000 * 1000 * 1000},
	             {"gb", 1024 * 1024 * 1024}};
	Size digits = 0;

	while (digits < value.length && value.data[digits] >= '0' && value.data[digits] <= '9')
		digits++;
	if (!pgfirst_int64_parse(value.data, digits, bytes))
		return false;
	for (int i = 0; i < (int) lengthof(units); i++)
		if (is_word((RespSlice){value.data + digits, value.length - digits}, units[i].unit) &&
		    *bytes <= PG_INT64_MAX / units[i].bytes)
		{
			*bytes *= units[i].bytes;
			return true;
		}
	return false;
}

static const char *
set_durability(const KvCall *call, const char *name, RespSlice value, KvSettings *settings)
{
	const char *other = settings->durability == PGFIRST_VOLATILE ? "durable" : "volatile";
	bool logged;

	if (strcmp(name, "appendonly") == 0)
	{
		if (!is_word(value, "yes") && !is_word(value, "no"))
			return "argument must be 'yes' or 'no'";
		logged = is_word(value, "yes");
	}
	else
	{
		logged = is_word(value, "always") || is_word(value, "everysec");
		if (!logged && !is_word(value, "no"))
			return "argument(s) must be one of the following: everysec, always, no";
		/* Without a flush of its own Redis leaves it to the kernel: the least that a logged one does. */
		if (settings->durability != PGFIRST_VOLATILE)
		{
			settings->durability = is_word(value, "always") ? PGFIRST_DURABLE : PGFIRST_RELAXED;
			return NULL;
		}
	}
	if (logged == (settings->durability != PGFIRST_VOLATILE))
		return NULL;
	return psprintf("that writes the whole database anew, with its clients locked out; SELECT "
	                "kv.configure(%d, durability => '%s') does it",
	                call->session->database, other);
}

const char *
kv_configure_set(const KvCall *call, const char *name, RespSlice value, KvSettings *settings)
{
	if (strcmp(name, "maxmemory") == 0)
		return parse_bytes(value, &settings->max_size) ? NULL : "argument must be a memory value";
	if (strcmp(name, "maxmemory-policy") != 0)
		return set_durability(call, name, value, settings);
	return kv_eviction_find(value.data, value.length, &settings->eviction)
	           ? NULL
	           : "argument(s) must be one of the following: volatile-lru, volatile-lfu, "
	             "volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, "
	             "noeviction";
}

/* Answers and returns false if the database cannot be configured now at all. */
static bool
configurable(KvCall *call)
{
	int number = call->session->database;

	if (call->busy)
		kv_reply_error(call, "ERR the list of databases is locked; try again");
	else if (!call->available || !kv_database_exists(number))
		kv_reply_error(call, "LOADING database %d is not there; kv.create_database(%d) makes it",
		               number, number);
	else if (call->read_only)
		kv_reply_error(call, "READONLY You can't write against a read only replica.");
	else
		return true;
	return false;
}

bool
kv_configure(KvCall *call, const KvSettings *settings, KvOutcome *outcome)
{
	int number = call->session->database;
	const KvSettings *now = kv_database_settings(number);
	KvSettings was = kv_configure_settings(call);

	*outcome = KV_DONE;
	if (settings->durability == was.durability && settings->max_size == was.max_size &&
	    settings->eviction == was.eviction)
		return true;
	if (!configurable(call))
		return false;
	if (!kv_catalog_lock(false))
	{
		if (call->atomic)
			kv_reply_error(call, "ERR the list of databases is locked; try again");
		else
			*outcome = kv_locked_out_for_now(call, 0, "the list of databases");
		return false;
	}
	/* The lock may have brought news; what was worked out from old ones is worked out again. */
	if (now->durability != was.durability || now->max_size != was.max_size ||
	    now->eviction != was.eviction)
	{
		if (!call->atomic)
		{
			*outcome = KV_PARK_TURN;
			return false;
		}
		kv_reply_error(call, "ERR the list of databases has just changed; try again");
		return false;
	}
	kv_catalog_configure(number, settings);
	kv_position_note(PGFIRST_POSITION_OWN);
	call->durable = true;
	return true;
}
