/* SPDX-License-Identifier: PostgreSQL
 *
 * test.c: `pgfirst cache test`: whether the cache of this cluster works, and how fast, tried on it.
 *
 * A list of checks, each with a statement and what it must answer; a check that waits for something says
 * until when.  The entries have names of their own and expire by themselves, should they be left behind.
 */
#include "cli/cache/cache.h"

#include "cli/common/fail.h"
#include "cli/common/json.h"
#include "cli/common/process.h"
#include "cli/common/text.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPIRY_MS      200
#define EXPIRY_SECONDS 10
#define SPEED_SECONDS  1.0
#define SPEED_INSIDE   20000 /* reads in one statement */

typedef struct CacheTest
{
	CacheDoor door;
	char *key; /* that the checks use */
	bool failed;
	bool json;
	JsonWriter report;
} CacheTest;

static void
told(CacheTest *test, const char *name, bool works, const char *detail)
{
	test->failed |= !works;
	if (!test->json)
		printf("%-7s %-9s %s\n", works ? "ok" : "FAILED", name, detail);
	json_object(&test->report, NULL);
	json_text(&test->report, "name", name);
	json_boolean(&test->report, "ok", works);
	json_text(&test->report, "detail", detail);
	json_object_end(&test->report);
	fflush(stdout);
}

/* The answer of a statement, in which $ stands for the key in quotes; an error's words if it fails. */
static char *
answer(CacheTest *test, const char *statement)
{
	TextBuffer sql = {0};
	PGresult *result;
	char *value;

	for (; *statement != '\0'; statement++)
	{
		if (*statement == '$')
			text_appendf(&sql, "'%s'", test->key);
		else
			text_append_bytes(&sql, statement, 1);
	}
	result = PQexec(test->door.connection, sql.data);
	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0)
		value = text_copy(PQgetisnull(result, 0, 0) ? "null" : PQgetvalue(result, 0, 0));
	else if (PQresultStatus(result) == PGRES_COMMAND_OK)
		value = text_copy("");
	else
		value = text_trim(text_copy(PQresultErrorMessage(result)));
	PQclear(result);
	return value;
}

/* ---- checks ------------------------------------------------------------------------------ */

typedef struct Check
{
	const char *name;
	const char *does;      /* said if it works */
	const char *before[4]; /* statements whose answers do not matter */
	const char *statement;
	const char *wanted;
} Check;

/* clang-format off */
static const Check checks[] = {
	{"set", "an entry is set", {NULL}, "SELECT cache.set($, 'one', '1 hour')", ""},
	{"get", "it is read again", {NULL}, "SELECT cache.get($)", "one"},
	{"json", "jsonb goes in and comes out",
	 {"SELECT cache.set($ || ':json', '{\"n\": 7}'::jsonb, '1 hour')"},
	 "SELECT cache.get_json($ || ':json')->>'n'", "7"},
	{"add", "an entry that is there is not added again", {NULL}, "SELECT cache.add($, 'two')", "f"},
	{"many", "three are set, and read, in one call",
	 {"SELECT cache.set_many(ARRAY[$ || ':a', $ || ':b', $ || ':c'], ARRAY['a', 'b', 'c'], '1 hour')"},
	 "SELECT string_agg(value, ',') FROM cache.get_many(ARRAY[$ || ':a', $ || ':b', $ || ':c'])", "a,b,c"},
	{"rollback", "what is rolled back was never there",
	 {"BEGIN", "SELECT cache.set($, 'changed')", "ROLLBACK"}, "SELECT cache.get($)", "one"},
	{"touch", "its expiry is changed", {"SELECT cache.touch($, '2 days')"},
	 "SELECT expires_at > now() + interval '1 day' FROM cache.entries WHERE key = $", "t"},
	{"delete", "an entry is deleted", {NULL}, "SELECT cache.delete($) AND cache.get($) IS NULL", "t"},
	{NULL, NULL, {NULL}, NULL, NULL}};
/* clang-format on */

static void
run_check(CacheTest *test, const Check *check)
{
	char *said;
	bool works;

	for (int i = 0; check->before[i] != NULL; i++)
		(void) answer(test, check->before[i]);
	said = answer(test, check->statement);
	works = strcmp(said, check->wanted) == 0;
	told(test, check->name, works,
	     works ? check->does : text_format("%s: it answered %s", check->does, said));
}

