/* SPDX-License-Identifier: PostgreSQL
 *
 * main.c: the program's table of contents.
 *
 * Every command, option and exit code is a row here; `help`, docs/cli.md and the man page are
 * written from these rows ("pgfirst do docs", "pgfirst do docs man") and a test compares them.
 */
#include "cli/cache/cache.h"
#include "cli/cluster/cluster.h"
#include "cli/common/command.h"
#include "cli/common/fail.h"
#include "cli/common/process.h"
#include "cli/common/text.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
#define FIELD(name) offsetof(Arguments, name)
#define DIR_OPTION \
	{"dir", 0, OPTION_TEXT, FIELD(dir), "DIR", \
	 "the cluster's directory (else $PGFIRST_DIR, else ./pgfirst-data)", 0, 0}
#define JSON_OPTION {"json", 0, OPTION_FLAG, FIELD(json), NULL, "answer in JSON", 0, 0}
#define PORT_OPTIONS \
	{"pg-port", 0, OPTION_NUMBER, FIELD(pg_port), "N", \
	 "PostgreSQL's port (first time: 5432, else the next free one; then as before)", 1, 65535}, \
	{"redis-port", 0, OPTION_NUMBER, FIELD(redis_port), "N", \
	 "the Redis door's port, 0 for none (first time: 6379, else the next free one)", 0, 65535}, \
	{"memory", 0, OPTION_SIZE, FIELD(memory), "SIZE", \
	 "memory for all of it, for example 512MB or 4GB (first time: 1GB, or half of a small machine)", 0, 0}
#define END_OPTION {NULL, 0, OPTION_FLAG, 0, NULL, NULL, 0, 0}

static const CommandOption up_options[] = {
	DIR_OPTION, PORT_OPTIONS,
	{"foreground", 0, OPTION_FLAG, FIELD(foreground), NULL,
	 "stay, log to stderr, stop in order on SIGTERM or Ctrl-C", 0, 0},
	JSON_OPTION,
	{"throw-away", 0, OPTION_FLAG, FIELD(throw_away), NULL, NULL, 0, 0},
	END_OPTION};
static const CommandOption restart_options[] = {DIR_OPTION, PORT_OPTIONS, END_OPTION};
static const CommandOption dir_options[] = {DIR_OPTION, END_OPTION};
static const CommandOption read_options[] = {DIR_OPTION, JSON_OPTION, END_OPTION};
static const CommandOption env_options[] = {
	DIR_OPTION,
	{"format", 0, OPTION_TEXT, FIELD(format), "FORMAT", "dotenv (the default), shell or json", 0, 0},
	{"json", 0, OPTION_FLAG, FIELD(json), NULL, "the same as --format json", 0, 0},
	END_OPTION};
static const CommandOption logs_options[] = {
	DIR_OPTION,
	{"follow", 'f', OPTION_FLAG, FIELD(follow), NULL, "go on with what is added, until Ctrl-C", 0, 0},
	{"lines", 'n', OPTION_NUMBER, FIELD(lines), "N", "how many lines (40)", 0, 1000000},
	JSON_OPTION, END_OPTION};
static const CommandOption psql_options[] = {
	DIR_OPTION,
	{"superuser", 0, OPTION_FLAG, FIELD(superuser), NULL,
	 "as PostgreSQL's superuser instead of role app", 0, 0},
	END_OPTION};
static const CommandOption run_options[] = {
	{"memory", 0, OPTION_SIZE, FIELD(memory), "SIZE", "memory for all of it", 0, 0}, END_OPTION};
static const CommandOption destroy_options[] = {
	DIR_OPTION,
	{"yes", 0, OPTION_FLAG, FIELD(yes), NULL, "do not ask", 0, 0},
	END_OPTION};
static const CommandOption clear_options[] = {
	DIR_OPTION,
	{"yes", 0, OPTION_FLAG, FIELD(yes), NULL, "do not ask", 0, 0},
	JSON_OPTION, END_OPTION};
