/* SPDX-License-Identifier: PostgreSQL
 *
 * throttle.c: how fast one address may try passwords; see throttle.h.
 *
 * The first ten failures of an address cost nothing: a wrong entry in a configuration is found by trying.
 * From then on its logins come one at a time, a gap apart that doubles up to pgfirst.redis_auth_delay.  A login
 * reserves the next moment that is free and is parked until then; when that is too far away it is
 * refused unseen.  So an address has few logins waiting, however many connections it opens, and what
 * it can try is bounded by the clock: 86,400 passwords a day with a gap of a second.
 *
 *     failures   1 … 10     11      12     …    15 and more
 *     gap           0     delay/16 delay/8         delay
 *
 * Whoever waits counts as a failure until looked at: or of a hundred that come at once, each would reserve a moment by
 * the gap that there is before the first of them has failed.
 *
 * Every login waits, also one that would succeed, and one whose success is remembered: or what is answered at
 * once would tell which guess is right.  Who shares an address with an attacker therefore logs in late or is
 * refused while it lasts; whoever is logged in, and all other addresses, notice nothing.  A success takes no
 * failure back, or somebody with a password of his own could try others' without end.  Failures are
 * forgotten one by one, in two seconds each.
 *
 * An IPv6 address counts by its first half, which is what one subscriber is given.  All clients of
 * the Unix socket count as one.
 *
 * The table is shared by all workers and its size is fixed: sets of four entries, chosen by a hash with a random
 * key, so that nobody can crowd another's set out on purpose.  In a full set the one that has failed
 * longest ago makes room.  Who has many thousands of addresses comes through; then what still holds is that
 * a worker verifies one password a turn.
 *
 * Rejected: to delay only the answer of a failure (who tries does not wait for it, but opens another
 * connection); to delay by user name (anybody could lock others out).
 */
#include "postgres.h"

#include <arpa/inet.h>

#include "storage/spin.h"

#include "base/shmem.h"
#include "kv/settings.h"
#include "kv/throttle.h"
#include "lib/hash/siphash.h"

#define FREE_FAILURES 10
#define STEPS         4 /* doublings of the gap until it is the whole delay */
#define FAILURES_MAX  (FREE_FAILURES + STEPS + 1)
#define FORGET_US     ((int64) 2000000)
#define PATIENCE_US   ((int64) 3000000)

#define SETS 512
#define WAYS 4

#define PLACE_BYTES 16

/* Where a client is: an IPv4 address, half an IPv6 address, or all zero for the Unix socket. */
typedef struct ThrottlePlace
{
	uint8 bytes[PLACE_BYTES];
} ThrottlePlace;

typedef struct ThrottleEntry
{
	ThrottlePlace place;
	int64 failed_us; /* monotonic; the last failure that is not forgotten; 0: nobody */
	int64 next_us;   /* when the next login has its turn */
	int failures;
	int waiting; /* who have reserved a moment and were not looked at yet */
} ThrottleEntry;

typedef struct ThrottleShared
{
	slock_t lock;
	uint8 key[PGFIRST_SIPHASH_KEY_BYTES];
	ThrottleEntry entries[SETS][WAYS];
} ThrottleShared;

static ThrottleShared *shared;

/* ---- addresses --------------------------------------------------------------------------- */

static ThrottlePlace
place_of(const char *address)
{
	ThrottlePlace place = {{0}};
	const char *colon = strrchr(address, ':');
	bool brackets = address[0] == '[';
	char host[INET6_ADDRSTRLEN + 1];
	Size length;

	if (address[0] == '/' || !colon)
		return place;
	address += brackets;
	length = (Size) (colon - address) - (brackets ? 1 : 0);
	if (length >= sizeof(host))
		return place;
	memcpy(host, address, length);
	host[length] = '\0';
	/* An address of one link has its interface behind it. */
	host[strcspn(host, "%")] = '\0';
	if (brackets && inet_pton(AF_INET6, host, place.bytes) == 1)
	{
		memset(place.bytes + PLACE_BYTES / 2, 0, PLACE_BYTES / 2);
		place.bytes[PLACE_BYTES - 1] = 6;
	}
	else if (!brackets && inet_pton(AF_INET, host, place.bytes) == 1)
		place.bytes[PLACE_BYTES - 1] = 4;
	return place;
}

static ThrottleEntry *
set_of(const ThrottlePlace *place)
{
	uint8 result[PGFIRST_SIPHASH_RESULT_BYTES];
	uint32 number;

	pgfirst_siphash(shared->key, place, sizeof(*place), result);
	memcpy(&number, result, sizeof(number));
	return shared->entries[number % SETS];
}

