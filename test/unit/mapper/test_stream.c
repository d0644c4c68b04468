/* Tests of mapper/mapper.h, one promise each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "mapper/access.h"
#include "mapper/mapper.h"
#include "world.h"

#define MS(x) ((int64_t)(x) * NS_PER_MS)
#define CONNS 200

/* Everybody sees everybody, one loop, some streams. */
struct stage {
	struct world w;
	struct mapper *m;
	struct mapper_loop *ml;
	struct client c[CONNS];
	struct map_stream *ms[CONNS];
	size_t n;
	int64_t now;
};

static void raise_stage(struct stage *s, size_t nodes)
{
	memset(s, 0, sizeof *s);
	world_init(&s->w, 7, 1);
	world_begin(&s->w);
	for (size_t i = 0; i < nodes; i++)
		world_add(&s->w, 0, NULL);
	publication_unref(&(struct publication *){ world_publish(&s->w) });
	s->m = mapper_new(&(struct mapper_opts){ .access = &access_allow_all });
	s->ml = mapper_loop_new(s->m, s->w.cur);
	s->now = 1000 * NS_PER_S;
}

static void strike_stage(struct stage *s)
{
	for (size_t i = 0; i < s->n; i++) {
		map_stream_close(&s->ms[i]);
		if (s->c[i].error[0] != '\0')
			fail_msg("%s", s->c[i].error);
		client_release(&s->c[i]);
	}
	mapper_loop_free(&s->ml);
	mapper_free(&s->m);
	world_release(&s->w);
}

static struct client *open_as(struct stage *s, node_id id, const struct map_client *as)
{
	size_t i = s->n++;

	client_init(&s->c[i], id, MAP_ZSTD);
	assert_int_equal(map_stream_open(s->ml, id, as, &client_sink, &s->c[i], s->now, &s->ms[i]), ST_OK);
	return &s->c[i];
}

static struct client *open_for(struct stage *s, node_id id)
{
	return open_as(s, id, &(struct map_client){ .format = MAP_ZSTD, .cap = 113 });
}

static void tell(struct stage *s)
{
	struct publication *p = world_publish(&s->w);

	mapper_publish(s->m, p);
	mapper_loop_advance(s->ml, p, s->now);
	publication_unref(&p);
}

static void presence(struct stage *s, node_id id)
{
	struct node *n;

	world_begin(&s->w);
	n = world_edit(&s->w, id);
	n->home_derp = n->home_derp == 1 ? 2 : 1;
	world_put(&s->w, n, TOUCH_PRESENCE);
	tell(s);
}

static void pass(struct stage *s, int64_t ms)
{
	int64_t until = s->now + MS(ms);

	while (mapper_loop_next_deadline(s->ml) <= until) {
		if (mapper_loop_next_deadline(s->ml) > s->now)
			s->now = mapper_loop_next_deadline(s->ml);
		mapper_loop_tick(s->ml, s->now);
	}
	s->now = until;
}

/* ---- first maps ---------------------------------------------------------------------------------------- */

static void a_first_map_is_spliced_of_shared_pieces(void **state)
{
	struct stage s;
	size_t before;

	(void)state;
	raise_stage(&s, 2000);
	(void)open_for(&s, 1);
	(void)open_for(&s, 1000);
	before = s.c[1].pieces;
	assert_int_equal(client_peers(&s.c[0]), 1999);
	assert_int_equal(client_peers(&s.c[1]), 1999);
	/* 32 pages, some blocks of the own page, and what stands around the peers. */
	assert_in_range(before, 32, 50);
	strike_stage(&s);
}

static void every_viewer_of_a_page_gets_the_others(void **state)
{
	struct stage s;

	(void)state;
	raise_stage(&s, 150);
	for (node_id id = 1; id <= 150; id++) {
		const struct client *c = open_for(&s, id);

		assert_int_equal(client_peers(c), 149);
		assert_false(client_has(c, id));
	}
	strike_stage(&s);
}

/*
 * A node that registered and has not asked for a map yet: to hear of it first and of its key alone later would cost each
 * client a rebuild of its map.
 */
