/* What a stranger chose (a host name, an id) never becomes markup, on any page. */
#include "web/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const char evil[] = "\"><script>alert(1)</script>'&";

static const struct web_device device = { evil, evil, evil, evil, evil };

static void render(size_t which, struct buf *b)
{
	static const char *const uuids[2] = { evil, evil };

	switch (which) {
	case 0:
		web_page_register(b, evil, &device);
		break;
	case 1:
		web_page_auth(b, evil, evil, evil, evil);
		break;
	case 2:
		web_page_confirm(b, evil, evil, evil, &device);
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
	web_page_register(&b, "hskey-authreq-0123456789abcdef01234567", NULL);
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
		cmocka_unit_test(apple_platforms_have_three_names),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
