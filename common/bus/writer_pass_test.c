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

static int take_at(struct scene *s, struct span passed, int64_t now_ms)
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
			   now_ms);
}

static int take(struct scene *s, struct span passed)
{
	return take_at(s, passed, BEGIN + 30);
}

/* Passed behind frame 20; the other process has the same log. */
static void pass_for(struct scene *a, struct scene *b, struct buf *passed,
		     int64_t long_ms)
{
	publish(a, 20);
	CHECK(writer_can_pass(a->writer));
	writer_pass(a->writer, passed, BEGIN + 20);
	CHECK_EQ(buf_error(passed), 0);
	scene_other(b);
	CHECK_EQ(test_append(b->log, test_epoch_frame(6, 0, 0, 0), false), 0);
	test_video(b->log, 6, 1, 21, 10);
	CHECK_EQ(take_at(b, buf_span(passed), BEGIN + 20 + long_ms), 0);
}

static void pass(struct scene *a, struct scene *b, struct buf *passed)
{
	pass_for(a, b, passed, 10);
}

static void finish_both(struct scene *a, struct scene *b, struct buf *passed)
{
	buf_fini(passed);
	finish(a);
	finish(b);
}

/* The one that has taken it goes on at the home, and tells the registry this. */
static struct stream_entry tell_registry(struct scene *b)
{
	writers_tick(b->writers, BEGIN + 31);
	take_pub(b, HOME);
	resume(b, HOME, RESUME_KNOWN, test_position(6, 20), BEGIN + 32);
	writers_tick(b->writers, BEGIN + 33);
	return b->w.script[0].call.entry;
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
	finish_both(&a, &b, &passed);
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
	finish_both(&a, &b, &passed);
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
	finish_both(&a, &b, &passed);
}

/* Until the registry knows better, the first one is asked. "It knows nothing"
 * would make the stream free for others. */
TEST(who_gave_it_away_has_no_word_about_its_publisher)
{
	struct scene a, b;
	struct buf passed = {0};
	struct question q = {
		.kind = QUESTION_ALIVE,
		.key = test_key("live/cam"),
	};
	struct answer said = {0};

	pass(&a, &b, &passed);
	q.epoch = writer_entry(a.writer)->epoch;
	writer_passed(&a.writer, BEGIN + 30);
	CHECK(a.writer == NULL);
	CHECK_EQ(a.w.fed_count, 0);
	writers_on_question(a.writers, &q, &said, BEGIN + 31);
	CHECK_EQ(said.err, WEIR_EAGAIN);
	writers_on_question(a.writers, &q, &said, BEGIN + 30 + 15000);
	CHECK_EQ(said.err, 0);   /* it would have been heard of by now */
	q.epoch = test_epoch(5); /* another one's */
	said = (struct answer){0};
	writers_on_question(a.writers, &q, &said, BEGIN + 32);
	CHECK_EQ(said.err, 0);
	CHECK_EQ(said.verdict, ALIVE_UNKNOWN);
	finish_both(&a, &b, &passed);
}

TEST(the_same_user_may_still_take_it_over)
{
	struct scene a, b;
	struct buf passed = {0};
	struct question q = {.kind = QUESTION_ALIVE, .credential = USER};
	struct answer said = {0};

	pass(&a, &b, &passed);
	q.epoch = writer_entry(a.writer)->epoch;
	writers_on_question(b.writers, &q, &said, BEGIN + 31);
	CHECK_EQ(said.verdict, ALIVE_SAME_USER);
	q.credential[0] = 'x';
	writers_on_question(b.writers, &q, &said, BEGIN + 31);
	CHECK_EQ(said.verdict, ALIVE_YES);
	finish_both(&a, &b, &passed);
}

/* One of both slept meanwhile: as behind any sleep, the claim may be lost. */
TEST(what_was_long_on_its_way_is_validated_before_anything_is_sent)
{
	struct scene a, b;
	struct buf passed = {0};
	struct feed_item item;

	pass_for(&a, &b, &passed, 1500);
	CHECK_EQ(b.w.script_count, 1);
	writers_tick(b.writers, BEGIN + 1521);
	take_pub(&b, HOME);
	resume(&b, HOME, RESUME_KNOWN, test_position(6, 18), BEGIN + 1522);
	feed_next(test_fed(&b.w, HOME), &item);
	CHECK_EQ(item.kind, FEED_NOTHING);
	script_says(&b, SCRIPT_VERIFY, 0, writer_entry(b.writer), BEGIN + 1523);
	check_next(&b, HOME, 19);
	finish_both(&a, &b, &passed);
}

/* A move of the first one was under way when it gave it away. */
TEST(equal_terms_of_both_are_raised_past)
{
	struct scene a, b;
	struct buf passed = {0};
	struct stream_entry e;

	pass(&a, &b, &passed);
	e = tell_registry(&b);
	CHECK_EQ(e.term.number, 11);
	e.term.by = a.w.world.self.instance;
	memcpy(e.home_node, "origin-2", sizeof("origin-2"));
	script_says(&b, SCRIPT_SETTLE, WEIR_ESTALE, &e, BEGIN + 34);
	CHECK_EQ(take_pub(&b, HOME).term.number, 12);
	CHECK_EQ(test_take_script(&b.w, SCRIPT_SETTLE).call.entry.term.number,
		 12);
	finish_both(&a, &b, &passed);
}

TEST(an_answer_of_the_registry_that_was_overtaken_is_not_the_last)
{
	struct scene a, b;
	struct buf passed = {0};
	struct stream_entry e;
	struct record r;

	pass(&a, &b, &passed);
	e = tell_registry(&b);
	e.term.by = a.w.world.self.instance;
	r = fenced(&b, REASON_fenced, 6, 11);
	writers_on_record(b.writers, HOME, &r, BEGIN + 34);
	CHECK_EQ(b.w.script_count, 1); /* the first is under way */
	script_says(&b, SCRIPT_SETTLE, WEIR_ESTALE, &e, BEGIN + 35);
	writers_tick(b.writers, BEGIN + 36);
	CHECK_EQ(test_take_script(&b.w, SCRIPT_SETTLE).call.entry.term.number,
		 12);
	finish_both(&a, &b, &passed);
}

TEST(the_owner_is_told_when_what_it_saved_is_old)
{
	struct scene s;
	struct buf passed = {0};
	struct record r;

	publish(&s, 20);
	writer_pass(s.writer, &passed, BEGIN + 20);
	CHECK_EQ(s.terms, 0);
	r = fenced(&s, REASON_fenced, 6, 20);
	writers_on_record(s.writers, HOME, &r, BEGIN + 21);
	CHECK_EQ(s.terms, 1);
	CHECK_EQ(writer_entry(s.writer)->term.number, 21);
	buf_fini(&passed);
	finish(&s);
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
	writer_pass(a.writer, &passed, BEGIN + 20);
	scene_other(&b);
	for (size_t len = 0; len < passed.len; len++)
		CHECK(take(&b, span_of(passed.data, len)) != 0);
	CHECK(b.writer == NULL);
	if (!buf_error(&passed)) {
		passed.data[0]++;
		CHECK_EQ(take(&b, buf_span(&passed)), WEIR_EUNSUPPORTED);
	}
	finish_both(&a, &b, &passed);
}
