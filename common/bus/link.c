/* common/bus/link.c - flow of one connection, both ways. */
#include "common/bus/link.h"

#define LIVE_TURN_BYTES    16384u
#define CATCHUP_TURN_BYTES 65536u
#define RTT_KEPT_US        UINT64_C(10000000)
#define RATE_EVERY_US      20000u
#define US_PER_S           UINT64_C(1000000)

/* ---- sending: feeds in lanes ---- */

void link_sender_init(struct link_sender *s, const struct link_limits *limits)
{
	*s = (struct link_sender){
		.limits = *limits,
		.window_bytes = limits->window_min_bytes,
	};
	s->queue.limit_bytes = limits->queue_max_bytes;
	list_init(&s->feeds);
	for (int i = 0; i < LANE_COUNT; i++) {
		list_init(&s->lane[i].feeds);
		s->lane[i].sender = s;
	}
}

static void partial_fini(struct link_partial *p)
{
	frame_unref(&p->frame);
	buf_fini(&p->after);
}

void link_stop_feeds(struct link_sender *s)
{
	while (!list_is_empty(&s->feeds))
		link_feed_stop(list_entry(s->feeds.next, struct feed, all));
}

void link_sender_fini(struct link_sender *s)
{
	link_stop_feeds(s);
	partial_fini(&s->partial[LANE_LIVE]);
	partial_fini(&s->partial[LANE_CATCHUP]);
	buf_fini(&s->queue);
}

/* Those that have nothing stand in no queue: to take one out of a long queue is
 * to touch its neighbours, which nobody else has touched for long. */
static void enter_lane(struct link_sender *s, struct feed *f, int lane)
{
	list_remove(&f->link);
	if (lane != LANE_IDLE)
		list_append(&s->lane[lane].feeds, &f->link);
	f->bus = &s->lane[lane];
}

static void move_feed(struct link_sender *s, struct feed *f, int lane)
{
	enter_lane(s, f, lane);
	s->turn_bytes = 0;
}

void link_feed_start(struct link_sender *s, struct feed *f)
{
	link_feed_stop(f);
	list_append(&s->feeds, &f->all);
	enter_lane(s, f, LANE_IDLE);
	link_feed_kick(f);
}

void link_feed_stop(struct feed *f)
{
	struct link_lane *lane = f->bus;

	if (!lane)
		return;
	if (lane->feeds.next == &f->link)
		lane->sender->turn_bytes = 0;
	list_remove(&f->link);
	list_remove(&f->all);
	f->bus = NULL;
}

struct link_sender *link_feed_kick(struct feed *f)
{
	struct link_lane *lane = f->bus;

	if (!lane)
		return NULL;
	/* Which lane it belongs to is seen when its turn comes. */
	if (lane == &lane->sender->lane[LANE_IDLE] && feed_is_ready(f))
		enter_lane(lane->sender, f, LANE_LIVE);
	return lane->sender;
}

/* ---- sending: records ---- */

static bool is_acknowledged(uint16_t type)
{
	return type != RECORD_ACK && type != RECORD_PING;
}

/* The frame of this sid that is under way, or NULL. */
static struct link_partial *partial_of(struct link_sender *s, uint32_t sid)
{
	for (int i = 0; i < LANE_IDLE; i++)
		if (s->partial[i].frame && s->partial[i].sid == sid)
			return &s->partial[i];
	return NULL;
}

int link_send(struct link_sender *s, const struct record *r)
{
	struct link_partial *p = r->sid ? partial_of(s, r->sid) : NULL;
	struct buf *to = p ? &p->after : &s->queue;

	if (p && p->after.len >= s->limits.queue_max_bytes)
		return WEIR_ELIMIT;
	record_write(to, r);
	if (buf_error(to))
		return buf_error(to);
	s->stats.records++;
	/* Nothing overtakes the queue, so this is where its end will be. */
	if (!p && is_acknowledged(r->type))
		s->owed = s->sent + s->queue.len;
	return 0;
}

/* What was appended to `out` since it was `before` long is sent. */
static void count_sent(struct link_sender *s, const struct buf *out,
		       size_t before)
{
	s->sent += out->len - before;
	s->stats.bytes += out->len - before;
	s->turn_bytes += (uint32_t)(out->len - before);
	s->owed = s->sent;
}

