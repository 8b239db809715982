/* SPDX-License-Identifier: PostgreSQL
 *
 * store_api.h: the contract as a table, for the contract test.
 *
 * The library hides its symbols.  Another module of the same server (the contract test) finds the
 * functions of store.h through the rendezvous variable "pgfirst_store", which points to this.
 */
#ifndef PGFIRST_STORE_API_H
#define PGFIRST_STORE_API_H

#include "store/store.h"

struct StoreEdit;
struct StoreRecord;

#define PGFIRST_STORE_API "pgfirst_store"

/* Each member is the function of store.h that bears its name. */
#define PGFIRST_STORE_FUNCTIONS(X)                                                                 \
	X(store_create)                                                                                \
	X(store_open)                                                                                  \
	X(store_get)                                                                                   \
	X(store_get_hot)                                                                               \
	X(store_together_begin)                                                                        \
	X(store_together_begin_brief)                                                                  \
	X(store_together_end)                                                                          \
	X(store_stamp)                                                                                 \
	X(store_stamp_stands)                                                                          \
	X(store_stamp_holds)                                                                           \
	X(store_changes)                                                                               \
	X(store_prefetch)                                                                              \
	X(store_get_each)                                                                              \
	X(store_walk)                                                                                  \
	X(store_walk_parts)                                                                            \
	X(walk_seek)                                                                                   \
	X(walk_next)                                                                                   \
	X(walk_end)                                                                                    \
	X(store_sample)                                                                                \
	X(store_position)                                                                              \
	X(store_position_others)                                                                       \
	X(store_position_reset)                                                                        \
	X(store_lock)                                                                                  \
	X(store_lock_all)                                                                              \
	X(store_lock_whole)                                                                            \
	X(store_locks)                                                                                 \
	X(store_locks_spared)                                                                          \
	X(store_lock_holder)                                                                           \
	X(store_room)                                                                                  \
	X(store_put)                                                                                   \
	X(store_expire)                                                                                \
	X(store_drop_changes)                                                                          \
	X(store_delete)                                                                                \
	X(store_delete_known)                                                                          \
	X(store_incarnation)                                                                           \
	X(store_changed)                                                                               \
	X(store_sweep)                                                                                 \
	X(store_commands_apart)                                                                        \
	X(store_tidy)                                                                                  \
	X(store_shrink)                                                                                \
	X(store_untidy)                                                                                \
	X(store_observe)                                                                               \
	X(store_parts)                                                                                 \
	X(store_check)                                                                                 \
	X(store_census)

typedef struct PgfirstStoreApi
{
#define PGFIRST_MEMBER(name) __typeof__(pgfirst_##name) *name;
	PGFIRST_STORE_FUNCTIONS(PGFIRST_MEMBER)
#undef PGFIRST_MEMBER
} PgfirstStoreApi;

/*
 * Points at which the store can be watched, and stopped, by a test: the rendezvous variable
 * "pgfirst_store_watch" points to this.  point may raise, except at "after a record".  record_page is
 * pgfirst_record_page() of wal.h, which refuses a fifth page.
 */
#define PGFIRST_STORE_WATCH "pgfirst_store_watch"

typedef struct PgfirstStoreWatch
{
	void (*point)(const char *name);
	struct StoreEdit *(*record_page)(struct StoreRecord *record, int buffer);
} PgfirstStoreWatch;

#endif
