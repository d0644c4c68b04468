/* net/listener.c -- see net/tcp.h: listening sockets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/vec.h"
#include "net/counters.h"
#include "net/tcp_priv.h"

#define BACKLOG 4096 /* at most: the kernel has a limit of its own. When a server restarts, all its clients come at once */

struct listener {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	struct loop *loop;
	struct conn_limits *limits;
	uint32_t stall_ms;
	int backlog;
	bool local;
	char *path; /* of a local socket that is ours to remove */
	listener_fn *fn;
	void *arg;
};

static void on_connection(uv_stream_t *h, int status)
{
	struct listener *l = h->data;
	struct tcp *t;

	if (status != 0) {
		net_count(NET_COUNT_ACCEPT_ERROR);
		return;
	}
	t = tcp_new(l->loop, l->local);
	if (uv_accept(h, &t->uv.stream) != 0) {
		net_count(NET_COUNT_ACCEPT_ERROR);
		tcp_discard(t);
		return;
	}
	tcp_connected(t);
	if (tcp_enter(t, l->limits) != ST_OK) {
		tcp_discard(t);
		return;
	}
	if (l->stall_ms)
		t->stall_ms = l->stall_ms;
	net_count(NET_COUNT_ACCEPTED);
	l->fn(l->arg, &t->s);
}

static void free_listener(uv_handle_t *h)
{
	struct listener *l = h->data;

	conn_limits_unref(&l->limits);
	free(l->path);
	free(l);
}

static struct listener *new_listener(struct loop *loop, bool local, const struct listener_opts *o, listener_fn *fn, void *arg)
{
	struct listener *l = xcalloc(1, sizeof *l);

	loop_assert(loop);
	l->loop = loop;
	l->local = local;
	l->limits = conn_limits_ref(o->limits);
	l->stall_ms = o->write_stall_ms;
	l->backlog = o->backlog ? o->backlog : BACKLOG;
	l->fn = fn;
	l->arg = arg;
	if (local)
		uv_pipe_init(loop_uv(loop), &l->uv.pipe, 0);
	else
		uv_tcp_init(loop_uv(loop), &l->uv.tcp);
	l->uv.handle.data = l;
	return l;
}

/* Listen on fd, which is taken. `what` is for people. */
static enum status listen_on(struct listener *l, int fd, const char *what, struct listener **out, struct err *err)
{
	int rc = l->local ? uv_pipe_open(&l->uv.pipe, fd) : uv_tcp_open(&l->uv.tcp, fd);

	if (rc != 0)
		close(fd);
	else
		rc = uv_listen(&l->uv.stream, l->backlog, on_connection);
	if (rc != 0) {
		err_set(err, "cannot listen on %s: %s", what, uv_strerror(rc));
		listener_close(&l);
		return rc == UV_EADDRINUSE ? ST_CONFLICT : ST_IO;
	}
	*out = l;
	return ST_OK;
}

static int bound_socket(const struct net_addr *a)
{
	static const int on = 1, off = 0;
	int fd = socket(net_addr_family(a), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int e;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (net_addr_family(a) == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(fd, &a->sa, net_addr_len(a)) == 0)
		return fd;
	e = errno;
	close(fd);
	errno = e;
	return -1;
}

enum status listener_open(struct loop *loop, const struct net_addr *addr, const struct listener_opts *o, listener_fn *fn,
			  void *arg, struct listener **out, struct err *err)
{
	char text[NET_ADDR_TEXT_MAX];
	int fd = bound_socket(addr);

	net_addr_format_port(addr, text);
	if (fd < 0 && net_addr_family(addr) == AF_INET6 && errno == EAFNOSUPPORT &&
	    IN6_IS_ADDR_UNSPECIFIED(&addr->v6.sin6_addr)) { /* a kernel without IPv6 */
		struct net_addr any = { .v4 = { .sin_family = AF_INET, .sin_port = addr->v6.sin6_port } };

		fd = bound_socket(&any);
	}
	if (fd < 0) {
		enum status s = errno == EADDRINUSE ? ST_CONFLICT : errno == EACCES ? ST_DENIED : ST_IO;

		err_set(err, "cannot listen on %s: %s", text, strerror(errno));
		return s;
	}
	return listen_on(new_listener(loop, false, o, fn, arg), fd, text, out, err);
}

/* Whether somebody accepts at the path. */
static bool is_alive(const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)un, sizeof *un);
	bool alive = rc == 0 || (fd >= 0 && (errno == EAGAIN || errno == EINPROGRESS));

	if (fd >= 0)
		close(fd);
	return alive;
}

static enum status bind_path(int fd, const struct sockaddr_un *un, unsigned mode, struct err *err)
{
	struct stat st;

	if (lstat(un->sun_path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode)) {
			err_set(err, "cannot listen on %s: there is a file that is no socket", un->sun_path);
			return ST_CONFLICT;
		}
		if (is_alive(un)) {
			err_set(err, "cannot listen on %s: another process does", un->sun_path);
			return ST_CONFLICT;
		}
		unlink(un->sun_path);
	}
	fchmod(fd, mode); /* so that it never has a wider mode, even between the next two calls */
	if (bind(fd, (const struct sockaddr *)un, sizeof *un) != 0 || chmod(un->sun_path, mode) != 0) {
		err_set(err, "cannot listen on %s: %s", un->sun_path, strerror(errno));
		return ST_IO;
	}
	return ST_OK;
}

enum status listener_open_unix(struct loop *loop, const char *path, unsigned mode, const struct listener_opts *o,
			       listener_fn *fn, void *arg, struct listener **out, struct err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct listener *l;
	enum status s;
	int fd;

	if (strlen(path) >= sizeof un.sun_path) {
		err_set(err, "cannot listen on %s: the path is longer than %zu bytes", path, sizeof un.sun_path - 1);
		return ST_TOO_BIG;
	}
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		err_set(err, "cannot listen on %s: %s", path, strerror(errno));
		return ST_IO;
	}
	s = bind_path(fd, &un, mode, err);
	if (s != ST_OK) {
		close(fd);
		return s;
	}
	l = new_listener(loop, true, o, fn, arg);
	l->path = xstrdup(path);
	return listen_on(l, fd, path, out, err);
}

enum status listener_open_fd(struct loop *loop, int fd, const struct listener_opts *o, listener_fn *fn, void *arg,
			     struct listener **out, struct err *err)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	char what[32];

	snprintf(what, sizeof what, "descriptor %d", fd);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0) {
		err_set(err, "cannot listen on %s: %s", what, strerror(errno));
		close(fd);
		return ST_IO;
	}
	return listen_on(new_listener(loop, ss.ss_family == AF_UNIX, o, fn, arg), fd, what, out, err);
}

struct net_addr listener_addr(const struct listener *l)
{
	struct sockaddr_storage ss;
	int len = sizeof ss;

	if (l->local)
		return (struct net_addr){ .sa = { .sa_family = AF_UNIX } };
	if (uv_tcp_getsockname(&l->uv.tcp, (struct sockaddr *)&ss, &len) != 0)
		return (struct net_addr){ 0 };
	return net_addr_of((struct sockaddr *)&ss, (size_t)len);
}

void listener_close(struct listener **lp)
{
	struct listener *l = *lp;

	*lp = NULL;
	if (!l)
		return;
	loop_assert(l->loop);
	if (l->path)
		unlink(l->path);
	uv_close(&l->uv.handle, free_listener);
}
