/*
 * fuzz/json_in.c -- JSON from strangers.
 *
 * What is taken is UTF-8, and written by json-c and read again gives an equal tree. The input as a string through our
 * writer always reads back.
 */
#include <stdlib.h>

#include "base/json_in.h"
#include "base/json_out.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_text(struct bytes in)
{
	struct json_object *o = NULL, *again = NULL;
	const char *text;
	size_t n;

	if (json_parse(in, 1 << 20, &o, NULL) != ST_OK)
		return;
	check(utf8_valid(in));
	text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &n);
	if (o) {
		check(json_parse(bytes_of(text, n), 1 << 24, &again, NULL) == ST_OK);
		check(json_object_equal(o, again));
	}
	json_object_put(again);
	json_object_put(o);
}

static void check_string(struct bytes in)
{
	struct json_object *o = NULL;
	struct buf b;
	struct jw w;

	buf_init(&b, 1 << 24);
	jw_init(&w, &b);
	jw_str_bytes(&w, in);
	check(json_parse(buf_bytes(&b), 1 << 24, &o, NULL) == ST_OK);
	if (utf8_valid(in))
		check(bytes_eq(bytes_of(json_object_get_string(o), (size_t)json_object_get_string_len(o)), in));
	json_object_put(o);
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_text(bytes_of(data, size));
	check_string(bytes_of(data, size));
	return 0;
}
