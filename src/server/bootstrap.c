/*
 * server/bootstrap.c -- /bootstrap-dns: addresses of this server and of the relays, for clients whose name resolution fails.
 *
 * Addresses that the DERP map or the configuration state are taken from there, the others asked of DNS on a helper thread: at
 * the start, when the map changes, and every ten minutes. An answer costs a look into a table that is made by then; nobody
 * makes us ask DNS by asking us. A name that DNS does not answer any more keeps what it had.
 *
 * The table is counted and frozen: requests on any loop hold a reference while they read it.
 */
#include "server/server_priv.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "base/vec.h"

#define EVERY_MS   (10u * 60 * 1000)
#define NAMES_MAX  1024u /* relays of a map, and ourselves */
#define ADDRS_MAX  8u    /* of one name */
#define ASK_NS     (30 * NS_PER_S) /* for all of DNS in one round: what comes after waits for the next */

struct name {
	char *host;
	char addrs[ADDRS_MAX][INET6_ADDRSTRLEN];
	size_t n;
	bool ask; /* DNS has to say */
};

struct table {
	_Atomic unsigned refs;
	struct name v[NAMES_MAX]; /* by host */
	size_t n;
};

struct server_bootstrap {
	struct server *srv;
	pthread_mutex_t lock;  /* of `now` */
	struct table *now;     /* NULL: nothing yet */
	struct shared_bytes *map;
	struct loop_timer timer;
	/* One round at a time, on a helper thread. */
	bool running, again;
	atomic_bool stopped;
	bool left; /* nobody else knows of it: the round under way ends it */
	struct shared_bytes *work_map;
	struct table *old, *made;
};

/* ---- the table ---- */

static void table_unref(struct table **tp)
{
	struct table *t = *tp;

	*tp = NULL;
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].host);
	free(t);
}

static struct table *table_ref(struct server_bootstrap *b)
{
	struct table *t;

	pthread_mutex_lock(&b->lock);
	t = b->now;
	if (t != NULL)
		atomic_fetch_add(&t->refs, 1);
	pthread_mutex_unlock(&b->lock);
	return t;
}

static int by_host(const void *a, const void *b)
{
	return strcasecmp(((const struct name *)a)->host, ((const struct name *)b)->host);
}

static const struct name *find(const struct table *t, const char *host)
{
	struct name key = { .host = (char *)(uintptr_t)host };

	return t == NULL ? NULL : bsearch(&key, t->v, t->n, sizeof t->v[0], by_host);
}

static struct name *add(struct table *t, const char *host)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcasecmp(t->v[i].host, host) == 0)
			return &t->v[i];
	if (t->n == NAMES_MAX || host[0] == '\0')
		return NULL;
	t->v[t->n] = (struct name){ .host = xstrdup(host) };
	return &t->v[t->n++];
}

/* An address of the family; words like "none" and "" are none. */
static void add_addr(struct name *e, int family, const char *text)
{
	uint8_t raw[16];

	if (e->n == ADDRS_MAX || inet_pton(family, text, raw) != 1)
		return;
	for (size_t i = 0; i < e->n; i++)
		if (strcmp(e->addrs[i], text) == 0)
			return;
	snprintf(e->addrs[e->n++], INET6_ADDRSTRLEN, "%s", text);
}

/* ---- a round ---- */

static void add_host(struct table *t, const char *host, const char *ip4, const char *ip6)
{
	uint8_t raw[16];
	struct name *e;

	if (inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1)
		return;
	e = add(t, host);
	if (e == NULL)
		return;
	add_addr(e, AF_INET, ip4);
	add_addr(e, AF_INET6, ip6);
	e->ask = e->n == 0;
}

static void add_map(struct table *t, struct bytes json)
{
	struct derp_map *m = NULL;

	if (derp_map_parse_json(json, &m, NULL) != ST_OK)
		return;
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < m->regions[i].n; k++)
			add_host(t, m->regions[i].nodes[k].host_name, m->regions[i].nodes[k].ipv4, m->regions[i].nodes[k].ipv6);
	derp_map_free(&m);
}

