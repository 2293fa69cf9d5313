/* services/edge/hls_viewers_test.c */
#include "services/edge/hls_rig_test.h"

#define HOUR_MS 3600000

static const struct stream_key other = {"live/other"};

TEST(who_comes_is_let_in_and_has_a_token_from_then_on)
{
	struct scene s = {0};
	struct player p;

	if (begin(&s)) {
		CHECK_EQ(come(&s, &p, "10.0.0.1:1").word, HLS_YES);
		CHECK_EQ(s.ins, 1);
		CHECK_EQ(playlist(&s, &p).word, HLS_YES);
		CHECK_EQ(s.ins, 1);
		CHECK_EQ(come(&s, &p, "10.0.0.1:1").word, HLS_YES);
		CHECK_EQ(s.ins, 2); /* another one */
		pass(&s, HLS_PROBE_MS);
	}
	CHECK_EQ(s.outs, 2);
	end(&s);
}

TEST(a_viewer_is_one_however_often_it_asks)
{
	struct scene s = {0};
	struct player p;

	s.rig.limits.viewers_per_stream = 1;
	if (begin(&s)) {
		p = guest(&s, "10.0.0.1:1");
		for (int i = 0; i < 5; i++) {
			p.addr = i % 2 ? "10.0.0.1:1" : "10.0.0.1:2";
			CHECK_EQ(playlist(&s, &p).word, HLS_YES);
			CHECK_EQ(segment(&s, &p).word, HLS_YES);
		}
	}
	CHECK_EQ(s.ins, 1);
	CHECK_EQ(hls_viewers_count(&s.viewers), 1);
	end(&s);
}

TEST(its_session_is_shown_as_lal_does)
{
	struct scene s = {0};
	struct said said;
	char id[SESSION_ID_SIZE];
	struct player p;

	if (begin(&s)) {
		p = guest(&s, "10.0.0.1:1");
		said = playlist(&s, &p);
		id_of(id, &p);
		CHECK_EQ(said.word, HLS_YES);
		CHECK(said.viewer);
	} else {
		said.viewer = NULL;
	}
	if (said.viewer) {
		CHECK_STR(said.viewer->session.id, id);
		CHECK_STR(said.viewer->session.protocol, "HLS");
		CHECK_STR(said.viewer->session.base_type, "SUB");
		CHECK_EQ(said.viewer->session.start_us, s.rig.utc_ms * 1000);
	}
	end(&s);
}

TEST(past_a_limit_the_next_one_is_refused_until_one_has_gone)
{
	struct scene s = {0};
	struct player a, b;

	s.rig.limits.viewers_per_stream = 1;
	if (begin(&s)) {
		struct said said;

		a = guest(&s, "10.0.0.1:1");
		b = guest(&s, "10.0.0.2:1");
		CHECK_EQ(playlist(&s, &a).word, HLS_YES);
		said = playlist(&s, &b);
		CHECK_EQ(said.word, HLS_NO);
		CHECK_EQ(said.why.why, REASON_too_many);
		CHECK_EQ(segment(&s, &a).word, HLS_YES);
		pass(&s, 30001);
		CHECK_EQ(s.why, REASON_peer_left);
		CHECK_EQ(playlist(&s, &b).word, HLS_YES);
	}
	CHECK_EQ(s.ins, 2);
	end(&s);
}

TEST(who_asks_once_leaves_earlier_than_who_plays)
{
	struct scene s = {0};
	struct player a, b;

	if (begin(&s)) {
		a = guest(&s, "10.0.0.1:1");
		b = guest(&s, "10.0.0.2:1");
		CHECK_EQ(playlist(&s, &a).word, HLS_YES);
		CHECK_EQ(playlist(&s, &b).word, HLS_YES);
		CHECK_EQ(segment(&s, &b).word, HLS_YES);
		pass(&s, HLS_PROBE_MS - 1);
		CHECK_EQ(s.outs, 0);
		pass(&s, 1);
		CHECK_EQ(s.outs, 1);
		pass(&s, 30000 - HLS_PROBE_MS);
		CHECK_EQ(s.outs, 2);
	}
	CHECK_EQ(hls_viewers_count(&s.viewers), 0);
	end(&s);
}

