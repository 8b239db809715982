/* SPDX-License-Identifier: PostgreSQL
 *
 * reading.c: answers of what a collection holds, in slices where that is very much; see reading.h.
 *
 * What is kept is the head of the reply (of how many there are) and what comes behind it, which in the end is handed
 * over to the session without being copied.
 *
 * Rejected: to try for ever, or so many times (a million elements take half a second each time, in which nobody else is
 * served); to answer with what was read last (it may be of two moments, and have other elements than its head counts).
 */
#include "postgres.h"

#include "base/clock.h"
#include "kv/cmd/listing.h"
#include "kv/cmd/reading.h"
#include "kv/settings.h"

#define BEGIN_MAX        8  /* before all is read in one go */
#define LOOK             64 /* elements between two looks at the clock */
#define READING_HEAD     32 /* bytes of the head of a reply at most */
#define READING_SLICE_US 2000
#define READ_AGAIN_US    ((int64) 20 * 1000) /* from when on it locks what it reads */

/* What is read, and where it goes on. */
typedef struct ReadingPlace
{
	uint64 incarnation; /* 0: inline */
	uint64 revision;
	KvReadingAt at;
} ReadingPlace;

typedef struct KvReading
{
	uint64 command; /* the client's number of commands: the same one goes on */
	ReadingPlace place;
	int begun; /* times that it was begun */
	char head[READING_HEAD];
	Size head_length;
	RespBuffer found; /* to go behind the head */

	/* Of the slice under way. */
	Size start;        /* in the reply of the call */
	Size head_end;     /* likewise, 0: nothing was asked about an element yet */
	int64 deadline_us; /* 0: there is no other slice */
	uint64 elements;
	bool resumes; /* there was a slice before */
	bool goes_on; /* and what it has read is as it was */
	bool paused;
} KvReading;

void
kv_session_drop_reading(KvSession *session)
{
	KvReading *reading = session->reading;

	session->reading = NULL;
	if (!reading)
		return;
	pgfirst_resp_buffer_free(&reading->found);
	session->reply.allocator.resize(session->reply.allocator.context, reading, 0);
}

/* ---- for who reads --------------------------------------------------------------------------- */

bool
kv_reading_resume(KvCall *call, uint64 incarnation, uint64 revision, KvReadingAt *at)
{
	KvReading *reading = call->reading;

	reading->goes_on = reading->resumes && incarnation == reading->place.incarnation &&
	                   revision == reading->place.revision;
	if (reading->goes_on)
	{
		*at = reading->place.at;
		call->reply = &reading->found;
		return true;
	}
	reading->place = (ReadingPlace){.incarnation = incarnation, .revision = revision};
	return false;
}

bool
kv_reading_pause(KvCall *call, const KvReadingAt *at)
{
	KvReading *reading = call->reading;

	if (reading->elements == 0 && !reading->goes_on)
		reading->head_end = call->reply->length;
	/* One at least, or a slow machine would never get on. */
	if (reading->elements++ % LOOK != LOOK - 1 || reading->deadline_us == 0 ||
	    reading->place.incarnation == 0 || pgfirst_clock_monotonic_us() < reading->deadline_us)
		return false;
	reading->place.at = *at;
	reading->paused = true;
	return true;
}

bool
kv_reading_head(KvCall *call, void (*header)(RespBuffer *, size_t), size_t count)
{
	KvReading *reading = call->reading;
	RespBuffer *found = &reading->found;
	Size end = found->length;

	if (!reading->goes_on)
		return false;
	header(found, count);
	if (found->failed)
		return true;
	reading->head_length = found->length - end;
	Assert(reading->head_length <= READING_HEAD);
	memcpy(reading->head, found->data + end, reading->head_length);
	found->length = end;
	return true;
}

/* ---- slices ---------------------------------------------------------------------------------- */

/* One that is to go on, or NULL. */
static KvReading *
reading_kept(KvCall *call)
{
	KvReading *reading = call->session->reading;

	if (!reading || call->atomic || reading->command != call->session->commands)
		return NULL;
	return reading;
}

