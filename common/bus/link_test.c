/* common/bus/link_test.c */
#include "common/bus/link.h"

#include <stdlib.h>

#include "common/test/check.h"

#define KB             1024u
#define STREAM_COUNT   4
#define FRAME_EVERY_MS 40

static const struct link_limits limits = {
	.window_min_bytes = 256 * KB,
	.window_max_bytes = 4096 * KB,
	.queue_max_bytes = 64 * KB,
};

/* Both ends of a connection, and what came over it. */
struct rig {
	struct link_sender sender;
	struct link_receiver receiver;
	struct buf wire;
	struct log *log[STREAM_COUNT];
	struct feed feed[STREAM_COUNT];
	uint64_t appended[STREAM_COUNT];
	uint64_t received[STREAM_COUNT]; /* frames; the next sequence */
	uint64_t now_us;
	uint16_t types[64]; /* of records but frames, and frames' sid + 1000 */
	size_t type_count;
	int verdict; /* what the callbacks return */
};

static void note(struct rig *rig, uint16_t what)
{
	if (rig->type_count < WEIR_ARRAY_LEN(rig->types))
		rig->types[rig->type_count++] = what;
}

static int on_record(void *ctx, const struct record *r)
{
	struct rig *rig = ctx;

	note(rig, r->type);
	return rig->verdict;
}

static int on_frame(void *ctx, const struct record *r, struct frame *f)
{
	struct rig *rig = ctx;
	const uint32_t i = r->sid - 1;

	CHECK(i < STREAM_COUNT);
	CHECK_EQ(f->position.sequence, rig->received[i]++);
	for (size_t at = 0; at < f->payload.len; at += 997)
		CHECK_EQ(f->payload.data[at],
			 (uint8_t)(f->position.sequence + i));
	note(rig, (uint16_t)(1000 + r->sid));
	return rig->verdict;
}

static const struct link_events events = {on_record, on_frame};

static void rig_init(struct rig *rig)
{
	const struct log_limits log_limits = {
		.retain_ms = 100000000,
		.retain_bytes = 1 << 30,
		.gop_max_bytes = 1 << 30,
	};

	*rig = (struct rig){.now_us = 1000000};
	link_sender_init(&rig->sender, &limits);
	link_receiver_init(&rig->receiver, 1, RECORD_BYTES_MAX);
	for (uint32_t i = 0; i < STREAM_COUNT; i++) {
		CHECK_EQ(log_new(&rig->log[i], &log_limits), 0);
		feed_init(&rig->feed[i], rig->log[i], i + 1);
	}
}

static void rig_fini(struct rig *rig)
{
	for (uint32_t i = 0; i < STREAM_COUNT; i++) {
		link_feed_stop(&rig->feed[i]);
		feed_fini(&rig->feed[i]);
		log_free(&rig->log[i]);
	}
	link_sender_fini(&rig->sender);
	link_receiver_fini(&rig->receiver);
	buf_fini(&rig->wire);
}

/* Append one frame to stream `i`, and kick its feed. */
static void append(struct rig *rig, uint32_t i, size_t bytes)
{
	const uint64_t n = rig->appended[i]++;
	const struct frame head = {
		.kind = FRAME_VIDEO,
		.flags = FRAME_JOIN,
		.track = 1,
		.position = {{1, {{(uint8_t)(i + 1)}}}, n},
		.dts_ns = (int64_t)n * FRAME_EVERY_MS * NS_PER_MS,
		.pts_ns = (int64_t)n * FRAME_EVERY_MS * NS_PER_MS,
	};
	struct frame *f = NULL;
	uint8_t *payload;

	CHECK_EQ(frame_new_blank(&f, &head, bytes, &payload), 0);
	memset(payload, (uint8_t)(n + i), bytes);
	CHECK_EQ(log_append_gap(rig->log[i], f), 0);
	frame_unref(&f);
	link_feed_kick(&rig->feed[i]);
}

static void start(struct rig *rig, uint32_t i)
{
	feed_start_oldest(&rig->feed[i]);
	link_feed_start(&rig->sender, &rig->feed[i]);
}

