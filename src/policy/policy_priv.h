/*
 * policy/policy_priv.h -- the typed policy, as the parser leaves it and the engine reads it.
 *
 * Everything is in the policy's arena. Selectors are interned: one number for one text. Rules are
 * taken apart into templates: one source set, one protocol, one destination each, in the order in
 * which the hosted service works through them (grants first, then acls).
 */
#ifndef POLICY_POLICY_PRIV_H
#define POLICY_POLICY_PRIV_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/vec.h"
#include "policy/hujson.h"
#include "policy/policy.h"
#include "policy/strmap.h"

enum sel_kind {
	SEL_ANY,     /* * */
	SEL_LITERAL, /* an address or a prefix, also by the name of a host */
	SEL_USER,
	SEL_DOMAIN, /* user:*@domain */
	SEL_GROUP,
	SEL_TAG,
	SEL_AUTO,
	SEL_IPSET,
	SEL_SVC,
};

enum autogroup {
	AG_NONE,
	AG_MEMBER,
	AG_TAGGED,
	AG_OWNER,
	AG_ADMIN,
	AG_NETWORK_ADMIN,
	AG_IT_ADMIN,
	AG_BILLING_ADMIN,
	AG_AUDITOR,
	AG_SHARED,
	AG_SELF,
	AG_INTERNET,
	AG_DANGER_ALL,
	AG_NONROOT,
};

struct sel {
	enum sel_kind kind;
	enum autogroup ag;
	const char *text;	 /* trimmed; its identity */
	const char *arg;	 /* USER: login; DOMAIN: domain; GROUP, TAG, IPSET, SVC: whole name */
	bool host;		 /* LITERAL by name */
	bool wide;		 /* LITERAL written with a prefix length that is not that of one address */
	bool internet;		 /* autogroup:internet, or an IP set that holds it */
	struct ip_range *range;	 /* LITERAL (one), IPSET, internet: in order */
	const char **range_text; /* each as rules carry it */
	uint32_t n_range;
};

/* A condition on the device a rule's source is: one of these postures must hold. */
struct cond {
	uint32_t *posture;
	uint32_t n;
	const char *text; /* their names */
};

struct srcset {
	uint32_t *dev; /* selectors of devices */
	uint32_t *lit; /* literals and IP sets */
	uint32_t n_dev, n_lit;
	bool any, danger;
	int32_t cond;	  /* index of conds; -1: none */
	const char *text; /* its identity, for names of chunks */
};

struct ports {
	uint16_t first, last;
};

enum tmpl_kind {
	TMPL_PACKET,   /* dst: ANY, a device selector, a literal or an IP set */
	TMPL_INTERNET, /* dst: something with the internet in it */
	TMPL_SELF,
	TMPL_VIA,     /* packet on the nodes with a via tag that serve dst */
	TMPL_VIA_APP, /* no rule, but it admits like one */
	TMPL_CAP,     /* dsts */
	TMPL_CAP_SELF,
	TMPL_BACK, /* companion: goes to the nodes of `who`, its sources made of the grant's dst */
	TMPL_BACK_SELF,
};

struct tmpl {
	enum tmpl_kind kind;
	uint32_t rule; /* index of rules */
	uint32_t src;  /* index of srcsets */
	int32_t proto; /* -1: none named */
	uint32_t dst;  /* PACKET, INTERNET, VIA*: selector */
	struct ports *port;
	uint32_t n_port;
	uint32_t *dsts; /* CAP: selectors */
	uint32_t n_dsts;
	uint32_t who;  /* BACK: srcset of the grant's own sources */
	uint32_t *via; /* VIA*: tag selectors */
	uint32_t n_via;
	const char *caps; /* CAP, BACK: the CapMap as JSON */
	uint64_t name;	  /* hash of what it is, for names of chunks */
};

struct rule {
	bool grant;
	uint32_t index; /* in its section */
	uint32_t pos;	/* offset in the text */
};

enum posture_op { OP_EQ, OP_NE, OP_IN, OP_NOT_IN, OP_SET, OP_NOT_SET, OP_LT, OP_LE, OP_GT, OP_GE };
struct posture_value {
	enum policy_attr_type type;
	const char *str;
	double num;
	bool flag;
};
struct assertion {
	const char *attr;
	enum posture_op op;
	struct posture_value *value;
	uint32_t n_value;
};
struct posture {
	const char *name;
	struct assertion *a;
	uint32_t n;
};

