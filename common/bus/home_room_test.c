/* common/bus/home_room_test.c - names that nobody publishes leave room for those
 * that somebody does. */
#include <stdio.h>

#include "common/bus/home.h"
#include "common/test/check.h"

#define STREAMS_MAX 4
#define EDGE        1u
#define INGEST      2u

struct scene {
	struct world world;
	struct homes *homes;
	unsigned ends, fences, scripts;
};

static int64_t utc_us(void *ctx)
{
	(void)ctx;
	return 1767323045678000;
}

static bool send(void *ctx, link_id link, const struct record *r)
{
	struct scene *s = ctx;

	s->ends += link == EDGE && r->type == RECORD_END &&
		   r->reason == REASON_no_resources;
	s->fences += link == INGEST && r->type == RECORD_FENCED;
	return true;
}

static void ask(void *ctx, link_id link, uint64_t tag, const struct question *q,
		uint32_t deadline_ms)
{
	(void)ctx, (void)link, (void)tag, (void)q, (void)deadline_ms;
}

static void script(void *ctx, uint64_t tag, const struct script_call *c)
{
	struct scene *s = ctx;

	(void)tag, (void)c;
	s->scripts++;
}

static size_t origins(void *ctx, struct node_ref *out, size_t max)
{
	(void)ctx, (void)out, (void)max;
	return 0;
}

static link_id link_to(void *ctx, const char *node)
{
	(void)ctx, (void)node;
	return 0;
}

static const struct stream_entry *known(void *ctx, const struct stream_key *key)
{
	(void)ctx, (void)key;
	return NULL;
}

static void event(void *ctx, const struct stream_key *key, const char *what,
		  int reason, const char *detail)
{
	(void)ctx, (void)key, (void)what, (void)reason, (void)detail;
}

static void up(struct scene *s, link_id link, const char *role)
{
	struct node_ref node = {.link = link};

	snprintf(node.id, sizeof(node.id), "%s-1", role);
	snprintf(node.role, sizeof(node.role), "%s", role);
	homes_on_link(s->homes, &node, true, 1000);
}

static void scene_init(struct scene *s)
{
	static const struct home_limits limits = {
		.log = {.retain_ms = 1000,
			.retain_bytes = 1000000,
			.gop_max_bytes = 1000000},
		.streams_max = STREAMS_MAX,
		.consumers_max = 100,
	};

	*s = (struct scene){.world = {
				    .registry_ms = 500,
				    .peer_dead_ms = 2000,
				    .publish_grace_ms = 10000,
				    .utc_us = utc_us,
				    .send = send,
				    .ask = ask,
				    .script = script,
				    .origins = origins,
				    .link_to = link_to,
				    .known = known,
				    .event = event,
			    }};
	s->world.ctx = s;
	CHECK_EQ(homes_new(&s->homes, &s->world, &limits, NULL, NULL), 0);
	up(s, EDGE, "edge");
	up(s, INGEST, "ingest");
}

static void where(struct scene *s, uint32_t sid)
{
	struct record r = {.type = RECORD_WHERE, .sid = sid};

	snprintf(r.key.text, sizeof(r.key.text), "live/no%u", sid);
	CHECK_EQ(homes_on_record(s->homes, EDGE, &r, 1000), 0);
}

static void publish(struct scene *s, uint32_t sid)
{
	struct record r = {
		.type = RECORD_PUB,
		.flags = PUB_HOME,
		.sid = sid,
		.term = {.number = 1},
		.position = {.epoch = {.counter = 1}},
	};

	snprintf(r.key.text, sizeof(r.key.text), "live/cam%u", sid);
	CHECK_EQ(homes_on_record(s->homes, INGEST, &r, 1000), 0);
}

TEST(names_that_nobody_publishes_take_half_of_the_room_at_most)
{
	struct scene s;

	scene_init(&s);
	for (uint32_t sid = 1; sid <= 10; sid++)
		where(&s, sid);
	CHECK_EQ(s.ends, 10 - STREAMS_MAX / 2);
	publish(&s, 1);
	publish(&s, 2);
	CHECK_EQ(s.fences, 0);
	CHECK_EQ(s.scripts, 2); /* both are being validated */
	publish(&s, 3);
	CHECK_EQ(s.fences, 1);
	homes_free(&s.homes);
}

TEST(who_asks_for_a_name_that_is_there_needs_no_room)
{
	struct scene s;
	struct record r = {.type = RECORD_WHERE, .sid = 77};

	scene_init(&s);
	for (uint32_t sid = 1; sid <= STREAMS_MAX; sid++)
		publish(&s, sid);
	snprintf(r.key.text, sizeof(r.key.text), "live/cam1");
	CHECK_EQ(homes_on_record(s.homes, EDGE, &r, 1000), 0);
	CHECK_EQ(s.ends, 0);
	homes_free(&s.homes);
}
