/* policy/engine.h: classes, updates, chunks, digests, elections, sharing between threads. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "policy/engine.h"

static struct ip_addr ip4(unsigned n)
{
	return (struct ip_addr){ IP_V4, { [12] = 100, 64, (uint8_t)(n >> 8), (uint8_t)n } };
}

static struct ip_addr ip6(unsigned n)
{
	return (struct ip_addr){ IP_V6, { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, [14] = (uint8_t)(n >> 8), (uint8_t)n } };
}

static struct policy_node person(unsigned id, user_id user)
{
	return (struct policy_node){
		.id = id, .registered = id, .user = user, .ip4 = ip4(id), .ip6 = ip6(id), .live = true
	};
}

static const struct policy_user users[] = { { .id = 1, .email = "a@x.example", .role = POLICY_ROLE_OWNER },
					    { .id = 2, .email = "b@x.example" },
					    { .id = 3, .email = "c@x.example" } };

static struct policy_engine *engine(const char *text, const struct policy_node *n, size_t n_nodes)
{
	struct policy_world w = { .users = users, .n_users = 3, .nodes = n, .n_nodes = n_nodes };
	struct policy_error err = { 0 };
	struct policy *p = NULL;
	struct policy_engine *e;

	if (policy_parse(bytes_of_str(text), NULL, &p, &err) != ST_OK)
		fail_msg("%s", err.message);
	e = policy_engine_new(p, &w);
	policy_unref(&p);
	return e;
}

static char *filter_of(const struct policy_engine *e, node_id id)
{
	struct buf b;
	struct jw w;

	buf_init(&b, 1 << 24);
	jw_init(&w, &b);
	policy_filter_write(e, id, &w);
	return buf_take(&b, NULL);
}

static void alike_nodes_are_one_class(void **state)
{
	struct policy_node n[] = { person(1, 1), person(2, 1), person(3, 2), person(4, 2), person(5, 3) };
	struct policy_engine *e =
	    engine("{\"acls\":[{\"action\":\"accept\",\"src\":[\"a@x.example\"],\"dst\":[\"*:*\"]}]}", n, 5);
	const node_id *m;
	(void)state;
	assert_int_equal(policy_class_of(e, 1), policy_class_of(e, 2));
	assert_int_equal(policy_class_of(e, 3), policy_class_of(e, 5)); /* no rule tells b and c apart */
	assert_int_not_equal(policy_class_of(e, 1), policy_class_of(e, 3));
	assert_int_equal(policy_class_of(e, 9), POLICY_CLASS_NONE);
	assert_int_equal(policy_class_members(e, policy_class_of(e, 3), &m), 3);
	assert_int_equal(m[0], 3);
	assert_int_equal(m[2], 5);
	assert_true(policy_class_sees(e, policy_class_of(e, 1), policy_class_of(e, 1)));
	assert_false(policy_class_sees(e, policy_class_of(e, 3), policy_class_of(e, 3)));
	assert_false(policy_class_sees(e, policy_class_of(e, 3), 1000));
	policy_engine_unref(&e);
}

static void owners_part_classes_only_where_self_occurs(void **state)
{
	struct policy_node n[] = { person(1, 1), person(2, 1), person(3, 2), person(4, 2), person(5, 3) };
	struct policy_engine *e = engine(
	    "{\"acls\":[{\"action\":\"accept\",\"src\":[\"autogroup:member\"],\"dst\":[\"autogroup:self:*\"]}]}", n, 5);
	struct arena *a = arena_new();
	const policy_class *peers;
	(void)state;
	assert_int_equal(policy_class_of(e, 3), policy_class_of(e, 4));
	assert_int_not_equal(policy_class_of(e, 3), policy_class_of(e, 5));
	assert_int_equal(policy_class_peers(e, policy_class_of(e, 3), a, &peers), 1);
	assert_int_equal(peers[0], policy_class_of(e, 4));
	arena_free(&a);
	policy_engine_unref(&e);
}

