/* SPDX-License-Identifier: PostgreSQL
 *
 * counter.c: commands on strings that are numbers.
 *
 * A counter is a string like any other and keeps its expiry.  A value that is too long to be a
 * number is not brought in to find that out.
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/value.h"
#include "lib/number/number.h"

static KvOutcome
increment(KvCall *call, int64 by)
{
	KvEntry entry;
	int64 value = 0;
	char digits[PGFIRST_INT64_TEXT];
	RespSlice slice = {digits, 0};

	if (!kv_value_read(call, 1, PGFIRST_INT64_TEXT, &entry))
		return KV_DONE;
	if (entry.type != KV_TYPE_NONE &&
	    !pgfirst_int64_parse(entry.value.data, entry.value.length, &value))
	{
		kv_reply_error(call, "ERR value is not an integer or out of range");
		return KV_DONE;
	}
	if (pg_add_s64_overflow(value, by, &value))
	{
		kv_reply_error(call, "ERR increment or decrement would overflow");
		return KV_DONE;
	}
	slice.length = pgfirst_int64_format(value, digits);
	kv_key_put(call->space, kv_argument(call, 1), slice, entry.expiry);
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

/* DECRBY key decrement */
KvOutcome
kv_cmd_decrby(KvCall *call)
{
	int64 by;

	if (!kv_argument_integer(call, 2, &by))
		return KV_DONE;
	if (by == PG_INT64_MIN)
	{
		/* Its opposite is no int64. */
		kv_reply_error(call, "ERR decrement would overflow");
		return KV_DONE;
	}
	return increment(call, -by);
}

static bool
parse_float(KvCall *call, RespSlice digits, long double *value)
{
	if (pgfirst_float_parse(digits.data, digits.length, value))
		return true;
	kv_reply_error(call, "ERR value is not a valid float");
	return false;
}

/* INCRBYFLOAT key increment: answers with the very text that the key then has. */
KvOutcome
kv_cmd_incrbyfloat(KvCall *call)
{
	KvEntry entry;
	long double value = 0;
	long double by;
	char digits[PGFIRST_FLOAT_TEXT];
	RespSlice slice = {digits, 0};

	if (!kv_value_read(call, 1, PGFIRST_FLOAT_TEXT, &entry))
		return KV_DONE;
	if (entry.type != KV_TYPE_NONE && !parse_float(call, entry.value, &value))
		return KV_DONE;
	if (!parse_float(call, kv_argument(call, 2), &by))
		return KV_DONE;
	value += by;
	if (isnan(value) || isinf(value))
	{
		kv_reply_error(call, "ERR increment would produce NaN or Infinity");
		return KV_DONE;
	}
	slice.length = pgfirst_float_format(value, digits);
	kv_key_put(call->space, kv_argument(call, 1), slice, entry.expiry);
	kv_reply_slice(call, slice);
	return KV_DONE;
}
