/* SPDX-License-Identifier: PostgreSQL
 *
 * session.c: what a client has told us so far; see session.h.
 */
#include "postgres.h"

#include "port/atomics.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/shmem.h"
#include "kv/cmd/pubsub.h"
#include "kv/cmd/roster.h"
#include "kv/cmd/session.h"
#include "kv/cmd/stats.h"

KvSessions kv_sessions = {.list = DLIST_STATIC_INIT(kv_sessions.list)};

void
kv_session_begin(KvSession *session, RespAllocator allocator)
{
	memset(session, 0, sizeof(*session));
	session->id = kv_stats_next_client_id();
	session->role = InvalidOid;
	session->tenant_set = -1;
	session->created_us = session->active_us = pgfirst_clock_monotonic_us();
	pgfirst_resp_buffer_init(&session->reply, allocator, 2);
	pgfirst_resp_buffer_init(&session->tail, allocator, 2);
	dlist_push_tail(&kv_sessions.list, &session->link);
	kv_sessions.count++;
	dlist_init(&session->subscriptions[false]);
	dlist_init(&session->subscriptions[true]);
}

void
kv_session_end(KvSession *session)
{
	kv_roster_leave(session);
	dlist_delete(&session->link);
	kv_sessions.count--;
	kv_sessions.killed -= session->killed;
	kv_sessions.unblocked -= session->unblocked != KV_UNBLOCKED_NOT;
	kv_pubsub_forget(session);
	kv_session_drop_slices(session);
	kv_session_drop_script_key(session);
	kv_multi_forget(session);
	(void) kv_session_set_text(session, &session->name, NULL, 0);
	(void) kv_session_set_text(session, &session->library_name, NULL, 0);
	(void) kv_session_set_text(session, &session->library_version, NULL, 0);
	pgfirst_resp_buffer_free(&session->reply);
	pgfirst_resp_buffer_free(&session->tail);
}

void
kv_session_drop_slices(KvSession *session)
{
	kv_session_drop_listing(session);
	kv_session_drop_reading(session);
	kv_session_drop_xread(session);
}

void
kv_session_hand_over(KvSession *session, RespBuffer *end)
{
	Assert(session->tail.length == 0 && session->reply.length > 0);
	session->tail.data = end->data;
	session->tail.length = end->length;
	session->tail.capacity = end->capacity;
	end->data = NULL;
	end->length = end->capacity = 0;
}

void
kv_session_take_back(KvSession *session, Size start)
{
	session->reply.length = start;
	pgfirst_resp_buffer_free(&session->tail);
}

void
kv_session_log_out(KvSession *session)
{
	session->role = InvalidOid;
	session->granted = 0;
	session->usage = false;
	session->levels = 0;
	session->tenant = 0;
	session->tenant_set = -1;
}

void
kv_session_reset(KvSession *session)
{
	kv_multi_forget(session);
	kv_pubsub_forget(session);
	kv_session_log_out(session);
	session->database = 0;
	session->reply.protocol = 2;
	session->reply_off = session->reply_skip_next = false;
	session->no_evict = session->no_touch = false;
	(void) kv_session_set_text(session, &session->name, NULL, 0);
}

void
kv_session_kill(KvSession *session)
{
	if (session->killed)
		return;
	session->killed = session->close = true;
	kv_sessions.killed++;
}

bool
kv_session_end_wait(KvSession *session, bool error)
{
	if (!session->waits || session->unblocked != KV_UNBLOCKED_NOT)
		return false;
	kv_sessions.unblocked++;
	session->unblocked = error ? KV_UNBLOCKED_ERROR : KV_UNBLOCKED_TIMEOUT;
	return true;
}

bool
kv_session_unblock(uint64 id, uint32 tenant, bool error)
{
	dlist_iter iterator;

	dlist_foreach (iterator, &kv_sessions.list)
	{
		KvSession *session = dlist_container(KvSession, link, iterator.cur);

		if (session->id == id && session->tenant == tenant)
			return kv_session_end_wait(session, error);
	}
	return false;
}

bool
kv_session_silent(KvSession *session)
{
	bool silent = session->reply_off || session->reply_skip;

	session->reply_skip = session->reply_skip_next;
	session->reply_skip_next = false;
	return silent;
}

bool
kv_session_set_text(KvSession *session, char **where, const char *words, Size length)
{
	const RespAllocator *allocator = &session->reply.allocator;
	char *copy = NULL;

	if (words && length > 0)
	{
		copy = allocator->resize(allocator->context, NULL, length + 1);
		if (!copy)
			return false;
		memcpy(copy, words, length);
		copy[length] = '\0';
	}
	if (*where)
		allocator->resize(allocator->context, *where, 0);
	*where = copy;
	session->renamed = true;
	return true;
}
