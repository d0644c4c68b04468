/*
 * net/tls.c -- see net/tls.h: the stream.
 *
 * OpenSSL reads from the bytes that the stream below has just delivered, through a BIO of our own, and writes straight
 * into that stream: no memory BIO, no second copy of the ciphertext. Plaintext to be sent gathers until the end of the turn,
 * so that small writes share a record; large ones are encrypted where they lie.
 *
 * States: handshake (the stream below is read whatever the user wants), open, and the end, which is struct stream's.
 */
#include <assert.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/vec.h"
#include "net/counters.h"
#include "net/loop_priv.h"
#include "net/tls_priv.h"

#define OUT_MAX      ((size_t)256 * 1024 * 1024)
#define IN_MAX       ((size_t)1024 * 1024)
#define DIRECT_MIN   ((size_t)4096) /* worth a record of its own */
#define RECORD_MAX   16384
#define HANDSHAKE_MS 10000u

struct tls_stream {
	struct stream s;
	SSL *ssl;
	bool server, handshaken, below_eof, pumping;
	struct tls_seen seen;
	struct bytes in;       /* what the BIO reads; valid while pumping */
	struct buf left;       /* ciphertext that could not be used yet */
	struct buf out;        /* plaintext to be sent */
	struct loop_task task; /* send `out`, go on reading */
	net_tls_done_fn *done;
	void *done_arg;
};

static struct tls_stream *of(struct stream *s)
{
	return (struct tls_stream *)s;
}

/* ---- the BIO ---- */

static int bio_read(BIO *b, char *p, size_t n, size_t *read_out)
{
	struct tls_stream *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	n = n < t->in.n ? n : t->in.n;
	*read_out = n;
	if (n == 0) {
		BIO_set_retry_read(b);
		return 0;
	}
	memcpy(p, t->in.p, n);
	t->in = bytes_skip(t->in, n);
	return 1;
}

static int bio_write(BIO *b, const char *p, size_t n, size_t *written_out)
{
	struct tls_stream *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (t->s.below)
		stream_write(t->s.below, bytes_of(p, n));
	*written_out = n;
	return 1;
}

static long bio_ctrl(BIO *b, int cmd, long n, void *p)
{
	(void)b;
	(void)n;
	(void)p;
	return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

static BIO *bio_new(struct tls_stream *t)
{
	static _Atomic(BIO_METHOD *) shared;
	BIO_METHOD *m = atomic_load(&shared), *none = NULL;
	BIO *b;

	if (!m) {
		m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "stream");
		BIO_meth_set_read_ex(m, bio_read);
		BIO_meth_set_write_ex(m, bio_write);
		BIO_meth_set_ctrl(m, bio_ctrl);
		if (!atomic_compare_exchange_strong(&shared, &none, m)) {
			BIO_meth_free(m); /* another thread was first */
			m = none;
		}
	}
	b = BIO_new(m);
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	return b;
}

/* ---- handshake ---- */

static void tell_done(struct tls_stream *t, enum status s, const char *why)
{
	net_tls_done_fn *done = t->done;

	t->done = NULL;
	if (done)
		done(t->done_arg, s, why);
}

static void handshake_failed(struct tls_stream *t)
{
	long v = SSL_get_verify_result(t->ssl);
	char why[128];
	bool denied = !t->server && v != X509_V_OK;

	if (denied)
		snprintf(why, sizeof why, "%s", X509_verify_cert_error_string(v));
	else
		net_tls_errors(why, sizeof why);
	ERR_clear_error();
	if (t->server)
		net_count(NET_COUNT_TLS_FAILED);
	if (t->s.below) /* an alert may be on its way */
		stream_close(t->s.below);
	tell_done(t, denied ? ST_DENIED : ST_BAD_INPUT, why);
	stream_abort(&t->s, STREAM_END_TLS);
}

static void send_out(struct tls_stream *t);

/* True when application data can be read. */
static bool handshake(struct tls_stream *t)
{
	int rc, e;

	if (t->handshaken)
		return true;
	ERR_clear_error();
	rc = SSL_do_handshake(t->ssl);
	if (rc != 1) {
		e = SSL_get_error(t->ssl, rc);
		if (e != SSL_ERROR_WANT_READ || t->below_eof)
			handshake_failed(t);
		return false;
	}
	t->handshaken = true;
	stream_set_deadline(t->s.below, 0);
	if (t->server) {
		const char *sni = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);

		net_count(NET_COUNT_TLS_HANDSHAKE);
		if (sni && strlen(sni) < sizeof t->s.conn->sni)
			strcpy(t->s.conn->sni, sni);
	}
	tell_done(t, ST_OK, "");
	send_out(t);
	return true;
}

/* ---- reading ---- */

