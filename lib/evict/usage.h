/* SPDX-License-Identifier: PostgreSQL
 *
 * usage.h: how lately and how often each of many keys has been used, in a table of fixed size.
 *
 * Whoever must give keys up wants to know which will hardly be asked for again.  What is remembered of
 * a key is a value that each use raises and that halves after every half-life without use: combined
 * recency and frequency (Lee, Choi, Kim, Noh, Min, Cho, Kim: "LRFU", 2001), and when it was used last.
 *
 * A cell of 32 bits has both.  A key has two cells, both in the one line of 64 bytes that a piece of its id
 * chooses, and of the two the less used counts, because other keys that share a cell can only make
 * it look more used (as in a count-min sketch: Cormode and Muthukrishnan, 2005).  A use costs one
 * line of cache, and writes nothing if the cells say it already, so that a key that all processes ask
 * for does not travel between their caches.
 *
 *     31            10 9        0
 *     | last use, tick |  value  |         0: never used
 *
 * Keys that are not there have cells as well: one that was given up and is asked for again does not
 * begin as a stranger.
 *
 * Time is counted in writes: a tick is PGFIRST_USAGE_WRITES of them.  So what is known grows no older
 * while nothing comes that would have to take anybody's place.  A cell that is not used for two
 * million ticks is as good as never used; after four the count starts anew, and the cell may look fresh
 * once more, which costs one wrong choice.
 *
 * Processes change cells without a lock and may lose each other's changes: a use that was not noted.
 */
#ifndef PGFIRST_USAGE_H
#define PGFIRST_USAGE_H

#include <stddef.h>
#include <stdint.h>

#define PGFIRST_USAGE_ID_BYTES 16 /* of an id: a uniform hash */
#define PGFIRST_USAGE_WRITES   16 /* to a tick */
#define PGFIRST_USAGE_LINE     64 /* bytes */
#define PGFIRST_USAGE_OLDEST   0x3FFFFF

typedef struct Usage Usage;

/* What is known of a key. */
typedef struct UsageOf
{
	uint32_t value; /* uses, each counted as PGFIRST_USAGE_ONE when it was new */
	uint32_t age;   /* ticks since the last */
} UsageOf;

#define PGFIRST_USAGE_ONE 16

/* The bytes of a table with so many lines, a power of two; the caller hands them in, zeroed. */
extern size_t pgfirst_usage_size(uint32_t lines);
extern void pgfirst_usage_begin(Usage *usage, uint32_t lines);

/* The half-life that suits so many keys, as the logarithm of ticks; see the head of usage.c. */
extern unsigned pgfirst_usage_half_life(uint64_t keys);

/* The key is used.  salt tells keys of the same id apart, such as those of several databases. */
extern void pgfirst_usage_touch(Usage *usage, const uint8_t *id, uint32_t salt, unsigned half_life);

/* It will be soon: brings its line into the cache. */
extern void pgfirst_usage_prefetch(const Usage *usage, const uint8_t *id, uint32_t salt);

/* PGFIRST_USAGE_WRITES keys have been written. */
extern void pgfirst_usage_tick(Usage *usage);

extern UsageOf pgfirst_usage_of(const Usage *usage, const uint8_t *id, uint32_t salt,
                                unsigned half_life);

#endif
