/* services/cli/commands.h - the subcommands; each is a main of its own and
 * returns the exit status: 0; 1: it failed; 2: wrong options; 3: refused.
 */
#ifndef WEIR_CLI_COMMANDS_H
#define WEIR_CLI_COMMANDS_H

#define STATUS_REFUSED 3

int command_up(int argc, char **argv);
int command_nodes(int argc, char **argv);
int command_streams(int argc, char **argv);
int command_kick(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_push(int argc, char **argv);
int command_pull(int argc, char **argv);
int command_check_hls(int argc, char **argv);
int command_import_conf(int argc, char **argv);
int command_sign(int argc, char **argv);
int command_version(int argc, char **argv);
int command_help(int argc, char **argv);

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *sentence;
};

extern const struct command commands[]; /* ends with a NULL name */

#endif
