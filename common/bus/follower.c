/* common/bus/follower.c - followers: the interface, their state, links, time. */
#include "common/bus/follower_priv.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fetch.h"

#define TAG_NUMBER  16
#define UNSERVED_MS 1000 /* so long a move may take before it counts as loss */

int followers_new(struct followers **out, const struct world *world,
		  const struct log_limits *limits)
{
	struct followers *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return WEIR_ENOMEM;
	fs->world = world;
	fs->limits = *limits;
	list_init(&fs->all);
	idmap_init(&fs->by_sid, world->seed);
	*out = fs;
	return 0;
}

void followers_free(struct followers **fs)
{
	if (!*fs)
		return;
	BUG_ON(!list_is_empty(&(*fs)->all));
	idmap_fini(&(*fs)->by_sid);
	free(*fs);
	*fs = NULL;
}

/* ---- a walk over all that outlives their ends ---- */

static struct follower *walk_next(struct followers *fs)
{
	struct list *at = fs->walk;

	if (at == &fs->all) {
		fs->walk = NULL;
		return NULL;
	}
	fs->walk = at->next;
	return list_entry(at, struct follower, link);
}

static struct follower *walk_first(struct followers *fs)
{
	fs->walk = fs->all.next;
	return walk_next(fs);
}

/* ---- sids ---- */

uint32_t follower_new_sid(struct follower *f)
{
	struct followers *fs = f->fs;
	uint32_t sid = FOLLOWER_SID | ++fs->sids;

	/* After 2^31 of them one may still be in use: the next is free. */
	while (idmap_get(&fs->by_sid, sid))
		sid = FOLLOWER_SID | ++fs->sids;
	return idmap_put(&fs->by_sid, sid, f) ? 0 : sid;
}

void follower_drop_sid(struct follower *f, uint32_t sid)
{
	idmap_remove(&f->fs->by_sid, sid);
}

static struct follower *find_sid(const struct followers *fs, uint32_t sid)
{
	return idmap_get(&fs->by_sid, sid);
}

void follower_event(struct follower *f, const char *what, enum reason why,
		    const char *detail)
{
	const struct world *world = f->fs->world;

	world->event(world->ctx, &f->info.entry.key, what, why, detail);
}

/* ---- life ---- */

int follower_new(struct follower **out, struct followers *fs,
		 const struct stream_key *key, enum follower_mode mode,
		 const struct follower_events *events, void *ctx,
		 int64_t now_ms)
{
	struct follower *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return WEIR_ENOMEM;
	err = log_new(&f->log, &fs->limits);
	if (err) {
		free(f);
		return err;
	}
	f->fs = fs;
	f->number = ++fs->numbers;
	f->mode = mode;
	f->is_wanting = mode == FOLLOW_WANTING;
	f->events = *events;
	f->ctx = ctx;
	f->info.state = FOLLOWER_SEARCHING;
	f->info.until_ms = INT64_MAX;
	f->info.entry.key = *key;
	f->look_ms = f->resolve_ms = now_ms;
	fs->has_news = true;
	list_append(&fs->all, &f->link);
	*out = f;
	return 0;
}

void follower_free(struct follower **fp)
{
	struct follower *f = *fp;

	*fp = NULL;
	if (!f)
		return;
	follower_unsubscribe(f);
	follower_found(f);
	if (f->fs->walk == &f->link)
		f->fs->walk = f->link.next;
	list_remove(&f->link);
	log_free(&f->log);
	free(f->via);
	free(f);
}

struct log *follower_log(struct follower *f)
{
	return f->log;
}

const struct follower_info *follower_info(const struct follower *f)
{
	return &f->info;
}

bool follower_has_caught_up(const struct follower *f)
{
	struct position last;

	if (!f->is_resumed)
		return false;
	if (!log_last_position(f->log, &last))
		return !f->head.epoch.counter;
	if (epoch_eq(&last.epoch, &f->head.epoch))
		return last.sequence >= f->head.sequence;
	return last.epoch.counter > f->head.epoch.counter;
}

