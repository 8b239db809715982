/* SPDX-License-Identifier: PostgreSQL
 *
 * zset_combine.c: commands on several sorted sets.  How their members are found is in combine.h; here each gets its score.
 *
 * Sets are good as well: their members have the score 1.  What is answered is in the order of scores, so all of it is in
 * memory before the first byte is written; what is stored goes to the new set one by one.
 */
#include "postgres.h"

#include <math.h>

#include "utils/memutils.h"

#include "kv/cmd/combine.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/zset.h"
#include "lib/number/number.h"

typedef enum Aggregate
{
	AGGREGATE_SUM,
	AGGREGATE_MIN,
	AGGREGATE_MAX
} Aggregate;

/* A member of what is answered. */
typedef struct Scored
{
	double score;
	RespSlice member;
} Scored;

typedef struct Job
{
	KvCombination combination;
	KvInputs inputs;
	double *weights; /* of the inputs; NULL: 1 */
	Aggregate aggregate;
	bool scores;     /* are written */
	double score;    /* of the member that is looked at */
	KvZset *stored;  /* where the result goes; or else: */
	Scored *members; /* `count` of them */
	int64 count;     /* of the result */
	int64 room;
	int64 limit; /* of the count; 0: none */
} Job;

/* ---- scores ---------------------------------------------------------------------------------- */

static double
aggregated(Aggregate aggregate, double score, double with)
{
	if (aggregate == AGGREGATE_MIN)
		return with < score ? with : score;
	if (aggregate == AGGREGATE_MAX)
		return with > score ? with : score;
	score += with;
	return isnan(score) ? 0 : score;
}

/*
 * Nothing that is no number becomes a score: what infinity times 0 is, and the sum of both infinities, counts as 0.  As in
 * Redis an intersection lets the former into a sum, which then is 0 as a whole.
 */