/* Fill one batch into the wire. Returns how much it was. */
static size_t fill(struct rig *rig)
{
	struct buf batch = {0};
	size_t len;

	link_fill(&rig->sender, &batch, rig->now_us);
	CHECK_EQ(buf_error(&batch), 0);
	len = batch.len;
	buf_put(&rig->wire, buf_span(&batch));
	CHECK_EQ(buf_error(&rig->wire), 0);
	buf_fini(&batch);
	return len;
}

static void receive(struct rig *rig)
{
	const char *why;
	size_t used;

	CHECK_EQ(link_receive(&rig->receiver, &used, buf_span(&rig->wire),
			      &events, rig, &why),
		 0);
	buf_drop(&rig->wire, used);
}

static void acknowledge(struct rig *rig)
{
	struct record ack;

	if (link_ack(&rig->receiver, &ack, rig->now_us, true))
		CHECK_EQ(link_on_ack(&rig->sender, ack.sequence, rig->now_us),
			 0);
}

/* Send, receive and acknowledge until all has come. */
static void settle(struct rig *rig)
{
	for (int quiet = 0; quiet < 2; rig->now_us += LINK_ACK_IDLE_US) {
		quiet = fill(rig) ? 0 : quiet + 1;
		receive(rig);
		acknowledge(rig);
	}
}

static void count_out(void *ctx, const struct frame *f)
{
	*(uint64_t *)ctx += f->payload.len;
}

/* Three fragments, and one frame that fits into one. */
TEST(each_frame_is_told_when_its_last_byte_goes_out)
{
	uint64_t told_bytes = 0;
	struct rig rig;

	rig_init(&rig);
	rig.sender.on_frame = count_out;
	rig.sender.ctx = &told_bytes;
	append(&rig, 0, 2 * RECORD_FRAGMENT_BYTES + 1);
	start(&rig, 0);
	fill(&rig);
	CHECK_EQ(told_bytes, 0);
	settle(&rig);
	CHECK_EQ(told_bytes, 2 * RECORD_FRAGMENT_BYTES + 1);
	append(&rig, 0, 100);
	settle(&rig);
	CHECK_EQ(told_bytes, 2 * RECORD_FRAGMENT_BYTES + 101);
	rig_fini(&rig);
}

TEST(frames_of_all_streams_come_once_and_in_order)
{
	struct rig rig;

	rig_init(&rig);
	for (uint32_t i = 0; i < STREAM_COUNT; i++)
		start(&rig, i);
	for (uint32_t n = 0; n < 60; n++)
		for (uint32_t i = 0; i < STREAM_COUNT; i++)
			append(&rig, i, (n * 7919u * (i + 1)) % (90 * KB));
	settle(&rig);
	for (uint32_t i = 0; i < STREAM_COUNT; i++)
		CHECK_EQ(rig.received[i], 60);
	CHECK_EQ(rig.wire.len, 0);
	CHECK(link_is_drained(&rig.sender));
	CHECK_EQ(rig.sender.stats.frames, 240);
	CHECK_EQ(rig.receiver.stats.frames, 240);
	CHECK_EQ(rig.sender.stats.bytes, rig.receiver.stats.bytes);
	rig_fini(&rig);
}

/* Whose frames came, as the rig noted them. */
static size_t sids_that_came(const struct rig *rig, uint32_t *sids)
{
	size_t count = 0;

	for (size_t i = 0; i < rig->type_count; i++)
		if (rig->types[i] > 1000)
			sids[count++] = rig->types[i] - 1000u;
	return count;
}

TEST(whose_frames_come_can_be_seen_before_they_are_taken)
{
	uint32_t seen[64], came[64], few[2];
	struct rig rig;

	rig_init(&rig);
	CHECK_EQ(link_look_ahead(buf_span(&rig.wire), seen, 64), 0);
	for (uint32_t i = 0; i < 3; i++) {
		append(&rig, i, i == 1 ? RECORD_FRAGMENT_BYTES + 1 : 100);
		append(&rig, i, 100);
		start(&rig, i);
	}
	while (fill(&rig))
		;
	CHECK_EQ(link_look_ahead(buf_span(&rig.wire), seen, 64), 6);
	CHECK_EQ(link_look_ahead(buf_span(&rig.wire), few, 2), 2);
	CHECK_EQ(link_look_ahead(
			 span_first(buf_span(&rig.wire), rig.wire.len - 1),
			 came, 64),
		 5); /* the last one is not whole */
	receive(&rig);
	CHECK_EQ(sids_that_came(&rig, came), 6);
	CHECK_EQ(memcmp(seen, came, 6 * sizeof(*seen)), 0);
	CHECK_EQ(memcmp(seen, few, sizeof(few)), 0);
	rig_fini(&rig);
}

