/* common/media/amf0_test.c */
#include "common/media/amf0.h"

#include <math.h>

#include "common/test/check.h"

static const struct amf0_limits tight = {
	.depth_count = 2,
	.value_count = 6,
	.bytes = 64,
};

static int read_all(const void *data, size_t len, struct amf0_value *v)
{
	struct span in = span_of(data, len);

	return amf0_read(v, &in, NULL);
}

#define READ(v, ...)                                                           \
	read_all((const uint8_t[]){__VA_ARGS__},                               \
		 sizeof((const uint8_t[]){__VA_ARGS__}), (v))

/* {app: "live", nested: {deep: 7}, list: [true, null], when: date} */
static void put_sample(struct buf *b)
{
	amf0_put_object(b);
	amf0_put_key(b, "app");
	amf0_put_text(b, "live");
	amf0_put_key(b, "nested");
	amf0_put_object(b);
	amf0_put_key(b, "deep");
	amf0_put_number(b, 7);
	amf0_put_object_end(b);
	amf0_put_key(b, "list");
	amf0_put_strict_array(b, 2);
	amf0_put_bool(b, true);
	amf0_put_null(b);
	amf0_put_key(b, "when");
	amf0_put_date(b, 1e12);
	amf0_put_object_end(b);
}

TEST(plain_values_come_back_as_they_were_written)
{
	struct buf b = {0};
	struct amf0_value v;
	struct span in;

	amf0_put_number(&b, -1.5);
	amf0_put_bool(&b, true);
	amf0_put_text(&b, "live");
	amf0_put_null(&b);
	amf0_put_undefined(&b);
	amf0_put_date(&b, 1234);
	in = buf_span(&b);
	if (!buf_error(&b)) {
		CHECK_EQ(amf0_read(&v, &in, NULL), 0);
		CHECK(v.type == AMF0_NUMBER && v.number == -1.5);
		CHECK_EQ(amf0_read(&v, &in, NULL), 0);
		CHECK(v.type == AMF0_BOOLEAN && v.boolean);
		CHECK_EQ(amf0_read(&v, &in, NULL), 0);
		CHECK(amf0_is_string(&v) && span_eq_str(v.text, "live"));
		CHECK_EQ(amf0_read(&v, &in, NULL), 0);
		CHECK_EQ(v.type, AMF0_NULL);
		CHECK_EQ(amf0_read(&v, &in, NULL), 0);
		CHECK_EQ(v.type, AMF0_UNDEFINED);
		CHECK_EQ(amf0_read(&v, &in, NULL), 0);
		CHECK(v.type == AMF0_DATE && v.number == 1234);
		CHECK_EQ(in.len, 0);
	}
	buf_fini(&b);
}

TEST(properties_of_an_object_are_found_by_name)
{
	struct buf b = {0};
	struct amf0_value v, nested;
	struct span in;

	put_sample(&b);
	in = buf_span(&b);
	if (!buf_error(&b)) {
		CHECK_EQ(amf0_read(&v, &in, NULL), 0);
		CHECK_EQ(in.len, 0);
		CHECK(span_eq_str(amf0_find_string(&v, "app"), "live"));
		CHECK_EQ(amf0_find_string(&v, "nested").len, 0);
		CHECK_EQ(amf0_find_string(&v, "missing").len, 0);
		CHECK(amf0_find(&v, "nested", &nested));
		CHECK(amf0_find_number(&nested, "deep", 0) == 7);
		CHECK(amf0_find_number(&nested, "app", 3) == 3);
		CHECK(amf0_find_number(&v, "app", 4) == 4);
		CHECK(!amf0_find(&nested, "when", &nested));
	}
	buf_fini(&b);
}

TEST(a_walk_meets_every_member_in_order)
{
	struct buf b = {0};
	struct amf0_value v, list;
	struct span in;

	put_sample(&b);
	in = buf_span(&b);
	if (!buf_error(&b)) {
		CHECK_EQ(amf0_read(&v, &in, NULL), 0);
		CHECK(amf0_find(&v, "list", &list));
		struct amf0_walk w = amf0_walk_of(&list);

		CHECK(amf0_walk_next(&w));
		CHECK(w.key.len == 0 && w.value.type == AMF0_BOOLEAN);
		CHECK(amf0_walk_next(&w));
		CHECK_EQ(w.value.type, AMF0_NULL);
		CHECK(!amf0_walk_next(&w));
		w = amf0_walk_of(&v);
		for (int i = 0; i < 4; i++)
			CHECK(amf0_walk_next(&w));
		CHECK(span_eq_str(w.key, "when"));
		CHECK(!amf0_walk_next(&w));
		CHECK(!amf0_walk_next(&w));
	}
	buf_fini(&b);
}

