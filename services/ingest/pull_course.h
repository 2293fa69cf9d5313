/* services/ingest/pull_course.h - which address of a pull is tried next, and when.
 *
 * Addresses are tried in order; behind the last there is a pause, which grows from
 * round to round, then comes the first. Pure: no clock, no chance of its own.
 */
#ifndef WEIR_INGEST_PULL_COURSE_H
#define WEIR_INGEST_PULL_COURSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

/* Who brought media for so long had not failed. */
#define PULL_STEADY_MS 10000

struct pull_course {
	unsigned url_count;
	int32_t retry_num; /* rounds behind the first; -1: for ever */
	unsigned url_at;
	unsigned failures; /* rounds in a row */
};

enum pull_step {
	PULL_STEP_NEXT,  /* url_at is the next one, at once */
	PULL_STEP_PAUSE, /* then the first */
	PULL_STEP_SPENT, /* there are no more */
};

/* An attempt is over. `ran`: media came, for ran_ms; `chance` 0 to 255 draws the
 * pause: 500 ms behind the first round that failed, twice that behind the next, up
 * to 5000, and up to a quarter more. */
enum pull_step pull_course_failed(struct pull_course *c, bool ran,
				  uint64_t ran_ms, uint8_t chance,
				  uint64_t *pause_ms);

#endif
