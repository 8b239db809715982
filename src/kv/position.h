/* SPDX-License-Identifier: PostgreSQL
 *
 * position.h: what the command under way depends on: what the store read for it, and the epoch of
 * the database, which was read once for the whole turn.
 */
#ifndef PGFIRST_KV_POSITION_H
#define PGFIRST_KV_POSITION_H

#include "postgres.h"

#include "access/xlogdefs.h"

/* A new command: depends on nothing yet. */
extern void kv_position_reset(void);

/* The command depends on this position too. */
extern void kv_position_note(XLogRecPtr position);

/*
 * The position that must be durable before the command's reply leaves; PGFIRST_POSITION_OWN if it
 * depends on the transaction under way.
 */
extern XLogRecPtr kv_position(void);

/* The same without what the transaction itself has changed. */
extern XLogRecPtr kv_position_others(void);

#endif
