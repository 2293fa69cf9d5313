/* common/bus/follower_find.c - where is the stream? Ask, and go there. */
#include "common/bus/follower_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOK_EACH_MS 200

static bool send(struct follower *f, link_id link, const struct record *r)
{
	const struct world *world = f->fs->world;

	return world->send(world->ctx, link, r);
}

/* ---- SUB ---- */

void follower_unsubscribe(struct follower *f)
{
	struct record r = {.type = RECORD_UNSUB, .sid = f->sid};

	if (!f->home)
		return;
	send(f, f->home, &r);
	follower_drop_sid(f, f->sid);
	f->home = 0;
	f->sid = 0;
}

static void fill_sub(const struct follower *f, struct record *r)
{
	struct position last = {0};
	bool has_last = log_last_position(f->log, &last);

	*r = (struct record){
		.type = RECORD_SUB,
		.sid = f->sid,
		.count = f->info.entry.term.number,
		.key = f->info.entry.key,
		.position = last,
	};
	if (f->from_oldest || (!has_last && f->mode == FOLLOW_EXACT))
		r->flags = SUB_FROM_OLDEST;
	else if (has_last)
		r->flags = SUB_FROM_POSITION;
	else
		r->flags = SUB_FROM_JOIN;
	if (f->mode == FOLLOW_EXACT)
		r->flags |= SUB_EXACT;
	if (f->is_wanting)
		r->flags |= SUB_WANTING;
}

void follower_subscribe_again(struct follower *f)
{
	struct record r;

	if (!f->home || f->is_stopped)
		return; /* the next SUB says it */
	fill_sub(f, &r);
	send(f, f->home, &r);
}

void follower_subscribe(struct follower *f)
{
	const struct world *world = f->fs->world;
	const char *node = f->info.entry.home_node;
	link_id link = node[0] ? world->link_to(world->ctx, node) : 0;
	struct record r;

	if (link && f->home == link && !f->is_stopped)
		return; /* it waits there, or is served */
	follower_unsubscribe(f);
	if (!link)
		return; /* when it comes up */
	f->sid = follower_new_sid(f);
	if (!f->sid)
		return;
	f->home = link;
	f->is_resumed = f->is_stopped = f->may_gap = f->has_told_gap = false;
	f->gap_why = REASON_gap;
	f->term_number = f->info.entry.term.number;
	fill_sub(f, &r);
	send(f, link, &r);
}

/* ---- hear ---- */

/* Is what is said newer than what is followed? Equal numbers of two who raised
 * are a conflict, which the writers settle; meanwhile the higher epoch, and who
 * is served stays. */
static bool is_better(const struct follower *f, const struct epoch *epoch,
		      const struct term *term)
{
	const struct stream_entry *e = &f->info.entry;

	if (term->number != e->term.number)
		return term->number > e->term.number;
	if (term_eq(term, &e->term))
		return !follower_is_searching(f) ? false : !f->is_resumed;
	return follower_is_searching(f) && epoch->counter >= e->epoch.counter;
}

bool follower_hear(struct follower *f, const struct epoch *epoch,
		   const struct term *term, const char *node, const char *url)
{
	struct stream_entry *e = &f->info.entry;
	bool is_news = !term_eq(term, &e->term) || strcmp(node, e->home_node);

	if (!term->number || !node[0] || !is_better(f, epoch, term))
		return false;
	e->epoch = *epoch;
	e->term = *term;
	snprintf(e->home_node, sizeof(e->home_node), "%s", node);
	snprintf(e->home_url, sizeof(e->home_url), "%s", url);
	if (is_news) /* several may say the same */
		follower_event(f, "home.heard", REASON_none, node);
	follower_subscribe(f);
	return true;
}

void follower_hear_entry(struct follower *f, const struct stream_entry *e)
{
	const struct world *world = f->fs->world;
	int64_t utc_ms = world->utc_us(world->ctx) / 1000;

	if (e->is_ended || (!e->is_live && utc_ms >= e->lost_until_ms))
		return;
	if (!follower_hear(f, &e->epoch, &e->term, e->home_node, e->home_url))
		return;
	f->info.entry.start_us = e->start_us;
	f->info.entry.birth_ms = e->birth_ms;
	memcpy(f->info.entry.kind, e->kind, sizeof(e->kind));
}

/* ---- search ---- */

bool follower_is_searching(const struct follower *f)
{
	return f->info.state != FOLLOWER_LIVE;
}

static bool has_where(const struct follower *f, link_id link)
{
	for (size_t i = 0; i < f->where_count; i++)
		if (f->where[i].link == link)
			return true;
	return false;
}

static void ask_link(struct follower *f, link_id link)
{
	struct record r = {
		.type = RECORD_WHERE,
		.count = f->info.entry.term.number,
		.key = f->info.entry.key,
	};

	if (f->where_count == FOLLOWER_ORIGINS_MAX || has_where(f, link))
		return;
	if (!f->where)
		f->where = calloc(FOLLOWER_ORIGINS_MAX, sizeof(*f->where));
	if (!f->where)
		return; /* it looks again */
	r.sid = follower_new_sid(f);
	if (!r.sid || !send(f, link, &r)) {
		follower_drop_sid(f, r.sid);
		return;
	}
	f->where[f->where_count++] = (struct follower_where){link, r.sid};
}

void follower_ask_dispatch(struct follower *f)
{
	const struct world *world = f->fs->world;
	struct question q = {
		.kind = QUESTION_RESOLVE,
		.key = f->info.entry.key,
		.term = f->info.entry.term,
	};

	f->must_tell_via = false;
	if (f->mode == FOLLOW_EXACT || !f->is_wanting)
		return; /* it must not start a pull */
	snprintf(q.via, sizeof(q.via), "%s", follower_via(f));
	f->serial++;
	f->resolve_tag = TAG_FOLLOWERS | f->number << 16 | f->serial;
	world->ask_dispatch(world->ctx, f->resolve_tag, &q,
			    world->resolve_retry_ms);
}

void follower_search(struct follower *f, int64_t now_ms)
{
	const struct world *world = f->fs->world;
	struct node_ref origin[FOLLOWER_ORIGINS_MAX];
	size_t count = world->origins(world->ctx, origin, FOLLOWER_ORIGINS_MAX);
	const struct stream_entry *e =
		world->known(world->ctx, &f->info.entry.key);

	f->look_ms = now_ms + LOOK_EACH_MS;
	if (e)
		follower_hear_entry(f, e);
	if (!f->home || f->is_stopped)
		follower_subscribe(f);
	for (size_t i = 0; i < count; i++)
		ask_link(f, origin[i].link);
	if (now_ms < f->resolve_ms)
		return;
	f->resolve_ms = now_ms + world->resolve_retry_ms;
	follower_ask_dispatch(f);
}

void follower_found(struct follower *f)
{
	for (size_t i = 0; i < f->where_count; i++) {
		struct record r = {
			.type = RECORD_UNSUB,
			.sid = f->where[i].sid,
		};

		send(f, f->where[i].link, &r);
		follower_drop_sid(f, r.sid);
	}
	free(f->where);
	f->where = NULL;
	f->where_count = 0;
}

void follower_forget_link(struct follower *f, link_id link)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->where_count; i++) {
		if (f->where[i].link == link)
			follower_drop_sid(f, f->where[i].sid);
		else
			f->where[kept++] = f->where[i];
	}
	f->where_count = kept;
	if (f->home != link)
		return;
	follower_drop_sid(f, f->sid);
	f->home = 0;
	f->sid = 0;
}
