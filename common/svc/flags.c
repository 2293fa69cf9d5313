/* common/svc/flags.c - the command line, and what is only printed. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/svc/svc_priv.h"

enum flag {
	FLAG_CONF = 256,
	FLAG_SET,
	FLAG_NODE_ID,
	FLAG_READY_FD,
	FLAG_PARENT_DEATH,
	FLAG_CHECK,
	FLAG_PRINT_CONF,
	FLAG_DOCS,
	FLAG_VERSION,
	FLAG_HELP,
};

static const struct option options[] = {
	{"conf", required_argument, NULL, FLAG_CONF},
	{"set", required_argument, NULL, FLAG_SET},
	{"node-id", required_argument, NULL, FLAG_NODE_ID},
	{"ready-fd", required_argument, NULL, FLAG_READY_FD},
	{"parent-death", optional_argument, NULL, FLAG_PARENT_DEATH},
	{"check", required_argument, NULL, FLAG_CHECK},
	{"print-conf", no_argument, NULL, FLAG_PRINT_CONF},
	{"docs", required_argument, NULL, FLAG_DOCS},
	{"version", no_argument, NULL, FLAG_VERSION},
	{"help", no_argument, NULL, FLAG_HELP},
	{NULL, 0, NULL, 0},
};

static const char help[] =
	"  --conf FILE        settings, as JSON with comments; repeatable, "
	"the\n"
	"                     later file wins\n"
	"  --set PATH=VALUE   one setting, over those of the file; repeatable\n"
	"  --node-id ID       this node's name (default: role-hostname)\n"
	"  --check FILE       say what is wrong in FILE, and end\n"
	"  --print-conf       print the settings in force, and end\n"
	"  --docs WHAT        print the page of conf, stats or log, and end\n"
	"  --version          print the version, and end\n"
	"  --ready-fd N       write a line of JSON to descriptor N once ready\n"
	"  --parent-death[=PID]  die with the process that started this one\n"
	"  --help             print this, and end\n";

void svc_print_help(const struct svc_desc *desc, FILE *out)
{
	fprintf(out, "weir-%s: %s\n\n%s", desc->role, desc->sentence, help);
}

static int complain(const char *what, const char *value)
{
	fprintf(stderr, "%s: %s\n", what, value);
	return WEIR_ECONF;
}

static int add_set(struct svc_flags *f, const char *assignment)
{
	if (f->set_count == SVC_SETS_MAX)
		return complain("--set: too many", assignment);
	f->set[f->set_count++] = assignment;
	return 0;
}

static int add_conf(struct svc_flags *f, const char *file)
{
	if (f->conf_count == SVC_CONFS_MAX)
		return complain("--conf: too many", file);
	f->conf_file[f->conf_count++] = file;
	return 0;
}

static bool is_node_id(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= 64 &&
	       strspn(text,
		      "abcdefghijklmnopqrstuvwxyz"
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

static int set_node_id(struct svc_flags *f, const char *text)
{
	if (!is_node_id(text))
		return complain(
			"--node-id: 1 to 64 of A-Z a-z 0-9 . _ - "
			"are expected",
			text);
	f->node_id = text;
	return 0;
}

static int set_number(long *out, const char *flag, const char *text, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (!*text || *end || n < 0 || n > max)
		return complain(flag, text);
	*out = n;
	return 0;
}

static int take(struct svc_flags *f, int flag, const char *value)
{
	long n;
	int err;

	switch (flag) {
	case FLAG_CONF:
		return add_conf(f, value);
	case FLAG_SET:
		return add_set(f, value);
	case FLAG_NODE_ID:
		return set_node_id(f, value);
	case FLAG_READY_FD:
		err = set_number(&n, "--ready-fd: not a descriptor", value,
				 1 << 20);
		if (!err)
			f->ready_fd = (int)n;
		return err;
	case FLAG_PARENT_DEATH:
		f->dies_with_parent = true;
		return value ? set_number(&f->parent_pid,
					  "--parent-death: not a pid", value,
					  1 << 30)
			     : 0;
	case FLAG_CHECK:
		f->check_file = value;
		return 0;
	case FLAG_PRINT_CONF:
		f->is_printing_conf = true;
		return 0;
	case FLAG_DOCS:
		f->docs = value;
		return 0;
	case FLAG_VERSION:
		f->is_printing_version = true;
		return 0;
	case FLAG_HELP:
		f->is_printing_help = true;
		return 0;
	default:
		return WEIR_ECONF; /* getopt has said why */
	}
}

