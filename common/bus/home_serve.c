/* common/bus/home_serve.c - consumers of a stream: SUB, WHERE, what they get. */
#include "common/bus/home_priv.h"

#include <stdlib.h>

static void send(struct consumer *c, struct record *r)
{
	const struct world *world = c->stream->homes->world;

	r->sid = c->sid;
	r->term_number = c->stream->entry.term.number;
	world->send(world->ctx, c->peer->node.link, r);
}

static void stop(struct consumer *c)
{
	const struct world *world = c->stream->homes->world;

	if (!c->is_fed)
		return;
	world->feed_stop(world->ctx, c->peer->node.link, &c->feed);
	c->is_fed = false;
	c->stream->skipped += c->feed.skipped;
	feed_fini(&c->feed);
}

/* ---- wanted ---- */

static void count(struct home_stream *s)
{
	s->wanting = s->is_wanted_here && s->role == ROLE_HOME;
	s->following = 0;
	list_each (l, &s->consumers) {
		const struct consumer *c = list_entry(l, struct consumer, link);

		if (c->is_where)
			continue;
		s->wanting += c->is_wanting;
		s->following += !c->is_wanting;
	}
}

void home_tell_wanted(struct home_stream *s, int64_t now_ms)
{
	const struct world *world = s->homes->world;
	struct record r = {.type = RECORD_WANTED};
	bool is_wanted = s->wanting || now_ms < s->window_ms;

	if (!s->writer || !s->writer->is_bound || s->role != ROLE_HOME)
		return;
	if (s->has_told_wanted && s->told_wanted == is_wanted)
		return;
	s->has_told_wanted = true;
	s->told_wanted = is_wanted;
	r.sid = s->writer->pub.sid;
	r.flags = is_wanted ? WANTED_YES : 0;
	r.term_number = s->entry.term.number;
	world->send(world->ctx, s->writer->peer->node.link, &r);
}

void homes_want(struct homes *hs, const struct stream_key *key, bool wants,
		int64_t now_ms)
{
	struct home_stream *s = home_find(hs, key);

	if (!s || s->is_wanted_here == wants)
		return;
	s->is_wanted_here = wants;
	count(s);
	home_tell_wanted(s, now_ms);
}

/* ---- MOVED ---- */

/* Is something known that is of use to this consumer, and not told yet? */
static bool has_news(const struct consumer *c)
{
	const struct home_stream *s = c->stream;
	const struct term *term = &s->entry.term;

	if (s->role != ROLE_HOME &&
	    !strcmp(s->entry.home_node, s->homes->world->self.id))
		return false; /* it is on its way to here */
	if (!s->entry.home_node[0] || !term->number || !s->entry.is_live ||
	    term->number < c->term_number)
		return false;
	return !c->was_moved || c->moved.number < term->number ||
	       (c->moved.number == term->number && !term_eq(&c->moved, term));
}

static void send_moved(struct consumer *c)
{
	const struct stream_entry *e = &c->stream->entry;
	struct record r = {
		.type = RECORD_MOVED,
		.term = e->term,
		.position.epoch = e->epoch,
	};

	if (!has_news(c))
		return;
	memcpy(r.node, e->home_node, sizeof(r.node));
	memcpy(r.url, e->home_url, sizeof(r.url));
	c->was_moved = true;
	c->moved = e->term;
	send(c, &r);
}

void home_move_consumers(struct home_stream *s)
{
	list_each (l, &s->consumers) {
		struct consumer *c = list_entry(l, struct consumer, link);

		stop(c);
		send_moved(c);
	}
}

/* ---- feeds ---- */

static void send_lost(struct consumer *c, int64_t now_ms)
{
	const struct home_stream *s = c->stream;
	int64_t left_ms = s->grace_ms - now_ms;
	struct record r = {.type = RECORD_WRITER_LOST};

	r.ms = (uint32_t)WEIR_MAX(left_ms, 0);
	send(c, &r);
}

