/*
 * fuzz/policy_hujson.c -- bytes into the HuJSON reader.
 *
 * What it takes must come out as standard JSON of the same length that it takes again, with nothing left to
 * standardise and the same compact form; what it refuses has a place inside the text and a message.
 */
#include <stdlib.h>

#include "policy/hujson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_again(const struct hujson *h, struct arena *a)
{
	struct buf standard, first, second;
	struct hujson again;

	buf_init(&standard, HUJSON_BYTES_MAX);
	buf_init(&first, 8 * HUJSON_BYTES_MAX);
	buf_init(&second, 8 * HUJSON_BYTES_MAX);
	hujson_standardize(h, &standard);
	check(standard.n == h->text.n);
	check(hujson_parse(buf_bytes(&standard), a, &again, NULL) == ST_OK);
	check(again.n_extras == 0 && !again.root == !h->root);
	if (h->root) {
		hujson_compact(h->root, &first);
		hujson_compact(again.root, &second);
		check(bytes_eq(buf_bytes(&first), buf_bytes(&second)));
		check(hujson_parse(buf_bytes(&first), a, &again, NULL) == ST_OK);
	}
	buf_release(&standard);
	buf_release(&first);
	buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct hujson_error e = { 0 };
	struct hujson h;

	if (hujson_parse(bytes_of(data, size), a, &h, &e) == ST_OK)
		check_again(&h, a);
	else
		check(e.message[0] && e.line >= 1 && e.column >= 1 && e.line <= size + 1 && e.column <= size + 1);
	arena_free(&a);
	return 0;
}