static void a_node_is_seen_once_its_disco_key_is_known(void **state)
{
	struct disco_key key;
	struct stage s;
	struct node *n;

	(void)state;
	raise_stage(&s, 10);
	world_begin(&s.w);
	n = world_edit(&s.w, 5);
	key = n->disco;
	n->disco = (struct disco_key){ { 0 } };
	world_put(&s.w, n, TOUCH_WHOLE);
	tell(&s);
	(void)open_for(&s, 1);
	assert_int_equal(client_peers(&s.c[0]), 8);
	world_begin(&s.w);
	n = world_edit(&s.w, 5);
	n->disco = key;
	world_put(&s.w, n, TOUCH_WHOLE);
	tell(&s);
	pass(&s, 100);
	assert_int_equal(client_peers(&s.c[0]), 9);
	strike_stage(&s);
}

static void an_unknown_node_has_no_map(void **state)
{
	struct map_stream *ms = NULL;
	struct client c;
	struct stage s;
	struct buf b;

	(void)state;
	raise_stage(&s, 3);
	client_init(&c, 99, MAP_ZSTD);
	assert_int_equal(map_stream_open(s.ml, 99, &(struct map_client){ 0 }, &client_sink, &c, s.now, &ms), ST_NOT_FOUND);
	assert_int_equal(map_once(s.ml, 99, &(struct map_client){ 0 }, &client_sink, &c, s.now), ST_NOT_FOUND);
	buf_init(&b, 1 << 20);
	assert_int_equal(mapper_debug_netmap(s.m, s.w.cur, 99, &b), ST_NOT_FOUND);
	assert_int_equal(c.messages, 0);
	buf_release(&b);
	client_release(&c);
	strike_stage(&s);
}

static void one_map_may_come_alone_and_without_peers(void **state)
{
	struct client with, without;
	struct stage s;

	(void)state;
	raise_stage(&s, 3);
	client_init(&with, 1, MAP_PLAIN);
	client_init(&without, 1, MAP_PLAIN);
	assert_int_equal(map_once(s.ml, 1, &(struct map_client){ .format = MAP_PLAIN }, &client_sink, &with, s.now), ST_OK);
	assert_int_equal(map_once(s.ml, 1, &(struct map_client){ .format = MAP_PLAIN, .omit_peers = true }, &client_sink, &without, s.now), ST_OK);
	assert_int_equal(client_peers(&with), 2);
	assert_int_equal(client_peers(&without), 0);
	assert_string_equal(with.error, "");
	assert_string_equal(without.error, "");
	assert_int_equal(mapper_loop_streams(s.ml), 0);
	client_release(&with);
	client_release(&without);
	strike_stage(&s);
}

/* ---- deltas ---------------------------------------------------------------------------------------------- */

static void a_change_is_encoded_once_for_all_in_step(void **state)
{
	struct stage s;
	struct buf b;

	(void)state;
	raise_stage(&s, 100);
	for (node_id id = 1; id <= 50; id++)
		(void)open_for(&s, id);
	pass(&s, 300);
	presence(&s, 99);
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(s.c[i].deltas, 1);
	buf_init(&b, 1 << 20);
	mapper_metrics(s.m, &b);
	buf_put_char(&b, 0);
	assert_non_null(strstr((const char *)b.p, "headscale_mapper_segments_total 1\n"));
	assert_non_null(strstr((const char *)b.p, "headscale_mapper_variants_total 0\n"));
	assert_non_null(strstr((const char *)b.p, "headscale_mapper_streams 50\n"));
	buf_release(&b);
	strike_stage(&s);
}

static void nobody_hears_of_its_own_presence(void **state)
{
	const struct client *c;
	struct stage s;

	(void)state;
	raise_stage(&s, 10);
	c = open_for(&s, 1);
	(void)open_for(&s, 2);
	pass(&s, 300);
	presence(&s, 1);
	pass(&s, 300);
	assert_int_equal(c->deltas, 0);
	assert_int_equal(s.c[1].deltas, 1);
	strike_stage(&s);
}

static void the_first_change_goes_at_once_and_the_next_are_gathered(void **state)
{
	const struct client *c;
	struct stage s;

	(void)state;
	raise_stage(&s, 10);
	c = open_for(&s, 1);
	pass(&s, 300);
	presence(&s, 2);
	assert_int_equal(c->deltas, 1);
	for (int i = 0; i < 20; i++) {
		pass(&s, 2);
		presence(&s, 3);
		presence(&s, 4);
	}
	assert_int_equal(c->deltas, 1); /* 40 ms later */
	pass(&s, 25);
	assert_int_equal(c->deltas, 2);
	strike_stage(&s);
}

