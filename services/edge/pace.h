/* services/edge/pace.h - the turns of all viewers of an edge: a pacer, driven
 * by the loop.
 *
 * Without a delay it costs nothing: whoever has something to send does so at
 * the end of the pass. With one, who has something asks for turns and gets
 * them until all slots had theirs.
 */
#ifndef WEIR_EDGE_PACE_H
#define WEIR_EDGE_PACE_H

#include "common/io/loop.h"
#include "services/edge/pacer.h"
#include "services/edge/stat.h"

struct pace {
	struct loop *loop;
	struct edge_stats *stats;
	struct pacer pacer;
	struct timer *timer; /* runs while there are members */
	struct list members; /* struct pace_member */
};

/* Storage of the owner; list_init(&link) before. */
struct pace_member {
	struct list link;
	/* These slots have their turn. Nobody may join or leave now. */
	void (*on_turn)(void *ctx, unsigned slots);
	void *ctx;
	unsigned slots; /* that have not had their turn */
};

/* `stats` is borrowed. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int pace_init(struct pace *p, struct loop *loop,
			      uint32_t budget_ms, struct edge_stats *stats);
/* All zero is fine. */
void pace_fini(struct pace *p);

/* Must frames wait for the turn of their viewer? */
static inline bool pace_has_delay(const struct pace *p)
{
	return p->pacer.delay_us > 0;
}

/* There is something for the viewers of all slots: each has a turn soon. */
void pace_join(struct pace *p, struct pace_member *m);
/* Never mind; fine when it has not joined. */
void pace_leave(struct pace_member *m);

/* A pass has ended at `now_us` (loop_now_us); later than it should have? */
void pace_note(struct pace *p, uint64_t now_us, bool is_late);

#endif
