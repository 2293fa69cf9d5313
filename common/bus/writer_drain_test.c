/* common/bus/writer_drain_test.c - a home that takes leave, and its writer. */
#include "common/bus/writer_scene_test.h"

#define THIRD 3u /* link of origin-3 */

static void drain(struct scene *s, link_id link)
{
	writers_on_record(s->writers, link,
			  &(struct record){.type = RECORD_DRAIN}, BEGIN + 20);
}

static size_t asked_where(const struct scene *s)
{
	return test_count_asked(&s->w, 0, QUESTION_PLACE);
}

/* The first frame of the epoch. */
static void begin_epoch(struct scene *s)
{
	CHECK_EQ(test_append(s->log, test_epoch_frame(6, 0, 0, 0), false), 0);
	writer_appended(s->writer, BEGIN + 30);
}

TEST(drain_moves_the_home_while_it_is_still_fed)
{
	struct scene s;

	publish(&s, 20);
	test_node(&s.w, "origin-2", OTHER);
	drain(&s, HOME);
	CHECK_STR(test_take_asked(&s.w, 0, QUESTION_PLACE).question.avoid,
		  "origin-1");
	check_next(&s, HOME, 0);
	finish(&s);
}

TEST(a_drain_that_comes_before_the_answer_to_pub_is_not_forgotten)
{
	struct scene s;

	claim_beside(&s, 1);
	drain(&s, HOME);
	CHECK_EQ(asked_where(&s), 0);
	resume(&s, HOME, RESUME_KNOWN, test_position(5, 44), BEGIN + 21);
	CHECK_EQ(s.grants, 1);
	CHECK_EQ(s.start.open.previous.counter, 5);
	begin_epoch(&s);
	CHECK_EQ(asked_where(&s), 1);
	finish(&s);
}

TEST(a_stream_stays_until_its_epoch_has_begun_so_that_nobody_forgets_the_old_one)
{
	struct scene s;

	claim_beside(&s, 1);
	resume(&s, HOME, RESUME_KNOWN, test_position(5, 44), BEGIN);
	drain(&s, HOME);
	CHECK_EQ(asked_where(&s), 0);
	begin_epoch(&s);
	CHECK_EQ(asked_where(&s), 1);
	check_next(&s, HOME, 0);
	finish(&s);
}

TEST(with_no_other_origin_the_stream_stays_and_goes_when_one_comes)
{
	struct scene s;
	struct node_ref other;

	publish(&s, 20);
	drain(&s, HOME);
	CHECK_EQ(asked_where(&s), 0);
	check_next(&s, HOME, 0);
	other = *test_node(&s.w, "origin-2", OTHER);
	writers_on_link(s.writers, &other, true, BEGIN + 40);
	CHECK_EQ(asked_where(&s), 1);
	finish(&s);
}

TEST(one_that_drains_takes_no_stream_of_another_that_does)
{
	struct scene s;

	publish(&s, 20);
	test_node(&s.w, "origin-2", OTHER);
	drain(&s, OTHER);
	drain(&s, HOME);
	CHECK_EQ(asked_where(&s), 0);
	finish(&s);
}

TEST(what_dispatch_says_counts_for_nothing_when_that_one_drains)
{
	struct answer placed = {.node = "origin-2"};
	struct scene s;

	publish(&s, 20);
	test_node(&s.w, "origin-2", OTHER);
	test_node(&s.w, "origin-3", THIRD);
	drain(&s, OTHER);
	drain(&s, HOME);
	answer(&s, 0, QUESTION_PLACE, &placed, BEGIN + 21);
	CHECK_STR(test_take_script(&s.w, SCRIPT_MOVE).call.entry.home_node,
		  "origin-3");
	finish(&s);
}

TEST(a_node_that_came_back_is_as_good_as_any)
{
	struct scene s;
	struct node_ref gone;

	publish(&s, 20);
	test_node(&s.w, "origin-2", OTHER);
	drain(&s, OTHER);
	gone = test_link_lost(&s.w, "origin-2");
	writers_on_link(s.writers, &gone, false, BEGIN + 30);
	test_node(&s.w, "origin-2", THIRD);
	drain(&s, HOME);
	CHECK_EQ(asked_where(&s), 1);
	finish(&s);
}

TEST(who_has_left_moves_nothing)
{
	struct scene s;

	publish(&s, 20);
	test_node(&s.w, "origin-2", OTHER);
	writer_leave(s.writer, REASON_peer_left, BEGIN + 15);
	drain(&s, HOME);
	CHECK_EQ(asked_where(&s), 0);
	finish(&s);
}
