/* common/media/h264_test.c - H.264 headers, against real encoders' bytes. */
#include "common/media/h264.h"

#include <stdio.h>

#include "common/media/unit_text_test.h"
#include "common/test/check.h"
#include "common/test/vector.h"

#define VECTORS "common/media/vectors/"

static const char *const configs[] = {
	"h264_bframes",  "h264_open_gop", "h264_intra_refresh",
	"h264_slices",   "h264_1080p",    "h264_1080i",
	"h264_baseline", "h264_422_10",   "h264_444",
};

static void path_of(char out[128], const char *name, const char *suffix)
{
	snprintf(out, 128, VECTORS "%s%s", name, suffix);
}

static void check_config(const char *name)
{
	char path[128];
	struct buf file = {0};
	struct buf text = {0};
	struct h264_config c;
	struct h264_sps sps;

	path_of(path, name, ".avcc");
	vector_load(&file, path);
	CHECK_EQ(h264_config_parse(&c, buf_span(&file)), 0);
	CHECK_EQ(c.length_size, 4);
	CHECK_EQ(h264_sps_parse(&sps, c.sets.sps[0]), 0);
	CHECK_EQ(sps.level_idc, c.level_idc);
	CHECK_EQ(sps.profile_idc, c.profile_idc);
	buf_printf(&text,
		   "width=%u height=%u fps_x100=%u level=%u sps=%u pps=%u\n",
		   sps.width, sps.height, sps.fps_x100, sps.level_idc,
		   c.sets.sps_count, c.sets.pps_count);
	path_of(path, name, ".avcc.txt");
	vector_check(path, buf_span(&text));
	buf_fini(&file);
	buf_fini(&text);
}

TEST(a_real_avcc_tells_what_the_encoder_was_asked_for)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(configs); i++)
		check_config(configs[i]);
}

TEST(a_real_avcc_is_built_again_byte_for_byte_from_its_sets)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(configs); i++) {
		char path[128];
		struct buf file = {0};
		struct buf again = {0};
		struct h264_config c;

		path_of(path, configs[i], ".avcc");
		vector_load(&file, path);
		CHECK_EQ(h264_config_parse(&c, buf_span(&file)), 0);
		CHECK_EQ(h264_config_build(&again, &c.sets), 0);
		CHECK_SPAN(buf_span(&again), buf_span(&file));
		buf_fini(&file);
		buf_fini(&again);
	}
}

static void check_units(const char *name)
{
	char path[128];
	struct buf file = {0};
	struct buf text = {0};
	struct reader r;

	path_of(path, name, ".au");
	vector_load(&file, path);
	r = reader_of(buf_span(&file));
	for (unsigned i = 0; reader_left(&r); i++) {
		struct span unit = read_span(&r, read_u32(&r));
		struct unit_facts facts;

		CHECK(nal_is_plain(unit));
		CHECK_EQ(h264_unit_classify(&facts, unit), 0);
		CHECK(facts.has_picture);
		buf_printf(&text, "%u", i);
		unit_text(&text, &facts);
		buf_printf(&text, "\n");
	}
	CHECK(!reader_failed(&r));
	path_of(path, name, ".au.txt");
	vector_check(path, buf_span(&text));
	buf_fini(&file);
	buf_fini(&text);
}

TEST(join_points_are_found_with_closed_gops)
{
	check_units("h264_bframes");
}

TEST(join_points_are_found_with_open_gops)
{
	check_units("h264_open_gop");
}

TEST(join_points_are_found_with_intra_refresh)
{
	check_units("h264_intra_refresh");
}

TEST(join_points_are_found_with_many_slices)
{
	check_units("h264_slices");
}

