/* SPDX-License-Identifier: PostgreSQL
 *
 * set.h: what the commands on sets share with the functions of SQL.
 */
#ifndef PGFIRST_KV_CMD_SET_H
#define PGFIRST_KV_CMD_SET_H

#include "kv/cmd/elements.h"

typedef enum KvSetOperation
{
	KV_SET_INTER,
	KV_SET_UNION,
	KV_SET_DIFF
} KvSetOperation;

/* Gives `each` the members that the sets, which are open, have in common, or as it may be; until it says false. */
extern void kv_sets_combine(KvSetOperation operation, KvMembers *sets, int count, KvEachMember each,
                            void *context);

#endif
