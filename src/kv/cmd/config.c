/* SPDX-License-Identifier: PostgreSQL
 *
 * config.c: CONFIG GET, CONFIG SET and CONFIG REWRITE.
 *
 * What clients read is answered truthfully: what pgfirst does, in Redis's names. A parameter falls
 * into one of three classes. Some show a setting of pgfirst or of PostgreSQL, and changing them is
 * done there; some tune structures that do not exist here, so any value is accepted and remembered,
 * because clients and test suites set them and read them back; the others are refused.  The two of the
 * slow log are remembered and have effect.  Those of one database are in configure.c.
 */
#include "postgres.h"

#include "storage/spin.h"
#include "utils/guc.h"

#include "base/shmem.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/config.h"
#include "kv/cmd/configure.h"
#include "kv/cmd/server.h"
#include "kv/cmd/slowlog.h"
#include "kv/settings.h"
#include "lib/number/number.h"

#define CONFIG_VALUE_MAX 64

typedef enum ConfigClass
{
	CONFIG_SHOWN,      /* computed; cannot be set here */
	CONFIG_REMEMBERED, /* accepted and remembered; without effect unless it is in `effects` */
	CONFIG_DATABASE    /* of the selected database; see configure.h */
} ConfigClass;

typedef struct ConfigParameter
{
	const char *name;
	ConfigClass class;
	const char *value;         /* fixed, or the value before anybody sets it */
	const char *(*show)(void); /* instead of value */
	const char *elsewhere;     /* the setting that changes it */
} ConfigParameter;

static const char *
show_port(void)
{
	return psprintf("%d", pgfirst_redis_port);
}

static const char *
show_tls_port(void)
{
	return psprintf("%d", pgfirst_redis_tls_port);
}

static const char *
show_tls_auth_clients(void)
{
	switch ((KvTlsClients) pgfirst_redis_tls_auth_clients)
	{
		case KV_TLS_CLIENTS_OPTIONAL:
			return "optional";
		case KV_TLS_CLIENTS_REQUIRED:
			return "yes";
		default:
			return "no";
	}
}

/* A setting of PostgreSQL, which has it whether or not it was built with TLS. */
static const char *
show_setting(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	return value ? value : "";
}

static const char *
show_tls_certificate(void)
{
	return show_setting("ssl_cert_file");
}

static const char *
show_tls_key(void)
{
	return show_setting("ssl_key_file");
}

static const char *
show_tls_authorities(void)
{
	return show_setting("ssl_ca_file");
}

/* Redis has blanks between them. */
static const char *
show_bind(void)
{
	char *words = pstrdup(pgfirst_redis_listen_addresses);
	char *end = words;

	for (const char *c = words; *c != '\0'; c++)
		if (*c == ',')
			*end++ = ' ';
		else if (*c != ' ' && *c != '"')
			*end++ = *c;
	*end = '\0';
	return words;
}

static const char *
show_unix_socket_permissions(void)
{
	return psprintf("%o", pgfirst_redis_unix_socket_permissions);
}

static const char *
show_timeout(void)
{
	return psprintf("%d", pgfirst_redis_timeout);
}

static const char *
show_keepalive(void)
{
	return psprintf("%d", pgfirst_redis_tcp_keepalive);
}

/* Hard limits only, and no replicas. */
static const char *
show_output_limit(void)
{
	return psprintf("normal %zu 0 0 slave 0 0 0 pubsub %zu 0 0",
	                (Size) pgfirst_redis_client_output_limit * 1024,
	                (Size) pgfirst_redis_pubsub_output_limit * 1024);
}

static const char *
show_unix_socket(void)
{
	return pgfirst_redis_unix_socket;
}

static const char *
show_max_clients(void)
{
	return psprintf("%d", pgfirst_redis_max_clients);
}

static const char *
show_databases(void)
{
	return psprintf("%d", KV_DATABASES);
}

static const char *
show_directory(void)
{
	return GetConfigOption("data_directory", true, false);
}

static const char *
show_bulk_limit(void)
{
	return psprintf("%zu", KV_VALUE_MAX);
}

