/* services/cli/tool.h - programs of this machine, and where ours are. */
#ifndef WEIR_CLI_TOOL_H
#define WEIR_CLI_TOOL_H

#include "common/base/err.h"
#include "common/base/span.h"

/* Is there such a program in PATH? */
bool tool_is_installed(const char *name);

/* The folder of the running binary. Returns 0, WEIR_ELIMIT or -errno. */
WEIR_MUST_CHECK int tool_own_dir(char *out, size_t size);

#endif
