/* common/bus/writer_scene_test.h - a writer, two origins and what they say, for
 * the tests of writers.
 */
#ifndef WEIR_BUS_WRITER_SCENE_TEST_H
#define WEIR_BUS_WRITER_SCENE_TEST_H

#include "common/bus/testing.h"
#include "common/bus/writer.h"

#define HOME  1u /* link of origin-1 */
#define OTHER 2u /* link of origin-2 */
#define BEGIN 1000
#define USER  "ada"

struct scene {
	struct test_world w;
	struct writers *writers;
	struct writer *writer;
	struct log *log;
	struct writer_start start;
	unsigned grants, ends, terms;
	enum reason why;
	bool is_wanted;
	uint32_t sid;     /* of the last PUB */
	struct term term; /* as well */
};

static inline void on_granted(void *ctx, struct writer *w,
			      const struct writer_start *start)
{
	struct scene *s = ctx;

	CHECK(w == s->writer);
	s->grants++;
	s->start = *start;
}

static inline void on_end(void *ctx, struct writer *w, enum reason why,
			  const char *detail)
{
	struct scene *s = ctx;

	CHECK(w == s->writer && detail != NULL);
	s->ends++;
	s->why = why;
}

static inline void on_term(void *ctx, struct writer *w)
{
	struct scene *s = ctx;

	CHECK(w == s->writer);
	s->terms++;
}

static inline void on_wanted(void *ctx, struct writer *w, bool is_wanted)
{
	struct scene *s = ctx;

	CHECK(w == s->writer);
	s->is_wanted = is_wanted;
}

static inline void scene_init(struct scene *s)
{
	static const struct writer_events events = {
		.on_granted = on_granted,
		.on_end = on_end,
		.on_wanted = on_wanted,
		.on_term = on_term,
	};
	struct writer_request request = {
		.key = test_key("live/cam"),
		.session = test_epoch(6).writer,
		.kind = "publish",
		.credential = USER,
		.start_us = TEST_UTC_US,
	};

	memset(s, 0, sizeof(*s));
	test_world_init(&s->w, "ingest-1");
	test_node(&s->w, "origin-1", HOME);
	CHECK_EQ(log_new(&s->log, &test_limits), 0);
	request.log = s->log;
	CHECK_EQ(writers_new(&s->writers, &s->w.world), 0);
	CHECK_EQ(
		writer_new(&s->writer, s->writers, &request, &events, s, BEGIN),
		0);
	writers_tick(s->writers, BEGIN);
}

static inline void finish(struct scene *s)
{
	writer_free(&s->writer);
	CHECK_EQ(s->w.fed_count, 0); /* nothing is fed from what is gone */
	writers_free(&s->writers);
	log_free(&s->log);
}

static inline void answer(struct scene *s, link_id link, uint8_t kind,
			  const struct answer *a, int64_t now_ms)
{
	struct test_asked q = test_take_asked(&s->w, link, kind);

	CHECK(writers_on_answer(s->writers, q.tag, a, now_ms));
}

/* The script says `err` and, what it was told, or what stands. */
static inline void script_says(struct scene *s, uint8_t kind, int err,
			       const struct stream_entry *stands,
			       int64_t now_ms)
{
	struct test_script call = test_take_script(&s->w, kind);
	struct script_result r = {.err = err, .entry = call.call.entry};

	if (stands)
		r.entry = *stands;
	CHECK(writers_on_script(s->writers, call.tag, &r, now_ms));
}

/* The registry grants epoch 6, term 10, at origin-1. */
static inline void claim(struct scene *s)
{
	struct answer placed = {.node = "origin-1"};
	struct stream_entry e;

	scene_init(s);
	answer(s, HOME, QUESTION_VALIDATE, &(struct answer){0}, BEGIN);
	answer(s, 0, QUESTION_PLACE, &placed, BEGIN);
	CHECK_EQ(s->w.script_count, 1);
	e = s->w.script[0].call.entry;
	e.epoch.counter = 6;
	e.term.number = 10;
	e.birth_ms = TEST_UTC_US / 1000;
	script_says(s, SCRIPT_CLAIM, 0, &e, BEGIN);
	writers_tick(s->writers, BEGIN);
}

static inline struct record take_pub(struct scene *s, link_id link)
{
	struct record r = test_take(&s->w, link, RECORD_PUB);

	CHECK_EQ(r.position.epoch.counter, 6);
	CHECK_STR(r.key.text, "live/cam");
	s->sid = r.sid;
	s->term = r.term;
	return r;
}

/* Where there is another origin; its home has been told. */
static inline void claim_beside(struct scene *s, unsigned replicas)
{
	claim(s);
	writers_set_replicas(s->writers, replicas);
	test_node(&s->w, "origin-2", OTHER);
	take_pub(s, HOME);
}

static inline void resume(struct scene *s, link_id link, uint16_t flags,
			  struct position at, int64_t now_ms)
{
	struct record r = {
		.type = RECORD_RESUME,
		.flags = flags,
		.sid = s->sid,
		.term = s->term,
		.position = at,
		.incarnation = 4,
		.segment = 30,
		.discontinuity = 2,
		.end_dts_ns = 9000 * NS_PER_MS,
	};

	writers_on_record(s->writers, link, &r, now_ms);
}

/* Granted, and frames up to `last` are in the log. */
static inline void publish(struct scene *s, uint64_t last)
{
	claim(s);
	take_pub(s, HOME);
	resume(s, HOME, 0, (struct position){0}, BEGIN);
	CHECK_EQ(s->grants, 1);
	CHECK_EQ(test_append(s->log, test_epoch_frame(6, 0, 0, 0), false), 0);
	test_video(s->log, 6, 1, last + 1, 10);
	writer_appended(s->writer, BEGIN + 10);
}

static inline void check_next(struct scene *s, link_id link, uint64_t sequence)
{
	struct feed_item item;

	do
		feed_next(test_fed(&s->w, link), &item);
	while (item.kind == FEED_STATE);
	CHECK_EQ(item.kind, FEED_FRAME);
	CHECK_EQ(item.frame->position.sequence, sequence);
}

static inline struct record fenced(const struct scene *s, enum reason why,
				   uint64_t counter, uint64_t term)
{
	return (struct record){
		.type = RECORD_FENCED,
		.sid = s->sid,
		.reason = (uint16_t)why,
		.term = {.number = term},
		.position.epoch = test_epoch(counter),
	};
}

static inline void check_ended(struct scene *s, enum reason why)
{
	CHECK_EQ(s->ends, 1);
	CHECK_EQ(s->why, why);
	CHECK_EQ(s->w.fed_count, 0);
	finish(s);
}

#endif
