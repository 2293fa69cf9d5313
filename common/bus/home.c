/* common/bus/home.c - the streams of an origin: the interface, links, time. */
#include "common/bus/home_priv.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/base/fetch.h"
#include "common/registry/entry.h"

#define TAG_NUMBER     16
#define LOST_EACH_MS   1000
#define KEY_EACH_MS    500
#define RESERVE_MARGIN 2 /* times peer_dead_ms */

int homes_new(struct homes **out, const struct world *world,
	      const struct home_limits *limits,
	      const struct home_events *events, void *ctx)
{
	struct homes *hs = calloc(1, sizeof(*hs));

	if (!hs)
		return WEIR_ENOMEM;
	hs->world = world;
	hs->limits = *limits;
	if (events)
		hs->events = *events;
	hs->ctx = ctx;
	list_init(&hs->streams);
	list_init(&hs->links);
	map_init(&hs->by_key, world->seed);
	*out = hs;
	return 0;
}

/* ---- streams ---- */

struct home_stream *home_find(const struct homes *hs,
			      const struct stream_key *key)
{
	return map_get(&hs->by_key, span_str(key->text));
}

struct home_stream *home_get(struct homes *hs, const struct stream_key *key)
{
	struct home_stream *s = home_find(hs, key);

	if (s || hs->by_key.count >= hs->limits.streams_max)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->homes = hs;
	s->number = ++hs->numbers;
	s->entry.key = *key;
	s->grace_ms = s->hint_ms = s->check_ms = s->stale_ms = INT64_MAX;
	s->key_wanted_ms = INT64_MIN / 2;
	list_init(&s->bindings);
	list_init(&s->consumers);
	if (map_put(&hs->by_key, span_str(key->text), s)) {
		free(s);
		return NULL;
	}
	list_append(&hs->streams, &s->link);
	return s;
}

static void drop_stream(struct home_stream *s)
{
	map_remove(&s->homes->by_key, span_str(s->entry.key.text));
	list_remove(&s->link);
	log_free(&s->log);
	free(s);
}

uint64_t home_tag(struct home_stream *s)
{
	s->serial++;
	return TAG_HOMES | s->number << TAG_NUMBER | s->serial;
}

void home_event(struct home_stream *s, const char *what, enum reason why,
		const char *detail)
{
	const struct world *world = s->homes->world;

	world->event(world->ctx, &s->entry.key, what, why, detail);
}

static struct home_info info_of(const struct home_stream *s)
{
	struct home_info info = {
		.key = &s->entry.key,
		.entry = &s->entry,
		.log = s->log,
		.is_home = s->role == ROLE_HOME,
		.has_writer = s->writer != NULL,
		.is_silenced = s->is_silenced,
		.wanting = s->wanting,
		.following = s->following,
		.skipped = s->skipped,
	};

	list_each (l, &s->consumers)
		info.skipped +=
			list_entry(l, struct consumer, link)->feed.skipped;
	return info;
}

void home_changed(struct home_stream *s)
{
	struct home_info info = info_of(s);

	if (s->homes->events.on_change)
		s->homes->events.on_change(s->homes->ctx, &info);
}

bool home_is_live(const struct home_stream *s)
{
	return s->role == ROLE_HOME && s->writer;
}

/* ---- links ---- */

static struct home_link *find_link(const struct homes *hs, link_id link)
{
	list_each (l, &hs->links) {
		struct home_link *peer = list_entry(l, struct home_link, link);

		if (peer->node.link == link)
			return peer;
	}
	return NULL;
}

static void link_up(struct homes *hs, const struct node_ref *node)
{
	struct home_link *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return; /* its records are refused */
	peer->node = *node;
	idmap_init(&peer->consumers, hs->world->seed);
	idmap_init(&peer->writers, hs->world->seed);
	list_append(&hs->links, &peer->link);
	if (hs->is_draining)
		hs->world->send(hs->world->ctx, node->link,
				&(struct record){.type = RECORD_DRAIN});
}

