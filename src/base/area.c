/* SPDX-License-Identifier: PostgreSQL
 *
 * area.c: shared memory that grows; see area.h.
 */
#include "postgres.h"

#include "storage/lwlock.h"
#include "utils/memutils.h"

#include "base/area.h"

void
pgfirst_area_init(PgfirstArea *area)
{
	dsa_area *fresh;

	area->tranche = LWLockNewTrancheId();
	fresh = dsa_create_in_place(area->place, PGFIRST_AREA_PLACE, area->tranche, NULL);
	dsa_pin(fresh);
	dsa_detach(fresh);
}

dsa_area *
pgfirst_area_attach(PgfirstArea *area, const char *name)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	dsa_area *attached;

	LWLockRegisterTranche(area->tranche, name);
	attached = dsa_attach_in_place(area->place, NULL);
	dsa_pin_mapping(attached);
	MemoryContextSwitchTo(old);
	return attached;
}

/*
 * A segment that cannot be made is an error of PostgreSQL's, which would take with it what others have done in the
 * transaction.
 */
dsa_pointer
pgfirst_area_allocate(dsa_area *area, Size size)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile dsa_pointer pointer = InvalidDsaPointer;

	PG_TRY();
	{
		pointer = dsa_allocate_extended(area, size, DSA_ALLOC_NO_OOM | DSA_ALLOC_HUGE);
	}
	PG_CATCH();
	{
		/* The area's own are all that can be held here. */
		LWLockReleaseAll();
		MemoryContextSwitchTo(caller);
		FlushErrorState();
	}
	PG_END_TRY();
	return pointer;
}
