/*
 * Who may own which key: random stories of logins, renewals, expiries, deletions, restarts and attacks, played to a server through
 * the channel and to a model beside it. After each step the server's nodes must be the model's, and a map is given to exactly
 * those keys that the model gives one.
 *
 * OWNERS_STEPS sets the length (300), OWNERS_SEED the story; both are printed.
 */
#include "protocol/harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/vec.h"

#define MACHINES 5
#define USERS 3
#define KEYS_MAX 65536

/* ---- chance ---- */

static uint64_t chance;

static unsigned pick(unsigned n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned)((chance >> 11) % n);
}

/* ---- the model ---- */

static const char *const users[USERS] = { "tester", "berta", "carl" }; /* IDs from 1 on */

struct owned {
	int64_t id;
	unsigned machine, user; /* user 0: tagged */
	unsigned key;           /* index in keys */
	bool expired, ephemeral;
};

static struct {
	struct owned v[256];
	size_t n;
	struct {
		struct ctl_identity id; /* node key only */
		unsigned machine;       /* whose it was first */
	} keys[KEYS_MAX];
	size_t n_keys;
	struct node *machine[MACHINES];
	char auth[USERS + 1][160]; /* reusable keys; [0]: tagged */
	char ephemeral[160];       /* of user 1 */
	char api[128];
	unsigned step;
	const char *doing;
} m;

static struct owned *holder_of(unsigned key)
{
	for (size_t i = 0; i < m.n; i++)
		if (m.v[i].key == key)
			return &m.v[i];
	return NULL;
}

static struct owned *of_user(unsigned machine, unsigned user)
{
	for (size_t i = 0; i < m.n; i++)
		if (m.v[i].machine == machine && m.v[i].user == user)
			return &m.v[i];
	return NULL;
}

static struct owned *tagged_of(unsigned machine)
{
	return of_user(machine, 0);
}

static size_t owned_of(unsigned machine, struct owned **last)
{
	size_t n = 0;

	for (size_t i = 0; i < m.n; i++)
		if (m.v[i].machine == machine && m.v[i].user != 0) {
			*last = &m.v[i];
			n++;
		}
	return n;
}

static void forget(struct owned *o)
{
	*o = m.v[--m.n];
}

static unsigned new_key(unsigned machine)
{
	assert_true(m.n_keys < KEYS_MAX);
	ctl_identity_new(&m.keys[m.n_keys].id, "k");
	m.keys[m.n_keys].machine = machine;
	return (unsigned)m.n_keys++;
}

/* A key for a login: a fresh one, one it had, or another's. */
static unsigned some_key(unsigned machine)
{
	if (m.n_keys == 0 || pick(3) == 0)
		return new_key(machine);
	return pick(2) ? (unsigned)m.n_keys - 1 - pick(m.n_keys < 12 ? (unsigned)m.n_keys : 12) : pick((unsigned)m.n_keys);
}

/* The key of a node, if there is any. */
static bool a_node(struct owned **out)
{
	if (m.n == 0)
		return false;
	*out = &m.v[pick((unsigned)m.n)];
	return true;
}

#define claim(cond, ...)                                                                                                 \
	do {                                                                                                             \
		if (!(cond)) {                                                                                           \
			print_error("step %u, %s: ", m.step, m.doing);                                                   \
			fail_msg(__VA_ARGS__);                                                                           \
		}                                                                                                        \
	} while (0)

/* ---- the API ---- */

static int api(const char *method, const char *target, const char *body, struct json_object **out)
{
	char auth[160];
	struct http_header h[] = { { "authorization", auth }, { "content-type", "application/json" } };
	struct ctl_reply r = { 0 };
	enum status s;
	int status;

	snprintf(auth, sizeof auth, "Bearer %s", m.api);

	s = ctl_http(&w.server, method, target, h, 2, bytes_of_str(body), PATIENCE_MS, &r);
	claim(s == ST_OK, "%s %s: %s", method, target, status_name(s));
	status = r.status;
	if (out != NULL && (status != 200 || json_parse(buf_bytes(&r.body), 1 << 24, out, NULL) != ST_OK))
		claim(false, "%s %s: %d %.*s", method, target, status, (int)r.body.n, (const char *)r.body.p);
	ctl_reply_release(&r);
	return status;
}

static const char *text(struct json_object *o, const char *name)
{
	return json_object_get_string(json_object_object_get(o, name));
}

static struct owned *by_id(int64_t id)
{
	for (size_t i = 0; i < m.n; i++)
		if (m.v[i].id == id)
			return &m.v[i];
	return NULL;
}

