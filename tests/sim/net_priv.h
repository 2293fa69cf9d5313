/* tests/sim/net_priv.h - the inside of the network, shared by net.c (what is
 * under way), wire.c (links) and ask.c (questions). Nobody else includes it.
 */
#ifndef WEIR_SIM_NET_PRIV_H
#define WEIR_SIM_NET_PRIV_H

#include "tests/sim/sim.h"

#define ABSENT_LINK UINT32_MAX

enum what { W_RECORD, W_FRAME, W_PING, W_QUESTION, W_ANSWER };

struct message {
	struct job job;
	struct wire *wire;
	int to;
	enum what what;
	struct buf bytes; /* a record, or JSON */
	struct frame *frame;
	uint16_t type;
	uint32_t sid;
	uint64_t term_number;
	uint64_t tag;
};

/* Something that happens to one end of a link. */
struct wire_job {
	struct job job;
	struct wire *wire;
	int i;
};

/* ---- net.c ---- */

int64_t net_delay_us(struct sim *s);
/* The caller says when it arrives: net_queue, or sim_at. */
struct message *net_message_to(struct side *to, enum what what);
/* In order with what went before, of this sid and of its kind. */
void net_queue(struct message *m, uint32_t sid, bool is_frame);

/* ---- wire.c ---- */

struct side *net_find_side(struct sim_node *n, link_id id);
struct side *net_other(struct side *side);
struct node_ref net_ref_of(const struct side *mine);
void net_wire_free_if_done(struct wire *w);
void net_wire_job(struct side *side, int64_t at_us,
		  void (*run)(struct sim *s, struct job *j));
/* This end is closed: its process is told; the other end hears of it. */
void net_side_down(struct sim *s, struct side *side);

/* ---- ask.c ---- */

void net_answer_at(struct sim_node *n, uint64_t tag, const struct answer *a,
		   int64_t at_us);
void net_answer_question(struct sim *s, struct side *me,
			 const struct message *m);
void net_take_answer(struct side *me, const struct message *m);
/* What was asked on a link that is down has its answer. */
void net_close_asks(struct sim *s, struct side *side);

#endif
