/* SPDX-License-Identifier: PostgreSQL
 *
 * install.c: the PostgreSQL that this program was built for, or that PGFIRST_PG_BINDIR names.
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"
#include "cli/common/process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The build says where; what is compiled only for its warnings need not know. */
#ifndef PGFIRST_PG_BINDIR
#define PGFIRST_PG_BINDIR "/usr/lib/postgresql/15/bin"
#endif

static const char *
install_bindir(void)
{
	const char *given = getenv("PGFIRST_PG_BINDIR");

	return given != NULL && *given != '\0' ? given : PGFIRST_PG_BINDIR;
}

char *
install_path(const char *name)
{
	return text_format("%s/%s", install_bindir(), name);
}

char *
install_program(const char *name)
{
	char *path = install_path(name);

	if (access(path, X_OK) != 0)
		fail(
		    EXIT_ERROR,
		    "Install PostgreSQL's server (Debian, Ubuntu: apt install postgresql-15), or name the\n"
		    "directory of its programs in PGFIRST_PG_BINDIR.",
		    "PostgreSQL's program %s is not in %s", name, install_bindir());
	return path;
}

const char *
install_version(void)
{
	static const char *version = NULL;
	char *output;

	if (version == NULL)
	{
		char *argv[] = {install_program("postgres"), (char *) "--version", NULL};
		char *at;

		/* "postgres (PostgreSQL) 15.20 (Debian …)" */
		if (process_run(argv, &output) != 0 || (at = strstr(output, "(PostgreSQL) ")) == NULL)
			fail(EXIT_ERROR, "Mend the installation of PostgreSQL.", "%s --version says: %s",
			     argv[0], text_trim(output));
		at += strlen("(PostgreSQL) ");
		at[strcspn(at, " \n")] = '\0';
		version = at;
	}
	return version;
}

int
install_major(void)
{
	return atoi(install_version());
}

static void
install_check_library(void)
{
	char *argv[] = {install_path("pg_config"), (char *) "--pkglibdir", NULL};
	char *output;
	char *library;

	/* Without pg_config we learn it later, in PostgreSQL's words. */
	if (access(argv[0], X_OK) != 0 || process_run(argv, &output) != 0)
		return;
	library = text_format("%s/pgfirst.so", text_trim(output));
	if (!file_exists(library))
		fail(EXIT_ERROR,
		     "Install it into this PostgreSQL: the package, or \"make install\" in the sources\n"
		     "(PG_CONFIG names the PostgreSQL, if there are several).",
		     "PostgreSQL has no library pgfirst (%s is missing)", library);
}

void
install_check(const Cluster *cluster)
{
	char *version;
	int major;

	install_program("initdb");
	major = install_major();
	install_check_library();
	if (cluster->state != CLUSTER_READY)
		return;
	version = file_read(text_format("%s/PG_VERSION", cluster->data));
	if (version == NULL)
		fail(EXIT_ERROR,
		     text_format("Restore it from a backup, or remove what is left: %s",
		                 cluster_command(cluster, "destroy")),
		     "%s holds no PostgreSQL data any more", cluster->data);
	if (atoi(version) != major)
		fail(
		    EXIT_ERROR,
		    text_format("Name the programs of PostgreSQL %d in PGFIRST_PG_BINDIR (Debian, Ubuntu:\n"
		                "/usr/lib/postgresql/%d/bin), or move the data with pg_dumpall into a new\n"
		                "cluster.",
		                atoi(version), atoi(version)),
		    "%s was made by PostgreSQL %d, and %s is PostgreSQL %d", cluster->dir, atoi(version),
		    install_bindir(), major);
}
