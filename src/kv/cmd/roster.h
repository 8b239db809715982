/* SPDX-License-Identifier: PostgreSQL
 *
 * roster.h: the clients of all workers: what others may know of them, and ask of them.
 *
 * A worker has sessions of its own only.  Where there are several workers, each keeps in shared memory what CLIENT LIST
 * shows of its clients, and finds there what clients of others have asked: that one be closed, or wait no longer.
 *
 *     who asks                                    whose client it is
 *     1  reads the others' clients                a  runs commands of the client
 *     2  notes what it asks at the client         b  shows what it is now, before it replies
 *     3  rings, and replies                       c  does what is noted, before it begins a turn, or gives
 *                                                    somebody who waits an element
 *
 * So the answer is there at once, also within MULTI, and however long another worker is busy with a script; and it is
 * kept: whoever has sent something after the answer of 3 has sent it to a client that is closed, or waits no longer.
 * A client that is being given an element at that moment waits no longer either, and keeps it.
 *
 * Rejected: to ask the workers for an answer, and to park who asks until it is there: it would wait for the slowest of
 * them, could not be had within MULTI, and would need a moment at which it is given up.
 */
#ifndef PGFIRST_KV_ROSTER_H
#define PGFIRST_KV_ROSTER_H

#include "kv/cmd/command.h"
#include "kv/cmd/session.h"

/* What is kept of texts of other workers' clients; what is longer is cut. */
typedef struct KvRosterTexts
{
	char address[KV_ADDRESS_TEXT];
	char local_address[KV_ADDRESS_TEXT];
	char name[256];
	char library_name[64];
	char library_version[64];
} KvRosterTexts;

/* A client as others see it. */
typedef struct KvPortrait
{
	uint64 id;
	uint32 tenant;
	Oid role;         /* InvalidOid: has not logged in */
	int64 created_us; /* monotonic */
	int64 active_us;
	const KvCommand *last_command; /* NULL: none; the table is at one place in all workers */
	int fd;
	int database;
	int protocol;
	int channels; /* that it has subscribed to */
	int patterns;
	int queued; /* behind MULTI; -1: it is not open */
	int watched;
	Size input; /* bytes of buffers */
	Size reply;
	Size reply_capacity;
	Size output_capacity;
	bool waits; /* for a key */
	bool no_evict;
	bool no_touch;
	bool killed; /* it will be closed */
	const char *address;
	const char *local_address;
	const char *name; /* of these, "" if there is none */
	const char *library_name;
	const char *library_version;
} KvPortrait;

extern void kv_portrait_take(const KvSession *session, KvPortrait *portrait);

/* ---- for who asks ------------------------------------------------------------------------ */

/* All clients of a tenant: those of this worker, then the others'.  In each by no order that others may rely on. */
typedef struct KvRosterWalk
{
	uint32 tenant;
	KvSession *session; /* the portrait's; NULL: it is another worker's */
	int worker;         /* 0: still among its own */
	int seat;
	uint64 id;
	KvRosterTexts texts;
} KvRosterWalk;

extern void kv_roster_walk(KvRosterWalk *walk, uint32 tenant);

/* The next client, good until the next call; false if there is none.  Nobody may end meanwhile. */
extern bool kv_roster_next(KvRosterWalk *walk, KvPortrait *portrait);

/* Has the client that came last closed; false if that has been asked already, or it has gone. */
extern bool kv_roster_kill(KvRosterWalk *walk);

/* Ends the wait of another worker's client, as kv_session_unblock() does. */
extern bool kv_roster_unblock(uint64 id, uint32 tenant, bool error);

/* ---- for whose clients they are ----------------------------------------------------------- */

/* The session's addresses are known; false without memory. */
extern bool kv_roster_join(KvSession *session);
extern void kv_roster_leave(KvSession *session);

/* What is to be seen of it from now on. */
extern void kv_roster_show(KvSession *session);

/* It waits for a key, or does not any more. */
extern void kv_roster_waits(KvSession *session);

/* Does what others have asked of this worker's clients: marks them, as kv_session_kill() and _unblock() do. */
extern void kv_roster_heed(void);

/* Worker `number`, from 1, begins. */
extern void kv_roster_begin(int number);

/* Called once by kv's init. */
extern void kv_roster_init(void);

#endif
