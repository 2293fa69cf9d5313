/* common/bus/home_pub.c - writers of a stream: PUB, frames, leaving, loss. */
#include "common/bus/home_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define REPLAY_GAIN_MS 50

/* ---- bindings ---- */

static void stop_told(struct binding *b)
{
	const struct world *world = b->stream->homes->world;

	if (b->is_fed)
		world->feed_stop(world->ctx, b->peer->node.link, &b->told);
	b->is_fed = false;
	feed_fini(&b->told);
}

void home_drop_binding(struct binding *b)
{
	stop_told(b);
	if (b->stream->writer == b)
		b->stream->writer = NULL;
	idmap_remove(&b->peer->writers, b->pub.sid);
	list_remove(&b->link);
	free(b);
}

void home_fence(struct binding *b, enum reason why)
{
	struct home_stream *s = b->stream;
	const struct world *world = s->homes->world;
	struct record r = {
		.type = RECORD_FENCED,
		.sid = b->pub.sid,
		.reason = (uint16_t)why,
		.term_number = s->entry.term.number,
		.term = s->entry.term,
		.position.epoch = s->entry.epoch,
	};

	home_event(s, "pub.fenced", why, b->peer->node.id);
	world->send(world->ctx, b->peer->node.link, &r);
	home_drop_binding(b);
}

/* ---- RESUME ---- */

/* What a new epoch goes on from. */
static void fill_resume(const struct home_stream *s, struct feed_resume *r)
{
	const struct stateset *set =
		s->log ? log_state_before(s->log, log_next(s->log)) : NULL;
	const struct frame *epoch = stateset_get(set, FRAME_EPOCH, 0);
	const struct frame *cut = stateset_get(set, FRAME_CUT, 0);
	struct epoch_state opened;
	struct cut_state c;

	*r = (struct feed_resume){.term = s->entry.term};
	if (s->told_wanted)
		r->flags |= RESUME_WANTED;
	if (!epoch || epoch_state_read(&opened, epoch->payload))
		return;
	r->flags |= RESUME_KNOWN;
	r->incarnation = opened.incarnation;
	/* None of its segments has begun: they are there for the next epoch. */
	r->segment = opened.segment - 1;
	r->discontinuity = opened.discontinuity - 1;
	if (!cut || cut_state_read(&c, cut->payload))
		return;
	r->segment = c.segment;
	r->discontinuity = c.discontinuity;
	r->target_ms = c.target_ms;
}

static void answer_pub(struct binding *b)
{
	struct home_stream *s = b->stream;
	const struct world *world = s->homes->world;
	struct feed_resume resume;

	stop_told(b);
	fill_resume(s, &resume);
	feed_init(&b->told, s->log, b->pub.sid);
	b->told.owner = b;
	b->told.term_number = s->entry.term.number;
	feed_start_state_only(&b->told);
	feed_owe_resume(&b->told, &resume);
	b->is_fed = true;
	world->feed_start(world->ctx, b->peer->node.link, &b->told);
	world->feed_kick(world->ctx, &b->told);
	if (s->homes->is_draining)
		world->send(world->ctx, b->peer->node.link,
			    &(struct record){.type = RECORD_DRAIN});
}

/* ---- PUB ---- */

static void displace(struct home_stream *s, const struct binding *by)
{
	struct binding *old = s->writer;

	if (!old || old == by)
		return;
	if (epoch_eq(&old->pub.epoch, &by->pub.epoch))
		home_drop_binding(old); /* the same writer, on a new sid */
	else
		home_fence(old, REASON_taken_over);
}

static void store_pub(struct home_stream *s, const struct binding *b)
{
	const struct world *world = s->homes->world;
	struct stream_entry *e = &s->entry;

	e->epoch = b->pub.epoch;
	e->term = b->pub.term;
	e->start_us = b->pub.start_us;
	e->is_live = true;
	e->is_ended = false;
	e->is_local = b->pub.flags & PUB_LOCAL;
	e->writer_instance = b->peer->node.instance;
	memcpy(e->kind, b->pub.kind, sizeof(e->kind));
	memcpy(e->writer_node, b->peer->node.id, sizeof(e->writer_node));
	if (!(b->pub.flags & PUB_HOME))
		return;
	e->home_instance = world->self.instance;
	memcpy(e->home_node, world->self.id, sizeof(e->home_node));
	memcpy(e->home_url, world->self.url, sizeof(e->home_url));
}

static void say_bound(const struct binding *b)
{
	struct home_stream *s = b->stream;
	const struct term *term = &s->entry.term;
	char detail[NODE_ID_SIZE + UUID_TEXT_SIZE + 32], by[UUID_TEXT_SIZE];

	snprintf(detail, sizeof(detail), "%s, term %" PRIu64 " %s",
		 b->peer->node.id, term->number, uuid_text(by, &term->by));
	home_event(s, s->role == ROLE_HOME ? "home.bound" : "copy.bound",
		   REASON_none, detail);
}

