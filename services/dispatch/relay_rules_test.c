/* services/dispatch/relay_rules_test.c - which pulls are ordered by rules, for whom,
 * and how often; and those that the API has begun. */
#include <stdio.h>
#include <stdlib.h>

#include "common/conf/json.h"
#include "common/test/check.h"
#include "services/dispatch/relay_priv.h"

#define MANY 1500

struct scene {
	struct relay relay;
	struct ruleset *rules;
	struct copy *copy;
	int64_t now_ms;
	bool is_alone; /* no node is reached */
	uint64_t term; /* of the last entry; who looks for a stream knows it */
	/* What was ordered. */
	unsigned orders;
	char stream[STREAM_KEY_MAX + 1], node[NODE_ID_SIZE], args[512];
	relay_fn *fn;
	void *fn_ctx;
	unsigned seen[MANY];        /* orders of tv/0, tv/1, … */
	int64_t seen_ms[MANY];      /* the last one of each */
	bool is_hasty;              /* two of one came within a second */
	bool keeps_open;            /* its answer is given later */
	enum relay_verdict verdict; /* or at once */
	unsigned deleted;
	char deleted_id[RULE_ID_MAX + 1];
};

static int64_t now_ms(void *ctx)
{
	return ((struct scene *)ctx)->now_ms;
}

static const struct ruleset *rules_of(void *ctx)
{
	return ((struct scene *)ctx)->rules;
}

static struct copy *copy_of(void *ctx)
{
	return ((struct scene *)ctx)->copy;
}

static bool reaches(void *ctx, const char *node)
{
	return !((struct scene *)ctx)->is_alone && *node;
}

static void answer(struct scene *s, enum relay_verdict verdict)
{
	const struct relay_answer a = {verdict, "RTMPPULL1", "", "ingest-1"};
	relay_fn *fn = s->fn;

	s->fn = NULL;
	fn(s->fn_ctx, &a);
}

static void note_one(struct scene *s, const struct stream_key *key)
{
	unsigned long i;

	if (strncmp(key->text, "tv/", 3) || key->text[3] < '0' ||
	    key->text[3] > '9')
		return;
	i = strtoul(key->text + 3, NULL, 10);
	if (i >= MANY)
		return;
	s->is_hasty =
		s->is_hasty || (s->seen[i] && s->now_ms - s->seen_ms[i] < 1000);
	s->seen[i]++;
	s->seen_ms[i] = s->now_ms;
}

static int order(void *ctx, const struct stream_key *key, const char *node,
		 struct json_object *args, relay_fn *fn, void *fn_ctx)
{
	struct scene *s = ctx;

