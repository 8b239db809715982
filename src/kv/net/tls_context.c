/* SPDX-License-Identifier: PostgreSQL
 *
 * tls_context.c: the server's certificate and key; see tls_context.h.
 *
 * There is one set of files and settings for both doors: PostgreSQL's ssl_cert_file, ssl_key_file,
 * ssl_ca_file, ssl_crl_file, ssl_crl_dir, ssl_min_protocol_version, ssl_max_protocol_version,
 * ssl_ciphers, ssl_prefer_server_ciphers and ssl_ecdh_curve.  They count here whether or not `ssl` is
 * on.  They are asked for by name, because the variables behind them differ between versions.
 *
 * A set is taken as a whole or not at all.  Whatever is wrong is a line in the log that names the
 * file and the setting, never an error: the worker goes on with the set that it has, and without any
 * the TLS port stays closed and the others are open.
 *
 * A key with a passphrase.  ssl_passphrase_command is run at the start of the worker, before anybody is
 * served.  It is not at a reload, whatever ssl_passphrase_command_supports_reload says: while it runs
 * nobody would be served.
 *
 * Left out: session tickets and a session cache (they make a stolen key of the server, or a revoked
 * certificate of a client, good for longer, and each worker would have its own), renegotiation,
 * compression, early data, and Diffie-Hellman over integers, the only key exchange that makes us work
 * for milliseconds.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "utils/guc.h"

#include "base/compat.h"
#include "kv/net/tls_context.h"
#include "kv/settings.h"

static struct
{
	SSL_CTX *context;
	bool at_start;
	bool passphrase_refused; /* in the load under way */
} tls;

SSL_CTX *
kv_tls_context(void)
{
	return tls.context;
}

const char *
kv_tls_reason(void)
{
	static char number[32];
	unsigned long error = ERR_peek_error();
	const char *words = ERR_reason_error_string(error);

	ERR_clear_error();
	if (words)
		return words;
	if (error == 0)
		return "no reason given";
	/* OpenSSL 3 has no words for what the system says. */
	if (ERR_GET_LIB(error) == ERR_LIB_SYS)
		return strerror(ERR_GET_REASON(error));
	snprintf(number, sizeof(number), "error %lu", error);
	return number;
}

/* A setting of PostgreSQL; "" if this version does not have it. */
static const char *
setting(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	return value ? value : "";
}

static const char *
consequence(void)
{
	return tls.context ? "The Redis door goes on with what it had loaded before."
	                   : "The TLS port of the Redis door stays closed.";
}

/* Logs that a file does not do; false, for the caller to return. */
static bool
file_refused(const char *what, const char *name, const char *reason)
{
	ereport(LOG, (errcode(ERRCODE_CONFIG_FILE_ERROR),
	              errmsg("could not load the %s \"%s\" (%s) for the Redis door: %s", what,
	                     setting(name), name, reason),
	              errdetail("%s", consequence()),
	              errhint("Mend the file or the setting, and reload the configuration.")));
	return false;
}

static bool
setting_refused(const char *name, const char *reason)
{
	ereport(LOG, (errcode(ERRCODE_CONFIG_FILE_ERROR),
	              errmsg("could not use %s = \"%s\" for the Redis door: %s", name, setting(name),
	                     reason),
	              errdetail("%s", consequence()),
	              errhint("Mend the setting, and reload the configuration.")));
	return false;
}

/* ---- certificate and key ----------------------------------------------------------------- */

/* Without this one OpenSSL would ask on the terminal. */
static int
passphrase(char *buffer, int size, int writing, void *unused)
{
	if (tls.at_start && setting("ssl_passphrase_command")[0] != '\0')
		return run_ssl_passphrase_command("Enter PEM pass phrase:", false, buffer, size);
	tls.passphrase_refused = true;
	return -1;
}

static bool
load_certificate(SSL_CTX *context)
{
	const char *certificate = setting("ssl_cert_file");
	const char *key = setting("ssl_key_file");

	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		return file_refused("server certificate", "ssl_cert_file", kv_tls_reason());
	/* The same rules as for PostgreSQL's own port; it logs itself which one is broken. */
	if (!check_ssl_key_file_permissions(key, false))
		return file_refused("private key", "ssl_key_file",
		                    "it is not there, or is not only the server's to read");
	SSL_CTX_set_default_passwd_cb(context, passphrase);
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		return file_refused("private key", "ssl_key_file",
		                    tls.passphrase_refused
		                        ? "it has a passphrase, which is asked for only when the server "
		                          "starts, by ssl_passphrase_command"
		                        : kv_tls_reason());
	if (SSL_CTX_check_private_key(context) != 1)
		return file_refused("private key", "ssl_key_file", kv_tls_reason());
	if (X509_cmp_current_time(X509_get0_notAfter(SSL_CTX_get0_certificate(context))) < 0)
		ereport(LOG, (errcode(ERRCODE_CONFIG_FILE_ERROR),
		              errmsg("the server certificate \"%s\" has expired", certificate),
		              errdetail("The Redis door uses it all the same; clients will refuse it.")));
	return true;
}

