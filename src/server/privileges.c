/* server/privileges.c -- give up root once the ports are bound, and talk to the service manager. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/server_priv.h"

enum status server_drop_privileges(const char *user, struct err *err)
{
	const struct passwd *pw;

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (user[0] == '\0' || geteuid() != 0)
		return ST_OK;
	pw = getpwnam(user);
	if (pw == NULL) {
		err_set(err, "server.user: there is no account \"%s\"", user);
		return ST_NOT_FOUND;
	}
	if (initgroups(user, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0) {
		err_set(err, "server.user: cannot change to %s: %s", user, strerror(errno));
		return ST_IO;
	}
	if (setuid(0) == 0) {
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
