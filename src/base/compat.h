/* SPDX-License-Identifier: PostgreSQL
 *
 * compat.h: PostgreSQL 15 to 18 from one source.
 *
 * The newest name is adopted everywhere and backported here; PG_VERSION_NUM stands in no other
 * file (tools/check-layers fails on it).  An entry leaves when the oldest version that needs it is
 * no longer supported.
 */
#ifndef PGFIRST_COMPAT_H
#define PGFIRST_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "pgfirst is made for PostgreSQL 15 to 18"
#endif

/* 17: backends are known by ProcNumber instead of BackendId. */
#if PG_VERSION_NUM < 170000
#include "storage/backendid.h"
#include "storage/sinvaladt.h"
#define ProcNumberGetProc(number) BackendIdGetProc(number)
#define VXID_PROC_NUMBER(vxid)    ((vxid).backendId)
#else
#define VXID_PROC_NUMBER(vxid) ((vxid).procNumber)
#endif

/* 17: CreateWaitEventSet takes the owner that frees it on error; ours live as long as we do. */
#if PG_VERSION_NUM < 170000
#define CreateWaitEventSetCompat(context, events) CreateWaitEventSet((context), (events))
#else
#define CreateWaitEventSetCompat(context, events) CreateWaitEventSet(NULL, (events))
#endif

/* 16: GUC check hooks allocate what outlives them with guc_malloc's family. */
#if PG_VERSION_NUM < 160000
#include <stdlib.h>
#define guc_free(pointer) free(pointer)
#endif

#endif
