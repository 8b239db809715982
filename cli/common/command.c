/* SPDX-License-Identifier: PostgreSQL
 *
 * command.c: from argv to a filled Arguments, by the command's row.
 *
 * Long options take their value as --name=value or --name value; short ones as -n value or
 * -nvalue.  An option given twice counts the last time, as everywhere.
 */
#include "cli/common/command.h"

#include "cli/common/file.h"
#include "cli/common/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_DIR "pgfirst-data"

const Command *
command_find(const Program *program, char *const *words, int count, int *taken)
{
	for (const Command *command = program->commands; count > 0 && command->name != NULL; command++)
	{
		size_t length = strlen(words[0]);

		*taken = 1;
		if (strcmp(command->name, words[0]) == 0)
			return command;
		*taken = 2;
		if (count > 1 && strncmp(command->name, words[0], length) == 0 &&
		    command->name[length] == ' ' && strcmp(command->name + length + 1, words[1]) == 0)
			return command;
	}
	return NULL;
}

char *
command_verbs(const Program *program, const char *noun)
{
	TextBuffer verbs = {0};
	size_t length = strlen(noun);

	text_append(&verbs, "");
	for (const Command *command = program->commands; command->name != NULL; command++)
	{
		if (strncmp(command->name, noun, length) == 0 && command->name[length] == ' ')
			text_appendf(&verbs, "%s%s", verbs.length > 0 ? ", " : "", command->name + length + 1);
	}
	return verbs.data;
}

static const CommandOption *
option_find(const Command *command, const char *argument, const char **value)
{
	if (command->options == NULL || argument[0] != '-')
		return NULL;
	for (const CommandOption *option = command->options; option->name != NULL; option++)
	{
		if (argument[1] == '-')
		{
			size_t length = strlen(option->name);

			if (strncmp(argument + 2, option->name, length) != 0)
				continue;
			if (argument[2 + length] != '\0' && argument[2 + length] != '=')
				continue;
			*value = argument[2 + length] == '=' ? argument + 3 + length : NULL;
			return option;
		}
		if (option->letter != '\0' && argument[1] == option->letter &&
		    (argument[2] == '\0' || option->kind != OPTION_FLAG))
		{
			*value = argument[2] != '\0' ? argument + 2 : NULL;
			return option;
		}
	}
	return NULL;
}

static int64_t
option_number(const CommandOption *option, const char *value)
{
	long long number;
	char *end;

	errno = 0;
	number = strtoll(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || number < option->minimum ||
	    number > option->maximum)
		fail(EXIT_USAGE,
		     text_format("It takes a whole number from %lld to %lld.", (long long) option->minimum,
		                 (long long) option->maximum),
		     "--%s does not take \"%s\"", option->name, value);
	return number;
}

static int64_t
option_size(const CommandOption *option, const char *value)
{
	int64_t size = text_parse_size(value);

	if (size < 0)
		fail(EXIT_USAGE, "It takes a size with a unit, for example 512MB or 4GB.",
		     "--%s does not take \"%s\"", option->name, value);
	return size;
}

static void
option_store(const CommandOption *option, const char *value, Arguments *arguments)
{
	void *field = (char *) arguments + option->field;

	switch (option->kind)
	{
		case OPTION_FLAG:
			*(bool *) field = true;
			break;
		case OPTION_TEXT:
			*(const char **) field = value;
			break;
		case OPTION_NUMBER:
			*(int64_t *) field = option_number(option, value);
			break;
		case OPTION_SIZE:
			*(int64_t *) field = option_size(option, value);
			break;
	}
}

static _Noreturn void
usage_fail(const Command *command, const char *message, const char *argument)
{
	fail(EXIT_USAGE, text_format("\"pgfirst help %s\" lists what it takes.", command->name),
	     "%s: %s \"%s\"", command->name, message, argument);
}

static void
arguments_parse(const Program *program, const Command *command, int argc, char **argv,
                Arguments *arguments)
{
	int at = 0;

	for (; at < argc && argv[at][0] == '-' && argv[at][1] != '\0'; at++)
	{
		const char *value = NULL;
		const CommandOption *option;

		if (strcmp(argv[at], "--") == 0)
		{
			at++;
			break;
		}
		option = option_find(command, argv[at], &value);
		if (option == NULL)
		{
			/* A tool's own --help is for the tool, unless it is all there is. */
			if (strcmp(argv[at], "--help") == 0 && (command->rest != REST_TOOL || argc == 1))
			{
				help_command(program, command);
				exit(EXIT_OK);
			}
			if (command->rest == REST_TOOL)
				break;
			usage_fail(command, "unknown option", argv[at]);
		}
		if (option->kind == OPTION_FLAG && value != NULL)
			usage_fail(command, "this option takes no value:", argv[at]);
		if (option->kind != OPTION_FLAG && value == NULL)
		{
			if (at + 1 == argc)
				usage_fail(command, "a value is missing after", argv[at]);
			value = argv[++at];
		}
		option_store(option, value, arguments);
	}
	arguments->rest = argv + at;
	arguments->count = argc - at;
	if (command->rest == REST_NONE && arguments->count > 0)
		usage_fail(command, "unexpected argument", arguments->rest[0]);
}

/* No command, or a noun that does not say which: explained if that was asked for, else refused. */
static int
command_missing(const Program *program, char **words, int count)
{
	const char *verbs = command_verbs(program, words[0]);

	if (*verbs == '\0')
		fail(EXIT_USAGE, "\"pgfirst help\" lists the commands.", "unknown command \"%s\"",
		     words[0]);
	if (count > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0))
	{
		help_noun(program, words[0]);
		return EXIT_OK;
	}
	if (count > 1)
		fail(EXIT_USAGE, text_format("It takes %s.", verbs), "%s: unknown command \"%s\"", words[0],
		     words[1]);
	fail(EXIT_USAGE, text_format("It takes %s.", verbs), "%s: a command is missing", words[0]);
}

static void
arguments_find_dir(Arguments *arguments)
{
	const char *environment = getenv("PGFIRST_DIR");

	arguments->dir_given = true;
	if (arguments->dir == NULL && environment != NULL && *environment != '\0')
		arguments->dir = environment;
	if (arguments->dir == NULL)
	{
		arguments->dir = DEFAULT_DIR;
		arguments->dir_given = false;
	}
	if (*arguments->dir == '\0')
		fail(EXIT_USAGE, "Leave it out for ./" DEFAULT_DIR ".", "--dir needs a directory");
	for (const char *c = arguments->dir; *c != '\0'; c++)
	{
		if ((unsigned char) *c < 0x20)
			fail(EXIT_USAGE, "Settings files could not name such a path.  Choose another.",
			     "the directory's name holds a control character");
	}
	arguments->dir = path_absolute(arguments->dir);
}

int
command_main(const Program *program, int argc, char **argv)
{
	Arguments arguments = {.pg_port = -1, .redis_port = -1, .memory = -1, .lines = -1};
	const Command *command;
	int words = 0;

	if (argc < 2)
	{
		help_program(program);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
	{
		printf("%s %s\n", program->name, program->version);
		return EXIT_OK;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
	{
		help_program(program);
		return EXIT_OK;
	}
	command = command_find(program, argv + 1, argc - 1, &words);
	if (command == NULL)
		return command_missing(program, argv + 1, argc - 1);
	arguments_parse(program, command, argc - 1 - words, argv + 1 + words, &arguments);
	arguments_find_dir(&arguments);
	return command->run(&arguments);
}
