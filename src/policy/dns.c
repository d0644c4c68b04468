/* policy/dns.c -- see policy/dns.h. */
#include "policy/dns.h"

static void write_resolvers(struct jw *w, const char *const *v, size_t n)
{
	jw_arr_begin(w);
	for (size_t i = 0; i < n; i++) {
		jw_obj_begin(w);
		jw_kstr(w, "Addr", v[i]);
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

static void write_route(struct jw *w, const struct policy_dns_route *r)
{
	jw_key_bytes(w, bytes_of_str(r->suffix));
	if (r->n)
		write_resolvers(w, r->resolvers, r->n);
	else
		jw_null(w);
}

static void write_routes(const struct policy_dns *d, struct jw *w)
{
	if (!d->magic && !d->n_routes)
		return;
	jw_key(w, "Routes");
	jw_obj_begin(w);
	if (d->magic) {
		struct buf name;
		buf_init(&name, 1024);
		buf_printf(&name, "%s.", d->suffix);
		jw_key_bytes(w, buf_bytes(&name));
		buf_release(&name);
		jw_null(w);
	}
	for (size_t i = 0; d->magic && i < d->n_magic_routes; i++)
		write_route(w, &d->magic_routes[i]);
	for (size_t i = 0; i < d->n_routes; i++)
		write_route(w, &d->routes[i]);
	jw_obj_end(w);
}

bool policy_dns_is_plain(const struct policy_dns *d)
{
	return !d->magic && !d->n_nameservers && !d->n_search && !d->n_routes;
}

void policy_dns_write(const struct policy_dns *d, struct jw *w)
{
	jw_obj_begin(w);
	if (d->n_nameservers) {
		jw_key(w, "Resolvers");
		write_resolvers(w, d->nameservers, d->n_nameservers);
	}
	write_routes(d, w);
	if (d->magic || d->n_search) {
		jw_key(w, "Domains");
		jw_arr_begin(w);
		if (d->magic)
			jw_str(w, d->suffix);
		for (size_t i = 0; i < d->n_search; i++)
			jw_str(w, d->search[i]);
		jw_arr_end(w);
	}
	if (d->magic)
		jw_kbool(w, "Proxied", true);
	jw_key(w, "ExitNodeFilteredSet");
	jw_arr_begin(w);
	jw_str(w, ".ts.net");
	jw_str(w, ".tailscale.net");
	jw_arr_end(w);
	jw_obj_end(w);
}
