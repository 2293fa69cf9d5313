/* common/media/h265_test.c - H.265 headers, against real encoders' bytes. */
#include "common/media/h265.h"

#include <stdio.h>

#include "common/media/unit_text_test.h"
#include "common/test/check.h"
#include "common/test/vector.h"

#define VECTORS "common/media/vectors/"

static const char *const configs[] = {
	"h265_bframes", "h265_open_gop", "h265_temporal",
	"h265_1080",    "h265_422",
};

static void load(struct buf *out, const char *name, const char *suffix)
{
	char path[128];

	snprintf(path, sizeof(path), VECTORS "%s%s", name, suffix);
	vector_load(out, path);
}

static void check_text(struct buf *text, const char *name, const char *suffix)
{
	char path[128];

	snprintf(path, sizeof(path), VECTORS "%s%s", name, suffix);
	vector_check(path, buf_span(text));
}

static void put_config_text(struct buf *out, const struct h265_config *c)
{
	struct h265_sps sps;

	CHECK_EQ(h265_sps_parse(&sps, c->sets.sps[0]), 0);
	CHECK_EQ(sps.level_idc, c->level_idc);
	CHECK_EQ(sps.profile_idc, c->profile_idc);
	CHECK_EQ(sps.is_high_tier, c->is_high_tier);
	CHECK_EQ(sps.sub_layers, c->sub_layers);
	CHECK_EQ(sps.chroma_format_idc, c->chroma_format_idc);
	CHECK_EQ(sps.luma_bits, c->luma_bits);
	CHECK_EQ(sps.chroma_bits, c->chroma_bits);
	CHECK_EQ(h265_vps_fps_x100(c->sets.vps[0]), 0); /* x265: not told */
	buf_printf(out,
		   "width=%u height=%u fps_x100=%u level=%u vps=%u sps=%u "
		   "pps=%u\n",
		   sps.width, sps.height, sps.fps_x100, sps.level_idc,
		   c->sets.vps_count, c->sets.sps_count, c->sets.pps_count);
}

TEST(a_real_hvcc_tells_what_the_encoder_was_asked_for)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(configs); i++) {
		struct buf file = {0};
		struct buf text = {0};
		struct h265_config c;

		load(&file, configs[i], ".hvcc");
		CHECK_EQ(h265_config_parse(&c, buf_span(&file)), 0);
		CHECK_EQ(c.length_size, 4);
		put_config_text(&text, &c);
		check_text(&text, configs[i], ".hvcc.txt");
		buf_fini(&file);
		buf_fini(&text);
	}
}

TEST(an_hvcc_that_is_built_again_tells_the_same)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(configs); i++) {
		struct buf file = {0};
		struct buf again = {0};
		struct h265_config a;
		struct h265_config b;

		load(&file, configs[i], ".hvcc");
		CHECK_EQ(h265_config_parse(&a, buf_span(&file)), 0);
		CHECK_EQ(h265_config_build(&again, &a.sets), 0);
		CHECK_EQ(h265_config_parse(&b, buf_span(&again)), 0);
		CHECK(param_sets_eq(&a.sets, &b.sets));
		CHECK_EQ(b.length_size, 4);
		CHECK_EQ(a.sub_layers, b.sub_layers);
		CHECK_EQ(a.luma_bits, b.luma_bits);
		/* version, profile, compatibility, constraints, level */
		CHECK_SPAN(span_of(again.data, 13), span_of(file.data, 13));
		buf_fini(&file);
		buf_fini(&again);
	}
}

static void check_units(const char *name)
{
	struct buf file = {0};
	struct buf text = {0};
	struct buf config = {0};
	struct h265_config c;
	struct reader r;

	load(&config, name, ".hvcc");
	CHECK_EQ(h265_config_parse(&c, buf_span(&config)), 0);
	load(&file, name, ".au");
	r = reader_of(buf_span(&file));
	for (unsigned i = 0; reader_left(&r); i++) {
		struct span unit = read_span(&r, read_u32(&r));
		struct unit_facts facts;

		CHECK(nal_is_plain(unit));
		CHECK_EQ(h265_unit_classify(&facts, unit, c.sub_layers), 0);
		CHECK(facts.has_picture);
		buf_printf(&text, "%u", i);
		unit_text(&text, &facts);
		buf_printf(&text, " tid=%u\n", facts.temporal_id);
		CHECK_EQ(h265_unit_classify(&facts, unit, 0), 0);
		CHECK(!facts.is_disposable);
	}
	CHECK(!reader_failed(&r));
	check_text(&text, name, ".au.txt");
	buf_fini(&config);
	buf_fini(&file);
	buf_fini(&text);
}