static void fill_queue(struct link_sender *s, struct buf *out)
{
	const struct span part =
		span_first(buf_span(&s->queue), LINK_BATCH_BYTES - out->len);

	buf_put(out, part);
	s->sent += part.len;
	s->stats.bytes += part.len;
	buf_drop(&s->queue, part.len);
	if (!s->queue.len && s->queue.cap > LINK_BATCH_BYTES)
		buf_fini(&s->queue);
}

/* ---- sending: frames ---- */

uint64_t link_in_flight(const struct link_sender *s)
{
	const uint64_t out = WEIR_MIN(s->owed, s->sent);

	return out > s->acked ? out - s->acked : 0;
}

static bool window_admits(const struct link_sender *s, uint64_t bytes)
{
	const uint64_t in_flight = link_in_flight(s);

	return !in_flight || in_flight + bytes <= s->window_bytes;
}

static void end_partial(struct link_sender *s, struct link_partial *p,
			struct buf *out)
{
	const size_t before = out->len;

	s->stats.frames++;
	if (s->on_frame && p->type == RECORD_FRAME)
		s->on_frame(s->ctx, p->frame);
	buf_put(out, buf_span(&p->after));
	count_sent(s, out, before);
	partial_fini(p);
}

/* One fragment more. false: the window is full. */
static bool fill_partial(struct link_sender *s, struct link_partial *p,
			 struct buf *out)
{
	const size_t left = p->frame->payload.len - p->offset;
	const size_t before = out->len;

	if (!window_admits(s, WEIR_MIN(left, RECORD_FRAGMENT_BYTES) +
				      RECORD_FRAME_COST))
		return false;
	p->offset += record_write_frame(out, p->type, p->sid, p->term_number,
					p->frame, p->offset);
	count_sent(s, out, before);
	s->stats.records++;
	if (p->offset == p->frame->payload.len)
		end_partial(s, p, out);
	return true;
}

static void fill_record(struct link_sender *s, const struct record *r,
			struct buf *out)
{
	const size_t before = out->len;

	record_write(out, r);
	count_sent(s, out, before);
	s->stats.records++;
	s->stats.skips += r->type == RECORD_SKIP;
}

/* Pull one thing from the feed whose turn it is. false: the window is full. */
static bool pull(struct link_sender *s, struct feed *f, int lane,
		 struct buf *out)
{
	struct link_partial *p = &s->partial[lane];
	struct feed_item item;

	feed_next(f, &item);
	switch (item.kind) {
	case FEED_NOTHING:
		move_feed(s, f, LANE_IDLE);
		return true;
	case FEED_RECORD:
		fill_record(s, &item.record, out);
		return true;
	}
	p->frame = frame_ref(item.frame);
	p->offset = 0;
	p->sid = f->sid;
	p->type = item.kind == FEED_STATE ? RECORD_STATE : RECORD_FRAME;
	p->term_number = f->term_number;
	return fill_partial(s, p, out);
}

/* Does the feed belong to the other lane by now? Looked at as a turn begins. */
static bool change_lane(struct link_sender *s, struct feed *f, int lane)
{
	const bool lags = feed_lag_ms(f) > LINK_CATCHUP_MS;
	const int right = lags ? LANE_CATCHUP : LANE_LIVE;

	if (s->turn_bytes || right == lane)
		return false;
	move_feed(s, f, right);
	return true;
}

static void end_turn(struct link_sender *s, struct feed *f, int lane)
{
	const uint32_t most =
		lane == LANE_LIVE ? LIVE_TURN_BYTES : CATCHUP_TURN_BYTES;

	if (f->bus != &s->lane[lane])
		return;
	if (!feed_is_ready(f))
		move_feed(s, f, LANE_IDLE);
	else if (s->turn_bytes >= most)
		move_feed(s, f, lane);
}

enum fill_result { FILL_NOTHING, FILL_WAIT, FILL_DONE };

static enum fill_result fill_lane(struct link_sender *s, int lane,
				  struct buf *out)
{
	struct link_partial *p = &s->partial[lane];
	struct feed *f;
	bool has_room;

	if (p->frame)
		return fill_partial(s, p, out) ? FILL_DONE : FILL_WAIT;
	if (list_is_empty(&s->lane[lane].feeds))
		return FILL_NOTHING;
	f = list_entry(s->lane[lane].feeds.next, struct feed, link);
	p = partial_of(s, f->sid);
	if (p) /* from before it changed lanes, or was started anew */
		return fill_partial(s, p, out) ? FILL_DONE : FILL_WAIT;
	if (change_lane(s, f, lane))
		return FILL_DONE;
	if (!window_admits(s, 1))
		return FILL_WAIT;
	has_room = pull(s, f, lane, out);
	end_turn(s, f, lane);
	return has_room ? FILL_DONE : FILL_WAIT;
}

