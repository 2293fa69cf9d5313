/* services/ingest/rtmp.c - the RTMP door: connections that want to publish. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/fetch.h"
#include "common/base/reader.h"
#include "common/io/conn.h"
#include "common/media/via.h"
#include "proto/rtmp/server.h"
#include "services/ingest/internal.h"

#define SWEEP_MS         250
#define UNREAD_MAX_BYTES (128 * 1024)
#define LISTENERS        2    /* a shared one, and one of its own */
#define RECONNECT_MS     2000 /* for who goes by itself when it is asked … */
#define RECONNECT_SHARE  4    /* … and at most so much of the drain */
#define FAREWELL_MS      1000 /* for who is told that we say nothing more */

const struct log_event ingest_peer_closed = {
	"peer.closed", LOG_INFO, "peer proto reason detail bytes",
	"A connection ended that did not publish, or broke the rules."};

struct entrance {
	struct rtmp_door *door;
	struct listener *listener;
};

struct rtmp_door {
	struct ingest *in;
	struct entrance entrance[LISTENERS];
	size_t entrances;
	struct list half_open; /* have not asked to publish; oldest first */
	struct list peers;     /* have asked */
	size_t half_open_count;
	struct timer *sweep;
};

struct peer {
	struct list link;
	struct rtmp_door *door;
	struct listener *listener; /* NULL: it was handed over */
	struct conn *conn;
	struct rtmp_server *session;
	struct publish *publish; /* asked for or accepted */
	uint64_t in_before;      /* bytes that came before it was handed over */
	bool has_asked, has_published;
	bool is_shut;       /* we have no more to say */
	uint64_t retire_ms; /* what comes next of a farewell; 0: none */
	enum reason why;    /* it is being closed; 0: by itself */
	char detail[96];
};

/* ---- the end of a connection ---- */

static void peer_free(struct peer *p, enum reason why)
{
	list_remove(&p->link);
	p->door->half_open_count -= !p->has_asked;
	p->door->in->stats.connections--;
	if (p->listener)
		listener_done(p->listener);
	publish_leave(&p->publish, why);
	rtmp_server_free(&p->session);
	conn_free(&p->conn);
	member_wake(p->door->in->member);
	free(p);
}

static enum reason reason_of(const struct peer *p, int err)
{
	const char *fault = rtmp_server_fault(p->session);

	if (err == WEIR_EPROTO && fault &&
	    !strcmp(fault, "media before publish"))
		return REASON_media_before_publish;
	return reason_of_error(err);
}

static void on_close(void *ctx, int err)
{
	struct peer *p = ctx;
	struct conn_stats s;
	enum reason why = p->why ? p->why : reason_of(p, err);
	const char *fault = rtmp_server_fault(p->session);

	conn_stats(p->conn, &s);
	if (!p->has_published || why == REASON_protocol_error ||
	    why == REASON_limit)
		logger_event(p->door->in->log, &ingest_peer_closed,
			     kv_str("peer", conn_peer_text(p->conn)),
			     kv_str("proto", "RTMP"),
			     kv_str("reason", reason_name(why)),
			     kv_str("detail", p->detail[0] ? p->detail
					      : fault      ? fault
							   : ""),
			     kv_uint("bytes", p->in_before + s.in_bytes));
	peer_free(p, why);
}

/* In order: what was said to the peer gets there first. */
static void close_peer(struct peer *p, enum reason why, const char *detail)
{
	if (!p->why) {
		p->why = why;
		snprintf(p->detail, sizeof(p->detail), "%s", detail);
	}
	conn_close(p->conn, WEIR_ECLOSED);
}

/* ---- the publish behind it ---- */

static const char *code_of(enum reason why)
{
	switch (why) {
	case REASON_busy:
	case REASON_bad_name:
	case REASON_taken_over:
	case REASON_fenced:
	case REASON_lost_claim:
		return "NetStream.Publish.BadName";
	case REASON_kicked:
	case REASON_unauthorized:
	case REASON_denied:
	case REASON_banned:
		return "NetStream.Publish.Denied";
	default:
		return "NetStream.Publish.Failed";
	}
}

