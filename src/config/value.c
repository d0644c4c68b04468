/*
 * config/value.c -- the text of one value into its type; see config/config_priv.h.
 *
 * As lenient as the Go server where it understands what is meant ("1" for true, a string of words for a
 * list), but never silent: where that one takes what it cannot read for zero or nothing, we refuse.
 */
#include "config/config_priv.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

static struct arena *mem(struct loader *l)
{
	return l->c->priv->arena;
}

/* Report and return false. */
static bool wrong(struct loader *l, const struct key *k, const struct cfg_node *n, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static bool wrong(struct loader *l, const struct key *k, const struct cfg_node *n, const char *fmt, ...)
{
	struct spot at = { l->file, n->line, n->column, k->name, cfg_shown(l, k, n) };
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	cfg_problem(l->report, CONFIG_ERROR, &at, "%s", text);
	l->c->priv->origin[k - cfg_keys].bad = true;
	return false;
}

/* ---- single values ---- */

static bool set_bool(struct loader *l, const struct key *k, const struct cfg_node *n, bool *out)
{
	static const char *const yes[] = { "true", "True", "TRUE", "t", "T", "1" };
	static const char *const no[] = { "false", "False", "FALSE", "f", "F", "0" };

	for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
		if (!strcmp(n->s, yes[i]) || !strcmp(n->s, no[i])) {
			*out = !strcmp(n->s, yes[i]);
			return true;
		}
	}
	return wrong(l, k, n, "%s must be true or false", k->name);
}

static bool set_int(struct loader *l, const struct key *k, const struct cfg_node *n, int64_t *out)
{
	const char *digits = *n->s == '-' || *n->s == '+' ? n->s + 1 : n->s;
	long long v;
	char *end;

	errno = 0;
	v = strtoll(n->s, &end, 10);
	if (!isdigit((unsigned char)*digits) || *end || errno || (digits[0] == '0' && digits[1]))
		return wrong(l, k, n, "%s must be a whole number", k->name);
	if (v < k->min || v > k->max)
		return wrong(l, k, n, "%s must be between %lld and %lld", k->name, (long long)k->min,
			     (long long)k->max);
	*out = v;
	return true;
}

static bool set_duration(struct loader *l, const struct key *k, const struct cfg_node *n, int64_t *out)
{
	const char *digits = *n->s == '-' || *n->s == '+' ? n->s + 1 : n->s;
	char lo[DURATION_TEXT_MAX], hi[DURATION_TEXT_MAX];
	int64_t v = 0;

	if (*digits && strspn(digits, "0123456789") == strlen(digits) && strspn(digits, "0") != strlen(digits))
		return wrong(l, k, n, "%s needs a unit: write %.20ss for seconds, %.20sm for minutes", k->name, n->s,
			     n->s);
	if (strspn(digits, "0") != strlen(digits) && duration_parse(bytes_of_str(n->s), &v) != ST_OK)
		return wrong(l, k, n, "%s must be a duration like 30s, 12h, 1h30m or 90d", k->name);
	if (v < k->min || v > k->max) {
		duration_format(k->min, lo);
		duration_format(k->max, hi);
		if (k->max == INT64_MAX)
			return wrong(l, k, n, "%s must be at least %s", k->name, lo);
		return wrong(l, k, n, "%s must be between %s and %s", k->name, lo, hi);
	}
	*out = v;
	return true;
}

static bool set_enum(struct loader *l, const struct key *k, const struct cfg_node *n, int *out)
{
	if (!*n->s) /* as if it were not there */
		return true;
	for (const struct key_word *w = k->words; w->word; w++) {
		if (!strcasecmp(w->word, n->s)) {
			*out = w->value;
			return true;
		}
	}
	return wrong(l, k, n, "%s", k->choices);
}

/* 0770, 770 and 0o770 are the same: digits of base 8, also without quotes. */
static bool set_mode(struct loader *l, const struct key *k, const struct cfg_node *n, int *out)
{
	const char *s = !strncmp(n->s, "0o", 2) ? n->s + 2 : n->s;
	long v = 0;

	if (*s && strlen(s) <= 5 && strspn(s, "01234567") == strlen(s))
		v = strtol(s, NULL, 8);
	if (v <= 0 || v > 0777)
		return wrong(l, k, n, "%s must be octal permission bits like \"0770\"", k->name);
	*out = (int)v;
	return true;
}

