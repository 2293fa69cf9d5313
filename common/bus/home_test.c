/* common/bus/home_test.c - an origin: whom it takes, fences, serves and ends. */
#include "common/bus/home.h"

#include "common/bus/testing.h"

#define INGEST 1u
#define SECOND 2u /* another ingest */
#define EDGE   3u
#define ORIGIN 4u  /* another origin */
#define PUB    11u /* sids */
#define SUB    21u
#define WHERE  22u
#define BEGIN  1000

struct scene {
	struct test_world w;
	struct homes *homes;
};

static void scene_init(struct scene *s)
{
	struct home_limits limits = {
		.log = test_limits,
		.max_lag_ms = 5000,
		.streams_max = 10,
		.consumers_max = 10,
	};

	memset(s, 0, sizeof(*s));
	test_world_init(&s->w, "origin-1");
	CHECK_EQ(homes_new(&s->homes, &s->w.world, &limits, NULL, NULL), 0);
	test_node(&s->w, "ingest-1", INGEST);
	test_node(&s->w, "ingest-2", SECOND);
	test_node(&s->w, "edge-1", EDGE);
	test_node(&s->w, "origin-2", ORIGIN);
	for (size_t i = 0; i < s->w.node_count; i++)
		homes_on_link(s->homes, &s->w.node[i], true, BEGIN);
}

static void finish(struct scene *s)
{
	homes_free(&s->homes);
	CHECK_EQ(s->w.fed_count, 0); /* nothing is fed from what is gone */
}

static void put(struct scene *s, link_id link, const struct record *r,
		int64_t now_ms)
{
	CHECK_EQ(homes_on_record(s->homes, link, r, now_ms), 0);
}

/* PUB of epoch `counter` under term `term`. */
static struct record pub_of(uint64_t counter, uint64_t term)
{
	return (struct record){
		.type = RECORD_PUB,
		.flags = PUB_HOME,
		.sid = PUB,
		.term = {term, test_epoch(counter).writer},
		.position.epoch = test_epoch(counter),
		.start_us = TEST_UTC_US,
		.key = test_key("live/cam"),
		.kind = "publish",
	};
}

static void pub(struct scene *s, link_id link, uint64_t counter, uint64_t term)
{
	struct record r = pub_of(counter, term);

	put(s, link, &r, BEGIN);
}

static void verify(struct scene *s, int err, const struct stream_entry *stands)
{
	struct test_script call = test_take_script(&s->w, SCRIPT_VERIFY);
	struct script_result r = {.err = err};

	CHECK_STR(call.call.entry.key.text, "live/cam");
	if (stands)
		r.entry = *stands;
	CHECK(homes_on_script(s->homes, call.tag, &r, BEGIN));
}

/* What the registry has: epoch `counter`, term `term`, home `home`. */
static struct stream_entry entry_of(uint64_t counter, uint64_t term,
				    const char *home)
{
	struct stream_entry e = {
		.key = test_key("live/cam"),
		.kind = "publish",
		.is_live = true,
		.epoch = test_epoch(counter),
		.term = {term, test_epoch(counter).writer},
		.start_us = TEST_UTC_US,
		.writer_node = "ingest-1",
	};

	snprintf(e.home_node, sizeof(e.home_node), "%s", home);
	return e;
}

static int give(struct scene *s, struct frame *f, uint64_t term)
{
	int err = homes_on_frame(s->homes, INGEST, RECORD_FRAME, PUB, term, f,
				 BEGIN + 10);

	frame_unref(&f);
	return err;
}

static void video(struct scene *s, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n <= to; n++) {
		uint8_t flags = n % 10 == 1 ? FRAME_JOIN : 0;
		struct frame *f =
			test_frame(FRAME_VIDEO, flags, 6, n, (int64_t)n * 40,
				   span_of(&n, sizeof(n)));

		CHECK_EQ(give(s, f, 10), 0);
	}
}

/* Epoch 6 under term 10 is bound and has frames up to `last`. */
static void publish(struct scene *s, uint64_t last)
{
	struct stream_entry e = entry_of(6, 10, "origin-1");

	scene_init(s);
	pub(s, INGEST, 6, 10);
	verify(s, 0, &e);
	test_feed_stop(&s->w, INGEST, test_fed(&s->w, INGEST));
	CHECK_EQ(give(s, test_epoch_frame(6, 0, 0, 0), 10), 0);
	video(s, 1, last);
}

