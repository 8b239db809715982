/* SPDX-License-Identifier: PostgreSQL
 *
 * ahead.h: a look at the commands that come next, so that what they read is on its way, and they are parsed once.
 */
#ifndef PGFIRST_KV_AHEAD_H
#define PGFIRST_KV_AHEAD_H

#include "lib/ilist.h"

#include "kv/net/client.h"

/*
 * Looks at the next commands of the clients in `ready`, in the order in which they will run, and asks
 * for the records of their keys.  Returns how many commands to run before the next look, at least 1.
 * Inside of a turn.
 */
extern int kv_ahead_look(dlist_head *ready);

/* A turn begins: clients may have other bytes where they had some. */
extern void kv_ahead_forget(void);

/*
 * Parses the client's next command, as pgfirst_resp_parse() does, into its parser.  Of what a look has met that is only taken
 * over; *command is then its row of the table, if nothing but its name says which that is, else NULL.
 */
extern RespStatus kv_ahead_parse(KvClient *client, const KvCommand **command);

/* Called once, before the first turn. */
extern void kv_ahead_begin(void);

#endif
