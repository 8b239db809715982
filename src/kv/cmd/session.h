/* SPDX-License-Identifier: PostgreSQL
 *
 * session.h: what a client has told us so far.
 *
 * The commands' view of a connection: no sockets and no buffers, except the one the reply goes to.
 */
#ifndef PGFIRST_KV_SESSION_H
#define PGFIRST_KV_SESSION_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "lib/ilist.h"

#include "lib/resp/resp.h"

#define KV_ADDRESS_TEXT 128 /* bytes of "[address]:port" or of a socket's file name, cut */

/* What CLIENT UNBLOCK has said to a command that waits. */
typedef enum KvUnblocked
{
	KV_UNBLOCKED_NOT,
	KV_UNBLOCKED_TIMEOUT,
	KV_UNBLOCKED_ERROR
} KvUnblocked;

typedef struct KvSession
{
	dlist_node link; /* in the list of the worker's sessions, oldest first */
	uint64 id;       /* unique in the server, never used again */
	Oid role;        /* InvalidOid until authenticated */
	/* What was found out of the role, good in this generation of rights and until this moment; 0: nothing. */
	uint64 granted;
	int64 granted_until_ms; /* wall clock */
	bool usage;             /* of the extension's schema */
	uint32 levels;          /* a KvLevels */
	int32 tenant_set;       /* by pgfirst.tenant when it logged in; -1: not */
	uint32 tenant;
	int database;
	/*
	 * Of a parked command: the argument that is the key which it could not lock; 0: none; -1 - n: what it
	 * needs in another database, n.
	 */
	int blocked_argument;
	RespBuffer reply; /* reply.protocol is the protocol */
	/*
	 * The end of the last reply, where that is too large to be copied there.  It is sent behind it, and no command
	 * runs before it has become `reply` itself.
	 */
	RespBuffer tail;

	/* For CLIENT LIST; from reply.allocator, so that they count as the client's; NULL if not set. */
	char *name;
	char *library_name;
	char *library_version;
	char address[KV_ADDRESS_TEXT];
	char local_address[KV_ADDRESS_TEXT];
	int fd;
	struct KvSeat *seat;                  /* where others see it; see roster.h */
	bool renamed;                         /* one of these texts is not what they see there */
	int64 created_us;                     /* monotonic */
	int64 active_us;                      /* monotonic, of the last command */
	const struct KvCommand *last_command; /* NULL before the first */
	uint64 commands;
	Size input_bytes; /* buffered now */

	struct KvScriptKey *script_key; /* that a script could not lock; memory as of the texts */
	struct KvListing *listing;      /* of a KEYS that takes several turns; memory as of the texts */
	struct KvReading *reading;      /* of a large reply, likewise */
	struct KvXread *xread;          /* what XREAD remembers while it waits; likewise */
	struct KvMulti *multi; /* what MULTI keeps and WATCH watches; likewise, NULL: nothing */

	/* Of CLIENT REPLY, NO-EVICT and NO-TOUCH. */
	bool reply_off;
	bool reply_skip;      /* the reply of the command under way */
	bool reply_skip_next; /* of the one after it */
	bool no_evict;
	bool no_touch;

	dlist_head subscriptions[2]; /* to channels, and to patterns; see pubsub.c */
	int channels;                /* how many they are */
	int patterns;

	bool reshaped;             /* by the command under way: see KV_RESHAPES */
	bool wrote;                /* in the turn under way */
	XLogRecPtr write_position; /* its last change is flushed when this is; invalid before one */

	/* Of a command that others do not let read something as of one moment; see reading.h. */
	uint64 insists;         /* its number + 1; 0: none */
	int64 insists_until_us; /* monotonic, where it cannot lock what it reads */

	/* Of a command that waits for news (KV_PARK_NEWS). */
	int64 call_again_us;      /* monotonic; when it wants to be called again */
	int64 wait_until_us;      /* monotonic, for the command's own use; 0 when it begins */
	XLogRecPtr wait_position; /* likewise */
	bool waits;               /* it is parked now */
	KvUnblocked unblocked;

	bool close;  /* answer what is pending, then close */
	bool killed; /* close, whatever is pending */
} KvSession;

/* All sessions of this worker. */
typedef struct KvSessions
{
	dlist_head list;
	int count;
	int killed;    /* that are still in the list */
	int unblocked; /* that are to be called again at once */
} KvSessions;

extern KvSessions kv_sessions;

extern void kv_session_begin(KvSession *session, RespAllocator allocator);
extern void kv_session_end(KvSession *session);

/* As before AUTH. */
extern void kv_session_log_out(KvSession *session);

/* Has it closed at the end of the turn, without an answer to anything. */
extern void kv_session_kill(KvSession *session);

/*
 * Ends the wait of a session of this tenant, as its time's end would, or with an error; false if it does not wait, or
 * not any longer.
 */
extern bool kv_session_unblock(uint64 id, uint32 tenant, bool error);

/* Likewise of this one. */
extern bool kv_session_end_wait(KvSession *session, bool error);

/* Whether it has subscribed to something and can therefore, in RESP2, send few other commands. */
static inline bool
kv_session_only_listens(const KvSession *session)
{
	return session->channels + session->patterns > 0 && session->reply.protocol == 2;
}

/* A command is done: whether CLIENT REPLY wants its reply dropped.  Asked once for each. */
extern bool kv_session_silent(KvSession *session);

/* What the buffer has becomes the end of the reply, as it is; the buffer is empty afterwards. */
extern void kv_session_hand_over(KvSession *session, RespBuffer *end);

/* Takes back all that was replied from byte `start` of the reply on. */
extern void kv_session_take_back(KvSession *session, Size start);

/* Forgets what was found in slices, and gives its memory back; the second is of both. */
extern void kv_session_drop_listing(KvSession *session);
extern void kv_session_drop_reading(KvSession *session);
extern void kv_session_drop_slices(KvSession *session);

/* Forgets where an XREAD that has waited began. */
extern void kv_session_drop_xread(KvSession *session);

/* Forgets the key that a script could not lock. */
extern void kv_session_drop_script_key(KvSession *session);

/* Forgets the transaction that MULTI has begun, and what is watched. */
extern void kv_multi_forget(KvSession *session);

/* As after connecting, for RESET: transaction, name, database, protocol and login are forgotten. */
extern void kv_session_reset(KvSession *session);

/* Replaces one of the texts above; words may be NULL.  False, and the old text, without memory. */
extern bool kv_session_set_text(KvSession *session, char **where, const char *words, Size length);

#endif
