/*
 * derp/map_parse.c -- DERP maps out of JSON and YAML.
 *
 * YAML becomes the same tree as JSON, its plain scalars kept as text: what they mean depends on the field that
 * takes them ("regioncode: 900" is a text, "regionid: 900" a number). One walk then reads both. Aliases are
 * expanded under a budget, so that a small file cannot become a large tree.
 */
#include "derp/map.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>
#include <yaml.h>

#include "base/json_in.h"
#include "derp/json_names.h"
#include "derp/map_priv.h"

#define YAML_VALUES_MAX 200000 /* values a tree may have once aliases are expanded */

struct parse {
	struct derp_map *m;
	struct err *err;
	bool yaml; /* texts may stand for numbers and booleans */
};

/* ---- fields ---- */

static enum status wrong(const struct parse *p, const char *where, const char *name, const char *want)
{
	err_set(p->err, "%s: %s must be %s", where, name, want);
	return ST_BAD_INPUT;
}

static bool plain_ascii(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return true;
}

static enum status get_text(const struct parse *p, struct json_object *o, const char *where, const char *name,
                            const char **out)
{
	struct json_object *v = json_member_any_case(o, name);
	size_t n;

	if (!v)
		return ST_OK;
	if (!json_object_is_type(v, json_type_string))
		return wrong(p, where, name, "a text");
	n = (size_t)json_object_get_string_len(v);
	if (n > DERP_MAP_TEXT_MAX) {
		err_set(p->err, "%s: %s is longer than %zu bytes", where, name, DERP_MAP_TEXT_MAX);
		return ST_TOO_BIG;
	}
	if (!plain_ascii(json_object_get_string(v), n))
		return wrong(p, where, name, "a text without control characters");
	*out = arena_strndup(p->m->arena, json_object_get_string(v), n);
	return ST_OK;
}

static bool int_of(const struct parse *p, struct json_object *v, int64_t *out)
{
	char *end;
	const char *s;

	if (json_object_is_type(v, json_type_int)) {
		*out = json_object_get_int64(v);
		return true;
	}
	if (!p->yaml || !json_object_is_type(v, json_type_string))
		return false;
	s = json_object_get_string(v);
	errno = 0;
	*out = strtoll(s, &end, 10);
	return end != s && !*end && errno == 0;
}

static enum status get_int(const struct parse *p, struct json_object *o, const char *where, const char *name,
                           int32_t *out)
{
	struct json_object *v = json_member_any_case(o, name);
	int64_t n;

	if (!v)
		return ST_OK;
	if (!int_of(p, v, &n) || n < INT32_MIN || n > INT32_MAX)
		return wrong(p, where, name, "a whole number");
	*out = (int32_t)n;
	return ST_OK;
}

static bool double_of(const struct parse *p, struct json_object *v, double *out)
{
	char *end;
	const char *s;

	if (json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double)) {
		*out = json_object_get_double(v);
		return isfinite(*out);
	}
	if (!p->yaml || !json_object_is_type(v, json_type_string))
		return false;
	s = json_object_get_string(v);
	*out = strtod(s, &end);
	return end != s && !*end && isfinite(*out);
}

static enum status get_double(const struct parse *p, struct json_object *o, const char *where, const char *name,
                              double *out)
{
	struct json_object *v = json_member_any_case(o, name);

	if (!v)
		return ST_OK;
	return double_of(p, v, out) ? ST_OK : wrong(p, where, name, "a number");
}

static enum status get_bool(const struct parse *p, struct json_object *o, const char *where, const char *name,
                            bool *out)
{
	struct json_object *v = json_member_any_case(o, name);
	const char *s;

	if (!v)
		return ST_OK;
	if (json_object_is_type(v, json_type_boolean)) {
		*out = json_object_get_boolean(v);
		return ST_OK;
	}
	s = p->yaml && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
	if (strcasecmp(s, "true") != 0 && strcasecmp(s, "false") != 0)
		return wrong(p, where, name, "true or false");
	*out = strcasecmp(s, "true") == 0;
	return ST_OK;
}

