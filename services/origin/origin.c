/* services/origin/origin.c - the process of an origin: wiring. */
#include "services/origin/origin.h"

#include <stdlib.h>

#include "services/origin/internal.h"

/* A stream's counters, while it is here. */
struct shown {
	struct list link;
	struct stream_key key;
	struct stat_series series;
	struct origin_stream_stats stats;
	bool is_here;
};

/* ---- what the cluster says ---- */

static void on_link(void *ctx, const struct node_ref *node, bool is_up,
		    int64_t now_ms)
{
	struct origin *o = ctx;

	homes_on_link(o->homes, node, is_up, now_ms);
}

static int on_record(void *ctx, link_id link, const struct record *r,
		     int64_t now_ms)
{
	struct origin *o = ctx;

	return homes_on_record(o->homes, link, r, now_ms);
}

static void on_ahead(void *ctx, link_id link, const uint32_t *sids,
		     size_t count)
{
	struct origin *o = ctx;

	homes_ahead(o->homes, link, sids, count);
}

static int on_frame(void *ctx, link_id link, uint16_t type, uint32_t sid,
		    uint64_t term_number, struct frame *f, int64_t now_ms)
{
	struct origin *o = ctx;

	o->stats.frames++;
	stat_age_add(&o->stats.age, f->arrival_us,
		     loop_utc_us(svc_loop(o->svc)));
	return homes_on_frame(o->homes, link, type, sid, term_number, f,
			      now_ms);
}

static bool on_answer(void *ctx, uint64_t tag, const struct answer *a,
		      int64_t now_ms)
{
	struct origin *o = ctx;

	return homes_on_answer(o->homes, tag, a, now_ms);
}

static bool on_script(void *ctx, uint64_t tag, const struct script_result *r,
		      int64_t now_ms)
{
	struct origin *o = ctx;

	return homes_on_script(o->homes, tag, r, now_ms);
}

static void on_question(void *ctx, const struct question *q, struct answer *out,
			int64_t now_ms)
{
	struct origin *o = ctx;

	homes_on_question(o->homes, q, out, now_ms);
}

static void on_registry(void *ctx, bool is_up, bool is_other, int64_t now_ms)
{
	struct origin *o = ctx;

	homes_on_registry(o->homes, is_up, is_other, now_ms);
}

static void on_entry(void *ctx, const struct stream_entry *e, int64_t now_ms)
{
	struct origin *o = ctx;

	homes_on_entry(o->homes, e, now_ms);
}

static void on_away(void *ctx, int64_t now_ms)
{
	struct origin *o = ctx;

	homes_on_away(o->homes, now_ms);
}

static int64_t tick(void *ctx, int64_t now_ms)
{
	struct origin *o = ctx;

	return homes_tick(o->homes, now_ms);
}

/* ---- counters ---- */

static void drop_shown(struct origin *o, struct shown *s)
{
	stat_remove(&s->series);
	map_remove(&o->by_key, span_str(s->key.text));
	list_remove(&s->link);
	free(s);
}

static struct shown *find_shown(struct origin *o, const struct stream_key *key)
{
	struct shown *s = map_get(&o->by_key, span_str(key->text));
	const char *label = key->text;

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->key = *key;
	list_init(&s->link);
	if (map_put(&o->by_key, span_str(key->text), s)) {
		free(s);
		return NULL;
	}
	list_append(&o->shown, &s->link);
	if (stat_add(svc_stats(o->svc), &origin_stream_stat, &s->series,
		     &s->stats, &label)) {
		drop_shown(o, s);
		return NULL;
	}
	return s;
}

