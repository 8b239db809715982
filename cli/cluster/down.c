/* SPDX-License-Identifier: PostgreSQL
 *
 * down.c: `pgfirst down`, `restart` and `destroy`.
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
command_down(const Arguments *arguments)
{
	Cluster *cluster;
	pid_t pid;

	interrupt_watch();
	cluster = cluster_open(arguments, USER_READS);
	cluster_lock(cluster);
	pid = server_pid(cluster);
	if (pid == 0)
	{
		printf("The cluster in %s was not running.\n", cluster->dir);
		return EXIT_OK;
	}
	server_stop(cluster, false);
	printf("The cluster in %s has stopped.\n", cluster->dir);
	return EXIT_OK;
}

int
command_restart(const Arguments *arguments)
{
	Cluster *cluster;
	StepLog steps;

	interrupt_watch();
	cluster = cluster_open(arguments, USER_READS);
	/* What would keep it from starting again is better known before it stops. */
	install_check(cluster);
	if (arguments->memory >= 0)
		settings_check_memory(arguments->memory);
	cluster_lock(cluster);
	cluster_check_new_ports(cluster, arguments);
	step_begin(&steps, stdout);
	if (server_pid(cluster) != 0)
	{
		server_stop(cluster, false);
		step_done(&steps, "stopped PostgreSQL");
	}
	cluster_start(cluster, arguments, &steps);
	return EXIT_OK;
}

static void
destroy_ask(const Cluster *cluster)
{
	char answer[16] = "";

	if (!isatty(STDIN_FILENO))
		fail(EXIT_USAGE, text_format("To do so: %s", cluster_command(cluster, "destroy --yes")),
		     "destroy removes all data in %s and asks before it does, but there is no terminal",
		     cluster->dir);
	printf("This removes all data in %s (%s) for good.  There is no backup.\nType \"yes\": ",
	       cluster->dir, text_size(tree_size(cluster->dir)));
	fflush(stdout);
	if (fgets(answer, sizeof(answer), stdin) == NULL || strcmp(text_trim(answer), "yes") != 0)
		fail(EXIT_ERROR, NULL, "nothing was removed");
}

int
command_destroy(const Arguments *arguments)
{
	Cluster *cluster = cluster_find(arguments, USER_DESTROYS);
	static const char *const nothing[] = {NULL};
	char *other = NULL;

	/* An unfinished one may be destroyed, too. */
	if (cluster->state == CLUSTER_NONE)
		fail(EXIT_NO_CLUSTER, "pgfirst removes only what it made itself.",
		     "there is no cluster of pgfirst in %s", cluster->dir);
	if (!arguments->yes)
		destroy_ask(cluster);
	interrupt_watch();
	cluster_lock(cluster);
	cluster_read_marker(cluster);
	cluster_remove(cluster);
	cluster_remove_lock(cluster);
	if (rmdir(cluster->dir) != 0 && !directory_is_empty_but(cluster->dir, nothing, &other))
	{
		printf("The cluster is removed.  %s stays: it holds %s, which pgfirst did not make.\n",
		       cluster->dir, other != NULL ? other : "something");
		return EXIT_OK;
	}
	printf("The cluster in %s is removed.\n", cluster->dir);
	return EXIT_OK;
}
