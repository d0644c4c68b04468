/*
 * policy/engine_priv.h -- how a compiled policy lies in memory.
 *
 *     lineage   what holds for a policy and settings: masks of selectors, and the tables of kinds and
 *               classes, which only ever grow. Shared along updates.
 *     engine    one world: users, node records in pages, members of classes, routers, elections, and
 *               which source lists are equal. Pages are shared with the engine before.
 *
 * A *kind* is a set of selectors that match (and what else decides: role, router). A *class* is a kind
 * with an owner, where owners matter; without autogroup:self and local parts it is the kind itself.
 *
 * Two source lists are equal if the sums of the hashes of their strings are (128 bits, seeded): so
 * lists need not be written out to know which rules merge.
 */
#ifndef POLICY_ENGINE_PRIV_H
#define POLICY_ENGINE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "policy/engine.h"
#include "policy/policy_priv.h"

/* ---- sets of selectors ---- */

#define BIT_WORDS(n) (((n) + 63) / 64)
static inline bool bit_get(const uint64_t *b, size_t i)
{
	return b[i / 64] >> (i % 64) & 1;
}
static inline void bit_set(uint64_t *b, size_t i)
{
	b[i / 64] |= (uint64_t)1 << (i % 64);
}
static inline bool bits_meet(const uint64_t *a, const uint64_t *b, size_t words)
{
	for (size_t i = 0; i < words; i++)
		if (a[i] & b[i])
			return true;
	return false;
}

struct sum {
	uint64_t a, b;
};
static inline void sum_add(struct sum *s, struct sum x)
{
	s->a += x.a;
	s->b += x.b;
}
static inline void sum_sub(struct sum *s, struct sum x)
{
	s->a -= x.a;
	s->b -= x.b;
}
struct sum hash_addr(const struct ip_addr *a);
struct sum hash_string(const char *s);

enum { FAM_4 = 1, FAM_6 = 2, FAM_BOTH = 3 };

enum kind_flag {
	KIND_TAGGED = 1,
	KIND_EXIT = 2,	    /* approved exit node */
	KIND_ROUTES = 4,    /* serves at least one subnet route */
	KIND_ADMIN = 8,	    /* is-admin */
	KIND_OWNER = 16,    /* is-owner */
	KIND_HIDE_IP4 = 32, /* attribute disable-ipv4; not part of the key: follows from it */
	KIND_INSIDE = 64,   /* serves a route that may hold addresses of devices */
};

struct kind {
	uint32_t id;
	uint32_t flags;
	node_id router;	       /* the only node of the kind; 0: no router */
	uint64_t router_key;   /* hash of its routes */
	const uint64_t *addr;  /* selectors that match the node: device selectors, literals with an address of it */
	const uint64_t *route; /* literals that overlap one of its served routes */
	const uint64_t *cond;  /* posture conditions it fulfils */
	uint64_t hash;
	atomic_uint classes; /* head of the chain of its classes; POLICY_CLASS_NONE */
};

#define CHUNK_ROWS 256
#define CHUNKS_MAX 16384

struct class_row { /* what of a class never changes */
	uint32_t kind;
	user_id owner;		   /* 0: tagged, or owners do not matter */
	uint32_t owner_slot;	   /* into lineage owners; UINT32_MAX without owner */
	policy_class owner_before; /* the owner's class before this one; POLICY_CLASS_NONE */
	policy_class kind_before;  /* the kind's class before this one; POLICY_CLASS_NONE */
};

/* What of a source set never changes while policy, users and settings stay. */
struct src_static {
	uint64_t *addr;		    /* mask of device selectors */
	uint64_t *lit;		    /* mask of literals and sets */
	const struct sel **literal; /* those */
	uint32_t n_literal;
	struct src_text *text; /* their texts, each once, sorted */
	uint32_t n_text;
	struct src_text *outside; /* with a condition: what of them lies outside the tailnet's ranges */
	uint32_t n_outside;
};
struct src_text {
	const char *text;
	bool single;
	struct ip_addr addr; /* single: the address */
	uint32_t sel;	     /* single: the selector, to find the device that has it */
	bool is_prefix;	     /* it is this prefix */
	struct ip_prefix prefix;
	struct sum hash;
};

