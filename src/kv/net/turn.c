/* SPDX-License-Identifier: PostgreSQL
 *
 * turn.c: one turn of the loop: the commands that are ready, as one transaction.
 *
 *     every READY client     commands run; changes go to the write set, replies to the buffer
 *     commit                 one for all of them, without waiting for the disk
 *     every touched client   what depends on nothing, or on what is durable already, is sent
 *     flush helper           is asked for the position of the turn, if anybody waits for it; the loop goes
 *                            on; what has become durable is sent before the next turn begins
 *
 * Nothing in a turn waits: not for a lock (the client is parked), not for a disk (the reply is), not
 * for a reader (the client is stalled).  A turn is bounded in time and in keys, so that one client's
 * pipeline delays the others by a few milliseconds and the key locks of a turn fit into the lock
 * table.  A turn with many keys takes the lock of the store instead, where nobody else writes.  Where
 * somebody does, it ends sooner: the table of a process's own locks never shrinks, and every commit
 * goes through it; after one turn with 900 of them, each small one took 7 % longer.
 *
 * What goes through all keys there are does so in slices (listing.c), of which a turn has one: were it one for
 * each who asks, a hundred who do would keep the others waiting a hundred times as long.
 *
 * Errors.  Commands validate before they change anything, so an error inside a turn is something
 * PostgreSQL could not do: no memory, no disk, a damaged page.  It aborts the transaction and with
 * it every change of the turn.  The replies that depended on it become errors; replies of reads stay
 * and are sent.  The failed command is not run again.
 *
 * Rejected: a transaction per client or per command (a commit record and a flush each), and
 * subtransactions per command (they cost more than the commands, and overflow the snapshot).
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/flush.h"
#include "base/keylock.h"
#include "base/xact.h"
#include "kv/cmd/pause.h"
#include "kv/cmd/pubsub.h"
#include "kv/cmd/roster.h"
#include "kv/cmd/slowlog.h"
#include "kv/cmd/stats.h"
#include "kv/count.h"
#include "kv/database.h"
#include "kv/net/ahead.h"
#include "kv/net/client.h"
#include "kv/net/turn.h"
#include "kv/net/waits.h"
#include "kv/position.h"
#include "kv/ready.h"
#include "kv/settings.h"
#include "store/store.h"

#define TURN_TIME_US 4000                  /* after which no further command is begun */
#define TELL_TIME_US 2000                  /* after which no further message is told */
#define LOOK_US      ((int64) 2 * 1000000) /* between two looks at all subscribers */
#define TURN_LOCKS   128
#define TURN_SPARED  900           /* locks that the one of the store stands for */
#define TURN_STEPS   32            /* cheap commands between two looks at what the turn has taken */
#define TURN_CHEAP   ((Size) 4096) /* bytes of a command or of its reply */
#define TURN_MEMORY  ((Size) 64 * 1024 * 1024)

#define COUNT_PARK_US ((int64) 2 * 1000000)
#define HTTP_LOG_US   ((int64) 60 * 1000000)

static struct
{
	MemoryContext context; /* reset after every turn */
	KvClient *client;      /* whose bytes are being looked at */
	KvClient *running;     /* the same, while a command of it runs */
	Size running_start;    /* where its reply begins */
	bool started;          /* the transaction has */
	bool announced;        /* other processes know that we have parked clients */
	bool available;
	bool busy; /* whether the extension and the databases are there cannot be found out now */
	bool read_only;
	bool auth_used;
	bool slice_used;
	bool asked;       /* a client that waited for keys */
	bool in_vain;     /* the command that was parked last has found nothing in its keys */
	bool slice_given; /* to a client that is READY */
	int64 now_ms;
	int64 deadline_us;
	int64 clock_us; /* when the loop last looked at the clock */
	int commands;
	int clients; /* that were asked for theirs */
	int steps;   /* commands to run before the next look */
	int ahead;   /* commands whose records are on their way */
	bool over;
	bool durable;              /* something was changed that is to be flushed */
	bool relaxed;              /* something else was changed */
	bool shared;               /* of the last turn: see kv_turn_shared() */
	const KvReadyKey *serving; /* the key whose waiting clients are called */
	int64 next_look_us;        /* at who may still hear messages */
	int64 http_logged_us;
	int64 tls_logged_us;
} turn;

