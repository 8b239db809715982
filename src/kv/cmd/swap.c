/* SPDX-License-Identifier: PostgreSQL
 *
 * swap.c: SWAPDB: two databases exchange their keys at one moment, for all clients.
 *
 * What is exchanged is which store a number means; see catalog.c.  For that the worker needs both stores to
 * itself for a moment, and tries until it has them: other workers are asked to leave a gap between
 * their turns (kv_pause_briefly), an SQL transaction that has changed keys there is waited for.  Within EXEC
 * the locks are taken before anything is changed, as all locks are.
 *
 * Who watches a key of either database finds another file where that one was, and EXEC answers null; in
 * Redis only if the key is in one of them.
 */
#include "postgres.h"

#include "kv/auth.h"
#include "kv/catalog.h"
#include "kv/cmd/commands.h"
#include "kv/position.h"
#include "lib/number/number.h"

/* Reads the two numbers; NULL, or what is wrong with them. */
static const char *
swap_numbers(const KvCall *call, int numbers[2])
{
	static const char *const words[] = {"ERR invalid first DB index",
	                                    "ERR invalid second DB index"};
	int64 values[2];

	for (int i = 0; i < 2; i++)
	{
		RespSlice argument = kv_argument(call, i + 1);

		if (!pgfirst_int64_parse(argument.data, argument.length, &values[i]) ||
		    values[i] < PG_INT32_MIN || values[i] > PG_INT32_MAX)
			return words[i];
	}
	for (int i = 0; i < 2; i++)
	{
		numbers[i] = (int) values[i];
		if (!kv_database_exists(numbers[i]))
			return "ERR DB index is out of range";
	}
	return NULL;
}

static bool
swap_locked(KvCall *call, const int numbers[2], KvOutcome *outcome)
{
	*outcome = KV_DONE;
	if (kv_catalog_swap_lock(numbers[0], numbers[1], false))
		return true;
	*outcome =
	    kv_locked_out_for_now(call, kv_catalog_swap_holder(numbers[0], numbers[1]), "the database");
	return false;
}

bool
kv_swapdb_ready(KvCall *exec, const KvCall *kept, KvOutcome *outcome)
{
	int numbers[2];

	return kept->argc != 3 || swap_numbers(kept, numbers) != NULL || numbers[0] == numbers[1] ||
	       swap_locked(exec, numbers, outcome);
}

/* SWAPDB index1 index2 */
KvOutcome
kv_cmd_swapdb(KvCall *call)
{
	int numbers[2];
	const char *wrong = swap_numbers(call, numbers);
	KvOutcome outcome;

	if (!wrong && (call->session->tenant != 0 || kv_auth_has_tenants()))
		wrong = "ERR SWAPDB would exchange the databases of all tenants";
	if (wrong)
	{
		kv_reply_error(call, "%s", wrong);
		return KV_DONE;
	}
	if (numbers[0] != numbers[1])
	{
		if (!call->atomic && !swap_locked(call, numbers, &outcome))
			return outcome;
		kv_catalog_swap(numbers[0], numbers[1]);
		/* The reply waits for the commit, whatever the databases are. */
		kv_position_note(PGFIRST_POSITION_OWN);
		call->durable = true;
		call->ends_turn = true;
	}
	kv_reply_ok(call);
	return KV_DONE;
}
