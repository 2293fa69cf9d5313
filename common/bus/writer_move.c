/* common/bus/writer_move.c - a writer and its homes: choose, tell the registry,
 * PUB, feed. */
#include "common/bus/writer_priv.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/registry/rank.h"

#define POLL_MS          100
#define PUB_EACH_MS      1000
#define PUB_TRIES        5
#define ANSWER_MARGIN_MS 100
#define MS_PER_HOUR      3600000

static void enter(struct writer *w, enum writer_state state, int64_t due_ms)
{
	w->state = state;
	w->due_ms = due_ms;
}

void writer_stop_feed(struct writer *w)
{
	const struct world *world = w->ws->world;

	if (w->is_fed && w->home)
		world->feed_stop(world->ctx, w->home, &w->feed);
	w->is_fed = false;
	feed_fini(&w->feed);
}

/* ---- PUB ---- */

static void send_pub(struct writer *w, int64_t now_ms)
{
	const struct world *world = w->ws->world;
	const struct stream_entry *e = &w->entry;
	struct record r = {
		.type = RECORD_PUB,
		.flags = PUB_HOME,
		.sid = w->sid,
		.term_number = e->term.number,
		.term = e->term,
		.position.epoch = e->epoch,
		.start_us = e->start_us,
		.key = e->key,
	};

	r.flags |= e->is_local ? PUB_LOCAL : 0;
	r.flags |= w->has_epoch ? PUB_MOVED : 0;
	memcpy(r.kind, e->kind, sizeof(r.kind));
	w->tries++;
	world->send(world->ctx, w->home, &r);
	enter(w, WRITER_OPENING, now_ms + PUB_EACH_MS);
}

/* Is an earlier session of this process still bringing its last frames out? */
static bool must_wait(const struct writer *w, int64_t now_ms)
{
	const struct writers *ws = w->ws;

	if (w->has_epoch || now_ms >= w->wait_until_ms)
		return false;
	list_each (l, &ws->all) {
		const struct writer *o = list_entry(l, struct writer, link);

		if (o != w && o->is_leaving && !o->is_delivered &&
		    o->has_epoch && o->state != WRITER_SPENT &&
		    !strcmp(o->entry.key.text, w->entry.key.text))
			return true;
	}
	return false;
}

void writer_open(struct writer *w, int64_t now_ms)
{
	const struct world *world = w->ws->world;
	link_id link = world->link_to(world->ctx, w->entry.home_node);

	if (must_wait(w, now_ms)) {
		enter(w, WRITER_WAITING, now_ms + POLL_MS / 4);
		return;
	}
	if (!link) {
		writer_place(w, w->entry.home_node, now_ms);
		return;
	}
	writer_stop_feed(w);
	writer_copy_stop(w); /* a new one, of the new term, follows */
	stateset_unref(&w->told);
	w->home = link;
	w->sid = ++w->ws->sids;
	w->has_heard_wanted = false;
	w->tries = 0;
	send_pub(w, now_ms);
}

/* ---- choose ---- */

static bool may_be_home(const void *ctx, const struct node_ref *origin)
{
	const struct writer *w = ctx;

	return strcmp(origin->id, w->avoid) != 0 &&
	       !writers_is_draining(w->ws, origin->link);
}

static const struct node_ref *by_id(const struct node_ref *origin, size_t count,
				    const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(origin[i].id, id))
			return &origin[i];
	return NULL;
}

static void raise_alone(struct writer *w)
{
	w->entry.term.number++;
	w->entry.term.by = w->ws->world->self.instance;
	writer_note_term(w);
}

static void set_home(struct writer *w, const struct node_ref *home)
{
	struct stream_entry *e = &w->entry;

	memcpy(e->home_node, home->id, sizeof(e->home_node));
	memcpy(e->home_url, home->url, sizeof(e->home_url));
	e->home_instance = home->instance;
}

/* The registry is away, or has lost the stream: the writer may do it alone. */
static void move_alone(struct writer *w, int64_t now_ms)
{
	raise_alone(w);
	set_home(w, &w->target);
	w->must_settle = true;
	w->settle_ms = now_ms;
	writer_event(w, "home.moved", REASON_none, w->target.id);
	writer_open(w, now_ms);
}

