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
#define TransamVariables          ShmemVariableCache
#define MyLocalTransactionId()    (MyProc->lxid)
#else
#include "storage/procarray.h"
#define VXID_PROC_NUMBER(vxid) ((vxid).procNumber)
#define MyLocalTransactionId() (MyProc->vxid.lxid)
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

/* 16: varlena's macros have a header of their own. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 16: what is stored where has a new name. */
#if PG_VERSION_NUM < 160000
#include "storage/relfilenode.h"
typedef RelFileNode RelFileLocator;
#define relation_set_new_filelocator    relation_set_new_filenode
#define rd_newRelfilelocatorSubid       rd_newRelfilenodeSubid
#define RelationStorage(relation)       ((relation)->rd_node)
#define RelationStorageNumber(relation) ((relation)->rd_node.relNode)
#else
#define RelationStorage(relation)       ((relation)->rd_locator)
#define RelationStorageNumber(relation) ((relation)->rd_locator.relNumber)
#endif

/* 16: one function asks for the rights on any kind of object. */
#if PG_VERSION_NUM < 160000
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "utils/acl.h"

static inline AclResult
object_aclcheck(Oid class, Oid object, Oid role, AclMode mode)
{
	return class == NamespaceRelationId ? pg_namespace_aclcheck(object, role, mode)
	                                    : pg_database_aclcheck(object, role, mode);
}
#endif

/* 18: who does not return says so in front. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* 16: whoever takes a datum out of a sort says whether it is to be a copy. */
#if PG_VERSION_NUM < 160000
#define tuplesort_getdatum_compat(state, forward, copy, value, null, abbreviated)                  \
	tuplesort_getdatum((state), (forward), (value), (null), (abbreviated))
#else
#define tuplesort_getdatum_compat(state, forward, copy, value, null, abbreviated)                  \
	tuplesort_getdatum((state), (forward), (copy), (value), (null), (abbreviated))
#endif

/*
 * 18: LockAcquireExtended also says whether a failure is logged.  A lock that is only tried is not
 * had either when the lock table is full: no error.
 */
#if PG_VERSION_NUM < 180000
#define LockAcquireTry(tag, mode) LockAcquireExtended((tag), (mode), false, true, false, NULL)
#else
#define LockAcquireTry(tag, mode)                                                                  \
	LockAcquireExtended((tag), (mode), false, true, false, NULL, false)
#endif

/* 18: a wait says whether it is to be logged that it would have been one. */
#if PG_VERSION_NUM < 180000
#define XactLockTableTry(xid) ConditionalXactLockTableWait(xid)
#else
#define XactLockTableTry(xid) ConditionalXactLockTableWait((xid), false)
#endif

/* 16: an update says which indexes it concerns. */
#if PG_VERSION_NUM < 160000
typedef bool TU_UpdateIndexes;
#endif

/* 17: ANALYZE hands out blocks through a stream, before that one by one. */
#if PG_VERSION_NUM < 170000
#define ANALYZE_BLOCK_SOURCE BlockNumber source_block, BufferAccessStrategy source_strategy
#define AnalyzeNextBuffer(relation)                                                                \
	ReadBufferExtended((relation), MAIN_FORKNUM, source_block, RBM_NORMAL, source_strategy)
#else
#include "storage/read_stream.h"
#define ANALYZE_BLOCK_SOURCE        ReadStream *source
#define AnalyzeNextBuffer(relation) read_stream_next_buffer(source, NULL)
#endif

/* 18: a bitmap scan goes from row to row, before that from block to block. */
#if PG_VERSION_NUM < 180000
#define BITMAP_HAS_BLOCKS
#define BITMAP_TUPLE_ARGUMENTS                                                                     \
	TableScanDesc scan, struct TBMIterateResult *result, TupleTableSlot *slot
#else
#define BITMAP_TUPLE_ARGUMENTS                                                                     \
	TableScanDesc scan, TupleTableSlot *slot, bool *recheck, uint64 *lossy, uint64 *exact
#endif

/* 18: what VACUUM says of its work. */
#if PG_VERSION_NUM < 180000
#define VacuumDelayPoint() vacuum_delay_point()
#define ReportVacuum(oid, shared, live, dead, start)                                               \
	((void) (start), pgstat_report_vacuum((oid), (shared), (live), (dead)))
#define UpdateRelationStatistics(relation, pages, rows, frozen, multi)                             \
	vac_update_relstats((relation), (pages), (rows), 0, false, (frozen), (multi), NULL, NULL, false)
#else
#define VacuumDelayPoint() vacuum_delay_point(false)
#define ReportVacuum(oid, shared, live, dead, start)                                               \
	pgstat_report_vacuum((oid), (shared), (live), (dead), (start))
#define UpdateRelationStatistics(relation, pages, rows, frozen, multi)                             \
	vac_update_relstats((relation), (pages), (rows), 0, 0, false, (frozen), (multi), NULL, NULL,   \
	                    false)
#endif

/* 18: where a table does not say whether its file may be cut, a setting does. */
#if PG_VERSION_NUM < 180000
#define RelationMayBeCut(relation)                                                                 \
	((relation)->rd_options == NULL || ((StdRdOptions *) (relation)->rd_options)->vacuum_truncate)
#else
#define RelationMayBeCut(relation)                                                                 \
	((relation)->rd_options != NULL &&                                                             \
	         ((StdRdOptions *) (relation)->rd_options)->vacuum_truncate_set                        \
	     ? ((StdRdOptions *) (relation)->rd_options)->vacuum_truncate                              \
	     : vacuum_truncate)
#endif

/*
 * All: the header of these two, libpq/libpq.h, wants that of Kerberos, which a machine that only builds us
 * need not have.
 */
extern int run_ssl_passphrase_command(const char *prompt, bool is_server_start, char *buf,
                                      int size);
extern bool check_ssl_key_file_permissions(const char *ssl_key_file, bool isServerStart);

/*
 * 16: PG_FUNCTION_INFO_V1 exports the function itself, not only what describes it.  Everything else
 * of the library is hidden.
 */
#define PGFIRST_FUNCTION(name)                                                                     \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS);                                               \
	PG_FUNCTION_INFO_V1(name)

#endif