static void drop_link(struct homes *hs, struct home_link *peer, int64_t now_ms)
{
	struct consumer *c;
	struct binding *b;

	list_remove(&peer->link);
	while ((c = idmap_any(&peer->consumers)))
		home_drop_consumer(c, now_ms);
	while ((b = idmap_any(&peer->writers))) {
		struct home_stream *s = b->stream;
		bool was_writer = s->writer == b;

		home_drop_binding(b);
		if (was_writer)
			home_writer_lost(s, now_ms);
	}
	idmap_fini(&peer->consumers);
	idmap_fini(&peer->writers);
	list_each (l, &hs->streams) {
		struct home_stream *s = list_entry(l, struct home_stream, link);

		if (s->hint_link && s->hint_link == peer->node.link) {
			s->hint_link = 0;
			s->hint_ms = now_ms + hs->world->publish_grace_ms;
		}
	}
	free(peer);
}

void homes_on_link(struct homes *hs, const struct node_ref *node, bool is_up,
		   int64_t now_ms)
{
	struct home_link *peer;

	hs->has_news = true;
	if (is_up) {
		link_up(hs, node);
		return;
	}
	peer = find_link(hs, node->link);
	if (peer)
		drop_link(hs, peer, now_ms);
}

void homes_free(struct homes **hsp)
{
	struct homes *hs = *hsp;

	*hsp = NULL;
	if (!hs)
		return;
	hs->events = (struct home_events){0};
	list_each_safe (l, &hs->links)
		drop_link(hs, list_entry(l, struct home_link, link), 0);
	list_each_safe (l, &hs->streams)
		drop_stream(list_entry(l, struct home_stream, link));
	map_fini(&hs->by_key);
	free(hs);
}

/* ---- records ---- */

static void on_unsub(struct home_link *peer, const struct record *r,
		     int64_t now_ms)
{
	struct consumer *c = idmap_get(&peer->consumers, r->sid);

	if (c)
		home_drop_consumer(c, now_ms);
}

/* A key-frame request or a bitrate hint goes on to the writer. */
static void on_feedback(const struct homes *hs, struct home_link *peer,
			const struct record *r, int64_t now_ms)
{
	struct consumer *c = idmap_get(&peer->consumers, r->sid);
	struct home_stream *s = c ? c->stream : NULL;
	struct record on = *r;

	if (!s || !s->writer || s->role != ROLE_HOME ||
	    now_ms - s->key_wanted_ms < KEY_EACH_MS)
		return;
	s->key_wanted_ms = now_ms;
	on.sid = s->writer->pub.sid;
	hs->world->send(hs->world->ctx, s->writer->peer->node.link, &on);
}

int homes_on_record(struct homes *hs, link_id link, const struct record *r,
		    int64_t now_ms)
{
	struct home_link *peer = find_link(hs, link);
	struct binding *b;

	hs->has_news = true;
	if (!peer)
		return WEIR_EPROTO;
	b = idmap_get(&peer->writers, r->sid);
	switch (r->type) {
	case RECORD_PUB:
		return home_on_pub(hs, peer, r, now_ms);
	case RECORD_END:
		if (b)
			home_on_end(b, r, now_ms);
		return 0;
	case RECORD_SKIP:
		if (b)
			b->may_gap = true;
		return 0;
	case RECORD_HOME:
		home_on_home(hs, peer, r, now_ms);
		return 0;
	case RECORD_SUB:
	case RECORD_WHERE:
		return home_on_sub(hs, peer, r, now_ms);
	case RECORD_UNSUB:
		on_unsub(peer, r, now_ms);
		return 0;
	case RECORD_FEEDBACK:
		on_feedback(hs, peer, r, now_ms);
		return 0;
	default:
		return 0;
	}
}

/* What stands in front of a consumer's feed, and what that looks at. */
static void consumer_ahead(const struct home_stream *s)
{
	const struct consumer *c;

	if (list_is_empty(&s->consumers))
		return;
	c = list_entry(s->consumers.next, struct consumer, link);
	fetch_bytes(c, offsetof(struct consumer, feed.resume));
}

/* The writers of so many sids of a link; NULL: none. */
static void find_writers(const struct idmap *writers, const uint32_t *sids,
			 size_t count, const struct binding **out)
{
	for (size_t i = 0; i < count; i++)
		idmap_ahead(writers, sids[i]);
	for (size_t i = 0; i < count; i++) {
		out[i] = idmap_get(writers, sids[i]);
		if (out[i])
			fetch_bytes(out[i], offsetof(struct binding, told));
	}
}

