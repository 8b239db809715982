/* SPDX-License-Identifier: PostgreSQL
 *
 * epochs.c: the epochs of the tenants whose records a slice of upkeep meets; see epochs.h.
 */
#include "postgres.h"

#include "kv/net/epochs.h"

uint64
kv_epoch_met(KvEpochsMet *met, uint32 tenant)
{
	typeof(met->others[0]) *place = &met->others[tenant % KV_EPOCHS_MET];

	if (tenant == met->space->tenant)
		return met->space->epoch;
	if (place->tenant != tenant)
	{
		KvSpace of;

		kv_space_of_store(&of, met->space->store, tenant, false);
		place->tenant = tenant;
		place->epoch = of.epoch;
	}
	return place->epoch;
}