static int refuse(struct peer *p, enum reason why, const char *detail)
{
	char text[256];

	snprintf(text, sizeof(text), "%s%s%s", reason_text(why),
		 detail && *detail ? ": " : "", detail ? detail : "");
	return rtmp_server_refuse(p->session, code_of(why), text);
}

/* Where that cannot be, it is looked at alone. */
static void join_others(struct peer *p)
{
	if (p->door->in->batch)
		(void)!conn_join(p->conn, p->door->in->batch);
}

static void on_accept(void *ctx)
{
	struct peer *p = ctx;

	p->has_published = true;
	join_others(p);
	if (rtmp_server_accept_publish(p->session))
		close_peer(p, REASON_limit, "the peer does not read");
	else
		conn_resume(p->conn);
}

static void on_publish_end(void *ctx, enum reason why, const char *detail)
{
	struct peer *p = ctx;

	p->publish = NULL;
	if (refuse(p, why, detail))
		p->why = why; /* nothing to say it with; it is closed anyway */
	close_peer(p, why, detail);
	conn_resume(p->conn);
}

/* Whatever it sends is still taken: only what is under way when it goes without
 * having listened is lost. */
static void say_farewell(struct peer *p)
{
	if (rtmp_server_retire(p->session, code_of(p->why),
			       reason_text(p->why)))
		p->retire_ms = 1; /* it reads nothing, or has left: at once */
	else
		p->retire_ms = loop_now_ms(p->door->in->loop) + FAREWELL_MS;
	conn_shut(p->conn);
	p->is_shut = true;
}

static void on_retire(void *ctx, enum reason why)
{
	struct peer *p = ctx;
	const struct svc_cluster_settings *cluster =
		svc_settings(p->door->in->svc, &svc_cluster_conf);
	uint64_t share_ms =
		(uint64_t)cluster->drain_timeout_ms / RECONNECT_SHARE;

	p->why = why;
	if (rtmp_server_ask_reconnect(p->session, reason_text(why)))
		say_farewell(p);
	else
		p->retire_ms = loop_now_ms(p->door->in->loop) +
			       WEIR_MIN(share_ms, (uint64_t)RECONNECT_MS);
}

/* Time is over: what has come is taken, the rest is not waited for. */
static void retire_on(struct peer *p)
{
	if (!p->is_shut) {
		say_farewell(p);
		return;
	}
	p->retire_ms = 0;
	conn_read(p->conn);
	conn_abort(p->conn, WEIR_ECLOSED);
}

static struct conn *conn_of(void *ctx)
{
	return ((struct peer *)ctx)->conn;
}

static void save(void *ctx, struct buf *out)
{
	rtmp_server_save(((struct peer *)ctx)->session, out);
}

static uint64_t in_bytes(void *ctx)
{
	struct peer *p = ctx;
	struct conn_stats s;

	conn_stats(p->conn, &s);
	return p->in_before + s.in_bytes;
}

static void on_given(void *ctx)
{
	struct peer *p = ctx;

	p->publish = NULL;
	peer_free(p, REASON_draining);
}

static const struct publish_door publish_door = {
	.protocol = "RTMP",
	.id_prefix = "RTMPPUBSUB",
	.on_accept = on_accept,
	.on_retire = on_retire,
	.on_end = on_publish_end,
	.conn = conn_of,
	.save = save,
	.in_bytes = in_bytes,
	.on_given = on_given,
};

/* ---- what the session says ---- */

static int on_send(void *ctx, struct span bytes)
{
	struct peer *p = ctx;

	return p->is_shut ? 0 : conn_send(p->conn, bytes);
}

static int on_connect(void *ctx, const struct rtmp_connect *c)
{
	(void)ctx;
	(void)c;
	return 0;
}

static int refuse_and_stop(struct peer *p, enum reason why, const char *detail)
{
	int err = refuse(p, why, detail);

	close_peer(p, why, detail);
	return err ? err : WEIR_ESTOP;
}

static int refuse_named(struct peer *p, const struct publish_request *rq,
			enum reason why, const char *detail)
{
	publish_visit(p->door->in, &rq->key, publish_door.protocol, &rq->peer,
		      why, detail);
	return refuse_and_stop(p, why, detail);
}

static void leave_half_open(struct peer *p)
{
	if (p->has_asked)
		return;
	p->has_asked = true;
	p->door->half_open_count--;
	list_remove(&p->link);
	list_append(&p->door->peers, &p->link);
}

