/*
 * fuzz/register_request.c -- what a client sends to log in, and the small requests beside it.
 *
 * What is taken has a node key, texts within their limits, and a Hostinfo that is one JSON object. A c2n reply's body lies
 * within what came.
 */
#include <stdlib.h>

#include "base/json_in.h"
#include "proto/register.h"
#include "proto/requests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_register(struct bytes in, struct arena *a)
{
	struct json_object *o = NULL;
	struct register_request r;

	if (register_request_parse(in, a, &r, NULL) != ST_OK)
		return;
	check(!node_key_is_zero(&r.node_key));
	check(r.auth_key.n <= REGISTER_AUTH_KEY_MAX && strlen(r.followup) <= REGISTER_FOLLOWUP_MAX);
	if (r.hostinfo.n > 0) {
		check(json_parse(r.hostinfo, 1 << 26, &o, NULL) == ST_OK && json_object_is_type(o, json_type_object));
		json_object_put(o);
	}
}

static void check_small(struct bytes in, struct arena *a)
{
	struct health_request h;
	struct audit_request au;
	struct feature_request f;
	struct dns_request d;
	struct ping_response p;
	struct ssh_event e;
	struct c2n_reply c;

	if (health_request_parse(in, a, &h, NULL) == ST_OK)
		check(h.subsys != NULL && h.error != NULL);
	if (audit_request_parse(in, a, &au, NULL) == ST_OK)
		check(au.action != NULL && au.details != NULL);
	if (feature_request_parse(in, a, &f, NULL) == ST_OK)
		check(f.feature != NULL);
	if (dns_request_parse(in, a, &d, NULL) == ST_OK)
		check(d.name != NULL && d.type != NULL && d.value != NULL);
	if (ping_response_parse(in, a, &p, NULL) == ST_OK)
		check(p.type != NULL && p.error != NULL);
	if (ssh_event_parse(in, a, &e, NULL) == ST_OK)
		check(e.connection != NULL);
	if (c2n_reply_parse(in, a, &c, NULL) == ST_OK)
		check(c.status >= 100 && c.status <= 999 && c.body.n <= in.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();

	check_register(bytes_of(data, size), a);
	check_small(bytes_of(data, size), a);
	arena_free(&a);
	return 0;
}
