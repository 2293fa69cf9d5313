/* common/log/logger_test.c - lines, escaping, limits, a pipe nobody reads. */
#include "common/log/logger.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/test/check.h"

static const struct log_event start = {"publish.start", LOG_INFO,
				       "stream session peer proto",
				       "A publisher was let in."};
static const struct log_event detail = {"detail", LOG_DEBUG, "n", "Detail."};

/* The line that `kv` alone makes after the event's name. */
static void check_value(struct kv kv, const char *expected)
{
	struct buf out = {0};

	logger_format(&out, &start, &kv, 1);
	CHECK_EQ(buf_error(&out), 0);
	CHECK_STR(buf_text(&out), expected);
	buf_fini(&out);
}

TEST(facts_are_written_by_their_type)
{
	struct net_addr addr;
	struct uuid id = {{0xab, 1}};

	CHECK_EQ(net_addr_parse(&addr, "203.0.113.9:51822"), 0);
	check_value(kv_str("stream", "live/a"), "publish.start stream=live/a");
	check_value(kv_int("n", -3), "publish.start n=-3");
	check_value(kv_uint("n", UINT64_MAX),
		    "publish.start n=18446744073709551615");
	check_value(kv_bool("x", true), "publish.start x=true");
	check_value(kv_addr("peer", &addr),
		    "publish.start peer=203.0.113.9:51822");
	check_value(kv_uuid("session", &id),
		    "publish.start session=ab010000000000000000000000000000");
	check_value(kv_err("why", WEIR_ELIMIT),
		    "publish.start why=\"a limit was passed\"");
}

TEST(what_a_peer_wrote_cannot_leave_its_quotes)
{
	static const struct {
		struct span text;
		const char *line;
	} cases[] = {
		{SPAN_LIT(""), "publish.start s=\"\""},
		{SPAN_LIT("a b"), "publish.start s=\"a b\""},
		{SPAN_LIT("a=b"), "publish.start s=\"a=b\""},
		{SPAN_LIT("a\"b\\c"), "publish.start s=\"a\\\"b\\\\c\""},
		{SPAN_LIT("x\ny\r\tz"), "publish.start s=\"x\\ny\\r\\tz\""},
		{SPAN_LIT("\x1b[31m\0!"),
		 "publish.start s=\"\\x1b[31m\\x00!\""},
		{SPAN_LIT("\xc3\xa9\xe2\x82\xac"),
		 "publish.start s=\"\xc3\xa9\xe2\x82\xac\""},
		/* broken, overlong, surrogate, C1 control, right-to-left */
		{SPAN_LIT("\xc3"), "publish.start s=\"\\xc3\""},
		{SPAN_LIT("\xc0\xaf"), "publish.start s=\"\\xc0\\xaf\""},
		{SPAN_LIT("\xed\xa0\x80"),
		 "publish.start s=\"\\xed\\xa0\\x80\""},
		{SPAN_LIT("\xc2\x9b"), "publish.start s=\"\\xc2\\x9b\""},
		{SPAN_LIT("\xe2\x80\xae"),
		 "publish.start s=\"\\xe2\\x80\\xae\""},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++)
		check_value(kv_span("s", cases[i].text), cases[i].line);
}

TEST(a_line_stays_below_4_kb_and_says_that_it_was_cut)
{
	char text[2001];
	struct kv kv[8];
	struct buf out = {0};

	memset(text, '\n', 2000);
	text[2000] = '\0';
	for (size_t i = 0; i < WEIR_ARRAY_LEN(kv); i++)
		kv[i] = kv_str("s", text);
	logger_format(&out, &start, kv, WEIR_ARRAY_LEN(kv));
	CHECK_EQ(buf_error(&out), 0);
	CHECK(out.len <= 4096);
	CHECK(strstr(buf_text(&out), "\\n\"... cut=true") != NULL);
	buf_fini(&out);
}

/* ---- writing ---- */

struct out {
	struct logger *lg;
	int fd[2]; /* a pipe */
};

static void begin(struct out *o, enum log_level level, unsigned per_second)
{
	struct logger_options options = {.level = level,
					 .per_second = per_second};

	CHECK_EQ(pipe2(o->fd, O_CLOEXEC), 0);
	options.fd = o->fd[1];
	if (logger_new(&o->lg, &options)) {
		close(o->fd[0]);
		close(o->fd[1]);
		CHECK(!"no logger");
	}
	CHECK_EQ(fcntl(o->fd[0], F_SETFL, O_NONBLOCK), 0);
}

static void end(struct out *o)
{
	logger_free(&o->lg);
	close(o->fd[0]);
	close(o->fd[1]);
}

/* What came out, from the event on, without the time. */
static const char *next_line(struct out *o, char line[4097])
{
	size_t len = 0;
	char *space;

	while (len < 4096 && read(o->fd[0], line + len, 1) == 1)
		if (line[len++] == '\n')
			break;
	line[len] = '\0';
	space = strchr(line, ' ');
	return space ? space + 1 : "";
}

