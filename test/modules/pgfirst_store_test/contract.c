/* SPDX-License-Identifier: PostgreSQL
 *
 * contract.c: random programs against the store, compared with a map in memory.
 *
 *   contract CONNINFO random SEED OPERATIONS STATE PHASE     PHASE: first, restarted, crashed
 *   contract CONNINFO count PROCESSES ROUNDS
 *   contract CONNINFO positions SECONDS
 *
 * random: one process speaks for several sessions, one statement after the other, so that what each
 * must answer is known exactly: the committed records, over them what each level of savepoints of
 * the session has changed, and who holds which lock.  STATE carries the committed records from one
 * run to the next, across restarts of the server; sessions are left open when the program ends, as
 * a crash would find them.
 *
 * count: processes count the same few records up at the same time; no step may be lost.
 *
 * positions: writers commit without waiting for the flush records that say how far WAL was before;
 * whoever reads one must be given a later position.
 *
 * The first difference ends the program with status 1, the seed, and the last statements.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "body.h"

#define STORES       3
#define IDS          96
#define GROUPS       80 /* of ids that begin with the same eight bytes; the last are shared */
#define SESSIONS     5
#define LEVELS       6
#define PLACES       6 /* at most, at which a walk goes on */
#define HISTORY      40
#define GARBAGE_KIND 77
#define NOW          INT64_C(1000000)
#define OWN          "FFFFFFFF/FFFFFFFF"

static const char *const store_names[STORES] = {"durable", "relaxed", "volatile"};

typedef struct Record
{
	bool present;
	int kind;
	int64_t expiry;
	uint64_t seed;
	int64_t length;
} Record;

typedef struct Level
{
	bool touched[STORES][IDS];
	Record records[STORES][IDS];
	bool locked[STORES][GROUPS];
} Level;

typedef struct Session
{
	PGconn *connection;
	bool in_transaction;
	bool failed;
	int level;
	Level levels[LEVELS];
} Session;

static const char *conninfo;
static uint64_t seed;
static uint64_t random_state;
static long operation;
static char history[HISTORY][400];

static unsigned char ids[IDS][16]; /* in ascending order */
static int group_of[IDS];
static char uuids[IDS][37];

static struct
{
	Record records[STORES][IDS];
} committed;
static uint64_t committed_after[STORES][IDS]; /* end of WAL before the commit that made it so */
static int lock_owner[STORES][GROUPS];
static Session sessions[SESSIONS];
static PGconn *control;

/* ---- small things --------------------------------------------------------------------------- */

static uint64_t
draw(uint64_t below)
{
	return body_random(&random_state) % below;
}

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list arguments;

	for (long i = operation >= HISTORY ? operation - HISTORY + 1 : 0; i <= operation; i++)
		fprintf(stderr, "%6ld %s\n", i, history[i % HISTORY]);
	fprintf(stderr, "\nseed %" PRIu64 ", operation %ld: ", seed, operation);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	_exit(1);
}

static PGconn *
connection_open(void)
{
	PGconn *connection = PQconnectdb(conninfo);

	if (PQstatus(connection) != CONNECTION_OK)
		fail("cannot connect: %s", PQerrorMessage(connection));
	/* Nothing here has a reason to wait for long; a wait for each other must not be silent. */
	PQclear(PQexec(connection, "SET statement_timeout = '20s'"));
	return connection;
}

static PGresult *
query(PGconn *connection, const char *sql)
{
	PGresult *result = PQexec(connection, sql);

	if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
		fail("%s\n%s", sql, PQerrorMessage(connection));
	return result;
}

/* The first value, "" for null; good until the next call. */
static const char *
value(PGconn *connection, const char *sql)
{
	static char text[256];
	PGresult *result = query(connection, sql);

	snprintf(text, sizeof(text), "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	return text;
}

static void
command(PGconn *connection, const char *sql)
{
	PQclear(query(connection, sql));
}

static char *__attribute__((format(printf, 2, 3)))
statement(const Session *session, const char *format, ...)
{
	static char sql[2000];
	char *line = history[operation % HISTORY];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sql, sizeof(sql), format, arguments);
	va_end(arguments);
	snprintf(line, sizeof(history[0]), "%d.%d %.380s",
	         session == NULL ? 9 : (int) (session - sessions), session == NULL ? 0 : session->level,
	         sql);
	return sql;
}

