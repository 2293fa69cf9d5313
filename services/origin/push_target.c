/* services/origin/push_target.c - one server that gets one stream. */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/conf/json.h"
#include "common/io/clock.h"
#include "common/media/amf0.h"
#include "common/media/via.h"
#include "services/origin/push_priv.h"

#define SECOND_MS   1000
#define QUEUED_MAX  ((size_t)256 * 1024) /* behind what the server takes */
#define SCRATCH_MAX ((size_t)256 * 1024) /* that is kept */
/* Who had it for so many times the longest pause was no failure. */
#define RAN_WELL 3

static const char *const state_name[] = {"waits", "dials", "runs", "pauses",
					 "leaves"};

static uint64_t now_ms(const struct push_target *t)
{
	return loop_now_ms(t->stream->pushes->world.loop);
}

static bool is_connected(const struct push_target *t)
{
	return t->state == PUSH_DIALS || t->state == PUSH_RUNS;
}

/* ---- numbers ---- */

static uint64_t sent_bytes(const struct push_target *t)
{
	struct conn_stats s = {0};

	if (t->remote)
		remote_rtmp_stats(t->remote, &s);
	return s.out_bytes;
}

uint64_t push_target_bytes(const struct push_target *t)
{
	return sent_bytes(t);
}

/* What this attempt sent becomes what all did. */
static void add_up(struct push_target *t)
{
	struct push_stats *total = &t->stream->pushes->stats;
	uint64_t bytes = sent_bytes(t);

	total->bytes += bytes;
	total->frames += t->feed.frames;
	total->skipped += t->feed.skipped;
	t->wrote_bytes += bytes;
	t->frames += t->feed.frames;
	t->skipped += t->feed.skipped;
	t->feed.frames = t->feed.skipped = 0;
}

struct json_object *push_target_json(const struct push_target *t)
{
	struct json_object *o = json_object_new_object();
	uint64_t now = now_ms(t);

	json_add_text(o, "stream", t->stream->key.text);
	json_add_text(o, "session_id", t->session.id);
	json_add_text(o, "protocol", "RTMP");
	json_add_text(o, "url", t->shown);
	json_add_text(o, "rule", t->rule);
	json_add_text(o, "state", state_name[t->state]);
	json_add_text(o, "reason", t->why ? reason_name((int)t->why) : "");
	json_add_text(o, "detail", t->detail);
	json_add_text(o, "remote_addr",
		      t->state == PUSH_RUNS ? remote_rtmp_addr_text(t->remote)
					    : "");
	json_add_uint(o, "attempts", t->attempts);
	json_add_uint(o, "failures", t->failures);
	json_object_object_add(o, "start_us",
			       json_object_new_int64(t->session.start_us));
	json_add_uint(o, "wrote_bytes", t->wrote_bytes + sent_bytes(t));
	json_add_uint(o, "frames", t->frames + t->feed.frames);
	json_add_uint(o, "skipped", t->skipped + t->feed.skipped);
	json_add_uint(o, "lag_ms",
		      t->feed.log ? push_feed_lag_ms(&t->feed) : 0);
	json_add_uint(o, "retry_in_ms",
		      t->state == PUSH_PAUSES && t->retry_ms > now
			      ? t->retry_ms - now
			      : 0);
	return o;
}

/* ---- the end of an attempt ---- */

static void say_failed(struct push_target *t)
{
	const struct push_stream *s = t->stream;
	const struct push_world *w = &s->pushes->world;

	logger_event(w->log, &push_failed, kv_str("stream", s->key.text),
		     kv_str("rule", t->rule), kv_str("url", t->shown),
		     kv_str("reason", reason_name((int)t->why)),
		     kv_str("detail", t->detail),
		     kv_uint("attempts", t->attempts));
	w->event(w->ctx, &s->key, "push.failed", t->why, t->shown);
}

