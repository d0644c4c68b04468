/* Users, keys, documents, audit: the rest of what people do. */
#include "helper.h"

#include <crypt.h>

#include "state/keys.h"
#include "state/rows.h"
#include "state/state_priv.h"

#define HOST(name) "{\"OS\":\"linux\",\"Hostname\":\"" name "\"}"

static int set_up(void **state)
{
	struct world *w = malloc(sizeof *w);

	world_init(w);
	world_open(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	world_release(*state);
	free(*state);
	return 0;
}

static void names_of_users_have_rules(void **state)
{
	static const char *const good[] = { "alice", "Al", "a.b-c_d@example.com" };
	static const char *const bad[] = { "", "a", "1a", "a b", "a@b@c", "\xc3\xa4h", "a/b" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(state_user_name_ok(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(state_user_name_ok(bad[i]));
}

static void the_first_user_owns_the_tailnet(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };

	assert_int_equal(CALL(&a, state_user_create, w->st, &(struct state_user_new){ .name = "alice" }), ST_OK);
	assert_int_equal(a.user->role, ROLE_OWNER);
	assert_int_equal(CALL(&a, state_user_create, w->st, &(struct state_user_new){ .name = "bob" }), ST_OK);
	assert_int_equal(a.user->role, ROLE_MEMBER);
	assert_int_equal(CALL(&a, state_user_set_role, w->st, NULL, 1, ROLE_MEMBER), ST_DENIED);
	assert_int_equal(CALL(&a, state_user_set_role, w->st, NULL, 2, ROLE_OWNER), ST_OK);
	assert_int_equal(CALL(&a, state_user_set_role, w->st, NULL, 1, ROLE_AUDITOR), ST_OK);
	assert_int_equal(a.user->role, ROLE_AUDITOR);
	answer_release(&a);
}

static void two_users_have_two_names(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };

	make_user(w, "alice");
	make_user(w, "bob");
	assert_int_equal(CALL(&a, state_user_create, w->st, &(struct state_user_new){ .name = "alice" }), ST_CONFLICT);
	assert_string_equal(a.err.text, "user already exists");
	assert_int_equal(CALL(&a, state_user_rename, w->st, NULL, 1, "bob"), ST_CONFLICT);
	assert_int_equal(CALL(&a, state_user_rename, w->st, NULL, 1, "alice"), ST_OK);
	assert_int_equal(CALL(&a, state_user_rename, w->st, NULL, 1, "carol"), ST_OK);
	assert_string_equal(a.user->name, "carol");
	assert_int_equal(CALL(&a, state_user_rename, w->st, NULL, 9, "dave"), ST_NOT_FOUND);
	assert_int_equal(CALL(&a, state_user_create, w->st, &(struct state_user_new){ .name = "alice" }), ST_OK);
	answer_release(&a);
}

static void a_user_with_nodes_stays_and_keys_go_with_it(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char key[KEY_SECRET_TEXT_MAX];
	struct state_register r;

	make_preauth(w, (struct state_preauth_new){ .user = make_user(w, "alice"), .reusable = true }, key);
	r = register_req(1, 1, key, HOST("a"));
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
	assert_int_equal(CALL(&a, state_user_delete, w->st, NULL, 1), ST_CONFLICT);
	assert_string_equal(a.err.text, "user not empty: node(s) found");
	assert_int_equal(CALL(&a, state_node_set_tags, w->st, NULL, 1, &(const char *){ "tag:x" }, 1), ST_OK);
	assert_int_equal(CALL(&a, state_user_delete, w->st, NULL, 1), ST_OK); /* tagged ones do not count */
	assert_int_equal(CALL(&a, state_preauth_list, w->st), ST_OK);
	assert_int_equal(a.n, 0);
	r = register_req(2, 2, key, HOST("a"));
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_DENIED);
	assert_int_equal(make_user(w, "alice"), 2); /* IDs are never given twice */
	answer_release(&a);
}

static void a_provider_finds_its_user_again(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	struct state_user_login l = { .provider = "oidc", .provider_id = "https://sso/1", .name = "alice",
				      .email = "alice@example.com", .display_name = "Alice" };
	user_id id;

	make_user(w, "alice");
	assert_int_equal(CALL(&a, state_user_from_provider, w->st, &l), ST_OK);
	id = a.user->id;
	assert_int_equal(id, 2); /* not the local one */
	l.name = "not a name";
	l.display_name = "";
	l.email = "new@example.com";
	assert_int_equal(CALL(&a, state_user_from_provider, w->st, &l), ST_OK);
	assert_int_equal(a.user->id, id);
	assert_string_equal(a.user->name, "alice");
	assert_string_equal(a.user->display_name, "Alice");
	assert_string_equal(a.user->email, "new@example.com");
	assert_int_equal(CALL(&a, state_user_rename, w->st, NULL, id, "mallory"), ST_DENIED);
	l.provider_id = "";
	assert_int_equal(CALL(&a, state_user_from_provider, w->st, &l), ST_BAD_INPUT);
	answer_release(&a);
}

static void preauth_keys_are_made_shown_once_and_ended(void **state)
{
	static const char *const bad[] = { "x", "tag:", "tag:A", "tag:a b" };
	struct world *w = *state;
	struct answer a = { .came = false };
	char masked[KEY_SECRET_TEXT_MAX];
	struct state_preauth_new r = { .expires_ns = TIME_NONE };

	assert_int_equal(CALL(&a, state_preauth_create, w->st, &r), ST_BAD_INPUT);
	assert_string_equal(a.err.text, "auth-key must be either tagged or owned by user");
	r.user = 7;
	assert_int_equal(CALL(&a, state_preauth_create, w->st, &r), ST_NOT_FOUND);
	r.user = make_user(w, "alice");
	r.n_tags = 1;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		r.tags = &bad[i];
		assert_int_equal(CALL(&a, state_preauth_create, w->st, &r), ST_BAD_INPUT);
	}
	r.n_tags = 0;
	assert_int_equal(CALL(&a, state_preauth_create, w->st, &r), ST_OK);
	assert_int_equal(strlen(a.secret), strlen("hskey-auth-") + 12 + 1 + 64);
	assert_int_equal(a.preauth->hash.form, SECRET_SHA256);
	preauth_key_mask(a.preauth, masked);
	assert_memory_equal(masked, a.secret, strlen("hskey-auth-") + 12 + 1);
	assert_string_equal(masked + strlen("hskey-auth-") + 12, "-***");
	assert_int_equal(CALL(&a, state_preauth_expire, w->st, NULL, 1), ST_OK);
	assert_true(a.preauth->expires_ns == w->clock.unix_ns);
	assert_int_equal(CALL(&a, state_preauth_get, w->st, 1), ST_OK);
	assert_int_equal(CALL(&a, state_preauth_delete, w->st, NULL, 1), ST_OK);
	assert_int_equal(CALL(&a, state_preauth_get, w->st, 1), ST_NOT_FOUND);
	assert_int_equal(CALL(&a, state_preauth_delete, w->st, NULL, 1), ST_NOT_FOUND);
	answer_release(&a);
}

