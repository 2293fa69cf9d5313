/* common/bus/writer.c - sessions: claim, grant, leave, and who is told what. */
#include "common/bus/writer_priv.h"

#include <stdlib.h>

#include "common/base/fetch.h"
#include "common/registry/entry.h"

#define MEMORIES_MAX 4096
#define TAG_WRITER   ((uint64_t)1 << 16) /* not the claim's */
#define TAG_NUMBER   20

/* ---- what is remembered of keys ---- */

static struct writer_memory *memory_of(const struct writers *ws,
				       const struct stream_key *key)
{
	return map_get(&ws->memory, span_str(key->text));
}

static void forget(struct writers *ws, struct writer_memory *m)
{
	map_remove(&ws->memory, span_str(m->key.text));
	list_remove(&m->link);
	free(m);
}

static struct writer_memory *make_memory(struct writers *ws,
					 const struct stream_key *key)
{
	struct writer_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->key = *key;
	if (map_put(&ws->memory, span_str(key->text), m)) {
		free(m);
		return NULL;
	}
	list_append(&ws->memories, &m->link);
	if (ws->memory.count > MEMORIES_MAX)
		forget(ws, list_entry(ws->memories.next, struct writer_memory,
				      link));
	return m;
}

void writer_remember(struct writer *w)
{
	struct writer_memory *m = memory_of(w->ws, &w->entry.key);

	if (!m)
		m = make_memory(w->ws, &w->entry.key);
	if (!m)
		return; /* the registry and the homes remember, too */
	m->counter = WEIR_MAX(m->counter, w->entry.epoch.counter);
	m->term = WEIR_MAX(m->term, w->entry.term.number);
}

void writer_note_term(struct writer *w)
{
	writer_remember(w);
	if (w->events.on_term)
		w->events.on_term(w->ctx, w);
}

void writer_remember_passed(struct writer *w, int64_t now_ms)
{
	struct writer_memory *m = memory_of(w->ws, &w->entry.key);

	if (!m)
		return;
	m->passed = w->entry.epoch.writer;
	m->passed_ms = now_ms;
}

bool writers_have_passed(const struct writers *ws, const struct stream_key *key,
			 const struct uuid *session, int64_t now_ms)
{
	const struct writer_memory *m = memory_of(ws, key);

	return m && uuid_eq(&m->passed, session) &&
	       now_ms - m->passed_ms < CLAIM_MAX_MS;
}

int writers_new(struct writers **out, const struct world *world)
{
	struct writers *ws = calloc(1, sizeof(*ws));

	if (!ws)
		return WEIR_ENOMEM;
	ws->world = world;
	list_init(&ws->all);
	list_init(&ws->memories);
	map_init(&ws->memory, world->seed);
	*out = ws;
	return 0;
}

void writers_set_replicas(struct writers *ws, unsigned count)
{
	ws->replicas = count;
}

void writers_free(struct writers **ws)
{
	if (!*ws)
		return;
	BUG_ON(!list_is_empty(&(*ws)->all));
	while (!list_is_empty(&(*ws)->memories))
		forget(*ws, list_entry((*ws)->memories.next,
				       struct writer_memory, link));
	map_fini(&(*ws)->memory);
	free(*ws);
	*ws = NULL;
}

/* ---- a walk over all writers that outlives their ends ---- */

struct writer *writers_walk_next(struct writers *ws)
{
	struct list *at = ws->walk;

	if (at == &ws->all) {
		ws->walk = NULL;
		return NULL;
	}
	ws->walk = at->next;
	return list_entry(at, struct writer, link);
}

struct writer *writers_walk_first(struct writers *ws)
{
	ws->walk = ws->all.next;
	return writers_walk_next(ws);
}

static struct writer *find_number(const struct writers *ws, uint64_t number)
{
	list_each (l, &ws->all) {
		struct writer *w = list_entry(l, struct writer, link);

		if (w->number == number)
			return w;
	}
	return NULL;
}

static struct writer *find_sid(const struct writers *ws, link_id link,
			       uint32_t sid)
{
	list_each (l, &ws->all) {
		struct writer *w = list_entry(l, struct writer, link);

		if (w->home == link && w->sid == sid)
			return w;
	}
	return NULL;
}

uint64_t writer_tag(struct writer *w)
{
	w->serial++;
	return TAG_WRITERS | w->number << TAG_NUMBER | TAG_WRITER | w->serial;
}

void writer_event(struct writer *w, const char *what, enum reason why,
		  const char *detail)
{
	const struct world *world = w->ws->world;

	world->event(world->ctx, &w->entry.key, what, why, detail);
}

