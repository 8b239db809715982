/* SPDX-License-Identifier: PostgreSQL
 *
 * load.h: a load on the Redis door that knows every write that was acknowledged and everything that
 * a reader was shown, and finds out what of it is missing after a crash.
 *
 *     known.c     what is known of each key, and what may be shown of it
 *     ask.c       connections, and what they are asked
 *     answer.c    what comes back
 *     load.c      the loop, and the words that the driver says
 *
 * What is known.  Every key has one writer, which numbers its operations on the key 1, 2, 3, … and
 * writes the number: SET, SET EX, MSET and the SETs of transactions and scripts as what the value begins
 * with, INCR as the count, DEL as the absence.  So
 *
 *     floor  the highest number that was acknowledged, or shown to a reader
 *     sent   the highest number that was sent
 *
 * and the key must be, whenever it is read, in the state of an operation from floor to sent: what is
 * below is lost, what is above was never written.  A reader is held to the floor as it was when it
 * asked: a write that was answered before is seen, by everybody, and nothing that was once shown
 * is taken back by a crash.
 *
 * Groups.  All keys of a group have the same number, for whoever looks: they are changed by one MSET or
 * DEL, between MULTI and EXEC, by a script, by a script between MULTI and EXEC, or by a transaction of which
 * some keys are changed by commands and the others by a script; and they are read by one MGET, between MULTI
 * and EXEC, by a script that may not change anything, and by the scripts that change them, before they do.
 * The small group is of few keys, which one WAL record can change, the large one of many; of the wide one
 * many are in one database and few in another.  A script declares all its keys, one, or none, and in its middle it counts a
 * counter that all writers share, for which it may have to wait and then begins again.  Some end with an error
 * behind their last change, which they keep.
 *
 * Every answer of the shared counters must be given once only, whoever counted.
 *
 * Loaded scripts are gone after a restart: NOSCRIPT is an answer then, and what it answered never happens.
 * It is none while the server lives in which the script was loaded, which a connection knows that was
 * there before and still is.
 *
 * Plain sockets and no client library: the checker must not share a mistake with one.
 */
#ifndef CHAOS_LOAD_H
#define CHAOS_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#define KEYS      12 /* of a writer: simple ones */
#define GROUP     4  /* keys of its small group */
#define MANY      14 /* keys of its large one */
#define WIDE      40 /* keys of its wide one */
#define ELSEWHERE 3  /* of them in database 1 */
#define SLOTS     (KEYS + 4)
#define GROUPED   KEYS       /* the slot of the small group */
#define LARGE     (KEYS + 1) /* the slot of the large one */
#define SPREAD    (KEYS + 2) /* the slot of the wide one */
#define COUNTER   (KEYS + 3) /* the slot of its own counter */
#define SHARED    4          /* counters that all writers share */
#define WINDOW    64         /* operations of a key between floor and sent, at most */
#define DEPTH     16         /* requests of a connection under way, at most; and a transaction */
#define RING      (DEPTH + WIDE + 8)
#define BUFFER    65536
#define SHA       40 /* digits of a script's name */

typedef struct Key
{
	int64_t floor;
	int64_t sent;
	bool deletes[WINDOW]; /* whether operation n, at n % WINDOW, deletes */
	bool refused[WINDOW]; /* and whether it was answered that it never happens */
} Key;

typedef enum Kind
{
	WRITE,
	PART, /* of a transaction: MULTI, or what it keeps */
	SHARED_INCR,
	READ,
	READ_GROUP,
	READ_SHARED,
	LOAD,
	LOGIN
} Kind;

typedef struct Request
{
	Kind kind;
	Key *key;
	/* WRITE: of the operation; of a counter, and READ: the floor when asked; SHARED: which counter. */
	int64_t number;
	/* Of a WRITE of a group. */
	int elements;  /* that EXEC answers with; 0: no EXEC */
	bool scripted; /* there is a script in it */
	int counter;   /* the shared counter that its script counts, or -1 */
	bool fails;    /* its script, with an error behind its last change */
	bool known;    /* the script is loaded in the server that this connection knows */
} Request;

typedef struct Client
{
	int fd; /* -1: not connected */
	bool writes;
	int number; /* of the writer */
	int depth;
	int64_t retry_at;
	uint64_t since;    /* of the events: it has logged in */
	bool watches_room; /* in the socket's buffer */
	Request under_way[RING];
	int first, count;
	char in[BUFFER];
	int in_length;
	char out[BUFFER];
	int out_length;
} Client;

typedef struct Load
{
	int port;
	const char *password;
	int writers, readers;
	Key *keys; /* SLOTS of each writer */
	Client *clients;
	int epoll;
	bool running;
	/* The shared counters. */
	int64_t shared_sent[SHARED], shared_acknowledged[SHARED], shared_highest[SHARED];
	uint8_t *shared_seen[SHARED];
	int64_t shared_room[SHARED];
	/* The script that changes groups. */
	char sha[SHA + 1]; /* "": not known yet */
	bool loaded;       /* as far as anybody knows */
	uint64_t loaded_since;
	uint64_t events; /* numbers what comes before what */
	/* What happened. */
	int64_t acknowledged, scripts, transactions, shown, groups, halves, unloaded;
	int64_t lost_connections, errors, wrong;
	uint64_t random;
} Load;

extern Load all;

/* ---- known.c --------------------------------------------------------------------------------- */

extern uint64_t chance(uint64_t below);
extern int64_t now_ms(void);
__attribute__((format(printf, 1, 2))) extern void wrong(const char *format, ...);

extern Key *key_of(int writer, int slot);
extern int key_slot(const Key *key);
extern int key_writer(const Key *key);

/* How many keys stand in the slot, and how many of them in database 0; the others are in database 1. */
extern int key_parts(const Key *key);
extern int key_parts_here(const Key *key);

/* What a key is called, part being the number within a group; and what its name begins with. */
extern void key_name(const Key *key, int part, char *name, int size);
extern void key_prefix(const Key *key, char *prefix, int size);

/* Takes notice of what a reader was shown; -1 is absent, and the floor that of when it asked. */
extern void key_shown(Key *key, int64_t floor, int64_t state);
extern void group_shown(Key *key, int64_t floor, const int64_t *states, const char *by);
extern void half_shown(const Key *key, const char *by, const char *what);

extern void shared_answered(int counter, int64_t value);
extern void shared_shown(int counter, int64_t value);

/* ---- ask.c ----------------------------------------------------------------------------------- */

extern void client_connect(Client *client);
extern void client_lose(Client *client);
extern void client_close(Client *client); /* not lost: nothing is under way */
extern void client_send(Client *client);
extern void client_watch(Client *client);
extern void client_ask(Client *client);
extern void ask_read(Client *client, Key *key);
extern void ask_shared(Client *client, int counter);

/* ---- answer.c -------------------------------------------------------------------------------- */

extern void client_receive(Client *client);

#endif
