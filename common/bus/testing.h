/* common/bus/testing.h - a stream by hand, and a world that keeps what it was
 * asked, for the tests of this room and of registry/claim.h. */
#ifndef WEIR_BUS_TESTING_H
#define WEIR_BUS_TESTING_H

#include <stdio.h>

#include "common/bus/feed.h"
#include "common/bus/world.h"
#include "common/test/check.h"

static const struct log_limits test_limits = {
	.retain_ms = 60000,
	.retain_bytes = 1 << 20,
	.gop_max_bytes = 1 << 20,
	.join_spacing_ms = 500,
};

/* The writer's uuid is the counter in every byte. */
static inline struct epoch test_epoch(uint64_t counter)
{
	struct epoch e = {.counter = counter};

	memset(e.writer.byte, (int)counter, sizeof(e.writer.byte));
	return e;
}

static inline struct position test_position(uint64_t counter, uint64_t sequence)
{
	return (struct position){test_epoch(counter), sequence};
}

static inline struct frame *test_frame(uint8_t kind, uint8_t flags,
				       uint64_t counter, uint64_t sequence,
				       int64_t dts_ms, struct span payload)
{
	struct frame head = {
		.kind = kind,
		.flags = flags,
		.track = 1,
		.position = test_position(counter, sequence),
		.dts_ns = dts_ms * NS_PER_MS,
		.pts_ns = dts_ms * NS_PER_MS,
	};
	struct frame *f = NULL;

	CHECK_EQ(frame_new(&f, &head, payload), 0);
	return f;
}

/* Append; returns what log_append says. */
static inline int test_append(struct log *log, struct frame *f, bool is_gap)
{
	int err = is_gap ? log_append_gap(log, f) : log_append(log, f);

	frame_unref(&f);
	return err;
}

/* EPOCH (sequence 0) that says that it follows on (`previous`, `last`). */
static inline struct frame *test_epoch_frame(uint64_t counter, int64_t dts_ms,
					     uint64_t previous, uint64_t last)
{
	struct epoch_state says = {
		.incarnation = 1,
		.last_sequence = last,
		.dts_base_ns = dts_ms * NS_PER_MS,
	};
	struct buf b = {0};
	struct frame *f;

	if (previous)
		says.previous = test_epoch(previous);
	epoch_state_write(&b, &says);
	CHECK_EQ(buf_error(&b), 0);
	f = test_frame(FRAME_EPOCH, 0, counter, 0, dts_ms, buf_span(&b));
	buf_fini(&b);
	return f;
}

/* Video frames [from, to): 40 ms each, a JOIN at every `gop`th sequence. */
static inline void test_video(struct log *log, uint64_t counter, uint64_t from,
			      uint64_t to, uint64_t gop)
{
	for (uint64_t s = from; s < to; s++) {
		uint8_t flags = s % gop == 1 ? FRAME_JOIN : 0;
		int err = test_append(
			log,
			test_frame(FRAME_VIDEO, flags, counter, s,
				   (int64_t)(counter * 100000 + s * 40),
				   span_of(&s, sizeof(s))),
			false);

		CHECK_EQ(err, 0);
	}
}

/* A log with EPOCH and video up to sequence `last`. */
static inline struct log *test_log(uint64_t counter, uint64_t last,
				   uint64_t gop)
{
	struct log *log = NULL;

	CHECK_EQ(log_new(&log, &test_limits), 0);
	CHECK_EQ(
		test_append(log,
			    test_epoch_frame(counter,
					     (int64_t)(counter * 100000), 0, 0),
			    false),
		0);
	test_video(log, counter, 1, last + 1, gop);
	return log;
}

/* ---- a world by hand ---- */

#define TEST_KEPT_MAX 48
#define TEST_UTC_US   INT64_C(1767323045678000)

struct test_sent {
	link_id link;
	struct record record;
};

struct test_asked {
	link_id link; /* 0: dispatch */
	uint64_t tag;
	struct question question;
};

struct test_script {
	uint64_t tag;
	struct script_call call;
};

struct test_fed {
	link_id link;
	struct feed *feed;
};

