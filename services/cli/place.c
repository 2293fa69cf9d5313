/* services/cli/place.c - the folder of one `weir up`. */
#include "services/cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <json-c/json.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_MAX        65536
#define FTW_DESCRIPTORS 8

char *place_path(char out[PLACE_PATH_SIZE], const struct place *p,
		 const char *name)
{
	snprintf(out, PLACE_PATH_SIZE, "%s/%s", p->dir, name);
	return out;
}

/* ---- clearing up ---- */

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path) && errno != ENOENT ? -1 : 0;
}

static bool remove_tree(const char *path)
{
	return !nftw(path, remove_one, FTW_DESCRIPTORS, FTW_DEPTH | FTW_PHYS) ||
	       errno == ENOENT;
}

static void clean(const struct place *p)
{
	static const char *const name[] = {"up.json", "conf.json", "redis",
					   "state", "lock"};
	char path[PLACE_PATH_SIZE];

	if (p->is_ours) {
		remove_tree(p->dir);
		return;
	}
	for (size_t i = 0; i < WEIR_ARRAY_LEN(name); i++)
		remove_tree(place_path(path, p, name[i]));
}

/* ---- the janitor ---- */

static void WEIR_NORETURN be_janitor(const struct place *p, int pipe_fd)
{
	char word = '\0';

	/* Nothing of ours is kept open by it, least of all the ports. */
	dup2(pipe_fd, 0);
	close_range(1, UINT_MAX, 0);
	prctl(PR_SET_NAME, "weir-janitor");
	setpgid(0, 0);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* A word: all is well, nothing to do. The end: it was killed, and so
	 * were its nodes, which hold the other end too: nobody writes any more.
	 */
	while (read(0, &word, 1) < 0 && errno == EINTR)
		;
	if (word != 'q')
		clean(p);
	_exit(0);
}

static int start_janitor(struct place *p)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	p->janitor = fork();
	if (p->janitor < 0) {
		close(fd[0]);
		close(fd[1]);
		return -errno;
	}
	if (!p->janitor) {
		close(fd[1]);
		be_janitor(p, fd[0]);
	}
	close(fd[0]);
	p->life = fd[1];
	return 0;
}

static void end_janitor(struct place *p)
{
	if (p->life < 0)
		return;
	if (write(p->life, "q", 1) == 1)
		waitpid(p->janitor, NULL, 0);
	close(p->life);
}

/* ---- opening ---- */

static int default_dir(char *out, size_t size, unsigned port)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	int len;

	if (run && *run == '/' && !access(run, W_OK | X_OK))
		len = snprintf(out, size, "%s/weir-%u", run, port);
	else
		len = snprintf(out, size, "/tmp/weir-%u-%u", (unsigned)getuid(),
			       port);
	return len < 0 || (size_t)len >= size ? WEIR_ELIMIT : 0;
}

static int absolute_dir(char *out, size_t size, const char *dir)
{
	char here[PATH_MAX];
	int len;

	if (*dir == '/')
		len = snprintf(out, size, "%s", dir);
	else if (getcwd(here, sizeof(here)))
		len = snprintf(out, size, "%s/%s", here, dir);
	else
		return -errno;
	return len < 0 || (size_t)len >= size ? WEIR_ELIMIT : 0;
}

