/* derp/stats.c -- see derp/stats.h. */
#include "derp/stats.h"

#include <inttypes.h>

static const char *const drop_names[] = {
#define X(name, help) #name,
	DERP_DROPS(X)
#undef X
};
static const char *const close_names[] = {
#define X(name, help) #name,
	DERP_CLOSES(X)
#undef X
};

const char *derp_drop_name(enum derp_drop d)
{
	return (unsigned)d < DERP_DROP_COUNT ? drop_names[d] : "";
}

const char *derp_close_name(enum derp_close c)
{
	return (unsigned)c < DERP_CLOSE_COUNT ? close_names[c] : "";
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP headscale_%s %s\n# TYPE headscale_%s %s\n", name, help, name, type);
}

static void counter(struct buf *out, const char *name, const char *help, uint64_t v)
{
	buf_printf(out, "# HELP headscale_derp_%s_total %s\n# TYPE headscale_derp_%s_total counter\n"
	                "headscale_derp_%s_total %" PRIu64 "\n", name, help, name, name, v);
}

static void gauge(struct buf *out, const char *name, const char *help, int64_t v)
{
	buf_printf(out, "# HELP headscale_derp_%s %s\n# TYPE headscale_derp_%s gauge\nheadscale_derp_%s %" PRId64 "\n",
	           name, help, name, name, v);
}

static void write_drops(const struct derp_stats *s, struct buf *out)
{
	head(out, "derp_packets_dropped_total", "counter", "packets given up, by reason");
	for (int i = 0; i < DERP_DROP_COUNT; i++)
		buf_printf(out,
		           "headscale_derp_packets_dropped_total{reason=\"%s\",kind=\"disco\"} %" PRIu64 "\n"
		           "headscale_derp_packets_dropped_total{reason=\"%s\",kind=\"other\"} %" PRIu64 "\n",
		           drop_names[i], s->drops[i].disco, drop_names[i], s->drops[i].other);
	head(out, "derp_bytes_dropped_total", "counter", "bytes of packets given up, by reason");
	for (int i = 0; i < DERP_DROP_COUNT; i++)
		buf_printf(out, "headscale_derp_bytes_dropped_total{reason=\"%s\"} %" PRIu64 "\n", drop_names[i],
		           s->drops[i].bytes);
	head(out, "derp_connections_closed_total", "counter", "connections ended, by reason");
	for (int i = 0; i < DERP_CLOSE_COUNT; i++)
		buf_printf(out, "headscale_derp_connections_closed_total{reason=\"%s\"} %" PRIu64 "\n", close_names[i],
		           s->closes[i]);
}

static void write_rtt(const struct derp_stats *s, struct buf *out)
{
	int i = 0;

	head(out, "derp_tcp_rtt_total", "counter", "round trips of the connections' TCP, by range (not cumulative)");
#define X(name, us) buf_printf(out, "headscale_derp_tcp_rtt_total{le=\"" #name "\"} %" PRIu64 "\n", s->rtt[i++]);
	DERP_RTTS(X)
#undef X
}

static void write_stun(const struct stun_stats *st, struct buf *out)
{
	head(out, "stun_requests_total", "counter", "datagrams, by what became of them");
	buf_printf(out,
	           "headscale_stun_requests_total{disposition=\"success\"} %" PRIu64 "\n"
	           "headscale_stun_requests_total{disposition=\"not_stun\"} %" PRIu64 "\n",
	           st->success, st->not_stun);
	head(out, "stun_addrfamily_total", "counter", "answers, by address family");
	buf_printf(out,
	           "headscale_stun_addrfamily_total{family=\"ipv4\"} %" PRIu64 "\n"
	           "headscale_stun_addrfamily_total{family=\"ipv6\"} %" PRIu64 "\n",
	           st->ipv4, st->ipv6);
}

void derp_stats_write(const struct derp_stats *s, const struct stun_stats *stun, struct buf *out)
{
#define X(name, help) counter(out, #name, help, s->n.name);
	DERP_COUNTERS(X)
#undef X
	counter(out, "duplicate_connections", "connections to a key that had one", s->dup_total);
	counter(out, "multiforwarder_created", "keys that came to be reachable over two mesh peers", s->multiforwarder_created);
	counter(out, "multiforwarder_deleted", "keys that ceased to be so", s->multiforwarder_deleted);
	write_drops(s, out);
	write_rtt(s, out);
#define X(name, field, help) gauge(out, #name, help, s->field);
	DERP_GAUGES(X)
#undef X
	if (stun)
		write_stun(stun, out);
}