TEST(an_object_without_its_end_is_taken_at_the_end_of_the_input)
{
	struct amf0_value v, in;

	CHECK_EQ(READ(&v, 3, 0, 1, 'a', 2, 0, 1, 'x'), 0);
	CHECK(span_eq_str(amf0_find_string(&v, "a"), "x"));
	CHECK_EQ(READ(&v, 3, 0, 1, 'a', 3, 0, 1, 'b', 1, 1), 0);
	CHECK(amf0_find(&v, "a", &in));
	CHECK(amf0_find_number(&in, "b", 0) == 1);
	CHECK_EQ(READ(&v, 3), 0);
	CHECK(!amf0_find(&v, "a", &in));
}

TEST(the_count_of_an_ecma_array_means_nothing)
{
	struct amf0_value v;

	CHECK_EQ(READ(&v, 8, 0, 0, 0, 0, 0, 1, 'a', 1, 1, 0, 0, 9), 0);
	CHECK(amf0_find_number(&v, "a", 0) == 1);
	CHECK_EQ(READ(&v, 8, 255, 255, 255, 255, 0, 1, 'a', 1, 1, 0, 0, 9), 0);
	CHECK(amf0_find_number(&v, "a", 0) == 1);
}

TEST(a_property_may_have_an_empty_name)
{
	struct amf0_value v;

	CHECK_EQ(READ(&v, 3, 0, 0, 1, 1, 0, 0, 9), 0);
	CHECK(amf0_find_number(&v, "", 0) == 1);
}

TEST(the_first_of_two_equal_names_counts)
{
	struct amf0_value v;

	CHECK_EQ(READ(&v, 3, 0, 1, 'a', 1, 1, 0, 1, 'a', 1, 0, 0, 0, 9), 0);
	CHECK(amf0_find_number(&v, "a", 9) == 1);
}

TEST(a_typed_object_has_a_class_and_properties)
{
	struct amf0_value v;

	CHECK_EQ(READ(&v, 16, 0, 1, 'C', 0, 1, 'a', 1, 1, 0, 0, 9), 0);
	CHECK(amf0_is_object(&v) && span_eq_str(v.text, "C"));
	CHECK(amf0_find_number(&v, "a", 0) == 1);
}

TEST(every_cut_of_a_value_is_refused_or_a_missing_end)
{
	struct buf b = {0};
	struct amf0_value v;

	put_sample(&b);
	for (size_t cut = 0; !buf_error(&b) && cut < b.len; cut++) {
		struct span in = span_first(buf_span(&b), cut);
		int err = amf0_read(&v, &in, NULL);

		CHECK(err == 0 || err == WEIR_EPROTO);
		CHECK_EQ(in.len, err ? cut : 0);
	}
	buf_fini(&b);
}

TEST(bad_values_are_refused_each_for_its_reason)
{
	struct amf0_value v = {.number = 42};

	CHECK_EQ(read_all(NULL, 0, &v), WEIR_EPROTO);
	CHECK_EQ(READ(&v, 0, 1, 2, 3), WEIR_EPROTO);        /* short number */
	CHECK_EQ(READ(&v, 2, 0, 5, 'a'), WEIR_EPROTO);      /* short string */
	CHECK_EQ(READ(&v, 12, 255, 0, 0, 0), WEIR_EPROTO);  /* promised */
	CHECK_EQ(READ(&v, 10, 0, 0, 0, 2, 5), WEIR_EPROTO); /* short array */
	CHECK_EQ(READ(&v, 9), WEIR_EPROTO);                 /* lone end */
	CHECK_EQ(READ(&v, 3, 0, 1, 'a', 9), WEIR_EPROTO);   /* end as value */
	CHECK_EQ(READ(&v, 3, 0, 9, 'a'), WEIR_EPROTO);      /* short name */
	CHECK_EQ(READ(&v, 3, 0, 1, 'a'), WEIR_EPROTO);      /* no value */
	CHECK_EQ(READ(&v, 17, 1), WEIR_EUNSUPPORTED);       /* AMF3 */
	CHECK_EQ(READ(&v, 3, 0, 1, 'a', 17), WEIR_EUNSUPPORTED);
	CHECK_EQ(READ(&v, 4), WEIR_EUNSUPPORTED); /* movie clip */
	CHECK_EQ(READ(&v, 200), WEIR_EUNSUPPORTED);
	CHECK(v.number == 42); /* failures leave the result alone */
}

