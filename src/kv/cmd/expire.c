/* SPDX-License-Identifier: PostgreSQL
 *
 * expire.c: commands on when a key expires.
 */
#include "postgres.h"

#include "common/int.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/generic.h"

typedef enum ExpireFlag
{
	EXPIRE_NX = 1, /* only if the key has no expiry */
	EXPIRE_XX = 2, /* only if it has one */
	EXPIRE_GT = 4, /* only if the new one is later; none counts as latest */
	EXPIRE_LT = 8  /* only if it is earlier */
} ExpireFlag;

static bool
expire_flags(KvCall *call, int *flags)
{
	static const struct
	{
		const char *word;
		int flag;
	} words[] = {{"NX", EXPIRE_NX}, {"XX", EXPIRE_XX}, {"GT", EXPIRE_GT}, {"LT", EXPIRE_LT}};

	*flags = 0;
	for (int i = 3; i < call->argc; i++)
	{
		int w = 0;

		while (w < (int) lengthof(words) && !kv_argument_is(call, i, words[w].word))
			w++;
		if (w == (int) lengthof(words))
		{
			RespSlice option = kv_argument(call, i);

			kv_reply_error(call, "ERR Unsupported option %.*s", (int) Min(option.length, 128),
			               option.data);
			return false;
		}
		*flags |= words[w].flag;
	}
	if ((*flags & EXPIRE_NX) && (*flags & ~EXPIRE_NX))
	{
		kv_reply_error(call, "ERR NX and XX, GT or LT options at the same time are not compatible");
		return false;
	}
	if ((*flags & EXPIRE_GT) && (*flags & EXPIRE_LT))
	{
		kv_reply_error(call, "ERR GT and LT options at the same time are not compatible");
		return false;
	}
	return true;
}

static bool
expire_applies(int flags, int64 old, int64 new)
{
	if ((flags & EXPIRE_NX) && old != 0)
		return false;
	if ((flags & EXPIRE_XX) && old == 0)
		return false;
	if ((flags & EXPIRE_GT) && (old == 0 || new <= old))
		return false;
	if ((flags & EXPIRE_LT) && old != 0 && new >= old)
		return false;
	return true;
}

/* What argument 2 means: a number of units from `base_ms` on. */
static KvOutcome
expire(KvCall *call, int64 unit_ms, int64 base_ms)
{
	RespSlice key = kv_argument(call, 1);
	KvEntry entry;
	int64 expiry;
	int flags;

	if (!expire_flags(call, &flags) || !kv_argument_integer(call, 2, &expiry))
		return KV_DONE;
	if (pg_mul_s64_overflow(expiry, unit_ms, &expiry) ||
	    pg_add_s64_overflow(expiry, base_ms, &expiry))
	{
		kv_reply_error(call, "ERR invalid expire time in '%s' command", call->command->name);
		return KV_DONE;
	}
	if (!kv_key_find(call, call->space, 1, &entry) || !expire_applies(flags, entry.expiry, expiry))
	{
		pgfirst_resp_write_integer(call->reply, 0);
		return KV_DONE;
	}
	if (expiry <= call->now_ms)
		kv_key_delete(call->space, key);
	else
		kv_key_expire(call->space, key, expiry);
	pgfirst_resp_write_integer(call->reply, 1);
	return KV_DONE;
}

/* EXPIRE key seconds [NX | XX | GT | LT] */
KvOutcome
kv_cmd_expire(KvCall *call)
{
	return expire(call, 1000, call->now_ms);
}

/* PEXPIRE key milliseconds [NX | XX | GT | LT] */
KvOutcome
kv_cmd_pexpire(KvCall *call)
{
	return expire(call, 1, call->now_ms);
}

/* EXPIREAT key unix-time-seconds [NX | XX | GT | LT] */
KvOutcome
kv_cmd_expireat(KvCall *call)
{
	return expire(call, 1000, 0);
}

/* PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] */
KvOutcome
kv_cmd_pexpireat(KvCall *call)
{
	return expire(call, 1, 0);
}

/* PERSIST key */
KvOutcome
kv_cmd_persist(KvCall *call)
{
	KvEntry entry;
	bool change = kv_key_find(call, call->space, 1, &entry) && entry.expiry != 0;

	if (change)
		kv_key_expire(call->space, kv_argument(call, 1), 0);
	pgfirst_resp_write_integer(call->reply, change);
	return KV_DONE;
}

/* Milliseconds from `base_ms` until the key expires.  -2: no such key, -1: no expiry. */
static int64
expires_ms(KvCall *call, int64 base_ms)
{
	KvEntry entry;

	if (!kv_key_find(call, call->space, 1, &entry))
		return -2;
	return entry.expiry == 0 ? -1 : entry.expiry - base_ms;
}

/* Rounded to the nearest second, as Redis does; the moment may be the last that there is. */
static KvOutcome
reply_seconds(KvCall *call, int64 ms)
{
	pgfirst_resp_write_integer(call->reply, ms < 0 ? ms : ms / 1000 + (ms % 1000 >= 500));
	return KV_DONE;
}

static KvOutcome
reply_milliseconds(KvCall *call, int64 ms)
{
	pgfirst_resp_write_integer(call->reply, ms);
	return KV_DONE;
}

/* TTL key */
KvOutcome
kv_cmd_ttl(KvCall *call)
{
	return reply_seconds(call, expires_ms(call, call->now_ms));
}

/* PTTL key */
KvOutcome
kv_cmd_pttl(KvCall *call)
{
	return reply_milliseconds(call, expires_ms(call, call->now_ms));
}

/* EXPIRETIME key */
KvOutcome
kv_cmd_expiretime(KvCall *call)
{
	return reply_seconds(call, expires_ms(call, 0));
}

/* PEXPIRETIME key */
KvOutcome
kv_cmd_pexpiretime(KvCall *call)
{
	return reply_milliseconds(call, expires_ms(call, 0));
}
