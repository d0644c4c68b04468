/*
 * derp/conn.c -- a connection's life: adoption, login, standing, timers, end (see derp/relay_priv.h).
 */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "crypto/secret.h"
#include "derp/relay_priv.h"
#include "net/stream.h"

#define NOTSENT_LOWAT   (128 * 1024)

/* ---- slots ---- */

static bool slot_take(struct dloop *l, struct dconn *c)
{
	uint32_t i;

	if (l->free_slot) {
		i = l->free_slot - 1;
		l->free_slot = l->slots.v[i].next_free;
	} else {
		if (l->slots.n >= DERP_SLOTS_MAX)
			return false;
		i = (uint32_t)l->slots.n;
		vec_push(&l->slots, ((struct slot){ .gen = 1 }));
	}
	l->slots.v[i].c = c;
	c->slot = i;
	c->gen = l->slots.v[i].gen;
	return true;
}

static void slot_give(struct dloop *l, struct dconn *c)
{
	struct slot *s = &l->slots.v[c->slot];

	s->c = NULL;
	if (++s->gen == 0)
		s->gen = 1;
	s->next_free = l->free_slot;
	l->free_slot = c->slot + 1;
}

/* ---- timers ---- */

static uint64_t login_ms(const struct dconn *c)
{
	return c->since_ms + c->l->r->set.login_ms;
}

static uint64_t stall_due_ms(const struct dconn *c)
{
	const struct derp_settings *set = &c->l->r->set;

	return c->stall_ms + (c->mesh || c->role == D_PEER ? set->mesh_stall_ms : set->write_stall_ms);
}

void dconn_arm_timer(struct dconn *c)
{
	uint64_t now = loop_now_ms(c->l->loop), due = c->state == D_OPEN ? c->keepalive_ms : login_ms(c);

	if (c->stall_ms && stall_due_ms(c) < due)
		due = stall_due_ms(c);
	if (due != UINT64_MAX)
		loop_timer_start(&c->timer, due > now ? due - now : 0);
}

static void next_keepalive(struct dconn *c)
{
	if (c->role == D_PEER) {
		c->keepalive_ms = UINT64_MAX; /* servers send them, clients do not */
		return;
	}
	c->keepalive_ms = loop_now_ms(c->l->loop) + c->l->r->set.keepalive_ms + random_below(5001);
}

/* How far away the client is, for the statistics. */
static void note_rtt(struct dconn *c)
{
#ifdef TCP_INFO
	static const uint32_t below[DERP_RTT_COUNT] = {
#define X(name, us) us,
		DERP_RTTS(X)
#undef X
	};
	struct tcp_info info;
	socklen_t n = sizeof info;
	int i = 0;

	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
		return; /* no TCP */
	while (i + 1 < DERP_RTT_COUNT && info.tcpi_rtt > below[i])
		i++;
	COUNT(c->l, rtt[i]);
#else
	(void)c;
#endif
}

/* tls12 or tls13 more, or less. */
static void count_tls(struct dconn *c, int k)
{
	if (c->tls13)
		COUNT_ADD(c->l, tls13, k);
	else if (c->ssl)
		COUNT_ADD(c->l, tls12, k);
}

static void on_timer(void *arg)
{
	struct dconn *c = arg;
	uint64_t now = loop_now_ms(c->l->loop);
	uint8_t frame[DERP_HEADER_LEN];

	if (c->stall_ms && now >= stall_due_ms(c)) {
		dconn_close(c, DERP_CLOSE_write_timeout);
		return;
	}
	if (c->state != D_OPEN && now >= login_ms(c)) {
		dconn_close(c, DERP_CLOSE_login_timeout);
		return;
	}
	if (c->state == D_OPEN && now >= c->keepalive_ms) {
		next_keepalive(c);
		COUNT(c->l, n.keepalives);
		note_rtt(c);
		egress_control(c, bytes_of(frame, derp_put_keep_alive(frame)));
	}
	if (c->state != D_CLOSED)
		dconn_arm_timer(c);
}

/* ---- adoption ---- */

