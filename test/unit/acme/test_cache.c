/* Unit tests of acme/cache.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "acme/cache.h"
#include "unit/net/certs.h"

struct box {
	char root[64], dir[100];
};

static int set_up(void **state)
{
	struct box *b = calloc(1, sizeof *b);

	strcpy(b->root, "/tmp/acme-cache-XXXXXX");
	assert_non_null(mkdtemp(b->root));
	snprintf(b->dir, sizeof b->dir, "%s/deep/er", b->root);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct box *b = *state;
	char cmd[200];

	snprintf(cmd, sizeof cmd, "rm -rf '%s'", b->root);
	assert_int_equal(system(cmd), 0);
	free(b);
	return 0;
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static unsigned mode_of(const char *dir, const char *name)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void the_directory_is_made_for_us_alone(void **state)
{
	struct box *b = *state;
	struct err err = { 0 };

	assert_int_equal(acme_cache_check(b->dir, &err), ST_OK);
	assert_int_equal(mode_of(b->dir, ""), 0700);
	assert_int_equal(mode_of(b->root, "deep"), 0700);
	assert_int_equal(acme_cache_check(b->dir, &err), ST_OK);
	assert_int_equal(rmdir(b->dir), 0); /* the probe is gone */
}

static void a_place_that_cannot_be_written(void **state)
{
	struct box *b = *state;
	struct err err = { 0 };
	char path[200];

	put_file(b->root, "file", "x");
	snprintf(path, sizeof path, "%s/file", b->root);
	assert_int_equal(acme_cache_check(path, &err), ST_IO);
	assert_non_null(strstr(err.text, path));
	snprintf(path, sizeof path, "%s/file/sub", b->root);
	assert_int_equal(acme_cache_check(path, &err), ST_IO);
	assert_int_equal(acme_cache_check("/proc/acme", &err), ST_IO);
}

static void an_account_is_kept(void **state)
{
	struct box *b = *state;
	struct acme_key *k = acme_key_new(), *again = NULL;
	char t1[ACME_THUMBPRINT_LEN + 1], t2[ACME_THUMBPRINT_LEN + 1];
	struct err err = { 0 };

	assert_int_equal(acme_cache_load_account(b->dir, &again, &err), ST_NOT_FOUND);
	assert_int_equal(acme_cache_check(b->dir, &err), ST_OK);
	assert_int_equal(acme_cache_load_account(b->dir, &again, &err), ST_NOT_FOUND);
	assert_int_equal(acme_cache_save_account(b->dir, k, &err), ST_OK);
	assert_int_equal(mode_of(b->dir, "acme_account+key"), 0600);
	assert_int_equal(acme_cache_load_account(b->dir, &again, &err), ST_OK);
	acme_key_thumbprint(k, t1);
	acme_key_thumbprint(again, t2);
	assert_string_equal(t1, t2);
	acme_key_free(&k);
	acme_key_free(&again);
}

static void the_old_name_of_an_account_is_found_too(void **state)
{
	struct box *b = *state;
	struct acme_key *k = acme_key_new(), *again = NULL;
	char from[200], to[200];

	assert_int_equal(acme_cache_check(b->dir, NULL), ST_OK);
	assert_int_equal(acme_cache_save_account(b->dir, k, NULL), ST_OK);
	snprintf(from, sizeof from, "%s/acme_account+key", b->dir);
	snprintf(to, sizeof to, "%s/acme_account.key", b->dir);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(acme_cache_load_account(b->dir, &again, NULL), ST_OK);
	acme_key_free(&k);
	acme_key_free(&again);
}

static void a_damaged_account_is_an_error(void **state)
{
	static const char *const texts[] = { "", "privkey:0000", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n" };
	struct box *b = *state;
	struct acme_key *k = NULL;
	struct err err = { 0 };

	assert_int_equal(acme_cache_check(b->dir, NULL), ST_OK);
	for (size_t i = 0; i < 3; i++) {
		put_file(b->dir, "acme_account+key", texts[i]);
		assert_int_equal(acme_cache_load_account(b->dir, &k, &err), ST_BAD_INPUT);
		assert_non_null(strstr(err.text, "acme_account+key"));
	}
}

/* As the Go server's library writes it: key first, chain behind. */
static void a_certificate_is_kept(void **state)
{
	struct box *b = *state;
	struct test_cert t = test_cert_new("a.example", "DNS:a.example", 7), u = test_cert_new("a.example", "DNS:a.example", 8);
	struct net_tls_cert *c = NULL;
	struct err err = { 0 };
	struct buf pem;

	assert_int_equal(acme_cache_check(b->dir, NULL), ST_OK);
	assert_int_equal(acme_cache_load_cert(b->dir, "a.example", &c, &err), ST_NOT_FOUND);
	for (int i = 0; i < 2; i++) {
		struct test_cert *one = i == 0 ? &t : &u;

		buf_init(&pem, 65536);
		buf_printf(&pem, "%s%s", one->key_pem, one->cert_pem);
		assert_int_equal(acme_cache_save_cert(b->dir, "a.example", buf_bytes(&pem), &err), ST_OK);
		assert_int_equal(mode_of(b->dir, "a.example"), 0600);
		assert_int_equal(acme_cache_load_cert(b->dir, "a.example", &c, &err), ST_OK);
		assert_true(bytes_eq(net_tls_cert_der(c), bytes_of(one->der, one->der_n)));
		net_tls_cert_unref(&c);
		buf_release(&pem);
	}
	buf_init(&pem, 65536);
	buf_printf(&pem, "%s%s", t.key_pem, u.cert_pem); /* one's key with another's certificate */
	assert_int_equal(acme_cache_save_cert(b->dir, "a.example", buf_bytes(&pem), &err), ST_OK);
	assert_int_equal(acme_cache_load_cert(b->dir, "a.example", &c, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "a.example"));
	buf_release(&pem);
	test_cert_free(&t);
	test_cert_free(&u);
}

static void what_fails_leaves_nothing_behind(void **state)
{
	struct box *b = *state;
	struct err err = { 0 };
	char path[200];

	assert_int_equal(acme_cache_check(b->dir, NULL), ST_OK);
	snprintf(path, sizeof path, "%s/a.example", b->dir);
	assert_int_equal(mkdir(path, 0700), 0); /* in the way */
	assert_int_equal(acme_cache_save_cert(b->dir, "a.example", BYTES_LIT("x"), &err), ST_IO);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(b->dir), 0); /* empty: no temporary file is left */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_directory_is_made_for_us_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_place_that_cannot_be_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_account_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_old_name_of_an_account_is_found_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_account_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_certificate_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_fails_leaves_nothing_behind, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
