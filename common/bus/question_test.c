/* common/bus/question_test.c */
#include "common/bus/question.h"

#include "common/test/check.h"

#define BY "000102030405060708090a0b0c0d0e0f"

static const struct uuid by = {
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

static struct question full_question(void)
{
	return (struct question){
		.kind = QUESTION_ALIVE,
		.key = {"live/\"a\\b\" \xc3\xa9"},
		.epoch = {UINT64_MAX, by},
		.term = {7, by},
		.start_us = -3,
		.expected = {4, by},
		.credential = "user",
		.avoid = "origin-1",
		.via = "paris,lyon",
	};
}

static struct answer full_answer(void)
{
	return (struct answer){
		.err = WEIR_ENOENT,
		.verdict = ALIVE_SAME_USER,
		.is_granted = true,
		.is_known = true,
		.epoch = {5, by},
		.term = {1, by},
		.start_us = 1700000000000000,
		.node = "origin-2",
		.url = "tcp://10.0.0.1:7000",
		.instance = by,
		.silent_ms = UINT32_MAX,
		.is_live = true,
		.has_log = true,
		.top_counter = INT64_C(1) << 61,
		.kind = "publish",
		.writer_node = "ingest-1",
	};
}

TEST(a_question_comes_back_as_it_was_asked)
{
	for (int kind = QUESTION_PLACE; kind <= QUESTION_LOST; kind++) {
		struct question q = full_question();
		struct question back = {0};
		struct buf b = {0};

		q.kind = (uint8_t)kind;
		CHECK_EQ(question_write(&b, &q), 0);
		CHECK_EQ(question_read(&back, buf_span(&b)), 0);
		CHECK_EQ(back.kind, kind);
		CHECK_STR(back.key.text, q.key.text);
		CHECK(epoch_eq(&back.epoch, &q.epoch));
		CHECK(term_eq(&back.term, &q.term));
		CHECK_EQ(back.start_us, q.start_us);
		CHECK(epoch_eq(&back.expected, &q.expected));
		CHECK_STR(back.credential, q.credential);
		CHECK_STR(back.avoid, q.avoid);
		CHECK_STR(back.via, q.via);
		buf_fini(&b);
	}
}

TEST(an_answer_comes_back_as_it_was_given)
{
	const struct answer a = full_answer();
	struct answer back = {0};
	struct buf b = {0};

	CHECK_EQ(answer_write(&b, &a), 0);
	CHECK_EQ(answer_read(&back, buf_span(&b)), 0);
	CHECK_EQ(back.err, a.err);
	CHECK_EQ(back.verdict, a.verdict);
	CHECK(back.is_granted && back.is_known && back.is_live && back.has_log);
	CHECK_EQ(back.silent_ms, a.silent_ms);
	CHECK_EQ(back.top_counter, a.top_counter);
	CHECK_STR(back.kind, a.kind);
	CHECK_STR(back.writer_node, a.writer_node);
	CHECK(epoch_eq(&back.epoch, &a.epoch));
	CHECK(term_eq(&back.term, &a.term));
	CHECK_EQ(back.start_us, a.start_us);
	CHECK_STR(back.node, a.node);
	CHECK_STR(back.url, a.url);
	CHECK(uuid_eq(&back.instance, &a.instance));
	buf_fini(&b);
}

TEST(what_is_empty_is_left_out)
{
	const struct question q = {.kind = QUESTION_PLACE, .key = {"live/a"}};
	const struct answer none = {0};
	struct answer back = full_answer();
	struct buf b = {0};

	CHECK_EQ(question_write(&b, &q), 0);
	CHECK_STR(buf_text(&b), "{\"ask\":\"place\",\"key\":\"live/a\"}");
	buf_clear(&b);
	CHECK_EQ(answer_write(&b, &none), 0);
	CHECK_STR(buf_text(&b), "{}");
	CHECK_EQ(answer_read(&back, buf_span(&b)), 0);
	CHECK(!back.is_known && !back.err && !back.node[0]);
	buf_fini(&b);
}

TEST(the_largest_question_and_answer_fit)
{
	struct question q = full_question();
	struct answer a = full_answer();
	struct buf b = {0};

	/* A control character takes six bytes in JSON. */
	memset(q.key.text, 1, sizeof(q.key.text) - 1);
	memset(q.credential, 1, sizeof(q.credential) - 1);
	memset(q.avoid, 1, sizeof(q.avoid) - 1);
	memset(q.via, 1, sizeof(q.via) - 1);
	memset(a.node, 1, sizeof(a.node) - 1);
	memset(a.url, 1, sizeof(a.url) - 1);
	memset(a.writer_node, 1, sizeof(a.writer_node) - 1);
	q.start_us = a.start_us = -(INT64_C(1) << 61);
	CHECK_EQ(question_write(&b, &q), 0);
	buf_clear(&b);
	CHECK_EQ(answer_write(&b, &a), 0);
	buf_fini(&b);
}

TEST(what_cannot_be_said_in_json_is_not_written)
{
	struct question q = full_question();
	struct buf b = {0};

	q.credential[0] = '\xff';
	CHECK_EQ(question_write(&b, &q), WEIR_EINVAL);
	q = full_question();
	q.kind = QUESTION_LOST + 1;
	CHECK_EQ(question_write(&b, &q), WEIR_EINVAL);
	q.kind = 0;
	CHECK_EQ(question_write(&b, &q), WEIR_EINVAL);
	CHECK_EQ(b.len, 0);
	buf_fini(&b);
}

/* clang-format off */
static const struct {
	const char *json;
	int err;
} questions[] = {
	{"{\"ask\":\"alive\",\"key\":\"a/b\"}", 0},
	{"{\"ask\":\"alive\",\"key\":\"a/b\",\"later\":[1,{}]}", 0},
	{"{\"key\":\"a/b\"}", WEIR_EUNSUPPORTED},
	{"{\"ask\":\"kick\",\"key\":\"a/b\"}", WEIR_EUNSUPPORTED},
	{"{\"ask\":7,\"key\":\"a/b\"}", WEIR_EUNSUPPORTED},
	{"", WEIR_EPROTO},
	{"{", WEIR_EPROTO},
	{"[]", WEIR_EPROTO},
	{"null", WEIR_EPROTO},
	{"7", WEIR_EPROTO},
	{"{\"ask\":\"alive\"}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"\"}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":7}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":null}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"a\\u0000b\"}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"a/\xff\"}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"a/b\"} x", WEIR_EPROTO},
	{"{'ask':'alive','key':'a/b'}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"a/b\",}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"a/b\",\"start_us\":1.5}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"a/b\",\"start_us\":\"1\"}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"a/b\","
	 "\"start_us\":9223372036854775807}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"a/b\",\"epoch\":{}}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"a/b\","
	 "\"epoch\":{\"counter\":1,\"by\":\"" BY "\"}}", 0},
	{"{\"ask\":\"alive\",\"key\":\"a/b\","
	 "\"epoch\":{\"counter\":-1,\"by\":\"" BY "\"}}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"a/b\","
	 "\"epoch\":{\"counter\":1,\"by\":\"" BY "0\"}}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"a/b\","
	 "\"epoch\":{\"counter\":1,\"by\":\"x\"}}", WEIR_EPROTO},
	{"{\"ask\":\"alive\",\"key\":\"a/b\",\"x\":[[[[[[[]]]]]]]}",
	 WEIR_EPROTO},
};