static void an_update_keeps_class_numbers_and_the_old_engine(void **state)
{
	static const char text[] =
	    "{\"tagOwners\":{\"tag:t\":[]},\"acls\":[{\"action\":\"accept\",\"src\":[\"a@x.example\"],"
	    "\"dst\":[\"tag:t:1\"]}]}";
	struct policy_node n[] = { person(1, 1), person(2, 2), person(3, 2) }, changed = person(3, 2);
	struct policy_engine *e = engine(text, n, 3), *next;
	node_id gone = 2;
	char *before, *after;
	(void)state;
	changed.tags = (const char *const[]){ "tag:t" };
	changed.n_tags = 1;
	before = filter_of(e, 3);
	next = policy_engine_update(e, &(struct policy_delta){ &changed, 1, &gone, 1 });
	assert_true(policy_engine_same_classes(e, next));
	assert_int_equal(policy_class_of(e, 1), policy_class_of(next, 1));
	assert_int_equal(policy_class_of(next, 2), POLICY_CLASS_NONE);
	assert_int_not_equal(policy_class_of(next, 3), policy_class_of(e, 3));
	assert_true(policy_class_sees(next, policy_class_of(next, 1), policy_class_of(next, 3)));
	after = filter_of(next, 3);
	assert_string_equal(before, "[]");
	assert_non_null(strstr(after, "100.64.0.1"));
	free(after);
	after = filter_of(e, 3);
	assert_string_equal(before, after); /* the old one is as it was */
	assert_int_equal(policy_digest(e, 1, POLICY_ASPECT_FILTER), policy_digest(next, 1, POLICY_ASPECT_FILTER));
	assert_int_not_equal(policy_digest(e, 3, POLICY_ASPECT_FILTER), policy_digest(next, 3, POLICY_ASPECT_FILTER));
	assert_int_equal(policy_digest(next, 2, POLICY_ASPECT_SSH), 0);
	free(before);
	free(after);
	policy_engine_unref(&e);
	policy_engine_unref(&next);
}

static void a_primary_stays_until_it_fails(void **state)
{
	static const struct ip_prefix p = { { IP_V4, { [12] = 10 } }, 8 };
	struct policy_node n[] = { person(1, 1), person(2, 2), person(3, 3) };
	struct policy_engine *e, *f;
	struct arena *a = arena_new();
	struct policy_self self;
	(void)state;
	for (int i = 0; i < 3; i++) {
		n[i].advertised = n[i].approved = &p;
		n[i].n_advertised = n[i].n_approved = 1;
	}
	n[1].registered = 0;
	e = engine("", n, 3);
	assert_int_equal(policy_primary_of(e, &p), 2); /* registered first */
	n[1].live = false;
	f = policy_engine_update(e, &(struct policy_delta){ &n[1], 1, NULL, 0 });
	assert_int_equal(policy_primary_of(f, &p), 1);
	assert_int_equal(policy_class_of(e, 2), policy_class_of(f, 2)); /* being down is no other class */
	policy_engine_unref(&e);
	n[1].live = true;
	e = policy_engine_update(f, &(struct policy_delta){ &n[1], 1, NULL, 0 });
	assert_int_equal(policy_primary_of(e, &p), 1); /* stays though the first is back */
	assert_true(policy_self_get(e, 1, a, &self));
	assert_int_equal(self.n_primary, 1);
	assert_int_equal(self.n_routes, 1);
	policy_engine_unref(&f);
	n[0].live = n[1].live = n[2].live = false;
	f = policy_engine_update(e, &(struct policy_delta){ n, 3, NULL, 0 });
	assert_int_equal(policy_primary_of(f, &p), 1); /* nobody is live: as it was */
	arena_free(&a);
	policy_engine_unref(&e);
	policy_engine_unref(&f);
}

