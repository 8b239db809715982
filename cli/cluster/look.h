/* SPDX-License-Identifier: PostgreSQL
 *
 * look.h: one look at a cluster, for `status` and `doctor`.
 *
 * What could not be found out is NULL or -1.  Nothing here fails the command: a cluster that
 * cannot be asked is what these commands are for.
 */
#ifndef PGFIRST_CLI_LOOK_H
#define PGFIRST_CLI_LOOK_H

#include "cli/cluster/cluster.h"

typedef struct LookProcess
{
	pid_t pid;
	char *title;
	int64_t memory;
} LookProcess;

typedef struct Look
{
	pid_t pid; /* 0: stopped */
	int pg_port;
	int redis_port;
	int tls_port; /* of the Redis door; 0: none */
	char *run_dir;
	char *sql_problem;          /* role app over TCP */
	char *redis_problem;        /* likewise */
	char *tls_problem;          /* whether somebody listens; nothing is said */
	char *superuser_problem;    /* over the unix socket */
	struct pg_conn *connection; /* as superuser in database app, or NULL */

	char *server_version;
	char *extension_version;
	int64_t uptime; /* seconds */
	int connections;
	int max_connections;
	int64_t oldest_transaction; /* seconds */
	int64_t data_size;
	int64_t disk_free;
	int64_t open_files;      /* soft limit of the postmaster */
	int64_t open_files_hard; /* what the Redis door may raise it to */
	TextList harmful;        /* "fsync = off" */
	LookProcess *process;
	int processes;
} Look;

extern const Look *look_at(const Cluster *cluster);

/* Settings that hurt: which value is harmful, what it costs.  Ends with a NULL name. */
typedef struct HarmfulSetting
{
	const char *name;
	const char *condition; /* SQL over the text `setting`, true when harmful */
	const char *cost;
	const char *remedy;
} HarmfulSetting;

extern const HarmfulSetting harmful_settings[];

#endif
