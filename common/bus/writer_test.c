/* common/bus/writer_test.c - a writer: granted, moved, fenced, checked, gone. */
#include "common/bus/writer_scene_test.h"

TEST(it_is_granted_only_when_the_home_says_resume)
{
	struct scene s;
	struct record pub;

	claim(&s);
	pub = take_pub(&s, HOME);
	CHECK_EQ(pub.flags, PUB_HOME);
	CHECK_EQ(pub.term.number, 10);
	CHECK_EQ(s.grants, 0);
	CHECK_EQ(s.w.fed_count, 0);
	resume(&s, HOME, RESUME_WANTED, (struct position){0}, BEGIN);
	CHECK_EQ(s.grants, 1);
	CHECK_EQ(s.start.epoch.counter, 6);
	CHECK(s.start.open.is_new_incarnation);
	CHECK_EQ(s.start.open.incarnation, TEST_UTC_US / 1000);
	CHECK_EQ(s.start.open.segment, TEST_UTC_US / 1000000);
	CHECK_EQ(s.start.open.discontinuity, TEST_UTC_US / 1000000 / 3600);
	CHECK(s.is_wanted);
	CHECK_STR(s.w.event, "epoch: 6, a new start");
	finish(&s);
}

TEST(wanted_overtakes_resume_and_is_newer)
{
	struct record no = {.type = RECORD_WANTED};
	struct scene s;

	claim(&s);
	take_pub(&s, HOME);
	no.sid = s.sid;
	s.is_wanted = true;
	writers_on_record(s.writers, HOME, &no, BEGIN);
	CHECK(s.is_wanted); /* it is no news until the home is open */
	resume(&s, HOME, RESUME_WANTED, (struct position){0}, BEGIN);
	CHECK(!s.is_wanted);
	finish(&s);
}

TEST(who_opens_a_home_that_nobody_reads_hears_of_it)
{
	struct scene s;

	claim(&s);
	take_pub(&s, HOME);
	s.is_wanted = true;
	resume(&s, HOME, 0, (struct position){0}, BEGIN);
	CHECK(!s.is_wanted);
	finish(&s);
}

TEST(a_new_epoch_goes_on_from_what_the_home_says_of_the_old_one)
{
	struct scene s;

	claim(&s);
	take_pub(&s, HOME);
	resume(&s, HOME, RESUME_KNOWN, test_position(5, 44), BEGIN);
	CHECK_EQ(s.grants, 1);
	CHECK(!s.start.open.is_new_incarnation);
	CHECK_EQ(s.start.open.previous.counter, 5);
	CHECK_EQ(s.start.open.last_sequence, 44);
	CHECK_EQ(s.start.open.incarnation, 4);
	CHECK_EQ(s.start.open.segment, 31);
	CHECK_EQ(s.start.open.discontinuity, 3);
	CHECK_EQ(s.start.open.dts_base_ns, 9000 * NS_PER_MS);
	CHECK_STR(s.w.event, "epoch: 6, goes on from 5");
	finish(&s);
}

TEST(a_resume_of_another_term_or_sid_grants_nothing)
{
	struct scene s;

	claim(&s);
	take_pub(&s, HOME);
	s.term.number--;
	resume(&s, HOME, 0, (struct position){0}, BEGIN);
	CHECK_EQ(s.grants, 0);
	s.term.number++;
	s.sid++;
	resume(&s, HOME, 0, (struct position){0}, BEGIN);
	CHECK_EQ(s.grants, 0);
	finish(&s);
}

TEST(a_home_that_does_not_answer_is_asked_again_then_left)
{
	struct scene s;
	int64_t now_ms = BEGIN;

	claim(&s);
	for (int i = 0; i < 5; i++) {
		take_pub(&s, HOME);
		now_ms += 1000;
		writers_tick(s.writers, now_ms);
	}
	CHECK_EQ(test_count(&s.w, HOME, RECORD_PUB), 0);
	CHECK_STR(test_take_asked(&s.w, 0, QUESTION_PLACE).question.avoid,
		  "origin-1");
	finish(&s);
}

