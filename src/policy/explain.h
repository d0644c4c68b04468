/*
 * policy/explain.h -- why may this device reach that one, or why not?
 *
 *     headscale policy explain alice@example.com 10.0.0.7:443
 *
 * Rules are looked at before reduction: what is asked is the policy, not what one node happens to hold.
 */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include "policy/engine.h"

/* One end of the question: a device, or an address that is no device (behind a router, on the internet). */
struct policy_end {
	node_id node;	     /* 0: addr alone */
	struct ip_addr addr; /* IP_NONE: both addresses of the node */
};

/* How near a rule comes, nearest first. */
enum policy_miss {
	POLICY_HIT,	     /* it allows */
	POLICY_MISS_POSTURE, /* all fits, but the source does not fulfil the posture */
	POLICY_MISS_PORT,    /* all but the port */
	POLICY_MISS_PROTO,   /* all but the protocol (and perhaps the port) */
	POLICY_MISS_SRC,     /* the destination fits, the source does not */
	POLICY_MISS_DST,     /* the source fits, the destination does not */
};

struct policy_step {
	enum policy_miss miss;
	bool grant;	    /* of `grants`; else of `acls` */
	uint32_t index;	    /* in its section, from 0 */
	unsigned line;	    /* in the policy's text; 0: made by the server itself */
	const char *source; /* the rule's sources as written, sorted, separated by blanks */
	const char *target; /* the destination it was compared with, e.g. "tag:web:80,443" */
	const char *text;   /* a sentence for people */
};

struct policy_explanation {
	bool allowed;
	bool visible;			 /* the two devices are peers (both are devices) */
	const struct policy_step *steps; /* nearest first; if allowed, the rules that allow */
	size_t n_steps;
	const char *text; /* the answer in one sentence */
};

/**
 * Understand one end as people write it: an address, the name of a host of the policy, or a selector of devices
 * (user, group, tag), for which its first device stands. ST_NOT_FOUND: there is none; err says what was looked for.
 */
enum status policy_end_parse(const struct policy_engine *e, const char *text, struct policy_end *out,
			     struct err *err) MUST_CHECK;

/**
 * port   1..65535; 0: any port will do (the first port of a rule is taken).
 * proto  protocol number; -1: any of TCP, UDP, ICMP, ICMPv6.
 * a      all of *out is from here.
 * At most 20 steps are given. Any thread.
 */
void policy_explain(const struct policy_engine *e, const struct policy_end *src, const struct policy_end *dst,
		    uint16_t port, int proto, struct arena *a, struct policy_explanation *out);

#endif
