/* control/health.c -- see control/health.h. */
#include "control/health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/hostinfo.h"

#define DAY_NS (24 * 3600 * NS_PER_S)
#define LIST_MAX 6 /* routes or tags named in a line; of more, how many */

const char *health_id(enum health_kind k)
{
	static const char *const ids[HEALTH_KINDS] = {
		[HEALTH_KEY_EXPIRES] = "key-expires-soon", [HEALTH_CLIENT_OUTDATED] = "client-outdated",
		[HEALTH_ROUTES_WAIT] = "routes-not-approved", [HEALTH_EXIT_NODE_WAITS] = "exit-node-not-approved",
		[HEALTH_TAGS_WAIT] = "tags-not-given",
	};

	return ids[k];
}

static uint64_t hash_text(uint64_t h, const char *s)
{
	return bytes_hash(h, bytes_of(s, strlen(s) + 1)); /* with its end: "ab", "c" are not "a", "bc" */
}

static void add(struct health *h, enum health_kind k, const char *severity, const char *title, const char *text)
{
	struct map_message *m = &h->v[h->n++];

	*m = (struct map_message){ .id = health_id(k), .title = title, .text = text, .severity = severity };
	h->digest = hash_text(hash_text(hash_text(h->digest != 0 ? h->digest : BYTES_HASH_INIT, m->id), text), severity);
}

static void not_before(struct health *h, int64_t when_ns)
{
	if (when_ns < h->next_ns)
		h->next_ns = when_ns;
}

/* ---- the key ---- */

/* Of short lives a quarter is warning enough, or there would be no time without one. */
static int64_t notice_of(const struct tailnet_settings *s)
{
	int64_t quarter = s->key_lifetime_ns / 4;

	return quarter > 0 && quarter < s->key_notice_ns ? quarter : s->key_notice_ns;
}

static void look_at_key(struct health *h, const struct node *n, const struct tailnet_settings *s, int64_t now, struct arena *a)
{
	int64_t end = n->key_expiry_ns, notice = notice_of(s);
	char when[RFC3339_MAX];

	if (end == TIME_NONE || n->expired || notice <= 0 || end <= now)
		return;
	if (end - now > notice) {
		not_before(h, end - notice);
		return;
	}
	not_before(h, end - now > DAY_NS ? end - DAY_NS : end);
	rfc3339_format(end / NS_PER_S * NS_PER_S, when);
	add(h, HEALTH_KEY_EXPIRES, end - now > DAY_NS ? "medium" : "high", "This machine's key expires soon",
	    arena_printf(a, "It ends at %s, and the machine is then cut off until it logs in again. Renew it before, at the machine: "
			    "tailscale up --force-reauth. Without a new login, an administrator of the server can do it: "
			    "headscale nodes expire --disable -i %llu",
			 when, (unsigned long long)n->id));
}

/* ---- the client's release ---- */

static bool take_numbers(const char *s, unsigned long out[static 3])
{
	int n = 0;

	out[0] = out[1] = out[2] = 0;
	for (; n < 3 && *s >= '0' && *s <= '9'; n++) {
		char *end = NULL;

		out[n] = strtoul(s, &end, 10);
		s = end;
		if (*s != '.')
			return n >= 1;
		s++;
	}
	return n >= 2;
}

bool client_version_older(const char *a, const char *b)
{
	unsigned long x[3], y[3];

	if (!take_numbers(a, x) || !take_numbers(b, y))
		return false;
	for (int i = 0; i < 3; i++)
		if (x[i] != y[i])
			return x[i] < y[i];
	return false;
}

static const char *running(const struct node *n, struct arena *a)
{
	struct hostinfo_facts f = { "", "", "" };

	if (n->hostinfo != NULL)
		hostinfo_facts(n->hostinfo, &f);
	f.client_version[strcspn(f.client_version, "-")] = '\0';
	return arena_strdup(a, f.client_version);
}

