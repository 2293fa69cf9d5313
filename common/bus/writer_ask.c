/* common/bus/writer_ask.c - what others ask of the writers of this process: is
 * the publisher alive, what was granted here, and whose claim has won.
 */
#include "common/bus/writer_priv.h"
#include "common/registry/entry.h"

static void answer_alive(const struct writers *ws, const struct question *q,
			 struct answer *out, int64_t now_ms)
{
	const struct world *world = ws->world;
	const struct writer *w = NULL;
	int64_t silent_ms;

	list_each (l, &ws->all) {
		const struct writer *o = list_entry(l, struct writer, link);

		if (uuid_eq(&o->session, &q->epoch.writer))
			w = o;
	}
	out->verdict = ALIVE_UNKNOWN;
	if (!w && writers_have_passed(ws, &q->key, &q->epoch.writer, now_ms))
		out->err = WEIR_EAGAIN; /* not for us to say */
	if (!w || w->state == WRITER_SPENT)
		return;
	silent_ms = now_ms - w->input_ms;
	out->silent_ms = (uint32_t)WEIR_MAX(silent_ms, 0);
	if (w->is_leaving)
		out->verdict = ALIVE_LEFT;
	else if (silent_ms >= world->publish_stall_ms)
		out->verdict = ALIVE_SILENT;
	else if (q->credential[0] && !strcmp(q->credential, w->credential))
		out->verdict = ALIVE_SAME_USER;
	else
		out->verdict = ALIVE_YES;
}

/* The highest epoch of the key that has been granted here. */
static void answer_validate(const struct writers *ws, const struct question *q,
			    struct answer *out)
{
	list_each (l, &ws->all) {
		const struct writer *w = list_entry(l, struct writer, link);
		const struct stream_entry *e = &w->entry;

		if (!e->epoch.counter || w->state == WRITER_SPENT ||
		    strcmp(e->key.text, q->key.text) != 0)
			continue;
		if (out->is_known &&
		    claim_order(&e->epoch, e->start_us, &out->epoch,
				out->start_us) < 0)
			continue;
		out->is_known = true;
		out->is_live = !w->is_leaving;
		out->epoch = e->epoch;
		out->term = e->term;
		out->start_us = e->start_us;
		memcpy(out->node, e->home_node, sizeof(out->node));
		memcpy(out->url, e->home_url, sizeof(out->url));
		memcpy(out->kind, e->kind, sizeof(out->kind));
		memcpy(out->writer_node, ws->world->self.id,
		       sizeof(out->writer_node));
	}
}

/* A winner tells: its claim stands above those here. */
static void on_question_lost(struct writers *ws, const struct question *q)
{
	for (struct writer *w = writers_walk_first(ws); w;
	     w = writers_walk_next(ws)) {
		const struct stream_entry *e = &w->entry;

		if (!e->epoch.counter || w->state == WRITER_SPENT ||
		    strcmp(e->key.text, q->key.text) != 0)
			continue;
		if (claim_order(&q->epoch, q->start_us, &e->epoch,
				e->start_us) > 0)
			writer_end(w, REASON_lost_claim,
				   "another publisher won it");
	}
}

void writers_on_question(struct writers *ws, const struct question *q,
			 struct answer *out, int64_t now_ms)
{
	ws->has_news = true;
	out->err = 0;
	switch (q->kind) {
	case QUESTION_ALIVE:
		answer_alive(ws, q, out, now_ms);
		break;
	case QUESTION_VALIDATE:
		answer_validate(ws, q, out);
		break;
	case QUESTION_LOST:
		on_question_lost(ws, q);
		break;
	default:
		out->err = WEIR_EUNSUPPORTED;
		break;
	}
}