static void say_end(struct push_target *t, enum reason why, const char *detail)
{
	const struct push_stream *s = t->stream;
	const struct push_world *w = &s->pushes->world;

	logger_event(w->log, &push_end, kv_str("stream", s->key.text),
		     kv_str("session", t->session.id), kv_str("rule", t->rule),
		     kv_str("url", t->shown),
		     kv_str("reason", reason_name((int)why)),
		     kv_str("detail", detail), kv_uint("bytes", sent_bytes(t)),
		     kv_uint("ms", now_ms(t) - t->ran_ms),
		     kv_uint("skipped", t->feed.skipped));
	w->event(w->ctx, &s->key, "push.end", why, t->shown);
}

/* A server that refuses may still hold the connection of the home before this one,
 * which is frozen: it lets us in when that one wakes up, or is killed. */
static uint32_t longest_pause_ms(const struct push_target *t)
{
	const struct push_limits *l = &t->stream->pushes->limits;
	bool may_be_held = t->why == REASON_remote_refused &&
			   now_ms(t) - t->failing_ms < l->refused_ms;

	return may_be_held ? WEIR_MIN(2 * l->retry_ms, l->retry_max_ms)
			   : l->retry_max_ms;
}

static void pause_it(struct push_target *t)
{
	const struct push_limits *l = &t->stream->pushes->limits;
	uint64_t seed = hash_bytes(0, span_str(t->url));
	uint32_t ms = push_backoff_ms(l->retry_ms, longest_pause_ms(t),
				      t->failures, seed);

	t->state = PUSH_PAUSES;
	t->retry_ms = now_ms(t) + ms;
	timer_start(t->timer, ms);
}

/* It was refused, or broke, and we did not want that. */
static void fail(struct push_target *t, enum reason why, const char *detail)
{
	const struct push_limits *l = &t->stream->pushes->limits;
	bool ran = t->state == PUSH_RUNS;
	bool is_news = t->why != why || strcmp(t->detail, detail) != 0;

	if (t->stream->query_failed) /* it is asked for again */
		t->stream->has_query = t->stream->query_failed = false;
	if (ran && now_ms(t) - t->ran_ms >= RAN_WELL * l->retry_max_ms)
		t->failures = 0;
	if (!t->failures++)
		t->failing_ms = now_ms(t);
	t->stream->pushes->stats.failures++;
	t->why = why;
	snprintf(t->detail, sizeof(t->detail), "%s", detail);
	if (ran)
		say_end(t, why, detail);
	else if (is_news)
		say_failed(t);
}

static void drop_connection(struct push_target *t)
{
	add_up(t);
	push_feed_fini(&t->feed);
	remote_rtmp_free(&t->remote);
	t->is_over = false;
	if (t->timer)
		timer_stop(t->timer);
}

/* The connection is over, and we are outside of its callbacks. */
static void clean_up(struct push_target *t)
{
	bool has_failed = is_connected(t);

	drop_connection(t);
	if (has_failed)
		pause_it(t);
	else
		t->state = PUSH_WAITS;
}

static void on_end(void *ctx, enum remote_end end)
{
	struct push_target *t = ctx;
	enum reason why = end == REMOTE_REFUSED ? REASON_remote_refused
						: REASON_remote_lost;

	if (is_connected(t))
		fail(t, why, remote_rtmp_words(t->remote));
	t->is_over = true;
	pushes_wake(t->stream->pushes);
}

static void leave(struct push_target *t, enum reason why)
{
	if (t->is_over)
		return;
	if (t->state == PUSH_RUNS)
		say_end(t, why, "");
	if (is_connected(t)) {
		timer_stop(t->timer);
		t->state = PUSH_LEAVES;
		remote_rtmp_stop(t->remote);
	} else if (t->state == PUSH_PAUSES) {
		timer_stop(t->timer);
		t->state = PUSH_WAITS;
	}
}

void push_target_stop(struct push_target *t)
{
	push_feed_fini(&t->feed);
	leave(t, REASON_stream_ended);
}

/* ---- media ---- */

static int put(void *ctx, const struct rtmp_media *m)
{
	struct push_target *t = ctx;

	return remote_rtmp_write(t->remote, m);
}

