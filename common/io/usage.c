/* common/io/usage.c - what this process uses of its machine. */
#include "common/io/usage.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* The beginning of a file as a text. Returns whether there is one. */
static bool read_text(char *out, size_t size, const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, out, size - 1);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

uint64_t io_resident_bytes(void)
{
	unsigned long long pages;
	char text[128];
	char *at;

	if (!read_text(text, sizeof(text), "/proc/self/statm"))
		return 0;
	(void)strtoull(text, &at, 10); /* size, then resident */
	pages = strtoull(at, NULL, 10);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t io_cpu_us(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u))
		return 0;
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000u +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

uint64_t io_thread_cpu_us(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t))
		return 0;
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* ---- what it may have ---- */

static uint64_t machine_bytes(const char *file)
{
	char text[4096];
	const char *at;

	if (!read_text(text, sizeof(text), file))
		return UINT64_MAX;
	at = strstr(text, "MemTotal:");
	return at ? strtoull(at + strlen("MemTotal:"), NULL, 10) * 1024u
		  : UINT64_MAX;
}

/* Of one group; UINT64_MAX: it has no limit ("max"), or is not there. */
static uint64_t group_bytes(const char *groups, const char *path)
{
	char file[1024], text[64];
	char *end;
	unsigned long long bytes;

	if ((size_t)snprintf(file, sizeof(file), "%s%s/memory.max", groups,
			     path) >= sizeof(file) ||
	    !read_text(text, sizeof(text), file))
		return UINT64_MAX;
	bytes = strtoull(text, &end, 10);
	return end == text ? UINT64_MAX : bytes;
}

/* The path of the group, "" at the root; out is that too where nothing says. */
static void group_path(char *out, size_t size, const char *of_self)
{
	char text[4096];
	const char *line;

	out[0] = '\0';
	if (!read_text(text, sizeof(text), of_self))
		return;
	/* Of version 2 is the line of the hierarchy 0. */
	line = strncmp(text, "0::/", 4) ? strstr(text, "\n0::/") : text;
	if (!line)
		return;
	line = strchr(line, '/');
	snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
}

uint64_t io_memory_max_in(const struct io_memory_files *f)
{
	uint64_t least = machine_bytes(f->machine), bytes;
	char path[512];
	char *slash;

	group_path(path, sizeof(path), f->of_self);
	do {
		bytes = group_bytes(f->groups, path);
		if (bytes < least)
			least = bytes;
		slash = strrchr(path, '/');
		if (slash)
			*slash = '\0';
	} while (slash);
	return least == UINT64_MAX ? 0 : least;
}

uint64_t io_memory_max(void)
{
	static const struct io_memory_files files = {
		.of_self = "/proc/self/cgroup",
		.groups = "/sys/fs/cgroup",
		.machine = "/proc/meminfo",
	};

	return io_memory_max_in(&files);
}