static void a_source_more_changes_one_chunk(void **state)
{
	enum { N = 2000 };
	static const char text[] = "{\"tagOwners\":{\"tag:t\":[]},\"acls\":["
				   "{\"action\":\"accept\",\"src\":[\"autogroup:member\"],\"dst\":[\"tag:t:1\"]},"
				   "{\"action\":\"accept\",\"src\":[\"c@x.example\"],\"dst\":[\"tag:t:2\"]}]}";
	struct policy_node *n = xcalloc(N + 2, sizeof *n), more = person(5000, 2);
	struct policy_engine *e, *f;
	struct arena *a = arena_new();
	const struct policy_chunk *x, *y;
	size_t nx, ny, same = 0, sent = 0;
	(void)state;
	for (unsigned i = 0; i < N; i++)
		n[i] = person(i + 1, i == 7 ? 3 : 1);
	n[N] = person(N + 1, 0);
	n[N].tags = (const char *const[]){ "tag:t" };
	n[N].n_tags = 1;
	e = engine(text, n, N + 1);
	f = policy_engine_update(e, &(struct policy_delta){ &more, 1, NULL, 0 });
	nx = policy_filter_chunks(e, N + 1, a, &x);
	ny = policy_filter_chunks(f, N + 1, a, &y);
	assert_int_equal(nx, 9); /* 8 ranges of IDs, and the rule of c in one */
	assert_int_equal(ny, 10);
	for (size_t i = 0; i < ny; i++) {
		bool known = false;
		for (size_t k = 0; k < nx; k++)
			known |= strcmp(x[k].name, y[i].name) == 0 && x[k].digest == y[i].digest;
		same += known;
		if (!known) {
			struct buf b;
			struct jw w;
			buf_init(&b, 1 << 20);
			jw_init(&w, &b);
			policy_chunk_write(f, N + 1, &y[i], &w);
			buf_put_char(&b, 0);
			assert_non_null(strstr((char *)b.p, "100.64.19.136"));
			sent = b.n;
			buf_release(&b);
		}
	}
	assert_int_equal(same, 9);
	assert_true(sent < 400);
	arena_free(&a);
	policy_engine_unref(&e);
	policy_engine_unref(&f);
	free(n);
}

static void chunk_names_do_not_collide(void **state)
{
	static const char text[] = "{\"grants\":[{\"src\":[\"*\"],\"dst\":[\"*\"],\"app\":{\"x.y/z\":[]}},"
				   "{\"src\":[\"*\"],\"dst\":[\"*\"],\"app\":{\"x.y/z\":[]}}]}";
	struct policy_node n[] = { person(1, 1) };
	struct policy_engine *e = engine(text, n, 1);
	struct arena *a = arena_new();
	const struct policy_chunk *c;
	(void)state;
	assert_int_equal(policy_filter_chunks(e, 1, a, &c), 2);
	assert_string_not_equal(c[0].name, c[1].name);
	assert_int_equal(policy_filter_chunks(e, 77, a, &c), 0);
	arena_free(&a);
	policy_engine_unref(&e);
}

static void forms_tell_viewers_apart(void **state)
{
	static const struct ip_prefix p = { { IP_V4, { [12] = 10 } }, 8 };
	static const char text[] =
	    "{\"acls\":[{\"action\":\"accept\",\"src\":[\"a@x.example\"],\"dst\":[\"10.0.0.0/8:*\"]},"
	    "{\"action\":\"accept\",\"src\":[\"b@x.example\"],\"dst\":[\"c@x.example:*\"]}],"
	    "\"nodeAttrs\":[{\"target\":[\"b@x.example\"],\"attr\":[\"disable-ipv4\"]}]}";
	struct policy_node n[] = { person(1, 1), person(2, 2), person(3, 3), person(4, 1) };
	struct policy_engine *e;
	struct arena *a = arena_new();
	struct policy_peer x;
	(void)state;
	n[2].advertised = n[2].approved = &p;
	n[2].n_advertised = n[2].n_approved = 1;
	e = engine(text, n, 4);
	assert_int_equal(policy_peer_form(e, policy_class_of(e, 1), 4), 0);
	assert_int_not_equal(policy_peer_form(e, policy_class_of(e, 1), 3), 0);
	assert_int_equal(policy_peer_form(e, policy_class_of(e, 1), 3), policy_peer_form(e, policy_class_of(e, 4), 3));
	assert_int_not_equal(policy_peer_form(e, policy_class_of(e, 2), 1), 0); /* IPv4 hidden */
	assert_int_not_equal(policy_peer_form(e, policy_class_of(e, 2), 3),
			     policy_peer_form(e, policy_class_of(e, 1), 3));
	assert_true(policy_peer_get(e, policy_class_of(e, 1), 2, a, &x));
	assert_true(x.hide_ip4); /* the peer hides its own */
	assert_int_equal(policy_peer_form(e, policy_class_of(e, 1), 2), 0);
	assert_false(policy_peer_get(e, policy_class_of(e, 1), 77, a, &x));
	arena_free(&a);
	policy_engine_unref(&e);
}