TEST(a_player_that_looks_first_and_then_begins_anew_is_let_in)
{
	struct scene s = {0};
	struct player look, play;

	s.rig.limits.viewers_per_ip = 1;
	if (begin(&s)) {
		CHECK_EQ(come(&s, &look, "10.0.0.1:1").word, HLS_YES);
		CHECK_EQ(playlist(&s, &look).word, HLS_YES);
		CHECK_EQ(come(&s, &play, "10.0.0.1:2").word, HLS_YES);
		CHECK_EQ(playlist(&s, &play).word, HLS_YES);
		CHECK_EQ(s.outs, 1);
		CHECK_EQ(segment(&s, &play).word, HLS_YES);
		/* Another one who comes now is one too many. */
		CHECK_EQ(playlist(&s, &look).word, HLS_NO);
	}
	end(&s);
}

TEST(a_token_of_another_edge_is_as_good)
{
	struct scene a = {0}, b = {0};
	struct player p;

	if (begin(&a) && begin(&b)) {
		p = guest(&a, "10.0.0.1:1");
		CHECK_EQ(playlist(&b, &p).word, HLS_YES);
		CHECK_EQ(b.ins, 1);
		end(&b);
		end(&a);
		return;
	}
	if (b.viewers.start.ops)
		end(&b);
	end(&a);
}

TEST(what_is_no_token_of_ours_is_unknown)
{
	static const char *const bad[] = {"", "x", "1-2-3",
					  "1-2-0123456789abcdef01234567"};
	struct scene s = {0};

	if (begin(&s)) {
		struct player p = {.addr = "10.0.0.1:1", .key = &cam};
		struct player q = guest(&s, "10.0.0.1:1");

		for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
			snprintf(p.token, sizeof(p.token), "%s", bad[i]);
			CHECK_EQ(playlist(&s, &p).word, HLS_UNKNOWN);
			CHECK_EQ(segment(&s, &p).word, HLS_UNKNOWN);
		}
		q.key = &other; /* it is for one stream */
		CHECK_EQ(playlist(&s, &q).word, HLS_UNKNOWN);
		q.key = &cam;
		CHECK_EQ(playlist(&s, &q).word, HLS_YES);
		q.key = &other;
		CHECK_EQ(playlist(&s, &q).word, HLS_UNKNOWN);
		q.key = &cam;
		q.token[strlen(q.token) - 1] ^= 1;
		CHECK_EQ(playlist(&s, &q).word, HLS_UNKNOWN);
	}
	CHECK_EQ(s.ins, 1);
	end(&s);
}

TEST(two_that_share_a_token_are_two)
{
	struct scene s = {0};
	struct player p;

	s.rig.limits.viewers_per_stream = 1;
	if (begin(&s)) {
		p = guest(&s, "10.0.0.1:1");
		CHECK_EQ(playlist(&s, &p).word, HLS_YES);
		p.addr = "10.0.0.2:1";
		CHECK_EQ(playlist(&s, &p).word, HLS_NO);
	}
	CHECK_EQ(s.ins, 1);
	end(&s);
}

TEST(an_edge_that_only_sends_segments_does_not_count_the_viewer)
{
	struct scene s = {0};
	struct player p, q;

	s.rig.limits.viewers_per_stream = 1;
	if (begin(&s)) {
		p = guest(&s, "10.0.0.1:1");
		q = guest(&s, "10.0.0.2:1");
		CHECK_EQ(segment(&s, &p).word, HLS_YES);
		CHECK_EQ(s.ins, 0);
		CHECK_EQ(playlist(&s, &q).word, HLS_YES);
		CHECK_EQ(segment(&s, &p).word, HLS_YES);
		CHECK_EQ(hls_viewers_count(&s.viewers), 2);
		/* Its playlists come here, too, and there is no room. */
		CHECK_EQ(playlist(&s, &p).word, HLS_NO);
	}
	CHECK_EQ(s.ins, 1);
	end(&s);
}

