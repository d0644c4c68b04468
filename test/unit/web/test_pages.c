/* What a stranger chose (a host name, an id) never becomes markup, on any page. */
#include "web/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const char evil[] = "\"><script>alert(1)</script>'&";

static const struct web_device device = { evil, evil, evil, evil, evil, 0 };
static const struct web_session session = { evil, evil, evil, 0 };

#define NOW 1800000000

static void render(size_t which, struct buf *b)
{
	static const char *const uuids[2] = { evil, evil };

	switch (which) {
	case 0:
		web_page_register(b, evil, &device, NOW);
		break;
	case 1:
		web_page_auth(b, evil, &session, NOW);
		break;
	case 2:
		web_page_confirm(b, evil, evil, evil, &device, NOW);
		break;
	case 3:
		web_page_done(b, evil, evil);
		break;
	case 4:
		web_page_error(b, 400, evil, evil);
		break;
	case 5:
		web_page_apple(b, evil);
		break;
	case 6:
		web_page_windows(b, evil);
		break;
	default:
		web_apple_profile(b, WEB_APPLE_IOS, evil, uuids);
	}
}

static void no_value_becomes_markup(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct buf b;

		buf_init(&b, 1 << 20);
		render(i, &b);
		buf_put_char(&b, '\0');
		assert_true(buf_ok(&b));
		assert_null(strstr((char *)b.p, "<script"));
		assert_null(strstr((char *)b.p, "\"><"  "script"));
		assert_non_null(strstr((char *)b.p, "&lt;script&gt;"));
		buf_release(&b);
	}
}

static void the_command_to_admit_names_the_id(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	web_page_register(&b, "hskey-authreq-0123456789abcdef01234567", NULL, NOW);
	buf_put_char(&b, '\0');
	assert_non_null(strstr((char *)b.p,
			       "headscale auth register --auth-id hskey-authreq-0123456789abcdef01234567 --user USERNAME"));
	buf_release(&b);
}

static void pages_need_no_script_and_no_foreign_host(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	web_page_home(&b, "1");
	web_page_register_gone(&b);
	buf_put_char(&b, '\0');
	assert_null(strstr((char *)b.p, "<script"));
	assert_null(strstr((char *)b.p, "style=\""));
	assert_null(strstr((char *)b.p, "src=\"http"));
	buf_release(&b);
}

static char *escaped(const char *text)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	web_escape(&b, text);
	return buf_take(&b, NULL);
}

/* A host name is what a stranger says; what would make it look like another is shown as a sign. */
static void what_deceives_the_eye_is_shown(void **state)
{
#define SIGN "\xef\xbf\xbd"
	static const struct {
		const char *why, *in, *out;
	} t[] = {
		{ "plain", "box \xc3\xb6 \xe6\x97\xa5 \xf0\x9f\x98\x80", "box \xc3\xb6 \xe6\x97\xa5 \xf0\x9f\x98\x80" },
		{ "right to left override", "a\xe2\x80\xae" "b", "a" SIGN "b" },
		{ "isolates", "\xe2\x81\xa6x\xe2\x81\xa9", SIGN "x" SIGN },
		{ "zero width", "a\xe2\x80\x8b" "b\xef\xbb\xbf", "a" SIGN "b" SIGN },
		{ "tags", "a\xf3\xa0\x81\x81", "a" SIGN },
		{ "a line separator", "a\xe2\x80\xa8" "b", "a" SIGN "b" },
		{ "C1 control", "a\xc2\x9b" "b", "a" SIGN "b" },
		{ "C0 control", "a\x1b[2Jb\x7f", "a [2Jb " },
		{ "no UTF-8", "a\xff\xfe" "b\xc3", "a" SIGN SIGN "b" SIGN },
		{ "overlong", "\xc0\xbc", SIGN SIGN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		char *got = escaped(t[i].in);

		if (strcmp(got, t[i].out) != 0)
			fail_msg("%s: %s", t[i].why, got);
		free(got);
	}
}

static void long_values_are_cut_between_characters(void **state)
{
	static char name[100001];
	struct web_device d = { name, name, name, name, name, NOW + 60 };
	struct buf b;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof name; i += 2)
		memcpy(name + i, "\xc3\xb6", 2);
	buf_init(&b, 1 << 16); /* what a page may have */
	web_page_confirm(&b, "/x", "token", name, &d, NOW);
	buf_put_char(&b, '\0');
	assert_true(buf_ok(&b));
	assert_true(b.n < 12000);
	assert_non_null(strstr((char *)b.p, "\xc3\xb6\xe2\x80\xa6</dd>"));
	assert_non_null(strstr((char *)b.p, "<button"));
	buf_release(&b);
}

static void pages_say_when_the_link_ends(void **state)
{
	static const struct {
		int64_t left;
		const char *text;
	} t[] = { { 14 * 60 + 10, "08:14 UTC, in 14 minutes<" }, { 60, "08:01 UTC, in 1 minute<" }, { 5, "08:00 UTC, in less than a minute<" },
		  { -5, "07:59 UTC, in less than a minute<" }, { 3 * 3600 + 5, "11:00 UTC, in 3 hours<" }, { 30 * 3600, "2027-01-16 14:00 UTC, in 30 hours<" } };

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct web_device d = { .hostname = "box", .until_unix = NOW + t[i].left };
		struct buf b;

		buf_init(&b, 1 << 16);
		web_page_register(&b, "id", &d, NOW);
		buf_put_char(&b, '\0');
		if (strstr((char *)b.p, t[i].text) == NULL)
			fail_msg("no \"%s\" in %s", t[i].text, strstr((char *)b.p, "Link ends"));
		buf_release(&b);
	}
}

static void people_read_names_and_not_tokens(void **state)
{
	struct web_device d = { .hostname = "box", .os = "linux", .client_version = "1.102.5-t0123456-g789abcd" };
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 16);
	web_page_register(&b, "id", &d, NOW);
	buf_put_char(&b, '\0');
	assert_non_null(strstr((char *)b.p, ">Linux<"));
	assert_non_null(strstr((char *)b.p, ">Tailscale 1.102.5<"));
	assert_null(strstr((char *)b.p, "Link ends"));
	buf_release(&b);
}

static void apple_platforms_have_three_names(void **state)
{
	enum web_apple p = WEB_APPLE_IOS;

	(void)state;
	assert_int_equal(web_apple_parse("macos-standalone", &p), ST_OK);
	assert_int_equal(p, WEB_APPLE_MACOS_STANDALONE);
	assert_int_equal(web_apple_parse("windows", &p), ST_NOT_FOUND);
	assert_int_equal(p, WEB_APPLE_MACOS_STANDALONE);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(no_value_becomes_markup),
		cmocka_unit_test(the_command_to_admit_names_the_id),
		cmocka_unit_test(pages_need_no_script_and_no_foreign_host),
		cmocka_unit_test(what_deceives_the_eye_is_shown),
		cmocka_unit_test(long_values_are_cut_between_characters),
		cmocka_unit_test(pages_say_when_the_link_ends),
		cmocka_unit_test(people_read_names_and_not_tokens),
		cmocka_unit_test(apple_platforms_have_three_names),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