/* ---- the transaction --------------------------------------------------------------------- */

static void
turn_start(void)
{
	int64 now_us;
	KvReady ready;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pgfirst_keylock_quiet();
	pgfirst_store_commands_apart();
	MemoryContextSwitchTo(turn.context);
	kv_spaces_forget();
	turn.started = true;
	turn.auth_used = turn.slice_used = turn.asked = false;
	turn.serving = NULL;
	turn.commands = turn.clients = 0;
	turn.steps = TURN_STEPS;
	turn.ahead = 1; /* the first opens the database */
	kv_ahead_forget();
	turn.over = turn.durable = turn.relaxed = false;
	turn.now_ms = pgfirst_clock_wall_ms();
	now_us = pgfirst_clock_monotonic_us();
	turn.deadline_us = now_us + TURN_TIME_US;
	pgfirst_store_lock_whole(now_us);
	turn.read_only = RecoveryInProgress();
	ready = kv_databases_ready(false);
	turn.busy = ready == KV_BUSY;
	if (!turn.busy)
		turn.available = ready == KV_READY;
}

/* Returns the end of what it has written, InvalidXLogRecPtr if that is nothing. */
static XLogRecPtr
turn_commit(void)
{
	XLogRecPtr position;

	turn.client = NULL;
	if (!turn.started)
		return InvalidXLogRecPtr;
	pgfirst_xact_asks_for_flush();
	kv_publish_waits(turn.durable);
	CommitTransactionCommand();
	turn.started = false;
	position = pgfirst_xact_position();
	turn.shared = !XLogRecPtrIsInvalid(position) || turn.commands >= 2 * turn.clients;
	if (turn.durable) /* even if all who wait for it should have gone */
		pgfirst_flush_request(position);
	/* What is relaxed does not wait for standbys, as the helper may. */
	if (turn.relaxed || !turn.durable)
		pgfirst_flush_later(position);
	return position;
}

/* ---- parking ----------------------------------------------------------------------------- */

static void
park(KvClient *client, KvOutcome reason, bool for_keys)
{
	int64 patience =
	    reason == KV_PARK_COUNT ? COUNT_PARK_US : (int64) pgfirst_redis_lock_timeout * 1000;

	kv_client_blocks(client, reason != KV_PARK_TURN && reason != KV_PARK_SLICE);
	if (reason != KV_PARK_TURN)
		client->parked_for = reason;
	if (reason == KV_PARK_TURN || reason == KV_PARK_SLICE)
	{
		kv_client_enter(client, KV_CLIENT_AGAIN);
		return;
	}
	if (reason == KV_PARK_NEWS)
		client->parked_deadline = client->session.call_again_us;
	else if (client->parked_deadline == 0)
		client->parked_deadline = pgfirst_clock_monotonic_us() + patience;

	/*
	 * The first to park tries once more: the lock may have been released before we announced.  The
	 * census, for which others park, ends in a transaction of the first worker, which rings too.
	 */
	if (!turn.announced && !for_keys)
	{
		pgfirst_keylock_park(true);
		turn.announced = true;
		kv_client_enter(client, KV_CLIENT_AGAIN);
	}
	else
		kv_client_enter(client, KV_CLIENT_PARKED);
}

void
kv_turn_announce(void)
{
	if (turn.announced && kv_clients.parked[KV_PARK_LOCK] + kv_clients.parked[KV_PARK_COUNT] +
	                              kv_clients.parked[KV_PARK_NEWS] ==
	                          0)
	{
		pgfirst_keylock_park(false);
		turn.announced = false;
	}
}

/* Nobody rings in the worker that has taken the census itself. */
static bool
park_is_over(const KvClient *client)
{
	KvCount count;

	return client->parked_for == KV_PARK_COUNT && kv_count_get(client->session.database, &count);
}

static bool
is_parked_for_lock(const KvClient *client)
{
	return client->parked_for == KV_PARK_LOCK;
}

/* Those that wait for keys are asked in their own order. */
static bool
is_parked_for_news(const KvClient *client)
{
	return client->parked_for == KV_PARK_NEWS && !client->waits;
}

static bool
is_unblocked(const KvClient *client)
{
	return client->session.unblocked != KV_UNBLOCKED_NOT;
}