static const ConfigParameter parameters[] = {
    {"activedefrag", CONFIG_REMEMBERED, "no", NULL, NULL},
    {"activerehashing", CONFIG_REMEMBERED, "yes", NULL, NULL},
    {"appendfsync", CONFIG_DATABASE, NULL, NULL, NULL},
    {"appendonly", CONFIG_DATABASE, NULL, NULL, NULL},
    {"bind", CONFIG_SHOWN, NULL, show_bind, "pgfirst.redis_listen_addresses"},
    {"client-output-buffer-limit", CONFIG_SHOWN, NULL, show_output_limit,
     "pgfirst.redis_client_output_limit and pgfirst.redis_pubsub_output_limit"},
    {"databases", CONFIG_SHOWN, NULL, show_databases, "kv.create_database()"},
    {"dir", CONFIG_SHOWN, NULL, show_directory, "the data directory of PostgreSQL"},
    {"hash-max-listpack-entries", CONFIG_REMEMBERED, "512", NULL, NULL},
    {"hash-max-listpack-value", CONFIG_REMEMBERED, "64", NULL, NULL},
    {"hz", CONFIG_REMEMBERED, "10", NULL, NULL},
    {"lazyfree-lazy-expire", CONFIG_REMEMBERED, "no", NULL, NULL},
    {"lazyfree-lazy-user-del", CONFIG_REMEMBERED, "no", NULL, NULL},
    {"list-max-listpack-size", CONFIG_REMEMBERED, "-2", NULL, NULL},
    {"maxclients", CONFIG_SHOWN, NULL, show_max_clients, "pgfirst.redis_max_clients"},
    {"maxmemory", CONFIG_DATABASE, NULL, NULL, NULL},
    {"maxmemory-clients", CONFIG_SHOWN, "0", NULL, "pgfirst.redis_client_memory"},
    {"maxmemory-policy", CONFIG_DATABASE, NULL, NULL, NULL},
    {"maxmemory-samples", CONFIG_REMEMBERED, "5", NULL, NULL},
    {"notify-keyspace-events", CONFIG_SHOWN, "", NULL, "a later version of pgfirst"},
    {"port", CONFIG_SHOWN, NULL, show_port, "pgfirst.redis_port"},
    {"proto-max-bulk-len", CONFIG_SHOWN, NULL, show_bulk_limit, "nothing: it is fixed"},
    {"save", CONFIG_SHOWN, "", NULL, "PostgreSQL's checkpoints"},
    {"set-max-intset-entries", CONFIG_REMEMBERED, "512", NULL, NULL},
    {"set-max-listpack-entries", CONFIG_REMEMBERED, "128", NULL, NULL},
    {"set-max-listpack-value", CONFIG_REMEMBERED, "64", NULL, NULL},
    {"slowlog-log-slower-than", CONFIG_REMEMBERED, "10000", NULL, NULL},
    {"slowlog-max-len", CONFIG_REMEMBERED, "128", NULL, NULL},
    {"tcp-keepalive", CONFIG_SHOWN, NULL, show_keepalive, "pgfirst.redis_tcp_keepalive"},
    {"timeout", CONFIG_SHOWN, NULL, show_timeout, "pgfirst.redis_timeout"},
    {"tls-auth-clients", CONFIG_SHOWN, NULL, show_tls_auth_clients,
     "pgfirst.redis_tls_auth_clients"},
    {"tls-ca-cert-file", CONFIG_SHOWN, NULL, show_tls_authorities, "ssl_ca_file"},
    {"tls-cert-file", CONFIG_SHOWN, NULL, show_tls_certificate, "ssl_cert_file"},
    {"tls-key-file", CONFIG_SHOWN, NULL, show_tls_key, "ssl_key_file"},
    {"tls-port", CONFIG_SHOWN, NULL, show_tls_port, "pgfirst.redis_tls_port"},
    {"unixsocket", CONFIG_SHOWN, NULL, show_unix_socket, "pgfirst.redis_unix_socket"},
    {"unixsocketperm", CONFIG_SHOWN, NULL, show_unix_socket_permissions,
     "pgfirst.redis_unix_socket_permissions"},
    {"zset-max-listpack-entries", CONFIG_REMEMBERED, "128", NULL, NULL},
    {"zset-max-listpack-value", CONFIG_REMEMBERED, "64", NULL, NULL},
};