struct reader {
	struct policy_engine *e;
	unsigned bad;
};

static void *read_it(void *arg)
{
	struct reader *r = arg;

	for (unsigned i = 0; i < 300; i++) {
		struct arena *a = arena_new();
		const policy_class *c;
		const struct policy_chunk *k;
		node_id id = 1 + i % 40;
		policy_class me = policy_class_of(r->e, id);
		r->bad += policy_class_peers(r->e, me, a, &c) == 0;
		r->bad += policy_filter_chunks(r->e, id, a, &k) == 0;
		r->bad += !policy_class_sees(r->e, me, me);
		arena_free(&a);
	}
	policy_engine_unref(&r->e);
	return NULL;
}

static void readers_and_a_writer_do_not_disturb_each_other(void **state)
{
	static const char text[] =
	    "{\"acls\":[{\"action\":\"accept\",\"src\":[\"autogroup:member\"],\"dst\":[\"autogroup:self:*\"]},"
	    "{\"action\":\"accept\",\"src\":[\"a@x.example\",\"b@x.example\",\"c@x.example\"],\"dst\":[\"*:22\"]}]}";
	struct policy_node n[40];
	struct policy_engine *e, *next;
	pthread_t t[3];
	struct reader r[3];
	(void)state;
	for (unsigned i = 0; i < 40; i++)
		n[i] = person(i + 1, 1 + i % 3);
	e = engine(text, n, 40);
	for (int i = 0; i < 3; i++) {
		r[i] = (struct reader){ policy_engine_ref(e), 0 };
		assert_int_equal(pthread_create(&t[i], NULL, read_it, &r[i]), 0);
	}
	for (unsigned i = 0; i < 200; i++) {
		struct policy_node x = person(100 + i % 50, 4 + i); /* ever new owners: new classes */
		next = policy_engine_update(e, &(struct policy_delta){ &x, 1, NULL, 0 });
		policy_engine_unref(&e);
		e = next;
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(r[i].bad, 0);
	}
	policy_engine_unref(&e);
}

static void dead_classes_do_not_pile_up(void **state)
{
	struct ip_prefix p[2] = { { { IP_V4, { [12] = 10 } }, 32 }, { { IP_V4, { [12] = 11 } }, 8 } };
	struct policy_node n[] = { person(1, 1), person(2, 2), person(3, 3) };
	struct policy_engine *e, *next, *anew;
	unsigned began_anew = 0;
	size_t most = 0;
	(void)state;
	n[0].advertised = n[0].approved = p;
	n[0].n_advertised = n[0].n_approved = 2;
	e = engine("{\"acls\":[{\"action\":\"accept\",\"src\":[\"b@x.example\"],\"dst\":[\"10.0.0.0/8:*\"]}]}", n, 3);
	for (unsigned i = 0; i < 5000; i++) { /* as an app connector does */
		p[0].addr.b[14] = (uint8_t)(i >> 8);
		p[0].addr.b[15] = (uint8_t)i;
		next = policy_engine_update(e, &(struct policy_delta){ n, 1, NULL, 0 });
		began_anew += !policy_engine_same_classes(e, next);
		policy_engine_unref(&e);
		e = next;
		if (policy_class_count(e) > most)
			most = policy_class_count(e);
	}
	assert_in_range(began_anew, 1, 10);
	assert_true(most < 2000);
	anew =
	    engine("{\"acls\":[{\"action\":\"accept\",\"src\":[\"b@x.example\"],\"dst\":[\"10.0.0.0/8:*\"]}]}", n, 3);
	for (unsigned i = 1; i <= 3; i++)
		for (int k = 0; k < 3; k++)
			assert_int_equal(policy_digest(e, i, (enum policy_aspect)k),
					 policy_digest(anew, i, (enum policy_aspect)k));
	assert_int_equal(policy_peer_form(e, policy_class_of(e, 2), 1),
			 policy_peer_form(anew, policy_class_of(anew, 2), 1));
	assert_int_equal(policy_primary_of(e, &p[1]), 1);
	policy_engine_unref(&e);
	policy_engine_unref(&anew);
}

