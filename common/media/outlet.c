/* common/media/outlet.c - a stream as a receiver of one container gets it. */
#include "common/media/outlet.h"

#define LEAD_MS       1000 /* of one that is moved: tracks begin unevenly */
#define EPOCH_STEP_MS 40

void outlet_init(struct outlet *o, outlet_refusal_fn *refusal)
{
	*o = (struct outlet){.refusal = refusal, .must_join = true};
}

void outlet_fini(struct outlet *o)
{
	stateset_unref(&o->set);
	frame_unref(&o->tracks_frame);
}

/* ---- tracks and headers ---- */

struct span outlet_payload(const struct stateset *set, uint8_t kind,
			   uint16_t track)
{
	struct frame *f = set ? stateset_get(set, kind, track) : NULL;

	return f ? f->payload : (struct span){0};
}

const struct track *outlet_track(outlet_refusal_fn *refusal,
				 const struct tracks *tracks, uint8_t kind)
{
	for (size_t i = 0; i < tracks->count; i++)
		if (tracks->track[i].kind == kind &&
		    !refusal(&tracks->track[i]))
			return &tracks->track[i];
	return NULL;
}

/* No track is carried: why not the first? */
static const char *first_refusal(const struct outlet *o)
{
	const char *why = NULL;

	for (size_t i = 0; i < o->tracks.count && !why; i++)
		why = o->refusal(&o->tracks.track[i]);
	return why;
}

/* Know the tracks in force at the frame that is being looked at. */
static void look_at_tracks(struct outlet *o, const struct stateset *set)
{
	struct frame *f = stateset_get(set, FRAME_TRACKS, 0);
	const struct track *video, *audio;
	struct tracks tracks;

	if (!f || f == o->tracks_frame || tracks_read(&tracks, f->payload))
		return;
	frame_unref(&o->tracks_frame);
	o->tracks_frame = frame_ref(f);
	o->tracks = tracks;
	video = outlet_track(o->refusal, &o->tracks, FRAME_VIDEO);
	audio = outlet_track(o->refusal, &o->tracks, FRAME_AUDIO);
	o->video = video ? video->id : 0;
	o->audio = audio ? audio->id : 0;
	o->why_not = video || audio ? NULL : first_refusal(o);
}

static bool differs(const struct outlet *o, const struct stateset *set,
		    uint8_t kind, uint16_t track)
{
	return !span_eq(outlet_payload(o->set, kind, track),
			outlet_payload(set, kind, track));
}

unsigned outlet_changes(const struct outlet *o, const struct stateset *set)
{
	unsigned changes = 0;

	if (set == o->set)
		return 0;
	if (differs(o, set, FRAME_TRACKS, 0) || differs(o, set, FRAME_META, 0))
		changes |= OUTLET_META;
	if (o->video && differs(o, set, FRAME_CONFIG, o->video))
		changes |= OUTLET_VIDEO;
	if (o->audio && differs(o, set, FRAME_CONFIG, o->audio))
		changes |= OUTLET_AUDIO;
	return changes;
}

void outlet_wrote_headers(struct outlet *o, struct stateset *set)
{
	if (set == o->set)
		return;
	stateset_unref(&o->set);
	o->set = stateset_ref(set);
}

/* ---- frames ---- */

/* Is it of a track that is carried? */
static const struct track *track_of(const struct outlet *o,
				    const struct frame *f)
{
	uint16_t id = f->kind == FRAME_VIDEO   ? o->video
		      : f->kind == FRAME_AUDIO ? o->audio
					       : 0;

	return id && f->track == id ? tracks_find(&o->tracks, id) : NULL;
}

/* Not one of several that it could carry, but one that it cannot. */
static bool is_refused(const struct outlet *o, const struct frame *f)
{
	const struct track *t = tracks_find(&o->tracks, f->track);

	return t && o->refusal(t);
}

/* Without video each audio frame is a place to begin, whatever the log says:
 * the video may be one that this container cannot carry. */
static bool is_join(const struct outlet *o, const struct frame *f)
{
	return o->video ? f->kind == FRAME_VIDEO && f->flags & FRAME_JOIN
			: true;
}

static void set_base(struct outlet *o, int64_t ms)
{
	if (o->has_base)
		return;
	o->has_base = true;
	if (ms >= OUTLET_OLD_MS)
		o->base_ms = ms - LEAD_MS;
}

/* The time of a frame. An epoch that begins before the end of the last one
 * (nobody knew the stream any more; or another publisher has won it after a
 * split, maybe with as high a counter) is put behind it by one constant. */
static int64_t time_of(struct outlet *o, const struct frame *f)
{
	int64_t ms = ns_to_ticks(f->dts_ns, 1000);

	set_base(o, ms);
	ms -= o->base_ms;
	if (o->epoch.counter && !epoch_eq(&o->epoch, &f->position.epoch) &&
	    ms < o->newest_ms) {
		o->base_ms -= o->newest_ms + EPOCH_STEP_MS - ms;
		ms = o->newest_ms + EPOCH_STEP_MS;
	}
	o->epoch = f->position.epoch;
	return WEIR_MAX(ms, 0);
}

enum outlet_what outlet_take(struct outlet *o, struct outlet_item *out,
			     const struct log *log, uint64_t ordinal)
{
	const struct frame *f = log_at(log, ordinal);
	struct outlet_item item = {.frame = f};

	if (!f || frame_is_state(f))
		return OUTLET_NOTHING;
	/* The set is shared and never changes; we only count a reference. */
	item.set = (struct stateset *)log_state_before(log, ordinal);
	if (!item.set)
		return OUTLET_NOTHING;
	if (item.set != o->set) /* else all of it is known */
		look_at_tracks(o, item.set);
	item.track = track_of(o, f);
	if (!item.track)
		return is_refused(o, f) ? OUTLET_REFUSED : OUTLET_NOTHING;
	item.is_join = is_join(o, f);
	*out = item;
	if (o->must_join && !item.is_join)
		return OUTLET_EARLY;
	out->ms = time_of(o, f);
	return OUTLET_FRAME;
}

/* The first sound of another epoch: is there a hole before it? */
static bool follows_seam(const struct outlet *o, const struct frame *f)
{
	return f->kind == FRAME_AUDIO && o->sound_epoch.counter &&
	       !epoch_eq(&o->sound_epoch, &f->position.epoch);
}

/* Players have one buffered range when there is silence. Times are the
 * stream's, as they are now. */
struct silence outlet_hole(const struct outlet *o,
			   const struct outlet_item *item)
{
	int64_t last_ns = o->sound_dts_ns + o->base_ms * NS_PER_MS;
	struct aac_config config;

	if (!follows_seam(o, item->frame) || item->track->codec != CODEC_AAC ||
	    aac_config_parse(&config, outlet_payload(item->set, FRAME_CONFIG,
						     item->track->id)))
		return (struct silence){0};
	return silence_between(&config, last_ns + aac_au_ns(&config),
			       item->frame->dts_ns);
}

int64_t outlet_ms(const struct outlet *o, const struct frame *quiet)
{
	return ns_to_ticks(quiet->dts_ns, 1000) - o->base_ms;
}

void outlet_wrote(struct outlet *o, const struct outlet_item *item)
{
	const struct frame *f = item->frame;

	if (f->kind != FRAME_AUDIO)
		return;
	o->sound_epoch = f->position.epoch;
	o->sound_dts_ns = f->dts_ns - o->base_ms * NS_PER_MS;
}

void outlet_gap(struct outlet *o)
{
	o->must_join = true;
	o->sound_epoch = (struct epoch){0};
}
