/* common/bus/follower_test.c - a consumer: finds, follows, asks around, ends. */
#include "common/bus/follower.h"

#include "common/bus/testing.h"

#define HOME  1u
#define OTHER 2u
#define BEGIN 1000

struct scene {
	struct test_world w;
	struct followers *all;
	struct follower *f;
	unsigned gaps;
	uint64_t gap_frames;
};

static void on_state(void *ctx, struct follower *f,
		     const struct follower_info *info)
{
	(void)ctx;
	CHECK(follower_info(f) == info);
}

static void on_gap(void *ctx, struct follower *f, uint64_t frames,
		   enum reason why)
{
	struct scene *s = ctx;

	(void)f, (void)why;
	s->gaps++;
	s->gap_frames = frames;
}

static void scene_init_as(struct scene *s, enum follower_mode mode,
			  bool has_copy)
{
	static const struct follower_events events = {on_state, on_gap};
	struct stream_key key = test_key("live/cam");

	memset(s, 0, sizeof(*s));
	test_world_init(&s->w, "edge-1");
	test_node(&s->w, "origin-1", HOME);
	test_node(&s->w, "origin-2", OTHER);
	s->w.has_copy = has_copy;
	s->w.copy.key = key;
	s->w.copy.is_live = true;
	s->w.copy.epoch = test_epoch(6);
	s->w.copy.term.number = 10;
	memcpy(s->w.copy.home_node, "origin-1", 9);
	CHECK_EQ(followers_new(&s->all, &s->w.world, &test_limits), 0);
	CHECK_EQ(follower_new(&s->f, s->all, &key, mode, &events, s, BEGIN), 0);
	followers_tick(s->all, BEGIN);
}

static void scene_init(struct scene *s, bool has_copy)
{
	scene_init_as(s, FOLLOW_WANTING, has_copy);
}

static void finish(struct scene *s)
{
	follower_free(&s->f);
	followers_free(&s->all);
}

static void put(struct scene *s, link_id link, struct record r, int64_t now_ms)
{
	CHECK_EQ(followers_on_record(s->all, link, &r, now_ms), 0);
}

static int give(struct scene *s, uint32_t sid, uint64_t term, uint64_t sequence)
{
	struct frame *f =
		sequence ? test_frame(FRAME_VIDEO,
				      sequence % 10 == 1 ? FRAME_JOIN : 0, 6,
				      sequence, (int64_t)sequence * 40,
				      SPAN("x"))
			 : test_epoch_frame(6, 0, 0, 0);
	int err = followers_on_frame(s->all, HOME, RECORD_FRAME, sid, term, f,
				     BEGIN);

	frame_unref(&f);
	return err;
}

static void check_last(struct scene *s, uint64_t sequence)
{
	struct position last;

	CHECK(log_last_position(follower_log(s->f), &last));
	CHECK_EQ(last.sequence, sequence);
}

static void resume(struct scene *s, uint32_t sid, uint16_t flags)
{
	put(s, HOME,
	    (struct record){
		    .type = RECORD_RESUME,
		    .flags = flags,
		    .sid = sid,
		    .term.number = 10,
		    .position = test_position(6, 3),
	    },
	    BEGIN);
	CHECK_EQ(follower_info(s->f)->state, FOLLOWER_LIVE);
}

/* Live at origin-1 with frames up to 3; returns the sid. */
static uint32_t play(struct scene *s)
{
	uint32_t sid;

	scene_init(s, true);
	sid = test_take(&s->w, HOME, RECORD_SUB).sid;
	resume(s, sid, RESUME_KNOWN);
	for (uint64_t n = 0; n <= 3; n++)
		CHECK_EQ(give(s, sid, 10, n), 0);
	check_last(s, 3);
	s->w.sent_count = 0;
	return sid;
}

static struct record moved(uint32_t sid, uint64_t term)
{
	return (struct record){
		.type = RECORD_MOVED,
		.sid = sid,
		.term.number = term,
		.position.epoch = test_epoch(6),
		.node = "origin-2",
	};
}

