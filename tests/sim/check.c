/* tests/sim/check.c - the invariants. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/registry/entry.h"
#include "tests/sim/sim.h"

#define STALL_MS   3000
#define CALM_MS    14000 /* so long after a fault nothing may go wrong */
#define LEARN_MS   1500  /* so long news take to be everywhere */
#define BOUND_MS   8000  /* so long an origin remembers */
#define LATE_MS    1000  /* where nothing may be lost, nor be late */
#define COPY_BY_MS 4000  /* a stream has its copy by then */
#define REPLAY_MS  1000  /* older frames are sent to a copy only */
#define FRESH_MS   2500  /* at the end a viewer is not further behind */

size_t check_key(const struct sim *s, const char *text)
{
	for (size_t i = 0; i < s->key_count; i++)
		if (!strcmp(s->key[i].text, text))
			return i;
	BUG_ON(true);
}

struct published *check_epoch(struct sim *s, const struct epoch *epoch)
{
	for (size_t i = s->published_count; i-- > 0;)
		if (epoch_eq(&s->published[i].epoch, epoch))
			return &s->published[i];
	return NULL;
}

/* ---- claims ---- */

/* The registry never gives a counter twice. */
void check_claimed(struct sim *s, const struct script_call *call,
		   const struct script_result *r)
{
	size_t key = check_key(s, call->entry.key.text);
	struct epoch *top = &s->registry.top[key];

	if (r->err || !r->entry.is_live ||
	    uuid_eq(&r->entry.epoch.writer, &top->writer) ||
	    check_epoch(s, &r->entry.epoch))
		return; /* refused, or asked again */
	if (r->entry.epoch.counter <= top->counter)
		sim_violation(s, "counter %" PRIu64 " again, after %" PRIu64,
			      r->entry.epoch.counter, top->counter);
	*top = r->entry.epoch;
}

/* Each epoch has one writer. */
void check_granted(struct sim *s, struct sim_session *se,
		   const struct stream_entry *e)
{
	struct published *p;

	sim_trace(s, "%s: epoch %" PRIu64 " term %" PRIu64 "%s", se->node->id,
		  e->epoch.counter, e->term.number,
		  e->is_local ? " local" : "");
	if (check_epoch(s, &e->epoch)) {
		sim_violation(s, "epoch %" PRIu64 " was granted twice",
			      e->epoch.counter);
		return;
	}
	if (s->published_count == EPOCHS_MAX) {
		sim_violation(s, "more epochs than fit");
		return;
	}
	p = &s->published[s->published_count++];
	*p = (struct published){
		.key = se->key,
		.epoch = e->epoch,
		.by = se,
		.node = se->node,
		.superseded_us = INT64_MAX,
		.is_local = e->is_local,
	};
}

void check_given(struct sim *s, const struct sim_session *se)
{
	struct published *p = check_epoch(s, &se->epoch);

	s->passes++;
	if (!p)
		return;
	p->by = NULL;
	p->node = NULL;
}

void check_taken(struct sim *s, struct sim_session *se, int64_t saved_us)
{
	struct published *p = check_epoch(s, &se->epoch);

	if (!p)
		return;
	if (p->by)
		sim_violation(s, "epoch %" PRIu64 " was given twice",
			      p->epoch.counter);
	p->by = se;
	p->node = se->node;
	p->taken_us = s->now_us;
	p->is_old = s->now_us - saved_us >
		    ((int64_t)se->node->world.loop_away_ms + 1) * MS;
	p->is_verified = false;
}

void check_verified(struct sim *s, const struct script_call *call)
{
	struct published *p = check_epoch(s, &call->entry.epoch);

	if (p && call->kind == SCRIPT_VERIFY)
		p->is_verified = true;
}

void check_appended(struct sim *s, struct sim_session *se, struct frame *f)
{
	struct published *p = check_epoch(s, &se->epoch);

	if (!p)
		return;
	if (p->by != se)
		sim_violation(s, "two writers of epoch %" PRIu64,
			      p->epoch.counter);
	if (p->count == p->room) {
		p->room = p->room ? p->room * 2 : 64;
		p->frame = sim_need(
			realloc(p->frame, p->room * sizeof(*p->frame)));
		p->at_us = sim_need(
			realloc(p->at_us, p->room * sizeof(*p->at_us)));
	}
	if (f->position.sequence != p->count)
		sim_violation(s, "the ingest leaves out a sequence");
	p->at_us[p->count] = s->now_us;
	p->frame[p->count++] = frame_ref(f);
	s->frames_published++;
}