static void bind(struct binding *b, int64_t now_ms)
{
	struct home_stream *s = b->stream;
	const struct world *world = s->homes->world;
	bool was_lost = s->grace_ms != INT64_MAX;

	store_pub(s, b); /* first: who is displaced is told what stands now */
	displace(s, b);
	s->writer = b;
	s->role = b->pub.flags & PUB_HOME || world->mutants & MUTANT_COPY_SERVES
			  ? ROLE_HOME
			  : ROLE_REPLICA;
	s->has_left = false;
	s->grace_ms = s->hint_ms = s->stale_ms = INT64_MAX;
	s->hint_link = 0;
	s->last_input_ms = now_ms;
	s->lead_ms = INT64_MIN / 2;
	s->window_ms = now_ms + world->resume_window_ms;
	s->has_told_wanted = s->told_wanted = true;
	s->reserved_ms = 0;
	b->is_bound = b->may_gap = true;
	answer_pub(b);
	home_set_term(s);
	if (was_lost)
		home_tell_found(s);
	say_bound(b);
	home_serve(s, now_ms);
	home_changed(s);
}

static bool has_log(struct home_stream *s)
{
	return s->log || !log_new(&s->log, &s->homes->limits.log);
}

static void judge(struct binding *b, int64_t now_ms)
{
	struct home_stream *s = b->stream;
	enum reason why = home_judge(s, &b->pub);

	if (!why && !has_log(s))
		why = REASON_no_resources;
	if (why)
		home_fence(b, why);
	else
		bind(b, now_ms);
}

static struct binding *first_unjudged(struct home_stream *s)
{
	list_each (l, &s->bindings) {
		struct binding *b = list_entry(l, struct binding, link);

		/* A fenced one is out of the list, which the analyser does
		 * not see. */
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		if (!b->is_bound)
			return b;
	}
	return NULL;
}

void home_judge_all(struct home_stream *s, int64_t now_ms)
{
	struct binding *b;

	while ((b = first_unjudged(s))) /* a verdict may remove others */
		judge(b, now_ms);
}

static void fence_unknown(struct homes *hs, const struct home_link *peer,
			  const struct record *pub, enum reason why)
{
	struct record r = {
		.type = RECORD_FENCED,
		.sid = pub->sid,
		.reason = (uint16_t)why,
	};

	hs->world->send(hs->world->ctx, peer->node.link, &r);
}

static struct pub pub_of(const struct record *r)
{
	struct pub pub = {
		.sid = r->sid,
		.flags = r->flags,
		.start_us = r->start_us,
		.epoch = r->position.epoch,
		.term = r->term,
	};

	memcpy(pub.kind, r->kind, sizeof(pub.kind));
	return pub;
}

static struct binding *add(struct homes *hs, struct home_link *peer,
			   const struct record *r)
{
	struct binding *b;

	if (peer->writers.count >= hs->limits.streams_max)
		return NULL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->peer = peer;
	b->pub = pub_of(r);
	feed_init(&b->told, NULL, 0);
	b->stream = home_get(hs, &r->key);
	if (!b->stream || idmap_put(&peer->writers, b->pub.sid, b)) {
		free(b);
		return NULL;
	}
	list_append(&b->stream->bindings, &b->link);
	return b;
}

/* The same sid again: the same question, as long as it is the same. */
static int repeat(struct binding *b, const struct record *r)
{
	if (strcmp(b->stream->entry.key.text, r->key.text) != 0 ||
	    !epoch_eq(&b->pub.epoch, &r->position.epoch) ||
	    !term_eq(&b->pub.term, &r->term))
		return WEIR_EPROTO;
	if (b->is_bound)
		answer_pub(b);
	return 0;
}

/* Is what is known here enough to judge? */
static bool can_judge(const struct home_stream *s)
{
	return s->entry.term.number && !s->is_checking;
}

int home_on_pub(struct homes *hs, struct home_link *peer,
		const struct record *r, int64_t now_ms)
{
	struct binding *b = idmap_get(&peer->writers, r->sid);

	if (!r->sid || !r->key.text[0] || !r->term.number ||
	    !r->position.epoch.counter ||
	    !(r->flags & (PUB_HOME | PUB_REPLICA)))
		return WEIR_EPROTO;
	if (b)
		return repeat(b, r);
	b = add(hs, peer, r);
	if (!b) {
		fence_unknown(hs, peer, r, REASON_limit);
		return 0;
	}
	if (can_judge(b->stream))
		judge(b, now_ms);
	else
		home_check(b->stream, now_ms);
	return 0;
}

/* ---- frames ---- */

