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
int pgfirst_redis_unix_socket_permissions = 0777;
int pgfirst_redis_tls_port = 0;
int pgfirst_redis_tls_auth_clients = KV_TLS_CLIENTS_OFF;
int pgfirst_redis_workers = 1;
char *pgfirst_redis_database;
char *pgfirst_redis_default_role;
int pgfirst_redis_auth_delay = 500;
int pgfirst_redis_max_clients = 20000;
int pgfirst_redis_lock_timeout = 10000;
int pgfirst_redis_client_memory = 256 * 1024;
int pgfirst_redis_client_output_limit = 0;
int pgfirst_redis_pubsub_output_limit = 32 * 1024;
int pgfirst_redis_timeout = 0;
int pgfirst_redis_tcp_keepalive = 300;
int pgfirst_tenant = -1;

static const struct config_enum_entry tls_clients[] = {{"off", KV_TLS_CLIENTS_OFF, false},
                                                       {"optional", KV_TLS_CLIENTS_OPTIONAL, false},
                                                       {"required", KV_TLS_CLIENTS_REQUIRED, false},
                                                       {NULL, 0, false}};

static const char *
show_permissions(void)
{
	static char octal[8];

	snprintf(octal, sizeof(octal), "0%03o", pgfirst_redis_unix_socket_permissions);
	return octal;
}

static void
settings_define_tls(void)
{
	DefineCustomIntVariable(
	    "pgfirst.redis_tls_port", "Sets the TCP port on which the Redis door speaks TLS.",
	    "Beside pgfirst.redis_port, on the same addresses; 0 closes it. Certificate, key, "
	    "protocols "
	    "and ciphers are the server's own: ssl_cert_file, ssl_key_file and so on.",
	    &pgfirst_redis_tls_port, 0, 0, 65535, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable(
	    "pgfirst.redis_tls_auth_clients",
	    "Sets whether clients of the TLS port of the Redis door must have a certificate.",
	    "off, optional or required. It must come from an authority in ssl_ca_file, and not be "
	    "revoked "
	    "by ssl_crl_file. It does not replace the password.",
	    &pgfirst_redis_tls_auth_clients, KV_TLS_CLIENTS_OFF, tls_clients, PGC_SIGHUP, 0, NULL, NULL,
	    NULL);
}
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
	    "pgfirst.redis_unix_socket_permissions",
	    "Sets who may connect to the Redis door's Unix socket.",
	    "As for chmod, in octal, with a leading 0. Who connects has to log in all the "
	    "same.",
	    &pgfirst_redis_unix_socket_permissions, 0777, 0, 0777, PGC_POSTMASTER, 0, NULL, NULL,
	    show_permissions);
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
	DefineCustomIntVariable("pgfirst.redis_auth_delay",
	                        "Sets how long a failed login delays the next one from its address.",
	                        "From the eleventh failure on, and less at first. 0: no delay.",
	                        &pgfirst_redis_auth_delay, 500, 0, 10000, PGC_SIGHUP, GUC_UNIT_MS, NULL,
	                        NULL, NULL);
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
settings_define_connections(void)
{
	DefineCustomIntVariable(
	    "pgfirst.redis_client_output_limit",
	    "Sets how much of its replies a client of the Redis door may leave unread.",
	    "Beyond it the client is disconnected, also while it reads a single reply that is larger. "
	    "0: "
	    "pgfirst.redis_client_memory is the only limit.",
	    &pgfirst_redis_client_output_limit, 0, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL,
	    NULL);
	DefineCustomIntVariable(
	    "pgfirst.redis_pubsub_output_limit",
	    "Sets how much a subscriber of the Redis door may leave unread.",
	    "Of messages and of replies; beyond it the client is disconnected. It is in the place of "
	    "pgfirst.redis_client_output_limit for clients that have subscribed to something. 0: "
	    "pgfirst.redis_client_memory is the only limit.",
	    &pgfirst_redis_pubsub_output_limit, 32 * 1024, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_KB, NULL,
	    NULL, NULL);
	DefineCustomIntVariable(
	    "pgfirst.redis_timeout",
	    "Sets after how long a client of the Redis door that does nothing is disconnected.",
	    "0: never.", &pgfirst_redis_timeout, 0, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL,
	    NULL);
	DefineCustomIntVariable(
	    "pgfirst.redis_tcp_keepalive",
	    "Sets after how long of silence the Redis door asks whether a client is still there.",
	    "By TCP, of new connections; one that does not answer is disconnected after twice that "
	    "time. 0: it "
	    "does not ask.",
	    &pgfirst_redis_tcp_keepalive, 300, 0, 32767, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

/* Not for postgresql.conf: there it would be everybody's, for whom 0 is meant. */
static void
settings_define_tenant(void)
{
	DefineCustomIntVariable("pgfirst.tenant", "Sets the tenant whose keys are reached.",
	                        "Not in postgresql.conf; for a role or a database by ALTER … SET, "
	                        "which new connections through either door "
	                        "follow; -1: the role's, by kv.set_tenant.",
	                        &pgfirst_tenant, -1, -1, INT_MAX, PGC_SUSET,
	                        GUC_DISALLOW_IN_FILE | GUC_DISALLOW_IN_AUTO_FILE, NULL, NULL, NULL);
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
	settings_define_tls();
	settings_define_connections();
	settings_define_clients();
	settings_define_tenant();
	settings_define_eviction();
}