void check_entry_written(struct sim *s, size_t key)
{
	struct stream_entry e;

	if (!redis_entry(s, key, &e))
		return;
	for (size_t i = 0; i < s->published_count; i++) {
		struct published *p = &s->published[i];

		if (p->key != key)
			continue;
		if (epoch_eq(&p->epoch, &e.epoch))
			p->superseded_us = INT64_MAX;
		else if (p->superseded_us == INT64_MAX &&
			 e.epoch.counter > p->epoch.counter)
			p->superseded_us = s->now_us;
	}
}

/* Who gave it to another one of its machine sends nothing of it any more. */
static void check_not_given(struct sim *s, const struct sim_node *n,
			    const struct frame *f)
{
	const struct published *p = check_epoch(s, &f->position.epoch);

	if (p && p->node != n)
		sim_violation(s,
			      "%s sends frames of epoch %" PRIu64
			      ", which it gave to another ingest",
			      n->id, p->epoch.counter);
}

/* Who takes what was long on its way asks before it sends. */
static void check_asked(struct sim *s, const struct sim_node *n,
			const struct published *p)
{
	if (p->taken_us && p->is_old && !p->is_verified)
		sim_violation(s,
			      "%s sends frames of epoch %" PRIu64
			      ", which was long on its way, and asked nobody",
			      n->id, p->epoch.counter);
}

/* A process that slept, or that took a writer over which did, sends nothing of
 * what somebody else claimed meanwhile. */
static void check_not_lost(struct sim *s, const struct sim_node *n,
			   const struct published *p)
{
	int64_t since_us =
		p->is_old ? WEIR_MAX(n->woke_us, p->taken_us) : n->woke_us;

	if (!since_us || p->superseded_us >= since_us || !redis_reaches(s, n))
		return;
	if (s->registry.slow_until_us > since_us ||
	    s->registry.frozen_until_us > since_us ||
	    s->cut_off_us[n->index] > since_us ||
	    n->registry_since_us >= since_us)
		return;
	sim_violation(s,
		      "%s sends frames of epoch %" PRIu64
		      ", which somebody else had claimed while it slept",
		      n->id, p->epoch.counter);
}

/* Where there is a copy, the next home lacks next to nothing. */
static void check_no_replay(struct sim *s, const struct published *p,
			    const struct sim_node *to, const struct frame *f)
{
	int64_t age_us = s->now_us - p->at_us[f->position.sequence];

	if (s->class != CLASS_ORIGIN || s->replicas < 2 || !p->by ||
	    s->now_us < COPY_BY_MS * MS || age_us < REPLAY_MS * MS)
		return;
	if (!strcmp(writer_entry(p->by->writer)->home_node, to->id))
		sim_violation(s,
			      "%s is sent all again, though there was a copy",
			      to->id);
}

void check_frame_sent(struct sim *s, struct sim_node *n,
		      const struct sim_node *to, const struct frame *f)
{
	const struct published *p = check_epoch(s, &f->position.epoch);

	if (n->kind != NODE_INGEST || !p)
		return;
	check_not_given(s, n, f);
	check_asked(s, n, p);
	check_not_lost(s, n, p);
	check_no_replay(s, p, to, f);
}

/* The writer goes on behind what an origin has. */
void check_frame_came(struct sim *s, struct sim_node *n, const struct frame *f)
{
	const struct published *p = check_epoch(s, &f->position.epoch);
	const struct home_watch *w = p ? &s->watch[n->index][p->key] : NULL;

	if (w && sim_is_lossless(s) && w->has_last && w->life == n->life &&
	    epoch_eq(&w->last.epoch, &f->position.epoch) &&
	    f->position.sequence <= w->last.sequence)
		sim_violation(s, "%s gets %" PRIu64 "/%" PRIu64 " twice", n->id,
			      f->position.epoch.counter, f->position.sequence);
}

static bool is_calm(const struct sim *s)
{
	return s->class == CLASS_CALM || sim_is_lossless(s) ||
	       s->now_us - s->fault_us > CALM_MS * MS;
}

