/* server/settings.c -- see server/settings.h. */
#include "server/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_in.h"
#include "base/vec.h"
#include "crypto/hash.h"

enum status server_read_file(const char *path, char **out, size_t *n_out, struct err *err)
{
	FILE *f = fopen(path, "re");
	char chunk[16384];
	struct buf b;
	size_t n;

	if (f == NULL) {
		err_set(err, "open %s: %s", path, strerror(errno));
		return errno == ENOENT ? ST_NOT_FOUND : ST_IO;
	}
	buf_init(&b, SERVER_FILE_MAX);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_put(&b, chunk, n);
	if (ferror(f) || !buf_ok(&b)) {
		enum status s = buf_ok(&b) ? ST_IO : ST_TOO_BIG;

		err_set(err, "read %s: %s", path, s == ST_IO ? strerror(errno) : "longer than 16 MiB");
		buf_release(&b);
		fclose(f);
		return s;
	}
	fclose(f);
	*out = buf_take(&b, n_out);
	return ST_OK;
}

struct tailnet_settings *server_tailnet_settings(const struct config *c)
{
	struct tailnet_settings *s = tailnet_settings_new();
	const char *name = c->server.tailnet[0] != '\0' ? c->server.tailnet : c->dns.base_domain;

	settings_set_text(&s->name, name[0] != '\0' ? name : c->server_url.host);
	settings_set_text(&s->server_url, c->server_url.text);
	s->prefix4 = c->prefixes.v4;
	s->prefix6 = c->prefixes.v6;
	s->random_addresses = c->prefixes.allocation == CONFIG_ALLOCATION_RANDOM;
	s->key_lifetime_ns = c->node.expiry_ns;
	s->auto_update = c->auto_update_enabled ? AUTO_UPDATE_ON : AUTO_UPDATE_OFF;
	s->file_sharing = c->taildrop_enabled;
	s->logtail = c->logtail_enabled;
	s->key_notice_ns = c->server.key_expiry_notice_ns;
	settings_set_text(&s->client_latest, c->server.client_latest);
	settings_set_text(&s->client_minimum, c->server.client_minimum);
	return s;
}

void server_tailnet_id(const struct machine_key *noise, char out[static TAILNET_ID_MAX])
{
	/* Nothing that is taken for another; 11 of 58 signs are some 64 bits. */
	static const char signs[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
	uint8_t in[KEY_LEN + 8] = "tailnet", hash[SHA256_LEN];
	char name[12];

	memcpy(in + 8, noise->b, KEY_LEN);
	sha256(bytes_of(in, sizeof in), hash);
	for (int i = 0; i < 11; i++)
		name[i] = signs[hash[i] % 58];
	name[11] = '\0';
	snprintf(out, TAILNET_ID_MAX, "T%sCNTRL", name);
}

/* ---- DNS ---- */

#define RECORDS_MAX 100000

static enum status add_record(struct dns_settings *d, struct json_object *o, size_t i, struct err *err)
{
	const char *name = "", *type = "", *value = "";
	enum status s = ST_OK;

	if (!json_object_is_type(o, json_type_object)) {
		err_set(err, "entry %zu is no object", i + 1);
		return ST_BAD_INPUT;
	}
	s = json_get_str(o, "name", &name, err);
	if (s == ST_OK)
		s = json_get_str(o, "type", &type, err);
	if (s == ST_OK)
		s = json_get_str(o, "value", &value, err);
	if (s == ST_OK && (name[0] == '\0' || value[0] == '\0')) {
		err_set(err, "entry %zu needs name and value", i + 1);
		s = ST_BAD_INPUT;
	}
	if (s == ST_OK)
		dns_settings_add_record(d, name, type, value);
	return s;
}

static enum status records_of_file(struct dns_settings *d, const char *path, struct err *err)
{
	struct json_object *list = NULL;
	char *text = NULL;
	size_t n = 0;
	enum status s = server_read_file(path, &text, &n, err);

	if (s != ST_OK)
		return s;
	s = json_parse(bytes_of(text, n), SERVER_FILE_MAX, &list, err);
	free(text);
	if (s == ST_OK && (!json_object_is_type(list, json_type_array) || json_object_array_length(list) > RECORDS_MAX)) {
		err_set(err, "expected a list of {\"name\", \"type\", \"value\"}");
		s = ST_BAD_INPUT;
	}
	for (size_t i = 0; s == ST_OK && i < json_object_array_length(list); i++)
		s = add_record(d, json_object_array_get_idx(list, i), i, err);
	json_object_put(list);
	if (s != ST_OK)
		err_prefix(err, "dns.extra_records_path %s", path);
	return s;
}

enum status server_dns_settings(const struct config *c, struct dns_settings **out, struct err *err)
{
	struct dns_settings *d = dns_settings_new();
	enum status s = ST_OK;

	d->magic_dns = c->dns.magic_dns;
	d->override_local_dns = c->dns.override_local_dns;
	settings_set_text(&d->base_domain, c->dns.base_domain);
	d->servers = str_list_new(c->dns.nameservers_global.v, c->dns.nameservers_global.n);
	d->search = str_list_new(c->dns.search_domains.v, c->dns.search_domains.n);
	for (size_t i = 0; i < c->dns.nameservers_split_n; i++) {
		const struct config_split *split = &c->dns.nameservers_split[i];

		dns_settings_add_split(d, split->domain, str_list_new(split->servers.v, split->servers.n));
	}
	for (size_t i = 0; i < c->dns.extra_records_n; i++)
		dns_settings_add_record(d, c->dns.extra_records[i].name, c->dns.extra_records[i].type,
					c->dns.extra_records[i].value);
	if (c->dns.extra_records_path[0] != '\0')
		s = records_of_file(d, c->dns.extra_records_path, err);
	if (s != ST_OK)
		dns_settings_unref(&d);
	else
		*out = d;
	return s;
}

/* ---- the relay's region ---- */

enum status server_embedded_region(const struct config *c, struct derp_map *m, struct err *err)
{
	char name[24];
	struct derp_map_node node = {
		.host_name = c->server_url.host,
		.cert_name = "",
		.ipv4 = c->derp.server.ipv4,
		.ipv6 = c->derp.server.ipv6,
		.stun_test_ip = "",
		.derp_port = c->server_url.port == 443 ? 0 : c->server_url.port,
		.stun_port = -1,
	};
	struct derp_map_region region = {
		.id = (int32_t)c->derp.server.region_id,
		.code = c->derp.server.region_code,
		.name = c->derp.server.region_name,
		.nodes = &node,
		.n = 1,
	};

	snprintf(name, sizeof name, "%d", region.id);
	node.name = name;
	if (c->derp.server.stun_enabled && c->derp.server.stun_listen_addr.port != 0)
		node.stun_port = c->derp.server.stun_listen_addr.port == 3478 ? 0 : c->derp.server.stun_listen_addr.port;
	return derp_map_put_region(m, &region, err);
}
