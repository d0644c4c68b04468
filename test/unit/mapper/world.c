/* test/unit/mapper/world.c -- see world.h. */
#include "world.h"

#include <stdio.h>
#include <string.h>

uint64_t world_rand(struct world *w, uint64_t below)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return (w->rng >> 11) % below;
}

static void fill(struct world *w, uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)world_rand(w, 256);
}

void world_init(struct world *w, uint64_t seed, uint32_t n_classes)
{
	*w = (struct world){ .rng = seed * 2654435761u + 88172645463325252u, .n_classes = n_classes };
	w->cur = snapshot_new(TAILNET_DEFAULT);
	w->cur->seq = 1;
	w->cur->by_node_key = w->cur->by_machine_key = w->cur->by_addr = w->cur->by_name = NULL;
	w->cur->dns = dns_settings_new();
	w->cur->dns->magic_dns = true;
	settings_set_text(&w->cur->dns->base_domain, "example.net");
	w->cur->settings = tailnet_settings_new();
	settings_set_text(&w->cur->settings->name, "tailnet");
	w->cur->derp_map = shared_bytes_new(BYTES_LIT("{\"Regions\":{\"1\":{\"RegionID\":1}}}"));
	for (user_id i = 1; i <= WORLD_USERS_N; i++) {
		struct user *u = user_new();
		char name[32];

		u->id = i;
		snprintf(name, sizeof name, "user%u", (unsigned)i);
		user_set_text(&u->name, name);
		user_table_put(&w->cur->users, u);
		user_unref(&u);
	}
}

void world_release(struct world *w)
{
	snapshot_unref(&w->cur);
	vec_release(&w->touched);
	vec_release(&w->users);
}

void world_begin(struct world *w)
{
	w->next = snapshot_begin(w->cur, w->cur->seq + 1);
}

static void touch(struct world *w, node_id id)
{
	vec_push(&w->touched, id);
}

void world_give_presence(struct world *w, struct node *n)
{
	struct endpoint e[4] = { 0 };
	size_t count = world_rand(w, 4);

	for (size_t i = 0; i < count; i++) {
		e[i].addr.family = world_rand(w, 2) ? IP_V4 : IP_V6;
		fill(w, e[i].addr.b + (e[i].addr.family == IP_V4 ? 12 : 0), e[i].addr.family == IP_V4 ? 4 : 16);
		e[i].port = (uint16_t)(1 + world_rand(w, 3)); /* few values: what changed may change back */
	}
	if (world_rand(w, 2)) {
		endpoint_list_unref(&n->endpoints);
		n->endpoints = endpoint_list_new(e, count);
	}
	if (world_rand(w, 2))
		n->home_derp = 1 + (uint32_t)world_rand(w, 2);
	if (world_rand(w, 2))
		n->online = !n->online;
	n->last_seen_ns = (int64_t)(1700000000 + world_rand(w, 3)) * NS_PER_S;
}

void world_give_routes(struct world *w, struct node *n)
{
	struct ip_prefix p[4] = { 0 };
	size_t count = world_rand(w, 4);

	for (size_t i = 0; i < count; i++) {
		p[i].addr.family = IP_V4;
		p[i].addr.b[12] = 10;
		p[i].addr.b[13] = (uint8_t)world_rand(w, 4);
		p[i].bits = 16;
	}
	prefix_list_unref(&n->announced_routes);
	prefix_list_unref(&n->approved_routes);
	n->announced_routes = prefix_list_new_set(p, count);
	n->approved_routes = prefix_list_new_set(p, count);
}

static void name_it(struct world *w, struct node *n)
{
	char text[32];

	snprintf(text, sizeof text, "n%llu", (unsigned long long)++w->names);
	node_set_name(n, text);
	node_set_hostname(n, text);
}