static void a_removal_never_waits(void **state)
{
	const struct client *c;
	struct stage s;

	(void)state;
	raise_stage(&s, 10);
	c = open_for(&s, 1);
	pass(&s, 300);
	presence(&s, 2);
	presence(&s, 3);
	assert_int_equal(c->deltas, 1);
	world_begin(&s.w);
	world_remove(&s.w, 5);
	tell(&s);
	assert_int_equal(c->deltas, 2);
	assert_false(client_has(c, 5));
	strike_stage(&s);
}

static void a_slow_reader_gets_one_merged_message(void **state)
{
	struct client *c;
	struct stage s;
	node_id id;

	(void)state;
	raise_stage(&s, 10);
	c = open_for(&s, 1);
	pass(&s, 300);
	c->open = false;
	for (int i = 0; i < 30; i++) {
		presence(&s, 2 + (node_id)(i % 4));
		pass(&s, 60);
	}
	world_begin(&s.w);
	world_remove(&s.w, 9);
	id = world_add(&s.w, 0, NULL);
	tell(&s);
	world_begin(&s.w); /* seen and gone again is nothing */
	world_remove(&s.w, id);
	tell(&s);
	assert_int_equal(c->messages, 1);
	c->open = true;
	map_stream_writable(s.ms[0], s.now);
	assert_int_equal(c->messages, 2);
	assert_int_equal(client_peers(c), 8);
	pass(&s, 300);
	presence(&s, 3); /* and it is in step again */
	assert_int_equal(c->messages, 3);
	strike_stage(&s);
}

static void who_never_reads_is_ended(void **state)
{
	struct client *c;
	struct stage s;

	(void)state;
	raise_stage(&s, 10);
	c = open_for(&s, 1);
	pass(&s, 300);
	c->open = false;
	presence(&s, 2);
	pass(&s, 59000);
	assert_false(c->ended);
	pass(&s, 70000);
	assert_true(c->ended);
	assert_int_equal(c->why, MAP_END_SLOW);
	presence(&s, 3); /* nothing is written to it any more */
	assert_int_equal(c->messages, 1);
	strike_stage(&s);
}

static void a_deleted_node_is_told_that_its_key_is_over(void **state)
{
	const struct client *c;
	struct stage s;

	(void)state;
	raise_stage(&s, 10);
	c = open_for(&s, 1);
	pass(&s, 300);
	world_begin(&s.w);
	world_remove(&s.w, 1);
	tell(&s);
	assert_true(c->ended);
	assert_int_equal(c->why, MAP_END_GONE);
	assert_string_equal(json_object_get_string(json_object_object_get(c->self, "KeyExpiry")), "1970-01-01T00:00:01Z");
	strike_stage(&s);
}

/* A Node makes the client rebuild everything: only when it must. */
static void the_own_node_comes_only_when_it_is_another(void **state)
{
	static const char *const tags[] = { "tag:a", "tag:b" };
	const struct client *c;
	struct stage s;
	struct node *n;

	(void)state;
	raise_stage(&s, 10);
	c = open_for(&s, 1);
	pass(&s, 300);
	world_begin(&s.w);
	n = world_edit(&s.w, 1);
	shared_bytes_unref(&n->hostinfo_peer);
	n->hostinfo_peer = shared_bytes_new(BYTES_LIT("{\"OS\":\"plan9\"}"));
	n->disco.b[0]++;
	world_put(&s.w, n, TOUCH_WHOLE);
	tell(&s);
	pass(&s, 300);
	assert_int_equal(c->messages, 1);
	world_begin(&s.w);
	n = world_edit(&s.w, 1);
	node_set_name(n, "renamed");
	world_put(&s.w, n, TOUCH_WHOLE);
	tell(&s);
	assert_int_equal(c->messages, 2);
	assert_string_equal(json_object_get_string(json_object_object_get(c->self, "Name")), "renamed.example.net.");
	world_begin(&s.w);
	n = world_edit(&s.w, 1);
	str_list_unref(&n->tags);
	n->tags = str_list_new(tags, 1);
	n->user = 0;
	world_put(&s.w, n, TOUCH_WHOLE);
	tell(&s);
	pass(&s, 300);
	assert_string_equal(json_object_to_json_string_ext(json_object_object_get(c->self, "Tags"), JSON_C_TO_STRING_PLAIN),
			    "[\"tag:a\"]");
	world_begin(&s.w);
	n = world_edit(&s.w, 1);
	str_list_unref(&n->tags);
	n->tags = str_list_new(tags + 1, 1); /* nothing else is another now */
	world_put(&s.w, n, TOUCH_WHOLE);
	tell(&s);
	pass(&s, 300);
	assert_string_equal(json_object_to_json_string_ext(json_object_object_get(c->self, "Tags"), JSON_C_TO_STRING_PLAIN),
			    "[\"tag:b\"]");
	world_begin(&s.w);
	n = world_edit(&s.w, 1);
	n->expired = true; /* its time came: no member of it changed */
	world_put(&s.w, n, TOUCH_WHOLE);
	tell(&s);
	pass(&s, 300);
	assert_true(json_object_get_boolean(json_object_object_get(c->self, "Expired")));
	strike_stage(&s);
}

