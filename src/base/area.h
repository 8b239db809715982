/* SPDX-License-Identifier: PostgreSQL
 *
 * area.h: shared memory that grows, in a piece of the shared memory that does not.
 *
 * A PgfirstArea stands in a module's struct (shmem.h).  Its first blocks are taken from the place in it, for the
 * postmaster has no segments, and what does not fit there from segments that whoever allocates makes.
 */
#ifndef PGFIRST_AREA_H
#define PGFIRST_AREA_H

#include "postgres.h"

#include "utils/dsa.h"

#define PGFIRST_AREA_PLACE ((Size) 256 * 1024)

typedef struct PgfirstArea
{
	int tranche;
	char place[PGFIRST_AREA_PLACE] pg_attribute_aligned(MAXIMUM_ALIGNOF);
} PgfirstArea;

/* When the struct that it stands in is fresh. */
extern void pgfirst_area_init(PgfirstArea *area);

/* For a process that uses it, once; good for its life. */
extern dsa_area *pgfirst_area_attach(PgfirstArea *area, const char *name);

/* InvalidDsaPointer if there is no memory.  Only where no other lightweight lock is held. */
extern dsa_pointer pgfirst_area_allocate(dsa_area *area, Size size);

#endif
