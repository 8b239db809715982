/* SPDX-License-Identifier: PostgreSQL
 *
 * string.c: commands on strings.
 */
#include "postgres.h"

#include "common/int.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/stats.h"
#include "lib/number/number.h"

static void
reply_wrong_type(KvCall *call)
{
	kv_reply_error(call, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

static bool
read_key(KvCall *call, int i, bool with_value, KvEntry *entry)
{
	return kv_key_read(call->space, kv_argument(call, i), call->now_ms, with_value, entry);
}

static void
count_lookup(bool hit)
{
	kv_stats_add(hit ? &kv_stats->keyspace_hits : &kv_stats->keyspace_misses, 1);
}

/* GET key */
KvOutcome
kv_cmd_get(KvCall *call)
{
	KvEntry entry;
	bool found = read_key(call, 1, true, &entry);

	count_lookup(found);
	if (!found)
		pgfirst_resp_write_null(call->reply);
	else if (entry.type != KV_TYPE_STRING)
		reply_wrong_type(call);
	else
		kv_reply_slice(call, entry.value);
	return KV_DONE;
}

#define MGET_AHEAD 32

/* The next keys are on their way while the first of them is read. */
static void
mget_ahead(KvCall *call, int first)
{
	RespSlice keys[MGET_AHEAD];
	int count = Min(call->argc - first, MGET_AHEAD);

	for (int i = 0; i < count; i++)
		keys[i] = kv_argument(call, first + i);
	kv_keys_prefetch(call->space, keys, count);
}

/* Appends the values of all keys to the reply. */
static void
mget_read(KvCall *call)
{
	pgfirst_resp_write_array(call->reply, (size_t) call->argc - 1);
	for (int i = 1; i < call->argc; i++)
	{
		MemoryContext old;
		KvEntry entry;
		bool found;

		if (i % MGET_AHEAD == 1)
			mget_ahead(call, i);
		old = MemoryContextSwitchTo(kv_scratch());
		found = read_key(call, i, true, &entry) && entry.type == KV_TYPE_STRING;
		MemoryContextSwitchTo(old);
		count_lookup(found);
		if (found)
			kv_reply_slice(call, entry.value);
		else
			pgfirst_resp_write_null(call->reply);
		/* The client will be disconnected; the values that are left are not worth reading. */
		if (call->reply->failed)
			break;
	}
	(void) kv_scratch();
}

/*
 * MGET key [key ...]: what is no string is null.  All values are of one moment, however many others
 * write; only a command on very many keys gives up after some tries and tells what it has read last.
 */
KvOutcome
kv_cmd_mget(KvCall *call)
{
	Size start = call->reply->length;
	int tries = kv_tries_together(call->argc);

	do
	{
		call->reply->length = start;
		pgfirst_store_together_begin(call->space->store);
		mget_read(call);
	} while (!pgfirst_store_together_end() && --tries > 0 && !call->reply->failed);
	return KV_DONE;
}

/* MSET key value [key value ...] */
KvOutcome
kv_cmd_mset(KvCall *call)
{
	if (call->argc % 2 == 0)
	{
		kv_reply_error(call, "ERR wrong number of arguments for 'mset' command");
		return KV_DONE;
	}
	for (int i = 1; i < call->argc; i += 2)
		kv_key_put(call->space, kv_argument(call, i), kv_argument(call, i + 1), 0);
	kv_reply_ok(call);
	return KV_DONE;
}

/* ---- SET --------------------------------------------------------------------------------- */

typedef struct SetExpiry
{
	const char *word;
	bool seconds, absolute;
} SetExpiry;

typedef struct SetOptions
{
	bool nx, xx, get, keep_ttl;
	const SetExpiry *kind; /* NULL: none */
	int argument;          /* where its value is; of several the last one counts */
	int64 expiry;          /* 0: none */
} SetOptions;

/* One option at argument *i, advancing it past the option's value.  False after answering. */
static bool
set_option(KvCall *call, int *i, SetOptions *options)
{
	static const SetExpiry expiries[] = {
	    {"EX", true, false}, {"PX", false, false}, {"EXAT", true, true}, {"PXAT", false, true}};

	if (kv_argument_is(call, *i, "NX") && !options->xx)
		return options->nx = true;
	if (kv_argument_is(call, *i, "XX") && !options->nx)
		return options->xx = true;
	if (kv_argument_is(call, *i, "GET"))
		return options->get = true;
	if (kv_argument_is(call, *i, "KEEPTTL") && !options->kind)
		return options->keep_ttl = true;
	for (int e = 0; e < (int) lengthof(expiries); e++)
	{
		if (!kv_argument_is(call, *i, expiries[e].word) || options->keep_ttl ||
		    (options->kind && options->kind != &expiries[e]) || *i + 1 >= call->argc)
			continue;
		options->kind = &expiries[e];
		options->argument = ++*i;
		return true;
	}
	kv_reply_syntax(call);
	return false;
}

/*
 * Turns the value of EX, PX, EXAT or PXAT into milliseconds since 1970.  Answers and returns false
 * if it is no number, not positive, or beyond what 64 bits hold.  As in Redis this comes after all
 * options: what is wrong with their words is said first.
 */
static bool
set_expiry(KvCall *call, SetOptions *options)
{
	const SetExpiry *kind = options->kind;
	int64 value;

	if (!kind)
		return true;
	if (!kv_argument_integer(call, options->argument, &value))
		return false;
	if (value > 0 && !(kind->seconds && pg_mul_s64_overflow(value, 1000, &value)) &&
	    !(!kind->absolute && pg_add_s64_overflow(value, call->now_ms, &value)))
	{
		options->expiry = value;
		return true;
	}
	kv_reply_error(call, "ERR invalid expire time in 'set' command");
	return false;
}

/* SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] */
KvOutcome
kv_cmd_set(KvCall *call)
{
	SetOptions options = {0};
	KvEntry old = {0};
	bool found = false;
	bool skip;

	for (int i = 3; i < call->argc; i++)
		if (!set_option(call, &i, &options))
			return KV_DONE;
	if (!set_expiry(call, &options))
		return KV_DONE;
	if (options.nx || options.xx || options.get || options.keep_ttl)
		found = read_key(call, 1, options.get, &old);
	if (options.get && found && old.type != KV_TYPE_STRING)
	{
		reply_wrong_type(call);
		return KV_DONE;
	}
	skip = (options.nx && found) || (options.xx && !found);

	/* The old value first: the put may move what it points to. */
	if (options.get && found)
		kv_reply_slice(call, old.value);
	else if (options.get || skip)
		pgfirst_resp_write_null(call->reply);
	else
		kv_reply_ok(call);
	if (skip)
		return KV_DONE;
	if (options.keep_ttl && found)
		options.expiry = old.expiry;
	kv_key_put(call->space, kv_argument(call, 1), kv_argument(call, 2), options.expiry);
	return KV_DONE;
}

/* ---- counters ---------------------------------------------------------------------------- */

static KvOutcome
increment(KvCall *call, int64 by)
{
	KvEntry entry;
	int64 value = 0;
	int64 expiry = 0;
	char digits[PGFIRST_INT64_TEXT];
	RespSlice slice = {digits, 0};

	if (read_key(call, 1, true, &entry))
	{
		if (entry.type != KV_TYPE_STRING)
		{
			reply_wrong_type(call);
			return KV_DONE;
		}
		if (!pgfirst_int64_parse(entry.value.data, entry.value.length, &value))
		{
			kv_reply_error(call, "ERR value is not an integer or out of range");
			return KV_DONE;
		}
		expiry = entry.expiry;
	}
	if (pg_add_s64_overflow(value, by, &value))
	{
		kv_reply_error(call, "ERR increment or decrement would overflow");
		return KV_DONE;
	}
	slice.length = pgfirst_int64_format(value, digits);
	kv_key_put(call->space, kv_argument(call, 1), slice, expiry);
	pgfirst_resp_write_integer(call->reply, value);
	return KV_DONE;
}

/* INCR key */
KvOutcome
kv_cmd_incr(KvCall *call)
{
	return increment(call, 1);
}

/* DECR key */
KvOutcome
kv_cmd_decr(KvCall *call)
{
	return increment(call, -1);
}

/* INCRBY key increment */
KvOutcome
kv_cmd_incrby(KvCall *call)
{
	int64 by;

	if (!kv_argument_integer(call, 2, &by))
		return KV_DONE;
	return increment(call, by);
}
