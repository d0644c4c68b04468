/*
 * derp/io.c -- the wire below the frames: a bare socket, or TLS driven by us (see derp/relay_priv.h).
 *
 * TLS: one read takes up to READ_MAX bytes of records off the socket into a scratch buffer of the loop, and all of them
 * are decrypted before anything else happens; so the library holds at most a part of one record, and an idle connection
 * no buffer at all. Going out, up to 16 KiB of frames make one record and up to four records one write; a
 * packet alone is a record of its own and leaves at once. What the socket does not take is kept as records.
 */
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "derp/relay_priv.h"
#include "net/stream.h"

#define TLS_STEP      (4 * TLS_RECORD)       /* plain bytes of one write */
#define TLS_STEP_SLOW TLS_RECORD             /* likewise to a socket that took no more before */
#define CIPHER_ROOM   (TLS_STEP + 16 * 1024) /* records of a step, and some of the library's own */

/* ---- the BIO between the library and the loop's scratch ---- */

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int bio_read(BIO *b, char *out, int n)
{
	struct dconn *c = BIO_get_data(b);
	struct dloop *l;
	size_t k;

	BIO_clear_retry_flags(b);
	if (!c)
		return -1;
	l = c->l;
	k = (size_t)n < l->cin_n ? (size_t)n : l->cin_n;
	if (!k) {
		BIO_set_retry_read(b);
		return -1;
	}
	memcpy(out, l->cin, k);
	l->cin += k;
	l->cin_n -= k;
	return (int)k;
}

static int bio_write(BIO *b, const char *in, int n)
{
	struct dconn *c = BIO_get_data(b);
	struct dloop *l;

	BIO_clear_retry_flags(b);
	if (!c)
		return -1;
	l = c->l;
	if ((size_t)n > CIPHER_ROOM - l->cout_n)
		return -1;
	memcpy(l->cout + l->cout_n, in, (size_t)n);
	l->cout_n += (size_t)n;
	return n;
}

static long bio_ctrl(BIO *b, int cmd, long larg, void *parg)
{
	(void)b;
	(void)larg;
	(void)parg;
	return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "relay");
	if (!method)
		abort();
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
}

enum status io_init(struct dconn *c, struct ssl_st *ssl)
{
	BIO *b;

	buf_init(&c->tls_out, SIZE_MAX / 2); /* bounded by what one io_writev() may leave */
	if (!ssl)
		return ST_OK;
	pthread_once(&method_once, make_method);
	b = BIO_new(method);
	if (!b)
		return ST_IO;
	BIO_set_data(b, c);
	BIO_set_init(b, 1);
	SSL_set_bio(ssl, b, b);
	SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
	SSL_set_read_ahead(ssl, 0);
	c->ssl = ssl;
	if (!c->l->cipher) {
		c->l->cipher = xmalloc(READ_MAX);
		c->l->cout = xmalloc(CIPHER_ROOM);
		c->l->record = xmalloc(TLS_RECORD);
	}
	return ST_OK;
}

void io_free_ssl(struct ssl_st *ssl)
{
	SSL_free(ssl);
}

/* ---- sending ---- */

