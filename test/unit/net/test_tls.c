/* test/unit/net/test_tls.c -- TLS over pipes: handshakes, certificates, both directions, the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/counters.h"
#include "base/buf.h"
#include "net/pipe.h"
#include "net/tls.h"
#include "net/tls_files.h"
#include "unit/net/certs.h"
#include "unit/net/reader.h"

struct sides {
	struct loop *l;
	struct test_cert one, two;
	struct net_tls_cert *cert, *second;
	struct net_tls_server *srv;
	struct net_tls_client *cli;
	struct reader s, c;
	struct stream *s_low, *c_low;
	char asked[64];
	bool done;
	enum status status;
	char why[128];
	struct net_tls_provider provider;
};

static struct net_tls_cert *find(void *arg, const struct net_tls_hello *h)
{
	struct sides *t = arg;

	snprintf(t->asked, sizeof t->asked, "%s", h->sni);
	if (strcmp(h->sni, "unknown.test") == 0)
		return NULL;
	return net_tls_cert_ref(strcmp(h->sni, "two.test") == 0 ? t->second : t->cert);
}

static struct net_tls_cert *cert_of(const struct test_cert *c)
{
	struct net_tls_cert *out = NULL;
	struct err err = { 0 };

	assert_int_equal(net_tls_cert_new(bytes_of_str(c->cert_pem), bytes_of_str(c->key_pem), &out, &err), ST_OK);
	return out;
}

static void make_client(struct sides *t, const char *ca, bool insecure)
{
	net_tls_client_free(&t->cli);
	assert_int_equal(net_tls_client_new(&(struct net_tls_client_opts){ .ca_pem = bytes_of_str(ca), .insecure = insecure },
					    &t->cli, NULL),
			 ST_OK);
}

static int set_up(void **state)
{
	struct sides *t = calloc(1, sizeof *t);

	t->l = loop_new(0);
	t->one = test_cert_new("one.test", "DNS:one.test,DNS:unknown.test,IP:192.0.2.7", 1);
	t->two = test_cert_new("two.test", "DNS:two.test", 2);
	t->cert = cert_of(&t->one);
	t->second = cert_of(&t->two);
	t->provider = (struct net_tls_provider){ find, t };
	assert_int_equal(net_tls_server_new(&(struct net_tls_server_opts){ .provider = t->provider, .handshake_ms = 3000 }, &t->srv, NULL), ST_OK);
	make_client(t, t->one.cert_pem, false);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct sides *t = *state;

	reader_release(&t->s);
	reader_release(&t->c);
	loop_free(&t->l);
	net_tls_cert_unref(&t->cert);
	net_tls_cert_unref(&t->second);
	net_tls_server_free(&t->srv);
	net_tls_client_free(&t->cli);
	test_cert_free(&t->one);
	test_cert_free(&t->two);
	free(t);
	return 0;
}

static void on_done(void *arg, enum status s, const char *why)
{
	struct sides *t = arg;

	t->done = true;
	t->status = s;
	snprintf(t->why, sizeof t->why, "%s", why);
}

static void turns(struct sides *t, int n)
{
	while (n-- > 0)
		loop_turn(t->l, 0);
}

static void join(struct sides *t, const char *name)
{
	reader_release(&t->s);
	reader_release(&t->c);
	turns(t, 3);
	t->done = false;
	pipe_pair(t->l, &t->s_low, &t->c_low);
	reader_init(&t->s, net_tls_serve(t->srv, t->s_low));
	reader_init(&t->c, net_tls_connect(t->cli, t->c_low, name, on_done, t));
	stream_resume(t->s.s);
	stream_resume(t->c.s);
}

static void bytes_go_through_both_ways(void **state)
{
	struct sides *t = *state;
	uint8_t *big = malloc(1000000);
	struct shared_bytes *sh;
	uint64_t before = net_counter_read(NET_COUNT_TLS_HANDSHAKE);

	for (size_t i = 0; i < 1000000; i++)
		big[i] = (uint8_t)(i * 11 + (i >> 9));
	join(t, "one.test");
	stream_write(t->c.s, BYTES_LIT("early ")); /* before the handshake */
	turns(t, 5);
	assert_true(t->done);
	assert_int_equal(t->status, ST_OK);
	assert_int_equal(net_counter_read(NET_COUNT_TLS_HANDSHAKE), before + 1);
	assert_string_equal(t->asked, "one.test");
	assert_string_equal(stream_conn(t->s.s)->sni, "one.test");
	assert_true(stream_conn(t->s.s)->tls);
	assert_true(bytes_eq_str(buf_bytes(&t->s.got), "early "));
	stream_write(t->s.s, BYTES_LIT("a"));
	memcpy(stream_reserve(t->s.s, 40000), big, 40000);
	stream_commit(t->s.s, 40000);
	stream_write(t->s.s, bytes_of(big, 1000000));
	sh = shared_bytes_new(bytes_of(big, 5000));
	stream_write_shared(t->s.s, sh, 1000, 4000);
	shared_bytes_unref(&sh);
	stream_write(t->s.s, BYTES_LIT("z"));
	turns(t, 10);
	assert_int_equal(t->c.got.n, 1 + 40000 + 1000000 + 4000 + 1);
	assert_memory_equal(t->c.got.p + 1, big, 40000);
	assert_memory_equal(t->c.got.p + 40001, big, 1000000);
	assert_memory_equal(t->c.got.p + 1040001, big + 1000, 4000);
	assert_int_equal(t->c.got.p[t->c.got.n - 1], 'z');
	assert_int_equal(stream_pending(t->s.s), 0);
	assert_true(t->s.drained > 0);
	free(big);
}