TEST(an_amf3_value_stops_the_reading_at_itself)
{
	static const uint8_t wire[] = {1, 1, 17, 6, 1};
	struct span in = SPAN(wire);
	struct amf0_value v;

	CHECK_EQ(amf0_read(&v, &in, NULL), 0);
	CHECK_EQ(amf0_read(&v, &in, NULL), WEIR_EUNSUPPORTED);
	CHECK_EQ(in.len, 3);
	CHECK_EQ(in.data[0], AMF0_AMF3);
}

TEST(depth_count_and_bytes_have_limits)
{
	uint8_t wire[200];
	struct amf0_value v;
	struct span in;

	/* [[[…]]]: one list in the other */
	for (size_t i = 0; i + 5 <= sizeof(wire); i += 5)
		memcpy(wire + i, "\x0a\0\0\0\1", 5);
	in = SPAN(wire);
	CHECK_EQ(amf0_read(&v, &in, NULL), WEIR_ELIMIT);
	CHECK_EQ(amf0_read(&v, &in, &tight), WEIR_ELIMIT);
	/* [null × 6] is seven values */
	in = span_of("\x0a\0\0\0\6\5\5\5\5\5\5", 11);
	CHECK_EQ(amf0_read(&v, &in, &tight), WEIR_ELIMIT);
	in = span_of("\x0a\0\0\0\5\5\5\5\5\5", 10);
	CHECK_EQ(amf0_read(&v, &in, &tight), 0);
	memset(wire, 'x', sizeof(wire));
	memcpy(wire, "\2\0\x3d", 3); /* 3 + 61 bytes */
	in = SPAN(wire);
	CHECK_EQ(amf0_read(&v, &in, &tight), 0);
	wire[2]++;
	in = SPAN(wire);
	CHECK_EQ(amf0_read(&v, &in, &tight), WEIR_ELIMIT);
}

TEST(sixteen_levels_are_read_and_walked)
{
	uint8_t wire[16 * 5];
	struct span in = SPAN(wire);
	struct amf0_value v;

	for (size_t i = 0; i < 16; i++)
		memcpy(wire + 5 * i, "\x0a\0\0\0\1", 5);
	wire[sizeof(wire) - 1] = 0;
	CHECK_EQ(amf0_read(&v, &in, NULL), 0);
	for (size_t i = 0; i < 15; i++) {
		struct amf0_walk w = amf0_walk_of(&v);

		CHECK(amf0_walk_next(&w));
		v = w.value;
	}
	CHECK_EQ(v.body.len, 0);
}

TEST(long_texts_are_written_as_long_strings)
{
	static char text[70001];
	struct buf b = {0};
	struct amf0_value v;
	struct span in;

	memset(text, 'x', sizeof(text) - 1);
	amf0_put_text(&b, text);
	in = buf_span(&b);
	if (!buf_error(&b)) {
		CHECK_EQ(amf0_read(&v, &in, NULL), 0);
		CHECK_EQ(v.type, AMF0_LONG_STRING);
		CHECK_EQ(v.text.len, 70000);
		amf0_put_key(&b, text);
		CHECK_EQ(buf_error(&b), WEIR_ELIMIT);
	}
	buf_fini(&b);
}

TEST(numbers_become_integers_without_surprise)
{
	CHECK_EQ(amf0_to_u32(NAN), 0);
	CHECK_EQ(amf0_to_u32(-1), 0);
	CHECK_EQ(amf0_to_u32(1.9), 1);
	CHECK_EQ(amf0_to_u32(INFINITY), UINT32_MAX);
	CHECK_EQ(amf0_to_u32(4294967294.0), 4294967294u);
}
