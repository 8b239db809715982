/* SPDX-License-Identifier: PostgreSQL
 *
 * help.c: the command rows as people read them: `pgfirst help`, docs/cli.md, the man page.
 *
 * The `about` texts are plain paragraphs, separated by an empty line; a line that begins with four
 * spaces is an example and stays as it is.  That much structure reads well in a terminal and
 * translates to Markdown and to man(7) by the two rules below.
 */
#include "cli/common/command.h"

#include "cli/common/text.h"

#include <stdio.h>
#include <string.h>

/* "-n, --lines N" */
static char *
option_usage(const CommandOption *option)
{
	TextBuffer text = {0};

	if (option->letter != '\0')
		text_appendf(&text, "-%c, ", option->letter);
	text_appendf(&text, "--%s", option->name);
	if (option->value != NULL)
		text_appendf(&text, " %s", option->value);
	return text.data;
}

/* "pgfirst logs [--dir DIR] [-f]" */
static char *
command_usage(const Program *program, const Command *command)
{
	TextBuffer text = {0};

	text_appendf(&text, "%s %s", program->name, command->name);
	for (const CommandOption *option = command->options; option != NULL && option->name != NULL;
	     option++)
	{
		if (option->help == NULL)
			continue;
		if (option->letter != '\0')
			text_appendf(&text, " [-%c", option->letter);
		else
			text_appendf(&text, " [--%s", option->name);
		text_appendf(&text, option->value != NULL ? " %s]" : "]", option->value);
	}
	if (command->rest_name != NULL)
		text_appendf(&text, " %s", command->rest_name);
	return text.data;
}

void
help_program(const Program *program)
{
	printf("%s %s\n\n%s\n\nCommands:\n", program->name, program->version, program->promise);
	for (const Command *command = program->commands; command->name != NULL; command++)
	{
		if (!command->hidden)
			printf("  %-13s %s\n", command->name, command->summary);
	}
	printf("\n\"%s help COMMAND\" explains one.\n", program->name);
}

void
help_noun(const Program *program, const char *noun)
{
	size_t length = strlen(noun);

	for (const Command *command = program->commands; command->name != NULL; command++)
	{
		if (text_starts(command->name, noun) && command->name[length] == ' ')
			printf("%s %-13s %s\n", program->name, command->name, command->summary);
	}
	printf("\n\"%s help %s COMMAND\" explains one.\n", program->name, noun);
}

void
help_command(const Program *program, const Command *command)
{
	printf("%s\n\n%s\n", command_usage(program, command), command->about);
	if (command->options != NULL)
	{
		printf("\nOptions:\n");
		for (const CommandOption *option = command->options; option->name != NULL; option++)
		{
			if (option->help != NULL)
				printf("  %-20s %s\n", option_usage(option), option->help);
		}
	}
	printf("\nExit codes:\n");
	for (const CommandExit *code = command->exits; code->meaning != NULL; code++)
	{
		if (code->code >= 0)
			printf("  %d  %s\n", code->code, code->meaning);
		else
			printf("  %s\n", code->meaning);
	}
}

/* As Markdown makes it of a heading. */
static char *
heading_anchor(const char *heading)
{
	char *anchor = text_copy(heading);

	for (char *c = anchor; *c != '\0'; c++)
	{
		if (*c == ' ')
			*c = '-';
	}
	return anchor;
}