static void add_stream(void *ctx, const struct home_info *info)
{
	struct origin *o = ctx;
	struct log_stats log;
	struct shown *s;

	if (!info->log)
		return; /* it is elsewhere */
	s = find_shown(o, info->key);
	log_stats(info->log, &log);
	o->stats.streams++;
	o->stats.live += info->has_writer;
	o->stats.wanting += info->wanting;
	o->stats.following += info->following;
	o->stats.log_bytes += log.bytes;
	if (!s)
		return;
	s->is_here = true;
	s->stats = (struct origin_stream_stats){
		.consumers = info->wanting + info->following,
		.log_bytes = log.bytes,
		.skipped = info->skipped,
	};
}

static void refresh(void *ctx)
{
	struct origin *o = ctx;

	o->stats.streams = o->stats.live = o->stats.wanting = 0;
	o->stats.following = o->stats.log_bytes = 0;
	list_each (it, &o->shown)
		list_entry(it, struct shown, link)->is_here = false;
	homes_each(o->homes, add_stream, o);
	pushes_stats(o->pushes, &o->stats.push);
	list_each_safe (it, &o->shown) {
		struct shown *s = list_entry(it, struct shown, link);

		if (!s->is_here)
			drop_shown(o, s);
	}
}

static void on_load(void *ctx, struct node_load *load)
{
	struct origin *o = ctx;
	const struct origin_settings *s = svc_settings(o->svc, &origin_conf);

	refresh(o);
	load->streams = (uint32_t)o->stats.streams;
	load->is_full = load->streams >= (uint64_t)s->streams_max;
	load->out_bps += (o->stats.push.bytes - o->pushed_before) * 8;
	o->pushed_before = o->stats.push.bytes;
}

/* ---- calls of dispatch ---- */

static void consumer_json(void *ctx, const struct node_ref *node,
			  bool is_wanting)
{
	struct json_object *list = ctx;
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "node", json_object_new_string(node->id));
	json_object_object_add(o, "role", json_object_new_string(node->role));
	json_object_object_add(o, "wanting",
			       json_object_new_boolean(is_wanting));
	json_object_array_add(list, o);
}

struct stream_list {
	const struct homes *homes;
	const char *only; /* NULL: all; who takes it is told of one alone */
	struct json_object *list;
};

static void stream_json(void *ctx, const struct home_info *info)
{
	struct stream_list *sl = ctx;
	struct json_object *o, *consumers;
	struct log_stats log;

	if (!info->log || (sl->only && strcmp(info->key->text, sl->only) != 0))
		return;
	o = json_object_new_object();
	log_stats(info->log, &log);
	json_object_object_add(o, "stream",
			       json_object_new_string(info->key->text));
	json_object_object_add(o, "is_home",
			       json_object_new_boolean(info->is_home));
	json_object_object_add(o, "has_writer",
			       json_object_new_boolean(info->has_writer));
	json_object_object_add(o, "wanting",
			       json_object_new_int64(info->wanting));
	json_object_object_add(o, "following",
			       json_object_new_int64(info->following));
	json_object_object_add(o, "log_bytes",
			       json_object_new_uint64(log.bytes));
	json_object_object_add(o, "log_frames",
			       json_object_new_uint64(log.frames));
	json_object_object_add(o, "skipped",
			       json_object_new_uint64(info->skipped));
	if (sl->only) {
		consumers = json_object_new_array();
		homes_each_consumer(sl->homes, info->key, consumer_json,
				    consumers);
		json_object_object_add(o, "consumers", consumers);
	}
	json_object_array_add(sl->list, o);
}

static struct json_object *streams_json(const struct origin *o,
					struct json_object *args)
{
	struct json_object *answer = json_object_new_object();
	struct stream_list sl = {
		.homes = o->homes,
		.only = args ? member_json_text(args, "stream") : NULL,
		.list = json_object_new_array(),
	};

	homes_each(o->homes, stream_json, &sl);
	json_object_object_add(answer, "streams", sl.list);
	return answer;
}

static bool on_call(void *ctx, struct member_call *call, const char *name,
		    struct json_object *args)
{
	struct origin *o = ctx;

