/*
 * Property: whatever happens in whatever order, what a client has put together from its messages is what a fresh complete
 * map would say; and no message on the way breaks a rule of clients (client.h).
 *
 * Nodes come, go, change, move between classes and take each other's names and keys; the policy changes; readers are slow
 * and come back; streams are opened and closed; two loops hear of everything at their own pace.
 *
 *     unit_mapper_model [SEED [RUNS [STEPS]]]     a longer search
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "hiding.h"
#include "mapper/mapper.h"
#include "world.h"

#define LOOPS 2
#define CLIENTS_MAX 40
#define LATE_MAX 32 /* publications that a loop has not heard of */

static uint64_t seed = 1, runs = 2, steps = 200;

struct conn {
	struct client c;
	struct map_stream *ms; /* NULL: not used */
	unsigned loop;
};
struct play {
	struct world w;
	struct hiding h;
	struct mapper *m;
	struct mapper_loop *loop[LOOPS];
	struct publication *late[LOOPS][LATE_MAX];
	size_t n_late[LOOPS];
	struct conn conn[CLIENTS_MAX];
	int64_t now_ns;
	uint64_t step;
	const char *base;
};

static void hear(struct play *p, unsigned l)
{
	struct publication *pub = p->late[l][0];

	mapper_loop_advance(p->loop[l], pub, p->now_ns);
	publication_unref(&pub);
	memmove(&p->late[l][0], &p->late[l][1], --p->n_late[l] * sizeof pub);
}

static void check_errors(struct play *p)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (p->conn[i].ms != NULL && p->conn[i].c.error[0] != '\0') {
			print_error("node %llu: %s (step %llu)\n", (unsigned long long)p->conn[i].c.id, p->conn[i].c.error,
				    (unsigned long long)p->step);
			fail();
		}
}

static void reap(struct play *p)
{
	check_errors(p);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (p->conn[i].ms != NULL && p->conn[i].c.ended) {
			map_stream_close(&p->conn[i].ms);
			client_release(&p->conn[i].c);
		}
}

static void publish(struct play *p, bool decided)
{
	struct publication *pub;

	decided |= p->w.rules;
	if (p->w.world & WORLD_POLICY)
		hiding_new_rules(&p->h, &p->w);
	pub = world_publish(&p->w);
	hiding_note(&p->h, p->w.cur, decided || pub->n_nodes > 0);
	assert_null(snapshot_check(p->w.cur));
	mapper_publish(p->m, pub);
	for (unsigned l = 0; l < LOOPS; l++) {
		if (p->n_late[l] == LATE_MAX)
			hear(p, l);
		p->late[l][p->n_late[l]++] = publication_ref(pub);
	}
	publication_unref(&pub);
}

/* ---- what may happen --------------------------------------------------------------------------------- */

/* Half the time one of a few, so that what changed changes back before it is told. */
static node_id restless(struct play *p)
{
	const struct page *first = p->w.next->pages[0];
	unsigned i = (unsigned)__builtin_ctzll(first->used);

	return world_rand(&p->w, 2) ? first->slot[i].node->id : world_any(&p->w);
}

static void change_presence(struct play *p)
{
	for (uint64_t n = 1 + world_rand(&p->w, 4); n > 0; n--) {
		struct node *x = world_edit(&p->w, restless(p));

		world_give_presence(&p->w, x);
		world_put(&p->w, x, TOUCH_PRESENCE);
	}
}

static void change_whole(struct play *p)
{
	struct node *x = world_edit(&p->w, world_any(&p->w));
	char text[64];

	switch (world_rand(&p->w, 5)) {
	case 0:
		snprintf(text, sizeof text, "{\"OS\":\"linux\",\"v\":%u}", (unsigned)world_rand(&p->w, 1000));
		shared_bytes_unref(&x->hostinfo_peer);
		x->hostinfo_peer = shared_bytes_new(bytes_of_str(text));
		break;
	case 1:
		x->key.b[0]++;
		x->key.b[1] = (uint8_t)world_rand(&p->w, 256);
		break;
	case 2:
		x->user = 1 + world_rand(&p->w, WORLD_USERS_N);
		break;
	case 3:
		x->expired = !x->expired;
		x->key_expiry_ns = x->expired ? 1700000000 * NS_PER_S : TIME_NONE;
		break;
	default:
		world_give_routes(&p->w, x);
		break;
	}
	if (world_rand(&p->w, 2))
		world_give_presence(&p->w, x);
	world_put(&p->w, x, TOUCH_WHOLE);
}