static enum status check(struct world *w, struct answer *a, const char *text)
{
	return CALL(a, state_api_key_check, w->st, bytes_of_str(text));
}

static void api_keys_are_known_by_their_text(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char text[KEY_SECRET_TEXT_MAX], token[KEY_SECRET_TEXT_MAX], wrong[KEY_SECRET_TEXT_MAX];
	struct state_api_key_new r = { .kind = API_KEY, .expires_ns = TIME_NONE, .user = make_user(w, "alice") };

	assert_int_equal(CALL(&a, state_api_key_create, w->st, &r), ST_OK);
	memcpy(text, a.secret, sizeof text);
	assert_int_equal(check(w, &a, text), ST_OK);
	assert_int_equal(a.api_key->id, 1);
	assert_int_equal(a.user->id, 1);
	assert_true(a.api_key->last_used_ns == w->clock.unix_ns);
	memcpy(wrong, text, sizeof wrong);
	wrong[50] ^= 1;
	assert_int_equal(check(w, &a, wrong), ST_DENIED);
	assert_int_equal(check(w, &a, "hskey-api-"), ST_DENIED);
	assert_int_equal(check(w, &a, ""), ST_BAD_INPUT);
	/* A client and its token: one revoked, the other is nothing. */
	r.kind = API_CLIENT;
	assert_int_equal(CALL(&a, state_api_key_create, w->st, &r), ST_OK);
	r.kind = API_TOKEN;
	r.parent = a.api_key->id;
	r.expires_ns = w->clock.unix_ns + 60 * NS_PER_S;
	assert_int_equal(CALL(&a, state_api_key_create, w->st, &r), ST_OK);
	memcpy(token, a.secret, sizeof token);
	assert_memory_equal(token, "hskey-oauthtok-", 15);
	assert_int_equal(check(w, &a, token), ST_OK);
	assert_int_equal(CALL(&a, state_api_key_revoke, w->st,
			      &(struct state_api_key_ref){ .kind = API_CLIENT, .id = r.parent }),
			 ST_OK);
	assert_int_equal(check(w, &a, token), ST_DENIED);
	assert_string_equal(a.err.text, "revoked key");
	assert_int_equal(CALL(&a, state_api_key_expire, w->st,
			      &(struct state_api_key_ref){ .kind = API_KEY, .id = 1 }),
			 ST_OK);
	assert_int_equal(check(w, &a, text), ST_DENIED);
	assert_string_equal(a.err.text, "expired key");
	assert_int_equal(CALL(&a, state_api_key_list, w->st, 0), ST_OK);
	assert_int_equal(a.n, 3);
	assert_int_equal(CALL(&a, state_api_key_list, w->st, API_KEY), ST_OK);
	assert_int_equal(a.n, 1);
	assert_int_equal(CALL(&a, state_api_key_delete, w->st,
			      &(struct state_api_key_ref){ .kind = API_CLIENT, .id = r.parent }),
			 ST_OK);
	assert_int_equal(CALL(&a, state_api_key_list, w->st, 0), ST_OK);
	assert_int_equal(a.n, 1); /* its token went with it */
	answer_release(&a);
}

