/* services/ingest/pull_course.c - which address of a pull is tried next, and when. */
#include "services/ingest/pull_course.h"

#define BACKOFF_MS  500
#define BACKOFF_MAX 5000

static uint64_t backoff_ms(const struct pull_course *c, uint8_t chance)
{
	unsigned doublings = WEIR_MIN(c->failures - 1, 8u);
	uint64_t ms = WEIR_MIN((uint64_t)BACKOFF_MS << doublings,
			       (uint64_t)BACKOFF_MAX);

	return ms + ms / 4 * chance / UINT8_MAX;
}

enum pull_step pull_course_failed(struct pull_course *c, bool ran,
				  uint64_t ran_ms, uint8_t chance,
				  uint64_t *pause_ms)
{
	*pause_ms = 0;
	if (ran && ran_ms >= PULL_STEADY_MS)
		c->failures = 0;
	if (!ran && c->url_at + 1 < c->url_count) {
		c->url_at++;
		return PULL_STEP_NEXT;
	}
	c->failures++;
	if (c->retry_num >= 0 && c->failures > (unsigned)c->retry_num)
		return PULL_STEP_SPENT;
	c->url_at = 0;
	*pause_ms = backoff_ms(c, chance);
	return PULL_STEP_PAUSE;
}
