/* common/stat/stat.c - the registry of counters, and its text. */
#include "common/stat/stat.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/utf8.h"

#define LABEL_BYTES 256 /* of one value; longer ones are cut */

/* A table that is in use, with its series. */
struct entry {
	struct list link;
	const struct stat_table *table;
	struct list series;
};

struct stats {
	struct list entries;
	struct list refreshes;
};

const struct stat_bounds stat_age_bounds = {
	.count = 14,
	.scale = 1000000,
	.bound = {250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000,
		  250000, 500000, 1000000, 2500000, 10000000},
};

static const char *const kind_name[] = {"counter", "gauge", "histogram"};

int stat_new(struct stats **out)
{
	struct stats *st = calloc(1, sizeof(*st));

	if (!st)
		return WEIR_ENOMEM;
	list_init(&st->entries);
	list_init(&st->refreshes);
	*out = st;
	return 0;
}

static void free_entry(struct entry *e)
{
	while (!list_is_empty(&e->series))
		stat_remove(
			list_entry(e->series.next, struct stat_series, link));
	list_remove(&e->link);
	free(e);
}

void stat_free(struct stats **p)
{
	struct stats *st = *p;

	if (!st)
		return;
	*p = NULL;
	list_each_safe (it, &st->entries)
		free_entry(list_entry(it, struct entry, link));
	while (!list_is_empty(&st->refreshes))
		stat_refresh_remove(list_entry(st->refreshes.next,
					       struct stat_refresh, link));
	free(st);
}

/* ---- adding ---- */

static bool has_metric(const struct stat_table *table, const char *name)
{
	for (size_t i = 0; i < table->metric_count; i++)
		if (!strcmp(table->metric[i].name, name))
			return true;
	return false;
}

static bool is_name_taken(const struct stats *st, const struct stat_table *t)
{
	list_each (it, &st->entries) {
		struct entry *e = list_entry(it, struct entry, link);

		for (size_t i = 0; i < t->metric_count; i++)
			if (has_metric(e->table, t->metric[i].name))
				return true;
	}
	return false;
}

static struct entry *find_entry(const struct stats *st,
				const struct stat_table *table)
{
	list_each (it, &st->entries) {
		struct entry *e = list_entry(it, struct entry, link);

		if (e->table == table)
			return e;
	}
	return NULL;
}

static int make_entry(struct stats *st, struct entry **out,
		      const struct stat_table *table)
{
	struct entry *e;

	if (is_name_taken(st, table))
		return WEIR_EEXIST;
	e = calloc(1, sizeof(*e));
	if (!e)
		return WEIR_ENOMEM;
	e->table = table;
	list_init(&e->series);
	list_append(&st->entries, &e->link);
	*out = e;
	return 0;
}

/* In quotes a label may hold any UTF-8; what is none becomes '?'. */
static void put_label_value(struct buf *b, struct span text)
{
	text = span_first(text, LABEL_BYTES);
	while (text.len > 0) {
		struct span rest = text;
		uint32_t code = utf8_next(&rest);

		if (code == UTF8_BAD) {
			buf_put_u8(b, '?');
			rest = span_from(text, 1);
		} else if (code == '\n') {
			buf_put(b, SPAN_LIT("\\n"));
		} else {
			if (code == '"' || code == '\\')
				buf_put_u8(b, '\\');
			buf_put(b, span_first(text, text.len - rest.len));
		}
		text = rest;
	}
}

/* a="1",b="2" */
static void put_labels(struct buf *b, const char *names,
		       const char *const *values)
{
	for (size_t i = 0; *names; i++) {
		size_t len = strcspn(names, " ");

		BUG_ON(i >= STAT_LABELS_MAX);
		if (i > 0)
			buf_put_u8(b, ',');
		buf_put(b, span_of(names, len));
		buf_put(b, SPAN_LIT("=\""));
		put_label_value(b, span_str(values[i]));
		buf_put_u8(b, '"');
		names += len + strspn(names + len, " ");
	}
}

int stat_add(struct stats *st, const struct stat_table *table,
	     struct stat_series *series, const void *values,
	     const char *const *label_values)
{
	struct entry *e = find_entry(st, table);
	struct buf labels = {0};
	int err = 0;

	BUG_ON(series->is_added);
	put_labels(&labels, table->labels, label_values);
	(void)buf_text(&labels);
	if (buf_error(&labels))
		err = WEIR_ENOMEM;
	if (!err && !e)
		err = make_entry(st, &e, table);
	if (err) {
		buf_fini(&labels);
		return err;
	}
	series->labels = (char *)labels.data;
	series->values = values;
	series->is_added = true;
	list_init(&series->link);
	list_append(&e->series, &series->link);
	return 0;
}

void stat_remove(struct stat_series *series)
{
	if (!series->is_added)
		return;
	list_remove(&series->link);
	free(series->labels);
	series->labels = NULL;
	series->is_added = false;
}

