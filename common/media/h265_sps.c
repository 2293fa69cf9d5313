/* common/media/h265_sps.c - parameter sets of H.265. */
#include "common/base/bits.h"
#include "common/media/h265.h"

#define DELTA_POCS_MAX 32

/* The general part goes to `sps`, which may be NULL. */
static void read_profile(struct h265_sps *sps, struct bits *b,
			 unsigned sub_layers)
{
	struct h265_sps general;
	bool has_profile[8] = {0};
	bool has_level[8] = {0};

	if (!sps)
		sps = &general;
	sps->profile_space = (uint8_t)bits_u(b, 2);
	sps->is_high_tier = bits_flag(b);
	sps->profile_idc = (uint8_t)bits_u(b, 5);
	sps->compatibility = bits_u(b, 32);
	sps->constraints = (uint64_t)bits_u(b, 24) << 24;
	sps->constraints |= bits_u(b, 24);
	sps->level_idc = (uint8_t)bits_u(b, 8);
	if (sub_layers < 2)
		return;
	for (unsigned i = 0; i < 8; i++) { /* what is unused is padding */
		bool is_used = i + 1 < sub_layers;

		has_profile[i] = bits_flag(b) && is_used;
		has_level[i] = bits_flag(b) && is_used;
	}
	for (unsigned i = 0; i < 8; i++)
		bits_skip(b,
			  (has_profile[i] ? 88 : 0) + (has_level[i] ? 8 : 0));
}

static uint16_t shown(uint64_t coded, uint64_t cropped)
{
	if (coded <= cropped || coded - cropped > UINT16_MAX)
		return 0;
	return (uint16_t)(coded - cropped);
}

static void read_size(struct h265_sps *sps, struct bits *b)
{
	uint8_t chroma = (uint8_t)bits_ue_max(b, 3);
	uint64_t crop_x = 0;
	uint64_t crop_y = 0;
	uint32_t width;
	uint32_t height;

	sps->chroma_format_idc = chroma;
	if (chroma == 3)
		bits_skip(b, 1); /* separate_colour_plane_flag */
	width = bits_ue(b);
	height = bits_ue(b);
	if (bits_flag(b)) { /* conformance window: left, right, top, bottom */
		crop_x = (uint64_t)bits_ue(b) + bits_ue(b);
		crop_y = (uint64_t)bits_ue(b) + bits_ue(b);
	}
	crop_x *= chroma == 1 || chroma == 2 ? 2 : 1;
	crop_y *= chroma == 1 ? 2 : 1;
	sps->width = shown(width, crop_x);
	sps->height = shown(height, crop_y);
	if (!sps->width || !sps->height)
		sps->width = sps->height = 0;
}

static void read_buffering(struct h265_sps *sps, struct bits *b)
{
	unsigned count = bits_flag(b) ? sps->sub_layers : 1;

	for (unsigned i = 0; i < count; i++) {
		sps->max_frame_buffers = (uint8_t)(bits_ue_max(b, 31) + 1);
		sps->reorder_frames = (uint8_t)bits_ue_max(b, 31);
		(void)bits_ue(b); /* max_latency_increase */
	}
}

static void skip_scaling_list(struct bits *b, unsigned size)
{
	unsigned count = WEIR_MIN(64u, 1u << (4 + (size << 1)));

	if (!bits_flag(b)) { /* predicted from another list */
		(void)bits_ue(b);
		return;
	}
	if (size > 1)
		(void)bits_se(b);
	while (count-- && !bits_failed(b))
		(void)bits_se(b);
}

static void skip_scaling_lists(struct bits *b)
{
	for (unsigned size = 0; size < 4; size++)
		for (unsigned i = 0; i < 6; i += size == 3 ? 3 : 1)
			skip_scaling_list(b, size);
}

/* Returns the number of entries of a set that is told as a difference to one
 * with `before` entries. */
static unsigned read_predicted_set(struct bits *b, unsigned before)
{
	unsigned count = 0;

	bits_skip(b, 1);
	(void)bits_ue(b);
	for (unsigned i = 0; i <= before; i++) {
		bool is_used = bits_flag(b);

		if (is_used || bits_flag(b))
			count++;
	}
	return count;
}

static unsigned read_explicit_set(struct bits *b)
{
	unsigned negative = bits_ue_max(b, 16);
	unsigned count = negative + bits_ue_max(b, 16);

	for (unsigned i = 0; i < count && !bits_failed(b); i++) {
		(void)bits_ue(b);
		bits_skip(b, 1);
	}
	return count;
}

static void skip_short_term_sets(struct bits *b)
{
	unsigned sets = bits_ue_max(b, 64);
	unsigned before = 0;

	for (unsigned i = 0; i < sets && !bits_failed(b); i++) {
		bool is_predicted = i && bits_flag(b);

		before = is_predicted ? read_predicted_set(b, before)
				      : read_explicit_set(b);
		if (before > DELTA_POCS_MAX)
			b->is_failed = true;
	}
}

static void skip_long_term_pictures(struct bits *b, unsigned lsb_bits)
{
	if (!bits_flag(b))
		return;
	for (uint32_t n = bits_ue_max(b, 32); n && !bits_failed(b); n--)
		bits_skip(b, lsb_bits + 1);
}

