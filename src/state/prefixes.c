/*
 * state/prefixes.c -- the networks from which nodes get their addresses do not change under nodes that have some.
 *
 * Kept as a document: the networks last in force. A start or a reload with others is refused as long as nodes have addresses of the old ones
 * that lie outside the new: their peers' rules, names and routes would speak of another network. What lies outside both was
 * given on purpose (ipPool of a policy, a database that was taken over) and stays.
 */
#include <stdio.h>

#include "base/log.h"
#include "state/settings.h"
#include "state/state_priv.h"

#define KIND "tailnet"
#define KEY "prefixes"

struct kept {
	char v4[IP_PREFIX_TEXT_MAX], v6[IP_PREFIX_TEXT_MAX]; /* "-": none yet */
};

static enum status take_row(void *arg, const struct store_value *v, struct err *err)
{
	struct bytes text = v[COL_DOCS_TEXT].b;
	struct kept *k = arg;
	char copy[2 * IP_PREFIX_TEXT_MAX + 2];

	(void)err;
	snprintf(copy, sizeof copy, "%.*s", (int)(text.n < sizeof copy ? text.n : sizeof copy - 1), (const char *)text.p);
	if (sscanf(copy, "%51s %51s", k->v4, k->v6) != 2)
		*k = (struct kept){ "-", "-" };
	return ST_OK;
}

static enum status read_kept(struct state *st, struct kept *k, struct err *err)
{
	struct store_value key[] = { store_int(st->o.tailnet), store_text(KIND), store_text(KEY) };
	enum status s;

	*k = (struct kept){ "-", "-" };
	s = store_get(st->store, STORE_DOCS, key, take_row, k, err);
	return s == ST_NOT_FOUND ? ST_OK : s;
}

static const struct node *left_outside(const struct snapshot *w, const struct ip_prefix *old, const struct ip_prefix *now, bool v6,
				       size_t *n_out)
{
	const struct node *first = NULL;

	*n_out = 0;
	for (size_t i = 0; i < w->n_pages; i++)
		for (uint64_t m = w->pages[i]->used; m != 0; m &= m - 1) {
			const struct node *n = w->pages[i]->slot[__builtin_ctzll(m)].node;
			const struct ip_addr *a = v6 ? &n->ip6 : &n->ip4;

			if (a->family == IP_NONE || ip_prefix_contains(now, a) || !ip_prefix_contains(old, a))
				continue;
			first = first != NULL ? first : n;
			++*n_out;
		}
	return first;
}

static enum status check(const struct snapshot *w, const char *kept, const struct ip_prefix *now, bool v6, struct err *err)
{
	const char *key = v6 ? "prefixes.v6" : "prefixes.v4";
	char text[IP_PREFIX_TEXT_MAX], ip[IP_TEXT_MAX];
	const struct node *first;
	struct ip_prefix old;
	size_t n;

	/* Without a family nobody gets addresses of it; those there are stay until `backfillips`. */
	if (now->addr.family == IP_NONE || ip_prefix_parse(bytes_of_str(kept), &old) != ST_OK)
		return ST_OK;
	first = left_outside(w, &old, now, v6, &n);
	if (first == NULL)
		return ST_OK;
	ip_prefix_format(now, text);
	ip_format(v6 ? &first->ip6 : &first->ip4, ip);
	err_set(err,
		"%s is %s now, but %zu %s of %s (node %llu \"%s\": %s). Set it back; or give them new ones: leave %s out, start, "
		"run `headscale nodes backfillips`, then set it and do the same again",
		key, text, n, n == 1 ? "node has its address" : "nodes have addresses", kept, (unsigned long long)first->id, first->name, ip, key);
	return ST_CONFLICT;
}

static void keep_text(const char *kept, const struct ip_prefix *now, char out[static IP_PREFIX_TEXT_MAX])
{
	if (now->addr.family == IP_NONE)
		snprintf(out, IP_PREFIX_TEXT_MAX, "%s", kept);
	else
		ip_prefix_format(now, out);
}

enum status prefixes_judge(struct state *st, const struct snapshot *w, const struct tailnet_settings *set, struct err *err)
{
	char v4[IP_PREFIX_TEXT_MAX], v6[IP_PREFIX_TEXT_MAX];
	enum status s = check(w, st->prefix4, &set->prefix4, false, err);

	if (s == ST_OK)
		s = check(w, st->prefix6, &set->prefix6, true, err);
	if (s != ST_OK)
		return s;
	keep_text(st->prefix4, &set->prefix4, v4);
	keep_text(st->prefix6, &set->prefix6, v6);
	st->prefixes_changed = strcmp(v4, st->prefix4) != 0 || strcmp(v6, st->prefix6) != 0;
	memcpy(st->prefix4, v4, sizeof v4);
	memcpy(st->prefix6, v6, sizeof v6);
	return ST_OK;
}

enum status prefixes_check(struct state *st, struct err *err)
{
	struct kept k;
	enum status s = read_kept(st, &k, err);

	if (s != ST_OK)
		return s;
	memcpy(st->prefix4, k.v4, sizeof k.v4);
	memcpy(st->prefix6, k.v6, sizeof k.v6);
	return prefixes_judge(st, st->cur, st->cur->settings, err);
}

static enum status note_run(struct draft *d, struct command *c, struct err *err)
{
	char text[2 * IP_PREFIX_TEXT_MAX];

	(void)c;
	(void)err;
	snprintf(text, sizeof text, "%s %s", d->st->prefix4, d->st->prefix6);
	draft_put_doc(d, KIND, KEY, shared_bytes_new(bytes_of_str(text)));
	return ST_OK;
}

void prefixes_note(struct state *st)
{
	static const struct command_type type = { .name = "prefixes", .class = CLASS_DURABLE, .run = note_run };

	if (!st->prefixes_changed)
		return;
	st->prefixes_changed = false;
	command_submit_internal(st, command_new(&type, 0, NULL, NULL, NULL));
}
