/* services/edge/wire.c - a wire log: frames become bytes, and are let go. */
#include "services/edge/wire_inner.h"

#include <stdlib.h>

#include "common/base/fetch.h"

#define AUDIO_JOIN_GAP_MS 100
#define SCRATCH_BYTES     (256 * 1024) /* that are kept */
#define SHARE_BYTES       96           /* less is copied */

int wire_new(struct wire **out, const struct wire_format *format,
	     const struct wire_limits *limits)
{
	struct wire *w = calloc(1, sizeof(*w));

	if (!w)
		return WEIR_ENOMEM;
	if (format->begin && format->begin(&w->memory)) {
		free(w);
		return WEIR_ENOMEM;
	}
	w->format = format;
	w->limits = *limits;
	w->scratch = limits->scratch ? limits->scratch : &w->own;
	outlet_init(&w->out, format->refusal);
	bytelog_init(&w->bytes);
	ring_init(&w->units, sizeof(struct wire_unit));
	ring_init(&w->joins, sizeof(struct wire_join));
	*out = w;
	return 0;
}

static void drop_join(struct wire *w)
{
	struct wire_join *j = ring_at(&w->joins, 0);

	stateset_unref(&j->set);
	buf_fini(&j->opening);
	buf_fini(&j->headers);
	ring_drop(&w->joins, 1);
}

void wire_free(struct wire **pw)
{
	struct wire *w = *pw;

	if (!w)
		return;
	while (w->joins.count)
		drop_join(w);
	bytelog_fini(&w->bytes);
	ring_fini(&w->joins);
	ring_fini(&w->units);
	outlet_fini(&w->out);
	buf_fini(&w->own);
	if (w->memory)
		w->format->end(&w->memory);
	free(w);
	*pw = NULL;
}

/* ---- units ---- */

/* Units know 32 bits of where they end. */
static bool has_room(const struct wire *w, const struct frame *shared)
{
	return w->bytes.end - w->tail + w->scratch->len +
		       (shared ? shared->payload.len : 0) <
	       UINT32_MAX;
}

/* What is in scratch becomes a unit with `frames` frames in it; the payload of
 * `shared` (NULL: none) belongs at `payload_at`. */
static int put_unit(struct wire *w, int64_t ms, unsigned frames,
		    struct frame *shared, size_t payload_at)
{
	const size_t len = w->scratch->len;
	int err;

	if (w->format->wrap)
		w->format->wrap(w->scratch, 0,
				shared ? shared->payload.len : 0);
	err = buf_error(w->scratch);
	if (!err && !has_room(w, shared))
		err = WEIR_ENOMEM;
	if (!err)
		err = ring_reserve(&w->units);
	if (!err)
		err = bytelog_put(&w->bytes, buf_span(w->scratch), shared,
				  payload_at + w->scratch->len - len);
	if (w->scratch->cap > SCRATCH_BYTES)
		buf_fini(w->scratch);
	if (err)
		return err;
	w->frames += frames;
	*(struct wire_unit *)ring_push(&w->units) = (struct wire_unit){
		.end = (uint32_t)w->bytes.end,
		.ms = (uint32_t)ms,
		.frame = (uint32_t)w->frames,
		.state = w->state,
	};
	w->out.newest_ms = WEIR_MAX(w->out.newest_ms, ms);
	return 0;
}

/* ---- tracks and headers ---- */

static struct wire_time time_at(const struct wire *w, int64_t ms)
{
	return (struct wire_time){(uint32_t)ms, -w->out.base_ms * NS_PER_MS};
}

static int put_config(const struct wire *w, struct buf *out,
		      const struct tracks *tracks, const struct stateset *set,
		      uint8_t kind, int64_t ms)
{
	const struct track *t = outlet_track(w->format->refusal, tracks, kind);
	struct frame *f = t ? stateset_get(set, FRAME_CONFIG, t->id) : NULL;
	const struct wire_time at = time_at(w, ms);
	size_t len = out->len;
	bool is_join = false;
	int err = f ? w->format->unit(w->memory, out, t, f, &at, &is_join, NULL)
		    : 0;

	if (!err || buf_error(out))
		return buf_error(out);
	if (err == WEIR_ENOMEM)
		return err;
	out->len = len; /* what cannot be carried is left out */
	return 0;
}