#define COMMON_EXITS \
	{EXIT_ERROR, "it did not work; stderr says why and what to do"}, \
	{EXIT_USAGE, "the command line is wrong"}
#define NO_CLUSTER_EXIT \
	{EXIT_NO_CLUSTER, "there is no cluster of pgfirst in DIR, or an unfinished one"}
#define END_EXIT {0, NULL}

static const CommandExit up_exits[] = {
    {EXIT_OK, "it is running and its doors answer; with --foreground: it was stopped in order"},
    COMMON_EXITS,
    END_EXIT};
static const CommandExit plain_exits[] = {
    {EXIT_OK, "done"}, COMMON_EXITS, NO_CLUSTER_EXIT, END_EXIT};
static const CommandExit status_exits[] = {{EXIT_OK, "running, and its doors answer"},
                                           {EXIT_ERROR, "running, but a door does not answer"},
                                           {EXIT_USAGE, "the command line is wrong"},
                                           {EXIT_STOPPED, "not running"},
                                           NO_CLUSTER_EXIT,
                                           END_EXIT};
static const CommandExit doctor_exits[] = {{EXIT_OK, "nothing was found"},
                                           COMMON_EXITS,
                                           NO_CLUSTER_EXIT,
                                           {EXIT_FINDINGS, "there are findings"},
                                           END_EXIT};
static const CommandExit tool_exits[] = {{EXIT_USAGE, "the command line is wrong"},
                                         {EXIT_STOPPED, "the cluster is not running"},
                                         NO_CLUSTER_EXIT,
                                         {-1, "otherwise the tool's own"},
                                         END_EXIT};
#define STOPPED_EXIT {EXIT_STOPPED, "the cluster is not running"}
static const CommandExit asks_exits[] = {
    {EXIT_OK, "done"}, COMMON_EXITS, STOPPED_EXIT, NO_CLUSTER_EXIT, END_EXIT};
static const CommandExit cache_test_exits[] = {
    {EXIT_OK, "everything works"},
    {EXIT_ERROR, "something does not work, or could not be asked; the output says what"},
    {EXIT_USAGE, "the command line is wrong"},
    STOPPED_EXIT,
    NO_CLUSTER_EXIT,
    END_EXIT};
static const CommandExit run_exits[] = {
    {EXIT_ERROR, "the cluster could not be made; stderr says why and what to do"},
    {EXIT_USAGE, "the command line is wrong"},
    {126, "the command cannot be run"},
    {127, "there is no such command"},
    {-1, "otherwise the command's own; 128 + N if signal N ended it"},
    END_EXIT};
static const CommandExit help_exits[] = {
    {EXIT_OK, "done"}, {EXIT_USAGE, "there is no such command"}, END_EXIT};

/* clang-format on */

static int command_help(const Arguments *arguments);
static int command_do(const Arguments *arguments);

