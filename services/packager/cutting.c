/* services/packager/cutting.c - frames in, segments out. */
#include "services/packager/cutting.h"

#include <stdlib.h>

#include "common/media/silence.h"
#include "proto/ts/mux.h"

#define GAPS_MAX 64 /* more missing segments than that are not listed */

/* How far a track came in the open segment. */
struct reach {
	uint16_t id;
	int64_t dts_ns;
	int64_t step_ns; /* to its last frame from the one before */
};

/* The sound that may have to be filled: AAC. */
struct sound {
	uint16_t id;
	struct aac_config config;
};

struct cutting {
	cutting_fn *on_segment;
	void *ctx;
	struct ts_mux *mux;
	struct buf bytes;
	bool has_open;
	bool is_broken; /* frames are missing in it */
	bool must_look; /* frames are missing before the next one */
	bool is_marked; /* another discontinuity begins with the open one */
	uint64_t incarnation;
	struct cut_state cut;
	int64_t begin_ns;
	int64_t utc_ms;
	struct reach reach[TRACKS_MAX];
	size_t reach_count;
	struct tracks tracks;
	struct sound sound[TRACKS_MAX];
	size_t sound_count;
	bool goes_on;    /* it is the first segment of an epoch that goes on, */
	int64_t base_ns; /* from there */
	struct cutting_stats stats;
};

int cutting_new(struct cutting **out, size_t segment_bytes,
		cutting_fn *on_segment, void *ctx)
{
	struct cutting *c = calloc(1, sizeof(*c));

	if (!c)
		return WEIR_ENOMEM;
	c->bytes.limit_bytes = segment_bytes;
	c->on_segment = on_segment;
	c->ctx = ctx;
	*out = c;
	return 0;
}

void cutting_forget(struct cutting *c)
{
	c->has_open = c->must_look = false;
	ts_mux_free(&c->mux);
	buf_fini(&c->bytes);
}

void cutting_free(struct cutting **pc)
{
	if (!*pc)
		return;
	cutting_forget(*pc);
	free(*pc);
	*pc = NULL;
}

/* Without its bytes it is a gap. */
static void break_open(struct cutting *c)
{
	c->is_broken = true;
	ts_mux_free(&c->mux);
	buf_fini(&c->bytes);
}

/* ---- the end of a segment ---- */

static int64_t ticks(int64_t ns)
{
	return ns_to_ticks(ns, TS_CLOCK_90K);
}

/* 10^6 / 90,000 is 100 / 9. */
static int64_t us_of_ticks(int64_t n)
{
	return n > 0 ? (n * 200 + 9) / 18 : 0;
}

static int64_t end_ns(const struct cutting *c)
{
	int64_t end = c->begin_ns;

	for (size_t i = 0; i < c->reach_count; i++)
		end = WEIR_MAX(end, c->reach[i].dts_ns + c->reach[i].step_ns);
	return end;
}

static struct blob *take_body(struct cutting *c)
{
	struct blob *body = NULL;
	int err;

	if (c->is_broken)
		return NULL;
	err = ts_mux_flush(c->mux, &c->bytes);
	if (!err && !c->bytes.len)
		return NULL; /* nothing of it can be in a transport stream */
	if (!err)
		err = blob_take_buf(&body, &c->bytes);
	if (err == WEIR_ELIMIT)
		c->stats.too_long++;
	else if (err)
		c->stats.starved++;
	return body;
}

/* What there is to give: the open segment, and `missing` ones behind it. */
struct given {
	uint64_t missing;
	uint64_t discontinuity; /* of these */
	int64_t ticks;          /* of all together */
	uint32_t target_ms;
};

static void fill(const struct cutting *c, const struct given *g, int64_t i,
		 struct segment *s)
{
	int64_t count = (int64_t)g->missing + 1;
	int64_t from = g->ticks * i / count;
	int64_t until = g->ticks * (i + 1) / count;

