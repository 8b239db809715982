/* SPDX-License-Identifier: PostgreSQL
 *
 * tls.c: the part of a connection that encrypts; see tls.h.
 *
 *     socket --recv--> wire --BIO--> OpenSSL --SSL_read---> the client's input
 *     socket <--send-- unsent <----- OpenSSL <--SSL_write-- the client's replies that may leave
 *
 * OpenSSL is never given a socket.  It reads from `wire`, one buffer for all clients, which holds what one
 * recv() has brought and is read to its end before the next client has its turn: so nothing is left
 * behind in OpenSSL that epoll would not report, no client needs a buffer of its own, and a hundred small
 * records cost one call of the kernel.  What it writes goes to the socket at once, and what the socket
 * has no room for, a record or so, is kept with the client and goes first next time.  So OpenSSL never
 * has to be asked again with the same bytes in the same place, and replies may move.
 *
 * Shaking hands costs about a millisecond of processor, most of it in the answer to the first
 * message, and whoever asks for it need not have logged in.  So clients with something to read wait in
 * a list, and one round of the loop takes as many further as fit into a millisecond.  What a client
 * that sends nothing costs is its struct: OpenSSL hears of it with its first byte.  At most BEGUN_MAX
 * have begun and not finished, the newest: the one that began first leaves for a new one.  All must
 * have finished within authentication_timeout.
 *
 * Memory.  OpenSSL takes its own from malloc(), out of our sight.  So each connection counts in
 * pgfirst.redis_client_memory as what was measured, a little rounded up: 17 kB while it is idle, 46 kB while
 * it shakes hands (OpenSSL 3.0, test/hostile/tls.py).
 *
 * Later, new keys may be agreed on; who asks for that over and over is disconnected.
 *
 * Rejected: a memory BIO for each connection (two buffers more, and a copy), a pipe or a helper process
 * (plain Redis clients would not notice a handshake at all, but each byte would be copied twice), and
 * TLS in the kernel (not everywhere there, and the handshake, which is what costs, stays).
 */
#include "postgres.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "postmaster/postmaster.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "kv/cmd/stats.h"
#include "kv/net/buffers.h"
#include "kv/net/tls.h"
#include "kv/net/tls_context.h"

#define WIRE   ((Size) 64 * 1024)
#define RECORD ((Size) 16 * 1024) /* the most that OpenSSL puts into one */
#define UNSENT_MUCH                                                                                \
	((Size) 64 * 1024) /* of replies it is a record; the rest are answers to new keys */
#define IDLE_MEMORY    ((Size) 20 * 1024)
#define BEGUN_MEMORY   ((Size) 48 * 1024)
#define BEGUN_MAX      1000
#define UNWELCOME_MAX  64 /* of the descriptors that are left beside pgfirst.redis_max_clients */
#define STEPS_US       1000
#define MESSAGES_MAX   16 /* about new keys, between two commands */
#define FAILURE_LOG_US ((int64) 60 * 1000000)

#define HANDSHAKE_BYTE 0x16 /* with which everything begins that speaks TLS */

typedef enum TlsState
{
	TLS_SILENT,      /* not a byte yet */
	TLS_BEGUN,       /* shakes hands */
	TLS_ESTABLISHED, /* bytes may come and go */
	TLS_DEAD         /* nothing more can be sent or read */
} TlsState;

struct KvTls
{
	TlsState state;
	bool welcome;
	SSL *ssl;     /* NULL while SILENT */
	Size counted; /* as the memory of ssl */

	/* Encrypted, and not taken by the socket yet: unsent[unsent_start .. unsent_end). */
	char *unsent;
	Size unsent_start;
	Size unsent_end;
	Size unsent_capacity;

	int messages;       /* that were no commands, since the last that was one */
	int64 since_us;     /* monotonic, when it came into its state */
	dlist_node link;    /* in the list of its state, while SILENT or BEGUN */
	bool has_something; /* in the list of those whose turn it is */
	dlist_node turn_link;
	KvClient *client;
};

