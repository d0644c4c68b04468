/*
 * net/pipe.h -- two streams in memory, each the other's peer. For tests and for clients inside the process.
 *
 * Both ends live on one loop. Bytes written to one end arrive at the other in the same turn, if that is being read and
 * credit is left; until then they are pending at the writer.
 */
#ifndef NET_PIPE_H
#define NET_PIPE_H

#include "net/stream.h"

/** Two ends; returned, each to be closed by itself. */
void pipe_pair(struct loop *l, struct stream **a_out, struct stream **b_out);
/** Let so many more bytes pass from this end, then none until set again; SIZE_MAX (at first): any number. */
void pipe_set_credit(struct stream *end, size_t bytes);
/** Deliver to this end's reader in pieces of at most n bytes, one callback each; 0: as they come. */
void pipe_set_chunk(struct stream *end, size_t n);
/** Send no more, but go on reading: the other end sees eof. */
void pipe_shutdown(struct stream *end);

#endif
