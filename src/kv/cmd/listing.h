/* SPDX-License-Identifier: PostgreSQL
 *
 * listing.h: what SCAN and KEYS share with the commands on collections.
 */
#ifndef PGFIRST_KV_LISTING_H
#define PGFIRST_KV_LISTING_H

#include "kv/cmd/command.h"

/* Reads the cursor that argument i is; answers and returns false if it is none. */
extern bool kv_scan_cursor(KvCall *call, int i, uint64 *cursor);

/* For what took several turns: the earlier ones have read what is perhaps not yet durable. */
extern void kv_slices_note_position(KvCall *call);

/* Answers that what was found does not fit into the memory of clients. */
extern void kv_reply_no_memory(KvCall *call);

#endif