/* Keeps what it is asked until a test takes it; it never answers by itself. */
struct test_world {
	struct world world;
	struct node_ref node[8]; /* link 0: known, but down */
	size_t node_count;
	struct stream_entry copy; /* what `known` says */
	bool has_copy;
	struct test_sent sent[TEST_KEPT_MAX];
	struct test_asked asked[TEST_KEPT_MAX];
	struct test_script script[TEST_KEPT_MAX];
	struct test_fed fed[TEST_KEPT_MAX];
	size_t sent_count, asked_count, script_count, fed_count;
	char event[96]; /* the last: "home.open: origin-1" */
};

static inline int64_t test_utc_us(void *ctx)
{
	(void)ctx;
	return TEST_UTC_US;
}

static inline struct node_ref *test_find(struct test_world *w, const char *id)
{
	for (size_t i = 0; i < w->node_count; i++)
		if (!strcmp(w->node[i].id, id))
			return &w->node[i];
	return NULL;
}

static inline bool test_send(void *ctx, link_id link, const struct record *r)
{
	struct test_world *w = ctx;

	CHECK(w->sent_count < TEST_KEPT_MAX);
	w->sent[w->sent_count++] = (struct test_sent){link, *r};
	return true;
}

static inline void test_feed_start(void *ctx, link_id link, struct feed *feed)
{
	struct test_world *w = ctx;

	CHECK(w->fed_count < TEST_KEPT_MAX);
	w->fed[w->fed_count++] = (struct test_fed){link, feed};
}

static inline void test_feed_stop(void *ctx, link_id link, struct feed *feed)
{
	struct test_world *w = ctx;

	for (size_t i = 0; i < w->fed_count; i++)
		if (w->fed[i].link == link && w->fed[i].feed == feed)
			w->fed[i--] = w->fed[--w->fed_count];
}

static inline void test_feed_kick(void *ctx, struct feed *feed)
{
	(void)ctx, (void)feed;
}

static inline void test_ask(void *ctx, link_id link, uint64_t tag,
			    const struct question *q, uint32_t deadline_ms)
{
	struct test_world *w = ctx;

	CHECK(w->asked_count < TEST_KEPT_MAX);
	CHECK(deadline_ms > 0);
	w->asked[w->asked_count++] = (struct test_asked){link, tag, *q};
}

static inline void test_ask_dispatch(void *ctx, uint64_t tag,
				     const struct question *q,
				     uint32_t deadline_ms)
{
	test_ask(ctx, 0, tag, q, deadline_ms);
}

static inline void test_run_script(void *ctx, uint64_t tag,
				   const struct script_call *c)
{
	struct test_world *w = ctx;

	CHECK(w->script_count < TEST_KEPT_MAX);
	w->script[w->script_count++] = (struct test_script){tag, *c};
}

static inline size_t test_origins(void *ctx, struct node_ref *out, size_t max)
{
	const struct test_world *w = ctx;
	size_t count = 0;

	for (size_t i = 0; i < w->node_count && count < max; i++)
		if (w->node[i].link && !strcmp(w->node[i].role, "origin"))
			out[count++] = w->node[i];
	return count;
}

static inline link_id test_link_to(void *ctx, const char *id)
{
	const struct node_ref *node = test_find(ctx, id);

	return node ? node->link : 0;
}

static inline const struct stream_entry *test_known(void *ctx,
						    const struct stream_key *k)
{
	const struct test_world *w = ctx;

	return w->has_copy && !strcmp(w->copy.key.text, k->text) ? &w->copy
								 : NULL;
}

static inline void test_event(void *ctx, const struct stream_key *key,
			      const char *what, int reason, const char *detail)
{
	struct test_world *w = ctx;

	(void)key, (void)reason;
	snprintf(w->event, sizeof(w->event), "%s: %s", what, detail);
}

/* This process is `self`; nobody else is there yet. */
static inline void test_world_init(struct test_world *w, const char *self)
{
	memset(w, 0, sizeof(*w));
	w->world = (struct world){
		.ctx = w,
		.publish_stall_ms = 12000,
		.peer_dead_ms = 2000,
		.publish_grace_ms = 10000,
		.place_ms = 500,
		.registry_ms = 500,
		.resume_window_ms = 5000,
		.loop_away_ms = 1000,
		.resolve_retry_ms = 1000,
		.utc_us = test_utc_us,
		.send = test_send,
		.feed_start = test_feed_start,
		.feed_stop = test_feed_stop,
		.feed_kick = test_feed_kick,
		.ask = test_ask,
		.ask_dispatch = test_ask_dispatch,
		.script = test_run_script,
		.origins = test_origins,
		.link_to = test_link_to,
		.known = test_known,
		.event = test_event,
	};
	snprintf(w->world.self.id, sizeof(w->world.self.id), "%s", self);
	memset(w->world.self.instance.byte, 0xee, 16);
}

