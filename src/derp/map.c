/*
 * derp/map.c -- see derp/map.h.
 *
 * A map is small and changes a few times a day, so it is plain sorted arrays in an arena; what a merge replaces
 * stays in the arena until the map goes. Equality is that of the encoded text: what clients would see.
 */
#include "derp/map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json_out.h"
#include "base/vec.h"
#include "derp/map_priv.h"

struct derp_map *derp_map_new(void)
{
	struct arena *a = arena_new();
	struct derp_map *m = ARENA_NEW(a, struct derp_map);

	m->arena = a;
	return m;
}

void derp_map_free(struct derp_map **m)
{
	struct arena *a;

	if (!*m)
		return;
	a = (*m)->arena;
	*m = NULL;
	arena_free(&a);
}

/* ---- regions ---- */

static size_t lower_bound(const struct derp_map *m, int32_t id)
{
	size_t i = 0;

	while (i < m->n && m->regions[i].id < id)
		i++;
	return i;
}

struct derp_map_region *derp_map_find(const struct derp_map *m, int32_t id)
{
	size_t i = lower_bound(m, id);

	return i < m->n && m->regions[i].id == id ? &m->regions[i] : NULL;
}

enum status derp_map_insert(struct derp_map *m, const struct derp_map_region *r, struct err *err)
{
	size_t at = lower_bound(m, r->id);
	struct derp_map_region *next;

	if (at < m->n && m->regions[at].id == r->id) {
		m->regions[at] = *r;
		return ST_OK;
	}
	if (m->n >= DERP_MAP_REGIONS_MAX) {
		err_set(err, "more than %zu regions", DERP_MAP_REGIONS_MAX);
		return ST_TOO_BIG;
	}
	/* Room is doubled, so that n regions cost about 2 n in the arena. */
	if ((m->n & (m->n - 1)) == 0) {
		next = ARENA_ARRAY(m->arena, struct derp_map_region, m->n ? m->n * 2 : 1);
		if (m->n)
			memcpy(next, m->regions, m->n * sizeof *next);
		m->regions = next;
	}
	memmove(&m->regions[at + 1], &m->regions[at], (m->n - at) * sizeof *m->regions);
	m->regions[at] = *r;
	m->n++;
	return ST_OK;
}

static void take_out(struct derp_map *m, int32_t id)
{
	size_t at = lower_bound(m, id);
	size_t n = m->n;

	if (at == n || m->regions[at].id != id)
		return;
	/* A fresh array: derp_map_insert() counts on room for the next power of two. */
	struct derp_map_region *old = m->regions;
	m->regions = NULL;
	m->n = 0;
	for (size_t i = 0; i < n; i++)
		if (i != at)
			(void)!derp_map_insert(m, &old[i], NULL);
}

static const char *text_of(struct derp_map *m, const char *s)
{
	return arena_strdup(m->arena, s ? s : "");
}

static struct derp_map_region copy_region(struct derp_map *m, const struct derp_map_region *from)
{
	struct derp_map_region r = *from;

	r.code = text_of(m, from->code);
	r.name = text_of(m, from->name);
	r.nodes = ARENA_ARRAY(m->arena, struct derp_map_node, from->n);
	for (size_t i = 0; i < from->n; i++) {
		struct derp_map_node *n = &r.nodes[i];
		*n = from->nodes[i];
		n->name = text_of(m, n->name);
		n->host_name = text_of(m, n->host_name);
		n->cert_name = text_of(m, n->cert_name);
		n->ipv4 = text_of(m, n->ipv4);
		n->ipv6 = text_of(m, n->ipv6);
		n->stun_test_ip = text_of(m, n->stun_test_ip);
	}
	return r;
}

enum status derp_map_put_region(struct derp_map *m, const struct derp_map_region *region, struct err *err)
{
	struct derp_map_region r = copy_region(m, region);

	return derp_map_insert(m, &r, err);
}

enum status derp_map_merge(struct derp_map *m, const struct derp_map *over, struct err *err)
{
	for (size_t i = 0; i < over->n; i++) {
		enum status s;
		if (over->regions[i].removed) {
			take_out(m, over->regions[i].id);
			continue;
		}
		s = derp_map_put_region(m, &over->regions[i], err);
		if (s != ST_OK)
			return s;
	}
	if (over->omit_default_regions)
		m->omit_default_regions = true;
	if (over->has_scores) {
		m->has_scores = true;
		m->scores = ARENA_ARRAY(m->arena, struct derp_map_score, over->n_scores);
		m->n_scores = over->n_scores;
		if (over->n_scores)
			memcpy(m->scores, over->scores, over->n_scores * sizeof *m->scores);
	}
	return ST_OK;
}

/* ---- order ---- */

