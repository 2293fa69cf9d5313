/* common/registry/claim_test.c - who gets a stream, and whose word decides. */
#include "common/registry/claim.h"

#include <errno.h>

#include "common/bus/testing.h"

#define ORIGIN 1u
#define INGEST 2u /* of the writer that is in the way */
#define BEGIN  1000

struct scene {
	struct test_world w;
	struct claim *claim;
	unsigned grants, refusals;
	struct claim_grant grant;
	int self_err; /* when this process is asked about a writer of its own */
	enum reason why;
	char detail[96];
};

static void on_granted(void *ctx, const struct claim_grant *g)
{
	struct scene *s = ctx;

	s->grants++;
	s->grant = *g;
}

static void on_refused(void *ctx, enum reason why, const char *detail)
{
	struct scene *s = ctx;

	CHECK(detail != NULL);
	s->refusals++;
	s->why = why;
	snprintf(s->detail, sizeof(s->detail), "%s", detail);
}

static void ask_self(void *ctx, const struct question *q, struct answer *out,
		     int64_t now_ms)
{
	const struct scene *s = ctx;

	(void)q, (void)now_ms;
	*out = (struct answer){.err = s->self_err, .verdict = ALIVE_LEFT};
}

static void world_of(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	test_world_init(&s->w, "ingest-1");
	test_node(&s->w, "origin-1", ORIGIN);
	test_node(&s->w, "ingest-2", INGEST);
}

static void begin_as(struct scene *s, const char *kind)
{
	static const struct claim_events events = {on_granted, on_refused};
	struct claim_request request = {
		.key = test_key("live/cam"),
		.session = test_epoch(0x77).writer,
		.start_us = 5,
		.tag_base = TAG_WRITERS | 1 << 20,
		.ask_self = ask_self,
	};

	snprintf(request.kind, sizeof(request.kind), "%s", kind);
	CHECK_EQ(claim_new(&s->claim, &s->w.world, &request, &events, s, BEGIN),
		 0);
	claim_tick(s->claim, BEGIN);
}

static void answer(struct scene *s, link_id link, uint8_t kind,
		   const struct answer *a, int64_t now_ms)
{
	struct test_asked q = test_take_asked(&s->w, link, kind);

	CHECK(claim_on_answer(s->claim, q.tag, a, now_ms));
}

/* The origin knows nothing of it, dispatch names it. */
static void gather(struct scene *s)
{
	struct answer placed = {.node = "origin-1"};

	answer(s, ORIGIN, QUESTION_VALIDATE, &(struct answer){0}, BEGIN);
	answer(s, 0, QUESTION_PLACE, &placed, BEGIN);
}

static void begin(struct scene *s)
{
	world_of(s);
	begin_as(s, "publish");
	gather(s);
}

/* What the registry says when another epoch, 5, has the stream. */
static struct script_result busy(const char *kind, bool has_lease)
{
	struct script_result r = {.err = WEIR_EBUSY,
				  .entry = {
					  .key = test_key("live/cam"),
					  .is_live = true,
					  .epoch = test_epoch(5),
					  .term = {.number = 9},
					  .writer_node = "ingest-2",
					  .home_node = "origin-1",
					  .writer_has_lease = has_lease,
				  }};

	snprintf(r.entry.kind, sizeof(r.entry.kind), "%s", kind);
	return r;
}

static void script_says(struct scene *s, const struct script_result *r,
			int64_t now_ms)
{
	struct test_script call = test_take_script(&s->w, SCRIPT_CLAIM);

	CHECK(claim_on_script(s->claim, call.tag, r, now_ms));
}

static void script_is_busy(struct scene *s, bool has_lease)
{
	struct script_result r = busy("publish", has_lease);

	script_says(s, &r, BEGIN);
	CHECK_EQ(s->refusals + s->grants, 0);
	claim_tick(s->claim, BEGIN);
}

static void check_granted(struct scene *s, uint64_t expected, int64_t now_ms)
{
	struct test_script call = test_take_script(&s->w, SCRIPT_CLAIM);
	struct script_result r = {.entry = call.call.entry};

	CHECK_EQ(call.call.expected.counter, expected);
	CHECK_STR(call.call.entry.home_node, "origin-1");
	CHECK_STR(call.call.entry.writer_node, "ingest-1");
	r.entry.epoch.counter = 6;
	r.entry.term.number = 10;
	CHECK(claim_on_script(s->claim, call.tag, &r, now_ms));
	CHECK_EQ(s->grants, 1);
	CHECK_EQ(s->refusals, 0);
	CHECK_EQ(s->grant.entry.epoch.counter, 6);
	CHECK(!s->grant.is_local);
	CHECK_EQ(claim_due_ms(s->claim), INT64_MAX);
	claim_free(&s->claim);
}

