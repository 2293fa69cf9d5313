/* common/media/nal_test.c - runs of NAL units. */
#include "common/media/nal.h"

#include "common/test/check.h"

#define TEXT(s) SPAN_LIT(s)

TEST(units_of_any_length_size_become_plain)
{
	static const struct {
		const char *why;
		uint8_t size;
		struct span in;
		struct span out;
	} good[] = {
		{"4 bytes", 4, TEXT("\0\0\0\2AB\0\0\0\1C"),
		 TEXT("\0\0\0\2AB\0\0\0\1C")},
		{"3 bytes", 3, TEXT("\0\0\2AB\0\0\1C"),
		 TEXT("\0\0\0\2AB\0\0\0\1C")},
		{"2 bytes", 2, TEXT("\0\2AB\0\1C"),
		 TEXT("\0\0\0\2AB\0\0\0\1C")},
		{"1 byte", 1, TEXT("\2AB\1C"), TEXT("\0\0\0\2AB\0\0\0\1C")},
		{"empty units", 2, TEXT("\0\0\0\1C\0\0"), TEXT("\0\0\0\1C")},
		{"padding", 4, TEXT("\0\0\0\1C\0\0\0"), TEXT("\0\0\0\1C")},
		{"zeros inside stay", 1, TEXT("\3A\0\0"),
		 TEXT("\0\0\0\3A\0\0")},
		{"nothing", 4, TEXT(""), TEXT("")},
		{"Annex B", 0, TEXT("\0\0\0\1AB\0\0\1C"),
		 TEXT("\0\0\0\2AB\0\0\0\1C")},
		{"zeros around", 0, TEXT("\0\0\0\0\1A\0\0\0\0\1C\0\0"),
		 TEXT("\0\0\0\1A\0\0\0\1C")},
		{"start codes alone", 0, TEXT("\0\0\1\0\0\1\0\0\1C\0\0\1"),
		 TEXT("\0\0\0\1C")},
		{"junk before the first", 0, TEXT("xyz\0\0\1C"),
		 TEXT("\0\0\0\1C")},
		{"no start code", 0, TEXT("xyz"), TEXT("")},
		{"Annex B where lengths should be", 4,
		 TEXT("\0\0\1ABCDEF\0\0\1C"), TEXT("\0\0\0\6ABCDEF\0\0\0\1C")},
		{"the same with long codes", 4, TEXT("\0\0\0\1ABCDEF\0\0\0\1C"),
		 TEXT("\0\0\0\6ABCDEF\0\0\0\1C")},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(good); i++) {
		struct buf out = {0};

		CHECK_EQ(nal_rewrite(&out, good[i].in, good[i].size), 0);
		CHECK_SPAN(buf_span(&out), good[i].out);
		buf_fini(&out);
	}
}

TEST(broken_lengths_are_refused_and_leave_the_buffer_as_it_was)
{
	static const struct {
		const char *why;
		uint8_t size;
		struct span in;
	} bad[] = {
		{"too long by one", 4, TEXT("\0\0\0\2AA\0\0\0\3AB")},
		{"as long as can be", 4,
		 TEXT("\xff\xff\xff\xff"
		      "AB")},
		{"cut within a length", 4, TEXT("\0\0\0\2AA\0\0\1")},
		{"one byte too many", 2, TEXT("\0\1AB")},
		{"1 byte", 1, TEXT("\5A")},
		{"a size that is none", 5, TEXT("\0\0\0\0\1A")},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct buf out = {0};

		buf_put_u8(&out, 'x');
		CHECK_EQ(buf_error(&out), 0);
		CHECK_EQ(nal_rewrite(&out, bad[i].in, bad[i].size),
			 WEIR_EPROTO);
		CHECK_SPAN(buf_span(&out), TEXT("x"));
		buf_fini(&out);
	}
}

TEST(only_units_without_empty_ones_are_plain)
{
	CHECK(nal_is_plain(TEXT("\0\0\0\1A")));
	CHECK(nal_is_plain(TEXT("\0\0\0\1A\0\0\0\2BC")));
	CHECK(!nal_is_plain(TEXT("")));
	CHECK(!nal_is_plain(TEXT("\0\0\0\0\0\0\0\1A")));
	CHECK(!nal_is_plain(TEXT("\0\0\0\1A\0")));
	CHECK(!nal_is_plain(TEXT("\0\0\0\2A")));
	CHECK(!nal_is_plain(TEXT("\0\0\1A")));
}

TEST(a_start_code_is_known_from_a_length)
{
	CHECK(nal_has_start_code(TEXT("\0\0\1A")));
	CHECK(nal_has_start_code(TEXT("\0\0\0\1A")));
	CHECK(!nal_has_start_code(TEXT("\0\0\0\0\1A")));
	CHECK(!nal_has_start_code(TEXT("\0\1A")));
	CHECK(!nal_has_start_code(TEXT("\0\0\0\2AB")));
	CHECK(!nal_has_start_code(TEXT("\0\0\0")));
	CHECK(!nal_has_start_code(TEXT("")));
}

TEST(plain_units_go_to_annex_b_and_come_back)
{
	const struct span plain = TEXT("\0\0\0\3A\0\1\0\0\0\1C");
	struct buf annexb = {0};
	struct buf back = {0};

	CHECK_EQ(nal_to_annexb(&annexb, plain), 0);
	CHECK_SPAN(buf_span(&annexb), TEXT("\0\0\0\1A\0\1\0\0\0\1C"));
	CHECK_EQ(nal_rewrite(&back, buf_span(&annexb), NAL_ANNEXB), 0);
	CHECK_SPAN(buf_span(&back), plain);
	CHECK_EQ(nal_to_annexb(&back, TEXT("\0\0\0\3A")), WEIR_EPROTO);
	CHECK_SPAN(buf_span(&back), plain);
	buf_fini(&annexb);
	buf_fini(&back);
}

TEST(parameter_sets_are_kept_once_and_not_without_end)
{
	struct param_sets sets = {0};
	struct param_sets other = {0};
	uint8_t nal[PARAM_PPS_MAX + 1];

	CHECK(param_sets_is_empty(&sets));
	CHECK_EQ(param_sets_add(&sets, PARAM_SPS, TEXT("")), 0);
	CHECK(param_sets_is_empty(&sets));
	for (uint8_t i = 0; i < PARAM_PPS_MAX; i++) {
		nal[i] = i;
		CHECK_EQ(param_sets_add(&sets, PARAM_PPS, span_of(nal + i, 1)),
			 0);
		CHECK_EQ(param_sets_add(&sets, PARAM_PPS, span_of(nal + i, 1)),
			 0);
	}
	CHECK_EQ(sets.pps_count, PARAM_PPS_MAX);
	nal[PARAM_PPS_MAX] = 0xff;
	CHECK_EQ(param_sets_add(&sets, PARAM_PPS,
				span_of(nal + PARAM_PPS_MAX, 1)),
		 WEIR_ELIMIT);
	CHECK(!param_sets_eq(&sets, &other));
	other = sets;
	CHECK(param_sets_eq(&sets, &other));
	CHECK_EQ(param_sets_add(&other, PARAM_VPS, TEXT("v")), 0);
	CHECK(!param_sets_eq(&sets, &other));
}
