/* services/edge/rtmp_door.c - RTMP: players, and publishers on their way. */
#include <stdio.h>

#include "common/media/via.h"
#include "proto/rtmp/server.h"
#include "services/edge/internal.h"

#define MESSAGE_STREAM 1 /* the one that wires are written for */

static int on_send(void *ctx, struct span bytes)
{
	return guest_send(ctx, bytes);
}

static int on_connect(void *ctx, const struct rtmp_connect *c)
{
	(void)ctx;
	(void)c;
	return 0;
}

static const char *code_of(const struct guest *g, enum reason why)
{
	if (rtmp_server_waits_for(g->protocol) == RTMP_WAIT_PUBLISH)
		return why == REASON_bad_name ? "NetStream.Publish.BadName"
					      : "NetStream.Publish.Failed";
	switch (why) {
	case REASON_not_found:
	case REASON_bad_name:
		return "NetStream.Play.StreamNotFound";
	default:
		return "NetStream.Play.Failed";
	}
}

static void rtmp_refuse(struct guest *g, enum reason why, const char *detail)
{
	char text[256];

	snprintf(text, sizeof(text), "%s%s%s", reason_text(why),
		 *detail ? ": " : "", detail);
	/* If it cannot be told, it is closed all the same. */
	(void)!rtmp_server_refuse(g->protocol, code_of(g, why), text);
}

static void refuse_publish(struct guest *g, const struct stream_key *key,
			   enum reason why, const char *detail)
{
	guest_visit(g, EVENT_PUBLISH_REFUSED, key, why, detail);
	guest_refuse(g, why, detail);
}

/* The feed ends behind it, whatever follows: that belongs to the ingest. */
static int on_publish(void *ctx, const struct rtmp_request *r)
{
	struct guest *g = ctx;
	struct stream_key key;
	enum key_fault fault =
		stream_key_from_rtmp(&key, r->app, r->name, g->edge->identity);

	if (g->phase != GUEST_HALF_OPEN)
		return WEIR_ESTOP; /* it plays */
	if (fault)
		guest_refuse(g, REASON_bad_name, stream_key_why(fault));
	else if (via_has(r->via, g->edge->cluster))
		refuse_publish(g, &key, REASON_loop, "");
	else if (g->has_tls)
		/* What TLS knows of it cannot go to another process. */
		refuse_publish(g, &key, REASON_unsupported,
			       "publishers come by rtmp, without TLS");
	else
		guest_pass(g, &key);
	return g->phase == GUEST_LEAVING ? WEIR_ESTOP : 0;
}

static void rtmp_save(struct guest *g, struct buf *out)
{
	rtmp_server_save(g->protocol, out);
}

static int on_play(void *ctx, const struct rtmp_request *r)
{
	struct guest *g = ctx;
	struct stream_key key;
	enum key_fault fault =
		stream_key_from_rtmp(&key, r->app, r->name, g->edge->identity);

	struct buf query = {0};
	struct guest_words words;

	if (g->phase != GUEST_HALF_OPEN)
		return WEIR_ESTOP; /* it has had one */
	rtmp_request_query(&query, r);
	words = (struct guest_words){
		.query = buf_span(&query),
		.via = r->via,
	};
	if (fault)
		guest_refuse(g, REASON_bad_name, stream_key_why(fault));
	else if (r->stream_id > MESSAGE_STREAM)
		guest_refuse(g, REASON_unsupported,
			     "play on the first message stream");
	else
		guest_ask(g, &way_rtmp, &key, &words);
	buf_fini(&query);
	return g->phase == GUEST_LEAVING ? WEIR_ESTOP : 0;
}

static int on_media(void *ctx, const struct rtmp_media *m)
{
	(void)ctx;
	(void)m;
	return WEIR_EPROTO; /* nobody publishes here */
}

static int on_end(void *ctx, enum rtmp_end reason)
{
	struct guest *g = ctx;

	if (g->phase == GUEST_WAITING)
		guest_close(g, REASON_peer_end, rtmp_end_name(reason));
	return WEIR_ESTOP;
}

static int rtmp_open(struct guest *g)
{
	const struct rtmp_server_events events = {
		.ctx = g,
		.on_send = on_send,
		.on_connect = on_connect,
		.on_publish = on_publish,
		.on_play = on_play,
		.on_media = on_media,
		.on_end = on_end,
	};
	struct rtmp_server *s;
	uint64_t seed;
	int err;

	io_random(&seed, sizeof(seed));
	err = rtmp_server_new(&s, &events, seed,
			      (uint32_t)loop_now_ms(g->edge->loop));
	if (err)
		return err;
	rtmp_server_set_cluster(s, g->edge->cluster);
	g->protocol = s;
	return 0;
}

static void rtmp_close(struct guest *g)
{
	struct rtmp_server *s = g->protocol;

	g->protocol = NULL;
	rtmp_server_free(&s);
}

/* A feed ends at a play; what follows it is read all the same. */
static int feed_all(struct guest *g, struct span in, size_t *taken)
{
	size_t used = 1;
	int err = 0;

	*taken = 0;
	while (!err && used && *taken < in.len) {
		err = rtmp_server_feed(g->protocol, span_from(in, *taken),
				       &used);
		*taken += used;
	}
	if (err && err != WEIR_ESTOP)
		snprintf(g->detail, sizeof(g->detail), "%s",
			 rtmp_server_fault(g->protocol));
	return err;
}

static int64_t rtmp_on_data(struct guest *g, struct span in)
{
	size_t taken;
	int err = feed_all(g, in, &taken);

	return err ? err : (int64_t)taken;
}

static enum reason rtmp_on_viewer_data(struct guest *g, struct span in)
{
	size_t taken;

	switch (feed_all(g, in, &taken)) {
	case 0:
		return REASON_none;
	case WEIR_ESTOP:
		return REASON_peer_end;
	case WEIR_ENOMEM:
		return REASON_no_resources;
	case WEIR_ELIMIT:
		return REASON_limit;
	default:
		return REASON_protocol_error;
	}
}

static int rtmp_accept(struct guest *g)
{
	return rtmp_server_accept_play(g->protocol);
}

static void rtmp_finish(struct guest *g, enum reason why)
{
	if (why == REASON_stream_ended)
		(void)!rtmp_server_play_eof(g->protocol);
}

const struct door_way way_rtmp = {
	.way = EDGE_RTMP,
	.protocol = "RTMP",
	.id_prefix = "RTMPPUBSUB",
	.format = &wire_rtmp,
};

const struct door_ops door_rtmp = {
	.name = "rtmp",
	.protocol = "RTMP",
	/* Unread: what a publisher sends behind its publish, in one read. */
	.limits = {.unread_bytes = 128 * 1024, .send_bytes = 64 * 1024},
	.open = rtmp_open,
	.close = rtmp_close,
	.on_data = rtmp_on_data,
	.on_viewer_data = rtmp_on_viewer_data,
	.accept = rtmp_accept,
	.refuse = rtmp_refuse,
	.finish = rtmp_finish,
	.save = rtmp_save,
	.saved_form = RTMP_SERVER_SAVED,
};