static void ask_to_move(struct writer *w, const struct node_ref *target,
			int64_t now_ms)
{
	const struct world *world = w->ws->world;
	struct script_call call = {
		.kind = SCRIPT_MOVE,
		.entry = w->entry,
		.expected_term = w->stored,
	};

	w->target = *target;
	call.entry.term.number++;
	call.entry.term.by = world->self.instance;
	memcpy(call.entry.home_node, target->id, sizeof(target->id));
	memcpy(call.entry.home_url, target->url, sizeof(target->url));
	call.entry.home_instance = target->instance;
	w->tag.move = writer_tag(w);
	writer_note_asked(w);
	enter(w, WRITER_MOVING, now_ms + world->registry_ms + ANSWER_MARGIN_MS);
	world->script(world->ctx, w->tag.move, &call);
}

static void move_to(struct writer *w, const struct node_ref *target,
		    int64_t now_ms)
{
	if (strcmp(target->id, w->entry.home_node) != 0 ||
	    !uuid_eq(&target->instance, &w->entry.home_instance)) {
		ask_to_move(w, target, now_ms);
		return;
	}
	w->target = *target;
	writer_open(w, now_ms); /* it only was away */
}

/* Take what dispatch says, else what the hash says, else what there is. */
static void choose(struct writer *w, const char *placed, int64_t now_ms)
{
	const struct world *world = w->ws->world;
	struct node_ref origin[WRITER_ORIGINS_MAX];
	size_t count = world->origins(world->ctx, origin, WRITER_ORIGINS_MAX);
	const struct node_ref *target = NULL;

	if (placed[0])
		target = by_id(origin, count, placed);
	if (!target || !may_be_home(w, target))
		target =
			rank_best(origin, count, &w->entry.key, may_be_home, w);
	if (!target && count)
		target = &origin[0]; /* better than none */
	if (target)
		move_to(w, target, now_ms);
	else
		enter(w, WRITER_PLACING, now_ms + POLL_MS);
}

void writer_place(struct writer *w, const char *avoid, int64_t now_ms)
{
	const struct world *world = w->ws->world;
	struct question q = {
		.kind = QUESTION_PLACE,
		.key = w->entry.key,
		.epoch = w->entry.epoch,
		.term = w->entry.term,
	};
	char node[NODE_ID_SIZE]; /* `avoid` may be in the entry */
	struct node_ref copy;

	memset(node, 0, sizeof(node));
	memcpy(node, avoid, strnlen(avoid, sizeof(node) - 1));
	memcpy(w->avoid, node, sizeof(node));
	memcpy(q.avoid, node, sizeof(node));
	if (writer_copy_target(w, &copy)) { /* it has all that there is */
		w->tag.place = 0;
		ask_to_move(w, &copy, now_ms); /* never the home */
		return;
	}
	w->tag.place = writer_tag(w);
	enter(w, WRITER_PLACING, now_ms + world->place_ms + ANSWER_MARGIN_MS);
	world->ask_dispatch(world->ctx, w->tag.place, &q, world->place_ms);
}

void writer_on_placed(struct writer *w, const struct answer *a, int64_t now_ms)
{
	w->tag.place = 0;
	if (w->state == WRITER_PLACING)
		choose(w, a->err ? "" : a->node, now_ms);
}

void writer_adopt(struct writer *w, const struct term *term, const char *node,
		  const char *url, const struct uuid *instance, int64_t now_ms)
{
	struct stream_entry *e = &w->entry;

	e->term = *term;
	e->home_instance = *instance;
	memcpy(e->home_node, node, sizeof(e->home_node));
	memcpy(e->home_url, url, sizeof(e->home_url));
	writer_note_term(w);
	writer_open(w, now_ms);
}

