/* SPDX-License-Identifier: PostgreSQL
 *
 * settings.c: pgfirst.conf, written once, read always, changed value by value.
 *
 * The file is for people: every value with the reason for it, in the order in which one asks.
 * After creation it belongs to whoever runs the cluster.  `up --pg-port` and the like replace the
 * value on its line and leave every other byte alone, comments included.
 *
 * How the memory is shared out (of 1 GB):
 *
 *   1/4  256 MB  shared_buffers                  the pages that everybody shares
 *   1/4  256 MB  pgfirst.redis_client_memory     requests and replies on their way
 *   1/4  256 MB  pgfirst.write_set_limit         changes of transactions before their commit
 *   1/4  256 MB  the rest: maintenance_work_mem 1/16, three autovacuum workers 1/32 each,
 *                work_mem 1/256 for each sort, and the processes themselves
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEGABYTE       ((int64_t) 1024 * 1024)
#define MEMORY_DEFAULT (1024 * MEGABYTE)
#define MEMORY_LEAST   (128 * MEGABYTE)

/* What follows --memory: a share of it, never less than the minimum. */
static const struct
{
	const char *name;
	int divisor;
	int minimum_mb;
} memory_shares[] = {{"shared_buffers", 4, 16},
                     {"effective_cache_size", 1, 64},
                     {"work_mem", 256, 1},
                     {"maintenance_work_mem", 16, 16},
                     {"autovacuum_work_mem", 32, 8},
                     {"pgfirst.redis_client_memory", 4, 32},
                     {"pgfirst.write_set_limit", 4, 32}};

#define MEMORY_SHARES (sizeof(memory_shares) / sizeof(memory_shares[0]))

/* What the machine, or the container that we are in, has. */
static int64_t
machine_memory(void)
{
	int64_t memory = (int64_t) sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	char *limit = file_read("/sys/fs/cgroup/memory.max");
	int64_t bytes = limit != NULL ? strtoll(limit, NULL, 10) : 0;

	return bytes > 0 && bytes < memory ? bytes : memory;
}

int64_t
settings_default_memory(void)
{
	int64_t half = machine_memory() / 2;

	if (half < MEMORY_LEAST)
		return MEMORY_LEAST;
	return half < MEMORY_DEFAULT ? half : MEMORY_DEFAULT;
}

void
settings_check_memory(int64_t memory)
{
	if (memory < MEMORY_LEAST)
		fail(EXIT_USAGE, text_format("The least is %s.", text_size(MEMORY_LEAST)),
		     "--memory %s is too little", text_size(memory));
	if (memory > machine_memory())
		fail(EXIT_USAGE, "Give the cluster at most three quarters of it.",
		     "--memory %s is more than the %s that this machine has", text_size(memory),
		     text_size(machine_memory()));
}

static char *
memory_share(const char *name, int64_t memory)
{
	for (size_t i = 0; i < MEMORY_SHARES; i++)
	{
		int64_t mb = memory / MEGABYTE / memory_shares[i].divisor;

		if (strcmp(memory_shares[i].name, name) == 0)
			return text_format(
			    "%lldMB",
			    (long long) (mb > memory_shares[i].minimum_mb ? mb : memory_shares[i].minimum_mb));
	}
	abort();
}

char *
settings_quote(const char *value)
{
	TextBuffer quoted = {0};

	text_append(&quoted, "'");
	for (; *value != '\0'; value++)
	{
		if (*value == '\'' || *value == '\\')
			text_append_bytes(&quoted, value, 1);
		text_append_bytes(&quoted, value, 1);
	}
	text_append(&quoted, "'");
	return quoted.data;
}

char *
settings_socket_list(const char *run_dir)
{
	TextBuffer list = {0};

	/* The list of directories has quoting of its own, within that of the settings file. */
	text_append(&list, "\"");
	for (const char *c = run_dir; *c != '\0'; c++)
	{
		if (*c == '"')
			text_append(&list, "\"");
		text_append_bytes(&list, c, 1);
	}
	text_append(&list, "\"");
	return settings_quote(list.data);
}

/* ---- writing ----------------------------------------------------------------------------- */