struct ssh_rule {
	bool check;
	bool any_destination; /* default period */
	int64_t period_ns;    /* 0: never remembered */
	uint32_t src;	      /* srcset */
	uint32_t *dst;	      /* selectors but autogroup:self */
	uint32_t n_dst;
	bool self;
	const char *users; /* sshUsers as JSON, without local parts */
	const char **user; /* plain names, "root" too */
	uint32_t n_user;
	bool root, nonroot;
	const char **local; /* domains of localpart:*@d */
	uint32_t n_local;
	const char *accept_env; /* JSON array; NULL: none */
	uint32_t *recorder;	/* tag selectors */
	uint32_t n_recorder;
	bool enforce_recorder;
	uint32_t pos;
};

struct attr_rule {
	uint32_t *target;
	uint32_t n_target;
	const char **attr;
	uint32_t n_attr;
	struct ip_prefix *pool;
	uint32_t n_pool;
	const struct hujson_value *app;
};

struct approver {
	struct ip_prefix prefix;
	uint32_t *sel;
	uint32_t n;
};

struct group {
	const char *name;
	const char **member;
	uint32_t n;
};

struct tag {
	const char *name;
	uint32_t *owner; /* selectors; none: autogroup:admin */
	uint32_t n;
};

struct net_test {
	const char *src;  /* trimmed; "" if missing */
	uint32_t src_sel; /* selector; STRMAP_NONE: unknown */
	const char *proto;
	const char **accept, **deny;
	uint32_t *accept_sel, *deny_sel; /* of the part before the last colon */
	uint32_t n_accept, n_deny;
	struct policy_attr *attr;
	uint32_t n_attr;
};
struct ssh_test {
	const char *src;
	uint32_t src_sel, *dst_sel; /* STRMAP_NONE: unknown */
	const char **dst, **accept, **check, **deny;
	uint32_t n_dst, n_accept, n_check, n_deny;
	struct policy_attr *attr;
	uint32_t n_attr;
};

struct policy {
	atomic_uint refs;
	struct arena *arena;
	struct bytes text;
	struct hujson tree;

	VEC(struct sel) sels;
	struct strmap sel_by_text;
	VEC(struct group) groups;
	struct strmap group_by_name;
	struct strmap host_by_name; /* index of hosts */
	VEC(struct ip_prefix) hosts;
	struct strmap ipset_by_name; /* index of ipsets */
	VEC(struct sel) ipsets;
	VEC(struct posture) postures;
	struct strmap posture_by_name;
	VEC(struct cond) conds;
	int32_t default_cond; /* -1: none */
	VEC(struct tag) tags;
	struct strmap tag_by_name;

	VEC(struct srcset) srcsets;
	struct strmap srcset_by_text;
	VEC(struct rule) rules;
	VEC(struct tmpl) tmpls;
	VEC(struct ssh_rule) ssh;
	VEC(struct attr_rule) attrs;
	VEC(struct approver) approvers;
	uint32_t *exit_approver;
	uint32_t n_exit_approver;
	VEC(struct net_test) tests;
	VEC(struct ssh_test) ssh_tests;
	VEC(struct policy_warning) warnings;
	const char *derp_map; /* JSON; NULL: none */
	bool disable_ip4;
	bool randomize_client_port;
	const char *one_cgnat; /* "", "mac-always", "mac-never" */
	bool owners_matter;    /* autogroup:self or a local part occurs: classes go by owner */
};

/* ---- reading one file (parse*.c) ---- */

struct parse {
	struct policy *p;
	struct arena *a;
	const struct policy_settings *settings;
	struct policy_error *error;
	bool failed;
	enum status status;
	bool member_old, member_new; /* autogroup:members, autogroup:member seen */
};

