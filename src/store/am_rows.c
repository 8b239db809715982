/* SPDX-License-Identifier: PostgreSQL
 *
 * am_rows.c: rows become records: COPY, INSERT, CREATE TABLE AS, ALTER TABLE, pg_restore.
 *
 * The pieces of a record come one behind the other, from 1 to the last, in one subtransaction.  They
 * are collected in memory; the last one makes the record, which goes through the lock of its id and
 * the write set, as every change does, and must not be there yet.  What is missing at the end of the
 * command (where PostgreSQL says that it has ended: COPY and what copies whole tables) or of the
 * transaction is an error.
 *
 * The write set is in memory, and a restore may be larger.  So when it has grown to a few megabytes,
 * what is in it goes to the pages, tagged with the transaction's id (pgfirst_apply_early): invisible to
 * others until the commit, as if it had been applied then, and garbage if that never comes.  It can
 * not be taken back alone, therefore only where nothing but the end of the transaction could want to:
 * outside of savepoints, or in a table that goes away with the savepoint.  While this process reads
 * the same table (INSERT INTO t SELECT … FROM t) it waits as well: the scan would find what the
 * command itself has inserted.
 *
 * Whoever restores more than 1,000 records holds the lock of the whole store by then, as always.  A
 * table that nobody else can see yet is locked as a whole at once.
 *
 * A store that is open keeps the transaction from truncating or altering its table.  So after a bulk
 * command, and after each row of a plain INSERT, of which PostgreSQL does not tell us the end, what was
 * inserted goes to the pages if it can, and the store is closed again if it was opened for nothing
 * else.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "store/am_int.h"

#define UNIX_EPOCH_USECS ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)
#define BULK_BYTES       ((Size) 4 * 1024 * 1024) /* of the write set, before it goes to the pages */
#define PLACES_PER_BLOCK 100
#define KEY_SHOWN        64 /* bytes of a key in an error */
#define PAYLOAD_ROOM_MIN 8192
#define ROW_COLUMNS_HINT                                                                           \
	"A store's table has the columns tenant int4, key bytea, piece int4, pieces int4, type text, " \
	"expiry timestamptz, payload bytea and no others. For other tables name their access method: " \
	"USING heap, or SET default_table_access_method = heap."

static const PgfirstRowCodec *codec;

static const struct
{
	const char *name;
	Oid type;
} columns[ROW_COLUMNS] = {
    [ROW_TENANT] = {"tenant", INT4OID},    [ROW_KEY] = {"key", BYTEAOID},
    [ROW_PIECE] = {"piece", INT4OID},      [ROW_PIECES] = {"pieces", INT4OID},
    [ROW_TYPE] = {"type", TEXTOID},        [ROW_EXPIRY] = {"expiry", TIMESTAMPTZOID},
    [ROW_PAYLOAD] = {"payload", BYTEAOID},
};

/* The record whose pieces are coming. */
static struct
{
	MemoryContext context; /* NULL: none */
	Oid relation;
	SubTransactionId owner;
	PgfirstRow row; /* its payload is what has come so far */
	char *payload;
	Size room;
	int32 pieces;
	int32 next; /* piece */
} pending;

/* One piece, as it came. */
typedef struct RowPiece
{
	PgfirstRow row; /* its payload is the piece's */
	int32 piece;
	int32 pieces;
} RowPiece;

void
pgfirst_store_rows(const PgfirstRowCodec *rows)
{
	codec = rows;
}

const PgfirstRowCodec *
pgfirst_row_codec(void)
{
	if (codec == NULL)
		elog(ERROR, "nobody knows what the records of stores mean");
	return codec;
}

/* ---- the shape of the table ------------------------------------------------------------------ */

const char *
pgfirst_am_columns(void)
{
	return "tenant int4, key bytea, piece int4, pieces int4, type text, expiry timestamptz, "
	       "payload bytea";
}

bool
pgfirst_row_shape(TupleDesc tuple, RowShape *shape)
{
	int found = 0;

	for (int i = 0; i < tuple->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tuple, i);
		int column = 0;

		if (attribute->attisdropped)
			continue;
		while (column < ROW_COLUMNS &&
		       strcmp(NameStr(attribute->attname), columns[column].name) != 0)
			column++;
		if (column == ROW_COLUMNS || attribute->atttypid != columns[column].type ||
		    attribute->attgenerated != '\0')
			return false;
		shape->place[column] = i;
		found++;
	}
	return found == ROW_COLUMNS; /* names of columns are unique */
}