node_id world_add(struct world *w, uint32_t class_id, const struct node *like)
{
	struct node *n = node_new();
	node_id id = ++w->last_id;

	n->id = id;
	n->tailnet = TAILNET_DEFAULT;
	n->user = 1 + world_rand(w, WORLD_USERS_N);
	fill(w, n->machine.b, sizeof n->machine.b);
	fill(w, n->key.b, sizeof n->key.b);
	fill(w, n->disco.b, sizeof n->disco.b);
	n->created_ns = 1600000000 * NS_PER_S;
	n->cap = 113;
	name_it(w, n);
	n->ip4.family = IP_V4;
	n->ip4.b[12] = 100;
	n->ip4.b[13] = 64;
	n->ip4.b[14] = (uint8_t)(id >> 8);
	n->ip4.b[15] = (uint8_t)id;
	if (like != NULL) {
		if (world_rand(w, 2))
			n->key = like->key;
		if (world_rand(w, 2))
			node_set_name(n, like->name);
		if (world_rand(w, 2))
			n->ip4 = like->ip4;
	}
	n->hostinfo_peer = shared_bytes_new(BYTES_LIT("{\"OS\":\"linux\"}"));
	n->online = world_rand(w, 2);
	world_give_presence(w, n);
	if (world_rand(w, 8) == 0)
		world_give_routes(w, n);
	if (world_rand(w, 8) == 0) {
		static const char *const tag[] = { "tag:x" };

		n->tags = str_list_new(tag, 1);
	}
	snapshot_add_node(w->next, n, class_id);
	node_unref(&n);
	touch(w, id);
	w->rules = true;
	return id;
}

void world_remove(struct world *w, node_id id)
{
	snapshot_remove_node(w->next, id);
	touch(w, id);
	w->rules = true;
}

struct node *world_edit(struct world *w, node_id id)
{
	return node_copy(snapshot_node(w->next, id));
}

void world_put(struct world *w, struct node *n, enum slot_touch how)
{
	snapshot_replace_node(w->next, n, how);
	touch(w, n->id);
	if (how == TOUCH_WHOLE)
		w->rules = true;
	node_unref(&n);
}

void world_move(struct world *w, node_id id, uint32_t class_id)
{
	snapshot_set_class(w->next, id, class_id, true);
	touch(w, id);
	w->rules = true;
}

void world_change_user(struct world *w, user_id id)
{
	struct user *u = user_copy(snapshot_user(w->next, id));
	char text[32];

	snprintf(text, sizeof text, "User %llu", (unsigned long long)world_rand(w, 1000));
	user_set_text(&u->display_name, text);
	user_table_put(&w->next->users, u);
	user_unref(&u);
	vec_push(&w->users, id);
	w->world |= WORLD_USERS;
}

void world_new_dns(struct world *w, const char *base_domain)
{
	struct dns_settings *d = dns_settings_new();
	char text[32];

	d->magic_dns = true;
	settings_set_text(&d->base_domain, base_domain);
	snprintf(text, sizeof text, "10.0.0.%u", (unsigned)world_rand(w, 200));
	dns_settings_add_record(d, "x.example.net", "A", text);
	dns_settings_unref(&w->next->dns);
	w->next->dns = d;
	w->world |= WORLD_DNS;
}

void world_new_derp(struct world *w)
{
	char text[128];

	snprintf(text, sizeof text, "{\"Regions\":{\"1\":{\"RegionID\":1,\"RegionName\":\"r%u\"}}}", (unsigned)world_rand(w, 1000));
	shared_bytes_unref(&w->next->derp_map);
	w->next->derp_map = shared_bytes_new(bytes_of_str(text));
	w->world |= WORLD_DERP;
}

void world_settings(struct world *w, const char *name)
{
	struct tailnet_settings *s = tailnet_settings_new();

	settings_set_text(&s->name, name);
	tailnet_settings_unref(&w->next->settings);
	w->next->settings = s;
	w->world |= WORLD_SETTINGS;
}

void world_renumber(struct world *w, uint32_t n_classes)
{
	VEC(node_id) ids = { 0 };

	for (size_t i = 0; i < w->next->n_pages; i++)
		for (uint64_t m = w->next->pages[i]->used; m != 0; m &= m - 1)
			vec_push(&ids, w->next->pages[i]->slot[__builtin_ctzll(m)].node->id);
	for (size_t i = 0; i < ids.n; i++)
		snapshot_set_class(w->next, ids.v[i], (uint32_t)world_rand(w, n_classes), false);
	vec_release(&ids);
	w->n_classes = n_classes;
	w->world |= WORLD_POLICY;
	w->rules = true;
}