/* ---- beside the map ------------------------------------------------------------------------------------- */

static void silence_is_broken_by_keepalives(void **state)
{
	const struct client *c;
	struct stage s;

	(void)state;
	raise_stage(&s, 10);
	c = open_for(&s, 1);
	pass(&s, 49000);
	assert_int_equal(c->keepalives, 0);
	pass(&s, 12000);
	assert_int_equal(c->keepalives, 1);
	for (int i = 0; i < 20; i++) { /* whoever hears something needs none */
		pass(&s, 30000);
		presence(&s, 2);
	}
	assert_int_equal(c->keepalives, 1);
	pass(&s, 600000);
	assert_in_range(c->keepalives, 10, 13);
	strike_stage(&s);
}

static void pings_need_room(void **state)
{
	struct client *c;
	struct stage s;

	(void)state;
	raise_stage(&s, 10);
	c = open_for(&s, 1);
	assert_int_equal(map_stream_ping(s.ms[0], &(struct map_ping){ .url = "https://c/1" }, s.now), ST_OK);
	assert_non_null(json_object_object_get(c->last, "PingRequest"));
	assert_int_equal(map_stream_pop_browser(s.ms[0], "https://c/2", s.now), ST_OK);
	assert_string_equal(json_object_get_string(json_object_object_get(c->last, "PopBrowserURL")), "https://c/2");
	c->open = false;
	assert_int_equal(map_stream_ping(s.ms[0], &(struct map_ping){ .url = "https://c/3" }, s.now), ST_AGAIN);
	assert_int_equal(c->messages, 3);
	strike_stage(&s);
}

static const char *last_member(const struct client *c, const char *name)
{
	struct json_object *v = NULL;

	if (!json_object_object_get_ex(c->last, name, &v))
		return "absent";
	return json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN);
}

static void what_is_wrong_goes_in_the_form_of_the_client(void **state)
{
	static const struct map_message wrong = { .id = "x", .title = "T", .text = "y", .severity = "low" };
	static const struct map_client_version latest = { "1.104.5", false };
	struct map_client as = { .format = MAP_ZSTD, .messages = &wrong, .n_messages = 1, .version = &latest };
	struct client *old, *new, *well;
	struct stage s;

	(void)state;
	raise_stage(&s, 10);
	as.cap = MAP_CAP_MESSAGES - 1;
	old = open_as(&s, 1, &as);
	as.cap = MAP_CAP_MESSAGES;
	new = open_as(&s, 2, &as);
	well = open_for(&s, 3);
	assert_string_equal(last_member(old, "Health"), "[\"T: y\"]");
	assert_string_equal(last_member(old, "DisplayMessages"), "absent");
	assert_string_equal(last_member(new, "Health"), "absent");
	assert_string_equal(last_member(new, "DisplayMessages"), "{\"*\":null,\"x\":{\"Title\":\"T\",\"Text\":\"y\",\"Severity\":\"low\"}}");
	assert_string_equal(last_member(new, "ClientVersion"), "{\"LatestVersion\":\"1.104.5\"}");
	assert_string_equal(last_member(well, "Health"), "absent");
	assert_string_equal(last_member(well, "DisplayMessages"), "absent");
	assert_string_equal(last_member(well, "ClientVersion"), "absent");
	assert_int_equal(map_stream_messages(s.ms[0], NULL, 0, s.now), ST_OK);
	assert_string_equal(last_member(old, "Health"), "[]");
	assert_int_equal(map_stream_messages(s.ms[1], NULL, 0, s.now), ST_OK);
	assert_string_equal(last_member(new, "DisplayMessages"), "{\"*\":null}");
	new->open = false;
	assert_int_equal(map_stream_messages(s.ms[1], &wrong, 1, s.now), ST_AGAIN);
	assert_int_equal(map_stream_client_version(s.ms[1], &latest, s.now), ST_AGAIN);
	strike_stage(&s);
}

