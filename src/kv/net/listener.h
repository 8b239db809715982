/* SPDX-License-Identifier: PostgreSQL
 *
 * listener.h: the listening sockets of the Redis door, and who comes in through them.
 */
#ifndef PGFIRST_KV_LISTENER_H
#define PGFIRST_KV_LISTENER_H

#include "postgres.h"

/*
 * Opens what is not open yet of the configured addresses and adds it to the epoll set, under a
 * pointer that kv_listener_owns() knows.  What cannot be opened is logged once, and true returned
 * only if nothing is missing: call again later.
 */
extern bool kv_listener_open(int epoll, int worker);

/* Whether an event's pointer is a listening socket's. */
extern bool kv_listener_owns(const void *pointer);

/* Takes in who waits at this listening socket, or turns them away if there are too many. */
extern void kv_listener_accept(const void *pointer);

/* Closes and, for a Unix socket, removes the file. */
extern void kv_listener_close(void);

#endif
