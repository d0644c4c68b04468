/*
 * bench/mapper.c -- what maps cost: first maps, changes, memory of a stream.
 *
 *     mapper [NODES [STREAMS]]     10000 10000 unless given
 *
 * Everybody sees everybody (the policy engine without a policy); nodes as a client describes itself. The sink counts
 * bytes and keeps nothing. Prints one line a question; CPU time of this thread.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "base/vec.h"
#include "mapper/mapper.h"
#include "policy/engine.h"
#include "state/settings.h"
#include "state/snapshot_priv.h"

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- a world ---- */

#define HOSTINFO                                                                                                       \
	"{\"IPNVersion\":\"1.102.5-t0123456-g89abcdef0\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Distro\":\"debian\","           \
	"\"Hostname\":\"host\",\"GoArch\":\"amd64\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":54321},"                       \
	"{\"Proto\":\"peerapi6\",\"Port\":54321},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}]}"

static struct node *make_node(node_id id)
{
	struct endpoint e[3] = { 0 };
	struct node *n = node_new();
	char name[32];

	n->id = id;
	n->tailnet = TAILNET_DEFAULT;
	n->user = 1 + id % 50;
	random_bytes(n->key.b, sizeof n->key.b);
	random_bytes(n->machine.b, sizeof n->machine.b);
	random_bytes(n->disco.b, sizeof n->disco.b);
	n->created_ns = 1700000000 * NS_PER_S;
	n->key_expiry_ns = 1800000000 * NS_PER_S;
	n->cap = 142;
	n->online = true;
	n->home_derp = 1 + (uint32_t)id % 20;
	snprintf(name, sizeof name, "host-%u", (unsigned)id);
	node_set_name(n, name);
	node_set_hostname(n, name);
	n->ip4 = (struct ip_addr){ IP_V4, { [12] = 100, [13] = (uint8_t)(64 + (id >> 16)), [14] = (uint8_t)(id >> 8), [15] = (uint8_t)id } };
	n->ip6 = (struct ip_addr){ IP_V6, { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, [13] = (uint8_t)(id >> 16), [14] = (uint8_t)(id >> 8), [15] = (uint8_t)id } };
	for (int i = 0; i < 3; i++) {
		e[i].addr = (struct ip_addr){ IP_V4, { [12] = 10 } };
		random_bytes(e[i].addr.b + 13, 3);
		e[i].port = 41641;
	}
	n->endpoints = endpoint_list_new(e, 3);
	n->hostinfo = shared_bytes_new(BYTES_LIT(HOSTINFO));
	n->hostinfo_peer = shared_bytes_ref(n->hostinfo);
	return n;
}

static struct snapshot *make_world(size_t nodes)
{
	struct policy_node *facts = xcalloc(nodes, sizeof *facts);
	struct policy_user users[50] = { 0 };
	struct node **all = xcalloc(nodes, sizeof(struct node *));
	struct policy_world world = { .users = users, .n_users = 50, .nodes = facts, .n_nodes = nodes };
	struct snapshot *s = snapshot_new(TAILNET_DEFAULT);

	s->seq = 1;
	s->dns = dns_settings_new();
	s->dns->magic_dns = true;
	settings_set_text(&s->dns->base_domain, "example.net");
	s->settings = tailnet_settings_new();
	s->settings->prefix4 = (struct ip_prefix){ .addr = { IP_V4, { [12] = 100, [13] = 64 } }, .bits = 10 };
	settings_set_text(&s->settings->name, "example");
	s->derp_map = shared_bytes_new(BYTES_LIT("{\"Regions\":{\"1\":{\"RegionID\":1,\"RegionCode\":\"a\",\"RegionName\":\"A\",\"Nodes\":[]}}}"));
	for (size_t i = 0; i < 50; i++) {
		struct user *u = user_new();
		char name[32];

		u->id = i + 1;
		snprintf(name, sizeof name, "user%zu", i);
		user_set_text(&u->name, name);
		user_table_put(&s->users, u);
		users[i] = (struct policy_user){ .id = u->id, .name = "user" };
		user_unref(&u);
	}
	for (size_t i = 0; i < nodes; i++) {
		all[i] = make_node(i + 1);
		facts[i] = (struct policy_node){ .id = i + 1, .registered = i, .user = all[i]->user, .ip4 = all[i]->ip4, .ip6 = all[i]->ip6, .live = true };
	}
	s->policy = policy_engine_new(NULL, &world);
	for (size_t i = 0; i < nodes; i++) {
		snapshot_add_node(s, all[i], policy_class_of(s->policy, all[i]->id));
		node_unref(&all[i]);
	}
	free(all);
	free(facts);
	return s;
}

/* ---- streams that count ---- */

struct count {
	size_t messages, bytes, pieces;
};

static bool can_take(void *arg)
{
	(void)arg;
	return true;
}

static void take(void *arg, struct shared_bytes *const *v, size_t n)
{
	struct count *c = arg;

	c->messages++;
	c->pieces += n;
	for (size_t i = 0; i < n; i++)
		c->bytes += v[i]->n;
}

static void end(void *arg, enum map_end why)
{
	(void)arg;
	(void)why;
}

static const struct map_sink sink = { can_take, take, end };

struct bench {
	struct snapshot *s;
	struct mapper *m;
	struct mapper_loop *ml;
	struct map_stream **ms;
	struct count c;
	size_t n;
	int64_t now;
};

static size_t heap(void)
{
	struct mallinfo2 mi = mallinfo2();

	return mi.uordblks + mi.hblkhd;
}

static void open_all(struct bench *b, size_t streams)
{
	for (; b->n < streams; b->n++)
		if (map_stream_open(b->ml, b->n + 1, &(struct map_client){ .format = MAP_ZSTD, .cap = 142 }, &sink, &b->c, b->now,
				    &b->ms[b->n]) != ST_OK)
			abort();
}

static void close_to(struct bench *b, size_t streams)
{
	while (b->n > streams)
		map_stream_close(&b->ms[--b->n]);
}

/* One node reports another DERP home. */
static void change(struct bench *b, node_id id)
{
	struct snapshot *next = snapshot_begin(b->s, b->s->seq + 1);
	struct node *n = node_copy(snapshot_node(next, id));
	struct node_change c = { .id = id, .kind = CHANGE_PRESENCE };
	struct publication *p;

	c.old_class = c.new_class = snapshot_slot(next, id, NULL)->class_id;
	n->home_derp = n->home_derp % 20 + 1;
	snapshot_replace_node(next, n, TOUCH_PRESENCE);
	node_unref(&n);
	p = publication_new(b->s, next, 0, &c, 1, NULL, 0);
	snapshot_unref(&b->s);
	b->s = next;
	mapper_loop_advance(b->ml, p, b->now);
	publication_unref(&p);
}

/* ---- questions ---- */

static void first_maps(struct bench *b)
{
	double t = cpu_us(), cold;
	struct count before;

	open_all(b, 1);
	cold = cpu_us() - t;
	open_all(b, 64); /* the blocks of the first page */
	close_to(b, 1);
	before = b->c;
	t = cpu_us();
	open_all(b, 64);
	t = cpu_us() - t;
	printf("first map of %zu peers: cold %.0f us, warm %.1f us, %zu bytes in %zu pieces (%.0f bytes a peer)\n", b->s->n_nodes - 1,
	       cold, t / 63, (b->c.bytes - before.bytes) / 63, (b->c.pieces - before.pieces) / 63,
	       (double)(b->c.bytes - before.bytes) / 63 / (double)(b->s->n_nodes - 1));
}

static void memory(struct bench *b, size_t streams)
{
	size_t before;
	double t;

	close_to(b, 1);
	before = heap();
	t = cpu_us();
	open_all(b, streams);
	t = cpu_us() - t;
	printf("%zu streams opened: %.1f us each (all blocks of all pages made on the way); %.0f bytes a stream with the pieces, %zu a stream alone\n",
	       streams, t / (double)(streams - 1), (double)(heap() - before) / (double)streams, map_stream_size());
}

static void presence(struct bench *b, size_t streams)
{
	const int rounds = 20;
	struct count before;
	double t;

	close_to(b, streams);
	open_all(b, streams);
	before = b->c;
	t = cpu_us();
	for (int i = 0; i < rounds; i++) {
		b->now += NS_PER_S;
		change(b, b->s->n_nodes - (node_id)i);
	}
	t = cpu_us() - t;
	printf("one presence change, %zu streams: %.0f us, %.3f us a record (%zu messages of %zu bytes)\n", streams, t / rounds,
	       t / rounds / (double)streams, (b->c.messages - before.messages) / (size_t)rounds,
	       (b->c.bytes - before.bytes) / (b->c.messages - before.messages));
}

/* Every node changes within a second, one publication each. */
static void storm(struct bench *b, size_t streams)
{
	struct count before;
	double t;

	close_to(b, streams);
	open_all(b, streams);
	before = b->c;
	t = cpu_us();
	for (node_id id = 1; id <= streams; id++) {
		b->now += NS_PER_S / (int64_t)streams;
		change(b, id);
		if (mapper_loop_next_deadline(b->ml) <= b->now)
			mapper_loop_tick(b->ml, b->now);
	}
	b->now += NS_PER_S;
	mapper_loop_tick(b->ml, b->now);
	t = cpu_us() - t;
	printf("%zu nodes change within a second, %zu streams: %.0f ms, %.1f messages a stream, %.1f KB a stream\n", streams, streams, t / 1e3,
	       (double)(b->c.messages - before.messages) / (double)streams, (double)(b->c.bytes - before.bytes) / (double)streams / 1e3);
}

/* After a restart: every node comes back within two seconds, and each coming back is a presence change. */
static void restart(struct bench *b, size_t streams)
{
	struct count before = b->c;
	double t;

	close_to(b, 0);
	t = cpu_us();
	while (b->n < streams) {
		b->now += 2 * NS_PER_S / (int64_t)streams;
		change(b, b->n + 1);
		open_all(b, b->n + 1);
		if (mapper_loop_next_deadline(b->ml) <= b->now)
			mapper_loop_tick(b->ml, b->now);
	}
	b->now += NS_PER_S;
	mapper_loop_tick(b->ml, b->now);
	t = cpu_us() - t;
	printf("%zu nodes come back within two seconds: %.0f ms of CPU, %.0f us each; %.1f messages and %.0f KB a stream\n", streams, t / 1e3,
	       t / (double)streams, (double)(b->c.messages - before.messages) / (double)streams,
	       (double)(b->c.bytes - before.bytes) / (double)streams / 1e3);
}

int main(int argc, char **argv)
{
	size_t nodes = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000, streams = argc > 2 ? strtoul(argv[2], NULL, 10) : nodes;
	struct bench b = { .now = 1000 * NS_PER_S };

	if (streams > nodes || streams < 100)
		return 2;
	b.s = make_world(nodes);
	b.ms = xcalloc(streams, sizeof(struct map_stream *));
	b.m = mapper_new(&(struct mapper_opts){ .n_loops = 1, .piece_bytes = (size_t)256 << 20 });
	b.ml = mapper_loop_new(b.m, b.s);
	first_maps(&b);
	memory(&b, streams);
	presence(&b, streams < 1000 ? streams : 1000);
	presence(&b, streams);
	storm(&b, streams < 1000 ? streams : 1000);
	restart(&b, streams < 1000 ? streams : 1000);
	restart(&b, streams);
	close_to(&b, 0);
	mapper_loop_free(&b.ml);
	mapper_free(&b.m);
	snapshot_unref(&b.s);
	free(b.ms);
	return 0;
}