static void ask_dns(struct name *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;

	if (getaddrinfo(e->host, NULL, &hints, &list) != 0)
		return;
	for (struct addrinfo *a = list; a != NULL; a = a->ai_next) {
		char text[INET6_ADDRSTRLEN];
		const void *raw = a->ai_family == AF_INET6 ? (const void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr
							   : (const void *)&((struct sockaddr_in *)a->ai_addr)->sin_addr;

		if ((a->ai_family == AF_INET || a->ai_family == AF_INET6) && inet_ntop(a->ai_family, raw, text, sizeof text) != NULL)
			add_addr(e, a->ai_family, text);
	}
	freeaddrinfo(list);
}

static void round_work(void *arg)
{
	struct server_bootstrap *b = arg;
	const struct config *c = b->srv->config;
	struct table *t = xcalloc(1, sizeof *t);
	int64_t until = clock_mono_ns() + ASK_NS;

	atomic_init(&t->refs, 1);
	add_host(t, c->server_url.host, c->derp.server.ipv4, c->derp.server.ipv6); /* first: it is asked before all others */
	if (b->work_map != NULL)
		add_map(t, shared_bytes_view(b->work_map));
	for (size_t i = 0; i < t->n; i++) {
		const struct name *old = find(b->old, t->v[i].host);

		if (t->v[i].ask && clock_mono_ns() < until && !atomic_load(&b->stopped))
			ask_dns(&t->v[i]);
		if (t->v[i].ask && t->v[i].n == 0 && old != NULL) {
			memcpy(t->v[i].addrs, old->addrs, sizeof old->addrs);
			t->v[i].n = old->n;
		}
	}
	qsort(t->v, t->n, sizeof t->v[0], by_host);
	b->made = t;
}

static void free_it(struct server_bootstrap *b)
{
	table_unref(&b->now);
	table_unref(&b->old);
	table_unref(&b->made);
	shared_bytes_unref(&b->map);
	shared_bytes_unref(&b->work_map);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static void begin(void *arg);

static void round_done(void *arg)
{
	struct server_bootstrap *b = arg;

	b->running = false;
	table_unref(&b->old);
	shared_bytes_unref(&b->work_map);
	if (b->left) {
		free_it(b);
		return;
	}
	if (b->stopped)
		return;
	pthread_mutex_lock(&b->lock);
	b->old = b->now;
	b->now = b->made;
	b->made = NULL;
	pthread_mutex_unlock(&b->lock);
	table_unref(&b->old);
	loop_timer_start(&b->timer, EVERY_MS);
	if (b->again)
		begin(b);
}

static void begin(void *arg)
{
	struct server_bootstrap *b = arg;

	b->again = b->running;
	if (b->running)
		return;
	b->running = true;
	b->old = table_ref(b);
	b->work_map = shared_bytes_ref(b->map);
	loop_work(b->srv->main, round_work, round_done, b);
}

/* ---- from outside ---- */

void server_bootstrap_map(struct server *srv, struct shared_bytes *json)
{
	struct server_bootstrap *b = srv->bootstrap;

	if (b == NULL) {
		b = xcalloc(1, sizeof *b);
		b->srv = srv;
		pthread_mutex_init(&b->lock, NULL);
		srv->bootstrap = b;
	}
	shared_bytes_unref(&b->map);
	b->map = shared_bytes_ref(json);
	if (b->timer.loop != NULL)
		begin(b);
}

void server_bootstrap_start(struct server *srv)
{
	struct server_bootstrap *b = srv->bootstrap;

	if (srv->relay == NULL || b == NULL)
		return; /* only relays are asked */
	loop_timer_init(&b->timer, srv->main, begin, b);
	begin(b);
}

void server_bootstrap_stop(struct server *srv)
{
	struct server_bootstrap *b = srv->bootstrap;

	if (b == NULL)
		return;
	if (b->timer.loop != NULL)
		loop_timer_cancel(&b->timer);
	b->stopped = true;
}

void server_bootstrap_free(struct server *srv)
{
	struct server_bootstrap *b = srv->bootstrap;

	srv->bootstrap = NULL;
	if (b != NULL && b->running)
		b->left = true;
	else if (b != NULL)
		free_it(b);
}

static void write_name(struct jw *w, const struct name *e)
{
	if (e->n == 0)
		return;
	jw_key_bytes(w, bytes_of_str(e->host));
	jw_arr_begin(w);
	for (size_t i = 0; i < e->n; i++)
		jw_str(w, e->addrs[i]);
	jw_arr_end(w);
}

void server_bootstrap_answer(void *arg, const char *name, struct buf *out)
{
	struct server *srv = arg;
	struct table *t = srv->bootstrap != NULL ? table_ref(srv->bootstrap) : NULL;
	const struct name *one = find(t, name);
	struct jw w;

	if (t == NULL)
		return;
	if (name[0] == '\0' || (one != NULL && one->n > 0)) {
		jw_init(&w, out);
		jw_obj_begin(&w);
		if (one != NULL)
			write_name(&w, one);
		for (size_t i = 0; i < t->n && name[0] == '\0'; i++)
			write_name(&w, &t->v[i]);
		jw_obj_end(&w);
	}
	table_unref(&t);
}
