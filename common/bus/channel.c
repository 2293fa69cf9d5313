/* common/bus/channel.c - one connection of the bus: from first byte to last. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/fetch.h"
#include "common/bus/bus_priv.h"
#include "common/io/clock.h"

#define BUSY_PERMILLE   100u  /* from here on acknowledgements wait */
#define SHRINK_AFTER_MS 1000u /* without a write */

static const struct pipe_events pipe_events;

/* ---- making and closing ---- */

static struct channel *channel_new(struct bus *b, uint8_t connection,
				   const char *expected)
{
	const struct link_limits limits = {
		.window_min_bytes = b->config.window_min_bytes,
		.window_max_bytes = b->config.window_max_bytes,
		.queue_max_bytes = BUS_QUEUE_MAX_BYTES,
	};
	uint8_t nonce[HANDSHAKE_NONCE_BYTES];
	struct channel *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	io_random(nonce, sizeof(nonce));
	c->bus = b;
	c->opened_ms = c->heard_ms = bus_now_ms(b);
	list_init(&c->link);
	handshake_init(&c->hs, &b->self, nonce, connection, expected);
	link_sender_init(&c->tx, &limits);
	c->tx.on_frame = b->events.on_frame_out;
	c->tx.ctx = b->ctx;
	/* What may come, until it is known which of the two it is. */
	link_receiver_init(&c->rx, CONNECTION_MEDIA | CONNECTION_CONTROL,
			   HANDSHAKE_RECORD_MAX);
	return c;
}

void channel_free(struct channel *c)
{
	pass_task_cancel(&c->flush);
	list_remove(&c->link);
	link_sender_fini(&c->tx);
	link_receiver_fini(&c->rx);
	free(c);
}

static void count_past(struct channel *c)
{
	struct bus_stats *past = &c->bus->past;

	past->bytes_in += c->rx.stats.bytes;
	past->records_in += c->rx.stats.records;
	past->frames_in += c->rx.stats.frames;
	past->unknown_records += c->rx.stats.unknown;
	past->bytes_out += c->tx.stats.bytes;
	past->records_out += c->tx.stats.records;
	past->frames_out += c->tx.stats.frames;
	past->skips += c->tx.stats.skips;
}

static bool is_half_open(const struct channel *c)
{
	return !c->target && c->state < CHANNEL_UP;
}

void channel_close(struct channel *c)
{
	struct bus *b = c->bus;

	if (c->state == CHANNEL_DEAD)
		return;
	if (is_half_open(c))
		b->half_open_count--;
	c->state = CHANNEL_DEAD;
	link_stop_feeds(&c->tx);
	count_past(c);
	pass_task_cancel(&c->flush);
	pipe_close(&c->pipe);
	peer_leave(c);
	for (int i = 0; c->target && i < 2; i++)
		if (c->target->conn[i] == c)
			c->target->conn[i] = NULL;
	c->target = NULL;
	list_remove(&c->link);
	list_append(&b->dead_channels, &c->link);
	bus_reap_soon(b);
}

void channel_lost(struct channel *c, enum reason why)
{
	struct target *t = c->target;

	if (c->state == CHANNEL_DEAD)
		return;
	if (c->peer && c->peer->state == PEER_UP) {
		peer_down(c->peer, why);
		return;
	}
	channel_close(c);
	if (t)
		target_failed(t);
}

/* A target that fails for the same reason twice a second is told once. */
static bool is_news(struct target *t, const char *detail)
{
	if (!t)
		return true;
	if (t->reported == detail)
		return false;
	t->reported = detail;
	return true;
}

void channel_refuse(struct channel *c, enum reason why, const char *detail)
{
	struct bus *b = c->bus;
	bool must_tell;

	if (c->state == CHANNEL_DEAD)
		return;
	must_tell = is_news(c->target, detail);
	b->past.refused_peers++;
	channel_lost(c, why);
	if (must_tell && b->events.on_refused)
		b->events.on_refused(b->ctx, c->addr, why, detail);
}

/* Nobody who is silent keeps others out: the oldest goes. Those who know what
 * to say are through before their turn comes. */