static void check_refused(struct scene *s, enum reason why)
{
	CHECK_EQ(s->refusals, 1);
	CHECK_EQ(s->grants, 0);
	CHECK_EQ(s->why, why);
	CHECK_EQ(s->w.script_count, 0);
	claim_free(&s->claim);
}

static void alive(struct scene *s, link_id link, uint8_t verdict,
		  uint32_t silent_ms, int64_t now_ms)
{
	struct answer a = {.verdict = verdict, .silent_ms = silent_ms};

	answer(s, link, QUESTION_ALIVE, &a, now_ms);
}

static void no_answer(struct scene *s, link_id link, int64_t now_ms)
{
	struct answer a = {.err = WEIR_ETIMEOUT};

	answer(s, link, QUESTION_ALIVE, &a, now_ms);
}

TEST(a_stream_that_nobody_has_is_granted)
{
	struct scene s;

	begin(&s);
	check_granted(&s, 0, BEGIN);
}

TEST(nothing_is_decided_before_all_were_heard_or_place_ms_are_over)
{
	struct scene s;

	world_of(&s);
	begin_as(&s, "publish");
	answer(&s, ORIGIN, QUESTION_VALIDATE, &(struct answer){0}, BEGIN);
	CHECK_EQ(s.w.script_count, 0);
	claim_tick(s.claim, BEGIN + 499);
	CHECK_EQ(s.w.script_count, 0);
	claim_tick(s.claim, claim_due_ms(s.claim));
	check_granted(&s, 0, BEGIN + 600);
}

TEST(an_answer_with_the_tag_of_another_is_left_alone)
{
	struct scene s;

	begin(&s);
	CHECK(!claim_on_answer(s.claim, TAG_WRITERS | 2 << 20 | 1,
			       &(struct answer){0}, BEGIN));
	CHECK(!claim_on_script(s.claim, TAG_HOMES | 1 << 20 | 1,
			       &(struct script_result){0}, BEGIN));
	check_granted(&s, 0, BEGIN);
}

TEST(a_writer_whose_ingest_says_yes_stays)
{
	struct scene s;

	begin(&s);
	script_is_busy(&s, true);
	alive(&s, INGEST, ALIVE_YES, 40, BEGIN + 5);
	check_refused(&s, REASON_busy);
}

TEST(a_silent_writer_is_displaced_by_its_epoch)
{
	struct scene s;

	begin(&s);
	script_is_busy(&s, true);
	alive(&s, INGEST, ALIVE_SILENT, 12001, BEGIN + 5);
	check_granted(&s, 5, BEGIN + 6);
}

TEST(a_writer_that_left_is_displaced)
{
	struct scene s;

	begin(&s);
	script_is_busy(&s, true);
	alive(&s, INGEST, ALIVE_LEFT, 0, BEGIN + 5);
	check_granted(&s, 5, BEGIN + 6);
}

/* As one that has just given its writer to another ingest of its machine. */
TEST(without_a_word_of_its_own_process_the_homes_counts)
{
	struct scene s;
	struct script_result r = busy("publish", true);

	begin(&s);
	s.self_err = WEIR_EAGAIN;
	memcpy(r.entry.writer_node, "ingest-1", sizeof("ingest-1"));
	script_says(&s, &r, BEGIN);
	claim_tick(s.claim, BEGIN);
	CHECK_EQ(s.grants, 0);
	claim_tick(s.claim, BEGIN + 1900);
	alive(&s, ORIGIN, ALIVE_YES, 40, BEGIN + 1905);
	claim_tick(s.claim, BEGIN + 2000);
	check_refused(&s, REASON_busy);
}

TEST(the_same_credential_may_take_over)
{
	struct scene s;

	begin(&s);
	script_is_busy(&s, true);
	alive(&s, INGEST, ALIVE_SAME_USER, 0, BEGIN + 5);
	check_granted(&s, 5, BEGIN + 6);
}

TEST(with_takeover_a_newcomer_wins_over_one_that_lives)
{
	struct scene s;

	begin(&s);
	s.w.world.takeover = true;
	script_is_busy(&s, true);
	alive(&s, INGEST, ALIVE_YES, 0, BEGIN + 5);
	check_granted(&s, 5, BEGIN + 6);
}

TEST(a_pull_takes_over_nobody)
{
	struct scene s;

	world_of(&s);
	s.w.world.takeover = true;
	begin_as(&s, "pull");
	gather(&s);
	script_is_busy(&s, true);
	alive(&s, INGEST, ALIVE_YES, 0, BEGIN + 5);
	check_refused(&s, REASON_busy);
}