int wire_put_headers(const struct wire *w, struct buf *out,
		     const struct stateset *set, int64_t ms)
{
	struct tracks tracks = {0};
	int err;

	if (tracks_read(&tracks, outlet_payload(set, FRAME_TRACKS, 0)))
		tracks = w->out.tracks;
	err = w->format->metadata(w->memory, out, &tracks,
				  outlet_payload(set, FRAME_META, 0));
	if (!err)
		err = put_config(w, out, &tracks, set, FRAME_VIDEO, ms);
	return err ? err : put_config(w, out, &tracks, set, FRAME_AUDIO, ms);
}

static int write_changes(struct wire *w, const struct stateset *set, int64_t ms)
{
	const struct tracks *tracks = &w->out.tracks;
	unsigned changes = outlet_changes(&w->out, set);
	struct buf *out = w->scratch;
	int err = 0;

	if (changes & OUTLET_META)
		err = w->format->metadata(w->memory, out, tracks,
					  outlet_payload(set, FRAME_META, 0));
	if (!err && changes & OUTLET_VIDEO)
		err = put_config(w, out, tracks, set, FRAME_VIDEO, ms);
	if (!err && changes & OUTLET_AUDIO)
		err = put_config(w, out, tracks, set, FRAME_AUDIO, ms);
	return err;
}

/* Headers that changed since they were written last become a unit of their own,
 * for the viewers that go on. The first ones only stand in prefixes, but a
 * memory has to know them. */
static int put_changes(struct wire *w, struct stateset *set, int64_t ms)
{
	int err;

	if (set == w->out.set)
		return 0;
	buf_clear(w->scratch);
	if (w->out.set || w->memory) {
		err = write_changes(w, set, ms);
		if (err)
			return err;
	}
	if (w->scratch->len) {
		w->state++;
		err = put_unit(w, ms, 0, NULL, 0);
		if (err)
			return err;
	}
	outlet_wrote_headers(&w->out, set);
	return 0;
}

/* ---- frames ---- */

static bool wants_join(const struct wire *w, int64_t ms)
{
	const struct wire_join *last = ring_last(&w->joins);

	return w->out.video || !last || w->out.must_join ||
	       ms >= last->ms + AUDIO_JOIN_GAP_MS;
}

/* Where are we? Behind a unit that could not be kept all viewers go on as if
 * they came from elsewhere. */
static void note_place(struct wire *w, struct wire_mark *out)
{
	if (!w->format->mark)
		return;
	w->format->mark(w->memory, out);
	if (w->is_torn)
		w->format->resume(w->scratch, out);
}

/* Once a memory has seen the frame, what it made of it must not be lost. */
static int keep_unit(struct wire *w, int64_t ms, struct frame *shared,
		     size_t payload_at)
{
	int err = put_unit(w, ms, 1, shared, payload_at);

	w->is_torn = err && w->memory;
	return err;
}

/* Room for the join, so that nothing can fail once the unit is there. `shared`:
 * the item's frame, if its payload may stay where it is; else NULL. */
static int put_frame(struct wire *w, const struct outlet_item *item,
		     struct frame *shared)
{
	struct wire_join join = {
		.offset = w->bytes.end,
		.ms = item->ms,
		.frame = w->frames,
		.left_out = w->left_out,
		.state = w->state,
	};
	const struct wire_time at = time_at(w, item->ms);
	bool joins = item->is_join && wants_join(w, item->ms);
	size_t payload_at = SIZE_MAX;
	int err = ring_reserve(&w->joins);

	if (err)
		return err;
	buf_clear(w->scratch);
	note_place(w, &join.mark);
	err = w->format->unit(w->memory, w->scratch, item->track, item->frame,
			      &at, &joins, shared ? &payload_at : NULL);
	if (buf_error(w->scratch))
		return buf_error(w->scratch);
	if (err == WEIR_ENOMEM)
		return err;
	if (err || !w->scratch->len) {
		w->left_out++; /* what cannot be carried */
		return 0;
	}
	if (payload_at == SIZE_MAX)
		shared = NULL;
	err = keep_unit(w, item->ms, shared, payload_at);
	if (err)
		return err;
	if (joins) {
		join.set = stateset_ref(item->set);
		*(struct wire_join *)ring_push(&w->joins) = join;
		w->groups += w->out.video != 0;
	}
	w->out.must_join = false;
	w->newest_arrival_us = item->frame->arrival_us;
	return 0;
}

/* Silence where a publisher broke off, so that players have one buffered
 * range. */
static int fill_hole(struct wire *w, const struct outlet_item *item)
{
	struct silence s = outlet_hole(&w->out, item);
	int err = 0;

	for (uint32_t i = 0; i < s.count && !err; i++) {
		struct frame quiet = silence_frame(&s, item->track->id, i);
		struct outlet_item filling = *item;

		quiet.arrival_us = item->frame->arrival_us;
		filling.frame = &quiet;
		filling.ms = outlet_ms(&w->out, &quiet);
		err = put_frame(w, &filling, NULL);
	}
	return err;
}