TEST(join_points_are_found_with_closed_gops)
{
	check_units("h265_bframes");
}

TEST(join_points_are_found_with_open_gops)
{
	check_units("h265_open_gop");
}

TEST(only_the_highest_temporal_layer_is_disposable)
{
	check_units("h265_temporal");
}

TEST(in_band_sets_of_a_key_frame_are_those_of_the_hvcc)
{
	struct buf config = {0};
	struct buf file = {0};
	struct h265_config c;
	struct param_sets sets;
	struct reader r;

	load(&config, "h265_bframes", ".hvcc");
	CHECK_EQ(h265_config_parse(&c, buf_span(&config)), 0);
	load(&file, "h265_bframes", ".au");
	r = reader_of(buf_span(&file));
	CHECK_EQ(h265_unit_sets(&sets, read_span(&r, read_u32(&r)), 4), 0);
	CHECK(param_sets_eq(&sets, &c.sets));
	CHECK_EQ(h265_unit_sets(&sets, read_span(&r, read_u32(&r)), 4), 0);
	CHECK(param_sets_is_empty(&sets));
	buf_fini(&config);
	buf_fini(&file);
}

TEST(a_10_bit_sps_tells_its_depth_and_buffers)
{
	struct buf file = {0};
	struct h265_config c;
	struct h265_sps sps;

	load(&file, "h265_1080", ".hvcc");
	CHECK_EQ(h265_config_parse(&c, buf_span(&file)), 0);
	CHECK_EQ(h265_sps_parse(&sps, c.sets.sps[0]), 0);
	CHECK_EQ(sps.profile_idc, 2);
	CHECK_EQ(sps.luma_bits, 10);
	CHECK_EQ(sps.reorder_frames, 2);
	CHECK_EQ(sps.max_frame_buffers, 5);
	buf_clear(&file);
	load(&file, "h265_422", ".hvcc");
	CHECK_EQ(h265_config_parse(&c, buf_span(&file)), 0);
	CHECK_EQ(h265_sps_parse(&sps, c.sets.sps[0]), 0);
	CHECK_EQ(sps.chroma_format_idc, 2);
	buf_fini(&file);
}

TEST(an_sps_cut_anywhere_is_refused_or_loses_only_its_frame_rate)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(configs); i++) {
		struct buf file = {0};
		struct h265_config c;
		struct h265_sps whole;
		struct span nal;

		load(&file, configs[i], ".hvcc");
		CHECK_EQ(h265_config_parse(&c, buf_span(&file)), 0);
		nal = c.sets.sps[0];
		CHECK_EQ(h265_sps_parse(&whole, nal), 0);
		for (size_t len = 0; len < nal.len; len++) {
			struct h265_sps sps = {.width = 7};
			int err = h265_sps_parse(&sps, span_first(nal, len));

			CHECK(err == WEIR_EPROTO || err == 0);
			CHECK_EQ(sps.width, err ? 7 : whole.width);
		}
		buf_fini(&file);
	}
}

TEST(an_hvcc_cut_anywhere_is_refused)
{
	struct buf file = {0};
	struct h265_config c;

	load(&file, "h265_bframes", ".hvcc");
	for (size_t len = 0; len < file.len; len++)
		CHECK_EQ(h265_config_parse(&c, span_of(file.data, len)),
			 WEIR_EPROTO);
	file.data[0] = 0; /* old muxers */
	CHECK_EQ(h265_config_parse(&c, buf_span(&file)), 0);
	file.data[0] = 2;
	CHECK_EQ(h265_config_parse(&c, buf_span(&file)), WEIR_EPROTO);
	buf_fini(&file);
}

TEST(no_hvcc_is_built_without_a_readable_sps)
{
	struct param_sets sets = {0};
	struct buf out = {0};

	CHECK_EQ(h265_config_build(&out, &sets), WEIR_EINVAL);
	sets.sps_count = 1;
	sets.sps[0] = SPAN_LIT("\x42\1\1\1");
	CHECK_EQ(h265_config_build(&out, &sets), WEIR_EINVAL);
	CHECK_EQ(out.len, 0);
	buf_fini(&out);
}