static void
section(TextBuffer *text, const char *title)
{
	text_appendf(text, "\n\n# ---- %s\n", title);
}

/* A setting with its reason; lines of the reason are separated by line ends. */
static void
setting(TextBuffer *text, const char *name, const char *value, const char *reason)
{
	text_append(text, "\n");
	while (*reason != '\0')
	{
		size_t length = strcspn(reason, "\n");

		text_appendf(text, "# %.*s\n", (int) length, reason);
		reason += length + (reason[length] == '\n' ? 1 : 0);
	}
	text_appendf(text, "%s = %s\n", name, value);
}

static void
share(TextBuffer *text, const char *name, int64_t memory, const char *reason)
{
	setting(text, name, memory_share(name, memory), reason);
}

static void
write_doors(TextBuffer *text, const SettingsPlan *plan)
{
	section(text, "Who can reach it");
	setting(text, "listen_addresses", "'127.0.0.1'",
	        "Only this machine.  Before you open it to others: TLS (ssl = on) and lines in\n"
	        "data/pg_hba.conf for exactly those who may come.");
	setting(text, "port", text_format("%d", plan->pg_port), "PostgreSQL's port.");
	setting(text, "unix_socket_directories", settings_socket_list(plan->run_dir),
	        "Unix sockets, in a directory that only the cluster's user can enter.");
	setting(text, "max_connections", "100",
	        "A connection is a process of some megabytes.  Beyond a few hundred, use a pool.");
	setting(text, "max_locks_per_transaction", "256",
	        "A transaction that changes keys takes a lock for each, up to 1,000.");
	setting(text, "password_encryption", "'scram-sha-256'", "Passwords are never sent or stored.");
}

static void
write_redis(TextBuffer *text, const SettingsPlan *plan)
{
	section(text, "The Redis door");
	setting(text, "shared_preload_libraries", "'pgfirst'",
	        "Loads pgfirst when the server starts.  Further libraries go behind it, with commas.");
	setting(text, "pgfirst.redis_port", text_format("%d", plan->redis_port),
	        "Its TCP port; 0 closes the door.");
	setting(text, "pgfirst.redis_listen_addresses", "'127.0.0.1'",
	        "Only this machine.  data/pg_hba.conf does not apply to this door; roles and their\n"
	        "passwords do.");
	setting(
	    text, "pgfirst.redis_tls_port", "0",
	    "A second port, which speaks TLS (rediss://), with data/server.crt and data/server.key;\n"
	    "0 for none.  \"pgfirst status\" shows it.");
	setting(text, "pgfirst.redis_unix_socket",
	        settings_quote(text_format("%s/redis.sock", plan->run_dir)),
	        "The same door as a unix socket; '' for none.");
	setting(text, "pgfirst.redis_database", "'" CLUSTER_DATABASE "'",
	        "The database whose keys it serves.");
	setting(text, "pgfirst.redis_default_role", "'" CLUSTER_ROLE "'",
	        "Whom AUTH without a name, and the Redis user \"default\", mean.");
	setting(text, "pgfirst.redis_workers", "1",
	        "Processes that serve it.  One is right for most; each more takes a core under load.");
	setting(text, "pgfirst.redis_max_clients", "20000",
	        "For each worker; more are refused.  Each needs an open file: \"pgfirst doctor\" "
	        "compares.");
	setting(text, "pgfirst.redis_lock_timeout", "'10s'",
	        "How long a command waits for a key that an SQL transaction holds.");
}

static void
write_memory(TextBuffer *text, const SettingsPlan *plan)
{
	section(text, text_format("Memory: %s in all (\"pgfirst up --memory SIZE\" sets these anew)",
	                          text_size(plan->memory)));
	share(text, "shared_buffers", plan->memory,
	      "A quarter: pages that all processes share.  Taken at once, when the server starts.");
	share(text, "pgfirst.redis_client_memory", plan->memory,
	      "At most a quarter: requests and replies of a worker\'s Redis clients, on their way.\n"
	      "It bounds the largest value, too.");
	share(text, "pgfirst.write_set_limit", plan->memory,
	      "At most a quarter: changes that one transaction has made and not yet committed.");
	share(text, "work_mem", plan->memory,
	      "For each sort or hash of a query, before it uses the disk.");
	share(text, "maintenance_work_mem", plan->memory, "For CREATE INDEX and VACUUM by hand.");
	share(text, "autovacuum_work_mem", plan->memory, "For each of the three autovacuum workers.");
	share(text, "effective_cache_size", plan->memory,
	      "Takes nothing: what the planner may believe to be cached.");
}

