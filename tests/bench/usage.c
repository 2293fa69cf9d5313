/* tests/bench/usage.c - what processes have used, from /proc. */
#include "tests/bench/usage.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* The scheduler's own clock, in nanoseconds: no ticks are guessed. */
static double thread_cpu_s(const char *path)
{
	FILE *f = fopen(path, "r");
	uint64_t ns = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64, &ns) != 1)
		ns = 0;
	fclose(f);
	return (double)ns / 1e9;
}

static double process_cpu_s(pid_t pid)
{
	char path[300];
	struct dirent *e;
	double cpu_s = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat",
			 (int)pid, e->d_name);
		if (e->d_name[0] != '.')
			cpu_s += thread_cpu_s(path);
	}
	if (d)
		closedir(d);
	return cpu_s;
}

static void add_memory(struct usage *out, const char *line)
{
	uint64_t kb;
	char name[64];

	if (sscanf(line, "%63[^:]: %" SCNu64, name, &kb) != 2)
		return;
	if (!strncmp(name, "Private_", 8))
		out->private_kb += kb;
	else if (!strcmp(name, "Pss"))
		out->share_kb = kb;
	else if (!strcmp(name, "Rss"))
		out->resident_kb = kb;
}

void usage_of(struct usage *out, pid_t pid)
{
	char path[64], line[256];
	FILE *f;

	*out = (struct usage){.cpu_s = process_cpu_s(pid)};
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		add_memory(out, line);
	if (f)
		fclose(f);
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

double usage_own_cpu_s(void)
{
	struct rusage r;

	getrusage(RUSAGE_THREAD, &r);
	return seconds(r.ru_utime) + seconds(r.ru_stime);
}