/* ---- the walk ---- */

/* The first failure of several reads; keeps the lines below short. */
#define TRY(call)                                                                                                      \
	do {                                                                                                           \
		enum status try_status = (call);                                                                       \
		if (try_status != ST_OK)                                                                               \
			return try_status;                                                                             \
	} while (0)

static enum status read_node(const struct parse *p, struct json_object *o, const char *where, int32_t region,
                             struct derp_map_node *n)
{
	int32_t id = region;

	*n = (struct derp_map_node){ "", "", "", "", "", "", 0, 0, false, false, false };
	if (!json_object_is_type(o, json_type_object))
		return wrong(p, where, "each of Nodes", "an object");
	TRY(get_text(p, o, where, "Name", &n->name));
	TRY(get_int(p, o, where, "RegionID", &id));
	TRY(get_text(p, o, where, "HostName", &n->host_name));
	TRY(get_text(p, o, where, "CertName", &n->cert_name));
	TRY(get_text(p, o, where, "IPv4", &n->ipv4));
	TRY(get_text(p, o, where, "IPv6", &n->ipv6));
	TRY(get_text(p, o, where, "STUNTestIP", &n->stun_test_ip));
	TRY(get_int(p, o, where, "STUNPort", &n->stun_port));
	TRY(get_int(p, o, where, "DERPPort", &n->derp_port));
	TRY(get_bool(p, o, where, "STUNOnly", &n->stun_only));
	TRY(get_bool(p, o, where, "InsecureForTests", &n->insecure_for_tests));
	TRY(get_bool(p, o, where, "CanPort80", &n->can_port80));
	if (id == region)
		return ST_OK;
	err_set(p->err, "%s: node \"%s\" says region %d", where, n->name, id);
	return ST_BAD_INPUT;
}

static enum status read_nodes(const struct parse *p, struct json_object *o, const char *where,
                              struct derp_map_region *r)
{
	struct json_object *a = json_member_any_case(o, "Nodes");
	size_t n;

	if (!a)
		return ST_OK;
	if (!json_object_is_type(a, json_type_array))
		return wrong(p, where, "Nodes", "an array");
	n = json_object_array_length(a);
	if (n > DERP_MAP_NODES_MAX) {
		err_set(p->err, "%s: more than %zu nodes", where, DERP_MAP_NODES_MAX);
		return ST_TOO_BIG;
	}
	r->nodes = ARENA_ARRAY(p->m->arena, struct derp_map_node, n);
	r->n = n;
	for (size_t i = 0; i < n; i++)
		TRY(read_node(p, json_object_array_get_idx(a, i), where, r->id, &r->nodes[i]));
	return ST_OK;
}

static bool region_key(const char *key, int32_t *out)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(key, &end, 10);
	if (end == key || *end || errno || v < 1 || v > 65535)
		return false;
	*out = (int32_t)v;
	return true;
}

static enum status read_region(const struct parse *p, const char *key, struct json_object *o)
{
	struct derp_map_region r = { .code = "", .name = "" };
	char where[64];
	int32_t id;

	if (!region_key(key, &r.id)) {
		err_set(p->err, "Regions: \"%.40s\" is no region ID of 1 to 65535", key);
		return ST_BAD_INPUT;
	}
	snprintf(where, sizeof where, "region %d", r.id);
	r.removed = !o;
	if (!o)
		return derp_map_insert(p->m, &r, p->err);
	if (!json_object_is_type(o, json_type_object))
		return wrong(p, where, "it", "an object or null");
	id = r.id;
	TRY(get_int(p, o, where, "RegionID", &id));
	if (id != r.id) {
		err_set(p->err, "%s: RegionID is %d", where, id);
		return ST_BAD_INPUT;
	}
	TRY(get_text(p, o, where, "RegionCode", &r.code));
	TRY(get_text(p, o, where, "RegionName", &r.name));
	TRY(get_double(p, o, where, "Latitude", &r.latitude));
	TRY(get_double(p, o, where, "Longitude", &r.longitude));
	TRY(get_bool(p, o, where, "Avoid", &r.avoid));
	TRY(get_bool(p, o, where, "NoMeasureNoHome", &r.no_measure_no_home));
	TRY(read_nodes(p, o, where, &r));
	return derp_map_insert(p->m, &r, p->err);
}

