/* services/edge/hls_moves_test.c - HLS viewers that come to several edges. */
#include "services/edge/hls_rig_test.h"

/* What `from` has to say, told to `to`. Returns how much that was. */
static unsigned tell(struct scene *to, struct scene *from)
{
	char claim[HLS_CLAIM_SIZE];
	unsigned count = 0;

	for (; hls_viewers_claim(&from->viewers, claim); count++)
		hls_viewers_moved(&to->viewers, span_str(claim),
				  from->viewers.start.node, to->rig.now_ms);
	return count;
}

/* Two edges, at which one of a stream has room. */
static bool begin_two(struct scene *a, struct scene *b)
{
	bool is_there;

	a->rig.limits.viewers_per_stream = b->rig.limits.viewers_per_stream = 1;
	a->node = "edge-1";
	b->node = "edge-2";
	is_there = begin(a);
	return begin(b) && is_there;
}

TEST(a_viewer_that_goes_to_another_edge_is_counted_there)
{
	struct scene a = {0}, b = {0};
	struct player p, q;

	if (begin_two(&a, &b)) {
		CHECK_EQ(come(&a, &p, "10.0.0.1:1").word, HLS_YES);
		CHECK_EQ(tell(&b, &a), 0);
		CHECK_EQ(playlist(&b, &p).word, HLS_YES);
		CHECK_EQ(tell(&a, &b), 1);
		CHECK_EQ(a.elsewhere, 1);
		CHECK_EQ(tell(&b, &a), 0);
		CHECK_EQ(b.elsewhere, 0);
		/* There is room for another one now. */
		CHECK_EQ(come(&a, &q, "10.0.0.2:1").word, HLS_YES);
		CHECK_EQ(segment(&a, &p).word, HLS_YES);
	}
	CHECK_EQ(a.outs, 0);
	end(&a);
	end(&b);
}

TEST(of_two_edges_that_both_give_playlists_the_first_counts)
{
	struct scene a = {0}, b = {0};
	struct player p;

	if (begin_two(&a, &b)) {
		CHECK_EQ(come(&a, &p, "10.0.0.1:1").word, HLS_YES);
		for (int i = 0; i < 100; i++) {
			CHECK_EQ(playlist(&a, &p).word, HLS_YES);
			CHECK_EQ(playlist(&b, &p).word, HLS_YES);
			tell(&a, &b);
			tell(&b, &a);
			CHECK_EQ(a.elsewhere, 0);
			CHECK_EQ(b.ins, b.elsewhere);
			pass(&a, 1000);
			pass(&b, 1000);
		}
		CHECK(b.ins > 1 && b.ins < 10); /* now and then it asks */
		/* The first one dies. */
		for (int i = 0; i < 20; i++) {
			pass(&b, 1000);
			CHECK_EQ(playlist(&b, &p).word, HLS_YES);
		}
		CHECK_EQ(b.ins, b.elsewhere + 1);
	}
	CHECK_EQ(a.outs, 0);
	CHECK_EQ(b.outs, 0);
	end(&a);
	end(&b);
}

TEST(a_viewer_that_is_counted_elsewhere_can_be_kicked_here)
{
	struct scene a = {0}, b = {0};
	struct player p;

	if (begin_two(&a, &b)) {
		const struct gate_match who = {.ip = "10.0.0.1"};

		CHECK_EQ(come(&a, &p, "10.0.0.1:1").word, HLS_YES);
		CHECK_EQ(playlist(&b, &p).word, HLS_YES);
		tell(&a, &b);
		CHECK_EQ(kick(&a, &who), 1);
		CHECK_EQ(a.outs, 1);
		CHECK_EQ(segment(&a, &p).word, HLS_NO);
	}
	end(&a);
	end(&b);
}

TEST(what_is_no_claim_moves_nobody)
{
	static const char *const bad[] = {
		"",           "/",
		"1",          "1/",
		"/10.0.0.1",  "x/10.0.0.1",
		"1/x",        "99999999999999999999999999/10.0.0.1",
		"1/10.0.0.1 "};
	struct scene s = {0};
	struct player p;

	if (begin(&s)) {
		CHECK_EQ(come(&s, &p, "10.0.0.1:1").word, HLS_YES);
		for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++)
			hls_viewers_moved(&s.viewers, span_str(bad[i]), "a", 0);
	}
	CHECK_EQ(s.elsewhere, 0);
	end(&s);
}
