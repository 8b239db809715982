/* SPDX-License-Identifier: PostgreSQL
 *
 * snapshot.c: the newest committed state, as an MVCC snapshot that is renewed when it must be.
 *
 * "The newest committed version" cannot be read through an index with SnapshotSelf or SnapshotAny:
 * an update that commits while the scan stands between the old and the new version makes both
 * look wrong, and the record seems to be missing.  An MVCC snapshot sees exactly one version.  So
 * the store reads with a snapshot of its own, independent of the isolation level, and the question
 * is only how old it may be:
 *
 *   - After a lock was newly acquired it must be younger than the lock: its last holder has
 *     committed before it released.
 *   - A command sees what was committed when it began; pgfirst_store_position_reset() is the
 *     boundary between commands.
 *   - Apply and census take a fresh one.
 *
 * GetLatestSnapshot() is not used because it refuses in parallel mode, where a leader may well
 * read.  GetSnapshotData() costs one comparison when nobody has committed since the last one, and
 * then the registered copy is kept as well.
 */
#include "postgres.h"

#include "storage/procarray.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/store_int.h"

static struct
{
	SnapshotData latest; /* its arrays live as long as the process */
	Snapshot registered; /* a copy, owned by the transaction; NULL outside of one */
	uint64 completions;  /* of transactions, when the copy was made; 0 if it is not of latest */
	bool stale;
} snapshots = {.latest = {.snapshot_type = SNAPSHOT_MVCC}};

Snapshot
pgfirst_snapshot(void)
{
	ResourceOwner owner = pgfirst_store_owner();
	Snapshot fresh;
	Snapshot copy;
	uint64 completions = 0;

	if (snapshots.registered != NULL && !snapshots.stale)
		return snapshots.registered;

	/* PostgreSQL wants to see its own first snapshot before any other. */
	if (!FirstSnapshotSet)
		fresh = GetTransactionSnapshot();
	else
	{
		fresh = GetSnapshotData(&snapshots.latest);
		completions = fresh->snapXactCompletionCount;
		if (snapshots.registered != NULL && completions != 0 &&
		    completions == snapshots.completions && fresh->curcid == snapshots.registered->curcid)
		{
			snapshots.stale = false;
			return snapshots.registered;
		}
	}

	copy = RegisterSnapshotOnOwner(fresh, owner);
	if (snapshots.registered != NULL)
		UnregisterSnapshotFromOwner(snapshots.registered, owner);
	snapshots.registered = copy;
	snapshots.completions = completions;
	snapshots.stale = false;
	return copy;
}

void
pgfirst_snapshot_renew(void)
{
	snapshots.stale = true;
}

/* The owner has let go of it, or will. */
void
pgfirst_snapshot_forget(void)
{
	snapshots.registered = NULL;
}
