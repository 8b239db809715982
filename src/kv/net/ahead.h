/* SPDX-License-Identifier: PostgreSQL
 *
 * ahead.h: a look at the commands that come next, so that what they read is on its way.
 */
#ifndef PGFIRST_KV_AHEAD_H
#define PGFIRST_KV_AHEAD_H

#include "lib/ilist.h"

/*
 * Looks at the next commands of the clients in `ready`, in the order in which they will run, and asks
 * for the records of their keys.  Returns how many commands to run before the next look, at least 1.
 * Inside of a turn.
 */
extern int kv_ahead_look(dlist_head *ready);

/* Called once, before the first turn. */
extern void kv_ahead_begin(void);

#endif