static void sub(struct scene *s, uint16_t flags, uint64_t sequence,
		uint64_t term)
{
	struct record r = {
		.type = RECORD_SUB,
		.flags = flags,
		.sid = SUB,
		.count = term,
		.key = test_key("live/cam"),
	};

	if (flags & SUB_FROM_POSITION && !(flags & 2))
		r.position = test_position(6, sequence);
	put(s, EDGE, &r, BEGIN + 20);
}

static void where(struct scene *s, uint64_t term)
{
	struct record r = {
		.type = RECORD_WHERE,
		.sid = WHERE,
		.count = term,
		.key = test_key("live/cam"),
	};

	put(s, EDGE, &r, BEGIN + 20);
}

/* RESUME, behind the states. */
static struct record check_resume(struct scene *s, link_id link)
{
	struct feed_item item;

	do
		feed_next(test_fed(&s->w, link), &item);
	while (item.kind == FEED_STATE);
	CHECK_EQ(item.kind, FEED_RECORD);
	CHECK_EQ(item.record.type, RECORD_RESUME);
	return item.record;
}

static void check_frame(struct scene *s, uint64_t sequence)
{
	struct feed_item item;

	feed_next(test_fed(&s->w, EDGE), &item);
	CHECK_EQ(item.kind, FEED_FRAME);
	CHECK_EQ(item.frame->position.sequence, sequence);
}

static void check_fenced(struct scene *s, link_id link, enum reason why,
			 uint64_t term)
{
	struct record r = test_take(&s->w, link, RECORD_FENCED);

	CHECK_EQ(r.sid, PUB);
	CHECK_EQ(r.reason, why);
	CHECK_EQ(r.term.number, term);
}

TEST(a_stream_that_is_not_known_is_validated_before_it_is_taken)
{
	struct scene s;
	struct stream_entry e = entry_of(6, 10, "origin-1");
	struct record r;

	scene_init(&s);
	pub(&s, INGEST, 6, 10);
	CHECK_EQ(s.w.fed_count, 0);
	CHECK_EQ(s.w.sent_count, 0);
	verify(&s, 0, &e);
	r = check_resume(&s, INGEST);
	CHECK_EQ(r.sid, PUB);
	CHECK_EQ(r.term.number, 10);
	CHECK(!(r.flags & RESUME_KNOWN));
	finish(&s);
}

TEST(what_the_registry_has_above_it_fences_a_pub)
{
	struct scene s;
	struct stream_entry e = entry_of(7, 12, "origin-2");

	scene_init(&s);
	pub(&s, INGEST, 6, 10);
	verify(&s, 0, &e);
	check_fenced(&s, INGEST, REASON_lost_claim, 12);
	CHECK_EQ(s.w.fed_count, 0);
	finish(&s);
}

TEST(without_the_registry_other_origins_validate)
{
	struct scene s;
	struct answer a = {
		.is_known = true,
		.epoch = test_epoch(7),
		.term = {.number = 12},
		.node = "origin-2",
	};
	struct test_asked q;

	scene_init(&s);
	pub(&s, INGEST, 6, 10);
	verify(&s, WEIR_ETIMEOUT, NULL);
	q = test_take_asked(&s.w, ORIGIN, QUESTION_VALIDATE);
	CHECK_EQ(s.w.fed_count, 0);
	CHECK(homes_on_answer(s.homes, q.tag, &a, BEGIN + 30));
	check_fenced(&s, INGEST, REASON_lost_claim, 12);
	finish(&s);
}

TEST(when_nobody_answers_the_writer_is_believed_in_the_end)
{
	struct scene s;
	struct answer none = {.err = WEIR_ETIMEOUT};
	struct test_asked q;

	scene_init(&s);
	pub(&s, INGEST, 6, 10);
	verify(&s, WEIR_ETIMEOUT, NULL);
	q = test_take_asked(&s.w, ORIGIN, QUESTION_VALIDATE);
	CHECK(homes_on_answer(s.homes, q.tag, &none, BEGIN + 2500));
	check_resume(&s, INGEST);
	finish(&s);
}

TEST(a_lower_term_is_fenced_with_the_one_in_force)
{
	struct scene s;

	publish(&s, 12);
	pub(&s, SECOND, 6, 9);
	check_fenced(&s, SECOND, REASON_fenced, 10);
	CHECK_EQ(test_count(&s.w, INGEST, RECORD_FENCED), 0);
	finish(&s);
}

