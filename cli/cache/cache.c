/* SPDX-License-Identifier: PostgreSQL
 *
 * cache.c: `pgfirst cache stats`, `cleanup` and `clear`: each is one call of the function of that name.
 *
 * As role app over TCP: what the application may not do, these may not either, and what they show is
 * what the application sees.
 */
#include "cli/cache/cache.h"

#include "cli/common/fail.h"
#include "cli/common/json.h"
#include "cli/common/text.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

CacheDoor
cache_door(const Arguments *arguments)
{
	CacheDoor door = {.cluster = cluster_open(arguments, USER_READS)};

	if (server_pid(door.cluster) == 0)
		fail(EXIT_STOPPED, text_format("Start it with: %s", cluster_command(door.cluster, "up")),
		     "the cluster in %s is not running", door.cluster->dir);
	door.connection = door_app(door.cluster);
	if (door_value(door.connection,
	               "SELECT 1 FROM pg_catalog.pg_extension WHERE extname = 'pgfirst_cache'") == NULL)
		fail(EXIT_ERROR,
		     text_format("%s -c 'CREATE EXTENSION pgfirst_cache CASCADE' -c 'GRANT USAGE ON SCHEMA "
		                 "cache TO " CLUSTER_ROLE "'",
		                 cluster_command(door.cluster, "psql --superuser")),
		     "database " CLUSTER_DATABASE " does not have the extension pgfirst_cache");
	return door;
}

/* ---- stats ------------------------------------------------------------------------------- */

enum
{
	STATS_DB,
	STATS_DURABILITY,
	STATS_ENTRIES,
	STATS_EXPIRING,
	STATS_BYTES,
	STATS_HITS,
	STATS_MISSES,
	STATS_SINCE
};

static int64_t
stats_number(PGresult *stats, int column)
{
	return strtoll(PQgetvalue(stats, 0, column), NULL, 10);
}

/* Of all reads that found something; -1 before the first. */
static double
stats_ratio(PGresult *stats)
{
	double hits = (double) stats_number(stats, STATS_HITS);
	double reads = hits + (double) stats_number(stats, STATS_MISSES);

	return reads > 0 ? hits / reads : -1;
}

static void
stats_json(PGresult *stats)
{
	JsonWriter json = {0};

	json_object(&json, NULL);
	json_integer(&json, "database", stats_number(stats, STATS_DB));
	json_text(&json, "durability", PQgetvalue(stats, 0, STATS_DURABILITY));
	json_integer(&json, "entries", stats_number(stats, STATS_ENTRIES));
	json_integer(&json, "expiring", stats_number(stats, STATS_EXPIRING));
	json_integer(&json, "bytes", stats_number(stats, STATS_BYTES));
	json_integer(&json, "hits", stats_number(stats, STATS_HITS));
	json_integer(&json, "misses", stats_number(stats, STATS_MISSES));
	if (stats_ratio(stats) >= 0)
		json_number(&json, "hit_ratio", stats_ratio(stats));
	else
		json_null(&json, "hit_ratio");
	json_text(&json, "since", PQgetvalue(stats, 0, STATS_SINCE));
	json_object_end(&json);
	json_print(&json);
}

static void
stats_text(PGresult *stats)
{
	printf("database  %s of the Redis door, %s\n", PQgetvalue(stats, 0, STATS_DB),
	       PQgetvalue(stats, 0, STATS_DURABILITY));
	printf("entries   %s, of which %s expire\n", PQgetvalue(stats, 0, STATS_ENTRIES),
	       PQgetvalue(stats, 0, STATS_EXPIRING));
	printf("file      %s\n", text_size(stats_number(stats, STATS_BYTES)));
	if (stats_ratio(stats) >= 0)
		printf("reads     %s found, %s did not: %.1f %% hits\n", PQgetvalue(stats, 0, STATS_HITS),
		       PQgetvalue(stats, 0, STATS_MISSES), 100 * stats_ratio(stats));
	else
		printf("reads     none yet\n");
	printf("since     %s\n", PQgetvalue(stats, 0, STATS_SINCE));
}

int
command_cache_stats(const Arguments *arguments)
{
	CacheDoor door = cache_door(arguments);
	PGresult *stats = door_query(
	    door.connection, "SELECT db, durability, entries, expiring, bytes, coalesce(hits, 0), "
	                     "coalesce(misses, 0), "
	                     "to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') "
	                     "FROM cache.stats()");

	if (arguments->json)
		stats_json(stats);
	else
		stats_text(stats);
	return EXIT_OK;
}

/* ---- cleanup, clear ---------------------------------------------------------------------- */

int
command_cache_cleanup(const Arguments *arguments)
{
	CacheDoor door = cache_door(arguments);
	PGresult *deleted = door_query(door.connection, "SELECT cache.cleanup()");
	JsonWriter json = {0};

	if (!arguments->json)
	{
		printf("%s expired entries were deleted.\n", PQgetvalue(deleted, 0, 0));
		return EXIT_OK;
	}
	json_object(&json, NULL);
	json_integer(&json, "deleted", strtoll(PQgetvalue(deleted, 0, 0), NULL, 10));
	json_object_end(&json);
	json_print(&json);
	return EXIT_OK;
}

static void
clear_ask(const Cluster *cluster, const char *entries)
{
	char answer[16];

	if (!isatty(STDIN_FILENO))
		fail(EXIT_USAGE, text_format("To do so: %s", cluster_command(cluster, "cache clear --yes")),
		     "this deletes every entry of the cache; it wants --yes");
	printf("This deletes all %s entries of the cache.\nType \"yes\": ", entries);
	fflush(stdout);
	if (fgets(answer, sizeof(answer), stdin) == NULL || strcmp(text_trim(answer), "yes") != 0)
		fail(EXIT_ERROR, NULL, "nothing was deleted");
}

int
command_cache_clear(const Arguments *arguments)
{
	CacheDoor door = cache_door(arguments);
	PGresult *entries = door_query(door.connection, "SELECT entries FROM cache.stats()");
	JsonWriter json = {0};

	if (!arguments->yes)
		clear_ask(door.cluster, PQgetvalue(entries, 0, 0));
	door_query(door.connection, "SELECT cache.clear()");
	if (!arguments->json)
	{
		printf("The cache is empty.  It had %s entries.\n", PQgetvalue(entries, 0, 0));
		return EXIT_OK;
	}
	json_object(&json, NULL);
	json_integer(&json, "entries_before", strtoll(PQgetvalue(entries, 0, 0), NULL, 10));
	json_object_end(&json);
	json_print(&json);
	return EXIT_OK;
}
