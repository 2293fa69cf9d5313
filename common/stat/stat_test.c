/* common/stat/stat_test.c - counters, histograms, labels, and promtool. */
#include "common/stat/stat.h"

#include <stdio.h>

#include "common/stat/promtool.h"
#include "common/test/check.h"

struct values {
	uint64_t viewers;
	uint64_t sent_bytes;
	struct stat_histogram age;
};

static const struct stat_metric metrics[] = {
	STAT_GAUGE(struct values, viewers, "weir_test_viewers", "count",
		   "Viewers that are connected."),
	STAT_COUNTER(struct values, sent_bytes, "weir_test_sent_bytes_total",
		     "bytes", "Bytes that the kernel took for viewers."),
	STAT_HISTOGRAM(struct values, age, "weir_test_frame_age_seconds",
		       &stat_age_bounds, "Age of frames when sent."),
};
static const struct stat_table plain =
	STAT_TABLE("test", "", 1, struct values, metrics);

static const struct stat_metric stream_metrics[] = {
	STAT_GAUGE(struct values, viewers, "weir_test_stream_viewers", "count",
		   "Viewers of one stream."),
	STAT_HISTOGRAM(struct values, age, "weir_test_stream_age_seconds",
		       &stat_age_bounds, "Age of frames of one stream."),
};
static const struct stat_table by_stream = STAT_TABLE(
	"test streams", "stream proto", 2, struct values, stream_metrics);

static int add_stream(struct stats *st, struct stat_series *series,
		      const struct values *v, const char *stream)
{
	const char *const labels[] = {stream, "rtmp"};

	return stat_add(st, &by_stream, series, v, labels);
}

static bool prints(struct stats *st, const char *part)
{
	struct buf out = {0};
	bool is_there;

	stat_print(st, &out);
	is_there = strstr(buf_text(&out), part) != NULL;
	if (!is_there && !test_is_starved())
		fprintf(stderr, "%s", buf_text(&out));
	CHECK_EQ(buf_error(&out), 0);
	buf_fini(&out);
	return is_there;
}

TEST(values_are_shown_as_they_stand_now)
{
	struct stats *st;
	struct stat_series series = {0};
	struct values v = {.viewers = 1};

	CHECK_EQ(stat_new(&st), 0);
	CHECK_EQ(stat_add(st, &plain, &series, &v, NULL), 0);
	v.viewers = 3;
	v.sent_bytes = UINT64_MAX;
	CHECK(prints(st,
		     "# HELP weir_test_viewers Viewers that are "
		     "connected.\n# TYPE weir_test_viewers gauge\n"
		     "weir_test_viewers 3\n"));
	CHECK(prints(st,
		     "\nweir_test_sent_bytes_total "
		     "18446744073709551615\n"));
	stat_free(&st);
	CHECK(!series.is_added);
	stat_remove(&series);
}

TEST(histograms_are_cumulative_and_in_seconds)
{
	struct stats *st;
	struct stat_series series = {0};
	struct values v = {0};

	stat_age_add(&v.age, 1000, 1250); /* 0.25 ms: still the first */
	stat_age_add(&v.age, 1000, 1251);
	stat_age_add(&v.age, 1000, 900);   /* clocks that disagree */
	stat_age_add(&v.age, 0, 20000000); /* beyond all */
	CHECK_EQ(stat_new(&st), 0);
	CHECK_EQ(stat_add(st, &plain, &series, &v, NULL), 0);
	CHECK(prints(st,
		     "weir_test_frame_age_seconds_bucket{le=\"0.00025\"} 2\n"
		     "weir_test_frame_age_seconds_bucket{le=\"0.0005\"} 3\n"));
	CHECK(prints(st,
		     "{le=\"10\"} 3\n"
		     "weir_test_frame_age_seconds_bucket{le=\"+Inf\"} 4\n"
		     "weir_test_frame_age_seconds_sum 20.000501\n"
		     "weir_test_frame_age_seconds_count 4\n"));
	stat_free(&st);
}