	s->orders++;
	note_one(s, key);
	snprintf(s->stream, sizeof(s->stream), "%s", key->text);
	snprintf(s->node, sizeof(s->node), "%s", node ? node : "any");
	snprintf(s->args, sizeof(s->args), "%s",
		 json_object_to_json_string_ext(
			 args, JSON_C_TO_STRING_PLAIN |
				       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(args);
	s->fn = fn;
	s->fn_ctx = fn_ctx;
	if (!s->keeps_open)
		answer(s, s->verdict);
	return 0;
}

static void delete_pull(void *ctx, const char *id)
{
	struct scene *s = ctx;

	s->deleted++;
	snprintf(s->deleted_id, sizeof(s->deleted_id), "%s", id);
}

static void set_rules(struct scene *s, enum rule_source source,
		      const char *json)
{
	CHECK_EQ(ruleset_load(s->rules, source, span_str(json), NULL), 0);
	relay_kept_on_rules(&s->relay);
}

static void begin(struct scene *s)
{
	static const struct copy_events none;

	memset(s, 0, sizeof(*s));
	s->relay.world = (struct relay_world){
		.ctx = s,
		.now_ms = now_ms,
		.utc_ms = now_ms,
		.rules = rules_of,
		.copy = copy_of,
		.reaches = reaches,
		.order = order,
		.delete_pull = delete_pull,
		.resolve_retry_ms = 1000,
	};
	s->relay.cluster = "here";
	s->now_ms = 100000;
	relay_rules_init(&s->relay, 1);
	relay_kept_init(&s->relay, 2);
	CHECK_EQ(copy_new(&s->copy, NULL, &none, NULL, 1), 0);
	CHECK_EQ(ruleset_new(&s->rules, 1), 0);
}

static void end(struct scene *s)
{
	if (s->fn)
		answer(s, RELAY_SILENT);
	relay_kept_fini(&s->relay);
	relay_rules_fini(&s->relay);
	ruleset_free(&s->rules);
	copy_free(&s->copy);
}

/* Some consumer looks for it. */
static void look_for(struct scene *s, const char *stream, const char *via)
{
	struct question q = {.kind = QUESTION_RESOLVE,
			     .term = {.number = s->term}};

	snprintf(q.key.text, sizeof(q.key.text), "%s", stream);
	snprintf(q.via, sizeof(q.via), "%s", via);
	relay_wanted(&s->relay, &q, s->now_ms);
}

static void pass_ms(struct scene *s, int64_t ms)
{
	s->now_ms += ms;
	relay_rules_tick(&s->relay);
	relay_kept_tick(&s->relay);
}

static void put_stream(struct scene *s, const char *stream, const char *kind,
		       bool is_live)
{
	struct stream_entry e = {.is_live = is_live,
				 .writer_instance = {{7}},
				 .term = {.number = ++s->term}};

	snprintf(e.key.text, sizeof(e.key.text), "%s", stream);
	snprintf(e.kind, sizeof(e.kind), "%s", kind);
	snprintf(e.writer_node, sizeof(e.writer_node), "ingest-1");
	CHECK_EQ(copy_put_stream(s->copy, &e), 0);
}

static void put_writer(struct scene *s, uint8_t instance, bool is_draining)
{
	struct node n = {.is_draining = is_draining};

	snprintf(n.ref.id, sizeof(n.ref.id), "ingest-1");
	snprintf(n.ref.role, sizeof(n.ref.role), "ingest");
	n.ref.instance.byte[0] = instance;
	CHECK_EQ(copy_put_node(s->copy, &n), 0);
}

#define TV                                                                     \
	"[{\"kind\":\"pull\",\"id\":\"tv\",\"streams\":\"tv/*\",\"urls\":"     \
	"[\"rtmp://a/$name\",\"rtmp://b/$key\"],\"retry_num\":2,"              \
	"\"auto_stop_ms\":3000}]"

/* TEST_NO_OOM: the scene's own texts would fail first. */

TEST_NO_OOM(who_looks_for_a_stream_that_a_rule_names_has_it_ordered)
{
	struct scene s;

	begin(&s);
	set_rules(&s, RULES_SETTINGS, TV);
	look_for(&s, "radio/a", "");
	CHECK_EQ(s.orders, 0);
	look_for(&s, "tv/a", "there");
	CHECK_EQ(s.orders, 1);
	CHECK_STR(s.stream, "tv/a");
	CHECK_STR(s.node, "any");
	CHECK_STR(s.args,
		  "{\"urls\":[\"rtmp://a/a\",\"rtmp://b/tv/a\"],\"rule\":"
		  "\"tv\",\"via\":\"there\",\"pull_timeout_ms\":10000,"
		  "\"retry_num\":2,\"auto_stop_ms\":3000}");
	end(&s);
}

TEST_NO_OOM(an_order_is_not_given_twice_within_a_second)
{
	struct scene s;

	begin(&s);
	set_rules(&s, RULES_SETTINGS, TV);
	look_for(&s, "tv/a", "");
	look_for(&s, "tv/a", "");
	s.now_ms += 999;
	look_for(&s, "tv/a", "");
	CHECK_EQ(s.orders, 1);
	look_for(&s, "tv/b", ""); /* another one */
	CHECK_EQ(s.orders, 2);
	s.now_ms += 1;
	look_for(&s, "tv/a", "");
	CHECK_EQ(s.orders, 3);
	end(&s);
}

TEST_NO_OOM(one_whose_attempts_are_spent_rests_for_longer)
{
	struct scene s;

	begin(&s);
	set_rules(&s, RULES_SETTINGS, TV);
	s.verdict = RELAY_SPENT;
	look_for(&s, "tv/a", "");
	s.now_ms += 4999;
	look_for(&s, "tv/a", "");
	CHECK_EQ(s.orders, 1);
	s.now_ms += 1;
	look_for(&s, "tv/a", "");
	CHECK_EQ(s.orders, 2);
	end(&s);
}

TEST_NO_OOM(what_somebody_publishes_is_not_ordered_until_he_cannot_be_reached)
{
	struct scene s;

	begin(&s);
	set_rules(&s, RULES_SETTINGS, TV);
	put_stream(&s, "tv/a", "publish", true);
	look_for(&s, "tv/a", "");
	pass_ms(&s, 200);
	CHECK_EQ(s.orders, 0);
	s.is_alone = true; /* it has just died */
	pass_ms(&s, 200);
	CHECK_EQ(s.orders, 1);
	CHECK_STR(s.node, "any");
	end(&s);
}

TEST_NO_OOM(who_has_found_it_meanwhile_needs_no_other)
{
	struct scene s;

	begin(&s);
	set_rules(&s, RULES_SETTINGS, TV);
	put_stream(&s, "tv/a", "publish", true);
	look_for(&s, "tv/a", "");
	put_stream(&s, "tv/a", "publish", false); /* came, and went */
	s.is_alone = true;
	pass_ms(&s, 200);
	CHECK_EQ(s.orders, 0);
	end(&s);
}

TEST_NO_OOM(who_pulls_it_hears_of_the_way_by_which_it_is_wanted)
{
	struct scene s;

	begin(&s);
	set_rules(&s, RULES_SETTINGS, TV);
	put_stream(&s, "tv/a", "pull", true);
	look_for(&s, "tv/a", "here");
	CHECK_EQ(s.orders, 1);
	CHECK_STR(s.node, "ingest-1");
	CHECK(strstr(s.args, "\"via\":\"here\""));
	end(&s);
}

TEST_NO_OOM(what_comes_back_to_us_is_not_begun_for_others)
{
	struct scene s;

	begin(&s);
	set_rules(&s, RULES_SETTINGS, TV);
	look_for(&s, "tv/a", "there,here");
	CHECK_EQ(s.orders, 0);
	look_for(&s, "tv/a", "there");
	CHECK_EQ(s.orders, 1);
	end(&s);
}

TEST_NO_OOM(rules_that_are_kept_on_are_ordered_for_nobody_and_without_limits)
{
	struct scene s;

	begin(&s);
	set_rules(&s, RULES_SETTINGS,
		  "[{\"kind\":\"pull\",\"id\":\"k\",\"streams\":\"tv/a\","
		  "\"urls\":[\"rtmp://a/x\"],\"on_demand\":false,"
		  "\"retry_num\":1,\"auto_stop_ms\":0}]");
	pass_ms(&s, 200);
	CHECK_EQ(s.orders, 1);
	CHECK(strstr(s.args, "\"retry_num\":-1,\"auto_stop_ms\":-1"));
	put_stream(&s, "tv/a", "pull", true);
	pass_ms(&s, 5000);
	CHECK_EQ(s.orders, 1);
	put_stream(&s, "tv/a", "pull", false);
	pass_ms(&s, 1000);
	CHECK_EQ(s.orders, 2);
	end(&s);
}

/* Rules of streams that nobody has: {tv/0 … tv/<count - 1>}; `more` says what they
 * are. */
static void set_many(struct scene *s, enum rule_source source, unsigned count,
		     const char *more)
{
	struct buf json = {0};

	for (unsigned i = 0; i < count; i++)
		buf_printf(&json,
			   "%c{\"kind\":\"pull\",\"id\":\"k%u\",\"streams\":"
			   "\"tv/%u\",\"urls\":[\"rtmp://a/x\"],%s}",
			   i ? ',' : '[', i, i, more);
	buf_put(&json, SPAN_LIT("]"));
	set_rules(s, source, buf_text(&json));
	buf_fini(&json);
}

TEST_NO_OOM(
	of_any_number_of_rules_each_is_ordered_once_a_second_and_some_at_once)
{
	struct scene s;
	unsigned before;

	begin(&s);
	set_many(&s, RULES_SETTINGS, MANY, "\"on_demand\":false");
	for (unsigned i = 0; i < 40; i++) {
		before = s.orders;
		pass_ms(&s, 200);
		CHECK(s.orders - before <= RELAY_ORDERS_AT_ONCE);
	}
	for (unsigned i = 0; i < MANY; i++)
		CHECK(s.seen[i] > 0);
	CHECK(!s.is_hasty);
	end(&s);
}

/* ---- what the API has begun ---- */

#define ONE                                                                    \
	"[{\"kind\":\"pull\",\"id\":\"RTMPPULL1\",\"streams\":\"live/a\","     \
	"\"urls\":[\"rtmp://a/$x\"],\"once\":true,\"retry_num\":3,"            \
	"\"auto_stop_ms\":700}]"

TEST_NO_OOM(a_pull_of_the_api_that_nobody_has_is_ordered_in_the_same_session)
{
	struct stream_key key = {"live/a"}, other = {"live/b"};
	struct scene s;

	begin(&s);
	set_rules(&s, RULES_REGISTRY, ONE);
	CHECK(relay_kept_rule(&s.relay, &key) != NULL);
	CHECK(!relay_kept_rule(&s.relay, &other));
	look_for(&s, "live/a", "");
	pass_ms(&s, 400);
	CHECK_EQ(s.orders, 0); /* the stream may not be known here yet */
	pass_ms(&s, 200);
	CHECK_EQ(s.orders, 1);
	CHECK_STR(s.args,
		  "{\"urls\":[\"rtmp://a/$x\"],\"once\":true,\"rule\":"
		  "\"RTMPPULL1\",\"pull_timeout_ms\":10000,\"retry_num\":3,"
		  "\"auto_stop_ms\":700}");
	pass_ms(&s, 600);
	CHECK_EQ(s.orders, 1);
	pass_ms(&s, 600);
	CHECK_EQ(s.orders, 2);
	end(&s);
}

TEST_NO_OOM(one_that_runs_is_left_alone_and_one_whose_ingest_dies_goes_on)
{
	struct scene s;

	begin(&s);
	put_writer(&s, 7, false);
	put_stream(&s, "live/a", "pull", true);
	set_rules(&s, RULES_REGISTRY, ONE);
	pass_ms(&s, 60000);
	CHECK_EQ(s.orders, 0);
	s.is_alone = true;
	pass_ms(&s, 200);
	CHECK_EQ(s.orders, 1);
	end(&s);
}

TEST_NO_OOM(an_ingest_that_came_back_or_leaves_does_not_pull_it_any_more)
{
	struct scene s;

	begin(&s);
	put_writer(&s, 8, false); /* another process of that name */
	put_stream(&s, "live/a", "pull", false);
	set_rules(&s, RULES_REGISTRY, ONE);
	pass_ms(&s, 600);
	CHECK_EQ(s.orders, 1);
	put_writer(&s, 7, true);
	pass_ms(&s, 1000);
	CHECK_EQ(s.orders, 2);
	end(&s);
}

TEST_NO_OOM(an_ingest_that_has_ended_it_is_given_time_to_delete_its_rule)
{
	struct scene s;

	begin(&s);
	put_writer(&s, 7, false);
	put_stream(&s, "live/a", "pull", false);
	set_rules(&s, RULES_REGISTRY, ONE);
	pass_ms(&s, 600);
	pass_ms(&s, 9900);
	CHECK_EQ(s.orders, 0);
	pass_ms(&s, 200);
	CHECK_EQ(s.orders, 1);
	end(&s);
}

TEST_NO_OOM(one_that_a_publisher_has_taken_is_over)
{
	struct scene s;

	begin(&s);
	put_stream(&s, "live/a", "publish", true);
	set_rules(&s, RULES_REGISTRY, ONE);
	pass_ms(&s, 600);
	pass_ms(&s, 1900);
	CHECK_EQ(s.deleted, 0);
	pass_ms(&s, 200);
	CHECK_EQ(s.deleted, 1);
	CHECK_STR(s.deleted_id, "RTMPPULL1");
	pass_ms(&s, 200);
	CHECK_EQ(s.deleted, 1);
	pass_ms(&s, 1000); /* the registry did not answer */
	CHECK_EQ(s.deleted, 2);
	CHECK_EQ(s.orders, 0);
	end(&s);
}

TEST_NO_OOM(a_rule_that_goes_takes_its_pull_along_also_while_it_is_ordered)
{
	struct stream_key key = {"live/a"};
	struct scene s;

	begin(&s);
	s.keeps_open = true;
	set_rules(&s, RULES_REGISTRY, ONE);
	pass_ms(&s, 600);
	CHECK_EQ(s.orders, 1);
	pass_ms(&s, 5000);
	CHECK_EQ(s.orders, 1); /* it is being asked for */
	set_rules(&s, RULES_REGISTRY, "[]");
	CHECK(!relay_kept_rule(&s.relay, &key));
	answer(&s, RELAY_DONE);
	pass_ms(&s, 5000);
	CHECK_EQ(s.orders, 1);
	end(&s);
}

TEST_NO_OOM(
	many_that_lose_their_ingest_go_on_some_at_a_time_and_none_is_left_out)
{
	unsigned before;
	struct scene s;

	begin(&s);
	set_many(&s, RULES_REGISTRY, MANY, "\"once\":true");
	for (unsigned i = 0; i < 40; i++) {
		before = s.orders;
		pass_ms(&s, 200);
		CHECK(s.orders - before <= RELAY_ORDERS_AT_ONCE);
	}
	for (unsigned i = 0; i < MANY; i++)
		CHECK(s.seen[i] > 0);
	CHECK(!s.is_hasty);
	end(&s);
}
