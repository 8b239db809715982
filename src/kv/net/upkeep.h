/* SPDX-License-Identifier: PostgreSQL
 *
 * upkeep.h: what a worker does between turns: first start, counting, sweeping.
 */
#ifndef PGFIRST_KV_UPKEEP_H
#define PGFIRST_KV_UPKEEP_H

#include "postgres.h"

/*
 * Does what is due now and returns when it wants to be called again, both in monotonic
 * microseconds.  Never raises: what fails is logged and tried again later.
 */
extern int64 kv_upkeep_run(int worker, int64 now_us);

#endif
