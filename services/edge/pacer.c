/* services/edge/pacer.c - how long frames wait for others before they go. */
#include "services/edge/pacer.h"

#include "common/base/err.h"

#define LOOK_US       250000u
#define BUSY_PERMILLE 700
#define FREE_PERMILLE 500
#define FIRST_US      2000u /* the shortest delay that is worth it */
#define LATE_US       20000u
#define FALL_PARTS    16  /* one of them is taken away at a time */
#define FALLS_MAX     256 /* by then nothing is left of any delay */
#define TURN_MS       2   /* not more often, as each costs a wake-up */

void pacer_init(struct pacer *p, uint32_t budget_ms)
{
	*p = (struct pacer){.budget_us = (uint64_t)budget_ms * 1000};
}

void pacer_late(struct pacer *p)
{
	p->was_late = true;
}

static uint64_t risen(const struct pacer *p)
{
	uint64_t delay_us = p->delay_us + p->delay_us / 2;

	delay_us = WEIR_MAX(delay_us, FIRST_US);
	return WEIR_MIN(delay_us, p->budget_us);
}

/* A sixteenth less for each look that there could have been: after an hour in
 * which nobody watched nothing is left of the delay. */
static uint64_t fallen(const struct pacer *p, uint64_t span_us)
{
	uint64_t times = WEIR_MIN(span_us / LOOK_US, FALLS_MAX);
	uint64_t delay_us = p->delay_us;

	while (times-- > 0)
		delay_us -= delay_us / FALL_PARTS;
	return delay_us < FIRST_US ? 0 : delay_us;
}

bool pacer_look(struct pacer *p, uint64_t now_us, uint64_t waited_us)
{
	uint64_t span_us = now_us - p->looked_us, was_us = p->delay_us;
	uint64_t waited = WEIR_MIN(waited_us - p->waited_us, span_us);
	bool is_first = !p->has_looked;

	if (!is_first && span_us < LOOK_US)
		return false;
	p->has_looked = true;
	p->looked_us = now_us;
	p->waited_us = waited_us;
	if (is_first)
		return false;
	p->busy_permille = (unsigned)(1000 - waited * 1000 / span_us);
	if (p->was_late || p->busy_permille > BUSY_PERMILLE)
		p->delay_us = risen(p);
	else if (p->busy_permille < FREE_PERMILLE)
		p->delay_us = fallen(p, span_us);
	p->was_late = false;
	return p->delay_us != was_us;
}

void pacer_start(struct pacer *p, uint64_t now_us)
{
	p->turned_us = now_us;
	p->part_us = 0;
}

unsigned pacer_turn(struct pacer *p, uint64_t now_us)
{
	uint64_t span_us = now_us - p->turned_us + p->part_us;
	uint64_t slot_us = p->delay_us / PACER_SLOTS;
	uint64_t count = slot_us ? span_us / slot_us : PACER_SLOTS;
	unsigned slots = 0;

	p->turned_us = now_us;
	if (span_us > p->delay_us + LATE_US)
		pacer_late(p);
	if (count >= PACER_SLOTS) {
		p->part_us = 0;
		return PACER_ALL;
	}
	p->part_us = span_us % slot_us;
	while (count-- > 0) {
		slots |= 1u << p->slot;
		p->slot = (p->slot + 1) % PACER_SLOTS;
	}
	return slots;
}

uint32_t pacer_turn_ms(const struct pacer *p)
{
	uint64_t slot_ms = p->delay_us / PACER_SLOTS / 1000;

	return (uint32_t)WEIR_MAX(slot_ms, TURN_MS);
}