static void the_rest_of_the_file_is_answered(void **state)
{
	static const char text[] =
	    "{\"tagOwners\":{\"tag:c\":[],\"tag:d\":[\"tag:c\"]},\"derpMap\":{\"OmitDefaultRegions\":true,},"
	    "\"nodeAttrs\":[{\"target\":[\"b@x.example\"],\"ipPool\":[\"100.81.0.0/16\"]},"
	    "{\"target\":[\"*\"],\"app\":{\"tailscale.com/app-connectors\":[{\"connectors\":[\"tag:c\"],"
	    "\"domains\":[\"*.y.example\",\"z.example\"]}]}}]}";
	struct policy_node n[] = { person(1, 1), person(2, 2), person(3, 0) };
	struct policy_engine *e, *all = policy_engine_new(NULL, &(struct policy_world){ .nodes = n, .n_nodes = 2 });
	struct arena *a = arena_new();
	const struct policy_app_domain *d;
	const struct ip_prefix *pool;
	(void)state;
	n[2].tags = (const char *const[]){ "tag:c" };
	n[2].n_tags = 1;
	e = engine(text, n, 3);
	assert_int_equal(policy_app_domains(e, 1, a, &d), 2);
	assert_string_equal(d[0].domain, "y.example");
	assert_string_equal(d[1].domain, "z.example");
	assert_int_equal(d[0].n_connectors, 1);
	assert_int_equal(d[0].connectors[0], 3);
	assert_int_equal(policy_ip_pools(e, &n[0], a, &pool), 0);
	assert_int_equal(policy_ip_pools(e, &n[1], a, &pool), 1);
	assert_int_equal(pool[0].bits, 16);
	assert_true(bytes_eq_str(policy_derp_map(e), "{\"OmitDefaultRegions\":true}"));
	assert_true(policy_tag_may_tag(e, "tag:c", "tag:d"));
	assert_true(policy_tag_may_tag(e, "tag:c", "tag:c"));
	assert_false(policy_tag_may_tag(e, "tag:d", "tag:c"));
	assert_false(policy_tag_exists(e, "tag:x"));
	assert_true(policy_tag_exists(all, "tag:x"));
	assert_int_equal(policy_derp_map(all).n, 0);
	assert_true(policy_class_sees(all, policy_class_of(all, 1), policy_class_of(all, 2)));
	arena_free(&a);
	policy_engine_unref(&e);
	policy_engine_unref(&all);
}

static void a_user_named_by_two_is_nobody(void **state)
{
	static const struct policy_user twins[] = { { .id = 1, .email = "a@x.example" },
						    { .id = 2, .name = "a@x.example" } };
	struct policy_node n[] = { person(1, 1), person(2, 2) };
	struct policy_world w = { .users = twins, .n_users = 2, .nodes = n, .n_nodes = 2 };
	struct policy *p = NULL;
	struct policy_engine *e;
	(void)state;
	assert_int_equal(policy_parse(BYTES_LIT("{\"acls\":[{\"action\":\"accept\",\"src\":[\"a@x.example\"],"
						"\"dst\":[\"*:*\"]}]}"),
				      NULL, &p, NULL),
			 ST_OK);
	e = policy_engine_new(p, &w);
	assert_false(policy_class_sees(e, policy_class_of(e, 1), policy_class_of(e, 2)));
	policy_engine_unref(&e);
	policy_unref(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alike_nodes_are_one_class),
		cmocka_unit_test(owners_part_classes_only_where_self_occurs),
		cmocka_unit_test(an_update_keeps_class_numbers_and_the_old_engine),
		cmocka_unit_test(a_primary_stays_until_it_fails),
		cmocka_unit_test(a_source_more_changes_one_chunk),
		cmocka_unit_test(chunk_names_do_not_collide),
		cmocka_unit_test(forms_tell_viewers_apart),
		cmocka_unit_test(readers_and_a_writer_do_not_disturb_each_other),
		cmocka_unit_test(dead_classes_do_not_pile_up),
		cmocka_unit_test(the_rest_of_the_file_is_answered),
		cmocka_unit_test(a_user_named_by_two_is_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