static void the_last_use_survives_a_restart(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	struct state_api_key_new r = { .kind = API_KEY, .expires_ns = TIME_NONE };
	char text[KEY_SECRET_TEXT_MAX];
	int64_t used;

	assert_int_equal(CALL(&a, state_api_key_create, w->st, &r), ST_OK);
	memcpy(text, a.secret, sizeof text);
	assert_int_equal(check(w, &a, text), ST_OK);
	used = w->clock.unix_ns;
	make_user(w, "alice"); /* goes along with any transaction */
	world_close(w);
	world_open(w);
	turn_clock(w, 500 * NS_PER_S);
	assert_int_equal(CALL(&a, state_api_key_list, w->st, API_KEY), ST_OK);
	assert_true(a.api_key->last_used_ns == used);
	assert_int_equal(check(w, &a, text), ST_OK);
	assert_true(a.api_key->last_used_ns == w->clock.unix_ns);
	answer_release(&a);
}

/* What an import leaves: bcrypt hashes, old forms. */
static void put_imported(struct world *w)
{
	struct preauth_key *k = preauth_key_new();
	struct api_key *ak = api_key_new();
	struct store_value v[STORE_COLUMNS_MAX];
	struct arena *a = arena_new();
	struct store *s = NULL;
	struct err err = { "" };
	const char *hash;

	k->tailnet = ak->tailnet = 1;
	k->id = 41;
	k->user = 1;
	snprintf(k->name, sizeof k->name, "0123456789ab");
	hash = crypt("secret-of-sixty-four-characters-secret-of-sixty-four-characters0",
		     "$2a$04$abcdefghijklmnopqrstuu"); /* a low cost: only the form matters here */
	assert_non_null(hash);
	k->hash.form = SECRET_BCRYPT;
	k->hash.n = (uint8_t)strlen(hash);
	memcpy(k->hash.b, hash, k->hash.n);
	ak->id = 42;
	ak->kind = API_KEY;
	snprintf(ak->name, sizeof ak->name, "abcdefg");
	hash = crypt("0123456789abcdef0123456789abcdef", "$2a$04$abcdefghijklmnopqrstuu");
	ak->hash.form = SECRET_BCRYPT;
	ak->hash.n = (uint8_t)strlen(hash);
	memcpy(ak->hash.b, hash, ak->hash.n);
	assert_int_equal(store_open_fake(w->disk, &s, &err), ST_OK);
	assert_int_equal(store_begin(s, &err), ST_OK);
	row_from_preauth(a, k, v);
	assert_int_equal(store_put(s, STORE_PREAUTH, v, &err), ST_OK);
	k->id = 43;
	key_legacy_name(BYTES_LIT("0123456789abcdef0123456789abcdef0123456789abcdef"), k->name);
	secret_hash_sha256(BYTES_LIT("0123456789abcdef0123456789abcdef0123456789abcdef"), &k->hash);
	k->reusable = true;
	row_from_preauth(a, k, v);
	assert_int_equal(store_put(s, STORE_PREAUTH, v, &err), ST_OK);
	row_from_api_key(a, ak, v);
	assert_int_equal(store_put(s, STORE_API_KEYS, v, &err), ST_OK);
	assert_int_equal(store_commit(s, &err), ST_OK);
	store_close(&s);
	arena_free(&a);
	preauth_key_unref(&k);
	api_key_unref(&ak);
}

