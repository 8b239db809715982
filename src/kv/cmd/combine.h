/* SPDX-License-Identifier: PostgreSQL
 *
 * combine.h: unions, intersections and differences of sets and sorted sets.
 *
 * They go through the members of one and look each up in the others; nothing is gathered in between, so what they need of
 * memory is what is made of the result.  A union has of each input what is in none before it.
 *
 * The inputs of a union and an intersection are taken in the order of their sizes, the smallest first: an intersection has
 * the least to look up then.  It is seen from outside where scores are added, and is Redis's order.
 */
#ifndef PGFIRST_KV_COMBINE_H
#define PGFIRST_KV_COMBINE_H

#include "kv/cmd/set.h"

typedef struct KvCombination KvCombination;

struct KvCombination
{
	KvSetOperation operation;
	int count;          /* of inputs */
	KvMembers *inputs;  /* open, as arguments name them */
	KvEachMember found; /* gets each member of the result */
	/*
	 * Gets the value that a member has in an input, first in the one where it was met, then in each other that has
	 * it, in their order; then found() is called, if it is one of the result.  NULL: values do not matter.
	 */
	void (*value)(KvCombination *combination, int input, RespSlice value, bool first);
	void *context; /* of both */
};

/* Opens `count` inputs, which arguments from `first` on name: sets or sorted sets.  False after answering that one is neither. */
extern bool kv_combination_open(KvCall *call, KvCombination *combination, int first);

/* Until found() says false. */
extern void kv_combine(KvCombination *combination);

#endif