TEST(a_publisher_beats_a_pull_without_a_question)
{
	struct scene s;
	struct script_result r = busy("pull", true);

	begin(&s);
	script_says(&s, &r, BEGIN);
	CHECK_EQ(s.w.asked_count, 0);
	check_granted(&s, 5, BEGIN);
}

TEST(the_word_of_the_ingest_beats_that_of_the_home)
{
	struct scene s;

	begin(&s);
	script_is_busy(&s, true);
	alive(&s, ORIGIN, ALIVE_LINK_LOST, 0, BEGIN + 1);
	CHECK_EQ(s.w.script_count, 0);
	alive(&s, INGEST, ALIVE_YES, 0, BEGIN + 5);
	check_refused(&s, REASON_busy);
}

TEST(a_home_that_lost_the_link_frees_it_when_the_ingest_is_silent_for_long)
{
	struct scene s;

	begin(&s);
	script_is_busy(&s, true);
	alive(&s, ORIGIN, ALIVE_LINK_LOST, 0, BEGIN + 1);
	claim_tick(s.claim, BEGIN + 1900);
	CHECK_EQ(s.w.script_count, 0);
	claim_tick(s.claim, BEGIN + 2000);
	check_granted(&s, 5, BEGIN + 2001);
}

TEST(an_ingest_that_is_gone_and_a_home_without_its_link_free_it_at_once)
{
	struct answer gone = {.err = -ECONNREFUSED};
	struct scene s;

	begin(&s);
	script_is_busy(&s, true);
	answer(&s, INGEST, QUESTION_ALIVE, &gone, BEGIN + 1);
	CHECK_EQ(s.w.script_count, 0);
	alive(&s, ORIGIN, ALIVE_LINK_LOST, 0, BEGIN + 2);
	check_granted(&s, 5, BEGIN + 3);
}

TEST(an_ingest_that_is_gone_by_its_machines_word_alone_is_waited_for)
{
	struct answer gone = {.err = -ECONNREFUSED};
	struct scene s;

	begin(&s);
	script_is_busy(&s, true);
	alive(&s, ORIGIN, ALIVE_YES, 0, BEGIN + 1);
	answer(&s, INGEST, QUESTION_ALIVE, &gone, BEGIN + 2);
	claim_tick(s.claim, BEGIN + 1900);
	CHECK_EQ(s.w.script_count, 0);
	CHECK_EQ(s.grants + s.refusals, 0);
	claim_free(&s.claim);
}

TEST(the_home_is_asked_again_until_its_word_counts)
{
	struct scene s;

	begin(&s);
	script_is_busy(&s, true);
	alive(&s, ORIGIN, ALIVE_YES, 0, BEGIN + 1);
	claim_tick(s.claim, BEGIN + 100);
	CHECK_EQ(test_count_asked(&s.w, ORIGIN, QUESTION_ALIVE), 0);
	claim_tick(s.claim, BEGIN + 1950);
	alive(&s, ORIGIN, ALIVE_LINK_LOST, 0, BEGIN + 1951);
	claim_tick(s.claim, BEGIN + 2000);
	check_granted(&s, 5, BEGIN + 2001);
}

TEST(a_home_with_frames_keeps_it_for_a_writer_whose_ingest_is_not_reached)
{
	struct scene s;

	begin(&s);
	test_find(&s.w, "ingest-2")->link = 0;
	script_is_busy(&s, true);
	CHECK_EQ(test_count_asked(&s.w, INGEST, QUESTION_ALIVE), 0);
	alive(&s, ORIGIN, ALIVE_YES, 0, BEGIN + 1);
	claim_tick(s.claim, BEGIN + 2000);
	check_refused(&s, REASON_busy);
}

TEST(an_ingest_that_comes_up_in_time_is_still_asked)
{
	struct scene s;

	begin(&s);
	test_find(&s.w, "ingest-2")->link = 0;
	script_is_busy(&s, true);
	test_find(&s.w, "ingest-2")->link = INGEST;
	claim_tick(s.claim, claim_due_ms(s.claim));
	alive(&s, INGEST, ALIVE_LEFT, 0, BEGIN + 200);
	check_granted(&s, 5, BEGIN + 201);
}

/* Nobody has a word of the suspect until peer_dead_ms are over. */
static void stay_mute(struct scene *s)
{
	no_answer(s, INGEST, BEGIN + 1990);
	no_answer(s, ORIGIN, BEGIN + 1990);
	CHECK_EQ(s->w.script_count, 0);
	claim_tick(s->claim, BEGIN + 2000);
	s->w.asked_count = 0;
}