static void make_room(struct bus *b)
{
	struct list *it = b->half_open.next;

	if (b->half_open_count < b->config.half_open_max)
		return;
	channel_refuse(list_entry(it, struct channel, link), REASON_limit,
		       "too many connections have not proven themselves");
}

void channel_accept(struct bus *b, struct pipe *p)
{
	struct channel *c;

	make_room(b);
	c = channel_new(b, 0, "");
	if (!c) {
		b->past.refused_peers++;
		pipe_close(&p);
		return;
	}
	c->pipe = p;
	c->state = CHANNEL_HANDSHAKE;
	snprintf(c->addr, sizeof(c->addr), "%s", pipe_addr(p));
	list_append(&b->half_open, &c->link);
	b->half_open_count++;
	pipe_own(p, &pipe_events, c);
}

int channel_dial(struct target *t, uint8_t connection)
{
	struct bus *b = t->bus;
	struct channel *c = channel_new(b, connection, t->node);
	int err;

	if (!c)
		return WEIR_ENOMEM;
	err = pipe_dial(&c->pipe, t->dialer, b->config.handshake_ms,
			&pipe_events, c);
	if (err) {
		channel_free(c);
		return err;
	}
	c->state = CHANNEL_DIALING;
	c->target = t;
	t->conn[connection - 1] = c;
	snprintf(c->addr, sizeof(c->addr), "%.63s", t->url);
	list_append(&b->channels, &c->link);
	return 0;
}

/* ---- sending ---- */

/* What is put off makes less to do: busy begins and ends at different shares. */
uint32_t bus_put_off_ms(struct bus *b)
{
	const uint32_t begin = b->config.flush_busy_permille;

	b->is_busy =
		loop_busy_permille(b->loop) >= (b->is_busy ? begin / 2 : begin);
	return b->is_busy ? b->config.flush_ms : 0;
}

static void on_rested(struct bus *b)
{
	b->has_rested = false;
}

/* Behind the flushes of what was brought until now. */
void bus_has_rested(struct bus *b)
{
	b->has_rested = true;
	loop_at_pass_end(b->loop, &b->rested, on_rested, b);
}

/* When there is much to do, a little more may come together first. */
static bool must_wait(struct channel *c, uint64_t now_ms)
{
	const uint64_t until_ms = c->written_ms + bus_put_off_ms(c->bus);

	if (c->bus->has_rested || c->state != CHANNEL_UP ||
	    now_ms >= until_ms || c->tx.queue.len ||
	    c->pending_bytes >= LINK_BATCH_BYTES)
		return false;
	c->bus->past.put_off += c->wait_until_ms != until_ms;
	c->wait_until_ms = until_ms;
	bus_due_at(c->bus, until_ms);
	return true;
}

static void acknowledge(struct channel *c)
{
	const bool is_idle = loop_busy_permille(c->bus->loop) < BUSY_PERMILLE;
	struct record ack;

	if (c->state == CHANNEL_UP && c->rx.connection == CONNECTION_MEDIA &&
	    link_ack(&c->rx, &ack, bus_now_us(c->bus), is_idle))
		(void)channel_send(c, &ack);
}

static void flush(struct channel *c)
{
	struct bus *b = c->bus;
	const uint64_t now_ms = bus_now_ms(b);
	struct buf *out;

	if (!c->pipe || c->state == CHANNEL_DIALING)
		return;
	if (pipe_is_sending(c->pipe))
		return; /* and again when that is done */
	acknowledge(c);
	if (c->state == CHANNEL_DEAD || !link_has_work(&c->tx) ||
	    must_wait(c, now_ms))
		return;
	/* Frames of a process that was away must not go out unchecked. */
	loop_check_away(b->loop);
	if (c->state == CHANNEL_DEAD)
		return;
	out = pipe_out(c->pipe);
	link_fill(&c->tx, out, bus_now_us(b));
	if (buf_error(out)) {
		channel_refuse(c, REASON_no_resources, "no memory to send");
		return;
	}
	/* What did not fit has waited long enough. */
	c->pending_bytes = link_has_work(&c->tx) ? LINK_BATCH_BYTES : 0;
	c->wait_until_ms = 0;
	if (!out->len)
		return;
	c->written_ms = now_ms;
	b->past.writes++;
	pipe_send(c->pipe);
	if (!pipe_is_sending(c->pipe) && link_has_work(&c->tx))
		channel_flush_soon(c);
}

