/* SPDX-License-Identifier: PostgreSQL
 *
 * siphash.c: SipHash-2-4 with a 128-bit result.
 *
 * The state is four 64-bit words.  The input is read as little-endian 64-bit words; each is mixed
 * in with two rounds, and the last one carries what is left over plus the length in its top byte:
 *
 *      input   | word | word | ... | leftover (0 to 7 bytes) . zeros . length mod 256 |
 *      rounds      2      2    2                            2                           4 + 4
 *
 * The result leaves the process (it becomes the id of stored records), so it must not depend on
 * the machine: bytes are put together and taken apart with shifts, which compilers turn into one
 * load or store where the machine is little endian.
 *
 * The streaming state keeps the leftover bytes in `tail`, already in their place; how many there
 * are follows from the length.
 */
#include "lib/hash/siphash.h"

#define ROTATE_LEFT(x, bits) (((x) << (bits)) | ((x) >> (64 - (bits))))

static inline uint64_t
word_read(const uint8_t *bytes)
{
	return (uint64_t) bytes[0] | (uint64_t) bytes[1] << 8 | (uint64_t) bytes[2] << 16 |
	       (uint64_t) bytes[3] << 24 | (uint64_t) bytes[4] << 32 | (uint64_t) bytes[5] << 40 |
	       (uint64_t) bytes[6] << 48 | (uint64_t) bytes[7] << 56;
}

static inline void
word_write(uint8_t *bytes, uint64_t word)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t) (word >> (8 * i));
}

static inline void
state_mix(SipHash *hash, int rounds)
{
	for (int i = 0; i < rounds; i++)
	{
		hash->v0 += hash->v1;
		hash->v1 = ROTATE_LEFT(hash->v1, 13) ^ hash->v0;
		hash->v0 = ROTATE_LEFT(hash->v0, 32);
		hash->v2 += hash->v3;
		hash->v3 = ROTATE_LEFT(hash->v3, 16) ^ hash->v2;
		hash->v0 += hash->v3;
		hash->v3 = ROTATE_LEFT(hash->v3, 21) ^ hash->v0;
		hash->v2 += hash->v1;
		hash->v1 = ROTATE_LEFT(hash->v1, 17) ^ hash->v2;
		hash->v2 = ROTATE_LEFT(hash->v2, 32);
	}
}

static inline void
state_absorb(SipHash *hash, uint64_t word)
{
	hash->v3 ^= word;
	state_mix(hash, 2);
	hash->v0 ^= word;
}

void
pgfirst_siphash_begin(SipHash *hash, const uint8_t key[PGFIRST_SIPHASH_KEY_BYTES])
{
	uint64_t k0 = word_read(key);
	uint64_t k1 = word_read(key + 8);

	/* The constants spell "somepseudorandomlygeneratedbytes"; 0xee marks the 128-bit form. */
	hash->v0 = k0 ^ UINT64_C(0x736f6d6570736575);
	hash->v1 = k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee;
	hash->v2 = k0 ^ UINT64_C(0x6c7967656e657261);
	hash->v3 = k1 ^ UINT64_C(0x7465646279746573);
	hash->tail = 0;
	hash->length = 0;
}

void
pgfirst_siphash_add(SipHash *hash, const void *data, size_t length)
{
	/* A local copy, so that the words can stay in registers. */
	SipHash state = *hash;
	const uint8_t *bytes = data;
	size_t left = length;
	unsigned int in_tail = state.length & 7;

	state.length += length;
	while (in_tail > 0 && left > 0)
	{
		state.tail |= (uint64_t) *bytes++ << (8 * in_tail);
		left--;
		in_tail = (in_tail + 1) & 7;
		if (in_tail == 0)
		{
			state_absorb(&state, state.tail);
			state.tail = 0;
		}
	}
	for (; left >= 8; left -= 8, bytes += 8)
		state_absorb(&state, word_read(bytes));
	/* Either the tail is empty here, or nothing is left. */
	for (size_t i = 0; i < left; i++)
		state.tail |= (uint64_t) bytes[i] << (8 * i);
	*hash = state;
}

void
pgfirst_siphash_end(SipHash *hash, uint8_t result[PGFIRST_SIPHASH_RESULT_BYTES])
{
	SipHash state = *hash;

	state_absorb(&state, state.tail | state.length << 56);
	state.v2 ^= 0xee;
	state_mix(&state, 4);
	word_write(result, state.v0 ^ state.v1 ^ state.v2 ^ state.v3);
	state.v1 ^= 0xdd;
	state_mix(&state, 4);
	word_write(result + 8, state.v0 ^ state.v1 ^ state.v2 ^ state.v3);
}

void
pgfirst_siphash(const uint8_t key[PGFIRST_SIPHASH_KEY_BYTES], const void *data, size_t length,
                uint8_t result[PGFIRST_SIPHASH_RESULT_BYTES])
{
	SipHash hash;

	pgfirst_siphash_begin(&hash, key);
	pgfirst_siphash_add(&hash, data, length);
	pgfirst_siphash_end(&hash, result);
}
