/* SPDX-License-Identifier: PostgreSQL
 *
 * upkeep.h: the process that keeps the databases in order: first start, counting, sweeping.
 */
#ifndef PGFIRST_KV_UPKEEP_H
#define PGFIRST_KV_UPKEEP_H

/* Called once by kv's init. */
extern void kv_upkeep_init(void);

#endif