static void read_records(struct tls_stream *t)
{
	uint8_t *plain = loop_buffer(t->s.loop, LOOP_BUFFER_PLAIN);

	while (stream_wants(&t->s)) {
		int n, e;

		ERR_clear_error();
		n = SSL_read(t->ssl, plain, RECORD_MAX);
		if (n > 0) {
			stream_deliver(&t->s, bytes_of(plain, (size_t)n));
			continue;
		}
		e = SSL_get_error(t->ssl, n);
		if (e == SSL_ERROR_ZERO_RETURN || (e == SSL_ERROR_WANT_READ && t->below_eof)) {
			stream_deliver_eof(&t->s);
		} else if (e != SSL_ERROR_WANT_READ) {
			ERR_clear_error();
			stream_abort(&t->s, STREAM_END_PROTOCOL);
		}
		return;
	}
}

/* Whether the stream below is to be read: for a handshake always, then as the user wants. */
static void steer(struct tls_stream *t)
{
	if (!t->s.below)
		return;
	if (!t->handshaken || (stream_wants(&t->s) && t->left.n == 0))
		stream_resume(t->s.below);
	else
		stream_pause(t->s.below);
}

/* Use up `fresh`, with what was left before it. */
static void pump(struct tls_stream *t, struct bytes fresh)
{
	struct buf old = t->left;

	if (old.n) {
		buf_put_bytes(&old, fresh);
		fresh = buf_bytes(&old);
	}
	buf_init(&t->left, IN_MAX);
	t->pumping = true;
	t->in = fresh;
	if (handshake(t))
		read_records(t);
	t->pumping = false;
	if (t->in.n && !t->s.aborted)
		buf_put_bytes(&t->left, t->in);
	t->in = (struct bytes){ 0 };
	free(old.p);
	steer(t);
}

static void below_data(void *arg, struct bytes b)
{
	pump(arg, b);
}

static void below_eof(void *arg)
{
	struct tls_stream *t = arg;

	t->below_eof = true;
	pump(t, (struct bytes){ 0 });
}

static void below_drained(void *arg)
{
	stream_progress(&((struct tls_stream *)arg)->s);
}

static void below_closed(void *arg, enum stream_end why)
{
	struct tls_stream *t = arg;

	t->s.below = NULL;
	tell_done(t, ST_CLOSED, "the connection was closed");
	stream_ended(&t->s, t->handshaken || why != STREAM_END_EOF ? why : STREAM_END_TLS);
}

static const struct stream_handler below_handler = {
	.data = below_data,
	.eof = below_eof,
	.drained = below_drained,
	.closed = below_closed,
};

/* ---- writing ---- */

/* Encrypt now; the stream below takes everything. */
static void encrypt(struct tls_stream *t, const uint8_t *p, size_t n)
{
	while (n && t->s.below) {
		int piece = n < RECORD_MAX ? (int)n : RECORD_MAX;

		ERR_clear_error();
		if (SSL_write(t->ssl, p, piece) != piece) {
			ERR_clear_error();
			stream_abort(&t->s, STREAM_END_PROTOCOL);
			return;
		}
		p += piece;
		n -= (size_t)piece;
	}
}

static void say_goodbye(struct tls_stream *t)
{
	ERR_clear_error();
	SSL_shutdown(t->ssl);
	ERR_clear_error();
	if (t->s.below)
		stream_close(t->s.below);
}

static void send_out(struct tls_stream *t)
{
	if (!t->handshaken || t->s.aborted)
		return;
	if (t->out.n) {
		struct buf out = t->out;

		buf_init(&t->out, OUT_MAX);
		encrypt(t, out.p, out.n);
		free(out.p);
	}
	if (t->s.closing)
		say_goodbye(t);
	else
		stream_progress(&t->s);
}

static void run_task(void *arg)
{
	struct tls_stream *t = arg;

	send_out(t);
	if (t->left.n || !t->handshaken || t->below_eof)
		pump(t, (struct bytes){ 0 });
}

static void put(struct tls_stream *t, struct bytes b)
{
	buf_put_bytes(&t->out, b);
	if (!buf_ok(&t->out))
		stream_abort(&t->s, STREAM_END_LIMIT);
	else
		loop_task_queue(&t->task);
}

static void tls_write(struct stream *s, struct bytes b)
{
	struct tls_stream *t = of(s);

	if (!t->handshaken || b.n < DIRECT_MIN) {
		put(t, b);
		return;
	}
	send_out(t);
	encrypt(t, b.p, b.n);
}

static uint8_t *tls_reserve(struct stream *s, size_t n)
{
	struct tls_stream *t = of(s);
	uint8_t *p = buf_reserve(&t->out, n ? n : 1);

	if (p)
		return p;
	stream_abort(s, STREAM_END_LIMIT);
	return loop_buffer(s->loop, LOOP_BUFFER_WRITE);
}

