/*
 * Property: with the real writer and the real policy engine, what a client has put together is what a fresh complete map
 * would say, whatever rules hold and change.
 *
 * test/unit/mapper/test_model.c tries the mapper against worlds made by hand; this one tries the agreement of three rooms:
 * that the writer lists what matters, that the engine's classes, forms and digests mean what the mapper takes them to mean.
 *
 *     property_mapper [SEED [RUNS [STEPS]]]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "client.h"
#include "mapper/mapper.h"
#include "state/state.h"
#include "store/store.h"

#define USERS 5
#define CLIENTS_MAX 24

static uint64_t seed = 1, runs = 2, steps = 120;

struct conn {
	struct client c;
	struct map_stream *ms;
};
struct play {
	struct fake_disk *disk;
	struct state *st;
	struct mapper *m;
	struct mapper_loop *ml;
	pthread_mutex_t lock;
	VEC(struct publication *) news; /* under lock */
	struct conn conn[CLIENTS_MAX];
	char plain_key[USERS][KEY_SECRET_TEXT_MAX], tag_key[2][KEY_SECRET_TEXT_MAX];
	user_id user[USERS];
	int64_t now_ns;
	uint64_t rng, step;
	bool has_tags; /* the policy in force knows tag:x and tag:y */
};

static uint64_t draw(struct play *p, uint64_t below)
{
	p->rng ^= p->rng << 13;
	p->rng ^= p->rng >> 7;
	p->rng ^= p->rng << 17;
	return (p->rng >> 11) % below;
}

/* ---- the writer, one command at a time ---------------------------------------------------------------- */

struct answer {
	pthread_mutex_t lock;
	pthread_cond_t came;
	bool done;
	enum status s;
	struct err err;
	char secret[KEY_SECRET_TEXT_MAX];
	user_id user;
};

static void done(void *arg, enum status s, const struct err *err, const struct state_result *r)
{
	struct answer *a = arg;

	pthread_mutex_lock(&a->lock);
	a->s = s;
	if (err != NULL)
		a->err = *err;
	if (s == ST_OK && r->secret != NULL)
		snprintf(a->secret, sizeof a->secret, "%s", r->secret);
	if (s == ST_OK && r->user != NULL)
		a->user = r->user->id;
	a->done = true;
	pthread_cond_signal(&a->came);
	pthread_mutex_unlock(&a->lock);
}

#define ASK(a, call)                                                                         \
	do {                                                                                 \
		struct err ask_err = { 0 };                                                  \
		(a) = (struct answer){ 0 };                                                  \
		pthread_mutex_init(&(a).lock, NULL);                                         \
		pthread_cond_init(&(a).came, NULL);                                          \
		(a).s = (call);                                                              \
		if ((a).s == ST_OK) {                                                        \
			pthread_mutex_lock(&(a).lock);                                       \
			while (!(a).done)                                                    \
				pthread_cond_wait(&(a).came, &(a).lock);                     \
			pthread_mutex_unlock(&(a).lock);                                     \
		} else {                                                                     \
			(a).err = ask_err;                                                   \
		}                                                                            \
	} while (0)
#define TELL &done, &a, &ask_err

static void on_publish(void *arg, struct publication *pub)
{
	struct play *p = arg;

	pthread_mutex_lock(&p->lock);
	vec_push(&p->news, publication_ref(pub));
	pthread_mutex_unlock(&p->lock);
}

static void check_errors(struct play *p)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct conn *c = &p->conn[i];

		if (c->ms != NULL && c->c.error[0] != '\0') {
			print_error("node %llu: %s (step %llu)\n", (unsigned long long)c->c.id, c->c.error, (unsigned long long)p->step);
			fail();
		}
		if (c->ms != NULL && c->c.ended) {
			map_stream_close(&c->ms);
			client_release(&c->c);
		}
	}
}

static void hear(struct play *p)
{
	for (;;) {
		struct publication *pub = NULL;

		pthread_mutex_lock(&p->lock);
		if (p->news.n > 0) {
			pub = p->news.v[0];
			memmove(p->news.v, p->news.v + 1, --p->news.n * sizeof pub);
		}
		pthread_mutex_unlock(&p->lock);
		if (pub == NULL)
			break;
		mapper_publish(p->m, pub);
		mapper_loop_advance(p->ml, pub, p->now_ns);
		publication_unref(&pub);
	}
	check_errors(p);
}

