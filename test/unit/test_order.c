/* SPDX-License-Identifier: PostgreSQL
 *
 * test_order.c: lib/order: a counted tree, held against a sorted array.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/order/order.h"
#include "test/unit/support.h"

#define NODES_MAX 20000
#define WORDS_MAX 4000

/* ---- a world: nodes in memory, and what must be in the tree ---------------------------------- */

typedef struct World
{
	char *nodes[NODES_MAX];
	size_t lengths[NODES_MAX];
	uint64_t fresh;
	long gets;   /* that still succeed; negative: all of them */
	bool harmed; /* nodes may say anything */

	char *words[WORDS_MAX]; /* an entry's reference is the word's number plus one */
	size_t word_lengths[WORDS_MAX];
	double scores[WORDS_MAX];
	bool there[WORDS_MAX];
	int words_count;

	int sorted[WORDS_MAX];
	int count;
	uint64_t random;
} World;

static uint32_t
chance(World *world, uint32_t below)
{
	world->random = world->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) (world->random >> 33) % below;
}

static const char *
world_get(void *context, uint64_t node, size_t *length)
{
	World *world = context;

	if (node >= NODES_MAX || world->nodes[node] == NULL || world->gets == 0)
		return NULL;
	if (world->gets > 0)
		world->gets--;
	*length = world->lengths[node];
	return world->nodes[node];
}

static void
world_drop(void *context, uint64_t node)
{
	World *world = context;

	if (world->harmed && (node >= NODES_MAX || world->nodes[node] == NULL))
		return;
	assert_non_null(world->nodes[node]);
	free(world->nodes[node]);
	world->nodes[node] = NULL;
}

static void
world_put(void *context, uint64_t node, const char *data, size_t length)
{
	World *world = context;

	assert_true(node > 0 && node < NODES_MAX && length <= ORDER_NODE_MAX);
	free(world->nodes[node]);
	world->nodes[node] = malloc(length);
	memcpy(world->nodes[node], data, length);
	world->lengths[node] = length;
}

/* Whoever may not write where a node stands puts it: now one, now the other. */
static char *
world_edit(void *context, uint64_t node)
{
	World *world = context;

	return node < NODES_MAX && chance(world, 4) > 0 ? world->nodes[node] : NULL;
}

static uint64_t
world_fresh(void *context)
{
	World *world = context;

	return ++world->fresh;
}

static int
world_compare(void *context, const OrderEntry *a, const OrderEntry *b)
{
	World *of = context;
	const char *one, *other;
	int compared;

	if (of->harmed)
		return memcmp(a->bytes, b->bytes, ORDER_KEPT);
	one = of->words[a->reference - 1];
	other = of->words[b->reference - 1];
	compared = memcmp(one, other, a->length < b->length ? a->length : b->length);
	/* Nobody has the bytes of what is not there. */
	assert_true(of->there[a->reference - 1] && of->there[b->reference - 1]);
	return compared != 0 ? compared : a->length < b->length ? -1 : a->length > b->length;
}

static World *world;
static OrderNodes nodes;
static Order order;

static int
by_score_and_word(const void *a, const void *b)
{
	int one = *(const int *) a;
	int other = *(const int *) b;
	size_t one_length = world->word_lengths[one];
	size_t other_length = world->word_lengths[other];
	int words;

	if (world->scores[one] != world->scores[other])
		return world->scores[one] < world->scores[other] ? -1 : 1;
	words = memcmp(world->words[one], world->words[other],
	               one_length < other_length ? one_length : other_length);
	return words != 0 ? words : one_length < other_length ? -1 : one_length > other_length;
}

static OrderEntry
entry_of(int word)
{
	return (OrderEntry){.score = world->scores[word],
	                    .bytes = world->words[word],
	                    .length = world->word_lengths[word],
	                    .reference = (uint64_t) word + 1};
}

static void
world_sort(void)
{
	world->count = 0;
	for (int i = 0; i < world->words_count; i++)
		if (world->there[i])
			world->sorted[world->count++] = i;
	qsort(world->sorted, (size_t) world->count, sizeof(int), by_score_and_word);
}

/* How many there are, and what they have in all. */
static int
world_nodes(size_t *bytes)
{
	int count = 0;

	*bytes = 0;
	for (int i = 0; i < NODES_MAX; i++)
		if (world->nodes[i] != NULL)
		{
			*bytes += world->lengths[i];
			count++;
		}
	return count;
}

