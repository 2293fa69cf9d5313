/* common/media/log_time.c - one clock over tracks, jumps and epochs. */
#include "common/media/log_time.h"

#define BACK_MAX_NS    (500 * NS_PER_MS)
#define FORWARD_MAX_NS (10 * NS_PER_S)
#define AHEAD_MAX_NS   NS_PER_S /* a pts further ahead is a mistake */

/* A peer chooses the dts: sums stay within int64_t. */
static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;

	if (!__builtin_add_overflow(a, b, &sum))
		return sum;
	return a < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t subtract(int64_t a, int64_t b)
{
	int64_t difference;

	if (!__builtin_sub_overflow(a, b, &difference))
		return difference;
	return a < 0 ? INT64_MIN : INT64_MAX;
}

void log_time_begin_epoch(struct log_time *t)
{
	t->is_epoch_known = false;
	for (unsigned i = 0; i < t->count; i++)
		t->track[i].is_known = false;
}

static struct log_time_track *track_of(struct log_time *t, uint16_t id)
{
	struct log_time_track *k = t->track;

	while (k < t->track + t->count && k->id != id)
		k++;
	if (k < t->track + t->count)
		return k;
	/* More tracks than a stream may have: they share a place. */
	if (t->count == TRACKS_MAX)
		k = &t->track[id % TRACKS_MAX];
	else
		t->count++;
	*k = (struct log_time_track){.id = id};
	return k;
}

/* Where the track stands on this clock: goes on, begins, or jumped. */
static void follow(struct log_time *t, struct log_time_track *k, int64_t dts_ns)
{
	int64_t step = subtract(dts_ns, k->dts_ns);

	if (!k->is_known) {
		k->is_known = true;
		k->shift_ns = t->shift_ns;
	} else if (step < -BACK_MAX_NS || step > FORWARD_MAX_NS) {
		t->shift_ns = subtract(t->now_ns, dts_ns);
		k->shift_ns = t->shift_ns;
	} else if (step > 0) {
		k->duration_ns = step;
	}
	k->dts_ns = dts_ns;
}

/* The dts of a JOIN that would be shown when this frame is. */
static int64_t shown_ns(struct log_time_track *k, const struct frame *f)
{
	int64_t ahead_ns = subtract(f->pts_ns, f->dts_ns);

	if (ahead_ns < 0 || ahead_ns > AHEAD_MAX_NS)
		return f->dts_ns;
	if (f->flags & FRAME_JOIN)
		k->delay_ns = ahead_ns;
	return add(f->dts_ns, WEIR_MAX(ahead_ns - k->delay_ns, 0));
}

int64_t log_time_add(struct log_time *t, const struct frame *f)
{
	struct log_time_track *k;
	int64_t end_ns;

	if (frame_is_state(f))
		return t->now_ns;
	if (!t->is_epoch_known)
		t->shift_ns = subtract(t->now_ns, f->dts_ns);
	t->is_epoch_known = true;
	k = track_of(t, f->track);
	follow(t, k, f->dts_ns);
	t->now_ns = WEIR_MAX(t->now_ns, add(f->dts_ns, k->shift_ns));
	/* Script data come now and then: the time between is no duration. */
	end_ns = f->kind == FRAME_DATA ? f->dts_ns
				       : add(shown_ns(k, f), k->duration_ns);
	if (!t->has_media || f->dts_ns > t->last_dts_ns)
		t->last_dts_ns = f->dts_ns;
	if (!t->has_media || end_ns > t->end_dts_ns)
		t->end_dts_ns = end_ns;
	t->has_media = true;
	return t->now_ns;
}
