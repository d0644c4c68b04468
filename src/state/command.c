/* state/command.c -- requests on their way into the writer; see state/state.h and state/state_priv.h. */
#include <stdlib.h>

#include "crypto/secret.h"
#include "state/state_priv.h"

struct command *command_new(const struct command_type *type, size_t n, const struct state_actor *by,
			    state_done_fn done, void *arg)
{
	struct command *c = xcalloc(1, sizeof *c);

	c->type = type;
	c->a = arena_new();
	c->done = done;
	c->arg = arg;
	c->req = arena_alloc(c->a, n);
	if (by != NULL) {
		c->by.who = arena_strdup(c->a, by->who);
		c->by.why = arena_strdup(c->a, by->why);
	}
	return c;
}

void command_reset_result(struct command *c)
{
	node_unref(&c->r.node);
	user_unref(&c->r.user);
	preauth_key_unref(&c->r.preauth);
	api_key_unref(&c->r.api_key);
	pending_unref(&c->r.pending);
	memset(&c->r, 0, sizeof c->r);
	c->err.text[0] = '\0';
	c->node = 0;
	c->user = 0;
}

void command_free(struct command **cp)
{
	struct command *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	command_reset_result(c);
	if (c->type->release != NULL)
		c->type->release(c);
	secret_wipe(c->secret, sizeof c->secret);
	secret_wipe(c->bcrypt_secret, sizeof c->bcrypt_secret);
	arena_free(&c->a);
	free(c);
}

void command_set_node(struct command *c, const struct node *n)
{
	node_unref(&c->r.node);
	c->r.node = node_ref((struct node *)(uintptr_t)n);
	c->node = n ? n->id : 0;
}

void command_set_user(struct command *c, const struct user *u)
{
	user_unref(&c->r.user);
	c->r.user = user_ref((struct user *)(uintptr_t)u);
	c->user = u ? u->id : 0;
}

void queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
	q->n = 0;
}

void queue_push(struct queue *q, struct command *c)
{
	c->next = NULL;
	*q->last = c;
	q->last = &c->next;
	q->n++;
}

struct command *queue_pop(struct queue *q)
{
	struct command *c = q->first;

	if (c == NULL)
		return NULL;
	q->first = c->next;
	if (q->first == NULL)
		q->last = &q->first;
	q->n--;
	c->next = NULL;
	return c;
}

enum status command_submit(struct state *st, struct command *c, struct err *err)
{
	enum status s = ST_OK;

	pthread_mutex_lock(&st->lock);
	if (st->closing) {
		s = ST_CLOSED;
	} else if (!c->internal && atomic_load(&st->n_queued) >= st->limits.queue) {
		s = ST_BUSY;
	} else {
		atomic_fetch_add(&st->n_queued, 1);
		if (st->inbox.first == NULL)
			pthread_cond_signal(&st->wake);
		queue_push(&st->inbox, c);
	}
	pthread_mutex_unlock(&st->lock);
	if (s == ST_OK)
		return s;
	err_set(err, s == ST_BUSY ? "too many requests are waiting; try again later" : "the server is closing");
	command_free(&c);
	return s;
}

void command_submit_internal(struct state *st, struct command *c)
{
	enum status s;

	c->internal = true;
	s = command_submit(st, c, NULL); /* when closing it is gone, and nobody waits for it */
	(void)s;
}
