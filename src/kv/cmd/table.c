/* SPDX-License-Identifier: PostgreSQL
 *
 * table.c: the one table of commands; see command.h.
 *
 * Sorted by name, subcommands behind their container. Dispatch and COMMAND DOCS read the same rows, so
 * that they cannot differ.
 */
#include "postgres.h"

#include "kv/cmd/commands.h"

/* Rows of commands without keys, of commands on one key, and of subcommands. */
#define NO_KEYS  0, 0, 0
#define ONE_KEY  1, 1, 1
#define ALL_KEYS 1, -1, 1

#define TOP NULL
#define ANY (KV_LOADING)

const KvCommand kv_commands[] = {
    {"auth", TOP, kv_cmd_auth, -2, ANY | KV_NO_AUTH | KV_FAST, NO_KEYS, "connection", "1.0.0",
     "O(1), and a password's verification the first time", "Logs in as a PostgreSQL role.",
     "[username] password"},
    {"client", TOP, NULL, -2, ANY | KV_SUBCOMMANDS, NO_KEYS, "connection", "2.4.0",
     "Depends on subcommand.", "Commands about client connections.", "subcommand"},
    {"getname", "client", kv_cmd_client_getname, 2, ANY, NO_KEYS, "connection", "2.6.9", "O(1)",
     "Returns the name of this connection.", ""},
    {"id", "client", kv_cmd_client_id, 2, ANY, NO_KEYS, "connection", "5.0.0", "O(1)",
     "Returns the number of this connection; no number is used twice.", ""},
    {"info", "client", kv_cmd_client_info, 2, ANY, NO_KEYS, "connection", "6.2.0", "O(1)",
     "Describes this connection in one line.", ""},
    {"list", "client", kv_cmd_client_list, -2, ANY | KV_ADMIN, NO_KEYS, "connection", "2.4.0",
     "O(N), N the clients of the worker",
     "Describes the connections of the worker that answers, one a line.",
     "[TYPE type] [ID id [id ...]]"},
    {"setinfo", "client", kv_cmd_client_setinfo, 4, ANY, NO_KEYS, "connection", "7.2.0", "O(1)",
     "Remembers the name or version of the client's library.", "LIB-NAME name | LIB-VER version"},
    {"setname", "client", kv_cmd_client_setname, 3, ANY, NO_KEYS, "connection", "2.6.9", "O(1)",
     "Names this connection.", "name"},
    {"command", TOP, kv_cmd_command, -1, ANY | KV_SUBCOMMANDS, NO_KEYS, "server", "2.8.13",
     "O(N), N the commands", "Describes every command.", ""},
    {"count", "command", kv_cmd_command_count, 2, ANY, NO_KEYS, "server", "2.8.13", "O(N)",
     "Returns the number of commands.", ""},
    {"docs", "command", kv_cmd_command_docs, -2, ANY, NO_KEYS, "server", "7.0.0", "O(N)",
     "Returns the texts of commands.", "[command [command ...]]"},
    {"info", "command", kv_cmd_command_info, -2, ANY, NO_KEYS, "server", "2.8.13", "O(N)",
     "Describes the named commands, or all.", "[command [command ...]]"},
    {"list", "command", kv_cmd_command_list, -2, ANY, NO_KEYS, "server", "7.0.0", "O(N)",
     "Returns the names of commands.",
     "[FILTERBY MODULE name | ACLCAT category | PATTERN pattern]"},
    {"config", TOP, NULL, -2, ANY | KV_ADMIN | KV_SUBCOMMANDS, NO_KEYS, "server", "2.0.0",
     "Depends on subcommand.", "Commands about the configuration.", "subcommand"},
    {"get", "config", kv_cmd_config_get, -3, ANY | KV_ADMIN, NO_KEYS, "server", "2.0.0",
     "O(N), N the parameters", "Returns parameters whose names match.",
     "parameter [parameter ...]"},
    {"set", "config", kv_cmd_config_set, -4, ANY | KV_ADMIN, NO_KEYS, "server", "2.0.0", "O(N)",
     "Sets parameters that have no effect here; refuses, with the setting to use, those that do.",
     "parameter value [parameter value ...]"},
    {"dbsize", TOP, kv_cmd_dbsize, 1, KV_READ | KV_FAST, NO_KEYS, "server", "1.0.0", "O(1)",
     "Returns the number of keys; expired ones count until the sweep has taken them.", ""},
    {"decr", TOP, kv_cmd_decr, 2, KV_WRITE | KV_FAST, ONE_KEY, "string", "1.0.0", "O(1)",
     "Subtracts one from a key's number; a missing key counts as 0.", "key"},
    {"del", TOP, kv_cmd_del, -2, KV_WRITE, ALL_KEYS, "generic", "1.0.0", "O(N), N the keys",
     "Deletes keys; returns how many there were.", "key [key ...]"},
    {"echo", TOP, kv_cmd_echo, 2, ANY | KV_FAST, NO_KEYS, "connection", "1.0.0", "O(1)",
     "Returns its argument.", "message"},
    {"exists", TOP, kv_cmd_exists, -2, KV_READ | KV_FAST, ALL_KEYS, "generic", "1.0.0",
     "O(N), N the keys", "Returns how many of the keys there are.", "key [key ...]"},
    {"expire", TOP, kv_cmd_expire, -3, KV_WRITE | KV_FAST, ONE_KEY, "generic", "1.0.0", "O(1)",
     "Lets a key expire after so many seconds.", "key seconds [NX | XX | GT | LT]"},
    {"flushdb", TOP, kv_cmd_flushdb, -1, KV_WRITE, NO_KEYS, "server", "1.0.0", "O(1)",
     "Empties the selected database; the space comes back by the sweep.", "[ASYNC | SYNC]"},
    {"get", TOP, kv_cmd_get, 2, KV_READ | KV_FAST, ONE_KEY, "string", "1.0.0", "O(1)",
     "Returns a key's string.", "key"},
    {"hello", TOP, kv_cmd_hello, -1, ANY | KV_NO_AUTH | KV_FAST, NO_KEYS, "connection", "6.0.0",
     "O(1)", "Chooses the protocol, and logs in.",
     "[protover [AUTH username password] [SETNAME clientname]]"},
    {"incr", TOP, kv_cmd_incr, 2, KV_WRITE | KV_FAST, ONE_KEY, "string", "1.0.0", "O(1)",
     "Adds one to a key's number; a missing key counts as 0.", "key"},
    {"incrby", TOP, kv_cmd_incrby, 3, KV_WRITE | KV_FAST, ONE_KEY, "string", "1.0.0", "O(1)",
     "Adds to a key's number; a missing key counts as 0.", "key increment"},
    {"info", TOP, kv_cmd_info, -1, ANY, NO_KEYS, "server", "1.0.0", "O(1)",
     "Describes the server, by sections.", "[section [section ...]]"},
    {"keys", TOP, kv_cmd_keys, 2, KV_READ, NO_KEYS, "generic", "1.0.0", "O(N), N the keys",
     "Returns all keys that match; SCAN does it in pieces.", "pattern"},
    {"mget", TOP, kv_cmd_mget, -2, KV_READ | KV_FAST, ALL_KEYS, "string", "1.0.0",
     "O(N), N the keys", "Returns the strings of keys, null for what is none.", "key [key ...]"},
    {"mset", TOP, kv_cmd_mset, -3, KV_WRITE | KV_BLIND, 1, -1, 2, "string", "1.0.1",
     "O(N), N the keys", "Sets keys to strings, all at once.", "key value [key value ...]"},
    {"persist", TOP, kv_cmd_persist, 2, KV_WRITE | KV_FAST, ONE_KEY, "generic", "2.2.0", "O(1)",
     "Takes a key's expiry away.", "key"},
    {"pexpire", TOP, kv_cmd_pexpire, -3, KV_WRITE | KV_FAST, ONE_KEY, "generic", "2.6.0", "O(1)",
     "Lets a key expire after so many milliseconds.", "key milliseconds [NX | XX | GT | LT]"},
    {"ping", TOP, kv_cmd_ping, -1, ANY | KV_FAST, NO_KEYS, "connection", "1.0.0", "O(1)",
     "Answers PONG, or its argument.", "[message]"},
    {"pttl", TOP, kv_cmd_pttl, 2, KV_READ | KV_FAST, ONE_KEY, "generic", "2.6.0", "O(1)",
     "Returns the milliseconds a key has left; -1 without expiry, -2 without key.", "key"},
    {"quit", TOP, kv_cmd_quit, -1, ANY | KV_NO_AUTH | KV_FAST, NO_KEYS, "connection", "1.0.0",
     "O(1)", "Closes the connection.", ""},
    {"reset", TOP, kv_cmd_reset, 1, ANY | KV_NO_AUTH | KV_FAST, NO_KEYS, "connection", "6.2.0",
     "O(1)", "Makes the connection as it was at the beginning.", ""},
    {"scan", TOP, kv_cmd_scan, -2, KV_READ, NO_KEYS, "generic", "2.8.0",
     "O(1) a call, O(N) for all keys",
     "Returns some keys and the cursor of the next call; every key that is there throughout comes "
     "exactly once.",
     "cursor [MATCH pattern] [COUNT count] [TYPE type]"},
    {"select", TOP, kv_cmd_select, 2, ANY | KV_FAST, NO_KEYS, "connection", "1.0.0", "O(1)",
     "Chooses the database.", "index"},
    {"set", TOP, kv_cmd_set, -3, KV_WRITE | KV_BLIND, ONE_KEY, "string", "1.0.0", "O(1)",
     "Sets a key to a string.",
     "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT timestamp | PXAT "
     "timestamp-ms | KEEPTTL]"},
    {"time", TOP, kv_cmd_time, 1, ANY | KV_FAST, NO_KEYS, "server", "2.6.0", "O(1)",
     "Returns the server's time: seconds since 1970, and microseconds.", ""},
    {"ttl", TOP, kv_cmd_ttl, 2, KV_READ | KV_FAST, ONE_KEY, "generic", "1.0.0", "O(1)",
     "Returns the seconds a key has left; -1 without expiry, -2 without key.", "key"},
    {"type", TOP, kv_cmd_type, 2, KV_READ | KV_FAST, ONE_KEY, "generic", "1.0.0", "O(1)",
     "Returns the type of a key's value.", "key"},
};

const int kv_commands_count = lengthof(kv_commands);
