/* SPDX-License-Identifier: PostgreSQL
 *
 * string.c: commands on whole strings.  range.c has those on parts of them, counter.c and bit.c
 * those on strings that are numbers and bits.
 *
 * Whoever answers with the old value writes the answer first: what a read has brought in is only
 * good until the key is changed.
 */
#include "postgres.h"

#include "common/int.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/value.h"

static bool
read_key(KvCall *call, int i, bool with_value, KvEntry *entry)
{
	return kv_key_read(call->space, kv_argument(call, i), call->now_ms, with_value, entry);
}

/* GET key */
KvOutcome
kv_cmd_get(KvCall *call)
{
	KvEntry entry;
	bool found = read_key(call, 1, true, &entry);

	kv_count_lookup(call, found);
	if (!found)
		pgfirst_resp_write_null(call->reply);
	else if (entry.type != KV_TYPE_STRING)
		kv_reply_wrong_type(call);
	else
		kv_reply_slice(call, entry.value);
	return KV_DONE;
}

/* Appends a value to the reply; false: the client will be disconnected, and the others are not worth reading. */
static bool
mget_value(void *context, const KvEntry *entry)
{
	KvCall *call = context;
	bool found = entry->type == KV_TYPE_STRING;

	kv_count_lookup(call, found);
	if (found)
		kv_reply_slice(call, entry->value);
	else
		pgfirst_resp_write_null(call->reply);
	return !call->reply->failed;
}

static void
mget_read(KvCall *call)
{
	RespSlice keys[KV_KEYS_EACH];
	int count;

	pgfirst_resp_write_array(call->reply, (size_t) call->argc - 1);
	for (int first = 1; first < call->argc; first += count)
	{
		count = Min(call->argc - first, KV_KEYS_EACH);
		for (int i = 0; i < count; i++)
			keys[i] = kv_argument(call, first + i);
		if (!kv_keys_read_each(call->space, keys, count, call->now_ms, kv_scratch(), mget_value,
		                       call))
			break;
	}
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
		pgfirst_store_together_begin_brief(call->space->store);
		mget_read(call);
	} while (!pgfirst_store_together_end() && --tries > 0 && !call->reply->failed);
	return KV_DONE;
}

/* Answers and returns false if a key has no value. */
static bool
mset_in_pairs(KvCall *call)
{
	if (call->argc % 2 == 1)
		return true;
	kv_reply_error(call, "ERR wrong number of arguments for '%s' command", call->command->name);
	return false;
}

static void
mset_put(KvCall *call)
{
	for (int i = 1; i < call->argc; i += 2)
		kv_key_put(call->space, kv_argument(call, i), kv_argument(call, i + 1), 0);
}

/* MSET key value [key value ...] */
KvOutcome
kv_cmd_mset(KvCall *call)
{
	if (!mset_in_pairs(call))
		return KV_DONE;
	mset_put(call);
	kv_reply_ok(call);
	return KV_DONE;
}

/* Whether argument i is a key that is there, of any type; leaves nothing in memory. */
static bool
key_exists(KvCall *call, int i)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	KvEntry entry;
	bool found = read_key(call, i, false, &entry);

	MemoryContextSwitchTo(old);
	(void) kv_scratch();
	return found;
}

/* MSETNX key value [key value ...]: all keys, or none if one of them is there. */
KvOutcome
kv_cmd_msetnx(KvCall *call)
{
	bool none = true;

	if (!mset_in_pairs(call))
		return KV_DONE;
	for (int i = 1; i < call->argc && none; i += 2)
		none = !key_exists(call, i);
	if (none)
		mset_put(call);
	pgfirst_resp_write_integer(call->reply, none);
	return KV_DONE;
}

/* ---- SET and GETEX ----------------------------------------------------------------------- */

typedef struct ExpiryOption
{
	const char *word;
	bool seconds, absolute;
} ExpiryOption;

/* The options of SET and of GETEX, which share the expiry in its four forms. */
typedef struct SetOptions
{
	bool nx, xx, get, keep_ttl, persist;
	const ExpiryOption *kind; /* NULL: none */
	int argument;             /* where its value is; of several the last one counts */
	int64 expiry;             /* 0: none */
} SetOptions;

/* EX, PX, EXAT or PXAT at argument *i, advancing it to the option's value. */
static bool
expiry_option(KvCall *call, int *i, SetOptions *options)
{
	static const ExpiryOption expiries[] = {
	    {"EX", true, false}, {"PX", false, false}, {"EXAT", true, true}, {"PXAT", false, true}};

	if (options->keep_ttl || options->persist || *i + 1 >= call->argc)
		return false;
	for (int e = 0; e < (int) lengthof(expiries); e++)
	{
		if (!kv_argument_is(call, *i, expiries[e].word) ||
		    (options->kind && options->kind != &expiries[e]))
			continue;
		options->kind = &expiries[e];
		options->argument = ++*i;
		return true;
	}
	return false;
}

/* One option of SET. */
static bool
set_option(KvCall *call, int *i, SetOptions *options)
{
	if (kv_argument_is(call, *i, "NX") && !options->xx)
		return options->nx = true;
	if (kv_argument_is(call, *i, "XX") && !options->nx)
		return options->xx = true;
	if (kv_argument_is(call, *i, "GET"))
		return options->get = true;
	if (kv_argument_is(call, *i, "KEEPTTL") && !options->kind)
		return options->keep_ttl = true;
	return expiry_option(call, i, options);
}