/* The selectors that a login of the policy stands in: as a user, and through groups. */
struct named {
	uint32_t *sel;
	uint32_t n;
};

struct lineage {
	atomic_uint refs;
	pthread_mutex_t lock; /* making kinds and classes */
	struct policy *policy;
	struct arena *arena; /* of everything here; under lock once shared */
	size_t words;	     /* of a set of selectors */
	size_t cond_words;
	struct strmap named_by_login; /* what the policy calls users; index of named */
	struct named *named;
	uint32_t n_named;
	uint32_t *by_trait; /* selectors that go by a user's domain or role */
	uint32_t n_by_trait;
	uint64_t *user_bits; /* selectors that a user brings to a kind */
	char *display_name;  /* NULL: none */
	enum policy_auto_update auto_update;
	bool no_file_sharing, https;
	uint64_t *tagged_match; /* selectors that match every tagged device */
	uint32_t any;		/* the bit of addresses in the ranges of "*" */
	struct ip_range any_range[3];
	struct src_text any_text[3];
	uint64_t *single;	/* literals that are one address */
	struct src_static *src; /* by srcset */
	uint64_t **attr_target; /* by attr_rule: mask */
	bool *attr_all;		/* by attr_rule: "*" is a target */
	uint32_t *literals;	/* ids of literal selectors */
	uint32_t n_literals;

	/* Grow only; rows do not move. Rows below an engine's n_kinds and n_classes are safe to read without the lock.
	 */
	struct kind **kinds[CHUNKS_MAX];
	struct class_row *classes[CHUNKS_MAX];
	atomic_uint *owners[CHUNKS_MAX]; /* head of the owner's chain of classes */
	uint32_t n_kinds, n_classes, n_owners;
	struct table { /* open addressing: hash -> id + 1 */
		uint64_t *hash;
		uint32_t *id;
		size_t n, size;
	} kind_table, class_table, owner_table;
	user_id *owner_ids;
	size_t owner_cap;
};

static inline struct kind *kind_at(const struct lineage *l, uint32_t id)
{
	return l->kinds[id / CHUNK_ROWS][id % CHUNK_ROWS];
}
static inline const struct class_row *class_at(const struct lineage *l, policy_class c)
{
	return &l->classes[c / CHUNK_ROWS][c % CHUNK_ROWS];
}

/* ---- one world ---- */

struct rec {
	node_id id;
	uint64_t registered;
	user_id user; /* owner; 0 if tagged */
	user_id created_by;
	struct ip_addr ip4, ip6;
	policy_class class;
	uint16_t n_tags;
};
#define REC_PAGE 128
struct rec_page {
	atomic_uint refs;
	uint64_t stamp; /* of the build that may write it */
	uint32_t n;
	struct rec rec[REC_PAGE];
};

struct id_list {
	atomic_uint refs;
	uint64_t stamp;
	uint32_t n, cap;
	node_id id[];
};
struct class_dyn {
	struct id_list *members; /* NULL: none */
	struct sum sum4, sum6;	 /* of the addresses of its members */
};
#define DYN_PAGE 128
struct dyn_page {
	atomic_uint refs;
	uint64_t stamp;
	struct class_dyn dyn[DYN_PAGE];
};

struct kind_dyn {
	struct sum sum4, sum6;
	uint32_t n; /* nodes */
};

struct router {
	atomic_uint refs;
	node_id id;
	uint64_t registered;
	bool live, exit;
	uint32_t kind;
	struct ip_prefix *own; /* advertised and approved, as advertised */
	uint32_t n_own;
	struct ip_prefix *served; /* those that are no exit routes */
	uint32_t n_served;
};

/* A served prefix: what the policy says of it. Shared between engines. */
struct route_static {
	atomic_uint refs;
	struct ip_prefix prefix;
	uint64_t *overlaps; /* literals that overlap it; "*" if the ranges of "*" do */
	char text[IP_PREFIX_TEXT_MAX];
	struct sum hash;
};
struct route {
	struct route_static *s;
	uint32_t *server; /* indices of routers, by registration */
	uint32_t n_server;
	uint32_t primary; /* index into routers */
	uint64_t *inside; /* device selectors that have an address in it; NULL: none can have */
};

