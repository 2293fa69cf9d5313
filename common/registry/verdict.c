/* common/registry/verdict.c - the ingest's word, then the home's, then the
 * lease. */
#include "common/registry/verdict.h"

/* A publisher that was silent for this share of publish_stall_ms may be the
 * newcomer itself, come back on another connection: worth waiting for. */
#define SUSPECT_SHARE 6

#define HOLD_MARGIN_MS 50

static enum verdict of_ingest(const struct verdict_facts *f, uint32_t *hold_ms)
{
	const struct answer *a = &f->ingest;

	switch (a->verdict) {
	case ALIVE_YES:
		if (f->may_take_over && !f->is_pull)
			return VERDICT_FREE;
		if (a->silent_ms < f->publish_stall_ms / SUSPECT_SHARE)
			return VERDICT_BUSY;
		if (f->held_ms > (int64_t)a->silent_ms)
			return VERDICT_BUSY; /* something came meanwhile */
		*hold_ms = HOLD_MARGIN_MS;
		if (a->silent_ms < f->publish_stall_ms)
			*hold_ms += f->publish_stall_ms - a->silent_ms;
		return VERDICT_HOLD;
	case ALIVE_SAME_USER:
		return f->is_pull ? VERDICT_BUSY : VERDICT_FREE;
	default: /* silent, left; unknown: it never was there, or is over */
		return VERDICT_FREE;
	}
}

static enum verdict of_home(const struct verdict_facts *f)
{
	switch (f->home.verdict) {
	case ALIVE_YES:
	case ALIVE_SAME_USER:
		return f->may_take_over && !f->is_pull ? VERDICT_FREE
						       : VERDICT_BUSY;
	case ALIVE_SILENT:
	case ALIVE_LEFT:
	case ALIVE_LINK_LOST:
		return VERDICT_FREE;
	default:
		return VERDICT_LEASE;
	}
}

enum verdict verdict_of(const struct verdict_facts *f, uint32_t *hold_ms)
{
	if (f->has_ingest_word)
		return of_ingest(f, hold_ms);
	/* Two witnesses of its death: there is nothing to wait for. */
	if (f->is_ingest_absent && f->has_home_word &&
	    f->home.verdict == ALIVE_LINK_LOST)
		return VERDICT_FREE;
	if (!f->waited)
		return VERDICT_WAIT;
	return f->has_home_word ? of_home(f) : VERDICT_LEASE;
}
