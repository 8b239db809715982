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

bool
kv_combination_open(KvCall *call, KvCombination *combination, int first)
{
	KvMembers *inputs =
	    MemoryContextAllocHuge(CurrentMemoryContext, (Size) combination->count * sizeof(*inputs));

	combination->inputs = inputs;
	for (int i = 0; i < combination->count; i++)
	{
		if (kv_elements_are(call, first + i, KV_TYPE_ZSET, &inputs[i]) ||
		    kv_elements_open(call, first + i, KV_TYPE_SET, &inputs[i]))
			continue;
		pfree(inputs);
		return false;
	}
	return true;
}

/* In which order the inputs are taken. */
static int *
order_make(const KvCombination *combination)
{
	Size count = (Size) combination->count;
	int *order = MemoryContextAllocHuge(CurrentMemoryContext, count * sizeof(*order));

	for (int i = 0; i < combination->count; i++)
		order[i] = i;
	if (combination->operation != KV_SET_DIFF)
		qsort_arg(order, count, sizeof(*order), inputs_compare, combination->inputs);
	return order;
}

/* Whether a member of the input that is taken at this place belongs to the result on account of it. */
static bool
is_of_result(KvCombination *combination, const int *order, int place, RespSlice member,
             RespSlice value)
{
	if (combination->value)
		combination->value(combination, order[place], value, true);
	for (int other = 0; other < combination->count; other++)
	{
		int input = order[other];
		KvMembers *members = &combination->inputs[input];
		bool decides = combination->operation != KV_SET_UNION || other < place;
		bool has;

		if (other == place || (!decides && !combination->value))
			continue;
		has = members->count > 0 && kv_elements_find(members, member, &value);
		if (decides && has != (combination->operation == KV_SET_INTER))
			return false;
		if (has && combination->value)
			combination->value(combination, input, value, false);
	}
	return true;
}

/* False if found() has said so. */
static bool
combine_input(KvCombination *combination, const int *order, int place)
{
	RespSlice member, value;
	KvMembersWalk walk;
	bool more = true;

	kv_members_walk(&combination->inputs[order[place]], 0, &walk);
	while (more && kv_members_next(&walk, &member, &value))
	{
		CHECK_FOR_INTERRUPTS();
		if (is_of_result(combination, order, place, member, value))
			more = combination->found(combination->context, member, value);
	}
	kv_members_walk_end(&walk);
	return more;
}

void
kv_combine(KvCombination *combination)
{
	int taken = combination->operation == KV_SET_UNION ? combination->count : 1;
	int *order = order_make(combination);
	int place = 0;

	while (place < taken && combine_input(combination, order, place))
		place++;
	pfree(order);
}
