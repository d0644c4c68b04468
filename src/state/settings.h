/*
 * state/settings.h -- what belongs to the tailnet as a whole and reaches clients; immutable and counted.
 *
 * server/ makes them from the configuration and hands them to state_open() or state_set_world(); they then hang on
 * every snapshot until others replace them. Fill one while you are its only holder, never after.
 */
#ifndef STATE_SETTINGS_H
#define STATE_SETTINGS_H

#include <stdatomic.h>

#include "model/ip.h"
#include "model/lists.h"

struct dns_split {
	char *domain;              /* lower case, no dot at the end; owned */
	struct str_list *servers;  /* NULL: resolved by the client's own resolver */
};
struct dns_record {
	char *name, *type, *value; /* owned; type "" means by the value (A or AAAA) */
};
struct dns_settings {
	atomic_uint refs;
	bool magic_dns;
	bool override_local_dns;   /* global servers are Resolvers, else FallbackResolvers */
	char *base_domain;         /* lower case, no dot at the end; "" if none; owned */
	struct str_list *servers;  /* global, in the order of the configuration */
	struct dns_split *splits;  /* owned; sorted by domain */
	size_t n_splits;
	struct str_list *search;   /* search domains after the base domain */
	struct dns_record *records; /* owned; extra records, in their order */
	size_t n_records;
};

/** Empty settings, one reference: texts "", lists NULL. Returned (dns_settings_unref). */
struct dns_settings *dns_settings_new(void);
struct dns_settings *dns_settings_ref(struct dns_settings *d);
void dns_settings_unref(struct dns_settings **d);
/** Equal in all that clients could notice. */
bool dns_settings_eq(const struct dns_settings *a, const struct dns_settings *b);
/** While building: append copies. */
void dns_settings_add_split(struct dns_settings *d, const char *domain, struct str_list *servers_taken);
void dns_settings_add_record(struct dns_settings *d, const char *name, const char *type, const char *value);

enum tailnet_auto_update { AUTO_UPDATE_UNSET, AUTO_UPDATE_OFF, AUTO_UPDATE_ON };

struct tailnet_settings {
	atomic_uint refs;
	char *name;                    /* shown to clients (Domain); owned */
	char *server_url;              /* without a slash at the end; owned */
	struct ip_prefix prefix4, prefix6; /* masked; family IP_NONE: that family is not given out */
	bool random_addresses;         /* else sequential */
	int64_t key_lifetime_ns;       /* node.expiry: of keys of user-owned nodes; 0: for ever */
	enum tailnet_auto_update auto_update;
	bool file_sharing;             /* Taildrop */
	bool logtail;                  /* false: clients are told not to upload logs */
	bool https;                    /* certificates for nodes' names are offered */
	int64_t key_notice_ns;         /* a node is told of the end of its key so long before; 0: never */
	char *client_latest;           /* "1.104.5": clients older than that are told of it; "": nothing is told; owned */
	char *client_minimum;          /* likewise, and that they are outdated; "" likewise; owned */
};
/** Zero, texts "", one reference, file_sharing true. Returned (tailnet_settings_unref). */
struct tailnet_settings *tailnet_settings_new(void);
struct tailnet_settings *tailnet_settings_ref(struct tailnet_settings *s);
void tailnet_settings_unref(struct tailnet_settings **s);
bool tailnet_settings_eq(const struct tailnet_settings *a, const struct tailnet_settings *b);
/** Replace an owned text of either struct by a copy. */
void settings_set_text(char **field, const char *s);

#endif