void homes_ahead(const struct homes *hs, link_id link, const uint32_t *sids,
		 size_t count)
{
	const struct home_link *peer = find_link(hs, link);
	const struct binding *b[FETCH_AHEAD_MAX];
	struct log *logs[FETCH_AHEAD_MAX];

	if (!peer)
		return;
	find_writers(&peer->writers, sids, count, b);
	for (size_t i = 0; i < count; i++)
		if (b[i])
			fetch_bytes(b[i]->stream,
				    offsetof(struct home_stream, reserved));
	for (size_t i = 0; i < count; i++) {
		logs[i] = b[i] ? b[i]->stream->log : NULL;
		if (b[i])
			consumer_ahead(b[i]->stream);
	}
	logs_ahead(logs, count);
}

int homes_on_frame(struct homes *hs, link_id link, uint16_t type, uint32_t sid,
		   uint64_t term_number, struct frame *f, int64_t now_ms)
{
	struct home_link *peer = find_link(hs, link);
	struct binding *b;

	if (!peer)
		return WEIR_EPROTO;
	b = idmap_get(&peer->writers, sid);
	return b ? home_on_media(b, type, term_number, f, now_ms) : 0;
}

/* ---- answers and questions ---- */

static struct home_stream *find_tag(const struct homes *hs, uint64_t tag)
{
	uint64_t number = (tag & (((uint64_t)1 << 56) - 1)) >> TAG_NUMBER;

	list_each (l, &hs->streams) {
		struct home_stream *s = list_entry(l, struct home_stream, link);

		if (s->number == number)
			return s;
	}
	return NULL;
}

bool homes_on_answer(struct homes *hs, uint64_t tag, const struct answer *a,
		     int64_t now_ms)
{
	struct home_stream *s;

	if (tag >> 56 != TAG_HOMES >> 56)
		return false;
	hs->has_news = true;
	s = find_tag(hs, tag);
	if (s)
		home_on_validated(s, tag, a, now_ms);
	return true;
}

bool homes_on_script(struct homes *hs, uint64_t tag,
		     const struct script_result *r, int64_t now_ms)
{
	struct home_stream *s;

	if (tag >> 56 != TAG_HOMES >> 56)
		return false;
	hs->has_news = true;
	s = find_tag(hs, tag);
	if (s && tag == s->verify_tag)
		home_on_verified(s, r, now_ms);
	else if (s && r->entry.epoch.counter)
		home_learn_entry(s, &r->entry, now_ms);
	return true;
}

static bool is_reserved(const struct home_stream *s, int64_t now_ms)
{
	return now_ms < s->reserved_ms;
}

static void answer_alive(const struct home_stream *s, const struct question *q,
			 struct answer *out, int64_t now_ms)
{
	const struct world *world = s->homes->world;
	int64_t silent_ms = now_ms - s->last_input_ms;
	bool is_own = uuid_eq(&q->epoch.writer, &s->entry.epoch.writer);

	out->verdict = ALIVE_UNKNOWN;
	if (is_reserved(s, now_ms) && uuid_eq(&q->epoch.writer, &s->reserved))
		out->verdict = ALIVE_YES;
	else if (!is_own && s->entry.epoch.counter > q->epoch.counter)
		out->verdict = ALIVE_LEFT; /* another one is known since */
	else if (!is_own || s->role != ROLE_HOME)
		return;
	else if (!s->writer)
		out->verdict = s->has_left ? ALIVE_LEFT : ALIVE_LINK_LOST;
	else
		out->verdict = silent_ms < world->publish_stall_ms
				       ? ALIVE_YES
				       : ALIVE_SILENT;
	out->silent_ms = (uint32_t)WEIR_MAX(silent_ms, 0);
}

static void answer_known(const struct home_stream *s, struct answer *out)
{
	const struct stream_entry *e = &s->entry;

	out->is_known = e->term.number > 0;
	out->top_counter = (int64_t)WEIR_MAX(s->best.counter, e->epoch.counter);
	out->is_live = home_is_live(s);
	out->has_log = s->log && log_next(s->log) > log_tail(s->log);
	out->epoch = e->epoch;
	out->term = e->term;
	out->start_us = e->start_us;
	out->instance = e->home_instance;
	memcpy(out->node, e->home_node, sizeof(out->node));
	memcpy(out->url, e->home_url, sizeof(out->url));
	memcpy(out->kind, e->kind, sizeof(out->kind));
	memcpy(out->writer_node, e->writer_node, sizeof(out->writer_node));
}