void writer_note_asked(struct writer *w)
{
	w->generation = w->ws->generation;
}

void writer_note_answered(struct writer *w, int64_t now_ms)
{
	if (w->generation == w->ws->generation)
		return;
	w->must_settle = true;
	w->settle_ms = now_ms;
}

void writer_end(struct writer *w, enum reason why, const char *detail)
{
	bool has_begun = w->state != WRITER_CLAIMING;

	if (w->state == WRITER_SPENT)
		return;
	writer_stop_feed(w);
	writer_copy_end(w, why);
	claim_free(&w->claim);
	w->state = WRITER_SPENT;
	w->home = 0;
	w->due_ms = w->settle_ms = w->check_ms = w->leave_ms = INT64_MAX;
	if (has_begun)
		writer_event(w, "writer.end", why, detail);
	w->events.on_end(w->ctx, w, why, detail);
}

/* ---- the claim ---- */

static struct writer *find_rival(const struct writer *w)
{
	list_each (l, &w->ws->all) {
		struct writer *o = list_entry(l, struct writer, link);

		if (o != w && !o->is_leaving && o->state != WRITER_CLAIMING &&
		    o->state != WRITER_SPENT &&
		    !strcmp(o->entry.key.text, w->entry.key.text))
			return o;
	}
	return NULL;
}

/* Two sessions of this key in this process have been granted, one after the
 * other: the earlier one has given way, whichever is heard of first. */
static void end_earlier(struct writer *w)
{
	static const char detail[] = "by a publisher on this node";
	struct writer *o;

	while ((o = find_rival(w))) {
		if (claim_order(&o->entry.epoch, o->entry.start_us,
				&w->entry.epoch, w->entry.start_us) > 0) {
			writer_end(w, REASON_taken_over, detail);
			return;
		}
		writer_end(o, REASON_taken_over, detail);
	}
}

/* The publisher left before anything was written. */
static void give_up(struct writer *w)
{
	const struct world *world = w->ws->world;
	struct record r = {
		.type = RECORD_END,
		.sid = w->sid,
		.reason = (uint16_t)w->leave_why,
		.ms = world->publish_grace_ms,
	};

	if (w->state == WRITER_OPENING)
		world->send(world->ctx, w->home, &r);
	w->is_delivered = true;
	w->state = WRITER_WAITING;
	w->due_ms = INT64_MAX;
	w->home = 0;
	writer_note_lost(w);
}

/* Without the registry two claims of this process may have been told the same
 * numbers. */
static void pass_memory(struct writer *w)
{
	const struct writer_memory *m = memory_of(w->ws, &w->entry.key);
	struct stream_entry *e = &w->entry;

	if (!m)
		return;
	e->epoch.counter = WEIR_MAX(e->epoch.counter, m->counter + 1);
	e->term.number = WEIR_MAX(e->term.number, m->term + 1);
}

static void on_granted(void *ctx, const struct claim_grant *g)
{
	struct writer *w = ctx;
	const struct world *world = w->ws->world;

	claim_free(&w->claim);
	w->entry = g->entry;
	w->entry.is_local = g->is_local;
	w->stored = g->entry.term;
	w->must_settle = g->is_local;
	if (g->is_local)
		pass_memory(w);
	w->continues = g->has_previous && !g->previous.is_ended;
	writer_remember(w);
	writer_event(w, "claim.granted", REASON_none,
		     g->is_local ? "local" : w->entry.home_node);
	w->state = WRITER_WAITING;
	w->due_ms = w->ws->now_ms;
	w->wait_until_ms = w->ws->now_ms + world->peer_dead_ms;
	w->must_settle |= !g->entry.is_live;
	writer_note_answered(w, w->ws->now_ms);
	if (w->is_leaving)
		give_up(w);
	else
		end_earlier(w);
}

static void on_refused(void *ctx, enum reason why, const char *detail)
{
	struct writer *w = ctx;

	claim_free(&w->claim);
	writer_event(w, "claim.refused", why, detail);
	writer_end(w, w->is_leaving ? REASON_peer_left : why, detail);
}

/* ALIVE asked of this process by one of its own claims. */
static void ask_self(void *ctx, const struct question *q, struct answer *out,
		     int64_t now_ms)
{
	struct writer *w = ctx;

	*out = (struct answer){0};
	writers_on_question(w->ws, q, out, now_ms);
}