/* A frame that is here already must be the same. */
static int check_same(const struct log *log, const struct frame *f)
{
	struct position before = f->position;
	const struct frame *here;
	uint64_t ordinal;

	if (!before.sequence--)
		return 0;
	if (log_find_after(log, &ordinal, &before))
		return 0;
	here = log_at(log, ordinal);
	if (!here || !epoch_eq(&here->position.epoch, &f->position.epoch) ||
	    here->position.sequence != f->position.sequence)
		return 0;
	return frame_digest_same(here, f) ? 0 : WEIR_EPROTO;
}

static int append(struct binding *b, struct frame *f)
{
	struct home_stream *s = b->stream;
	int err =
		b->may_gap ? log_append_gap(s->log, f) : log_append(s->log, f);

	switch (err) {
	case 0:
		b->may_gap = false;
		return 0;
	case WEIR_EDUP:
		return check_same(s->log, f);
	case WEIR_ENOMEM: /* leave it out, and say so */
		b->may_gap = true;
		return 0;
	default:
		return WEIR_EPROTO;
	}
}

/* A writer that comes sends what it has kept faster than it was made: its media
 * time gains on the clock, until it is as far ahead as it ever was. */
static bool is_replay(struct home_stream *s, const struct frame *f,
		      int64_t now_ms)
{
	int64_t lead_ms = f->dts_ns / NS_PER_MS - now_ms;

	if (frame_is_state(f) || lead_ms <= s->lead_ms + REPLAY_GAIN_MS)
		return false;
	s->lead_ms = lead_ms;
	return true;
}

int home_on_media(struct binding *b, uint16_t type, uint64_t term_number,
		  struct frame *f, int64_t now_ms)
{
	struct home_stream *s = b->stream;
	int err;

	if (!b->is_bound || term_number != b->pub.term.number)
		return 0; /* late, of an older term */
	if (!epoch_eq(&f->position.epoch, &b->pub.epoch))
		return WEIR_EPROTO;
	s->last_input_ms = now_ms;
	if (type == RECORD_STATE) {
		err = log_set_state(s->log, f);
		return err == WEIR_ENOMEM ? 0 : err;
	}
	err = append(b, f);
	if (err)
		return err;
	home_kick(s, is_replay(s, f, now_ms));
	home_serve(s, now_ms); /* who waited for this place */
	return 0;
}

/* ---- leaving, loss, grace ---- */

static void begin_grace(struct home_stream *s, uint32_t grace_ms,
			int64_t now_ms)
{
	s->grace_ms = now_ms + grace_ms;
	s->lost_try_ms = now_ms;
	home_tell_lost(s, now_ms);
	home_changed(s);
}

/* A copy is kept for the publisher's return. */
static void keep_a_while(struct home_stream *s, int64_t now_ms)
{
	s->hint_ms = s->stale_ms = now_ms + s->homes->world->publish_grace_ms;
}

void home_on_end(struct binding *b, const struct record *r, int64_t now_ms)
{
	struct home_stream *s = b->stream;
	const struct world *world = s->homes->world;
	struct record done = {
		.type = RECORD_END,
		.sid = b->pub.sid,
		.reason = r->reason,
		.term_number = s->entry.term.number,
	};
	bool was_bound = b->is_bound;

	/* The writer may forget what it has kept. */
	world->send(world->ctx, b->peer->node.link, &done);
	home_drop_binding(b);
	if (!was_bound || s->writer)
		return;
	s->has_left = true;
	home_event(s, "writer.left", r->reason, "");
	if (s->role == ROLE_HOME)
		begin_grace(s, WEIR_MIN(r->ms, world->publish_grace_ms),
			    now_ms);
	else
		keep_a_while(s, now_ms);
}

void home_writer_lost(struct home_stream *s, int64_t now_ms)
{
	home_event(s, "writer.lost", REASON_bus_lost, s->entry.writer_node);
	if (s->role == ROLE_HOME)
		begin_grace(s, s->homes->world->publish_grace_ms, now_ms);
	else
		keep_a_while(s, now_ms);
}

void home_end_grace(struct home_stream *s, int64_t now_ms)
{
	const struct world *world = s->homes->world;
	struct script_call call = {
		.kind = SCRIPT_END,
		.entry = s->entry,
		.only_without_lease = !s->has_left,
	};

	s->grace_ms = INT64_MAX;
	s->role = ROLE_REPLICA;
	s->is_wanted_here = false;
	s->entry.is_live = false;
	s->entry.is_ended = true;
	s->hint_ms = now_ms + world->peer_dead_ms; /* ENDs go out first */
	home_event(s, "stream.ended", REASON_stream_ended, "");
	home_end_consumers(s);
	world->script(world->ctx, home_tag(s), &call);
	home_changed(s);
}
