/*
 * Random stories. After each step: the snapshot obeys its rules, publications tell exactly what changed, class numbers
 * are the engine's; after each reopening, what is durable is what it was. Two threads race for what only one may have.
 */
#include "helper.h"

#include <time.h>

#include "policy/engine.h"

static unsigned long long seed;

static unsigned pick(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* ---- what a publication must say ------------------------------------------------------------- */

static bool same_blob(const struct shared_bytes *a, const struct shared_bytes *b)
{
	return bytes_eq(shared_bytes_view(a), shared_bytes_view(b));
}

static bool served(const struct node *n, const struct ip_prefix *p)
{
	return prefix_list_has(n->announced_routes, p) && prefix_list_has(n->approved_routes, p);
}

static bool serves_all(const struct node *a, const struct node *b)
{
	for (uint32_t i = 0; a->announced_routes && i < a->announced_routes->n; i++)
		if (served(a, &a->announced_routes->v[i]) && !served(b, &a->announced_routes->v[i]))
			return false;
	return true;
}

/* All that a peer is told of, but for what a patch carries. */
static bool same_whole(const struct node *a, const struct node *b)
{
	return a->user == b->user && node_key_eq(&a->key, &b->key) && machine_key_eq(&a->machine, &b->machine) &&
	       disco_key_eq(&a->disco, &b->disco) && a->key_expiry_ns == b->key_expiry_ns &&
	       a->expired == b->expired && strcmp(a->name, b->name) == 0 && ip_eq(&a->ip4, &b->ip4) &&
	       ip_eq(&a->ip6, &b->ip6) && str_list_eq(a->tags, b->tags) && a->cap == b->cap &&
	       same_blob(a->hostinfo_peer, b->hostinfo_peer) && serves_all(a, b) && serves_all(b, a);
}

static bool same_patch(const struct node *a, const struct node *b)
{
	return a->online == b->online && a->home_derp == b->home_derp &&
	       endpoint_list_eq(a->endpoints, b->endpoints) &&
	       (a->online || a->last_seen_ns == b->last_seen_ns);
}

static const struct node_change *change_in(const struct publication *p, node_id id)
{
	for (size_t i = 0; i < p->n_nodes; i++)
		if (p->nodes[i].id == id)
			return &p->nodes[i];
	return NULL;
}

static void check_pair(const struct publication *p, node_id id)
{
	const struct slot *a = snapshot_slot(p->prev, id, NULL), *b = snapshot_slot(p->next, id, NULL);
	const struct node_change *c = change_in(p, id);

	if (a == NULL) {
		assert_true(c != NULL && c->kind == CHANGE_ADDED && c->new_class == b->class_id);
	} else if (b == NULL) {
		assert_true(c != NULL && c->kind == CHANGE_REMOVED && c->old_class == a->class_id);
	} else {
		bool moved = !(p->world & WORLD_POLICY) && a->class_id != b->class_id;

		if (!same_whole(a->node, b->node) || moved)
			assert_true(c != NULL && c->kind == CHANGE_WHOLE);
		else if (!same_patch(a->node, b->node))
			assert_true(c != NULL && (c->kind == CHANGE_PRESENCE || (p->world & WORLD_ROUTES)));
		else if (c != NULL) /* a primary moved, or it is the node's own news: nothing else is any */
			assert_true((p->world & WORLD_ROUTES) || (c->self_only && c->kind == CHANGE_PRESENCE));
		if (!prefix_list_eq(a->node->announced_routes, b->node->announced_routes) ||
		    !prefix_list_eq(a->node->approved_routes, b->node->approved_routes) ||
		    !str_list_eq(a->node->request_tags, b->node->request_tags))
			assert_non_null(c);
		if (c != NULL) {
			assert_int_equal(c->old_class, a->class_id);
			assert_int_equal(c->new_class, b->class_id);
		}
	}
}

static void each_id(const struct snapshot *s, void (*fn)(const struct publication *, node_id),
		    const struct publication *p)
{
	for (size_t i = 0; i < s->n_pages; i++)
		for (uint64_t m = s->pages[i]->used; m != 0; m &= m - 1)
			fn(p, s->pages[i]->slot[__builtin_ctzll(m)].node->id);
}

static void check_class(const struct publication *p, node_id id)
{
	assert_int_equal(snapshot_slot(p->next, id, NULL)->class_id, policy_class_of(p->next->policy, id));
}

static void check_publication(const struct publication *p)
{
	const char *wrong = snapshot_check(p->next);

	if (wrong != NULL)
		fail_msg("%s", wrong);
	assert_true(p->next->seq == p->prev->seq + 1);
	assert_non_null(p->next->policy);
	for (size_t i = 1; i < p->n_nodes; i++)
		assert_true(p->nodes[i - 1].id < p->nodes[i].id);
	each_id(p->prev, check_pair, p);
	each_id(p->next, check_pair, p);
	each_id(p->next, check_class, p);
	for (size_t i = 0; i < p->next->routes->n; i++)
		assert_true(policy_primary_of(p->next->policy, &p->next->routes->v[i].prefix) ==
			    p->next->routes->v[i].node);
}

/* Look at all that was published since; each continues the one before. */
static void check_publications(struct world *w, struct snapshot **last)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->pubs.n; i++) {
		struct publication *p = w->pubs.v[i];

		assert_ptr_equal(p->prev, *last);
		check_publication(p);
		snapshot_unref(last);
		*last = snapshot_ref(p->next);
		publication_unref(&w->pubs.v[i]);
	}
	w->pubs.n = 0;
	pthread_mutex_unlock(&w->lock);
}