TEST(the_vui_tells_how_far_frames_are_reordered)
{
	struct buf file = {0};
	struct h264_config c;
	struct h264_sps sps;

	vector_load(&file, VECTORS "h264_1080p.avcc");
	CHECK_EQ(h264_config_parse(&c, buf_span(&file)), 0);
	CHECK_EQ(h264_sps_parse(&sps, c.sets.sps[0]), 0);
	CHECK_EQ(sps.reorder_frames, 2);
	CHECK_EQ(sps.max_frame_buffers, 4);
	CHECK_EQ(sps.chroma_format_idc, 1);
	CHECK_EQ(sps.luma_bits, 8);
	CHECK(!sps.is_interlaced);
	buf_clear(&file);
	vector_load(&file, VECTORS "h264_1080i.avcc");
	CHECK_EQ(h264_config_parse(&c, buf_span(&file)), 0);
	CHECK_EQ(h264_sps_parse(&sps, c.sets.sps[0]), 0);
	CHECK(sps.is_interlaced);
	buf_clear(&file);
	vector_load(&file, VECTORS "h264_422_10.avcc");
	CHECK_EQ(h264_config_parse(&c, buf_span(&file)), 0);
	CHECK_EQ(h264_sps_parse(&sps, c.sets.sps[0]), 0);
	CHECK_EQ(sps.chroma_format_idc, 2);
	CHECK_EQ(sps.luma_bits, 10);
	CHECK_EQ(sps.chroma_bits, 10);
	buf_fini(&file);
}

TEST(an_sps_cut_anywhere_is_refused_or_loses_only_its_vui)
{
	struct buf file = {0};
	struct h264_config c;

	vector_load(&file, VECTORS "h264_1080i.avcc");
	CHECK_EQ(h264_config_parse(&c, buf_span(&file)), 0);
	for (size_t len = 0; len < c.sets.sps[0].len; len++) {
		struct h264_sps sps = {.width = 7};
		int err = h264_sps_parse(&sps, span_first(c.sets.sps[0], len));

		CHECK(err == WEIR_EPROTO || err == 0);
		CHECK_EQ(sps.width, err ? 7 : 1920);
	}
	buf_fini(&file);
}

/* Baseline, level 1, then bits as text; blanks are for the eye. */
static struct span sps_of(uint8_t nal[64], const char *bits)
{
	size_t count = 0;

	memset(nal, 0, 64);
	memcpy(nal, "\x67\x42\0\12", 4);
	for (; *bits; bits++) {
		if (*bits == '1')
			nal[4 + count / 8] |= (uint8_t)(0x80 >> count % 8);
		count += *bits != ' ';
	}
	return span_of(nal, 4 + (count + 7) / 8);
}

TEST(an_sps_of_a_few_bits_is_read)
{
	uint8_t nal[64];
	struct h264_sps sps;

	/* id, frame_num, order type 2, 1 reference, gaps; 2 x 3 blocks;
	 * frames, direct; no cropping; no vui; stop */
	CHECK_EQ(h264_sps_parse(&sps, sps_of(nal,
					     "1 1 011 010 0 010 011 1 1 "
					     "0 0 1")),
		 0);
	CHECK_EQ(sps.width, 32);
	CHECK_EQ(sps.height, 48);
	CHECK_EQ(sps.max_ref_frames, 1);
	CHECK_EQ(sps.reorder_frames, -1);
	CHECK_EQ(sps.fps_x100, 0);
	/* fields (so twice as high), cropped by 1, 2, 3, 4 units */
	CHECK_EQ(h264_sps_parse(&sps, sps_of(nal,
					     "1 1 011 010 0 010 011 0 0 1 "
					     "1 010 011 00100 00101 0 1")),
		 0);
	CHECK_EQ(sps.width, 32 - 2 * (1 + 2));
	CHECK_EQ(sps.height, 96 - 4 * (3 + 4));
	/* order type 1 with a cycle of 2 */
	CHECK_EQ(h264_sps_parse(&sps, sps_of(nal,
					     "1 1 010 0 1 1 011 1 1 010 0 "
					     "1 1 1 1 0 0 1")),
		 0);
	CHECK_EQ(sps.width, 16);
}