void home_tell_lost(struct home_stream *s, int64_t now_ms)
{
	list_each (l, &s->consumers) {
		struct consumer *c = list_entry(l, struct consumer, link);

		if (c->is_fed)
			send_lost(c, now_ms);
	}
}

/* The consumer's place is gone: at the newest join, unless that is of an epoch
 * which it has left behind. */
static void begin_at_join(struct consumer *c)
{
	struct log *log = c->stream->log;
	const struct epoch *epoch = &c->position.epoch;
	struct log_join join;

	if (!log_newest_join(log, &join) &&
	    log_at(log, join.ordinal)->position.epoch.counter < epoch->counter)
		feed_start_next_join(&c->feed);
	else
		feed_start_join(&c->feed);
}

/* Where the feed of a new SUB begins; WEIR_EAGAIN: not yet. */
static int begin(struct consumer *c)
{
	int err;

	switch (c->from) {
	case SUB_FROM_POSITION:
		err = feed_start_after(&c->feed, &c->position);
		if (err == WEIR_EAGAIN)
			return err;
		if (err)
			begin_at_join(c);
		return 0;
	case SUB_FROM_OLDEST:
		feed_start_oldest(&c->feed);
		return 0;
	default:
		feed_start_join(&c->feed);
		return 0;
	}
}

static void set_mode(struct consumer *c)
{
	c->feed.is_exact = c->is_exact;
	c->feed.max_lag_ms =
		c->is_exact ? 0 : c->stream->homes->limits.max_lag_ms;
}

static void feed(struct consumer *c, int64_t now_ms)
{
	struct home_stream *s = c->stream;
	const struct world *world = s->homes->world;
	struct feed_resume resume = {
		.flags = RESUME_KNOWN,
		.term = s->entry.term,
	};

	feed_init(&c->feed, s->log, c->sid);
	if (begin(c)) {
		feed_fini(&c->feed);
		return;
	}
	set_mode(c);
	c->feed.owner = c;
	c->feed.term_number = s->entry.term.number;
	c->feed.is_paused = s->is_silenced;
	feed_owe_resume(&c->feed, &resume);
	c->is_fed = true;
	world->feed_start(world->ctx, c->peer->node.link, &c->feed);
	world->feed_kick(world->ctx, &c->feed);
	if (s->grace_ms != INT64_MAX)
		send_lost(c, now_ms);
}

/* Has the stream's log something to start from? */
static bool has_frames(const struct home_stream *s)
{
	return s->log && log_next(s->log) > log_tail(s->log);
}

static void serve(struct consumer *c, int64_t now_ms)
{
	const struct home_stream *s = c->stream;

	if (c->is_fed)
		return;
	if (c->is_where || s->role != ROLE_HOME) {
		if (s->role != ROLE_HOME || has_frames(s) || s->writer)
			send_moved(c);
		return;
	}
	/* Who knows a newer term waits until the writer comes here with it. */
	if (c->term_number <= s->entry.term.number && has_frames(s))
		feed(c, now_ms);
}

void home_serve(struct home_stream *s, int64_t now_ms)
{
	list_each (l, &s->consumers)
		serve(list_entry(l, struct consumer, link), now_ms);
}

void home_kick(struct home_stream *s, bool is_replay)
{
	const struct world *world = s->homes->world;

	list_each (l, &s->consumers) {
		struct consumer *c = list_entry(l, struct consumer, link);

		if (!c->is_fed)
			continue;
		if (is_replay) /* then being behind is no lag */
			c->feed.has_caught_up = false;
		world->feed_kick(world->ctx, &c->feed);
	}
}

void home_set_term(struct home_stream *s)
{
	list_each (l, &s->consumers) {
		struct consumer *c = list_entry(l, struct consumer, link);

		c->feed.term_number = s->entry.term.number;
		c->feed.resume.term = s->entry.term;
	}
}