static void
unpark_all(bool (*which)(const KvClient *client))
{
	dlist_mutable_iter iterator;

	dlist_foreach_modify (iterator, &kv_clients.states[KV_CLIENT_PARKED])
	{
		KvClient *client = dlist_container(KvClient, state_link, iterator.cur);

		if (which(client))
			kv_client_enter(client, KV_CLIENT_AGAIN);
	}
}

void
kv_turn_heed(void)
{
	kv_roster_heed();
	if (kv_sessions.killed > 0)
		kv_clients_take_killed();
}

void
kv_turn_lock_free(void)
{
	if (kv_clients.parked[KV_PARK_LOCK] > 0)
		unpark_all(is_parked_for_lock);
}

/*
 * Those that wait for keys and were asked while they were paused have the end of the pause as their deadline.  Not all
 * of them will be asked now: where the first finds nothing, nobody asks those behind it.
 */
static void
pause_is_lifted(void)
{
	dlist_iter iterator;

	unpark_all(is_parked_for_news);
	dlist_foreach (iterator, &kv_clients.states[KV_CLIENT_PARKED])
	{
		KvClient *client = dlist_container(KvClient, state_link, iterator.cur);

		if (client->waits && client->parked_for == KV_PARK_NEWS &&
		    client->parked_deadline > client->session.wait_until_us)
			kv_client_parked_until(client, client->session.wait_until_us);
	}
	kv_ready_ask_all();
}

void
kv_turn_unpark_late(int64 now_us)
{
	pairingheap *deadlines = kv_clients.deadlines;

	if (kv_pause_lifted())
		pause_is_lifted();
	if (kv_sessions.unblocked > 0)
		unpark_all(is_unblocked);
	if (kv_clients.parked[KV_PARK_COUNT] > 0)
		unpark_all(park_is_over);
	while (!pairingheap_is_empty(deadlines))
	{
		KvClient *first =
		    pairingheap_container(KvClient, deadline_node, pairingheap_first(deadlines));

		if (now_us < first->parked_deadline)
			break;
		kv_client_enter(first, KV_CLIENT_AGAIN);
	}
}

int64
kv_turn_next_deadline(void)
{
	pairingheap *deadlines = kv_clients.deadlines;

	return pairingheap_is_empty(deadlines)
	           ? 0
	           : pairingheap_container(KvClient, deadline_node, pairingheap_first(deadlines))
	                 ->parked_deadline;
}

/* ---- one command ------------------------------------------------------------------------- */

/* No command begins like that; a handshake of TLS does, on a port that does not speak it. */
static bool
looks_like_tls(const KvClient *client)
{
	return client->session.commands == 0 && client->input[client->input_start] == 0x16;
}

/* Answers in plain words: the library of the other side will say "wrong version number". */
static void
refuse_tls(KvClient *client)
{
	static const char words[] =
	    "ERR Protocol error: this port does not speak TLS; use redis://, or the port for TLS";
	int64 now_us = pgfirst_clock_monotonic_us();

	if (turn.tls_logged_us == 0 || now_us - turn.tls_logged_us >= HTTP_LOG_US)
	{
		turn.tls_logged_us = now_us;
		ereport(LOG,
		        (errcode(ERRCODE_PROTOCOL_VIOLATION),
		         errmsg("client %s of the Redis door is disconnected: it speaks TLS on the port "
		                "without",
		                client->session.address),
		         errhint("pgfirst.redis_tls_port is the port for it.")));
	}
	kv_stats_add(&kv_stats->error_replies, 1);
	client->session.close = true;
	kv_client_gate(client, client->session.reply.length, InvalidXLogRecPtr, InvalidXLogRecPtr,
	               false);
	pgfirst_resp_write_error(&client->session.reply, words, sizeof(words) - 1);
}

/* Browsers can be made to send requests to this port; a request line's header betrays them. */
static bool
looks_like_http(KvClient *client)
{
	RespSlice word;

	if (client->parser.argc == 0)
		return false;
	word = pgfirst_resp_argument(&client->parser, client->input + client->input_start, 0);
	return (word.length == 4 && pg_strncasecmp(word.data, "post", 4) == 0) ||
	       (word.length == 5 && pg_strncasecmp(word.data, "host:", 5) == 0);
}