static void small_writes_of_a_turn_share_a_record(void **state)
{
	struct sides *t = *state;

	join(t, "one.test");
	turns(t, 5);
	for (int i = 0; i < 100; i++)
		stream_write(t->s.s, BYTES_LIT("0123456789"));
	turns(t, 3);
	assert_int_equal(t->c.calls, 1); /* one record, one callback */
	assert_int_equal(t->c.got.n, 1000);
}

static void bytes_may_come_one_at_a_time(void **state)
{
	struct sides *t = *state;

	join(t, "one.test");
	pipe_set_chunk(t->s_low, 1);
	pipe_set_chunk(t->c_low, 1);
	t->s.echo = true;
	stream_write(t->c.s, BYTES_LIT("hello"));
	turns(t, 10);
	assert_true(bytes_eq_str(buf_bytes(&t->c.got), "hello"));
}

static void a_paused_reader_loses_nothing(void **state)
{
	struct sides *t = *state;
	uint8_t *big = calloc(1, 300000);

	join(t, "one.test");
	turns(t, 5);
	t->c.pause_after = true;
	stream_write(t->s.s, bytes_of(big, 300000));
	for (int i = 0; i < 100 && t->c.got.n < 300000; i++) {
		unsigned calls = t->c.calls;

		turns(t, 2);
		assert_in_range(t->c.calls, calls, calls + 1);
		stream_resume(t->c.s);
	}
	assert_int_equal(t->c.got.n, 300000);
	free(big);
}

static void closing_says_goodbye_and_eof_comes_after_the_data(void **state)
{
	struct sides *t = *state;

	join(t, "one.test");
	turns(t, 5);
	stream_write(t->s.s, BYTES_LIT("last"));
	stream_close(t->s.s);
	turns(t, 5);
	assert_true(t->s.closed);
	assert_true(bytes_eq_str(buf_bytes(&t->c.got), "last"));
	assert_true(t->c.eof);
	stream_close(t->c.s);
	turns(t, 3);
	assert_true(t->c.closed);
}

static void a_stream_closed_before_the_handshake_still_sends(void **state)
{
	struct sides *t = *state;

	join(t, "one.test");
	stream_write(t->c.s, BYTES_LIT("hi and bye"));
	stream_close(t->c.s);
	turns(t, 8);
	assert_true(bytes_eq_str(buf_bytes(&t->s.got), "hi and bye"));
	assert_true(t->s.eof);
}

