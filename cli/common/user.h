/* SPDX-License-Identifier: PostgreSQL
 *
 * user.h: which user a cluster belongs to, and becoming that user.
 *
 * PostgreSQL refuses to run as root, and so does everything here.  Called by root, a command
 * becomes the cluster's user before it does anything else:
 *
 *   the owner of DIR, or of the nearest directory above it that exists, if that is not root;
 *   else the user "postgres", which the distribution's package makes.
 *
 * All that is done as root is to make DIR, if it is missing, and give it to that user; and at the
 * end to remove it again, empty.
 */
#ifndef PGFIRST_CLI_USER_H
#define PGFIRST_CLI_USER_H

#include <stdbool.h>
#include <sys/types.h>

typedef enum UserPurpose
{
	USER_READS,   /* DIR as it is */
	USER_CREATES, /* make DIR if it is missing; remove it if the command fails */
	USER_DESTROYS /* remove DIR, then empty, if the command succeeds */
} UserPurpose;

/* As root: becomes the user who owns (or will own) dir.  As anybody else: does nothing. */
extern void user_become_owner(const char *dir, UserPurpose purpose);

/*
 * For commands that hand over to a tool which runs as the caller: reads of the cluster's files
 * happen with the owner's rights, in between these two.
 */
extern void user_borrow_owner(const char *dir);
extern void user_return(void);

extern char *user_name(uid_t uid); /* "postgres", or "uid 1234" */

#endif