/* It takes less than there is: what is old is left out. */
static void keep_up(struct push_target *t)
{
	const struct push_limits *l = &t->stream->pushes->limits;
	const struct push_world *w = &t->stream->pushes->world;
	uint64_t frames;

	if (push_feed_lag_ms(&t->feed) > l->max_lag_ms &&
	    push_feed_skip(&t->feed, &frames) && t->feed.skipped == frames)
		w->event(w->ctx, &t->stream->key, "push.skip", REASON_lag,
			 t->shown);
}

/* Not from the connection's callbacks alone: the end waits for the pass's. */
static void break_off(struct push_target *t, enum reason why,
		      const char *detail)
{
	fail(t, why, detail);
	t->is_over = true;
	pushes_wake(t->stream->pushes);
}

void push_target_pump(struct push_target *t)
{
	struct buf *scratch = &t->stream->pushes->scratch;
	int err = 0;

	if (t->state != PUSH_RUNS || t->is_over || !t->feed.log ||
	    t->stream->is_silenced)
		return;
	while (!err && remote_rtmp_queued_bytes(t->remote) <= QUEUED_MAX)
		err = push_feed_next(&t->feed, scratch, put, t);
	if (scratch->cap > SCRATCH_MAX)
		buf_fini(scratch);
	if (!err)
		keep_up(t);
	else if (err == WEIR_EGONE)
		break_off(t, REASON_limit, "32 bits of time are over");
	else if (err != WEIR_EAGAIN && err != WEIR_ENOMEM)
		break_off(t, REASON_remote_lost, weir_strerror(err));
	else if (push_feed_refusal(&t->feed) && !t->detail[0])
		snprintf(t->detail, sizeof(t->detail), "%s",
			 push_feed_refusal(&t->feed));
}

static void on_drained(void *ctx)
{
	push_target_pump(ctx);
}

static void on_ready(void *ctx)
{
	struct push_target *t = ctx;
	const struct push_stream *s = t->stream;
	const struct push_world *w = &s->pushes->world;

	if (t->state != PUSH_DIALS)
		return;
	t->state = PUSH_RUNS;
	t->ran_ms = t->moved_ms = now_ms(t);
	t->why = REASON_none;
	t->detail[0] = '\0';
	logger_event(w->log, &push_start, kv_str("stream", s->key.text),
		     kv_str("session", t->session.id), kv_str("rule", t->rule),
		     kv_str("url", t->shown),
		     kv_str("peer", remote_rtmp_addr_text(t->remote)),
		     kv_uint("ms", remote_rtmp_age_ms(t->remote)));
	w->event(w->ctx, &s->key, "push.start", REASON_none, t->shown);
	timer_repeat(t->timer, SECOND_MS);
	push_feed_init(&t->feed, s->log, w->cluster);
	push_target_pump(t);
}

/* ---- an attempt ---- */

/* The clusters by which the stream comes to that server, this one the last.
 * What was pulled knows them by its metadata. */
static int way_of(char out[VIA_SIZE], const struct push_stream *s)
{
	const struct stateset *set = log_state_before(s->log, log_next(s->log));
	struct span in = outlet_payload(set, FRAME_META, 0);
	struct amf0_value meta;
	struct span told = {0};

	if (in.len && !amf0_read(&meta, &in, NULL) && amf0_is_object(&meta))
		told = amf0_find_string(&meta, VIA_KEY);
	if (!via_has(told, s->pushes->world.cluster))
		return via_add(out, told, s->pushes->world.cluster);
	if (told.len >= VIA_SIZE)
		return WEIR_ELIMIT;
	snprintf(out, VIA_SIZE, "%.*s", (int)told.len, (const char *)told.data);
	return 0;
}

static int dial(struct push_target *t, const char *url)
{
	static const struct remote_rtmp_events events = {
		.on_ready = on_ready,
		.on_drained = on_drained,
		.on_end = on_end,
	};
	const struct pushes *p = t->stream->pushes;
	char via[VIA_SIZE] = "";
	const struct remote_rtmp_options o = {
		.url = url,
		.trust = p->world.trust,
		.via = via,
		.is_publish = true,
		.connect_ms = p->limits.connect_ms,
		.ready_ms = p->limits.connect_ms,
	};
	int err = way_of(via, t->stream);

	return err ? err
		   : remote_rtmp_new(&t->remote, p->world.loop, &o, &events, t);
}