int writer_make(struct writer **out, struct writers *ws,
		const struct writer_request *request,
		const struct writer_events *events, void *ctx, int64_t now_ms)
{
	struct writer *w = calloc(1, sizeof(*w));

	if (!w)
		return WEIR_ENOMEM;
	*w = (struct writer){
		.ws = ws,
		.number = ++ws->numbers,
		.session = request->session,
		.log = request->log,
		.events = *events,
		.ctx = ctx,
		.input_ms = now_ms,
		.due_ms = INT64_MAX,
		.settle_ms = INT64_MAX,
		.check_ms = INT64_MAX,
		.leave_ms = INT64_MAX,
		.copy.due_ms = INT64_MAX,
	};
	w->entry.key = request->key;
	memcpy(w->credential, request->credential, sizeof(w->credential));
	feed_init(&w->feed, NULL, 0);
	feed_init(&w->copy.feed, NULL, 0);
	ws->has_news = true;
	list_append(&ws->all, &w->link);
	*out = w;
	return 0;
}

int writer_new(struct writer **out, struct writers *ws,
	       const struct writer_request *request,
	       const struct writer_events *events, void *ctx, int64_t now_ms)
{
	static const struct claim_events claim_events = {on_granted,
							 on_refused};
	const struct writer_memory *m = memory_of(ws, &request->key);
	struct claim_request c = {
		.key = request->key,
		.session = request->session,
		.start_us = request->start_us,
		.own_counter = m ? m->counter : 0,
		.own_term = m ? m->term : 0,
		.ask_self = ask_self,
	};
	struct writer *w;
	int err = writer_make(&w, ws, request, events, ctx, now_ms);

	if (err)
		return err;
	memcpy(c.kind, request->kind, sizeof(c.kind));
	memcpy(c.credential, request->credential, sizeof(c.credential));
	w->entry.epoch.writer = request->session;
	w->entry.start_us = request->start_us;
	memcpy(w->entry.kind, request->kind, sizeof(w->entry.kind));
	c.tag_base = TAG_WRITERS | w->number << TAG_NUMBER;
	err = claim_new(&w->claim, ws->world, &c, &claim_events, w, now_ms);
	if (err) {
		writer_free(&w);
		return err;
	}
	writer_note_asked(w);
	*out = w;
	return 0;
}

void writer_free(struct writer **wp)
{
	struct writer *w = *wp;

	*wp = NULL;
	if (!w)
		return;
	writer_stop_feed(w);
	writer_copy_stop(w);
	claim_free(&w->claim);
	stateset_unref(&w->told);
	if (w->ws->walk == &w->link)
		w->ws->walk = w->link.next;
	list_remove(&w->link);
	free(w);
}

const struct stream_entry *writer_entry(const struct writer *w)
{
	return &w->entry;
}

/* ---- the owner's side ---- */

void writer_ahead(const struct writer *w)
{
	fetch_bytes(w, offsetof(struct writer, feed.resume));
	fetch(&w->copy.is_fed);
	fetch(&w->state);
}

void writer_appended(struct writer *w, int64_t now_ms)
{
	const struct world *world = w->ws->world;

	w->input_ms = now_ms;
	if (w->is_fed)
		world->feed_kick(world->ctx, &w->feed);
	writer_copy_kick(w);
	writer_move_due(w, now_ms);
}

void writer_input(struct writer *w, int64_t now_ms)
{
	w->input_ms = now_ms;
}

void writer_leave(struct writer *w, enum reason why, int64_t now_ms)
{
	const struct world *world = w->ws->world;

	w->ws->has_news = true;
	if (w->is_leaving || w->state == WRITER_SPENT)
		return;
	w->is_leaving = true;
	w->leave_why = why;
	w->leave_ms = now_ms + world->publish_grace_ms;
	writer_event(w, "publisher.left", why, "");
	if (w->state == WRITER_CLAIMING)
		return; /* the claim must be known to be given up */
	if (!w->has_epoch) {
		give_up(w);
		return;
	}
	writer_note_lost(w);
	writer_tell_homes(w, false);
	if (w->copy.is_fed)
		feed_owe_end(&w->copy.feed, why, world->publish_grace_ms);
	writer_copy_kick(w);
	if (!w->is_fed)
		return; /* behind the next PUB */
	feed_owe_end(&w->feed, why, world->publish_grace_ms);
	world->feed_kick(world->ctx, &w->feed);
}

/* ---- the process's side ---- */

