/* SPDX-License-Identifier: PostgreSQL
 *
 * stream.h: what streams are: entries, each with an id that is higher than those of all before it, and pairs of fields
 * and values.
 *
 * A small one is inline.  What stands in its key's record is packed (packed.h):
 *
 *     KvStreamHead, groups                which are none as yet: an empty value
 *     id, pairs; and so on                the entries; pairs are packed in turn
 *
 * That is also what a dump has.  A paged one (collection.h) has a record for each entry:
 *
 *     the key's record             KvStreamRoot: the head as well, and where entries begin and end
 *     (incarnation, 0)             the anchor
 *     (incarnation, number)        an entry: its id, its pairs
 *
 * An id has 128 bits and the number of a part 64, so entries are numbered, from 1, in the order in which they come, which
 * is that of their ids.  XADD writes one record and the key's, however long the stream is; neighbours stand next to each
 * other on their leaves.  XDEL and XTRIM leave numbers out, and none is used again.
 *
 * An id is found by search: of two numbers one is higher if the first entry from it on, whichever number that has, has a
 * higher id.  So numbers that are left out disturb nothing, and halving what is in between takes as many looks as
 * the range of numbers has binary digits.  As most readers are close to the end, steps from there, each twice as long as
 * the one before, find the range to be halved.
 *
 * A stream may be empty, and is a key then, which remembers the last id.  Many entries that go from the beginning
 * (KV_DELETE_FEW) take the incarnation with them, if fewer stay: these are written anew, the others are garbage.
 * Consumer groups will be parts of an incarnation of their own (`groups`), which that does not touch, as what they know of
 * entries are ids.
 *
 * Rejected: nodes of many entries, as Redis has them and lists do (list.h): entries are larger than most elements, and go
 * from the middle too; ids as numbers, made shorter (they may be anything: 2^64 in one millisecond); a tree (each XADD would
 * change it).
 */
#ifndef PGFIRST_KV_TYPE_STREAM_H
#define PGFIRST_KV_TYPE_STREAM_H

#include "postgres.h"

#include "kv/type/collection.h"
#include "kv/type/key.h"

typedef struct KvStreamId
{
	uint64 ms;
	uint64 seq;
} KvStreamId;

#define KV_STREAM_ID_MAX ((KvStreamId){PG_UINT64_MAX, PG_UINT64_MAX})

static inline int
kv_stream_id_compare(KvStreamId a, KvStreamId b)
{
	return a.ms != b.ms ? (a.ms < b.ms ? -1 : 1) : a.seq != b.seq ? (a.seq < b.seq ? -1 : 1) : 0;
}

/* The next id, and the one before; false if there is none. */
extern bool kv_stream_id_next(KvStreamId *id);
extern bool kv_stream_id_before(KvStreamId *id);

typedef struct KvStreamHead
{
	KvStreamId last;    /* that an entry has had, or XSETID has said */
	KvStreamId deleted; /* the highest that XDEL has taken away */
	uint64 added;       /* entries, ever */
} KvStreamHead;

typedef struct KvStreamRoot
{
	KvRoot root;
	KvStreamHead head;
	KvStreamId first_id; /* of the first entry, 0-0: there is none */
	uint64 first;        /* its number */
	uint64 next;         /* of the entry to come */
	uint64 groups;       /* their incarnation, 0: there are none */
} KvStreamRoot;

StaticAssertDecl(sizeof(KvStreamHead) == 40, "KvStreamHead is stored");
StaticAssertDecl(sizeof(KvStreamRoot) == 112, "KvStreamRoot is stored");

/* A stream that a command has opened. */
typedef struct KvStream
{
	KvSpace *space;
	RespSlice key;
	KvLayout layout;
	int64 expiry;
	bool there; /* the key is; an empty stream may be */
	bool changed;
	KvStreamRoot at; /* of an inline one without incarnation and numbers */
	char packed[KV_INLINE_MAX];
} KvStream;

/* As of a list; see list.h. */
extern bool kv_stream_open(KvSpace *space, RespSlice key, int64 now_ms, KvStream *stream);
extern void kv_stream_new(KvSpace *space, RespSlice key, KvStream *stream);
extern void kv_stream_close(KvStream *stream);
extern void kv_stream_record(const KvStream *stream, int64 expiry, PgfirstRecord *record);
extern void kv_stream_move(KvStream *from, RespSlice key);
extern void kv_stream_copy(KvStream *from, KvSpace *space, RespSlice key);
extern Size kv_stream_copy_size(const KvStream *from);

static inline uint64
kv_stream_count(const KvStream *stream)
{
	return stream->at.root.count;
}

/* The bytes of an entry are its id, and its pairs packed. */
static inline KvStreamId
kv_stream_entry_id(RespSlice entry)
{
	KvStreamId id;

	memcpy(&id, entry.data, sizeof(id));
	return id;
}

static inline RespSlice
kv_stream_entry_pairs(RespSlice entry)
{
	return (RespSlice){entry.data + sizeof(KvStreamId), entry.length - sizeof(KvStreamId)};
}

/* An entry in the current context; *end is where its pairs are to be written, which take so many bytes. */
extern RespSlice kv_stream_entry_new(KvStreamId id, Size pairs, char **end);

/* Adds an entry, whose id is higher than the last one. */
extern void kv_stream_append(KvStream *stream, RespSlice entry);

/* Takes the entries of these ids away; how many there were. */
extern uint64 kv_stream_delete(KvStream *stream, const KvStreamId *ids, Size count);

/* How many entries are before this id; once there are `most` of them, that many. */
extern uint64 kv_stream_count_before(KvStream *stream, KvStreamId id, uint64 most);

/* Takes away the first `count` entries, which are there; and what that takes of the write set. */
extern void kv_stream_drop(KvStream *stream, uint64 count);
extern Size kv_stream_drop_size(const KvStream *stream, uint64 count);

/* What was dumped begins with the head; false if there is none. */
extern bool kv_stream_head_read(RespSlice dumped, KvStreamHead *head, Size *end);
extern RespSlice kv_stream_head_slice(const KvStream *stream);

/* The entries from one id to another, both included, forwards or backwards. */
#define KV_STREAM_WINDOW 64

typedef struct KvStreamWalk
{
	KvStream *stream;
	KvStreamId from;
	KvStreamId to;
	bool back;
	MemoryContext context; /* NULL: inline */
	PgfirstWalk *walk;     /* forwards */
	uint64 low;            /* backwards: everything from this number on has been found */
	uint64 width;          /* of the next look */
	uint64 place;          /* of the entry that was found last, to go on with it later; 0: inline */
	int at;                /* of what was found: numbers, or inline where entries begin */
	int count;
	uint64 found[KV_STREAM_WINDOW];
} KvStreamWalk;

extern void kv_stream_walk(KvStream *stream, KvStreamId from, KvStreamId to, bool back,
                           KvStreamWalk *walk);
extern void kv_stream_walk_at(KvStream *stream, KvStreamId from, KvStreamId to, bool back,
                              uint64 place, KvStreamWalk *walk);
extern bool kv_stream_next(KvStreamWalk *walk, RespSlice *entry); /* good until the next call */
extern void kv_stream_walk_end(KvStreamWalk *walk);

#endif
