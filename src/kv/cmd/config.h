/* SPDX-License-Identifier: PostgreSQL
 *
 * config.h: start of what CONFIG SET remembers.
 */
#ifndef PGFIRST_KV_CONFIG_H
#define PGFIRST_KV_CONFIG_H

/* Called once by kv's init. */
extern void kv_config_init(void);

#endif
