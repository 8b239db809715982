/* SPDX-License-Identifier: PostgreSQL
 *
 * client.h: a connection of the Redis door: its socket, its bytes, and when they may leave.
 *
 * Replies gather in session.reply.  What may be sent ends where the first mark begins whose
 * position is not durable yet:
 *
 *     sent            marks[0].start       marks[1].start            reply.length
 *      |---- may leave ----|---- waits for position 0 ----|---- waits for position 1 ----|
 *
 * Positions only grow from mark to mark, because replies leave in order anyway.  A reply that
 * depends on the turn under way has a mark with PGFIRST_POSITION_OWN; when the turn commits, the
 * mark gets the position of the commit, when it aborts, the replies behind it become errors.
 *
 * A client is in one of these states, and in the list of that state:
 *
 *     IDLE     nothing to run: waits for its socket
 *     READY    may have a complete command buffered
 *     AGAIN    READY in the next turn
 *     PARKED   its next command waits: for a lock, for the keys to be counted, for a moment
 *     STALLED  its replies are not being read: nothing of it runs until some have left
 */
#ifndef PGFIRST_KV_CLIENT_H
#define PGFIRST_KV_CLIENT_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "lib/ilist.h"
#include "lib/pairingheap.h"

#include "kv/cmd/command.h"
#include "kv/cmd/session.h"
#include "lib/resp/resp.h"

typedef enum KvClientState
{
	KV_CLIENT_IDLE,
	KV_CLIENT_READY,
	KV_CLIENT_AGAIN,
	KV_CLIENT_PARKED,
	KV_CLIENT_STALLED,
	KV_CLIENT_STATES
} KvClientState;

/* How those are counted that are PARKED and wait for keys; of the others it is what they are parked for. */
#define KV_PARK_KEYS (KV_PARK_NEWS + 1)

typedef struct KvMark
{
	uint64 start; /* counted from the first byte ever replied to this client */
	XLogRecPtr position;
} KvMark;

typedef struct KvClient
{
	KvSession session;
	int fd;
	uint32 interest;   /* what epoll was last told */
	struct KvTls *tls; /* see tls.h; NULL for a connection that is not encrypted */
	KvClientState state;
	dlist_node state_link;

	bool unread;      /* the socket may have more, of which epoll will not tell by itself */
	bool peer_closed; /* the client will send no more */
	bool broken;      /* the socket failed, or memory ran out: nothing more can be sent */

	Size memory; /* in its buffers and texts */

	/* Received and not yet run: input[input_start .. input_end). */
	char *input;
	Size input_start;
	Size input_end;
	Size input_capacity;
	RespParser parser;

	/* Replied and not yet sent. */
	uint64 reply_base; /* the number of session.reply.data[0] among all bytes replied */
	Size sent;         /* of session.reply */
	uint64 sent_seen;  /* of all bytes replied, when it was last looked whether it is idle */
	KvMark *marks;
	int marks_first;
	int marks_end;
	int marks_capacity;
	bool gated; /* in the list of clients with marks */
	dlist_node gated_link;

	/* In the turn under way. */
	bool touched; /* in the turn's list: has replies to send, or an interest to change */
	dlist_node touched_link;
	int own_replies;       /* that depend on the turn's commit */
	bool own_durable;      /* one of them on its flush too */
	bool own_reshapes;     /* one of them says that the connection is another now */
	XLogRecPtr own_others; /* the latest other position that they depend on */

	/* While PARKED, and while what has been parked is tried again. */
	bool blocked; /* INFO counts it */
	KvOutcome parked_for;
	int64 parked_deadline; /* monotonic microseconds; 0: not parked yet with this command */
	pairingheap_node deadline_node; /* while PARKED, in the order of that */
	int parked_as;                  /* what kv_clients.parked counts it as */
	struct KvWait *waits;           /* for keys; see waits.h */
	int waits_count;
} KvClient;

/* ---- all clients of this worker ---------------------------------------------------------- */