void
pgfirst_row_shape_need(Relation relation, RowShape *shape)
{
	if (!pgfirst_row_shape(RelationGetDescr(relation), shape))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("table \"%s\" does not have the columns of a pgfirst store",
		                       RelationGetRelationName(relation)),
		                errhint(ROW_COLUMNS_HINT)));
}

void
pgfirst_row_place(TupleTableSlot *slot, uint64 number)
{
	ItemPointerSet(&slot->tts_tid, (BlockNumber) (number / PLACES_PER_BLOCK % MaxBlockNumber),
	               (OffsetNumber) (1 + number % PLACES_PER_BLOCK));
}

/* ---- the piece in a slot --------------------------------------------------------------------- */

static const char *
key_shown(const PgfirstRow *row)
{
	Size length = Min(row->key_length, KEY_SHOWN);
	char *shown = palloc(2 * length + sizeof("\\x…"));
	char *end = shown + sprintf(shown, "\\x");

	end += hex_encode(row->key, length, end);
	strcpy(end, row->key_length > length ? "…" : "");
	return shown;
}

static Datum
slot_column(TupleTableSlot *slot, const RowShape *shape, RowColumn column)
{
	int place = shape->place[column];

	if (slot->tts_isnull[place])
		ereport(ERROR,
		        (errcode(ERRCODE_NOT_NULL_VIOLATION),
		         errmsg("column \"%s\" of a row of a store cannot be null", columns[column].name)));
	return slot->tts_values[place];
}

static void
slot_bytes(TupleTableSlot *slot, const RowShape *shape, RowColumn column, const char **bytes,
           Size *length)
{
	bytea *value = DatumGetByteaPP(slot_column(slot, shape, column));

	*bytes = VARDATA_ANY(value);
	*length = VARSIZE_ANY_EXHDR(value);
}

static int64
slot_expiry(TupleTableSlot *slot, const RowShape *shape)
{
	int place = shape->place[ROW_EXPIRY];
	TimestampTz moment;

	if (slot->tts_isnull[place])
		return 0;
	moment = DatumGetTimestampTz(slot->tts_values[place]);
	if (TIMESTAMP_NOT_FINITE(moment) || moment <= -UNIX_EPOCH_USECS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the expiry of a row must be a moment after 1970"),
		                errhint("Null is for what never expires.")));
	return Max((moment + UNIX_EPOCH_USECS) / 1000, 1);
}

static void
slot_piece(TupleTableSlot *slot, const RowShape *shape, RowPiece *piece)
{
	slot_getallattrs(slot);
	piece->row.tenant = DatumGetInt32(slot_column(slot, shape, ROW_TENANT));
	slot_bytes(slot, shape, ROW_KEY, &piece->row.key, &piece->row.key_length);
	piece->piece = DatumGetInt32(slot_column(slot, shape, ROW_PIECE));
	piece->pieces = DatumGetInt32(slot_column(slot, shape, ROW_PIECES));
	piece->row.type = TextDatumGetCString(slot_column(slot, shape, ROW_TYPE));
	piece->row.expiry = slot_expiry(slot, shape);
	slot_bytes(slot, shape, ROW_PAYLOAD, &piece->row.payload, &piece->row.payload_length);

	if (piece->row.tenant < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("a tenant is a number from 0, not %d", piece->row.tenant)));
	if (piece->piece < 1 || piece->piece > piece->pieces)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		         errmsg("there is no piece %d of %d", piece->piece, piece->pieces),
		         errdetail("Pieces are numbered from 1. The key is %s.", key_shown(&piece->row))));
	if (piece->row.payload_length > PGFIRST_ROW_PIECE_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("a payload of %zu bytes is too large for one row",
		                       piece->row.payload_length),
		                errdetail("A piece has at most %zu bytes. The key is %s.",
		                          PGFIRST_ROW_PIECE_MAX, key_shown(&piece->row)),
		                errhint("Divide it into pieces, in order, each a row of its own.")));
}

