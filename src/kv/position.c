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
} position;

void
kv_position_reset(void)
{
	position.noted = InvalidXLogRecPtr;
	pgfirst_store_position_reset();
}

void
kv_position_note(XLogRecPtr noted)
{
	position.noted = Max(position.noted, noted);
}

XLogRecPtr
kv_position(void)
{
	return Max(position.noted, pgfirst_store_position());
}
