/* SPDX-License-Identifier: PostgreSQL
 *
 * client.c: a connection of the Redis door; see client.h.
 *
 * Memory.  A client that says nothing costs its struct: buffers come with the first byte and go
 * when they are empty; see buffers.h.  Nothing is allocated for what a client only announces.  A client whose
 * replies are not read stops being served at OUTPUT_FULL, and one whose unread replies are more than
 * pgfirst.redis_client_output_limit, which a single large one can be, is disconnected; a subscriber at
 * pgfirst.redis_pubsub_output_limit.
 *
 * A reply that is too large to be copied comes as the tail of the buffer (session.h).  When all before it has
 * left, the tail becomes the buffer.
 *
 * Time.  What one client sends or is sent at a time is bounded too (AT_ONCE), because over loopback
 * the other side may be as quick as we are and keep us busy with half a gigabyte.
 *
 * Sockets that are only read are watched edge-triggered: epoll tells once that something has come, and does not look
 * again, before each wait, whether there is more of it; that was 6 % of what a PING costs.  What is left unread then is
 * asked for by telling epoll of the socket anew, which makes it look.  All others are watched level-triggered: of these
 * something may be left on purpose, what is sent AT_ONCE is not all that the socket takes, and TLS has buffers of its own.
 */
#include "postgres.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/flush.h"
#include "kv/cmd/pubsub.h"
#include "kv/cmd/roster.h"
#include "kv/cmd/stats.h"
#include "kv/net/buffers.h"
#include "kv/net/client.h"
#include "kv/net/tls.h"
#include "kv/net/waits.h"
#include "kv/settings.h"
#include "store/store.h"

#define INPUT_ENOUGH ((Size) 64 * 1024)        /* of complete commands, to stop reading more */
#define INPUT_STEP   ((Size) 16 * 1024 * 1024) /* the most a buffer grows at once */
#define INPUT_LARGE  ((Size) 1024 * 1024)
#define OUTPUT_FULL  ((Size) 1024 * 1024)
#define AT_ONCE      ((Size) 2 * 1024 * 1024) /* received or sent before others have their turn */
#define OUTPUT_KEEP  ((Size) 16 * 1024)       /* a drained buffer up to this size stays */
#define MANY_CLIENTS 1000                     /* from here on no drained buffer stays */

#define ARGUMENTS_MANY 1024

KvClients kv_clients;

/* ---- all of them -------------------------------------------------------------------------- */

/* The first is the one whose time is up first. */
static int
deadline_compare(const pairingheap_node *a, const pairingheap_node *b, void *context)
{
	int64 first = pairingheap_const_container(KvClient, deadline_node, a)->parked_deadline;
	int64 second = pairingheap_const_container(KvClient, deadline_node, b)->parked_deadline;

	return first < second ? 1 : first > second ? -1 : 0;
}

void
kv_clients_begin(int epoll)
{
	memset(&kv_clients, 0, sizeof(kv_clients));
	kv_clients.epoll = epoll;
	for (int i = 0; i < KV_CLIENT_STATES; i++)
		dlist_init(&kv_clients.states[i]);
	dlist_init(&kv_clients.gated);
	dlist_init(&kv_clients.touched);
	kv_clients.deadlines = pairingheap_allocate(deadline_compare, NULL);
	kv_clients.context =
	    AllocSetContextCreate(TopMemoryContext, "pgfirst redis clients", ALLOCSET_DEFAULT_SIZES);
}

void
kv_clients_publish(void)
{
	kv_stats_add(&kv_stats->client_memory,
	             (int64) kv_clients.memory - (int64) kv_clients.memory_published);
	kv_clients.memory_published = kv_clients.memory;
}

/* ---- coming and going -------------------------------------------------------------------- */

static void
client_watch(KvClient *client, uint32 interest)
{
	struct epoll_event event = {.events = interest, .data.ptr = client};
	int operation = client->interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	/* Errors and hang-ups are always reported; the bit keeps "no interest" apart from "not added". */
	event.events |= EPOLLERR;
	if (interest == EPOLLIN && !client->tls)
		event.events |= EPOLLET | EPOLLRDHUP | EPOLLPRI;
	if (client->interest == event.events && !client->unread)
		return;
	client->unread = false;
	if (epoll_ctl(kv_clients.epoll, operation, client->fd, &event) != 0)
		client->broken = true;
	client->interest = event.events;
}

