/* services/ingest/cutter.c - where segments begin, and what time it was. */
#include "services/ingest/cutter.h"

#define MOVED_US  100000
#define WINDOW_US 2000000

void cutter_init(struct cutter *c, uint32_t fragment_ms,
		 uint32_t max_fragment_ms, uint64_t segment,
		 uint64_t discontinuity, uint32_t target_ms)
{
	*c = (struct cutter){
		.fragment_ms = fragment_ms,
		.max_fragment_ms = max_fragment_ms,
		.cut = {.segment = segment,
			.discontinuity = discontinuity,
			.target_ms = WEIR_MAX(target_ms, fragment_ms)},
	};
}

void cutter_goes_on(struct cutter *c, int64_t begin_ns)
{
	c->has_begin = true;
	c->begin_ns = begin_ns;
}

void cutter_break(struct cutter *c)
{
	c->owes_discontinuity = c->has_cut;
}

bool cutter_put(struct cutter *c, int64_t dts_ns, bool is_join, bool has_video)
{
	int64_t long_ms = (dts_ns - c->begin_ns) / NS_PER_MS;
	bool may_cut = is_join || !has_video;

	if (c->has_cut && long_ms >= (int64_t)c->max_fragment_ms)
		may_cut = true;
	else if (c->has_cut && !c->owes_discontinuity &&
		 long_ms < (int64_t)c->fragment_ms)
		return false;
	if (!may_cut)
		return false;
	if (c->has_cut) {
		c->cut.segment++;
		c->cut.discontinuity += c->owes_discontinuity;
	}
	if (c->has_begin && long_ms > (int64_t)c->cut.target_ms)
		c->cut.target_ms = (uint32_t)long_ms;
	c->owes_discontinuity = false;
	c->has_cut = c->has_begin = true;
	c->begin_ns = dts_ns;
	return true;
}

static void set_clock(struct wall_clock *w, int64_t dts_ns, int64_t utc_us)
{
	w->clock = (struct clock_state){dts_ns, utc_us, CLOCK_ARRIVAL};
	w->has_clock = true;
}

bool wall_clock_put(struct wall_clock *w, int64_t dts_ns, int64_t arrival_us)
{
	int64_t late_us, moved_us;

	if (!w->has_clock) {
		set_clock(w, dts_ns, arrival_us);
		w->window_us = arrival_us;
		w->least_us = 0;
		return true;
	}
	late_us = arrival_us - w->clock.utc_us -
		  (dts_ns - w->clock.dts_ns) / 1000;
	w->least_us = WEIR_MIN(w->least_us, late_us);
	if (arrival_us - w->window_us < WINDOW_US)
		return false;
	moved_us = w->least_us;
	w->window_us = arrival_us;
	w->least_us = INT64_MAX;
	if (moved_us > -MOVED_US && moved_us < MOVED_US)
		return false;
	set_clock(w, dts_ns, arrival_us - late_us + moved_us);
	return true;
}
