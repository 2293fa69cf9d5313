/* common/member/world.c - the process as the stream machines see it. */
#include "common/member/internal.h"

const struct log_event member_stream_event = {
	"stream", LOG_INFO, "stream event reason detail",
	"Something happened to a stream: claim, home, epoch, skip, refusal."};

static int64_t world_utc_us(void *ctx)
{
	(void)ctx;
	return io_utc_us();
}

static bool world_send(void *ctx, link_id link, const struct record *r)
{
	struct member *m = ctx;

	return bus_send(m->bus, link, r);
}

static void world_feed_start(void *ctx, link_id link, struct feed *feed)
{
	struct member *m = ctx;

	bus_feed_start(m->bus, link, feed);
}

static void world_feed_stop(void *ctx, link_id link, struct feed *feed)
{
	struct member *m = ctx;

	bus_feed_stop(m->bus, link, feed);
}

static void world_feed_kick(void *ctx, struct feed *feed)
{
	struct member *m = ctx;

	bus_feed_kick(m->bus, feed);
}

static void world_ask(void *ctx, link_id link, uint64_t tag,
		      const struct question *q, uint32_t deadline_ms)
{
	calls_ask(ctx, link, tag, q, deadline_ms);
}

static void world_ask_dispatch(void *ctx, uint64_t tag,
			       const struct question *q, uint32_t deadline_ms)
{
	calls_ask_dispatch(ctx, tag, q, deadline_ms);
}

static void world_script(void *ctx, uint64_t tag, const struct script_call *c)
{
	BUG_ON(!c);
	calls_script(ctx, tag, c);
}

static size_t world_origins(void *ctx, struct node_ref *out, size_t max)
{
	struct member *m = ctx;

	return bus_nodes(m->bus, "origin", out, max);
}

static link_id world_link_to(void *ctx, const char *node)
{
	return calls_link_to(ctx, node);
}

static const struct stream_entry *world_known(void *ctx,
					      const struct stream_key *key)
{
	struct member *m = ctx;

	return copy_stream(store_copy(m->store), key);
}

static void world_event(void *ctx, const struct stream_key *key,
			const char *what, int reason, const char *detail)
{
	member_event(ctx, key, what, reason, detail);
}

void member_event(struct member *m, const struct stream_key *key,
		  const char *what, int reason, const char *detail)
{
	logger_event(m->log, &member_stream_event, kv_str("stream", key->text),
		     kv_str("event", what),
		     kv_str("reason", reason_name(reason)),
		     kv_str("detail", detail));
	event_book_add(m->book, key, io_utc_us(), what, reason, detail);
}

void member_visit(struct member *m, const struct stream_key *key,
		  const struct event_visit *v)
{
	event_book_visit(m->book, key, io_utc_us(), v);
}

void world_init(struct member *m)
{
	const struct member_cluster_settings *rules =
		svc_settings(m->svc, &member_cluster_conf);
	const struct member_redis_settings *redis =
		svc_settings(m->svc, &member_redis_conf);
	const struct member_bus_settings *bus =
		svc_settings(m->svc, &member_bus_conf);

	m->world = (struct world){
		.ctx = m,
		.self = m->self.ref,
		.seed = m->seed,
		.publish_stall_ms = (uint32_t)rules->publish_stall_ms,
		.peer_dead_ms = (uint32_t)bus->peer_dead_ms,
		.publish_grace_ms = (uint32_t)rules->publish_grace_ms,
		.place_ms = (uint32_t)rules->place_ms,
		.registry_ms = (uint32_t)redis->registry_ms,
		.resume_window_ms = (uint32_t)rules->resume_window_ms,
		.loop_away_ms = (uint32_t)rules->loop_away_ms,
		.resolve_retry_ms = (uint32_t)rules->resolve_retry_ms,
		.takeover =
			rules->publish_conflict == MEMBER_CONFLICT_TAKE_OVER,
		.utc_us = world_utc_us,
		.send = world_send,
		.feed_start = world_feed_start,
		.feed_stop = world_feed_stop,
		.feed_kick = world_feed_kick,
		.ask = world_ask,
		.ask_dispatch = world_ask_dispatch,
		.script = world_script,
		.origins = world_origins,
		.link_to = world_link_to,
		.known = world_known,
		.event = world_event,
	};
}