static void on_events(void *arg, unsigned events)
{
	struct dconn *c = arg;

	if (events == 0) { /* an error: reading says which */
		if (c->state != D_CLOSED)
			ingress_readable(c);
		return;
	}
	if (events & LOOP_FD_WRITE && c->state != D_CLOSED)
		egress_writable(c);
	if (events & LOOP_FD_READ && c->state != D_CLOSED)
		ingress_readable(c);
}

void dconn_want(struct dconn *c, unsigned events)
{
	if (c->want == events || c->state == D_CLOSED)
		return;
	c->want = (uint8_t)events;
	loop_fd_want(c->watch, events);
}

static void socket_options(int fd, const struct derp_settings *set)
{
	int on = 1, user_timeout = (int)set->user_timeout_ms, idle = (int)set->tcp_idle_s, lowat = NOTSENT_LOWAT;

	/* None of them is needed for being right, and local sockets know none: failures do not matter. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
#ifdef TCP_KEEPIDLE
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
#endif
#ifdef TCP_USER_TIMEOUT
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
#endif
#ifdef TCP_NOTSENT_LOWAT
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
#endif
	(void)user_timeout;
	(void)idle;
	(void)lowat;
}

/* ---- those who have not logged in ---- */

static void login_enter(struct dconn *c)
{
	struct dloop *l = c->l;

	c->login_prev = l->login_last;
	if (l->login_last)
		l->login_last->login_next = c;
	else
		l->login_first = c;
	l->login_last = c;
}

static void login_leave(struct dconn *c)
{
	struct dloop *l = c->l;

	if (c->login_prev)
		c->login_prev->login_next = c->login_next;
	else if (l->login_first == c)
		l->login_first = c->login_next;
	else
		return; /* left already */
	if (c->login_next)
		c->login_next->login_prev = c->login_prev;
	else
		l->login_last = c->login_prev;
	c->login_prev = c->login_next = NULL;
}

/* Room for one more: of strangers, the oldest of this loop goes for a new one. */
static bool make_room(struct dloop *l)
{
	struct derp_relay *r = l->r;

	if (atomic_load_explicit(&r->conns, memory_order_relaxed) >= (int_fast32_t)r->set.max_conns)
		return false;
	if (atomic_load_explicit(&r->logins, memory_order_relaxed) < (int_fast32_t)r->set.max_logins)
		return true;
	if (!l->login_first)
		return false;
	dconn_close(l->login_first, DERP_CLOSE_busy);
	return true;
}

static struct dconn *conn_alloc(struct dloop *l, const struct derp_adopt *a, enum drole role)
{
	struct dconn *c = xcalloc(1, sizeof *c);

	c->l = l;
	c->role = (uint8_t)role;
	c->state = D_LOGIN;
	c->standing = DERP_STANDING_ONLY;
	c->drop_why = DERP_DROP_queue;
	c->fd = a->fd;
	c->keep = a->keep;
	c->not_ideal = a->not_ideal;
	c->fast_start = a->fast_start;
	c->port = a->port;
	memcpy(c->ip, a->ip, sizeof c->ip);
	c->since_ms = loop_now_ms(l->loop);
	c->keepalive_ms = UINT64_MAX;
	if (a->wire == DERP_WIRE_WEBSOCKET)
		c->ws = xcalloc(1, sizeof *c->ws);
	return c;
}

struct dconn *dconn_new(struct dloop *l, const struct derp_adopt *a, enum drole role)
{
	struct dconn *c = conn_alloc(l, a, role);
	struct derp_relay *r = l->r;

	if (io_init(c, a->tls) != ST_OK || !slot_take(l, c)) {
		free(c->ws);
		free(c);
		return NULL;
	}
	atomic_fetch_add_explicit(&r->conns, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&r->logins, 1, memory_order_relaxed);
	login_enter(c);
	c->tls13 = c->ssl && SSL_version(c->ssl) == TLS1_3_VERSION;
	count_tls(c, 1);
	if (c->keep)
		conn_established(stream_conn(c->keep)); /* from here on it is among our strangers, not the listener's */
	socket_options(c->fd, &r->set);
	loop_timer_init(&c->timer, l->loop, on_timer, c);
	c->watch = loop_fd_new(l->loop, c->fd, on_events, c);
	dconn_want(c, LOOP_FD_READ);
	dconn_arm_timer(c);
	return c;
}

static void refuse(const struct derp_adopt *a)
{
	struct stream *keep = a->keep;

	if (keep) {
		stream_drop(&keep, false);
		return;
	}
	if (a->tls)
		io_free_ssl(a->tls);
	close(a->fd);
}

/* Bytes behind the request's head, into the region as if they had been read. */
static void feed_early(struct dconn *c, struct bytes early)
{
	while (early.n && c->state != D_CLOSED) {
		size_t k = early.n < READ_MAX ? early.n : READ_MAX;
		uint8_t *p = dloop_room(c->l);
		memcpy(p, early.p, k);
		c->l->region_used += k;
		ingress_input(c, p, k);
		early = bytes_skip(early, k);
	}
}

/* Records that were read already, and what the library may hold of which the socket says nothing. */
static void feed_records(struct dconn *c, struct bytes cipher)
{
	do {
		size_t k = cipher.n < READ_MAX ? cipher.n : READ_MAX, n = 0;
		uint8_t *p = dloop_room(c->l);
		enum io_result res;
		if (c->state == D_CLOSED)
			return;
		res = io_decrypt(c, bytes_of(cipher.p, k), p, READ_ROOM, &n);
		cipher = bytes_skip(cipher, k);
		c->l->region_used += n;
		if (n)
			ingress_input(c, p, n);
		if (res == IO_EOF)
			dconn_close(c, DERP_CLOSE_peer);
		else if (res == IO_ERROR)
			dconn_close(c, DERP_CLOSE_io_error);
	} while (cipher.n && c->state != D_CLOSED);
}

void dconn_feed(struct dconn *c, const struct derp_adopt *a)
{
	feed_early(c, a->early);
	if (a->tls)
		feed_records(c, a->tls_in);
}

enum status derp_relay_adopt(struct derp_relay *r, unsigned loop, const struct derp_adopt *a)
{
	struct dloop *l = &r->loops[loop];
	uint8_t hello[DERP_SERVER_KEY_FRAME];
	struct dconn *c = NULL;

	assert(loop < r->n && l->attached);
	if (!l->down && make_room(l))
		c = dconn_new(l, a, D_CLIENT);
	if (!c) {
		COUNT(l, closes[DERP_CLOSE_busy]);
		refuse(a);
		return ST_BUSY;
	}
	COUNT(l, n.accepts);
	if (c->ws)
		COUNT(l, n.websocket_accepts);
	if (a->preface.n)
		egress_raw(c, a->preface);
	derp_put_server_key(hello, r->key.b);
	egress_control(c, bytes_of(hello, sizeof hello));
	dconn_feed(c, a);
	return ST_OK;
}

/* ---- login ---- */

static void source_text(const uint8_t ip[static 16], char out[static INET6_ADDRSTRLEN])
{
	static const uint8_t v4[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, none[16];

	out[0] = '\0';
	if (memcmp(ip, v4, sizeof v4) == 0)
		inet_ntop(AF_INET, ip + 12, out, INET6_ADDRSTRLEN);
	else if (memcmp(ip, none, sizeof none) != 0)
		inet_ntop(AF_INET6, ip, out, INET6_ADDRSTRLEN);
}

static enum derp_verdict ask(struct dconn *c, const char *app, bool again)
{
	const struct derp_settings *set = &c->l->r->set;
	char source[INET6_ADDRSTRLEN];
	struct derp_admit_request q = { .key = c->key, .source = source, .app = app, .loop = c->l->index,
		                        .token = dconn_handle(c), .again = again };

	if (c->mesh || !set->admit)
		return DERP_ADMIT_YES;
	memcpy(q.ip, c->ip, sizeof q.ip);
	source_text(c->ip, source);
	return set->admit(set->admit_arg, &q);
}

uint8_t dconn_present_flags(const struct dconn *c)
{
	int flags = (c->mesh ? DERP_PRESENT_MESH : 0) | (c->prober ? DERP_PRESENT_PROBER : 0) |
	            (c->not_ideal ? DERP_PRESENT_NOT_IDEAL : 0);

	return (uint8_t)(flags ? flags : DERP_PRESENT_REGULAR);
}

static void register_conn(struct dconn *c)
{
	struct registry_conn rc = { .handle = dconn_handle(c), .port = c->port, .app = { NULL, c->app_len } };
	struct mail *m = mail_new(MAIL_ADD, sizeof rc + c->app_len);

	memcpy(rc.ip, c->ip, sizeof rc.ip);
	rc.flags = dconn_present_flags(c);
	memcpy(m->key, c->key.b, 32);
	memcpy(m->data, &rc, sizeof rc);
	if (c->app_len)
		memcpy(m->data + sizeof rc, c->app, c->app_len);
	m->n = sizeof rc + c->app_len;
	c->state = D_REGISTER;
	c->registered = true;
	mail_to_registrar(c->l, m);
}

void dconn_verdict(struct dconn *c, bool yes)
{
	if (c->state != D_ADMIT)
		return;
	if (yes)
		register_conn(c);
	else
		dconn_close(c, DERP_CLOSE_not_admitted);
}

void dconn_login(struct dconn *c, struct bytes payload)
{
	struct derp_client_info info;

	if (derp_client_info_open(payload, &c->l->r->set.key, &info) != ST_OK) {
		dconn_close(c, DERP_CLOSE_bad_login);
		return;
	}
	c->key = info.key;
	c->hash = ktab_hash(info.key.b);
	c->mesh = derp_mesh_key_eq(&info.mesh, &c->l->r->set.mesh);
	secret_wipe(&info.mesh, sizeof info.mesh);
	c->prober = info.is_prober;
	c->app_len = info.app_len;
	memcpy(c->app, info.app, sizeof c->app);
	c->state = D_ADMIT;
	login_leave(c);
	dconn_want(c, 0);
	switch (ask(c, info.app, false)) {
	case DERP_ADMIT_YES: dconn_verdict(c, true); break;
	case DERP_ADMIT_NO: dconn_verdict(c, false); break;
	case DERP_ADMIT_LATER: break;
	}
}

static void send_server_info(struct dconn *c)
{
	struct derp_server_info info = { .version = DERP_PROTOCOL_VERSION };
	struct buf b;

	buf_init(&b, 1024);
	if (derp_server_info_seal(&info, &c->l->r->set.key, &c->key, &b) == ST_OK)
		egress_control(c, buf_bytes(&b));
	else
		dconn_close(c, DERP_CLOSE_bad_login);
	buf_release(&b);
}

void dconn_open(struct dconn *c)
{
	uint8_t *stash = c->part;
	uint32_t n = c->part_len;

	if (c->state != D_REGISTER)
		return;
	c->state = D_OPEN;
	c->since_ms = loop_now_ms(c->l->loop);
	atomic_fetch_sub_explicit(&c->l->r->logins, 1, memory_order_relaxed);
	COUNT(c->l, n.logins);
	if (c->not_ideal)
		COUNT(c->l, not_ideal);
	dconn_limits(c);
	next_keepalive(c);
	dconn_arm_timer(c);
	send_server_info(c);
	if (c->state != D_OPEN)
		return;
	dconn_want(c, LOOP_FD_READ | (c->q ? LOOP_FD_WRITE : 0));
	c->part = NULL;
	c->part_len = c->part_cap = 0;
	if (stash) {
		vec_push(&c->l->retired, stash);
		ingress_input(c, stash, n);
	}
}

void dconn_peer_open(struct dconn *c)
{
	c->state = D_OPEN;
	login_leave(c);
	c->since_ms = loop_now_ms(c->l->loop);
	atomic_fetch_sub_explicit(&c->l->r->logins, 1, memory_order_relaxed);
	next_keepalive(c);
	loop_timer_cancel(&c->timer);
	dconn_arm_timer(c);
}

void dconn_standing(struct dconn *c, enum derp_standing s)
{
	c->standing = (uint8_t)s;
	c->spoke_sent = false;
	dconn_open(c);
}

void dconn_recheck(struct dconn *c)
{
	if (c->role == D_CLIENT && (c->state == D_OPEN || c->state == D_REGISTER) &&
	    ask(c, c->app, true) != DERP_ADMIT_YES)
		dconn_close(c, DERP_CLOSE_disconnected);
}

/* ---- rate limits ---- */

static void limiter_free(struct dconn *c)
{
	if (!c->limiter)
		return;
	loop_timer_cancel(&c->limiter->wait);
	node_rate_unref(c->limiter->node);
	free(c->limiter);
	c->limiter = NULL;
}

static void on_may_read(void *arg)
{
	struct limiter *lim = arg;
	struct dconn *c = lim->c;

	c->paused = false;
	if (c->state == D_OPEN)
		dconn_want(c, c->want | LOOP_FD_READ);
}

void dconn_limits(struct dconn *c)
{
	const struct derp_limits *l = &c->l->limits;
	bool on = (l->per_conn.per_s || l->per_node.per_s) && !c->mesh && c->role == D_CLIENT;

	if (c->state != D_OPEN)
		return;
	if (!on && c->limiter) {
		limiter_free(c);
		if (c->paused)
			dconn_want(c, c->want | LOOP_FD_READ);
		c->paused = false;
	}
	if (on && !c->limiter) {
		c->limiter = xcalloc(1, sizeof *c->limiter);
		c->limiter->c = c;
		loop_timer_init(&c->limiter->wait, c->l->loop, on_may_read, c->limiter);
	}
	if (on)
		c->limiter->rate = (struct rate){ 0 };
}

/* ---- end ---- */

static void unregister(struct dconn *c)
{
	struct mail *m;

	if (!c->registered)
		return;
	batches_post(c->l); /* its last packets go before the news that it went */
	m = mail_new(MAIL_REMOVE, 0);
	m->conn = dconn_handle(c);
	memcpy(m->key, c->key.b, 32);
	mail_to_registrar(c->l, m);
}

/* The peer of a WebSocket is told, if that is possible at once. */
static void ws_goodbye(struct dconn *c, enum derp_close why)
{
	uint8_t frame[4];
	struct iovec v = { frame, derp_ws_put_close(frame, why == DERP_CLOSE_bad_websocket ? 1002 : 1000) };
	size_t sent;

	if (!c->q)
		(void)io_writev(c, &v, 1, &sent);
}

void dconn_close(struct dconn *c, enum derp_close why)
{
	struct dloop *l = c->l;
	bool broken = why == DERP_CLOSE_io_error || why == DERP_CLOSE_write_timeout;

	if (c->state == D_CLOSED)
		return;
	if (c->role == D_PEER)
		mesh_conn_closed(c);
	unregister(c);
	login_leave(c);
	if (c->state != D_OPEN)
		atomic_fetch_sub_explicit(&l->r->logins, 1, memory_order_relaxed);
	else if (c->not_ideal)
		COUNT_ADD(l, not_ideal, -1);
	if (c->home)
		COUNT_ADD(l, home, -1);
	atomic_fetch_sub_explicit(&l->r->conns, 1, memory_order_relaxed);
	COUNT(l, closes[why]);
	if (c->ws && !broken)
		ws_goodbye(c, why);
	egress_discard(c, broken ? DERP_DROP_write_error : DERP_DROP_gone);
	count_tls(c, -1);
	c->state = D_CLOSED;
	loop_timer_cancel(&c->timer);
	limiter_free(c);
	loop_fd_free(&c->watch);
	io_close(c, !broken);
	heard_forget(l->heard, c->slot);
	__atomic_store_n(&l->stats.heard_pairs, (int64_t)heard_count(l->heard), __ATOMIC_RELAXED);
	slot_give(l, c);
	free(c->part);
	c->part = NULL;
	free(c->ws);
	c->ws = NULL;
	/* Frames above may hold it until the turn's end. */
	vec_push(&l->dead, c);
	dloop_wake_end(l);
}