struct src_dyn {
	struct sum sum;
	uint32_t n;	/* devices and texts in the list; 0: empty */
	uint32_t canon; /* the first source set that is the same list */
};

struct policy_engine {
	atomic_uint refs;
	struct lineage *l;
	struct arena *arena; /* routes, src: made anew in each engine */
	struct user_set *users;
	user_id last_user; /* no node has an owner or maker beyond */
	node_id *moved;	   /* nodes that the users of an update put into another class */
	size_t n_moved;
	uint32_t n_kinds, n_classes;
	struct rec_page **pages;
	size_t n_pages, n_nodes;
	struct dyn_page **dyn;
	size_t n_dyn;
	struct kind_dyn *kind_dyn; /* by kind */
	struct router **routers;   /* sorted by id */
	size_t n_routers;
	size_t n_exit;
	struct route *routes; /* sorted by prefix */
	size_t n_routes;
	struct sum routes_sum;	       /* of the texts of all served routes */
	struct policy_primary *wished; /* primaries elected before */
	size_t n_wished;
	struct src_dyn *src;  /* by srcset */
	bool *present;	      /* by template: it has sources and destinations */
	uint32_t *leader;     /* by template: the first present one that it merges with */
	uint32_t *live_kinds; /* kinds with nodes, ascending */
	size_t n_live_kinds;
	uint64_t *live_bits; /* selectors that match any device */
	uint32_t *holder;    /* by selector: the kind whose only node has this single address; UINT32_MAX */
};

/* ---- lineage.c ---- */
struct lineage *lineage_new(struct policy *p, const struct policy_settings *s);
struct lineage *lineage_ref(struct lineage *l);
void lineage_unref(struct lineage **l);
struct user_set;
/* The kind of a node with these facts; router NULL for most. */
uint32_t lineage_kind(struct lineage *l, const struct user_set *users, const struct policy_node *n,
		      const struct router *r, struct route_static *const *routes);
struct user_row;
/* The kind that a node of this one has when its user, or who made it, is another. */
uint32_t lineage_kind_for(struct lineage *l, const struct kind *k, const struct user_row *u);
/* A new lineage of the same policy and settings, without the kinds that died; and kinds that moved over. */
struct lineage *lineage_again(const struct lineage *l);
uint32_t lineage_adopt(struct lineage *l, const struct kind *k);
policy_class lineage_class(struct lineage *l, uint32_t kind, user_id owner);
/* Does this selector match the device? On its own, for facts that are no record. */
bool sel_matches(const struct policy_engine *e, uint32_t sel, const struct policy_node *n);
struct route_static *route_static_new(const struct lineage *l, struct ip_prefix p);
void route_static_unref(struct route_static **s);
bool ranges_overlap(const struct ip_range *a, const struct ip_range *b);
bool sel_has_addr(const struct sel *s, const struct ip_addr *a);

/* ---- engine.c ---- */
const struct rec *engine_rec(const struct policy_engine *e, node_id id);
const struct router *engine_router(const struct policy_engine *e, node_id id, uint32_t *index_out);
const struct class_dyn *engine_class(const struct policy_engine *e, policy_class c);
const struct route *engine_route(const struct policy_engine *e, const struct ip_prefix *p);
static inline const struct kind *rec_kind(const struct policy_engine *e, const struct rec *r)
{
	return kind_at(e->l, class_at(e->l, r->class)->kind);
}
/* Call for each record in the order of IDs. */
void engine_each(const struct policy_engine *e, void (*fn)(void *arg, const struct rec *r), void *arg);

/* ---- match.c: who is a source, what concerns whom ---- */

