/* common/io/unix.c - Unix sockets between processes of one user. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/io/net.h"

#define BACKLOG 1024

/* Where a path is, for bind and connect. */
struct place {
	struct sockaddr_un addr;
	int folder; /* -1, or kept open for as long as `addr` is used */
};

static int open_folder(const char *path)
{
	char *folder = strdup(path);
	int fd;

	if (!folder)
		return WEIR_ENOMEM;
	strrchr(folder, '/')[1] = '\0';
	fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	return fd < 0 ? -errno : fd;
}

/* A path that does not fit into an address is reached through its folder. */
static int place_open(struct place *out, const char *path)
{
	size_t size = sizeof(out->addr.sun_path);
	const char *slash = strrchr(path, '/');
	int len;

	*out = (struct place){.addr.sun_family = AF_UNIX, .folder = -1};
	if (path[0] != '/' || !slash[1])
		return WEIR_EINVAL;
	if (strlen(path) < size) {
		memcpy(out->addr.sun_path, path, strlen(path));
		return 0;
	}
	out->folder = open_folder(path);
	if (out->folder < 0)
		return out->folder;
	len = snprintf(out->addr.sun_path, size, "/proc/self/fd/%d%s",
		       out->folder, slash);
	if (len > 0 && (size_t)len < size)
		return 0;
	close(out->folder);
	return WEIR_EINVAL;
}

static void place_close(struct place *p)
{
	if (p->folder >= 0)
		close(p->folder);
}

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
			0);

	return fd < 0 ? -errno : fd;
}

static int connect_to(const struct place *p)
{
	int fd = new_socket();
	int err;

	if (fd < 0)
		return fd;
	if (!connect(fd, (const struct sockaddr *)&p->addr, sizeof(p->addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int net_unix_connect(int *out, const char *path)
{
	struct place p;
	int fd, err = place_open(&p, path);

	if (err)
		return err;
	fd = connect_to(&p);
	place_close(&p);
	if (fd < 0)
		return fd;
	*out = fd;
	return 0;
}

/* A socket at whose other end nobody is any more? Then it goes. */
static bool remove_dead(const struct place *p)
{
	struct stat st;
	int fd = connect_to(p);

	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED && !lstat(p->addr.sun_path, &st) &&
	       S_ISSOCK(st.st_mode) && !unlink(p->addr.sun_path);
}

static int bind_to(int fd, const struct place *p)
{
	return bind(fd, (const struct sockaddr *)&p->addr, sizeof(p->addr))
		       ? -errno
		       : 0;
}

/* The mode of the socket is the mode of the file that bind makes: there is no
 * moment in which others may connect. */
static int listen_at(int fd, const struct place *p)
{
	int err;

	if (fchmod(fd, S_IRUSR | S_IWUSR))
		return -errno;
	err = bind_to(fd, p);
	if (err == -EADDRINUSE && remove_dead(p))
		err = bind_to(fd, p);
	if (err)
		return err;
	return listen(fd, BACKLOG) ? -errno : 0;
}

int net_unix_listen(int *out, const char *path)
{
	struct place p;
	int fd, err = place_open(&p, path);

	if (err)
		return err;
	fd = new_socket();
	err = fd < 0 ? fd : listen_at(fd, &p);
	place_close(&p);
	if (!err)
		*out = fd;
	else if (fd >= 0)
		close(fd);
	return err;
}

bool net_unix_is_ours(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) &&
	       len == sizeof(who) && who.uid == geteuid();
}
