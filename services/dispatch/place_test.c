/* services/dispatch/place_test.c - streams spread over the origins. */
#include <stdio.h>

#include "common/test/check.h"
#include "services/dispatch/internal.h"

#define ORIGINS 4

struct scene {
	struct copy *copy;
	struct placer *placer;
	struct node_ref origin[ORIGINS];
};

static void scene_init(struct scene *s)
{
	static const struct copy_limits limits;
	static const struct copy_events events;

	*s = (struct scene){0};
	CHECK_EQ(copy_new(&s->copy, &limits, &events, s, 1), 0);
	CHECK_EQ(placer_new(&s->placer, NULL, PLACE_HOMES), 0);
	for (int i = 0; i < ORIGINS; i++) {
		struct node_ref *o = &s->origin[i];

		snprintf(o->id, sizeof(o->id), "origin-%d", i + 1);
		snprintf(o->role, sizeof(o->role), "origin");
		snprintf(o->url, sizeof(o->url), "tcp://127.0.0.1:%d",
			 7001 + i);
		o->instance.byte[0] = (uint8_t)(i + 1);
		o->link = (link_id)i + 1;
	}
}

static void scene_fini(struct scene *s)
{
	copy_free(&s->copy);
	placer_free(&s->placer);
}

/* The number of the origin that `key` gets (from 1), or the error. */
static int place(struct scene *s, const char *key, const char *avoid,
		 int64_t now_ms)
{
	struct question q = {.kind = QUESTION_PLACE};
	struct answer a = {.err = WEIR_EAGAIN};

	snprintf(q.key.text, sizeof(q.key.text), "%s", key);
	snprintf(q.avoid, sizeof(q.avoid), "%s", avoid);
	placer_choose(s->placer, s->copy, s->origin, ORIGINS, &q, &a, now_ms);
	if (a.err)
		return a.err;
	for (int i = 0; i < ORIGINS; i++)
		if (!strcmp(s->origin[i].id, a.node)) {
			CHECK_STR(a.url, s->origin[i].url);
			CHECK(uuid_eq(&a.instance, &s->origin[i].instance));
			return i + 1;
		}
	return 0;
}

static void put_stream(struct scene *s, const char *key, int home,
		       bool is_ended)
{
	struct stream_entry e = {.is_live = !is_ended, .is_ended = is_ended};

	snprintf(e.key.text, sizeof(e.key.text), "%s", key);
	snprintf(e.home_node, sizeof(e.home_node), "origin-%d", home);
	CHECK_EQ(copy_put_stream(s->copy, &e), 0);
}

TEST(streams_that_come_at_once_spread_evenly)
{
	struct scene s;
	unsigned count[ORIGINS + 1] = {0};
	char key[32];

	scene_init(&s);
	for (int i = 0; i < 100; i++) {
		int n;

		snprintf(key, sizeof(key), "live/cam%d", i);
		n = place(&s, key, "", 1000);
		CHECK(n >= 1 && n <= ORIGINS);
		count[n]++;
	}
	for (int i = 1; i <= ORIGINS; i++)
		CHECK(count[i] >= 23 && count[i] <= 27);
	scene_fini(&s);
}

/* The two origins that hashing names for a stream. */
static void two_of(struct scene *s, const char *key, int *one, int *two)
{
	char avoid[32];

	*one = place(s, key, "", 1000);
	snprintf(avoid, sizeof(avoid), "origin-%d", *one);
	*two = place(s, key, avoid, 100000);
}

static void put_load(struct scene *s, int origin, struct node_load load)
{
	struct node n = {.ref = s->origin[origin - 1], .load = load};

	n.ref.link = 0;
	CHECK_EQ(copy_put_node(s->copy, &n), 0);
}

TEST(of_two_the_one_with_fewer_live_streams_is_chosen)
{
	struct scene s;
	int one, two;

	scene_init(&s);
	two_of(&s, "live/new", &one, &two);
	put_stream(&s, "live/c", two, true); /* over: it counts no more */
	CHECK_EQ(place(&s, "live/new", "", 200000), one);
	put_stream(&s, "live/a", one, false);
	CHECK_EQ(place(&s, "live/new", "", 300000), two);
	put_stream(&s, "live/b", two, false);
	CHECK_EQ(place(&s, "live/new", "", 400000), one);
	scene_fini(&s);
}

TEST(a_busy_origin_gets_nothing_while_the_other_is_idle)
{
	struct scene s;
	int one, two;

	scene_init(&s);
	two_of(&s, "live/new", &one, &two);
	put_stream(&s, "live/a", two, false);
	put_stream(&s, "live/b", two, false);
	put_load(&s, one, (struct node_load){.busy_permille = 600});
	put_load(&s, two, (struct node_load){.busy_permille = 90});
	CHECK_EQ(place(&s, "live/new", "", 200000), two);
	put_load(&s, one, (struct node_load){.busy_permille = 40});
	CHECK_EQ(place(&s, "live/new", "", 300000), one);
	scene_fini(&s);
}