/* Calls `read` until it has read all as of one moment; false if others write too fast for that. */
static bool
reading_slice(KvCall *call, KvReading *reading, bool resumes, void (*read)(KvCall *call))
{
	RespBuffer *reply = call->reply;
	Size found = reading->found.length;
	ReadingPlace place = reading->place;
	int64 now_us = pgfirst_clock_monotonic_us();
	int64 again_until_us = now_us + READ_AGAIN_US;
	bool same;

	reading->resumes = resumes;
	reading->start = reply->length;
	reading->deadline_us = call->atomic || call->locks_reads || kv_reading_insists(call)
	                           ? 0
	                           : now_us + READING_SLICE_US;
	call->reading = reading;
	call->looked_up = resumes || kv_reading_insists(call);
	do
	{
		reply->length = reading->start;
		reading->found.length = found;
		reading->place = place;
		reading->elements = 0;
		reading->paused = false;
		reading->goes_on = false;
		call->reply = reply;
		pgfirst_store_together_begin(call->space->store);
		read(call);
		call->looked_up = true;
		/* Nobody changes what is locked. */
		same = pgfirst_store_together_end() || call->locks_reads || call->reply->failed;
	} while (!same && pgfirst_clock_monotonic_us() < again_until_us);
	(void) kv_scratch();
	return same;
}

bool
kv_reading_insists(const KvCall *call)
{
	return call->session->insists == call->session->commands + 1;
}

/*
 * It is called again, with locks.  Where there are none it tries for as long as others wait for one, once a turn, and then
 * cannot be answered.
 */
static KvOutcome
reading_in_vain(KvCall *call, Size start)
{
	KvSession *session = call->session;
	int64 now_us = pgfirst_clock_monotonic_us();

	kv_session_drop_reading(session);
	call->reply->length = start;
	if (!call->atomic && !kv_reading_insists(call))
	{
		session->insists = session->commands + 1;
		session->insists_until_us = now_us + (int64) pgfirst_redis_lock_timeout * 1000;
	}
	else if (call->atomic || now_us >= session->insists_until_us)
	{
		kv_reply_error(call, "TRYAGAIN What is read changes too fast to be read as of one moment");
		return KV_DONE;
	}
	return call->read_only ? KV_PARK_SLICE : KV_PARK_TURN;
}

/* Keeps what a first slice has written; false without memory. */
static bool
reading_keep(KvCall *call, KvReading *reading)
{
	KvSession *session = call->session;
	RespAllocator allocator = session->reply.allocator;
	RespBuffer *reply = call->reply;
	KvReading *kept = session->reading;

	if (kept != reading)
	{
		kv_session_drop_reading(session);
		kept = allocator.resize(allocator.context, NULL, sizeof(KvReading));
		if (!kept)
			return false;
		*kept = *reading;
		pgfirst_resp_buffer_init(&kept->found, allocator, reply->protocol);
		session->reading = kept;
	}
	kept->command = session->commands;
	kept->begun++;
	kept->head_length = reading->head_end - reading->start;
	Assert(kept->head_length <= READING_HEAD);
	memcpy(kept->head, reply->data + reading->start, kept->head_length);
	kept->found.length = 0;
	pgfirst_resp_write_raw(&kept->found, reply->data + reading->head_end,
	                       reply->length - reading->head_end);
	return !kept->found.failed;
}

/* What was found becomes the end of the reply. */
static void
reading_end(KvCall *call, KvReading *reading)
{
	pgfirst_resp_write_raw(call->reply, reading->head, reading->head_length);
	kv_session_hand_over(call->session, &reading->found);
	kv_slices_note_position(call);
}

KvOutcome
kv_reply_together(KvCall *call, void (*read)(KvCall *call))
{
	KvReading fresh = {.begun = 0};
	KvReading *kept = reading_kept(call);
	KvReading *reading = kept ? kept : &fresh;
	bool goes_on = kept || (call->read_only && kv_reading_insists(call));
	RespBuffer *reply = call->reply;
	Size start = reply->length;
	bool same, went_on, good;

	if (goes_on && (*call->sliced || pgfirst_store_changed()))
		return KV_PARK_SLICE;
	if (kept && kept->begun >= BEGIN_MAX)
		return reading_in_vain(call, start);
	*call->sliced |= goes_on;
	same = reading_slice(call, reading, kept != NULL, read);
	went_on = reading->goes_on;
	good = !reading->found.failed;
	call->reply = reply;
	call->reading = NULL;
	if (!same)
		return reading_in_vain(call, start);
	call->session->insists = 0;
	if (good && reading->paused)
	{
		/* What a slice sees must not be undone before the next one. */
		if (pgfirst_store_changed())
			kv_session_drop_reading(call->session);
		else
			good = went_on || reading_keep(call, reading);
		if (good)
			return KV_PARK_SLICE;
	}
	if (good && went_on)
		reading_end(call, reading);
	kv_session_drop_reading(call->session);
	if (!good)
	{
		/* Of what the slice has written nobody is told. */
		reply->length = start;
		kv_reply_no_memory(call);
	}
	return KV_DONE;
}