TEST(labels_are_escaped_whatever_a_peer_chose)
{
	struct stats *st;
	struct stat_series series = {0};
	struct values v = {0};

	CHECK_EQ(stat_new(&st), 0);
	CHECK_EQ(add_stream(st, &series, &v, "a\"b\\c\nd\xff\xc3\xa9"), 0);
	CHECK(prints(st,
		     "weir_test_stream_viewers{stream=\"a\\\"b\\\\c\\nd?"
		     "\xc3\xa9\",proto=\"rtmp\"} 0\n"));
	stat_free(&st);
}

TEST(no_more_label_sets_than_the_limit_are_shown)
{
	struct stats *st;
	struct stat_series series[3] = {0};
	struct values v = {0};

	CHECK_EQ(stat_new(&st), 0);
	CHECK_EQ(add_stream(st, &series[0], &v, "a"), 0);
	CHECK_EQ(add_stream(st, &series[1], &v, "b"), 0);
	CHECK(prints(st, "weir_stat_hidden_series 0\n"));
	CHECK_EQ(add_stream(st, &series[2], &v, "c"), 0);
	CHECK(prints(st, "weir_stat_hidden_series 1\n"));
	CHECK(prints(st, "stream=\"b\""));
	stat_remove(&series[0]);
	CHECK(prints(st, "weir_stat_hidden_series 0\n"));
	CHECK(prints(st, "stream=\"c\""));
	stat_free(&st);
}

TEST(two_tables_may_not_have_the_same_name)
{
	static const struct stat_table copy =
		STAT_TABLE("copy", "", 1, struct values, metrics);
	struct stats *st;
	struct stat_series series[2] = {0};
	struct values v = {0};

	CHECK_EQ(stat_new(&st), 0);
	CHECK_EQ(stat_add(st, &plain, &series[0], &v, NULL), 0);
	CHECK_EQ(stat_add(st, &copy, &series[1], &v, NULL), WEIR_EEXIST);
	CHECK(!series[1].is_added);
	stat_free(&st);
}

static void count_viewers(void *ctx)
{
	((struct values *)ctx)->viewers = 7;
}

TEST(gauges_are_brought_up_to_date_before_they_are_shown)
{
	struct stats *st;
	struct stat_series series = {0};
	struct stat_refresh refresh = {0};
	struct values v = {0};

	CHECK_EQ(stat_new(&st), 0);
	CHECK_EQ(stat_add(st, &plain, &series, &v, NULL), 0);
	stat_refresh_add(st, &refresh, count_viewers, &v);
	CHECK(prints(st, "\nweir_test_viewers 7\n"));
	stat_refresh_remove(&refresh);
	stat_free(&st);
}

TEST(the_docs_have_a_row_for_each_metric)
{
	const struct stat_table *const tables[] = {&plain, &by_stream};
	struct buf out = {0};

	stat_print_docs(tables, 2, &out);
	CHECK_EQ(buf_error(&out), 0);
	CHECK(strstr(buf_text(&out),
		     "| `weir_test_stream_viewers` | gauge | count | stream "
		     "proto | Viewers of one stream. |\n") != NULL);
	buf_fini(&out);
}

/* Left out of the repetitions: it starts another program. */
TEST_NO_OOM(promtool_accepts_the_text)
{
	struct stats *st;
	struct stat_series series[3] = {0};
	struct values v = {.viewers = 2};
	struct buf out = {0};

	stat_age_add(&v.age, 0, 1234567);
	CHECK_EQ(stat_new(&st), 0);
	CHECK_EQ(stat_add(st, &plain, &series[0], &v, NULL), 0);
	CHECK_EQ(add_stream(st, &series[1], &v, "live/a"), 0);
	CHECK_EQ(add_stream(st, &series[2], &v, "live/\"b\\\n"), 0);
	stat_print(st, &out);
	CHECK(promtool_check(buf_span(&out)) != PROMTOOL_REFUSED);
	buf_fini(&out);
	stat_free(&st);
}