TEST(a_lower_epoch_is_fenced_whatever_its_term)
{
	struct scene s;

	publish(&s, 12);
	pub(&s, SECOND, 5, 90);
	check_fenced(&s, SECOND, REASON_lost_claim, 10);
	CHECK_EQ(test_count(&s.w, INGEST, RECORD_FENCED), 0);
	finish(&s);
}

TEST(a_newer_epoch_fences_the_one_that_is_bound_and_goes_on_from_it)
{
	struct scene s;
	struct record r;

	publish(&s, 12);
	pub(&s, SECOND, 7, 11);
	check_fenced(&s, INGEST, REASON_taken_over, 11);
	r = check_resume(&s, SECOND);
	CHECK(r.flags & RESUME_KNOWN);
	CHECK_EQ(r.position.epoch.counter, 6);
	CHECK_EQ(r.position.sequence, 12);
	CHECK_EQ(r.segment + 1, 0); /* its first has not begun */
	finish(&s);
}

TEST(frames_of_another_term_are_dropped_and_of_another_epoch_refused)
{
	struct scene s;
	struct record r;

	publish(&s, 12);
	CHECK_EQ(give(&s, test_frame(FRAME_VIDEO, 0, 6, 13, 600, SPAN("x")), 9),
		 0);
	CHECK_EQ(
		give(&s, test_frame(FRAME_VIDEO, 0, 5, 13, 600, SPAN("x")), 10),
		WEIR_EPROTO);
	sub(&s, SUB_FROM_JOIN | SUB_WANTING, 0, 0);
	r = check_resume(&s, EDGE);
	CHECK_EQ(r.position.sequence, 12);
	finish(&s);
}

TEST(who_subscribes_before_there_is_a_writer_is_served_when_frames_come)
{
	struct scene s;
	struct stream_entry e = entry_of(6, 10, "origin-1");

	scene_init(&s);
	sub(&s, SUB_FROM_JOIN | SUB_WANTING, 0, 0);
	CHECK_EQ(s.w.fed_count, 0);
	CHECK_EQ(s.w.sent_count, 0);
	pub(&s, INGEST, 6, 10);
	verify(&s, 0, &e);
	CHECK_EQ(test_count_fed(&s.w, EDGE), 0);
	CHECK_EQ(give(&s, test_epoch_frame(6, 0, 0, 0), 10), 0);
	video(&s, 1, 3);
	check_resume(&s, EDGE);
	check_frame(&s, 1);
	check_frame(&s, 2);
	finish(&s);
}

TEST(from_a_position_it_goes_on_exactly)
{
	struct scene s;
	struct record r;

	publish(&s, 25);
	sub(&s, SUB_FROM_POSITION | SUB_WANTING, 13, 10);
	r = check_resume(&s, EDGE);
	CHECK_EQ(r.flags & (RESUME_GOES_ON | RESUME_AT_JOIN), RESUME_GOES_ON);
	check_frame(&s, 14);
	check_frame(&s, 15);
	finish(&s);
}

TEST(from_the_newest_join_it_begins_there_and_says_so)
{
	struct scene s;
	struct record r;

	publish(&s, 25);
	sub(&s, SUB_FROM_JOIN | SUB_WANTING, 0, 0);
	r = check_resume(&s, EDGE);
	CHECK_EQ(r.flags & (RESUME_GOES_ON | RESUME_AT_JOIN), RESUME_AT_JOIN);
	check_frame(&s, 21);
	finish(&s);
}

TEST(who_knows_a_newer_term_waits_until_the_writer_comes_with_it)
{
	struct scene s;
	struct record r = pub_of(6, 11);

	publish(&s, 12);
	sub(&s, SUB_FROM_JOIN | SUB_WANTING, 0, 11);
	CHECK_EQ(test_count_fed(&s.w, EDGE), 0);
	r.sid = PUB + 1;
	put(&s, INGEST, &r, BEGIN + 30);
	CHECK_EQ(check_resume(&s, EDGE).term.number, 11);
	finish(&s);
}

