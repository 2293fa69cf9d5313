/* services/edge/stream_test.c - streams come with their first viewer and go
 * some time after the last. */
#include "services/edge/stream.h"

#include "services/edge/lonely_test.h"

static const struct streams_limits limits = {
	.fanout = {.wires_max = 8, .keep_idle_ms = 1000},
	.streams_max = 2,
	.idle_keep_ms = 1000,
};

struct scene {
	struct lonely lonely;
	struct streams *streams;
	struct edge_stats stats;
};

static const struct stream_key key_a = {"live/a"}, key_b = {"live/b"},
			       key_c = {"live/c"};

static void begin(struct scene *s)
{
	*s = (struct scene){0};
	lonely_begin(&s->lonely, &limits, &s->stats);
	s->streams = s->lonely.streams;
}

static void end(struct scene *s)
{
	lonely_end(&s->lonely);
}

static uint64_t count(struct scene *s)
{
	streams_measure(s->streams);
	return s->stats.streams;
}

TEST(viewers_of_one_key_share_a_stream)
{
	struct stream *first, *second, *other;
	struct scene s;

	begin(&s);
	CHECK_EQ(stream_enter(&first, s.streams, &key_a), 0);
	CHECK_EQ(s.lonely.work_count, 1);
	CHECK_EQ(stream_enter(&second, s.streams, &key_a), 0);
	CHECK(first == second);
	CHECK_EQ(s.lonely.work_count, 1);
	CHECK_EQ(stream_enter(&other, s.streams, &key_b), 0);
	CHECK(other != first);
	CHECK_STR(stream_key(other)->text, "live/b");
	CHECK_EQ(count(&s), 2);
	stream_leave(&first);
	stream_leave(&second);
	stream_leave(&other);
	CHECK(!other);
	end(&s);
}

TEST(a_stream_that_never_came_goes_with_who_asked_for_it)
{
	struct stream *a, *b;
	struct scene s;

	begin(&s);
	CHECK_EQ(stream_enter(&a, s.streams, &key_a), 0);
	CHECK_EQ(stream_enter(&b, s.streams, &key_a), 0);
	stream_leave(&a);
	streams_tick(s.streams, loop_now_ms(s.lonely.loop));
	CHECK_EQ(count(&s), 1);
	stream_leave(&b);
	streams_tick(s.streams, loop_now_ms(s.lonely.loop));
	CHECK_EQ(count(&s), 0);
	/* Nobody wants it, then its subscription is left. */
	CHECK_EQ(s.lonely.work_count, 3);
	end(&s);
}

TEST(there_are_no_more_streams_than_allowed)
{
	struct stream *a, *b, *c;
	struct scene s;

	begin(&s);
	CHECK_EQ(stream_enter(&a, s.streams, &key_a), 0);
	CHECK_EQ(stream_enter(&b, s.streams, &key_b), 0);
	CHECK_EQ(stream_enter(&c, s.streams, &key_c), WEIR_ELIMIT);
	stream_leave(&a);
	streams_tick(s.streams, loop_now_ms(s.lonely.loop));
	CHECK_EQ(stream_enter(&c, s.streams, &key_c), 0);
	stream_leave(&b);
	stream_leave(&c);
	end(&s);
}