static void
check_expiry(CacheTest *test)
{
	double begun = clock_seconds();
	char *said = answer(test, text_format("SELECT cache.set($, 'short', '%d ms')", EXPIRY_MS));
	bool gone = false;

	if (*said != '\0')
	{
		told(test, "expiry", false, said);
		return;
	}
	while (!gone && clock_seconds() - begun < EXPIRY_SECONDS)
	{
		interrupt_check();
		sleep_ms(5);
		gone = strcmp(answer(test, "SELECT cache.get($)"), "null") == 0;
	}
	/* Expiry counts whole milliseconds: the one that has begun is one. */
	told(test, "expiry", gone && (clock_seconds() - begun) * 1000 > EXPIRY_MS - 1,
	     text_format("an entry of %d ms was %s after %.0f ms", EXPIRY_MS,
	                 gone ? "gone" : "still there", (clock_seconds() - begun) * 1000));
}

static void
check_redis(CacheTest *test)
{
	int port = settings_get_port(test->door.cluster, "pgfirst.redis_port");
	int database = atoi(answer(test, "SHOW pgfirst.cache_database"));
	char *problem = NULL;
	char *value;

	if (port == 0)
	{
		told(test, "redis", true, "the Redis door of this cluster is closed: not tried");
		return;
	}
	(void) answer(test, "SELECT cache.set($ || ':redis', 'both', '1 hour')");
	value =
	    door_redis_get(test->door.cluster, database, text_format("%s:redis", test->key), &problem);
	told(test, "redis", value != NULL && strcmp(value, "both") == 0,
	     problem != NULL
	         ? problem
	         : text_format("a Redis client of database %d, port %d, reads the same entry", database,
	                       port));
}

/* ---- speed ------------------------------------------------------------------------------- */

/* How often a second a prepared statement with the key is answered, one after the other. */
static double
rate_of(CacheTest *test, const char *statement)
{
	const char *values[] = {test->key};
	double begun;
	int done = 0;

	PQclear(PQprepare(test->door.connection, "", statement, 1, NULL));
	begun = clock_seconds();
	while (clock_seconds() - begun < SPEED_SECONDS)
	{
		PGresult *result = PQexecPrepared(test->door.connection, "", 1, values, NULL, NULL, 0);

		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			fail(EXIT_ERROR, NULL, "cannot measure: %s", PQresultErrorMessage(result));
		PQclear(result);
		done++;
		interrupt_check();
	}
	return done / (clock_seconds() - begun);
}

static void
measure(CacheTest *test)
{
	double sets = rate_of(test, "SELECT cache.set($1, 'one hundred bytes or so', '1 hour')");
	double gets = rate_of(test, "SELECT cache.get($1)");
	double begun = clock_seconds();
	double inside;

	(void) answer(
	    test, text_format("SELECT count(cache.get($)) FROM generate_series(1, %d)", SPEED_INSIDE));
	inside = SPEED_INSIDE / (clock_seconds() - begun);
	json_object(&test->report, "per_second");
	json_number(&test->report, "get", gets);
	json_number(&test->report, "set", sets);
	json_number(&test->report, "get_within_a_query", inside);
	json_object_end(&test->report);
	if (!test->json)
		printf("speed   one connection, one after the other: %.0f gets, %.0f sets a second (%s)\n"
		       "        within one query: %.0f gets a second\n",
		       gets, sets, answer(test, "SELECT durability FROM cache.stats()"), inside);
}

static void
tidy(CacheTest *test)
{
	(void) answer(test, "SELECT cache.delete_many(ARRAY[$, $ || ':json', $ || ':a', $ || ':b', "
	                    "$ || ':c', $ || ':redis'])");
}

int
command_cache_test(const Arguments *arguments)
{
	CacheTest test = {.door = cache_door(arguments), .json = arguments->json};

	interrupt_watch();
	/* No quotes and no dollars are in it. */
	test.key = text_format("pgfirst:test:%.16s", secret_make());
	json_object(&test.report, NULL);
	json_array(&test.report, "checks");
	for (const Check *check = checks; check->name != NULL; check++)
		run_check(&test, check);
	check_expiry(&test);
	check_redis(&test);
	json_array_end(&test.report);
	if (!test.failed)
		measure(&test);
	tidy(&test);
	json_boolean(&test.report, "ok", !test.failed);
	json_object_end(&test.report);
	if (test.json)
		json_print(&test.report);
	return test.failed ? EXIT_ERROR : EXIT_OK;
}