static int score_cmp(const void *a, const void *b)
{
	return ((const struct derp_map_score *)a)->region - ((const struct derp_map_score *)b)->region;
}

static enum status read_scores(const struct parse *p, struct json_object *home)
{
	struct json_object *o = json_member_any_case(home, "RegionScore");
	struct json_object_iterator it, end;
	struct derp_map *m = p->m;

	m->has_scores = true;
	if (!o)
		return ST_OK;
	if (!json_object_is_type(o, json_type_object))
		return wrong(p, "HomeParams", "RegionScore", "an object");
	m->scores = ARENA_ARRAY(m->arena, struct derp_map_score, (size_t)json_object_object_length(o));
	for (it = json_object_iter_begin(o), end = json_object_iter_end(o); !json_object_iter_equal(&it, &end);
	     json_object_iter_next(&it)) {
		struct derp_map_score *s = &m->scores[m->n_scores];
		struct json_object *value = json_object_iter_peek_value(&it);
		if (!region_key(json_object_iter_peek_name(&it), &s->region) || !value || !double_of(p, value, &s->score))
			return wrong(p, "HomeParams", "RegionScore", "an object of region IDs and numbers");
		m->n_scores++;
	}
	if (m->n_scores)
		qsort(m->scores, m->n_scores, sizeof *m->scores, score_cmp);
	return ST_OK;
}

static enum status read_map(const struct parse *p, struct json_object *o)
{
	struct json_object_iterator it, end;
	struct json_object *v;

	if (!json_object_is_type(o, json_type_object))
		return wrong(p, "DERP map", "it", "an object");
	TRY(get_bool(p, o, "DERP map", "omitDefaultRegions", &p->m->omit_default_regions));
	v = json_member_any_case(o, "HomeParams");
	if (v && !json_object_is_type(v, json_type_object))
		return wrong(p, "DERP map", "HomeParams", "an object");
	if (v)
		TRY(read_scores(p, v));
	v = json_member_any_case(o, "Regions");
	if (!v)
		return ST_OK;
	if (!json_object_is_type(v, json_type_object))
		return wrong(p, "DERP map", "Regions", "an object");
	if ((size_t)json_object_object_length(v) > DERP_MAP_REGIONS_MAX) {
		err_set(p->err, "more than %zu regions", DERP_MAP_REGIONS_MAX);
		return ST_TOO_BIG;
	}
	for (it = json_object_iter_begin(v), end = json_object_iter_end(v); !json_object_iter_equal(&it, &end);
	     json_object_iter_next(&it))
		TRY(read_region(p, json_object_iter_peek_name(&it), json_object_iter_peek_value(&it)));
	return ST_OK;
}

static enum status read_tree(struct json_object *o, bool yaml, struct derp_map **out, struct err *err)
{
	struct parse p = { .m = derp_map_new(), .err = err, .yaml = yaml };
	enum status s = read_map(&p, o);

	if (s == ST_OK)
		s = derp_map_check(p.m, err);
	if (s == ST_OK)
		*out = p.m;
	else
		derp_map_free(&p.m);
	return s;
}

enum status derp_map_parse_json(struct bytes in, struct derp_map **out, struct err *err)
{
	struct json_object *o = NULL;
	enum status s = json_parse(in, DERP_MAP_BYTES_MAX, &o, err);

	if (s == ST_OK)
		s = read_tree(o, false, out, err);
	json_object_put(o);
	return s;
}

/* ---- YAML to a tree ---- */

struct yaml_walk {
	yaml_document_t *doc;
	size_t left; /* values that may still be made */
	struct err *err;
};