static uint64_t spread_hash(const char *seed, const char *name)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (const char *s = seed; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3u;
	h = (h ^ 0xff) * 0x100000001b3u;
	for (const char *s = name; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3u;
	h ^= h >> 31;
	h *= 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

void derp_map_spread(struct derp_map *m, const char *seed)
{
	for (size_t r = 0; r < m->n; r++) {
		struct derp_map_node *v = m->regions[r].nodes;
		for (size_t i = 1; i < m->regions[r].n; i++) {
			struct derp_map_node x = v[i];
			uint64_t h = spread_hash(seed, x.name);
			size_t j = i;
			for (; j && spread_hash(seed, v[j - 1].name) > h; j--)
				v[j] = v[j - 1];
			v[j] = x;
		}
	}
}

/* ---- rules ---- */

static bool pin_ok(const char *cert_name)
{
	static const char prefix[] = "sha256-raw:";
	const char *hex = cert_name + sizeof prefix - 1;

	if (strncmp(cert_name, prefix, sizeof prefix - 1) != 0)
		return true;
	return strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64;
}

static const char *node_fault(const struct derp_map_node *n)
{
	if (!*n->name)
		return "it has no Name";
	if (!*n->host_name)
		return "it has no HostName";
	if (n->stun_port < -1 || n->stun_port > 65535)
		return "STUNPort must be -1 to 65535";
	if (n->derp_port < 0 || n->derp_port > 65535)
		return "DERPPort must be 0 to 65535";
	if (!pin_ok(n->cert_name))
		return "a certificate pin is \"sha256-raw:\" and 64 lower-case hex digits";
	return NULL;
}

struct name_of {
	const char *name;
	int32_t region;
};

static int name_cmp(const void *a, const void *b)
{
	return strcmp(((const struct name_of *)a)->name, ((const struct name_of *)b)->name);
}

static enum status check_names(const struct derp_map *m, struct err *err)
{
	VEC(struct name_of) names = { 0 };
	enum status s = ST_OK;

	for (size_t r = 0; r < m->n; r++)
		for (size_t i = 0; i < m->regions[r].n; i++)
			vec_push(&names, ((struct name_of){ m->regions[r].nodes[i].name, m->regions[r].id }));
	if (names.n)
		qsort(names.v, names.n, sizeof *names.v, name_cmp);
	for (size_t i = 1; i < names.n && s == ST_OK; i++)
		if (strcmp(names.v[i].name, names.v[i - 1].name) == 0) {
			err_set(err, "two nodes have the name \"%s\" (regions %d and %d)", names.v[i].name,
			        names.v[i - 1].region, names.v[i].region);
			s = ST_BAD_INPUT;
		}
	vec_release(&names);
	return s;
}

enum status derp_map_check(const struct derp_map *m, struct err *err)
{
	for (size_t r = 0; r < m->n; r++) {
		const struct derp_map_region *reg = &m->regions[r];
		if (reg->id < 1 || reg->id > 65535) {
			err_set(err, "region %d: an ID is 1 to 65535", reg->id);
			return ST_BAD_INPUT;
		}
		for (size_t i = 0; i < reg->n; i++) {
			const char *fault = node_fault(&reg->nodes[i]);
			if (!fault)
				continue;
			err_set(err, "region %d, node %zu (\"%s\"): %s", reg->id, i, reg->nodes[i].name, fault);
			return ST_BAD_INPUT;
		}
	}
	return check_names(m, err);
}

/* ---- text ---- */

static void put_opt_str(struct jw *w, const char *key, const char *s)
{
	if (*s)
		jw_kstr(w, key, s);
}

static void put_opt_bool(struct jw *w, const char *key, bool v)
{
	if (v)
		jw_kbool(w, key, true);
}

static void put_opt_int(struct jw *w, const char *key, int32_t v)
{
	if (v)
		jw_ki64(w, key, v);
}

static void put_node(struct jw *w, const struct derp_map_node *n, int32_t region)
{
	jw_obj_begin(w);
	jw_kstr(w, "Name", n->name);
	jw_ki64(w, "RegionID", region);
	jw_kstr(w, "HostName", n->host_name);
	put_opt_str(w, "CertName", n->cert_name);
	put_opt_str(w, "IPv4", n->ipv4);
	put_opt_str(w, "IPv6", n->ipv6);
	put_opt_int(w, "STUNPort", n->stun_port);
	put_opt_bool(w, "STUNOnly", n->stun_only);
	put_opt_int(w, "DERPPort", n->derp_port);
	put_opt_bool(w, "InsecureForTests", n->insecure_for_tests);
	put_opt_str(w, "STUNTestIP", n->stun_test_ip);
	put_opt_bool(w, "CanPort80", n->can_port80);
	jw_obj_end(w);
}

static void put_id_key(struct jw *w, int32_t id)
{
	char key[16];

	snprintf(key, sizeof key, "%d", id);
	jw_key(w, key);
}

static void put_region(struct jw *w, const struct derp_map_region *r)
{
	jw_obj_begin(w);
	jw_ki64(w, "RegionID", r->id);
	jw_kstr(w, "RegionCode", r->code);
	jw_kstr(w, "RegionName", r->name);
	if (r->latitude != 0) {
		jw_key(w, "Latitude");
		jw_double(w, r->latitude);
	}
	if (r->longitude != 0) {
		jw_key(w, "Longitude");
		jw_double(w, r->longitude);
	}
	put_opt_bool(w, "Avoid", r->avoid);
	put_opt_bool(w, "NoMeasureNoHome", r->no_measure_no_home);
	jw_key(w, "Nodes");
	jw_arr_begin(w);
	for (size_t i = 0; i < r->n; i++)
		put_node(w, &r->nodes[i], r->id);
	jw_arr_end(w);
	jw_obj_end(w);
}

static void put_home_params(struct jw *w, const struct derp_map *m)
{
	jw_key(w, "HomeParams");
	jw_obj_begin(w);
	jw_key(w, "RegionScore");
	jw_obj_begin(w);
	for (size_t i = 0; i < m->n_scores; i++) {
		put_id_key(w, m->scores[i].region);
		jw_double(w, m->scores[i].score);
	}
	jw_obj_end(w);
	jw_obj_end(w);
}

void derp_map_encode(const struct derp_map *m, struct buf *out)
{
	struct jw w;

	jw_init(&w, out);
	jw_obj_begin(&w);
	if (m->has_scores)
		put_home_params(&w, m);
	jw_key(&w, "Regions");
	jw_obj_begin(&w);
	for (size_t i = 0; i < m->n; i++) {
		put_id_key(&w, m->regions[i].id);
		if (m->regions[i].removed)
			jw_null(&w);
		else
			put_region(&w, &m->regions[i]);
	}
	jw_obj_end(&w);
	put_opt_bool(&w, "omitDefaultRegions", m->omit_default_regions);
	jw_obj_end(&w);
}

bool derp_map_eq(const struct derp_map *a, const struct derp_map *b)
{
	struct buf x, y;
	bool same;

	buf_init(&x, 64u << 20);
	buf_init(&y, 64u << 20);
	derp_map_encode(a, &x);
	derp_map_encode(b, &y);
	same = buf_ok(&x) && buf_ok(&y) && bytes_eq(buf_bytes(&x), buf_bytes(&y));
	buf_release(&x);
	buf_release(&y);
	return same;
}

/* ---- cache ---- */

static enum status write_all(int fd, struct bytes b)
{
	while (b.n) {
		ssize_t n = write(fd, b.p, b.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ST_IO;
		b = bytes_skip(b, (size_t)n);
	}
	return fsync(fd) == 0 ? ST_OK : ST_IO;
}

enum status derp_map_cache_store(const struct derp_map *m, const char *path, struct err *err)
{
	static const char suffix[] = ".XXXXXX";
	struct buf b;
	char *tmp;
	int fd;
	enum status s = ST_IO;

	buf_init(&b, 64u << 20);
	derp_map_encode(m, &b);
	tmp = xmalloc(strlen(path) + sizeof suffix);
	memcpy(tmp, path, strlen(path));
	memcpy(tmp + strlen(path), suffix, sizeof suffix);
	fd = mkstemp(tmp);
	if (fd >= 0 && buf_ok(&b)) {
		s = write_all(fd, buf_bytes(&b));
		if (s == ST_OK && rename(tmp, path) != 0)
			s = ST_IO;
	}
	if (s != ST_OK) {
		err_set(err, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			unlink(tmp);
	}
	if (fd >= 0)
		close(fd);
	free(tmp);
	buf_release(&b);
	return s;
}

static enum status read_file(int fd, struct buf *b)
{
	for (;;) {
		uint8_t *p = buf_reserve(b, 65536);
		ssize_t n;
		if (!p)
			return ST_TOO_BIG;
		n = read(fd, p, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ST_IO;
		if (n == 0)
			return ST_OK;
		b->n += (size_t)n;
	}
}

enum status derp_map_cache_load(const char *path, struct derp_map **out, struct err *err)
{
	struct buf b;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum status s;

	if (fd < 0) {
		err_set(err, "%s: %s", path, strerror(errno));
		return errno == ENOENT ? ST_NOT_FOUND : ST_IO;
	}
	buf_init(&b, DERP_MAP_BYTES_MAX + 65536);
	s = read_file(fd, &b);
	close(fd);
	if (s == ST_OK)
		s = derp_map_parse_json(buf_bytes(&b), out, err);
	if (s != ST_OK)
		err_prefix(err, "%s", path);
	buf_release(&b);
	return s;
}
