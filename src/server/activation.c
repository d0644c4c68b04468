/*
 * server/activation.c -- listening descriptors that systemd (or whoever starts us) opened.
 *
 * Each is known by its name, which is the key whose place it takes (FileDescriptorName= of a socket unit, LISTEN_FDNAMES
 * here). A single one without such a name is listen_addr: systemd names a descriptor after its unit when nothing is set.
 * More than that is not guessed at: what is meant for everybody and what is the administrator's must not be mixed up.
 */
#include "server/server_priv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FD 3  /* where they begin */
#define FDS_MAX 64  /* more is a mistake, and no number to loop over */

static const char *const door_keys[SERVER_DOORS] = {
	[SERVER_DOOR_MAIN] = "listen_addr",
	[SERVER_DOOR_METRICS] = "metrics_listen_addr",
	[SERVER_DOOR_LOCAL] = "unix_socket",
};

/* How many there are for this process; they may be meant for the one that started us. */
static long handed_over(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

	if (pid == NULL || fds == NULL || strtol(pid, NULL, 10) != (long)getpid())
		return 0;
	return strtol(fds, NULL, 10);
}

/* The name at the front of the list, which goes on after it. */
static struct bytes next_name(const char **list)
{
	const char *at = *list;
	size_t n = strcspn(at, ":");

	*list = at + n + (at[n] == ':' ? 1 : 0);
	return bytes_of(at, n);
}

static int door_named(struct bytes name)
{
	for (int d = 0; d < SERVER_DOORS; d++)
		if (bytes_eq(name, bytes_of_str(door_keys[d])))
			return d;
	return -1;
}

/* Through the local door comes whoever may open a file, and needs no key; a port must never stand there. */
static enum status check_kind(int fd, int door, struct err *err)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof ss;
	int listens = 0;
	socklen_t listens_len = sizeof listens;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_len) != 0 || !listens) {
		err_set(err, "%s: descriptor %d, handed over for it, is no listening socket", door_keys[door], fd);
		return ST_BAD_INPUT;
	}
	if (door == SERVER_DOOR_LOCAL && ss.ss_family != AF_UNIX) {
		err_set(err, "unix_socket: descriptor %d, handed over for it, is no local socket", fd);
		return ST_BAD_INPUT;
	}
	return ST_OK;
}

enum status server_activated(int fds_out[SERVER_DOORS], struct err *err)
{
	const char *list = getenv("LISTEN_FDNAMES");
	long n = handed_over();

	for (int d = 0; d < SERVER_DOORS; d++)
		fds_out[d] = -1;
	if (n > FDS_MAX) {
		err_set(err, "socket activation: LISTEN_FDS is %ld, at most %d can be", n, FDS_MAX);
		return ST_TOO_BIG;
	}
	if (list == NULL)
		list = "";
	for (long i = 0; i < n; i++) {
		struct bytes name = next_name(&list);
		int fd = FIRST_FD + (int)i, door = door_named(name);
		enum status s;

		if (door < 0 && n == 1)
			door = SERVER_DOOR_MAIN;
		if (door < 0) {
			err_set(err, "socket activation: descriptor %d is called \"%.*s\"; FileDescriptorName= must be one of "
				     "listen_addr, metrics_listen_addr, unix_socket", fd, (int)name.n, (const char *)name.p);
			return ST_BAD_INPUT;
		}
		if (fds_out[door] >= 0) {
			err_set(err, "socket activation: two descriptors are called %s; one is served", door_keys[door]);
			return ST_CONFLICT;
		}
		s = check_kind(fd, door, err);
		if (s != ST_OK)
			return s;
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		fds_out[door] = fd;
	}
	return ST_OK;
}
