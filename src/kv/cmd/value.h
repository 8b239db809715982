/* SPDX-License-Identifier: PostgreSQL
 *
 * value.h: what the commands on strings share: reading a value or a part of it, replacing it.
 *
 * A value may have 512 MB.  So a command brings in no more of it than it looks at; what it brings in
 * goes to kv_scratch(), which is empty again when the command ends, because there may be many such
 * commands in one turn; and the new value is put together where it is put from.
 */
#ifndef PGFIRST_KV_VALUE_H
#define PGFIRST_KV_VALUE_H

#include "postgres.h"

#include "kv/cmd/command.h"
#include "kv/cmd/stats.h"

extern void kv_reply_wrong_type(KvCall *call);

/* For INFO: a read of a key, for its own sake and not in order to change it. */
static inline void
kv_count_lookup(const KvCall *call, bool hit)
{
	if (call->looked_up)
		return;
	kv_stats_add(hit ? &kv_stats->keyspace_hits : &kv_stats->keyspace_misses, 1);
	kv_stats_count_lookups(call->space->number, call->space->tenant, hit, !hit);
}

/*
 * Reads the key that argument i is into kv_scratch(), at least the first `limit` bytes of its value;
 * a missing key reads as an empty value.  False after answering that the key is no string.
 */
extern bool kv_value_read(KvCall *call, int i, Size limit, KvEntry *entry);

/*
 * The same as far as the byte `last`, as kv_range_resolve() understands it; behind the end of the value
 * is nothing to be read.
 */
extern bool kv_value_read_to(KvCall *call, int i, int64 last, KvEntry *entry);

/*
 * Whether a range of something of this length holds anything: from start to end, both included, negative
 * ones from the end, and the first one where that is too far.  Makes them proper places.
 */
extern bool kv_range_resolve(int64 length, int64 *start, int64 *end);

/*
 * Two places before the beginning are both the first one.  GETRANGE and BITCOUNT, but not BITPOS, say
 * of those in the wrong order that nothing is between them.
 */
static inline bool
kv_range_backward(int64 start, int64 end)
{
	return start < 0 && end < 0 && start > end;
}

/*
 * Whether a string may be `more` bytes longer than `length`; answers if not.  Both are at least 0.
 */
extern bool kv_value_may_grow(KvCall *call, int64 length, int64 more);

/* A new value of the key that argument i is, on its way. */
typedef struct KvDraft
{
	char *bytes; /* to be filled in by the command; NULL: there is no room for them */
	PgfirstRecord record;
} KvDraft;

/*
 * Makes room for a value of `length` bytes with that expiry.  Without draft->bytes the command returns
 * what this returns: it has answered, or it is tried again when the turn has more room.
 */
extern KvOutcome kv_draft_begin(KvCall *call, int i, Size length, int64 expiry, KvDraft *draft);

/*
 * The same for a changed value: the old bytes, as many of them as fit, stand in the draft already, and
 * its expiry stays.  The old entry's bytes, if they were read by kv_value_read(), are gone.
 */
extern KvOutcome kv_draft_change(KvCall *call, int i, const KvEntry *old, Size length,
                                 KvDraft *draft);

extern void kv_draft_put(KvCall *call, KvDraft *draft);

#endif
