/* SPDX-License-Identifier: PostgreSQL
 *
 * doctor.c: `pgfirst doctor`: what is wrong with this cluster, what it costs, what mends it.
 *
 * A finding is something to act on; a note is something to know.  Only findings make the exit code
 * 5, so that a monitoring job can use it.  Each check is a function in the table at the end; a
 * check that needs the server's answers is skipped when there are none, which is a finding itself.
 */
#include "cli/cluster/cluster.h"

#include "cli/cluster/look.h"
#include "cli/common/fail.h"
#include "cli/common/file.h"
#include "cli/common/port.h"
#include "cli/common/process.h"

#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLD_TRANSACTION 300 /* seconds */
#define DISK_SHARE      10  /* of the data: less than a tenth of it free is little */

/* Descriptors that a process needs besides its clients. */
#define OPEN_FILES_BASE 200

typedef struct Finding
{
	bool note;
	const char *what;
	const char *remedy;
} Finding;

typedef struct Report
{
	Finding items[64];
	int count;
	int findings;
	int checks;
} Report;

static void
report_add(Report *report, bool note, const char *what, const char *remedy)
{
	if (report->count == (int) (sizeof(report->items) / sizeof(report->items[0])))
		return;
	report->items[report->count++] = (Finding){.note = note, .what = what, .remedy = remedy};
	if (!note)
		report->findings++;
}

/* ---- checks that need no server ---------------------------------------------------------- */

static void
check_running(const Cluster *cluster, const Look *look, Report *report)
{
	if (look->pid == 0)
		report_add(report, false, "the cluster is not running",
		           text_format("start it: %s", cluster_command(cluster, "up")));
}

static void
check_version(const Cluster *cluster, const Look *look, Report *report)
{
	char *version = file_read(text_format("%s/PG_VERSION", cluster->data));

	(void) look;
	if (version == NULL)
		report_add(report, false, text_format("%s holds no PostgreSQL data", cluster->data),
		           "restore it from a backup");
	else if (atoi(version) != install_major())
		report_add(report, false,
		           text_format("the data is of PostgreSQL %d, the installed programs are %s",
		                       atoi(version), install_version()),
		           "name the right programs in PGFIRST_PG_BINDIR");
}

static void
check_secrets(const Cluster *cluster, const Look *look, Report *report)
{
	const char *const files[] = {cluster->env_file, cluster->superuser};

	(void) look;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
	{
		struct stat status;

		if (stat(files[i], &status) != 0)
			report_add(report, false, text_format("%s is missing", files[i]),
			           "restore it; it holds a password");
		else if ((status.st_mode & 077) != 0)
			report_add(report, false,
			           text_format("%s holds a password, and others may read it", files[i]),
			           text_format("chmod 600 %s", text_shell_quote(files[i])));
	}
}

static int64_t
setting_size(const Cluster *cluster, const char *name)
{
	char *value = settings_get(cluster, name);

	return value != NULL ? text_parse_size(value) : -1;
}

static void
check_disk(const Cluster *cluster, const Look *look, Report *report)
{
	int64_t wal = setting_size(cluster, "max_wal_size");

	if (look->disk_free < 0)
		return;
	if (wal > 0 && look->disk_free < wal)
		report_add(report, false,
		           text_format("%s of disk are free; under load the log alone may take %s",
		                       text_size(look->disk_free), text_size(wal)),
		           "make room, or lower max_wal_size in pgfirst.conf");
	else if (look->disk_free < look->data_size / DISK_SHARE)
		report_add(report, false,
		           text_format("%s of disk are free, less than a tenth of the data",
		                       text_size(look->disk_free)),
		           "make room: PostgreSQL stops when its disk is full");
}

static void
check_ports(const Cluster *cluster, const Look *look, Report *report)
{
	const struct
	{
		int port;
		const char *move;
	} ports[] = {
	    {look->pg_port, text_format("%s --pg-port PORT", cluster_command(cluster, "up"))},
	    {look->redis_port, text_format("%s --redis-port PORT", cluster_command(cluster, "up"))},
	    {look->tls_port, "pgfirst.redis_tls_port in pgfirst.conf"}};

	if (look->pid != 0)
		return;
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
	{
		if (ports[i].port != 0 && !port_is_free(ports[i].port))
			report_add(report, false,
			           text_format("port %d of this cluster is taken by %s", ports[i].port,
			                       port_holder(ports[i].port)),
			           text_format("stop that, or move for good: %s", ports[i].move));
	}
}

