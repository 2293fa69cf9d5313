/* services/cli/args.c - the options of a subcommand, from a table. */
#include "services/cli/args.h"

#include <stdio.h>

/* One option as it stands in argv. */
struct given {
	struct span name;
	const char *value; /* behind '='; NULL: none */
};

static struct given split(const char *word)
{
	const char *name = word + 2;
	const char *eq = strchr(name, '=');

	return (struct given){
		.name = span_of(name, eq ? (size_t)(eq - name) : strlen(name)),
		.value = eq ? eq + 1 : NULL,
	};
}

static const struct arg *find(const struct arg_table *t, struct span name)
{
	for (size_t i = 0; i < t->arg_count; i++)
		if (span_eq_str(name, t->arg[i].name))
			return &t->arg[i];
	return NULL;
}

static bool read_uint(unsigned *out, const char *s)
{
	unsigned long n = 0;

	if (!*s || strlen(s) > 9)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		n = n * 10 + (unsigned)(*s - '0');
	}
	*out = (unsigned)n;
	return true;
}

static int store_uint(unsigned *at, const struct arg *a, const char *value,
		      struct buf *fault)
{
	unsigned n;

	if (!read_uint(&n, value) || n < a->min || n > a->max) {
		buf_printf(fault, "--%s takes a number from %u to %u, not %s",
			   a->name, a->min, a->max, value);
		return WEIR_EINVAL;
	}
	*at = n;
	return 0;
}

static int store_item(struct arg_list *at, const struct arg *a,
		      const char *value, struct buf *fault)
{
	if (at->count == ARG_LIST_MAX) {
		buf_printf(fault, "--%s stands there more than %d times",
			   a->name, ARG_LIST_MAX);
		return WEIR_EINVAL;
	}
	at->item[at->count++] = value;
	return 0;
}

static int store(void *out, const struct arg *a, const char *value,
		 struct buf *fault)
{
	void *at = (char *)out + a->offset;

	switch (a->type) {
	case ARG_FLAG:
		*(bool *)at = true;
		return 0;
	case ARG_UINT:
		return store_uint(at, a, value, fault);
	case ARG_TEXT:
		*(const char **)at = value;
		return 0;
	case ARG_LIST:
		return store_item(at, a, value, fault);
	}
	return WEIR_EINVAL;
}

/* Take the option at argv[*i], and its value. */
static int take_option(void *out, const struct arg_table *t, int argc,
		       char **argv, int *i, struct buf *fault)
{
	struct given g = split(argv[*i]);
	const struct arg *a = find(t, g.name);

	if (!a) {
		buf_printf(fault, "there is no option %s", argv[*i]);
		return WEIR_EINVAL;
	}
	if (a->type == ARG_FLAG && g.value) {
		buf_printf(fault, "--%s takes no value", a->name);
		return WEIR_EINVAL;
	}
	if (a->type != ARG_FLAG && !g.value) {
		if (*i + 1 >= argc) {
			buf_printf(fault, "--%s needs a value: %s", a->name,
				   a->value);
			return WEIR_EINVAL;
		}
		g.value = argv[++*i];
	}
	return store(out, a, g.value, fault);
}

static int take_operand(struct arg_rest *rest, const struct arg_table *t,
			const char *word, struct buf *fault)
{
	if (rest->count == t->operand_count || rest->count == ARG_REST_MAX) {
		buf_printf(fault, "\"%s\" is one word too many", word);
		return WEIR_EINVAL;
	}
	rest->operand[rest->count++] = word;
	return 0;
}

static bool is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

int args_parse(void *out, struct arg_rest *rest, const struct arg_table *table,
	       int argc, char **argv, struct buf *fault)
{
	bool is_over = false; /* "--" was seen */
	int err = 0;

	for (int i = 1; i < argc && !err; i++) {
		if (is_over || strncmp(argv[i], "-", 1) != 0 ||
		    !strcmp(argv[i], "-"))
			err = take_operand(rest, table, argv[i], fault);
		else if (is_help(argv[i]))
			err = WEIR_ESTOP;
		else if (!strcmp(argv[i], "--"))
			is_over = true;
		else if (strncmp(argv[i], "--", 2) != 0) {
			buf_printf(fault, "there is no option %s", argv[i]);
			err = WEIR_EINVAL;
		} else
			err = take_option(out, table, argc, argv, &i, fault);
	}
	if (!err &&
	    rest->count + table->operands_optional < table->operand_count) {
		buf_printf(fault, "%s is missing",
			   rest->count ? "a word" : table->operands);
		err = WEIR_EINVAL;
	}
	return err;
}

/* ---- help ---- */

void args_help(struct buf *out, const struct arg_table *t)
{
	buf_printf(out, "weir %s%s%s%s\n\n%s\n", t->command,
		   t->arg_count ? " [options]" : "", *t->operands ? " " : "",
		   t->operands, t->sentence);
	if (t->arg_count)
		buf_printf(out, "\n");
	for (size_t i = 0; i < t->arg_count; i++) {
		const struct arg *a = &t->arg[i];
		int width = (int)(strlen(a->name) + strlen(a->value));

		buf_printf(out, "  --%s %s%*s %s\n", a->name, a->value,
			   width < 20 ? 20 - width : 0, "", a->sentence);
	}
	if (t->more)
		buf_printf(out, "\n%s", t->more);
}

static int print_help(const struct arg_table *table)
{
	struct buf page = {0};
	int err;

	args_help(&page, table);
	err = buf_error(&page);
	if (!err)
		fputs(buf_text(&page), stdout);
	buf_fini(&page);
	return err;
}

int args_take(void *out, struct arg_rest *rest, const struct arg_table *table,
	      int argc, char **argv, int *status)
{
	struct buf fault = {0};
	int err = args_parse(out, rest, table, argc, argv, &fault);

	*status = 0;
	if (err == WEIR_ESTOP) {
		*status = print_help(table) ? 1 : 0;
	} else if (err) {
		*status = 2;
		fprintf(stderr, "weir %s: %s\nSee: weir %s --help\n",
			table->command, buf_text(&fault), table->command);
	}
	buf_fini(&fault);
	return err;
}