/* No nodes, and no word is there. */
static void
world_empty(void)
{
	for (int i = 0; i < NODES_MAX; i++)
	{
		free(world->nodes[i]);
		world->nodes[i] = NULL;
	}
	world->fresh = 0;
	order = (Order){.nodes = &nodes};
	memset(world->there, 0, sizeof(world->there));
}

static int
world_setup(void **state)
{
	(void) state;
	world = calloc(1, sizeof(World));
	world->random = 42;
	world->gets = -1;
	nodes = (OrderNodes){.context = world,
	                     .get = world_get,
	                     .put = world_put,
	                     .edit = world_edit,
	                     .drop = world_drop,
	                     .fresh = world_fresh,
	                     .compare = world_compare};
	order = (Order){.nodes = &nodes};
	return 0;
}

static int
world_teardown(void **state)
{
	(void) state;
	for (int i = 0; i < NODES_MAX; i++)
		free(world->nodes[i]);
	for (int i = 0; i < world->words_count; i++)
		free(world->words[i]);
	free(world);
	return 0;
}

/* Words of all lengths; many are long, and equal for longer than a node keeps of them. */
static void
words_make(int count)
{
	for (int i = 0; i < count; i++)
	{
		size_t length = 4 + (i % 3 == 0 ? ORDER_KEPT - 4 + chance(world, 40) : chance(world, 30));
		char *word = malloc(length + 8);

		memset(word, 'a' + (int) chance(world, 2), length);
		length = (size_t) snprintf(word + length - 4, 12, "%d", i) + length - 4;
		world->words[i] = word;
		world->word_lengths[i] = length;
	}
	world->words_count = count;
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void
check_all(void)
{
	OrderCursor cursor;
	OrderEntry entry;

	world_sort();
	assert_false(order.damaged);
	assert_int_equal(order.count, world->count);
	pgfirst_order_seek(&order, 0, false, &cursor);
	for (int i = 0; i < world->count; i++)
	{
		assert_true(pgfirst_order_next(&cursor, &entry));
		assert_int_equal(entry.length, world->word_lengths[world->sorted[i]]);
		assert_true(entry.score == world->scores[world->sorted[i]]);
		assert_memory_equal(entry.bytes, world->words[world->sorted[i]],
		                    entry.length < ORDER_KEPT ? entry.length : ORDER_KEPT);
	}
	assert_false(pgfirst_order_next(&cursor, &entry));
	pgfirst_order_seek(&order, (uint64_t) world->count - 1, true, &cursor);
	for (int i = world->count - 1; i >= 0; i--)
	{
		assert_true(pgfirst_order_next(&cursor, &entry));
		assert_int_equal(entry.length, world->word_lengths[world->sorted[i]]);
	}
	assert_false(pgfirst_order_next(&cursor, &entry));
	for (int i = 0; i < world->count; i += 1 + world->count / 50)
	{
		OrderEntry wanted = entry_of(world->sorted[i]);
		uint64_t below = 0;
		uint64_t up_to = 0;

		assert_int_equal(pgfirst_order_rank(&order, &wanted), i);
		for (int k = 0; k < world->count; k++)
		{
			below += world->scores[world->sorted[k]] < wanted.score;
			up_to += world->scores[world->sorted[k]] <= wanted.score;
		}
		assert_int_equal(pgfirst_order_rank_of_score(&order, wanted.score, false), below);
		assert_int_equal(pgfirst_order_rank_of_score(&order, wanted.score, true), up_to);
	}
}

static void
toggle(int word, uint32_t scores)
{
	OrderEntry entry;

	if (world->there[word])
	{
		entry = entry_of(word);
		assert_false(pgfirst_order_insert(&order, &entry));
		assert_true(pgfirst_order_delete(&order, &entry));
	}
	else
	{
		world->scores[word] = (double) chance(world, scores) - scores / 2;
		entry = entry_of(word);
		world->there[word] = true;
		assert_false(pgfirst_order_delete(&order, &entry));
		assert_true(pgfirst_order_insert(&order, &entry));
		return;
	}
	world->there[word] = false;
}

static void
it_is_a_sorted_array(void **state)
{
	static const uint32_t scores[] = {1, 3, 1000000};

	(void) state;
	words_make(WORDS_MAX);
	for (int round = 0; round < 3; round++)
	{
		/* Grows, stays, shrinks to nothing. */
		for (int i = 0; i < WORDS_MAX; i++)
		{
			toggle(i, scores[round]);
			if (i % 997 == 0)
				check_all();
		}
		check_all();
		for (int i = 0; i < WORDS_MAX; i++)
			toggle((int) chance(world, WORDS_MAX), scores[round]);
		check_all();
		for (int i = 0, word = 0; i < WORDS_MAX; i++)
		{
			word = (word + 1237) % WORDS_MAX;
			if (world->there[word])
				toggle(word, scores[round]);
			if (i % 997 == 0)
				check_all();
		}
		check_all();
		assert_int_equal(order.root, 0);
		for (int i = 0; i < NODES_MAX; i++)
			assert_null(world->nodes[i]);
	}
}

static void
nothing_has_no_ranks(void **state)
{
	OrderEntry entry = {.score = 1, .bytes = "x", .length = 1};
	OrderCursor cursor;

	(void) state;
	assert_int_equal(pgfirst_order_rank(&order, &entry), 0);
	assert_int_equal(pgfirst_order_rank_of_score(&order, 5, true), 0);
	assert_false(pgfirst_order_delete(&order, &entry));
	pgfirst_order_seek(&order, 0, false, &cursor);
	assert_false(pgfirst_order_next(&cursor, &entry));
	entry = (OrderEntry){.score = 0, .bytes = NULL, .length = 0};
	assert_true(pgfirst_order_insert(&order, &entry));
	assert_int_equal(pgfirst_order_rank(&order, &entry), 0);
	assert_false(order.damaged);
}

/* Nodes may be any bytes: every call ends. */
static void
damage_is_found_or_harmless(void **state)
{
	int found = 0;

	(void) state;
	words_make(600);
	for (int i = 0; i < 600; i++)
		toggle(i, 50);
	world->harmed = true;
	for (int round = 0; round < 3000; round++)
	{
		uint64_t node = 1 + chance(world, (uint32_t) world->fresh);
		OrderEntry entry = entry_of((int) chance(world, 600));
		OrderCursor cursor;
		size_t place;
		char before;

		if (world->nodes[node] == NULL)
			continue;
		place = chance(world, (uint32_t) (round % 2 == 0 ? 8 : world->lengths[node]));
		before = world->nodes[node][place];
		world->nodes[node][place] = (char) chance(world, 256);
		order.damaged = false;
		(void) pgfirst_order_rank(&order, &entry);
		(void) pgfirst_order_rank_of_score(&order, entry.score, true);
		pgfirst_order_seek(&order, 0, round % 3 == 0, &cursor);
		while (pgfirst_order_next(&cursor, &entry))
			;
		found += order.damaged;
		world->nodes[node][place] = before;
	}
	assert_true(found > 300);
	world->harmed = order.damaged = false;
	check_all();
}

/* Changes of such a tree end as well, and say so, or leave nodes within their bounds: world_put() looks. */
static void
damage_is_changed_within_bounds(void **state)
{
	int found = 0;

	(void) state;
	words_make(600);
	for (int round = 0; round < 10000; round++)
	{
		uint64_t node;
		OrderEntry entry;

		if (round % 8 == 0)
		{
			world_empty();
			world->harmed = false;
			for (int i = 0; i < 600; i++)
				toggle(i, round % 16 == 0 ? 2 : 5000);
			world->harmed = true;
		}
		node = 1 + chance(world, (uint32_t) world->fresh);
		if (world->nodes[node] == NULL)
			continue;
		if (round % 3 == 0)
		{
			/* All slots say the same, so that its entries take more room than there is. */
			uint16_t count, end, slot;
			char *data = world->nodes[node];

			memcpy(&count, data + 2, sizeof(count));
			memcpy(&end, data + 6, sizeof(end));
			slot = (uint16_t) chance(world, ORDER_NODE_MAX);
			if (round % 2 == 0)
				slot = 8;
			for (int i = 0; i < count && end + 2 * i + 2 <= (int) world->lengths[node]; i++)
				memcpy(data + end + 2 * i, &slot, sizeof(slot));
			if (round % 5 == 0)
				memset(data + 4, 0, sizeof(uint16_t));
		}
		else
			world->nodes[node][chance(world, (uint32_t) world->lengths[node])] =
			    (char) chance(world, 256);
		for (int i = 0; i < 20; i++)
		{
			entry = entry_of((int) chance(world, 600));
			if (chance(world, 2) == 0)
				(void) pgfirst_order_insert(&order, &entry);
			else
				(void) pgfirst_order_delete(&order, &entry);
			found += order.damaged;
			order.damaged = false;
			if (order.root == 0)
				break;
		}
	}
	assert_true(found > 500);
}

/* A leaf of a hole behind one long entry, and this slot so often. */
static void
leaf_with_a_hole(uint16_t count, uint16_t slot)
{
	static char leaf[ORDER_NODE_MAX];
	OrderEntry entry = {.score = 1, .bytes = leaf, .length = ORDER_KEPT + 1, .reference = 1};
	uint16_t end = (uint16_t) (ORDER_NODE_MAX - 2 * count);

	world->harmed = true;
	order = (Order){.nodes = &nodes};
	assert_true(pgfirst_order_insert(&order, &entry));
	memcpy(leaf, world->nodes[order.root], world->lengths[order.root]);
	memcpy(leaf + 2, &count, sizeof(count));
	memcpy(leaf + 6, &end, sizeof(end));
	for (int i = 0; i < count; i++)
		memcpy(leaf + end + 2 * i, &slot, sizeof(slot));
	world_put(world, order.root, leaf, sizeof(leaf));
}

/* Its slots all say the entry, so that without the hole it is larger than with it; or the end of the hole. */
static void
a_leaf_may_be_larger_without_its_hole(void **state)
{
	OrderEntry entry = {.score = 2, .bytes = "x", .length = 1};

	(void) state;
	leaf_with_a_hole(14, 8);
	assert_false(pgfirst_order_insert(&order, &entry));
	assert_true(order.damaged);
	leaf_with_a_hole(40, 8);
	assert_false(pgfirst_order_insert(&order, &entry));
	assert_true(order.damaged);
	leaf_with_a_hole(2, ORDER_NODE_MAX - 2 * 2 - 3);
	assert_int_equal(pgfirst_order_rank(&order, &entry), 2);
	assert_true(order.damaged);
}

/* Who keeps nodes has lost count of them: none is written over. */
static void
a_number_is_not_given_out_twice(void **state)
{
	OrderEntry entry = {.bytes = "member", .length = 6};
	int refused = 0;

	(void) state;
	for (int i = 0; i < 10000; i++)
	{
		entry.score = i;
		assert_true(pgfirst_order_insert(&order, &entry));
	}
	for (int i = 0; i < 1000; i++)
	{
		size_t length = world->lengths[order.root];
		char root[ORDER_NODE_MAX];

		memcpy(root, world->nodes[order.root], length);
		world->fresh = order.root - 1;
		entry.score = 10 * i + 0.5;
		if (pgfirst_order_insert(&order, &entry))
		{
			assert_int_equal(world->nodes[order.root][0], root[0]); /* its level */
			continue;
		}
		assert_true(order.damaged);
		assert_memory_equal(world->nodes[order.root], root, length);
		order.damaged = false;
		refused++;
	}
	assert_true(refused > 100);
}

/* Entries that come in their order fill their nodes. */
static void
what_comes_in_order_is_packed(void **state)
{
	size_t bytes;
	int count;

	(void) state;
	for (int i = 0; i < 10000; i++)
	{
		OrderEntry entry = {.score = i, .bytes = "member:000000000000", .length = 19};

		assert_true(pgfirst_order_insert(&order, &entry));
	}
	count = world_nodes(&bytes);
	assert_true(bytes > (size_t) count * ORDER_LEAF_MAX * 9 / 10);
	assert_true(count < 600);
}

/* Of 10,000 entries those that do not stay are deleted, one after the other; how many nodes are left. */
static int
nodes_left(bool (*stays)(int i))
{
	size_t bytes;

	for (int i = 0; i < 10000; i++)
	{
		OrderEntry entry = {.score = i, .bytes = "member:000000000000", .length = 19};

		assert_true(pgfirst_order_insert(&order, &entry));
	}
	for (int i = 0; i < 10000; i++)
	{
		OrderEntry entry = {.score = i, .bytes = "member:000000000000", .length = 19};

		assert_true(stays(i) || pgfirst_order_delete(&order, &entry));
	}
	return world_nodes(&bytes);
}

static bool
stays_one_in_ten(int i)
{
	return i % 10 == 0;
}

static bool
stays_by_chance(int i)
{
	(void) i;
	return chance(world, 10) == 0;
}

/* Nodes that lose entries become one, and do not stay, each with what is left of it. */
static void
what_loses_entries_shrinks(void **state)
{
	(void) state;
	assert_in_range(nodes_left(stays_one_in_ten), 50, 120);
	world_empty();
	assert_in_range(nodes_left(stays_by_chance), 50, 120);
}

/* One that leads to itself, and one that is missing. */
static void
a_way_without_end_ends(void **state)
{
	OrderEntry entry;
	OrderCursor cursor;
	size_t length;

	(void) state;
	words_make(2000);
	for (int i = 0; i < 2000; i++)
		toggle(i, 50);
	entry = entry_of(1000);
	/* The root's first entry is its first child. */
	memcpy(world->nodes[order.root] + 8, &order.root, 6);
	for (int i = 0; i < 200; i++)
	{
		entry = entry_of(i);
		order.damaged = false;
		(void) pgfirst_order_rank(&order, &entry);
		(void) pgfirst_order_rank_of_score(&order, entry.score, false);
		(void) pgfirst_order_delete(&order, &entry);
		(void) pgfirst_order_insert(&order, &entry);
	}
	order.damaged = false;
	pgfirst_order_seek(&order, 0, false, &cursor);
	assert_false(pgfirst_order_next(&cursor, &entry));
	assert_true(order.damaged);
	order.root = NODES_MAX - 1;
	assert_null(world_get(world, order.root, &length));
	order.damaged = false;
	assert_int_equal(pgfirst_order_rank(&order, &entry), 0);
	assert_true(order.damaged);
}

/* Whatever node is missing, a change says so, and ends; what it leaves is no tree, so each begins with a new one. */
static void
nodes_may_be_missing(void **state)
{
	int failed = 0;

	(void) state;
	words_make(700);
	for (long gets = 0; gets < 9; gets++)
		for (int round = 0; round < 8; round++)
		{
			world_empty();
			for (int i = 0; i < 700; i++)
				toggle(i, 50);
			/* Until one change takes more nodes than there are; some never do. */
			for (int i = 0; i < 700 && !order.damaged; i++)
			{
				int word = (int) (((uint32_t) i * 137 + (uint32_t) round * 31) % 700);
				OrderEntry entry = entry_of(word);

				world->gets = i % 3 == 0 ? gets : -1;
				if (pgfirst_order_delete(&order, &entry))
					world->there[word] = false;
			}
			world->gets = -1;
			failed += order.damaged;
		}
	assert_true(failed > 20);

	/* The root itself, when it has become two. */
	order = (Order){.nodes = &nodes};
	for (int i = 0; i < 700 && !order.damaged; i++)
	{
		OrderEntry entry = {.score = i, .bytes = "x", .length = 1};

		world->gets = 1;
		(void) pgfirst_order_insert(&order, &entry);
	}
	assert_true(order.damaged);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(it_is_a_sorted_array, world_setup, world_teardown),
	    cmocka_unit_test_setup_teardown(nothing_has_no_ranks, world_setup, world_teardown),
	    cmocka_unit_test_setup_teardown(damage_is_found_or_harmless, world_setup, world_teardown),
	    cmocka_unit_test_setup_teardown(damage_is_changed_within_bounds, world_setup,
	                                    world_teardown),
	    cmocka_unit_test_setup_teardown(a_leaf_may_be_larger_without_its_hole, world_setup,
	                                    world_teardown),
	    cmocka_unit_test_setup_teardown(a_number_is_not_given_out_twice, world_setup,
	                                    world_teardown),
	    cmocka_unit_test_setup_teardown(what_comes_in_order_is_packed, world_setup, world_teardown),
	    cmocka_unit_test_setup_teardown(what_loses_entries_shrinks, world_setup, world_teardown),
	    cmocka_unit_test_setup_teardown(a_way_without_end_ends, world_setup, world_teardown),
	    cmocka_unit_test_setup_teardown(nodes_may_be_missing, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