void channel_flush_soon(struct channel *c)
{
	if (c->pipe)
		loop_at_pass_end(c->bus->loop, &c->flush, flush, c);
}

bool channel_send(struct channel *c, const struct record *r)
{
	int err;

	if (c->state == CHANNEL_DEAD)
		return false;
	if (c->state == CHANNEL_ENDED)
		return true; /* on_down is about to say it */
	err = link_send(&c->tx, r);
	if (err) {
		channel_refuse(c,
			       err == WEIR_ELIMIT ? REASON_limit
						  : REASON_no_resources,
			       "it does not take what is sent to it");
		return false;
	}
	channel_flush_soon(c);
	return true;
}

/* ---- receiving ---- */

static int on_handshake(struct channel *c, const struct record *r)
{
	enum reason why = REASON_none;
	const char *detail = "";
	struct record reply;

	if (handshake_take(&c->hs, r, &reply, &why, &detail)) {
		channel_refuse(c, why, detail);
		return WEIR_ESTOP;
	}
	if (reply.type && !channel_send(c, &reply))
		return WEIR_ESTOP;
	if (c->hs.stage != HANDSHAKE_DONE)
		return 0;
	/* Nothing is read until its pair is there. */
	c->rx.connection = c->hs.connection;
	c->state = CHANNEL_PROVEN;
	pipe_pause(c->pipe);
	peer_join(c);
	return WEIR_ESTOP;
}

static int on_up_record(struct channel *c, const struct record *r)
{
	struct bus *b = c->bus;

	switch (r->type) {
	case RECORD_HELLO:
	case RECORD_PROOF:
		return WEIR_EPROTO;
	case RECORD_PING:
		return 0;
	case RECORD_ACK:
		channel_flush_soon(c);
		return link_on_ack(&c->tx, r->sequence, bus_now_us(b));
	case RECORD_REQ:
		return requests_on_req(c, r);
	case RECORD_REP:
		return requests_on_rep(c, r);
	default:
		return b->events.on_record(b->ctx, c->peer->node.link, r);
	}
}

static int on_record(void *ctx, const struct record *r)
{
	struct channel *c = ctx;
	int err = c->state == CHANNEL_UP ? on_up_record(c, r)
					 : on_handshake(c, r);

	/* A callback may have closed the link. */
	return c->state == CHANNEL_DEAD ? WEIR_ESTOP : err;
}

static int on_frame(void *ctx, const struct record *r, struct frame *f)
{
	struct channel *c = ctx;
	struct bus *b = c->bus;
	int err;

	if (c->state != CHANNEL_UP)
		return WEIR_EPROTO;
	err = b->events.on_frame(b->ctx, c->peer->node.link, r->type, r->sid,
				 r->term_number, f);
	return c->state == CHANNEL_DEAD ? WEIR_ESTOP : err;
}

static const struct link_events link_events = {on_record, on_frame};

static enum reason reason_of(int err)
{
	switch (err) {
	case WEIR_ELIMIT:
		return REASON_limit;
	case WEIR_ENOMEM:
		return REASON_no_resources;
	default:
		return REASON_protocol_error;
	}
}

/* Of many streams each touches other memory: all of it is asked for at once. */
static void look_ahead(struct channel *c)
{
	uint32_t sids[FETCH_AHEAD_MAX];
	size_t count;

	if (c->state != CHANNEL_UP || !c->bus->events.on_ahead)
		return;
	count = link_look_ahead(pipe_in(c->pipe), sids, FETCH_AHEAD_MAX);
	if (count > 1)
		c->bus->events.on_ahead(c->bus->ctx, c->peer->node.link, sids,
					count);
}

