/* SPDX-License-Identifier: PostgreSQL
 *
 * settings.h: the settings of the door `redis`.  docs/settings.md is generated from their
 * descriptions.
 */
#ifndef PGFIRST_KV_SETTINGS_H
#define PGFIRST_KV_SETTINGS_H

#include "postgres.h"

#define KV_WORKERS_MAX 64

/* Whether clients of the TLS port show a certificate. */
typedef enum KvTlsClients
{
	KV_TLS_CLIENTS_OFF,
	KV_TLS_CLIENTS_OPTIONAL,
	KV_TLS_CLIENTS_REQUIRED
} KvTlsClients;

extern int pgfirst_redis_port;
extern char *pgfirst_redis_listen_addresses;
extern char *pgfirst_redis_unix_socket;
extern int pgfirst_redis_unix_socket_permissions;
extern int pgfirst_redis_tls_port;
extern int pgfirst_redis_tls_auth_clients; /* a KvTlsClients */
extern int pgfirst_redis_workers;
extern char *pgfirst_redis_database;
extern char *pgfirst_redis_default_role;
extern int pgfirst_redis_auth_delay; /* milliseconds */
extern int pgfirst_redis_max_clients;
extern int pgfirst_redis_lock_timeout;        /* milliseconds */
extern int pgfirst_redis_client_memory;       /* kilobytes */
extern int pgfirst_redis_client_output_limit; /* kilobytes; 0: none */
extern int pgfirst_redis_pubsub_output_limit; /* kilobytes; 0: none */
extern int pgfirst_redis_timeout;             /* seconds; 0: never */
extern int pgfirst_redis_tcp_keepalive;       /* seconds; 0: none */
extern int pgfirst_tenant;                    /* -1: as kv.set_tenant says */
extern int pgfirst_redis_usage_memory;        /* kilobytes */

extern void kv_settings_define(void);

#endif
