/*
 * state/open.c -- a state from what is stored to running threads, and its end; see state/state.h.
 */
#include <stdlib.h>

#include "base/log.h"
#include "policy/engine.h"
#include "policy/policy.h"
#include "state/state_priv.h"

static void take_defaults(struct state *st)
{
	struct state_opts *o = &st->o;
	struct state_limits *l = &st->limits;

#define DEFAULT(field, value) (field) = (field) != 0 ? (field) : (value)
	DEFAULT(o->tailnet, TAILNET_DEFAULT);
	DEFAULT(o->offline_grace_ns, 10 * NS_PER_S);
	DEFAULT(o->restart_lease_ns, 30 * NS_PER_S);
	DEFAULT(o->ephemeral_timeout_ns, 30 * 60 * NS_PER_S);
	DEFAULT(o->pending_lifetime_ns, 15 * 60 * NS_PER_S);
	DEFAULT(o->presence_write_ns, 10 * NS_PER_S);
	*l = o->limits;
	DEFAULT(l->queue, 65536);
	DEFAULT(l->pending, 1024);
	DEFAULT(l->pending_per_machine, 4);
	DEFAULT(l->pending_per_source, 64);
	DEFAULT(l->nodes, 1000000);
#undef DEFAULT
}

static void first_world(struct state *st, const struct state_opts *o, struct loaded *l)
{
	struct snapshot *w = snapshot_new(st->o.tailnet);

	w->seq = 1;
	w->made_ns = state_unix_ns(st);
	w->settings = o->settings ? tailnet_settings_ref(o->settings) : tailnet_settings_new();
	w->dns = o->dns ? dns_settings_ref(o->dns) : dns_settings_new();
	w->derp_map = o->derp_map ? shared_bytes_ref(o->derp_map) : shared_bytes_new(BYTES_LIT("{\"Regions\":{}}"));
	addr_pool_set(&st->pool4, w->settings->prefix4, w->settings->random_addresses);
	addr_pool_set(&st->pool6, w->settings->prefix6, w->settings->random_addresses);
	tables_copy(&st->tables, &l->t);
	atomic_store(&st->n_pending, st->tables.n_pending);
	user_table_unref(&w->users);
	w->users = user_table_ref(l->users);
	for (size_t i = 0; i < l->nodes.n; i++) {
		struct node *n = l->nodes.v[i];
		struct entry *e = state_entry_make(st, n->id);

		n->expired = node_expired(n, w->made_ns); /* nobody else has it yet */
		e->leased = n->online;
		snapshot_add_node(w, n, POLICY_CLASS_NONE);
		st->online += n->online;
		addr_pool_seen(&st->pool4, &n->ip4);
		addr_pool_seen(&st->pool6, &n->ip6);
		if (node_is_router(n))
			vec_push(&st->routers, n->id);
	}
	st->cur = w;
}

static void first_engine(struct state *st)
{
	struct snapshot *w = st->cur;
	struct turn t = { .st = st, .next = w, .new_engine = true };

	facts_update(&t, w); /* nobody has seen w yet: it is changed in place */
	vec_release(&t.touched);
	for (size_t i = 0; i < w->n_pages; i++)
		for (uint64_t m = w->pages[i]->used; m != 0; m &= m - 1)
			state_arm_node(st, w->pages[i]->slot[__builtin_ctzll(m)].node);
}

static enum status first_policy(struct state *st, const struct state_opts *o, const struct loaded *l, struct err *err)
{
	struct bytes text = o->policy_from_file ? o->policy_text : shared_bytes_view(l->policy_text);
	struct policy_error perr = { 0 };
	enum status s;

	st->policy_at_ns = l->policy_at_ns;
	if (text.n == 0) {
		st->policy = policy_allow_all();
		return ST_OK;
	}
	s = policy_parse(text, NULL, &st->policy, &perr);
	if (s != ST_OK) {
		err_set(err, "the policy cannot be used: line %u, column %u: %s", perr.line, perr.column, perr.message);
		return s;
	}
	st->policy_text = shared_bytes_new(text);
	return ST_OK;
}

static void test_policy(struct state *st)
{
	struct arena *a = arena_new();
	const struct policy_test_failure *f = NULL;
	size_t n = 0;

	if (policy_run_tests(st->cur->policy, a, &f, &n) != ST_OK)
		log_warn("tests of the policy fail; it is used all the same", LOG_U64("failures", n), LOG_END);
	arena_free(&a);
}

static bool free_value(void *arg, uint64_t hash, uint64_t val)
{
	(void)arg;
	(void)hash;
	free((void *)(uintptr_t)val);
	return true;
}

