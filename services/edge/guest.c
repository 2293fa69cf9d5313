/* services/edge/guest.c - a guest of a door: from its first byte to its last. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "services/edge/door_priv.h"
#include "services/edge/internal.h"

static struct edge_protocol_stats *protocol_stats(struct guest *g)
{
	return &g->edge->stats.way[g->way->way];
}

static const char *protocol_name(const struct guest *g)
{
	return g->way ? edge_way_name(g->way->way) : g->door->ops->protocol;
}

/* ---- phases ---- */

static void count_phase(struct guest *g, uint64_t by)
{
	struct edge_stats *s = &g->edge->stats;

	s->half_open += g->phase == GUEST_HALF_OPEN ? by : 0;
	g->door->half_open_count += g->phase == GUEST_HALF_OPEN ? by : 0;
	s->waiting += g->phase == GUEST_WAITING ? by : 0;
	s->passing += g->phase == GUEST_PASSING ? by : 0;
	if (g->phase == GUEST_VIEWING)
		protocol_stats(g)->viewers += by;
}

void guest_go_to(struct guest *g, enum guest_phase phase)
{
	struct door *d = g->door;

	count_phase(g, UINT64_MAX); /* one less */
	g->phase = phase;
	count_phase(g, 1);
	g->since_ms = loop_now_ms(g->edge->loop);
	list_remove(&g->link);
	list_append(phase == GUEST_HALF_OPEN ? &d->half_open
		    : phase == GUEST_WAITING ? &d->waiting
		    : phase == GUEST_VIEWING ? &d->viewing
					     : &d->leaving,
		    &g->link);
}

/* ---- the end ---- */

void guest_visit(struct guest *g, enum event_visit_kind kind,
		 const struct stream_key *key, enum reason why,
		 const char *detail)
{
	char ip[NET_ADDR_TEXT_SIZE];
	const struct event_visit visit = {
		.kind = kind,
		.reason = (int)why,
		.protocol = protocol_name(g),
		.address = net_addr_ip_text(ip, &g->addr),
		.detail = detail,
	};

	streams_visit(g->edge->streams, key, &visit);
}

/* What `weir explain` shows of viewers: those who did not leave by themselves.
 */
static void note_end(struct guest *g)
{
	if (!g->session.key || g->why == REASON_peer_left ||
	    g->why == REASON_peer_end || g->why == REASON_stream_ended)
		return;
	guest_visit(g, g->has_played ? EVENT_PLAY_END : EVENT_PLAY_REFUSED,
		    g->session.key, g->why, g->detail);
}

static void say_end(struct guest *g)
{
	struct logger *log = g->edge->log;
	const struct session *s = &g->session;
	const char *stream = s->key ? s->key->text : "";

	if (g->has_played)
		logger_event(log, &edge_play_end, kv_str("stream", stream),
			     kv_str("session", s->id),
			     kv_addr("peer", &g->addr),
			     kv_str("proto", protocol_name(g)),
			     kv_str("reason", reason_name(g->why)),
			     kv_str("detail", g->detail),
			     kv_uint("bytes", s->wrote_bytes),
			     kv_uint("ms",
				     loop_now_ms(g->edge->loop) - g->played_ms),
			     kv_uint("skipped", s->skipped));
	else if (g->has_asked)
		logger_event(log, &edge_play_refused, kv_str("stream", stream),
			     kv_str("session", s->id),
			     kv_addr("peer", &g->addr),
			     kv_str("proto", protocol_name(g)),
			     kv_str("reason", reason_name(g->why)),
			     kv_str("detail", g->detail));
	else if (!g->is_passed)
		logger_event(log, &edge_peer_closed, kv_addr("peer", &g->addr),
			     kv_str("proto", protocol_name(g)),
			     kv_str("reason", reason_name(g->why)),
			     kv_str("detail", g->detail),
			     kv_uint("bytes", s->read_bytes));
}

void guest_free(struct guest *g)
{
	struct door *d = g->door;

	if (g->has_played)
		g->edge->stats.reason[g->why].ended++;
	if (!g->is_given)
		say_end(g);
	note_end(g);
	count_phase(g, UINT64_MAX);
	d->guests--;
	g->edge->stats.connections--;
	gate_leave(&g->pass);
	list_remove(&g->link);
	list_remove(&g->waiter.link);
	passing_free(&g->passing);
	viewer_free(&g->viewer);
	conn_free(&g->conn);
	peek_free(&g->peek);
	if (g->fd >= 0)
		close(g->fd);
	d->ops->close(g);
	session_fini(&g->session);
	free(g->key);
	stream_leave(&g->stream);
	free(g->via);
	crowd_leave(&g->edge->crowd, &g->addr);
	if (g->listener)
		listener_done(g->listener);
	free(g);
}