static bool set_sslmode(struct loader *l, const struct key *k, const struct cfg_node *n, const char **out)
{
	static const char *const modes[] = { "disable", "allow", "prefer", "require", "verify-ca", "verify-full" };

	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		if (!strcmp(n->s, modes[i])) {
			*out = modes[i];
			return true;
		}
	}
	if (!strcasecmp(n->s, "false") || !strcmp(n->s, "0")) {
		*out = "disable";
		return true;
	}
	if (!strcasecmp(n->s, "true") || !strcmp(n->s, "1")) {
		*out = "";
		return true;
	}
	return wrong(l, k, n, "%s must be true, false, disable, allow, prefer, require, verify-ca or verify-full",
		     k->name);
}

/* ---- addresses and names ---- */

static bool port_parse(const char *s, uint16_t *out)
{
	size_t n = strlen(s);

	if (!strcmp(s, "http") || !strcmp(s, "https")) {
		*out = s[4] ? 443 : 80;
		return true;
	}
	if (n == 0 || n > 5 || strspn(s, "0123456789") != n || atoi(s) > 65535)
		return false;
	*out = (uint16_t)atoi(s);
	return true;
}

/* A host as it stands in an address or URL: a name, an IPv4 address; IPv6 was taken out of its brackets. */
static bool host_ok(const char *host, bool bracketed)
{
	struct ip_addr a;

	if (bracketed)
		return ip_parse(bytes_of_str(host), &a) == ST_OK && a.family == IP_V6;
	return cfg_is_domain(host);
}

bool cfg_listen_parse(struct arena *arena, const char *text, struct config_listen *out)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	bool bracketed = n >= 2 && text[0] == '[' && text[n - 1] == ']';
	const char *host;
	uint16_t port;

	if (!colon || !port_parse(colon + 1, &port))
		return false;
	host = bracketed ? arena_strndup(arena, text + 1, n - 2) : arena_strndup(arena, text, n);
	if (*host && !host_ok(host, bracketed))
		return false;
	if (!*host && bracketed)
		return false;
	out->text = arena_strdup(arena, text);
	out->host = host;
	out->port = port;
	return true;
}

static char *lower(struct arena *arena, const char *p, size_t n)
{
	char *s = arena_strndup(arena, p, n);

	for (size_t i = 0; i < n; i++)
		s[i] = (char)tolower((unsigned char)s[i]);
	return s;
}

const char *cfg_url_parse(struct arena *arena, const char *text, struct config_url *out)
{
	struct config_url u = { .https = !strncasecmp(text, "https://", 8) };
	const char *p = text + (u.https ? 8 : 7), *end, *colon;
	size_t n;
	bool bracketed;

	if (!u.https && strncasecmp(text, "http://", 7))
		return "must start with https:// or http://";
	for (const char *c = p; *c; c++) {
		if (*c <= ' ' || *c == 0x7f || *c == '"' || *c == '\\')
			return "has a character that URLs cannot have";
	}
	end = p + strcspn(p, "/?#");
	if (memchr(p, '@', (size_t)(end - p)))
		return "must not hold a user name or password";
	colon = end;
	while (colon > p && colon[-1] != ':' && colon[-1] != ']')
		colon--;
	u.port = u.https ? 443 : 80;
	if (colon > p && colon[-1] == ':') {
		if (!port_parse(arena_strndup(arena, colon, (size_t)(end - colon)), &u.port) ||
		    !isdigit((unsigned char)*colon) || !u.port)
			return "has a bad port";
		n = (size_t)(colon - 1 - p);
	} else {
		n = (size_t)(end - p);
	}
	bracketed = n >= 2 && p[0] == '[' && p[n - 1] == ']';
	u.host = bracketed ? lower(arena, p + 1, n - 2) : lower(arena, p, n);
	if (!host_ok(u.host, bracketed))
		return "has no good host name";
	n = strcspn(end, "?#");
	while (n && end[n - 1] == '/')
		n--;
	u.path = arena_strndup(arena, end, n);
	n = strlen(text);
	while (n && text[n - 1] == '/')
		n--;
	u.text = arena_strndup(arena, text, n);
	*out = u;
	return NULL;
}

