/* services/edge/stream_test.c - streams come with their first viewer and go
 * some time after the last. */
#include "services/edge/stream.h"

#include "common/test/check.h"

static const struct streams_limits limits = {
	.fanout = {.wires_max = 8, .keep_idle_ms = 1000},
	.streams_max = 2,
	.idle_keep_ms = 1000,
};

/* A process without any other node. */
struct scene {
	struct world world;
	struct loop *loop;
	struct followers *followers;
	struct streams *streams;
	struct edge_stats stats;
	unsigned work_count;
};

static int64_t no_utc_us(void *ctx)
{
	(void)ctx;
	return 0;
}

static bool no_send(void *ctx, link_id link, const struct record *r)
{
	(void)ctx;
	(void)link;
	(void)r;
	return false;
}

static void no_dispatch(void *ctx, uint64_t tag, const struct question *q,
			uint32_t deadline_ms)
{
	(void)ctx;
	(void)tag;
	(void)q;
	(void)deadline_ms;
}

static size_t no_origins(void *ctx, struct node_ref *out, size_t max)
{
	(void)ctx;
	(void)out;
	(void)max;
	return 0;
}

static link_id no_link_to(void *ctx, const char *node)
{
	(void)ctx;
	(void)node;
	return 0;
}

static const struct stream_entry *none_known(void *ctx,
					     const struct stream_key *key)
{
	(void)ctx;
	(void)key;
	return NULL;
}

static void no_event(void *ctx, const struct stream_key *key, const char *what,
		     int reason, const char *detail)
{
	(void)ctx;
	(void)key;
	(void)what;
	(void)reason;
	(void)detail;
}

static void on_event(void *ctx, const struct stream_key *key, const char *what,
		     enum reason why, const char *detail)
{
	no_event(ctx, key, what, (int)why, detail);
}

static void on_work(void *ctx)
{
	struct scene *s = ctx;

	s->work_count++;
}

static const struct streams_events events = {
	.on_event = on_event,
	.on_work = on_work,
};

static const struct stream_key key_a = {"live/a"}, key_b = {"live/b"},
			       key_c = {"live/c"};

static void begin(struct scene *s)
{
	const struct log_limits log = {1000, 1 << 20, 1 << 20, 100};

	*s = (struct scene){
		.world = {.utc_us = no_utc_us,
			  .send = no_send,
			  .ask_dispatch = no_dispatch,
			  .origins = no_origins,
			  .link_to = no_link_to,
			  .known = none_known,
			  .event = no_event,
			  .resolve_retry_ms = 1000},
	};
	CHECK_EQ(loop_new(&s->loop), 0);
	CHECK_EQ(followers_new(&s->followers, &s->world, &log), 0);
	CHECK_EQ(streams_new(&s->streams, s->loop, s->followers, &limits,
			     &s->stats, 1, &events, s),
		 0);
}

static void end(struct scene *s)
{
	streams_free(&s->streams);
	followers_free(&s->followers);
	loop_free(&s->loop);
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
	CHECK_EQ(s.work_count, 1);
	CHECK_EQ(stream_enter(&second, s.streams, &key_a), 0);
	CHECK(first == second);
	CHECK_EQ(s.work_count, 1);
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
	streams_tick(s.streams, loop_now_ms(s.loop));
	CHECK_EQ(count(&s), 1);
	stream_leave(&b);
	streams_tick(s.streams, loop_now_ms(s.loop));
	CHECK_EQ(count(&s), 0);
	CHECK_EQ(s.work_count, 2); /* its subscription is left */
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
	streams_tick(s.streams, loop_now_ms(s.loop));
	CHECK_EQ(stream_enter(&c, s.streams, &key_c), 0);
	stream_leave(&b);
	stream_leave(&c);
	end(&s);
}