TEST(what_is_no_sps_is_refused_and_mad_sizes_are_unknown)
{
	uint8_t nal[64];
	struct h264_sps sps = {0};
	struct span good = sps_of(nal, "1 1 011 1 0 1 1 1 1 0 0 1");

	CHECK_EQ(h264_sps_parse(&sps, good), 0);
	CHECK_EQ(sps.width, 16);
	nal[0] = 0x68; /* a PPS */
	CHECK_EQ(h264_sps_parse(&sps, good), WEIR_EPROTO);
	CHECK_EQ(h264_sps_parse(&sps, (struct span){0}), WEIR_EPROTO);
	/* sps_id 32; order type 3 */
	CHECK_EQ(h264_sps_parse(&sps, sps_of(nal,
					     "00000100001 1 011 1 0 1 1 "
					     "1 1 0 0 1")),
		 WEIR_EPROTO);
	CHECK_EQ(h264_sps_parse(&sps,
				sps_of(nal, "1 1 00100 1 0 1 1 1 1 0 0 1")),
		 WEIR_EPROTO);
	/* 2^20 blocks wide */
	CHECK_EQ(h264_sps_parse(&sps, sps_of(nal,
					     "1 1 011 1 0 0000000000 "
					     "0000000000 1 0000000000 "
					     "0000000000 1 1 1 0 0 1")),
		 0);
	CHECK_EQ(sps.width, 0);
	CHECK_EQ(sps.height, 0);
	/* 16 wide, 16 cropped */
	CHECK_EQ(h264_sps_parse(&sps, sps_of(nal,
					     "1 1 011 1 0 1 1 1 1 1 "
					     "0001001 1 1 1 0 1")),
		 0);
	CHECK_EQ(sps.width, 0);
	CHECK_EQ(sps.height, 0);
}

TEST(an_avcc_cut_before_its_sets_end_is_refused)
{
	struct buf file = {0};
	struct h264_config c = {0};
	size_t end = 6 + 2 + 24 + 1 + 2 + 6; /* its tail may be missing */

	vector_load(&file, VECTORS "h264_bframes.avcc");
	CHECK_EQ(h264_config_parse(&c, buf_span(&file)), 0);
	end = (size_t)(c.sets.pps[0].data + c.sets.pps[0].len - file.data);
	for (size_t len = 0; len < file.len; len++)
		CHECK_EQ(h264_config_parse(&c, span_of(file.data, len)),
			 len < end ? WEIR_EPROTO : 0);
	file.data[0] = 2; /* another version */
	CHECK_EQ(h264_config_parse(&c, buf_span(&file)), WEIR_EPROTO);
	buf_fini(&file);
}

TEST(an_avcc_may_hold_no_sets_and_any_length_size)
{
	struct h264_config c;

	CHECK_EQ(h264_config_parse(&c, SPAN_LIT("\1\x42\0\12\xfc\xe0\0")), 0);
	CHECK_EQ(c.length_size, 1);
	CHECK(param_sets_is_empty(&c.sets));
	CHECK_EQ(h264_config_parse(&c, SPAN_LIT("\1\x42\0\12\xfd\xe0\0")), 0);
	CHECK_EQ(c.length_size, 2);
}

TEST(too_many_parameter_sets_pass_a_limit)
{
	struct buf in = {0};
	struct h264_config c;

	buf_put(&in, SPAN_LIT("\1\x42\0\12\xff\xe0"));
	buf_put_u8(&in, 255);
	for (unsigned i = 0; i < 255; i++) {
		buf_put_u16(&in, 2);
		buf_put_u8(&in, 0x68);
		buf_put_u8(&in, (uint8_t)i);
	}
	CHECK_EQ(buf_error(&in), 0);
	CHECK_EQ(h264_config_parse(&c, buf_span(&in)), WEIR_ELIMIT);
	buf_fini(&in);
}

