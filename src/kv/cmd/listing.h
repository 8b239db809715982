/* SPDX-License-Identifier: PostgreSQL
 *
 * listing.h: what SCAN shares with the scans of collections.
 */
#ifndef PGFIRST_KV_LISTING_H
#define PGFIRST_KV_LISTING_H

#include "kv/cmd/command.h"

/* Reads the cursor that argument i is; answers and returns false if it is none. */
extern bool kv_scan_cursor(KvCall *call, int i, uint64 *cursor);

#endif