/* Somebody else's folder in /tmp must not be taken for ours. */
static int check_owner(const char *dir)
{
	struct stat st;

	if (lstat(dir, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return st.st_uid == getuid() ? 0 : -EPERM;
}

static int take_lock(struct place *p)
{
	char path[PLACE_PATH_SIZE];

	p->lock = open(place_path(path, p, "lock"),
		       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->lock < 0)
		return -errno;
	if (flock(p->lock, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? WEIR_EBUSY : -errno;
	return 0;
}

static int make_inside(const struct place *p)
{
	static const char *const name[] = {"log", "redis", "state"};
	char path[PLACE_PATH_SIZE];

	for (size_t i = 0; i < WEIR_ARRAY_LEN(name); i++)
		if (mkdir(place_path(path, p, name[i]), 0700) &&
		    errno != EEXIST)
			return -errno;
	return 0;
}

static int fill(struct place *p, bool is_default)
{
	int err = 0;

	if (!mkdir(p->dir, 0700))
		p->is_ours = true;
	else if (errno != EEXIST)
		return -errno;
	err = check_owner(p->dir);
	if (!err)
		err = take_lock(p);
	if (err)
		return err;
	/* What a killed one left in a folder of this name was its own. */
	if (is_default)
		p->is_ours = true;
	return make_inside(p);
}

static void complain(const struct place *p, int err)
{
	if (err == WEIR_EBUSY)
		fprintf(stderr,
			"weir up: another one runs in %s; choose --dir or "
			"--base-port\n",
			p->dir);
	else
		fprintf(stderr, "weir up: cannot use the folder %s: %s\n",
			p->dir, weir_strerror(err));
}

int place_open(struct place *out, const char *dir, unsigned port)
{
	struct place *p = out;
	bool is_lock_ours;
	int err;

	*p = (struct place){.lock = -1, .life = -1, .janitor = -1};
	err = dir ? absolute_dir(p->dir, sizeof(p->dir), dir)
		  : default_dir(p->dir, sizeof(p->dir), port);
	if (!err)
		err = fill(p, !dir);
	is_lock_ours = p->lock >= 0 && err != WEIR_EBUSY;
	if (!err)
		err = start_janitor(p);
	if (!err)
		return 0;
	complain(p, err);
	if (is_lock_ours)
		clean(p);
	if (p->lock >= 0)
		close(p->lock);
	p->lock = -1;
	return err;
}

void place_close(struct place *p)
{
	if (p->lock < 0)
		return;
	clean(p);
	end_janitor(p);
	close(p->lock);
	p->lock = -1;
}

/* ---- files ---- */

static void log_path(char out[PLACE_PATH_SIZE], const struct place *p,
		     const char *id)
{
	snprintf(out, PLACE_PATH_SIZE, "%s/log/%s.log", p->dir, id);
}

int place_open_log(const struct place *p, const char *id)
{
	char path[PLACE_PATH_SIZE];
	int fd;

	log_path(path, p, id);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

void place_tail_log(const struct place *p, const char *id, size_t bytes,
		    struct buf *out)
{
	char path[PLACE_PATH_SIZE], text[4096];
	ssize_t n = 0;
	off_t size;
	int fd;

	log_path(path, p, id);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	size = lseek(fd, 0, SEEK_END);
	bytes = WEIR_MIN(bytes, sizeof(text));
	if (size > 0)
		n = pread(fd, text, bytes,
			  size > (off_t)bytes ? size - (off_t)bytes : 0);
	close(fd);
	if (n > 0)
		buf_put(out, span_of(text, (size_t)n));
}

static int write_all(int fd, struct span s)
{
	while (s.len) {
		ssize_t n = write(fd, s.data, s.len);

		if (n < 0 && errno != EINTR)
			return -errno;
		s = span_from(s, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

int place_write(const struct place *p, const char *name, struct span text)
{
	char path[PLACE_PATH_SIZE], beside[PLACE_PATH_SIZE + 8];
	int fd, err;

	place_path(path, p, name);
	snprintf(beside, sizeof(beside), "%s.new", path);
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, text);
	close(fd);
	if (!err && rename(beside, path))
		err = -errno;
	return err;
}

/* ---- finding ---- */

static bool is_alive(struct span text)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = NULL, *pid;
	bool is = false;

	if (tok)
		o = json_tokener_parse_ex(tok, (const char *)text.data,
					  (int)text.len);
	if (json_object_object_get_ex(o, "pid", &pid))
		is = json_object_get_int(pid) > 1 &&
		     (!kill(json_object_get_int(pid), 0) || errno == EPERM);
	json_object_put(o);
	if (tok)
		json_tokener_free(tok);
	return is;
}

static int read_file(struct buf *out, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n = -1;
	uint8_t *at;

	if (fd < 0)
		return WEIR_ENOENT;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == getuid() &&
	    st.st_size <= FILE_MAX) {
		at = buf_grow(out, (size_t)st.st_size);
		n = at ? read(fd, at, (size_t)st.st_size) : -1;
	}
	close(fd);
	if (n < 0 || n != (ssize_t)out->len)
		return buf_error(out) ? buf_error(out) : WEIR_ENOENT;
	return 0;
}

static int try_file(struct buf *out, const char *path)
{
	int err;

	buf_clear(out);
	err = read_file(out, path);
	if (!err && !is_alive(buf_span(out)))
		err = WEIR_ENOENT;
	return err;
}

static int find_any(struct buf *out)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	char pattern[PLACE_PATH_SIZE];
	glob_t found = {0};
	int err = WEIR_ENOENT;

	snprintf(pattern, sizeof(pattern), "/tmp/weir-%u-*/up.json",
		 (unsigned)getuid());
	glob(pattern, 0, NULL, &found);
	if (run && *run == '/') {
		snprintf(pattern, sizeof(pattern), "%s/weir-*/up.json", run);
		glob(pattern, GLOB_APPEND, NULL, &found);
	}
	for (size_t i = 0; i < found.gl_pathc && err; i++)
		if (strstr(found.gl_pathv[i], "-1935/"))
			err = try_file(out, found.gl_pathv[i]);
	for (size_t i = 0; i < found.gl_pathc && err; i++)
		err = try_file(out, found.gl_pathv[i]);
	globfree(&found);
	return err;
}

int place_find(struct buf *out, const char *dir)
{
	char path[PLACE_PATH_SIZE];

	if (!dir)
		return find_any(out);
	snprintf(path, sizeof(path), "%s/up.json", dir);
	return try_file(out, path);
}
