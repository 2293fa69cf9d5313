/* services/cli/import_conf.c - `weir import-conf`: settings of lal for weir. */
#include <stdio.h>

#include "common/registry/disk.h"
#include "services/cli/args.h"
#include "services/cli/commands.h"
#include "services/cli/import_lal.h"

static const struct arg_table table = {
	.command = "import-conf",
	.operands = "lalserver.conf.json",
	.sentence =
		"Prints settings of weir that do what those of lal say: "
		"weir import-conf\nlalserver.conf.json > weir.json. What "
		"has no equivalent stands in comments, with\nwhy.",
	.operand_count = 1,
};

static int complain(const char *file, const char *why)
{
	fprintf(stderr, "weir import-conf: %s: %s\n", file, why);
	return 1;
}

static int import(struct buf *out, const char *file)
{
	struct buf in = {0};
	unsigned lost_count = 0;
	int err = disk_read(&in, file, IMPORT_BYTES_MAX);

	if (!err)
		err = import_lal(out, buf_span(&in), &lost_count);
	buf_fini(&in);
	if (err == WEIR_EINVAL)
		return complain(file, "this is no JSON object");
	if (err)
		return complain(file, weir_strerror(err));
	printf("%s", buf_text(out));
	if (lost_count)
		fprintf(stderr,
			"%u settings have no equivalent, or one that differs: "
			"see the comments\n",
			lost_count);
	return 0;
}

int command_import_conf(int argc, char **argv)
{
	struct arg_rest rest = {0};
	struct buf out = {0};
	int status, none;

	if (args_take(&none, &rest, &table, argc, argv, &status))
		return status;
	status = import(&out, rest.operand[0]);
	buf_fini(&out);
	return status;
}
