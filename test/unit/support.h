/* SPDX-License-Identifier: PostgreSQL
 *
 * support.h: what the unit tests and the fuzzers of lib/ share: an allocator that counts and can
 * be told to fail, and random numbers that are the same in every run.
 */
#ifndef PGFIRST_TEST_SUPPORT_H
#define PGFIRST_TEST_SUPPORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct TestMemory
{
	size_t in_use;  /* bytes handed out now */
	size_t peak;    /* the most that ever were */
	long remaining; /* allocations that still succeed; negative: all of them */
} TestMemory;

/* Stands before each block; as wide as malloc()'s own alignment. */
typedef union TestBlock
{
	size_t size;
	max_align_t align;
} TestBlock;

/* A RespAllocator's resize. */
static inline void *
test_resize(void *context, void *block, size_t size)
{
	TestMemory *memory = context;
	TestBlock *old = block != NULL ? (TestBlock *) block - 1 : NULL;
	size_t old_size = old != NULL ? old->size : 0;
	TestBlock *new;

	if (size == 0)
	{
		memory->in_use -= old_size;
		free(old);
		return NULL;
	}
	if (memory->remaining == 0 || size > SIZE_MAX / 2)
		return NULL;
	if (memory->remaining > 0)
		memory->remaining--;
	new = realloc(old, sizeof(TestBlock) + size);
	if (new == NULL)
		return NULL;
	new->size = size;
	memory->in_use += size - old_size;
	if (memory->in_use > memory->peak)
		memory->peak = memory->in_use;
	return new + 1;
}

/* xorshift64*; the state must not be zero. */
static inline uint64_t
test_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* 0 .. below - 1 */
static inline size_t
test_random_below(uint64_t *state, size_t below)
{
	return (size_t) (test_random(state) >> 11) % below;
}

#endif