void follower_set_wanting(struct follower *f, bool is_wanting)
{
	if (f->is_wanting == is_wanting)
		return;
	f->is_wanting = is_wanting;
	f->look_ms = 0;
	f->resolve_ms = INT64_MIN; /* who wants it now may start a pull */
	f->fs->has_news = true;
	follower_subscribe_again(f);
}

const char *follower_via(const struct follower *f)
{
	return f->via ? f->via : "";
}

int follower_set_via(struct follower *f, const char *via)
{
	char *copy = NULL;

	if (!strcmp(follower_via(f), via))
		return 0;
	if (*via) {
		copy = strdup(via);
		if (!copy)
			return WEIR_ENOMEM;
	}
	free(f->via);
	f->via = copy;
	f->must_tell_via = f->resolve_tag != 0; /* else it is told by itself */
	f->fs->has_news = true;
	return 0;
}

void follower_want_key(struct follower *f, uint16_t track)
{
	const struct world *world = f->fs->world;
	struct record r = {
		.type = RECORD_FEEDBACK,
		.sid = f->sid,
		.track = track,
		.what = 1,
	};

	if (f->home)
		world->send(world->ctx, f->home, &r);
}

/* The stream is over: what comes next is a new life, with numbers of its own.
 * Without memory the old log stays, and takes only what follows on it. */
static void forget_life(struct follower *f)
{
	struct log *fresh = NULL;

	follower_unsubscribe(f);
	f->look_ms = 0;
	f->info.entry = (struct stream_entry){.key = f->info.entry.key};
	if (log_new(&fresh, &f->fs->limits))
		return;
	log_free(&f->log);
	f->log = fresh;
}

void follower_set_state(struct follower *f, enum follower_state state,
			enum reason why, int64_t until_ms)
{
	bool is_same = f->info.state == state && f->info.why == why;

	f->fs->has_news = true;
	f->info.state = state;
	f->info.why = why;
	f->info.until_ms = until_ms;
	if (is_same && state != FOLLOWER_LOST)
		return;
	if (state == FOLLOWER_ENDED)
		forget_life(f);
	f->events.on_state(f->ctx, f, &f->info);
}

/* ---- events ---- */

static void link_up(struct follower *f, const struct node_ref *node,
		    int64_t now_ms)
{
	if (!strcmp(f->info.entry.home_node, node->id) && !f->home)
		follower_subscribe(f);
	if (follower_is_searching(f))
		follower_search(f, now_ms);
}

static void link_down(struct follower *f, link_id link, int64_t now_ms)
{
	bool was_home = f->home == link;

	follower_forget_link(f, link);
	if (!was_home || f->info.state != FOLLOWER_LIVE)
		return;
	f->look_ms = f->resolve_ms = now_ms;
	follower_set_state(f, FOLLOWER_LOST, REASON_bus_lost,
			   now_ms + f->fs->world->publish_grace_ms);
}

void followers_on_link(struct followers *fs, const struct node_ref *node,
		       bool is_up, int64_t now_ms)
{
	fs->has_news = true;
	for (struct follower *f = walk_first(fs); f; f = walk_next(fs)) {
		if (is_up)
			link_up(f, node, now_ms);
		else
			link_down(f, node->link, now_ms);
	}
}

int followers_on_record(struct followers *fs, link_id link,
			const struct record *r, int64_t now_ms)
{
	struct follower *f = find_sid(fs, r->sid);

	fs->has_news = true;
	if (!f)
		return 0; /* of a SUB or WHERE that was given up */
	if (r->sid == f->sid && link == f->home)
		return follower_on_home_record(f, r, now_ms);
	if (r->type == RECORD_MOVED)
		follower_hear(f, &r->position.epoch, &r->term, r->node, r->url);
	return 0;
}