static struct
{
	dlist_head silent; /* oldest first */
	dlist_head begun;  /* likewise */
	dlist_head turns;  /* with something to read */
	int begun_count;
	int unwelcome;
	BIO_METHOD *method;
	int64 failure_logged_us;

	/* Received, and not read by OpenSSL yet: wire[wire_start .. wire_end), all of one client. */
	const KvClient *wire_of;
	Size wire_start;
	Size wire_end;
	char wire[WIRE];
} tls;

/* ---- between OpenSSL and the socket ------------------------------------------------------ */

static void *
client_resize(KvClient *client, void *block, Size size)
{
	const RespAllocator *allocator = &client->session.reply.allocator;

	return allocator->resize(allocator->context, block, size);
}

/* Keeps what the socket does not take. */
static bool
unsent_add(KvClient *client, const char *data, Size size)
{
	struct KvTls *mine = client->tls;
	Size needed = mine->unsent_end + size;

	if (needed > mine->unsent_capacity)
	{
		Size capacity = Max(needed, mine->unsent_capacity * 2);
		char *grown = client_resize(client, mine->unsent, capacity);

		if (!grown)
			return false;
		mine->unsent = grown;
		mine->unsent_capacity = capacity;
	}
	memcpy(mine->unsent + mine->unsent_end, data, size);
	mine->unsent_end = needed;
	return true;
}

static void
unsent_free(KvClient *client)
{
	struct KvTls *mine = client->tls;

	client_resize(client, mine->unsent, 0);
	mine->unsent = NULL;
	mine->unsent_start = mine->unsent_end = mine->unsent_capacity = 0;
}

