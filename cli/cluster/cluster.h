/* SPDX-License-Identifier: PostgreSQL
 *
 * cluster.h: a private PostgreSQL in one directory, and everything the program knows about it.
 *
 *   DIR/                  0700, of the cluster's user; "the directory" below
 *     PGFIRST_CLUSTER     the marker: pgfirst made this; creating or ready; by which versions
 *     pgfirst.conf        the settings, each explained; data/postgresql.conf includes it
 *     pgfirst.env         0600, DATABASE_URL and REDIS_URL with the password of role app
 *     superuser.password  0600, of role postgres
 *     pgfirst.lock        held (flock) by whoever changes the directory
 *     server.lock         held by the server and all its processes
 *     data/               PostgreSQL's own
 *     run/                0700, the unix sockets
 *     log/                the server's log, a file a weekday
 *
 * Each fact stands in one place.  Ports and memory are what pgfirst.conf says, so a person may
 * change them there; passwords are what the two 0600 files say.  A directory without the marker is
 * nobody's business of ours: it is never written to, whatever else it holds.
 *
 * Creation is all or nothing.  The marker says "creating" until both doors have answered.  Errors
 * and Ctrl-C undo at once; what a kill -9 leaves is removed by the next `up`, which first ends the
 * server that may still run there.  The lock is inherited by the programs that creation runs, so
 * nobody gets it before the last of them is gone.
 */
#ifndef PGFIRST_CLI_CLUSTER_H
#define PGFIRST_CLI_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "cli/common/command.h"
#include "cli/common/json.h"
#include "cli/common/text.h"
#include "cli/common/user.h"

#define CLUSTER_SUPERUSER "postgres"
#define CLUSTER_ROLE      "app"
#define CLUSTER_DATABASE  "app"

typedef enum ClusterState
{
	CLUSTER_NONE,     /* no marker */
	CLUSTER_CREATING, /* being made, or its maker died */
	CLUSTER_READY
} ClusterState;

typedef struct Cluster
{
	const char *dir;
	bool dir_given; /* name it in the commands we suggest */
	ClusterState state;
	int pg_major;          /* that made it, from the marker */
	const char *made_by;   /* our version that made it */
	const char *data;      /* DIR/data */
	const char *settings;  /* DIR/pgfirst.conf */
	const char *env_file;  /* DIR/pgfirst.env */
	const char *superuser; /* DIR/superuser.password */
	const char *log;       /* DIR/log */
	int lock;              /* -1, or the lock file */
	int server_lock;       /* -1, or the lock that the server will hold */
} Cluster;

/* ---- cluster.c: the directory ------------------------------------------------------------ */

/*
 * Becomes the cluster's user, finds the cluster and reads its marker.  cluster_open() fails (exit
 * code 4) where there is none, or none that was finished.
 */
extern Cluster *cluster_find(const Arguments *arguments, UserPurpose purpose);
extern Cluster *cluster_open(const Arguments *arguments, UserPurpose purpose);
extern Cluster *cluster_at(const char *dir); /* paths only; nothing is looked at */

extern void cluster_read_marker(Cluster *cluster);
extern void cluster_write_marker(Cluster *cluster, ClusterState state, int pg_major);

/* Waits for the lock, saying whom for.  Fails after a minute. */
extern void cluster_lock(Cluster *cluster);
extern void cluster_lock_inherit(Cluster *cluster, bool inherit);
extern void cluster_unlock(Cluster *cluster);

/* Ends a server that runs there and removes everything that cluster_create() makes. */
extern void cluster_remove(Cluster *cluster);
extern void cluster_remove_lock(Cluster *cluster); /* the last file; lets go of it */

/* Fails unless the directory is free to be made into a cluster. */
extern void cluster_check_vacant(const Cluster *cluster);

/* "pgfirst up --dir /somewhere": a command as the user would type it for this cluster. */
extern char *cluster_command(const Cluster *cluster, const char *name);

/* ---- settings.c -------------------------------------------------------------------------- */

typedef struct SettingsPlan
{
	int64_t memory; /* all of it, bytes */
	int pg_port;
	int redis_port;
	const char *run_dir; /* of the sockets */
	const char *wal_compression;
	bool throw_away;
} SettingsPlan;

extern int64_t settings_default_memory(void);
extern void settings_check_memory(int64_t memory);
extern char *settings_text(const SettingsPlan *plan);

/* The value of a setting, unquoted; NULL if it is not set. ALTER SYSTEM's file counts last. */
extern char *settings_get(const Cluster *cluster, const char *name);
extern int settings_get_port(const Cluster *cluster, const char *name);
extern char *settings_run_dir(const Cluster *cluster);

/* Replaces values in pgfirst.conf and leaves every other byte of it as it is. */
extern void settings_set(const Cluster *cluster, const char *name, const char *value);
extern void settings_set_memory(const Cluster *cluster, int64_t memory);
extern char *settings_quote(const char *value);         /* 'it''s' */
extern char *settings_socket_list(const char *run_dir); /* value of unix_socket_directories */