TEST(records_do_not_depend_on_where_the_network_cut_them)
{
	struct rig rig;
	struct buf part = {0};

	rig_init(&rig);
	start(&rig, 0);
	for (int n = 0; n < 12; n++)
		append(&rig, 0, (size_t)n * 9);
	while (fill(&rig))
		;
	for (size_t at = 0; at < rig.wire.len; at++) {
		const char *why;
		size_t used;

		buf_put_u8(&part, rig.wire.data[at]);
		CHECK_EQ(link_receive(&rig.receiver, &used, buf_span(&part),
				      &events, &rig, &why),
			 0);
		buf_drop(&part, used);
	}
	CHECK_EQ(part.len, 0);
	CHECK_EQ(rig.received[0], 12);
	buf_fini(&part);
	rig_fini(&rig);
}

TEST(records_go_ahead_of_frames_that_wait)
{
	const struct record ping = {.type = RECORD_PING};
	struct rig rig;

	rig_init(&rig);
	start(&rig, 0);
	append(&rig, 0, 10);
	CHECK_EQ(link_send(&rig.sender, &ping), 0);
	fill(&rig);
	receive(&rig);
	CHECK_EQ(rig.type_count, 2);
	CHECK_EQ(rig.types[0], RECORD_PING);
	CHECK_EQ(rig.types[1], 1001);
	rig_fini(&rig);
}

TEST(a_record_waits_for_the_frame_of_its_stream_that_is_under_way)
{
	const struct record moved = {.type = RECORD_MOVED, .sid = 1};
	const struct record other = {.type = RECORD_MOVED, .sid = 2};
	struct rig rig;

	rig_init(&rig);
	start(&rig, 0);
	append(&rig, 0, 200 * KB);
	fill(&rig);
	CHECK(rig.sender.partial[LANE_LIVE].frame);
	link_feed_stop(&rig.feed[0]);
	CHECK_EQ(link_send(&rig.sender, &moved), 0);
	CHECK_EQ(link_send(&rig.sender, &other), 0);
	settle(&rig);
	CHECK_EQ(rig.type_count, 3);
	CHECK_EQ(rig.types[0], RECORD_MOVED);
	CHECK_EQ(rig.types[1], 1001);
	CHECK_EQ(rig.types[2], RECORD_MOVED);
	CHECK(link_is_drained(&rig.sender));
	rig_fini(&rig);
}

TEST(a_feed_started_anew_goes_behind_its_frame_under_way)
{
	struct rig rig;

	rig_init(&rig);
	start(&rig, 0);
	append(&rig, 0, 200 * KB);
	fill(&rig);
	link_feed_stop(&rig.feed[0]);
	CHECK(!link_feed_kick(&rig.feed[0]));
	feed_start_at(&rig.feed[0], 1);
	link_feed_start(&rig.sender, &rig.feed[0]);
	append(&rig, 0, 100 * KB);
	settle(&rig);
	CHECK_EQ(rig.received[0], 2);
	rig_fini(&rig);
}

TEST(live_streams_go_before_one_that_catches_up)
{
	struct rig rig;
	size_t behind = 0;

	rig_init(&rig);
	for (int n = 0; n < 100; n++)
		append(&rig, 0, 10 * KB);
	start(&rig, 0);
	start(&rig, 1);
	fill(&rig);
	for (int n = 0; n < 8; n++) {
		append(&rig, 1, KB);
		fill(&rig);
		receive(&rig);
		CHECK_EQ(rig.received[1], (uint64_t)n + 1);
		behind = rig.received[0];
		acknowledge(&rig);
		rig.now_us += 40000;
	}
	CHECK(behind > 10 && behind < 100);
	settle(&rig);
	CHECK_EQ(rig.received[0], 100);
	rig_fini(&rig);
}

