/* SPDX-License-Identifier: PostgreSQL
 *
 * pgfirst.c: the library's table of contents.
 *
 * One line per part, in the order in which they build on each other.  Each registers its own
 * settings, shared memory, callbacks and processes.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "base/flush.h"
#include "base/guc.h"
#include "base/keylock.h"
#include "base/shmem.h"
#include "base/worker.h"
#include "base/xact.h"
#include "cache/cache.h"
#include "kv/kv.h"
#include "store/store.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	pgfirst_shmem_init();
	pgfirst_xact_init();
	pgfirst_worker_init();
	pgfirst_keylock_init();
	pgfirst_flush_init();
	pgfirst_store_init();
	pgfirst_kv_init();
	pgfirst_cache_init();
	pgfirst_guc_reserve();
}