/* ---- stories ---------------------------------------------------------------------------------- */

#define MACHINES 25
#define USERS 4

static char keys[USERS + 2][KEY_SECRET_TEXT_MAX];
static unsigned next_key = 1;

static const char *hostinfo(void)
{
	static const char *const all[] = {
		"{\"OS\":\"linux\",\"Hostname\":\"a\"}",
		"{\"OS\":\"linux\",\"Hostname\":\"b\",\"NetInfo\":{\"PreferredDERP\":2}}",
		"{\"OS\":\"macOS\",\"Hostname\":\"a\",\"RoutableIPs\":[\"10.0.0.0/8\"]}",
		"{\"OS\":\"linux\",\"Hostname\":\"r\",\"RoutableIPs\":[\"10.0.0.0/8\",\"0.0.0.0/0\",\"::/0\"]}",
		"{\"Hostname\":\"!\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":1}]}",
		"null",
	};

	return all[pick(sizeof all / sizeof all[0])];
}

static const char *const policies[] = {
	"{\"acls\":[{\"action\":\"accept\",\"src\":[\"*\"],\"dst\":[\"*:*\"]}],\"tagOwners\":{\"tag:a\":[],\"tag:b\":[]}}",
	"{\"acls\":[{\"action\":\"accept\",\"src\":[\"autogroup:member\"],\"dst\":[\"autogroup:self:*\"]}],"
	"\"tagOwners\":{\"tag:a\":[],\"tag:b\":[]},\"autoApprovers\":{\"routes\":{\"10.0.0.0/8\":[\"tag:a\",\"user1@\"]}}}",
	"{\"grants\":[{\"src\":[\"tag:a\"],\"dst\":[\"tag:b\",\"10.0.0.0/8\"],\"ip\":[\"*\"]}],"
	"\"tagOwners\":{\"tag:a\":[],\"tag:b\":[]}}",
};

static void step(struct world *w)
{
	struct answer a = { .came = false };
	node_id id = 1 + pick(40);
	struct ip_prefix route;
	struct endpoint e = { { IP_V4, { [15] = 9 } }, (uint16_t)(1 + pick(4)), 1 };
	struct state_map_update u = { .node = id, .cap = 100 + pick(3) };
	struct state_register r;
	char name[16];

	switch (pick(20)) {
	case 0:
	case 1:
	case 2:
	case 3:
		r = register_req(1 + pick(MACHINES), pick(2) ? next_key++ : 1 + pick(next_key), keys[pick(USERS + 2)],
				 hostinfo());
		if (pick(10) == 0)
			r.expiry_ns = 1;
		(void)CALL(&a, state_register, w->st, &r);
		break;
	case 4: (void)CALL(&a, state_node_delete, w->st, NULL, id); break;
	case 5:
		snprintf(name, sizeof name, "n%u", pick(10));
		(void)CALL(&a, state_node_rename, w->st, NULL, id, name);
		break;
	case 6:
		(void)CALL(&a, state_node_set_tags, w->st, NULL, id, &(const char *){ pick(2) ? "tag:a" : "tag:b" }, 1);
		break;
	case 7:
		assert_int_equal(ip_prefix_parse(BYTES_LIT("10.0.0.0/8"), &route), ST_OK);
		(void)CALL(&a, state_node_set_routes, w->st, NULL, id, &route, pick(2));
		break;
	case 8: (void)CALL(&a, state_node_move, w->st, NULL, id, 1 + pick(USERS)); break;
	case 9:
		(void)CALL(&a, state_node_expire, w->st, NULL, id,
			   pick(2) ? TIME_NONE : w->clock.unix_ns + pick(30) * NS_PER_S);
		break;
	case 10: (void)CALL(&a, state_stream_opened, w->st, id, pick(2) ? &u : NULL); break;
	case 11: state_stream_closed(w->st, id); break;
	case 12: turn_clock(w, pick(12) * NS_PER_S); break;
	case 13: (void)CALL(&a, state_policy_set, w->st, NULL, bytes_of_str(policies[pick(3)])); break;
	case 14: state_router_health(w->st, id, pick(2)); break;
	case 15:
		snprintf(name, sizeof name, "user%u", 1 + pick(8));
		(void)CALL(&a, state_user_rename, w->st, NULL, 1 + pick(USERS), name);
		break;
	default:
		u.hostinfo = bytes_of_str(pick(2) ? hostinfo() : "");
		u.has_endpoints = pick(2);
		u.endpoints = &e;
		u.n_endpoints = pick(2);
		u.disco.b[0] = (uint8_t)pick(3);
		(void)CALL(&a, state_map_update, w->st, &u);
		break;
	}
	answer_release(&a);
}

