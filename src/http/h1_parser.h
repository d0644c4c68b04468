/*
 * http/h1_parser.h -- the HTTP/1 parser of the system.
 *
 * Debian 12 has http_parser; another one with the same kind of callbacks (llhttp) would be put in here. Input goes in as it comes. The parser stops behind each
 * message, so that what follows stays with the caller.
 */
#ifndef HTTP_H1_PARSER_H
#define HTTP_H1_PARSER_H

#include "base/bytes.h"
#include "base/status.h"

struct h1_parser;

struct h1_events {
	/** Pieces of the target, of a header's name and value; ST_OK, or ST_TOO_BIG to give up. */
	enum status (*target)(void *arg, struct bytes b);
	enum status (*name)(void *arg, struct bytes b);
	enum status (*value)(void *arg, struct bytes b);
	/** The head is complete. skip_body: there is none, whatever the headers say (an answer to HEAD). */
	enum status (*head)(void *arg, bool *skip_body);
	enum status (*body)(void *arg, struct bytes b);
};

struct h1_head {
	const char *method; /* of a request */
	int status;         /* of an answer */
	int major, minor;
	bool keep, upgrade;
	bool has_length;
	uint64_t length;
};

/** For requests, or for answers. Returned (h1_parser_free). ev is constant. */
struct h1_parser *h1_parser_new(bool requests, const struct h1_events *ev, void *arg);
void h1_parser_free(struct h1_parser **p);
/**
 * Feed it. used_out is set in any case.
 * ST_OK: a whole message has ended at used_out; what is behind belongs to the next. ST_AGAIN: all was taken, more is needed.
 * ST_BAD_INPUT, ST_TOO_BIG: it is lost.
 */
enum status h1_parser_feed(struct h1_parser *p, struct bytes in, size_t *used_out) MUST_CHECK;
/** No more comes: ST_OK if that ends a message (an answer until close), ST_CLOSED between messages, else ST_BAD_INPUT. */
enum status h1_parser_finish(struct h1_parser *p) MUST_CHECK;
/** Of the head, once `head` was called, until the next message. */
const struct h1_head *h1_parser_head(const struct h1_parser *p);

#endif
