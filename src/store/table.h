/* SPDX-License-Identifier: PostgreSQL
 *
 * table.h: the columns of a store's table, and how one is recognized.
 */
#ifndef PGFIRST_STORE_TABLE_H
#define PGFIRST_STORE_TABLE_H

#define STORE_COLUMN_ID     1
#define STORE_COLUMN_KIND   2
#define STORE_COLUMN_EXPIRY 3
#define STORE_COLUMN_BODY   4
#define STORE_COLUMNS       4

#endif
