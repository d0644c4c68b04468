/* Tests of derp/heard.h: against a matrix of who heard whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "derp/heard.h"
#include "derp/ktab.h"

#define SOURCES 40
#define LISTENERS 60
#define MAX 25

static bool want[SOURCES][LISTENERS];
static unsigned told[LISTENERS];

static void key_of(unsigned i, uint8_t key[32])
{
	memset(key, 0, 32);
	key[31] = (uint8_t)(i + 1);
}

static void tell(void *arg, uint32_t listener)
{
	(void)arg;
	told[listener]++;
}

static size_t held_by(unsigned listener)
{
	size_t n = 0;
	for (unsigned s = 0; s < SOURCES; s++)
		n += want[s][listener];
	return n;
}

static void check_take(struct heard *h, unsigned s, const uint8_t *key)
{
	memset(told, 0, sizeof told);
	heard_take(h, key, ktab_hash(key), tell, NULL);
	for (unsigned l = 0; l < LISTENERS; l++) {
		assert_int_equal(told[l], want[s][l]);
		want[s][l] = false;
	}
}

static void it_agrees_with_a_matrix(void **state)
{
	struct heard *h = heard_new(MAX);
	uint8_t key[32];
	(void)state;

	srand(3);
	for (unsigned step = 0; step < 40000; step++) {
		unsigned s = (unsigned)rand() % SOURCES, l = (unsigned)rand() % LISTENERS, what = (unsigned)rand() % 100;
		size_t total = 0;
		key_of(s, key);
		if (what < 94) {
			bool fits = want[s][l] || held_by(l) < MAX;
			assert_int_equal(heard_note(h, key, ktab_hash(key), l), fits);
			want[s][l] = fits;
		} else if (what < 97) {
			check_take(h, s, key);
		} else {
			heard_forget(h, l);
			for (s = 0; s < SOURCES; s++)
				want[s][l] = false;
		}
		for (l = 0; l < LISTENERS; l++)
			total += held_by(l);
		assert_int_equal(heard_count(h), total);
	}
	for (unsigned s = 0; s < SOURCES; s++) {
		key_of(s, key);
		check_take(h, s, key);
	}
	assert_int_equal(heard_count(h), 0);
	heard_free(&h);
	assert_null(h);
}

static void a_source_that_comes_back_is_told_of_again(void **state)
{
	struct heard *h = heard_new(4);
	uint8_t key[32];
	(void)state;
	key_of(1, key);
	for (int round = 0; round < 3; round++) {
		memset(told, 0, sizeof told);
		assert_true(heard_note(h, key, ktab_hash(key), 5));
		heard_take(h, key, ktab_hash(key), tell, NULL);
		assert_int_equal(told[5], 1);
	}
	heard_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_agrees_with_a_matrix),
		cmocka_unit_test(a_source_that_comes_back_is_told_of_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