/* ---- bytes ------------------------------------------------------------------------------------------------- */

static void expect_part(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		return;
	fprintf(stderr, "%s\nis not in\n%s\n", part, text); /* fail_msg() would cut it */
	fail();
}

static void put_key(uint8_t *b, uint8_t v)
{
	memset(b, v, KEY_LEN);
}

static void a_peer_is_written_as_clients_read_it(void **state)
{
	static const char *const tags[] = { "tag:a", "tag:b" };
	struct ip_prefix routes[2] = { { .addr = { IP_V4, { [12] = 10 } }, .bits = 8 }, { .addr = { IP_V4, { 0 } }, .bits = 0 } };
	struct endpoint e[2] = { { .addr = { IP_V4, { [12] = 192, [14] = 2, [15] = 1 } }, .port = 41641 },
				 { .addr = { IP_V6, { 0x20, 1, 0xd, 0xb8, [15] = 1 } }, .port = 5 } };
	struct stage s;
	struct node *n;
	struct buf b;

	(void)state;
	raise_stage(&s, 1);
	world_begin(&s.w);
	world_add(&s.w, 0, NULL);
	n = world_edit(&s.w, 2);
	put_key(n->key.b, 0x11);
	put_key(n->machine.b, 0x22);
	put_key(n->disco.b, 0x33);
	node_set_name(n, "web");
	n->ip6 = (struct ip_addr){ IP_V6, { 0xfd, 0x7a, [15] = 2 } };
	str_list_unref(&n->tags);
	n->tags = str_list_new(tags, 2);
	prefix_list_unref(&n->announced_routes);
	prefix_list_unref(&n->approved_routes);
	n->announced_routes = prefix_list_new(routes, 2);
	n->approved_routes = prefix_list_new_set(routes, 2);
	endpoint_list_unref(&n->endpoints);
	n->endpoints = endpoint_list_new(e, 2);
	n->home_derp = 3;
	n->online = false;
	n->last_seen_ns = 1700000000 * NS_PER_S;
	n->key_expiry_ns = 1600000001 * NS_PER_S;
	n->expired = true;
	world_put(&s.w, n, TOUCH_WHOLE);
	publication_unref(&(struct publication *){ world_publish(&s.w) });
	buf_init(&b, 1 << 20);
	assert_int_equal(mapper_debug_netmap(s.m, s.w.cur, 1, &b), ST_OK);
	buf_put_char(&b, 0);
	expect_part((const char *)b.p,
		    "\"Peers\":[{\"ID\":2,\"StableID\":\"2\",\"Name\":\"web.example.net.\",\"User\":2147455555,"
		    "\"Key\":\"nodekey:1111111111111111111111111111111111111111111111111111111111111111\",\"KeyExpiry\":\"2020-09-13T12:26:41Z\","
		    "\"Machine\":\"mkey:2222222222222222222222222222222222222222222222222222222222222222\","
		    "\"DiscoKey\":\"discokey:3333333333333333333333333333333333333333333333333333333333333333\","
		    "\"Addresses\":[\"100.64.0.2/32\",\"fd7a::2/128\"],"
		    "\"AllowedIPs\":[\"100.64.0.2/32\",\"fd7a::2/128\",\"10.0.0.0/8\",\"0.0.0.0/0\",\"::/0\"],"
		    "\"Endpoints\":[\"192.0.2.1:41641\",\"[2001:db8::1]:5\"],\"HomeDERP\":3,\"Hostinfo\":{\"OS\":\"linux\"},"
		    "\"Created\":\"2020-09-13T12:26:40Z\",\"Cap\":113,\"Tags\":[\"tag:a\",\"tag:b\"],\"PrimaryRoutes\":[\"10.0.0.0/8\"],"
		    "\"Online\":false,\"LastSeen\":\"2023-11-14T22:13:20Z\",\"MachineAuthorized\":true,\"Expired\":true}]}");
	expect_part((const char *)b.p, "{\"ID\":2147455555,\"LoginName\":\"tagged-devices\",\"DisplayName\":\"Tagged Devices\"}");
	expect_part((const char *)b.p, "\"Debug\":{\"DisableLogTail\":true}");
	buf_release(&b);
	strike_stage(&s);
}

