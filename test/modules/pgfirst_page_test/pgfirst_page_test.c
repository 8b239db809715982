/* SPDX-License-Identifier: PostgreSQL
 *
 * pgfirst_page_test.c: the pages of a relation as bytes, in shared buffers.
 *
 * A test that damages pages by thousands cannot restart the server for each.
 */
#include "postgres.h"

#include "access/relation.h"
#include "fmgr.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "base/compat.h"

PG_MODULE_MAGIC;

static void
block_check(Relation relation, int64 block)
{
	if (block < 0 || block >= (int64) RelationGetNumberOfBlocks(relation))
		elog(ERROR, "there is no such page");
}

PG_FUNCTION_INFO_V1(page_test_get);
Datum
page_test_get(PG_FUNCTION_ARGS)
{
	Relation relation = relation_open(PG_GETARG_OID(0), AccessShareLock);
	bytea *page = palloc(VARHDRSZ + BLCKSZ);
	Buffer buffer;

	block_check(relation, PG_GETARG_INT64(1));
	buffer = ReadBuffer(relation, (BlockNumber) PG_GETARG_INT64(1));
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	SET_VARSIZE(page, VARHDRSZ + BLCKSZ);
	memcpy(VARDATA(page), BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	relation_close(relation, NoLock);
	PG_RETURN_BYTEA_P(page);
}

PG_FUNCTION_INFO_V1(page_test_put);
Datum
page_test_put(PG_FUNCTION_ARGS)
{
	bytea *page = PG_GETARG_BYTEA_PP(2);
	Relation relation = relation_open(PG_GETARG_OID(0), AccessShareLock);
	Buffer buffer;

	block_check(relation, PG_GETARG_INT64(1));
	if (VARSIZE_ANY_EXHDR(page) != BLCKSZ)
		elog(ERROR, "a page has %d bytes", BLCKSZ);
	/* Not read: a page that was damaged may have gone to the disk, and PostgreSQL would refuse it. */
	buffer = ReadBufferExtended(relation, MAIN_FORKNUM, (BlockNumber) PG_GETARG_INT64(1),
	                            RBM_ZERO_AND_LOCK, NULL);
	memcpy(BufferGetPage(buffer), VARDATA_ANY(page), BLCKSZ);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
	relation_close(relation, NoLock);
	PG_RETURN_VOID();
}
