/* common/bus/writer_drain.c - origins that take leave: their streams go elsewhere.
 *
 * A home that drains goes on until its writer has another one. The writer leaves
 * it when there is one, and when the epoch has begun: until then the old home
 * alone can tell the next session what the stream was before.
 */
#include "common/bus/writer_priv.h"

#include "common/registry/rank.h"

bool writers_is_draining(const struct writers *ws, link_id link)
{
	for (size_t i = 0; i < ws->draining_count; i++)
		if (ws->draining[i] == link)
			return true;
	return false;
}

void writers_drain_over(struct writers *ws, link_id link)
{
	size_t kept = 0;

	for (size_t i = 0; i < ws->draining_count; i++)
		if (ws->draining[i] != link)
			ws->draining[kept++] = ws->draining[i];
	ws->draining_count = kept;
}

bool writer_may_go_to(const void *ctx, const struct node_ref *origin)
{
	const struct writer *w = ctx;

	return strcmp(origin->id, w->entry.home_node) != 0 &&
	       !writers_is_draining(w->ws, origin->link);
}

static bool has_other(const struct writer *w)
{
	const struct world *world = w->ws->world;
	struct node_ref origin[WRITER_ORIGINS_MAX];
	size_t count = world->origins(world->ctx, origin, WRITER_ORIGINS_MAX);

	return rank_best(origin, count, &w->entry.key, writer_may_go_to, w);
}

void writer_move_due(struct writer *w, int64_t now_ms)
{
	struct position last;

	if (!writers_is_draining(w->ws, w->home) || w->is_leaving ||
	    w->state != WRITER_FEEDING || !log_last_position(w->log, &last) ||
	    !has_other(w))
		return;
	w->ws->has_news = true;
	writer_place(w, w->entry.home_node, now_ms);
}

void writers_on_drain(struct writers *ws, link_id link, int64_t now_ms)
{
	if (!writers_is_draining(ws, link) &&
	    ws->draining_count < WRITER_ORIGINS_MAX)
		ws->draining[ws->draining_count++] = link;
	for (struct writer *w = writers_walk_first(ws); w;
	     w = writers_walk_next(ws)) {
		if (w->is_leaving)
			continue;
		writer_copy_on_drain(w, link, now_ms);
		writer_move_due(w, now_ms);
	}
}