/* The link to the home is lost, dispatch says where to. */
static void move(struct scene *s)
{
	struct answer placed = {.node = "origin-2"};
	struct node_ref gone;
	struct test_asked q;

	publish(s, 20);
	test_node(&s->w, "origin-2", OTHER);
	gone = test_link_lost(&s->w, "origin-1");
	writers_on_link(s->writers, &gone, false, BEGIN + 20);
	q = test_take_asked(&s->w, 0, QUESTION_PLACE);
	CHECK_STR(q.question.avoid, "origin-1");
	CHECK(writers_on_answer(s->writers, q.tag, &placed, BEGIN + 21));
	CHECK_EQ(test_count(&s->w, OTHER, RECORD_PUB), 0);
}

TEST(a_lost_home_is_replaced_by_compare_and_set_and_fed_from_its_position)
{
	struct scene s;
	struct record pub;

	move(&s);
	CHECK_EQ(s.w.script_count, 1);
	CHECK_EQ(s.w.script[0].call.expected_term.number, 10);
	CHECK_EQ(s.w.script[0].call.entry.term.number, 11);
	CHECK_STR(s.w.script[0].call.entry.home_node, "origin-2");
	script_says(&s, SCRIPT_MOVE, 0, NULL, BEGIN + 22);
	pub = take_pub(&s, OTHER);
	CHECK_EQ(pub.flags, PUB_HOME | PUB_MOVED);
	CHECK_EQ(pub.term.number, 11);
	resume(&s, OTHER, RESUME_KNOWN, test_position(6, 13), BEGIN + 23);
	CHECK_EQ(s.grants, 1); /* it was, once */
	CHECK_EQ(test_fed(&s.w, OTHER)->term_number, 11);
	check_next(&s, OTHER, 14);
	check_next(&s, OTHER, 15);
	finish(&s);
}

TEST(a_new_home_that_knows_nothing_gets_all_that_is_kept)
{
	struct scene s;

	move(&s);
	script_says(&s, SCRIPT_MOVE, 0, NULL, BEGIN + 22);
	take_pub(&s, OTHER);
	resume(&s, OTHER, 0, (struct position){0}, BEGIN + 23);
	check_next(&s, OTHER, 0);
	check_next(&s, OTHER, 1);
	finish(&s);
}

TEST(without_the_registry_the_home_is_moved_and_told_later)
{
	struct scene s;

	move(&s);
	script_says(&s, SCRIPT_MOVE, WEIR_ETIMEOUT, NULL, BEGIN + 522);
	CHECK_EQ(take_pub(&s, OTHER).term.number, 11);
	resume(&s, OTHER, RESUME_KNOWN, test_position(6, 20), BEGIN + 523);
	writers_tick(s.writers, BEGIN + 524);
	CHECK_EQ(test_take_script(&s.w, SCRIPT_SETTLE).call.entry.term.number,
		 11);
	finish(&s);
}

TEST(a_move_that_comes_too_late_follows_the_home_that_stands)
{
	struct scene s;
	struct stream_entry stands;

	move(&s);
	test_node(&s.w, "origin-3", 3);
	stands = *writer_entry(s.writer);
	stands.term.number = 15;
	snprintf(stands.home_node, sizeof(stands.home_node), "origin-3");
	script_says(&s, SCRIPT_MOVE, WEIR_ESTALE, &stands, BEGIN + 22);
	CHECK_EQ(take_pub(&s, 3).term.number, 15);
	finish(&s);
}

TEST(a_newer_epoch_that_fences_ends_it)
{
	struct scene s;
	struct record r;

	publish(&s, 20);
	r = fenced(&s, REASON_fenced, 7, 20);
	writers_on_record(s.writers, HOME, &r, BEGIN + 20);
	check_ended(&s, REASON_fenced);
}

TEST(a_term_alone_that_fences_is_raised_past)
{
	struct scene s;
	struct record r;

	publish(&s, 20);
	r = fenced(&s, REASON_fenced, 6, 20);
	writers_on_record(s.writers, HOME, &r, BEGIN + 20);
	CHECK_EQ(s.ends, 0);
	CHECK_EQ(take_pub(&s, HOME).term.number, 21);
	CHECK_EQ(test_take_script(&s.w, SCRIPT_SETTLE).call.entry.term.number,
		 21);
	CHECK_EQ(s.w.fed_count, 0); /* not before the next RESUME */
	finish(&s);
}