typedef struct KvClients
{
	int epoll;
	MemoryContext context; /* of all that they need */
	dlist_head states[KV_CLIENT_STATES];
	pairingheap *deadlines;       /* of those that are PARKED */
	int parked[KV_PARK_KEYS + 1]; /* how many are, for each reason */
	dlist_head gated;             /* with marks, oldest first */
	dlist_head touched;           /* in this turn */
	int blocked;                  /* clients whose command waits */
	Size memory;                  /* in buffers and texts */
	Size memory_published;
} KvClients;

extern KvClients kv_clients;

extern void kv_clients_begin(int epoll);

/* Brings the memory of this worker's clients into the statistics. */
extern void kv_clients_publish(void);

/*
 * Takes over a connected, non-blocking socket, encrypted or not; NULL, and nothing taken over, without
 * memory.  One that is not welcome is encrypted, and is only there to be told so.
 */
typedef enum KvClientKind
{
	KV_CLIENT_PLAIN,
	KV_CLIENT_TLS,
	KV_CLIENT_TLS_UNWELCOME
} KvClientKind;

extern KvClient *kv_client_open(int fd, KvClientKind kind, const char *address,
                                const char *local_address);

/* Gives back all memory but the client's own, with what it has received, kept and not yet sent. */
extern void kv_client_free_buffers(KvClient *client);

/* As send(), to a client that may be encrypted. */
extern ssize_t kv_client_send(KvClient *client, const char *data, Size size);

/* Closes the socket and gives everything back. */
extern void kv_client_close(KvClient *client);

extern void kv_client_enter(KvClient *client, KvClientState state);

/* One that is PARKED has another deadline. */
extern void kv_client_parked_until(KvClient *client, int64 deadline_us);

/* Its command waits, or has been answered: for INFO, which must not see that it is tried now and then. */
extern void kv_client_blocks(KvClient *client, bool blocked);

/* Has the clients that CLIENT KILL has met closed when they are settled. */
extern void kv_clients_take_killed(void);

/* Likewise those that have done nothing for pgfirst.redis_timeout. */
extern void kv_clients_take_idle(int64 now_us);

/* Puts the client into the turn's list. */
extern void kv_client_touch(KvClient *client);

/* ---- bytes ------------------------------------------------------------------------------- */

/*
 * Reads what the socket has, within the limits; the client becomes READY if there is something.  More is there where a
 * read stops before all is read: the end, or what is behind an urgent byte.
 */
extern void kv_client_receive(KvClient *client, bool more);

/* Drops the command that has just been run from the input. */
extern void kv_client_consume(KvClient *client, Size bytes);

/*
 * Marks the replies from byte `start` of session.reply on as depending on `position`; `others` is what
 * they depend on of other transactions, also where position is PGFIRST_POSITION_OWN.
 */
extern void kv_client_gate(KvClient *client, Size start, XLogRecPtr position, XLogRecPtr others,
                           bool durable);

/* The turn has committed at `position`; InvalidXLogRecPtr if it wrote nothing. */
extern void kv_client_commit(KvClient *client, XLogRecPtr position);

/*
 * The turn has aborted: what depended on it is answered with this error.  If that was to tell that the connection has
 * become another one (KV_RESHAPES), it is closed behind it.
 */
extern void kv_client_abort(KvClient *client, const char *error);

/* Whether the client waits for a position up to this one. */
extern bool kv_client_waits_for(const KvClient *client, XLogRecPtr position);

/*
 * Sends what may leave, tells epoll what is wanted next, and closes the client if it is done or
 * broken.  The client may be gone afterwards.
 */
extern void kv_client_settle(KvClient *client);

/*
 * Whether what it has asked for ends with it: it may take long, and nobody would have anything of it.  A client
 * that has only said that it will send no more is taken to have gone, then.
 */
extern bool kv_client_ends_with_peer(const KvClient *client);

/* Whether so much is unsent that nothing more should be run for it. */
extern bool kv_client_output_full(const KvClient *client);

#endif