TEST(a_lost_link_of_the_writer_is_told_at_once_and_ends_after_grace)
{
	struct scene s;
	struct node_ref gone;
	struct record lost;
	struct feed_item item;

	publish(&s, 11);
	sub(&s, SUB_FROM_JOIN | SUB_WANTING, 0, 0);
	check_resume(&s, EDGE);
	check_frame(&s, 11);
	gone = test_link_lost(&s.w, "ingest-1");
	homes_on_link(s.homes, &gone, false, BEGIN + 100);
	lost = test_take(&s.w, EDGE, RECORD_WRITER_LOST);
	CHECK_EQ(lost.sid, SUB);
	CHECK_EQ(lost.ms, 10000);
	homes_tick(s.homes, BEGIN + 100);
	CHECK(test_take_script(&s.w, SCRIPT_LOST).call.only_without_lease);
	homes_tick(s.homes, BEGIN + 10099);
	CHECK(!feed_is_ready(test_fed(&s.w, EDGE)));
	homes_tick(s.homes, BEGIN + 10100);
	feed_next(test_fed(&s.w, EDGE), &item);
	CHECK_EQ(item.record.type, RECORD_END);
	CHECK_EQ(item.record.reason, REASON_stream_ended);
	test_take_script(&s.w, SCRIPT_END);
	CHECK(homes_is_empty(s.homes));
	finish(&s);
}

TEST(a_writer_that_comes_back_in_time_goes_on_and_nothing_ends)
{
	struct scene s;
	struct node_ref gone;
	struct record r = pub_of(6, 10);

	publish(&s, 11);
	sub(&s, SUB_FROM_JOIN | SUB_WANTING, 0, 0);
	check_resume(&s, EDGE);
	check_frame(&s, 11);
	gone = test_link_lost(&s.w, "ingest-1");
	homes_on_link(s.homes, &gone, false, BEGIN + 100);
	gone.link = INGEST + 100;
	homes_on_link(s.homes, &gone, true, BEGIN + 200);
	put(&s, gone.link, &r, BEGIN + 200);
	CHECK_EQ(check_resume(&s, gone.link).position.sequence, 11);
	CHECK(check_resume(&s, EDGE).flags & RESUME_GOES_ON);
	homes_tick(s.homes, BEGIN + 20000);
	CHECK(!feed_is_ready(test_fed(&s.w, EDGE)));
	CHECK(!homes_is_empty(s.homes));
	finish(&s);
}

TEST(the_end_of_the_writer_is_answered_and_its_grace_kept)
{
	struct scene s;
	struct record end = {
		.type = RECORD_END,
		.sid = PUB,
		.reason = REASON_peer_left,
		.ms = 3000,
	};
	struct feed_item item;

	publish(&s, 11);
	sub(&s, SUB_FROM_JOIN | SUB_WANTING, 0, 0);
	check_resume(&s, EDGE);
	check_frame(&s, 11);
	put(&s, INGEST, &end, BEGIN + 100);
	CHECK_EQ(test_take(&s.w, INGEST, RECORD_END).sid, PUB);
	CHECK_EQ(test_take(&s.w, EDGE, RECORD_WRITER_LOST).ms, 3000);
	homes_tick(s.homes, BEGIN + 100);
	CHECK(!test_take_script(&s.w, SCRIPT_LOST).call.only_without_lease);
	homes_tick(s.homes, BEGIN + 3100);
	feed_next(test_fed(&s.w, EDGE), &item);
	CHECK_EQ(item.record.type, RECORD_END);
	finish(&s);
}

/* Two processes raised it, as when one gave its writer to the other: who speaks
 * for it now passes both. */
TEST(who_tells_an_equal_term_of_another_is_told_to_raise)
{
	struct scene s;
	struct record home = {
		.type = RECORD_HOME,
		.flags = HOME_LIVE,
		.term = {10, test_epoch(6).writer},
		.position.epoch = test_epoch(6),
		.start_us = TEST_UTC_US,
		.key = test_key("live/cam"),
		.node = "origin-2",
	};
	struct record r;

	publish(&s, 20);
	put(&s, SECOND, &home, BEGIN + 20); /* the very term */
	CHECK_EQ(test_count(&s.w, SECOND, RECORD_FENCED), 0);
	home.term.by = test_epoch(7).writer;
	put(&s, SECOND, &home, BEGIN + 20);
	r = test_take(&s.w, SECOND, RECORD_FENCED);
	CHECK_EQ(r.sid, 0);
	CHECK_EQ(r.term.number, 10);
	CHECK(epoch_eq(&r.position.epoch, &home.position.epoch));
	finish(&s);
}

