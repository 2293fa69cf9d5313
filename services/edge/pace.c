/* services/edge/pace.c - the turns of all viewers of an edge. */
#include "services/edge/pace.h"

#include "common/io/usage.h"

/* Those that have had all their turns leave. */
static void turn(struct pace *p, unsigned slots)
{
	list_each_safe (it, &p->members) {
		struct pace_member *m =
			list_entry(it, struct pace_member, link);
		unsigned due = m->slots & slots;

		m->slots &= ~slots;
		if (!m->slots)
			list_remove(&m->link);
		if (due)
			m->on_turn(m->ctx, due);
	}
	if (list_is_empty(&p->members))
		timer_stop(p->timer);
}

static void on_timer(struct pace *p)
{
	turn(p, pacer_turn(&p->pacer, loop_now_us(p->loop)));
}

int pace_init(struct pace *p, struct loop *loop, uint32_t budget_ms,
	      struct edge_stats *stats)
{
	*p = (struct pace){.loop = loop, .stats = stats};
	pacer_init(&p->pacer, budget_ms);
	list_init(&p->members);
	return timer_new(&p->timer, loop, on_timer, p);
}

void pace_fini(struct pace *p)
{
	timer_free(&p->timer);
}

void pace_join(struct pace *p, struct pace_member *m)
{
	m->slots = PACER_ALL;
	if (!list_is_empty(&m->link))
		return;
	list_append(&p->members, &m->link);
	if (timer_is_running(p->timer))
		return;
	pacer_start(&p->pacer, loop_now_us(p->loop));
	timer_repeat(p->timer, pacer_turn_ms(&p->pacer));
}

void pace_leave(struct pace_member *m)
{
	list_remove(&m->link);
}

void pace_note(struct pace *p, uint64_t now_us, bool is_late)
{
	if (is_late)
		pacer_late(&p->pacer);
	if (!pacer_wants_look(&p->pacer, now_us) ||
	    !pacer_look(&p->pacer, now_us,
			(struct pacer_spent){
				.waited_us = loop_waited_us(p->loop),
				.worked_us = io_thread_cpu_us(),
			}))
		return;
	p->stats->delay_us = p->pacer.delay_us;
	if (timer_is_running(p->timer))
		timer_repeat(p->timer, pacer_turn_ms(&p->pacer));
}