TEST(facts_come_from_whatever_is_in_a_unit)
{
	static const struct {
		struct span unit;
		const char *facts;
	} units[] = {
		{SPAN_LIT(""), ""},
		{SPAN_LIT("\0\0\0\1\x46"), ""}, /* half a header */
		{SPAN_LIT("\0\0\0\2\x46\1"), ""},
		{SPAN_LIT("\0\0\0\2\x40\1\0\0\0\2\x44\1"), " sets"},
		{SPAN_LIT("\0\0\0\2\x26\1"), " join idr slices=I"},
		{SPAN_LIT("\0\0\0\2\x28\1"), " join idr slices=I"},
		{SPAN_LIT("\0\0\0\2\x2a\1"), " join slices=I"}, /* CRA */
		{SPAN_LIT("\0\0\0\2\x20\1"), " join slices=I"}, /* BLA */
		{SPAN_LIT("\0\0\0\2\x2c\1"), ""},               /* reserved */
		{SPAN_LIT("\0\0\0\2\x10\1"), " disposable leading"},
		{SPAN_LIT("\0\0\0\2\x12\1"), " leading"},
		{SPAN_LIT("\0\0\0\2\x00\1"), " disposable"},
		{SPAN_LIT("\0\0\0\2\x02\1"), ""},
		{SPAN_LIT("\0\0\0\2\x00\1\0\0\0\2\x02\1"), ""},
		/* another layer; a temporal id of -1 */
		{SPAN_LIT("\0\0\0\2\x26\x09"), ""},
		{SPAN_LIT("\0\0\0\2\x26\0"), ""},
		/* recovery point: intra refresh over 3 pictures; cut */
		{SPAN_LIT("\0\0\0\6\x4e\1\6\1\x35\x80\0\0\0\2\x02\1"),
		 " join recovery=3"},
		{SPAN_LIT("\0\0\0\4\x4e\1\6\1\0\0\0\2\x02\1"), ""},
		/* in a suffix SEI it says nothing */
		{SPAN_LIT("\0\0\0\6\x50\1\6\1\x35\x80\0\0\0\2\x02\1"), ""},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(units); i++) {
		struct buf text = {0};
		struct unit_facts facts;

		CHECK_EQ(h265_unit_classify(&facts, units[i].unit, 1), 0);
		unit_text(&text, &facts);
		CHECK_STR(buf_text(&text), units[i].facts);
		buf_fini(&text);
	}
}

TEST(a_unit_with_broken_lengths_is_refused)
{
	struct unit_facts facts;
	struct param_sets sets;

	CHECK_EQ(h265_unit_classify(&facts, SPAN_LIT("\0\0\0\3\x26\1"), 1),
		 WEIR_EPROTO);
	CHECK_EQ(h265_unit_sets(&sets, SPAN_LIT("\0\0\0\3\x42\1"), 4),
		 WEIR_EPROTO);
}

TEST(a_vps_may_tell_the_frame_rate)
{
	/* one layer, one sub-layer; profile of 12 bytes; then by bits:
	 * 1 1 1 1 000000 1 1, units 1001, scale 30000 */
	const uint8_t vps[] = {0x40, 1,    0x0c, 0x01, 0xff, 0xff, 1,
			       0x60, 0x10, 0x10, 0x10, 0x90, 0x10, 0x10,
			       0x10, 0x10, 0x10, 93,   0xf0, 0x30, 0,
			       0,    0x3e, 0x90, 0,    7,    0x53, 0x08};
	struct span nal = SPAN(vps);

	CHECK_EQ(h265_vps_fps_x100(nal), 2997);
	CHECK_EQ(h265_vps_fps_x100(span_first(nal, nal.len - 1)), 0);
	CHECK_EQ(h265_vps_fps_x100((struct span){0}), 0);
	CHECK_EQ(h265_vps_fps_x100(SPAN_LIT("\x42\1\1\1\1")), 0);
}

TEST(parameter_sets_have_ids)
{
	uint32_t id = 99;

	CHECK_EQ(h265_param_id(&id, SPAN_LIT("\x40\1\x3c")), 0);
	CHECK_EQ(id, 3);
	CHECK_EQ(h265_param_id(&id, SPAN_LIT("\x44\1\x60")), 0);
	CHECK_EQ(id, 2);
	CHECK_EQ(h265_param_id(&id, SPAN_LIT("\x42\1\1\1\1")), WEIR_EPROTO);
	CHECK_EQ(h265_param_id(&id, SPAN_LIT("\x26\1\x60")), WEIR_EPROTO);
	CHECK_EQ(h265_param_id(&id, SPAN_LIT("\x44\1")), WEIR_EPROTO);
}
