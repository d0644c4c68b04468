/* Tests of crypto/private_file.h, in a directory of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/private_file.h"

#define HEX32 "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"

static char dir[64], path[128];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/private_file.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/sub/noise_private.key", dir);
	return 0;
}

static int teardown(void **state)
{
	char sub[80];
	(void)state;

	unlink(path);
	snprintf(sub, sizeof sub, "%s/sub", dir);
	rmdir(sub);
	return rmdir(dir); /* fails if anything was left lying there */
}

static void put(const char *text, size_t n)
{
	char sub[80];
	FILE *f;

	snprintf(sub, sizeof sub, "%s/sub", dir);
	mkdir(sub, 0700);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

static void a_missing_key_is_made_once(void **state)
{
	struct machine_private a, b;
	struct err e = { { 0 } };
	struct stat st;
	char text[100] = { 0 }, want[KEY_TEXT_MAX];
	FILE *f;
	(void)state;

	assert_int_equal(private_file_load_machine(path, &a, &e), ST_OK);
	assert_int_equal(private_file_load_machine(path, &b, &e), ST_OK);
	assert_true(machine_private_eq(&a, &b));
	assert_false(machine_private_is_zero(&a));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_false(private_file_is_open_to_others(path));
	f = fopen(path, "r");
	assert_int_equal(fread(text, 1, sizeof text, f), 72);
	fclose(f);
	machine_private_format(&a, want);
	assert_string_equal(text, want);
}

static void white_space_around_is_read_over(void **state)
{
	static const char *const texts[] = { "privkey:" HEX32, "privkey:" HEX32 "\n", " \t\r\nprivkey:" HEX32 "\r\n\n" };
	struct node_private k;
	(void)state;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		put(texts[i], strlen(texts[i]));
		memset(&k, 0, sizeof k);
		assert_int_equal(private_file_load_node(path, &k, NULL), ST_OK);
		assert_int_equal(k.b[0], 0x40);
	}
}

static void other_content_is_refused_and_kept(void **state)
{
	static const char *const texts[] = { "", "\n", HEX32, "privkey:", "privkey:" HEX32 "00", "privkey: " HEX32, "mkey:" HEX32, "privkey:" HEX32 "\nprivkey:" HEX32,
					     "{\"PrivateKey\":\"privkey:" HEX32 "\"}",
					     "privkey:0000000000000000000000000000000000000000000000000000000000000000" };
	struct machine_private k;
	struct err e;
	struct stat st;
	char huge[1000];
	(void)state;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		put(texts[i], strlen(texts[i]));
		assert_int_equal(private_file_load_machine(path, &k, &e), ST_BAD_INPUT);
		assert_non_null(strstr(e.text, path));
		assert_null(strstr(e.text, "4041"));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, strlen(texts[i]));
	}
	put("privkey:" HEX32 "\0", 73);
	assert_int_equal(private_file_load_machine(path, &k, &e), ST_BAD_INPUT);
	memset(huge, '\n', sizeof huge);
	memcpy(huge, "privkey:" HEX32, 72);
	put(huge, sizeof huge);
	assert_int_equal(private_file_load_machine(path, &k, &e), ST_BAD_INPUT);
}

static void what_is_no_file_is_an_error(void **state)
{
	struct machine_private k;
	struct err e;
	(void)state;

	assert_int_equal(private_file_load_machine(dir, &k, &e), ST_BAD_INPUT);
	assert_int_equal(private_file_load_machine("/nonexistent-dir/sub/key", &k, &e), ST_IO);
	assert_non_null(strstr(e.text, "/nonexistent-dir/sub/key"));
}

static void an_open_file_is_told(void **state)
{
	(void)state;
	put("privkey:" HEX32, 72);
	chmod(path, 0640);
	assert_true(private_file_is_open_to_others(path));
	chmod(path, 0400);
	assert_false(private_file_is_open_to_others(path));
}

static void *load_thread(void *out)
{
	return private_file_load_machine(path, out, NULL) == ST_OK ? out : NULL;
}

static void those_who_make_it_at_once_get_one_key(void **state)
{
	struct machine_private k[8];
	pthread_t t[8];
	(void)state;

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, load_thread, &k[i]), 0);
	for (int i = 0; i < 8; i++) {
		void *done;

		pthread_join(t[i], &done);
		assert_non_null(done);
		assert_true(machine_private_eq(&k[0], &k[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_missing_key_is_made_once, setup, teardown),
		cmocka_unit_test_setup_teardown(white_space_around_is_read_over, setup, teardown),
		cmocka_unit_test_setup_teardown(other_content_is_refused_and_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(an_open_file_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(those_who_make_it_at_once_get_one_key, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