static void
write_durability(TextBuffer *text, const SettingsPlan *plan)
{
	section(text, "Durability, and the write-ahead log");
	if (plan->throw_away)
	{
		setting(text, "fsync", "off", "This cluster is thrown away when its command ends.");
		setting(text, "synchronous_commit", "off", "So nothing waits for a disk.");
		setting(text, "full_page_writes", "off", "And nothing is kept for a crash.");
	}
	setting(text, "wal_level", "replica",
	        "Enough for backups, replicas and point-in-time recovery.");
	setting(
	    text, "max_wal_size", plan->throw_away ? "1GB" : "4GB",
	    "After a checkpoint, the first change of each page logs the whole page; rare checkpoints\n"
	    "make that rare.  This much disk is used for it under load, and crash recovery reads at\n"
	    "most this much.");
	setting(text, "min_wal_size", "80MB", "Kept for reuse when there is little to do.");
	setting(text, "checkpoint_timeout", "'15min'", "The other reason for a checkpoint.");
	setting(text, "wal_compression", plan->wal_compression,
	        "Compresses those whole pages: little processor time for much less log.");
	setting(text, "wal_buffers", "'16MB'",
	        "One segment of log, so that bursts of changes do not wait.");
}

static void
write_logs(TextBuffer *text, const SettingsPlan *plan)
{
	(void) plan;
	section(text, "Logs: log/, a file a weekday, overwritten after seven days");
	setting(text, "logging_collector", "on", "Written to files by a process of its own.");
	setting(text, "log_directory", "'../log'", "Seen from data/.");
	setting(text, "log_filename", "'postgresql-%a.log'", "Mon, Tue, …");
	setting(text, "log_truncate_on_rotation", "on", "Monday replaces last Monday.");
	setting(text, "log_rotation_age", "'1d'", "At midnight.");
	setting(text, "log_rotation_size", "0",
	        "And never for its size, which would not be truncated.");
	setting(text, "log_line_prefix", "'%m [%p] %q%u@%d '", "When, which process, who, where.");
	setting(text, "log_lock_waits", "on", "Says who waited for whom for more than a second.");
	setting(text, "log_min_duration_statement", "'1s'",
	        "Slow statements, with their text: mind what that means for secrets in them.");
	setting(text, "log_timezone", "'UTC'", "One clock for all logs.");
}

static void
write_language(TextBuffer *text, const SettingsPlan *plan)
{
	(void) plan;
	section(text, "Language and time");
	setting(text, "timezone", "'UTC'", "What sessions start with; timestamptz stores no zone.");
	setting(text, "lc_messages", "'C'", "Messages in English, so that they can be searched for.");
	setting(text, "default_text_search_config", "'pg_catalog.simple'",
	        "Name the language in your queries, or set it here.");
}

char *
settings_text(const SettingsPlan *plan)
{
	TextBuffer text = {0};

	text_append(
	    &text,
	    "# The settings of this cluster, made by \"pgfirst up\"; yours to change.\n"
	    "#\n"
	    "# After a change: \"pgfirst restart\".  What ALTER SYSTEM sets comes after this file\n"
	    "# and wins; \"pgfirst doctor\" says which settings hurt, and which wait for a restart.\n");
	write_doors(&text, plan);
	write_redis(&text, plan);
	write_memory(&text, plan);
	write_durability(&text, plan);
	write_logs(&text, plan);
	write_language(&text, plan);
	return text.data;
}

/* ---- reading ----------------------------------------------------------------------------- */

