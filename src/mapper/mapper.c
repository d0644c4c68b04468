/* mapper/mapper.c -- what belongs to all loops: settings, figures, and a map for people to look at. */
#include "mapper/mapper_priv.h"

#include "state/settings.h"

#define PIECE_BYTES_DEFAULT ((size_t)64 << 20)

static int64_t ms_or(uint32_t ms, uint32_t otherwise)
{
	return (int64_t)(ms ? ms : otherwise) * NS_PER_MS;
}

struct mapper *mapper_new(const struct mapper_opts *o)
{
	struct mapper *m = xcalloc(1, sizeof *m);

	m->access = o->access != NULL ? *o->access : access_policy;
	m->n_loops = o->n_loops;
	m->tailnet_id = o->tailnet_id != NULL ? o->tailnet_id : "";
	m->pieces = pieces_new(o->piece_bytes ? o->piece_bytes : PIECE_BYTES_DEFAULT);
	m->segments = segments_new();
	m->stale_ns = ms_or(o->stale_ms, 200);
	m->gather_ns = ms_or(o->gather_ms, 50);
	m->keepalive_ns = ms_or(o->keepalive_ms, 50000);
	m->slow_ns = ms_or(o->slow_ms, 60000);
	return m;
}

void mapper_free(struct mapper **mp)
{
	struct mapper *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	pieces_free(&m->pieces);
	segments_free(&m->segments);
	free(m);
}

void mapper_publish(struct mapper *m, struct publication *p)
{
	(void)p;
	mapper_count(m, COUNT_PUBLICATIONS, 1);
}

void work_init(struct work *w, struct mapper *m)
{
	*w = (struct work){ .m = m, .x = &m->access, .zip = map_zip_new(), .a = arena_new() };
	pack_init(&w->pack, w->zip);
	buf_init(&w->text, TEXT_MAX);
	buf_init(&w->scratch, 2 * TEXT_MAX);
	buf_init(&w->own, TEXT_MAX);
}

void work_release(struct work *w)
{
	pack_release(&w->pack);
	map_zip_free(&w->zip);
	arena_free(&w->a);
	buf_release(&w->text);
	buf_release(&w->scratch);
	buf_release(&w->own);
	shared_bytes_unref(&w->derp_of);
	dns_settings_unref(&w->dns_of);
	tailnet_settings_unref(&w->settings_of);
	for (int i = 0; i < MAP_FORMATS; i++) {
		shared_bytes_unref(&w->derp[i]);
		shared_bytes_unref(&w->dns[i]);
	}
}

/* ---- for people ------------------------------------------------------------------------------------------- */

static void into_buf(void *arg, struct shared_bytes *const *v, size_t n)
{
	struct buf *b = arg;

	for (size_t i = 0; i < n; i++) {
		struct bytes piece = shared_bytes_view(v[i]);

		buf_put_bytes(b, i == 0 ? bytes_skip(piece, MAP_PREFIX_LEN) : piece);
	}
}

enum status mapper_debug_netmap(struct mapper *m, struct snapshot *s, node_id id, struct buf *out)
{
	static const struct map_sink sink = { .write = into_buf };
	static const struct map_client client = { .format = MAP_PLAIN };
	const struct slot *slot = snapshot_slot(s, id, NULL);
	struct splice sp;
	struct work w;
	struct view v;

	if (slot == NULL)
		return ST_NOT_FOUND;
	work_init(&w, m);
	splice_init(&sp);
	view_init(&v, w.x, s, slot->class_id);
	first_send(&w, s, slot->node, &v, &sp, &client, clock_mono_ns(), &sink, out);
	view_release(&v);
	splice_release(&sp);
	work_release(&w);
	return buf_ok(out) ? ST_OK : ST_TOO_BIG;
}

static void put(struct buf *b, const char *name, const char *type, const char *help, uint64_t v)
{
	buf_printf(b, "# HELP headscale_mapper_%s %s\n# TYPE headscale_mapper_%s %s\nheadscale_mapper_%s %llu\n", name, help, name,
		   type, name, (unsigned long long)v);
}

void mapper_trim(struct mapper *m)
{
	segments_trim(m->segments);
}

size_t mapper_kept_bytes(struct mapper *m)
{
	struct pieces_stats ps;

	pieces_stats(m->pieces, &ps);
	return ps.bytes;
}

void mapper_metrics(struct mapper *m, struct buf *b)
{
	static const struct {
		const char *name, *help;
	} counts[COUNT_N] = {
		[COUNT_PUBLICATIONS] = { "publications_total", "versions of the world announced" },
		[COUNT_FIRST_MAPS] = { "first_maps_total", "complete maps written" },
		[COUNT_DELTAS] = { "deltas_total", "steps of groups of streams" },
		[COUNT_DELTA_FRAMES] = { "delta_frames_total", "delta messages written" },
		[COUNT_VARIANTS] = { "variants_total", "delta messages made for one viewer" },
		[COUNT_SEGMENTS] = { "segments_total", "deltas encoded" },
		[COUNT_MERGED] = { "merged_total", "deltas for streams that were not in step" },
		[COUNT_KEEPALIVES] = { "keepalives_total", "keep-alives written" },
		[COUNT_ENDED_SLOW] = { "ended_slow_total", "streams ended because nobody read them" },
		[COUNT_ENDED_GONE] = { "ended_gone_total", "streams ended because their node was deleted" },
		[COUNT_BYTES] = { "bytes_total", "bytes of messages" },
		[COUNT_REGROUPED] = { "regrouped_total", "streams that went to the classes of another policy" },
		[COUNT_SELF] = { "self_nodes_total", "deltas with the receiver's own node" },
	};
	static const struct {
		const char *type;
		int count;
	} sent[] = { { "full", COUNT_FIRST_MAPS }, { "delta", COUNT_DELTA_FRAMES }, { "keepalive", COUNT_KEEPALIVES } };
	struct pieces_stats ps;

	/* By the Go server's name, for dashboards that have it. */
	buf_put_str(b, "# HELP headscale_mapresponse_sent_total messages on map streams, by kind\n"
		       "# TYPE headscale_mapresponse_sent_total counter\n");
	for (size_t i = 0; i < sizeof sent / sizeof sent[0]; i++)
		buf_printf(b, "headscale_mapresponse_sent_total{status=\"ok\",type=\"%s\"} %llu\n", sent[i].type,
			   (unsigned long long)atomic_load_explicit(&m->count[sent[i].count], memory_order_relaxed));
	for (int i = 0; i < COUNT_N; i++)
		put(b, counts[i].name, "counter", counts[i].help, atomic_load_explicit(&m->count[i], memory_order_relaxed));
	put(b, "streams", "gauge", "map streams open", atomic_load(&m->streams));
	put(b, "streams_lagging", "gauge", "map streams that are not in step", atomic_load(&m->lagging));
	put(b, "groups", "gauge", "classes with streams, by loop", atomic_load(&m->groups));
	pieces_stats(m->pieces, &ps);
	put(b, "pieces", "gauge", "encoded runs of peers kept", ps.n);
	put(b, "piece_bytes", "gauge", "bytes of them", ps.bytes);
	put(b, "piece_hits_total", "counter", "pieces used again", ps.hits);
	put(b, "pieces_made_total", "counter", "pieces encoded", ps.made);
	put(b, "pieces_dropped_total", "counter", "pieces dropped for room", ps.dropped);
}