/* Whom the certificates of clients must come from. */
static bool
load_authorities(SSL_CTX *context)
{
	const char *authorities = setting("ssl_ca_file");
	const char *revoked = setting("ssl_crl_file");
	const char *revoked_directory = setting("ssl_crl_dir");
	int mode = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;
	STACK_OF(X509_NAME) * names;

	if (pgfirst_redis_tls_auth_clients == KV_TLS_CLIENTS_OFF)
		return true;
	if (authorities[0] == '\0')
		return setting_refused("pgfirst.redis_tls_auth_clients", "ssl_ca_file is empty");
	names = SSL_load_client_CA_file(authorities);
	if (!names || SSL_CTX_load_verify_locations(context, authorities, NULL) != 1)
		return file_refused("certificates of authorities", "ssl_ca_file", kv_tls_reason());
	SSL_CTX_set_client_CA_list(context, names); /* it keeps them */
	if (revoked[0] != '\0' || revoked_directory[0] != '\0')
	{
		X509_STORE *store = SSL_CTX_get_cert_store(context);

		if (X509_STORE_load_locations(store, revoked[0] != '\0' ? revoked : NULL,
		                              revoked_directory[0] != '\0' ? revoked_directory : NULL) != 1)
			return file_refused("list of revoked certificates",
			                    revoked[0] != '\0' ? "ssl_crl_file" : "ssl_crl_dir",
			                    kv_tls_reason());
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	}
	if (pgfirst_redis_tls_auth_clients == KV_TLS_CLIENTS_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(context, mode, NULL);
	return true;
}

/* ---- how they are used ------------------------------------------------------------------- */

/* 0, which is OpenSSL's word for any, for an empty setting. */
static int
protocol_version(const char *name)
{
	static const struct
	{
		const char *name;
		int version;
	} versions[] = {{"TLSv1", TLS1_VERSION},
	                {"TLSv1.1", TLS1_1_VERSION},
	                {"TLSv1.2", TLS1_2_VERSION},
	                {"TLSv1.3", TLS1_3_VERSION}};

	for (int i = 0; i < (int) lengthof(versions); i++)
		if (pg_strcasecmp(setting(name), versions[i].name) == 0)
			return versions[i].version;
	return 0;
}

static bool
set_protocols(SSL_CTX *context)
{
	int least = protocol_version("ssl_min_protocol_version");
	int most = protocol_version("ssl_max_protocol_version");

	if (most != 0 && least > most)
		return setting_refused("ssl_min_protocol_version", "ssl_max_protocol_version is less");
	if (SSL_CTX_set_min_proto_version(context, least) != 1)
		return setting_refused("ssl_min_protocol_version", "this OpenSSL does not have it");
	if (SSL_CTX_set_max_proto_version(context, most) != 1)
		return setting_refused("ssl_max_protocol_version", "this OpenSSL does not have it");
	if (SSL_CTX_set_cipher_list(context, setting("ssl_ciphers")) != 1)
		return setting_refused("ssl_ciphers", kv_tls_reason());
	/* From version 18 on. */
	if (setting("ssl_tls13_ciphers")[0] != '\0' &&
	    SSL_CTX_set_ciphersuites(context, setting("ssl_tls13_ciphers")) != 1)
		return setting_refused("ssl_tls13_ciphers", kv_tls_reason());
	if (SSL_CTX_set1_groups_list(context, setting("ssl_ecdh_curve")) != 1)
		return setting_refused("ssl_ecdh_curve", kv_tls_reason());
	return true;
}

static SSL_CTX *
make_context(void)
{
	static const unsigned char session_id[] = "pgfirst";
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (!context)
	{
		ereport(LOG, (errcode(ERRCODE_OUT_OF_MEMORY),
		              errmsg("could not begin with TLS for the Redis door: %s", kv_tls_reason())));
		return NULL;
	}
	/* Idle connections give their buffers back. */
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                 SSL_OP_NO_TICKET | SSL_OP_NO_SSLv3);
	if (strcmp(setting("ssl_prefer_server_ciphers"), "on") == 0)
		SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 0);
	SSL_CTX_set_session_id_context(context, session_id, sizeof(session_id) - 1);
	if (load_certificate(context) && load_authorities(context) && set_protocols(context))
		return context;
	SSL_CTX_free(context);
	return NULL;
}

bool
kv_tls_context_load(bool at_start)
{
	SSL_CTX *fresh;

	tls.at_start = at_start;
	tls.passphrase_refused = false;
	ERR_clear_error();
	fresh = make_context();
	ERR_clear_error();
	if (!fresh)
		return false;
	/* Those that are connected keep the old one for as long as they are. */
	SSL_CTX_free(tls.context);
	tls.context = fresh;
	return true;
}
