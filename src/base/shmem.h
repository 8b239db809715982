/* SPDX-License-Identifier: PostgreSQL
 *
 * shmem.h: the library's piece of shared memory.
 *
 * Hints, never truth.  A module asks for its struct in _PG_init and gets it, zeroed, by name in
 * every process; the request and start-up hooks are chained once, here.
 */
#ifndef PGFIRST_SHMEM_H
#define PGFIRST_SHMEM_H

#include "postgres.h"

/*
 * Asks for `size` zeroed bytes under `name`; *where is set before any process uses it, and init,
 * if not NULL, is called once on the fresh struct.  Only from _PG_init.
 */
extern void pgfirst_shmem_request(const char *name, Size size, void **where,
                                  void (*init)(void *fresh));

/*
 * As _request(), but nobody touches the bytes before their first use, until which they take no memory; what is in them
 * then is not known.
 */
extern void pgfirst_shmem_reserve(const char *name, Size size, void **where);

/*
 * Called once by _PG_init, before the modules.  Raises object_not_in_prerequisite_state, with the
 * setting that mends it, when the library is not loaded at server start: then there is no memory.
 */
extern void pgfirst_shmem_init(void);

#endif