TEST(where_stays_open_and_is_answered_by_what_home_tells)
{
	struct scene s;
	struct record home = {
		.type = RECORD_HOME,
		.flags = HOME_LIVE,
		.term = {.number = 10},
		.position.epoch = test_epoch(6),
		.key = test_key("live/cam"),
		.node = "origin-2",
		.url = "tcp://origin-2",
	};
	struct record moved;

	scene_init(&s);
	where(&s, 0);
	CHECK_EQ(s.w.sent_count, 0);
	put(&s, INGEST, &home, BEGIN + 30);
	moved = test_take(&s.w, EDGE, RECORD_MOVED);
	CHECK_EQ(moved.sid, WHERE);
	CHECK_EQ(moved.term.number, 10);
	CHECK_STR(moved.node, "origin-2");
	CHECK_STR(moved.url, "tcp://origin-2");
	put(&s, INGEST, &home, BEGIN + 40);
	CHECK_EQ(test_count(&s.w, EDGE, RECORD_MOVED), 0); /* no news */
	home.term.number = 11;
	snprintf(home.node, sizeof(home.node), "origin-3");
	put(&s, INGEST, &home, BEGIN + 50);
	CHECK_STR(test_take(&s.w, EDGE, RECORD_MOVED).node, "origin-3");
	finish(&s);
}

TEST(where_hears_nothing_below_the_term_that_it_knows)
{
	struct scene s;

	publish(&s, 11);
	where(&s, 11);
	CHECK_EQ(test_count(&s.w, EDGE, RECORD_MOVED), 0);
	finish(&s);
}

TEST(the_home_answers_where_with_itself)
{
	struct scene s;

	publish(&s, 11);
	where(&s, 10);
	CHECK_STR(test_take(&s.w, EDGE, RECORD_MOVED).node, "origin-1");
	finish(&s);
}

TEST(when_the_home_moves_away_consumers_are_stopped_and_told_where)
{
	struct scene s;
	struct stream_entry e = entry_of(6, 11, "origin-2");

	publish(&s, 11);
	sub(&s, SUB_FROM_JOIN | SUB_WANTING, 0, 0);
	check_resume(&s, EDGE);
	homes_on_entry(s.homes, &e, BEGIN + 50);
	CHECK_EQ(s.w.fed_count, 0);
	CHECK_STR(test_take(&s.w, EDGE, RECORD_MOVED).node, "origin-2");
	CHECK_EQ(test_count(&s.w, INGEST, RECORD_FENCED), 0);
	finish(&s);
}

static void count_log(void *ctx, const struct home_info *info)
{
	*(int *)ctx += info->log != NULL;
}

static int logs(const struct scene *s)
{
	int count = 0;

	homes_each(s->homes, count_log, &count);
	return count;
}

static void note_consumer(void *ctx, const struct node_ref *node,
			  bool is_wanting)
{
	struct buf *said = ctx;

	buf_printf(said, "%s %d\n", node->id, is_wanting);
}

TEST(those_who_take_a_stream_are_told_and_those_who_look_for_it_are_not)
{
	struct scene s;
	struct buf said = {0};
	struct stream_key other = {"live/other"};
	const struct stream_key key = entry_of(1, 1, "").key;

	publish(&s, 11);
	where(&s, 10);
	homes_each_consumer(s.homes, &key, note_consumer, &said);
	CHECK_EQ(said.len, 0);
	sub(&s, SUB_FROM_JOIN | SUB_WANTING, 0, 0);
	homes_each_consumer(s.homes, &key, note_consumer, &said);
	homes_each_consumer(s.homes, &other, note_consumer, &said);
	CHECK_EQ(buf_error(&said), 0);
	CHECK_STR(buf_text(&said), "edge-1 1\n");
	buf_fini(&said);
	finish(&s);
}

TEST(who_is_home_no_more_knows_where_to_and_gives_its_log_up_in_time)
{
	struct scene s;
	struct stream_entry e = entry_of(6, 11, "origin-2");
	struct record home = {
		.type = RECORD_HOME,
		.flags = HOME_LIVE,
		.term = e.term,
		.position.epoch = e.epoch,
		.start_us = e.start_us,
		.key = e.key,
		.node = "origin-2",
		.url = "tcp://origin-2",
	};

	publish(&s, 11);
	put(&s, INGEST, &home, BEGIN + 50); /* and again to all, now and then */
	put(&s, INGEST, &home, BEGIN + 60);
	homes_tick(s.homes, BEGIN + 10000);
	CHECK_EQ(logs(&s), 1);
	CHECK_EQ(homes_tick(s.homes, BEGIN + 10049), BEGIN + 10050);
	homes_tick(s.homes, BEGIN + 10050);
	CHECK_EQ(logs(&s), 0);
	where(&s, 10);
	CHECK_STR(test_take(&s.w, EDGE, RECORD_MOVED).node, "origin-2");
	finish(&s);
}