void
help_markdown(const Program *program)
{
	printf("# The program `%s`\n\n", program->name);
	printf("<!-- Written by \"%s do docs\". Change the tables in cli/main.c instead. -->\n\n",
	       program->name);
	printf("%s\n\n| command | what it does |\n| --- | --- |\n", program->promise);
	for (const Command *command = program->commands; command->name != NULL; command++)
	{
		if (!command->hidden)
			printf("| [`%s`](#%s) | %s |\n", command->name, heading_anchor(command->name),
			       command->summary);
	}
	for (const Command *command = program->commands; command->name != NULL; command++)
	{
		if (command->hidden)
			continue;
		printf("\n## %s\n\n", command->name);
		printf("    %s\n\n%s\n", command_usage(program, command), command->about);
		if (command->options != NULL)
		{
			printf("\n| option | meaning |\n| --- | --- |\n");
			for (const CommandOption *option = command->options; option->name != NULL; option++)
			{
				if (option->help != NULL)
					printf("| `%s` | %s |\n", option_usage(option), option->help);
			}
		}
		printf("\n| exit code | meaning |\n| --- | --- |\n");
		for (const CommandExit *code = command->exits; code->meaning != NULL; code++)
		{
			if (code->code >= 0)
				printf("| %d | %s |\n", code->code, code->meaning);
			else
				printf("| | %s |\n", code->meaning);
		}
	}
	printf("\n## Environment\n\n| variable | meaning |\n| --- | --- |\n");
	for (const char *const *entry = program->environment; *entry != NULL; entry += 2)
		printf("| `%s` | %s |\n", entry[0], entry[1]);
	printf("\n## Files\n\n| file | what it is |\n| --- | --- |\n");
	for (const char *const *entry = program->files; *entry != NULL; entry += 2)
		printf("| `%s` | %s |\n", entry[0], entry[1]);
}

/* One line of running text for man(7): its control characters and its hyphens made harmless. */
static void
man_line(const char *text, size_t length)
{
	if (length > 0 && (text[0] == '.' || text[0] == '\''))
		fputs("\\&", stdout);
	for (size_t i = 0; i < length; i++)
	{
		if (text[i] == '\\')
			fputs("\\e", stdout);
		else if (text[i] == '-')
			fputs("\\-", stdout);
		else if (text[i] != '`')
			putchar(text[i]);
	}
	putchar('\n');
}

static void
man_text(const char *text)
{
	bool example = false;

	while (*text != '\0')
	{
		size_t length = strcspn(text, "\n");
		bool indented = text_starts(text, "    ");

		if (indented != example)
			puts(indented ? ".nf" : ".fi");
		example = indented;
		if (length == 0)
			puts(".PP");
		else
			man_line(text, length);
		text += length + (text[length] == '\n' ? 1 : 0);
	}
	if (example)
		puts(".fi");
}

static void
man_entry(const char *term, const char *meaning)
{
	puts(".TP");
	fputs(".B ", stdout);
	man_line(term, strlen(term));
	man_line(meaning, strlen(meaning));
}

void
help_man(const Program *program)
{
	printf(".\\\" Written by \"%s do docs man\". Change the tables in cli/main.c instead.\n",
	       program->name);
	printf(".TH PGFIRST 1 \"\" \"%s\" \"\"\n", program->name);
	printf(".SH NAME\n%s \\- everything an application needs, from its PostgreSQL\n",
	       program->name);
	printf(".SH SYNOPSIS\n.B %s\n.I COMMAND\n[OPTION...]\n.SH DESCRIPTION\n", program->name);
	man_text(program->promise);
	puts(".SH COMMANDS");
	for (const Command *command = program->commands; command->name != NULL; command++)
	{
		char *usage;

		if (command->hidden)
			continue;
		usage = command_usage(program, command);
		fputs(".SS ", stdout);
		man_line(usage, strlen(usage));
		man_text(command->about);
		for (const CommandOption *option = command->options; option != NULL && option->name != NULL;
		     option++)
		{
			if (option->help != NULL)
				man_entry(option_usage(option), option->help);
		}
		puts(".PP\nExit codes:");
		for (const CommandExit *code = command->exits; code->meaning != NULL; code++)
			man_entry(code->code >= 0 ? text_format("%d", code->code) : "others", code->meaning);
	}
	puts(".SH ENVIRONMENT");
	for (const char *const *entry = program->environment; *entry != NULL; entry += 2)
		man_entry(entry[0], entry[1]);
	puts(".SH FILES");
	for (const char *const *entry = program->files; *entry != NULL; entry += 2)
		man_entry(entry[0], entry[1]);
	puts(".SH SEE ALSO\n.BR postgres (1),\n.BR psql (1),\n.BR redis\\-cli (1)");
}
