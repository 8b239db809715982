/* SPDX-License-Identifier: PostgreSQL
 *
 * blocking.c: commands that wait for an element.
 *
 * Each is the command that does not wait, and when there is nothing, waits: it says for which of its arguments, and is
 * called again when one of those keys may have something, in the order in which clients came, or when its time
 * is up.  Within MULTI and scripts none waits, as in Redis.
 */
#include "postgres.h"

#include <math.h>

#include "base/clock.h"
#include "kv/cmd/blocking.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/list.h"
#include "kv/cmd/zset.h"
#include "kv/type/list.h"
#include "lib/number/number.h"

#define TIMEOUT_MAX_S (INT64CONST(1) << 40)

/* Seconds at argument i, with a fraction, in microseconds, 0: for ever; answers and returns false if it is none. */
static bool
argument_seconds(KvCall *call, int i, int64 *timeout_us)
{
	RespSlice argument = kv_argument(call, i);
	long double seconds;

	if (!pgfirst_float_parse(argument.data, argument.length, &seconds) || isnan(seconds))
		kv_reply_error(call, "ERR timeout is not a float or out of range");
	else if (seconds < 0)
		kv_reply_error(call, "ERR timeout is negative");
	else if (seconds > (long double) TIMEOUT_MAX_S)
		kv_reply_error(call, "ERR timeout is out of range");
	else
	{
		*timeout_us = seconds > 0 ? (int64) ceill(seconds * 1000000) : 0;
		return true;
	}
	return false;
}

bool
kv_has_waited(const KvCall *call)
{
	return call->session->waits && !call->atomic;
}

bool
kv_waits_no_longer(const KvCall *call)
{
	return call->session->unblocked != KV_UNBLOCKED_NOT;
}

