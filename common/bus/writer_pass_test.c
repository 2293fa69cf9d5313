/* common/bus/writer_pass_test.c - a writer goes on in another process. */
#include "common/bus/writer_scene_test.h"

/* The process that takes it over: another node, linked to the same home. */
static void scene_other(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	test_world_init(&s->w, "ingest-2");
	s->w.world.self.instance.byte[0] ^= 0xff;
	test_node(&s->w, "origin-1", HOME);
	CHECK_EQ(log_new(&s->log, &test_limits), 0);
	CHECK_EQ(writers_new(&s->writers, &s->w.world), 0);
}

static int take(struct scene *s, struct span passed)
{
	static const struct writer_events events = {
		.on_granted = on_granted,
		.on_end = on_end,
		.on_wanted = on_wanted,
	};
	const struct writer_request request = {
		.key = test_key("live/cam"),
		.log = s->log,
	};

	return writer_take(&s->writer, s->writers, &request, passed, &events, s,
			   BEGIN + 30);
}

/* Passed behind frame 20; the other process has the same log. */
static void pass(struct scene *a, struct scene *b, struct buf *passed)
{
	publish(a, 20);
	CHECK(writer_can_pass(a->writer));
	writer_pass(a->writer, passed);
	CHECK_EQ(buf_error(passed), 0);
	scene_other(b);
	CHECK_EQ(test_append(b->log, test_epoch_frame(6, 0, 0, 0), false), 0);
	test_video(b->log, 6, 1, 21, 10);
	CHECK_EQ(take(b, buf_span(passed)), 0);
}

TEST(it_goes_on_in_the_same_epoch_with_the_next_term)
{
	struct scene a, b;
	struct buf passed = {0};
	struct record pub;

	pass(&a, &b, &passed);
	writers_tick(b.writers, BEGIN + 31);
	pub = take_pub(&b, HOME);
	CHECK_EQ(pub.flags, PUB_HOME | PUB_MOVED);
	CHECK_EQ(pub.term.number, 11);
	CHECK(uuid_eq(&pub.term.by, &b.w.world.self.instance));
	CHECK(epoch_eq(&pub.position.epoch, &writer_entry(a.writer)->epoch));
	resume(&b, HOME, RESUME_KNOWN, test_position(6, 18), BEGIN + 32);
	CHECK_EQ(b.grants, 0); /* it was, elsewhere */
	check_next(&b, HOME, 19);
	check_next(&b, HOME, 20);
	buf_fini(&passed);
	finish(&a);
	finish(&b);
}

TEST(the_registry_is_told_who_writes_now)
{
	struct scene a, b;
	struct buf passed = {0};

	pass(&a, &b, &passed);
	writers_tick(b.writers, BEGIN + 31);
	take_pub(&b, HOME);
	resume(&b, HOME, RESUME_KNOWN, test_position(6, 20), BEGIN + 32);
	writers_tick(b.writers, BEGIN + 33);
	CHECK_EQ(b.w.script_count, 1);
	CHECK_EQ(b.w.script[0].call.kind, SCRIPT_SETTLE);
	CHECK_STR(b.w.script[0].call.entry.writer_node, "ingest-2");
	CHECK_EQ(b.w.script[0].call.entry.epoch.counter, 6);
	CHECK_EQ(b.w.script[0].call.entry.term.number, 11);
	buf_fini(&passed);
	finish(&a);
	finish(&b);
}

TEST(it_answers_for_its_publisher_from_the_first_moment)
{
	struct scene a, b;
	struct buf passed = {0};
	struct question q = {.kind = QUESTION_ALIVE};
	struct answer said = {0};

	pass(&a, &b, &passed);
	q.epoch = writer_entry(a.writer)->epoch;
	writers_on_question(b.writers, &q, &said, BEGIN + 31);
	CHECK_EQ(said.verdict, ALIVE_YES);
	buf_fini(&passed);
	finish(&a);
	finish(&b);
}

TEST(one_that_leaves_or_has_no_home_is_not_passed)
{
	struct scene s;

	claim(&s);
	CHECK(!writer_can_pass(s.writer));
	take_pub(&s, HOME);
	resume(&s, HOME, 0, (struct position){0}, BEGIN);
	CHECK(writer_can_pass(s.writer));
	writer_leave(s.writer, REASON_peer_left, BEGIN + 5);
	CHECK(!writer_can_pass(s.writer));
	finish(&s);
}

TEST(what_is_damaged_is_refused)
{
	struct scene a, b;
	struct buf passed = {0};

	publish(&a, 20);
	writer_pass(a.writer, &passed);
	scene_other(&b);
	for (size_t len = 0; len < passed.len; len++)
		CHECK(take(&b, span_of(passed.data, len)) != 0);
	CHECK(b.writer == NULL);
	if (!buf_error(&passed)) {
		passed.data[0]++;
		CHECK_EQ(take(&b, buf_span(&passed)), WEIR_EUNSUPPORTED);
	}
	buf_fini(&passed);
	finish(&a);
	finish(&b);
}
