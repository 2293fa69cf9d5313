/* services/ingest/maker.c - a publisher's units become the frames of an epoch.
 */
#include "services/ingest/maker_priv.h"

#include <stdlib.h>

#include "common/base/fetch.h"
#include "common/media/amf0.h"
#include "common/media/codec.h"
#include "common/media/nal.h"

#define HELD_MAX 8192 /* frames */

/* The last segment of the epoch before is open until our first cut. */
static void take_open_segment(struct maker *m)
{
	const struct frame *cut = stateset_get(m->start.previous, FRAME_CUT, 0);

	if (cut && !m->start.open.is_new_incarnation)
		cutter_goes_on(&m->cutter, cut->dts_ns);
}

int maker_new(struct maker **out, const struct maker_limits *limits,
	      const struct maker_start *start,
	      const struct maker_events *events, void *ctx)
{
	struct maker *m = calloc(1, sizeof(*m));

	if (!m)
		return WEIR_ENOMEM;
	m->limits = *limits;
	m->start = *start;
	m->start.open.dts_base_ns = timeline_base_ns(start->open.dts_base_ns);
	m->start.previous = stateset_ref((struct stateset *)start->previous);
	m->events = events;
	m->ctx = ctx;
	m->first_ms = -1;
	m->wants_video = m->wants_audio = true;
	m->source[VIDEO_ID].must_join = true;
	cutter_init(&m->cutter, limits->fragment_ms, limits->max_fragment_ms,
		    start->open.segment, start->open.discontinuity,
		    start->target_ms);
	take_open_segment(m);
	*out = m;
	return 0;
}

void maker_free(struct maker **pm)
{
	struct maker *m = *pm;
	struct stateset *previous;

	if (!m)
		return;
	for (size_t i = 0; i < m->held_count; i++)
		frame_unref(&m->held[i].frame);
	free(m->held);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(m->source); i++)
		buf_fini(&m->source[i].config);
	buf_fini(&m->meta);
	buf_fini(&m->scratch);
	previous = (struct stateset *)m->start.previous;
	stateset_unref(&previous);
	free(m);
	*pm = NULL;
}

static struct track *track_by_id(struct maker *m, uint16_t id)
{
	return (struct track *)tracks_find(&m->tracks, id);
}

static bool has_video(const struct maker *m)
{
	return m->source[VIDEO_ID].is_there;
}

/* ---- frames out ---- */

/* `f` is ours alone until here. */
static int emit(struct maker *m, struct frame *f)
{
	f->position.epoch = m->start.epoch;
	f->position.sequence = m->sequence++;
	return m->events->on_frame(m->ctx, f);
}

/* A state frame with what is in scratch. */
static int emit_state(struct maker *m, uint8_t kind, uint16_t track,
		      int64_t dts_ns, int64_t arrival_us)
{
	struct frame head = {
		.kind = kind,
		.track = track,
		.dts_ns = dts_ns,
		.pts_ns = dts_ns,
		.arrival_us = arrival_us,
	};
	struct frame *f;
	int err = buf_error(&m->scratch);

	if (!err)
		err = frame_new(&f, &head, buf_span(&m->scratch));
	if (err)
		return err;
	err = emit(m, f);
	frame_unref(&f);
	return err;
}

static int emit_tracks(struct maker *m, int64_t dts_ns, int64_t arrival_us)
{
	buf_clear(&m->scratch);
	tracks_write(&m->scratch, &m->tracks);
	return emit_state(m, FRAME_TRACKS, 0, dts_ns, arrival_us);
}

static int emit_bytes(struct maker *m, uint8_t kind, uint16_t track,
		      struct span bytes, int64_t dts_ns, int64_t arrival_us)
{
	buf_clear(&m->scratch);
	buf_put(&m->scratch, bytes);
	return emit_state(m, kind, track, dts_ns, arrival_us);
}

static int emit_config(struct maker *m, uint16_t id, int64_t dts_ns,
		       int64_t arrival_us)
{
	if (!m->source[id].config.len)
		return 0;
	return emit_bytes(m, FRAME_CONFIG, id, buf_span(&m->source[id].config),
			  dts_ns, arrival_us);
}