/* A way to everywhere is allowed by its addresses as well; and who is there was not seen last at some time. */
static void an_exit_node_that_is_there(void **state)
{
	struct ip_prefix all[2] = { { .addr = { IP_V4, { 0 } }, .bits = 0 }, { .addr = { IP_V6, { 0 } }, .bits = 0 } };
	struct stage s;
	struct node *n;
	struct buf b;

	(void)state;
	raise_stage(&s, 1);
	world_begin(&s.w);
	world_add(&s.w, 0, NULL);
	n = world_edit(&s.w, 2);
	n->ip6 = (struct ip_addr){ IP_V6, { 0xfd, 0x7a, [15] = 2 } };
	prefix_list_unref(&n->announced_routes);
	prefix_list_unref(&n->approved_routes);
	n->announced_routes = prefix_list_new_set(all, 2);
	n->approved_routes = prefix_list_new_set(all, 2);
	n->online = true;
	n->last_seen_ns = 1700000000 * NS_PER_S;
	world_put(&s.w, n, TOUCH_WHOLE);
	publication_unref(&(struct publication *){ world_publish(&s.w) });
	buf_init(&b, 1 << 20);
	assert_int_equal(mapper_debug_netmap(s.m, s.w.cur, 1, &b), ST_OK);
	buf_put_char(&b, 0);
	expect_part((const char *)b.p, "\"AllowedIPs\":[\"100.64.0.2/32\",\"fd7a::2/128\",\"0.0.0.0/0\",\"::/0\"]");
	expect_part((const char *)b.p, "\"Online\":true,\"MachineAuthorized\":true");
	assert_null(strstr((const char *)b.p, "LastSeen"));
	buf_release(&b);
	strike_stage(&s);
}

static void expect_dns(struct stage *s, const char *text)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	assert_int_equal(mapper_debug_netmap(s->m, s->w.cur, 1, &b), ST_OK);
	buf_put_char(&b, 0);
	expect_part((const char *)b.p, text);
	buf_release(&b);
}

static void dns_is_written_as_clients_read_it(void **state)
{
	static const char *const global[] = { "1.1.1.1", "https://dns.nextdns.io/abc?x=y" }, *const split[] = { "10.0.0.53" },
				 *const search[] = { "corp.example" };
	struct dns_settings *d = dns_settings_new();
	struct tailnet_settings *t = tailnet_settings_new();
	struct stage s;
	char name[32];

	(void)state;
	raise_stage(&s, 1);
	d->magic_dns = true;
	settings_set_text(&d->base_domain, "example.net");
	d->servers = str_list_new(global, 2);
	d->search = str_list_new(search, 1);
	dns_settings_add_split(d, "corp.example", str_list_new(split, 1));
	dns_settings_add_split(d, "own.example", NULL);
	dns_settings_add_record(d, "a.example.net", "", "10.0.0.9");
	t->prefix4 = (struct ip_prefix){ .addr = { IP_V4, { [12] = 100, [13] = 64 } }, .bits = 14 };
	t->prefix6 = (struct ip_prefix){ .addr = { IP_V6, { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0 } }, .bits = 48 };
	world_begin(&s.w);
	dns_settings_unref(&s.w.next->dns);
	tailnet_settings_unref(&s.w.next->settings);
	s.w.next->dns = d;
	s.w.next->settings = t;
	publication_unref(&(struct publication *){ world_publish(&s.w) });
	snprintf(name, sizeof name, "%s", snapshot_node(s.w.cur, 1)->hostname);
	expect_dns(&s, "\"DNSConfig\":{\"FallbackResolvers\":[{\"Addr\":\"1.1.1.1\"},"
		       "{\"Addr\":\"https://dns.nextdns.io/abc?device_ip=100.64.0.1&device_model=&device_name=n1\"}],"
		       "\"Routes\":{\"corp.example\":[{\"Addr\":\"10.0.0.53\"}],\"own.example\":[],"
		       "\"64.100.in-addr.arpa\":[],\"65.100.in-addr.arpa\":[],\"66.100.in-addr.arpa\":[],\"67.100.in-addr.arpa\":[],"
		       "\"0.e.1.a.c.5.1.1.a.7.d.f.ip6.arpa\":[]},"
		       "\"Domains\":[\"example.net\",\"corp.example\"],\"Proxied\":true,"
		       "\"ExtraRecords\":[{\"Name\":\"a.example.net\",\"Value\":\"10.0.0.9\"}]}");
	strike_stage(&s);
}

