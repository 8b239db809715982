/* SPDX-License-Identifier: PostgreSQL
 *
 * rows.h: keys as rows of their store's table, for SQL, COPY and pg_dump.
 */
#ifndef PGFIRST_KV_ROWS_H
#define PGFIRST_KV_ROWS_H

/* Called once by _PG_init. */
extern void kv_rows_init(void);

#endif