/* Without the registry the home decides: the first stays. */
static void answer_claim(struct homes *hs, struct home_stream *s,
			 const struct question *q, struct answer *out,
			 int64_t now_ms)
{
	const struct uuid *who = &q->epoch.writer;

	answer_known(s, out);
	if (is_reserved(s, now_ms) && !uuid_eq(who, &s->reserved)) {
		out->is_live = true;
		out->epoch = (struct epoch){.writer = s->reserved};
		out->writer_node[0] = '\0';
		if (!uuid_eq(&s->reserved, &q->expected.writer))
			return;
	} else if (home_is_live(s) && !uuid_eq(who, &s->entry.epoch.writer) &&
		   !epoch_eq(&q->expected, &s->entry.epoch)) {
		return;
	}
	s->reserved = *who;
	s->reserved_ms = now_ms + RESERVE_MARGIN * hs->world->peer_dead_ms;
	out->is_granted = true;
	answer_known(s, out);
}

void homes_on_question(struct homes *hs, const struct question *q,
		       struct answer *out, int64_t now_ms)
{
	struct home_stream *s = home_find(hs, &q->key);

	hs->has_news = true;
	out->err = 0;
	if (!s && q->kind == QUESTION_CLAIM)
		s = home_get(hs, &q->key);
	if (q->kind != QUESTION_CLAIM && q->kind != QUESTION_ALIVE &&
	    q->kind != QUESTION_VALIDATE)
		out->err = WEIR_EUNSUPPORTED;
	else if (!s && q->kind == QUESTION_CLAIM)
		out->err = WEIR_ELIMIT;
	else if (!s)
		return; /* nothing is known */
	else if (q->kind == QUESTION_ALIVE)
		answer_alive(s, q, out, now_ms);
	else if (q->kind == QUESTION_VALIDATE)
		answer_known(s, out);
	else
		answer_claim(hs, s, q, out, now_ms);
}

/* ---- registry and time ---- */

void homes_on_registry(struct homes *hs, bool is_up, bool is_other,
		       int64_t now_ms)
{
	(void)is_other;
	hs->has_news = true;
	if (!is_up)
		return;
	/* Ends and losses that it has not heard of are told at once. */
	list_each (l, &hs->streams)
		list_entry(l, struct home_stream, link)->lost_try_ms = now_ms;
}

void homes_on_entry(struct homes *hs, const struct stream_entry *e,
		    int64_t now_ms)
{
	struct home_stream *s = home_find(hs, &e->key);

	hs->has_news = true;
	if (s)
		home_learn_entry(s, e, now_ms);
}

void homes_on_away(struct homes *hs, int64_t now_ms)
{
	hs->has_news = true;
	list_each (l, &hs->streams) {
		struct home_stream *s = list_entry(l, struct home_stream, link);

		if (s->role != ROLE_HOME)
			continue;
		home_silence(s, true);
		home_check(s, now_ms);
	}
}

/* The writer's link is lost, its ingest may be dead: once its lease is gone,
 * the registry is told until when the stream waits. */
static void tell_lost(struct home_stream *s, int64_t now_ms)
{
	const struct world *world = s->homes->world;
	struct script_call call = {
		.kind = SCRIPT_LOST,
		.entry = s->entry,
		.only_without_lease = !s->has_left,
	};

	s->lost_try_ms = now_ms + LOST_EACH_MS;
	call.entry.lost_until_ms =
		world->utc_us(world->ctx) / 1000 + (s->grace_ms - now_ms);
	world->script(world->ctx, home_tag(s), &call);
}

/* Nothing holds it any more. */
static bool is_idle(const struct home_stream *s, int64_t now_ms)
{
	return !s->writer && list_is_empty(&s->bindings) &&
	       list_is_empty(&s->consumers) && s->role != ROLE_HOME &&
	       !is_reserved(s, now_ms) && s->hint_ms == INT64_MAX &&
	       !s->hint_link && !s->is_checking;
}