void guest_set_why(struct guest *g, enum reason why, const char *detail)
{
	if (g->why)
		return;
	g->why = why;
	if (detail)
		snprintf(g->detail, sizeof(g->detail), "%s", detail);
	if (!g->has_played && why != REASON_peer_left && why != REASON_peer_end)
		g->edge->stats.reason[why].refused++;
}

void guest_close(struct guest *g, enum reason why, const char *detail)
{
	guest_set_why(g, why, detail);
	gate_leave(&g->pass);
	list_remove(&g->waiter.link);
	passing_free(&g->passing);
	guest_go_to(g, GUEST_LEAVING);
	conn_close(g->conn, WEIR_ECLOSED);
}

void guest_refuse(struct guest *g, enum reason why, const char *detail)
{
	g->door->ops->refuse(g, why, detail);
	guest_close(g, why, detail);
}

void guest_end(struct guest *g, enum reason why, const char *detail)
{
	if (g->viewer)
		viewer_end(g->viewer, why);
	else if (g->phase != GUEST_LEAVING)
		guest_refuse(g, why, detail);
}

/* ---- the socket before and after viewing ---- */

static int64_t on_data(void *ctx, struct span in)
{
	struct guest *g = ctx;
	int64_t taken = g->door->ops->on_data(g, in);

	if (taken > 0)
		g->session.read_bytes += (uint64_t)taken;
	if (taken < 0)
		guest_set_why(g, reason_of_error((int)taken), NULL);
	return taken;
}

static void on_close(void *ctx, int err)
{
	struct guest *g = ctx;
	struct conn_stats s;

	conn_stats(g->conn, &s);
	g->session.wrote_bytes += s.out_bytes;
	if (conn_fault(g->conn) && !g->why)
		snprintf(g->detail, sizeof(g->detail), "TLS: %s",
			 conn_fault(g->conn));
	guest_set_why(g, reason_of_error(err),
		      err == WEIR_ECLOSED || conn_fault(g->conn)
			      ? NULL
			      : weir_strerror(err));
	guest_free(g);
}

static const struct conn_ops conn_ops = {
	.on_data = on_data,
	.on_close = on_close,
};

const struct door_ops *guest_ops(const struct guest *g)
{
	return g->door->ops;
}

int guest_send(struct guest *g, struct span bytes)
{
	if (!g->viewer)
		return g->conn ? conn_send(g->conn, bytes) : WEIR_ECLOSED;
	viewer_insert(g->viewer, bytes);
	return 0;
}

/* ---- viewing ---- */

static enum reason on_viewer_data(void *ctx, struct span in)
{
	struct guest *g = ctx;

	return g->door->ops->on_viewer_data(g, in);
}

/* Is the peer still worth a word, and does it read? */
static bool ends_in_order(enum reason why)
{
	return why != REASON_peer_left && why != REASON_slow_viewer &&
	       why != REASON_no_resources && why != REASON_limit;
}

/* The socket goes back to a conn, which sends the rest and lingers. */
static int take_back(struct guest *g)
{
	struct conn_limits limits = g->door->ops->limits;
	struct tls *tls = NULL;
	struct buf rest = {0};
	int fd, err;

	err = viewer_detach(g->viewer, &fd, &tls, &rest);
	if (!err) {
		limits.send_bytes += rest.len;
		err = conn_new(&g->conn, g->edge->loop, fd, &limits, &conn_ops,
			       g);
	}
	if (!err) {
		conn_set_tls(g->conn, tls);
		err = conn_send(g->conn, buf_span(&rest));
	} else {
		tls_free(&tls);
	}
	buf_fini(&rest);
	viewer_free(&g->viewer);
	return err;
}

static void on_viewer_end(void *ctx, enum reason why)
{
	struct guest *g = ctx;

	guest_set_why(g, why, NULL);
	if (!ends_in_order(why) || take_back(g)) {
		guest_free(g);
		return;
	}
	g->door->ops->finish(g, why);
	guest_close(g, why, NULL);
}

static const struct viewer_ops viewer_ops = {
	.on_data = on_viewer_data,
	.on_end = on_viewer_end,
};

static void say_start(struct guest *g)
{
	uint64_t now_ms = loop_now_ms(g->edge->loop);

	g->has_played = true;
	g->played_ms = now_ms;
	protocol_stats(g)->started++;
	logger_event(g->edge->log, &edge_play_start,
		     kv_str("stream", stream_key(g->stream)->text),
		     kv_str("session", g->session.id),
		     kv_addr("peer", &g->addr),
		     kv_str("proto", protocol_name(g)),
		     kv_uint("waited_ms", now_ms - g->since_ms));
}