TEST(when_nobody_answers_a_lease_that_is_over_frees_it)
{
	struct scene s;

	begin(&s);
	script_is_busy(&s, false);
	stay_mute(&s);
	check_granted(&s, 5, BEGIN + 2001);
}

TEST(when_nobody_answers_a_lease_that_ends_frees_it)
{
	struct scene s;
	struct script_result r = busy("publish", false);

	begin(&s);
	script_is_busy(&s, true);
	stay_mute(&s);
	CHECK_EQ(s.w.script_count, 0);
	claim_tick(s.claim, claim_due_ms(s.claim));
	script_says(&s, &r, BEGIN + 2600);
	check_granted(&s, 5, BEGIN + 2601);
}

TEST(when_nobody_answers_a_lease_that_lives_refuses_and_says_who_is_silent)
{
	struct scene s;
	struct script_result r = busy("publish", true);
	int64_t now_ms = BEGIN + 2000;

	begin(&s);
	script_is_busy(&s, true);
	stay_mute(&s);
	while (!s.refusals && now_ms < BEGIN + 20000) {
		now_ms = claim_due_ms(s.claim);
		claim_tick(s.claim, now_ms);
		if (s.w.script_count)
			script_says(&s, &r, now_ms);
	}
	CHECK(now_ms >= BEGIN + 2000 + 3000); /* longer than a lease */
	CHECK(now_ms <= BEGIN + 16000);
	CHECK_STR(s.detail, "ingest-2 has it, and keeps its lease");
	check_refused(&s, REASON_bus_silent);
}

TEST(a_stream_that_goes_from_hand_to_hand_is_busy_in_the_end)
{
	struct scene s;
	struct script_result r = busy("publish", true);

	begin(&s);
	while (!s.refusals && r.entry.epoch.counter < 30) {
		r.entry.epoch = test_epoch(r.entry.epoch.counter + 1);
		script_says(&s, &r, BEGIN);
		if (s.refusals)
			break;
		claim_tick(s.claim, BEGIN);
		alive(&s, INGEST, ALIVE_LEFT, 0, BEGIN);
		s.w.asked_count = 0;
	}
	CHECK_STR(s.detail, "it changes hands too fast");
	check_refused(&s, REASON_busy);
}

TEST(who_was_silent_for_a_while_is_asked_again_before_it_is_refused)
{
	struct scene s;
	int64_t due_ms;

	begin(&s);
	script_is_busy(&s, true);
	alive(&s, INGEST, ALIVE_YES, 4000, BEGIN + 5);
	s.w.asked_count = 0;
	CHECK_EQ(s.grants + s.refusals, 0);
	due_ms = claim_due_ms(s.claim);
	CHECK(due_ms >= BEGIN + 8000);
	claim_tick(s.claim, due_ms);
	claim_tick(s.claim, due_ms);
	alive(&s, INGEST, ALIVE_SILENT, 12050, due_ms + 1);
	check_granted(&s, 5, due_ms + 2);
}

TEST(what_origins_know_is_told_to_the_script)
{
	struct scene s;
	struct answer known = {
		.is_known = true,
		.has_log = true,
		.epoch = test_epoch(8),
		.term = {.number = 12},
	};
	struct answer placed = {.node = "origin-1"};

	world_of(&s);
	begin_as(&s, "publish");
	answer(&s, ORIGIN, QUESTION_VALIDATE, &known, BEGIN);
	answer(&s, 0, QUESTION_PLACE, &placed, BEGIN);
	CHECK_EQ(s.w.script_count, 1);
	CHECK_EQ(s.w.script[0].call.told_counter, 8);
	CHECK_EQ(s.w.script[0].call.told_term, 12);
	check_granted(&s, 0, BEGIN);
}

TEST(a_live_writer_that_an_origin_names_is_asked_before_the_script)
{
	struct scene s;
	struct answer known = {
		.is_known = true,
		.is_live = true,
		.epoch = test_epoch(8),
		.term = {.number = 12},
		.writer_node = "ingest-2",
	};
	struct answer placed = {.node = "origin-1"};

	world_of(&s);
	begin_as(&s, "publish");
	answer(&s, ORIGIN, QUESTION_VALIDATE, &known, BEGIN);
	answer(&s, 0, QUESTION_PLACE, &placed, BEGIN);
	CHECK_EQ(s.w.script_count, 0);
	claim_tick(s.claim, BEGIN);
	alive(&s, INGEST, ALIVE_YES, 0, BEGIN + 1);
	check_refused(&s, REASON_busy);
}