static void
check_memory(const Cluster *cluster, const Look *look, Report *report)
{
	int64_t buffers = setting_size(cluster, "shared_buffers");
	int64_t machine = (int64_t) sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);

	(void) look;
	if (buffers > machine / 2)
		report_add(report, false,
		           text_format("shared_buffers = %s is more than half of the machine's %s",
		                       text_size(buffers), text_size(machine)),
		           text_format("%s --memory SIZE", cluster_command(cluster, "restart")));
}

/* ---- checks that ask it ------------------------------------------------------------------ */

static void
check_doors(const Cluster *cluster, const Look *look, Report *report)
{
	char *logs = text_format("see what the server says: %s", cluster_command(cluster, "logs"));

	if (look->pid == 0)
		return;
	if (look->superuser_problem != NULL)
		report_add(report, false,
		           text_format("the superuser cannot log in: %s", look->superuser_problem), logs);
	if (look->sql_problem != NULL)
		report_add(report, false,
		           text_format("PostgreSQL does not answer role app: %s", look->sql_problem), logs);
	if (look->redis_problem != NULL)
		report_add(report, false,
		           text_format("the Redis door does not answer: %s", look->redis_problem), logs);
	if (look->tls_problem != NULL)
		report_add(report, false,
		           text_format("the TLS port of the Redis door is closed: %s", look->tls_problem),
		           text_format("the log names the file or setting that is broken (%s); mend it and "
		                       "reload: %s -c 'SELECT pg_reload_conf()'",
		                       cluster_command(cluster, "logs"),
		                       cluster_command(cluster, "psql --superuser")));
	if (look->redis_port == 0 && look->tls_port == 0)
		report_add(
		    report, true, "the Redis door is closed (pgfirst.redis_port = 0)",
		    text_format("to open it: %s --redis-port 6379", cluster_command(cluster, "restart")));
}

static void
check_settings(const Cluster *cluster, const Look *look, Report *report)
{
	(void) cluster;
	for (int i = 0; i < look->harmful.count; i++)
	{
		const char *found = look->harmful.items[i];

		for (const HarmfulSetting *harmful = harmful_settings; harmful->name != NULL; harmful++)
		{
			size_t length = strlen(harmful->name);

			if (strncmp(found, harmful->name, length) == 0 && found[length] == ' ')
				report_add(report, false, text_format("%s: %s", found, harmful->cost),
				           harmful->remedy);
		}
	}
}

/* One finding for each row (what, remedy) of a query. */
static void
report_rows(const Look *look, Report *report, bool note, const char *sql)
{
	PGresult *result;

	if (look->connection == NULL)
		return;
	result = PQexec(look->connection, sql);
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
	{
		for (int i = 0; i < PQntuples(result); i++)
			report_add(report, note, text_copy(PQgetvalue(result, i, 0)),
			           text_copy(PQgetvalue(result, i, 1)));
	}
	PQclear(result);
}

static void
check_pending(const Cluster *cluster, const Look *look, Report *report)
{
	report_rows(
	    look, report, false,
	    text_format("SELECT 'the change of ' || string_agg(name, ', ') || ' waits for a restart',"
	                " $remedy$%s$remedy$ FROM pg_catalog.pg_settings WHERE pending_restart"
	                " HAVING count(*) > 0",
	                cluster_command(cluster, "restart")));
	report_rows(look, report, false,
	            "SELECT format('%s, line %s: %s: %s', sourcefile, sourceline, name, error),"
	            " 'mend that line' FROM pg_catalog.pg_file_settings WHERE error IS NOT NULL"
	            " AND error <> 'setting could not be applied'");
}

static void
check_extension(const Cluster *cluster, const Look *look, Report *report)
{
	if (look->connection == NULL)
		return;
	if (look->extension_version == NULL)
		report_add(report, false, "the extension pgfirst is not in database " CLUSTER_DATABASE,
		           text_format("%s -c 'CREATE EXTENSION pgfirst CASCADE'",
		                       cluster_command(cluster, "psql --superuser")));
	else
		report_rows(look, report, false,
		            "SELECT format('extension %s is version %s, the library offers %s', name,"
		            " installed_version, default_version),"
		            " format('ALTER EXTENSION %s UPDATE', name)"
		            " FROM pg_catalog.pg_available_extensions WHERE name LIKE 'pgfirst%'"
		            " AND installed_version <> default_version");
}

