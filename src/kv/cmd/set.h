/* SPDX-License-Identifier: PostgreSQL
 *
 * set.h: what the commands on sets share with the functions of SQL.
 */
#ifndef PGFIRST_KV_CMD_SET_H
#define PGFIRST_KV_CMD_SET_H

#include "kv/cmd/combine.h"

/* Gives `each` the members that the sets have in common, or as it may be; until it says false. */
extern void kv_sets_combine(KvSetOperation operation, KvInputs *sets, KvEachMember each,
                            void *context);

#endif
