/* SPDX-License-Identifier: PostgreSQL
 *
 * create.c: a new cluster, all of it or nothing.
 *
 * What can be known to fail is checked first: programs, library, user, ports, disk.  From the
 * marker on, everything made is in DIR and stands in cluster_remove()'s list; see cluster.h.
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"
#include "cli/common/port.h"
#include "cli/common/process.h"

#include <errno.h>
#include <libpq-fe.h>
#include <locale.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PG_PORT    5432
#define REDIS_PORT 6379

/* An empty cluster takes 60 MB and two segments of log; a server whose disk is full stops. */
#define DISK_LEAST ((int64_t) 256 * 1024 * 1024)

/* ---- steps ------------------------------------------------------------------------------- */

void
step_begin(StepLog *log, FILE *to)
{
	log->to = to;
	log->begun = log->last = clock_seconds();
}

void
step_done(StepLog *log, const char *format, ...)
{
	double now = clock_seconds();
	va_list arguments;

	if (log->to != NULL)
	{
		fprintf(log->to, "%6.1f s  ", now - log->last);
		va_start(arguments, format);
		vfprintf(log->to, format, arguments);
		va_end(arguments);
		fputc('\n', log->to);
		fflush(log->to);
	}
	log->last = now;
}

/* ---- checks ------------------------------------------------------------------------------ */

static void
check_user(void)
{
	if (getpwuid(geteuid()) == NULL)
		fail(EXIT_ERROR,
		     text_format(
		         "PostgreSQL's initdb needs one.  Run as a user who has one; or, in a container,\n"
		         "add it: echo 'pgfirst:x:%u:%u::/tmp:/bin/sh' >> /etc/passwd",
		         (unsigned) geteuid(), (unsigned) getegid()),
		     "uid %u has no entry in /etc/passwd", (unsigned) geteuid());
}

static void
check_disk(const Cluster *cluster)
{
	int64_t left = disk_free(cluster->dir);

	if (left >= 0 && left < DISK_LEAST)
		fail(EXIT_ERROR, "Make room there, or choose another directory with --dir.",
		     "only %s are free in %s; a cluster needs %s to begin with", text_size(left),
		     cluster->dir, text_size(DISK_LEAST));
}

static _Noreturn void
port_fail(const char *option, int port, int error)
{
	if (error == EACCES)
		fail(EXIT_ERROR, text_format("Choose one from 1024 on with %s.", option),
		     "port %d needs root's rights", port);
	fail(EXIT_ERROR,
	     text_format("Choose another with %s, or leave the option out to get the next free one.",
	                 option),
	     "port %d is taken by %s", port, port_holder(port));
}

/*
 * Reserves the port asked for, else the first free one.  It stays ours until the server takes it,
 * so that two clusters that are made at once get different ones.
 */
static int
port_choose(const char *option, int64_t asked, int standard, int except, bool throw_away, int *held)
{
	int port = (int) asked;

	if (asked < 0)
		port = throw_away ? port_random_free(except) : port_next_free(standard, except);
	if (port == 0)
		fail(EXIT_ERROR, text_format("Name one with %s.", option), "no port from %d on is free",
		     standard);
	*held = port_reserve(port);
	if (*held >= 0)
		return port;
	if (asked >= 0)
		port_fail(option, port, errno);
	/* Somebody was quicker. */
	return port_choose(option, asked, port, except, throw_away, held);
}

/* The two ports of the plan, held open by these descriptors (-1 for a door that stays closed). */
static void
plan_ports(SettingsPlan *plan, const Arguments *arguments, int held[2])
{
	held[0] = held[1] = -1;
	if (arguments->pg_port == arguments->redis_port && arguments->pg_port > 0)
		fail(EXIT_USAGE, "Give them two.", "--pg-port and --redis-port are both %lld",
		     (long long) arguments->pg_port);
	plan->redis_port = (int) arguments->redis_port;
	plan->pg_port = port_choose("--pg-port", arguments->pg_port, PG_PORT, plan->redis_port,
	                            arguments->throw_away, &held[0]);
	if (plan->redis_port != 0)
		plan->redis_port = port_choose("--redis-port", arguments->redis_port, REDIS_PORT,
		                               plan->pg_port, arguments->throw_away, &held[1]);
}

/* ---- making ------------------------------------------------------------------------------ */

static const char *
cluster_locale(void)
{
	locale_t locale = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t) 0);

	if (locale == (locale_t) 0)
		return "C";
	freelocale(locale);
	return "C.UTF-8";
}