/* ---- threads --------------------------------------------------------------------------------------------------- */

#define STEPS 150

struct worker {
	struct mapper *m;
	struct snapshot *start;
	struct publication *const *pubs;
	struct client c[10];
};

static void *work(void *arg)
{
	struct worker *k = arg;
	struct mapper_loop *ml = mapper_loop_new(k->m, k->start);
	struct map_stream *ms[10] = { NULL };
	int64_t now = 1000 * NS_PER_S;

	for (size_t i = 0; i < STEPS; i++) {
		size_t who = i % 10;

		map_stream_close(&ms[who]);
		client_release(&k->c[who]);
		client_init(&k->c[who], 1 + i % 100, MAP_ZSTD);
		if (map_stream_open(ml, 1 + i % 100, &(struct map_client){ .format = MAP_ZSTD, .cap = 113 }, &client_sink, &k->c[who], now, &ms[who]) != ST_OK)
			abort();
		mapper_loop_advance(ml, k->pubs[i], now);
		now += MS(20);
		mapper_loop_tick(ml, now);
	}
	mapper_loop_tick(ml, now + MS(300));
	for (size_t i = 0; i < 10; i++)
		map_stream_close(&ms[i]);
	mapper_loop_free(&ml);
	return NULL;
}

/* For the thread sanitizer: pieces and segments are made and used on both at once. */
static void two_loops_share_what_is_encoded(void **state)
{
	struct publication *pubs[STEPS];
	struct worker k[2];
	pthread_t thread[2];
	struct stage s;

	(void)state;
	raise_stage(&s, 130);
	memset(k, 0, sizeof k);
	for (int t = 0; t < 2; t++) {
		k[t] = (struct worker){ .m = s.m, .start = snapshot_ref(s.w.cur), .pubs = pubs };
		for (size_t i = 0; i < 10; i++)
			client_init(&k[t].c[i], 1, MAP_ZSTD);
	}
	for (size_t i = 0; i < STEPS; i++) {
		struct node *n;

		world_begin(&s.w);
		n = world_edit(&s.w, 101 + i % 29);
		n->home_derp = 1 + (uint32_t)i;
		world_put(&s.w, n, i % 7 ? TOUCH_PRESENCE : TOUCH_WHOLE);
		pubs[i] = world_publish(&s.w);
	}
	for (int t = 0; t < 2; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, work, &k[t]), 0);
	for (int t = 0; t < 2; t++)
		pthread_join(thread[t], NULL);
	for (int t = 0; t < 2; t++) {
		for (size_t i = 0; i < 10; i++) {
			assert_string_equal(k[t].c[i].error, "");
			assert_int_equal(client_peers(&k[t].c[i]), 129);
			client_release(&k[t].c[i]);
		}
		snapshot_unref(&k[t].start);
	}
	for (size_t i = 0; i < STEPS; i++)
		publication_unref(&pubs[i]);
	strike_stage(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_map_is_spliced_of_shared_pieces),
		cmocka_unit_test(every_viewer_of_a_page_gets_the_others),
		cmocka_unit_test(a_node_is_seen_once_its_disco_key_is_known),
		cmocka_unit_test(an_unknown_node_has_no_map),
		cmocka_unit_test(one_map_may_come_alone_and_without_peers),
		cmocka_unit_test(a_change_is_encoded_once_for_all_in_step),
		cmocka_unit_test(nobody_hears_of_its_own_presence),
		cmocka_unit_test(the_first_change_goes_at_once_and_the_next_are_gathered),
		cmocka_unit_test(a_removal_never_waits),
		cmocka_unit_test(a_slow_reader_gets_one_merged_message),
		cmocka_unit_test(who_never_reads_is_ended),
		cmocka_unit_test(a_deleted_node_is_told_that_its_key_is_over),
		cmocka_unit_test(the_own_node_comes_only_when_it_is_another),
		cmocka_unit_test(silence_is_broken_by_keepalives),
		cmocka_unit_test(pings_need_room),
		cmocka_unit_test(what_is_wrong_goes_in_the_form_of_the_client),
		cmocka_unit_test(a_peer_is_written_as_clients_read_it),
		cmocka_unit_test(an_exit_node_that_is_there),
		cmocka_unit_test(dns_is_written_as_clients_read_it),
		cmocka_unit_test(two_loops_share_what_is_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