static void
refuse_http(KvClient *client)
{
	int64 now_us = pgfirst_clock_monotonic_us();

	/* Once a minute, as Redis does: a page full of such requests should not fill the disk. */
	if (turn.http_logged_us == 0 || now_us - turn.http_logged_us >= HTTP_LOG_US)
	{
		turn.http_logged_us = now_us;
		ereport(LOG, (errcode(ERRCODE_PROTOCOL_VIOLATION),
		              errmsg("client %s of the Redis door is disconnected: it speaks HTTP",
		                     client->session.address)));
	}
	client->broken = true;
}

/*
 * The reply begins at `start`: what must be durable before it may leave?  Every reply passes here,
 * also one that depends on nothing, because it leaves behind those that do.
 */
static void
gate_reply(KvClient *client, const KvCall *call, Size start)
{
	XLogRecPtr position = kv_position();

	if (call->wrote && pgfirst_store_changed())
		position = PGFIRST_POSITION_OWN;
	kv_client_gate(client, start, position, kv_position_others(), call->durable);
	client->own_reshapes |= client->own_replies > 0 && client->session.reshaped;
}

/* What the clock said last is when the command began, or a little earlier. */
static void
note_time(const KvCall *call)
{
	int64 began_us = turn.clock_us;

	turn.clock_us = pgfirst_clock_monotonic_us();
	kv_slowlog_note(call, turn.clock_us - began_us);
}

static void
wait_is_over(KvClient *client)
{
	KvSession *session = &client->session;

	kv_session_drop_xread(session);
	if (!client->waits)
		return;
	session->waits = false;
	kv_roster_waits(session);
	if (session->unblocked != KV_UNBLOCKED_NOT)
		kv_sessions.unblocked--;
	session->unblocked = KV_UNBLOCKED_NOT;
	kv_waits_end(client);
}

/*
 * Runs the command that the parser has just found, whose row of the table is `command`, if that is known; false if the
 * client stops for this turn.
 */
static bool
run_command(KvClient *client, const KvCommand *command)
{
	KvSession *session = &client->session;
	Size start = session->reply.length;
	KvCall call = {.session = session,
	               .command = command,
	               .reply = &session->reply,
	               .parser = &client->parser,
	               .data = client->input + client->input_start,
	               .argc = (int) client->parser.argc,
	               .now_ms = turn.now_ms,
	               .auth_used = &turn.auth_used,
	               .sliced = &turn.slice_used,
	               .read_only = turn.read_only,
	               .available = turn.available,
	               .busy = turn.busy,
	               .ready = turn.serving};
	KvOutcome outcome;

	/* Whoever waited for news has had its patience with locks still before it. */
	if (client->parked_for == KV_PARK_NEWS)
		client->parked_deadline = 0;
	client->parked_for = KV_DONE;
	call.last_try =
	    client->parked_deadline != 0 && pgfirst_clock_monotonic_us() >= client->parked_deadline;
	turn.ahead = Max(turn.ahead - 1, 0);
	turn.running = client;
	turn.running_start = start;
	session->reshaped = false;
	kv_position_reset();
	outcome = kv_command_run(&call);
	turn.running = NULL;
	turn.serving = NULL;
	turn.over |= call.ends_turn;
	turn.durable |= call.wrote && call.durable;
	turn.relaxed |= call.wrote && !call.durable;
	turn.steps--;
	if (!call.command || !(call.command->flags & (KV_FAST | KV_BLIND)) || call.lengthy ||
	    client->parser.consumed > TURN_CHEAP || session->reply.length - start > TURN_CHEAP)
		turn.steps = 0;
	if (outcome != KV_DONE)
	{
		session->reply.length = start;
		park(client, outcome, call.waits_first > 0);
		turn.in_vain = call.waits_first > 0;
		/* Who has begun to wait just now looks once more, after those who see that it waits. */
		if (turn.in_vain && kv_waits_begin(client, &call))
		{
			session->waits = true;
			kv_roster_waits(session);
			kv_client_enter(client, KV_CLIENT_AGAIN);
		}
		return false;
	}
	client->parked_deadline = 0;
	kv_client_blocks(client, false);
	session->wait_until_us = 0;
	wait_is_over(client);
	session->wrote |= call.wrote && pgfirst_store_changed();
	if (call.executed && kv_slowlog_may_be())
		note_time(&call);
	if (kv_session_silent(session))
		kv_session_take_back(session, start);
	else
		gate_reply(client, &call, start);
	kv_client_consume(client, client->parser.consumed);
	session->commands++;
	turn.commands++;
	return true;
}