static bool is_under_way(const struct sim *s, size_t key)
{
	for (size_t i = 0; i < s->publisher_count; i++)
		if (s->publisher[i].passing && s->publisher[i].key == key)
			return true;
	return false;
}

/* Did another session of this key hear from its publisher lately? */
static bool has_live_rival(const struct sim *s, const struct sim_session *se)
{
	int64_t since = s->now_us - (STALL_MS + 1500) * MS;
	int64_t just_now = s->now_us - 500 * MS;

	list_each (l, &s->sessions) {
		const struct sim_session *o =
			list_entry(l, struct sim_session, link);

		if (o != se && o->key == se->key &&
		    o->input_us > (o->is_left ? just_now : since))
			return true;
	}
	return is_under_way(s, se->key);
}

/* Whom it asked gave the stream away: then the home has the only word, and knows
 * no users. */
static bool met_a_pass(const struct sim *s, const struct sim_session *se)
{
	for (size_t i = 0; i < s->published_count; i++)
		if (s->published[i].key == se->key &&
		    s->published[i].taken_us > se->began_us - 500 * MS)
			return true;
	return is_under_way(s, se->key);
}

/* By a newcomer; by itself; a pull by a publisher. */
static bool may_be_taken_over(const struct sim_session *se)
{
	return se->is_pull || se->sim->takeover || se->sim->is_one_user;
}

void check_refused(struct sim *s, const struct sim_session *se, enum reason why)
{
	s->refusals++;
	if (se->is_left || !se->publisher || !is_calm(s))
		return;
	if (why == REASON_taken_over && may_be_taken_over(se))
		return;
	if (why != REASON_busy)
		sim_violation(s, "refused for %s though all is calm",
			      reason_name(why));
	else if (s->is_one_user && !se->is_pull && !met_a_pass(s, se))
		sim_violation(s, "refused, though it is the same user");
	else if (!has_live_rival(s, se))
		sim_violation(s, "refused without a live rival");
}

/* Its home has what it wrote. */
static void check_delivered(struct sim *s, const struct sim_session *se)
{
	const struct published *p = check_epoch(s, &se->epoch);

	if (p && p->by == se && p->at_home < p->count)
		sim_violation(s,
			      "epoch %" PRIu64 " is over, and %" PRIu64
			      " frames of it came to no home",
			      p->epoch.counter, p->count - p->at_home);
}

void check_ended(struct sim *s, const struct sim_session *se, enum reason why,
		 const char *detail)
{
	bool was_live = se->publisher &&
			s->now_us - se->input_us < (STALL_MS - 500) * MS &&
			s->now_us - se->lively_us > 1000 * MS;

	if (why == REASON_peer_left && !strcmp(detail, "delivered"))
		check_delivered(s, se);
	if (why == REASON_peer_left || !was_live || !is_calm(s))
		return;
	if (why == REASON_taken_over && may_be_taken_over(se))
		return;
	sim_violation(s, "a live publisher was ended: %s", reason_name(why));
}

/* ---- homes ---- */

struct find_home {
	const char *key;
	const struct stream_entry *entry;
	bool is_home, has_writer;
};

static void find_home(void *ctx, const struct home_info *info)
{
	struct find_home *f = ctx;

	if (strcmp(info->key->text, f->key) != 0)
		return;
	f->entry = info->entry;
	f->is_home = info->is_home;
	f->has_writer = info->has_writer;
}

/* One origin for each term, and one writer. */
static void check_one_home(struct sim *s, const struct sim_node *n, size_t key,
			   const struct stream_entry *e)
{
	for (size_t i = 0; i < s->home_count; i++) {
		if (s->homes[i].key != key ||
		    !term_eq(&s->homes[i].term, &e->term))
			continue;
		if (s->homes[i].node != n->index || s->homes[i].life != n->life)
			sim_violation(s, "term %" PRIu64 " has two homes",
				      e->term.number);
		if (!uuid_eq(&s->homes[i].writer, &e->writer_instance))
			sim_violation(s, "term %" PRIu64 " has two writers",
				      e->term.number);
		return;
	}
	if (s->home_count == EPOCHS_MAX)
		return;
	s->homes[s->home_count].key = key;
	s->homes[s->home_count].term = e->term;
	s->homes[s->home_count].node = n->index;
	s->homes[s->home_count].writer = e->writer_instance;
	s->homes[s->home_count++].life = n->life;
}