void followers_ahead(const struct followers *fs, const uint32_t *sids,
		     size_t count)
{
	struct follower *f[FETCH_AHEAD_MAX];
	struct log *logs[FETCH_AHEAD_MAX];

	for (size_t i = 0; i < count; i++)
		idmap_ahead(&fs->by_sid, sids[i]);
	for (size_t i = 0; i < count; i++) {
		f[i] = find_sid(fs, sids[i]);
		if (f[i])
			fetch_bytes(f[i], offsetof(struct follower, where));
	}
	for (size_t i = 0; i < count; i++) {
		logs[i] = f[i] ? f[i]->log : NULL;
		if (f[i])
			fetch(&f[i]->info.entry.epoch);
	}
	logs_ahead(logs, count);
}

int followers_on_frame(struct followers *fs, link_id link, uint16_t type,
		       uint32_t sid, uint64_t term_number, struct frame *frame,
		       int64_t now_ms)
{
	struct follower *f = find_sid(fs, sid);

	if (!f || sid != f->sid || link != f->home)
		return 0;
	return follower_on_home_frame(f, type, term_number, frame, now_ms);
}

static struct follower *find_tag(const struct followers *fs, uint64_t tag)
{
	uint64_t number = (tag & (((uint64_t)1 << 56) - 1)) >> TAG_NUMBER;

	list_each (l, &fs->all) {
		struct follower *f = list_entry(l, struct follower, link);

		if (f->number == number)
			return f;
	}
	return NULL;
}

bool followers_on_answer(struct followers *fs, uint64_t tag,
			 const struct answer *a, int64_t now_ms)
{
	struct follower *f;

	(void)now_ms;
	if (tag >> 56 != TAG_FOLLOWERS >> 56)
		return false;
	fs->has_news = true;
	f = find_tag(fs, tag);
	if (f && tag == f->resolve_tag && !a->err)
		follower_hear(f, &a->epoch, &a->term, a->node, a->url);
	return true;
}

void followers_on_entry(struct followers *fs, const struct stream_entry *e,
			int64_t now_ms)
{
	(void)now_ms;
	fs->has_news = true;
	for (struct follower *f = walk_first(fs); f; f = walk_next(fs))
		if (!strcmp(f->info.entry.key.text, e->key.text))
			follower_hear_entry(f, e);
}

static bool must_look(const struct follower *f)
{
	return follower_is_searching(f) || f->is_stopped || !f->home;
}

/* It went to another home, which does not answer. */
static bool is_unserved(struct follower *f, int64_t now_ms)
{
	if (f->info.state != FOLLOWER_LIVE || (f->home && f->is_resumed))
		f->unserved_ms = 0;
	else if (!f->unserved_ms)
		f->unserved_ms = now_ms;
	return f->unserved_ms && now_ms - f->unserved_ms >= UNSERVED_MS;
}

static void do_due(struct follower *f, int64_t now_ms)
{
	if (f->must_tell_via) {
		f->resolve_ms = now_ms + f->fs->world->resolve_retry_ms;
		follower_ask_dispatch(f);
	}
	if (is_unserved(f, now_ms))
		follower_set_state(f, FOLLOWER_LOST, REASON_bus_silent,
				   now_ms + f->fs->world->publish_grace_ms);
	else if (f->info.state == FOLLOWER_LOST && now_ms >= f->info.until_ms)
		follower_set_state(f, FOLLOWER_ENDED, REASON_stream_ended,
				   INT64_MAX);
	else if (must_look(f) && now_ms >= f->look_ms)
		follower_search(f, now_ms);
}

int64_t followers_tick(struct followers *fs, int64_t now_ms)
{
	int64_t due = INT64_MAX;

	if (!fs->has_news && now_ms < fs->due_ms)
		return fs->due_ms; /* only frames came */
	fs->has_news = false;
	for (struct follower *f = walk_first(fs); f; f = walk_next(fs))
		do_due(f, now_ms);
	list_each (l, &fs->all) {
		const struct follower *f = list_entry(l, struct follower, link);

		due = WEIR_MIN(due, f->info.until_ms);
		if (f->unserved_ms)
			due = WEIR_MIN(due, f->unserved_ms + UNSERVED_MS);
		if (must_look(f))
			due = WEIR_MIN(due, f->look_ms);
	}
	fs->due_ms = due;
	return due;
}