/* ---- entries, under the lock ------------------------------------------------------------- */

/* Forgets what time has forgiven; what is empty is nobody's. */
static void
entry_age(ThrottleEntry *entry, int64 now_us)
{
	int64 forgiven = (now_us - entry->failed_us) / FORGET_US;

	if (entry->failed_us == 0 || forgiven <= 0)
		return;
	entry->failures -= (int) Min(forgiven, entry->failures);
	entry->failed_us += forgiven * FORGET_US;
	if (entry->failures == 0)
		entry->failed_us = 0;
}

static ThrottleEntry *
entry_find(ThrottleEntry *set, const ThrottlePlace *place, int64 now_us)
{
	for (int i = 0; i < WAYS; i++)
	{
		if (set[i].failed_us == 0 || memcmp(&set[i].place, place, sizeof(*place)) != 0)
			continue;
		entry_age(&set[i], now_us);
		return set[i].failed_us != 0 ? &set[i] : NULL;
	}
	return NULL;
}

static ThrottleEntry *
entry_make(ThrottleEntry *set, const ThrottlePlace *place)
{
	ThrottleEntry *oldest = &set[0];

	for (int i = 1; i < WAYS; i++)
		if (set[i].failed_us < oldest->failed_us)
			oldest = &set[i];
	*oldest = (ThrottleEntry){.place = *place};
	return oldest;
}

static int64
entry_gap(const ThrottleEntry *entry, int64 delay_us)
{
	int failures = Min(entry->failures + entry->waiting, FAILURES_MAX);
	int over = failures - FREE_FAILURES;

	return over <= 0 ? 0 : delay_us >> Max(STEPS + 1 - over, 0);
}

/* ---- asking ------------------------------------------------------------------------------ */

KvThrottle
kv_throttle_ask(const char *address, int64 now_us, int64 *turn_us)
{
	int64 delay_us = (int64) pgfirst_redis_auth_delay * 1000;
	ThrottlePlace place;
	ThrottleEntry *set, *entry;
	KvThrottle answer = KV_THROTTLE_NOW;
	int64 gap_us;

	if (delay_us == 0)
		return KV_THROTTLE_NOW;
	place = place_of(address);
	set = set_of(&place);
	SpinLockAcquire(&shared->lock);
	entry = entry_find(set, &place, now_us);
	/* Who has gone without being looked at has had his moment. */
	if (entry && entry->next_us <= now_us)
		entry->waiting = 0;
	gap_us = entry ? entry_gap(entry, delay_us) : 0;
	if (gap_us > 0)
	{
		*turn_us = Max(entry->next_us, now_us);
		if (*turn_us > now_us + Max(PATIENCE_US, 2 * delay_us))
			answer = KV_THROTTLE_NEVER;
		else
		{
			entry->next_us = *turn_us + gap_us;
			entry->waiting++;
			answer = KV_THROTTLE_WAIT;
		}
	}
	SpinLockRelease(&shared->lock);
	return answer;
}

void
kv_throttle_looked(const char *address, int64 now_us)
{
	ThrottlePlace place = place_of(address);
	ThrottleEntry *set = set_of(&place);
	ThrottleEntry *entry;

	SpinLockAcquire(&shared->lock);
	entry = entry_find(set, &place, now_us);
	if (entry)
		entry->waiting = Max(entry->waiting - 1, 0);
	SpinLockRelease(&shared->lock);
}

void
kv_throttle_failed(const char *address, int64 now_us)
{
	int64 delay_us = (int64) pgfirst_redis_auth_delay * 1000;
	ThrottlePlace place;
	ThrottleEntry *set, *entry;

	if (delay_us == 0)
		return;
	place = place_of(address);
	set = set_of(&place);
	SpinLockAcquire(&shared->lock);
	entry = entry_find(set, &place, now_us);
	if (!entry)
		entry = entry_make(set, &place);
	entry->failures = Min(entry->failures + 1, FAILURES_MAX);
	entry->failed_us = now_us;
	entry->next_us = Max(entry->next_us, now_us + entry_gap(entry, delay_us));
	SpinLockRelease(&shared->lock);
}

static void
throttle_shared_init(void *fresh)
{
	ThrottleShared *fresh_shared = fresh;

	SpinLockInit(&fresh_shared->lock);
	if (!pg_strong_random(fresh_shared->key, sizeof(fresh_shared->key)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not get random bytes")));
}

void
kv_throttle_init(void)
{
	pgfirst_shmem_request("pgfirst kv throttle", sizeof(ThrottleShared), (void **) &shared,
	                      throttle_shared_init);
}