static bool set_listen(struct loader *l, const struct key *k, const struct cfg_node *n, struct config_listen *out)
{
	if (!*n->s) {
		*out = (struct config_listen){ "", "", 0 };
		return true;
	}
	if (cfg_listen_parse(mem(l), n->s, out))
		return true;
	return wrong(l, k, n, "%s must be ADDRESS:PORT like 127.0.0.1:8080, [::1]:8080 or :8080", k->name);
}

/* server_url: what follows a question mark would end up in the middle of every link. */
static bool set_url(struct loader *l, const struct key *k, const struct cfg_node *n, struct config_url *out)
{
	struct config_url u = { "", "", "", 0, false };
	const char *why = *n->s ? cfg_url_parse(mem(l), n->s, &u) : NULL;

	if (!why && strpbrk(n->s, "?#"))
		why = "must have neither ? nor #";
	if (why)
		return wrong(l, k, n, "%s %s", k->name, why);
	*out = u;
	return true;
}

static bool set_http(struct loader *l, const struct key *k, const struct cfg_node *n, const char **out)
{
	struct config_url u;
	const char *why = *n->s ? cfg_url_parse(mem(l), n->s, &u) : NULL;

	if (why)
		return wrong(l, k, n, "%s %s", k->name, why);
	*out = arena_strdup(mem(l), n->s);
	return true;
}

static bool set_ip(struct loader *l, const struct key *k, const struct cfg_node *n, enum ip_family family,
		   const char **out)
{
	struct ip_addr a;

	if (*n->s && strcmp(n->s, "none") && (ip_parse(bytes_of_str(n->s), &a) != ST_OK || a.family != family))
		return wrong(l, k, n, "%s must be an IPv%d address", k->name, (int)family);
	*out = arena_strdup(mem(l), n->s);
	return true;
}

static bool set_prefix(struct loader *l, const struct key *k, const struct cfg_node *n, enum ip_family family,
		       struct ip_prefix *out)
{
	struct ip_prefix p;

	if (!*n->s)
		return true;
	if (ip_prefix_parse(bytes_of_str(n->s), &p) != ST_OK || p.addr.family != family)
		return wrong(l, k, n, "parsing IPv%d prefix from config: %s must be an IPv%d network like %s",
			     (int)family, k->name, (int)family,
			     family == IP_V4 ? "100.64.0.0/10" : "fd7a:115c:a1e0::/48");
	*out = ip_prefix_masked(p);
	return true;
}

bool cfg_is_domain(const char *s)
{
	size_t n = strlen(s), label = 0;

	if (!n || n > 253)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.') {
			if (!label || s[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!isalnum((unsigned char)s[i]) && s[i] != '_' && (s[i] != '-' || !label))
			return false;
		if (++label > 63)
			return false;
	}
	return label && s[n - 1] != '-';
}

static bool set_domain(struct loader *l, const struct key *k, const struct cfg_node *n, const char **out)
{
	size_t len = strlen(n->s);

	if (len && n->s[len - 1] == '.')
		return wrong(l, k, n, "%s must not end in a dot", k->name);
	if (len && !cfg_is_domain(n->s))
		return wrong(l, k, n, "%s must be a domain name like tailnet.example.com", k->name);
	*out = lower(mem(l), n->s, len);
	return true;
}

/* ---- lists ---- */

/* The items of a list, or the words of a single value. Items are scalars; false: said what is wrong. */
struct items {
	const struct cfg_node **v;
	size_t n;
};