static void on_stale_move(struct writer *w, const struct stream_entry *e,
			  int64_t now_ms)
{
	if (!epoch_eq(&e->epoch, &w->entry.epoch)) {
		writer_settle(w, now_ms); /* it says who stands */
		enter(w, WRITER_PLACING, now_ms + PUB_EACH_MS);
		return;
	}
	if (++w->raises > PUB_TRIES) {
		writer_end(w, REASON_fenced, "the home moves too fast");
		return;
	}
	w->stored = e->term;
	if (e->term.number <= w->entry.term.number ||
	    !strcmp(e->home_node, w->avoid)) {
		w->entry.term.number =
			WEIR_MAX(w->entry.term.number, e->term.number);
		writer_note_term(w);
		move_to(w, &w->target, now_ms);
	} else {
		writer_adopt(w, &e->term, e->home_node, e->home_url,
			     &e->home_instance, now_ms);
	}
}

void writer_on_moved(struct writer *w, const struct script_result *r,
		     int64_t now_ms)
{
	w->tag.move = 0;
	if (w->state != WRITER_MOVING)
		return;
	if (r->err == WEIR_ESTALE) {
		on_stale_move(w, &r->entry, now_ms);
	} else if (r->err) {
		move_alone(w, now_ms);
	} else {
		w->stored = r->entry.term;
		writer_note_answered(w, now_ms);
		writer_event(w, "home.moved", REASON_none, w->target.id);
		writer_adopt(w, &r->entry.term, r->entry.home_node,
			     r->entry.home_url, &r->entry.home_instance,
			     now_ms);
	}
}

/* ---- the home answers ---- */

void writer_tell_home(struct writer *w, const struct node_ref *origin,
		      bool is_live)
{
	const struct world *world = w->ws->world;
	const struct stream_entry *e = &w->entry;
	struct record r = {
		.type = RECORD_HOME,
		.flags = is_live ? HOME_LIVE : 0,
		.term_number = e->term.number,
		.term = e->term,
		.position.epoch = e->epoch,
		.start_us = e->start_us,
		.key = e->key,
	};

	r.flags |= e->is_local ? HOME_LOCAL : 0;
	memcpy(r.node, e->home_node, sizeof(r.node));
	memcpy(r.url, e->home_url, sizeof(r.url));
	world->send(world->ctx, origin->link, &r);
}

void writer_tell_homes(struct writer *w, bool is_live)
{
	const struct world *world = w->ws->world;
	struct node_ref origin[WRITER_ORIGINS_MAX];
	size_t count = world->origins(world->ctx, origin, WRITER_ORIGINS_MAX);

	for (size_t i = 0; i < count; i++)
		if (strcmp(origin[i].id, w->entry.home_node) != 0)
			writer_tell_home(w, &origin[i], is_live);
}

static void fill_start(const struct writer *w, const struct record *r,
		       struct writer_start *s)
{
	const struct world *world = w->ws->world;
	int64_t utc_ms = world->utc_us(world->ctx) / 1000;
	int64_t age_ms = utc_ms - w->entry.birth_ms;

	*s = (struct writer_start){
		.epoch = w->entry.epoch,
		.previous = w->told,
		.target_ms = r->target_ms,
	};
	s->open.start_us = w->entry.start_us;
	if (r->flags & RESUME_KNOWN && r->position.epoch.counter) {
		s->open.previous = r->position.epoch;
		s->open.last_sequence = r->position.sequence;
		s->open.incarnation = r->incarnation;
		s->open.dts_base_ns = r->end_dts_ns;
		s->open.segment = r->segment + 1;
		s->open.discontinuity = r->discontinuity + 1;
		return;
	}
	s->previous = NULL;
	s->open.is_new_incarnation = true;
	s->open.incarnation = (uint64_t)utc_ms;
	s->open.segment = (uint64_t)(utc_ms / 1000);
	/* Small: hls.js has a list with a place for each number from 0 on, and
	 * walks through it whenever it has loaded a playlist. */
	s->open.discontinuity = (uint64_t)(utc_ms / MS_PER_HOUR);
	if (w->continues && age_ms > 0)
		s->open.dts_base_ns = age_ms * NS_PER_MS;
}