void writers_on_link(struct writers *ws, const struct node_ref *node,
		     bool is_up, int64_t now_ms)
{
	ws->has_news = true;
	if (!is_up) /* another process, or a new start */
		writers_drain_over(ws, node->link);
	for (struct writer *w = writers_walk_first(ws); w;
	     w = writers_walk_next(ws)) {
		if (is_up)
			writer_on_origin_up(w, node, now_ms);
		else if (w->home == node->link)
			writer_on_home_lost(w, node->id, now_ms);
		if (w->state != WRITER_SPENT)
			writer_copy_on_link(w, node, is_up, now_ms);
	}
}

static void on_wanted(struct writer *w, bool is_wanted)
{
	if (w->is_wanted == is_wanted)
		return;
	w->is_wanted = is_wanted;
	if (w->events.on_wanted)
		w->events.on_wanted(w->ctx, w, is_wanted);
}

/* An origin that is not the home knows a term that the writer must pass. */
static void on_term_told(struct writers *ws, const struct record *r,
			 int64_t now_ms)
{
	struct writer *w = NULL;

	list_each (l, &ws->all) {
		struct writer *o = list_entry(l, struct writer, link);

		if (epoch_eq(&o->entry.epoch, &r->position.epoch))
			w = o;
	}
	if (!w || w->is_leaving || w->state == WRITER_SPENT ||
	    r->term.number < w->entry.term.number)
		return;
	writer_event(w, "term.passed", r->reason, "");
	writer_raise(w, &r->term, now_ms);
}

void writer_on_delivered(struct writer *w)
{
	if (!w->is_leaving)
		return;
	w->is_delivered = true;
	if (w->is_lost_noted)
		writer_end(w, REASON_peer_left, "delivered");
}

void writers_on_record(struct writers *ws, link_id link, const struct record *r,
		       int64_t now_ms)
{
	struct writer *w;

	ws->has_news = true;
	if (r->type == RECORD_DRAIN) {
		writers_on_drain(ws, link, now_ms);
		return;
	}
	if (r->type == RECORD_FENCED && !r->sid) {
		on_term_told(ws, r, now_ms);
		return;
	}
	if (writer_copy_on_record(ws, link, r, now_ms))
		return;
	w = find_sid(ws, link, r->sid);
	if (!w || w->state == WRITER_SPENT)
		return;
	switch (r->type) {
	case RECORD_RESUME:
		writer_on_resume(w, r, now_ms);
		break;
	case RECORD_FENCED:
		writer_on_fenced(w, r, now_ms);
		break;
	case RECORD_WANTED:
		w->has_heard_wanted = true;
		on_wanted(w, r->flags & WANTED_YES);
		break;
	case RECORD_FEEDBACK:
		if (w->events.on_feedback && w->has_epoch)
			w->events.on_feedback(w->ctx, w, r->track, r->what,
					      r->value);
		break;
	case RECORD_END:
		writer_on_delivered(w);
		break;
	default:
		break;
	}
}

int writers_on_frame(struct writers *ws, link_id link, uint16_t type,
		     uint32_t sid, uint64_t term_number, struct frame *f,
		     int64_t now_ms)
{
	struct writer *w = find_sid(ws, link, sid);
	struct stateset *set = NULL;

	(void)term_number;
	(void)now_ms;
	if (type != RECORD_STATE || !frame_is_state(f))
		return WEIR_EPROTO;
	if (!w || stateset_with(&set, w->told, f))
		return 0; /* a new epoch without the old CONFIGs will do */
	stateset_unref(&w->told);
	w->told = set;
	return 0;
}

static struct writer *find_tag(const struct writers *ws, uint64_t tag)
{
	if (tag >> 56 != TAG_WRITERS >> 56)
		return NULL;
	return find_number(ws, (tag & (((uint64_t)1 << 56) - 1)) >> TAG_NUMBER);
}

bool writers_on_answer(struct writers *ws, uint64_t tag, const struct answer *a,
		       int64_t now_ms)
{
	struct writer *w = find_tag(ws, tag);

	ws->has_news = true;
	ws->now_ms = now_ms;
	if (!w || w->state == WRITER_SPENT)
		return tag >> 56 == TAG_WRITERS >> 56;
	if (w->claim && claim_on_answer(w->claim, tag, a, now_ms))
		return true;
	if (tag == w->tag.place)
		writer_on_placed(w, a, now_ms);
	else
		writer_on_validated(w, tag, a, now_ms);
	return true;
}

static void on_lost_noted(struct writer *w, const struct script_result *r,
			  int64_t now_ms)
{
	w->tag.lost = 0;
	if (r->err == WEIR_ETIMEOUT) {
		w->settle_ms = now_ms + w->ws->world->registry_ms;
		return;
	}
	w->is_lost_noted = true;
	if (w->is_delivered)
		writer_end(w, REASON_peer_left, "delivered");
}

