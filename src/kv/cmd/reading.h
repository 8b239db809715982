/* SPDX-License-Identifier: PostgreSQL
 *
 * reading.h: answers of what a collection holds, as of one moment, in slices where that is very much.
 *
 * A command is a function that reads and writes its reply.  It is called again when something that it has read has
 * changed meanwhile.
 *
 * A million elements take half a second, in which the worker's other clients would wait.  So a function that goes
 * through a paged collection asks from element to element whether it has to pause.  When it has, what it has written stays
 * with the session, the client waits for its next slice, and there the function is called again and goes on where it
 * was.  Between slices others may change the collection.  The root counts its changes (collection.h): if it is another
 * one, what was written is of the past, and the function begins anew.  Within an EXEC or a script there are no slices.
 *
 * Others may write too fast for all that.  Then the command locks what it reads, as one that writes, and reads all in one
 * go.  On a standby there are no locks; there it reads in one go without them, turn by turn, and answers an error when that has
 * been in vain for pgfirst.redis_lock_timeout.
 */
#ifndef PGFIRST_KV_READING_H
#define PGFIRST_KV_READING_H

#include "kv/cmd/command.h"

/* Where to go on. */
typedef struct KvReadingAt
{
	uint64 place; /* as the walks of the type have it */
	uint64 skip;  /* elements to be passed over there */
	uint64 left;  /* elements to be written */
	uint64 rest;  /* elements from there on, for who does not write all */
	uint64 found; /* elements that were written, for who cannot tell beforehand how many */
} KvReadingAt;

/* Answers with what `read` writes, as of one moment. */
extern KvOutcome kv_reply_together(KvCall *call, void (*read)(KvCall *call));

/* Whether the command has been called in vain, and is to lock what it reads. */
extern bool kv_reading_insists(const KvCall *call);

/*
 * For `read`: true if it goes on, at *at, the head of the reply being there already.  The numbers are of the collection's
 * root; all are 0 of one that is inline, which is read at once.
 */
extern bool kv_reading_resume(KvCall *call, uint64 incarnation, uint64 revision, KvReadingAt *at);

/* For `read`, before it writes or passes over an element: whether it has to return, and will go on with this one. */
extern bool kv_reading_pause(KvCall *call, const KvReadingAt *at);

/*
 * For `read` at its end, if what it has written began with elements: writes the head of the reply.  False if it has not gone
 * on, and all that it has written stands in the call's reply.
 */
extern bool kv_reading_head(KvCall *call, void (*header)(RespBuffer *, size_t), size_t count);

#endif