static uint64_t
lsn(const char *text)
{
	unsigned int high = 0;
	unsigned int low = 0;

	if (sscanf(text, "%X/%X", &high, &low) != 2)
		fail("not a position: %s", text);
	return ((uint64_t) high << 32) | low;
}

static const char *
record_text(const Record *record, int64_t limit)
{
	static char text[200];
	static char *data;
	static size_t room;
	size_t length = (size_t) record->length;

	if (!record->present)
		return "";
	if (length + 8 > room)
		data = realloc(data, room = length + 8);
	body_fill(data, length, record->seed);
	if (limit >= 0 && (size_t) limit < length)
		length = (size_t) limit;
	snprintf(text, sizeof(text), "%d,%" PRId64 ",%" PRId64 ",%" PRIx64, record->kind,
	         record->expiry, record->length, body_sum(data, length));
	return text;
}

/* ---- the model ------------------------------------------------------------------------------ */

static int
id_compare(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static void
ids_make(void)
{
	/* The same in every run, so that the state of one fits the next. */
	uint64_t state = 4711;
	uint64_t prefixes[GROUPS];

	for (int group = 0; group < GROUPS; group++)
		prefixes[group] = body_random(&state);
	for (int i = 0; i < IDS; i++)
	{
		uint64_t rest = body_random(&state);
		int group = i < GROUPS ? i : GROUPS - 1 - (i - GROUPS) / 4;

		memcpy(ids[i], &prefixes[group], 8);
		memcpy(ids[i] + 8, &rest, 8);
	}
	/* The ends of the order. */
	memset(ids[0], 0, 16);
	memset(ids[1], 0xff, 16);
	prefixes[0] = 0;
	prefixes[1] = UINT64_MAX;

	qsort(ids, IDS, 16, id_compare);
	for (int i = 0; i < IDS; i++)
	{
		char *text = uuids[i];

		for (int j = 0; j < 16; j++)
			text += sprintf(text, "%s%02x", j == 4 || j == 6 || j == 8 || j == 10 ? "-" : "",
			                ids[i][j]);
		for (int group = 0; group < GROUPS; group++)
			if (memcmp(ids[i], &prefixes[group], 8) == 0)
				group_of[i] = group;
	}
}

static bool
own(const Session *session, int store, int id)
{
	if (session->in_transaction)
		for (int level = session->level; level >= 0; level--)
			if (session->levels[level].touched[store][id])
				return true;
	return false;
}

static Record
view(const Session *session, int store, int id)
{
	if (session->in_transaction)
		for (int level = session->level; level >= 0; level--)
			if (session->levels[level].touched[store][id])
				return session->levels[level].records[store][id];
	return committed.records[store][id];
}

/* Autocommit: a transaction of one statement. */
static void
implicit_begin(Session *session)
{
	session->level = 0;
	memset(&session->levels[0], 0, sizeof(Level));
}

static bool
lockable(const Session *session, int store, int id)
{
	int owner = lock_owner[store][group_of[id]];

	return owner == -1 || owner == (int) (session - sessions);
}

static void
lock_take(Session *session, int store, int id)
{
	int group = group_of[id];

	if (lock_owner[store][group] == -1)
	{
		lock_owner[store][group] = (int) (session - sessions);
		session->levels[session->level].locked[store][group] = true;
	}
}

static void
change(Session *session, int store, int id, Record record)
{
	session->levels[session->level].touched[store][id] = true;
	session->levels[session->level].records[store][id] = record;
}

static void
level_unlock(Session *session, int level)
{
	for (int store = 0; store < STORES; store++)
		for (int group = 0; group < GROUPS; group++)
			if (session->levels[level].locked[store][group])
				lock_owner[store][group] = -1;
}

/* An error takes back the innermost level at once; the others wait for the client to say so. */
static void
level_fail(Session *session)
{
	level_unlock(session, session->level);
	memset(&session->levels[session->level], 0, sizeof(Level));
	session->failed = true;
}

static void
levels_rollback(Session *session, int level)
{
	for (; session->level >= level; session->level--)
		level_unlock(session, session->level);
	session->level = level;
	memset(&session->levels[level], 0, sizeof(Level));
}

static void
levels_release(Session *session, int level)
{
	for (; session->level >= level; session->level--)
	{
		Level *from = &session->levels[session->level];
		Level *to = from - 1;

		for (int store = 0; store < STORES; store++)
		{
			for (int id = 0; id < IDS; id++)
				if (from->touched[store][id])
				{
					to->touched[store][id] = true;
					to->records[store][id] = from->records[store][id];
				}
			for (int group = 0; group < GROUPS; group++)
				to->locked[store][group] |= from->locked[store][group];
		}
	}
}

/* `before` is the end of WAL before the commit was sent. */
static void
transaction_commit(Session *session, uint64_t before)
{
	if (session->level > 0)
		levels_release(session, 1);
	for (int store = 0; store < STORES; store++)
		for (int id = 0; id < IDS; id++)
			if (session->levels[0].touched[store][id])
			{
				Record *old = &committed.records[store][id];
				Record *new = &session->levels[0].records[store][id];

				if (old->present || new->present)
					committed_after[store][id] = before;
				*old = *new;
			}
	level_unlock(session, 0);
	session->in_transaction = session->failed = false;
}

static uint64_t
wal_end(void)
{
	return lsn(value(control, "SELECT pg_current_wal_insert_lsn()"));
}

/* ---- operations ------------------------------------------------------------------------------ */

static void
do_begin(Session *session)
{
	static const char *const levels[] = {"READ COMMITTED", "REPEATABLE READ"};

	command(session->connection, statement(session, "BEGIN ISOLATION LEVEL %s", levels[draw(2)]));
	session->in_transaction = true;
	session->failed = false;
	implicit_begin(session);
}

static void
do_end(Session *session, bool commit)
{
	uint64_t before = wal_end();
	bool failed = session->failed;

	command(session->connection, statement(session, commit ? "COMMIT" : "ROLLBACK"));
	if (commit && !failed)
		transaction_commit(session, before);
	else
	{
		levels_rollback(session, 0);
		session->in_transaction = session->failed = false;
	}
}

static void
do_savepoint(Session *session)
{
	if (session->level == LEVELS - 1)
		return;
	session->level++;
	memset(&session->levels[session->level], 0, sizeof(Level));
	command(session->connection, statement(session, "SAVEPOINT s%d", session->level));
}

static void
do_savepoint_end(Session *session, bool release)
{
	int level;

	if (session->level == 0)
		return;
	level = 1 + (int) draw((uint64_t) session->level);
	command(session->connection,
	        statement(session, release ? "RELEASE s%d" : "ROLLBACK TO s%d", level));
	if (release)
		levels_release(session, level);
	else
		levels_rollback(session, level);
	session->failed = false;
}

static void
do_error(Session *session)
{
	PQclear(PQexec(session->connection, statement(session, "SELECT 1/0")));
	level_fail(session);
}

static Record
record_draw(void)
{
	static const int64_t expiries[] = {0, 0, 0, 1, NOW, NOW + 1, -1, INT64_MAX};
	Record record = {.present = true, .seed = draw(UINT64_C(1) << 62)};
	uint64_t size = draw(1000);

	record.kind = draw(10) == 0 ? GARBAGE_KIND : (int) draw(65536);
	record.expiry = expiries[draw(8)];
	record.length = size < 50    ? 0
	                : size < 800 ? (int64_t) draw(300)
	                : size < 960 ? (int64_t) draw(9000)
	                : size < 997 ? (int64_t) draw(120000)
	                             : (int64_t) draw(3000000);
	return record;
}

static void
do_get(Session *session, int store, int id)
{
	bool mine =
	    session->in_transaction && lock_owner[store][group_of[id]] == (int) (session - sessions);
	bool reset = !mine || draw(2) == 0;
	Record record = view(session, store, id);
	int64_t limit = draw(3) > 0 ? -1 : (int64_t) draw(5000);
	bool is_own = own(session, store, id);
	PGresult *result = query(
	    session->connection,
	    statement(session,
	              "SELECT store_test.get('%s', '%s', %" PRId64 ", %s), store_test.read_position()",
	              store_names[store], uuids[id], limit, reset ? "true" : "false"));
	const char *position = PQgetvalue(result, 0, 1);

	if (strcmp(PQgetvalue(result, 0, 0), record_text(&record, limit)) != 0)
		fail("got \"%s\" where \"%s\" is", PQgetvalue(result, 0, 0), record_text(&record, limit));
	if (is_own && strcmp(position, OWN) != 0)
		fail("an own change was read at position %s", position);
	if (!is_own && reset && store != 0 && strcmp(position, "0/0") != 0)
		fail("what need not be durable was read at position %s", position);
	if (!is_own && reset && store == 0 && committed_after[store][id] != 0 &&
	    lsn(position) <= committed_after[store][id])
		fail("read at position %s, before its commit", position);
	if (!is_own && reset && lsn(position) > wal_end())
		fail("read at position %s, past the end of WAL", position);
	PQclear(result);
}

static void
do_lock(Session *session, int store, int id)
{
	bool expected = lockable(session, store, id);
	const char *got =
	    value(session->connection, statement(session, "SELECT store_test.lock('%s', '%s')",
	                                         store_names[store], uuids[id]));

	if (strcmp(got, expected ? "t" : "f") != 0)
		fail("lock: %s", got);
	if (expected && session->in_transaction)
		lock_take(session, store, id);
	if (!expected)
	{
		int pid = PQbackendPID(sessions[lock_owner[store][group_of[id]]].connection);

		got = value(session->connection, statement(session, "SELECT store_test.holder('%s', '%s')",
		                                           store_names[store], uuids[id]));
		if (atoi(got) != pid)
			fail("the lock is held by %d, not by %s", pid, got);
	}
}

/* One change, behind its lock; in a statement of its own if no transaction is open. */
static void
do_change(Session *session, int store, int id)
{
	bool expected = lockable(session, store, id);
	Record old;
	Record new;
	char call[600];
	const char *got;
	uint64_t before = 0;
	bool done = true;
	bool fails = session->in_transaction && draw(12) == 0;
	bool block = !fails && draw(8) == 0;
	bool block_fails = block && draw(2) == 0;

	if (!session->in_transaction)
	{
		implicit_begin(session);
		before = wal_end();
	}
	old = new = view(session, store, id);

	switch (draw(6))
	{
		case 0:
			new.present = false;
			done = old.present;
			snprintf(call, sizeof(call), "store_test.del('%s', '%s')", store_names[store],
			         uuids[id]);
			break;
		case 1:
			new.expiry = record_draw().expiry;
			done = old.present;
			snprintf(call, sizeof(call), "store_test.expire('%s', '%s', %" PRId64 ")",
			         store_names[store], uuids[id], new.expiry);
			break;
		default:
			new = record_draw();
			snprintf(call, sizeof(call),
			         "store_test.put('%s', '%s', %d, %" PRId64 ", %" PRIu64 ", %" PRId64 ")",
			         store_names[store], uuids[id], new.kind, new.expiry, new.seed, new.length);
	}

	if (block)
	{
		/* An exception block is a savepoint that PL/pgSQL releases or rolls back. */
		command(session->connection,
		        statement(session,
		                  "DO $$ BEGIN IF store_test.lock('%s', '%s') THEN PERFORM %s; END IF; %s "
		                  "EXCEPTION WHEN division_by_zero THEN END $$",
		                  store_names[store], uuids[id], call, block_fails ? "PERFORM 1/0;" : ""));
	}
	else if (fails)
	{
		PQclear(PQexec(session->connection,
		               statement(session,
		                         "SELECT CASE WHEN store_test.lock('%s', '%s') THEN %s END, "
		                         "1/(random()*0)::int",
		                         store_names[store], uuids[id], call)));
		if (PQtransactionStatus(session->connection) != PQTRANS_INERROR)
			fail("the statement did not fail");
		level_fail(session);
		return;
	}
	else
	{
		got = value(session->connection,
		            statement(session, "SELECT CASE WHEN store_test.lock('%s', '%s') THEN %s END",
		                      store_names[store], uuids[id], call));
		if (strcmp(got, !expected ? "" : done ? "t" : "f") != 0)
			fail("change: %s", got);
	}

	if (expected && !block_fails)
	{
		lock_take(session, store, id);
		if (done)
			change(session, store, id, new);
	}
	if (!session->in_transaction)
		transaction_commit(session, before);
}

/* Where a walk goes on: some ids in their order, as an array of SQL. */
static int
draw_places(int *places, char *array, size_t size)
{
	int count = draw(2) == 0 ? 0 : 1 + (int) draw(PLACES);
	size_t length = 0;

	for (int i = 0, id = -1; i < count; i++)
	{
		id += 1 + (int) draw((uint64_t) (IDS - count + i - id));
		places[i] = id;
	}
	length += (size_t) snprintf(array, size, "%s", count > 0 ? "'{" : "NULL");
	for (int i = 0; i < count; i++)
		length += (size_t) snprintf(array + length, size - length, "%s%s", i > 0 ? "," : "",
		                            uuids[places[i]]);
	snprintf(array + length, size - length, "%s", count > 0 ? "}'" : "");
	return count;
}

static void
do_walk(Session *session, int store)
{
	int from = draw(3) == 0 ? 0 : (int) draw(IDS);
	int64_t limit = (int64_t) draw(100);
	bool null = from == 0 && draw(2) == 0;
	int places[PLACES];
	char array[PLACES * 40 + 10];
	int count = draw_places(places, array, sizeof(array));
	PGresult *result = query(
	    session->connection,
	    statement(session, "SELECT id, record FROM store_test.walk('%s', %s%s%s, %" PRId64 ", %s)",
	              store_names[store], null ? "" : "'", null ? "NULL" : uuids[from], null ? "" : "'",
	              limit, array));
	int row = 0;
	int place = 0;

	for (int id = from; id < IDS; id++)
	{
		Record record = view(session, store, id);

		if (!record.present)
			continue;
		if (row >= PQntuples(result))
			fail("the walk ends before %s", uuids[id]);
		if (strcmp(PQgetvalue(result, row, 0), uuids[id]) != 0)
			fail("the walk returns %s where %s is next", PQgetvalue(result, row, 0), uuids[id]);
		if (strcmp(PQgetvalue(result, row, 1), record_text(&record, limit)) != 0)
			fail("the walk returns \"%s\" for %s where \"%s\" is", PQgetvalue(result, row, 1),
			     uuids[id], record_text(&record, limit));
		row++;
		while (place < count && places[place] <= id)
			place++;
		if (place < count)
			id = places[place++] - 1;
	}
	if (row != PQntuples(result))
		fail("the walk returns %s, which is not there", PQgetvalue(result, row, 0));
	PQclear(result);
}

static void
do_sweep(Session *session, int store)
{
	int from = (int) draw(IDS);
	int max = 1 + (int) draw(draw(4) == 0 ? IDS + 10 : 10);
	int seen = 0;
	int deleted = 0;
	int garbage = 0;
	uint64_t before = 0;
	bool wrapped;
	PGresult *result;

	if (!session->in_transaction)
	{
		implicit_begin(session);
		before = wal_end();
	}
	result =
	    query(session->connection,
	          statement(session,
	                    "SELECT seen, deleted, wrapped, next, garbage FROM store_test.sweep('%s', "
	                    "'%s', %d, %" PRId64 ")",
	                    store_names[store], uuids[from], max, NOW));
	wrapped = PQgetvalue(result, 0, 2)[0] == 't';
	for (int id = from; id < IDS; id++)
	{
		Record record = view(session, store, id);

		if (!wrapped && strcmp(uuids[id], PQgetvalue(result, 0, 3)) >= 0)
			break;
		if (!record.present)
			continue;
		seen++;
		if ((record.expiry == 0 || record.expiry > NOW) && record.kind != GARBAGE_KIND)
			continue;
		if (!lockable(session, store, id))
			continue;
		lock_take(session, store, id);
		deleted++;
		garbage += record.expiry == 0 || record.expiry > NOW;
		record.present = false;
		change(session, store, id, record);
	}
	if (atoi(PQgetvalue(result, 0, 0)) != seen || atoi(PQgetvalue(result, 0, 1)) != deleted)
		fail("the sweep saw %s and deleted %s, not %d and %d, next %s", PQgetvalue(result, 0, 0),
		     PQgetvalue(result, 0, 1), seen, deleted, PQgetvalue(result, 0, 3));
	if (atoi(PQgetvalue(result, 0, 4)) != garbage)
		fail("the sweep called %s of them garbage, not %d", PQgetvalue(result, 0, 4), garbage);
	if (!wrapped && seen != max)
		fail("the sweep stopped early");
	PQclear(result);
	if (!session->in_transaction)
		transaction_commit(session, before);
}

static void
do_changed(Session *session)
{
	bool expected = false;
	const char *got;

	for (int store = 0; store < STORES; store++)
		for (int id = 0; id < IDS; id++)
			expected |= own(session, store, id);
	got = value(session->connection, statement(session, "SELECT store_test.changed()"));
	if (strcmp(got, expected ? "t" : "f") != 0)
		fail("changed: %s", got);
}

static void
do_operation(void)
{
	Session *session = &sessions[draw(SESSIONS)];
	int store = draw(2) == 0 ? 0 : (int) draw(STORES);
	int id = (int) draw(draw(2) == 0 ? IDS : draw(3) == 0 ? 3 : 8);
	uint64_t choice = draw(1000);

	if (session->failed)
	{
		if (session->level > 0 && choice < 700)
			do_savepoint_end(session, false);
		else
			do_end(session, choice % 2 == 0);
		return;
	}
	if (choice < 250)
		do_get(session, store, id);
	else if (choice < 550)
		do_change(session, store, id);
	else if (choice < 640)
		do_lock(session, store, id);
	else if (choice < 690)
		do_walk(session, store);
	else if (choice < 710)
		do_sweep(session, store);
	else if (choice < 730)
		do_changed(session);
	else if (choice < 732)
		command(control, statement(NULL, "VACUUM (TRUNCATE false) %s", store_names[store]));
	else if (!session->in_transaction)
	{
		if (choice < 850)
			do_begin(session);
	}
	else if (choice < 800)
		do_savepoint(session);
	else if (choice < 835)
		do_savepoint_end(session, true);
	else if (choice < 870)
		do_savepoint_end(session, false);
	else if (choice < 890)
		do_error(session);
	else if (choice < 940)
		do_end(session, true);
	else if (choice < 970)
		do_end(session, false);
}

static void
run_random(long operations, const char *state, const char *phase)
{
	Session *checker;
	FILE *file;

	ids_make();
	for (int store = 0; store < STORES; store++)
		for (int group = 0; group < GROUPS; group++)
			lock_owner[store][group] = -1;
	control = connection_open();
	for (int i = 0; i < SESSIONS; i++)
		sessions[i].connection = connection_open();

	if (strcmp(phase, "first") != 0)
	{
		file = fopen(state, "rb");
		if (file == NULL || fread(&committed, sizeof(committed), 1, file) != 1)
			fail("cannot read %s", state);
		fclose(file);
	}
	if (strcmp(phase, "crashed") == 0)
		memset(committed.records[2], 0, sizeof(committed.records[2]));
	checker = &sessions[0];
	for (int i = 0; i < 20 * STORES; i++)
		do_walk(checker, i % STORES);

	for (operation = 1; operation <= operations; operation++)
	{
		history[operation % HISTORY][0] = '\0';
		do_operation();
	}

	/* What is committed, as a session sees it that has nothing of its own. */
	for (int i = 0; i < SESSIONS; i++)
		if (sessions[i].in_transaction && draw(2) == 0)
			do_end(&sessions[i], true);
	checker = &sessions[0];
	if (checker->in_transaction)
		do_end(checker, false);
	for (int store = 0; store < STORES; store++)
		for (int id = 0; id < IDS; id++)
			do_get(checker, store, id);

	file = fopen(state, "wb");
	if (file == NULL || fwrite(&committed, sizeof(committed), 1, file) != 1 || fclose(file) != 0)
		fail("cannot write %s", state);
	printf("%ld operations agree, seed %" PRIu64 "\n", operations, seed);
	fflush(stdout);
	/* Not PQfinish: transactions are left open. */
	_exit(0);
}

/* ---- many at once ------------------------------------------------------------------------------ */

#define COUNTERS 6

static void
count_process(int rounds, int out)
{
	PGconn *connection = connection_open();
	int64_t counted[COUNTERS] = {0};

	for (int i = 0; i < rounds; i++)
	{
		int first = (int) draw(COUNTERS - 1);
		int second = first + 1 + (int) draw((uint64_t) (COUNTERS - 1 - first));
		uint64_t kind = draw(8);
		char sql[300];

		/* In ascending order, so that there are no deadlocks. */
		command(connection, "BEGIN");
		snprintf(sql, sizeof(sql), "SELECT store_test.count_up('durable', '%s')", uuids[first]);
		command(connection, sql);
		snprintf(sql, sizeof(sql), "SELECT store_test.count_up('durable', '%s')", uuids[second]);
		if (kind < 2)
			command(connection, "SAVEPOINT s");
		command(connection, sql);
		if (kind == 0)
			command(connection, "ROLLBACK TO s");
		command(connection, kind == 7 ? "ROLLBACK" : "COMMIT");
		if (kind != 7)
			counted[first]++;
		if (kind != 7 && kind != 0)
			counted[second]++;
	}
	if (write(out, counted, sizeof(counted)) != sizeof(counted))
		_exit(1);
	_exit(0);
}

static int64_t
counter_read(int counter)
{
	return strtoll(
	    value(control, statement(NULL, "SELECT split_part(store_test.get('durable', '%s'), ',', 2)",
	                             uuids[counter])),
	    NULL, 10);
}

static void
run_count(int processes, int rounds)
{
	int64_t expected[COUNTERS] = {0};
	int channel[2];

	ids_make();
	control = connection_open();
	for (int i = 0; i < COUNTERS; i++)
	{
		expected[i] = counter_read(i);
	}
	if (pipe(channel) != 0)
		fail("cannot make a pipe");
	for (int i = 0; i < processes; i++)
		if (fork() == 0)
		{
			random_state = seed + (uint64_t) i + 1;
			count_process(rounds, channel[1]);
		}
	for (int i = 0; i < processes; i++)
	{
		int status;
		int64_t counted[COUNTERS];

		if (wait(&status) < 0 || status != 0)
			fail("a counting process failed");
		if (read(channel[0], counted, sizeof(counted)) != sizeof(counted))
			fail("a counting process said nothing");
		for (int j = 0; j < COUNTERS; j++)
			expected[j] += counted[j];
	}
	for (int i = 0; i < COUNTERS; i++)
	{
		int64_t got = counter_read(i);

		if (got != expected[i])
			fail("counted %" PRId64 ", and the record says %" PRId64, expected[i], got);
	}
	printf("%d processes counted alike\n", processes);
}

static void
positions_process(int number, time_t until)
{
	PGconn *connection = connection_open();
	char sql[300];

	command(connection, "SET synchronous_commit = off");
	if (number < 2)
		snprintf(sql, sizeof(sql), "SELECT store_test.put_position('durable', '%s')", uuids[40]);
	else
		snprintf(sql, sizeof(sql), "SELECT store_test.check_positions('durable', '%s', 1000, %s)",
		         uuids[40], number == 2 ? "false" : "true");
	while (time(NULL) < until)
		if (value(connection, sql)[0] == 'f')
			fail("a record was read at a position before its commit");
	_exit(0);
}

static void
run_positions(int seconds)
{
	time_t until = time(NULL) + seconds;
	PGconn *connection;
	char sql[300];

	ids_make();
	/* What a random program has left under the id has an expiry that is no position. */
	connection = connection_open();
	snprintf(sql, sizeof(sql), "SELECT store_test.put_position('durable', '%s')", uuids[40]);
	command(connection, sql);
	PQfinish(connection);
	for (int i = 0; i < 4; i++)
		if (fork() == 0)
			positions_process(i, until);
	for (int i = 0; i < 4; i++)
	{
		int status;

		if (wait(&status) < 0 || status != 0)
			fail("positions are wrong");
	}
	printf("positions are never early\n");
}

int
main(int argc, char **argv)
{
	if (argc == 7 && strcmp(argv[2], "random") == 0)
	{
		conninfo = argv[1];
		seed = strtoull(argv[3], NULL, 10);
		random_state = seed;
		run_random(atol(argv[4]), argv[5], argv[6]);
	}
	else if (argc == 5 && strcmp(argv[2], "count") == 0)
	{
		conninfo = argv[1];
		seed = (uint64_t) time(NULL);
		run_count(atoi(argv[3]), atoi(argv[4]));
	}
	else if (argc == 4 && strcmp(argv[2], "positions") == 0)
	{
		conninfo = argv[1];
		run_positions(atoi(argv[3]));
	}
	else
	{
		fprintf(stderr, "usage: contract CONNINFO random SEED OPERATIONS STATE PHASE\n"
		                "       contract CONNINFO count PROCESSES ROUNDS\n"
		                "       contract CONNINFO positions SECONDS\n");
		return 2;
	}
	return 0;
}
