/* SPDX-License-Identifier: PostgreSQL
 *
 * roster.c: the clients of all workers; see roster.h.
 *
 * A worker's clients have seats in its book, by blocks that come when they are needed, stay for as long as the server
 * runs, and are mapped by others when they read them.  A seat that somebody has asked something of is in a list, so that
 * nobody goes through all of them; a client may leave before, and then the seat is free when it has been taken out.
 *
 * One spinlock guards a book.  It is held for one seat at a time: the copy of some hundred bytes, and nothing that could
 * fail.  With one worker there is no book, and all of this costs nothing.
 */
#include "postgres.h"

#include "storage/ipc.h"
#include "storage/spin.h"

#include "base/area.h"
#include "base/shmem.h"
#include "base/worker.h"
#include "kv/cmd/roster.h"
#include "kv/settings.h"

#define BLOCK_SEATS 128
#define BLOCKS_MAX  (1000000 / BLOCK_SEATS + 1) /* for what pgfirst.redis_max_clients can be */
#define NO_SEAT     (-1)

typedef enum Asked
{
	ASKED_KILL = 1 << 0,
	ASKED_TIMEOUT = 1 << 1,
	ASKED_ERROR = 1 << 2
} Asked;

#define ASKED_UNBLOCK (ASKED_TIMEOUT | ASKED_ERROR)

typedef struct KvSeat
{
	KvPortrait portrait; /* its texts are those below; id 0: the seat is free */
	KvRosterTexts texts;
	KvSession *session; /* in its worker's memory */
	uint32 asked;
	bool listed; /* among those of which something is asked, maybe of who has left */
	int number;
	int next; /* of those, or while it is free of the free ones */
} KvSeat;

typedef struct Book
{
	slock_t lock;
	int seats; /* the number of them, in whole blocks */
	int asked; /* the first of which something is asked */
	dsa_pointer blocks[BLOCKS_MAX];
} Book;

typedef struct RosterShared
{
	PgfirstArea area;
	Book books[FLEXIBLE_ARRAY_MEMBER]; /* one for each worker */
} RosterShared;

static RosterShared *shared; /* NULL: there is one worker */

static struct
{
	dsa_area *area;
	Book *book;
	KvSeat *blocks[BLOCKS_MAX]; /* where the own ones are mapped */
	int free;
} mine = {.free = NO_SEAT};

/* ---- portraits ----------------------------------------------------------------------------- */

static const char *
or_empty(const char *words)
{
	return words ? words : "";
}

void
kv_portrait_take(const KvSession *session, KvPortrait *portrait)
{
	*portrait = (KvPortrait){.id = session->id,
	                         .tenant = session->tenant,
	                         .role = session->role,
	                         .created_us = session->created_us,
	                         .active_us = session->active_us,
	                         .last_command = session->last_command,
	                         .fd = session->fd,
	                         .database = session->database,
	                         .protocol = session->reply.protocol,
	                         .channels = session->channels,
	                         .patterns = session->patterns,
	                         .queued = kv_multi_commands(session),
	                         .watched = kv_multi_watched(session),
	                         .input = session->input_bytes,
	                         .reply = session->reply.length + session->tail.length,
	                         .reply_capacity = session->reply.capacity,
	                         .output_capacity = session->reply.capacity + session->tail.capacity,
	                         .waits = session->waits && session->unblocked == KV_UNBLOCKED_NOT,
	                         .no_evict = session->no_evict,
	                         .no_touch = session->no_touch,
	                         .killed = session->killed,
	                         .address = session->address,
	                         .local_address = session->local_address,
	                         .name = or_empty(session->name),
	                         .library_name = or_empty(session->library_name),
	                         .library_version = or_empty(session->library_version)};
}

static void
portrait_hang(KvPortrait *portrait, const KvRosterTexts *texts)
{
	portrait->address = texts->address;
	portrait->local_address = texts->local_address;
	portrait->name = texts->name;
	portrait->library_name = texts->library_name;
	portrait->library_version = texts->library_version;
}

static void
texts_take(const KvPortrait *portrait, KvRosterTexts *texts)
{
	strlcpy(texts->address, portrait->address, sizeof(texts->address));
	strlcpy(texts->local_address, portrait->local_address, sizeof(texts->local_address));
	strlcpy(texts->name, portrait->name, sizeof(texts->name));
	strlcpy(texts->library_name, portrait->library_name, sizeof(texts->library_name));
	strlcpy(texts->library_version, portrait->library_version, sizeof(texts->library_version));
}

/* ---- who asks ------------------------------------------------------------------------------ */

/* Seat i of a book of another worker. */
static KvSeat *
seat_of(const Book *book, int i)
{
	KvSeat *block = dsa_get_address(mine.area, book->blocks[i / BLOCK_SEATS]);

	return block + i % BLOCK_SEATS;
}

static int
book_seats(Book *book)
{
	int seats;

	SpinLockAcquire(&book->lock);
	seats = book->seats;
	SpinLockRelease(&book->lock);
	return seats;
}