static RespLimits client_limits(const KvClient *client);

/* Some commands take a microsecond and some take long: after those that may, it looks at once. */
static bool
turn_is_over(void)
{
	if (turn.over || pgfirst_store_locks() >= TURN_LOCKS ||
	    pgfirst_store_locks_spared() >= TURN_SPARED)
		return true;
	if (turn.steps > 0)
		return false;
	turn.steps = TURN_STEPS;
	turn.clock_us = pgfirst_clock_monotonic_us();
	turn.over = turn.clock_us >= turn.deadline_us ||
	            MemoryContextMemAllocated(turn.context, true) > TURN_MEMORY;
	return turn.over;
}

/* Calls the command of a client that waits; false if it goes on waiting. */
static bool
run_waiting(KvClient *client)
{
	turn.client = client;
	turn.asked = true;
	kv_client_touch(client);
	kv_client_enter(client, KV_CLIENT_READY);
	client->parser.limits = client_limits(client);
	if (pgfirst_resp_parse(&client->parser, client->input + client->input_start,
	                       client->input_end - client->input_start) != RESP_COMMAND)
		elog(ERROR, "the command of a client that waits has gone");
	if (!run_command(client, NULL))
		return false;
	kv_client_enter(client, KV_CLIENT_AGAIN);
	return true;
}

/*
 * The key has something: those who wait for it are asked in the order in which they came, until one finds nothing; then
 * there is nothing for others that wait for the same type either, but of a stream, from which nobody takes anything and of
 * which each waits for something else.  Who is kept from it by another thing is passed over.
 */
static void
serve_key(const KvReadyKey *key)
{
	uint32 without = 0;
	KvClient *client = kv_waits_next(key, NULL, without);

	kv_roster_heed();
	while (client)
	{
		KvClient *next;

		/* What it is asked may end its wait, and nobody else's. */
		if (client->broken || client->session.close || is_unblocked(client))
			next = kv_waits_next(key, client, without);
		else
		{
			KvType type = kv_waits_type(client);

			next = kv_waits_next(key, client, without);
			turn.serving = key;
			if (!run_waiting(client) && turn.in_vain && type != KV_TYPE_STREAM)
			{
				without |= (uint32) 1 << type;
				next = kv_waits_next(key, client, without);
			}
		}
		client = next;
	}
}

/*
 * A command has given keys something: those who wait for them come next, before anybody else's command, and each has
 * one command, the one that waits.  What they do may give something to others.
 */
static void
serve_waiting(void)
{
	KvReadyKey key;

	while (kv_ready_next(&key))
		serve_key(&key);
}

static bool
serve_slot(uint32 slot)
{
	kv_waits_keys(slot, serve_key);
	serve_waiting();
	return !turn_is_over();
}

static RespLimits
client_limits(const KvClient *client)
{
	bool stranger = !OidIsValid(client->session.role);

	return (RespLimits){.bulk = stranger ? 16 * 1024 : Max(KV_VALUE_MAX, KV_KEY_MAX),
	                    .arguments = stranger ? 10 : 1024 * 1024,
	                    .inline_len = 64 * 1024,
	                    .unauthenticated = stranger};
}

