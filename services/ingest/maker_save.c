/* services/ingest/maker_save.c - a maker as bytes, and back.
 *
 * Version 1: u8 version; three texts (u32 length and bytes) for the list of
 * tracks and two configurations; one for the metadata; then every number as 64
 * bits, in the order of `walk`.
 */
#include <stdlib.h>

#include "common/base/reader.h"
#include "services/ingest/maker_priv.h"

#define VERSION   1
#define TIME_MAX  ((int64_t)1 << 61) /* ns, or ms: beyond it sums overflow */
#define TRACK_IDS 3

/* Either written or read: one list of fields for both. */
struct pass {
	struct buf *out;
	struct reader *in;
};

static uint64_t pass_u64(const struct pass *p, uint64_t v)
{
	if (p->in)
		return read_u64_le(p->in);
	buf_put_u64_le(p->out, v);
	return v;
}

#define PASS(p, field)                                                         \
	((field) = (__typeof__(field))pass_u64((p), (uint64_t)(field)))

static void pass_text(const struct pass *p, struct buf *text)
{
	struct span s;

	if (!p->in) {
		buf_put_u32_le(p->out, (uint32_t)text->len);
		buf_put(p->out, buf_span(text));
		return;
	}
	s = read_span(p->in, read_u32_le(p->in));
	buf_clear(text);
	buf_put(text, s);
}

static void pass_timeline(const struct pass *p, struct timeline *t)
{
	for (size_t i = 0; i < TRACK_IDS; i++) {
		struct timeline_track *k = &t->track[i];

		PASS(p, k->has_raw);
		PASS(p, k->has_out);
		PASS(p, k->raw_ms);
		PASS(p, k->in_ms);
		PASS(p, k->out_ns);
		PASS(p, k->step_ns);
		PASS(p, k->at_ms);
	}
	PASS(p, t->is_open);
	PASS(p, t->base_ns);
	PASS(p, t->offset_ms[0]);
	PASS(p, t->offset_ms[1]);
	PASS(p, t->clamped_count);
	PASS(p, t->jump_count);
}

static void pass_cutter(const struct pass *p, struct cutter *c)
{
	PASS(p, c->cut.segment);
	PASS(p, c->cut.discontinuity);
	PASS(p, c->cut.target_ms);
	PASS(p, c->cut.part_ms);
	PASS(p, c->has_cut);
	PASS(p, c->has_begin);
	PASS(p, c->begin_ns);
	PASS(p, c->owes_discontinuity);
}

static void pass_clock(const struct pass *p, struct wall_clock *w)
{
	PASS(p, w->clock.dts_ns);
	PASS(p, w->clock.utc_us);
	PASS(p, w->clock.source);
	PASS(p, w->has_clock);
	PASS(p, w->window_us);
	PASS(p, w->least_us);
}

static void pass_stats(const struct pass *p, struct maker_stats *s)
{
	PASS(p, s->frames);
	PASS(p, s->dropped);
	PASS(p, s->corrupt);
	PASS(p, s->unsupported);
	PASS(p, s->clamped);
	PASS(p, s->jumps);
	PASS(p, s->video_frames);
	PASS(p, s->gop_ms);
	PASS(p, s->fps_x100);
}

static void walk(const struct pass *p, struct maker *m)
{
	for (size_t i = 1; i < TRACK_IDS; i++) {
		struct source *s = &m->source[i];

		pass_text(p, &s->config);
		PASS(p, s->length_size);
		PASS(p, s->is_there);
		PASS(p, s->has_frame);
		PASS(p, s->must_join);
	}
	pass_text(p, &m->meta);
	PASS(p, m->has_meta);
	PASS(p, m->wants_video);
	PASS(p, m->wants_audio);
	PASS(p, m->first_ms);
	PASS(p, m->settled_ms);
	PASS(p, m->sequence);
	PASS(p, m->last_join_ns);
	PASS(p, m->has_join);
	PASS(p, m->said_no_key);
	PASS(p, m->said_unsupported);
	PASS(p, m->fps_from_ns);
	PASS(p, m->fps_count);
	pass_timeline(p, &m->timeline);
	pass_cutter(p, &m->cutter);
	pass_clock(p, &m->clock);
	pass_stats(p, &m->stats);
}

