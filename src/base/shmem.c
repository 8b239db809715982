/* SPDX-License-Identifier: PostgreSQL
 *
 * shmem.c: the library's piece of shared memory.
 *
 * The modules' requests stand in a small table filled during _PG_init. PostgreSQL calls the request
 * hook once in the postmaster and the start-up hook once there and once in every process that does
 * not inherit by fork; both walk the table.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "base/shmem.h"

#define SHMEM_PIECES_MAX 32

typedef struct ShmemPiece
{
	const char *name;
	Size size;
	void **where;
	void (*init)(void *fresh);
	bool untouched; /* it is not zeroed */
} ShmemPiece;

static struct
{
	ShmemPiece pieces[SHMEM_PIECES_MAX];
	int count;
	shmem_request_hook_type previous_request;
	shmem_startup_hook_type previous_startup;
} shmem;

static void
shmem_request(void)
{
	if (shmem.previous_request)
		shmem.previous_request();
	for (int i = 0; i < shmem.count; i++)
		RequestAddinShmemSpace(MAXALIGN(shmem.pieces[i].size));
}

static void
shmem_startup(void)
{
	if (shmem.previous_startup)
		shmem.previous_startup();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < shmem.count; i++)
	{
		ShmemPiece *piece = &shmem.pieces[i];
		bool found;

		*piece->where = ShmemInitStruct(piece->name, piece->size, &found);
		if (found || piece->untouched)
			continue;
		memset(*piece->where, 0, piece->size);
		if (piece->init)
			piece->init(*piece->where);
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
piece_add(const ShmemPiece *piece)
{
	if (shmem.count == SHMEM_PIECES_MAX)
		elog(ERROR, "too many pieces of shared memory");
	shmem.pieces[shmem.count++] = *piece;
}

void
pgfirst_shmem_request(const char *name, Size size, void **where, void (*init)(void *fresh))
{
	piece_add(&(ShmemPiece){.name = name, .size = size, .where = where, .init = init});
}

void
pgfirst_shmem_reserve(const char *name, Size size, void **where)
{
	piece_add(&(ShmemPiece){.name = name, .size = size, .where = where, .untouched = true});
}

void
pgfirst_shmem_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("pgfirst is not loaded at server start"),
		         errhint("Add pgfirst to shared_preload_libraries and restart the server.")));
	shmem.previous_request = shmem_request_hook;
	shmem_request_hook = shmem_request;
	shmem.previous_startup = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}
