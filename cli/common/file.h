/* SPDX-License-Identifier: PostgreSQL
 *
 * file.h: files, directories and paths.
 */
#ifndef PGFIRST_CLI_FILE_H
#define PGFIRST_CLI_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The whole file, terminated; NULL with errno if it cannot be read. */
extern char *file_read(const char *path);

/* The last lines of a file, at most 64 KB of it; "" if there is none. */
extern const char *file_tail(const char *path, int lines);

/*
 * Replaces the file whole: written beside it, flushed to disk, renamed.  Fails the command if that
 * does not succeed.
 */
extern void file_write(const char *path, mode_t mode, const char *text);

/* The same, unless the file holds just that: then nothing is written, and no disk is needed. */
extern void file_update(const char *path, mode_t mode, const char *text);

extern bool file_exists(const char *path);
extern bool directory_exists(const char *path);

/* True if the directory holds nothing except the names listed (NULL ends the list). */
extern bool directory_is_empty_but(const char *path, const char *const *except, char **found);

/* Removes a file or a directory with all below it; never follows a symbolic link. */
extern bool tree_remove(const char *path);

/* Bytes of all files below path. */
extern int64_t tree_size(const char *path);

/* Absolute and without symbolic links, as far as the path exists. */
extern char *path_absolute(const char *path);
extern char *path_parent(const char *path);

/* Free bytes for this user on the file system of path; -1 if unknown. */
extern int64_t disk_free(const char *path);

#endif
