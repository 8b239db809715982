/* SPDX-License-Identifier: PostgreSQL
 *
 * server.c: commands about the server: INFO, DBSIZE, TIME, FLUSHDB.
 *
 * INFO has the fields that clients, frameworks and monitors are known to parse, with true values,
 * and an own section that says what this is.
 */
#include "postgres.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/pmsignal.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/flush.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/configure.h"
#include "kv/cmd/pubsub.h"
#include "kv/cmd/save.h"
#include "kv/cmd/server.h"
#include "kv/cmd/stats.h"
#include "kv/count.h"
#include "kv/position.h"
#include "kv/settings.h"
#include "lib/number/number.h"

#define TIMEOUT_MAX_MS ((int64) 100 * 366 * 86400 * 1000)

void
kv_reply_subcommand_syntax(KvCall *call)
{
	const char *container = call->command->container;
	RespSlice name = kv_argument(call, 1);

	kv_reply_error(
	    call, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
	    (int) Min(name.length, 128), name.data, asc_toupper(container, strlen(container)));
}

bool
kv_argument_timeout(KvCall *call, int i, int64 *milliseconds)
{
	RespSlice argument = kv_argument(call, i);

	if (!pgfirst_int64_parse(argument.data, argument.length, milliseconds))
		kv_reply_error(call, "ERR timeout is not an integer or out of range");
	else if (*milliseconds < 0)
		kv_reply_error(call, "ERR timeout is negative");
	else if (*milliseconds > PG_INT64_MAX - call->now_ms)
		kv_reply_error(call, "ERR timeout is out of range");
	else
		return true;
	return false;
}

int64
kv_timeout_end(int64 now_us, int64 milliseconds)
{
	return now_us + Min(milliseconds, TIMEOUT_MAX_MS) * 1000;
}

/* TIME */
KvOutcome
kv_cmd_time(KvCall *call)
{
	int64 now = pgfirst_clock_wall_us();
	char digits[32];

	pgfirst_resp_write_array(call->reply, 2);
	snprintf(digits, sizeof(digits), INT64_FORMAT, now / 1000000);
	pgfirst_resp_write_text(call->reply, digits);
	snprintf(digits, sizeof(digits), INT64_FORMAT, now % 1000000);
	pgfirst_resp_write_text(call->reply, digits);
	return KV_DONE;
}

/* DBSIZE: what is committed, and within EXEC what it has changed itself. */
KvOutcome
kv_cmd_dbsize(KvCall *call)
{
	bool changed = pgfirst_store_changed();
	KvCount count;

	/* The keys this turn has changed are counted when it commits, so it must come first. */
	if (changed && !call->atomic)
		return KV_PARK_TURN;
	/* Only the default tenant's keys are counted as they come and go. */
	if (call->session->tenant != 0)
		return kv_listing_count(call);
	if (!changed && kv_count_get(call->session->database, &count))
	{
		/* The number says nothing about when it was changed. */
		if (call->space->durability == PGFIRST_DURABLE)
			kv_position_note(GetXLogInsertRecPtr());
		pgfirst_resp_write_integer(call->reply, count.keys);
		return KV_DONE;
	}
	/* The census comes at once, unless this is a standby, or writers leave it no moment to begin. */
	if (!call->read_only && !call->last_try && !call->atomic)
		return KV_PARK_COUNT;
	return kv_listing_count(call);
}

/* FLUSHDB [ASYNC | SYNC]: both are done at once. */
KvOutcome
kv_cmd_flushdb(KvCall *call)
{
	if (call->argc > 2 ||
	    (call->argc == 2 && !kv_argument_is(call, 1, "ASYNC") && !kv_argument_is(call, 1, "SYNC")))
	{
		kv_reply_syntax(call);
		return KV_DONE;
	}
	kv_space_flush(call->space);
	kv_reply_ok(call);
	return KV_DONE;
}

/* ---- INFO -------------------------------------------------------------------------------- */

static uint64
stat_value(pg_atomic_uint64 *counter)
{
	return pg_atomic_read_u64(counter);
}