static bool items_of(struct loader *l, const struct key *k, const struct cfg_node *n, struct items *out)
{
	*out = (struct items){ 0 };
	if (n->kind == CFG_LIST) {
		out->v = ARENA_ARRAY(mem(l), const struct cfg_node *, n->n);
		for (size_t i = 0; i < n->n; i++) {
			if (n->items[i]->kind != CFG_SCALAR || cfg_is_null(n->items[i]))
				return wrong(l, k, n->items[i], "%s[%zu] must be a single value", k->name, i);
			out->v[out->n++] = n->items[i];
		}
		return true;
	}
	if (n->kind != CFG_SCALAR)
		return wrong(l, k, n, "%s must be a list", k->name);
	out->v = ARENA_ARRAY(mem(l), const struct cfg_node *, strlen(n->s) / 2 + 1);
	for (const char *p = n->s + strspn(n->s, " \t\r\n"); *p; p += strspn(p, " \t\r\n")) {
		struct cfg_node *word = ARENA_NEW(mem(l), struct cfg_node);
		size_t len = strcspn(p, " \t\r\n");

		*word = *n;
		word->s = arena_strndup(mem(l), p, len);
		out->v[out->n++] = word;
		p += len;
	}
	return true;
}

static const char *bad_resolver(struct loader *l, const char *s)
{
	struct config_listen hostport;
	struct config_url u;
	struct ip_addr a;

	if (ip_parse(bytes_of_str(s), &a) == ST_OK)
		return NULL;
	if (strstr(s, "://"))
		return cfg_url_parse(mem(l), s, &u);
	if (cfg_listen_parse(mem(l), s, &hostport) && ip_parse(bytes_of_str(hostport.host), &a) == ST_OK &&
	    hostport.port)
		return NULL;
	return "must be an IP address or the https:// URL of a DNS server";
}

static const char *bad_item(struct loader *l, enum key_kind kind, const char *s)
{
	struct config_url u;

	if (kind == KEY_URLS)
		return cfg_url_parse(mem(l), s, &u);
	if (kind == KEY_RESOLVERS)
		return bad_resolver(l, s);
	if (kind == KEY_DOMAINS)
		return cfg_is_domain(s) ? NULL : "must be a domain name";
	return *s ? NULL : "must not be empty";
}

static bool strings_of(struct loader *l, const struct key *k, enum key_kind kind, const struct cfg_node *n,
		       struct config_strings *out)
{
	struct config_strings list = { 0 };
	struct items items;
	bool ok = true;

	if (!items_of(l, k, n, &items))
		return false;
	list.v = ARENA_ARRAY(mem(l), const char *, items.n);
	for (size_t i = 0; i < items.n; i++) {
		const char *s = items.v[i]->s;
		size_t len = strlen(s);
		const char *why;

		if (kind == KEY_DOMAINS)
			s = lower(mem(l), s, len && s[len - 1] == '.' ? len - 1 : len);
		why = bad_item(l, kind, s);
		if (why)
			ok = wrong(l, k, items.v[i], "%s[%zu] %s", k->name, i, why);
		list.v[list.n++] = arena_strdup(mem(l), s);
	}
	if (ok)
		*out = list;
	return ok;
}

/* trusted_proxies: networks, or single addresses. All of the Internet is no proxy. */
static bool set_prefixes(struct loader *l, const struct key *k, const struct cfg_node *n, struct config_prefixes *out)
{
	struct config_prefixes list = { 0 };
	struct items items;
	bool ok = true;

	if (!items_of(l, k, n, &items))
		return false;
	list.v = ARENA_ARRAY(mem(l), struct ip_prefix, items.n);
	for (size_t i = 0; i < items.n; i++) {
		struct bytes s = bytes_of_str(items.v[i]->s);
		struct ip_prefix p = { 0 };
		struct ip_addr a;

		if (ip_parse(s, &a) == ST_OK)
			p = ip_prefix_of(a);
		else if (ip_prefix_parse(s, &p) != ST_OK)
			ok = wrong(l, k, items.v[i], "%s[%zu] must be a network like 10.0.0.0/8, or an address",
				   k->name, i);
		if (p.addr.family != IP_NONE && p.bits == 0)
			ok = wrong(l, k, items.v[i], "%s[%zu]: 0.0.0.0/0 and ::/0 are not allowed", k->name, i);
		list.v[list.n++] = ip_prefix_masked(p);
	}
	if (ok)
		*out = list;
	return ok;
}