static enum io_result sys_send(int fd, struct iovec *iov, size_t n, size_t *n_out)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };
	ssize_t k;

	do {
		k = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (k < 0 && errno == EINTR);
	if (k < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? IO_AGAIN : IO_ERROR;
	*n_out = (size_t)k;
	return IO_OK;
}

/* Records that wait from before. */
static enum io_result send_pending(struct dconn *c)
{
	while (c->tls_out.n) {
		struct iovec v = { c->tls_out.p, c->tls_out.n };
		size_t k = 0;
		enum io_result r = sys_send(c->fd, &v, 1, &k);
		if (r != IO_OK)
			return r;
		if (k == c->tls_out.n)
			buf_release(&c->tls_out);
		else
			buf_consume(&c->tls_out, k);
	}
	return IO_OK;
}

/* Records that were just made; what the socket does not take waits. */
static enum io_result send_records(struct dconn *c)
{
	struct dloop *l = c->l;
	struct iovec v = { l->cout, l->cout_n };
	size_t k = 0;
	enum io_result r = IO_OK;

	l->cout_n = 0;
	if (!v.iov_len)
		return IO_OK;
	if (c->tls_out.n)
		r = IO_AGAIN;
	else
		r = sys_send(c->fd, &v, 1, &k);
	if (r == IO_ERROR)
		return r;
	if (k == v.iov_len)
		return IO_OK;
	buf_put(&c->tls_out, l->cout + k, v.iov_len - k);
	return IO_AGAIN;
}

/* Up to one record's worth from the front of the list, in one piece. Moves the list on. */
static struct bytes next_record(struct dloop *l, struct iovec **iov, size_t *n, size_t limit)
{
	size_t k = 0;

	if (limit > TLS_RECORD)
		limit = TLS_RECORD;
	if ((*iov)->iov_len >= limit || *n == 1) { /* no copy */
		size_t take = (*iov)->iov_len < limit ? (*iov)->iov_len : limit;
		struct bytes b = bytes_of((*iov)->iov_base, take);
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + take;
		(*iov)->iov_len -= take;
		if (!(*iov)->iov_len) {
			(*iov)++;
			(*n)--;
		}
		return b;
	}
	while (*n && k < limit) {
		size_t take = (*iov)->iov_len < limit - k ? (*iov)->iov_len : limit - k;
		memcpy(l->record + k, (*iov)->iov_base, take);
		k += take;
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + take;
		(*iov)->iov_len -= take;
		if (!(*iov)->iov_len) {
			(*iov)++;
			(*n)--;
		}
	}
	return bytes_of(l->record, k);
}

static enum io_result tls_writev(struct dconn *c, struct iovec *iov, size_t n, size_t *n_out)
{
	enum io_result r = send_pending(c);

	*n_out = 0;
	while (n && r == IO_OK) {
		size_t left = c->q ? TLS_STEP_SLOW : TLS_STEP;
		while (n && left) {
			struct bytes rec = next_record(c->l, &iov, &n, left);
			if (!rec.n)
				continue;
			ERR_clear_error();
			if (SSL_write(c->ssl, rec.p, (int)rec.n) != (int)rec.n) {
				c->l->cout_n = 0;
				return IO_ERROR;
			}
			*n_out += rec.n;
			left -= rec.n;
		}
		r = send_records(c);
	}
	return r;
}

enum io_result io_writev(struct dconn *c, struct iovec *iov, size_t n, size_t *n_out)
{
	*n_out = 0;
	if (c->ssl)
		return tls_writev(c, iov, n, n_out);
	return n ? sys_send(c->fd, iov, n, n_out) : IO_OK;
}

/* ---- reading ---- */

static enum io_result sys_recv(int fd, uint8_t *buf, size_t max, size_t *n_out)
{
	ssize_t k;

	do {
		k = recv(fd, buf, max, MSG_DONTWAIT);
	} while (k < 0 && errno == EINTR);
	if (k < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? IO_AGAIN : IO_ERROR;
	if (k == 0)
		return IO_EOF;
	*n_out = (size_t)k;
	return IO_OK;
}

enum io_result io_decrypt(struct dconn *c, struct bytes cipher, uint8_t *buf, size_t cap, size_t *n_out)
{
	struct dloop *l = c->l;
	enum io_result r = IO_OK;
	size_t n = 0;

	l->cin = cipher.p;
	l->cin_n = cipher.n;
	for (;;) {
		int k, e;
		ERR_clear_error();
		k = SSL_read(c->ssl, buf + n, (int)(cap - n));
		if (k > 0) {
			n += (size_t)k;
			if (n < cap)
				continue;
			r = IO_ERROR; /* more plain text than there was cipher text: cannot be */
			break;
		}
		e = SSL_get_error(c->ssl, k);
		if (e == SSL_ERROR_ZERO_RETURN)
			r = IO_EOF;
		else if (e != SSL_ERROR_WANT_READ)
			r = IO_ERROR;
		break;
	}
	l->cin_n = 0;
	*n_out = n;
	/* The library may have had something to say: an alert, the answer to a KeyUpdate. */
	if (send_records(c) == IO_ERROR)
		r = IO_ERROR;
	return r;
}

enum io_result io_read(struct dconn *c, uint8_t *buf, size_t max, size_t *n_out)
{
	size_t n = 0;
	enum io_result r;

	*n_out = 0;
	if (!c->ssl)
		return sys_recv(c->fd, buf, max, n_out);
	r = sys_recv(c->fd, c->l->cipher, max, &n);
	return r == IO_OK ? io_decrypt(c, bytes_of(c->l->cipher, n), buf, READ_ROOM, n_out) : r;
}

static void say_goodbye(struct dconn *c)
{
	if (!SSL_is_init_finished(c->ssl) || c->tls_out.n)
		return;
	ERR_clear_error();
	(void)SSL_shutdown(c->ssl);
	(void)send_records(c);
}

void io_close(struct dconn *c, bool politely)
{
	if (c->ssl && politely)
		say_goodbye(c);
	if (c->ssl)
		BIO_set_data(SSL_get_rbio(c->ssl), NULL); /* whoever touches it later finds nobody */
	buf_release(&c->tls_out);
	if (c->keep) {
		stream_drop(&c->keep, false);
	} else {
		SSL_free(c->ssl);
		close(c->fd);
	}
	ERR_clear_error();
	c->ssl = NULL;
	c->fd = -1;
}
