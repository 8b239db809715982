/* SPDX-License-Identifier: PostgreSQL
 *
 * generic.h: what the commands on keys of any type share.
 */
#ifndef PGFIRST_KV_GENERIC_H
#define PGFIRST_KV_GENERIC_H

#include "kv/cmd/command.h"

/*
 * Whether the key that argument i is lives in this database; its type, expiry and length.  The bytes
 * are forgotten, for there may be a million keys in one command.
 */
extern bool kv_key_find(KvCall *call, KvSpace *space, int i, KvEntry *entry);

#endif
