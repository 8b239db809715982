/* SPDX-License-Identifier: PostgreSQL
 *
 * blocking.h: what commands that wait for keys share.
 */
#ifndef PGFIRST_KV_CMD_BLOCKING_H
#define PGFIRST_KV_CMD_BLOCKING_H

#include "kv/cmd/command.h"

/*
 * Nothing is there: waits, 0: for ever, until the keys that these arguments are have something of this type; or answers
 * that there is nothing, with a null array or a null.
 */
extern KvOutcome kv_wait_for_keys(KvCall *call, KvType type, int first, int last, int64 timeout_us,
                                  bool array);

/*
 * Whether this very command has waited for its keys: then it does not mind what they have become, and knows what it
 * remembers for its own.  Within an EXEC or a script nothing waits.
 */
extern bool kv_has_waited(const KvCall *call);

/* Whose wait CLIENT UNBLOCK has ended takes nothing that has come since. */
extern bool kv_waits_no_longer(const KvCall *call);

#endif