node_id world_any(struct world *w)
{
	struct snapshot *s = w->next != NULL ? w->next : w->cur;
	const struct page *p;
	uint64_t m;

	if (s->n_nodes == 0)
		return 0;
	p = s->pages[world_rand(w, s->n_pages)];
	m = p->used;
	for (uint64_t skip = world_rand(w, (uint64_t)__builtin_popcountll(m)); skip > 0; skip--)
		m &= m - 1;
	return p->slot[__builtin_ctzll(m)].node->id;
}

static int by_prefix(const void *a, const void *b)
{
	const struct route_primary *x = a, *y = b;
	int c = ip_prefix_cmp(&x->prefix, &y->prefix);

	return c != 0 ? c : x->node < y->node ? -1 : 1;
}

/* The lowest ID that serves a prefix is primary; who gained or lost one is touched. */
static void elect(struct world *w)
{
	VEC(struct route_primary) v = { 0 };
	struct snapshot *s = w->next;
	struct route_table *old = s->routes, *now;
	size_t n = 0;

	for (size_t i = 0; i < s->n_pages; i++)
		for (uint64_t m = s->pages[i]->used; m != 0; m &= m - 1) {
			const struct node *x = s->pages[i]->slot[__builtin_ctzll(m)].node;

			for (uint32_t k = 0; x->announced_routes != NULL && k < x->announced_routes->n; k++)
				if (!ip_prefix_is_default(&x->announced_routes->v[k]))
					vec_push(&v, ((struct route_primary){ x->announced_routes->v[k], x->id }));
		}
	if (v.n > 1)
		qsort(v.v, v.n, sizeof *v.v, by_prefix);
	for (size_t i = 0; i < v.n; i++)
		if (n == 0 || !ip_prefix_eq(&v.v[n - 1].prefix, &v.v[i].prefix))
			v.v[n++] = v.v[i];
	now = route_table_new(v.v, n);
	for (int turn = 0; turn < 2; turn++) {
		const struct route_table *a = turn ? old : now, *b = turn ? now : old;

		for (size_t i = 0; i < a->n; i++) {
			bool same = false;

			for (size_t k = 0; k < b->n; k++)
				same |= ip_prefix_eq(&a->v[i].prefix, &b->v[k].prefix) && a->v[i].node == b->v[k].node;
			if (!same && snapshot_slot(s, a->v[i].node, NULL) != NULL) {
				snapshot_set_class(s, a->v[i].node, snapshot_slot(s, a->v[i].node, NULL)->class_id, true);
				touch(w, a->v[i].node);
				w->rules = true;
			}
		}
	}
	vec_release(&v);
	s->routes = now;
	route_table_unref(&old);
}

static int by_id(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool change_of(const struct snapshot *prev, const struct snapshot *next, node_id id, struct node_change *out)
{
	const struct slot *a = snapshot_slot(prev, id, NULL), *b = snapshot_slot(next, id, NULL);

	if (a == NULL && b == NULL)
		return false;
	*out = (struct node_change){ .id = id, .old_class = a ? a->class_id : b->class_id, .new_class = b ? b->class_id : a->class_id };
	out->kind = a == NULL ? CHANGE_ADDED : b == NULL ? CHANGE_REMOVED : b->whole_seq == next->seq ? CHANGE_WHOLE : CHANGE_PRESENCE;
	return out->kind != CHANGE_PRESENCE || b->presence_seq == next->seq;
}

struct publication *world_publish(struct world *w)
{
	struct node_change *changes;
	struct publication *p;
	size_t n = 0;

	elect(w);
	if (w->touched.n > 1)
		qsort(w->touched.v, w->touched.n, sizeof(node_id), by_id);
	changes = xcalloc(w->touched.n + 1, sizeof *changes);
	for (size_t i = 0; i < w->touched.n; i++)
		if (i == 0 || w->touched.v[i] != w->touched.v[i - 1])
			n += change_of(w->cur, w->next, w->touched.v[i], &changes[n]);
	p = publication_new(w->cur, w->next, w->world, changes, n, w->users.v, w->users.n);
	free(changes);
	snapshot_unref(&w->cur);
	w->cur = w->next;
	w->next = NULL;
	w->touched.n = w->users.n = 0;
	w->world = 0;
	w->rules = false;
	return p;
}