/* What is remembered and has effect: a number from `least` on. */
static const struct
{
	const char *name;
	int64 least;
	void (*apply)(int64 value);
} effects[] = {
    {"slowlog-log-slower-than", -1, kv_slowlog_set_slower_than},
    {"slowlog-max-len", 0, kv_slowlog_set_max_len},
};

#define PARAMETERS ((int) lengthof(parameters))

/* What was set, for all workers, until the server restarts. */
typedef struct ConfigShared
{
	slock_t lock;
	struct
	{
		bool set;
		char value[CONFIG_VALUE_MAX];
	} remembered[lengthof(parameters)];
} ConfigShared;

static ConfigShared *shared;

static const char *
parameter_value(const KvCall *call, int i)
{
	const ConfigParameter *parameter = &parameters[i];
	char copy[CONFIG_VALUE_MAX];
	bool set;

	if (parameter->class == CONFIG_DATABASE)
		return kv_configure_value(call, parameter->name);
	if (parameter->show)
		return parameter->show();
	SpinLockAcquire(&shared->lock);
	set = shared->remembered[i].set;
	memcpy(copy, shared->remembered[i].value, sizeof(copy));
	SpinLockRelease(&shared->lock);
	return set ? pstrdup(copy) : parameter->value;
}

/* ---- CONFIG GET -------------------------------------------------------------------------- */

static bool
asked_for(KvCall *call, const char *name, size_t *steps)
{
	RespSlice bytes = {name, strlen(name)};

	for (int i = 2; i < call->argc; i++)
	{
		if (kv_pattern_matches(kv_argument(call, i), bytes, true, steps))
			return true;
		if (*steps == 0)
			return false;
	}
	return false;
}

/* CONFIG GET parameter [parameter ...] */
KvOutcome
kv_cmd_config_get(KvCall *call)
{
	bool asked[lengthof(parameters)];
	size_t steps = KV_PATTERN_STEPS;
	size_t count = 0;

	for (int i = 0; i < PARAMETERS; i++)
		count += asked[i] = asked_for(call, parameters[i].name, &steps);
	if (steps == 0)
	{
		kv_reply_pattern(call);
		return KV_DONE;
	}
	pgfirst_resp_write_map(call->reply, count);
	for (int i = 0; i < PARAMETERS; i++)
	{
		if (!asked[i])
			continue;
		pgfirst_resp_write_text(call->reply, parameters[i].name);
		pgfirst_resp_write_text(call->reply, parameter_value(call, i));
	}
	return KV_DONE;
}

/* ---- CONFIG SET -------------------------------------------------------------------------- */

/* The row that argument i names, -1 if there is none. */
static int
named_row(KvCall *call, int i)
{
	for (int row = 0; row < PARAMETERS; row++)
		if (kv_argument_is(call, i, parameters[row].name))
			return row;
	return -1;
}

/* Answers and returns false if an argument names no parameter, or one that was named before. */
static bool
names_fit(KvCall *call)
{
	bool named[lengthof(parameters)] = {false};

	for (int i = 2; i < call->argc; i += 2)
	{
		RespSlice name = kv_argument(call, i);
		int row = named_row(call, i);

		if (row < 0)
		{
			kv_reply_error(call,
			               "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
			               (int) Min(name.length, 128), name.data);
			return false;
		}
		if (named[row])
		{
			kv_reply_error(call,
			               "ERR CONFIG SET failed (possibly related to argument '%.*s') - "
			               "duplicate parameter",
			               (int) name.length, name.data);
			return false;
		}
		named[row] = true;
	}
	return true;
}

