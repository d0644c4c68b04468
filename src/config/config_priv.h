/* config/config_priv.h -- what the room's own files share: a load in progress, and where values came from. */
#ifndef CONFIG_CONFIG_PRIV_H
#define CONFIG_CONFIG_PRIV_H

#include "base/arena.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/tree.h"

/* Where a value came from. */
struct origin {
	const char *source; /* NULL: default */
	unsigned line, column;
	const char *shown; /* the value for messages, "" if secret */
	bool bad;	   /* a problem was reported: rules between keys leave it alone */
};

struct config_priv {
	struct arena *arena; /* holds the config itself */
	bool borrows;	     /* an overlay: its texts are others' */
	struct origin origin[CONFIG_KEYS_MAX];
};

struct loader {
	const struct config_source *src;
	struct config *c;
	struct config_report *report;
	const char *file; /* source of what is being read now, for messages */
	const char *dir;  /* of the configuration file, "" for none */
};

/* A place and a value, for messages. */
struct spot {
	const char *source;
	unsigned line, column;
	const char *key;
	const char *value;
};

/** Add to the report; strings of `at` are copied. */
void cfg_problem(struct config_report *r, enum config_severity severity, const struct spot *at, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/**
 * The same about key `key`, with the place and value it was set with. An error marks the key as bad; a key that is bad
 * already is left in peace.
 */
void cfg_complain(struct loader *l, enum config_severity severity, const char *key, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/** A value for messages: short, one line; "" for secrets, "a list", "a map". From the report's arena. */
const char *cfg_shown(struct loader *l, const struct key *k, const struct cfg_node *n);

/**
 * Convert `n` and put it in the config's member for `k`; what is wrong goes to the report, and the
 * member stays as it was. false: something was wrong.
 */
bool cfg_value_set(struct loader *l, const struct key *k, const struct cfg_node *n);

/** Read "host:port"; false if it is none. Strings come from `arena`. */
bool cfg_listen_parse(struct arena *arena, const char *text, struct config_listen *out);

/** NULL, or what is wrong with this URL. */
const char *cfg_url_parse(struct arena *arena, const char *text, struct config_url *out);

/** A domain name of letters, digits, - and _ with at most 253 characters. */
bool cfg_is_domain(const char *s);

/** Keys that are set and decide nothing, and variables that are nearly the name of one: a warning each. */
void cfg_check_idle(struct loader *l);

/** The rules between keys, and secrets from files. */
void cfg_check(struct loader *l);

/** The value of a variable in src->env, or NULL when unset or empty. */
const char *cfg_env(const struct config_source *src, const char *name);

static inline void *cfg_member_of(struct config *c, size_t off)
{
	return (char *)c + off;
}
static inline const void *cfg_member_of_const(const struct config *c, size_t off)
{
	return (const char *)c + off;
}

#endif