static void
score_add(KvCombination *combination, int i, RespSlice value, bool first)
{
	const KvMembers *input = combination->inputs->at[i];
	Job *job = combination->context;
	double score = input->type == KV_TYPE_ZSET ? kv_zset_score_of(value) : 1;

	if (job->weights)
		score *= job->weights[i];
	if (isnan(score) && (first || combination->operation == KV_SET_UNION))
		score = 0;
	job->score = first ? score : aggregated(job->aggregate, job->score, score);
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* Reads as many weights as there are inputs, from argument i on; answers and returns false if one is none. */
static bool
weights_read(KvCall *call, Job *job, int i)
{
	Size bytes = (Size) job->inputs.count * sizeof(*job->weights);

	if (!job->weights)
		job->weights = MemoryContextAllocHuge(CurrentMemoryContext, bytes);
	for (int input = 0; input < job->inputs.count; input++)
	{
		if (kv_zset_score_parse(kv_argument(call, i + input), &job->weights[input]))
			continue;
		kv_reply_error(call, "ERR weight value is not a float");
		return false;
	}
	return true;
}

static bool
aggregate_read(KvCall *call, Job *job, int i)
{
	if (kv_argument_is(call, i, "SUM"))
		job->aggregate = AGGREGATE_SUM;
	else if (kv_argument_is(call, i, "MIN"))
		job->aggregate = AGGREGATE_MIN;
	else if (kv_argument_is(call, i, "MAX"))
		job->aggregate = AGGREGATE_MAX;
	else
	{
		kv_reply_syntax(call);
		return false;
	}
	return true;
}

static bool
limit_read(KvCall *call, Job *job, int i)
{
	RespSlice number = kv_argument(call, i);
	int64 limit;

	if (!pgfirst_int64_parse(number.data, number.length, &limit) || limit < 0)
	{
		kv_reply_error(call, "ERR LIMIT can't be negative");
		return false;
	}
	job->limit = limit;
	return true;
}

/* The options from argument i on, of which each command has its own; answers and returns false if one is wrong. */
static bool
job_options(KvCall *call, Job *job, int i)
{
	bool counts = call->command->function == kv_cmd_zintercard;
	bool joins = !counts && job->combination.operation != KV_SET_DIFF;
	bool stores = (call->command->flags & KV_WRITE) != 0;
	int inputs = job->inputs.count;
	bool fine = true;

	while (fine && i < call->argc)
	{
		int left = call->argc - i - 1;

		if (joins && left >= inputs && kv_argument_is(call, i, "WEIGHTS"))
		{
			fine = weights_read(call, job, i + 1);
			i += 1 + inputs;
		}
		else if (joins && left >= 1 && kv_argument_is(call, i, "AGGREGATE"))
		{
			fine = aggregate_read(call, job, i + 1);
			i += 2;
		}
		else if (counts && left >= 1 && kv_argument_is(call, i, "LIMIT"))
		{
			fine = limit_read(call, job, i + 1);
			i += 2;
		}
		else if (!counts && !stores && kv_argument_is(call, i, "WITHSCORES"))
		{
			job->scores = true;
			i++;
		}
		else
		{
			kv_reply_syntax(call);
			fine = false;
		}
	}
	return fine;
}

static void
job_close(Job *job)
{
	kv_inputs_end(&job->inputs);
	if (job->weights)
		pfree(job->weights);
}

/*
 * Opens the inputs, of which argument `at` says how many follow it, and reads the options; answers and returns false if
 * something is wrong.
 */
static bool
job_open(KvCall *call, Job *job, int at)
{
	int64 inputs;

	if (!kv_argument_integer(call, at, &inputs))
		return false;
	if (inputs < 1)
	{
		kv_reply_error(call, "ERR at least 1 input key is needed for '%s' command",
		               call->command->name);
		return false;
	}
	if (inputs > call->argc - at - 1)
	{
		kv_reply_syntax(call);
		return false;
	}
	job->combination.inputs = &job->inputs;
	job->combination.context = job;
	if (!kv_inputs_open(call, at + 1, (int) inputs, true, &job->inputs))
		return false;
	if (job_options(call, job, at + 1 + (int) inputs))
		return true;
	job_close(job);
	return false;
}

/* ---- answering ------------------------------------------------------------------------------- */

/* Keeps a member, in the current context. */
static bool
member_keep(void *context, RespSlice member, RespSlice value)
{
	Job *job = context;

	if (job->count == job->room)
	{
		job->room = Max(job->room * 2, 64);
		job->members = job->members ? repalloc_huge(job->members, (Size) job->room * sizeof(Scored))
		                            : palloc((Size) job->room * sizeof(Scored));
	}
	job->members[job->count++] = (Scored){job->score, kv_slice_copy(member)};
	return true;
}

static int
scored_compare(const void *a, const void *b, void *context)
{
	const Scored *first = a;
	const Scored *second = b;

	if (first->score != second->score)
		return first->score < second->score ? -1 : 1;
	return kv_zset_compare(first->member, second->member);
}

static void
reply_members(KvCall *call, KvSetOperation operation)
{
	Job job = {.combination = {.operation = operation, .found = member_keep, .value = score_add}};
	MemoryContext context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst combined", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	if (job_open(call, &job, 1))
	{
		kv_combine(&job.combination);
		if (job.count > 1)
			qsort_interruptible(job.members, (size_t) job.count, sizeof(Scored), scored_compare,
			                    NULL);
		kv_zset_write_count(call, (uint64) job.count, job.scores);
		for (int64 i = 0; i < job.count && !call->reply->failed; i++)
			kv_zset_write(call, job.members[i].member, job.members[i].score, job.scores);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static void
read_zunion(KvCall *call)
{
	reply_members(call, KV_SET_UNION);
}

/* ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES] */
KvOutcome
kv_cmd_zunion(KvCall *call)
{
	return kv_reply_together(call, read_zunion);
}

static void
read_zinter(KvCall *call)
{
	reply_members(call, KV_SET_INTER);
}

/* ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES] */
KvOutcome
kv_cmd_zinter(KvCall *call)
{
	return kv_reply_together(call, read_zinter);
}

static void
read_zdiff(KvCall *call)
{
	reply_members(call, KV_SET_DIFF);
}

/* ZDIFF numkeys key [key ...] [WITHSCORES] */
KvOutcome
kv_cmd_zdiff(KvCall *call)
{
	return kv_reply_together(call, read_zdiff);
}

static bool
member_count(void *context, RespSlice member, RespSlice value)
{
	Job *job = context;

	return ++job->count != job->limit;
}

static void
read_zintercard(KvCall *call)
{
	Job job = {.combination = {.operation = KV_SET_INTER, .found = member_count}};

	if (!job_open(call, &job, 1))
		return;
	kv_combine(&job.combination);
	pgfirst_resp_write_integer(call->reply, job.count);
	job_close(&job);
}

/* ZINTERCARD numkeys key [key ...] [LIMIT limit] */
KvOutcome
kv_cmd_zintercard(KvCall *call)
{
	return kv_reply_together(call, read_zintercard);
}

/* ---- storing --------------------------------------------------------------------------------- */

static bool
member_store(void *context, RespSlice member, RespSlice value)
{
	Job *job = context;

	kv_zset_put_new(job->stored, member, job->score);
	job->count++;
	return true;
}

/* What the result takes of the write set at most. */
static Size
job_size(const Job *job)
{
	const KvInputs *inputs = &job->inputs;
	KvSetOperation operation = job->combination.operation;
	Size size = kv_zset_size(inputs->at[0]->count, inputs->at[0]->bytes);

	/* It is no larger than the first input, nor than any of an intersection. */
	for (int i = 1; i < inputs->count && operation != KV_SET_DIFF; i++)
	{
		Size other = kv_zset_size(inputs->at[i]->count, inputs->at[i]->bytes);

		size = operation == KV_SET_UNION ? size + other : Min(size, other);
	}
	return size;
}

static KvOutcome
store_members(KvCall *call, KvSetOperation operation)
{
	Job job = {.combination = {.operation = operation, .found = member_store, .value = score_add}};
	KvOutcome outcome = KV_DONE;
	KvZset stored;

	if (!job_open(call, &job, 2))
		return KV_DONE;
	if (kv_elements_room_for(call, job_size(&job), &outcome))
	{
		kv_zset_new(call->space, kv_argument(call, 1), &stored);
		job.stored = &stored;
		kv_combine(&job.combination);
		kv_zset_close(&stored);
		pgfirst_resp_write_integer(call->reply, job.count);
	}
	job_close(&job);
	return outcome;
}

/* ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] */
KvOutcome
kv_cmd_zunionstore(KvCall *call)
{
	return store_members(call, KV_SET_UNION);
}

/* ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] */
KvOutcome
kv_cmd_zinterstore(KvCall *call)
{
	return store_members(call, KV_SET_INTER);
}

/* ZDIFFSTORE destination numkeys key [key ...] */
KvOutcome
kv_cmd_zdiffstore(KvCall *call)
{
	return store_members(call, KV_SET_DIFF);
}
