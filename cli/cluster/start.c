/* SPDX-License-Identifier: PostgreSQL
 *
 * start.c: a cluster that is there, started.
 *
 * Ports are looked at again at every start: while a cluster was down, somebody else may have taken
 * one.  They are not changed unasked, because the application's URLs would then point at whoever
 * that is.
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"
#include "cli/common/port.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The files that an option may change, as they were. */
struct Before
{
	const Cluster *cluster;
	char *settings;
	char *env;
};

static void
start_undo(void *argument)
{
	struct Before *before = argument;

	if (before->settings != NULL)
		file_update(before->cluster->settings, 0600, before->settings);
	if (before->env != NULL)
		file_update(before->cluster->env_file, 0600, before->env);
}

static void
start_check_port(const Cluster *cluster, const char *option, int port)
{
	if (port == 0 || port_is_free(port))
		return;
	if (errno == EACCES)
		fail(EXIT_ERROR, text_format("Choose one from 1024 on with %s.", option),
		     "port %d needs root's rights", port);
	fail(EXIT_ERROR,
	     text_format("Stop that, or move this cluster for good: %s %s PORT",
	                 cluster_command(cluster, "up"), option),
	     "port %d of this cluster is taken by %s", port, port_holder(port));
}

static void
start_check_tls_port(const Cluster *cluster, int redis_port)
{
	if (redis_port != 0 && redis_port == settings_get_port(cluster, "pgfirst.redis_tls_port"))
		fail(EXIT_USAGE, "Give Redis another, with --redis-port, or change pgfirst.conf.",
		     "pgfirst.redis_tls_port is %d already", redis_port);
}

void
cluster_check_new_ports(const Cluster *cluster, const Arguments *arguments)
{
	if (arguments->pg_port >= 0 && arguments->pg_port != settings_get_port(cluster, "port"))
		start_check_port(cluster, "--pg-port", (int) arguments->pg_port);
	start_check_tls_port(cluster, (int) arguments->redis_port);
	if (arguments->redis_port >= 0 &&
	    arguments->redis_port != settings_get_port(cluster, "pgfirst.redis_port"))
		start_check_port(cluster, "--redis-port", (int) arguments->redis_port);
}

static void
start_ports(const Cluster *cluster, const Arguments *arguments)
{
	int pg_port = settings_get_port(cluster, "port");
	int redis_port = settings_get_port(cluster, "pgfirst.redis_port");
	int old_pg_port = pg_port;
	int old_redis_port = redis_port;

	if (arguments->pg_port >= 0)
		pg_port = (int) arguments->pg_port;
	if (arguments->redis_port >= 0)
		redis_port = (int) arguments->redis_port;
	if (pg_port == redis_port)
		fail(EXIT_USAGE, "Give them two, with --pg-port or --redis-port.",
		     "PostgreSQL and Redis would both be on port %d", pg_port);
	start_check_tls_port(cluster, redis_port);
	start_check_port(cluster, "--pg-port", pg_port);
	start_check_port(cluster, "--redis-port", redis_port);
	if (pg_port != old_pg_port)
		settings_set(cluster, "port", text_format("%d", pg_port));
	if (redis_port != old_redis_port)
		settings_set(cluster, "pgfirst.redis_port", text_format("%d", redis_port));
}

/* The sockets' directory may be gone (/tmp is emptied) or the whole cluster have been moved. */
static void
start_socket_dir(const Cluster *cluster)
{
	char *run_dir = settings_run_dir(cluster);

	if (socket_dir_is_good(cluster, run_dir))
		return;
	run_dir = socket_dir_make(cluster);
	settings_set(cluster, "unix_socket_directories", settings_socket_list(run_dir));
	settings_set(cluster, "pgfirst.redis_unix_socket",
	             settings_quote(text_format("%s/redis.sock", run_dir)));
}

pid_t
cluster_start(Cluster *cluster, const Arguments *arguments, StepLog *steps)
{
	ServerStart how = {.foreground = arguments->foreground};
	struct Before *before = memory_take(sizeof(*before));
	pid_t pid;

	install_check(cluster);
	if (arguments->memory >= 0)
		settings_check_memory(arguments->memory);
	before->cluster = cluster;
	before->settings = file_read(cluster->settings);
	before->env = file_read(cluster->env_file);
	if (before->settings == NULL)
		fail(EXIT_ERROR, "Restore it; a new cluster in another directory shows what it looks like.",
		     "cannot read %s: %s", cluster->settings, strerror(errno));
	fail_undo(start_undo, before);
	/* First, because such children may still have the ports. */
	server_clear_way(cluster);
	start_ports(cluster, arguments);
	start_socket_dir(cluster);
	if (arguments->memory >= 0)
		settings_set_memory(cluster, arguments->memory);
	secret_refresh_env(cluster);

	pid = server_start(cluster, how);
	/* From here on it runs; if the Redis door does not open, psql is needed to find out why. */
	fail_undo_forget();
	step_done(steps, "started PostgreSQL %s (process %d)", install_version(), (int) pid);
	door_wait(cluster);
	step_done(steps, settings_get_port(cluster, "pgfirst.redis_port") != 0 ? "both doors answer"
	                                                                       : "PostgreSQL answers");
	return pid;
}