/* An origin never goes back from a writer or a term to an older one. */
static void check_order(struct sim *s, const struct sim_node *n, size_t key,
			const struct stream_entry *e)
{
	struct bound *b = &s->bound[n->index][key];
	bool is_known =
		b->life == n->life && s->now_us - b->at_us < BOUND_MS * MS;
	int order = claim_order(&e->epoch, e->start_us, &b->epoch, b->start_us);

	if (is_known &&
	    (order < 0 || (!order && e->term.number < b->term.number)))
		sim_violation(s,
			      "%s went back to epoch %" PRIu64 " term %" PRIu64,
			      n->id, e->epoch.counter, e->term.number);
	*b = (struct bound){e->epoch, e->term, e->start_us, s->now_us, n->life};
}

/* What the registry knows better, and the origin could have known. */
static void check_not_superseded(struct sim *s, const struct sim_node *n,
				 const struct stream_entry *e)
{
	const struct published *p = check_epoch(s, &e->epoch);
	int64_t known_us = s->now_us - LEARN_MS * MS;

	if (p && p->superseded_us < known_us && redis_reaches(s, n) &&
	    s->registry.slow_until_us <= p->superseded_us &&
	    s->registry.frozen_until_us <= p->superseded_us &&
	    s->cut_off_us[n->index] <= p->superseded_us &&
	    n->registry_since_us < p->superseded_us && n->woke_us < known_us)
		sim_violation(s,
			      "%s takes epoch %" PRIu64
			      " which was given away long ago",
			      n->id, e->epoch.counter);
}

void check_bound(struct sim *s, struct sim_node *n,
		 const struct stream_key *key)
{
	struct find_home f = {.key = key->text};
	size_t index = check_key(s, key->text);

	homes_each(n->homes, find_home, &f);
	if (!f.entry || !f.is_home)
		return;
	check_one_home(s, n, index, f.entry);
	check_order(s, n, index, f.entry);
	check_not_superseded(s, n, f.entry);
}

/* ---- frames ---- */

/* Equal positions have equal bytes, and nothing is invented. */
static const struct published *check_true(struct sim *s, const struct frame *f,
					  const char *where)
{
	const struct published *p = check_epoch(s, &f->position.epoch);

	if (!p || f->position.sequence >= p->count) {
		sim_violation(s, "%s has a frame that nobody published", where);
		return NULL;
	}
	if (!frame_digest_same(f, p->frame[f->position.sequence]))
		sim_violation(s, "%s has other bytes at a position", where);
	return p;
}

static bool is_later(const struct position *a, const struct position *than)
{
	if (epoch_eq(&a->epoch, &than->epoch))
		return a->sequence > than->sequence;
	return a->epoch.counter >= than->epoch.counter;
}

/* It is at a home of its stream. */
static void note_at_home(const struct home_watch *w)
{
	struct published *p = check_epoch(w->sim, &w->last.epoch);

	if (w->is_home && w->has_last && p)
		p->at_home = WEIR_MAX(p->at_home, w->last.sequence + 1);
}

static void on_home_frame(void *ctx, struct log *log, uint64_t ordinal)
{
	struct home_watch *w = ctx;
	const struct frame *f = log_at(log, ordinal);

	check_true(w->sim, f, w->node->id);
	if (w->has_last && !is_later(&f->position, &w->last))
		sim_violation(w->sim, "%s: its log goes back", w->node->id);
	w->last = f->position;
	w->has_last = true;
	note_at_home(w);
}

void check_home_changed(struct sim *s, struct sim_node *n,
			const struct home_info *info)
{
	struct home_watch *w =
		&s->watch[n->index][check_key(s, info->key->text)];

	if (info->log && w->log == info->log && w->watch.link.next &&
	    !list_is_empty(&w->watch.link)) {
		w->is_home = info->is_home;
		note_at_home(w);
	}
	if (!info->log || (w->log == info->log && w->watch.link.next &&
			   !list_is_empty(&w->watch.link)))
		return;
	*w = (struct home_watch){
		.sim = s,
		.node = n,
		.log = info->log,
		.life = n->life,
		.is_home = info->is_home,
		.watch = {.on_append = on_home_frame, .ctx = w},
	};
	list_init(&w->watch.link);
	log_watch_add(info->log, &w->watch);
}