static void
info_server(KvCall *call, StringInfo out)
{
	int64 uptime =
	    (pgfirst_clock_monotonic_us() - (int64) stat_value(&kv_stats->started_us)) / 1000000;

	struct utsname system;

	appendStringInfo(out,
	                 "redis_version:%s\r\nredis_git_sha1:00000000\r\nredis_git_dirty:0\r\n"
	                 "redis_build_id:%s\r\nredis_mode:standalone\r\n",
	                 KV_REDIS_VERSION, PGFIRST_VERSION);
	if (uname(&system) == 0)
		appendStringInfo(out, "os:%s %s %s\r\n", system.sysname, system.release, system.machine);
	appendStringInfo(out,
	                 "arch_bits:%d\r\nmultiplexing_api:epoll\r\nrun_id:%016llx%024llx\r\n"
	                 "executable:%s\r\nconfig_file:\r\n",
	                 (int) sizeof(void *) * 8, (unsigned long long) GetSystemIdentifier(),
	                 (unsigned long long) PgStartTime, my_exec_path);
	appendStringInfo(out, "process_id:%d\r\ntcp_port:%d\r\nserver_time_usec:" INT64_FORMAT "\r\n",
	                 MyProcPid,
	                 pgfirst_redis_port != 0 ? pgfirst_redis_port : pgfirst_redis_tls_port,
	                 pgfirst_clock_wall_us());
	appendStringInfo(
	    out, "uptime_in_seconds:" INT64_FORMAT "\r\nuptime_in_days:" INT64_FORMAT "\r\nhz:10\r\n",
	    uptime, uptime / 86400);
}

static void
info_clients(KvCall *call, StringInfo out)
{
	appendStringInfo(out,
	                 "connected_clients:" UINT64_FORMAT "\r\ncluster_connections:0\r\n"
	                 "maxclients:%d\r\nblocked_clients:" UINT64_FORMAT "\r\n",
	                 stat_value(&kv_stats->connected_clients), pgfirst_redis_max_clients,
	                 stat_value(&kv_stats->blocked_clients));
}

static void
append_bytes(StringInfo out, const char *field, int64 bytes)
{
	static const char units[] = "BKMGT";
	double amount = (double) bytes;
	int unit = 0;

	while (amount >= 1024 && unit < 4)
	{
		amount /= 1024;
		unit++;
	}
	appendStringInfo(out, "%s:" INT64_FORMAT "\r\n", field, bytes);
	if (unit == 0)
		appendStringInfo(out, "%s_human:" INT64_FORMAT "B\r\n", field, bytes);
	else
		appendStringInfo(out, "%s_human:%.2f%c\r\n", field, amount, units[unit]);
}

/* The bytes of the file of the session's database; 0 if it cannot be opened now. */
static int64
file_bytes(KvCall *call)
{
	int number = call->session->database;
	KvSpace *space;

	if (!call->available || call->busy || !kv_database_exists(number) ||
	    (call->read_only && kv_database_durability(number) == PGFIRST_VOLATILE))
		return 0;
	space = kv_space_open(number, false, false);
	return space ? (int64) pgfirst_store_file_bytes(space->store) : 0;
}

/*
 * As CONFIG's maxmemory, it is about the selected database: used_memory are the bytes of its records, all tenants',
 * used_memory_rss those of its file, which keeps the size that it once had.
 */
static void
info_memory(KvCall *call, StringInfo out)
{
	KvSettings settings = kv_configure_settings(call);
	int64 file = file_bytes(call);
	KvCount count;
	int64 used = kv_count_all(call->session->database, &count) ? count.bytes : 0;
	int64 peak = Max(file, used);

	append_bytes(out, "used_memory", used);
	append_bytes(out, "used_memory_rss", file);
	append_bytes(out, "used_memory_peak", peak);
	appendStringInfo(out,
	                 "used_memory_peak_perc:%.2f%%\r\nused_memory_overhead:0\r\n"
	                 "used_memory_startup:0\r\nused_memory_dataset:" INT64_FORMAT
	                 "\r\nused_memory_dataset_perc:100.00%%\r\n",
	                 peak == 0 ? 0.0 : 100.0 * (double) used / (double) peak, used);
	append_bytes(out, "total_system_memory",
	             (int64) sysconf(_SC_PHYS_PAGES) * (int64) sysconf(_SC_PAGESIZE));
	append_bytes(out, "maxmemory", settings.max_size);
	appendStringInfo(out,
	                 "maxmemory_policy:%s\r\nmem_fragmentation_ratio:%.2f\r\n"
	                 "mem_fragmentation_bytes:" INT64_FORMAT "\r\n",
	                 kv_eviction_name(settings.eviction),
	                 used == 0 || file == 0 ? 1.0 : (double) file / (double) used,
	                 Max(file - used, 0));
	appendStringInfo(out,
	                 "mem_clients_slaves:0\r\nmem_clients_normal:" UINT64_FORMAT
	                 "\r\nmem_allocator:postgresql\r\nactive_defrag_running:0\r\n"
	                 "lazyfree_pending_objects:0\r\nlazyfreed_objects:0\r\n",
	                 stat_value(&kv_stats->client_memory));
}