TEST(a_full_origin_is_taken_only_when_all_are_full)
{
	struct scene s;
	int one, two;

	scene_init(&s);
	two_of(&s, "live/new", &one, &two);
	put_load(&s, one, (struct node_load){.is_full = true});
	put_load(&s, two, (struct node_load){.is_full = true});
	for (int n = 1; n <= ORIGINS; n++)
		if (n != one && n != two) {
			int got = place(&s, "live/new", "", n * 1000000);

			CHECK(got != one && got != two);
			put_load(&s, n, (struct node_load){.is_full = true});
		}
	CHECK(place(&s, "live/new", "", 9000000) >= 1);
	scene_fini(&s);
}

TEST(what_the_registry_shows_is_not_counted_twice)
{
	struct scene s;
	int one, two;

	scene_init(&s);
	two_of(&s, "live/c", &one, &two);
	put_stream(&s, "live/a", two, false);
	put_stream(&s, "live/b", one, false);
	put_stream(&s, "live/d", two, false);
	/* Its own entry counts neither for nor against it. */
	put_stream(&s, "live/c", one, false);
	CHECK_EQ(place(&s, "live/c", "", 200000), one);
	scene_fini(&s);
}

TEST(who_asks_again_gets_the_same_origin_unless_that_one_is_to_be_avoided)
{
	struct scene s;
	char avoid[32];
	int first, other;

	scene_init(&s);
	first = place(&s, "live/a", "", 1000);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(place(&s, "live/a", "", 1000 + i), first);
	snprintf(avoid, sizeof(avoid), "origin-%d", first);
	other = place(&s, "live/a", avoid, 1010);
	CHECK(other >= 1 && other != first);
	CHECK_EQ(place(&s, "live/a", "", 1011), other);
	scene_fini(&s);
}

TEST(a_choice_that_the_registry_does_not_show_yet_counts_for_a_while)
{
	struct scene s;
	int one, two;
	char key[32] = "";

	scene_init(&s);
	two_of(&s, "live/new", &one, &two);
	/* Another stream of the same two, which was placed a moment ago. */
	for (int i = 0, a = 0, b = 0; i < 200 && (a != one || b != two); i++) {
		snprintf(key, sizeof(key), "live/x%d", i);
		two_of(&s, key, &a, &b);
	}
	CHECK_EQ(place(&s, key, "", 500000), one);
	CHECK_EQ(place(&s, "live/new", "", 500001), two);
	CHECK_EQ(place(&s, "live/new", "", 600000), one);
	scene_fini(&s);
}

TEST(origins_that_drain_or_are_avoided_get_nothing)
{
	struct scene s;

	scene_init(&s);
	for (int i = 0; i < ORIGINS; i++) {
		struct node n = {.ref = s.origin[i], .is_draining = i != 1};

		n.ref.link = 0;
		CHECK_EQ(copy_put_node(s.copy, &n), 0);
	}
	CHECK_EQ(place(&s, "live/a", "", 1000), 2);
	CHECK_EQ(place(&s, "live/b", "origin-2", 1000), WEIR_ENOENT);
	scene_fini(&s);
}

TEST(pulls_go_where_less_is_written)
{
	struct stream_entry e = {.is_live = true};
	struct scene s;
	int one, two;

	scene_init(&s);
	placer_free(&s.placer);
	CHECK_EQ(placer_new(&s.placer, NULL, PLACE_PULLS), 0);
	two_of(&s, "tv/new", &one, &two);
	snprintf(e.key.text, sizeof(e.key.text), "live/a");
	snprintf(e.home_node, sizeof(e.home_node), "origin-%d", two);
	snprintf(e.writer_node, sizeof(e.writer_node), "origin-%d", one);
	CHECK_EQ(copy_put_stream(s.copy, &e), 0);
	CHECK_EQ(place(&s, "tv/new", "", 200000), two);
	snprintf(e.key.text, sizeof(e.key.text), "live/b");
	snprintf(e.writer_node, sizeof(e.writer_node), "origin-%d", two);
	CHECK_EQ(copy_put_stream(s.copy, &e), 0);
	CHECK_EQ(place(&s, "tv/new", "", 300000), one);
	put_load(&s, one, (struct node_load){.busy_permille = 500});
	CHECK_EQ(place(&s, "tv/new", "", 400000), two);
	scene_fini(&s);
}

TEST(without_an_origin_there_is_no_answer)
{
	struct scene s;
	struct question q = {.kind = QUESTION_PLACE};
	struct answer a = {0};

	scene_init(&s);
	snprintf(q.key.text, sizeof(q.key.text), "live/a");
	placer_choose(s.placer, s.copy, NULL, 0, &q, &a, 1000);
	CHECK_EQ(a.err, WEIR_ENOENT);
	scene_fini(&s);
}
