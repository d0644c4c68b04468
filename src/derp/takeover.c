/* derp/takeover.c -- see derp/takeover.h. */
#include "derp/takeover.h"

#include "net/tcp.h"
#include "net/tls.h"

enum status derp_takeover(struct stream *s, struct derp_adopt *a)
{
	struct bytes left = { 0 };
	struct ssl_st *tls = net_tls_stream_ssl(s, &left);
	struct stream *bottom = tls ? s->below : s;
	int fd = bottom ? tcp_stream_fd(bottom) : -1;
	const struct conn_info *c = stream_conn(s);

	if (fd < 0)
		return ST_UNSUPPORTED;
	if (stream_pending(s))
		return ST_BUSY;
	stream_set_deadline(s, 0);
	if (tls) {
		stream_pause(bottom);
		stream_set_deadline(bottom, 0);
		if (bottom->unread.n && left.n)
			return ST_BUSY; /* in two places: cannot be, for the layer takes all it is given */
		if (bottom->unread.n)
			left = buf_bytes(&bottom->unread);
	}
	a->fd = fd;
	a->tls = tls;
	a->keep = s;
	a->early = buf_bytes(&s->unread);
	a->tls_in = left;
	net_addr_ip16(&c->remote, a->ip);
	a->port = net_addr_port(&c->remote);
	return ST_OK;
}

void derp_takeover_drop(struct derp_adopt *a)
{
	stream_drop(&a->keep, false);
}