/* The value as the server would read it: without quotes and comment. */
static char *
value_read(const char *text, size_t length)
{
	TextBuffer value = {0};
	const char *end = text + length;

	text_append(&value, "");
	while (text < end && isspace((unsigned char) *text))
		text++;
	if (text == end || *text != '\'')
	{
		while (text < end && *text != '#' && !isspace((unsigned char) *text))
			text_append_bytes(&value, text++, 1);
		return value.data;
	}
	for (text++; text < end; text++)
	{
		if (text + 1 < end && ((*text == '\'' && text[1] == '\'') || *text == '\\'))
			text++;
		else if (*text == '\'')
			break;
		text_append_bytes(&value, text, 1);
	}
	return value.data;
}

/* The last line that sets the name: where its value begins and how long the rest of the line is. */
static const char *
line_find(const char *text, const char *name, size_t *length)
{
	const char *found = NULL;
	size_t name_length = strlen(name);

	while (*text != '\0')
	{
		size_t line_length = strcspn(text, "\n");
		const char *at = text + strspn(text, " \t");

		if (strncasecmp(at, name, name_length) == 0)
		{
			at += name_length;
			if (*at == ' ' || *at == '\t' || *at == '=')
			{
				at += strspn(at, " \t");
				if (*at == '=')
					at++;
				at += strspn(at, " \t");
				found = at;
				*length = (size_t) (text + line_length - at);
			}
		}
		text += line_length + (text[line_length] == '\n' ? 1 : 0);
	}
	return found;
}

char *
settings_get(const Cluster *cluster, const char *name)
{
	const char *const files[] = {text_format("%s/postgresql.auto.conf", cluster->data),
	                             cluster->settings};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
	{
		char *text = file_read(files[i]);
		size_t length;
		const char *line = text != NULL ? line_find(text, name, &length) : NULL;

		if (line != NULL)
			return value_read(line, length);
	}
	return NULL;
}

int
settings_get_port(const Cluster *cluster, const char *name)
{
	char *value = settings_get(cluster, name);
	bool redis = text_starts(name, "pgfirst.");
	long port;
	char *end;

	if (value == NULL)
		return redis ? 0 : 5432;
	port = strtol(value, &end, 10);
	if (*value == '\0' || *end != '\0' || port < (redis ? 0 : 1) || port > 65535)
		fail(EXIT_ERROR, "Mend that line.", "%s: %s = %s is not a port", cluster->settings, name,
		     value);
	return (int) port;
}

char *
settings_run_dir(const Cluster *cluster)
{
	char *value = settings_get(cluster, "unix_socket_directories");
	TextBuffer path = {0};
	char *at;

	if (value == NULL || *value == '\0')
		return NULL;
	if (*value != '"')
		return text_trim(text_format("%.*s", (int) strcspn(value, ","), value));
	for (at = value + 1; *at != '\0'; at++)
	{
		if (*at == '"' && *++at != '"')
			break;
		text_append_bytes(&path, at, 1);
	}
	return path.data;
}

void
settings_set(const Cluster *cluster, const char *name, const char *value)
{
	char *text = file_read(cluster->settings);
	TextBuffer changed = {0};
	const char *old;
	size_t length = 0;
	size_t value_length;

	if (text == NULL)
		fail(EXIT_ERROR, NULL, "cannot read %s", cluster->settings);
	old = line_find(text, name, &length);
	if (old == NULL)
	{
		text_append(&changed, text);
		text_appendf(&changed, "\n%s = %s\n", name, value);
		file_write(cluster->settings, 0600, changed.data);
		return;
	}
	/* Up to the comment, if one follows on the line; a # in quotes is none. */
	value_length = 0;
	for (bool quoted = false; value_length < length; value_length++)
	{
		if (old[value_length] == '\'')
			quoted = !quoted;
		else if (old[value_length] == '#' && !quoted)
			break;
	}
	while (value_length > 0 && isspace((unsigned char) old[value_length - 1]))
		value_length--;
	text_append_bytes(&changed, text, (size_t) (old - text));
	text_append(&changed, value);
	text_append(&changed, old + value_length);
	file_write(cluster->settings, 0600, changed.data);
}

void
settings_set_memory(const Cluster *cluster, int64_t memory)
{
	for (size_t i = 0; i < MEMORY_SHARES; i++)
		settings_set(cluster, memory_shares[i].name, memory_share(memory_shares[i].name, memory));
}