static void compare_durable(const struct snapshot *a, const struct snapshot *b)
{
	assert_int_equal(a->n_nodes, b->n_nodes);
	for (size_t i = 0; i < a->n_pages; i++)
		for (uint64_t m = a->pages[i]->used; m != 0; m &= m - 1) {
			const struct node *x = a->pages[i]->slot[__builtin_ctzll(m)].node, *y = snapshot_node(b, x->id);

			assert_non_null(y);
			assert_true(same_whole(x, y));
			assert_true(prefix_list_eq(x->approved_routes, y->approved_routes));
			assert_true(prefix_list_eq(x->announced_routes, y->announced_routes));
			assert_true(endpoint_list_eq(x->endpoints, y->endpoints)); /* written when the state closes */
			assert_true(same_blob(x->hostinfo, y->hostinfo));
			assert_string_equal(x->hostname, y->hostname);
			assert_true(x->created_ns == y->created_ns && x->auth_key == y->auth_key);
		}
}

/* Everything that was sent has been dealt with, and what it set off too. */
static void settle(struct world *w)
{
	struct answer a = { .came = false };

	for (int i = 0; i < 2; i++)
		assert_int_equal(CALL(&a, state_doc_put, w->st, NULL, "k", "k", BYTES_LIT("x")), ST_OK);
	answer_release(&a);
}

static void reopen(struct world *w, struct snapshot **last)
{
	struct snapshot *before;

	settle(w);
	check_publications(w, last);
	before = state_snapshot(w->st);
	world_close(w);
	world_open(w);
	snapshot_unref(last);
	*last = state_snapshot(w->st);
	compare_durable(before, *last);
	snapshot_unref(&before);
}

static void random_stories_keep_the_rules(void **state)
{
	static const char *const tags[] = { "tag:a" };
	struct snapshot *last;
	struct world w;

	(void)state;
	for (unsigned long long s = 1; s <= 6; s++) {
		seed = s;
		next_key = 1;
		world_init(&w);
		world_open(&w);
		last = state_snapshot(w.st);
		for (unsigned i = 1; i <= USERS; i++) {
			char name[16];

			snprintf(name, sizeof name, "user%u", i);
			make_preauth(&w, (struct state_preauth_new){ .user = make_user(&w, name), .reusable = true,
								     .ephemeral = i == USERS },
				     keys[i - 1]);
		}
		make_preauth(&w, (struct state_preauth_new){ .tags = tags, .n_tags = 1, .reusable = true }, keys[USERS]);
		make_preauth(&w, (struct state_preauth_new){ .user = 1 }, keys[USERS + 1]);
		for (int i = 0; i < 700; i++) {
			step(&w);
			if (i % 10 == 9)
				check_publications(&w, &last);
			if (i % 100 == 99)
				reopen(&w, &last);
		}
		settle(&w);
		check_publications(&w, &last);
		snapshot_unref(&last);
		world_release(&w);
	}
}

/* ---- races --------------------------------------------------------------------------------------- */

#define RACERS 8
#define ROUNDS 30

struct racer {
	struct world *w;
	unsigned i;
	unsigned won;
	pthread_t thread;
};
static char race_keys[ROUNDS][KEY_SECRET_TEXT_MAX];

static void *race(void *arg)
{
	struct racer *r = arg;
	struct answer a = { .came = false };

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned n = 1 + r->i * 1000 + round;
		struct state_register q = register_req(n, n, race_keys[round], "{\"Hostname\":\"same\"}");
		struct endpoint e = { { IP_V4, { [15] = 9 } }, (uint16_t)(1 + round), 1 };
		struct state_map_update u = { .node = 1 + round, .has_endpoints = true, .endpoints = &e,
					      .n_endpoints = 1 };
		struct snapshot *s;

		r->won += CALL(&a, state_register, r->w->st, &q) == ST_OK;
		(void)CALL(&a, state_map_update, r->w->st, &u);
		(void)CALL(&a, state_stream_opened, r->w->st, 1 + round, NULL);
		s = state_snapshot(r->w->st);
		(void)snapshot_node_by_name(s, "same");
		snapshot_unref(&s);
		state_stream_closed(r->w->st, 1 + round);
	}
	answer_release(&a);
	return NULL;
}

static void of_many_with_a_one_use_key_one_gets_in(void **state)
{
	struct racer racers[RACERS];
	struct snapshot *s;
	unsigned won = 0;
	struct world w;

	(void)state;
	world_init(&w);
	world_open(&w);
	make_user(&w, "alice");
	for (unsigned i = 0; i < ROUNDS; i++)
		make_preauth(&w, (struct state_preauth_new){ .user = 1 }, race_keys[i]);
	for (unsigned i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){ .w = &w, .i = i };
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (unsigned i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		won += racers[i].won;
	}
	assert_int_equal(won, ROUNDS);
	s = state_snapshot(w.st);
	assert_int_equal(s->n_nodes, ROUNDS);
	assert_null(snapshot_check(s));
	snapshot_unref(&s);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_stories_keep_the_rules),
		cmocka_unit_test(of_many_with_a_one_use_key_one_gets_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
