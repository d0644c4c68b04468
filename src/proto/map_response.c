/* proto/map_response.c -- see proto/map_response.h. */
#include "proto/map_response.h"

#include <assert.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/vec.h"

/* What is sent to one client only is compressed at the price of speed; shared pieces are not many. Measured: bench/mapper. */
#define LEVEL 1

struct map_zip {
	ZSTD_CCtx *c;
};

struct map_zip *map_zip_new(void)
{
	struct map_zip *z = xmalloc(sizeof *z);

	z->c = ZSTD_createCCtx();
	assert(z->c != NULL);
	ZSTD_CCtx_setParameter(z->c, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(z->c, ZSTD_c_contentSizeFlag, 1);
	ZSTD_CCtx_setParameter(z->c, ZSTD_c_checksumFlag, 0);
	return z;
}

void map_zip_free(struct map_zip **z)
{
	if (*z == NULL)
		return;
	ZSTD_freeCCtx((*z)->c);
	free(*z);
	*z = NULL;
}

void map_zip_put(struct map_zip *z, struct bytes in, struct buf *b)
{
	size_t bound = ZSTD_compressBound(in.n), n;
	uint8_t *to = buf_reserve(b, bound);

	if (to == NULL)
		return;
	n = ZSTD_compress2(z->c, to, bound, in.p, in.n);
	assert(!ZSTD_isError(n)); /* the bound was given, nothing else can fail */
	b->n += n;
}

void map_format_put(struct map_zip *z, enum map_format f, struct bytes in, struct buf *b)
{
	if (f == MAP_ZSTD)
		map_zip_put(z, in, b);
	else
		buf_put_bytes(b, in);
}

enum status map_unzip(struct bytes in, size_t max, struct buf *out)
{
	uint8_t *block = xmalloc(ZSTD_DStreamOutSize());
	ZSTD_DStream *d = ZSTD_createDStream();
	ZSTD_inBuffer from = { in.p, in.n, 0 };
	enum status s = ST_OK;
	size_t left = 0, total = 0;

	while (s == ST_OK && (from.pos < from.size || left > 0)) {
		ZSTD_outBuffer to = { block, ZSTD_DStreamOutSize(), 0 };
		size_t at = from.pos;

		left = ZSTD_decompressStream(d, &to, &from);
		total += to.pos;
		if (ZSTD_isError(left) || (from.pos == at && to.pos == 0))
			s = ST_BAD_INPUT;
		else if (total > max)
			s = ST_TOO_BIG;
		else
			buf_put(out, block, to.pos);
	}
	ZSTD_freeDStream(d);
	free(block);
	return s == ST_OK && !buf_ok(out) ? ST_TOO_BIG : s;
}

static void begin_keepalive(int64_t now_unix_ns, struct buf *b, struct jw *w)
{
	jw_init(w, b);
	jw_obj_begin(w);
	jw_kbool(w, "KeepAlive", true);
	jw_ktime(w, "ControlTime", now_unix_ns);
}

void map_keepalive_encode(int64_t now_unix_ns, struct buf *b)
{
	struct jw w;

	begin_keepalive(now_unix_ns, b, &w);
	jw_obj_end(&w);
}

void map_ping_encode(const struct map_ping *p, int64_t now_unix_ns, struct buf *b)
{
	char ip[IP_TEXT_MAX], *payload;
	struct jw w;

	begin_keepalive(now_unix_ns, b, &w);
	jw_key(&w, "PingRequest");
	jw_obj_begin(&w);
	jw_kstr(&w, "URL", p->url);
	if (p->url_is_noise)
		jw_kbool(&w, "URLIsNoise", true);
	if (p->log)
		jw_kbool(&w, "Log", true);
	if (p->types != NULL && p->types[0] != '\0')
		jw_kstr(&w, "Types", p->types);
	if (p->ip.family != IP_NONE) {
		ip_format(&p->ip, ip);
		jw_kstr(&w, "IP", ip);
	}
	if (p->payload.n > 0) {
		payload = xmalloc(BASE64_LEN(p->payload.n) + 1);
		base64_encode(p->payload, payload);
		jw_kstr(&w, "Payload", payload);
		free(payload);
	}
	jw_obj_end(&w);
	jw_obj_end(&w);
}

void map_pop_browser_encode(const char *url, int64_t now_unix_ns, struct buf *b)
{
	struct jw w;

	begin_keepalive(now_unix_ns, b, &w);
	jw_kstr(&w, "PopBrowserURL", url);
	jw_obj_end(&w);
}

static void write_message(const struct map_message *m, struct jw *w)
{
	jw_obj_begin(w);
	jw_kstr(w, "Title", m->title);
	jw_kstr(w, "Text", m->text);
	jw_kstr(w, "Severity", m->severity);
	if (m->impacts_connectivity)
		jw_kbool(w, "ImpactsConnectivity", true);
	if (m->action_url != NULL) {
		jw_key(w, "PrimaryAction");
		jw_obj_begin(w);
		jw_kstr(w, "URL", m->action_url);
		jw_kstr(w, "Label", m->action_label);
		jw_obj_end(w);
	}
	jw_obj_end(w);
}

void map_messages_write(const struct map_message *m, size_t n, struct jw *w)
{
	jw_obj_begin(w);
	jw_key(w, "*");
	jw_null(w);
	for (size_t i = 0; i < n; i++) {
		jw_key_bytes(w, bytes_of_str(m[i].id));
		write_message(&m[i], w);
	}
	jw_obj_end(w);
}

void map_health_write(const struct map_message *m, size_t n, struct jw *w)
{
	struct buf all;

	buf_init(&all, 65536);
	for (size_t i = 0; i < n; i++)
		buf_printf(&all, "%s%s: %s", all.n > 0 ? " | " : "", m[i].title, m[i].text);
	jw_arr_begin(w);
	if (all.n > 0)
		jw_str_bytes(w, buf_bytes(&all));
	jw_arr_end(w);
	buf_release(&all);
}

void map_client_version_write(const struct map_client_version *v, struct jw *w)
{
	jw_obj_begin(w);
	if (v->latest == NULL)
		jw_kbool(w, "RunningLatest", true);
	else
		jw_kstr(w, "LatestVersion", v->latest);
	if (v->latest != NULL && v->urgent)
		jw_kbool(w, "UrgentSecurityUpdate", true);
	jw_obj_end(w);
}

void map_client_version_encode(const struct map_client_version *v, int64_t now_unix_ns, struct buf *b)
{
	struct jw w;

	begin_keepalive(now_unix_ns, b, &w);
	jw_key(&w, "ClientVersion");
	map_client_version_write(v, &w);
	jw_obj_end(&w);
}