static void imported_hashes_are_taken_and_replaced(void **state)
{
	static const char key[] =
		"hskey-auth-0123456789ab-secret-of-sixty-four-characters-secret-of-sixty-four-characters0";
	struct world *w = *state;
	struct answer a = { .came = false };
	struct state_register r;

	make_user(w, "alice");
	world_close(w);
	put_imported(w);
	world_open(w);
	r = register_req(1, 1, key, HOST("a"));
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
	assert_int_equal(a.outcome, REGISTER_DONE);
	assert_int_equal(a.node->auth_key, 41);
	assert_int_equal(CALL(&a, state_preauth_get, w->st, 41), ST_OK);
	assert_int_equal(a.preauth->hash.form, SECRET_SHA256);
	assert_true(a.preauth->used);
	r = register_req(2, 2, "hskey-auth-0123456789ab-secret-of-sixty-four-characters-secret-of-sixty-four-charactersX",
			 HOST("a"));
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_DENIED);
	r = register_req(3, 3, "0123456789abcdef0123456789abcdef0123456789abcdef", HOST("a"));
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
	assert_int_equal(a.node->auth_key, 43);
	assert_int_equal(check(w, &a, "abcdefg.wrong6789abcdef0123456789abcdeff"), ST_DENIED);
	assert_int_equal(check(w, &a, "abcdefg.0123456789abcdef0123456789abcdef"), ST_OK);
	assert_int_equal(a.api_key->id, 42);
	make_user(w, "bob"); /* behind the replacement */
	assert_int_equal(check(w, &a, "abcdefg.0123456789abcdef0123456789abcdef"), ST_OK);
	assert_int_equal(a.api_key->hash.form, SECRET_SHA256);
	answer_release(&a);
}