/* ---- maps and lists of maps ---- */

static bool set_split(struct loader *l, const struct key *k, const struct cfg_node *n)
{
	struct config_split *list;
	size_t count = 0;
	bool ok = true;

	if (n->kind != CFG_MAP)
		return wrong(l, k, n, "%s must be a map of domains to lists of servers", k->name);
	list = ARENA_ARRAY(mem(l), struct config_split, n->n);
	for (size_t i = 0; i < n->n; i++) {
		const struct cfg_pair *p = &n->pairs[i];
		size_t len = strlen(p->key);
		struct config_split *s = &list[count++];
		struct cfg_node at = {
			.kind = CFG_SCALAR, .line = p->line, .column = p->column, .s = arena_strdup(mem(l), p->key)
		};

		s->domain = lower(mem(l), p->key, len && p->key[len - 1] == '.' ? len - 1 : len);
		if (!cfg_is_domain(s->domain))
			ok = wrong(l, k, &at, "the names in %s must be domain names", k->name);
		if (!cfg_is_null(p->value) && !strings_of(l, k, KEY_RESOLVERS, p->value, &s->servers))
			ok = false;
	}
	if (ok) {
		*(struct config_split **)cfg_member_of(l->c, k->off) = list;
		*(size_t *)cfg_member_of(l->c, k->off_n) = count;
	}
	return ok;
}

static bool record_field(struct loader *l, const struct key *k, const struct cfg_node *item, const char *name,
			 const char **out)
{
	const struct cfg_node *v = cfg_member(item, name);

	*out = "";
	if (!v || cfg_is_null(v))
		return true;
	if (v->kind != CFG_SCALAR)
		return wrong(l, k, v, "%s: %s must be a single value", k->name, name);
	*out = arena_strdup(mem(l), v->s);
	return true;
}

static bool record_of(struct loader *l, const struct key *k, const struct cfg_node *item, struct config_record *r)
{
	struct ip_addr a;

	if (item->kind != CFG_MAP)
		return wrong(l, k, item, "%s must be a list of maps with name, type and value", k->name);
	if (!record_field(l, k, item, "name", &r->name) || !record_field(l, k, item, "type", &r->type) ||
	    !record_field(l, k, item, "value", &r->value))
		return false;
	for (size_t i = 0; i < item->n; i++) {
		const struct cfg_pair *p = &item->pairs[i];
		struct spot at = { l->file, p->line, p->column, k->name, p->key };

		if (strcmp(p->key, "name") && strcmp(p->key, "type") && strcmp(p->key, "value"))
			cfg_problem(l->report, CONFIG_WARNING, &at,
				    "a record has name, type and value only; this is not used");
	}
	if (!*r->name || !*r->value)
		return wrong(l, k, item, "%s: a record needs a name and a value", k->name);
	if (*r->type && strcasecmp(r->type, "A") && strcasecmp(r->type, "AAAA")) {
		struct spot at = { l->file, item->line, item->column, k->name, r->type };

		cfg_problem(l->report, CONFIG_WARNING, &at, "clients answer records of type A and AAAA only");
		return true;
	}
	if (ip_parse(bytes_of_str(r->value), &a) != ST_OK)
		return wrong(l, k, cfg_member(item, "value"),
			     "%s: the value of an address record must be an IP address", k->name);
	if ((!strcasecmp(r->type, "A") && a.family != IP_V4) || (!strcasecmp(r->type, "AAAA") && a.family != IP_V6))
		return wrong(l, k, cfg_member(item, "value"),
			     "%s: A records have IPv4 addresses, AAAA records IPv6 addresses", k->name);
	return true;
}