/* Does it follow right behind what the viewer had? */
static bool follows(const struct viewer *v, const struct frame *f)
{
	const struct position *p = &f->position;
	struct epoch_state says;

	if (epoch_eq(&p->epoch, &v->last.epoch))
		return p->sequence == v->last.sequence + 1;
	if (p->sequence || f->kind != FRAME_EPOCH ||
	    epoch_state_read(&says, f->payload))
		return false;
	return !says.previous.counter ||
	       (epoch_eq(&says.previous, &v->last.epoch) &&
		says.last_sequence <= v->last.sequence);
}

void check_viewer_frame(struct sim *s, struct viewer *v, struct frame *f)
{
	const struct published *p = check_true(s, f, v->node->id);

	if (!p)
		return;
	if (v->has_last && !is_later(&f->position, &v->last))
		sim_violation(s, "%s: a viewer goes back", v->node->id);
	if (v->has_last && !follows(v, f) && !v->may_gap)
		sim_violation(s,
			      "%s: a gap before %" PRIu64 "/%" PRIu64
			      " that nobody told",
			      v->node->id, f->position.epoch.counter,
			      f->position.sequence);
	if (v->may_gap && !(f->flags & FRAME_JOIN) && f->kind != FRAME_EPOCH)
		sim_violation(s, "%s: no join behind a gap", v->node->id);
	v->may_gap = false;
	v->last = f->position;
	v->has_last = true;
	v->frames++;
	v->frame_us = s->now_us;
	v->media_us = p->at_us[f->position.sequence];
	s->age_us = WEIR_MAX(s->age_us, s->now_us - v->media_us);
	if (sim_is_lossless(s) && s->now_us - v->media_us > LATE_MS * MS)
		sim_violation(s, "%s: a viewer had to wait", v->node->id);
	s->frames_seen++;
}

void check_viewer_gap(struct sim *s, struct viewer *v, uint64_t frames,
		      enum reason why)
{
	sim_trace(s, "%s: gap of %" PRIu64 " frames (%s)", v->node->id, frames,
		  reason_name(why));
	v->may_gap = true;
	v->gaps++;
	if (sim_is_lossless(s))
		sim_violation(s, "%s: frames were lost", v->node->id);
}

/* ---- at the end, when all is healed ---- */

static const struct sim_session *live_session(const struct sim *s, size_t key)
{
	list_each (l, &s->sessions) {
		const struct sim_session *se =
			list_entry(l, struct sim_session, link);

		if (se->key == key && se->is_granted && se->publisher &&
		    s->now_us - se->input_us < 1000 * MS)
			return se;
	}
	return NULL;
}

static void check_end_home(struct sim *s, size_t key,
			   const struct sim_session *se)
{
	struct stream_entry e;
	size_t homes = 0;

	if (!redis_entry(s, key, &e)) {
		sim_violation(s, "%s is live, and not in the registry",
			      s->key[key].text);
		return;
	}
	if (!epoch_eq(&e.epoch, &se->epoch) || !e.is_live)
		sim_violation(s, "%s: the registry names another writer",
			      s->key[key].text);
	for (size_t i = 0; i < s->node_count; i++) {
		struct find_home f = {.key = s->key[key].text};

		if (!s->node[i].homes)
			continue;
		homes_each(s->node[i].homes, find_home, &f);
		if (!f.is_home || !f.entry)
			continue;
		homes++;
		if (strcmp(s->node[i].id, e.home_node) != 0)
			sim_violation(
				s, "%s: the registry names %s, home is %s",
				s->key[key].text, e.home_node, s->node[i].id);
	}
	if (homes != 1)
		sim_violation(s, "%s has %zu homes", s->key[key].text, homes);
}

static void check_end_viewer(struct sim *s, const struct viewer *v)
{
	if (s->now_us - v->media_us > FRESH_MS * MS)
		sim_violation(s, "%s: a viewer of %s is stuck", v->node->id,
			      s->key[v->key].text);
}

void check_end(struct sim *s)
{
	for (size_t key = 0; key < s->key_count; key++) {
		const struct sim_session *se = live_session(s, key);

		if (!se) {
			sim_violation(s, "nobody publishes %s at the end",
				      s->key[key].text);
			continue;
		}
		check_end_home(s, key, se);
	}
	for (size_t i = 0; i < s->viewer_count; i++)
		check_end_viewer(s, &s->viewer[i]);
}
