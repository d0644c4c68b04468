/* Tests of derp/ktab.h: against an array that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "derp/ktab.h"

#define KEYS 3000

static void key_of(unsigned i, uint8_t key[32])
{
	memset(key, 0, 32);
	memcpy(key, &i, sizeof i);
}

static void it_agrees_with_a_plain_array(void **state)
{
	static uint64_t want[KEYS];
	struct ktab t = { 0 };
	uint8_t key[32];
	size_t held = 0;
	(void)state;

	srand(7);
	for (unsigned step = 0; step < 60000; step++) {
		unsigned k = (unsigned)rand() % KEYS;
		/* grow, then shrink to nothing */
		bool add = step < 30000 ? rand() % 4 != 0 : rand() % 8 == 0;
		key_of(k, key);
		if (add) {
			held += want[k] == 0;
			want[k] = step + 1;
			ktab_set(&t, key, ktab_hash(key), want[k]);
		} else {
			assert_int_equal(ktab_del(&t, key, ktab_hash(key)), want[k] != 0);
			held -= want[k] != 0;
			want[k] = 0;
		}
		k = (unsigned)rand() % KEYS;
		key_of(k, key);
		assert_int_equal(ktab_get(&t, key, ktab_hash(key)), want[k]);
		assert_int_equal(t.n, held);
	}
	size_t i = 0, seen = 0;
	const struct ktab_slot *s;
	while ((s = ktab_next(&t, &i)) != NULL) {
		unsigned k;
		memcpy(&k, s->key, sizeof k);
		assert_int_equal(s->value, want[k]);
		seen++;
	}
	assert_int_equal(seen, held);
	ktab_release(&t);
}

static void an_empty_table_answers(void **state)
{
	struct ktab t = { 0 };
	uint8_t key[32] = { 1 };
	(void)state;
	assert_int_equal(ktab_get(&t, key, ktab_hash(key)), 0);
	assert_false(ktab_del(&t, key, ktab_hash(key)));
	ktab_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_agrees_with_a_plain_array),
		cmocka_unit_test(an_empty_table_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