static void pass_time(struct play *p, int64_t ms)
{
	int64_t until = p->now_ns + ms * NS_PER_MS;

	while (mapper_loop_next_deadline(p->ml) <= until) {
		if (mapper_loop_next_deadline(p->ml) > p->now_ns)
			p->now_ns = mapper_loop_next_deadline(p->ml);
		mapper_loop_tick(p->ml, p->now_ns);
	}
	p->now_ns = until;
	check_errors(p);
}

/* ---- what may happen -------------------------------------------------------------------------------------- */

static node_id any_node(struct play *p)
{
	struct snapshot *s = state_snapshot(p->st);
	node_id id = 0;

	if (s->n_nodes > 0) {
		const struct page *page = s->pages[draw(p, s->n_pages)];
		uint64_t m = page->used;

		for (uint64_t skip = draw(p, (uint64_t)__builtin_popcountll(m)); skip > 0; skip--)
			m &= m - 1;
		id = page->slot[__builtin_ctzll(m)].node->id;
	}
	snapshot_unref(&s);
	return id;
}

static void put_hostinfo(struct play *p, struct buf *b)
{
	static const char *const routes[] = { "10.0.0.0/16", "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0\",\"::/0", "100.64.0.0/16" };
	bool first = true;

	buf_printf(b, "{\"OS\":\"%s\",\"Hostname\":\"h%u\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":%u}]", draw(p, 3) ? "linux" : "windows",
		   (unsigned)draw(p, 6), 1000 + (unsigned)draw(p, 3));
	if (draw(p, 3) == 0) {
		buf_put_str(b, ",\"RoutableIPs\":[");
		for (size_t i = 0; i < 5; i++)
			if (draw(p, 3) == 0) {
				buf_printf(b, "%s\"%s\"", first ? "" : ",", routes[i]);
				first = false;
			}
		buf_put_str(b, "]");
	}
	buf_printf(b, ",\"NetInfo\":{\"PreferredDERP\":%u}}", 1 + (unsigned)draw(p, 3));
}

static void add_node(struct play *p)
{
	struct state_register r = { .expiry_ns = TIME_NONE, .cap = 142 };
	const char *key = p->has_tags && draw(p, 3) == 0 ? p->tag_key[draw(p, 2)] : p->plain_key[draw(p, USERS)];
	struct answer a;
	struct buf b;

	buf_init(&b, 4096);
	put_hostinfo(p, &b);
	for (size_t i = 0; i < KEY_LEN; i++) {
		r.machine.b[i] = (uint8_t)draw(p, 256);
		r.node_key.b[i] = (uint8_t)draw(p, 256);
		r.nl_key.b[i] = (uint8_t)draw(p, 256);
	}
	r.auth_key = bytes_of_str(key);
	r.hostinfo = buf_bytes(&b);
	ASK(a, state_register(p->st, &r, TELL));
	if (a.s != ST_OK)
		fail_msg("register: %s", a.err.text);
	buf_release(&b);
}

static void update_node(struct play *p, node_id id)
{
	struct endpoint e[2] = { { .addr = { IP_V4, { [12] = 192, [14] = 2 } }, .port = 1 + (uint16_t)draw(p, 3) } };
	struct state_map_update u = { .node = id, .cap = 142, .has_endpoints = draw(p, 2), .endpoints = e, .n_endpoints = draw(p, 2) };
	struct answer a;
	struct buf b;

	buf_init(&b, 4096);
	if (draw(p, 2)) {
		put_hostinfo(p, &b);
		u.hostinfo = buf_bytes(&b);
	}
	u.disco.b[0] = 1 + (uint8_t)draw(p, 3);
	ASK(a, state_map_update(p->st, &u, TELL));
	buf_release(&b);
}

static void set_routes(struct play *p, node_id id)
{
	struct snapshot *s = state_snapshot(p->st);
	const struct node *n = snapshot_node(s, id);
	struct answer a;

	if (n != NULL && n->announced_routes != NULL)
		ASK(a, state_node_set_routes(p->st, NULL, id, n->announced_routes->v, draw(p, n->announced_routes->n + 1u), TELL));
	snapshot_unref(&s);
}

static void set_tags(struct play *p, node_id id)
{
	static const char *const tags[] = { "tag:x", "tag:y" };
	size_t from = draw(p, 2);
	struct answer a;

	if (p->has_tags)
		ASK(a, state_node_set_tags(p->st, NULL, id, tags + from, 1 + (from == 0 && draw(p, 2)), TELL));
}

