/* SPDX-License-Identifier: PostgreSQL
 *
 * text.h: strings for a program that lives for one command.
 *
 * Everything here is taken from the heap and given back at exit: a command touches kilobytes, and
 * ownership rules for them would be most of the code.  What loops for long (logs -f, up
 * --foreground, run) does not make strings in its loop.  Running out of memory ends the program.
 */
#ifndef PGFIRST_CLI_TEXT_H
#define PGFIRST_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern void *memory_take(size_t size); /* zeroed */
extern char *text_copy(const char *text);
extern char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern bool text_starts(const char *text, const char *prefix);
extern bool text_equals(const char *a, const char *b); /* NULL equals only NULL */
extern char *text_trim(char *text);                    /* in place; returns its first non-space */

/* The last `count` lines of text, without the final line end. */
extern const char *text_tail(const char *text, int count);

/* A word that a POSIX shell reads back as it was: bare if it can be, else in single quotes. */
extern char *text_shell_quote(const char *text);

/* "1.5 GB", for people. */
extern char *text_size(int64_t bytes);

/* "3 days 2 h", "14 min", "5 s". */
extern char *text_duration(int64_t seconds);

/* "512MB", "2g", "1 TB" to bytes; -1 for what is not a size with a unit. */
extern int64_t text_parse_size(const char *text);

/* A growing text; the data is always terminated. */
typedef struct TextBuffer
{
	char *data;
	size_t length;
	size_t capacity;
} TextBuffer;

extern void text_append(TextBuffer *buffer, const char *text);
extern void text_append_bytes(TextBuffer *buffer, const char *data, size_t length);
extern void text_appendf(TextBuffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A growing list of texts that ends with NULL: an argument vector. */
typedef struct TextList
{
	char **items;
	int count;
	int capacity;
} TextList;

extern void text_list_add(TextList *list, const char *text);

#endif
