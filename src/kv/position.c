/* SPDX-License-Identifier: PostgreSQL
 *
 * position.c: what the command under way depends on; see position.h.
 */
#include "postgres.h"

#include "kv/position.h"
#include "store/store.h"

static struct
{
	XLogRecPtr noted;
	bool own; /* the transaction's own changes were noted too */
} position;

void
kv_position_reset(void)
{
	position.noted = InvalidXLogRecPtr;
	position.own = false;
	pgfirst_store_position_reset();
}

void
kv_position_note(XLogRecPtr noted)
{
	if (noted == PGFIRST_POSITION_OWN)
		position.own = true;
	else
		position.noted = Max(position.noted, noted);
}

XLogRecPtr
kv_position(void)
{
	return position.own ? PGFIRST_POSITION_OWN : Max(position.noted, pgfirst_store_position());
}

XLogRecPtr
kv_position_others(void)
{
	return Max(position.noted, pgfirst_store_position_others());
}