/* EPOCH, TRACKS, CONFIGs, META: what stands before all media. */
static int emit_opening(struct maker *m, int64_t arrival_us)
{
	int64_t base_ns = m->start.open.dts_base_ns;
	int err;

	buf_clear(&m->scratch);
	epoch_state_write(&m->scratch, &m->start.open);
	err = emit_state(m, FRAME_EPOCH, 0, base_ns, arrival_us);
	if (!err)
		err = emit_tracks(m, base_ns, arrival_us);
	for (uint16_t id = VIDEO_ID; !err && id <= AUDIO_ID; id++)
		if (m->source[id].is_there)
			err = emit_config(m, id, base_ns, arrival_us);
	if (!err && m->has_meta)
		err = emit_bytes(m, FRAME_META, 0, buf_span(&m->meta), base_ns,
				 arrival_us);
	return err;
}

static int emit_clock_and_cut(struct maker *m, const struct frame *f)
{
	bool is_join = f->flags & FRAME_JOIN;
	int err = 0;

	if (wall_clock_put(&m->clock, f->dts_ns, f->arrival_us)) {
		buf_clear(&m->scratch);
		clock_state_write(&m->scratch, &m->clock.clock);
		err = emit_state(m, FRAME_CLOCK, 0, f->dts_ns, f->arrival_us);
	}
	if (err || !cutter_put(&m->cutter, f->dts_ns, is_join, has_video(m)))
		return err;
	buf_clear(&m->scratch);
	cut_state_write(&m->scratch, &m->cutter.cut);
	return emit_state(m, FRAME_CUT, 0, f->dts_ns, f->arrival_us);
}

static void notice(struct maker *m, bool *said, enum reason why,
		   const char *detail)
{
	if (*said)
		return;
	*said = true;
	m->events->on_notice(m->ctx, why, detail);
}

/* May the stream begin, or go on after a change of codec, with this frame? */
static bool begins_here(struct maker *m, struct frame *f, int64_t now_ms)
{
	bool is_video = f->kind == FRAME_VIDEO;

	if (f->flags & FRAME_JOIN)
		return true;
	if (!is_video)
		return !has_video(m);
	if (now_ms - m->settled_ms < (int64_t)m->limits.join_wait_max_ms)
		return false;
	notice(m, &m->said_no_key, REASON_no_key_frame,
	       "no key frame came; the stream begins at any picture");
	f->flags |= FRAME_JOIN;
	return true;
}

static void measure(struct maker *m, const struct frame *f)
{
	m->stats.frames++;
	if (f->kind != FRAME_VIDEO)
		return;
	m->stats.video_frames++;
	if (f->flags & FRAME_JOIN) {
		if (m->has_join)
			m->stats.gop_ms =
				(uint32_t)((f->dts_ns - m->last_join_ns) /
					   NS_PER_MS);
		m->has_join = true;
		m->last_join_ns = f->dts_ns;
	}
	if (!m->fps_count++)
		m->fps_from_ns = f->dts_ns;
	if (m->fps_count > 30 && f->dts_ns > m->fps_from_ns) {
		m->stats.fps_x100 =
			(uint32_t)((m->fps_count - 1) * (100 * NS_PER_S) /
				   (f->dts_ns - m->fps_from_ns));
		m->fps_count = 0;
	}
}

/* Without a key frame for long, any picture must do for those who join. */
static void force_join(struct maker *m, struct frame *f)
{
	int64_t wait_ns = m->limits.join_wait_max_ms * NS_PER_MS;

	if (f->kind == FRAME_VIDEO && m->said_no_key && m->has_join &&
	    f->dts_ns - m->last_join_ns >= wait_ns)
		f->flags |= FRAME_JOIN;
}

/* A media frame, with the publisher's times in it, into the log. Nobody has
 * seen it yet: it gets its times and its place where it lies. */
static int release(struct maker *m, struct frame *f, int64_t now_ms)
{
	struct source *src = &m->source[f->track];
	struct timeline_time t;
	int err;

	if (!m->is_open || src->must_join) {
		if (!begins_here(m, f, now_ms)) {
			m->stats.dropped++;
			return 0;
		}
		if (!m->is_open)
			timeline_open(&m->timeline, f->dts_ns,
				      m->start.open.dts_base_ns);
		m->is_open = true;
		src->must_join = false;
	}
	timeline_put(&m->timeline, &t, f->track, f->dts_ns, (int32_t)f->pts_ns,
		     now_ms);
	if (t.is_early) {
		m->stats.dropped++;
		return 0;
	}
	f->dts_ns = t.dts_ns;
	f->pts_ns = t.pts_ns;
	if (t.is_discontinuity) {
		f->flags |= FRAME_DISCONTINUITY;
		cutter_break(&m->cutter);
	}
	if (!has_video(m))
		f->flags |= FRAME_JOIN;
	force_join(m, f);
	err = emit_clock_and_cut(m, f);
	if (err)
		return err;
	measure(m, f);
	return emit(m, f);
}