TEST(after_a_pause_no_frame_goes_out_before_the_registry_was_asked)
{
	struct scene s;
	struct stream_entry e = entry_of(6, 10, "origin-1");

	publish(&s, 11);
	sub(&s, SUB_FROM_JOIN | SUB_WANTING, 0, 0);
	check_resume(&s, EDGE);
	homes_on_away(s.homes, BEGIN + 3000);
	CHECK(!feed_is_ready(test_fed(&s.w, EDGE)));
	verify(&s, 0, &e);
	check_frame(&s, 11);
	finish(&s);
}

TEST(without_the_registry_the_first_claim_of_two_is_granted)
{
	struct scene s;
	struct question q = {
		.kind = QUESTION_CLAIM,
		.key = test_key("live/cam"),
		.epoch.writer = test_epoch(6).writer,
	};
	const struct uuid a_writer = q.epoch.writer;
	struct answer a = {0}, b = {0};

	scene_init(&s);
	homes_on_question(s.homes, &q, &a, BEGIN);
	CHECK_EQ(a.err, 0);
	CHECK(a.is_granted);
	q.epoch.writer = test_epoch(7).writer;
	homes_on_question(s.homes, &q, &b, BEGIN + 1);
	CHECK(!b.is_granted);
	CHECK(uuid_eq(&b.epoch.writer, &a_writer));
	finish(&s);
}

TEST(a_bound_writer_keeps_its_place_unless_it_is_the_expected_one)
{
	struct scene s;
	struct question q = {
		.kind = QUESTION_CLAIM,
		.key = test_key("live/cam"),
		.epoch.writer = test_epoch(7).writer,
	};
	struct answer a = {0}, b = {0};

	publish(&s, 11);
	homes_on_question(s.homes, &q, &a, BEGIN + 50);
	CHECK(!a.is_granted);
	CHECK(a.is_live);
	CHECK_EQ(a.epoch.counter, 6);
	CHECK_STR(a.writer_node, "ingest-1");
	q.expected = test_epoch(6);
	homes_on_question(s.homes, &q, &b, BEGIN + 51);
	CHECK(b.is_granted);
	finish(&s);
}

TEST(alive_is_judged_by_frames_and_the_link)
{
	struct scene s;
	struct node_ref gone;
	struct question q = {
		.kind = QUESTION_ALIVE,
		.key = test_key("live/cam"),
		.epoch = test_epoch(6),
	};
	struct answer a = {0};

	publish(&s, 11);
	homes_on_question(s.homes, &q, &a, BEGIN + 110);
	CHECK_EQ(a.verdict, ALIVE_YES);
	CHECK_EQ(a.silent_ms, 100);
	homes_on_question(s.homes, &q, &a, BEGIN + 12010);
	CHECK_EQ(a.verdict, ALIVE_SILENT);
	gone = test_link_lost(&s.w, "ingest-1");
	homes_on_link(s.homes, &gone, false, BEGIN + 12020);
	homes_on_question(s.homes, &q, &a, BEGIN + 12030);
	CHECK_EQ(a.verdict, ALIVE_LINK_LOST);
	finish(&s);
}

TEST(a_cursor_of_this_process_keeps_the_stream_wanted)
{
	struct scene s;
	const struct stream_key key = test_key("live/cam");
	int64_t later;

	publish(&s, 11);
	later = BEGIN + s.w.world.resume_window_ms + 1000;
	homes_tick(s.homes, later);
	CHECK_EQ(test_take(&s.w, INGEST, RECORD_WANTED).flags, 0);
	homes_want(s.homes, &key, true, later + 10);
	CHECK_EQ(test_take(&s.w, INGEST, RECORD_WANTED).flags, WANTED_YES);
	homes_want(s.homes, &key, true, later + 20);
	CHECK_EQ(test_count(&s.w, INGEST, RECORD_WANTED), 0);
	homes_want(s.homes, &key, false, later + 30);
	CHECK_EQ(test_take(&s.w, INGEST, RECORD_WANTED).flags, 0);
	finish(&s);
}