KvClient *
kv_client_open(int fd, KvClientKind kind, const char *address, const char *local_address)
{
	KvClient *client = MemoryContextAllocExtended(kv_clients.context, sizeof(KvClient),
	                                              MCXT_ALLOC_ZERO | MCXT_ALLOC_NO_OOM);
	RespAllocator client_memory = {.resize = kv_buffers_resize, .context = client};

	if (!client)
		return NULL;
	if (kind != KV_CLIENT_PLAIN && !kv_tls_open(client, kind == KV_CLIENT_TLS))
	{
		pfree(client);
		return NULL;
	}
	kv_session_begin(&client->session, client_memory);
	client->fd = client->session.fd = fd;
	strlcpy(client->session.address, address, KV_ADDRESS_TEXT);
	strlcpy(client->session.local_address, local_address, KV_ADDRESS_TEXT);
	pgfirst_resp_parser_init(&client->parser, client_memory, (RespLimits){0});
	client->state = KV_CLIENT_IDLE;
	dlist_push_tail(&kv_clients.states[KV_CLIENT_IDLE], &client->state_link);
	client_watch(client, EPOLLIN);
	client->broken |= !kv_roster_join(&client->session);
	if (client->broken)
		kv_client_touch(client);
	kv_stats_add(&kv_stats->connections_received, 1);
	kv_stats_add(&kv_stats->connected_clients, 1);
	return client;
}

static void
client_enter_parking(KvClient *client)
{
	pairingheap_add(kv_clients.deadlines, &client->deadline_node);
	client->parked_as = client->waits && client->parked_for == KV_PARK_NEWS
	                        ? KV_PARK_KEYS
	                        : (int) client->parked_for;
	kv_clients.parked[client->parked_as]++;
}

static void
client_leave_parking(KvClient *client)
{
	pairingheap_remove(kv_clients.deadlines, &client->deadline_node);
	kv_clients.parked[client->parked_as]--;
}

static void
client_ungate(KvClient *client)
{
	if (client->gated)
		dlist_delete(&client->gated_link);
	client->gated = false;
	client->marks_first = client->marks_end = 0;
}

void
kv_client_free_buffers(KvClient *client)
{
	kv_session_drop_slices(&client->session);
	kv_multi_forget(&client->session);
	kv_pubsub_forget(&client->session);
	pgfirst_resp_buffer_free(&client->session.reply);
	pgfirst_resp_buffer_free(&client->session.tail);
	client->sent = 0;
	pgfirst_resp_parser_free(&client->parser);
	kv_buffers_drop_input(client);
	client->session.input_bytes = 0;
	if (client->tls)
		kv_tls_drop(client);
}

void
kv_client_close(KvClient *client)
{
	if (client->tls)
		kv_tls_close(client);
	client_ungate(client);
	kv_waits_end(client);
	if (client->touched)
		dlist_delete(&client->touched_link);
	kv_client_blocks(client, false);
	if (client->state == KV_CLIENT_PARKED)
		client_leave_parking(client);
	dlist_delete(&client->state_link);
	close(client->fd);
	kv_client_free_buffers(client);
	kv_buffers_resize(client, client->marks, 0);
	kv_session_end(&client->session);
	Assert(client->memory == 0);
	pfree(client);
	kv_stats_add(&kv_stats->connected_clients, -1);
}

void
kv_client_blocks(KvClient *client, bool blocked)
{
	kv_stats_add(&kv_stats->blocked_clients, blocked - client->blocked);
	kv_clients.blocked += blocked - client->blocked;
	client->blocked = blocked;
}

void
kv_client_enter(KvClient *client, KvClientState state)
{
	if (client->state == state)
		return;
	if (client->state == KV_CLIENT_PARKED)
		client_leave_parking(client);
	dlist_delete(&client->state_link);
	dlist_push_tail(&kv_clients.states[state], &client->state_link);
	client->state = state;
	if (state == KV_CLIENT_PARKED)
		client_enter_parking(client);
}

