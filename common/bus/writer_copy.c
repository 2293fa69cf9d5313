/* common/bus/writer_copy.c - the second origin of a stream: it takes all frames,
 * and serves nobody until it is the home (ingest.replicas). */
#include "common/bus/writer_priv.h"

#include <stdio.h>

#include "common/registry/rank.h"

#define ANSWER_MS 1000 /* of a PUB; then it is asked again */

static bool wants_copy(const struct writer *w)
{
	return w->ws->replicas > 1 && w->state == WRITER_FEEDING &&
	       !w->is_leaving;
}

/* Whoever writes the stream chooses the same one, as long as it is there. */
static bool choose(const struct writer *w, struct node_ref *out)
{
	const struct world *world = w->ws->world;
	struct node_ref origin[WRITER_ORIGINS_MAX];
	size_t count = world->origins(world->ctx, origin, WRITER_ORIGINS_MAX);
	const struct node_ref *best =
		rank_best(origin, count, &w->entry.key, writer_may_go_to, w);

	if (best)
		*out = *best;
	return best != NULL;
}

static void send_pub(struct writer *w)
{
	const struct world *world = w->ws->world;
	const struct stream_entry *e = &w->entry;
	struct record r = {
		.type = RECORD_PUB,
		.flags = PUB_REPLICA,
		.sid = w->copy.sid,
		.term_number = e->term.number,
		.term = e->term,
		.position.epoch = e->epoch,
		.start_us = e->start_us,
		.key = e->key,
	};

	r.flags |= e->is_local ? PUB_LOCAL : 0;
	memcpy(r.kind, e->kind, sizeof(r.kind));
	world->send(world->ctx, w->copy.link, &r);
}

void writer_copy_open(struct writer *w, int64_t now_ms)
{
	struct node_ref to;

	writer_copy_stop(w);
	w->copy.due_ms = INT64_MAX;
	if (!wants_copy(w) || !choose(w, &to))
		return; /* when an origin comes */
	w->copy.link = to.link;
	w->copy.sid = ++w->ws->sids;
	memcpy(w->copy.node, to.id, sizeof(w->copy.node));
	w->copy.due_ms = now_ms + ANSWER_MS;
	send_pub(w);
}

void writer_copy_stop(struct writer *w)
{
	const struct world *world = w->ws->world;

	if (w->copy.is_fed)
		world->feed_stop(world->ctx, w->copy.link, &w->copy.feed);
	if (w->copy.is_fed)
		feed_fini(&w->copy.feed);
	w->copy.is_fed = false;
	w->copy.link = 0;
	w->copy.sid = 0;
}

void writer_copy_end(struct writer *w, enum reason why)
{
	const struct world *world = w->ws->world;
	struct record r = {
		.type = RECORD_END,
		.sid = w->copy.sid,
		.reason = (uint16_t)why,
		.ms = world->publish_grace_ms,
	};

	if (w->copy.link)
		world->send(world->ctx, w->copy.link, &r);
	writer_copy_stop(w);
	w->copy.due_ms = INT64_MAX;
}

static void start_feed(struct writer *w, const struct record *r)
{
	const struct world *world = w->ws->world;
	struct feed *f = &w->copy.feed;

	if (w->copy.is_fed || !term_eq(&r->term, &w->entry.term))
		return;
	writer_feed_begin(w, f, w->copy.sid, r);
	w->copy.is_fed = true;
	w->copy.due_ms = INT64_MAX;
	world->feed_start(world->ctx, w->copy.link, f);
	world->feed_kick(world->ctx, f);
	writer_event(w, "replica.open", REASON_none, w->copy.node);
}

bool writer_copy_on_record(struct writers *ws, link_id link,
			   const struct record *r, int64_t now_ms)
{
	struct writer *w = NULL;

	list_each (l, &ws->all) {
		struct writer *o = list_entry(l, struct writer, link);

		if (r->sid && o->copy.sid == r->sid && o->copy.link == link)
			w = o;
	}
	if (!w)
		return false;
	if (r->type == RECORD_RESUME) {
		start_feed(w, r);
	} else if (r->type == RECORD_FENCED) { /* the home tells, if it must */
		writer_copy_stop(w);
		w->copy.due_ms = now_ms + ANSWER_MS;
	} else if (r->type == RECORD_END &&
		   ws->world->mutants & MUTANT_COPY_DELIVERS) {
		writer_on_delivered(w);
	}
	return true;
}

void writer_copy_on_link(struct writer *w, const struct node_ref *node,
			 bool is_up, int64_t now_ms)
{
	if (is_up && !w->copy.link && w->copy.due_ms == INT64_MAX)
		writer_copy_open(w, now_ms);
	if (is_up || w->copy.link != node->link)
		return;
	w->copy.is_fed = false; /* the bus has stopped it */
	feed_fini(&w->copy.feed);
	writer_copy_stop(w);
	writer_copy_open(w, now_ms);
}

void writer_copy_on_drain(struct writer *w, link_id link, int64_t now_ms)
{
	if (!w->copy.link || w->copy.link != link)
		return;
	writer_copy_end(w, REASON_draining);
	writer_copy_open(w, now_ms);
}

void writer_copy_kick(struct writer *w)
{
	const struct world *world = w->ws->world;

	if (w->copy.is_fed)
		world->feed_kick(world->ctx, &w->copy.feed);
}

void writer_copy_pause(struct writer *w, bool is_paused)
{
	w->copy.feed.is_paused = is_paused;
	if (!is_paused)
		writer_copy_kick(w);
}

bool writer_copy_target(const struct writer *w, struct node_ref *out)
{
	const struct world *world = w->ws->world;
	struct node_ref origin[WRITER_ORIGINS_MAX];
	size_t count = world->origins(world->ctx, origin, WRITER_ORIGINS_MAX);

	if (world->mutants & MUTANT_COPY_UNUSED)
		return false;
	for (size_t i = 0; w->copy.is_fed && i < count; i++) {
		if (origin[i].link != w->copy.link)
			continue;
		*out = origin[i];
		return true;
	}
	return false;
}