static void compare(struct json_object *o)
{
	char machine_text[KEY_TEXT_MAX], key_text[KEY_TEXT_MAX];
	int64_t id = strtoll(text(o, "id"), NULL, 10);
	struct owned *x = by_id(id);
	struct json_object *tags = json_object_object_get(o, "tags");
	bool tagged = tags != NULL && json_object_array_length(tags) > 0;
	struct machine_key mk;

	claim(x != NULL, "the server has a node that nobody made: %s", json_object_to_json_string(o));
	mk = machine_private_public(&m.machine[x->machine]->id.machine);
	machine_key_format(&mk, machine_text);
	node_key_format(&m.keys[x->key].id.node_public, key_text);
	claim(strcmp(text(o, "machineKey"), machine_text) == 0, "node %lld is another machine's", (long long)id);
	claim(strcmp(text(o, "nodeKey"), key_text) == 0, "node %lld has another key", (long long)id);
	claim(tagged == (x->user == 0), "node %lld is tagged or not", (long long)id);
	if (!tagged)
		claim(strtoul(text(json_object_object_get(o, "user"), "id"), NULL, 10) == x->user, "node %lld is another user's", (long long)id);
}

/* Every node of the server, one for one. */
static void compare_all(void)
{
	struct json_object *o = NULL, *list;

	api("GET", "/api/v1/node", "", &o);
	list = json_object_object_get(o, "nodes");
	claim(json_object_array_length(list) == m.n, "the server has %zu nodes, the model %zu", json_object_array_length(list), m.n);
	for (size_t i = 0; i < m.n; i++)
		compare(json_object_array_get_idx(list, i));
	json_object_put(o);
}

/* ---- what machines do ---- */

static void be(unsigned machine, unsigned key)
{
	m.machine[machine]->id.node_public = m.keys[key].id.node_public;
}

static int map_status(unsigned machine, unsigned key)
{
	struct ctl_map_opts o = { .omit_peers = true };
	struct answer a;
	struct buf b;

	be(machine, key);
	buf_init(&b, 65536);
	ctl_map_body(&m.machine[machine]->id, &o, &b);
	a = node_ask(m.machine[machine], "POST", "/machine/map", buf_bytes(&b));
	buf_release(&b);
	return a.status;
}

/* A map for exactly who holds the key, expired or not. */
static void check_map(unsigned machine, unsigned key)
{
	const struct owned *h = holder_of(key);
	int want = h != NULL && h->machine == machine ? 200 : 404, got = map_status(machine, key);

	claim(got == want, "machine %u, key %u: map %d, not %d", machine, key, got, want);
}

static struct ctl_registered ask(unsigned machine, unsigned key, const struct ctl_register_opts *o)
{
	be(machine, key);
	return node_try_register(m.machine[machine], o);
}

static void refused(const struct ctl_registered *r, const char *why)
{
	claim(r->status != 200 || r->error[0] != '\0', "not refused: %s", why);
	claim(r->login[0] == '\0', "it learned a login name: %s", why);
}

static void taken(const struct ctl_registered *r, unsigned user)
{
	claim(r->status == 200 && r->error[0] == '\0' && r->auth_url[0] == '\0' && !r->key_expired, "not taken: %d %s%s", r->status, r->error,
	      r->auth_url);
	if (user != 0)
		claim(r->user == user, "taken for user %lld, not %u", (long long)r->user, user);
}

/* The id of the node that the machine has with this key, from the API: a new node's number is the server's to choose. */
static void adopt(unsigned machine, unsigned user, unsigned key, bool ephemeral)
{
	struct json_object *o = NULL, *list;
	char key_text[KEY_TEXT_MAX];

	node_key_format(&m.keys[key].id.node_public, key_text);
	api("GET", "/api/v1/node", "", &o);
	list = json_object_object_get(o, "nodes");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *n = json_object_array_get_idx(list, i);

		if (strcmp(text(n, "nodeKey"), key_text) != 0)
			continue;
		claim(by_id(strtoll(text(n, "id"), NULL, 10)) == NULL, "an ID was given twice");
		m.v[m.n++] = (struct owned){ strtoll(text(n, "id"), NULL, 10), machine, user, key, false, ephemeral };
		json_object_put(o);
		return;
	}
	claim(false, "the new node is not there");
}