void
kv_client_parked_until(KvClient *client, int64 deadline_us)
{
	pairingheap_remove(kv_clients.deadlines, &client->deadline_node);
	client->parked_deadline = deadline_us;
	pairingheap_add(kv_clients.deadlines, &client->deadline_node);
}

void
kv_clients_take_killed(void)
{
	dlist_iter iterator;

	dlist_foreach (iterator, &kv_sessions.list)
	{
		KvClient *client = dlist_container(KvClient, session.link, iterator.cur);

		if (!client->session.killed)
			continue;
		client->broken = true;
		kv_client_touch(client);
	}
}

/*
 * Whoever takes its replies is not idle, nor who waits for them, nor, as in Redis, who listens.  A client that no
 * command runs for and that takes nothing may be STALLED as well: it goes, too.
 */
static bool
client_is_idle(KvClient *client, int64 now_us)
{
	uint64 sent = client->reply_base + client->sent;

	if (client->sent_seen != sent)
		client->session.active_us = now_us;
	client->sent_seen = sent;
	return (client->state == KV_CLIENT_IDLE || client->state == KV_CLIENT_STALLED) &&
	       !client->gated && client->session.channels + client->session.patterns == 0 &&
	       now_us - client->session.active_us >= (int64) pgfirst_redis_timeout * 1000000;
}

void
kv_clients_take_idle(int64 now_us)
{
	dlist_iter iterator;

	if (pgfirst_redis_timeout == 0)
		return;
	dlist_foreach (iterator, &kv_sessions.list)
	{
		KvClient *client = dlist_container(KvClient, session.link, iterator.cur);

		if (!client_is_idle(client, now_us))
			continue;
		if (client->sent == client->session.reply.length)
			client->session.close = true;
		else
			client->broken = true;
		kv_client_touch(client);
	}
}

void
kv_client_touch(KvClient *client)
{
	if (client->touched)
		return;
	client->touched = true;
	dlist_push_tail(&kv_clients.touched, &client->touched_link);
}

/* ---- input ------------------------------------------------------------------------------- */

/* More than this need not be buffered before some of it has run. */
static Size
input_wanted(const KvClient *client)
{
	return Max(INPUT_ENOUGH, pgfirst_resp_parser_needs(&client->parser));
}

/* Room for at least one byte more; false when memory is full. */
static bool
input_make_room(KvClient *client)
{
	Size used = client->input_end - client->input_start;
	Size capacity = client->input_capacity;
	Size wanted = input_wanted(client);
	char *grown;

	if (client->input_end < capacity)
		return true;
	if (client->input_start > 0)
	{
		memmove(client->input, client->input + client->input_start, used);
		client->input_start = 0;
		client->input_end = used;
		return true;
	}
	/* What the next argument is known to need if it is less, unless that were many small steps. */
	if (capacity == 0)
		capacity = KV_INPUT_START;
	else if (wanted > capacity + capacity / 4 && wanted < capacity + Min(capacity, INPUT_STEP))
		capacity = wanted;
	else
		capacity += Min(capacity, INPUT_STEP);
	grown = client->input ? kv_buffers_resize(client, client->input, capacity)
	                      : kv_buffers_take_input(client);
	if (!grown)
		return false;
	client->input = grown;
	client->input_capacity = capacity;
	return true;
}

/* What is encrypted comes a buffer at a time, which must be read to its end; see tls.h. */
static void
receive_tls(KvClient *client)
{
	Size budget = AT_ONCE;
	bool more = true;

	while (more && budget > 0 && client->input_end - client->input_start < input_wanted(client))
	{
		ssize_t got = kv_tls_filled(client) ? 1 : kv_tls_fill(client);

		if (got <= 0)
		{
			client->peer_closed |= got == 0;
			client->broken |= got < 0 && errno != EAGAIN && errno != EWOULDBLOCK;
			return;
		}
		more = (Size) got == kv_tls_fill_size();
		budget -= Min(budget, (Size) got);
		do
		{
			if (!input_make_room(client))
			{
				kv_buffers_refuse(client);
				return;
			}
			got = kv_tls_read(client, client->input + client->input_end,
			                  client->input_capacity - client->input_end);
			client->input_end += (Size) Max(got, 0);
			kv_stats_add(&kv_stats->input_bytes, Max(got, 0));
		} while (got > 0);
		if (got == 0 || errno != EAGAIN)
		{
			client->peer_closed = true;
			client->broken |= got < 0;
			return;
		}
	}
}