static void tell_epoch(struct writer *w, const struct epoch_state *open)
{
	char detail[64];

	if (open->is_new_incarnation)
		snprintf(detail, sizeof(detail), "%" PRIu64 ", a new start",
			 w->entry.epoch.counter);
	else
		snprintf(detail, sizeof(detail),
			 "%" PRIu64 ", goes on from %" PRIu64,
			 w->entry.epoch.counter, open->previous.counter);
	writer_event(w, "epoch", REASON_none, detail);
}

void writer_feed_begin(struct writer *w, struct feed *f, uint32_t sid,
		       const struct record *r)
{
	feed_init(f, w->log, sid);
	f->owner = w;
	f->term_number = w->entry.term.number;
	f->is_paused = w->is_checking;
	if (!(r->flags & RESUME_KNOWN) ||
	    !epoch_eq(&r->position.epoch, &w->entry.epoch) ||
	    feed_start_after(f, &r->position))
		feed_start_oldest(f);
	f->wants_all = true;
}

static void start_feed(struct writer *w, const struct record *r)
{
	const struct world *world = w->ws->world;

	writer_feed_begin(w, &w->feed, w->sid, r);
	if (w->is_leaving)
		feed_owe_end(&w->feed, w->leave_why, world->publish_grace_ms);
	w->is_fed = true;
	world->feed_start(world->ctx, w->home, &w->feed);
	world->feed_kick(world->ctx, &w->feed);
}

void writer_on_resume(struct writer *w, const struct record *r, int64_t now_ms)
{
	bool is_first = !w->has_epoch;
	struct writer_start start;

	if (w->state != WRITER_OPENING || !term_eq(&r->term, &w->entry.term))
		return;
	enter(w, WRITER_FEEDING, INT64_MAX);
	w->raises = 0;
	w->has_epoch = true;
	fill_start(w, r, &start);
	start_feed(w, r);
	writer_tell_homes(w, !w->is_leaving);
	writer_event(w, "home.open", REASON_none, w->entry.home_node);
	if (!w->is_leaving && w->must_settle)
		w->settle_ms = now_ms;
	writer_copy_open(w, now_ms);
	if (!w->has_heard_wanted)
		w->is_wanted = r->flags & RESUME_WANTED;
	if (w->events.on_wanted)
		w->events.on_wanted(w->ctx, w, w->is_wanted);
	if (is_first && !w->is_leaving) {
		tell_epoch(w, &start.open);
		w->events.on_granted(w->ctx, w, &start);
	}
	writer_move_due(w, now_ms);
}

/* ---- links ---- */

void writer_on_home_lost(struct writer *w, const char *node, int64_t now_ms)
{
	w->home = 0;
	w->is_fed = false;
	feed_fini(&w->feed);
	if (w->state != WRITER_OPENING && w->state != WRITER_FEEDING)
		return; /* it looks for another one already */
	writer_event(w, "home.lost", REASON_bus_lost, node);
	writer_place(w, node, now_ms);
}

void writer_on_origin_up(struct writer *w, const struct node_ref *origin,
			 int64_t now_ms)
{
	if (w->state == WRITER_FEEDING && !w->is_leaving &&
	    strcmp(origin->id, w->entry.home_node) != 0) {
		writer_tell_home(w, origin, true);
		writer_move_due(w, now_ms);
	} else if (w->state == WRITER_PLACING && !w->tag.place)
		choose(w, "", now_ms);
}

void writer_go_on(struct writer *w, int64_t now_ms)
{
	switch (w->state) {
	case WRITER_WAITING:
		writer_open(w, now_ms);
		break;
	case WRITER_PLACING:
		w->tag.place = 0;
		choose(w, "", now_ms);
		break;
	case WRITER_MOVING: /* no answer at all */
		writer_on_moved(w,
				&(struct script_result){.err = WEIR_ETIMEOUT},
				now_ms);
		break;
	case WRITER_OPENING:
		if (w->tries >= PUB_TRIES)
			writer_place(w, w->entry.home_node, now_ms);
		else
			send_pub(w, now_ms);
		break;
	default:
		w->due_ms = INT64_MAX;
		break;
	}
}
