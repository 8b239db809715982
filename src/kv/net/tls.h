/* SPDX-License-Identifier: PostgreSQL
 *
 * tls.h: the part of a connection that encrypts, for those that have come in through the TLS port.
 *
 * For a client whose `tls` is not NULL these stand where recv() and send() do for the others.  A
 * client begins by shaking hands; until that is done it has nothing to read or to be sent, and its
 * events belong here.
 */
#ifndef PGFIRST_KV_TLS_H
#define PGFIRST_KV_TLS_H

#include "postgres.h"

#include "kv/net/client.h"

/* Called once at the start of the worker. */
extern void kv_tls_begin(void);

/*
 * The client will shake hands.  One that is not welcome, because there are too many, is told so
 * afterwards and closed.  False without memory.
 */
extern bool kv_tls_open(KvClient *client, bool welcome);

/* Says goodbye, if that can be heard, and gives everything back. */
extern void kv_tls_close(KvClient *client);

/* Gives back what it has in memory, at once; the client is broken. */
extern void kv_tls_drop(KvClient *client);

/* ---- shaking hands ----------------------------------------------------------------------- */

extern bool kv_tls_shakes_hands(const KvClient *client);

/* Its socket has something: it will be its turn. */
extern void kv_tls_event(KvClient *client);

/*
 * Takes those further whose turn it is, for about a millisecond, and drops those that have taken
 * too long.  Returns whether there are more.
 */
extern bool kv_tls_run(int64 now_us);

/* When somebody has taken too long, in monotonic microseconds; 0 if nobody shakes hands. */
extern int64 kv_tls_next_deadline(void);

/* What epoll is to be told while it shakes hands. */
extern uint32 kv_tls_interest(const KvClient *client);

/* How many are there only to be told that there are too many, and whether one more may be. */
extern int kv_tls_unwelcome(void);
extern bool kv_tls_has_room_for_unwelcome(void);

/* ---- bytes ------------------------------------------------------------------------------- */

/*
 * One recv() of what is encrypted, of kv_tls_fill's worker-wide buffer's size at most; as recv()
 * returns it.  What it brought must then be read to its end, by kv_tls_read() until EAGAIN.
 */
extern ssize_t kv_tls_fill(KvClient *client);

/* The size of that buffer: a smaller fill has emptied the socket. */
extern Size kv_tls_fill_size(void);

/* Whether bytes of this client are in it. */
extern bool kv_tls_filled(const KvClient *client);

/* As recv(); 0 when the client has said goodbye. */
extern ssize_t kv_tls_read(KvClient *client, char *buffer, Size size);

/* As send(). */
extern ssize_t kv_tls_write(KvClient *client, const char *data, Size size);

/* Sends what is encrypted and has found no room in the socket; false if some still has not. */
extern bool kv_tls_flush(KvClient *client);

/* Whether there is such, and whether so much that nothing should be read before it has left. */
extern bool kv_tls_unsent(const KvClient *client);
extern bool kv_tls_overfull(const KvClient *client);

#endif