bool maker_is_steady(const struct maker *m)
{
	return m->is_settled && m->is_open && !m->held_count;
}

uint64_t maker_next_sequence(const struct maker *m)
{
	return m->sequence;
}

void maker_save(const struct maker *m, struct buf *out)
{
	const struct pass p = {.out = out};
	struct buf tracks = {0};

	BUG_ON(!maker_is_steady(m));
	buf_put_u8(out, VERSION);
	tracks_write(&tracks, &m->tracks);
	if (buf_error(&tracks) && !out->err)
		out->err = buf_error(&tracks);
	pass_text(&p, &tracks);
	buf_fini(&tracks);
	walk(&p, (struct maker *)m); /* it writes to `out` alone */
}

static bool is_time(int64_t v)
{
	return v > -TIME_MAX && v < TIME_MAX;
}

/* Of a window in which nothing has come yet it is INT64_MAX. */
static bool is_least(int64_t v)
{
	return v == INT64_MAX || is_time(v);
}

/* What sums are made of must leave room for them. */
static bool has_sane_times(const struct maker *m)
{
	const struct timeline *t = &m->timeline;
	bool is_sane =
		is_time(t->base_ns) && is_time(t->offset_ms[0]) &&
		is_time(t->offset_ms[1]) && is_time(m->cutter.begin_ns) &&
		is_time(m->clock.clock.dts_ns) &&
		is_time(m->clock.clock.utc_us) && is_time(m->clock.window_us) &&
		is_least(m->clock.least_us) && is_time(m->last_join_ns) &&
		is_time(m->fps_from_ns) && is_time(m->first_ms) &&
		is_time(m->settled_ms);

	for (size_t i = 0; i < TRACK_IDS; i++)
		is_sane &= is_time(t->track[i].in_ms) &&
			   is_time(t->track[i].out_ns) &&
			   is_time(t->track[i].step_ns) &&
			   is_time(t->track[i].at_ms);
	return is_sane;
}

static bool has_sane_tracks(const struct maker *m)
{
	for (uint16_t id = 1; id < TRACK_IDS; id++) {
		const struct track *t = tracks_find(&m->tracks, id);
		unsigned size = m->source[id].length_size;

		if (m->source[id].is_there != (t != NULL) || size > 4)
			return false;
		if (t &&
		    t->kind != (id == VIDEO_ID ? FRAME_VIDEO : FRAME_AUDIO))
			return false;
	}
	return m->tracks.count > 0 && m->tracks.count < TRACK_IDS;
}

static int load(struct maker *m, struct reader *in)
{
	const struct pass p = {.in = in};
	struct span tracks = read_span(in, read_u32_le(in));
	int err;

	walk(&p, m);
	if (reader_failed(in) || reader_left(in))
		return WEIR_EPROTO;
	err = tracks_read(&m->tracks, tracks);
	if (err)
		return err;
	for (size_t i = 1; i < TRACK_IDS; i++)
		if (buf_error(&m->source[i].config))
			return WEIR_ENOMEM;
	if (buf_error(&m->meta))
		return WEIR_ENOMEM;
	m->is_settled = m->is_open = true;
	return has_sane_times(m) && has_sane_tracks(m) ? 0 : WEIR_EPROTO;
}

int maker_load(struct maker **out, const struct maker_limits *limits,
	       const struct epoch *epoch, const struct maker_events *events,
	       void *ctx, struct span saved)
{
	const struct maker_start start = {.epoch = *epoch};
	struct reader in = reader_of(saved);
	uint8_t version = read_u8(&in);
	struct maker *m;
	int err;

	if (reader_failed(&in))
		return WEIR_EPROTO;
	if (version != VERSION)
		return WEIR_EUNSUPPORTED;
	err = maker_new(&m, limits, &start, events, ctx);
	if (err)
		return err;
	err = load(m, &in);
	if (err)
		maker_free(&m);
	else
		*out = m;
	return err;
}