static bool set_records(struct loader *l, const struct key *k, const struct cfg_node *n)
{
	struct config_record *list;
	bool ok = true;

	if (n->kind != CFG_LIST)
		return wrong(l, k, n, "%s must be a list of maps with name, type and value", k->name);
	list = ARENA_ARRAY(mem(l), struct config_record, n->n);
	for (size_t i = 0; i < n->n; i++)
		ok = record_of(l, k, n->items[i], &list[i]) && ok;
	if (ok) {
		*(struct config_record **)cfg_member_of(l->c, k->off) = list;
		*(size_t *)cfg_member_of(l->c, k->off_n) = n->n;
	}
	return ok;
}

static bool set_params(struct loader *l, const struct key *k, const struct cfg_node *n)
{
	struct config_param *list;
	bool ok = true;

	if (n->kind != CFG_MAP)
		return wrong(l, k, n, "%s must be a map of names to values", k->name);
	list = ARENA_ARRAY(mem(l), struct config_param, n->n);
	for (size_t i = 0; i < n->n; i++) {
		list[i].name = arena_strdup(mem(l), n->pairs[i].key);
		if (n->pairs[i].value->kind != CFG_SCALAR)
			ok = wrong(l, k, n->pairs[i].value, "the values in %s must be single values", k->name);
		list[i].value = arena_strdup(mem(l), n->pairs[i].value->s);
	}
	if (ok) {
		*(struct config_param **)cfg_member_of(l->c, k->off) = list;
		*(size_t *)cfg_member_of(l->c, k->off_n) = n->n;
	}
	return ok;
}

/* ---- all kinds ---- */

/* Relative paths of some keys count from the folder of the file. */
static void set_str(struct loader *l, const struct key *k, const struct cfg_node *n, const char **out)
{
	if ((k->flags & KEY_SECRET) && *out) /* the environment takes the place of the file */
		explicit_bzero((char *)(uintptr_t)*out, strlen(*out));
	if ((k->flags & KEY_BESIDE) && *n->s && *n->s != '/' && *l->dir)
		*out = arena_printf(mem(l), "%s/%s", l->dir, n->s);
	else
		*out = arena_strdup(mem(l), n->s);
}

static bool set_scalar(struct loader *l, const struct key *k, const struct cfg_node *n, void *out)
{
	switch (k->kind) {
	case KEY_BOOL:
		return set_bool(l, k, n, out);
	case KEY_INT:
		return set_int(l, k, n, out);
	case KEY_DURATION:
		return set_duration(l, k, n, out);
	case KEY_ENUM:
		return set_enum(l, k, n, out);
	case KEY_MODE:
		return set_mode(l, k, n, out);
	case KEY_SSLMODE:
		return set_sslmode(l, k, n, out);
	case KEY_LISTEN:
		return set_listen(l, k, n, out);
	case KEY_URL:
		return set_url(l, k, n, out);
	case KEY_HTTP:
		return set_http(l, k, n, out);
	case KEY_V4:
		return set_ip(l, k, n, IP_V4, out);
	case KEY_V6:
		return set_ip(l, k, n, IP_V6, out);
	case KEY_PREFIX_V4:
		return set_prefix(l, k, n, IP_V4, out);
	case KEY_PREFIX_V6:
		return set_prefix(l, k, n, IP_V6, out);
	case KEY_DOMAIN:
		return set_domain(l, k, n, out);
	default:
		set_str(l, k, n, out);
		return true;
	}
}

bool cfg_value_set(struct loader *l, const struct key *k, const struct cfg_node *n)
{
	void *out = cfg_member_of(l->c, k->off);

	switch (k->kind) {
	case KEY_LIST:
	case KEY_URLS:
	case KEY_DOMAINS:
	case KEY_RESOLVERS:
		return strings_of(l, k, k->kind, n, out);
	case KEY_PREFIXES:
		return set_prefixes(l, k, n, out);
	case KEY_SPLIT:
		return set_split(l, k, n);
	case KEY_RECORDS:
		return set_records(l, k, n);
	case KEY_PARAMS:
		return set_params(l, k, n);
	default:
		break;
	}
	if (n->kind != CFG_SCALAR)
		return wrong(l, k, n, "%s must be a single value, not %s", k->name,
			     n->kind == CFG_LIST ? "a list" : "a map");
	return set_scalar(l, k, n, out);
}
