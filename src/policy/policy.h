/*
 * policy/policy.h -- a policy file as text, read and checked.
 *
 *     text --hujson--> tree --policy_parse--> struct policy --policy_engine_new + world--> struct policy_engine
 *
 * What a policy may contain is in docs/design/policy.md. A struct policy is immutable and counted.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/bytes.h"
#include "base/status.h"
#include "policy/world.h"

#define POLICY_TEXT_MAX	     ((size_t)4 << 20) /* bytes of a policy file */
#define POLICY_SELECTORS_MAX 20000	       /* different selectors in one file */
#define POLICY_RULES_MAX     50000	       /* emissions of all rules of one file */

struct policy;

/* Why a policy was refused. */
struct policy_error {
	int http_status;    /* 400, or 500 where the hosted service answers so */
	unsigned line;	    /* from 1; 0 if it concerns no place in particular */
	unsigned column;    /* from 1, in bytes */
	char message[1024]; /* the text of the API, without a position unless it is a syntax error */
};

/* What is accepted though another server would refuse it or understand it otherwise. */
struct policy_warning {
	unsigned line, column;
	const char *text; /* owned by the policy */
};

/**
 * Read and check a policy.
 *
 * text      UTF-8 HuJSON; copied. Blank text (comments only, or empty) is "no policy": everything is allowed.
 * settings  the tailnet's domains are looked at; may be NULL: any domain is the tailnet's own.
 * out       set on ST_OK: returned (policy_unref).
 * error     may be NULL; filled unless ST_OK.
 * ST_BAD_INPUT  refused; ST_TOO_BIG  passes a limit above.
 * Time and memory are linear in the text. Any thread.
 */
enum status policy_parse(struct bytes text, const struct policy_settings *settings, struct policy **out,
			 struct policy_error *error) MUST_CHECK;

/** The policy that allows everything, as a blank text does. Returned (policy_unref). */
struct policy *policy_allow_all(void);

struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy **p);

/** The text as given. Borrowed from the policy. */
struct bytes policy_text(const struct policy *p);

/** Warnings, in the order of the text; returns how many. Borrowed from the policy. */
size_t policy_warnings(const struct policy *p, const struct policy_warning **out);

/** Has the policy `tests` or `sshTests`? */
bool policy_has_tests(const struct policy *p);

struct policy_engine;

/* One failed entry of `tests` or `sshTests`. */
struct policy_test_failure {
	const char *src;	   /* as written, "" if missing */
	const char *const *errors; /* e.g. `address "x:22": want: Accept, got: Drop` */
	size_t n_errors;
	bool ssh; /* of sshTests */
};

struct arena;

/**
 * Run the tests of the policy that `e` was made from against the users and nodes of `e`.
 *
 * failures_out  on ST_DENIED: what failed, in file order; memory from a. May be NULL.
 * ST_OK         all hold (or there are none).
 * ST_DENIED     at least one failed; the answer of the API is 400 "test(s) failed".
 */
enum status policy_run_tests(const struct policy_engine *e, struct arena *a,
			     const struct policy_test_failure **failures_out, size_t *n_out) MUST_CHECK;

/* The message of the API when tests fail. */
#define POLICY_TESTS_FAILED "test(s) failed"

/**
 * The policy as standard JSON: comments and trailing commas replaced by blanks, all else as written.
 * A blank text gives "{}". Returned (free()); NUL-terminated, n_out may be NULL.
 */
char *policy_standard_json(const struct policy *p, size_t *n_out);

#endif
