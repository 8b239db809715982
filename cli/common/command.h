/* SPDX-License-Identifier: PostgreSQL
 *
 * command.h: a command is a row of data.
 *
 * Parsing, `help`, docs/cli.md and the man page all read the same rows, so none of them can say
 * something that the program does not do.
 */
#ifndef PGFIRST_CLI_COMMAND_H
#define PGFIRST_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/common/fail.h"

/* Everything that can be said on the command line.  Each command reads what its options fill. */
typedef struct Arguments
{
	const char *dir;    /* absolute; --dir, $PGFIRST_DIR or ./pgfirst-data */
	bool dir_given;     /* by option or environment: print it in the commands we suggest */
	int64_t pg_port;    /* -1: not given */
	int64_t redis_port; /* -1: not given, 0: no Redis door */
	int64_t memory;     /* bytes, -1: not given */
	int64_t lines;      /* -1: not given */
	const char *format; /* of env */
	bool foreground;
	bool follow;
	bool json;
	bool superuser;
	bool throw_away; /* up on behalf of run */
	bool yes;
	int count; /* what follows the options */
	char **rest;
} Arguments;

typedef enum OptionKind
{
	OPTION_FLAG,
	OPTION_TEXT,
	OPTION_NUMBER, /* between minimum and maximum */
	OPTION_SIZE    /* with a unit */
} OptionKind;

typedef struct CommandOption
{
	const char *name;
	char letter; /* short form, or 0 */
	OptionKind kind;
	size_t field;      /* offset in Arguments */
	const char *value; /* what stands for the value in help; NULL for flags */
	const char *help;  /* NULL: not for people */
	int64_t minimum;
	int64_t maximum;
} CommandOption;

typedef struct CommandExit
{
	int code; /* -1: whatever the text says */
	const char *meaning;
} CommandExit;

typedef enum CommandRest
{
	REST_NONE,     /* nothing but options */
	REST_OPTIONAL, /* plain arguments */
	REST_TOOL      /* from the first thing that is not our option on, it belongs to a tool */
} CommandRest;

typedef struct Command
{
	const char *name;             /* "status", or a noun and a verb: "cache stats" */
	const char *summary;          /* one line, without a full stop */
	const char *about;            /* paragraphs */
	const CommandOption *options; /* ends with a NULL name; may be NULL */
	const CommandExit *exits;     /* ends with a NULL meaning */
	const char *rest_name;        /* "[ARGUMENT...]" */
	int (*run)(const Arguments *arguments);
	CommandRest rest;
	bool hidden;
} Command;

typedef struct Program
{
	const char *name;
	const char *version;
	const char *promise;            /* one paragraph */
	const Command *commands;        /* ends with a NULL name */
	const char *const *environment; /* name, meaning, …, NULL */
	const char *const *files;       /* likewise */
} Program;

/* Finds the command, reads its options, runs it; its return value is the exit code. */
extern int command_main(const Program *program, int argc, char **argv);

/*
 * The command that the first of these words name, and how many words that took; NULL if there is none.
 * A noun alone is none: command_verbs() says what it takes, "" if the word is no noun either.
 */
extern const Command *command_find(const Program *program, char *const *words, int count,
                                   int *taken);
extern char *command_verbs(const Program *program, const char *noun);

/* What people read: on the terminal, in docs/, as a man page. */
extern void help_program(const Program *program);
extern void help_command(const Program *program, const Command *command);
extern void help_noun(const Program *program, const char *noun);
extern void help_markdown(const Program *program);
extern void help_man(const Program *program);

#endif
