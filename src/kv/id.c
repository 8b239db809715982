/* SPDX-License-Identifier: PostgreSQL
 *
 * id.c: from a key to the id of its record.
 *
 * The id is a keyed hash of where the key belongs (tenant and epoch, of fixed length and in front, so that
 * no key can imitate another place) and of its bytes; that of a member of a collection, of its incarnation and its
 * bytes.  A command asks for it more than once: when what it will read is looked for ahead of it, when the key is
 * locked, when it is read or written.  So what was hashed last is remembered, by the key's own bytes, and the state of
 * the hash behind the place as well: together 5 % of the time of a pipelined SET.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "kv/id.h"
#include "lib/hash/siphash.h"

#define RECENT_BITS 7 /* of the number that is remembered: more than a look ahead takes */

typedef struct KvPlace
{
	uint32 tenant;
	uint32 is_member; /* of a collection, which no key is; then `epoch` is an incarnation */
	uint64 epoch;
} KvPlace;

/* A key of up to so many bytes, as words, which beside its length say which it is. */
typedef struct KvShort
{
	uint64 word[4];
} KvShort;

typedef struct KvRecent
{
	KvPlace place;
	PgfirstId id;
	uint32 length; /* 0: nobody */
	KvShort bytes;
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
	return a->epoch == b->epoch && a->tenant == b->tenant && a->is_member == b->is_member;
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

static uint64
word_at(const char *data)
{
	uint64 word;

	memcpy(&word, data, sizeof(word));
	return word;
}

/* Words may overlap.  What copies and compares bytes of any length would be called some five times for each command. */
static inline void
short_take(const char *key, Size length, KvShort *bytes)
{
	const char *end = key + length;

	*bytes = (KvShort){0};
	if (length >= 16)
	{
		bytes->word[0] = word_at(key);
		bytes->word[1] = word_at(key + 8);
		bytes->word[2] = word_at(end - 16);
		bytes->word[3] = word_at(end - 8);
	}
	else if (length >= 8)
	{
		bytes->word[0] = word_at(key);
		bytes->word[3] = word_at(end - 8);
	}
	else
		for (Size i = 0; i < length; i++)
			bytes->word[3] = bytes->word[3] << 8 | (unsigned char) key[i];
}

static inline bool
short_is(const KvShort *a, const KvShort *b)
{
	return ((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]) | (a->word[2] ^ b->word[2]) |
	        (a->word[3] ^ b->word[3])) == 0;
}

/* The same for whoever may ask again soon. */
static void
id_recent(const KvPlace *place, const char *key, Size length, PgfirstId *id)
{
	KvRecent *recent;
	KvShort bytes;

	if (length == 0 || length > sizeof(bytes))
	{
		id_hash(place, key, length, id);
		return;
	}
	short_take(key, length, &bytes);
	recent = &ids.recent[bytes.word[3] * UINT64CONST(0x9E3779B97F4A7C15) >> (64 - RECENT_BITS)];
	if (recent->length != length || !place_is(&recent->place, place) ||
	    !short_is(&recent->bytes, &bytes))
	{
		id_hash(place, key, length, &recent->id);
		recent->place = *place;
		recent->length = (uint32) length;
		recent->bytes = bytes;
	}
	*id = recent->id;
}

void
kv_id(uint32 tenant, uint64 epoch, const char *key, Size length, PgfirstId *id)
{
	KvPlace place = {.tenant = tenant, .epoch = epoch};

	id_recent(&place, key, length, id);
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
	KvPlace place = {.is_member = 1, .epoch = incarnation};
	PgfirstId hash;
	uint64 number;

	id_recent(&place, member, length, &hash);
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