static void login_by_key(unsigned machine, unsigned key, unsigned user, bool ephemeral)
{
	struct ctl_register_opts o = { .auth_key = ephemeral ? m.ephemeral : m.auth[user] };
	struct owned *h = holder_of(key), *to, *one = NULL;
	struct ctl_registered r = ask(machine, key, &o);
	size_t owned;

	if (h != NULL && h->machine != machine) {
		refused(&r, "a node key of another machine");
		return;
	}
	if (h != NULL && !h->expired && (user != 0 || h->user == 0)) {
		taken(&r, h->user);
		return;
	}
	owned = owned_of(machine, &one);
	to = user != 0 ? of_user(machine, user) : tagged_of(machine);
	if (user != 0 && to == NULL)
		to = tagged_of(machine);
	else if (user == 0 && to == NULL && owned > 1) {
		refused(&r, "more than one owner");
		return;
	} else if (user == 0 && to == NULL)
		to = one;
	if (h != NULL && h != to) {
		claim(r.key_expired && r.login[0] == '\0', "the key of another node of the machine was taken: %s", r.error);
		return;
	}
	taken(&r, user != 0 && (to == NULL || to->user != 0) ? user : 0);
	if (to == NULL) {
		adopt(machine, user, key, ephemeral);
		return;
	}
	to->key = key;
	to->expired = false;
	to->ephemeral = ephemeral;
	to->user = user == 0 ? 0 : to->user;
}

static void log_out(unsigned machine, unsigned key)
{
	struct ctl_register_opts o = { .expiry = "1970-01-01T00:02:03Z" };
	struct owned *h = holder_of(key);
	struct ctl_registered r = ask(machine, key, &o);

	if (h == NULL)
		claim(r.status == 200 && r.error[0] == '\0', "the log-out of an unknown key: %d %s", r.status, r.error);
	else if (h->machine != machine)
		refused(&r, "the log-out of another machine");
	else if (h->ephemeral)
		forget(h);
	else
		h->expired = true;
}

/* The daemon starts again. */
static void come_again(unsigned machine, unsigned key)
{
	struct ctl_register_opts o = { 0 };
	struct owned *h = holder_of(key);
	struct ctl_registered r = ask(machine, key, &o);

	if (h == NULL)
		claim(r.auth_url[0] != '\0' && r.login[0] == '\0', "an unknown key gets a link: %s", r.error);
	else if (h->machine != machine)
		refused(&r, "another machine's key");
	else if (h->expired)
		claim(r.key_expired && r.auth_url[0] == '\0', "an expired key is told so");
	else
		taken(&r, h->user);
}

static void extend(unsigned machine, unsigned key)
{
	struct ctl_register_opts o = { .expiry = "2200-01-01T00:00:00Z" };
	struct owned *h = holder_of(key);
	struct ctl_registered r;

	if (h == NULL || h->machine == machine)
		return;
	r = ask(machine, key, &o);
	refused(&r, "another machine's expiry");
}

static int admit(const char *auth_url, unsigned user)
{
	char body[256];

	snprintf(body, sizeof body, "{\"user\":\"%s\",\"authId\":\"%s\"}", users[user - 1], strrchr(auth_url, '/') + 1);
	return api("POST", "/api/v1/auth/register", body, NULL);
}

static void login_by_link(unsigned machine, unsigned user)
{
	unsigned key = new_key(machine), thief = (machine + 1 + pick(MACHINES - 1)) % MACHINES;
	struct ctl_register_opts o = { 0 }, follow = { 0 };
	struct ctl_registered r = ask(machine, key, &o), stolen;
	struct owned *mine = of_user(machine, user), *tagged = tagged_of(machine), *one = NULL, *to;
	size_t owned = owned_of(machine, &one);
	char url[512];
	int status;

	claim(r.auth_url[0] != '\0', "no link: %s", r.error);
	snprintf(url, sizeof url, "%s", r.auth_url);
	follow.followup = url;
	/* Another machine has seen the link; with its own key, and with the key of the first. */
	stolen = ask(thief, pick(2) ? key : new_key(thief), &follow);
	claim(stolen.login[0] == '\0' && strcmp(stolen.auth_url, url) != 0, "a stolen link gives: %s %s", stolen.login, stolen.auth_url);
	status = admit(url, user);
	if (mine == NULL && tagged != NULL && owned > 0) {
		claim(status == 409, "ambiguous owners: %d", status);
		return;
	}
	claim(status == 200, "the link is not admitted: %d", status);
	stolen = ask(thief, new_key(thief), &follow);
	claim(stolen.login[0] == '\0', "a stolen link that is admitted gives: %s", stolen.login);
	r = ask(machine, key, &follow);
	taken(&r, user);
	claim(admit(url, 1 + pick(USERS)) != 200, "a link was admitted twice");
	to = mine != NULL ? mine : tagged;
	if (to == NULL) {
		adopt(machine, user, key, false);
		return;
	}
	to->key = key;
	to->expired = false;
	to->user = user;
}

/* ---- what administrators do ---- */

static void of_node(char out[static 64], const struct owned *o, const char *tail)
{
	snprintf(out, 64, "/api/v1/node/%lld%s", (long long)o->id, tail);
}