/* ---- socket_dir.c: where the unix sockets are -------------------------------------------- */

/* DIR/run, or a short private directory elsewhere if that would be too long for a socket. */
extern char *socket_dir_make(const Cluster *cluster);
/* True if the remembered directory is there, ours and private. */
extern bool socket_dir_is_good(const Cluster *cluster, const char *run_dir);
extern void socket_dir_remove(const Cluster *cluster);

/* ---- install.c: the installed PostgreSQL ------------------------------------------------- */

/* Path of one of its server programs; fails, naming the package, if it is not there. */
extern char *install_program(const char *name);
extern char *install_path(const char *name); /* the same, whether or not it is there */
extern int install_major(void);
extern const char *install_version(void);          /* "15.20" */
extern void install_check(const Cluster *cluster); /* version fits; the library is there */

/* ---- secret.c: passwords and URLs -------------------------------------------------------- */

extern char *secret_make(void);
extern void secret_write_env(const Cluster *cluster, const char *password);
extern char *secret_env(const Cluster *cluster, const char *name); /* "DATABASE_URL"; or NULL */
extern char *secret_app_password(const Cluster *cluster);
extern char *secret_app_password_try(const Cluster *cluster, char **problem);
extern char *secret_superuser_password(const Cluster *cluster);
extern char *secret_superuser_password_try(const Cluster *cluster, char **problem);
extern void secret_refresh_env(const Cluster *cluster); /* after the ports changed */

/* ---- server.c: the processes ------------------------------------------------------------- */

typedef struct ServerStart
{
	bool foreground; /* our child, logs to our stderr */
	bool quiet;      /* foreground, but logs to its files */
	bool closed;     /* only by its unix socket, and only as long as we live */
} ServerStart;

/* The postmaster that runs on this cluster's data, 0 if none does. */
extern pid_t server_pid(const Cluster *cluster);
/* Waits until nobody works on the data (children of a killed server), and keeps it so. */
extern void server_clear_way(Cluster *cluster);
extern pid_t server_start(Cluster *cluster, ServerStart how); /* returns when it accepts SQL */
extern void server_stop(const Cluster *cluster, bool immediately);
extern void server_end_remnants(const Cluster *cluster); /* nobody writes there any more */
extern const char *server_log_tail(const Cluster *cluster, int lines);
extern const char *server_disk_words(const Cluster *cluster); /* "; the disk …", or "" */
extern char *server_log_file(const Cluster *cluster);

/* ---- door.c: does it answer? ------------------------------------------------------------- */

struct pg_conn;
struct pg_result;

/* As the superuser over the unix socket; fails with PostgreSQL's words. */
extern struct pg_conn *door_superuser(const Cluster *cluster, const char *database);
extern struct pg_conn *door_superuser_try(const Cluster *cluster, const char *database,
                                          char **problem);
extern struct pg_result *door_query(struct pg_conn *connection, const char *sql);
/* The first value of the first row; NULL if there is none or the query failed. */
extern char *door_value(struct pg_conn *connection, const char *sql);

/* NULL if the door answers as role app, else why not. */
extern char *door_sql_problem(const Cluster *cluster);
extern char *door_redis_problem(const Cluster *cluster);
extern char *door_tls_problem(const Cluster *cluster); /* NULL if somebody listens there */
extern void door_wait(const Cluster *cluster);         /* until both answer; fails after 30 s */

/* ---- create.c, and the commands ---------------------------------------------------------- */

/* What is told while it happens: each step with its seconds. */
typedef struct StepLog
{
	FILE *to; /* NULL: nobody listens */
	double begun;
	double last;
} StepLog;

extern void step_begin(StepLog *log, FILE *to);
extern void step_done(StepLog *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes it and leaves it running; or starts one that is there.  Both return the postmaster. */
extern pid_t cluster_create(Cluster *cluster, const Arguments *arguments, StepLog *steps);
/* Fails if a port that is asked for anew is taken: while the old ones are still in use. */
extern void cluster_check_new_ports(const Cluster *cluster, const Arguments *arguments);
extern pid_t cluster_start(Cluster *cluster, const Arguments *arguments, StepLog *steps);

extern int command_up(const Arguments *arguments);
extern int command_down(const Arguments *arguments);
extern int command_restart(const Arguments *arguments);
extern int command_status(const Arguments *arguments);
extern int command_doctor(const Arguments *arguments);
extern int command_env(const Arguments *arguments);
extern int command_logs(const Arguments *arguments);
extern int command_psql(const Arguments *arguments);
extern int command_redis_cli(const Arguments *arguments);
extern int command_run(const Arguments *arguments);
extern int command_destroy(const Arguments *arguments);

#endif
