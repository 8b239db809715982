/* SPDX-License-Identifier: PostgreSQL
 *
 * access.h: what a role may do in which database, and which tenant it belongs to.
 */
#ifndef PGFIRST_KV_ACCESS_H
#define PGFIRST_KV_ACCESS_H

#include "postgres.h"

#include "kv/database.h"

/* Each includes those before it. */
typedef enum KvLevel
{
	KV_LEVEL_NONE,
	KV_LEVEL_READ,
	KV_LEVEL_WRITE,
	KV_LEVEL_ADMIN
} KvLevel;

/* The level of a role in every database, two bits each. */
typedef uint32 KvLevels;

StaticAssertDecl(KV_DATABASES <= 16, "the levels in all databases fit into a word");

static inline KvLevel
kv_level_in(KvLevels levels, int number)
{
	return (KvLevel) ((levels >> (2 * number)) & 3);
}

/* The word for a level: "read", "write", "admin". */
extern const char *kv_level_name(KvLevel level);

/*
 * Raised by everything on which a right depends: roles, memberships, schemas, databases, and what kv.grant and
 * its like write.  What was found out in an earlier generation is to be found out again.
 */
extern uint64 kv_access_generation(void);

/* Raises it: what the extension is has changed. */
extern void kv_access_forget(void);

/*
 * Reads the tables again if need be; false if a lock cannot be had now and `wait` is false.  Inside a
 * transaction, with the databases ready.
 */
extern bool kv_access_ready(bool wait);

/* What the role may, USAGE on the schema aside; and its tenant by kv.set_tenant.  After _ready. */
extern KvLevels kv_access_levels(Oid role);
extern uint32 kv_access_tenant(Oid role);

/* Whether kv.set_tenant has given any role that there is a tenant of its own.  After _ready. */
extern bool kv_access_has_tenants(void);

/*
 * Whether the tables have rows of roles that have been dropped.  If so they are locked for writing, unless
 * somebody else is writing them: then the answer is no.  After _ready.
 */
extern bool kv_access_lock_dropped(void);

/* Whether the levels are admin's in every database that there is. */
extern bool kv_access_everywhere(KvLevels levels);

/* ---- SQL --------------------------------------------------------------------------------- */

/*
 * From now on this process asks for every client itself, whose role and tenant are not its own: called
 * by the processes of the door.
 */
extern void kv_access_trust(void);

/* Whether the current user may read this database.  Waits for locks. */
extern bool kv_access_may_read(int number);

/*
 * Before a database is opened by SQL: makes the current user's tenant the one whose keys are reached, and
 * raises insufficient_privilege if it may not.  Does nothing in a process that asks itself.
 */
extern void kv_access_enter(int number, bool writable);

/* The current user's tenant. */
extern uint32 kv_access_my_tenant(void);

#endif