static void
check_open_files(const Cluster *cluster, const Look *look, Report *report)
{
	char *value = settings_get(cluster, "pgfirst.redis_max_clients");
	int64_t clients = value != NULL ? strtoll(value, NULL, 10) : 0;

	if (look->pid == 0 || look->redis_port == 0 || look->open_files_hard < 0)
		return;
	if (look->open_files_hard < clients + OPEN_FILES_BASE)
		report_add(
		    report, true,
		    text_format("the Redis door may open %lld files, so about %lld of its %lld clients "
		                "(pgfirst.redis_max_clients) fit",
		                (long long) look->open_files_hard,
		                (long long) (look->open_files_hard - OPEN_FILES_BASE), (long long) clients),
		    "raise the limit of whoever starts it (ulimit -Hn, LimitNOFILE=)");
}

static void
check_transactions(const Cluster *cluster, const Look *look, Report *report)
{
	(void) cluster;
	report_rows(
	    look, report, false,
	    text_format("SELECT format('a transaction of %%s (process %%s) is open for %%s seconds"
	                " and keeps old rows from being removed', usename, pid,"
	                " extract(epoch FROM now() - xact_start)::bigint),"
	                " format('SELECT pg_terminate_backend(%%s)', pid)"
	                " FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'"
	                " AND now() - xact_start > interval '%d seconds'"
	                " ORDER BY xact_start LIMIT 3",
	                OLD_TRANSACTION));
	report_rows(look, report, false,
	            "SELECT format('prepared transaction %s waits since %s', gid, prepared),"
	            " format('ROLLBACK PREPARED %L', gid) FROM pg_catalog.pg_prepared_xacts"
	            " WHERE now() - prepared > interval '5 minutes'");
	report_rows(look, report, false,
	            "SELECT format('replication slot %s is unused and keeps %s of log', slot_name,"
	            " pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))),"
	            " format('SELECT pg_drop_replication_slot(%L)', slot_name)"
	            " FROM pg_catalog.pg_replication_slots WHERE NOT active"
	            " AND NOT pg_is_in_recovery()"
	            " AND pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) > 1e9");
	report_rows(
	    look, report, false,
	    "SELECT format('database %s is %s transactions old; at 2 billion it stops', datname,"
	    " age(datfrozenxid)), 'VACUUM FREEZE in it, and look for what holds vacuum up'"
	    " FROM pg_catalog.pg_database WHERE age(datfrozenxid) > 1000000000");
}

static void
check_backup(const Cluster *cluster, const Look *look, Report *report)
{
	(void) cluster;
	report_rows(look, report, true,
	            "SELECT 'there is no backup yet: whoever loses this disk loses the data',"
	            " 'pg_basebackup or pg_dump, on a schedule, to another machine'"
	            " WHERE current_setting('archive_mode') = 'off'");
}

typedef void (*Check)(const Cluster *cluster, const Look *look, Report *report);

static const Check checks[] = {check_running,  check_version, check_secrets,    check_disk,
                               check_ports,    check_memory,  check_doors,      check_extension,
                               check_settings, check_pending, check_open_files, check_transactions,
                               check_backup};

/* ---- the command ------------------------------------------------------------------------- */

static void
doctor_json(const Cluster *cluster, const Report *report)
{
	JsonWriter json = {0};

	json_object(&json, NULL);
	json_text(&json, "dir", cluster->dir);
	json_boolean(&json, "healthy", report->findings == 0);
	json_array(&json, "findings");
	for (int i = 0; i < report->count; i++)
	{
		json_object(&json, NULL);
		json_text(&json, "level", report->items[i].note ? "note" : "finding");
		json_text(&json, "what", report->items[i].what);
		json_text(&json, "remedy", report->items[i].remedy);
		json_object_end(&json);
	}
	json_array_end(&json);
	json_object_end(&json);
	json_print(&json);
}

int
command_doctor(const Arguments *arguments)
{
	Cluster *cluster = cluster_open(arguments, USER_READS);
	const Look *look = look_at(cluster);
	Report report = {0};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](cluster, look, &report);
	if (arguments->json)
	{
		doctor_json(cluster, &report);
		return report.findings > 0 ? EXIT_FINDINGS : EXIT_OK;
	}
	for (int i = 0; i < report.count; i++)
		printf("%s  %s\n         %s\n", report.items[i].note ? "note   " : "finding",
		       report.items[i].what, report.items[i].remedy);
	if (report.findings == 0)
		printf("Nothing is wrong with the cluster in %s.\n", cluster->dir);
	else
		printf("%d %s in %s.\n", report.findings, report.findings == 1 ? "finding" : "findings",
		       cluster->dir);
	return report.findings > 0 ? EXIT_FINDINGS : EXIT_OK;
}
