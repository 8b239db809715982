/* SPDX-License-Identifier: PostgreSQL
 *
 * look.c: gathering what `status` tells and `doctor` judges.
 */
#include "cli/cluster/look.h"

#include "cli/common/file.h"
#include "cli/common/process.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

const HarmfulSetting harmful_settings[] = {
    {"fsync", "setting = 'off'", "a crash of the machine destroys the cluster", "fsync = on"},
    {"full_page_writes", "setting = 'off'",
     "a crash during a write leaves pages that are half old and half new", "full_page_writes = on"},
    {"synchronous_commit", "setting = 'off'",
     "a crash loses transactions whose COMMIT was answered", "synchronous_commit = on"},
    {"autovacuum", "setting = 'off'", "tables grow without end, and statistics are never renewed",
     "autovacuum = on"},
    {"data_checksums", "setting = 'off'", "a broken disk or memory is noticed too late",
     "stop the cluster and run pg_checksums --enable -D data"},
    {"max_connections", "setting::int > 500",
     "each connection is a process; hundreds of busy ones slow all others",
     "max_connections = 100, and a connection pool before it"},
    {"wal_level", "setting = 'minimal'", "no backup while it runs, no replica, no recovery in time",
     "wal_level = replica"},
    {"shared_preload_libraries",
     "NOT 'pgfirst' = ANY (string_to_array(replace(setting, ' ', ''), ','))",
     "there is no Redis door", "shared_preload_libraries = 'pgfirst'"},
    {"password_encryption", "setting = 'md5'", "stored password hashes can be used to log in",
     "password_encryption = 'scram-sha-256'"},
    {"listen_addresses", "setting NOT IN ('', 'localhost', '127.0.0.1', '::1', '127.0.0.1,::1')",
     "others than this machine can try to log in", "listen_addresses = '127.0.0.1'"},
    {"zero_damaged_pages", "setting = 'on'", "damaged pages are emptied without a word",
     "zero_damaged_pages = off"},
    {NULL, NULL, NULL, NULL}};

static bool
look_process(pid_t pid, pid_t parent, void *context)
{
	Look *look = context;
	LookProcess *process;

	if (pid != look->pid && parent != look->pid)
		return true;
	look->process = realloc(look->process, (size_t) (look->processes + 1) * sizeof(LookProcess));
	if (look->process == NULL)
		abort();
	process = &look->process[look->processes++];
	process->pid = pid;
	process->title = process_title(pid);
	process->memory = process_memory(pid);
	return true;
}

static int64_t
number_or(const char *text, int64_t otherwise)
{
	return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

static void
look_harmful(Look *look)
{
	for (const HarmfulSetting *harmful = harmful_settings; harmful->name != NULL; harmful++)
	{
		char *value =
		    door_value(look->connection, text_format("SELECT setting FROM pg_catalog.pg_settings "
		                                             "WHERE name = '%s' AND (%s)",
		                                             harmful->name, harmful->condition));

		if (value != NULL)
			text_list_add(&look->harmful, text_format("%s = %s", harmful->name, value));
	}
}

static void
look_inside(const Cluster *cluster, Look *look)
{
	PGconn *connection;

	look->sql_problem = door_sql_problem(cluster);
	if (look->redis_port != 0)
		look->redis_problem = door_redis_problem(cluster);
	if (look->tls_port != 0)
		look->tls_problem = door_tls_problem(cluster);
	connection = door_superuser_try(cluster, CLUSTER_DATABASE, &look->superuser_problem);
	look->connection = connection;
	if (connection == NULL)
		return;
	look->server_version =
	    door_value(connection, "SELECT current_setting('server_version_num')::int "
	                           "/ 10000 || '.' || "
	                           "current_setting('server_version_num')::int % 10000");
	look->extension_version = door_value(
	    connection, "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'pgfirst'");
	look->uptime = number_or(
	    door_value(
	        connection,
	        "SELECT extract(epoch FROM now() - pg_catalog.pg_postmaster_start_time())::bigint"),
	    -1);
	look->connections = (int) number_or(
	    door_value(connection, "SELECT count(*) - 1 FROM pg_catalog.pg_stat_activity "
	                           "WHERE backend_type = 'client backend'"),
	    -1);
	look->max_connections =
	    (int) number_or(door_value(connection, "SELECT current_setting('max_connections')"), -1);
	look->oldest_transaction = number_or(
	    door_value(connection, "SELECT extract(epoch FROM max(now() - xact_start))::bigint "
	                           "FROM pg_catalog.pg_stat_activity "
	                           "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"),
	    -1);
	look_harmful(look);
}

const Look *
look_at(const Cluster *cluster)
{
	Look *look = memory_take(sizeof(*look));

	look->uptime = look->oldest_transaction = look->open_files = look->open_files_hard = -1;
	look->connections = look->max_connections = -1;
	look->pid = server_pid(cluster);
	look->pg_port = settings_get_port(cluster, "port");
	look->redis_port = settings_get_port(cluster, "pgfirst.redis_port");
	look->tls_port = settings_get_port(cluster, "pgfirst.redis_tls_port");
	look->run_dir = settings_run_dir(cluster);
	look->data_size = tree_size(cluster->dir);
	look->disk_free = disk_free(cluster->dir);
	if (look->pid == 0)
		return look;
	look->open_files = process_open_files_limit(look->pid, false);
	look->open_files_hard = process_open_files_limit(look->pid, true);
	process_each(look_process, look);
	look_inside(cluster, look);
	return look;
}
