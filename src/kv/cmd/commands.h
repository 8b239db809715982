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

/* hash.c */
extern KvOutcome kv_cmd_hdel(KvCall *call);
extern KvOutcome kv_cmd_hexists(KvCall *call);
extern KvOutcome kv_cmd_hget(KvCall *call);
extern KvOutcome kv_cmd_hgetall(KvCall *call);
extern KvOutcome kv_cmd_hincrby(KvCall *call);
extern KvOutcome kv_cmd_hincrbyfloat(KvCall *call);
extern KvOutcome kv_cmd_hkeys(KvCall *call);
extern KvOutcome kv_cmd_hlen(KvCall *call);
extern KvOutcome kv_cmd_hmget(KvCall *call);
extern KvOutcome kv_cmd_hmset(KvCall *call);
extern KvOutcome kv_cmd_hrandfield(KvCall *call);
extern KvOutcome kv_cmd_hscan(KvCall *call);
extern KvOutcome kv_cmd_hset(KvCall *call);
extern KvOutcome kv_cmd_hsetnx(KvCall *call);
extern KvOutcome kv_cmd_hstrlen(KvCall *call);
extern KvOutcome kv_cmd_hvals(KvCall *call);

/* set.c */
extern KvOutcome kv_cmd_sadd(KvCall *call);
extern KvOutcome kv_cmd_scard(KvCall *call);
extern KvOutcome kv_cmd_sdiff(KvCall *call);
extern KvOutcome kv_cmd_sdiffstore(KvCall *call);
extern KvOutcome kv_cmd_sinter(KvCall *call);
extern KvOutcome kv_cmd_sintercard(KvCall *call);
extern KvOutcome kv_cmd_sinterstore(KvCall *call);
extern KvOutcome kv_cmd_sismember(KvCall *call);
extern KvOutcome kv_cmd_smembers(KvCall *call);
extern KvOutcome kv_cmd_smismember(KvCall *call);
extern KvOutcome kv_cmd_smove(KvCall *call);
extern KvOutcome kv_cmd_spop(KvCall *call);
extern KvOutcome kv_cmd_srandmember(KvCall *call);
extern KvOutcome kv_cmd_srem(KvCall *call);
extern KvOutcome kv_cmd_sscan(KvCall *call);
extern KvOutcome kv_cmd_sunion(KvCall *call);
extern KvOutcome kv_cmd_sunionstore(KvCall *call);

/* list.c */
extern KvOutcome kv_cmd_lindex(KvCall *call);
extern KvOutcome kv_cmd_linsert(KvCall *call);
extern KvOutcome kv_cmd_llen(KvCall *call);
extern KvOutcome kv_cmd_lmove(KvCall *call);
extern KvOutcome kv_cmd_lmpop(KvCall *call);
extern KvOutcome kv_cmd_lpop(KvCall *call);
extern KvOutcome kv_cmd_lpos(KvCall *call);
extern KvOutcome kv_cmd_lpush(KvCall *call);
extern KvOutcome kv_cmd_lpushx(KvCall *call);
extern KvOutcome kv_cmd_lrange(KvCall *call);
extern KvOutcome kv_cmd_lrem(KvCall *call);
extern KvOutcome kv_cmd_lset(KvCall *call);
extern KvOutcome kv_cmd_ltrim(KvCall *call);
extern KvOutcome kv_cmd_rpop(KvCall *call);
extern KvOutcome kv_cmd_rpoplpush(KvCall *call);
extern KvOutcome kv_cmd_rpush(KvCall *call);
extern KvOutcome kv_cmd_rpushx(KvCall *call);

/* blocking.c */
extern KvOutcome kv_cmd_blmove(KvCall *call);
extern KvOutcome kv_cmd_blmpop(KvCall *call);
extern KvOutcome kv_cmd_blpop(KvCall *call);
extern KvOutcome kv_cmd_brpop(KvCall *call);
extern KvOutcome kv_cmd_brpoplpush(KvCall *call);

