/* SPDX-License-Identifier: PostgreSQL
 *
 * id.c: from a key to the id of its record.
 *
 * The id is a keyed hash of where the key belongs (tenant and epoch, of fixed length and in front, so that
 * no key can imitate another place) and of its bytes.  A command asks for it more than once: when what
 * it will read is looked for ahead of it, when the key is locked, when it is read or written.  So what was
 * hashed last is remembered, by the key's own bytes, and the state of the hash behind the place as well:
 * together 5 % of the time of a pipelined SET.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "kv/id.h"
#include "lib/hash/siphash.h"

#define RECENT_BITS 6 /* of the number of keys that are remembered: more than a look ahead takes */
#define RECENT_MAX                                                                                 \
	32 /* bytes of a key, whose last eight, or all of them, say where it is remembered */

typedef struct KvPlace
{
	uint32 tenant;
	uint32 zero;
	uint64 epoch;
} KvPlace;

typedef struct KvRecent
{
	KvPlace place;
	PgfirstId id;
	uint32 length; /* 0: nobody */
	char key[RECENT_MAX];
} KvRecent;

static struct
{
	uint8 secret[PGFIRST_SIPHASH_KEY_BYTES];
	KvPlace place; /* which `begun` has seen */
	SipHash begun;
	KvRecent recent[1 << RECENT_BITS];
} ids;

void
kv_ids_begin(const uint8 secret[KV_SECRET_BYTES])
{
	StaticAssertStmt(KV_SECRET_BYTES == PGFIRST_SIPHASH_KEY_BYTES, "the hash takes the secret");
	memset(&ids, 0, sizeof(ids));
	memcpy(ids.secret, secret, sizeof(ids.secret));
	pgfirst_siphash_begin(&ids.begun, ids.secret);
	pgfirst_siphash_add(&ids.begun, &ids.place, sizeof(ids.place));
}

static bool
place_is(const KvPlace *a, const KvPlace *b)
{
	return a->epoch == b->epoch && a->tenant == b->tenant;
}

static void
id_hash(const KvPlace *place, const char *key, Size length, PgfirstId *id)
{
	SipHash hash;

	if (!place_is(&ids.place, place))
	{
		ids.place = *place;
		pgfirst_siphash_begin(&ids.begun, ids.secret);
		pgfirst_siphash_add(&ids.begun, place, sizeof(*place));
	}
	hash = ids.begun;
	pgfirst_siphash_add(&hash, key, length);
	pgfirst_siphash_end(&hash, id->bytes);
}

void
kv_id(uint32 tenant, uint64 epoch, const char *key, Size length, PgfirstId *id)
{
	KvPlace place = {tenant, 0, epoch};
	KvRecent *recent;
	uint64 end = 0;

	if (length == 0 || length > RECENT_MAX)
	{
		id_hash(&place, key, length, id);
		return;
	}
	if (length >= sizeof(end))
		memcpy(&end, key + length - sizeof(end), sizeof(end));
	else
		memcpy(&end, key, length);
	recent = &ids.recent[end * UINT64CONST(0x9E3779B97F4A7C15) >> (64 - RECENT_BITS)];
	if (recent->length != length || !place_is(&recent->place, &place) ||
	    memcmp(recent->key, key, length) != 0)
	{
		id_hash(&place, key, length, &recent->id);
		recent->place = place;
		recent->length = (uint32) length;
		memcpy(recent->key, key, length);
	}
	*id = recent->id;
}

/* What is hashed is shorter than for any key. */
void
kv_id_of_epoch(uint32 tenant, PgfirstId *id)
{
	uint32 place[2] = {tenant, 0};

	pgfirst_siphash(ids.secret, place, sizeof(place), id->bytes);
}

/* ---- parts of collections ------------------------------------------------------------------ */

void
kv_id_of_part(uint64 incarnation, uint64 number, PgfirstId *id)
{
	uint64 halves[2] = {pg_hton64(incarnation), pg_hton64(number)};

	memcpy(id->bytes, halves, sizeof(halves));
}

void
kv_id_of_member(uint64 incarnation, const char *member, Size length, PgfirstId *id)
{
	/* A place that no key has: its second field is not zero. */
	KvPlace place = {0, 1, incarnation};
	PgfirstId hash;
	uint64 number;
	SipHash state;

	pgfirst_siphash_begin(&state, ids.secret);
	pgfirst_siphash_add(&state, &place, sizeof(place));
	pgfirst_siphash_add(&state, member, length);
	pgfirst_siphash_end(&state, hash.bytes);
	memcpy(&number, hash.bytes, sizeof(number));
	kv_id_of_part(incarnation, number | KV_ID_MEMBER, id);
}

static uint64
id_half(const PgfirstId *id, int half)
{
	uint64 value;

	memcpy(&value, id->bytes + 8 * half, sizeof(value));
	return pg_ntoh64(value);
}

uint64
kv_id_incarnation(const PgfirstId *id)
{
	return id_half(id, 0);
}

uint64
kv_id_number(const PgfirstId *id)
{
	return id_half(id, 1);
}