TEST(streams_that_catch_up_share_by_bytes)
{
	struct rig rig;

	rig_init(&rig);
	for (int n = 0; n < 400; n++) {
		append(&rig, 0, 10 * KB);
		append(&rig, 1, 2 * KB);
	}
	start(&rig, 0);
	start(&rig, 1);
	for (int n = 0; n < 8; n++) {
		fill(&rig);
		receive(&rig);
		rig.now_us += LINK_ACK_US;
		acknowledge(&rig);
	}
	/* Each got half of about 512 kB. */
	CHECK(rig.received[0] >= 19 && rig.received[0] <= 33);
	CHECK(rig.received[1] >= 90 && rig.received[1] <= 165);
	rig_fini(&rig);
}

TEST(a_feed_without_more_waits_for_its_kick)
{
	struct rig rig;

	rig_init(&rig);
	start(&rig, 0);
	CHECK(!link_has_work(&rig.sender));
	CHECK_EQ(fill(&rig), 0);
	append(&rig, 0, 100);
	CHECK(link_has_work(&rig.sender));
	CHECK(fill(&rig) > 100);
	CHECK(!link_has_work(&rig.sender));
	rig_fini(&rig);
}

TEST(a_paused_feed_sends_nothing_until_it_is_kicked)
{
	struct rig rig;

	rig_init(&rig);
	start(&rig, 0);
	append(&rig, 0, 100);
	rig.feed[0].is_paused = true;
	CHECK_EQ(fill(&rig), 0);
	rig.feed[0].is_paused = false;
	CHECK(link_feed_kick(&rig.feed[0]) == &rig.sender);
	CHECK(fill(&rig) > 100);
	rig_fini(&rig);
}

TEST(a_peer_that_acknowledges_nothing_gets_one_window)
{
	struct rig rig;
	size_t sent = 0, n;

	rig_init(&rig);
	for (int i = 0; i < 400; i++)
		append(&rig, 0, 5 * KB);
	start(&rig, 0);
	while ((n = fill(&rig)) != 0)
		sent += n;
	CHECK(sent <= limits.window_min_bytes);
	CHECK(sent + 6 * KB > limits.window_min_bytes);
	CHECK_EQ(link_in_flight(&rig.sender), sent);
	receive(&rig);
	acknowledge(&rig);
	CHECK_EQ(link_in_flight(&rig.sender), 0);
	CHECK(fill(&rig) > 0);
	rig_fini(&rig);
}

TEST(an_idle_window_admits_one_record_of_any_size)
{
	struct rig rig;

	rig_init(&rig);
	rig.sender.window_bytes = rig.sender.limits.window_min_bytes = 1000;
	start(&rig, 0);
	append(&rig, 0, FRAME_PAYLOAD_MAX);
	CHECK_EQ(fill(&rig), RECORD_FRAGMENT_BYTES + RECORD_FRAME_COST);
	CHECK_EQ(fill(&rig), 0);
	settle(&rig);
	CHECK_EQ(rig.received[0], 1);
	rig_fini(&rig);
}

TEST(pings_and_acks_take_nothing_of_the_window)
{
	const struct record ping = {.type = RECORD_PING};
	const struct record end = {.type = RECORD_END, .sid = 1};
	struct rig rig;

	rig_init(&rig);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(link_send(&rig.sender, &ping), 0);
	fill(&rig);
	CHECK_EQ(link_in_flight(&rig.sender), 0);
	CHECK(link_is_drained(&rig.sender));
	CHECK_EQ(link_send(&rig.sender, &end), 0);
	CHECK(!link_is_drained(&rig.sender));
	fill(&rig);
	CHECK(!link_is_drained(&rig.sender));
	receive(&rig);
	acknowledge(&rig);
	CHECK(link_is_drained(&rig.sender));
	rig_fini(&rig);
}

TEST(an_ack_of_what_was_never_sent_breaks_the_protocol)
{
	struct rig rig;

	rig_init(&rig);
	start(&rig, 0);
	append(&rig, 0, 1000);
	fill(&rig);
	CHECK_EQ(link_on_ack(&rig.sender, rig.sender.sent + 1, 1), WEIR_EPROTO);
	CHECK_EQ(link_on_ack(&rig.sender, rig.sender.sent, 1), 0);
	CHECK_EQ(link_on_ack(&rig.sender, 0, 1), WEIR_EPROTO);
	rig_fini(&rig);
}

