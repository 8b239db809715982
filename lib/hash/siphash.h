/* SPDX-License-Identifier: PostgreSQL
 *
 * siphash.h: SipHash-2-4 with a 128-bit result (Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF", 2012; the 128-bit form is that of the authors' reference code).
 *
 * A keyed hash, so that nobody who does not know the key can craft collisions.  Streaming, so that
 * a key can be hashed together with what it belongs to without being copied.
 */
#ifndef PGFIRST_SIPHASH_H
#define PGFIRST_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define PGFIRST_SIPHASH_KEY_BYTES    16
#define PGFIRST_SIPHASH_RESULT_BYTES 16

typedef struct SipHash
{
	uint64_t v0, v1, v2, v3;
	uint64_t tail;   /* bytes not yet a whole word, little endian */
	uint64_t length; /* bytes seen */
} SipHash;

extern void pgfirst_siphash_begin(SipHash *hash, const uint8_t key[PGFIRST_SIPHASH_KEY_BYTES]);
extern void pgfirst_siphash_add(SipHash *hash, const void *data, size_t length);
extern void pgfirst_siphash_end(SipHash *hash, uint8_t result[PGFIRST_SIPHASH_RESULT_BYTES]);

/* The three in one. */
extern void pgfirst_siphash(const uint8_t key[PGFIRST_SIPHASH_KEY_BYTES], const void *data,
                            size_t length, uint8_t result[PGFIRST_SIPHASH_RESULT_BYTES]);

#endif
