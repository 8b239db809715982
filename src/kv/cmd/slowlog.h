/* SPDX-License-Identifier: PostgreSQL
 *
 * slowlog.h: the commands that took longest, of all workers.
 */
#ifndef PGFIRST_KV_SLOWLOG_H
#define PGFIRST_KV_SLOWLOG_H

#include "kv/cmd/command.h"

/* Whether the command that has just been executed may have been slow: if not, nobody need ask how slow. */
extern bool kv_slowlog_may_be(void);

/* A command has been executed, in so many microseconds: logs it if that was long. */
extern void kv_slowlog_note(const KvCall *call, int64 took_us);

/* What CONFIG SET sets: microseconds, -1 for never; and how many are kept. */
extern void kv_slowlog_set_slower_than(int64 microseconds);
extern void kv_slowlog_set_max_len(int64 entries);

/* Called once by kv's init. */
extern void kv_slowlog_init(void);

#endif
