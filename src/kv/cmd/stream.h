/* SPDX-License-Identifier: PostgreSQL
 *
 * stream.h: what the commands on streams share.
 */
#ifndef PGFIRST_KV_CMD_STREAM_H
#define PGFIRST_KV_CMD_STREAM_H

#include "kv/cmd/command.h"
#include "kv/type/stream.h"

/* Opens the stream that argument i is; false after answering that it is none. */
extern bool kv_stream_of(KvCall *call, int i, KvStream *stream);

/*
 * Reads an id: "ms-seq", or "ms", to which `seq` is added.  False if it is none.  any: "ms-*" as well, which sets it, and
 * leaves seq 0.
 */
extern bool kv_stream_id_parse(RespSlice argument, uint64 seq, KvStreamId *id, bool *any);

/* The same of argument i, where ids of one millisecond begin with 0; answers and returns false if it is none. */
extern bool kv_argument_stream_id(KvCall *call, int i, KvStreamId *id);
extern void kv_reply_stream_id_wrong(KvCall *call);

/* One of an entry to be added: "*", "ms-*", or the id itself. */
typedef struct KvStreamNewId
{
	KvStreamId id;
	bool any;
	bool any_seq;
} KvStreamNewId;

extern bool kv_stream_new_id_parse(RespSlice argument, KvStreamNewId *wanted);

/* Makes `id` what the entry gets, or says why it gets none. */
typedef enum KvStreamChoice
{
	KV_STREAM_ID_CHOSEN,
	KV_STREAM_ID_LOW,      /* it has to be higher than the last one */
	KV_STREAM_ID_NONE_LEFT /* the last one is the highest */
} KvStreamChoice;

extern KvStreamChoice kv_stream_choose_id(const KvStream *stream, int64 now_ms,
                                          KvStreamNewId *wanted);

/* An end of a range: an id, "-" or "+", or behind "(" an id that is not of it. */
typedef enum KvStreamBound
{
	KV_STREAM_BOUND,
	KV_STREAM_BOUND_WRONG,
	KV_STREAM_BOUND_BEYOND /* no id is higher, or lower */
} KvStreamBound;

extern KvStreamBound kv_stream_bound_parse(RespSlice argument, bool start, KvStreamId *id);

#define KV_STREAM_ID_TEXT 48
extern void kv_stream_id_format(KvStreamId id, char shown[KV_STREAM_ID_TEXT]);
extern void kv_reply_stream_id(KvCall *call, KvStreamId id);
extern void kv_reply_stream_entry(KvCall *call, RespSlice entry);

/* Writes an array of the entries between two ids, at most `most` of them; returns how many there were. */
extern uint64 kv_reply_stream_range(KvCall *call, KvStream *stream, KvStreamId from, KvStreamId to,
                                    bool back, uint64 most);

/* Puts the header of an array, or a map, in front of what was written from byte `start` on. */
extern void kv_reply_enclose(KvCall *call, Size start, void (*header)(RespBuffer *, size_t),
                             size_t count);

#endif