void
kv_roster_walk(KvRosterWalk *walk, uint32 tenant)
{
	walk->tenant = tenant;
	walk->session = NULL;
	walk->worker = walk->seat = 0;
}

static bool
walk_own(KvRosterWalk *walk, KvPortrait *portrait)
{
	dlist_head *list = &kv_sessions.list;

	do
	{
		dlist_node *node;

		if (!walk->session && dlist_is_empty(list))
			return false;
		if (walk->session && !dlist_has_next(list, &walk->session->link))
			return false;
		node = walk->session ? dlist_next_node(list, &walk->session->link) : dlist_head_node(list);
		walk->session = dlist_container(KvSession, link, node);
	} while (walk->session->tenant != walk->tenant);
	kv_portrait_take(walk->session, portrait);
	return true;
}

/* The next client in this book, if there is one. */
static bool
walk_book(KvRosterWalk *walk, Book *book, KvPortrait *portrait)
{
	int seats = book_seats(book);
	bool found = false;

	while (!found && walk->seat < seats)
	{
		KvSeat *seat = seat_of(book, walk->seat++);

		SpinLockAcquire(&book->lock);
		if (seat->portrait.id != 0 && seat->portrait.tenant == walk->tenant)
		{
			*portrait = seat->portrait;
			portrait->killed |= (seat->asked & ASKED_KILL) != 0;
			walk->texts = seat->texts;
			found = true;
		}
		SpinLockRelease(&book->lock);
	}
	portrait_hang(portrait, &walk->texts);
	return found;
}

bool
kv_roster_next(KvRosterWalk *walk, KvPortrait *portrait)
{
	bool found = walk->worker == 0 && walk_own(walk, portrait);

	if (!found && walk->worker == 0)
		walk->worker = 1;
	for (; !found && shared && walk->worker <= pgfirst_redis_workers; walk->worker += !found)
	{
		Book *book = &shared->books[walk->worker - 1];

		walk->session = NULL;
		if (book != mine.book)
			found = walk_book(walk, book, portrait);
		if (!found)
			walk->seat = 0;
	}
	walk->id = found ? portrait->id : 0;
	return found;
}

/* Asks something of who has this seat, if it is still who was meant; false if that has nothing to be asked. */
static bool
seat_ask(Book *book, KvSeat *seat, uint64 id, uint32 tenant, Asked what)
{
	bool asks;

	SpinLockAcquire(&book->lock);
	asks = seat->portrait.id == id && seat->portrait.tenant == tenant;
	if (what == ASKED_KILL)
		asks &= !seat->portrait.killed && !(seat->asked & ASKED_KILL);
	else
		asks &= seat->portrait.waits && !(seat->asked & ASKED_UNBLOCK);
	if (asks)
	{
		seat->asked |= what;
		if (!seat->listed)
		{
			seat->listed = true;
			seat->next = book->asked;
			book->asked = seat->number;
		}
	}
	SpinLockRelease(&book->lock);
	if (asks)
		pgfirst_bell_ring(PGFIRST_BELL_CLIENTS);
	return asks;
}

bool
kv_roster_kill(KvRosterWalk *walk)
{
	Book *book;

	if (walk->session)
	{
		bool first = !walk->session->killed;

		kv_session_kill(walk->session);
		return first;
	}
	book = &shared->books[walk->worker - 1];
	return seat_ask(book, seat_of(book, walk->seat - 1), walk->id, walk->tenant, ASKED_KILL);
}

bool
kv_roster_unblock(uint64 id, uint32 tenant, bool error)
{
	if (!shared || id == 0)
		return false;
	for (int worker = 0; worker < pgfirst_redis_workers; worker++)
	{
		Book *book = &shared->books[worker];
		int seats = book == mine.book ? 0 : book_seats(book);

		for (int i = 0; i < seats; i++)
		{
			KvSeat *seat = seat_of(book, i);

			/* It is looked at again, with the lock. */
			if (*(volatile uint64 *) &seat->portrait.id == id)
				return seat_ask(book, seat, id, tenant, error ? ASKED_ERROR : ASKED_TIMEOUT);
		}
	}
	return false;
}

/* ---- whose clients they are ------------------------------------------------------------------ */

static KvSeat *
own_seat(int i)
{
	return &mine.blocks[i / BLOCK_SEATS][i % BLOCK_SEATS];
}

static void
seat_free(KvSeat *seat)
{
	seat->next = mine.free;
	mine.free = seat->number;
}

/* The seats of a block, all of them free, of which nobody else knows yet. */
static bool
block_make(void)
{
	Book *book = mine.book;
	int number = book->seats / BLOCK_SEATS;
	dsa_pointer pointer;
	KvSeat *block;

	if (number == BLOCKS_MAX)
		return false;
	pointer = pgfirst_area_allocate(mine.area, BLOCK_SEATS * sizeof(KvSeat));
	if (!DsaPointerIsValid(pointer))
		return false;
	block = dsa_get_address(mine.area, pointer);
	memset(block, 0, BLOCK_SEATS * sizeof(KvSeat));
	mine.blocks[number] = block;
	book->blocks[number] = pointer;
	for (int i = BLOCK_SEATS - 1; i >= 0; i--)
	{
		block[i].number = number * BLOCK_SEATS + i;
		seat_free(&block[i]);
	}
	SpinLockAcquire(&book->lock);
	book->seats += BLOCK_SEATS;
	SpinLockRelease(&book->lock);
	return true;
}