static void nodes_are_renamed_moved_and_readdressed(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char key[KEY_SECRET_TEXT_MAX];
	struct tailnet_settings *set = tailnet_settings_new();
	struct dns_settings *long_dns = dns_settings_new();
	struct ip_prefix exit_route;
	char domain[199] = ""; /* 198 characters: 55 before it are 255 with two dots */

	for (int i = 0; i < 198; i++)
		domain[i] = (i + 1) % 50 == 0 ? '.' : 'd';

	make_preauth(w, (struct state_preauth_new){ .user = make_user(w, "alice"), .reusable = true }, key);
	for (unsigned i = 1; i <= 2; i++) {
		struct state_register r = register_req(i, i, key, HOST("a"));

		assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
	}
	assert_int_equal(CALL(&a, state_node_rename, w->st, NULL, 1, "a-1"), ST_CONFLICT);
	assert_string_equal(a.err.text, "renaming node: node name is not unique: a-1");
	assert_int_equal(CALL(&a, state_node_rename, w->st, NULL, 1, "-x"), ST_BAD_INPUT);
	assert_int_equal(CALL(&a, state_node_rename, w->st, NULL, 9, "x"), ST_NOT_FOUND);
	/* The whole name counts, with its domain and the dot at the end. */
	settings_set_text(&long_dns->base_domain, domain);
	assert_int_equal(CALL(&a, state_set_world, w->st, &(struct state_world){ .dns = long_dns }), ST_OK);
	assert_int_equal(CALL(&a, state_node_rename, w->st, NULL, 1, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123"), ST_BAD_INPUT);
	assert_non_null(strstr(a.err.text, "is longer than 255 characters"));
	assert_int_equal(CALL(&a, state_node_rename, w->st, NULL, 1, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz012"), ST_OK);
	dns_settings_unref(&long_dns);
	assert_int_equal(CALL(&a, state_node_move, w->st, NULL, 1, make_user(w, "bob")), ST_OK);
	assert_int_equal(a.node->user, 2);
	assert_string_equal(a.user->name, "bob");
	assert_int_equal(CALL(&a, state_node_set_tags, w->st, NULL, 1, NULL, 0), ST_BAD_INPUT);
	assert_int_equal(ip_prefix_parse(BYTES_LIT("0.0.0.0/0"), &exit_route), ST_OK);
	assert_int_equal(CALL(&a, state_node_set_routes, w->st, NULL, 1, &exit_route, 1), ST_OK);
	assert_int_equal(a.node->approved_routes->n, 2);
	assert_int_equal(CALL(&a, state_node_set_routes, w->st, NULL, 1, NULL, 0), ST_OK);
	assert_null(a.node->approved_routes);
	assert_int_equal(ip_prefix_parse(BYTES_LIT("100.0.0.0/8"), &set->prefix4), ST_OK);
	assert_int_equal(CALL(&a, state_set_world, w->st, &(struct state_world){ .settings = set }), ST_OK);
	assert_int_equal(CALL(&a, state_backfill_ips, w->st, NULL), ST_OK);
	assert_int_equal(a.n, 2); /* two IPv6 addresses taken */
	tailnet_settings_unref(&set);
	answer_release(&a);
}

static void a_command_that_fails_halfway_leaves_nothing(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char key[KEY_SECRET_TEXT_MAX];
	struct tailnet_settings *set = tailnet_settings_new();

	assert_int_equal(CALL(&a, state_set_world, w->st, &(struct state_world){ .settings = set }), ST_OK);
	tailnet_settings_unref(&set);
	make_preauth(w, (struct state_preauth_new){ .user = make_user(w, "alice"), .reusable = true }, key);
	for (unsigned i = 1; i <= 3; i++) {
		struct state_register r = register_req(i, i, key, HOST("a"));

		assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
		assert_int_equal(a.node->ip4.family, IP_NONE);
	}
	set = tailnet_settings_new();
	assert_int_equal(ip_prefix_parse(BYTES_LIT("10.0.0.0/30"), &set->prefix4), ST_OK); /* room for two */
	assert_int_equal(CALL(&a, state_set_world, w->st, &(struct state_world){ .settings = set }), ST_OK);
	tailnet_settings_unref(&set);
	assert_int_equal(CALL(&a, state_backfill_ips, w->st, NULL), ST_TOO_BIG);
	make_user(w, "bob"); /* a transaction behind it, which might carry its rests */
	for (int open = 0; open < 2; open++) {
		struct snapshot *s = state_snapshot(w->st);

		for (node_id id = 1; id <= 3; id++)
			assert_int_equal(snapshot_node(s, id)->ip4.family, IP_NONE);
		snapshot_unref(&s);
		world_close(w);
		world_open(w);
	}
	answer_release(&a);
}

static void documents_are_kept(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };

	assert_int_equal(CALL(&a, state_doc_get, w->st, "kind", "key"), ST_NOT_FOUND);
	assert_int_equal(CALL(&a, state_doc_put, w->st, NULL, "kind", "key", BYTES_LIT("text")), ST_OK);
	assert_int_equal(CALL(&a, state_doc_get, w->st, "kind", "key"), ST_OK);
	assert_string_equal(a.text, "text");
	assert_int_equal(CALL(&a, state_doc_put, w->st, NULL, "kind", "key", BYTES_LIT("")), ST_OK);
	assert_int_equal(CALL(&a, state_doc_get, w->st, "kind", "key"), ST_NOT_FOUND);
	assert_int_equal(CALL(&a, state_doc_put, w->st, NULL, "policy", "current", BYTES_LIT("{}")), ST_BAD_INPUT);
	assert_int_equal(CALL(&a, state_doc_put, w->st, NULL, "a b", "key", BYTES_LIT("x")), ST_BAD_INPUT);
	answer_release(&a);
}

struct seen_audit {
	struct answer a;
	char text[4096];
};

static void on_audit(void *arg, enum status s, const struct err *err, const struct state_result *r)
{
	struct seen_audit *seen = arg;
	size_t at = 0;

	for (size_t i = 0; i < r->n && at < sizeof seen->text; i++)
		at += (size_t)snprintf(seen->text + at, sizeof seen->text - at, "%s %s %s|", r->audit[i].action,
				       r->audit[i].object, r->audit[i].who);
	on_answer(&seen->a, s, err, r);
}

static const char *audit(struct world *w, struct seen_audit *seen, struct state_audit_filter f)
{
	struct err err;

	memset(seen, 0, sizeof *seen);
	answer_init(&seen->a);
	if (f.from_ns == 0)
		f.from_ns = TIME_NONE;
	if (f.to_ns == 0)
		f.to_ns = TIME_NONE;
	assert_int_equal(state_audit_list(w->st, &f, on_audit, seen, &err), ST_OK);
	assert_int_equal(await(&seen->a), ST_OK);
	answer_release(&seen->a);
	return seen->text;
}

static void every_change_leaves_a_row(void **state)
{
	struct world *w = *state;
	struct seen_audit seen;
	struct answer a = { .came = false };
	const struct state_actor admin = { "admin", "because" };

	assert_int_equal(CALL(&a, state_user_create, w->st,
			      &(struct state_user_new){ .by = admin, .name = "alice" }),
			 ST_OK);
	turn_clock(w, 10 * NS_PER_S);
	assert_int_equal(CALL(&a, state_user_rename, w->st, &admin, 1, "bob"), ST_OK);
	assert_int_equal(CALL(&a, state_user_rename, w->st, &admin, 7, "bob"), ST_NOT_FOUND);
	assert_int_equal(CALL(&a, state_user_delete, w->st, NULL, 1), ST_OK);
	assert_string_equal(audit(w, &seen, (struct state_audit_filter){ .max = 0 }),
			    "user.delete user:1 |user.rename user:1 admin|user.create user:1 admin|");
	assert_string_equal(audit(w, &seen, (struct state_audit_filter){ .max = 1 }), "user.delete user:1 |");
	assert_string_equal(audit(w, &seen, (struct state_audit_filter){ .before_id = 3, .max = 1 }),
			    "user.rename user:1 admin|");
	assert_string_equal(audit(w, &seen, (struct state_audit_filter){ .who = "admin", .action = "user.create" }),
			    "user.create user:1 admin|");
	assert_string_equal(audit(w, &seen, (struct state_audit_filter){ .action = "use" }), "");
	assert_string_equal(audit(w, &seen, (struct state_audit_filter){ .action = "user", .to_ns = w->clock.unix_ns }),
			    "user.create user:1 admin|");
	assert_string_equal(audit(w, &seen, (struct state_audit_filter){ .object = "user:2" }), "");
	answer_release(&a);
}

/* Enough rows for several batches; what is young stays, and what people do goes on in between. */
static void old_rows_of_the_log_go_in_batches(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	struct seen_audit seen;
	user_id last;
	enum { DAY = 24 * 3600, OLD = 2 * 500 + 30 };
	char name[16];

	for (int i = 0; i < OLD; i++) {
		snprintf(name, sizeof name, "u%d", i);
		make_user(w, name);
	}
	world_close(w);
	w->opts.audit_keep_ns = 30 * (int64_t)DAY * NS_PER_S;
	world_open(w);
	turn_clock(w, 29 * (int64_t)DAY * NS_PER_S);
	make_user(w, "young");
	assert_string_not_equal(audit(w, &seen, (struct state_audit_filter){ .object = "user:1", .max = 5 }), "");
	turn_clock(w, 2 * (int64_t)DAY * NS_PER_S);
	/* One batch went, or goes; each quarter of a second another. */
	for (int i = 0; i < 50 && audit(w, &seen, (struct state_audit_filter){ .object = "user:1030", .max = 5 })[0] != 0; i++) {
		snprintf(name, sizeof name, "v%d", i);
		make_user(w, name);
		turn_clock(w, NS_PER_S / 2);
	}
	assert_string_equal(audit(w, &seen, (struct state_audit_filter){ .object = "user:1", .max = 5 }), "");
	assert_string_equal(audit(w, &seen, (struct state_audit_filter){ .object = "user:1030", .max = 5 }), "");
	assert_string_equal(audit(w, &seen, (struct state_audit_filter){ .object = "user:1031", .max = 5 }), "user.create user:1031 |");
	/* The numbers of rows go on over a restart, even when all rows went. */
	world_close(w);
	w->opts.audit_keep_ns = 1;
	world_open(w);
	last = make_user(w, "xavier");
	for (int i = 0; i < 50 && audit(w, &seen, (struct state_audit_filter){ .max = 5 })[0] != 0; i++)
		turn_clock(w, 2 * (int64_t)DAY * NS_PER_S);
	world_close(w);
	w->opts.audit_keep_ns = 0;
	world_open(w);
	make_user(w, "after");
	snprintf(name, sizeof name, "user:%d", (int)last + 1);
	assert_non_null(strstr(audit(w, &seen, (struct state_audit_filter){ .max = 1 }), name));
	assert_string_equal(audit(w, &seen, (struct state_audit_filter){ .before_id = (uint64_t)last + 1, .max = 9 }), "");
	answer_release(&a);
}

/* As in the Go server: a pre-auth key and an API key may have the same number, and none is given twice. */
static void each_kind_of_key_has_numbers_of_its_own(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	struct state_api_key_new api = { .kind = API_KEY, .expires_ns = TIME_NONE, .user = make_user(w, "alice") };
	struct state_preauth_new pre = { .user = api.user, .expires_ns = TIME_NONE };

	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(CALL(&a, state_preauth_create, w->st, &pre), ST_OK);
		assert_int_equal(a.preauth->id, i);
	}
	assert_int_equal(CALL(&a, state_api_key_create, w->st, &api), ST_OK);
	assert_int_equal(a.api_key->id, 1);
	assert_int_equal(CALL(&a, state_preauth_delete, w->st, NULL, 3), ST_OK);
	assert_int_equal(CALL(&a, state_api_key_delete, w->st, &(struct state_api_key_ref){ .kind = API_KEY, .id = 1 }), ST_OK);
	world_close(w);
	world_open(w);
	assert_int_equal(CALL(&a, state_preauth_create, w->st, &pre), ST_OK);
	assert_int_equal(a.preauth->id, 4);
	assert_int_equal(CALL(&a, state_api_key_create, w->st, &api), ST_OK);
	assert_int_equal(a.api_key->id, 2);
	answer_release(&a);
}

/* A database from when there was one number for both: nothing that was given is given again, to either. */
static void numbers_of_an_older_database_are_not_given_again(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	struct state_api_key_new api = { .kind = API_KEY, .expires_ns = TIME_NONE, .user = make_user(w, "alice") };
	struct state_preauth_new pre = { .user = api.user, .expires_ns = TIME_NONE };
	const struct store_value row[] = { store_int(1), store_text("key"), store_int(41) };
	struct store *s = NULL;
	struct err err;

	world_close(w);
	assert_int_equal(store_open_fake(w->disk, &s, &err), ST_OK);
	assert_int_equal(store_begin(s, &err), ST_OK);
	assert_int_equal(store_put(s, STORE_COUNTERS, row, &err), ST_OK);
	assert_int_equal(store_commit(s, &err), ST_OK);
	store_close(&s);
	for (int round = 0; round < 2; round++) {
		world_open(w);
		assert_int_equal(CALL(&a, state_preauth_create, w->st, &pre), ST_OK);
		assert_int_equal(a.preauth->id, 42 + round);
		assert_int_equal(CALL(&a, state_api_key_create, w->st, &api), ST_OK);
		assert_int_equal(a.api_key->id, 42 + round);
		if (round == 0)
			world_close(w);
	}
	answer_release(&a);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_users_have_rules),
		T(the_first_user_owns_the_tailnet),
		T(two_users_have_two_names),
		T(a_user_with_nodes_stays_and_keys_go_with_it),
		T(a_provider_finds_its_user_again),
		T(preauth_keys_are_made_shown_once_and_ended),
		T(api_keys_are_known_by_their_text),
		T(the_last_use_survives_a_restart),
		T(imported_hashes_are_taken_and_replaced),
		T(nodes_are_renamed_moved_and_readdressed),
		T(a_command_that_fails_halfway_leaves_nothing),
		T(documents_are_kept),
		T(every_change_leaves_a_row),
		T(old_rows_of_the_log_go_in_batches),
		T(each_kind_of_key_has_numbers_of_its_own),
		T(numbers_of_an_older_database_are_not_given_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