TEST(who_took_it_over_ends_it)
{
	struct scene s;
	struct record r;

	publish(&s, 20);
	r = fenced(&s, REASON_taken_over, 7, 20);
	writers_on_record(s.writers, HOME, &r, BEGIN + 20);
	check_ended(&s, REASON_taken_over);
}

TEST(after_a_pause_nothing_is_sent_until_the_registry_agrees)
{
	struct scene s;
	struct feed_item item;

	publish(&s, 20);
	writers_on_away(s.writers, BEGIN + 3000);
	CHECK(!feed_is_ready(test_fed(&s.w, HOME)));
	feed_next(test_fed(&s.w, HOME), &item);
	CHECK_EQ(item.kind, FEED_NOTHING);
	script_says(&s, SCRIPT_VERIFY, 0, NULL, BEGIN + 3001);
	check_next(&s, HOME, 0);
	finish(&s);
}

TEST(after_a_pause_a_newer_epoch_in_the_registry_ends_it)
{
	struct scene s;
	struct stream_entry newer;

	publish(&s, 20);
	writers_on_away(s.writers, BEGIN + 3000);
	newer = *writer_entry(s.writer);
	newer.epoch = test_epoch(7);
	script_says(&s, SCRIPT_VERIFY, 0, &newer, BEGIN + 3001);
	check_ended(&s, REASON_taken_over);
}

TEST(after_a_pause_without_the_registry_the_origins_are_asked)
{
	struct scene s;
	struct answer same = {
		.is_known = true,
		.epoch = test_epoch(6),
		.term = {.number = 10},
	};

	publish(&s, 20);
	writers_on_away(s.writers, BEGIN + 3000);
	script_says(&s, SCRIPT_VERIFY, WEIR_ETIMEOUT, NULL, BEGIN + 3500);
	CHECK(!feed_is_ready(test_fed(&s.w, HOME)));
	answer(&s, HOME, QUESTION_VALIDATE, &same, BEGIN + 3501);
	check_next(&s, HOME, 0);
	finish(&s);
}

TEST(what_the_registry_could_not_say_after_a_pause_is_settled_when_it_can)
{
	struct scene s;
	struct answer same = {
		.is_known = true,
		.epoch = test_epoch(6),
		.term = {.number = 10},
	};

	publish(&s, 20);
	writers_on_away(s.writers, BEGIN + 3000);
	script_says(&s, SCRIPT_VERIFY, WEIR_ETIMEOUT, NULL, BEGIN + 3500);
	answer(&s, HOME, QUESTION_VALIDATE, &same, BEGIN + 3501);
	writers_tick(s.writers, BEGIN + 4100);
	script_says(&s, SCRIPT_SETTLE, WEIR_ETIMEOUT, NULL, BEGIN + 4600);
	writers_tick(s.writers, BEGIN + 5200);
	CHECK_EQ(test_take_script(&s.w, SCRIPT_SETTLE).call.entry.epoch.counter,
		 6);
	finish(&s);
}

TEST(a_registry_that_could_not_be_reached_for_a_while_is_told_again)
{
	struct scene s;

	publish(&s, 2);
	writers_on_registry(s.writers, false, false, BEGIN + 100);
	writers_on_registry(s.writers, true, false, BEGIN + 9000);
	CHECK_EQ(test_take_script(&s.w, SCRIPT_SETTLE).call.entry.epoch.counter,
		 6);
	finish(&s);
}

TEST(after_a_pause_with_nobody_to_ask_nothing_is_sent)
{
	struct scene s;
	struct answer none = {.err = WEIR_ETIMEOUT};

	publish(&s, 20);
	writers_on_away(s.writers, BEGIN + 3000);
	script_says(&s, SCRIPT_VERIFY, WEIR_ETIMEOUT, NULL, BEGIN + 3500);
	answer(&s, HOME, QUESTION_VALIDATE, &none, BEGIN + 5500);
	CHECK(!feed_is_ready(test_fed(&s.w, HOME)));
	writers_tick(s.writers, BEGIN + 6000);
	CHECK_EQ(test_take_script(&s.w, SCRIPT_VERIFY).call.entry.epoch.counter,
		 6);
	finish(&s);
}

