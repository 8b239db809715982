/* SPDX-License-Identifier: PostgreSQL
 *
 * combine.c: unions, intersections and differences of sets and sorted sets; see combine.h.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "kv/cmd/combine.h"
#include "kv/cmd/elements.h"

static int
inputs_compare(const void *a, const void *b, void *context)
{
	const KvMembers *inputs = context;
	int first = *(const int *) a;
	int second = *(const int *) b;

	if (inputs[first].count != inputs[second].count)
		return inputs[first].count < inputs[second].count ? -1 : 1;
	return first < second ? -1 : first > second;
}

/* Opens what argument i is; false after answering that it is none of these. */
static bool
input_open(KvCall *call, int i, bool sorted, KvMembers *input)
{
	return (sorted && kv_elements_are(call, i, KV_TYPE_ZSET, input)) ||
	       kv_elements_open(call, i, KV_TYPE_SET, input);
}

bool
kv_combination_open(KvCall *call, KvCombination *combination, int first, bool sorted)
{
	Size count = (Size) combination->count;

	combination->inputs =
	    MemoryContextAllocHuge(CurrentMemoryContext, count * sizeof(*combination->inputs));
	combination->order =
	    MemoryContextAllocHuge(CurrentMemoryContext, count * sizeof(*combination->order));
	combination->members = 0;
	for (int i = 0; i < combination->count; i++)
	{
		combination->order[i] = i;
		if (input_open(call, first + i, sorted, &combination->inputs[i]))
			continue;
		kv_combination_close(combination);
		return false;
	}
	if (combination->how != KV_DIFF)
		qsort_arg(combination->order, count, sizeof(*combination->order), inputs_compare,
		          combination->inputs);
	return true;
}

void
kv_combination_close(KvCombination *combination)
{
	pfree(combination->inputs);
	pfree(combination->order);
}

/* Whether a member of the input that is taken at this place belongs to the result on account of it. */
static bool
is_of_result(KvCombination *combination, int place, RespSlice member, RespSlice value)
{
	if (combination->value)
		combination->value(combination, combination->order[place], value, true);
	for (int other = 0; other < combination->count; other++)
	{
		int input = combination->order[other];
		KvMembers *members = &combination->inputs[input];
		bool decides = combination->how != KV_UNION || other < place;
		bool has;

		if (other == place || (!decides && !combination->value))
			continue;
		has = members->count > 0 && kv_elements_find(members, member, &value);
		if (decides && has != (combination->how == KV_INTER))
			return false;
		if (has && combination->value)
			combination->value(combination, input, value, false);
	}
	return true;
}

static void
combine_input(KvCombination *combination, int place)
{
	RespSlice member, value;
	KvMembersWalk walk;

	kv_members_walk(&combination->inputs[combination->order[place]], 0, &walk);
	while (combination->members < combination->limit && kv_members_next(&walk, &member, &value))
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_of_result(combination, place, member, value))
			continue;
		combination->members++;
		if (combination->found)
			combination->found(combination, member);
	}
	kv_members_walk_end(&walk);
}

void
kv_combine(KvCombination *combination)
{
	int taken = combination->how == KV_UNION ? combination->count : 1;

	for (int place = 0; place < taken; place++)
		combine_input(combination, place);
}
