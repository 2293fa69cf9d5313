/* common/bus/writer_copy_test.c - streams that are kept on two origins. */
#include "common/bus/writer_scene_test.h"

#define THIRD 3u /* link of origin-3 */

static struct record copy_pub(struct scene *s, link_id link)
{
	struct record r = test_take(&s->w, link, RECORD_PUB);

	CHECK_EQ(r.flags, PUB_REPLICA);
	CHECK_EQ(r.position.epoch.counter, 6);
	CHECK_STR(r.key.text, "live/cam");
	return r;
}

static void copy_says(struct scene *s, link_id link, const struct record *pub,
		      struct position has, int64_t now_ms)
{
	struct record r = {
		.type = RECORD_RESUME,
		.flags = has.epoch.counter ? RESUME_KNOWN : 0,
		.sid = pub->sid,
		.term = pub->term,
		.position = has,
	};

	writers_on_record(s->writers, link, &r, now_ms);
}

/* origin-1 is the home; origin-2 has what was appended up to 20. */
static void begin(struct scene *s)
{
	struct record pub;

	claim_beside(s, 2);
	CHECK_EQ(test_count(&s->w, OTHER, RECORD_PUB), 0); /* the home first */
	resume(s, HOME, 0, (struct position){0}, BEGIN);
	CHECK_EQ(test_append(s->log, test_epoch_frame(6, 0, 0, 0), false), 0);
	test_video(s->log, 6, 1, 21, 10);
	pub = copy_pub(s, OTHER);
	CHECK_EQ(pub.term.number, 10);
	copy_says(s, OTHER, &pub, (struct position){0}, BEGIN + 1);
	writer_appended(s->writer, BEGIN + 10);
}

TEST(both_origins_get_every_frame)
{
	struct scene s;

	begin(&s);
	for (uint64_t i = 0; i < 21; i++) {
		check_next(&s, HOME, i);
		check_next(&s, OTHER, i);
	}
	finish(&s);
}

TEST(without_the_setting_there_is_one_home)
{
	struct scene s;

	claim_beside(&s, 1);
	resume(&s, HOME, 0, (struct position){0}, BEGIN);
	CHECK_EQ(test_count(&s.w, OTHER, RECORD_PUB), 0);
	finish(&s);
}

TEST(a_lost_home_moves_to_the_copy_at_once_and_nothing_is_sent_again)
{
	struct scene s;
	struct node_ref gone;
	struct record pub;

	begin(&s);
	s.w.asked_count = 0;
	gone = test_link_lost(&s.w, "origin-1");
	writers_on_link(s.writers, &gone, false, BEGIN + 20);
	CHECK_EQ(test_count_asked(&s.w, 0, QUESTION_PLACE), 0);
	CHECK_EQ(s.w.script_count, 1);
	CHECK_STR(s.w.script[0].call.entry.home_node, "origin-2");
	script_says(&s, SCRIPT_MOVE, 0, NULL, BEGIN + 22);
	pub = take_pub(&s, OTHER);
	CHECK_EQ(pub.flags, PUB_HOME | PUB_MOVED);
	CHECK_EQ(pub.term.number, 11);
	resume(&s, OTHER, RESUME_KNOWN, test_position(6, 20), BEGIN + 23);
	test_video(s.log, 6, 21, 22, 10);
	check_next(&s, OTHER, 21);
	CHECK_EQ(s.w.fed_count, 1); /* there is no third origin */
	finish(&s);
}

TEST(a_copy_that_is_lost_is_had_elsewhere)
{
	struct scene s;
	struct node_ref gone;
	struct record pub;

	begin(&s);
	gone = test_link_lost(&s.w, "origin-2");
	writers_on_link(s.writers, &gone, false, BEGIN + 20);
	CHECK_EQ(s.w.fed_count, 1);
	writers_on_link(s.writers, test_node(&s.w, "origin-3", THIRD), true,
			BEGIN + 30);
	pub = copy_pub(&s, THIRD);
	copy_says(&s, THIRD, &pub, (struct position){0}, BEGIN + 31);
	check_next(&s, THIRD, 0);
	finish(&s);
}

TEST(a_copy_goes_on_behind_what_that_origin_has)
{
	struct scene s;
	struct node_ref gone;
	struct record pub;

	begin(&s);
	gone = test_link_lost(&s.w, "origin-2");
	writers_on_link(s.writers, &gone, false, BEGIN + 20);
	writers_on_link(s.writers, test_node(&s.w, "origin-2", THIRD), true,
			BEGIN + 30);
	pub = copy_pub(&s, THIRD);
	copy_says(&s, THIRD, &pub, test_position(6, 13), BEGIN + 31);
	check_next(&s, THIRD, 14);
	finish(&s);
}

TEST(a_copy_that_does_not_answer_is_asked_again)
{
	struct scene s;
	uint32_t sid;

	claim_beside(&s, 2);
	resume(&s, HOME, 0, (struct position){0}, BEGIN);
	sid = copy_pub(&s, OTHER).sid;
	writers_tick(s.writers, BEGIN + 900);
	CHECK_EQ(test_count(&s.w, OTHER, RECORD_PUB), 0);
	writers_tick(s.writers, BEGIN + 1000);
	CHECK(copy_pub(&s, OTHER).sid != sid);
	finish(&s);
}

TEST(a_copy_on_an_origin_that_drains_is_given_up)
{
	struct scene s;
	struct record drain = {.type = RECORD_DRAIN};

	begin(&s);
	writers_on_record(s.writers, OTHER, &drain, BEGIN + 20);
	test_take(&s.w, OTHER, RECORD_END);
	CHECK_EQ(test_count(&s.w, OTHER, RECORD_PUB), 0);
	CHECK_EQ(s.w.fed_count, 1);
	finish(&s);
}

TEST(a_copy_that_is_fenced_is_tried_again_and_the_home_stays)
{
	struct scene s;
	struct record pub, no;

	claim_beside(&s, 2);
	resume(&s, HOME, 0, (struct position){0}, BEGIN);
	pub = copy_pub(&s, OTHER);
	no = fenced(&s, REASON_fenced, 6, 10);
	no.sid = pub.sid;
	writers_on_record(s.writers, OTHER, &no, BEGIN + 5);
	CHECK_EQ(s.ends, 0);
	writers_tick(s.writers, BEGIN + 1005);
	copy_pub(&s, OTHER);
	finish(&s);
}

TEST(after_a_pause_nothing_is_sent_to_the_copy_either)
{
	struct scene s;
	struct feed_item item;

	begin(&s);
	writers_on_away(s.writers, BEGIN + 3000);
	feed_next(test_fed(&s.w, OTHER), &item);
	CHECK_EQ(item.kind, FEED_NOTHING);
	script_says(&s, SCRIPT_VERIFY, 0, writer_entry(s.writer), BEGIN + 3001);
	check_next(&s, OTHER, 0);
	finish(&s);
}

TEST(who_leaves_says_so_to_the_copy_behind_the_last_frame)
{
	struct scene s;
	struct feed_item item;

	begin(&s);
	writer_leave(s.writer, REASON_peer_left, BEGIN + 50);
	for (uint64_t i = 0; i < 21; i++)
		check_next(&s, OTHER, i);
	feed_next(test_fed(&s.w, OTHER), &item);
	CHECK_EQ(item.kind, FEED_RECORD);
	CHECK_EQ(item.record.type, RECORD_END);
	finish(&s);
}
