/* common/stat/stat.h - counters, gauges, histograms; Prometheus text.
 *
 * Values are plain members of the owner's struct, so counting costs an add. A
 * table says what they mean:
 *
 *	struct edge_stats {
 *		uint64_t viewers;
 *		uint64_t sent_bytes;
 *		struct stat_histogram age;
 *	};
 *	static const struct stat_metric metrics[] = {
 *		STAT_GAUGE(struct edge_stats, viewers, "weir_edge_viewers",
 *			   "count", "Viewers that are connected."),
 *		STAT_COUNTER(struct edge_stats, sent_bytes,
 *			     "weir_edge_sent_bytes_total", "bytes",
 *			     "Bytes that the kernel took for viewers."),
 *		STAT_HISTOGRAM(struct edge_stats, age,
 *			       "weir_edge_frame_age_seconds",
 *			       &stat_age_bounds,
 *			       "Age of frames when sent to viewers."),
 *	};
 *	const struct stat_table edge_stat =
 *		STAT_TABLE("edge", "", 1, struct edge_stats, metrics);
 *
 * Names: snake_case with base units last (seconds, bytes), counters end in
 * _total; `promtool check metrics` must be content.
 */
#ifndef WEIR_STAT_STAT_H
#define WEIR_STAT_STAT_H

#include "common/base/buf.h"
#include "common/base/list.h"

#define STAT_BUCKETS_MAX 18

/* Upper bounds (inclusive) in whole units, exposed divided by `scale`. */
struct stat_bounds {
	unsigned count;
	uint64_t scale;
	uint64_t bound[STAT_BUCKETS_MAX];
};

/* Microseconds: 0.25 ms to 10 s, exposed as seconds. */
extern const struct stat_bounds stat_age_bounds;

struct stat_histogram {
	uint64_t bucket[STAT_BUCKETS_MAX + 1]; /* the last: above all bounds */
	uint64_t sum;
};

static inline void stat_histogram_add(struct stat_histogram *h,
				      const struct stat_bounds *bounds,
				      uint64_t value)
{
	unsigned i = 0;

	while (i < bounds->count && value > bounds->bound[i])
		i++;
	h->bucket[i]++;
	h->sum += value;
}

/* The age of a frame by its arrival; clocks that disagree count as 0. */
static inline void stat_age_add(struct stat_histogram *h, int64_t arrival_us,
				int64_t utc_us)
{
	stat_histogram_add(h, &stat_age_bounds,
			   utc_us > arrival_us ? (uint64_t)(utc_us - arrival_us)
					       : 0);
}

enum stat_kind {
	STAT_KIND_COUNTER,   /* uint64_t, only grows */
	STAT_KIND_GAUGE,     /* uint64_t */
	STAT_KIND_HISTOGRAM, /* struct stat_histogram */
};

struct stat_metric {
	const char *name;
	enum stat_kind kind;
	const char *unit;                 /* "count", "bytes", "seconds", … */
	const char *sentence;             /* ends with a full stop */
	const struct stat_bounds *bounds; /* histograms only */
	uint64_t scale; /* exposed value = value / scale; 0 and 1: as it is */
	size_t offset;
};

struct stat_table {
	const char *title;
	const char *labels;  /* names, one space between: "stream", "" */
	unsigned series_max; /* label sets that are shown at a time */
	const struct stat_metric *metric;
	size_t metric_count;
};

/* offsetof, once the compiler has seen that the member has the type. */
#define STAT_AT(s, m, t)                                                       \
	(offsetof(s, m) + 0 * sizeof(_Generic(((__typeof__(s) *)0)->m, t : 0)))

#define STAT_COUNTER(s, m, name, unit, sentence)                               \
	{                                                                      \
		name, STAT_KIND_COUNTER, unit, sentence, 0, 1,                 \
			STAT_AT(s, m, uint64_t)                                \
	}
#define STAT_GAUGE(s, m, name, unit, sentence)                                 \
	{                                                                      \
		name, STAT_KIND_GAUGE, unit, sentence, 0, 1,                   \
			STAT_AT(s, m, uint64_t)                                \
	}
#define STAT_HISTOGRAM(s, m, name, bounds, sentence)                           \
	{                                                                      \
		name, STAT_KIND_HISTOGRAM, "seconds", sentence, bounds, 1,     \
			STAT_AT(s, m, struct stat_histogram)                   \
	}
#define STAT_TABLE(title, labels, series_max, type, metrics)                   \
	{                                                                      \
		title, labels, series_max, metrics, WEIR_ARRAY_LEN(metrics)    \
	}

#define STAT_LABELS_MAX 4

struct stats; /* a process's registry */

/* One struct of values that is shown. Storage of the owner, all zero at first;
 * stat_remove before the values die. */
struct stat_series {
	struct list link;
	const void *values;
	char *labels; /* escaped; owned */
	bool is_added;
};

WEIR_MUST_CHECK int stat_new(struct stats **out);
void stat_free(struct stats **st);

/* Show `values` (borrowed, the struct that the table describes) with the given
 * label values, as many as the table has names; they may be a peer's text.
 * Only the oldest series_max ones of a table are shown; the others are
 * counted in weir_stat_hidden_series. Tables come in the order of their
 * first stat_add. Returns 0; WEIR_ENOMEM; WEIR_EEXIST: another table has one of
 * these names. */
WEIR_MUST_CHECK int stat_add(struct stats *st, const struct stat_table *table,
			     struct stat_series *series, const void *values,
			     const char *const *label_values);

/* Show no more; fine when it was not added. Also after stat_free. */
void stat_remove(struct stat_series *series);

/* Call fn(ctx) before each exposition, to bring gauges up to date. Storage of
 * the owner, all zero at first. */
struct stat_refresh {
	struct list link;
	void (*fn)(void *ctx);
	void *ctx;
};
void stat_refresh_add(struct stats *st, struct stat_refresh *r,
		      void (*fn)(void *ctx), void *ctx);
void stat_refresh_remove(struct stat_refresh *r);

/* The text of /metrics (exposition format 0.0.4). */
void stat_print(struct stats *st, struct buf *out);
#define STAT_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* A page for docs/stats. */
void stat_print_docs(const struct stat_table *const *tables, size_t count,
		     struct buf *out);

#endif
