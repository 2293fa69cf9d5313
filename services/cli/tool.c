/* services/cli/tool.c - programs of this machine, and where ours are. */
#include "services/cli/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool tool_is_installed(const char *name)
{
	const char *path = getenv("PATH");
	char file[1024];

	while (path && *path) {
		size_t len = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)len, path, name);
		if (!access(file, X_OK))
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

int tool_own_dir(char *out, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", out, size - 1);
	char *slash;

	if (len < 0)
		return -errno;
	if ((size_t)len >= size - 1)
		return WEIR_ELIMIT;
	out[len] = '\0';
	slash = strrchr(out, '/');
	if (slash)
		*slash = '\0';
	return 0;
}
