/* SPDX-License-Identifier: PostgreSQL
 *
 * guc.c: closes the list of settings.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "base/guc.h"

void
pgfirst_guc_reserve(void)
{
	MarkGUCPrefixReserved("pgfirst");
}
