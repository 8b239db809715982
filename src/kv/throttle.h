/* SPDX-License-Identifier: PostgreSQL
 *
 * throttle.h: how fast one address may try passwords.
 */
#ifndef PGFIRST_KV_THROTTLE_H
#define PGFIRST_KV_THROTTLE_H

#include "postgres.h"

typedef enum KvThrottle
{
	KV_THROTTLE_NOW,
	KV_THROTTLE_WAIT, /* until *turn_us, which is reserved, and may be now */
	KV_THROTTLE_NEVER /* too many wait before it */
} KvThrottle;

/* Who is refused is told to try again then: most of what it waits for has passed. */
#define KV_THROTTLE_AGAIN_S 3

/*
 * Whether a login from this address ("1.2.3.4:5", "[::1]:5", or a socket's name) is looked at now.  Who is
 * told to wait has a place reserved and does not ask again.
 */
extern KvThrottle kv_throttle_ask(const char *address, int64 now_us, int64 *turn_us);

/* Who had a moment reserved has been looked at. */
extern void kv_throttle_looked(const char *address, int64 now_us);

/* A login from this address has failed. */
extern void kv_throttle_failed(const char *address, int64 now_us);

/* Called once by kv's init. */
extern void kv_throttle_init(void);

#endif
