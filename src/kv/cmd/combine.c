/* SPDX-License-Identifier: PostgreSQL
 *
 * combine.c: unions, intersections and differences of sets and sorted sets; see combine.h.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "kv/cmd/combine.h"

/* ---- inputs ---------------------------------------------------------------------------------- */

void
kv_inputs_begin(KvInputs *inputs, int most)
{
	MemoryContext memory =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst inputs", ALLOCSET_DEFAULT_SIZES);

	*inputs = (KvInputs){.memory = memory};
	inputs->at = MemoryContextAllocHuge(memory, (Size) most * sizeof(KvMembers *));
}

static KvMembers *
input_keep(KvInputs *inputs, const KvMembers *input)
{
	Size packed = input->layout == KV_LAYOUT_INLINE ? input->bytes : 0;
	Size size = offsetof(KvMembers, packed) + packed;
	KvMembers *kept = MemoryContextAlloc(inputs->memory, size);

	memcpy(kept, input, size);
	return kept;
}

void
kv_inputs_add(KvInputs *inputs, const KvMembers *input)
{
	KvMembers *kept = inputs->missing;

	if (input->count > 0 || !kept)
		kept = input_keep(inputs, input);
	if (input->count == 0)
		inputs->missing = kept;
	inputs->at[inputs->count++] = kept;
}

void
kv_inputs_end(KvInputs *inputs)
{
	MemoryContextDelete(inputs->memory);
}

bool
kv_inputs_open(KvCall *call, int first, int count, bool sorted, KvInputs *inputs)
{
	KvMembers input;

	kv_inputs_begin(inputs, count);
	for (int i = first; i < first + count; i++)
	{
		if (!(sorted && kv_elements_are(call, i, KV_TYPE_ZSET, &input)) &&
		    !kv_elements_open(call, i, KV_TYPE_SET, &input))
		{
			kv_inputs_end(inputs);
			return false;
		}
		kv_inputs_add(inputs, &input);
	}
	return true;
}

/* ---- what they give -------------------------------------------------------------------------- */

static int
inputs_compare(const void *a, const void *b, void *context)
{
	KvMembers *const *inputs = context;
	int first = *(const int *) a;
	int second = *(const int *) b;

	if (inputs[first]->count != inputs[second]->count)
		return inputs[first]->count < inputs[second]->count ? -1 : 1;
	return first < second ? -1 : first > second;
}

/* In which order the inputs are taken. */
static int *
order_make(const KvCombination *combination)
{
	KvInputs *inputs = combination->inputs;
	Size count = (Size) inputs->count;
	int *order = MemoryContextAllocHuge(inputs->memory, count * sizeof(*order));

	for (int i = 0; i < inputs->count; i++)
		order[i] = i;
	if (combination->operation != KV_SET_DIFF)
		qsort_arg(order, count, sizeof(*order), inputs_compare, inputs->at);
	return order;
}

/* Whether a member of the input that is taken at this place belongs to the result on account of it. */
static bool
is_of_result(KvCombination *combination, const int *order, int place, RespSlice member,
             RespSlice value)
{
	const KvInputs *inputs = combination->inputs;

	if (combination->value)
		combination->value(combination, order[place], value, true);
	for (int other = 0; other < inputs->count; other++)
	{
		int input = order[other];
		KvMembers *members = inputs->at[input];
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

	kv_members_walk(combination->inputs->at[order[place]], 0, &walk);
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
	int taken = combination->operation == KV_SET_UNION ? combination->inputs->count : 1;
	int *order = order_make(combination);
	int place = 0;

	while (place < taken && combine_input(combination, order, place))
		place++;
	pfree(order);
}