TEST(a_kick_ends_a_viewer_and_its_token)
{
	static const struct gate_match who[] = {
		{.stream = "live/cam"},
		{.ip = "10.0.0.1"},
		{.session_id = ""}, /* filled in */
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(who); i++) {
		struct scene s = {0};
		char id[SESSION_ID_SIZE];
		struct gate_match match = who[i];
		struct player p;
		struct said said;

		if (!begin(&s)) {
			end(&s);
			continue;
		}
		p = guest(&s, "10.0.0.1:1");
		id_of(id, &p);
		if (match.session_id)
			match.session_id = id;
		CHECK_EQ(playlist(&s, &p).word, HLS_YES);
		CHECK_EQ(kick(&s, &match), 1);
		CHECK_EQ(s.outs, 1);
		CHECK_EQ(s.why, REASON_kicked);
		said = playlist(&s, &p);
		CHECK_EQ(said.word, HLS_NO);
		CHECK_EQ(said.why.why, REASON_kicked);
		said = segment(&s, &p);
		CHECK_EQ(said.word, HLS_NO);
		CHECK_EQ(said.why.why, REASON_kicked);
		pass(&s, 1); /* who comes anew is another one */
		p = guest(&s, "10.0.0.1:1");
		CHECK_EQ(playlist(&s, &p).word, HLS_YES);
		CHECK_EQ(s.ins, 2);
		end(&s);
	}
}

TEST(who_was_kicked_elsewhere_is_told_so_here)
{
	struct scene s = {0};

	if (begin(&s)) {
		const struct gate_match who = {.ip = "10.0.0.1"};
		struct player p = guest(&s, "10.0.0.1:1");
		struct player q = guest(&s, "10.0.0.2:1");
		struct said said;

		CHECK_EQ(kick(&s, &who), 0); /* it is at another edge */
		said = playlist(&s, &p);
		CHECK_EQ(said.word, HLS_NO);
		CHECK_EQ(said.why.why, REASON_kicked);
		CHECK_EQ(segment(&s, &p).word, HLS_NO);
		CHECK_EQ(playlist(&s, &q).word, HLS_YES);
	}
	end(&s);
}

TEST(a_kick_of_a_session_needs_no_equal_clocks)
{
	struct scene s = {0};

	if (begin(&s)) {
		char id[SESSION_ID_SIZE];
		const struct gate_match who = {.session_id = id};
		struct player p, q;

		s.rig.utc_ms += 5000; /* the other edge's clock */
		p = guest(&s, "10.0.0.1:1");
		q = guest(&s, "10.0.0.1:1");
		s.rig.utc_ms -= 5000;
		id_of(id, &p);
		CHECK_EQ(kick(&s, &who), 0);
		CHECK_EQ(playlist(&s, &p).word, HLS_NO);
		CHECK_EQ(segment(&s, &p).word, HLS_NO);
		CHECK_EQ(playlist(&s, &q).word, HLS_YES);
	}
	end(&s);
}

TEST(kicks_are_remembered_as_long_as_tokens_and_not_without_end)
{
	struct scene s = {0};

	if (begin(&s)) {
		const struct gate_match who = {.ip = "10.0.0.9"};

		for (int i = 0; i < HLS_KICKS_MAX + 10; i++)
			kick(&s, &who);
		CHECK_EQ(s.viewers.kick_count, HLS_KICKS_MAX);
		pass(&s, HLS_TOKEN_LIFE - 1);
		CHECK_EQ(s.viewers.kick_count, HLS_KICKS_MAX);
		pass(&s, 1);
		CHECK_EQ(s.viewers.kick_count, 0);
	}
	end(&s);
}