bool
kv_roster_join(KvSession *session)
{
	if (!shared)
		return true;
	if (mine.free == NO_SEAT && !block_make())
		return false;
	session->seat = own_seat(mine.free);
	mine.free = session->seat->next;
	session->seat->session = session;
	session->renamed = true;
	kv_roster_show(session);
	return true;
}

static void
seat_leave(KvSeat *seat)
{
	SpinLockAcquire(&mine.book->lock);
	seat->portrait.id = 0;
	seat->portrait.waits = false;
	seat->session = NULL;
	seat->asked = 0;
	SpinLockRelease(&mine.book->lock);
}

/* Others only list the seat of who is there, so it is free now unless it is listed already. */
void
kv_roster_leave(KvSession *session)
{
	KvSeat *seat = session->seat;

	if (!seat)
		return;
	seat_leave(seat);
	session->seat = NULL;
	if (!seat->listed)
		seat_free(seat);
}

void
kv_roster_show(KvSession *session)
{
	KvSeat *seat = session->seat;
	KvPortrait portrait;

	if (!seat)
		return;
	kv_portrait_take(session, &portrait);
	SpinLockAcquire(&mine.book->lock);
	seat->portrait = portrait;
	if (session->renamed)
		texts_take(&portrait, &seat->texts);
	SpinLockRelease(&mine.book->lock);
	session->renamed = false;
}

void
kv_roster_waits(KvSession *session)
{
	KvSeat *seat = session->seat;

	if (!seat)
		return;
	SpinLockAcquire(&mine.book->lock);
	seat->portrait.waits = session->waits;
	seat->portrait.tenant = session->tenant;
	seat->asked &= ASKED_KILL;
	SpinLockRelease(&mine.book->lock);
}

/* Takes the first that is listed out of the list; NULL if none is. */
static KvSeat *
seat_listed(uint32 *asked)
{
	KvSeat *seat = NULL;

	SpinLockAcquire(&mine.book->lock);
	if (mine.book->asked != NO_SEAT)
	{
		seat = own_seat(mine.book->asked);
		mine.book->asked = seat->next;
		seat->listed = false;
		*asked = seat->asked;
		seat->asked = 0;
	}
	SpinLockRelease(&mine.book->lock);
	return seat;
}

void
kv_roster_heed(void)
{
	KvSeat *seat;
	uint32 asked;

	if (!shared || *(volatile int *) &mine.book->asked == NO_SEAT)
		return;
	while ((seat = seat_listed(&asked)) != NULL)
	{
		if (!seat->session)
		{
			seat_free(seat);
			continue;
		}
		if (asked & ASKED_KILL)
			kv_session_kill(seat->session);
		if (asked & ASKED_UNBLOCK)
			(void) kv_session_end_wait(seat->session, (asked & ASKED_ERROR) != 0);
		kv_roster_show(seat->session);
	}
}

/* ---- start and end ----------------------------------------------------------------------------- */

/* A worker that ends has no clients any more, while others go on. */
static void
roster_close(int code, Datum arg)
{
	for (int i = 0; i < mine.book->seats; i++)
		seat_leave(own_seat(i));
}

/* The blocks are those of the process that was this worker before, and free. */
void
kv_roster_begin(int number)
{
	Book *book;

	if (!shared)
		return;
	mine.area = pgfirst_area_attach(&shared->area, "pgfirst_roster");
	mine.book = book = &shared->books[number - 1];
	for (int i = 0; i < book->seats / BLOCK_SEATS; i++)
		mine.blocks[i] = dsa_get_address(mine.area, book->blocks[i]);
	SpinLockAcquire(&book->lock);
	book->asked = NO_SEAT;
	SpinLockRelease(&book->lock);
	for (int i = book->seats - 1; i >= 0; i--)
	{
		own_seat(i)->listed = false;
		seat_free(own_seat(i));
	}
	before_shmem_exit(roster_close, 0);
}

static void
roster_shared_init(void *fresh)
{
	RosterShared *all = fresh;

	pgfirst_area_init(&all->area);
	for (int i = 0; i < pgfirst_redis_workers; i++)
	{
		SpinLockInit(&all->books[i].lock);
		all->books[i].asked = NO_SEAT;
	}
}

void
kv_roster_init(void)
{
	if (pgfirst_redis_workers > 1)
		pgfirst_shmem_request("pgfirst kv roster",
		                      offsetof(RosterShared, books) +
		                          (Size) pgfirst_redis_workers * sizeof(Book),
		                      (void **) &shared, roster_shared_init);
}