static void set_mark(struct link_sender *s, uint64_t now_us)
{
	if (s->mark || !link_in_flight(s))
		return;
	s->mark = WEIR_MIN(s->owed, s->sent);
	s->mark_us = now_us;
}

void link_fill(struct link_sender *s, struct buf *out, uint64_t now_us)
{
	enum fill_result result = FILL_DONE;

	while (result == FILL_DONE && out->len < LINK_BATCH_BYTES &&
	       !buf_error(out)) {
		if (s->queue.len) {
			fill_queue(s, out);
			continue;
		}
		result = fill_lane(s, LANE_LIVE, out);
		if (result == FILL_NOTHING)
			result = fill_lane(s, LANE_CATCHUP, out);
	}
	set_mark(s, now_us);
}

bool link_has_work(const struct link_sender *s)
{
	bool has_frames = s->partial[LANE_LIVE].frame ||
			  s->partial[LANE_CATCHUP].frame ||
			  !list_is_empty(&s->lane[LANE_LIVE].feeds) ||
			  !list_is_empty(&s->lane[LANE_CATCHUP].feeds);

	return s->queue.len || (has_frames && window_admits(s, 1));
}

bool link_is_drained(const struct link_sender *s)
{
	return !s->queue.len && s->acked >= s->owed &&
	       !s->partial[LANE_LIVE].frame &&
	       !s->partial[LANE_CATCHUP].frame &&
	       list_is_empty(&s->lane[LANE_LIVE].feeds) &&
	       list_is_empty(&s->lane[LANE_CATCHUP].feeds);
}

/* ---- sending: the window ---- */

static void measure_rtt(struct link_sender *s, uint64_t now_us)
{
	const uint64_t rtt_us = WEIR_MAX(now_us - s->mark_us, 1);

	if (!s->mark || s->acked < s->mark)
		return;
	s->mark = 0;
	if (s->rtt_us && rtt_us > s->rtt_us &&
	    now_us - s->rtt_at_us < RTT_KEPT_US)
		return;
	s->rtt_us = rtt_us;
	s->rtt_at_us = now_us;
}

/* Up at once, down slowly. */
static void measure_rate(struct link_sender *s, uint64_t now_us)
{
	const uint64_t us = now_us - s->rate_from_us;
	uint64_t rate;

	if (us < RATE_EVERY_US)
		return;
	rate = (s->acked - s->rate_from) * US_PER_S / us;
	s->rate = rate > s->rate ? rate : (s->rate * 7 + rate) / 8;
	s->rate_from = s->acked;
	s->rate_from_us = now_us;
}

/* What the peer takes in one undisturbed round trip, and a little more, so that
 * the rate can grow: a peer that is slower than us then holds no more than
 * LINK_QUEUE_US of stale frames in its and the kernel's queues. */
static void set_window(struct link_sender *s)
{
	const uint64_t us = WEIR_MIN(s->rtt_us + LINK_QUEUE_US, US_PER_S);
	const uint64_t bytes = s->rate * us / US_PER_S;

	s->window_bytes =
		(uint32_t)WEIR_MAX(WEIR_MIN(bytes, s->limits.window_max_bytes),
				   s->limits.window_min_bytes);
}

int link_on_ack(struct link_sender *s, uint64_t bytes, uint64_t now_us)
{
	if (bytes < s->acked || bytes > s->sent)
		return WEIR_EPROTO;
	s->acked = bytes;
	measure_rtt(s, now_us);
	measure_rate(s, now_us);
	set_window(s);
	return 0;
}

/* ---- receiving ---- */

void link_receiver_init(struct link_receiver *rc, uint8_t connection,
			uint32_t record_max)
{
	*rc = (struct link_receiver){
		.connection = connection,
		.record_max = record_max,
	};
}

void link_receiver_fini(struct link_receiver *rc)
{
	for (size_t i = 0; i < LINK_OPEN_MAX; i++)
		reassembly_fini(&rc->open[i].ra);
}

static struct link_open *find_open(struct link_receiver *rc, uint32_t sid)
{
	for (size_t i = 0; i < LINK_OPEN_MAX; i++)
		if (rc->open[i].ra.is_open && rc->open[i].sid == sid)
			return &rc->open[i];
	return NULL;
}

static struct link_open *new_open(struct link_receiver *rc, uint32_t sid)
{
	for (size_t i = 0; i < LINK_OPEN_MAX; i++)
		if (!rc->open[i].ra.is_open) {
			rc->open[i].sid = sid;
			return &rc->open[i];
		}
	return NULL;
}

