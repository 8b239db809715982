/* SPDX-License-Identifier: PostgreSQL
 *
 * catalog.h: changing what the table `database` says, from inside a turn or a call of SQL.
 */
#ifndef PGFIRST_KV_CATALOG_H
#define PGFIRST_KV_CATALOG_H

#include "postgres.h"

#include "kv/database.h"

/*
 * Keeps other writers of the table away until the end of the transaction, and reads it again if it has
 * changed.  False if wait is false and somebody is changing it.
 */
extern bool kv_catalog_lock(bool wait);

/*
 * Gives an existing database other settings, under the lock; not to and from volatile, for which its store
 * must be written anew.
 */
extern void kv_catalog_configure(int number, const KvSettings *settings);

/*
 * Locks what an exchange of two existing databases needs, until the end of the transaction.  False if
 * somebody uses one of them and wait is false, or if one has become another meanwhile.
 */
extern bool kv_catalog_swap_lock(int a, int b, bool wait);

/* Exchanges two databases, which are locked. */
extern void kv_catalog_swap(int a, int b);

/* Some process that uses one of them, 0 if there is none. */
extern int kv_catalog_swap_holder(int a, int b);

#endif
