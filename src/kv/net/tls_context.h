/* SPDX-License-Identifier: PostgreSQL
 *
 * tls_context.h: the server's certificate and key, and how they may be used, for the TLS port.
 */
#ifndef PGFIRST_KV_TLS_CONTEXT_H
#define PGFIRST_KV_TLS_CONTEXT_H

#include <openssl/ssl.h>

/*
 * Reads PostgreSQL's own files and settings of TLS, at the start of the worker and whenever the
 * configuration is reloaded.  What is wrong is logged, and everything stays as it was; true if it is
 * new.
 */
extern bool kv_tls_context_load(bool at_start);

/* What new connections use; NULL if nothing could be loaded yet. */
extern SSL_CTX *kv_tls_context(void);

/* The reason of OpenSSL's last failure, in words; empties its list of them. */
extern const char *kv_tls_reason(void);

#endif