static void skip_tools(struct bits *b, unsigned lsb_bits)
{
	for (int i = 0; i < 6; i++) /* block sizes and depths */
		(void)bits_ue(b);
	if (bits_flag(b) && bits_flag(b))
		skip_scaling_lists(b);
	bits_skip(b, 2);    /* amp, sao */
	if (bits_flag(b)) { /* pcm */
		bits_skip(b, 8);
		(void)bits_ue(b);
		(void)bits_ue(b);
		bits_skip(b, 1);
	}
	skip_short_term_sets(b);
	skip_long_term_pictures(b, lsb_bits);
	bits_skip(b, 2); /* temporal mvp, strong intra smoothing */
}

static void skip_vui_display(struct bits *b)
{
	if (bits_flag(b) && bits_u(b, 8) == 255) /* aspect_ratio_idc */
		bits_skip(b, 32);
	if (bits_flag(b)) /* overscan */
		bits_skip(b, 1);
	if (bits_flag(b)) { /* video_signal_type */
		bits_skip(b, 4);
		if (bits_flag(b))
			bits_skip(b, 24);
	}
	if (bits_flag(b)) { /* chroma location */
		(void)bits_ue(b);
		(void)bits_ue(b);
	}
	bits_skip(b, 3);  /* neutral chroma, field_seq, frame_field_info */
	if (bits_flag(b)) /* default display window */
		for (int i = 0; i < 4; i++)
			(void)bits_ue(b);
}

/* A flag, then if it is set num_units_in_tick and time_scale. */
static uint16_t read_fps_x100(struct bits *b)
{
	bool is_told = bits_flag(b);
	uint64_t units = is_told ? bits_u(b, 32) : 0;
	uint64_t scale = is_told ? bits_u(b, 32) : 0;
	uint64_t fps_x100;

	if (bits_failed(b) || !units)
		return 0;
	fps_x100 = (scale * 100 + units / 2) / units;
	return fps_x100 > UINT16_MAX ? 0 : (uint16_t)fps_x100;
}

/* Everything up to and with the sps_id. */
static void read_sps_head(struct h265_sps *sps, struct bits *b)
{
	bits_skip(b, 4); /* vps_id */
	sps->sub_layers = (uint8_t)(bits_u(b, 3) + 1);
	sps->is_temporal_id_nested = bits_flag(b);
	read_profile(sps, b, sps->sub_layers);
	sps->id = (uint8_t)bits_ue_max(b, 15);
	if (sps->sub_layers > 7)
		b->is_failed = true;
}

int h265_sps_parse(struct h265_sps *out, struct span nal)
{
	struct bits b = bits_of_rbsp(span_from(nal, 2));
	struct h265_sps sps = {0};
	unsigned lsb_bits;

	read_sps_head(&sps, &b);
	read_size(&sps, &b);
	sps.luma_bits = (uint8_t)(8 + bits_ue_max(&b, 8));
	sps.chroma_bits = (uint8_t)(8 + bits_ue_max(&b, 8));
	lsb_bits = 4 + bits_ue_max(&b, 12);
	read_buffering(&sps, &b);
	if (bits_failed(&b) || h265_nal_type(nal) != H265_NAL_SPS)
		return WEIR_EPROTO;
	skip_tools(&b, lsb_bits);
	if (bits_flag(&b)) { /* vui */
		skip_vui_display(&b);
		sps.fps_x100 = read_fps_x100(&b);
	}
	*out = sps;
	return 0;
}

static void skip_layer_sets(struct bits *b)
{
	unsigned layer_bits = bits_u(b, 6) + 1;

	for (uint32_t n = bits_ue_max(b, 1023); n && !bits_failed(b); n--)
		bits_skip(b, layer_bits);
}

uint16_t h265_vps_fps_x100(struct span nal)
{
	struct bits b = bits_of_rbsp(span_from(nal, 2));
	unsigned sub_layers;
	unsigned count;

	if (h265_nal_type(nal) != H265_NAL_VPS)
		return 0;
	bits_skip(&b, 12); /* id, base layer flags, max_layers */
	sub_layers = bits_u(&b, 3) + 1;
	bits_skip(&b, 17); /* nesting, reserved */
	read_profile(NULL, &b, sub_layers);
	count = bits_flag(&b) ? sub_layers : 1;
	for (unsigned i = 0; i < 3 * count; i++)
		(void)bits_ue(&b); /* buffering, reorder, latency */
	skip_layer_sets(&b);
	return read_fps_x100(&b);
}

int h265_param_id(uint32_t *out, struct span nal)
{
	struct bits b = bits_of_rbsp(span_from(nal, 2));
	struct h265_sps sps = {0};
	uint32_t id = 0;

	switch (h265_nal_type(nal)) {
	case H265_NAL_VPS:
		id = bits_u(&b, 4);
		break;
	case H265_NAL_SPS:
		read_sps_head(&sps, &b);
		id = sps.id;
		break;
	case H265_NAL_PPS:
		id = bits_ue_max(&b, 63);
		break;
	default:
		return WEIR_EPROTO;
	}
	if (bits_failed(&b))
		return WEIR_EPROTO;
	*out = id;
	return 0;
}
