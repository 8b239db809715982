/* SPDX-License-Identifier: PostgreSQL
 *
 * save.h: SAVE, BGSAVE and LASTSAVE: PostgreSQL's checkpoints in Redis's words.
 */
#ifndef PGFIRST_KV_SAVE_H
#define PGFIRST_KV_SAVE_H

#include "postgres.h"

/* Whether a checkpoint that BGSAVE or SAVE has asked for is under way. */
extern bool kv_save_in_progress(void);

/* When the last checkpoint began, in seconds since 1970; 0 as long as that could not be read yet. */
extern int64 kv_save_last(void);

/* Called once by kv's init. */
extern void kv_save_init(void);

#endif