/* Those who waited for a publisher say nothing about how fast we are. */
static uint64_t measured_from_us(const struct guest *g)
{
	uint64_t waited_ms = loop_now_ms(g->edge->loop) - g->since_ms;

	return waited_ms < 1000 ? g->accepted_us : 0;
}

/* The socket goes to a viewer, with what was not sent yet in front. */
static int hand_over(struct guest *g, struct buf *unread, struct buf *unsent)
{
	struct conn_stats s;
	struct viewer_start start = {
		.ops = &viewer_ops,
		.ctx = g,
		.session = &g->session,
		.connected_us = measured_from_us(g),
	};
	int err;

	conn_stats(g->conn, &s);
	err = conn_detach(g->conn, &start.fd, 0, unread, unsent);
	if (err)
		return err;
	start.tls = conn_take_tls(g->conn);
	conn_free(&g->conn);
	g->session.wrote_bytes += s.out_bytes;
	start.greeting = buf_span(unsent);
	err = viewer_new(&g->viewer, stream_fanout(g->stream), g->way->format,
			 &start);
	if (err) {
		tls_free(&start.tls);
		close(start.fd);
	}
	return err;
}

static void start_viewing(struct guest *g)
{
	struct buf unread = {0}, unsent = {0};
	enum reason why;
	int err = hand_over(g, &unread, &unsent);

	if (err) {
		guest_set_why(g, reason_of_error(err), weir_strerror(err));
		buf_fini(&unread);
		buf_fini(&unsent);
		guest_free(g);
		return;
	}
	say_start(g);
	guest_go_to(g, GUEST_VIEWING);
	why = unread.len ? on_viewer_data(g, buf_span(&unread)) : REASON_none;
	if (why)
		viewer_end(g->viewer, why);
	buf_fini(&unread);
	buf_fini(&unsent);
}

static void on_ready(void *ctx)
{
	struct guest *g = ctx;
	int err = g->door->ops->accept(g);

	if (!err)
		start_viewing(g);
	else if (err == WEIR_ESTOP)
		guest_close(g, REASON_peer_end, "no media wanted");
	else
		guest_close(g, reason_of_error(err), weir_strerror(err));
}

static void on_refused(void *ctx, const char *why)
{
	guest_refuse(ctx, REASON_unsupported, why);
}

/* ---- may it? ---- */

/* It may: it waits for its stream from now on. */
static void enter(struct guest *g)
{
	int err = stream_enter_by(&g->stream, g->edge->streams, g->key,
				  g->via ? g->via : "");

	if (err) {
		guest_refuse(g, REASON_no_resources, "");
		return;
	}
	g->session.key = stream_key(g->stream);
	session_set_user(&g->session, gate_user(&g->pass));
	free(g->key);
	free(g->via);
	g->key = NULL;
	g->via = NULL;
	guest_go_to(g, GUEST_WAITING); /* the time until now does not count */
	err = fanout_wait(stream_fanout(g->stream), g->way->format, &g->waiter);
	if (err)
		guest_refuse(g, REASON_no_resources, weir_strerror(err));
}

static void on_word(void *ctx, const struct gate_answer *a)
{
	struct guest *g = ctx;

	if (a->why)
		guest_refuse(g, a->why, a->detail);
	else
		enter(g);
}

static void on_may_not_stay(void *ctx, enum reason why, const char *detail)
{
	guest_end(ctx, why, detail);
}

static const struct gate_owner gate_owner = {on_word, on_may_not_stay};

static enum access_protocol access_protocol(const struct door_way *way)
{
	switch (way->way) {
	case EDGE_RTMP:
		return ACCESS_RTMP;
	case EDGE_TS:
	case EDGE_WS_TS:
		return ACCESS_TS;
	default:
		return ACCESS_FLV;
	}
}

static void ask_gate(struct guest *g, const struct guest_words *words)
{
	struct ip_addr ip;
	const struct access_request rq = {
		.op = ACCESS_PLAY,
		.protocol = access_protocol(g->way),
		.key = g->key,
		.ip = ip_addr_of(&ip, &g->addr.ss) ? NULL : &ip,
		.query = words->query,
		.referer = words->referer,
		.user_agent = words->user_agent,
		.session_id = g->session.id,
	};
	struct gate_answer why;
	enum gate_word word = gate_ask(g->edge->gate, &g->pass, &why, &rq,
				       &g->session, &g->addr, &gate_owner, g);

	if (word == GATE_YES)
		enter(g);
	else if (word == GATE_NO)
		guest_refuse(g, why.why, why.detail);
}