static int on_publish(void *ctx, const struct rtmp_request *r)
{
	struct peer *p = ctx;
	struct ingest *in = p->door->in;
	const struct svc_cluster_settings *cluster =
		svc_settings(in->svc, &svc_cluster_conf);
	struct publish_request rq = {.peer = *conn_peer_addr(p->conn)};
	struct buf query = {0};
	int err;
	enum key_fault fault = stream_key_from_rtmp(
		&rq.key, r->app, r->name,
		(enum stream_identity)cluster->stream_identity);

	if (fault)
		return refuse_and_stop(p, REASON_bad_name,
				       stream_key_why(fault));
	if (via_has(r->via, cluster->id))
		return refuse_named(p, &rq, REASON_loop, "");
	if (in->is_draining)
		return refuse_named(p, &rq, REASON_draining, "");
	if (in->stats.publishers >= (uint64_t)in->settings->publishers_max)
		return refuse_named(p, &rq, REASON_no_resources,
				    "too many publishers");
	leave_half_open(p);
	conn_pause(p->conn);
	rtmp_request_query(&query, r);
	rq.url_param = buf_span(&query);
	err = buf_error(&query);
	if (!err)
		err = publish_new(&p->publish, in, &rq, &publish_door, p);
	buf_fini(&query);
	return err;
}

static int on_play(void *ctx, const struct rtmp_request *r)
{
	struct peer *p = ctx;
	int err;

	(void)r;
	err = rtmp_server_refuse(p->session, "NetStream.Play.Failed",
				 "this address takes publishers; play from an "
				 "edge");
	close_peer(p, REASON_unsupported, "play at an ingest");
	return err ? err : WEIR_ESTOP;
}

static int on_media(void *ctx, const struct rtmp_media *m)
{
	struct peer *p = ctx;

	return p->publish ? publish_tag(p->publish, m->type, m->timestamp_ms,
					m->payload)
			  : 0;
}

static int on_end(void *ctx, enum rtmp_end reason)
{
	struct peer *p = ctx;

	(void)reason;
	publish_leave(&p->publish, REASON_peer_end);
	member_wake(p->door->in->member);
	return 0;
}

static const struct rtmp_server_events session_events = {
	.on_send = on_send,
	.on_connect = on_connect,
	.on_publish = on_publish,
	.on_play = on_play,
	.on_media = on_media,
	.on_end = on_end,
};

/* ---- the connection ---- */

static int64_t on_data(void *ctx, struct span in)
{
	struct peer *p = ctx;
	struct conn_stats s;
	size_t used = 0;
	int err = rtmp_server_feed(p->session, in, &used);

	if (err) {
		p->door->in->stats.protocol_errors +=
			err == WEIR_EPROTO || err == WEIR_ELIMIT;
		if (!p->why)
			p->why = reason_of(p, err);
		return err;
	}
	if (p->publish) {
		conn_stats(p->conn, &s);
		publish_input(p->publish, p->in_before + s.in_bytes);
	}
	return (int64_t)used;
}

static void on_ahead(void *ctx, unsigned step)
{
	const struct peer *p = ctx;

	if (step == 0) {
		FETCH(p);
		return;
	}
	if (p->session)
		rtmp_server_ahead(p->session, step - 1);
	if (p->publish)
		publish_ahead(p->publish, step - 1);
}

static const struct conn_ops conn_ops = {
	.on_ahead = on_ahead,
	.on_data = on_data,
	.on_close = on_close,
};

static const struct conn_limits conn_limits = {.unread_bytes =
						       UNREAD_MAX_BYTES};

static int peer_start(struct peer *p, int fd)
{
	struct rtmp_server_events ev = session_events;
	uint64_t seed;
	int err;

	ev.ctx = p;
	io_random(&seed, sizeof(seed));
	err = rtmp_server_new(&p->session, &ev, seed,
			      (uint32_t)loop_now_ms(p->door->in->loop));
	if (err) {
		close(fd);
		return err;
	}
	net_set_nodelay(fd);
	return conn_new(&p->conn, p->door->in->loop, fd, &conn_limits,
			&conn_ops, p);
}

