/* SPDX-License-Identifier: PostgreSQL
 *
 * shared.c: what all workers know of scripts, in shared memory.
 *
 * Loaded scripts.  A client that has loaded a script may run it by its SHA-1 through another connection,
 * which another worker serves.  So the text of what SCRIPT LOAD brings is shared; each worker compiles
 * it when it is first asked for.  As in Redis the texts are gone after a restart, and stay until
 * SCRIPT FLUSH: pgfirst.redis_script_cache bounds them.  Scripts that only EVAL has brought are
 * remembered by the worker that ran them.
 *
 * Flushes.  A counter for each tenant (hashed: another tenant's costs a compilation) says that compiled
 * scripts must be forgotten; each worker looks before it runs one.
 *
 * Who flushes as the default tenant flushes for all: nobody else can, when another one has filled the area.
 *
 * Runs.  A slot for each process says whose script it runs, and takes the word that it be ended.
 *
 * All texts stand one behind the other in one area; what a flush leaves is moved together.  There are few,
 * and they are looked at once per worker, so finding one is a walk.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include "base/shmem.h"
#include "kv/script/script_int.h"
#include "kv/settings.h"

#define FLUSH_COUNTERS 64

/* A loaded script; its text follows, and the next one is at the next multiple of eight bytes. */
typedef struct SharedScript
{
	KvSha sha;
	uint32 tenant;
	Size length;
} SharedScript;

#define SHARED_SCRIPT_SIZE(length) MAXALIGN(sizeof(SharedScript) + (length))

typedef struct RunSlot
{
	pg_atomic_uint32 running; /* 0: no script runs here */
	pg_atomic_uint32 tenant;
	pg_atomic_uint32 kill;
} RunSlot;

typedef struct ScriptsShared
{
	LWLock lock; /* of the texts, which stand behind this struct */
	int tranche;
	Size used; /* bytes of texts */
	pg_atomic_uint64 flushes[FLUSH_COUNTERS];
	RunSlot runs[KV_WORKERS_MAX];
} ScriptsShared;

static ScriptsShared *shared;
static int own_slot = -1;

static Size
texts_size(void)
{
	return (Size) kv_script_cache_size * 1024;
}

static char *
texts(void)
{
	return (char *) shared + MAXALIGN(sizeof(ScriptsShared));
}

/* ---- loaded scripts ---------------------------------------------------------------------------- */

/* The caller holds the lock. */
static SharedScript *
shared_find(uint32 tenant, const KvSha *sha)
{
	for (Size at = 0; at < shared->used;)
	{
		SharedScript *script = (SharedScript *) (texts() + at);

		if (script->tenant == tenant && memcmp(&script->sha, sha, sizeof(*sha)) == 0)
			return script;
		at += SHARED_SCRIPT_SIZE(script->length);
	}
	return NULL;
}

RespSlice
kv_shared_script(uint32 tenant, const KvSha *sha)
{
	SharedScript *script;
	RespSlice body = {NULL, 0};

	LWLockAcquire(&shared->lock, LW_SHARED);
	script = shared_find(tenant, sha);
	if (script)
	{
		char *copy = palloc(script->length + 1);

		memcpy(copy, script + 1, script->length);
		body = (RespSlice){copy, script->length};
	}
	LWLockRelease(&shared->lock);
	return body;
}

bool
kv_shared_script_exists(uint32 tenant, const KvSha *sha)
{
	bool exists;

	LWLockAcquire(&shared->lock, LW_SHARED);
	exists = shared_find(tenant, sha) != NULL;
	LWLockRelease(&shared->lock);
	return exists;
}

bool
kv_shared_script_add(uint32 tenant, const KvSha *sha, RespSlice body)
{
	Size size = SHARED_SCRIPT_SIZE(body.length);
	bool room = true;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	if (!shared_find(tenant, sha))
	{
		room = size <= texts_size() - shared->used;
		if (room)
		{
			SharedScript *script = (SharedScript *) (texts() + shared->used);

			script->sha = *sha;
			script->tenant = tenant;
			script->length = body.length;
			memcpy(script + 1, body.data, body.length);
			shared->used += size;
		}
	}
	LWLockRelease(&shared->lock);
	return room;
}

void
kv_shared_scripts_drop(uint32 tenant)
{
	Size kept = 0;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	for (Size at = 0; at < shared->used;)
	{
		SharedScript *script = (SharedScript *) (texts() + at);
		Size size = SHARED_SCRIPT_SIZE(script->length);

		if (script->tenant != tenant && tenant != 0)
		{
			memmove(texts() + kept, script, size);
			kept += size;
		}
		at += size;
	}
	shared->used = kept;
	for (uint32 i = 0; i < FLUSH_COUNTERS; i++)
		if (tenant == 0 || i == tenant % FLUSH_COUNTERS)
			pg_atomic_fetch_add_u64(&shared->flushes[i], 1);
	LWLockRelease(&shared->lock);
}

uint64
kv_shared_flushes(uint32 tenant)
{
	return pg_atomic_read_u64(&shared->flushes[tenant % FLUSH_COUNTERS]);
}

/* ---- runs -------------------------------------------------------------------------------------- */

void
kv_script_begin(int worker)
{
	own_slot = worker - 1;
	pg_atomic_write_u32(&shared->runs[own_slot].running, 0);
}

void
kv_shared_run_begin(uint32 tenant)
{
	RunSlot *slot = &shared->runs[own_slot];

	pg_atomic_write_u32(&slot->tenant, tenant);
	pg_atomic_write_u32(&slot->kill, 0);
	pg_atomic_write_u32(&slot->running, 1);
}

void
kv_shared_run_end(void)
{
	pg_atomic_write_u32(&shared->runs[own_slot].running, 0);
}

bool
kv_shared_run_killed(void)
{
	return pg_atomic_read_u32(&shared->runs[own_slot].kill) != 0;
}

int
kv_shared_kill(uint32 tenant)
{
	int killed = 0;

	for (int i = 0; i < KV_WORKERS_MAX; i++)
	{
		RunSlot *slot = &shared->runs[i];

		if (i == own_slot || pg_atomic_read_u32(&slot->running) == 0 ||
		    pg_atomic_read_u32(&slot->tenant) != tenant)
			continue;
		pg_atomic_write_u32(&slot->kill, 1);
		killed++;
	}
	return killed;
}

/* ---- start ------------------------------------------------------------------------------------- */

static void
shared_init(void *fresh)
{
	ScriptsShared *scripts = fresh;

	scripts->tranche = LWLockNewTrancheId();
	LWLockRegisterTranche(scripts->tranche, "pgfirst_scripts");
	LWLockInitialize(&scripts->lock, scripts->tranche);
	for (int i = 0; i < FLUSH_COUNTERS; i++)
		pg_atomic_init_u64(&scripts->flushes[i], 0);
	for (int i = 0; i < KV_WORKERS_MAX; i++)
	{
		pg_atomic_init_u32(&scripts->runs[i].running, 0);
		pg_atomic_init_u32(&scripts->runs[i].tenant, 0);
		pg_atomic_init_u32(&scripts->runs[i].kill, 0);
	}
}

void
kv_shared_init(void)
{
	pgfirst_shmem_request("pgfirst kv scripts", MAXALIGN(sizeof(ScriptsShared)) + texts_size(),
	                      (void **) &shared, shared_init);
}
