/* services/origin/push_feed.c - the RTMP messages that a stream becomes. */
#include "services/origin/push_feed.h"

#include "common/media/via_meta.h"
#include "proto/flv/flv.h"

static const char *refusal(const struct track *track)
{
	return flv_can_carry(track) ? NULL : "RTMP has no such codec";
}

void push_feed_init(struct push_feed *f, struct log *log, const char *cluster)
{
	*f = (struct push_feed){.log = log, .cluster = cluster};
	outlet_init(&f->out, refusal);
}

void push_feed_fini(struct push_feed *f)
{
	outlet_fini(&f->out);
	f->log = NULL;
}

const char *push_feed_refusal(const struct push_feed *f)
{
	return f->out.why_not;
}

/* ---- messages ---- */

struct putting {
	struct push_feed *feed;
	struct buf *scratch;
	push_put_fn *put;
	void *ctx;
};

static int put(const struct putting *p, uint8_t type, int64_t ms)
{
	const struct rtmp_media m = {
		.type = type,
		.timestamp_ms = (uint32_t)WEIR_MAX(ms, 0),
		.payload = buf_span(p->scratch),
	};
	int err = buf_error(p->scratch);

	return err ? err : p->put(p->ctx, &m);
}

/* What cannot be carried is left out. */
static int put_frame(const struct putting *p, const struct track *track,
		     const struct frame *f, int64_t ms)
{
	buf_clear(p->scratch);
	if (flv_body_from_frame(p->scratch, track, f) && !buf_error(p->scratch))
		return 0;
	return put(p, flv_type_of(track), ms);
}

/* The metadata, and in it the clusters through which it has come, this one the
 * last. What was pulled has it there. */
static int put_metadata(const struct putting *p, const struct stateset *set)
{
	struct buf body = {0};
	int err = flv_metadata_write(&body, &p->feed->out.tracks,
				     outlet_payload(set, FRAME_META, 0));

	buf_clear(p->scratch);
	if (!err)
		err = via_mark_metadata(p->scratch, buf_span(&body),
					(struct span){0}, p->feed->cluster);
	if (err == WEIR_EPROTO || err == WEIR_ELIMIT) {
		buf_clear(p->scratch);
		buf_put(p->scratch, buf_span(&body));
		err = 0;
	}
	buf_fini(&body);
	return err ? err : put(p, RTMP_DATA, 0);
}

static int put_config(const struct putting *p, const struct stateset *set,
		      uint16_t id, int64_t ms)
{
	const struct track *t = tracks_find(&p->feed->out.tracks, id);
	const struct frame *f = t ? stateset_get(set, FRAME_CONFIG, id) : NULL;

	return f ? put_frame(p, t, f, ms) : 0;
}

static int put_headers(const struct putting *p, const struct outlet_item *item)
{
	struct outlet *o = &p->feed->out;
	unsigned changes = outlet_changes(o, item->set);
	int err = 0;

	if (changes & OUTLET_META)
		err = put_metadata(p, item->set);
	if (!err && changes & OUTLET_VIDEO)
		err = put_config(p, item->set, o->video, item->ms);
	if (!err && changes & OUTLET_AUDIO)
		err = put_config(p, item->set, o->audio, item->ms);
	if (!err)
		outlet_wrote_headers(o, item->set);
	return err;
}

static int put_silence(const struct putting *p, const struct outlet_item *item)
{
	struct outlet *o = &p->feed->out;
	struct silence s = outlet_hole(o, item);
	int err = 0;

	for (uint32_t i = 0; i < s.count && !err; i++) {
		struct frame quiet = silence_frame(&s, item->track->id, i);

		err = put_frame(p, item->track, &quiet, outlet_ms(o, &quiet));
	}
	return err;
}

static int put_item(const struct putting *p, const struct outlet_item *item)
{
	struct push_feed *f = p->feed;
	int err = put_headers(p, item);

	if (!err)
		err = put_silence(p, item);
	if (!err)
		err = put_frame(p, item->track, item->frame, item->ms);
	if (err)
		return err;
	outlet_wrote(&f->out, item);
	f->out.must_join = false;
	f->out.newest_ms = WEIR_MAX(f->out.newest_ms, item->ms);
	f->frames++;
	return 0;
}

/* ---- the place ---- */

/* Frames that have left the log before they were sent. */
static void catch_tail(struct push_feed *f)
{
	struct log_join join;
	uint64_t at = log_tail(f->log);

	if (f->next >= at)
		return;
	if (!log_join_from(f->log, &join, at))
		at = join.ordinal;
	f->skipped += at - f->next;
	f->next = at;
	outlet_gap(&f->out);
}

static int find_place(struct push_feed *f)
{
	struct log_join join;

	if (!f->has_place && log_newest_join(f->log, &join))
		return WEIR_EAGAIN;
	if (!f->has_place)
		f->next = join.ordinal;
	f->has_place = true;
	catch_tail(f);
	return f->next < log_next(f->log) ? 0 : WEIR_EAGAIN;
}

int push_feed_next(struct push_feed *f, struct buf *scratch, push_put_fn *fn,
		   void *ctx)
{
	const struct putting p = {f, scratch, fn, ctx};
	struct outlet_item item;
	int err = find_place(f);

	if (err)
		return err;
	if (f->out.newest_ms >= OUTLET_OVER_MS)
		return WEIR_EGONE;
	switch (outlet_take(&f->out, &item, f->log, f->next)) {
	case OUTLET_FRAME:
		err = put_item(&p, &item);
		break;
	case OUTLET_EARLY:
		f->skipped++;
		break;
	default:
		break;
	}
	if (!err)
		f->next++;
	return err;
}

uint32_t push_feed_lag_ms(const struct push_feed *f)
{
	const struct frame *at = f->has_place ? log_at(f->log, f->next) : NULL;
	int64_t ns = at ? log_last_dts_ns(f->log) - at->dts_ns : 0;

	return (uint32_t)WEIR_MIN(WEIR_MAX(ns / NS_PER_MS, 0),
				  (int64_t)UINT32_MAX);
}

bool push_feed_skip(struct push_feed *f, uint64_t *frames)
{
	struct log_join join;

	if (!f->has_place || log_newest_join(f->log, &join) ||
	    join.ordinal <= f->next)
		return false;
	*frames = join.ordinal - f->next;
	f->skipped += *frames;
	f->next = join.ordinal;
	outlet_gap(&f->out);
	return true;
}