static void
info_persistence(KvCall *call, StringInfo out)
{
	bool logged = kv_configure_settings(call).durability != PGFIRST_VOLATILE;

	appendStringInfo(out,
	                 "loading:0\r\nasync_loading:0\r\nrdb_changes_since_last_save:0\r\n"
	                 "rdb_bgsave_in_progress:%d\r\nrdb_last_save_time:" INT64_FORMAT "\r\n",
	                 kv_save_in_progress(), kv_save_last());
	appendStringInfo(out,
	                 "rdb_last_bgsave_status:ok\r\nrdb_last_bgsave_time_sec:-1\r\n"
	                 "rdb_current_bgsave_time_sec:-1\r\n"
	                 "aof_enabled:%d\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\n"
	                 "aof_last_rewrite_time_sec:-1\r\naof_current_rewrite_time_sec:-1\r\n"
	                 "aof_last_bgrewrite_status:ok\r\naof_last_write_status:ok\r\n",
	                 logged);
}

static const struct
{
	const char *name;
	size_t offset;
} counters[] = {
    {"total_connections_received", offsetof(KvStats, connections_received)},
    {"total_commands_processed", offsetof(KvStats, commands_processed)},
    {"total_net_input_bytes", offsetof(KvStats, input_bytes)},
    {"total_net_output_bytes", offsetof(KvStats, output_bytes)},
    {"rejected_connections", offsetof(KvStats, connections_rejected)},
    {"client_output_buffer_limit_disconnections", offsetof(KvStats, output_limit_disconnections)},
    {"expired_keys", offsetof(KvStats, expired_keys)},
    {"evicted_keys", offsetof(KvStats, evicted_keys)},
    {"keyspace_hits", offsetof(KvStats, keyspace_hits)},
    {"keyspace_misses", offsetof(KvStats, keyspace_misses)},
    {"total_error_replies", offsetof(KvStats, error_replies)},
};

static pg_atomic_uint64 *
counter_at(int i)
{
	return (pg_atomic_uint64 *) ((char *) kv_stats + counters[i].offset);
}

static void
info_stats(KvCall *call, StringInfo out)
{
	for (int i = 0; i < (int) lengthof(counters); i++)
		appendStringInfo(out, "%s:" UINT64_FORMAT "\r\n", counters[i].name,
		                 stat_value(counter_at(i)));
	appendStringInfo(out,
	                 "instantaneous_ops_per_sec:" UINT64_FORMAT
	                 "\r\ninstantaneous_input_kbps:%.2f\r\ninstantaneous_output_kbps:%.2f\r\n",
	                 stat_value(&kv_stats->commands_rate),
	                 (double) stat_value(&kv_stats->input_rate) / 1024,
	                 (double) stat_value(&kv_stats->output_rate) / 1024);
	appendStringInfo(out, "pubsub_channels:%d\r\npubsub_patterns:%d\r\n",
	                 kv_pubsub_topics(call->session, false), kv_pubsub_topics(call->session, true));
}

/* CONFIG RESETSTAT: the counters of INFO's section Stats begin anew, for all workers. */
KvOutcome
kv_cmd_config_resetstat(KvCall *call)
{
	for (int i = 0; i < (int) lengthof(counters); i++)
		pg_atomic_write_u64(counter_at(i), 0);
	kv_reply_ok(call);
	return KV_DONE;
}

static void
info_replication(KvCall *call, StringInfo out)
{
	appendStringInfo(out,
	                 "role:%s\r\nconnected_slaves:%d\r\nmaster_replid:%040llx\r\n"
	                 "master_repl_offset:" UINT64_FORMAT "\r\n",
	                 call->read_only ? "slave" : "master",
	                 call->read_only ? 0 : kv_replicas_count(),
	                 (unsigned long long) GetSystemIdentifier(),
	                 call->read_only ? GetXLogReplayRecPtr(NULL) : GetXLogInsertRecPtr());
	if (call->read_only)
		appendStringInfoString(out, "master_link_status:up\r\nslave_read_only:1\r\n");
}