/* Devices of this kind are written into the list, as these families (0: not). */
int src_lists(const struct policy_engine *e, uint32_t src, const struct kind *k);
/* The list holds an address of such a node, or overlaps one of its served routes. */
bool src_admits(const struct policy_engine *e, uint32_t src, const struct kind *k);
/* The list overlaps a served route. */
bool src_overlaps_route(const struct policy_engine *e, uint32_t src, const struct route *r);
/* Its texts that are no devices. */
typedef void src_text_fn(void *arg, const struct src_text *t);
void src_texts(const struct policy_engine *e, uint32_t src, src_text_fn *fn, void *arg);
/* The selectors of a source set match such a device: for autogroup:self and companions. */
bool src_selects(const struct policy_engine *e, uint32_t src, const struct kind *k);
/* If these conditions held for it. */
bool src_selects_if(const struct policy_engine *e, uint32_t src, const struct kind *k, const uint64_t *cond);
/* Does the template put something on nodes of this kind? For self: if the owner has sources. */
bool tmpl_concerns(const struct policy_engine *e, const struct tmpl *t, const struct kind *k);
static inline bool tmpl_is_self(const struct tmpl *t)
{
	return t->kind == TMPL_SELF || t->kind == TMPL_CAP_SELF || t->kind == TMPL_BACK_SELF;
}
/* The classes of an owner and of a kind, newest first. */
policy_class owner_first(const struct policy_engine *e, policy_class c);
policy_class owner_next(const struct policy_engine *e, policy_class c);
policy_class kind_first(const struct policy_engine *e, uint32_t kind);
policy_class kind_next(const struct policy_engine *e, policy_class c);
/* How many of the owner's devices the sources select; their sum. */
uint32_t own_sources(const struct policy_engine *e, uint32_t src, policy_class c, struct sum *out);
/* A rule on nodes of a has a source that is, or lies behind, b; without autogroup:self, and by it. */
bool kind_admits(const struct policy_engine *e, const struct kind *a, const struct kind *b);
bool own_admits(const struct policy_engine *e, const struct kind *a, const struct kind *b);
/* By autogroup:self too: b is a router, and a source of the owner of a lies behind it. */
bool own_admits_behind(const struct policy_engine *e, policy_class a, const struct kind *b);
/* Some of the owner's devices that src selects have an address in the prefix. */
bool own_overlaps(const struct policy_engine *e, uint32_t src, policy_class c, const struct ip_prefix *p);
/* This template admits b on a. */
bool tmpl_admits(const struct policy_engine *e, const struct tmpl *t, policy_class a, policy_class b);

/* ---- filter.c ---- */
struct out_rule {
	uint32_t src;
	bool own; /* the sources are the node's owner's devices that src selects */
	int32_t proto;
	const struct tmpl *cap; /* a capability rule; else packet */
	uint32_t *tmpl;
	uint32_t n_tmpl;
};
/* The rules of a node; memory from a. */
size_t filter_rules(const struct policy_engine *e, const struct rec *n, struct arena *a, const struct out_rule **out);

struct text_list {
	const char **v;
	size_t n;
};
/* The sources of a rule as sorted texts, each once. */
struct text_list filter_sources(const struct policy_engine *e, const struct rec *n, const struct out_rule *r,
				struct arena *a);
uint64_t filter_digest(const struct policy_engine *e, const struct rec *n);

/* ---- ssh.c ---- */
uint64_t ssh_digest(const struct policy_engine *e, const struct rec *n);
enum ssh_want { SSH_WANT_IN, SSH_WANT_CHECK, SSH_WANT_DENY };
/*
 * Holds this for every source: it gets in, gets in by a check rule, does not get in? An empty user never gets in.
 * cond: conditions taken as fulfilled by sources, instead of those they fulfil; NULL: none.
 */
bool ssh_lets_all(const struct policy_engine *e, const struct rec *dst, const node_id *src, size_t n, const char *user,
		  enum ssh_want want, const uint64_t *cond);

/* ---- reach.c: may this packet pass? ---- */

/* One end: an address, and the device that has it, if any. */
struct end {
	struct ip_addr addr;
	const struct rec *rec; /* NULL: no device */
};
struct flow {
	struct end src, dst;
	uint16_t port;
	int proto;	      /* -1: any of TCP, UDP, ICMP, ICMPv6 */
	const uint64_t *cond; /* conditions that hold for the source, instead of what its kind says; NULL */
};
/* The source fits the template; its destination does; ports and protocol do. */
bool flow_src(const struct policy_engine *e, const struct tmpl *t, const struct flow *f);
bool flow_dst(const struct policy_engine *e, const struct tmpl *t, const struct flow *f);
bool flow_port(const struct tmpl *t, const struct flow *f);
/* The first template that lets it pass; NULL: none. */
const struct tmpl *flow_rule(const struct policy_engine *e, const struct flow *f);
struct end end_of(const struct policy_engine *e, const struct ip_addr *a);

#endif
