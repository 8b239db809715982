/* SPDX-License-Identifier: PostgreSQL
 *
 * cache.h: `pgfirst cache …`, on the cluster in DIR.
 */
#ifndef PGFIRST_CLI_CACHE_H
#define PGFIRST_CLI_CACHE_H

#include "cli/cluster/cluster.h"
#include "cli/common/command.h"

/* The running cluster, and a connection as role app to a database that has the extension; or fails. */
typedef struct CacheDoor
{
	const Cluster *cluster;
	struct pg_conn *connection;
} CacheDoor;

extern CacheDoor cache_door(const Arguments *arguments);

extern int command_cache_stats(const Arguments *arguments);
extern int command_cache_cleanup(const Arguments *arguments);
extern int command_cache_clear(const Arguments *arguments);
extern int command_cache_test(const Arguments *arguments);

#endif
