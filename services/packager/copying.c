/* services/packager/copying.c - what is missing here, from siblings. */
#include "services/packager/copying.h"

#include <stdio.h>
#include <stdlib.h>

#define PLAYLIST_MS 1000 /* for one answer */
#define SEGMENT_MS  2000
#define AGAIN_MS    250 /* a sibling may be about to have it */

/* Most segments of one playlist, and behind one, that are looked at. */
#define LOOK_MAX 64

/* A segment that a sibling lists. */
struct offer {
	struct hls_name name;
	uint64_t discontinuity;
	int64_t duration_us, utc_ms;
	bool is_gap, is_marked;
};

struct copying {
	struct loop *loop;
	struct http_client *client;
	struct live *live;
	copying_siblings_fn *siblings;
	void *ctx;
	struct timer *timer; /* the next step */
	struct http_call *call;
	bool is_running;
	uint64_t until_ms;
	struct copying_siblings who;
	size_t at; /* the sibling that is asked */
	struct offer offer[LOOK_MAX];
	size_t offer_count; /* not looked at yet: the last one is next */
	uint32_t target_ms;
	unsigned removed_left; /* that may still be asked for */
};

static void ask_playlist(struct copying *c);
static void ask_segment(struct copying *c);

static void on_timer(struct copying *c)
{
	ask_playlist(c);
}

int copying_new(struct copying **out, struct loop *loop,
		struct http_client *client, struct live *live,
		copying_siblings_fn *siblings, void *ctx)
{
	struct copying *c = calloc(1, sizeof(*c));

	if (!c)
		return WEIR_ENOMEM;
	c->loop = loop;
	c->client = client;
	c->live = live;
	c->siblings = siblings;
	c->ctx = ctx;
	if (timer_new(&c->timer, loop, on_timer, c)) {
		free(c);
		return WEIR_ENOMEM;
	}
	*out = c;
	return 0;
}

void copying_free(struct copying **pc)
{
	struct copying *c = *pc;

	if (!c)
		return;
	http_client_cancel(&c->call);
	timer_free(&c->timer);
	free(c);
	*pc = NULL;
}

void copying_start(struct copying *c)
{
	if (c->is_running)
		return;
	c->is_running = true;
	c->until_ms = loop_now_ms(c->loop) + COPYING_MS;
	c->siblings(c->ctx, &c->who);
	c->at = 0;
	c->removed_left = LOOK_MAX;
	timer_start(c->timer, 0);
}

static void finish(struct copying *c)
{
	c->is_running = false;
	timer_stop(c->timer);
	live_copied(c->live);
}

/* The next sibling; after the last one the first again, as long as it is about
 * a gap and there is time. */
static void next_sibling(struct copying *c)
{
	bool is_round = ++c->at >= c->who.count;

	if (is_round && !live_is_asking(c->live)) {
		finish(c);
		return;
	}
	if (is_round)
		c->at = 0;
	timer_start(c->timer, is_round ? AGAIN_MS : 0);
}

static int ask(struct copying *c, const char *path, unsigned timeout_ms,
	       http_done_fn *done)
{
	struct buf url = {0};
	int err;

	buf_printf(&url, "http://%s%s", c->who.addr[c->at], path);
	(void)buf_text(&url);
	err = buf_error(&url);
	if (!err) {
		const struct http_question q = {
			.url = buf_text(&url),
			.timeout_ms = timeout_ms,
			.field_name = COPYING_HEADER,
			.field_value = "1",
		};

		err = http_client_ask(c->client, &c->call, &q, done, (void *)c);
	}
	buf_fini(&url);
	return err;
}

/* ---- the playlist ---- */

static void take_offer(struct copying *c, const struct hls_segment *s,
		       uint64_t discontinuity)
{
	struct hls_path path;
	struct offer *o = &c->offer[c->offer_count];

	hls_path_read(&path, s->uri, IDENTITY_PATH);
	if (!path.has_name || !live_lacks(c->live, &path.name))
		return;
	*o = (struct offer){
		.name = path.name,
		.discontinuity = discontinuity,
		.duration_us = s->duration_us,
		.utc_ms = s->utc_ms,
		.is_gap = s->is_gap,
		.is_marked = s->is_discontinuity,
	};
	c->offer_count++;
}