/* A node of which the link (0: not yet) is up: "origin-1" is an origin. */
static inline struct node_ref *test_node(struct test_world *w, const char *id,
					 link_id link)
{
	struct node_ref *n = &w->node[w->node_count++];

	snprintf(n->id, sizeof(n->id), "%s", id);
	snprintf(n->role, sizeof(n->role), "%.*s", (int)strcspn(id, "-"), id);
	snprintf(n->url, sizeof(n->url), "tcp://%s", id);
	memset(n->instance.byte, (int)w->node_count, 16);
	n->link = link;
	return n;
}

static inline struct stream_key test_key(const char *text)
{
	struct stream_key key = {{0}};

	snprintf(key.text, sizeof(key.text), "%s", text);
	return key;
}

/* How many records of that type wait to be taken on that link? */
static inline size_t test_count(const struct test_world *w, link_id link,
				uint16_t type)
{
	size_t count = 0;

	for (size_t i = 0; i < w->sent_count; i++)
		count += w->sent[i].link == link &&
			 w->sent[i].record.type == type;
	return count;
}

/* The first record of that type on that link, which must be there. */
static inline struct record test_take(struct test_world *w, link_id link,
				      uint16_t type)
{
	struct record r;
	size_t i = 0;

	while (i < w->sent_count &&
	       (w->sent[i].link != link || w->sent[i].record.type != type))
		i++;
	CHECK(i < w->sent_count);
	r = w->sent[i].record;
	w->sent_count--;
	memmove(&w->sent[i], &w->sent[i + 1],
		(w->sent_count - i) * sizeof(w->sent[0]));
	return r;
}

static inline size_t test_count_asked(const struct test_world *w, link_id link,
				      uint8_t kind)
{
	size_t count = 0;

	for (size_t i = 0; i < w->asked_count; i++)
		count += w->asked[i].link == link &&
			 w->asked[i].question.kind == kind;
	return count;
}

static inline struct test_asked test_take_asked(struct test_world *w,
						link_id link, uint8_t kind)
{
	struct test_asked asked;
	size_t i = 0;

	while (i < w->asked_count &&
	       (w->asked[i].link != link || w->asked[i].question.kind != kind))
		i++;
	CHECK(i < w->asked_count);
	asked = w->asked[i];
	w->asked_count--;
	memmove(&w->asked[i], &w->asked[i + 1],
		(w->asked_count - i) * sizeof(w->asked[0]));
	return asked;
}

static inline struct test_script test_take_script(struct test_world *w,
						  uint8_t kind)
{
	struct test_script script;
	size_t i = 0;

	while (i < w->script_count && w->script[i].call.kind != kind)
		i++;
	CHECK(i < w->script_count);
	script = w->script[i];
	w->script_count--;
	memmove(&w->script[i], &w->script[i + 1],
		(w->script_count - i) * sizeof(w->script[0]));
	return script;
}

/* The feed that was started last on that link, which must be there. */
static inline struct feed *test_fed(const struct test_world *w, link_id link)
{
	struct feed *feed = NULL;

	for (size_t i = 0; i < w->fed_count; i++)
		if (w->fed[i].link == link)
			feed = w->fed[i].feed;
	CHECK(feed != NULL);
	return feed;
}

static inline size_t test_count_fed(const struct test_world *w, link_id link)
{
	size_t count = 0;

	for (size_t i = 0; i < w->fed_count; i++)
		count += w->fed[i].link == link;
	return count;
}

/* The link is gone, and with it what was fed to it; tell the machine next. */
static inline struct node_ref test_link_lost(struct test_world *w,
					     const char *id)
{
	struct node_ref *node = test_find(w, id);
	struct node_ref was;

	CHECK(node != NULL);
	was = *node;
	node->link = 0;
	for (size_t i = 0; i < w->fed_count; i++)
		if (w->fed[i].link == was.link)
			w->fed[i--] = w->fed[--w->fed_count];
	return was;
}

#endif
