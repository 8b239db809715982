/* SPDX-License-Identifier: PostgreSQL
 *
 * script.h: scripts of clients, in Lua 5.1, as Redis has them: what the commands see of them.
 *
 * A script is one unit: others see all that it changed or nothing, and so does whoever looks after a
 * crash.  It runs in the worker, in the turn of the client that sent it, and reaches keys through
 * commands alone: redis.call() is dispatch (kv_command_run_scripted), with its rights, errors and locks.
 *
 *     state.c     a Lua state for each tenant: its memory, its limits, the scripts it has compiled
 *     sandbox.c   what a script finds in it, and cannot change
 *     api.c       the library `redis`
 *     reply.c     replies as Lua values, and Lua values as replies
 *     shared.c    what all workers know: loaded scripts, and who runs one
 *     run.c       one run: locks, beginning again, errors, the end
 *     script.c    what commands ask for beside runs; settings
 *
 * Two longjmps.  PostgreSQL's must not cross Lua's frames, nor Lua's PostgreSQL's.  All of Lua runs within
 * one protected call.  What Lua calls here and may raise PostgreSQL's errors runs in a PG_TRY of its own
 * that touches no Lua (kv_script_guard); the error is kept, Lua is unwound by a Lua error that
 * nothing in a script can catch, and then the error goes on.  Rejected: Lua on a stack of its own
 * (two switches a command, and PostgreSQL's stack checks do not know it), and Lua compiled as C++.
 */
#ifndef PGFIRST_KV_SCRIPT_H
#define PGFIRST_KV_SCRIPT_H

#include "postgres.h"

#include "kv/cmd/command.h"

#define KV_SHA_BYTES 20

/* What a script is known by; lower case hexadecimal outside. */
typedef struct KvSha
{
	uint8 bytes[KV_SHA_BYTES];
} KvSha;

/* What the first line of a script, "#!lua flags=…", says of it. */
typedef struct KvScriptFlags
{
	bool declared; /* there is such a line */
	bool no_writes;
} KvScriptFlags;

typedef struct KvScriptRequest
{
	KvSha sha;
	RespSlice body; /* data NULL: by its sha */
	int keys;       /* how many; they begin at argument first_key, the other arguments follow */
	int first_key;
	bool reads_only; /* of the _RO forms */
} KvScriptRequest;

/*
 * Runs a script for call and answers, or parks.  Within EXEC it may return KV_PARK_LOCK, having changed
 * nothing; then EXEC begins again.
 */
extern KvOutcome kv_script_run(KvCall *call, const KvScriptRequest *request);

/*
 * Until when (monotonic) a script or an EXEC may go on that begins now: for pgfirst.redis_script_timeout, or
 * as long as what the call is part of.  Its commands get it as call->until_us.
 */
extern int64 kv_script_until(const KvCall *call);

/* Answers that an EXEC was given up because it has gone on for longer. */
extern void kv_script_reply_late(KvCall *call);

/* Whether a script of so many bytes is refused unread; answers then. */
extern bool kv_script_too_large(KvCall *call, RespSlice body);

/*
 * The key that a script of the session could not lock is tried before it begins again: to try it in vain
 * takes nothing, and so wakes nobody else who waits.  False: still locked, with what to return.
 */
extern bool kv_script_unblocked(KvCall *call, KvOutcome *outcome);

/*
 * Compiles the body and makes it known to all workers; answers with its sha or what is wrong with it.
 */
extern void kv_script_load(KvCall *call, RespSlice body);

/* Whether EVALSHA of the session would find a script.  Never answers. */
extern bool kv_script_exists(KvCall *call, const KvSha *sha);

/* Forgets all scripts of the session's tenant, in every worker. */
extern void kv_script_flush(KvCall *call);

/* What has become of SCRIPT KILL. */
typedef enum KvKill
{
	KV_KILL_NONE, /* no script is running */
	KV_KILL_DONE
} KvKill;

/* Ends the scripts of the session's tenant that run in other workers. */
extern KvKill kv_script_kill(KvCall *call);

extern void kv_sha_of(RespSlice bytes, KvSha *sha);
/* `digits` takes 2 * KV_SHA_BYTES + 1 bytes. */
extern void kv_sha_text(const KvSha *sha, char *digits);
/* False if the word is no sha. */
extern bool kv_sha_parse(RespSlice word, KvSha *sha);

/* For INFO: bytes that Lua has, and scripts that are compiled, in this worker. */
extern Size kv_script_memory(void);
extern int kv_script_count(void);

/* This process is worker number `worker`, from 1. */
extern void kv_script_begin(int worker);

/* Called once by kv's init. */
extern void kv_script_init(void);

#endif