/* zset.c */
extern KvOutcome kv_cmd_zadd(KvCall *call);
extern KvOutcome kv_cmd_zcard(KvCall *call);
extern KvOutcome kv_cmd_zcount(KvCall *call);
extern KvOutcome kv_cmd_zincrby(KvCall *call);
extern KvOutcome kv_cmd_zlexcount(KvCall *call);
extern KvOutcome kv_cmd_zmscore(KvCall *call);
extern KvOutcome kv_cmd_zpopmax(KvCall *call);
extern KvOutcome kv_cmd_zpopmin(KvCall *call);
extern KvOutcome kv_cmd_zrange(KvCall *call);
extern KvOutcome kv_cmd_zrangebylex(KvCall *call);
extern KvOutcome kv_cmd_zrangebyscore(KvCall *call);
extern KvOutcome kv_cmd_zrangestore(KvCall *call);
extern KvOutcome kv_cmd_zrank(KvCall *call);
extern KvOutcome kv_cmd_zrem(KvCall *call);
extern KvOutcome kv_cmd_zremrangebylex(KvCall *call);
extern KvOutcome kv_cmd_zremrangebyrank(KvCall *call);
extern KvOutcome kv_cmd_zremrangebyscore(KvCall *call);
extern KvOutcome kv_cmd_zrevrange(KvCall *call);
extern KvOutcome kv_cmd_zrevrangebylex(KvCall *call);
extern KvOutcome kv_cmd_zrevrangebyscore(KvCall *call);
extern KvOutcome kv_cmd_zrevrank(KvCall *call);
extern KvOutcome kv_cmd_zscore(KvCall *call);

extern KvOutcome kv_cmd_bzmpop(KvCall *call);
extern KvOutcome kv_cmd_bzpopmax(KvCall *call);
extern KvOutcome kv_cmd_bzpopmin(KvCall *call);
extern KvOutcome kv_cmd_zmpop(KvCall *call);

/* zset_combine.c */
extern KvOutcome kv_cmd_zdiff(KvCall *call);
extern KvOutcome kv_cmd_zdiffstore(KvCall *call);
extern KvOutcome kv_cmd_zinter(KvCall *call);
extern KvOutcome kv_cmd_zintercard(KvCall *call);
extern KvOutcome kv_cmd_zinterstore(KvCall *call);
extern KvOutcome kv_cmd_zunion(KvCall *call);
extern KvOutcome kv_cmd_zunionstore(KvCall *call);

/* zset_scan.c */
extern KvOutcome kv_cmd_zrandmember(KvCall *call);
extern KvOutcome kv_cmd_zscan(KvCall *call);

/* pubsub.c */
extern KvOutcome kv_cmd_publish(KvCall *call);
extern KvOutcome kv_cmd_subscribe(KvCall *call);
extern KvOutcome kv_cmd_psubscribe(KvCall *call);
extern KvOutcome kv_cmd_unsubscribe(KvCall *call);
extern KvOutcome kv_cmd_punsubscribe(KvCall *call);
extern KvOutcome kv_cmd_pubsub_channels(KvCall *call);
extern KvOutcome kv_cmd_pubsub_numsub(KvCall *call);
extern KvOutcome kv_cmd_pubsub_numpat(KvCall *call);

/* script.c */
extern KvOutcome kv_cmd_eval(KvCall *call);
extern KvOutcome kv_cmd_evalsha(KvCall *call);
extern KvOutcome kv_cmd_script_debug(KvCall *call);
extern KvOutcome kv_cmd_script_exists(KvCall *call);
extern KvOutcome kv_cmd_script_flush(KvCall *call);
extern KvOutcome kv_cmd_script_kill(KvCall *call);
extern KvOutcome kv_cmd_script_load(KvCall *call);

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
extern KvOutcome kv_cmd_help(KvCall *call);

/* acl.c */
extern KvOutcome kv_cmd_acl_cat(KvCall *call);
extern KvOutcome kv_cmd_acl_deluser(KvCall *call);
extern KvOutcome kv_cmd_acl_dryrun(KvCall *call);
extern KvOutcome kv_cmd_acl_genpass(KvCall *call);
extern KvOutcome kv_cmd_acl_getuser(KvCall *call);
extern KvOutcome kv_cmd_acl_list(KvCall *call);
extern KvOutcome kv_cmd_acl_load(KvCall *call);
extern KvOutcome kv_cmd_acl_log(KvCall *call);
extern KvOutcome kv_cmd_acl_setuser(KvCall *call);
extern KvOutcome kv_cmd_acl_users(KvCall *call);
extern KvOutcome kv_cmd_acl_whoami(KvCall *call);

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
extern KvOutcome kv_cmd_get(KvCall *call);
extern KvOutcome kv_cmd_getdel(KvCall *call);
extern KvOutcome kv_cmd_getex(KvCall *call);
extern KvOutcome kv_cmd_getset(KvCall *call);
extern KvOutcome kv_cmd_mget(KvCall *call);
extern KvOutcome kv_cmd_mset(KvCall *call);
extern KvOutcome kv_cmd_msetnx(KvCall *call);
extern KvOutcome kv_cmd_psetex(KvCall *call);
extern KvOutcome kv_cmd_set(KvCall *call);
extern KvOutcome kv_cmd_setex(KvCall *call);
extern KvOutcome kv_cmd_setnx(KvCall *call);