void stat_refresh_add(struct stats *st, struct stat_refresh *r,
		      void (*fn)(void *ctx), void *ctx)
{
	r->fn = fn;
	r->ctx = ctx;
	list_init(&r->link);
	list_append(&st->refreshes, &r->link);
}

void stat_refresh_remove(struct stat_refresh *r)
{
	if (!r->fn)
		return;
	list_remove(&r->link);
	r->fn = NULL;
}

/* ---- the text ---- */

static void put_scaled(struct buf *out, uint64_t value, uint64_t scale)
{
	if (scale > 1)
		buf_printf(out, "%.9g", (double)value / (double)scale);
	else
		buf_printf(out, "%" PRIu64, value);
}

static void put_line(struct buf *out, const char *name, const char *suffix,
		     const char *labels, uint64_t value, uint64_t scale)
{
	buf_printf(out, "%s%s%s%s%s ", name, suffix, *labels ? "{" : "", labels,
		   *labels ? "}" : "");
	put_scaled(out, value, scale);
	buf_put_u8(out, '\n');
}

static void put_bucket(struct buf *out, const struct stat_metric *m,
		       const char *labels, unsigned i, uint64_t cumulated)
{
	buf_printf(out, "%s_bucket{%s%sle=\"", m->name, labels,
		   *labels ? "," : "");
	if (i < m->bounds->count)
		put_scaled(out, m->bounds->bound[i], m->bounds->scale);
	else
		buf_put(out, SPAN_LIT("+Inf"));
	buf_printf(out, "\"} %" PRIu64 "\n", cumulated);
}

static void put_histogram(struct buf *out, const struct stat_metric *m,
			  const char *labels, const struct stat_histogram *h)
{
	uint64_t cumulated = 0;

	for (unsigned i = 0; i <= m->bounds->count; i++) {
		cumulated += h->bucket[i];
		put_bucket(out, m, labels, i, cumulated);
	}
	put_line(out, m->name, "_sum", labels, h->sum, m->bounds->scale);
	put_line(out, m->name, "_count", labels, cumulated, 1);
}

static void put_series(struct buf *out, const struct stat_metric *m,
		       const struct stat_series *s)
{
	const void *at = (const char *)s->values + m->offset;
	uint64_t value;

	if (m->kind == STAT_KIND_HISTOGRAM) {
		put_histogram(out, m, s->labels, at);
		return;
	}
	memcpy(&value, at, sizeof(value));
	put_line(out, m->name, "", s->labels, value, m->scale);
}

static void put_head(struct buf *out, const char *name, const char *kind,
		     const char *sentence)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, sentence, name,
		   kind);
}

static void put_metric(struct buf *out, const struct entry *e,
		       const struct stat_metric *m)
{
	unsigned count = 0;

	put_head(out, m->name, kind_name[m->kind], m->sentence);
	list_each (it, &e->series) {
		if (count++ >= e->table->series_max)
			break;
		put_series(out, m, list_entry(it, struct stat_series, link));
	}
}

static uint64_t hidden_count(const struct stats *st)
{
	uint64_t hidden = 0;

	list_each (it, &st->entries) {
		const struct entry *e = list_entry(it, struct entry, link);
		uint64_t count = 0;

		list_each (series, &e->series)
			count++;
		if (count > e->table->series_max)
			hidden += count - e->table->series_max;
	}
	return hidden;
}

void stat_print(struct stats *st, struct buf *out)
{
	list_each (it, &st->refreshes) {
		struct stat_refresh *r =
			list_entry(it, struct stat_refresh, link);

		r->fn(r->ctx);
	}
	list_each (it, &st->entries) {
		const struct entry *e = list_entry(it, struct entry, link);

		if (list_is_empty(&e->series))
			continue;
		for (size_t i = 0; i < e->table->metric_count; i++)
			put_metric(out, e, &e->table->metric[i]);
	}
	put_head(out, "weir_stat_hidden_series", "gauge",
		 "Label sets that are not shown because there are too many.");
	put_line(out, "weir_stat_hidden_series", "", "", hidden_count(st), 1);
}

static void print_table_docs(const struct stat_table *t, struct buf *out)
{
	buf_printf(out,
		   "\n## %s\n\n| name | kind | unit | labels | meaning |\n"
		   "|---|---|---|---|---|\n",
		   t->title);
	for (size_t i = 0; i < t->metric_count; i++)
		buf_printf(out, "| `%s` | %s | %s | %s | %s |\n",
			   t->metric[i].name, kind_name[t->metric[i].kind],
			   t->metric[i].unit, t->labels, t->metric[i].sentence);
}

void stat_print_docs(const struct stat_table *const *tables, size_t count,
		     struct buf *out)
{
	for (size_t i = 0; i < count; i++)
		print_table_docs(tables[i], out);
}
