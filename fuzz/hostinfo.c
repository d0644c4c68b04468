/*
 * fuzz/hostinfo.c -- what a client says of itself.
 *
 * What is taken gives JSON for peers that parses and, read again, gives itself: nothing of a wrong type is in it; routes that are masked and there
 * once, a host name that gives a label. NetInfo put back behind it parses again and gives the same node.
 */
#include <stdlib.h>

#include "base/json_in.h"
#include "base/utf8.h"
#include "state/hostinfo.h"
#include "state/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_json(const struct shared_bytes *s)
{
	struct json_object *o = NULL;

	check(json_parse(shared_bytes_view(s), 1 << 22, &o, NULL) == ST_OK);
	check(json_object_is_type(o, json_type_object));
	json_object_put(o);
}

static void check_peer_is_clean(const struct shared_bytes *peer)
{
	struct hostinfo again;

	check(hostinfo_parse(shared_bytes_view(peer), &again, NULL) == ST_OK);
	if (again.peer != NULL)
		check(bytes_eq(shared_bytes_view(again.peer), shared_bytes_view(peer)));
	hostinfo_release(&again);
}

static void check_routes(const struct prefix_list *l)
{
	for (uint32_t i = 0; l != NULL && i < l->n; i++) {
		struct ip_prefix masked = ip_prefix_masked(l->v[i]);

		check(ip_prefix_eq(&masked, &l->v[i]));
		for (uint32_t k = 0; k < i && i < 64; k++)
			check(!ip_prefix_eq(&l->v[i], &l->v[k]));
	}
}

static void check_name(const char *hostname)
{
	char name[NODE_NAME_MAX + 1], second[NODE_NAME_MAX + 1];

	check(strlen(hostname) <= NODE_HOSTNAME_MAX);
	check(utf8_valid(bytes_of_str(hostname)));
	name_from_hostname(hostname, name);
	check(name_is_label(name));
	name_numbered(name, 12345, second);
	check(name_is_label(second));
	check(name_is_derived(second, hostname));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char old_text[] = "{\"OS\":\"x\",\"NetInfo\":{\"PreferredDERP\":7}}";
	struct shared_bytes *old, *merged;
	struct hostinfo h, again;
	struct hostinfo_facts f;

	if (hostinfo_parse(bytes_of(data, size), &h, NULL) != ST_OK)
		return 0;
	check_name(h.hostname);
	check_routes(h.routes);
	check((h.json == NULL) == (h.peer == NULL));
	if (h.json != NULL) {
		check_json(h.peer);
		check_peer_is_clean(h.peer);
		hostinfo_facts(h.json, &f);
		old = shared_bytes_new(BYTES_LIT(old_text));
		if (!h.has_netinfo) {
			merged = hostinfo_keep_netinfo(h.json, old);
			check(hostinfo_parse(shared_bytes_view(merged), &again, NULL) == ST_OK);
			check(again.has_netinfo && again.home_derp == 7);
			check(strcmp(again.hostname, h.hostname) == 0 && prefix_list_eq(again.routes, h.routes));
			hostinfo_release(&again);
			shared_bytes_unref(&merged);
		}
		shared_bytes_unref(&old);
	}
	hostinfo_release(&h);
	return 0;
}