/* range.c */
extern KvOutcome kv_cmd_append(KvCall *call);
extern KvOutcome kv_cmd_getrange(KvCall *call);
extern KvOutcome kv_cmd_setrange(KvCall *call);
extern KvOutcome kv_cmd_strlen(KvCall *call);

/* counter.c */
extern KvOutcome kv_cmd_decr(KvCall *call);
extern KvOutcome kv_cmd_decrby(KvCall *call);
extern KvOutcome kv_cmd_incr(KvCall *call);
extern KvOutcome kv_cmd_incrby(KvCall *call);
extern KvOutcome kv_cmd_incrbyfloat(KvCall *call);

/* bit.c */
extern KvOutcome kv_cmd_bitcount(KvCall *call);
extern KvOutcome kv_cmd_bitop(KvCall *call);
extern KvOutcome kv_cmd_bitpos(KvCall *call);
extern KvOutcome kv_cmd_getbit(KvCall *call);
extern KvOutcome kv_cmd_setbit(KvCall *call);

/* across.c */
extern KvOutcome kv_cmd_copy(KvCall *call);
extern KvOutcome kv_cmd_flushall(KvCall *call);
extern KvOutcome kv_cmd_move(KvCall *call);
extern KvOutcome kv_cmd_swapdb(KvCall *call);
extern KvOutcome kv_cmd_touch(KvCall *call);
extern KvOutcome kv_cmd_rename(KvCall *call);
extern KvOutcome kv_cmd_renamenx(KvCall *call);

/* generic.c */
extern KvOutcome kv_cmd_del(KvCall *call);
extern KvOutcome kv_cmd_exists(KvCall *call);
extern KvOutcome kv_cmd_type(KvCall *call);

/* expire.c */
extern KvOutcome kv_cmd_expire(KvCall *call);
extern KvOutcome kv_cmd_expireat(KvCall *call);
extern KvOutcome kv_cmd_expiretime(KvCall *call);
extern KvOutcome kv_cmd_persist(KvCall *call);
extern KvOutcome kv_cmd_pexpire(KvCall *call);
extern KvOutcome kv_cmd_pexpireat(KvCall *call);
extern KvOutcome kv_cmd_pexpiretime(KvCall *call);
extern KvOutcome kv_cmd_pttl(KvCall *call);
extern KvOutcome kv_cmd_ttl(KvCall *call);

/* listing.c */
extern KvOutcome kv_cmd_keys(KvCall *call);
extern KvOutcome kv_cmd_randomkey(KvCall *call);
extern KvOutcome kv_cmd_scan(KvCall *call);

/* Answers with the number of keys, which it counts one by one in several turns. */
extern KvOutcome kv_listing_count(KvCall *call);

/* stream.c */
extern KvOutcome kv_cmd_xadd(KvCall *call);
extern KvOutcome kv_cmd_xdel(KvCall *call);
extern KvOutcome kv_cmd_xinfo_stream(KvCall *call);
extern KvOutcome kv_cmd_xlen(KvCall *call);
extern KvOutcome kv_cmd_xsetid(KvCall *call);
extern KvOutcome kv_cmd_xtrim(KvCall *call);

/* stream_read.c */
extern KvOutcome kv_cmd_xrange(KvCall *call);
extern KvOutcome kv_cmd_xread(KvCall *call);
extern KvOutcome kv_cmd_xrevrange(KvCall *call);

/* object.c */
extern KvOutcome kv_cmd_object_encoding(KvCall *call);
extern KvOutcome kv_cmd_object_freq(KvCall *call);
extern KvOutcome kv_cmd_object_idletime(KvCall *call);
extern KvOutcome kv_cmd_object_refcount(KvCall *call);

#endif
