/* services/cli/help.c - `weir help`, `weir version`, and the list of commands.
 */
#include <stdio.h>

#include "common/svc/svc.h"
#include "services/cli/args.h"
#include "services/cli/commands.h"

const struct command commands[] = {
	{"up", command_up, "start a whole cluster on this machine"},
	{"nodes", command_nodes, "the processes of a cluster and their load"},
	{"streams", command_streams, "what is live, and who watches it"},
	{"kick", command_kick, "end a publisher or a viewer"},
	{"explain", command_explain,
	 "the last events of a stream, with reasons"},
	{"push", command_push, "publish an FLV file by RTMP, in real time"},
	{"pull", command_pull, "record a stream by RTMP or HTTP-FLV, exactly"},
	{"check-hls", command_check_hls,
	 "watch an HLS stream and say what it breaks"},
	{"sign", command_sign, "an address with the right to publish or play"},
	{"import-conf", command_import_conf,
	 "settings of lal as settings of weir"},
	{"version", command_version, "which weir this is"},
	{"help", command_help, "this page"},
	{NULL, NULL, NULL},
};

int command_help(int argc, char **argv)
{
	if (argc > 1)
		for (const struct command *c = commands; c->name; c++) {
			char help[] = "--help";
			char *words[] = {argv[1], help, NULL};

			if (!strcmp(c->name, argv[1]) && c->run != command_help)
				return c->run(2, words);
		}
	printf("weir - a live-streaming cluster of small processes\n\n");
	for (const struct command *c = commands; c->name; c++)
		printf("  weir %-11s  %s\n", c->name, c->sentence);
	printf("\nweir help COMMAND tells more. To begin: weir up --demo\n");
	return 0;
}

int command_version(int argc, char **argv)
{
	static const struct arg_table table = {
		.command = "version",
		.operands = "",
		.sentence = "Prints the version and the commit it was made of.",
	};
	struct arg_rest rest = {0};
	int status, none;

	if (args_take(&none, &rest, &table, argc, argv, &status))
		return status;
	printf("weir %s (%s)\n", svc_version(), svc_commit());
	return 0;
}