bool writers_on_script(struct writers *ws, uint64_t tag,
		       const struct script_result *r, int64_t now_ms)
{
	struct writer *w = find_tag(ws, tag);

	ws->has_news = true;
	ws->now_ms = now_ms;
	if (!w || w->state == WRITER_SPENT)
		return tag >> 56 == TAG_WRITERS >> 56;
	if (w->claim && claim_on_script(w->claim, tag, r, now_ms))
		return true;
	if (tag == w->tag.move)
		writer_on_moved(w, r, now_ms);
	else if (tag == w->tag.settle)
		writer_on_settled(w, r, now_ms);
	else if (tag == w->tag.verify)
		writer_on_verified(w, r, now_ms);
	else if (tag == w->tag.lost)
		on_lost_noted(w, r, now_ms);
	return true;
}

/* ---- registry and time ---- */

static bool is_granted(const struct writer *w)
{
	return w->state != WRITER_CLAIMING && w->state != WRITER_SPENT;
}

static void settle_or_leave(struct writer *w, int64_t now_ms)
{
	if (!w->is_leaving)
		writer_settle(w, now_ms);
	else if (!w->is_lost_noted)
		writer_note_lost(w);
}

void writers_on_registry(struct writers *ws, bool is_up, bool is_other,
			 int64_t now_ms)
{
	ws->has_news = true;
	if (!is_up)
		return;
	ws->generation += is_other;
	for (struct writer *w = writers_walk_first(ws); w;
	     w = writers_walk_next(ws)) {
		if (!is_granted(w))
			continue;
		/* While it could not be reached, it may have been emptied. */
		w->must_settle |= !w->is_leaving;
		w->tag.settle = 0; /* an answer of before says nothing now */
		settle_or_leave(w, now_ms);
	}
}

void writers_on_entry(struct writers *ws, const struct stream_entry *e,
		      int64_t now_ms)
{
	ws->has_news = true;
	for (struct writer *w = writers_walk_first(ws); w;
	     w = writers_walk_next(ws))
		if (is_granted(w) && !strcmp(w->entry.key.text, e->key.text))
			writer_on_entry(w, e, now_ms);
}

void writers_on_away(struct writers *ws, int64_t now_ms)
{
	ws->has_news = true;
	for (struct writer *w = writers_walk_first(ws); w;
	     w = writers_walk_next(ws))
		if (is_granted(w))
			writer_check(w, now_ms);
}

static void check_again(struct writer *w, int64_t now_ms)
{
	w->check_ms = INT64_MAX;
	if (w->is_checking)
		writer_check(w, now_ms);
}

static void settle_again(struct writer *w, int64_t now_ms)
{
	w->settle_ms = INT64_MAX;
	w->tag.settle = 0;
	if (w->is_leaving || w->must_settle)
		settle_or_leave(w, now_ms);
}

/* What is due of one writer: one thing at a time, as it may be gone. */
static void do_due(struct writer *w, int64_t now_ms)
{
	if (w->claim)
		claim_tick(w->claim, now_ms);
	else if (now_ms >= w->leave_ms)
		writer_end(w, REASON_peer_left, "grace is over");
	else if (now_ms >= w->check_ms)
		check_again(w, now_ms);
	else if (now_ms >= w->settle_ms)
		settle_again(w, now_ms);
	else if (now_ms >= w->due_ms)
		writer_go_on(w, now_ms);
	else if (now_ms >= w->copy.due_ms)
		writer_copy_open(w, now_ms);
}

static int64_t next_due(const struct writer *w)
{
	int64_t due = WEIR_MIN(w->due_ms, w->leave_ms);

	if (w->claim)
		return claim_due_ms(w->claim);
	due = WEIR_MIN(due, w->check_ms);
	due = WEIR_MIN(due, w->copy.due_ms);
	return WEIR_MIN(due, w->settle_ms);
}

int64_t writers_tick(struct writers *ws, int64_t now_ms)
{
	int64_t due = INT64_MAX;

	ws->now_ms = now_ms;
	if (!ws->has_news && now_ms < ws->due_ms)
		return ws->due_ms; /* only media came */
	ws->has_news = false;
	for (struct writer *w = writers_walk_first(ws); w;
	     w = writers_walk_next(ws))
		if (w->state != WRITER_SPENT)
			do_due(w, now_ms);
	list_each (l, &ws->all) {
		struct writer *w = list_entry(l, struct writer, link);

		if (w->state != WRITER_SPENT)
			due = WEIR_MIN(due, next_due(w));
	}
	ws->due_ms = due;
	return due;
}