static void tls_commit(struct stream *s, size_t n)
{
	struct tls_stream *t = of(s);

	t->out.n += n;
	if (t->out.n >= RECORD_MAX)
		send_out(t);
	else
		loop_task_queue(&t->task);
}

static size_t tls_pending(const struct stream *s)
{
	const struct tls_stream *t = (const struct tls_stream *)s;

	return t->out.n + (s->below ? stream_pending(s->below) : 0);
}

/* ---- the rest of the stream ---- */

static void tls_want(struct stream *s, bool want)
{
	struct tls_stream *t = of(s);

	if (t->pumping)
		return; /* pump() steers at its end */
	if (want && (t->left.n || t->below_eof))
		loop_task_queue(&t->task);
	else
		steer(t);
}

static void tls_close(struct stream *s)
{
	struct tls_stream *t = of(s);

	if (t->handshaken || t->out.n)
		send_out(t); /* or later, when the handshake is through */
	else
		stream_abort(s->below, STREAM_END_LOCAL);
}

static void tls_abort(struct stream *s, enum stream_end why)
{
	loop_task_cancel(&of(s)->task);
	if (s->below && why != STREAM_END_TLS) /* then it is closing, with the alert in front */
		stream_abort(s->below, why);
}

static void tls_free(struct stream *s)
{
	struct tls_stream *t = of(s);

	loop_task_cancel(&t->task);
	SSL_free(t->ssl);
	buf_release(&t->left);
	buf_release(&t->out);
	free(t);
}

static const struct stream_ops tls_ops = {
	.kind = "tls",
	.want = tls_want,
	.write = tls_write,
	.reserve = tls_reserve,
	.commit = tls_commit,
	.pending = tls_pending,
	.close = tls_close,
	.abort = tls_abort,
	.free = tls_free,
};

static struct tls_stream *tls_new(SSL_CTX *ctx, struct stream *lower, bool server)
{
	struct tls_stream *t = xcalloc(1, sizeof *t);
	BIO *bio;

	stream_init_over(&t->s, &tls_ops, lower);
	t->server = server;
	loop_task_init(&t->task, t->s.loop, run_task, t);
	buf_init(&t->left, IN_MAX);
	buf_init(&t->out, OUT_MAX);
	t->ssl = SSL_new(ctx);
	if (!t->ssl)
		abort(); /* memory is gone */
	SSL_set_ex_data(t->ssl, net_tls_seen_index(), &t->seen);
	bio = bio_new(t);
	SSL_set_bio(t->ssl, bio, bio);
	t->s.conn->tls = true;
	stream_set_handler(lower, &below_handler, t);
	return t;
}

struct stream *net_tls_serve(struct net_tls_server *srv, struct stream *lower)
{
	struct tls_stream *t = tls_new(srv->ctx, lower, true);

	SSL_set_accept_state(t->ssl);
	stream_set_deadline(lower, srv->opts.handshake_ms ? srv->opts.handshake_ms : HANDSHAKE_MS);
	stream_resume(lower);
	return &t->s;
}

static void expect_name(SSL *ssl, const char *name)
{
	struct net_addr a;

	if (net_addr_parse(bytes_of_str(name), 0, &a) == ST_OK) {
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
		return;
	}
	SSL_set_tlsext_host_name(ssl, name);
	SSL_set1_host(ssl, name);
}

struct stream *net_tls_connect(struct net_tls_client *c, struct stream *lower, const char *name, net_tls_done_fn *done,
			       void *done_arg)
{
	struct tls_stream *t = tls_new(c->ctx, lower, false);

	t->done = done;
	t->done_arg = done_arg;
	SSL_set_connect_state(t->ssl);
	expect_name(t->ssl, name);
	stream_set_deadline(lower, HANDSHAKE_MS);
	stream_resume(lower);
	loop_task_queue(&t->task); /* says hello */
	return &t->s;
}

uint8_t *net_tls_peer_cert(const struct stream *s, unsigned n, size_t *n_out)
{
	STACK_OF(X509) *chain;
	uint8_t *der = NULL, *copy;
	int len;

	*n_out = 0;
	if (s->ops != &tls_ops)
		return NULL;
	chain = SSL_get_peer_cert_chain(((const struct tls_stream *)s)->ssl);
	if (!chain || n >= (unsigned)sk_X509_num(chain))
		return NULL;
	len = i2d_X509(sk_X509_value(chain, (int)n), &der);
	if (len <= 0)
		return NULL;
	copy = xmalloc((size_t)len);
	memcpy(copy, der, (size_t)len);
	OPENSSL_free(der);
	*n_out = (size_t)len;
	return copy;
}

struct ssl_st *net_tls_stream_ssl(const struct stream *s, struct bytes *left_out)
{
	const struct tls_stream *t = (const struct tls_stream *)s;

	if (s->ops != &tls_ops || !t->handshaken)
		return NULL;
	*left_out = buf_bytes(&t->left);
	return t->ssl;
}