TEST(who_leaves_says_end_behind_the_last_frame_and_lost_in_the_registry)
{
	struct scene s;
	struct feed_item item;
	struct record end = {.type = RECORD_END};

	publish(&s, 2);
	writer_leave(s.writer, REASON_peer_left, BEGIN + 20);
	for (uint64_t sequence = 0; sequence <= 2; sequence++)
		check_next(&s, HOME, sequence);
	feed_next(test_fed(&s.w, HOME), &item);
	CHECK_EQ(item.kind, FEED_RECORD);
	CHECK_EQ(item.record.type, RECORD_END);
	CHECK_EQ(item.record.ms, 10000);
	CHECK_EQ(s.w.script[s.w.script_count - 1].call.entry.lost_until_ms,
		 TEST_UTC_US / 1000 + 10000);
	end.sid = s.sid;
	writers_on_record(s.writers, HOME, &end, BEGIN + 21);
	CHECK_EQ(s.ends, 0); /* the registry has not been heard */
	script_says(&s, SCRIPT_LOST, 0, NULL, BEGIN + 22);
	check_ended(&s, REASON_peer_left);
}

TEST(who_left_is_gone_when_grace_is_over_whatever_was_delivered)
{
	struct scene s;

	publish(&s, 2);
	writer_leave(s.writer, REASON_peer_left, BEGIN + 20);
	writers_tick(s.writers, BEGIN + 10019);
	CHECK_EQ(s.ends, 0);
	writers_tick(s.writers, BEGIN + 10020);
	check_ended(&s, REASON_peer_left);
}

TEST(every_origin_but_the_home_is_told_where_it_is_also_when_it_comes_up_later)
{
	struct scene s;
	struct record home;

	claim(&s);
	test_node(&s.w, "origin-2", OTHER);
	CHECK_EQ(test_count(&s.w, OTHER, RECORD_HOME), 0);
	take_pub(&s, HOME);
	resume(&s, HOME, 0, (struct position){0}, BEGIN);
	home = test_take(&s.w, OTHER, RECORD_HOME);
	CHECK_EQ(home.flags, HOME_LIVE);
	CHECK_EQ(home.term.number, 10);
	CHECK_STR(home.node, "origin-1");
	writers_on_link(s.writers, test_node(&s.w, "origin-3", 3), true,
			BEGIN + 50);
	CHECK_STR(test_take(&s.w, 3, RECORD_HOME).node, "origin-1");
	CHECK_EQ(test_count(&s.w, HOME, RECORD_HOME), 0);
	finish(&s);
}

TEST(alive_is_answered_by_what_came_from_the_publisher)
{
	struct scene s;
	struct question q = {
		.kind = QUESTION_ALIVE,
		.key = test_key("live/cam"),
		.epoch = test_epoch(6),
	};
	struct answer a = {0};

	publish(&s, 2);
	writers_on_question(s.writers, &q, &a, BEGIN + 110);
	CHECK_EQ(a.verdict, ALIVE_YES);
	CHECK_EQ(a.silent_ms, 100);
	writers_on_question(s.writers, &q, &a, BEGIN + 12010);
	CHECK_EQ(a.verdict, ALIVE_SILENT);
	writer_leave(s.writer, REASON_peer_left, BEGIN + 12020);
	writers_on_question(s.writers, &q, &a, BEGIN + 12030);
	CHECK_EQ(a.verdict, ALIVE_LEFT);
	q.epoch = test_epoch(4);
	writers_on_question(s.writers, &q, &a, BEGIN + 12030);
	CHECK_EQ(a.verdict, ALIVE_UNKNOWN);
	finish(&s);
}

TEST(a_registry_that_lost_everything_is_told_again)
{
	struct scene s;

	publish(&s, 2);
	writers_on_registry(s.writers, true, true, BEGIN + 100);
	CHECK_EQ(test_take_script(&s.w, SCRIPT_SETTLE).call.entry.epoch.counter,
		 6);
	finish(&s);
}