/* We only count a reference. */
static struct frame *may_share(const struct wire *w, const struct frame *f)
{
	return w->is_sharing && f->payload.len >= SHARE_BYTES
		       ? (struct frame *)f
		       : NULL;
}

static int write_item(struct wire *w, const struct outlet_item *item)
{
	int err = put_changes(w, item->set, item->ms);

	if (!err)
		err = fill_hole(w, item);
	if (!err)
		err = put_frame(w, item, may_share(w, item->frame));
	if (!err)
		outlet_wrote(&w->out, item);
	return err;
}

int wire_append(struct wire *w, const struct log *log, uint64_t ordinal)
{
	struct outlet_item item;

	switch (outlet_take(&w->out, &item, log, ordinal)) {
	case OUTLET_FRAME:
		return write_item(w, &item);
	case OUTLET_EARLY:
		w->left_out += w->out.set != NULL;
		return 0;
	case OUTLET_REFUSED:
		w->refused++;
		return 0;
	default:
		return 0;
	}
}

void wire_ahead(const struct wire *w, unsigned step)
{
	if (!step) {
		FETCH(w);
		return;
	}
	bytelog_ahead(&w->bytes);
	if (w->units.count)
		fetch(ring_last(&w->units));
}

void wire_set_sharing(struct wire *w, bool is_on)
{
	w->is_sharing = is_on;
}

void wire_gap(struct wire *w, uint64_t frames)
{
	if (w->out.set)
		w->left_out += frames;
	outlet_gap(&w->out);
}

bool wire_is_ready(const struct wire *w)
{
	return w->joins.count > 0;
}

const char *wire_refusal(const struct wire *w)
{
	return w->out.why_not;
}

bool wire_is_old(const struct wire *w)
{
	return w->out.newest_ms >= OUTLET_OLD_MS;
}

bool wire_is_over(const struct wire *w)
{
	return w->out.newest_ms >= OUTLET_OVER_MS;
}

void wire_get_stats(const struct wire *w, struct wire_stats *out)
{
	*out = (struct wire_stats){
		.kept_bytes = w->bytes.kept_bytes,
		.shared_bytes = w->bytes.shared_bytes,
		.written_bytes = w->bytes.end,
		.frames = w->frames,
		.groups = w->groups,
		.left_out = w->left_out,
		.refused = w->refused,
		.newest_arrival_us = w->newest_arrival_us,
	};
}

/* ---- retention ---- */

/* With video the newest join; else the newest that is audio_join_ms back, or
 * the oldest. */
struct wire_join *wire_start_join(const struct wire *w)
{
	int64_t from_ms = w->out.newest_ms - (int64_t)w->limits.audio_join_ms;
	size_t i = w->joins.count;

	if (!i)
		return NULL;
	if (!w->out.video)
		while (i > 1 &&
		       ((struct wire_join *)ring_at(&w->joins, i - 1))->ms >
			       from_ms)
			i--;
	return ring_at(&w->joins, i - 1);
}

static const struct wire_unit *unit_at(const struct wire *w, size_t i)
{
	return ring_at(&w->units, i);
}

uint64_t wire_spare_end(const struct wire *w)
{
	const struct wire_join *keep = wire_start_join(w);
	uint64_t end = w->tail;

	for (size_t i = 0; keep && i < w->units.count; i++) {
		const struct wire_unit *u = unit_at(w, i);

		if (wire_unit_end(w, u) > keep->offset ||
		    (int64_t)u->ms + w->limits.retain_ms >= w->out.newest_ms)
			break;
		end = wire_unit_end(w, u);
	}
	return end;
}

uint64_t wire_limit_end(const struct wire *w)
{
	uint64_t end = w->tail;

	for (size_t i = 0; i + 1 < w->units.count; i++) {
		if (w->bytes.end - end <= w->limits.max_bytes)
			break;
		end = wire_unit_end(w, unit_at(w, i));
	}
	return end;
}

void wire_trim(struct wire *w, uint64_t offset)
{
	size_t units = 0;

	while (units < w->units.count &&
	       wire_unit_end(w, unit_at(w, units)) <= offset)
		w->tail = wire_unit_end(w, unit_at(w, units++));
	ring_drop(&w->units, units);
	while (w->joins.count &&
	       ((struct wire_join *)ring_at(&w->joins, 0))->offset < w->tail)
		drop_join(w);
	bytelog_drop(&w->bytes, w->tail);
}
