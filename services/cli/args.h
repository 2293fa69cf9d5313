/* services/cli/args.h - the options of a subcommand, from a table. Pure. */
#ifndef WEIR_CLI_ARGS_H
#define WEIR_CLI_ARGS_H

#include "common/base/buf.h"

enum arg_type {
	ARG_FLAG, /* bool */
	ARG_UINT, /* unsigned, min to max */
	ARG_TEXT, /* const char *, borrowed from argv */
	ARG_LIST, /* struct arg_list: may be given several times */
};

#define ARG_LIST_MAX 32
#define ARG_REST_MAX 4

struct arg_list {
	const char *item[ARG_LIST_MAX];
	size_t count;
};

struct arg {
	const char *name; /* "base-port" */
	enum arg_type type;
	const char *value; /* "PORT", for the help */
	unsigned min, max; /* ARG_UINT */
	size_t offset;     /* in the caller's struct */
	const char *sentence;
};

struct arg_table {
	const char *command;  /* "up" */
	const char *operands; /* "FILE.flv URL" */
	const char *sentence;
	size_t operand_count; /* so many, */
	const struct arg *arg;
	size_t arg_count;
	const char *more;         /* the rest of the help page; NULL: none */
	size_t operands_optional; /* so many of the last may be missing */
};

struct arg_rest {
	const char *operand[ARG_REST_MAX];
	size_t count;
};

/* Read argv[1] and on into *out, which holds the defaults. Both "--name value"
 * and "--name=value" are understood, "--" ends the options. Returns 0;
 * WEIR_ESTOP for --help; WEIR_EINVAL and a line in `fault`. */
WEIR_MUST_CHECK int args_parse(void *out, struct arg_rest *rest,
			       const struct arg_table *table, int argc,
			       char **argv, struct buf *fault);

/* The help page. Errors are the buffer's. */
void args_help(struct buf *out, const struct arg_table *table);

/* args_parse for a main: prints help or fault. Returns 0: go on; else the exit
 * status is *status. */
WEIR_MUST_CHECK int args_take(void *out, struct arg_rest *rest,
			      const struct arg_table *table, int argc,
			      char **argv, int *status);

#endif