static bool is_null(const yaml_node_t *n)
{
	const char *s = (const char *)n->data.scalar.value;
	return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (!*s || !strcmp(s, "~") || !strcasecmp(s, "null"));
}

static enum status yaml_fail(const struct yaml_walk *w, const yaml_node_t *n, const char *what)
{
	err_set(w->err, "line %zu: %s", n->start_mark.line + 1, what);
	return ST_BAD_INPUT;
}

static enum status yaml_value(struct yaml_walk *w, int index, int depth, struct json_object **out);

static enum status yaml_pairs(struct yaml_walk *w, const yaml_node_t *n, int depth, struct json_object *o)
{
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
		const yaml_node_t *k = yaml_document_get_node(w->doc, p->key);
		struct json_object *v = NULL;
		if (!k || k->type != YAML_SCALAR_NODE)
			return yaml_fail(w, n, "a key that is no plain text");
		TRY(yaml_value(w, p->value, depth + 1, &v));
		json_object_object_add(o, (const char *)k->data.scalar.value, v);
	}
	return ST_OK;
}

static enum status yaml_items(struct yaml_walk *w, const yaml_node_t *n, int depth, struct json_object *a)
{
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
		struct json_object *v = NULL;
		TRY(yaml_value(w, *i, depth + 1, &v));
		json_object_array_add(a, v);
	}
	return ST_OK;
}

static enum status yaml_value(struct yaml_walk *w, int index, int depth, struct json_object **out)
{
	const yaml_node_t *n = yaml_document_get_node(w->doc, index);
	struct json_object *o = NULL;
	enum status s = ST_OK;

	if (!n)
		return ST_BAD_INPUT;
	if (depth > JSON_DEPTH_MAX || w->left == 0)
		return yaml_fail(w, n, "too deep, or too many values");
	w->left--;
	switch (n->type) {
	case YAML_SCALAR_NODE:
		if (!is_null(n))
			o = json_object_new_string_len((const char *)n->data.scalar.value,
			                               (int)n->data.scalar.length);
		break;
	case YAML_MAPPING_NODE:
		o = json_object_new_object();
		s = yaml_pairs(w, n, depth, o);
		break;
	case YAML_SEQUENCE_NODE:
		o = json_object_new_array();
		s = yaml_items(w, n, depth, o);
		break;
	default:
		return yaml_fail(w, n, "a value of no known kind");
	}
	if (s == ST_OK)
		*out = o;
	else
		json_object_put(o);
	return s;
}

static enum status yaml_tree(struct bytes in, struct json_object **out, struct err *err)
{
	yaml_parser_t parser;
	yaml_document_t doc;
	struct yaml_walk w = { .doc = &doc, .left = YAML_VALUES_MAX, .err = err };
	enum status s = ST_OK;

	if (!yaml_parser_initialize(&parser))
		return ST_IO;
	yaml_parser_set_input_string(&parser, in.p, in.n);
	if (!yaml_parser_load(&parser, &doc)) {
		err_set(err, "line %zu: %s", parser.problem_mark.line + 1, parser.problem ? parser.problem : "bad YAML");
		yaml_parser_delete(&parser);
		return ST_BAD_INPUT;
	}
	if (yaml_document_get_root_node(&doc))
		s = yaml_value(&w, 1, 0, out);
	else
		*out = json_object_new_object(); /* an empty file is an empty map */
	yaml_document_delete(&doc);
	yaml_parser_delete(&parser);
	return s;
}

enum status derp_map_parse_yaml(struct bytes in, struct derp_map **out, struct err *err)
{
	struct json_object *o = NULL;
	enum status s;

	if (in.n > DERP_MAP_BYTES_MAX) {
		err_set(err, "longer than %zu bytes", DERP_MAP_BYTES_MAX);
		return ST_TOO_BIG;
	}
	s = yaml_tree(in, &o, err);
	if (s == ST_OK)
		s = read_tree(o, true, out, err);
	json_object_put(o);
	return s;
}
