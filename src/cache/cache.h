/* SPDX-License-Identifier: PostgreSQL
 *
 * cache.h: what others may use of cache.  So far: its start.
 */
#ifndef PGFIRST_CACHE_H
#define PGFIRST_CACHE_H

/* Called once by _PG_init: the setting, the memory that clean-ups report in. */
extern void pgfirst_cache_init(void);

#endif
