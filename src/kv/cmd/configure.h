/* SPDX-License-Identifier: PostgreSQL
 *
 * configure.h: the parameters of CONFIG that are about one database: the selected one.
 */
#ifndef PGFIRST_KV_CONFIGURE_H
#define PGFIRST_KV_CONFIGURE_H

#include "kv/cmd/command.h"

/* What the parameter is in the session's database. */
extern const char *kv_configure_value(const KvCall *call, const char *name);

/* Lets *settings be as the parameter says; NULL, or what is wrong with the value. */
extern const char *kv_configure_set(const KvCall *call, const char *name, RespSlice value,
                                    KvSettings *settings);

/* The settings of the session's database; those of a new one if it does not exist. */
extern KvSettings kv_configure_settings(const KvCall *call);

/*
 * Gives the session's database these settings, if it has others.  False if not, with the outcome: it has been
 * answered, or is called again.
 */
extern bool kv_configure(KvCall *call, const KvSettings *settings, KvOutcome *outcome);

#endif