/* One option of GETEX. */
static bool
getex_option(KvCall *call, int *i, SetOptions *options)
{
	if (kv_argument_is(call, *i, "PERSIST") && !options->kind)
		return options->persist = true;
	return expiry_option(call, i, options);
}

/* All options from argument `first` on.  Answers and returns false if one is wrong. */
static bool
read_options(KvCall *call, int first, bool (*one)(KvCall *, int *, SetOptions *),
             SetOptions *options)
{
	for (int i = first; i < call->argc; i++)
	{
		if (one(call, &i, options))
			continue;
		kv_reply_syntax(call);
		return false;
	}
	return true;
}

/*
 * Turns an expiry into milliseconds since 1970.  Answers and returns false if it is no number, not
 * positive, or beyond what 64 bits hold.
 */
static bool
read_expiry(KvCall *call, int i, bool seconds, bool absolute, int64 *expiry)
{
	int64 value;

	if (!kv_argument_integer(call, i, &value))
		return false;
	if (value > 0 && !(seconds && pg_mul_s64_overflow(value, 1000, &value)) &&
	    !(!absolute && pg_add_s64_overflow(value, call->now_ms, &value)))
	{
		*expiry = value;
		return true;
	}
	kv_reply_error(call, "ERR invalid expire time in '%s' command", call->command->name);
	return false;
}

/* As in Redis this comes after all options: what is wrong with their words is said first. */
static bool
option_expiry(KvCall *call, SetOptions *options)
{
	const ExpiryOption *kind = options->kind;

	return !kind ||
	       read_expiry(call, options->argument, kind->seconds, kind->absolute, &options->expiry);
}

/* SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] */
KvOutcome
kv_cmd_set(KvCall *call)
{
	SetOptions options = {0};
	KvEntry old = {0};
	bool found = false;
	bool skip;

	if (!read_options(call, 3, set_option, &options) || !option_expiry(call, &options))
		return KV_DONE;
	if (options.nx || options.xx || options.get || options.keep_ttl)
		found = read_key(call, 1, options.get, &old);
	if (options.get && found && old.type != KV_TYPE_STRING)
	{
		kv_reply_wrong_type(call);
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

/* SETNX key value */
KvOutcome
kv_cmd_setnx(KvCall *call)
{
	bool set = !key_exists(call, 1);

	if (set)
		kv_key_put(call->space, kv_argument(call, 1), kv_argument(call, 2), 0);
	pgfirst_resp_write_integer(call->reply, set);
	return KV_DONE;
}

static KvOutcome
set_expiring(KvCall *call, bool seconds)
{
	int64 expiry;

	if (!read_expiry(call, 2, seconds, false, &expiry))
		return KV_DONE;
	kv_key_put(call->space, kv_argument(call, 1), kv_argument(call, 3), expiry);
	kv_reply_ok(call);
	return KV_DONE;
}

/* SETEX key seconds value */
KvOutcome
kv_cmd_setex(KvCall *call)
{
	return set_expiring(call, true);
}

/* PSETEX key milliseconds value */
KvOutcome
kv_cmd_psetex(KvCall *call)
{
	return set_expiring(call, false);
}

/* ---- GET, and then something else -------------------------------------------------------- */

/* Reads the value; false if it is not there, which has been answered. */
static bool
find_value(KvCall *call, KvEntry *entry)
{
	if (!kv_value_read(call, 1, SIZE_MAX, entry))
		return false;
	kv_count_lookup(call, entry->type != KV_TYPE_NONE);
	if (entry->type != KV_TYPE_NONE)
		return true;
	pgfirst_resp_write_null(call->reply);
	return false;
}

/* GETSET key value */
KvOutcome
kv_cmd_getset(KvCall *call)
{
	KvEntry entry;

	if (find_value(call, &entry))
		kv_reply_slice(call, entry.value);
	if (entry.type == KV_TYPE_STRING || entry.type == KV_TYPE_NONE)
		kv_key_put(call->space, kv_argument(call, 1), kv_argument(call, 2), 0);
	(void) kv_scratch();
	return KV_DONE;
}

/* GETDEL key */
KvOutcome
kv_cmd_getdel(KvCall *call)
{
	KvEntry entry;

	if (!find_value(call, &entry))
		return KV_DONE;
	kv_reply_slice(call, entry.value);
	(void) kv_scratch();
	kv_key_delete(call->space, kv_argument(call, 1));
	return KV_DONE;
}

/*
 * GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]: of a key that is missing, the expiry may be
 * nonsense.  A moment that is over deletes the key.
 */
KvOutcome
kv_cmd_getex(KvCall *call)
{
	RespSlice key = kv_argument(call, 1);
	SetOptions options = {0};
	KvEntry entry;
	bool good;

	if (!read_options(call, 2, getex_option, &options) || !find_value(call, &entry))
		return KV_DONE;
	good = option_expiry(call, &options);
	if (good)
		kv_reply_slice(call, entry.value);
	(void) kv_scratch();
	if (!good)
		return KV_DONE;
	if (options.kind && options.expiry <= call->now_ms)
		kv_key_delete(call->space, key);
	else if (options.kind)
		kv_key_expire(call->space, key, options.expiry);
	else if (options.persist && entry.expiry != 0)
		kv_key_expire(call->space, key, 0);
	return KV_DONE;
}