/* ---- settling ---- */

static bool has_shown(const struct maker *m, uint16_t id)
{
	const struct source *s = &m->source[id];

	return s->is_there && s->has_frame;
}

static bool same_config(struct maker *m, uint16_t id)
{
	struct frame *f = stateset_get(m->start.previous, FRAME_CONFIG, id);
	const struct track *t = track_by_id(m, id);

	return t && f &&
	       codec_config_eq(t->codec, f->payload,
			       buf_span(&m->source[id].config));
}

/* A publisher that came back with the tracks and CONFIGs of before. */
static bool is_return(struct maker *m)
{
	struct tracks before;
	struct frame *f;

	if (!m->start.previous)
		return false;
	f = stateset_get(m->start.previous, FRAME_TRACKS, 0);
	if (!f || tracks_read(&before, f->payload) ||
	    before.count != m->tracks.count)
		return false;
	for (size_t i = 0; i < before.count; i++) {
		const struct track *b = &before.track[i];
		const struct track *t = track_by_id(m, b->id);

		if (!t || t->codec != b->codec)
			return false;
		if (codec_has_config(b->codec) && !same_config(m, b->id))
			return false;
	}
	return true;
}

static bool may_settle(struct maker *m, int64_t now_ms)
{
	if (m->first_ms < 0 || !m->held_count)
		return false;
	if ((!m->wants_video || has_shown(m, VIDEO_ID)) &&
	    (!m->wants_audio || has_shown(m, AUDIO_ID)))
		return true;
	if (is_return(m))
		return true;
	if (m->joins_held > 1)
		return true;
	return now_ms - m->first_ms >= (int64_t)m->limits.tracks_settle_ms ||
	       m->held_bytes > m->limits.hold_bytes ||
	       m->held_count >= HELD_MAX;
}

static int settle(struct maker *m, int64_t now_ms)
{
	struct held *held = m->held;
	size_t count = m->held_count;
	int err;

	if (m->is_settled || !may_settle(m, now_ms))
		return 0;
	m->is_settled = true;
	m->settled_ms = now_ms;
	err = emit_opening(m, held[0].frame->arrival_us);
	for (size_t i = 0; i < count; i++) {
		if (!err)
			err = release(m, held[i].frame, now_ms);
		frame_unref(&held[i].frame);
	}
	m->held_count = 0;
	m->held_bytes = 0;
	return err;
}

static int hold(struct maker *m, struct frame *f, int64_t now_ms)
{
	if (m->held_count == m->held_cap) {
		size_t cap = m->held_cap ? m->held_cap * 2 : 32;
		struct held *fresh =
			realloc(m->held, cap * sizeof(struct held));

		if (!fresh)
			return WEIR_ENOMEM;
		m->held = fresh;
		m->held_cap = cap;
	}
	if (m->first_ms < 0)
		m->first_ms = now_ms;
	m->held[m->held_count++].frame = frame_ref(f);
	m->held_bytes += f->payload.len;
	m->joins_held += f->kind == FRAME_VIDEO && (f->flags & FRAME_JOIN);
	return settle(m, now_ms);
}

/* ---- tracks and configurations ---- */

static int64_t here_ns(const struct maker *m)
{
	return m->is_open ? WEIR_MAX(timeline_end_ns(&m->timeline) - NS_PER_MS,
				     m->start.open.dts_base_ns)
			  : m->start.open.dts_base_ns;
}

/* The list changed after it was settled. */
static int tracks_changed(struct maker *m, uint16_t id, int64_t arrival_us)
{
	int err;

	if (!m->is_settled)
		return 0;
	cutter_break(&m->cutter);
	err = emit_tracks(m, here_ns(m), arrival_us);
	return err ? err : emit_config(m, id, here_ns(m), arrival_us);
}

static void fill_track(struct track *t, const struct flv_unit *u, uint16_t id)
{
	*t = (struct track){
		.id = id,
		.kind = u->kind,
		.codec = u->codec,
		.form = u->form,
		.is_default = true,
	};
	if (u->kind == FRAME_AUDIO) {
		t->rate = u->rate;
		t->channels = u->channels;
	}
}