	if (!strcmp(name, "streams"))
		member_answer(&call, streams_json(o, args));
	else if (!strcmp(name, "pushes"))
		member_answer(&call, origin_pushes_json(o, args));
	else
		return false;
	return true;
}

static const struct member_events events = {
	.on_link = on_link,
	.on_record = on_record,
	.on_frame = on_frame,
	.on_ahead = on_ahead,
	.on_answer = on_answer,
	.on_script = on_script,
	.on_question = on_question,
	.on_registry = on_registry,
	.on_entry = on_entry,
	.on_away = on_away,
	.tick = tick,
	.on_call = on_call,
	.on_load = on_load,
	.on_rules = origin_on_rules,
};

/* ---- life ---- */

static void on_left(void *ctx)
{
	struct origin *o = ctx;

	svc_drained(o->svc);
}

/* A stream whose publisher is away has nobody who could move it: it stays until
 * the publisher has come back (then it is moved at once) or its grace is over.
 * What consumers are told is on its way before the end. */
static void on_drain_tick(struct origin *o)
{
	if (!homes_is_empty(o->homes) || !bus_is_drained(member_bus(o->member)))
		return;
	timer_stop(o->drain);
	member_leave(o->member, on_left, o);
}

/* Writers are told to go; the end comes when they have. */
static void on_drain(struct origin *o)
{
	svc_ready(o->svc, false, "draining");
	member_set_draining(o->member);
	homes_drain(o->homes, member_now_ms(o->member));
	member_wake(o->member);
	timer_repeat(o->drain, 20);
}

static struct home_limits limits_of(struct svc *svc)
{
	const struct origin_settings *s = svc_settings(svc, &origin_conf);

	return (struct home_limits){
		.log = {.retain_ms = (uint32_t)s->retain_ms,
			.retain_bytes = (uint64_t)s->retain_bytes,
			.gop_max_bytes = (uint64_t)s->gop_max_bytes,
			.join_spacing_ms = 100},
		.max_lag_ms = (uint32_t)s->consumer_max_lag_ms,
		.streams_max = (uint32_t)s->streams_max,
		.consumers_max = (uint32_t)s->consumers_max,
	};
}

int origin_new(struct origin **out, struct svc *svc)
{
	static const struct home_events on_homes = {.on_change =
							    origin_on_home};
	struct home_limits limits = limits_of(svc);
	struct origin *o = calloc(1, sizeof(*o));
	uint64_t seed;
	int err;

	if (!o)
		return WEIR_ENOMEM;
	o->svc = svc;
	list_init(&o->shown);
	list_init(&o->queries);
	io_random(&seed, sizeof(seed));
	map_init(&o->by_key, seed);
	err = timer_new(&o->drain, svc_loop(svc), on_drain_tick, o);
	if (!err)
		err = member_new(&o->member, svc, &events, o);
	if (!err)
		err = homes_new(&o->homes, member_world(o->member), &limits,
				&on_homes, o);
	if (!err)
		err = origin_pushes_open(o);
	if (!err)
		err = stat_add(svc_stats(svc), &origin_stat, &o->series,
			       &o->stats, NULL);
	if (err) {
		origin_free(&o);
		return err;
	}
	stat_refresh_add(svc_stats(svc), &o->refresh, refresh, o);
	svc_on_drain(svc, on_drain, o);
	svc_ready(svc, true, "");
	*out = o;
	return 0;
}

void origin_free(struct origin **po)
{
	struct origin *o = *po;

	if (!o)
		return;
	if (o->refresh.fn)
		stat_refresh_remove(&o->refresh);
	stat_remove(&o->series);
	pushes_free(&o->pushes);
	homes_free(&o->homes);
	member_free(&o->member);
	origin_pushes_fini(o);
	timer_free(&o->drain);
	while (!list_is_empty(&o->shown))
		drop_shown(o, list_entry(o->shown.next, struct shown, link));
	map_fini(&o->by_key);
	free(o);
	*po = NULL;
}
