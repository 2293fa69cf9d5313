/* services/edge/pacer.h - how long frames wait for others before they are sent:
 * not at all while the loop has time, longer when it has not.
 *
 * A send costs the kernel about as much whatever is in it, so fewer and larger
 * ones are what saves work. The delay rises by half when the loop is late, or
 * busy for more than a moment. It falls by a third, a second at a time, while the
 * loop would have time with the smaller one, too; had it to rise soon after, that
 * second becomes two, four, up to 32, so that it comes to rest. Less than
 * PACER_FIRST_US saves nothing, and is no delay. While there is one,
 * viewers do not get their bytes all at once: each stands in one of
 * PACER_SLOTS slots, and the slots come round one after the other, all of them
 * once in the delay.
 *
 * Busy is the part of its time that the loop works instead of waiting for
 * something to do. While others have its processor it does neither: where they
 * are many but the loop has little to do, fewer sends would save little, and the
 * delay would only come on top.
 *
 * Pure: times are told, in microseconds of one monotonic clock.
 */
#ifndef WEIR_EDGE_PACER_H
#define WEIR_EDGE_PACER_H

#include <stdbool.h>
#include <stdint.h>

#define PACER_SLOTS 16u
#define PACER_ALL   ((1u << PACER_SLOTS) - 1)

/* Frames of picture and sound come each 14 ms or so. */
#define PACER_FIRST_US 10000u

/* How a loop has spent its time, ever. */
struct pacer_spent {
	uint64_t waited_us; /* loop_waited_us */
	uint64_t worked_us; /* io_thread_cpu_us */
};

struct pacer {
	uint64_t budget_us; /* the longest delay */
	uint64_t delay_us;  /* 0: each frame goes out at once */
	unsigned busy_permille;
	uint64_t looked_us;       /* time of the last look */
	struct pacer_spent spent; /* until then */
	bool has_looked;
	bool was_late;       /* since the last look */
	unsigned busy_looks; /* in a row */
	uint64_t free_us;    /* for how long it could have been smaller */
	uint64_t hold_us;    /* for how long that must be so */
	uint64_t fell_us;    /* when it fell last; 0: never */
	uint64_t turned_us;  /* time of the last turn */
	uint64_t part_us;    /* of a slot's time, that was left over */
	unsigned slot;       /* the next one to come round */
};

/* No delay yet. A budget of 0: never. */
void pacer_init(struct pacer *p, uint32_t budget_ms);

/* A pass of the loop ended late. */
void pacer_late(struct pacer *p);

/* Has it been 250 ms since the last look? */
bool pacer_wants_look(const struct pacer *p, uint64_t now_us);

/* How busy is the loop? To be asked when it wants to look, at least each 250 ms
 * while there is something to do. Returns whether the delay has changed. */
bool pacer_look(struct pacer *p, uint64_t now_us, struct pacer_spent spent);

/* Begin to turn: from now on slots come round. */
void pacer_start(struct pacer *p, uint64_t now_us);

/* The slots (bit n: slot n) that have come round since the last turn; one by
 * one, so that each has its turn once in the delay, and all when there is no
 * delay. */
unsigned pacer_turn(struct pacer *p, uint64_t now_us);

/* How often to turn, at least 1 ms. */
uint32_t pacer_turn_ms(const struct pacer *p);

#endif