TEST(a_ban_ends_a_viewer_and_keeps_it_out)
{
	struct scene s = {0};

	if (begin(&s)) {
		struct player p = guest(&s, "10.0.0.1:1");
		struct said said;

		CHECK_EQ(playlist(&s, &p).word, HLS_YES);
		CHECK_EQ(rig_rule(&s.rig,
				  "{\"kind\":\"ban\",\"id\":\"x\","
				  "\"ip\":\"10.0.0.1\"}"),
			 0);
		gate_on_rules(s.rig.gate);
		pass(&s, 0);
		CHECK_EQ(s.outs, 1);
		CHECK_EQ(s.why, REASON_banned);
		said = playlist(&s, &p);
		CHECK_EQ(said.word, HLS_NO);
		CHECK_EQ(said.why.why, REASON_banned);
		CHECK_EQ(segment(&s, &p).word, HLS_NO);
	}
	end(&s);
}

TEST(viewers_are_no_more_than_there_may_be)
{
	struct scene s = {0};

	if (begin(&s)) {
		for (int i = 0; i < 20; i++) {
			struct player p = guest(&s, "10.0.0.1:1");

			CHECK_EQ(segment(&s, &p).word, HLS_YES);
		}
		CHECK_EQ(hls_viewers_count(&s.viewers), 8);
		pass(&s, 30000);
		CHECK_EQ(hls_viewers_count(&s.viewers), 0);
		s.is_full = true;
		{
			struct player p = guest(&s, "10.0.0.1:1");
			struct said said = playlist(&s, &p);

			CHECK_EQ(said.word, HLS_NO);
			CHECK_EQ(said.why.why, REASON_no_resources);
		}
	}
	end(&s);
}

TEST(those_that_are_not_counted_make_room_for_one_who_is)
{
	struct scene s = {0};
	struct player p, q;
	struct said said;
	struct list held;

	list_init(&held);
	if (begin(&s)) {
		p = guest(&s, "10.0.0.1:1");
		said = segment(&s, &p); /* one whose segment is waited for */
		if (said.viewer)
			list_append(&said.viewer->requests, &held);
		for (int i = 0; i < 20; i++) {
			q = guest(&s, "10.0.0.1:1");
			CHECK_EQ(segment(&s, &q).word, HLS_YES);
		}
		for (int i = 0; i < 7; i++)
			CHECK_EQ(come(&s, &q, "10.0.0.2:1").word, HLS_YES);
		CHECK_EQ(s.outs, 7);
		CHECK(!list_is_empty(&held));
		CHECK_EQ(hls_viewers_count(&s.viewers), 8);
		/* Who is counted stays. */
		said = come(&s, &q, "10.0.0.2:1");
		CHECK_EQ(said.word, HLS_NO);
		CHECK_EQ(said.why.why, REASON_no_resources);
	}
	list_remove(&held);
	end(&s);
}

TEST(who_came_for_nothing_goes_at_once_unless_it_asks)
{
	struct scene s = {0};
	struct player p, q;
	struct said a, b;

	if (begin(&s)) {
		a = come(&s, &p, "10.0.0.1:1");
		b = come(&s, &q, "10.0.0.2:1");
		give_up(&a);
		give_up(&b);
		CHECK_EQ(playlist(&s, &q).word, HLS_YES);
		pass(&s, 0);
		CHECK_EQ(s.outs, 1);
		CHECK_EQ(s.why, REASON_peer_left);
		give_up(&b); /* it has asked */
		pass(&s, 0);
		CHECK_EQ(hls_viewers_count(&s.viewers), 1);
	}
	end(&s);
}