KvOutcome
kv_wait_for_keys(KvCall *call, KvType type, int first, int last, int64 timeout_us, bool array)
{
	KvSession *session = call->session;
	int64 now_us = pgfirst_clock_monotonic_us();
	int64 until_us = session->wait_until_us;

	if (until_us == 0)
		until_us = timeout_us == 0 ? PG_INT64_MAX : now_us + timeout_us;
	if (session->unblocked == KV_UNBLOCKED_ERROR)
		kv_reply_error(call, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
	else if (!call->atomic && session->unblocked == KV_UNBLOCKED_NOT && now_us < until_us)
	{
		session->wait_until_us = session->call_again_us = until_us;
		call->waits_first = first;
		call->waits_last = last;
		call->waits_type = type;
		return KV_PARK_NEWS;
	}
	/* Whose time is up is told the same by all of them. */
	else if (array || !call->atomic)
		pgfirst_resp_write_null_array(call->reply);
	else
		pgfirst_resp_write_null(call->reply);
	return KV_DONE;
}

/*
 * The number of the argument that is looked at in step n: the keys in their order, and before all of them, when it is
 * called again, the one that has something, as it may be that others have since got something too.
 */
static int
argument_of_step(KvCall *call, int first, int last, int n)
{
	if (n > 0)
		return first + n - 1;
	for (int i = first; i <= last; i++)
	{
		KvReadyKey key = kv_ready_key(call->space, kv_argument(call, i));

		if (kv_ready_same(&key, call->ready))
			return i;
	}
	return first;
}

/*
 * Opens the first of the lists that has anything; false if none has, or after answering that one is no list (*outcome
 * says which).  Who has waited already does not mind what a key has become.
 */
static bool
first_list(KvCall *call, int first, int last, KvList *list, int *argument, bool *wrong)
{
	*wrong = false;
	if (kv_waits_no_longer(call))
		return false;
	for (int n = call->ready ? 0 : 1; n <= last - first + 1; n++)
	{
		int i = argument_of_step(call, first, last, n);
		MemoryContext old = MemoryContextSwitchTo(kv_scratch());
		bool fits = kv_list_open(call->space, kv_argument(call, i), call->now_ms, list);

		MemoryContextSwitchTo(old);
		if (!fits && !kv_has_waited(call))
		{
			kv_reply_error(call,
			               "WRONGTYPE Operation against a key holding the wrong kind of value");
			*wrong = true;
			return false;
		}
		*argument = i;
		if (fits && kv_list_count(list) > 0)
			return true;
	}
	return false;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* BLPOP and BRPOP */
static KvOutcome
blocking_pop(KvCall *call, KvEnd end)
{
	int64 timeout_us;
	KvOutcome outcome;
	KvList list;
	bool wrong;
	int i;

	if (!argument_seconds(call, call->argc - 1, &timeout_us))
		return KV_DONE;
	if (!first_list(call, 1, call->argc - 2, &list, &i, &wrong))
		return wrong ? KV_DONE
		             : kv_wait_for_keys(call, KV_TYPE_LIST, 1, call->argc - 2, timeout_us, true);
	if (!kv_list_pop_room(call, &list, 1, &outcome))
		return outcome;
	pgfirst_resp_write_array(call->reply, 2);
	kv_reply_slice(call, kv_argument(call, i));
	kv_list_pop(call, &list, end);
	kv_list_close(&list);
	return KV_DONE;
}

/* BLPOP key [key ...] timeout */
KvOutcome
kv_cmd_blpop(KvCall *call)
{
	return blocking_pop(call, KV_HEAD);
}

/* BRPOP key [key ...] timeout */
KvOutcome
kv_cmd_brpop(KvCall *call)
{
	return blocking_pop(call, KV_TAIL);
}

/* Moves an element, or waits for one in the first list. */
static KvOutcome
blocking_move(KvCall *call, KvEnd from, KvEnd to, int timeout)
{
	int64 timeout_us;
	KvOutcome outcome;

	if (!argument_seconds(call, timeout, &timeout_us))
		return KV_DONE;
	if (!kv_waits_no_longer(call) && kv_list_carry(call, from, to, &outcome))
		return outcome;
	return kv_wait_for_keys(call, KV_TYPE_LIST, 1, 1, timeout_us, false);
}

/* BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout */
KvOutcome
kv_cmd_blmove(KvCall *call)
{
	KvEnd from, to;

	if (!kv_argument_end(call, 3, &from) || !kv_argument_end(call, 4, &to))
		return KV_DONE;
	return blocking_move(call, from, to, 5);
}

/* BRPOPLPUSH source destination timeout */
KvOutcome
kv_cmd_brpoplpush(KvCall *call)
{
	return blocking_move(call, KV_TAIL, KV_HEAD, 3);
}

/* BLMPOP timeout numkeys key [key ...] LEFT | RIGHT [COUNT count] */
KvOutcome
kv_cmd_blmpop(KvCall *call)
{
	int64 timeout_us, count;
	KvOutcome outcome;
	KvList list;
	KvEnd end;
	bool wrong;
	int keys, i;

	if (!kv_lmpop_options(call, 2, &keys, &end, &count) || !argument_seconds(call, 1, &timeout_us))
		return KV_DONE;
	if (!first_list(call, 3, 2 + keys, &list, &i, &wrong))
		return wrong ? KV_DONE
		             : kv_wait_for_keys(call, KV_TYPE_LIST, 3, 2 + keys, timeout_us, true);
	if (!kv_list_pop_room(call, &list, count, &outcome))
		return outcome;
	pgfirst_resp_write_array(call->reply, 2);
	kv_reply_slice(call, kv_argument(call, i));
	kv_list_pop_many(call, &list, end, count);
	return KV_DONE;
}

/* ---- sorted sets ----------------------------------------------------------------------------- */

/* As first_list(). */
static bool
first_zset(KvCall *call, int first, int last, KvZset *zset, int *argument, bool *wrong)
{
	*wrong = false;
	if (kv_waits_no_longer(call))
		return false;
	for (int n = call->ready ? 0 : 1; n <= last - first + 1; n++)
	{
		int i = argument_of_step(call, first, last, n);

		if (!kv_zset_of(call, i, !kv_has_waited(call), zset))
		{
			*wrong = true;
			return false;
		}
		*argument = i;
		if (kv_zset_count(zset) > 0)
			return true;
	}
	return false;
}

/* BZPOPMIN and BZPOPMAX */
static KvOutcome
blocking_zpop(KvCall *call, bool highest)
{
	int64 timeout_us;
	KvOutcome outcome;
	KvZset zset;
	bool wrong;
	int i;

	if (!argument_seconds(call, call->argc - 1, &timeout_us))
		return KV_DONE;
	if (!first_zset(call, 1, call->argc - 2, &zset, &i, &wrong))
		return wrong ? KV_DONE
		             : kv_wait_for_keys(call, KV_TYPE_ZSET, 1, call->argc - 2, timeout_us, true);
	if (!kv_elements_room(call, &outcome))
		return outcome;
	pgfirst_resp_write_array(call->reply, 3);
	kv_reply_slice(call, kv_argument(call, i));
	kv_zset_pop(call, &zset, highest);
	return KV_DONE;
}

/* BZPOPMIN key [key ...] timeout */
KvOutcome
kv_cmd_bzpopmin(KvCall *call)
{
	return blocking_zpop(call, false);
}

/* BZPOPMAX key [key ...] timeout */
KvOutcome
kv_cmd_bzpopmax(KvCall *call)
{
	return blocking_zpop(call, true);
}

/* BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count] */
KvOutcome
kv_cmd_bzmpop(KvCall *call)
{
	int64 timeout_us, count;
	bool highest, wrong;
	KvZset zset;
	int keys, i;

	if (!kv_zmpop_options(call, 2, &keys, &highest, &count) ||
	    !argument_seconds(call, 1, &timeout_us))
		return KV_DONE;
	if (!first_zset(call, 3, 2 + keys, &zset, &i, &wrong))
		return wrong ? KV_DONE
		             : kv_wait_for_keys(call, KV_TYPE_ZSET, 3, 2 + keys, timeout_us, true);
	return kv_zset_pop_many(call, i, &zset, highest, count);
}
