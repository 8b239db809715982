/* SPDX-License-Identifier: PostgreSQL
 *
 * settings.h: the settings of the door `redis`.  docs/settings.md is generated from their
 * descriptions.
 */
#ifndef PGFIRST_KV_SETTINGS_H
#define PGFIRST_KV_SETTINGS_H

#include "postgres.h"

#define KV_WORKERS_MAX 64

extern int pgfirst_redis_port;
extern char *pgfirst_redis_listen_addresses;
extern char *pgfirst_redis_unix_socket;
extern int pgfirst_redis_workers;
extern char *pgfirst_redis_database;
extern char *pgfirst_redis_default_role;
extern int pgfirst_redis_max_clients;
extern int pgfirst_redis_lock_timeout;  /* milliseconds */
extern int pgfirst_redis_client_memory; /* kilobytes */
extern int pgfirst_redis_usage_memory;  /* kilobytes */

extern void kv_settings_define(void);

#endif
