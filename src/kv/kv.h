/* SPDX-License-Identifier: PostgreSQL
 *
 * kv.h: what other capabilities may use of kv.  So far: its start.
 */
#ifndef PGFIRST_KV_H
#define PGFIRST_KV_H

/* Called once by _PG_init: settings, counts, the workers of the door `redis`. */
extern void pgfirst_kv_init(void);

#endif
