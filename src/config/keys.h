/*
 * config/keys.h -- the table of keys, and the table of keys that are no more.
 *
 * Private to the room.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "config/config.h"

enum key_kind {
	KEY_STR,      /* const char * */
	KEY_BOOL,     /* bool */
	KEY_INT,      /* int64_t within min..max */
	KEY_DURATION, /* int64_t ns within min..max; text with units */
	KEY_ENUM,     /* int out of words */
	KEY_MODE,     /* int, octal digits */
	KEY_SSLMODE,  /* const char *, false / true / a word of libpq */
	KEY_LISTEN,   /* struct config_listen */
	KEY_URL,      /* struct config_url */
	KEY_HTTP,     /* const char *, an http or https URL */
	KEY_V4,	      /* const char *, an IPv4 address or "none" */
	KEY_V6,
	KEY_PREFIX_V4, /* struct ip_prefix */
	KEY_PREFIX_V6,
	KEY_DOMAIN,    /* const char * */
	KEY_LIST,      /* struct config_strings */
	KEY_URLS,      /* likewise, http or https */
	KEY_DOMAINS,   /* likewise, domain names */
	KEY_RESOLVERS, /* likewise, addresses or URLs of name servers */
	KEY_PREFIXES,  /* struct config_prefixes */
	KEY_SPLIT,     /* struct config_split *, the number behind it */
	KEY_RECORDS,   /* struct config_record *, the number behind it */
	KEY_PARAMS,    /* struct config_param *, the number behind it */
};

enum key_flags {
	KEY_LIVE = 1,	 /* a running server can take a change over */
	KEY_SECRET = 2,	 /* never shown */
	KEY_BESIDE = 4,	 /* a relative path counts from the folder of the configuration file */
	KEY_EXPAND = 8,	 /* $NAME and ${NAME} are replaced from the environment */
	KEY_CLIENT = 16, /* matters to the command line's client */
};

struct key_word {
	const char *word; /* NULL ends a list */
	int value;
};

struct key {
	const char *name;
	enum key_kind kind;
	size_t off;	 /* in struct config */
	size_t off_n;	 /* KEY_SPLIT, KEY_RECORDS, KEY_PARAMS: of the number */
	const char *def; /* default, as the text one would write; NULL: zero or empty */
	unsigned flags;
	int64_t min, max;
	const struct key_word *words;
	const char *choices; /* of words, for people */
	const char *member;  /* of struct config, as code writes it; a test looks for its reader by this */
};

/* In groups: all keys of a section stand together. */
extern const struct key cfg_keys[];
extern const size_t cfg_keys_n;

/** Index of a key by its lower-case name, or -1. */
int cfg_key_find(const char *name);

/** Does a key (or a key that is no more) begin with `name` and a dot? */
bool cfg_key_is_section(const char *name);

/** What `name` was probably meant to be: a key or section, or NULL. Static. */
const char *cfg_key_suggest(const char *name);

/** Bytes of the member of a key of this kind in struct config. */
size_t cfg_kind_size(enum key_kind kind);

/* A key that is read and checked, and decides nothing here. */
struct idle_key {
	const char *name;
	const char *same; /* the value that asks for what is done in any case, as one would write it; NULL: none does */
	const char *why;  /* follows "NAME has no effect: "; says what to do where there is something to do */
};
extern const struct idle_key cfg_idle_keys[];
extern const size_t cfg_idle_keys_n;

/** Why this key decides nothing, or NULL: it does. */
const struct idle_key *cfg_idle_key_find(const char *name);

#define KEY_ENV_MAX 96
/** The name of the environment variable of a key. */
void cfg_key_env(const char *key, char out[static KEY_ENV_MAX]);

/**
 * The variable that `name`, an upper-case HEADSCALE_..., was probably meant to be, in out; NULL if it is one, or like none.
 */
const char *cfg_variable_suggest(const char *name, char out[static KEY_ENV_MAX]);

enum old_effect {
	OLD_FATAL_UNLESS_NEW, /* an error, or a warning when the new key is set */
	OLD_FATAL,
	OLD_WARN,
};

/* A key of an earlier release. */
struct old_key {
	const char *name;
	enum old_effect effect;
	const char *replacement; /* a key, or NULL */
	const char *hint;	 /* more words, or NULL */
};
extern const struct old_key cfg_old_keys[];
extern const size_t cfg_old_keys_n;

/** The old key of that lower-case name, or NULL. */
const struct old_key *cfg_old_key_find(const char *name);

#endif