	s->incarnation = c->incarnation;
	s->number = c->cut.segment + (uint64_t)i;
	s->discontinuity = i ? g->discontinuity : c->cut.discontinuity;
	s->is_marked =
		i == 0 ? c->is_marked
		       : i == 1 && g->discontinuity != c->cut.discontinuity;
	s->duration_us = us_of_ticks(until - from);
	s->utc_ms = c->utc_ms;
	if (s->utc_ms != HLS_NO_DATE)
		s->utc_ms += us_of_ticks(from) / 1000;
	s->target_ms = g->target_ms;
}

static void give(struct cutting *c, const struct given *g)
{
	for (uint64_t i = 0; i <= g->missing; i++) {
		struct segment *s = segment_new();

		if (!s)
			continue; /* the window sees that a number is missing */
		fill(c, g, (int64_t)i, s);
		s->body = i ? NULL : take_body(c);
		c->on_segment(c->ctx, s);
	}
}

/* It ends with its own last frame. */
static void close_alone(struct cutting *c)
{
	struct given g = {.ticks = ticks(end_ns(c)) - ticks(c->begin_ns)};

	g.target_ms = (uint32_t)WEIR_MAX(us_of_ticks(g.ticks) / 1000,
					 c->cut.target_ms);
	give(c, &g);
}

/* Another begins. */
static void close_before(struct cutting *c, uint64_t incarnation,
			 const struct cut_state *next, bool is_marked,
			 int64_t dts_ns)
{
	struct given g = {
		.discontinuity = next->discontinuity - is_marked,
		.ticks = ticks(dts_ns) - ticks(c->begin_ns),
		.target_ms = next->target_ms,
	};

	if (incarnation != c->incarnation) {
		close_alone(c);
		return;
	}
	if (next->segment <= c->cut.segment)
		return; /* no writer does this */
	g.missing = next->segment - c->cut.segment - 1;
	if (g.missing > GAPS_MAX)
		g.missing = 0; /* a new list begins */
	give(c, &g);
}

void cutting_end(struct cutting *c)
{
	if (c->has_open)
		close_alone(c);
	cutting_forget(c);
}

/* ---- its beginning ---- */

static void set_tracks(struct cutting *c, const struct frame *f)
{
	struct tracks tracks;
	int err;

	if (tracks_read(&tracks, f->payload))
		return;
	c->tracks = tracks;
	err = ts_mux_set_tracks(c->mux, &c->bytes, &tracks);
	if (err)
		break_open(c);
}

static struct sound *find_sound(struct cutting *c, uint16_t id)
{
	for (size_t i = 0; i < c->sound_count; i++)
		if (c->sound[i].id == id)
			return &c->sound[i];
	return NULL;
}

static void note_sound(struct cutting *c, const struct frame *f)
{
	const struct track *t = tracks_find(&c->tracks, f->track);
	struct sound *s = find_sound(c, f->track);

	if (!s && c->sound_count < TRACKS_MAX)
		s = &c->sound[c->sound_count++];
	if (!s)
		return;
	s->id = f->track;
	if (!t || t->codec != CODEC_AAC ||
	    aac_config_parse(&s->config, f->payload))
		s->config = (struct aac_config){0};
}

/* What TS cannot say of it is left out, everywhere alike. */
static void set_config(struct cutting *c, const struct frame *f)
{
	int err = ts_mux_set_config(c->mux, &c->bytes, f->track, f->payload);

	note_sound(c, f);
	if (err == WEIR_ENOMEM || buf_error(&c->bytes))
		break_open(c);
}

static void put_state(struct cutting *c, const struct frame *f)
{
	if (!c->has_open || c->is_broken)
		return;
	if (f->kind == FRAME_TRACKS)
		set_tracks(c, f);
	else if (f->kind == FRAME_CONFIG)
		set_config(c, f);
}