static size_t viewers(const struct edge *e)
{
	return e->stats.waiting + edge_viewers(&e->stats);
}

bool edge_has_room(const struct edge *e)
{
	return viewers(e) < (size_t)e->settings->viewers_max;
}

static bool take_via(struct guest *g, struct span via)
{
	g->is_relay = via.len > 0;
	if (!via.len)
		return true;
	g->via = strndup((const char *)via.data, via.len);
	return g->via != NULL;
}

void guest_ask(struct guest *g, const struct door_way *way,
	       const struct stream_key *key, const struct guest_words *words)
{
	struct edge *e = g->edge;
	uint64_t read_bytes = g->session.read_bytes;

	if (e->is_draining) {
		guest_refuse(g, REASON_draining, "");
		return;
	}
	if (words->via.len >= VIA_SIZE || via_has(words->via, e->cluster)) {
		guest_refuse(g, REASON_loop, "");
		return;
	}
	g->key = edge_has_room(e) ? malloc(sizeof(*key)) : NULL;
	if (!g->key || !take_via(g, words->via)) {
		guest_refuse(g, REASON_no_resources, "");
		return;
	}
	*g->key = *key;
	g->way = way;
	session_init(&g->session, way->id_prefix, way->protocol, "SUB", g->key,
		     &g->addr, words->query, loop_now_ms(e->loop));
	g->session.read_bytes = read_bytes;
	g->has_asked = true;
	guest_go_to(g, GUEST_WAITING);
	ask_gate(g, words);
}

/* ---- whose guest is it? ---- */

static void take_in(struct guest *g)
{
	struct door *d = g->door;
	int fd = g->fd;

	peek_free(&g->peek);
	g->fd = -1;
	if (!conn_new(&g->conn, d->edge->loop, fd, &d->ops->limits, &conn_ops,
		      g))
		return;
	guest_set_why(g, REASON_no_resources, "");
	guest_free(g);
}

static void give_away(struct guest *g)
{
	int fd = g->fd;
	int err;

	peek_free(&g->peek);
	g->fd = -1;
	err = g->door->ops->give(g, fd);
	if (err)
		guest_set_why(g, reason_of_error(err), "not let in");
	else
		g->is_given = true;
	guest_free(g);
}

static void on_peek(struct guest *g, struct span in, bool is_last)
{
	switch (g->door->ops->on_peek(g, in, is_last)) {
	case DOOR_OURS:
		take_in(g);
		return;
	case DOOR_THEIRS:
		give_away(g);
		return;
	case DOOR_UNSURE:
		break;
	}
	if (!is_last)
		return;
	g->session.read_bytes = in.len;
	guest_set_why(g, REASON_peer_left, NULL);
	guest_free(g);
}

/* What it has said already leaves no need to peek. */
int guest_look_at(struct guest *g, int fd, struct span unread)
{
	struct door *d = g->door;
	int err;

	if (d->ops->on_peek && !unread.len) {
		err = peek_new(&g->peek, d->edge->loop, fd, d->ops->peek_bytes,
			       on_peek, g);
		if (err)
			close(fd);
		else
			g->fd = fd;
		return err;
	}
	err = conn_new(&g->conn, d->edge->loop, fd, &d->ops->limits, &conn_ops,
		       g);
	if (!err && unread.len)
		err = conn_feed(g->conn, unread);
	if (err)
		conn_free(&g->conn);
	return err;
}

int guest_greet(struct guest *g, int fd, struct tls_identity *identity)
{
	struct door *d = g->door;
	struct tls *tls;
	int err = conn_new(&g->conn, d->edge->loop, fd, &d->ops->limits,
			   &conn_ops, g);

	if (err)
		return err;
	err = tls_new(&tls, identity, fd);
	if (err) {
		conn_free(&g->conn);
		return err;
	}
	conn_set_tls(g->conn, tls);
	g->has_tls = true;
	return 0;
}

/* ---- the beginning ---- */

void guest_let_in(struct guest *g, struct listener *l)
{
	struct door *d = g->door;

	g->listener = l;
	g->accepted_us = loop_now_us(d->edge->loop);
	g->waiter.on_ready = on_ready;
	g->waiter.on_refused = on_refused;
	g->waiter.ctx = g;
	list_init(&g->waiter.link);
	list_init(&g->link);
	d->guests++;
	d->edge->stats.connections++;
	g->phase = GUEST_LEAVING; /* which nobody counts */
	guest_go_to(g, GUEST_HALF_OPEN);
	if (d->ops->open(g)) {
		guest_set_why(g, REASON_no_resources, "");
		guest_free(g);
	}
}