static void
make_data(Cluster *cluster, bool throw_away)
{
	TextList argv = {0};
	char *output;
	int status;

	text_list_add(&argv, install_program("initdb"));
	text_list_add(&argv, text_format("--pgdata=%s", cluster->data));
	text_list_add(&argv, "--username=" CLUSTER_SUPERUSER);
	text_list_add(&argv, text_format("--pwfile=%s", cluster->superuser));
	text_list_add(&argv, "--auth=scram-sha-256");
	text_list_add(&argv, "--encoding=UTF8");
	text_list_add(&argv, text_format("--locale=%s", cluster_locale()));
	text_list_add(&argv, "--data-checksums");
	text_list_add(&argv, "--no-instructions");
	if (throw_away)
		text_list_add(&argv, "--no-sync");

	cluster_lock_inherit(cluster, true);
	status = process_run(argv.items, &output);
	cluster_lock_inherit(cluster, false);
	if (status != 0)
		fail(EXIT_ERROR, text_tail(output, 8), "initdb %s%s", process_describe(status),
		     server_disk_words(cluster));
}

/* LZ4 if this PostgreSQL was built with it; it knows best itself. */
static const char *
find_wal_compression(const Cluster *cluster)
{
	char *argv[] = {
	    install_program("postgres"),    (char *) "-D", (char *) cluster->data,     (char *) "-c",
	    (char *) "wal_compression=lz4", (char *) "-C", (char *) "wal_compression", NULL};

	return process_run(argv, NULL) == 0 ? "lz4" : "on";
}

static void
make_settings(Cluster *cluster, SettingsPlan *plan)
{
	plan->wal_compression = find_wal_compression(cluster);
	plan->run_dir = socket_dir_make(cluster);
	file_write(cluster->settings, 0600, settings_text(plan));
	file_write(text_format("%s/postgresql.conf", cluster->data), 0600,
	           "# The settings of this cluster, each explained, stand in this file:\n"
	           "include '../pgfirst.conf'\n");
}

static void
make_role_and_database(Cluster *cluster, const char *password)
{
	PGconn *connection = door_superuser(cluster, "postgres");
	char *verifier = PQencryptPasswordConn(connection, password, CLUSTER_ROLE, "scram-sha-256");

	/* The verifier, so that the password itself is in no log and no statistics. */
	if (verifier == NULL)
		fail(EXIT_ERROR, NULL, "cannot prepare a password: %s", PQerrorMessage(connection));
	door_query(connection,
	           text_format("CREATE ROLE " CLUSTER_ROLE " LOGIN PASSWORD '%s'", verifier));
	door_query(connection, "CREATE DATABASE " CLUSTER_DATABASE " OWNER " CLUSTER_ROLE);
	PQfinish(connection);
}

static void
make_extensions(Cluster *cluster)
{
	PGconn *connection = door_superuser(cluster, CLUSTER_DATABASE);

	door_query(connection, "CREATE EXTENSION pgfirst CASCADE");
	door_query(connection, "GRANT USAGE ON SCHEMA kv, cache TO " CLUSTER_ROLE);
	/*
	 * A private cluster has one role, which owns the database; there is nobody whom FLUSHALL, CLIENT KILL or
	 * CONFIG SET could be kept from, and a Redis for development allows them.
	 */
	door_query(connection, "SELECT kv.grant('" CLUSTER_ROLE "', NULL, 'admin')");
	PQfinish(connection);
}

static void
create_undo(void *argument)
{
	cluster_remove(argument);
}

pid_t
cluster_create(Cluster *cluster, const Arguments *arguments, StepLog *steps)
{
	SettingsPlan plan = {.memory = arguments->memory, .throw_away = arguments->throw_away};
	ServerStart how = {.foreground = arguments->foreground, .quiet = arguments->throw_away};
	char *password = secret_make();
	int ports[2];
	pid_t pid;

	check_user();
	check_disk(cluster);
	if (plan.memory < 0)
		plan.memory = settings_default_memory();
	settings_check_memory(plan.memory);
	plan_ports(&plan, arguments, ports);

	fail_undo(create_undo, cluster);
	cluster_write_marker(cluster, CLUSTER_CREATING, install_major());
	file_write(cluster->superuser, 0600, text_format("%s\n", secret_make()));
	step_done(steps, "checked the place: ports %d and %d, %s of memory", plan.pg_port,
	          plan.redis_port, text_size(plan.memory));
	make_data(cluster, plan.throw_away);
	make_settings(cluster, &plan);
	secret_write_env(cluster, password);
	step_done(steps, "made the data directory: checksums, UTF-8, SCRAM passwords");

	/* Nobody comes in before everything is in its place; then the doors open at once. */
	server_start(cluster, (ServerStart){.closed = true});
	make_role_and_database(cluster, password);
	make_extensions(cluster);
	server_stop(cluster, false);
	step_done(steps, "made role and database " CLUSTER_DATABASE ", and the extensions");
	for (int i = 0; i < 2; i++)
	{
		if (ports[i] >= 0)
			close(ports[i]);
	}
	pid = server_start(cluster, how);
	step_done(steps, "started PostgreSQL %s (process %d)", install_version(), (int) pid);
	door_wait(cluster);
	cluster_write_marker(cluster, CLUSTER_READY, install_major());
	step_done(steps, plan.redis_port != 0 ? "both doors answer" : "PostgreSQL answers");
	fail_undo_forget();
	return pid;
}