/* Runs the client's complete commands; it leaves the READY list. */
static void
run_client(KvClient *client)
{
	kv_client_touch(client);
	turn.clients++;
	turn.client = client;
	turn.clock_us = client->session.active_us = pgfirst_clock_monotonic_us();
	for (;;)
	{
		const KvCommand *command;
		RespStatus status;

		/* It may be given something: not if it was told to wait no longer. */
		if (client->waits)
			kv_roster_heed();
		if (client->session.close || client->broken || client->session.reply.failed)
			break;
		if (kv_client_output_full(client))
		{
			kv_client_enter(client, KV_CLIENT_STALLED);
			return;
		}
		if (turn_is_over())
		{
			kv_client_enter(client, KV_CLIENT_AGAIN);
			return;
		}
		if (client->input_start == client->input_end)
			break;
		if (unlikely(looks_like_tls(client)))
		{
			refuse_tls(client);
			break;
		}
		client->parser.limits = client_limits(client);
		if (turn.ahead == 0)
			turn.ahead = kv_ahead_look(&kv_clients.states[KV_CLIENT_READY]);
		status = kv_ahead_parse(client, &command);
		if (status == RESP_MORE)
			break;
		if (status == RESP_ERROR)
		{
			kv_stats_add(&kv_stats->error_replies, 1);
			client->session.close = true;
			if (kv_session_silent(&client->session))
				break;
			kv_client_gate(client, client->session.reply.length, InvalidXLogRecPtr,
			               InvalidXLogRecPtr, false);
			pgfirst_resp_write_error(&client->session.reply, client->parser.error,
			                         strlen(client->parser.error));
			break;
		}
		if (looks_like_http(client))
			refuse_http(client);
		else if (client->parser.argc == 0)
			kv_client_consume(client, client->parser.consumed);
		else
		{
			bool done = run_command(client, command);

			serve_waiting();
			turn.client = client;
			if (!done)
				return;
		}
	}
	kv_client_enter(client, KV_CLIENT_IDLE);
}

/* ---- the turn ---------------------------------------------------------------------------- */

static void
run_ready(void)
{
	dlist_head *ready = &kv_clients.states[KV_CLIENT_READY];

	if (dlist_is_empty(ready) && !kv_ready_waiting())
		return;
	/* What clients have sent is there already, so whoever was told that another is killed did not send it later. */
	kv_roster_heed();
	turn_start();
	if (kv_ready_waiting())
		kv_ready_rung(serve_slot);
	while (!dlist_is_empty(ready) && !turn_is_over())
		run_client(dlist_container(KvClient, state_link, dlist_head_node(ready)));
}

static void
each_touched(void (*what)(KvClient *client, const void *context), const void *context)
{
	dlist_mutable_iter iterator;

	dlist_foreach_modify (iterator, &kv_clients.touched)
		what(dlist_container(KvClient, touched_link, iterator.cur), context);
}

static void
settle_committed(KvClient *client, const void *context)
{
	XLogRecPtr position = *(const XLogRecPtr *) context;

	if (client->session.wrote && !XLogRecPtrIsInvalid(position))
		client->session.write_position = position;
	client->session.wrote = false;
	kv_client_commit(client, position);
}

static void
settle_aborted(KvClient *client, const void *context)
{
	client->session.wrote = false;
	kv_client_abort(client, (const char *) context);
}

static void
settle_sent(KvClient *client, const void *context)
{
	kv_client_settle(client);
}

/* The transaction is gone; answers everybody who was part of it. */
static void
turn_failed(ErrorData *error)
{
	char words[512];

	snprintf(words, sizeof(words), "ERR %s%s%s", error->message, error->hint ? "; " : "",
	         error->hint ? error->hint : "");
	kv_stats_add(&kv_stats->turns_aborted, 1);
	if (turn.running)
	{
		KvClient *client = turn.running;

		turn.running = NULL;
		kv_multi_failed(&client->session);
		kv_session_take_back(&client->session, turn.running_start);
		kv_client_consume(client, client->parser.consumed);
		client->parked_deadline = 0;
		kv_client_blocks(client, false);
		client->session.wait_until_us = 0;
		wait_is_over(client);
		/* The next one is another command, and finds nothing of this one's. */
		kv_session_drop_slices(&client->session);
		client->session.commands++;
		if (!kv_session_silent(&client->session))
		{
			kv_client_gate(client, client->session.reply.length, PGFIRST_POSITION_OWN,
			               InvalidXLogRecPtr, false);
			client->own_reshapes |= client->session.reshaped;
		}
		if (client->state != KV_CLIENT_AGAIN)
			kv_client_enter(client, KV_CLIENT_AGAIN);
	}
	else if (turn.client)
	{
		/* Not even its bytes could be looked at. */
		turn.client->broken = true;
		kv_client_enter(turn.client, KV_CLIENT_IDLE);
	}
	turn.client = NULL;
	each_touched(settle_aborted, words);
	/* What was given to one of them is there again. */
	if (turn.asked)
		kv_ready_ask_all();
}

