/* SPDX-License-Identifier: PostgreSQL
 *
 * client.c: `pgfirst psql`, `pgfirst redis-cli` and `pgfirst env`: the way in.
 *
 * The tools are the real ones, and they run as the caller, whose files and history they use.
 * Passwords go through the environment, which other users cannot see, and never onto a command
 * line, which they can.
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"
#include "cli/common/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a tool has to know, read with the rights of the cluster's user. */
struct Access
{
	int pg_port;
	int redis_port;
	int tls_port;
	char *run_dir;
	char *password;
};

static struct Access
access_read(const Arguments *arguments, bool superuser)
{
	struct Access access;
	Cluster *cluster;

	/* Everything that can fail is below, so that nothing happens with half of the rights. */
	user_borrow_owner(arguments->dir);
	cluster = cluster_at(arguments->dir);
	cluster->dir_given = arguments->dir_given;
	if (!directory_exists(cluster->dir))
		cluster->state = CLUSTER_NONE;
	else
		cluster_read_marker(cluster);
	if (cluster->state != CLUSTER_READY)
		fail(EXIT_NO_CLUSTER, text_format("Make one with: %s", cluster_command(cluster, "up")),
		     "there is no cluster of pgfirst in %s", cluster->dir);
	if (server_pid(cluster) == 0)
		fail(EXIT_STOPPED, text_format("Start it with: %s", cluster_command(cluster, "up")),
		     "the cluster in %s is not running", cluster->dir);
	access.pg_port = settings_get_port(cluster, "port");
	access.redis_port = settings_get_port(cluster, "pgfirst.redis_port");
	access.tls_port = settings_get_port(cluster, "pgfirst.redis_tls_port");
	access.run_dir = settings_run_dir(cluster);
	access.password = superuser ? secret_superuser_password(cluster) : secret_app_password(cluster);
	user_return();
	return access;
}

static _Noreturn void
client_exec(TextList *argv, const Arguments *arguments, const char *package)
{
	for (int i = 0; i < arguments->count; i++)
		text_list_add(argv, arguments->rest[i]);
	fflush(NULL);
	execvp(argv->items[0], argv->items);
	fail(EXIT_ERROR,
	     errno == ENOENT ? text_format("Install it (Debian, Ubuntu: apt install %s).", package)
	                     : NULL,
	     "cannot run %s: %s", argv->items[0], strerror(errno));
}

int
command_psql(const Arguments *arguments)
{
	struct Access access = access_read(arguments, arguments->superuser);
	const char *own = install_path("psql");
	TextList argv = {0};

	setenv("PGHOST", arguments->superuser && access.run_dir != NULL ? access.run_dir : "127.0.0.1",
	       1);
	setenv("PGPORT", text_format("%d", access.pg_port), 1);
	setenv("PGUSER", arguments->superuser ? CLUSTER_SUPERUSER : CLUSTER_ROLE, 1);
	setenv("PGDATABASE", CLUSTER_DATABASE, 1);
	setenv("PGPASSWORD", access.password, 1);
	text_list_add(&argv, file_exists(own) ? own : "psql");
	client_exec(&argv, arguments, "postgresql-client");
}

int
command_redis_cli(const Arguments *arguments)
{
	struct Access access = access_read(arguments, false);
	TextList argv = {0};

	if (access.redis_port == 0 && access.tls_port == 0)
		fail(EXIT_ERROR, "Open it with: pgfirst restart --redis-port 6379",
		     "the Redis door of this cluster is closed");
	setenv("REDISCLI_AUTH", access.password, 1);
	text_list_add(&argv, "redis-cli");
	text_list_add(&argv, "-h");
	text_list_add(&argv, "127.0.0.1");
	text_list_add(&argv, "-p");
	text_list_add(&argv,
	              text_format("%d", access.redis_port != 0 ? access.redis_port : access.tls_port));
	if (access.redis_port == 0)
	{
		/* The other end is this machine's, and its certificate need not be of an authority. */
		text_list_add(&argv, "--tls");
		text_list_add(&argv, "--insecure");
	}
	text_list_add(&argv, "--user");
	text_list_add(&argv, CLUSTER_ROLE);
	client_exec(&argv, arguments, "redis-tools");
}

/* ---- env --------------------------------------------------------------------------------- */

int
command_env(const Arguments *arguments)
{
	static const char *const formats[] = {"dotenv", "shell", "json", NULL};
	const char *format = arguments->json ? "json" : "dotenv";
	Cluster *cluster;
	JsonWriter json = {0};
	char *text;
	char *line;
	int known = 0;

	if (arguments->format != NULL)
		format = arguments->format;
	while (formats[known] != NULL && strcmp(formats[known], format) != 0)
		known++;
	if (formats[known] == NULL)
		fail(EXIT_USAGE, "It takes dotenv, shell or json.", "--format does not take \"%s\"",
		     format);
	cluster = cluster_open(arguments, USER_READS);
	text = file_read(cluster->env_file);
	if (text == NULL)
		fail(EXIT_ERROR, text_format("%s writes it anew.", cluster_command(cluster, "restart")),
		     "cannot read %s: %s", cluster->env_file, strerror(errno));
	json_object(&json, NULL);
	while ((line = strsep(&text, "\n")) != NULL)
	{
		char *value = strchr(line, '=');

		if (value == NULL || *line == '#')
			continue;
		*value++ = '\0';
		if (strcmp(format, "dotenv") == 0)
			printf("%s=%s\n", line, value);
		else if (strcmp(format, "shell") == 0)
			printf("export %s=%s\n", line, text_shell_quote(value));
		json_text(&json, line, value);
	}
	json_object_end(&json);
	if (strcmp(format, "json") == 0)
		json_print(&json);
	return EXIT_OK;
}