/* Two nodes change names, or one takes another's while that gets a new one. */
static void swap_names(struct play *p)
{
	node_id a = world_any(&p->w), b = world_any(&p->w);
	struct node *x, *y;
	char text[64];

	if (a == b)
		return;
	x = world_edit(&p->w, a);
	y = world_edit(&p->w, b);
	snprintf(text, sizeof text, "%s", x->name);
	if (world_rand(&p->w, 2)) {
		node_set_name(x, y->name);
	} else {
		char fresh[64];

		snprintf(fresh, sizeof fresh, "m%llu", (unsigned long long)++p->w.names);
		node_set_name(x, fresh);
	}
	node_set_name(y, text);
	if (world_rand(&p->w, 3) == 0) {
		struct node_key k = x->key;

		x->key = y->key;
		y->key = k;
	}
	world_put(&p->w, x, TOUCH_WHOLE);
	world_put(&p->w, y, TOUCH_WHOLE);
}

static void replace_node(struct play *p)
{
	struct node *old = world_edit(&p->w, world_any(&p->w));

	world_remove(&p->w, old->id);
	world_add(&p->w, (uint32_t)world_rand(&p->w, p->w.n_classes), old);
	node_unref(&old);
}

static void change(struct play *p)
{
	struct world *w = &p->w;
	uint64_t r = world_rand(w, 100);

	if (w->next->n_nodes < 40 || r < 10)
		world_add(w, (uint32_t)world_rand(w, w->n_classes), NULL);
	else if (r < 18)
		world_remove(w, world_any(w));
	else if (r < 24)
		replace_node(p);
	else if (r < 36)
		change_whole(p);
	else if (r < 44)
		world_move(w, world_any(w), (uint32_t)world_rand(w, w->n_classes));
	else if (r < 50)
		swap_names(p);
	else if (r < 53)
		world_change_user(w, 1 + world_rand(w, WORLD_USERS_N));
	else if (r < 55)
		world_new_dns(w, world_rand(w, 3) == 0 ? (p->base = strcmp(p->base, "example.net") == 0 ? "other.net" : "example.net") : p->base);
	else if (r < 57)
		world_new_derp(w);
	else if (r < 58)
		world_settings(w, world_rand(w, 2) ? "tailnet" : "tailnet2");
	else if (r < 60)
		world_renumber(w, 2 + (uint32_t)world_rand(w, HIDING_CLASSES_MAX - 2));
	else
		change_presence(p);
}

static void open_stream(struct play *p)
{
	struct conn *c = NULL;
	node_id id;

	for (size_t i = 0; i < CLIENTS_MAX && c == NULL; i++)
		if (p->conn[i].ms == NULL)
			c = &p->conn[i];
	if (c == NULL)
		return;
	c->loop = (unsigned)world_rand(&p->w, LOOPS);
	id = world_any(&p->w);
	client_init(&c->c, id, world_rand(&p->w, 4) == 0 ? MAP_PLAIN : MAP_ZSTD);
	if (map_stream_open(p->loop[c->loop], id, &(struct map_client){ .format = c->c.format, .cap = 113 }, &client_sink, &c->c,
			    p->now_ns, &c->ms) != ST_OK) {
		client_release(&c->c); /* this loop has not heard of the node yet, or it is gone */
		c->ms = NULL;
	}
}

static struct conn *any_conn(struct play *p)
{
	for (size_t n = 0; n < 8; n++) {
		struct conn *c = &p->conn[world_rand(&p->w, CLIENTS_MAX)];

		if (c->ms != NULL)
			return c;
	}
	return NULL;
}

static void disturb(struct play *p)
{
	struct conn *c;

	if (world_rand(&p->w, 2) == 0)
		open_stream(p);
	for (size_t i = 0; i < 3; i++) { /* the slow are not slow for long */
		c = any_conn(p);
		if (c != NULL && !c->c.open && world_rand(&p->w, 2)) {
			c->c.open = true;
			map_stream_writable(c->ms, p->now_ns);
		}
	}
	c = any_conn(p);
	if (c == NULL)
		return;
	switch (world_rand(&p->w, 6)) {
	case 0:
		map_stream_close(&c->ms);
		client_release(&c->c);
		break;
	case 1:
	case 2:
		c->c.open = false;
		break;
	default:
		if (!c->c.open) {
			c->c.open = true;
			map_stream_writable(c->ms, p->now_ns);
		}
	}
}

static void pass_time(struct play *p, int64_t ms)
{
	int64_t until = p->now_ns + ms * NS_PER_MS;

	for (unsigned l = 0; l < LOOPS; l++)
		while (mapper_loop_next_deadline(p->loop[l]) <= until) {
			int64_t at = mapper_loop_next_deadline(p->loop[l]);

			if (at > p->now_ns)
				p->now_ns = at;
			mapper_loop_tick(p->loop[l], p->now_ns);
		}
	if (until > p->now_ns)
		p->now_ns = until;
}

/* ---- the promise ---------------------------------------------------------------------------------------- */