static int64_t utc_at(const struct stateset *state, int64_t dts_ns)
{
	const struct frame *f = stateset_get(state, FRAME_CLOCK, 0);
	struct clock_state clock;

	if (!f || clock_state_read(&clock, f->payload))
		return HLS_NO_DATE;
	return (clock.utc_us + (dts_ns - clock.dts_ns) / 1000) / 1000;
}

static uint64_t incarnation_of(const struct stateset *state)
{
	const struct frame *f = stateset_get(state, FRAME_EPOCH, 0);
	struct epoch_state epoch;

	if (!f || epoch_state_read(&epoch, f->payload))
		return 0;
	return epoch.incarnation;
}

static void start_mux(struct cutting *c, const struct stateset *state)
{
	const struct ts_mux_options options = {.gather_ms = SEGMENT_GATHER_MS};

	ts_mux_free(&c->mux);
	buf_fini(&c->bytes);
	c->sound_count = 0;
	if (ts_mux_new(&c->mux, &options)) {
		c->stats.starved++;
		c->is_broken = true;
	}
	for (uint32_t i = 0; state && i < state->count; i++)
		put_state(c, state->frame[i]); /* TRACKS before CONFIGs */
}

/* Is it the first segment of an epoch that goes on from another? */
static bool goes_on(const struct stateset *state, const struct cut_state *cut,
		    struct epoch_state *epoch)
{
	const struct frame *opened = stateset_get(state, FRAME_EPOCH, 0);

	return opened && !epoch_state_read(epoch, opened->payload) &&
	       !epoch->is_new_incarnation && epoch->segment == cut->segment;
}

/* Does another discontinuity begin here? That must not depend on what was read
 * before, but on what stands in the stream. */
static bool is_break(const struct cut_state *cut, const struct stateset *state)
{
	const struct frame *before = stateset_get(state, FRAME_CUT, 0);
	const struct frame *opened = stateset_get(state, FRAME_EPOCH, 0);
	struct epoch_state epoch;
	struct cut_state last;

	if (before && !cut_state_read(&last, before->payload))
		return last.discontinuity != cut->discontinuity;
	return opened && !epoch_state_read(&epoch, opened->payload) &&
	       !epoch.is_new_incarnation;
}

/* `dts_ns` is that of the CUT: of the first frame. */
static void on_cut(struct cutting *c, const struct cut_state *cut,
		   bool is_marked, int64_t dts_ns, const struct stateset *state)
{
	uint64_t incarnation = incarnation_of(state);
	struct epoch_state epoch;

	if (c->has_open)
		close_before(c, incarnation, cut, is_marked, dts_ns);
	c->has_open = true;
	c->is_marked = is_marked;
	c->is_broken = c->must_look = false;
	c->incarnation = incarnation;
	c->cut = *cut;
	c->begin_ns = dts_ns;
	c->utc_ms = utc_at(state, dts_ns);
	c->reach_count = 0;
	c->goes_on = goes_on(state, cut, &epoch);
	c->base_ns = c->goes_on ? epoch.dts_base_ns : 0;
	start_mux(c, state);
}

/* Frames were missing before this one: which segment is it in, and is it the
 * first frame there? */
static void look(struct cutting *c, const struct frame *f,
		 const struct stateset *state)
{
	const struct frame *at = stateset_get(state, FRAME_CUT, 0);
	struct cut_state cut;
	bool is_first;

	if (!at || cut_state_read(&cut, at->payload))
		return;
	is_first = epoch_eq(&at->position.epoch, &f->position.epoch) &&
		   at->position.sequence + 1 == f->position.sequence;
	c->must_look = false;
	if (c->cut.segment == cut.segment &&
	    c->incarnation == incarnation_of(state))
		return; /* still the one that is broken */
	on_cut(c, &cut, cut.discontinuity != c->cut.discontinuity, at->dts_ns,
	       state);
	if (!is_first)
		break_open(c);
}

/* ---- frames ---- */

