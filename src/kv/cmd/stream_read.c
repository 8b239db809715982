/* SPDX-License-Identifier: PostgreSQL
 *
 * stream_read.c: commands that read the entries of streams, and wait for them.
 *
 * Who waits for entries takes none away, so all who wait for a key are called when it gets one (waits.h).  "$" is
 * the last id at the moment when XREAD comes, which the session remembers for as long as it waits.
 *
 * On a standby nobody tells of what recovery brings, so there XREAD looks again and again.
 */
#include "postgres.h"

#include "base/clock.h"
#include "kv/cmd/blocking.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/listing.h"
#include "kv/cmd/reading.h"
#include "kv/cmd/stream.h"
#include "kv/cmd/value.h"
#include "kv/type/packed.h"
#include "lib/number/number.h"

#define STANDBY_LOOK_US 100000

/* ---- replies --------------------------------------------------------------------------------- */

void
kv_reply_enclose(KvCall *call, Size start, void (*header)(RespBuffer *, size_t), size_t count)
{
	RespBuffer *reply = call->reply;
	Size end = reply->length;
	char bytes[32];
	Size length;

	header(reply, count);
	if (reply->failed)
		return;
	length = reply->length - end;
	memcpy(bytes, reply->data + end, length);
	memmove(reply->data + start + length, reply->data + start, end - start);
	memcpy(reply->data + start, bytes, length);
}

void
kv_reply_stream_entry(KvCall *call, RespSlice entry)
{
	RespSlice pairs = kv_stream_entry_pairs(entry);
	size_t strings = 0;
	KvPacked pair;

	for (Size at = 0; kv_packed_next(pairs.data, pairs.length, at, &pair); at = pair.end)
		strings += 2;
	pgfirst_resp_write_array(call->reply, 2);
	kv_reply_stream_id(call, kv_stream_entry_id(entry));
	pgfirst_resp_write_array(call->reply, strings);
	for (Size at = 0; kv_packed_next(pairs.data, pairs.length, at, &pair); at = pair.end)
	{
		kv_reply_slice(call, pair.member);
		kv_reply_slice(call, pair.value);
	}
}

uint64
kv_reply_stream_range(KvCall *call, KvStream *stream, KvStreamId from, KvStreamId to, bool back,
                      uint64 most)
{
	Size start = call->reply->length;
	uint64 count = 0;
	KvStreamWalk walk;
	RespSlice entry;

	if (kv_stream_count(stream) > 0 && kv_stream_id_compare(from, to) <= 0)
	{
		kv_stream_walk(stream, from, to, back, &walk);
		for (; count < most && !call->reply->failed && kv_stream_next(&walk, &entry); count++)
			kv_reply_stream_entry(call, entry);
		kv_stream_walk_end(&walk);
	}
	kv_reply_enclose(call, start, pgfirst_resp_write_array, count);
	return count;
}

/* ---- XRANGE ---------------------------------------------------------------------------------- */

/* An end of a range at argument i; answers and returns false if it is none. */
static bool
argument_bound(KvCall *call, int i, bool start, KvStreamId *id)
{
	KvStreamBound bound = kv_stream_bound_parse(kv_argument(call, i), start, id);

	if (bound == KV_STREAM_BOUND_WRONG)
		kv_reply_stream_id_wrong(call);
	else if (bound == KV_STREAM_BOUND_BEYOND)
		kv_reply_error(call, "ERR invalid %s ID for the interval", start ? "start" : "end");
	return bound == KV_STREAM_BOUND;
}

/* COUNT; -1: not given. */
static bool
range_options(KvCall *call, int64 *count)
{
	*count = -1;
	for (int i = 4; i < call->argc; i += 2)
	{
		if (i + 1 == call->argc || !kv_argument_is(call, i, "COUNT"))
		{
			kv_reply_syntax(call);
			return false;
		}
		if (!kv_argument_integer(call, i + 1, count))
			return false;
		*count = Max(*count, 0);
	}
	return true;
}

/* The same in slices, for kv_reply_together(). */
static void
write_range(KvCall *call, KvStream *stream, KvStreamId from, KvStreamId to, bool back, uint64 most)
{
	const KvRoot *root = &stream->at.root;
	Size start = call->reply->length;
	KvReadingAt at = {.left = most};
	KvStreamWalk walk;
	RespSlice entry;
	bool pauses = false;

	if (kv_stream_count(stream) == 0 || kv_stream_id_compare(from, to) > 0)
	{
		pgfirst_resp_write_array(call->reply, 0);
		return;
	}
	if (kv_reading_resume(call, root->incarnation, root->revision, &at))
		kv_stream_walk_at(stream, from, to, back, at.place, &walk);
	else
		kv_stream_walk(stream, from, to, back, &walk);
	while (at.left > 0 && !call->reply->failed && kv_stream_next(&walk, &entry))
	{
		at.place = walk.place;
		pauses = kv_reading_pause(call, &at);
		if (pauses)
			break;
		kv_reply_stream_entry(call, entry);
		at.left--;
		at.found++;
	}
	kv_stream_walk_end(&walk);
	if (!pauses && !kv_reading_head(call, pgfirst_resp_write_array, at.found))
		kv_reply_enclose(call, start, pgfirst_resp_write_array, at.found);
}

