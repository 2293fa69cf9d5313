/* services/edge/stream.c - the streams of an edge. */
#include "services/edge/stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/map.h"

struct streams {
	struct loop *loop;
	struct followers *followers;
	struct streams_limits limits;
	struct pace pace;
	struct edge_stats *stats;
	const struct streams_events *events;
	void *ctx;
	struct map by_key;
	struct list all;
	struct buf scratch; /* of all wires: they write one after another */
};

struct stream {
	struct list link;
	struct streams *owner;
	struct stream_key key;
	struct follower *follower;
	struct fanout *fanout;
	size_t users;
	uint64_t used_ms; /* last time that it had users */
};

/* ---- what the follower and the fanout say ---- */

static void on_state(void *ctx, struct follower *f,
		     const struct follower_info *info)
{
	struct stream *s = ctx;

	/* LOST: there is still something to read, and it may come back. */
	if (info->state != FOLLOWER_ENDED)
		return;
	fanout_set_log(s->fanout, follower_log(f)); /* of the next life */
	fanout_end(s->fanout, REASON_stream_ended);
}

static void on_gap(void *ctx, struct follower *f, uint64_t frames,
		   enum reason why)
{
	struct stream *s = ctx;
	char detail[64];

	(void)f;
	s->owner->stats->gaps++;
	fanout_gap(s->fanout, frames);
	snprintf(detail, sizeof(detail), "%llu frames",
		 (unsigned long long)frames);
	s->owner->events->on_event(s->owner->ctx, &s->key, "gap", why, detail);
}

static const struct follower_events follower_events = {
	.on_state = on_state,
	.on_gap = on_gap,
};

static void on_skips(void *ctx, uint64_t viewers, uint64_t frames)
{
	struct stream *s = ctx;
	char detail[96];

	snprintf(detail, sizeof(detail), "%llu viewers, %llu frames",
		 (unsigned long long)viewers, (unsigned long long)frames);
	s->owner->events->on_event(s->owner->ctx, &s->key, "skip", REASON_lag,
				   detail);
}

static const struct fanout_events fanout_events = {.on_skips = on_skips};

/* ---- streams ---- */

static void stream_free(struct stream *s)
{
	map_remove(&s->owner->by_key, span_str(s->key.text));
	list_remove(&s->link);
	fanout_free(&s->fanout);
	follower_free(&s->follower);
	s->owner->events->on_work(s->owner->ctx);
	free(s);
}

static int stream_start(struct stream *s)
{
	struct streams *ss = s->owner;
	int err = follower_new(&s->follower, ss->followers, &s->key,
			       FOLLOW_WANTING, &follower_events, s,
			       (int64_t)loop_now_ms(ss->loop));

	if (!err)
		err = fanout_new(&s->fanout, &ss->pace,
				 follower_log(s->follower), &ss->limits.fanout,
				 ss->stats, &fanout_events, s);
	if (!err)
		err = map_put(&ss->by_key, span_str(s->key.text), s);
	return err;
}

/* What nobody watches is kept for a while, and not wanted. */
static void set_users(struct stream *s, size_t users)
{
	bool was_used = s->users > 0, is_new = !s->used_ms && !s->users;

	s->users = users;
	if (is_new || was_used == (users > 0))
		return; /* a new one is wanted */
	follower_set_wanting(s->follower, users > 0);
	s->owner->events->on_work(s->owner->ctx);
}

static int stream_new(struct stream **out, struct streams *ss,
		      const struct stream_key *key)
{
	struct stream *s;
	int err;

	if (ss->by_key.count >= ss->limits.streams_max)
		return WEIR_ELIMIT;
	s = calloc(1, sizeof(*s));
	if (!s)
		return WEIR_ENOMEM;
	s->owner = ss;
	s->key = *key;
	list_init(&s->link);
	list_append(&ss->all, &s->link);
	err = stream_start(s);
	if (err) {
		stream_free(s);
		return err;
	}
	ss->events->on_work(ss->ctx);
	*out = s;
	return 0;
}

int stream_enter(struct stream **out, struct streams *ss,
		 const struct stream_key *key)
{
	return stream_enter_by(out, ss, key, "");
}

/* What all users have come through, this one too. */
static int come_through(struct stream *s, const char *via)
{
	char common[VIA_SIZE];

	if (!s->users)
		return follower_set_via(s->follower, via);
	via_common(common, span_str(follower_via(s->follower)), span_str(via));
	return follower_set_via(s->follower, common);
}

int stream_enter_by(struct stream **out, struct streams *ss,
		    const struct stream_key *key, const char *via)
{
	struct stream *s = map_get(&ss->by_key, span_str(key->text));
	int err = s ? 0 : stream_new(&s, ss, key);

	if (!err)
		err = come_through(s, via);
	if (err)
		return err;
	set_users(s, s->users + 1);
	*out = s;
	return 0;
}

void stream_leave(struct stream **ps)
{
	struct stream *s = *ps;

	if (!s)
		return;
	BUG_ON(!s->users);
	set_users(s, s->users - 1);
	s->used_ms = loop_now_ms(s->owner->loop);
	*ps = NULL;
}

const struct stream_key *stream_key(const struct stream *s)
{
	return &s->key;
}

struct fanout *stream_fanout(struct stream *s)
{
	return s->fanout;
}

/* ---- all of them ---- */

/* What never came is not worth keeping: asking for names costs nothing. */
static bool is_spare(const struct stream *s, uint64_t now_ms)
{
	if (s->users)
		return false;
	return follower_info(s->follower)->state == FOLLOWER_SEARCHING ||
	       now_ms - s->used_ms >= s->owner->limits.idle_keep_ms;
}

void streams_tick(struct streams *ss, uint64_t now_ms)
{
	list_each_safe (it, &ss->all) {
		struct stream *s = list_entry(it, struct stream, link);

		fanout_tick(s->fanout, now_ms);
		if (is_spare(s, now_ms))
			stream_free(s);
	}
}

void streams_visit(struct streams *ss, const struct stream_key *key,
		   const struct event_visit *v)
{
	ss->events->on_visit(ss->ctx, key, v);
}

void streams_measure(struct streams *ss)
{
	pace_note(&ss->pace, loop_now_us(ss->loop), false);
	ss->stats->streams = ss->by_key.count;
	ss->stats->wire_bytes = 0;
	list_each (it, &ss->all)
		ss->stats->wire_bytes += fanout_wire_bytes(
			list_entry(it, struct stream, link)->fanout);
}

int streams_new(struct streams **out, struct loop *loop,
		struct followers *followers,
		const struct streams_limits *limits, struct edge_stats *stats,
		uint64_t seed, const struct streams_events *events, void *ctx)
{
	struct streams *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return WEIR_ENOMEM;
	ss->loop = loop;
	ss->followers = followers;
	ss->limits = *limits;
	ss->limits.fanout.wire.scratch = &ss->scratch;
	ss->stats = stats;
	ss->events = events;
	ss->ctx = ctx;
	map_init(&ss->by_key, seed);
	list_init(&ss->all);
	if (pace_init(&ss->pace, loop, limits->latency_budget_ms, stats)) {
		streams_free(&ss);
		return WEIR_ENOMEM;
	}
	*out = ss;
	return 0;
}

void streams_free(struct streams **pss)
{
	struct streams *ss = *pss;

	if (!ss)
		return;
	list_each_safe (it, &ss->all)
		stream_free(list_entry(it, struct stream, link));
	map_fini(&ss->by_key);
	pace_fini(&ss->pace);
	buf_fini(&ss->scratch);
	free(ss);
	*pss = NULL;
}