static void go_online(struct play *p, node_id id)
{
	struct answer a;

	if (draw(p, 2))
		ASK(a, state_stream_opened(p->st, id, NULL, TELL));
	else
		state_stream_closed(p->st, id);
}

#define TAGS "\"groups\":{\"group:a\":[\"u0@\",\"u1@\"],\"group:b\":[\"u2@\"]},\"tagOwners\":{\"tag:x\":[\"u0@\"],\"tag:y\":[\"group:b\"]},"

static void set_policy(struct play *p)
{
	static const char *const text[] = {
		"",
		"{\"acls\":[]}",
		"{" TAGS "\"acls\":[{\"action\":\"accept\",\"src\":[\"group:a\"],\"dst\":[\"tag:x:*\",\"group:a:22\"]},"
		"{\"action\":\"accept\",\"src\":[\"tag:y\"],\"dst\":[\"tag:x:80\"]}]}",
		"{" TAGS "\"acls\":[{\"action\":\"accept\",\"src\":[\"autogroup:member\"],\"dst\":[\"autogroup:self:*\"]},"
		"{\"action\":\"accept\",\"src\":[\"group:b\"],\"dst\":[\"autogroup:internet:*\"]}]}",
		"{" TAGS "\"hosts\":{\"net\":\"10.0.0.0/16\"},\"acls\":[{\"action\":\"accept\",\"src\":[\"group:a\"],\"dst\":[\"net:*\"]},"
		"{\"action\":\"accept\",\"src\":[\"10.1.0.0/16\"],\"dst\":[\"group:b:*\"]},"
		"{\"action\":\"accept\",\"src\":[\"tag:x\"],\"dst\":[\"10.0.0.0/8:443\"]}]}",
		"{" TAGS "\"acls\":[{\"action\":\"accept\",\"src\":[\"*\"],\"dst\":[\"*:*\"]}],"
		"\"ssh\":[{\"action\":\"accept\",\"src\":[\"group:a\"],\"dst\":[\"tag:x\"],\"users\":[\"root\"]},"
		"{\"action\":\"check\",\"src\":[\"autogroup:member\"],\"dst\":[\"autogroup:self\"],\"users\":[\"autogroup:nonroot\"]}]}",
		"{" TAGS "\"acls\":[{\"action\":\"accept\",\"src\":[\"group:b\"],\"dst\":[\"group:b:*\"]}],"
		"\"ssh\":[{\"action\":\"accept\",\"src\":[\"group:a\"],\"dst\":[\"tag:x\"],\"users\":[\"root\"]}],"
		"\"nodeAttrs\":[{\"target\":[\"tag:x\",\"u3@\"],\"attr\":[\"randomize-client-port\"]},{\"target\":[\"u2@\"],\"attr\":[\"disable-ipv4\"]}]}",
		"{" TAGS "\"autoApprovers\":{\"routes\":{\"10.0.0.0/8\":[\"group:a\",\"tag:x\"]},\"exitNode\":[\"tag:y\"]},"
		"\"grants\":[{\"src\":[\"group:a\"],\"dst\":[\"10.0.0.0/8\"],\"ip\":[\"*\"],\"via\":[\"tag:x\"]},"
		"{\"src\":[\"*\"],\"dst\":[\"tag:y\"],\"app\":{\"example.com/cap\":[{}]}},{\"src\":[\"group:b\"],\"dst\":[\"tag:x\"],\"ip\":[\"443\"]}]}",
		"{" TAGS "\"acls\":[{\"action\":\"accept\",\"src\":[\"p1@example.com\"],\"dst\":[\"tag:x:*\"]}],"
		"\"ssh\":[{\"action\":\"accept\",\"src\":[\"autogroup:member\"],\"dst\":[\"tag:x\"],"
		"\"users\":[\"localpart:*@example.com\"]}]}",
		"{" TAGS "\"acls\":[{\"action\":\"accept\",\"src\":[\"100.64.0.3\",\"group:b\"],\"dst\":[\"100.64.0.4:*\",\"100.64.0.0/28:80\"]}]}",
	};
	size_t i = draw(p, sizeof text / sizeof *text);
	struct answer a;

	ASK(a, state_policy_set(p->st, NULL, bytes_of_str(text[i]), TELL));
	if (a.s != ST_OK)
		fail_msg("policy %zu: %s", i, a.err.text);
	p->has_tags = i >= 2;
}

