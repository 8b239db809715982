/* SPDX-License-Identifier: PostgreSQL
 *
 * status.c: `pgfirst status`: what is running, where, and whether it answers.
 *
 * Facts only; what to think of them is doctor's.  Everything is gathered first and then told, as
 * text or as JSON, so the two cannot differ in what they know.
 */
#include "cli/cluster/cluster.h"

#include "cli/cluster/look.h"
#include "cli/common/fail.h"
#include "cli/common/file.h"
#include "cli/common/process.h"

#include <stdio.h>
#include <string.h>

#define PROCESSES_SHOWN 40

static void
status_json(const Cluster *cluster, const Look *look)
{
	JsonWriter json = {0};

	json_object(&json, NULL);
	json_text(&json, "state", look->pid != 0 ? "running" : "stopped");
	json_text(&json, "dir", cluster->dir);
	json_text(&json, "version", PGFIRST_VERSION);
	json_text(&json, "made_by_version", cluster->made_by);
	json_text(&json, "postgresql_version", look->server_version);
	json_text(&json, "extension_version", look->extension_version);
	if (look->pid != 0)
		json_integer(&json, "pid", look->pid);
	else
		json_null(&json, "pid");
	if (look->uptime >= 0)
		json_integer(&json, "uptime_seconds", look->uptime);
	json_integer(&json, "pg_port", look->pg_port);
	json_boolean(&json, "pg_answers", look->pid != 0 && look->sql_problem == NULL);
	json_integer(&json, "redis_port", look->redis_port);
	json_boolean(&json, "redis_answers",
	             look->pid != 0 && look->redis_port != 0 && look->redis_problem == NULL);
	json_integer(&json, "redis_tls_port", look->tls_port);
	json_boolean(&json, "redis_tls_listens",
	             look->pid != 0 && look->tls_port != 0 && look->tls_problem == NULL);
	json_text(&json, "socket_directory", look->run_dir);
	json_integer(&json, "connections", look->connections);
	json_integer(&json, "max_connections", look->max_connections);
	if (look->oldest_transaction >= 0)
		json_integer(&json, "oldest_transaction_seconds", look->oldest_transaction);
	else
		json_null(&json, "oldest_transaction_seconds");
	json_integer(&json, "data_bytes", look->data_size);
	json_integer(&json, "disk_free_bytes", look->disk_free);
	json_integer(&json, "open_files_limit", look->open_files);
	json_array(&json, "harmful_settings");
	for (int i = 0; i < look->harmful.count; i++)
		json_text(&json, NULL, look->harmful.items[i]);
	json_array_end(&json);
	json_array(&json, "processes");
	for (int i = 0; i < look->processes; i++)
	{
		json_object(&json, NULL);
		json_integer(&json, "pid", look->process[i].pid);
		json_text(&json, "title", look->process[i].title);
		json_integer(&json, "memory_bytes", look->process[i].memory);
		json_object_end(&json);
	}
	json_array_end(&json);
	json_object_end(&json);
	json_print(&json);
}

static void
row(const char *name, const char *value)
{
	printf("%-13s %s\n", name, value);
}

static const char *
door_words_of(const Look *look, int port, const char *problem)
{
	if (port == 0)
		return "closed";
	if (look->pid == 0)
		return text_format("port %d", port);
	if (problem != NULL)
		return text_format("port %d does not answer: %s", port, problem);
	return text_format("port %d, answers", port);
}

static const char *
tls_words_of(const Look *look)
{
	if (look->tls_problem != NULL)
		return look->tls_problem;
	return text_format("rediss://" CLUSTER_ROLE "@127.0.0.1:%d/0%s", look->tls_port,
	                   look->pid != 0 ? ", listens" : "");
}

static void
status_text(const Cluster *cluster, const Look *look)
{
	row("cluster", cluster->dir);
	if (look->pid == 0)
		row("state", "stopped");
	else if (look->uptime >= 0)
		row("state", text_format("running for %s (process %d)", text_duration(look->uptime),
		                         (int) look->pid));
	else
		row("state", text_format("running (process %d)", (int) look->pid));
	row("PostgreSQL", door_words_of(look, look->pg_port, look->sql_problem));
	row("Redis", door_words_of(look, look->redis_port, look->redis_problem));
	if (look->tls_port != 0)
		row("Redis, TLS", tls_words_of(look));
	row("sockets", look->run_dir != NULL ? look->run_dir : "none");
	row("versions",
	    text_format("PostgreSQL %s, pgfirst %s, extension %s",
	                look->server_version != NULL ? look->server_version : "unknown",
	                PGFIRST_VERSION,
	                look->extension_version != NULL ? look->extension_version : "unknown"));
	row("disk",
	    text_format("%s used, %s free", text_size(look->data_size), text_size(look->disk_free)));
	if (look->pid == 0)
		return;
	row("connections", text_format("%d of %d", look->connections, look->max_connections));
	row("transactions",
	    look->oldest_transaction >= 0
	        ? text_format("the oldest is open for %s", text_duration(look->oldest_transaction))
	        : "none is open");
	row("open files", look->open_files >= 0
	                      ? text_format("at most %lld a process", (long long) look->open_files)
	                      : "no limit");
	for (int i = 0; i < look->harmful.count; i++)
		row(i == 0 ? "harmful" : "", look->harmful.items[i]);
	for (int i = 0; i < look->processes && i < PROCESSES_SHOWN; i++)
		row(i == 0 ? "processes" : "",
		    text_format("%7d  %8s  %s", (int) look->process[i].pid,
		                look->process[i].memory >= 0 ? text_size(look->process[i].memory) : "",
		                look->process[i].title));
	if (look->processes > PROCESSES_SHOWN)
		row("", text_format("and %d more", look->processes - PROCESSES_SHOWN));
}

int
command_status(const Arguments *arguments)
{
	Cluster *cluster = cluster_open(arguments, USER_READS);
	const Look *look = look_at(cluster);

	if (arguments->json)
		status_json(cluster, look);
	else
		status_text(cluster, look);
	if (look->pid == 0)
		return EXIT_STOPPED;
	if (look->sql_problem != NULL || look->redis_problem != NULL || look->tls_problem != NULL)
		return EXIT_ERROR;
	return EXIT_OK;
}
