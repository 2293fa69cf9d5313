/* services/cli/main.c - weir: asks and steers a running cluster. */
#include <stdio.h>
#include <string.h>

#include "services/cli/commands.h"

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "help";

	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	if (!strcmp(name, "--version"))
		name = "version";
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c->run(argc > 1 ? argc - 1 : argc,
				      argc > 1 ? argv + 1 : argv);
	fprintf(stderr, "weir: there is no command %s\nSee: weir help\n", name);
	return 2;
}