static void state_free(struct state *st)
{
	snapshot_unref(&st->cur);
	snapshot_unref(&st->shown);
	tables_release(&st->tables);
	policy_unref(&st->policy);
	shared_bytes_unref(&st->policy_text);
	trie_each(st->entries, free_value, NULL);
	trie_unref(&st->entries);
	trie_each(st->last_uses, free_value, NULL);
	trie_unref(&st->last_uses);
	trie_unref(&st->name_hints);
	vec_release(&st->more_pools);
	vec_release(&st->routers);
	vec_release(&st->mono.heap);
	vec_release(&st->wall.heap);
	vec_release(&st->dirty);
	vec_release(&st->used);
	vec_release(&st->waiters);
	store_close(&st->store);
	pthread_mutex_destroy(&st->lock);
	pthread_cond_destroy(&st->wake);
	pthread_cond_destroy(&st->jobs_wake);
	pthread_cond_destroy(&st->helper_wake);
	free(st);
}

static void init_locks(struct state *st)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&st->lock, NULL);
	pthread_cond_init(&st->wake, &attr);
	pthread_cond_init(&st->jobs_wake, NULL);
	pthread_cond_init(&st->helper_wake, NULL);
	pthread_condattr_destroy(&attr);
	queue_init(&st->inbox);
	queue_init(&st->durable);
	queue_init(&st->batch);
}

enum status state_open(const struct state_opts *o, struct state **out, struct err *err)
{
	struct state *st = xcalloc(1, sizeof *st);
	struct loaded *l = NULL;
	enum status s;

	st->o = *o;
	st->store = o->store;
	st->next_token = 1;
	atomic_init(&st->store_ok, true);
	init_locks(st);
	take_defaults(st);
	s = load_all(st->store, st->o.tailnet, &l, err);
	if (s == ST_OK)
		s = first_policy(st, o, l, err);
	if (s == ST_OK) {
		first_world(st, o, l);
		loaded_free(&l);
		s = prefixes_check(st, err);
	}
	if (s == ST_OK) {
		first_engine(st);
		test_policy(st);
		st->shown = snapshot_ref(st->cur);
		atomic_store(&st->n_nodes, st->cur->n_nodes);
		atomic_store(&st->n_online, st->online);
		timers_add(&st->wall, state_unix_ns(st), TIMER_PURGE, 0);
		if (st->o.audit_keep_ns > 0)
			timers_add(&st->wall, state_unix_ns(st), TIMER_AUDIT, 0);
		disk_start(st);
		st->helper_runs = pthread_create(&st->helper, NULL, helper_main, st) == 0;
		st->writer_runs = pthread_create(&st->writer, NULL, writer_main, st) == 0;
		if (!st->disk_runs || !st->helper_runs || !st->writer_runs) {
			err_set(err, "cannot start a thread");
			s = ST_IO;
		} else {
			prefixes_note(st);
		}
	}
	loaded_free(&l);
	if (s != ST_OK) {
		state_close(&st);
		return s;
	}
	*out = st;
	return ST_OK;
}

void state_close(struct state **stp)
{
	struct state *st = *stp;

	*stp = NULL;
	if (st == NULL)
		return;
	pthread_mutex_lock(&st->lock);
	st->closing = true;
	pthread_cond_broadcast(&st->helper_wake);
	pthread_mutex_unlock(&st->lock);
	if (st->helper_runs)
		pthread_join(st->helper, NULL); /* before the writer, which answers what it gives back */
	pthread_mutex_lock(&st->lock);
	st->stopping = true;
	st->poked = true;
	pthread_cond_signal(&st->wake);
	pthread_mutex_unlock(&st->lock);
	if (st->writer_runs)
		pthread_join(st->writer, NULL);
	disk_stop(st);
	state_free(st);
}

struct snapshot *state_snapshot(struct state *st)
{
	struct snapshot *s;

	pthread_mutex_lock(&st->lock);
	s = snapshot_ref(st->shown);
	pthread_mutex_unlock(&st->lock);
	return s;
}

void state_time_changed(struct state *st)
{
	pthread_mutex_lock(&st->lock);
	st->poked = true;
	pthread_cond_signal(&st->wake);
	pthread_mutex_unlock(&st->lock);
}

void state_stats(struct state *st, struct state_stats *out)
{
	*out = (struct state_stats){
		.commands = atomic_load(&st->n_commands),
		.commits = atomic_load(&st->n_commits),
		.commit_failures = atomic_load(&st->n_commit_failures),
		.reloads = atomic_load(&st->n_reloads),
		.publications = atomic_load(&st->n_publications),
		.presence_updates = atomic_load(&st->n_presence),
		.pending_evicted = atomic_load(&st->n_evicted),
		.queued = atomic_load(&st->n_queued),
		.nodes = atomic_load(&st->n_nodes),
		.online = atomic_load(&st->n_online),
		.pending = atomic_load(&st->n_pending),
		.last_commit_ns = atomic_load(&st->last_commit_ns),
		.commit_sum_ns = atomic_load(&st->commit_sum_ns),
	};
	for (size_t i = 0; i <= STATE_COMMIT_BUCKETS; i++)
		out->commit_buckets[i] = atomic_load(&st->commit_buckets[i]);
}

bool state_store_ok(struct state *st)
{
	return atomic_load(&st->store_ok);
}