/* ---- records --------------------------------------------------------------------------------- */

/* The store, open for writing until the end of the transaction or of a bulk command. */
static PgfirstStore *
rows_store(Relation relation)
{
	PgfirstStore *store = pgfirst_store_if_open(RelationGetRelid(relation));
	bool opened = store == NULL;

	if (store != NULL && store->for_write)
		return store;
	store = pgfirst_store_open(RelationGetRelid(relation),
	                           RelationIsPermanent(relation) ? PGFIRST_DURABLE : PGFIRST_VOLATILE,
	                           true, true);
	store->rows_only = opened;
	/* Nobody else sees it: one lock instead of one for each record. */
	if (relation->rd_createSubid != InvalidSubTransactionId ||
	    relation->rd_newRelfilelocatorSubid != InvalidSubTransactionId)
		(void) pgfirst_store_lock_all(store, true);
	return store;
}

void
pgfirst_rows_spill(PgfirstStore *store)
{
	if (pgfirst_writeset_bytes() > BULK_BYTES && !pgfirst_am_scanning(store->oid))
		(void) pgfirst_apply_early(store);
}

static void
record_put(Relation relation, const PgfirstRow *row)
{
	PgfirstStore *store = rows_store(relation);
	XLogRecPtr position = pgfirst_store_position();
	PgfirstRecord record, before;

	pgfirst_row_codec()->record(store, row, &record);
	(void) pgfirst_store_lock(store, &record.id, true, true);
	if (pgfirst_store_get(store, &record.id, 0, &before) &&
	    (before.expiry == 0 || before.expiry > pgfirst_clock_wall_ms()))
		ereport(ERROR,
		        (errcode(ERRCODE_UNIQUE_VIOLATION),
		         errmsg("store \"%s\" has this key already", RelationGetRelationName(relation)),
		         errdetail("The key is %s.", key_shown(row)),
		         errhint("Delete the key first. %s", pgfirst_row_codec()->change_hint)));
	pgfirst_position_restore(position);
	pgfirst_store_put(store, &record);
	pgfirst_rows_spill(store);
}

static void
pending_forget(void)
{
	if (pending.context != NULL)
		MemoryContextDelete(pending.context);
	memset(&pending, 0, sizeof(pending));
}

static void
pending_refuse(const char *what)
{
	ereport(ERROR,
	        (errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION),
	         errmsg("piece %d of %d of a key is missing", pending.next, pending.pieces),
	         errdetail("%s The key is %s.", what, key_shown(&pending.row)),
	         errhint("The pieces of a key come one behind the other, in order, in one command, or "
	                 "in one transaction without a savepoint between them.")));
}

static void
pending_append(const PgfirstRow *piece)
{
	Size length = pending.row.payload_length + piece->payload_length;

	if (length > PGFIRST_RECORD_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("the pieces of a key have more than %zu bytes together",
		                       PGFIRST_RECORD_MAX),
		                errdetail("The key is %s.", key_shown(piece))));
	if (length > pending.room)
	{
		Size room = Max(Max(2 * pending.room, length), PAYLOAD_ROOM_MIN);

		pending.payload = pending.payload == NULL ? MemoryContextAllocHuge(pending.context, room)
		                                          : repalloc_huge(pending.payload, room);
		pending.room = room;
	}
	memcpy(pending.payload + pending.row.payload_length, piece->payload, piece->payload_length);
	pending.row.payload = pending.payload;
	pending.row.payload_length = length;
	pending.next++;
}