/* Put `t` into the list in place of the one of that id, in order of ids. */
static void put_track(struct maker *m, const struct track *t)
{
	size_t i = 0;

	while (i < m->tracks.count && m->tracks.track[i].id < t->id)
		i++;
	if (i == m->tracks.count || m->tracks.track[i].id != t->id) {
		memmove(&m->tracks.track[i + 1], &m->tracks.track[i],
			(m->tracks.count - i) * sizeof(*t));
		m->tracks.count++;
	}
	m->tracks.track[i] = *t;
	m->source[t->id].is_there = true;
}

/* A configuration in force from here on (its normalised form is in scratch). */
static int set_config(struct maker *m, const struct flv_unit *u, uint16_t id,
		      int64_t arrival_us)
{
	struct source *src = &m->source[id];
	const struct track *old = track_by_id(m, id);
	struct track t;
	bool is_other;

	if (old && old->codec == u->codec && old->form == u->form &&
	    span_eq(buf_span(&src->config), buf_span(&m->scratch)))
		return 0;
	fill_track(&t, u, id);
	if (codec_config_facts(&t, u->codec, buf_span(&m->scratch)))
		return WEIR_EPROTO;
	is_other = !old || old->codec != t.codec || old->form != t.form ||
		   old->width != t.width || old->height != t.height ||
		   old->rate != t.rate || old->channels != t.channels;
	buf_clear(&src->config);
	buf_put(&src->config, buf_span(&m->scratch));
	if (buf_error(&src->config))
		return buf_error(&src->config);
	if (old && old->codec != t.codec && u->kind == FRAME_VIDEO)
		src->must_join = true;
	put_track(m, &t);
	if (is_other)
		return tracks_changed(m, id, arrival_us);
	return m->is_settled ? emit_config(m, id, here_ns(m), arrival_us) : 0;
}

static int put_config(struct maker *m, const struct flv_unit *u, uint16_t id,
		      int64_t arrival_us)
{
	uint8_t length_size = 4;
	int err;

	buf_clear(&m->scratch);
	err = codec_config_normalise(&m->scratch, &length_size, u->codec,
				     u->payload);
	if (!err)
		err = set_config(m, u, id, arrival_us);
	if (err == WEIR_ENOMEM)
		return err;
	if (err)
		m->stats.corrupt++;
	else
		m->source[id].length_size = length_size;
	return 0;
}

/* ---- units in ---- */

/* A codec without configuration shows its facts in its frames. */
static int ensure_track(struct maker *m, const struct flv_unit *u, uint16_t id,
			int64_t arrival_us)
{
	const struct track *old = track_by_id(m, id);
	struct track t;

	if (codec_has_config(u->codec) || (old && old->codec == u->codec))
		return 0;
	fill_track(&t, u, id);
	if (codec_frame_facts(&t, u->codec, u->payload))
		return WEIR_EPROTO;
	buf_clear(&m->source[id].config);
	put_track(m, &t);
	return tracks_changed(m, id, arrival_us);
}

/* Parameter sets in the access unit itself. */
static int take_inband(struct maker *m, const struct flv_unit *u, uint16_t id,
		       struct span plain, int64_t arrival_us)
{
	bool is_changed = false;
	int err;

	buf_clear(&m->scratch);
	err = codec_config_update(&m->scratch, &is_changed, u->codec,
				  buf_span(&m->source[id].config), plain);
	if (err || !is_changed)
		return err;
	return set_config(m, u, id, arrival_us);
}

static int make_frame(struct maker *m, const struct flv_unit *u, uint16_t id,
		      struct span payload, const struct unit_facts *facts,
		      int64_t in_ms, int64_t arrival_us, int64_t now_ms)
{
	struct frame head = {
		.kind = u->kind,
		.track = id,
		.dts_ns = in_ms,
		.pts_ns = u->kind == FRAME_VIDEO ? u->composition_ms : 0,
		.arrival_us = arrival_us,
	};
	struct frame *f;
	int err;

	if (u->kind == FRAME_VIDEO && facts->is_join)
		head.flags |= FRAME_JOIN;
	if (facts->is_disposable)
		head.flags |= FRAME_DISPOSABLE;
	err = frame_new(&f, &head, payload);
	if (err)
		return err;
	m->source[id].has_frame = true;
	err = m->is_settled ? release(m, f, now_ms) : hold(m, f, now_ms);
	frame_unref(&f);
	return err;
}

