/* SPDX-License-Identifier: PostgreSQL
 *
 * worker.h: the processes of the Redis door.
 */
#ifndef PGFIRST_KV_WORKER_H
#define PGFIRST_KV_WORKER_H

/* Called once by kv's init, behind the settings. */
extern void kv_worker_init(void);

#endif