/* A peer takes `bytes_per_ms` and has a round trip of 1 ms beside that. Returns
 * the most that was in flight in the second half. */
static uint64_t run_peer(struct rig *rig, size_t bytes_per_ms)
{
	uint64_t most = 0;
	size_t credit = 0;

	start(rig, 0);
	for (int ms = 0; ms < 4000; ms++) {
		struct span part;
		const char *why;
		size_t used;

		while (rig->appended[0] < rig->received[0] + 2000)
			append(rig, 0, 4 * KB);
		while (fill(rig))
			;
		if (ms > 2000)
			most = WEIR_MAX(most, link_in_flight(&rig->sender));
		rig->now_us += 1000;
		credit += bytes_per_ms;
		part = span_first(buf_span(&rig->wire), credit);
		CHECK_EQ(link_receive(&rig->receiver, &used, part, &events, rig,
				      &why),
			 0);
		buf_drop(&rig->wire, used);
		credit = WEIR_MIN(credit - used, bytes_per_ms + 8 * KB);
		acknowledge(rig);
	}
	return most;
}

TEST_NO_OOM(a_fast_peer_gets_a_window_that_fits_its_rate) /* too long */
{
	struct rig rig;

	rig_init(&rig);
	run_peer(&rig, 40 * KB); /* 40 MB/s: 2 MB in 50 ms */
	CHECK(rig.received[0] > 4000 * 9);
	CHECK(rig.sender.window_bytes > 1024 * KB);
	rig_fini(&rig);
}

TEST_NO_OOM(a_slow_peer_holds_little_of_what_is_sent) /* too long */
{
	struct rig rig;

	rig_init(&rig);
	CHECK(run_peer(&rig, 500) <= limits.window_min_bytes + 5 * KB);
	CHECK(rig.received[0] > 4000 / 9);
	rig_fini(&rig);
}

TEST(acks_come_by_bytes_by_time_and_when_there_is_time)
{
	struct link_receiver rc;
	struct record ack;

	link_receiver_init(&rc, 1, RECORD_BYTES_MAX);
	rc.acked_at_us = 1000;
	rc.taken = rc.owed = LINK_ACK_BYTES - 1;
	CHECK(!link_ack(&rc, &ack, 1000 + LINK_ACK_US - 1, false));
	CHECK(link_ack(&rc, &ack, 1000 + LINK_ACK_IDLE_US, true));
	CHECK_EQ(ack.type, RECORD_ACK);
	CHECK_EQ(ack.sequence, LINK_ACK_BYTES - 1);
	CHECK(!link_ack(&rc, &ack, 10000000, true));
	rc.taken = rc.owed = rc.taken + LINK_ACK_BYTES;
	CHECK(link_ack(&rc, &ack, rc.acked_at_us, false));
	rc.taken = rc.owed = rc.taken + 1;
	CHECK(link_ack(&rc, &ack, rc.acked_at_us + LINK_ACK_US, false));
	/* Something came, but nothing that asks for it. */
	rc.taken += LINK_ACK_BYTES;
	CHECK(!link_ack(&rc, &ack, rc.acked_at_us + LINK_ACK_US, true));
}

TEST(too_many_queued_records_are_a_limit)
{
	const struct record moved = {.type = RECORD_MOVED, .sid = 1};
	struct rig rig;
	int err = 0;

	rig_init(&rig);
	for (int n = 0; n < 10000 && !err; n++)
		err = link_send(&rig.sender, &moved);
	CHECK_EQ(err, WEIR_ELIMIT);
	CHECK(rig.sender.queue.len <= limits.queue_max_bytes);
	rig_fini(&rig);
}

/* ---- hostile peers ---- */

static int take(struct link_receiver *rc, struct rig *rig, const struct buf *b)
{
	const char *why = NULL;
	size_t used;
	int err = link_receive(rc, &used, buf_span(b), &events, rig, &why);

	CHECK(!err || why);
	return err;
}