/* Too many have not said what they want: the one that has not for longest makes
 * room, so that a crowd of them locks nobody out. */
static void make_room(struct rtmp_door *d)
{
	struct peer *p;

	if (d->half_open_count < (size_t)d->in->settings->half_open_max)
		return;
	p = list_entry(d->half_open.next, struct peer, link);
	if (!p->why) {
		p->why = REASON_limit;
		snprintf(p->detail, sizeof(p->detail),
			 "too many half-open connections");
	}
	d->in->stats.refused++;
	on_close(p, WEIR_ELIMIT);
}

/* NULL without memory: counted as refused. */
static struct peer *peer_make(struct rtmp_door *d, struct listener *l)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p) {
		d->in->stats.refused++;
		return NULL;
	}
	p->door = d;
	p->listener = l;
	list_init(&p->link);
	list_append(&d->half_open, &p->link);
	d->half_open_count++;
	d->in->stats.connections++;
	return p;
}

static void on_accepted(struct entrance *e, int fd, const struct net_addr *addr)
{
	struct peer *p;

	(void)addr;
	make_room(e->door);
	p = peer_make(e->door, e->listener);
	if (!p) {
		close(fd);
		listener_done(e->listener);
	} else if (peer_start(p, fd)) {
		peer_free(p, REASON_no_resources);
	}
}

/* ---- from another process ---- */

/* Where the other one stopped. */
static int peer_resume(struct peer *p, int fd, const struct handover_goods *g,
		       struct span session)
{
	struct rtmp_server_events ev = session_events;
	int err;

	ev.ctx = p;
	p->in_before = g->in_bytes;
	err = rtmp_server_load(&p->session, &ev, session);
	if (err) {
		close(fd);
		return err;
	}
	err = conn_new(&p->conn, p->door->in->loop, fd, &conn_limits, &conn_ops,
		       p);
	if (!err)
		err = conn_send(p->conn, g->unsent);
	if (!err)
		err = conn_feed(p->conn, g->unread);
	return err;
}

void rtmp_door_take_over(struct rtmp_door *d, int fd,
			 const struct handover_goods *goods)
{
	struct peer *p = peer_make(d, NULL);
	int err;

	if (!p) {
		close(fd);
		return;
	}
	leave_half_open(p);
	err = peer_resume(p, fd, goods, goods->state);
	/* Behind a publish that nobody has answered. */
	if (!err && rtmp_server_waits_for(p->session) != RTMP_WAIT_PUBLISH)
		err = WEIR_EPROTO;
	if (!err)
		err = on_publish(p, rtmp_server_request(p->session));
	if (err && err != WEIR_ESTOP) {
		d->in->stats.refused++;
		peer_free(p, REASON_no_resources);
	}
}

void rtmp_door_take_live(struct rtmp_door *d, int fd,
			 const struct handover_goods *goods,
			 const struct stream_key *key)
{
	struct peer *p = peer_make(d, NULL);
	struct reader in = reader_of(goods->state);
	struct span session = read_span(&in, read_u32_le(&in));
	struct span publish = read_span(&in, read_u32_le(&in));
	struct publish_request rq = {.key = *key};
	int err;

	if (!p) {
		close(fd);
		return;
	}
	leave_half_open(p);
	p->has_published = true;
	err = peer_resume(p, fd, goods, session);
	if (!err && reader_failed(&in))
		err = WEIR_EPROTO;
	if (!err && rtmp_server_waits_for(p->session) != RTMP_WAIT_NONE)
		err = WEIR_EPROTO;
	if (!err) {
		rq.peer = *conn_peer_addr(p->conn);
		err = publish_take(&p->publish, d->in, &rq, publish,
				   goods->in_bytes, &publish_door, p);
	}
	if (!err)
		join_others(p);
	if (err) {
		d->in->stats.refused++;
		d->in->stats.handed_faults++;
		logger_event(d->in->log, &ingest_handover_fault,
			     kv_str("what", key->text), kv_err("why", err));
		peer_free(p, REASON_no_resources);
	}
}