void
kv_turn_send(void)
{
	each_touched(settle_sent, NULL);
	kv_clients_publish();
}

void
kv_turn_run(void)
{
	MemoryContext caller = CurrentMemoryContext;
	XLogRecPtr position;

	turn.slice_given = false;
	PG_TRY();
	{
		run_ready();
		position = turn_commit();
		each_touched(settle_committed, &position);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(turn.context);
		error = CopyErrorData();
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		turn.started = false;
		MemoryContextSwitchTo(turn.context);
		turn_failed(error);
	}
	PG_END_TRY();

	MemoryContextSwitchTo(caller);
	kv_stats_add(&kv_stats->commands_processed, turn.commands);
	turn.commands = 0;
	if (kv_sessions.killed > 0)
		kv_clients_take_killed();
	kv_turn_tell();
	kv_turn_send();
	/* In front of whoever comes now, or who waits for a turn without changes would wait for ever. */
	(void) kv_turn_wanted();
	if (turn.deadline_us != 0)
	{
		MemoryContextReset(turn.context);
		pgstat_report_stat(false);
		kv_stats_add(&kv_stats->turns, 1);
		turn.deadline_us = 0;
	}
}

/* A message stands between replies; it leaves when it is durable, as they do. */
static void
tell_client(KvSession *session, RespSlice pattern, const KvMessage *message)
{
	KvClient *client = (KvClient *) ((char *) session - offsetof(KvClient, session));
	RespBuffer *reply = session->tail.length > 0 ? &session->tail : &session->reply;
	Size start = session->reply.length + session->tail.length;

	if (client->broken)
		return;
	reply->protocol = session->reply.protocol;
	pgfirst_resp_write_push(reply, pattern.data ? 4 : 3);
	pgfirst_resp_write_text(reply, pattern.data ? "pmessage" : "message");
	if (pattern.data)
		pgfirst_resp_write_bulk(reply, pattern.data, pattern.length);
	pgfirst_resp_write_bulk(reply, message->channel.data, message->channel.length);
	pgfirst_resp_write_bulk(reply, message->message.data, message->message.length);
	session->reply.failed |= reply->failed;
	kv_client_touch(client);
	kv_client_gate(client, start, message->position, InvalidXLogRecPtr, false);
}

/* A slice of what there is to tell.  In a transaction: who may not hear it any more is found out there. */
static void
tell_slice(int64 now_us, bool looks)
{
	StartTransactionCommand();
	if (looks)
		kv_pubsub_look();
	kv_pubsub_tell(now_us + TELL_TIME_US, tell_client);
	CommitTransactionCommand();
}

void
kv_turn_tell(void)
{
	MemoryContext caller = CurrentMemoryContext;
	int64 now_us = pgfirst_clock_monotonic_us();
	bool looks = now_us >= turn.next_look_us;

	if (!looks && !kv_pubsub_behind())
		return;
	if (looks)
		turn.next_look_us = now_us + LOOK_US;
	PG_TRY();
	{
		tell_slice(now_us, looks);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	if (kv_sessions.killed > 0)
		kv_clients_take_killed();
}

/* Of those who want a slice one at a time, in the order in which they had their last. */
bool
kv_turn_wanted(void)
{
	dlist_head *again = &kv_clients.states[KV_CLIENT_AGAIN];
	dlist_mutable_iter iterator;

	dlist_foreach_modify (iterator, again)
	{
		KvClient *client = dlist_container(KvClient, state_link, iterator.cur);

		if (client->parked_for == KV_PARK_SLICE && turn.slice_given)
			continue;
		turn.slice_given |= client->parked_for == KV_PARK_SLICE;
		kv_client_enter(client, KV_CLIENT_READY);
	}
	return kv_ready_waiting() || !dlist_is_empty(&kv_clients.states[KV_CLIENT_READY]) ||
	       !dlist_is_empty(again) || !dlist_is_empty(&kv_clients.touched);
}

bool
kv_turn_shared(void)
{
	return turn.shared;
}

void
kv_turn_begin(void)
{
	turn.context =
	    AllocSetContextCreate(TopMemoryContext, "pgfirst redis turn", ALLOCSET_DEFAULT_SIZES);
	kv_ahead_begin();
}
