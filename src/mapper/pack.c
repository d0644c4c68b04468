/* mapper/pack.c -- see mapper/mapper_priv.h. */
#include "mapper/mapper_priv.h"

void pack_init(struct pack *p, struct map_zip *zip)
{
	*p = (struct pack){ .zip = zip };
	buf_init(&p->text, TEXT_MAX);
	buf_init(&p->scratch, 2 * TEXT_MAX);
}

static void forget(struct pack *p)
{
	for (size_t i = 0; i < p->v.n; i++)
		shared_bytes_unref(&p->v.v[i]);
	p->v.n = 0;
	p->n = 0;
	p->prefixed = false;
	buf_reset(&p->text);
}

void pack_release(struct pack *p)
{
	forget(p);
	vec_release(&p->v);
	buf_release(&p->text);
	buf_release(&p->scratch);
}

void pack_begin(struct pack *p, enum map_format f)
{
	forget(p);
	p->format = f;
}

/* Own text becomes a piece; the first of a message brings room for the prefix. */
static void close_text(struct pack *p)
{
	size_t room = p->v.n == 0 ? MAP_PREFIX_LEN : 0;
	struct shared_bytes *s;

	if (p->text.n == 0)
		return;
	buf_reset(&p->scratch);
	map_format_put(p->zip, p->format, buf_bytes(&p->text), &p->scratch);
	s = shared_bytes_alloc(room + p->scratch.n);
	memcpy(s->data + room, p->scratch.p, p->scratch.n);
	p->prefixed |= room > 0;
	p->n += p->scratch.n;
	vec_push(&p->v, s);
	buf_reset(&p->text);
}

void pack_piece(struct pack *p, struct shared_bytes *s)
{
	close_text(p);
	p->n += s->n;
	vec_push(&p->v, shared_bytes_ref(s));
}

size_t pack_send(struct pack *p, const struct map_sink *sink, void *arg)
{
	size_t n;

	close_text(p);
	if (!p->prefixed) {
		vec_push(&p->v, NULL);
		memmove(p->v.v + 1, p->v.v, (p->v.n - 1) * sizeof p->v.v[0]);
		p->v.v[0] = shared_bytes_alloc(MAP_PREFIX_LEN);
	}
	map_prefix_write(p->v.v[0]->data, p->n);
	sink->write(arg, p->v.v, p->v.n);
	n = p->n + MAP_PREFIX_LEN;
	forget(p);
	return n;
}

struct shared_bytes *piece_of(struct map_zip *zip, enum map_format f, struct bytes text, struct buf *scratch)
{
	buf_reset(scratch);
	map_format_put(zip, f, text, scratch);
	return shared_bytes_new(buf_bytes(scratch));
}

struct shared_bytes *message_of(struct map_zip *zip, enum map_format f, struct bytes text, struct buf *scratch)
{
	static const uint8_t room[MAP_PREFIX_LEN];

	buf_reset(scratch);
	buf_put(scratch, room, sizeof room);
	map_format_put(zip, f, text, scratch);
	map_prefix_write(scratch->p, scratch->n - MAP_PREFIX_LEN);
	return shared_bytes_new(buf_bytes(scratch));
}
