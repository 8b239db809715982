/* SPDX-License-Identifier: PostgreSQL
 *
 * stream.c: commands that change streams, or tell of them; those that read entries stand in stream_read.c, and what a
 * stream is in type/stream.h.
 *
 * XTRIM and XADD with "~" take entries away in hundreds, or all of them, as Redis does, whose nodes have so many: then most
 * calls take none, and the others pay for all.
 */
#include "postgres.h"

#include <ctype.h>

#include "utils/memutils.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/stream.h"
#include "kv/cmd/value.h"
#include "kv/type/packed.h"
#include "lib/number/number.h"

#define NODE_ENTRIES  100
#define LIMIT_DEFAULT (100 * NODE_ENTRIES)
#define ID_LENGTH_MAX 127
#define FULL_DEFAULT  10 /* entries that XINFO STREAM FULL shows */

bool
kv_stream_of(KvCall *call, int i, KvStream *stream)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	bool fits = kv_stream_open(call->space, kv_argument(call, i), call->now_ms, stream);

	MemoryContextSwitchTo(old);
	if (!fits)
		kv_reply_wrong_type(call);
	return fits;
}

/* ---- ids ------------------------------------------------------------------------------------- */

/* As Redis reads them: spaces may be in front, and a plus sign. */
static bool
digits_parse(const char *digits, Size length, uint64 *value)
{
	const char *end = digits + length;
	uint64 sum = 0;

	while (digits < end && isspace((unsigned char) *digits))
		digits++;
	if (digits < end && *digits == '+')
		digits++;
	if (digits == end)
		return false;
	for (; digits < end; digits++)
	{
		uint64 digit = (uint64) (unsigned char) *digits - '0';

		if (digit > 9 || sum > (PG_UINT64_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*value = sum;
	return true;
}

bool
kv_stream_id_parse(RespSlice argument, uint64 seq, KvStreamId *id, bool *any)
{
	const char *dash = argument.length > 0 ? memchr(argument.data, '-', argument.length) : NULL;
	Size left = dash ? (Size) (dash - argument.data) : argument.length;
	Size right = dash ? argument.length - left - 1 : 0;

	if (argument.length > ID_LENGTH_MAX)
		return false;
	id->seq = seq;
	if (any)
		*any = dash && right == 1 && dash[1] == '*';
	if (any && *any)
		id->seq = 0;
	else if (dash && !digits_parse(dash + 1, right, &id->seq))
		return false;
	return digits_parse(argument.data, left, &id->ms);
}

void
kv_reply_stream_id_wrong(KvCall *call)
{
	kv_reply_error(call, "ERR Invalid stream ID specified as stream command argument");
}

bool
kv_argument_stream_id(KvCall *call, int i, KvStreamId *id)
{
	if (kv_stream_id_parse(kv_argument(call, i), 0, id, NULL))
		return true;
	kv_reply_stream_id_wrong(call);
	return false;
}

void
kv_stream_id_format(KvStreamId id, char shown[KV_STREAM_ID_TEXT])
{
	snprintf(shown, KV_STREAM_ID_TEXT, UINT64_FORMAT "-" UINT64_FORMAT, id.ms, id.seq);
}

void
kv_reply_stream_id(KvCall *call, KvStreamId id)
{
	char shown[KV_STREAM_ID_TEXT];

	kv_stream_id_format(id, shown);
	pgfirst_resp_write_text(call->reply, shown);
}

bool
kv_stream_new_id_parse(RespSlice argument, KvStreamNewId *wanted)
{
	*wanted = (KvStreamNewId){.any = argument.length == 1 && *argument.data == '*'};
	return wanted->any || kv_stream_id_parse(argument, 0, &wanted->id, &wanted->any_seq);
}

KvStreamChoice
kv_stream_choose_id(const KvStream *stream, int64 now_ms, KvStreamNewId *wanted)
{
	KvStreamId last = stream->at.head.last;
	KvStreamId next = last;

	if (!kv_stream_id_next(&next))
		return KV_STREAM_ID_NONE_LEFT;
	if (wanted->any)
	{
		wanted->id = (KvStreamId){(uint64) now_ms, 0};
		if (kv_stream_id_compare(wanted->id, next) < 0)
			wanted->id = next;
	}
	else if (wanted->any_seq && wanted->id.ms == last.ms && next.ms == last.ms)
		wanted->id = next;
	return kv_stream_id_compare(wanted->id, last) > 0 ? KV_STREAM_ID_CHOSEN : KV_STREAM_ID_LOW;
}

KvStreamBound
kv_stream_bound_parse(RespSlice argument, bool start, KvStreamId *id)
{
	bool without = argument.length > 1 && argument.data[0] == '(';

	if (without)
		argument = (RespSlice){argument.data + 1, argument.length - 1};
	if (!without && argument.length == 1 && argument.data[0] == '-')
		*id = (KvStreamId){0, 0};
	else if (!without && argument.length == 1 && argument.data[0] == '+')
		*id = KV_STREAM_ID_MAX;
	else if (!kv_stream_id_parse(argument, start ? 0 : PG_UINT64_MAX, id, NULL))
		return KV_STREAM_BOUND_WRONG;
	if (!without || (start ? kv_stream_id_next(id) : kv_stream_id_before(id)))
		return KV_STREAM_BOUND;
	return KV_STREAM_BOUND_BEYOND;
}

/* ---- trimming -------------------------------------------------------------------------------- */

typedef enum TrimBy
{
	TRIM_NOT,
	TRIM_LENGTH,
	TRIM_ID
} TrimBy;

typedef struct Trim
{
	TrimBy by;
	bool about;
	uint64 length;
	KvStreamId id;
	int64 limit; /* -1: not given */
} Trim;

/* Reads argument i as a number that is not negative. */
static bool
trim_number(KvCall *call, int i, const char *name, int64 *number)
{
	if (!kv_argument_integer(call, i, number))
		return false;
	if (*number >= 0)
		return true;
	kv_reply_error(call, "ERR The %s argument must be >= 0.", name);
	return false;
}

/* MAXLEN or MINID at argument *i, which becomes its last one. */
static bool
trim_threshold(KvCall *call, int *i, TrimBy by, Trim *trim)
{
	int64 length;

	if (trim->by != TRIM_NOT)
	{
		kv_reply_error(call, "ERR syntax error, MAXLEN and MINID options at the same time are not "
		                     "compatible");
		return false;
	}
	trim->by = by;
	++*i;
	if (*i + 1 < call->argc && (kv_argument_is(call, *i, "~") || kv_argument_is(call, *i, "=")))
		trim->about = kv_argument_is(call, (*i)++, "~");
	if (by == TRIM_ID)
		return kv_argument_stream_id(call, *i, &trim->id);
	if (!trim_number(call, *i, "MAXLEN", &length))
		return false;
	trim->length = (uint64) length;
	return true;
}

/* An option of trimming at argument *i, which becomes its last one; *taken: whether it is one.  False after answering. */
static bool
trim_option(KvCall *call, int *i, Trim *trim, bool *taken)
{
	*taken = true;
	if (*i + 1 < call->argc && kv_argument_is(call, *i, "MAXLEN"))
		return trim_threshold(call, i, TRIM_LENGTH, trim);
	if (*i + 1 < call->argc && kv_argument_is(call, *i, "MINID"))
		return trim_threshold(call, i, TRIM_ID, trim);
	if (*i + 1 < call->argc && kv_argument_is(call, *i, "LIMIT"))
		return trim_number(call, ++*i, "LIMIT", &trim->limit);
	*taken = false;
	return true;
}

/* Whether the options fit each other; answers if not. */
static bool
trim_is_whole(KvCall *call, const Trim *trim, bool required)
{
	if (trim->limit > 0 && trim->by == TRIM_NOT)
		kv_reply_error(call, "ERR syntax error, LIMIT cannot be used without specifying a trimming "
		                     "strategy");
	else if (required && trim->by == TRIM_NOT)
		kv_reply_error(call, "ERR syntax error, XTRIM must be called with a trimming strategy");
	else if (trim->limit >= 0 && !trim->about)
		kv_reply_error(call, "ERR syntax error, LIMIT cannot be used without the special ~ option");
	else
		return true;
	return false;
}

/* How many entries go, if one with this id (or NULL) has been added. */
static uint64
trim_count(const Trim *trim, KvStream *stream, const KvStreamId *added)
{
	uint64 all = kv_stream_count(stream) + (added ? 1 : 0);
	uint64 most = !trim->about       ? PG_UINT64_MAX
	              : trim->limit < 0  ? LIMIT_DEFAULT
	              : trim->limit == 0 ? PG_UINT64_MAX
	                                 : (uint64) trim->limit;
	uint64 count = 0;

	if (trim->by == TRIM_LENGTH)
		count = all - Min(all, trim->length);
	else if (trim->by == TRIM_ID)
	{
		count = kv_stream_count_before(stream, trim->id, most);
		if (added && count == kv_stream_count(stream) && kv_stream_id_compare(*added, trim->id) < 0)
			count++;
	}
	count = Min(count, most);
	return trim->about && count < all ? count / NODE_ENTRIES * NODE_ENTRIES : count;
}

/* XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count] */
KvOutcome
kv_cmd_xtrim(KvCall *call)
{
	Trim trim = {.limit = -1};
	KvStream stream;
	KvOutcome outcome;
	uint64 count;
	bool taken;

	for (int i = 2; i < call->argc; i++)
	{
		if (!trim_option(call, &i, &trim, &taken))
			return KV_DONE;
		if (!taken)
		{
			kv_reply_syntax(call);
			return KV_DONE;
		}
	}
	if (!trim_is_whole(call, &trim, true) || !kv_stream_of(call, 1, &stream))
		return KV_DONE;
	count = trim_count(&trim, &stream, NULL);
	if (!kv_elements_room_for(call, kv_stream_drop_size(&stream, count), &outcome))
		return outcome;
	kv_stream_drop(&stream, count);
	kv_stream_close(&stream);
	pgfirst_resp_write_integer(call->reply, (int64) count);
	return KV_DONE;
}

/* ---- adding ---------------------------------------------------------------------------------- */

typedef struct Add
{
	Trim trim;
	bool only_if_there;
	KvStreamNewId wanted;
	int fields; /* the argument that is the first of them */
} Add;

/* Answers and returns false if something is wrong. */
static bool
add_options(KvCall *call, Add *add)
{
	bool taken;
	int i;

	*add = (Add){.trim.limit = -1};
	for (i = 2; i < call->argc; i++)
	{
		if (kv_argument_is(call, i, "*"))
		{
			add->wanted.any = true;
			break;
		}
		if (!trim_option(call, &i, &add->trim, &taken))
			return false;
		if (!taken && kv_argument_is(call, i, "NOMKSTREAM"))
			add->only_if_there = true;
		else if (!taken && kv_stream_new_id_parse(kv_argument(call, i), &add->wanted))
			break;
		else if (!taken)
		{
			kv_reply_stream_id_wrong(call);
			return false;
		}
	}
	if (!trim_is_whole(call, &add->trim, false))
		return false;
	add->fields = i + 1;
	if (call->argc - add->fields < 2 || (call->argc - add->fields) % 2 == 1)
		kv_reply_error(call, "ERR wrong number of arguments for 'xadd' command");
	else if (!add->wanted.any && !add->wanted.any_seq && add->wanted.id.ms == 0 &&
	         add->wanted.id.seq == 0)
		kv_reply_error(call, "ERR The ID specified in XADD must be greater than 0-0");
	else
		return true;
	return false;
}

/* Makes the id what the entry gets; answers and returns false if that is none. */
static bool
add_id(KvCall *call, const KvStream *stream, Add *add)
{
	KvStreamChoice choice = kv_stream_choose_id(stream, call->now_ms, &add->wanted);

	if (choice == KV_STREAM_ID_NONE_LEFT)
		kv_reply_error(call,
		               "ERR The stream has exhausted the last possible ID, unable to add more "
		               "items");
	else if (choice == KV_STREAM_ID_LOW)
		kv_reply_error(
		    call, "ERR The ID specified in XADD is equal or smaller than the target stream top "
		          "item");
	return choice == KV_STREAM_ID_CHOSEN;
}

/* The bytes of the entry, in the current context. */
static RespSlice
add_entry(const KvCall *call, const Add *add)
{
	RespSlice entry;
	Size pairs = 0;
	char *end;

	for (int i = add->fields; i < call->argc; i += 2)
		pairs += kv_packed_size(kv_argument(call, i), kv_argument(call, i + 1));
	entry = kv_stream_entry_new(add->wanted.id, pairs, &end);
	for (int i = add->fields; i < call->argc; i += 2)
		end = kv_packed_write(end, kv_argument(call, i), kv_argument(call, i + 1));
	return entry;
}

/* XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value [field value ...] */
KvOutcome
kv_cmd_xadd(KvCall *call)
{
	KvStream stream;
	KvOutcome outcome;
	RespSlice entry;
	uint64 dropped;
	Size room;
	Add add;

	if (!add_options(call, &add) || !kv_stream_of(call, 1, &stream))
		return KV_DONE;
	if (add.only_if_there && !stream.there)
	{
		pgfirst_resp_write_null(call->reply);
		return KV_DONE;
	}
	if (!add_id(call, &stream, &add))
		return KV_DONE;
	dropped = trim_count(&add.trim, &stream, &add.wanted.id);
	room = kv_stream_drop_size(&stream, Min(dropped, kv_stream_count(&stream)));
	/* The entry may be one of those that are written anew. */
	if (dropped > 0)
		room += kv_arguments_cost(call);
	if (!kv_elements_room_for(call, room, &outcome))
		return outcome;
	entry = add_entry(call, &add);
	kv_stream_append(&stream, entry);
	pfree(unconstify(char *, entry.data));
	kv_stream_drop(&stream, dropped);
	kv_stream_close(&stream);
	kv_reply_stream_id(call, add.wanted.id);
	return KV_DONE;
}

/* ---- other changes --------------------------------------------------------------------------- */

/* XDEL key id [id ...] */
KvOutcome
kv_cmd_xdel(KvCall *call)
{
	Size count = (Size) call->argc - 2;
	uint64 deleted = 0;
	KvOutcome outcome;
	KvStream stream;
	KvStreamId *ids;

	if (!kv_stream_of(call, 1, &stream))
		return KV_DONE;
	ids = palloc(count * sizeof(*ids));
	for (Size i = 0; stream.there && i < count; i++)
		if (!kv_argument_stream_id(call, (int) i + 2, &ids[i]))
			return KV_DONE;
	if (!kv_elements_room_for(call, KV_REMOVAL_COST((Size) call->argc), &outcome))
		return outcome;
	if (stream.there)
		deleted = kv_stream_delete(&stream, ids, count);
	pfree(ids);
	kv_stream_close(&stream);
	pgfirst_resp_write_integer(call->reply, (int64) deleted);
	return KV_DONE;
}

/* The id of the last entry, of a stream that has any. */
static KvStreamId
top_id(KvStream *stream)
{
	KvStreamId id = {0, 0};
	KvStreamWalk walk;
	RespSlice entry;

	kv_stream_walk(stream, id, KV_STREAM_ID_MAX, true, &walk);
	if (kv_stream_next(&walk, &entry))
		id = kv_stream_entry_id(entry);
	kv_stream_walk_end(&walk);
	return id;
}

typedef struct SetId
{
	KvStreamId last;
	KvStreamId deleted; /* 0-0: stays */
	int64 added;        /* -1: stays */
} SetId;

static bool
setid_options(KvCall *call, SetId *set)
{
	*set = (SetId){.added = -1};
	if (!kv_argument_stream_id(call, 2, &set->last))
		return false;
	for (int i = 3; i < call->argc; i += 2)
	{
		if (i + 1 < call->argc && kv_argument_is(call, i, "ENTRIESADDED"))
		{
			if (!kv_argument_integer(call, i + 1, &set->added))
				return false;
			if (set->added < 0)
			{
				kv_reply_error(call, "ERR entries_added must be positive");
				return false;
			}
		}
		else if (i + 1 == call->argc || !kv_argument_is(call, i, "MAXDELETEDID"))
		{
			kv_reply_syntax(call);
			return false;
		}
		else if (!kv_argument_stream_id(call, i + 1, &set->deleted))
			return false;
		else if (kv_stream_id_compare(set->last, set->deleted) < 0)
		{
			kv_reply_error(call, "ERR The ID specified in XSETID is smaller than the provided "
			                     "max_deleted_entry_id");
			return false;
		}
	}
	return true;
}

/* XSETID key id [ENTRIESADDED count] [MAXDELETEDID id] */
KvOutcome
kv_cmd_xsetid(KvCall *call)
{
	KvStream stream;
	KvStreamHead *head = &stream.at.head;
	KvOutcome outcome = KV_DONE;
	SetId set;

	if (!setid_options(call, &set) || !kv_stream_of(call, 1, &stream) ||
	    !kv_elements_room(call, &outcome))
		return outcome;
	if (!stream.there)
		kv_reply_error(call, "ERR no such key");
	else if (kv_stream_id_compare(set.last, head->deleted) < 0)
		kv_reply_error(call, "ERR The ID specified in XSETID is smaller than current "
		                     "max_deleted_entry_id");
	else if (kv_stream_count(&stream) > 0 && kv_stream_id_compare(set.last, top_id(&stream)) < 0)
		kv_reply_error(call, "ERR The ID specified in XSETID is smaller than the target stream top "
		                     "item");
	else if (set.added >= 0 && (uint64) set.added < kv_stream_count(&stream))
		kv_reply_error(call, "ERR The entries_added specified in XSETID is smaller than the target "
		                     "stream length");
	else
	{
		head->last = set.last;
		if (set.added >= 0)
			head->added = (uint64) set.added;
		if (kv_stream_id_compare(set.deleted, (KvStreamId){0, 0}) > 0)
			head->deleted = set.deleted;
		stream.changed = true;
		kv_stream_close(&stream);
		kv_reply_ok(call);
	}
	return KV_DONE;
}

/* ---- telling of them ------------------------------------------------------------------------- */

/* XLEN key */
KvOutcome
kv_cmd_xlen(KvCall *call)
{
	KvStream stream;

	if (!kv_stream_of(call, 1, &stream))
		return KV_DONE;
	kv_count_lookup(call, stream.there);
	pgfirst_resp_write_integer(call->reply, (int64) kv_stream_count(&stream));
	return KV_DONE;
}

static void
info_number(KvCall *call, const char *name, uint64 number)
{
	pgfirst_resp_write_text(call->reply, name);
	pgfirst_resp_write_integer(call->reply, (int64) number);
}

static void
info_id(KvCall *call, const char *name, KvStreamId id)
{
	pgfirst_resp_write_text(call->reply, name);
	kv_reply_stream_id(call, id);
}

static void
info_end(KvCall *call, const char *name, KvStream *stream, bool back)
{
	KvStreamWalk walk;
	RespSlice entry;

	pgfirst_resp_write_text(call->reply, name);
	kv_stream_walk(stream, (KvStreamId){0, 0}, KV_STREAM_ID_MAX, back, &walk);
	if (kv_stream_next(&walk, &entry))
		kv_reply_stream_entry(call, entry);
	else
		pgfirst_resp_write_null(call->reply);
	kv_stream_walk_end(&walk);
}

/* Redis tells of its nodes; here it is what a stream would have of them that was never trimmed. */
static void
info_begin(KvCall *call, const KvStream *stream, size_t pairs)
{
	uint64 nodes = (kv_stream_count(stream) + NODE_ENTRIES - 1) / NODE_ENTRIES;

	pgfirst_resp_write_map(call->reply, pairs);
	info_number(call, "length", kv_stream_count(stream));
	info_number(call, "radix-tree-keys", nodes);
	info_number(call, "radix-tree-nodes", nodes + 1);
	info_id(call, "last-generated-id", stream->at.head.last);
	info_id(call, "max-deleted-entry-id", stream->at.head.deleted);
	info_number(call, "entries-added", stream->at.head.added);
	info_id(call, "recorded-first-entry-id", stream->at.first_id);
}

/* Whether FULL is asked for, and how many entries of it; answers and returns false if it is something else. */
static bool
info_options(KvCall *call, bool *full, int64 *count)
{
	*full = call->argc > 3;
	*count = FULL_DEFAULT;
	if (call->argc == 3 || (call->argc == 4 && kv_argument_is(call, 3, "FULL")))
		return true;
	if (call->argc != 6 || !kv_argument_is(call, 3, "FULL") || !kv_argument_is(call, 4, "COUNT"))
	{
		kv_reply_error(call,
		               "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try "
		               "XINFO HELP.",
		               (int) Min(kv_argument(call, 1).length, 128), kv_argument(call, 1).data);
		return false;
	}
	if (!kv_argument_integer(call, 5, count))
		return false;
	if (*count < 0)
		*count = FULL_DEFAULT;
	return true;
}

static void
read_info(KvCall *call)
{
	KvStream stream;
	int64 count;
	bool full;

	if (!kv_stream_of(call, 2, &stream))
		return;
	kv_count_lookup(call, stream.there);
	if (!stream.there)
	{
		kv_reply_error(call, "ERR no such key");
		return;
	}
	if (!info_options(call, &full, &count))
		return;
	info_begin(call, &stream, full ? 9 : 10);
	if (full)
	{
		pgfirst_resp_write_text(call->reply, "entries");
		(void) kv_reply_stream_range(call, &stream, (KvStreamId){0, 0}, KV_STREAM_ID_MAX, false,
		                             count == 0 ? PG_UINT64_MAX : (uint64) count);
		pgfirst_resp_write_text(call->reply, "groups");
		pgfirst_resp_write_array(call->reply, 0);
		return;
	}
	info_number(call, "groups", 0);
	info_end(call, "first-entry", &stream, false);
	info_end(call, "last-entry", &stream, true);
}

/* XINFO STREAM key [FULL [COUNT count]] */
KvOutcome
kv_cmd_xinfo_stream(KvCall *call)
{
	return kv_reply_together(call, read_info);
}
