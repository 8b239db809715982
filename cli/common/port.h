/* SPDX-License-Identifier: PostgreSQL
 *
 * port.h: which TCP ports of this machine's loopback are free, and who has the others.
 */
#ifndef PGFIRST_CLI_PORT_H
#define PGFIRST_CLI_PORT_H

#include <stdbool.h>

/* True if a server could listen there now; else errno says why not. */
extern bool port_is_free(int port);

/* Listens there until the returned descriptor is closed, so that nobody else takes it; or -1. */
extern int port_reserve(int port);

/* "redis-server (process 123)", or "a process of user x", or "another process". */
extern char *port_holder(int port);

/* The first free port from `first` on that is not `except`; 0 if there is none. */
extern int port_next_free(int first, int except);

/* A free port that two callers at once hardly both get: for clusters that nobody dials by heart. */
extern int port_random_free(int except);

#endif