static void
read_range(KvCall *call, bool back)
{
	KvStreamId from, to;
	KvStream stream;
	int64 count;

	if (!argument_bound(call, back ? 3 : 2, true, &from) ||
	    !argument_bound(call, back ? 2 : 3, false, &to) || !range_options(call, &count) ||
	    !kv_stream_of(call, 1, &stream))
		return;
	kv_count_lookup(call, stream.there);
	if (stream.there && count == 0)
		pgfirst_resp_write_null_array(call->reply);
	else
		write_range(call, &stream, from, to, back, count < 0 ? PG_UINT64_MAX : (uint64) count);
}

static void
read_xrange(KvCall *call)
{
	read_range(call, false);
}

static void
read_xrevrange(KvCall *call)
{
	read_range(call, true);
}

/* XRANGE key start end [COUNT count] */
KvOutcome
kv_cmd_xrange(KvCall *call)
{
	return kv_reply_together(call, read_xrange);
}

/* XREVRANGE key end start [COUNT count] */
KvOutcome
kv_cmd_xrevrange(KvCall *call)
{
	return kv_reply_together(call, read_xrevrange);
}

/* ---- XREAD ----------------------------------------------------------------------------------- */

/* Where an XREAD that waits has begun, for one of its streams; those of "$" are looked at. */
typedef struct KvXread
{
	KvStreamId after;
} KvXread;

/* The XREAD under way. */
static struct
{
	uint64 most;
	bool begins; /* "$" is the last id of now */
	bool waits;
	int64 timeout_us;
	int streams; /* the argument that is the first key */
	int count;
} xread;

void
kv_session_drop_xread(KvSession *session)
{
	if (session->xread)
		session->reply.allocator.resize(session->reply.allocator.context, session->xread, 0);
	session->xread = NULL;
}

/* Not in a script, which has a reply of its own; answers then. */
static bool
may_wait(KvCall *call)
{
	RespSlice name = kv_argument(call, 0);

	if (call->reply == &call->session->reply)
		return true;
	kv_reply_error(call, "ERR %.*s command is not allowed with BLOCK option from scripts",
	               (int) name.length, name.data);
	return false;
}

/* Milliseconds at argument i, in microseconds. */
static bool
argument_timeout(KvCall *call, int i, int64 *timeout_us)
{
	RespSlice argument = kv_argument(call, i);
	int64 timeout_ms;

	if (!pgfirst_int64_parse(argument.data, argument.length, &timeout_ms))
		kv_reply_error(call, "ERR timeout is not an integer or out of range");
	else if (timeout_ms < 0)
		kv_reply_error(call, "ERR timeout is negative");
	else if (timeout_ms > PG_INT64_MAX - call->now_ms)
		kv_reply_error(call, "ERR timeout is out of range");
	else
	{
		*timeout_us = Min(timeout_ms, PG_INT64_MAX / 4000) * 1000;
		return true;
	}
	return false;
}

/* What stands where an option is expected, and is none. */
static void
reply_no_option(KvCall *call, int i)
{
	if (i + 2 < call->argc && kv_argument_is(call, i, "GROUP"))
		kv_reply_error(call,
		               "ERR The GROUP option is only supported by XREADGROUP. You called XREAD "
		               "instead.");
	else if (kv_argument_is(call, i, "NOACK"))
		kv_reply_error(call,
		               "ERR The NOACK option is only supported by XREADGROUP. You called XREAD "
		               "instead.");
	else
		kv_reply_syntax(call);
}

/* Answers and returns false if something is wrong. */
static bool
xread_options(KvCall *call)
{
	int64 count = 0;
	int i;

	xread.waits = false;
	for (i = 1; i + 1 < call->argc && !kv_argument_is(call, i, "STREAMS"); i += 2)
	{
		if (kv_argument_is(call, i, "BLOCK"))
		{
			xread.waits = true;
			if (!may_wait(call) || !argument_timeout(call, i + 1, &xread.timeout_us))
				return false;
		}
		else if (!kv_argument_is(call, i, "COUNT"))
		{
			reply_no_option(call, i);
			return false;
		}
		else if (!kv_argument_integer(call, i + 1, &count))
			return false;
	}
	if (i + 1 >= call->argc)
	{
		reply_no_option(call, Min(i, call->argc - 1));
		return false;
	}
	xread.most = count <= 0 ? PG_UINT64_MAX : (uint64) count;
	xread.streams = i + 1;
	xread.count = (call->argc - xread.streams) / 2;
	if ((call->argc - xread.streams) % 2 == 0)
		return true;
	kv_reply_error(call,
	               "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must "
	               "be specified.");
	return false;
}