static void check_seen(struct play *p, const struct conn *c)
{
	const struct slot *me = snapshot_slot(p->w.cur, c->c.id, NULL);
	size_t n = 0;

	for (size_t i = 0; i < p->w.cur->n_pages; i++)
		for (uint64_t m = p->w.cur->pages[i]->used; m != 0; m &= m - 1) {
			const struct slot *s = &p->w.cur->pages[i]->slot[__builtin_ctzll(m)];
			bool sees = s->node->id != c->c.id && hiding_sees(&p->h, p->w.cur, me->class_id, s->class_id);

			n += sees;
			if (sees != client_has(&c->c, s->node->id)) {
				print_error("node %llu: peer %llu (step %llu)\n", (unsigned long long)c->c.id,
					    (unsigned long long)s->node->id, (unsigned long long)p->step);
				fail();
			}
		}
	assert_int_equal(n, client_peers(&c->c));
}

static void settle_and_compare(struct play *p)
{
	for (unsigned l = 0; l < LOOPS; l++)
		while (p->n_late[l] > 0)
			hear(p, l);
	reap(p);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (p->conn[i].ms != NULL && !p->conn[i].c.open) {
			p->conn[i].c.open = true;
			map_stream_writable(p->conn[i].ms, p->now_ns);
		}
	pass_time(p, 120);
	reap(p);
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct mapper *fresh;
		const char *bad;
		struct buf b;

		if (p->conn[i].ms == NULL)
			continue;
		check_seen(p, &p->conn[i]);
		fresh = mapper_new(&(struct mapper_opts){ .access = &p->h.access });
		buf_init(&b, 1 << 26);
		assert_int_equal(mapper_debug_netmap(fresh, p->w.cur, p->conn[i].c.id, &b), ST_OK);
		bad = client_compare(&p->conn[i].c, buf_bytes(&b));
		if (bad != NULL) {
			print_error("node %llu: %s (step %llu)\n", (unsigned long long)p->conn[i].c.id, bad, (unsigned long long)p->step);
			fail();
		}
		buf_release(&b);
		mapper_free(&fresh);
	}
}

static void start(struct play *p, uint64_t s)
{
	memset(p, 0, sizeof *p);
	world_init(&p->w, s, 6);
	hiding_init(&p->h);
	hiding_new_rules(&p->h, &p->w);
	p->base = "example.net";
	world_begin(&p->w);
	for (uint64_t n = 30 + world_rand(&p->w, 150); n > 0; n--)
		world_add(&p->w, (uint32_t)world_rand(&p->w, p->w.n_classes), NULL);
	hiding_note(&p->h, p->w.cur, true);
	publication_unref(&(struct publication *){ world_publish(&p->w) });
	hiding_note(&p->h, p->w.cur, true);
	p->m = mapper_new(&(struct mapper_opts){ .access = &p->h.access, .piece_bytes = 1u << (12 + world_rand(&p->w, 12)) });
	p->now_ns = 1000 * NS_PER_S;
	for (unsigned l = 0; l < LOOPS; l++)
		p->loop[l] = mapper_loop_new(p->m, p->w.cur);
}

static void stop(struct play *p)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (p->conn[i].ms != NULL) {
			map_stream_close(&p->conn[i].ms);
			client_release(&p->conn[i].c);
		}
	for (unsigned l = 0; l < LOOPS; l++) {
		while (p->n_late[l] > 0)
			publication_unref(&p->late[l][--p->n_late[l]]);
		mapper_loop_free(&p->loop[l]);
	}
	mapper_free(&p->m);
	hiding_release(&p->h);
	world_release(&p->w);
}

static void play(uint64_t s)
{
	static struct play p;

	print_message("seed %llu\n", (unsigned long long)s);
	start(&p, s);
	for (p.step = 0; p.step < steps; p.step++) {
		world_begin(&p.w);
		for (uint64_t n = world_rand(&p.w, 4) ? 1 : 1 + world_rand(&p.w, 12); n > 0; n--)
			change(&p);
		publish(&p, false);
		for (unsigned l = 0; l < LOOPS; l++)
			while (p.n_late[l] > 0 && world_rand(&p.w, 3) > 0)
				hear(&p, l);
		reap(&p);
		disturb(&p);
		pass_time(&p, (int64_t)world_rand(&p.w, world_rand(&p.w, 2) ? 90 : 10));
		reap(&p);
		if (world_rand(&p.w, 12) == 0)
			settle_and_compare(&p);
	}
	settle_and_compare(&p);
	stop(&p);
}

static void what_is_put_together_is_what_there_is(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < runs; i++)
		play(seed + i);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_put_together_is_what_there_is) };

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		runs = strtoull(argv[2], NULL, 10);
	if (argc > 3)
		steps = strtoull(argv[3], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
