/* SPDX-License-Identifier: PostgreSQL
 *
 * xact.c: the one set of transaction callbacks; see xact.h for the order and its rules.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "utils/resowner.h"

#include "base/xact.h"

static struct
{
	const PgfirstXactHooks *hooks[PGFIRST_XACT_MODULES];

	/*
	 * XactLastCommitEnd before this commit.  A transaction that writes nothing leaves the
	 * variable as it was, so only a change says that there is one.
	 */
	XLogRecPtr last_commit_end;

	XLogRecPtr end;   /* of what the last transaction wrote */
	bool asks;        /* somebody else is asked to flush it */
	bool sub_aborted; /* a savepoint is being rolled back; its locks are still held */
} xact;

/* A hook of every module, first to last or last to first. */
#define FORWARD(hook)                                                                              \
	for (int i = 0; i < PGFIRST_XACT_MODULES; i++)                                                 \
		if (xact.hooks[i] && xact.hooks[i]->hook)                                                  \
	xact.hooks[i]->hook
#define BACKWARD(hook)                                                                             \
	for (int i = PGFIRST_XACT_MODULES - 1; i >= 0; i--)                                            \
		if (xact.hooks[i] && xact.hooks[i]->hook)                                                  \
	xact.hooks[i]->hook

static void
xact_refuse_prepare(void)
{
	for (int i = 0; i < PGFIRST_XACT_MODULES; i++)
		if (xact.hooks[i] && xact.hooks[i]->dirty && xact.hooks[i]->dirty())
			ereport(ERROR,
			        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			         errmsg("cannot PREPARE a transaction that holds %s", xact.hooks[i]->name),
			         errdetail("They are kept in the memory of this session until it commits."),
			         errhint("Commit the transaction in one phase.")));
}

static void
xact_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			FORWARD(pre_commit)();
			xact.last_commit_end = XactLastCommitEnd;
			xact.end = InvalidXLogRecPtr;
			/* To PostgreSQL it looks like a transaction that has only read. */
			if (xact.asks && !TransactionIdIsValid(GetTopTransactionIdIfAny()))
			{
				xact.end = XactLastRecEnd;
				XactLastRecEnd = InvalidXLogRecPtr;
			}
			break;
		case XACT_EVENT_COMMIT:
			if (XactLastCommitEnd != xact.last_commit_end)
				xact.end = XactLastCommitEnd;
			xact.asks = false;
			BACKWARD(commit)(xact.end);
			break;
		case XACT_EVENT_ABORT:
			xact.asks = false;
			BACKWARD(abort)();
			break;
		case XACT_EVENT_PRE_PREPARE:
			xact_refuse_prepare();
			break;
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			break;
	}
}

static void
xact_sub_event(SubXactEvent event, SubTransactionId child, SubTransactionId parent, void *arg)
{
	switch (event)
	{
		case SUBXACT_EVENT_START_SUB:
			FORWARD(sub_start)(child, parent);
			break;
		case SUBXACT_EVENT_COMMIT_SUB:
			BACKWARD(sub_commit)(child, parent);
			break;
		case SUBXACT_EVENT_ABORT_SUB:
			BACKWARD(sub_abort)(child, parent);
			xact.sub_aborted = true;
			break;
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			break;
	}
}

static void
xact_resources_released(ResourceReleasePhase phase, bool commits, bool top_level, void *arg)
{
	/* Other owners, of portals for one, come here too, and have held no locks of ours. */
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !(top_level || (xact.sub_aborted && !commits)))
		return;
	xact.sub_aborted = false;
	if (top_level)
	{
		FORWARD(released)();
	}
	else
	{
		FORWARD(sub_released)();
	}
}

void
pgfirst_xact_asks_for_flush(void)
{
	xact.asks = true;
}

XLogRecPtr
pgfirst_xact_position(void)
{
	return xact.end;
}

void
pgfirst_xact_register(PgfirstXactOrder order, const PgfirstXactHooks *hooks)
{
	Assert(xact.hooks[order] == NULL);
	xact.hooks[order] = hooks;
}

void
pgfirst_xact_init(void)
{
	RegisterXactCallback(xact_event, NULL);
	RegisterSubXactCallback(xact_sub_event, NULL);
	RegisterResourceReleaseCallback(xact_resources_released, NULL);
}