int svc_read_flags(struct svc_flags *out, int argc, char **argv)
{
	int flag;

	memset(out, 0, sizeof(*out));
	out->ready_fd = -1;
	optind = 0; /* from the start, whoever has used it before */
	while ((flag = getopt_long(argc, argv, "", options, NULL)) != -1) {
		int err = take(out, flag, optarg);

		if (err)
			return err;
	}
	if (optind < argc)
		return complain("not a flag", argv[optind]);
	return 0;
}

/* ---- settings ---- */

static size_t collect(const struct conf_table **out,
		      const struct svc_desc *desc)
{
	size_t count = 0;

	out[count++] = &svc_cluster_conf;
	out[count++] = &svc_admin_conf;
	out[count++] = &svc_log_conf;
	for (size_t i = 0; desc->conf && desc->conf[i]; i++) {
		BUG_ON(count == SVC_TABLES_MAX);
		out[count++] = desc->conf[i];
	}
	return count;
}

/* Goes on after a mistake, so that all are listed. */
static int load_all(struct conf *conf, const struct svc_flags *flags)
{
	int err = 0;

	if (flags->check_file)
		err = conf_load_file(conf, flags->check_file);
	for (size_t i = 0; i < flags->conf_count && !flags->check_file; i++) {
		int file_err = conf_load_file(conf, flags->conf_file[i]);

		err = err ? err : file_err;
	}
	for (size_t i = 0; i < flags->set_count; i++) {
		int set_err = conf_override(conf, flags->set[i]);

		err = err ? err : set_err;
	}
	return err && err != WEIR_ENOMEM ? WEIR_ECONF : err;
}

static int check_more(const struct conf *conf, const struct svc_desc *desc)
{
	char why[SVC_WHY_SIZE] = "";
	int err = desc->check ? desc->check(conf, why) : 0;

	if (err)
		fprintf(stderr, "%s\n", *why ? why : weir_strerror(err));
	return err;
}

int svc_load_conf(struct conf **out, const struct svc_desc *desc,
		  const struct svc_flags *flags)
{
	const struct conf_table *tables[SVC_TABLES_MAX];
	size_t count = collect(tables, desc);
	struct conf *conf;
	int err = conf_new(&conf, desc->role, tables, count);

	if (err)
		return err;
	if (desc->admin_listen)
		err = conf_default(conf, "admin.listen", desc->admin_listen);
	if (!err && !flags->docs)
		err = load_all(conf, flags);
	if (err)
		fprintf(stderr, "%s", conf_messages(conf));
	else if (!flags->docs)
		err = check_more(conf, desc);
	if (err) {
		conf_free(&conf);
		return err;
	}
	*out = conf;
	return 0;
}

/* ---- printing ---- */

static size_t list_len(const void *const *list)
{
	size_t len = 0;

	while (list && list[len])
		len++;
	return len;
}

static int put_docs(struct buf *out, const struct svc_desc *desc,
		    const struct conf *conf, const char *what)
{
	static const struct stat_table *const own[] = {&svc_stat,
						       &svc_info_stat};

	if (!strcmp(what, "conf")) {
		conf_print_docs(conf, out);
	} else if (!strcmp(what, "stats")) {
		stat_print_docs(own, WEIR_ARRAY_LEN(own), out);
		stat_print_docs(desc->stats,
				list_len((const void *const *)desc->stats),
				out);
	} else if (!strcmp(what, "log")) {
		logger_print_docs(out, svc_events,
				  list_len((const void *const *)svc_events));
		for (size_t i = 0; desc->events[i]; i++)
			logger_print_docs(
				out, desc->events[i],
				list_len((const void *const *)desc->events[i]));
	} else {
		return complain("--docs: conf, stats or log is expected", what);
	}
	return buf_error(out);
}

int svc_print_and_leave(const struct svc_desc *desc,
			const struct svc_flags *flags, const struct conf *conf,
			bool *is_done)
{
	struct buf out = {0};
	int err = 0;

	*is_done = true;
	if (flags->check_file)
		buf_printf(&out, "%s: no mistakes\n", flags->check_file);
	else if (flags->is_printing_conf)
		conf_print(conf, &out);
	else if (flags->docs)
		err = put_docs(&out, desc, conf, flags->docs);
	else
		*is_done = false;
	if (!err)
		err = buf_error(&out);
	if (!err && out.len > 0 &&
	    fwrite(out.data, 1, out.len, stdout) != out.len)
		err = -EIO;
	buf_fini(&out);
	return err;
}