static const struct {
	const char *json;
	int err;
} answers[] = {
	{"{\"verdict\":255,\"error\":-1014}", 0},
	{"{\"verdict\":256}", WEIR_EPROTO},
	{"{\"verdict\":-1}", WEIR_EPROTO},
	{"{\"error\":1}", WEIR_EPROTO},
	{"{\"error\":-99999999999}", WEIR_EPROTO},
	{"{\"granted\":1}", WEIR_EPROTO},
	{"{\"silent_ms\":4294967296}", WEIR_EPROTO},
	{"{\"silent_ms\":-1}", WEIR_EPROTO},
	{"{\"granted\":\"true\"}", WEIR_EPROTO},
	{"{\"known\":false}", 0},
	{"{\"instance\":\"00\"}", WEIR_EPROTO},
	{"{\"node\":[]}", WEIR_EPROTO},
	{"{\"term\":{\"counter\":1,\"by\":\"" BY "\"}}", WEIR_EPROTO},
	{"{\"term\":{\"number\":1,\"by\":\"" BY "\"}}", 0},
};
/* clang-format on */

TEST(a_question_of_the_wrong_form_is_refused)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(questions); i++) {
		struct question q = full_question();

		CHECK_EQ(question_read(&q, span_str(questions[i].json)),
			 questions[i].err);
		if (questions[i].err)
			CHECK_STR(q.credential, "user");
	}
}

TEST(an_answer_of_the_wrong_form_is_refused)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(answers); i++) {
		struct answer a = full_answer();

		CHECK_EQ(answer_read(&a, span_str(answers[i].json)),
			 answers[i].err);
	}
}

TEST(a_text_that_is_too_long_is_refused)
{
	struct question q;
	struct buf b = {0};

	buf_printf(&b, "{\"ask\":\"alive\",\"key\":\"%0513d\"}", 1);
	CHECK_EQ(question_read(&q, buf_span(&b)), WEIR_EPROTO);
	buf_clear(&b);
	buf_printf(&b, "{\"ask\":\"alive\",\"key\":\"%0512d\"}", 1);
	CHECK_EQ(question_read(&q, buf_span(&b)), 0);
	buf_printf(&b, "%*s", QUESTION_JSON_MAX, "");
	CHECK_EQ(question_read(&q, buf_span(&b)), WEIR_ELIMIT);
	buf_fini(&b);
}

TEST(questions_have_names)
{
	CHECK_STR(question_name(QUESTION_VALIDATE), "validate");
	CHECK_STR(question_name(0), "unknown");
	CHECK_STR(question_name(200), "unknown");
}