static const Command commands[] = {
    {.name = "up",
     .summary = "make a cluster, or start it",
     .about =
         "Makes a private PostgreSQL with everything of pgfirst in DIR, or starts the one that is\n"
         "there, waits until every door answers, and prints the URLs for the application.\n"
         "\n"
         "The cluster has data checksums and SCRAM passwords, and listens on 127.0.0.1 and unix\n"
         "sockets only.  Role and database are called `app`; the role is no superuser.  Every\n"
         "setting stands, with its reason, in DIR/pgfirst.conf and is yours to change.\n"
         "\n"
         "An empty or missing DIR is made into a cluster; one with a cluster of pgfirst is "
         "started;\n"
         "anything else is left alone.  A creation that fails or is interrupted leaves nothing\n"
         "behind; after a kill -9 the next `up` clears up.\n"
         "\n"
         "Called by root, the cluster belongs to the owner of DIR, or of the nearest directory "
         "above\n"
         "it that exists; if that is root, to user `postgres`.  The command becomes that user "
         "before\n"
         "it does anything but make DIR.\n"
         "\n"
         "--pg-port, --redis-port and --memory change an existing cluster for good.",
     .options = up_options,
     .exits = up_exits,
     .run = command_up},
    {.name = "down",
     .summary = "stop the cluster",
     .about =
         "Stops it in order: transactions in progress are rolled back, connections are closed.\n"
         "What was committed stays.  A cluster that is not running is left as it is.",
     .options = dir_options,
     .exits = plain_exits,
     .run = command_down},
    {.name = "restart",
     .summary = "stop and start the cluster",
     .about = "Stops it, if it is running, and starts it in the background, with new settings.",
     .options = restart_options,
     .exits = plain_exits,
     .run = command_restart},
    {.name = "status",
     .summary = "what is running, where, and whether it answers",
     .about =
         "Lists processes, ports, versions, disk, open-file limit, the oldest transaction, and\n"
         "settings that hurt.",
     .options = read_options,
     .exits = status_exits,
     .run = command_status},
    {.name = "doctor",
     .summary = "what is wrong, what it costs, what mends it",
     .about =
         "Checks the cluster, running or not, and its place on the machine.  A finding is\n"
         "something to act on; a note is something to know, and does not change the exit code.",
     .options = read_options,
     .exits = doctor_exits,
     .run = command_doctor},
    {.name = "env",
     .summary = "the URLs for the application",
     .about = "Prints DATABASE_URL, REDIS_URL and perhaps more, one a line.\n"
              "\n"
              "    eval \"$(pgfirst env --format shell)\"\n"
              "    pgfirst env > .env",
     .options = env_options,
     .exits = plain_exits,
     .run = command_env},
    {.name = "logs",
     .summary = "the server's log",
     .about =
         "Prints the end of the newest log file.  There is one a weekday, kept for seven days.",
     .options = logs_options,
     .exits = plain_exits,
     .run = command_logs},
    {.name = "psql",
     .summary = "an SQL prompt",
     .about =
         "Runs the real psql in database `app`, as role `app`.  What follows the options goes to\n"
         "psql.\n"
         "\n"
         "    pgfirst psql -c 'SELECT 1'",
     .options = psql_options,
     .exits = tool_exits,
     .rest = REST_TOOL,
     .rest_name = "[ARGUMENT...]",
     .run = command_psql},
    {.name = "redis-cli",
     .summary = "a Redis prompt",
     .about =
         "Runs the real redis-cli as role `app`.  What follows the options goes to redis-cli.\n"
         "\n"
         "    pgfirst redis-cli SET greeting hello",
     .options = dir_options,
     .exits = tool_exits,
     .rest = REST_TOOL,
     .rest_name = "[ARGUMENT...]",
     .run = command_redis_cli},
    {.name = "run",
     .summary = "a throw-away cluster for one command",
     .about =
         "Makes a cluster in a temporary directory ($TMPDIR, else /tmp) on free ports, sets\n"
         "DATABASE_URL, REDIS_URL and PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, runs the\n"
         "command as the caller, passes signals on to it, and removes the cluster.  That cluster\n"
         "waits for no disk; nothing in it is meant to last.\n"
         "\n"
         "    pgfirst run -- make test",
     .options = run_options,
     .exits = run_exits,
     .rest = REST_TOOL,
     .rest_name = "-- COMMAND [ARGUMENT...]",
     .run = command_run},
    {.name = "cache stats",
     .summary = "how full the cache is, and how often it helps",
     .about =
         "Entries, those that expire, bytes of the file, and how many reads have found an entry\n"
         "since the server started, by SQL and by Redis clients.  As role app, as for the three\n"
         "commands below.",
     .options = read_options,
     .exits = asks_exits,
     .run = command_cache_stats},
    {.name = "cache cleanup",
     .summary = "delete expired entries now",
     .about =
         "They are never shown, and go by themselves in the background; this makes their space\n"
         "free at once, in many small transactions that keep nobody waiting.",
     .options = read_options,
     .exits = asks_exits,
     .run = command_cache_cleanup},
    {.name = "cache clear",
     .summary = "delete every entry",
     .about =
         "Takes one record, however many there are.  It asks first; without a terminal it wants\n"
         "--yes.",
     .options = clear_options,
     .exits = asks_exits,
     .run = command_cache_clear},
    {.name = "cache test",
     .summary = "try the cache: set, get, expiry, both doors, speed",
     .about = "Sets entries of its own (pgfirst:test:...), looks at what becomes of them through "
              "SQL and\n"
              "through the Redis door, measures for about three seconds, and deletes them again.",
     .options = read_options,
     .exits = cache_test_exits,
     .run = command_cache_test},
    {.name = "destroy",
     .summary = "remove the cluster and all its data",
     .about =
         "Stops the cluster and removes what pgfirst has made in DIR, and DIR if that leaves it\n"
         "empty.  It asks first; without a terminal it wants --yes.",
     .options = destroy_options,
     .exits = plain_exits,
     .run = command_destroy},
    {.name = "help",
     .summary = "explain a command",
     .about = "Without a command: lists them.",
     .exits = help_exits,
     .rest = REST_OPTIONAL,
     .rest_name = "[COMMAND]",
     .run = command_help},
    {.name = "do",
     .about = "For the build: \"do docs\" writes docs/cli.md, \"do docs man\" the man page.",
     .exits = help_exits,
     .rest = REST_OPTIONAL,
     .hidden = true,
     .run = command_do},
    {.name = NULL}};

