/* SPDX-License-Identifier: PostgreSQL
 *
 * secret.c: passwords, and the URLs that hold them.
 *
 * A password is 32 letters and digits from the kernel's random numbers: 190 bits, and no character
 * that means something in a URL, a shell or a settings file.
 */
#include "cli/cluster/cluster.h"

#include "cli/common/fail.h"
#include "cli/common/file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SECRET_LENGTH 32

char *
secret_make(void)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	char *secret = memory_take(SECRET_LENGTH + 1);
	int length = 0;

	while (length < SECRET_LENGTH)
	{
		unsigned char byte;

		if (getrandom(&byte, 1, 0) != 1)
		{
			if (errno == EINTR)
				continue;
			fail(EXIT_ERROR, NULL, "no random numbers for a password: %s", strerror(errno));
		}
		/* 248 is 4 * 62: bytes above would make some letters likelier. */
		if (byte < 248)
			secret[length++] = letters[byte % 62];
	}
	return secret;
}

/* The lines of the file, for the ports as they are set now. */
static char *
env_text(const Cluster *cluster, const char *password)
{
	int redis_port = settings_get_port(cluster, "pgfirst.redis_port");
	int tls_port = settings_get_port(cluster, "pgfirst.redis_tls_port");
	TextBuffer text = {0};

	text_appendf(&text, "DATABASE_URL=postgresql://%s:%s@127.0.0.1:%d/%s\n", CLUSTER_ROLE, password,
	             settings_get_port(cluster, "port"), CLUSTER_DATABASE);
	if (redis_port != 0)
		text_appendf(&text, "REDIS_URL=redis://%s:%s@127.0.0.1:%d/0\n", CLUSTER_ROLE, password,
		             redis_port);
	else if (tls_port != 0)
		text_appendf(&text, "REDIS_URL=rediss://%s:%s@127.0.0.1:%d/0\n", CLUSTER_ROLE, password,
		             tls_port);
	return text.data;
}

void
secret_write_env(const Cluster *cluster, const char *password)
{
	file_write(cluster->env_file, 0600, env_text(cluster, password));
}

char *
secret_env(const Cluster *cluster, const char *name)
{
	char *text = file_read(cluster->env_file);
	size_t length = strlen(name);
	char *line;

	while (text != NULL && (line = strsep(&text, "\n")) != NULL)
	{
		if (strncmp(line, name, length) == 0 && line[length] == '=')
			return text_trim(line + length + 1);
	}
	return NULL;
}

/* Somebody may have chosen another password and written it into the URL as URLs want it. */
static char *
percent_decode(char *text)
{
	char *out = text;

	for (char *in = text; *in != '\0'; out++)
	{
		if (*in == '%' && isxdigit((unsigned char) in[1]) && isxdigit((unsigned char) in[2]))
		{
			char digits[3] = {in[1], in[2], '\0'};

			*out = (char) strtol(digits, NULL, 16);
			in += 3;
		}
		else
			*out = *in++;
	}
	*out = '\0';
	return text;
}

/* As it stands in the URL; NULL with the problem. */
static char *
url_password(const Cluster *cluster, char **problem)
{
	char *url = secret_env(cluster, "DATABASE_URL");
	char *colon = url != NULL ? strstr(url, "://") : NULL;
	char *at;

	colon = colon != NULL ? strchr(colon + 3, ':') : NULL;
	at = colon != NULL ? strchr(colon, '@') : NULL;
	if (at == NULL)
	{
		*problem = text_format("%s holds no DATABASE_URL with a password", cluster->env_file);
		return NULL;
	}
	return text_format("%.*s", (int) (at - colon - 1), colon + 1);
}

static _Noreturn void
app_password_fail(const char *problem)
{
	fail(EXIT_ERROR,
	     "Set a new one: pgfirst psql --superuser -c '\\password app', and write the URL anew:\n"
	     "DATABASE_URL=postgresql://app:PASSWORD@127.0.0.1:PORT/app",
	     "%s", problem);
}

char *
secret_app_password_try(const Cluster *cluster, char **problem)
{
	char *password = url_password(cluster, problem);

	return password != NULL ? percent_decode(password) : NULL;
}

char *
secret_app_password(const Cluster *cluster)
{
	char *problem = NULL;
	char *password = secret_app_password_try(cluster, &problem);

	if (password == NULL)
		app_password_fail(problem);
	return password;
}

char *
secret_superuser_password_try(const Cluster *cluster, char **problem)
{
	char *password = file_read(cluster->superuser);

	if (password != NULL)
		return text_trim(password);
	*problem = text_format("cannot read %s: %s", cluster->superuser, strerror(errno));
	return NULL;
}

char *
secret_superuser_password(const Cluster *cluster)
{
	char *problem = NULL;
	char *password = secret_superuser_password_try(cluster, &problem);

	if (password == NULL)
		fail(EXIT_ERROR,
		     "It is needed to look after the cluster.  Restore the file; or stop the server, run\n"
		     "postgres --single -D data postgres, enter ALTER ROLE postgres PASSWORD '...', and "
		     "write\n"
		     "that password into the file.",
		     "%s", problem);
	return password;
}

void
secret_refresh_env(const Cluster *cluster)
{
	char *text = file_read(cluster->env_file);
	TextBuffer fresh = {0};
	char *problem = NULL;
	char *password = url_password(cluster, &problem);
	char *line;

	if (password == NULL)
		app_password_fail(problem);
	text_append(&fresh, env_text(cluster, password));
	/* Lines that others have added stay. */
	while (text != NULL && (line = strsep(&text, "\n")) != NULL)
	{
		if (*line != '\0' && !text_starts(line, "DATABASE_URL=") &&
		    !text_starts(line, "REDIS_URL="))
			text_appendf(&fresh, "%s\n", line);
	}
	file_update(cluster->env_file, 0600, fresh.data);
}
