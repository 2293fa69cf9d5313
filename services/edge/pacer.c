/* services/edge/pacer.c - how long frames wait for others before they go. */
#include "services/edge/pacer.h"

#include "common/base/err.h"

#define LOOK_US        250000u
#define BUSY_PERMILLE  700
#define FULL_PERMILLE  900 /* no moment is waited then */
#define FREE_PERMILLE  460 /* 700 by two thirds of the delay, about */
#define FIRST_PERMILLE 600 /* likewise, without any instead of the first */
#define BUSY_LOOKS     2
#define HOLD_US        1000000u
#define HOLD_MAX_US    (32 * HOLD_US)
#define SOON_US        (2 * HOLD_US)
#define LATE_US        20000u
#define TURN_MS        2 /* not more often, as each costs a wake-up */

void pacer_init(struct pacer *p, uint32_t budget_ms)
{
	*p = (struct pacer){
		.budget_us = (uint64_t)budget_ms * 1000,
		.hold_us = HOLD_US,
	};
}

void pacer_late(struct pacer *p)
{
	p->was_late = true;
}

static void rise(struct pacer *p, uint64_t now_us)
{
	uint64_t delay_us = p->delay_us + p->delay_us / 2;

	delay_us = WEIR_MAX(delay_us, PACER_FIRST_US);
	p->delay_us = WEIR_MIN(delay_us, p->budget_us);
	p->free_us = 0;
	if (p->fell_us && now_us - p->fell_us < SOON_US &&
	    p->busy_permille > BUSY_PERMILLE)
		p->hold_us = WEIR_MIN(p->hold_us * 2, HOLD_MAX_US);
	p->fell_us = 0;
}

static uint64_t fallen(const struct pacer *p)
{
	if (p->delay_us <= PACER_FIRST_US)
		return 0;
	return WEIR_MAX(p->delay_us / 3 * 2, PACER_FIRST_US);
}

static bool has_time(const struct pacer *p)
{
	const bool is_first = p->delay_us <= PACER_FIRST_US;

	return p->busy_permille < (is_first ? FIRST_PERMILLE : FREE_PERMILLE);
}

/* After an hour in which nobody watched nothing is left of the delay. */
static void fall(struct pacer *p, uint64_t now_us, uint64_t span_us)
{
	p->free_us += span_us;
	while (p->delay_us && p->free_us >= p->hold_us) {
		p->free_us -= p->hold_us;
		p->delay_us = fallen(p);
		if (p->fell_us) /* it did not have to rise since */
			p->hold_us = WEIR_MAX(p->hold_us / 2, HOLD_US);
		p->fell_us = now_us;
	}
	if (!p->delay_us)
		p->free_us = 0;
}

static void judge(struct pacer *p, uint64_t now_us, uint64_t span_us)
{
	const bool is_busy = p->busy_permille > BUSY_PERMILLE;

	p->busy_looks = is_busy ? p->busy_looks + 1 : 0;
	if (p->was_late || p->busy_permille > FULL_PERMILLE ||
	    p->busy_looks >= BUSY_LOOKS)
		rise(p, now_us);
	else if (has_time(p))
		fall(p, now_us, span_us);
	else
		p->free_us -= WEIR_MIN(p->free_us, span_us);
	p->was_late = false;
}

bool pacer_wants_look(const struct pacer *p, uint64_t now_us)
{
	return !p->has_looked || now_us - p->looked_us >= LOOK_US;
}

static unsigned busy_permille(struct pacer_spent from, struct pacer_spent to)
{
	const uint64_t waited_us = to.waited_us - from.waited_us;
	const uint64_t worked_us = to.worked_us - from.worked_us;

	if (!worked_us)
		return 0;
	return (unsigned)(worked_us * 1000 / (worked_us + waited_us));
}

bool pacer_look(struct pacer *p, uint64_t now_us, struct pacer_spent spent)
{
	const uint64_t span_us = now_us - p->looked_us, was_us = p->delay_us;
	const bool is_first = !p->has_looked;

	p->busy_permille = busy_permille(p->spent, spent);
	p->spent = spent;
	p->looked_us = now_us;
	p->has_looked = true;
	if (!is_first)
		judge(p, now_us, span_us);
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