TEST(the_origin_that_dispatch_names_is_not_taken_when_it_does_not_answer)
{
	struct scene s;
	struct answer placed = {.node = "origin-2"};
	struct answer silent = {.err = WEIR_ETIMEOUT};

	world_of(&s);
	test_node(&s.w, "origin-2", 3);
	begin_as(&s, "publish");
	answer(&s, ORIGIN, QUESTION_VALIDATE, &(struct answer){0}, BEGIN);
	answer(&s, 0, QUESTION_PLACE, &placed, BEGIN);
	answer(&s, 3, QUESTION_VALIDATE, &silent, BEGIN + 500);
	check_granted(&s, 0, BEGIN + 501);
}

TEST(without_any_origin_it_is_refused_in_the_end)
{
	struct scene s;
	int64_t now_ms = BEGIN;

	world_of(&s);
	test_find(&s.w, "origin-1")->link = 0;
	begin_as(&s, "publish");
	CHECK_EQ(s.refusals, 0);
	while (!s.refusals && now_ms < BEGIN + 2000) {
		now_ms = claim_due_ms(s.claim);
		claim_tick(s.claim, now_ms);
	}
	CHECK_EQ(now_ms, BEGIN + 2000);
	check_refused(&s, REASON_no_origin);
}

/* The registry does not answer. */
static void lose_registry(struct scene *s)
{
	struct script_result r = {.err = WEIR_ETIMEOUT};

	script_says(s, &r, BEGIN + 500);
}

TEST(without_the_registry_the_home_grants_and_the_claim_is_local)
{
	struct scene s;
	struct answer yes = {
		.is_granted = true,
		.is_known = true,
		.epoch = test_epoch(8),
		.term = {.number = 12},
	};

	begin(&s);
	lose_registry(&s);
	CHECK_EQ(s.grants, 0);
	answer(&s, ORIGIN, QUESTION_CLAIM, &yes, BEGIN + 510);
	CHECK_EQ(s.grants, 1);
	CHECK(s.grant.is_local && s.grant.entry.is_local);
	CHECK(s.grant.entry.epoch.counter > 8);
	CHECK(s.grant.entry.term.number > 12);
	CHECK_STR(s.grant.entry.home_node, "origin-1");
	CHECK_EQ(s.grant.entry.birth_ms, TEST_UTC_US / 1000);
	claim_free(&s.claim);
}

TEST(without_the_registry_a_home_that_has_a_writer_names_it_to_be_asked)
{
	struct scene s;
	struct answer no = {
		.is_known = true,
		.is_live = true,
		.epoch = test_epoch(8),
		.term = {.number = 12},
		.writer_node = "ingest-2",
	};

	begin(&s);
	lose_registry(&s);
	answer(&s, ORIGIN, QUESTION_CLAIM, &no, BEGIN + 510);
	claim_tick(s.claim, BEGIN + 510);
	alive(&s, INGEST, ALIVE_YES, 0, BEGIN + 520);
	check_refused(&s, REASON_busy);
}

TEST(without_the_registry_a_dead_writer_is_named_to_the_home_as_expected)
{
	struct scene s;
	struct answer no = {
		.is_known = true,
		.is_live = true,
		.epoch = test_epoch(8),
		.term = {.number = 12},
		.writer_node = "ingest-2",
	};
	struct test_asked q;

	begin(&s);
	lose_registry(&s);
	answer(&s, ORIGIN, QUESTION_CLAIM, &no, BEGIN + 510);
	claim_tick(s.claim, BEGIN + 510);
	alive(&s, INGEST, ALIVE_LEFT, 0, BEGIN + 520);
	q = test_take_asked(&s.w, ORIGIN, QUESTION_CLAIM);
	CHECK_EQ(q.question.expected.counter, 8);
	no.is_granted = true;
	CHECK(claim_on_answer(s.claim, q.tag, &no, BEGIN + 530));
	CHECK_EQ(s.grants, 1);
	CHECK(s.grant.is_local);
	claim_free(&s.claim);
}

TEST(without_the_registry_the_local_copy_says_whom_to_ask_first)
{
	struct scene s;

	begin(&s);
	s.w.has_copy = true;
	s.w.copy = busy("publish", true).entry;
	lose_registry(&s);
	CHECK_EQ(test_count_asked(&s.w, ORIGIN, QUESTION_CLAIM), 0);
	claim_tick(s.claim, BEGIN + 500);
	alive(&s, INGEST, ALIVE_YES, 0, BEGIN + 520);
	check_refused(&s, REASON_busy);
}