static void
pending_begin(Relation relation, const RowPiece *piece)
{
	MemoryContext context =
	    AllocSetContextCreate(pgfirst_store_context(), "pgfirst pieces", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	pending.context = context;
	pending.relation = RelationGetRelid(relation);
	pending.owner = GetCurrentSubTransactionId();
	pending.row = piece->row;
	pending.row.key = memcpy(MemoryContextAllocHuge(context, piece->row.key_length + 1),
	                         piece->row.key, piece->row.key_length);
	pending.row.type = pstrdup(piece->row.type);
	pending.row.payload = "";
	pending.row.payload_length = 0;
	pending.pieces = piece->pieces;
	pending.next = 1;
	MemoryContextSwitchTo(old);
}

static bool
pending_is_of(Relation relation, const RowPiece *piece)
{
	const PgfirstRow *a = &pending.row;
	const PgfirstRow *b = &piece->row;

	return pending.relation == RelationGetRelid(relation) &&
	       pending.owner == GetCurrentSubTransactionId() && pending.next == piece->piece &&
	       pending.pieces == piece->pieces && a->tenant == b->tenant && a->expiry == b->expiry &&
	       a->key_length == b->key_length && memcmp(a->key, b->key, a->key_length) == 0 &&
	       strcmp(a->type, b->type) == 0;
}

/* A row has come. */
static void
row_take(Relation relation, const RowPiece *piece)
{
	if (pending.context != NULL && !pending_is_of(relation, piece))
		pending_refuse("Another row has come in its place.");
	if (pending.context == NULL && piece->piece != 1)
		ereport(ERROR, (errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION),
		                errmsg("piece %d of %d of a key comes without those before it",
		                       piece->piece, piece->pieces),
		                errdetail("The key is %s.", key_shown(&piece->row)),
		                errhint("The pieces of a key come one behind the other, in order.")));
	if (piece->pieces == 1)
	{
		record_put(relation, &piece->row);
		return;
	}
	if (pending.context == NULL)
		pending_begin(relation, piece);
	pending_append(&piece->row);
	if (pending.next <= pending.pieces)
		return;
	record_put(relation, &pending.row);
	pending_forget();
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static void
rows_insert(Relation relation, TupleTableSlot **slots, int count)
{
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst insert", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	RowShape shape;

	PreventCommandIfReadOnly("INSERT");
	PreventCommandIfParallelMode("INSERT");
	pgfirst_row_shape_need(relation, &shape);
	/* Opened first: what belongs to the transaction hangs on an open store. */
	(void) rows_store(relation);
	for (int i = 0; i < count; i++)
	{
		RowPiece piece;

		CHECK_FOR_INTERRUPTS();
		slots[i]->tts_tableOid = RelationGetRelid(relation);
		pgfirst_row_place(slots[i], 0);
		slot_piece(slots[i], &shape, &piece);
		row_take(relation, &piece);
		MemoryContextReset(context);
	}
	pgstat_count_heap_insert(relation, count);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* What was inserted goes to the pages, and the store is closed, if it is open for nothing else. */
static void
rows_finish(Relation relation)
{
	PgfirstStore *store = pgfirst_store_if_open(RelationGetRelid(relation));

	if (store != NULL && store->rows_only && !pgfirst_am_scanning(store->oid) &&
	    pgfirst_apply_early(store) && pgfirst_writeset_is_empty())
		pgfirst_store_close(store);
}

void
pgfirst_am_insert(Relation relation, TupleTableSlot *slot, CommandId command, int options,
                  struct BulkInsertStateData *state)
{
	rows_insert(relation, &slot, 1);
	/* Where there is a state, the end of the command is told. */
	if (state == NULL)
		rows_finish(relation);
}

void
pgfirst_am_multi_insert(Relation relation, TupleTableSlot **slots, int count, CommandId command,
                        int options, struct BulkInsertStateData *state)
{
	rows_insert(relation, slots, count);
}

void
pgfirst_am_finish_insert(Relation relation, int options)
{
	if (pending.context != NULL && pending.relation == RelationGetRelid(relation))
		pending_refuse("The command has ended.");
	rows_finish(relation);
}

/* ---- transactions ---------------------------------------------------------------------------- */

bool
pgfirst_rows_pending(void)
{
	return pending.context != NULL;
}

void
pgfirst_rows_pre_commit(void)
{
	if (pending.context != NULL)
		pending_refuse("The transaction has ended.");
}

/* The memory goes with the transaction's. */
void
pgfirst_rows_forget(void)
{
	memset(&pending, 0, sizeof(pending));
}

void
pgfirst_rows_sub_commit(SubTransactionId child, SubTransactionId parent)
{
	if (pending.context != NULL && pending.owner == child)
		pending.owner = parent;
}

void
pgfirst_rows_sub_abort(SubTransactionId child)
{
	if (pending.context != NULL && pending.owner == child)
		pending_forget();
}