/*
 * Makes room for what "$" is, if it is there; answers and returns false if there is none.  What another XREAD of the same
 * EXEC or script has remembered is of other streams.
 */
static bool
xread_remember(KvCall *call)
{
	KvSession *session = call->session;
	RespAllocator allocator = session->reply.allocator;
	bool last = false;

	if (!kv_has_waited(call))
		kv_session_drop_xread(session);
	xread.begins = session->xread == NULL;
	for (int i = 0; i < xread.count && !last; i++)
		last = kv_argument_is(call, xread.streams + xread.count + i, "$");
	if (!last || !xread.begins)
		return true;
	session->xread =
	    allocator.resize(allocator.context, NULL, (Size) xread.count * sizeof(KvXread));
	if (!session->xread)
		kv_reply_no_memory(call);
	return session->xread != NULL;
}

/* The id behind which stream i is read; answers and returns false if it is none. */
static bool
xread_after(KvCall *call, int i, const KvStream *stream, KvStreamId *after)
{
	int id = xread.streams + xread.count + i;

	if (kv_argument_is(call, id, "$"))
	{
		if (xread.begins)
			call->session->xread[i].after = stream->at.head.last;
		*after = call->session->xread[i].after;
		return true;
	}
	if (!kv_argument_is(call, id, ">"))
		return kv_argument_stream_id(call, id, after);
	kv_reply_error(call,
	               "ERR The > ID can be specified only when calling XREADGROUP using the GROUP "
	               "<group> <consumer> option.");
	return false;
}

/* Opens stream i.  Who has waited already does not mind what a key has become. */
static bool
xread_open(KvCall *call, int i, KvStream *stream)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	RespSlice key = kv_argument(call, xread.streams + i);
	bool fits = kv_stream_open(call->space, key, call->now_ms, stream);

	MemoryContextSwitchTo(old);
	if (fits)
		return true;
	if (!kv_has_waited(call))
	{
		kv_reply_wrong_type(call);
		return false;
	}
	kv_stream_new(call->space, key, stream);
	return true;
}

/* Writes what there is, or an error; or nothing. */
static void
read_xread(KvCall *call)
{
	RespBuffer *reply = call->reply;
	Size start = reply->length;
	size_t found = 0;

	for (int i = 0; i < xread.count && !reply->failed; i++)
	{
		Size before = reply->length;
		KvStreamId after;
		KvStream stream;

		if (!xread_open(call, i, &stream) || !xread_after(call, i, &stream, &after))
		{
			/* Instead of everything else. */
			memmove(reply->data + start, reply->data + before, reply->length - before);
			reply->length -= before - start;
			return;
		}
		kv_count_lookup(call, stream.there);
		if (kv_stream_id_compare(after, stream.at.head.last) >= 0 || !kv_stream_id_next(&after))
			continue;
		if (reply->protocol != 3)
			pgfirst_resp_write_array(reply, 2);
		kv_reply_slice(call, kv_argument(call, xread.streams + i));
		if (kv_reply_stream_range(call, &stream, after, KV_STREAM_ID_MAX, false, xread.most) > 0)
			found++;
		else
			reply->length = before;
	}
	if (found > 0)
		kv_reply_enclose(call, start,
		                 reply->protocol == 3 ? pgfirst_resp_write_map : pgfirst_resp_write_array,
		                 found);
}

/* Nothing is there. */
static KvOutcome
xread_wait(KvCall *call)
{
	KvOutcome outcome;

	if (!xread.waits)
	{
		pgfirst_resp_write_null_array(call->reply);
		return KV_DONE;
	}
	outcome = kv_wait_for_keys(call, KV_TYPE_STREAM, xread.streams, xread.streams + xread.count - 1,
	                           xread.timeout_us, true);
	if (outcome == KV_PARK_NEWS && call->read_only)
		call->session->call_again_us =
		    Min(call->session->call_again_us, pgfirst_clock_monotonic_us() + STANDBY_LOOK_US);
	return outcome;
}

/* XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...] */
KvOutcome
kv_cmd_xread(KvCall *call)
{
	Size start = call->reply->length;
	KvOutcome outcome;

	if (!xread_options(call))
		return KV_DONE;
	if (!xread_remember(call))
		return KV_DONE;
	if (kv_waits_no_longer(call))
		return xread_wait(call);
	outcome = kv_reply_together(call, read_xread);
	if (outcome != KV_DONE || call->reply->length > start || call->reply->failed)
		return outcome;
	return xread_wait(call);
}
