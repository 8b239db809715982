/* SPDX-License-Identifier: PostgreSQL
 *
 * commands.h: the functions of the command table, one per command, by file.
 */
#ifndef PGFIRST_KV_COMMANDS_H
#define PGFIRST_KV_COMMANDS_H

#include "kv/cmd/command.h"

/* connection.c */
extern KvOutcome kv_cmd_auth(KvCall *call);
extern KvOutcome kv_cmd_echo(KvCall *call);
extern KvOutcome kv_cmd_hello(KvCall *call);
extern KvOutcome kv_cmd_ping(KvCall *call);
extern KvOutcome kv_cmd_quit(KvCall *call);
extern KvOutcome kv_cmd_reset(KvCall *call);
extern KvOutcome kv_cmd_select(KvCall *call);

/* client.c */
extern KvOutcome kv_cmd_client_getname(KvCall *call);
extern KvOutcome kv_cmd_client_getredir(KvCall *call);
extern KvOutcome kv_cmd_client_id(KvCall *call);
extern KvOutcome kv_cmd_client_info(KvCall *call);
extern KvOutcome kv_cmd_client_kill(KvCall *call);
extern KvOutcome kv_cmd_client_list(KvCall *call);
extern KvOutcome kv_cmd_client_no_evict(KvCall *call);
extern KvOutcome kv_cmd_client_no_touch(KvCall *call);
extern KvOutcome kv_cmd_client_reply(KvCall *call);
extern KvOutcome kv_cmd_client_setinfo(KvCall *call);
extern KvOutcome kv_cmd_client_setname(KvCall *call);
extern KvOutcome kv_cmd_client_trackinginfo(KvCall *call);
extern KvOutcome kv_cmd_client_unblock(KvCall *call);

/* pause.c */
extern KvOutcome kv_cmd_client_pause(KvCall *call);
extern KvOutcome kv_cmd_client_unpause(KvCall *call);

/* multi.c */
extern KvOutcome kv_cmd_discard(KvCall *call);
extern KvOutcome kv_cmd_exec(KvCall *call);
extern KvOutcome kv_cmd_multi(KvCall *call);
extern KvOutcome kv_cmd_unwatch(KvCall *call);
extern KvOutcome kv_cmd_watch(KvCall *call);

/* introspection.c */
extern KvOutcome kv_cmd_command(KvCall *call);
extern KvOutcome kv_cmd_command_count(KvCall *call);
extern KvOutcome kv_cmd_command_docs(KvCall *call);
extern KvOutcome kv_cmd_command_getkeys(KvCall *call);
extern KvOutcome kv_cmd_command_getkeysandflags(KvCall *call);
extern KvOutcome kv_cmd_command_info(KvCall *call);
extern KvOutcome kv_cmd_command_list(KvCall *call);

/* config.c */
extern KvOutcome kv_cmd_config_get(KvCall *call);
extern KvOutcome kv_cmd_config_resetstat(KvCall *call);
extern KvOutcome kv_cmd_config_rewrite(KvCall *call);
extern KvOutcome kv_cmd_config_set(KvCall *call);

/* server.c */
extern KvOutcome kv_cmd_dbsize(KvCall *call);
extern KvOutcome kv_cmd_flushdb(KvCall *call);
extern KvOutcome kv_cmd_info(KvCall *call);
extern KvOutcome kv_cmd_time(KvCall *call);

/* slowlog.c */
extern KvOutcome kv_cmd_slowlog_get(KvCall *call);
extern KvOutcome kv_cmd_slowlog_help(KvCall *call);
extern KvOutcome kv_cmd_slowlog_len(KvCall *call);
extern KvOutcome kv_cmd_slowlog_reset(KvCall *call);

/* save.c */
extern KvOutcome kv_cmd_bgsave(KvCall *call);
extern KvOutcome kv_cmd_lastsave(KvCall *call);
extern KvOutcome kv_cmd_save(KvCall *call);
extern KvOutcome kv_cmd_shutdown(KvCall *call);

/* replicas.c */
extern KvOutcome kv_cmd_wait(KvCall *call);
extern KvOutcome kv_cmd_waitaof(KvCall *call);

/* string.c */
extern KvOutcome kv_cmd_decr(KvCall *call);
extern KvOutcome kv_cmd_get(KvCall *call);
extern KvOutcome kv_cmd_incr(KvCall *call);
extern KvOutcome kv_cmd_incrby(KvCall *call);
extern KvOutcome kv_cmd_mget(KvCall *call);
extern KvOutcome kv_cmd_mset(KvCall *call);
extern KvOutcome kv_cmd_set(KvCall *call);

/* generic.c */
extern KvOutcome kv_cmd_del(KvCall *call);
extern KvOutcome kv_cmd_exists(KvCall *call);
extern KvOutcome kv_cmd_expire(KvCall *call);
extern KvOutcome kv_cmd_keys(KvCall *call);
extern KvOutcome kv_cmd_persist(KvCall *call);
extern KvOutcome kv_cmd_pexpire(KvCall *call);
extern KvOutcome kv_cmd_pttl(KvCall *call);
extern KvOutcome kv_cmd_scan(KvCall *call);
extern KvOutcome kv_cmd_ttl(KvCall *call);
extern KvOutcome kv_cmd_type(KvCall *call);

#endif