static void
info_cpu(KvCall *call, StringInfo out)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	appendStringInfo(out,
	                 "used_cpu_sys:%ld.%06ld\r\nused_cpu_user:%ld.%06ld\r\n"
	                 "used_cpu_sys_children:0.000000\r\nused_cpu_user_children:0.000000\r\n",
	                 (long) usage.ru_stime.tv_sec, (long) usage.ru_stime.tv_usec,
	                 (long) usage.ru_utime.tv_sec, (long) usage.ru_utime.tv_usec);
}

static void
info_cluster(KvCall *call, StringInfo out)
{
	appendStringInfoString(out, "cluster_enabled:0\r\n");
}

static void
info_keyspace(KvCall *call, StringInfo out)
{
	/* The numbers are the default tenant's, and to count another's keys would take too long here. */
	for (int number = 0; number < KV_DATABASES && call->session->tenant == 0; number++)
	{
		KvCount count;

		if (kv_level_in(call->session->levels, number) >= KV_LEVEL_READ &&
		    kv_count_get(number, &count) && count.keys > 0)
			appendStringInfo(out,
			                 "db%d:keys=" INT64_FORMAT ",expires=" INT64_FORMAT ",avg_ttl=0\r\n",
			                 number, count.keys, count.expires);
	}
}

static void
info_pgfirst(KvCall *call, StringInfo out)
{
	XLogRecPtr durable = pgfirst_flush_position();
	KvSettings settings = kv_configure_settings(call);

	appendStringInfo(out, "pgfirst_version:%s\r\npostgresql_version:%s\r\n", PGFIRST_VERSION,
	                 GetConfigOption("server_version", false, false));
	appendStringInfo(out, "pgfirst_database:%s\r\npgfirst_workers:%d\r\npgfirst_durability:%s\r\n",
	                 pgfirst_redis_database, pgfirst_redis_workers,
	                 kv_durability_name(settings.durability));
	appendStringInfo(out,
	                 "pgfirst_turns:" UINT64_FORMAT "\r\npgfirst_turns_aborted:" UINT64_FORMAT
	                 "\r\npgfirst_durable_position:%X/%X\r\n",
	                 stat_value(&kv_stats->turns), stat_value(&kv_stats->turns_aborted),
	                 LSN_FORMAT_ARGS(durable));
	appendStringInfo(out,
	                 "pgfirst_tls_port:%d\r\npgfirst_tls_handshakes:" UINT64_FORMAT
	                 "\r\npgfirst_tls_handshakes_failed:" UINT64_FORMAT "\r\n",
	                 pgfirst_redis_tls_port, stat_value(&kv_stats->tls_handshakes),
	                 stat_value(&kv_stats->tls_failed));
}

static const struct
{
	const char *name;
	void (*append)(KvCall *call, StringInfo out);
} sections[] = {
    {"Server", info_server},     {"Clients", info_clients},
    {"Memory", info_memory},     {"Persistence", info_persistence},
    {"Stats", info_stats},       {"Replication", info_replication},
    {"CPU", info_cpu},           {"Cluster", info_cluster},
    {"Keyspace", info_keyspace}, {"pgfirst", info_pgfirst},
};

static bool
section_asked_for(KvCall *call, const char *name)
{
	if (call->argc == 1)
		return true;
	for (int i = 1; i < call->argc; i++)
		if (kv_argument_is(call, i, name) || kv_argument_is(call, i, "all") ||
		    kv_argument_is(call, i, "everything") || kv_argument_is(call, i, "default"))
			return true;
	return false;
}

/* INFO [section [section ...]] */
KvOutcome
kv_cmd_info(KvCall *call)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < (int) lengthof(sections); i++)
	{
		if (!section_asked_for(call, sections[i].name))
			continue;
		appendStringInfo(&out, "%s# %s\r\n", out.len > 0 ? "\r\n" : "", sections[i].name);
		sections[i].append(call, &out);
	}
	pgfirst_resp_write_verbatim(call->reply, "txt", out.data, (size_t) out.len);
	pfree(out.data);
	return KV_DONE;
}