/* The payload in weir's form: as it came, or rewritten into `out`. */
static int plain_payload(struct maker *m, const struct flv_unit *u, uint16_t id,
			 struct buf *out, struct span *plain)
{
	uint8_t length_size = m->source[id].length_size;
	int err;

	*plain = u->payload;
	if (u->codec != CODEC_H264 && u->codec != CODEC_H265)
		return 0;
	if (!m->source[id].config.len)
		length_size = nal_has_start_code(u->payload) ? NAL_ANNEXB : 4;
	if (length_size == 4 && nal_is_plain(u->payload))
		return 0;
	err = nal_rewrite(out, u->payload, length_size);
	*plain = buf_span(out);
	return err;
}

static int put_frame(struct maker *m, const struct flv_unit *u, uint16_t id,
		     uint32_t raw_ms, int64_t arrival_us, int64_t now_ms)
{
	int64_t in_ms = timeline_unwrap(&m->timeline, id, raw_ms);
	struct unit_facts facts = {0};
	struct buf rewritten = {0};
	struct span plain = {0};
	int err = ensure_track(m, u, id, arrival_us);

	if (!err)
		err = plain_payload(m, u, id, &rewritten, &plain);
	if (!err && u->kind == FRAME_VIDEO)
		err = take_inband(m, u, id, plain, arrival_us);
	if (!err && (!m->source[id].is_there || !plain.len))
		err = WEIR_EPROTO; /* no configuration yet */
	if (!err && codec_unit_classify(&facts, u->codec,
					buf_span(&m->source[id].config), plain))
		facts = (struct unit_facts){.is_join = u->is_key};
	if (!err)
		err = make_frame(m, u, id, plain, &facts, in_ms, arrival_us,
				 now_ms);
	buf_fini(&rewritten);
	if (err != WEIR_EPROTO && err != WEIR_EINVAL)
		return err;
	m->stats.corrupt++;
	return 0;
}

static int put_meta(struct maker *m, struct span payload, int64_t arrival_us)
{
	struct amf0_value v, x;
	struct span in = payload;

	if (amf0_read(&v, &in, NULL) || !amf0_is_object(&v))
		return 0;
	buf_clear(&m->meta);
	buf_put(&m->meta, payload);
	m->has_meta = true;
	/* Who announces one kind only has no other. */
	if (!m->is_settled) {
		bool video = amf0_find(&v, "videocodecid", &x) ||
			     amf0_find(&v, "width", &x);
		bool audio = amf0_find(&v, "audiocodecid", &x) ||
			     amf0_find(&v, "audiosamplerate", &x);

		m->wants_video = video || !audio;
		m->wants_audio = audio || !video;
		return buf_error(&m->meta);
	}
	return emit_bytes(m, FRAME_META, 0, payload, here_ns(m), arrival_us);
}

void maker_ahead(const struct maker *m)
{
	FETCH(&m->start);
	fetch_bytes(&m->tracks, offsetof(struct tracks, track[2]));
	FETCH(&m->source);
	fetch_bytes(&m->is_settled,
		    sizeof(*m) - offsetof(struct maker, is_settled));
}

int maker_put(struct maker *m, const struct flv_unit *u, uint32_t raw_ms,
	      int64_t arrival_us, int64_t now_ms)
{
	uint16_t id = u->kind == FRAME_VIDEO ? VIDEO_ID : AUDIO_ID;

	switch (u->what) {
	case FLV_CONFIG:
		return put_config(m, u, id, arrival_us);
	case FLV_FRAME:
		return put_frame(m, u, id, raw_ms, arrival_us, now_ms);
	case FLV_META:
		return put_meta(m, u->payload, arrival_us);
	case FLV_UNSUPPORTED:
		m->stats.unsupported++;
		notice(m, &m->said_unsupported, REASON_unsupported, u->name);
		return 0;
	default:
		return 0;
	}
}

int64_t maker_due_ms(const struct maker *m)
{
	if (m->is_settled || m->first_ms < 0)
		return INT64_MAX;
	return m->first_ms + m->limits.tracks_settle_ms;
}

int maker_tick(struct maker *m, int64_t now_ms)
{
	return settle(m, now_ms);
}

bool maker_is_settled(const struct maker *m)
{
	return m->is_settled;
}

const struct tracks *maker_tracks(const struct maker *m)
{
	return &m->tracks;
}

void maker_get_stats(const struct maker *m, struct maker_stats *out)
{
	*out = m->stats;
	out->clamped = m->timeline.clamped_count;
	out->jumps = m->timeline.jump_count;
}