static const char *words_of(int err)
{
	return err == WEIR_EINVAL         ? "no address of an RTMP server"
	       : err == WEIR_EUNSUPPORTED ? "rtmps is not set up here"
					  : weir_strerror(err);
}

static void begin(struct push_target *t)
{
	struct push_stream *s = t->stream;
	struct buf url = {0};
	int err;

	t->attempts++;
	s->pushes->stats.attempts++;
	session_fini(&t->session);
	session_init(&t->session, "RTMPPUSH", "RTMP", "PUSH", &s->key,
		     &(struct net_addr){0}, (struct span){0}, now_ms(t));
	push_url_put(&url, t->url,
		     s->query && t->is_query_forwarded ? span_str(s->query)
						       : (struct span){0});
	err = buf_error(&url);
	if (!err)
		err = dial(t, buf_text(&url));
	buf_fini(&url);
	t->state = PUSH_DIALS;
	if (!err)
		return;
	fail(t, err == WEIR_ENOMEM ? REASON_no_resources : REASON_remote_lost,
	     words_of(err));
	pause_it(t);
}

static bool may_begin(const struct push_target *t)
{
	const struct push_stream *s = t->stream;

	return t->is_wanted && s->log && s->has_join && s->has_writer &&
	       !s->is_silenced && (!t->is_query_forwarded || s->has_query);
}

bool push_target_work(struct push_target *t)
{
	if (t->is_over)
		clean_up(t);
	if (!t->is_wanted || !t->stream->log)
		leave(t, REASON_peer_end);
	if (t->state == PUSH_WAITS && may_begin(t))
		begin(t);
	push_target_pump(t);
	return t->state == PUSH_WAITS && (!t->is_wanted || !t->stream->log);
}

/* ---- time ---- */

/* Not one byte went, although there are some. */
static bool is_stalled(struct push_target *t)
{
	struct conn_stats s;

	remote_rtmp_stats(t->remote, &s);
	if (!remote_rtmp_queued_bytes(t->remote))
		t->moved_ms = now_ms(t);
	t->moved_ms = WEIR_MAX(t->moved_ms, s.last_out_ms);
	return now_ms(t) - t->moved_ms > t->stream->pushes->limits.stall_ms;
}

static void on_timer(struct push_target *t)
{
	if (t->state == PUSH_PAUSES) {
		t->state = PUSH_WAITS;
		pushes_wake(t->stream->pushes);
	} else if (t->state == PUSH_RUNS && !t->is_over) {
		if (is_stalled(t))
			break_off(t, REASON_timeout,
				  "the server takes no bytes");
		else
			push_target_pump(t);
	}
}

/* ---- life ---- */

int push_target_new(struct push_target **out, struct push_stream *s,
		    const struct push_want *want)
{
	struct push_target *t = calloc(1, sizeof(*t));
	int err = WEIR_ENOMEM;

	if (!t)
		return err;
	t->stream = s;
	list_init(&t->link);
	t->url = strdup(want->url);
	t->shown = strdup(want->shown);
	if (t->url && t->shown)
		err = timer_new(&t->timer, s->pushes->world.loop, on_timer, t);
	list_append(&s->targets, &t->link);
	s->pushes->target_count++;
	if (err)
		push_target_free(&t);
	else
		*out = t;
	return err;
}

void push_target_free(struct push_target **pt)
{
	struct push_target *t = *pt;

	if (!t)
		return;
	*pt = NULL;
	if (t->state == PUSH_RUNS && !t->is_over)
		say_end(t, REASON_draining, "");
	drop_connection(t);
	list_remove(&t->link);
	t->stream->pushes->target_count--;
	session_fini(&t->session);
	timer_free(&t->timer);
	free(t->url);
	free(t->shown);
	free(t);
}