/* What is wrong with the value for a parameter that is remembered; NULL if nothing is. */
static const char *
wrong_with(const ConfigParameter *parameter, RespSlice value)
{
	int64 number;

	/* They are switches or numbers; which, the first value says. */
	if (strcmp(parameter->value, "yes") == 0 || strcmp(parameter->value, "no") == 0)
		return (value.length == 3 && pg_strncasecmp(value.data, "yes", 3) == 0) ||
		               (value.length == 2 && pg_strncasecmp(value.data, "no", 2) == 0)
		           ? NULL
		           : "argument must be 'yes' or 'no'";
	if (!pgfirst_int64_parse(value.data, value.length, &number))
		return "argument couldn't be parsed into an integer";
	for (int i = 0; i < (int) lengthof(effects); i++)
		if (strcmp(effects[i].name, parameter->name) == 0 && number < effects[i].least)
			return psprintf("argument must be between " INT64_FORMAT " and " INT64_FORMAT
			                " inclusive",
			                effects[i].least, PG_INT64_MAX);
	return NULL;
}

/* Lets a value that fits take effect, if it has one. */
static void
apply(const ConfigParameter *parameter, RespSlice value)
{
	int64 number;

	for (int i = 0; i < (int) lengthof(effects); i++)
		if (strcmp(effects[i].name, parameter->name) == 0 &&
		    pgfirst_int64_parse(value.data, value.length, &number))
			effects[i].apply(number);
}

/* Answers and returns false if the parameter in this row cannot be set to the value. */
static bool
value_fits(KvCall *call, int row, RespSlice value, KvSettings *settings)
{
	const ConfigParameter *parameter = &parameters[row];
	const char *wrong;

	if (parameter->class == CONFIG_SHOWN)
	{
		const char *now = parameter_value(call, row);

		/* Setting what it is already is how many clients check that they may. */
		if (strlen(now) == value.length && memcmp(now, value.data, value.length) == 0)
			return true;
		kv_reply_error(call,
		               "ERR CONFIG SET failed (possibly related to argument '%s') - can't set it "
		               "here; it follows %s",
		               parameter->name, parameter->elsewhere);
		return false;
	}
	wrong = parameter->class == CONFIG_DATABASE
	            ? kv_configure_set(call, parameter->name, value, settings)
	            : wrong_with(parameter, value);
	if (wrong)
		kv_reply_error(call, "ERR CONFIG SET failed (possibly related to argument '%s') - %s",
		               parameter->name, wrong);
	return wrong == NULL;
}

/* CONFIG SET parameter value [parameter value ...]: all or nothing. */
KvOutcome
kv_cmd_config_set(KvCall *call)
{
	KvSettings settings = kv_configure_settings(call);
	KvOutcome outcome;

	if (call->argc % 2 != 0)
	{
		kv_reply_syntax(call);
		return KV_DONE;
	}
	if (!names_fit(call))
		return KV_DONE;
	for (int i = 2; i < call->argc; i += 2)
		if (!value_fits(call, named_row(call, i), kv_argument(call, i + 1), &settings))
			return KV_DONE;
	if (!kv_configure(call, &settings, &outcome))
		return outcome;
	for (int i = 2; i < call->argc; i += 2)
	{
		RespSlice value = kv_argument(call, i + 1);
		int row = named_row(call, i);

		if (parameters[row].class != CONFIG_REMEMBERED)
			continue;
		SpinLockAcquire(&shared->lock);
		memcpy(shared->remembered[row].value, value.data, value.length);
		shared->remembered[row].value[value.length] = '\0';
		shared->remembered[row].set = true;
		SpinLockRelease(&shared->lock);
		apply(&parameters[row], value);
	}
	kv_reply_ok(call);
	return KV_DONE;
}

/* CONFIG REWRITE: what is set here lasts until the server restarts, and there is no file of ours. */
KvOutcome
kv_cmd_config_rewrite(KvCall *call)
{
	kv_reply_error(call, "ERR The server is running without a config file");
	return KV_DONE;
}

static void
config_shared_init(void *fresh)
{
	SpinLockInit(&((ConfigShared *) fresh)->lock);
}

void
kv_config_init(void)
{
	pgfirst_shmem_request("pgfirst kv config", sizeof(ConfigShared), (void **) &shared,
	                      config_shared_init);
}
