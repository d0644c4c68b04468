/*
 * server/privileges.c -- give up root, and talk to the service manager.
 *
 * In two steps. Before anything is opened the account changes, root staying behind as the saved one: database, keys and
 * sockets are made by the account and can be opened by it again, at a reload or at the next start. Once the ports are
 * bound, root goes altogether.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/vec.h"
#include "server/server_priv.h"

/* Root until server_drop_privileges(): its rights can be taken up again, but are not in effect. */
static bool entered;

/* The folder of the local socket often stands where only root may make one. */
static enum status make_socket_folder(const char *socket, const struct passwd *pw, struct err *err)
{
	char *folder = xstrdup(socket), *slash = strrchr(folder, '/');
	enum status s = ST_OK;

	if (slash != NULL && slash != folder) {
		*slash = '\0';
		if (mkdir(folder, 0750) == 0 && lchown(folder, pw->pw_uid, pw->pw_gid) != 0) {
			err_set(err, "unix_socket: cannot give %s to %s: %s", folder, pw->pw_name, strerror(errno));
			s = ST_IO;
		}
	}
	free(folder);
	return s;
}

/* Of what the saved root account would allow, let this thread and those it starts do one thing: bind ports below 1024. */
static void keep_binding(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, caps) != 0)
		return; /* a low port will say that it cannot be bound */
	caps[0].effective = caps[0].permitted & (1u << CAP_NET_BIND_SERVICE);
	caps[1].effective = 0;
	(void)syscall(SYS_capset, &head, caps);
}

enum status server_enter_account(const struct config *c, struct err *err)
{
	const char *user = c->server.user;
	const struct passwd *pw;
	enum status s;

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (user[0] == '\0' || geteuid() != 0)
		return ST_OK;
	pw = getpwnam(user);
	if (pw == NULL) {
		err_set(err, "server.user: there is no account \"%s\"", user);
		return ST_NOT_FOUND;
	}
	s = make_socket_folder(c->unix_socket, pw, err);
	if (s != ST_OK || pw->pw_uid == 0)
		return s;
	if (initgroups(user, pw->pw_gid) != 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, 0) != 0) {
		err_set(err, "server.user: cannot change to %s: %s", user, strerror(errno));
		return ST_IO;
	}
	keep_binding();
	entered = true;
	return ST_OK;
}

enum status server_drop_privileges(const struct config *c, struct err *err)
{
	const char *user = c->server.user;
	uid_t uid = geteuid();

	if (!entered)
		return ST_OK;
	/* With the last of the three no root, the kernel takes the capabilities; the C library does it on every thread. */
	if (setresuid(uid, uid, uid) != 0) {
		err_set(err, "server.user: cannot change to %s: %s", user, strerror(errno));
		return ST_IO;
	}
	if (setuid(0) == 0 || seteuid(0) == 0) {
		err_set(err, "server.user: root could be taken back after changing to %s", user);
		return ST_DENIED;
	}
	log_info("changed account", LOG_STR("user", user), LOG_END);
	return ST_OK;
}

void server_notify(const char *message)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path != NULL ? strlen(path) : 0;
	int fd;

	if (n == 0 || n >= sizeof to.sun_path)
		return;
	memcpy(to.sun_path, path, n);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&to,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}