TEST(a_line_has_time_level_event_and_facts)
{
	struct out o;
	char line[4097];

	begin(&o, LOG_INFO, 0);
	logger_event(o.lg, &start, kv_str("stream", "live/a"), kv_int("n", 1));
	CHECK_STR(next_line(&o, line),
		  "info publish.start stream=live/a n=1\n");
	CHECK_EQ(strlen("2026-01-02T03:04:05.678Z"), strchr(line, ' ') - line);
	end(&o);
}

static struct kv counted(unsigned *made)
{
	++*made;
	return kv_int("n", 1);
}

TEST(facts_of_a_level_that_is_off_are_not_even_made)
{
	struct out o;
	char line[4097];
	unsigned made = 0;

	begin(&o, LOG_INFO, 0);
	logger_event(o.lg, &detail, counted(&made));
	CHECK_EQ(made, 0);
	CHECK_STR(next_line(&o, line), "");
	logger_set_level(o.lg, LOG_DEBUG);
	logger_event(o.lg, &detail, counted(&made));
	CHECK_EQ(made, 1);
	CHECK_STR(next_line(&o, line), "debug detail n=1\n");
	logger_event((struct logger *)NULL, &start, counted(&made));
	CHECK_EQ(made, 1);
	end(&o);
}

TEST(one_event_cannot_flood_the_log)
{
	struct out o;
	struct logger_stats stats;

	/* more than fit in one second, even if a second ends on the way */
	begin(&o, LOG_INFO, 5);
	for (int i = 0; i < 100; i++)
		logger_event(o.lg, &start, kv_int("n", i));
	logger_stats(o.lg, &stats);
	CHECK(stats.lines_count[LOG_INFO] >= 5);
	CHECK(stats.lines_count[LOG_INFO] <= 50);
	CHECK_EQ(stats.lines_count[LOG_INFO] + stats.suppressed_count, 100);
	end(&o);
}

TEST(what_must_be_found_in_the_log_is_there_each_time)
{
	struct out o;
	struct logger_stats stats;

	begin(&o, LOG_INFO, 5);
	for (int i = 0; i < 20; i++)
		logger_event_each(o.lg, &start, kv_int("n", i));
	logger_stats(o.lg, &stats);
	CHECK_EQ(stats.lines_count[LOG_INFO], 20);
	CHECK_EQ(stats.suppressed_count, 0);
	end(&o);
}

static void fill(struct out *o)
{
	char text[401];

	memset(text, 'x', 400);
	text[400] = '\0';
	for (int i = 0; i < 1000; i++)
		logger_event(o->lg, &start, kv_str("s", text));
}

/* The count of a log.dropped line, 0 of any other. */
static uint64_t lost_by(const char *text)
{
	static const char head[] = "warn log.dropped count=";

	if (strncmp(text, head, strlen(head)) != 0)
		return 0;
	return strtoull(text + strlen(head), NULL, 10);
}

TEST(a_pipe_that_nobody_reads_costs_lines_but_no_time)
{
	struct out o;
	char line[4097];
	struct logger_stats stats;
	const char *text;
	uint64_t lost = 0;

	begin(&o, LOG_INFO, 100000);
	fill(&o);
	logger_stats(o.lg, &stats);
	CHECK(stats.dropped_count > 0);
	CHECK_EQ(stats.dropped_count + stats.lines_count[LOG_INFO], 1000);
	while (*(text = next_line(&o, line)))
		lost += lost_by(text);
	logger_event(o.lg, &start, kv_int("n", 1));
	lost += lost_by(next_line(&o, line));
	CHECK_EQ(lost, stats.dropped_count);
	CHECK_STR(next_line(&o, line), "info publish.start n=1\n");
	/* our end only: the pipe as others have it still blocks */
	CHECK_EQ(fcntl(o.fd[1], F_GETFL) & O_NONBLOCK, 0);
	end(&o);
}

TEST(a_socket_that_nobody_reads_does_not_block_and_keeps_lines_whole)
{
	struct logger_options options = {.level = LOG_INFO,
					 .per_second = 100000};
	struct out o;
	char line[4097];
	unsigned count = 0;
	struct logger_stats stats;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, o.fd), 0);
	options.fd = o.fd[1];
	if (logger_new(&o.lg, &options)) {
		close(o.fd[0]);
		close(o.fd[1]);
		CHECK(!"no logger");
	}
	CHECK_EQ(fcntl(o.fd[0], F_SETFL, O_NONBLOCK), 0);
	fill(&o);
	logger_stats(o.lg, &stats);
	CHECK(stats.dropped_count > 0);
	while (*next_line(&o, line)) {
		CHECK(strlen(line) > 400);
		count++;
	}
	CHECK_EQ(count, stats.lines_count[LOG_INFO]);
	end(&o);
}

TEST(the_docs_have_a_row_for_each_event)
{
	const struct log_event *const events[] = {&start, &detail};
	struct buf out = {0};

	logger_print_docs(&out, events, 2);
	CHECK_EQ(buf_error(&out), 0);
	CHECK(strstr(buf_text(&out),
		     "| `publish.start` | info | stream session peer proto | "
		     "A publisher was let in. |\n") != NULL);
	CHECK(strstr(buf_text(&out), "| `detail` | debug |") != NULL);
	buf_fini(&out);
}
