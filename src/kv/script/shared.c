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
 * Runs.  A slot for each process says which run it has under way, and whose; who wants it ended writes its number, so
 * that the next one, which may be another tenant's, goes on.
 *
 * All texts stand one behind the other in one area; what a flush leaves is moved together.  A table of hash chains says
 * where: anybody may ask SCRIPT EXISTS about a million of them.  It is hashed with a random key, because who makes
 * scripts can make their SHA-1s alike.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include "base/shmem.h"
#include "kv/script/script_int.h"
#include "kv/settings.h"
#include "lib/hash/siphash.h"

#define FLUSH_COUNTERS 64
#define CHAIN_BYTES    128 /* of the area; a chain for each */
#define CHAIN_END      UINT32_MAX

/* A loaded script; its text follows, and the next one is at the next multiple of eight bytes. */
typedef struct SharedScript
{
	KvSha sha;
	uint32 tenant;
	uint32 length;
	uint32 next; /* of its chain: where in the area */
} SharedScript;

#define SHARED_SCRIPT_SIZE(length) MAXALIGN(sizeof(SharedScript) + (length))

typedef struct RunSlot
{
	pg_atomic_uint64 running; /* the number of the run under way; 0: no script runs here */
	pg_atomic_uint32 tenant;
	pg_atomic_uint64 kill; /* the number of the run that is to end */
} RunSlot;

typedef struct ScriptsShared
{
	LWLock lock; /* of the texts, which stand behind this struct, and the chains behind them */
	int tranche;
	uint8 key[PGFIRST_SIPHASH_KEY_BYTES];
	Size used; /* bytes of texts */
	pg_atomic_uint64 flushes[FLUSH_COUNTERS];
	pg_atomic_uint64 run_numbers; /* how many there have been */
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

static uint32
chain_count(void)
{
	return (uint32) (texts_size() / CHAIN_BYTES);
}

/* Behind the texts. */
static Size
chains_at(void)
{
	return MAXALIGN(sizeof(ScriptsShared)) + MAXALIGN(texts_size());
}

static uint32 *
chains(void)
{
	return (uint32 *) ((char *) shared + chains_at());
}

/* ---- loaded scripts ---------------------------------------------------------------------------- */

static SharedScript *
script_at(uint32 at)
{
	return (SharedScript *) (texts() + at);
}

static uint32 *
chain_of(uint32 tenant, const KvSha *sha)
{
	SipHash hash;
	uint8 result[PGFIRST_SIPHASH_RESULT_BYTES];
	uint32 number;

	pgfirst_siphash_begin(&hash, shared->key);
	pgfirst_siphash_add(&hash, &tenant, sizeof(tenant));
	pgfirst_siphash_add(&hash, sha, sizeof(*sha));
	pgfirst_siphash_end(&hash, result);
	memcpy(&number, result, sizeof(number));
	return &chains()[number % chain_count()];
}

/* The caller holds the lock. */
static SharedScript *
shared_find(uint32 tenant, const KvSha *sha)
{
	for (uint32 at = *chain_of(tenant, sha); at != CHAIN_END; at = script_at(at)->next)
	{
		SharedScript *script = script_at(at);

		if (script->tenant == tenant && memcmp(&script->sha, sha, sizeof(*sha)) == 0)
			return script;
	}
	return NULL;
}

static void
shared_link(SharedScript *script)
{
	uint32 *chain = chain_of(script->tenant, &script->sha);

	script->next = *chain;
	*chain = (uint32) ((char *) script - texts());
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
			script->length = (uint32) body.length;
			memcpy(script + 1, body.data, body.length);
			shared_link(script);
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
	memset(chains(), 0xff, chain_count() * sizeof(uint32));
	for (Size at = 0; at < shared->used;)
	{
		SharedScript *script = (SharedScript *) (texts() + at);
		Size size = SHARED_SCRIPT_SIZE(script->length);

		if (script->tenant != tenant && tenant != 0)
		{
			memmove(texts() + kept, script, size);
			shared_link((SharedScript *) (texts() + kept));
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
	pg_atomic_write_u64(&shared->runs[own_slot].running, 0);
}

void
kv_shared_run_begin(uint32 tenant)
{
	RunSlot *slot = &shared->runs[own_slot];

	pg_atomic_write_u32(&slot->tenant, tenant);
	pg_write_barrier();
	pg_atomic_write_u64(&slot->running, pg_atomic_add_fetch_u64(&shared->run_numbers, 1));
}

void
kv_shared_run_end(void)
{
	pg_atomic_write_u64(&shared->runs[own_slot].running, 0);
}

bool
kv_shared_run_killed(void)
{
	RunSlot *slot = &shared->runs[own_slot];
	uint64 killed = pg_atomic_read_u64(&slot->kill);

	return killed != 0 && killed == pg_atomic_read_u64(&slot->running);
}

int
kv_shared_kill(uint32 tenant)
{
	int killed = 0;

	for (int i = 0; i < KV_WORKERS_MAX; i++)
	{
		RunSlot *slot = &shared->runs[i];
		uint64 run = pg_atomic_read_u64(&slot->running);
		uint64 seen;
		uint32 whose;

		pg_read_barrier();
		whose = pg_atomic_read_u32(&slot->tenant);
		pg_read_barrier();
		/* Whose it is may be whose the next one is. */
		if (i == own_slot || run == 0 || whose != tenant ||
		    pg_atomic_read_u64(&slot->running) != run)
			continue;
		/* Another one may have met a later run. */
		seen = pg_atomic_read_u64(&slot->kill);
		while (seen < run && !pg_atomic_compare_exchange_u64(&slot->kill, &seen, run))
			;
		killed++;
	}
	return killed;
}

/* ---- start ------------------------------------------------------------------------------------- */

static void
shared_init(void *fresh)
{
	ScriptsShared *scripts = fresh;

	if (!pg_strong_random(scripts->key, sizeof(scripts->key)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not get random bytes")));
	memset((char *) fresh + chains_at(), 0xff, chain_count() * sizeof(uint32));
	scripts->tranche = LWLockNewTrancheId();
	LWLockRegisterTranche(scripts->tranche, "pgfirst_scripts");
	LWLockInitialize(&scripts->lock, scripts->tranche);
	for (int i = 0; i < FLUSH_COUNTERS; i++)
		pg_atomic_init_u64(&scripts->flushes[i], 0);
	pg_atomic_init_u64(&scripts->run_numbers, 0);
	for (int i = 0; i < KV_WORKERS_MAX; i++)
	{
		pg_atomic_init_u64(&scripts->runs[i].running, 0);
		pg_atomic_init_u32(&scripts->runs[i].tenant, 0);
		pg_atomic_init_u64(&scripts->runs[i].kill, 0);
	}
}

void
kv_shared_init(void)
{
	pgfirst_shmem_request("pgfirst kv scripts", chains_at() + chain_count() * sizeof(uint32),
	                      (void **) &shared, shared_init);
}
