/* services/origin/push.c - relay push: which streams go where. */
#include "services/origin/push_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/io/clock.h"

const struct log_event push_start = {
	"push.start", LOG_INFO, "stream session rule url peer ms",
	"Another server takes a stream that is pushed to it."};
const struct log_event push_end = {
	"push.end", LOG_INFO,
	"stream session rule url reason detail bytes ms skipped",
	"A stream is pushed to another server no more."};
const struct log_event push_failed = {
	"push.failed", LOG_INFO, "stream rule url reason detail attempts",
	"Another server does not take a stream; said when the reason changes."};

/* ---- streams ---- */

static struct push_stream *find(const struct pushes *p,
				const struct stream_key *key)
{
	return map_get(&p->by_key, span_str(key->text));
}

static bool has_join(const struct log *log)
{
	struct log_join join;

	return !log_newest_join(log, &join);
}

static void on_append(void *ctx, struct log *log, uint64_t ordinal)
{
	struct push_stream *s = ctx;

	(void)ordinal;
	if (!s->has_join && has_join(log)) {
		s->has_join = true;
		pushes_wake(s->pushes);
	}
	list_each (it, &s->targets)
		push_target_pump(list_entry(it, struct push_target, link));
}

static struct push_stream *add_stream(struct pushes *p,
				      const struct stream_key *key)
{
	struct push_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->pushes = p;
	s->key = *key;
	s->watch.on_append = on_append;
	s->watch.ctx = s;
	list_init(&s->watch.link);
	list_init(&s->targets);
	list_init(&s->link);
	if (map_put(&p->by_key, span_str(s->key.text), s)) {
		free(s);
		return NULL;
	}
	list_append(&p->streams, &s->link);
	return s;
}

static void drop_stream(struct push_stream *s)
{
	list_each_safe (it, &s->targets) {
		struct push_target *t =
			list_entry(it, struct push_target, link);

		push_target_free(&t);
	}
	log_watch_remove(&s->watch);
	map_remove(&s->pushes->by_key, span_str(s->key.text));
	list_remove(&s->link);
	free(s->query);
	free(s);
}

/* The home went: nothing of the log is looked at any more. */
static void detach(struct push_stream *s)
{
	list_each (it, &s->targets)
		push_target_stop(list_entry(it, struct push_target, link));
	log_watch_remove(&s->watch);
	s->log = NULL;
	s->has_writer = false;
}

static void attach(struct push_stream *s, const struct home_info *info)
{
	if (s->log != info->log) {
		if (s->log)
			detach(s);
		s->log = info->log;
		log_watch_add(s->log, &s->watch);
		s->has_join = has_join(s->log);
		s->must_plan = true;
	}
	if (!epoch_eq(&s->epoch, &info->entry->epoch)) {
		s->epoch = info->entry->epoch;
		s->has_query = false;
	}
	s->has_writer = info->has_writer;
	s->is_silenced = info->is_silenced;
	snprintf(s->writer_node, sizeof(s->writer_node), "%s",
		 info->entry->writer_node);
}

static bool is_pushed(const struct pushes *p, const struct stream_key *key)
{
	size_t at = 0;

	return ruleset_push(p->world.rules(p->world.ctx), key, &at,
			    io_utc_us() / 1000) != NULL;
}

void pushes_on_change(struct pushes *p, const struct home_info *info)
{
	struct push_stream *s = find(p, info->key);
	bool is_here = info->is_home && info->log;

	if (!s && is_here && is_pushed(p, info->key))
		s = add_stream(p, info->key);
	if (!s)
		return;
	if (is_here)
		attach(s, info);
	else if (s->log)
		detach(s);
	pushes_wake(p);
}

/* ---- the rules ---- */

static struct push_target *find_target(const struct push_stream *s,
				       const char *url)
{
	list_each (it, &s->targets) {
		struct push_target *t =
			list_entry(it, struct push_target, link);

		if (!strcmp(t->url, url))
			return t;
	}
	return NULL;
}

static void follow_want(struct push_stream *s, const struct push_want *w)
{
	struct push_target *t = find_target(s, w->url);

	if (!t && (s->pushes->target_count >= s->pushes->limits.max ||
		   push_target_new(&t, s, w))) {
		s->left_out++;
		return;
	}
	t->is_wanted = true;
	t->is_query_forwarded = w->is_query_forwarded;
	t->keeps_pull = w->keeps_pull;
	snprintf(t->rule, sizeof(t->rule), "%s", w->rule);
}

/* A plan that cannot be made leaves all as it is. */
static void plan(struct push_stream *s)
{
	const struct push_world *w = &s->pushes->world;
	struct push_plan plan = {0};

	if (s->log && push_plan_make(&plan, w->rules(w->ctx), &s->key,
				     io_utc_us() / 1000))
		return;
	s->must_plan = false;
	s->left_out = plan.left_out;
	list_each (it, &s->targets)
		list_entry(it, struct push_target, link)->is_wanted = false;
	for (size_t i = 0; i < plan.count; i++)
		follow_want(s, &plan.want[i]);
	push_plan_fini(&plan);
}