static uint64_t open_bytes(const struct link_receiver *rc)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < LINK_OPEN_MAX; i++)
		bytes += rc->open[i].ra.payload.len;
	return bytes;
}

/* Put a fragment where it belongs; *out as reassembly_take has it. */
static int take_fragment(struct link_receiver *rc, const struct record *r,
			 struct frame **out, const char **why)
{
	const uint16_t whole = FRAME_FIRST | FRAME_LAST;
	struct link_open *open;
	bool was_open;
	int err;

	/* As nearly all are. */
	if (!rc->open_count && (r->flags & whole) == whole) {
		*why = "no memory for a frame";
		return frame_new(out, &r->frame, r->frame.payload);
	}
	open = find_open(rc, r->sid);
	if (!open)
		open = new_open(rc, r->sid);
	*why = "too many frames are open";
	if (!open || open_bytes(rc) + r->frame.payload.len > LINK_OPEN_BYTES)
		return WEIR_ELIMIT;
	*why = "a fragment is out of place";
	was_open = open->ra.is_open;
	err = reassembly_take(&open->ra, out, r);
	rc->open_count += (uint32_t)open->ra.is_open - (uint32_t)was_open;
	if (err == WEIR_ENOMEM)
		*why = "no memory for a frame";
	return err;
}

static int take_frame(struct link_receiver *rc, const struct record *r,
		      const struct link_events *events, void *ctx,
		      const char **why)
{
	struct frame *f = NULL;
	int err = take_fragment(rc, r, &f, why);

	if (err || !f)
		return err;
	*why = "a frame was refused";
	rc->stats.frames++;
	err = events->on_frame(ctx, r, f);
	frame_unref(&f);
	return err;
}

static int take_record(struct link_receiver *rc, struct span whole,
		       const struct link_events *events, void *ctx,
		       const char **why)
{
	struct record r;
	int err = record_read(&r, whole, why);

	rc->stats.records++;
	if (err == WEIR_EUNSUPPORTED) {
		rc->stats.unknown++;
		return 0;
	}
	if (err)
		return err;
	*why = "a record came on the wrong connection";
	if (!(record_connection(r.type) & rc->connection))
		return WEIR_EPROTO;
	if (is_acknowledged(r.type))
		rc->owed = rc->taken + whole.len;
	if (r.type == RECORD_FRAME || r.type == RECORD_STATE)
		return take_frame(rc, &r, events, ctx, why);
	*why = "a record was refused";
	return events->on_record(ctx, &r);
}

int link_receive(struct link_receiver *rc, size_t *used, struct span in,
		 const struct link_events *events, void *ctx, const char **why)
{
	size_t len;
	int err;

	*used = 0;
	for (;;) {
		*why = "the length of a record is out of range";
		err = record_length(&len, in);
		if (err)
			return err == WEIR_ESHORT ? 0 : err;
		*why = "a record is longer than it may be yet";
		if (len > rc->record_max)
			return WEIR_ELIMIT;
		if (len > in.len)
			return 0;
		err = take_record(rc, span_first(in, len), events, ctx, why);
		if (err && err != WEIR_ESTOP)
			return err;
		rc->taken += len;
		rc->stats.bytes += len;
		*used += len;
		if (err)
			return err;
		in = span_from(in, len);
	}
}

size_t link_look_ahead(struct span in, uint32_t *sids, size_t max)
{
	size_t count = 0, len;

	while (count < max && !record_length(&len, in) && len <= in.len) {
		count += record_is_frame(in, &sids[count]);
		in = span_from(in, len);
	}
	return count;
}

static bool is_ack_due(const struct link_receiver *rc, uint64_t now_us,
		       bool is_idle)
{
	const uint64_t us = now_us - rc->acked_at_us;

	if (rc->owed <= rc->acked || rc->taken <= rc->acked)
		return false;
	return rc->taken - rc->acked >= LINK_ACK_BYTES || us >= LINK_ACK_US ||
	       (is_idle && us >= LINK_ACK_IDLE_US);
}

bool link_ack(struct link_receiver *rc, struct record *out, uint64_t now_us,
	      bool is_idle)
{
	if (!is_ack_due(rc, now_us, is_idle))
		return false;
	rc->acked = rc->taken;
	rc->acked_at_us = now_us;
	*out = (struct record){.type = RECORD_ACK, .sequence = rc->taken};
	return true;
}
