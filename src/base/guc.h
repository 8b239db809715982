/* SPDX-License-Identifier: PostgreSQL
 *
 * guc.h: settings are named pgfirst.<capability or door>_<noun> and defined by the module that
 * obeys them, in its own init.  This closes the list.
 */
#ifndef PGFIRST_GUC_H
#define PGFIRST_GUC_H

/* Reserves the prefix, so that a misspelt pgfirst.* setting is an error.  Last in _PG_init. */
extern void pgfirst_guc_reserve(void);

#endif