TEST(no_avcc_is_built_without_an_sps)
{
	struct param_sets sets = {0};
	struct buf out = {0};

	CHECK_EQ(h264_config_build(&out, &sets), WEIR_EINVAL);
	sets.sps_count = 1;
	sets.sps[0] = SPAN_LIT("\x67\x42");
	CHECK_EQ(h264_config_build(&out, &sets), WEIR_EINVAL);
	CHECK_EQ(out.len, 0);
	/* An SPS that cannot be read still makes one, without its tail. */
	sets.sps[0] = SPAN_LIT("\x67\x64\0\12");
	CHECK_EQ(h264_config_build(&out, &sets), 0);
	CHECK_SPAN(buf_span(&out),
		   SPAN_LIT("\1\x64\0\12\xff\xe1\0\4\x67\x64\0\12\0"));
	buf_fini(&out);
}

TEST(facts_come_from_whatever_is_in_a_unit)
{
	static const struct {
		struct span unit;
		const char *facts;
	} units[] = {
		{SPAN_LIT(""), ""},
		{SPAN_LIT("\0\0\0\1\x09"), ""},
		{SPAN_LIT("\0\0\0\2\x67\x42\0\0\0\1\x68"), " sets"},
		/* a slice that is cut: no slice type */
		{SPAN_LIT("\0\0\0\1\x41"), ""},
		{SPAN_LIT("\0\0\0\1\x01"), " disposable"},
		{SPAN_LIT("\0\0\0\1\x65"), " join idr"},
		/* first_mb 0, slice_type 7: I */
		{SPAN_LIT("\0\0\0\2\x65\x88"), " join idr slices=I"},
		/* one slice of two is referred to */
		{SPAN_LIT("\0\0\0\1\x01\0\0\0\1\x41"), ""},
		/* recovery point of 0 frames; cut; and one without a picture */
		{SPAN_LIT("\0\0\0\5\x06\6\1\x84\x80\0\0\0\2\x41\x88"),
		 " join recovery=0 slices=I"},
		{SPAN_LIT("\0\0\0\3\x06\6\1\0\0\0\2\x41\x88"), " slices=I"},
		{SPAN_LIT("\0\0\0\5\x06\6\1\x84\x80"), " recovery=0"},
		/* behind another message whose size takes two bytes to say */
		{SPAN_LIT("\0\0\0\xa\x06\xff\1\2XX\6\1\x84\x80"
			  "\0\0\0\2\x41\x88"),
		 " join recovery=0 slices=I"},
		/* slice data partition A */
		{SPAN_LIT("\0\0\0\2\x42\x9c\0\0\0\1\x43"), " slices=B"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(units); i++) {
		struct buf text = {0};
		struct unit_facts facts;

		CHECK_EQ(h264_unit_classify(&facts, units[i].unit), 0);
		unit_text(&text, &facts);
		CHECK_STR(buf_text(&text), units[i].facts);
		buf_fini(&text);
	}
}

TEST(a_unit_with_broken_lengths_is_refused)
{
	struct unit_facts facts;
	struct param_sets sets;

	CHECK_EQ(h264_unit_classify(&facts, SPAN_LIT("\0\0\0\2\x65")),
		 WEIR_EPROTO);
	CHECK_EQ(h264_unit_sets(&sets, SPAN_LIT("\0\0\0\2\x67"), 4),
		 WEIR_EPROTO);
}

TEST(in_band_sets_are_collected_and_named_by_their_ids)
{
	struct param_sets sets;
	uint32_t id = 99;

	/* SPS with id 1, PPS with id 2 twice */
	CHECK_EQ(h264_unit_sets(&sets,
				SPAN_LIT("\5\x67\x42\0\12\x40\2\x68\x60"
					 "\2\x68\x60\1\x65"),
				1),
		 0);
	CHECK_EQ(sets.sps_count, 1);
	CHECK_EQ(sets.pps_count, 1);
	CHECK_EQ(h264_param_id(&id, sets.sps[0]), 0);
	CHECK_EQ(id, 1);
	CHECK_EQ(h264_param_id(&id, sets.pps[0]), 0);
	CHECK_EQ(id, 2);
	CHECK_EQ(h264_param_id(&id, SPAN_LIT("\x68")), WEIR_EPROTO);
}
