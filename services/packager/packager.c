/* services/packager/packager.c - which streams a packager follows. */
#include "services/packager/packager.h"

#include <stdlib.h>

#include "common/base/map.h"
#include "common/registry/rank.h"
#include "services/packager/hls.h"
#include "services/packager/stat.h"

/* A stream that this packager follows. */
struct packed {
	struct list link;
	struct packager *packager;
	struct stream_key key;
	struct follower *follower;
	struct hls_stream *hls;
	struct log_watch watch;
	bool is_wanted;   /* it is still ours: see choose */
	bool is_over;     /* ended */
	int64_t leave_ms; /* served until then; 0: it is ours */
};

struct packager {
	struct svc *svc;
	struct member *member;
	struct followers *followers;
	const struct packager_settings *settings;
	struct list streams;
	struct map by_key;
	struct timer *choosing;
	struct hls *hls;
	struct packager_stats stats;
	struct packager_series series;
	struct stat_refresh refresh;
};

/* ---- one stream ---- */

static void on_append(void *ctx, struct log *log, uint64_t ordinal)
{
	struct packed *s = ctx;

	(void)log;
	(void)ordinal;
	s->packager->stats.frames++;
	if (follower_has_caught_up(s->follower))
		live_set_current(hls_stream_live(s->hls));
}

static void watch(struct packed *s)
{
	struct log *log = follower_log(s->follower);

	log_watch_remove(&s->watch);
	live_set_log(hls_stream_live(s->hls), log);
	log_watch_add(log, &s->watch); /* behind it: it has read the frame */
}

/* The grace may be over here only: we lost sight of it. */
static bool is_live_elsewhere(const struct packed *s)
{
	const struct stream_entry *e = copy_stream(
		store_copy(member_store(s->packager->member)), &s->key);

	return e && e->is_live;
}

static void on_state(void *ctx, struct follower *f,
		     const struct follower_info *info)
{
	struct packed *s = ctx;

	(void)f;
	s->is_over = info->state == FOLLOWER_ENDED;
	if (!s->is_over)
		return;
	live_end(hls_stream_live(s->hls), !is_live_elsewhere(s));
	watch(s); /* the next life has a log of its own */
}

static void on_gap(void *ctx, struct follower *f, uint64_t frames,
		   enum reason why)
{
	struct packed *s = ctx;

	(void)f;
	s->packager->stats.missing_frames += frames;
	live_gap(hls_stream_live(s->hls));
	member_event(s->packager->member, &s->key, "gap", (int)why,
		     "frames are missing in the segments");
}

static const struct follower_events follower_events = {
	.on_state = on_state,
	.on_gap = on_gap,
};

static void packed_free(struct packed *s)
{
	map_remove(&s->packager->by_key, span_str(s->key.text));
	list_remove(&s->link);
	log_watch_remove(&s->watch);
	hls_stream_free(&s->hls);
	follower_free(&s->follower);
	free(s);
}

static void follow(struct packager *p, const struct stream_key *key)
{
	struct packed *s = calloc(1, sizeof(*s));

	if (!s)
		return; /* chosen again in a second */
	s->packager = p;
	s->key = *key;
	s->is_wanted = true;
	list_init(&s->link);
	list_init(&s->watch.link);
	s->watch.on_append = on_append;
	s->watch.ctx = s;
	if (map_put(&p->by_key, span_str(key->text), s)) {
		free(s);
		return;
	}
	list_append(&p->streams, &s->link);
	if (hls_stream_new(&s->hls, p->hls, key) ||
	    follower_new(&s->follower, p->followers, key, FOLLOW_EXACT,
			 &follower_events, s, member_now_ms(p->member))) {
		packed_free(s);
		return;
	}
	watch(s);
}

/* ---- which streams ---- */

static bool is_ours(struct packager *p, const struct stream_key *key)
{
	return rank_before(store_copy(member_store(p->member)), "packager", key,
			   svc_node_id(p->svc)) < (size_t)p->settings->replicas;
}

static void consider(void *ctx, const struct stream_entry *e)
{
	struct packager *p = ctx;
	struct packed *s = map_get(&p->by_key, span_str(e->key.text));

	if (e->is_ended || !is_ours(p, &e->key))
		return;
	if (s)
		s->is_wanted = !s->is_over || e->is_live;
	else if (e->is_live &&
		 p->by_key.count < (size_t)p->settings->streams_max)
		follow(p, &e->key);
}

/* What is ours no more, or over, is served as long as a player may come back
 * for what was listed. */
static void settle(struct packed *s)
{
	struct live *live = hls_stream_live(s->hls);
	int64_t now_ms = member_now_ms(s->packager->member);

	follower_set_wanting(s->follower, live_is_wanted(live));
	if (s->is_wanted)
		s->leave_ms = 0;
	else if (!s->leave_ms)
		s->leave_ms = now_ms + live_linger_ms(live);
	else if (now_ms >= s->leave_ms)
		packed_free(s);
}

/* Once a second, and when an entry or a packager changed. */
static void choose(struct packager *p)
{
	list_each (it, &p->streams)
		list_entry(it, struct packed, link)->is_wanted = false;
	copy_each_stream(store_copy(member_store(p->member)), consider, p);
	list_each_safe (it, &p->streams)
		settle(list_entry(it, struct packed, link));
	member_wake(p->member);
}