TEST(it_subscribes_where_the_copy_says)
{
	struct scene s;
	struct record r;

	scene_init(&s, true);
	r = test_take(&s.w, HOME, RECORD_SUB);
	CHECK_EQ(r.flags, SUB_FROM_JOIN | SUB_WANTING);
	CHECK_EQ(r.count, 10);
	CHECK_EQ(test_count(&s.w, OTHER, RECORD_SUB), 0);
	finish(&s);
}

TEST(an_exact_one_begins_with_the_oldest_and_says_when_it_is_wanted)
{
	struct scene s;
	struct record r;

	scene_init_as(&s, FOLLOW_EXACT, true);
	r = test_take(&s.w, HOME, RECORD_SUB);
	CHECK_EQ(r.flags, SUB_FROM_OLDEST | SUB_EXACT);
	resume(&s, r.sid, RESUME_KNOWN);
	CHECK_EQ(give(&s, r.sid, 10, 0), 0);
	s.w.sent_count = 0;
	follower_set_wanting(s.f, true);
	r = test_take(&s.w, HOME, RECORD_SUB);
	CHECK_EQ(r.flags, SUB_FROM_POSITION | SUB_EXACT | SUB_WANTING);
	s.w.sent_count = 0;
	follower_set_wanting(s.f, true);
	CHECK_EQ(test_count(&s.w, HOME, RECORD_SUB), 0);
	follower_set_wanting(s.f, false);
	CHECK_EQ(test_take(&s.w, HOME, RECORD_SUB).flags,
		 SUB_FROM_POSITION | SUB_EXACT);
	finish(&s);
}

TEST(an_edge_without_viewers_follows_on_and_is_not_wanting)
{
	struct scene s;

	play(&s);
	follower_set_wanting(s.f, false);
	CHECK_EQ(test_take(&s.w, HOME, RECORD_SUB).flags, SUB_FROM_POSITION);
	s.w.sent_count = 0;
	follower_set_wanting(s.f, true);
	CHECK_EQ(test_take(&s.w, HOME, RECORD_SUB).flags,
		 SUB_FROM_POSITION | SUB_WANTING);
	finish(&s);
}

TEST(who_wants_a_stream_again_asks_dispatch_at_once_and_says_whence_it_comes)
{
	struct scene s;

	scene_init(&s, false);
	CHECK_EQ(test_count_asked(&s.w, 0, QUESTION_RESOLVE), 1);
	follower_set_wanting(s.f, false);
	s.w.asked_count = 0;
	followers_tick(s.all, BEGIN + 100000);
	CHECK_EQ(test_count_asked(&s.w, 0, QUESTION_RESOLVE), 0);
	CHECK_EQ(follower_set_via(s.f, "paris,lyon"), 0);
	follower_set_wanting(s.f, true);
	followers_tick(s.all, BEGIN + 100001);
	CHECK_EQ(test_count_asked(&s.w, 0, QUESTION_RESOLVE), 1);
	CHECK_STR(test_take_asked(&s.w, 0, QUESTION_RESOLVE).question.via,
		  "paris,lyon");
	finish(&s);
}

TEST(dispatch_hears_at_once_by_which_clusters_it_is_wanted_now)
{
	struct scene s;

	scene_init(&s, true);
	resume(&s, test_take(&s.w, HOME, RECORD_SUB).sid, RESUME_KNOWN);
	s.w.asked_count = 0;
	CHECK_EQ(follower_set_via(s.f, ""), 0);
	followers_tick(s.all, BEGIN + 1);
	CHECK_EQ(test_count_asked(&s.w, 0, QUESTION_RESOLVE), 0);
	CHECK_EQ(follower_set_via(s.f, "paris"), 0);
	followers_tick(s.all, BEGIN + 2);
	CHECK_STR(test_take_asked(&s.w, 0, QUESTION_RESOLVE).question.via,
		  "paris");
	s.w.asked_count = 0;
	followers_tick(s.all, BEGIN + 3);
	CHECK_EQ(test_count_asked(&s.w, 0, QUESTION_RESOLVE), 0);
	finish(&s);
}

