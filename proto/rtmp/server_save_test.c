/* proto/rtmp/server_save_test.c - a session that goes on in another process. */
#include "common/test/check.h"
#include "proto/rtmp/test_owner.h"

/* Feed up to `cut`, hand over to another session with the unread bytes, feed
 * the rest there. The owner keeps its log and what was sent. */
static int feed_moved(struct owner *o, struct span in, size_t cut)
{
	const struct rtmp_server_events events = events_of(o);
	struct buf saved = {0};
	size_t used;
	int err = owner_open(o);

	if (!err)
		err = rtmp_server_feed(o->server, span_first(in, cut), &used);
	if (!err) {
		rtmp_server_save(o->server, &saved);
		err = buf_error(&saved);
	}
	rtmp_server_free(&o->server);
	if (!err)
		err = rtmp_server_load(&o->server, &events, buf_span(&saved));
	buf_fini(&saved);
	if (!err)
		err = rtmp_server_waits_for(o->server) == RTMP_WAIT_PUBLISH
			      ? rtmp_server_accept_publish(o->server)
		      : rtmp_server_waits_for(o->server) == RTMP_WAIT_PLAY
			      ? rtmp_server_accept_play(o->server)
			      : 0;
	if (!err)
		err = feed_all(o, span_from(in, used));
	return err;
}

static void say_long_publish(struct script *s)
{
	static uint8_t body[3000];

	say_start(s);
	say_command(s, "FCPublish", 3, 0, "cam1", NULL);
	rtmp_put_window(&s->wire, 9000);
	say_command(s, "publish", 4, 1, "cam1?token=a", "live");
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 3);
	say(s, RTMP_VIDEO, 0x01000000, 1, SPAN(body));
	rtmp_put_chunk_size(&s->wire, 1000);
	s->chunk_bytes = 1000;
	say(s, RTMP_AUDIO, 0x01000001, 1, SPAN(body));
	say_delete(s, 1);
	say_command(s, "createStream", 5, 0, NULL, NULL);
	say_command(s, "play", 0, 1, "other", NULL);
	say_command(s, "pause", 0, 1, NULL, NULL);
}

/* Each byte, so each message boundary too. Starved it would take long. */
TEST_NO_OOM(a_session_moves_to_another_process_at_any_byte)
{
	struct owner whole = {0};
	struct script s = {0};

	say_long_publish(&s);
	CHECK_EQ(play_script(&whole, &s), 0);
	for (size_t cut = 0; cut <= s.wire.len; cut++) {
		struct owner o = {0};

		CHECK_EQ(feed_moved(&o, buf_span(&s.wire), cut), 0);
		CHECK_STR(buf_text(&o.log), buf_text(&whole.log));
		CHECK_SPAN(buf_span(&o.sent), buf_span(&whole.sent));
		owner_close(&o);
	}
	finish(&whole, &s);
}

TEST(a_session_moves_with_a_publish_that_nobody_has_decided)
{
	struct owner o = {0};
	struct script s = {0};
	struct rtmp_server *old = NULL;
	const struct rtmp_server_events events = events_of(&o);
	struct buf saved = {0};
	size_t used;

	say_publish(&s);
	say(&s, RTMP_VIDEO, 1, 1, SPAN_LIT("x"));
	if (buf_error(&s.wire) || owner_open(&o) ||
	    rtmp_server_feed(o.server, buf_span(&s.wire), &used))
		goto out;
	rtmp_server_save(o.server, &saved);
	old = o.server;
	o.server = NULL;
	if (buf_error(&saved) ||
	    rtmp_server_load(&o.server, &events, buf_span(&saved)))
		goto out;
	CHECK_EQ(rtmp_server_waits_for(o.server), RTMP_WAIT_PUBLISH);
	CHECK(span_eq_str(rtmp_server_request(o.server)->name, "cam1"));
	CHECK(span_eq_str(rtmp_server_request(o.server)->query, "token=a?b"));
	CHECK(span_eq_str(rtmp_server_connect(o.server)->app, "live?vhost=v"));
	if (!rtmp_server_accept_publish(o.server) &&
	    !rtmp_server_feed(o.server, span_from(buf_span(&s.wire), used),
			      &used))
		CHECK(buf_error(&o.log) ||
		      strstr(buf_text(&o.log), "media 9 1 1"));
out:
	rtmp_server_free(&old);
	buf_fini(&saved);
	finish(&o, &s);
}

TEST(a_session_keeps_what_its_client_can_do)
{
	struct owner o = {0};
	struct script s = {.caps = 1};

	say_publish(&s);
	if (!buf_error(&s.wire) &&
	    !feed_moved(&o, buf_span(&s.wire), s.wire.len))
		CHECK_EQ(rtmp_server_ask_reconnect(o.server, ""), 0);
	finish(&o, &s);
}

TEST_NO_OOM(a_damaged_state_is_refused_or_survived)
{
	struct owner o = {0}, other = {0};
	const struct rtmp_server_events events = events_of(&other);
	struct script s = {0};
	struct buf saved = {0};
	size_t used, survived = 0;

	say_long_publish(&s);
	CHECK_EQ(owner_open(&o), 0);
	CHECK_EQ(feed_all(&o, span_first(buf_span(&s.wire), 6000)), 0);
	rtmp_server_save(o.server, &saved);
	for (size_t i = 0; i < saved.len; i++) {
		struct rtmp_server *bad = NULL;

		CHECK(rtmp_server_load(&bad, &events,
				       span_first(buf_span(&saved), i)) != 0);
		CHECK(!bad);
		saved.data[i] ^= 0xff;
		if (!rtmp_server_load(&bad, &events, buf_span(&saved))) {
			other.server = bad;
			survived += rtmp_server_feed(bad, buf_span(&s.wire),
						     &used) == 0;
		}
		rtmp_server_free(&bad);
		saved.data[i] ^= 0xff;
	}
	saved.data[0] = 9;
	CHECK_EQ(rtmp_server_load(&other.server, &events, buf_span(&saved)),
		 WEIR_EUNSUPPORTED);
	CHECK(survived > 0); /* a payload byte is anybody's */
	other.server = NULL;
	owner_close(&other);
	buf_fini(&saved);
	finish(&o, &s);
}
