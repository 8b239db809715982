/* SPDX-License-Identifier: PostgreSQL
 *
 * epochs.h: the epochs of the tenants whose records a slice of upkeep meets, each looked up once.
 *
 * The space that a slice has opened is the default tenant's, and the records of all tenants lie next to each
 * other.  What is remembered is for one slice: an epoch that is raised meanwhile makes what is older look alive
 * for milliseconds longer.
 */
#ifndef PGFIRST_KV_EPOCHS_H
#define PGFIRST_KV_EPOCHS_H

#include "postgres.h"

#include "kv/database.h"

#define KV_EPOCHS_MET 64

typedef struct KvEpochsMet
{
	const KvSpace *space;
	struct
	{
		uint32 tenant; /* 0: nobody */
		uint64 epoch;
	} others[KV_EPOCHS_MET];
} KvEpochsMet;

extern uint64 kv_epoch_met(KvEpochsMet *met, uint32 tenant);

#endif