/* Nobody has come back for what stands here. Where the stream is stays known:
 * the writer tells it to all origins, as long as it lives. */
static void drop_log(struct home_stream *s, int64_t now_ms)
{
	s->stale_ms = INT64_MAX;
	if (s->writer || s->role == ROLE_HOME)
		return;
	list_each_safe (l, &s->consumers) {
		struct consumer *c = list_entry(l, struct consumer, link);

		if (c->is_fed)
			home_drop_consumer(c, now_ms);
	}
	log_free(&s->log);
	s->role = ROLE_NONE;
}

/* What was only heard of, or left over, is forgotten. Who waits goes on
 * waiting, as if the stream had never been here. */
static void forget(struct home_stream *s, int64_t now_ms)
{
	struct stream_key key = s->entry.key;

	s->hint_ms = INT64_MAX;
	if (s->writer || s->role == ROLE_HOME)
		return;
	drop_log(s, now_ms);
	s->entry = (struct stream_entry){.key = key};
	s->best = (struct epoch){0};
	s->best_start_us = 0;
}

static int64_t do_due(struct home_stream *s, int64_t now_ms)
{
	int64_t due;

	if (now_ms >= s->check_ms)
		home_checked(s, now_ms);
	if (now_ms >= s->grace_ms)
		home_end_grace(s, now_ms);
	else if (s->grace_ms != INT64_MAX && now_ms >= s->lost_try_ms)
		tell_lost(s, now_ms);
	if (now_ms >= s->hint_ms)
		forget(s, now_ms);
	if (now_ms >= s->stale_ms)
		drop_log(s, now_ms);
	if (now_ms >= s->window_ms)
		home_tell_wanted(s, now_ms);
	due = WEIR_MIN(WEIR_MIN(s->check_ms, s->grace_ms),
		       WEIR_MIN(s->hint_ms, s->stale_ms));
	if (s->grace_ms != INT64_MAX)
		due = WEIR_MIN(due, s->lost_try_ms);
	if (s->window_ms > now_ms)
		due = WEIR_MIN(due, s->window_ms);
	if (is_reserved(s, now_ms))
		due = WEIR_MIN(due, s->reserved_ms);
	return due;
}

int64_t homes_tick(struct homes *hs, int64_t now_ms)
{
	int64_t due = INT64_MAX;

	if (!hs->has_news && now_ms < hs->due_ms)
		return hs->due_ms; /* only frames came */
	hs->has_news = false;
	list_each_safe (l, &hs->streams) {
		struct home_stream *s = list_entry(l, struct home_stream, link);

		due = WEIR_MIN(due, do_due(s, now_ms));
		if (is_idle(s, now_ms))
			drop_stream(s);
	}
	hs->due_ms = due;
	return due;
}

void homes_drain(struct homes *hs, int64_t now_ms)
{
	(void)now_ms;
	hs->is_draining = hs->has_news = true;
	list_each (l, &hs->links) {
		struct home_link *peer = list_entry(l, struct home_link, link);

		hs->world->send(hs->world->ctx, peer->node.link,
				&(struct record){.type = RECORD_DRAIN});
	}
}

bool homes_is_empty(const struct homes *hs)
{
	list_each (l, &hs->streams) {
		struct home_stream *s = list_entry(l, struct home_stream, link);

		if (s->role == ROLE_HOME || s->writer)
			return false;
	}
	return true;
}

void homes_each(const struct homes *hs,
		void (*fn)(void *ctx, const struct home_info *info), void *ctx)
{
	list_each (l, &hs->streams) {
		struct home_stream *s = list_entry(l, struct home_stream, link);
		struct home_info info = info_of(s);

		if (s->log || s->entry.term.number)
			fn(ctx, &info);
	}
}

void homes_each_consumer(const struct homes *hs, const struct stream_key *key,
			 void (*fn)(void *ctx, const struct node_ref *node,
				    bool is_wanting),
			 void *ctx)
{
	const struct home_stream *s = home_find(hs, key);

	if (!s)
		return;
	list_each (l, &s->consumers) {
		const struct consumer *c = list_entry(l, struct consumer, link);

		if (!c->is_where)
			fn(ctx, &c->peer->node, c->is_wanting);
	}
}