/* ---- what the cluster says ---- */

static void on_link(void *ctx, const struct node_ref *node, bool is_up,
		    int64_t now_ms)
{
	struct packager *p = ctx;

	if (!strcmp(node->role, "origin"))
		followers_on_link(p->followers, node, is_up, now_ms);
}

static int on_record(void *ctx, link_id link, const struct record *r,
		     int64_t now_ms)
{
	struct packager *p = ctx;

	return followers_on_record(p->followers, link, r, now_ms);
}

static void on_ahead(void *ctx, link_id link, const uint32_t *sids,
		     size_t count)
{
	struct packager *p = ctx;

	(void)link;
	followers_ahead(p->followers, sids, count);
}

static int on_frame(void *ctx, link_id link, uint16_t type, uint32_t sid,
		    uint64_t term_number, struct frame *f, int64_t now_ms)
{
	struct packager *p = ctx;

	return followers_on_frame(p->followers, link, type, sid, term_number, f,
				  now_ms);
}

static bool on_answer(void *ctx, uint64_t tag, const struct answer *a,
		      int64_t now_ms)
{
	struct packager *p = ctx;

	return followers_on_answer(p->followers, tag, a, now_ms);
}

static void on_entry(void *ctx, const struct stream_entry *e, int64_t now_ms)
{
	struct packager *p = ctx;

	followers_on_entry(p->followers, e, now_ms);
	/* Not from inside the copy's callback: it must not change then. */
	timer_start(p->choosing, 1);
}

static void on_registry(void *ctx, bool is_up, bool is_other, int64_t now_ms)
{
	struct packager *p = ctx;

	(void)is_other;
	(void)now_ms;
	if (is_up)
		hls_advertise(p->hls);
}

static int64_t tick(void *ctx, int64_t now_ms)
{
	struct packager *p = ctx;

	return followers_tick(p->followers, now_ms);
}

static void on_load(void *ctx, struct node_load *load)
{
	struct packager *p = ctx;

	load->streams = (uint32_t)p->by_key.count;
	timer_start(p->choosing, 1);
}

static const struct member_events events = {
	.on_link = on_link,
	.on_record = on_record,
	.on_frame = on_frame,
	.on_ahead = on_ahead,
	.on_answer = on_answer,
	.on_entry = on_entry,
	.on_registry = on_registry,
	.tick = tick,
	.on_load = on_load,
};

/* ---- life ---- */

static void refresh(void *ctx)
{
	struct packager *p = ctx;

	(void)hls_live_stats(p->hls); /* its gauges */
	p->stats.streams = p->by_key.count;
	p->stats.log_bytes = 0;
	list_each (it, &p->streams) {
		struct log_stats s;

		log_stats(
			follower_log(
				list_entry(it, struct packed, link)->follower),
			&s);
		p->stats.log_bytes += s.bytes;
	}
}

static void on_left(void *ctx)
{
	struct packager *p = ctx;

	svc_drained(p->svc);
}

static void on_drain(struct packager *p)
{
	svc_ready(p->svc, false, "draining");
	member_set_draining(p->member);
	member_leave(p->member, on_left, p);
}

static int start(struct packager *p)
{
	const struct log_limits limits = {
		.retain_ms = (uint32_t)p->settings->retain_ms,
		.retain_bytes = (uint64_t)p->settings->retain_bytes,
		.gop_max_bytes = (uint64_t)p->settings->gop_max_bytes,
		.join_spacing_ms = 100,
	};
	int err = timer_new(&p->choosing, svc_loop(p->svc), choose, p);

	if (!err)
		err = member_new(&p->member, p->svc, &events, p);
	if (!err)
		err = followers_new(&p->followers, member_world(p->member),
				    &limits);
	if (!err)
		err = hls_new(&p->hls, p->svc, p->member, p->settings);
	if (!err)
		err = packager_stat_add(svc_stats(p->svc), &p->series,
					&p->stats, hls_get_stats(p->hls),
					hls_live_stats(p->hls));
	return err;
}

int packager_new(struct packager **out, struct svc *svc)
{
	struct packager *p = calloc(1, sizeof(*p));
	uint64_t seed;
	int err;

	if (!p)
		return WEIR_ENOMEM;
	p->svc = svc;
	p->settings = svc_settings(svc, &packager_conf);
	list_init(&p->streams);
	io_random(&seed, sizeof(seed));
	map_init(&p->by_key, seed);
	err = start(p);
	if (err) {
		packager_free(&p);
		return err;
	}
	stat_refresh_add(svc_stats(svc), &p->refresh, refresh, p);
	svc_on_drain(svc, on_drain, p);
	svc_ready(svc, true, "");
	*out = p;
	return 0;
}

void packager_free(struct packager **pp)
{
	struct packager *p = *pp;

	if (!p)
		return;
	if (p->refresh.fn)
		stat_refresh_remove(&p->refresh);
	packager_stat_remove(&p->series);
	list_each_safe (it, &p->streams)
		packed_free(list_entry(it, struct packed, link));
	hls_free(&p->hls);
	followers_free(&p->followers);
	timer_free(&p->choosing);
	member_free(&p->member);
	map_fini(&p->by_key);
	free(p);
	*pp = NULL;
}
