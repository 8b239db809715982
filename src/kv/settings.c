/* SPDX-License-Identifier: PostgreSQL
 *
 * settings.c: the settings of the door `redis`.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "kv/settings.h"

int pgfirst_redis_port = 6379;
char *pgfirst_redis_listen_addresses;
char *pgfirst_redis_unix_socket;
int pgfirst_redis_workers = 1;
char *pgfirst_redis_database;
char *pgfirst_redis_default_role;
int pgfirst_redis_max_clients = 20000;
int pgfirst_redis_lock_timeout = 10000;
int pgfirst_redis_client_memory = 256 * 1024;
int pgfirst_redis_usage_memory = 16 * 1024;

static void
settings_define_door(void)
{
	DefineCustomIntVariable("pgfirst.redis_port", "Sets the TCP port of the Redis door.",
	                        "0 closes the TCP door.", &pgfirst_redis_port, 6379, 0, 65535,
	                        PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable(
	    "pgfirst.redis_listen_addresses", "Sets the addresses the Redis door listens on.",
	    "Comma-separated IP addresses or host names; * for all. pg_hba.conf does not apply to "
	    "this door.",
	    &pgfirst_redis_listen_addresses, "127.0.0.1", PGC_POSTMASTER, GUC_LIST_INPUT, NULL, NULL,
	    NULL);
	DefineCustomStringVariable("pgfirst.redis_unix_socket",
	                           "Sets the file name of the Redis door's Unix socket.",
	                           "Relative to the data directory; empty for none. Served by the "
	                           "first worker.",
	                           &pgfirst_redis_unix_socket, "", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
	    "pgfirst.redis_workers", "Sets the number of processes that serve the Redis door.", NULL,
	    &pgfirst_redis_workers, 1, 1, KV_WORKERS_MAX, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable(
	    "pgfirst.redis_database", "Sets the database that the Redis door serves.",
	    "The door waits until the extension pgfirst_kv exists there.", &pgfirst_redis_database,
	    "postgres", PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

static void
settings_define_clients(void)
{
	DefineCustomStringVariable("pgfirst.redis_default_role",
	                           "Sets the role that AUTH with a password alone means.",
	                           "Also the Redis user \"default\". Empty: such logins are refused.",
	                           &pgfirst_redis_default_role, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgfirst.redis_max_clients",
	                        "Sets how many clients one worker of the Redis door serves at a time.",
	                        NULL, &pgfirst_redis_max_clients, 20000, 1, 1000000, PGC_SIGHUP, 0,
	                        NULL, NULL, NULL);
	DefineCustomIntVariable("pgfirst.redis_lock_timeout",
	                        "Sets how long a client of the Redis door waits for a locked key.",
	                        "Afterwards it is answered with an error that names the holder.",
	                        &pgfirst_redis_lock_timeout, 10000, 1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS,
	                        NULL, NULL, NULL);
	DefineCustomIntVariable(
	    "pgfirst.redis_client_memory",
	    "Sets the memory that the buffers of one worker's clients take together.",
	    "When they would take more, the client that takes most is disconnected.",
	    &pgfirst_redis_client_memory, 256 * 1024, 16 * 1024, INT_MAX, PGC_SIGHUP, GUC_UNIT_KB, NULL,
	    NULL, NULL);
}

static void
settings_define_eviction(void)
{
	DefineCustomIntVariable(
	    "pgfirst.redis_usage_memory",
	    "Sets the memory in which databases that evict keys note which ones are used.",
	    "16 bytes for each key that is kept; the largest power of two of it is used.",
	    &pgfirst_redis_usage_memory, 16 * 1024, 64, 1024 * 1024, PGC_POSTMASTER, GUC_UNIT_KB, NULL,
	    NULL, NULL);
}

void
kv_settings_define(void)
{
	settings_define_door();
	settings_define_clients();
	settings_define_eviction();
}