TEST(it_has_caught_up_when_all_is_here_that_the_home_had)
{
	struct scene s;
	uint32_t sid;

	scene_init(&s, true);
	CHECK(!follower_has_caught_up(s.f));
	sid = test_take(&s.w, HOME, RECORD_SUB).sid;
	resume(&s, sid, RESUME_KNOWN); /* it has frames up to 3 */
	for (uint64_t n = 0; n <= 3; n++) {
		CHECK(!follower_has_caught_up(s.f));
		CHECK_EQ(give(&s, sid, 10, n), 0);
	}
	CHECK(follower_has_caught_up(s.f));
	finish(&s);
}

TEST(what_is_not_known_is_asked_of_all_origins_and_dispatch)
{
	struct scene s;
	uint32_t sid;

	scene_init(&s, false);
	test_take(&s.w, HOME, RECORD_WHERE);
	sid = test_take(&s.w, OTHER, RECORD_WHERE).sid;
	CHECK_EQ(test_count_asked(&s.w, 0, QUESTION_RESOLVE), 1);
	put(&s, OTHER, moved(sid, 4), BEGIN);
	CHECK_EQ(test_take(&s.w, OTHER, RECORD_SUB).count, 4);
	finish(&s);
}

TEST(a_place_with_a_lower_term_is_not_followed)
{
	struct scene s;
	uint32_t sid = play(&s);

	put(&s, HOME, moved(sid, 9), BEGIN);
	CHECK_EQ(test_count(&s.w, OTHER, RECORD_SUB), 0);
	CHECK_STR(follower_info(s.f)->entry.home_node, "origin-1");
	finish(&s);
}

TEST(a_move_is_followed_from_right_behind_the_last_frame)
{
	struct scene s;
	uint32_t sid = play(&s);
	struct record r;

	put(&s, HOME, moved(sid, 11), BEGIN);
	r = test_take(&s.w, OTHER, RECORD_SUB);
	CHECK_EQ(r.flags, SUB_FROM_POSITION | SUB_WANTING);
	CHECK_EQ(r.position.sequence, 3);
	finish(&s);
}

TEST(frames_of_a_lower_term_are_dropped)
{
	struct scene s;
	uint32_t sid = play(&s);

	CHECK_EQ(give(&s, sid, 9, 4), 0);
	check_last(&s, 3);
	CHECK_EQ(give(&s, sid, 10, 4), 0);
	check_last(&s, 4);
	finish(&s);
}

TEST(a_lost_home_is_asked_for_elsewhere_and_ends_when_time_is_over)
{
	struct scene s;
	struct node_ref gone;
	struct record where;

	play(&s);
	s.w.has_copy = false;
	gone = test_link_lost(&s.w, "origin-1");
	followers_on_link(s.all, &gone, false, BEGIN + 10);
	CHECK_EQ(follower_info(s.f)->state, FOLLOWER_LOST);
	followers_tick(s.all, BEGIN + 10);
	where = test_take(&s.w, OTHER, RECORD_WHERE);
	followers_tick(s.all, BEGIN + 10009);
	CHECK_EQ(follower_info(s.f)->state, FOLLOWER_LOST);
	put(&s, OTHER, moved(where.sid, 11), BEGIN + 10009);
	CHECK_EQ(test_take(&s.w, OTHER, RECORD_SUB).position.sequence, 3);
	followers_tick(s.all, BEGIN + 10010);
	CHECK_EQ(follower_info(s.f)->state, FOLLOWER_ENDED);
	finish(&s);
}

TEST(a_gap_is_told_once_and_only_where_the_home_said_so)
{
	struct scene s;
	uint32_t sid = play(&s);

	CHECK_EQ(give(&s, sid, 10, 6), WEIR_EPROTO);
	put(&s, HOME,
	    (struct record){.type = RECORD_SKIP, .sid = sid, .count = 7},
	    BEGIN);
	CHECK_EQ(give(&s, sid, 10, 11), 0);
	CHECK_EQ(give(&s, sid, 10, 12), 0);
	CHECK_EQ(s.gaps, 1);
	CHECK_EQ(s.gap_frames, 7);
	finish(&s);
}