TEST(a_record_on_the_wrong_connection_breaks_the_protocol)
{
	const struct record req = {.type = RECORD_REQ};
	const struct record ack = {.type = RECORD_ACK};
	struct buf media = {0}, control = {0};
	struct link_receiver rc;
	struct rig rig = {0};

	record_write(&media, &req);
	record_write(&control, &ack);
	link_receiver_init(&rc, 1, RECORD_BYTES_MAX);
	CHECK_EQ(take(&rc, &rig, &media), WEIR_EPROTO);
	link_receiver_init(&rc, 2, RECORD_BYTES_MAX);
	CHECK_EQ(take(&rc, &rig, &media), 0);
	CHECK_EQ(take(&rc, &rig, &control), WEIR_EPROTO);
	buf_fini(&media);
	buf_fini(&control);
}

TEST(a_long_record_is_refused_before_it_has_come)
{
	struct link_receiver rc;
	struct rig rig = {0};
	struct buf b = {0};

	buf_put_u32_le(&b, 1025);
	link_receiver_init(&rc, 1, 1024);
	CHECK_EQ(take(&rc, &rig, &b), WEIR_ELIMIT);
	buf_fini(&b);
}

TEST(records_of_unknown_types_are_skipped_and_counted)
{
	const struct record ping = {.type = RECORD_PING};
	struct link_receiver rc;
	struct rig rig = {0};
	struct buf b = {0};

	record_write(&b, &ping);
	record_write(&b, &ping);
	CHECK_EQ(buf_error(&b), 0);
	b.data[5] = 0x77;
	link_receiver_init(&rc, 1, RECORD_BYTES_MAX);
	CHECK_EQ(take(&rc, &rig, &b), 0);
	CHECK_EQ(rc.stats.unknown, 1);
	CHECK_EQ(rig.type_count, 1);
	CHECK_EQ(rc.taken, 64);
	buf_fini(&b);
}

static void put_open(struct buf *out, uint32_t sid, uint32_t offset)
{
	static uint8_t payload[3 * RECORD_FRAGMENT_BYTES];
	const struct frame f = {
		.kind = FRAME_AUDIO,
		.position = {{1, {{1}}}, 0},
		.payload = SPAN(payload),
	};

	record_write_frame(out, RECORD_FRAME, sid, 1, &f, offset);
}

TEST(too_many_open_frames_are_a_limit)
{
	struct link_receiver rc;
	struct rig rig = {0};

	link_receiver_init(&rc, 1, RECORD_BYTES_MAX);
	for (uint32_t sid = 1; sid <= LINK_OPEN_MAX + 1; sid++) {
		struct buf b = {0};

		put_open(&b, sid, 0);
		CHECK_EQ(take(&rc, &rig, &b),
			 sid <= LINK_OPEN_MAX ? 0 : WEIR_ELIMIT);
		buf_fini(&b);
	}
	link_receiver_fini(&rc);
}

TEST(a_frame_inside_another_of_its_stream_breaks_the_protocol)
{
	struct link_receiver rc;
	struct rig rig = {0};
	struct buf b = {0};

	put_open(&b, 1, 0);
	link_receiver_init(&rc, 1, RECORD_BYTES_MAX);
	CHECK_EQ(take(&rc, &rig, &b), 0);
	CHECK_EQ(take(&rc, &rig, &b), WEIR_EPROTO);
	buf_clear(&b);
	put_open(&b, 2, RECORD_FRAGMENT_BYTES); /* and one without its first */
	CHECK_EQ(take(&rc, &rig, &b), WEIR_EPROTO);
	link_receiver_fini(&rc);
	buf_fini(&b);
}

TEST(a_callback_may_stop_the_reading)
{
	const struct record ping = {.type = RECORD_PING};
	struct link_receiver rc;
	struct rig rig = {.verdict = WEIR_ESTOP};
	struct buf b = {0};
	const char *why;
	size_t used;

	record_write(&b, &ping);
	record_write(&b, &ping);
	link_receiver_init(&rc, 1, RECORD_BYTES_MAX);
	CHECK_EQ(link_receive(&rc, &used, buf_span(&b), &events, &rig, &why),
		 WEIR_ESTOP);
	CHECK_EQ(used, 32);
	CHECK_EQ(rig.type_count, 1);
	buf_fini(&b);
}
