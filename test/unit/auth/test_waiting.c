/* test/unit/auth/test_waiting.c -- the bounded table of what waits for a browser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>

#include "auth/waiting.h"

static int alive;

static void *thing(int n)
{
	int *p = malloc(sizeof *p);

	*p = n;
	alive++;
	return p;
}

static void release(void *p)
{
	alive--;
	free(p);
}

static const char *key(char buf[static WAITING_KEY_LEN + 1], int n)
{
	snprintf(buf, WAITING_KEY_LEN + 1, "%064x", n);
	return buf;
}

static int find(struct waiting *w, int n, uint64_t now)
{
	char k[WAITING_KEY_LEN + 1];
	int *p = waiting_find(w, bytes_of(key(k, n), WAITING_KEY_LEN), now);

	return p != NULL ? *p : -1;
}

static size_t add(struct waiting *w, int n, uint8_t source, uint64_t now)
{
	uint8_t from[WAITING_SOURCE_LEN] = { source };
	char k[WAITING_KEY_LEN + 1];

	return waiting_add(w, key(k, n), from, now, thing(n));
}

static void taken_once_and_for_a_while(void **state)
{
	struct waiting *w = waiting_new(&(struct waiting_opts){ .lifetime_ms = 100, .release = release });
	char k[WAITING_KEY_LEN + 1];
	int *p;

	(void)state;
	add(w, 1, 1, 0);
	add(w, 2, 1, 50);
	assert_int_equal(find(w, 1, 99), 1);
	assert_int_equal(find(w, 1, 100), -1);
	p = waiting_take(w, bytes_of(key(k, 2), WAITING_KEY_LEN), 60);
	assert_non_null(p);
	release(p);
	assert_null(waiting_take(w, bytes_of(key(k, 2), WAITING_KEY_LEN), 60));
	assert_null(waiting_find(w, bytes_of("", 0), 60));
	assert_null(waiting_find(w, bytes_of(key(k, 1), 10), 60));
	add(w, 3, 1, 200); /* sweeps */
	assert_int_equal(waiting_count(w), 1);
	waiting_free(&w);
	assert_int_equal(alive, 0);
}

static void a_flood_pushes_out_its_own(void **state)
{
	struct waiting *w = waiting_new(&(struct waiting_opts){ .max = 100, .max_per_source = 60, .release = release });

	(void)state;
	for (int i = 0; i < 20; i++)
		add(w, 1000 + i, (uint8_t)(100 + i), 0); /* twenty people */
	for (int i = 0; i < 500; i++)
		add(w, 2000 + i, 1, 1);
	for (int i = 0; i < 500; i++)
		add(w, 3000 + i, 2, 2);
	assert_int_equal(waiting_count(w), 100);
	for (int i = 0; i < 20; i++)
		assert_int_equal(find(w, 1000 + i, 3), 1000 + i);
	assert_int_equal(find(w, 3499, 3), 3499); /* of a flood the newest stay */
	assert_int_equal(find(w, 3000, 3), -1);
	waiting_free(&w);
	assert_int_equal(alive, 0);
}

static void a_source_has_a_bound(void **state)
{
	struct waiting *w = waiting_new(&(struct waiting_opts){ .max_per_source = 3, .release = release });
	size_t gone = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		gone += add(w, i, 1, 0);
	assert_int_equal(gone, 7);
	assert_int_equal(waiting_count(w), 3);
	assert_int_equal(find(w, 6, 0), -1);
	assert_int_equal(find(w, 7, 0), 7);
	waiting_free(&w);
}

static void ipv6_counts_by_network(void **state)
{
	uint8_t a[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 }, b[16] = { 0x20, 1, 0xd, 0xb8, [12] = 9 };
	uint8_t c[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 }, d[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2 };
	uint8_t x[16], y[16];

	(void)state;
	waiting_source(a, x);
	waiting_source(b, y);
	assert_memory_equal(x, y, 16);
	waiting_source(c, x);
	waiting_source(d, y);
	assert_memory_not_equal(x, y, 16);
}

static bool begins_with(const void *payload, const void *letter)
{
	return *(const char *)payload == *(const char *)letter;
}

static void one_kind_is_thinned_from_its_oldest(void **state)
{
	struct waiting *w = waiting_new(&(struct waiting_opts){ .release = free });
	uint8_t source[WAITING_SOURCE_LEN] = { 0 };
	char key[WAITING_KEY_LEN + 1];

	(void)state;
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof key, "%064d", i);
		source[0] = (uint8_t)i; /* from everywhere */
		waiting_add(w, key, source, 1, strdup(i == 4 ? "b" : "a"));
	}
	assert_int_equal(waiting_thin(w, 3, begins_with, "a"), 7);
	assert_int_equal(waiting_count(w), 3);
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof key, "%064d", i);
		assert_int_equal(waiting_find(w, bytes_of_str(key), 1) != NULL, i == 4 || i >= 8);
	}
	assert_int_equal(waiting_thin(w, 3, begins_with, "a"), 0);
	assert_int_equal(waiting_thin(w, 3, begins_with, "c"), 0);
	waiting_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_kind_is_thinned_from_its_oldest),
		cmocka_unit_test(taken_once_and_for_a_while),
		cmocka_unit_test(a_flood_pushes_out_its_own),
		cmocka_unit_test(a_source_has_a_bound),
		cmocka_unit_test(ipv6_counts_by_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