static void
receive_plain(KvClient *client, bool more)
{
	Size budget = AT_ONCE;

	client->unread = true;
	while (!client->broken && budget > 0 &&
	       client->input_end - client->input_start < input_wanted(client))
	{
		ssize_t got;
		Size room;

		if (!input_make_room(client))
		{
			kv_buffers_refuse(client);
			return;
		}
		room = Min(client->input_capacity - client->input_end, budget);
		got = recv(client->fd, client->input + client->input_end, room, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		{
			client->unread = false;
			break;
		}
		if (got <= 0)
		{
			client->peer_closed = true;
			client->broken = got < 0;
			break;
		}
		client->input_end += (Size) got;
		budget -= (Size) got;
		kv_stats_add(&kv_stats->input_bytes, got);
		/* A short read has emptied the socket: asking again would only cost a call. */
		if ((Size) got < room)
		{
			client->unread = more;
			break;
		}
	}
}

void
kv_client_receive(KvClient *client, bool more)
{
	kv_client_touch(client);
	if (unlikely(client->tls))
		receive_tls(client);
	else
		receive_plain(client, more);
	client->session.input_bytes = client->input_end - client->input_start;
	if (client->state == KV_CLIENT_IDLE && client->session.input_bytes > 0)
		kv_client_enter(client, KV_CLIENT_READY);
}

/* What a large command has needed is not kept while a few bytes of the next one are there. */
static void
input_give_back(KvClient *client)
{
	Size used = client->input_end - client->input_start;
	Size enough = Max(input_wanted(client), used) * 2;

	if (!client->input)
		return;
	if (used == 0)
	{
		kv_buffers_drop_input(client);
		pgfirst_resp_parser_reset(&client->parser);
	}
	else if (client->input_capacity > INPUT_LARGE && client->input_capacity / 2 > enough)
	{
		char *less;

		memmove(client->input, client->input + client->input_start, used);
		client->input_start = 0;
		client->input_end = used;
		less = kv_buffers_resize(client, client->input, enough);
		if (less)
		{
			client->input = less;
			client->input_capacity = enough;
		}
	}
}

void
kv_client_consume(KvClient *client, Size bytes)
{
	/* A long list of arguments does not stay because the next command has begun. */
	if (client->parser.argc > ARGUMENTS_MANY)
		pgfirst_resp_parser_reset(&client->parser);
	client->input_start += bytes;
	client->session.input_bytes = client->input_end - client->input_start;
}

/* ---- output ------------------------------------------------------------------------------ */

ssize_t
kv_client_send(KvClient *client, const char *data, Size size)
{
	if (unlikely(client->tls))
		return kv_tls_write(client, data, size);
	return send(client->fd, data, size, MSG_NOSIGNAL);
}

static bool
marks_make_room(KvClient *client)
{
	int count = client->marks_end - client->marks_first;
	int capacity = client->marks_capacity;
	KvMark *grown;

	if (client->marks_end < capacity)
		return true;
	if (client->marks_first > 0 && client->marks_first >= capacity / 2)
	{
		memmove(client->marks, client->marks + client->marks_first, count * sizeof(KvMark));
		client->marks_first = 0;
		client->marks_end = count;
		return true;
	}
	capacity = capacity == 0 ? 4 : capacity * 2;
	grown = kv_buffers_resize(client, client->marks, capacity * sizeof(KvMark));
	if (!grown)
		return false;
	client->marks = grown;
	client->marks_capacity = capacity;
	return true;
}

void
kv_client_gate(KvClient *client, Size start, XLogRecPtr position, XLogRecPtr others, bool durable)
{
	bool has_marks = client->marks_first < client->marks_end;

	if (position == PGFIRST_POSITION_OWN || client->own_replies > 0)
	{
		client->own_replies++;
		client->own_durable |= durable;
		client->own_others = Max(client->own_others, others);
	}
	if (position <= pgfirst_flush_position())
		return;
	if (has_marks && client->marks[client->marks_end - 1].position >= position)
		return;
	if (!marks_make_room(client))
	{
		client->broken = true;
		return;
	}
	client->marks[client->marks_end++] = (KvMark){client->reply_base + start, position};
	if (!client->gated)
		dlist_push_tail(&kv_clients.gated, &client->gated_link);
	client->gated = true;
}

void
kv_client_commit(KvClient *client, XLogRecPtr position)
{
	KvMark *last;

	if (client->own_replies == 0 || client->broken)
		return;
	last = &client->marks[client->marks_end - 1];
	/* The commit comes after everything that was read before it. */
	last->position =
	    client->own_durable && !XLogRecPtrIsInvalid(position) ? position : client->own_others;
	client->own_replies = 0;
	client->own_durable = false;
	client->own_reshapes = false;
	client->own_others = InvalidXLogRecPtr;
}

void
kv_client_abort(KvClient *client, const char *error)
{
	RespBuffer *reply = &client->session.reply;

	if (client->own_replies == 0 || client->broken)
		return;
	kv_session_take_back(&client->session,
	                     (Size) (client->marks[--client->marks_end].start - client->reply_base));
	kv_multi_break(&client->session);
	for (; client->own_replies > 0; client->own_replies--)
		pgfirst_resp_write_error(reply, error, strlen(error));
	/* Told that SELECT has failed, it would write into a database that it has not left, as far as it knows. */
	client->session.close |= client->own_reshapes;
	client->own_reshapes = false;
	client->own_durable = false;
	client->own_others = InvalidXLogRecPtr;
}

bool
kv_client_waits_for(const KvClient *client, XLogRecPtr position)
{
	return client->marks_first < client->marks_end &&
	       client->marks[client->marks_first].position <= position;
}

/* How many bytes of the reply buffer may leave now. */
static Size
output_free_to_leave(KvClient *client)
{
	XLogRecPtr durable = pgfirst_flush_position();

	while (client->marks_first < client->marks_end)
	{
		KvMark *mark = &client->marks[client->marks_first];

		/* The mark may be of what stands in the tail. */
		if (mark->position > durable)
			return Min((Size) (mark->start - client->reply_base), client->session.reply.length);
		client->marks_first++;
	}
	client_ungate(client);
	return client->session.reply.length;
}

bool
kv_client_output_full(const KvClient *client)
{
	return client->session.reply.length - client->sent >= OUTPUT_FULL ||
	       client->session.tail.length > 0;
}

/* All before the tail has left. */
static void
output_take_tail(KvClient *client)
{
	RespBuffer *reply = &client->session.reply;
	RespBuffer *tail = &client->session.tail;

	pgfirst_resp_buffer_free(reply);
	reply->data = tail->data;
	reply->length = tail->length;
	reply->capacity = tail->capacity;
	tail->data = NULL;
	tail->length = tail->capacity = 0;
}

/*
 * Forgets what has left; keeps a small buffer for the next reply unless there are many clients.  What is left of
 * a large one moves to the front when it is little: until then nothing comes behind it.
 */
static void
output_give_back(KvClient *client)
{
	RespBuffer *reply = &client->session.reply;

	if (client->sent == reply->length)
	{
		client->reply_base += client->sent;
		client->sent = 0;
		reply->length = 0;
		if (client->session.tail.length > 0)
			output_take_tail(client);
		else if (reply->capacity > OUTPUT_KEEP || kv_sessions.count > MANY_CLIENTS)
			pgfirst_resp_buffer_free(reply);
	}
	else if (client->sent > OUTPUT_FULL && !kv_client_output_full(client))
	{
		memmove(reply->data, reply->data + client->sent, reply->length - client->sent);
		client->reply_base += client->sent;
		reply->length -= client->sent;
		client->sent = 0;
	}
}

static void
output_note(const KvClient *client, const char *setting, Size unsent)
{
	if (!kv_buffers_note_is_due())
		return;
	ereport(
	    LOG,
	    (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
	     errmsg("client %s of the Redis door is disconnected: it has not read %zu kB of replies, "
	            "more than %s",
	            client->session.address, unsent / 1024, setting)));
}

/*
 * As in Redis, a client that is owed more than its limit is not owed anything any longer; and one that has subscribed to
 * something has another limit: of what it is sent it has asked for nothing.
 */
static void
output_check_limit(KvClient *client)
{
	Size unsent = client->session.reply.length - client->sent + client->session.tail.length;

	bool listens = client->session.channels + client->session.patterns > 0;
	int limit = listens ? pgfirst_redis_pubsub_output_limit : pgfirst_redis_client_output_limit;

	if (limit == 0 || unsent <= (Size) limit * 1024)
		return;
	client->broken = true;
	kv_stats_add(&kv_stats->output_limit_disconnections, 1);
	output_note(client,
	            listens ? "pgfirst.redis_pubsub_output_limit" : "pgfirst.redis_client_output_limit",
	            unsent);
}

static void
output_send(KvClient *client)
{
	Size end = output_free_to_leave(client);

	if (client->tls && !kv_tls_flush(client))
		return;
	end = Min(end, client->sent + AT_ONCE);
	while (client->sent < end)
	{
		ssize_t put =
		    kv_client_send(client, client->session.reply.data + client->sent, end - client->sent);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (put < 0)
		{
			client->broken = true;
			return;
		}
		client->sent += (Size) put;
		kv_stats_add(&kv_stats->output_bytes, put);
	}
	/* One that lacks a part stays, and the client is disconnected for it. */
	if (!client->session.reply.failed)
		output_give_back(client);
}

/* ---- after a turn ------------------------------------------------------------------------ */

static bool
client_done(const KvClient *client)
{
	bool all_sent =
	    client->session.reply.length == client->sent && (!client->tls || !kv_tls_unsent(client));

	if (client->broken || client->session.reply.failed)
		return true;
	if (!all_sent)
		return false;
	return client->session.close || (client->peer_closed && client->state == KV_CLIENT_IDLE);
}

bool
kv_client_ends_with_peer(const KvClient *client)
{
	if (client->state == KV_CLIENT_PARKED)
		return client->parked_for == KV_PARK_NEWS || client->waits;
	return (client->state == KV_CLIENT_AGAIN || client->state == KV_CLIENT_READY) &&
	       client->parked_for == KV_PARK_SLICE;
}

static uint32
client_interest(KvClient *client)
{
	bool may_send = client->sent < output_free_to_leave(client);
	bool may_read = !client->peer_closed && !client->session.close &&
	                (client->state == KV_CLIENT_IDLE || client->state == KV_CLIENT_READY ||
	                 client->state == KV_CLIENT_AGAIN) &&
	                client->input_end - client->input_start < input_wanted(client);

	/* It may be that nothing is read of it: it is to be noticed that it has gone. */
	bool may_leave = kv_client_ends_with_peer(client);

	if (client->tls)
	{
		if (kv_tls_shakes_hands(client))
			return kv_tls_interest(client);
		may_send |= kv_tls_unsent(client);
		may_read &= !kv_tls_overfull(client);
	}
	return (may_read ? EPOLLIN : 0) | (may_send ? EPOLLOUT : 0) | (may_leave ? EPOLLRDHUP : 0);
}

void
kv_client_settle(KvClient *client)
{
	if (client->touched)
		dlist_delete(&client->touched_link);
	client->touched = false;
	/* Who has its reply may be told of what others see of it. */
	kv_roster_show(&client->session);

	if (!client->broken)
	{
		output_send(client);
		output_check_limit(client);
	}
	if (client->session.reply.failed && !client->broken)
		kv_buffers_note(client);
	if (client_done(client))
	{
		kv_client_close(client);
		return;
	}
	if (client->gated)
		pgfirst_flush_request(client->marks[client->marks_end - 1].position);
	input_give_back(client);
	if (client->state == KV_CLIENT_STALLED && !kv_client_output_full(client))
		kv_client_enter(client, KV_CLIENT_AGAIN);
	client_watch(client, client_interest(client));
	if (client->broken)
		kv_client_close(client);
}
