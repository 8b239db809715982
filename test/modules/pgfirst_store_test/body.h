/* SPDX-License-Identifier: PostgreSQL
 *
 * body.h: bytes that driver and server both can make from a seed, and their sum.
 */
#ifndef CONTRACT_BODY_H
#define CONTRACT_BODY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t
body_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static inline void
body_fill(char *data, size_t length, uint64_t seed)
{
	for (size_t done = 0; done < length; done += 8)
	{
		uint64_t word = body_random(&seed);

		memcpy(data + done, &word, length - done < 8 ? length - done : 8);
	}
}

/* FNV-1a, over words of eight bytes as far as they go. */
static inline uint64_t
body_sum(const char *data, size_t length)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	size_t done = 0;

	for (; done + 8 <= length; done += 8)
	{
		uint64_t word;

		memcpy(&word, data + done, 8);
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
		sum ^= sum >> 29;
	}
	for (; done < length; done++)
		sum = (sum ^ (unsigned char) data[done]) * UINT64_C(0x100000001b3);
	return sum;
}

#endif