void channel_read(struct channel *c)
{
	const char *why = "";
	size_t used;
	int err;

	/* First who stands still was told, then the news. */
	loop_check_away(c->bus->loop);
	if (c->state == CHANNEL_DEAD)
		return;
	look_ahead(c);
	err = link_receive(&c->rx, &used, pipe_in(c->pipe), &link_events, c,
			   &why);
	if (c->state == CHANNEL_DEAD)
		return;
	pipe_used(c->pipe, used);
	if (err && err != WEIR_ESTOP)
		channel_refuse(c, reason_of(err), why);
	else
		channel_flush_soon(c);
}

static void on_data(void *ctx)
{
	struct channel *c = ctx;

	c->heard_ms = bus_now_ms(c->bus);
	channel_read(c);
}

static void on_sent(void *ctx)
{
	channel_flush_soon(ctx);
}

/* ---- opening, closing ---- */

static void on_open(void *ctx)
{
	struct channel *c = ctx;
	struct record hello;

	c->state = CHANNEL_HANDSHAKE;
	c->heard_ms = bus_now_ms(c->bus);
	handshake_begin(&c->hs, &hello);
	(void)channel_send(c, &hello);
}

/* Both connections of a process that died end at once, and which end is noticed
 * first says nothing: its last frames may still wait in the other one. */
static bool must_read_pair(const struct channel *c)
{
	return c->state == CHANNEL_UP && c == c->peer->conn[1] &&
	       c->peer->conn[0]->state == CHANNEL_UP;
}

static void on_closed(void *ctx, int err)
{
	struct channel *c = ctx;
	struct bus *b = c->bus;

	c->pipe = NULL; /* it is gone already */
	if (err == -ECONNREFUSED && c->target && b->events.on_absent)
		b->events.on_absent(b->ctx, c->target->node);
	if (c->target && c->state != CHANNEL_UP &&
	    c->state != CHANNEL_DIALING) {
		channel_refuse(c, REASON_peer_left,
			       "it closed before the link was up");
		return;
	}
	if (must_read_pair(c)) {
		c->state = CHANNEL_ENDED;
		c->heard_ms = bus_now_ms(b);
		return;
	}
	/* Who looks in and leaves again is no news: health checks do. */
	if (is_half_open(c))
		c->bus->past.refused_peers++;
	channel_lost(c, REASON_peer_left);
}

static const struct pipe_events pipe_events = {
	.on_open = on_open,
	.on_data = on_data,
	.on_sent = on_sent,
	.on_closed = on_closed,
};

void channel_go_up(struct channel *c)
{
	if (is_half_open(c))
		c->bus->half_open_count--;
	c->state = CHANNEL_UP;
	c->rx.record_max = RECORD_BYTES_MAX;
	c->rx.acked = c->rx.taken; /* nobody waits for the handshake's */
	c->tx.owed = 0;
	list_remove(&c->link);
	list_append(&c->bus->channels, &c->link);
	pipe_watch(c->pipe);
}

/* ---- time ---- */

static bool judge_up(struct channel *c, uint64_t now_ms)
{
	if (now_ms - c->heard_ms > c->bus->config.peer_dead_ms) {
		channel_lost(c, REASON_bus_silent);
		return true;
	}
	if (now_ms - c->written_ms > SHRINK_AFTER_MS)
		pipe_shrink(c->pipe);
	if (c->rx.owed > c->rx.acked)
		channel_flush_soon(c);
	return false;
}

/* Its pair ends by itself when all is read, and at last is ended here. */
static bool judge_ended(struct channel *c, uint64_t now_ms)
{
	const uint64_t heard_ms = c->peer->conn[0]->heard_ms;

	if (now_ms <= WEIR_MAX(c->heard_ms, heard_ms) + BUS_LAST_MS &&
	    now_ms <= c->heard_ms + c->bus->config.peer_dead_ms)
		return false;
	channel_lost(c, REASON_peer_left);
	return true;
}

bool channel_tick(struct channel *c, uint64_t now_ms)
{
	if (c->state == CHANNEL_UP)
		return judge_up(c, now_ms);
	if (c->state == CHANNEL_ENDED)
		return judge_ended(c, now_ms);
	if (now_ms - c->opened_ms <= c->bus->config.handshake_ms)
		return false;
	channel_refuse(c, REASON_timeout,
		       c->state == CHANNEL_PROVEN
			       ? "its other connection did not come"
			       : "it did not prove itself in time");
	return true;
}