static void look_at_client(struct health *h, const struct node *n, const struct tailnet_settings *s, struct arena *a)
{
	const char *is = running(n, a);
	bool outdated = client_version_older(is, s->client_minimum);
	const char *latest = s->client_latest;

	if (outdated) {
		add(h, HEALTH_CLIENT_OUTDATED, "medium", "This machine's Tailscale is outdated",
		    arena_printf(a, "It is version %s; the administrator of this network asks for %s or newer.", is, s->client_minimum));
		h->v[h->n - 1].action_url = "https://tailscale.com/download";
		h->v[h->n - 1].action_label = "Download";
	}
	if (latest[0] == '\0' || is[0] == '\0')
		return;
	h->has_version = true;
	if (client_version_older(is, latest))
		h->version = (struct map_client_version){ arena_strdup(a, latest), outdated };
	h->version_digest = hash_text(BYTES_HASH_INIT + h->version.urgent, h->version.latest != NULL ? h->version.latest : "");
}

/* ---- routes, tags ---- */

struct listing {
	char text[512];
	size_t n, len;
};

static void list(struct listing *l, const char *what)
{
	if (l->n++ < LIST_MAX && l->len + strlen(what) + 3 < sizeof l->text)
		l->len += (size_t)snprintf(l->text + l->len, sizeof l->text - l->len, "%s%s", l->len > 0 ? ", " : "", what);
}

static const char *listed(const struct listing *l, struct arena *a)
{
	if (l->n <= LIST_MAX)
		return l->text;
	return arena_printf(a, "%s and %zu more", l->text, l->n - LIST_MAX);
}

static void look_at_routes(struct health *h, const struct node *n, struct arena *a)
{
	struct listing l = { .n = 0 };
	bool exit_waits = false;

	for (uint32_t i = 0; n->announced_routes != NULL && i < n->announced_routes->n; i++) {
		const struct ip_prefix *p = &n->announced_routes->v[i];
		char text[IP_PREFIX_TEXT_MAX];

		if (prefix_list_has(n->approved_routes, p))
			continue;
		ip_prefix_format(p, text);
		if (ip_prefix_is_default(p))
			exit_waits = true;
		else
			list(&l, text);
	}
	if (l.n > 0)
		add(h, HEALTH_ROUTES_WAIT, "low", "Subnet routes are not approved",
		    arena_printf(a, "This machine offers %s, and nobody can use that yet. An administrator approves routes with "
				    "headscale nodes approve-routes -i %llu, or in the policy by autoApprovers.",
				 listed(&l, a), (unsigned long long)n->id));
	if (exit_waits)
		add(h, HEALTH_EXIT_NODE_WAITS, "low", "The exit node is not approved",
		    arena_printf(a, "This machine offers to be an exit node, and nobody can use it yet. An administrator approves it with "
				    "headscale nodes approve-routes -i %llu, or in the policy by autoApprovers.",
				 (unsigned long long)n->id));
}

/* Tags are given at a login. What an administrator gave or took is not questioned: only nodes without any tag are told. */
static void look_at_tags(struct health *h, const struct node *n, struct arena *a)
{
	struct listing l = { .n = 0 };

	for (uint32_t i = 0; !node_is_tagged(n) && n->request_tags != NULL && i < n->request_tags->n; i++)
		list(&l, n->request_tags->v[i]);
	if (l.n > 0)
		add(h, HEALTH_TAGS_WAIT, "low", "Tags are not given",
		    arena_printf(a, "This machine asks for %s, which takes a new login: tailscale up --force-reauth with --advertise-tags.",
				 listed(&l, a)));
}

void health_look(const struct node *n, const struct tailnet_settings *settings, int64_t now_unix_ns, struct arena *a, struct health *out)
{
	*out = (struct health){ .next_ns = INT64_MAX };
	if (settings != NULL) {
		look_at_key(out, n, settings, now_unix_ns, a);
		look_at_client(out, n, settings, a);
	}
	look_at_routes(out, n, a);
	look_at_tags(out, n, a);
}