static void take_playlist(struct copying *c, const struct hls_playlist *pl)
{
	uint64_t discontinuity = pl->discontinuity_sequence;

	c->offer_count = 0;
	c->target_ms = pl->target_duration_s * 1000;
	for (size_t i = 0; i < pl->segment_count; i++) {
		discontinuity += pl->segment[i].is_discontinuity;
		if (c->offer_count < LOOK_MAX)
			take_offer(c, &pl->segment[i], discontinuity);
	}
}

static void on_playlist(void *ctx, int err, unsigned status, struct span body)
{
	struct copying *c = ctx;
	struct hls_playlist pl;

	c->call = NULL;
	if (err || status != 200 || hls_playlist_read(&pl, body, NULL, NULL)) {
		next_sibling(c);
		return;
	}
	take_playlist(c, &pl);
	hls_playlist_fini(&pl);
	ask_segment(c);
}

static void ask_playlist(struct copying *c)
{
	struct buf path = {0};
	int err;

	if (!c->who.count || loop_now_ms(c->loop) >= c->until_ms) {
		finish(c);
		return;
	}
	hls_put_playlist(&path, live_key(c->live));
	buf_put(&path, SPAN_LIT("?wait=0"));
	err = ask(c, buf_text(&path), PLAYLIST_MS, on_playlist);
	buf_fini(&path);
	if (err)
		next_sibling(c);
}

/* ---- segments ---- */

static bool is_ts(struct span body)
{
	return body.len && body.len % 188 == 0 && body.data[0] == 0x47;
}

static struct segment *segment_of(const struct copying *c,
				  const struct offer *o, struct span body)
{
	struct segment *s = segment_new();

	if (!s)
		return NULL;
	s->incarnation = o->name.incarnation;
	s->number = o->name.number;
	s->discontinuity = o->discontinuity;
	s->is_marked = o->is_marked;
	s->duration_us = o->duration_us;
	s->utc_ms = o->utc_ms;
	s->target_ms = c->target_ms;
	if (!o->is_gap && blob_new(&s->body, body))
		segment_free(&s);
	return s;
}

static void take_segment(struct copying *c, const struct offer *o,
			 struct span body)
{
	struct segment *s = segment_of(c, o, body);

	if (s)
		live_fill(c->live, s);
}

static void on_got(void *ctx, int err, unsigned status, struct span body)
{
	struct copying *c = ctx;

	c->call = NULL;
	if (err || status != 200 || !is_ts(body)) {
		next_sibling(c);
		return;
	}
	take_segment(c, &c->offer[--c->offer_count], body);
	ask_segment(c);
}

static int ask_offer(struct copying *c, const struct offer *o,
		     http_done_fn *done)
{
	struct buf path = {0};
	char name[HLS_NAME_SIZE];
	int err;

	hls_name_write(name, &o->name);
	hls_put_folder(&path, live_key(c->live));
	buf_put(&path, span_str(name));
	err = ask(c, buf_text(&path), SEGMENT_MS, done);
	buf_fini(&path);
	return err;
}

static void ask_removed(struct copying *c);

/* What left the list has no lines any more: it is as long as it may be. */
static void on_removed(void *ctx, int err, unsigned status, struct span body)
{
	struct copying *c = ctx;
	struct offer o = {.duration_us = (int64_t)c->target_ms * 1000};
	struct segment *s;

	c->call = NULL;
	if (err || status != 200 || !is_ts(body) ||
	    !live_before_all(c->live, &o.name)) {
		finish(c);
		return;
	}
	s = segment_of(c, &o, body);
	if (!s) {
		finish(c);
		return;
	}
	live_keep(c->live, s);
	ask_removed(c);
}

static void ask_removed(struct copying *c)
{
	struct offer o = {0};

	if (!c->removed_left-- || loop_now_ms(c->loop) >= c->until_ms ||
	    !live_before_all(c->live, &o.name) || ask_offer(c, &o, on_removed))
		finish(c);
}

/* Is all here that was asked for? What the sibling does not list may come. */
static void end_of_offers(struct copying *c)
{
	if (live_is_asking(c->live))
		next_sibling(c);
	else
		ask_removed(c);
}

static void ask_segment(struct copying *c)
{
	while (c->offer_count) {
		struct offer *o = &c->offer[c->offer_count - 1];

		bool is_lacking = live_lacks(c->live, &o->name);

		if (is_lacking && !o->is_gap)
			break;
		if (is_lacking)
			take_segment(c, o, (struct span){0});
		c->offer_count--;
	}
	if (!c->offer_count)
		end_of_offers(c);
	else if (ask_offer(c, &c->offer[c->offer_count - 1], on_got))
		next_sibling(c);
}