/* The writer is back: RESUME says so, and all goes on. */
void home_tell_found(struct home_stream *s)
{
	const struct world *world = s->homes->world;
	struct feed_resume resume = {
		.flags = RESUME_KNOWN,
		.term = s->entry.term,
	};

	list_each (l, &s->consumers) {
		struct consumer *c = list_entry(l, struct consumer, link);

		if (!c->is_fed || c->feed.owes_resume)
			continue;
		c->feed.resume_flags = RESUME_GOES_ON;
		feed_owe_resume(&c->feed, &resume);
		world->feed_kick(world->ctx, &c->feed);
	}
}

void home_silence(struct home_stream *s, bool is_silenced)
{
	s->is_silenced = is_silenced;
	list_each (l, &s->consumers) {
		struct consumer *c = list_entry(l, struct consumer, link);

		c->feed.is_paused = is_silenced;
	}
	if (!is_silenced)
		home_kick(s, false);
	home_changed(s);
}

void home_end_consumers(struct home_stream *s)
{
	const struct world *world = s->homes->world;

	list_each (l, &s->consumers) {
		struct consumer *c = list_entry(l, struct consumer, link);

		if (!c->is_fed)
			continue;
		feed_owe_end(&c->feed, REASON_stream_ended, 0);
		world->feed_kick(world->ctx, &c->feed);
	}
}

/* ---- SUB, UNSUB, WHERE ---- */

void home_drop_consumer(struct consumer *c, int64_t now_ms)
{
	struct home_stream *s = c->stream;

	stop(c);
	idmap_remove(&c->peer->consumers, c->sid);
	list_remove(&c->link);
	free(c);
	count(s);
	home_tell_wanted(s, now_ms);
}

static int add(struct consumer **out, struct homes *hs, struct home_link *peer,
	       const struct record *r)
{
	struct consumer *c;
	int err;

	if (peer->consumers.count >= hs->limits.consumers_max)
		return WEIR_ELIMIT;
	/* Viewers may ask for names that nobody publishes: half of the room is
	 * for those who do. */
	if (!home_find(hs, &r->key) &&
	    hs->by_key.count >= (hs->limits.streams_max + 1) / 2)
		return WEIR_ENOMEM;
	c = calloc(1, sizeof(*c));
	if (!c)
		return WEIR_ENOMEM;
	c->peer = peer;
	c->sid = r->sid;
	feed_init(&c->feed, NULL, 0);
	c->stream = home_get(hs, &r->key);
	err = c->stream ? idmap_put(&peer->consumers, c->sid, c) : WEIR_ENOMEM;
	if (err) {
		free(c);
		return err;
	}
	list_append(&c->stream->consumers, &c->link);
	*out = c;
	return 0;
}

static void change(struct consumer *c, const struct record *r)
{
	c->is_where = r->type == RECORD_WHERE;
	c->is_wanting = r->flags & SUB_WANTING;
	c->is_exact = r->flags & SUB_EXACT;
	c->term_number = WEIR_MAX(c->term_number, r->count);
	if (c->is_fed)
		set_mode(c);
	if (c->is_fed || c->is_where)
		return;
	c->from = r->flags & SUB_FROM_MASK;
	c->position = r->position;
}

/* No room for it: it asks elsewhere. */
static void refuse(struct homes *hs, const struct home_link *peer,
		   const struct record *r)
{
	struct record end = {
		.type = RECORD_END,
		.sid = r->sid,
		.reason = REASON_no_resources,
	};

	hs->world->send(hs->world->ctx, peer->node.link, &end);
}

int home_on_sub(struct homes *hs, struct home_link *peer,
		const struct record *r, int64_t now_ms)
{
	struct consumer *c = idmap_get(&peer->consumers, r->sid);
	int err = 0;

	if (!r->sid || !r->key.text[0])
		return WEIR_EPROTO;
	if (c && strcmp(c->stream->entry.key.text, r->key.text) != 0)
		return WEIR_EPROTO;
	if (!c)
		err = add(&c, hs, peer, r);
	if (err == WEIR_ENOMEM) {
		refuse(hs, peer, r);
		return 0;
	}
	if (err)
		return err;
	change(c, r);
	count(c->stream);
	home_tell_wanted(c->stream, now_ms);
	serve(c, now_ms);
	return 0;
}