/* Who said nothing for too long, or did not publish in time. */
static bool is_over_time(const struct peer *p, uint64_t now_ms)
{
	const struct ingest_settings *set = p->door->in->settings;
	uint64_t handshake_ms = (uint64_t)set->handshake_ms;
	struct conn_stats s;

	conn_stats(p->conn, &s);
	if (p->has_published)
		return p->publish &&
		       now_ms > s.last_in_ms + (uint64_t)set->publish_idle_ms;
	if (now_ms > s.opened_ms + 3 * handshake_ms)
		return true;
	return !p->publish && now_ms > s.opened_ms + handshake_ms &&
	       now_ms > s.last_in_ms + handshake_ms / 2;
}

static void sweep(struct rtmp_door *d, struct list *peers)
{
	uint64_t now_ms = loop_now_ms(d->in->loop);

	list_each_safe (it, peers) {
		struct peer *p = list_entry(it, struct peer, link);

		if (p->retire_ms && now_ms >= p->retire_ms)
			retire_on(p);
		if (p->why || !is_over_time(p, now_ms))
			continue;
		d->in->stats.timeouts++;
		p->why = REASON_timeout;
		conn_abort(p->conn, WEIR_ETIMEOUT);
	}
}

static void on_sweep(struct rtmp_door *d)
{
	sweep(d, &d->half_open);
	sweep(d, &d->peers);
}

/* ---- life ---- */

/* Takes `fd`. */
static int let_in(struct rtmp_door *d, int fd)
{
	const struct listener_limits limits = {
		.open_max = (unsigned)(d->in->settings->publishers_max +
				       d->in->settings->half_open_max)};
	struct entrance *e = &d->entrance[d->entrances];
	int err;

	e->door = d;
	err = listener_new(&e->listener, d->in->loop, fd, &limits, on_accepted,
			   e);
	d->entrances += !err;
	return err;
}

/* The later one is better to be told of: it is its own. */
static int tell_address(struct rtmp_door *d)
{
	char text[NET_ADDR_TEXT_SIZE];
	int err;

	if (!d->entrances)
		return 0;
	net_addr_text(text,
		      listener_addr(d->entrance[d->entrances - 1].listener));
	err = svc_add_address(d->in->svc, "rtmp", text);
	return err ? err : member_add_address(d->in->member, "rtmp", text);
}

static int open_shared(struct rtmp_door *d)
{
	int fd, err = svc_listen(d->in->svc, &fd, "rtmp",
				 d->in->settings->rtmp_listen);

	if (err == WEIR_ENOENT)
		return 0; /* nothing passed, nothing set */
	return err ? err : let_in(d, fd);
}

static int open_own(struct rtmp_door *d)
{
	struct net_addr addr;
	int fd, err;

	if (!*d->in->settings->rtmp_own_listen)
		return 0;
	err = net_addr_parse(&addr, d->in->settings->rtmp_own_listen);
	if (!err)
		err = net_listen(&fd, &addr);
	return err ? err : let_in(d, fd);
}

int rtmp_door_new(struct rtmp_door **out, struct ingest *in)
{
	struct rtmp_door *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return WEIR_ENOMEM;
	d->in = in;
	list_init(&d->half_open);
	list_init(&d->peers);
	err = timer_new(&d->sweep, in->loop, on_sweep, d);
	if (!err)
		err = open_shared(d);
	if (!err)
		err = open_own(d);
	if (!err)
		err = tell_address(d);
	if (err) {
		rtmp_door_free(&d);
		return err;
	}
	timer_repeat(d->sweep, SWEEP_MS);
	*out = d;
	return 0;
}

void rtmp_door_close(struct rtmp_door *d)
{
	for (size_t i = 0; i < d->entrances; i++)
		listener_pause(d->entrance[i].listener);
}

bool rtmp_door_is_empty(const struct rtmp_door *d)
{
	return list_is_empty(&d->half_open) && list_is_empty(&d->peers);
}

void rtmp_door_free(struct rtmp_door **pd)
{
	struct rtmp_door *d = *pd;

	if (!d)
		return;
	list_each_safe (it, &d->half_open)
		peer_free(list_entry(it, struct peer, link), REASON_draining);
	list_each_safe (it, &d->peers)
		peer_free(list_entry(it, struct peer, link), REASON_draining);
	timer_free(&d->sweep);
	for (size_t i = 0; i < d->entrances; i++)
		listener_free(&d->entrance[i].listener);
	free(d);
	*pd = NULL;
}
