/* SPDX-License-Identifier: PostgreSQL
 *
 * combine.h: unions, intersections and differences of sets and sorted sets.
 *
 * They go through the members of one and look each up in the others; nothing is gathered in between, so what they need of
 * memory is what is made of the result, and the inputs, as they were opened.  A union has of each input what is in none
 * before it.
 *
 * The inputs of a union and an intersection are taken in the order of their sizes, the smallest first: an intersection has
 * the least to look up then.  It is seen from outside where scores are added, and is Redis's order.
 */
#ifndef PGFIRST_KV_COMBINE_H
#define PGFIRST_KV_COMBINE_H

#include "kv/cmd/elements.h"

typedef enum KvSetOperation
{
	KV_SET_INTER,
	KV_SET_UNION,
	KV_SET_DIFF
} KvSetOperation;

/*
 * Collections that are open, to be read.  There may be a million, so each is kept without the memory of packed members that
 * it does not have, and what is not there is kept once.
 */
typedef struct KvInputs
{
	int count;
	KvMembers **at;
	KvMembers *missing; /* what is not there; NULL: all are */
	MemoryContext memory;
} KvInputs;

/* None yet, and memory for so many; _add one that was opened; _end: they go. */
extern void kv_inputs_begin(KvInputs *inputs, int most);
extern void kv_inputs_add(KvInputs *inputs, const KvMembers *input);
extern void kv_inputs_end(KvInputs *inputs);

/*
 * Opens `count` inputs, which arguments from `first` on name: sets, or sorted sets as well.  False after answering that
 * one is neither.
 */
extern bool kv_inputs_open(KvCall *call, int first, int count, bool sorted, KvInputs *inputs);

typedef struct KvCombination KvCombination;

struct KvCombination
{
	KvSetOperation operation;
	KvInputs *inputs;   /* as arguments name them */
	KvEachMember found; /* gets each member of the result */
	/*
	 * Gets the value that a member has in an input, first in the one where it was met, then in each other that has
	 * it, in their order; then found() is called, if it is one of the result.  NULL: values do not matter.
	 */
	void (*value)(KvCombination *combination, int input, RespSlice value, bool first);
	void *context; /* of both */
};

/* Until found() says false. */
extern void kv_combine(KvCombination *combination);

#endif