TEST(who_waits_for_the_webhook_is_told_when_it_has_decided)
{
	struct scene s = {0};
	struct list held;

	s.rig.settings.on_play_auth = "http://h/auth";
	s.rig.settings.webhook_timeout_ms = 1000;
	list_init(&held);
	if (begin(&s)) {
		struct player p = guest(&s, "10.0.0.2:1");
		struct said said;

		/* Another edge has asked about that one. */
		CHECK_EQ(playlist(&s, &p).word, HLS_YES);
		CHECK_EQ(s.rig.asked_count, 0);
		said = come(&s, &p, "10.0.0.1:1");
		CHECK_EQ(said.word, HLS_WAITS);
		CHECK(said.viewer);
		if (said.viewer)
			list_append(&said.viewer->requests, &held);
		CHECK_EQ(s.rig.asked_count, 1);
		pass(&s, 5000); /* its answer on timeout */
		CHECK(list_is_empty(&held));
		CHECK_EQ(s.ins + s.outs, 2);
	}
	list_remove(&held);
	end(&s);
}

TEST(who_goes_while_the_webhook_is_asked_is_never_in)
{
	struct scene s = {0};
	struct player p;
	struct said said;

	s.rig.settings.on_play_auth = "http://h/auth";
	s.rig.settings.webhook_timeout_ms = 1000;
	s.rig.settings.webhook_on_timeout = ACCESS_TIMEOUT_ALLOW;
	if (begin(&s)) {
		said = come(&s, &p, "10.0.0.1:1");
		CHECK_EQ(said.word, HLS_WAITS);
		give_up(&said);
		pass(&s, 0);
		CHECK_EQ(s.outs, 1);
		pass(&s, 5000);
	}
	CHECK_EQ(s.ins, 0);
	CHECK_EQ(hls_viewers_count(&s.viewers), 0);
	end(&s);
}

TEST(what_was_signed_when_the_session_began_holds_at_the_next_edge)
{
	static const char rule[] =
		"{\"kind\":\"key\",\"id\":\"k1\","
		"\"secret\":\"0123456789abcdef\"}";
	struct scene s = {0};
	struct sign_claims c = {.kid = "k1", .ops = ACCESS_PLAY};
	struct buf query = {0};
	struct player p;
	struct said said;

	s.rig.settings.signature = ACCESS_PLAY;
	if (begin(&s)) {
		CHECK_EQ(rig_rule(&s.rig, rule), 0);
		CHECK_EQ(stream_pattern_parse(&c.streams, SPAN_LIT("live/*"),
					      NULL),
			 0);
		c.exp_ms = s.rig.utc_ms + 60000;
		CHECK_EQ(sign_write(&query, &c, SPAN_LIT("0123456789abcdef")),
			 0);
		p = guest(&s, "10.0.0.1:1");
		CHECK_EQ(playlist(&s, &p).word, HLS_NO);
		p.query = buf_text(&query);
		pass(&s, HOUR_MS); /* at another edge until now */
		CHECK_EQ(playlist(&s, &p).word, HLS_YES);
		/* Not so for who begins now, comes from elsewhere, or is late.
		 */
		p.addr = "10.0.0.2:1";
		said = playlist(&s, &p);
		CHECK_EQ(said.word, HLS_NO);
		CHECK_EQ(said.why.why, REASON_unauthorized);
		p.addr = "10.0.0.1:1";
		pass(&s, HLS_TOKEN_LIFE);
		CHECK_EQ(playlist(&s, &p).word, HLS_NO);
	}
	buf_fini(&query);
	end(&s);
}

TEST(where_everybody_can_make_a_token_it_proves_nothing)
{
	struct scene s = {0};

	s.rig.settings.on_play_auth = "http://h/auth";
	s.rig.settings.webhook_timeout_ms = 1000;
	if (begin(&s)) {
		struct player p = guest(&s, "10.0.0.1:1");

		s.viewers.start.is_guessable = true;
		CHECK_EQ(playlist(&s, &p).word, HLS_WAITS);
		CHECK_EQ(s.rig.asked_count, 1);
	}
	end(&s);
}
