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

PG_MODULE_MAGIC;

static Buffer
page_lock(Relation relation, int64 block, int mode)
{
	Buffer buffer;

	if (block < 0 || block >= (int64) RelationGetNumberOfBlocks(relation))
		elog(ERROR, "there is no such page");
	buffer = ReadBuffer(relation, (BlockNumber) block);
	LockBuffer(buffer, mode);
	return buffer;
}

PG_FUNCTION_INFO_V1(page_test_get);
Datum
page_test_get(PG_FUNCTION_ARGS)
{
	Relation relation = relation_open(PG_GETARG_OID(0), AccessShareLock);
	Buffer buffer = page_lock(relation, PG_GETARG_INT64(1), BUFFER_LOCK_SHARE);
	bytea *page = palloc(VARHDRSZ + BLCKSZ);

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
	Buffer buffer = page_lock(relation, PG_GETARG_INT64(1), BUFFER_LOCK_EXCLUSIVE);

	if (VARSIZE_ANY_EXHDR(page) != BLCKSZ)
		elog(ERROR, "a page has %d bytes", BLCKSZ);
	memcpy(BufferGetPage(buffer), VARDATA_ANY(page), BLCKSZ);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
	relation_close(relation, NoLock);
	PG_RETURN_VOID();
}