static void ask_query(struct push_stream *s)
{
	const struct push_world *w = &s->pushes->world;

	if (s->has_query || s->asks_query)
		return;
	list_each (it, &s->targets)
		s->asks_query |= list_entry(it, struct push_target, link)
					 ->is_query_forwarded;
	if (s->asks_query && !w->ask_query(w->ctx, &s->key, s->writer_node))
		pushes_on_query(s->pushes, &s->key, NULL);
}

void pushes_on_query(struct pushes *p, const struct stream_key *key,
		     const char *query)
{
	struct push_stream *s = find(p, key);

	if (!s || !s->asks_query)
		return;
	free(s->query);
	s->query = query && *query ? strdup(query) : NULL;
	s->asks_query = false;
	s->has_query = true;
	s->query_failed = !query;
	pushes_wake(p);
}

/* ---- work ---- */

/* Is it pushed to anybody? *wants: to one of those who want it, if nobody else does. */
static bool work_targets(struct push_stream *s, bool *wants)
{
	bool is_pushed = false;

	*wants = false;

	list_each_safe (it, &s->targets) {
		struct push_target *t =
			list_entry(it, struct push_target, link);

		if (push_target_work(t)) {
			push_target_free(&t);
			continue;
		}
		is_pushed |= t->is_wanted;
		*wants |= t->is_wanted && t->keeps_pull;
	}
	return is_pushed;
}

/* true: there is nothing more to do for it, ever. */
static bool work_stream(struct push_stream *s)
{
	const struct push_world *w = &s->pushes->world;
	bool is_pushed, wants;

	if (s->must_plan || !s->log || s->pushes->has_new_rules)
		plan(s);
	if (s->log && s->has_writer)
		ask_query(s);
	is_pushed = work_targets(s, &wants);
	w->want(w->ctx, &s->key, s->log && wants);
	return list_is_empty(&s->targets) && (!s->log || !is_pushed);
}

static void work(struct pushes *p)
{
	list_each_safe (it, &p->streams) {
		struct push_stream *s =
			list_entry(it, struct push_stream, link);

		if (work_stream(s))
			drop_stream(s);
	}
	p->has_new_rules = false;
}

void pushes_wake(struct pushes *p)
{
	loop_at_pass_end(p->world.loop, &p->work, work, p);
}

void pushes_on_rules(struct pushes *p)
{
	p->has_new_rules = true;
	pushes_wake(p);
}

/* ---- life ---- */

int pushes_new(struct pushes **out, const struct push_world *world,
	       const struct push_limits *limits)
{
	struct pushes *p = calloc(1, sizeof(*p));
	uint64_t seed;

	if (!p)
		return WEIR_ENOMEM;
	p->world = *world;
	p->limits = *limits;
	list_init(&p->streams);
	io_random(&seed, sizeof(seed));
	map_init(&p->by_key, seed);
	*out = p;
	return 0;
}

void pushes_free(struct pushes **pp)
{
	struct pushes *p = *pp;

	if (!p)
		return;
	pass_task_cancel(&p->work);
	list_each_safe (it, &p->streams)
		drop_stream(list_entry(it, struct push_stream, link));
	map_fini(&p->by_key);
	buf_fini(&p->scratch);
	free(p);
	*pp = NULL;
}

static void add_stats(const struct push_stream *s, struct push_stats *out)
{
	out->left_out += s->left_out;
	list_each (it, &s->targets) {
		const struct push_target *t =
			list_entry(it, struct push_target, link);

		out->running += t->state == PUSH_RUNS;
		out->bytes += push_target_bytes(t);
		out->frames += t->feed.frames;
		out->skipped += t->feed.skipped;
	}
}

void pushes_stats(const struct pushes *p, struct push_stats *out)
{
	*out = p->stats;
	out->running = out->left_out = 0;
	list_each (it, &p->streams)
		add_stats(list_entry(it, struct push_stream, link), out);
}

static void stream_json(const struct push_stream *s, struct member_page *page)
{
	list_each (it, &s->targets) {
		const struct push_target *t =
			list_entry(it, struct push_target, link);

		if (member_page_takes(page))
			json_object_array_add(page->list, push_target_json(t));
	}
}

void pushes_json(const struct pushes *p, const char *stream,
		 struct member_page *page)
{
	list_each (it, &p->streams) {
		const struct push_stream *s =
			list_entry(it, struct push_stream, link);

		if (!stream || !strcmp(stream, s->key.text))
			stream_json(s, page);
	}
}
