/*
 * policy/dns.h -- the DNS settings of a tailnet as a client's DNSConfig.
 *
 * What a policy adds (app connectors) comes from policy_app_domains(). Pure; any thread.
 */
#ifndef POLICY_DNS_H
#define POLICY_DNS_H

#include "base/json_out.h"

struct policy_dns_route {
	const char *suffix;	      /* without the leading dot */
	const char *const *resolvers; /* addresses or URLs; none: the client's own resolver answers */
	size_t n;
};

struct policy_dns {
	bool magic;			/* MagicDNS */
	const char *suffix;		/* of node names, without a final dot */
	const char *const *nameservers; /* for all names; none: those of the device */
	size_t n_nameservers;
	const char *const *search; /* search domains after the suffix */
	size_t n_search;
	const struct policy_dns_route *routes; /* split DNS */
	size_t n_routes;
	const struct policy_dns_route *magic_routes; /* sent while MagicDNS is on, e.g. for the zone above suffix */
	size_t n_magic_routes;
};

/** Only what every client gets: no MagicDNS, no resolvers, no domains. */
bool policy_dns_is_plain(const struct policy_dns *d);

/** The DNSConfig as a JSON object. */
void policy_dns_write(const struct policy_dns *d, struct jw *w);

#endif