static void rename_user(struct play *p)
{
	struct state_user_login l = { .provider = "oidc", .provider_id = "https://idp/1", .name = "p1" };
	char display[32];
	struct answer a;

	snprintf(display, sizeof display, "Person %u", (unsigned)draw(p, 100));
	l.display_name = display;
	if (draw(p, 2))
		l.email = draw(p, 2) ? "p1@example.com" : "other@example.com";
	ASK(a, state_user_from_provider(p->st, &l, TELL));
	assert_int_equal(a.s, ST_OK);
}

/* What a policy calls users and what they are: nodes go to other classes by it, and nothing else tells. */
static void change_user(struct play *p)
{
	static const enum user_role role[] = { ROLE_MEMBER, ROLE_ADMIN, ROLE_OWNER, ROLE_NETWORK_ADMIN };
	user_id id = p->user[draw(p, USERS)];
	struct answer a;
	char name[16];

	if (draw(p, 3) == 0) {
		rename_user(p);
	} else if (draw(p, 2) == 0) {
		ASK(a, state_user_set_role(p->st, NULL, id, role[draw(p, 4)], TELL));
	} else {
		snprintf(name, sizeof name, "u%u", (unsigned)draw(p, USERS + 2));
		ASK(a, state_user_rename(p->st, NULL, id, name, TELL)); /* or the name is taken */
	}
}

static void change(struct play *p)
{
	node_id id = any_node(p);
	uint64_t r = draw(p, 100);
	struct answer a;
	char name[32];

	if (id == 0 || r < 12) {
		add_node(p);
	} else if (r < 18) {
		ASK(a, state_node_delete(p->st, NULL, id, TELL));
	} else if (r < 40) {
		update_node(p, id);
	} else if (r < 50) {
		set_routes(p, id);
	} else if (r < 57) {
		set_tags(p, id);
	} else if (r < 60) {
		snprintf(name, sizeof name, "name%u", (unsigned)draw(p, 8));
		ASK(a, state_node_rename(p->st, NULL, id, name, TELL));
	} else if (r < 63) {
		ASK(a, state_node_expire(p->st, NULL, id, draw(p, 2) ? STATE_NOW : TIME_NONE, TELL));
	} else if (r < 67) {
		ASK(a, state_node_move(p->st, NULL, id, p->user[draw(p, USERS)], TELL));
	} else if (r < 72) {
		set_policy(p);
	} else if (r < 76) {
		change_user(p);
	} else if (r < 80) {
		state_router_health(p->st, id, draw(p, 2));
	} else {
		go_online(p, id);
	}
}

static void disturb(struct play *p)
{
	struct conn *c = &p->conn[draw(p, CLIENTS_MAX)];
	node_id id = any_node(p);

	if (c->ms == NULL) {
		client_init(&c->c, id, draw(p, 3) ? MAP_ZSTD : MAP_PLAIN);
		if (map_stream_open(p->ml, id, &(struct map_client){ .format = c->c.format, .cap = 142 }, &client_sink, &c->c, p->now_ns,
				    &c->ms) != ST_OK)
			client_release(&c->c);
	} else if (draw(p, 6) == 0) {
		map_stream_close(&c->ms);
		client_release(&c->c);
	} else if (!c->c.open) {
		c->c.open = true;
		map_stream_writable(c->ms, p->now_ns);
	} else if (draw(p, 3) == 0) {
		c->c.open = false;
	}
}

/* ---- the promise --------------------------------------------------------------------------------------------- */

static void settle_and_compare(struct play *p)
{
	struct mapper *fresh;

	hear(p);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (p->conn[i].ms != NULL && !p->conn[i].c.open) {
			p->conn[i].c.open = true;
			map_stream_writable(p->conn[i].ms, p->now_ns);
		}
	pass_time(p, 200);
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		const char *bad;
		struct buf b;

		if (p->conn[i].ms == NULL)
			continue;
		fresh = mapper_new(&(struct mapper_opts){ 0 });
		buf_init(&b, 1 << 26);
		assert_int_equal(mapper_debug_netmap(fresh, mapper_loop_snapshot(p->ml), p->conn[i].c.id, &b), ST_OK);
		bad = client_compare(&p->conn[i].c, buf_bytes(&b));
		if (bad != NULL) {
			print_error("node %llu: %s (step %llu)\n", (unsigned long long)p->conn[i].c.id, bad, (unsigned long long)p->step);
			fail();
		}
		buf_release(&b);
		mapper_free(&fresh);
	}
}

