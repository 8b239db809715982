/* SPDX-License-Identifier: PostgreSQL
 *
 * listing.h: what SCAN and KEYS share with the commands on collections.
 */
#ifndef PGFIRST_KV_LISTING_H
#define PGFIRST_KV_LISTING_H

#include "kv/cmd/command.h"

/*
 * SCAN and its like go through the order of hashes, and a cursor is the upper 53 bits of the hash where to go on: clients
 * keep cursors in doubles (node-redis 4) and in signed integers, which lose bits of longer ones, and with them
 * elements.  What shares these bits is returned together.
 */
#define KV_CURSOR_BITS 53

static inline uint64
kv_cursor_at(uint64 hash)
{
	return hash >> (64 - KV_CURSOR_BITS);
}

/* Reads the cursor that argument i is, and gives the first hash that it means; answers and returns false if it is none. */
extern bool kv_scan_cursor(KvCall *call, int i, uint64 *from);

extern void kv_scan_write_cursor(KvCall *call, uint64 cursor);

/* For what took several turns: the earlier ones have read what is perhaps not yet durable. */
extern void kv_slices_note_position(KvCall *call);

/* Answers that what was found does not fit into the memory of clients. */
extern void kv_reply_no_memory(KvCall *call);

#endif