static void the_wrong_peer_is_refused(void **state)
{
	static const struct {
		const char *why, *name;
		bool insecure, other_ca;
		enum status want;
	} cases[] = {
		{ "good", "one.test", false, false, ST_OK },
		{ "good address", "192.0.2.7", false, false, ST_OK },
		{ "other name", "three.test", false, false, ST_DENIED },
		{ "other address", "192.0.2.8", false, false, ST_DENIED },
		{ "untrusted", "one.test", false, true, ST_DENIED },
		{ "untrusted, not looked at", "one.test", true, true, ST_OK },
		{ "no certificate for the name", "unknown.test", false, false, ST_BAD_INPUT },
		{ "other certificate by name", "two.test", false, true, ST_OK },
	};
	struct sides *t = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		print_message("%s\n", cases[i].why);
		make_client(t, cases[i].other_ca ? t->two.cert_pem : t->one.cert_pem, cases[i].insecure);
		join(t, cases[i].name);
		turns(t, 6);
		assert_true(t->done);
		assert_int_equal(t->status, cases[i].want);
		assert_int_equal(t->c.closed, cases[i].want != ST_OK);
		if (cases[i].want != ST_OK) {
			assert_int_equal(t->c.why, STREAM_END_TLS);
			assert_int_not_equal(t->why[0], 0);
		}
	}
}

static void garbage_and_silence_end_the_handshake(void **state)
{
	struct sides *t = *state;
	uint64_t before = net_counter_read(NET_COUNT_TLS_FAILED);
	struct stream *low, *peer;
	struct reader raw;

	pipe_pair(t->l, &low, &peer);
	reader_init(&t->s, net_tls_serve(t->srv, low));
	reader_init(&raw, peer);
	stream_resume(peer);
	stream_write(peer, BYTES_LIT("GET / HTTP/1.1\r\n\r\n"));
	turns(t, 5);
	assert_true(t->s.closed);
	assert_int_equal(t->s.why, STREAM_END_TLS);
	assert_int_equal(net_counter_read(NET_COUNT_TLS_FAILED), before + 1);
	reader_release(&raw);
	reader_release(&t->s);
	pipe_pair(t->l, &low, &peer);
	reader_init(&t->s, net_tls_serve(t->srv, low));
	loop_clock_advance(t->l, 3001);
	turns(t, 5);
	assert_true(t->s.closed);
	assert_int_equal(t->s.why, STREAM_END_TIMEOUT);
	stream_drop(&peer, false);
}

static void a_bent_record_ends_the_stream(void **state)
{
	struct sides *t = *state;

	join(t, "one.test");
	turns(t, 5);
	stream_write(t->c_low, BYTES_LIT("\x17\x03\x03\x00\x20 this is no record, but 32 bytes")); /* past the layer */
	turns(t, 5);
	assert_true(t->s.closed);
	assert_int_equal(t->s.why, STREAM_END_PROTOCOL);
	assert_int_equal(t->s.got.n, 0);
}

static void certificates_are_read_strictly(void **state)
{
	struct sides *t = *state;
	struct net_tls_cert *c = NULL;
	struct err err = { 0 };
	struct buf both;

	assert_int_equal(net_tls_cert_new(bytes_of_str(t->one.cert_pem), bytes_of_str(t->two.key_pem), &c, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "not the certificate's"));
	assert_int_equal(net_tls_cert_new(BYTES_LIT("nothing"), bytes_of_str(t->two.key_pem), &c, &err), ST_BAD_INPUT);
	assert_int_equal(net_tls_cert_new(bytes_of_str(t->one.cert_pem), BYTES_LIT(""), &c, &err), ST_BAD_INPUT);
	buf_init(&both, 1 << 20);
	buf_printf(&both, "%s%.100s", t->one.cert_pem, t->two.cert_pem);
	assert_int_equal(net_tls_cert_new(buf_bytes(&both), bytes_of_str(t->one.key_pem), &c, &err), ST_BAD_INPUT);
	buf_reset(&both);
	buf_printf(&both, "%s%s", t->one.cert_pem, t->two.cert_pem);
	assert_int_equal(net_tls_cert_new(buf_bytes(&both), bytes_of_str(t->one.key_pem), &c, &err), ST_OK);
	assert_true(net_tls_cert_names(c, "one.test"));
	assert_true(net_tls_cert_names(c, "192.0.2.7"));
	assert_false(net_tls_cert_names(c, "two.test"));
	assert_true(net_tls_cert_not_after(c) > net_tls_cert_not_before(c) + 3600);
	assert_true(bytes_eq(net_tls_cert_der(c), bytes_of(t->one.der, t->one.der_n)));
	net_tls_cert_unref(&c);
	buf_release(&both);
}

