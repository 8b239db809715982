/* SPDX-License-Identifier: PostgreSQL
 *
 * check_parts.c: whether every large record has its parts.
 *
 * In the order of the leaves all records come before all parts, and parts come in the order of their
 * incarnations, which is not the records' order.  So the large records are put into a sort by their
 * incarnations, which goes to disk if there are many; and when the first part comes the two orders
 * are merged:  every record must be met by exactly its parts, each of the length that follows from the
 * record's, the first with the record's id.  Parts that meet no record are garbage, which the
 * upkeep deletes, and no damage.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "store/check_int.h"

/* A large record, in the form in which it is sorted: as bytes. */
typedef struct Owner
{
	uint64 incarnation; /* most significant byte first */
	uint64 high;        /* of the record's id */
	uint64 low;
	uint32 length;
	BlockNumber block; /* of the record's leaf */
} Owner;

struct CheckParts
{
	Tuplesortstate *sort;
	bool sorted;
	bool there; /* `owner` is one that has not got all its parts yet */
	bool lacks; /* reported of it */
	Owner owner;
	uint64 incarnation;
	uint32 next; /* part that it needs */
};

void
pgfirst_check_parts_begin(StoreCheck *check)
{
	TypeCacheEntry *type = lookup_type_cache(BYTEAOID, TYPECACHE_LT_OPR);

	check->parts = palloc0(sizeof(CheckParts));
	check->parts->sort = tuplesort_begin_datum(BYTEAOID, type->lt_opr, InvalidOid, false,
	                                           maintenance_work_mem, NULL, TUPLESORT_NONE);
}

void
pgfirst_check_large(StoreCheck *check, BlockNumber block, const StoreItem *item)
{
	CheckParts *parts = check->parts;
	StoreLarge large;
	union
	{
		char bytes[VARHDRSZ + sizeof(Owner)];
		int32 aligned;
	} datum;
	Owner owner = {.high = item->high, .low = item->low, .block = block};

	/* Then the leaves are not in order, which has been reported. */
	if (parts->sorted)
		return;
	memcpy(&large, item->data, STORE_LARGE_HEADER);
	owner.incarnation = pg_hton64(large.incarnation);
	owner.length = large.length;
	SET_VARSIZE(datum.bytes, sizeof(datum.bytes));
	memcpy(datum.bytes + VARHDRSZ, &owner, sizeof(owner));
	tuplesort_putdatum(parts->sort, PointerGetDatum(datum.bytes), false);
}

static void
owner_lacks(StoreCheck *check)
{
	CheckParts *parts = check->parts;

	if (!parts->lacks)
		pgfirst_check_report(check, parts->owner.block, "a large record on it lacks part %u of %u",
		                     parts->next, pgfirst_large_parts(parts->owner.length));
	parts->lacks = true;
}

/* The next large record; what is left of the one before is missing. */
static void
owner_next(StoreCheck *check)
{
	CheckParts *parts = check->parts;
	Owner before = parts->owner;
	bool had = parts->there;
	Datum value, abbreviated;
	bool null;

	if (had && parts->next < pgfirst_large_parts(before.length))
		owner_lacks(check);
	do
	{
		bytea *bytes;

		CHECK_FOR_INTERRUPTS();
		parts->there =
		    tuplesort_getdatum_compat(parts->sort, true, true, &value, &null, &abbreviated);
		if (!parts->there)
			return;
		bytes = DatumGetByteaPP(value);
		memcpy(&parts->owner, VARDATA_ANY(bytes), sizeof(Owner));
		pfree(bytes);
		parts->incarnation = pg_ntoh64(parts->owner.incarnation);
		/* Two versions that differ in their expiry only have the same parts. */
		if (had && parts->owner.incarnation == before.incarnation &&
		    (parts->owner.high != before.high || parts->owner.low != before.low ||
		     parts->owner.length != before.length))
			pgfirst_check_report(check, parts->owner.block,
			                     "a large record on it has the parts of another, on page %u",
			                     before.block);
	} while (had && parts->owner.incarnation == before.incarnation);
	parts->lacks = false;
	parts->next = 0;
}

static void
parts_sort(StoreCheck *check)
{
	if (check->parts->sorted)
		return;
	check->parts->sorted = true;
	tuplesort_performsort(check->parts->sort);
	owner_next(check);
}

void
pgfirst_check_part(StoreCheck *check, BlockNumber block, const StoreItem *item)
{
	CheckParts *parts = check->parts;
	Size from, to, head;
	PgfirstId owner;
	StoreKey id;

	parts_sort(check);
	while (parts->there && parts->incarnation < item->high)
		owner_next(check);
	if (!parts->there || parts->incarnation != item->high || parts->lacks)
		return;
	if (item->low != parts->next)
	{
		if (parts->next < pgfirst_large_parts(parts->owner.length))
			owner_lacks(check);
		else
			pgfirst_check_report(check, block, "a part on it is behind the end of its record");
		return;
	}
	if (parts->next == pgfirst_large_parts(parts->owner.length))
	{
		pgfirst_check_report(check, block, "a part on it is behind the end of its record");
		return;
	}
	head = parts->next == 0 ? STORE_PART_OWNER : 0;
	pgfirst_large_range(parts->owner.length, parts->next, &from, &to);
	if (item->length != to - from + head)
		pgfirst_check_report(check, block, "a part on it has another length than it must");
	else if (head > 0)
	{
		memcpy(owner.bytes, item->data, sizeof(owner.bytes));
		id = store_key_of_id(&owner);
		if (id.high != parts->owner.high || id.low != parts->owner.low)
			pgfirst_check_report(check, block, "a first part on it names another owner");
	}
	parts->next++;
}

void
pgfirst_check_parts_end(StoreCheck *check)
{
	parts_sort(check);
	while (check->parts->there)
		owner_next(check);
	tuplesort_end(check->parts->sort);
}
