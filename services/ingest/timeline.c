/* services/ingest/timeline.c - times onto the one timeline. */
#include "services/ingest/timeline.h"

#include "common/base/err.h"
#include "common/media/frame.h"

#define BACK_MAX_MS    500
#define FORWARD_MAX_MS 10000

static struct timeline_track *track_of(struct timeline *t, uint16_t id)
{
	return &t->track[id <= TRACKS_MAX ? id : 0];
}

int64_t timeline_unwrap(struct timeline *t, uint16_t id, uint32_t raw_ms)
{
	struct timeline_track *k = track_of(t, id);
	int64_t latest = 0;
	bool is_known = false;

	/* A track that begins is unwrapped beside the others. */
	if (k->has_raw) {
		k->in_ms += (int32_t)(raw_ms - k->raw_ms);
	} else {
		for (size_t i = 0; i <= TRACKS_MAX; i++) {
			const struct timeline_track *o = &t->track[i];

			if (!o->has_raw || (is_known && o->in_ms <= latest))
				continue;
			latest = o->in_ms;
			is_known = true;
		}
		k->in_ms =
			is_known ? latest + (int32_t)(raw_ms - (uint32_t)latest)
				 : (int64_t)raw_ms;
	}
	k->raw_ms = raw_ms;
	k->has_raw = true;
	return k->in_ms;
}

int64_t timeline_base_ns(int64_t end_ns)
{
	return (end_ns + NS_PER_MS - 1) / NS_PER_MS * NS_PER_MS;
}

void timeline_open(struct timeline *t, int64_t in_ms, int64_t base_ns)
{
	t->base_ns = base_ns;
	t->offset_ms[0] = t->base_ns / NS_PER_MS - in_ms;
	t->offset_ms[1] = t->offset_ms[0];
	t->is_open = true;
}

static int64_t latest_out_ns(const struct timeline *t)
{
	int64_t latest = t->base_ns;

	for (size_t i = 0; i <= TRACKS_MAX; i++)
		if (t->track[i].has_out)
			latest = WEIR_MAX(latest, t->track[i].out_ns);
	return latest;
}

int64_t timeline_end_ns(const struct timeline *t)
{
	int64_t end = t->base_ns;

	for (size_t i = 0; i <= TRACKS_MAX; i++)
		if (t->track[i].has_out)
			end = WEIR_MAX(end, t->track[i].out_ns +
						    t->track[i].step_ns);
	return end;
}

/* Does a frame at `out_ms` follow what its track had (or, for a new track, what
 * any had)? */
static bool follows(const struct timeline *t, const struct timeline_track *k,
		    int64_t out_ms, int64_t now_ms)
{
	int64_t last_ms =
		(k->has_out ? k->out_ns : latest_out_ns(t)) / NS_PER_MS;
	int64_t passed_ms = k->has_out ? now_ms - k->at_ms : 0;

	return out_ms >= last_ms - BACK_MAX_MS &&
	       out_ms <= last_ms + FORWARD_MAX_MS + passed_ms;
}

static void swap_offsets(struct timeline *t)
{
	int64_t keep = t->offset_ms[0];

	t->offset_ms[0] = t->offset_ms[1];
	t->offset_ms[1] = keep;
}

/* Which offset is this frame's? The one in force; the one before, for a track
 * whose times have not jumped with the others' (yet); or a new one. */
static bool choose_offset(struct timeline *t, const struct timeline_track *k,
			  int64_t in_ms, int64_t now_ms, int64_t *out_ms)
{
	for (int i = 0; i < 2; i++) {
		*out_ms = in_ms + t->offset_ms[i];
		if (follows(t, k, *out_ms, now_ms))
			return false;
	}
	swap_offsets(t);
	*out_ms = timeline_end_ns(t) / NS_PER_MS;
	t->offset_ms[0] = *out_ms - in_ms;
	t->jump_count++;
	return true;
}

void timeline_put(struct timeline *t, struct timeline_time *out, uint16_t id,
		  int64_t in_ms, int32_t composition_ms, int64_t now_ms)
{
	struct timeline_track *k = track_of(t, id);
	int64_t out_ms, dts_ns;

	*out = (struct timeline_time){0};
	out->is_discontinuity = choose_offset(t, k, in_ms, now_ms, &out_ms);
	dts_ns = out_ms * NS_PER_MS;
	out->pts_ns = dts_ns + composition_ms * NS_PER_MS;
	if (dts_ns < t->base_ns) {
		out->is_early = true;
		return;
	}
	if (k->has_out && dts_ns < k->out_ns) {
		t->clamped_count++;
		dts_ns = k->out_ns;
	}
	out->dts_ns = dts_ns;
	if (k->has_out && dts_ns > k->out_ns)
		k->step_ns = WEIR_MIN(dts_ns - k->out_ns, NS_PER_S);
	k->out_ns = dts_ns;
	k->at_ms = now_ms;
	k->has_out = true;
}
