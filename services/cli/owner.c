/* services/cli/owner.c - who listens on a TCP port of this machine. */
#include "services/cli/owner.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TCP_LISTEN 0x0a

/* "0: 0100007F:0016 00000000:0000 0A tx:rx tr:when retransmits uid 0 inode" */
enum { WORD_LOCAL = 1, WORD_STATE = 3, WORD_INODE = 9, LINE_WORDS };

/* Cut the next word off *line. */
static struct span next_word(const char **line)
{
	const char *start = *line + strspn(*line, " \t\n");
	size_t len = strcspn(start, " \t\n");

	*line = start + len;
	return span_of(start, len);
}

static bool read_number(uint64_t *out, struct span word, int base)
{
	char text[24];
	char *end;

	if (!word.len || word.len >= sizeof(text))
		return false;
	memcpy(text, word.data, word.len);
	text[word.len] = '\0';
	*out = strtoull(text, &end, base);
	return !*end;
}

/* "0100007F:078F" */
static bool read_port(uint64_t *out, struct span local)
{
	const uint8_t *colon =
		local.len ? memchr(local.data, ':', local.len) : NULL;

	return colon &&
	       read_number(out,
			   span_from(local, (size_t)(colon - local.data) + 1),
			   16);
}

bool owner_line_parse(const char *line, unsigned *port, uint64_t *inode)
{
	struct span word[LINE_WORDS];
	uint64_t p, state, i;

	for (int w = 0; w < LINE_WORDS; w++)
		word[w] = next_word(&line);
	if (!read_port(&p, word[WORD_LOCAL]) || p > 65535 ||
	    !read_number(&state, word[WORD_STATE], 16) || state != TCP_LISTEN ||
	    !read_number(&i, word[WORD_INODE], 10))
		return false;
	*port = (unsigned)p;
	*inode = i;
	return true;
}

static bool find_inode(uint64_t *out, const char *file, unsigned port)
{
	FILE *f = fopen(file, "re");
	char line[512];
	unsigned p = 0;
	bool is_found = false;

	while (f && !is_found && fgets(line, sizeof(line), f))
		is_found = owner_line_parse(line, &p, out) && p == port;
	if (f)
		fclose(f);
	return is_found;
}

static bool has_socket(int proc, const char *pid, const char *link)
{
	char path[64], target[64];
	struct dirent *e;
	bool is_found = false;
	DIR *fds;
	int fd;

	snprintf(path, sizeof(path), "%.20s/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds = fd < 0 ? NULL : fdopendir(fd);
	if (!fds) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!is_found && (e = readdir(fds))) {
		ssize_t len =
			readlinkat(fd, e->d_name, target, sizeof(target) - 1);

		if (len <= 0)
			continue;
		target[len] = '\0';
		is_found = !strcmp(target, link);
	}
	closedir(fds);
	return is_found;
}

static void read_name(char out[64], int proc, const char *pid)
{
	char path[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%.20s/comm", pid);
	out[0] = '\0';
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = read(fd, out, 63);
	close(fd);
	out[len > 0 ? len : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static void find_process(struct port_owner *out, uint64_t inode)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	char link[64];

	snprintf(link, sizeof(link), "socket:[%" PRIu64 "]", inode);
	while (proc && !out->pid && (e = readdir(proc))) {
		if (!isdigit((unsigned char)e->d_name[0]) ||
		    !has_socket(dirfd(proc), e->d_name, link))
			continue;
		out->pid = (int)strtol(e->d_name, NULL, 10);
		read_name(out->name, dirfd(proc), e->d_name);
	}
	if (proc)
		closedir(proc);
}

int owner_of_port(struct port_owner *out, unsigned port)
{
	struct port_owner owner = {0};
	uint64_t inode;

	if (!find_inode(&inode, "/proc/net/tcp", port) &&
	    !find_inode(&inode, "/proc/net/tcp6", port))
		return WEIR_ENOENT;
	find_process(&owner, inode);
	*out = owner;
	return 0;
}
