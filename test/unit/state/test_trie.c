/* state/trie.h against a slow twin, and roots against each other: an old root never changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/trie.h"

#define N 3000

static int refs[N + 1];

static void count_up(uint64_t v)
{
	refs[v]++;
}
static void count_down(uint64_t v)
{
	refs[v]--;
}
static const struct trie_ops counted = { count_up, count_down };

/* The twin: which values are in. Value v has the hash of v % 500, or a poor one, so that many collide. */
static uint64_t hash_of(unsigned v)
{
	return v % 7 == 0 ? 42 : trie_hash_id(v % 500);
}

static bool contains(const struct trie *t, unsigned v)
{
	uint64_t got;

	for (size_t pos = 0; trie_next(t, hash_of(v), &pos, &got);)
		if (got == v)
			return true;
	return false;
}

static void check(const struct trie *t, const bool *in)
{
	size_t n = 0;

	for (unsigned v = 1; v <= N; v++) {
		if (contains(t, v) != in[v])
			fail_msg("value %u: found %d", v, !in[v]);
		n += in[v];
	}
	assert_int_equal(trie_count(t), n);
}

static void it_holds_what_its_twin_holds_and_old_roots_stay(void **state)
{
	static bool in[N + 1], old_in[N + 1];
	struct trie *t = NULL, *old = NULL;
	unsigned seed = 20260101;

	(void)state;
	srand(seed);
	for (int i = 0; i < 40000; i++) {
		unsigned v = 1 + (unsigned)rand() % N;

		if (in[v]) {
			assert_true(trie_del(&t, hash_of(v), v));
			assert_false(trie_del(&t, hash_of(v), v));
		} else {
			trie_put(&t, hash_of(v), v, &counted);
		}
		in[v] = !in[v];
		if (i % 5000 == 0) {
			if (i > 0)
				check(old, old_in);
			trie_unref(&old);
			old = trie_ref(t);
			memcpy(old_in, in, sizeof in);
			check(t, in);
		}
	}
	check(t, in);
	check(old, old_in);
	trie_unref(&old);
	for (unsigned v = 1; v <= N; v++)
		if (in[v])
			assert_true(trie_del(&t, hash_of(v), v));
	assert_null(t); /* an empty map holds no memory */
	for (unsigned v = 1; v <= N; v++)
		if (refs[v] != 0)
			fail_msg("value %u is counted %d times (seed %u)", v, refs[v], seed);
}

static bool sum(void *arg, uint64_t hash, uint64_t val)
{
	(void)hash;
	*(uint64_t *)arg += val;
	return *(uint64_t *)arg < 1000;
}

static void each_stops_when_told(void **state)
{
	struct trie *t = NULL;
	uint64_t total = 0;

	(void)state;
	for (unsigned v = 1; v <= 1000; v++)
		trie_put(&t, trie_hash_id(v), v, &trie_numbers);
	trie_each(t, sum, &total);
	assert_true(total >= 1000 && total < 2001);
	trie_unref(&t);
}

static void texts_of_any_length_have_their_own_hash(void **state)
{
	char a[100], b[100];

	(void)state;
	memset(a, 'x', sizeof a);
	for (size_t n = 0; n < sizeof a; n++) {
		assert_true(trie_hash_bytes(a, n) == trie_hash_bytes(a, n));
		memcpy(b, a, sizeof a);
		for (size_t i = 0; i < n; i++) {
			b[i] ^= 1;
			assert_true(trie_hash_bytes(a, n) != trie_hash_bytes(b, n));
			b[i] ^= 1;
		}
		if (n > 0)
			assert_true(trie_hash_bytes(a, n) != trie_hash_bytes(a, n - 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_holds_what_its_twin_holds_and_old_roots_stay),
		cmocka_unit_test(each_stops_when_told),
		cmocka_unit_test(texts_of_any_length_have_their_own_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