static const char *const environment[] = {
    "PGFIRST_DIR",
    "the cluster's directory, unless --dir names it",
    "PGFIRST_PG_BINDIR",
    "the directory of PostgreSQL's programs, instead of the one built for",
    "TMPDIR",
    "where run makes its clusters",
    "XDG_RUNTIME_DIR",
    "where the unix sockets go if DIR's path is too long for them (else /tmp)",
    NULL};

static const char *const files[] = {
    "DIR/pgfirst.conf",
    "the settings, each explained; changes need a restart",
    "DIR/pgfirst.env",
    "DATABASE_URL and REDIS_URL, with the password of role app (mode 0600)",
    "DIR/superuser.password",
    "the password of role postgres (mode 0600)",
    "DIR/PGFIRST_CLUSTER",
    "marks DIR as made by pgfirst; without it, DIR is left alone",
    "DIR/data",
    "PostgreSQL's data directory",
    "DIR/log",
    "the server's logs, one file a weekday",
    "DIR/run",
    "the unix sockets: .s.PGSQL.PORT and redis.sock (mode 0700)",
    NULL};

static const Program program = {
    .name = "pgfirst",
    .version = PGFIRST_VERSION,
    .promise = "Runs everything an application needs besides its own tables from one PostgreSQL.\n"
               "`pgfirst up` makes a private one and prints its URLs.",
    .commands = commands,
    .environment = environment,
    .files = files};

static int
command_help(const Arguments *arguments)
{
	const Command *command;
	int words;

	if (arguments->count == 0)
	{
		help_program(&program);
		return EXIT_OK;
	}
	command = command_find(&program, arguments->rest, arguments->count, &words);
	if (command == NULL && arguments->count == 1 &&
	    *command_verbs(&program, arguments->rest[0]) != '\0')
	{
		help_noun(&program, arguments->rest[0]);
		return EXIT_OK;
	}
	if (command == NULL)
		fail(EXIT_USAGE, "\"pgfirst help\" lists the commands.", "unknown command \"%s\"",
		     arguments->rest[0]);
	help_command(&program, command);
	return EXIT_OK;
}

static int
command_do(const Arguments *arguments)
{
	if (arguments->count < 1 || strcmp(arguments->rest[0], "docs") != 0)
		fail(EXIT_USAGE, NULL, "do: what?");
	if (arguments->count > 1 && strcmp(arguments->rest[1], "man") == 0)
		help_man(&program);
	else
		help_markdown(&program);
	return EXIT_OK;
}

int
main(int argc, char **argv)
{
	environment_clean();
	return command_main(&program, argc, argv);
}
