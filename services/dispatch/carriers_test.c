/* services/dispatch/carriers_test.c - which edges have a stream, as its home says. */
#include "services/dispatch/carriers.h"

#include <stdio.h>

#include "common/test/check.h"

struct scene {
	struct carriers *carriers;
	struct carriers_world world;
	int64_t now_ms;
	bool has_no_home;
	unsigned asked;
	member_answer_fn *fn; /* of the last question */
	void *fn_ctx;
	unsigned told;
	size_t count; /* of edges, the last time */
	char first[NODE_ID_SIZE];
};

static int64_t now_ms(void *ctx)
{
	return ((struct scene *)ctx)->now_ms;
}

static int ask(void *ctx, const struct stream_key *key, member_answer_fn *fn,
	       void *fn_ctx)
{
	struct scene *s = ctx;

	(void)key;
	if (s->has_no_home)
		return WEIR_ENOENT;
	s->asked++;
	s->fn = fn;
	s->fn_ctx = fn_ctx;
	return 0;
}

static void on_told(void *ctx, const struct carrying *c)
{
	struct scene *s = ctx;

	s->told++;
	s->count = c->count;
	snprintf(s->first, sizeof(s->first), "%s", c->count ? c->node[0] : "");
}

static bool begin(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->now_ms = 100000;
	s->world = (struct carriers_world){s, now_ms, ask};
	CHECK_EQ(carriers_new(&s->carriers, &s->world), 0);
	return s->carriers;
}

static void look(struct scene *s, const char *stream)
{
	struct stream_key key = {""};

	snprintf(key.text, sizeof(key.text), "%s", stream);
	carriers_ask(s->carriers, &key, on_told, s);
}

static void answer(struct scene *s, int err, const char *text)
{
	struct json_object *json = text ? json_tokener_parse(text) : NULL;
	member_answer_fn *fn = s->fn;

	s->fn = NULL;
	if (fn)
		fn(s->fn_ctx, err, json);
	json_object_put(json);
}

#define TWO                                                                    \
	"{\"streams\":[{\"consumers\":[{\"role\":\"packager\",\"node\":\"p\"}" \
	",{\"role\":\"edge\",\"node\":\"e1\"},{\"role\":\"edge\"},7,"          \
	"{\"role\":\"edge\",\"node\":\"e2\"}]}]}"

TEST(the_edges_of_a_stream_are_known_for_a_second)
{
	struct scene s;

	if (!begin(&s))
		return;
	look(&s, "live/a");
	CHECK_EQ(s.told, 0);
	answer(&s, 0, TWO);
	CHECK_EQ(s.told, 1);
	CHECK_EQ(s.count, 2);
	CHECK_STR(s.first, "e1");
	s.now_ms += 999;
	look(&s, "live/a");
	CHECK_EQ(s.told, 2);
	CHECK_EQ(s.count, 2);
	CHECK_EQ(s.asked, 1);
	s.now_ms += 1;
	look(&s, "live/a");
	CHECK_EQ(s.asked, 2);
	carriers_free(&s.carriers);
}

TEST(who_comes_while_a_home_is_asked_waits_for_the_same_answer)
{
	struct scene s;

	if (!begin(&s))
		return;
	look(&s, "live/a");
	look(&s, "live/a");
	look(&s, "live/a");
	CHECK_EQ(s.asked, 1);
	look(&s, "live/b"); /* another question */
	CHECK_EQ(s.asked, 2);
	CHECK_EQ(s.told, 0);
	carriers_free(&s.carriers);
	CHECK_EQ(s.told, 4);
	CHECK_EQ(s.count, 0);
}

TEST(all_who_wait_are_told_once)
{
	struct scene s;

	if (!begin(&s))
		return;
	look(&s, "live/a");
	look(&s, "live/a");
	answer(&s, 0, TWO);
	CHECK_EQ(s.told, 2);
	CHECK_EQ(s.count, 2);
	carriers_free(&s.carriers);
	CHECK_EQ(s.told, 2);
}

TEST(without_a_home_or_an_answer_there_is_none)
{
	static const char *const bad[] = {"{}", "7", "{\"streams\":7}",
					  "{\"streams\":[]}",
					  "{\"streams\":[{\"consumers\":{}}]}"};
	struct scene s;

	if (!begin(&s))
		return;
	s.has_no_home = true;
	look(&s, "live/a");
	CHECK_EQ(s.told, 1);
	s.has_no_home = false;
	look(&s, "live/a");
	answer(&s, WEIR_ETIMEOUT, NULL);
	CHECK_EQ(s.told, 2);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		s.now_ms += 1000;
		look(&s, "live/a");
		answer(&s, 0, bad[i]);
		CHECK_EQ(s.count, 0);
	}
	CHECK_EQ(s.told, 2 + WEIR_ARRAY_LEN(bad));
	carriers_free(&s.carriers);
}