/* As send(), but without interruptions. */
static ssize_t
socket_send(const KvClient *client, const char *data, Size size)
{
	ssize_t put;

	do
		put = send(client->fd, data, size, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	return put;
}

bool
kv_tls_unsent(const KvClient *client)
{
	return client->tls->unsent_end > client->tls->unsent_start;
}

bool
kv_tls_overfull(const KvClient *client)
{
	return client->tls->unsent_end - client->tls->unsent_start > UNSENT_MUCH;
}

bool
kv_tls_flush(KvClient *client)
{
	struct KvTls *mine = client->tls;

	while (kv_tls_unsent(client))
	{
		ssize_t put = socket_send(client, mine->unsent + mine->unsent_start,
		                          mine->unsent_end - mine->unsent_start);

		if (put < 0)
		{
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				client->broken = true;
			return false;
		}
		mine->unsent_start += (Size) put;
	}
	if (mine->unsent)
		unsent_free(client);
	return true;
}

/* OpenSSL writes: never refused, except by a broken socket or want of memory. */
static int
bio_write(BIO *bio, const char *data, int length)
{
	KvClient *client = BIO_get_data(bio);
	Size size = (Size) length;
	Size done = 0;

	BIO_clear_retry_flags(bio);
	if (!kv_tls_unsent(client))
	{
		ssize_t put = socket_send(client, data, size);

		if (put < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
			return -1;
		done = (Size) Max(put, 0);
	}
	if (done < size && !unsent_add(client, data + done, size - done))
		return -1;
	return length;
}

static int
bio_read(BIO *bio, char *buffer, int size)
{
	KvClient *client = BIO_get_data(bio);
	Size length = Min((Size) size, tls.wire_end - tls.wire_start);

	BIO_clear_retry_flags(bio);
	/* Whoever wants nothing but new keys is not listened to any longer. */
	if (client->tls->messages > MESSAGES_MAX)
		return -1;
	if (length == 0 || tls.wire_of != client)
	{
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(buffer, tls.wire + tls.wire_start, length);
	tls.wire_start += length;
	return (int) length;
}

static long
bio_control(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH;
}

/* OpenSSL tells of every message; those are counted that come when hands have been shaken. */
static void
message_seen(int ours, int version, int type, const void *data, size_t length, SSL *ssl, void *arg)
{
	struct KvTls *mine = arg;

	if (!ours && type == SSL3_RT_HANDSHAKE && mine->state == TLS_ESTABLISHED)
		mine->messages++;
}

void
kv_tls_begin(void)
{
	dlist_init(&tls.silent);
	dlist_init(&tls.begun);
	dlist_init(&tls.turns);
	tls.method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pgfirst redis client");
	if (!tls.method || !BIO_meth_set_write(tls.method, bio_write) ||
	    !BIO_meth_set_read(tls.method, bio_read) || !BIO_meth_set_ctrl(tls.method, bio_control))
		ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("could not begin with TLS")));
}

/* ---- coming and going -------------------------------------------------------------------- */

bool
kv_tls_open(KvClient *client, bool welcome)
{
	struct KvTls *mine = MemoryContextAllocExtended(TopMemoryContext, sizeof(struct KvTls),
	                                                MCXT_ALLOC_ZERO | MCXT_ALLOC_NO_OOM);

	if (!mine)
		return false;
	mine->state = TLS_SILENT;
	mine->welcome = welcome;
	mine->since_us = pgfirst_clock_monotonic_us();
	mine->client = client;
	client->tls = mine;
	dlist_push_tail(&tls.silent, &mine->link);
	tls.unwelcome += !welcome;
	return true;
}

static void
tls_enter(struct KvTls *mine, TlsState state)
{
	if (mine->state == TLS_SILENT || mine->state == TLS_BEGUN)
		dlist_delete(&mine->link);
	tls.begun_count += (state == TLS_BEGUN) - (mine->state == TLS_BEGUN);
	if (state == TLS_BEGUN)
		dlist_push_tail(&tls.begun, &mine->link);
	mine->state = state;
	mine->since_us = pgfirst_clock_monotonic_us();
}

void
kv_tls_drop(KvClient *client)
{
	struct KvTls *mine = client->tls;

	tls_enter(mine, TLS_DEAD);
	if (mine->has_something)
		dlist_delete(&mine->turn_link);
	mine->has_something = false;
	if (tls.wire_of == client)
		tls.wire_of = NULL;
	if (mine->ssl)
	{
		SSL_free(mine->ssl);
		kv_buffers_count(client, -(int64) mine->counted);
	}
	mine->ssl = NULL;
	unsent_free(client);
}

void
kv_tls_close(KvClient *client)
{
	struct KvTls *mine = client->tls;

	if (mine->state == TLS_ESTABLISHED && !client->broken && !kv_tls_unsent(client))
	{
		ERR_clear_error();
		(void) SSL_shutdown(mine->ssl); /* one message; nobody waits for its answer */
		ERR_clear_error();
	}
	kv_tls_drop(client);
	tls.unwelcome -= !mine->welcome;
	client->tls = NULL;
	pfree(mine);
}

int
kv_tls_unwelcome(void)
{
	return tls.unwelcome;
}

bool
kv_tls_has_room_for_unwelcome(void)
{
	return tls.unwelcome < UNWELCOME_MAX;
}

/* ---- shaking hands ----------------------------------------------------------------------- */

bool
kv_tls_shakes_hands(const KvClient *client)
{
	return client->tls->state == TLS_SILENT || client->tls->state == TLS_BEGUN;
}

uint32
kv_tls_interest(const KvClient *client)
{
	/* Whose turn will come need not be reported again and again, nor who has first to read. */
	if (kv_tls_unsent(client))
		return EPOLLOUT;
	return client->tls->has_something ? 0 : EPOLLIN;
}

void
kv_tls_event(KvClient *client)
{
	struct KvTls *mine = client->tls;

	kv_client_touch(client);
	if (mine->has_something)
		return;
	mine->has_something = true;
	dlist_push_tail(&tls.turns, &mine->turn_link);
}

/* Says why, but not more often than once a minute: strangers should not fill the disk. */
static void
handshake_failed(KvClient *client, const char *reason, const char *hint)
{
	int64 now_us = pgfirst_clock_monotonic_us();

	client->broken = true;
	kv_client_touch(client);
	kv_stats_add(&kv_stats->tls_failed, 1);
	if (tls.failure_logged_us != 0 && now_us - tls.failure_logged_us < FAILURE_LOG_US)
		return;
	tls.failure_logged_us = now_us;
	ereport(LOG, (errcode(ERRCODE_PROTOCOL_VIOLATION),
	              errmsg("client %s of the Redis door is disconnected: no TLS with it: %s",
	                     client->session.address, reason),
	              hint ? errhint("%s", hint) : 0,
	              errdetail("Further ones within a minute are counted only.")));
}

/* It has sent its first byte. */
static void
handshake_begin(KvClient *client)
{
	struct KvTls *mine = client->tls;
	SSL_CTX *context = kv_tls_context();
	BIO *bio = NULL;

	if (tls.begun_count >= BEGUN_MAX)
	{
		struct KvTls *first = dlist_head_element(struct KvTls, link, &tls.begun);

		handshake_failed(first->client, "too many others begin with it at the same time", NULL);
		kv_tls_drop(first->client);
	}
	if (!kv_buffers_count(client, BEGUN_MEMORY))
	{
		handshake_failed(client, "it does not fit into pgfirst.redis_client_memory", NULL);
		return;
	}
	mine->counted = BEGUN_MEMORY;
	mine->ssl = SSL_new(context);
	if (mine->ssl)
		bio = BIO_new(tls.method);
	if (!bio)
	{
		if (!mine->ssl)
			kv_buffers_count(client, -(int64) BEGUN_MEMORY);
		handshake_failed(client, "out of memory", NULL);
		return;
	}
	BIO_set_data(bio, client);
	BIO_set_init(bio, 1);
	SSL_set_bio(mine->ssl, bio, bio);
	SSL_set_msg_callback(mine->ssl, message_seen);
	SSL_set_msg_callback_arg(mine->ssl, mine);
	tls_enter(mine, TLS_BEGUN);
}

/* Whoever speaks no TLS hears it in words that its library will show. */
static void
refuse_plain(KvClient *client)
{
	static const char words[] =
	    "-ERR Protocol error: this port speaks TLS; use rediss://, or the port without TLS\r\n";

	(void) socket_send(client, words, sizeof(words) - 1);
	handshake_failed(client, "it does not speak TLS",
	                 "Its URL should begin with rediss://, or name pgfirst.redis_port.");
}

static void
handshake_done(KvClient *client)
{
	static const char words[] = "ERR max number of clients reached";
	struct KvTls *mine = client->tls;
	int on = 1;

	tls_enter(mine, TLS_ESTABLISHED);
	mine->messages = 0;
	kv_buffers_count(client, (int64) IDLE_MEMORY - (int64) mine->counted);
	mine->counted = IDLE_MEMORY;
	/* Nothing is answered, and a client with Nagle's algorithm would wait until the kernel says so. */
	(void) setsockopt(client->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
	kv_stats_add(&kv_stats->tls_handshakes, 1);
	if (!mine->welcome)
	{
		pgfirst_resp_write_error(&client->session.reply, words, sizeof(words) - 1);
		client->session.close = true;
		kv_stats_add(&kv_stats->connections_rejected, 1);
	}
	/* Its first commands may have come along. */
	kv_client_receive(client, false);
}

/* What OpenSSL did not like, or its verdict on the client's certificate. */
static const char *
failure_reason(const SSL *ssl)
{
	long verdict = SSL_get_verify_result(ssl);

	return verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : kv_tls_reason();
}

/* Takes one client as far as what it has sent allows. */
static void
handshake_step(KvClient *client)
{
	struct KvTls *mine = client->tls;
	ssize_t got;
	int result;
	int error;

	if (!kv_tls_flush(client) || (got = kv_tls_fill(client)) < 0)
	{
		client->broken |= errno != EAGAIN && errno != EWOULDBLOCK;
		return;
	}
	if (got == 0)
	{
		/* Port scanners and load balancers do that; it is nobody's failure. */
		client->broken = true;
		return;
	}
	if (mine->state == TLS_SILENT)
	{
		if (tls.wire[0] != HANDSHAKE_BYTE)
		{
			refuse_plain(client);
			return;
		}
		handshake_begin(client);
		if (client->broken)
			return;
	}
	ERR_clear_error();
	result = SSL_accept(mine->ssl);
	error = SSL_get_error(mine->ssl, result);
	if (result == 1)
		handshake_done(client);
	else if (error != SSL_ERROR_WANT_READ)
		handshake_failed(client, failure_reason(mine->ssl), NULL);
}

static void
drop_late(dlist_head *list, int64 now_us)
{
	while (!dlist_is_empty(list))
	{
		struct KvTls *mine = dlist_head_element(struct KvTls, link, list);

		if (now_us - mine->since_us < (int64) AuthenticationTimeout * 1000000)
			return;
		handshake_failed(mine->client, "it has not finished within authentication_timeout", NULL);
		kv_tls_drop(mine->client);
	}
}

bool
kv_tls_run(int64 now_us)
{
	int64 end_us;

	drop_late(&tls.silent, now_us);
	drop_late(&tls.begun, now_us);
	if (dlist_is_empty(&tls.turns))
		return false;
	end_us = pgfirst_clock_monotonic_us() + STEPS_US;
	do
	{
		dlist_node *first = dlist_pop_head_node(&tls.turns);
		struct KvTls *mine = dlist_container(struct KvTls, turn_link, first);

		mine->has_something = false;
		kv_client_touch(mine->client);
		handshake_step(mine->client);
	} while (!dlist_is_empty(&tls.turns) && pgfirst_clock_monotonic_us() < end_us);
	return !dlist_is_empty(&tls.turns);
}

int64
kv_tls_next_deadline(void)
{
	dlist_head *lists[] = {&tls.silent, &tls.begun};
	int64 first = 0;

	for (int i = 0; i < (int) lengthof(lists); i++)
	{
		int64 deadline;

		if (dlist_is_empty(lists[i]))
			continue;
		deadline = dlist_head_element(struct KvTls, link, lists[i])->since_us +
		           (int64) AuthenticationTimeout * 1000000;
		if (first == 0 || deadline < first)
			first = deadline;
	}
	return first;
}

/* ---- bytes ------------------------------------------------------------------------------- */

Size
kv_tls_fill_size(void)
{
	return WIRE;
}

bool
kv_tls_filled(const KvClient *client)
{
	return tls.wire_of == client && tls.wire_start < tls.wire_end;
}

ssize_t
kv_tls_fill(KvClient *client)
{
	ssize_t got;

	do
		got = recv(client->fd, tls.wire, WIRE, 0);
	while (got < 0 && errno == EINTR);
	tls.wire_of = client;
	tls.wire_start = 0;
	tls.wire_end = (Size) Max(got, 0);
	return got;
}

ssize_t
kv_tls_read(KvClient *client, char *buffer, Size size)
{
	struct KvTls *mine = client->tls;
	int got;

	if (mine->state != TLS_ESTABLISHED)
	{
		errno = EPIPE;
		return -1;
	}
	ERR_clear_error();
	got = SSL_read(mine->ssl, buffer, (int) Min(size, INT_MAX));
	if (got > 0)
	{
		mine->messages = 0;
		return got;
	}
	switch (SSL_get_error(mine->ssl, got))
	{
		case SSL_ERROR_WANT_READ:
			errno = EAGAIN;
			return -1;
		case SSL_ERROR_ZERO_RETURN:
			return 0;
		default:
			/* A damaged record, most likely; OpenSSL has told the client. */
			ERR_clear_error();
			errno = EPROTO;
			return -1;
	}
}

ssize_t
kv_tls_write(KvClient *client, const char *data, Size size)
{
	struct KvTls *mine = client->tls;
	int put;

	if (mine->state != TLS_ESTABLISHED)
	{
		errno = EPIPE;
		return -1;
	}
	if (!kv_tls_flush(client))
	{
		errno = client->broken ? EPIPE : EAGAIN;
		return -1;
	}
	ERR_clear_error();
	put = SSL_write(mine->ssl, data, (int) Min(size, RECORD));
	if (put > 0)
		return put;
	ERR_clear_error();
	errno = EPIPE;
	return -1;
}
