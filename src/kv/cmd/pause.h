/* SPDX-License-Identifier: PostgreSQL
 *
 * pause.h: CLIENT PAUSE: for a tenant's clients in all workers, until it ends by itself or is lifted.
 */
#ifndef PGFIRST_KV_PAUSE_H
#define PGFIRST_KV_PAUSE_H

#include "kv/cmd/command.h"

/* Whether the command has to wait now; until then, at the latest (monotonic). */
extern bool kv_pause_holds(const KvCall *call, int64 *until_us);

/* Whether a pause has been lifted since the calling process asked last. */
extern bool kv_pause_lifted(void);

/* Keeps commands on keys of other workers from beginning for some milliseconds, so that this one comes in. */
extern void kv_pause_briefly(int64 now_us);

/* Called once by kv's init. */
extern void kv_pause_init(void);

#endif