static void an_extra_certificate_is_sent_behind_the_chain(void **state)
{
	struct sides *t = *state;
	struct net_tls_cert *with = NULL;
	uint8_t *der;
	size_t n;

	assert_int_equal(net_tls_cert_with_extra(t->cert, BYTES_LIT("no DER"), &with, NULL), ST_BAD_INPUT);
	assert_int_equal(net_tls_cert_with_extra(t->cert, bytes_of(t->two.der, t->two.der_n), &with, NULL), ST_OK);
	net_tls_cert_unref(&t->cert);
	t->cert = with;
	join(t, "one.test");
	turns(t, 5);
	assert_int_equal(t->status, ST_OK); /* who verifies does not mind */
	der = net_tls_peer_cert(t->c.s, 0, &n);
	assert_true(bytes_eq(bytes_of(der, n), bytes_of(t->one.der, t->one.der_n)));
	free(der);
	der = net_tls_peer_cert(t->c.s, 1, &n);
	assert_true(bytes_eq(bytes_of(der, n), bytes_of(t->two.der, t->two.der_n)));
	free(der);
	assert_null(net_tls_peer_cert(t->c.s, 2, &n));
}

/* ---- ALPN, with OpenSSL as the client ---- */

static void alpn_picks_http11_or_nothing(void **state)
{
	static const struct {
		const char *why, *offer;
		unsigned n;
		const char *want;
	} cases[] = {
		{ "h2 and http/1.1", "\x02h2\x08http/1.1", 12, "http/1.1" },
		{ "h2 alone", "\x02h2", 3, "" },
		{ "none", NULL, 0, "" },
		{ "validation of ACME", "\x0a" "acme-tls/1", 11, "acme-tls/1" },
		{ "not a validation", "\x0a" "acme-tls/1\x08http/1.1", 20, "http/1.1" },
	};
	struct sides *t = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		SSL *ssl = SSL_new(ctx);
		BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
		struct stream *low, *peer;
		struct reader raw;
		const unsigned char *got;
		unsigned n;

		print_message("%s\n", cases[i].why);
		BIO_set_mem_eof_return(in, -1);
		SSL_set_bio(ssl, in, out);
		SSL_set_connect_state(ssl);
		if (cases[i].offer)
			assert_int_equal(SSL_set_alpn_protos(ssl, (const unsigned char *)cases[i].offer, cases[i].n), 0);
		pipe_pair(t->l, &low, &peer);
		reader_release(&t->s);
		reader_init(&t->s, net_tls_serve(t->srv, low));
		reader_init(&raw, peer);
		stream_resume(peer);
		for (int k = 0; k < 10; k++) {
			char *p;
			long len;

			SSL_do_handshake(ssl);
			len = BIO_get_mem_data(out, &p);
			stream_write(peer, bytes_of(p, (size_t)len));
			(void)BIO_reset(out);
			turns(t, 3);
			BIO_write(in, raw.got.p, (int)raw.got.n);
			buf_reset(&raw.got);
		}
		assert_int_equal(SSL_is_init_finished(ssl), 1);
		SSL_get0_alpn_selected(ssl, &got, &n);
		assert_true(bytes_eq_str(bytes_of(got, n), cases[i].want));
		SSL_free(ssl);
		SSL_CTX_free(ctx);
		reader_release(&raw);
	}
}