static void administrate(struct owned *o, unsigned what)
{
	char target[64], body[64];
	unsigned user;

	switch (what) {
	case 0:
		of_node(target, o, "/expire");
		claim(api("POST", target, "{}", NULL) == 200, "expire");
		o->expired = true;
		break;
	case 1:
		of_node(target, o, "/expire");
		claim(api("POST", target, "{\"disableExpiry\":true}", NULL) == 200, "renew");
		o->expired = false;
		break;
	case 2:
		of_node(target, o, "");
		claim(api("DELETE", target, "", NULL) == 200, "delete");
		forget(o);
		break;
	case 3:
		if (o->user != 0 && tagged_of(o->machine) != NULL)
			break; /* two tagged nodes of one machine: which is meant is nobody's business here */
		of_node(target, o, "/tags");
		claim(api("POST", target, "{\"tags\":[\"tag:t\"]}", NULL) == 200, "tag");
		o->user = 0;
		o->expired = false;
		break;
	default:
		user = 1 + pick(USERS);
		of_node(target, o, "/user");
		snprintf(body, sizeof body, "{\"user\":\"%u\"}", user);
		if (of_user(o->machine, user) != NULL && of_user(o->machine, user) != o) {
			claim(api("POST", target, body, NULL) == 409, "a user got a machine twice");
			break;
		}
		claim(api("POST", target, body, NULL) == 200, "move");
		o->user = user;
		break;
	}
}

static void restart(int sig)
{
	world_kill(sig);
	world_run();
	for (unsigned i = 0; i < MACHINES; i++)
		node_disconnect(m.machine[i]);
}

/* ---- the story ---- */

static void step(void)
{
	unsigned machine = pick(MACHINES), what = pick(100);
	struct owned *o = NULL;

	if (what < 35) {
		unsigned key = some_key(machine), user = pick(USERS + 1);

		m.doing = "login by key";
		login_by_key(machine, key, user, user == 1 && pick(4) == 0);
	} else if (what < 45) {
		m.doing = "login by link";
		login_by_link(machine, 1 + pick(USERS));
	} else if (what < 55) {
		m.doing = "again";
		come_again(machine, some_key(machine));
	} else if (what < 63) {
		m.doing = "log-out";
		log_out(machine, some_key(machine));
	} else if (what < 66) {
		m.doing = "extend";
		extend(machine, some_key(machine));
	} else if (what < 84) {
		m.doing = "administrator";
		if (a_node(&o))
			administrate(o, pick(5));
	} else if (what < 99) {
		m.doing = "map of another";
		if (a_node(&o))
			check_map(machine, o->key);
	} else {
		m.doing = "restart";
		restart(pick(2) ? SIGKILL : SIGTERM);
	}
	compare_all();
	m.doing = "maps";
	if (m.n_keys > 0)
		check_map(machine, some_key(machine));
	if (a_node(&o))
		check_map(o->machine, o->key);
}

static void make_keys(void)
{
	struct json_object *o;
	char *out;

	for (unsigned i = 1; i <= USERS; i++) {
		if (i > 1)
			json_object_put(cli_json("users create %s", users[i - 1]));
		o = cli_json("preauthkeys create --user %u --reusable --expiration 24h", i);
		snprintf(m.auth[i], sizeof m.auth[i], "%s", text(o, "key"));
		json_object_put(o);
	}
	o = cli_json("preauthkeys create --tags tag:t --reusable --expiration 24h");
	snprintf(m.auth[0], sizeof m.auth[0], "%s", text(o, "key"));
	json_object_put(o);
	o = cli_json("preauthkeys create --user 1 --reusable --ephemeral --expiration 24h");
	snprintf(m.ephemeral, sizeof m.ephemeral, "%s", text(o, "key"));
	json_object_put(o);
	out = cli("apikeys create --expiration 24h");
	snprintf(m.api, sizeof m.api, "%.*s", (int)strcspn(out, "\n"), out);
	free(out);
}

static void nobody_gets_a_key_that_is_not_his(void **state)
{
	const char *seed = getenv("OWNERS_SEED"), *steps = getenv("OWNERS_STEPS");
	unsigned n = steps != NULL ? (unsigned)atoi(steps) : 300;

	(void)state;
	chance = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)clock_unix_ns();
	print_message("OWNERS_SEED=%llu OWNERS_STEPS=%u\n", (unsigned long long)chance, n);
	chance |= 1;
	make_keys();
	for (unsigned i = 0; i < MACHINES; i++) {
		char name[16];

		snprintf(name, sizeof name, "machine-%u", i);
		m.machine[i] = node_new(name);
	}
	for (m.step = 1; m.step <= n; m.step++)
		step();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nobody_gets_a_key_that_is_not_his, node_sweep),
	};

	return cmocka_run_group_tests_name("protocol/owners", tests, world_start, world_stop);
}