/* Refuse the policy, once: always false. pos: offset of the culprit. */
bool refuse(struct parse *c, uint32_t pos, const char *fmt, ...) PRINTF_LIKE(3, 4);
void warn(struct parse *c, uint32_t pos, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As Go's %q; from the arena. */
const char *quoted(struct arena *a, struct bytes s);
const char *quoted_str(struct arena *a, const char *s);
/* Without blanks and tabs at both ends; NUL-terminated copy from the arena. */
const char *trimmed(struct arena *a, struct bytes s);

/* All members must be among names (NULL-terminated), matched without case, each once. */
bool only_fields(struct parse *c, const struct hujson_value *o, const char *const *names);
/* The member of that name, matched without case; NULL if absent or null. */
const struct hujson_value *field(const struct hujson_value *o, const char *name);
/* A list of strings: *n_out of them from the arena. Absent and null: none. */
bool field_strings(struct parse *c, const struct hujson_value *o, const char *name, const struct hujson_value ***out,
		   uint32_t *n_out);
bool field_string(struct parse *c, const struct hujson_value *o, const char *name, const struct hujson_value **out);
bool field_bool(struct parse *c, const struct hujson_value *o, const char *name, bool *out);
bool must_be(struct parse *c, const struct hujson_value *v, enum hujson_type t, const char *what);

enum sel_fault {
	SEL_OK,
	SEL_NO_TAG, /* tag not in tagOwners */
	SEL_NO_GROUP,
	SEL_NO_IPSET,
	SEL_NO_AUTOGROUP, /* no such autogroup */
	SEL_BAD_NAME,	  /* neither an address nor a host */
	SEL_BAD_DOMAIN,	  /* user:*@d of a domain that is not the tailnet's */
	SEL_BAD_PREFIX,	  /* posture:, localpart: where a selector is due */
};
/* Understand one selector without keeping it. */
enum sel_fault sel_classify(struct parse *c, struct sel *s);
/* Understand and intern one selector; text is trimmed. arg_out: what the fault is about. */
enum sel_fault sel_intern(struct parse *c, const char *text, uint32_t *out, const char **arg_out);
/* A selector that no text of the file names. */
uint32_t sel_add(struct policy *p, struct sel s);
bool domain_is_ours(struct parse *c, const char *domain);
/* Words for a fault, as the hosted service puts them where no more is known. */
const char *sel_fault_text(struct parse *c, enum sel_fault f, const char *arg);
/* A list of selectors that must all be known; words after prefix. */
bool sel_list(struct parse *c, const struct hujson_value **v, uint32_t n, const char *prefix, uint32_t **out);
void sel_set_range(struct arena *a, struct sel *s, const struct ip_range *r, size_t n, bool prefixes);
bool sel_is_device(const struct sel *s);
bool sel_is_literal(const struct sel *s);
void internet_ranges(struct arena *a, struct sel *s);
const char *literal_text(struct arena *a, struct ip_prefix p);

/* The source set of these selectors. */
uint32_t srcset_intern(struct parse *c, const uint32_t *sel, uint32_t n, int32_t cond);
/* srcPosture of a rule, or the default. */
bool parse_cond(struct parse *c, const struct hujson_value *rule, int32_t *out);

bool parse_ports(struct parse *c, uint32_t pos, const char *prefix, const char *text, struct ports **out, uint32_t *n);
bool parse_proto(struct parse *c, uint32_t pos, const char *text, int32_t *out);
bool parse_postures(struct parse *c, const struct hujson_value *root);
bool parse_ipsets(struct parse *c, const struct hujson_value *root);
bool parse_hosts(struct parse *c, const struct hujson_value *root);
bool parse_groups(struct parse *c, const struct hujson_value *root);
bool parse_tag_owners(struct parse *c, const struct hujson_value *root);
bool parse_approvers(struct parse *c, const struct hujson_value *root);
bool parse_acls(struct parse *c, const struct hujson_value *root);
bool parse_grants(struct parse *c, const struct hujson_value *root);
/* SSH servers reach their session recorders without a rule of the file; rule.index is UINT32_MAX. */
void emit_recorder(struct parse *c, uint32_t src, uint32_t recorder, uint32_t pos);
bool parse_allow_all(struct parse *c);
bool parse_ssh(struct parse *c, const struct hujson_value *root);
bool parse_node_attrs(struct parse *c, const struct hujson_value *root);
bool parse_tests(struct parse *c, const struct hujson_value *root);
bool parse_settings(struct parse *c, const struct hujson_value *root);
/* "srcPostureAttrs" of tests, "attrConfig" types. */
bool parse_attr_values(struct parse *c, const struct hujson_value *o, struct policy_attr **out, uint32_t *n_out);

/* Does a device with these attributes fulfil the posture? Pure. */
bool posture_holds(const struct posture *p, const struct policy_attr *attr, size_t n_attr);
/* Order of versions: runs of digits as numbers, other runs as text. */
int version_cmp(const char *a, const char *b);

/* A Go duration ("1h30m") in ns; the message of Go in *why otherwise. */
bool go_duration(struct arena *a, const char *text, int64_t *ns_out, const char **why);

uint64_t hash_text(uint64_t h, const char *s);
uint64_t hash_u64(uint64_t h, uint64_t v);

#endif