/* ---- files ---- */

static void put(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

struct reloads {
	bool told;
	enum status last;
	unsigned good, bad;
};

static void on_reload(void *arg, enum status s, const struct err *err)
{
	struct reloads *r = arg;

	(void)err;
	r->told = true;
	r->last = s;
	r->good += s == ST_OK;
	r->bad += s != ST_OK;
}

static void certificate_files_are_read_again_when_they_change(void **state)
{
	struct sides *t = *state;
	char dir[] = "/tmp/test-tls-XXXXXX", cert[64], key[64], rm[80];
	struct net_tls_files *f = NULL;
	struct reloads r = { 0 };
	struct net_tls_cert *now;
	uint8_t *der;
	size_t n;

	assert_non_null(mkdtemp(dir));
	snprintf(cert, sizeof cert, "%s/cert.pem", dir);
	snprintf(key, sizeof key, "%s/key.pem", dir);
	assert_int_equal(net_tls_files_new(t->l, cert, key, on_reload, &r, &f, NULL), ST_IO);
	put(dir, "cert.pem", t->one.cert_pem);
	put(dir, "key.pem", t->one.key_pem);
	assert_int_equal(net_tls_files_new(t->l, cert, key, on_reload, &r, &f, NULL), ST_OK);
	assert_int_equal(net_tls_files_set_extra(f, bytes_of(t->one.der, t->one.der_n), NULL), ST_OK);
	net_tls_server_free(&t->srv);
	assert_int_equal(net_tls_server_new(&(struct net_tls_server_opts){ .provider = net_tls_files_provider(f) }, &t->srv, NULL), ST_OK);
	make_client(t, "", true);
	join(t, "any.test");
	turns(t, 5);
	der = net_tls_peer_cert(t->c.s, 0, &n);
	assert_true(bytes_eq(bytes_of(der, n), bytes_of(t->one.der, t->one.der_n)));
	free(der);

	put(dir, "cert.pem", t->two.cert_pem); /* its key is not there yet: the old pair stays */
	assert_true(loop_run_until(t->l, &r.told, 5000));
	assert_int_not_equal(r.last, ST_OK);
	now = net_tls_files_cert(f);
	assert_true(bytes_eq(net_tls_cert_der(now), bytes_of(t->one.der, t->one.der_n)));
	net_tls_cert_unref(&now);
	r.told = false;
	put(dir, "key.pem", t->two.key_pem);
	assert_true(loop_run_until(t->l, &r.told, 5000));
	assert_int_equal(r.last, ST_OK);
	stream_write(t->c.s, BYTES_LIT("old connections live on"));
	turns(t, 3);
	assert_int_equal(t->s.got.n, 23);
	join(t, "any.test");
	turns(t, 5);
	der = net_tls_peer_cert(t->c.s, 0, &n);
	assert_true(bytes_eq(bytes_of(der, n), bytes_of(t->two.der, t->two.der_n)));
	free(der);
	der = net_tls_peer_cert(t->c.s, 1, &n); /* the extra one is still behind */
	assert_true(bytes_eq(bytes_of(der, n), bytes_of(t->one.der, t->one.der_n)));
	free(der);
	net_tls_files_free(&f);
	snprintf(rm, sizeof rm, "rm -r %s", dir);
	assert_int_equal(system(rm), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(bytes_go_through_both_ways),
		T(small_writes_of_a_turn_share_a_record),
		T(bytes_may_come_one_at_a_time),
		T(a_paused_reader_loses_nothing),
		T(closing_says_goodbye_and_eof_comes_after_the_data),
		T(a_stream_closed_before_the_handshake_still_sends),
		T(the_wrong_peer_is_refused),
		T(garbage_and_silence_end_the_handshake),
		T(a_bent_record_ends_the_stream),
		T(certificates_are_read_strictly),
		T(an_extra_certificate_is_sent_behind_the_chain),
		T(alpn_picks_http11_or_nothing),
		T(certificate_files_are_read_again_when_they_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