static struct reach *find_reach(struct cutting *c, uint16_t id)
{
	for (size_t i = 0; i < c->reach_count; i++)
		if (c->reach[i].id == id)
			return &c->reach[i];
	return NULL;
}

static void note_reach(struct cutting *c, const struct frame *f)
{
	struct reach *r = find_reach(c, f->track);

	if (!r && c->reach_count < TRACKS_MAX)
		c->reach[c->reach_count++] =
			(struct reach){f->track, f->dts_ns, 0};
	if (!r || f->dts_ns <= r->dts_ns)
		return;
	r->step_ns = f->dts_ns - r->dts_ns;
	r->dts_ns = f->dts_ns;
}

static void write(struct cutting *c, const struct frame *f)
{
	int err = ts_mux_write(c->mux, &c->bytes, f, NULL);

	if (!err)
		return;
	if (!buf_error(&c->bytes) && err != WEIR_ENOMEM) {
		c->stats.left_out++;
		return;
	}
	if (buf_error(&c->bytes) == WEIR_ELIMIT)
		c->stats.too_long++;
	else
		c->stats.starved++;
	break_open(c);
}

/* Put silence between two times of a track. */
static void fill_sound(struct cutting *c, uint16_t id, int64_t from_ns,
		       int64_t until_ns)
{
	const struct sound *sound = find_sound(c, id);
	struct silence silence;

	if (!sound)
		return;
	silence = silence_between(&sound->config, from_ns, until_ns);
	for (uint32_t i = 0; i < silence.count && !c->is_broken; i++) {
		const struct frame f = silence_frame(&silence, id, i);

		write(c, &f);
	}
}

/* Another epoch of the stream begins behind what was read: sound that ended
 * before the picture did goes on in silence up to there. */
static void on_epoch(struct cutting *c, const struct frame *f)
{
	struct epoch_state epoch;

	if (!c->has_open || epoch_state_read(&epoch, f->payload) ||
	    epoch.incarnation != c->incarnation)
		return;
	for (size_t i = 0; i < c->reach_count && !c->is_broken; i++) {
		const struct reach *r = &c->reach[i];
		const struct sound *sound = find_sound(c, r->id);

		if (sound)
			fill_sound(c, r->id,
				   r->dts_ns + aac_au_ns(&sound->config),
				   epoch.dts_base_ns);
	}
}

static void put_media(struct cutting *c, const struct frame *f,
		      const struct stateset *before)
{
	if (!c->has_open)
		return; /* the first CUT is yet to come */
	if (c->must_look)
		look(c, f, before);
	if (c->goes_on && f->kind == FRAME_AUDIO && !c->is_broken &&
	    !find_reach(c, f->track))
		fill_sound(c, f->track, c->base_ns, f->dts_ns);
	note_reach(c, f);
	if (!c->is_broken)
		write(c, f);
}

void cutting_put(struct cutting *c, const struct frame *f,
		 const struct stateset *before)
{
	struct cut_state cut;

	switch (f->kind) {
	case FRAME_VIDEO:
	case FRAME_AUDIO:
		put_media(c, f, before);
		break;
	case FRAME_CUT:
		if (!cut_state_read(&cut, f->payload))
			on_cut(c, &cut, is_break(&cut, before), f->dts_ns,
			       before);
		break;
	case FRAME_EPOCH:
		on_epoch(c, f);
		break;
	default:
		put_state(c, f);
		break;
	}
}

void cutting_gap(struct cutting *c)
{
	c->must_look = true;
	if (c->has_open)
		break_open(c);
}

bool cutting_open(const struct cutting *c, struct hls_name *out)
{
	if (c->has_open)
		*out = (struct hls_name){c->incarnation, segment_form(),
					 c->cut.segment};
	return c->has_open;
}

size_t cutting_bytes(const struct cutting *c)
{
	return c->bytes.cap;
}

void cutting_get_stats(const struct cutting *c, struct cutting_stats *out)
{
	*out = c->stats;
}
