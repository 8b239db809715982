/* SPDX-License-Identifier: PostgreSQL
 *
 * buffers.h: the memory that the clients of a worker take together.
 */
#ifndef PGFIRST_KV_NET_BUFFERS_H
#define PGFIRST_KV_NET_BUFFERS_H

#include "kv/net/client.h"

#define KV_INPUT_START ((Size) 16 * 1024)

/*
 * The allocator of everything that a client makes us keep; its context is the client.  NULL, and the block as it was, if
 * there is no room.
 */
extern void *kv_buffers_resize(void *context, void *block, size_t size);

/*
 * Counts memory that others take for the client, or have given back (less than 0).  False if there is
 * no room for it.
 */
extern bool kv_buffers_count(KvClient *client, int64 more);

/* A buffer of KV_INPUT_START bytes for what the client sends; NULL if there is no room for it. */
extern char *kv_buffers_take_input(KvClient *client);

/* Gives back the client's buffer. */
extern void kv_buffers_drop_input(KvClient *client);

/* Once a second at most something is said of clients in the log: a thousand greedy ones should not fill the disk. */
extern bool kv_buffers_note_is_due(void);

/* Says in the log that the client is disconnected for want of room. */
extern void kv_buffers_note(const KvClient *client);

/*
 * Tells a client why it is disconnected, if that cannot be taken for a part, or for the first, of
 * the replies that it still waits for.
 */
extern void kv_buffers_refuse(KvClient *client);

#endif
