/* services/ingest/cutter.h - where segments begin, and what time it was.
 *
 * Pure. A segment begins at a JOIN once the one before lasted
 * fragment_duration_ms; without a JOIN it is forced after max_fragment_ms; any
 * frame may begin one if there is no video. Numbers go on over epochs.
 */
#ifndef WEIR_INGEST_CUTTER_H
#define WEIR_INGEST_CUTTER_H

#include "common/media/state.h"

struct cutter {
	uint32_t fragment_ms, max_fragment_ms;
	struct cut_state cut; /* of the open segment */
	bool has_cut;
	bool has_begin; /* of the segment before the next cut */
	int64_t begin_ns;
	bool owes_discontinuity;
};

/* `segment` is the number of the first one to come. */
void cutter_init(struct cutter *c, uint32_t fragment_ms,
		 uint32_t max_fragment_ms, uint64_t segment,
		 uint64_t discontinuity, uint32_t target_ms);

/* The epoch before left a segment open that began there: it lasts until the
 * first cut. */
void cutter_goes_on(struct cutter *c, int64_t begin_ns);

/* Tracks or times broke: the next segment has another discontinuity number. */
void cutter_break(struct cutter *c);

/* Does a segment begin with this frame? Then c->cut says which. */
bool cutter_put(struct cutter *c, int64_t dts_ns, bool is_join, bool has_video);

/* The wall clock of the stream: CLOCK once, and again when the mapping moved by
 * more than 100 ms. Arrival jitters, late but never early: so the least delay of
 * each two seconds counts. */
struct wall_clock {
	struct clock_state clock;
	bool has_clock;
	int64_t window_us; /* arrival that began the window */
	int64_t least_us;  /* least of arrival - mapping in it; INT64_MAX:
			    * nothing has come in it yet */
};

/* Is a CLOCK due before this frame? Then w->clock is what it says. */
bool wall_clock_put(struct wall_clock *w, int64_t dts_ns, int64_t arrival_us);

#endif