static void make_keys(struct play *p)
{
	static const char *const tag[2][1] = { { "tag:x" }, { "tag:y" } };
	struct answer a;

	for (size_t i = 0; i < USERS; i++) {
		char name[8];

		snprintf(name, sizeof name, "u%zu", i);
		if (i == USERS - 1) { /* one from a provider: its profile changes */
			rename_user(p);
			ASK(a, state_user_from_provider(p->st, &(struct state_user_login){ .provider = "oidc", .provider_id = "https://idp/1", .name = "p1" }, TELL));
		} else {
			ASK(a, state_user_create(p->st, &(struct state_user_new){ .name = name }, TELL));
		}
		assert_int_equal(a.s, ST_OK);
		p->user[i] = a.user;
		ASK(a, state_preauth_create(p->st, &(struct state_preauth_new){ .user = p->user[i], .reusable = true, .expires_ns = TIME_NONE }, TELL));
		assert_int_equal(a.s, ST_OK);
		memcpy(p->plain_key[i], a.secret, sizeof a.secret);
	}
	for (size_t i = 0; i < 2; i++) {
		ASK(a, state_preauth_create(p->st, &(struct state_preauth_new){ .user = p->user[0], .reusable = true, .tags = tag[i], .n_tags = 1, .expires_ns = TIME_NONE }, TELL));
		assert_int_equal(a.s, ST_OK);
		memcpy(p->tag_key[i], a.secret, sizeof a.secret);
	}
}

static void start(struct play *p, uint64_t s)
{
	struct tailnet_settings *t = tailnet_settings_new();
	struct dns_settings *d = dns_settings_new();
	struct state_opts o = { .publish = on_publish, .publish_arg = p, .offline_grace_ns = NS_PER_MS };
	struct snapshot *snap;
	struct store *store = NULL;
	struct err err;

	memset(p, 0, sizeof *p);
	p->rng = s * 2654435761u + 88172645463325252u;
	p->now_ns = 1000 * NS_PER_S;
	pthread_mutex_init(&p->lock, NULL);
	settings_set_text(&t->name, "test");
	t->prefix4 = (struct ip_prefix){ .addr = { IP_V4, { [12] = 100, [13] = 64 } }, .bits = 10 };
	t->prefix6 = (struct ip_prefix){ .addr = { IP_V6, { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0 } }, .bits = 48 };
	settings_set_text(&d->base_domain, "example.net");
	d->magic_dns = true;
	p->disk = fake_disk_new();
	assert_int_equal(store_open_fake(p->disk, &store, &err), ST_OK);
	o.store = store;
	o.settings = t;
	o.dns = d;
	assert_int_equal(state_open(&o, &p->st, &err), ST_OK);
	tailnet_settings_unref(&t);
	dns_settings_unref(&d);
	make_keys(p);
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->news.n; i++)
		publication_unref(&p->news.v[i]);
	p->news.n = 0;
	snap = state_snapshot(p->st); /* nothing is under way: nobody has a node yet */
	pthread_mutex_unlock(&p->lock);
	p->m = mapper_new(&(struct mapper_opts){ 0 });
	p->ml = mapper_loop_new(p->m, snap);
	snapshot_unref(&snap);
	for (uint64_t n = 10 + draw(p, 60); n > 0; n--)
		add_node(p);
	hear(p);
}

static void stop(struct play *p)
{
	state_close(&p->st);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (p->conn[i].ms != NULL) {
			map_stream_close(&p->conn[i].ms);
			client_release(&p->conn[i].c);
		}
	for (size_t i = 0; i < p->news.n; i++)
		publication_unref(&p->news.v[i]);
	vec_release(&p->news);
	mapper_loop_free(&p->ml);
	mapper_free(&p->m);
	fake_disk_free(&p->disk);
	pthread_mutex_destroy(&p->lock);
}

static void play(uint64_t s)
{
	static struct play p;

	print_message("seed %llu\n", (unsigned long long)s);
	start(&p, s);
	for (p.step = 0; p.step < steps; p.step++) {
		for (uint64_t n = 1 + draw(&p, 3); n > 0; n--)
			change(&p);
		if (draw(&p, 3))
			hear(&p);
		disturb(&p);
		disturb(&p);
		pass_time(&p, (int64_t)draw(&p, 60));
		if (draw(&p, 5) == 0)
			settle_and_compare(&p);
	}
	settle_and_compare(&p);
	stop(&p);
}

static void what_is_put_together_is_what_the_rules_say(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < runs; i++)
		play(seed + i);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_put_together_is_what_the_rules_say) };

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		runs = strtoull(argv[2], NULL, 10);
	if (argc > 3)
		steps = strtoull(argv[3], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
